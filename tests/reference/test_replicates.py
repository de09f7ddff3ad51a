"""Estimates from replicate weights equal R's: those that a file brings and those that are made from a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.design import with_state
from tests.marks import slow
from tests.reference_data import (
    API_DESIGNS,
    COEFFICIENT,
    ESTIMATE,
    NHANES_DESIGN,
    RAO_SCOTT,
    REFERENCE,
    STANDARD_ERROR,
    WALD,
    api,
    api_for_formulas,
    close,
    close_within,
    formula_names,
    nhanes,
    read_csv,
    same_by,
    same_covariance,
    same_estimate,
    same_fit,
    same_test,
    shared,
    shared_values,
    values,
    yes_no,
)

READ = {  # replicates of R's that came as weight columns -> data, kind
    "clus1_JK1": ("clus1", "JK1"),
    "clus1_JK1_mse": ("clus1", "JK1"),
    "clus1_nofpc_JK1": ("clus1", "JK1"),
    "strat_JKn": ("strat", "JKn"),
    "strat_JKn_mse": ("strat", "JKn"),
    "clus2_JK1": ("clus2", "JK1"),
    "clus1_bootstrap": ("clus1", "bootstrap"),
    "clus1_subbootstrap": ("clus1", "bootstrap"),
    "clus1_subbootstrap_mse": ("clus1", "bootstrap"),
    "strat_subbootstrap": ("strat", "bootstrap"),
    "clus2_mrbbootstrap": ("clus2", "bootstrap"),
    "JK1_rake": ("clus1", "JK1"),
    "JK1_poststrat": ("clus1", "JK1"),
    "boot_rake": ("clus1", "bootstrap"),
    "JKn_rake": ("strat", "JKn"),
}
MADE = {  # replicates without randomness -> design they are made from, arguments
    "clus1_JK1": ("clus1", {"kind": "JK1"}),
    "clus1_JK1_mse": ("clus1", {"kind": "JK1", "mse": True}),
    "clus1_nofpc_JK1": ("clus1_nofpc", {"kind": "JK1"}),
    "strat_JKn": ("strat", {"kind": "JKn"}),
    "strat_JKn_mse": ("strat", {"kind": "JKn", "mse": True}),
    "clus2_JK1": ("clus2", {"kind": "JK1"}),
}
MARGINS = {"stype": {"E": 4421, "H": 755, "M": 1018}, "sch_wide": {"No": 1072, "Yes": 5122}}
# R rakes until a cell changes by less than 1e-9 of the total, which is not the same as margins met to 1e-9
RAKED = 2e-8  # relative, of estimates
RAKED_ERROR = 2e-7  # relative, of standard errors; the same for tests


def school_weights(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Weights after calibration, if any: raking and post-stratification of equal weights."""
    frame = api(READ[name][0])
    if READ[name][0] == "clus2":
        return np.asarray(survey.Design(frame, **API_DESIGNS["clus2"]).weights)
    if name in ("JK1_rake", "boot_rake", "JKn_rake"):
        design = survey.Design(api_for_formulas(READ[name][0]), weight="pw")
        return np.asarray(survey.rake(design, MARGINS, tolerance=1e-14).weights)
    if name == "JK1_poststrat":
        targets = pd.Series(MARGINS["stype"], dtype=float).rename_axis("stype")
        return np.asarray(survey.poststratify(survey.Design(frame, weight="pw"), targets).weights)
    return frame["pw"].to_numpy(dtype=float)


def with_rank_after_weighting(design: survey.Design) -> survey.Design:
    """The design with R's degrees of freedom: the rank of the replicate weights after raking, for what rests on it."""
    assert design.replicates is not None
    return with_state(design, replicates=replace(design.replicates, before=None))


def from_file(name: str) -> survey.Design:
    """The design that R's replicate weights make."""
    data, kind = READ[name]
    expected = values("replicates")[name]
    weights = read_csv(shared("api") / f"repweights_{name}.csv")
    frame = api_for_formulas(data)
    frame = frame.assign(full=school_weights(name), high=yes_no(frame["api00"] > 700))
    frame = pd.concat([frame, weights], axis=1)
    return survey.Design.from_replicates(
        frame,
        weight="full",
        replicates=list(weights.columns),
        kind=kind,  # type: ignore[arg-type]  # literals, kept in a table
        scale=expected["scale"],
        rscales=expected["rscales_all"],
        mse=expected["mse"],
    )


def same_results(design: survey.Design, expected: Mapping[str, Any], estimate: float, error: float) -> None:
    """Means, totals, groups, domains, ratios, contrasts and tests of a design with replicates."""
    whole = survey.mean(design, ["api00", "enroll", "stype"]).tidy()
    complete = design.frame["enroll"].notna().all()
    pairs: list[tuple[pd.DataFrame, Mapping[str, Any]]] = [
        (survey.mean(design.domain("comp_imp == 'Yes'"), "api00").tidy(), expected["domain"]),
    ]
    if complete:
        pairs += [(whole, expected["mean"]), (survey.total(design, ["enroll", "stype"]).tidy(), expected["total"])]
    for frame, entry in pairs:
        close(frame["estimate"], list(entry["est"].values()), estimate, "estimate")
        scale = np.array(list(entry["est"].values()))
        errors = np.array(list(entry["se"].values()))
        close_within(frame["std_error"], errors, np.maximum(error * errors, estimate * np.abs(scale)), "std_error")
    for column, groups in {"stype": "by", "sch_wide": "by_sw"}.items():
        by = survey.mean(design, "api00", by=column).tidy()
        close(by["estimate"], expected[groups]["table"]["api00"], estimate, column)
        close(by["std_error"], expected[groups]["table"]["se"], error, column)
    ratio = survey.ratio(design, "api00", "api99")
    close(ratio.value, expected["ratio"]["est"], estimate, "ratio")
    close(ratio.std_error, expected["ratio"]["se"], error, "ratio")
    contrast = survey.mean(design, "api00", by="stype").contrast({"E": 1, "H": -1}, df="design")
    close(contrast.value, expected["contrast"]["est"], 10 * estimate, "contrast")
    close(contrast.std_error, expected["contrast"]["se"], error, "contrast")


def same_chisq(design: survey.Design, expected: Mapping[str, Any]) -> None:
    """Four tests of independence."""
    table = survey.crosstab(design, "sch_wide", "stype")
    for statistic, method in {**RAO_SCOTT, **WALD}.items():
        same_test(table.test(method=method, df="design"), expected["chisq"][statistic], statistic)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in READ if not name.endswith(("rake", "poststrat"))])
def test_replicate_weights_of_a_file(name: str) -> None:
    design, expected = from_file(name), values("replicates")[name]
    assert design.df == expected["degf"]
    same_results(design, expected, ESTIMATE, STANDARD_ERROR)
    same_chisq(design, expected)


@pytest.mark.parametrize("name", [name for name in READ if name.endswith(("rake", "poststrat"))])
def test_calibrated_replicate_weights_of_a_file(name: str) -> None:
    design, expected = from_file(name), values("replicates")[name]
    assert design.df == expected["degf"]
    same_results(design, expected, RAKED, RAKED_ERROR)
    same_chisq(design, expected)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("link", ["logit", *slow("probit")])
def test_ordinal_regression_with_the_weights_of_a_file(name: str, link: Any) -> None:
    """The same link in every replicate; R's svyolr refits a logit whatever the link."""
    expected = values("replicates")[name]["olr_tight" if link == "logit" else "olr_probit_tight"]
    design = from_file(name)
    if name.endswith(("rake", "poststrat")):
        fit = survey.ordinal("mealcat ~ mobility + stype", design, link=link)
        errors = np.array(list(expected["se"].values()))
        value = [*expected["coef"].values(), *expected["zeta"].values()]
        close_within(fit.params, value, RAKED_ERROR * errors, "params")
        close(fit.bse, errors, RAKED_ERROR, "std_error")
    else:
        same_fit(survey.ordinal("mealcat ~ mobility + stype", design, link=link), expected)


@pytest.mark.parametrize("name", MADE)
def test_replicates_made_from_a_design(name: str) -> None:
    data, arguments = MADE[name]
    expected = values("replicates")[name]
    design = survey.replicate(survey.Design(api_for_formulas(data), **API_DESIGNS[data]), **arguments)  # type: ignore[arg-type]
    assert design.df == expected["degf"]
    assert design.replicates is not None
    close(design.replicates.scale, expected["scale"], ESTIMATE, "scale")
    scales = np.sort(design.replicates.rscales)  # R goes through the strata, we through the file
    close(scales, np.sort(expected["rscales_all"]), ESTIMATE, "rscales")
    same_results(design, expected, ESTIMATE, STANDARD_ERROR)
    same_chisq(design, expected)
    same_fit(survey.ordinal("mealcat ~ mobility + stype", design), expected["olr_tight"])


@pytest.mark.parametrize("first", ["replicate", "calibrate"])
@pytest.mark.parametrize(("name", "data", "kind"), [("JK1_rake", "clus1", "JK1"), ("JKn_rake", "strat", "JKn")])
def test_replicates_are_raked_as_the_sample_is(name: str, data: str, kind: Any, first: str) -> None:
    """In either order: replicates of a raked design are raked, and raking a design with replicates rakes them."""
    design, expected = survey.Design(api_for_formulas(data), **API_DESIGNS[data]), values("replicates")[name]
    if first == "replicate":
        made = survey.rake(survey.replicate(design, kind=kind), MARGINS, tolerance=1e-14)
    else:
        made = survey.replicate(survey.rake(design, MARGINS, tolerance=1e-14), kind=kind)
    assert made.df == survey.replicate(design, kind=kind).df  # raking adds none
    made = with_rank_after_weighting(made)
    assert made.df == expected["degf"]
    same_results(made, expected, RAKED, RAKED_ERROR)


def test_replicates_are_poststratified_as_the_sample_is() -> None:
    targets = pd.Series(MARGINS["stype"], dtype=float).rename_axis("stype")
    design = survey.Design(api_for_formulas("clus1"), **API_DESIGNS["clus1"])
    made = survey.replicate(survey.poststratify(design, targets), kind="JK1")
    same_results(made, values("replicates")["JK1_poststrat"], ESTIMATE, STANDARD_ERROR)
    same_chisq(made, values("replicates")["JK1_poststrat"])


def test_rank_of_replicates_that_hardly_have_a_solution() -> None:
    """R counts 43 degrees of freedom in 15 PSUs, as raking makes independent columns; we count those before raking.

    With R's raked weights, as a file brings them, we count 43 as well. Raked to the end it would be 42: one
    replicate's weights lie 1.03e-5 of their length from the span of the others, R's tolerance being 1e-5.
    """
    assert from_file("boot_rake").df == 43
    raw = from_file("clus1_subbootstrap")
    raked = survey.rake(raw, MARGINS, tolerance=1e-13)
    assert raked.df == raw.df == 14
    assert with_rank_after_weighting(raked).df == 42


def schools(entry: str) -> tuple[survey.Design, Mapping[str, Any]]:
    data = "clus1" if "clus1" in entry else "strat"
    design = survey.Design(api_for_formulas(data, 0 if data == "clus1" else -1), **API_DESIGNS[data])
    kind: Any = "JK1" if data == "clus1" else "JKn"
    return survey.replicate(design, kind=kind, mse=entry.endswith("mse")), values("replicates")["ordinal"][entry]


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("centre", ["", "_mse"])
@pytest.mark.parametrize(
    ("stem", "formula"), [("JK1_clus1", "avg_ed + mobility + stype"), ("JKn_strat", "avg_ed + mobility + ell")]
)
def test_jackknifed_ordinal_regression(stem: str, formula: str, centre: str, link: Any) -> None:
    design, expected = schools(f"svyrep_{stem}_{link}{centre}")
    fit = survey.ordinal(f"mealcat ~ {formula}", design, link=link)
    ours = formula_names(str(name) for name in fit.slopes.index)
    named = [name.replace(".", "_") for name in expected["coef"]]
    slopes = iter([ours.index(name) for name in named if "|" not in name])
    thresholds = iter(range(len(ours), len(fit.params)))  # R names them after the bounds of the groups
    order = [next(thresholds) if "|" in name else next(slopes) for name in named]
    errors = np.array(list(expected["se"].values()))
    close_within(fit.params.to_numpy()[order], list(expected["coef"].values()), COEFFICIENT * errors, "params")
    close(fit.bse.to_numpy()[order], errors, STANDARD_ERROR, "std_error")
    same_covariance(fit.vcov[np.ix_(order, order)], expected["vcov"], np.zeros(len(order)), "vcov")


# Textbook: two ambulances in each of three areas ------------------------------------------------------------------


def ambulances() -> survey.Design:
    frame = read_csv(REFERENCE / "scd.csv").assign(weight=1.0)
    return survey.Design(frame, weight="weight", strata="ESA", psu="ambulance", nest=True)


def same_textbook(design: survey.Design, entry: str) -> None:
    expected = values("replicates")["scd"][entry]
    assert design.df == expected["degf"]
    items = ["arrests", "alive"]
    same_estimate(
        survey.total(design, items), {k: v for k, v in expected["total"].items() if k in ("est", "se", "vcov")}
    )
    same_estimate(survey.mean(design, items), expected["mean"])
    ratio = survey.ratio(design, "alive", "arrests")
    close(ratio.value, expected["ratio"]["est"], ESTIMATE, "ratio")
    close(ratio.std_error, expected["ratio"]["se"], STANDARD_ERROR, "ratio")


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        ("brr", {"kind": "BRR"}),
        ("fay03", {"kind": "Fay", "rho": 0.3}),
        ("fay05_mse", {"kind": "Fay", "rho": 0.5, "mse": True}),
        ("jkn", {"kind": "JKn"}),
    ],
)
def test_balanced_replicates(entry: str, arguments: dict[str, Any]) -> None:
    same_textbook(survey.replicate(ambulances(), **arguments), entry)


def published() -> survey.Design:
    """Levy and Lemeshow's matrix of half samples, as a file with replicate weights would bring it."""
    halves = 2 * np.array([[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1], [0, 1, 0, 1, 1, 0]]).T
    frame = pd.concat([ambulances().frame, pd.DataFrame(halves.astype(float), columns=list("abcd"))], axis=1)
    return survey.Design.from_replicates(frame, weight="weight", replicates=list("abcd"), kind="BRR")


def test_the_published_matrix_of_balanced_replicates() -> None:
    same_textbook(published(), "brr_published_matrix")


# Surveys with two PSUs per stratum ----------------------------------------------------------------------------------


def health(kind: str) -> survey.Design:
    """NHANES with R's replicate factors, which are the same for all of a PSU."""
    factors = pd.read_csv(shared("nhanes") / f"repfactors_by_psu_{kind}.csv")
    expected = values("replicates")["nhanes"][kind]
    columns = [str(name) for name in factors if str(name).startswith("V")]
    frame = nhanes().merge(
        factors, left_on=["SDMVSTRA", "SDMVPSU"], right_on=["strat", "psu"], how="left", validate="many_to_one"
    )
    weighted = frame[columns].mul(frame["WTMEC2YR"], axis=0)
    data = pd.concat([frame.drop(columns=columns), weighted], axis=1)
    return survey.Design.from_replicates(
        data,
        weight="WTMEC2YR",
        replicates=columns,
        kind="JKn" if kind == "JKn" else "bootstrap",
        scale=expected["scale"],
        rscales=expected["rscales"],
    )


def same_health(design: survey.Design, kind: str) -> None:
    expected = values("replicates")["nhanes"][kind]
    assert design.df == expected["degf"]
    same_estimate(survey.mean(design, "HI_CHOL"), expected["mean"])
    same_by(survey.mean(design, "HI_CHOL", by="race"), "race", expected["by"]["table"])
    table = survey.crosstab(design, "chol", "race")
    answered = float(design.frame[["chol", "race"]].notna().all(axis=1).mean())
    for statistic, method in {**RAO_SCOTT, **WALD}.items():
        chosen: Any = method
        same_test(table.test(method=chosen, df="design"), expected["chisq"][statistic], statistic, answered)


@pytest.mark.parametrize("kind", ["JKn", "subbootstrap"])
def test_health_survey_with_replicates_of_a_file(kind: str) -> None:
    same_health(health(kind), kind)


def test_health_survey_jackknifed() -> None:
    same_health(survey.replicate(survey.Design(nhanes(), **NHANES_DESIGN), kind="JKn"), "JKn")


def test_election_study_jackknifed() -> None:
    """101 PSUs in 50 strata, one of which has three."""
    from tests.reference.test_anes2020 import respondents

    expected = shared_values("anes2020/anes2020.json")["jkn"]
    frame = respondents()
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    made = survey.replicate(design, kind="JKn")
    assert made.replicates is not None
    assert made.replicates.weights.shape[1] == expected["R"]
    assert made.df == expected["degf"]
    same_estimate(survey.mean(made, "TrustGovernment"), expected["tg"])
    same_by(survey.mean(made, "TGusual", by="Education"), "Education", expected["by"]["table"])
