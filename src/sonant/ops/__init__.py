"""Differentiable kernels on tensors, one folder each."""
