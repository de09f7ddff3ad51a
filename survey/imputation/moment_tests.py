"""Test of several pooled hypotheses at once, by the statistic of Li, Raghunathan and Rubin."""

from __future__ import annotations

import numpy as np
import scipy

from survey.arrays import FloatArray
from survey.estimation import TestResult, adjusted_wald, wald_chisq
from survey.imputation.rubin import barnard_rubin, left_of


def moment_test(
    value: FloatArray,
    within: FloatArray,
    between: FloatArray,
    *,
    imputations: int,
    design_df: float,
    method: str,
    argument: str,
) -> TestResult:
    """Test that k pooled quantities are all zero; see `PooledFit.term_test`.

    Parameters
    ----------
    value : (k,) averages over the imputations.
    within, between : (k, k) average of their covariances, and covariance over the imputations.
    design_df : degrees of freedom d of the design if nothing were missing.
    argument : what the function that the user called names the hypotheses by, for its errors.

    References
    ----------
    Li, Raghunathan and Rubin (1991), JASA 86:1065; Reiter (2007), Biometrika 94:502.
    """
    k = len(value)
    m = imputations
    d = design_df
    note = f"Pooled over {m} imputations."
    if k > d:
        return adjusted_wald(np.nan, k, design_df=d, method=method, note=note)

    # D1 = q' [(1 + r) W]^-1 q / k with r = (1 + 1/m) tr(B W^-1) / k, W and B in units of the standard errors
    chisq = wald_chisq(value, within, argument=argument)
    scale = np.sqrt(np.diag(within))
    unit = np.outer(scale, scale)
    increase = (1 + 1 / m) * float(np.trace(np.linalg.solve(within / unit, between / unit))) / k
    statistic = chisq / (1 + increase)

    left = d - k + 1
    if k == 1:
        share = np.array([increase / (1 + increase)])
        df2 = float(barnard_rubin(share, m, np.array([d]))[0])
        source = "Barnard and Rubin (1999)"
    else:
        df2, source = moment_test_df(increase, k, m, complete_df=left)
    adjusted = (1.0 if np.isinf(d) else left / d) * statistic / k
    note = (
        f"{note} Variance increased by {increase:.3g} on average for what is missing; denominator df by {source}, from "
        f"{left:g}. Design df {d:g}."
    )
    p_value = float(scipy.special.fdtrc(k, df2, adjusted))
    return TestResult(adjusted, df1=k, df2=df2, p_value=p_value, method=method, note=note, wald_chisq=statistic)


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
    near = known - 2 * (1 + a)
    far = known - 4 * (1 + a)
    if t <= 4 or far <= 0:
        return 1 / (1 / large + (1 + increase) / known), "Li, Raghunathan and Rubin (1991), Barnard and Rubin (1999)"
    b = a / (1 + a)
    spread = b**2 * near / far + 8 * a * b * near / far**2 + 4 * a * b / far
    spread += 4 * a**2 / (far * near) + 16 * a**2 * near / far**3 + 8 * a**2 / far**2
    return 4 + 1 / (1 / far + spread / (t - 4)), "Reiter (2007)"
