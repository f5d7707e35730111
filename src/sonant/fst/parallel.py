"""Functions on one automaton that take a list of them too: the native core works without the GIL."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, TypeVar

from sonant import _native

Function = TypeVar("Function", bound=Callable[..., Any])


def each(operation: Callable[[Any], Any], first: Any) -> Any:
    """The result for an automaton, or the list of results for a sequence of them, done in as many threads
    as this process has cores; the first error is raised."""
    if not isinstance(first, Sequence):
        return operation(first)
    if len(first) < 2:
        return [operation(item) for item in first]
    with ThreadPoolExecutor(min(len(first), _native.hardware_threads())) as pool:
        return list(pool.map(operation, first))


def over_lists(function: Function) -> Function:
    """The function, for a sequence of automata as its first argument too."""

    @wraps(function)
    def over(first: Any, *args: Any, **options: Any) -> Any:
        return each(lambda item: function(item, *args, **options), first)

    return over  # pyright: ignore[reportReturnType]
