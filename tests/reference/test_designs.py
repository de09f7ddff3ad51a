"""Estimates on textbook designs equal R's: two PSUs per stratum, small populations, two stages, one PSU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference_data import (
    ESTIMATE,
    REFERENCE,
    STANDARD_ERROR,
    close,
    factor,
    read_csv,
    same_by,
    same_estimate,
    same_interval,
    same_test,
    shared,
    values,
    yes_no,
)

LONELY_RULES = ("remove", "certainty", "adjust", "average")


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Reference values of all of them."""
    return dict(values("designs"))


def data(name: str) -> pd.DataFrame:
    return read_csv(REFERENCE / f"{name}.csv")


@pytest.mark.parametrize("name", ["scd", "fpc", "mu284", "hospital", "crowd", "lonely", "yrbs"])
def test_exported_data_equal_the_shared_data(name: str) -> None:
    given = read_csv(shared("designs") / f"{name}.csv")
    pd.testing.assert_frame_equal(data(name), given, check_exact=True)


def test_two_psus_per_stratum(reference: dict[str, Any]) -> None:
    """Levy & Lemeshow: cardiac arrests by ambulance, two in each of three areas."""
    design = survey.Design(data("scd").assign(weight=1.0), weight="weight", strata="ESA", psu="ambulance", nest=True)
    expected = reference["scd"]["taylor"]
    assert design.df == expected["degf"]
    same_estimate(survey.total(design, ["arrests", "alive"]), expected["total"])
    same_estimate(survey.mean(design, ["arrests", "alive"]), expected["mean"])
    (row,) = survey.ratio(design, "alive", "arrests").tidy().to_dict("records")
    close(row["estimate"], expected["ratio"]["est"], ESTIMATE, "ratio")
    close(row["std_error"], expected["ratio"]["se"], STANDARD_ERROR, "ratio std_error")


@pytest.mark.parametrize(("entry", "size"), [("with", "Nh"), ("without", None)])
def test_finite_population(reference: dict[str, Any], entry: str, size: str | None) -> None:
    """The example of Stata's manual, with and without the correction."""
    design = survey.Design(data("fpc"), weight="weight", strata="stratid", psu="psuid", fpc=size, nest=True)
    expected = reference["fpc"][entry]
    assert design.df == expected["degf"]
    same_estimate(survey.mean(design, "x"), expected["mean"])
    same_estimate(survey.total(design, "x"), expected["total"])


def test_sampling_fractions_say_the_same_as_population_sizes(reference: dict[str, Any]) -> None:
    frame = data("fpc")
    frame["fraction"] = frame["nh"] / frame["Nh"]
    design = survey.Design(frame, weight="weight", strata="stratid", psu="psuid", fpc="fraction", nest=True)
    same_estimate(survey.mean(design, "x"), reference["fpc"]["with"]["mean"])


def test_two_stages(reference: dict[str, Any]) -> None:
    """Särndal, Swensson & Wretman: 5 of 50 clusters, 3 municipalities of each; weights from the sizes."""
    design = survey.Design(data("mu284"), weight=None, psu="id1", ssu="id2", fpc=["n1", "n2"])
    expected = reference["mu284"]["two_stage"]
    assert design.df == expected["degf"]
    close(design.weights.sum(), expected["w"]["sum"], ESTIMATE, "sum of weights")
    same_estimate(survey.total(design, "y1"), expected["total"])
    same_estimate(survey.mean(design, "y1"), expected["mean"])


def test_first_of_two_stages_only(reference: dict[str, Any]) -> None:
    frame = data("mu284")
    frame["weight"] = frame["n1"] / 5 * frame["n2"] / 3
    design = survey.Design(frame, weight="weight", psu="id1", fpc="n1")
    expected = reference["mu284"]["one_stage_only"]
    same_estimate(survey.total(design, "y1"), expected["total"])
    same_estimate(survey.mean(design, "y1"), expected["mean"])


@pytest.mark.parametrize(("entry", "size"), [("fpc", "tothosp"), ("nofpc", None)])
def test_stratified_elements(reference: dict[str, Any], entry: str, size: str | None) -> None:
    design = survey.Design(data("hospital"), weight="weighta", strata="oblevel", psu="hospno", fpc=size)
    same_estimate(survey.total(design, "births"), reference["hospital"][entry]["total"])
    same_estimate(survey.mean(design, "births"), reference["hospital"][entry]["mean"])


def test_ratio_of_a_stratified_sample(reference: dict[str, Any]) -> None:
    design = survey.Design(data("crowd"), weight="weight", strata="stratum")
    same_estimate(survey.mean(design, ["rooms", "person"]), reference["crowd"]["mean"])
    (row,) = survey.ratio(design, "person", "rooms").tidy().to_dict("records")
    close(row["estimate"], reference["crowd"]["ratio"]["est"], ESTIMATE, "ratio")
    close(row["std_error"], reference["crowd"]["ratio"]["se"], STANDARD_ERROR, "ratio std_error")


def test_many_respondents(reference: dict[str, Any]) -> None:
    """Youth risk behaviour: 15,624 pupils, a design effect of 227."""
    frame = data("yrbs")
    frame["item"] = yes_no(frame["qn8"] == 2, frame["qn8"].notna())
    design = survey.Design(frame, weight="weight", strata="stratum", psu="psu", nest=True)
    expected = reference["yrbs"]
    assert design.df == expected["degf"]
    estimate = survey.mean(design, "item").tidy()
    close(estimate["estimate"], list(expected["mean"]["est"].values()), ESTIMATE, "shares")
    close(estimate["std_error"], list(expected["mean"]["se"].values()), STANDARD_ERROR, "std_error")
    interval: Any
    for interval, entry in values("intervals")["yrbs"].items():  # among those who answered, from fewer PSUs
        same_interval(survey.proportion(design, "item", interval=interval), "yes", entry, interval)


def lonely(rule: Any) -> survey.Design:
    """Districts paired into strata; the eighth stratum has one."""
    frame = data("lonely")
    for column in ("stype", "comp.imp", "sch.wide"):
        frame[column] = factor(frame[column])
    frame["api00_gt_700"] = yes_no(frame["api00"] > 700)
    return survey.Design(frame, weight="pw", strata="lstrat", psu="dnum", lonely_psu=rule)


def test_a_single_psu_is_refused() -> None:
    """R stops too: "Stratum (8) has only one PSU at stage 1"."""
    with pytest.raises(survey.LonelyPSUError, match=r"8"):
        survey.mean(lonely("fail"), "api00")


@pytest.mark.parametrize("rule", LONELY_RULES)
def test_rules_for_a_single_psu(reference: dict[str, Any], rule: str) -> None:
    design, expected = lonely(rule), reference["lonely"][rule]
    assert design.df == expected["degf"]
    same_estimate(survey.mean(design, ["api00", "enroll"]), expected["mean"])
    same_estimate(survey.total(design, "enroll"), expected["total"])
    same_interval(survey.proportion(design, "api00_gt_700"), "yes", expected["ciprop"])


@pytest.mark.parametrize("rule", ["remove", "certainty", "adjust"])
def test_single_psus_in_domains(reference: dict[str, Any], rule: str) -> None:
    design, expected = lonely(rule), reference["lonely"][rule]
    same_by(survey.mean(design, "api00", by="stype"), "stype", expected["by"]["table"])
    domain = design.domain('`comp.imp` == "No" and stype == "E"')
    same_estimate(survey.mean(domain, "api00"), expected["domain"], df=expected["domain_degf"])


def test_average_rule_in_domains(reference: dict[str, Any]) -> None:
    """R averages over the strata that the domain has rows in, we over those of the design.

    R contradicts itself: after a calibration that changes no weight (to the sum of the weights) its domains
    keep their rows and it gives 39.568 for high schools, as here, instead of 40.545. The two differ by the
    ratio of strata to strata with several PSUs, known from the data.
    """
    design, expected = lonely("average"), reference["lonely"]["average"]
    in_domain = design.frame["comp.imp"].eq("No") & design.frame["stype"].eq("E")
    cases = [(in_domain, expected["domain"]["est"]["api00"], expected["domain"]["se"]["api00"])]
    table = expected["by"]["table"]
    for group, value, error in zip(table["stype"], table["api00"], table["se"], strict=True):
        cases.append((design.frame["stype"].eq(group), value, error))
    whole = stratum_ratio(design.frame, design.frame["lstrat"])
    for inside, value, error in cases:
        (row,) = survey.mean(design.domain(inside), "api00").tidy().to_dict("records")
        close(row["estimate"], value, ESTIMATE, "mean")
        ratio = stratum_ratio(design.frame, design.frame.loc[inside, "lstrat"])
        close(row["std_error"] * np.sqrt(ratio / whole), error, STANDARD_ERROR, "std_error")


def stratum_ratio(frame: pd.DataFrame, strata: pd.Series) -> float:
    """Strata that occur, over those of them that have several PSUs in the sample."""
    psus = frame.groupby("lstrat")["dnum"].nunique().loc[strata.unique()]
    return len(psus) / int((psus > 1).sum())


@pytest.mark.parametrize("rule", LONELY_RULES)
def test_independence_with_a_single_psu(reference: dict[str, Any], rule: str) -> None:
    same_test(survey.crosstab(lonely(rule), "stype", "sch.wide").test(df="design"), reference["lonely"][rule]["chisq"])
