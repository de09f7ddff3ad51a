"""Tidy results: the glossary of their columns, their marks, and frames that nobody can edit from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from survey.arrays import IntArray

Result = TypeVar("Result")

NOT_AVAILABLE = "[x]"
CONFIDENTIAL = "[c]"
UNRELIABLE = "[u]"

TOTAL = "Total"  # label of the column of all respondents
LETTER_BASE = 50  # respondents that both columns need for a comparison by letters
LETTER_ALPHA = 0.05
ODDS_RATIO = "odds ratio"  # kinds of rows of a model
SLOPE = "slope"

RESULT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "term": "item, coefficient or other quantity that is estimated",
        "level": "answer or net of the term; empty where it has none",
        "estimate": "the estimate; proportions lie between 0 and 1",
        "std_error": "standard error under the design",
        "df": "degrees of freedom of the interval and the test",
        "conf_low": "lower limit of the confidence interval",
        "conf_high": "upper limit of the confidence interval",
        "statistic": "test statistic of no effect",
        "p_value": "p value of the test, two-sided",
        "n": "respondents that the estimate rests on, unweighted",
        "n_eff": "size of the simple random sample with the same precision",
        "deff": "design effect: variance against that of a simple random sample of the same size",
        "row_base": "respondents in the row of the table, unweighted",
        "column_base": "respondents in the column of the table, unweighted",
        "row_base_weighted": "sum of weights in the row of the table",
        "column_base_weighted": "sum of weights in the column of the table",
        "kind": 'sort of the row: "level", "net" or "missing"; of a model "slope", "odds ratio", "threshold", '
        '"nominal" or "scale"',
        "shown": "whether the reliability rule lets the number be shown",
        "flag": 'marks of the reliability rule, such as "[u]" for unreliable; empty where none',
        "letters": "letters of the columns that this one is significantly higher than",
        "column_letter": "letter of the column itself among those that it is compared with; empty where none",
        "fraction_missing": "share of the information that is missing, of results pooled over imputations",
    }
)
"""Columns of tidy results, in order, with what they hold; columns of groups come before them."""

TEST_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "df1": "degrees of freedom of the numerator of F, of a chi-square or of t",
        "df2": "degrees of freedom of the denominator of F; missing for others",
        "method": "name of the test",
        "note": "what a reader should know of the test: reference, degrees of freedom, what limits it",
    }
)
"""Columns of the tidy frames of tests beside those of results; variables may have these names."""


def gives_copies(*names: str) -> Callable[[type[Result]], type[Result]]:
    """Make what a frozen dataclass with slots holds safe: whoever asks for it gets a copy.

    Frames and series, alone or in a tuple, are copied lazily, as pandas copies on write; a dictionary is copied whole.
    """

    def protect(cls: type[Result]) -> type[Result]:
        for name in names:
            slot = cls.__dict__[name]
            setattr(cls, name, property(_copying(slot), slot.__set__, doc=slot.__doc__))
        return cls

    return protect


def _copying(slot: Any) -> Callable[[object], Any]:
    """Getter of a slot that gives a copy of what it holds."""

    def copied(held: object) -> Any:
        return _copy_of(slot.__get__(held, type(held)))

    return copied


def with_columns(frame: pd.DataFrame, /, **columns: Any) -> pd.DataFrame:
    """A frame with arrays or single values as further columns, or in the place of those it has.

    What `assign` gives, in a fifth of the time or less: that lays all columns out anew for each one that is added.
    """
    return pd.DataFrame({**_arrays(frame, frame.columns), **columns}, index=frame.index)


def side_by_side(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """The columns of two frames of as many rows, which stand in the same order."""
    return with_columns(left, **_arrays(right, right.columns))


def rows_at(frame: pd.DataFrame, position: IntArray, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a frame by their (m,) positions, numbered anew; of all columns, or of some."""
    arrays = _arrays(frame, frame.columns if names is None else names)
    columns = {name: values.take(position) for name, values in arrays.items()}
    return pd.DataFrame(columns, index=range(position.size))


def _arrays(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, ExtensionArray]:
    """Columns of a frame without its index, which pandas would compare with that of the new frame."""
    return {name: frame[name].array for name in names}


def _copy_of(value: Any) -> Any:
    """A copy of a frame, a series, a tuple of these or a dictionary; anything else as it is."""
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.copy(deep=False)
    if isinstance(value, tuple):
        return tuple(map(_copy_of, value))
    return dict(value) if isinstance(value, dict) else value


def as_odds_ratios(tidy: pd.DataFrame) -> pd.DataFrame:
    """Slopes and their bounds as exp(b), other parameters left out.

    Rows of the kind "odds ratio" are what they should be already, and stay; a frame without kinds is taken for slopes.
    """
    if "kind" not in tidy.columns:
        return tidy.assign(**_exponentiated(tidy))
    if (tidy["kind"] == ODDS_RATIO).any():
        return tidy[tidy["kind"] == ODDS_RATIO].reset_index(drop=True)
    slopes = tidy[tidy["kind"] == SLOPE].reset_index(drop=True)
    return slopes.assign(kind=ODDS_RATIO, **_exponentiated(slopes))


def _exponentiated(tidy: pd.DataFrame) -> dict[str, pd.Series]:
    """Estimate and bounds, exponentiated."""
    return {name: np.exp(tidy[name]) for name in ("estimate", "conf_low", "conf_high")}
