"""Polls that are not redistributed here: ANES 2020, General Social Survey, online polls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

import survey
from tests import test_reference_anes2020 as anes
from tests import test_reference_onlinepolls as polls
from tests import test_reference_quantiles as quantile_tests
from tests.reference_data import (
    SVYCIPROP,
    factor,
    ordered,
    read_csv,
    shared,
    shared_values,
    yes_no,
)
from tests.validation.rows import (
    REGISTRY,
    TESTS,
    Row,
    brant_row,
    by_groups,
    estimates,
    fit,
    independence,
    interval,
    quantiles,
    t_rows,
    together,
)

SVYCIPROP_N = '`svyciprop("beta")` counts respondents who did not answer into n'


@REGISTRY.section("ANES 2020", "American National Election Study: 7,453 people, 50 strata, 101 PSUs.", "anes2020")
def election() -> Iterator[Row]:
    frame, reference = anes.respondents(), shared_values("anes2020/anes2020.json")
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    for item in anes.ITEMS:
        yield from estimates("share", survey.mean(design, item), reference["props"][item])
        yield from estimates("total", survey.total(design, item), reference["totals"][item])
    yield from estimates("mean", survey.mean(design, "Age"), reference["mean_age"])
    for group in anes.GROUPS:
        table = reference["usual_by"][group]["table"]
        yield from by_groups("share by group", survey.mean(design, "TGusual", by=group), group, table)
    by = ["Education", "Gender"]
    table = reference["usual_by_edu_gender"]["table"]
    yield from by_groups("share by two", survey.mean(design, "TGusual", by=by), by, table)
    method: Any
    for method, r_method in SVYCIPROP.items():
        made = survey.proportion(design, "usual", interval=method)
        reason = SVYCIPROP_N if method == "beta" else ""
        entry = reference["ciprop"]["TGusual"][r_method]
        yield interval("interval of a share", f"usually trusts, {method}", made, "yes", entry, reason)
    for table_, (row, column) in anes.CROSSTABS.items():
        answered = 1.0 if table_ == "age_vote" else float(frame[[row, column]].notna().all(axis=1).mean())
        crosstab = survey.crosstab(design, row, column)
        for statistic, method in TESTS.items():
            content = reference["chisq"][table_][statistic]
            yield independence(
                "independence", f"{row} by {column}, {method}", crosstab.test(method=method), content, answered
            )
    ages = quantile_tests.ages()
    for kind, choice in quantile_tests.WOODRUFF.items():
        made_q = survey.quantile(ages, "Age", quantile_tests.AGES, interval=choice)
        table = reference["quantile_age"][kind]["Age"]["values"]
        yield from quantiles(f"quantile of age, {choice}", made_q, table, quantile_tests.AGES)
    yield t_rows("t test", "Age by Gender", survey.t_test(design, "Age", by="Gender"), reference["ttest"]["age_gender"])
    yield t_rows("t test", "trust by Gender", survey.t_test(design, "tg", by="Gender"), reference["ttest"]["tg_gender"])
    link: Any
    for link in ("logit", "probit", "cloglog", "loglog"):
        fitted = survey.ordinal("TrustGovernment ~ Age + Gender + Education + Income7", design, link=link)
        yield from fit(f"ordinal, {link}", fitted, reference["olr_tight" if link == "logit" else f"olr_tight_{link}"])
    yield brant_row("ANES", survey.ordinal("TrustGovernment ~ Age + Gender", design), reference["brant"])
    expected, made_again = reference["jkn"], survey.replicate(design, kind="JKn")
    yield from estimates("JKn", survey.mean(made_again, "TrustGovernment"), expected["tg"])
    by_education = survey.mean(made_again, "TGusual", by="Education")
    yield from by_groups("JKn", by_education, "Education", expected["by"]["table"])
    yield from web_sample(frame, reference["rake_web"])


def web_sample(frame: pd.DataFrame, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Those who answered online, as if unweighted, raked to three margins."""
    items = ["AgeGroup", "Education", "Gender"]
    online_only = frame[(frame["InterviewMode"] == "Web") & frame[items].notna().all(axis=1)].reset_index(drop=True)
    targets: dict[str | tuple[str, ...], Any] = {
        item: dict(
            zip(frame[item].cat.categories, np.array(reference["targets"][item]) * len(online_only), strict=True)
        )
        for item in items
    }
    design = survey.rake(survey.Design(online_only, weight=None), targets)
    weights = read_csv(shared("anes2020") / "anes_web_raked.csv")["raked"]
    yield Row("web sample, raked", "weights", {"entries": together("estimate", weights, design.weights)})
    expected = {part: reference["tg"][part] for part in ("est", "se", "vcov")}
    yield from estimates("web sample, raked", survey.mean(design, "TrustGovernment"), expected)
    made = survey.ordinal("TrustGovernment ~ AgeGroup + Education + Gender", design)
    yield from fit("web sample, raked, ordinal", made, reference["olr"])


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
        reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]
        yield from estimates(f"share, {year}", survey.mean(design, "fef"), reference["props"])
        yield from by_groups(
            f"share, {year}", survey.mean(design, "fef", by="sex"), "sex", reference["by_sex"]["table"]
        )
        method: Any
        for method, r_method in SVYCIPROP.items():
            made = survey.proportion(design, "disagree", interval=method)
            yield interval(f"interval of a share, {year}", method, made, "yes", reference["ciprop"][r_method])
        for statistic, method in TESTS.items():
            result = survey.crosstab(design, "fef", "degree").test(method=method)
            yield independence(
                f"independence, {year}", f"fef by degree, {method}", result, reference["chisq"][statistic]
            )
        fitted = survey.ordinal("fef ~ age + female + degree + racef", design)
        yield from fit(f"ordinal, {year}", fitted, reference["olr"])


@REGISTRY.section(
    "Online polls", "CCES 2018 (1,000 cases) and 538's non-voters: weights only; and non-voters raked.", "onlinepolls"
)
def online() -> Iterator[Row]:
    content = shared_values("onlinepolls/onlinepolls.json")
    for poll, (outcome, top, groups, formula) in polls.POLLS.items():
        frame = polls.cces18() if poll == "cces18" else polls.nonvoters()
        frame["top"] = yes_no(frame[outcome] == top, frame[outcome].notna())
        design = survey.Design(frame, weight="commonweight" if poll == "cces18" else "weight")
        reference = content["cces18"] if poll == "cces18" else content["nonvoters"][poll]
        yield from estimates(f"share, {poll}", survey.mean(design, outcome), reference["props"])
        method: Any
        for method, r_method in SVYCIPROP.items():
            made = survey.proportion(design, "top", interval=method)
            yield interval(f"interval of a share, {poll}", method, made, "yes", reference["top"][r_method])
        for group in groups:
            table = {"est": "", **reference["by"][group]["table"]}
            table.pop("est")
            yield from by_groups(f"share by group, {poll}", survey.mean(design, outcome, by=group), group, table)
            crosstab = survey.crosstab(design, outcome, group)
            for statistic, method in TESTS.items():
                entry = reference["chisq"][group][statistic]
                yield independence(f"independence, {poll}", f"{group}, {method}", crosstab.test(method=method), entry)
        yield from fit(f"ordinal, {poll}", survey.ordinal(formula, design), reference["olr_tight"])
    reference, frame = content["nonvoters_rake"], polls.nonvoters()
    targets: dict[str | tuple[str, ...], Any] = {
        item: dict(zip(frame[item].cat.categories, np.array(shares) * len(frame), strict=True))
        for item, shares in reference["targets"].items()
    }
    raked = survey.rake(survey.Design(frame, weight=None), targets)
    weights = read_csv(shared("onlinepolls") / "nonvoters_raked.csv")["raked"]
    yield Row("raked", "weights", {"entries": together("estimate", weights, raked.weights)})
    expected = {part: reference["trust"][part] for part in ("est", "se", "vcov")}
    yield from estimates("raked", survey.mean(raked, "trust_presidency"), expected)
    yield from fit(
        "raked, ordinal", survey.ordinal("trust_presidency ~ agegrp + educ + income_cat", raked), reference["olr"]
    )
