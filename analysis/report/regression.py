"""The study's ordinal regression: slopes, average effects, probabilities and tests, as tidy frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.study import Study
from survey import (
    Design,
    EstimationError,
    OrdinalFit,
    TestResult,
    average_effects,
    ordinal,
    predicted_probabilities,
)

STEPS = "merged_answers"
"""Column of the outcome with the answers merged that the test of parallel lines cannot tell apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The regression of a study.

    Attributes
    ----------
    fit : the fitted model.
    odds : slopes on the log odds scale.
    effects : average effects of every predictor on every answer and net.
    probabilities : predicted probabilities of the answers along the first predictor.
    terms : adjusted Wald test of each predictor.
    parallel : test of parallel lines, overall and by term; None where it cannot be made, for the reason `unmade`.
    """

    fit: OrdinalFit
    odds: pd.DataFrame
    effects: pd.DataFrame
    probabilities: pd.DataFrame
    terms: pd.DataFrame
    parallel: TestResult | None
    unmade: str | None


def regress(study: Study) -> Regression:
    """Fit the study's regression and everything that the report shows of it.

    Raises
    ------
    EstimationError : the model cannot be fitted: separation, or an answer that nobody gave.
    """
    fit = ordinal(study.settings.formula, study.design)
    nets = study.outcome.nets_among(fit.levels)
    effects = [average_effects(fit, name, nets=nets).tidy() for name in study.settings.predictors]
    first = study.settings.predictors[0]
    along = list(fit.matrix.dtypes[first].categories)
    tests = [fit.term_test(name).tidy().assign(term=name) for name in study.settings.predictors]
    parallel, unmade = _parallel(study, fit)
    tidy = fit.tidy()
    return Regression(
        fit=fit,
        odds=tidy[tidy["kind"] == "slope"].reset_index(drop=True),
        effects=pd.concat(effects, ignore_index=True),
        probabilities=predicted_probabilities(fit, {first: along}, nets=nets).tidy(),
        terms=pd.concat(tests, ignore_index=True),
        parallel=parallel,
        unmade=unmade,
    )


def merged(design: Design, outcome: str, steps: Mapping[str, Sequence[str]]) -> Design:
    """The design with a column of the outcome whose answers are merged as `steps` says, lowest first."""
    into = {answer: step for step, answers in steps.items() for answer in answers}
    answers = design.frame[outcome].astype(object).map(into)
    return design.with_columns(**{STEPS: pd.Categorical(answers, list(steps), ordered=True)})


def _parallel(study: Study, fit: OrdinalFit) -> tuple[TestResult | None, str | None]:
    """The test of parallel lines, or why there is none."""
    steps = study.settings.parallel_lines
    try:
        if steps:
            design = merged(study.design, study.settings.outcome, steps)
            fit = ordinal(study.settings.formula.replace(study.settings.outcome, STEPS, 1), design)
        return fit.parallel_lines_test(), None
    except EstimationError as error:
        return None, str(error).replace("`", "")
