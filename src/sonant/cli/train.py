"""sonant train: a model from a recipe."""

import ast
import sys
from collections.abc import Sequence
from typing import Any

from sonant.cli.extras import training_tier
from sonant.errors import ConfigError

USAGE = """usage: sonant train RECIPE [--OPTION VALUE ...]

Train a model. RECIPE is a Python file of recipes/ or its name; every option of its configuration can be
given another value, nested ones with a dot.

  sonant train recipes/mini_librispeech.py --epochs 40 --optimizer.lr 7e-4
  sonant train mini_librispeech --amp --no-tensorboard     amp is true, tensorboard false

A value is a Python literal where it reads as one (3, 7e-4, None, "(1, 2)"), else text.
"""


def main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    recipe, *rest = argv
    overrides = parse_overrides(rest)
    train = training_tier("sonant train")
    train.train(train.load_recipe(recipe, **overrides))
    return 0


def parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """`--name value`, `--name=value`, `--flag` and `--no-flag` as keywords; hyphens become underscores.

    Raises ConfigError for an argument that is none of these, or one that is given twice.
    """
    overrides: dict[str, Any] = {}
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if not argument.startswith("--") or argument == "--":
            raise ConfigError(f"'{argument}': expected an option of the recipe, as in --epochs 40")
        name, equals, text = argument[2:].partition("=")
        name = name.replace("-", "_")
        value: Any = True
        if equals:
            value = _value(text)
        elif position < len(arguments) and not arguments[position].startswith("--"):
            value = _value(arguments[position])
            position += 1
        elif name.startswith("no_"):
            name, value = name.removeprefix("no_"), False
        if name in overrides:
            raise ConfigError(f"--{name.replace('_', '-')} is given twice: {overrides[name]!r} and {value!r}")
        overrides[name] = value
    return overrides


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
