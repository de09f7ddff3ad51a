"""Schools that are post-stratified, raked, calibrated or have replicate weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import survey
from tests import test_reference_calibration as calibration
from tests import test_reference_calibration2 as distances
from tests import test_reference_quantiles as quantile_tests
from tests import test_reference_replicates as replicates
from tests.reference_data import (
    API_DESIGNS,
    ZERO,
    api_for_formulas,
    values,
)
from tests.validation.rows import (
    REGISTRY,
    Row,
    by_groups,
    estimates,
    fit,
    independence,
    interval,
    number,
    quantiles,
    simple,
    together,
)

RAKED = "R stops raking when no cell moves by 1e-9 of the total"
ALL_PSUS = "R's df count two districts in which no enrolment is known"


@REGISTRY.section(
    "Schools: post-stratified and raked",
    "`apiclus1` weighted to the population; with unequal base weights (`apistrat`, `apiclus2`) weights and estimates "
    "only, since R's `rake` has other standard errors (see above).",
)
def school_calibration() -> Iterator[Row]:
    for way in calibration.WAYS:
        design, reference = calibration.calibrated(way), values("api_calibration")["clus1"][way]
        yield from calibrated_rows(way, design, reference)
    for name in ("strat", "clus2"):
        design, reference = calibration.calibrated("rake_tight", name), values("api_calibration")[name]["rake_tight"]
        group = f"rake_tight, {name}"
        yield Row(group, "weights", {"entries": together("estimate", reference["weights"], design.weights)})
        total = survey.total(design, "enroll")
        expected = reference["total"]["est"]["enroll"]
        yield Row(group, "total enroll", {"estimate": number("estimate", expected, total.value[0])})


def calibrated_rows(way: str, design: survey.Design, reference: Mapping[str, Any], reason: str = "") -> Iterator[Row]:
    """Weights, estimates and tests of a calibrated design."""
    rows: list[Row] = [Row(way, "weights", {"entries": together("estimate", reference["weights"], design.weights)})]
    rows += estimates(way, survey.mean(design, ["api00", "enroll", "stype"]), reference["mean"], "mean ")
    rows += estimates(way, survey.total(design, ["enroll", "stype"]), reference["total"], "total ")
    for by, entry in (("stype", "by"), ("sch.wide", "by_sw")):
        rows += by_groups(way, survey.mean(design, "api00", by=by), by, reference[entry]["table"])
    domain = survey.mean(design.domain('`comp.imp` == "Yes"'), "api00")
    rows += estimates(way, domain, reference["domain"], "comp.imp = Yes, ")
    rows.append(interval(way, "api00_gt_700", survey.proportion(design, "api00_gt_700"), "yes", reference["ciprop"]))
    made = survey.crosstab(design, "comp.imp", "awards").test()
    rows.append(independence(way, "comp.imp by awards", made, reference["chisq"]))
    made_quantiles = survey.quantile(design, "api00", quantile_tests.QUARTILES)
    rows += quantiles(
        f"{way}, quantile", made_quantiles, reference["quantile"]["api00"]["values"], quantile_tests.QUARTILES
    )
    for row in rows:
        yield Row(row.group, row.label, row.numbers, reason)


@REGISTRY.section(
    "Schools: calibrated and trimmed",
    "`calibrate` with the linear, raking and logit distance and with bounds, to margins and to the total of `api99`; "
    "unequal base weights too (`strat`, `clus2`). Raked and trimmed: weights and estimates (standard errors: see "
    "above).",
)
def school_distances() -> Iterator[Row]:
    for (name, way), arguments in distances.WAYS.items():
        design = survey.calibrate(distances.base(name), **arguments)
        reference = values("api_calibration")[name][way]
        yield from calibrated_rows(f"{way}, {name}", design, reference, ALL_PSUS if name == "clus2" else "")
    raked = survey.rake(distances.base("clus1"), distances.BOTH, tolerance=1e-14)
    sharing: Any
    for sharing, way in (("once", "rake_trim_10_50"), ("repeated", "rake_trim_10_50_strict")):
        trimmed, reference = survey.trim(raked, lower=10, upper=50, sharing=sharing), values("api_calibration")["clus1"]
        yield Row(way, "weights", {"entries": together("estimate", reference[way]["weights"], trimmed.weights)})
    expected = values("api_calibration")["clus1"]["rake_trim_10_50"]["total"]["est"]
    made = survey.total(survey.trim(raked, lower=10, upper=50, sharing="once"), ["enroll", "stype"])
    for (label, value), ours in zip(expected.items(), made.value, strict=True):
        yield Row("rake_trim_10_50", f"total {label}", {"estimate": number("estimate", value, ours)})


def replicate_rows(group: str, design: survey.Design, reference: Mapping[str, Any], reason: str = "") -> Iterator[Row]:
    """Estimates, a test and a regression from replicate weights; a margin raked to 1e-9 has an error of rounding."""
    rows: list[Row] = []
    zero = replicates.RAKED if reason else ZERO
    domain = survey.mean(design.domain("comp_imp == 'Yes'"), "api00")
    rows += estimates(group, domain, reference["domain"], "comp_imp = Yes, ", zero)
    if design.frame["enroll"].notna().all():
        mean = survey.mean(design, ["api00", "enroll", "stype"])
        rows += estimates(group, mean, reference["mean"], "mean ", zero)
        total = survey.total(design, ["enroll", "stype"])
        rows += estimates(group, total, reference["total"], "total ", zero)
    by_type = survey.mean(design, "api00", by="stype")
    rows += by_groups(group, by_type, "stype", reference["by"]["table"])
    rows.append(simple(group, "api00 / api99", survey.ratio(design, "api00", "api99"), reference["ratio"]))
    contrast = by_type.contrast({"E": 1, "H": -1})
    rows.append(simple(group, "api00, E - H", contrast, reference["contrast"], float(by_type.value.max())))
    result = survey.crosstab(design, "sch_wide", "stype").test()
    rows.append(independence(group, "sch_wide by stype, F", result, reference["chisq"]["F"]))
    rows += fit(f"{group}, ordinal", survey.ordinal("mealcat ~ mobility + stype", design), reference["olr_tight"])
    for row in rows:
        yield Row(row.group, row.label, row.numbers, reason)


@REGISTRY.section("Schools: jackknife", "JK1 and JKn made by `survey.replicate`, from the designs and from raked ones.")
def school_jackknife() -> Iterator[Row]:
    for name, (data, arguments) in replicates.MADE.items():
        keywords: Any = arguments
        design = survey.replicate(survey.Design(api_for_formulas(data), **API_DESIGNS[data]), **keywords)
        yield from replicate_rows(name, design, values("replicates")[name])
    base = survey.Design(api_for_formulas("clus1"), **API_DESIGNS["clus1"])
    raked = survey.replicate(survey.rake(base, replicates.MARGINS, tolerance=1e-14), kind="JK1")
    yield from replicate_rows("JK1, raked", raked, values("replicates")["JK1_rake"], RAKED)


@REGISTRY.section(
    "Schools: replicate weights of a file", "R's own weights, bootstraps among them, as columns of the data.", "api"
)
def school_replicates() -> Iterator[Row]:
    for name in replicates.READ:
        reason = RAKED if name.endswith("rake") else ""
        yield from replicate_rows(name, replicates.from_file(name), values("replicates")[name], reason)


@REGISTRY.section("Ambulances: BRR, Fay, JKn", "Levy and Lemeshow: two ambulances in each of three areas (`scd`).")
def ambulances() -> Iterator[Row]:
    keywords: Any
    for entry, keywords in (
        ("brr", {"kind": "BRR"}),
        ("fay03", {"kind": "Fay", "rho": 0.3}),
        ("fay05_mse", {"kind": "Fay", "rho": 0.5, "mse": True}),
        ("jkn", {"kind": "JKn"}),
    ):
        design, reference = survey.replicate(replicates.ambulances(), **keywords), values("replicates")["scd"][entry]
        items = ["arrests", "alive"]
        total = {part: reference["total"][part] for part in ("est", "se", "vcov")}
        yield from estimates(entry, survey.total(design, items), total, "total ")
        yield from estimates(entry, survey.mean(design, items), reference["mean"], "mean ")
        yield simple(entry, "alive / arrests", survey.ratio(design, "alive", "arrests"), reference["ratio"])
