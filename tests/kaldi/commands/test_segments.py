"""Segments of recordings and of features."""

import numpy as np
import pytest

from sonant.errors import FeatureError
from sonant.kaldi.util import table

SEGMENTS = """\
s1 jfk-1 0.25 1.5
s2 jfk-1 1 -1
s3 jfk-1 1.9 2.55 0
over jfk-1 1.9 2.61
late jfk-1 2.2 2.3
short jfk-1 1.0 1.05
none gone 0 1
back jfk-1 1 0.5
word jfk-1 one 2
few jfk-1 1
many jfk-1 1 2 0 9
channel jfk-1 1 2 3
s4 sb-1 0 1
"""


def test_recordings(run, recordings, tmp_path, capfd):
    (tmp_path / "segments").write_text(SEGMENTS)
    out = tmp_path / "out.ark"
    assert run("extract-segments", f"scp:{recordings}/wav.scp", f"{tmp_path}/segments", f"ark:{out}")[0] == 0
    with table.RandomAccessWaveReader(f"scp:{recordings}/wav.scp") as reader:
        jfk, sb = reader["jfk-1"].data().numpy()[0], reader["sb-1"].data().numpy()[0]
    with table.SequentialWaveReader(f"ark:{out}") as reader:
        found = {key: wave.data().numpy() for key, wave in reader}
    expected = {"s1": jfk[4000:24000], "s2": jfk[16000:], "s3": jfk[30400:], "s4": sb[:16000]}
    assert list(found) == list(expected)
    for key, samples in expected.items():
        assert np.array_equal(found[key], samples[np.newaxis])
    said = capfd.readouterr().err
    for name in (
        "over ends at",
        "late begins at",
        "short is too short",
        "there is no gone",
        "'back jfk-1 1 0.5'",
    ):
        assert name in said
    assert "channel 3 of the 1 of jfk-1" in said
    assert "Extracted 4 segments of 13 lines" in said


def test_a_recording_is_read_once_for_its_segments(run, recordings, tmp_path):
    """They are many, and it may take a command to decode it."""
    (tmp_path / "scp").write_text(
        f"rec echo >> {tmp_path}/count; cat {recordings}/wav/jfk-1.wav |\nother echo no >&2; false |\n"
    )
    (tmp_path / "segments").write_text("".join(f"s{i} rec {i / 10} {i / 10 + 0.5}\n" for i in range(8)))
    out = f"ark:{tmp_path}/out.ark"
    assert run("extract-segments", f"scp:{tmp_path}/scp", f"{tmp_path}/segments", out)[0] == 0
    assert (tmp_path / "count").read_text() == "\n"
    assert len(list(table.SequentialWaveReader(out))) == 8


def test_channels(run, recordings, tmp_path):
    (tmp_path / "scp").write_text(f"call {recordings}/stereo.wav\n")
    (tmp_path / "segments").write_text("a call 0 0.5 0\nb call 0.5 1 1\n")
    out = f"ark:{tmp_path}/out.ark"
    assert run("extract-segments", f"scp:{tmp_path}/scp", f"{tmp_path}/segments", out)[0] == 0
    found = {key: wave.data().numpy()[0] for key, wave in table.SequentialWaveReader(out)}
    assert np.array_equal(found["a"], found["b"][::-1])  # the one channel is the other in reverse
    (tmp_path / "segments").write_text("a call 0 0.5\n")
    with pytest.raises(
        FeatureError, match="call has 2 channels; expected the channel at the end of the line of a"
    ):
        run("extract-segments", f"scp:{tmp_path}/scp", f"{tmp_path}/segments", out)


def test_features(run, tmp_path, capfd):
    feats = np.arange(600, dtype=np.float32).reshape(200, 3)
    with table.MatrixWriter(f"ark:{tmp_path}/feats.ark") as writer:
        writer["u"] = feats
    (tmp_path / "segments").write_text("a u 0.5 1.25\nb u 1.5 2.05\nc u 0.5 -1\n")
    arguments = (f"ark:{tmp_path}/feats.ark", f"{tmp_path}/segments", f"ark:{tmp_path}/out.ark")
    assert run("extract-feature-segments", "--max-overshoot=0.1", *arguments)[0] == 0
    found = {key: value.numpy().copy() for key, value in table.SequentialMatrixReader(arguments[2])}
    assert list(found) == ["a", "b"]
    assert np.array_equal(found["a"], feats[50:125])
    assert np.array_equal(found["b"], feats[150:])
    assert "Extracted 2 segments of 3 lines" in capfd.readouterr().err
    (tmp_path / "segments").write_text("a u 5 6\n")
    assert run("extract-feature-segments", *arguments)[0] == 255
