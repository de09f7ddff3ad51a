"""Ordinal regression with a design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

import survey
from tests.reference import test_ordinal as ordinal
from tests.reference import test_replicates as replicates
from tests.reference_data import (
    API_DESIGNS,
    NHANES_DESIGN,
    api_for_formulas,
    factor,
    formula_names,
    nhanes,
    values,
    yes_no,
)
from tests.validation.fits import SVYOLR, Floats, binary, brant_rows, expected_covariances, fit, plain
from tests.validation.likelihood import ANALYTIC, NUMERIC, VGLM
from tests.validation.results import value
from tests.validation.rows import REGISTRY, Reason, Row, because, covariance, held_to, number, together


@REGISTRY.section(
    "Ordinal regression with a design",
    "Schools, health survey and WVS by strata; links logit, probit, cloglog, loglog; raked, jackknifed; average "
    "effects; Brant's test. `svyolr` and `svy_vglm` too.",
)
def with_design() -> Iterator[Row]:
    reference = values("ordinal")
    link: Any
    for name, link in [
        *((name, "logit") for name in ordinal.SCHOOLS),
        *(("clus1", link) for link in ordinal.LINKS[1:-1]),
        ("strat", "probit"),
    ]:
        lowest, formula = ordinal.SCHOOLS[name]
        design = survey.Design(api_for_formulas(name, lowest), **API_DESIGNS[name])
        made = survey.ordinal(formula, design, link=link)
        yield from software(f"schools, {name}, {link}", made, reference[f"svy_api_{name}_{link}"]["result"], design)
    frame = nhanes()
    frame["sex"] = factor(frame["RIAGENDR"], [1, 2], ["male", "female"])
    design = survey.Design(frame, **NHANES_DESIGN)
    for link in ("logit", "probit", "cloglog"):
        made = survey.ordinal("agecat ~ race + sex + HI_CHOL", design, link=link)
        yield from software(f"health survey, {link}", made, reference[f"svy_nhanes_{link}"]["result"], design)
    countries = survey.Design(ordinal.world_values(), weight=None, strata="country")
    made = survey.ordinal("poverty ~ religion + degree + age + gender", countries)
    yield from fit("WVS by country", made, reference["WVS"]["svy"])
    yield from brant_rows("WVS", made, reference["WVS"]["svy_brant"])
    made, result = (
        survey.ordinal("mealcat ~ avg_ed + mobility + stype", ordinal.raked_schools()),
        reference["svy_api_clus1_raked_logit"]["result"],
    )
    yield from software(
        "schools, clus1, raked",
        made,
        {"analytic_observed_information": result["analytic"], "svyolr_default": result["svyolr"]["survey_4.5"]},
        ordinal.raked_schools(),
    )
    weights = together("estimate", result["weights_head"], ordinal.raked_schools().weights[:5])
    yield Row("schools, clus1, raked", "first five weights", {"entries": weights})
    yield from average_effects(reference)
    yield from jackknifed()
    older = frame.assign(older=yes_no(frame["agecat"] > frame["agecat"].cat.categories[0], frame["agecat"].notna()))
    made = survey.ordinal("older ~ race + sex + HI_CHOL", survey.Design(older, **NHANES_DESIGN))
    content = values("ordinal_iid")["svyglm_nhanes_threshold1"]["result"]
    yield from held_to(binary("health survey, first division, svyglm", made, content, None), 1e-8)


def software(group: str, made: survey.OrdinalFit, result: Mapping[str, Any], design: survey.Design) -> Iterator[Row]:
    """Scores of `clm` in `svyrecvar`, `svyolr`, and `svy_vglm`."""
    analytic = result["analytic_observed_information"]
    yield from held_to(design_rows(group, made, analytic, np.asarray(made.vcov)), ANALYTIC)
    yield value(group, "df", "test", analytic["design_df"], design.df)
    yield value(group, "df of those in the model", "test", analytic["design_df_complete_cases"], made.df)
    yield value(group, "n", "test", analytic["n"], made.n)
    yield value(group, "log-likelihood", "estimate", analytic["logLik_normalised_weights"], made.log_likelihood)
    for name in ("svyolr_default", "svyolr_tight"):
        if "coef" in result.get(name, ()):
            yield from because(design_rows(f"{group}, {name}", made, result[name], np.asarray(made.vcov)), SVYOLR)
            if "df_residual" in result.get(name, ()):
                k = len(made.slopes)
                yield value(f"{group}, {name}", "df, as R's + slopes", "test", result[name]["df_residual"] + k, made.df)
    if "svy_vglm_expected_information" in result:
        k = len(made.slopes)
        q = len(made.thresholds)
        content, order = result["svy_vglm_expected_information"], [*range(k, k + q), *range(k)]
        signs, errors = np.r_[np.ones(q), -np.ones(k)], np.sqrt(np.diag(expected_covariances(made)[1]))
        for i, name in enumerate(content["coef"]):
            error = content["se"][name]
            numbers = {
                "estimate": number("coefficient", content["coef"][name], signs[i] * made.params.iloc[order[i]], error),
                "SE, expected information": number("SE", error, errors[order[i]]),
            }
            yield Row(f"{group}, svy_vglm", name.replace("|", " to "), numbers, VGLM)


def design_rows(group: str, made: survey.OrdinalFit, result: Mapping[str, Any], vcov: Floats) -> Iterator[Row]:
    """Coefficients and thresholds in one list, by name or by position."""
    k = len(made.slopes)
    slopes = formula_names(str(name) for name in made.slopes.index)
    thresholds = iter(range(k, len(made.params)))
    order = [next(thresholds) if "|" in name else slopes.index(plain(name)) for name in result["coef"]]
    own = vcov[np.ix_(order, order)]
    errors, model = np.sqrt(np.diag(own)), np.sqrt(np.diag(made.model_vcov))[order]
    for i, (name, theirs) in enumerate(result["coef"].items()):
        error, param = result["se"][name], made.params.iloc[order[i]]
        numbers = {
            "estimate": number("coefficient", theirs, param, error),
            "SE": number("SE", error, errors[i]),
        }
        if "se_domain_style" in result:
            numbers["SE, as a domain"] = number("SE", result["se_domain_style"][name], errors[i])
            numbers["SE of the model"] = number("SE", result["naive_se"][name], model[i])
            numbers["t"] = number("test", result["t"][name], param / errors[i])
        yield Row(group, name.replace("|", " to "), numbers)
    if "vcov" in result:
        yield from covariance(group, result["vcov"], own)
    if "deviance" in result:
        yield value(group, "log-likelihood", "estimate", -result["deviance"] / 2, made.log_likelihood)


def average_effects(reference: Mapping[str, Any]) -> Iterator[Row]:
    """Average effects on each answer, and average probabilities of the answers."""
    lowest, formula = ordinal.SCHOOLS["clus1"]
    made = survey.ordinal(formula, survey.Design(api_for_formulas("clus1", lowest), **API_DESIGNS["clus1"]))
    expected = reference["svy_api_clus1_ame"]["result"]
    types = survey.average_effects(made, "stype").tidy()
    cases: list[tuple[pd.DataFrame, Mapping[str, Any], str, Reason | None]]
    cases = [
        (types[types["contrast"] == f"{t} - E"], expected[f"stype_{t}_vs_E"], f"stype {t} - E", None) for t in "HM"
    ]
    for variable, entry in {"mobility": "mobility_dydx", "avg_ed": "avg.ed_dydx"}.items():
        cases.append((survey.average_effects(made, variable).tidy(), expected[entry], variable, NUMERIC))
    cases.append((survey.predicted_probabilities(made, {}).tidy(), expected["avg_pred"], "schools, average", None))
    made = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))
    expected = reference["svy_nhanes_ame"]["result"]
    cases.append((survey.average_effects(made, "sex").tidy(), expected["sex_female"], "sex", None))
    full = survey.average_effects(made, "sex", covariates="estimated").tidy()
    cases.append((full, expected["sex_female_unconditional"], "sex, covariates estimated", None))
    races = survey.average_effects(made, "race").tidy()
    cases.append((races[races["contrast"] == "2 - 1"], expected["race2_vs_1"], "race 2 - 1", None))
    cases.append(
        (survey.predicted_probabilities(made, {}).tidy(), expected["avg_pred"], "health survey, average", None)
    )
    for frame, entry_, what, reason in cases:
        for row, theirs, error in zip(frame.to_dict("records"), entry_["est"], entry_["se"], strict=True):
            numbers = {
                "estimate": number("coefficient", theirs, row["estimate"], error),
                "SE": number("SE", error, row["std_error"]),
            }
            yield Row("average effect", f"{what} on {row['level']}", numbers, reason)


def jackknifed() -> Iterator[Row]:
    """Every replicate refitted with the link of the fit; `svyolr` does so with a logit alone."""
    formulas = {"JK1_clus1": "mealcat ~ avg_ed + mobility + stype", "JKn_strat": "mealcat ~ avg_ed + mobility + ell"}
    for entry in values("replicates")["ordinal"]:
        design, result = replicates.schools(entry)
        stem, link = entry.removeprefix("svyrep_").removesuffix("_mse").rsplit("_", maxsplit=1)
        choice: Any = link
        made = survey.ordinal(formulas[stem], design, link=choice)
        if design.replicates is None:
            raise ValueError(entry)
        yield from held_to(design_rows(entry, made, result, np.asarray(made.vcov)), 1e-6)
        yield value(entry, "replicates", "test", result["nrep"], design.replicates.weights.shape[1])
        yield value(entry, "scale", "estimate", result["scale"], design.replicates.scale)
        scales = together("estimate", sorted(result["rscales"]), np.sort(design.replicates.rscales))
        yield Row(entry, "scales of replicates", {"entries": scales})
        if entry == "svyrep_JK1_clus1_logit":
            own = values("ordinal")["svyolr_rep_bug"]["result"]["logit"]
            yield from because(design_rows(f"{entry}, svyolr", made, own, np.asarray(made.vcov)), SVYOLR)
        if entry == "svyrep_JK1_clus1_probit":  # its standard errors are those of a logit: see above
            content = values("ordinal")["svyolr_rep_bug"]["result"]["probit_WRONG_SE"]["coef"]
            own = {"coef": content, "se": {name: result["se"][name] for name in content}}
            yield from because(design_rows(f"{entry}, svyolr", made, own, np.asarray(made.vcov)), SVYOLR)
