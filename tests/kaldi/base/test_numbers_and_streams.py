import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonant.errors import ArkError, MatrixError
from sonant.kaldi import base
from sonant.kaldi.base import io
from sonant.kaldi.base import math as numbers


def test_single_and_double_precision():
    assert numbers.exp(1.0) == np.exp(np.float32(1.0)) and numbers.double_exp(1.0) == math.e
    assert numbers.log(0.0) == -math.inf and math.isnan(numbers.log(-1.0))
    assert numbers.exp(1000) == math.inf and numbers.double_exp(1000) == math.inf
    assert numbers.double_log1p(1e-20) == 1e-20
    assert numbers.sqr(3) == 9 and numbers.hypot(3, 4) == 5
    assert numbers.double_isnan(math.nan) and numbers.isinf(math.inf) and not numbers.isfinite(math.inf)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_sums_and_differences_of_logarithms(x: float, y: float):
    assert numbers.double_log_add(x, y) == pytest.approx(math.log(math.exp(x) + math.exp(y)), abs=1e-12)
    assert numbers.log_add(x, y) == pytest.approx(numbers.double_log_add(x, y), rel=1e-6, abs=1e-6)
    total = numbers.double_log_add(x, y)
    if y - x < 30:
        assert numbers.double_log_sub(total, y) == pytest.approx(x, abs=1e-3 * math.exp(max(0, y - x) / 2))


def test_ends_of_the_range():
    assert numbers.log_add(-math.inf, 1.0) == 1.0
    assert numbers.log_add(-math.inf, -math.inf) == -math.inf
    assert numbers.log_sub(2.0, 2.0) == -math.inf
    assert numbers.log_sub(2.0, -math.inf) == 2.0
    with pytest.raises(MatrixError, match="expected x >= y"):
        numbers.log_sub(1.0, 2.0)


def test_integers():
    assert (
        numbers.factorize(360) == [2, 2, 2, 3, 3, 5]
        and numbers.factorize(1) == []
        and numbers.factorize(97) == [97]
    )
    assert numbers.gcd(12, 18) == 6 and numbers.lcm(4, 6) == 12
    assert numbers.divide_rounding_down(-7, 2) == -4
    assert [numbers.round_up_to_nearest_power_of_two(n) for n in (1, 2, 3, 400, 512)] == [1, 2, 4, 512, 512]
    for call in (lambda: numbers.factorize(0), lambda: numbers.round_up_to_nearest_power_of_two(0)):
        with pytest.raises(MatrixError, match="expected a positive integer"):
            call()
    assert numbers.approx_equal(1.0, 1.001) and not numbers.approx_equal(1.0, 1.01)
    assert numbers.approx_equal(math.inf, math.inf) and not numbers.approx_equal(math.inf, 1.0)


def test_random_numbers():
    state = numbers.RandomState(1)
    again = numbers.RandomState(1)
    assert [numbers.rand(state) for _ in range(5)] == [numbers.rand(again) for _ in range(5)]
    assert {numbers.rand_int(1, 3, state) for _ in range(100)} == {1, 2, 3}
    assert all(0 < numbers.rand_uniform(state) < 1 for _ in range(100))
    gauss = [numbers.rand_gauss(state) for _ in range(4000)]
    assert abs(statistics.mean(gauss)) < 0.1 and abs(statistics.stdev(gauss) - 1) < 0.1
    assert abs(statistics.mean(numbers.rand_poisson(3.5, state) for _ in range(4000)) - 3.5) < 0.2
    pruned = [numbers.rand_prune(-0.25, 1.0, state) for _ in range(4000)]
    assert set(pruned) == {0.0, -1.0} and abs(statistics.mean(pruned) + 0.25) < 0.05
    assert numbers.rand_prune(2.0, 1.0, state) == 2.0
    assert not numbers.with_prob(0.0, state) and numbers.with_prob(1.0, state)
    with pytest.raises(MatrixError, match="expected first <= last"):
        numbers.rand_int(3, 1)


@pytest.mark.parametrize("binary", [True, False])
def test_basic_types(binary: bool):
    out = io.ostringstream()
    io.init_kaldi_output_stream(out, binary)
    io.write_token(out, binary, "<Token>")
    io.write_int(out, binary, -3)
    io.write_float(out, binary, 0.1)
    io.write_double(out, binary, 0.1)
    io.write_bool(out, binary, True)
    io.write_int_vector(out, binary, [1, -2])
    io.write_int_pair_vector(out, binary, [(1, 2), (3, 4)])
    is_ = io.istringstream.from_str(out.getvalue())
    assert io.init_kaldi_input_stream(is_) == (True, binary)
    assert io.peek_token(is_, binary) == ord("T")
    io.expect_token(is_, binary, "<Token>")
    assert io.read_int(is_, binary) == -3
    assert io.read_float(is_, binary) == pytest.approx(0.1)
    assert io.read_double(is_, binary) == pytest.approx(0.1)
    assert io.read_bool(is_, binary)
    assert io.read_int_vector(is_, binary) == [1, -2]
    assert io.read_int_pair_vector(is_, binary) == [(1, 2), (3, 4)]
    assert is_.read().strip() == b""
    if not binary:
        assert out.getvalue() == b"<Token> -3 0.1 0.1 T [ 1 -2 ]\n[ 1,2 3,4 ]\n"


def test_what_is_not_there():
    is_ = io.istringstream.from_str(b"<A> 5")
    with pytest.raises(ArkError, match=r"memory:1: expected token '<B>', found '<' and 'A> 5'"):
        io.expect_token(is_, True, "<B>")
    with pytest.raises(ArkError, match="expected an integer of 4 bytes"):
        io.read_int(io.istringstream.from_str(b"\x08abcdefgh"), True)
    with pytest.raises(ArkError, match=r"expected an integer, found 'x'"):
        io.read_int(io.istringstream.from_str(b"x"), False)
    with pytest.raises(ArkError, match="expected 4 bytes of an integer, found the end after 2"):
        io.read_int(io.istringstream.from_str(b"\x04ab"), True)
    with pytest.raises(ArkError, match="2147483648"):
        io.read_int(io.istringstream.from_str(b"2147483648 "), False)


def test_lines():
    is_ = io.istringstream.from_str("a\nbé")
    assert io.peek(is_, True) == ord("a")
    assert io.readline(is_) == b"a\n" and io.readline_text(is_) == "bé" and io.readline(is_) == b""
    assert io.peek(is_, True) == -1
    assert io.read_text(io.istringstream.from_str("é")) == "é"


def test_streams_of_memory():
    out = io.ostringstream.from_str("a")
    assert isinstance(out, io.ostream) and out.good()
    io.write_text(out, "bé")
    assert out.to_bytes() == "abé".encode() and out.to_str() == "abé"
    is_ = io.istringstream.from_str(out.to_bytes())
    assert isinstance(is_, io.istream) and is_.good()
    assert is_.read(1) == b"a" and is_.to_str() == "abé"
    is_.read()
    assert not is_.good()


def test_timer_and_verbosity():
    timer = base.Timer()
    assert 0 <= timer.elapsed() < 5
    base.set_verbose_level(2)
    assert base.get_verbose_level() == 2
    base.set_verbose_level(0)
