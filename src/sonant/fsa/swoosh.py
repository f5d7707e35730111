"""The activations swoosh-L and swoosh-R (k2's), of the zipformer (Yao et al., 2024).

    swoosh_l(x) = log(1 + exp(x - 4)) - 0.08 x - 0.035
    swoosh_r(x) = log(1 + exp(x - 1)) - 0.08 x - 0.313261687

Elementwise, of any shape and floating-point type; the logarithm is never of infinity.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_SLOPE = 0.08


def _value(x: Tensor, shift: float, offset: float) -> Tensor:
    return F.softplus(x - shift, threshold=50.0).sub(x, alpha=_SLOPE).sub_(offset)


def _slope(x: Tensor, shift: float) -> Tensor:
    return torch.sigmoid(x - shift) - _SLOPE


def swoosh_l(x: Tensor, dropout_prob: float = 0.0) -> Tensor:
    """Differentiable; with dropout_prob each is zero with this probability, and the others are as much
    larger.
    """
    return F.dropout(swoosh_l_forward(x), dropout_prob)


def swoosh_r(x: Tensor, dropout_prob: float = 0.0) -> Tensor:
    """As swoosh_l."""
    return F.dropout(swoosh_r_forward(x), dropout_prob)


def swoosh_l_forward(x: Tensor) -> Tensor:
    return _value(x, 4.0, 0.035)


def swoosh_r_forward(x: Tensor) -> Tensor:
    return _value(x, 1.0, 0.313261687)


def swoosh_l_forward_and_deriv(x: Tensor) -> tuple[Tensor, Tensor]:
    """The value and its derivative."""
    return swoosh_l_forward(x), _slope(x, 4.0)


def swoosh_r_forward_and_deriv(x: Tensor) -> tuple[Tensor, Tensor]:
    """The value and its derivative."""
    return swoosh_r_forward(x), _slope(x, 1.0)
