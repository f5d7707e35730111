"""Import every module of the runtime tier where only `pip install sonant` was done, and transcribe with it.

Fails if torch is installed or gets imported, if a module needs what the wheel does not bring, or if
`import sonant` takes more than 0.2 s. The rooms of the training tier are read from the import contract.
"""

import importlib
import importlib.util
import pkgutil
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_LIMIT = 0.2  # seconds


def training_rooms() -> set[str]:
    """The rooms that the contract places between `stream` and `model`."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    return {
        room for layer in layers[layers.index(["stream"]) + 1 : layers.index(["model"])] for room in layer
    }


def import_seconds(times: int = 9) -> list[float]:
    """Wall-clock seconds of `import sonant`, each in a new interpreter, ascending."""
    code = "import time; t = time.perf_counter(); import sonant; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(times)
    ]
    return sorted(float(run.stdout) for run in runs)


def main() -> None:
    if importlib.util.find_spec("torch"):
        sys.exit("torch is installed here: this check needs an environment with the wheel of sonant only")
    import sonant

    modules = ["sonant"]
    training = training_rooms()
    for room in pkgutil.iter_modules(sonant.__path__):
        if room.name in training or room.name == "__main__":
            continue
        modules.append(f"sonant.{room.name}")
        if room.ispkg:
            package = importlib.import_module(f"sonant.{room.name}")
            modules += [
                module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            ]
    for module in modules:
        importlib.import_module(module)
    print(f"imported {len(modules)} modules of the runtime tier without torch")

    transcript = sonant.load().transcribe(ROOT / "tests/data/speech/1462-170145-0013.mp3")
    if not transcript.words:
        sys.exit(f"the bundled model found no word in real speech: {transcript}")
    print(f"transcribed: {transcript.text}")
    if "torch" in sys.modules:
        sys.exit("the runtime tier imported torch")

    seconds = import_seconds()
    median = statistics.median(seconds)
    print(f"import sonant: {median:.3f} s (median of {len(seconds)}; fastest {seconds[0]:.3f} s)")
    # The fastest run is judged: on a loaded machine the others measure the load.
    if seconds[0] > IMPORT_LIMIT:
        sys.exit(f"import sonant takes {seconds[0]:.3f} s; the limit is {IMPORT_LIMIT} s")


if __name__ == "__main__":
    main()
