"""What `import k2` of k2 1.24.4 exports, and what of it `import sonant.fsa as k2` has; docs/fsa.md tells
the same.
"""

from pathlib import Path

import sonant.fsa as k2

EXPORTS = [
    "CtcLoss",
    "DecodeStateInfo",
    "DenseFsaVec",
    "DeterminizeWeightPushingType",
    "Fsa",
    "MWERLoss",
    "Nbest",
    "OnlineDenseIntersecter",
    "RaggedShape",
    "RaggedTensor",
    "RnntDecodingConfig",
    "RnntDecodingStream",
    "RnntDecodingStreams",
    "SymbolTable",
    "add_epsilon_self_loops",
    "arc_sort",
    "cat",
    "closure",
    "compose",
    "compose_arc_maps",
    "connect",
    "convert_dense_to_fsa_vec",
    "create_fsa_vec",
    "create_sparse",
    "ctc_graph",
    "ctc_loss",
    "ctc_topo",
    "determinize",
    "do_rnnt_pruning",
    "expand_ragged_attributes",
    "get_aux_labels",
    "get_best_matching_stats",
    "get_lattice",
    "get_rnnt_logprobs",
    "get_rnnt_logprobs_joint",
    "get_rnnt_logprobs_pruned",
    "get_rnnt_logprobs_smoothed",
    "get_rnnt_prune_ranges",
    "get_rnnt_prune_ranges_deprecated",
    "index_add",
    "index_fsa",
    "index_select",
    "intersect",
    "intersect_dense",
    "intersect_dense_pruned",
    "intersect_device",
    "invert",
    "is_rand_equivalent",
    "joint_mutual_information_recursion",
    "levenshtein_alignment",
    "levenshtein_graph",
    "linear_fsa",
    "linear_fsa_with_self_loops",
    "linear_fst",
    "linear_fst_with_self_loops",
    "mutual_information_recursion",
    "mwer_loss",
    "one_best_decoding",
    "properties_to_str",
    "prune_on_arc_post",
    "pruned_ranges_to_lattice",
    "random_fsa",
    "random_fsa_vec",
    "random_paths",
    "remove_epsilon",
    "remove_epsilon_and_add_self_loops",
    "remove_epsilon_self_loops",
    "replace_fsa",
    "reverse",
    "rnnt_loss",
    "rnnt_loss_pruned",
    "rnnt_loss_simple",
    "rnnt_loss_smoothed",
    "shortest_path",
    "simple_ragged_index_select",
    "swoosh_l",
    "swoosh_l_forward",
    "swoosh_l_forward_and_deriv",
    "swoosh_r",
    "swoosh_r_forward",
    "swoosh_r_forward_and_deriv",
    "to_dot",
    "to_str",
    "to_str_simple",
    "to_tensor",
    "top_sort",
    "trivial_graph",
    "union",
]

DOCS = Path(__file__).parents[2] / "docs" / "fsa.md"


def table_of_missing() -> list[str]:
    """The names in the last section of the page."""
    section = DOCS.read_text().split("## k2's names that are not there")[1].split("\n## ")[0]
    return sorted(
        name
        for row in section.splitlines()
        if row.startswith("| `")
        for name in row.split("|")[1].replace("`", "").replace(",", " ").split()
    )


def test_names_are_there_or_said_not_to_be():
    missing = [name for name in EXPORTS if not hasattr(k2, name)]
    assert table_of_missing() == missing


def test_submodules_of_k2_code():
    assert k2.nbest.Nbest is k2.Nbest
    assert k2.ragged.RaggedTensor is k2.RaggedTensor
    for name in ("whole_lattice_rescoring", "generate_nbest_list"):
        assert callable(getattr(k2.nbest, name))
