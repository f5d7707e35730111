import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import sonant
from sonant.cli import main
from sonant.cli.info import facts


def test_facts_are_those_of_this_environment():
    found = dict(facts())
    assert found["sonant"].startswith(sonant.__version__)
    threads = re.match(r"active, (\d+) threads", found["native core"])
    assert threads
    assert 1 <= int(threads[1]) <= (os.cpu_count() or 1)
    assert metadata.version("onnxruntime") in found["ONNX Runtime"]
    assert "CPUExecutionProvider" in found["ONNX Runtime"]
    assert metadata.version("torch") in found["torch"]
    assert re.search("active|idle|missing", found["triton"])
    assert found["[train]"] == found["[serve]"] == found["[media]"] == "installed"


def test_an_extra_that_is_missing_is_named_with_its_command(tmp_path: Path):
    """Where only the distribution `sonant` is visible, everything else is missing, and said to be."""
    distribution = metadata.distribution("sonant")
    metadata_text = distribution.read_text("METADATA")
    assert metadata_text
    (tmp_path / "sonant-0.dist-info").mkdir()
    (tmp_path / "sonant-0.dist-info" / "METADATA").write_text(metadata_text)
    code = (
        "import sys, email, importlib.metadata, sonant.cli.extras as extras\n"
        f"sys.path[:] = [{str(tmp_path)!r}]\n"
        "for extra in extras.extras(): print(extra.name, *extra.missing)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    missing = {name: rest for name, *rest in (line.split() for line in result.stdout.splitlines())}
    assert set(missing) == {"media", "serve", "listen", "train"}
    assert missing["media"] == ["av"]
    assert missing["train"][0] == "torch"


def test_a_model_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["info", str(tmp_path / "none")]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert str(tmp_path / "none") in printed
