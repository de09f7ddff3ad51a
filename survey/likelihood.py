"""Cumulative-link likelihood on weighted cells and its maximum by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from survey.design import FloatArray, IntArray
from survey.errors import ConvergenceError
from survey.links import Link, log_difference

DECREMENT = 1e-14  # Newton decrement per respondent at which the maximum is reached
STEP = 1e-8  # largest last step, in standard errors of simple random sampling
MAX_ITERATIONS = 60
MAX_HALVINGS = 40
SUSPECT_CURVATURE = 1e-6  # smallest eigenvalue of the scaled information per respondent that is not suspicious


@dataclass(frozen=True, slots=True, eq=False)
class Convergence:
    """How the maximization ended.

    Attributes
    ----------
    iterations : Newton steps taken.
    gradient : largest absolute component of the score at the solution, in scaled units, per respondent.
    decrement : Newton decrement at the last step, per respondent.
    correct_decimals : decimals of the scaled parameters that the last step left alone.
    condition : condition number of the scaled information.
    """

    iterations: int
    gradient: float
    decrement: float
    correct_decimals: int
    condition: float


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeFit:
    """Maximum of a cumulative-link likelihood with q thresholds and p slopes.

    Attributes
    ----------
    params : (q + p,) thresholds, then slopes.
    information : (q + p, q + p) negative Hessian at `params`, for the weights given.
    scores : (C, q + p) derivative of one respondent's log-likelihood, weight not included.
    log_likelihood, null_log_likelihood : with and without covariates, for the weights given.
    convergence : how it ended.
    suspicious : whether the information is so flat somewhere that a coefficient may be infinite.
    """

    params: FloatArray
    information: FloatArray
    scores: FloatArray
    log_likelihood: float
    null_log_likelihood: float
    convergence: Convergence
    suspicious: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Log-likelihood, (P,) gradient and (P, P) information at some parameters.

    `by_upper`, `by_lower` : (C,) derivatives of one respondent's log-likelihood by the limits of the answer.
    """

    value: float
    gradient: FloatArray
    information: FloatArray
    by_upper: FloatArray
    by_lower: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """How parameters make the limits a = upper thresholds - x b and b = lower thresholds - x b.

    `upper`, `lower` : (C, q) indicators of the thresholds above and below each answer; `no_upper`, `no_lower` :
    (C,) zero, or infinite where an answer has no such limit; `covariates` : (C, p).
    """

    upper: FloatArray
    lower: FloatArray
    no_upper: FloatArray
    no_lower: FloatArray
    covariates: FloatArray


def fit_cumulative(outcome: IntArray, covariates: FloatArray, weight: FloatArray, link: Link) -> CumulativeFit:
    """Maximize the weighted likelihood of P(Y <= j) = F(threshold_j - x b).

    Newton's method on thresholds and slopes with analytic derivatives, started at the null model; covariates
    are centred and scaled inside, so that their units do not matter.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q, each of which occurs.
    covariates : (C, p) of full column rank together with a constant.
    weight : (C,) positive sums of weights.
    link : one of `survey.links.LINKS`.

    Raises
    ------
    ConvergenceError : no maximum was reached; where a predictor separates the answers there is none.

    References
    ----------
    McCullagh (1980), JRSS B 42:109; Christensen (2022), Cumulative link models with the R package ordinal.
    """
    q = int(outcome.max())
    size = weight.sum()
    centre = weight @ covariates / size
    scale = np.sqrt(weight @ (covariates - centre) ** 2 / size)
    answers = _answers(outcome, (covariates - centre) / scale, q)
    share = np.cumsum(np.bincount(outcome, weights=weight))[:-1] / size
    start = np.concatenate([link.quantile(share), np.zeros(covariates.shape[1])])
    null = _evaluate(answers, weight, link, start)
    params, point, iterations, decrement, step = _maximize(answers, weight, link, start, null)
    eigenvalues = np.linalg.eigvalsh(point.information / size)
    back = np.eye(params.size)  # scaled -> natural parameters: theta + centre b / scale, b / scale
    back[:q, q:] = centre / scale
    back[q:, q:] = np.diag(1 / scale)
    forward = np.linalg.inv(back)
    return CumulativeFit(
        params=back @ params,
        information=forward.T @ point.information @ forward,
        scores=_scores(answers, point) @ forward,
        log_likelihood=point.value,
        null_log_likelihood=null.value,
        convergence=Convergence(
            iterations=iterations,
            gradient=float(np.abs(point.gradient).max() / size),
            decrement=decrement,
            correct_decimals=int(min(-np.log10(max(np.abs(step).max(), 1e-16)), 16)),
            condition=float(eigenvalues[-1] / max(eigenvalues[0], np.finfo(float).tiny)),
        ),
        suspicious=bool(eigenvalues[0] < SUSPECT_CURVATURE),
    )


def _answers(outcome: IntArray, covariates: FloatArray, q: int) -> _Answers:
    """Thresholds above and below each answer."""
    thresholds = np.arange(q)
    return _Answers(
        upper=(outcome[:, None] == thresholds).astype(np.float64),
        lower=(outcome[:, None] - 1 == thresholds).astype(np.float64),
        no_upper=np.where(outcome < q, 0.0, np.inf),
        no_lower=np.where(outcome > 0, 0.0, -np.inf),
        covariates=covariates,
    )


def _evaluate(answers: _Answers, weight: FloatArray, link: Link, params: FloatArray) -> _Point:
    """Log-likelihood and its derivatives.

    With `r = f / (F(a) - F(b))` and `g = f' / (F(a) - F(b))` at each limit, the derivatives by (a, b) are
    (r_a, -r_b) and [g_a - r_a^2, r_a r_b; r_a r_b, -g_b - r_b^2]; they vanish at infinite limits.
    """
    q = answers.upper.shape[1]
    predictor = answers.covariates @ params[q:]
    a = answers.upper @ params[:q] - predictor + answers.no_upper
    b = answers.lower @ params[:q] - predictor + answers.no_lower
    log_p = log_difference(link, a, b)
    value = float(weight @ log_p)
    if not np.isfinite(value):
        nothing = np.empty(0)
        return _Point(-np.inf, nothing, np.empty((0, 0)), nothing, nothing)
    r_a, g_a = _ratios(link, a, log_p)
    r_b, g_b = _ratios(link, b, log_p)
    both = weight * r_a * r_b
    by_aa, by_bb = weight * (g_a - r_a**2), -weight * (g_b + r_b**2)
    mixed = answers.upper.T @ (both[:, None] * answers.lower)
    information = np.empty((params.size, params.size))
    information[:q, :q] = -(np.diag(by_aa @ answers.upper) + np.diag(by_bb @ answers.lower) + mixed + mixed.T)
    crossed = answers.upper * (by_aa + both)[:, None] + answers.lower * (by_bb + both)[:, None]
    information[:q, q:] = crossed.T @ answers.covariates
    information[q:, :q] = information[:q, q:].T
    curvature = by_aa + 2 * both + by_bb
    information[q:, q:] = -(answers.covariates.T @ (curvature[:, None] * answers.covariates))
    gradient = np.concatenate(
        [
            (weight * r_a) @ answers.upper - (weight * r_b) @ answers.lower,
            -(weight * (r_a - r_b)) @ answers.covariates,
        ]
    )
    return _Point(value, gradient, information, r_a, -r_b)


def _scores(answers: _Answers, point: _Point) -> FloatArray:
    """(C, P) derivative of one respondent's log-likelihood by thresholds and slopes."""
    thresholds = answers.upper * point.by_upper[:, None] + answers.lower * point.by_lower[:, None]
    return np.hstack([thresholds, -answers.covariates * (point.by_upper + point.by_lower)[:, None]])


def _ratios(link: Link, limit: FloatArray, log_p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """F / p and f' / p at finite limits, zero at infinite ones."""
    finite = np.isfinite(limit)
    at = np.where(finite, limit, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.where(finite, np.exp(link.log_pdf(at) - log_p), 0.0)
        slope = np.where(density > 0, link.pdf_slope(at) * density, 0.0)
    return density, slope


def _maximize(
    answers: _Answers, weight: FloatArray, link: Link, params: FloatArray, point: _Point
) -> tuple[FloatArray, _Point, int, float, FloatArray]:
    """Parameters at the maximum, the point there, iterations, decrement per respondent and last step."""
    size = weight.sum()
    for iteration in range(1, MAX_ITERATIONS + 1):
        step, variance = _newton_step(point)
        decrement = float(point.gradient @ step) / size
        in_errors = np.abs(step) / np.sqrt(variance)
        if decrement < DECREMENT and in_errors.max() < STEP:
            return params, point, iteration - 1, decrement, step
        factor = 1.0
        for _ in range(MAX_HALVINGS):
            moved = _evaluate(answers, weight, link, params + factor * step)
            # within rounding of the maximum the value cannot tell better from worse
            if moved.value > point.value or (np.isfinite(moved.value) and decrement < 1e-11):
                break
            factor /= 2
        else:
            break
        params, point = params + factor * step, moved
    raise ConvergenceError(
        f"`formula`: the likelihood did not reach a maximum in {MAX_ITERATIONS} Newton steps (decrement "
        f"{decrement:.2g} per respondent). A predictor may separate the answers, or two may be nearly collinear: "
        "simplify the model or merge sparse levels."
    )


def _newton_step(point: _Point) -> tuple[FloatArray, FloatArray]:
    """Newton step and the (P,) variances of simple random sampling; the information is made positive definite."""
    information = point.information
    try:
        factor = cho_factor(information)
    except LinAlgError:
        smallest = float(np.linalg.eigvalsh(information)[0])
        information = information + (abs(smallest) + 1.0) * np.eye(len(information))
        factor = cho_factor(information)
    return cho_solve(factor, point.gradient), np.diag(cho_solve(factor, np.eye(len(information))))
