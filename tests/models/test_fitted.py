"""What tests know of a fit: its structure, and refusal of whatever lacks it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import survey
from survey.models.fitted import Fitted
from tests.models.test_ordinal import FORMULA, respondents

loose: Any = survey


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w")


def test_a_fit_has_the_structure_that_tests_read() -> None:
    fit = survey.ordinal(FORMULA, design())
    assert isinstance(fit, Fitted)
    assert fit.cells is fit.data.cells
    assert fit.n == int(fit.data.cells.n.sum())
    position = {level: i for i, level in enumerate(fit.levels)}
    inside = fit.cells.inside
    answers = fit.cells.frame.loc[inside, fit.outcome]
    np.testing.assert_array_equal(fit.data.codes[inside], [position[answer] for answer in answers])


@pytest.mark.parametrize(
    "use",
    [
        lambda wrong: loose.score_test(wrong, design(), "age"),
        lambda wrong: loose.parallel_lines_test(wrong),
        lambda wrong: loose.parallel_slopes(wrong),
    ],
)
@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (survey.OrdinalFit, "OrdinalFit itself"),  # the class has the attributes, and is no fit
        (SimpleNamespace(params=[0.0], df=1.0), "SimpleNamespace"),
        ("approval ~ age", "str"),
    ],
)
def test_what_is_not_a_fit_is_refused_below_it_as_above_it(use: Callable[[Any], Any], wrong: Any, found: str) -> None:
    message = rf"^`fit` must be a survey.OrdinalFit; got {found}. Make one with survey.ordinal\(formula, design\).$"
    with pytest.raises(survey.EstimationError, match=message):
        use(wrong)
    with pytest.raises(survey.EstimationError, match=message):
        loose.vif(wrong)
