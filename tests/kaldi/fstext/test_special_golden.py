"""Kaldi's special operations against what Kaldi itself made (tests/oracle/make_fst_special_golden.py)."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sonant import fst as operations
from sonant.fst import Fst
from sonant.kaldi.fstext import LatticeVectorFst, StdVectorFst, TropicalWeight, special, utils

GOLDEN = json.loads(gzip.decompress((Path(__file__).parent / "golden" / "special.json.gz").read_bytes()))
# Random ones, and those of a real recipe.
MACHINES = GOLDEN["texts"] + GOLDEN["pushed"] + GOLDEN["yesno"]


def read(text: str, arc_type: str = "standard") -> Fst:
    return Fst.from_text(text, arc_type, keep_state_numbering=True)


def std(text: str) -> StdVectorFst:
    return StdVectorFst.of_native(read(text).native)


def same(ours: StdVectorFst, text: str, delta: float = 2e-5) -> bool:
    return ours.to_fst().equal(read(text), delta)


def test_operations_in_place_make_the_same_automata_state_by_state():
    made = {
        "preceding": lambda f: utils.make_preceding_input_symbols_same(False, f),
        "preceding_start": lambda f: utils.make_preceding_input_symbols_same(True, f),
        "following": lambda f: utils.make_following_input_symbols_same(False, f),
        "following_end": lambda f: utils.make_following_input_symbols_same(True, f),
        "push_special": special.push_special,
    }
    for case in MACHINES:
        for name, operation in made.items():
            fst = std(case["a"])
            operation(fst)
            assert same(fst, case[name]), (name, case["a"], fst.text(), case[name])
        useless, theirs = std(case["a"]), std(case["useless"])
        utils.remove_useless_arcs(useless)
        utils.remove_useless_arcs(theirs)  # of several loops of input epsilons Kaldi leaves the best
        assert same(useless, theirs.text())
        assert utils.preceding_input_symbols_are_same(True, std(case["preceding_start"]))
        assert utils.following_input_symbols_are_same(True, std(case["following_end"]))


def log_sums(fst: Fst) -> np.ndarray:
    rows = [[fst.final(s), *(arc[2] for arc in fst.arcs_of(s))] for s in range(fst.num_states)]
    return np.array([-np.logaddexp.reduce(-np.array(row, float)) for row in rows])


def test_epsilons_are_removed_locally_as_far_as_kaldi_does():
    for case in MACHINES:
        for name, keep in (("local", False), ("local_special", True)):
            fst = std(case["a"])
            special.remove_eps_local(fst, keep)
            theirs, before = read(case[name]), read(case["a"])
            ours = fst.to_fst()
            assert ours.num_states <= before.num_states and ours.num_arcs <= before.num_arcs
            assert operations.random_equivalent(ours, theirs, paths=50, seed=1), (
                case["a"],
                ours.text(),
                case[name],
            )


def test_special_local_removal_keeps_sums():
    stochastic = 0
    for case in GOLDEN["texts"]:
        before = read(case["a"])
        sums = log_sums(before)
        normal = Fst.from_arrays(
            before.start,
            before.states["final"] - sums,
            source := np.repeat(np.arange(before.num_states), before.states["num_arcs"]),
            before.arcs["ilabel"],
            before.arcs["olabel"],
            before.arcs["weight"] - sums[source],
            before.arcs["nextstate"],
        )
        after = operations.remove_eps_local(normal, keep_sums=True)
        # Final costs are joined by the smaller one, as Kaldi's are; where none is joined all sums stay.
        stochastic += bool(np.abs(log_sums(after)).max() < 1e-4)
        plain = operations.remove_eps_local(normal)
        assert operations.random_equivalent(after, plain, paths=20, seed=2)
    assert stochastic > len(GOLDEN["texts"]) * 0.7


def test_weights_are_pushed_in_the_log_semiring():
    pushed = 0
    for case in GOLDEN["pushed"]:
        for to_final in (False, True):
            fst = std(case["a"])
            special.push_in_log(fst, push_weights=True, to_final=to_final)
            assert same(fst, case[f"push_in_log {to_final:d}"], 2e-3)
            pushed += 1
    assert pushed > 40


def test_is_stochastic():
    for case in MACHINES:
        low, high = TropicalWeight(), TropicalWeight()
        for found, (answer, least, most) in zip(
            (utils.is_stochastic_fst, utils.is_stochastic_fst_in_log), case["stochastic"], strict=True
        ):
            assert found(std(case["a"]), 0.25, low, high) == answer
            assert sorted((low.value, high.value)) == pytest.approx(sorted((least, most)), abs=1e-5)


def test_equal_align_draws_the_paths_of_kaldi_on_linux():
    aligned = 0
    for case in GOLDEN["aligned"]:
        fst = std(case["a"])
        for length, seed, text in case["align"]:
            path = StdVectorFst()
            assert utils.equal_align(fst, length, seed, path) == (text is not None)
            if text is not None:
                assert same(path, text), (case["a"], length, seed)
                labels = path.to_fst().arcs["ilabel"]
                assert (labels != 0).sum() == length
                aligned += 1
    assert aligned > 50


def test_safe_determinization_gives_the_same_relation_in_as_few_states():
    for case in GOLDEN["safe"] + GOLDEN["yesno_safe"]:
        before = std(case["a"])
        for name in ("wrapper", "minimize_wrapper", "minimize_wrapper_in_log"):
            ours = StdVectorFst()
            getattr(utils, "safe_determinize_" + name)(before.copy(), ours)
            theirs = read(case[name])
            sizes = [(ours.num_states(), ours.to_fst().num_arcs), (theirs.num_states, theirs.num_arcs)]
            # Of the recipe's costs, which rounding parts, fewer may be different here.
            alike = sizes[0] == sizes[1] if case in GOLDEN["safe"] else sizes[0] <= sizes[1]
            assert alike, (name, case["a"], ours.text(), case[name])
            assert operations.random_equivalent(ours.to_fst(), theirs, paths=30, seed=3)
            # Merging rounds costs, which those of the recipe do not stand on long paths.
            exact = case in GOLDEN["safe"] and name != "minimize_wrapper_in_log"
            if exact or name == "wrapper":
                assert operations.random_equivalent(ours.to_fst(), before.to_fst(), paths=30, seed=4)


def test_propagate_final():
    for case in GOLDEN["propagated"]:
        fst = std(case["a"])
        utils.propagate_final(9, fst)
        assert same(fst, case["final"])


def test_on_demand_walks_and_compositions():
    for case in GOLDEN["on_demand"]:
        backoff = special.StdBackoffDeterministicOnDemandFst(std(case["grammar"]))
        history = special.StdUnweightedNgramFst(3)
        models = {
            "backoff": backoff,
            "scaled": special.ScaleDeterministicOnDemandFst(-0.5, backoff),
            "history": history,
            "both": special.StdComposeDeterministicOnDemandFst(backoff, history),
        }
        for name, model in models.items():
            for one in (model, special.StdCacheDeterministicOnDemandFst(model, 4)):
                state = one.start()
                for label, *expected in case["walks"][name]:
                    if expected[0] is None:
                        with pytest.raises(ValueError, match="no arc"):
                            one.get_arc(state, label)
                        assert one.final(state).value == pytest.approx(expected[1])
                        continue
                    arc = one.get_arc(state, label)
                    state = arc.nextstate
                    found = [arc.olabel, arc.weight.value, state, one.final(state).value]
                    assert found == pytest.approx(expected, abs=1e-5)
            # Kaldi's models had walked before they were composed, and so had these.
            for inverse in (False, True):
                composed = special.compose_deterministic_on_demand_fst(std(case["left"]), model, inverse)
                assert same(composed, case["composed"][name + str(inverse)])


def test_lattices_are_determinized_to_the_same_best_paths():
    for case in GOLDEN["lattices"]:
        lattice = LatticeVectorFst.of_native(read(case["a"], "lattice4").native)
        compact = special.determinize_lattice(lattice)
        theirs = read(case["compact"], "compactlattice44")
        assert (compact.num_states(), compact.to_fst().num_arcs) == (theirs.num_states, theirs.num_arcs)
        for ours, text in (
            (compact.to_fst().native.to_plain(False), theirs.native.to_plain(False)),
            (special.determinize_lattice(lattice, False).native, read(case["plain"], "lattice4").native),
        ):
            best = [operations.shortest_path(Fst.of_native(native), 1000).text() for native in (ours, text)]
            assert best_strings(best[0]) == best_strings(best[1])


def best_strings(text: str) -> list:
    """Input labels of each path with the sum of its costs, in order."""
    arcs: dict[int, list] = {}
    finals, total = {}, []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) > 2:
            source, to, ilabel, _, *cost = fields
            arcs.setdefault(int(source), []).append(
                (int(to), int(ilabel), sum(map(float, cost[0].split(","))) if cost else 0)
            )
        else:
            finals[int(fields[0])] = sum(map(float, fields[1].split(","))) if len(fields) > 1 else 0
    start = int(text.split(maxsplit=1)[0]) if text else 0

    def follow(state: int, labels: tuple, cost: float) -> None:
        if state in finals:
            total.append((round(cost + finals[state], 3), tuple(label for label in labels if label)))
        for to, label, more in arcs.get(state, ()):
            follow(to, (*labels, label), cost + more)

    follow(start, (), 0.0)
    return sorted(total)


def test_the_n_best_paths_have_the_empty_one():
    fst = std("0\t0.5\n0\t1\t1\t1\t2\n1\n")
    found = utils.nbest_as_fsts(fst, 3)
    assert [path.text() for path in found] == ["0\t0.5\n", "0\t1\t1\t1\t2\n1\n"]


def test_epsilons_are_not_mapped():
    fst = std("0\t1\t0\t2\n0\t1\t1\t1\n0\t1\t5\t5\n1\n")
    utils.map_input_symbols([7, 8], fst)
    assert fst.text() == "0\t1\t0\t2\n0\t1\t8\t1\n0\t1\t5\t5\n1\n"
