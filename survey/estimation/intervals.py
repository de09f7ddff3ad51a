"""Confidence intervals for proportions that were estimated under a survey design.

Everything here is arithmetic on arrays: an estimate, its standard error, the unweighted base and the
degrees of freedom go in, bounds come out. A share of exactly 0 or 1 has a standard error of 0, from which
only the Korn-Graubard method, which then falls back on the base, can make an interval: the others
return NaN there rather than a bound that claims certainty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from survey.arguments import check_choice, check_level
from survey.arrays import FloatArray
from survey.errors import EstimationError

IntervalMethod: TypeAlias = Literal["logit", "korn-graubard", "wilson", "beta", "asin", "wald"]
INTERVAL_METHODS: tuple[str, ...] = get_args(IntervalMethod)

# Sums of weights leave rounding error of a few units in the last place: a share this near 0 or 1 is 0 or 1, and a
# standard error this small is 0.
EDGE = 1e-12

_Floats: TypeAlias = NDArray[np.float64]


def proportion_interval(
    estimate: ArrayLike,
    std_error: ArrayLike,
    n: ArrayLike,
    df: ArrayLike,
    level: float = 0.95,
    method: IntervalMethod = "logit",
) -> tuple[_Floats, _Floats]:
    """Confidence bounds of estimated proportions.

    `"logit"` is a t interval on the logit scale. `"wilson"` is the score interval with the effective
    sample size p(1 - p) / SE² and the t quantile. `"beta"` is Clopper-Pearson with the effective sample
    size times (t[n - 1] / t[df])². `"korn-graubard"` is the same with an effective size of at most n, and
    of n where the share is 0 or 1. `"asin"` is a t interval of asin(sqrt(p)), which stabilizes the variance,
    cut at 0 and 1. `"wald"` is estimate ± t SE, not cut at 0 and 1.

    Parameters
    ----------
    estimate : proportions, 0 to 1; NaN (an empty domain) stays NaN.
    std_error : standard errors, not negative.
    n : unweighted numbers of respondents that the proportions are based on.
    df : degrees of freedom; infinity gives normal quantiles, 0 gives NaN bounds.
    level : confidence level, between 0 and 1.
    method : one of the six methods above.

    Returns
    -------
    (low, high) : arrays of the common shape of the first four arguments. At a share of 0 or 1 every
        method but `"korn-graubard"` gives NaN.

    Raises
    ------
    EstimationError : a proportion outside 0-1, a negative standard error, base or degrees of freedom, a
        level outside 0-1, an unknown method, or arrays whose shapes do not fit together.

    Examples
    --------
    A published share of 62% with a standard error of 2 points, of 1,024 respondents in 60 strata of two PSUs:

    >>> import survey
    >>> low, high = survey.proportion_interval(0.62, 0.02, n=1024, df=60)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.579 to 0.659

    References
    ----------
    Korn and Graubard (1998), Survey Methodology 24, 193-201. R equivalent: survey::svyciprop with methods
    "logit" (to the precision of its iteration), "wilson", "beta", "asin" and "mean". R has [0, 0] for "mean" at a
    share of 0, and [.5, .5] for "beta" at a standard error of 0; here they are NaN and the share itself. R squares
    the sine of an angle below zero, so that "asin" has .0003 as its lower bound where it is 0 here.
    """
    check_choice(method, IntervalMethod, "interval")
    p, se, base, freedom = checked_arguments(estimate, std_error, n, df, level)
    tail = (1 - level) / 2
    edge = (p == 0) | (p == 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if method in ("beta", "korn-graubard"):
            size = _adjusted_size(p, se, n=base, df=freedom, tail=tail)
            if method == "korn-graubard":
                size = _capped(size, p, base)
            low, high = _beta_bounds(p, size, tail)
        else:
            t = quantile_t(1 - tail, freedom)
            if method == "logit":
                half = t * se / (p * (1 - p))  # the slope of the logit is 1 / p(1 - p)
                centre = scipy.special.logit(p)
                low = scipy.special.expit(centre - half)
                high = scipy.special.expit(centre + half)
            elif method == "wilson":
                low, high = _wilson_bounds(p, t**2 * se**2 / (p * (1 - p)))
            elif method == "asin":
                angle = np.arcsin(np.sqrt(p))
                half = t * se / (2 * np.sqrt(p * (1 - p)))
                low = np.sin(np.maximum(angle - half, 0)) ** 2
                high = np.sin(np.minimum(angle + half, np.pi / 2)) ** 2
            else:
                low, high = p - t * se, p + t * se
    if method != "korn-graubard":
        # a standard error of zero at 0 or 1 claims certainty that nobody has
        low = np.where(edge, np.nan, low)
        high = np.where(edge, np.nan, high)
    return low, high


def effective_size(
    estimate: ArrayLike, std_error: ArrayLike, n: ArrayLike, df: ArrayLike, level: float = 0.95
) -> _Floats:
    """Korn-Graubard effective sample size of estimated proportions.

    p(1 - p) / SE² times (t[n - 1] / t[df])², at most n; n where the share is 0 or 1, or where the
    standard error is 0.

    Parameters
    ----------
    estimate, std_error, n, df, level : as in `proportion_interval`.

    Returns
    -------
    Effective sample sizes, in the common shape of the arguments.

    Raises
    ------
    EstimationError : as in `proportion_interval`.
    """
    p, se, base, freedom = checked_arguments(estimate, std_error, n, df, level)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _capped(_adjusted_size(p, se, n=base, df=freedom, tail=(1 - level) / 2), p, base)


def quantile_t(probability: float, df: ArrayLike) -> _Floats:
    """Quantiles of Student's t; the normal quantile at infinite `df`, NaN at 0."""
    freedom = np.asarray(df, dtype=np.float64)
    # Beyond 1e10 the t and the normal quantile agree to every digit, and stdtrit has no infinite df.
    finite = np.where(freedom > 0, np.minimum(freedom, 1e10), np.nan)
    return np.asarray(scipy.special.stdtrit(finite, probability), dtype=np.float64)


def checked_arguments(
    estimate: ArrayLike, std_error: ArrayLike, n: ArrayLike, df: ArrayLike, level: float
) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """The four arrays, broadcast; shares within rounding error of 0 or 1 are 0 or 1, standard errors of 0 are 0."""
    if not 0 < level < 1:
        raise EstimationError(f"`level` must lie between 0 and 1; {level!r} was given. Write 0.95 for a 95% interval.")
    try:
        p, se, base, freedom = np.broadcast_arrays(
            *(np.asarray(values, dtype=np.float64) for values in (estimate, std_error, n, df))
        )
    except (TypeError, ValueError) as error:
        raise EstimationError(
            f"`estimate`, `std_error`, `n` and `df` must be numbers whose shapes fit together; {error}. "
            "Pass arrays of one length, or single numbers."
        ) from error
    _refuse("estimate", p, (p < -EDGE) | (p > 1 + EDGE), rule="hold proportions between 0 and 1", cure="Divide by 100")
    _refuse("std_error", se, se < 0, rule="not be negative", cure="Pass standard errors, not z values")
    _refuse("n", base, base < 0, rule="not be negative", cure="Pass unweighted counts")
    _refuse("df", freedom, freedom < 0, rule="not be negative", cure="Pass the degrees of freedom of the design")
    p = np.where(p < EDGE, 0.0, np.where(p > 1 - EDGE, 1.0, p))
    se = np.where(se < EDGE, 0.0, se)  # a share that the strata fix has a standard error of rounding alone
    return p, se, base, freedom


def _refuse(name: str, values: _Floats, bad: NDArray[np.bool_], *, rule: str, cure: str) -> None:
    """Raise for the first bad value of one argument."""
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise EstimationError(
            f"`{name}` must {rule}; {values.flat[place]:g} was found at position {place}, "
            f"{int(bad.sum())} of {bad.size} in all. {cure}."
        )


def _adjusted_size(p: _Floats, se: _Floats, *, n: _Floats, df: _Floats, tail: float) -> _Floats:
    """p(1 - p) / SE², corrected for the degrees of freedom that estimated SE."""
    correction = (quantile_t(1 - tail, n - 1) / quantile_t(1 - tail, df)) ** 2
    return np.asarray(p * (1 - p) / se**2 * correction, dtype=np.float64)


def _capped(size: _Floats, p: _Floats, n: _Floats) -> _Floats:
    """At most n; n where the share is 0 or 1, whose standard error says nothing."""
    return np.where((p == 0) | (p == 1), n, np.minimum(size, n))


def _beta_bounds(p: _Floats, size: _Floats, tail: float) -> tuple[_Floats, _Floats]:
    """Clopper-Pearson bounds for `size` respondents, who need not be a whole number."""
    exact = np.isinf(size)
    x = size * p
    rest = size * (1 - p)
    low = np.where(p == 0, 0.0 * size, scipy.special.betaincinv(x, rest + 1, tail))
    high = np.where(p == 1, 1.0 + 0.0 * size, scipy.special.betaincinv(x + 1, rest, 1 - tail))
    return np.where(exact, p, low), np.where(exact, p, high)


def _wilson_bounds(p: _Floats, c: _Floats) -> tuple[_Floats, _Floats]:
    """Score bounds, the roots of (p - x)² = c x(1 - x), with c the squared quantile over the size."""
    centre = (p + c / 2) / (1 + c)
    half = np.sqrt(c * p * (1 - p) + c**2 / 4) / (1 + c)
    return centre - half, centre + half


def t_interval(value: FloatArray, std_error: FloatArray, df: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Bounds: value plus and minus the t quantile of the level times the standard error; NaN where df is 0."""
    check_level(level)
    half = scipy.special.stdtrit(np.where(df > 0, df, np.nan), 0.5 + level / 2) * std_error
    return value - half, value + half
