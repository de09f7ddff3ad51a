"""Refusals name arguments that the function has which was called, not those of what it rests on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey

CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (survey.ratio, ("y", "zero"), {}, "`x` must have a total other than zero; 'zero' sums to zero over the sample"),
    (survey.ratio, ("infinite", "y"), {}, "`y` must be finite; 'infinite' holds an infinite value"),
    (survey.ratio, ("y", "infinite"), {}, "`x` must be finite; 'infinite' holds an infinite value"),
    (survey.t_test, ("infinite",), {}, "`y` must be finite; 'infinite' holds an infinite value"),
    (survey.t_test, ("infinite",), {"by": "two"}, "`y` must be finite; 'infinite' holds an infinite value"),
    (survey.t_test, ("y",), {"paired": "infinite"}, "`paired` must be finite; 'infinite' holds an infinite value"),
    (survey.t_test, ("same",), {}, "`y` must vary to be tested; 'same' has a standard error of zero"),
    (survey.cov, ("two", "y"), {}, "`x` must be numeric to have a variance; 'two' has type category"),
    (survey.corr, ("y", "two"), {}, "`y` must be numeric to have a variance; 'two' has type category"),
    (survey.quantile, ("y",), {"by": "id"}, "`by` must sort respondents into groups; 'id' has 300 values for 300"),
    (survey.goodness_of_fit, ("id", {"p0": 1}), {}, "`x` must sort respondents into groups; 'id' has 300 values"),
    (survey.topline, ("id",), {}, "`item` must sort respondents into groups; 'id' has 300 values for 300"),
]


@pytest.fixture(scope="module")
def design() -> survey.Design:
    """300 people with numbers, groups and names of their own."""
    n = 300
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"y": rng.normal(size=n).round(1), "same": 2.0, "id": [f"p{i}" for i in range(n)]})
    frame["zero"] = np.where(np.arange(n) % 2, 1.0, -1.0)
    frame["infinite"] = np.where(np.arange(n) == 7, np.inf, 1.0)
    frame["two"] = pd.Categorical(np.where(np.arange(n) < 100, "u", "v"))
    frame["three"] = pd.Categorical(np.array(["a", "b", "c"])[np.arange(n) % 3])
    return survey.Design(frame, weight=None)


@pytest.mark.parametrize(("function", "positional", "named", "message"), CALLS)
def test_errors_name_an_argument_of_the_function(
    design: survey.Design,
    function: Callable[..., Any],
    positional: tuple[Any, ...],
    named: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(survey.EstimationError, match=re.escape(message)):
        function(design, *positional, **named)
    assert message.split("`")[1] in inspect.signature(function).parameters


def test_given_shares_without_degrees_of_freedom() -> None:
    """The correction is that of a table, and a test of given shares has none."""
    frame = pd.DataFrame({"answer": list("aabaabbb"), "stratum": [1, 1, 2, 2, 3, 3, 4, 4]}).assign(psu=1)
    alone = survey.Design(frame, weight=None, psu="psu", strata="stratum", nest=True, lonely_psu="adjust")
    with pytest.raises(survey.EstimationError, match="`x` has no sampling variance to test against: the design has 0"):
        survey.goodness_of_fit(alone, "answer", {"a": 0.5, "b": 0.5})


def test_groups_that_two_psus_cannot_tell_apart(design: survey.Design) -> None:
    frame = design.frame.assign(psu=np.arange(design.n) % 2)
    two_psus = survey.Design(frame, weight=None, psu="psu")
    with pytest.raises(survey.EstimationError, match="`by` has 2 parts, which is more than the design can tell apart"):
        survey.rank_test(two_psus, "y", "three", df="design")
    with pytest.raises(survey.EstimationError, match="`table` has 2 parts, which is more than the design can tell"):
        survey.crosstab(two_psus, "two", "three").test(method="wald", df="design")
