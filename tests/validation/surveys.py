"""Textbook designs and the US health survey."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import survey
from survey.models.nesting import nesting
from tests.design import test_lonely as lonely_tests
from tests.design import test_stages
from tests.reference import test_designs as textbook
from tests.reference import test_hypotheses as test_tests
from tests.reference import test_replicates as replicates
from tests.reference_data import NHANES_DESIGN, nhanes, values, yes_no
from tests.sources import Value
from tests.validation.fits import R_DF, SVYGLM, binary, brant_rows, fit, svyolr
from tests.validation.results import (
    by_groups,
    estimates,
    interval,
    intervals,
    rank_row,
    simple,
    table_rows,
    value,
    weights,
    with_other_df,
)
from tests.validation.rows import REGISTRY, Row, because, number, together
from tests.validation.weighting import one_table

HEALTH_BINARY = "chol ~ race + C(agecat) + sex"


@REGISTRY.section(
    "Textbook designs",
    "Two PSUs per stratum (`scd`), finite populations (`fpc`, `hospital`), two stages (`mu284`), a ratio (`crowd`), "
    "a design effect of 227 (`yrbs`).",
)
def textbooks() -> Iterator[Row]:
    reference, data = values("designs"), textbook.data
    scd = survey.Design(data("scd").assign(weight=1.0), weight="weight", strata="ESA", psu="ambulance", nest=True)
    expected = reference["scd"]["taylor"]
    yield value("scd", "df", "test", expected["degf"], scd.df)
    yield from estimates("scd", survey.total(scd, ["arrests", "alive"]), expected["total"], "total ")
    yield from estimates("scd", survey.mean(scd, ["arrests", "alive"]), expected["mean"], "mean ")
    yield simple("scd", "alive / arrests", survey.ratio(scd, "alive", "arrests"), expected["ratio"])
    for entry, size in (("with", "Nh"), ("without", None)):
        made = survey.Design(data("fpc"), weight="weight", strata="stratid", psu="psuid", fpc=size, nest=True)
        expected, population = reference["fpc"][entry], float(made.weights.sum())
        yield value(f"fpc, {entry}", "df", "test", expected["degf"], made.df)
        yield from estimates(f"fpc, {entry}", survey.mean(made, "x"), expected["mean"], "mean ", population=population)
        yield from estimates(f"fpc, {entry}", survey.total(made, "x"), expected["total"], "total ")
    yield from clusters(reference["mu284"])
    for entry, size in (("fpc", "tothosp"), ("nofpc", None)):
        made = survey.Design(data("hospital"), weight="weighta", strata="oblevel", psu="hospno", fpc=size)
        group = f"hospital, {entry}"
        yield from estimates(group, survey.total(made, "births"), reference["hospital"][entry]["total"], "total ")
        yield from estimates(group, survey.mean(made, "births"), reference["hospital"][entry]["mean"], "mean ")
    made = survey.Design(data("crowd"), weight="weight", strata="stratum")
    yield from estimates("crowd", survey.mean(made, ["rooms", "person"]), reference["crowd"]["mean"], "mean ")
    yield simple("crowd", "person / rooms", survey.ratio(made, "person", "rooms"), reference["crowd"]["ratio"])
    yield from pupils(reference["yrbs"])


def clusters(reference: Mapping[str, Any]) -> Iterator[Row]:
    """Two stages, the first of them with its own weights, and the first alone of both."""
    frame = textbook.data("mu284")
    two = survey.Design(frame, weight=None, psu="id1", ssu="id2", fpc=["n1", "n2"])
    weighted = frame.assign(weight=frame["n1"] / 5 * frame["n2"] / 3)
    one = survey.Design(weighted, weight="weight", psu="id1", fpc="n1")
    yield value("mu284", "df", "test", reference["two_stage"]["degf"], two.df)
    yield from weights("mu284", two, reference["two_stage"]["w"])
    cases = (("two_stage", two), ("one_stage_only", one), ("two_stage_ultimate_cluster", one))
    for entry, made in cases:
        yield from estimates(f"mu284, {entry}", survey.total(made, "y1"), reference[entry]["total"], "total ")
        if "mean" in reference[entry]:
            yield from estimates(f"mu284, {entry}", survey.mean(made, "y1"), reference[entry]["mean"], "mean ")


def pupils(reference: Mapping[str, Any]) -> Iterator[Row]:
    """Youth risk behaviour, some of whom did not answer."""
    frame = textbook.data("yrbs")
    frame["item"] = yes_no(frame["qn8"] == 2, frame["qn8"].notna())
    design = survey.Design(frame, weight="weight", strata="stratum", psu="psu", nest=True)
    yield value("yrbs", "df", "test", reference["degf"], design.df)
    made = survey.mean(design, "item")
    population = float(design.weights[frame["item"].notna()].sum())
    yield from estimates("yrbs", made, with_other_df(reference["mean"], made), "qn8, ", population=population)
    method: Any
    for method, entry in values("intervals")["yrbs"].items():
        share = survey.proportion(design, "item", interval=method)
        yield interval("yrbs, among those who answered", f"qn8, {method}", share, "yes", entry)
    share, n = survey.proportion(design, "item"), len(frame)
    yield from intervals("yrbs, R's n and df", "qn8", share, "yes", reference["ciprop"], n, reference["degf"])


@REGISTRY.section(
    "Single-PSU strata",
    "`apiclus1` with districts paired into strata; the eighth has one. Four rules, without and with R's option that "
    "treats strata which a domain leaves with one PSU in the same way.",
)
def lonely() -> Iterator[Row]:
    for rule in textbook.LONELY_RULES:
        for option in ("", "_domain_adjust"):
            both = option and rule in ("adjust", "average")
            design = lonely_tests.adjusted(rule) if both else textbook.lonely(rule)
            yield from lonely_rows(rule + option, design, values("designs")["lonely"][rule + option])


def lonely_rows(group: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Everything of one rule; under "average" domains are compared with the strata that R averages over."""
    yield value(group, "df", "test", reference["degf"], design.df)
    yield from estimates(group, survey.mean(design, ["api00", "enroll"]), reference["mean"], "mean ")
    yield from estimates(group, survey.total(design, "enroll"), reference["total"], "total ")
    share = survey.proportion(design, "api00_gt_700")
    yield interval(group, "api00_gt_700", share, "yes", reference["ciprop"])
    yield from one_table(group, design, "stype", "sch.wide", reference["chisq"])
    inside = design.frame["comp.imp"].eq("No") & design.frame["stype"].eq("E")
    domain, by = survey.mean(design.domain(inside), "api00"), survey.mean(design, "api00", by="stype")
    yield value(group, "a domain, df", "test", reference["domain_degf"], domain.df[0])
    if group != "average":
        yield from by_groups(group, by, "stype", reference["by"])
        yield from estimates(group, domain, reference["domain"], "a domain, ")
        return
    table, whole = reference["by"]["table"], textbook.stratum_ratio(design.frame, design.frame["lstrat"])
    cases = [(inside, reference["domain"]["est"]["api00"], reference["domain"]["se"]["api00"], None)]
    entries = zip(table["stype"], table["api00"], table["se"], reference["by"]["vcov_diag"], strict=True)
    cases += [(design.frame["stype"].eq(level), *numbers) for level, *numbers in entries]
    for rows, theirs, error, variance in cases:
        made = survey.mean(design.domain(rows), "api00")
        ratio = np.sqrt(textbook.stratum_ratio(design.frame, design.frame.loc[rows, "lstrat"]) / whole)
        ours = float(made.std_error[0]) * ratio
        numbers = {
            "estimate": number("estimate", theirs, made.value[0]),
            "SE, R's strata": number("SE", error, ours),
        }
        if variance is not None:
            numbers["variance, R's strata"] = number("deff", variance, ours**2)
        yield Row(group, "a domain, " + ", ".join(sorted(design.frame.loc[rows, "stype"].unique())), numbers)
    content = reference["domain"]["vcov"]["values"]
    made = survey.mean(design.domain(inside), "api00")
    ratio = textbook.stratum_ratio(design.frame, design.frame.loc[inside, "lstrat"]) / whole
    yield Row(
        group, "a domain, covariance", {"entries": together("deff", content, np.atleast_1d(made.vcov[0, 0] * ratio))}
    )


@REGISTRY.section(
    "Three stages", "A synthetic sample with its own strata and fpc at each of three stages (R survey 4.1.1)."
)
def stages() -> Iterator[Row]:
    for name in test_stages.DESIGNS:
        design, reference = test_stages.design(name), values("stages")[name]
        yield from estimates(name, survey.mean(design, ["y", "g"]), reference["mean"], "mean ")
        yield from estimates(name, survey.total(design, ["y", "g"]), reference["total"], "total ")
        yield from by_groups(name, survey.mean(design, "y", by="g"), "g", {"table": reference["by"]})


@REGISTRY.section("Health survey", "NHANES 2009-2010: 8,591 people, 15 strata, 31 PSUs.")
def health() -> Iterator[Row]:
    frame, reference = nhanes(), values("nhanes")
    design = survey.Design(frame, **NHANES_DESIGN)
    yield from weights("design", design, reference["w"])
    yield value("design", "df", "test", reference["degf"], design.df)
    known = float(design.weights[frame["HI_CHOL"].notna()].sum())
    yield from estimates("mean", survey.mean(design, "HI_CHOL"), reference["mean"], population=known)
    yield from estimates("mean", survey.mean(design, "race"), reference["race"])
    yield from estimates("total", survey.total(design, "HI_CHOL"), reference["total"])
    by = ["race", "sex"]
    yield from by_groups("mean by two", survey.mean(design, "HI_CHOL", by=by), by, reference["by_race_sex"])
    yield from health_groups(design, reference)
    yield from health_shares(design, reference)
    for row, column in (("chol", "race"), ("agecat", "race")):
        answered = float(frame[[row, column]].notna().all(axis=1).mean())
        yield from table_rows("independence", design, row, column, reference["chisq"][f"{row}_{column}"], answered)
    for name, rank_method in test_tests.SVYRANKTEST.items():
        ranked = test_tests.with_ranks_of_r(design, "agecat", "sex", rank_method)
        label = f"agecat by sex, {rank_method}"
        yield rank_row("rank test, with R's ranks of tied rows", label, ranked, reference["ranktest"][name])
    ordinal = survey.ordinal("agecat ~ race + sex + HI_CHOL", design)
    yield from fit("ordinal", ordinal, reference["olr_tight"])
    yield from svyolr("svyolr", ordinal, reference["olr_svyolr"])
    yield from brant_rows("agecat", survey.ordinal("agecat ~ race + sex", design), reference["brant"])
    yield from health_binary(design, reference)
    for kind in ("JKn", "subbootstrap"):
        if kind == "JKn":
            yield from health_replicates(
                kind, survey.replicate(design, kind="JKn"), values("replicates")["nhanes"][kind]
            )
    shares = survey.mean(design, "HI_CHOL", by="sex")
    odds = shares.transform(lambda e: e[1] / (1 - e[1]) / (e[0] / (1 - e[0])), names="odds ratio", df="design")
    content = values("functions")["nhanes"]["odds_ratio"]
    content = {part: content[part]["odds_ratio"] for part in ("est", "se")}
    yield simple("odds ratio", "HI_CHOL, women to men", odds, content)


def health_groups(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Groups with normal bounds, and directly standardized to given shares of the age groups."""
    made, table = survey.mean(design, "HI_CHOL", by="agecat"), reference["by_agecat"]["table"]
    yield from by_groups("mean by group", made, "agecat", reference["by_agecat"])
    for i, (group, own, error) in enumerate(zip(table["agecat"], made.value, made.std_error, strict=True)):
        numbers = {
            "cv": number("SE", table["cv"][i], error / own),
            "variance": number("deff", table["var"][i], error**2),
            "lower, normal": number("bound", table["ci_l"][i], own - stats.norm.ppf(0.975) * error, error),
            "upper, normal": number("bound", table["ci_u"][i], own + stats.norm.ppf(0.975) * error, error),
        }
        yield Row("mean by group", f"HI_CHOL · {group}", numbers)
    both, content = survey.mean(design, "HI_CHOL", by=["race", "agecat"]), reference["standardised"]
    cells = both.tidy()
    shares = dict(zip(cells["agecat"].cat.categories, map(float, content["pop"]), strict=True))
    races = list(cells["race"].cat.categories)
    matrix = np.equal.outer(races, cells["race"].to_numpy()) * cells["agecat"].map(shares).to_numpy(dtype=float)
    standardized = both.contrast(matrix, names=races, df="design")
    table = {"table": {**content["by"]["table"]}, "vcov_diag": content["by"]["vcov_diag"]}
    for i, race in enumerate(races):
        numbers = {
            "estimate": number("estimate", table["table"]["HI_CHOL"][i], standardized.value[i]),
            "SE": number("SE", table["table"]["se"][i], standardized.std_error[i]),
            "variance": number("deff", table["vcov_diag"][i], standardized.std_error[i] ** 2),
        }
        yield Row("directly standardized by age, a contrast of means", f"HI_CHOL · race {race}", numbers)


def health_shares(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Intervals among those who answered, as `subset()` before `svyciprop`; and with R's n and df of all rows."""
    method: Any
    for method, entry in values("intervals")["nhanes"]["all"].items():
        made = survey.proportion(design, "chol", interval=method)
        yield interval("interval of a share, among those who answered", method, made, "yes", entry)
    made, n, df = survey.proportion(design, "chol"), len(design.frame), reference["degf"]
    yield from intervals("interval of a share, R's n and df", "all", made, "yes", reference["ciprop"], n, df)
    young = design.domain("agecat == '(0,19]'")
    made = survey.proportion(young, "chol")
    content = reference["ciprop_sub"]
    yield from intervals("interval of a share, R's n and df", "up to 19", made, "yes", content, young.n, young.df)
    table = reference["ciprop_by"]
    for i, race in enumerate(table["race"]):
        domain = design.domain(design.frame["race"].astype(str) == str(race))
        made = survey.proportion(domain, "chol")
        entry = {
            "est": table["HI_CHOL"][i],
            "var": Value(made.std_error[1] ** 2),
            "ci": [table["ci_l"][i], table["ci_u"][i]],
        }
        group = f"interval of a share, R's n and {R_DF.removeprefix('with ')}"
        yield from intervals(group, f"race {race}", made, "yes", {"beta": entry}, domain.n, domain.df)


def health_binary(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Binary regression: its terms, and probabilities at profiles and averaged over the respondents."""
    made = survey.ordinal(HEALTH_BINARY, design)
    answered = design.frame["HI_CHOL"].notna()
    unit = float(design.weights.mean() / design.weights[answered].mean())
    yield from binary("binary regression", made, reference["glm"], unit=unit)
    terms, result = reference["glm_regterm"], made.term_test("race")
    wald, k, df = float(result.wald_chisq or np.nan), float(result.df1), float(terms["Wald"]["ddf"])
    numbers = {
        "F": number("test", terms["Wald"]["F"], wald / k),
        "df": number("test", terms["Wald"]["df"], k),
        "df, as R's + slopes": number("test", terms["Wald"]["ddf"] + len(made.slopes), made.df),
        f"p {R_DF}": number("p", terms["Wald"]["p"], float(stats.f.sf(wald / k, k, df))),
    }
    yield Row("binary regression", "term race, Wald", numbers, SVYGLM)
    yield from term_ratio("race", design, made, "chol ~ C(agecat) + sex", terms["LRT"], unit)
    at = pd.DataFrame({name: [str(v) for v in column] for name, column in reference["glm_predict"]["newdata"].items()})
    profiles = at.rename(columns={"agecat": "agecat"})
    found = survey.predicted_probabilities(made, profiles)
    matrix = made.matrix.evaluate(profile_frame(profiles, design))
    link = matrix @ made.slopes.to_numpy() - made.thresholds.iloc[0]
    slopes = np.column_stack([matrix, -np.ones(len(matrix))])
    errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, np.asarray(made.vcov), slopes))
    expected = reference["glm_predict"]
    at_profiles = {
        "probabilities": ("estimate", expected["fit"], found.value[1::2]),
        "probabilities, SE": ("SE", expected["se"], found.std_error[1::2]),
        "log odds": ("estimate", expected["link"], link),
        "log odds, SE": ("SE", expected["link_se"], errors),
    }
    kind: Any
    for label, (kind, theirs, ours) in at_profiles.items():
        yield Row("binary regression, at 16 profiles", label, {"entries": together(kind, theirs, ours)}, SVYGLM)
    average = survey.predicted_probabilities(made, {"race": list("1234")}).tidy()
    rows = average[average["level"] == "yes"].to_dict("records")
    for row in rows:
        race, expected = str(row["race"]), reference["predmeans"]
        both = float(np.hypot(row["std_error"], predicted(made, design, race, answered)))
        numbers = {
            "estimate": number("estimate", expected["est"][race], row["estimate"]),
            "SE, R's sum": number("SE", expected["se"][race], both),
        }
        yield Row("average probability", f"race {race}", numbers, SVYGLM)


def term_ratio(
    term: str, design: survey.Design, larger: survey.OrdinalFit, formula: str, reference: Mapping[str, Any], unit: float
) -> Iterator[Row]:
    """Working likelihood ratio test of a term; `svyglm` gives the mean weight of all rows weight 1."""
    smaller = survey.ordinal(formula, design)
    result = survey.likelihood_ratio_test(smaller, larger, df=reference["ddf"])
    effects = nesting(smaller, larger).effects
    numbers = {
        "chi-square": number("test", reference["chisq"], result.statistic / unit),
        "df": number("test", reference["df"], result.df1),
        "effects": together("test", reference["lambda"], effects / unit),
        "df, as R's + slopes": number("test", reference["ddf"] + len(larger.slopes), larger.df),
        "p": number("p", reference["p"], result.p_value),
    }
    yield Row("binary regression", f"term {term}, likelihood ratio", numbers, SVYGLM)


def profile_frame(profiles: pd.DataFrame, design: survey.Design) -> pd.DataFrame:
    """Profiles coded as the respondents are."""
    return pd.DataFrame({name: pd.Categorical(profiles[name], design.frame[name].cat.categories) for name in profiles})


def predicted(made: survey.OrdinalFit, design: survey.Design, race: str, answered: Any) -> float:
    """Standard error of a mean over the respondents of the probabilities that a race would have, the fit given."""
    levels = list(design.frame["race"].cat.categories)
    frame = design.frame.assign(race=pd.Categorical([race] * len(design.frame), levels))
    log_odds = made.matrix.evaluate(frame) @ made.slopes.to_numpy() - made.thresholds.iloc[0]
    frame["probability"] = pd.Series(1 / (1 + np.exp(-log_odds)), frame.index).where(answered)
    return float(survey.mean(survey.Design(frame, **NHANES_DESIGN), "probability").std_error[0])


def health_replicates(kind: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Everything of one set of replicates."""
    if design.replicates is None:
        raise ValueError(kind)
    yield value(kind, "replicates", "test", reference["R"], design.replicates.weights.shape[1])
    yield value(kind, "scale", "estimate", reference["scale"], design.replicates.scale)
    theirs = reference["rscales"]
    ordered = sorted(theirs) if isinstance(theirs, list) else [theirs] * len(design.replicates.rscales)
    scales = together("estimate", ordered, np.sort(design.replicates.rscales))
    yield Row(kind, "scales of replicates", {"entries": scales})
    yield value(kind, "df", "test", reference["degf"], design.df)
    yield from estimates(kind, survey.mean(design, "HI_CHOL"), reference["mean"])
    yield from by_groups(kind, survey.mean(design, "HI_CHOL", by="race"), "race", reference["by"])
    answered = float(design.frame["chol"].notna().mean())
    yield from table_rows(kind, design, "chol", "race", reference["chisq"], answered, infinite=True)
    made = survey.ordinal("chol ~ race + C(agecat)", design)
    content = {"coef": reference["glm"]["coef"], "se": reference["glm"]["se"]}
    yield from because(binary(f"{kind}, binary", made, content), SVYGLM)


@REGISTRY.section("Health survey: replicate weights of a file", "NHANES with R's own bootstrap.", "nhanes")
def health_bootstrap() -> Iterator[Row]:
    kind = "subbootstrap"
    yield from health_replicates(kind, replicates.health(kind), values("replicates")["nhanes"][kind])
