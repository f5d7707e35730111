"""Graphs for recognition: the lexicon L, the grammar G, CTC topologies, and what is composed of them."""

from sonant.fst.graphs.dictionary import Dictionary as Dictionary
from sonant.fst.graphs.lang import Lang as Lang
from sonant.fst.graphs.lang import Root as Root
from sonant.fst.graphs.lexicon import Lexicon as Lexicon
from sonant.fst.graphs.lexicon import Pronunciation as Pronunciation
from sonant.fst.graphs.lexicon import SilenceProbabilities as SilenceProbabilities
from sonant.fst.graphs.lexicon import WordSilence as WordSilence
from sonant.fst.graphs.lexicon_fst import lexicon_fst as lexicon_fst
from sonant.fst.graphs.prepare import prepare_lang as prepare_lang
