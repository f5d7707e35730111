"""Every name that PyKaldi's kaldi.matrix has."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = json.loads((Path(__file__).parent / "golden" / "names.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_name_and_members(name):
    module, _, member = name.rpartition(".")
    item = getattr(importlib.import_module(f"sonant.kaldi.{module}"), member)
    assert member in importlib.import_module(f"sonant.kaldi.{module}").__all__
    # as_kaldi_* cast C++ pointers, and copy_to_cu_mat needs Kaldi's GPU classes
    members = NAMES[name] if isinstance(NAMES[name], dict) else ()
    wanted = {x for x in members if not x.startswith("as_kaldi_")} - {"copy_to_cu_mat"}
    assert {x for x in wanted if not hasattr(item, x)} <= set(getattr(item, "__dataclass_fields__", ()))


CALLS = [(name, "", arguments) for name, arguments in NAMES.items() if isinstance(arguments, list)]
CALLS += [
    (name, member, arguments)
    for name, members in NAMES.items()
    if isinstance(members, dict)
    for member, arguments in members.items()
    if arguments and not member.startswith("as_kaldi_") and member != "copy_to_cu_mat"
]


@pytest.mark.parametrize(("name", "member", "arguments"), CALLS)
def test_arguments_have_pykaldis_names_and_order(name, member, arguments):
    module, _, outer = name.rpartition(".")
    item = getattr(importlib.import_module(f"sonant.kaldi.{module}"), outer)
    ours = [x for x in inspect.signature(getattr(item, member) if member else item).parameters if x != "self"]
    assert ours[: len(arguments)] == ["is_" if x == "is" else x for x in arguments]


def test_what_can_be_called_says_what_it_does():
    for name in NAMES:
        module, _, member = name.rpartition(".")
        item = getattr(importlib.import_module(f"sonant.kaldi.{module}"), member)
        assert item.__doc__, name
        assert not inspect.isclass(item) or item.__module__.startswith("sonant.kaldi.matrix")


def test_importing_is_quick_and_needs_no_torch():
    code = "import sys; from sonant.kaldi.matrix import functions, optimization, htk, sparse; "
    code += "assert not {'torch', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
