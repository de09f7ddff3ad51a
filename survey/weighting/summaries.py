"""What weighting did: spread of the weights, the steps that made them, margins against their targets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from survey.arrays import FloatArray
from survey.design import Design, check_design, sum_by_code, with_state
from survey.weighting.margins import Margins, Target, checked_margins


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
        weighted = step.after > 0
        ratio = step.after[weighted] / step.before[weighted]
        rows.append(
            {
                "step": number,
                "method": step.method if step.distance is None else f"{step.method} ({step.distance})",
                "variables": ", ".join(step.variables),
                "iterations": step.iterations,
                "largest_gap": step.largest_gap,
                "tolerance": step.tolerance,
                "n": int(weighted.sum()),
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
    # Whole margins against the weights in use: in a domain the shares are those of the domain.
    whole = with_state(design, in_domain=None)
    tables = [_margin_rows(target, design.weights) for target in checked_margins(whole, targets, "targets")]
    return pd.concat(tables, ignore_index=True)


def _margin_rows(target: Target, weights: FloatArray) -> pd.DataFrame:
    """Rows of `margin_table` for one margin."""
    size = len(target.totals)
    n = np.bincount(target.codes[weights > 0], minlength=size)
    weighted = sum_by_code(target.codes, weights, size)
    shares = (target.totals / target.totals.sum()).to_numpy()
    levels = ["/".join(map(str, level)) if isinstance(level, tuple) else str(level) for level in target.totals.index]
    return pd.DataFrame(
        {
            "variable": "/".join(target.variables),
            "level": levels,
            "n": n,
            "unweighted": n / n.sum(),
            "weighted": weighted / weighted.sum(),
            "target": shares,
            "gap": weighted / weighted.sum() - shares,
        }
    )
