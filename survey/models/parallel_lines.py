"""Parallel lines: whether the slopes are the same at every division of the answers, and by how much they differ.

A model of proportional odds gives each covariate one slope. The binary models of Y > j, one for each division of the
answers, show what it averages: their slopes side by side, and tests that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_choice, check_level
from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.errors import ConvergenceError, EstimationError
from survey.estimation import Estimate, TestResult, adjusted_wald, covariance, model_estimate, wald_chisq
from survey.models.curvature import check_parallel, check_simple_sample
from survey.models.fitted import Fitted, answer_codes, check_fit, influence_of, scaled_weight
from survey.models.likelihood import CumulativeFit, fit_limits
from survey.models.links import LINKS
from survey.models.predictors import Predictors, proportional
from survey.models.refitting import refit
from survey.models.score import ScoreMethod, parallel_lines_score_test
from survey.models.separation import separating_direction

ParallelMethod = Literal["score", "working-score", "model-score", "brant", "model-brant"]
Source = Literal["design", "model"]
EVENTS_PER_SLOPE = 10  # Peduzzi et al. (1996), J. Clin. Epidemiol. 49:1373
NOTABLE = 0.05  # p-value below which the note says what to do next
MANY = 2000  # respondents from which the note says that small differences are significant


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """Binary model of one division: (p,) slopes, their (C, p) influence, (R, p) in the replicates.

    On the patterns inside the domain `above` (C,) is P(Y > j) and `scores` (C, p + 1) the scores of threshold and
    slopes are these times the deviation of the indicator of Y > j from it; `inverse` (p + 1, p + 1) is the inverse of
    their information.
    """

    slopes: FloatArray
    influence: FloatArray
    replicated: FloatArray
    scores: FloatArray
    above: FloatArray
    inverse: FloatArray


def parallel_slopes(fit: Fitted, *, level: float = 0.95, source: Source = "design") -> Estimate:
    """Slopes of the binary models of every division of the answers, side by side.

    Parameters
    ----------
    fit : model with one slope per covariate; the binary models have its terms and its link.
    level : confidence level of the t intervals.
    source : "design" takes the joint covariance from the influence of each respondent on all of them; "model" is
        Brant's, from the binary models' own probabilities, for simple random samples.

    Returns
    -------
    Estimate with a row per column of the model and division: `term` is the column, `level` the division, as
    "Neither|Somewhat approve" (the slope of being above it). `survey.figures.parallel_slopes` draws it.

    Raises
    ------
    EstimationError : a two-level outcome, a model with nominal or scale effects, a binary model that separates, or
        "model" under a design that is not a simple random sample.

    References
    ----------
    Brant (1990), Biometrics 46:1171.
    """
    check_fit(fit, "fit")
    check_level(level)
    divisions = _divisions(fit, source)
    p = len(fit.matrix.columns)
    q = len(divisions)
    order = np.arange(p * q).reshape(q, p).T.ravel()  # by division -> by column
    value, vcov = _joint(fit.cells, divisions, source)
    value = value[order]
    vcov = vcov[np.ix_(order, order)]
    names = [str(name) for name in fit.thresholds.index]
    return model_estimate(
        pd.DataFrame({"term": np.repeat(list(fit.matrix.columns), q), "level": names * p}),
        value,
        vcov,
        df=fit.df,
        n=float(fit.n),
        level=level,
        whole_df=fit.df,
        whole_n=float(fit.n),
    )


def parallel_lines_test(fit: Fitted, method: ParallelMethod = "brant") -> TestResult:
    """Test whether the slopes are the same at every division of the answers (proportional odds).

    Parameters
    ----------
    method : "brant", the design-based comparison of the slopes of the binary models; "score", the design-based score
        test at the model as it is, which needs no other fit; "working-score", with a Rao-Scott correction, which needs
        no inverse of the covariance and rejects too rarely where PSUs are few; "model-score" and "model-brant", those
        of a simple random sample.

    Returns
    -------
    TestResult over all terms; `tidy()` has a row per term; the note says what to do next.

    Raises
    ------
    EstimationError : an unknown method, a two-level outcome, a model with nominal or scale effects, a binary model
        that separates ("brant"), or a model-based method under a design that is not a simple random sample.

    References
    ----------
    Brant (1990), Biometrics 46:1171; Rao, Scott and Skinner (1998), Statistica Sinica 8:1059. R equivalent of
    "model-brant": brant::brant, whose overall statistic inverts a matrix that is not symmetric.
    """
    check_fit(fit, "fit")
    check_choice(method, ParallelMethod, "method")
    if method in ("brant", "model-brant"):
        result = _brant(fit, "design" if method == "brant" else "model")
    else:
        known: dict[ParallelMethod, ScoreMethod] = {
            "score": "pseudoscore",
            "working-score": "working",
            "model-score": "model",
        }
        result = parallel_lines_score_test(fit, method=known[method])
    return replace(result, note=f"{result.note} {_rare_answers(fit)}{_next_steps(fit, result)}".strip())


def _next_steps(fit: Fitted, result: TestResult) -> str:
    """What a reader should do about the result."""
    if result.parts is None:
        differing = list(fit.matrix.terms) if result.p_value < NOTABLE else []
    else:
        differing = [str(term) for term in result.parts.loc[result.parts["p_value"] < NOTABLE, "term"]]
    if not differing and not result.p_value < NOTABLE:
        return "No term has slopes that clearly differ between divisions."
    size = (
        f" With {fit.n} respondents differences too small to matter are significant: judge their size, not the p-value."
        if fit.n >= MANY
        else ""
    )
    if not differing:
        return (
            "The slopes differ between divisions, but for no term alone. Next: compare them with "
            f"survey.parallel_slopes and survey.figures.parallel_slopes.{size}"
        )
    wanted = " + ".join(differing)
    return (
        f"The slopes of {', '.join(differing)} differ between divisions. Next: look at them with "
        "survey.parallel_slopes and survey.figures.parallel_slopes. If they keep their sign and the differences do not "
        "matter for the question, report the common slope as an average over the divisions; else give these terms a "
        f'slope per division (nominal="~ {wanted}") and compare average effects.{size}'
    )


def _rare_answers(fit: Fitted) -> str:
    """Warning where one side of a division has too few respondents."""
    codes = answer_codes(fit)
    p = len(fit.matrix.columns)
    n = fit.cells.n[fit.cells.inside]
    below = np.array([n[codes <= j].sum() for j in range(len(fit.levels) - 1)])
    fewest = np.minimum(below, fit.n - below)
    if fewest.min() >= EVENTS_PER_SLOPE * p:
        return ""
    at = fit.thresholds.index[int(fewest.argmin())]
    return (
        f"Only {fewest.min()} respondents lie on one side of {at}, for {p} slopes: with fewer than {EVENTS_PER_SLOPE} "
        "per slope the covariance is too small and the test rejects too often. Merge rare answers first. "
    )


def _brant(fit: Fitted, source: Source) -> TestResult:
    """Wald test that the slopes of the binary models agree, overall and by term."""
    divisions = _divisions(fit, source)
    p = len(fit.matrix.columns)
    q = len(divisions)
    value, vcov = _joint(fit.cells, divisions, source)
    difference = np.kron(np.hstack([np.ones((q - 1, 1)), -np.eye(q - 1)]), np.eye(p))
    name = "Brant test of parallel lines, " + ("design-based" if source == "design" else "simple random sample")

    def test(columns: IntArray) -> TestResult:
        """Test that the slopes of some columns agree."""
        contrast = difference[np.concatenate([columns + p * j for j in range(q - 1)])]
        k = len(contrast)
        if source == "model":
            statistic = wald_chisq(contrast @ value, contrast @ vcov @ contrast.T)
            p_value = float(scipy.special.chdtrc(k, statistic))
            return TestResult(statistic, k, np.nan, p_value, name, wald_chisq=statistic)
        statistic = np.nan
        if k <= fit.df:
            statistic = wald_chisq(contrast @ value, contrast @ vcov @ contrast.T)
        return adjusted_wald(statistic, k, fit.df, name)

    parts = [test(np.asarray(positions, dtype=np.intp)) for positions in fit.matrix.slices]
    overall = test(np.arange(p))
    tidy = pd.DataFrame(
        {
            "term": list(fit.matrix.terms),
            "statistic": [part.statistic for part in parts],
            "df1": [part.df1 for part in parts],
            "df2": [part.df2 for part in parts],
            "p_value": [part.p_value for part in parts],
            "method": name,
        }
    )
    return replace(overall, parts=tidy)


def _divisions(fit: Fitted, source: Source) -> list[_Division]:
    """Binary models of all divisions."""
    check_choice(source, Source, "source")
    check_parallel(fit)
    if len(fit.levels) < 3:
        raise EstimationError(
            f"`fit` must have an outcome of three or more answers to compare divisions; it has {len(fit.levels)}."
        )
    if source == "model":
        check_simple_sample(fit.cells, 'The model-based covariance; Use that of the design (source="design", "brant").')
    codes = answer_codes(fit)
    return [_division(fit, codes, j) for j in range(len(fit.levels) - 1)]


def _division(fit: Fitted, codes: IntArray, j: int) -> _Division:
    """Binary model of being above answer j."""
    cells = fit.cells
    inside = fit.cells.inside
    link = LINKS[fit.link]
    columns = fit.covariates[inside]
    predictors = replace(proportional(columns, 1), offset=fit.predictors.offset[inside])
    above = (codes > j).astype(np.intp)
    maximum = _fitted(fit, above, predictors=predictors, j=j)
    influence = influence_of(cells, maximum.influence[:, 1:])
    replicated = np.zeros((0, columns.shape[1]))
    if cells.replicates is not None:
        weights = cells.replicates.weight[inside]
        replicated = refit(above, predictors, weights=weights, link=link, start=maximum.params, argument="fit")[:, 1:]
    limit = maximum.params[0] - columns @ maximum.params[1:] - predictors.offset
    # score of a binary model: f / (F (1 - F)) times the deviation of the indicator from its probability
    density = np.exp(link.log_pdf(limit) - link.log_cdf(limit) - link.log_sf(limit))
    scores = density[:, None] * np.column_stack([-np.ones(len(columns)), columns])
    return _Division(
        slopes=maximum.params[1:],
        influence=influence,
        replicated=replicated,
        scores=scores,
        above=np.exp(link.log_sf(limit)),
        inverse=maximum.inverse_information,
    )


def _fitted(fit: Fitted, above: IntArray, predictors: Predictors, j: int) -> CumulativeFit:
    """Fit of a binary model, refused where it has none."""
    reason = ""
    try:
        maximum = fit_limits(above, predictors, weight=scaled_weight(fit.cells), link=LINKS[fit.link])
        if not maximum.suspicious:
            return maximum
    except ConvergenceError as error:
        reason = f" {error}"
    direction = separating_direction(above, predictors.location)
    if direction is None and not reason:
        return maximum
    names = [] if direction is None else [fit.matrix.columns[i] for i in np.flatnonzero(np.abs(direction) > 1e-6)]
    what = f"{', '.join(names)} separate the respondents on its two sides." if names else f"it has no maximum.{reason}"
    raise EstimationError(
        f"`fit` must have a binary model at every division to compare slopes; at {fit.thresholds.index[j]!r} {what} "
        'Merge rare answers or levels, or use the score test (method="score"), which needs no binary models.'
    )


def _joint(cells: Cells, divisions: list[_Division], source: Source) -> tuple[FloatArray, FloatArray]:
    """(q p,) slopes, division by division, and their covariance."""
    value = np.concatenate([division.slopes for division in divisions])
    if source == "design":
        replicated = np.hstack([division.replicated for division in divisions])
        influence = np.hstack([division.influence for division in divisions])
        return value, covariance(cells, value, influence, lambda _: replicated)
    p = len(divisions[0].slopes)
    weight = cells.n[cells.inside].astype(np.float64)
    blocks = []
    for j, one in enumerate(divisions):
        row = []
        for other in divisions[:j]:  # P(Y > l) (1 - P(Y > j)) for l above j: the indicators are nested
            shared = weight * one.above * (1 - other.above)
            row.append((one.inverse @ (one.scores.T @ (shared[:, None] * other.scores)) @ other.inverse)[1:, 1:])
        row += [one.inverse[1:, 1:]]
        blocks.append(row + [np.zeros((p, p))] * (len(divisions) - 1 - j))
    lower = np.block(blocks)
    return value, lower + lower.T - lower * (np.kron(np.eye(len(divisions)), np.ones((p, p))))
