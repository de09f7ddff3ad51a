"""Answers to every question: toplines, tables by group and their tests, and what the findings name of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.study import Study, reasons_column
from analysis.verdicts import share_of
from survey import Banner, Design, Item, banner, mean, topline

TOTAL = "Total"
NOT_ASKED = "Not asked"
BANNER_COLUMNS = [
    *("banner", "group", "term", "level", "estimate", "std_error", "df", "conf_low", "conf_high"),
    *("n", "n_eff", "deff", "kind", "shown", "flag", "letters", "column_base", "column_base_weighted"),
    *("variable", "letter", "row_base", "row_base_weighted", "column_letter"),
]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers to the questions of a study.

    Attributes
    ----------
    toplines : item -> all answers, with `count`, the respondents behind each; of a numeric item, its mean and range.
    banners : item -> shares by group: `banner`, `group`, then the columns of a crosstab and `variable`, `letter`.
    tests : Rao-Scott test of each item and group variable: `item`, `by`, `statistic`, `df1`, `df2`, `p_value`.
    battery : toplines of the statements of a battery, among those who answered; None where there is none.
    shares : further shares that the findings name, by `id`.
    """

    toplines: Mapping[str, pd.DataFrame]
    banners: Mapping[str, pd.DataFrame]
    tests: pd.DataFrame
    battery: pd.DataFrame | None
    shares: pd.DataFrame


def topline_items(study: Study) -> list[Item]:
    """Items with a topline: what was asked, and the groups that were made of it."""
    left_out = study.settings.tables.not_in_topline
    grouped = [*study.settings.tables.banner, *study.settings.predictors, study.settings.outcome]
    return [
        item
        for item in study.codebook.items.values()
        if item.kind in ("nominal", "ordinal", "multiple", "numeric")
        and item.name not in left_out
        and (not item.is_derived or item.name in grouped)
    ]


def questions(study: Study) -> list[Item]:
    """Items with a detailed table: every question but the group variables themselves."""
    left_out = [*study.settings.tables.not_a_question, *study.settings.tables.banner]
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
    tables = banner(study.design, [item], list(study.settings.tables.banner))
    frame = by_group(study, tables)
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


def by_group(study: Study, tables: Banner) -> pd.DataFrame:
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
    testable = tests["df1"].notna()  # not where one answer or one group is in use
    return tests.loc[testable, ["item", "by", "method", "statistic", "df1", "df2", "p_value"]]


def battery_toplines(study: Study) -> pd.DataFrame | None:
    """Toplines of the statements of a battery, below each other."""
    items = study.settings.battery.get("items", ())
    parts = [topline(study.design, study.codebook.item(name)).tidy() for name in items]
    return pd.concat(parts, ignore_index=True) if parts else None


def further_shares(study: Study) -> pd.DataFrame:
    """Further shares that the findings name."""
    rows = []
    for name, rule in study.settings.tables.shares.items():
        share = share_of(study, rule["item"], rule["answer"], among=rule.get("among", {}))
        rows.append({"id": name, "item": rule["item"], "answer": rule["answer"], **share})
    return pd.DataFrame(rows)
