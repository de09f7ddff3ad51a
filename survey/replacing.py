"""Files are written aside and renamed: a full disk, a crash or a refusal leaves the old file as it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from survey.errors import SurveyError


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, argument: str = "path", error: type[SurveyError] = SurveyError
) -> Iterator[Path]:
    """Give a path beside the target to write to, and put the file in place when all went well.

    A link stays a link: the file that it leads to is replaced. The new file has the permissions of the old one.

    Parameters
    ----------
    path : file to write; its folder must be there.
    argument : what messages call it.
    error : class of the error.

    Raises
    ------
    SurveyError : the folder is absent or may not be written to, the old file is protected, or the disk is full.
    """
    try:
        target = Path(path).resolve()
    except TypeError as problem:
        raise error(f"`{argument}` must be the name of a file; got {type(path).__name__}.") from problem
    except (OSError, RuntimeError) as problem:  # links that lead in a circle
        raise error(f"`{argument}` must lead to a file; {path} leads nowhere. Name another.") from problem
    if not target.parent.is_dir():
        raise error(f"`{argument}` must be in an existing folder; there is none at {Path(path).parent}. Make it first.")
    if target.is_dir() or (target.exists() and not os.access(target, os.W_OK)):
        what = "is a folder" if target.is_dir() else "is protected against writing"
        raise error(f"`{argument}` must be a file that may be replaced; {path} {what}. Name another.")
    try:
        with tempfile.TemporaryDirectory(prefix=".survey-", dir=target.parent) as folder:
            draft = Path(folder) / target.name
            yield draft
            if target.exists():
                shutil.copymode(target, draft)
            os.replace(draft, target)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise error(
            f"`{argument}` must be a file that can be written; {path} gave: {reason}. It is as it was before."
        ) from problem


def write_text(
    path: str | os.PathLike[str], text: str, *, argument: str = "path", error: type[SurveyError] = SurveyError
) -> None:
    """Write text in UTF-8, lines ended by a newline on every system; see `replacing`."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise error(f"`{argument}` must be given text; {problem.object[problem.start]!r} is no letter.") from problem
    write_bytes(path, content, argument=argument, error=error)


def write_bytes(
    path: str | os.PathLike[str], content: bytes, *, argument: str = "path", error: type[SurveyError] = SurveyError
) -> None:
    """Write bytes; see `replacing`."""
    with replacing(path, argument=argument, error=error) as draft:
        draft.write_bytes(content)


def make_folder(folder: Path, *, argument: str = "path", error: type[SurveyError] = SurveyError) -> None:
    """Make a folder, and those above it, where they are absent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise error(
            f"`{argument}` must be in a folder that is there or can be made; {folder} gave: {problem.strerror}."
        ) from problem
