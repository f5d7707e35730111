"""Text as it is compared: Whisper's English normaliser (Radford et al. 2022, arXiv:2212.04356)."""

from collections.abc import Callable
from functools import lru_cache

from ..errors import ConfigError

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
