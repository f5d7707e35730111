"""The commands behind extended filenames: `command |` to read what one writes, `| command` to write to one.

Commands run in a shell. Those of sonant itself (`sonant kaldi copy-feats ark:- ark:- |`, and pipelines of
such) run in threads of this process where no shell is needed to understand them: a process of their own would
take longer to start than most of them to work. Kaldi's own names (`copy-feats ark:- ark:- |`) mean the same
where Kaldi is not installed, in a shell too.
"""

import atexit
import contextvars
import errno
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib
from typing import Any, Protocol

from sonant.errors import SonantError, SpecifierError
from sonant.kaldi.base import io as base_io

# Words that every shell takes as they are, and quotes with nothing in them that it would replace.
_WORD = r"""(?:'[^']*'|"[^"$`\\]*"|[\w@%+=:,./-])+"""
_STAGE = rf"[ \t\n]*{_WORD}(?:[ \t]+{_WORD})*[ \t\n]*"
_PIPELINE = re.compile(rf"{_STAGE}(?:\|{_STAGE})*")
_STAGES = re.compile(_STAGE)


class Pipe(Protocol):
    """What stands behind a stream to or from commands."""

    descriptor: int
    """The end of the pipe that is ours: the caller owns it."""
    in_process: bool
    """Whether threads of this process are behind it."""

    def finish(self, may_be_cut_off: bool) -> None:
        """Waits for the commands; called after the descriptor was closed.

        Raises SpecifierError where one failed: not for having had no reader, where it may be cut off.
        """
        ...


# Commands that write what gzip has compressed in a file.
_GUNZIP = ["gunzip -c", "gzip -cd", "gzip -dc", "gzip -c -d", "zcat"]
# Bytes: beside a larger file a shell's few milliseconds do not count, and this process's memory does.
_SMALL_GZIP, _SMALL = 1 << 20, 1 << 24


def open_content(command: str) -> Any | None:
    """A stream of what a command writes, where that takes no command: `gunzip -c small.gz`; else None."""
    if not _STAGES.fullmatch(command):
        return None
    *words, path = shlex.split(command)
    if " ".join(words) not in _GUNZIP or path.startswith("-") or not path.endswith(".gz"):
        return None
    content = _gunzipped(path)
    return None if content is None else base_io.istream.from_bytes(content, f"{command.strip()} |")


def _gunzipped(path: str) -> bytes | None:
    """What gzip has compressed; None where that is much, or gzip should say what is wrong with it."""
    content = b""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _SMALL_GZIP:
            return None
        with open(path, "rb") as file:
            rest = file.read()
        while rest:
            member = zlib.decompressobj(wbits=31)
            content += member.decompress(rest, _SMALL - len(content))
            if not member.eof or len(content) >= _SMALL:
                return None
            rest = member.unused_data
    except (OSError, zlib.error):
        return None
    return content


def open_pipe(command: str, reading: bool) -> Pipe:
    """Starts a command whose output we read, or that reads what we write."""
    if not command.strip():
        raise SpecifierError(
            "a pipe without a command; expected 'command |' to read, or '| command' to write"
        )
    stages = own_stages(command)
    return _Shell(command, reading) if stages is None else _Stages(stages, reading)


def own_stages(command: str) -> list[list[str]] | None:
    """The arguments of each stage of a pipeline of sonant's commands; None where a shell has to run it."""
    if not _PIPELINE.fullmatch(command):
        return None
    stages = []
    for text in _STAGES.findall(command):
        arguments = _own_arguments(shlex.split(text))
        if arguments is None:
            return None
        stages.append(arguments)
    return stages


def _own_arguments(words: list[str]) -> list[str] | None:
    if words[:2] == ["sonant", "kaldi"]:
        arguments = words[2:]
        return None if not arguments or arguments[0].startswith("-") or "--help" in arguments else arguments
    from sonant.kaldi.commands import COMMANDS

    # Kaldi's own command, where Kaldi is installed; ours, where it is not, or where the name is a link to it.
    if words[0] not in COMMANDS or "--help" in words:
        return None
    program = shutil.which(words[0])
    return words if program is None or os.path.basename(os.path.realpath(program)) == "sonant" else None


class _Shell:
    """A command that a shell runs."""

    in_process = False

    def __init__(self, command: str, reading: bool):
        self._command = command
        # What is standard to the stage that starts it is standard to the command; None: to the process.
        standard = [None if fd < 2 else fd for fd in base_io.standard_descriptors()]
        ends = (standard[0], subprocess.PIPE) if reading else (subprocess.PIPE, standard[1])
        self._process = subprocess.Popen(
            command, shell=True, stdin=ends[0], stdout=ends[1], env=_environment(command)
        )
        ours: Any = self._process.stdout if reading else self._process.stdin
        self.descriptor = os.dup(ours.fileno())  # for the native stream to own
        ours.close()

    def finish(self, may_be_cut_off: bool) -> None:
        status = self._process.wait()
        # A reader that has had enough closes the pipe; the writer dies of SIGPIPE, which a shell calls 141.
        if status == 0 or (may_be_cut_off and status in (-13, 141)):
            return
        how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
        raise SpecifierError(
            f"the command '{self._command.strip()}' {how}; what it wrote may be incomplete: its own message "
            "says why"
        )


def _environment(command: str) -> dict[str, str] | None:
    """What a shell is given that is told a name of Kaldi's which is not installed: ours behind its PATH."""
    from sonant.kaldi.commands import COMMANDS

    absent = {name for name in re.findall(r"[\w-]+", command) if name in COMMANDS and not shutil.which(name)}
    if not absent:
        return None
    folder = _scripts()
    for name in absent:
        script = os.path.join(folder, name)
        if not os.path.exists(script):
            # Whole or not at all: another thread may be about to run it.
            descriptor, path = tempfile.mkstemp(dir=folder)
            with open(descriptor, "w") as file:
                file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m sonant kaldi {name} "$@"\n')
            os.chmod(path, 0o700)
            os.replace(path, script)
    return {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + os.pathsep + folder}


@functools.cache
def _scripts() -> str:
    """A folder for scripts, which goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="sonant-")
    atexit.register(folder.cleanup)
    return folder.name


class _Stages:
    """Commands of sonant, each in a thread, with pipes between them."""

    in_process = True

    def __init__(self, commands: list[list[str]], reading: bool):
        standard_input, standard_output = base_io.standard_descriptors()
        first, last = (standard_input, None) if reading else (None, standard_output)
        pipes = [os.pipe() for _ in range(len(commands) - (first is not None and last is not None))]
        ends_in = [first] if first is not None else []
        ends_in += [pipe[0] for pipe in pipes]
        ends_out = [pipe[1] for pipe in pipes]
        if reading:
            self.descriptor = ends_in.pop()
        else:
            self.descriptor = ends_out.pop(0)
            ends_out.append(last)  # type: ignore[arg-type]
        self._stages = [
            _Stage(
                arguments, source, target, not (reading and place == 0), reading or place + 1 < len(commands)
            )
            for place, (arguments, source, target) in enumerate(zip(commands, ends_in, ends_out, strict=True))
        ]
        for stage in self._stages:
            stage.start()

    def finish(self, may_be_cut_off: bool) -> None:
        for stage in self._stages:
            stage.join()
        for stage in self._stages:
            # A stage that has had enough ends the one before it.
            stage.check(may_be_cut_off or stage is not self._stages[-1])


class _Stage(threading.Thread):
    """One command in a thread, with standard streams of its own."""

    def __init__(self, arguments: list[str], source: int, target: int, owns_source: bool, owns_target: bool):
        super().__init__(daemon=True, name=f"sonant kaldi {arguments[0]}")
        self._arguments, self._source, self._target = arguments, source, target
        self._owned = [end for end, owned in ((source, owns_source), (target, owns_target)) if owned]
        self._context = contextvars.copy_context()
        self._status = 0
        self._error: BaseException | None = None

    def run(self) -> None:
        self._context.run(self._run)

    def _run(self) -> None:
        from sonant.kaldi import commands

        try:
            with base_io.standard_streams(self._source, self._target):
                self._status = commands.run(self._arguments)
        except BaseException as error:
            self._error = error
        finally:
            for descriptor in self._owned:
                os.close(descriptor)

    def check(self, may_be_cut_off: bool) -> None:
        shown = shlex.join(self._arguments)
        if isinstance(self._error, SonantError):
            if not (may_be_cut_off and reader_is_gone(self._error)):
                raise SpecifierError(f"the command '{shown}' failed: {self._error}")
        elif self._error is not None:
            raise self._error
        elif self._status != 0:
            raise SpecifierError(
                f"the command '{shown}' ended with exit status {self._status}; what it wrote may be "
                "incomplete: its own message says why"
            )


def reader_is_gone(error: BaseException) -> bool:
    """Whether an error of ours is that nobody reads standard output any more."""
    message = str(error)
    return message.startswith("standard output:") and message.endswith(os.strerror(errno.EPIPE))
