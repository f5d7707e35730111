"""The rules of the house that a machine can check (DESIGN and CONTRIBUTING say why)."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sonant

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", ".venv-runtime", "build", "dist", "exp", "shared", "__pycache__", "node_modules"}
TEXT = {
    ".py",
    ".pyi",
    ".h",
    ".cpp",
    ".cu",
    ".txt",
    ".toml",
    ".md",
    ".yml",
    ".yaml",
    ".sh",
    ".cmake",
    ".jsonl",
    ".html",
}
CODE = {".py", ".h", ".cpp", ".cu", ".sh"}
NO_ROOM = {"utils", "util", "helpers", "base", "common", "misc"}


def files(*suffixes: str) -> Iterator[Path]:
    """The repository's own files with these suffixes; what is built, installed or cached is left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [n for n in folders if n not in NOT_OURS and not n.endswith(("_cache", ".egg-info"))]
        for name in names:
            path = Path(folder, name)
            if path.suffix in suffixes and name != "_native.pyi":
                yield path


def test_no_file_is_over_600_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(*CODE)}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 600} == {}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_no_machine_path_occurs():
    homes = "|".join(("work", "root", "opt/wheels", "opt/pypi", "tmp/wt", "tmp/build", r"home/(?!user\b)\w+"))
    path_of_a_machine = re.compile(rf"(?<![\w.}}>-])/(?:{homes})(?:/|\b)")
    named = [*files(*TEXT), ROOT / "Makefile", ROOT / ".ci" / "run"]
    found = []
    for path in named:
        if path != Path(__file__).resolve():
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in path_of_a_machine.finditer(text)]
    assert found == []


def test_the_native_core_knows_no_python():
    include = re.compile(
        r"#\s*include\s*([<\"](nanobind|pybind11|Python\.h|torch|ATen|c10)|<fst/)", re.MULTILINE
    )
    core = [path for path in files(".h", ".cpp", ".cu") if path.is_relative_to(ROOT / "csrc")]
    assert core
    for path in core:
        if "bind" not in path.relative_to(ROOT / "csrc").parts:
            assert not include.search(path.read_text(encoding="utf-8")), (
                f"{path.name} includes more than the core may"
            )


def test_rooms_of_the_native_core_stand_on_each_other():
    below = {
        "files": set(),
        "gmm": set(),
        "features": {"files"},
        "fst": {"files"},
        "lm": {"files", "fst"},
        "graphs": {"fst"},
        "fsa": {"files", "fst"},
        "lattice": {"fst", "lm"},
        "search": {"fst", "lm"},
        "transducer": set(),
    }
    core = ROOT / "csrc"
    assert {path.name for path in core.iterdir() if path.is_dir()} == {*below, "bind"}
    for path in core.rglob("*.*"):
        room = path.parent.name
        if room == "bind" or not path.is_file():
            continue
        taken = set(re.findall(r'#include "(\w+)/', path.read_text(encoding="utf-8")))
        assert taken <= below.get(room, set()) | ({room} if room in below else set()), path


def test_every_room_has_its_tests():
    rooms = {
        path.stem for path in (ROOT / "src" / "sonant").iterdir() if path.is_dir() or path.suffix == ".py"
    }
    rooms -= {"__init__", "__main__", "__pycache__", "errors"}
    rooms = {room for room in rooms if any((ROOT / "src" / "sonant" / room).glob("*.py"))}
    tests = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert rooms - tests == set(), "tests/<room>/test_*.py is missing"


def test_no_room_is_a_drawer():
    for path in files(".py", ".h", ".cpp"):
        if "kaldi" in path.parent.parts:
            continue  # PyKaldi's module names, which its users' imports name
        assert not NO_ROOM & {part.removesuffix(path.suffix) for part in path.relative_to(ROOT).parts}, path


def test_no_test_is_left_out():
    left_out = re.compile(r"@pytest\.mark\.(skip|skipif|xfail)|pytest\.(skip|xfail|importorskip)\(")
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__).resolve():
            assert not left_out.search(path.read_text(encoding="utf-8")), path


def test_the_version_is_in_one_piece():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sonant.__version__
    assert f"## [{sonant.__version__}]" in (ROOT / "CHANGELOG.md").read_text() or (
        "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    )


def test_dev_brings_every_tier():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["dev"][0] == "sonant[train,serve,media]"


@pytest.mark.parametrize("script", [".ci/run", "requirements/system.sh"])
def test_scripts_are_whole_and_may_be_run(script: str):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


def test_system_check_names_the_debian_package(tmp_path: Path):
    """Where no compiler is found and nothing may be installed, the message says what to install."""
    for tool in ("bash", "id", "tr"):
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    result = subprocess.run(
        [tmp_path / "bash", str(ROOT / "requirements" / "system.sh"), "python3"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "sudo apt-get install" in result.stderr
    assert "g++" in result.stderr


def test_make_help_lists_the_commands():
    result = subprocess.run(
        ["make", "-C", str(ROOT), "-s", "help"], capture_output=True, text=True, check=True
    )
    for target in ("demo", "test", "lint", "bench", "clean"):
        assert re.search(rf"^{target} ", result.stdout, re.MULTILINE), result.stdout
