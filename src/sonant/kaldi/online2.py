"""When has a speaker finished? Kaldi's `online2/online-endpoint.h` by PyKaldi's names (`kaldi.online2`).

The rules are those of `sonant.search.endpoint`."""

import dataclasses
from dataclasses import field
from math import inf
from typing import Any

from sonant.errors import SearchError
from sonant.kaldi.decoder import LatticeFasterOnlineDecoder
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.util.options import Options, ParseOptions, PrefixedOptions, option
from sonant.search import EndpointRule
from sonant.search import endpoint_detected as any_rule_holds


class OnlineEndpointRule(Options):
    """An utterance has ended where all of this holds; times in seconds."""

    must_contain_nonsilence: bool = option(
        True, "must-contain-nonsilence", "Whether something must have been said"
    )
    min_trailing_silence: float = option(
        1.0, "min-trailing-silence", "Seconds of silence at the end, or more"
    )
    max_relative_cost: float = option(
        inf, "max-relative-cost", "How much worse the best path to a final state may be than the best path"
    )
    min_utterance_length: float = option(0.0, "min-utterance-length", "Seconds in all, or more")

    def register_with_prefix(self, prefix: str, opts: ParseOptions | PrefixedOptions) -> None:
        self.register(PrefixedOptions(prefix, opts))

    def _rule(self) -> EndpointRule:
        return EndpointRule(
            self.must_contain_nonsilence,
            self.min_trailing_silence,
            self.max_relative_cost,
            self.min_utterance_length,
        )


def _rule(number: int, default: OnlineEndpointRule) -> Any:
    metadata = {"prefix": f"endpoint.rule{number}"}
    return field(default_factory=lambda: dataclasses.replace(default), metadata=metadata)


class OnlineEndpointConfig(Options):
    """Five rules, of which one must hold. On the command line `--endpoint.silence-phones`,
    `--endpoint.rule1.min-trailing-silence`, ..."""

    silence_phones: str = option("", "endpoint.silence-phones", "Silence phones by their numbers, 1:2:3 say")
    rule1: OnlineEndpointRule = _rule(1, OnlineEndpointRule(False, 5.0))
    rule2: OnlineEndpointRule = _rule(2, OnlineEndpointRule(True, 0.5, 2.0))
    rule3: OnlineEndpointRule = _rule(3, OnlineEndpointRule(True, 1.0, 8.0))
    rule4: OnlineEndpointRule = _rule(4, OnlineEndpointRule(True, 2.0))
    rule5: OnlineEndpointRule = _rule(5, OnlineEndpointRule(False, 0.0, inf, 20.0))

    def _rules(self) -> tuple[OnlineEndpointRule, ...]:
        return self.rule1, self.rule2, self.rule3, self.rule4, self.rule5


def endpoint_detected(
    config: OnlineEndpointConfig,
    num_frames_decoded: int,
    trailing_silence_frames: int,
    frame_shift_in_seconds: float,
    final_relative_cost: float,
) -> bool:
    """Whether one of the rules holds. Raises SearchError where more frames are silence than there are."""
    if not 0 <= trailing_silence_frames <= num_frames_decoded:
        raise SearchError(
            f"trailing_silence_frames={trailing_silence_frames}; expected 0 to the {num_frames_decoded} "
            "frames that were decoded"
        )
    rules = tuple(rule._rule() for rule in config._rules())
    return any_rule_holds(
        num_frames_decoded, trailing_silence_frames, final_relative_cost, frame_shift_in_seconds, rules
    )


def trailing_silence_length(
    tmodel: TransitionModel, silence_phones: str, decoder: LatticeFasterOnlineDecoder
) -> int:
    """Frames at the end of the best path whose transition-ids are of one of the phones ("1:2:3"). Raises
    SearchError where that is no list of numbers."""
    try:
        phones = {int(phone) for phone in silence_phones.split(":")} if silence_phones else set()
    except ValueError:
        raise SearchError(f"silence_phones={silence_phones!r}; expected numbers parted by colons") from None
    ids = range(1, tmodel.num_transition_ids() + 1)
    silent = [False, *(tmodel.transition_id_to_phone(i) in phones for i in ids)]
    return decoder._begun().trailing_frames(silent)


def decoding_endpoint_detected(
    config: OnlineEndpointConfig,
    tmodel: TransitionModel,
    frame_shift_in_seconds: float,
    decoder: LatticeFasterOnlineDecoder,
) -> bool:
    """Whether one of the rules holds for what has been decoded so far; not before the first frame."""
    frames = decoder.num_frames_decoded()
    if frames == 0:
        return False
    silence = trailing_silence_length(tmodel, config.silence_phones, decoder)
    cost = decoder.final_relative_cost()
    return endpoint_detected(config, frames, silence, frame_shift_in_seconds, cost)
