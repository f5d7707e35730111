"""Symbol tables: text and binary, keys and symbols both ways."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.errors import FstError, FstIndexError, SpecifierError
from sonant.fst import SymbolTable

symbol = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8)
key = st.integers(0, 2**62)


@given(st.lists(st.tuples(symbol, key)), st.lists(key, max_size=3))
def test_a_table_is_what_its_pairs_say(pairs: list[tuple[str, int]], removed: list[int]):
    table = SymbolTable(pairs, name="some table")
    first_key, first_symbol = {}, {}
    for word, number in pairs:
        if word not in first_key:
            first_key[word] = number
            first_symbol.setdefault(number, word)
    assert dict(table) == first_key
    assert {number: table.symbol(number) for number in first_symbol} == first_symbol
    assert table.available_key == max([0, *(number + 1 for number in first_key.values())])
    for form in (SymbolTable.from_bytes(table.to_bytes()), SymbolTable.from_text(table.to_text())):
        assert list(form) == list(table)
        assert {number: form.symbol(number) for number in first_symbol} == first_symbol
        assert form.available_key == table.available_key
    for number in [*list(first_symbol)[:1], *removed]:
        table.remove(number)
        assert table.symbol(number) is None
        assert first_symbol.pop(number, None) not in table
    assert {number: table.symbol(number) for number in first_symbol} == first_symbol


@given(st.lists(symbol, unique=True), st.data())
def test_keys_may_have_gaps_and_close_them(words: list[str], data):
    table = SymbolTable(words)
    for number in data.draw(st.lists(st.integers(-2, len(words) + 2), max_size=4)):
        table.remove(number)
    words = [word for word in words if word in table]
    for word in words:
        assert table[table[word]] == word
    assert table.add("<new>") == max(len(words), table["<new>"])
    assert table["<new>"] not in [table[word] for word in words]
    assert SymbolTable.from_bytes(table.to_bytes()) == table == table.copy()


def test_looking_up(tmp_path: Path):
    table = SymbolTable(["<eps>", "yes", ("no", 7)])
    assert (table["yes"], table[7], table.find("maybe"), table.symbol(3)) == (1, "no", None, None)
    assert "yes" in table and 7 in table and "maybe" not in table and 3 not in table
    assert (len(table), table.add("yes"), table.add("maybe"), table.add("more", 3)) == (3, 1, 8, 3)
    for missing in ("nothing", 99):
        with pytest.raises(FstIndexError, match="is not in the symbol table") as caught:
            table[missing]
        assert isinstance(caught.value, KeyError) and isinstance(caught.value, IndexError)
    table.write(tmp_path / "words.bin")
    table.write_text(tmp_path / "words.txt")
    assert list(SymbolTable.read(tmp_path / "words.bin")) == list(table)
    assert list(SymbolTable.read(tmp_path / "words.txt")) == list(table)


def test_text_may_have_blanks_tabs_crlf_and_any_bytes(tmp_path: Path):
    path = tmp_path / "words.txt"
    path.write_bytes(b"<eps> 0\r\na\t 1\n\n  b  2  \nna\xefve 3\n\xe4\xbd\xa0 4")
    table = SymbolTable.read(path)
    assert [key for _, key in table] == [0, 1, 2, 3, 4]
    assert table["你"] == 4
    again = SymbolTable.from_text(table.to_text())
    assert again == table
    table.write_text(path)
    assert b"na\xefve\t3\n" in path.read_bytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b 1\n", "line 1: 'a b 1'; expected a symbol and its number"),
        ("a 1\nb\n", "line 2: 'b'"),
        ("a 1\n\nb x\n", "line 3: 'x' is no number"),
        ("a 1.5\n", "'1.5' is no number"),
        ("a -1\n", "negative"),
        ("a 99999999999999999999\n", "no number"),
    ],
)
def test_lines_that_make_no_sense_are_named(text: str, words: str):
    with pytest.raises(FstError, match=words):
        SymbolTable.from_text(text, "words.txt")


def test_binary_that_is_cut_off_raises(tmp_path: Path):
    data = SymbolTable(["<eps>", "a", "b"]).to_bytes()
    for length in range(len(data)):
        with pytest.raises(FstError):
            SymbolTable.from_bytes(data[:length], "cut")
    with pytest.raises(SpecifierError, match="No such file"):
        SymbolTable.read(tmp_path / "none")
    assert SymbolTable.from_text("a -1\n", allow_negative=True)["a"] == -1
