"""Weighting to population margins: raking, post-stratification and what it did to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from survey.arrays import FloatArray, IntArray
from survey.design import Calibration, Design, sum_by_code
from survey.errors import CalibrationError, shown
from survey.weighting.auxiliaries import joint_cells, on_cells
from survey.weighting.feasibility import cell_limits, explain
from survey.weighting.margins import Margins, Target, check_iterations, checked_margins
from survey.weighting.steps import REPLICATE_ITERATIONS, add_step


def rake(design: Design, margins: Margins, *, tolerance: float = 1e-10, max_iterations: int = 200) -> Design:
    """Rake the weights to population margins by iterative proportional fitting.

    Parameters
    ----------
    design : design whose weights in use are raked; it is not changed.
    margins : per variable (or tuple of variables, for a joint margin) the target of each level. Targets are
        shares (adding to 1; the sum of the weights then stays as it is, and standard errors of totals know that it is
        an estimate) or counts (the same sum in all margins).
        Percentages are neither, and are refused where the weights add to something else than 100.
    tolerance : largest distance from a target that counts as met, as a share of the total.
    max_iterations : passes over all margins before giving up.

    Returns
    -------
    Design with the raked weights, which remembers the margins: variances use the calibration residuals.

    Raises
    ------
    CalibrationError : a level without target or without data, margins that contradict each other, targets
        that are neither shares nor counts (percentages), no convergence, or a design restricted to a domain.

    References
    ----------
    Deming and Stephan (1940), Ann. Math. Stat. 11:427; Deville, Sarndal and Sautory (1993), JASA 88:1013.
    R equivalent: survey::calibrate(calfun = "raking"), whose variance this is.
    """
    check_iterations(tolerance, max_iterations)
    targets = checked_margins(design, margins)
    cells = joint_cells([(target.codes, len(target.totals)) for target in targets])
    weights = design.full_weights
    raked, iterations, gap = _raked(weights, targets, cells, tolerance, max_iterations)
    if gap > tolerance:
        raise CalibrationError(_not_met(design, targets, raked, iterations, tolerance))
    step = Calibration(
        method="rake",
        margins=tuple(target.variables for target in targets),
        targets=tuple(target.totals for target in targets),
        before=weights,
        after=raked,
        again=partial(_raked_again, targets=targets, cells=cells, tolerance=tolerance),
        iterations=iterations,
        largest_gap=gap,
        tolerance=tolerance,
        of_shares=targets[0].of_shares,
    )
    return add_step(design, step)


def _raked(
    weights: FloatArray,
    targets: Sequence[Target],
    cells: tuple[IntArray, IntArray],
    tolerance: float,
    max_iterations: int,
) -> tuple[FloatArray, int, float]:
    """(n_rows,) raked weights, passes needed and the largest remaining gap."""
    cell, first = cells
    mass = sum_by_code(cell, weights)
    raked, iterations, gap = _iterate(
        mass, [target.codes[first] for target in targets], targets, tolerance, max_iterations
    )
    factor = np.divide(raked, mass, out=np.zeros_like(mass), where=mass > 0)
    return weights * factor[cell], iterations, gap


def _raked_again(
    weights: FloatArray, targets: Sequence[Target], cells: tuple[IntArray, IntArray], tolerance: float
) -> FloatArray:
    """(n_rows,) raked weights of a replicate."""
    raked, iterations, gap = _raked(weights, targets, cells, tolerance, REPLICATE_ITERATIONS)
    if gap > tolerance:
        raise CalibrationError(
            f"`margins` could not be met together: after {iterations} iterations the largest gap is {gap:.3g} of the "
            f"total (tolerance {tolerance:g}). A replicate may lack combinations of levels that the sample has: "
            "collapse sparse levels."
        )
    return raked


def _iterate(
    mass: FloatArray, codes: Sequence[IntArray], targets: Sequence[Target], tolerance: float, max_iterations: int
) -> tuple[FloatArray, int, float]:
    """Raked (C,) cell weights, passes made, and the largest remaining gap as a share of the total."""
    totals = [target.totals.to_numpy(dtype=np.float64) for target in targets]
    whole = totals[0].sum()
    largest = np.inf
    for iteration in range(1, max_iterations + 1):
        for code, total in zip(codes, totals, strict=True):
            reached = sum_by_code(code, mass, total.size)
            mass = mass * np.divide(total, reached, out=np.zeros_like(total), where=reached > 0)[code]
        largest = max(
            float(np.abs(sum_by_code(code, mass, total.size) - total).max() / whole)
            for code, total in zip(codes, totals, strict=True)
        )
        if largest <= tolerance:
            return mass, iteration, largest
    return mass, max_iterations, largest


def _not_met(design: Design, targets: Sequence[Target], raked: FloatArray, iterations: int, tolerance: float) -> str:
    """What to say of raking that did not converge: where it stopped, how far away, and why."""
    weights = design.full_weights
    made = on_cells(design.frame, targets, {}, weights)
    gaps = made.gaps(made.mass(raked))
    found = explain(made, weights, design.frame, cell_limits(made, weights))
    slow = " The iteration is slow, not the margins wrong: raise `max_iterations`." * (found.verdict == "feasible")
    return (
        f"`margins` could not be met together: after {iterations} iterations the largest gap is {gaps.max():.3g} of "
        f"the total, at {made.name(int(gaps.argmax()))} (tolerance {tolerance:g}). {found}{slow}"
    )


def poststratify(design: Design, targets: pd.Series[float]) -> Design:
    """Post-stratify the weights to the known sizes of population cells.

    Parameters
    ----------
    design : design whose weights in use are adjusted; it is not changed.
    targets : shares or counts, indexed by level; the index name (or names) are the variables.

    Returns
    -------
    Design with the adjusted weights, which remembers the post-strata.

    Raises
    ------
    CalibrationError : as for `rake`, or an index without names.

    References
    ----------
    Holt and Smith (1979), JRSS A 142:33. R equivalent: survey::postStratify.
    """
    if not isinstance(targets, pd.Series) or any(name is None for name in targets.index.names):
        raise CalibrationError(
            "`targets` must be a pandas Series whose index is named after the variables; got "
            f"{'an index without a name' if isinstance(targets, pd.Series) else type(targets).__name__}. "
            "Use targets.rename_axis('variable')."
        )
    names = tuple(str(name) for name in targets.index.names)
    (target,) = checked_margins(design, {names: targets})
    weights = design.full_weights
    adjusted = _poststratified(weights, target)
    gap = np.abs(sum_by_code(target.codes, adjusted, len(target.totals)) - target.totals) / target.totals.sum()
    step = Calibration(
        method="poststratify",
        margins=(target.variables,),
        targets=(target.totals,),
        before=weights,
        after=adjusted,
        again=partial(_poststratified, target=target),
        iterations=1,
        largest_gap=float(gap.max()),
        tolerance=0.0,
        of_shares=target.of_shares,
    )
    return add_step(design, step)


def _poststratified(weights: FloatArray, target: Target) -> FloatArray:
    """(n_rows,) weights times target over reached total of each row's post-stratum."""
    reached = sum_by_code(target.codes, weights, len(target.totals))
    if (reached == 0).any():
        level = target.totals.index[int((reached == 0).argmax())]
        raise CalibrationError(
            f"`targets` must have respondents in every post-stratum; {shown(level)} has none with a positive weight. "
            "Merge it with a neighbouring level."
        )
    adjusted: FloatArray = weights * (target.totals.to_numpy() / reached)[target.codes]
    return adjusted
