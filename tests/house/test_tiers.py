"""The two tiers and their rooms: the import contract, and what it cannot say."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "sonant"
# The rooms of the runtime tier that may reach the training tier, lazily (DESIGN: two tiers).
MAY_REACH = {"cli", "server", "model"}


def contract_layers() -> list[list[str]]:
    """The layers of the import contract, highest first, without the parentheses of optional rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return [re.findall(r"\w+", layer) for layer in contracts[0]["layers"]]


def tiers() -> tuple[list[list[str]], list[list[str]]]:
    """The layers of the runtime tier and of the training tier."""
    layers = contract_layers()
    first, last = layers.index(["stream"]) + 1, layers.index(["model"])
    return layers[:first] + layers[last:], layers[first:last]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether at its top level (type-checking blocks do not count)."""

    def visit(node: ast.AST, top: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((name.name, top) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = ["sonant", *path.relative_to(SOURCE).parts[:-1]]
            start = folder[: len(folder) + 1 - node.level] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            yield from ((f"{module}.{name.name}", top) for name in node.names)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, top and not inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the package `sonant` in `folder` with the repository's own contract."""
    code = (
        "import sys; from importlinter.cli import lint_imports_command\n"
        # An editable installation finds its own `sonant` before the path is looked at.
        "sys.meta_path = [finder for finder in sys.meta_path if 'Redirect' not in type(finder).__name__]\n"
        "lint_imports_command(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package whose imports a test may spoil."""
    shutil.copytree(
        SOURCE, tmp_path / "sonant", ignore=shutil.ignore_patterns("__pycache__", "*.so", "bundles")
    )
    return tmp_path


def test_the_contract_holds(copied: Path):
    result = lint(copied)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_room_that_is_not_placed_fails(copied: Path):
    (copied / "sonant" / "attic.py").write_text("")
    result = lint(copied)
    assert result.returncode == 1
    assert "attic" in result.stdout


def test_an_import_from_a_higher_room_fails(copied: Path):
    (copied / "sonant" / "errors.py").write_text("def late():\n    import sonant.cli\n")
    result = lint(copied)
    assert result.returncode == 1
    assert "sonant.errors is not allowed to import sonant.cli" in result.stdout


def test_the_readme_draws_the_contract():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, layers in zip(("runtime tier", "training tier"), tiers(), strict=True):
        drawn = re.search(rf"^{name}\s+(.+?)\s*$", readme, re.MULTILINE)
        assert drawn, f"README.md has no line '{name}   room > room ...'"
        diagram = re.sub(r"\s*\(.*\)$", "", drawn[1])
        found = [[room.strip() for room in layer.split("|")] for layer in diagram.split(">")]
        assert found == layers, f"README.md draws the {name} as {found}, pyproject.toml has {layers}"


def test_the_runtime_tier_reaches_the_training_tier_only_lazily():
    runtime, training = ({room for layer in tier for room in layer} for tier in tiers())
    for path in sorted(SOURCE.rglob("*.py")):
        room = room_of(path)
        if room in training:
            continue
        for module, at_top in imports(path):
            parts = module.split(".")
            foreign = parts[0] == "torch" or (
                parts[0] == "sonant" and len(parts) > 1 and parts[1] in training
            )
            where = f"{path.relative_to(ROOT)} imports {module}"
            assert not (foreign and at_top), (
                f"{where} at its top level; the runtime tier does so in a function"
            )
            assert not foreign or room in MAY_REACH, f"{where}; only {sorted(MAY_REACH)} may"
    assert runtime >= MAY_REACH


def test_import_sonant_is_light():
    """Nothing that is slow to import comes with `import sonant`; .ci/runtime_tier.py measures the time."""
    heavy = {
        "torch",
        "onnxruntime",
        "soundfile",
        "soxr",
        "sentencepiece",
        "whisper_normalizer",
        "tqdm",
        "tyro",
        "av",
    }
    code = "import sys, sonant; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(result.stdout.split())
