"""Bad input is a SearchError that says where; threads are left alone while the core works."""

import threading

import numpy as np
import pytest

from sonant.errors import SearchError
from sonant.search import (
    CtcGreedy,
    CtcPrefixBeam,
    TransducerBeam,
    TransducerGreedy,
    advance_transducers,
    ctc_greedy,
    ctc_prefix_beam,
    transducer_beam,
    transducer_greedy,
)


def scores(frames=4, tokens=5):
    return np.full((frames, tokens), -1.5, np.float32)


def flat_step(frames, contexts):
    return scores(len(frames))


def spoiled(value, frame=2, token=3, **shape):
    array = scores(**shape)
    array[frame, token] = value
    return array


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("search", [ctc_greedy, ctc_prefix_beam])
@pytest.mark.parametrize("threads", [1, 2])
def test_ctc_names_utterance_frame_and_token(value, search, threads):
    batch = [scores(), scores(0), spoiled(value), spoiled(value, 0, 0)]
    with pytest.raises(
        SearchError, match=f"utterance 2: frame 2, token 3: found the score {value}, expected a log-prob"
    ):
        search(batch, num_threads=threads)


@pytest.mark.parametrize("make", [CtcGreedy, CtcPrefixBeam])
def test_ctc_streams_count_frames_from_the_beginning_and_stay_as_they_were(make):
    stream, twin = make(), make()
    for search in (stream, twin):
        search.advance(scores(10))
    with pytest.raises(SearchError, match="frame 12, token 3: found the score nan"):
        stream.advance(spoiled(np.nan))
    with pytest.raises(SearchError, match=r"scores have 6 tokens \(columns\), expected 5"):
        stream.advance(scores(3, 6))
    assert stream.frames == 10
    for search in (stream, twin):
        search.advance(scores(3))
    assert stream.hypotheses(5) == twin.hypotheses(5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (scores().astype(np.float64), "utterance 1: scores: found float64, expected float32"),
        (scores().astype(np.float16), "utterance 1: scores: found float16, expected float32"),
        (scores()[0], r"utterance 1: scores: found shape \(5,\), expected two dimensions \(frames, tokens\)"),
        (scores()[None], r"utterance 1: scores: found shape \(1, 4, 5\)"),
        (scores(4, 6), r"utterance 1: scores: found 6 tokens \(columns\), expected 5 as in utterance 0"),
        (scores(4, 0), r"utterance 1: scores: found shape \(4, 0\), expected at least one column"),
        (scores().tolist(), "utterance 1: scores: found a list, expected a numpy array"),
        (None, "utterance 1: scores: found a NoneType"),
    ],
)
def test_arrays_that_do_not_fit(bad, message):
    for search in (ctc_greedy, ctc_prefix_beam):
        with pytest.raises(SearchError, match=message):
            search([scores(), bad])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam: found 0, expected 1 or more"),
        ({"beam": -3}, "beam: found -3, expected 1 or more"),
        ({"beam": 2.5}, "beam: found 2.5, expected an integer"),
        ({"beam": 2**40}, "beam: found 1099511627776"),
        ({"nbest": 0}, "nbest: found 0, expected 1 or more"),
        ({"blank": -1}, "blank: found -1, expected 0 or more"),
        ({"settle_after": -1}, "settle_after: found -1, expected 0 or more"),
        ({"blank": "a"}, "blank: found 'a', expected an integer"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(SearchError, match=message):
        ctc_prefix_beam([scores()], **options)
    with pytest.raises(SearchError, match=message):
        transducer_beam(flat_step, [scores()], **options)


def test_blank_out_of_range():
    for search in (ctc_greedy, ctc_prefix_beam):
        with pytest.raises(SearchError, match=r"blank: found 5, but the scores have 5 tokens"):
            search([scores()], blank=5)
    for search in (transducer_greedy, transducer_beam):
        with pytest.raises(SearchError, match=r"utterance 0: blank: found 9, but the scores have 5 tokens"):
            search(flat_step, [scores()], blank=9)


def test_other_options():
    for make in (lambda: TransducerGreedy(context_size=0), lambda: TransducerBeam(context_size=0)):
        with pytest.raises(SearchError, match="context_size: found 0"):
            make()
    with pytest.raises(SearchError, match="max_symbols: found 0"):
        TransducerGreedy(max_symbols=0)
    with pytest.raises(SearchError, match="num_threads: found -1"):
        ctc_greedy([scores()], num_threads=-1)
    with pytest.raises(SearchError, match="start: found -1"):
        CtcGreedy().hypotheses(start=-1)
    assert isinstance(
        ctc_prefix_beam([scores()], beam=np.int64(3), nbest=np.int32(2))[0], list
    )  # any integer will do


@pytest.mark.parametrize("search", [transducer_greedy, transducer_beam])
def test_steps_that_return_what_does_not_fit(search):
    returns = {
        r"found shape \(1, 2, 5\)": lambda n: scores(n)[None],
        r"found 3 rows, expected 2": lambda n: scores(n + 1),
        "found float64, expected float32": lambda n: scores(n).astype(np.float64),
        "found a NoneType": lambda n: None,
    }
    for message, make in returns.items():
        with pytest.raises(SearchError, match="what the step function returned: " + message):
            search(lambda frames, contexts, make=make: make(len(frames)), [scores(), scores()])

    widths = iter([5, 6])
    with pytest.raises(SearchError, match="utterance 0: scores have 6 tokens"):
        search(lambda frames, contexts: scores(len(frames), next(widths)), [scores(2)])


@pytest.mark.parametrize("search", [transducer_greedy, transducer_beam])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_steps_that_return_nan_name_the_place(search, value):
    calls = []

    def step(frames, contexts):
        calls.append(len(frames))
        out = np.tile(np.array([0, -9, -9, -9, -9], np.float32), (len(frames), 1))
        if len(calls) == 3:  # one utterance of two frames and one of five: the latter is alone now
            out[-1, 4] = value
        return out

    with pytest.raises(
        SearchError, match=f"utterance 1: frame 2, hypothesis [0-9]+, token 4: found the score {value}"
    ):
        search(step, [scores(2), scores(5)])


@pytest.mark.parametrize("search", [transducer_greedy, transducer_beam])
def test_what_a_step_raises_passes_through(search):
    error = KeyError("the user's own")

    def step(frames, contexts):
        raise error

    with pytest.raises(KeyError) as caught:
        search(step, [scores()])
    assert caught.value is error


def test_a_bad_round_moves_no_search():
    searches = [TransducerBeam(2), TransducerBeam(2)]
    with pytest.raises(SearchError, match="utterance 1"):
        advance_transducers(lambda f, c: spoiled(np.nan, 1, 0, frames=len(f)), searches, [scores(), scores()])
    assert [search.frames for search in searches] == [0, 0]


def test_lists_that_do_not_go_together():
    search = TransducerBeam()
    with pytest.raises(SearchError, match="found encoder frames for 2 utterances, expected 1"):
        advance_transducers(flat_step, [search], [scores(), scores()])
    with pytest.raises(SearchError, match="the same search twice"):
        advance_transducers(flat_step, [search, search], [scores(), scores()])
    with pytest.raises(SearchError, match=r"context sizes \[1, 2\]"):
        advance_transducers(flat_step, [search, TransducerBeam(context_size=1)], [scores(), scores()])
    with pytest.raises(
        SearchError, match=r"utterance 1: encoder frames: found 6 dim \(columns\), expected 5"
    ):
        transducer_beam(flat_step, [scores(), scores(4, 6)])


def test_a_search_by_hand_wants_a_row_per_live_hypothesis():
    search = TransducerBeam(3)
    search.advance(scores(1))
    with pytest.raises(SearchError, match="scores have 1 rows, expected 3: one for each live hypothesis"):
        search.advance(scores(1))
    with pytest.raises(SearchError, match="frame 1, hypothesis 2, token 1: found the score nan"):
        search.advance(spoiled(np.nan, 2, 1, frames=3))
    with pytest.raises(
        SearchError, match=r"log_probs: found shape \(5,\), expected two dimensions \(live hypotheses"
    ):
        search.advance(scores(1)[0])
    assert search.frames == 1


def test_other_threads_run_during_a_search():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 60)).astype(np.float32)
    batch = [logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)]
    stream = CtcPrefixBeam(200)
    worker = threading.Thread(target=stream.advance, args=(batch[0],))
    ticks = 0
    worker.start()
    while worker.is_alive():
        ticks += 1
    worker.join()
    assert ticks > 1000  # with the GIL held, this loop would hardly run
    assert stream.hypotheses(3) == ctc_prefix_beam(batch, beam=200, nbest=3)[0]
