"""Writes tests/kaldi/fstext/golden/encoders.json with PyKaldi itself (Python 3.7).

    python tests/oracle/make_fst_encode_golden.py

Automata encoded and decoded, and files of encoders. PyKaldi's mappers cannot be made (their
constructor fails), only read; so a table is written first.
"""

import json
import os
import tempfile
from pathlib import Path

from kaldi import fstext  # pyright: ignore[reportMissingImports]
from kaldi.base.io import ofstream  # pyright: ignore[reportMissingImports]

GOLDEN = Path(__file__).parent.parent / "kaldi/fstext/golden/encoders.json"


def weights(kind):
    if kind in ("Std", "Log"):
        made = fstext.TropicalWeight if kind == "Std" else fstext.LogWeight
        return made(0.5), made(1.5)
    if kind == "Lattice":
        return fstext.LatticeWeight(1, 2), fstext.LatticeWeight(0.5, 0)
    lattice = fstext.CompactLatticeWeight
    return lattice(fstext.LatticeWeight(1, 2), [7, 8, 9]), lattice(fstext.LatticeWeight(0, 0.5), [7])


def automaton(kind):
    first, second = weights(kind)
    one = type(first).one()
    fst = getattr(fstext, kind + "VectorFst")()
    arc = getattr(fstext, ("Std" if kind == "Std" else kind) + "Arc")
    for _ in range(4):
        fst.add_state()
    fst.set_start(0)
    for source, ilabel, olabel, weight, nextstate in (
        (0, 1, 2, first, 1),
        (0, 0, 0, one, 2),
        (0, 1, 2, second, 2),
        (1, 0, 3, one, 2),
        (1, 1, 2, first, 3),
        (2, 3, 3, second, 3),
    ):
        fst.add_arc(source, arc(ilabel, olabel, weight, nextstate))
    fst.set_final(1, one)
    fst.set_final(3, second)
    return fst, arc(5, 6, first, 1)


def main():
    golden = {}
    symbols = fstext.SymbolTable()
    symbols.add_symbol("<eps>")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "encoder")
        for kind in ("Std", "Log", "Lattice", "CompactLattice"):
            for flags in range(4):
                fst, arc = automaton(kind)
                table = getattr(fstext, kind + "EncodeTable")(flags)
                found = [
                    table.get_label(arc),
                    table.encode(arc),
                    table.encode(arc),
                    table.get_label(arc),
                    table.size(),
                ]
                if flags == 3:
                    table.set_output_symbols(symbols)
                stream = ofstream.from_file(path)
                table.write(stream, path)
                del stream
                one = {"table": found, "empty": Path(path).read_bytes().hex(), "text": str(fst)}
                mapper = getattr(fstext, kind + "EncodeMapper").read(path)
                one["properties"] = [mapper.properties(bits) for bits in (0, (1 << 48) - 1)]
                fst.encode(mapper)
                one["encoded"] = str(fst)
                encoded = mapper(arc)
                one["arc"] = [encoded.ilabel, encoded.olabel, encoded.nextstate]
                mapper.write(path)
                one["written"] = Path(path).read_bytes().hex()
                fst.decode(mapper)
                one["decoded"] = str(fst)
                golden[kind + str(flags)] = one
    GOLDEN.write_text(json.dumps(golden, indent=0) + "\n")


if __name__ == "__main__":
    main()
