"""Every number of a report, as tidy frames of full precision; what is printed or drawn comes from here."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.report.answers import (
    Answers,
    battery_toplines,
    further_shares,
    item_banner,
    item_topline,
    questions,
    topline_items,
)
from analysis.report.comparison import Comparison, compare_unweighted
from analysis.report.focus import Focus, follow
from analysis.report.models import Models, Step, fit_models
from analysis.report.weighting import Weighting, weighting_of
from analysis.study import Study
from analysis.verdicts import compare


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The numbers of a report.

    Attributes
    ----------
    answers : toplines, tables by group and tests.
    focus : the answer that the report follows, by group.
    models : the regression, and the same with more predictors.
    weighting : diagnostics of the weighting; None if unweighted.
    comparison : what unweighted analysis would have said.
    verdicts : published figures beside ours; None where none are published.
    """

    answers: Answers
    focus: Focus
    models: Models
    weighting: Weighting | None
    comparison: Comparison
    verdicts: pd.DataFrame | None


def compute(study: Study, step: Step) -> Numbers:
    """Compute everything that a report of the study prints or draws.

    Parameters
    ----------
    study : the respondents.
    step : told what is being done.

    Returns
    -------
    The numbers.

    Raises
    ------
    SurveyError : anything that cannot be estimated and has no place in the report where that could be said.
    """
    step("Toplines")
    toplines = {item.name: item_topline(study, item) for item in topline_items(study)}
    step("Tables by group")
    tables = {item.name: item_banner(study, item) for item in questions(study)}
    answers = Answers(
        toplines=toplines,
        banners={name: shares for name, (shares, _) in tables.items()},
        tests=pd.concat([tests for _, tests in tables.values()], ignore_index=True),
        battery=battery_toplines(study),
        shares=further_shares(study),
    )
    focus = follow(study)
    models = fit_models(study, step)
    step("Unweighted analysis, for comparison")
    comparison = compare_unweighted(study, models.fit)
    step("Published figures")
    verdicts = compare(study, models.fit)
    step("Weighting and sensitivity")
    return Numbers(
        answers=answers,
        focus=focus,
        models=models,
        weighting=weighting_of(study),
        comparison=comparison,
        verdicts=verdicts,
    )
