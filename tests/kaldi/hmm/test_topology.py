"""Topologies: files byte for byte, lengths and classes, and everything that makes no sense."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant import _native
from sonant.errors import AcousticModelError, ArkError
from sonant.kaldi.hmm import NO_PDF, HmmTopology

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
ENTRY = """<Topology> <TopologyEntry> <ForPhones> 1 4 </ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 2 </State> </TopologyEntry> </Topology> """


@pytest.mark.parametrize("name", ["chain", "hmm"])
def test_files_are_kaldis_byte_for_byte(name: str, read, written):
    binary, text = (GOLDEN / f"{name}_topo{s}" for s in (".bin", ".txt"))
    topo = read(HmmTopology(), binary)
    assert written(topo) == (binary.read_bytes(), text.read_bytes())
    assert written(read(HmmTopology(), text)) == (binary.read_bytes(), text.read_bytes())
    assert topo == read(HmmTopology(), text)
    assert topo.is_hmm() == (name == "hmm")
    assert topo.get_phones() == [1, 2, 3, 5]
    assert topo.get_phone_to_num_pdf_classes() == EXPECTED[name]["classes"]
    assert [topo.min_length(phone) for phone in topo.get_phones()] == EXPECTED[name]["min_length"]


def test_states(read):
    topo = read(HmmTopology(), ENTRY.encode())
    states = topo.topology_for_phone(4)
    assert states[0].transitions == [(0, 0.5), (1, 0.5)]
    assert (states[2].forward_pdf_class, states[2].self_loop_pdf_class) == (NO_PDF, NO_PDF)
    states[0].transitions.clear()  # a copy
    assert topo.topology_for_phone(4)[0].transitions
    for phone in (0, 2, 5, -1):
        with pytest.raises(AcousticModelError, match=f"phone {phone} is not in the topology"):
            topo.topology_for_phone(phone)
    made = HmmTopology.HmmState.from_forward_and_self_pdf(0, 1)
    assert (made.forward_pdf_class, made.self_loop_pdf_class) == (0, 1)
    assert HmmTopology.HmmState.from_pdf(2).self_loop_pdf_class == 2
    with pytest.raises(AcousticModelError, match="both or neither"):
        HmmTopology.HmmState.from_forward_and_self_pdf(0, NO_PDF)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "<Transition> 1 0.5 <Transition> 2",
            "<Transition> 1 0.5 <Transition> 1",
            "two transitions to one state",
        ),
        ("<Transition> 2 0.5", "<Transition> 7 0.5", "there are 3 states"),
        ("<Transition> 2 0.5", "<Transition> 2 -0.5", "probability -0.5"),
        ("<Transition> 2 0.5", "<Transition> 2 nan", "probability nan"),
        ("<PdfClass> 1", "<PdfClass> 3", "without a gap"),
        ("<PdfClass> 1 ", "", "emits nothing"),
        ("<State> 2 </State>", "<State> 2 <PdfClass> 2 </State>", "final one"),
        ("<Transition> 1 0.5 <Transition> 2 0.5 </State>", "</State>", "no transitions"),
        ("<Transition> 1 0.5 <Transition> 2 0.5", "<Transition> 1 1.0", "no transition enters state 2"),
        ("<ForPhones> 1 4 </ForPhones>", "<ForPhones> </ForPhones>", "empty"),
        ("<PdfClass> 0", "<ForwardPdfClass> 0 <SelfLoopPdfClass> -1", "self-loop"),
    ],
)
def test_topologies_that_make_no_sense(old: str, new: str, what: str, read):
    assert old in ENTRY
    with pytest.raises(AcousticModelError, match=f"bytes:.*{what}"):
        read(HmmTopology(), ENTRY.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<Topology>", "<Topo>", "Topology"),
        ("<ForPhones> 1 4", "<ForPhones> 1 1", "found 1 twice"),
        ("<ForPhones> 1 4", "<ForPhones> 1 x", "expected a phone"),
        ("<ForPhones> 1 4", "<ForPhones> 0", "expected a phone"),
        ("<ForPhones> 1 4", "<ForPhones> 99999999999", "expected a phone"),
        ("<State> 1", "<State> 2", "expected state 1, found 2"),
        ("<Transition> 2 0.5", "<Final> 0.5", "old kind"),
        ("</TopologyEntry>", "</Entry>", "</TopologyEntry>"),
    ],
)
def test_what_is_no_topology(old: str, new: str, what: str, read):
    assert old in ENTRY
    with pytest.raises(ArkError, match=what):
        read(HmmTopology(), ENTRY.replace(old, new, 1).encode())


def test_a_failed_read_leaves_the_object_as_it_was(read, written):
    topo = read(HmmTopology(), ENTRY.encode())
    before = written(topo)
    with pytest.raises(ArkError):
        read(topo, before[0][:60])
    assert written(topo) == before
    with pytest.raises(AcousticModelError, match="empty"):
        written(HmmTopology())


@given(data=st.binary(max_size=80))
def test_random_bytes_raise(data: bytes):
    for prefix in (b"\0B<Topology> ", b"<Topology> <TopologyEntry> "):
        stream = _native.Input.from_bytes(prefix + data)
        binary = stream.header()
        with pytest.raises((ArkError, AcousticModelError)):
            HmmTopology().read(stream, binary)
