"""Recordings as a recipe has them, and two ways to run a command: in this process, and in a shell."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from sonant.kaldi import commands
from sonant.kaldi.base.io import standard_streams

SPEECH = Path(__file__).parents[2] / "data" / "speech"
# Name, file, seconds: two speakers' utterances of 16 kHz, short enough to be quick.
UTTERANCES = {
    "jfk-1": ("jfk.flac", 0.3, 2.4),
    "jfk-2": ("jfk.flac", 3.2, 5.0),
    "sb-1": ("sb-spk1_snt1.flac", 0.0, 2.5),
}


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wav/*.wav of 16 bits, wav.scp, utt2spk and spk2utt; stereo.wav, and yesno.wav of 8 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "wav").mkdir()
    lines = []
    for name, (file, start, end) in UTTERANCES.items():
        samples, rate = soundfile.read(SPEECH / file, dtype="int16")
        path = folder / "wav" / f"{name}.wav"
        soundfile.write(path, samples[int(start * rate) : int(end * rate)], rate, subtype="PCM_16")
        lines.append(f"{name} {path}\n")
    (folder / "wav.scp").write_text("".join(lines))
    (folder / "utt2spk").write_text("".join(f"{name} {name.split('-')[0]}\n" for name in UTTERANCES))
    (folder / "spk2utt").write_text("jfk jfk-1 jfk-2\nsb sb-1\n")
    samples, rate = soundfile.read(SPEECH / "jfk.flac", dtype="int16", stop=16000)
    soundfile.write(folder / "stereo.wav", np.stack([samples, samples[::-1]], axis=1), rate, subtype="PCM_16")
    samples, rate = soundfile.read(SPEECH / "0_0_0_0_1_1_1_1.flac", dtype="int16", stop=16000)
    soundfile.write(folder / "yesno.wav", samples, rate, subtype="PCM_16")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, bytes]]:
    """Runs a command in this process: returns its exit status and what it writes to standard output."""

    def call(*arguments: object, stdin: bytes = b"") -> tuple[int, bytes]:
        source, target = tmp_path / "stdin", tmp_path / "stdout"
        source.write_bytes(stdin)
        with (
            source.open("rb") as input,
            target.open("wb") as output,
            standard_streams(input.fileno(), output.fileno()),
        ):
            status = commands.run([str(argument) for argument in arguments])
        return status, target.read_bytes()

    return call


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Runs a line of bash with `sonant` on its PATH, as a recipe does: status, out (bytes), err (text)."""

    def call(line: str, stdin: bytes = b"", path: str = "") -> SimpleNamespace:
        found = os.pathsep.join(filter(None, [path, str(Path(sys.executable).parent), os.environ["PATH"]]))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": found},
            timeout=120,
            check=False,
        )
        return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr.decode())

    return call
