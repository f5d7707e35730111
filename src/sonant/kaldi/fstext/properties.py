"""Properties of automata as OpenFst's bits (PyKaldi's `kaldi.fstext.properties`)."""

from sonant.fst.properties import *  # noqa: F403
