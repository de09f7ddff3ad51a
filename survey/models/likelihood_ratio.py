"""Likelihood ratios under a design: Rao-Scott tests of nested models, dAIC and dBIC, pseudo R-squared.

The likelihood is that of weights scaled to mean 1, so that nothing here depends on the scale of the weights.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_choice, check_kind, check_level
from survey.arrays import FloatArray
from survey.errors import EstimationError
from survey.estimation import TestResult, covariance, t_interval, wald_chisq
from survey.inference import TailMethod, sum_of_chisq_sf
from survey.models.curvature import check_simple_sample, limits_of, log_probabilities
from survey.models.fitted import answer_codes
from survey.models.links import LINKS
from survey.models.nesting import nesting
from survey.models.ordinal import OrdinalFit

Reference = Literal["saddlepoint", "satterthwaite", "exact", "model"]
Counted = Literal["all", "slopes"]
NO_EFFECT = 1e-9  # design effect, relative to the largest, that is zero: more parameters than the PSUs can tell apart


def likelihood_ratio_test(
    smaller: OrdinalFit | None, larger: OrdinalFit, *, method: Reference = "saddlepoint", df: float | None = None
) -> TestResult:
    """Working likelihood-ratio test of nested models, corrected for the design (Rao and Scott).

    Under the smaller model twice the difference of the log-likelihoods is distributed as a sum of chi-squares on one
    degree of freedom, weighted by generalized design effects; divided by a chi-square on the design's degrees of
    freedom over these, as an F has.

    Parameters
    ----------
    smaller, larger : fits of the same outcome, respondents and link; what the smaller model can say the
        larger must be able to say too, whether by terms, nominal or scale effects. None for `smaller` is the model
        without covariates.
    method : "saddlepoint", "satterthwaite" or "exact" tail of that distribution (see `sum_of_chisq_sf`); "model" is
        the chi-square of a simple random sample.
    df : denominator degrees of freedom; those of the design, PSUs minus strata, unless given.

    Returns
    -------
    TestResult: `statistic` is twice the difference of the log-likelihoods with weights scaled to mean 1, `df1` the
    number of parameters that the smaller model lacks, `df2` the denominator; the note lists the design effects.

    Raises
    ------
    EstimationError : models that are not nested or not of the same respondents, an unknown method, or "model" under a
        design that is not a simple random sample.

    References
    ----------
    Rao and Scott (1984), Ann. Stat. 12:46; Lumley and Scott (2014), Aust. N.Z. J. Stat. 56:1; Kuonen (1999), Biometrika
    86:929. R equivalent: survey::regTermTest(method = "LRT"), which for svyolr depends on the scale of the weights.
    """
    for argument, fit in (("smaller", smaller), ("larger", larger)):
        if argument == "larger" or fit is not None:
            check_kind(fit, OrdinalFit, argument)
    check_choice(method, Reference, "method")
    added = nesting(smaller, larger)
    below = larger.null_log_likelihood if smaller is None else smaller.log_likelihood
    statistic = max(2.0 * (larger.log_likelihood - below), 0.0)
    r = float(len(added.value))
    if method == "model":
        check_simple_sample(larger.cells, '`method`="model"; Use method="saddlepoint".')
        return TestResult(statistic, r, np.nan, float(scipy.special.chdtrc(r, statistic)), "Likelihood-ratio test")
    d = larger.df if df is None else float(df)
    if not d > 0:
        raise EstimationError(f"`df` must be positive; got {d:g}. The design has too few PSUs for a test.")
    p_value = _tail(statistic, added.effects, df=d, method=method)
    shown = ", ".join(f"{effect:.4g}" for effect in added.effects)
    note = f"Generalized design effects {shown} (mean {added.effects.mean():.4g}); {method} tail, denominator df {d:g}."
    return TestResult(statistic, r, d, p_value, "Rao-Scott working likelihood-ratio test", note)


def _tail(statistic: float, effects: FloatArray, df: float, method: Reference) -> float:
    """P-value of a working statistic."""
    known: dict[Reference, TailMethod] = {
        "saddlepoint": "saddlepoint",
        "satterthwaite": "satterthwaite",
        "exact": "exact",
    }
    return sum_of_chisq_sf(statistic, effects, df, method=known[method])


def information_criteria(
    *fits: OrdinalFit, maximal: OrdinalFit | None = None, parameters: Counted = "all"
) -> pd.DataFrame:
    """Design-based AIC and BIC of models of the same respondents; smaller is better.

    dAIC replaces the number of parameters by the trace of the generalized design effects; dBIC comes from the Wald
    statistic against the maximal model and an effective sample size.

    Parameters
    ----------
    fits : models to compare, all of the same outcome, respondents and link.
    maximal : model that contains all others, for dBIC; the one with most parameters of `fits` unless given.
    parameters : "all" counts slopes and thresholds in dAIC; "slopes" leaves the thresholds out, as R does with the
        intercept.

    Returns
    -------
    One row per model: formula, link, n, parameters, log_likelihood (weights scaled to mean 1), effective_parameters,
    mean_deff (their ratio to the parameters counted), daic, dbic, n_eff (sample size in the dBIC comparison with the
    maximal model; NaN for that model itself). Where a model lacks more parameters of the maximal one than the design
    has degrees of freedom, dbic is NaN.

    Raises
    ------
    EstimationError : no fit, models of different respondents, or one that is not nested in the maximal model.

    References
    ----------
    Lumley and Scott (2015), J. Survey Statistics and Methodology 3:1. R equivalent: survey AIC.svyglm, BIC.svyglm.
    """
    for fit in fits:
        check_kind(fit, OrdinalFit, "fits")
    if maximal is not None:
        check_kind(maximal, OrdinalFit, "maximal")
    if not fits:
        raise EstimationError("`fits` must hold at least one model; none was given.")
    check_choice(parameters, Counted, "parameters")
    top = maximal if maximal is not None else max(fits, key=lambda fit: len(fit.params))
    rows = []
    for fit in fits:
        effective, counted = _effective_parameters(fit, parameters)
        bic, n_eff = _design_bic(fit, top)
        rows.append(
            {
                "formula": fit.formula,
                "link": fit.link,
                "n": fit.n,
                "parameters": len(fit.params),
                "log_likelihood": fit.log_likelihood,
                "effective_parameters": effective,
                "mean_deff": effective / counted if counted else np.nan,
                "daic": -2 * fit.log_likelihood + 2 * effective,
                "dbic": bic,
                "n_eff": n_eff,
            }
        )
    return pd.DataFrame(rows)


def pseudo_r_squared(fit: OrdinalFit, *, level: float = 0.95) -> pd.DataFrame:
    """Pseudo R-squared of a model: the population versions, with design-based standard errors.

    They are functions of the average log-likelihood per respondent with and without covariates, which the weights
    estimate for the population; whether these add to the sample or to the population does not matter.

    Parameters
    ----------
    level : confidence level of the t intervals. Where the model explains next to nothing, R-squared cannot fall below
        zero and its distribution is not near normal: prefer `likelihood_ratio_test`.

    Returns
    -------
    Rows McFadden, Cox-Snell, Nagelkerke; columns term, estimate, std_error, df, conf_low, conf_high, n.

    Raises
    ------
    EstimationError : a level that is not between 0 and 1, structured thresholds or an offset.

    References
    ----------
    Lumley (2017), Aust. N.Z. J. Stat. 59:187; Nagelkerke (1991), Biometrika 78:691; McFadden (1974).
    R equivalent: survey::psrsq (without standard errors).
    """
    check_kind(fit, OrdinalFit, "fit")
    check_level(level)
    if fit.parts.offset is not None or fit.parts.structure.shape[1] < len(fit.levels) - 1:
        raise EstimationError(
            "`fit` must have free thresholds and no offset, so that the model without covariates gives the shares of "
            "the answers. Fit it without them."
        )
    cells = fit.cells
    inside = fit.cells.inside
    link = LINKS[fit.link]
    codes = answer_codes(fit)
    weight = fit.cells.weight[fit.cells.inside]
    rows = np.arange(codes.size)
    indicator = (codes[:, None] == np.arange(len(fit.levels))).astype(np.float64)
    shares = weight @ indicator / weight.sum()
    each = np.column_stack([log_probabilities(limits_of(fit), link)[rows, codes], np.log(shares)[codes]])
    means = weight @ each / weight.sum()
    influence = np.zeros((cells.n.size, 2))
    influence[inside] = (each - means) / cells.weight.sum()  # at a maximum the parameters do not move the likelihood

    def evaluate(weights: FloatArray) -> FloatArray:
        """(R, 2) average log-likelihoods under replicate weights, each at its own maximum."""
        replicated = []
        for replicate, params in zip(weights[inside].T, fit.replicated, strict=True):
            log_p = log_probabilities(limits_of(fit, params), link)[rows, codes]
            share = replicate @ indicator / replicate.sum()
            replicated.append([replicate @ log_p / replicate.sum(), share @ np.log(share)])
        return np.array(replicated)

    vcov = covariance(cells, means, influence, evaluate)
    one, none = means
    ratio = np.exp(2 * (none - one))
    cox = 1 - ratio
    most = 1 - np.exp(2 * none)
    value = np.array([1 - one / none, cox, cox / most])
    # derivatives by the two averages: 1 - l/l0, 1 - exp(2 (l0 - l)), and the latter over 1 - exp(2 l0)
    slopes = np.array(
        [
            [-1 / none, one / none**2],
            [2 * ratio, -2 * ratio],
            [2 * ratio / most, -2 * ratio / most + cox / most**2 * 2 * np.exp(2 * none)],
        ]
    )
    std_error = np.sqrt(np.diag(slopes @ vcov @ slopes.T))
    low, high = t_interval(value, std_error, np.full(3, fit.df), level)
    return pd.DataFrame(
        {
            "term": ["McFadden", "Cox-Snell", "Nagelkerke"],
            "estimate": value,
            "std_error": std_error,
            "df": fit.df,
            "conf_low": low,
            "conf_high": high,
            "n": fit.n,
        }
    )


def _effective_parameters(fit: OrdinalFit, parameters: Counted) -> tuple[float, int]:
    """Trace of information times covariance, and the number of parameters it stands for."""
    k = len(fit.params)
    p = len(fit.slopes)
    forward = np.eye(k)
    if fit.predictors.is_proportional:  # thresholds where the covariates are average: uncentred ones lose digits
        weight = fit.cells.weight[fit.cells.inside]
        forward[p:, :p] = -(weight @ fit.covariates[fit.cells.inside]) / weight.sum()
    replicated = fit.replicated @ forward.T
    vcov = covariance(fit.cells, forward @ fit.params.to_numpy(), fit.influence @ forward.T, lambda _: replicated)
    simple = forward @ fit.model_vcov @ forward.T
    counted = np.arange(k) if parameters == "all" else np.delete(np.arange(k), np.arange(p, k - _effects(fit)))
    vcov = vcov[np.ix_(counted, counted)]
    simple = simple[np.ix_(counted, counted)]
    scale = np.sqrt(np.diag(simple))
    both = np.outer(scale, scale)
    return float(np.trace(np.linalg.solve(simple / both, vcov / both))), counted.size


def _effects(fit: OrdinalFit) -> int:
    """Number of nominal and scale effects, which come last among the parameters."""
    return len(fit.params) - len(fit.slopes) - int(fit.parts.structure.shape[1])


def _design_bic(fit: OrdinalFit, maximal: OrdinalFit) -> tuple[float, float]:
    """Value of dBIC, and the effective sample size of the comparison with the maximal model."""
    base = -2 * maximal.log_likelihood + len(fit.params) * np.log(fit.n)
    if fit is maximal:
        return float(base), np.nan
    added = nesting(fit, maximal, arguments=("fits", "maximal"))
    if added.effects.min() <= NO_EFFECT * added.effects.max():
        return np.nan, np.nan
    # log det of the design effects stands for the sample size: n_eff = n / geometric mean of the effects
    logs = np.log(added.effects)
    return float(base + wald_chisq(added.value, added.vcov) + logs.sum()), float(fit.n / np.exp(logs.mean()))
