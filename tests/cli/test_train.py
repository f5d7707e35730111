import subprocess
import sys
from pathlib import Path

import pytest

from sonant.cli import main
from sonant.cli.train import parse_overrides
from sonant.errors import ConfigError

# Python as it is where torch is not installed.
WITHOUT_TORCH = """
import importlib.abc, sys
class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
from sonant.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_overrides_are_literals_where_they_read_as_one():
    arguments = (
        "--epochs 40 --optimizer.lr 7e-4 --name=mini --amp --no-tensorboard --warm-up None --corpus /data/a"
    )
    assert parse_overrides(arguments.split()) == {
        "epochs": 40,
        "optimizer.lr": 7e-4,
        "name": "mini",
        "amp": True,
        "tensorboard": False,
        "warm_up": None,
        "corpus": "/data/a",
    }


def test_a_negative_number_is_a_value():
    assert parse_overrides(["--gain", "-3"]) == {"gain": -3}


@pytest.mark.parametrize(("arguments", "message"), [
    (["epochs", "4"], "'epochs': expected an option"),
    (["--epochs", "4", "5"], "'5': expected an option"),
    (["--epochs", "4", "--epochs", "5"], "--epochs is given twice: 4 and 5"),
    (["--"], "'--': expected an option"),
])  # fmt: skip
def test_what_is_no_override_is_named(arguments: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        parse_overrides(arguments)


def test_no_recipe_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    assert main(["train"]) == 2
    assert "usage: sonant train RECIPE" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["train", "mini_librispeech"], ["export", "a.pt", "model"]])
def test_without_torch_the_extra_is_named(arguments: list[str], tmp_path: Path):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 2
    assert "pip install 'sonant[train]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_recipe_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["train", str(tmp_path / "none.py")]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert "none.py" in printed


def test_a_checkpoint_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["export", str(tmp_path / "none.pt"), str(tmp_path / "model")]) == 1
    assert "none.pt" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
