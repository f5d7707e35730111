"""Forced alignment with mixtures of Gaussians that Kaldi trained: words and phones with their times."""

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from sonant import audio
from sonant.audio import Source
from sonant.errors import ConfigError, DecodingError, ModelError, SearchError, TokenError
from sonant.kaldi.alignment import GmmAligner
from sonant.kaldi.decoder import FasterDecoderOptions, TrainingGraphCompilerOptions
from sonant.kaldi.fstext import SymbolTable
from sonant.kaldi.lat.align import (
    WordAlignLatticeLexiconInfo,
    WordBoundaryInfo,
    WordBoundaryInfoNewOpts,
    read_lexicon_for_word_align,
)
from sonant.model.alignment import is_said
from sonant.model.gmm_features import GmmFeatures
from sonant.text import Alignment, Phone, UnsaidWord, Word

BLOCK_SECONDS = 30.0
# Where features are adapted to speakers, the first is of features that are not.
MODELS = ("final.alimdl", "final.mdl")


class GmmModel:
    """An experiment of Kaldi: its mixtures and tree, its features, and the lang folder it was trained with.

    Threads may share it: each call searches for itself.
    """

    def __init__(
        self, aligner: GmmAligner, features: GmmFeatures, phones: SymbolTable, words_of: Any, unknown: str
    ):
        """words_of: what tells words from phones: word boundaries or a lexicon. unknown: the word in whose
        place those stand that the lexicon lacks; "" for none."""
        self._aligner, self._features, self._phones = aligner, features, phones
        self._words_of, self._unknown = words_of, unknown

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        lang: str | os.PathLike[str] | None = None,
        features: str | os.PathLike[str] | None = None,
        cmvn: str | None = None,
    ) -> Self:
        """path: the folder of an experiment (`exp/tri3`: final.mdl or final.alimdl, tree, and where they are
        final.mat, cmvn_opts, delta_opts, splice_opts), or a model in it. lang: the lang folder; without it
        `lang` beside the model, or the `data/lang` that lies beside `exp`. features: the file of feature
        options, such as mfcc.conf; without it one in `conf`, beside the model or beside `exp`. cmvn:
        statistics of the speaker, an extended filename; without it those of each recording.

        Raises ModelError, which names the file and the option that mends it, for what is not there, and
        what Kaldi's readers raise for files that are not what they should be.
        """
        path = Path(path)
        model = path if path.is_file() else next((path / n for n in MODELS if (path / n).is_file()), None)
        if model is None:
            raise ModelError(f"{path}: no {' or '.join(MODELS)} in it; expected an experiment of Kaldi")
        folder = model.parent
        home = folder.absolute().parent.parent  # of exp/NAME
        found_lang = _first(lang, [folder / "lang", home / "data" / "lang"], "a lang folder", "lang")
        configs = [
            place / "conf" / f"{kind}.conf" for place in (folder, home) for kind in ("mfcc", "plp", "fbank")
        ]
        conf = _first(features, configs, "feature options", "features (--feats)")
        words_of: Any
        if (boundaries := found_lang / "phones" / "word_boundary.int").is_file():
            words_of = WordBoundaryInfo.from_file(WordBoundaryInfoNewOpts(), str(boundaries))
        else:
            lexicon = _there(found_lang / "phones" / "align_lexicon.int")
            words_of = WordAlignLatticeLexiconInfo(read_lexicon_for_word_align(str(lexicon)))
        aligner = GmmAligner.from_files(
            str(model),
            str(_there(folder / "tree")),
            str(_there(found_lang / "L.fst")),
            str(_there(found_lang / "words.txt")),
            str(_there(found_lang / "phones" / "disambig.int")),
            # Transition probabilities once, as Kaldi's scripts add them.
            TrainingGraphCompilerOptions(transition_scale=0.0, self_loop_scale=0.0),
            self_loop_scale=0.1,
        )
        made = GmmFeatures(folder, conf, cmvn)
        if made.dim != aligner.acoustic_model.dim():
            raise ModelError(
                f"{model}: mixtures of {aligner.acoustic_model.dim()} features, but {conf} and the options "
                f"beside the model make {made.dim}; expected the options that it was trained with"
            )
        oov = found_lang / "oov.txt"
        unknown = oov.read_text("utf-8", "replace").strip() if oov.is_file() else ""
        phones = SymbolTable.read_text(str(_there(found_lang / "phones.txt")))
        return cls(aligner, made, phones, words_of, unknown)

    def features(
        self,
        source: Source,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        encoding: str | None = None,
    ) -> tuple[np.ndarray, float]:
        """Features (frames, dim) float32 of a recording, and its length in seconds; arguments as for
        `sonant.audio.load`."""
        samples = 0

        def blocks() -> Iterator[np.ndarray]:
            nonlocal samples
            for block in audio.blocks(
                source,
                sample_rate=sample_rate,
                target_rate=self._features.sample_rate,
                channel=channel,
                encoding=encoding,
                seconds=BLOCK_SECONDS,
            ):
                samples += len(block)
                yield block

        frames = self._features.compute(blocks())
        return frames, samples / self._features.sample_rate

    def align(
        self,
        source: Source,
        text: str,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        encoding: str | None = None,
        beam: float = 10.0,
        retry_beam: float = 40.0,
    ) -> Alignment:
        """When each word of a text, and each phone, is said in a recording. All of the text, and nothing
        else but silence, must be said in it.

        text: words between white space; where the words of the model lack one, it is tried in other cases
        and without punctuation, and then stands for the model's word for unknown ones. beam, retry_beam: of
        the search, and of the second one where the first did not come to the end, as in Kaldi's gmm-align.

        The search keeps what the beam keeps alive; what grows with the recording are its features (16 kB a
        second for 39 of them), and the path, and with the text the graph. Confidences are 1: a forced
        alignment has none.

        Raises TokenError for a text without words or with one that cannot be written; DecodingError where
        the beams lost it; AudioError for what cannot be read.
        """
        written = self._written(text)
        frames, duration = self.features(source, sample_rate=sample_rate, channel=channel, encoding=encoding)
        found = self._searched(frames, written, beam, retry_beam)
        seconds = self._features.frame_seconds
        spans = [
            (begin, count)
            for word, begin, count in self._aligner.to_word_alignment(found["best_path"], self._words_of)
            if self._aligner.symbols.find_index(word) != 0
        ]
        if len(spans) != sum(number is not None for number in written.numbers):
            raise SearchError(
                f"the alignment of {len(written.words)} words has {len(spans)}; expected the phones of the "
                "lang folder that the model was trained with"
            )
        timed: list[Word] = []
        positions: list[int] = []
        unsaid: list[UnsaidWord] = []
        for position, (word, number) in enumerate(zip(written.words, written.numbers, strict=True)):
            if number is None:
                unsaid.append(UnsaidWord(word, position, timed[-1].end if timed else 0.0, "punctuation"))
                continue
            begin, count = spans[len(timed)]
            timed.append(Word(word, begin * seconds, (begin + count) * seconds, 1.0))
            positions.append(position)
        phones = [
            Phone(phone, begin * seconds, (begin + count) * seconds)
            for phone, begin, count in self._aligner.to_phone_alignment(found["alignment"], self._phones)
        ]
        return Alignment(
            tuple(timed),
            tuple(positions),
            tuple(unsaid),
            (),
            duration,
            name=os.fspath(source) if isinstance(source, str | os.PathLike) else "",
            phones=tuple(phones),
            unknown=written.unknown,
        )

    def _searched(self, frames: np.ndarray, text: "_Text", beam: float, retry_beam: float) -> dict[str, Any]:
        if not beam > 0:
            raise ConfigError(f"beam={beam!r}; expected a positive number")
        symbols = self._aligner.symbols
        words = " ".join(symbols.find_symbol(number) for number in text.numbers if number is not None)
        for tried in (beam, retry_beam):
            aligner = copy.copy(self._aligner)  # one for each search, whose options it has
            aligner.decoder_opts = FasterDecoderOptions()
            aligner.decoder_opts.beam = tried
            try:
                return aligner.align(frames, words)
            except DecodingError:
                if tried >= retry_beam:
                    raise
        raise AssertionError("the second search finds a path, or raises")

    def _written(self, text: str) -> "_Text":
        if not isinstance(text, str):
            raise TokenError(f"text is a {type(text).__name__}; expected a str")
        words = tuple(text.split())
        numbers = [self._number(word) for word in words]
        unknown = [i for i, n in enumerate(numbers) if n is None and any(map(is_said, words[i]))]
        if unknown:
            symbols = self._aligner.symbols
            number = symbols.find_index(self._unknown) if symbols.member_symbol(self._unknown) else 0
            if number <= 0:
                raise TokenError(
                    f"word {unknown[0] + 1} of the text, {words[unknown[0]]!r}, is not in the model's "
                    f"words.txt, and its oov.txt names no word for it ({self._unknown!r}); expected words of "
                    "its lexicon"
                )
            for position in unknown:
                numbers[position] = number
        if all(number is None for number in numbers):
            what = f"{len(words)} words, of punctuation alone" if words else "no words"
            raise TokenError(f"the text has {what}; expected the words that were said")
        return _Text(words, tuple(numbers), tuple(unknown))

    def _number(self, word: str) -> int | None:
        """Of the word as it stands, or in other cases, or without the punctuation at its ends."""
        symbols = self._aligner.symbols
        plain = word.replace("\u2019", "'")
        said = [i for i, letter in enumerate(plain) if is_said(letter)]
        bare = plain[said[0] : said[-1] + 1] if said else plain
        for form in (plain, plain.upper(), plain.lower(), bare, bare.upper(), bare.lower()):
            if form.startswith("#") or form in ("<s>", "</s>") or not symbols.member_symbol(form):
                continue
            if (number := symbols.find_index(form)) > 0:
                return number
        return None


@dataclass(frozen=True)
class _Text:
    """words: as they stand. numbers: in the model's words.txt, None for punctuation. unknown: positions of
    words that the model lacks, which have the number of its word for those."""

    words: tuple[str, ...]
    numbers: tuple[int | None, ...]
    unknown: tuple[int, ...]


def _first(given: Any, places: Sequence[Path], what: str, option: str) -> Path:
    if given is not None:
        return _there(Path(given))
    for place in places:
        if place.exists():
            return place
    listed = ", ".join(map(str, places))
    raise ModelError(f"there is none of {listed}; expected {what} in one of these places, or by `{option}`")


def _there(path: Path) -> Path:
    if not path.exists():
        raise ModelError(f"{path}: there is no such file; expected it in a folder that Kaldi's scripts made")
    return path
