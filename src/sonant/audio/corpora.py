"""Corpora as they are published: which recordings there are, before any is opened.

Each reader takes a folder as it comes out of the archive and gives its subsets by name, as listings:
(id, path, text, speaker), with whether the recording is there left to a later look.

    yesno            waves_yesno/0_1_..._1.wav, whose name is what is said: 1 YES, 0 NO    (OpenSLR SLR1)
    LibriSpeech      SUBSET/speaker/chapter/*.flac, *.trans.txt                            (SLR12, SLR31)
    AISHELL-1        wav/SUBSET/S0002/*.wav, transcript/aishell_transcript_v0.8.txt        (SLR33)
    folder           any recordings, each with its text in a file of the same name and .txt beside it
    table            .csv or .tsv with a heading: audio (path, wav_filename, file) and text (transcript,
                     sentence), and if it has them speaker (client_id) and id
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonant.errors import ManifestError

SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm", ".wma", ".aiff", ".au"}
LIBRISPEECH = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)
MINI_LIBRISPEECH = ("train-clean-5", "dev-clean-2")
AISHELL = ("train", "dev", "test")
AISHELL_TEXT = Path("transcript", "aishell_transcript_v0.8.txt")
# Headings of tables, the first that is there. Coqui's and Common Voice's among them.
COLUMNS = {
    "audio": ("audio", "path", "wav_filename", "file", "filename"),
    "text": ("text", "transcript", "sentence", "transcription"),
    "speaker": ("speaker", "client_id", "speaker_id"),
    "id": ("id", "utt_id"),
}


@dataclass(frozen=True)
class Listed:
    """One recording of a listing. where: the file and line that names it."""

    id: str
    audio: Path
    text: str
    speaker: str = ""
    where: str = ""


Subsets = dict[str, list[Listed]]


def list_yesno(source: Path) -> Subsets:
    """The first 31 recordings in the order of their names are `train`, the others `test`, as in Kaldi."""
    folder = _found(source, "yesno", 1, ("waves_yesno", "."), lambda path: any(path.glob("[01]_[01]_*.*")))
    files = sorted(path for path in folder.glob("[01]_[01]_*.*") if path.suffix.lower() in SUFFIXES)
    words = {"0": "NO", "1": "YES"}
    rows = [
        Listed(path.stem, path, " ".join(words[mark] for mark in path.stem.split("_")), "yesno", str(path))
        for path in files
        if set(path.stem.split("_")) <= set(words)
    ]
    return {"train": rows[:31], "test": rows[31:]}


def list_librispeech(source: Path, subsets: tuple[str, ...] = LIBRISPEECH, slr: int = 12) -> Subsets:
    """Those of the subsets that are there."""
    folder = _found(
        source,
        "LibriSpeech" if slr == 12 else "mini LibriSpeech",
        slr,
        (".", "LibriSpeech"),
        lambda path: any((path / name).is_dir() for name in subsets),
        expected=", ".join(subsets),
    )
    found: Subsets = {}
    for name in subsets:
        if not (folder / name).is_dir():
            continue
        rows = found[name] = []
        for path in sorted((folder / name).rglob("*.trans.txt")):
            for where, line in _lines(path):
                key, _, text = line.partition(" ")
                audio = path.parent / f"{key}.flac"
                rows.append(Listed(key, audio, text.strip(), key.split("-")[0], where))
    return found


def list_aishell(source: Path) -> Subsets:
    """Texts without the spaces that segment them into words: Mandarin is written, and scored, without."""
    folder = _found(
        source,
        "AISHELL-1",
        33,
        (".", "data_aishell"),
        lambda path: (path / AISHELL_TEXT).is_file() and (path / "wav").is_dir(),
        expected=f"{AISHELL_TEXT} and wav/",
    )
    texts: dict[str, tuple[str, str]] = {}
    for where, line in _lines(folder / AISHELL_TEXT):
        key, _, text = line.partition(" ")
        texts[key] = ("".join(text.split()), where)
    found: Subsets = {}
    for name in AISHELL:
        # Some recordings have no text; the corpus is used without them.
        files = sorted((folder / "wav" / name).rglob("*.wav"))
        rows = [
            Listed(f.stem, f, texts[f.stem][0], f.parent.name, texts[f.stem][1])
            for f in files
            if f.stem in texts
        ]
        if files:
            found[name] = rows
    return found


def list_folder(source: Path) -> Subsets:
    """One subset, `train`. The speaker is the folder that a recording is in, but for the topmost."""
    if not source.is_dir():
        raise ManifestError(f"{source}: no such folder; expected recordings, each with its text in a .txt")
    rows: list[Listed] = []
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        beside = path.with_suffix(".txt")
        text = _text(beside) if beside.is_file() else ""
        speaker = path.parent.name if path.parent != source else ""
        key = path.relative_to(source).with_suffix("").as_posix().replace("/", "-")
        rows.append(Listed(key, path, text, speaker, str(beside)))
    if not rows:
        raise ManifestError(
            f"{source}: no recording in it ({', '.join(sorted(SUFFIXES))}); expected some, each with a .txt"
        )
    return {"train": rows}


def list_table(source: Path) -> Subsets:
    """One subset, `train`. Paths are relative to the table."""
    if not source.is_file():
        raise ManifestError(f"{source}: no such table; expected a .csv or .tsv with a heading")
    text = _text(source)
    heading = text.partition("\n")[0]
    delimiter = "\t" if "\t" in heading else ";" if ";" in heading and "," not in heading else ","
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    names = [name.strip().lower() for name in next(reader, [])]
    places = {kind: [names.index(n) for n in offered if n in names] for kind, offered in COLUMNS.items()}
    for kind in ("audio", "text"):
        if not places[kind]:
            raise ManifestError(
                f"{source}:1: its columns are {names}, none of which is {' or '.join(COLUMNS[kind])}: "
                "expected a heading with both"
            )

    rows: list[Listed] = []
    for row in reader:
        cells = {kind: row[at[0]].strip() for kind, at in places.items() if at and at[0] < len(row)}
        if not row:
            continue
        audio = source.parent / cells.get("audio", "")
        key = cells.get("id") or audio.stem
        where = f"{source}:{reader.line_num}"
        rows.append(Listed(key, audio, cells.get("text", ""), cells.get("speaker", ""), where))
    return {"train": rows}


def _found(
    source: Path,
    name: str,
    slr: int,
    places: tuple[str, ...],
    is_it: Callable[[Path], bool],
    expected: str = "",
) -> Path:
    """Where below `source` the corpus is. Raises ManifestError that says where to get it."""
    for place in places:
        if (source / place).is_dir() and is_it(source / place):
            return source / place
    looked = " and ".join(str(source / place) for place in places)
    what = expected or "its recordings"
    raise ManifestError(
        f"{source}: {name} is not there: looked in {looked} for {what}. It is OpenSLR's SLR{slr}, "
        f"https://www.openslr.org/{slr}/: unpack it, and give the folder that it makes"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not text in UTF-8: {error}") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None


def _lines(path: Path) -> list[tuple[str, str]]:
    lines = _text(path).splitlines()
    return [(f"{path}:{i}", line.strip()) for i, line in enumerate(lines, 1) if line.strip()]
