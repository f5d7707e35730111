"""Manifests: which recordings there are and what is said in them.

A manifest is a file of one JSON object a line with at least `audio` (a path, relative to the manifest) and
`text`; `id`, `speaker`, `duration` (seconds) and `sample_rate` (Hz) where known. A corpus is a manifest, a
folder that holds a manifest.jsonl, or a folder of LibriSpeech's layout (speaker/chapter/*.flac with
*.trans.txt beside them), as OpenSLR distributes it.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sonant.audio.recording import describe
from sonant.errors import AudioError, ManifestError

T = TypeVar("T")


@dataclass(frozen=True)
class Utterance:
    id: str
    audio: Path
    text: str
    duration: float  # seconds
    speaker: str = ""
    sample_rate: int | None = None  # Hz, where the manifest says it: the recording must agree


# Bad lines that an error names before it only counts them.
NAMED = 10
# Seconds. Beyond them a manifest or a recording is wrong, rather than short or long.
SANE = (0.05, 3600.0)


def read_corpus(path: str | Path, *, wrong: list[str] | None = None) -> list[Utterance]:
    """All utterances of a manifest or a corpus folder, in the order of the files.

    Raises ManifestError, which names every bad line. Given a list `wrong`, bad lines are left out, and what
    is wrong with them is appended there.
    """
    path = Path(path)
    if not path.exists():
        raise ManifestError(f"{path}: no such manifest or folder")
    manifest = path / "manifest.jsonl" if path.is_dir() else path
    try:
        read = _read_manifest if manifest.exists() else _read_librispeech
        utterances = read(manifest if manifest.exists() else path, wrong)
    except OSError as error:
        raise ManifestError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from None
    if not utterances and not wrong:
        raise ManifestError(
            f"{path}: no utterance found; expected a manifest.jsonl or LibriSpeech's *.trans.txt files"
        )
    return utterances


def write_manifest(utterances: Iterable[Utterance], path: str | Path) -> None:
    """Writes a manifest whose audio paths are relative to it where they can be."""
    path = Path(path)
    folder = path.parent.resolve()
    rows: list[str] = []
    for u in utterances:
        source = u.audio.resolve()
        name = source.relative_to(folder) if source.is_relative_to(folder) else source
        row = {
            "id": u.id,
            "audio": name.as_posix(),
            "text": u.text,
            "speaker": u.speaker,
            "duration": u.duration,
        } | ({} if u.sample_rate is None else {"sample_rate": u.sample_rate})
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    try:
        path.write_text("".join(rows), encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written: {error.strerror}") from None


def _utterances(
    lines: Iterable[tuple[str, T]], parse: Callable[[T, str], Utterance], collected: list[str] | None
) -> list[Utterance]:
    """Parses each (where, line). Raises ManifestError with all that is wrong, unless that is collected."""
    found: dict[str, Utterance] = {}
    wrong: list[str] = [] if collected is None else collected
    for where, line in lines:
        try:
            utterance = parse(line, where)
            if utterance.id in found:
                raise ManifestError(f"{where}: id {utterance.id!r} stands in the corpus twice")
            found[utterance.id] = utterance
        except ManifestError as error:
            wrong.append(str(error))
    if wrong and collected is None:
        more = [f"and {len(wrong) - NAMED} more bad lines"] if len(wrong) > NAMED else []
        raise ManifestError("\n".join(wrong[:NAMED] + more))
    return list(found.values())


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, and where it stands."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}:{number}", line.strip()


def _read_manifest(path: Path, wrong: list[str] | None) -> list[Utterance]:
    def parse(line: bytes, where: str) -> Utterance:
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except ValueError as error:
            raise ManifestError(f"{where}: not a JSON object in UTF-8: {error}") from None
        return _utterance(row, path.parent, where)

    return _utterances(_lines(path), parse, wrong)


def _utterance(row: Any, folder: Path, where: str) -> Utterance:
    if not isinstance(row, dict):
        raise ManifestError(f"{where}: expected a JSON object, got {type(row).__name__}")
    for key in ("audio", "text"):
        if not isinstance(row.get(key), str):
            raise ManifestError(f"{where}: {key!r} is {row.get(key)!r}, expected a string")
    path = folder / row["audio"]
    if not path.is_file():
        raise ManifestError(f"{where}: audio {path} does not exist")
    duration = row.get("duration")
    if duration is None:
        duration = _measure(path, where)
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 < duration < 1e6:
        raise ManifestError(f"{where}: duration {duration!r}, expected seconds above 0")
    rate = row.get("sample_rate")
    if isinstance(rate, float) and rate.is_integer():
        rate = int(rate)
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int) or rate < 1):
        raise ManifestError(f"{where}: sample_rate {rate!r}, expected Hz, a whole number above 0")
    name = row.get("id")
    speaker = row.get("speaker")
    return Utterance(
        id=path.stem if name is None else str(name),
        audio=path,
        text=row["text"],
        duration=float(duration),
        speaker="" if speaker is None else str(speaker),
        sample_rate=rate,
    )


def _measure(path: Path, where: str) -> float:
    try:
        duration = describe(path).duration
    except AudioError as error:
        raise ManifestError(f"{where}: {error}") from None
    if duration is None:
        raise ManifestError(
            f"{where}: {path} does not tell its duration; add `duration` in seconds to the line"
        )
    return duration


def _read_librispeech(folder: Path, wrong: list[str] | None) -> list[Utterance]:
    def parse(entry: tuple[Path, bytes], where: str) -> Utterance:
        transcript, line = entry
        try:
            name, _, text = line.decode("utf-8").partition(" ")
        except UnicodeDecodeError as error:
            raise ManifestError(f"{where}: not text in UTF-8: {error}") from None
        path = transcript.parent / f"{name}.flac"
        if not path.is_file():
            raise ManifestError(f"{where}: audio {path} does not exist")
        if not text.strip():
            raise ManifestError(f"{where}: no text after {name}; expected NAME TEXT")
        return Utterance(name, path, text.strip(), _measure(path, where), speaker=name.split("-")[0])

    transcripts = sorted(folder.rglob("*.trans.txt"))
    lines = ((where, (path, line)) for path in transcripts for where, line in _lines(path))
    return _utterances(lines, parse, wrong)
