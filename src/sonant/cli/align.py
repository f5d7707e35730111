"""sonant align: a recording and its text in, times of words out, and where the two differ."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sonant.errors import ConfigError

if TYPE_CHECKING:
    from sonant.text import Alignment, UnsaidWord

_SHOWN = 12  # words of a gap that the report writes out


@dataclass(frozen=True)
class Align:
    """Write when each word of a text is said in a recording.

    The recording may be hours long. The text may differ from it: words that were not said have no times, and
    what was said besides is kept apart; both are listed on standard error, and in json and TextGrid.
    """

    audio: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AUDIO")]
    """Recording: wav, flac, ogg, opus, mp3; with the extra `media` also m4a, mp4, webm."""

    text: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TEXT")]
    """File with what is said, UTF-8, in any case and with any punctuation; `-` for standard input."""

    model: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of a model, or of a Kaldi experiment of Gaussian mixtures (exp/tri3: final.mdl, tree, ...), or a
    .mdl file in one; without it the bundled English model."""

    format: Annotated[
        Literal["ctm", "TextGrid", "json", "srt", "vtt", "tsv"], tyro.conf.arg(aliases=["-f"])
    ] = "ctm"
    """Of the output."""

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """File to write; without it standard output."""

    head: Literal["ctc", "transducer"] = "ctc"
    """The scores to align with; transducer takes longer and finds no large gaps in the text."""

    strict: bool = False
    """All of the text, and nothing else, is said: no word may be left out. With a Kaldi experiment always."""

    tier: Literal["words", "phones"] = "words"
    """What ctm, srt, vtt and tsv hold; json and TextGrid hold both. Kaldi experiments have phones."""

    lang: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Kaldi's lang folder; without it `lang` beside the model, or data/lang beside exp."""

    feats: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Kaldi's options of features, mfcc.conf, plp.conf or fbank.conf; without it one in `conf`, beside the
    model or beside exp."""

    cmvn: Annotated[str | None, tyro.conf.arg(metavar="RXFILENAME")] = None
    """Kaldi's statistics of the speaker (cmvn.ark:7); without it those of the recording."""

    beam: float | None = None
    """Of the search with a Kaldi experiment, 10 if not given; where that loses the text, 4 times as wide."""


def main(argv: Sequence[str]) -> int:
    return run(tyro.cli(Align, prog="sonant align", args=argv))


def run(options: Align) -> int:
    text = _read(options.text)

    from sonant.text import render, write

    found = _aligned_by_mixtures(options, text) if _of_kaldi(options.model) else _aligned(options, text)
    found = replace(found, name=options.audio.stem)  # a NIST scorer knows recordings by name, not by path
    both = options.format in ("json", "TextGrid")
    shown = found.phone_transcript if options.tier == "phones" and not both else found
    if options.output is None:
        print(render(shown, options.format), end="", flush=True)
    else:
        write(shown, options.format, options.output)
    for line in report(found):
        print(line, file=sys.stderr)
    return 0


def _of_kaldi(model: Path | None) -> bool:
    """Whether this is an experiment of Kaldi, or a model in one, and no bundle of ours."""
    if model is None:
        return False
    names = ("final.mdl", "final.alimdl")
    return model.suffix in (".mdl", ".alimdl") or any((model / name).is_file() for name in names)


def _aligned(options: Align, text: str) -> "Alignment":
    kaldis = [name for name in ("lang", "feats", "cmvn", "beam") if getattr(options, name) is not None]
    if kaldis or options.tier == "phones":
        given = f"--{kaldis[0]}" if kaldis else "--tier phones"
        raise ConfigError(
            f"{given} is for a Kaldi experiment, but --model {options.model or 'is not given'}; expected the "
            "folder with its final.mdl"
        )
    import sonant
    from sonant.search import AlignmentConfig

    config = AlignmentConfig.strict() if options.strict else None
    return sonant.load(options.model).align(options.audio, text, head=options.head, config=config)


def _aligned_by_mixtures(options: Align, text: str) -> "Alignment":
    if options.head != "ctc":
        raise ConfigError(f"--head {options.head} with mixtures of Gaussians, {options.model}; leave it out")
    from sonant.model.gmm import GmmModel

    assert options.model is not None
    model = GmmModel.load(options.model, lang=options.lang, features=options.feats, cmvn=options.cmvn)
    beam = 10.0 if options.beam is None else options.beam
    return model.align(options.audio, text, beam=beam, retry_beam=4 * beam)


def _read(path: Path) -> str:
    """Raises ConfigError where the file is not UTF-8 or holds nothing; OSError where it cannot be read."""
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is {data[error.start]:#04x}, which is no UTF-8; expected a text in "
            "UTF-8: convert it with iconv"
        ) from None
    if not text.strip():
        raise ConfigError(f"{path}: there is no text in it; expected what the recording says")
    return text


def report(found: "Alignment") -> list[str]:
    """Where text and recording differ, a line for each."""
    lines = []
    unknown = set(found.unknown)
    unsaid = [word for word in found.unsaid if word.reason == "not heard"]
    for _, group in groupby(enumerate(unsaid), key=lambda pair: pair[1].position - pair[0]):
        lines.append(_gap([word for _, word in group]))
    for part in found.unmatched:
        lines.append(f"not in the text: {part.start:.2f} to {part.end:.2f} s, heard as {part.heard!r}")
    if not found.complete:
        lines.append("more of the text is missing at the end than the search can tell")
    for position, word in zip(found.positions, found.words, strict=True):
        if position in unknown:
            lines.append(
                f"not in the model's lexicon: word {position + 1}, at {word.start:.2f} s: {word.text}"
            )
    return lines


def _gap(words: list["UnsaidWord"]) -> str:
    shown = " ".join(word.text for word in words[:_SHOWN])
    more = f" ... ({len(words)} words)" if len(words) > _SHOWN else ""
    first, last = words[0].position + 1, words[-1].position + 1
    where = f"word {first}" if first == last else f"words {first} to {last}"
    return f"not heard: {where}, at {words[0].after:.2f} s: {shown}{more}"
