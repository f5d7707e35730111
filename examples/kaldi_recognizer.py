"""PyKaldi's "offline speech recognition with your own acoustic model": scores in, text and lattices out.

    python examples/kaldi_recognizer.py

Data: Kaldi's yesno (tests/data/kaldi-yesno). A PyKaldi program is the same with `kaldi` for `sonant.kaldi`.
The model here are mixtures of Gaussians; any network that gives a log-likelihood of each pdf does as well.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from sonant.kaldi.asr import GmmRecognizer, MappedLatticeFasterRecognizer
from sonant.kaldi.decoder import LatticeFasterDecoderOptions
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util.table import (
    CompactLatticeWriter,
    SequentialCompactLatticeReader,
    SequentialMatrixReader,
)

RUN = Path(__file__).parent.parent / "tests" / "data" / "kaldi-yesno"


def main() -> None:
    os.chdir(RUN)  # the lists of the run name files without a folder
    _, gaussians = GmmRecognizer.read_model("40.mdl")

    def model(frames: np.ndarray) -> np.ndarray:
        return gaussians.log_likelihoods_matrix(frames).numpy()

    options = LatticeFasterDecoderOptions()
    options.beam, options.lattice_beam, options.max_active = 13.0, 6.0, 7000
    recognizer = MappedLatticeFasterRecognizer.from_files(
        "40.mdl", "HCLG.fst", "words.txt", decoder_opts=options
    )

    with tempfile.TemporaryDirectory() as folder:
        texts = {line.split()[0]: line.split()[1:] for line in Path("text").read_text().splitlines()}
        Path(folder, "utt2spk").write_text("".join(f"{key} global\n" for key in texts))
        feats_rspec = (
            f"ark:apply-cmvn --utt2spk=ark:{folder}/utt2spk scp:cmvn.scp scp:feats.scp ark:- |"
            " add-deltas ark:- ark:- |"
        )
        wrong = 0
        with (
            SequentialMatrixReader(feats_rspec) as feats_reader,
            CompactLatticeWriter(f"ark:| gzip -c > {folder}/lat.gz") as lattices,
        ):
            for key, feats in feats_reader:
                out = recognizer.decode(Matrix(model(feats.numpy())))
                print(key, out["text"])
                lattices[key] = out["lattice"]
                wrong += out["text"].split() != texts[key]
        print(f"{wrong} of {len(texts)} recordings with an error")

        with SequentialCompactLatticeReader(f"ark:gunzip -c {folder}/lat.gz |") as read:
            arcs = [lattice.num_arcs(state) for _, lattice in read for state in lattice.states()]
        print(f"{len(arcs)} states and {sum(arcs)} arcs in their lattices")


if __name__ == "__main__":
    main()
