"""Columns of a table: groups of respondents, which of them are compared, and a total that never is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_uppercase

import numpy as np
import pandas as pd
import scipy

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.estimation import Domains, Estimate, domains_of, is_numeric
from survey.inference import adjust_p_values
from survey.tidy import LETTER_ALPHA, LETTER_BASE

TOTAL = "Total"
ROUNDING = 1e-24  # variance of a share below which it is a constant's rounding error
MOST_COLUMNS = 26 + 26 * 26  # columns that have letters, from A to ZZ


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """G columns of a table.

    Attributes
    ----------
    groups : G domains, a total first where there is one.
    block : (G,) columns with the same number are compared with each other; -1 for the total, which contains
        the others.
    letter : (G,) name of each column within its block; "" for the total.
    """

    groups: Domains
    block: IntArray
    letter: tuple[str, ...]


def table_columns(cells: Cells, by: Sequence[str], total: bool) -> Columns:
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
    block = np.zeros(len(groups.labels), dtype=np.intp)
    if len(by) > 1:
        block = groups.labels.groupby(list(by[:-1]), observed=True, sort=False).ngroup().to_numpy().astype(np.intp)
    letter = [""] * block.size
    for number in np.unique(block):
        places = np.flatnonzero(block == number)
        if places.size > MOST_COLUMNS:
            raise EstimationError(
                f"`by` must make at most {MOST_COLUMNS} columns; {by[-1]!r} makes {places.size}. Merge its levels, or "
                "use `proportion` with by=."
            )
        for place, name in zip(places, letter_names(places.size), strict=True):
            letter[place] = name
    if total:
        groups = Domains(
            pd.DataFrame({name: _after_total(groups.labels[name]) for name in by}),
            np.column_stack([cells.inside, groups.indicator]),
        )
        block, letter = np.append(-1, block), ["", *letter]
    return Columns(groups, block, tuple(letter))


def _after_total(labels: pd.Series) -> pd.Series:
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


def letters(made: Estimate, columns: Columns, base: IntArray, rows: int) -> list[str]:
    """Letters of the columns that each cell exceeds, column by column; see `column_letters`.

    None in columns without a degree of freedom to test with.

    Parameters
    ----------
    made : shares, column by column and within it row by row.
    base : (G,) respondents in each column.
    rows : number of rows.
    """
    found = [""] * made.value.size
    for block in np.unique(columns.block[columns.block >= 0]):
        places = np.flatnonzero(columns.block == block)
        at = (places[:, None] * rows + np.arange(rows)).ravel()
        alone = ~(made.df[at].reshape(-1, rows) > 0).any(axis=1)  # one PSU per stratum: its variance is unknown
        sizes = np.where(alone, 0.0, base[places])
        vcov = made.vcov[np.ix_(at, at)]
        constant = np.diag(vcov) < ROUNDING
        vcov[constant], vcov[:, constant] = 0.0, 0.0
        df = _pair_df(made, places * rows)
        marks = column_letters(made.value[at], vcov, sizes, df, rows, places.size)
        for position, mark in zip(at, marks, strict=True):
            found[position] = mark
    return found


def _pair_df(made: Estimate, first: IntArray) -> FloatArray:
    """(G, G) degrees of freedom of the difference of two columns, given the (G,) first estimate of each."""
    a, b = np.triu_indices(first.size, 1)
    used = np.zeros((a.size, made.value.size), dtype=bool)
    used[np.arange(a.size), first[a]] = used[np.arange(a.size), first[b]] = True
    df = np.full((first.size, first.size), made.whole_df)
    df[a, b] = made.combined(used)[1]
    return df


def within(cells: Cells, inside: BoolArray) -> Cells:
    """The same cells restricted to a domain of patterns: the others count for nothing but stay in the design."""
    keep = cells.inside & inside
    return replace(
        cells,
        n=np.where(keep, cells.n, 0),
        weight=np.where(keep, cells.weight, 0.0),
        replicates=None if cells.replicates is None else cells.replicates.within(keep),
    )


def column_letters(
    share: FloatArray, vcov: FloatArray, base: FloatArray, df: FloatArray, rows: int, columns: int
) -> list[str]:
    """Letters of the columns that each cell exceeds.

    Two-sided t tests of all pairs of columns within a row, from the joint covariance; Holm's correction
    within the row; alpha .05; no test where either column has fewer than 50 respondents.

    Parameters
    ----------
    share : (columns * rows,) shares, column by column.
    vcov : their joint covariance.
    base : (columns,) respondents in each column.
    df : (columns, columns) degrees of freedom of the difference between two columns, the first of them the row.

    Returns
    -------
    (columns * rows,) strings such as "A C"; the first column is A.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6:65.
    """
    marks: list[list[str]] = [[] for _ in range(rows * columns)]
    pairs = [(a, b) for a, b in combinations(range(columns), 2) if min(base[a], base[b]) >= LETTER_BASE]
    names = letter_names(columns)
    for row in range(rows):
        tested, p_values = [], []
        for a, b in pairs:
            i, j = a * rows + row, b * rows + row
            variance = vcov[i, i] + vcov[j, j] - 2 * vcov[i, j]
            if variance > 0:
                tested.append((i, j, a, b))
                p_values.append(2 * scipy.special.stdtr(df[a, b], -abs(share[i] - share[j]) / np.sqrt(variance)))
        if not tested:
            continue
        for position in np.flatnonzero(adjust_p_values(p_values, "holm") <= LETTER_ALPHA):
            i, j, a, b = tested[position]
            higher, lower = (i, b) if share[i] > share[j] else (j, a)
            marks[higher].append(names[lower])
    return [" ".join(sorted(mark, key=names.index)) for mark in marks]


def letter_names(columns: int) -> Sequence[str]:
    """A, B, ..., Z, AA, AB, ... for a number of columns."""
    single = list(ascii_uppercase)
    return [single[i] if i < 26 else single[i // 26 - 1] + single[i % 26] for i in range(columns)]
