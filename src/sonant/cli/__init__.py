"""The `sonant` command: one file per command, imported only when that command is given.

Exit status: 0 all went well; 1 an error, or a recording that could not be used; 2 a command line that makes
no sense, or an extra that is not installed; 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from sonant import __version__
from sonant.errors import MissingExtraError, SonantError

COMMANDS = {
    "transcribe": "write what is said in recordings: txt, json, srt, vtt, tsv, ctm, TextGrid",
    "align": "when each word of a given text is said in a recording: ctm, TextGrid, json, srt",
    "evaluate": "word and character error rates of a model on a manifest",
    "prepare": "manifests, tokens, statistics and a recipe from a corpus or a folder of recordings",
    "train": "train a model from a recipe (needs the extra `train`)",
    "export": "write the bundle of a training checkpoint (needs the extra `train`)",
    "kaldi": "Kaldi's executables by their own names: sonant kaldi compute-mfcc-feats ...",
    "lattice": "lattices in archives: best, nbest, prune, determinize, rescore, mbr, draw, ...",
    "lm": "n-gram language models: train, prune, ppl, mix, convert",
    "graph": "graphs for recognition (HCLG, TLG, LG) from a lexicon and a grammar",
    "info": "versions, what is active and what is missing",
}


def usage() -> str:
    commands = "\n".join(f"  {name:<12}{summary}" for name, summary in COMMANDS.items())
    return (
        f"usage: sonant COMMAND ...\n\n{commands}\n\n"
        "  sonant COMMAND --help   the options of a command\n"
        "  sonant --version        the version\n"
        "  --traceback             with any command: show where an error came from\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. `argv` is without the program's name."""
    arguments = list(argv if argv is not None else sys.argv[1:])
    if argv is None and (name := os.path.basename(sys.argv[0])) not in ("sonant", "__main__.py"):
        from sonant.kaldi.commands import COMMANDS as kaldi_commands

        if name in kaldi_commands:  # a link that `sonant kaldi --link` has made
            arguments = ["kaldi", name, *arguments]
    try:
        return _run(arguments)
    except BrokenPipeError:
        # `sonant ... | head`: the reader has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    traceback = "--traceback" in arguments
    if traceback:
        arguments.remove("--traceback")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"sonant {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"error: there is no command '{name}'; the commands are {known}", file=sys.stderr)
        return 2

    command = importlib.import_module(f"sonant.cli.{name}")
    try:
        status = command.main(arguments[1:])
        sys.stdout.flush()
        return status
    except (SonantError, OSError) as error:
        if traceback or isinstance(error, BrokenPipeError):
            raise
        if name == "kaldi":
            return command.failure(arguments[1:], error)
        print(f"error: {describe(error)}", file=sys.stderr)
        return 2 if isinstance(error, MissingExtraError) else 1


def describe(error: BaseException) -> str:
    """The message of an error, for a person: `file: reason` for those of the operating system."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
