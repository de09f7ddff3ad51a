"""Rao-Scott likelihood-ratio tests, dAIC and dBIC, pseudo R-squared: references, brute force, invariance, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.inference.quadratic_forms import sum_of_chisq_sf
from survey.models.likelihood_ratio import information_criteria, likelihood_ratio_test, pseudo_r_squared
from survey.models.nesting import nesting
from tests.brute_force import Floats, single_stage, variance_of_total
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference.test_anes2020 import respondents as electors_2020
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import (
    API_DESIGNS,
    NHANES_DESIGN,
    REFERENCE,
    api,
    api_for_formulas,
    close,
    nhanes,
    shared_values,
    values,
)

TWELVE_DIGITS = 1e-10  # relative: reference values printed with twelve significant digits
SADDLEPOINT = 1e-6  # relative: R solves for the saddlepoint to 1e-4 of its standard error
NUMERIC_HESSIAN = 1e-5  # relative: design effects from the covariance of svyolr, whose Hessian is numeric
CLM = 1e-7  # absolute, of a likelihood ratio: clm's default control stops at a gradient of 1e-6
GLM = 2e-5  # relative: svyglm stops at a change of the deviance of 1e-8, its information one step before
R_SQUARED = 1e-8  # relative: svyglm's deviance is right to the square of its distance from the maximum
ANALYTIC = 1e-8  # relative: both sides converged
SAME = 1e-9  # relative: two computations of one number
STEP = 1e-4  # of the weights of a PSU
DIFFERENCES = 1e-5  # relative: totals of influence by central differences of refitted models


def differences(statistic: Callable[[Floats], Floats], w: Floats, psu: pd.Series) -> Floats:
    """(P, k) totals of weight times influence by PSU, by central differences of the PSU's weights."""
    rows = []
    for label in psu.unique():
        own = (psu == label).to_numpy()
        up, down = np.where(own, w * (1 + STEP), w), np.where(own, w * (1 - STEP), w)
        rows.append((statistic(up) - statistic(down)) / (2 * STEP))
    return np.array(rows)


def clustered() -> pd.DataFrame:
    """Schools of the cluster sample whose parents' education is known."""
    frame = api_for_formulas("clus1", lowest=0)
    return frame[frame["avg_ed"].notna() & frame["mealcat"].notna()].reset_index(drop=True)


def models(frame: pd.DataFrame, **design: Any) -> tuple[survey.OrdinalFit, survey.OrdinalFit]:
    made = survey.Design(frame, **(design or API_DESIGNS["clus1"]))
    return survey.ordinal("mealcat ~ mobility", made), survey.ordinal("mealcat ~ avg_ed + mobility + stype", made)


def cces() -> survey.Design:
    return survey.Design(respondents(), weight="w", psu="psu")


def test_rao_scott_test_of_two_terms() -> None:
    """With weights normalized to mean 1; regTermTest as shipped gives p = .73 for the same models."""
    expected = values("ordinal_tests")["svy_api_clus1_RaoScott_LRT_correct"]
    # the reference keeps the whole design of complete and incomplete schools, as a domain does
    design = survey.Design(api_for_formulas("clus1", lowest=0), **API_DESIGNS["clus1"])
    known = design.domain("avg_ed > 0")
    smaller = survey.ordinal("mealcat ~ mobility", known)
    larger = survey.ordinal("mealcat ~ avg_ed + mobility + stype", design)
    result = likelihood_ratio_test(smaller, larger, df=expected["ddf"])
    close(result.statistic, expected["chisq"], TWELVE_DIGITS, "statistic")
    effects = nesting(smaller, larger).effects
    close(effects, expected["lambda"], NUMERIC_HESSIAN, "design effects")
    close(result.statistic / effects.mean(), expected["first_order_scaled"], NUMERIC_HESSIAN, "first order")
    close(result.p_value, expected["p_saddlepoint_F"], SADDLEPOINT, "saddlepoint")
    matched = likelihood_ratio_test(smaller, larger, method="satterthwaite", df=10)
    close(matched.p_value, expected["p_satterthwaite_F"], 1e-6, "Satterthwaite")
    large = sum_of_chisq_sf(result.statistic, effects, method="saddlepoint")
    close(large, expected["p_chisq_saddlepoint"], NUMERIC_HESSIAN, "chi-square")
    assert (result.df1, result.df2) == (3, 10)
    assert "10.77, 0.8992, 0.4625" in result.note
    exact = likelihood_ratio_test(smaller, larger, method="exact")
    assert exact.df2 == larger.df == 14
    # the bug of regTermTest, for the record
    assert values("ordinal_tests")["svy_api_clus1_tests"]["LRT_AS_SHIPPED_survey_4.5"]["p"] > 0.7


def test_binary_models_equal_regtermtest() -> None:
    reference = values("ordinal_tests")["nhanes"]["glm_regterm"]["LRT"]
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    larger = survey.ordinal("chol ~ race + C(agecat, contr.treatment) + sex", design)
    smaller = survey.ordinal("chol ~ C(agecat, contr.treatment) + sex", design)
    result = likelihood_ratio_test(smaller, larger, df=reference["ddf"])
    scaled = np.array(reference["lambda"]) / sum(reference["lambda"])
    effects = nesting(smaller, larger).effects
    close(effects / effects.sum(), scaled, GLM, "design effects")
    # svyglm scales its weights over all respondents, with answer or not
    close(result.statistic / effects.sum(), reference["chisq"] / sum(reference["lambda"]), GLM, "statistic")
    close(result.p_value, reference["p"], GLM, "p_value")


def test_binary_models_of_a_large_survey() -> None:
    reference = shared_values("anes2020/anes2020.json")["glm_trust_full_regterm"]
    terms = ["Age", "Gender", "Education", "Income7", "RaceEth"]
    frame = electors_2020()
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    known = design.domain(frame[[*terms, "usual"]].notna().all(axis=1))
    larger = survey.ordinal(f"usual ~ {' + '.join(terms)}", known)
    for term, expected in reference.items():
        smaller = survey.ordinal(f"usual ~ {' + '.join(name for name in terms if name != term)}", known)
        result = likelihood_ratio_test(smaller, larger, df=expected["LRT"]["ddf"])
        effects = nesting(smaller, larger).effects
        ratio = expected["LRT"]["chisq"] / sum(expected["LRT"]["lambda"])
        close(result.statistic / effects.sum(), ratio, GLM, f"{term} statistic")
        close(result.p_value, expected["LRT"]["p"], GLM, f"{term} p_value")


@pytest.mark.parametrize("data", ["housing", "wine", "wvs", "ucla"])
@pytest.mark.parametrize("part", ["nominal", "scale"])
def test_nominal_and_scale_effects_equal_clm(data: str, part: str) -> None:
    """Likelihood-ratio tests of `nominal_test` and `scale_test`."""
    reference = values("ordinal_iid")[f"{data}_nominal_scale_tests"]["result"][part]
    design = survey.Design(DATA[data](), weight=None)
    smaller = survey.ordinal(FORMULAS[data], design)
    for i, term in enumerate(reference["term"]):
        if i == 0 or (data, part, term) == ("wine", "nominal", "temp"):  # separated, which we refuse
            continue
        options: dict[str, Any] = {part: f"~ {term}"}
        larger = survey.ordinal(FORMULAS[data], design, **options)
        result = likelihood_ratio_test(smaller, larger, method="model")
        assert abs(result.statistic - reference["LRT"][i]) < CLM * max(1.0, result.statistic), term
        assert result.df1 == reference["df"][i]
        close(result.p_value, reference["p"][i], 1e-6, term)


def test_structured_thresholds_are_nested_in_free_ones() -> None:
    design = survey.Design(DATA["wine"](), weight=None)
    free = survey.ordinal(FORMULAS["wine"], design)
    even = survey.ordinal(FORMULAS["wine"], design, thresholds="equidistant")
    result = likelihood_ratio_test(even, free, method="model")
    assert result.df1 == 2
    close(result.statistic, 2 * (free.log_likelihood - even.log_likelihood), SAME, "statistic")
    with pytest.raises(survey.EstimationError, match="`smaller` must be nested in `larger`; 'rating ~ temp"):
        likelihood_ratio_test(free, even)


def test_scale_effects_are_nested_within_each_other() -> None:
    design = survey.Design(DATA["housing"](), weight=None)
    one = survey.ordinal(FORMULAS["housing"], design, scale="~ Cont")
    two = survey.ordinal(FORMULAS["housing"], design, scale="~ Cont + Infl")
    result = likelihood_ratio_test(one, two, method="model")
    assert result.df1 == 2
    other = survey.ordinal(FORMULAS["housing"], design, scale="~ Type")
    with pytest.raises(survey.EstimationError, match="`smaller` must be nested in `larger`"):
        likelihood_ratio_test(other, two)


def test_weights_times_a_constant_change_nothing() -> None:
    """The defect of R's regTermTest on svyolr: p = .733, .018 and 2.7e-8 for the same data."""
    frame = respondents()
    results = []
    for factor_of_weights in (1.0, 1e8, 1e-6):
        design = survey.Design(frame.assign(w=frame["w"] * factor_of_weights), weight="w", psu="psu")
        smaller, larger = survey.ordinal("approval ~ age", design), survey.ordinal(FORMULA, design)
        test = likelihood_ratio_test(smaller, larger)
        table = information_criteria(smaller, larger).drop(columns=["formula", "link"])
        results.append(np.r_[test.statistic, test.p_value, table.to_numpy(dtype=float).ravel()])
    close(results[1], results[0], SAME, "times 1e8")
    close(results[2], results[0], SAME, "times 1e-6")


def test_units_and_origin_of_a_covariate_change_nothing() -> None:
    frame = respondents()

    def tested(data: pd.DataFrame) -> Floats:
        design = survey.Design(data, weight="w", psu="psu")
        smaller, larger = survey.ordinal("approval ~ age", design), survey.ordinal(FORMULA, design)
        return np.array([likelihood_ratio_test(smaller, larger).p_value, *information_criteria(larger)["daic"]])

    moved = frame.assign(age=1e6 * frame["age"] + 1e9)
    close(tested(moved), tested(frame), 1e-6, "age in millionths from an origin far away")


def test_models_are_nested_by_what_they_span_not_by_their_terms() -> None:
    design = cces()
    line = survey.ordinal("approval ~ age", design)
    curve = survey.ordinal("approval ~ poly(age, 2) + income", design)
    result = likelihood_ratio_test(line, curve)
    assert result.df1 == 3
    other = survey.ordinal("approval ~ age + I(age**2) + income", design)
    close(likelihood_ratio_test(line, other).p_value, result.p_value, 1e-6, "another basis")


def test_without_a_smaller_model_all_slopes_are_tested() -> None:
    fit = fitted()
    result = likelihood_ratio_test(None, fit)
    assert result.df1 == len(fit.slopes)
    close(result.statistic, 2 * (fit.log_likelihood - fit.null_log_likelihood), SAME, "statistic")
    one = fitted(formula="approval ~ age")
    single = likelihood_ratio_test(None, one, method="exact")
    effect = one.vcov[0, 0] / one.model_vcov[0, 0]
    close(nesting(None, one).effects, [effect], SAME, "design effect of one slope")
    close(single.p_value, sum_of_chisq_sf(single.statistic, [effect], one.df, method="exact"), SAME, "p_value")


def test_replicate_weights() -> None:
    design = survey.replicate(cces(), kind="JK1")
    smaller, larger = survey.ordinal("approval ~ age", design), survey.ordinal(FORMULA, design)
    linear = likelihood_ratio_test(survey.ordinal("approval ~ age", cces()), survey.ordinal(FORMULA, cces()))
    result = likelihood_ratio_test(smaller, larger)
    close(result.statistic, linear.statistic, SAME, "statistic")
    close(np.log(result.p_value), np.log(linear.p_value), 0.1, "logarithm of the p-value")  # jackknife, not linear


def test_refusals_of_the_likelihood_ratio_test() -> None:
    design, fit = cces(), fitted()
    small = fitted(formula="approval ~ age")
    with pytest.raises(survey.EstimationError, match="`method` must be one of saddlepoint, satterthwaite, exact"):
        likelihood_ratio_test(small, fit, method="wald")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=r"`larger` must have parameters that `smaller` lacks"):
        likelihood_ratio_test(fit, fit)
    with pytest.raises(survey.EstimationError, match="'income', 'urban' is in the smaller model alone"):
        likelihood_ratio_test(fit, small)
    with pytest.raises(survey.EstimationError, match="has columns that cannot be made of those of"):
        likelihood_ratio_test(fitted(formula="approval ~ income + I(age**2)"), fit)
    with pytest.raises(survey.EstimationError, match="must have the same link; got 'probit' and 'logit'"):
        likelihood_ratio_test(fitted(link="probit", formula="approval ~ age"), fit)
    with pytest.raises(survey.EstimationError, match="must have the same outcome and answers; got 'urban'"):
        likelihood_ratio_test(fitted(formula="urban ~ age"), fit)
    with pytest.raises(survey.EstimationError, match=r"must be fits of the same respondents; they have \d+ and 600"):
        likelihood_ratio_test(survey.ordinal("approval ~ age", design.domain("age > 20")), fit)
    with pytest.raises(survey.EstimationError, match="the design is not one: it has PSUs"):
        likelihood_ratio_test(small, fit, method="model")
    with pytest.raises(survey.EstimationError, match="`df` must be positive; got 0"):
        likelihood_ratio_test(small, fit, df=0)
    known = survey.Design(respondents().assign(known=lambda data: data["age"] % 7.0), weight="w", psu="psu")
    with pytest.raises(survey.EstimationError, match="must have the same offset; got 'known' and None"):
        likelihood_ratio_test(
            survey.ordinal("approval ~ age", known, offset="known"), survey.ordinal("approval ~ age + known", known)
        )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"weight": "w"}, "its weights differ"),
        ({"weight": None, "strata": "urban"}, "it has 2 strata"),
        ({"weight": None, "fpc": "N"}, "it has population sizes"),
    ],
)
def test_what_makes_a_design_other_than_a_simple_random_sample(change: dict[str, Any], found: str) -> None:
    fit = survey.ordinal("approval ~ age", survey.Design(respondents().assign(N=10_000), **change))
    with pytest.raises(survey.EstimationError, match=f'the design is not one: {found}. Use method="saddlepoint"'):
        likelihood_ratio_test(None, fit, method="model")


def test_replicates_and_calibration_are_no_simple_random_samples() -> None:
    plain = survey.Design(respondents(), weight=None)
    for design, found in (
        (survey.rake(plain, {"urban": {"rural": 0.5, "urban": 0.5}}), "its weights were calibrated"),
        (survey.replicate(survey.Design(respondents(60), weight=None), kind="JK1"), "it has replicate weights"),
    ):
        with pytest.raises(survey.EstimationError, match=found):
            likelihood_ratio_test(None, survey.ordinal("approval ~ age", design), method="model")


# Information criteria ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["srs", "strat", "clus1", "clus2"])
def test_information_criteria_equal_r(name: str) -> None:
    """AIC and BIC of svyglm, which count slopes alone and the intercept among the parameters of dBIC."""
    design = survey.Design(api(name).rename(columns={"sch.wide": "reached"}), **API_DESIGNS[name])
    smaller = survey.ordinal("reached ~ ell + meals + mobility", design)
    larger = survey.ordinal("reached ~ ell + meals + mobility + stype", design)
    found = information_criteria(smaller, maximal=larger, parameters="slopes").iloc[0]
    tight, shipped = values("diagnostics")[name]["criteria"], values("ordinal_tests")["api"][name]["aic"]
    for reference, relative in ((tight, ANALYTIC), (shipped, GLM)):
        close(found["effective_parameters"], reference["AIC"]["eff.p"], 5 * relative, "effective parameters")
        close(found["daic"], reference["AIC"]["AIC"], relative, "dAIC")
        close(found["mean_deff"], reference["AIC"]["deltabar"], 5 * relative, "mean design effect")
        close([found["parameters"], found["dbic"], found["n_eff"]], reference["BIC"], 5 * relative, "dBIC")
    close(-2 * found["log_likelihood"], tight["deviance"], ANALYTIC, "deviance")


def test_criteria_of_independent_respondents_are_close_to_those_of_maximum_likelihood() -> None:
    design = survey.Design(DATA["wvs"](), weight=None)
    fit = survey.ordinal(FORMULAS["wvs"], design)
    table = information_criteria(fit).iloc[0]
    assert abs(table["effective_parameters"] - len(fit.params)) < 0.1 * len(fit.params)
    close(table["dbic"], -2 * fit.log_likelihood + len(fit.params) * np.log(fit.n), SAME, "BIC of the maximal model")
    assert np.isnan(table["n_eff"])


def test_effective_parameters_are_the_trace_of_the_design_effects() -> None:
    fit = fitted()
    found = information_criteria(fit)["effective_parameters"].iloc[0]
    close(found, np.trace(np.linalg.solve(fit.model_vcov, fit.vcov)), 1e-7, "trace")
    nominal = survey.ordinal(FORMULA, cces(), nominal="~ urban")
    both = information_criteria(fitted(), nominal)
    close(
        both["effective_parameters"].iloc[1], np.trace(np.linalg.solve(nominal.model_vcov, nominal.vcov)), 1e-6, "all"
    )
    assert both["parameters"].tolist() == [7, 9]
    slopes = information_criteria(nominal, parameters="slopes").iloc[0]
    assert slopes["effective_parameters"] < both["effective_parameters"].iloc[1]


def test_too_few_psus_for_the_wald_statistic_of_dbic() -> None:
    frame = respondents()
    frame["psu"] = frame["psu"] % 3
    table = information_criteria(fitted(frame, formula="approval ~ age"), fitted(frame))
    assert np.isnan(table["dbic"].iloc[0])
    assert np.isfinite(table["dbic"].iloc[1])
    assert np.isfinite(table["daic"]).all()


def test_refusals_of_the_criteria() -> None:
    with pytest.raises(survey.EstimationError, match="`fits` must hold at least one model"):
        information_criteria()
    with pytest.raises(survey.EstimationError, match="`parameters` must be one of all, slopes; got 'none'"):
        information_criteria(fitted(), parameters="none")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=r"`maximal` must be a survey.OrdinalFit; got str"):
        information_criteria(fitted(), maximal="approval ~ age")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`fits` must be nested in `maximal`"):
        information_criteria(fitted(formula="approval ~ income"), fitted(formula="approval ~ age"))


# Pseudo R-squared -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(API_DESIGNS))
def test_pseudo_r_squared_equals_r(name: str) -> None:
    design = survey.Design(api(name).rename(columns={"sch.wide": "reached"}), **API_DESIGNS[name])
    found = pseudo_r_squared(survey.ordinal("reached ~ ell + meals + mobility", design)).set_index("term")["estimate"]
    reference = values("ordinal_tests")["api"][name]["psrsq"]
    close(found["Cox-Snell"], reference["CoxSnell"], R_SQUARED, "Cox-Snell")
    close(found["Nagelkerke"], reference["Nagelkerke"], R_SQUARED, "Nagelkerke")


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_pseudo_r_squared_of_counts(link: Any) -> None:
    reference = values("ordinal_iid")[f"housing_clm_{link}"]["result"]
    fit = survey.ordinal(FORMULAS["housing"], survey.Design(DATA["housing"](), weight=None), link=link)
    expected = [reference[name] for name in ("McFadden", "CoxSnell", "Nagelkerke")]
    close(pseudo_r_squared(fit)["estimate"], expected, 1e-9, "R-squared")


@pytest.mark.slow
def test_standard_errors_of_pseudo_r_squared_by_brute_force() -> None:
    frame = clustered()

    def statistic(w: Floats) -> Floats:
        fit = survey.ordinal("mealcat ~ mobility + stype", survey.Design(frame.assign(pw=w), weight="pw", psu="dnum"))
        return pseudo_r_squared(fit)["estimate"].to_numpy()

    w = frame["pw"].to_numpy(dtype=float)
    totals = differences(statistic, w, frame["dnum"])
    expected = np.sqrt(np.diag(variance_of_total(totals, [single_stage(len(totals))])))
    design = survey.Design(frame, weight="pw", psu="dnum")
    fit = survey.ordinal("mealcat ~ mobility + stype", design)
    found = pseudo_r_squared(fit)
    close(found["std_error"], expected, DIFFERENCES, "std_error")
    assert found["df"].tolist() == [fit.df] * 3
    replicated = survey.replicate(design, kind="JK1")
    made = np.array([statistic(row) for row in replicated.replicates.weights.T])  # type: ignore[union-attr]
    scale = (len(made) - 1) / len(made)
    expected = np.sqrt(scale * ((made - made.mean(axis=0)) ** 2).sum(axis=0))
    found = pseudo_r_squared(survey.ordinal("mealcat ~ mobility + stype", replicated))
    close(found["estimate"], statistic(w), SAME, "estimate")
    # a replicate's average log-likelihood is that of the replicate itself; R-squared is linear in it to first order
    close(found["std_error"], expected, 0.2, "jackknife of R-squared itself")


def test_refusals_of_pseudo_r_squared() -> None:
    with pytest.raises(survey.EstimationError, match="`level` must lie between 0 and 1"):
        pseudo_r_squared(fitted(), level=95)
    even = survey.ordinal(FORMULA, cces(), thresholds="equidistant")
    with pytest.raises(survey.EstimationError, match="`fit` must have free thresholds and no offset"):
        pseudo_r_squared(even)


def test_reference_values_name_their_origin() -> None:
    meta = values("diagnostics")["meta"]
    assert meta["script"] == "diagnostics.R"
    assert (REFERENCE / meta["script"]).is_file()
