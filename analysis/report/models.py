"""The models of a report: the regression, and the same with more predictors; or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.report.gradients import Gradients, gradients
from analysis.report.regression import Regression, regress
from analysis.study import Study
from survey import EstimationError, OrdinalFit

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The models of a study.

    Attributes
    ----------
    regression : the regression; None where it cannot be fitted, for the reason `refused`.
    gradients : the regression with more predictors; None where that is not asked for, or for the reason `ungraded`.
    """

    regression: Regression | None
    refused: str | None
    gradients: Gradients | None
    ungraded: str | None

    @property
    def fit(self) -> OrdinalFit | None:
        """The fitted regression."""
        return None if self.regression is None else self.regression.fit


def fit_models(study: Study, step: Step) -> Models:
    """Fit the models that the settings ask for; `step` is told what is being done."""
    step("Regression")
    regression, refused = _regression(study)
    step("Regression with more predictors")
    graded, ungraded = gradients(study) if regression else (None, None)
    return Models(regression, refused=refused, gradients=graded, ungraded=ungraded)


def _regression(study: Study) -> tuple[Regression | None, str | None]:
    """The regression, or why there is none: a small file may leave an answer without respondents in a group."""
    try:
        return regress(study), None
    except EstimationError as error:
        return None, str(error).replace("`", "")
