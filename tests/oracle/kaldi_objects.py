"""Kaldi's objects to and from files, for the scripts here that make golden files with pykaldi."""

import json
import tempfile
from pathlib import Path

from kaldi.util.io import xopen

TESTS = Path(__file__).resolve().parents[1]
YESNO = TESTS / "data" / "kaldi-yesno"
SCRATCH = Path(tempfile.mkdtemp()) / "scratch"


def golden(room):
    """The folder of a room's golden files."""
    folder = TESTS / "kaldi" / room / "golden"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read(cls, path):
    obj = cls()
    with xopen(str(path)) as ki:
        obj.read(ki.stream(), ki.binary)
    return obj


def read_text(cls, text):
    SCRATCH.write_text(text)
    return read(cls, SCRATCH)


def write(path, *objects):
    """path.bin and path.txt, as Kaldi writes the objects one after another."""
    for suffix, binary in ((".bin", True), (".txt", False)):
        with xopen(str(path) + suffix, "wb" if binary else "wt") as ko:
            for obj in objects:
                obj.write(ko.stream(), binary)


def text_of(write_object, *args):
    """What write_object(stream, *args) writes."""
    with xopen(str(SCRATCH), "wt") as ko:
        write_object(ko.stream(), *args)
    return SCRATCH.read_text()


def attempt(function, *args):
    """What it returns, or None where it fails."""
    try:
        return function(*args)
    except (ValueError, RuntimeError):
        return None


def save(path, values):
    path.write_text(json.dumps(values, sort_keys=True, separators=(",", ":")) + "\n")
