"""sonant evaluate: how many words and characters a model gets wrong, and how fast it is."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import tyro

from sonant.cli.models import ModelOptions
from sonant.cli.output import whole_file
from sonant.cli.search_options import SearchOptions
from sonant.cli.transcribe import progress, report_failures
from sonant.errors import ConfigError

if TYPE_CHECKING:
    from sonant.model import Evaluation, Failure, Model, Reading
    from sonant.text import ErrorRate, UtteranceErrors

_OPTIONS, _READINGS = "options.json", "readings.jsonl"


@dataclass(frozen=True)
class Evaluate:
    """Word and character error rates of a model on a manifest.

    A recording that cannot be used is not counted, and is named at the end; the exit status is then 1. With
    --output what was recognised is written as it is there, and the same command goes on from it.
    """

    manifest: tyro.conf.Positional[Path]
    """A file of one JSON object a line with `audio` (a path, relative to the manifest) and `text`, and `id`
    where known; a folder that holds such a file as manifest.jsonl; or a folder of LibriSpeech's layout."""

    model: tyro.conf.OmitArgPrefixes[ModelOptions] = ModelOptions()

    normalizer: Literal["none", "whisper"] = "none"
    """How both texts are made comparable: `none`, or Whisper's English normaliser."""

    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """A folder for summary.json, utterances.jsonl (the worst first), errors.txt (alignments, to read),
    failures.jsonl, and the recogs-, errs-, wer-summary- and cer-summary- files that icefall has."""

    restart: bool = False
    """Forget what --output has from an earlier run."""


def main(argv: Sequence[str]) -> int:
    return run(tyro.cli(Evaluate, prog="sonant evaluate", args=argv))


def run(options: Evaluate) -> int:
    from sonant.audio import read_corpus
    from sonant.model import Reading, evaluate

    entries = read_corpus(options.manifest)
    model = options.model.load("sonant evaluate")
    search = options.search.of(model)
    done = _begun(options, model)
    with _log(options.output) as log, progress(len(entries)) as bar:
        if bar:
            bar.update(len(done))

        def tell(result: "Reading | Failure") -> None:
            if log is not None and isinstance(result, Reading):
                log.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
                log.flush()
            if bar:
                bar.update()

        found = evaluate(model, entries, done=done, progress=tell, **search)
    if found.readings:
        _report(found, options)
    if options.output is not None:
        with whole_file(options.output / "failures.jsonl") as file:
            file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found.failures)
    failures = [(one.id, one.reason) for one in found.failures]
    report_failures(failures, len(entries), "utterances could not be transcribed and are not in the numbers")
    return 1 if failures else 0


def _begun(options: Evaluate, model: "Model") -> list["Reading"]:
    """What an earlier run of the same command has recognised. Raises ConfigError where the folder has the
    results of another."""
    from sonant.model import Reading

    folder = options.output
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    # Whatever changes what is recognised; the normaliser comes afterwards.
    given = json.loads(json.dumps(asdict(options.model) | asdict(options.search), default=str))
    files = sorted((path.name, path.stat()) for path in model.path.iterdir() if path.is_file())
    stamp = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files])
    given["files of the model"] = hashlib.sha256(stamp.encode()).hexdigest()[:16]
    path, log = folder / _OPTIONS, folder / _READINGS
    if options.restart or not (path.is_file() and log.is_file()):
        log.unlink(missing_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(given, ensure_ascii=False, indent=2) + "\n")
        return []
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; give another --output, or --restart") from None
    if before != given:
        other = next(key for key in [*given, *before] if before.get(key) != given.get(key))
        raise ConfigError(
            f"{folder}: has results of another command ({other}: {before.get(other)}, now "
            f"{given.get(other)}); give another --output, or --restart"
        )
    readings: list[Reading] = []
    text = log.read_bytes().decode("utf-8", "replace")
    lines = text.split("\n")
    for line in lines[:-1]:  # the last one is empty, or was cut off by a kill
        try:
            readings.append(Reading(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # recognised again
    if lines[-1]:
        with open(log, "ab") as file:
            file.write(b"\n")
    return readings


@contextmanager
def _log(folder: Path | None) -> Iterator[TextIO | None]:
    if folder is None:
        yield None
        return
    with open(folder / _READINGS, "a", encoding="utf-8", newline="\n") as file:
        yield file


def _report(found: "Evaluation", options: Evaluate) -> None:
    """Print the numbers, and write them and the errors of each utterance where that was asked for."""
    import sonant
    from sonant.text import error_stats, recogs, report, settings_summary

    words = found.error_rate("word", options.normalizer)
    characters = found.error_rate("char", options.normalizer)
    factor = found.real_time_factor
    print(f"{len(found.readings)} utterances, {found.audio_seconds / 3600:.3f} h")
    print(f"model {options.model.name}, decoder {options.search.decoder}, normalizer {options.normalizer}")
    print(words)
    print(characters)
    print(f"RTF {factor:.4f}" if factor is not None else "RTF unknown: no audio", flush=True)
    if options.output is None:
        return

    rows = [
        {
            "id": reading.id,
            "audio": reading.audio,
            "reference": reading.reference,
            "hypothesis": reading.hypothesis,
            "word": _counts(word),
            "character": _counts(character),
        }
        for reading, word, character in zip(
            found.readings, words.utterances, characters.utterances, strict=True
        )
    ]
    rows.sort(key=lambda row: -row["word"]["errors"])  # stable: the order of the manifest among equals
    summary = {
        "manifest": str(options.manifest),
        **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(options.search).items()},
        **{k: str(v) if isinstance(v, Path) else v for k, v in asdict(options.model).items()},
        "model": options.model.name,
        "normalizer": options.normalizer,
        "utterances": len(found.readings),
        "failures": len(found.failures),
        "audio_seconds": round(found.audio_seconds, 3),
        "real_time_factor": None if factor is None else round(factor, 5),
        "word": _counts(words),
        "character": _counts(characters),
        "version": sonant.__version__,
    }
    named = options.manifest.parent if options.manifest.name == "manifest.jsonl" else options.manifest
    name, setting = named.resolve().name.removesuffix(".jsonl"), options.search.decoder
    texts = {
        "summary.json": json.dumps(summary, ensure_ascii=False, indent=2) + "\n",
        "utterances.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "errors.txt": report(words),
        f"recogs-{name}-{setting}.txt": recogs(words),
        f"errs-{name}-{setting}.txt": error_stats(words),
        f"wer-summary-{name}.txt": settings_summary({setting: words}),
        f"cer-summary-{name}.txt": settings_summary({setting: characters}),
    }
    for file_name, text in texts.items():
        with whole_file(options.output / file_name) as file:
            file.write(text)


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
