"""Adjustment for non-response: its weights, its refusals, and its variance against derivatives and replicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey
from survey.weighting.steps import recalibrate
from tests import brute_force as rows
from tests.marks import slow
from tests.test_properties import VANISHING, Sample, samples

STEP = 1e-5  # of a respondent's weight, for derivatives by central differences
DERIVATIVE = 1e-5  # relative: differences of two means that share ten digits
JACKKNIFE = 0.05  # relative: 120 PSUs; linearization and jackknife differ by terms of order 1 / PSUs


def design(**columns: Any) -> survey.Design:
    data = pd.DataFrame(
        {
            "region": pd.Categorical(["n", "n", "s", "s"] * 10, ["n", "s"]),
            "answered": [True, False, True, True] * 10,
            "w": np.linspace(1, 2, 40),
            "y": np.arange(40.0) % 7,
        }
    ).assign(**columns)
    return survey.Design(data, weight="w")


def test_respondents_stand_for_their_class() -> None:
    base = design()
    made = survey.adjust_nonresponse(base, responded="answered", cells="region")
    frame, w = base.frame, base.weights
    assert made.n == 30
    assert (made.weights[~frame["answered"]] == 0).all()
    for region in "ns":
        inside = (frame["region"] == region).to_numpy()
        np.testing.assert_allclose(made.weights[inside].sum(), w[inside].sum())
        ratio = (made.weights / w)[inside & frame["answered"]]
        np.testing.assert_allclose(ratio, w[inside].sum() / w[inside & frame["answered"]].sum())
    (row,) = survey.calibration_summary(made).to_dict("records")
    assert (row["method"], row["variables"], row["n"]) == ("nonresponse", "region, answered", 30)
    one = survey.adjust_nonresponse(base, responded="answered")
    np.testing.assert_allclose(one.weights.sum(), w.sum())
    both = survey.adjust_nonresponse(design(sex=["m", "f", "f", "m"] * 10), responded="answered", cells=["region"])
    np.testing.assert_allclose(both.weights, made.weights)


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        ({}, {"responded": "r"}, "`responded` must name a column of the data; 'r' is not among"),
        ({}, {"responded": "region"}, "`responded` must be True or False, or 1 or 0; 'region' holds 'n'"),
        (
            {"answered": [1.0, 0.0, 1.0, np.nan] * 10},
            {"responded": "answered"},
            "`responded` must be known for everybody; 'answered' is missing for 10, first in row 3",
        ),
        ({}, {"responded": "answered", "cells": ["area"]}, r"`cells` must name columns of the data; \['area'\]"),
        (
            {"region": [None, "n", "s", "s"] * 10},
            {"responded": "answered", "cells": "region"},
            "`cells` must be known for everybody, whether or not they answered; region is missing for 10",
        ),
        (
            {},
            {"responded": "answered", "cells": "region", "minimum": 15},
            r"`cells` must have at least 15 respondents each; 1 of 2 classes have fewer: 'n' \(10\)",
        ),
        (
            {"answered": [False, False, True, True] * 10},
            {"responded": "answered", "cells": "region", "minimum": 1},
            r"`cells` must have at least 1 respondents each; 1 of 2 classes have fewer: 'n' \(0\). Merge classes",
        ),
        ({}, {"responded": "answered", "minimum": 0}, "`minimum` must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_adjusted_is_refused(columns: Any, arguments: Any, message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.adjust_nonresponse(design(**columns), **arguments)


def test_a_domain_is_adjusted_before_it_is_chosen() -> None:
    with pytest.raises(survey.CalibrationError, match="`design` must not be restricted to a domain"):
        survey.adjust_nonresponse(design().domain("region == 'n'"), responded="answered")


def test_a_replicate_may_lose_the_respondents_of_a_class() -> None:
    answered = np.arange(40) < 4
    base = design(answered=answered, psu=np.repeat(np.arange(10), 4))
    clustered = survey.Design(base.frame, weight="w", psu="psu")
    made = survey.adjust_nonresponse(clustered, responded="answered", cells="region", minimum=1)
    with pytest.raises(
        survey.CalibrationError,
        match=r"Replicate 1 of 10 cannot be calibrated as the sample was: `cells` must have respondents in every class",
    ):
        survey.replicate(made, kind="JK1")


def derivatives(made: survey.Design, y: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Derivative of a mean by each row's weight, times that weight: all steps done again with it changed."""
    base, n = made.base_weights, len(y)
    moved = np.tile(base[:, None], (1, 2 * n))
    moved[np.arange(n), np.arange(n)] *= 1 + STEP
    moved[np.arange(n), n + np.arange(n)] *= 1 - STEP
    for step in made.calibrations:
        moved = recalibrate(step, moved)
    means = (moved[inside].T @ y[inside]) / moved[inside].sum(axis=0)
    slopes: np.ndarray = (means[:n] - means[n:]) / (2 * STEP)
    return slopes


@pytest.mark.parametrize("then", ["nothing", *slow("linear", "poststratify", "twice")])
@settings(max_examples=40)
@given(sample=samples(), seed=st.integers(0, 1000), in_domain=st.booleans())
def test_the_variance_is_that_of_the_derivatives(then: str, sample: Sample, seed: int, in_domain: bool) -> None:
    """The influence of everybody sampled, by changing each weight and adjusting again."""
    rng = np.random.default_rng(seed)
    frame = sample.frame.assign(r=rng.random(len(sample.frame)) < 0.7, r2=rng.random(len(sample.frame)) < 0.8)
    frame.loc[frame.index[:6], ["r", "r2"]] = True
    frame["y"] = frame["y"].where(frame["r"])  # nobody knows what those who did not answer would have said
    base = sample.design(frame)
    made = survey.adjust_nonresponse(base, responded="r", cells="g", minimum=1)
    if then == "twice":
        made = survey.adjust_nonresponse(made, responded="r2", cells=["g", "m"], minimum=1)
    elif then == "linear":
        frame["z"] = frame["z"].where(frame["r"])
        made = survey.adjust_nonresponse(sample.design(frame), responded="r", cells="g", minimum=1)
        mean = float(survey.mean(made, "z").value[0])
        try:
            made = survey.calibrate(made, totals={"z": 1.02 * mean * made.weights.sum()})
        except survey.CalibrationError as error:
            assert "a negative weight" in str(error)  # noqa: PT017
            return
    elif then == "poststratify":
        frame["m"] = frame["m"].where(frame["r"])  # known of respondents alone, as a raking margin may be
        made = survey.adjust_nonresponse(sample.design(frame), responded="r", cells="g", minimum=1)
        made = survey.poststratify(made, pd.Series({"x": 0.45, "y": 0.55}).rename_axis("m"))
    inside = (made.weights > 0) & (frame["in_domain"].to_numpy() if in_domain else True)
    estimate = survey.mean(made.domain("in_domain") if in_domain else made, "y")
    z = derivatives(made, frame["y"].fillna(0.0).to_numpy(), inside)
    expected = rows.standard_error(z, [sample.stage])
    np.testing.assert_allclose(
        estimate.std_error[0], expected, rtol=DERIVATIVE, atol=VANISHING * max(abs(float(estimate.value[0])), 1.0)
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["JKn", "bootstrap"])
def test_replicates_agree_with_linearization(kind: Any) -> None:
    """Also what the usual wrong way gives: adjusted weights that are taken for given ones."""
    rng = np.random.default_rng(7)
    n = 2400
    frame = pd.DataFrame({"h": np.repeat([0, 1, 2], n // 3), "psu": np.repeat(np.arange(120), n // 120)})
    frame["region"] = pd.Categorical(rng.choice(list("abcd"), n))
    frame["w"] = rng.uniform(1, 4, n)
    place = frame["region"].cat.codes.to_numpy()
    frame["y"] = 2.0 * place + rng.normal(size=n) + rng.normal(size=120)[frame["psu"]]
    frame["r"] = rng.random(n) < 0.3 + 0.15 * place
    base = survey.Design(frame, weight="w", strata="h", psu="psu")
    made = survey.adjust_nonresponse(base, responded="r", cells="region")
    linear = survey.mean(made, "y").std_error[0]
    again = survey.replicate(made, kind=kind, replicates=2000, rng=rng if kind == "bootstrap" else None)
    np.testing.assert_allclose(survey.mean(again, "y").std_error[0], linear, rtol=JACKKNIFE)
    forgetful = survey.Design(frame.assign(w=made.weights), weight="w", strata="h", psu="psu")
    assert survey.mean(forgetful, "y").std_error[0] > linear * (1 + 2 * JACKKNIFE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"responded": ["r"]}, "`responded` must name a column of the data; list is not among .* Put it into the data"),
        ({"responded": "r", "cells": 5}, "`cells` must be a column name or a list of them; got int"),
        ({"responded": "r", "minimum": "5"}, "`minimum` must be at least 1; got '5'"),
    ],
)
def test_arguments_of_another_form_are_refused(arguments: Any, message: str) -> None:
    sampled = survey.Design(pd.DataFrame({"r": [True, False] * 20, "w": 1.0}), weight="w")
    with pytest.raises(survey.CalibrationError, match=message):
        survey.adjust_nonresponse(sampled, **arguments)
