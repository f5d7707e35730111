"""Models and alignments of a Kaldi run (yesno), copied and shown."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import AcousticModelError, ArkError, OptionError
from sonant.kaldi.gmm import DiagGmm
from sonant.kaldi.gmm.am import AmDiagGmm
from sonant.kaldi.hmm import TransitionModel, split_to_phones
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util import table
from sonant.kaldi.util.io import xopen

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"
ALIGNMENTS = f"ark:gunzip -c {YESNO}/ali.1.gz |"


def transitions_of(path):
    model = TransitionModel()
    with xopen(str(path)) as file:
        model.read(file.stream(), file.binary)
    return model


@pytest.mark.parametrize("command", ["gmm-copy", "copy-gmm"])
def test_a_model_is_copied_byte_for_byte(run, tmp_path, command):
    assert run(command, YESNO / "40.mdl", "-") == (0, (YESNO / "40.mdl").read_bytes())
    assert run(command, "--binary=false", YESNO / "40.mdl", tmp_path / "text")[0] == 0
    assert (tmp_path / "text").read_text().startswith("<TransitionModel> \n<Topology> ")
    assert run(command, tmp_path / "text", tmp_path / "binary")[0] == 0
    assert transitions_of(tmp_path / "binary").num_pdfs() == transitions_of(YESNO / "40.mdl").num_pdfs()


def test_parts_of_a_model(run, tmp_path):
    whole = (YESNO / "40.mdl").read_bytes()
    assert run("gmm-copy", "--copy-am=false", YESNO / "40.mdl", tmp_path / "tm")[0] == 0
    assert run("copy-transition-model", YESNO / "40.mdl", tmp_path / "tm2")[0] == 0
    transitions = (tmp_path / "tm").read_bytes()
    assert transitions == (tmp_path / "tm2").read_bytes()
    assert whole.startswith(transitions)
    assert run("gmm-copy", "--copy-tm=false", YESNO / "40.mdl", tmp_path / "am")[0] == 0
    assert (tmp_path / "am").read_bytes() == b"\0B" + whole[len(transitions) :]
    with pytest.raises(OptionError, match="leaves nothing"):
        run("gmm-copy", "--copy-tm=false", "--copy-am=false", YESNO / "40.mdl", tmp_path / "none")
    with pytest.raises(ArkError):
        run("gmm-info", tmp_path / "tm")


def test_facts_of_models_and_trees(run, tmp_path):
    status, out = run("gmm-info", YESNO / "40.mdl")
    assert status == 0
    facts = dict(line.rsplit(" ", 1) for line in out.decode().splitlines())
    assert list(facts) == [
        "number of phones",
        "number of pdfs",
        "number of transition-ids",
        "number of transition-states",
        "feature dimension",
        "number of gaussians",
    ]
    model, mixtures = TransitionModel(), AmDiagGmm()
    with xopen(str(YESNO / "40.mdl")) as file:
        model.read(file.stream(), file.binary)
        mixtures.read(file.stream(), file.binary)
    assert facts["number of phones"] == "3"
    assert facts["number of pdfs"] == str(model.num_pdfs())
    assert facts["number of gaussians"] == str(mixtures.num_gauss())
    assert out.startswith(run("am-info", YESNO / "40.mdl")[1])
    tree = ContextDependency()
    with xopen(str(YESNO / "tree")) as file:
        tree.read(file.stream(), file.binary)
    facts = f"num-pdfs {tree.num_pdfs()}\ncontext-width {tree.context_width()}\ncentral-position 0\n"
    assert run("tree-info", YESNO / "tree") == (0, facts.encode())
    assert run("copy-tree", YESNO / "tree", "-") == (0, (YESNO / "tree").read_bytes())
    mixtures_of_one = mixtures.get_pdf(1)
    with xopen(f"{tmp_path}/mixture", "wb") as out:
        mixtures_of_one.write(out.stream(), True)
    assert run("gmm-global-copy", "--binary=false", f"{tmp_path}/mixture", f"{tmp_path}/text")[0] == 0
    assert run("gmm-global-copy", f"{tmp_path}/mixture", "-")[1] == (tmp_path / "mixture").read_bytes()
    expected = (
        f"number of gaussians {mixtures_of_one.num_gauss()}\nfeature dimension {mixtures_of_one.dim()}\n"
    )
    assert run("gmm-global-info", f"{tmp_path}/text")[1] == expected.encode()
    assert isinstance(mixtures_of_one, DiagGmm)


def alignments():
    with table.SequentialIntVectorReader(ALIGNMENTS) as reader:
        return dict(reader)


def test_alignments_in_pdfs_and_phones(run, tmp_path):
    model, expected = transitions_of(YESNO / "40.mdl"), alignments()
    arguments = (YESNO / "40.mdl", ALIGNMENTS, f"ark:{tmp_path}/out.ark")
    assert run("ali-to-pdf", *arguments)[0] == 0
    with table.SequentialIntVectorReader(arguments[2]) as reader:
        found = dict(reader)
    assert found == {key: [model.transition_id_to_pdf(item) for item in ids] for key, ids in expected.items()}

    phones, lengths, frames = {}, {}, {}
    for key, ids in expected.items():
        parts = split_to_phones(model, ids)[1]
        phones[key] = [model.transition_id_to_phone(part[0]) for part in parts]
        lengths[key] = [(phone, len(part)) for phone, part in zip(phones[key], parts, strict=True)]
        frames[key] = [phone for phone, count in lengths[key] for _ in range(count)]
    assert run("ali-to-phones", *arguments)[0] == 0
    assert dict(table.SequentialIntVectorReader(arguments[2])) == phones
    assert run("ali-to-phones", "--per-frame", *arguments)[0] == 0
    assert dict(table.SequentialIntVectorReader(arguments[2])) == frames
    assert run("ali-to-phones", "--write-lengths=true", *arguments)[0] == 0
    assert dict(table.SequentialIntPairVectorReader(arguments[2])) == lengths
    status, ctm = run("ali-to-phones", "--ctm-output", "--frame-shift=0.01", *arguments[:2], "-")
    assert status == 0
    key, (first, *_) = next(iter(lengths.items()))
    second = lengths[key][1]
    assert ctm.decode().splitlines()[:2] == [
        f"{key} 1 0.00 {first[1] * 0.01:.2f} {first[0]}",
        f"{key} 1 {first[1] * 0.01:.2f} {second[1] * 0.01:.2f} {second[0]}",
    ]
    with pytest.raises(OptionError, match="different forms"):
        run("ali-to-phones", "--per-frame", "--write-lengths", *arguments)


def test_alignments_as_posteriors_and_weights(run, tmp_path):
    expected = alignments()
    assert run("ali-to-post", ALIGNMENTS, f"ark:{tmp_path}/post.ark")[0] == 0
    with table.SequentialPosteriorReader(f"ark:{tmp_path}/post.ark") as reader:
        for key, frames in reader:
            assert frames == [[(item, 1.0)] for item in expected[key]]
    doubled = f"ark:sonant kaldi copy-post --scale=2 ark:{tmp_path}/post.ark ark:- |"
    assert run("post-to-weights", doubled, f"ark:{tmp_path}/w.ark")[0] == 0
    with table.SequentialVectorReader(f"ark:{tmp_path}/w.ark") as reader:
        for key, weights in reader:
            assert np.array_equal(weights.numpy(), np.full(len(expected[key]), 2))


def test_alignments_for_people(run, tmp_path, capfd):
    key, ids = next(iter(alignments().items()))
    phones = split_to_phones(transitions_of(YESNO / "40.mdl"), ids)[1]
    status, out = run("show-alignments", YESNO / "phones.txt", YESNO / "40.mdl", ALIGNMENTS)
    assert status == 0
    numbers, names, blank, *_ = out.decode().splitlines()
    assert numbers.startswith(f"{key}  [ {' '.join(map(str, phones[0]))} ] [ ")
    assert names.startswith(f"{key}  SIL ")
    assert blank == ""
    assert names.index(" Y ") + 1 == numbers.index("[", numbers.index("]")) or " N " in names
    (tmp_path / "phones").write_text("SIL 1\n")
    assert run("show-alignments", tmp_path / "phones", YESNO / "40.mdl", ALIGNMENTS)[0] == 1
    assert "has no symbol in" in capfd.readouterr().err
    (tmp_path / "phones").write_text("SIL one\n")
    with pytest.raises(OptionError, match="phones:1: 'SIL one'; expected 'symbol number'"):
        run("show-alignments", tmp_path / "phones", YESNO / "40.mdl", ALIGNMENTS)


def test_alignments_of_another_model(run, tmp_path):
    (tmp_path / "ali.gz").write_bytes(gzip.compress(b"utt 1 2 99999 \n"))
    with pytest.raises(AcousticModelError, match="99999"):
        run("ali-to-pdf", YESNO / "40.mdl", f"ark:gunzip -c {tmp_path}/ali.gz|", "ark:-")
