"""Commands that compute features of waveforms: each gives what the library gives."""

import numpy as np
import pytest

from sonant.errors import FeatureError, OptionError, SonantError
from sonant.kaldi.feat.fbank import Fbank, FbankOptions
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.feat.pitch import (
    PitchExtractionOptions,
    ProcessPitchOptions,
    compute_and_process_kaldi_pitch,
    compute_kaldi_pitch,
)
from sonant.kaldi.feat.plp import Plp, PlpOptions
from sonant.kaldi.feat.spectrogram import Spectrogram, SpectrogramOptions
from sonant.kaldi.util import table

KINDS = {
    "mfcc": (Mfcc, MfccOptions),
    "fbank": (Fbank, FbankOptions),
    "plp": (Plp, PlpOptions),
    "spectrogram": (Spectrogram, SpectrogramOptions),
}


def waves(recordings):
    with table.SequentialWaveReader(f"scp:{recordings}/wav.scp") as reader:
        return {key: wave.data().numpy()[0] for key, wave in reader}


def matrices(specifier):
    with table.SequentialMatrixReader(specifier) as reader:
        return {key: value.numpy().copy() for key, value in reader}


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_the_librarys(run, recordings, tmp_path, kind):
    computer, options = KINDS[kind][0], KINDS[kind][1]()
    options.frame_opts.dither = 0
    options.frame_opts.frame_shift_ms = 12.5
    config = tmp_path / "conf"
    config.write_text("--frame-shift=12.5  # milliseconds\n--dither=1\n")
    out = tmp_path / "out.ark"
    status, _ = run(
        f"compute-{kind}-feats", "--dither=0", f"--config={config}", f"scp:{recordings}/wav.scp", f"ark:{out}"
    )
    assert status == 0
    found, expected = matrices(f"ark:{out}"), waves(recordings)
    assert list(found) == list(expected)
    for key, samples in expected.items():
        assert np.array_equal(found[key], computer(options).compute(samples).numpy())


def test_warps_means_durations_and_short_utterances(run, recordings, tmp_path, capfd):
    (tmp_path / "warps").write_text("jfk 0.9\n")
    status, durations = run(
        "compute-mfcc-feats",
        "--dither=0",
        "--subtract-mean",
        "--min-duration=2",
        f"--vtln-map=ark:{tmp_path}/warps",
        f"--utt2spk=ark:{recordings}/utt2spk",
        "--write-utt2dur=ark,t:-",
        f"scp:{recordings}/wav.scp",
        f"ark:{tmp_path}/out.ark",
    )
    assert status == 0
    found = matrices(f"ark:{tmp_path}/out.ark")
    assert list(found) == ["jfk-1"]  # jfk-2 is too short, sb has no warp
    assert durations.decode().split() == ["jfk-1", "2.1"]
    said = capfd.readouterr().err
    assert "WARNING (compute-mfcc-feats) jfk-2 is too short, 1.8 s" in said
    assert "no entry of --vtln-map for sb-1" in said
    assert "LOG (compute-mfcc-feats) Done 1 out of 3 utterances." in said
    options = MfccOptions()
    options.frame_opts.dither = 0
    expected = Mfcc(options).compute(waves(recordings)["jfk-1"], 0.9).numpy()
    np.testing.assert_allclose(found["jfk-1"], expected - expected.mean(axis=0), atol=1e-4)
    with pytest.raises(OptionError, match="--utt2spk is there for a --vtln-map"):
        run("compute-mfcc-feats", "--utt2spk=ark:x", f"scp:{recordings}/wav.scp", "ark:-")


def test_channels(run, recordings, tmp_path, capfd):
    (tmp_path / "scp").write_text(f"call {recordings}/stereo.wav\n")
    outputs = {}
    for channel in (-1, 0, 1):
        outputs[channel] = run(
            "compute-mfcc-feats", "--dither=0", f"--channel={channel}", f"scp:{tmp_path}/scp", "ark:-"
        )[1]
    assert "call has 2 channels and --channel is not given" in capfd.readouterr().err
    assert outputs[-1] == outputs[0] != outputs[1]
    assert run("compute-mfcc-feats", "--channel=2", f"scp:{tmp_path}/scp", "ark:-") == (1, b"")
    assert "call has 2 channels and --channel=2 was asked for" in capfd.readouterr().err


def test_another_rate(run, recordings, tmp_path, capfd):
    (tmp_path / "scp").write_text(f"yes {recordings}/yesno.wav\n")
    assert run("compute-mfcc-feats", f"scp:{tmp_path}/scp", "ark:-") == (1, b"")
    said = capfd.readouterr().err
    assert "failed to compute features for yes: a waveform of 8000 Hz; expected samp_freq=16000 Hz" in said
    assert run("compute-mfcc-feats", "--sample-frequency=8000", f"scp:{tmp_path}/scp", "ark:-")[0] == 0
    assert run("compute-mfcc-feats", "--allow-upsample", f"scp:{tmp_path}/scp", "ark:-")[0] == 0
    with pytest.raises(FeatureError, match="yes is of 8000 Hz; expected 16000 Hz"):
        run("compute-kaldi-pitch-feats", f"scp:{tmp_path}/scp", "ark:-")


def test_htk_output(run, recordings, tmp_path):
    scp = f"scp:{recordings}/wav.scp"
    run("compute-mfcc-feats", "--dither=0", "--output-format=htk", scp, f"ark:{tmp_path}/h.ark")
    run("compute-mfcc-feats", "--dither=0", scp, f"ark:{tmp_path}/k.ark")
    with table.SequentialHtkMatrixReader(f"ark:{tmp_path}/h.ark") as reader:
        found = {key: (feats.numpy().copy(), header) for key, (feats, header) in reader}
    for key, expected in matrices(f"ark:{tmp_path}/k.ark").items():
        assert np.array_equal(found[key][0], expected)
        assert found[key][1].mSampleKind == 6 + 0o100
    with pytest.raises(OptionError, match="--output-format=text; expected kaldi or htk"):
        run("compute-mfcc-feats", "--output-format=text", scp, "ark:-")


def test_pitch(run, recordings, tmp_path):
    scp, options = f"scp:{recordings}/wav.scp", ["--min-f0=60", "--frame-shift=12.5"]
    process = ["--add-raw-log-pitch", "--delta-pitch-noise-stddev=0", "--srand=7"]
    run("compute-kaldi-pitch-feats", *options, scp, f"ark:{tmp_path}/p.ark")
    run("process-kaldi-pitch-feats", *process, f"ark:{tmp_path}/p.ark", f"ark:{tmp_path}/q.ark")
    run("compute-and-process-kaldi-pitch-feats", *options, *process, scp, f"ark:{tmp_path}/r.ark")
    extraction, processing = PitchExtractionOptions(), ProcessPitchOptions()
    extraction.min_f0, extraction.frame_shift_ms = 60.0, 12.5
    processing.add_raw_log_pitch, processing.delta_pitch_noise_stddev = True, 0.0
    tracks, one, other = (matrices(f"ark:{tmp_path}/{name}.ark") for name in "pqr")
    for key, samples in waves(recordings).items():
        assert np.array_equal(tracks[key], compute_kaldi_pitch(extraction, samples).numpy())
        expected = compute_and_process_kaldi_pitch(extraction, processing, samples).numpy()
        assert np.array_equal(other[key], expected)
        assert one[key].shape == (len(tracks[key]), 4)
        assert np.array_equal(one[key], expected)


def test_durations(run, recordings, tmp_path, capfd):
    for option in ([], ["--read-entire-file"]):
        status, out = run("wav-to-duration", *option, f"scp:{recordings}/wav.scp", "ark,t:-")
        assert (status, out.decode().split()) == (0, ["jfk-1", "2.1", "jfk-2", "1.8", "sb-1", "2.5"])
    assert "Mean duration was 2.13333, the shortest 1.8 and the longest 2.5 s" in capfd.readouterr().err
    # A header of sox, which does not know the length when it writes into a pipe.
    data = bytearray((recordings / "wav" / "sb-1.wav").read_bytes())
    data[4:8], data[40:44] = b"\xff\xff\xff\xff", b"\xff\xff\xff\xff"
    (tmp_path / "streamed.wav").write_bytes(data)
    (tmp_path / "scp").write_text(f"sb {tmp_path}/streamed.wav\n")
    assert run("wav-to-duration", "--read-entire-file", f"scp:{tmp_path}/scp", "ark,t:-")[1] == b"sb 2.5 \n"
    with pytest.raises(SonantError, match="expected --read-entire-file=true"):
        run("wav-to-duration", f"scp:{tmp_path}/scp", "ark,t:-")


def test_what_cannot_be_read_ends_the_command_and_keeps_what_was_written(run, recordings, tmp_path, capfd):
    first = (recordings / "wav.scp").read_text().splitlines()[0]
    (tmp_path / "scp").write_text(f"{first}\nnone {tmp_path}/none.wav\n{first.replace('jfk-1', 'z', 1)}\n")
    with pytest.raises(SonantError, match=r"none\.wav: cannot be opened"):
        run("compute-mfcc-feats", "--dither=0", f"scp:{tmp_path}/scp", f"ark:{tmp_path}/out.ark")
    assert list(matrices(f"ark:{tmp_path}/out.ark")) == ["jfk-1"]
    # With Kaldi's option `p` it is passed over.
    status, _ = run("compute-mfcc-feats", "--dither=0", f"scp,p:{tmp_path}/scp", f"ark:{tmp_path}/out.ark")
    assert status == 0
    assert list(matrices(f"ark:{tmp_path}/out.ark")) == ["jfk-1", "z"]
