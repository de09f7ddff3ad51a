"""Derivatives of smooth functions of estimates, for the delta method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from survey.arrays import FloatArray
from survey.errors import EstimationError

Function = Callable[[FloatArray], ArrayLike]
RELATIVE_STEP = 1e-3  # with five points the error is of the order of its fourth power
KINK = 0.75  # the two one-sided slopes of a smooth function grow apart in proportion to the step: half as far at half
UNEVEN = 1e-3  # derivatives from two steps that differ by this share have a kink between them
FLAT = 1e-6  # share of the slope below which one-sided slopes that differ are rounding error


def values_of(function: Function, at: FloatArray) -> FloatArray:
    """(m,) values of a function of (k,) numbers.

    Raises
    ------
    EstimationError : values that are not finite numbers, or not one or a list of them.
    """
    if not callable(function):
        raise EstimationError(
            f"`function` must be a function of the estimates, as lambda e: np.log(e[0] / e[1]); got {function!r}."
        )
    with np.errstate(all="ignore"):
        values = np.atleast_1d(np.asarray(function(at.copy())))
    if values.ndim != 1 or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise EstimationError(
            "`function` must give finite numbers, one or a list of them, at the estimates; it gave "
            f"{values.tolist()!r}."
        )
    result: FloatArray = values.astype(np.float64)
    return result


def jacobian(function: Function, at: FloatArray, std_error: FloatArray) -> FloatArray:
    """(m, k) derivatives of a function at (k,) estimates, by five-point central differences.

    The step is a thousandth of the estimate; where that is tiny beside its standard error, a millionth of the latter. A
    step in the complex plane would be more precise, but `abs`, `max` and comparisons would pass it a wrong derivative
    without a word.

    Raises
    ------
    EstimationError : a function that is not defined near the estimates, or has a kink at them.

    References
    ----------
    Abramowitz and Stegun (1964), 25.3.6.
    """
    size = np.maximum(np.abs(at), RELATIVE_STEP * np.where(np.isfinite(std_error), std_error, 0.0))
    steps = RELATIVE_STEP * np.where(size > 0, size, 1.0)
    centre = values_of(function, at)
    columns = []
    for j, step in enumerate(steps):
        moved = []
        for multiple in (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0):
            place = at.copy()
            place[j] += multiple * step
            moved.append(values_of(function, place))
        if {values.size for values in moved} != {centre.size}:
            raise EstimationError("`function` must give as many numbers near the estimates as at them; it does not.")
        far, near, low, high, after, beyond = moved
        # f' = (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12 h, with an error of the order of h^4
        derivative = (far - 8 * near + 8 * after - beyond) / (12 * step)
        slope = np.maximum(np.abs(after - centre), np.abs(centre - near)) / step
        allowed = rounding(centre, step)
        gap = np.abs(after - 2 * centre + near) / step  # difference of the one-sided slopes
        half_gap = np.abs(high - 2 * centre + low) / (step / 2)
        at_kink = (gap > FLAT * slope + allowed) & (half_gap > KINK * gap)
        near_kink = np.abs(derivative - (high - low) / step) > UNEVEN * slope + allowed
        if (at_kink | near_kink).any():
            raise EstimationError(
                f"`function` must be smooth at the estimates; it has a kink in estimate {j + 1}, as `abs` has at zero. "
                "The delta method does not hold there."
            )
        columns.append(derivative)
    return np.column_stack(columns)


def rounding(values: FloatArray, step: float) -> FloatArray:
    """(m,) difference of slopes that rounding of the values alone makes, generously."""
    result: FloatArray = 1e-12 * np.abs(values) / step
    return result
