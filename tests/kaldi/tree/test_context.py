"""Decision trees and their statistics against Kaldi's, and against damage."""

import json
from pathlib import Path

import numpy as np
import pytest

from sonant import _native
from sonant.errors import AcousticModelError, ArkError, MatrixError
from sonant.kaldi.tree import (
    ConstantEventMap,
    ContextDependency,
    GaussClusterable,
    TableEventMap,
    get_tree_structure,
    monophone_context_dependency,
    monophone_context_dependency_shared,
    read_build_tree_stats,
    write_build_tree_stats,
)

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
TREES = ["triphone", "splits"]


def pairs(lists):
    return [[tuple(pair) for pair in inner] for inner in lists]


@pytest.mark.parametrize("name", TREES)
def test_files_are_kaldis_byte_for_byte(name: str, read, written):
    binary, text = (GOLDEN / f"{name}.bin").read_bytes(), (GOLDEN / f"{name}.txt").read_bytes()
    assert written(read(ContextDependency(), binary)) == (binary, text)
    assert written(read(ContextDependency(), text)) == (binary, text)


def test_answers_of_a_triphone_tree(read):
    tree = read(ContextDependency(), GOLDEN / "triphone.bin")
    assert (tree.context_width(), tree.central_position()) == (3, 1)
    assert tree.num_pdfs() == EXPECTED["num_pdfs"]
    for (*window, pdf_class), pdf in zip(EXPECTED["windows"], EXPECTED["pdfs"], strict=True):
        if pdf is None:
            with pytest.raises(AcousticModelError, match="no pdf"):
                tree.compute(window, pdf_class)
        else:
            assert tree.compute(window, pdf_class) == pdf
    for event, answers in EXPECTED["answers"]:
        assert tree.to_pdf_map().multi_map([tuple(pair) for pair in event]) == answers
    found, leaves, parents = get_tree_structure(tree.to_pdf_map())
    assert [found, leaves, parents] == EXPECTED["structure"]
    assert tree.copy().compute([1, 2, 3], 0) == tree.compute([1, 2, 3], 0)


def test_which_pdfs_there_are(read):
    tree = read(ContextDependency(), GOLDEN / "triphone.bin")
    phones = [1, 2, 3, 5]
    assert tree.get_pdf_info(phones, [-1, 2, 1, 3, -1, 3]) == pairs(EXPECTED["pdf_info"])
    classes = pairs(EXPECTED["pair_classes"])
    assert tree.get_pdf_pair_info(phones, classes) == [pairs(phone) for phone in EXPECTED["pair_info"]]


def test_trees_of_monophones(written):
    classes = EXPECTED["classes"]
    for sets, text in EXPECTED["monophone"]:
        tree = monophone_context_dependency_shared(sets, classes)
        assert written(tree)[1].decode() == text
        if all(len(phones) == 1 for phones in sets):
            assert written(monophone_context_dependency([p for [p] in sets], classes))[1].decode() == text
    for phones in ([], [1, 1], [4, 20]):
        with pytest.raises(AcousticModelError):
            monophone_context_dependency(phones, classes)
    with pytest.raises(AcousticModelError, match="phone 0 has no pdf-classes"):
        monophone_context_dependency([0], classes)


def test_old_files_with_lengths(read, written):
    tree = read(ContextDependency(), b"ContextDependency 1 0 ToLength CE 3 ToPdf CE 0 EndContextDependency ")
    assert written(tree)[1] == b"ContextDependency 1 0 ToPdf CE 0 EndContextDependency "


@pytest.mark.parametrize("name", TREES)
def test_cut_off_anywhere(name: str, read):
    for suffix in ("bin", "txt"):
        data = (GOLDEN / f"{name}.{suffix}").read_bytes()
        for end in range(0, len(data) - 1, 1 if name == "splits" else 41):
            with pytest.raises(ArkError):
                read(ContextDependency(), data[:end])


def test_errors():
    with pytest.raises(AcousticModelError, match="read one first"):
        ContextDependency().to_pdf_map()
    assert ContextDependency().num_pdfs() == 0
    with pytest.raises(AcousticModelError, match="number 3 of 3"):
        ContextDependency.from_event_map(3, 3, ConstantEventMap(0))
    tree = ContextDependency.from_event_map(1, 0, TableEventMap.from_val_answer_table(0, {1: 0}))
    with pytest.raises(AcousticModelError, match="window of 1"):
        tree.compute([1, 2], 0)
    with pytest.raises(AcousticModelError, match="the tree has a pdf 2000000000"):
        ContextDependency.from_event_map(1, 0, ConstantEventMap(2 * 10**9)).get_pdf_info([1], [0, 1])
    with pytest.raises(AcousticModelError, match="no pdf for phone 2"):
        tree.get_pdf_info([2], [0, 0, 1])
    for text in ("ContextDependency 1 1 ToPdf CE 0 EndContextDependency ", "ContextDependency 1 0 ToP CE 0 "):
        with pytest.raises(ArkError, match="bytes:"):
            tree.read(_native.Input.from_bytes(text.encode()), False)
    assert tree.compute([1], 0) == 0  # as it was


def statistics(binary: bool) -> list:
    data = (GOLDEN / f"stats.{'bin' if binary else 'txt'}").read_bytes()
    stream = _native.Input.from_bytes(data)
    assert stream.header() == binary
    return read_build_tree_stats(stream, binary, GaussClusterable())


def test_statistics_of_trees():
    expected = json.loads((GOLDEN / "stats.json").read_text())
    for binary in (True, False):
        read = statistics(binary)
        stream = _native.Output.in_memory()
        stream.header(binary)
        write_build_tree_stats(stream, binary, read)
        assert stream.getvalue() == (GOLDEN / f"stats.{'bin' if binary else 'txt'}").read_bytes()
    (event, stats), (other_event, other) = read
    assert (event, other_event) == ([(-1, 0), (0, 1), (1, 2)], [(-1, 1), (1, 2)])
    assert stats.objf() == pytest.approx(expected["objf"], rel=1e-5)
    assert stats.objf_plus(other) == pytest.approx(expected["plus"], rel=1e-5)
    assert stats.distance(other) == pytest.approx(expected["distance"], rel=1e-5)
    assert stats.normalizer() == stats.count() == expected["normalizer"]
    assert stats.type() == "gauss"


def test_statistics_add_up():
    stats, other = GaussClusterable.new_with_dim(2, 0.1), GaussClusterable.new_with_dim(2, 0.1)
    assert stats.objf() == 0
    stats.add_stats([1, 2], 2)
    other.add_stats(np.array([3.0, 4.0]))
    both = stats.copy()
    both.add(other)
    assert both.x_stats().numpy().tolist() == [5, 8] and both.x2_stats().numpy().tolist() == [11, 24]
    assert both.objf_minus(other) == pytest.approx(stats.objf())
    both.scale(2)
    assert both.count() == 6
    both.set_zero()
    assert both.count() == 0 and not both.x_stats().numpy().any()
    with pytest.raises(AcousticModelError, match="dimension 3"):
        stats.add(GaussClusterable.new_with_dim(3, 0.1))
    with pytest.raises(MatrixError):
        stats.add_stats([1, 2, 3])
