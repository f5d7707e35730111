"""Alignments: split and converted as Kaldi does; statistics for trees."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, OptionError
from sonant.kaldi.hmm import (
    AccumulateTreeStatsInfo,
    AccumulateTreeStatsOptions,
    TransitionModel,
    accumulate_tree_stats,
    convert_alignment,
    convert_alignment_with_phone_map,
    convert_phnx_to_prons,
    get_ilabel_mapping,
    read_phone_map,
    split_to_phones,
)
from sonant.kaldi.tree import ContextDependency, monophone_context_dependency_shared

EXPECTED = json.loads((Path(__file__).parent / "golden" / "expected.json").read_text())["alignments"]
YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"


def load(cls, name):
    obj = cls()
    stream = _native.Input.from_bytes((YESNO / name).read_bytes(), name)
    obj.read(stream, stream.header())
    return obj


MODEL: TransitionModel = load(TransitionModel, "40.mdl")
TREE: ContextDependency = load(ContextDependency, "tree")
SHARED = monophone_context_dependency_shared([[2, 3], [1]], [-1, 5, 3, 3])
OTHER = TransitionModel.from_topo(SHARED, MODEL.get_topo())
ALI: list[int] = EXPECTED["ali"]


def phones_of(model: TransitionModel, ali: list[int]) -> list[int]:
    whole, split = split_to_phones(model, ali)
    assert whole
    return [model.transition_id_to_phone(ids[0]) for ids in split]


def test_whole_and_damaged_alignments_split_as_in_kaldi():
    assert len(EXPECTED["split"]) > 15
    for ali, whole, phones in EXPECTED["split"]:
        assert split_to_phones(MODEL, ali) == (whole, phones)
    with pytest.raises(AcousticModelError, match="no transition-id 31"):
        split_to_phones(MODEL, [31])


@given(ids=st.lists(st.integers(1, 30), max_size=30))
def test_any_ids_split_without_loss(ids: list[int]):
    _, phones = split_to_phones(MODEL, ids)
    assert [trans_id for phone in phones for trans_id in phone] == ids
    assert all(phones)


def test_conversions_as_in_kaldi():
    assert convert_alignment(MODEL, MODEL, TREE, ALI, 1, False, True) == ALI
    assert convert_alignment(MODEL, OTHER, SHARED, ALI, 1, False, True) == EXPECTED["converted"]
    reordered = convert_alignment(MODEL, MODEL, TREE, ALI, 1, False, False)
    assert reordered == EXPECTED["reordered"]
    assert convert_alignment(MODEL, MODEL, TREE, reordered, 1, False, True) == ALI
    assert convert_alignment(MODEL, OTHER, SHARED, [], 1, False, True) == []
    assert get_ilabel_mapping([[], [1], [2], [3], [-4], [2]], SHARED, OTHER) == EXPECTED["ilabels"]


@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("repeat", [True, False])
def test_other_frame_rates_keep_the_phones(factor: int, repeat: bool):
    converted = convert_alignment(MODEL, OTHER, SHARED, ALI, factor, repeat, True)
    if repeat:
        assert len(converted) == len(ALI)
        parts = [converted[shift::factor] for shift in range(factor)]
    else:
        assert len(converted) == (len(ALI) + factor - 1) // factor
        parts = [converted]
    for part in parts:
        assert phones_of(OTHER, part) == phones_of(MODEL, ALI)
        for ids in split_to_phones(OTHER, part)[1]:  # paths that the topology has, without self-loops first
            assert not OTHER.is_self_loop(ids[0])


def test_phones_are_mapped():
    swapped = convert_alignment_with_phone_map(MODEL, MODEL, TREE, ALI, 1, False, True, [0, 1, 3, 2])
    assert phones_of(MODEL, swapped) == [{2: 3, 3: 2}.get(p, p) for p in phones_of(MODEL, ALI)]
    with pytest.raises(AcousticModelError, match="nothing for phone 3"):
        convert_alignment_with_phone_map(MODEL, MODEL, TREE, ALI, 1, False, True, [0, 1, 2])


def test_what_cannot_be_converted():
    with pytest.raises(AcousticModelError, match="incomplete phones"):
        convert_alignment(MODEL, MODEL, TREE, ALI[:90], 1, False, True)
    with pytest.raises(AcousticModelError, match="which need at least"):
        convert_alignment(MODEL, MODEL, TREE, ALI, 100, False, True)
    with pytest.raises(AcousticModelError, match="subsample_factor=0"):
        convert_alignment(MODEL, MODEL, TREE, ALI, 0, False, True)


def test_pronunciations():
    start, end = 6, 7
    assert convert_phnx_to_prons([6, 2, 3, 7, 6, 4, 7], [100, 200], start, end) == [[100, 2, 3], [200, 4]]
    assert convert_phnx_to_prons([1, 5, 6, 2, 7, 1, 6, 4, 7, 1], [100, 200], start, end) == [
        [0, 1, 5],
        [100, 2],
        [0, 1],
        [200, 4],
        [0, 1],
    ]
    assert convert_phnx_to_prons([], [], start, end) == []
    assert convert_phnx_to_prons([6, 7], [8], start, end) == [[8]]
    for phnx, words in (
        ([6, 2, 7, 6, 4, 7], [100]),
        ([6, 2, 7], [100, 200]),
        ([6, 2], [100]),
        ([6, 2, 6, 7], [100]),
        ([7], []),
        ([0], []),
        ([6, 2, 7], [0]),
    ):
        with pytest.raises(AcousticModelError):
            convert_phnx_to_prons(phnx, words, start, end)


def test_statistics_for_trees():
    frames = np.random.default_rng(0).standard_normal((len(ALI), 3)).astype(np.float32)
    options = AccumulateTreeStatsOptions(ci_phones_str="1")
    stats = accumulate_tree_stats(MODEL, AccumulateTreeStatsInfo(options), ALI, frames)
    assert sum(s.count() for s in stats.values()) == len(ALI)
    phones = phones_of(MODEL, ALI)
    windows = {
        (0, left, centre, right)
        for left, centre, right in zip([0, *phones], phones, [*phones[1:], 0], strict=False)
        if centre != 1
    }
    found = {(0, *(phone for _, phone in event[1:])) for event in stats if len(event) == 4}
    assert found == windows
    silence = [s for event, s in stats.items() if event[1:] == ((1, 1),)]
    ids = [t for t in range(len(ALI)) if MODEL.transition_id_to_phone(ALI[t]) == 1]
    assert sum(s.count() for s in silence) == len(ids)
    total = sum(s.x_stats().numpy() for s in silence)
    np.testing.assert_allclose(total, frames[ids].sum(0), rtol=1e-5)
    with pytest.raises(AcousticModelError, match="alignment of"):
        accumulate_tree_stats(MODEL, AccumulateTreeStatsInfo(options), ALI, frames[1:])


def test_maps_of_phones(tmp_path: Path):
    path = tmp_path / "map"
    path.write_text("1 1\n3 2\n\n")
    assert read_phone_map(str(path)) == [-1, 1, -1, 2]
    info = AccumulateTreeStatsInfo(AccumulateTreeStatsOptions(phone_map_rxfilename=str(path)))
    assert info.phone_map == [-1, 1, -1, 2] and info.context_width == 3
    for text, what in (("1\n", "two phones"), ("1 x\n", "two phones"), ("1 1\n1 2\n", "twice")):
        path.write_text(text)
        with pytest.raises(AcousticModelError, match=what):
            read_phone_map(str(path))
    for options in (dict(ci_phones_str="1:x"), dict(context_width=1)):
        with pytest.raises(OptionError):
            AccumulateTreeStatsInfo(AccumulateTreeStatsOptions(**options))
