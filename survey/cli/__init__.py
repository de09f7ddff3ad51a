"""The `survey` command, also installed as `opinion-survey`: what the functions do, from a terminal.

What is imported here must be there even where another distribution has overwritten `survey/__init__.py`, so that the
command can say so; see `survey.installation`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from survey.cli.terminal import ended
from survey.installation import check_face, check_neighbours

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, where the package is what it should be.

    Parameters
    ----------
    arguments : words after `survey`; those of the command line unless given.

    Returns
    -------
    0; 1 where the package refuses, with its message on standard error; see `survey.cli.terminal.ended`.
    """
    return ended(lambda: _checked(arguments))


def _checked(arguments: Sequence[str] | None) -> int:
    """Run one command, or refuse where the package is not what it should be."""
    check_neighbours()
    check_face(sys.modules.get("survey"))
    from survey.cli.parser import main as command

    return command(arguments)
