"""Which version this is, and whether another distribution's files lie among its own.

The package index has another `survey` (console prompts). It installs into a folder of the same name and pip overwrites
files without a word, in either order: whose `survey/__init__.py` is there depends on who came last, and removing one
breaks the other. What such a mixture computes cannot be trusted, so that it is refused and not warned of.
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

from survey.errors import InstallationError

VERSION = "0.1.0"  # the one place: pyproject.toml reads it here
DISTRIBUTION = "opinion-survey"
OTHER = "survey"
FOLDER = Path(__file__).parent
REMEDY = f"Run `pip uninstall {OTHER} {DISTRIBUTION}`, then `pip install {DISTRIBUTION}`."


def check_neighbours() -> None:
    """Refuse where the other distribution has its files in this folder; 0.3 ms.

    Only the folder that this package lies in is looked at: one that is installed elsewhere overwrites nothing here.
    """
    for other in distributions(name=OTHER, path=[str(FOLDER.parent)]):
        raise InstallationError(
            f"`survey` must have its folder to itself; the distribution '{OTHER}' {other.version} (console prompts) is "
            f"installed in {FOLDER} as well, and each overwrites files of the other. {REMEDY}"
        )


def check_face(face: ModuleType | None) -> None:
    """Refuse where the name `survey` stands for another package, or for none, while files of this one are here."""
    if getattr(face, "__version__", None) != VERSION:
        raise InstallationError(
            f"`survey` must be the package of {DISTRIBUTION} {VERSION}; {FOLDER / '__init__.py'} is that of another "
            f"distribution, or was removed with it. {REMEDY}"
        )
