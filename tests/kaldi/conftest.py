"""Kaldi's objects to and from bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonant import _native

Read = Callable[..., Any]
Written = Callable[..., tuple[bytes, bytes]]


@pytest.fixture(scope="session")
def read() -> Read:
    """read(object, bytes or path, *more): the object, after all have read themselves from one stream."""

    def read_one(obj: Any, source: bytes | Path, *more: Any) -> Any:
        name, data = ("bytes", source) if isinstance(source, bytes) else (source.name, source.read_bytes())
        stream = _native.Input.from_bytes(data, name)
        binary = stream.header()
        for each in obj if isinstance(obj, tuple) else (obj,):
            each.read(stream, binary, *more)
        return obj

    return read_one


@pytest.fixture(scope="session")
def written() -> Written:
    """written(*objects): what they write, one after another: (binary with its header, text)."""

    def write_all(*objects: Any) -> tuple[bytes, bytes]:
        forms = []
        for binary in (True, False):
            stream = _native.Output.in_memory()
            stream.header(binary)
            for obj in objects:
                obj.write(stream, binary)
            forms.append(stream.getvalue())
        return forms[0], forms[1]

    return write_all
