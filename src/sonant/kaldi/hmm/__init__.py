"""Topologies, transition models, alignments and posteriors, and HMMs in graphs (PyKaldi's `kaldi.hmm`)."""

from sonant.kaldi.fstext.kinds import StdVectorFst
from sonant.kaldi.hmm.alignment import (
    convert_alignment,
    convert_alignment_with_phone_map,
    convert_phnx_to_prons,
    get_ilabel_mapping,
    split_to_phones,
)
from sonant.kaldi.hmm.graphs import (
    HTransducerConfig,
    add_self_loops,
    add_transition_probs,
    add_transition_probs_lat,
    get_h_transducer,
)
from sonant.kaldi.hmm.posterior import (
    Posterior,
    merge_posteriors,
    posterior_entries_are_disjoint,
    vector_to_posterior_entries,
)
from sonant.kaldi.hmm.topology import NO_PDF, HmmTopology
from sonant.kaldi.hmm.transition import TransitionModel, get_pdfs_for_phones, get_phones_for_pdfs
from sonant.kaldi.hmm.transition_update import MapTransitionUpdateConfig, MleTransitionUpdateConfig
from sonant.kaldi.hmm.tree_stats import (
    AccumulateTreeStatsInfo,
    AccumulateTreeStatsOptions,
    accumulate_tree_stats,
    read_phone_map,
)

__all__ = [
    "NO_PDF",
    "AccumulateTreeStatsInfo",
    "AccumulateTreeStatsOptions",
    "HTransducerConfig",
    "HmmTopology",
    "MapTransitionUpdateConfig",
    "MleTransitionUpdateConfig",
    "Posterior",
    "StdVectorFst",
    "TransitionModel",
    "accumulate_tree_stats",
    "add_self_loops",
    "add_transition_probs",
    "add_transition_probs_lat",
    "convert_alignment",
    "convert_alignment_with_phone_map",
    "convert_phnx_to_prons",
    "get_h_transducer",
    "get_ilabel_mapping",
    "get_pdfs_for_phones",
    "get_phones_for_pdfs",
    "merge_posteriors",
    "posterior_entries_are_disjoint",
    "read_phone_map",
    "split_to_phones",
    "vector_to_posterior_entries",
]
