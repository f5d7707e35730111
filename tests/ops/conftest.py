"""Triton's kernels run on the CPU, in its interpreter, which it asks for when it is imported first."""

import os
import sys

import torch

if not torch.cuda.is_available():
    assert "triton" not in sys.modules
    os.environ["TRITON_INTERPRET"] = "1"
