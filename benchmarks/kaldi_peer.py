"""A program in another Python, one that has Kaldi, which does what it is asked line by line.

PYTHON is one that has pykaldi, which holds Kaldi itself: Python 3.7 with `pip install 'numpy<1.22' pykaldi`.
The program prints a line when it is ready, then answers each line that it reads with one line of JSON.
"""

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Sequence
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Peer:
    """Ends with the `with` block. Raises SystemExit where the program does not start."""

    def __init__(self, python: str, program: Sequence[str], what: str = "Kaldi"):
        self._process = subprocess.Popen(
            [python, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        assert self._process.stdin and self._process.stdout
        self._to, self._from = self._process.stdin, self._process.stdout
        self.greeting = self._from.readline()
        if not self.greeting:
            raise SystemExit(f"{python} has no {what}: the first lines of this file say how to get one")

    def ask(self, question: str, seconds: float | None = None) -> Any:
        """The answer; None, and the end of the program, where there is none within so many seconds."""
        self._to.write(question + "\n")
        self._to.flush()
        if seconds is not None and not select.select([self._from], [], [], seconds)[0]:
            self._process.kill()
            return None
        answer = self._from.readline()
        if not answer:
            raise SystemExit(f"the peer ended at {question!r}")
        return json.loads(answer)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._to.close()
        self._process.wait()
