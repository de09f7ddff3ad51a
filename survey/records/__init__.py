"""Respondent records: a codebook says what a file holds, and reading one checks every answer against it."""

from __future__ import annotations

from survey.records.codebook import LABELLED, Codebook
from survey.records.items import Item, Level
from survey.records.respondents import read_respondents, write_respondents
from survey.records.schema import companion

__all__ = ["LABELLED", "Codebook", "Item", "Level", "companion", "read_respondents", "write_respondents"]
