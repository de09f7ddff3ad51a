"""The figures of a report: each is drawn from the frames of `Numbers` and written as SVG and PNG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from analysis.report.figures.context import context
from analysis.report.figures.drawn import Drawn
from analysis.report.figures.models import effects, gradients, odds_ratios, probabilities
from analysis.report.figures.shares import battery, composition, headline
from analysis.report.figures.weighting import margins, weights
from analysis.report.models import Step
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey.figures import save_figure

FIGURES = (
    *(headline, composition, battery, effects, odds_ratios, probabilities),
    *(gradients, margins, weights, context),
)


def draw(study: Study, numbers: Numbers, folder: Path, step: Step) -> dict[str, Drawn]:
    """Draw every figure of the report and write it.

    Parameters
    ----------
    study, numbers : what is drawn.
    folder : folder for the files.
    step : told what is being done.

    Returns
    -------
    The figures by name.
    """
    drawn: dict[str, Drawn] = {}
    for make in FIGURES:
        page = make(study, numbers)
        if page is None:
            continue
        axes, figure = page
        figure = replace(figure, synthetic=study.kind == "synthetic" and make is not context)
        step(f"Figure: {figure.name}")
        save_figure(axes, folder / figure.name, figure.alt)
        drawn[figure.name] = figure
    return drawn
