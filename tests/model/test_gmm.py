"""Alignment with the mixtures of a real Kaldi run, on a recording of its training."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from sonant import audio
from sonant.errors import ConfigError, DecodingError, FeatureError, ModelError, SonantError, TokenError
from sonant.features import Mfcc, MfccConfig, add_deltas, apply_cmvn, cmvn_stats, deltas
from sonant.kaldi.hmm import split_to_phones
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.util.io import xopen
from sonant.model.gmm import GmmModel
from sonant.model.gmm_features import GmmFeatures

DATA = Path(__file__).parents[1] / "data"
RUN = DATA / "kaldi-yesno"
RECORDING = DATA / "speech" / "0_0_0_0_1_1_1_1.flac"
TEXT = "NO NO NO NO YES YES YES YES"
CONF = "--use-energy=false   # only non-default option.\n--sample-frequency=8000\n"


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    """An experiment as it lies on disk: exp/mono beside data/lang and conf."""
    folder = tmp_path / "exp" / "mono"
    folder.mkdir(parents=True)
    shutil.copy(RUN / "40.mdl", folder / "final.mdl")
    shutil.copy(RUN / "tree", folder)
    shutil.copytree(RUN / "lang", tmp_path / "data" / "lang")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mfcc.conf").write_text(CONF)
    return folder


def raw_features() -> np.ndarray:
    config = MfccConfig(use_energy=False, sample_frequency=8000.0)
    return Mfcc(config).compute(audio.load(RECORDING, target_rate=8000).samples)


def test_the_alignment_of_the_training(exp: Path):
    model = GmmModel.load(exp, cmvn=f"{RUN / 'cmvn_train_yesno.ark'}:7")
    found = model.align(RECORDING, TEXT)
    with gzip.open(RUN / "ali.1.gz", "rt") as file:
        ids = next([int(i) for i in line.split()[1:]] for line in file if line.startswith(RECORDING.stem))
    transitions = model._aligner.transition_model
    theirs, begin = [], 0
    for part in split_to_phones(transitions, ids)[1]:
        theirs.append(("SIL", "Y", "N")[[1, 2, 3].index(transitions.transition_id_to_phone(part[0]))])
        theirs.append(begin)
        begin += len(part)
    ours = [value for phone in found.phones for value in (phone.text, round(phone.start * 100))]
    # The training had features of another dither, compressed: a border may lie a frame elsewhere.
    assert ours[::2] == theirs[::2]
    assert np.abs(np.subtract(ours[1::2], theirs[1::2])).max() <= 2
    assert [word.text for word in found.words] == TEXT.split()
    assert [(w.start, w.end) for w in found.words] == [
        (phone.start, phone.end) for phone in found.phones if phone.text != "SIL"
    ]
    assert found.positions == tuple(range(8)) and found.duration == pytest.approx(6.35, abs=0.005)
    assert found.phones[-1].end <= found.duration and not found.unsaid and not found.unknown
    assert found.phone_transcript.text.split() == ours[::2]


def test_features(exp: Path):
    raw = raw_features()
    found, seconds = GmmModel.load(exp).features(RECORDING)
    np.testing.assert_array_equal(found, add_deltas(apply_cmvn(raw, cmvn_stats(raw))))
    assert seconds == pytest.approx(6.35, abs=0.005)
    (exp / "cmvn_opts").write_text("--norm-means=true --norm-vars=true\n")
    (exp / "delta_opts").write_text("\n")
    found, _ = GmmModel.load(exp).features(RECORDING)
    np.testing.assert_array_equal(found, add_deltas(apply_cmvn(raw, cmvn_stats(raw), norm_vars=True)))
    (exp / "cmvn_opts").write_text("--norm-means=false --norm-vars=false")
    (exp / "delta_opts").write_text("--delta-order=1 --delta-window=3")
    made = GmmFeatures(exp, exp.parents[1] / "conf" / "mfcc.conf")
    pieces = np.array_split(audio.load(RECORDING, target_rate=8000).samples, 7)
    np.testing.assert_array_equal(made.compute(pieces), add_deltas(raw, 1, 3))
    assert (made.dim, made.sample_rate, made.frame_seconds) == (26, 8000, 0.01)
    with pytest.raises(FeatureError, match="shorter than a frame of 25 ms"):
        made.compute([np.zeros(100, np.float32)])


@pytest.mark.parametrize("affine", [False, True])
def test_spliced_frames_and_a_transform(exp: Path, affine: bool):
    """Deltas are a linear function of spliced frames, so that both are the same model."""
    expected = GmmModel.load(exp).align(RECORDING, TEXT)
    frames, _ = GmmModel.load(exp).features(RECORDING)
    transform = np.zeros((39, 9 * 13 + affine), np.float32)
    impulse = np.zeros((9, 1), np.float32)
    impulse[4] = 1.0
    taps = deltas().compute(impulse)  # of each block, by how far behind a frame it lies
    for block in range(3):
        for offset in range(9):
            for column in range(13):
                transform[block * 13 + column, offset * 13 + column] = taps[8 - offset, block]
    if affine:
        transform[:, -1] = 1.0
    with xopen(str(exp / "final.mat"), "w") as file:
        Matrix(transform).write(file.stream(), True)
    (exp / "splice_opts").write_text("--left-context=4 --right-context=4\n")
    model = GmmModel.load(exp)
    np.testing.assert_allclose(model.features(RECORDING)[0], frames + affine, atol=1e-4)
    if not affine:
        assert model.align(RECORDING, TEXT) == expected
    (exp / "splice_opts").write_text("--left-context=3 --right-context=3\n")
    with pytest.raises(ModelError, match=r"final\.mat: a transform of 11[78] columns; expected 91 or 92"):
        GmmModel.load(exp)


def test_texts_as_people_write_them(exp: Path):
    model = GmmModel.load(exp)
    found = model.align(RECORDING, "No, no \u201cNO\u201d no \u2013 yes yes, YES... yes!")
    plain = model.align(RECORDING, TEXT)
    assert [(w.start, w.end) for w in found.words] == [(w.start, w.end) for w in plain.words]
    assert found.words[2].text == "\u201cNO\u201d" and found.positions == (0, 1, 2, 3, 5, 6, 7, 8)
    (dash,) = found.unsaid
    assert (dash.text, dash.position, dash.reason) == ("\u2013", 4, "punctuation")
    assert dash.after == found.words[3].end


def test_words_that_the_lexicon_lacks(exp: Path):
    model = GmmModel.load(exp)  # its word for unknown ones is spelled with silence
    found = model.align(RECORDING, "perhaps " + TEXT)
    assert found.unknown == (0,) and found.words[0].text == "perhaps"
    assert found.words[0].start == 0.0 and found.words[0].end <= found.words[1].start
    (exp.parents[1] / "data" / "lang" / "oov.txt").unlink()
    with pytest.raises(TokenError, match="word 9 of the text, 'perhaps', is not in the model's"):
        GmmModel.load(exp).align(RECORDING, TEXT + " perhaps")
    for text in ("#0 <s> </s> <eps>", "NO <s>"):
        with pytest.raises(TokenError, match="is not in the model's"):
            GmmModel.load(exp).align(RECORDING, text)


def test_a_second_beam(exp: Path):
    """Text and recording that do not fit: the first beam loses the end of the text."""
    model = GmmModel.load(exp)
    text = "YES NO " * 20
    with pytest.raises(DecodingError, match=r"40 words in 633 frames, beam 0\.1"):
        model.align(RECORDING, text, beam=0.05, retry_beam=0.1)
    assert len(model.align(RECORDING, text, beam=0.05, retry_beam=400.0).words) == 40
    with pytest.raises(DecodingError, match="in 633 frames, beam 40"):
        model.align(RECORDING, TEXT * 40)
    with pytest.raises(ConfigError, match="beam=0; expected a positive number"):
        model.align(RECORDING, TEXT, beam=0)


def test_word_boundaries(exp: Path):
    """A lang folder with positions of phones in words, where it has them, in the place of a lexicon."""
    phones = exp.parents[1] / "data" / "lang" / "phones"
    expected = GmmModel.load(exp).align(RECORDING, TEXT)
    (phones / "word_boundary.int").write_text("1 nonword\n2 singleton\n3 singleton\n")
    (phones / "align_lexicon.int").unlink()
    assert GmmModel.load(exp).align(RECORDING, TEXT) == expected


@pytest.mark.parametrize(
    "missing", ["tree", "lang/L.fst", "lang/words.txt", "lang/phones/disambig.int", "lang/phones.txt", "conf"]
)
def test_what_is_not_there(exp: Path, missing: str):
    path = exp / "tree" if missing == "tree" else exp.parents[1] / "data" / missing
    if missing == "conf":
        path = exp.parents[1] / "conf" / "mfcc.conf"
    path.unlink()
    with pytest.raises(ModelError, match=path.name):
        GmmModel.load(exp)


def test_options_that_do_not_fit(exp: Path, tmp_path: Path):
    with pytest.raises(ModelError, match=r"no final.alimdl or final.mdl in it"):
        GmmModel.load(tmp_path)
    (exp / "delta_opts").write_text("--delta-order=1")
    with pytest.raises(ModelError, match=r"mixtures of 39 features, but .*mfcc.conf .* make 26"):
        GmmModel.load(exp)
    (exp / "delta_opts").write_text("--delta-order=2 and more")
    with pytest.raises(ConfigError, match="delta_opts: 'and'; expected options"):
        GmmModel.load(exp)
    (exp / "delta_opts").unlink()
    (exp / "cmvn_opts").write_text("--norm-vars=true --norm-means=false")
    with pytest.raises(ConfigError, match="cmvn_opts: --norm-vars with --norm-means=false"):
        GmmModel.load(exp)
    (exp / "cmvn_opts").write_text("--per-utt=true")
    with pytest.raises(SonantError, match=r"cmvn_opts: .* there is no option --per-utt"):
        GmmModel.load(exp)
    (exp / "cmvn_opts").unlink()
    other = tmp_path / "features.conf"
    other.write_text(CONF)
    with pytest.raises(ConfigError, match="begins with mfcc, plp, fbank"):
        GmmModel.load(exp, features=other)
    (exp / "final.alimdl").write_bytes((exp / "final.mdl").read_bytes()[:1000])
    with pytest.raises(SonantError, match=r"final\.alimdl"):
        GmmModel.load(exp)
