"""What every configuration of training is checked with."""

from math import inf
from typing import Any

from sonant.errors import ConfigError


def check(config: Any, **bounds: tuple[float, float]) -> None:
    """Raises ConfigError unless each named field is within its bounds."""
    for option, (least, most) in bounds.items():
        value = getattr(config, option)
        if not least <= value <= most:
            expected = f"{least} to {most}" if most < inf else f"{least} or more"
            raise ConfigError(f"{option} {value}: expected {expected}")
