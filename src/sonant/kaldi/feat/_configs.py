"""From PyKaldi's options to the configurations of `sonant.features`."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeVar

from sonant.features.frames import FrameConfig
from sonant.kaldi.util.options import Options

Config = TypeVar("Config", bound=FrameConfig)


def config_of(kind: type[Config], *options: Options, **others: Any) -> Config:
    """A configuration for waveforms on the scale of 16-bit integers.

    Its options have the names of Kaldi's command line; what does not change numbers it does not have.
    """
    known = {field.name for field in fields(kind)}
    values = {name: value for given in options for name, value in named_values(given) if name in known}
    return kind(**values, sample_scale=1.0, **others)


def named_values(options: Options) -> Iterator[tuple[str, Any]]:
    """The options and those in them, by the names of Kaldi's command line with underscores."""
    for field in fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        if isinstance(value, Options):
            yield from named_values(value)
        else:
            yield field.metadata.get("name", field.name).replace("-", "_"), value
