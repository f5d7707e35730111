"""MFCC from a wave against those that a real run of Kaldi archived (tests/data/kaldi-yesno)."""

from pathlib import Path

import numpy as np
import soundfile

from sonant import _native, features
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.util.options import ParseOptions
from sonant.kaldi.util.table import SequentialMatrixReader

DATA = Path(__file__).parents[2] / "data"
ARCHIVE = DATA / "kaldi-yesno" / "raw_mfcc_train_yesno.1.ark"
CONFIG = "--use-energy=false   # only non-default option.\n--sample-frequency=8000\n"


def steps(shape: tuple[int, int]) -> np.ndarray:
    """(frames, ceps): how far apart the values are that the compressed archive could hold at each place."""
    stream = _native.Input.from_bytes(ARCHIVE.read_bytes())
    assert stream.token(True) == "0_0_0_0_1_1_1_1"
    assert stream.header()
    kind, _, extent, rows, columns, data = stream.compressed(True)
    assert (kind, rows, columns) == (1, *shape)
    # Kaldi's format 1: of each column four quantiles in 16 bits, then a byte for each value; bytes to 64 lie
    # between the first two quantiles, to 192 between the next two.
    raw = bytes(data)
    quantiles = np.frombuffer(raw[: 8 * columns], np.uint16).reshape(columns, 4) * (extent / 65535)
    found = np.frombuffer(raw[8 * columns :], np.uint8).reshape(columns, rows).T
    low, middle, high = (np.diff(quantiles) / [64, 128, 63]).T
    return np.where(found <= 64, low, np.where(found <= 192, middle, high))


def test_the_archive_of_a_real_run(tmp_path):
    (tmp_path / "mfcc.conf").write_text(CONFIG)
    opts, parser = MfccOptions(), ParseOptions("")
    opts.register(parser)
    parser.read_config_file(str(tmp_path / "mfcc.conf"))
    samples, rate = soundfile.read(DATA / "speech" / "0_0_0_0_1_1_1_1.flac", dtype="float32")
    with SequentialMatrixReader(f"ark:{ARCHIVE}") as reader:
        key, archived = reader.key(), reader.value()
    assert key == "0_0_0_0_1_1_1_1"

    # The run had dither, whose noise nobody knows any more: its deviation is measured with noise of our own.
    noisy = [
        features.Mfcc(features.MfccConfig(use_energy=False, sample_frequency=8000.0, seed=seed)).compute(
            samples
        )
        for seed in range(30)
    ]
    opts.frame_opts.dither = 0.0
    clean = Mfcc(opts).compute_features(samples * 32768, rate, 1.0).numpy()
    assert clean.shape == archived.shape
    step, noise = steps(clean.shape), np.std(noisy, axis=0, ddof=1)
    # Half a step, what the quantiles' own 16 bits leave out, and five deviations of the noise.
    error = np.abs(np.mean(noisy, axis=0) - archived.numpy())
    assert np.all(error <= step / 2 + 0.02 + 5 * noise)
    # Where noise is small beside a step, only rounding to steps is left: a quarter of a step in the median.
    quiet = noise < step / 10
    assert quiet.sum() > 500
    assert 0.2 < np.median((np.abs(clean - archived.numpy()) / step)[quiet]) < 0.3
