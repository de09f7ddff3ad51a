"""Files that are put into place when all of them are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from survey import SurveyError


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, and put its files into place when all went well.

    The files come from a folder beside the target, so that a build that fails changes nothing. Other files in the
    target stay.
    """
    if folder.exists() and not folder.is_dir():
        raise SurveyError(f"`output` must be a folder; {folder} is a file. Name another.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as draft:
        yield Path(draft)
        for file in sorted(path for path in Path(draft).rglob("*") if path.is_file()):
            target = folder / file.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
