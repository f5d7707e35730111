"""sonant train: a model from a recipe.

A recipe is a Python file with a function `config(...) -> TrainConfig`, or `-> MmiConfig`. The command line
is made from both: the parameters of that function come first, then every field of the configuration that
it returns.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from sonant.cli.extras import training_tier
from sonant.errors import ConfigError

USAGE = """usage: sonant train RECIPE [OPTIONS]

Train a model. RECIPE is a Python file, or the name of one in recipes/. The options are those of the recipe's
function `config`, and every field of the configuration that it returns, nested ones with a dot.

  sonant train mini_librispeech --help
  sonant train recipes/mini_librispeech.py --data CORPUS --epochs 40 --optimizer.learning-rate 7e-4
"""


def main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    train = training_tier("sonant train")
    config = configure(recipe(argv[0]), argv[1:], prog=f"sonant train {argv[0]}")
    if isinstance(config, train.MmiConfig):
        train.train_mmi(config)
    else:
        train.train(config)
    return 0


def recipe(name: str) -> Callable[..., Any]:
    """The function `config` of a recipe: a Python file, or the name of one in recipes/.

    Raises ConfigError where there is none, or it cannot be imported.
    """
    places = [Path(name), Path("recipes", f"{name}.py")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ConfigError(f"{name}: no such recipe; expected a Python file, or the name of one in recipes/")
    name = f"recipe {path.stem}"  # no name that a module can be imported by
    loader = SourceFileLoader(name, str(path))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # with a loader of its own there always is one
    module = module_from_spec(spec)
    # Where types are looked up by the module's name.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except Exception as error:  # a recipe is the user's own program: anything can go wrong in it
        raise ConfigError(
            f"{path}: the recipe cannot be imported: {type(error).__name__}: {error}"
        ) from error
    function = getattr(module, "config", None)
    if not callable(function):
        raise ConfigError(f"{path}: the recipe has no function 'config'; expected config(...) -> TrainConfig")
    return function


def configure(function: Callable[..., Any], arguments: Sequence[str], prog: str) -> Any:
    """What a recipe's function returns for these arguments.

    Those that are none of its parameters change fields of what it returns.
    """
    import tyro

    config, others = tyro.cli(function, prog=prog, args=arguments, return_unknown_args=True)
    if others:
        config = tyro.cli(
            type(config), prog=prog, args=others, default=config, config=(tyro.conf.AvoidSubcommands,)
        )
    return config
