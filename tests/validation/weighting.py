"""Schools that are post-stratified, raked, calibrated or have replicate weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

import survey
from tests.reference import test_calibration as calibration
from tests.reference import test_calibration_of_replicates as distances
from tests.reference import test_hypotheses as test_tests
from tests.reference import test_quantiles as quantile_tests
from tests.reference import test_replicates as replicates
from tests.reference_data import API_DESIGNS, ZERO, api_for_formulas, values, yes_no
from tests.validation.fits import SVYGLM, binary, fit, svyolr
from tests.validation.results import (
    by_groups,
    estimates,
    independence,
    interval,
    intervals,
    quantiles,
    rank_row,
    simple,
    t_rows,
    table_rows,
    value,
    weights,
    with_other_df,
)
from tests.validation.rows import REGISTRY, Reason, Row, because, number, together

RAKED = Reason("R stops raking when no cell moves by 1e-9 of the total", 1e-6)
RAKED_ZERO = 5e-8  # of the estimate: what is left of the standard error of a known margin in R
BINARY = "sch_wide ~ ell + meals"
ORDINAL = "mealcat ~ mobility + stype"


@REGISTRY.section(
    "Schools: post-stratified and raked",
    "`apiclus1` weighted to the population; with unequal base weights (`apistrat`, `apiclus2`) weights and estimates "
    "only, since R's `rake` has other standard errors (see above).",
)
def school_calibration() -> Iterator[Row]:
    base = survey.Design(distances.base("clus1").frame, **API_DESIGNS["clus1"])
    yield from calibrated_rows("before", base, values("api_calibration")["clus1"]["base"])
    for way in calibration.WAYS:
        design, reference = calibration.calibrated(way), values("api_calibration")["clus1"][way]
        yield from calibrated_rows(way, design, reference)
    for name in ("strat", "clus2"):
        design, reference = calibration.calibrated("rake_tight", name), values("api_calibration")[name]["rake_tight"]
        yield from because(raked_estimates(f"rake_tight, {name}", design, reference), RAKED)


def raked_estimates(group: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Estimates and weights of a design raked from unequal weights, without what rests on R's standard errors."""
    yield Row(group, "weights", {"entries": together("estimate", reference["weights"], design.weights)})
    yield from weights(group, design, reference["w"])
    yield value(group, "df", "test", reference["degf"], design.df)
    parts = (
        ("mean", survey.mean(design, ["api00", "enroll", "stype"]), list(reference["mean"]["est"].values())),
        ("total", survey.total(design, ["enroll", "stype"]), list(reference["total"]["est"].values())),
        (
            "comp.imp = Yes",
            survey.mean(design.domain('`comp.imp` == "Yes"'), "api00"),
            [*reference["domain"]["est"].values()],
        ),
        ("by stype", survey.mean(design, "api00", by="stype"), reference["by"]["table"]["api00"]),
        ("by sch.wide", survey.mean(design, "api00", by="sch.wide"), reference["by_sw"]["table"]["api00"]),
        ("share", survey.proportion(design, "api00_gt_700"), [None, reference["ciprop"]["est"]]),
        (
            "quantile",
            survey.quantile(design, "api00", quantile_tests.QUARTILES),
            [row[0] for row in reference["quantile"]["api00"]["values"]],
        ),
    )
    for label, made, expected in parts:
        for i, (theirs, ours) in enumerate(zip(expected, made.value, strict=True)):
            if theirs is not None:
                yield Row(group, f"{label}, {i + 1}", {"estimate": number("estimate", theirs, ours)})
    table = survey.crosstab(design, "comp.imp", "awards", share="cell").tidy()
    shares = table.pivot(index="level", columns="awards", values="estimate").to_numpy(dtype=float)
    entries = {"entries": together("estimate", reference["chisq"]["observed"]["values"], design.n * shares)}
    yield Row(group, "comp.imp by awards, observed", entries)
    products = design.n * np.outer(shares.sum(axis=1), shares.sum(axis=0))
    entries = {"entries": together("estimate", reference["chisq"]["expected"]["values"], products)}
    yield Row(group, "comp.imp by awards, expected", entries)


def calibrated_rows(way: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Weights, estimates and tests of a calibrated design.

    Where enrolment is not known for all districts, R was given the df of all of them: its bounds are compared at ours.
    """
    if "weights" in reference:
        yield Row(way, "weights", {"entries": together("estimate", reference["weights"], design.weights)})
    yield from weights(way, design, reference["w"])
    yield value(way, "df", "test", reference["degf"], design.df)
    if "g_range" in reference:
        ratio = design.weights / design.base_weights
        yield Row(
            way,
            "ratio of weights, range",
            {"entries": together("estimate", reference["g_range"], [ratio.min(), ratio.max()])},
        )
    complete = design.frame["enroll"].notna().all()
    made = survey.mean(design, ["api00", "enroll", "stype"])
    yield from estimates(way, made, reference["mean"] if complete else with_other_df(reference["mean"], made), "mean ")
    yield from estimates(way, survey.total(design, ["enroll", "stype"]), reference["total"], "total ")
    for by, entry in (("stype", "by"), ("sch.wide", "by_sw")):
        yield from by_groups(way, survey.mean(design, "api00", by=by), by, reference[entry])
    domain = survey.mean(design.domain('`comp.imp` == "Yes"'), "api00")
    yield from estimates(way, domain, reference["domain"], "comp.imp = Yes, ")
    yield interval(way, "api00_gt_700", survey.proportion(design, "api00_gt_700"), "yes", reference["ciprop"])
    yield from one_table(way, design, "comp.imp", "awards", reference["chisq"])
    made = survey.quantile(design, "api00", quantile_tests.QUARTILES)
    table = reference["quantile"]["api00"]["values"]
    yield from quantiles(f"{way}, quantile", made, table, quantile_tests.QUARTILES)


def one_table(group: str, design: survey.Design, row: str, column: str, reference: Mapping[str, Any]) -> Iterator[Row]:
    """The F test of one table, and the table."""
    table = survey.crosstab(design, row, column, share="cell")
    yield independence(group, f"{row} by {column}", table.test(df="design"), reference)
    shares = table.tidy().pivot(index="level", columns=column, values="estimate").to_numpy(dtype=float)
    products = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    n = len(design.frame)
    for name, ours in (("observed", shares), ("expected", products)):
        entries = {"entries": together("estimate", reference[name]["values"], n * ours)}
        yield Row(group, f"{row} by {column}, {name}", entries)


@REGISTRY.section(
    "Schools: calibrated and trimmed",
    "`calibrate` with the linear, raking and logit distance and with bounds, to margins and to the total of `api99`; "
    "unequal base weights too (`strat`, `clus2`). Raked and trimmed: weights and estimates (standard errors: see "
    "above).",
)
def school_distances() -> Iterator[Row]:
    for (name, way), arguments in distances.WAYS.items():
        design = survey.calibrate(distances.base(name), **arguments)
        yield from calibrated_rows(f"{way}, {name}", design, values("api_calibration")[name][way])
    raked = survey.rake(distances.base("clus1"), distances.BOTH, tolerance=1e-14)
    sharing: Any
    for sharing, way in (("once", "rake_trim_10_50"), ("repeated", "rake_trim_10_50_strict")):
        trimmed, reference = survey.trim(raked, lower=10, upper=50, sharing=sharing), values("api_calibration")["clus1"]
        yield Row(way, "weights", {"entries": together("estimate", reference[way]["weights"], trimmed.weights)})
        if "w" in reference[way]:
            yield from raked_estimates(way, trimmed, reference[way])


# Replicate weights ------------------------------------------------------------------------------------------


def settings(group: str, design: survey.Design, reference: Mapping[str, Any], df: bool = True) -> Iterator[Row]:
    """How the replicates are counted and scaled."""
    made = design.replicates
    if made is None:
        raise ValueError(f"{group} has no replicates")
    count, theirs = made.weights.shape[1], reference["rscales_all"]
    ordered = sorted(theirs) if isinstance(theirs, list) else [theirs] * count  # we go through the file, R by strata
    numbers = {
        "replicates": number("test", reference["R"], count),
        "number of scales": number("test", reference["n_rscales"], made.rscales.size),
        "scale": number("estimate", reference["scale"], made.scale),
        "range of scales": together("estimate", reference["rscales"], [made.rscales.min(), made.rscales.max()]),
        "scales": together("estimate", ordered, np.sort(made.rscales)),
    }
    if df:
        numbers["df"] = together("test", [reference["degf"], reference["degf.1"]], [design.df] * 2)
    yield Row(group, "settings", numbers)


def replicate_rows(
    group: str, design: survey.Design, reference: Mapping[str, Any], reason: Reason | None = None, df: bool = True
) -> Iterator[Row]:
    """All that R has of a design with replicate weights; a margin raked to 1e-9 has an error of rounding."""
    yield from because(settings(group, design, reference, df), reason)
    yield from because(replicate_estimates(group, design, reference, RAKED_ZERO if reason else ZERO), reason)
    yield from because(replicate_tests(group, design, reference, df), reason)
    yield from replicate_fits(group, design, reference, reason)


def replicate_estimates(group: str, design: survey.Design, reference: Mapping[str, Any], zero: float) -> Iterator[Row]:
    """Estimates, quantiles and intervals."""
    yield from weights(group, design, reference["w"])
    domain = survey.mean(design.domain("comp_imp == 'Yes'"), "api00")
    yield from estimates(group, domain, reference["domain"], "comp_imp = Yes, ", zero)
    mean, total = survey.mean(design, ["api00", "enroll", "stype"]), survey.total(design, ["enroll", "stype"])
    content = reference["mean"] if mean.df[0] == reference["mean"]["df"] else with_other_df(reference["mean"], mean)
    yield from estimates(group, mean, content, "mean ", zero)
    yield from estimates(group, total, reference["total"], "total ", zero)
    by_type = survey.mean(design, "api00", by="stype")
    yield from by_groups(group, by_type, "stype", reference["by"])
    renamed = {
        **reference["by_sw"],
        "table": {k.replace(".w", "_w"): v for k, v in reference["by_sw"]["table"].items()},
    }
    yield from by_groups(group, survey.mean(design, "api00", by="sch_wide"), "sch_wide", renamed)
    yield simple(group, "api00 / api99", survey.ratio(design, "api00", "api99"), reference["ratio"])
    yield simple(group, "variance of api00", survey.var(design, "api00"), reference["var"])
    contrast = by_type.contrast({"E": 1, "H": -1}, df="design")
    yield simple(group, "api00, E - H", contrast, reference["contrast"], float(by_type.value.max()))
    high = survey.proportion(design, "high")
    logit = {"logit": reference["ciprop"]}
    for entries in (logit, reference["ciprop_all"]):
        yield from intervals(group, "api00 > 700", high, "yes", entries, design.n, reference["degf"], replicated=True)


def replicate_tests(group: str, design: survey.Design, reference: Mapping[str, Any], df: bool) -> Iterator[Row]:
    """Tests; quantiles, whose jackknife is refused unless it is named a bootstrap."""
    yield from table_rows(group, design, "sch_wide", "stype", reference["chisq"], infinite=True)
    yield from one_table(group, design, "comp_imp", "awards", reference["chisq_awards"])
    if df:
        two, one = (
            survey.t_test(design, "api00", by="comp_imp", df="design"),
            survey.t_test(design, "api00", value=600, df="design"),
        )
        yield t_rows(group, "t test, api00 by comp_imp", two, reference["ttest"])
        yield t_rows(group, "t test, api00 = 600", one, reference["ttest1"], 600, -1)
        ranked = test_tests.with_ranks_of_r(design, "api00", "comp_imp", "wilcoxon")
        yield rank_row(group, "rank test, api00 by comp_imp", ranked, reference["ranktest"])
    shares = quantile_tests.QUARTILES
    for kind, ours in quantile_tests.WOODRUFF.items():
        made = survey.quantile(design, "api00", shares, interval=ours)
        table = reference["quantile_types"][kind]["api00"]["values"]
        yield from quantiles(f"{group}, quantile, {ours}", made, table, shares)
    made = survey.quantile(design, "api00", shares)
    yield from quantiles(f"{group}, quantile", made, reference["quantile"]["api00"]["values"], shares)
    renamed = as_bootstrap(design)
    made = survey.quantile(renamed, "api00", shares, interval="replication")
    table = reference["quantile_types"]["quantile"]["api00"]["values"]
    yield from quantiles(f"{group}, quantile, replication", made, table, shares)


def as_bootstrap(design: survey.Design) -> survey.Design:
    """The same replicates under a name for which an interval of quantiles by replication is not refused."""
    made = design.replicates
    if made is None:
        raise ValueError("no replicates")
    names = [f"replicate {i}" for i in range(made.weights.shape[1])]
    frame = design.frame.assign(**{"full weight": design.weights})
    frame = pd.concat([frame, pd.DataFrame(made.weights, columns=names, index=frame.index)], axis=1)
    return survey.Design.from_replicates(
        frame,
        weight="full weight",
        replicates=names,
        kind="bootstrap",
        scale=made.scale,
        rscales=made.rscales.tolist(),
        mse=made.mse,
    )


def replicate_fits(
    group: str, design: survey.Design, reference: Mapping[str, Any], reason: Reason | None
) -> Iterator[Row]:
    """Ordinal and binary regression; `svyolr` with a logit, whose replicates have the right link."""
    for link, entry in (("logit", "olr_tight"), ("probit", "olr_probit_tight")):
        choice: Any = link
        made = survey.ordinal(ORDINAL, design, link=choice)
        yield from fit(f"{group}, ordinal, {link}", made, reference[entry], reason)
        if link == "logit" and "error" not in reference["olr_svyolr"]:
            yield from svyolr(f"{group}, svyolr", made, reference["olr_svyolr"])
    yield from binary(f"{group}, binary", survey.ordinal(BINARY, design), reference["glm_logit"], SVYGLM)


@REGISTRY.section(
    "Schools: jackknife", "JK1 and JKn made by `survey.replicate`, from the designs and from calibrated ones."
)
def school_jackknife() -> Iterator[Row]:
    def base(name: str) -> survey.Design:
        frame = api_for_formulas(name)
        return survey.Design(frame.assign(high=yes_no(frame["api00"] > 700)), **API_DESIGNS[name])

    for name, (data, arguments) in replicates.MADE.items():
        keywords: Any = arguments
        yield from replicate_rows(name, survey.replicate(base(data), **keywords), values("replicates")[name])
    raked = survey.rake(base("clus1"), replicates.MARGINS, tolerance=1e-14)
    types = pd.Series(replicates.MARGINS["stype"], dtype=float).rename_axis("stype")
    made: dict[str, survey.Design] = {"JK1_rake": raked, "JK1_poststrat": survey.poststratify(base("clus1"), types)}
    distance: Any
    for distance in ("linear", "raking"):
        arguments = {"margins": distances.TYPES, "totals": distances.SCORES, "distance": distance}
        made[f"JK1_cal_{distance}"] = survey.calibrate(base("clus1"), **arguments)
    for name, design in made.items():
        reason = RAKED if name.endswith("rake") else None
        yield from replicate_rows(name, survey.replicate(design, kind="JK1"), values("replicates")[name], reason)
    raked = survey.replicate(survey.rake(base("strat"), replicates.MARGINS, tolerance=1e-14), kind="JKn")
    raked = replicates.with_rank_after_weighting(raked)
    yield from replicate_rows("JKn_rake", raked, values("replicates")["JKn_rake"], RAKED)


@REGISTRY.section(
    "Schools: replicate weights of a file", "R's own weights, bootstraps among them, as columns of the data.", "api"
)
def school_replicates() -> Iterator[Row]:
    for name in replicates.READ:
        if name not in replicates.MADE and name not in ("JK1_rake", "JK1_poststrat", "JKn_rake"):
            reason = RAKED if name.endswith("rake") else None
            yield from replicate_rows(name, replicates.from_file(name), values("replicates")[name], reason)


@REGISTRY.section("Ambulances: BRR, Fay, JKn", "Levy and Lemeshow: two ambulances in each of three areas (`scd`).")
def ambulances() -> Iterator[Row]:
    keywords: Any
    cases: list[tuple[str, survey.Design]] = [("brr_published_matrix", replicates.published())]
    for entry, keywords in (
        ("brr", {"kind": "BRR"}),
        ("fay03", {"kind": "Fay", "rho": 0.3}),
        ("fay05_mse", {"kind": "Fay", "rho": 0.5, "mse": True}),
        ("jkn", {"kind": "JKn"}),
    ):
        cases.append((entry, survey.replicate(replicates.ambulances(), **keywords)))
    for entry, design in cases:
        reference = values("replicates")["scd"][entry]
        items = ["arrests", "alive"]
        yield value(entry, "df", "test", reference["degf"], design.df)
        total = survey.total(design, items)
        yield from estimates(entry, total, reference["total"], "total ")
        yield from estimates(entry, survey.mean(design, items), reference["mean"], "mean ")
        yield simple(entry, "alive / arrests", survey.ratio(design, "alive", "arrests"), reference["ratio"])
        if design.replicates is None:
            raise ValueError(entry)
        if "scale" in reference:
            yield value(entry, "scale", "estimate", reference["scale"], design.replicates.scale)
        if "rscales" in reference:
            scales = together("estimate", sorted(reference["rscales"]), np.sort(design.replicates.rscales))
            yield Row(entry, "scales of replicates", {"entries": scales})
