"""Derivatives of log(F(a) - F(b)), the log-likelihood of an answer with limits a above it and b below it.

Whatever a cumulative model is made of, its parameters move limits: the scores and information of a fit, of its
replicates and of its tests are sums of products of these derivatives with those of the limits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from survey.arrays import FloatArray
from survey.models.links import Link


class Ratios(NamedTuple):
    """Density and its slope at the limits of answers over their probability p = F(a) - F(b); zero at infinite limits.

    `density_above` f(a) / p, `slope_above` f'(a) / p, and the same of b; all of one shape.
    """

    density_above: FloatArray
    slope_above: FloatArray
    density_below: FloatArray
    slope_below: FloatArray


class Derivatives(NamedTuple):
    """First derivatives by a and b, (2, ...), and second ones by a, by b and by both, (3, ...)."""

    first: FloatArray
    second: FloatArray


def ratios(link: Link, above: FloatArray, below: FloatArray, log_p: FloatArray) -> Ratios:
    """Ratios at limits of any size: taken on the log scale, so that neither tail underflows.

    Parameters
    ----------
    above, below : limits of the answers; infinite where an answer has none.
    log_p : log(F(above) - F(below)), of `survey.models.links.log_difference`.
    """
    return Ratios(*_over(link, above, log_p), *_over(link, below, log_p))


def _over(link: Link, limit: FloatArray, log_p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """F / p and f' / p at finite limits, zero at infinite ones."""
    finite = np.isfinite(limit)
    at = np.where(finite, limit, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.where(finite, np.exp(link.log_pdf(at) - log_p), 0.0)
        slope = np.where(density > 0, link.pdf_slope(at) * density, 0.0)
    return density, slope


def derivatives(at: Ratios, weight: FloatArray | float = 1.0) -> Derivatives:
    """Derivatives of weight * log(F(a) - F(b)); they vanish at infinite limits.

    With r = f / p and g = f' / p the first are (r_a, -r_b), the second (g_a - r_a^2, -g_b - r_b^2, r_a r_b).
    """
    first = np.empty((2, *at.density_above.shape))
    second = np.empty((3, *at.density_above.shape))
    # in place: for replicates these are large arrays, and passing over memory is what takes the time
    np.multiply(weight, at.density_above, out=first[0])
    np.multiply(weight, at.density_below, out=first[1])
    np.negative(first[1], out=first[1])

    by_above, by_below, by_both = second
    np.multiply(at.density_above, at.density_above, out=by_above)
    np.subtract(at.slope_above, by_above, out=by_above)
    by_above *= weight
    np.multiply(at.density_below, at.density_below, out=by_below)
    by_below += at.slope_below
    by_below *= weight
    np.negative(by_below, out=by_below)
    np.multiply(first[0], at.density_below, out=by_both)
    return Derivatives(first, second)
