"""Smooth functions of estimates by the delta method, contrasts with unknown parts, and who was left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey
from survey.estimation.delta import jacobian
from tests.test_properties import Sample, same, samples

DERIVATIVE = 1e-9  # relative: five-point differences with a step of a thousandth

FEW = 40  # random designs per property


def respondents(n: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(8, 2, n), "y": rng.normal(20, 3, n), "w": rng.uniform(0.5, 2, n)})
    frame["g"] = rng.choice(["a", "b"], n)
    frame.loc[:8, "y"] = np.nan
    frame.loc[100:, "g"] = None
    return frame


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w")


def both() -> survey.Estimate:
    return survey.mean(design(), ["x", "y"])


@settings(max_examples=FEW)
@given(sample=samples())
def test_a_ratio_is_a_function_of_totals(sample: Sample) -> None:
    """The delta method on two totals gives the linearized ratio; a linear function gives the contrast."""
    totals = survey.total(sample.design(), ["y", "z"])
    ratio = survey.ratio(sample.design(), "y", "z")
    made = totals.transform(lambda e: e[0] / e[1])
    same(made.value, ratio.value, 1)
    same(made.vcov, ratio.vcov, 1)
    linear = totals.transform(lambda e: np.array([[1, -2], [0, 3]]) @ e)
    contrast = totals.contrast(np.array([[1, -2], [0, 3]]))
    same(linear.value, contrast.value, np.abs(totals.value).max())
    same(linear.vcov, contrast.vcov, totals.vcov.max())


@given(
    value=st.lists(st.floats(0.01, 1e6), min_size=2, max_size=2),
    error=st.floats(1e-6, 10.0),
    power=st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0]),
)
def test_derivatives_do_not_depend_on_units(value: list[float], error: float, power: float) -> None:
    """Of x^p y and of log(x / y), whatever the size of x and y."""
    x, y = value
    at = np.array(value)
    made = jacobian(lambda e: [e[0] ** power * e[1], np.log(e[0] / e[1])], at, error * at)
    expected = [[power * x ** (power - 1) * y, x**power], [1 / x, -1 / y]]
    # the logarithm has few digits to lose, but its value may be small beside them
    np.testing.assert_allclose(made, expected, rtol=1e-7)
    np.testing.assert_allclose(made[0], expected[0], rtol=DERIVATIVE)


def test_jacobian_can_be_given() -> None:
    made = both().transform(lambda e: e[0] * e[1], jacobian=lambda e: [e[1], e[0]], names="product", df="design")
    differences = both().transform(lambda e: e[0] * e[1], names="product")
    np.testing.assert_allclose(made.vcov, differences.vcov, rtol=DERIVATIVE)
    assert made.tidy()["term"].tolist() == ["product"]
    assert both().transform(lambda e: e**2).tidy()["term"].tolist() == ["function 1", "function 2"]
    assert np.isnan(made.deff).all()
    assert made.df.tolist() == [both().whole_df]


def test_estimates_near_zero() -> None:
    """A step in proportion to an estimate of zero would be none: the standard error stands in."""
    centred = both().contrast(np.array([[1.0, 0.0]])).transform(lambda e: e - e, names="zero")
    assert centred.std_error.tolist() == [0.0]
    zero = replace(both(), value=np.array([0.0, 1e-14]))
    np.testing.assert_allclose(zero.transform(np.exp).std_error, both().std_error, rtol=1e-6)
    np.testing.assert_allclose(zero.transform(lambda e: e**2).std_error, 0, atol=1e-12)


def test_constants_do_not_vary() -> None:
    made = both().transform(lambda e: [1.0, e[0]])
    assert made.std_error[0] == 0
    np.testing.assert_allclose(made.std_error[1], both().std_error[0], rtol=DERIVATIVE)


def test_unknown_estimates_matter_only_where_they_are_used() -> None:
    one = survey.var(survey.Design(pd.DataFrame({"x": [1.0, 2, 4, 7, 8], "g": list("aabbc")})), "x", by="g")
    assert np.isnan(one.value[2])
    made = one.contrast(np.array([[1.0, -1, 0], [0, 1, 1]]))
    assert np.isfinite([made.value[0], made.std_error[0]]).all()
    assert np.isnan([made.value[1], made.std_error[1], made.vcov[0, 1]]).all()
    with pytest.raises(survey.EstimationError, match="`function` must give finite numbers"):
        one.transform(lambda e: e)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.transform(lambda v: np.log(v[0] - 100)), r"`function` must give finite numbers, .* \[nan\]"),
        (lambda e: e.transform(lambda v: "text"), "`function` must give finite numbers, one or a list of them"),
        (lambda e: e.transform(lambda v: v[:, None]), "`function` must give finite numbers, one or a list of them"),
        (
            lambda e: e.transform(lambda v: np.abs(v[0] - e.value[0])),
            "`function` must be smooth at the estimates; it has a kink in estimate 1, as `abs` has at zero",
        ),
        (
            lambda e: e.transform(lambda v: np.maximum(v[1], e.value[1] * 1.0003)),
            "`function` must be smooth at the estimates; it has a kink in estimate 2",
        ),
        (
            lambda e: e.transform(lambda v: v[v >= e.value]),
            "`function` must give as many numbers near the estimates as at them",
        ),
        (lambda e: e.transform(lambda v: v, names=["one"]), "`names` must name each of the 2 functions; got 1"),
        (
            lambda e: e.transform(lambda v: v[0], jacobian=lambda v: [1.0]),
            r"`jacobian` must give finite derivatives of shape \(1, 2\); it gave shape \(1, 1\)",
        ),
        (
            lambda e: e.transform(lambda v: v[0], jacobian=lambda v: [np.nan, 0.0]),
            r"`jacobian` must give finite derivatives of shape \(1, 2\)",
        ),
        (lambda e: survey.ratio(design(), [], "x"), "`y` must name at least one variable"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(both())


def test_respondents_left_out_are_counted() -> None:
    """Of the design's domain, for a missing value in a variable of the call or in a by-variable."""
    assert both().left_out == 9
    assert survey.mean(design(), "x").left_out == 0
    assert survey.mean(design(), "x", by="g").left_out == 50
    assert survey.mean(design(), "y", by="g").left_out == 59
    assert survey.mean(design().domain("x > 8"), "y").left_out == int((respondents().loc[:8, "x"] > 8).sum())
    assert both().contrast(np.eye(2)).left_out == 9
    assert both().transform(lambda e: e[0]).left_out == 9
    weightless = respondents().assign(w=lambda frame: frame["w"].where(frame.index > 3, 0.0))
    assert survey.mean(survey.Design(weightless, weight="w"), "y").left_out == 5


def test_tables_and_fits_know_who_was_left_out() -> None:
    frame = respondents()
    levels = ["low", "middle", "high"]
    frame["item"] = pd.Categorical(pd.cut(frame["y"], [0, 18, 22, 99], labels=levels), levels, ordered=True)
    design = survey.Design(frame, weight="w")
    cells = survey.topline(design, "item").cells
    assert cells is not None
    assert cells.left_out == 9
    fit = survey.ordinal("item ~ x", design)
    assert fit.cells.left_out == 9
    assert "9 of 150 respondents left out for missing values" in fit.note
    assert survey.average_effects(fit, "x").left_out == 9
