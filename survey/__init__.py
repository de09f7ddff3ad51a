"""Survey estimation for public-opinion research, with design-based standard errors throughout."""

from __future__ import annotations

from survey.design import Design
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
from survey.weighting import margin_table, poststratify, rake, weight_summary

__all__ = [
    "CalibrationError",
    "CodebookError",
    "ConvergenceError",
    "Design",
    "DesignError",
    "DisclosureError",
    "Estimate",
    "EstimationError",
    "LonelyPSUError",
    "RecordsError",
    "SeparationError",
    "SurveyError",
    "margin_table",
    "mean",
    "poststratify",
    "proportion",
    "rake",
    "ratio",
    "total",
    "weight_summary",
]
