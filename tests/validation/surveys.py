"""Textbook designs and the US health survey."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import survey
from tests import test_reference_designs as textbook
from tests import test_reference_tests as test_tests
from tests import test_stages
from tests.reference_data import (
    NHANES_DESIGN,
    nhanes,
    values,
    yes_no,
)
from tests.validation.rows import (
    REGISTRY,
    TESTS,
    Row,
    by_groups,
    estimates,
    fit,
    independence,
    interval,
    number,
    rank_row,
    simple,
)
from tests.validation.schools import SVYGLM


@REGISTRY.section(
    "Textbook designs",
    "Two PSUs per stratum (`scd`), finite populations (`fpc`, `hospital`), two stages (`mu284`), a ratio (`crowd`), "
    "a design effect of 227 (`yrbs`).",
)
def textbooks() -> Iterator[Row]:
    reference, data = values("designs"), textbook.data
    scd = survey.Design(data("scd").assign(weight=1.0), weight="weight", strata="ESA", psu="ambulance", nest=True)
    expected = reference["scd"]["taylor"]
    yield from estimates("scd", survey.total(scd, ["arrests", "alive"]), expected["total"], "total ")
    yield from estimates("scd", survey.mean(scd, ["arrests", "alive"]), expected["mean"], "mean ")
    yield simple("scd", "alive / arrests", survey.ratio(scd, "alive", "arrests"), expected["ratio"])
    for entry, size in (("with", "Nh"), ("without", None)):
        made = survey.Design(data("fpc"), weight="weight", strata="stratid", psu="psuid", fpc=size, nest=True)
        yield from estimates(f"fpc, {entry}", survey.mean(made, "x"), reference["fpc"][entry]["mean"], "mean ")
        yield from estimates(f"fpc, {entry}", survey.total(made, "x"), reference["fpc"][entry]["total"], "total ")
    made = survey.Design(data("mu284"), weight=None, psu="id1", ssu="id2", fpc=["n1", "n2"])
    yield from estimates("mu284", survey.total(made, "y1"), reference["mu284"]["two_stage"]["total"], "total ")
    yield from estimates("mu284", survey.mean(made, "y1"), reference["mu284"]["two_stage"]["mean"], "mean ")
    for entry, size in (("fpc", "tothosp"), ("nofpc", None)):
        made = survey.Design(data("hospital"), weight="weighta", strata="oblevel", psu="hospno", fpc=size)
        group = f"hospital, {entry}"
        yield from estimates(group, survey.total(made, "births"), reference["hospital"][entry]["total"], "total ")
        yield from estimates(group, survey.mean(made, "births"), reference["hospital"][entry]["mean"], "mean ")
    made = survey.Design(data("crowd"), weight="weight", strata="stratum")
    yield from estimates("crowd", survey.mean(made, ["rooms", "person"]), reference["crowd"]["mean"], "mean ")
    yield simple("crowd", "person / rooms", survey.ratio(made, "person", "rooms"), reference["crowd"]["ratio"])
    frame = data("yrbs")
    frame["item"] = yes_no(frame["qn8"] == 2, frame["qn8"].notna())
    made = survey.Design(frame, weight="weight", strata="stratum", psu="psu", nest=True)
    method: Any
    for method, entry_ in values("intervals")["yrbs"].items():
        yield interval("yrbs", f"qn8, {method}", survey.proportion(made, "item", interval=method), "yes", entry_)


@REGISTRY.section("Single-PSU strata", "`apiclus1` with districts paired into strata; the eighth has one. Four rules.")
def lonely() -> Iterator[Row]:
    for rule in textbook.LONELY_RULES:
        design, reference = textbook.lonely(rule), values("designs")["lonely"][rule]
        yield from estimates(rule, survey.mean(design, ["api00", "enroll"]), reference["mean"], "mean ")
        yield from estimates(rule, survey.total(design, "enroll"), reference["total"], "total ")
        share = survey.proportion(design, "api00_gt_700")
        yield interval(rule, "api00_gt_700", share, "yes", reference["ciprop"])
        made = survey.crosstab(design, "stype", "sch.wide").test()
        yield independence(rule, "stype by sch.wide, F", made, reference["chisq"])
        if rule != "average":  # in domains R averages over other strata: see above
            by = survey.mean(design, "api00", by="stype")
            yield from by_groups(rule, by, "stype", reference["by"]["table"])
            domain = survey.mean(design.domain('`comp.imp` == "No" and stype == "E"'), "api00")
            yield from estimates(rule, domain, reference["domain"], "a domain, ")


@REGISTRY.section(
    "Three stages", "A synthetic sample with its own strata and fpc at each of three stages (R survey 4.1.1)."
)
def stages() -> Iterator[Row]:
    for name in test_stages.DESIGNS:
        design, reference = test_stages.design(name), values("stages")[name]
        yield from estimates(name, survey.mean(design, ["y", "g"]), reference["mean"], "mean ")
        yield from estimates(name, survey.total(design, ["y", "g"]), reference["total"], "total ")
        yield from by_groups(name, survey.mean(design, "y", by="g"), "g", reference["by"])


@REGISTRY.section("Health survey", "NHANES 2009-2010: 8,591 people, 15 strata, 31 PSUs.")
def health() -> Iterator[Row]:
    frame, reference = nhanes(), values("nhanes")
    design = survey.Design(frame, **NHANES_DESIGN)
    (row,) = survey.weight_summary(design).to_dict("records")
    for column, entry in {"sum": "sum", "min": "min", "max": "max", "deff_kish": "kish_deff"}.items():
        yield Row("weights", column, {"value": number("estimate", reference["w"][entry], row[column])})
    yield from estimates("mean", survey.mean(design, "HI_CHOL"), reference["mean"])
    yield from estimates("mean", survey.mean(design, "race"), reference["race"])
    yield from estimates("total", survey.total(design, "HI_CHOL"), reference["total"])
    by = ["race", "sex"]
    table = reference["by_race_sex"]["table"]
    yield from by_groups("mean by two", survey.mean(design, "HI_CHOL", by=by), by, table)
    ages = {key: part for key, part in reference["by_agecat"]["table"].items() if key in ("agecat", "HI_CHOL", "se")}
    yield from by_groups("mean by group", survey.mean(design, "HI_CHOL", by="agecat"), "agecat", ages)
    method: Any
    for method, entry_ in values("intervals")["nhanes"]["all"].items():
        yield interval("interval of a share", method, survey.proportion(design, "chol", interval=method), "yes", entry_)
    for row_, column in (("chol", "race"), ("agecat", "race")):
        answered = float(frame[[row_, column]].notna().all(axis=1).mean())
        made = survey.crosstab(design, row_, column)
        for statistic, method in TESTS.items():
            content = reference["chisq"][f"{row_}_{column}"][statistic]
            yield independence(
                "independence", f"{row_} by {column}, {method}", made.test(method=method), content, answered
            )
    for name, rank_method in test_tests.SVYRANKTEST.items():
        ranked = test_tests.with_ranks_of_r(design, "agecat", "sex", rank_method)
        label = f"agecat by sex, {rank_method}"
        yield rank_row("rank test, with R's ranks of tied rows", label, ranked, reference["ranktest"][name])
    yield from fit("ordinal", survey.ordinal("agecat ~ race + sex + HI_CHOL", design), reference["olr_tight"])
    binary, content = survey.ordinal("chol ~ race + C(agecat) + sex", design), reference["glm"]
    slopes = [name for name in content["coef"] if name != "(Intercept)"]
    for i, name in enumerate(slopes):
        error = content["se"][name]
        numbers = {
            "estimate": number("coefficient", content["coef"][name], binary.params.iloc[i], error),
            "SE": number("SE", error, binary.bse.iloc[i]),
        }
        yield Row("binary regression", name, numbers, SVYGLM)
    jackknife, expected = survey.replicate(design, kind="JKn"), values("replicates")["nhanes"]["JKn"]
    yield from estimates("JKn", survey.mean(jackknife, "HI_CHOL"), expected["mean"])
    yield from by_groups("JKn", survey.mean(jackknife, "HI_CHOL", by="race"), "race", expected["by"]["table"])
    shares = survey.mean(design, "HI_CHOL", by="sex")
    odds = shares.transform(lambda e: e[1] / (1 - e[1]) / (e[0] / (1 - e[0])), names="odds ratio")
    content = values("functions")["nhanes"]["odds_ratio"]
    content = {part: content[part]["odds_ratio"] for part in ("est", "se")}
    yield simple("odds ratio", "HI_CHOL, women to men", odds, content)
