import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sonant.cli import main
from sonant.cli.train import configure, recipe
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


TOY = """
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Optimizer:
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)

@dataclass(frozen=True)
class Config:
    data: tuple[Path, ...]
    optimizer: Optimizer = Optimizer()
    epochs: int = 30
    precise: bool = True

def config(data: tuple[Path, ...], epochs: int = 40) -> Config:
    return Config(data, epochs=epochs)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    return path


def configured(path: Path, *arguments: str) -> dict[str, Any]:
    return asdict(configure(recipe(str(path)), arguments, prog="sonant train"))


def test_the_parameters_of_the_recipe_are_options(toy: Path):
    found = configured(toy, "--data", "a", "b", "--epochs", "3")
    assert found["data"] == (Path("a"), Path("b"))
    assert found["epochs"] == 3
    assert found["optimizer"]["learning_rate"] == 1e-3


def test_every_field_of_the_configuration_is_an_option(toy: Path):
    found = configured(
        toy,
        "--data",
        "a",
        "--optimizer.learning-rate",
        "7e-4",
        "--optimizer.betas",
        "0.8",
        "0.9",
        "--no-precise",
    )
    assert found == {
        "data": (Path("a"),),
        "optimizer": {"learning_rate": 7e-4, "betas": (0.8, 0.9)},
        "epochs": 40,  # the recipe's, not the configuration's
        "precise": False,
    }


@pytest.mark.parametrize(
    "arguments", [["--data", "a", "--epoch", "4"], ["--data", "a", "--epochs", "many"], ["--epochs", "3"]]
)
def test_an_option_that_makes_no_sense_is_a_usage_error(toy: Path, arguments: list[str]):
    with pytest.raises(SystemExit) as caught:
        configured(toy, *arguments)
    assert caught.value.code == 2


def test_a_name_is_looked_up_in_recipes(toy: Path, monkeypatch: pytest.MonkeyPatch):
    (toy.parent / "recipes").mkdir()
    toy.rename(toy.parent / "recipes" / "toy.py")
    monkeypatch.chdir(toy.parent)
    assert recipe("toy").__name__ == "config"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config = 3", "the recipe has no function 'config'"),
        ("def config(:", "the recipe cannot be imported: SyntaxError"),
        (
            "import nothing_of_this_name",
            "cannot be imported: ModuleNotFoundError: No module named 'nothing_of",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        recipe(str(tmp_path / "bad.py"))
    assert str(caught.value).startswith(str(tmp_path / "bad.py"))


def test_a_recipe_that_is_nowhere_is_named():
    with pytest.raises(
        ConfigError, match="nowhere: no such recipe; expected a Python file, or the name of one"
    ):
        recipe("nowhere")


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
