"""Finding predictors that separate the answers: whether a cumulative model has finite coefficients."""

from __future__ import annotations

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.models.predictors import constant_of

SEPARATED = 1e-7  # total slack, with directions scaled to at most 1, that is more than rounding


def separating_direction(
    outcome: IntArray,
    covariates: FloatArray,
    *,
    nominal: FloatArray | None = None,
    structure: FloatArray | None = None,
) -> FloatArray | None:
    """Direction of the slopes along which the likelihood never falls, if there is one.

    A finite maximum fails to exist exactly if some (thresholds, slopes) direction d has `A d >= 0` for all
    answers with an upper limit and `B d <= 0` for all with a lower one, and one of them is strict; a linear
    program looks for the direction with the most slack. Offsets do not matter, and effects on the scale only add
    directions that it does not find.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q of patterns with positive weight.
    covariates : (C, p) covariates.
    nominal : (C, m) covariates whose effect differs between thresholds.
    structure : (q, r) matrix from the parameters of the thresholds to thresholds; free ones unless given.

    Returns
    -------
    (p + m,) slopes of the direction, of nominal covariates the largest, scaled to at most 1 in the units of each
    covariate's range, or None.

    References
    ----------
    Albert and Anderson (1984), Biometrika 71:1; Konis (2007), DPhil thesis, Oxford; Kosmidis (2014), JRSS B 76:169.
    """
    from scipy.optimize import linprog

    q = int(outcome.max())
    table = np.eye(q) if structure is None else structure
    p = covariates.shape[1]
    r = table.shape[1]
    columns = covariates if nominal is None else np.hstack([covariates, nominal])
    span = np.ptp(columns, axis=0)
    lowest = columns.min(axis=0)
    if constant_of(table) is None:  # thresholds do not take up a shift of the slopes' columns
        lowest[:p] = 0.0
    scaled = (columns - lowest) / np.where(span > 0, span, 1.0)
    rows = np.unique(np.column_stack([outcome.astype(np.float64), scaled]), axis=0)
    y = rows[:, 0].astype(np.intp)
    x = rows[:, 1 : 1 + p]
    z = rows[:, 1 + p :]

    def limit(j: IntArray, chosen: IntArray) -> FloatArray:
        """Columns of the limits numbered j of some rows: thresholds, their nominal effects, slopes."""
        thresholds = table[j]
        effects = (z[chosen][:, :, None] * thresholds[:, None, :]).reshape(len(thresholds), -1)
        return np.hstack([thresholds, effects, -x[chosen]])

    below = np.flatnonzero(y < q)
    above = np.flatnonzero(y > 0)
    gains = np.vstack([limit(y[below], below), -limit(y[above] - 1, above)])
    solved = linprog(-gains.sum(axis=0), A_ub=-gains, b_ub=np.zeros(len(gains)), bounds=(-1, 1), method="highs")
    if solved.status != 0 or solved.x is None or gains.sum(axis=0) @ solved.x <= SEPARATED:
        return None
    direction = np.asarray(solved.x, dtype=np.float64)
    effects = np.abs(direction[r : len(direction) - p]).reshape(-1, r).max(axis=1, initial=0.0)
    return np.concatenate([direction[len(direction) - p :], effects])
