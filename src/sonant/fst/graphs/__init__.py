"""Decoding graphs for recognition: context dependency (C), HMMs (H) and the whole chain to HCLG."""

from sonant.fst.graphs.context import ContextLabels as ContextLabels
from sonant.fst.graphs.context import InverseContext as InverseContext
from sonant.fst.graphs.context import add_subsequential_loop as add_subsequential_loop
from sonant.fst.graphs.context import compose_context as compose_context
from sonant.fst.graphs.hclg import compose_hclg as compose_hclg
from sonant.fst.graphs.hmm import DecisionTree as DecisionTree
from sonant.fst.graphs.hmm import TransitionModel as TransitionModel
from sonant.fst.graphs.hmm import TransitionTables as TransitionTables
from sonant.fst.graphs.hmm import add_self_loops as add_self_loops
from sonant.fst.graphs.hmm import add_transition_probs as add_transition_probs
from sonant.fst.graphs.hmm import h_transducer as h_transducer
from sonant.fst.graphs.training import TrainingGraphs as TrainingGraphs
