"""sonant kaldi: Kaldi's executables by their own names, with their options, specifiers and exit status."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonant.cli import describe
from sonant.errors import SpecifierError
from sonant.kaldi import commands
from sonant.kaldi.util.pipes import reader_is_gone

# Kaldi's programs return -1 where they cannot go on.
FAILED = 255
# What a shell says of a program whose reader had enough.
READER_GONE = 141


def usage() -> str:
    width = max(map(len, commands.COMMANDS))
    groups = "\n".join(
        f"{heading}:\n" + "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in group.items())
        for heading, group in commands.GROUPS.items()
    )
    return (
        "usage: sonant kaldi COMMAND [options] ARGUMENT ...\n\n"
        f"{groups}\n\n"
        "  sonant kaldi COMMAND --help   what a command does, and its options\n"
        "  sonant kaldi --link DIR       make links in DIR by which the commands have Kaldi's names\n"
    )


def main(argv: Sequence[str]) -> int:
    """Runs a command and returns Kaldi's exit status: 0, 1 where nothing was done, 255 after an error."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 1
    if argv[0] == "--link":
        return link(Path(argv[1] if len(argv) > 1 else "."))
    _speak_as(argv[0])
    return commands.run(argv)


def failure(argv: Sequence[str], error: Exception) -> int:
    """Says why a command ended, and returns its exit status."""
    if reader_is_gone(error):
        return READER_GONE
    print(f"ERROR ({argv[0] if argv else 'sonant kaldi'}) {describe(error)}", file=sys.stderr)
    return FAILED


def link(folder: Path) -> int:
    """Makes links to `sonant` with the names of the commands, which then runs them, and prints what to do."""
    program = Path(sys.argv[0]).resolve()
    if program.name != "sonant":  # run as `python -m sonant`
        program = Path(sys.executable).with_name("sonant")
    if not program.is_file():
        raise SpecifierError(f"{program} is not there; expected the command that pip installs with sonant")
    folder.mkdir(parents=True, exist_ok=True)
    for name in commands.COMMANDS:
        place = folder / name
        if not place.is_symlink() and not place.exists():
            os.symlink(program, place)
    print(f"{len(commands.COMMANDS)} commands are in {folder}: export PATH={folder.resolve()}:$PATH")
    return 0


def _speak_as(name: str) -> None:
    """Warnings of every kind come out as a command's own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"%(levelname)s ({name}) %(message)s"))
    logging.getLogger("sonant").addHandler(handler)

    def show(message: Any, *_: Any, **__: Any) -> None:
        print(f"WARNING ({name}) {message}", file=sys.stderr)

    warnings.showwarning = show
