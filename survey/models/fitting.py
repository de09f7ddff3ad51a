"""Fitting ordinal regressions: from respondents and a formula to slopes with their design-based covariance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.arrays import FloatArray
from survey.design import Cells, Design, Missing, check_design, collapse
from survey.errors import ConvergenceError, EstimationError, SeparationError
from survey.estimation import covariance
from survey.models.fitted import ModelData, influence_of, scaled_weight
from survey.models.likelihood import CumulativeFit, fit_limits
from survey.models.links import LINKS, LinkName
from survey.models.ordinal import OrdinalFit, design_df
from survey.models.outcome import answers
from survey.models.parts import model_parts, specification
from survey.models.predictors import ThresholdName
from survey.models.refitting import refit
from survey.models.refusals import check_rank, check_thresholds, separation_message
from survey.models.separation import separating_direction


def ordinal(
    formula: str,
    design: Design,
    *,
    link: LinkName = "logit",
    nominal: str | None = None,
    scale: str | None = None,
    thresholds: ThresholdName = "flexible",
    offset: str | None = None,
    missing: Missing = "drop",
) -> OrdinalFit:
    """Fit a cumulative-link model of an ordered outcome under a survey design.

    P(Y <= j) = F((threshold_j(z) - x b - offset) / exp(s g)), with terms x of the formula, z of `nominal` and s of
    `scale`.

    Parameters
    ----------
    formula : "outcome ~ terms" in the language of formulaic; categorical variables are coded against their
        first level.
    design : weights, strata, PSUs, domain and calibrations, all of which the covariance respects.
    link : "logit", "probit", "cloglog", "loglog" or "cauchit", named as in R's ordinal::clm.
    nominal : "~ terms" that move each threshold by itself (partial proportional odds): threshold_j(z) = threshold_j
        + z a_j. They need not be in the formula; those that are leave it, and have no slope beside their nominal
        effects, whose sign is opposite to that of a slope.
    scale : "~ terms" that move the logarithm of the scale of the latent variable.
    thresholds : "flexible", or a structure: "equidistant", "symmetric" or "symmetric2" (symmetric about zero); named,
        and parametrized, as in R's ordinal::clm.
    offset : numeric column that is added to the linear predictor with the coefficient 1.
    missing : "drop" or "fail", for missing values in the variables of the formula.

    Returns
    -------
    OrdinalFit. A two-level outcome is binary regression.

    Raises
    ------
    EstimationError : an outcome that is not ordered or has one level, unknown variables, collinear terms, or nominal
        effects with which thresholds cross for some respondents.
    SeparationError : a predictor separates the answers.
    ConvergenceError : no maximum was found.

    References
    ----------
    Binder (1983), Int. Stat. Rev. 51:279; McCullagh (1980), JRSS B 42:109; Peterson and Harrell (1990), Applied
    Statistics 39:205 (partial proportional odds). R equivalents: survey::svyolr; ordinal::clm without a design.
    """
    check_design(design)
    check_choice(link, LinkName, "link")
    asked = specification(formula, nominal=nominal, scale=scale, thresholds=thresholds, offset=offset)
    cells = collapse(design, asked.variables(design.frame), missing)
    levels, codes, remark = answers(cells, asked.outcome)
    if remark and thresholds != "flexible":
        raise EstimationError(
            f"`thresholds`: a structure counts the answers, used or not. {remark.replace('were dropped', 'are')} Merge "
            "or remove them first."
        )
    parts, predictors = model_parts(asked, cells, design=design, levels=levels)
    data = ModelData(outcome=asked.outcome, levels=levels, codes=codes, cells=cells, parts=parts, predictors=predictors)
    check_rank(data)
    maximum = _maximum(data, link)
    check_thresholds(data, maximum)

    # sandwich (Binder 1983): inverse information times scores is the influence, whose design variance is the covariance
    order = predictors.fit_order
    params = maximum.params[order]
    influence = influence_of(cells, maximum.influence[:, order])
    replicated = _replicated(data, link, maximum.params)[:, order]
    df, df_rule = design_df(cells)
    return OrdinalFit(
        formula=formula,
        link=link,
        data=data,
        params=_read_only(params, parts.names),
        vcov=covariance(cells, params, influence, lambda _: replicated),
        df=df,
        df_rule=df_rule,
        log_likelihood=maximum.log_likelihood,
        null_log_likelihood=maximum.null_log_likelihood,
        influence=influence,
        replicated=replicated,
        model_vcov=maximum.inverse_information[np.ix_(order, order)],
        convergence=maximum.convergence,
        remarks=f"{_left_out(design, cells)}{remark}".strip(),
    )


def _left_out(design: Design, cells: Cells) -> str:
    """Sentence on the respondents of the domain who were left out, if any were."""
    lost = design.n - int(cells.n.sum())
    return f"{lost} of {design.n} respondents left out for missing values. " if lost else ""


def _read_only(values: FloatArray, names: tuple[str, ...]) -> pd.Series[float]:
    """Labelled values that cannot be assigned to."""
    values.flags.writeable = False
    return pd.Series(values, index=list(names), copy=False)


def _maximum(data: ModelData, link: LinkName) -> CumulativeFit:
    """Maximum of the likelihood on the patterns of the domain; separation is looked for when anything is odd."""
    inside = data.cells.inside
    codes = data.codes[inside]
    predictors = data.predictors.rows(inside)
    failure: ConvergenceError | None = None
    try:
        maximum = fit_limits(codes, predictors, weight=scaled_weight(data.cells), link=LINKS[link])
        if not maximum.suspicious:
            return maximum
    except ConvergenceError as error:
        failure = error

    if data.parts.location.columns or data.parts.nominal.columns:
        direction = separating_direction(
            codes, predictors.location, nominal=predictors.nominal, structure=predictors.structure
        )
        if direction is not None:
            raise SeparationError(separation_message(data, direction))
    if failure is not None:
        raise failure
    if data.parts.scale.columns:
        raise ConvergenceError(
            "`scale`: the likelihood is flat in some direction, so that an effect on the scale may be infinite: a "
            "level whose respondents all give the same answer does that. Merge it with a neighbour or leave it out."
        )
    return maximum


def _replicated(data: ModelData, link: LinkName, params: FloatArray) -> FloatArray:
    """(R, k) parameters under each replicate weight, in the order of `params`; no rows where the design has none."""
    cells = data.cells
    if cells.replicates is None:
        return np.zeros((0, params.size))
    inside = cells.inside
    weights = cells.replicates.weight[inside]
    return refit(data.codes[inside], data.predictors.rows(inside), weights=weights, link=LINKS[link], start=params)
