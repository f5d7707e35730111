"""Archives of lattices that are cut off or broken: errors, never a crash; what was whole is kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonant.cli import main
from sonant.errors import SonantError
from sonant.kaldi.fstext import CompactLatticeVectorFst, LatticeVectorFst
from sonant.kaldi.util import table
from sonant.lattice import Lattice

KEYS = ("a", "b")


def written(path: Path, paths: Any, compact: bool, text: bool, frames: int = 1) -> bytes:
    kind: Any = table.CompactLatticeWriter if compact else table.LatticeWriter
    made: Any = CompactLatticeVectorFst if compact else LatticeVectorFst
    with kind(f"ark{',t' if text else ''}:{path}") as writer:
        for seed, key in enumerate(KEYS):
            lattice = paths.random_lattice(seed, frames=frames)
            lattice = lattice.determinize() if compact else lattice
            writer[key] = made.of_native(lattice.fst.native)
    return path.read_bytes()


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("text", [False, True])
def test_archives_cut_at_every_byte(compact, text, tmp_path, paths):
    data = written(tmp_path / "whole.ark", paths, compact, text)
    cut = tmp_path / "cut.ark"
    counts = []
    for end in range(len(data)):
        cut.write_bytes(data[:end])
        kept = 0
        try:
            with table.SequentialCompactLatticeReader(f"ark:{cut}") as reader:
                for key, fst in reader:
                    assert key == KEYS[kept]
                    kept += 1
                    Lattice.of(fst).nbest(1)
        except SonantError as error:
            assert "cut.ark" in str(error) or "line" in str(error) or kept
        counts.append(kept)
    assert counts == sorted(counts) or text  # more bytes, more lattices
    assert set(counts) >= {0, 1}


@pytest.mark.parametrize("compact", [False, True])
def test_changed_bytes_never_crash(compact, tmp_path, paths):
    data = written(tmp_path / "whole.ark", paths, compact, False)
    rng = np.random.default_rng(1)
    broken = tmp_path / "broken.ark"
    for _ in range(100):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 2):
            changed[at] = rng.integers(0, 256)
        broken.write_bytes(bytes(changed))
        try:
            with table.SequentialCompactLatticeReader(f"ark:{broken}") as reader:
                for _, fst in reader:
                    lattice = Lattice.of(fst)
                    lattice.determinize(4.0)
                    lattice.mbr()
        except SonantError:
            pass


def test_commands_name_a_bad_archive_and_a_bad_lattice(tmp_path, paths, capfd):
    data = written(tmp_path / "whole.ark", paths, True, False, 8)
    cut = tmp_path / "cut.ark"
    cut.write_bytes(data[: 2 * len(data) // 3])
    for command in ("best", "mbr", "nbest", "prune", "determinize", "to-ctm", "copy"):
        assert main(["lattice", command, str(cut)]) == 1
        found = capfd.readouterr()
        assert "cut.ark" in found.err, command
        assert "a" in found.out or command == "to-ctm", command  # what was whole
        assert "Traceback" not in found.err
    bad = tmp_path / "bad.ark"
    with table.LatticeWriter(f"ark:{bad}") as writer:
        for key in ("first", "cyclic", "empty", "last"):
            lattice = paths.random_lattice(3, frames=8).fst.native
            fst = LatticeVectorFst() if key == "empty" else LatticeVectorFst.of_native(lattice.copy())
            if key == "cyclic":
                arc = next(iter(fst.arcs(0)))
                arc.nextstate = 0
                fst.add_arc(fst.num_states() - 1, arc)
            writer[key] = fst
    for command in ("best", "mbr", "nbest", "to-ctm", "prune"):
        assert main(["lattice", command, str(bad)]) == 1
        found = capfd.readouterr()
        assert "cyclic: " in found.err and "cycle" in found.err, command
        assert ("first" in found.out and "last" in found.out) or command == "to-ctm", command
