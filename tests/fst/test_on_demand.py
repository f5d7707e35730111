"""Models that are made on demand: every kind gives what the whole automaton gives, and errors are errors."""

import math
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from sonant import fst as operations
from sonant.errors import FstError, FstIndexError, SonantError
from sonant.fst import Fst, NgramLm, OnDemand, compose_on_demand
from sonant.kaldi import lm as kaldi_lm
from sonant.kaldi.fstext import special
from sonant.kaldi.util import io

TEXT = ["a b c", "a b b a", "c a b", "b b c a", "a c", "c c b a b", "a b c a"]
NO_ARC = None


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One trigram model in three forms, and the table of its words."""
    lm = NgramLm.train(TEXT, 3)
    path = str(tmp_path_factory.mktemp("lm") / "G.carpa")
    lm.write_const_arpa(path)
    const = kaldi_lm.ConstArpaLm()
    with io.xopen(path) as file:
        const.read(file.stream(), file.binary)
    lm.symbols.add("#0")
    grammar = lm.to_fst(symbols=lm.symbols)
    return {
        "ngram": OnDemand.ngram(lm),
        "const": kaldi_lm.ConstArpaLmDeterministicFst(const).model(),
        "backoff": OnDemand.backoff(grammar, lm.symbols["#0"]),
        "cached": OnDemand.cached(OnDemand.ngram(lm), 8),
    }, lm


def cost(model: OnDemand, labels: list[int]) -> float:
    state, total = model.start(), 0.0
    for label in labels:
        step = model.step(state, label)
        assert step is not None
        more, olabel, state = step
        assert olabel == label
        total += more
    return total + model.final(state)


def test_all_forms_of_a_model_score_alike(models):
    kinds, lm = models
    r = random.Random(1)
    for _ in range(200):
        words = [r.choice("abc") for _ in range(r.randrange(8))]
        labels = [lm.symbols[word] for word in words]
        expected = -lm.score_sentence(words)
        for name, model in kinds.items():
            assert cost(model, labels) == pytest.approx(expected, abs=1e-3), (name, words)


def acceptor(r: random.Random, labels: list[int], arc_type: str) -> Fst:
    fst = Fst(arc_type)
    fst.add_states(6)
    fst.set_start(0)
    one = 0.0 if arc_type == "standard" else (0.0, 0.0)
    for _ in range(14):
        a, b = sorted(r.sample(range(6), 2))
        label = r.choice([0, *labels])
        fst.add_arc(a, label, label, r.random() if arc_type == "standard" else (r.random(), r.random()), b)
    fst.set_final(5, one)
    return fst


@pytest.mark.parametrize("arc_type", ["standard", "lattice4"])
def test_composition_is_that_with_failure_arcs(models, arc_type):
    kinds, lm = models
    grammar = lm.to_fst(symbols=lm.symbols)
    phi = lm.symbols["#0"]
    if arc_type == "lattice4":
        grammar = Fst.of_native(grammar.native.to_lattice())
    r = random.Random(2)
    labels = [lm.symbols[word] for word in "abc"]
    for _ in range(30):
        left = acceptor(r, labels, arc_type)
        whole = operations.compose(left, grammar, special=("phi", phi))
        for model in kinds.values():
            part = compose_on_demand(left, model)
            assert operations.random_equivalent(part, whole, paths=20, delta=2e-3, seed=3)
        inverse = compose_on_demand(left, kinds["backoff"], inverse=True)
        assert operations.random_equivalent(inverse, whole, paths=20, delta=2e-3, seed=3)


def test_taking_a_model_away_and_adding_it_again_changes_nothing(models):
    kinds, lm = models
    none = OnDemand.composed(OnDemand.scaled(-1, kinds["const"]), kinds["backoff"])
    labels = [lm.symbols[word] for word in "abcabcbb"]
    assert cost(none, labels) == pytest.approx(0, abs=1e-3)
    assert cost(OnDemand.scaled(0.5, kinds["ngram"]), labels) == pytest.approx(
        cost(kinds["ngram"], labels) / 2, abs=1e-4
    )
    assert cost(OnDemand.history(3), labels) == 0


def test_a_history_is_the_last_labels():
    model = OnDemand.history(3)

    def state(*labels: int) -> int:
        at = model.start()
        for label in labels:
            at = model.step(at, label)[2]
        return at

    assert state(1, 2, 3) == state(7, 2, 3) != state(2, 3, 3)
    assert state() == 0 and state(5) != state(6)
    unigram = OnDemand.history(1)
    assert unigram.step(0, 5) == (0, 5, 0)


class Python:
    """Takes even labels; a state counts them."""

    def start(self) -> int:
        return 0

    def final(self, state: int) -> float:
        return 0.25 * state if state < 3 else math.inf

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        if label > 100:
            raise KeyError(f"label {label}")
        return (0.5, label + 1, state + 1) if label % 2 == 0 else NO_ARC


def test_models_in_python():
    model = OnDemand.of(Python())
    fst = Fst.from_text("0 1 2 2\n0 1 3 3\n1 2 4 4 1\n1 2 0 0\n2\n")
    made = compose_on_demand(fst, model)
    assert made.text() == "0\t1\t2\t3\t0.5\n1\t2\t4\t5\t1.5\n1\t3\t0\t0\n2\t0.5\n3\t0.25\n"
    with pytest.raises(KeyError, match="label 101"):
        compose_on_demand(Fst.from_text("0 1 101 101\n1\n"), model)
    # Its errors come through threads and through other models.
    with pytest.raises(KeyError, match="label 102"):
        compose_on_demand([Fst.from_text("0 1 102 102\n1\n")] * 2, OnDemand.scaled(2, OnDemand.cached(model)))
    for wrong in ((1, 2), (math.nan, 1, 1), (1.0, -1, 0), (1.0, 1, -5), "abc", 3):

        class Wrong(Python):
            def step(self, state: int, label: int, made=wrong):
                return made

        with pytest.raises((SonantError, RuntimeError, TypeError)):
            compose_on_demand(fst, OnDemand.of(Wrong()))


def test_pykaldis_models_can_be_defined_by_users():
    from sonant.kaldi.fstext import StdArc, StdVectorFst, TropicalWeight

    class Even(special.StdDeterministicOnDemandFst):
        def start(self):
            return 0

        def final(self, s):
            return TropicalWeight(0.5)

        def get_arc(self, s, ilabel):
            if ilabel % 2:
                raise ValueError("odd")
            return StdArc(ilabel, ilabel, TropicalWeight(1), s)

    left = StdVectorFst.of_native(Fst.from_text("0 1 2 2\n0 1 3 3\n1\n").native)
    made = special.compose_deterministic_on_demand_fst(left, special.ScaleDeterministicOnDemandFst(2, Even()))
    assert made.text() == "0\t1\t2\t2\t2\n1\t1\n"
    with pytest.raises(FstError, match="define all three"):
        special.StdDeterministicOnDemandFst().start()
    with pytest.raises(TypeError, match="expected a StdDeterministicOnDemandFst"):
        special.ScaleDeterministicOnDemandFst(2, left)


def test_threads_share_models(models):
    kinds, lm = models
    model = OnDemand.composed(kinds["backoff"], OnDemand.cached(OnDemand.history(4), 16))
    r = random.Random(5)
    lefts = [acceptor(r, [lm.symbols[word] for word in "abc"], "standard") for _ in range(40)]
    alone = [compose_on_demand(left, model).num_arcs for left in lefts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda left: compose_on_demand(left, model).num_arcs, lefts)) == alone
    assert [made.num_arcs for made in compose_on_demand(lefts, lambda: OnDemand.scaled(1, model))] == alone


def test_what_cannot_be_is_an_error(models):
    kinds = models[0]
    cases = {
        "two arcs with the input label 1": "0 1 1 1\n0 1 1 2\n1\n",
        "two arcs with the input label 0": "0 1 0 0\n0 1 0 1\n1\n",
    }
    for message, text in cases.items():
        with pytest.raises(FstError, match=message):
            OnDemand.backoff(Fst.from_text(text))
    with pytest.raises(FstError, match="without a start state"):
        OnDemand.backoff(Fst())
    with pytest.raises(FstError, match="arcs of type log"):
        OnDemand.backoff(Fst("log"))
    with pytest.raises(FstError, match="has an epsilon"):
        OnDemand.backoff(Fst.from_text("0 1 0 0\n1\n"), 9)
    nan = Fst.from_text("0 1 1 1\n1\n")
    nan.add_arc(0, 2, 2, math.nan, 1)
    with pytest.raises(FstError, match="no number"):
        OnDemand.backoff(nan).step(0, 2)
    circular = OnDemand.backoff(Fst.from_text("0 1 0 0\n1 0 0 0\n"))
    for ask in (lambda: circular.step(0, 3), lambda: circular.final(0)):
        with pytest.raises(FstError, match="cycle"):
            ask()
    # Arcs that are not sorted are: the states keep their numbers.
    assert OnDemand.backoff(Fst.from_text("0 1 2 2\n0 2 1 1 3\n1\n2\n")).step(0, 1) == (3, 1, 2)
    for model in (*kinds.values(), OnDemand.history(2), OnDemand.composed(*[OnDemand.history(2)] * 2)):
        for state in (-1, 10**6):
            with pytest.raises(FstIndexError):
                model.final(state)
            with pytest.raises(FstIndexError):
                model.step(state, 1)
        for label in (0, -1):
            with pytest.raises(FstError, match="no word"):
                model.step(model.start(), label)
    with pytest.raises(FstError, match="order=0"):
        OnDemand.history(0)
    with pytest.raises(FstError, match="scale"):
        OnDemand.scaled(math.inf, kinds["ngram"])
    with pytest.raises(FstError, match="cache of 0"):
        OnDemand.cached(kinds["ngram"], 0)


def test_compositions_are_bounded():
    loop = Fst.from_text("0 0 1 1\n0 0 2 2\n0\n")
    with pytest.raises(FstError, match=r"composition on demand of an automaton of 1 states.*max_states"):
        compose_on_demand(loop, OnDemand.history(30), max_states=5000)
    with pytest.raises(FstError, match="max_arcs=0"):
        compose_on_demand(loop, OnDemand.history(2), max_arcs=0)
    with pytest.raises(FstError, match="expected costs or a lattice"):
        compose_on_demand(Fst("tropical_LT_tropical_LT_tropical"), OnDemand.history(2))
    assert compose_on_demand(Fst(), OnDemand.history(2)).num_states == 0
