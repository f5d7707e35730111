"""When has a speaker finished? Kaldi's five rules (online2/online-endpoint.h)."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """An utterance has ended where all of this holds."""

    must_contain_nonsilence: bool = True
    """Something has been said: not all frames are silence."""
    min_trailing_silence: float = 1.0
    """Seconds of silence at the end, or more."""
    max_relative_cost: float = inf
    """The best path to a final state is at most so much worse than the best path."""
    min_utterance_length: float = 0.0
    """Seconds in all, or more."""

    def holds(self, trailing_silence: float, relative_cost: float, utterance_length: float) -> bool:
        """Seconds of silence at the end and in all."""
        return (
            (utterance_length > trailing_silence or not self.must_contain_nonsilence)
            and trailing_silence >= self.min_trailing_silence
            and relative_cost <= self.max_relative_cost
            and utterance_length >= self.min_utterance_length
        )


KALDI_RULES = (
    EndpointRule(False, 5.0),  # nothing but silence
    EndpointRule(True, 0.5, 2.0),  # probably a whole sentence
    EndpointRule(True, 1.0, 8.0),  # maybe one
    EndpointRule(True, 2.0),  # whatever was said
    EndpointRule(False, 0.0, inf, 20.0),  # it is long enough
)


def endpoint_detected(
    frames: int,
    trailing_frames: int,
    final_relative_cost: float,
    frame_shift: float,
    rules: tuple[EndpointRule, ...] = KALDI_RULES,
) -> bool:
    """Whether one of the rules holds after `frames` frames of `frame_shift` seconds, the last
    `trailing_frames` of which are silence (`GraphStream.trailing_frames`). Not before the first frame."""
    silence, length = trailing_frames * frame_shift, frames * frame_shift
    return frames > 0 and any(rule.holds(silence, final_relative_cost, length) for rule in rules)
