"""The generator behind set_randn_, set_rand_uniform_, rand_categorical and orthogonalize_rows_."""

from functools import cache
from typing import Any


@cache
def generator() -> Any:
    # Here, as numpy.random is a part of numpy that takes long to import.
    from numpy.random import default_rng

    return default_rng()
