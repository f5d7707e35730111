"""Which parameters of a mixture are accumulated and updated, as Kaldi's bits and letters say it."""

from enum import IntEnum

from sonant.errors import AcousticModelError


class GmmUpdateFlags(IntEnum):
    MEANS = 1
    VARIANCES = 2
    WEIGHTS = 4
    TRANSITIONS = 8
    ALL = 15


_LETTERS = {
    "m": GmmUpdateFlags.MEANS,
    "v": GmmUpdateFlags.VARIANCES,
    "w": GmmUpdateFlags.WEIGHTS,
    "t": GmmUpdateFlags.TRANSITIONS,
}


def string_to_gmm_flags(s: str) -> int:
    """The flags of a string such as "mvw", "a" for all. Raises AcousticModelError for other letters."""
    flags = 0
    for letter in s:
        if letter != "a" and letter not in _LETTERS:
            raise AcousticModelError(f"'{letter}' in the flags '{s}'; expected letters of mvwt, or a for all")
        flags |= GmmUpdateFlags.ALL if letter == "a" else _LETTERS[letter]
    return flags


def gmm_flags_to_string(gmm_flags: int) -> str:
    """The letters of the flags that are set."""
    return "".join(letter for letter, flag in _LETTERS.items() if gmm_flags & flag)


def augment_gmm_flags(f: int) -> int:
    """The flags with those that they need: variances need means, and all need weights.

    Raises AcousticModelError for bits that are no flags.
    """
    if f & ~GmmUpdateFlags.ALL:
        raise AcousticModelError(f"flags {f}; expected a sum of 1, 2, 4 and 8")
    if f & GmmUpdateFlags.VARIANCES:
        f |= GmmUpdateFlags.MEANS
    return f | GmmUpdateFlags.WEIGHTS
