"""Contradictions among targets: linear programs over cells, minimal conflicting sets, and what to say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import sum_by_code
from survey.weighting.auxiliaries import Auxiliaries

LEAST_CHANGE = 1e-8  # change of targets, as a share of the population, that is more than the program's rounding
LARGEST_GROWTH = 1e6  # a cell that cannot keep half of a millionth of its weight is one that must have none
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
    slack = scipy.sparse.hstack([scipy.sparse.eye_array(q), -scipy.sparse.eye_array(q)]).tocsc()
    kept = np.r_[: q - hard, q : 2 * q - hard]
    bounds = np.vstack([np.column_stack([program.low, program.high]), np.tile([0.0, np.inf], (kept.size, 1))])
    found = _solved(
        np.r_[np.zeros(size), np.ones(kept.size)],
        A_eq=scipy.sparse.hstack([scipy.sparse.csc_array(program.rows), slack[:, kept]]).tocsc(),
        b_eq=program.wanted,
        bounds=bounds,
    )
    if found.x is None:
        return np.inf, None, np.ones(q)
    return float(found.fun), found.x[:size], np.asarray(found.eqlin.marginals, dtype=np.float64)


def _solved(cost: FloatArray, **constraints: Any) -> Any:
    """Solution of a linear program."""
    from scipy.optimize import linprog

    solver: Any = linprog  # whose stubs know neither sparse matrices nor arrays of bounds
    return solver(cost, method="highs", options=SOLVER, **constraints)


def _restricted(program: Program, chosen: IntArray) -> Program:
    """The constraints of some rows; cells that they do not tell apart are merged."""
    columns, group = np.unique(program.rows[chosen], axis=1, return_inverse=True)
    low, high = (sum_by_code(group.ravel(), limit) for limit in (program.low, program.high))
    return Program(columns, program.wanted[chosen], low, high)


def _contradicts(program: Program, chosen: IntArray) -> bool:
    """Whether no shares meet the chosen rows."""
    return chosen.size > 0 and elastic(_restricted(program, chosen), 0)[0] > LEAST_CHANGE


def minimal_conflict(program: Program) -> IntArray:
    """Rows that cannot be met together although any of them may be left out to meet the others (deletion filter)."""
    everything = np.arange(program.wanted.size)
    prices = elastic(program, 0)[2]
    chosen = np.flatnonzero(np.abs(prices) > 1e-9)
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
    kept: Any = scipy.sparse.hstack([-scipy.sparse.eye_array(size), scipy.sparse.diags_array(share)])
    rows: Any = scipy.sparse.csc_array(np.hstack([program.rows, np.zeros((q, size)), -program.wanted[:, None]]))
    found = _solved(
        np.r_[np.zeros(size), -np.ones(size), 0.0],
        A_ub=scipy.sparse.csc_array(scipy.sparse.hstack([kept, none])),
        b_ub=np.zeros(size),
        A_eq=rows,
        b_eq=np.zeros(q),
        bounds=[(0, None)] * size + [(0, 1)] * size + [(1, LARGEST_GROWTH)],
    )
    if found.x is None:
        return np.zeros(size, dtype=bool)
    starved: BoolArray = found.x[size : 2 * size] < 0.5
    return starved


def _prices(program: Program, conflict: IntArray) -> FloatArray | None:
    """Whole-number multipliers y of the conflict's rows with y'A >= 0 for every cell although y'b < 0."""
    small = _restricted(program, conflict)
    found = _solved(small.wanted, A_ub=-small.rows.T, b_ub=np.zeros(small.rows.shape[1]), bounds=(-1, 1))
    if found.x is None or found.fun > -LEAST_CHANGE or (np.abs(found.x) < 1e-6).any():
        return None
    multipliers = found.x / np.abs(found.x).min()
    whole: FloatArray = multipliers.round()
    return whole if np.abs(multipliers - whole).max() < 1e-6 else None


def in_words(made: Auxiliaries, program: Program, conflict: IntArray, counts: FloatArray) -> str:
    """The contradiction as a sentence."""
    levels = made.targets.size - len(made.totals)
    plain = not program.low.any() and np.isinf(program.high).all()
    numeric = ((conflict >= levels) & (conflict < made.targets.size)).any()
    prices = _prices(program, conflict) if plain and not numeric else None
    if prices is None:
        return _range_in_words(made, program, conflict)
    total = made.targets.size  # the row of the sum of all shares, a constant in what follows
    constant = float(prices[conflict == total].sum())
    named, price = conflict[conflict != total], prices[conflict != total]
    more, less = named[price > 0], named[price < 0]  # the targets of `more` are too small for those of `less`
    wanted = program.wanted
    above, below = (float(np.abs(prices[np.isin(conflict, part)]) @ wanted[part]) for part in (more, less))
    unit = made.unit[0] / made.whole
    simple = (np.abs(price) == 1).all()
    exclusive = less.size > 0 and (program.rows[less].sum(axis=0) <= 1).all()
    the_more, the_less = _listed(made, more, price[price > 0]), _listed(made, less, -price[price < 0])
    if more.size == 1:
        needed, found = f"the target of {the_more} must be at least", "it is"
    else:
        both = _listed(made, more, price[price > 0], "and")
        needed, found = f"the targets of {both} must add up to at least", "they add up to"
    if simple and constant == 0 and exclusive and more.size:
        who = counts[program.rows[less].any(axis=0)].sum()
        return (
            f"All {who:.0f} respondents with {the_less} have {the_more}, so {needed} {below / unit:.4g}, but {found} "
            f"{above / unit:.4g}."
        )
    if simple and constant == 1 and not more.size:
        return (
            f"Nobody has more than one of {_listed(made, less, -price, 'and')}, so their targets can add up to at most "
            f"{1 / unit:.4g}, but they add up to {below / unit:.4g}."
        )
    if simple and constant == -1 and not less.size:
        return (
            f"All {counts.sum():.0f} respondents have {the_more}, so {needed} {1 / unit:.4g}, but {found} "
            f"{above / unit:.4g}."
        )
    the_more, the_less = _listed(made, more, price[price > 0], "and"), _listed(made, less, -price[price < 0], "and")
    limit = above + constant
    if not more.size:
        return (
            f"No respondent has more than {constant:.0f} of {the_less}, so their targets can add up to at most "
            f"{limit / unit:.4g}, but they add up to {below / unit:.4g}."
        )
    if not less.size:
        return (
            f"Every respondent has at least {-constant:.0f} of {the_more}, so their targets must add up to at least "
            f"{-constant / unit:.4g}, but they add up to {above / unit:.4g}."
        )
    plus = "" if constant == 0 else f", {constant:+.0f}"
    return (
        f"No respondent has more of {the_less} than of {the_more}{plus}, so the targets of the former can add up to "
        f"at most {limit / unit:.4g}, but they add up to {below / unit:.4g}."
    )


def _listed(made: Auxiliaries, rows: IntArray, multipliers: FloatArray, word: str = "or") -> str:
    """Levels joined as a sentence has them."""
    names = [
        made.name(int(row)) if multiplier == 1 else f"{multiplier:.0f} times {made.name(int(row))}"
        for row, multiplier in zip(rows, multipliers, strict=True)
    ]
    return f" {word} ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _range_in_words(made: Auxiliaries, program: Program, conflict: IntArray) -> str:
    """What the others of a conflict leave to its last target, the numeric one where there is one."""
    named = conflict[conflict < made.targets.size]
    if not named.size:
        return "Within their bounds the weights cannot add up to the population."
    last, others = named[-1], named[:-1]
    kept = conflict[conflict != last]
    lowest, highest = (_extreme(program, kept, last, sign) for sign in (1.0, -1.0))
    per_unit = made.scale[last] / made.unit[last]
    given = "" if not others.size else f"With {_listed(made, others, np.ones(others.size), 'and')} at the target, "
    if np.isneginf(program.low).all():
        within = "with any weights "
    elif program.low.any() or np.isfinite(program.high).any():
        within = "within the bounds "
    else:
        within = "with positive weights "
    ends = f"{_bound(lowest * per_unit, 'no less than')} and {_bound(highest * per_unit, 'no more than')}"
    target = made.targets[last] / made.unit[last]
    text = f"{given}{within}{made.name(int(last))} can be {ends}, but its target is {target:.6g}."
    return text[0].upper() + text[1:]


def _bound(value: float, words: str) -> str:
    """An end of a range."""
    return f"{words} {value:.6g}" if np.isfinite(value) else "anything"


def _extreme(program: Program, kept: IntArray, row: int, sign: float) -> float:
    """Lowest (sign 1) or highest (sign -1) total of a row where the kept rows are met."""
    both = _restricted(program, np.append(kept, row))
    found = _solved(
        sign * both.rows[-1],
        A_eq=both.rows[:-1] if kept.size else None,
        b_eq=both.wanted[:-1] if kept.size else None,
        bounds=np.column_stack([both.low, both.high]),
    )
    return sign * float(found.fun) if found.x is not None else -sign * np.inf
