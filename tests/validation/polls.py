"""Polls that are not redistributed here: ANES 2020, General Social Survey, online polls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import survey
from tests.reference import test_anes2020 as anes
from tests.reference import test_hypotheses as test_tests
from tests.reference import test_onlinepolls as polls
from tests.reference import test_quantiles as quantile_tests
from tests.reference_data import factor, ordered, read_csv, shared, shared_values, yes_no
from tests.validation.fits import R_DF, SVYGLM, SVYOLR, binary, brant_rows, fit, svyolr
from tests.validation.likelihood import CLM_CAUCHIT, likelihood_rows
from tests.validation.results import (
    ITERATED,
    by_groups,
    estimates,
    given_shares,
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
from tests.validation.rows import REGISTRY, Reason, Row, number, together
from tests.validation.surveys import term_ratio

CLM_TIGHT = Reason("`clm` takes its information one step before its solution", 1e-8)
PROFRESP = Reason("R stops raking when no cell moves by 1e-4 of the population, 4e-7 of a weight", 1e-6)


@REGISTRY.section("ANES 2020", "American National Election Study: 7,453 people, 50 strata, 101 PSUs.", "anes2020")
def election() -> Iterator[Row]:
    frame, reference = anes.respondents(), shared_values("anes2020/anes2020.json")
    frame["Education2"] = merged_education(frame)
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    yield from weights("design", design, reference["w"])
    yield value("design", "df", "test", reference["degf"], design.df)
    unweighted = survey.Design(frame, weight=None)
    npsu = design.frame[["Stratum", "VarUnit"]].drop_duplicates()
    yield value("design", "PSUs", "test", reference["npsu"], len(npsu))
    for item in anes.ITEMS:
        known = frame[item].notna()
        made = survey.mean(design, item)
        population = float(design.weights[known].sum())
        yield from estimates("share", made, reference["props"][item], population=population)
        yield from estimates("total", survey.total(design, item), reference["totals"][item])
        counts = survey.total(unweighted, item).tidy().astype({"level": str}).set_index("level")["estimate"]
        for level, count in reference["props_n"][item].items():
            yield value("respondents", f"{item}, {level}", "test", count, counts[level])
    age = survey.mean(design, "Age")
    population = float(design.weights[frame["Age"].notna()].sum())
    yield from estimates("mean", age, reference["mean_age"], population=population)
    yield from estimates("mean of two", survey.mean(design, ["tg", "tp"]), reference["mean_tg"])
    yield simple("variance", "Age", survey.var(design, "Age"), reference["var_age"])
    yield from election_groups(design, reference)
    yield from election_shares(design, reference)
    for table, (row, column) in anes.CROSSTABS.items():
        answered = 1.0 if table == "age_vote" else float(frame[[row, column]].notna().all(axis=1).mean())
        yield from table_rows("independence", design, row, column, reference["chisq"][table], answered)
    ages = quantile_tests.ages()
    for kind, choice in quantile_tests.WOODRUFF.items():
        made_q = survey.quantile(ages, "Age", quantile_tests.AGES, interval=choice)
        table_ = reference["quantile_age"][kind]["Age"]["values"]
        yield from quantiles(f"quantile of age, {choice}", made_q, table_, quantile_tests.AGES)
    made_q = survey.quantile(ages, "Age", quantile_tests.AGES, interval="score")
    for q, theirs, own in zip(
        quantile_tests.AGES, reference["quantile_age"]["score"]["Age"]["values"], made_q.value, strict=True
    ):
        yield Row(
            "quantile of age, score (bounds: see above)", f"{q}", {"estimate": number("estimate", theirs[0], own)}
        )
    yield from election_tests(design, reference)
    yield from election_models(design, reference)
    made_again = survey.replicate(design, kind="JKn")
    expected = reference["jkn"]
    if made_again.replicates is not None:
        yield value("JKn", "replicates", "test", expected["R"], made_again.replicates.weights.shape[1])
    yield value("JKn", "df", "test", expected["degf"], made_again.df)
    yield from estimates("JKn", survey.mean(made_again, "TrustGovernment"), expected["tg"])
    yield from by_groups("JKn", survey.mean(made_again, "TGusual", by="Education"), "Education", expected["by"])
    yield from web_sample(frame, reference["rake_web"])


def merged_education(frame: pd.DataFrame) -> pd.Series:
    """Education with the two highest levels as one."""
    higher = frame["Education"].astype(object)
    higher = higher.where(~frame["Education"].isin(["Bachelor's", "Graduate"]), "Bachelor or Higher")
    return factor(higher, ["Less than HS", "High school", "Post HS", "Bachelor or Higher"])


def election_groups(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Shares and means by groups."""
    for group in anes.GROUPS:
        yield from by_groups(
            "share by group", survey.mean(design, "TrustGovernment", by=group), group, reference["trust_by"][group]
        )
        yield from by_groups(
            "mean by group", survey.mean(design, "TGusual", by=group), group, reference["usual_by"][group]
        )
        made, table = survey.proportion(design, "usual", by=group), reference["usual_by_ci"][group]
        yield from intervals_by(f"interval by group, {group}", made, group, "yes", table)
    by = ["Education", "Gender"]
    yield from by_groups("mean by two", survey.mean(design, "TGusual", by=by), by, reference["usual_by_edu_gender"])


def intervals_by(group: str, made: survey.Estimate, by: str, level: str, table: Mapping[str, Any]) -> Iterator[Row]:
    """`svyby(svyciprop)` of one answer; estimates too are found by iteration."""
    frame = made.tidy().astype({"level": str, by: str})
    rows = {row[by]: row for row in frame[frame["level"] == level].to_dict("records")}
    (share,) = set(table) - {by, "ci_l", "ci_u", "_row"}
    for i, name in enumerate(map(str, table[by])):
        row = rows[name]
        error = row["std_error"]
        numbers = {
            "estimate": number("coefficient", table[share][i], row["estimate"], error),
            "lower": number("bound", table["ci_l"][i], row["conf_low"], error),
            "upper": number("bound", table["ci_u"][i], row["conf_high"], error),
        }
        yield Row(group, name, numbers, ITERATED)


def election_shares(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Intervals with the n and the df of all rows, and of each answer among those who answered."""
    made, n, df = survey.proportion(design, "usual"), len(design.frame), reference["degf"]
    yield from intervals(
        "interval of a share, R's n and df", "usual", made, "yes", reference["ciprop"]["TGusual"], n, df
    )
    method: Any
    for method in ("logit", "beta"):
        made = survey.proportion(design, "TrustGovernment", interval=method)
        for level, entry in reference["ciprop"][f"TrustGovernment_{method}"].items():
            reason = ITERATED if method == "logit" else None
            yield interval(f"interval of a share, {method}", level, made, level, entry, reason)


def election_tests(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """T and rank tests, and given shares with R's mistake about their order."""
    entries = reference["ttest"]
    yield t_rows(
        "t test", "Age by Gender", survey.t_test(design, "Age", by="Gender", df="design"), entries["age_gender"]
    )
    yield t_rows(
        "t test", "trust by Gender", survey.t_test(design, "tg", by="Gender", df="design"), entries["tg_gender"]
    )
    one = survey.t_test(design, "Age", value=47, df="design")
    yield t_rows("t test of one mean (df: see above)", "Age = 47", one, entries["one"], 47, -1)
    for part, by in (("ranktest", "Gender"), ("ranktest_k", "Education")):
        for test, entry in reference[part].items():
            method = test_tests.SVYRANKTEST[test]
            ranked = test_tests.with_ranks_of_r(design, "tg", by, method)
            yield rank_row("rank test, with R's ranks of tied rows", f"tg by {by}, {method}", ranked, entry)
    shares = dict(zip(design.frame["Education2"].cat.categories, [0.11, 0.27, 0.29, 0.33], strict=True))
    group = "given shares, mixed up as in R (see above)"
    yield given_shares(group, design, "Education2", shares, reference["gofchisq_edu"])


def election_models(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Ordinal regression with five links, its terms, Brant's test, and binary regression."""
    link: Any
    formula = "TrustGovernment ~ Age + Gender + Education + Income7"
    for link in ("logit", "probit", "cloglog", "loglog", "cauchit"):
        made = survey.ordinal(formula, design, link=link)
        entry = reference["olr_tight" if link == "logit" else f"olr_tight_{link}"]
        yield from fit(f"ordinal, {link}", made, entry, CLM_CAUCHIT if link == "cauchit" else None)
        if link == "logit":
            yield from svyolr("svyolr", made, reference["olr_svyolr"])
            yield from wald_terms("svyolr", made, reference["olr_regterm"], SVYOLR)
    yield from brant_rows("ANES", survey.ordinal("TrustGovernment ~ Age + Gender", design), reference["brant"])
    frame = design.frame
    vote = frame["VotedPres2020_selection"]
    frame = frame.assign(biden=yes_no(vote == "Biden", vote.notna()), early=frame["EarlyVote2020"])
    frame["early"] = frame["early"].cat.reorder_categories(
        ["No", *(c for c in frame["early"].cat.categories if c != "No")]
    )
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    terms = ["Age", "Gender", "Education", "Income7", "RaceEth"]
    for entry_, outcome, columns in (
        ("glm_trust_vote", "usual", ["VotedPres2020_selection"]),
        ("glm_biden_main", "biden", ["early", "Income7"]),
        ("glm_trust_full", "usual", terms),
    ):
        known = frame[[outcome, *columns]].notna().all(axis=1)
        unit = float(design.weights.mean() / design.weights[known].mean())
        made = survey.ordinal(f"{outcome} ~ {' + '.join(columns)}", design)
        yield from binary(
            f"binary regression, {entry_}", made, renamed(reference[entry_], "EarlyVote2020", "early"), unit=unit
        )
    for term, entry in reference["glm_trust_full_regterm"].items():
        yield from wald_terms("binary regression, glm_trust_full", made, {term: entry["Wald"]}, SVYGLM)
        smaller = f"usual ~ {' + '.join(name for name in terms if name != term)}"
        yield from term_ratio(term, design.domain(known), made, smaller, entry["LRT"], unit)


def renamed(entry: Mapping[str, Any], theirs: str, ours: str) -> dict[str, Any]:
    """An entry with another name of a variable in the names of its terms."""
    return {
        key: {name.replace(theirs, ours): n for name, n in part.items()} if key in ("coef", "se", "t", "p") else part
        for key, part in entry.items()
    }


def wald_terms(group: str, made: survey.OrdinalFit, entries: Mapping[str, Any], reason: Reason) -> Iterator[Row]:
    """`regTermTest`: F of a term, which ours adjusts for the df that the hypotheses cost."""
    for term, entry in entries.items():
        result = made.term_test(term)
        wald, k, df = float(result.wald_chisq or np.nan), float(result.df1), float(entry["ddf"])
        numbers = {
            "F": number("test", entry["F"], wald / k),
            "df": number("test", entry["df"], k),
            "df, as R's + slopes": number("test", entry["ddf"] + len(made.slopes), made.df),
            f"p {R_DF}": number("p", entry["p"], float(stats.f.sf(wald / k, k, df))),
        }
        yield Row(group, f"term {term}, Wald", numbers, Reason(reason.text, reason.limit, 0.02))


def web_sample(frame: pd.DataFrame, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Those who answered online, as if unweighted, raked to three margins."""
    items, group = ["AgeGroup", "Education", "Gender"], "web sample, raked"
    online_only = frame[(frame["InterviewMode"] == "Web") & frame[items].notna().all(axis=1)].reset_index(drop=True)
    yield value(group, "n", "test", reference["N"], len(online_only))
    targets: dict[str | tuple[str, ...], Any] = {
        item: dict(
            zip(frame[item].cat.categories, np.array(reference["targets"][item]) * len(online_only), strict=True)
        )
        for item in items
    }
    online_only["usual_by_code"] = yes_no(online_only["tg"] <= 2, online_only["tg"].notna())
    unweighted = survey.Design(online_only, weight=None)
    for level, share in reference["tg_unweighted"].items():
        made = survey.mean(unweighted, "TrustGovernment").tidy().set_index("level")["estimate"]
        yield value("web sample, unweighted", level, "estimate", share, made[level])
    design = survey.rake(unweighted, targets)
    column = read_csv(shared("anes2020") / "anes_web_raked.csv")["raked"]
    yield Row(group, "weights", {"entries": together("estimate", column, design.weights)})
    yield from weights(group, design, reference["w"])
    trust = survey.mean(design, "TrustGovernment")
    yield from estimates(group, trust, with_other_df(reference["tg"], trust))
    yield Row(group, "SE of `calibrate`", {"SEs": together("SE", reference["tg_calibrate_se"], trust.std_error)})
    name = "I(as.integer(TrustGovernment) <= 2)"
    terms = {f"{name}FALSE": "usual_by_codeno", f"{name}TRUE": "usual_by_codeyes"}
    yield from by_groups(
        group, survey.mean(design, "usual_by_code", by="Education"), "Education", reference["by"], terms
    )
    yield from fit(
        f"{group}, ordinal", survey.ordinal("TrustGovernment ~ AgeGroup + Education + Gender", design), reference["olr"]
    )


@REGISTRY.section("General Social Survey", "2010 and 2018: strata and PSUs, a four-point attitude.", "gss")
def general_social_survey() -> Iterator[Row]:
    for year in polls.GSS_YEARS:
        frame = read_csv(shared("gss") / "gss.csv")
        kept = (frame["year"] == int(year)) & frame["wtssps"].notna() & frame["vpsu"].notna()
        frame = frame[kept].reset_index(drop=True)
        frame["fef"] = ordered(frame["fefam"], [1, 2, 3, 4], ["SA", "A", "D", "SD"])
        frame["disagree"] = yes_no(frame["fefam"] >= 3, frame["fefam"].notna())
        frame["female"] = (frame["sex"] == 2).astype(float).where(frame["sex"].notna())
        for column, item in {"degree": "degree", "racef": "race", "sex": "sex"}.items():
            frame[column] = factor(frame[item].dropna().astype(int).astype(str).reindex(frame.index))
        design = survey.Design(frame, weight="wtssps", strata="vstrat", psu="vpsu", nest=True)
        yield from social_year(year, design, shared_values("gss/gss.json")[f"y{year}"]["adjust"])


def social_year(year: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Everything of one year."""
    answered = design.frame["fef"].notna()
    asked = design.domain(answered)
    yield value(f"design, {year}", "n", "test", reference["n"], design.n)
    yield value(f"design, {year}", "n who answered", "test", reference["n_fefam"], asked.n)
    yield value(f"design, {year}", "df", "test", reference["degf"], design.df)
    psus = design.frame.groupby("vstrat")["vpsu"].nunique()
    yield value(f"design, {year}", "strata with one PSU", "test", reference["lonely"], float((psus == 1).sum()))
    yield from weights(f"design, {year}", design, reference["w"])
    yield from estimates(f"share, {year}", survey.mean(design, "disagree"), reference["disagree"])
    yield from estimates(f"share, {year}", survey.mean(design, "fef"), reference["props"])
    yield from estimates(
        f"mean, {year}", survey.mean(design, "age"), with_other_df(reference["age"], survey.mean(design, "age"))
    )
    yield from by_groups(f"share, {year}", survey.mean(design, "fef", by="sex"), "sex", reference["by_sex"])
    name = "I(fefam >= 3)"
    terms = {f"{name}FALSE": "disagreeno", f"{name}TRUE": "disagreeyes"}
    yield from by_groups(
        f"share, {year}", survey.mean(design, "disagree", by="degree"), "degree", reference["by_degree"], terms
    )
    made = survey.proportion(design, "disagree")
    yield from intervals(
        f"interval of a share, {year}", "disagree", made, "yes", reference["ciprop"], asked.n, asked.df
    )
    share = float(design.frame[["fef", "degree"]].notna().all(axis=1).sum() / asked.n)
    yield from table_rows(f"independence, {year}", design, "fef", "degree", reference["chisq"], share)
    ranked = test_tests.with_ranks_of_r(design, "fef", "sex", "wilcoxon")
    yield rank_row(f"rank test, {year}, with R's ranks of tied rows", "fef by sex, wilcoxon", ranked, reference["rank"])
    yield from fit(f"ordinal, {year}", survey.ordinal("fef ~ age + female + degree + racef", design), reference["olr"])
    yield from brant_rows(f"GSS {year}", survey.ordinal("fef ~ age + female", design), reference["brant"])
    made_fit = survey.ordinal("disagree ~ age + female + degree", design)
    yield from binary(f"binary regression, {year}", made_fit, reference["logit"])


@REGISTRY.section(
    "Online polls",
    "CCES 2018 (1,000 cases) and 538's non-voters: weights only; non-voters raked; professional respondents weighted "
    "to the adult population in three ways.",
    "onlinepolls",
)
def online() -> Iterator[Row]:
    content = shared_values("onlinepolls/onlinepolls.json")
    for poll, (outcome, top, *_) in polls.POLLS.items():
        frame = polls.cces18() if poll == "cces18" else polls.nonvoters()
        frame["top"] = yes_no(frame[outcome] == top, frame[outcome].notna())
        design = survey.Design(frame, weight="commonweight" if poll == "cces18" else "weight")
        reference = content["cces18"] if poll == "cces18" else content["nonvoters"][poll]
        yield from poll_rows(poll, design, reference)
    yield from raked_poll(content["nonvoters_rake"])
    for way in ("unweighted", "raked", "poststratified"):
        yield from panel(way, polls.panel_design(way), content["profresp"])


def poll_rows(poll: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Everything of one question of a poll."""
    outcome, _, groups, formula = polls.POLLS[poll]
    asked = design.domain(design.frame[outcome].notna())
    yield value(f"design, {poll}", "n", "test", reference["n"], asked.n)
    yield value(f"design, {poll}", "df", "test", reference["degf"], asked.df)
    yield from weights(f"design, {poll}", asked, reference["w"])
    yield from estimates(f"share, {poll}", survey.mean(design, outcome), reference["props"])
    made = survey.proportion(design, "top")
    yield from intervals(f"interval of a share, {poll}", "top", made, "yes", reference["top"], asked.n, asked.df)
    for group in groups:
        yield from by_groups(
            f"share by group, {poll}", survey.mean(design, outcome, by=group), group, reference["by"][group]
        )
        made_by, table = survey.proportion(design, "top", by=group), reference["top_by"][group]
        yield from intervals_by(f"interval by group, {poll}", made_by, group, "yes", table)
        yield from table_rows(f"independence, {poll}", design, outcome, group, reference["chisq"][group])
        ranked = test_tests.with_ranks_of_r(design, outcome, group, "kruskal-wallis")
        label = f"{outcome} by {group}, kruskal-wallis"
        yield rank_row(f"rank test, {poll}, with R's ranks of tied rows", label, ranked, reference["ranktest"][group])
    ordinal = survey.ordinal(formula, design)
    yield from fit(f"ordinal, {poll}", ordinal, reference["olr_tight"])
    yield from svyolr(f"svyolr, {poll}", ordinal, reference["olr_svyolr"])
    plain = survey.ordinal(formula, survey.Design(design.frame, weight=None))
    yield from likelihood_rows_by_name(f"unweighted, {poll}", plain, reference["olr_unweighted"])
    yield from brant_rows(poll, ordinal, reference["brant"])
    columns = formula.split(" ~ ")[1]
    known = design.frame[[outcome, *columns.split(" + ")]].notna().all(axis=1)
    unit = float(design.weights[design.frame[outcome].notna()].mean() / design.weights[known].mean())
    made_fit = survey.ordinal(f"top ~ {columns}", design)
    yield from binary(f"binary regression, {poll}", made_fit, reference["logit"], unit=unit)


def likelihood_rows_by_name(group: str, made: survey.OrdinalFit, result: Mapping[str, Any]) -> Iterator[Row]:
    """`clm` without weights: slopes by name, thresholds by position."""
    thresholds = {
        str(ours): theirs for ours, theirs in zip(made.thresholds.index, result["zeta"].values(), strict=True)
    }
    errors = {**result["se"]}
    names = dict(zip(result["zeta"], made.thresholds.index, strict=True))
    entry = {"coef": {**thresholds, **result["coef"]}, "se": {str(names.get(k, k)): v for k, v in errors.items()}}
    yield from likelihood_rows(group, made, entry, CLM_TIGHT)


def raked_poll(reference: Mapping[str, Any]) -> Iterator[Row]:
    """The non-voters as an unweighted poll, raked to four margins; and the mistake to take the weights as given."""
    frame = polls.nonvoters()
    targets: dict[str | tuple[str, ...], Any] = {
        item: dict(zip(frame[item].cat.categories, np.array(shares) * len(frame), strict=True))
        for item, shares in reference["targets"].items()
    }
    raked = survey.rake(survey.Design(frame, weight=None), targets)
    column = read_csv(shared("onlinepolls") / "nonvoters_raked.csv")["raked"]
    yield Row("raked", "weights", {"entries": together("estimate", column, raked.weights)})
    yield from weights("raked", raked, reference["w"])
    trust = survey.mean(raked, "trust_presidency")
    yield from estimates("raked", trust, with_other_df(reference["trust"], trust))
    made = survey.ordinal("trust_presidency ~ agegrp + educ + income_cat", raked)
    yield from fit("raked, ordinal", made, reference["olr"])
    given = survey.Design(frame.assign(raked=raked.weights), weight="raked")
    ignored = survey.mean(given, "trust_presidency")
    yield from estimates("raked weights taken as given, a mistake", ignored, reference["trust_ignoring_calibration"])


def panel(way: str, design: survey.Design, content: Mapping[str, Any]) -> Iterator[Row]:
    """Professional respondents, weighted in one of three ways."""
    reference, group = content[way], f"professional respondents, {way}"
    reason = PROFRESP if way == "raked" else None
    rows = list(weights(group, design, reference["w"]))
    if way != "unweighted":
        name = {"raked": "raked", "poststratified": "poststrat"}[way]
        column = read_csv(shared("onlinepolls") / "profresp_weights.csv")[name]
        rows.append(Row(group, "weights", {"entries": together("estimate", column, design.weights)}))
    motive = survey.mean(design, "motive")
    rows += estimates(group, motive, reference["motive"])
    rows.append(value(group, "df", "test", reference["prof"]["df"], design.df))
    for row in rows:
        yield Row(row.group, row.label, row.numbers, reason)
    made = survey.ordinal("prof ~ gender + age3cat + edu3cat", design)
    yield from fit(f"{group}, ordinal", made, reference["olr"], reason)
