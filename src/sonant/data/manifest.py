"""Manifests: which recordings there are and what is said in them.

A manifest is a file of one JSON object a line with at least `audio` (a path, relative to the manifest) and
`text`; `id`, `speaker` and `duration` (seconds) where known. A corpus is a manifest, a folder that holds a
manifest.jsonl, or a folder of LibriSpeech's layout (speaker/chapter/*.flac with *.trans.txt beside them), as
OpenSLR distributes it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonant import audio
from sonant.errors import AudioError, ManifestError


@dataclass(frozen=True)
class Utterance:
    id: str
    audio: Path
    text: str
    duration: float  # seconds
    speaker: str = ""


def read_corpus(path: str | Path) -> list[Utterance]:
    """All utterances of a manifest or a corpus folder, in the order of the files."""
    path = Path(path)
    if path.is_dir():
        manifest = path / "manifest.jsonl"
        utterances = list(_read_manifest(manifest) if manifest.exists() else _read_librispeech(path))
    elif path.exists():
        utterances = list(_read_manifest(path))
    else:
        raise ManifestError(f"{path}: no such manifest or folder")
    if not utterances:
        raise ManifestError(
            f"{path}: no utterance found; expected a manifest.jsonl or LibriSpeech's *.trans.txt files"
        )
    return utterances


def write_manifest(utterances: Iterable[Utterance], path: str | Path) -> None:
    """Writes a manifest whose audio paths are relative to it where they can be."""
    path = Path(path)
    with open(path, "w", encoding="utf-8") as file:
        for u in utterances:
            source = u.audio.resolve()
            folder = path.parent.resolve()
            name = source.relative_to(folder) if source.is_relative_to(folder) else source
            row = {
                "id": u.id,
                "audio": str(name),
                "text": u.text,
                "speaker": u.speaker,
                "duration": u.duration,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_manifest(path: Path) -> Iterator[Utterance]:
    seen: set[str] = set()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ManifestError(f"{where}: not a JSON object: {error}") from None
            utterance = _utterance(row, path.parent, where)
            if utterance.id in seen:
                raise ManifestError(f"{where}: id {utterance.id!r} stands in the manifest twice")
            seen.add(utterance.id)
            yield utterance


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
    if not isinstance(duration, int | float) or not 0 < duration < 1e6:
        raise ManifestError(f"{where}: duration {duration!r}, expected seconds above 0")
    return Utterance(
        str(row.get("id", path.stem)), path, row["text"], float(duration), str(row.get("speaker", ""))
    )


def _measure(path: Path, where: str) -> float:
    try:
        duration = audio.describe(path).duration
    except AudioError as error:
        raise ManifestError(f"{where}: {error}") from None
    if duration is None:
        raise ManifestError(
            f"{where}: {path} does not tell its duration; add `duration` in seconds to the line"
        )
    return duration


def _read_librispeech(folder: Path) -> Iterator[Utterance]:
    for transcript in sorted(folder.rglob("*.trans.txt")):
        with open(transcript, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                where = f"{transcript}:{number}"
                name, _, text = line.strip().partition(" ")
                if not name:
                    continue
                path = transcript.parent / f"{name}.flac"
                if not path.is_file():
                    raise ManifestError(f"{where}: audio {path} does not exist")
                yield Utterance(name, path, text, _measure(path, where), speaker=name.split("-")[0])
