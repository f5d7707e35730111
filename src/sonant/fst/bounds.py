"""How large results may become: `max_states` and `max_arcs` of all operations."""

from sonant.errors import FstError


def bounds(max_states: int | None, max_arcs: int | None) -> tuple[int, int]:
    """As the native core takes them. None: as much as half of this machine's memory holds.

    Raises FstError where one is not positive; an operation raises it where its result would be larger.
    """
    for name, most in (("max_states", max_states), ("max_arcs", max_arcs)):
        if most is not None and most <= 0:
            raise FstError(f"{name}={most}; expected a positive number, or None")
    return max_states or 0, max_arcs or 0
