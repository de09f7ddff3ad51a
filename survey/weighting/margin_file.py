"""Margins that are kept in a file: read as strictly as a codebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from survey.errors import CalibrationError, brief_value
from survey.strict_yaml import BOOLEAN, read_yaml

FORM = "gender: {Male: 0.49, Female: 0.51}"


def read_margins(path: str | os.PathLike[str], *, argument: str = "path") -> dict[str, dict[Any, float]]:
    """Read population margins from a YAML file.

    Parameters
    ----------
    path : file with a line such as `gender: {Male: 0.49, Female: 0.51}` for each variable: shares or counts by level.
    argument : what messages call the file.

    Returns
    -------
    Variable -> level -> target, as `survey.rake` takes them.

    Raises
    ------
    CalibrationError : the file is absent or no YAML, names a variable or level twice, or has a target that is no
        number; all problems are listed.

    Examples
    --------
    >>> margins = survey.read_margins("data/social_credit/margins.yaml")
    >>> raked = survey.rake(design, margins)
    """
    try:
        file = Path(path)
        text = file.read_text(encoding="utf-8")
    except TypeError as error:
        raise CalibrationError(f"`{argument}` must be the name of a file; got {type(path).__name__}.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise CalibrationError(f"`{argument}` must be a readable YAML file; {path}: {reason}.") from error
    page, problems = read_yaml(text)
    margins: dict[str, dict[Any, float]] = {}
    if isinstance(page, dict):
        margins = {str(name): _targets(name, targets, problems) for name, targets in page.items()}
    elif not problems:
        problems.append(f"it must map variables to levels and these to targets, as {FORM}; it does not")
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems[:20])
        raise CalibrationError(
            f"`{argument}` must be a readable YAML file of margins; {file.name} has {len(problems)} "
            f"problem{'s' * (len(problems) > 1)}, to be corrected there:\n{listed}"
        )
    return margins


def _targets(name: object, targets: object, problems: list[str]) -> dict[Any, float]:
    """Targets of one variable, noting what is none."""
    if not isinstance(name, str):
        problems.append(f"{brief_value(name)}: a variable must be named by text; {BOOLEAN}")
    called = f"`margins[{brief_value(name)}]`"
    if not isinstance(targets, dict):
        problems.append(f"{called} must map levels to targets, as {FORM}; found {brief_value(targets)}")
        return {}
    for level, target in targets.items():
        if isinstance(level, bool) or not isinstance(level, str | int):
            problems.append(
                f"{called} must have text or whole numbers as levels; found {brief_value(level)}: {BOOLEAN}"
            )
        if isinstance(target, bool) or not isinstance(target, int | float):
            problems.append(
                f"{called} must have a number for each level; {brief_value(level)} has {brief_value(target)}"
                f"{', which is text: take off the quotes, or write digits only' if isinstance(target, str) else ''}"
            )
    return targets
