"""Audio, and the three calls that make one: load, blocks, describe."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sonant.audio.resample import StreamResampler
from sonant.audio.samples import Decoded, check_chunk, check_rate, decode_array, mono
from sonant.audio.source import Bytes, opened, shown
from sonant.errors import AudioError


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording in memory.

    samples: (samples,) float32, mono, full scale is [-1, 1]. sample_rate: Hz. name: the path, or `<array>`,
    `<bytes>`, `<file>`: what error messages call it.
    """

    samples: np.ndarray
    sample_rate: int
    name: str = "<array>"

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


Source = Bytes | np.ndarray | Audio


@dataclass(frozen=True)
class AudioInfo:
    """What a recording says of itself. sample_rate: Hz. duration: seconds, None where the file does not say
    (a live stream, an mp3 without a length header). format: wav, flac, ogg, mp3, mp4, raw, array, ..."""

    sample_rate: int
    channels: int
    duration: float | None
    format: str


def load(
    source: Source,
    *,
    sample_rate: int | None = None,
    target_rate: int = 16000,
    channel: int | None = None,
    encoding: str | None = None,
    channels: int = 1,
) -> Audio:
    """The whole recording as mono float32 at `target_rate`.

    source: a path, the bytes of a file, a binary file object (read from its start, or, where it cannot seek,
      from where it stands), an array, or an Audio. Arrays are (samples,), (samples, channels) or
      (channels, samples), the shorter side being the channels; float in [-1, 1], int16, int32 or uint8.
    sample_rate: Hz of an array or of raw PCM, where it is required. A file states its own.
    target_rate: Hz of the result.
    channel: use this one, counted from 0; None takes the mean of all.
    encoding: raw PCM without a header: s16le, s16be, s24le, s32le, f32le, f64le, u8, mulaw or alaw;
      `channels` says how many are interleaved.

    Raises AudioError for anything that cannot be read to its end, and MissingExtraError for a container that
    needs PyAV (m4a, mp4, aac, webm, ...) where that is not installed. For hours of audio use `blocks`.
    """
    pieces = list(
        blocks(
            source,
            sample_rate=sample_rate,
            target_rate=target_rate,
            channel=channel,
            encoding=encoding,
            channels=channels,
        )
    )
    name = source.name if isinstance(source, Audio) else shown(source)
    return Audio(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), int(target_rate), name)


def blocks(
    source: Source,
    *,
    sample_rate: int | None = None,
    target_rate: int = 16000,
    channel: int | None = None,
    encoding: str | None = None,
    channels: int = 1,
    seconds: float = 30.0,
) -> Iterator[np.ndarray]:
    """The samples of `load`, in consecutive blocks of `seconds` (the last one shorter), in bounded memory.

    Each block is (samples,) float32 at `target_rate`; joined they equal `load(...).samples` exactly. The
    arguments and errors are those of `load`. Of a file that turns out truncated or damaged, everything before
    the damage is yielded first, then AudioError is raised.
    """
    name = source.name if isinstance(source, Audio) else shown(source)
    target_rate = check_rate(target_rate, "target_rate", name)
    size = seconds * target_rate
    if not 1 <= size < float("inf"):
        raise AudioError(
            f"{name}: blocks of {seconds} s at {target_rate} Hz hold no sample; give seconds > 0"
        )
    return _blocks(source, name, sample_rate, target_rate, channel, encoding, channels, round(size))


def describe(
    source: Source, *, sample_rate: int | None = None, encoding: str | None = None, channels: int = 1
) -> AudioInfo:
    """What the recording says of itself, without decoding it: arguments and errors as in `load`."""
    with _decoded(source, sample_rate, encoding, channels) as decoded:
        duration = None if decoded.frames is None else decoded.frames / decoded.sample_rate
        return AudioInfo(decoded.sample_rate, decoded.channels, duration, decoded.format)


@contextmanager
def _decoded(
    source: Source, sample_rate: int | None, encoding: str | None, channels: int
) -> Iterator[Decoded]:
    if isinstance(source, Audio):
        if sample_rate is not None and sample_rate != source.sample_rate:
            raise AudioError(
                f"{source.name}: this Audio is at {source.sample_rate} Hz, but sample_rate={sample_rate}; "
                "leave it out"
            )
        yield decode_array(source.samples, source.sample_rate, source.name)
    elif hasattr(source, "__array__"):
        if encoding is not None:
            raise AudioError(f"<array>: encoding={encoding!r} is for raw bytes; an array has its dtype")
        yield decode_array(source, sample_rate, "<array>")
    else:
        from sonant.audio.decode import decode

        with opened(source) as data, decode(data, sample_rate, encoding, channels) as decoded:
            yield decoded


def _blocks(
    source: Source,
    name: str,
    sample_rate: int | None,
    target_rate: int,
    channel: int | None,
    encoding: str | None,
    channels: int,
    size: int,
) -> Iterator[np.ndarray]:
    with _decoded(source, sample_rate, encoding, channels) as decoded:
        resampler = StreamResampler(decoded.sample_rate, target_rate)
        pending: list[np.ndarray] = []
        held = position = 0
        failure: AudioError | None = None
        chunks = iter(decoded.chunks)
        while True:
            samples = None
            try:
                chunk = next(chunks, None)
                if chunk is not None:
                    check_chunk(chunk, position, name)
                    samples = resampler.feed(mono(chunk, channel, name))
                    position += len(chunk)
            except AudioError as error:
                failure = error
            last = samples is None
            if samples is None:
                samples = resampler.finish()
            pending.append(samples)
            held += len(samples)
            if held >= size or last:
                joined = np.concatenate(pending)
                whole = held - held % size
                yield from (joined[start : start + size] for start in range(0, whole, size))
                pending, held = [joined[whole:]], held - whole
            if last:
                break
        if held:
            yield pending[0]
        if failure is not None:
            raise failure
        if position == 0:
            raise AudioError(
                f"{name}: holds no samples ({decoded.format}, {decoded.sample_rate} Hz); "
                "expected at least one"
            )
