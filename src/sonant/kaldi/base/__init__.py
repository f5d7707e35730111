"""Kaldi's basic functions: streams (`io`), numbers (`math`) and a stopwatch (PyKaldi's `kaldi.base`)."""

import time


class Timer:
    """Wall-clock seconds since it was made, or since `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._started = time.perf_counter()

    def elapsed(self) -> float:
        return time.perf_counter() - self._started


_verbose_level = 0


def get_verbose_level() -> int:
    return _verbose_level


def set_verbose_level(i: int) -> None:
    """How much is said on standard error: 0 is warnings only."""
    global _verbose_level
    _verbose_level = int(i)


def set_abort_on_assert_failure(a: bool) -> None:
    """Does nothing, and is here for PyKaldi's programs: a failed check is always an exception here."""


def set_print_stack_trace_on_error(p: bool) -> None:
    """Does nothing, and is here for PyKaldi's programs: an exception always has its traceback here."""
