"""Rubin's rules: what missing values cost, and the degrees of freedom of estimates pooled over imputations."""

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


def missing_share(within: FloatArray, between: FloatArray, m: int) -> FloatArray:
    """(k,) share of the total variance that is due to missing values; zero where nothing varies.

    `(1 + 1/m) b / (w + (1 + 1/m) b)`, with w and b the variances within and between the imputations.
    """
    lost = (1 + 1 / m) * np.diag(between)
    total = np.diag(within + (1 + 1 / m) * between)
    return np.divide(lost, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


def left_of(complete_df: FloatArray) -> FloatArray:
    """Degrees of freedom d that are left of d, d (d + 1) / (d + 3), which stands for estimating a variance."""
    d = np.asarray(complete_df, dtype=np.float64)
    finite = np.where(np.isinf(d), 1.0, d)
    left: FloatArray = np.where(np.isinf(d), np.inf, finite * (finite + 1) / (finite + 3))
    return left
