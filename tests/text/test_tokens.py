import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from sonant.errors import TokenError
from sonant.text import Tokens

SENTENCES = ["THE CAT SAT ON THE MAT", "A DOG SAT", "THE DOG ATE THE CAT'S MAT"] * 3
TOKENS = {
    kind: Tokens.train(SENTENCES, size, kind) for kind, size in (("bpe", 40), ("unigram", 18), ("char", None))
}


@pytest.mark.parametrize("kind", TOKENS)
def test_layout(kind):
    tokens = TOKENS[kind]
    assert tokens.pieces[:2] == ("<blk>", "<unk>")
    assert len(tokens) == len(tokens.pieces) == {"bpe": 40, "unigram": 18, "char": 15}[kind]
    assert tokens.blank == 0
    assert not any(piece in ("<s>", "</s>", "<pad>") for piece in tokens.pieces)


@pytest.mark.parametrize("kind", TOKENS)
def test_round_trip(kind):
    tokens = TOKENS[kind]
    for sentence in SENTENCES:
        ids = tokens.encode(sentence)
        assert min(ids) > 1
        assert tokens.decode(ids) == sentence
        assert tokens.decode(np.array(ids, np.int32)) == sentence
        assert tokens.decode([0, *ids, 0]) == sentence
    assert tokens.encode("") == []
    assert tokens.decode([]) == ""
    assert tokens.encode("  THE   CAT ") == tokens.encode("THE CAT")


@pytest.mark.parametrize("kind", TOKENS)
def test_unknown_characters(kind):
    tokens = TOKENS[kind]
    ids = tokens.encode("THE CAZT")
    assert ids.count(1) == 1
    assert tokens.decode(ids) == "THE CA⁇T"
    assert tokens.decode([1, 1]) == "⁇⁇"
    assert 0 not in tokens.encode("<blk>")


@pytest.mark.parametrize("kind", TOKENS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_words_of_any_ids(kind, data):
    tokens = TOKENS[kind]
    ids = data.draw(st.lists(st.integers(0, len(tokens) - 1), max_size=20))
    count = len(ids)
    words = tokens.words(ids, range(count), range(1, count + 1), [0.5] * count)
    assert " ".join(word.text for word in words) == tokens.decode(ids)
    assert all(word.end > word.start and word.confidence == 0.5 and " " not in word.text for word in words)
    assert all(left.end <= right.start for left, right in pairwise(words))


def test_words():
    tokens = TOKENS["char"]
    ids = tokens.encode("A DOG")
    assert [tokens.pieces[i] for i in ids] == ["▁", "A", "▁", "D", "O", "G"]
    words = tokens.words(ids, [0, 1, 2, 3, 4, 5], [1, 1.5, 3, 4, 5, 6], [1, 0.5, 1, 1, 0, 0])
    assert [(w.text, w.start, w.end, w.confidence) for w in words] == [
        ("A", 0, 1.5, 0.75),
        ("DOG", 2, 6, 0.5),
    ]
    with pytest.raises(TokenError, match=r"\(1, 1, 2, 1\) entries"):
        tokens.words([2], [0], [1, 2], [1])


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_training_is_repeatable_and_quiet(kind, capfd):
    again = Tokens.train(iter(SENTENCES), len(TOKENS[kind]), kind)
    assert again == TOKENS[kind]
    assert again.to_bytes() == TOKENS[kind].to_bytes()
    assert again != TOKENS["char"]
    said = capfd.readouterr()
    assert said.out == said.err == ""


def test_files_and_pickles(tmp_path):
    tokens = TOKENS["bpe"]
    path = tmp_path / "tokens.model"
    tokens.save(path)
    assert Tokens.load(path) == Tokens.load(str(path)) == Tokens.from_bytes(path.read_bytes()) == tokens
    assert pickle.loads(pickle.dumps(tokens)).encode("THE DOG") == tokens.encode("THE DOG")
    assert len({tokens, Tokens.load(path)}) == 1
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert theirs.encode("THE CAT") == tokens.encode("THE CAT")
    assert (theirs.pad_id(), theirs.unk_id(), theirs.bos_id(), theirs.eos_id()) == (0, 1, -1, -1)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_sizes_that_cannot_be(kind):
    with pytest.raises(TokenError, match=r"vocab_size=4000.*expected vocab_size of \d+ at most") as caught:
        Tokens.train(SENTENCES, 4000, kind)
    most = int(str(caught.value).split()[-3])
    assert len(Tokens.train(SENTENCES, most, kind)) == most
    for size in (0, 2, -5, True, 10.0, None)[: 6 if kind != "char" else 5]:
        with pytest.raises(TokenError, match="at least 3"):
            Tokens.train(SENTENCES, size, kind)
    if kind != "char":
        with pytest.raises(TokenError, match="characters alone; expected vocab_size of at least 15"):
            Tokens.train(SENTENCES, 5, kind)


def test_sentences_that_cannot_be():
    for sentences in ([], [""], ["", "  "]):
        with pytest.raises(TokenError, match=f"{len(sentences)} sentences hold no text"):
            Tokens.train(sentences, 20)
    with pytest.raises(TokenError, match="one string"):
        Tokens.train("THE CAT", 20)
    with pytest.raises(TokenError, match="sentence 1 is a bytes"):
        Tokens.train(["THE CAT", b"SAT"], 20)
    with pytest.raises(TokenError, match="kind='word'"):
        Tokens.train(SENTENCES, 20, "word")


def test_long_sentences_are_learned_from():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert set(letters) < set(Tokens.train(["THE CAT", " ".join(letters * 400)], None, "char").pieces)


def test_models_that_cannot_be(tmp_path, capfd):
    path = tmp_path / "tokens.model"
    with pytest.raises(TokenError, match=r"tokens.model: cannot be read: No such file"):
        Tokens.load(path)
    for junk in (b"", b"junk" * 10, TOKENS["bpe"].to_bytes()[:100]):
        path.write_bytes(junk)
        with pytest.raises(
            TokenError, match=rf"tokens.model: is no SentencePiece model \({len(junk)} bytes\)"
        ):
            Tokens.load(path)
    with pytest.raises(TokenError, match="cannot be written"):
        TOKENS["bpe"].save(tmp_path / "no" / "tokens.model")
    assert capfd.readouterr().err == ""


def test_a_model_without_a_blank(tmp_path):
    prefix = tmp_path / "other"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_prefix=str(prefix), vocab_size=17, model_type="char",
        unk_id=2, bos_id=-1, eos_id=-1, minloglevel=2, user_defined_symbols=["X", "Y"],
    )  # fmt: skip
    with pytest.raises(TokenError, match="id 0 is the piece 'X'; expected the blank"):
        Tokens.load(Path(f"{prefix}.model"))


def test_ids_that_do_not_exist():
    for bad in (-1, 40, 10**9):
        with pytest.raises(TokenError, match=f"token id {bad}; expected 0 to 39"):
            TOKENS["bpe"].decode([2, bad])
    with pytest.raises(TokenError, match="text is a list"):
        TOKENS["bpe"].encode(["THE"])


def test_nothing_heavy_is_imported():
    heavy = {"sentencepiece", "rapidfuzz", "whisper_normalizer"}
    script = f"import sys, sonant.text; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
