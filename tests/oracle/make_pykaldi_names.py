"""Writes pykaldi_names.json: the public names of PyKaldi's modules that `sonant.kaldi` has, with methods.

Run by a Python 3.7 that has pykaldi 0.2.1: python make_pykaldi_names.py
"""

import importlib
import inspect
import json
import os

MODULES = [
    "alignment",
    "asr",
    "base",
    "base.io",
    "base.math",
    "util",
    "util.io",
    "util.options",
    "util.table",
    "matrix",
    "matrix.common",
    "matrix.compressed",
    "matrix.functions",
    "matrix.htk",
    "matrix.optimization",
    "matrix.packed",
    "matrix.sparse",
    "decoder",
    "feat.fbank",
    "feat.functions",
    "feat.mel",
    "feat.mfcc",
    "feat.online",
    "feat.pitch",
    "feat.plp",
    "feat.signal",
    "feat.spectrogram",
    "feat.wave",
    "feat.window",
    "kws",
    "transform",
    "transform.cmvn",
    "transform.fmpe",
    "transform.lda",
    "transform.lvtln",
    "transform.mllr",
    "transform.mllt",
    "lat.align",
    "lat.functions",
    "lat.sausages",
    "hmm",
    "tree",
    "gmm",
    "gmm.am",
    "ivector",
    "itf",
    "fstext",
    "fstext.enums",
    "fstext.properties",
    "fstext.special",
    "fstext.utils",
    "fstext.weight",
]

# How CLIF spells conversions to C++ base classes, and Python's own.
IGNORED = ("as_kaldi_", "as_std_", "as_fst_")


def methods(cls):
    found = set()
    for base in cls.__mro__:
        if base.__module__.startswith("kaldi"):
            found |= {name for name in vars(base) if not name.startswith("_")}
    return sorted(name for name in found if not name.startswith(IGNORED))


def main():
    found = {}
    for name in MODULES:
        module = importlib.import_module("kaldi." + name)
        names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
        entries = {}
        for n in sorted(set(names)):
            value = getattr(module, n, None)
            if value is None or inspect.ismodule(value) or n.startswith("_"):
                continue
            entries[n] = methods(value) if inspect.isclass(value) else None
        found[name] = entries
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pykaldi_names.json")
    with open(path, "w") as out:
        json.dump(found, out, indent=0, sort_keys=True)
        out.write("\n")


main()
