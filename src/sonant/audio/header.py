"""What a file's header promises, held against the bytes that are there.

libsndfile shortens what it reports to what it finds, stops at a length that it guessed, and reads a length of
0 as no audio; so that nothing is lost silently, the few bytes that matter are read here. Formats: RIFF WAVE
and RF64 (EBU Tech 3306), AIFF, Sun au, NIST SPHERE, Ogg (RFC 3533), MPEG audio with Xing/Info headers.
"""

import struct
from dataclasses import dataclass
from typing import Any, Literal

from sonant.audio.source import Data

MEDIA = {  # containers that libsndfile does not know: where the mark is, what it is, what to call it
    "mp4": (4, b"ftyp"),
    "webm": (0, b"\x1a\x45\xdf\xa3"),
    "asf": (0, b"\x30\x26\xb2\x75"),
    "flv": (0, b"FLV\x01"),
    "amr": (0, b"#!AMR"),
    "avi": (8, b"AVI "),
    "mpeg": (0, b"\x00\x00\x01\xba"),
}


@dataclass(frozen=True)
class Plan:
    """How to decode a file. parts: (prefix, start, end) each to be decoded as a file of its own, one after
    the other: `prefix`, then the bytes from `start` to `end`; empty for the file as it is."""

    parts: tuple[tuple[bytes, int, int], ...] = ()
    media: str = ""  # the container's name, where PyAV must read it
    present: float = 1.0  # the part of the promised bytes of samples that is there
    cut: bool = False  # the file ends inside a unit
    length_known: bool = (
        True  # whether the number of frames that libsndfile reports is the file's own statement
    )
    slack: int = 0  # frames that may be missing without harm


def plan(data: Data) -> Plan:
    """Look at the first bytes, and at lengths, of an open file."""
    file, size = data.file, data.size
    head = _bytes(file, 0, 64)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        return _chunked(file, size, head)
    if head[:4] == b".snd" and len(head) >= 12:
        start, promised = int.from_bytes(head[4:8]), int.from_bytes(head[8:12])
        return Plan(present=_present(promised, size - start, 1)) if promised != 0xFFFFFFFF else Plan()
    if head[:7] == b"NIST_1A":
        return _sphere(file, size)
    if head[:4] == b"OggS":
        return _ogg(file, size)
    for kind, (at, mark) in MEDIA.items():
        if head[at : at + len(mark)] == mark:
            return Plan(media=kind)
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ADTS has layer 0, MPEG audio 1 to 3
        return Plan(media="aac")
    if head[:1] == b"\x47" and _bytes(file, 188, 1) == b"\x47" == _bytes(file, 376, 1):
        return Plan(media="mpegts")
    return _mpeg(file, size, head)


def _bytes(file: Any, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _present(promised: int, there: int, unit: int) -> float:
    there = max(0, there)
    return 1.0 if there // unit >= promised // unit else there / promised


def _chunked(file: Any, size: int, head: bytes) -> Plan:
    """RIFF (little-endian) and AIFF (big-endian): chunks of id, size and that many bytes, padded to even."""
    order: Literal["little", "big"] = "little" if head[:4] in (b"RIFF", b"RF64") else "big"
    samples_id = b"SSND" if head[:4] == b"FORM" else b"data"
    outer = int.from_bytes(head[4:8], order)
    at, unit, wide = 12, 1, None
    while at + 8 <= size:
        chunk = _bytes(file, at, 8)
        length = int.from_bytes(chunk[4:], order)
        body = at + 8
        if chunk[:4] == b"fmt " and length >= 14:
            unit = max(1, int.from_bytes(_bytes(file, body + 12, 2), order))
        elif chunk[:4] == b"ds64" and length >= 16:
            wide = int.from_bytes(_bytes(file, body + 8, 8), "little")
        elif chunk[:4] == samples_id:
            there = size - body
            if length == 0xFFFFFFFF and wide is not None:
                length = wide
            if length == 0 and there > 0 and outer + 8 != size:
                # A recorder that could not go back to write the length: the samples are all that follows.
                prefix = _bytes(file, 0, body - 4) + min(there, 0xFFFFFFFF).to_bytes(4, order)
                return Plan(parts=((prefix, body, size),))
            if _unwritten(length):
                return Plan()
            return Plan(present=_present(length, there, unit))
        at = body + length + (length & 1)
    return Plan()


def _unwritten(length: int) -> bool:
    """Whether a length is what writers to a pipe leave: all ones (ffmpeg), or nearly 2**31 (sox, arecord)."""
    return 0x7FFF0000 <= length <= 0x80000100 or 0xFFFF0000 <= length <= 0xFFFFFFFF


def _sphere(file: Any, size: int) -> Plan:
    fields = {}
    for line in _bytes(file, 0, 1024).decode("latin-1").split("\n"):
        parts = line.split(maxsplit=2)
        if len(parts) == 3 and parts[1] == "-i" and parts[2].strip().isdecimal():
            fields[parts[0]] = int(parts[2])
    if not {"sample_count", "channel_count", "sample_n_bytes"} <= fields.keys():
        return Plan()
    unit = max(1, fields["channel_count"] * fields["sample_n_bytes"])
    return Plan(present=_present(fields["sample_count"] * unit, size - 1024, unit))


def _ogg(file: Any, size: int) -> Plan:
    """Walk the pages: where logical streams begin (libsndfile decodes only the first of a chain), and whether
    the last page is whole. A page is 27 bytes, a table of segment lengths, and the segments."""
    starts: list[int] = []
    at, opening = 0, False
    while at < size:
        page = _bytes(file, at, 27 + 255)
        if page[:4] != b"OggS":  # damage, or something appended: the decoder will tell
            return Plan(parts=_links(starts, size))
        first = bool(page[5] & 2) if len(page) > 5 else False
        if first and not opening:
            starts.append(at)
        opening = first
        if len(page) < 27 or len(page) < 27 + page[26]:
            return Plan(parts=_links(starts, size), cut=True)
        at += 27 + page[26] + sum(page[27 : 27 + page[26]])
    return Plan(parts=_links(starts, size), cut=at > size)


def _links(starts: list[int], size: int) -> tuple[tuple[bytes, int, int], ...]:
    if len(starts) < 2:
        return ()
    return tuple((b"", start, end) for start, end in zip(starts, [*starts[1:], size], strict=True))


def _mpeg(file: Any, size: int, head: bytes) -> Plan:
    """MPEG audio. A Xing or Info frame states the length; where it is missing, or the file goes on after it
    (files joined end to end), mpg123 would stop at a guess, so a frame that states no end is put in front."""
    at = 0
    while head[:3] == b"ID3" and len(head) >= 10:
        at += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        at += 10 * bool(head[5] & 0x10)
        head = _bytes(file, at, 64)
    if (
        len(head) < 4
        or head[0] != 0xFF
        or head[1] & 0xE0 != 0xE0
        or head[1] & 0x06 != 0x02
        or head[2] & 0x0C == 0x0C
    ):
        return Plan()  # not layer III: libsndfile decides
    frame_samples = 1152 if head[1] & 0x18 == 0x18 else 576
    tag = _bytes(file, at, 256)
    where = next((i for mark in (b"Xing", b"Info") if (i := tag.find(mark, 4, 48)) >= 0), -1)
    if where >= 0:
        flags, frames, promised = struct.unpack(">III", tag[where + 4 : where + 16].ljust(12, b"\0"))
        after = _bytes(file, at + promised, 3)
        joined = after == b"ID3" or (after[:1] == b"\xff" and after[1:2] >= b"\xe0")
        # Tags of a few kilobytes may follow the samples; more than that, and beyond 1 %, is more audio.
        if flags & 3 == 3 and frames and not joined and size - at <= promised * 1.01 + 65536:
            return Plan(slack=2 * frame_samples)
    return Plan(parts=((_endless_frame(head), at, size),), length_known=False)


def _endless_frame(head: bytes) -> bytes:
    """A layer III frame of silence like the one that begins with `head`, whose Info header counts frames
    without end."""
    newest = head[1] & 0x18 == 0x18  # MPEG 1, not 2 or 2.5
    halvings = {0x18: 0, 0x10: 1, 0x00: 2}.get(head[1] & 0x18, 0)
    rate = (44100, 48000, 32000)[head[2] >> 2 & 3] >> halvings
    length = 144 * 128000 // rate if newest else 72 * 80000 // rate  # bit-rate index 9
    single = head[3] & 0xC0 == 0xC0
    side = (17 if single else 32) if newest else (9 if single else 17)
    start = bytes([0xFF, head[1] | 1, 0x90 | head[2] & 0x0C, head[3]])  # no checksum, index 9, no padding
    return (start + bytes(side) + b"Info" + struct.pack(">II", 1, 0x7FFFFFFF)).ljust(length, b"\0")
