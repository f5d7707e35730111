"""sonant evaluate: how many words and characters a model gets wrong, and how fast it is."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sonant.cli import describe
from sonant.cli.output import whole_file
from sonant.cli.search_options import SearchOptions
from sonant.cli.transcribe import progress, report_failures
from sonant.errors import SonantError

if TYPE_CHECKING:
    from sonant.text import ErrorRate, UtteranceErrors


@dataclass(frozen=True)
class Evaluate:
    """Word and character error rates of a model on a manifest.

    A recording that cannot be used is not counted, and is named at the end; the exit status is then 1.
    """

    manifest: tyro.conf.Positional[Path]
    """A file of one JSON object a line with `audio` (a path, relative to the manifest) and `text`, and `id`
    where known; a folder that holds such a file as manifest.jsonl; or a folder of LibriSpeech's layout."""

    model: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of a model; without it the bundled English model."""

    normalizer: Literal["none", "whisper"] = "none"
    """How both texts are made comparable: `none`, or Whisper's English normaliser."""

    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """A folder for summary.json, utterances.jsonl (the worst first) and errors.txt (alignments, to read)."""


@dataclass(frozen=True)
class Reading:
    """One utterance of the manifest and what the model made of it."""

    id: str
    audio: Path
    reference: str
    hypothesis: str
    duration: float  # seconds


def main(argv: Sequence[str]) -> int:
    return run(tyro.cli(Evaluate, prog="sonant evaluate", args=argv))


def run(options: Evaluate) -> int:
    import sonant
    from sonant.audio import read_corpus

    entries = read_corpus(options.manifest)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    model = sonant.load(options.model)
    search = options.search.of(model)

    readings: list[Reading] = []
    failures: list[tuple[str, str]] = []
    seconds = 0.0
    with progress(len(entries)) as bar:
        for entry in entries:
            started = time.perf_counter()
            try:
                transcript = model.transcribe(entry.audio, **search)
            except (SonantError, OSError) as error:
                failures.append((entry.id, describe(error)))
            else:
                seconds += time.perf_counter() - started
                readings.append(
                    Reading(entry.id, entry.audio, entry.text, transcript.text, transcript.duration)
                )
            if bar:
                bar.update()
    if readings:
        _report(readings, seconds, options)
    report_failures(failures, len(entries), "utterances could not be transcribed and are not in the numbers")
    return 1 if failures else 0


def _report(readings: Sequence[Reading], seconds: float, options: Evaluate) -> None:
    """Print the numbers, and write them and the errors of each utterance where that was asked for."""
    import sonant
    from sonant.text import error_rate, report

    references = [reading.reference for reading in readings]
    hypotheses = [reading.hypothesis for reading in readings]
    names = [reading.id for reading in readings]
    words, characters = (
        error_rate(references, hypotheses, unit=unit, normalizer=options.normalizer, names=names)
        for unit in ("word", "char")
    )
    audio_seconds = sum(reading.duration for reading in readings)
    factor = seconds / audio_seconds if audio_seconds else None
    model = "bundled" if options.model is None else str(options.model)
    print(f"{len(readings)} utterances, {audio_seconds / 3600:.3f} h")
    print(f"model {model}, normalizer {options.normalizer}")
    print(words)
    print(characters)
    print(f"RTF {factor:.4f}" if factor is not None else "RTF unknown: no audio", flush=True)
    if options.output is None:
        return

    rows = [
        {
            "id": reading.id,
            "audio": str(reading.audio),
            "reference": reading.reference,
            "hypothesis": reading.hypothesis,
            "word": _counts(word),
            "character": _counts(character),
        }
        for reading, word, character in zip(readings, words.utterances, characters.utterances, strict=True)
    ]
    rows.sort(key=lambda row: -row["word"]["errors"])  # stable: the order of the manifest among equals
    summary = {
        "manifest": str(options.manifest),
        "model": model,
        **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(options.search).items()},
        "normalizer": options.normalizer,
        "utterances": len(readings),
        "audio_seconds": round(audio_seconds, 3),
        "real_time_factor": None if factor is None else round(factor, 5),
        "word": _counts(words),
        "character": _counts(characters),
        "version": sonant.__version__,
    }
    with whole_file(options.output / "summary.json") as file:
        file.write(json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
    with whole_file(options.output / "utterances.jsonl") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with whole_file(options.output / "errors.txt") as file:
        file.write(report(words))


def _counts(rate: "ErrorRate | UtteranceErrors") -> dict[str, Any]:
    return {
        # JSON has no infinity: insertions against nothing have no rate.
        "rate": round(rate.rate, 6) if rate.reference_length else None,
        "errors": rate.errors,
        "substitutions": rate.substitutions,
        "deletions": rate.deletions,
        "insertions": rate.insertions,
        "reference_length": rate.reference_length,
    }
