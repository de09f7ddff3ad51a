"""How the differences between groups change when the regression has more predictors than social position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pandas as pd

from analysis.study import Study
from survey import Design, EstimationError, ModelComparison, compare_models


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """The regression with predictors added step by step, on the respondents who answered everything.

    Attributes
    ----------
    comparison : the models.
    effects : effects of every predictor on the focus: `model`, `contrast`, `term`, `level`, ...
    changes : how much larger each of them is than in the first model: `model`, `since`, ...
    tests : whether a predictor has the same effects as in the first model: `p_value`, `p_adjusted`, ...
    """

    comparison: ModelComparison
    effects: pd.DataFrame
    changes: pd.DataFrame
    tests: pd.DataFrame

    def last_groups(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows that compare the last group of a predictor with the first."""
        last = self.effects.groupby("term", sort=False)["contrast"].last()
        return frame[frame["contrast"] == frame["term"].map(last)].reset_index(drop=True)


def gradients(study: Study) -> tuple[Gradients | None, str | None]:
    """Fit the models of the study's settings; None where there are none, or for the reason that comes with it."""
    settings = study.settings.gradients
    if not settings:
        return None, None
    design = study.design
    for name, rule in settings["made"].items():
        design = split(design, name, rule)
    focus = study.settings.focus
    added = accumulate(settings["steps"].values(), lambda before, more: [*before, *more])
    formulas = {
        name: " + ".join([study.settings.formula, *items]) for name, items in zip(settings["steps"], added, strict=True)
    }
    answers = tuple(label for label in study.outcome.labels if (design.frame[study.settings.outcome] == label).any())
    try:
        comparison = compare_models(
            design, formulas, list(study.settings.predictors), nets=study.outcome.nets_among(answers)
        )
        tests = comparison.tests(focus)
    except EstimationError as error:
        return None, str(error).replace("`", "")
    effects = comparison.tidy()
    changes = comparison.changes().tidy()
    return (
        Gradients(
            comparison=comparison,
            effects=effects[effects["level"] == focus].reset_index(drop=True),
            changes=changes[changes["level"] == focus].reset_index(drop=True),
            tests=tests,
        ),
        None,
    )


def split(design: Design, name: str, rule: Mapping[str, Any]) -> Design:
    """The design with a column in which one answer of an item is divided by the answers to a further question.

    Parameters
    ----------
    rule : `item`, its `answer`, the item `by` which that is divided, and `levels`, the names of what comes out: of the
        other answers as they are, of the divided one as "answer, further answer".
    """
    frame = design.frame
    first, further = (frame[rule[key]].astype(object) for key in ("item", "by"))
    divided = first == rule["answer"]
    joined = first.where(~divided, f"{rule['answer']}, " + further)
    levels = rule["levels"]
    return design.with_columns(**{name: pd.Categorical(joined.map(levels), list(levels.values()))})
