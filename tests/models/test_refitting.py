"""Ordinal regressions refitted under replicate weights, all at once, equal the same fits one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey
from survey.models.derivatives import derivatives, ratios
from survey.models.likelihood import fit_limits
from survey.models.links import LINKS, log_difference
from survey.models.predictors import Predictors
from survey.models.refitting import refit

# Both stop where a Newton step would change nothing beyond rounding; information matrices are inverted on both sides
SAME = 1e-8
SLOPE = 1e-4  # relative: central differences with steps of a thousandth of the distance between the limits
ITEMS = ["no", "rather no", "rather yes", "yes"]


def people(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"psu": rng.integers(0, 12, n), "x": rng.normal(50, 10, n).round(0)})
    frame["g"] = pd.Categorical(rng.choice(["a", "b", "c"], n))
    latent = 0.05 * frame["x"] + 0.5 * (frame["g"] == "b") + rng.logistic(size=n)
    answer = np.array(ITEMS, dtype=object)[np.searchsorted(np.quantile(latent, [0.15, 0.5, 0.8]), latent)]
    frame["item"] = pd.Categorical(answer, categories=ITEMS, ordered=True)
    frame["w"] = rng.uniform(0.5, 3.0, n)
    return frame


@pytest.mark.parametrize("link", list(LINKS))
@pytest.mark.parametrize("formula", ["item ~ x + g", "item ~ 0 + g", "item ~ x"])
def test_replicates_equal_fits_of_their_own(link: Any, formula: str) -> None:
    frame = people()
    formula = formula.replace("0 + ", "")
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    fit = survey.ordinal(formula, made, link=link)
    assert made.replicates is not None
    assert len(fit.replicated) == 12
    scale = fit.bse.to_numpy()
    for column, refitted in zip(made.replicates.weights.T[:4], fit.replicated, strict=False):
        alone = survey.ordinal(formula, survey.Design(frame.assign(w=column), weight="w"), link=link)
        np.testing.assert_allclose(refitted / scale, alone.params.to_numpy() / scale, rtol=0, atol=SAME)


def test_a_two_level_outcome_and_units_of_a_covariate() -> None:
    frame = people().assign(yes=lambda d: pd.Categorical(np.where(d["item"] > "rather no", "yes", "no"), ordered=True))
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    one = survey.ordinal("yes ~ x + g", made)
    other = survey.ordinal(
        "yes ~ x + g",
        survey.replicate(survey.Design(frame.assign(x=frame["x"] * 1e6), weight="w", psu="psu"), kind="JK1"),
    )
    np.testing.assert_allclose(other.bse["x"] * 1e6, one.bse["x"], rtol=1e-9)
    np.testing.assert_allclose(other.bse.drop("x"), one.bse.drop("x"), rtol=1e-9)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    made = survey.replicate(survey.Design(people(), weight="w", psu="psu"), kind="JK1")
    whole = survey.ordinal("item ~ x + g", made).vcov
    monkeypatch.setattr("survey.models.refitting.BATCH_CELLS", 500)
    np.testing.assert_allclose(survey.ordinal("item ~ x + g", made).vcov, whole, rtol=1e-10)


def test_a_replicate_without_an_answer_is_refused() -> None:
    frame = people()
    frame.loc[(frame["item"] == "yes") & (frame["psu"] != 3), "item"] = "rather yes"
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(survey.EstimationError, match="`design`: in 1 of 12 replicates nobody gives one of the answers"):
        survey.ordinal("item ~ x + g", made)


def test_tests_of_a_fit_say_that_its_replicates_cannot_be_refitted() -> None:
    rng = np.random.default_rng(0)
    none = np.zeros((20, 0))
    predictors = Predictors(rng.normal(size=(20, 1)), none, none, np.zeros(20), np.eye(1))
    codes = np.arange(20) % 2
    weights = np.column_stack([np.ones(20), codes == 0]).astype(np.float64)
    with pytest.raises(survey.EstimationError, match="`fit`: in 1 of 2 replicates nobody gives one of the answers"):
        refit(codes, predictors, weights, LINKS["logit"], np.zeros(2), argument="fit")


def test_replicates_without_a_solution_are_counted_over_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survey.models.refitting.BATCH_CELLS", 40)
    rng = np.random.default_rng(0)
    none = np.zeros((40, 0))
    x = rng.normal(size=40)
    codes = (x + rng.logistic(size=40) > 0).astype(np.intp)
    predictors = Predictors(x[:, None], none, none, np.zeros(40), np.eye(1))
    agrees = ((x > 0) == (codes == 1)).astype(np.float64)  # alone they are separated at zero
    weights = np.column_stack([np.ones(40), agrees, np.ones(40), agrees])
    start = fit_limits(codes, predictors, np.ones(40), LINKS["logit"]).params
    with pytest.raises(survey.EstimationError, match="`design`: the model has no finite solution in 2 of 4 replicates"):
        refit(codes, predictors, weights, LINKS["logit"], start)


def test_a_replicate_that_separates_the_answers_is_refused() -> None:
    frame = people()
    frame["rare"] = np.where((frame["psu"] == 3) | (frame["item"] == "yes"), np.arange(len(frame)) % 2, 0).astype(float)
    frame.loc[frame["item"] == "yes", "rare"] = 1.0
    inside = (frame["psu"] == 3) & (frame["item"] != "yes")
    frame.loc[~inside & (frame["item"] != "yes"), "rare"] = 0.0
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(
        survey.EstimationError, match="`design`: the model has no finite solution in 1 of 12 replicates"
    ):
        survey.ordinal("item ~ rare", made)


@pytest.mark.parametrize("link", list(LINKS))
def test_plain_and_logarithmic_distributions_agree(link: str) -> None:
    x = np.linspace(-6, 6, 101)
    cdf, sf, density, slope = LINKS[link].tails(x)
    np.testing.assert_allclose(np.log(cdf), LINKS[link].log_cdf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(np.log(sf), LINKS[link].log_sf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(np.log(density), LINKS[link].log_pdf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(slope, LINKS[link].pdf_slope(x) * density, rtol=1e-9, atol=1e-16)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    link=st.sampled_from(list(LINKS)),
    answers=st.integers(2, 5),
    columns=st.integers(1, 3),
    has_offset=st.booleans(),
)
def test_many_replicates_at_once_are_single_fits(
    seed: int, link: str, answers: int, columns: int, has_offset: bool
) -> None:
    rng = np.random.default_rng(seed)
    patterns = 60 * answers
    covariates = rng.normal(rng.normal(0.0, 20.0, columns), rng.uniform(0.1, 5.0, columns), (patterns, columns))
    offset = rng.normal(0.0, 0.5, patterns) * has_offset
    none = np.zeros((patterns, 0))
    predictors = Predictors(covariates, none, none, offset, np.eye(answers - 1))
    codes = rng.permutation(np.arange(patterns) % answers)
    weights = rng.gamma(2.0, 1.0, (patterns, 7)) * (rng.random((patterns, 7)) < 0.8)  # a fifth of the patterns left out
    start = fit_limits(codes, predictors, weights.mean(axis=1), LINKS[link]).params
    together = refit(codes, predictors, weights, LINKS[link], start)
    for weight, params in zip(weights.T, together, strict=True):
        live = weight > 0
        alone = fit_limits(codes[live], predictors.rows(live), weight[live], LINKS[link])
        scale = np.sqrt(np.diag(alone.inverse_information))
        np.testing.assert_allclose(params / scale, alone.params / scale, rtol=0, atol=SAME)


@given(
    link=st.sampled_from(list(LINKS)),
    below=st.floats(-6.0, 6.0),
    width=st.floats(0.01, 4.0),
    weight=st.floats(0.0, 5.0),
)
def test_derivatives_by_the_limits_are_slopes_of_the_logarithm(
    link: str, below: float, width: float, weight: float
) -> None:
    def value(a: float, b: float) -> float:
        return weight * float(log_difference(LINKS[link], np.array([a]), np.array([b]))[0])

    a, b, step = below + width, below, 1e-3 * width
    at = np.array([a]), np.array([b])
    first, second = derivatives(ratios(LINKS[link], *at, log_difference(LINKS[link], *at)), weight)
    by_above = (value(a + step, b) - value(a - step, b)) / (2 * step)
    by_below = (value(a, b + step) - value(a, b - step)) / (2 * step)
    np.testing.assert_allclose(first[:, 0], [by_above, by_below], rtol=SLOPE, atol=SLOPE)

    def gradient(a: float, b: float) -> Any:
        at = np.array([a]), np.array([b])
        return derivatives(ratios(LINKS[link], *at, log_difference(LINKS[link], *at)), weight).first[:, 0]

    by_above_again = (gradient(a + step, b) - gradient(a - step, b)) / (2 * step)
    by_below_again = (gradient(a, b + step) - gradient(a, b - step)) / (2 * step)
    expected = [by_above_again[0], by_below_again[1], by_above_again[1]]
    np.testing.assert_allclose(second[:, 0], expected, rtol=SLOPE, atol=SLOPE * np.abs(second).max())
    np.testing.assert_allclose(by_below_again[0], second[2, 0], rtol=SLOPE, atol=SLOPE * np.abs(second).max())


@pytest.mark.parametrize("link", list(LINKS))
def test_derivatives_vanish_at_infinity_and_survive_far_tails(link: str) -> None:
    above = np.array([np.inf, 0.3, 31.0, -30.0])
    below = np.array([-0.2, -np.inf, 30.0, -31.0])
    log_p = log_difference(LINKS[link], above, below)
    at = ratios(LINKS[link], above, below, log_p)
    first, second = derivatives(at)
    assert first[0, 0] == second[0, 0] == second[2, 0] == 0
    assert first[1, 1] == second[1, 1] == second[2, 1] == 0
    possible = np.isfinite(log_p)  # beyond the range of double numbers an answer has no probability at all
    assert np.isfinite(first[:, possible]).all()
    assert np.isfinite(second[:, possible]).all()
