"""Estimates with their joint covariance: influence functions, one variance, intervals."""

from __future__ import annotations

from survey.estimation.assembly import estimate
from survey.estimation.conventions import compare_conventions
from survey.estimation.degrees_of_freedom import SOURCES, DfRule, degrees_of_freedom
from survey.estimation.estimate import SHOWN, Estimate, model_estimate
from survey.estimation.few_clusters import VarianceMethod, check_cr2, regression
from survey.estimation.influence import (
    Domains,
    Evaluate,
    Share,
    Statistic,
    Terms,
    by_domain,
    domains_of,
    is_chosen,
    is_numeric,
    level_indicators,
    mean_statistic,
    ratio_of_totals,
    terms_of,
)
from survey.estimation.intervals import (
    INTERVAL_METHODS,
    IntervalMethod,
    effective_size,
    proportion_interval,
    t_interval,
)
from survey.estimation.means import mean, proportion, ratio, total
from survey.estimation.moments import corr, cov, var
from survey.estimation.presentation_rule import judge, judged
from survey.estimation.quantiles import QuantileInterval, quantile
from survey.estimation.satterthwaite import Coefficients, components, of_coefficients
from survey.estimation.units import inside_one_unit, units_of
from survey.estimation.variance import covariance
from survey.estimation.wald import TestResult, adjusted_wald, plain_wald, wald_chisq

__all__ = [
    "INTERVAL_METHODS",
    "SHOWN",
    "SOURCES",
    "Coefficients",
    "DfRule",
    "Domains",
    "Estimate",
    "Evaluate",
    "IntervalMethod",
    "QuantileInterval",
    "Share",
    "Statistic",
    "Terms",
    "TestResult",
    "VarianceMethod",
    "adjusted_wald",
    "by_domain",
    "check_cr2",
    "compare_conventions",
    "components",
    "corr",
    "cov",
    "covariance",
    "degrees_of_freedom",
    "domains_of",
    "effective_size",
    "estimate",
    "inside_one_unit",
    "is_chosen",
    "is_numeric",
    "judge",
    "judged",
    "level_indicators",
    "mean",
    "mean_statistic",
    "model_estimate",
    "of_coefficients",
    "plain_wald",
    "proportion",
    "proportion_interval",
    "quantile",
    "ratio",
    "ratio_of_totals",
    "regression",
    "t_interval",
    "terms_of",
    "total",
    "units_of",
    "var",
    "wald_chisq",
]
