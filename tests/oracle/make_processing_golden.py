"""Makes tests/kaldi/feat/golden/processing.npz: what Kaldi does to features after they are computed.

Run with the Python 3.7 that PyPI's pykaldi 0.2.1 is installed in: python make_processing_golden.py
The inputs are formulas, and are stored beside the outputs. Names of arrays say function and options.
"""

import struct
from pathlib import Path

import numpy as np
from kaldi.feat import functions as ff
from kaldi.feat import online as fo
from kaldi.feat.wave import WaveData, WaveInfo
from kaldi.ivector import VadEnergyOptions, compute_vad_energy
from kaldi.matrix import DoubleMatrix, Matrix, Vector
from kaldi.transform.cmvn import Cmvn
from kaldi.util.io import xopen

GOLDEN = Path(__file__).parents[1] / "kaldi" / "feat" / "golden"
TEMPORARY = Path("/tmp/sonant_golden.bin")


def features(frames, dim, seed=1):
    """Smooth, of an offset and a size that differ by column, as cepstra are."""
    rng = np.random.RandomState(seed)
    rough = rng.standard_normal((frames + 8, dim))
    smooth = sum(rough[k : frames + k] for k in range(9)) / 3
    return (smooth * np.linspace(4, 1, dim) + np.linspace(15, -5, dim)).astype(np.float32)


def made(kind, **options):
    result = kind()
    for name, value in options.items():
        setattr(result, name, value)
    return result


FEATS = features(90, 5)
arrays = {"feats": FEATS, "other": features(40, 5, 2)}


def keep(name, value):
    arrays[name] = np.array(value.numpy() if hasattr(value, "numpy") else value)


def functions():
    for order in range(4):
        for window in (1, 2, 3):
            keep(
                f"deltas order={order} window={window}",
                ff.compute_deltas(ff.DeltaFeaturesOptions(order, window), Matrix(FEATS)),
            )
    short = FEATS[:3]
    keep("short deltas", ff.compute_deltas(ff.DeltaFeaturesOptions(3, 3), Matrix(short)))
    for window, num_blocks, block_shift in (1, 7, 3), (2, 3, 5), (3, 1, 1):
        options = made(
            ff.ShiftedDeltaFeaturesOptions, window=window, num_blocks=num_blocks, block_shift=block_shift
        )
        name = f"shifted window={window} num_blocks={num_blocks} block_shift={block_shift}"
        keep(name, ff.compute_shift_deltas(options, Matrix(FEATS[:30])))
    for left, right in (0, 0), (1, 2), (4, 4), (0, 5), (6, 0):
        keep(
            f"splice left_context={left} right_context={right}",
            ff.splice_frames(Matrix(FEATS[:8]), left, right),
        )
    keep("reverse", ff.reverse_frames(Matrix(FEATS)))
    for center in (False, True):
        for norm in (False, True):
            for window, least in (600, 100), (20, 5), (21, 21), (1, 1), (7, 3), (90, 40), (89, 89):
                options = made(
                    ff.SlidingWindowCmnOptions,
                    cmn_window=window,
                    min_window=least,
                    center=center,
                    normalize_variance=norm,
                    max_warnings=0,
                )
                output = Matrix(*FEATS.shape)
                ff.sliding_window_cmn(options, Matrix(FEATS), output)
                keep(
                    f"sliding cmn_window={window} min_window={least} center={center} "
                    f"normalize_variance={norm}",
                    output,
                )
    spectrum = Vector(FEATS[:4].ravel()[:16])
    ff.compute_power_spectrum(spectrum)
    keep("power", spectrum)
    for bases, dim in (3, 4), (13, 24), (1, 2):
        keep(f"idft {bases} {dim}", ff.init_idft_bases(bases, dim))


def statistics():
    weights = np.abs(np.sin(np.arange(90))).astype(np.float32)
    arrays["weights"] = weights
    plain = Cmvn(5)
    plain.accumulate(Matrix(FEATS))
    keep("stats", plain.stats)
    plain.accumulate(Matrix(arrays["other"]))
    keep("stats of both", plain.stats)
    weighted = Cmvn(5)
    weighted.accumulate(Matrix(FEATS), Vector(weights))
    keep("stats weighted", weighted.stats)
    weighted.accumulate(Vector(FEATS[0]), 2.5)
    keep("stats weighted and a frame", weighted.stats)
    skipping = Cmvn(5)
    skipping.accumulate(Matrix(FEATS))
    skipping.skip_dims([1, 4])
    keep("stats skipping 1 4", skipping.stats)
    for name, cmvn in ("all", plain), ("skipping", skipping):
        for norm_vars in (False, True):
            for reverse in (False, True):
                output = Matrix(arrays["other"])
                cmvn.apply(output, norm_vars, reverse)
                keep(f"apply {name} norm_vars={norm_vars} reverse={reverse}", output)


def vad():
    energy = features(90, 2, 3)
    energy[:, 0] = 12 + 6 * np.sin(np.arange(90) / 9) + 2 * np.sin(np.arange(90) * 2.7)
    arrays["energy"] = energy
    for threshold, scale, context, proportion in (
        (5, 0.5, 0, 0.6),
        (5.5, 0.5, 2, 0.6),
        (5, 0.5, 5, 0.12),
        (12, 0, 3, 0.5),
        (0, 1, 4, 0.9),
        (100, 0, 0, 0.5),
        (5, 0.5, 200, 0.5),
    ):
        options = made(
            VadEnergyOptions,
            vad_energy_threshold=threshold,
            vad_energy_mean_scale=scale,
            vad_frames_context=context,
            vad_proportion_threshold=proportion,
        )
        voiced = Vector(compute_vad_energy(options, Matrix(energy)))
        keep(f"vad {threshold} {scale} {context} {proportion}", voiced)


def frames_of(source, frames):
    rows = []
    for frame in frames:
        row = Vector(source.dim())
        source.get_frame(frame, row)
        rows.append(row.numpy().copy())
    return np.array(rows)


def file_of(thing):
    with xopen(str(TEMPORARY), "wb") as ko:
        thing.write(ko.stream(), True)
    return np.frombuffer(TEMPORARY.read_bytes(), np.uint8)


def online():
    # PyKaldi's classes keep neither their matrix nor their source alive.
    alive = Matrix(FEATS), Matrix(arrays["other"])
    source, other = map(fo.OnlineMatrixFeature, alive)
    cache, append = fo.OnlineCacheFeature(source), fo.OnlineAppendFeature(source, other)
    keep("online cache", frames_of(cache, [3, 4, 3, 89]))
    keep("online append", frames_of(append, range(40)))
    for order, window in (0, 2), (2, 2), (3, 1):
        delta = fo.OnlineDeltaFeature(ff.DeltaFeaturesOptions(order, window), source)
        keep(
            f"online deltas order={order} window={window}", frames_of(delta, range(delta.num_frames_ready()))
        )
    for left, right in (4, 4), (0, 3), (2, 0):
        splice = fo.OnlineSpliceFrames(
            made(fo.OnlineSpliceOptions, left_context=left, right_context=right), source
        )
        keep(f"online splice left_context={left} right_context={right}", frames_of(splice, range(0, 90, 4)))
    linear = np.random.RandomState(4).standard_normal((3, 6)).astype(np.float32)
    arrays["transform"] = linear
    keep("online affine", frames_of(fo.OnlineTransform(Matrix(linear), source), range(90)))
    keep("online linear", frames_of(fo.OnlineTransform(Matrix(linear[:, :5].copy()), source), range(90)))
    both = Cmvn(5)
    both.accumulate(Matrix(FEATS))
    both.accumulate(Matrix(arrays["other"]))
    speaker = Cmvn(5)
    speaker.accumulate(Matrix(arrays["other"]))
    arrays["speaker stats"] = np.array(speaker.stats.numpy())
    cases = {
        "plain": {}, "vars": dict(normalize_variance=True), "none": dict(normalize_mean=False),
        "small": dict(cmn_window=20, speaker_frames=10, global_frames=5),
        "small vars": dict(cmn_window=20, speaker_frames=10, global_frames=5, normalize_variance=True),

        "small modulus": dict(cmn_window=20, speaker_frames=20, global_frames=20, modulus=3),
        "no global frames": dict(cmn_window=30, speaker_frames=0, global_frames=0),
        "large": dict(cmn_window=100, speaker_frames=100, global_frames=60, normalize_variance=True),

        "skip": dict(
            cmn_window=40, speaker_frames=30, global_frames=9, normalize_variance=True, skip_dims="0:3"
        ),
    }  # fmt: skip
    for name, values in cases.items():
        options = made(fo.OnlineCmvnOptions, **values)
        state = fo.OnlineCmvnState.from_stats(DoubleMatrix(both.stats))
        cmvn = fo.OnlineCmvn(options, state, source)
        keep(f"cmvn {name}", frames_of(cmvn, range(90)))
        after = cmvn.get_state(39)
        keep(f"cmvn {name} state", file_of(after))
        second = fo.OnlineCmvn(options, after, other)
        keep(f"cmvn {name} second", frames_of(second, range(40)))
        keep(f"cmvn {name} state 2", file_of(second.get_state(12)))
        second.freeze(20)
        keep(f"cmvn {name} frozen", frames_of(second, range(40)))
        keep(f"cmvn {name} state 3", file_of(second.get_state(25)))


def riff(
    rate=8000, channels=1, bits=16, code=1, name=b"RIFF", order="<", before=b"",
    between=b"", size=None, data_size=None,
    data=b"\1\0\2\0\3\0\4\0", format_size=16, extra=b"", byte_rate=None, align=None,
):  # fmt: skip
    align = channels * bits // 8 if align is None else align
    byte_rate = rate * channels * bits // 8 if byte_rate is None else byte_rate
    chunk = struct.pack(order + "IHHIIHH", format_size, code, channels, rate, byte_rate, align, bits) + extra
    data_size = len(data) if data_size is None else data_size
    body = b"WAVE" + before + b"fmt " + chunk + between + b"data" + struct.pack(order + "I", data_size) + data
    return name + struct.pack(order + "I", len(body) if size is None else size) + body


def waves():
    guid = struct.pack("<HHIIIII", 22, 16, 0, 1, 0x00100000, 0xAA000080, 0x719B3800)
    good_and_bad = {
        "plain": riff(), "stereo": riff(channels=2), "rifx": riff(name=b"RIFX", order=">"),
        "riff size 0": riff(size=0), "riff size ffffffff": riff(size=0xFFFFFFFF),
        "riff size 7ffff000": riff(size=0x7FFFF000),
        "data size 0": riff(data_size=0), "data size ffffffff": riff(data_size=0xFFFFFFFF),
        "data size 7ffff000": riff(data_size=0x7FFFF000), "both sizes 0": riff(size=0, data_size=0),
        "size 0 and more": riff(size=0) + b"LIST\4\0\0\0abcd", "data size odd": riff(data_size=7),
        "odd data": riff(data=b"\1\0\2"), "cut": riff()[:-3], "no data": riff(data=b""),
        "no data but size": riff(data=b"", data_size=4),
        "junk": riff(before=b"JUNK\4\0\0\0abcd"), "odd junk": riff(before=b"JUNK\3\0\0\0abc"),
        "list": riff(between=b"LIST\4\0\0\0abcd"), "fact": riff(between=b"fact\4\0\0\0abcd"),
        "extensible": riff(code=0xFFFE, format_size=40, extra=guid),
        "short extensible": riff(code=0xFFFE, format_size=18, extra=b"\0\0"),
        "other guid": riff(code=0xFFFE, format_size=40, extra=guid[:-4] + b"abcd"),
        "format 18": riff(format_size=18, extra=b"\0\0"), "format 14": riff(format_size=14),
        "float": riff(code=3),
        "8 bits": riff(bits=8), "no channels": riff(channels=0), "byte rate": riff(byte_rate=5),
        "align": riff(align=4),
        "more after": riff() + b"abcdef", "riff size wrong": riff(size=100), "no riff": b"RIFG" + riff()[4:],
        "no wave": b"RIFF\0\0\0\0WAVX", "nothing": b"",
    }  # fmt: skip
    for name, content in good_and_bad.items():
        TEMPORARY.write_bytes(content)
        wave, info = WaveData(), WaveInfo()
        try:
            with xopen(str(TEMPORARY), "rb") as ki:
                wave.read(ki.stream())
            keep(f"wave {name} data", wave.data())
            with xopen(str(TEMPORARY), "rb") as ki:
                info.read(ki.stream())
            fields = [
                info.samp_freq,
                info.num_channels,
                info.sample_count,
                info.is_streamed,
                info.reverse_bytes,
            ]
            keep(f"wave {name} info", np.array(fields, np.float64))
        except RuntimeError:
            pass
        keep(f"wave {name} bytes", np.frombuffer(content, np.uint8))
    samples = np.array([[1.5, -1.5, 40000, -40000, 32767.4, -32768.9, 2], [0, 1, 2, 3, 4, 5, -6]], np.float32)
    arrays["wave samples"] = samples
    with xopen(str(TEMPORARY), "wb", write_header=False) as ko:
        WaveData.from_data(22050, Matrix(samples)).write(ko.stream())
    keep("wave written", np.frombuffer(TEMPORARY.read_bytes(), np.uint8))


if __name__ == "__main__":
    functions()
    statistics()
    vad()
    online()
    waves()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(GOLDEN / "processing.npz", **arrays)
    TEMPORARY.unlink()
    print(len(arrays), (GOLDEN / "processing.npz").stat().st_size)
