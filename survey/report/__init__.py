"""The parts of a report that know no study: its phrases and its page."""

from __future__ import annotations

from survey.report import phrases
from survey.report.page import render
from survey.report.phrases import dashes, dates, direction_words, listing, lower_first, odds_ratio, upper_first

__all__ = [
    "dashes",
    "dates",
    "direction_words",
    "listing",
    "lower_first",
    "odds_ratio",
    "phrases",
    "render",
    "upper_first",
]
