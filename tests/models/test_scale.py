"""Effects on the scale, codings and curves of predictors, and effects under every design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey
from survey.models.effects import average_effects, predicted_probabilities
from survey.models.fitting import ordinal
from survey.models.likelihood import refit_limits
from survey.models.links import LINKS
from survey.models.ordinal import OrdinalFit
from survey.models.predictors import threshold_structure
from tests import brute_force
from tests.models.latent import LATENT
from tests.models.test_nominal import columns, numbers, people
from tests.models.test_ordinal import ANSWERS
from tests.ordinal_on_rows import Rows
from tests.reference_data import close, close_within

EXACT = 1e-8  # relative: two solutions of one likelihood
DIFFERENCES = 1e-6  # relative: standard errors from differences on rows


def fitted(frame: pd.DataFrame, formula: str, **options: Any) -> OrdinalFit:
    return ordinal(formula, survey.Design(frame, weight="w", strata="stratum", psu="psu"), **options)


@pytest.mark.parametrize("link", list(LINKS))
def test_three_answers_by_one_item_reproduce_their_table(link: Any) -> None:
    """Two thresholds in two groups are as many as two thresholds, a shift and a scale: the fit is exact."""
    frame = people()
    merged = frame["approval"].astype(str).replace("strongly approve", "approve")
    frame["approval"] = pd.Categorical(merged, ANSWERS[:3], ordered=True)
    fit = fitted(frame, "approval ~ urban", scale="~ urban", link=link)
    at = {}
    for level, part in frame.groupby("urban", observed=True):
        shares = [part.loc[part["approval"] <= answer, "w"].sum() / part["w"].sum() for answer in ANSWERS[:2]]
        at[level] = numbers(LATENT[link].ppf(shares))
    sigma = np.diff(at["rural"])[0] / np.diff(at["urban"])[0]
    close(fit.thresholds, at["rural"], EXACT, "thresholds")
    close(np.exp(fit.params["scale:urban[T.urban]"]), sigma, EXACT, "scale")
    close(fit.slopes.iloc[0], at["rural"][0] - sigma * at["urban"][0], EXACT, "slope")
    assert fit.tidy()["kind"].tolist() == ["slope", "threshold", "threshold", "scale"]
    assert "Scale effects:" in str(fit.summary())
    table = survey.proportion(
        survey.Design(frame, weight="w", strata="stratum", psu="psu"), "approval", by="urban", interval="logit"
    )
    found = predicted_probabilities(fit, {"urban": ["rural", "urban"]})
    close(found.value, table.value, EXACT, "probabilities")
    close(found.std_error, table.std_error, 1e-7, "std_error")


def test_reversed_answers_flip_all_but_the_scale() -> None:
    frame = people()
    turned = frame.assign(approval=frame["approval"].cat.reorder_categories(ANSWERS[::-1], ordered=True))
    one, other = (fitted(own, "approval ~ income + age", nominal="~ urban", scale="~ age") for own in (frame, turned))
    close(other.slopes, -one.slopes, EXACT, "slopes")
    close(other.thresholds.to_numpy()[::-1], -one.thresholds, EXACT, "thresholds")
    close(other.params.to_numpy()[6:9][::-1], -one.params.to_numpy()[6:9], EXACT, "nominal")
    close(other.params["scale:age"], one.params["scale:age"], EXACT, "scale")
    close(other.bse["scale:age"], one.bse["scale:age"], EXACT, "std_error")


def test_a_scale_of_one_is_no_scale() -> None:
    """At zero effects on the scale the likelihood is that of the model without; the maximum is above it."""
    frame = people()
    one, other = (fitted(frame, "approval ~ income + age", scale=scale) for scale in (None, "~ urban"))
    assert other.log_likelihood > one.log_likelihood
    assert other.null_log_likelihood == one.null_log_likelihood


def test_a_level_whose_respondents_agree_has_no_scale() -> None:
    """All of them give one middle answer: its probability tends to 1 as the scale tends to 0."""
    frame = people()
    frame.loc[frame["urban"] == "urban", "approval"] = "neither"
    assert np.isfinite(fitted(frame, "approval ~ urban + age").bse).all()
    with pytest.raises(survey.ConvergenceError, match="the likelihood"):
        fitted(frame, "approval ~ urban + age", scale="~ urban")


def test_effects_on_the_scale_do_not_hide_separation() -> None:
    frame = people()
    frame.loc[frame["income"] == "high", "approval"] = "strongly approve"
    with pytest.raises(
        survey.SeparationError, match=r"respondents with income\[T.high\] all answer 'strongly approve'"
    ):
        fitted(frame, "approval ~ income", scale="~ age")


@pytest.mark.slow
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), link=st.sampled_from(list(LINKS)))
def test_a_scale_fit_is_a_maximum_or_refused(seed: int, link: Any) -> None:
    """The likelihood is not concave: where Newton's method stops, no step in any direction leads up."""
    frame = people(80, seed)
    try:
        fit = ordinal("approval ~ income", survey.Design(frame, weight="w"), scale="~ urban + age", link=link)
    except survey.EstimationError:
        return
    rows = Rows(
        frame["approval"].cat.codes.to_numpy().astype(np.intp),
        columns(frame, "income"),
        np.zeros((len(frame), 0)),
        columns(frame, "urban age"),
        np.zeros(len(frame)),
        np.eye(3),
        link,
    )
    weight = numbers(frame["w"] / frame["w"].mean())
    best, errors = numbers(fit.params), np.sqrt(np.diag(fit.model_vcov))
    rng = np.random.default_rng(seed)
    for _ in range(20):
        moved = best + 0.01 * errors * rng.normal(size=best.size)
        assert weight @ rows.log_likelihood(moved) < fit.log_likelihood + 1e-9


def test_odds_ratios_need_one_scale() -> None:
    fit = fitted(people(), "approval ~ income", scale="~ urban")
    with pytest.raises(
        survey.EstimationError, match="odds ratios, which a model with effects on the scale does not have"
    ):
        fit.tidy(exponentiate=True)


@pytest.mark.parametrize(
    ("name", "q", "expected", "names"),
    [
        ("equidistant", 4, [[1, 0], [1, 1], [1, 2], [1, 3]], ("threshold.1", "spacing")),
        ("symmetric", 3, [[1, -1], [1, 0], [1, 1]], ("central", "spacing.1")),
        ("symmetric", 4, [[1, 0, -1], [1, 0, 0], [0, 1, 0], [0, 1, 1]], ("central.1", "central.2", "spacing.1")),
        (
            "symmetric",
            5,
            [[1, 0, -1], [1, -1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1]],
            ("central", "spacing.1", "spacing.2"),
        ),
        ("symmetric2", 4, [[0, -1], [-1, 0], [1, 0], [0, 1]], ("spacing.1", "spacing.2")),
        ("symmetric2", 5, [[0, -1], [-1, 0], [0, 0], [1, 0], [0, 1]], ("spacing.1", "spacing.2")),
        ("flexible", 2, [[1, 0], [0, 1]], ()),
    ],
)
def test_structures_are_those_of_clm(name: Any, q: int, expected: list[list[int]], names: tuple[str, ...]) -> None:
    """`ordinal:::makeThresholds`, its matrices written down."""
    made, found = threshold_structure(name, q)
    np.testing.assert_array_equal(made, np.array(expected, dtype=float))
    assert found == names


# Codings and curves -----------------------------------------------------------------------------------------


def test_polynomials_are_their_columns() -> None:
    """`poly` learns its columns from respondents; any basis of the same polynomials gives the same fit."""
    frame = people()
    one = fitted(frame, "approval ~ poly(age, 3) + income")
    plain = fitted(frame.assign(a2=frame["age"] ** 2, a3=frame["age"] ** 3), "approval ~ age + a2 + a3 + income")
    close(one.log_likelihood, plain.log_likelihood, 1e-12, "log-likelihood")
    close(one.params["income[T.high]"], plain.params["income[T.high]"], EXACT, "slope")
    close(one.bse["income[T.high]"], plain.bse["income[T.high]"], EXACT, "std_error")
    tested = one.term_test("poly(age, 3)")
    names = ["age", "a2", "a3"]
    b, vcov = plain.params[names].to_numpy(), plain.cov_params().loc[names, names].to_numpy()
    scale = np.sqrt(np.diag(vcov))
    by_hand = (b / scale) @ np.linalg.solve(vcov / np.outer(scale, scale), b / scale)
    close(float(tested.wald_chisq or 0), by_hand, 1e-6, "Wald")


def test_splines_are_their_columns() -> None:
    frame = people()
    knots = np.quantile(frame["age"], [0.5])
    one = fitted(frame, "approval ~ bs(age, df=4, degree=3) + urban")
    powers = {f"a{i}": frame["age"] ** i for i in (1, 2, 3)}
    broken = np.clip(frame["age"] - knots[0], 0, None) ** 3
    plain = fitted(frame.assign(**powers, broken=broken), "approval ~ a1 + a2 + a3 + broken + urban")
    close(one.log_likelihood, plain.log_likelihood, 1e-10, "log-likelihood")
    close(one.params["urban[T.urban]"], plain.params["urban[T.urban]"], 1e-6, "slope")
    close(one.bse["urban[T.urban]"], plain.bse["urban[T.urban]"], 1e-6, "std_error")


def test_ordered_predictors_may_have_polynomial_contrasts() -> None:
    """R's default for ordered factors: linear and quadratic of three levels, -1 0 1 and 1 -2 1 in unit length."""
    frame = people()
    fit = fitted(frame, "approval ~ C(income, contr.poly) + urban")
    code = frame["income"].cat.codes.to_numpy()
    linear, quadratic = np.array([-1, 0, 1]) / np.sqrt(2), np.array([1, -2, 1]) / np.sqrt(6)
    plain = fitted(frame.assign(l=linear[code], q=quadratic[code]), "approval ~ l + q + urban")
    close(fit.params.to_numpy(), plain.params.to_numpy(), EXACT, "params")
    close(fit.bse.to_numpy(), plain.bse.to_numpy(), EXACT, "std_error")
    assert list(fit.slopes.index[:2]) == ["C(income, contr.poly)[.L]", "C(income, contr.poly)[.Q]"]
    treatment = fitted(frame, "approval ~ income + urban")
    close(
        float(fit.term_test("C(income, contr.poly)").statistic), treatment.term_test("income").statistic, 1e-8, "test"
    )
    close(average_effects(fit, "income").value, average_effects(treatment, "income").value, 1e-8, "effects")


def test_interactions_are_products_of_columns() -> None:
    frame = people()
    frame["product"] = (frame["urban"] == "urban") * frame["age"]
    one, plain = fitted(frame, "approval ~ urban * age"), fitted(frame, "approval ~ urban + age + product")
    close(one.params.to_numpy(), plain.params.to_numpy(), EXACT, "params")
    close(one.vcov, plain.vcov, 1e-7, "vcov")


# Effects under every design ---------------------------------------------------------------------------------


def design_of(frame: pd.DataFrame, kind: str) -> survey.Design:
    if kind == "rows":
        return survey.Design(frame, weight="w")
    if kind == "two stages":
        return survey.Design(frame, weight="w", psu="psu", ssu="ssu", fpc=["psus", "ssus"])
    clusters = survey.Design(frame, weight="w", strata="stratum", psu="psu")
    if kind == "raked":
        targets = {"urban": {"rural": 0.4, "urban": 0.6}, "income": {"low": 0.3, "middle": 0.3, "high": 0.4}}
        return survey.rake(clusters, targets)
    return clusters.domain("age > -15") if kind == "domain" else clusters


@pytest.mark.parametrize(
    "options", [{}, {"nominal": "~ urban"}, {"scale": "~ urban"}], ids=["plain", "nominal", "scale"]
)
@pytest.mark.parametrize("kind", ["rows", "clusters", "two stages", "raked", "domain"])
def test_unconditional_variance_by_brute_force(kind: str, options: dict[str, Any]) -> None:
    """Influence of an average effect on rows, w (G - average) / sum(w) + J phi, and the variance of its total."""
    frame = people(300).assign(psus=60, ssus=40)
    frame["ssu"] = frame["psu"] * 100 + np.arange(len(frame)) % 5
    design = design_of(frame, kind)
    fit = ordinal("approval ~ income + urban + age", design, **options)
    found = average_effects(fit, "income", covariates="estimated")
    inside = (frame["age"] > -15).to_numpy() if kind == "domain" else np.ones(len(frame), dtype=bool)
    weight = np.where(inside, np.asarray(design.weights), 0.0)
    location = "income age" if options.get("nominal") else "income urban age"
    rows = Rows(
        frame["approval"].cat.codes.to_numpy().astype(np.intp),
        columns(frame, location),
        columns(frame, "urban" if options.get("nominal") else ""),
        columns(frame, "urban" if options.get("scale") else ""),
        np.zeros(len(frame)),
        np.eye(3),
        "logit",
    )

    def effects(params: np.ndarray) -> np.ndarray:
        """(n, 8) effects on each row."""
        moved = []
        for middle, high in ((0, 0), (1, 0), (0, 1)):
            x = rows.x.copy()
            x[:, 0], x[:, 1] = middle, high
            moved.append(replace(rows, x=x).probabilities(params))
        return np.hstack([moved[1] - moved[0], moved[2] - moved[0]])

    params = numbers(fit.params)
    share = weight / weight.sum()
    steps = 1e-20j * np.eye(len(params))
    jacobian = np.column_stack([share @ effects(params.astype(complex) + step).imag / 1e-20 for step in steps])
    average = share @ effects(params)
    influence = (effects(params) - average) / weight.sum() + rows.influence(params, weight) @ jacobian.T
    influence[~inside] = 0.0
    values = influence * weight[:, None]
    n = len(frame)
    stages = [brute_force.single_stage(n, frame["stratum"], frame["psu"])]
    if kind == "rows":
        stages = [brute_force.single_stage(n)]
    elif kind == "two stages":
        stages = [
            brute_force.single_stage(n, psu=frame["psu"], size=frame["psus"]),
            brute_force.single_stage(n, psu=frame["ssu"], size=frame["ssus"]),
        ]
    elif kind == "raked":
        margins = [brute_force.indicators(frame[name].astype(str)) for name in ("urban", "income")]
        values = brute_force.calibrated_values(influence, np.hstack(margins), frame["w"], weight)
    expected = brute_force.variance_of_total(values, stages)
    close(found.value, average, 1e-9, "effects")
    errors = np.sqrt(np.diag(expected))
    close_within(found.vcov, expected, DIFFERENCES * np.outer(errors, errors), "covariance")


def test_a_replicate_without_a_maximum_is_a_row_without_numbers() -> None:
    """Separation in one replicate alone: `refit_limits` marks it, `refit` counts and refuses."""
    frame = people(200)
    fit = fitted(frame, "approval ~ urban", nominal="~ urban")
    live = fit.cells.inside
    codes = fit.cells.frame.loc[live, "approval"].cat.codes.to_numpy().astype(np.intp)
    weight = fit.cells.weight[live]
    rural_low = (fit.cells.frame.loc[live, "urban"] == "rural").to_numpy() & (codes == 0)
    weights = np.column_stack([weight, np.where(rural_low, 0.0, weight)])
    t, p, _ = fit.predictors.sizes
    start = numbers(fit.params)[np.r_[p : p + t, :p]]
    found = refit_limits(codes, fit.predictors.rows(live), weights, LINKS["logit"], start)
    close_within(found[0], start, 1e-9, "unchanged weights")
    assert np.isnan(found[1]).all()
