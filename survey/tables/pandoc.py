"""Documents from marked-up text, by the pandoc that comes with the Python package `pypandoc_binary`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from survey.errors import SurveyError

EPOCH = "315532800"  # 1 January 1980, the first day of a zip file: the same input gives the same bytes


def pandoc(text: str, *options: str, argument: str) -> str:
    """Convert a text.

    Parameters
    ----------
    text : marked-up text; its language is among the options.
    options : of pandoc's command line, as "--from=html", "--to=docx", "--output=table.docx".
    argument : what made the text, for the error message.

    Returns
    -------
    What pandoc writes to its standard output; empty where it writes a file.

    Raises
    ------
    SurveyError : pandoc is not installed, or refuses the text.
    """
    command = [str(program(argument)), *options]
    run = subprocess.run(
        command, input=text, capture_output=True, check=False, encoding="utf-8", env=_environment(os.environ)
    )
    if run.returncode != 0:
        raise SurveyError(f"`{argument}` must become a document; pandoc said: {run.stderr.strip()}.")
    return run.stdout


def program(argument: str) -> Path:
    """The program of the Python package, whatever else is installed; any other pandoc where it has none.

    Raises
    ------
    SurveyError : there is no pandoc.
    """
    refusal = f"`{argument}` needs pandoc, which was not found. Install it with: pip install 'opinion-survey[report]'."
    try:
        import pypandoc
    except ImportError as error:
        raise SurveyError(refusal) from error
    folder = Path(pypandoc.__file__).parent / "files"
    bundled = next((path for path in (folder / "pandoc", folder / "pandoc.exe") if path.is_file()), None)
    if bundled is not None:
        return bundled
    try:
        return Path(pypandoc.get_pandoc_path())
    except OSError as error:
        raise SurveyError(refusal) from error


def _environment(current: Mapping[str, str]) -> dict[str, str]:
    """The environment with a date that does not change."""
    return {**current, "SOURCE_DATE_EPOCH": current.get("SOURCE_DATE_EPOCH", EPOCH)}
