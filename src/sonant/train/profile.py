"""Where the time of a training step goes: a few steps under torch's profiler."""

from pathlib import Path
from typing import Any, Self

import torch

SKIPPED = 3  # first steps, in which memory is allocated and kernels are chosen


class Profile:
    """`step()` after each step. After `steps` of them `folder` has trace.json (for chrome://tracing or
    ui.perfetto.dev) and operators.txt, the slowest first."""

    def __init__(self, folder: Path, steps: int, device: torch.device):
        self._folder, self._steps, self._device = folder, steps, device
        self._profiler: Any = None

    def __enter__(self) -> Self:
        if self._steps:
            from torch.profiler import ProfilerActivity, profile, schedule

            kinds = [ProfilerActivity.CPU]
            if self._device.type == "cuda":
                kinds.append(ProfilerActivity.CUDA)
            plan = schedule(skip_first=SKIPPED - 1, wait=0, warmup=1, active=self._steps, repeat=1)
            self._profiler = profile(activities=kinds, schedule=plan, on_trace_ready=self._write)
            self._profiler.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._profiler is not None:
            self._profiler.__exit__(*error)

    def step(self) -> None:
        if self._profiler is not None:
            self._profiler.step()

    def _write(self, profiler: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(self._folder / "trace.json"))
        order = "self_cuda_time_total" if self._device.type == "cuda" else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=order, row_limit=100)
        (self._folder / "operators.txt").write_text(table + "\n", encoding="utf-8")
