"""Letters of a table: which columns each share exceeds, and how the columns are called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase

import numpy as np
import scipy

from survey.arrays import FloatArray, IntArray
from survey.estimation import Estimate
from survey.inference import adjust_p_values
from survey.tabulation.columns import Columns
from survey.tidy import LETTER_ALPHA, LETTER_BASE

ROUNDING = 1e-24  # variance of a share below which it is a constant's rounding error


def letters_of_columns(columns: Columns) -> list[str]:
    """The letter that each of G columns has within its block; "" for a column that is compared with none."""
    letter = [""] * columns.block.size
    for block in _blocks(columns):
        places = np.flatnonzero(columns.block == block)
        for place, name in zip(places, letter_names(places.size), strict=True):
            letter[place] = name
    return letter


def letters_of_shares(shares: Estimate, columns: Columns, base: IntArray) -> list[str]:
    """Letters of the columns that each cell exceeds, column by column; see `column_letters`.

    None in columns without a degree of freedom to test with.

    Parameters
    ----------
    shares : shares, column by column and within it row by row.
    base : (G,) respondents in each column.
    """
    rows = shares.value.size // base.size
    letters = [""] * shares.value.size
    for block in _blocks(columns):
        places = np.flatnonzero(columns.block == block)
        positions = (places[:, None] * rows + np.arange(rows)).ravel()
        # One PSU per stratum: the variance of such a column is unknown, and so nothing is compared with it.
        untestable = ~(shares.df[positions].reshape(-1, rows) > 0).any(axis=1)
        marks = column_letters(
            shares.value[positions],
            _without_constants(shares.vcov[np.ix_(positions, positions)]),
            base=np.where(untestable, 0.0, base[places]),
            df=_pair_df(shares, places * rows),
        )
        for position, mark in zip(positions, marks, strict=True):
            letters[position] = mark
    return letters


def _blocks(columns: Columns) -> IntArray:
    """Numbers of the blocks of columns that are compared."""
    return np.unique(columns.block[columns.block >= 0])


def _without_constants(vcov: FloatArray) -> FloatArray:
    """A covariance in which shares that do not vary, of 0 or 1, have no rounding error for a variance."""
    constant = np.diag(vcov) < ROUNDING
    return np.where(constant | constant[:, None], 0.0, vcov)


def _pair_df(shares: Estimate, first: IntArray) -> FloatArray:
    """(G, G) degrees of freedom of the difference of two columns, given the (G,) first estimate of each."""
    a, b = np.triu_indices(first.size, 1)
    pair = np.arange(a.size)
    difference = np.zeros((a.size, shares.value.size))
    difference[pair, first[a]] = 1.0
    difference[pair, first[b]] = -1.0
    df = np.full((first.size, first.size), shares.whole_df)
    df[a, b] = shares.contrast(difference).df
    return df


def column_letters(share: FloatArray, vcov: FloatArray, *, base: FloatArray, df: FloatArray) -> list[str]:
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
    columns = base.size
    rows = share.size // columns
    large = [column for column in range(columns) if base[column] >= LETTER_BASE]
    names = letter_names(columns)
    marks: list[list[str]] = [[] for _ in range(share.size)]
    for row in range(rows):
        tested: list[tuple[int, int]] = []
        p_values: list[float] = []
        for a, b in combinations(large, 2):
            i = a * rows + row
            j = b * rows + row
            # The columns share strata and PSUs: the variance of their difference has the covariance in it.
            variance = vcov[i, i] + vcov[j, j] - 2 * vcov[i, j]
            if variance > 0:
                tested.append((i, j))
                p_values.append(2 * scipy.special.stdtr(df[a, b], -abs(share[i] - share[j]) / np.sqrt(variance)))
        if not tested:
            continue
        for position in np.flatnonzero(adjust_p_values(p_values, "holm") <= LETTER_ALPHA):
            i, j = tested[position]
            higher, lower = (i, j) if share[i] > share[j] else (j, i)
            marks[higher].append(names[lower // rows])
    return [" ".join(sorted(mark, key=names.index)) for mark in marks]


def letter_names(columns: int) -> Sequence[str]:
    """A, B, ..., Z, AA, AB, ... for a number of columns."""
    single = list(ascii_uppercase)
    return [single[i] if i < 26 else single[i // 26 - 1] + single[i % 26] for i in range(columns)]
