"""Decoding through libsndfile: files of any format it knows, and raw PCM."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import soundfile

from sonant.audio.header import Plan, plan
from sonant.audio.samples import CHUNK, MOST_CHANNELS, Decoded, check_rate
from sonant.audio.source import Data, View
from sonant.errors import AudioError

RAW = {  # encoding: libsndfile's subtype, its byte order, bytes a sample
    "s16le": ("PCM_16", "LITTLE", 2),
    "s16be": ("PCM_16", "BIG", 2),
    "s24le": ("PCM_24", "LITTLE", 3),
    "s32le": ("PCM_32", "LITTLE", 4),
    "f32le": ("FLOAT", "LITTLE", 4),
    "f64le": ("DOUBLE", "LITTLE", 8),
    "u8": ("PCM_U8", "FILE", 1),
    "mulaw": ("ULAW", "FILE", 1),
    "alaw": ("ALAW", "FILE", 1),
}
UNKNOWN_FRAMES = 1 << 40  # libsndfile's "no idea" is 2**63 - 1; so many frames is two years at 16 kHz


class Forward(soundfile.SoundFile):
    """A SoundFile that only reads on. (SoundFile seeks after every block, which is slow, inexact in an mp3,
    and fails at the end of a flac that does not state its length.)"""

    def seekable(self) -> bool:
        return False


@contextmanager
def decode(data: Data, sample_rate: int | None, encoding: str | None, channels: int) -> Iterator[Decoded]:
    """Decode an open file; sample_rate, encoding and channels as `sonant.audio.load` takes them."""
    if encoding is not None:
        with _raw(data, sample_rate, encoding, channels) as decoded:
            yield decoded
        return
    if channels != 1:
        raise AudioError(
            f"{data.name}: channels={channels} is for raw PCM (encoding=); use channel= to choose one"
        )
    found = plan(data)
    data.file.seek(0)
    if found.media:
        from sonant.audio.media import decode_media

        with decode_media(data, found.media) as decoded:
            _agree(data.name, sample_rate, decoded.sample_rate)
            yield decoded
        return
    with ExitStack() as stack:
        files = [_open(stack, data, found, part) for part in found.parts or (None,)]
        first = files[0]
        rate = check_rate(first.samplerate, "the sample rate in its header", data.name)
        _agree(data.name, sample_rate, rate)
        frames: int | None = sum(file.frames for file in files)
        if not found.length_known or frames >= UNKNOWN_FRAMES:
            frames = None
        elif found.present > 0:
            frames = round(frames / found.present)
        kind = first.format.lower().replace("wavex", "wav").replace("rf64", "wav")
        yield Decoded(rate, first.channels, kind, frames, _chunks(data, files, found, frames))


def _agree(name: str, wanted: int | None, found: int) -> None:
    if wanted is not None and wanted != found:
        raise AudioError(
            f"{name}: its header says {found} Hz, but sample_rate={wanted!r}; leave sample_rate out for a "
            "file that states its own"
        )


def _open(stack: ExitStack, data: Data, found: Plan, part: tuple[bytes, int, int] | None) -> Forward:
    target: Any = data.path or data.file
    if part is not None:
        target = View(data.file, *part)
    try:
        return stack.enter_context(Forward(target))
    except (soundfile.LibsndfileError, OSError) as error:
        _check_views(data, target)
        raise AudioError(_unreadable(data, found, error)) from error


def _check_views(data: Data, target: Any) -> None:
    for view in (target, data.file):
        if isinstance(view, View):
            view.check(data.name)


def _unreadable(data: Data, found: Plan, error: Exception) -> str:
    data.file.seek(0)
    start = data.file.read(16)
    said = str(getattr(error, "error_string", error)).rstrip(".")
    if found.cut:
        return (
            f"{data.name}: truncated: the file ends ({data.size} bytes) before any sample; "
            "expected whole ogg pages"
        )
    if start.startswith((b"ID3", b"\xff")) and "not recognised" not in said:
        said = "no mp3 frame was found; it may be truncated"  # libsndfile says that the file does not exist
    if "not recognised" in said:
        looks = (
            "text" if start.isascii() and start.decode("ascii").replace("\n", " ").isprintable() else "bytes"
        )
        return (
            f"{data.name}: is not audio that sonant knows: it begins with the {looks} {start!r}; "
            "expected wav, flac, ogg, opus or mp3 (for headerless PCM, give encoding= and sample_rate=)"
        )
    return f"{data.name}: cannot be decoded ({data.size} bytes, beginning with {start!r}): {said}"


def _chunks(data: Data, files: list[Forward], found: Plan, frames: int | None) -> Iterator[np.ndarray]:
    done = 0
    rate, count = files[0].samplerate, files[0].channels

    def state() -> str:
        promised = "" if not frames or found.cut else f" of the {frames / rate:.2f} s that it states"
        return f"{done / rate:.2f} s{promised} ({data.size} bytes)"

    mend = "it is truncated or damaged: fetch it again"
    for file in files:
        if (file.samplerate, file.channels) != (rate, count):
            raise AudioError(
                f"{data.name}: changes from {rate} Hz, {count} channel(s) to {file.samplerate} Hz, "
                f"{file.channels} channel(s) after {done / rate:.2f} s; split it there"
            )
        while True:
            try:
                chunk = file.read(CHUNK, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                said = error.error_string.rstrip(".").removeprefix("Error : ")
                raise AudioError(f"{data.name}: decoding failed after {state()}: {said}; {mend}") from error
            finally:
                _check_views(data, file.name)
            if not len(chunk):
                break
            done += len(chunk)
            yield chunk
    if found.cut:
        raise AudioError(f"{data.name}: the file ends inside a page, after {state()}; {mend}")
    if (frames is not None and done < frames - found.slack) or found.present == 0:
        raise AudioError(f"{data.name}: the samples end after {state()}; {mend}")


@contextmanager
def _raw(data: Data, sample_rate: int | None, encoding: str, channels: int) -> Iterator[Decoded]:
    name = data.name
    if encoding not in RAW:
        raise AudioError(f"{name}: encoding={encoding!r} is unknown; expected one of {', '.join(RAW)}")
    if sample_rate is None:
        raise AudioError(f"{name}: raw {encoding} does not know its sample rate; pass sample_rate=, in Hz")
    rate = check_rate(sample_rate, "sample_rate", name)
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"{name}: channels={channels!r}; expected 1 to {MOST_CHANNELS}")
    subtype, order, width = RAW[encoding]
    frames, rest = divmod(data.size, width * channels)
    if rest:
        of = f" x {channels} channels" if channels > 1 else ""
        raise AudioError(
            f"{name}: {data.size} bytes are not a whole number of {encoding} samples ({width} bytes{of}): "
            f"{rest} left over; expected raw PCM of that encoding, from its first byte to its last"
        )
    target = data.path or data.file
    with Forward(
        target, samplerate=rate, channels=channels, subtype=subtype, endian=order, format="RAW"
    ) as file:
        yield Decoded(rate, channels, "raw", frames, _chunks(data, [file], Plan(), frames))
