"""Every decoder that the commands know, on real recordings, and that streaming equals offline."""

from pathlib import Path

import numpy as np
import pytest
import tyro

from sonant import audio
from sonant.audio import Utterance, read_corpus
from sonant.cli.search_options import SearchOptions
from sonant.errors import ConfigError
from sonant.fst import NgramLm
from sonant.fst.graphs import Lexicon, compose_tlg, compose_token_lg
from sonant.model import Failure, GraphDecoding, Model, Reading, evaluate
from sonant.search import GraphSearch, GraphSearchConfig, TransducerGraph

SPEECH = Path(__file__).resolve().parents[1] / "data" / "speech"
NAMES = ("1462-170145-0013", "2902-9006-0000", "84-121123-0021")


def test_every_decoder_on_real_recordings(model: Model, tmp_path: Path):
    """With a closed vocabulary and a bigram of the three sentences themselves, graphs hear them well."""
    utterances = [u for u in read_corpus(SPEECH) if u.id in NAMES]
    texts = [u.text for u in utterances]
    words, arpa, tokens, low = (tmp_path / n for n in ("words.txt", "lm.arpa", "tokens.arpa", "low.arpa"))
    words.write_text("".join(f"{word}\n" for word in sorted({w for text in texts for w in text.split()})))
    NgramLm.train(texts, 2).write(arpa)
    pieces = [" ".join(model.tokens.pieces[i] for i in model.tokens.encode(text)) for text in texts]
    NgramLm.train(pieces, 4).write(tokens)
    NgramLm.train(pieces, 2).write(low)
    hot = tmp_path / "hot.txt"
    hot.write_text(f"{texts[0].split()[-1]}\t3\n")
    graph = ["--words", str(words), "--lm", str(arpa)]
    rescore = ["--rescore-lm", str(arpa), "--nbest", "20"]
    token_lm = ["--token-lm", str(tokens), "--lm-weight", "0.4"]
    settings = {
        "plain": [],
        "greedy of the transducer": ["--head", "transducer", "--max-symbols", "2"],
        "prefix beam": ["--decoder", "prefix-beam"],
        "prefix beam, lm": ["--decoder", "prefix-beam", "--beam", "16", *graph],
        "modified beam": ["--decoder", "modified-beam"],
        "time-synchronous beam": ["--decoder", "time-sync-beam", "--max-symbols", "2"],
        "modified beam, token lm": ["--decoder", "modified-beam", "--beam", "8", *token_lm],
        "lodr": ["--decoder", "modified-beam", "--beam", "8", *token_lm, "--lodr", str(low)],
        "hot words": ["--decoder", "modified-beam", "--hot-words", str(hot)],
        "one-best": ["--decoder", "one-best", *graph],
        "nbest": ["--decoder", "nbest", "--nbest", "10", *graph],
        "nbest-rescoring": ["--decoder", "nbest-rescoring", *graph, *rescore],
        "whole lattice": ["--decoder", "whole-lattice-rescoring", *graph, *rescore],
        "fast beam": ["--decoder", "fast-beam"],
        "fast beam, nbest": ["--decoder", "fast-beam-nbest", "--nbest", "10"],
        "fast beam, lg": ["--decoder", "fast-beam-lg", "--max-contexts", "32", "--max-states", "512", *graph],
        "fast beam, nbest lg": ["--decoder", "fast-beam-nbest-lg", "--nbest", "10", *graph],
    }
    rates = {}
    for name, options in settings.items():
        search = tyro.cli(SearchOptions, args=options).of(model)
        found = evaluate(model, utterances, **search)
        assert not found.failures
        rates[name] = found.error_rate().rate
    assert max(rates[name] for name in settings if name.startswith(("one", "nbest", "whole"))) < 0.25, rates
    assert rates["prefix beam, lm"] < 0.4, rates
    assert max(rates["modified beam, token lm"], rates["lodr"]) < rates["modified beam"], rates
    assert rates["fast beam, lg"] < rates["fast beam"], rates


@pytest.fixture(scope="module")
def decodings(model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, GraphDecoding]:
    """Over graphs of the words of three recordings."""
    texts = [u.text for u in read_corpus(SPEECH) if u.id in NAMES]
    pieces = model.tokens.pieces
    words = sorted({word for text in texts for word in text.split()})
    lexicon = Lexicon.spelled(words, lambda word: [pieces[i] for i in model.tokens.encode(word)])
    arpa = tmp_path_factory.mktemp("lm") / "lm.arpa"
    lm = NgramLm.train(texts, 2)
    lm.write(arpa)
    ctc = compose_tlg(pieces, lexicon, arpa)
    tokens = compose_token_lg(pieces, lexicon, arpa)
    transducer = TransducerGraph(tokens, len(pieces), context_size=model.config.context)
    return {
        "one-best": GraphDecoding(GraphSearch(ctc, GraphSearchConfig(lattice=False))),
        "whole": GraphDecoding(GraphSearch(ctc), "whole-lattice-rescoring", 10, lm),
        "fast-beam-lg": GraphDecoding(transducer),
        "fast-beam-nbest-lg": GraphDecoding(transducer, "nbest", 10),
    }


@pytest.mark.parametrize("name", ["one-best", "whole", "fast-beam-lg", "fast-beam-nbest-lg"])
def test_streaming_equals_offline(model: Model, decodings: dict[str, GraphDecoding], name: str):
    samples = audio.load(SPEECH / "84-121123-0021.mp3", target_rate=16000).samples
    whole = model.transcribe(samples, sample_rate=16000, decoder=decodings[name])
    assert whole.text == " ".join(word.text for word in whole.words) != ""
    starts = [word.start for word in whole.words]
    assert starts == sorted(starts) and all(0 <= w.start <= w.end <= whole.duration for w in whole.words)
    assert all(0 < w.confidence <= 1 for w in whole.words)
    with model.stream(decoder=decodings[name]) as stream:
        for start in range(0, len(samples), 7001):
            stream.feed(samples[start : start + 7001])
        assert stream.partial().text
        assert stream.finish() == whole


def test_alternatives_are_different_readings(model: Model, decodings: dict[str, GraphDecoding]):
    path = SPEECH / "84-121123-0021.mp3"
    for name in ("whole", "fast-beam-nbest-lg"):
        found = model.transcribe(path, decoder=decodings[name], alternatives=3)
        assert len({found.text, *(other.text for other in found.alternatives)}) == 4


def test_silence_says_nothing(model: Model, decodings: dict[str, GraphDecoding]):
    for name in ("whole", "fast-beam-lg"):
        found = model.transcribe(np.zeros(200, np.float32), sample_rate=16000, decoder=decodings[name])
        assert len(found.words) <= 1


def test_graphs_of_another_network_are_named(model: Model, decodings: dict[str, GraphDecoding]):
    graph = decodings["fast-beam-lg"].graph
    assert isinstance(graph, TransducerGraph)
    with pytest.raises(ConfigError, match="a graph of the transducer head, head='ctc'"):
        model.stream(decoder=decodings["fast-beam-lg"], head="ctc")
    with pytest.raises(ConfigError, match="expected these in the graph, or rescoring"):
        model.stream(decoder=decodings["one-best"], hot_words={"HE": 1.0})
    with pytest.raises(ConfigError, match="method='nbest': the search keeps no lattice"):
        GraphDecoding(decodings["one-best"].graph, "nbest")
    with pytest.raises(ConfigError, match="expected a language model with the methods"):
        GraphDecoding(decodings["whole"].graph, "nbest-rescoring")
    with pytest.raises(ConfigError, match="method='best'"):
        GraphDecoding(graph, "best")  # pyright: ignore[reportArgumentType]


def test_recordings_that_cannot_be_used_are_told_and_the_rest_goes_on(model: Model, tmp_path: Path):
    utterances = [u for u in read_corpus(SPEECH) if u.id in NAMES]
    notes, gone = tmp_path / "notes.wav", tmp_path / "gone.flac"
    notes.write_text("this is no recording")
    bad = [Utterance("notes", notes, "NOTES", 1.0), Utterance("gone", gone, "GONE", 1.0)]
    mixed = [utterances[0], bad[0], *utterances[1:], bad[1]]
    told: list[Reading | Failure] = []
    found = evaluate(model, mixed, progress=told.append)
    assert [reading.id for reading in found.readings] == [u.id for u in utterances]
    assert [(failure.id, failure.audio) for failure in found.failures] == [
        ("notes", str(notes)),
        ("gone", str(gone)),
    ]
    assert "notes.wav" in found.failures[0].reason and "gone.flac" in found.failures[1].reason
    assert len(told) == 5
    alone = [model.transcribe(u.audio).text for u in utterances]
    assert [reading.hypothesis for reading in found.readings] == alone
    again = evaluate(model, mixed, done=found.readings, progress=told.append)
    assert len(told) == 7 and again.readings == found.readings  # only those that failed are tried again
    with pytest.raises(ConfigError, match="decoder='best'"):
        evaluate(model, mixed, decoder="best")
