"""Damaged models, trees and topologies: an error of ours or what is there, soon, and nothing else."""

import contextlib
import random
from pathlib import Path

import pytest
from sonant._native import Input

from sonant.errors import SonantError
from sonant.kaldi.gmm.am_diag import AmDiagGmm
from sonant.kaldi.hmm import HmmTopology, TransitionModel
from sonant.kaldi.tree import ContextDependency

YESNO = Path(__file__).parents[1] / "data" / "kaldi-yesno"
TRIPHONE = Path(__file__).parent / "tree" / "golden"
FILES = {
    "model": (YESNO / "40.mdl", (TransitionModel, AmDiagGmm)),
    "topology": (YESNO / "topo", (HmmTopology,)),
    "tree": (TRIPHONE / "triphone.bin", (ContextDependency,)),
    "tree in text": (TRIPHONE / "triphone.txt", (ContextDependency,)),
}


def read(data: bytes, classes) -> list:
    stream = Input.from_bytes(data, "damaged")
    binary = stream.header()
    found = []
    for kind in classes:
        found.append(kind())
        found[-1].read(stream, binary)
    return found


@pytest.mark.parametrize("name", FILES)
def test_cuts_and_changes_raise_our_errors(name):
    path, classes = FILES[name]
    data = path.read_bytes()
    assert read(data, classes)
    rng = random.Random(name)
    for cut in rng.sample(range(len(data) - 8), 150):
        with pytest.raises(SonantError):
            read(data[:cut], classes)
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(changed))
            if rng.random() < 0.5:
                changed[at] = rng.randrange(256)
            elif rng.random() < 0.5:
                changed[at : at + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\xff" * 4, b"\0" * 4, b"\0\0\1\0"])
            else:
                changed[at:at] = rng.choice(
                    [b" -1 ", b" 99999999999999999999 ", b" nan ", b"\0", b" 3000000 "]
                )
        with contextlib.suppress(SonantError):
            read(bytes(changed), classes)
