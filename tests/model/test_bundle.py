import json
import shutil
from pathlib import Path

import pytest

import sonant
from sonant.errors import ConfigError, ModelError, SonantError
from sonant.model import Model
from sonant.model.bundle import BUNDLED


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the bundled model, to be spoiled."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "bundle"))


def test_the_bundled_model_fits_its_box():
    size = sum(path.stat().st_size for path in BUNDLED.rglob("*"))
    assert size < 25e6
    card = (BUNDLED / "README.md").read_text(encoding="utf-8")
    for needed in ("CC BY 4.0", "librispeech-dev-clean-a", "sonant evaluate", "WER"):
        assert needed in card, f"the model card says nothing of {needed}"


def test_a_copy_is_as_good(bundle: Path, model: Model):
    assert sonant.load(bundle).config == model.config


def test_an_unknown_path(tmp_path: Path):
    with pytest.raises(ModelError, match="no such model"):
        sonant.load(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"config\.json"):
        sonant.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="not a model"):
        sonant.load(tmp_path / "file")


@pytest.mark.parametrize(
    "name", ["tokens.model", "encoder.int8.onnx", "predictor.int8.onnx", "joiner.int8.onnx"]
)
def test_a_missing_file_and_a_corrupt_one(bundle: Path, name: str):
    path = bundle / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=rf"{name}: corrupt"):
        sonant.load(bundle)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=rf"{name}: corrupt"):
        sonant.load(bundle)
    path.unlink()
    with pytest.raises(ModelError, match=rf"{name}: missing"):
        sonant.load(bundle)


def test_float_weights_are_checked_too(bundle: Path):
    (bundle / "weights.safetensors").write_bytes(b"\0" * 100)
    sonant.load(bundle)
    with pytest.raises(ModelError, match=r"weights\.safetensors: corrupt"):
        sonant.load(bundle, precision="float")


def test_precision_is_one_of_two(bundle: Path):
    with pytest.raises(ConfigError, match="precision='int4'"):
        sonant.load(bundle, precision="int4")


def test_a_file_that_is_listed_but_no_network(bundle: Path):
    from sonant.model.bundle import checksum

    (bundle / "joiner.int8.onnx").write_bytes(b"no network")
    config = json.loads((bundle / "config.json").read_text())
    config["sha256"]["joiner.int8.onnx"] = checksum(bundle / "joiner.int8.onnx")
    (bundle / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"joiner\.int8\.onnx: ONNX Runtime cannot load it"):
        sonant.load(bundle)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:200],
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace('"tokens": ', '"tokens": "many", "x": '),
        lambda text: text.replace('"head": "', '"head": "m'),
        lambda text: text.replace('"subsampling"', '"supersampling"'),
    ],
)
def test_a_configuration_that_is_none(bundle: Path, spoil):
    path = bundle / "config.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ModelError, match=r"config\.json"):
        sonant.load(bundle)


def test_every_random_byte_is_noticed(bundle: Path):
    """Whatever byte of the configuration is changed, a model comes out or a SonantError."""
    import random

    random.seed(0)
    path = bundle / "config.json"
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        data[random.randrange(len(data))] = random.randrange(256)
        path.write_bytes(data)
        try:
            sonant.load(bundle)
        except SonantError as error:
            assert str(bundle) in str(error) or "=" in str(error)
