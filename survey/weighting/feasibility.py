"""Why margins cannot be met together: the levels that contradict each other and the nearest targets that can be met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray
from survey.design import Design
from survey.errors import CalibrationError, shown
from survey.weighting.auxiliaries import Auxiliaries, Totals, auxiliaries
from survey.weighting.contradictions import LEAST_CHANGE, Program, elastic, in_words, minimal_conflict, starved_cells
from survey.weighting.margins import Margins

Verdict = Literal["feasible", "zero cells", "infeasible"]
Bounds = tuple[float, float]
KEPT = 0.1  # share of each cell's weight that the nearest targets leave it, so that raking to them converges
LISTED = 6  # targets, cells or levels that a sentence names


@dataclass(frozen=True, slots=True, eq=False)
class Infeasibility:
    """What stands against meeting margins, and what could be met instead.

    Attributes
    ----------
    verdict : "feasible", "zero cells" (they can be met, but only if some respondents get the weight zero, which
        raking reaches never) or "infeasible".
    reason : the same in words, with numbers.
    conflict : levels and totals that contradict each other, together with the size of the population, which margins
        imply and which is not listed; without any one of them the others can be met, in whatever population.
    change : smallest sum of changes of targets that makes them feasible, as a share of the population.
    zero_cells : combinations of levels that would have to get the weight zero, with their number of respondents n.
    targets : one row per level and total; see `tidy`.
    """

    verdict: Verdict
    reason: str
    conflict: tuple[str, ...]
    change: float
    zero_cells: pd.DataFrame
    targets: pd.DataFrame

    def tidy(self) -> pd.DataFrame:
        """One row per target.

        Returns
        -------
        Columns: variable, level ("" for a total), target and nearest (as they were given: shares, counts or totals),
        change (nearest minus target) and in_conflict.
        """
        return self.targets.copy()

    def __str__(self) -> str:
        """The reason, and the nearest targets."""
        changed = self.targets[self.targets["change"].abs() > 1e-6 * self.targets["target"].abs()]
        if self.verdict == "feasible" or changed.empty:
            return self.reason
        named = [
            f"{_named(row.variable, row.level)} {row.nearest:.4g} (not {row.target:.4g})"
            for row in changed.head(LISTED).itertuples()
        ]
        more = "" if len(changed) <= LISTED else f" and {len(changed) - LISTED} more"
        return f"{self.reason} The nearest targets that can be met: {', '.join(named)}{more}."


def explain_infeasible(
    design: Design,
    margins: Margins | None = None,
    *,
    totals: Totals | None = None,
    bounds: Bounds | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> Infeasibility:
    """Say whether positive weights can meet margins and, where they cannot, why and what comes nearest.

    A linear program over the combinations of levels that have respondents looks for weights that meet all targets
    (phase 1). Where there are none, its dual gives a contradiction, a deletion filter reduces it to targets none of
    which can be left out, and a second program finds the targets nearest in the sum of absolute changes that leave
    every combination at least a tenth of its weight.

    Parameters
    ----------
    design : design whose weights in use would be adjusted.
    margins, totals : as for `calibrate`.
    bounds : lowest and highest ratio of a weight to the weight in use, as for `calibrate`.
    lower, upper : lowest and highest weight, as for `trim_and_rake`.

    Returns
    -------
    Infeasibility, with the verdict "feasible" where the margins can be met.

    Raises
    ------
    CalibrationError : margins that are wrong in themselves, as for `rake`.

    References
    ----------
    Chinneck and Dravnieks (1991), ORSA J. Computing 3:157 (irreducible infeasible sets, deletion filter);
    Fienberg (1970), Ann. Math. Stat. 41:907 (when raking converges).
    """
    made = auxiliaries(design, margins, totals)
    if bounds is not None:
        bounds = checked_bounds(bounds)
    for argument, weight in (("lower", lower), ("upper", upper)):
        if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float | np.number)):
            raise CalibrationError(f"`{argument}` must be a weight, a number; got {weight!r}.")
    limits = cell_limits(made, design.full_weights, bounds=bounds, lower=lower, upper=upper)
    return explain(made, design.full_weights, design.frame, limits)


def checked_bounds(bounds: object) -> Bounds:
    """Lowest and highest ratio of weights.

    Raises
    ------
    CalibrationError : something other than two numbers, the first at least 0 and below the second.
    """
    given = list(bounds) if isinstance(bounds, Sequence) and not isinstance(bounds, str) else []
    numbers = [float(one) for one in given if isinstance(one, int | float | np.number) and not isinstance(one, bool)]
    if len(given) != 2 or len(numbers) != 2 or not 0 <= numbers[0] < numbers[1]:
        raise CalibrationError(
            f"`bounds` must be two numbers, the first at least 0 and below the second; got {bounds!r}."
        )
    return numbers[0], numbers[1]


def cell_limits(
    made: Auxiliaries,
    weights: FloatArray,
    *,
    bounds: Bounds | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """(C,) lowest and highest weight of each cell, from bounds of ratios and of weights."""
    mass, counts = made.mass(weights), made.mass((weights > 0).astype(np.float64))
    low, high = np.zeros_like(mass), np.full_like(mass, np.inf)
    if bounds is not None:
        low, high = np.maximum(low, bounds[0] * mass), np.minimum(high, bounds[1] * mass)
    if lower is not None:
        low = np.maximum(low, lower * counts)
    if upper is not None:
        high = np.minimum(high, upper * counts)
    return low, high


def explain(
    made: Auxiliaries, weights: FloatArray, frame: pd.DataFrame, limits: tuple[FloatArray, FloatArray]
) -> Infeasibility:
    """Explanation for auxiliaries on cells, with the (C,) lowest and highest weight of each cell."""
    mass, counts = made.mass(weights), made.mass((weights > 0).astype(np.float64))
    live = mass > 0
    if not made.margins:  # nothing fixes the size of the population
        size = []
    else:
        size = [np.ones(int(live.sum()))]
    low, high = (limit[live] / made.whole for limit in limits)
    per_scale = made.whole / made.scale
    rows = np.vstack([(made.values[live] * per_scale).T, *size])
    program = Program(rows, np.append(made.targets / made.scale, np.ones(len(size))), low, high)
    share = mass[live] / made.whole
    none = np.zeros(live.size, dtype=bool)
    if size and not low.sum() - LEAST_CHANGE <= 1 <= high.sum() + LEAST_CHANGE:
        side, reached = ("most", high.sum()) if high.sum() < 1 else ("least", low.sum())
        reason = (
            f"Within their bounds the weights add up to at {side} {reached * made.whole:.6g}, but the margins to "
            f"{made.whole:.6g}. Widen the bounds, or give margins as shares."
        )
        return Infeasibility(
            "infeasible", reason, (), np.nan, _cells(made, none, counts, frame), _table(made, None, ())
        )
    change = elastic(program, len(size))[0]
    if change > LEAST_CHANGE:
        conflict = minimal_conflict(program)
        names = tuple(made.name(k) for k in conflict if k < made.targets.size)
        reason = in_words(made, program, conflict, counts[live])
        verdict: Verdict = "infeasible"
    else:
        starved = np.zeros(share.size, dtype=bool) if limits[0].any() else starved_cells(program, share)
        if not starved.any():
            table = _table(made, made.targets, ())
            reason = "The targets can be met together by positive weights."
            return Infeasibility("feasible", reason, (), 0.0, _cells(made, none, counts, frame), table)
        none[live] = starved
        verdict, conflict, names = "zero cells", np.zeros(0, dtype=np.intp), ()
        reason = _zero_in_words(_cells(made, none, counts, frame))
    roomy = Program(rows, program.wanted, np.minimum(np.maximum(low, KEPT * share), high), high)
    nearest = elastic(roomy, len(size))[1]
    reached = None if nearest is None else (rows @ nearest)[: made.targets.size] * made.scale
    cells = _cells(made, none, counts, frame)
    return Infeasibility(verdict, reason, names, float(max(change, 0.0)), cells, _table(made, reached, names))


def _zero_in_words(cells: pd.DataFrame) -> str:
    """Which respondents would have to get the weight zero."""
    named = [
        f"{row['n']} with {' and '.join(f'{name}={shown(row[name])}' for name in cells.columns[:-1])}"
        for row in cells.head(LISTED).to_dict("records")
    ]
    more = "" if len(cells) <= LISTED else f" and {len(cells) - LISTED} more combinations"
    return (
        "The targets can be met only if some respondents get the weight zero, which raking approaches without end: "
        f"{', '.join(named)}{more}."
    )


def _cells(made: Auxiliaries, chosen: BoolArray, counts: FloatArray, frame: pd.DataFrame) -> pd.DataFrame:
    """Combinations of levels and values of the chosen cells, with their respondents."""
    names = dict.fromkeys([name for margin in made.margins for name in margin.variables] + list(made.totals))
    return frame.iloc[made.first[chosen]][list(names)].reset_index(drop=True).assign(n=counts[chosen].astype(np.int64))


def _table(made: Auxiliaries, reached: FloatArray | None, conflict: Sequence[str]) -> pd.DataFrame:
    """One row per target, as it was given."""
    rows: list[tuple[str, Any]] = [
        ("/".join(margin.variables), level if not isinstance(level, tuple) else "/".join(map(str, level)))
        for margin in made.margins
        for level in margin.totals.index
    ]
    rows += [(name, "") for name in made.totals]
    target = made.targets / made.unit
    nearest = np.full(target.size, np.nan) if reached is None else reached / made.unit
    return pd.DataFrame(rows, columns=["variable", "level"]).assign(
        target=target,
        nearest=nearest,
        change=nearest - target,
        in_conflict=[made.name(k) in conflict for k in range(target.size)],
    )


def _named(variable: object, level: object) -> str:
    """A target as messages call it."""
    return f"the total of {variable!r}" if level == "" else f"{variable}={shown(level)}"
