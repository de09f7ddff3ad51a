"""What every function refuses in the same words: a frame for a design, a design for a fit, a mistyped name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.errors import DesignError, did_you_mean, nearest, shown
from survey.tabulation.publication import publication_table
from tests.estimation.test_means import APPROVAL, respondents

loose: Any = survey
SHARES = {"Low": 0.5, "High": 0.5}
ARGUMENTS: dict[str, Any] = {
    "at": {"y": 1.0},
    "by": "income",
    "caps": [2.0],
    "formulas": {"one": "approval ~ y", "two": "approval ~ y + x"},
    "item": "approval",
    "items": ["approval"],
    "margins": {"income": SHARES},
    "responded": "chosen",
    "shares": SHARES,
    "targets": pd.Series(SHARES).rename_axis("income"),
    "upper": 3.0,
    "variable": "y",
    "x": "x",
    "y": "y",
}


def functions_of(first: str) -> list[str]:
    """Public functions whose first argument has a name."""
    found = [name for name in survey.__all__ if inspect.isfunction(getattr(survey, name))]
    return [name for name in found if next(iter(inspect.signature(getattr(survey, name)).parameters), "") == first]


def call(function: Callable[..., object], first: object) -> object:
    """Call a function with a first argument and sound other ones."""
    asked = list(inspect.signature(function).parameters.values())[1:]
    needed = {p.name: ARGUMENTS[p.name] for p in asked if p.default is p.empty or p.name in ("upper", "margins")}
    if function in (survey.banner, survey.margin_table):
        needed |= {"by": ["income"]} if function is survey.banner else {"targets": {"income": SHARES}}
    return function(first, **needed)


def test_nearly_all_functions_are_called_below() -> None:
    assert len(functions_of("design")) > 25
    assert len(functions_of("fit")) > 8


@pytest.mark.parametrize("name", functions_of("design"))
@pytest.mark.parametrize(
    ("given", "what"), [(respondents(), "DataFrame"), (None, "NoneType"), (survey.Design, "Design itself")]
)
def test_a_frame_is_no_design(name: str, given: object, what: str) -> None:
    message = rf"`design` must be a survey.Design; got {what}. Make one with survey.Design\(frame, weight=...\)."
    with pytest.raises(survey.DesignError, match=message):
        call(getattr(survey, name), given)


@pytest.mark.parametrize("name", [name for name in functions_of("fit") if name != "score_test"])
def test_a_design_is_no_fit(name: str) -> None:
    message = r"`fit` must be a survey.OrdinalFit; got Design. Make one with survey.ordinal\(formula, design\)."
    with pytest.raises(survey.EstimationError, match=message):
        call(getattr(survey, name), survey.Design(respondents(), weight="w"))


@pytest.mark.parametrize(
    ("call", "message"),
    [  # `loose` is the package without types: these calls are wrong on purpose
        (lambda d, f: loose.score_test(d, d, "x"), "`fit` must be a survey.OrdinalFit; got Design"),
        (lambda d, f: loose.score_test(f, d.frame, "x"), "`design` must be a survey.Design; got DataFrame"),
        (lambda d, f: loose.ordinal("approval ~ y", d.frame), "`design` must be a survey.Design; got DataFrame"),
        (lambda d, f: f.t_test("typo = 0"), r"`r_matrix` must be hypotheses on y, .*'typo = 0' cannot be read"),
        (lambda d, f: f.wald_test([1, 2]), r"`r_matrix` must be hypotheses on y, .*\[1, 2\] cannot be read"),
        (
            lambda d, f: survey.average_effects(f, "y", nets={"Approve": ["Approve"]}),
            r"`nets\['Approve'\]` must not have the name of an answer",
        ),
        (
            lambda d, f: loose.average_effects(f, "y", nets={"Any": "Approve"}),
            r"`nets\['Any'\]` must be a list of answers of the outcome; got 'Approve'",
        ),
        (lambda d, f: loose.score_test(f, d, ["x"]), r"`added` must be terms of a formula, .*; got \['x'\]"),
        (lambda d, f: loose.likelihood_ratio_test(f, "x"), "`larger` must be a survey.OrdinalFit; got str"),
        (lambda d, f: loose.likelihood_ratio_test("x", f), "`smaller` must be a survey.OrdinalFit; got str"),
        (lambda d, f: loose.information_criteria(f, d), "`fits` must be a survey.OrdinalFit; got Design"),
        (lambda d, f: loose.compare(survey.topline(d, "approval")), "`estimates` must be a survey.Estimate; got Table"),
        (lambda d, f: loose.compare(f), "`estimates` must be a survey.Estimate; got OrdinalFit"),
    ],
)
def test_other_arguments_are_told_apart_too(call: Any, message: str) -> None:
    design = survey.Design(respondents(), weight="w")
    with pytest.raises(survey.SurveyError, match=message):
        call(design, survey.ordinal("approval ~ y", design))


def test_the_nearest_name_is_the_one_that_was_meant() -> None:
    assert nearest("aproval", ["income", "approval"]) == "approval"
    assert nearest("GENDER ", ["age", "gender"]) == "gender"
    assert nearest("0", [0, 1]) == 0
    assert nearest("zzz", ["income", "approval"]) is None
    assert did_you_mean("aproval", ["approval"]) == " Did you mean 'approval'?"
    assert did_you_mean("zzz", ["approval"]) == ""


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda d: loose.mean(d, "y", by="incme"), "income"),
        (lambda d: loose.topline(d, "aproval"), "approval"),
        (lambda d: loose.topline(d, "aproval", missing="show"), "approval"),
        (lambda d: loose.topline(d, APPROVAL, nets={"Any": ["Aprove"]}), "Approve"),
        (lambda d: loose.banner(d, ["approval"], ["income"], nets={"aproval": {}}), "approval"),
        (lambda d: loose.rake(d, {"incme": SHARES}), "income"),
        (lambda d: loose.calibrate(d, totals={"Y": 5.0}), "y"),
        (lambda d: loose.adjust_nonresponse(d, responded="chosn"), "chosen"),
        (lambda d: loose.adjust_nonresponse(d, responded="chosen", cells=["incme"]), "income"),
        (lambda d: loose.goodness_of_fit(d, "income", {"low": 0.5, "High": 0.5}), "Low"),
        (lambda d: loose.mean(d, "y", by="income").contrast({"low": 1, "High": -1}), "Low"),
        (lambda d: loose.compare(survey.mean(d, "y", by="income"), by="incme"), "income"),
        (lambda d: loose.ordinal("approval ~ incme", d), "income"),
        (lambda d: loose.ordinal("approval ~ income", d).term_test("incme"), "income"),
        (lambda d: survey.average_effects(loose.ordinal("approval ~ income", d), "incme"), "income"),
        (lambda d: survey.predicted_probabilities(loose.ordinal("approval ~ y", d), {"Y": 1.0}), "y"),
        (lambda d: loose.Design(d.frame, weight="W"), "w"),
        (lambda d: loose.Design(d.frame, weight="w", strata="regin"), "region"),
        (lambda d: d.domain("regin == 'East'"), "region"),
    ],
)
def test_mistyped_names_are_answered_with_the_nearest(call: Any, meant: str) -> None:
    design = survey.Design(respondents().assign(chosen=True), weight="w")
    with pytest.raises(survey.SurveyError, match=rf"Did you mean '{meant}'\?$"):
        call(design)


def test_a_mistyped_level_of_a_margin_is_answered_with_the_target_that_nobody_has() -> None:
    design = survey.Design(respondents(), weight="w")
    with pytest.raises(survey.CalibrationError, match=r"Nobody has 'low', which has a target: is it the same level\?"):
        survey.rake(design, {"income": {"low": 0.5, "High": 0.5}})


def test_no_frame_of_a_result_can_be_changed_from_outside() -> None:
    design = survey.Design(respondents(), weight="w")
    fit = survey.ordinal("approval ~ y", design)
    printed = publication_table({"one": fit})
    pooled = survey.pool([survey.topline(design, "approval")] * 2)
    held: list[tuple[Any, str]] = [
        (survey.mean(design, "y", by="income"), "labels"),
        (survey.topline(design, "approval"), "frame"),
        (pooled, "labels"),
        (pooled, "table"),
        (printed, "frame"),
        (printed, "layout"),
        (design, "data"),
    ]
    for result, name in held:
        before = getattr(result, name).copy(deep=True)
        taken = getattr(result, name)
        taken.iloc[0, 0] = np.nan
        taken["new"] = 1
        pd.testing.assert_frame_equal(getattr(result, name), before)
    taken = fit.params
    taken.iloc[0] = 99.0
    assert fit.params.iloc[0] != 99.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.int64(3), "3"), ((np.int64(0),), "(0,)"), ([np.float64(0.5), "a"], "[0.5, 'a']"), ((), "()")],
)
def test_values_are_printed_without_the_types_of_numpy(value: object, text: str) -> None:
    assert shown(value) == text


def test_tables_that_need_a_package_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table:
        def to_pandas(self) -> None:
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr("narwhals.from_native", lambda data, eager_only: data)
    with pytest.raises(DesignError, match=r'where pyarrow is not installed.*got Table.*"opinion-survey\[parquet\]"'):
        survey.Design(Table(), weight=None)  # type: ignore[arg-type]
