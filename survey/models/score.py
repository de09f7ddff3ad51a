"""Score tests under a design: of terms that a model lacks, and of the same slopes at every division (parallel lines).

Both look only at the model fitted: whether the scores of further parameters, at zero, are larger than their sampling
variance under the design allows. What would have to be estimated under the alternative need not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_choice
from survey.arrays import FloatArray, IntArray
from survey.design import Cells, Design, Missing, check_design, collapse
from survey.errors import EstimationError
from survey.estimation import TestResult, adjusted_wald, covariance, wald_chisq
from survey.inference import sum_of_chisq_sf
from survey.models.curvature import (
    Curvature,
    check_parallel,
    check_simple_sample,
    curvature,
    curvature_at,
    parallel,
)
from survey.models.fitted import Fitted, check_fit, influence_of, params_of, scaled_weight
from survey.models.formula import one_sided, outcome_name, variables_of
from survey.models.links import LINKS
from survey.models.model_matrix import model_matrix
from survey.models.nesting import independent_columns, same_respondents
from survey.models.predictors import limits

ScoreMethod = Literal["pseudoscore", "working", "model"]


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """Scores of m further parameters at zero, cleared of those of the parameters of the model.

    `value` (m,) their sum over the respondents, `influence` (C, m) of one respondent with each pattern, `information`
    (m, m) what is left of the expected information; weights scaled to mean 1.
    """

    cells: Cells
    df: float
    value: FloatArray
    influence: FloatArray
    information: FloatArray


def score_test(
    fit: Fitted,
    design: Design,
    added: str,
    *,
    method: ScoreMethod = "pseudoscore",
    missing: Missing = "drop",
) -> TestResult:
    """Score test of terms that a model lacks, without fitting the model that has them.

    Parameters
    ----------
    fit : model without the terms.
    design : design it was fitted under, for the variables of the added terms.
    added : terms in the language of formulas, as "region + age:income".
    method : "pseudoscore", the scores' design-based Wald statistic as an adjusted F; "working", the statistic of a
        simple random sample with a Rao-Scott correction, which needs fewer PSUs; "model", that statistic as a
        chi-square, for simple random samples.
    missing : "drop" or "fail", for missing values in the variables of the formula.

    Returns
    -------
    TestResult over all added terms; `tidy()` has a row per term where there are several.

    Raises
    ------
    EstimationError : terms that add nothing, or that some respondents of the fit have missing values in; an unknown
        method; "model" under a design that is not a simple random sample.

    References
    ----------
    Rao, Scott and Skinner (1998), Statistica Sinica 8:1059. R equivalent: survey::svyscoretest, whose p-value of the
    pseudoscore compares the Wald statistic with F without dividing it by the number of parameters.
    """
    check_fit(fit, "fit")
    check_design(design)
    if not isinstance(added, str):
        raise EstimationError(f'`added` must be terms of a formula, as "region + age:income"; got {added!r}.')
    _check_method(fit.cells, method)
    check_parallel(fit)
    terms = one_sided(f"~ {added.strip().lstrip('~')}", "added")
    formula = f"{fit.formula} + {terms}"
    offset = [] if fit.parts.offset is None else [fit.parts.offset]
    variables = variables_of(formula, design.frame, argument="added")
    cells = collapse(design, [outcome_name(formula), *variables, *offset], missing)
    if not same_respondents(cells, fit.cells):
        raise EstimationError(
            f"`added` must be known for the respondents of `fit`; with {added.strip()!r} there are {cells.n.sum()} of "
            f"{fit.n}, with weights that sum to {cells.weight.sum():g} against {fit.cells.weight.sum():g}. Restrict "
            "the design to those who know it (design.domain), fit again, and pass the same design."
        )
    matrix, covariates = model_matrix(formula, cells, design)
    new = [i for i, name in enumerate(matrix.columns) if name not in fit.matrix.columns]
    inside = cells.inside
    predictors = fit.parts.predictors(cells.frame, inside).rows(inside)
    between = limits(predictors, fit.parameters(params_of(fit)))
    shape = curvature_at(
        _codes(cells, fit), predictors.location, weight=scaled_weight(cells), between=between, link=LINKS[fit.link]
    )
    extra = covariates[inside][:, new]
    root = np.sqrt(shape.weight / shape.weight.sum())
    extra = extra - root**2 @ extra
    free_columns = independent_columns(root[:, None] * shape.scaled, root[:, None] * extra)
    if free_columns.size == 0:
        raise EstimationError(
            f"`added` must add to the model; the columns of {added.strip()!r} follow from those that it has. Name "
            "other terms."
        )
    lost = [matrix.columns[new[i]] for i in range(len(new)) if i not in free_columns]
    note = f"Left out, as they follow from other columns: {', '.join(lost)}." if lost else ""
    extra = extra[:, free_columns] / np.sqrt(root**2 @ extra[:, free_columns] ** 2)
    columns = np.hstack([shape.columns, -extra])
    every = parallel(shape.divisions, columns.shape[1] - 1)
    p = predictors.location.shape[1]
    k = extra.shape[1]
    null = np.delete(every, np.arange(p, p + k), axis=1)
    free = every[:, p : p + k]
    scores = _scores(shape, columns, null=null, free=free, cells=cells, df=fit.df, method=method)
    names = [matrix.columns[new[i]] for i in free_columns]
    positions_of = [
        (term, np.array([k for k, name in enumerate(names) if matrix.columns.index(name) in positions], dtype=np.intp))
        for term, positions in zip(matrix.terms, matrix.slices, strict=True)
    ]
    shown = [(term, positions) for term, positions in positions_of if positions.size]
    return _tested(
        scores, shown, method=method, name=f"Score test of {' + '.join(term for term, _ in shown)}", note=note
    )


def parallel_lines_score_test(fit: Fitted, *, method: ScoreMethod = "pseudoscore") -> TestResult:
    """Score test that the slopes are the same at every division of the answers (proportional odds).

    The alternative gives every covariate a slope per division. It is not fitted, so that the test exists where the
    binary models of a Brant test separate.

    Parameters
    ----------
    method : "pseudoscore", "working" or "model"; see `score_test`. With more slopes than the design has degrees of
        freedom the pseudoscore has an overall statistic of NaN, its terms and "working" do not.

    Returns
    -------
    TestResult over all terms; `tidy()` has a row per term, whose alternative frees that term's slopes alone.

    Raises
    ------
    EstimationError : a two-level outcome, a model that is not one of parallel lines, an unknown method, or "model"
        under a design that is not a simple random sample.

    References
    ----------
    Rao, Scott and Skinner (1998), Statistica Sinica 8:1059; Peterson and Harrell (1990), Applied Statistics 39:205
    ("model", with the expected information: SAS PROC LOGISTIC).
    """
    _check_method(fit.cells, method)
    check_parallel(fit)
    if len(fit.levels) < 3:
        raise EstimationError(
            f"`fit` must have an outcome of three or more answers to compare divisions; it has {len(fit.levels)}."
        )
    shape = curvature(fit)
    p = shape.scaled.shape[1]
    q = shape.divisions
    # slopes of a later division are those of the first plus a difference, which is zero under parallel lines
    free = np.zeros((q, 1 + p, q - 1, p))  # what the slopes of later divisions exceed those of the first by
    free[np.arange(1, q), 1:, np.arange(q - 1)] = np.eye(p)
    combine = free.reshape(q * (1 + p), (q - 1) * p)
    scores = _scores(shape, shape.columns, null=parallel(q, p), free=combine, cells=fit.cells, df=fit.df, method=method)
    terms = [
        (term, np.concatenate([np.asarray(positions, dtype=np.intp) + p * j for j in range(q - 1)]))
        for term, positions in zip(fit.matrix.terms, fit.matrix.slices, strict=True)
    ]
    return _tested(scores, terms, method=method, name="Score test of parallel lines")


def _check_method(cells: Cells, method: ScoreMethod) -> None:
    """Raise unless a method is known and fits the design."""
    check_choice(method, ScoreMethod, "method")
    if method == "model":
        check_simple_sample(cells, '`method`="model"; Use method="pseudoscore".')


def _codes(cells: Cells, fit: Fitted) -> IntArray:
    """(C,) answers inside the domain, numbered over the levels of a fit."""
    column = cells.frame.loc[cells.inside, fit.outcome]
    position = {level: i for i, level in enumerate(fit.levels)}
    return np.array([position[value] for value in column], dtype=np.intp)


def _scores(
    shape: Curvature,
    columns: FloatArray,
    null: FloatArray,
    free: FloatArray,
    cells: Cells,
    df: float,
    method: ScoreMethod,
) -> _Scores:
    """Scores of further parameters less their regression on those of the model (Rao, Scott and Skinner, eq. 3.2).

    `null` and `free` say how the parameters of the model and the further ones make those of the limits.
    """
    information = shape.information(columns, "observed" if method == "pseudoscore" else "expected")
    # scores of the free parameters are cleared of what estimating the others does to them: U_f - I_fn I_nn^-1 U_n
    slopes = np.linalg.solve(null.T @ information @ null, null.T @ information @ free)
    clear = free - null @ slopes
    cleared = shape.scores(columns, clear)
    return _Scores(
        cells=cells,
        df=df,
        value=shape.weight @ cleared,
        influence=influence_of(cells, cleared),
        information=clear.T @ information @ clear,
    )


def _tested(
    scores: _Scores, terms: Sequence[tuple[str, IntArray]], method: ScoreMethod, name: str, note: str = ""
) -> TestResult:
    """Test of all scores together and of each term's."""
    influence = scores.influence
    vcov = covariance(scores.cells, scores.value, influence, lambda weights: weights.T @ influence, size="known")
    one = {"pseudoscore": _pseudoscore, "working": _working, "model": _model}[method]
    every = np.concatenate([positions for _, positions in terms])
    overall = one(scores, vcov, every, name)
    overall = replace(overall, note=f"{note} {overall.note}".strip())
    if len(terms) < 2:
        return overall
    parts = [one(scores, vcov, positions, term) for term, positions in terms]
    tidy = pd.DataFrame(
        {
            "term": [term for term, _ in terms],
            "statistic": [part.statistic for part in parts],
            "df1": [part.df1 for part in parts],
            "df2": [part.df2 for part in parts],
            "p_value": [part.p_value for part in parts],
            "method": overall.method,
        }
    )
    return replace(overall, parts=tidy)


def _pseudoscore(scores: _Scores, vcov: FloatArray, positions: IntArray, name: str) -> TestResult:
    """Adjusted F of the scores' Wald statistic; NaN where the design cannot tell so many apart."""
    k = len(positions)
    at = np.ix_(positions, positions)
    method = f"{name}, design-based"
    if k > scores.df:
        return adjusted_wald(np.nan, k, scores.df, method)
    try:
        statistic = wald_chisq(scores.value[positions], vcov[at])
    except EstimationError:
        reason = (
            f"The {k} scores have a singular covariance: the design has too few PSUs for them, or some answers are "
            'given by nobody with some level. Merge rare answers or levels, or use the "working" method.'
        )
        return TestResult(np.nan, k, np.nan, np.nan, method, reason)
    return adjusted_wald(statistic, k, scores.df, method)


def _simple_statistic(scores: _Scores, positions: IntArray) -> tuple[float, FloatArray]:
    """Statistic of a simple random sample and the information it rests on."""
    information = scores.information[np.ix_(positions, positions)]
    value = scores.value[positions]
    return float(value @ np.linalg.solve(information, value)), information


def _working(scores: _Scores, vcov: FloatArray, positions: IntArray, name: str) -> TestResult:
    """Statistic of a simple random sample as a sum of chi-squares weighted by generalized design effects."""
    statistic, information = _simple_statistic(scores, positions)
    eigenvalues = scipy.linalg.eigh(vcov[np.ix_(positions, positions)], information, eigvals_only=True)
    effects = np.maximum(eigenvalues, 0.0)[::-1]
    p_value = sum_of_chisq_sf(statistic, effects, scores.df, method="saddlepoint")
    note = f"Generalized design effects with mean {effects.mean():.4g}; saddlepoint tail, design df {scores.df:g}."
    return TestResult(statistic, len(positions), scores.df, p_value, f"{name}, Rao-Scott working statistic", note)


def _model(scores: _Scores, vcov: FloatArray, positions: IntArray, name: str) -> TestResult:
    """Chi-square of a simple random sample."""
    statistic, _ = _simple_statistic(scores, positions)
    k = len(positions)
    return TestResult(statistic, k, np.nan, float(scipy.special.chdtrc(k, statistic)), f"{name}, expected information")
