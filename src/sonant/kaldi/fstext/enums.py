"""Choices that the functions of fstext take, and their names (PyKaldi's `kaldi.fstext.enums`)."""

from enum import IntEnum
from typing import TypeVar

from sonant.errors import FstError

Enum = TypeVar("Enum", bound=IntEnum)

ENCODE_LABELS = 1
ENCODE_WEIGHTS = 2
ENCODE_FLAGS = ENCODE_LABELS | ENCODE_WEIGHTS


class ArcSortType(IntEnum):
    ILABEL_SORT = 0
    OLABEL_SORT = 1


class ClosureType(IntEnum):
    CLOSURE_STAR = 0
    CLOSURE_PLUS = 1


class ComposeFilter(IntEnum):
    AUTO_FILTER = 0
    NULL_FILTER = 1
    TRIVIAL_FILTER = 2
    SEQUENCE_FILTER = 3
    ALT_SEQUENCE_FILTER = 4
    MATCH_FILTER = 5


class DeterminizeType(IntEnum):
    DETERMINIZE_FUNCTIONAL = 0
    DETERMINIZE_NONFUNCTIONAL = 1
    DETERMINIZE_DISAMBIGUATE = 2


class EncodeType(IntEnum):
    ENCODE = 1
    DECODE = 2


class EpsNormalizeType(IntEnum):
    EPS_NORM_INPUT = 0
    EPS_NORM_OUTPUT = 1


class MapType(IntEnum):
    ARC_SUM_MAPPER = 0
    ARC_UNIQUE_MAPPER = 1
    IDENTITY_MAPPER = 2
    INPUT_EPSILON_MAPPER = 3
    INVERT_MAPPER = 4
    OUTPUT_EPSILON_MAPPER = 5
    PLUS_MAPPER = 6
    POWER_MAPPER = 7
    QUANTIZE_MAPPER = 8
    RMWEIGHT_MAPPER = 9
    SUPERFINAL_MAPPER = 10
    TIMES_MAPPER = 11
    TO_LOG_MAPPER = 12
    TO_LOG64_MAPPER = 13
    TO_STD_MAPPER = 14


class MatchType(IntEnum):
    MATCH_INPUT = 1
    MATCH_OUTPUT = 2
    MATCH_BOTH = 3
    MATCH_NONE = 4
    MATCH_UNKNOWN = 5


class ProjectType(IntEnum):
    PROJECT_INPUT = 1
    PROJECT_OUTPUT = 2


class QueueType(IntEnum):
    TRIVIAL_QUEUE = 0
    FIFO_QUEUE = 1
    LIFO_QUEUE = 2
    SHORTEST_FIRST_QUEUE = 3
    TOP_ORDER_QUEUE = 4
    STATE_ORDER_QUEUE = 5
    SCC_QUEUE = 6
    AUTO_QUEUE = 7
    OTHER_QUEUE = 8


class RandArcSelection(IntEnum):
    UNIFORM_ARC_SELECTOR = 0
    LOG_PROB_ARC_SELECTOR = 1
    FAST_LOG_PROB_ARC_SELECTOR = 2


class ReplaceLabelType(IntEnum):
    REPLACE_LABEL_NEITHER = 1
    REPLACE_LABEL_INPUT = 2
    REPLACE_LABEL_OUTPUT = 3
    REPLACE_LABEL_BOTH = 4


class ReweightType(IntEnum):
    REWEIGHT_TO_INITIAL = 0
    REWEIGHT_TO_FINAL = 1


def _named(text: str, what: str, names: dict[str, Enum]) -> Enum:
    if text not in names:
        raise FstError(f"unknown {what} '{text}'; expected {', '.join(names)}")
    return names[text]


def _by_name(text: str, what: str, enum: type[Enum], ending: str) -> Enum:
    """Members are called as in the text, in capitals and with an ending."""
    return _named(text, what, {m.name.removesuffix(ending).lower(): m for m in enum})


def GetArcSortType(str: str) -> ArcSortType:
    """Of 'ilabel' or 'olabel'."""
    return _by_name(str, "sort type", ArcSortType, "_SORT")


def GetClosureType(closure_plus: bool) -> ClosureType:
    return ClosureType(bool(closure_plus))


def GetComposeFilter(str: str) -> ComposeFilter:
    """Of 'auto', 'null', 'trivial', 'sequence', 'alt_sequence' or 'match'."""
    return _by_name(str, "compose filter", ComposeFilter, "_FILTER")


def GetDeterminizeType(str: str) -> DeterminizeType:
    """Of 'functional', 'nonfunctional' or 'disambiguate'."""
    names = {m.name.removeprefix("DETERMINIZE_").lower(): m for m in DeterminizeType}
    return _named(str, "determinization type", names)


def GetEncodeFlags(encode_labels: bool, encode_weights: bool) -> int:
    return bool(encode_labels) | bool(encode_weights) << 1


def GetEpsNormalizeType(eps_norm_output: bool) -> EpsNormalizeType:
    return EpsNormalizeType(bool(eps_norm_output))


def GetMapType(str: str) -> MapType:
    """Of 'identity', 'invert', 'rmweight', 'times', 'to_log', 'to_std' and so on."""
    if str == "to_standard":
        str = "to_std"
    return _by_name(str, "map type", MapType, "_MAPPER")


def GetProjectType(project_output: bool) -> ProjectType:
    return ProjectType.PROJECT_OUTPUT if project_output else ProjectType.PROJECT_INPUT


def GetPushFlags(
    push_weights: bool, push_labels: bool, remove_total_weight: bool, remove_common_affix: bool
) -> int:
    flags = (push_weights, push_labels, remove_total_weight, remove_common_affix)
    return sum(bool(flag) << bit for bit, flag in enumerate(flags))


def GetQueueType(str: str) -> QueueType:
    """Of 'auto', 'fifo', 'lifo', 'shortest', 'state' or 'top'."""
    names = {
        "auto": QueueType.AUTO_QUEUE,
        "fifo": QueueType.FIFO_QUEUE,
        "lifo": QueueType.LIFO_QUEUE,
        "shortest": QueueType.SHORTEST_FIRST_QUEUE,
        "state": QueueType.STATE_ORDER_QUEUE,
        "top": QueueType.TOP_ORDER_QUEUE,
    }
    return _named(str, "queue type", names)


def GetRandArcSelection(str: str) -> RandArcSelection:
    """Of 'uniform', 'log_prob' or 'fast_log_prob'."""
    return _by_name(str, "selection of arcs", RandArcSelection, "_ARC_SELECTOR")


def GetReplaceLabelType(str: str, epsilon_on_replace: bool) -> ReplaceLabelType:
    """Of 'neither', 'input', 'output' or 'both'; neither where an epsilon is wanted."""
    names = {m.name.removeprefix("REPLACE_LABEL_").lower(): m for m in ReplaceLabelType}
    return ReplaceLabelType.REPLACE_LABEL_NEITHER if epsilon_on_replace else _named(str, "labelling", names)


def GetReweightType(to_final: bool) -> ReweightType:
    return ReweightType(bool(to_final))
