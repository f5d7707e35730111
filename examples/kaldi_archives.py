"""Kaldi's files without Kaldi: features by a command's name, statistics, normalisation, an archive, and back.

    python examples/kaldi_archives.py

A PyKaldi program is the same with `kaldi` for `sonant.kaldi`.
"""

import tempfile
from pathlib import Path

import soundfile

from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util.table import MatrixWriter, RandomAccessMatrixReader, SequentialMatrixReader

SPEECH = Path(__file__).parent.parent / "tests" / "data" / "speech"


def recordings(folder: Path) -> None:
    """Writes 16-bit waves, the list of them that Kaldi reads, and the options of the features."""
    with open(folder / "wav.scp", "w") as scp:
        for name in ("1898-145715-0049.opus", "BAC009S0724W0121.flac", "sb-spk1_snt1.flac"):
            samples, rate = soundfile.read(SPEECH / name, dtype="int16")
            wave = folder / f"{Path(name).stem}.wav"
            soundfile.write(wave, samples, rate)
            scp.write(f"{wave.stem} {wave}\n")
    (folder / "mfcc.conf").write_text("--use-energy=false  # C0 in its place\n--dither=0\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings(folder)
        feats_rspec = f"ark:compute-mfcc-feats --config={folder}/mfcc.conf scp:{folder}/wav.scp ark:- |"

        cmvn = Cmvn(13)
        with SequentialMatrixReader(feats_rspec) as feats:
            for _, matrix in feats:
                cmvn.accumulate(matrix)

        feats_wspec = f"ark,scp:{folder}/feats.ark,{folder}/feats.scp"
        with SequentialMatrixReader(feats_rspec) as feats, MatrixWriter(feats_wspec) as out:
            for key, matrix in feats:
                cmvn.apply(matrix, norm_vars=True)
                out[key] = matrix

        with RandomAccessMatrixReader(f"scp:{folder}/feats.scp") as feats:
            for key in ("sb-spk1_snt1", "BAC009S0724W0121"):
                array = feats[key].numpy()  # numpy's memory, not a copy
                print(
                    f"{key}: {array.shape[0]} frames, mean {array.mean():+.3f}, deviation {array.std():.3f}"
                )
        print((folder / "feats.scp").read_text().replace(str(folder), "..."), end="")


if __name__ == "__main__":
    main()
