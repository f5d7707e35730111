"""`sonant kaldi`: usage, exit status, what is said, and what it takes to start."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sonant.kaldi.commands import COMMANDS
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util import table

SONANT = Path(sys.executable).parent / "sonant"


def sonant(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [SONANT, "kaldi", *map(str, arguments)], capture_output=True, timeout=60, check=False, **options
    )


@pytest.fixture
def ark(tmp_path: Path) -> Path:
    with table.MatrixWriter(f"ark:{tmp_path}/feats.ark") as writer:
        for i in range(50):
            writer[f"utt{i:02}"] = Matrix(np.full((100, 20), i))
    return tmp_path / "feats.ark"


def test_usage():
    listed = sonant("--help")
    assert listed.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} ".encode() in listed.stdout
    nothing = sonant()
    assert nothing.returncode == 1
    assert nothing.stderr == listed.stdout
    of_one = sonant("add-deltas", "--help")
    assert of_one.returncode == 0
    assert b"Usage: add-deltas [options] <feats-rspecifier> <feats-wspecifier>" in of_one.stdout
    assert b"--delta-order" in of_one.stdout and b"--config" in of_one.stdout


def test_the_page_of_commands_lists_them_all():
    page = (Path(__file__).parents[2] / "docs" / "kaldi_commands.md").read_text(encoding="utf-8")
    rows = [line for line in page.split("## Commands")[1].splitlines() if line.startswith("| ")]
    listed = re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+|\bfst[a-z]+|arpa2fst", "".join(rows))
    assert set(listed) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_usage_and_refuses_what_it_has_not(name, capsys):
    from sonant.errors import OptionError
    from sonant.kaldi import commands

    with pytest.raises(SystemExit) as ended:
        commands.run([name, "--help"])
    assert ended.value.code == 0
    usage = capsys.readouterr().out
    assert f"Usage: {name} [options] " in usage
    with pytest.raises(OptionError, match="there is no option --no-such-option"):
        commands.run([name, "--no-such-option=1"])
    reads_standard_input = f"Usage: {name} [options] [" in usage
    assert commands.run([name, *"abcd"] if reads_standard_input else [name]) == 1


def test_exit_status_and_what_is_said(ark: Path, tmp_path: Path):
    done = sonant("copy-feats", f"ark:{ark}", f"ark:{tmp_path}/out.ark")
    assert done.returncode == 0 and done.stdout == b""
    assert done.stderr.decode() == (
        f"copy-feats ark:{ark} ark:{tmp_path}/out.ark\nLOG (copy-feats) Copied 50 feature matrices.\n"
    )
    assert (tmp_path / "out.ark").read_bytes() == ark.read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    done = sonant("copy-feats", "--print-args=false", f"ark:{tmp_path}/empty", "ark:-")
    assert (done.returncode, done.stderr) == (1, b"LOG (copy-feats) Copied 0 feature matrices.\n")
    (tmp_path / "cut").write_bytes(ark.read_bytes()[:-100])
    for arguments, status, message in [
        (["copy-feats", "ark:none", "ark:-"], 255, "none: cannot be opened for reading: No such file"),
        (["copy-feats", "--compress=maybe", "ark:a", "ark:b"], 255, "'maybe' is no value for --compress"),
        (["copy-feats", f"ark:{tmp_path}/cut", "ark:/dev/null"], 255, "cut:"),
        (["copy-feats", "ark:exit 3 |", "ark:-"], 255, "the command 'exit 3' ended with exit status 3"),
        (["copy-feats", f"ark:{ark}", "ark:| exit 3"], 255, "the command 'exit 3' ended with exit status 3"),
        (["copy-feats", "--config=none", f"ark:{ark}", "ark:-"], 255, "none: cannot be opened"),
        (["copy-feats", f"ark:{ark}", "ark:/dev/full"], 255, "No space left on device"),
        (["copy-feets", "ark:a", "ark:b"], 255, "there is no command 'copy-feets'; expected copy-feats"),
    ]:
        done = sonant(*arguments, cwd=tmp_path)
        said = done.stderr.decode()
        assert done.returncode == status
        assert f"ERROR ({arguments[0]}) " in said
        assert message in said
        assert "Traceback" not in said
    shown = subprocess.run(
        [SONANT, "kaldi", "--traceback", "copy-feats", "ark:none", "ark:-"], capture_output=True, check=False
    )
    assert b"Traceback" in shown.stderr and b"SpecifierError: none: cannot be opened" in shown.stderr


def test_warnings_are_the_commands_own(ark: Path, tmp_path: Path):
    (tmp_path / "cut").write_bytes(ark.read_bytes()[:-100])
    done = sonant("copy-feats", f"ark,p:{tmp_path}/cut", f"ark:{tmp_path}/out.ark")
    assert done.returncode == 0
    assert f"WARNING (copy-feats) {tmp_path}/cut:" in done.stderr.decode()
    assert "LOG (copy-feats) Copied 49 feature matrices." in done.stderr.decode()


def test_a_reader_that_has_had_enough(ark: Path):
    """The command ends as one that SIGPIPE has ended: neither it nor its reader calls that a failure."""
    script = f"{SONANT} kaldi copy-feats ark:{ark} ark:- | head -c 100 | wc -c; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["100", "141"]
    assert "ERROR" not in done.stderr and "Traceback" not in done.stderr
    # `; true` needs a shell, and with it a process.
    with table.SequentialMatrixReader(f"ark:exec {SONANT} kaldi copy-feats ark:{ark} ark:- |") as reader:
        assert reader.key() == "utt00"


def test_links_of_kaldis_names(ark: Path, tmp_path: Path):
    made = sonant("--link", tmp_path / "bin")
    assert made.returncode == 0
    assert sorted(os.listdir(tmp_path / "bin")) == sorted(COMMANDS)
    assert f"export PATH={tmp_path / 'bin'}:$PATH" in made.stdout.decode()
    assert sonant("--link", tmp_path / "bin").returncode == 0  # once more changes nothing
    program = tmp_path / "bin" / "feat-to-dim"
    done = subprocess.run([program, f"ark:{ark}", "-"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"20\n")


def test_it_starts_with_little():
    """Recipes start thousands of these: what a command does not need is not imported."""
    script = (
        "import json, sys\nfrom sonant.cli import main\n"
        "status = main(['kaldi', 'feat-to-dim', 'ark:-', '-'])\n"
        "print(json.dumps([status, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=b"", capture_output=True, text=False, check=False
    )
    status, modules = json.loads(done.stdout)
    assert status == 255  # there are no features
    heavy = {
        "asyncio", "email", "http", "importlib.metadata", "numpy.random", "onnxruntime", "rapidfuzz",
        "scipy", "sonant.features", "sonant.kaldi.feat", "sonant.kaldi.gmm", "sonant.model", "soundfile",
        "torch", "tyro",
    }  # fmt: skip
    assert heavy & set(modules) == set()
