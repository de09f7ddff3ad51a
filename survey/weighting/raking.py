"""Weighting to population margins: raking, and post-stratification to the cells of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from survey.arrays import FloatArray, IntArray
from survey.design import Calibration, Design, joint_codes, sum_by_code
from survey.errors import CalibrationError, shown
from survey.weighting.feasibility import explain_unmet
from survey.weighting.margins import Margins, Target, check_iterations, checked_margins, checked_target
from survey.weighting.steps import REPLICATE_ITERATIONS, add_step

TOLERANCE = 1e-10  # largest distance from a target, as a share of the total, where nothing else is asked for


def rake(design: Design, margins: Margins, *, tolerance: float = TOLERANCE, max_iterations: int = 200) -> Design:
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
    return raked_to(design, margins, tolerance=tolerance, max_iterations=max_iterations, slow="raise `max_iterations`")


def raked_to(
    design: Design, margins: Margins, *, tolerance: float = TOLERANCE, max_iterations: int, slow: str
) -> Design:
    """The design raked to margins.

    Parameters
    ----------
    slow : what to do about margins that can be met, but not in so many iterations.

    Raises
    ------
    CalibrationError : see `rake`.
    """
    targets = checked_margins(design, margins)
    combinations = _combinations(targets)
    raked = _raked(design.full_weights, combinations, tolerance=tolerance, max_iterations=max_iterations)
    if raked.gap > tolerance:
        raise CalibrationError(_not_met(design, targets, raked, tolerance=tolerance, slow=slow))
    step = Calibration(
        method="rake",
        margins=tuple(target.variables for target in targets),
        targets=tuple(target.totals for target in targets),
        before=design.full_weights,
        after=raked.weights,
        again=partial(_raked_again, combinations=combinations, tolerance=tolerance),
        iterations=raked.iterations,
        largest_gap=raked.gap,
        tolerance=tolerance,
        of_shares=targets[0].of_shares,
    )
    return add_step(design, step)


@dataclass(frozen=True, slots=True, eq=False)
class _Combinations:
    """Margins on the C combinations of their levels that rows have: raking works on these, not on rows.

    Attributes
    ----------
    combination : (n_rows,) combination of each row.
    levels : per margin, (C,) level of each combination.
    totals : per margin, (L,) target of each of its L levels.
    """

    combination: IntArray
    levels: tuple[IntArray, ...]
    totals: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Raked:
    """Where raking came to.

    Attributes
    ----------
    weights : weights, of rows or of combinations.
    iterations : passes over all margins.
    gap : largest remaining distance from a target, as a share of the total.
    """

    weights: FloatArray
    iterations: int
    gap: float


def _combinations(targets: Sequence[Target]) -> _Combinations:
    """Combinations of the levels of the margins."""
    combination, first = joint_codes([target.codes for target in targets], [len(target.totals) for target in targets])
    return _Combinations(
        combination=combination,
        levels=tuple(target.codes[first] for target in targets),
        totals=tuple(np.asarray(target.totals, dtype=np.float64) for target in targets),
    )


def _raked(weights: FloatArray, combinations: _Combinations, *, tolerance: float, max_iterations: int) -> _Raked:
    """(n_rows,) raked weights; rows of one combination share a factor."""
    mass = sum_by_code(combinations.combination, weights)
    raked = _iterate(mass, combinations, tolerance=tolerance, max_iterations=max_iterations)
    factor = np.divide(raked.weights, mass, out=np.zeros_like(mass), where=mass > 0)
    return replace(raked, weights=weights * factor[combinations.combination])


def _raked_again(weights: FloatArray, combinations: _Combinations, tolerance: float) -> FloatArray:
    """(n_rows,) raked weights of a replicate."""
    raked = _raked(weights, combinations, tolerance=tolerance, max_iterations=REPLICATE_ITERATIONS)
    if raked.gap > tolerance:
        raise CalibrationError(
            f"`margins` could not be met together: after {raked.iterations} iterations the largest gap is "
            f"{raked.gap:.3g} of the total (tolerance {tolerance:g}). A replicate may lack combinations of levels that "
            "the sample has: collapse sparse levels."
        )
    return raked.weights


def _iterate(mass: FloatArray, combinations: _Combinations, *, tolerance: float, max_iterations: int) -> _Raked:
    """(C,) raked weights of the combinations.

    A pass brings one margin after the other to its targets, m <- m T_l / sum of m over level l (Deming and Stephan);
    each undoes a little of those before it, so the gap is taken of all margins at the end of the pass.
    """
    margins = list(zip(combinations.levels, combinations.totals, strict=True))
    whole = combinations.totals[0].sum()
    largest = np.inf
    for iteration in range(1, max_iterations + 1):
        for level, total in margins:
            reached = sum_by_code(level, mass, total.size)
            # A level without weight stays without: a replicate may have drawn nobody of it.
            mass = mass * np.divide(total, reached, out=np.zeros_like(total), where=reached > 0)[level]
        gaps = [float(np.abs(sum_by_code(level, mass, total.size) - total).max() / whole) for level, total in margins]
        largest = max(gaps)
        if largest <= tolerance:
            return _Raked(mass, iteration, largest)
    return _Raked(mass, max_iterations, largest)


def _not_met(design: Design, targets: Sequence[Target], raked: _Raked, *, tolerance: float, slow: str) -> str:
    """What to say of raking that did not converge: where it stopped, how far away, and why."""
    unmet = explain_unmet(design, targets, raked.weights)
    text = (
        f"`margins` could not be met together: after {raked.iterations} iterations the largest gap is {unmet.gap:.3g} "
        f"of the total, at {unmet.at} (tolerance {tolerance:g}). {unmet.why}"
    )
    if unmet.why.verdict == "feasible":
        text += f" The iteration is slow, not the margins wrong: {slow}."
    return text


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
    target = checked_target(design, targets, "targets")
    weights = design.full_weights
    adjusted = _poststratified(weights, target)
    reached = sum_by_code(target.codes, adjusted, len(target.totals))
    gaps = np.abs(reached - target.totals) / target.totals.sum()
    step = Calibration(
        method="poststratify",
        margins=(target.variables,),
        targets=(target.totals,),
        before=weights,
        after=adjusted,
        again=partial(_poststratified, target=target),
        iterations=1,
        largest_gap=float(gaps.max()),
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
