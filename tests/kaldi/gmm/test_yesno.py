"""A real run of Kaldi (the yesno recipe): its models, tree and alignments, and training as Kaldi does it."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import AcousticModelError, ArkError
from sonant.kaldi.gmm import DiagGmm, GmmUpdateFlags, MapDiagGmmOptions, MleDiagGmmOptions
from sonant.kaldi.gmm.am import (
    AccumAmDiagGmm,
    AmDiagGmm,
    DecodableAmDiagGmmScaled,
    map_am_diag_gmm_update,
    mle_am_diag_gmm_update,
)
from sonant.kaldi.hmm import HmmTopology, TransitionModel, split_to_phones
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import SequentialIntVectorReader

YESNO = Path(__file__).parents[2] / "data" / "kaldi-yesno"
GOLDEN = Path(__file__).parent / "golden"
RUN = np.load(GOLDEN / "yesno.npz")
ALL = GmmUpdateFlags.ALL


def model(read, name: str) -> tuple[TransitionModel, AmDiagGmm]:
    return read((TransitionModel(), AmDiagGmm()), YESNO / name)


@pytest.mark.parametrize("name", ["0.mdl", "40.mdl"])
def test_models_survive_byte_for_byte(name: str, read, written):
    data = (YESNO / name).read_bytes()
    binary, text = written(*model(read, name))
    assert binary == data
    again = written(*read((TransitionModel(), AmDiagGmm()), text))
    assert again[1] == text


def test_tree_and_topology(read, written):
    tree = (YESNO / "tree").read_bytes()
    assert written(read(ContextDependency(), tree))[0] == tree
    text = (YESNO / "topo").read_text()
    topo = read(HmmTopology(), text.encode())
    # The recipe wrote the file; Kaldi ends its lines with a space.
    assert written(topo)[1].decode() == text.replace("\n", " \n")
    transitions, mixtures = model(read, "40.mdl")
    assert transitions.get_topo() == topo
    assert written(transitions.get_topo()) == written(topo)
    made = TransitionModel.from_topo(read(ContextDependency(), tree), topo)
    assert made.compatible(transitions) and made.num_pdfs() == mixtures.num_pdfs() == 11


def test_the_example_of_the_documentation():
    transitions, mixtures, tree = TransitionModel(), AmDiagGmm(), ContextDependency()
    with xopen(str(YESNO / "40.mdl")) as file:
        transitions.read(file.stream(), file.binary)
        mixtures.read(file.stream(), file.binary)
    with xopen(str(YESNO / "tree")) as file:
        tree.read(file.stream(), file.binary)
    assert tree.num_pdfs() == transitions.num_pdfs() == mixtures.num_pdfs()
    assert mixtures.log_likelihoods_matrix(RUN["frames"]).shape == (200, 11)


def test_models_are_written_through_pipes(tmp_path: Path, read):
    transitions, mixtures = model(read, "40.mdl")
    with xopen(f"| gzip -c > {tmp_path / 'x.gz'}", "wb") as file:
        transitions.write(file.stream(), file.binary)
        mixtures.write(file.stream(), file.binary)
    with xopen(f"gunzip -c {tmp_path / 'x.gz'} |") as file:
        again = TransitionModel(), AmDiagGmm()
        for part in again:
            part.read(file.stream(), file.binary)
    assert again[0].compatible(transitions) and again[1].num_gauss() == 943


def test_likelihoods_are_kaldis(read):
    transitions, mixtures = model(read, "40.mdl")
    assert (mixtures.num_gauss(), mixtures.dim()) == (943, 39)
    frames, expected = RUN["frames"], RUN["log_likelihoods"]
    np.testing.assert_allclose(mixtures.log_likelihoods_matrix(frames).numpy(), expected, rtol=1e-5)
    assert mixtures.log_likelihood(4, frames[3]) == pytest.approx(float(expected[3, 4]), rel=1e-5)
    decodable = DecodableAmDiagGmmScaled(mixtures, transitions, frames, 0.1)
    for row, frame in enumerate(range(0, 200, 10)):
        found = [decodable.log_likelihood(frame, i) for i in (1, 7, 30)]
        assert found == pytest.approx(RUN["scaled"][row].tolist(), rel=1e-4)


def alignments() -> dict[str, list[int]]:
    with SequentialIntVectorReader(f"ark:gunzip -c {YESNO / 'ali.1.gz'} |") as reader:
        return {key: list(ali) for key, ali in reader}


def test_alignments_decode_to_what_was_said(read):
    transitions, _ = model(read, "40.mdl")
    names = dict(reversed(line.split()) for line in (YESNO / "phones.txt").read_text().splitlines())
    lexicon = dict(line.split() for line in (YESNO / "lexicon.txt").read_text().splitlines())
    words = dict(line.split(maxsplit=1) for line in (YESNO / "text").read_text().splitlines())
    found = alignments()
    assert found.keys() == words.keys() and len(found) == 31
    for key, ali in found.items():
        whole, phones = split_to_phones(transitions, ali)
        assert whole
        spoken = [names[str(transitions.transition_id_to_phone(ids[0]))] for ids in phones]
        assert [p for p in spoken if p != "SIL"] == [lexicon[word] for word in words[key].split()]


def assert_same_model(ours: AmDiagGmm, theirs: AmDiagGmm):
    assert ours.num_pdfs() == theirs.num_pdfs()
    for a, b in zip(ours._pdfs, theirs._pdfs, strict=True):
        for name in ("_weights", "_means", "_inverses", "_gconsts"):
            x, y = getattr(a, name), getattr(b, name)
            assert x.shape == y.shape
            np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-4 * np.abs(y).max(), err_msg=name)


def golden(read, name: str) -> AmDiagGmm:
    return read(AmDiagGmm(), GOLDEN / f"{name}.bin")


def test_training_as_kaldi_does_it(read, written):
    _, mixtures = model(read, "0.mdl")
    acc = AccumAmDiagGmm()
    acc.init(mixtures, ALL)
    for frame, pdf in zip(RUN["frames"], RUN["pdfs"].tolist(), strict=True):
        acc.accumulate_for_gmm(mixtures, frame, pdf, 1.0)
    assert [acc.tot_count(), acc.tot_log_like(), acc.tot_stats_count()] == pytest.approx(
        RUN["totals"], rel=1e-5
    )
    expected = read(AccumAmDiagGmm(), GOLDEN / "am_acc.bin")
    for ours, theirs in zip(acc._accs, expected._accs, strict=True):
        for a, b in zip(ours._arrays(), theirs._arrays(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)
    config = MleDiagGmmOptions(min_gaussian_occupancy=3.0)
    result = mle_am_diag_gmm_update(config, acc, ALL, mixtures)
    assert result == pytest.approx(RUN["results"][0], rel=1e-3)
    assert_same_model(mixtures, golden(read, "am_mle"))
    result = map_am_diag_gmm_update(MapDiagGmmOptions(), acc, ALL, mixtures)
    assert result == pytest.approx(RUN["results"][1], rel=1e-2, abs=0.5)
    assert_same_model(mixtures, golden(read, "am_map"))
    mixtures.split_by_count(RUN["occupancies"], 30, 0.0, 0.25, 3.0)
    assert_same_model(mixtures, golden(read, "am_split"))
    few = AmDiagGmm()
    for name in ("diag", "other"):
        few.add_pdf(read(DiagGmm(), GOLDEN / f"{name}.bin"))
    few.merge_by_count([100.0, 5.0], 9, 0.25, 1.0)
    assert_same_model(few, golden(read, "am_merged"))


def test_statistics_of_models(read, written):
    _, mixtures = model(read, "0.mdl")
    binary, text = ((GOLDEN / f"am_acc{s}").read_bytes() for s in (".bin", ".txt"))
    acc = read(AccumAmDiagGmm(), binary)
    assert written(acc) == (binary, text)
    twice = read(acc, binary, True)
    assert twice.tot_count() == pytest.approx(2 * RUN["totals"][0])
    old = binary[: binary.index(b"<total_like>")]
    assert read(AccumAmDiagGmm(), old).tot_count() == 0
    other = AccumAmDiagGmm()
    other.init(mixtures, ALL)
    other.add(0.5, twice)
    assert other.tot_stats_count() == pytest.approx(RUN["totals"][2], rel=1e-5)
    other.scale(2.0)
    assert other.tot_log_like() == pytest.approx(2 * RUN["totals"][1], rel=1e-5)
    other.set_zero(ALL)
    assert other.tot_stats_count() == 0 and other.tot_count() > 0
    frame = RUN["frames"][0]
    assert other.accumulate_for_gmm_twofeats(mixtures, frame, frame + 1, 3, 2.0) == pytest.approx(
        mixtures.log_likelihood(3, frame)
    )
    other.accumulate_for_gaussian(mixtures, frame, 3, 0, 0.25)
    other.accumulate_from_posteriors(mixtures, frame, 3, [0.5])
    assert other.get_acc(3).occupancy().numpy().tolist() == [2.75]
    np.testing.assert_allclose(
        other.get_acc(3).mean_accumulator().numpy()[0], 2 * (frame + 1) + 0.75 * frame, rtol=1e-5
    )
    assert (other.num_accs(), other.dim()) == (11, 39)
    other.init_with_dim(mixtures, 3, 7)
    assert other.dim() == 3
    with pytest.raises(AcousticModelError, match="for a model of 0"):
        mle_am_diag_gmm_update(MleDiagGmmOptions(), acc, ALL, AmDiagGmm())
    with pytest.raises(AcousticModelError, match="pdf 11"):
        acc.get_acc(11)
    for end in range(0, len(binary) - 2, 97):
        if binary[:end] != old:
            with pytest.raises((ArkError, AcousticModelError)):
                read(AccumAmDiagGmm(), binary[:end])


def test_cut_off_anywhere(read):
    data = (YESNO / "0.mdl").read_bytes()
    for end in range(len(data) - 1):
        with pytest.raises((ArkError, AcousticModelError)):
            read((TransitionModel(), AmDiagGmm()), data[:end])
    tree = (YESNO / "tree").read_bytes()
    for end in range(len(tree) - 1):
        with pytest.raises(ArkError):
            read(ContextDependency(), tree[:end])


def test_models_whose_parts_do_not_fit(read):
    _, mixtures = model(read, "0.mdl")
    transitions, _ = model(read, "40.mdl")
    few = AmDiagGmm()
    few.init(mixtures.get_pdf(0), 5)
    with pytest.raises(AcousticModelError, match="has 11 pdfs, the mixtures are 5"):
        DecodableAmDiagGmmScaled(few, transitions, RUN["frames"], 0.1)
    data = (YESNO / "0.mdl").read_bytes()
    at = data.index(b"<DIMENSION> ") + 13
    with pytest.raises(AcousticModelError, match=r"pdf 0 has dimension 39; the model's is 40"):
        read((TransitionModel(), AmDiagGmm()), data[:at] + b"\x28" + data[at + 1 :])
    for old, new in (
        (b"<NUMPDFS> \x04\x0b\0\0\0", b"<NUMPDFS> \x04\xff\xff\xff\x7f"),
        (b"<NUMPDFS> \x04\x0b", b"<NUMPDFS> \x04\0"),
    ):
        assert old in data
        with pytest.raises(ArkError):
            read((TransitionModel(), AmDiagGmm()), data.replace(old, new))
    with pytest.raises(ArkError, match=r"0\.mdl:\d+: expected"):
        read(DiagGmm(), YESNO / "0.mdl")


def test_damaged_bytes_never_crash(read):
    data = (YESNO / "0.mdl").read_bytes()
    chance = random.Random(5)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(2, len(data))] = chance.randrange(256)
        with suppress(ArkError, AcousticModelError):
            read((TransitionModel(), AmDiagGmm()), bytes(damaged))
