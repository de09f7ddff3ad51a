"""The `survey` command: what the functions do, for a file and its codebook, from a terminal."""

from __future__ import annotations

from survey.cli.commands import main

__all__ = ["main"]
