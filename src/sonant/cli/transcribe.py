"""sonant transcribe: recordings in, text with times out."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sonant.cli import describe
from sonant.cli.models import ModelOptions
from sonant.cli.search_options import SearchOptions
from sonant.errors import ConfigError, SonantError

if TYPE_CHECKING:
    from sonant.text import Transcript

Format = Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "TextGrid"]


@dataclass(frozen=True)
class Transcribe:
    """Write what is said in recordings.

    A recording that cannot be used is left out and named at the end; the exit status is then 1.
    """

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILES")]
    """Recordings: wav, flac, ogg, opus, mp3; with the extra `media` also m4a, mp4, webm."""

    model: tyro.conf.OmitArgPrefixes[ModelOptions] = ModelOptions()

    format: Annotated[
        tyro.conf.UseAppendAction[tuple[Format, ...]], tyro.conf.arg(aliases=["-f"], metavar="FORMAT")
    ] = ()
    """txt, json, srt, vtt, tsv, ctm or TextGrid; may be given more than once; without it txt."""

    output_dir: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Write DIR/NAME.FORMAT for each recording; without it to standard output."""

    search: tyro.conf.OmitArgPrefixes[SearchOptions] = SearchOptions()


def main(argv: Sequence[str]) -> int:
    return run(tyro.cli(Transcribe, prog="sonant transcribe", args=argv))


def run(options: Transcribe) -> int:
    if not options.files:
        raise ConfigError("no recording was given: sonant transcribe FILES...")
    formats: tuple[Format, ...] = tuple(dict.fromkeys(options.format)) or ("txt",)
    if options.output_dir:
        _check_names(options.files)
        options.output_dir.mkdir(parents=True, exist_ok=True)

    model = options.model.load("sonant transcribe")
    search = options.search.of(model)
    failures: list[tuple[Path, str]] = []
    with progress(len(options.files)) as bar:
        for path in options.files:
            try:
                transcript = model.transcribe(path, **search)
            except (SonantError, OSError) as error:
                failures.append((path, describe(error)))
            else:
                for format in formats:
                    _write(transcript, path, format, options.output_dir, bar)
            if bar:
                bar.update()
    report_failures(failures, len(options.files), "recordings could not be transcribed")
    return 1 if failures else 0


def report_failures(failures: Sequence[tuple[object, str]], total: int, what: str) -> None:
    """List what failed and why on standard error, after everything else."""
    if failures:
        sys.stdout.flush()
        print(f"{len(failures)} of {total} {what}:", file=sys.stderr)
        for name, message in failures:
            # Most messages begin with the name of the file already.
            line = message if message.startswith(str(name)) else f"{name}: {message}"
            print(f"  {line}", file=sys.stderr)


def _check_names(files: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in files:
        if path.stem in seen and seen[path.stem] != path:
            raise ConfigError(
                f"{seen[path.stem]} and {path} would both be written to '{path.stem}.*': "
                "transcribe them into two folders"
            )
        seen[path.stem] = path


def _write(transcript: "Transcript", recording: Path, format: Format, folder: Path | None, bar: Any) -> None:
    from sonant.text import render, write

    if format == "ctm":
        # A NIST scorer knows recordings by name, not by path.
        transcript = replace(transcript, name=recording.stem)
    if folder is not None:
        write(transcript, format, folder / f"{recording.stem}.{format}")
        return
    with bar.external_write_mode() if bar else nullcontext():
        print(render(transcript, format), end="", flush=True)


def progress(total: int) -> Any:
    """A progress bar on standard error if a person can see it, else nothing."""
    if not sys.stderr.isatty():
        return nullcontext()
    from tqdm import tqdm

    return tqdm(total=total, unit="file", file=sys.stderr)
