"""Fsa: attributes, text, batches, gradients; k2's own results are in golden/fsa.jsonl."""

import io
import random

import numpy as np
import pytest
import torch

import sonant.fsa as k2
from sonant.errors import FstError, FstIndexError
from sonant.fst import Fst, SymbolTable

TEXT = "0 1 2 5 0.5\n0 1 3 6 0.25\n1 2 -1 -1 0.125\n2"


def transducer() -> k2.Fsa:
    return k2.Fsa.from_str(TEXT, acceptor=False)


def test_scores_are_what_the_arcs_hold():
    fsa = transducer()
    assert fsa.arcs.values()[:, 3].view(torch.float32).tolist() == [0.5, 0.25, 0.125]
    fsa.scores = torch.tensor([1.0, 2.0, 3.0])
    assert fsa.arcs.scores().tolist() == [1, 2, 3]
    fsa.scores *= 2
    fsa.scores[0] = 7
    assert fsa.arcs.scores().tolist() == [7, 4, 6]
    fsa.arcs.values()[:, 3] = torch.tensor([8.0, 9.0, 10.0]).view(torch.int32)
    assert k2.Fsa(fsa.arcs_as_tensor()).scores.tolist() == [7, 4, 6], "the scores are the truth"
    fresh = transducer()
    fresh.arcs.values()[:, 3] = torch.tensor([8.0, 9.0, 10.0]).view(torch.int32)
    assert fresh.scores.tolist() == [8, 9, 10], "until others are set, they are the arcs' last column"


def test_attributes_come_and_go():
    fsa = transducer()
    fsa.weights = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
    fsa.words = k2.RaggedTensor([[1], [], [2, 3]])
    fsa.name = "mine"
    fsa.weights_filler = -1
    batch = k2.create_fsa_vec([fsa, fsa])
    assert batch.weights.shape == (6, 2) and batch.words.dim0 == 6 and batch.name == "mine"
    assert batch[1].words == fsa.words and torch.equal(batch[-1].weights, fsa.weights)
    looped = k2.add_epsilon_self_loops(batch)
    assert looped.weights[0].tolist() == [0, 0]  # k2 fills tables with zeros
    assert looped.words.tolist()[:2] == [[], [1]]
    del fsa.words
    fsa.weights = "now a text"
    assert dict(fsa.named_tensor_attr(include_scores=False)).keys() == {"aux_labels"}
    assert dict(fsa.named_non_tensor_attr())["weights"] == "now a text"
    with pytest.raises(AttributeError, match="no attribute 'words'"):
        _ = fsa.words
    with pytest.raises(AttributeError):
        del fsa.scores


def test_labels_are_mended_at_the_end_and_checked():
    fsa = transducer()
    fsa.labels = torch.tensor([0, -1, 0], dtype=torch.int32)
    assert fsa.labels.tolist() == [0, 0, -1]
    assert not fsa.properties & k2.fsa_properties.EPSILON_FREE
    with pytest.raises(FstError, match="label -1 is for arcs to the last state"):
        fsa.labels = torch.tensor([1, 2, 3], dtype=torch.int32)
    assert fsa.labels.tolist() == [0, 0, -1]


def test_gradients_pass_through_copies_and_batches():
    fsa = transducer().requires_grad_(True)
    batch = k2.create_fsa_vec([fsa, fsa.clone(), fsa])
    chosen = k2.index_fsa(batch, torch.tensor([1, 2, 1], dtype=torch.int32))
    joined = k2.cat([batch, chosen])
    (joined[3].scores.sum() * 2 + joined[4].scores[0] + batch.to("cpu")[0].scores[1]).backward()
    assert fsa.grad is not None and fsa.grad.tolist() == [3, 3, 2]
    assert not fsa.detach().requires_grad and fsa.requires_grad


def test_an_optimiser_trains_the_scores():
    graph = k2.Fsa.from_str("0 1 1 0\n0 1 2 0\n1 2 -1 0\n2").requires_grad_(True)
    optimiser = torch.optim.SGD([graph.scores], lr=2.0)
    for _ in range(25):
        optimiser.zero_grad()
        loss = -k2.create_fsa_vec([graph]).get_arc_post(True, True)[1]
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    assert graph.arcs.scores()[1] > graph.arcs.scores()[0] + 3


def test_stochastic_scores_sum_to_one_at_each_state():
    fsa = transducer()
    fsa.set_scores_stochastic_(torch.tensor([1.0, 2.0, 3.0]))
    assert fsa.scores.exp().tolist() == pytest.approx([0.26894, 0.73106, 1], abs=1e-4)


def test_files_of_torch_hold_automata():
    fsa = transducer()
    fsa.words = k2.RaggedTensor([[1], [], [2, 3]])
    file = io.BytesIO()
    torch.save(k2.create_fsa_vec([fsa, fsa]).as_dict(), file)
    file.seek(0)
    back = k2.Fsa.from_dict(torch.load(file))
    assert str(back) == str(k2.create_fsa_vec([fsa, fsa]))
    for texts in (["", TEXT], [TEXT], ["", ""]):
        batch = k2.create_fsa_vec([k2.Fsa.from_str(text, acceptor=False) for text in texts])
        assert str(k2.Fsa.from_dict(batch.as_dict())) == str(batch)


@pytest.mark.parametrize("arc_type", ["standard", "log"])
def test_transducers_come_and_go(arc_type):
    words = SymbolTable(["<eps>", "one", "two", "three"])
    fst = Fst(arc_type)
    fst.add_states(3)
    fst.set_start(2)
    fst.add_arc(2, 1, 3, 0.5, 0)
    fst.add_arc(0, 2, 0, 0.25, 2)
    fst.add_arc(0, 0, 1, 1.5, 1)
    fst.set_final(0, 2.0)
    fst.set_final(1, 0.0)
    fst.input_symbols = words
    fsa = k2.Fsa.from_fst(fst)
    assert k2.to_str(fsa) == "0 2 1 3 -0.5\n1 3 -1 -1 -0\n2 0 2 0 -0.25\n2 1 0 1 -1.5\n2 3 -1 -1 -2\n3\n"
    assert fsa.labels_sym["two"] == 2
    back = fsa.to_fst(arc_type)
    assert back.text() == "0\t2\t1\t3\t0.5\n1\n2\t0\t2\t0\t0.25\n2\t1\t0\t1\t1.5\n2\t2\n"
    again = k2.Fsa.from_fst(back)
    assert torch.equal(again.arcs.values()[:, :3], fsa.arcs.values()[:, :3])
    assert torch.equal(again.scores, fsa.scores)


def test_transducers_at_their_edges():
    assert k2.Fsa.from_fst(Fst()).shape == (0, None)
    assert k2.Fsa.from_str("").to_fst().num_states == 0
    acceptor = k2.Fsa.from_str("0 1 4 0.5\n0 2 -1 1\n0 2 -1 2\n1 2 -1 0\n2")
    assert acceptor.to_fst().final(0) == -2
    assert acceptor.to_fst("log").final(0) == pytest.approx(-np.logaddexp(1, 2))
    assert not hasattr(k2.Fsa.from_fst(acceptor.to_fst()), "aux_labels")
    ragged = transducer().convert_attr_to_ragged_("aux_labels")
    with pytest.raises(FstError, match="ragged aux_labels"):
        ragged.to_fst()
    with pytest.raises(FstError, match="arc_type lattice4, expected"):
        k2.Fsa.from_fst(Fst("lattice4"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("openfst", [False, True])
def test_lines_come_back_as_they_went(seed, openfst):
    random.seed(seed)
    fsa = k2.random_fsa(acyclic=True, max_num_arcs=40)
    fsa.scores = (fsa.scores * 8).round() / 8
    fsa.aux_labels = torch.where(fsa.labels == -1, -1, fsa.labels + 3)
    if not openfst:
        fsa.words = k2.RaggedTensor([list(range(i % 3)) for i in range(fsa.num_arcs)], dtype=torch.int32)
    text = k2.to_str(fsa, openfst)
    read = k2.Fsa.from_openfst if openfst else k2.Fsa.from_str
    again = read(
        text.replace("\n", " \t\r\n\n"),
        num_aux_labels=1,
        ragged_label_names=() if openfst else ["words"],
    )
    assert str(k2.arc_sort(k2.connect(again))) == str(k2.arc_sort(k2.connect(fsa)))
    assert str(again) == str(fsa) or openfst


def test_cuts_of_text_are_read_or_named():
    text = "0 1 1 5 [1, 2] 0.5\n0 2 -1 -1 [] 1e-3\n1 2 -1 -1 [] -inf\n2\n"
    whole = k2.Fsa.from_str(text, num_aux_labels=1, ragged_label_names=["x"])
    assert whole.x.tolist() == [[1, 2], [], []] and whole.scores[2] == -torch.inf
    for end in range(len(text)):
        inserted = text[:end] + "\0" + text[end:], text[:end] + "\u00e9" + text[end + 1 :]
        for cut in (text[:end], text[end:], *inserted):
            for openfst in (False, True):
                try:
                    k2.Fsa.from_str(cut, num_aux_labels=1, ragged_label_names=["x"], openfst=openfst)
                except FstError as error:
                    assert "Fsa" in str(error)


def test_drawings(tmp_path):
    fsa = transducer()
    fsa.labels_sym = k2.SymbolTable.from_str("<eps> 0\na 2\nb 3")
    text = fsa.draw(tmp_path / "graph.dot", title='a "b"')
    assert (tmp_path / "graph.dot").read_text() == text == k2.to_dot(fsa, 'a "b"')
    assert '0 -> 1 [label="a:5/0.5"]' in text and "2 [label=2 shape=doublecircle]" in text
    with pytest.raises(FstError, match="what it ends in says what to draw"):
        fsa.draw(tmp_path / "graph")


def test_the_output_of_a_network_keeps_its_gradient():
    log_probs = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    segments = torch.tensor([[1, 2, 3], [0, 0, 2], [1, 2, 9]], dtype=torch.int32)
    dense = k2.DenseFsaVec(log_probs, segments, allow_truncate=6)
    assert dense.duration.tolist() == [3, 2, 3] and dense.dim0() == 3 and dense.scores.shape == (11, 4)
    assert torch.equal(dense.scores[0:3, 1:], log_probs[1, 2:5])
    assert dense.scores[3].tolist() == [0, -torch.inf, -torch.inf, -torch.inf]
    (dense.scores[dense.scores.isfinite()] * 2).sum().backward()
    assert log_probs.grad is not None
    assert log_probs.grad[:, :, 0].tolist() == [[2, 2, 0, 0, 0], [0, 0, 4, 4, 4]]
    batch = k2.convert_dense_to_fsa_vec(dense)
    totals = [log_probs[1, 2:5], log_probs[0, :2], log_probs[1, 2:5]]
    expected = [rows.logsumexp(1).sum().item() for rows in totals]
    assert batch.get_tot_scores(True, True).tolist() == pytest.approx(expected)


def test_symbol_tables(tmp_path):
    table = k2.SymbolTable.from_str("<eps> 0\na 1\nc 5\n")
    assert table.add("d") == 6 and table.add("a") == 1 and table.add("b", 2) == 2
    assert table[5] == "c" and table["c"] == 5 and 7 not in table and "d" in table and len(table) == 5
    assert table.ids == [0, 1, 2, 5, 6] and table.symbols == ["<eps>", "a", "b", "c", "d"]
    table.to_file(tmp_path / "words.txt")
    assert k2.SymbolTable.from_file(tmp_path / "words.txt") == table
    assert len(table.merge(k2.SymbolTable.from_str("e 9"))) == 6
    for call, message in (
        (lambda: k2.SymbolTable.from_str("a 1\nb 1"), "line 2, 'b 1': 1 is 'a' already"),
        (lambda: k2.SymbolTable.from_str("a"), "line 1, 'a': expected a symbol and its number"),
        (lambda: k2.SymbolTable.from_str("a -1"), "'a' has the number -1"),
        (lambda: table.add("z", 5), "'z' cannot be 5, which is 'c'"),
        (lambda: table["zz"], "'zz' is not in the symbol table of 5"),
        (lambda: table.merge(k2.SymbolTable.from_str("q 5")), "5 is 'c' in one, 'q' in the other"),
    ):
        with pytest.raises(FstError, match=message):
            call()


ONE = transducer()
BATCH = k2.create_fsa_vec([ONE])
PROBS = torch.zeros(2, 3, 4)


def segments(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k2.Fsa.from_str("0 1 1 0.5"), "no line names a final state"),
        (lambda: k2.Fsa.from_str("0 1 x 0.5\n1"), "line 1, '0 1 x 0.5': 'x' is no integer"),
        (lambda: k2.Fsa.from_str("0 1 1 x\n1"), "'x' is no number"),
        (lambda: k2.Fsa.from_str("0 1\n1"), "2 fields, expected 3, and a score"),
        (lambda: k2.Fsa.from_str("1 2 -1 0\n0 1 1 0\n2"), "line 2.*source 0 after 1; they never decrease"),
        (lambda: k2.Fsa.from_str("0 1 -1 0\n1\n2"), "line 3.*the final state comes last"),
        (lambda: k2.Fsa.from_str("0 1 1 0\n1 2 3 0\n2"), r"arc 1 \(1 -> 2, label 3; 3 states\): label -1 is"),
        (lambda: k2.Fsa.from_str("0 1 -1 0\n0 2 -1 0\n2"), r"arc 0 \(0 -> 1, label -1; 3 states\)"),
        (lambda: k2.Fsa.from_str("0 9 1 0\n2"), "its destination is not there"),
        (lambda: k2.Fsa.from_str("0 1 99999999999 0\n1"), "99999999999, expected -1 to"),
        (lambda: k2.Fsa.from_str(TEXT, num_aux_labels=1, acceptor=True), "give one of them at most"),
        (lambda: k2.Fsa.from_str("0 1 -1 5 0\n1", ragged_label_names=["x"]), "where a list in brackets"),
        (lambda: k2.Fsa.from_openfst("0 1 -1 0\n1"), "label -1 is for k2's final arcs"),
        (lambda: k2.Fsa.from_str("0 1 -1 nan\n1"), "line 1, '0 1 -1 nan': 'nan' is no number"),
        (lambda: k2.Fsa.from_str("\n\n0 1 -1 [1\n1", ragged_label_names=["x"]), "line 3.*not closed"),
        (lambda: k2.Fsa.from_str("0 1 -1 [1 b] 0\n1", ragged_label_names=["x"]), "'b' is no integer"),
        (lambda: k2.Fsa.from_str("0 1 -2 0\n1"), "-2, expected -1 to 2147483646"),
        (lambda: k2.Fsa.from_openfst("0 1 1 0\n1 x"), "OpenFst's format of 0 aux.*: line 2, '1 x': 'x' is"),
        (lambda: k2.Fsa(torch.zeros(2, 3, dtype=torch.int32)), r"arcs of \(2, 3\) and torch.int32"),
        (lambda: k2.Fsa(torch.zeros(1, 4)), "torch.float32, expected torch.int32"),
        (lambda: k2.Fsa(segments([0, 1, 5, 0])), "no arc has label -1"),
        (lambda: k2.Fsa(segments([1, 0, -1, 0])), "sources from 1 to 1 of 1 states"),
        (lambda: k2.Fsa.from_str("0 1 -1 0\n1 0 1 0\n1").to_fst(), "arc 1 leaves the final state, 1"),
        (lambda: k2.Fsa(torch.tensor([2, 0, 0], dtype=torch.int32)), "3 numbers that begin with"),
        (lambda: k2.Fsa(torch.tensor([1, 0, 0, 5, 0, 9], dtype=torch.int32)), r"the arcs.*end at \[0, 9\]"),
        (lambda: k2.Fsa.from_dict({"x": 1}), "the keys"),
        (lambda: k2.create_fsa_vec([]), "at least one is needed"),
        (lambda: k2.create_fsa_vec([BATCH]), r"has the shape \(1, None, None\), expected one"),
        (lambda: k2.create_fsa_vec([ONE, k2.linear_fsa([1])]), "automaton 1 of 2 has no 'aux_labels'"),
        (lambda: k2.cat([ONE]), "part 0 has the shape"),
        (lambda: k2.index_fsa(BATCH, torch.tensor([1], dtype=torch.int32)), "indexes from 1 to 1"),
        (lambda: BATCH[1], "automaton 1 is not there; there are 1"),
        (lambda: ONE[0], "is one automaton and has no parts"),
        (lambda: setattr(ONE, "x", torch.zeros(2)), "x: 2 rows, expected 3"),
        (lambda: setattr(ONE, "scores", torch.zeros(3).half()), "scores: torch.float16"),
        (lambda: setattr(ONE, "properties", 3), "properties of an Fsa cannot be set"),
        (lambda: ONE.rename_tensor_attribute_("x", "y"), "'x' to 'y'"),
        (lambda: k2.linear_fsa([1]).invert_(), "expected aux_labels in a tensor, found none"),
        (lambda: ONE.get_tot_scores(True, True), "get_tot_scores: one automaton, expected a batch"),
        (
            lambda: k2.create_fsa_vec([k2.ctc_topo(2)]).get_tot_scores(True, True),
            "get_tot_scores: automaton 0",
        ),
        (lambda: k2.linear_fsa([1, -1]), "linear_fsa: label -1, expected 0 or more"),
        (lambda: k2.linear_fst([1, 2], [3]), "expected as many of both"),
        (lambda: k2.ctc_graph([1, 2]), "expected a list of sequences"),
        (lambda: k2.ctc_topo(-1), "max_token=-1"),
        (lambda: k2.trivial_graph(0), "max_token=0"),
        (lambda: k2.levenshtein_graph([[1]], ins_del_score=0.5), "ins_del_score=0.5"),
        (lambda: k2.to_str(BATCH), "a batch of 1, expected one automaton"),
        (lambda: k2.DenseFsaVec(PROBS[0], segments([0, 0, 1])), r"log_probs of \(3, 4\)"),
        (lambda: k2.DenseFsaVec(PROBS, segments([0, 0])), r"supervision_segments of \(1, 2\)"),
        (lambda: k2.DenseFsaVec(PROBS, segments([0, 0, 1], [2, 0, 1])), r"segment 1 is \[2, 0, 1\]"),
        (lambda: k2.DenseFsaVec(PROBS, segments([0, 1, 3])), "2 sequences of 3 frames, allow_truncate=0"),
        (lambda: k2.DenseFsaVec(PROBS, segments([0, 3, 1])), r"segment 0 is \[0, 3, 1\]"),
        (lambda: k2.DenseFsaVec(PROBS, segments([0, 0, 1]), -1), "allow_truncate=-1"),
        (lambda: k2.index_add(segments([0])[0], torch.zeros(2), torch.zeros(3)), "1.* indexes, value of"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(FstError, match=message):
        call()


def test_what_is_not_there_is_an_index_error():
    with pytest.raises(FstIndexError):
        BATCH[3]
    assert [part.num_arcs for part in BATCH] == [3]
