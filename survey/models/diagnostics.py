"""Diagnostics of ordinal models: variance inflation by collinear terms, and tests of whether the model fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_choice, check_kind
from survey.arrays import FloatArray, IntArray
from survey.errors import ConvergenceError, EstimationError
from survey.estimation import TestResult, adjusted_wald, covariance, wald_chisq
from survey.models.curvature import (
    check_parallel,
    check_simple_sample,
    curvature,
    parallel,
    probabilities_of,
)
from survey.models.fitted import answer_codes, influence_of, scaled_weight
from survey.models.likelihood import CumulativeFit, fit_limits
from survey.models.links import LINKS
from survey.models.nesting import independent_columns
from survey.models.ordinal import OrdinalFit
from survey.models.predictors import Predictors, proportional
from survey.models.refitting import refit

FitTest = Literal["score-groups", "lipsitz", "hosmer-lemeshow", "pulkstenis-robinson", "pulkstenis-robinson-deviance"]
Unit = Literal["term", "column"]
SMALL_EXPECTED = 1.0  # expected respondents in a cell below which the chi-square is doubtful
SAME_SCORE = 1e-9  # predictors closer than this share of their spread are ties


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """(C,) group of each pattern inside the domain, numbered by increasing predictor, and their number."""

    code: IntArray
    number: int


def vif(fit: OrdinalFit, *, by: Unit = "term") -> pd.DataFrame:
    """Variance inflation factors: by how much collinearity with the other terms widens the estimates of a term.

    The generalized factor of a term is the determinant of the covariance of its slopes over the one they would have
    if the term were uncorrelated with all others; of one column, the factor of its variance. The power
    1 / (2 columns) makes it a factor of standard errors that terms of any size share.

    Parameters
    ----------
    fit : ordinal model with at least two terms, or columns.
    by : "term", or each "column" against all others.

    Returns
    -------
    Columns term, columns, gvif and gvif_scaled (that power) from the information, as for a simple random sample;
    design_gvif and design_gvif_scaled from the design's covariance. The latter also hold what clustering and weights
    do to the residual part of the term, and may be below 1.

    Raises
    ------
    EstimationError : a model with a single term, one with nominal or scale effects, or an unknown unit.

    References
    ----------
    Fox and Monette (1992), JASA 87:178; Liao and Valliant (2012), Survey Methodology 38:53, whose intercept-adjusted
    factor is that of a column. R equivalents: car::vif; svydiags::svyvif.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_choice(by, Unit, "by")
    shape = curvature(fit)
    p = shape.scaled.shape[1]
    names = list(fit.matrix.terms) if by == "term" else list(fit.matrix.columns)
    slices = fit.matrix.slices if by == "term" else tuple((i,) for i in range(p))
    if len(names) < 2:
        raise EstimationError(
            f"`fit` must have two {by}s or more to be collinear; it has {', '.join(names)} alone. There is nothing to "
            "inflate its variance."
        )
    combine = parallel(shape.divisions, p)
    information = combine.T @ shape.information(shape.columns, "observed") @ combine
    scores = shape.scores(shape.columns, combine)
    inverse = np.linalg.inv(information)
    rows = []
    for name, positions in zip(names, slices, strict=True):
        term = np.asarray(positions, dtype=np.intp)
        alone = np.concatenate([term, np.arange(p, p + shape.divisions)])  # the term and the thresholds, nothing else
        simple = np.linalg.inv(information[np.ix_(alone, alone)])
        k = len(term)
        plain = inverse[np.ix_(term, term)], simple[:k, :k]
        design = _variance(fit, scores @ inverse[:, term]), _variance(fit, scores[:, alone] @ simple[:, :k])
        # ratio of generalized variances, |V(b)| / |V(b) without the other terms|
        factors = [float(np.exp(np.linalg.slogdet(a)[1] - np.linalg.slogdet(b)[1])) for a, b in (plain, design)]
        rows.append((name, k, factors[0], factors[0] ** (0.5 / k), factors[1], factors[1] ** (0.5 / k)))
    columns = ["term", "columns", "gvif", "gvif_scaled", "design_gvif", "design_gvif_scaled"]
    return pd.DataFrame(rows, columns=columns)


def _variance(fit: OrdinalFit, influence: FloatArray) -> FloatArray:
    """(k, k) design-based covariance of totals of (C, k) influence values inside the domain."""
    values = influence_of(fit.cells, influence)
    return covariance(fit.cells, np.zeros(influence.shape[1]), values, lambda weights: weights.T @ values)


def model_fit_test(fit: OrdinalFit, *, method: FitTest = "score-groups", groups: int = 10) -> TestResult:
    """Test whether an ordinal model fits, by groups of respondents with similar predictions.

    Parameters
    ----------
    method : "score-groups" adds indicators of the groups to the model and tests them by the design-based adjusted Wald
        F; it is for any design. The others are for simple random samples: "lipsitz", the same by the likelihood
        ratio; "hosmer-lemeshow", observed against expected answers by group (ordinal version); "pulkstenis-robinson",
        the same in the patterns of the categorical covariates, each divided at its median prediction, and its
        "pulkstenis-robinson-deviance".
    groups : groups of equal size (sum of weights) along the linear predictor; Pulkstenis and Robinson's are made by the
        covariates.

    Returns
    -------
    TestResult; a small p-value says that the model does not fit. The tests look in different directions: groups along
    the predictor find a wrong form or link, not slopes that differ between divisions (`parallel_lines_test`).

    Raises
    ------
    EstimationError : an unknown method, fewer than 3 groups, too few distinct predictions, no categorical (or no other)
        covariate for "pulkstenis-robinson", or a design other than a simple random sample where that is needed.

    References
    ----------
    Archer and Lemeshow (2006), Stata Journal 6:97 (groups under a design); Lipsitz, Fitzmaurice and Molenberghs (1996),
    Applied Statistics 45:175; Fagerland and Hosmer (2013), Statistics in Medicine 32:2235; Pulkstenis and Robinson
    (2004), Statistics in Medicine 23:999. R equivalents: generalhoslem.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_choice(method, FitTest, "method")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 3:
        raise EstimationError(f"`groups` must be a whole number, 3 or more; got {groups!r}. Ten are usual.")
    check_parallel(fit)
    if method != "score-groups":
        check_simple_sample(fit.cells, f'`method`="{method}"; Use method="score-groups".')
    if method in ("score-groups", "lipsitz"):
        return _indicator_test(fit, groups, method)
    if method == "hosmer-lemeshow":
        return _hosmer_lemeshow(fit, _by_score(fit, groups))
    return _pulkstenis_robinson(fit, method)


def _linear_predictor(fit: OrdinalFit) -> FloatArray:
    """(C,) linear predictor inside the domain; patterns that differ by rounding alone are made equal."""
    inside = fit.cells.inside
    predictor = fit.covariates[inside] @ fit.slopes.to_numpy() + fit.predictors.offset[fit.cells.inside]
    order = np.argsort(predictor, kind="stable")
    sorted_values = predictor[order]
    new = np.r_[True, np.diff(sorted_values) > SAME_SCORE * max(float(np.ptp(sorted_values)), np.finfo(float).tiny)]
    result = np.empty_like(predictor)
    result[order] = sorted_values[new][np.cumsum(new) - 1]
    return result


def _by_score(fit: OrdinalFit, groups: int) -> _Groups:
    """Groups along the linear predictor; respondents with the same prediction are in the same group.

    The bounds are quantiles that interpolate between respondents (R's type 7; by sums of weights where these differ).
    """
    predictor = _linear_predictor(fit)
    n = fit.cells.n[fit.cells.inside].astype(np.float64)
    weight = scaled_weight(fit.cells)
    distinct, position = np.unique(predictor, return_inverse=True)
    sums = np.bincount(position, weights=weight)
    mean = weight.sum() / n.sum()
    # the first and last respondent with each prediction, on an axis from 0 to the sum of weights less one
    last = np.cumsum(sums) - mean
    first = last - np.maximum(sums - mean, 0.0)
    at = np.linspace(0.0, 1.0, groups + 1)[1:-1] * last[-1]
    bounds = np.interp(at, np.column_stack([first, last]).ravel(), np.repeat(distinct, 2))
    code = np.searchsorted(
        np.unique(bounds), predictor - SAME_SCORE * max(float(np.ptp(distinct)), 1e-300), side="left"
    )
    present, code = np.unique(code, return_inverse=True)
    if present.size < 3:
        raise EstimationError(
            f"`groups`: the model makes {distinct.size} distinct predictions, which give {present.size} groups; a "
            "test of fit needs 3. It has too few covariates to be tested this way."
        )
    return _Groups(code.astype(np.intp), int(present.size))


def _extended(fit: OrdinalFit, extra: FloatArray) -> tuple[CumulativeFit, Predictors]:
    """Fit with further columns."""
    columns = np.hstack([fit.covariates[fit.cells.inside], extra])
    offset = fit.predictors.offset[fit.cells.inside]
    predictors = replace(proportional(columns, len(fit.levels) - 1), offset=offset)
    reason = ""
    try:
        extended = fit_limits(answer_codes(fit), predictors, weight=scaled_weight(fit.cells), link=LINKS[fit.link])
        if not extended.suspicious:
            return extended, predictors
    except ConvergenceError as error:
        reason = f" {error}"
    raise EstimationError(
        "`groups`: the model with indicators of the groups has no maximum, as where all respondents of a group give "
        f"the lowest or the highest answer. Use fewer groups.{reason}"
    )


def _indicator_test(fit: OrdinalFit, groups: int, method: FitTest) -> TestResult:
    """Test of the indicators of groups along the predictor, added to the model."""
    by_score = _by_score(fit, groups)
    indicators = (by_score.code[:, None] == np.arange(1, by_score.number)).astype(np.float64)
    root = np.sqrt(scaled_weight(fit.cells))[:, None]
    given = np.column_stack([np.ones(len(root)), curvature(fit).scaled])
    free = independent_columns(root * given, root * indicators)
    if free.size == 0:
        raise EstimationError(
            "`groups`: the groups follow from the columns of the model, which fits them by itself (it is saturated). "
            "There is nothing to test this way."
        )
    extended, predictors = _extended(fit, indicators[:, free])
    note = f"{by_score.number} groups along the linear predictor."
    if len(free) < by_score.number - 1:
        note += f" {by_score.number - 1 - len(free)} follow from the columns of the model and are not counted."
    k = len(free)
    if method == "lipsitz":
        statistic = max(2.0 * (extended.log_likelihood - fit.log_likelihood), 0.0)
        return TestResult(statistic, k, np.nan, float(scipy.special.chdtrc(k, statistic)), "Lipsitz test of fit", note)
    cells = fit.cells
    inside = fit.cells.inside
    added = slice(len(extended.params) - k, len(extended.params))
    influence = influence_of(cells, extended.influence[:, added])
    replicated = np.zeros((0, k))
    if cells.replicates is not None:
        weights = cells.replicates.weight[inside]
        refitted = refit(
            answer_codes(fit), predictors, weights=weights, link=LINKS[fit.link], start=extended.params, argument="fit"
        )
        replicated = refitted[:, added]
    value = extended.params[added]
    vcov = covariance(cells, value, influence, lambda _: replicated)
    statistic = wald_chisq(value, vcov) if k <= fit.df else np.nan
    return adjusted_wald(statistic, k, fit.df, "Test of fit by groups of the predictor, design-based", note)


def _tables(fit: OrdinalFit, code: IntArray) -> tuple[FloatArray, FloatArray]:
    """(G, K) respondents observed and expected by group and answer."""
    n = fit.cells.n[fit.cells.inside].astype(np.float64)
    member = (code[:, None] == np.arange(code.max() + 1)).astype(np.float64) * n[:, None]
    answers = (answer_codes(fit)[:, None] == np.arange(len(fit.levels))).astype(np.float64)
    return member.T @ answers, member.T @ probabilities_of(fit)


def _chisq(observed: FloatArray, expected: FloatArray, df: int, name: str, note: str) -> TestResult:
    """Pearson's statistic."""
    if df < 1:
        raise EstimationError(f"`fit` leaves {df} degrees of freedom for a test of fit. Use another method.")
    statistic = float(((observed - expected) ** 2 / expected).sum())
    small = int((expected < SMALL_EXPECTED).sum())
    if small:
        note += f" In {small} of {expected.size} cells fewer than {SMALL_EXPECTED:g} is expected: the p-value is rough."
    return TestResult(statistic, df, np.nan, float(scipy.special.chdtrc(df, statistic)), name, note)


def _hosmer_lemeshow(fit: OrdinalFit, made: _Groups) -> TestResult:
    """Ordinal version of the Hosmer-Lemeshow test, on (G - 2) (K - 1) + K - 2 degrees of freedom."""
    observed, expected = _tables(fit, made.code)
    k = len(fit.levels)
    df = (made.number - 2) * (k - 1) + k - 2
    note = f"{made.number} groups along the linear predictor."
    return _chisq(observed, expected, df=df, name="Ordinal Hosmer-Lemeshow test of fit", note=note)


def _pulkstenis_robinson(fit: OrdinalFit, method: FitTest) -> TestResult:
    """Observed against expected answers in the patterns of the categorical covariates, halved at the median score."""
    names = [name for name in fit.matrix.dtypes if name != fit.outcome]
    others = [name for name in fit.cells.frame.columns if name != fit.outcome and name not in names]
    if not names or not others:
        raise EstimationError(
            f'`method`="{method}" needs both categorical and numeric covariates; the model has {names or "no"} '
            f'categorical and {others or "no"} numeric. Use "hosmer-lemeshow" or "lipsitz".'
        )
    frame = fit.cells.frame[fit.cells.inside]
    pattern = frame.groupby(names, observed=True, sort=True).ngroup().to_numpy()
    score = probabilities_of(fit) @ np.arange(1.0, len(fit.levels) + 1)
    predictor = _linear_predictor(fit)
    n = fit.cells.n[fit.cells.inside]
    above = np.zeros(len(pattern), dtype=np.intp)
    for code in np.unique(pattern):
        members = np.flatnonzero(pattern == code)
        # the score rises with the predictor, by which ties are exact
        order = members[np.argsort(predictor[members], kind="stable")]
        ends = np.cumsum(n[order])
        middle = (ends[-1] - 1) / 2
        low = order[np.searchsorted(ends, np.floor(middle), side="right")]
        high = order[np.searchsorted(ends, np.ceil(middle), side="right")]
        median = (score[low] + score[high]) / 2
        above[members] = (score[members] > median) & (predictor[members] != predictor[low])
    _, halves = np.unique(2 * pattern + above, return_inverse=True)
    observed, expected = _tables(fit, halves.astype(np.intp))
    df = (len(observed) - 1) * (len(fit.levels) - 1) - len(names) - 1
    note = f"{len(observed)} groups: patterns of {', '.join(names)}, divided at the median score."
    if method == "pulkstenis-robinson":
        return _chisq(observed, expected, df=df, name="Pulkstenis-Robinson test of fit, chi-square", note=note)
    if df < 1:
        raise EstimationError(f"`fit` leaves {df} degrees of freedom for a test of fit. Use another method.")
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = 2.0 * float(np.where(observed > 0, observed * np.log(observed / expected), 0.0).sum())
    name = "Pulkstenis-Robinson test of fit, deviance"
    return TestResult(deviance, df, np.nan, float(scipy.special.chdtrc(df, deviance)), name, note)
