"""The parts of a report that know no study: its phrases, its page, and what its tables and prose are printed with.

Functions named like a filter of the template (`percent`, `interval`, `p_value`) print bare numbers here; the filters,
which take estimates and obey the suppression rule, are those of `phrases`.
"""

from __future__ import annotations

from survey.printing import interval, number, p_value, percent, round_half_up, term_and_level
from survey.report import phrases
from survey.report.lint import lint_template
from survey.report.page import render
from survey.report.phrases import dashes, dates, direction_words, listing, lower_first, odds_ratio, upper_first
from survey.tables import crosstab_gt, effects_table, odds_ratio_table, table_html, topline_gt
from survey.tidy import RESULT_COLUMNS, UNRELIABLE

__all__ = [
    "RESULT_COLUMNS",
    "UNRELIABLE",
    "crosstab_gt",
    "dashes",
    "dates",
    "direction_words",
    "effects_table",
    "interval",
    "lint_template",
    "listing",
    "lower_first",
    "number",
    "odds_ratio",
    "odds_ratio_table",
    "p_value",
    "percent",
    "phrases",
    "render",
    "round_half_up",
    "table_html",
    "term_and_level",
    "topline_gt",
    "upper_first",
]
