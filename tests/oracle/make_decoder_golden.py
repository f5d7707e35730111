"""What Kaldi's decoders make of the yesno recordings: raw lattices, texts, costs, alignments.

PyKaldi's Python, in the root of the repository:
python tests/oracle/make_decoder_golden.py tests/kaldi/decoder/golden/yesno.npz
"""

import os
import sys

import numpy as np
from kaldi.asr import GmmFasterRecognizer, GmmLatticeFasterRecognizer
from kaldi.decoder import FasterDecoderOptions, LatticeFasterDecoderOptions
from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from kaldi.matrix import Matrix
from kaldi.transform.cmvn import Cmvn
from kaldi.util.table import SequentialDoubleMatrixReader, SequentialMatrixReader
from make_search_golden import lattice_arrays, set_options

OPTIONS = {"beam": 10, "lattice_beam": 6, "max_active": 40, "min_active": 10, "determinize_lattice": False}


def main(path):
    path = os.path.abspath(path)
    os.chdir("tests/data/kaldi-yesno")
    ((_, stats),) = list(SequentialDoubleMatrixReader("scp:cmvn.scp"))
    cmvn = Cmvn(13)
    cmvn.stats = stats
    lattices = GmmLatticeFasterRecognizer.from_files(
        "40.mdl", "HCLG.fst", "words.txt", decoder_opts=set_options(LatticeFasterDecoderOptions, OPTIONS)
    )
    paths = GmmFasterRecognizer.from_files(
        "40.mdl", "HCLG.fst", "words.txt", decoder_opts=set_options(FasterDecoderOptions, OPTIONS)
    )
    out = {}
    for number, (key, feats) in enumerate(SequentialMatrixReader("scp:feats.scp")):
        feats = Matrix(feats)
        cmvn.apply(feats)
        feats = compute_deltas(DeltaFeaturesOptions(), feats)
        for name, recognizer in (("lattice", lattices), ("path", paths)):
            found = recognizer.decode(feats)
            out[key + "/" + name + "/text"] = np.array(found["text"])
            weight = found["weight"]
            out[key + "/" + name + "/weight"] = np.array([weight.value1, weight.value2], np.float32)
        out[key + "/alignment"] = np.array(found["alignment"], np.int16)
        if number % 8 == 0:
            ints, costs, finals = lattice_arrays(lattices.decoder.get_raw_lattice())
            parts = {"arcs": ints, "costs": costs, "finals": finals}
            out.update({key + "/raw/" + part: array for part, array in parts.items()})
    np.savez_compressed(path, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
