"""Cumulative-link fits under many replicate weights at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.errors import EstimationError
from survey.models.likelihood import SUSPECT_CURVATURE, refit_limits
from survey.models.links import Link
from survey.models.predictors import Predictors, smallest_gap

# Newton decrement per respondent before the last step. It is squared by a step, and replicates are compared with each
# other to their last digits.
LAST_DECREMENT = 1e-10
MAX_ITERATIONS = 40
MAX_HALVINGS = 30
AT_INFINITY = (  # of the limits -inf and inf: F, 1 - F, f and f'
    np.array([[0.0], [1.0]]),
    np.array([[1.0], [0.0]]),
    np.zeros((2, 1)),
    np.zeros((2, 1)),
)
BATCH_CELLS = 200_000  # patterns times replicates that are worked on together: what fits in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Products of columns that every replicate sums with its own weights.

    `of_gradient` : (2 C, q + p) what derivatives by the limits above and below each answer are multiplied with;
    `of_information` : (3 C, q + q p + q - 1) the same of second derivatives, by each limit and by both, for the
    thresholds themselves, thresholds with covariates and neighbouring thresholds; `squares` : (C, p (p + 1) / 2)
    products of covariates, one of each pair; `distinct` : (D, p) distinct rows of covariates and offset; `offset` :
    (D, 1); `above`, `below` : (C,) position of the limits of each answer among those of all thresholds of all distinct
    rows, -inf and inf being the last two.
    """

    of_gradient: FloatArray
    of_information: FloatArray
    squares: FloatArray
    distinct: FloatArray
    offset: FloatArray
    above: IntArray
    below: IntArray


def refit(outcome: IntArray, predictors: Predictors, weights: FloatArray, link: Link, start: FloatArray) -> FloatArray:
    """Maximize the likelihood under each of R replicate weights, from the full-sample solution.

    Proportional-odds models are moved together; nominal effects, effects on the scale and structured thresholds are
    fitted replicate by replicate.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q.
    predictors : columns of C patterns.
    weights : (C, R) replicate weights of the patterns.
    link : the link of the full-sample fit.
    start : (P,) thresholds, slopes and effects on the scale of the full-sample fit.

    Returns
    -------
    (R, P) parameters in the same order.

    Raises
    ------
    EstimationError : replicates in which an answer has no respondents, no maximum exists or thresholds cross.
    """
    covariates, q = predictors.location, len(predictors.structure)
    vanished = np.array([(weights[outcome == j].sum(axis=0) <= 0) for j in range(q + 1)]).any(axis=0)
    if vanished.any():
        raise EstimationError(
            f"`design`: in {vanished.sum()} of {vanished.size} replicates nobody gives one of the answers, so that its "
            "threshold is infinite. Merge rare answers, or use linearization."
        )
    if not predictors.is_proportional:
        found = refit_limits(outcome, predictors, weights, link, start)
        _refuse(np.isnan(found[:, 0]))
        crossed = np.array(
            [smallest_gap(predictors.rows(live), row) <= 0 for live, row in zip(weights.T > 0, found, strict=True)]
        )
        if crossed.any():
            raise EstimationError(
                f"`design`: thresholds cross for some respondents in {crossed.sum()} of {crossed.size} replicates, so "
                "that an answer has a negative probability. Merge rare answers or levels, or use linearization."
            )
        return found
    whole = weights.mean(axis=1)
    centre = whole @ covariates / whole.sum()
    scale = np.sqrt(whole @ (covariates - centre) ** 2 / whole.sum())
    scaled = (covariates - centre) / scale
    moments = _moments(outcome, scaled, predictors.offset, q)
    first = np.concatenate([start[:q] - centre @ start[q:], start[q:] * scale])
    batch = max(1, BATCH_CELLS // max(len(outcome), 1))
    parts = [_maximize(moments, weights[:, i : i + batch], link, first, q) for i in range(0, weights.shape[1], batch)]
    params = np.vstack(parts)
    slopes = params[:, q:] / scale
    return np.hstack([params[:, :q] + (slopes @ centre)[:, None], slopes])


def _refuse(failed: BoolArray) -> None:
    """Raise where replicates have no solution."""
    if failed.any():
        raise EstimationError(
            f"`design`: the model has no finite solution in {failed.sum()} of {failed.size} replicates: a predictor "
            "separates the answers there. Merge rare answers or levels, or use linearization."
        )


def _moments(outcome: IntArray, covariates: FloatArray, offset: FloatArray, q: int) -> _Moments:
    """Products of the indicators and covariates."""
    upper = (outcome[:, None] == np.arange(q)).astype(np.float64)
    lower = (outcome[:, None] - 1 == np.arange(q)).astype(np.float64)
    _, first, row = np.unique(np.column_stack([covariates, offset]), axis=0, return_index=True, return_inverse=True)

    def products(left: FloatArray) -> FloatArray:
        """(C, columns of left times p) products with the covariates."""
        return (left[:, :, None] * covariates[:, None, :]).reshape(len(outcome), -1)

    by_upper, by_lower = products(upper), products(lower)
    none = np.zeros((len(outcome), q - 1))
    both = np.hstack([np.zeros_like(upper), by_upper + by_lower, upper[:, 1:] * lower[:, :-1]])
    i, j = np.triu_indices(covariates.shape[1])
    return _Moments(
        of_gradient=np.vstack([np.hstack([upper, -covariates]), np.hstack([-lower, covariates])]),
        of_information=np.vstack([np.hstack([-upper, by_upper, none]), np.hstack([-lower, by_lower, none]), both]),
        squares=covariates[:, i] * covariates[:, j],
        distinct=covariates[first],
        offset=offset[first][:, None],
        above=np.where(outcome < q, row * q + outcome, len(first) * q + 1),
        below=np.where(outcome > 0, row * q + outcome - 1, len(first) * q),
    )


def _maximize(moments: _Moments, weights: FloatArray, link: Link, start: FloatArray, q: int) -> FloatArray:
    """(B, q + p) solutions for a batch of B replicates, all moved together."""
    solved = np.tile(start, (weights.shape[1], 1))
    failed: BoolArray = np.zeros(len(solved), dtype=bool)
    open_, params = np.arange(len(solved)), solved.copy()  # replicates still moving, and where they are
    value, gradient, information = _evaluate(moments, weights, link, params, q)
    for _ in range(MAX_ITERATIONS):
        size = weights.sum(axis=0)
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        last = np.einsum("bp,bp->b", gradient, step) <= LAST_DECREMENT * size
        if last.any():
            solved[open_[last]] = params[last] + step[last]
            flattest = np.linalg.eigvalsh(information[last] / size[last, None, None])[:, 0]
            failed[open_[last]] = flattest < SUSPECT_CURVATURE
            left = ~last
            open_, params, step, weights, value = open_[left], params[left], step[left], weights[:, left], value[left]
            if not open_.size:
                break
        factor = np.ones(len(params))
        for _ in range(MAX_HALVINGS):
            proposed = params + factor[:, None] * step
            new = _evaluate(moments, weights, link, proposed, q)
            # near the maximum the value cannot tell better from worse
            worse = ~(new[0] > value - 1e-12 * np.abs(value))
            if not worse.any():
                break
            factor = np.where(worse, factor / 2, factor)
        params, (value, gradient, information) = proposed, new
    failed[open_] = True
    _refuse(failed)
    return solved


def _evaluate(
    moments: _Moments, weights: FloatArray, link: Link, params: FloatArray, q: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihoods (B,), gradients (B, P) and informations (B, P, P); see `survey.models.likelihood`.

    Where a step went too far the value is -inf and the derivatives are not numbers; the step is then halved.
    """
    (patterns, replicates), k = weights.shape, params.shape[1]
    p = k - q
    predictor = moments.distinct @ params[:, q:].T + moments.offset
    limit = (params[:, :q].T[None, :, :] - predictor[:, None, :]).reshape(-1, replicates)
    cdf, sf, density, slope = (
        np.vstack([part, np.broadcast_to(ends, (2, replicates))])
        for part, ends in zip(link.tails(limit), AT_INFINITY, strict=True)
    )
    above, below = moments.above, moments.below
    reached = cdf[above]
    share = np.where(reached <= 0.5, reached - cdf[below], sf[below] - sf[above])  # in the tail that loses no digits
    first, second = np.empty((2, patterns, replicates)), np.empty((3, patterns, replicates))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        value = np.where(weights > 0, weights * np.log(share), 0.0).sum(axis=0)
        value[np.isnan(value)] = -np.inf
        inverse = np.where(share > 0, 1.0 / share, 0.0)
        each = weights * inverse
        f_a, f_b = density[above] * inverse, density[below] * inverse
        np.multiply(weights, f_a, out=first[0])
        np.multiply(weights, f_b, out=first[1])
        np.subtract(each * slope[above], first[0] * f_a, out=second[0])
        np.subtract(-each * slope[below], first[1] * f_b, out=second[1])
        np.multiply(first[0], f_b, out=second[2])
        gradient = first.reshape(-1, replicates).T @ moments.of_gradient
        sums = second.reshape(-1, replicates).T @ moments.of_information
        curvature = (second[0] + second[1] + 2 * second[2]).T @ moments.squares
    information = np.empty((replicates, k, k))
    information[:, :q, :q] = 0.0
    steps, (i, j) = np.arange(q), np.triu_indices(p)
    information[:, steps, steps] = sums[:, :q]
    information[:, steps[1:], steps[:-1]] = information[:, steps[:-1], steps[1:]] = -sums[:, q + q * p :]
    crossed = sums[:, q : q + q * p].reshape(replicates, q, p)
    information[:, :q, q:], information[:, q:, :q] = crossed, crossed.transpose(0, 2, 1)
    information[:, q + i, q + j] = information[:, q + j, q + i] = -curvature
    return value, gradient, information
