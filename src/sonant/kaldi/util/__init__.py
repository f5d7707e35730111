"""Tables, extended filenames, options; edit distances and sets of integers (PyKaldi's `kaldi.util`)."""

from sonant.kaldi.util.integer_set import ConstIntegerSet
from sonant.kaldi.util.levenshtein import (
    levenshtein_alignment,
    levenshtein_edit_distance,
    levenshtein_edit_distance_conventional,
    levenshtein_edit_distance_str,
    levenshtein_edit_distance_str_conventional,
)
from sonant.kaldi.util.options import Options as _Options
from sonant.kaldi.util.options import option as _option

__all__ = [
    "ConstIntegerSet",
    "TaskSequencerConfig",
    "levenshtein_alignment",
    "levenshtein_edit_distance",
    "levenshtein_edit_distance_conventional",
    "levenshtein_edit_distance_str",
    "levenshtein_edit_distance_str_conventional",
]


class TaskSequencerConfig(_Options):
    """How many threads work at a time. Here lists of inputs mean parallel; this carries Kaldi's options."""

    num_threads: int = _option(1, "num-threads", "Threads that compute at the same time")
    num_threads_total: int = _option(
        0, "num-threads-total", "Threads in all, with those that wait for output; 0 for num-threads plus 20"
    )
