"""Functions on one automaton that take a list of them too: the native core works without the GIL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, TypeVar

from sonant import _native

Function = TypeVar("Function", bound=Callable[..., Any])


def over_lists(function: Function) -> Function:
    """With a list (or tuple) as its first argument the function is called for each of its items, in as many
    threads as this process has cores, and gives the list of results; the first error is raised."""

    @wraps(function)
    def each(first: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(first, list | tuple):
            return function(first, *args, **options)
        if len(first) < 2:
            return [function(item, *args, **options) for item in first]
        with ThreadPoolExecutor(min(len(first), _native.hardware_threads())) as pool:
            return list(pool.map(lambda item: function(item, *args, **options), first))

    return each  # pyright: ignore[reportReturnType]
