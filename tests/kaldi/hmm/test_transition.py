"""Transition models against Kaldi's: files, ids, probabilities, updates; and models that make no sense."""

import json
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, ArkError
from sonant.kaldi.hmm import (
    HmmTopology,
    MapTransitionUpdateConfig,
    MleTransitionUpdateConfig,
    TransitionModel,
    get_pdfs_for_phones,
    get_phones_for_pdfs,
)
from sonant.kaldi.tree import ContextDependency, monophone_context_dependency

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
NAMES = ["chain", "hmm"]


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def model(name: str, read) -> TransitionModel:
    return read(TransitionModel(), GOLDEN / f"{name}_model.bin")


@pytest.fixture
def made(name: str, read) -> TransitionModel:
    topo = read(HmmTopology(), GOLDEN / f"{name}_topo.bin")
    if name == "hmm":
        return TransitionModel.from_topo(
            monophone_context_dependency([1, 2, 3, 5], [-1, 3, 3, 3, -1, 3]), topo
        )
    return TransitionModel.from_topo(read(ContextDependency(), GOLDEN / "chain_tree.bin"), topo)


def test_files_are_kaldis_byte_for_byte(name: str, model: TransitionModel, read, written):
    binary, text = ((GOLDEN / f"{name}_model{s}").read_bytes() for s in (".bin", ".txt"))
    assert written(model) == (binary, text)
    assert written(read(TransitionModel(), text))[1] == text


def test_a_model_of_a_tree_and_a_topology(name: str, made: TransitionModel, model: TransitionModel, written):
    assert written(made) == written(model)
    assert made.compatible(model)


def test_every_map(name: str, model: TransitionModel):
    expected = EXPECTED[name]
    assert model.num_pdfs() == expected["num_pdfs"] and model.num_phones() == expected["num_phones"]
    assert model.num_transition_ids() == len(expected["ids"])
    assert model.num_transition_states() == len(expected["states"])
    assert model.get_phones() == [1, 2, 3, 5] == model.get_topo().get_phones()
    for t, values in enumerate(expected["ids"], 1):
        assert values == [
            model.transition_id_to_pdf(t),
            model.transition_id_to_phone(t),
            model.transition_id_to_hmm_state(t),
            model.transition_id_to_transition_index(t),
            model.transition_id_to_transition_state(t),
            model.transition_id_to_pdf_class(t),
            model.is_final(t),
            model.is_self_loop(t),
        ]
        assert model.transition_id_to_pdf_fast(t) == values[0]
        assert model.pair_to_transition_id(values[4], values[3]) == t
        assert [model.get_transition_prob(t), model.get_transition_log_prob(t)] == pytest.approx(
            expected["probs"][t - 1], rel=1e-6
        )
        if not values[-1]:
            ignoring = model.get_transition_log_prob_ignoring_self_loops(t)
            assert ignoring == pytest.approx(expected["ignoring"][t - 1], abs=1e-6)
        else:
            with pytest.raises(AcousticModelError, match="is a self-loop"):
                model.get_transition_log_prob_ignoring_self_loops(t)
    for s, values in enumerate(expected["states"], 1):
        assert values == [
            model.transition_state_to_forward_pdf(s),
            model.transition_state_to_forward_pdf_class(s),
            model.transition_state_to_self_loop_pdf(s),
            model.transition_state_to_self_loop_pdf_class(s),
            model.transition_state_to_phone(s),
            model.transition_state_to_hmm_state(s),
            model.self_loop_of(s),
            model.num_transition_indices(s),
        ]
        assert model.tuple_to_transition_state(values[4], values[5], values[0], values[2]) == s
        assert model.get_non_self_loop_log_prob(s) == pytest.approx(
            expected["non_self_loop"][s - 1], abs=1e-6
        )


def test_which_pdfs_and_phones(name: str, model: TransitionModel):
    for phones, answer in EXPECTED[name]["pdfs_for"]:
        assert get_pdfs_for_phones(model, phones) == tuple(answer)
    for pdfs, answer in EXPECTED[name]["phones_for"]:
        assert get_phones_for_pdfs(model, pdfs) == tuple(answer)


def test_printed(name: str, model: TransitionModel):
    for key, occurrences in (("printed", None), ("printed_occs", [1.5 * i for i in range(model.num_pdfs())])):
        stream = _native.Output.in_memory()
        model.print_model(stream, ["<eps>", "a", "b", "c", "d", "e"], occurrences)
        assert stream.getvalue().decode() == EXPECTED[name][key]
    with pytest.raises(AcousticModelError, match="has no name"):
        model.print_model(stream, ["<eps>"])


CONFIGS = {
    "mle": MleTransitionUpdateConfig(),
    "mle_shared": MleTransitionUpdateConfig(share_for_pdfs=True),
    "mle_floor": MleTransitionUpdateConfig(floor=0.2, mincount=20.0),
    "map": MapTransitionUpdateConfig(),
    "map_shared": MapTransitionUpdateConfig(share_for_pdfs=True),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_updates(name: str, kind: str, made: TransitionModel):
    (gain, count), log_probs = EXPECTED[name]["updates"][kind]
    stats = made.init_stats()
    for t in range(1, made.num_transition_ids() + 1):
        made.accumulate((t * 7 % 13) * 1.5, t, stats)
    update = made.mle_update if kind.startswith("mle") else made.map_update
    assert update(stats, CONFIGS[kind]) == pytest.approx((gain, count), rel=1e-4, abs=1e-4)  # type: ignore[arg-type]
    found = [made.get_transition_log_prob(t) for t in range(1, made.num_transition_ids() + 1)]
    assert found == pytest.approx(log_probs, abs=2e-6)


def test_statistics_must_fit(made: TransitionModel):
    with pytest.raises(AcousticModelError, match="expected"):
        made.mle_update(np.zeros(3), MleTransitionUpdateConfig())
    with pytest.raises(AcousticModelError, match="counts"):
        made.accumulate(1.0, 1, np.zeros(3))
    with pytest.raises(AcousticModelError, match="above 0"):
        stats = made.init_stats()
        stats[1] = 10.0
        made.mle_update(stats, MleTransitionUpdateConfig(floor=0.0))


def test_ids_that_are_not_there(model: TransitionModel):
    for t in (0, -1, model.num_transition_ids() + 1):
        for method in (model.transition_id_to_pdf, model.is_final, model.get_transition_log_prob):
            with pytest.raises(AcousticModelError, match=f"no transition-id {t}"):
                method(t)
    for s in (0, model.num_transition_states() + 1):
        for method in (model.transition_state_to_phone, model.self_loop_of, model.num_transition_indices):
            with pytest.raises(AcousticModelError, match=f"no transition-state {s}"):
                method(s)
    with pytest.raises(AcousticModelError, match="no transition-index 9"):
        model.pair_to_transition_id(1, 9)
    with pytest.raises(AcousticModelError, match="belong together"):
        model.tuple_to_transition_state(1, 0, 99, 99)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("\n1 1 1 \n", "\n1 3 1 \n", "is of state 3 of phone 1"),
        ("\n1 1 1 \n", "\n4 1 1 \n", "phone 4 is not in the topology"),
        ("\n1 1 1 \n", "\n1 1 -5 \n", "the pdfs -5"),
        ("\n1 1 1 \n", "\n1 0 0 \n", "not sorted, or occur twice"),
        (" [ 0 -0.2876821 ", " [ -0.2876821 ", "24 log-probabilities for 24 transition-ids"),
        (" [ 0 -0.2876821 ", " [ 0 0.5 ", "above 0"),
        (" [ 0 -0.2876821 ", " [ 0 nan ", "above 0 or not finite"),
    ],
)
def test_models_whose_parts_do_not_fit(old: str, new: str, what: str, read):
    text = (GOLDEN / "hmm_model.txt").read_text()
    assert old in text
    with pytest.raises(AcousticModelError, match=f"bytes:.*{what}"):
        read(TransitionModel(), text.replace(old, new).encode())


def test_cut_off_anywhere(name: str, read):
    for suffix in ("bin", "txt"):
        data = (GOLDEN / f"{name}_model.{suffix}").read_bytes()
        for end in range(len(data) - 2):
            with pytest.raises((ArkError, AcousticModelError)):
                read(TransitionModel(), data[:end])


@given(position=st.integers(2, 600), value=st.binary(min_size=4, max_size=4))
def test_damaged_files_raise_or_read(position: int, value: bytes):
    data = bytearray((GOLDEN / "chain_model.bin").read_bytes())
    data[position : position + 4] = value
    stream = _native.Input.from_bytes(bytes(data))
    stream.header()
    with suppress(ArkError, AcousticModelError):
        TransitionModel().read(stream, True)


def test_a_huge_count_is_not_believed(read):
    data = (GOLDEN / "hmm_model.bin").read_bytes()
    at = data.index(b"<Triples> ") + 11
    with pytest.raises(ArkError):
        read(TransitionModel(), data[:at] + struct.pack("<i", 2**31 - 1) + data[at + 4 :])


def test_trees_without_a_pdf(read):
    topo = read(HmmTopology(), GOLDEN / "hmm_topo.bin")
    with pytest.raises(AcousticModelError, match="no pdf for phone 5"):
        TransitionModel.from_topo(monophone_context_dependency([1, 2, 3], [-1, 3, 3, 3]), topo)
