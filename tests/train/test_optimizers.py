"""Optimisers against their papers' formulas, step by step in numpy, float64; schedules against theirs."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sonant.errors import ConfigError
from sonant.train import EdenConfig, HoldConfig, LambConfig, OptimizerConfig, ScaledAdamConfig
from sonant.train.lamb import Lamb
from sonant.train.optimizer import learning_rate, make_optimizer
from sonant.train.scaled_adam import ScaledAdam

SHAPES = [(4, 3), (5,), (1,), (2, 3, 2), ()]
RATES = [0.05, 0.04, 0.03] * 20


def problem(seed: int):
    """Parameters, and a gradient for each and each step; the last tensor joins at step 5."""
    generator = np.random.default_rng(seed)
    start = [generator.standard_normal(shape) for shape in SHAPES]
    sizes = 10 ** generator.uniform(-3, 2, size=len(RATES))  # some steps are far larger than usual
    gradients = [[generator.standard_normal(s) * size for s in SHAPES] for size in sizes]
    return start, gradients


def run(optimizer_of, start, gradients):
    parameters = [nn.Parameter(torch.tensor(x, dtype=torch.float64)) for x in start]
    optimizer = optimizer_of(parameters)
    found = []
    for t, (rate, step) in enumerate(zip(RATES, gradients, strict=True)):
        for i, (parameter, gradient) in enumerate(zip(parameters, step, strict=True)):
            late = i == len(parameters) - 1 and t < 5
            parameter.grad = None if late else torch.tensor(gradient, dtype=torch.float64)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        if t == 30:  # a run that goes on from its state on disk is the same run
            state = optimizer.state_dict()
            optimizer = optimizer_of(parameters)
            optimizer.load_state_dict(state)
        found.append([p.detach().numpy().copy() for p in parameters])
    return found


class Adam:
    """One tensor's moments, as Kingma and Ba have them."""

    def __init__(self, betas, eps):
        self.betas, self.eps, self.t, self.m, self.v = betas, eps, 0, 0.0, 0.0

    def moments(self, g):
        b1, b2 = self.betas
        self.t += 1
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        return self.m, self.v, 1 - b1**self.t, 1 - b2**self.t

    def direction(self, g):
        m, v, first, second = self.moments(g)
        return math.sqrt(second) / first * m / (np.sqrt(v) + self.eps)


def rms(x):
    return math.sqrt(np.mean(x**2))


@pytest.mark.parametrize("clip", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_scaled_adam_is_the_papers(seed, clip):
    config = ScaledAdamConfig(clip=clip, window=20)
    start, gradients = problem(seed)
    start[0] *= 5  # larger than a tensor may grow to
    start[1] *= 1e-7  # smaller than counts
    found = run(lambda p: ScaledAdam([{"params": p[:2]}, {"params": p[2:]}], config), start, gradients)
    x = [a.copy() for a in start]
    of, sizes = ([Adam(config.betas, config.eps) for _ in x] for _ in range(2))
    norms: list[float] = []
    for t, (rate, step) in enumerate(zip(RATES, gradients, strict=True)):
        given = range(len(x) if t >= 5 else len(x) - 1)
        weights = [0.1 if x[i].size == 1 else rms(x[i]) for i in given]
        norm = math.sqrt(sum(w**2 * (step[i] ** 2).sum() for i, w in zip(given, weights, strict=True)))
        recent = sorted(norms[-20:])
        usual = recent[(len(recent) - 1) // 2] if len(recent) >= 10 else math.inf
        scale = min(1.0, clip * usual / norm) if clip else 1.0
        norms.append(norm)
        for i in given:
            g = step[i] * scale
            if x[i].size == 1:
                x[i] = np.clip(x[i] - rate * 0.1 * of[i].direction(g), -10, 10)
                continue
            r = rms(x[i])
            growth = -rate * 0.1 * sizes[i].direction((g * x[i]).sum())
            growth = min(growth, 0.0) if r > 3 else max(growth, 0.0) if r < 1e-5 else growth
            x[i] = x[i] * (1 + growth) - rate * max(r, 1e-5) * of[i].direction(g)
        for mine, expected in zip(found[t], x, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)


def test_scaled_adam_clips_what_is_far_from_usual():
    def after(last: float, clip: float):
        weight = nn.Parameter(torch.ones(3))
        optimizer = ScaledAdam([weight], ScaledAdamConfig(clip=clip), lr=0.01)
        for size in [*[1.0] * 15, last, 1.0]:
            weight.grad = torch.tensor([1.0, -1.0, 0.5]) * size
            optimizer.step()
        return weight.detach()

    assert torch.equal(after(2.0, 3.0), after(2.0, 0.0))
    torch.testing.assert_close(after(1e9, 2.0), after(2.0, 0.0), rtol=0, atol=3e-3)
    assert not torch.allclose(after(1e9, 0.0), after(2.0, 0.0), rtol=0, atol=3e-3)


@pytest.mark.parametrize("seed", range(3))
def test_lamb_is_the_papers(seed):
    config = LambConfig()
    start, gradients = problem(seed)
    start[0] *= 0  # no length to go by
    found = run(
        lambda p: Lamb([{"params": p[:3]}, {"params": p[3:], "weight_decay": 0.0}], config), start, gradients
    )
    x, of = [a.copy() for a in start], [Adam(config.betas, config.eps) for _ in start]
    for t, (rate, step) in enumerate(zip(RATES, gradients, strict=True)):
        for i in range(len(x) if t >= 5 else len(x) - 1):
            m, v, first, second = of[i].moments(step[i])
            u = m / first / (np.sqrt(v / second) + config.eps)
            ratio = 1.0
            if i < 3:
                u = u + config.weight_decay * x[i]
                lengths = np.linalg.norm(x[i]), np.linalg.norm(u)
                ratio = lengths[0] / lengths[1] if min(lengths) > 0 else 1.0
            x[i] = x[i] - rate * ratio * u
        for mine, expected in zip(found[t], x, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["adamw", "scaled-adam", "lamb"])
def test_each_optimiser_finds_a_minimum(kind):
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    data = torch.randn(64, 4)
    goal = data @ torch.randn(4, 3) + 0.5
    config = OptimizerConfig(kind=kind, weight_decay=0.0, lamb=LambConfig(weight_decay=1e-6))
    optimizer = make_optimizer(config, network)
    losses = []
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 300)
        loss = (network(data) - goal).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.parametrize("kind", ["adamw", "lamb"])
def test_biases_and_norms_do_not_decay(kind):
    network = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    config = OptimizerConfig(kind=kind, weight_decay=0.3, lamb=LambConfig(weight_decay=0.3))
    groups = make_optimizer(config, network).param_groups
    assert [{p.ndim > 1 for p in group["params"]} for group in groups] == [{True}, {False}]
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def rates(config: OptimizerConfig, steps: int) -> np.ndarray:
    return np.array([learning_rate(config, step, steps) for step in range(steps)])


def test_the_cosine_warms_up_stays_and_falls():
    found = rates(OptimizerConfig(learning_rate=2.0, warmup=10, decay=0.4), 100)
    np.testing.assert_allclose(found[:10], 0.2 * np.arange(1, 11))
    np.testing.assert_allclose(found[10:61], 2.0)
    assert (np.diff(found[60:]) < 0).all()
    assert found[80] == pytest.approx(1.0) and 0 < found[99] < 0.01
    assert learning_rate(OptimizerConfig(learning_rate=2.0, decay=0.4), 100, 100) == 0.0


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_cosine_without_warm_up(decay):
    found = rates(OptimizerConfig(learning_rate=1.0, warmup=0, decay=decay), 50)
    expected = 0.5 + 0.5 * np.cos(math.pi * np.arange(50) / 50) if decay else np.ones(50)
    np.testing.assert_allclose(found, expected)


def test_noam_is_vaswanis():
    factor, width, warmup = 2.0, 512, 40
    peak = factor / math.sqrt(width * warmup)
    found = rates(OptimizerConfig(schedule="noam", learning_rate=peak, warmup=warmup), 200)
    t = np.arange(1, 201)
    np.testing.assert_allclose(found, factor * width**-0.5 * np.minimum(t**-0.5, t * warmup**-1.5))
    assert found.argmax() == warmup - 1


def test_hold_is_caimans():
    config = OptimizerConfig(
        schedule="hold", learning_rate=4e-3, warmup=10, hold=HoldConfig(hold=20, half_life=15, least=0.1)
    )
    found = rates(config, 150)
    np.testing.assert_allclose(found[:10], 4e-4 * np.arange(1, 11))
    np.testing.assert_allclose(found[10:31], 4e-3)
    np.testing.assert_allclose([found[45], found[60]], [2e-3, 1e-3])
    np.testing.assert_allclose(found[31:80], 4e-3 * 2.0 ** (-np.arange(1, 50) / 15))
    np.testing.assert_allclose(found[80:], 4e-4)
    assert HoldConfig() == HoldConfig(hold=18000, half_life=10880, least=0.1)


def test_eden_is_the_papers():
    config = OptimizerConfig(
        schedule="eden", learning_rate=0.045, warmup=500, eden=EdenConfig(batches=7500, epochs=3.5)
    )
    for step, epoch in [(0, 0), (100, 0), (499, 0), (500, 0), (7500, 2), (40000, 12)]:
        warm = 1.0 if step >= 500 else 0.5 + 0.5 * step / 500
        expected = 0.045 * ((step**2 + 7500**2) / 7500**2) ** -0.25 * ((epoch**2 + 3.5**2) / 3.5**2) ** -0.25
        assert learning_rate(config, step, 0, epoch) == pytest.approx(expected * warm, rel=1e-12)
    # Steps of half the audio count half.
    by_audio = replace(config, eden=replace(config.eden, reference=600.0))
    assert learning_rate(by_audio, 8000, 0, 1, 300.0) == learning_rate(config, 4000, 0, 1)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (OptimizerConfig, dict(decay=-0.1), r"decay -0.1: expected 0 to 1"),
        (OptimizerConfig, dict(learning_rate=float("nan")), "learning_rate nan: expected 0 or more"),
        (ScaledAdamConfig, dict(window=5), "window 5: expected 10 or more"),
        (LambConfig, dict(weight_decay=-1.0), "weight_decay -1.0: expected 0 or more"),
        (HoldConfig, dict(half_life=0), "half_life 0: expected 1 or more"),
        (EdenConfig, dict(start=2.0), "start 2.0: expected 0 to 1"),
    ],
)
def test_a_number_out_of_bounds_is_named(kind, change, message):
    with pytest.raises(ConfigError, match=message):
        kind(**change)
