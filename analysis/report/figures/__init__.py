"""The figures of a report: frames of `Numbers` become pictures with a title, a caption and an alternative text."""

from __future__ import annotations

from analysis.report.figures.draw import draw
from analysis.report.figures.drawn import DETECTABLE, Drawn, colours_of, dashed, records, weighting_names
from analysis.report.figures.shares import finding_title

__all__ = ["DETECTABLE", "Drawn", "colours_of", "dashed", "draw", "finding_title", "records", "weighting_names"]
