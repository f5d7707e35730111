"""Endpoints by PyKaldi's names. Defaults and answers of the rules as PyKaldi 0.2.1 gives them."""

from math import inf
from pathlib import Path

import numpy as np
import pytest

from sonant.errors import OptionError, SearchError
from sonant.kaldi.asr import MappedRecognizer
from sonant.kaldi.decoder import (
    DecodableMatrixScaledMapped,
    LatticeFasterDecoderOptions,
    LatticeFasterOnlineDecoder,
)
from sonant.kaldi.fstext import read_fst_kaldi
from sonant.kaldi.matrix import Matrix
from sonant.kaldi.online2 import (
    OnlineEndpointConfig,
    OnlineEndpointRule,
    decoding_endpoint_detected,
    endpoint_detected,
    trailing_silence_length,
)
from sonant.kaldi.util.options import ParseOptions

RUN = Path(__file__).parents[1] / "data" / "kaldi-yesno"


def test_rules_and_their_defaults():
    config = OnlineEndpointConfig()
    rules = [getattr(config, f"rule{k}") for k in range(1, 6)]
    found = [
        (
            rule.must_contain_nonsilence,
            rule.min_trailing_silence,
            rule.max_relative_cost,
            rule.min_utterance_length,
        )
        for rule in rules
    ]
    assert found == [
        (False, 5.0, inf, 0.0),
        (True, 0.5, 2.0, 0.0),
        (True, 1.0, 8.0, 0.0),
        (True, 2.0, inf, 0.0),
        (False, 0.0, inf, 20.0),
    ]
    assert (config.silence_phones, OnlineEndpointRule()) == ("", OnlineEndpointRule(True, 1.0, inf, 0.0))
    assert endpoint_detected(config, 100, 50, 0.03, 1.0)
    assert endpoint_detected(config, 200, 20, 0.03, 1.0)
    assert not endpoint_detected(config, 200, 10, 0.03, 1.0)
    assert not endpoint_detected(config, 0, 0, 0.03, 1.0)
    config.rule2.min_trailing_silence = 0.2
    assert endpoint_detected(config, 200, 10, 0.03, 1.0)
    assert OnlineEndpointConfig().rule2.min_trailing_silence == 0.5
    with pytest.raises(SearchError, match="trailing_silence_frames=50"):
        endpoint_detected(config, 10, 50, 0.03, 1.0)


def test_options_of_the_command_line():
    config, rule = OnlineEndpointConfig(), OnlineEndpointRule()
    parser = ParseOptions("usage")
    config.register(parser)
    rule.register_with_prefix("mine", parser)
    parser.parse_args(
        [
            "program",
            "--endpoint.silence-phones=1:2",
            "--endpoint.rule3.min-trailing-silence=0.25",
            "--mine.max-relative-cost=3",
        ]
    )
    assert config.silence_phones == "1:2"
    assert config.rule3.min_trailing_silence == 0.25 and config.rule4.min_trailing_silence == 2.0
    assert rule.max_relative_cost == 3.0
    with pytest.raises((OptionError, SystemExit)):
        parser.parse_args(["program", "--rule3.min-trailing-silence=1"])


def test_endpoints_of_a_decoder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(RUN)
    model = MappedRecognizer.read_model("40.mdl")
    decoder = LatticeFasterOnlineDecoder(read_fst_kaldi("HCLG.fst"), LatticeFasterDecoderOptions())
    config = OnlineEndpointConfig(silence_phones="1")
    decoder.init_decoding()
    assert not decoding_endpoint_detected(config, model, 0.01, decoder)
    # The pdfs of phone 1, silence, are far more probable in all frames.
    ids = range(1, model.num_transition_ids() + 1)
    silence = {model.transition_id_to_pdf(i) for i in ids if model.transition_id_to_phone(i) == 1}
    scores = np.full((300, model.num_pdfs()), -20.0, np.float32)
    scores[:, sorted(silence)] = 0.0
    decodable = DecodableMatrixScaledMapped(model, Matrix(scores), 1.0)
    decoder.advance_decoding(decodable, 200)
    assert trailing_silence_length(model, "1", decoder) == 200
    assert trailing_silence_length(model, "", decoder) == trailing_silence_length(model, "2:3", decoder) == 0
    assert not decoding_endpoint_detected(config, model, 0.01, decoder)
    assert decoding_endpoint_detected(config, model, 0.03, decoder)  # silence of six seconds
    decoder.advance_decoding(decodable)
    decoder.finalize_decoding()
    assert trailing_silence_length(model, "1:2", decoder) == 300
    with pytest.raises(SearchError, match="silence_phones='1,2'"):
        trailing_silence_length(model, "1,2", decoder)
