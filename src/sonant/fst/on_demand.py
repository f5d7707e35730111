"""Deterministic automata whose states and arcs are made as they are asked for: language models by label.

>>> model = OnDemand.backoff(grammar)  # an ARPA model as automaton that backs off by epsilons
>>> cost, word, state = model.step(model.start(), 17)  # None where there is no such arc
>>> rescored = compose_on_demand(lattice, OnDemand.composed(OnDemand.scaled(-1, old), new))
"""

from collections.abc import Callable
from typing import Any, Protocol, Self

from sonant import _native
from sonant.errors import FstError
from sonant.fst.automaton import Fst
from sonant.fst.ngram import NgramLm
from sonant.fst.parallel import over_lists

_SORTED, _DETERMINISTIC = 1 << 28, 1 << 18  # of OpenFst's properties, on the input side


class Steps(Protocol):
    """What `OnDemand.of` takes: any object with these three."""

    def start(self) -> int: ...
    def final(self, state: int) -> float: ...
    def step(self, state: int, label: int) -> tuple[float, int, int] | None: ...


class OnDemand:
    """An automaton with one arc for a label at most, and no epsilons; a state has a number, costs are natural
    logarithms, negated.

    `backoff` and `ngram` only read and may be used by any threads at once; the others make states and let one
    thread in at a time: give each thread its own, which is cheap, as what they are made of is shared.
    """

    def __init__(self, native: Any):
        self.native = native

    @classmethod
    def backoff(cls, fst: Fst, label: int = 0) -> Self:
        """A grammar whose states back off along arcs with the input label `label` (epsilon) where they have
        no arc, or no final cost: its states are those of `fst`.

        Raises FstError where its arcs are not tropical, or two of a state have one input label.
        """
        if fst.arc_type != "standard":
            raise FstError(f"a model with arcs of type {fst.arc_type}; expected standard")
        fst.native.properties(_SORTED | _DETERMINISTIC, True)  # looked at once, and known from then on
        return cls(_native.OnDemand.backoff(fst.native, label))

    @classmethod
    def ngram(cls, lm: NgramLm) -> Self:
        """An n-gram model; unknown words are <unk> where it has that, else they have no arc."""
        return cls(_native.OnDemand.ngram(lm.native))

    @classmethod
    def history(cls, order: int) -> Self:
        """Takes all labels at no cost; a state is the last `order` - 1 of them."""
        return cls(_native.OnDemand.history(order))

    @classmethod
    def scaled(cls, scale: float, model: "OnDemand") -> Self:
        """All costs times `scale`; a negative one takes a model's costs away."""
        return cls(_native.OnDemand.scaled(scale, model.native))

    @classmethod
    def composed(cls, first: "OnDemand", second: "OnDemand") -> Self:
        """The output labels of the first go into the second, and both costs count."""
        return cls(_native.OnDemand.composed(first.native, second.native))

    @classmethod
    def cached(cls, model: "OnDemand", arcs: int = 100_000) -> Self:
        """Remembers about `arcs` steps: for models that are slow, such as neural ones."""
        return cls(_native.OnDemand.cached(model.native, arcs))

    @classmethod
    def of(cls, steps: Steps) -> Self:
        """A model in Python: an object with `start`, `final` and `step`. What they raise comes through.

        Where it has `expect(states)` too, a composition calls that with a list of the states that it will
        ask about, so that a neural model can compute them together: `RecurrentLm` does."""
        return cls(_native.OnDemand.called(steps))

    def start(self) -> int:
        return self.native.start()

    def final(self, state: int) -> float:
        """The cost of ending there, infinite where that cannot be."""
        return self.native.final(state)

    def step(self, state: int, label: int) -> tuple[float, int, int] | None:
        """(cost, output label, next state), or None where there is no such arc."""
        return self.native.step(state, label)


@over_lists
def compose_on_demand(
    fst: Fst,
    model: OnDemand | Callable[[], OnDemand],
    *,
    inverse: bool = False,
    connect: bool = True,
    max_states: int | None = None,
    max_arcs: int | None = None,
) -> Fst:
    """The automaton with the costs of a model on its output labels: a lattice with those of a language model.

    Only the states of the model that the automaton's paths reach are made. Output labels become the model's;
    with `inverse` it is the input labels that go through it. Costs of lattices go to the graph cost. A
    function in place of the model is called for each automaton of a list: threads then have their own.
    Raises FstError beyond `max_states` or `max_arcs` (default: half of the memory of this machine).
    """
    chosen = model if isinstance(model, OnDemand) else model()
    if fst.arc_type not in ("standard", "log", "lattice4", "compactlattice44"):
        raise FstError(f"compose_on_demand of arcs of type {fst.arc_type}; expected costs or a lattice")
    for name, limit in (("max_states", max_states), ("max_arcs", max_arcs)):
        if limit is not None and limit <= 0:
            raise FstError(f"{name}={limit}; expected a positive number, or None")
    native = _native.compose_on_demand(
        fst.native, chosen.native, inverse, connect, max_states or 0, max_arcs or 0
    )
    result = Fst.of_native(native)
    result.input_symbols, result.output_symbols = fst.input_symbols, fst.output_symbols
    return result
