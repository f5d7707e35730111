"""Differentiable automata: k2's vocabulary on any torch.

    import sonant.fsa as k2

Automata with scores (larger is better) that are torch tensors, one or a ragged batch of them; operations
carry gradients and attributes from arc to arc. Names, arguments and results are k2's; what k2 dies of raises
an FstError. Costs of sonant.fst become scores in Fsa.from_fst, and only there.
"""

import torch

from sonant.fsa import fsa_properties as fsa_properties
from sonant.fsa import nbest as nbest
from sonant.fsa import ragged as ragged
from sonant.fsa.alignment import levenshtein_alignment as levenshtein_alignment
from sonant.fsa.arc_maps import compose_arc_maps as compose_arc_maps
from sonant.fsa.arc_maps import index_add as index_add
from sonant.fsa.arc_maps import index_select as index_select
from sonant.fsa.arc_maps import simple_ragged_index_select as simple_ragged_index_select
from sonant.fsa.batches import cat as cat
from sonant.fsa.batches import create_fsa_vec as create_fsa_vec
from sonant.fsa.batches import index_fsa as index_fsa
from sonant.fsa.batches import to_tensor as to_tensor
from sonant.fsa.chains import linear_fsa_with_self_loops as linear_fsa_with_self_loops
from sonant.fsa.chains import linear_fst_with_self_loops as linear_fst_with_self_loops
from sonant.fsa.ctc_loss import CtcLoss as CtcLoss
from sonant.fsa.ctc_loss import ctc_loss as ctc_loss
from sonant.fsa.decoding import get_aux_labels as get_aux_labels
from sonant.fsa.decoding import get_lattice as get_lattice
from sonant.fsa.decoding import one_best_decoding as one_best_decoding
from sonant.fsa.dense_fsa_vec import DenseFsaVec as DenseFsaVec
from sonant.fsa.dense_fsa_vec import convert_dense_to_fsa_vec as convert_dense_to_fsa_vec
from sonant.fsa.dense_totals import intersect_dense_tot_scores as intersect_dense_tot_scores
from sonant.fsa.determinization import DeterminizeWeightPushingType as DeterminizeWeightPushingType
from sonant.fsa.determinization import determinize as determinize
from sonant.fsa.determinization import remove_epsilon as remove_epsilon
from sonant.fsa.determinization import remove_epsilon_and_add_self_loops as remove_epsilon_and_add_self_loops
from sonant.fsa.drawing import to_dot as to_dot
from sonant.fsa.fsa import Fsa as Fsa
from sonant.fsa.fsa_properties import to_str as properties_to_str  # noqa: F401
from sonant.fsa.fsa_text import to_str as to_str
from sonant.fsa.fsa_text import to_str_simple as to_str_simple
from sonant.fsa.graphs import ctc_graph as ctc_graph
from sonant.fsa.graphs import ctc_topo as ctc_topo
from sonant.fsa.graphs import levenshtein_graph as levenshtein_graph
from sonant.fsa.graphs import linear_fsa as linear_fsa
from sonant.fsa.graphs import linear_fst as linear_fst
from sonant.fsa.graphs import trivial_graph as trivial_graph
from sonant.fsa.intersection import compose as compose
from sonant.fsa.intersection import intersect as intersect
from sonant.fsa.intersection import intersect_dense as intersect_dense
from sonant.fsa.intersection import intersect_device as intersect_device
from sonant.fsa.minimization import minimize as minimize
from sonant.fsa.mwer_loss import MWERLoss as MWERLoss
from sonant.fsa.mwer_loss import mwer_loss as mwer_loss
from sonant.fsa.nbest import Nbest as Nbest
from sonant.fsa.operations import add_epsilon_self_loops as add_epsilon_self_loops
from sonant.fsa.operations import arc_sort as arc_sort
from sonant.fsa.operations import closure as closure
from sonant.fsa.operations import connect as connect
from sonant.fsa.operations import expand_ragged_attributes as expand_ragged_attributes
from sonant.fsa.operations import invert as invert
from sonant.fsa.operations import prune_on_arc_post as prune_on_arc_post
from sonant.fsa.operations import remove_epsilon_self_loops as remove_epsilon_self_loops
from sonant.fsa.operations import reverse as reverse
from sonant.fsa.operations import shortest_path as shortest_path
from sonant.fsa.operations import top_sort as top_sort
from sonant.fsa.operations import union as union
from sonant.fsa.paths import shortest_paths as shortest_paths
from sonant.fsa.pruned_ranges import pruned_ranges_to_lattice as pruned_ranges_to_lattice
from sonant.fsa.pruned_search import DecodeStateInfo as DecodeStateInfo
from sonant.fsa.pruned_search import OnlineDenseIntersecter as OnlineDenseIntersecter
from sonant.fsa.pruned_search import intersect_dense_pruned as intersect_dense_pruned
from sonant.fsa.ragged import RaggedShape as RaggedShape
from sonant.fsa.ragged import RaggedTensor as RaggedTensor
from sonant.fsa.replacement import replace_fsa as replace_fsa
from sonant.fsa.rnnt_decode import RnntDecodingConfig as RnntDecodingConfig
from sonant.fsa.rnnt_decode import RnntDecodingStream as RnntDecodingStream
from sonant.fsa.rnnt_decode import RnntDecodingStreams as RnntDecodingStreams
from sonant.fsa.rnnt_loss import do_rnnt_pruning as do_rnnt_pruning
from sonant.fsa.rnnt_loss import get_rnnt_logprobs as get_rnnt_logprobs
from sonant.fsa.rnnt_loss import get_rnnt_logprobs_joint as get_rnnt_logprobs_joint
from sonant.fsa.rnnt_loss import get_rnnt_logprobs_pruned as get_rnnt_logprobs_pruned
from sonant.fsa.rnnt_loss import get_rnnt_logprobs_smoothed as get_rnnt_logprobs_smoothed
from sonant.fsa.rnnt_loss import get_rnnt_prune_ranges as get_rnnt_prune_ranges
from sonant.fsa.rnnt_loss import joint_mutual_information_recursion as joint_mutual_information_recursion
from sonant.fsa.rnnt_loss import mutual_information_recursion as mutual_information_recursion
from sonant.fsa.rnnt_loss import rnnt_loss as rnnt_loss
from sonant.fsa.rnnt_loss import rnnt_loss_pruned as rnnt_loss_pruned
from sonant.fsa.rnnt_loss import rnnt_loss_simple as rnnt_loss_simple
from sonant.fsa.rnnt_loss import rnnt_loss_smoothed as rnnt_loss_smoothed
from sonant.fsa.sampling import is_rand_equivalent as is_rand_equivalent
from sonant.fsa.sampling import random_fsa as random_fsa
from sonant.fsa.sampling import random_fsa_vec as random_fsa_vec
from sonant.fsa.sampling import random_paths as random_paths
from sonant.fsa.sparse import create_sparse as create_sparse
from sonant.fsa.swoosh import swoosh_l as swoosh_l
from sonant.fsa.swoosh import swoosh_l_forward as swoosh_l_forward
from sonant.fsa.swoosh import swoosh_l_forward_and_deriv as swoosh_l_forward_and_deriv
from sonant.fsa.swoosh import swoosh_r as swoosh_r
from sonant.fsa.swoosh import swoosh_r_forward as swoosh_r_forward
from sonant.fsa.swoosh import swoosh_r_forward_and_deriv as swoosh_r_forward_and_deriv
from sonant.fsa.symbol_table import SymbolTable as SymbolTable

# So that torch.load takes files of `as_dict` as they are.
torch.serialization.add_safe_globals([RaggedShape, RaggedTensor, SymbolTable])
