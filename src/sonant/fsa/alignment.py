"""Alignments of label sequences by edit distance (k2's)."""

import torch
from torch import Tensor

from sonant.errors import FstError
from sonant.fsa.fsa import Fsa
from sonant.fsa.intersection import intersect_device
from sonant.fsa.operations import remove_epsilon_self_loops, shortest_path, top_sort

_OFFSET = "__ins_del_score_offset_internal_attr_"


def levenshtein_alignment(
    refs: Fsa, hyps: Fsa, hyp_to_ref_map: Tensor, sorted_match_ref: bool = False
) -> Fsa:
    """The best alignment of each hypothesis with reference hyp_to_ref_map[i] (int32): a batch of chains.

    refs and hyps are of levenshtein_graph. An arc has `ref_labels` and `hyp_labels`, 0 where there is
    none, and as label the one of both where they agree. Scores add up to minus the number of edits.
    """
    for name, fsas in (("refs", refs), ("hyps", hyps)):
        if not isinstance(dict(fsas.named_tensor_attr()).get("aux_labels"), torch.Tensor):
            raise FstError(
                f"levenshtein_alignment: {name} have no aux_labels in a tensor; use levenshtein_graph"
            )
    hyps = hyps.clone().rename_tensor_attribute_("aux_labels", "hyp_labels")
    lattice = intersect_device(refs, hyps, hyp_to_ref_map, sorted_match_ref)
    lattice = top_sort(remove_epsilon_self_loops(lattice))
    found = shortest_path(lattice, use_double_scores=True).invert_()
    found.rename_tensor_attribute_("labels", "ref_labels")
    found.rename_tensor_attribute_("aux_labels", "labels")
    found.scores = found.scores - getattr(found, _OFFSET)
    return found
