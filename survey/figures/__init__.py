"""Figures of a survey report: a tidy frame goes in, matplotlib axes come out.

No figure computes an estimate: what is drawn is what the frame holds, in the order of its rows. A row
whose `shown` is False has no mark, only its `[u]`. Without `ax` each figure is a page of its own, of the
same width and type sizes as every other, to be written with `save_figure`.
"""

from __future__ import annotations

from survey.figures.bars import composition, likert
from survey.figures.counts import counts
from survey.figures.diagnostics import parallel_slopes, residual_means, residuals
from survey.figures.dots import dots
from survey.figures.models import coefficients, probabilities
from survey.figures.style import palette, save_figure
from survey.figures.text import describe
from survey.figures.weighting import margins, weights

__all__ = [
    "coefficients",
    "composition",
    "counts",
    "describe",
    "dots",
    "likert",
    "margins",
    "palette",
    "parallel_slopes",
    "probabilities",
    "residual_means",
    "residuals",
    "save_figure",
    "weights",
]
