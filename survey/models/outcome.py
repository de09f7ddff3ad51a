"""The outcome of an ordinal model: its answers in use, in their order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from survey.arrays import IntArray
from survey.design import Cells
from survey.errors import EstimationError


class Answers(NamedTuple):
    """Answers in use: `codes` (C,) number them, 0 outside the domain; `remark` names those that nobody gave."""

    levels: tuple[object, ...]
    codes: IntArray
    remark: str


def answers(cells: Cells, outcome: str) -> Answers:
    """Answers that respondents inside the domain gave, lowest first.

    Raises
    ------
    EstimationError : an outcome of three or more answers without order, or one with a single answer in use.
    """
    column = _ordered(cells, outcome)
    positions = column.cat.codes.to_numpy()
    used = np.unique(positions[cells.inside])
    if used.size < 2:
        raise EstimationError(
            f"`formula`: the outcome must have at least two answers in use; every respondent has {outcome!r} = "
            f"{column.cat.categories[used[0]]!r}."
        )
    if not column.cat.ordered and used.size > 2:
        raise EstimationError(
            f"`formula`: the outcome must be ordered; {outcome!r} is a categorical without order. State the order "
            "with .cat.as_ordered() or .cat.reorder_categories([...], ordered=True)."
        )
    unused = [str(level) for i, level in enumerate(column.cat.categories) if i not in used]
    return Answers(
        levels=tuple(column.cat.categories[used]),
        codes=np.where(cells.inside, np.searchsorted(used, positions), 0),
        remark=f"Answers nobody gave were dropped: {', '.join(unused)}." if unused else "",
    )


def _ordered(cells: Cells, outcome: str) -> pd.Series[Any]:
    """Outcome as a categorical; two values of another type, such as numbers, are put in order."""
    column = cells.frame[outcome]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    values = column[cells.inside].unique()
    if len(values) > 2 or pd.api.types.is_float_dtype(column.dtype):
        raise EstimationError(
            f"`formula`: the outcome must be an ordered categorical; {outcome!r} has type {column.dtype}. Make it "
            "one with pd.Categorical(values, categories=[lowest, ..., highest], ordered=True)."
        )
    return column.astype(pd.CategoricalDtype(sorted(values), ordered=True))
