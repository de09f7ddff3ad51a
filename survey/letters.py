"""Column letters: which columns of a table differ, from the joint covariance of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase

import numpy as np
import scipy

from survey.arrays import FloatArray
from survey.inference import adjust_p_values
from survey.tidy import LETTER_ALPHA, LETTER_BASE


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
