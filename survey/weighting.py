"""Weighting to population margins: raking, post-stratification and what it did to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from survey.arrays import FloatArray, IntArray
from survey.auxiliaries import joint_cells, on_cells
from survey.cells import sum_by_code
from survey.design import Calibration, Design, check_design
from survey.errors import CalibrationError, shown
from survey.feasibility import cell_limits, explain
from survey.margins import Margins, Target, check_iterations, checked_margins

REPLICATE_ITERATIONS = 2000  # a replicate may need many more passes than the sample it was drawn from


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


def add_step(design: Design, step: Calibration) -> Design:
    """The design with the weights of a step and its record; replicate weights take the step as well."""
    step.after.flags.writeable = False
    replicates = design.replicates
    if replicates is not None:
        adjusted = recalibrate(step, replicates.weights)
        adjusted.flags.writeable = False
        before = replicates.weights if replicates.before is None else replicates.before
        replicates = replace(replicates, weights=adjusted, before=before)
    return replace(design, calibrations=(*design.calibrations, step), replicates=replicates)


def recalibrate(step: Calibration, weights: FloatArray) -> FloatArray:
    """Give (n_rows, R) replicate weights the step of weighting that the full-sample weights had.

    Parameters
    ----------
    step : a step of the design; replicates are brought to the same targets in the same way. Targets that are shares go
        with the sum of each replicate's own weights.
    weights : replicate weights before the step.

    Raises
    ------
    CalibrationError : a replicate cannot meet the targets, as where it drops everybody of a level.
    """
    adjusted = np.empty_like(weights)
    size = weights.sum(axis=0) / step.before.sum() if step.of_shares else np.ones(weights.shape[1])
    for r in range(weights.shape[1]):
        try:
            adjusted[:, r] = size[r] * step.again(weights[:, r] / size[r])
        except CalibrationError as error:
            raise CalibrationError(
                f"Replicate {r + 1} of {weights.shape[1]} cannot be calibrated as the sample was: {error}"
            ) from error
    return adjusted


def weight_summary(design: Design) -> pd.DataFrame:
    """What the weights in use cost.

    Returns
    -------
    One row: n, sum, min, max and coefficient of variation of the positive weights, Kish's design effect
    `deff_kish` = n sum(w^2) / sum(w)^2, and `n_eff` = n / deff_kish.

    References
    ----------
    Kish (1992), J. Official Statistics 8:183.
    """
    check_design(design)
    weights = design.weights[design.weights > 0]
    deff = kish_deff(weights)
    return pd.DataFrame(
        {
            "n": [weights.size],
            "sum": [weights.sum()],
            "min": [weights.min()],
            "max": [weights.max()],
            "cv": [weights.std() / weights.mean()],
            "deff_kish": [deff],
            "n_eff": [weights.size / deff],
        }
    )


def kish_deff(weights: FloatArray) -> float:
    """Kish's design effect of the positive weights: n sum(w^2) / sum(w)^2."""
    return float(np.count_nonzero(weights) * np.square(weights).sum() / weights.sum() ** 2)


def calibration_summary(design: Design) -> pd.DataFrame:
    """How the weights in use were made, step by step.

    Returns
    -------
    One row per step: step (from 1), method (with its distance), variables, iterations, largest_gap (distance from
    a target, as a share of the total), tolerance, n (positive weights after it), g_min and g_max (weight after over
    weight before, of these) and Kish's design effect before and after: deff_before, deff_after. Of a "trim" step
    within `trim_and_rake`, the weights after it are not yet raked.
    """
    check_design(design)
    rows = []
    for number, step in enumerate(design.calibrations, start=1):
        kept = step.after > 0
        ratio = step.after[kept] / step.before[kept]
        rows.append(
            {
                "step": number,
                "method": step.method if step.distance is None else f"{step.method} ({step.distance})",
                "variables": ", ".join(step.variables),
                "iterations": step.iterations,
                "largest_gap": step.largest_gap,
                "tolerance": step.tolerance,
                "n": int(kept.sum()),
                "g_min": ratio.min(),
                "g_max": ratio.max(),
                "deff_before": kish_deff(step.before),
                "deff_after": kish_deff(step.after),
            }
        )
    columns = ["step", "method", "variables", "iterations", "largest_gap", "tolerance", "n", "g_min", "g_max"]
    return pd.DataFrame(rows, columns=[*columns, "deff_before", "deff_after"])


def margin_table(design: Design, targets: Margins) -> pd.DataFrame:
    """Margins before weighting, as weighted and as targeted.

    Parameters
    ----------
    targets : margins as for `rake`; the design need not have been weighted to them.

    Returns
    -------
    One row per level: variable, level, n, and the shares unweighted, weighted, target and gap (weighted
    minus target).

    Raises
    ------
    CalibrationError : as for `rake`.
    """
    check_design(design)
    parts = []
    for target in checked_margins(replace(design, in_domain=None), targets):
        counted = design.weights > 0
        size = len(target.totals)
        n = np.bincount(target.codes[counted], minlength=size)
        weighted = sum_by_code(target.codes, design.weights, size)
        shares = (target.totals / target.totals.sum()).to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "variable": "/".join(target.variables),
                    "level": [
                        str(level) if not isinstance(level, tuple) else "/".join(map(str, level))
                        for level in target.totals.index
                    ],
                    "n": n,
                    "unweighted": n / n.sum(),
                    "weighted": weighted / weighted.sum(),
                    "target": shares,
                    "gap": weighted / weighted.sum() - shares,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
