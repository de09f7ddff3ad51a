"""Columns of a table: groups of respondents, and which of them are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from survey.arrays import IntArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.estimation import Domains, domains_of, is_numeric
from survey.tidy import TOTAL

APART = -1  # block of a column that is compared with none
MOST_COLUMNS = 26 + 26 * 26  # columns that have letters, from A to ZZ


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """G columns of a table.

    Attributes
    ----------
    groups : G domains, a total first where there is one.
    block : (G,) columns with the same number are compared with each other; -1 for the total, which contains
        the others.
    """

    groups: Domains
    block: IntArray


def one_column(cells: Cells) -> Columns:
    """The one column of a topline: everybody."""
    return Columns(domains_of(cells, []), np.array([APART], dtype=np.intp))


def table_columns(cells: Cells, by: Sequence[str], *, total: bool) -> Columns:
    """Columns that the by-variables make: the last one's levels within those of the variables before it.

    Raises
    ------
    EstimationError : a numeric by-variable, more columns than there are letters, or a total beside a level that is
        called so.
    """
    for name in by:
        if is_numeric(cells.frame[name]):
            raise EstimationError(
                f"`by` must be categorical; {name!r} is numeric. Cut it into groups first (pandas.cut)."
            )
    groups = domains_of(cells, by)
    block = _blocks(groups.labels, by[:-1])
    sizes = np.bincount(block)
    if sizes.max() > MOST_COLUMNS:
        raise EstimationError(
            f"`by` must make at most {MOST_COLUMNS} columns; {by[-1]!r} makes {sizes[sizes > MOST_COLUMNS][0]}. Merge "
            "its levels, or use `proportion` with by=."
        )
    return _after_total(cells, groups, block) if total else Columns(groups, block)


def _blocks(labels: pd.DataFrame, outer: Sequence[str]) -> IntArray:
    """(G,) columns within the same levels of the outer by-variables have the same number."""
    if not outer:
        return np.zeros(len(labels), dtype=np.intp)
    return labels.groupby(list(outer), observed=True, sort=False).ngroup().to_numpy().astype(np.intp)


def _after_total(cells: Cells, groups: Domains, block: IntArray) -> Columns:
    """Columns with the total before them."""
    labels = pd.DataFrame({name: _labels_after_total(groups.labels[name]) for name in groups.labels.columns})
    indicator = np.column_stack([cells.inside, groups.indicator])
    return Columns(Domains(labels, indicator), np.append(APART, block))


def _labels_after_total(labels: pd.Series) -> pd.Series:
    """Labels of the columns with that of the total before them."""
    if TOTAL in set(labels):
        raise EstimationError(
            f"`total` adds a column called {TOTAL!r}, but {labels.name!r} has a level of that name. Rename the level, "
            "or leave the total out."
        )
    if not isinstance(labels.dtype, pd.CategoricalDtype):
        return pd.Series([TOTAL, *labels], dtype=object)
    known = [level for level in labels.cat.categories if level != TOTAL]
    return pd.Series(pd.Categorical([TOTAL, *labels], [TOTAL, *known], ordered=labels.cat.ordered))
