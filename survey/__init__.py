"""Survey estimation for public-opinion research, with design-based standard errors throughout."""

from __future__ import annotations

from survey import figures
from survey.codebook import Codebook
from survey.design import Design
from survey.effects import average_effects, predicted_probabilities
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
from survey.estimates import Estimate, mean, proportion, ratio, total
from survey.hypotheses import TestResult
from survey.items import Item, Level
from survey.ordinal import OrdinalFit, ordinal
from survey.records import read_respondents, write_respondents
from survey.tabulation import Table, crosstab, topline
from survey.weighting import margin_table, poststratify, rake, weight_summary

__all__ = [
    "CalibrationError",
    "Codebook",
    "CodebookError",
    "ConvergenceError",
    "Design",
    "DesignError",
    "DisclosureError",
    "Estimate",
    "EstimationError",
    "Item",
    "Level",
    "LonelyPSUError",
    "OrdinalFit",
    "RecordsError",
    "SeparationError",
    "SurveyError",
    "Table",
    "TestResult",
    "average_effects",
    "crosstab",
    "figures",
    "margin_table",
    "mean",
    "ordinal",
    "poststratify",
    "predicted_probabilities",
    "proportion",
    "rake",
    "ratio",
    "read_respondents",
    "topline",
    "total",
    "weight_summary",
    "write_respondents",
]
