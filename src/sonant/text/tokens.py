"""Text to token ids and back: SentencePiece (Kudo and Richardson 2018, arXiv:1808.06226)."""

import io
import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sonant.errors import TokenError
from sonant.text.transcript import Word

SPACE = "▁"  # SentencePiece's mark of the start of a word
UNKNOWN = "⁇"  # what an unknown piece reads as
THREADS = 4  # fixed: the sums of unigram training depend on how they are split


class Tokens:
    """A token model: id 0 is the blank, `<blk>`; id 1 the unknown piece, `<unk>`; no sentence marks.

    Make one with `train`, `load` or `from_bytes`. Tokens can be pickled, and compared.
    """

    blank = 0

    def __init__(self, model: bytes, name: str = "<bytes>"):
        """model: a SentencePiece model file. Raises TokenError, with `name`, where it is none."""
        import sentencepiece

        try:
            if not model:
                raise RuntimeError("it is empty")  # SentencePiece would print, and load nothing
            self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise TokenError(
                f"{name}: is no SentencePiece model ({len(model)} bytes): {_said(error)}"
            ) from error
        self._model, self._size = model, len(self._processor)
        self._known: dict[str, bool] = {}  # characters that were asked for
        if not (self._processor.is_control(0) or self._processor.is_unknown(0)):
            raise TokenError(
                f"{name}: id 0 is the piece {self._processor.id_to_piece(0)!r}; expected the blank, <blk>: "
                "train with pad_id=0, or Tokens.train"
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Tokens":
        """Read a model file. Raises TokenError where it is missing or no SentencePiece model."""
        try:
            return cls(Path(path).read_bytes(), os.fspath(path))
        except OSError as error:
            raise TokenError(
                f"{os.fspath(path)}: cannot be read: {error.strerror}; expected a SentencePiece model"
            ) from error

    @classmethod
    def from_bytes(cls, model: bytes) -> "Tokens":
        return cls(model)

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        vocab_size: int | None,
        kind: Literal["bpe", "unigram", "char"] = "bpe",
    ) -> "Tokens":
        """Learn pieces from sentences; the same sentences give the same model, byte for byte.

        vocab_size: pieces in all, with `<blk>` and `<unk>`; for kind="char", None takes every character.
        Text is normalised as SentencePiece does by default (NFKC, runs of spaces to one); case is kept.
        Raises TokenError where so many pieces cannot be learned, with the number that can.
        """
        import sentencepiece

        if kind not in ("bpe", "unigram", "char"):
            raise TokenError(f"kind={kind!r}; expected 'bpe', 'unigram' or 'char'")
        if isinstance(sentences, str):
            raise TokenError("sentences is one string; expected many: pass a list of sentences")
        lines = list(sentences)
        for number, line in enumerate(lines):
            if not isinstance(line, str):
                raise TokenError(f"sentence {number} is a {type(line).__name__}; expected a str")
        if not any(line.strip() for line in lines):
            raise TokenError(f"{len(lines)} sentences hold no text; expected at least one that does")
        whole = vocab_size is None and kind == "char"
        if not whole and (isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or vocab_size < 3):
            raise TokenError(f"vocab_size={vocab_size!r}; expected at least 3: <blk>, <unk> and one piece")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                vocab_size=1 << 20 if whole else vocab_size,
                model_type=kind,
                pad_id=0,
                pad_piece="<blk>",
                unk_id=1,
                unk_piece="<unk>",
                unk_surface=UNKNOWN,
                bos_id=-1,
                eos_id=-1,
                character_coverage=1.0,
                max_sentence_length=1 << 30,
                num_threads=THREADS,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise TokenError(f"{kind} tokens, vocab_size={vocab_size}: {_mend(error)}") from error
        tokens = cls(model.getvalue())
        if not whole and len(tokens) != vocab_size:
            raise TokenError(
                f"{kind} tokens, vocab_size={vocab_size}: these sentences have {len(tokens) - 2} different "
                f"characters; expected vocab_size of {len(tokens)} at most"
            )
        return tokens

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, as SentencePiece reads it."""
        try:
            Path(path).write_bytes(self._model)
        except OSError as error:
            raise TokenError(f"{os.fspath(path)}: cannot be written: {error.strerror}") from error

    def to_bytes(self) -> bytes:
        return self._model

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokens) and self._model == other._model

    def __hash__(self) -> int:
        return hash(self._model)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokens, (self._model,)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The piece of every id; `▁` is the start of a word."""
        return tuple(self._processor.id_to_piece(index) for index in range(self._size))

    def encode(self, text: str) -> list[int]:
        """Ids of a text; a character that no piece holds becomes 1, `<unk>`."""
        if not isinstance(text, str):
            raise TokenError(f"text is a {type(text).__name__}; expected a str")
        return self._processor.encode(text)

    def lacks(self, text: str) -> list[str]:
        """The characters of a text that no piece holds, each once, in order."""
        return [character for character in dict.fromkeys(text) if self._is_lacking(character)]

    def _is_lacking(self, character: str) -> bool:
        known = self._known.get(character)
        if known is None:
            known = not any(map(self._processor.is_unknown, self._processor.encode(character)))
            self._known[character] = known
        return not known

    def decode(self, ids: Iterable[int]) -> str:
        """The words of these ids, joined by single spaces; `<unk>` reads as ⁇, the blank as nothing."""
        checked = self._checked(ids)
        texts = (self._text([checked[i] for i in group]) for group in self._groups(checked))
        return " ".join(text for text in texts if text)

    def words(
        self, ids: Sequence[int], starts: Sequence[float], ends: Sequence[float], confidences: Sequence[float]
    ) -> tuple[Word, ...]:
        """Pieces with times to words: a piece that begins with `▁` begins a word.

        starts, ends: seconds of each piece. A word lasts from its first piece's start to its last one's end;
        its confidence is their mean. `" ".join` of the words' texts equals `decode(ids)`.
        """
        checked = self._checked(ids)
        lengths = (len(checked), len(starts), len(ends), len(confidences))
        if len(set(lengths)) > 1:
            raise TokenError(
                f"ids, starts, ends and confidences have {lengths} entries; expected the same number"
            )
        words = []
        for group in self._groups(checked):
            text = self._text([checked[i] for i in group])
            if text:
                confidence = sum(float(confidences[i]) for i in group) / len(group)
                words.append(Word(text, float(starts[group[0]]), float(ends[group[-1]]), confidence))
        return tuple(words)

    def _checked(self, ids: Iterable[int]) -> list[int]:
        checked = [int(index) for index in ids]
        for index in checked:
            if not 0 <= index < self._size:
                raise TokenError(f"token id {index}; expected 0 to {self._size - 1}")
        return checked

    def _groups(self, ids: list[int]) -> list[list[int]]:
        """Positions of the pieces of each word; blanks belong to none."""
        groups: list[list[int]] = []
        for position, index in enumerate(ids):
            if index == self.blank:
                continue
            if not groups or self.pieces[index].startswith(SPACE):
                groups.append([])
            groups[-1].append(position)
        return groups

    def _text(self, ids: list[int]) -> str:
        runs: list[list[int]] = [[]]
        for index in ids:
            if self._processor.is_unknown(index):
                runs.append([])
            else:
                runs[-1].append(index)
        return UNKNOWN.join(self._processor.decode(run) if run else "" for run in runs).strip()


def _said(error: Exception) -> str:
    """SentencePiece's message without its source lines."""
    text = re.sub(r"^.*?\.cc\(\d+\)\s*(\[.*?\]\s)?", "", str(error)).strip()
    return text or "it cannot be read"


def _mend(error: Exception) -> str:
    text = str(error)
    if most := re.search(r"value <= (\d+)", text):
        return f"these sentences give {most[1]} pieces; expected vocab_size of {most[1]} at most"
    if least := re.search(r"(\d+) vs (\d+)\.", text):
        return (
            f"these sentences need {least[2]} pieces for their characters alone; expected vocab_size of at "
            f"least {least[2]}"
        )
    return _said(error)
