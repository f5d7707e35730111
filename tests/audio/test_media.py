"""Containers that PyAV reads, and what is said where it is not installed."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from sonant.audio import blocks, describe, load
from sonant.errors import AudioError

RATE = 48000
SAMPLES = (0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.float32)


def make(path: Path, form: str, codec: str, samples: np.ndarray = SAMPLES, **options: str) -> bytes:
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.stack([samples, samples / 2]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=RATE)
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("suffix", "form", "codec", "kind"),
    [
        ("m4a", "ipod", "aac", "mp4"),
        ("mp4", "mp4", "aac", "mp4"),
        ("webm", "webm", "libopus", "webm"),
        ("aac", "adts", "aac", "aac"),
        ("ts", "mpegts", "aac", "mpegts"),
        ("avi", "avi", "pcm_s16le", "avi"),
    ],
)
def test_containers(tmp_path, suffix, form, codec, kind):
    path = tmp_path / f"talk.{suffix}"
    data = make(path, form, codec)
    audio = load(path)
    assert audio.duration == pytest.approx(3, abs=0.06)  # without an edit list, the encoder's delay stays
    left, right = load(path, channel=0).samples, load(path, channel=1).samples
    loud = slice(8000, 40000)  # effective values: the encoder overshoots here and there
    assert np.sqrt(np.mean(left[loud] ** 2)) == pytest.approx(0.3 / 2**0.5, rel=0.05)
    assert np.sqrt(np.mean(right[loud] ** 2)) == pytest.approx(0.15 / 2**0.5, rel=0.05)
    with open(path, "rb") as file:
        for source in (data, file):
            assert np.array_equal(load(source).samples, audio.samples)
    assert np.array_equal(np.concatenate(list(blocks(path, seconds=0.4))), audio.samples)
    info = describe(path)
    assert (info.sample_rate, info.channels, info.format) == (RATE, 2, kind)
    assert info.duration is None or info.duration == pytest.approx(3, abs=0.06)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.8])
@pytest.mark.parametrize(
    ("form", "codec", "flags"), [("ipod", "aac", ""), ("ipod", "aac", "faststart"), ("webm", "libopus", "")]
)
def test_truncated(tmp_path, form, codec, flags, part):
    path = tmp_path / "talk.bin"
    data = make(path, form, codec, **({"movflags": flags} if flags else {}))
    path.write_bytes(data[: round(len(data) * part)])
    with pytest.raises(AudioError, match="truncated") as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_fragments(tmp_path):
    data = make(tmp_path / "live.mp4", "mp4", "aac", movflags="frag_keyframe+empty_moov")
    assert load(data).duration == pytest.approx(3, abs=0.06)


def test_a_film_without_sound(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(3):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio track; found video"):
        load(path)


def test_not_what_it_begins_as():
    for start in (
        b"\0\0\0\x18ftypM4A \0\0\0\0",
        b"\x1a\x45\xdf\xa3",
        b"\xff\xf1\x50\x80",
        b"FLV\x01",
        b"#!AMR\n",
    ):
        with pytest.raises(AudioError, match="<bytes>"):
            load(start + b"\x5a" * 500)


def test_samples_that_are_no_numbers(tmp_path):
    bad = SAMPLES.copy()
    bad[1000] = np.nan
    data = make(tmp_path / "bad.avi", "avi", "pcm_f32le", bad)
    with pytest.raises(AudioError, match="sample 1000 of channel 0 is nan"):
        load(data)


def test_pyav_is_not_installed(tmp_path):
    path = tmp_path / "talk.m4a"
    make(path, "ipod", "aac")
    script = (
        "import sys; sys.modules['av'] = None\n"
        "import sonant.audio, sonant.errors\n"
        "try: sonant.audio.load(sys.argv[1])\n"
        "except sonant.errors.MissingExtraError as error: print(error.extra, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"media {path}: reading mp4 audio needs")
    assert "pip install 'sonant[media]'" in done.stdout


def test_nothing_heavy_is_imported():
    script = "import sys, sonant.audio; print({'av', 'soundfile', 'soxr'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
