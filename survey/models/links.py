"""Link functions of cumulative models, on the log scale so that neither tail underflows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy

from survey.arrays import FloatArray

Tails: TypeAlias = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
LinkName = Literal["logit", "probit", "cloglog", "loglog", "cauchit"]
EULER = 0.57721566490153286  # mean of the largest value's distribution; that of the smallest's is its negative


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A distribution function F and what Newton's method needs of it; each takes and gives arrays.

    Attributes
    ----------
    log_cdf, log_sf : log F(x) and log(1 - F(x)).
    log_pdf : log f(x).
    pdf_slope : f'(x) / f(x).
    quantile : the inverse of F.
    tails : F(x), 1 - F(x), f(x) and f'(x) at finite x, not on the log scale: zero where they underflow.
    center : mean of the distribution, or its median where it has no mean: what residuals are measured from.
    """

    log_cdf: Callable[[FloatArray], FloatArray]
    log_sf: Callable[[FloatArray], FloatArray]
    log_pdf: Callable[[FloatArray], FloatArray]
    pdf_slope: Callable[[FloatArray], FloatArray]
    quantile: Callable[[FloatArray], FloatArray]
    tails: Callable[[FloatArray], Tails]
    center: float = 0.0


def _log_exp_cdf(x: FloatArray) -> FloatArray:
    """log(1 - exp(-exp(x)))."""
    return np.log(-np.expm1(-np.exp(x)))


def _logit_tails(x: FloatArray) -> Tails:
    """Logistic distribution."""
    small = np.exp(-np.abs(x))
    large = 1.0 / (1.0 + small)
    small *= large
    density = small * large
    cdf, sf = np.where(x > 0, large, small), np.where(x > 0, small, large)
    return cdf, sf, density, density * (sf - cdf)


def _probit_tails(x: FloatArray) -> Tails:
    """Normal distribution."""
    density = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return scipy.special.ndtr(x), scipy.special.ndtr(-x), density, -x * density


def _cloglog_tails(x: FloatArray) -> Tails:
    """Distribution of the smallest value, 1 - exp(-exp(x))."""
    hazard = np.exp(np.minimum(x, 700.0))
    sf = np.exp(-hazard)
    density = hazard * sf
    return -np.expm1(-hazard), sf, density, density * (1 - hazard)


def _loglog_tails(x: FloatArray) -> Tails:
    """Distribution of the largest value, exp(-exp(-x)): the mirror image."""
    cdf, sf, density, slope = _cloglog_tails(-x)
    return sf, cdf, density, -slope


def _cauchit_tails(x: FloatArray) -> Tails:
    """Cauchy distribution."""
    density = 1 / (np.pi * (1 + x**2))
    return np.arctan2(1.0, -x) / np.pi, np.arctan2(1.0, x) / np.pi, density, -2 * x / (1 + x**2) * density


LINKS: dict[str, Link] = {  # named as in R's ordinal::clm
    "logit": Link(
        log_cdf=lambda x: scipy.special.log_expit(x),
        log_sf=lambda x: scipy.special.log_expit(-x),
        log_pdf=lambda x: scipy.special.log_expit(x) + scipy.special.log_expit(-x),
        pdf_slope=lambda x: 1 - 2 * scipy.special.expit(x),
        quantile=lambda p: np.log(p) - np.log1p(-p),
        tails=_logit_tails,
    ),
    "probit": Link(
        log_cdf=lambda x: scipy.special.log_ndtr(x),
        log_sf=lambda x: scipy.special.log_ndtr(-x),
        log_pdf=lambda x: -0.5 * x**2 - 0.5 * np.log(2 * np.pi),
        pdf_slope=lambda x: -x,
        quantile=lambda p: scipy.special.ndtri(p),
        tails=_probit_tails,
    ),
    "cloglog": Link(
        log_cdf=_log_exp_cdf,
        log_sf=lambda x: -np.exp(x),
        log_pdf=lambda x: x - np.exp(x),
        pdf_slope=lambda x: -np.expm1(x),
        quantile=lambda p: np.log(-np.log1p(-p)),
        tails=_cloglog_tails,
        center=-EULER,
    ),
    "loglog": Link(
        log_cdf=lambda x: -np.exp(-x),
        log_sf=lambda x: _log_exp_cdf(-x),
        log_pdf=lambda x: -x - np.exp(-x),
        pdf_slope=lambda x: np.expm1(-x),
        quantile=lambda p: -np.log(-np.log(p)),
        tails=_loglog_tails,
        center=EULER,
    ),
    "cauchit": Link(
        log_cdf=lambda x: np.log(np.arctan2(1.0, -x) / np.pi),
        log_sf=lambda x: np.log(np.arctan2(1.0, x) / np.pi),
        log_pdf=lambda x: -np.log(np.pi) - np.log1p(x**2),
        pdf_slope=lambda x: -2 * x / (1 + x**2),
        quantile=lambda p: np.tan(np.pi * (p - 0.5)),
        tails=_cauchit_tails,
    ),
}


def log_difference(link: Link, upper: FloatArray, lower: FloatArray) -> FloatArray:
    """log(F(upper) - F(lower)), taken in the tail where it loses no digits; -inf where upper <= lower.

    References
    ----------
    Maechler (2012), Accurately computing log(1 - exp(-|a|)).
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        left = upper + lower <= 0  # false for the undefined sum of two infinite limits
        left |= np.isneginf(lower)
        left &= ~np.isposinf(upper)
        near = np.where(left, link.log_cdf(upper), link.log_sf(lower))
        far = np.where(left, link.log_cdf(lower), link.log_sf(upper))
        gap = near - far
        result = near + np.where(gap <= np.log(2), np.log(-np.expm1(-gap)), np.log1p(-np.exp(-gap)))
    # where F does not move at all in double precision, its difference is zero, not undefined
    return np.where((upper > lower) & ~np.isnan(result), result, -np.inf)
