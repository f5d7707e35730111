import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def paths() -> SimpleNamespace:
    """Random lattices and their paths one by one: paths.py."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("paths.py"))))
