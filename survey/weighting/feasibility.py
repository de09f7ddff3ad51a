"""Why margins cannot be met together: the levels that contradict each other and the nearest targets that can be met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray
from survey.design import Design
from survey.errors import CalibrationError, shown
from survey.weighting.auxiliaries import Auxiliaries, Totals, auxiliaries, on_cells
from survey.weighting.contradictions import contradiction
from survey.weighting.margins import Margins, Target
from survey.weighting.programs import LEAST_CHANGE, Program, elastic, starved_cells

Verdict = Literal["feasible", "zero cells", "infeasible"]
Bounds = tuple[float, float]
Limits = tuple[FloatArray, FloatArray]
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
    auxiliary = auxiliaries(design, margins, totals)
    if bounds is not None:
        bounds = checked_bounds(bounds)
    for argument, weight in (("lower", lower), ("upper", upper)):
        if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float | np.number)):
            raise CalibrationError(f"`{argument}` must be a weight, a number; got {weight!r}.")
    return explain(design, auxiliary, cell_limits(design, auxiliary, bounds=bounds, lower=lower, upper=upper))


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
    design: Design,
    auxiliary: Auxiliaries,
    *,
    bounds: Bounds | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> Limits:
    """(C,) lowest and highest weight of each cell, from bounds of ratios and of weights."""
    mass = auxiliary.mass(design.full_weights)
    counts = auxiliary.mass((design.full_weights > 0).astype(np.float64))
    low = np.zeros_like(mass)
    high = np.full_like(mass, np.inf)
    if bounds is not None:
        low = np.maximum(low, bounds[0] * mass)
        high = np.minimum(high, bounds[1] * mass)
    if lower is not None:
        low = np.maximum(low, lower * counts)
    if upper is not None:
        high = np.minimum(high, upper * counts)
    return low, high


@dataclass(frozen=True, slots=True, eq=False)
class Unmet:
    """How far weights stay from targets.

    Attributes
    ----------
    gap : largest distance from a target, as a share of the total.
    at : the target that has it, as messages call it.
    why : what stands against meeting the targets.
    """

    gap: float
    at: str
    why: Infeasibility


def explain_unmet(design: Design, targets: Sequence[Target], reached: FloatArray) -> Unmet:
    """Where (n_rows,) weights that should meet the targets of margins do not, and why."""
    auxiliary = on_cells(design, targets)
    gaps = auxiliary.gaps(auxiliary.mass(reached))
    largest = int(gaps.argmax())
    return Unmet(float(gaps[largest]), auxiliary.name(largest), explain(design, auxiliary))


def explain(design: Design, auxiliary: Auxiliaries, limits: Limits | None = None) -> Infeasibility:
    """Explanation for auxiliaries on cells, with the (C,) lowest and highest weight of each cell.

    Where no limits are given, any weight of at least zero will do.
    """
    sample = _sample(design, auxiliary)
    limits = cell_limits(design, auxiliary) if limits is None else limits
    program = _program(sample, limits)
    if sample.sized and not program.low.sum() - LEAST_CHANGE <= 1 <= program.high.sum() + LEAST_CHANGE:
        return _without_room(sample, program)
    change = elastic(program, int(sample.sized))[0]
    if change > LEAST_CHANGE:
        return _contradictory(sample, program, change)
    starved = np.zeros_like(sample.live)
    if not limits[0].any():  # where weights have a lowest value no cell is without
        starved[sample.live] = starved_cells(program, sample.share)
    if starved.any():
        return _starving(sample, program, change, starved)
    return Infeasibility(
        verdict="feasible",
        reason="The targets can be met together by positive weights.",
        conflict=(),
        change=0.0,
        zero_cells=_cells(sample, chosen=starved),
        targets=_table(auxiliary, auxiliary.targets, ()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The C cells that weights are looked for on.

    Attributes
    ----------
    frame : the data.
    auxiliary : what is tied to targets.
    counts : (C,) respondents of each cell.
    live : (C,) cells with a positive weight, L of them: the others cannot get any.
    share : (L,) weight of each live cell, as a share of the population.
    sized : whether margins fix the size of the population, so that shares add to 1.
    """

    frame: pd.DataFrame
    auxiliary: Auxiliaries
    counts: FloatArray
    live: BoolArray
    share: FloatArray
    sized: bool


def _sample(design: Design, auxiliary: Auxiliaries) -> _Sample:
    """Cells of a design with its weights in use."""
    mass = auxiliary.mass(design.full_weights)
    live = mass > 0
    return _Sample(
        frame=design.frame,
        auxiliary=auxiliary,
        counts=auxiliary.mass((design.full_weights > 0).astype(np.float64)),
        live=live,
        share=mass[live] / auxiliary.whole,
        sized=bool(auxiliary.margins),
    )


def _program(sample: _Sample, limits: Limits) -> Program:
    """Targets as linear constraints on the shares of the live cells, the sum of all shares last."""
    auxiliary = sample.auxiliary
    low, high = limits
    per_scale = auxiliary.whole / auxiliary.scale
    of_size = [np.ones(sample.share.size)] if sample.sized else []
    return Program(
        rows=np.vstack([(auxiliary.values[sample.live] * per_scale).T, *of_size]),
        wanted=np.append(auxiliary.targets / auxiliary.scale, np.ones(len(of_size))),
        low=low[sample.live] / auxiliary.whole,
        high=high[sample.live] / auxiliary.whole,
    )


def _without_room(sample: _Sample, program: Program) -> Infeasibility:
    """What is wrong where the bounds alone keep the weights from the size of the population."""
    whole = sample.auxiliary.whole
    too_low = program.high.sum() < 1
    side = "most" if too_low else "least"
    reached = program.high.sum() if too_low else program.low.sum()
    return Infeasibility(
        verdict="infeasible",
        reason=f"Within their bounds the weights add up to at {side} {reached * whole:.6g}, but the margins to "
        f"{whole:.6g}. Widen the bounds, or give margins as shares.",
        conflict=(),
        change=np.nan,
        zero_cells=_cells(sample, chosen=np.zeros_like(sample.live)),
        targets=_table(sample.auxiliary, None, ()),
    )


def _contradictory(sample: _Sample, program: Program, change: float) -> Infeasibility:
    """What is wrong where targets contradict each other."""
    conflict, reason = contradiction(sample.auxiliary, program, sample.counts[sample.live])
    return Infeasibility(
        verdict="infeasible",
        reason=reason,
        conflict=conflict,
        change=change,
        zero_cells=_cells(sample, chosen=np.zeros_like(sample.live)),
        targets=_table(sample.auxiliary, _nearest(sample, program), conflict),
    )


def _starving(sample: _Sample, program: Program, change: float, starved: BoolArray) -> Infeasibility:
    """What is wrong where targets can be met only without some (C,) cells."""
    cells = _cells(sample, chosen=starved)
    return Infeasibility(
        verdict="zero cells",
        reason=_zero_in_words(cells),
        conflict=(),
        change=max(change, 0.0),
        zero_cells=cells,
        targets=_table(sample.auxiliary, _nearest(sample, program), ()),
    )


def _nearest(sample: _Sample, program: Program) -> FloatArray | None:
    """(q,) targets nearest to those wanted that leave every cell part of its weight; None where there are none."""
    low = np.minimum(np.maximum(program.low, KEPT * sample.share), program.high)
    shares = elastic(replace(program, low=low), int(sample.sized))[1]
    size = sample.auxiliary.targets.size
    return None if shares is None else (program.rows @ shares)[:size] * sample.auxiliary.scale


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


def _cells(sample: _Sample, *, chosen: BoolArray) -> pd.DataFrame:
    """Combinations of levels and values of the chosen (C,) cells, with their respondents."""
    auxiliary = sample.auxiliary
    names = dict.fromkeys([name for margin in auxiliary.margins for name in margin.variables] + list(auxiliary.totals))
    examples = sample.frame.iloc[auxiliary.first[chosen]]
    return examples[list(names)].reset_index(drop=True).assign(n=sample.counts[chosen].astype(np.int64))


def _table(auxiliary: Auxiliaries, reached: FloatArray | None, conflict: Sequence[str]) -> pd.DataFrame:
    """One row per target, as it was given."""
    rows: list[tuple[str, Any]] = [
        ("/".join(margin.variables), level if not isinstance(level, tuple) else "/".join(map(str, level)))
        for margin in auxiliary.margins
        for level in margin.totals.index
    ]
    rows += [(name, "") for name in auxiliary.totals]
    target = auxiliary.targets / auxiliary.unit
    nearest = np.full(target.size, np.nan) if reached is None else reached / auxiliary.unit
    return pd.DataFrame(rows, columns=["variable", "level"]).assign(
        target=target,
        nearest=nearest,
        change=nearest - target,
        in_conflict=[auxiliary.name(k) in conflict for k in range(target.size)],
    )


def _named(variable: object, level: object) -> str:
    """A target as messages call it."""
    return f"the total of {variable!r}" if level == "" else f"{variable}={shown(level)}"
