"""Ordinal regression without and with a design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import survey
from tests import test_reference_ordinal as ordinal
from tests import test_reference_ordinal_iid as iid
from tests.reference_data import (
    API_DESIGNS,
    NHANES_DESIGN,
    api_for_formulas,
    factor,
    nhanes,
    values,
)
from tests.validation.rows import (
    REGISTRY,
    Row,
    brant_row,
    fit,
    number,
)

CLM_CAUCHIT = "`clm` takes 1e5 for infinity, where the Cauchy distribution has mass left"
NUMERIC = "R differentiates numerically, twice"
CLM_INFORMATION = "`clm` takes its information one step before its solution"


@REGISTRY.section(
    "Ordinal regression without a design",
    "`ordinal::clm`: housing in Copenhagen, wine, World Values Survey, UCLA, ANES 1996, cheese; five links, nominal "
    "and scale effects, structured thresholds. Standard errors are those of maximum likelihood.",
)
def without_design() -> Iterator[Row]:
    for entry, (formula, options) in iid.MODELS.items():
        result = values("ordinal_iid")[entry]["result"]
        made = iid.fitted(entry.split("_")[0], formula, **options)
        names = [iid.name_in_r(str(name)) for name in made.params.index]
        errors = np.sqrt(np.diag(made.model_vcov))
        reason = CLM_CAUCHIT if entry.endswith("clm_cauchit") else CLM_INFORMATION
        for name, value in result["coef"].items():
            at, error = names.index(name.removesuffix(".(Intercept)")), result["se"][name]
            numbers = {
                "estimate": number("coefficient", value, made.params.iloc[at], error),
                "SE": number("SE", error, errors[at]),
            }
            yield Row(entry, name.replace("|", " to "), numbers, reason)
        yield Row(
            entry, "log-likelihood", {"estimate": number("estimate", result["logLik"], made.log_likelihood)}, reason
        )


@REGISTRY.section(
    "Ordinal regression with a design",
    "Schools, health survey and WVS by strata; links logit, probit, cloglog, loglog; raked; average effects; Brant's "
    "test.",
)
def with_design() -> Iterator[Row]:
    reference = values("ordinal")
    for name, link in [
        *((name, "logit") for name in ordinal.SCHOOLS),
        *(("clus1", link) for link in ordinal.LINKS[1:-1]),
        ("strat", "probit"),
    ]:
        lowest, formula = ordinal.SCHOOLS[name]
        design = survey.Design(api_for_formulas(name, lowest), **API_DESIGNS[name])
        choice: Any = link
        made = survey.ordinal(formula, design, link=choice)
        result = reference[f"svy_api_{name}_{link}"]["result"]["analytic_observed_information"]
        yield from analytic(f"schools, {name}, {link}", made, result)
    frame = nhanes()
    frame["sex"] = factor(frame["RIAGENDR"], [1, 2], ["male", "female"])
    for link in ("logit", "probit", "cloglog"):
        choice = link
        made = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(frame, **NHANES_DESIGN), link=choice)
        result = reference[f"svy_nhanes_{link}"]["result"]["analytic_observed_information"]
        yield from analytic(f"health survey, {link}", made, result)
    countries = survey.Design(ordinal.world_values(), weight=None, strata="country")
    made = survey.ordinal("poverty ~ religion + degree + age + gender", countries)
    yield from fit("WVS by country", made, reference["WVS"]["svy"])
    yield brant_row("WVS", made, reference["WVS"]["svy_brant"])
    made = survey.ordinal("mealcat ~ avg_ed + mobility + stype", ordinal.raked_schools())
    yield from analytic("schools, clus1, raked", made, reference["svy_api_clus1_raked_logit"]["result"]["analytic"])
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    yield brant_row("health survey", survey.ordinal("agecat ~ race + sex", design), values("nhanes")["brant"])
    yield from average_effects(reference)


def analytic(group: str, made: survey.OrdinalFit, result: Mapping[str, Any]) -> Iterator[Row]:
    """An entry that lists thresholds first."""
    names = list(result["coef"])
    slopes = {name.replace(".", "_"): result["coef"][name] for name in names if "|" not in name}
    thresholds = {name: result["coef"][name] for name in names if "|" in name}
    order = sorted(range(len(names)), key=lambda i: "|" in names[i])
    content = {
        "coef": slopes,
        "zeta": thresholds,
        "se": [result["se"][names[i]] for i in order],
        "vcov": np.array(result["vcov"])[np.ix_(order, order)],
        "deviance": -2 * result["logLik_normalised_weights"],
    }
    yield from fit(group, made, content)


def average_effects(reference: Mapping[str, Any]) -> Iterator[Row]:
    """Average effects on each answer."""
    lowest, formula = ordinal.SCHOOLS["clus1"]
    made = survey.ordinal(formula, survey.Design(api_for_formulas("clus1", lowest), **API_DESIGNS["clus1"]))
    expected = reference["svy_api_clus1_ame"]["result"]
    types = survey.average_effects(made, "stype").tidy()
    cases = [(types[types["contrast"] == f"{t} - E"], expected[f"stype_{t}_vs_E"], f"stype {t} - E", "") for t in "HM"]
    for variable, entry in {"mobility": "mobility_dydx", "avg_ed": "avg.ed_dydx"}.items():
        cases.append((survey.average_effects(made, variable).tidy(), expected[entry], variable, NUMERIC))
    made = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))
    expected = reference["svy_nhanes_ame"]["result"]
    cases.append((survey.average_effects(made, "sex").tidy(), expected["sex_female"], "sex", ""))
    races = survey.average_effects(made, "race").tidy()
    cases.append((races[races["contrast"] == "2 - 1"], expected["race2_vs_1"], "race 2 - 1", ""))
    for frame, entry_, what, reason in cases:
        for row, value, error in zip(frame.to_dict("records"), entry_["est"], entry_["se"], strict=True):
            numbers = {
                "estimate": number("coefficient", value, row["estimate"], error),
                "SE": number("SE", error, row["std_error"]),
            }
            yield Row("average effect", f"{what} on {row['level']}", numbers, reason)
