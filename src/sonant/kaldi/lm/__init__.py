"""n-gram language models by PyKaldi's names: ARPA files to grammars, and Kaldi's const-arpa files.

(PyKaldi's recurrent models, KaldiRnnlmWrapper and RnnlmDeterministicFst, are not here.)
"""

from sonant.kaldi.lm.arpa import ArpaLmCompiler as ArpaLmCompiler
from sonant.kaldi.lm.arpa import ArpaParseOptions as ArpaParseOptions
from sonant.kaldi.lm.const_arpa import ConstArpaLm as ConstArpaLm
from sonant.kaldi.lm.const_arpa import ConstArpaLmDeterministicFst as ConstArpaLmDeterministicFst
from sonant.kaldi.lm.const_arpa import build_const_arpa_lm as build_const_arpa_lm
