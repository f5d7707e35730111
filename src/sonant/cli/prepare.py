"""sonant prepare: from a corpus to what `sonant train` needs: manifests, tokens, statistics and a recipe."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from sonant import audio, text
from sonant.audio import Utterance
from sonant.audio.corpora import (
    MINI_LIBRISPEECH,
    Listed,
    Subsets,
    list_aishell,
    list_folder,
    list_librispeech,
    list_table,
    list_yesno,
)
from sonant.audio.manifest import NAMED, SANE, write_manifest
from sonant.audio.survey import survey
from sonant.cli.output import whole_file
from sonant.cli.prepared_recipe import transducer_recipe, yesno_recipe
from sonant.cli.prepared_statistics import shown, statistics
from sonant.errors import ConfigError, ManifestError

STEPS = ("list", "survey", "manifests", "tokens", "statistics", "recipe")
Step = Literal["list", "survey", "manifests", "tokens", "statistics", "recipe"]
BPE = 500  # pieces, where nothing is said


@dataclass(frozen=True)
class Prepare:
    """Make what `sonant train` needs of a corpus: manifests, tokens, statistics and a recipe.

    Steps: list (the recordings), survey (look into each), manifests, tokens, statistics, recipe. What is done
    is not done again, so that the same command goes on where it was broken off.
    """

    kind: tyro.conf.Positional[
        Literal["yesno", "mini_librispeech", "librispeech", "aishell", "folder", "csv"]
    ]
    """What the corpus is; `folder`: recordings, each with its text in a .txt of the same name; `csv`: a table
    (.csv or .tsv) with columns audio and text."""

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SOURCE")]
    """The corpus as it comes out of its archive, or a folder with a manifest.jsonl, or a manifest."""

    out: Path
    """Folder for what is made."""

    steps: tuple[Step, ...] = ()
    """Do these, and no others, even if they are done."""

    from_: Annotated[Step | None, tyro.conf.arg(name="from")] = None
    """Begin with this step, even if it is done."""

    to: Step | None = None
    """End with this step."""

    bad: Literal["stop", "skip"] = "stop"
    """Recordings and lines that cannot be used: end with their names, or leave them out; bad.tsv has all."""

    check: Literal["header", "decode"] = "header"
    """What the survey reads of each recording; decode finds truncated and damaged ones, and takes longer."""

    valid: Path | None = None
    """A corpus to measure errors on; without it the corpus's own, or some held out at random."""

    held_out: int | None = None
    """How many those are; without it a twentieth, at most 500."""

    text: Literal["auto", "spoken", "as-is"] = "auto"
    """spoken: English in capital letters, without punctuation; auto: that where all texts are English."""

    tokens: Literal["auto", "char", "bpe", "unigram"] = "auto"
    """auto: bpe for librispeech, char for the others."""

    vocab_size: int | None = None
    """Number of tokens; without it every character, or 500 pieces."""

    threads: int = 4
    """Of the survey."""


def main(argv: Sequence[str]) -> int:
    Preparation(tyro.cli(Prepare, prog="sonant prepare", args=argv)).run()
    return 0


def chosen(options: Prepare) -> tuple[list[str], bool]:
    """The steps to do, and whether they are done even if they have been."""
    if options.steps:
        if options.from_ or options.to:
            raise ConfigError("--steps with --from or --to: give either the steps or the first and the last")
        return [step for step in STEPS if step in options.steps], True
    first = STEPS.index(options.from_ or STEPS[0])
    last = STEPS.index(options.to or STEPS[-1])
    if first > last:
        raise ConfigError(f"--from {options.from_} --to {options.to}: the steps are {', '.join(STEPS)}")
    return list(STEPS[first : last + 1]), options.from_ is not None


class Preparation:
    """Each step reads files of the ones before, and `prepare.json` has what each was made from."""

    def __init__(self, options: Prepare):
        self.options = options
        self.out = options.out
        self.state = self.out / "prepare.json"

    def run(self) -> None:
        steps, again = chosen(self.options)
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out {self.out}: cannot be made: {error.strerror}") from None
        done: dict[str, str] = json.loads(self.state.read_text()) if self.state.exists() else {}
        for step in STEPS[: STEPS.index(steps[0])]:
            if step not in done:
                raise ConfigError(
                    f"step {steps[0]} needs {step}, which is not done in {self.out}: begin with it"
                )
        for step in steps:
            # Listing is quick, and tells whether the corpus has changed.
            mark = self._mark(step, done)
            if not again and step != "list" and done.get(step) == mark:
                self._say(f"{step}: done before")
                continue
            work: Callable[[], str] = getattr(self, f"_{step}")
            self._say(f"{step}: {work()}")
            done[step] = self._mark(step, done)
            with whole_file(self.state) as file:
                json.dump(done, file, indent=1)

    def _say(self, line: str) -> None:
        print(line, flush=True)

    def _mark(self, step: str, done: dict[str, str]) -> str:
        """Of what a step is made from: the options that it looks at, and the step before."""
        options = asdict(self.options)
        looked_at = {
            "list": ("kind", "source", "valid"),
            "survey": ("check",),
            "manifests": ("bad", "held_out", "text"),
            "tokens": ("tokens", "vocab_size"),
        }
        row = [str(options[name]) for name in looked_at.get(step, ())]
        if step == "list" and self._listing.exists():
            row.append(self._listing.read_text(encoding="utf-8"))
        at = STEPS.index(step)
        row.append(done.get(STEPS[at - 1], "") if at else "")
        return hashlib.sha256("\n".join(row).encode()).hexdigest()[:16]

    # list: listing.jsonl, a line for each recording of each subset

    @property
    def _listing(self) -> Path:
        return self.out / "listing.jsonl"

    def _list(self) -> str:
        wrong: list[str] = []
        subsets = self._subsets(wrong)
        if self.options.valid is not None:
            for name in [name for name in subsets if is_valid(name)]:
                del subsets[name]
            subsets["valid"] = listed(self.options.valid, wrong)
        with whole_file(self._listing) as file:
            for name, rows in subsets.items():
                for row in rows:
                    line = {"subset": name} | asdict(row) | {"audio": str(row.audio.absolute())}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            for line in wrong:
                file.write(json.dumps({"wrong": line}, ensure_ascii=False) + "\n")
        self.__dict__.pop("listing", None)
        return ", ".join(f"{name} {len(rows)}" for name, rows in subsets.items()) + " recordings"

    def _subsets(self, wrong: list[str]) -> Subsets:
        kind, source = self.options.kind, self.options.source
        if (source / "manifest.jsonl").is_file() or source.suffix == ".jsonl":
            rows = listed(source, wrong)
            if kind == "yesno":
                rows.sort(key=lambda row: row.id)
                return {"train": rows[:31], "test": rows[31:]}
            return {"train": rows}
        readers: dict[str, Callable[[Path], Subsets]] = {
            "yesno": list_yesno,
            "mini_librispeech": lambda path: list_librispeech(path, MINI_LIBRISPEECH, 31),
            "librispeech": list_librispeech,
            "aishell": list_aishell,
            "folder": list_folder,
            "csv": list_table,
        }
        return readers[kind](source)

    @cached_property
    def listing(self) -> tuple[Subsets, list[str]]:
        """Recordings by subset, and lines that name none."""
        subsets: Subsets = {}
        wrong: list[str] = []
        for line in self._listing.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "wrong" in row:
                wrong.append(row["wrong"])
                continue
            name = row.pop("subset")
            subsets.setdefault(name, []).append(Listed(**row | {"audio": Path(row["audio"])}))
        return subsets, wrong

    # survey: survey.jsonl

    @property
    def _paths(self) -> list[Path]:
        return [row.audio for rows in self.listing[0].values() for row in rows]

    def _survey(self) -> str:
        from tqdm import tqdm

        with tqdm(total=len(self._paths), unit="file", desc="survey", file=sys.stderr, leave=False) as bar:
            found = self._surveyed(bar.update)
        hours = sum(one.duration for one in found.values()) / 3600
        return f"{len(found)} recordings, {hours:.2f} h"

    def _surveyed(self, progress: Callable[[int], object] = lambda done: None):
        return survey(
            self._paths,
            self.out / "survey.jsonl",
            decode=self.options.check == "decode",
            threads=self.options.threads,
            progress=progress,
        )

    # manifests: one for each subset; bad.tsv

    def _manifests(self) -> str:
        subsets, lines = self.listing
        bad = [("", line) for line in lines]
        texts = [row.text for rows in subsets.values() for row in rows]
        spoken = self._is_spoken(texts)
        found = self._surveyed()
        kept: dict[str, list[Utterance]] = {}
        for name, rows in subsets.items():
            kept[name] = []
            ids: set[str] = set()
            for row in rows:
                said = text.spoken(row.text) if spoken else row.text.strip()
                one = found.get(row.audio)
                reason = (
                    "there is no such recording"
                    if one is None
                    else one.wrong.removeprefix(f"{row.audio}: ")
                    if one.wrong
                    else f"lasts {one.duration:g} s, expected {SANE[0]:g} to {SANE[1]:g}"
                    if not SANE[0] <= one.duration <= SANE[1]
                    else f"nothing is left of its text {row.text!r}"
                    if not said
                    else f"its id {row.id!r} stands there twice"
                    if row.id in ids
                    else ""
                )
                ids.add(row.id)
                if reason or one is None:
                    bad.append((row.where, f"{row.audio}: {reason}"))
                else:
                    kept[name].append(
                        Utterance(
                            row.id, row.audio, said, round(one.duration, 4), row.speaker, one.sample_rate
                        )
                    )
        self._report(bad)
        kept = self._split(kept)
        for name, utterances in kept.items():
            part = self.out / f".{name}.jsonl.part"
            write_manifest(utterances, part)
            part.replace(self.out / f"{name}.jsonl")
        with whole_file(self.out / "subsets.json") as file:
            json.dump({"subsets": list(kept), "spoken": spoken}, file)
        left = f"; {len(bad)} left out, see {self.out / 'bad.tsv'}" if bad else ""
        return ", ".join(f"{name}.jsonl {len(rows)}" for name, rows in kept.items()) + left

    def _is_spoken(self, texts: list[str]) -> bool:
        if self.options.text != "auto":
            return self.options.text == "spoken"
        letters = Counter(c for line in texts for c in line.upper() if c.isalpha())
        return all("A" <= c <= "Z" for c in letters)

    def _report(self, bad: list[tuple[str, str]]) -> None:
        with whole_file(self.out / "bad.tsv") as file:
            for where, what in bad:
                file.write(f"{where}\t{what}\n".replace("\r", " "))
        if not bad:
            return
        named = [what for _, what in bad[:NAMED]]
        if len(bad) > NAMED:
            named.append(f"and {len(bad) - NAMED} more, in {self.out / 'bad.tsv'}")
        if self.options.bad == "stop":
            raise ManifestError(
                "\n".join(
                    [*named, f"{len(bad)} cannot be used: mend them, or leave them out with --bad skip"]
                )
            )
        print("\n".join(named), file=sys.stderr)

    def _split(self, kept: dict[str, list[Utterance]]) -> dict[str, list[Utterance]]:
        """Holds some of the training set out where there is nothing to measure errors on."""
        train = kept.get("train", [])
        if self.options.kind == "yesno" or any(map(is_valid, kept)) or not train:
            return kept
        size = self.options.held_out
        size = min(500, -(-len(train) // 20)) if size is None else size
        if not 0 <= size < len(train):
            raise ConfigError(f"--held-out {size} of {len(train)} recordings: expected fewer")
        held = set(np.random.default_rng(0).permutation(len(train))[:size].tolist())
        parts = {
            "train": [u for i, u in enumerate(train) if i not in held],
            "valid": [train[i] for i in sorted(held)],
        }
        return {
            name: rows
            for name, rows in (parts | {n: r for n, r in kept.items() if n != "train"}).items()
            if rows
        }

    @property
    def prepared(self) -> tuple[dict[str, list[Utterance]], bool]:
        """The manifests, and whether their texts are `spoken`."""
        made = json.loads((self.out / "subsets.json").read_text())
        return {n: audio.read_corpus(self.out / f"{n}.jsonl") for n in made["subsets"]}, made["spoken"]

    @staticmethod
    def _train(subsets: dict[str, list[Utterance]]) -> list[Utterance]:
        found = [u for name, rows in subsets.items() if is_train(name) for u in rows]
        if not found:
            raise ManifestError(f"nothing to train on: there are {', '.join(subsets)}; expected a train set")
        return found

    # tokens: tokens.model

    @property
    def _kind(self) -> Any:
        if self.options.tokens != "auto":
            return self.options.tokens
        return "bpe" if self.options.kind == "librispeech" else "char"

    def _tokens(self) -> str:
        size = self.options.vocab_size
        if size is None and self._kind != "char":
            size = BPE
        sentences = [u.text for u in self._train(self.prepared[0])]
        tokens = text.Tokens.train(sentences, size, kind=self._kind)
        with whole_file(self.out / "tokens.txt") as file:
            file.writelines(f"{piece} {i}\n" for i, piece in enumerate(tokens.pieces))
        part = self.out / ".tokens.model.part"
        tokens.save(part)
        part.replace(self.out / "tokens.model")
        return f"{len(tokens)} {self._kind} tokens, tokens.model and tokens.txt"

    # statistics: statistics.json, and printed

    def _statistics(self) -> str:
        tokens = text.Tokens.load(self.out / "tokens.model")
        subsets, _ = self.prepared
        rows = {name: statistics(utterances, tokens) for name, utterances in subsets.items()}
        with whole_file(self.out / "statistics.json") as file:
            json.dump(rows, file, indent=1)
        for name, utterances in subsets.items():
            self._say(shown(name, rows[name]))
            lacking = Counter(c for u in utterances for c in tokens.lacks(u.text))
            if lacking:
                found = ", ".join(f"{c!r} in {n}" for c, n in lacking.most_common(NAMED))
                self._say(f"  no token holds {found} of its texts")
        return "statistics.json"

    # recipe: recipe.py

    def _recipe(self) -> str:
        subsets, spoken = self.prepared
        path = self.out / "recipe.py"
        title = f"{self.options.kind}, as `sonant prepare` found it."
        if self.options.kind == "yesno":
            made = yesno_recipe(title=title, path=str(path), held_out=len(subsets["test"]))
        else:
            made = transducer_recipe(
                title=title,
                path=str(path),
                hours=sum(u.duration for u in self._train(subsets)) / 3600,
                train=[f"{name}.jsonl" for name in subsets if is_train(name)],
                valid=next((f"{name}.jsonl" for name in subsets if is_valid(name)), None),
                spoken=spoken,
                kind=self._kind,
            )
        with whole_file(path) as file:
            file.write(made)
        return f"sonant train {path}"


def is_train(name: str) -> bool:
    return name.startswith("train")


def is_valid(name: str) -> bool:
    return name.startswith(("valid", "dev"))


def listed(corpus: Path, wrong: list[str]) -> list[Listed]:
    """A corpus that has a manifest, or is LibriSpeech's."""
    found = audio.read_corpus(corpus, wrong=wrong)
    return [Listed(u.id, u.audio, u.text, u.speaker, str(corpus)) for u in found]
