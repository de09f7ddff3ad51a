"""Finding predictors that separate the answers: whether a cumulative model has finite coefficients."""

from __future__ import annotations

import numpy as np

from survey.design import FloatArray, IntArray

SEPARATED = 1e-7  # total slack, with directions scaled to at most 1, that is more than rounding


def separating_direction(outcome: IntArray, covariates: FloatArray) -> FloatArray | None:
    """Direction of the slopes along which the likelihood never falls, if there is one.

    A finite maximum fails to exist exactly if some (thresholds, slopes) direction d has `A d >= 0` for all
    answers with an upper limit and `B d <= 0` for all with a lower one, and one of them is strict; a linear
    program looks for the direction with the most slack.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q of patterns with positive weight.
    covariates : (C, p) covariates.

    Returns
    -------
    (p,) slopes of the direction, scaled to at most 1 in the units of each covariate's range, or None.

    References
    ----------
    Albert and Anderson (1984), Biometrika 71:1; Konis (2007), DPhil thesis, Oxford; Kosmidis (2014), JRSS B 76:169.
    """
    from scipy.optimize import linprog

    q = int(outcome.max())
    span = np.ptp(covariates, axis=0)
    scaled = (covariates - covariates.min(axis=0)) / np.where(span > 0, span, 1.0)
    below = np.column_stack([outcome.astype(np.float64), scaled])
    rows = np.unique(below, axis=0)
    y, x = rows[:, 0].astype(np.intp), rows[:, 1:]
    upper = np.hstack([np.eye(q + 1)[:, :q][y], -x])[y < q]
    lower = -np.hstack([np.eye(q + 1)[:, :q][y - 1], -x])[y > 0]
    gains = np.vstack([upper, lower])
    solved = linprog(-gains.sum(axis=0), A_ub=-gains, b_ub=np.zeros(len(gains)), bounds=(-1, 1), method="highs")
    if solved.status != 0 or solved.x is None or gains.sum(axis=0) @ solved.x <= SEPARATED:
        return None
    return np.asarray(solved.x, dtype=np.float64)[q:]
