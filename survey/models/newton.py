"""Newton's method with step halving, for one likelihood or for many of the same parameters at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray

MAX_ITERATIONS = 60
MAX_HALVINGS = 40
ROUNDING = 1e-12  # fall of a log-likelihood, relative to its size, that rounding makes near the maximum
SINGULAR = 1e-14  # smallest eigenvalue of the information, relative to the largest, that is rounding error


class Points(NamedTuple):
    """B log-likelihoods (B,), -inf where a step went too far, with gradients (B, P) and informations (B, P, P)."""

    value: FloatArray
    gradient: FloatArray
    information: FloatArray

    def rows(self, chosen: BoolArray) -> Points:
        """The same of some likelihoods."""
        return Points(self.value[chosen], self.gradient[chosen], self.information[chosen])


Evaluate: TypeAlias = Callable[[FloatArray, IntArray], Points]
"""Likelihoods numbered by the second argument (B,), at the parameters in the first (B, P)."""


@dataclass(frozen=True, slots=True, eq=False)
class Maxima:
    """Where B likelihoods have their maxima, and the last steps there.

    Attributes
    ----------
    before : (B, P) parameters one step before the maximum.
    steps : (B, P) the last step of each.
    points : log-likelihoods and their derivatives before that step.
    decrements : (B,) Newton decrement per respondent.
    iterations : (B,) steps taken before the last one.
    reached : (B,) whether there is a maximum.
    """

    before: FloatArray
    steps: FloatArray
    points: Points
    decrements: FloatArray
    iterations: IntArray
    reached: BoolArray

    @property
    def params(self) -> FloatArray:
        """(B, P) the maxima; not numbers where there is none."""
        return self.before + self.steps


def maximize(
    evaluate: Evaluate, start: FloatArray, size: FloatArray, *, decrement: float, step: float = np.inf
) -> Maxima:
    """Move B likelihoods to their maxima together, each until its own is reached.

    Parameters
    ----------
    evaluate : the likelihoods.
    start : (B, P) parameters to start from.
    size : (B,) sums of weights.
    decrement : Newton decrement per respondent before the last step; a step squares it.
    step : largest component of the last step, in standard errors of simple random sampling.
    """
    count, k = start.shape
    blank = Points(np.full(count, np.nan), np.full((count, k), np.nan), np.full((count, k, k), np.nan))
    maxima = Maxima(
        before=np.full((count, k), np.nan),
        steps=np.full((count, k), np.nan),
        points=blank,
        decrements=np.full(count, np.nan),
        iterations=np.zeros(count, dtype=np.intp),
        reached=np.zeros(count, dtype=bool),
    )
    moving = np.arange(count)
    params = start
    point = evaluate(params, moving)
    for iteration in range(MAX_ITERATIONS):
        steps, variance = _newton_steps(point)
        decrements = np.einsum("bp,bp->b", point.gradient, steps) / size[moving]
        maxima.decrements[moving] = decrements
        last = decrements < decrement
        last &= (np.abs(steps) / np.sqrt(variance)).max(axis=1) < step
        if last.any():
            _record(
                maxima,
                moving[last],
                before=params[last],
                steps=steps[last],
                point=point.rows(last),
                iteration=iteration,
            )
            if last.all():
                break
            moving, params, steps, point = moving[~last], params[~last], steps[~last], point.rows(~last)
        params, point, better = _moved(evaluate, moving, params=params, steps=steps, point=point)
        moving = moving[better]
        if not moving.size:
            break
    return maxima


def _record(
    maxima: Maxima, reached: IntArray, before: FloatArray, steps: FloatArray, point: Points, iteration: int
) -> None:
    """Enter likelihoods that have reached their maxima."""
    maxima.before[reached] = before
    maxima.steps[reached] = steps
    for entered, part in zip(maxima.points, point, strict=True):
        entered[reached] = part
    maxima.iterations[reached] = iteration
    maxima.reached[reached] = True


def _moved(
    evaluate: Evaluate, moving: IntArray, params: FloatArray, steps: FloatArray, point: Points
) -> tuple[FloatArray, Points, BoolArray]:
    """Parameters after a step, halved until the likelihood does not fall, and the likelihoods that could be moved."""
    factor = np.ones((len(params), 1))
    worse: BoolArray = np.ones(len(params), dtype=bool)
    proposed = params
    new = point
    for _ in range(MAX_HALVINGS):
        if not worse.any():
            break
        proposed = params + factor * steps
        new = evaluate(proposed, moving)
        # near the maximum the value cannot tell better from worse; it is not a number where limits have crossed
        worse = ~(new.value > point.value - ROUNDING * np.abs(point.value))
        factor[worse] /= 2
    return proposed[~worse], new.rows(~worse), ~worse


def _newton_steps(point: Points) -> tuple[FloatArray, FloatArray]:
    """(B, P) Newton steps, and variances of simple random sampling.

    Far from a maximum an information may not be positive definite; it is made so, as the step would lead down.
    """
    try:
        return _solved(point.information, point.gradient)
    except np.linalg.LinAlgError:
        eigenvalues = np.linalg.eigvalsh(point.information)
        flat = eigenvalues[:, 0] <= SINGULAR * eigenvalues[:, -1]
        shift = np.where(flat, np.abs(eigenvalues[:, 0]) + 1.0, 0.0)
        information: FloatArray = point.information + shift[:, None, None] * np.eye(point.information.shape[1])
        return _solved(information, point.gradient)


def _solved(information: FloatArray, gradient: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(B, P) solutions of information times step = gradient, and diagonals of the inverse information.

    By Cholesky's root: however flat the likelihood is, variances are positive and no step leads down.
    """
    root = np.linalg.inv(np.linalg.cholesky(information))
    half = np.einsum("bij,bj->bi", root, gradient)
    steps: FloatArray = np.einsum("bji,bj->bi", root, half)
    variance: FloatArray = np.einsum("bij,bij->bj", root, root)
    return steps, variance
