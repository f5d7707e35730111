"""Search: a network's scores in, hypotheses out. No network lives here.

CTC        greedy or prefix beam search over (frames, tokens) log-probabilities
graph      beam search over a decoding graph (HCLG, TLG), with lattices as Kaldi makes them
fusion     a lexicon, an n-gram model and hot words for the prefix beam and the transducer searches
alignment  of a given text: its tokens' times, what of it was not said, and what was said besides
transducer greedy or modified beam search over a step function, or over scores given one step at a time;
           over a graph of tokens ("fast beam search"), with lattices
rescoring  second passes over lattices: sums over paths, another language model

Each search comes as a function over whole utterances and as an object that takes an utterance in pieces; the
functions are built on the objects, so any chunking gives the same result, bit for bit.
"""

from sonant.search.alignment import (
    AlignedToken,
    AlignmentConfig,
    CtcAligner,
    TokenAlignment,
    TransducerAligner,
)
from sonant.search.ctc import CtcGreedy, CtcPrefixBeam, ctc_greedy, ctc_prefix_beam
from sonant.search.density_ratio import density_ratio
from sonant.search.dynamic import LmGraph
from sonant.search.endpoint import KALDI_RULES, EndpointRule, endpoint_detected
from sonant.search.fusion import Fusion, HotWords
from sonant.search.grammar import GrammarGraph, phrase_graph
from sonant.search.graph import GraphPath, GraphResult, GraphSearch, GraphSearchConfig, GraphStream
from sonant.search.hypothesis import Hypothesis
from sonant.search.rescoring import Reading, nbest_by_total, nbest_rescoring, whole_lattice_rescoring
from sonant.search.transducer import (
    Step,
    TransducerBeam,
    TransducerGreedy,
    TransducerTimeSyncBeam,
    advance_transducers,
    transducer_beam,
    transducer_greedy,
    transducer_time_sync_beam,
)
from sonant.search.transducer_graph import (
    TransducerGraph,
    TransducerGraphConfig,
    TransducerGraphStream,
    advance_graphs,
    token_loop,
)

__all__ = [
    "KALDI_RULES",
    "AlignedToken",
    "AlignmentConfig",
    "CtcAligner",
    "CtcGreedy",
    "CtcPrefixBeam",
    "EndpointRule",
    "Fusion",
    "GrammarGraph",
    "GraphPath",
    "GraphResult",
    "GraphSearch",
    "GraphSearchConfig",
    "GraphStream",
    "HotWords",
    "Hypothesis",
    "LmGraph",
    "Reading",
    "Step",
    "TokenAlignment",
    "TransducerAligner",
    "TransducerBeam",
    "TransducerGraph",
    "TransducerGraphConfig",
    "TransducerGraphStream",
    "TransducerGreedy",
    "TransducerTimeSyncBeam",
    "advance_graphs",
    "advance_transducers",
    "ctc_greedy",
    "ctc_prefix_beam",
    "density_ratio",
    "endpoint_detected",
    "nbest_by_total",
    "nbest_rescoring",
    "phrase_graph",
    "token_loop",
    "transducer_beam",
    "transducer_greedy",
    "transducer_time_sync_beam",
    "whole_lattice_rescoring",
]
