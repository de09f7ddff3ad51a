"""Cumulative models without a design equal `ordinal::clm`: five links, offsets, nominal and scale effects.

Standard errors of a design are compared elsewhere; those of `clm` are the inverse of the observed information, which
`model_vcov` holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.models.likelihood import fit_cumulative, fit_limits
from survey.models.links import LINKS
from survey.models.predictors import proportional
from tests.reference.test_ordinal import housing, repeated, wine, world_values
from tests.reference_data import ESTIMATE, NHANES_DESIGN, close, close_within, nhanes, ordered, values

ANALYTIC = 1e-9  # relative to the standard error, and of log-likelihoods: both sides converged to a zero score
MODEL_ERROR = 1e-9  # relative: the same
SVYGLM_ERROR = 1e-8  # relative: svyglm takes its information one step before its solution
CLM_CAUCHIT = 2e-4  # of the standard error: clm takes 1e5 for infinity, where the Cauchy distribution has mass left
LIKELIHOOD_CAUCHIT = 1e-5  # relative, of log-likelihoods: the same of clm
POLR = 1e-3  # of the standard error: polr stops early, and differentiates numerically for its standard errors
LIKELIHOOD_RATIO = 1e-7  # absolute: clm's default control stops at a gradient of 1e-6
POLR_SHARE = 1e-5  # relative, of probabilities: the same
NUMERIC_SLOPE = 1e-5  # relative: standard errors of slopes whose Jacobian R differentiates numerically twice
PRINTED = 1e-9  # relative: numeric Jacobians of R's numDeriv
LINK_NAMES = ("logit", "probit", "cloglog", "loglog", "cauchit")
INCOMES = (1.5, 4, 6, 8, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 16, 18.5, 21, 23.5, 27.5, 32.5, 37.5, 42.5, 47.5, 55)
PARTIES = ("Democrat", "Democrat", "Independent", "Independent", "Independent", "Republican", "Republican")


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Any]:
    """Reference values of all of them."""
    return values("ordinal_iid")


def bundled(*parts: str, separator: str = ",") -> pd.DataFrame:
    """Data that statsmodels ships."""
    import statsmodels

    return pd.read_csv(Path(statsmodels.__file__).parent.joinpath(*parts), sep=separator, quotechar="'")


@cache
def graduates() -> pd.DataFrame:
    """Plans to apply to graduate school, UCLA."""
    frame = bundled("miscmodels", "tests", "results", "ologit_ucla.csv")
    frame["apply"] = ordered(frame["apply"], ["unlikely", "somewhat likely", "very likely"])
    return frame


@cache
def electors() -> pd.DataFrame:
    """American National Election Study 1996, as faraway::nes96 codes it too."""
    frame = bundled("datasets", "anes96", "anes96.csv", separator="\t")
    incomes = np.array([*INCOMES, 67.5, 82.5, 97.5, 115])
    frame["nincome"] = incomes[frame["income"] - 1]
    frame["sPID"] = ordered(pd.Series(np.array(PARTIES)[frame["PID"]]), list(dict.fromkeys(PARTIES)))
    frame["PID"] = ordered(frame["PID"], range(7))
    frame["schooling"] = ordered(frame["educ"], range(1, 8))
    frame["logpopul"] = np.log(frame["popul"] + 0.1)
    return frame


@cache
def tenants() -> pd.DataFrame:
    """Satisfaction with housing, one row per tenant; `off` is a tenth of the contact's number."""
    frame = repeated(housing(), "Freq")
    return frame.assign(off=0.1 * (frame["Cont"].cat.codes + 1.0))


@cache
def cheeses() -> pd.DataFrame:
    """Tastings of cheese with four additives (McCullagh and Nelder 1989), as the reference lists them."""
    frame = pd.DataFrame(values("ordinal_iid")["cheese_clm"]["data_inline"])
    frame = repeated(frame, "f")
    frame["y"] = ordered(frame["y"], [str(i) for i in range(1, 10)])
    frame["add"] = pd.Categorical(frame["add"], ["4", "1", "2", "3"])
    return frame


DATA: Mapping[str, Callable[[], pd.DataFrame]] = {
    "housing": tenants,
    "wine": wine,
    "wvs": world_values,
    "ucla": graduates,
    "anes96": electors,
    "nes96": electors,
    "cheese": cheeses,
}
HOUSING = "Sat ~ Infl + Type + Cont"
WINE = "rating ~ temp + contact"
WVS = "poverty ~ religion + degree + country + age + gender"
FORMULAS: Mapping[str, str] = {
    "housing": HOUSING,
    "wine": WINE,
    "wvs": WVS,
    "ucla": "apply ~ pared + public + gpa",
    "anes96": "PID ~ logpopul + selfLR + age + educ + income",
    "nes96": "sPID ~ age + C(schooling, contr.poly) + nincome",
    "cheese": "y ~ add",
}
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # entry -> formula, options; clm maximizes the same likelihood
    **{
        f"{data}_clm_{link}": (FORMULAS[data], {"link": link})
        for data in ("housing", "wine", "ucla")
        for link in LINK_NAMES
    },
    **{f"anes96_clm_{link}": (FORMULAS["anes96"], {"link": link}) for link in ("logit", "probit")},
    "housing_exact_cauchit": (HOUSING, {"link": "cauchit"}),
    "ucla_exact_cauchit": (FORMULAS["ucla"], {"link": "cauchit"}),
    "cheese_clm": (FORMULAS["cheese"], {}),
    "wvs_clm_main": (WVS, {}),
    "wvs_clm_fox": ("poverty ~ gender + religion + degree + country * poly(age, 3)", {}),
    "nes96_clm_full": (FORMULAS["nes96"], {}),
    "nes96_clm_income": ("sPID ~ nincome", {}),
    "housing_clm_offset": ("Sat ~ Infl + Type", {"offset": "off"}),
    "housing_clm_nominal_Cont": ("Sat ~ Infl + Type", {"nominal": "~ Cont"}),
    "wine_clm_nominal_contact": (WINE, {"nominal": "~ contact"}),
    "wine_clm_scale_temp": (WINE, {"scale": "~ temp"}),
    **{
        f"wine_clm_threshold_{name}": (WINE, {"thresholds": name})
        for name in ("equidistant", "symmetric", "symmetric2")
    },
}
POLR_MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "housing_polr_logistic": (HOUSING, {}),
    "housing_polr_probit": (HOUSING, {"link": "probit"}),
    "nes96_polr_full": (FORMULAS["nes96"], {}),
    "nes96_polr_income_probit": ("sPID ~ nincome", {"link": "probit"}),
    "wvs_polr_main": (WVS, {}),
}


def fitted(data: str, formula: str, **options: Any) -> survey.OrdinalFit:
    return survey.ordinal(formula, survey.Design(DATA[data](), weight=None), **options)


def name_in_r(name: str) -> str:
    """Name of a parameter as clm writes it: "temp[T.warm]" becomes "tempwarm"."""
    bare = re.sub(r"C\((\w+), contr\.poly\)", r"\1", name).replace("schooling", "educ")
    bare = re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", bare)
    if "|" in bare and ":" in bare:
        return bare.replace(":", ".")
    return re.sub(r"^scale:(.*)", r"\1.1", bare)


def same_model(fit: survey.OrdinalFit, result: Mapping[str, Any], tolerance: float, error_tolerance: float) -> None:
    """Compare parameters, model-based standard errors and, where there, covariance and log-likelihood by name."""
    names = [name_in_r(str(name)) for name in fit.params.index]
    wanted = [name.removesuffix(".(Intercept)") for name in result["coef"]]
    assert sorted(names) == sorted(wanted)
    order = [names.index(name) for name in wanted]
    errors = np.array(list(result["se"].values()))
    close_within(fit.params.to_numpy()[order], list(result["coef"].values()), tolerance * errors, "coefficients")
    vcov = fit.model_vcov[np.ix_(order, order)]
    close(np.sqrt(np.diag(vcov)), errors, error_tolerance, "std_error")
    if "vcov" in result:
        allowed = 10 * error_tolerance * np.outer(errors, errors)
        close_within(vcov, result["vcov"], allowed, "covariance")


@pytest.mark.parametrize("entry", MODELS)
def test_maximum_likelihood(reference: Mapping[str, Any], entry: str) -> None:
    """Coefficients, thresholds, log-likelihood and the inverse information, from nothing but the formula."""
    formula, options = MODELS[entry]
    result = reference[entry]["result"]
    fit = fitted(entry.split("_")[0], formula, **options)
    loose = entry.endswith("clm_cauchit")
    tolerance = CLM_CAUCHIT if loose else ANALYTIC
    same_model(fit, result, tolerance, CLM_CAUCHIT if loose else MODEL_ERROR)
    close(fit.log_likelihood, result["logLik"], LIKELIHOOD_CAUCHIT if loose else ANALYTIC, "log-likelihood")
    if "null_logLik" in result:
        close(fit.null_log_likelihood, result["null_logLik"], ANALYTIC, "null log-likelihood")
    if "nobs" in result:
        assert fit.n == result["nobs"]
    assert fit.convergence.smallest_gap > 0


@pytest.mark.parametrize("entry", POLR_MODELS)
def test_polr(reference: Mapping[str, Any], entry: str) -> None:
    formula, options = POLR_MODELS[entry]
    result = reference[entry]["result"]
    fit = fitted(entry.split("_")[0], formula, **options)
    same_model(fit, result, POLR, POLR)
    close(fit.log_likelihood, -result["deviance"] / 2, ESTIMATE, "deviance")


@pytest.mark.parametrize("data", ["housing", "wine", "wvs", "ucla"])
@pytest.mark.parametrize("part", ["nominal", "scale"])
def test_each_term_with_nominal_or_scale_effects(reference: Mapping[str, Any], data: str, part: str) -> None:
    """`nominal_test` and `scale_test` of clm: the likelihood ratio of a model that frees one term.

    clm reports one of wine's temperature too, whose threshold is infinite: it stops at about -21.
    """
    tests = reference[f"{data}_nominal_scale_tests"]["result"][part]
    plain = fitted(data, FORMULAS[data])
    close_within(plain.log_likelihood, tests["logLik"][0], LIKELIHOOD_RATIO, "log-likelihood")
    for i, term in enumerate(tests["term"][1:], start=1):
        if (data, part, term) == ("wine", "nominal", "temp"):  # no warm wine is given the lowest rating
            with pytest.raises(survey.SeparationError, match=r"the 36 respondents with temp\[T.warm\] all answer"):
                fitted(data, FORMULAS[data], nominal="~ temp")
            continue
        fit = fitted(data, FORMULAS[data], **{part: f"~ {term}"})
        close_within(fit.log_likelihood, tests["logLik"][i], LIKELIHOOD_RATIO, term)
        ratio = 2 * (fit.log_likelihood - plain.log_likelihood)
        close_within(ratio, tests["LRT"][i], 2 * LIKELIHOOD_RATIO, f"{term} likelihood ratio")
        assert len(fit.params) - len(plain.params) == tests["df"][i]


def model_based(fit: survey.OrdinalFit, call: Callable[[survey.OrdinalFit], survey.Estimate]) -> np.ndarray:
    """Standard errors by the delta method, the Jacobian by differences, from the inverse information."""
    step = 1e-5 * np.sqrt(np.diag(fit.model_vcov))
    columns = []
    for i, size in enumerate(step):
        ends = []
        for multiple in (-2, -1, 1, 2):
            params = fit.params.copy()
            params.iloc[i] += 1e3 * multiple * size
            ends.append(call(replace(fit, params=params)).value)
        columns.append((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12e3 * size))
    jacobian = np.column_stack(columns)
    return np.sqrt(np.diag(jacobian @ fit.model_vcov @ jacobian.T))


@pytest.mark.slow
def test_predictions_of_clm(reference: Mapping[str, Any]) -> None:
    expected = reference["wine_clm_predict"]
    profiles = pd.DataFrame(expected["newdata"])
    fit = fitted("wine", WINE)

    def call(own: survey.OrdinalFit) -> survey.Estimate:
        return survey.predicted_probabilities(own, profiles)

    found = call(fit)
    close(found.value.reshape(4, 5), expected["result"]["fit"], PRINTED, "probabilities")
    close(model_based(fit, call).reshape(4, 5), expected["result"]["se.fit"], 1e-6, "std_error")


@pytest.mark.slow
def test_probabilities_at_the_means_of_the_others(reference: Mapping[str, Any]) -> None:
    """`effects::Effect` sets numbers to their mean and levels to their shares; its `polr` stops early."""
    expected = reference["wvs_effects_country_gender"]["result"]
    profiles = pd.DataFrame(expected["x"])
    fit = fitted("wvs", WVS)

    def call(own: survey.OrdinalFit) -> survey.Estimate:
        return survey.predicted_probabilities(own, profiles, others="means")

    shape = np.array(expected["prob"]).shape
    close(call(fit).value.reshape(shape), expected["prob"], POLR_SHARE, "probabilities")
    close(model_based(fit, call).reshape(shape), expected["se_prob"], POLR, "std_error")


def test_average_effects_of_maximum_likelihood(reference: Mapping[str, Any]) -> None:
    expected = reference["ucla_ame_logit"]["result"]
    frame = graduates()
    frame = frame.assign(pared=pd.Categorical(frame["pared"], [0, 1]), public=pd.Categorical(frame["public"], [0, 1]))
    fit = survey.ordinal(FORMULAS["ucla"], survey.Design(frame, weight=None))
    for variable, entry in {"gpa": "gpa_dydx", "pared": "pared_contrast", "public": "public_contrast"}.items():

        def call(own: survey.OrdinalFit, name: str = variable) -> survey.Estimate:
            return survey.average_effects(own, name)

        close_within(call(fit).value, expected[entry]["est"], 1e-8 * np.array(expected[entry]["se"]), variable)
        error = NUMERIC_SLOPE if variable == "gpa" else 1e-6
        close(model_based(fit, call), expected[entry]["se"], error, f"{variable} std_error")
    average = survey.predicted_probabilities(fit, {})
    close(average.value, expected["avg_pred"]["est"], PRINTED, "average probabilities")


def test_two_answers_are_svyglm(reference: Mapping[str, Any]) -> None:
    """A binary outcome is `svyglm(family = quasibinomial())`: its intercept is minus the threshold."""
    expected = reference["svyglm_nhanes_threshold1"]["result"]
    frame = nhanes()
    frame["sex"] = pd.Categorical(frame["RIAGENDR"].map({1: "male", 2: "female"}), ["male", "female"])
    first = frame["agecat"].cat.categories[0]
    older = pd.Series(np.where(frame["agecat"] == first, "no", "yes"), frame.index).where(frame["agecat"].notna())
    frame["older"] = pd.Categorical(older, ["no", "yes"])
    fit = survey.ordinal("older ~ race + sex + HI_CHOL", survey.Design(frame, **NHANES_DESIGN))
    names = ["(Intercept)" if "|" in str(name) else name_in_r(str(name)) for name in fit.params.index]
    order = [names.index(name) for name in expected["coef"]]
    signs = np.where([name == "(Intercept)" for name in expected["coef"]], -1.0, 1.0)
    errors = np.array(list(expected["se"].values()))
    found = signs * fit.params.to_numpy()[order]
    close_within(found, list(expected["coef"].values()), ANALYTIC * errors, "coefficients")
    close(fit.bse.to_numpy()[order], errors, SVYGLM_ERROR, "std_error")


@pytest.mark.parametrize("link", LINK_NAMES)
def test_two_answers_with_each_link_solve_the_score_equations(link: Any) -> None:
    """The score of a binary likelihood written out on rows vanishes."""
    frame = graduates().assign(yes=lambda d: d["apply"] > "unlikely")
    fit = survey.ordinal("yes ~ pared + gpa", survey.Design(frame, weight=None), link=link)
    x = frame[["pared", "gpa"]].to_numpy(dtype=float)
    limit = fit.thresholds.iloc[0] - x @ fit.slopes.to_numpy()
    at = np.asarray(limit, dtype=np.float64)
    below, density = np.exp(LINKS[link].log_cdf(at)), np.exp(LINKS[link].log_pdf(at))
    score = np.where(frame["yes"], -density / (1 - below), density / below)
    np.testing.assert_allclose(np.column_stack([np.ones(len(x)), -x]).T @ score, 0, atol=1e-7)


def test_a_plain_likelihood_may_be_fitted_without_its_parts() -> None:
    """`fit_cumulative` is `fit_limits` with slopes and free thresholds."""
    frame = graduates()
    codes, x = frame["apply"].cat.codes.to_numpy().astype(np.intp), frame[["pared", "gpa"]].to_numpy(dtype=float)
    one = fit_cumulative(codes, x, np.ones(len(x)), LINKS["logit"])
    other = fit_limits(codes, proportional(x, 2), np.ones(len(x)), LINKS["logit"])
    np.testing.assert_array_equal(one.params, other.params)
    np.testing.assert_array_equal(one.inverse_information, other.inverse_information)
