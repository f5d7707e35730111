"""Holds our CMVN statistics to those of a real Kaldi run: python yesno_cmvn.py <its data/train_yesno>.

The run (compute-cmvn-stats --spk2utt) read its compressed MFCC from the archives beside the statistics.
Prints for each speaker the number of frames and the largest relative difference.
"""

import sys
from pathlib import Path

import numpy as np

from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util.table import SequentialDoubleMatrixReader, SequentialMatrixReader


def main(folder: Path) -> None:
    feats = {}
    for archive in sorted(folder.glob("data/raw_mfcc_*.ark")):
        with SequentialMatrixReader(f"ark:{archive}") as reader:
            feats.update((key, matrix.numpy().copy()) for key, matrix in reader)
    with SequentialDoubleMatrixReader(f"ark:{folder}/data/cmvn_train_yesno.ark") as reader:
        theirs = {key: matrix.numpy().copy() for key, matrix in reader}
    for line in (folder / "spk2utt").read_text().splitlines():
        speaker, *utterances = line.split()
        cmvn = Cmvn(13)
        for utterance in utterances:
            cmvn.accumulate(feats[utterance])
        assert cmvn.stats is not None
        ours = cmvn.stats.numpy()
        scale = np.maximum(np.abs(theirs[speaker]), 1)
        difference = np.max(np.abs(ours - theirs[speaker]) / scale)
        print(f"{speaker}: {ours[0, -1]:.0f} frames, largest relative difference {difference:.2g}")
        assert ours[0, -1] == theirs[speaker][0, -1]
        assert difference < 1e-5


if __name__ == "__main__":
    main(Path(sys.argv[1]))
