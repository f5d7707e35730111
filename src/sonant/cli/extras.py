"""Which of sonant's extras are installed here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

from sonant.errors import MissingExtraError


@dataclass(frozen=True)
class Extra:
    """An optional part of sonant: `pip install 'sonant[name]'`."""

    name: str
    missing: tuple[str, ...]  # distributions that are not installed


def extras() -> Iterator[Extra]:
    """Every extra that sonant declares, except the developers' own."""
    requirements = metadata.requires("sonant") or []
    for name in metadata.metadata("sonant").get_all("Provides-Extra") or []:
        if name == "dev":
            continue
        wanted = (
            re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
            for requirement in requirements
            if re.search(rf"""extra\s*==\s*['"]{re.escape(name)}['"]""", requirement)
        )
        yield Extra(name, tuple(package for package in wanted if version(package) is None))


def version(package: str) -> str | None:
    """The version of an installed distribution, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def training_tier(command: str) -> ModuleType:
    """The room `sonant.train`; raises MissingExtraError where that extra, or a part of it, is missing."""
    try:
        import sonant.train
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "sonant":
            raise
        raise MissingExtraError(command, "train") from None
    return sonant.train
