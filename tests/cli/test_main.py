"""The command as a whole: help, exit statuses, errors without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sonant
from sonant.cli import COMMANDS, describe, main
from sonant.errors import ConfigError


def command(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sonant", *arguments], capture_output=True, text=True, **options
    )


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "usage: sonant COMMAND" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sonant {sonant.__version__}\n"


def test_an_unknown_command_names_the_known_ones(capsys: pytest.CaptureFixture[str]):
    assert main(["transcripe"]) == 2
    printed = capsys.readouterr().err
    assert "'transcripe'" in printed
    assert all(name in printed for name in COMMANDS)


def test_every_command_has_a_file_and_help():
    folder = Path(sonant.__file__).parent / "cli"
    for name in COMMANDS:
        assert (folder / f"{name}.py").is_file()
        result = command(name, "--help")
        assert result.returncode == 0, result.stderr
        assert f"sonant {name}" in result.stdout


def test_help_imports_no_command():
    code = "import sys; from sonant.cli import main; main(['--help']); sys.exit('tyro' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_bad_option_is_a_usage_error():
    assert command("evaluate", "dev.jsonl", "--normalizer", "loud").returncode == 2


def test_an_error_is_one_line_and_status_1(tmp_path: Path):
    result = command("evaluate", str(tmp_path / "none.jsonl"))
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path / 'none.jsonl'}: no such manifest or folder\n"


def test_traceback_on_demand(tmp_path: Path):
    for arguments in (("--traceback", "evaluate"), ("evaluate", "--traceback")):
        result = command(*arguments, str(tmp_path / "none.jsonl"))
        assert result.returncode == 1
        assert "Traceback" in result.stderr


def test_an_error_of_the_system_names_the_file(tmp_path: Path):
    with pytest.raises(OSError, match="none") as caught:
        (tmp_path / "none").read_text()
    assert describe(caught.value) == f"{tmp_path / 'none'}: No such file or directory"
    assert describe(ConfigError("beam is 0")) == "beam is 0"


def test_an_interrupt_is_130():
    code = (
        "import sys, sonant.cli.info as info, sonant.cli as cli\n"
        "def facts():\n    yield 'first', '1'\n    raise KeyboardInterrupt\n"
        "info.facts = facts\n"
        "sys.exit(cli.main(['info']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 130
    assert result.stderr == "interrupted\n"


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "sonant", "info"], stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    assert result.returncode == 1
    assert result.stderr == ""


def test_the_installed_program_is_the_same():
    program = Path(sys.executable).with_name("sonant")
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"sonant {sonant.__version__}\n"
