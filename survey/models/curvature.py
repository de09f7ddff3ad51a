"""Derivatives of a cumulative-link likelihood around a fit, by the limits of the answers.

The q limits of a pattern are its thresholds less its predictor. A model of parallel lines and its alternatives differ
in how their parameters make the threshold and slopes of each limit, so that their scores and information are linear
combinations of those by the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.models.derivatives import derivatives, ratios
from survey.models.fitted import Fitted, answer_codes, params_of, scaled_weight
from survey.models.links import LINKS, Link, log_difference
from survey.models.predictors import limits

Kind = Literal["observed", "expected"]


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Respondents of a fit and the derivatives of their log-likelihood by the limits, at the fit.

    Attributes
    ----------
    codes : (C,) answers numbered 0 ... q of the patterns inside the domain.
    weight : (C,) sums of weights, scaled to mean 1 per respondent.
    scaled : (C, p) covariates, centred and divided by their standard deviation.
    centre, scale : (p,) what they were centred at and divided by.
    limits : (C, q) thresholds less predictor.
    log_likelihood : (C,) of one respondent.
    score : (C, q) derivatives of it by the limits.
    observed, expected : (C, q) and (C, q - 1) main and next diagonal of the information by the limits; answers touch
        two limits at most, so that there are no others.
    """

    codes: IntArray
    weight: FloatArray
    scaled: FloatArray
    centre: FloatArray
    scale: FloatArray
    limits: FloatArray
    log_likelihood: FloatArray
    score: FloatArray
    observed: tuple[FloatArray, FloatArray]
    expected: tuple[FloatArray, FloatArray]

    @property
    def divisions(self) -> int:
        """Number of limits, q."""
        return int(self.limits.shape[1])

    @property
    def columns(self) -> FloatArray:
        """(C, 1 + p) derivatives of each limit by its own threshold and slopes: a constant and the covariates."""
        return np.column_stack([np.ones(self.codes.size), -self.scaled])

    def scores(self, columns: FloatArray, combine: FloatArray) -> FloatArray:
        """(C, m) scores of one respondent by m parameters.

        Parameters
        ----------
        columns : (C, c) derivatives of each limit by c parameters of its own.
        combine : (q c, m) how the m parameters make those of the limits, limit by limit.
        """
        # d log-likelihood / d parameter = sum over limits of (d log-likelihood / d limit) (d limit / d parameter)
        parts = combine.reshape(self.divisions, columns.shape[1], -1)
        total: FloatArray = self.score[:, [0]] * (columns @ parts[0])
        for j in range(1, self.divisions):
            total += self.score[:, [j]] * (columns @ parts[j])
        return total

    def information(self, columns: FloatArray, kind: Kind) -> FloatArray:
        """(q c, q c) information on c parameters of each limit, of all respondents together."""
        main, beside = self.observed if kind == "observed" else self.expected
        q = self.divisions
        c = columns.shape[1]
        total = np.zeros((q, c, q, c))
        for j in range(q):
            total[j, :, j] = columns.T @ ((self.weight * main[:, j])[:, None] * columns)
            if j + 1 < q:
                crossed = columns.T @ ((self.weight * beside[:, j])[:, None] * columns)
                total[j, :, j + 1] = crossed
                total[j + 1, :, j] = crossed.T
        return total.reshape(q * c, q * c)


def parallel(q: int, p: int) -> FloatArray:
    """(q (1 + p), p + q) how p slopes and q thresholds make the parameters of the limits: the slopes are the same."""
    combine = np.zeros((q, 1 + p, p + q))
    combine[:, 1:, :p] = np.eye(p)
    combine[np.arange(q), 0, p + np.arange(q)] = 1.0
    return combine.reshape(q * (1 + p), p + q)


def curvature(fit: Fitted) -> Curvature:
    """Derivatives of the likelihood at a fit with one slope per covariate and free thresholds.

    Raises
    ------
    EstimationError : partial proportional odds, scale effects or structured thresholds.
    """
    check_parallel(fit)
    inside = fit.cells.inside
    return curvature_at(
        answer_codes(fit),
        fit.covariates[inside],
        weight=scaled_weight(fit.cells),
        between=limits_of(fit),
        link=LINKS[fit.link],
    )


def limits_of(fit: Fitted, params: FloatArray | None = None) -> FloatArray:
    """(C, q) limits between the answers of the patterns inside the domain, at the fit or at (k,) other parameters."""
    values = params_of(fit) if params is None else params
    return limits(fit.predictors.rows(fit.cells.inside), fit.parameters(values))


def probabilities_of(fit: Fitted) -> FloatArray:
    """(C, K) probabilities of the answers of the patterns inside the domain."""
    return np.exp(log_probabilities(limits_of(fit), LINKS[fit.link]))


def log_probabilities(between: FloatArray, link: Link) -> FloatArray:
    """(C, q + 1) log probabilities of the answers between (C, q) limits."""
    ends = np.full((len(between), 1), np.inf)
    padded = np.hstack([-ends, between, ends])
    return log_difference(link, padded[:, 1:], padded[:, :-1])


def curvature_at(
    codes: IntArray, covariates: FloatArray, weight: FloatArray, between: FloatArray, link: Link
) -> Curvature:
    """The same for C patterns with given (C, q) limits between the answers.

    References
    ----------
    McCullagh (1980), JRSS B 42:109; the expected information sums f_j f_l / pi over the answers between two limits.
    """
    size = weight.sum()
    centre = weight @ covariates / size
    scale = np.sqrt(weight @ (covariates - centre) ** 2 / size)
    rows = np.arange(codes.size)
    q = between.shape[1]
    padded = np.column_stack([np.full(codes.size, -np.inf), between, np.full(codes.size, np.inf)])
    log_pi = log_probabilities(between, link)
    log_p = log_pi[rows, codes]
    first, second = derivatives(ratios(link, padded[rows, codes + 1], below=padded[rows, codes], log_p=log_p))
    score = np.zeros((codes.size, q))
    main = np.zeros((codes.size, q))
    beside = np.zeros((codes.size, q - 1))
    has_above = codes < q
    has_below = codes > 0
    has_both = has_above & has_below
    score[rows[has_above], codes[has_above]] = first[0, has_above]
    score[rows[has_below], codes[has_below] - 1] = first[1, has_below]
    main[rows[has_above], codes[has_above]] = -second[0, has_above]
    main[rows[has_below], codes[has_below] - 1] = -second[1, has_below]
    beside[rows[has_both], codes[has_both] - 1] = -second[2, has_both]
    # each limit lies between two answers: f^2 / pi of the one below it and of the one above it; two neighbouring limits
    # have one answer in common
    log_f = link.log_pdf(between)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.exp(2 * log_f - log_pi[:, :-1]) + np.exp(2 * log_f - log_pi[:, 1:])
        expected_beside = -np.exp(log_f[:, :-1] + log_f[:, 1:] - log_pi[:, 1:-1])
    return Curvature(
        codes=codes,
        weight=weight,
        scaled=(covariates - centre) / np.where(scale > 0, scale, 1.0),
        centre=centre,
        scale=scale,
        limits=between,
        log_likelihood=log_p,
        score=score,
        observed=(main, beside),
        expected=(np.nan_to_num(expected), np.nan_to_num(expected_beside)),
    )


def check_parallel(fit: Fitted) -> None:
    """Raise unless a fit has one slope per covariate and one free threshold per division, and nothing else."""
    if not fit.predictors.is_proportional:
        raise EstimationError(
            "`fit` must have the same slopes at every division of the answers and free thresholds; partial "
            "proportional odds, scale effects and structured thresholds are not supported here. Fit the model without "
            "them."
        )


def check_simple_sample(cells: Cells, what: str) -> None:
    """Raise unless the design is a simple random sample with equal weights, which a likelihood assumes.

    Parameters
    ----------
    what : what needs it, at the start of the sentence; and what to use instead, after a semicolon.
    """
    name, _, instead = what.partition("; ")
    stage = cells.stages[0]
    each = cells.weight[cells.inside] / cells.n[cells.inside]
    reason = ""
    if cells.replicates is not None:
        reason = "it has replicate weights"
    elif cells.calibrations:
        reason = "its weights were calibrated"
    elif len(cells.stages) > 1 or stage.cluster is not None:
        reason = "it has PSUs"
    elif stage.n_h.size > 1:
        reason = f"it has {stage.n_h.size} strata"
    elif stage.fraction.any():
        reason = "it has population sizes"
    elif np.ptp(each) > 1e-12 * each.max() or (cells.entries.scatter > 1e-20 * cells.entries.weight**2).any():
        reason = "its weights differ"
    if reason:
        raise EstimationError(
            f"{name} is for a simple random sample with equal weights; the design is not one: {reason}. {instead}"
        )
