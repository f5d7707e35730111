"""Graphs for recognition: the lexicon L, the grammar G, context dependency C, HMMs H, CTC topologies T, and
what is composed of them.

>>> lang = prepare_lang("data/local/dict", "<UNK>")  # Kaldi's lang directory
>>> lg = compose_lg(lang.lexicon_disambig, read_grammar("lm.arpa.gz", lang.words))
>>> hclg = compose_hclg(lg, tree, transition_model, disambig=lang.disambig_labels)  # of a Kaldi model
>>> tlg = compose_tlg(tokens, Lexicon.read("lexicon.txt"), "lm.arpa.gz")  # of a CTC network
"""

from sonant.fst.graphs.context import ContextLabels as ContextLabels
from sonant.fst.graphs.context import InverseContext as InverseContext
from sonant.fst.graphs.context import add_subsequential_loop as add_subsequential_loop
from sonant.fst.graphs.context import compose_context as compose_context
from sonant.fst.graphs.ctc import TOPOLOGIES as TOPOLOGIES
from sonant.fst.graphs.ctc import Topology as Topology
from sonant.fst.graphs.ctc import compose_ctc as compose_ctc
from sonant.fst.graphs.ctc import ctc_topology as ctc_topology
from sonant.fst.graphs.ctc import read_tokens as read_tokens
from sonant.fst.graphs.dictionary import Dictionary as Dictionary
from sonant.fst.graphs.hclg import compose_hclg as compose_hclg
from sonant.fst.graphs.hmm import DecisionTree as DecisionTree
from sonant.fst.graphs.hmm import TransitionModel as TransitionModel
from sonant.fst.graphs.hmm import TransitionTables as TransitionTables
from sonant.fst.graphs.hmm import add_self_loops as add_self_loops
from sonant.fst.graphs.hmm import add_transition_probs as add_transition_probs
from sonant.fst.graphs.hmm import h_transducer as h_transducer
from sonant.fst.graphs.lang import Lang as Lang
from sonant.fst.graphs.lang import Root as Root
from sonant.fst.graphs.lexicon import Lexicon as Lexicon
from sonant.fst.graphs.lexicon import Pronunciation as Pronunciation
from sonant.fst.graphs.lexicon import SilenceProbabilities as SilenceProbabilities
from sonant.fst.graphs.lexicon import WordSilence as WordSilence
from sonant.fst.graphs.lexicon_fst import lexicon_fst as lexicon_fst
from sonant.fst.graphs.lg import compose_lg as compose_lg
from sonant.fst.graphs.lg import read_grammar as read_grammar
from sonant.fst.graphs.prepare import prepare_lang as prepare_lang
from sonant.fst.graphs.tlg import compose_hlg as compose_hlg
from sonant.fst.graphs.tlg import compose_tlg as compose_tlg
from sonant.fst.graphs.tlg import compose_token_lg as compose_token_lg
from sonant.fst.graphs.training import TrainingGraphs as TrainingGraphs
