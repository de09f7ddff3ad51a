"""Tests of independence in two-way tables under a survey design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.special import chdtrc, fdtrc

from survey.cells import Cells, code_values
from survey.design import FloatArray, IntArray
from survey.errors import EstimationError
from survey.hypotheses import TestResult, adjusted_wald, plain_wald, wald_chisq
from survey.variance import covariance, degrees_of_freedom

TestMethod = Literal["rao-scott-f", "rao-scott-chisq", "wald", "adjusted-wald"]


@dataclass(frozen=True, slots=True, eq=False)
class TwoWay:
    """A two-way table of R x C weighted counts on cells.

    Attributes
    ----------
    row, column : (C,) position of each pattern's row and column; rows and columns without respondents have none.
    shape : (rows, columns).
    note : which levels were left out for want of respondents.
    """

    row: IntArray
    column: IntArray
    shape: tuple[int, int]
    note: str


def two_way(cells: Cells, row: str, column: str) -> TwoWay:
    """Positions of the patterns in the table of two variables."""
    positions, left_out = [], []
    for name in (row, column):
        codes, values = code_values(cells.frame[name])
        present = np.unique(codes[cells.inside])
        positions.append(np.where(cells.inside, np.searchsorted(present, codes), 0))
        left_out += [f"{name}={value}" for i, value in enumerate(values) if i not in present]
    shape = (int(positions[0].max()) + 1, int(positions[1].max()) + 1)
    note = f"Without respondents, left out: {', '.join(left_out)}." if left_out else ""
    return TwoWay(positions[0], positions[1], shape, note)


def test_independence(cells: Cells, table: TwoWay, method: TestMethod) -> TestResult:
    """Test that the row and the column variable are independent.

    Parameters
    ----------
    method : "rao-scott-f" and "rao-scott-chisq" correct Pearson's X^2 to second and first order for the
        design; "wald" and "adjusted-wald" compare observed with expected totals.

    Raises
    ------
    EstimationError : an unknown method, or a table with one row or column.

    References
    ----------
    Rao and Scott (1984), Ann. Stat. 12:46; Thomas and Rao (1987), JASA 82:630. R equivalent: survey::svychisq.
    """
    if method not in get_args(TestMethod):
        raise EstimationError(f"`method` must be one of {', '.join(get_args(TestMethod))}; got {method!r}.")
    if min(table.shape) < 2:
        raise EstimationError(
            f"`table` must have two rows and two columns with respondents to be tested; it is {table.shape[0]} x "
            f"{table.shape[1]}."
        )
    df = float(degrees_of_freedom(cells, np.ones((cells.n.size, 1), dtype=bool))[0])
    if method in ("wald", "adjusted-wald"):
        return _wald(cells, table, df, method)
    return _rao_scott(cells, table, df, method)


test_independence.__test__ = False  # type: ignore[attr-defined]  # not a test case for pytest


def _indicators(table: TwoWay) -> FloatArray:
    """(C, R * K) indicators of the table's cells, row by row."""
    position = table.row * table.shape[1] + table.column
    found: FloatArray = (position[:, None] == np.arange(table.shape[0] * table.shape[1])).astype(np.float64)
    return found


def _interactions(rows: int, columns: int) -> FloatArray:
    """(R K, (R-1)(K-1)) interaction contrasts, orthogonal to the main effects (unweighted)."""
    one_way = [np.eye(size)[:, 1:] - 1.0 / size for size in (rows, columns)]
    contrasts: FloatArray = np.kron(one_way[0], one_way[1]).astype(np.float64)
    return contrasts


def _rao_scott(cells: Cells, table: TwoWay, df: float, method: TestMethod) -> TestResult:
    """Pearson's X^2 with the Rao-Scott correction, generalized design effects from the observed shares."""
    n = float(cells.n.sum())
    indicator = _indicators(table)
    size = cells.weight.sum()
    share = cells.weight @ indicator / size
    vcov = covariance(cells, (indicator - share) / size)
    inverse = np.divide(1.0, share, out=np.zeros_like(share), where=share > 0)
    contrast = _interactions(*table.shape)
    simple = contrast.T @ (inverse[:, None] * contrast) / n
    actual = (inverse[:, None] * contrast).T @ vcov @ (inverse[:, None] * contrast)
    effects = np.linalg.solve(simple, actual)
    grid = share.reshape(table.shape)
    expected = np.outer(grid.sum(axis=1), grid.sum(axis=0))
    chisq = float(n * ((grid - expected) ** 2 / expected).sum())
    trace, squares = float(np.trace(effects)), float(np.trace(effects @ effects))
    note = f"{table.note} Design df {df:g}.".strip()
    if trace <= 0 or df <= 0:
        raise EstimationError(
            "`table` has no sampling variance to test against: the design has "
            f"{df:g} degrees of freedom and a total design effect of {trace:g}."
        )
    if method == "rao-scott-chisq":
        k = contrast.shape[1]
        p_value = float(chdtrc(k, chisq / (trace / k)))
        return TestResult(chisq, k, np.nan, p_value, "Pearson's X^2, Rao-Scott first-order correction", note)
    df1 = trace**2 / squares
    p_value = float(fdtrc(df1, df1 * df, chisq / trace))
    return TestResult(
        chisq / trace, df1, df1 * df, p_value, "Pearson's X^2, Rao-Scott second-order correction (F)", note
    )


def _wald(cells: Cells, table: TwoWay, df: float, method: TestMethod) -> TestResult:
    """Wald test of observed minus expected totals in all rows and columns but the first."""
    rows, columns = table.shape
    indicator = _indicators(table)
    totals = (cells.weight @ indicator).reshape(table.shape)
    size, by_row, by_column = totals.sum(), totals.sum(axis=1), totals.sum(axis=0)
    residual = totals - np.outer(by_row, by_column) / size
    in_row = (table.row[:, None] == np.arange(rows)).astype(np.float64)
    in_column = (table.column[:, None] == np.arange(columns)).astype(np.float64)
    influence = (
        indicator.reshape(-1, rows, columns)
        - in_row[:, :, None] * by_column / size
        - in_column[:, None, :] * by_row[:, None] / size
        + np.outer(by_row, by_column) / size**2
    )
    vcov = covariance(cells, influence[:, 1:, 1:].reshape(len(influence), -1))
    statistic = wald_chisq(residual[1:, 1:].reshape(-1), vcov)
    k = (rows - 1) * (columns - 1)
    if method == "wald":
        return plain_wald(statistic, k, df, "Wald test of association")
    return adjusted_wald(statistic, k, df, "Adjusted Wald test of association", table.note)
