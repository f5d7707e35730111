"""Automata of lattices, lattices backwards, and the lattices of several systems as one."""

import math

import pytest

from sonant.kaldi import fstext
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen
from sonant.lattice import Lattice
from tests.kaldi.commands.test_lattices import MDL, MODEL, RAW, archive, compact, fst_of, make

__all__ = ["compact", "make"]  # fixtures


def strings(fst, side: str = "olabel") -> dict[tuple[int, ...], float]:
    """The cost of the best path of each string."""
    found: dict[tuple[int, ...], float] = {}
    open_paths: list[tuple[int, tuple[int, ...], float]] = [(fst.start(), (), 0.0)]
    while open_paths:
        state, labels, cost = open_paths.pop()
        final = float(fst.final(state).value)
        if math.isfinite(final):
            found[labels] = min(found.get(labels, math.inf), cost + final)
        for arc in fst.arcs(state):
            label = getattr(arc, side)
            open_paths.append(
                (arc.nextstate, (*labels, label) if label else labels, cost + float(arc.weight.value))
            )
    return found


@pytest.mark.parametrize("scales", [(0.0, 0.0), (1.0, 0.5)])
def test_automata_of_words(make, compact, scales):
    given = archive(compact)
    options = [f"--lm-scale={scales[0]}", f"--acoustic-scale={scales[1]}"]
    made = make("lattice-to-fst", *options, f"ark:{compact}", kind=table.SequentialFstReader)
    whole = make(
        "lattice-to-fst", "--rm-eps=false", *options, f"ark:{compact}", kind=table.SequentialFstReader
    )
    assert list(made) == list(given)
    for key, clat in list(given.items())[:6]:
        lattice = Lattice.of(clat).scale(*scales)
        words = {path.words: path.cost for path in lattice.nbest(50)}
        found = strings(whole[key])
        assert words and {w: found[w] for w in words} == pytest.approx(words, abs=1e-3)
        assert strings(made[key]) == pytest.approx(found, abs=1e-3)
        assert made[key].num_states() <= whole[key].num_states()
        assert all(arc.ilabel == arc.olabel for s in made[key].states() for arc in made[key].arcs(s))


def test_automata_of_raw_lattices(make):
    kind = table.SequentialFstReader
    raw = archive(MODEL[4:], table.SequentialLatticeReader)
    base = ["lattice-to-fst", "--read-compact=false", "--rm-eps=false"]
    both = make(*base, "--project-output=false", MODEL, kind=kind)
    ids = make(*base, "--project-input=true", MODEL, kind=kind)
    pdfs = make(
        *base,
        "--convert-to-pdf-labels=true",
        f"--trans-model={MDL}",
        "--project-input=true",
        MODEL,
        kind=kind,
    )
    model = TransitionModel()
    with xopen(MDL) as file:
        model.read(file.stream(), file.binary)
    for key, lattice in list(raw.items())[:4]:
        arcs = [(a.ilabel, a.olabel) for s in lattice.states() for a in lattice.arcs(s)]
        assert [(a.ilabel, a.olabel) for s in both[key].states() for a in both[key].arcs(s)] == arcs
        assert [a.olabel for s in ids[key].states() for a in ids[key].arcs(s)] == [i for i, _ in arcs]
        assert [a.ilabel for s in pdfs[key].states() for a in pdfs[key].arcs(s)] == [
            model.transition_id_to_pdf(i) + 1 if i else 0 for i, _ in arcs
        ]


def test_paths_backwards(make):
    raw = archive(RAW[4:], table.SequentialLatticeReader)
    made = make("lattice-reverse", RAW, kind=table.SequentialLatticeReader)
    assert list(made) == list(raw)
    for key, lattice in raw.items():
        there, back = Lattice.of(lattice).nbest(5), Lattice.of(made[key]).nbest(5)
        assert [path.cost for path in back] == pytest.approx([path.cost for path in there], abs=1e-3)
        assert back[0].words == there[0].words[::-1]
        assert back[0].alignment == there[0].alignment[::-1]


@pytest.mark.parametrize("exponent", [False, True])
def test_several_systems(make, compact, tmp_path, exponent):
    given = archive(compact)
    other = tmp_path / "other.ark"
    with table.CompactLatticeWriter(f"ark:{other}") as writer:
        for key, clat in list(given.items())[1:]:
            writer[key] = fst_of(Lattice.of(clat).scale(0.7))
    options = ["--lat-weights=3:1", "--acoustic-scale=0.5", f"--exp-weights={str(exponent).lower()}"]
    made = make("lattice-combine", *options, f"ark:{compact}", f"ark:{other}")
    assert list(made) == list(given)
    for number, (key, clat) in enumerate(given.items()):
        systems = [(Lattice.of(clat), 0.75)]
        if number:
            systems.append((Lattice.of(clat).scale(0.7), 0.25))
        costs: dict[tuple[int, ...], float] = {}
        for lattice, weight in systems:
            factor = weight if exponent else 1.0
            scaled = lattice.scale(factor, 0.5 * factor)
            extra = scaled.posteriors().log_probability - (0.0 if exponent else math.log(weight))
            for path in scaled.nbest(20):
                costs[path.words] = min(costs.get(path.words, math.inf), path.cost + extra)
        union = Lattice.of(made[key])
        best = union.best_path()
        assert best.cost == pytest.approx(min(costs.values()), abs=1e-3)
        assert costs[best.words] == pytest.approx(best.cost, abs=1e-3)
        total = float(len(systems)) if exponent else sum(weight for _, weight in systems)
        assert union.posteriors().log_probability == pytest.approx(math.log(total), abs=1e-3)


def test_weights_and_missing_tables(make, compact, tmp_path, run, capsys):
    given = archive(compact)
    few = tmp_path / "few.ark"
    with table.CompactLatticeWriter(f"ark:{few}") as writer:
        writer[next(iter(given))] = next(iter(given.values()))
    out = tmp_path / "out.ark"
    command = ["lattice-combine", "--lat-weights=1:x", f"ark:{compact}", f"ark:{few}", f"ark:{out}"]
    capsys.readouterr()
    assert run(*command)[0] == 1  # more are missing than there are
    messages = capsys.readouterr().err
    assert "all get the same" in messages and messages.count("no lattice for") == len(given) - 1
    assert list(archive(out)) == list(given)
    made = make("lattice-combine", "--lat-weights=1:0", f"ark:{compact}", f"ark:{compact}")
    key = next(iter(given))
    assert fstext.CompactLatticeVectorFst(made[key]).num_states() == given[key].num_states()
    assert run("lattice-combine", f"ark:{compact}", f"ark:{few}")[0] == 1
