"""Bad input of the operations on automata: an FstError that names the operation, the machine and the mend;
never a crash, a hang, or all memory."""

import math
import subprocess
import sys
from collections.abc import Callable

import pytest

from sonant import fst as f
from sonant.errors import FstError, SonantError
from sonant.fst import Fst
from sonant.kaldi import fstext

NAN = math.nan
# Two paths of different costs for each string that goes round and round: the difference grows without end.
NO_TWINS = "0 1 1 1 0\n0 2 1 1 0\n1 1 2 2 1\n2 2 2 2 3\n1 3 3 3\n2 3 4 4\n3\n"
# Two outputs of one input, and output that is owed without end.
TWO_OUTPUTS = "0 1 7 1\n1 2 8 5\n1 2 8 6\n2\n"
OWED = "0 1 1 1\n0 2 1 2\n1 1 3 4\n2 2 3 5\n1 3 4 0\n2 3 5 0\n3\n"
CYCLE = "0 1 1 1\n1 0 1 1\n1\n"
NEGATIVE = "0 1 1 1 -2\n1 0 1 1 1\n1\n"
NEGATIVE_EPSILONS = "0 1 0 0 -2\n1 0 0 0 1\n1\n"
CERTAIN = "0 0 1 1 0\n0\n"  # in the log semiring a cycle of probability one
CERTAIN_EPSILON = "0 0 0 0 0\n0 1 1 1\n1\n"


def text(rows: str, kind: str = "standard") -> Fst:
    return Fst.from_text(rows, arc_type=kind)


def with_weight(weight: float, kind: str = "standard") -> Fst:
    fst = Fst(kind)
    fst.add_states(3)
    fst.set_start(0)
    fst.add_arc(0, 1, 1, 1.0, 1)
    fst.add_arc(0, 0, 0, 0.5, 2)
    fst.add_arc(1, 1, 1, weight, 2)
    fst.set_final(2, 0.0)
    return fst


LOOP = text("0 0 1 1\n0\n")
COMPLAINTS: dict[str, tuple[Callable[[], object], str]] = {
    "cyclic: topsort": (lambda: f.topsort(text(CYCLE)), r"2 states.*has a cycle"),
    "cyclic: queue": (lambda: f.shortest_distance(text(CYCLE), queue_type="top"), r"has a cycle; use 'auto'"),
    "two outputs": (
        lambda: f.determinize(text(TWO_OUTPUTS)),
        r"^determinization of an automaton of 3 states: it is not functional.*Add disambiguation symbols",
    ),
    "two outputs, star": (
        lambda: f.determinize_star(text(TWO_OUTPUTS)),
        r"^determinize_star of an automaton of 3 states: it is not functional.*Add disambiguation symbols",
    ),
    "owed": (lambda: f.determinize(text(OWED)), r"^determinization of .* 4 states: .*twins.*Add disamb"),
    "owed, star": (lambda: f.determinize_star(text(OWED)), r"^determinize_star of .* 4 states: .*twins"),
    "no twins": (
        lambda: f.determinize(text(NO_TWINS), max_states=1000),
        r"^determinization of an automaton of 4 states: the result has more than max_states=1000 .*raise",
    ),
    "no twins, star": (lambda: f.determinize_star(text(NO_TWINS), max_states=1000), r"max_states=1000 "),
    "no twins, arcs": (lambda: f.determinize(text(NO_TWINS), max_arcs=500), r"max_arcs=500 .*raise max_arcs"),
    "unsorted": (
        lambda: f.compose(text("0 0 2 2\n0 0 1 1\n0\n"), text("0 0 2 2\n0 0 1 1\n0\n")),
        r"^composition: neither the left automaton \(1 states\).*sort the left one's arcs by 'olabel'",
    ),
    "arcs: compose": (
        lambda: f.compose(text("0 0 1 1\n0 0 1 1\n0\n"), LOOP, max_arcs=1),
        r"^composition of two automata of 1 and 1 states: the result has more than max_arcs=1 .*raise",
    ),
    "states: intersect": (
        lambda: f.intersect(text("0 1 1 1\n1\n"), LOOP, max_states=1), r"max_states=1 .*raise max_states",
    ),
    "arcs: rmepsilon": (
        lambda: f.rmepsilon(text("0 1 0 0\n1 2 1 1\n1 2 2 2\n2\n"), max_arcs=1),
        r"^epsilon removal of an automaton of 3 states: the result has more than max_arcs=1 ",
    ),
    "bounds": (lambda: f.rmepsilon(LOOP, max_states=0), r"max_states=0; expected a positive number"),
    "not deterministic": (
        lambda: f.minimize(text("0 1 1 1\n0 2 1 1\n1\n2\n")),
        r"^minimization of an automaton of 3 states: it is not deterministic: determinize it first",
    ),
    "transducers": (lambda: f.intersect(text("0 0 1 2\n0\n"), LOOP), r"^intersection: the left .*project it"),
    "weighted": (lambda: f.difference(LOOP, text("0 0 1 1 1\n0\n")), r"^difference: the right .*remove its"),
    "negative label": (
        lambda: f.determinize(Fst.from_arrays(0, [0.0], [0], [-3], [1], [0.0], [0])),
        r"^determinization of an automaton of 1 states: an arc of state 0 has a negative input label, -3",
    ),
    "negative cycle: distance": (
        lambda: f.shortest_distance(text(NEGATIVE)),
        r"^shortest distance of an automaton of 2 states: a cycle .* has a negative cost.*remove",
    ),
    "negative cycle: path": (lambda: f.shortest_path(text(NEGATIVE)), r"^shortest path of .*negative cost"),
    "negative cycle: n best": (lambda: f.shortest_path(text(NEGATIVE), 5), r"^shortest path of .*negative"),
    "negative cycle: push": (lambda: f.push(text(NEGATIVE)), r"^pushing of .*negative cost"),
    "negative cycle: prune": (lambda: f.prune(text(NEGATIVE), 1.0), r"^pruning of .*negative cost"),
    "negative cycle: minimize": (lambda: f.minimize(text(NEGATIVE)), r"^minimization of .*negative cost"),
    "negative cycle: rmepsilon": (
        lambda: f.rmepsilon(text(NEGATIVE_EPSILONS)),
        r"^epsilon removal of an automaton of 2 states: a cycle of epsilons .*negative cost",
    ),
    "negative cycle: star": (
        lambda: f.determinize_star(text(NEGATIVE_EPSILONS)), r"^determinize_star of .*input epsilons",
    ),
    "no finite sum: distance": (
        lambda: f.shortest_distance(text(CERTAIN, "log")),
        r"^shortest distance of an automaton of 1 states: .*no finite sum.*remove the cycle",
    ),
    "no finite sum: push": (lambda: f.push(text(CERTAIN, "log")), r"^pushing of .*no finite sum"),
    "no finite sum: rmepsilon": (
        lambda: f.rmepsilon(text(CERTAIN_EPSILON, "log")), r"^epsilon removal of .*no finite sum",
    ),
    "log: best": (lambda: f.shortest_path(text(CYCLE, "log")), r"no best path in this semiring"),
    "threshold": (lambda: f.prune(LOOP, -1.0), r"^pruning of an automaton of 1 states: a threshold of -1"),
    "potentials": (lambda: f.reweight(LOOP, [0.0, 1.0]), r"^reweighting of .* 1 states: 2 potentials"),
    "types": (lambda: f.union(Fst(), Fst("log")), r"^union of arcs of type standard and log"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLAINTS)
def test_errors_name_operation_machine_and_mend(name: str) -> None:
    operation, expected = COMPLAINTS[name]
    with pytest.raises(FstError, match=expected):
        operation()


OF_COSTS: dict[str, Callable[[Fst], object]] = {
    "determinization": f.determinize,
    "determinize_star": f.determinize_star,
    "minimization": lambda a: f.minimize(a, allow_nondet=True),
    "encoded minimization": f.minimize_encoded,
    "shortest distance": f.shortest_distance,
    "pushing": f.push,
    "epsilon removal": f.rmepsilon,
    "pruning": lambda a: f.prune(a, 1.0),
    "shortest path": f.shortest_path,
}


@pytest.mark.parametrize("name", OF_COSTS)
@pytest.mark.parametrize("weight", [NAN, -math.inf])
@pytest.mark.parametrize("kind", ["standard", "log"])
def test_what_is_no_cost_is_refused(name: str, weight: float, kind: str) -> None:
    if kind == "log" and name in ("pruning", "shortest path"):
        return
    bad = with_weight(weight, kind)
    with pytest.raises(FstError, match=rf"^{name} of an automaton of 3 states: a cost of state 1 .*mend"):
        OF_COSTS[name](bad)
    if name == "shortest distance":
        with pytest.raises(FstError, match="a cost of state 1"):
            f.shortest_distance(bad, reverse=True)
        with pytest.raises(FstError, match="a cost of state 2"):
            final = with_weight(1.0, kind)
            final.set_final(2, weight)
            f.shortest_distance(final)


ALONE: dict[str, Callable[[Fst], object]] = {
    **OF_COSTS,
    "connect": f.connect,
    "topsort": f.topsort,
    "arcsort": f.arcsort,
    "reverse": f.reverse,
    "reverse, no new start": lambda a: f.reverse(a, False),
    "union": lambda a: f.union(a, a),
    "concat": lambda a: f.concat(a, a),
    "closure": f.closure,
    "invert": f.invert,
    "project": f.project,
    "compose": lambda a: f.compose(a, a),
    "difference": lambda a: f.difference(a, f.arcmap(a, "rmweight")),
    "n best": lambda a: f.shortest_path(a, 3),
    "n best strings": lambda a: f.shortest_path(a, 3, unique=True),
    "remove_eps_local": f.remove_eps_local,
    "randgen": lambda a: f.randgen(a, 3, seed=0),
    "distance back": lambda a: f.shortest_distance(a, reverse=True),
    "statistics": f.statistics,
    "encode": lambda a: f.Encoder().encode(a),
    "encode and decode": lambda a: (encoder := f.Encoder()).decode(encoder.encode(a)),
}


@pytest.mark.parametrize("name", ALONE)
def test_automata_without_a_start_have_no_paths(name: str) -> None:
    """Empty, with states but no start, with a start that leads nowhere: a result without paths."""
    states = Fst()
    states.add_states(3)
    states.add_arc(0, 1, 1, 1.0, 1)
    states.set_final(1, 0.0)
    nowhere = states.copy()
    nowhere.set_start(2)
    for fst in (Fst(), states, nowhere):
        found = ALONE[name](fst)
        if isinstance(found, Fst) and name != "closure":  # that has the empty path
            assert f.connect(found).num_states == 0


def test_arcs_to_states_that_are_not_there() -> None:
    fst = Fst()
    fst.add_states(2)
    fst.set_start(0)
    fst.add_arc(0, 1, 1, 0.0, 7)
    for operation in (f.connect, f.rmepsilon, f.determinize, f.shortest_distance, f.push, f.minimize_encoded):
        with pytest.raises(FstError, match=r"state 7, which is not there; the automaton has 2 states"):
            operation(fst)


def test_labels_at_the_end_of_their_range() -> None:
    """2^31 - 1 is a label like others; composition, determinization and difference take it as it is."""
    most = 2**31 - 1
    rows = f"0 1 {most} {most}\n1 2 1 1\n2\n"
    fst = text(rows).arc_sort()
    assert f.compose(fst, fst).arcs_of(0)[0][:2] == (most, most)
    assert f.determinize(fst).arcs_of(0)[0][:2] == (most, most)
    assert f.minimize(fst).num_states == 3
    assert f.rmepsilon(fst).num_arcs == 2
    with pytest.raises(SonantError, match="label"):
        text(f"0 1 {2**31} 1\n1\n")
    with pytest.raises(FstError, match=r"difference.*label"):
        f.difference(fst, f.arcmap(fst, "rmweight"))


BOUNDED = """
import sys
from sonant import fst as f
from sonant.errors import FstError
from sonant.fst import Fst
from sonant.kaldi import fstext
from sonant.kaldi.fstext import special
if sys.platform == "linux":  # other systems do not keep to it
    import resource
    most = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (400 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
TEXTS = sys.argv[1:]
for rows in TEXTS:
    fst = Fst.from_text(rows)
    std = fstext.StdVectorFst(fst)
    for operation in (
        lambda: f.determinize(fst),
        lambda: f.determinize_star(fst),
        lambda: special.determinize_star(std),
        lambda: fstext.determinize(std),
        lambda: special.determinize_star_in_log(std),
    ):
        try:
            operation()
        except FstError as error:
            assert "determini" in str(error), error
        else:
            raise SystemExit("no error")
print("bounded")
"""


def test_what_cannot_be_determinized_ends_within_bounds() -> None:
    """PyKaldi takes all memory here, or ends the process by a fatal check."""
    program = [sys.executable, "-c", BOUNDED, TWO_OUTPUTS, OWED, NO_TWINS]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "bounded\n"


def test_fatal_checks_of_kaldi_are_exceptions() -> None:
    """What ends a process that uses PyKaldi."""
    with pytest.raises(SonantError):
        fstext.compose(fstext.StdVectorFst(text("0 0 2 2\n0 0 1 1\n0\n")),
                       fstext.StdVectorFst(text("0 0 2 2\n0 0 1 1\n0\n")))  # fmt: skip
    with pytest.raises(SonantError):
        fstext.shortestpath(fstext.StdVectorFst(text(NEGATIVE)))
    with pytest.raises(SonantError):
        fstext.StdVectorFst(text(CYCLE)).minimize().topsort()
