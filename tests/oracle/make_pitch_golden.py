"""Pitch, its processing and resampling as Kaldi computes them: tests/features/golden/{pitch,resample}.npz.

    python tests/oracle/make_pitch_golden.py /path/to/a/python3.7/with/pykaldi

pykaldi 0.2.1 of PyPI brings Kaldi 5.5.950. The recordings are decoded here (they are FLAC files, so that any
decoder gives the same samples); the other Python runs this file again and needs numpy only. The rand() that
makes Kaldi's noise is not ours: delta_pitch_noise_stddev is 0.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
GOLDEN = TESTS / "features" / "golden"
EXCERPTS = {  # file, first and last sample
    "yesno": ("0_0_0_0_1_1_1_1.flac", 8000, 28000),
    "aishell": ("BAC009S0724W0121.flac", 16000, 52000),
    "child": ("sb-spk1_snt1.flac", 0, None),
    "jfk": ("jfk.flac", 0, None),
    "short": ("jfk.flac", 16000, 17000),
}

PITCH = [
    dict(),
    dict(frame_length_ms=20.0),
    dict(frame_length_ms=40.5),
    dict(frame_shift_ms=5.0),
    dict(frame_shift_ms=12.5),
    dict(preemph_coeff=0.5),
    dict(min_f0=70.0),
    dict(max_f0=600.0),
    dict(max_f0=1500.0, min_f0=120.0),
    dict(soft_min_f0=30.0),
    dict(soft_min_f0=0.0),
    dict(penalty_factor=0.01),
    dict(penalty_factor=0.5),
    dict(penalty_factor=0.0),
    dict(lowpass_cutoff=800.0),
    dict(resample_freq=5000.0),
    dict(resample_freq=2000.0, lowpass_cutoff=900.0),
    dict(delta_pitch=0.01),
    dict(delta_pitch=0.002),
    dict(nccf_ballast=0.0),
    dict(nccf_ballast=70000.0),
    dict(lowpass_filter_width=3),
    dict(upsample_filter_width=8),
    dict(snip_edges=False),
    dict(snip_edges=False, preemph_coeff=0.3),
    dict(snip_edges=False, frame_shift_ms=12.5, frame_length_ms=30.0),
    dict(nccf_ballast_online=True),
    dict(frames_per_chunk=10),
    dict(frames_per_chunk=1),
    dict(frames_per_chunk=7, nccf_ballast_online=True),
    dict(frames_per_chunk=10, recompute_frame=50),
    dict(frames_per_chunk=10, recompute_frame=0),
    dict(frames_per_chunk=10, simulate_first_pass_online=True),
    dict(frames_per_chunk=10, simulate_first_pass_online=True, max_frames_latency=5),
    dict(frames_per_chunk=4, simulate_first_pass_online=True, max_frames_latency=1000),
    dict(frames_per_chunk=20, simulate_first_pass_online=True, max_frames_latency=30, recompute_frame=100),
    dict(frames_per_chunk=10, simulate_first_pass_online=True, nccf_ballast_online=True),
]
LONG = [  # of more than 500 frames, where Kaldi looks back
    dict(),
    dict(frames_per_chunk=10),
    dict(frames_per_chunk=3, recompute_frame=200),
    dict(frames_per_chunk=10, simulate_first_pass_online=True, max_frames_latency=10),
    dict(frames_per_chunk=600),
    dict(nccf_ballast_online=True),
]
PROCESS = [
    dict(),
    dict(pitch_scale=3.0),
    dict(pov_scale=1.5),
    dict(pov_offset=0.7),
    dict(delta_pitch_scale=4.0),
    dict(normalization_left_context=20),
    dict(normalization_right_context=10),
    dict(normalization_left_context=0, normalization_right_context=0),
    dict(normalization_left_context=1000, normalization_right_context=1000),
    dict(delta_window=5),
    dict(delay=3),
    dict(add_pov_feature=False),
    dict(add_normalized_log_pitch=False),
    dict(add_delta_pitch=False),
    dict(add_raw_log_pitch=True),
    dict(add_pov_feature=False, add_normalized_log_pitch=False, add_raw_log_pitch=True),
]
BOTH = [
    (dict(), dict()),
    (dict(), dict(delay=4, add_raw_log_pitch=True)),
    (dict(frames_per_chunk=10), dict()),
    (dict(frames_per_chunk=10, simulate_first_pass_online=True), dict(normalization_right_context=20)),
    (
        dict(frames_per_chunk=10, simulate_first_pass_online=True, max_frames_latency=10),
        dict(normalization_right_context=5, delay=2, delta_window=4),
    ),
]
CHUNKS = [  # of an online extractor, in samples
    ([1600], dict()),
    ([160, 1], dict()),
    ([4000, 333], dict(max_frames_latency=20)),
    ([16000, 800], dict(max_frames_latency=8, recompute_frame=120)),
    ([10, 50, 5000], dict(nccf_ballast_online=True)),
    ([400], dict(max_frames_latency=1000)),
]
RATES = [
    (16000, 8000),
    (44100, 16000),
    (48000, 16000),
    (16000, 11025),
    (22050, 8000),
    (16000, 15999),
    (8000, 6000),
]
LINEAR = [  # rates, cutoff, zeros, pieces
    (16000, 4000, 1000.0, 1, [100]),
    (16000, 4000, 1000.0, 1, [1, 0, 7, 300, 20]),
    (8000, 16000, 3900.0, 6, [50, 3]),
    (44100, 16000, 7900.0, 3, [17, 1000]),
    (16000, 16000, 4000.0, 5, [64]),
    (1000, 999, 400.0, 10, [100, 1]),
    (16000, 100, 40.0, 2, [123]),
]
ARBITRARY = [  # inputs, rate, cutoff, zeros, points: start, factor, number
    (75, 4000.0, 2000.0, 5, np.float32(0.0005) * np.float32(1.005) ** np.arange(400)),
    (50, 1000.0, 300.0, 3, np.linspace(-0.004, 0.053, 40)),
    (50, 1000.0, 499.0, 8, np.linspace(0.049, 0.0, 31)),
    (200, 100.0, 10.0, 1, np.array([1.0, 0.25, 1.999, 0.013, 1.0])),
    (1, 100.0, 40.0, 2, np.array([0.0, 0.001])),
]


def signal(n):
    """Tones that rise, of a formula that gives the same floats everywhere."""
    t = np.arange(n) / 16000.0
    rising, steady = np.sin(2 * np.pi * (200 + 900 * t) * t), np.cos(2 * np.pi * 1234.5 * t)
    return (1000 * rising + 300 * steady).astype(np.float32)


def pieces(wave, lengths):
    at, i = 0, 0
    while at < len(wave):
        yield wave[at : at + lengths[i % len(lengths)]]
        at += lengths[i % len(lengths)]
        i += 1


def kaldi(excerpts):
    from kaldi.feat.pitch import (
        OnlinePitchFeature,
        OnlineProcessPitch,
        PitchExtractionOptions,
        ProcessPitchOptions,
        compute_and_process_kaldi_pitch,
        compute_kaldi_pitch,
        process_pitch,
    )
    from kaldi.feat.signal import ArbitraryResample, LinearResample, downsample_wave_form
    from kaldi.matrix import Matrix, SubVector, Vector

    def options(kind, values):
        made = kind()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def extraction(name, values):
        rate = 8000.0 if name == "yesno" else 16000.0
        return options(PitchExtractionOptions, dict(samp_freq=rate, **values))

    def processing(values):
        return options(ProcessPitchOptions, dict(delta_pitch_noise_stddev=0.0, **values))

    def rows(online, dim):
        found = Matrix(online.num_frames_ready(), dim)
        online.get_frames(list(range(online.num_frames_ready())), found)
        return found.numpy()

    waves = {name: Vector(wave.astype(np.float32)) for name, wave in excerpts.items()}
    pitch, cases = {}, []

    def add(kind, **case):
        cases.append(dict(kind=kind, **case))
        return f"c{len(cases) - 1}"

    every_wave = dict(yesno=PITCH, aishell=PITCH, child=PITCH[:1], jfk=LONG, short=PITCH)
    for name, every in every_wave.items():
        for values in every:
            key = add("pitch", wave=name, pitch=values)
            pitch[key] = compute_kaldi_pitch(extraction(name, values), waves[name]).numpy()
    track = compute_kaldi_pitch(extraction("aishell", {}), waves["aishell"])
    pitch["track"] = track.numpy()
    for values in PROCESS:
        pitch[add("process", process=values)] = process_pitch(processing(values), track).numpy()
    for values, process in BOTH:
        for name in ("yesno", "child"):
            key = add("both", wave=name, pitch=values, process=process)
            pitch[key] = compute_and_process_kaldi_pitch(
                extraction(name, values), processing(process), waves[name]
            ).numpy()
    for lengths, values in CHUNKS:
        name = "aishell"
        key = add("online", wave=name, pitch=values, chunks=lengths)
        online = OnlinePitchFeature(extraction(name, values))
        processed = OnlineProcessPitch(processing({}), online)
        ready = []
        for i, piece in enumerate(pieces(waves[name].numpy(), lengths)):
            online.accept_waveform(16000.0, SubVector(piece))
            ready.append((online.num_frames_ready(), processed.num_frames_ready()))
            if i == 12:
                pitch[key + "_middle"] = rows(online, 2)
        online.input_finished()
        ready.append((online.num_frames_ready(), processed.num_frames_ready()))
        pitch[key + "_ready"] = np.array(ready, np.int32)
        pitch[key] = rows(online, 2)
        pitch[key + "_processed"] = rows(processed, 3)
    pitch["cases"] = np.array(json.dumps(dict(excerpts=EXCERPTS, cases=cases)))

    parameters = dict(down=RATES, linear=LINEAR, arbitrary=[case[:4] for case in ARBITRARY])
    resampled = dict(signal=signal(2000), cases=np.array(json.dumps(parameters)))
    for i, (rate_in, rate_out) in enumerate(RATES):
        resampled[f"down{i}"] = downsample_wave_form(rate_in, Vector(signal(2000)), rate_out).numpy()
    for i, (rate_in, rate_out, cutoff, zeros, lengths) in enumerate(LINEAR):
        linear, found = LinearResample(rate_in, rate_out, cutoff, zeros), []
        for piece in pieces(signal(1500), lengths):
            found.append(linear.resample(Vector(piece), False).numpy().copy())
        found.append(linear.resample(Vector(signal(5)), True).numpy().copy())
        found.append(linear.resample(Vector(signal(40)), True).numpy().copy())
        resampled[f"linear{i}"] = np.concatenate(found)
        resampled[f"linear{i}_counts"] = np.array([len(part) for part in found], np.int32)
    for i, (inputs, rate, cutoff, zeros, points) in enumerate(ARBITRARY):
        arbitrary = ArbitraryResample(inputs, rate, cutoff, Vector(points.astype(np.float32)), zeros)
        found = Matrix(2, len(points))
        arbitrary.resample(Matrix(np.stack([signal(inputs), signal(inputs)[::-1]])), found)
        resampled[f"arbitrary{i}"] = found.numpy()
        resampled[f"arbitrary{i}_points"] = points.astype(np.float32)
    return pitch, resampled


def main():
    if sys.argv[1] == "--kaldi":
        pitch, resampled = kaldi(dict(np.load(sys.argv[2])))
        np.savez_compressed(str(GOLDEN / "pitch.npz"), **pitch)
        np.savez_compressed(str(GOLDEN / "resample.npz"), **resampled)
        return
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "waves.npz")
        waves = {}
        for name, (file, begin, end) in EXCERPTS.items():
            waves[name] = soundfile.read(TESTS / "data" / "speech" / file, dtype="int16")[0][begin:end]
        np.savez(path, **waves)
        subprocess.run([sys.argv[1], __file__, "--kaldi", str(path)], check=True)


if __name__ == "__main__":
    main()
