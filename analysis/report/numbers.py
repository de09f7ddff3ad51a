"""Every number of a report, as tidy frames of full precision; what is printed or drawn comes from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.report.comparison import Comparison, compare_unweighted
from analysis.report.gradients import Gradients, gradients
from analysis.report.regression import Regression, regress
from analysis.report.sensitivity import break_even, remaining
from analysis.study import FOCUS, Study, reasons_column
from analysis.verdicts import compare, last_against_first, share_of
from survey import (
    Banner,
    Design,
    Estimate,
    EstimationError,
    Item,
    banner,
    margin_table,
    mean,
    topline,
    weight_summary,
)
from survey.estimation import adjusted_wald, wald_chisq

TOTAL = "Total"
NOT_ASKED = "Not asked"
BANNER_COLUMNS = [
    *("banner", "group", "term", "level", "estimate", "std_error", "df", "conf_low", "conf_high"),
    *("n", "n_eff", "deff", "kind", "shown", "flag", "letters", "column_base", "column_base_weighted"),
    *("variable", "letter", "row_base", "row_base_weighted", "column_letter"),
]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The numbers of a report.

    Attributes
    ----------
    toplines : item -> all answers, with `count`, the respondents behind each; of a numeric item, its mean and range.
    banners : item -> shares by group: `banner`, `group`, then the columns of a crosstab and `variable`, `letter`.
    tests : Rao-Scott test of each item and group variable: `item`, `by`, `statistic`, `df1`, `df2`, `p_value`.
    groups : share of the focus by group, the total first: `variable`, `group`, ...
    contrasts : difference of that share between the last and the first group of each predictor; `steps`, whether
        the groups in between only rise or only fall, and `p_value` of the test that all groups are alike.
    battery : toplines of the statements of a battery, among those who answered; None where there is none.
    shares : further shares that the findings name, by `id`.
    regression : the regression; None where it cannot be fitted, for the reason `refused`.
    gradients : the regression with more predictors; None where that is not asked for, or for the reason `ungraded`.
    weights, margins, pairs : diagnostics of the weighting, and the weights before and after; None if unweighted.
    remaining, break_even : sensitivity of the focus to answers that were not meant; the total is the first row.
    comparison : what unweighted analysis would have said.
    verdicts : published figures beside ours; None where none are published.
    """

    toplines: Mapping[str, pd.DataFrame]
    banners: Mapping[str, pd.DataFrame]
    tests: pd.DataFrame
    groups: pd.DataFrame
    contrasts: pd.DataFrame
    battery: pd.DataFrame | None
    shares: pd.DataFrame
    regression: Regression | None
    refused: str | None
    gradients: Gradients | None
    ungraded: str | None
    weights: pd.DataFrame | None
    margins: pd.DataFrame | None
    pairs: pd.DataFrame | None
    remaining: pd.DataFrame
    break_even: pd.DataFrame
    comparison: Comparison
    verdicts: pd.DataFrame | None


def compute(study: Study, step: Step) -> Numbers:
    """Compute everything that a report of the study prints or draws.

    Parameters
    ----------
    study : the respondents.
    step : told what is being done.

    Returns
    -------
    The numbers.

    Raises
    ------
    SurveyError : anything that cannot be estimated and has no place in the report where that could be said.
    """
    step("Toplines")
    toplines = {item.name: item_topline(study, item) for item in topline_items(study)}
    step("Tables by group")
    made = {item.name: item_banner(study, item) for item in questions(study)}
    banners = {name: frame for name, (frame, _) in made.items()}
    tests = pd.concat([found for _, found in made.values()], ignore_index=True)
    groups = _groups(study)
    step("Regression")
    regression, refused = _regression(study)
    step("Regression with more predictors")
    graded, ungraded = gradients(study) if regression else (None, None)
    step("Unweighted analysis, for comparison")
    comparison = compare_unweighted(study, regression.fit if regression else None)
    step("Published figures")
    verdicts = compare(study, regression.fit if regression else None)
    step("Weighting and sensitivity")
    raked = study.margins is not None
    pairs = pd.DataFrame({"before": study.before.weights, "after": study.design.weights})
    total = groups.iloc[0]
    return Numbers(
        toplines=toplines,
        banners=banners,
        tests=tests,
        groups=groups,
        contrasts=_contrasts(study, groups),
        battery=_battery(study),
        shares=_shares(study),
        regression=regression,
        refused=refused,
        gradients=graded,
        ungraded=ungraded,
        weights=_scaled_summary(study.design) if study.weighted else None,
        margins=margin_table(study.design, study.margins) if raked and study.margins else None,
        pairs=pairs.groupby(["before", "after"]).size().rename("n").reset_index() if study.weighted else None,
        remaining=remaining(total[["estimate", "conf_low", "conf_high", "n", "shown"]]),
        break_even=break_even(groups),
        comparison=comparison,
        verdicts=verdicts,
    )


def topline_items(study: Study) -> list[Item]:
    """Items with a topline: what was asked, and the groups that were made of it."""
    left_out = study.settings.not_in_topline
    grouped = [*study.settings.banner, *study.settings.predictors, study.settings.outcome]
    return [
        item
        for item in study.codebook.items.values()
        if item.kind in ("nominal", "ordinal", "multiple", "numeric")
        and item.name not in left_out
        and (not item.is_derived or item.name in grouped)
    ]


def questions(study: Study) -> list[Item]:
    """Items with a detailed table: every question but the group variables themselves."""
    left_out = [*study.settings.not_a_question, *study.settings.banner]
    return [item for item in topline_items(study) if item.kind != "numeric" and item.name not in left_out]


def item_topline(study: Study, item: Item) -> pd.DataFrame:
    """All answers of one item with their weighted shares and respondents; of a number, its mean and range.

    Those who were not asked are left out; other reasons for a missing answer are shown as answers.
    """
    if item.kind == "numeric":
        values = study.design.frame[item.name].dropna().astype(np.float64)
        return mean(study.design, item.name).tidy().assign(minimum=values.min(), maximum=values.max())
    if item.kind == "multiple":
        table = topline(study.design, item)
    else:
        table = topline(asked(study.design, item), item, missing="show" if item.missing else "drop")
    frame = table.tidy().assign(count=table.count.astype(np.int64))
    return frame[(frame["kind"] != "missing") | (frame["count"] > 0)].reset_index(drop=True)


def asked(design: Design, item: Item) -> Design:
    """The domain of those who were asked an item."""
    reasons = reasons_column(item.name)
    if NOT_ASKED not in item.missing_labels or reasons not in design.frame.columns:
        return design
    return design.domain((design.frame[reasons] != NOT_ASKED).to_numpy(dtype=bool))


def rows_of(item: Item) -> list[str]:
    """Rows of a detailed table: nets in place of the answers they sum, in the order of the scale."""
    if item.kind == "multiple":
        return list(item.options.values())
    owner = {member: net for net, members in item.nets.items() for member in members}
    return list(dict.fromkeys(owner.get(label, label) for label in item.labels))


def item_banner(study: Study, item: Item) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One question by every group variable, the total first; and the Rao-Scott test of each."""
    tables = banner(study.design, [item], list(study.settings.banner))
    frame = _by_group(study, tables)
    frame = frame.assign(letter=frame["column_letter"])
    # The bases of rows are those of the tables by group; the total has its own, which is not printed.
    total = frame["variable"] == "total"
    frame = frame.assign(**{name: frame[name].mask(total) for name in ("row_base", "row_base_weighted")})
    # Summed over respondents and not over cells, which would give 2208.9999999999995 for 2209.
    answered = study.design.frame[list(item.columns)].notna().all(axis=1).to_numpy()
    everybody = float(study.design.weights[answered].sum())
    frame["column_base_weighted"] = frame["column_base_weighted"].mask(total, everybody)
    rows = rows_of(item)
    frame = frame[frame["level"].isin(rows)]
    column_at = pd.factorize(frame["variable"] + "/" + frame["group"])[0]
    row_at = frame["level"].map({level: place for place, level in enumerate(rows)})
    frame = frame.iloc[np.lexsort((row_at, column_at))].reset_index(drop=True)
    return frame[BANNER_COLUMNS], _tests(tables, item)


def _by_group(study: Study, tables: Banner) -> pd.DataFrame:
    """Shares of all tables of a banner: `banner`, the heading of the `variable`, and `group`, its level."""
    frame = tables.tidy().rename(columns={"banner": "variable", "column": "group"})
    headings = {TOTAL: TOTAL} | {name: study.heading(name) for name in tables.headings}
    frame.insert(0, "banner", frame["variable"].map(headings))
    return frame.assign(variable=frame["variable"].replace({TOTAL: "total"}))


def _tests(tables: Banner, item: Item) -> pd.DataFrame:
    """Rao-Scott test of each table in which there is something to test."""
    if item.kind == "multiple":
        return pd.DataFrame()
    tests = tables.test().rename(columns={"term": "item", "banner": "by"}).assign(method="Rao–Scott")
    made = tests["df1"].notna()  # not where one answer or one group is in use
    return tests.loc[made, ["item", "by", "method", "statistic", "df1", "df2", "p_value"]]


def _groups(study: Study) -> pd.DataFrame:
    """Share of the focus in total and by every predictor and other group variable."""
    variables = list(dict.fromkeys([*study.settings.predictors, *study.settings.banner]))
    frame = _by_group(study, banner(study.design, [study.outcome], variables)).rename(columns={"banner": "panel"})
    columns = [
        *("variable", "panel", "group", "term", "level"),
        *("estimate", "std_error", "df", "conf_low", "conf_high", "n", "n_eff", "deff", "shown", "flag"),
    ]
    return frame.loc[frame["level"] == study.settings.focus, columns].reset_index(drop=True)


def _contrasts(study: Study, groups: pd.DataFrame) -> pd.DataFrame:
    """Difference of the focus between the last and the first group of each predictor, from the joint covariance."""
    rows = []
    for variable in study.settings.predictors:
        mine = groups[groups["variable"] == variable]
        ends = mine.iloc[[0, -1]]
        names = {"variable": variable, "first": ends["group"].iloc[0], "last": ends["group"].iloc[1]}
        columns = ("estimate", "std_error", "df", "conf_low", "conf_high")
        kept, shown = dict.fromkeys(columns, np.nan), False
        if len(mine) > 1:
            row = last_against_first(study.design, FOCUS, variable)
            kept, shown = {name: float(row[name]) for name in columns}, bool(ends["shown"].all())
        found = {"steps": _steps(mine), "p_value": _any_difference(study, variable)}
        rows.append({**names, **kept, "n": int(ends["n"].sum()), "shown": shown, **found})
    return pd.DataFrame(rows)


def _steps(groups: pd.DataFrame) -> str:
    """Whether the share rises or falls from every group to the next; "mixed" also where one is not shown."""
    steps = np.diff(groups["estimate"].to_numpy(dtype=np.float64))
    if not len(steps) or not groups["shown"].all():
        return "mixed"
    return "rising" if (steps > 0).all() else "falling" if (steps < 0).all() else "mixed"


def _any_difference(study: Study, variable: str) -> float:
    """P value of the adjusted Wald test that the focus has the same share in all groups; NaN where there is none."""
    means = mean(study.design, FOCUS, by=variable)
    k = means.value.size
    try:
        found = means.contrast(np.column_stack([-np.ones(k - 1), np.eye(k - 1)])) if k > 1 else None
        return float("nan") if found is None else adjusted_p_value(found)
    except EstimationError:
        return float("nan")  # a group where everybody, or nobody, gives the answer


def adjusted_p_value(contrasts: Estimate) -> float:
    """P value of the adjusted Wald test that all contrasts are zero."""
    statistic = wald_chisq(contrasts.value, contrasts.vcov)
    return adjusted_wald(statistic, contrasts.value.size, contrasts.whole_df, "adjusted Wald").p_value


def _battery(study: Study) -> pd.DataFrame | None:
    """Toplines of the statements of a battery, below each other."""
    items = study.settings.battery.get("items", ())
    parts = [topline(study.design, study.codebook.item(name)).tidy() for name in items]
    return pd.concat(parts, ignore_index=True) if parts else None


def _shares(study: Study) -> pd.DataFrame:
    """Further shares that the findings name."""
    rows = []
    for name, rule in study.settings.shares.items():
        found = share_of(study, rule["item"], rule["answer"], rule.get("among", {}))
        rows.append({"id": name, "item": rule["item"], "answer": rule["answer"], **found})
    return pd.DataFrame(rows)


def _regression(study: Study) -> tuple[Regression | None, str | None]:
    """The regression, or why there is none: a small file may leave an answer without respondents in a group."""
    try:
        return regress(study), None
    except EstimationError as error:
        return None, str(error).replace("`", "")


def _scaled_summary(design: Design) -> pd.DataFrame:
    """Summary of the weights scaled to mean one."""
    summary = weight_summary(design)
    mean_weight = summary["sum"] / summary["n"]
    scaled = {name: summary[name] / mean_weight for name in ("sum", "min", "max")}
    return summary.assign(**scaled)
