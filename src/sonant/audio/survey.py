"""What recordings are like: rate and length of each, or why it cannot be used. By threads, and kept in a
file, so that a survey that was broken off goes on.

The file has a JSON object a line. A recording that has changed since, in size or in time, is looked at anew.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sonant.audio.recording import blocks, describe
from sonant.errors import AudioError

AHEAD = 1000  # recordings handed to the threads at a time


@dataclass(frozen=True)
class Surveyed:
    """duration: seconds. sample_rate: Hz. wrong: why it cannot be used, else empty."""

    duration: float = 0.0
    sample_rate: int = 0
    wrong: str = ""


def look(path: Path, *, decode: bool = False) -> Surveyed:
    """decode: to the end of the recording, rather than at what its header says. A truncated or damaged one
    is known by that alone."""
    try:
        found = describe(path)
        duration = found.duration
        if decode or duration is None:
            pieces = blocks(path, target_rate=found.sample_rate)
            duration = sum(len(piece) for piece in pieces) / found.sample_rate
    except AudioError as error:
        return Surveyed(wrong=str(error))
    return Surveyed(duration, found.sample_rate)


def survey(
    paths: Iterable[Path],
    kept: Path,
    *,
    decode: bool = False,
    threads: int = 4,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[Path, Surveyed]:
    """What each recording is like. Those that are not there are left out.

    kept: the file that what is found is added to, and what it has is not looked for again.
    progress: called with the number that is done more.
    """
    known = _read(kept)
    found: dict[Path, Surveyed] = {}
    waiting: list[tuple[Path, str]] = []
    for path in dict.fromkeys(paths):
        stamp = _stamp(path, decode)
        if stamp is None:
            continue
        if (str(path), stamp) in known:
            found[path] = known[str(path), stamp]
        else:
            waiting.append((path, stamp))
    progress(len(found))
    with ThreadPoolExecutor(threads) as pool, open(kept, "a", encoding="utf-8") as file:
        for start in range(0, len(waiting), AHEAD):
            part = waiting[start : start + AHEAD]
            jobs = {pool.submit(look, path, decode=decode): (path, stamp) for path, stamp in part}
            try:
                for job in as_completed(jobs):
                    path, stamp = jobs[job]
                    found[path] = job.result()
                    row = {"audio": str(path), "stamp": stamp} | asdict(found[path])
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                    progress(1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return found


def _stamp(path: Path, decode: bool) -> str | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_size}.{found.st_mtime_ns}.{'decoded' if decode else 'header'}"


def _read(kept: Path) -> dict[tuple[str, str], Surveyed]:
    """What a survey has written. A last line that a kill has cut off is removed from the file."""
    if not kept.exists():
        return {}
    known: dict[tuple[str, str], Surveyed] = {}
    whole = 0
    with open(kept, "rb+") as file:
        for row, end in _rows(file):
            whole = end
            known[row["audio"], row["stamp"]] = Surveyed(row["duration"], row["sample_rate"], row["wrong"])
        file.truncate(whole)
    return known


FIELDS = {"audio", "stamp", "duration", "sample_rate", "wrong"}


def _rows(file: Any) -> Iterator[tuple[dict[str, Any], int]]:
    """Rows, and where each ends, up to the first that is none."""
    for line in iter(file.readline, b""):
        try:
            row = json.loads(line)
        except ValueError:
            return
        if (
            not isinstance(row, dict)
            or not {"audio", "stamp", "duration", "sample_rate", "wrong"} <= row.keys()
        ):
            return
        if not line.endswith(b"\n"):
            return
        yield row, file.tell()
