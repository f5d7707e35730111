"""Printing, character for character as PyKaldi prints."""

import json
import runpy
from pathlib import Path

import pytest

from sonant.errors import MatrixError
from sonant.kaldi.matrix import DoubleMatrix, DoubleVector, Matrix, Vector, set_printoptions
from sonant.kaldi.matrix.packed import SpMatrix

HERE = Path(__file__).parent
TO_PRINT = list(runpy.run_path(str(HERE / "expressions.py"))["to_print"]())
TEXTS = [json.loads(line) for line in (HERE / "golden" / "texts.json").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _restore():
    yield
    set_printoptions(profile="default")


@pytest.mark.parametrize("number", range(len(TO_PRINT)))
def test_as_pykaldi_prints(number):
    options, array = TO_PRINT[number]
    set_printoptions(**options)
    assert str((DoubleMatrix if array.ndim == 2 else DoubleVector)(array)) == TEXTS[number]


def test_every_text_is_tried():
    assert len(TEXTS) == len(TO_PRINT) > 80


def test_empty_and_symmetric():
    assert str(Vector()) == "[sonant.kaldi.matrix.Vector with no elements]\n"
    assert str(Matrix()) == repr(Matrix()) == "[sonant.kaldi.matrix.Matrix with no elements]\n"
    assert str(SpMatrix(1)) == "\n 0\n[sonant.kaldi.matrix.packed.SpMatrix of size 1x1]\n"


def test_an_unknown_profile():
    with pytest.raises(MatrixError, match="profile 'tall'; expected one of default, short, full"):
        set_printoptions(profile="tall")
