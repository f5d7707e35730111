"""Sums, extremes and log-sums of ragged rows: torch and Triton's kernels against one row at a time."""

import sys
from importlib.util import find_spec
from unittest import mock

import pytest
import torch

from sonant.ops import segments

BACKENDS = ["reference", *(["triton"] if find_spec("triton") else [])]
SIZES = ([], [0], [0, 0, 0], [3], [1, 0, 5, 2, 0, 13, 1], [37, 0, 1])
KINDS = ("sum", "max", "min", "log", "last")


@pytest.fixture(autouse=True)
def poisoned():
    """What is made without values holds NaN, or the largest integer, until it is written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def run(kind, values, sizes, initial, backend):
    splits = torch.tensor([0, *sizes], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    ids = torch.arange(len(sizes), dtype=torch.int32).repeat_interleave(
        torch.tensor(sizes, dtype=torch.int64)
    )
    kernels = None
    if backend == "triton":
        from sonant.ops.segments import triton as kernels
    with mock.patch.object(segments, "_kernels", return_value=kernels):
        if kind == "sum":
            return segments.sums(values, ids, splits, initial)
        if kind == "log":
            return segments.log_sum_exp(values, ids, splits, initial)
        if kind == "last":
            largest = segments.extremes(values.detach(), ids, splits, initial, largest=True)
            return segments.last_of_largest(values, largest, ids, splits)
        return segments.extremes(values, ids, splits, initial, largest=kind == "max")


def one_by_one(kind, values, sizes, initial):
    found, begin = [], 0
    for size in sizes:
        row = values[begin : begin + size]
        whole = torch.cat([row.new_full((1,), initial), row])
        if kind == "sum":
            found.append(whole.sum())
        elif kind == "log":
            found.append(whole.logsumexp(0))
        elif kind == "last":
            hits = (row == whole.max()).nonzero()
            found.append(hits.max() + begin if len(hits) else torch.tensor(-1))
        else:
            found.append(whole.max() if kind == "max" else whole.min())
        begin += size
    return torch.stack(found) if found else values[:0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.float64])
def test_values(kind, dtype, backend):
    if kind == "log" and dtype == torch.int32:
        return  # there is no logarithm of integers
    for i, sizes in enumerate(SIZES):
        values = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(i)).mul(3).round().to(dtype)
        for initial in (0, 2):
            found = run(kind, values, sizes, initial, backend)
            assert found.dtype == (torch.int32 if kind == "last" else dtype)
            expected = one_by_one(kind, values, sizes, initial)
            torch.testing.assert_close(found, expected.to(found.dtype))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["sum", "max", "min", "log"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_with_ties_and_nothing_but_minus_infinity(kind, dtype, backend):
    sizes = [4, 0, 9, 3, 1]
    values = torch.randn(17, generator=torch.Generator().manual_seed(0)).mul(2).round().to(dtype)
    values[13:16] = -torch.inf
    values[5] = -torch.inf
    slopes = torch.arange(1, 6).to(dtype)
    initial = {"sum": 0.5, "max": -torch.inf, "min": 1.0, "log": -torch.inf}[kind]
    results = []
    for by in ("reference", backend):
        leaf = values.clone().requires_grad_()
        found = run(kind, leaf, sizes, initial, by)
        kept = found.isfinite()
        results.append((found.detach(), *torch.autograd.grad((found * slopes)[kept].sum(), leaf)))
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("kind", ["sum", "log"])
def test_gradient_of_the_reference(kind):
    values = torch.randn(
        9, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    assert torch.autograd.gradcheck(lambda v: run(kind, v, [4, 0, 5], 0.5, "reference"), (values,))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["sum", "max", "min", "log"])
def test_not_a_number_is_not_hidden(kind, backend):
    values = torch.tensor([1.0, torch.nan, 2.0, 3.0])
    assert run(kind, values, [2, 2], 0.0, backend).isnan().tolist() == [True, False]


def test_without_triton_a_gpu_is_served_by_torch(monkeypatch):
    device = torch.device("cuda")
    assert segments.triton_serves(device) == ("triton" in BACKENDS)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert not segments.triton_serves(device)
    assert segments._kernels(device) is None
