"""Checks of arguments that functions of several rooms take: one rule and one wording for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, get_args

import numpy as np
import pandas as pd

from survey.errors import DesignError, EstimationError, SurveyError, did_you_mean, shown
from survey.tidy import RESULT_COLUMNS

MADE_BY: Mapping[str, str] = MappingProxyType(
    {
        "Codebook": "Read one with survey.Codebook.from_yaml(path).",
        "Design": "Make one with survey.Design(frame, weight=...).",
        "Estimate": "Make one with survey.mean(design, ...) or another estimate.",
        "OrdinalFit": "Make one with survey.ordinal(formula, design).",
    }
)
"""How to come by what a function asks for."""


def check_choice(value: object, choices: Any, argument: str, error: type[SurveyError] | None = None) -> None:
    """Raise unless an argument is one of the words it may be.

    Parameters
    ----------
    choices : the words, as a `Literal` type or one by one.
    error : class of the error; `EstimationError` otherwise.
    """
    words = get_args(choices) or tuple(choices)
    if isinstance(value, str) and value in words:
        return
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    raise (error or EstimationError)(f"`{argument}` must be one of {', '.join(map(str, words))}; got {value!r}.{hint}")


def check_kind(value: object, kind: type, argument: str, error: type[SurveyError] | None = None) -> None:
    """Raise unless an argument is what its function works on, such as a design and not the frame it is made of.

    Parameters
    ----------
    kind : a class of the package that `MADE_BY` knows.
    error : class of the error; `EstimationError` otherwise.
    """
    if not isinstance(value, kind):
        refuse_kind(value, kind.__name__, argument, error)


def refuse_kind(value: object, kind: str, argument: str, error: type[SurveyError] | None = None) -> NoReturn:
    """Say that an argument is not of a class of the package that `MADE_BY` knows, and how to make one."""
    given = value.__name__ + " itself" if isinstance(value, type) else type(value).__name__
    raise (error or EstimationError)(f"`{argument}` must be a survey.{kind}; got {given}. {MADE_BY[kind]}")


def check_switch(value: object, argument: str) -> None:
    """Raise unless an argument is True or False: the text "False" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise DesignError(f"`{argument}` must be True or False; got {value!r}.")


def check_level(level: float) -> None:
    """Raise unless a confidence level lies between 0 and 1."""
    if not isinstance(level, float | np.floating) or not 0 < level < 1:
        raise EstimationError(f"`level` must lie between 0 and 1, as 0.95 does; got {level!r}.")


def check_alpha(alpha: float) -> None:
    """Raise unless 1 less a confidence level, statsmodels' `alpha`, lies between 0 and 1."""
    if not isinstance(alpha, float | np.floating) or not 0 < alpha < 1:
        raise EstimationError(f"`alpha` must lie between 0 and 1, as 0.05 does; got {alpha!r}.")


def as_name(name: object, argument: str) -> str:
    """Argument that must be one column name."""
    if not isinstance(name, str):
        raise EstimationError(f"`{argument}` must be one column name; got {name!r}.")
    return name


def as_names(names: str | Sequence[str] | None, argument: str) -> list[str]:
    """Argument that is a name, several names or nothing, as a list of distinct names."""
    several = isinstance(names, Sequence | pd.Index) and not isinstance(names, str)
    listed = listed_names(names, several=several, rule=f"`{argument}` must be a column name or a list of them")
    if len(set(listed)) < len(listed):
        raise EstimationError(f"`{argument}` must name each variable once; got {listed}.")
    return listed


def asked_names(names: str | Sequence[str], argument: str) -> list[str]:
    """Argument that names at least one variable, as a list of distinct names."""
    listed = as_names(names, argument)
    if not listed:
        raise EstimationError(f"`{argument}` must name at least one variable; got {names!r}.")
    return listed


def listed_names(
    names: Any, *, several: bool, rule: str, remedy: str = "", error: type[SurveyError] = EstimationError
) -> list[str]:
    """Argument that is a name, several names or nothing, as a list.

    Parameters
    ----------
    several : whether it is of a type that holds several names.
    rule, remedy : what it must be, and what to do where it is not, as the message says it.
    error : class of the error.
    """
    if names is None:
        return []
    listed = list(names) if several else [names]
    if not all(isinstance(name, str) for name in listed):
        raise error(f"{rule}; got {brief(names)}.{remedy}")
    return listed


def brief(value: object) -> str:
    """What was given: simple values as they are, others by their type."""
    return shown(value) if isinstance(value, int | float | list | tuple | set) else type(value).__name__


def refuse_reserved(names: Sequence[str], argument: str) -> None:
    """Raise where a variable that labels results has the name of one of their columns."""
    taken = [name for name in names if name in RESULT_COLUMNS]
    if taken:
        raise EstimationError(
            f"`{argument}` must not have the name of a result column; {taken[0]!r} is one. Rename the variable."
        )


def by_names(by: str | Sequence[str] | None, variables: Sequence[str] = ()) -> list[str]:
    """Names of by-variables, none of them that of a result column or one of the variables that are estimated."""
    names = as_names(by, "by")
    refuse_reserved(names, "by")
    twice = [name for name in names if name in variables]
    if twice:
        raise EstimationError(f"`by` must be other variables than those that are estimated; got {twice[0]!r} twice.")
    return names
