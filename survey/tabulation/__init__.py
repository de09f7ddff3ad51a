"""Toplines, cross-tabulations and banners, their letters and their protection; models side by side."""

from __future__ import annotations

from survey.tabulation.banners import Banner, banner
from survey.tabulation.crosstabs import crosstab, topline
from survey.tabulation.letters import letter_names
from survey.tabulation.protection import protect
from survey.tabulation.publication import PublicationTable, publication_table
from survey.tabulation.table import Table

__all__ = [
    "Banner",
    "PublicationTable",
    "Table",
    "banner",
    "crosstab",
    "letter_names",
    "protect",
    "publication_table",
    "topline",
]
