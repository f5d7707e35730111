"""Text as it is compared: Whisper's English normaliser (Radford et al. 2022, arXiv:2212.04356)."""

import re
from collections.abc import Callable
from functools import lru_cache

from sonant.errors import ConfigError

NORMALIZERS = ("none", "whisper")


def normalize(text: str, normalizer: str = "whisper") -> str:
    """`none`: as it is. `whisper`: lower case, no punctuation or brackets, American spelling, numbers as
    digits, contractions spelled out. Raises ConfigError for another name."""
    if normalizer == "none":
        return text
    if normalizer == "whisper":
        return _whisper()(text)
    raise ConfigError(f"normalizer={normalizer!r}; expected one of {', '.join(NORMALIZERS)}")


@lru_cache(maxsize=1)
def _whisper() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def spoken(text: str) -> str:
    """English text as LibriSpeech writes it: upper case, letters, apostrophes and single spaces alone.

    >>> spoken("Ask her: isn’t it   well-known?")
    "ASK HER ISN'T IT WELL KNOWN"
    """
    letters = re.sub(r"[^A-Z']", " ", text.replace("’", "'").upper())
    return " ".join(letters.split())
