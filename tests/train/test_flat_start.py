"""Phone alignments from a flat start."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sonant import audio, text
from sonant.errors import ConfigError, TrainingError
from sonant.train.flat_start import (
    SILENCE,
    AlignmentConfig,
    Chain,
    FlatStart,
    Mixtures,
    _viterbi,
    aligner_features,
    read_lexicon,
)

SHORT = Path(__file__).resolve().parents[1] / "data" / "short"


def brute_force(scores: np.ndarray, chain: Chain) -> float:
    """The best path's score, by trying every path."""
    states, skips = chain.states.tolist(), chain.skips.tolist()
    best = -np.inf
    for moves in itertools.product((0, 1, 2), repeat=len(scores) - 1):
        for start in (0, 1):
            at = np.cumsum([start, *moves])
            if at[-1] not in (len(states) - 1, len(states) - 2):
                continue
            if any(m == 2 and not skips[a] for m, a in zip(moves, at[1:], strict=True)):
                continue
            best = max(best, sum(scores[t, states[a]] for t, a in enumerate(at)))
    return best


def test_the_best_path_is_the_best_of_all_paths():
    generator = torch.Generator().manual_seed(0)
    aligner = FlatStart(AlignmentConfig(), {"A": ("X",), "B": ("Y",)})
    chains = [aligner.chain("A"), aligner.chain("")]
    lengths = [7, 3]
    scores = [torch.randn(n, len(aligner.phones) * 3, generator=generator) for n in lengths]
    paths = _viterbi(scores, chains)
    for score, chain, path in zip(scores, chains, paths, strict=True):
        found = float(score[torch.arange(len(score)), path].sum())
        assert found == pytest.approx(brute_force(score.numpy(), chain), abs=1e-5)


def test_a_silence_between_words_may_be_passed_over():
    aligner = FlatStart(AlignmentConfig(), {"A": ("X",), "B": ("Y",)})
    chain = aligner.chain("A B")
    assert chain.states.tolist() == [0, *range(6, 9), 0, *range(9, 12), 0]
    assert [i for i, skip in enumerate(chain.skips) if skip] == [5]


def test_mixtures_find_two_clusters():
    generator = torch.Generator().manual_seed(0)
    centre = torch.tensor([[-3.0], [3.0]])
    features = (centre[torch.arange(2000) % 2] + torch.randn(2000, 1, generator=generator)).float()
    states = torch.zeros(2000, dtype=torch.int64)
    mixtures = Mixtures(features, states, 1)
    before = mixtures.scores(features).sum()
    mixtures.split()
    for _ in range(40):
        mixtures.estimate(features, states)
    assert sorted(mixtures.means.flatten().tolist()) == pytest.approx([-3, 3], abs=0.2)
    assert mixtures.variances.flatten().tolist() == pytest.approx([1, 1], abs=0.2)
    assert mixtures.scores(features).sum() > before


def test_tones_are_found_where_they_are():
    """Three "phones" of different pitch in random order and length: nearly every frame gets its own."""
    generator = np.random.default_rng(0)
    lexicon = {"A": ("LOW",), "B": ("MID",), "C": ("HIGH",)}
    pitch = {"A": 300.0, "B": 900.0, "C": 2500.0}
    waves, texts, truths = [], [], []
    for _ in range(40):
        words = generator.choice(list(lexicon), size=6)
        pieces, truth = [], []
        for word in ("", *words, ""):
            samples = int(generator.uniform(0.1, 0.3) * 16000)
            tone = np.sin(2 * np.pi * pitch.get(word, 0) * np.arange(samples) / 16000) * 0.3
            pieces.append(tone + generator.normal(0, 0.003, samples))
            truth += [lexicon[word][0] if word else SILENCE] * samples
        waves.append(np.concatenate(pieces).astype(np.float32))
        texts.append(" ".join(words))
        truths.append(truth)
    aligner = FlatStart(AlignmentConfig(gaussians=2), lexicon)
    found = aligner.align([aligner_features(w, 16000) for w in waves], texts)
    right = [
        aligner.phones[label] == truth[i * 160 + 200]
        for labels, truth in zip(found, truths, strict=True)
        for i, label in enumerate(labels)
    ]
    assert np.mean(right) > 0.9


def test_real_speech_is_aligned_in_the_order_of_its_phones():
    rows = [json.loads(line) for line in (SHORT / "manifest.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["speaker"] == "p239"]
    lexicon = read_lexicon(None)
    aligner = FlatStart(AlignmentConfig(), lexicon)
    texts = [text.spoken(row["text"]) for row in rows]
    waves = [audio.load(SHORT / row["audio"]).samples for row in rows]
    found = aligner.align([aligner_features(wave, 16000) for wave in waves], texts)
    loud, silent = [], []
    for wave, labels, said in zip(waves, found, texts, strict=True):
        assert len(labels) == (len(wave) - 400) // 160 + 1
        heard = [aligner.phones[label] for label in labels]
        expected = [p for word in said.split() for p in lexicon.get(word, ("UNK",))]
        runs = [phone for phone, _ in itertools.groupby(p for p in heard if p != SILENCE)]
        assert runs == [phone for phone, _ in itertools.groupby(expected)]
        energy = np.array([np.square(wave[i * 160 : i * 160 + 400]).mean() for i in range(len(labels))])
        silent += energy[labels == 0].tolist()
        loud += energy[labels != 0].tolist()
    # Twenty sentences are enough to tell silence from speech.
    assert np.median(loud) > 3 * np.median(silent)


def test_a_lexicon_file(tmp_path: Path):
    path = tmp_path / "lexicon.txt"
    path.write_text("yes Y E S\nno N O\nno N OW\n")
    assert read_lexicon(path) == {"YES": ("Y", "E", "S"), "NO": ("N", "O")}
    path.write_text("yes Y E S\nno\n")
    with pytest.raises(ConfigError, match=r"lexicon.txt:2: 'no' has no phones"):
        read_lexicon(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be opened: No such file or directory"),
        (b"\xff\xfe\n", "1: .* has no phones"),
        (b"A X\n\nB\n", "3: 'B' has no phones"),
    ],
)
def test_a_lexicon_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"lexicon\.txt:? ?{message}"):
        read_lexicon(path)


def test_more_phones_than_a_byte_can_tell_apart_are_refused():
    with pytest.raises(ConfigError, match="the lexicon has 302 phones, expected 256 at most"):
        FlatStart(AlignmentConfig(), {"A": tuple(f"P{i}" for i in range(300))})


def test_texts_that_are_too_long_for_all_recordings_are_named():
    aligner = FlatStart(AlignmentConfig(), {"A": ("X",)})
    with pytest.raises(
        TrainingError, match="of 2 recordings none is long enough to be aligned with its text"
    ):
        aligner.align([torch.randn(5, 39), torch.randn(4, 39)], ["A A A", "A A"])
