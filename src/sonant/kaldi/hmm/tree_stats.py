"""Statistics for building decision trees, from alignments (Kaldi's `hmm/tree-accu`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonant.errors import AcousticModelError, OptionError
from sonant.kaldi.hmm.alignment import mapped_phone, split_to_phones
from sonant.kaldi.hmm.transition import TransitionModel
from sonant.kaldi.matrix._checks import operand
from sonant.kaldi.tree import PDF_CLASS, GaussClusterable
from sonant.kaldi.util.options import Options, option


class AccumulateTreeStatsOptions(Options):
    """What statistics are of: windows of `context_width` phones around the one at `central_position`."""

    var_floor: float = option(0.01, "var-floor", "Variance floor for tree clustering")
    ci_phones_str: str = option("", "ci-phones", "Colon-separated list of context-independent phones")
    phone_map_rxfilename: str = option(
        "", "phone-map", "File of the old phones and the new ones that replace them"
    )
    context_width: int = option(3, "context-width", "Context window size")
    central_position: int = option(1, "central-position", "Central position of the window, from 0")


@dataclass
class AccumulateTreeStatsInfo:
    """The options with lists read and files opened."""

    opts: AccumulateTreeStatsOptions
    var_floor: float = field(init=False)
    ci_phones: list[int] = field(init=False)
    phone_map: list[int] = field(init=False)
    context_width: int = field(init=False)
    central_position: int = field(init=False)

    def __post_init__(self) -> None:
        opts = self.opts
        self.var_floor = opts.var_floor
        self.context_width, self.central_position = opts.context_width, opts.central_position
        if not 0 <= opts.central_position < opts.context_width:
            raise OptionError(
                f"central-position={opts.central_position}; expected 0 to {opts.context_width - 1}"
            )
        words = opts.ci_phones_str.split(":") if opts.ci_phones_str else []
        if not all(word.isdecimal() for word in words) or "0" in words:
            raise OptionError(
                f"ci-phones='{opts.ci_phones_str}'; expected phones above 0 with colons between them"
            )
        self.ci_phones = sorted({int(word) for word in words})
        self.phone_map = read_phone_map(opts.phone_map_rxfilename) if opts.phone_map_rxfilename else []


def read_phone_map(phone_map_rxfilename: str) -> list[int]:
    """The new phone by old phone, -1 for none, from lines `old new`. Raises AcousticModelError for others."""
    from sonant.kaldi.util.io import xopen

    with xopen(phone_map_rxfilename, "rt") as file:
        lines = file.readlines()
    phone_map: list[int] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not all(word.isdecimal() and int(word) < 1 << 20 for word in words):
            raise AcousticModelError(
                f"{phone_map_rxfilename}:{number}: '{line.strip()}'; expected two phones"
            )
        old, new = map(int, words)
        phone_map.extend([-1] * (old + 1 - len(phone_map)))
        if phone_map[old] != -1:
            raise AcousticModelError(f"{phone_map_rxfilename}:{number}: phone {old} is there twice")
        phone_map[old] = new
    return phone_map


def accumulate_tree_stats(
    trans_model: TransitionModel, info: AccumulateTreeStatsInfo, alignment: Sequence[int], features: Any
) -> dict[tuple[tuple[int, int], ...], GaussClusterable]:
    """{event: statistics of its frames}; an event has the phones of a window, and the pdf-class of a state.

    `features` is (frames, dim). The contexts of context-independent phones are left out of their events.
    Raises AcousticModelError for an alignment of another length, or of incomplete phones.
    """
    frames = operand(features, (None, None), np.float64, "features")
    if len(frames) != len(alignment):
        raise AcousticModelError(
            f"{len(frames)} frames and an alignment of {len(alignment)}; expected the same"
        )
    whole, split = split_to_phones(trans_model, alignment)
    if not whole:
        raise AcousticModelError("the alignment has incomplete phones; expected whole ones, of this model")
    phones = [trans_model.transition_id_to_phone(ids[0]) for ids in split]
    if info.phone_map:
        phones = [mapped_phone(info.phone_map, phone) for phone in phones]
    padded = [0] * info.central_position + phones + [0] * info.context_width
    stats: dict[tuple[tuple[int, int], ...], GaussClusterable] = {}
    at = 0
    for place, ids in enumerate(split):
        window = list(enumerate(padded[place : place + info.context_width]))
        if phones[place] in info.ci_phones:
            window = [window[info.central_position]]
        for trans_id in ids:
            event = ((PDF_CLASS, trans_model.transition_id_to_pdf_class(trans_id)), *window)
            if event not in stats:
                stats[event] = GaussClusterable.new_with_dim(frames.shape[1], info.var_floor)
            stats[event].add_stats(frames[at])
            at += 1
    return stats
