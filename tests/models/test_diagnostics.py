"""Variance inflation and tests of fit: references, brute force, power and size, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import survey
from survey.models.diagnostics import FitTest, model_fit_test, vif
from tests.brute_force import single_stage, variance_of_total
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import API_DESIGNS, NHANES_DESIGN, api, close, nhanes, values

LRM = 1e-8  # relative: rms::lrm converges tightly
POLR = 5e-6  # relative: polr stops early and differentiates numerically
POLR_FIT = 2e-4  # relative: expected counts at coefficients that stop early
CLM = 1e-8  # relative: clm converged to a gradient of 1e-12
SAME = 1e-9  # relative: two computations of one number


def plain(data: str, **columns: Any) -> survey.OrdinalFit:
    return survey.ordinal(FORMULAS[data], survey.Design(DATA[data]().assign(**columns), weight=None))


# Variance inflation -----------------------------------------------------------------------------------------


def test_factors_of_terms_and_columns_equal_r() -> None:
    reference = values("ordinal_tests")["wvs_vif"]
    fit = plain("wvs")
    terms, columns = vif(fit), vif(fit, by="column")
    assert terms["term"].tolist() == reference["car_terms"]
    car = np.array(reference["car_gvif"])
    close(terms[["gvif", "columns", "gvif_scaled"]], car, POLR, "terms")
    close(columns["gvif"], list(reference["rms_vif"].values()), LRM, "columns")
    assert columns["columns"].tolist() == [1] * 7


def test_design_based_factors_by_brute_force() -> None:
    """Liao and Valliant's intercept-adjusted factor of a binary logit: zeta times rho over 1 - R^2."""
    frame = api("clus1").rename(columns={"sch.wide": "reached"})
    fit = survey.ordinal("reached ~ ell + meals + mobility", survey.Design(frame, weight="pw", psu="dnum"))
    x = frame[["ell", "meals", "mobility"]].to_numpy(dtype=float)
    y, w = (frame["reached"] == "Yes").to_numpy(dtype=float), frame["pw"].to_numpy(dtype=float)
    mu = expit(x @ fit.slopes.to_numpy() - fit.thresholds.to_numpy()[0])
    gamma = w * mu * (1 - mu)
    stage = [single_stage(len(w), psu=frame["dnum"])]

    def sandwich(column: Any) -> float:
        """Variance of a slope whose column is what others leave of it."""
        return float(variance_of_total(w * column * (y - mu), stage)[0, 0]) / float(gamma @ column**2) ** 2

    found = vif(fit).set_index("term")
    for k, name in enumerate(["ell", "meals", "mobility"]):
        others = np.column_stack([np.ones(len(w)), np.delete(x, k, axis=1)])
        root = np.sqrt(gamma)[:, None]
        residual = x[:, k] - others @ np.linalg.lstsq(root * others, root[:, 0] * x[:, k], rcond=None)[0]
        centred = x[:, k] - gamma @ x[:, k] / gamma.sum()
        close(found["gvif"][name], (gamma @ centred**2) / (gamma @ residual**2), 1e-8, name)
        close(found["design_gvif"][name], sandwich(residual) / sandwich(centred), 1e-8, name)
        close(sandwich(residual), fit.vcov[k, k], 1e-8, "variance of the slope itself")


def test_factors_do_not_depend_on_units_or_weights_and_are_1_without_collinearity() -> None:
    frame = respondents()
    one = vif(fitted(frame))
    other = vif(fitted(frame.assign(age=1e6 * frame["age"] + 1e8, w=1e8 * frame["w"])))
    close(one.iloc[:, 1:], other.iloc[:, 1:], 1e-6, "factors")
    rng = np.random.default_rng(4)
    x, y = np.repeat([0.0, 1.0, 0.0, 1.0], 100), np.repeat([0.0, 0.0, 1.0, 1.0], 100)
    balanced = pd.DataFrame({"x": x, "y": y, "z": pd.Categorical(rng.integers(0, 3, 400), ordered=True)})
    found = vif(survey.ordinal("z ~ x + y", survey.Design(balanced, weight=None)))
    close(found["gvif"], [1, 1], 0.02, "crossed factors")
    doubled = frame.assign(noise=np.random.default_rng(1).normal(size=600))
    near = vif(fitted(doubled.assign(noise=doubled["age"] + 0.1 * doubled["noise"]), formula="approval ~ age + noise"))
    assert (near["gvif"] > 1e3).all()


def test_factors_with_replicate_weights() -> None:
    design = survey.Design(api("clus1").rename(columns={"sch.wide": "reached"}), weight="pw", psu="dnum")
    fit = survey.ordinal("reached ~ ell + meals", survey.replicate(design, kind="JK1"))
    linear = vif(survey.ordinal("reached ~ ell + meals", design))
    close(vif(fit)["design_gvif"], linear["design_gvif"], 1e-8, "totals of influence: the jackknife is exact for them")


def test_refusals_of_vif() -> None:
    with pytest.raises(survey.EstimationError, match="`by` must be one of term, column; got 'variable'"):
        vif(fitted(), by="variable")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`fit` must have two terms or more to be collinear; it has age"):
        vif(fitted(formula="approval ~ age"))
    design = survey.Design(respondents(), weight="w", psu="psu")
    with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
        vif(survey.ordinal(FORMULA, design, nominal="~ urban"))


# Fit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [6, 10])
def test_groups_along_the_predictor_equal_r(groups: int) -> None:
    """Groups between quantiles of P(Y > 1), which keep respondents with the same prediction together."""
    reference = values("diagnostics")["WVS"][f"groups{groups}"]
    fit = plain("wvs")
    lipsitz = model_fit_test(fit, method="lipsitz", groups=groups)
    close(lipsitz.statistic, reference["lipsitz"], CLM, "Lipsitz")
    assert lipsitz.df1 == groups - 1
    table = model_fit_test(fit, method="hosmer-lemeshow", groups=groups)
    close(table.statistic, reference["hosmer_lemeshow"], CLM, "Hosmer-Lemeshow")
    assert table.df1 == (groups - 2) * 2 + 1
    assert f"{groups} groups along the linear predictor" in table.note


@pytest.mark.parametrize("data", ["ucla", "wvs"])
def test_generalhoslem_divides_ties_by_the_order_of_the_file(data: str) -> None:
    """Its statistics change with the order of the rows; made with its groups, ours are the same.

    Version 1.3.4 cuts the sorted file into groups of equal size.
    """
    reference = values("ordinal_tests")[f"{data}_gof"]
    frame = DATA[data]()
    fit = plain(data)
    columns = fit.matrix.evaluate(frame)
    score = np.round(columns @ fit.slopes.to_numpy(), 10)
    order = np.argsort(score, kind="stable")
    group = np.empty(len(frame), dtype=int)
    group[order] = np.minimum(np.arange(len(frame)) // (len(frame) / 10), 9)
    frame = frame.assign(group=pd.Categorical(group))
    design = survey.Design(frame, weight=None)
    larger = survey.ordinal(f"{FORMULAS[data]} + group", design)
    statistic = 2 * (larger.log_likelihood - fit.log_likelihood)
    if data == "ucla":
        close(statistic, reference["lipsitz"]["stat"], POLR_FIT, "Lipsitz")
    assert abs(statistic / model_fit_test(fit, method="lipsitz").statistic - 1) > 0.01
    for method, entry in (("lipsitz", "lipsitz"), ("hosmer-lemeshow", "hosmer_ordinal")):
        assert model_fit_test(fit, method=method).df1 == reference[entry]["df"]  # type: ignore[arg-type]


@pytest.mark.parametrize("data", ["ucla", "wvs"])
def test_patterns_of_categorical_covariates_equal_r(data: str) -> None:
    reference = values("ordinal_tests")[f"{data}_gof"]
    text = {"pared": lambda d: d["pared"].astype(str), "public": lambda d: d["public"].astype(str)}
    fit = plain(data, **(text if data == "ucla" else {}))
    result = model_fit_test(fit, method="pulkstenis-robinson")
    close(result.statistic, reference["pulkrob_chisq"]["stat"], POLR_FIT, "chi-square")
    assert result.df1 == reference["pulkrob_chisq"]["df"]
    if data == "wvs":
        tight = values("diagnostics")["WVS"]["pulkstenis_robinson"]
        close(result.statistic, tight["chisq"], CLM, "chi-square")
        deviance = model_fit_test(fit, method="pulkstenis-robinson-deviance")
        close(deviance.statistic, tight["deviance"], CLM, "deviance")
        close(deviance.statistic, reference["pulkrob_dev"]["stat"], POLR_FIT, "deviance")
        assert deviance.df1 == reference["pulkrob_dev"]["df"]
        assert f"{tight['rows']} groups: patterns of religion, degree, country, gender" in deviance.note
        assert "In 16 of 186 cells fewer than 1 is expected" in result.note


def test_groups_under_a_design_are_terms_of_the_model() -> None:
    """Added as a factor and tested by the adjusted Wald F, they give the same."""
    frame = respondents()
    fit = fitted(frame)
    result = model_fit_test(fit, groups=6)
    predictor = fit.matrix.evaluate(frame) @ fit.slopes.to_numpy()
    order = np.argsort(predictor)
    w = frame["w"].to_numpy()
    # quantiles of the weighted distribution that interpolate between respondents
    place = np.cumsum(w[order]) - w.mean()
    first = place - np.maximum(w[order] - w.mean(), 0)
    distinct, position = np.unique(np.round(predictor, 12), return_inverse=True)
    sums = np.bincount(position, weights=w)
    place = np.cumsum(sums) - w.mean()
    first = place - np.maximum(sums - w.mean(), 0)
    at = np.arange(1, 6) / 6 * place[-1]
    bounds = np.interp(at, np.column_stack([first, place]).ravel(), np.repeat(distinct, 2))
    frame["group"] = pd.Categorical(np.searchsorted(bounds, np.round(predictor, 12)))
    assert frame.groupby("group", observed=True)["w"].sum().between(0.14 * w.sum(), 0.2 * w.sum()).all()
    larger = fitted(frame, formula=f"{FORMULA} + group").term_test("group")
    close([result.statistic, result.df1, result.df2], [larger.statistic, larger.df1, larger.df2], 1e-7, "F")
    close(result.p_value, larger.p_value, 1e-7, "p_value")


def test_groups_with_replicate_weights() -> None:
    design = survey.Design(respondents(), weight="w", psu="psu")
    replicated = survey.ordinal(FORMULA, survey.replicate(design, kind="JK1"))
    one, other = model_fit_test(replicated, groups=5), model_fit_test(fitted(), groups=5)
    assert one.df1 == other.df1 == 4
    close(one.statistic, other.statistic, 0.3, "jackknife and linearization")


def test_a_saturated_model_and_one_with_few_predictions_are_refused() -> None:
    with pytest.raises(survey.EstimationError, match="`groups`: the groups follow from the columns of the model"):
        model_fit_test(fitted(formula="approval ~ income"))
    with pytest.raises(survey.EstimationError, match="the model makes 2 distinct predictions, which give 2 groups"):
        model_fit_test(fitted(formula="approval ~ urban"))
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    result = model_fit_test(survey.ordinal("agecat ~ race + sex + HI_CHOL", design))
    assert "follow from the columns of the model and are not counted" in result.note


@pytest.mark.parametrize("method", ["score-groups", "lipsitz", "hosmer-lemeshow"])
def test_a_wrong_form_is_found_and_the_right_one_is_not(method: FitTest) -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, 3000)
    answers = np.searchsorted([-1.0, 0.5, 2.0], 1.0 * x**2 + 0.7 * x + rng.logistic(size=3000))
    frame = pd.DataFrame({"x": x, "y": pd.Categorical(answers, ordered=True)})
    design = survey.Design(frame, weight=None)
    assert model_fit_test(survey.ordinal("y ~ x", design), method=method).p_value < 1e-6
    assert model_fit_test(survey.ordinal("y ~ x + I(x**2)", design), method=method).p_value > 0.05


def test_order_of_rows_and_scale_of_weights_change_nothing() -> None:
    frame = respondents()
    one = model_fit_test(fitted(frame))
    for other in (frame.sample(frac=1.0, random_state=2), frame.assign(w=1e8 * frame["w"])):
        close(model_fit_test(fitted(other)).statistic, one.statistic, 1e-7, "statistic")
    plain_frame = DATA["ucla"]()
    for method in ("lipsitz", "hosmer-lemeshow"):
        found = [
            model_fit_test(survey.ordinal(FORMULAS["ucla"], survey.Design(rows, weight=None)), method=method).statistic
            for rows in (plain_frame, plain_frame.sample(frac=1.0, random_state=1))
        ]
        close(found[0], found[1], SAME, "where R's depends on the order of ties")


def test_refusals_of_tests_of_fit() -> None:
    fit = fitted()
    with pytest.raises(survey.EstimationError, match="`method` must be one of score-groups, lipsitz, hosmer-lemeshow"):
        model_fit_test(fit, method="deviance")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`groups` must be a whole number, 3 or more; got 2"):
        model_fit_test(fit, groups=2)
    with pytest.raises(survey.EstimationError, match='`method`="lipsitz" is for a simple random sample'):
        model_fit_test(fit, method="lipsitz")
    with pytest.raises(survey.EstimationError, match="needs both categorical and numeric covariates"):
        model_fit_test(plain("housing"), method="pulkstenis-robinson")
    design = survey.Design(respondents(), weight="w", psu="psu")
    with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
        model_fit_test(survey.ordinal(FORMULA, design, nominal="~ age"))
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    steep = pd.DataFrame({"x": x, "y": pd.Categorical((4 * x + rng.logistic(size=300) > 0).astype(int), ordered=True)})
    with pytest.raises(
        survey.EstimationError, match="`groups`: the model with indicators of the groups has no maximum"
    ):
        model_fit_test(survey.ordinal("y ~ x", survey.Design(steep, weight=None)), method="lipsitz")
    binary = survey.ordinal("urban ~ age + income", survey.Design(respondents(), weight=None))
    assert model_fit_test(binary, method="hosmer-lemeshow").df1 == 8
    two = respondents().assign(two=lambda data: pd.Categorical(data["age"] > 40, ordered=True))
    four = survey.ordinal("two ~ urban + w", survey.Design(two, weight=None))
    assert model_fit_test(four, method="pulkstenis-robinson").df1 == 1
    three = two.assign(x=lambda data: np.where(data["urban"] == "urban", data["w"], 1.0))
    whole = survey.ordinal("two ~ urban + x", survey.Design(three, weight=None))
    for method in ("pulkstenis-robinson", "pulkstenis-robinson-deviance"):
        with pytest.raises(survey.EstimationError, match="`fit` leaves 0 degrees of freedom for a test of fit"):
            model_fit_test(whole, method=method)


def test_few_psus_leave_no_overall_test() -> None:
    frame = respondents()
    frame["psu"] = frame["psu"] % 6
    result = model_fit_test(fitted(frame))
    assert np.isnan(result.p_value)
    assert "the design has 5" in result.note


def test_stratified_design(  # the groups are of the weighted distribution, and the df those of the design
) -> None:
    frame = api("strat").rename(columns={"sch.wide": "reached"})
    fit = survey.ordinal("reached ~ ell + meals", survey.Design(frame, **API_DESIGNS["strat"]))
    result = model_fit_test(fit, groups=5)
    assert result.df2 == fit.df - result.df1 + 1
    assert 0 < result.p_value < 1
