"""Rubin's rules: degrees of freedom of estimates and tests that are pooled over imputations."""

from __future__ import annotations

import numpy as np

from survey.arrays import FloatArray


def barnard_rubin(share: FloatArray, m: int, complete_df: FloatArray) -> FloatArray:
    """(k,) degrees of freedom from the shares of the total variance that are due to missing values.

    `1/df = 1/rubin_df + 1/observed` with observed = (d + 1) / (d + 3) d (1 - share); d may be infinite.

    References
    ----------
    Barnard and Rubin (1999), Biometrika 86:948, eq. 3.
    """
    with np.errstate(divide="ignore"):
        observed = left_of(complete_df) * (1 - share)
        inverse = 1 / rubin_df(share, m) + 1 / observed
        df: FloatArray = 1 / inverse
    return df


def rubin_df(share: FloatArray, m: int) -> FloatArray:
    """(k,) degrees of freedom for a large complete-data sample: (m - 1) / share²; infinite where nothing is missing."""
    with np.errstate(divide="ignore"):
        df: FloatArray = (m - 1) / share**2
    return df


def moment_test_df(increase: float, k: int, m: int, complete_df: float) -> tuple[float, str]:
    """Denominator degrees of freedom of the test of k > 1 hypotheses, and their source.

    Those of Reiter (2007), which turn into those of Li, Raghunathan and Rubin (1991) as `complete_df` grows. They are
    an expansion that needs k (m - 1) > 4 and more than about 4 (1 + increase) complete-data degrees of freedom;
    otherwise those of Li, Raghunathan and Rubin are combined with the observed ones as Barnard and Rubin do it.

    Parameters
    ----------
    increase : average relative increase of the variance.
    k : number of hypotheses.
    m : number of imputations.
    complete_df : denominator degrees of freedom without missing values.
    """
    t = k * (m - 1)
    known = float(left_of(np.array(complete_df)))
    if increase == 0:
        return known, "complete data"
    large = t * (1 + 1 / k) * (1 + 1 / increase) ** 2 / 2
    if t > 4:
        large = 4 + (t - 4) * (1 + (1 - 2 / t) / increase) ** 2
    if np.isinf(complete_df):
        return large, "Li, Raghunathan and Rubin (1991)"
    a = increase * t / (t - 2) if t > 2 else np.inf
    near, far = known - 2 * (1 + a), known - 4 * (1 + a)
    if t <= 4 or far <= 0:
        return 1 / (1 / large + (1 + increase) / known), "Li, Raghunathan and Rubin (1991), Barnard and Rubin (1999)"
    b = a / (1 + a)
    spread = b**2 * near / far + 8 * a * b * near / far**2 + 4 * a * b / far
    spread += 4 * a**2 / (far * near) + 16 * a**2 * near / far**3 + 8 * a**2 / far**2
    return 4 + 1 / (1 / far + spread / (t - 4)), "Reiter (2007)"


def left_of(complete_df: FloatArray) -> FloatArray:
    """Degrees of freedom d that are left of d, d (d + 1) / (d + 3), which stands for estimating a variance."""
    d = np.asarray(complete_df, dtype=np.float64)
    finite = np.where(np.isinf(d), 1.0, d)
    left: FloatArray = np.where(np.isinf(d), np.inf, finite * (finite + 1) / (finite + 3))
    return left
