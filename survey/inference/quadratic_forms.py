"""Tail probabilities of weighted sums of chi-square variables, the reference distributions of Rao-Scott tests."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from survey.arguments import check_choice
from survey.arrays import FloatArray
from survey.errors import EstimationError

TailMethod = Literal["satterthwaite", "saddlepoint", "exact"]
NEGLIGIBLE = 1e-10  # a weight this small beside the largest is rounding error of a zero eigenvalue
AT_MEAN = 1e-6  # scaled saddlepoints nearer to zero use the limit of the formula, which divides by them
REACH = 40.0  # the integrand falls at least as fast as exp(-v): beyond this it is nothing
CONVERGED = 1e-12  # relative change at which halving the step of the integral stops


def sum_of_chisq_sf(
    x: float, weights: ArrayLike, df2: float | None = None, *, method: TailMethod = "satterthwaite"
) -> float:
    """Probability that a weighted sum of independent chi-square variables exceeds x.

    P(sum_i a_i X_i > x) with X_i chi-square on one degree of freedom; with `df2` the sum is divided by
    Y / df2, where Y is chi-square on df2 degrees of freedom, so that equal weights give an F test.

    Parameters
    ----------
    x : value of the statistic.
    weights : (k,) weights a, not negative; those that are zero but for rounding count as zero.
    df2 : denominator degrees of freedom, a whole number or not; None for a sum that is not divided.
    method : "satterthwaite" matches two moments with a chi-square or F; "saddlepoint" is the approximation of
        Kuonen, good to a few per cent in the far tail; "exact" inverts the characteristic function numerically,
        to about 11 digits however small the probability is.

    Raises
    ------
    EstimationError : an unknown method, weights that are negative or all zero, df2 that is not positive.

    References
    ----------
    Satterthwaite (1946), Biometrics Bull. 2:110; Kuonen (1999), Biometrika 86:929; Imhof (1961), Biometrika
    48:419; Rice (1980), SIAM J. Sci. Stat. Comput. 1:438 (integration through the saddlepoint).
    R equivalents: survey::pchisqsum, survey::pFsum with lower.tail = FALSE.
    """
    check_choice(method, TailMethod, "method")
    a = np.asarray(weights, dtype=np.float64).reshape(-1)
    largest = a.max(initial=0.0)
    if not largest > 0 or not np.isfinite(a).all() or a.min() < -NEGLIGIBLE * largest:
        raise EstimationError(
            f"`weights` must be finite, none negative and one positive; got {a[:8].tolist()}. They are the eigenvalues "
            "of a generalized design effect."
        )
    if df2 is not None and not df2 > 0:
        raise EstimationError(f"`df2` must be positive; got {df2!r}. Without a denominator leave it out.")
    if np.isnan(x):
        return float("nan")
    if x <= 0:
        return 1.0
    a, x = a[a > NEGLIGIBLE * largest] / largest, x / largest
    if method == "satterthwaite":
        k = a.sum() ** 2 / (a @ a)
        mean = x / a.sum()
        return float(scipy.special.chdtrc(k, k * mean) if df2 is None else scipy.special.fdtrc(k, df2, mean))
    # P(sum a X > x) as it is, or P(sum a X - (x / df2) Y > 0)
    terms = a if df2 is None else np.append(a, -x / df2)
    counts = np.ones(terms.size)
    counts[a.size :] = 0.0 if df2 is None else df2
    tail = _saddlepoint if method == "saddlepoint" else _inverted
    return tail(x, terms, counts, df2)


def _cumulants(zeta: float, terms: FloatArray, counts: FloatArray) -> tuple[float, float, float]:
    """First three derivatives at zeta of K(zeta) = -sum h log(1 - 2 zeta a) / 2."""
    ratio = terms / (1.0 - 2.0 * zeta * terms)
    return float(counts @ ratio), float(2.0 * counts @ ratio**2), float(8.0 * counts @ ratio**3)


def _saddlepoint(x: float, terms: FloatArray, counts: FloatArray, df2: float | None) -> float:
    """Tail probability by Barndorff-Nielsen's form of the saddlepoint approximation (Kuonen 1999, eq. 4)."""
    positive = terms[terms > 0]
    mean, goal = float(positive.sum()), x if df2 is None else 0.0
    if x > mean:  # the largest weight, 1 after scaling, alone makes K' twice what is needed at the upper bound
        low, high = 0.0, (1.0 - 0.5 / x) / 2.0
    else:
        low = -positive.size / x if df2 is None else -(1.0 - 0.5 * x / mean) * df2 / (2.0 * x)
        high = 0.0
    zeta = 0.0
    if abs(x - mean) > 1e-14 * mean:
        from scipy.optimize import brentq

        zeta = brentq(lambda z: _cumulants(z, terms, counts)[0] - goal, low, high, xtol=1e-15, rtol=1e-14)
    _, second, third = _cumulants(zeta, terms, counts)
    if abs(zeta) < AT_MEAN:
        return float(scipy.special.ndtr(-(zeta * np.sqrt(second) + third / (6.0 * second**1.5))))
    w = np.sign(zeta) * np.sqrt(counts @ _exponent(2.0 * zeta * terms))
    v = zeta * np.sqrt(second)
    return float(scipy.special.ndtr(-(w + np.log(v / w) / w)))


def _exponent(t: FloatArray) -> FloatArray:
    """log(1 - t) + t / (1 - t), by its series where the two cancel."""
    small = np.abs(t) < 1e-2
    series = np.zeros_like(t)
    for power in range(9, 1, -1):
        series = series * t + (1.0 - 1.0 / power)
    at = np.where(small, 0.0, t)
    exponent: FloatArray = np.where(small, series * t**2, np.log1p(-at) + at / (1.0 - at))
    return exponent


def _inverted(x: float, terms: FloatArray, counts: FloatArray, df2: float | None) -> float:
    """Tail probability by integrating exp(K(s) - s x) / s along a hyperbola through the saddlepoint.

    The path crosses the real axis between the pole at 0 and the first singularity of K, where the integrand is
    smallest, and bends away from the singularities to the right, so that nothing cancels: the trapezoidal rule
    then converges geometrically and relative accuracy does not depend on how small the probability is.
    """
    goal = x if df2 is None else 0.0

    def slope(zeta: float) -> float:
        return _cumulants(zeta, terms, counts)[0] - goal - 1.0 / zeta

    # the slope is -inf at 0 and +inf at 1/2, where the largest weight (1) has its singularity
    low = 1.0 / (2.0 * (x + terms.size + 2.0))
    while slope(low) > 0:
        low /= 4.0
    gap = 1.0 / (2.0 * (x + 4.0))
    while slope(0.5 - gap) < 0:
        gap /= 4.0
    from scipy.optimize import brentq

    zeta = brentq(slope, low, 0.5 - gap, rtol=1e-12)
    width = 1.0 / np.sqrt(_cumulants(zeta, terms, counts)[1] + zeta**-2)
    top = -0.5 * counts @ np.log1p(-2.0 * zeta * terms) - zeta * goal - np.log(zeta)

    def integrand(v: FloatArray) -> FloatArray:
        s = zeta + width * (np.cosh(v) - 1.0) + 1j * width * np.sinh(v)
        along = width * (np.sinh(v) + 1j * np.cosh(v))
        exponent = -0.5 * np.log1p(-2.0 * s[:, None] * terms) @ counts - s * goal - np.log(s) - top
        values: FloatArray = np.imag(np.exp(exponent) * along)
        return values

    step = 0.5
    integral = step * (integrand(np.zeros(1))[0] / 2.0 + integrand(np.arange(step, REACH, step)).sum())
    for _ in range(9):
        refined = integral / 2.0 + step / 2.0 * integrand(np.arange(step / 2.0, REACH, step)).sum()
        step /= 2.0
        done = abs(refined - integral) <= CONVERGED * abs(refined)
        integral = refined
        if done:
            break
    return float(min(np.exp(top) * integral / np.pi, 1.0))
