"""Grammars and const-arpa models beside Kaldi's own (tests/oracle/make_lm_golden.py), state for state."""

import gzip
import json
import math
from pathlib import Path

import pytest

from sonant import _native
from sonant.errors import ArkError, FstError, SonantError
from sonant.fst import Fst, NgramLm, SymbolTable, read_arpa
from sonant.kaldi.fstext import SymbolTable as KaldiSymbolTable
from sonant.kaldi.lm import (
    ArpaLmCompiler,
    ArpaParseOptions,
    ConstArpaLm,
    ConstArpaLmDeterministicFst,
    build_const_arpa_lm,
)

GOLDEN = Path(__file__).parent / "golden"
RESULTS = json.loads((GOLDEN / "const_arpa.json").read_text())
MARKS = ["<eps>", "#0", "<s>", "</s>", "<unk>"]


def symbols() -> SymbolTable:
    return SymbolTable([*MARKS, *(f"w{i}" for i in range(40))])


def unpacked(name: str) -> bytes:
    return gzip.decompress((GOLDEN / name).read_bytes())


@pytest.mark.parametrize("backoff", [0, 1])
@pytest.mark.parametrize("name", ["one", "two", "three", "odd", "five"])
def test_the_grammar_is_kaldis(name, backoff):
    theirs = Fst.read(unpacked(f"{name}.{backoff}.fst.gz"))
    ours = read_arpa(
        GOLDEN / f"{name}.arpa.gz", symbols(), backoff="#0" if backoff else "", oov="error", sort=False
    )
    assert ours.start == theirs.start
    assert ours.states.tobytes() == theirs.states.tobytes()
    assert ours.arcs.tobytes() == theirs.arcs.tobytes()


def test_the_compiler_has_pykaldis_names():
    options = ArpaParseOptions()
    table = KaldiSymbolTable(SymbolTable(["<eps>", "#0", "<s>", "</s>"]))
    options.bos_symbol, options.eos_symbol = 2, 3
    options.oov_handling = ArpaParseOptions.OovHandling.ADD_TO_SYMBOLS
    compiler = ArpaLmCompiler(options, 1, table)
    compiler.read(_native.Input.from_bytes(unpacked("two.arpa.gz")))
    assert compiler.fst().num_states() == Fst.read(unpacked("two.1.fst.gz")).num_states
    assert table.member_symbol("w0") and compiler.fst().input_symbols().member_symbol("w29")
    options.oov_handling = ArpaParseOptions.OovHandling.RAISE_ERROR
    compiler = ArpaLmCompiler(options, 1, KaldiSymbolTable(SymbolTable(MARKS[:4])))
    with pytest.raises(FstError, match=r":\d+: the word '.*' is not in the symbol table"):
        compiler.read(_native.Input.from_bytes(unpacked("two.arpa.gz")))


def read_const_arpa(data: bytes) -> ConstArpaLm:
    stream = _native.Input.from_bytes(data)
    lm = ConstArpaLm()
    lm.read(stream, stream.header())
    return lm


@pytest.mark.parametrize("case", sorted(RESULTS))
def test_const_arpa_is_kaldis(case, tmp_path):
    name, unk = case.rsplit(".", 1)
    data = unpacked(f"{case}.carpa.gz")
    lm = read_const_arpa(data)
    for history, word, score, exists in RESULTS[case]["scores"]:
        assert lm.get_ngram_log_prob(word, history) == float(score)
        assert lm.history_state_exists(history) == exists
    automaton, state = ConstArpaLmDeterministicFst(lm), 0
    for word, cost, nextstate, final in RESULTS[case]["walk"]:
        arc = automaton.get_arc(state, word)
        assert (arc.ilabel, arc.weight.value, arc.nextstate) == (word, float(cost), nextstate)
        assert automaton.final(state).value == float(final)
        state = arc.nextstate
    # Made by us: of words with their numbers, and through PyKaldi's function of numbers.
    model = NgramLm.read(GOLDEN / f"{name}.arpa.gz", symbols())
    model.native.unk = int(unk)
    model.write_const_arpa(tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == data
    options = ArpaParseOptions(bos_symbol=2, eos_symbol=3, unk_symbol=int(unk))
    stream = _native.Output.in_memory()
    lm.write_arpa(stream)
    (tmp_path / "int.arpa").write_bytes(stream.getvalue())
    assert build_const_arpa_lm(options, str(tmp_path / "int.arpa"), str(tmp_path / "again"))
    again = read_const_arpa((tmp_path / "again").read_bytes())
    for history, word, score, _ in RESULTS[case]["scores"]:
        assert again.get_ngram_log_prob(word, history) == pytest.approx(float(score), abs=1e-5)


def test_a_corrupt_const_arpa_raises_at_no_cost():
    data = unpacked("three.4.carpa.gz")
    for end in range(0, len(data) - 1, 97):
        with pytest.raises(ArkError):
            read_const_arpa(data[:end])
    for at in range(40, len(data), 41):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        try:
            lm = read_const_arpa(bytes(changed))
            for word in range(12):
                lm.get_ngram_log_prob(word, [word, 3 * word % 7])
                lm.history_state_exists([word])
            lm.write_arpa(_native.Output.in_memory())
        except SonantError:
            pass


def test_words_that_a_model_does_not_have():
    lm = read_const_arpa(unpacked("two.-1.carpa.gz"))
    assert lm.get_ngram_log_prob(12345, []) == -math.inf
    with pytest.raises(ValueError, match="label 12345"):
        ConstArpaLmDeterministicFst(lm).get_arc(0, 12345)
