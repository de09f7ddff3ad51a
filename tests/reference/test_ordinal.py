"""Ordinal logit regression equals R: `ordinal::clm` without a design, linearized influence with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference_data import (
    API_DESIGNS,
    COEFFICIENT,
    ESTIMATE,
    NHANES_DESIGN,
    REFERENCE,
    STANDARD_ERROR,
    api_for_formulas,
    close,
    close_within,
    factor,
    formula_names,
    nhanes,
    ordered,
    read_csv,
    same_coefficients,
    same_fit,
    shared,
    values,
)

NUMERIC_SLOPE = 2e-5  # relative: standard errors of slopes whose Jacobian R differentiates numerically twice
# clm takes 1e5 for infinity, where the Cauchy distribution still has 3e-6 of its mass: 1e-5 off
CLM_CAUCHIT = 2e-4  # of the standard error
ANALYTIC = 1e-9  # relative; of coefficients relative to the standard error: both sides converged to a zero score
BRANT = 1e-8  # relative: the reference converges to 1e-14
LIKELIHOOD_CAUCHIT = 1e-5  # relative, of log-likelihoods: the same of clm
TWELVE_DIGITS = 1e-10  # relative: some reference values are printed with twelve significant digits
LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
HOUSING = ("Low", "Medium", "High")
WVS_LEVELS = ("Too Little", "About Right", "Too Much")


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Reference values of all of them."""
    return dict(values("ordinal"))


def housing() -> pd.DataFrame:
    frame = read_csv(REFERENCE / "housing.csv")
    frame["Sat"] = ordered(frame["Sat"], HOUSING)
    frame["Infl"] = factor(frame["Infl"], HOUSING)
    frame["Type"] = factor(frame["Type"], ["Tower", "Apartment", "Atrium", "Terrace"])
    frame["Cont"] = factor(frame["Cont"], ["Low", "High"])
    return frame


def wine() -> pd.DataFrame:
    frame = read_csv(REFERENCE / "wine.csv")
    frame["rating"] = ordered(frame["rating"], [1, 2, 3, 4, 5])
    frame["temp"] = factor(frame["temp"], ["cold", "warm"])
    frame["contact"] = factor(frame["contact"], ["no", "yes"])
    return frame


def world_values() -> pd.DataFrame:
    frame = read_csv(REFERENCE / "WVS.csv")
    frame["poverty"] = ordered(frame["poverty"], WVS_LEVELS)
    for column, levels in {
        "religion": ["no", "yes"],
        "degree": ["no", "yes"],
        "country": ["Australia", "Norway", "Sweden", "USA"],
        "gender": ["female", "male"],
    }.items():
        frame[column] = factor(frame[column], levels)
    return frame


def repeated(frame: pd.DataFrame, times: str) -> pd.DataFrame:
    """One row per respondent of a frequency table."""
    return frame.loc[frame.index.repeat(frame[times])].reset_index(drop=True)


IID: Mapping[
    str, tuple[Callable[[], pd.DataFrame], str]
] = {  # entry -> respondents and model; `ordinal::clm` maximizes the same likelihood
    "housing": (lambda: repeated(housing(), "Freq"), "Sat ~ Infl + Type + Cont"),
    "wine": (wine, "rating ~ temp + contact"),
    "WVS": (world_values, "poverty ~ religion + degree + country + age + gender"),
}


def clm(reference: Mapping[str, Any], entry: str, link: str) -> Mapping[str, Any]:
    expected: Mapping[str, Any] = reference["WVS"]["full"]
    if entry == "housing":
        expected = reference["housing"]["clm"][link]
    elif entry == "wine":
        expected = reference["wine"][link]
    return expected


@pytest.mark.parametrize("name", IID)
def test_exported_data_equal_the_shared_data(name: str) -> None:
    exported, given = read_csv(REFERENCE / f"{name}.csv"), read_csv(shared("ordinal_iid") / f"{name}.csv")
    pd.testing.assert_frame_equal(exported, given, check_exact=True)


@pytest.mark.parametrize(
    ("entry", "link"), [*product(["housing", "wine"], LINKS[:-1]), ("wine", "cauchit"), ("WVS", "logit")]
)
def test_without_a_design(reference: dict[str, Any], entry: str, link: Any) -> None:
    """Equal weights and no clusters: estimates and log-likelihood are those of maximum likelihood."""
    make, formula = IID[entry]
    expected = clm(reference, entry, link)
    fit = survey.ordinal(formula, survey.Design(make(), weight=None), link=link)
    tolerance = CLM_CAUCHIT if link == "cauchit" else ANALYTIC
    names = formula_names(str(name) for name in fit.slopes.index)
    slopes = fit.slopes.to_numpy()[[names.index(name) for name in expected["beta"]]]
    errors = np.array([expected["se"][name] for name in expected["beta"]])
    close_within(slopes, list(expected["beta"].values()), tolerance * errors, "slopes")
    errors = np.array([expected["se"][name] for name in expected["alpha"]])
    close_within(fit.thresholds, list(expected["alpha"].values()), tolerance * errors, "thresholds")
    close(fit.log_likelihood, expected["logLik"], min(tolerance, LIKELIHOOD_CAUCHIT), "log-likelihood")


def test_cauchit_with_infinite_end_points(reference: dict[str, Any]) -> None:
    expected = reference["housing_exact_cauchit"]["result"]
    fit = survey.ordinal(IID["housing"][1], survey.Design(IID["housing"][0](), weight=None), link="cauchit")
    names = formula_names(str(name) for name in fit.params.index)
    actual = fit.params.to_numpy()[[names.index(name) for name in expected["coef"]]]
    errors = np.array(list(expected["se"].values()))
    close_within(actual, list(expected["coef"].values()), ANALYTIC * errors, "coefficients")


def test_frequencies_as_weights(reference: dict[str, Any]) -> None:
    """A frequency table weighted by its counts gives the coefficients of the respondents it counts."""
    expected = clm(reference, "housing", "logit")
    fit = survey.ordinal("Sat ~ Infl + Type + Cont", survey.Design(housing(), weight="Freq"))
    slopes = expected["beta"]
    names = formula_names(str(name) for name in fit.params.index[: len(slopes)])
    actual = fit.params.to_numpy()[[names.index(name) for name in slopes]]
    errors = np.array([expected["se"][name] for name in slopes])
    close_within(actual, list(slopes.values()), ANALYTIC * errors, "slopes")


def test_strata(reference: dict[str, Any]) -> None:
    """Four countries as strata, every respondent a PSU."""
    design = survey.Design(world_values(), weight=None, strata="country")
    assert design.df == reference["WVS"]["svy"]["degf"]
    same_fit(survey.ordinal("poverty ~ religion + degree + age + gender", design), reference["WVS"]["svy"])


def test_two_psus_per_stratum() -> None:
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    same_fit(survey.ordinal("agecat ~ race + sex + HI_CHOL", design), values("nhanes")["olr_tight"])


def same_analytic(fit: Any, result: Mapping[str, Any]) -> None:
    """Compare with an entry that lists thresholds first, printed with twelve digits."""
    names = list(result["coef"])
    thresholds = [name for name in names if "|" in name]
    slopes = {name.replace(".", "_"): value for name, value in result["coef"].items() if "|" not in name}
    order = sorted(range(len(names)), key=lambda position: "|" in names[position])
    covariance = np.array(result["vcov"])[np.ix_(order, order)]
    errors = [result["se"][names[position]] for position in order]
    values_of = [result["coef"][name] for name in thresholds]
    same_coefficients(fit, slopes, values_of, errors, covariance, tolerance=ANALYTIC)
    close(fit.log_likelihood, result["logLik_normalised_weights"], ANALYTIC, "log-likelihood")
    assert fit.n == result["n"]


SCHOOLS = {  # design -> lowest break of the outcome, model
    "clus1": (0, "mealcat ~ avg_ed + mobility + stype"),
    "clus1_nofpc": (0, "mealcat ~ avg_ed + mobility + stype"),
    "strat": (-1, "mealcat ~ avg_ed + mobility + ell"),
    "clus2": (-1, "mealcat ~ avg_ed + mobility + stype"),
}


@pytest.mark.parametrize(
    ("name", "link"),
    [*((name, "logit") for name in SCHOOLS), *(("clus1", link) for link in LINKS[1:-1]), ("strat", "probit")],
)
def test_school_designs(reference: dict[str, Any], name: str, link: Any) -> None:
    lowest, formula = SCHOOLS[name]
    design = survey.Design(api_for_formulas(name, lowest), **API_DESIGNS[name])
    result = reference[f"svy_api_{name}_{link}"]["result"]["analytic_observed_information"]
    fit = survey.ordinal(formula, design, link=link)
    same_analytic(fit, result)
    assert design.df == result["design_df"]
    assert fit.df == result["design_df_complete_cases"]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_links_under_two_psus_per_stratum(reference: dict[str, Any], link: Any) -> None:
    frame = nhanes()
    frame["sex"] = factor(frame["RIAGENDR"], [1, 2], ["male", "female"])
    fit = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(frame, **NHANES_DESIGN), link=link)
    same_analytic(fit, reference[f"svy_nhanes_{link}"]["result"]["analytic_observed_information"])


def test_parallel_lines(reference: dict[str, Any]) -> None:
    """Brant's test with the joint covariance of the binary models, adjusted for the design's few PSUs."""
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    expected = reference["svy_brant_nhanes"]["result"]
    result = survey.ordinal("agecat ~ race + sex + HI_CHOL", design).parallel_lines_test(method="brant")
    close(float(result.wald_chisq or 0), expected["W"], BRANT, "Wald")
    close(result.statistic, expected["F_stata_adjusted"], BRANT, "adjusted F")
    assert (result.df1, result.df2) == (expected["df"], expected["design_df"] - expected["df"] + 1)
    close(result.p_value, expected["p_F_stata"], BRANT, "p_value")
    parts = result.tidy().set_index("term")
    d = expected["design_df"]
    for part in expected["by_term"]:
        term = {"sexfemale": "sex", "HI_CHOL": "HI_CHOL"}.get(part["term"])
        if term is not None:  # `race` has three columns, which the reference tests one by one
            k = part["df"]
            close(parts["statistic"][term], (d - k + 1) / (k * d) * part["W"], BRANT, term)
    for result, brant in (
        (survey.ordinal("agecat ~ race + sex", design).parallel_lines_test(), values("nhanes")["brant"]),
        (
            survey.ordinal(
                "poverty ~ religion + degree + age + gender",
                survey.Design(world_values(), weight=None, strata="country"),
            ).parallel_lines_test(),
            reference["WVS"]["svy_brant"],
        ),
    ):
        close(float(result.wald_chisq or 0), brant["wald_chisq"], BRANT, "Wald")
        close(result.statistic, brant["F_adj"], BRANT, "adjusted F")
        close(result.p_value, brant["p_F_adj"], BRANT, "p_value")


def test_raked_design(reference: dict[str, Any]) -> None:
    """Calibration residuals enter the covariance of coefficients as that of any estimate."""
    design = raked_schools()
    result = reference["svy_api_clus1_raked_logit"]["result"]
    close(design.weights[:5], result["weights_head"], TWELVE_DIGITS * 100, "weights")
    same_analytic(survey.ordinal("mealcat ~ avg_ed + mobility + stype", design), result["analytic"])


def raked_schools() -> survey.Design:
    population = values("api_calibration")["population"]
    targets: dict[Any, Any] = {
        item.replace(".", "_"): dict(zip(population[item][item], population[item]["Freq"], strict=True))
        for item in ("stype", "sch.wide")
    }
    base = survey.Design(api_for_formulas("clus1", 0), **API_DESIGNS["clus1"])
    return survey.rake(base, targets)


def test_average_effects_of_schools(reference: dict[str, Any]) -> None:
    lowest, formula = SCHOOLS["clus1"]
    fit = survey.ordinal(formula, survey.Design(api_for_formulas("clus1", lowest), **API_DESIGNS["clus1"]))
    expected = reference["svy_api_clus1_ame"]["result"]
    frame = survey.average_effects(fit, "stype").tidy()
    for level in ("H", "M"):
        rows = frame[frame["contrast"] == f"{level} - E"]
        same_effects(rows, expected[f"stype_{level}_vs_E"], f"stype {level} - E")
    for variable, entry in {"mobility": "mobility_dydx", "avg_ed": "avg.ed_dydx"}.items():
        effects = survey.average_effects(fit, variable).tidy()
        same_effects(effects, expected[entry], variable, NUMERIC_SLOPE)


def test_average_effects_under_two_psus_per_stratum(reference: dict[str, Any]) -> None:
    fit = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))
    expected = reference["svy_nhanes_ame"]["result"]
    same_effects(survey.average_effects(fit, "sex").tidy(), expected["sex_female"], "sex")
    frame = survey.average_effects(fit, "race").tidy()
    same_effects(frame[frame["contrast"] == "2 - 1"], expected["race2_vs_1"], "race 2 - 1")


def same_effects(rows: pd.DataFrame, expected: Mapping[str, Any], what: str, tolerance: float = STANDARD_ERROR) -> None:
    """Compare the effect on each answer."""
    errors = np.array(expected["se"])
    close_within(rows["estimate"], expected["est"], COEFFICIENT * errors, what)
    close(rows["std_error"], errors, tolerance, f"{what} std_error")
    close_within(rows["estimate"].sum(), 0.0, ESTIMATE, f"{what}: effects on all answers add to 0")


def test_predicted_probabilities(reference: dict[str, Any]) -> None:
    expected = reference["housing"]["pred"]
    fit = survey.ordinal("Sat ~ Infl + Type + Cont", survey.Design(repeated(housing(), "Freq"), weight=None))
    profiles = pd.DataFrame(expected["newdata"])
    for column in profiles:
        profiles[column] = factor(profiles[column], list(housing()[column].cat.categories))
    frame = survey.predicted_probabilities(fit, at=profiles).tidy()
    probabilities = np.array(expected["prob"]["values"])
    assert list(frame["level"])[:3] == list(HOUSING)
    close(frame["estimate"].to_numpy().reshape(probabilities.shape), probabilities, COEFFICIENT, "probabilities")
