"""Tidy frames laid out: great_tables, workbooks, Word."""

from __future__ import annotations

from survey.tables.layout import (
    NOTE_CONFIDENTIAL,
    NOTE_LETTERS,
    NOTE_MULTIPLE,
    NOTE_UNRELIABLE,
    table_html,
)
from survey.tables.models import effects_table, odds_ratio_table
from survey.tables.pandoc import pandoc, program
from survey.tables.shares import crosstab_gt, to_gt, topline_gt
from survey.tables.workbook import to_excel, write_banner, write_excel

__all__ = [
    "NOTE_CONFIDENTIAL",
    "NOTE_LETTERS",
    "NOTE_MULTIPLE",
    "NOTE_UNRELIABLE",
    "crosstab_gt",
    "effects_table",
    "odds_ratio_table",
    "pandoc",
    "program",
    "table_html",
    "to_excel",
    "to_gt",
    "topline_gt",
    "write_banner",
    "write_excel",
]
