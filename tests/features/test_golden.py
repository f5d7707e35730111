"""Kaldi's numbers, made by Kaldi itself (tests/oracle/make_features_golden.py), over every option."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sonant.features import (
    Fbank,
    FbankConfig,
    Mfcc,
    MfccConfig,
    Plp,
    PlpConfig,
    Spectrogram,
    SpectrogramConfig,
)

GOLDEN = Path(__file__).with_name("golden")
FEATURES = {
    "fbank": (Fbank, FbankConfig),
    "mfcc": (Mfcc, MfccConfig),
    "plp": (Plp, PlpConfig),
    "spectrogram": (Spectrogram, SpectrogramConfig),
}
CASES = []
for feature in FEATURES:
    with np.load(GOLDEN / f"{feature}.npz") as archive:
        described = json.loads(str(archive["cases"]))
        CASES += [
            pytest.param(feature, case, archive[str(i)], id=f"{feature} {name}")
            for i, (name, case) in enumerate(described.items())
        ]


@pytest.fixture(scope="module")
def waves() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "waves.npz") as archive:
        return {name: archive[name].astype(np.float32) for name in archive}


def config_of(feature: str, options: dict):
    kind = FEATURES[feature][1]
    default = kind()
    given = {name.replace("-", "_"): value for name, value in options.items()}
    # "--cepstral-lifter=0" is a float
    given = {name: type(getattr(default, name))(value) for name, value in given.items()}
    return kind(dither=0.0, sample_scale=1.0, **given)


@pytest.mark.parametrize(("feature", "case", "expected"), CASES)
def test_kaldi_itself(paper, waves, feature, case, expected):
    config = config_of(feature, case["options"])
    recording, first, end = case["wave"]
    samples = waves[recording][first:end]
    warp = {} if feature == "spectrogram" else {"vtln_warp": case["warp"]}
    found = FEATURES[feature][0](config).compute(samples, **warp)
    if not expected.size:  # Kaldi's empty matrix has no columns
        assert len(found) == 0
        return
    assert found.shape == expected.shape
    config = dataclasses.replace(config, **warp)
    definition = getattr(paper, feature)(samples, config)
    assert np.all(np.abs(found - definition) <= paper.tolerance(feature, samples, config))
    # Both round; and where a length has a large prime factor, 31 here, Kaldi's transform rounds far more.
    times = 2 if config.round_to_power_of_two else 20
    assert np.all(np.abs(found - expected) <= paper.tolerance(feature, samples, config, times))


@pytest.mark.parametrize("feature", ["fbank", "mfcc", "plp"])
def test_speech_without_an_empty_band_differs_by_less_than_the_tolerance_everywhere(waves, feature):
    differences = [
        np.abs(
            FEATURES[feature][0](config_of(feature, case["options"])).compute(
                waves[case["wave"][0]][slice(*case["wave"][1:])], vtln_warp=case["warp"]
            )
            - expected
        ).max()
        for name, case, expected in (param.values for param in CASES)
        if name == feature
        and expected.size
        and case["wave"][0] != "jfk16k"  # begins with silence, and was an MP3
        and "use-log-fbank" not in case["options"]
        and case["options"].get("round-to-power-of-two", True)
    ]
    assert len(differences) > 40
    assert max(differences) < 1e-3
