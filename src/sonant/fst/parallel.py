"""Functions on one automaton that take a list of them too: the native core works without the GIL."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from sonant import _native

if TYPE_CHECKING:
    from sonant.fst.automaton import Fst

P = ParamSpec("P")
Result = TypeVar("Result")


class OverLists(Protocol[P, Result]):
    """One result for an automaton, a list of them for a sequence."""

    @overload
    def __call__(self, fst: "Fst", /, *args: P.args, **options: P.kwargs) -> Result: ...
    @overload
    def __call__(self, fst: "Sequence[Fst]", /, *args: P.args, **options: P.kwargs) -> list[Result]: ...


def each(operation: Callable[[Any], Any], first: Any) -> Any:
    """The result for an automaton, or the list of results for a sequence of them, done in as many threads
    as this process has cores; the first error is raised."""
    if not isinstance(first, Sequence):
        return operation(first)
    if len(first) < 2:
        return [operation(item) for item in first]
    with ThreadPoolExecutor(min(len(first), _native.hardware_threads())) as pool:
        return list(pool.map(operation, first))


def over_lists(function: "Callable[Concatenate[Fst, P], Result]") -> OverLists[P, Result]:
    """The function, for a sequence of automata as its first argument too."""
    call: Callable[..., Any] = function
    name = call.__code__.co_varnames[0]

    @wraps(function)
    def over(*args: Any, **options: Any) -> Any:
        first, rest = (args[0], args[1:]) if args else (options.pop(name), ())
        return each(lambda item: call(item, *rest, **options), first)

    return over  # pyright: ignore[reportReturnType]
