"""Ordinal regression: properties, guards and what others get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

import survey
from survey.models.effects import average_effects, predicted_probabilities
from survey.models.fitting import ordinal
from survey.models.links import LINKS, log_difference
from survey.models.ordinal import OrdinalFit

TIGHT = 1e-9  # relative: two Newton solutions of one likelihood
DERIVATIVE = 1e-6  # relative: central differences of a likelihood, step 1e-5
ANSWERS = ["disapprove", "neither", "approve", "strongly approve"]


def respondents(n: int = 600, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": pd.Categorical(rng.choice(["low", "middle", "high"], n), ["low", "middle", "high"], ordered=True),
            "urban": pd.Categorical(rng.choice(["rural", "urban"], n), ["rural", "urban"]),
            "age": rng.integers(14, 66, n),
            "psu": rng.integers(0, 30, n),
            "w": rng.uniform(0.3, 3.0, n).round(2),
        }
    )
    latent = 0.5 * frame["income"].cat.codes + 0.4 * frame["urban"].cat.codes + 0.02 * frame["age"]
    latent += rng.logistic(size=n) + 0.5 * rng.normal(size=30)[frame["psu"]]
    codes = np.searchsorted(np.quantile(latent, [0.1, 0.3, 0.7]), latent)
    frame["approval"] = pd.Categorical([ANSWERS[i] for i in codes], categories=ANSWERS, ordered=True)
    return frame


FORMULA = "approval ~ income + urban + age"


def fitted(frame: pd.DataFrame | None = None, link: str = "logit", formula: str = FORMULA) -> OrdinalFit:
    data = respondents() if frame is None else frame
    return ordinal(formula, survey.Design(data, weight="w", psu="psu"), link=link)  # type: ignore[arg-type]


def same_fit(one: OrdinalFit, other: OrdinalFit, factor: float = 1.0) -> None:
    np.testing.assert_allclose(other.params, one.params * factor, rtol=TIGHT, atol=1e-12)
    np.testing.assert_allclose(other.bse, one.bse, rtol=TIGHT)


@pytest.mark.parametrize("link", list(LINKS))
def test_weights_times_a_constant_change_nothing(link: str) -> None:
    frame = respondents()
    one, other = fitted(frame, link), fitted(frame.assign(w=frame["w"] * 1e8), link)
    same_fit(one, other)
    np.testing.assert_allclose(other.log_likelihood, one.log_likelihood, rtol=TIGHT)


def test_frequency_weights_are_repeated_rows() -> None:
    frame = respondents(200)
    frame["w"] = np.random.default_rng(2).integers(1, 4, 200)
    repeated = frame.loc[frame.index.repeat(frame["w"])].assign(w=1.0)
    same_fit(fitted(frame), fitted(repeated))


def test_units_of_a_predictor_move_its_slope_alone() -> None:
    frame = respondents()
    one, other = fitted(frame), fitted(frame.assign(age=frame["age"] * 1e6))
    scale = np.where(one.params.index == "age", 1e6, 1.0)
    np.testing.assert_allclose(other.params * scale, one.params, rtol=TIGHT)
    np.testing.assert_allclose(other.bse * scale, one.bse, rtol=TIGHT)
    shifted = fitted(frame.assign(age=frame["age"] + 1e4))
    np.testing.assert_allclose(shifted.slopes, one.slopes, rtol=1e-8)  # 1e4 of 52 costs digits of the age column


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit"])
def test_reversed_answers_flip_the_signs(link: str) -> None:
    frame = respondents()
    turned = frame.assign(approval=frame["approval"].cat.reorder_categories(ANSWERS[::-1], ordered=True))
    one, other = fitted(frame, link), fitted(turned, link)
    np.testing.assert_allclose(other.slopes, -one.slopes, rtol=1e-8)
    np.testing.assert_allclose(other.thresholds.to_numpy()[::-1], -one.thresholds.to_numpy(), rtol=1e-8)


def test_reversed_answers_exchange_the_log_log_links() -> None:
    frame = respondents()
    turned = frame.assign(approval=frame["approval"].cat.reorder_categories(ANSWERS[::-1], ordered=True))
    np.testing.assert_allclose(fitted(turned, "loglog").slopes, -fitted(frame, "cloglog").slopes, rtol=1e-8)


def test_an_unused_answer_is_dropped_and_said_so() -> None:
    frame = respondents()
    unused = frame.assign(
        approval=frame["approval"]
        .cat.add_categories("no opinion")
        .cat.reorder_categories(["disapprove", "neither", "no opinion", "approve", "strongly approve"], ordered=True)
    )
    one, other = fitted(frame), fitted(unused)
    same_fit(one, other)
    assert "no opinion" in other.note
    assert list(other.thresholds.index) == list(one.thresholds.index)


def test_two_answers_are_binary_regression() -> None:
    """The intercept of a logistic regression is minus the threshold; checked by the score equations."""
    frame = respondents()
    frame["yes"] = pd.Categorical(np.where(frame["approval"] >= "approve", "yes", "no"), ["no", "yes"])
    fit = fitted(frame, formula="yes ~ urban + age")
    x = np.column_stack([frame["urban"] == "urban", frame["age"]]).astype(float)
    p = 1 / (1 + np.exp(fit.thresholds.iloc[0] - x @ fit.slopes.to_numpy()))
    residual = frame["w"] * ((frame["yes"] == "yes") - p)
    np.testing.assert_allclose(np.column_stack([np.ones(len(x)), x]).T @ residual, 0, atol=1e-8)
    logical = fitted(frame.assign(yes=frame["yes"] == "yes"), formula="yes ~ urban + age")
    np.testing.assert_allclose(logical.params, fit.params, rtol=TIGHT)


@pytest.mark.parametrize("link", list(LINKS))
def test_the_scores_vanish_and_the_information_is_the_curvature(link: str) -> None:
    """Central differences of the log-likelihood written out on rows."""
    frame = respondents(300)
    fit = fitted(frame, link)
    x = np.column_stack(
        [frame["income"] == "middle", frame["income"] == "high", frame["urban"] == "urban", frame["age"]]
    )
    y, w = frame["approval"].cat.codes.to_numpy(), frame["w"].to_numpy() / frame["w"].mean()

    def log_likelihood(params: np.ndarray) -> float:
        limits = np.concatenate([[-np.inf], params[4:], [np.inf]])
        at = x.astype(float) @ params[:4]
        return float(w @ log_difference(LINKS[link], limits[y + 1] - at, limits[y] - at))

    best = fit.params.to_numpy()
    np.testing.assert_allclose(log_likelihood(best), fit.log_likelihood, rtol=1e-12)
    for i in range(best.size):
        step = np.zeros(best.size)
        step[i] = 1e-4 * fit.bse.iloc[i]
        assert log_likelihood(best + step) <= fit.log_likelihood
        assert log_likelihood(best - step) <= fit.log_likelihood


def test_one_row_per_psu_is_the_robust_covariance_times_n_over_n_minus_1() -> None:
    frame = respondents(200)
    fit = ordinal(FORMULA, survey.Design(frame, weight="w"))
    rows = survey.design.collapse(survey.Design(frame, weight="w"), ["approval", "income", "urban", "age"])
    robust = fit.influence.T @ (rows.squared_weight[:, None] * fit.influence)
    np.testing.assert_allclose(fit.vcov, robust * 200 / 199, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("link", list(LINKS))
@given(limit=st.floats(-700, 700), width=st.floats(1e-6, 50))
def test_interval_probabilities_are_finite_and_add_up_in_both_tails(link: str, limit: float, width: float) -> None:
    cuts = np.array([-np.inf, limit - width, limit, limit + width, np.inf])
    logs = log_difference(LINKS[link], cuts[1:], cuts[:-1])
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-12)
    if link in ("logit", "probit", "cauchit"):
        mirrored = log_difference(LINKS[link], -cuts[:-1], -cuts[1:])
        np.testing.assert_allclose(mirrored, logs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit"])
def test_forty_standard_deviations_out_keep_their_digits(link: str) -> None:
    """1 - F rounds to zero there: the difference must be taken in the right tail."""
    for at in (-40.0, 40.0):
        value = log_difference(LINKS[link], np.array([at + 0.5]), np.array([at]))
        assert np.isfinite(value).all()
    assert log_difference(LINKS["logit"], np.array([2.0]), np.array([3.0]))[0] == -np.inf


@pytest.mark.parametrize("link", list(LINKS))
def test_effects_add_to_zero_and_probabilities_to_one(link: str) -> None:
    fit = fitted(link=link)
    for variable in ("income", "age"):
        effects = average_effects(fit, variable).tidy()
        sums = effects.groupby("contrast")["estimate"].sum()
        np.testing.assert_allclose(sums, 0, atol=1e-14)
    probabilities = predicted_probabilities(fit, {"income": ["low", "high"], "age": [14, 65]}).tidy()
    np.testing.assert_allclose(probabilities.groupby(["income", "age"])["estimate"].sum(), 1.0, rtol=1e-12)


@pytest.mark.parametrize("covariates", ["fixed", "estimated"])
@pytest.mark.parametrize("formula", [FORMULA, "approval ~ income * age", "approval ~ poly(age, 2) + urban"])
def test_average_slopes_are_the_derivative_of_average_probabilities(formula: str, covariates: str) -> None:
    """Moving everybody's age by a little, as a finite difference of the averaged probabilities."""
    frame = respondents().assign(age=lambda d: d["age"].astype(float))
    fit = fitted(frame, formula=formula)
    effect = average_effects(fit, "age", covariates=covariates).tidy()  # type: ignore[arg-type]
    step = 1e-3
    moved = []
    for sign in (1, -1):
        shifted = fit.matrix.evaluate(fit.cells.frame.assign(age=fit.cells.frame["age"] + sign * step))
        at = fit.thresholds.to_numpy() - (shifted @ fit.slopes.to_numpy())[:, None]
        cumulative = np.hstack([np.zeros((len(at), 1)), 1 / (1 + np.exp(-at)), np.ones((len(at), 1))])
        moved.append(fit.cells.weight @ np.diff(cumulative, axis=1) / fit.cells.weight.sum())
    np.testing.assert_allclose(effect["estimate"], (moved[0] - moved[1]) / (2 * step), rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_standard_errors_of_effects_by_differentiating_everything_numerically() -> None:
    from dataclasses import replace

    fit = fitted()
    for variable in ("income", "urban", "age"):
        gradient = []
        for i, error in enumerate(fit.bse):
            ends = []
            for sign in (1, -1):
                params = fit.params.copy()
                params.iloc[i] += sign * 1e-4 * error
                ends.append(average_effects(replace(fit, params=params), variable).value)
            gradient.append((ends[0] - ends[1]) / (2e-4 * error))
        jacobian = np.array(gradient).T
        expected = np.sqrt(np.diag(jacobian @ fit.vcov @ jacobian.T))
        np.testing.assert_allclose(average_effects(fit, variable).std_error, expected, rtol=DERIVATIVE)


def test_merged_answers_sum_their_rows() -> None:
    nets = {"approve, net": ["approve", "strongly approve"]}
    fit = fitted()
    effects = average_effects(fit, "urban", nets=nets)
    by_level = effects.tidy().set_index("level")["estimate"]
    assert by_level["approve, net"] == pytest.approx(by_level["approve"] + by_level["strongly approve"])
    part = effects.vcov[2:4, 2:4]
    assert effects.std_error[-1] == pytest.approx(np.sqrt(part.sum()))
    with pytest.raises(survey.EstimationError, match="`nets\\['x'\\]` must merge answers of the outcome"):
        average_effects(fit, "urban", nets={"x": ["agree"]})


def test_statsmodels_speaks_the_same_numbers() -> None:
    fit = fitted()
    single = fit.t_test("urban[T.urban] = 0")
    assert float(single.pvalue) == pytest.approx(fit.pvalues["urban[T.urban]"], rel=1e-10)
    np.testing.assert_allclose(fit.results.conf_int(), fit.conf_int(), rtol=1e-12)
    np.testing.assert_allclose(fit.results.bse, fit.bse, rtol=1e-12)
    joint = fit.wald_test("income[T.middle] = 0, income[T.high] = 0")
    adjusted = fit.term_test("income")
    d = fit.df
    assert adjusted.wald_chisq == pytest.approx(2 * float(joint.fvalue))
    assert adjusted.statistic == pytest.approx((d - 1) / d * float(joint.fvalue))
    assert (adjusted.df1, adjusted.df2) == (2, d - 1)
    assert "Design df" in adjusted.note
    printed = str(fit.summary())
    for expected in ("design-based", "urban[T.urban]", "disapprove|neither", "PSUs minus strata"):
        assert expected in printed


def test_tidy_lists_slopes_then_thresholds_and_odds_ratios_of_slopes_alone() -> None:
    fit = fitted()
    tidy = fit.tidy()
    assert tidy["kind"].tolist() == ["slope"] * 4 + ["threshold"] * 3
    odds = fit.tidy(exponentiate=True)
    assert odds["term"].tolist() == fit.slopes.index.tolist()
    np.testing.assert_allclose(odds["estimate"], np.exp(fit.slopes))
    np.testing.assert_allclose(odds["conf_high"], np.exp(fit.conf_int()[1][:4]))
    with pytest.raises(survey.EstimationError, match="`exponentiate` gives odds ratios"):
        fitted(link="probit").tidy(exponentiate=True)


def test_transforms_learn_from_respondents_not_from_patterns() -> None:
    """`center` must subtract the mean age of the respondents, however many share an age."""
    frame = respondents()
    frame.loc[:400, "age"] = 20
    centred = fitted(frame, formula="approval ~ center(age)")
    plain = fitted(frame, formula="approval ~ age")
    np.testing.assert_allclose(centred.slopes, plain.slopes, rtol=1e-8)
    moved = plain.thresholds - plain.slopes.iloc[0] * frame["age"].mean()
    np.testing.assert_allclose(centred.thresholds, moved, rtol=1e-8)


def test_a_domain_equals_the_rows_of_the_domain_but_for_the_psus() -> None:
    frame = respondents()
    inside = ordinal(FORMULA, survey.Design(frame, weight="w", psu="psu").domain("age >= 30"))
    dropped = fitted(frame[frame["age"] >= 30])
    np.testing.assert_allclose(inside.params, dropped.params, rtol=TIGHT)
    missing = frame.assign(income=frame["income"].where(frame["age"] >= 30))
    np.testing.assert_allclose(fitted(missing).params, dropped.params, rtol=TIGHT)
    with pytest.raises(survey.EstimationError, match="`missing` is \"fail\", but values are missing: 'income' in"):
        ordinal(FORMULA, survey.Design(missing, weight="w"), missing="fail")


def answered_by_age(frame: pd.DataFrame) -> pd.Categorical[Any]:
    """Answers that age divides without overlap."""
    codes = np.digitize(frame["age"], [25, 40, 55])
    return pd.Categorical([ANSWERS[i] for i in codes], categories=ANSWERS, ordered=True)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["level", "cut", "answer"]))
def test_separated_data_never_yield_a_p_value(seed: int, kind: str) -> None:
    """The sandwich standard error collapses under separation; R's svyolr prints t = 52.9 for such a slope."""
    frame = respondents(300, seed)
    if kind == "level":  # one level of income gives the highest answer only
        frame.loc[frame["income"] == "high", "approval"] = "strongly approve"
    elif kind == "cut":  # age orders the answers without overlap
        frame["approval"] = answered_by_age(frame)
    else:  # nobody urban gives the lowest answer, everybody rural does
        frame.loc[frame["urban"] == "rural", "approval"] = "disapprove"
    with pytest.raises(survey.SeparationError, match="no predictor may separate the answers"):
        fitted(frame)


def test_separation_names_the_level_and_the_answers() -> None:
    frame = respondents()
    frame.loc[frame["income"] == "high", "approval"] = "strongly approve"
    n = int((frame["income"] == "high").sum())
    with pytest.raises(
        survey.SeparationError, match=rf"the {n} respondents with income\[T.high\] all answer 'strongly"
    ):
        fitted(frame)
    frame = respondents()
    frame["approval"] = answered_by_age(frame)
    with pytest.raises(survey.SeparationError, match="age divides the answers of 'approval' without overlap"):
        fitted(frame, formula="approval ~ age")


def test_rare_answers_and_rare_levels_are_not_separation() -> None:
    frame = respondents(4000)
    rare = frame.index[frame["income"] == "high"][12:]
    frame.loc[rare, "income"] = "low"
    fit = fitted(frame)
    assert np.isfinite(fit.bse).all()


@pytest.mark.parametrize(
    ("change", "formula", "message"),
    [
        (
            {"approval": "yes"},
            FORMULA,
            "must have at least two answers in use; every respondent has 'approval' = 'yes'",
        ),
        (
            {"approval": lambda d: d["age"] * 1.0},
            FORMULA,
            "the outcome must be an ordered categorical; 'approval' has type",
        ),
        (
            {"approval": lambda d: d["approval"].cat.as_unordered()},
            FORMULA,
            "'approval' is a categorical without order",
        ),
        ({"urban": "urban"}, FORMULA, "a predictor must vary; 'urban' has one value"),
        ({"old": lambda d: d["age"] * 2}, FORMULA + " + old", "the terms must not be collinear; old"),
        ({}, "approval ~ incme", r"`formula` must use columns of the data; \['incme'\]"),
        ({}, "approval ~ 0 + income", "`formula` must keep its constant"),
        ({}, "approval ~ 1", "`formula` must have at least one predictor"),
        ({}, "income + age", "has no outcome"),
        ({}, "log(age) ~ income", "`formula` must have one column left of the ~"),
        ({}, "approval ~ income +* age", "`formula` must be written as"),
        ({"income": None}, FORMULA, "must be known for at least one respondent"),
    ],
)
def test_bad_models_are_refused(change: dict[str, object], formula: str, message: str) -> None:
    frame = respondents().assign(**change)  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=message):
        fitted(frame, formula=formula)


def test_bad_arguments_are_refused() -> None:
    fit = fitted()
    design = survey.Design(respondents(), weight="w")
    with pytest.raises(survey.EstimationError, match="`link` must be one of logit, probit"):
        ordinal(FORMULA, design, link="logistic")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="freq_weights"):
        ordinal(FORMULA, design, freq_weights=np.ones(600))  # type: ignore[call-arg]
    with pytest.raises(survey.EstimationError, match="`term` must be a term of the formula; 'incom'"):
        fit.term_test("incom")
    with pytest.raises(survey.EstimationError, match="`method` must be one of score"):
        fit.parallel_lines_test(method="magic")
    with pytest.raises(survey.EstimationError, match="`variable` must be a covariate of the formula; 'region'"):
        average_effects(fit, "region")
    with pytest.raises(survey.EstimationError, match='`covariates` must be "fixed" or "estimated"'):
        average_effects(fit, "age", covariates="random")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`at` must give covariates of the formula; 'region'"):
        predicted_probabilities(fit, {"region": "East"})
    with pytest.raises(survey.EstimationError, match=r"`at\['income'\]` must be levels that the model was fitted to"):
        predicted_probabilities(fit, {"income": "rich"})
    with pytest.raises(survey.EstimationError, match=r"`at\['age'\]` must be known"):
        predicted_probabilities(fit, pd.DataFrame({"age": [np.nan]}))


def test_the_degrees_of_freedom_can_be_chosen_and_are_printed() -> None:
    fit = fitted()
    assert fit.note.startswith("t and F use the design df, PSUs minus strata: 29.")
    fewer = fit.with_df("residual")  # as R's svyolr
    assert fewer.df == fit.df - 4
    assert fewer.note.startswith("t and F use the residual df, PSUs minus strata minus 4 slopes: 25.")
    np.testing.assert_allclose(fewer.pvalues, 2 * student.sf(np.abs(fit.tvalues), 25), rtol=1e-9)
    assert (fewer.bse == fit.bse).all()
    test = fewer.term_test("income")
    assert (test.df1, test.df2) == (2, 24)
    assert average_effects(fewer, "urban").df[0] == 25
    assert fewer.with_df("design").note == fit.note
    assert fit.with_df(1000).note.startswith("t and F use the df given: 1000.")
    with pytest.raises(survey.EstimationError, match=r"`df` must be \"design\", \"residual\" or a number; got 'stata'"):
        fit.with_df("stata")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=r"`df` must be positive; -2 gives -2"):
        fit.with_df(-2)


def test_results_cannot_be_edited() -> None:
    fit = fitted()
    with pytest.raises(ValueError, match="read-only"):
        fit.vcov[0, 0] = 0
    with pytest.raises(AttributeError):
        fit.df = 3  # type: ignore[misc]


def test_parallel_lines_test_has_a_row_per_term_and_refuses_two_answers() -> None:
    result = fitted().parallel_lines_test()
    tidy = result.tidy()
    assert tidy["term"].tolist() == ["income", "urban", "age", "overall"]
    assert tidy["df1"].tolist() == [4, 2, 2, 8]
    assert tidy["p_value"].between(0, 1).all()
    frame = respondents()
    frame["yes"] = frame["approval"] >= "approve"
    with pytest.raises(survey.EstimationError, match="must have an outcome of three or more answers"):
        fitted(frame, formula="yes ~ age").parallel_lines_test()


def test_parallel_lines_test_with_too_few_psus_says_so() -> None:
    frame = respondents()
    frame["psu"] = frame["psu"] % 6
    result = fitted(frame).parallel_lines_test()
    assert np.isnan(result.p_value)
    assert "the design has 5" in result.note
    assert result.tidy()["p_value"].notna().tolist() == [True, True, True, False]


def test_a_large_offset_of_a_covariate_costs_no_digits_of_its_standard_error() -> None:
    """Inverting the information of uncentred parameters lost 44% of it at an offset of 1e9."""
    frame = respondents()
    one, other = (
        fitted(frame, formula="approval ~ age"),
        fitted(frame.assign(age=frame["age"] + 10**9), formula="approval ~ age"),
    )
    np.testing.assert_allclose(other.bse.iloc[0], one.bse.iloc[0], rtol=1e-6)


def test_profiles_between_the_values_of_a_whole_number_are_not_cut_off() -> None:
    fit = fitted()
    at = predicted_probabilities(fit, {"age": [30, 30.9]}).tidy()
    assert at["estimate"].iloc[0] != at["estimate"].iloc[4]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("approval ~ C(kids)", "'kids' enters the formula as levels, so it has no slope"),
        ("approval ~ I(kids > 1)", "the formula jumps or is flat in 'kids'"),
        ("approval ~ np.floor(kids / 2)", "the formula jumps or is flat in 'kids'"),
    ],
)
def test_what_has_no_slope_gets_none(formula: str, message: str) -> None:
    frame = respondents()
    frame["kids"] = np.random.default_rng(5).integers(0, 4, len(frame))
    with pytest.raises(survey.EstimationError, match=message):
        average_effects(fitted(frame, formula=formula), "kids")


def test_levels_that_the_fit_did_not_see_are_refused_in_profiles() -> None:
    frame = respondents()
    frame["kids"] = np.random.default_rng(5).integers(0, 4, len(frame))
    with pytest.raises(survey.EstimationError, match="`formula` cannot be evaluated for these values"):
        predicted_probabilities(fitted(frame, formula="approval ~ C(kids)"), {"kids": [0, 7]})


@pytest.mark.parametrize(
    "formula", ["approval ~ np.log(income_yuan)", "approval ~ bs(income_yuan, df=4)", "approval ~ np.sqrt(age)"]
)
def test_average_slopes_of_curves_use_a_step_in_proportion(formula: str) -> None:
    """Incomes over four orders of magnitude: one step for all would be off by percents at the low end."""
    frame = respondents()
    frame["income_yuan"] = np.exp(np.random.default_rng(6).uniform(5, 14, len(frame)))
    variable = "age" if "age" in formula else "income_yuan"
    fit = fitted(frame, formula=formula)
    x = fit.cells.frame[variable].to_numpy(dtype=float)
    change = {"np.log(income_yuan)": 1 / x, "np.sqrt(age)": 0.5 / np.sqrt(x)}.get(formula.split("~ ")[1])
    effect = average_effects(fit, variable)
    if change is not None:
        eta = (np.log(x) if "log" in formula else np.sqrt(x)) * fit.slopes.iloc[0]
        p = 1 / (1 + np.exp(-(fit.thresholds.to_numpy() - eta[:, None])))
        below = -(p * (1 - p)) * (fit.slopes.iloc[0] * change)[:, None]
        by_hand = fit.cells.weight @ np.diff(np.hstack([0 * below[:, :1], below, 0 * below[:, :1]]), axis=1)
        np.testing.assert_allclose(effect.value, by_hand / fit.cells.weight.sum(), rtol=1e-8)
    assert np.isfinite(effect.std_error).all()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("approval ~ I(age - np.mean(age))", r"'np.mean\(age\)' calls a function that formulas do not have"),
        ("approval ~ np.log(zero)", r"every column must be finite; 'np.log\(zero\)' is not for"),
        ("approval ~ np.log(below)", r"every column must be finite; 'np.log\(below\)' is not for"),
        ("approval ~ big", "every column must be finite; 'big' is not for"),
        ("approval ~ center(`in come`)", "Columns in functions need plain names"),
    ],
)
def test_columns_that_cannot_be_are_refused(formula: str, message: str) -> None:
    frame = respondents().assign(zero=lambda d: d["age"] - 14.0, below=lambda d: d["age"] - 30.0)
    frame["big"] = np.where(frame["age"] == 20, np.inf, frame["age"])
    with pytest.raises(survey.EstimationError, match=message):
        fitted(frame, formula=formula)


def test_more_hypotheses_than_psus_are_refused() -> None:
    frame = respondents()
    frame["psu"] = frame["psu"] % 4
    with pytest.raises(survey.EstimationError, match="`r_matrix` has more hypotheses than 3 design degrees of freedom"):
        fitted(frame).wald_test(np.eye(7)[:4])


def test_interactions_are_found_in_either_order_and_codings_may_be_chosen() -> None:
    fit = fitted(formula="approval ~ urban * age")
    assert fit.term_test("age:urban").p_value == fit.term_test("urban:age").p_value
    summed = fitted(formula="approval ~ C(income, contr.sum) + age")
    plain = fitted(formula="approval ~ income + age")
    np.testing.assert_allclose(summed.log_likelihood, plain.log_likelihood, rtol=1e-12)
    assert summed.term_test("C(income, contr.sum)").p_value == pytest.approx(plain.term_test("income").p_value)


def test_a_whole_number_outcome_stays_one_beside_rows_outside_the_domain() -> None:
    frame = respondents().assign(yes=lambda d: (d["approval"] >= "approve").astype(int))
    raked = survey.rake(survey.Design(frame, weight="w"), {"urban": {"rural": 0.4, "urban": 0.6}})
    fit = ordinal("yes ~ age", raked.domain("age > 20"))
    assert fit.levels == (0, 1)
    groups = survey.mean(raked.domain("age > 20"), "age", by="yes").tidy()["yes"]
    assert groups.tolist() == [0, 1]


def test_a_predictor_that_identifies_people_is_refused_at_once() -> None:
    """It would be a model of 600 slopes that separates everything, found after minutes."""
    frame = respondents().assign(name=lambda d: [f"r{i}" for i in range(len(d))])
    with pytest.raises(survey.EstimationError, match="'name' has 600 levels for 600 respondents, fewer than 3 each"):
        fitted(frame, formula="approval ~ name")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (survey.Design(pd.DataFrame({"y": [1]})), "`formula` must be text, as .*; got Design. The formula comes first"),
        (["approval", "age"], "`formula` must be text, as .*; got list"),
        ("approval age", r"Missing operator between `approval` and `age`. Names with blanks go between backticks.$"),
        ("approval ~ approval + age", "`formula` must not predict the outcome by itself; 'approval' is on both sides"),
        ("approval ~ same", "a predictor must vary; 'same' has one value, 1, among"),
    ],
)
def test_formulas_that_say_nothing_are_refused(formula: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        fitted(respondents().assign(same=1), formula=formula)


def test_a_term_is_given_as_text() -> None:
    with pytest.raises(survey.EstimationError, match=r"`term` must be one term of the formula, as text; got \['age'\]"):
        fitted().term_test(["age"])  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [2, 0.0, 1.0, "0.05"])
def test_intervals_name_the_argument_that_they_have(alpha: Any) -> None:
    fit = fitted()
    with pytest.raises(survey.EstimationError, match=r"`alpha` must lie between 0 and 1, as 0.05 does; got "):
        fit.conf_int(alpha)
    with pytest.raises(survey.EstimationError, match=r"`level` must lie between 0 and 1, as 0.95 does; got "):
        fit.tidy(level=alpha)
