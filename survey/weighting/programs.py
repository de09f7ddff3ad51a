"""Linear programs over cells: can targets be met, which of them contradict each other, what is nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import sum_by_code

LEAST_CHANGE = 1e-8  # change of targets, as a share of the population, that is more than the program's rounding
LARGEST_GROWTH = 1e6  # a cell that cannot keep half of a millionth of its weight is one that must have none
NO_PRICE = 1e-9  # dual price that is rounding
NOT_WHOLE = 1e-6  # distance from a whole number that is rounding
SOLVER = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Linear constraints on the shares of the population that C cells hold.

    Attributes
    ----------
    rows : (q, C) coefficients; the last row is the sum of all shares where there are margins.
    wanted : (q,) right-hand sides.
    low, high : (C,) bounds of the shares.
    """

    rows: FloatArray
    wanted: FloatArray
    low: FloatArray
    high: FloatArray


def elastic(program: Program, hard: int) -> tuple[float, FloatArray | None, FloatArray]:
    """Smallest sum of changes of the wanted totals, (C,) shares that need it, and (q,) dual prices.

    The last `hard` rows may not change.
    """
    q, size = program.rows.shape
    # A x + s - t = b with x within its bounds and s, t >= 0 minimizes sum of s + t: what b has to give way by.
    slack = scipy.sparse.hstack([scipy.sparse.eye_array(q), -scipy.sparse.eye_array(q)]).tocsc()
    soft = np.r_[: q - hard, q : 2 * q - hard]
    of_shares = np.column_stack([program.low, program.high])
    of_slack = np.tile([0.0, np.inf], (soft.size, 1))
    solution = _solved(
        np.r_[np.zeros(size), np.ones(soft.size)],
        A_eq=scipy.sparse.hstack([scipy.sparse.csc_array(program.rows), slack[:, soft]]).tocsc(),
        b_eq=program.wanted,
        bounds=np.vstack([of_shares, of_slack]),
    )
    if solution.x is None:
        return np.inf, None, np.ones(q)
    return float(solution.fun), solution.x[:size], np.asarray(solution.eqlin.marginals, dtype=np.float64)


def _solved(cost: FloatArray, **constraints: Any) -> Any:
    """Solution of a linear program."""
    from scipy.optimize import linprog

    solver: Any = linprog  # whose stubs know neither sparse matrices nor arrays of bounds
    return solver(cost, method="highs", options=SOLVER, **constraints)


def _restricted(program: Program, chosen: IntArray) -> Program:
    """The constraints of some rows; cells that they do not tell apart are merged."""
    columns, group = np.unique(program.rows[chosen], axis=1, return_inverse=True)
    return Program(
        rows=columns,
        wanted=program.wanted[chosen],
        low=sum_by_code(group.ravel(), program.low),
        high=sum_by_code(group.ravel(), program.high),
    )


def _contradicts(program: Program, chosen: IntArray) -> bool:
    """Whether no shares meet the chosen rows."""
    return chosen.size > 0 and elastic(_restricted(program, chosen), 0)[0] > LEAST_CHANGE


def minimal_conflict(program: Program) -> IntArray:
    """Rows that cannot be met together although any of them may be left out to meet the others (deletion filter)."""
    everything = np.arange(program.wanted.size)
    prices = elastic(program, 0)[2]
    chosen = np.flatnonzero(np.abs(prices) > NO_PRICE)  # Farkas: rows with a price contradict each other
    if not _contradicts(program, chosen):
        chosen = everything
    for row in chosen[::-1]:
        fewer = chosen[chosen != row]
        if _contradicts(program, fewer):
            chosen = fewer
    return chosen


def starved_cells(program: Program, share: FloatArray) -> BoolArray:
    """(C,) cells that have the weight zero in every solution.

    Solutions are scaled up by s so that each cell which can have a positive weight reaches its present one; the
    largest number of cells that do is reached by all of them at once, solutions being convex.
    """
    q, size = program.rows.shape
    none: Any = scipy.sparse.csc_array((size, 1))
    # Unknowns (x, r, s): A x = s b, r <= x / share, 0 <= r <= 1; the sum of r, what cells reach, is maximized.
    reaching: Any = scipy.sparse.hstack([-scipy.sparse.eye_array(size), scipy.sparse.diags_array(share)])
    rows: Any = scipy.sparse.csc_array(np.hstack([program.rows, np.zeros((q, size)), -program.wanted[:, None]]))
    solution = _solved(
        np.r_[np.zeros(size), -np.ones(size), 0.0],
        A_ub=scipy.sparse.csc_array(scipy.sparse.hstack([reaching, none])),
        b_ub=np.zeros(size),
        A_eq=rows,
        b_eq=np.zeros(q),
        bounds=[(0, None)] * size + [(0, 1)] * size + [(1, LARGEST_GROWTH)],
    )
    if solution.x is None:
        return np.zeros(size, dtype=bool)
    starved: BoolArray = solution.x[size : 2 * size] < 0.5
    return starved


def whole_prices(program: Program, conflict: IntArray) -> FloatArray | None:
    """Whole-number multipliers y of the conflict's rows with y'A >= 0 for every cell although y'b < 0."""
    small = _restricted(program, conflict)
    no_gain = np.zeros(small.rows.shape[1])
    solution = _solved(small.wanted, A_ub=-small.rows.T, b_ub=no_gain, bounds=(-1, 1))
    if solution.x is None or solution.fun > -LEAST_CHANGE or (np.abs(solution.x) < NOT_WHOLE).any():
        return None
    multipliers = solution.x / np.abs(solution.x).min()
    whole: FloatArray = multipliers.round()
    return whole if np.abs(multipliers - whole).max() < NOT_WHOLE else None


def extreme(program: Program, others: IntArray, row: int, sign: float) -> float:
    """Lowest (sign 1) or highest (sign -1) total of a row where the other rows are met."""
    both = _restricted(program, np.append(others, row))
    solution = _solved(
        sign * both.rows[-1],
        A_eq=both.rows[:-1] if others.size else None,
        b_eq=both.wanted[:-1] if others.size else None,
        bounds=np.column_stack([both.low, both.high]),
    )
    return sign * float(solution.fun) if solution.x is not None else -sign * np.inf
