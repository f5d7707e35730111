"""pywrapfst's flags: what is known of automata, weights and iterators."""

from enum import Flag
from typing import Any

from sonant.fst import properties as bits


class WeightProperties(Flag):
    LEFT_SEMIRING = 0x1
    RIGHT_SEMIRING = 0x2
    SEMIRING = 0x3
    COMMUTATIVE = 0x4
    IDEMPOTENT = 0x8
    PATH = 0x10


class ArcIteratorFlags(Flag):
    ARC_I_LABEL_VALUE = 0x1
    ARC_O_LABEL_VALUE = 0x2
    ARC_WEIGHT_VALUE = 0x4
    ARC_NEXT_STATE_VALUE = 0x8
    ARC_NO_CACHE = 0x10
    ARC_VALUE_FLAGS = 0xF
    ARC_FLAGS = 0x1F


class EncodeMapperFlags(Flag):
    ENCODE_LABELS = 0x1
    ENCODE_WEIGHTS = 0x2
    ENCODE_FLAGS = 0x3


_BITS = {name: value for name, value in vars(bits).items() if name.isupper()}
FstProperties: Any = Flag("FstProperties", _BITS, module=__name__)
