"""Partial proportional odds, offsets and structured thresholds: against rows, identities and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import logistic, norm

import survey
from survey.models.effects import average_effects, predicted_probabilities
from survey.models.fitting import ordinal
from survey.models.links import LINKS
from survey.models.ordinal import OrdinalFit
from tests import brute_force
from tests.marks import slow
from tests.models.test_ordinal import ANSWERS, respondents
from tests.ordinal_on_rows import Floats, Rows
from tests.reference_data import close, close_within

SCORE = 1e-8  # a zero score, in units of its standard deviation
DIFFERENCES = 1e-6  # relative: standard errors from differences of scores on rows
EXACT = 1e-9  # relative: two solutions of one likelihood
NUMERIC = 1e-6  # relative: derivatives by differences of refitted models
FORMULA = "approval ~ income + urban + age"
AGE_CENTRE = 40.0

# name -> options; `rows_of` writes the same model out
MODELS: Mapping[str, Mapping[str, Any]] = {
    "offset": {"offset": "shift"},
    "nominal number": {"nominal": "~ age"},
    "nominal levels": {"nominal": "~ income"},
    "nominal both": {"nominal": "~ urban + age"},
    "equidistant": {"thresholds": "equidistant"},
    "symmetric": {"thresholds": "symmetric"},
    "symmetric2": {"thresholds": "symmetric2"},
    "nominal spacing": {"thresholds": "equidistant", "nominal": "~ urban"},
    "scale level": {"scale": "~ urban"},
    "scale number": {"scale": "~ age + urban"},
    "all": {"nominal": "~ urban", "scale": "~ age", "offset": "shift"},
    "all but an offset": {"nominal": "~ urban", "scale": "~ age"},
    "spaced scale": {"thresholds": "symmetric2", "scale": "~ urban", "offset": "shift"},
}
STRUCTURES: Mapping[str, Any] = {
    "flexible": np.eye(3),
    "equidistant": [[1, 0], [1, 1], [1, 2]],
    "symmetric": [[1, -1], [1, 0], [1, 1]],
    "symmetric2": [[-1], [0], [1]],
}


def people(n: int = 400, seed: int = 3) -> pd.DataFrame:
    frame = respondents(n, seed)
    rng = np.random.default_rng(seed + 100)
    return frame.assign(shift=rng.normal(0, 0.3, n).round(2), stratum=frame["psu"] // 10, age=frame["age"] - AGE_CENTRE)


def columns(frame: pd.DataFrame, variables: str) -> np.ndarray:
    """Treatment-coded columns of variables, named with spaces between."""
    parts = {
        "income": [frame["income"] == "middle", frame["income"] == "high"],
        "urban": [frame["urban"] == "urban"],
        "age": [frame["age"]],
    }
    made = [np.asarray(part, dtype=float) for name in variables.split() for part in parts[name]]
    return np.column_stack(made) if made else np.zeros((len(frame), 0))


def numbers(values: object) -> Floats:
    """Numbers of a Series or array."""
    return np.asarray(values, dtype=np.float64)


def rows_of(frame: pd.DataFrame, options: Mapping[str, Any], link: str = "logit") -> Rows:
    """The model of `FORMULA` with options, on rows."""

    def terms(text: str) -> list[str]:
        return text.removeprefix("~ ").split(" + ") if text else []

    nominal = terms(options.get("nominal", ""))
    location = [name for name in ("income", "urban", "age") if name not in nominal]
    return Rows(
        answer=frame["approval"].cat.codes.to_numpy().astype(np.intp),
        x=columns(frame, " ".join(location)),
        z=columns(frame, " ".join(nominal)),
        s=columns(frame, " ".join(terms(options.get("scale", "")))),
        offset=frame["shift"].to_numpy() if "offset" in options else np.zeros(len(frame)),
        structure=np.array(STRUCTURES[options.get("thresholds", "flexible")], dtype=float),
        link=link,
    )


def fitted(frame: pd.DataFrame, formula: str = FORMULA, **options: Any) -> OrdinalFit:
    return ordinal(formula, survey.Design(frame, weight="w", strata="stratum", psu="psu"), **options)


def check_against_rows(frame: pd.DataFrame, options: Mapping[str, Any], link: str = "logit") -> None:
    """Maximum, log-likelihood, information and design covariance, from rows alone."""
    fit = fitted(frame, link=link, **options)
    rows = rows_of(frame, options, link)
    params = numbers(fit.params)
    weight = numbers(frame["w"] / frame["w"].mean())
    scores = rows.scores(params)
    spread = np.sqrt(weight**2 @ scores**2)
    close_within(weight @ scores / spread, np.zeros(len(params)), SCORE, "score")
    close(fit.log_likelihood, weight @ rows.log_likelihood(params), 1e-12, "log-likelihood")
    inverse = np.linalg.inv(rows.information(params, weight))
    errors = np.sqrt(np.diag(inverse))
    close_within(fit.model_vcov, inverse, DIFFERENCES * np.outer(errors, errors), "inverse information")
    stages = [brute_force.single_stage(len(frame), frame["stratum"], frame["psu"])]
    expected = brute_force.variance_of_total(rows.influence(params, weight) * weight[:, None], stages)
    errors = np.sqrt(np.diag(expected))
    close_within(fit.vcov, expected, DIFFERENCES * np.outer(errors, errors), "covariance")


@pytest.mark.parametrize("name", MODELS)
def test_models_against_rows(name: str) -> None:
    check_against_rows(people(), MODELS[name])


@pytest.mark.parametrize("link", ["probit", "cloglog", *slow("loglog", "cauchit")])
@pytest.mark.parametrize("name", ["all", "nominal both", "symmetric"])
def test_models_with_other_links_against_rows(name: str, link: str) -> None:
    check_against_rows(people(300), MODELS[name], link)


def test_a_raked_design_uses_the_calibration_residuals() -> None:
    """Of the influence on nominal effects as of any other."""
    frame = people()
    targets = {"urban": {"rural": 0.4, "urban": 0.6}, "income": {"low": 0.3, "middle": 0.3, "high": 0.4}}
    design = survey.rake(survey.Design(frame, weight="w", psu="psu"), targets)
    fit = ordinal(FORMULA, design, nominal="~ age")
    rows = rows_of(frame, {"nominal": "~ age"})
    weight = np.asarray(design.weights)
    influence = rows.influence(numbers(fit.params), weight)
    x = np.hstack(
        [brute_force.indicators(frame["urban"].astype(str)), brute_force.indicators(frame["income"].astype(str))]
    )
    values = brute_force.calibrated_values(influence, x, frame["w"], weight)
    expected = brute_force.variance_of_total(values, [brute_force.single_stage(len(frame), psu=frame["psu"])])
    errors = np.sqrt(np.diag(expected))
    close_within(fit.vcov, expected, DIFFERENCES * np.outer(errors, errors), "covariance")


def test_a_domain_keeps_its_psus() -> None:
    frame = people()
    design = survey.Design(frame, weight="w", strata="stratum", psu="psu").domain("age >= -10")
    fit = ordinal(FORMULA, design, nominal="~ age")
    inside = (frame["age"] >= -10).to_numpy()
    weight = frame["w"].to_numpy()
    rows = rows_of(frame, {"nominal": "~ age"})
    influence = rows.influence(numbers(fit.params), np.where(inside, weight, 0.0))
    stages = [brute_force.single_stage(len(frame), frame["stratum"], frame["psu"])]
    expected = brute_force.variance_of_total(influence * np.where(inside, weight, 0.0)[:, None], stages)
    close(fit.bse, np.sqrt(np.diag(expected)), DIFFERENCES, "std_error")
    gone = frame.assign(age=frame["age"].where(inside))
    close(fitted(gone, nominal="~ age").params, fit.params, EXACT, "missing values")


@pytest.mark.parametrize("name", ["all", *slow(*(name for name in MODELS if name != "all"))])
def test_replicates_are_refitted_with_the_same_model(name: str) -> None:
    """Each replicate equals a fit with its weights; the covariance is that of these fits."""
    frame = people(300).assign(psu=lambda d: d["psu"] % 8)
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    link: Any = "probit" if name == "nominal number" else "logit"
    fit = ordinal(FORMULA, design, link=link, **MODELS[name])
    assert fit.cells.replicates is not None
    refits = []
    for weight in fit.cells.replicates.source.weights.T:
        own = survey.Design(frame.assign(own=weight), weight="own")
        refits.append(ordinal(FORMULA, own, link=link, **MODELS[name]).params.to_numpy())
    errors = fit.bse.to_numpy()
    close_within(fit.replicated, np.array(refits), 1e-7 * errors, "replicates")
    about = np.array(refits) - np.mean(refits, axis=0)
    close(fit.vcov, 7 / 8 * about.T @ about, DIFFERENCES * 10, "covariance")


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_one_nominal_item_reproduces_its_table(link: Any) -> None:
    """A saturated model: thresholds are the quantiles of each group's cumulative shares."""
    frame = people()
    fit = fitted(frame, "approval ~ urban", nominal="~ urban", link=link)
    assert len(fit.slopes) == 0
    quantile = {"logit": logistic.ppf, "probit": norm.ppf}[link]
    shares = {
        level: [part.loc[part["approval"] <= answer, "w"].sum() / part["w"].sum() for answer in ANSWERS[:-1]]
        for level, part in frame.groupby("urban", observed=True)
    }
    close(fit.thresholds, quantile(shares["rural"]), EXACT, "thresholds")
    moved = fit.params.to_numpy()[3:]
    close(fit.thresholds.to_numpy() + moved, quantile(shares["urban"]), EXACT, "thresholds in cities")
    assert fit.params.index[3] == "disapprove|neither:urban[T.urban]"
    at = predicted_probabilities(fit, {"urban": ["rural", "urban"]})
    table = survey.proportion(
        survey.Design(frame, weight="w", strata="stratum", psu="psu"), "approval", by="urban", interval="logit"
    )
    close(at.value, table.value, EXACT, "probabilities")
    close(at.std_error, table.std_error, 1e-8, "std_error")


def test_terms_of_both_formulas_have_nominal_effects_alone() -> None:
    frame = people()
    both, one = fitted(frame, nominal="~ age"), fitted(frame, "approval ~ income + urban", nominal="~ age")
    assert list(both.params.index) == list(one.params.index)
    np.testing.assert_array_equal(both.params, one.params)
    assert list(both.slopes.index) == ["income[T.middle]", "income[T.high]", "urban[T.urban]"]
    assert both.tidy()["kind"].tolist() == ["slope"] * 3 + ["threshold"] * 3 + ["nominal"] * 3
    assert both.tidy(exponentiate=True)["term"].tolist() == list(both.slopes.index)
    assert "Nominal effects:" in str(both.summary())


def test_an_interaction_keeps_its_coding_when_its_main_effect_is_nominal() -> None:
    """The columns are those of the whole formula: nothing is coded again, so that nothing is collinear."""
    frame = people(800)
    fit = fitted(frame, "approval ~ urban * age", nominal="~ urban")
    assert list(fit.slopes.index) == ["age", "urban[T.urban]:age"]
    whole = fitted(frame, "approval ~ urban * age", nominal="~ urban + urban:age")
    assert list(whole.slopes.index) == ["age"]
    assert len(whole.params) == len(fit.params) + 2
    other = fitted(frame, "approval ~ age + age:urban", nominal="~ urban")
    close(other.log_likelihood, fit.log_likelihood, 1e-12, "log-likelihood")


def test_equal_effects_at_all_thresholds_are_a_slope() -> None:
    """With two answers there is one threshold: the nominal effect is minus the slope."""
    frame = people().assign(yes=lambda d: d["approval"] >= "approve")
    one, other = fitted(frame, "yes ~ urban + age"), fitted(frame, "yes ~ urban + age", nominal="~ age")
    close(other.params["False|True:age"], -one.params["age"], EXACT, "effect")
    close(other.bse["False|True:age"], one.bse["age"], EXACT, "std_error")


@pytest.mark.parametrize("name", ["nominal both", "scale number", "all", "offset", "symmetric"])
def test_units_and_weights_change_nothing_that_they_should_not(name: str) -> None:
    frame = people()
    one = fitted(frame, **MODELS[name])
    close(fitted(frame.assign(w=frame["w"] * 1e8), **MODELS[name]).params, one.params, EXACT, "weights")
    other = fitted(frame.assign(age=frame["age"] * 1e6), **MODELS[name])
    scale = np.where(other.params.index.str.endswith("age"), 1e6, 1.0)
    close_within(other.params * scale, one.params, EXACT * one.bse, "units")
    close(other.bse * scale, one.bse, 1e-8, "std_error")
    shuffled = frame.sample(frac=1, random_state=1)
    close_within(fitted(shuffled, **MODELS[name]).params, one.params, EXACT * one.bse, "order of rows")


def test_a_large_constant_in_nominal_and_scale_columns_costs_no_digits() -> None:
    """A year of birth: what it does is told from its differences, not from 2,000."""
    frame = people()
    later = frame.assign(age=frame["age"] + 2000)
    one, other = fitted(frame, nominal="~ age"), fitted(later, nominal="~ age")
    effects = [name for name in one.params.index if name.endswith(":age")]
    close_within(other.params[effects], one.params[effects], 1e-8 * one.bse[effects], "nominal")
    close(other.bse[effects], one.bse[effects], 1e-7, "std_error")
    one, other = (fitted(own, "approval ~ income + urban", scale="~ age") for own in (frame, later))
    close_within(other.params["scale:age"], one.params["scale:age"], 1e-8 * one.bse["scale:age"], "scale")
    close(other.bse["scale:age"], one.bse["scale:age"], 1e-7, "std_error")
    close(other.log_likelihood, one.log_likelihood, 1e-12, "log-likelihood")


def test_term_tests_reach_nominal_and_scale_effects() -> None:
    frame = people()
    fit = fitted(frame, nominal="~ age", scale="~ urban")

    def by_hand(names: list[str]) -> float:
        b = fit.params[names].to_numpy()
        return float(b @ np.linalg.solve(fit.cov_params().loc[names, names].to_numpy(), b))

    tested = fit.term_test("age")
    assert tested.df1 == 3
    close(float(tested.wald_chisq or 0), by_hand([n for n in fit.params.index if n.endswith(":age")]), 1e-10, "age")
    close(float(fit.term_test("urban").wald_chisq or 0), by_hand(["urban[T.urban]"]), 1e-10, "urban")
    scale = fit.term_test("urban", part="scale")
    close(float(scale.wald_chisq or 0), by_hand(["scale:urban[T.urban]"]), 1e-10, "scale")
    with pytest.raises(survey.EstimationError, match="`term` must be a term of the formula; 'psu' is not among"):
        fit.term_test("psu")
    with pytest.raises(survey.EstimationError, match="`term` must be a term of the formula; 'age' is not among"):
        fit.term_test("age", part="scale")
    with pytest.raises(survey.EstimationError, match='`part` must be "location" or "scale"'):
        fit.term_test("age", part="nominal")  # type: ignore[arg-type]
    joint = fit.wald_test(
        "disapprove|neither:age = neither|approve:age, neither|approve:age = approve|strongly approve:age"
    )
    assert joint.df_num == 2


EFFECTS = {**MODELS, "proportional": {}}


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("variable", ["age", *slow("income")])
def test_average_effects_against_rows(name: str, variable: str) -> None:
    """Averages of probabilities on rows; standard errors from derivatives of these and the design's covariance."""
    frame = people(300)
    options = EFFECTS[name]
    fit = fitted(frame, **options)
    weight = (frame["w"] / frame["w"].sum()).to_numpy()

    def moved(params: np.ndarray, **values: Any) -> np.ndarray:
        own = frame.assign(**values)
        return numbers(weight @ rows_of(own, options).probabilities(params))

    def effect(params: np.ndarray) -> np.ndarray:
        if variable == "age":
            step = 1e-20j
            rows = rows_of(frame, options)
            turned = {
                part: np.where(np.array(columns_of(options, part)) == "age", 1.0, 0.0) * step
                for part in ("x", "z", "s")
            }
            shifted = replace(rows, **{part: getattr(rows, part) + turned[part] for part in turned})
            return numbers(weight @ shifted.probabilities(params.astype(complex)).imag / 1e-20)
        low, *others = ["low", "middle", "high"]
        base = moved(params, income=pd.Categorical([low] * len(frame), [low, *others]))
        return np.concatenate(
            [moved(params, income=pd.Categorical([one] * len(frame), [low, *others])) - base for one in others]
        )

    found = average_effects(fit, variable)
    params = numbers(fit.params)
    close_within(found.value, effect(params), 1e-9 * found.std_error, "effects")
    sizes = 1e-3 * fit.bse.to_numpy()
    jacobian = np.column_stack(
        [
            (
                8 * (effect(params + step) - effect(params - step))
                - effect(params + 2 * step)
                + effect(params - 2 * step)
            )
            / (12 * size)
            for size, step in zip(sizes, np.diag(sizes), strict=True)
        ]
    )
    expected = jacobian @ fit.vcov @ jacobian.T
    errors = np.sqrt(np.diag(expected))
    close_within(found.vcov, expected, 1e-6 * np.outer(errors, errors), "covariance")
    close_within(found.value.reshape(-1, 4).sum(axis=1), 0.0, 1e-14, "sum of effects")


def columns_of(options: Mapping[str, Any], part: str) -> list[str]:
    """Variable of each column of a part."""
    nominal = options.get("nominal", "").removeprefix("~ ").split(" + ")
    scale = options.get("scale", "").removeprefix("~ ").split(" + ")
    location = [name for name in ("income", "urban", "age") if name not in nominal]
    names = {"x": location, "z": nominal, "s": scale}[part]
    return [name for name in names if name for _ in range(2 if name == "income" else 1)]


@pytest.mark.parametrize("name", ["proportional", *slow("nominal both", "scale number", "offset")])
def test_unconditional_variance_is_that_of_moving_the_weight_of_each_psu(name: str) -> None:
    """The infinitesimal jackknife: the estimate's derivative by the weight of each PSU, by refitting."""
    frame = people(240).assign(psu=lambda d: d["psu"] % 6)
    design = survey.Design(frame, weight="w", psu="psu")

    def estimate(own: survey.Design, covariates: Any = "estimated") -> survey.Estimate:
        fit = ordinal(FORMULA, own, **EFFECTS[name])
        return average_effects(fit, ["income", "age"], covariates=covariates, by="urban")

    found = estimate(design)
    totals = []
    for psu in range(6):
        ends = []
        for sign in (1, -1):
            w = frame["w"] * np.where(frame["psu"] == psu, 1 + sign * 1e-4, 1.0)
            ends.append(estimate(survey.Design(frame.assign(w=w), weight="w", psu="psu")).value)
        totals.append((ends[0] - ends[1]) / 2e-4)
    about = np.array(totals) - np.mean(totals, axis=0)
    expected = 6 / 5 * about.T @ about
    errors = np.sqrt(np.diag(expected))
    close_within(found.vcov, expected, NUMERIC * np.outer(errors, errors), "covariance")
    fixed = estimate(design, "fixed")
    close(fixed.value, found.value, 1e-12, "estimates")
    assert (np.abs(fixed.std_error / found.std_error - 1) > 1e-4).any()


@pytest.mark.parametrize("covariates", ["fixed", "estimated"])
@pytest.mark.parametrize("name", ["proportional", *slow("nominal both", "all")])
def test_effects_under_replicates_are_those_of_each_replicate(name: str, covariates: Any) -> None:
    frame = people(300).assign(psu=lambda d: d["psu"] % 8)
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    fit = ordinal(FORMULA, design, **EFFECTS[name])
    found = average_effects(fit, ["age", "income"], by="urban", covariates=covariates)
    assert fit.cells.replicates is not None
    values = []
    for weight, params in zip(fit.cells.replicates.source.weights.T, fit.replicated, strict=True):
        base = survey.Design(frame.assign(own=weight), weight="own")
        if covariates == "estimated":
            own = ordinal(FORMULA, base, **EFFECTS[name])
        else:
            own = replace(fit, params=pd.Series(params, fit.params.index))
        values.append(average_effects(own, ["age", "income"], by="urban").value)
    about = np.array(values) - np.mean(values, axis=0)
    expected = 7 / 8 * about.T @ about
    errors = np.sqrt(np.diag(expected))
    close_within(found.vcov, expected, 1e-6 * np.outer(errors, errors), "covariance")


def test_effects_by_groups_are_averages_over_their_respondents() -> None:
    frame = people()
    fit = fitted(frame, nominal="~ urban")
    found = average_effects(fit, ["age", "income"], by="urban")
    tidy = found.tidy()
    assert tidy.columns[:4].tolist() == ["urban", "contrast", "term", "level"]
    assert tidy["urban"].tolist() == ["rural"] * 12 + ["urban"] * 12
    assert (
        tidy["n"].tolist()
        == [float(n) for n in np.repeat((frame["urban"] == "rural").sum(), 12)]
        + [float((frame["urban"] == "urban").sum())] * 12
    )
    whole = average_effects(fit, ["age", "income"])
    share = frame.groupby("urban", observed=True)["w"].sum() / frame["w"].sum()
    close(share["rural"] * found.value[:12] + share["urban"] * found.value[12:], whole.value, 1e-12, "weighted mean")
    difference = found.contrast(np.hstack([np.eye(12), -np.eye(12)]))
    close(difference.value, found.value[:12] - found.value[12:], 1e-12, "difference")
    assert (difference.std_error > 0).all()
    averaged = predicted_probabilities(fit, {"age": [-20, 20]}, by="urban")
    assert averaged.tidy()["urban"].tolist() == ["rural"] * 8 + ["urban"] * 8


def test_contrasts_between_profiles_and_effects_of_several_variables() -> None:
    fit = fitted(people())
    at = predicted_probabilities(fit, {"income": ["low", "high"]})
    effect = average_effects(fit, "income")
    difference = at.contrast(np.hstack([-np.eye(4), np.eye(4)]))
    close(difference.value, effect.value[4:], 1e-10, "effect")
    close(difference.std_error, effect.std_error[4:], 1e-10, "std_error")
    several = average_effects(fit, ["income", "urban", "age"])
    assert several.tidy()["term"].tolist() == ["income"] * 8 + ["urban"] * 4 + ["age"] * 4
    close(several.std_error[8:12], average_effects(fit, "urban").std_error, 1e-12, "std_error")
    low_against_urban = several.contrast({("income", "high - low", "approve"): 1, ("urban", "approve"): -1})
    assert low_against_urban.std_error[0] > 0


def test_probabilities_at_the_means_by_hand() -> None:
    frame = people()
    fit = fitted(frame, "approval ~ income * urban + age", nominal="~ age")
    share = (frame["w"] / frame["w"].sum()).to_numpy()
    middle, high = (float(share @ (frame["income"] == level)) for level in ("middle", "high"))
    urban, age = float(share @ (frame["urban"] == "urban")), float(share @ frame["age"])
    b = fit.params.to_numpy()
    eta = np.array([middle, high, urban, middle * urban, high * urban]) @ b[:5]
    below = 1 / (1 + np.exp(-(b[5:8] + age * b[8:11] - eta)))
    found = predicted_probabilities(fit, {}, others="means")
    close(found.value, np.diff(np.concatenate([[0], below, [1]])), 1e-12, "probabilities")
    at = predicted_probabilities(fit, {"urban": "urban"}, others="means")
    eta = np.array([middle, high, 1, middle, high]) @ b[:5]
    below = 1 / (1 + np.exp(-(b[5:8] + age * b[8:11] - eta)))
    close(at.value, np.diff(np.concatenate([[0], below, [1]])), 1e-12, "probabilities")
    grouped = predicted_probabilities(fit, {}, others="means", by="urban")
    assert not np.allclose(grouped.value[:4], grouped.value[4:])
    every = {"income": "low", "urban": "urban", "age": 3}
    close(
        predicted_probabilities(fit, every, others="means").std_error,
        predicted_probabilities(fit, every).std_error,
        1e-12,
        "a whole profile",
    )


def test_an_offset_is_a_slope_of_one() -> None:
    frame = people()
    free = fitted(frame, FORMULA + " + shift")
    fixed = fitted(frame, offset="shift")
    slid = fitted(frame.assign(shift=frame["shift"] * free.params["shift"]), offset="shift")
    close_within(slid.params[["age", "urban[T.urban]"]], free.params[["age", "urban[T.urban]"]], 1e-8, "profiled")
    close(slid.log_likelihood, free.log_likelihood, 1e-12, "log-likelihood")
    assert fixed.log_likelihood < free.log_likelihood
    constant = fitted(frame.assign(shift=2.5), offset="shift")
    plain = fitted(frame)
    close_within(constant.slopes, plain.slopes, EXACT, "slopes")
    close(constant.thresholds, plain.thresholds + 2.5, EXACT, "thresholds")
    assert "Offset:" in str(fixed.summary())
    assert not fixed.is_proportional
    assert plain.is_proportional


def test_parallel_lines_are_tested_beside_an_offset() -> None:
    """The binary models have it too: a column that an offset takes away is not missed."""
    frame = people()
    slope = fitted(frame).params["age"]
    moved = fitted(frame.assign(shift=frame["age"] * slope), offset="shift")
    close(moved.parallel_lines_test().statistic, fitted(frame).parallel_lines_test().statistic, 1e-6, "statistic")


@pytest.mark.parametrize(("name", "count"), [("equidistant", 2), ("symmetric", 2), ("symmetric2", 1)])
def test_structured_thresholds_have_their_structure(name: Any, count: int) -> None:
    fit = fitted(people(), thresholds=name)
    assert fit.tidy()["kind"].tolist() == ["slope"] * 4 + ["threshold"] * count
    found = fit.thresholds.to_numpy()
    assert list(fit.thresholds.index) == ["disapprove|neither", "neither|approve", "approve|strongly approve"]
    close(np.diff(found)[0], np.diff(found)[1], 1e-12, "spacing")
    if name == "symmetric2":
        close_within(found + found[::-1], 0.0, 1e-12, "symmetry about zero")
    assert fit.log_likelihood < fitted(people()).log_likelihood


@pytest.mark.parametrize("name", ["equidistant", "symmetric"])
def test_two_thresholds_are_free_whatever_their_structure(name: Any) -> None:
    frame = people()
    three = frame.assign(approval=frame["approval"].cat.rename_categories({"strongly approve": "more"}))
    merged = pd.Categorical(
        three["approval"].astype(str).replace({"more": "approve"}), ["disapprove", "neither", "approve"], ordered=True
    )
    three["approval"] = merged
    one, other = fitted(three), fitted(three, thresholds=name)
    close(other.log_likelihood, one.log_likelihood, 1e-12, "log-likelihood")
    close(other.thresholds, one.thresholds, EXACT, "thresholds")
    assert list(other.thresholds.index) == list(one.thresholds.index)


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), link=st.sampled_from(list(LINKS)))
def test_thresholds_increase_or_the_model_is_refused(seed: int, link: Any) -> None:
    """Small samples with nominal effects: a fit has probabilities between 0 and 1 everywhere, or there is none."""
    frame = people(90, seed)
    try:
        fit = ordinal("approval ~ urban", survey.Design(frame, weight="w"), nominal="~ income + age", link=link)
    except survey.EstimationError:
        return
    assert fit.convergence.smallest_gap > 0
    rows = rows_of(frame, {"nominal": "~ income + age"}, link)
    rows = replace(rows, x=columns(frame, "urban"))
    assert (rows.probabilities(numbers(fit.params)) > 0).all()


def extremes(psus: int = 30) -> pd.DataFrame:
    """Twenty people at an age of their own who give the lowest or the highest answer alone."""
    frame = people(300).assign(psu=lambda d: d["psu"] % psus)
    far = frame.index[:20]
    frame.loc[far, "age"] = 70.0
    frame.loc[far, "approval"] = np.where(np.arange(20) % 2 == 0, "disapprove", "strongly approve")
    return frame


def test_thresholds_that_cross_are_refused_by_name() -> None:
    """Their likelihood needs no middle answer: the straight lines of the thresholds cross before they get there."""
    with pytest.raises(
        survey.EstimationError,
        match=r"`nominal`: thresholds must increase for every respondent; for 20 they do not, most of all for "
        r"age = 70.0, where '(neither|approve)' would have a negative probability \(gap -\d",
    ):
        fitted(extremes(), nominal="~ age")


def test_thresholds_that_cross_at_a_profile_are_refused() -> None:
    fit = fitted(people(), nominal="~ age")
    with pytest.raises(survey.EstimationError, match="`at`: thresholds cross at a profile"):
        predicted_probabilities(fit, {"age": [1e6, -1e6]})


def test_effects_name_the_variable_whose_levels_make_thresholds_cross() -> None:
    fit = fitted(people(), nominal="~ age + urban")
    first, *rest = [name for name in fit.params.index if "urban" in name]
    moved = fit.params.drop(rest)
    moved = pd.concat([moved, pd.Series(-50.0, index=rest)])[fit.params.index]
    moved[first] = 50.0  # the first threshold beyond the others
    with pytest.raises(survey.EstimationError, match=r"`variable`: thresholds cross at a profile.* Merge its levels"):
        average_effects(replace(fit, params=moved), "urban")


def test_nominal_effects_that_separate_are_refused() -> None:
    """Nobody rich gives the lowest answer: no slope separates, but their lowest threshold is infinite."""
    frame = people(600)
    frame.loc[(frame["income"] == "high") & (frame["approval"] == "disapprove"), "approval"] = "neither"
    assert np.isfinite(fitted(frame).bse).all()
    with pytest.raises(
        survey.SeparationError, match=r"respondents with income\[T.high\] all answer 'neither', 'approve'"
    ):
        fitted(frame, nominal="~ income")


def test_replicates_in_which_thresholds_cross_or_separate_are_counted() -> None:
    frame = people(300).assign(psu=lambda d: d["psu"] % 6)
    lowest = (frame["income"] == "high") & (frame["approval"] == "disapprove")
    frame.loc[lowest & (frame["psu"] != 2), "approval"] = "neither"
    frame.loc[frame.index[(frame["psu"] == 2) & (frame["income"] == "high")][:3], "approval"] = "disapprove"
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(survey.EstimationError, match="the model has no finite solution in 1 of 6 replicates"):
        ordinal(FORMULA, design, nominal="~ income")
    frame = extremes(6)
    frame.loc[frame.index[:20], "psu"] = np.arange(20) % 5
    middle = frame.index[20:60]
    frame.loc[middle, "age"], frame.loc[middle, "psu"] = 70.0, 5
    frame.loc[middle, "approval"] = np.where(np.arange(40) % 2 == 0, "neither", "approve")
    assert ordinal(FORMULA, survey.Design(frame, weight="w"), nominal="~ age").convergence.smallest_gap > 0
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(survey.EstimationError, match="thresholds cross for some respondents in 1 of 6 replicates"):
        ordinal(FORMULA, design, nominal="~ age")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nominal": "age"}, "`nominal` must be a formula without outcome"),
        ({"nominal": ["age"]}, "`nominal` must be a formula without outcome"),
        ({"nominal": "~ 0 + age"}, "`nominal` must have a term and keep its constant"),
        ({"nominal": "~ 1"}, "`nominal` must have a term"),
        ({"nominal": "~ age +* urban"}, "`nominal` must be written as"),
        ({"nominal": "~ party"}, r"`formula` must use columns of the data; \['party'\]"),
        ({"scale": "approval ~ age"}, "`scale` must be a formula without outcome"),
        ({"scale": "~ party"}, r"`formula` must use columns of the data; \['party'\]"),
        ({"thresholds": "even"}, "`thresholds` must be one of flexible, equidistant, symmetric, symmetric2"),
        ({"offset": 0.5}, "`offset` must be the name of a numeric column"),
        ({"offset": "party"}, r"`design` must hold every variable asked for; \['party'\]"),
        ({"offset": "urban"}, "`offset` must be numeric; 'urban' has type category"),
        ({"offset": "far"}, "`offset` must be finite; 'far' is not"),
        ({"nominal": "~ old"}, "the terms must not be collinear; old"),
        ({"scale": "~ age + old"}, "`scale`: the terms must not be collinear; old"),
    ],
)
def test_bad_parts_are_refused(options: dict[str, Any], message: str) -> None:
    frame = people().assign(old=lambda d: d["age"] * 2 + 1, far=lambda d: np.where(d["age"] > 0, np.inf, 0.0))
    with pytest.raises(survey.EstimationError, match=message):
        fitted(frame, **options)


def test_what_does_not_go_together_is_refused() -> None:
    frame = people().assign(yes=lambda d: d["approval"] >= "approve")
    with pytest.raises(survey.EstimationError, match="three or more answers for thresholds='equidistant'; it has 2"):
        fitted(frame, "yes ~ age", thresholds="equidistant")
    with pytest.raises(survey.EstimationError, match="three or more answers for effects on the scale; it has 2"):
        fitted(frame, "yes ~ age", scale="~ age")
    unused = frame.assign(approval=frame["approval"].cat.add_categories("always"))
    with pytest.raises(survey.EstimationError, match="`thresholds`: a structure counts the answers, used or not"):
        fitted(unused, thresholds="symmetric")
    for options in ({"nominal": "~ age"}, {"scale": "~ age"}, {"thresholds": "equidistant"}):
        with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
            fitted(frame, **options).parallel_lines_test()
    clusters = survey.Design(frame, weight="w", psu="psu")
    for options in ({"nominal": "~ age"}, {"scale": "~ age"}, {"thresholds": "symmetric"}, {"offset": "shift"}):
        with pytest.raises(survey.EstimationError, match="`fit` must have one slope per column and one threshold"):
            survey.bias_reduced(ordinal(FORMULA, clusters, **options))  # type: ignore[arg-type]


def test_bad_requests_for_effects_are_refused() -> None:
    fit = fitted(people())
    with pytest.raises(survey.EstimationError, match="`by` must name covariates of the model that `at` does not set"):
        average_effects(fit, "age", by="psu")
    with pytest.raises(survey.EstimationError, match="`by` must name covariates of the model that `at` does not set"):
        predicted_probabilities(fit, {"urban": "urban"}, by="urban")
    with pytest.raises(survey.EstimationError, match='`others` must be "observed" or "means"'):
        predicted_probabilities(fit, {}, others="typical")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match='`covariates` must be "fixed" with others="means"'):
        predicted_probabilities(fit, {}, others="means", covariates="estimated")
    with pytest.raises(survey.EstimationError, match="`variable` must name at least one covariate"):
        average_effects(fit, [])


def test_groups_that_a_replicate_leaves_empty_have_no_unconditional_average() -> None:
    frame = people(300).assign(psu=lambda d: d["psu"] % 6)
    frame["children"] = np.where(frame["psu"] == 3, frame.index % 3, frame.index % 2)
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    fit = ordinal("approval ~ age + children", design)
    assert len(average_effects(fit, "age", by="children").value) == 12
    with pytest.raises(survey.EstimationError, match="`by`: nobody of a group has a weight in 1 of 6 replicates"):
        average_effects(fit, "age", by="children", covariates="estimated")
