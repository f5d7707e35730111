"""What Kaldi's aligners make of the yesno recordings: alignments, costs, phones, words.

PyKaldi's Python, in the root of the repository:
python tests/oracle/make_aligners_golden.py tests/kaldi/decoder/golden/aligners.json
"""

import json
import os
import sys

from kaldi.alignment import GmmAligner, MappedAligner
from kaldi.decoder import TrainingGraphCompilerOptions
from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from kaldi.gmm.am import DecodableAmDiagGmmUnmapped
from kaldi.lat.align import WordBoundaryInfo, WordBoundaryInfoNewOpts
from kaldi.matrix import Matrix
from kaldi.transform.cmvn import Cmvn
from kaldi.util.table import SequentialDoubleMatrixReader, SequentialMatrixReader

FILES = ("40.mdl", "tree", "L.fst", "words.txt", "lang/phones/disambig.int")
BOUNDARIES = "1 nonword\n2 singleton\n3 singleton\n"


def likelihoods(aligner, feats):
    """(frames, pdfs)"""
    scores = DecodableAmDiagGmmUnmapped(aligner.acoustic_model, feats)
    found = Matrix(feats.num_rows, aligner.acoustic_model.num_pdfs())
    for frame in range(feats.num_rows):
        for pdf in range(aligner.acoustic_model.num_pdfs()):
            found[frame, pdf] = scores.log_likelihood(frame, pdf + 1)
    return found


def main(path):
    path = os.path.abspath(path)
    os.chdir("tests/data/kaldi-yesno")
    ((_, stats),) = list(SequentialDoubleMatrixReader("scp:cmvn.scp"))
    cmvn = Cmvn(13)
    cmvn.stats = stats
    once = TrainingGraphCompilerOptions()
    once.transition_scale = once.self_loop_scale = 0.0
    aligners = {
        "default": GmmAligner.from_files(*FILES),
        "scripts": GmmAligner.from_files(*FILES, graph_compiler_opts=once, beam=10.0, self_loop_scale=0.1),
    }
    mapped = MappedAligner.from_files(*FILES)
    phones = mapped.read_symbols("phones.txt")
    boundaries = path + ".int"
    with open(boundaries, "w") as file:
        file.write(BOUNDARIES)
    info = WordBoundaryInfo.from_file(WordBoundaryInfoNewOpts(), boundaries)
    os.remove(boundaries)
    with open("text") as file:
        texts = {line.split()[0]: line.split(None, 1)[1] for line in file}
    out = {}
    for number, (key, feats) in enumerate(SequentialMatrixReader("scp:feats.scp")):
        feats = Matrix(feats)
        cmvn.apply(feats)
        feats = compute_deltas(DeltaFeaturesOptions(), feats)
        out[key] = {}
        for name, aligner in aligners.items():
            found = aligner.align(feats, texts[key])
            out[key][name] = {
                "weight": [found["weight"].value1, found["weight"].value2],
                "phones": aligner.to_phone_alignment(found["alignment"], phones),
                "words": aligner.to_word_alignment(found["best_path"], info),
            }
            if number == 0:
                out[key][name]["alignment"] = list(found["alignment"])
        if number < 2:
            found = mapped.align(likelihoods(aligners["default"], feats), texts[key])
            out[key]["mapped"] = [found["weight"].value1, found["weight"].value2]
    with open(path, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
