"""Survey estimation for public-opinion research, with design-based standard errors throughout."""

from __future__ import annotations

from survey import figures
from survey.banners import Banner, banner
from survey.bias_reduction import bias_reduced
from survey.design import Design
from survey.diagnostics import model_fit_test, vif
from survey.disclosure import protect
from survey.effects import average_effects, predicted_probabilities
from survey.effects_interface import marginaleffects_model
from survey.errors import (
    CalibrationError,
    CodebookError,
    ConvergenceError,
    DesignError,
    DisclosureError,
    EstimationError,
    LonelyPSUError,
    RecordsError,
    SeparationError,
    SurveyError,
)
from survey.estimation import Estimate, compare_conventions, corr, cov, mean, proportion, quantile, ratio, total, var
from survey.inference import TestResult, compare, goodness_of_fit, rank_test, t_test
from survey.likelihood_ratio import information_criteria, likelihood_ratio_test, pseudo_r_squared
from survey.model_comparison import ModelComparison, compare_models
from survey.ordinal import OrdinalFit, ordinal
from survey.parallel_lines import parallel_lines_test, parallel_slopes
from survey.pooled_results import PooledEstimate, PooledFit
from survey.pooling import pool
from survey.profile_intervals import profile_intervals
from survey.publication import PublicationTable, publication_table
from survey.records import Codebook, Item, Level, read_respondents, write_respondents
from survey.residuals import residual_means, residuals
from survey.score_test import score_test
from survey.tabulation import Table, crosstab, topline
from survey.weighting import (
    Infeasibility,
    adjust_nonresponse,
    calibrate,
    calibration_summary,
    explain_infeasible,
    margin_table,
    poststratify,
    rake,
    replicate,
    trim,
    trim_and_rake,
    trimming_table,
    weight_summary,
)

__all__ = [
    "Banner",
    "CalibrationError",
    "Codebook",
    "CodebookError",
    "ConvergenceError",
    "Design",
    "DesignError",
    "DisclosureError",
    "Estimate",
    "EstimationError",
    "Infeasibility",
    "Item",
    "Level",
    "LonelyPSUError",
    "ModelComparison",
    "OrdinalFit",
    "PooledEstimate",
    "PooledFit",
    "PublicationTable",
    "RecordsError",
    "SeparationError",
    "SurveyError",
    "Table",
    "TestResult",
    "adjust_nonresponse",
    "average_effects",
    "banner",
    "bias_reduced",
    "calibrate",
    "calibration_summary",
    "compare",
    "compare_conventions",
    "compare_models",
    "corr",
    "cov",
    "crosstab",
    "explain_infeasible",
    "figures",
    "goodness_of_fit",
    "information_criteria",
    "likelihood_ratio_test",
    "margin_table",
    "marginaleffects_model",
    "mean",
    "model_fit_test",
    "ordinal",
    "parallel_lines_test",
    "parallel_slopes",
    "pool",
    "poststratify",
    "predicted_probabilities",
    "profile_intervals",
    "proportion",
    "protect",
    "pseudo_r_squared",
    "publication_table",
    "quantile",
    "rake",
    "rank_test",
    "ratio",
    "read_respondents",
    "replicate",
    "residual_means",
    "residuals",
    "score_test",
    "t_test",
    "topline",
    "total",
    "trim",
    "trim_and_rake",
    "trimming_table",
    "var",
    "vif",
    "weight_summary",
    "write_respondents",
]
