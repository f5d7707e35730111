"""sonant info: what is installed, what is active, what is missing."""

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from sonant import __version__
from sonant.cli.extras import extras, version


@dataclass(frozen=True)
class Info:
    """Print versions, what is active (native core, ONNX Runtime, torch, GPU) and what is missing."""

    model: tyro.conf.Positional[Path | None] = None
    """Folder of a model to describe as well."""


def main(argv: Sequence[str]) -> int:
    options = tyro.cli(Info, prog="sonant info", args=argv)
    for name, value in facts():
        print(f"{name:<14}{value}", flush=True)
    if options.model is not None:
        for name, value in model_facts(options.model):
            print(f"{name:<14}{value}")
    return 0


def facts() -> Iterator[tuple[str, str]]:
    """Name and value of everything that decides what runs here and how fast."""
    yield "sonant", f"{__version__} in {Path(__file__).parents[1]}"
    yield "Python", f"{platform.python_version()} ({sys.executable})"
    yield "platform", platform.platform()
    yield "native core", _native()
    yield "ONNX Runtime", _onnxruntime()
    yield "audio", _audio()
    yield "libraries", ", ".join(f"{name} {version(name)}" for name in ("numpy", "soxr", "sentencepiece"))
    yield "torch", _torch()
    yield "triton", _triton()
    for extra in extras():
        if extra.missing:
            yield (
                f"[{extra.name}]",
                f"not installed (missing: {', '.join(extra.missing)}): pip install 'sonant[{extra.name}]'",
            )
        else:
            yield f"[{extra.name}]", "installed"


def model_facts(path: Path) -> Iterator[tuple[str, str]]:
    """What there is to say of a model's folder; raises ModelError where it is none."""
    import sonant

    started = time.perf_counter()
    model = sonant.load(path)
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    yield "model", f"{path}, {size / 1e6:.1f} MB, {model.sample_rate} Hz, loaded in {seconds:.2f} s"


def _native() -> str:
    try:
        from sonant import _native
    except ImportError as error:
        return f"missing: {error}"
    return f"active, {_native.hardware_threads()} threads ({Path(_native.__file__).name})"


def _onnxruntime() -> str:
    try:
        import onnxruntime
    except ImportError as error:
        return f"missing: {error}"
    return f"{onnxruntime.__version__}, providers: {', '.join(onnxruntime.get_available_providers())}"


def _audio() -> str:
    import soundfile

    parts = [f"soundfile {soundfile.__version__} (libsndfile {soundfile.__libsndfile_version__})"]
    if av := version("av"):
        parts.append(f"PyAV {av}")
    return ", ".join(parts)


def _torch() -> str:
    if version("torch") is None:
        return "not installed: pip install 'sonant[train]' brings it"
    import torch

    if not torch.cuda.is_available():
        return f"{torch.__version__}, {torch.get_num_threads()} threads, no GPU"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{torch.__version__}, CUDA {torch.version.cuda}, GPU: {', '.join(names)}"


def _triton() -> str:
    found = version("triton")
    if found is None:
        return "missing: on a GPU the kernels of sonant.ops are done by torch's own operations"
    if version("torch") is None:
        return f"{found}, idle without torch"
    import torch

    return f"{found}, active" if torch.cuda.is_available() else f"{found}, idle: no GPU"
