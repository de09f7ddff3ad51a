"""The tables of a report: what is printed, from the frames of `Numbers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.report.answers import TOTAL
from analysis.report.comparison import NOT_APPLICABLE
from analysis.report.figures import dashed
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey import Item
from survey.report import (
    UNRELIABLE,
    crosstab_gt,
    dashes,
    effects_table,
    interval,
    lower_first,
    number,
    odds_ratio,
    odds_ratio_table,
    p_value,
    percent,
    phrases,
    table_html,
    term_and_level,
    topline_gt,
    upper_first,
)

if TYPE_CHECKING:
    from great_tables import GT

Tab = dict[str, object]


def topline_tab(study: Study, item: Item, frame: pd.DataFrame) -> Tab:
    """All answers of one question, with the respondents behind each; of a number, its mean and range."""
    if item.kind == "numeric":
        return _numeric_tab(item, frame)
    base = int(frame["n"].max())
    labels = [
        f"Net: {label}" if net else label for label, net in zip(frame["level"], frame["kind"] == "net", strict=True)
    ]
    printed = dashed(frame.assign(n=frame["count"], level=labels), "level")
    table = topline_gt(printed, id=f"topline-{item.name}")
    heads = {"share": "Weighted %" if study.weighted else "%", "interval": "95% interval", "n": "Respondents"}
    table = table.cols_label(cases=heads)
    fixed = study.margins is not None and study.codebook.weight is None and item.name in study.margins
    if fixed:
        table = table.cols_hide("interval")
    return {
        "name": f"topline-{item.name}",
        "html": table_html(table),
        "caption": f"All answers{_several(item)}, n = {number(base)}",
        "note": "Fixed by the weighting, and so without an interval." if fixed else None,
    }


def _several(item: Item) -> str:
    """Said of questions with several answers."""
    return ", several possible" if item.kind == "multiple" else ""


def _numeric_tab(item: Item, frame: pd.DataFrame) -> Tab:
    """Mean and range of a number."""
    row = frame.iloc[0]
    unit = f", {item.unit}" if item.unit else ""
    digits = 0 if item.integer else 1
    return {
        "name": f"topline-{item.name}",
        "caption": f"Mean and range, n = {number(float(row['n']))}",
        "columns": ["Item", "Mean", "95% interval", "Lowest", "Highest"],
        "numeric": ["Mean", "95% interval", "Lowest", "Highest"],
        "rows": [
            [
                f"{item.label}{unit}",
                number(float(row["estimate"]), 1),
                interval(number(float(row["conf_low"]), 1), number(float(row["conf_high"]), 1)),
                number(float(row["minimum"]), digits),
                number(float(row["maximum"]), digits),
            ]
        ],
        "note": None,
    }


def banner_tab(study: Study, item: Item, frame: pd.DataFrame) -> Tab:
    """One question by the standard groups, the letter of each column behind its label."""
    letters = [f" ({letter})" if letter else "" for letter in frame["letter"]]
    printed = dashed(frame.assign(kind="level"), "group", "level")
    printed["group"] = [f"{group}{letter}" for group, letter in zip(printed["group"], letters, strict=True)]
    left_out = ["variable", "letter", "column_letter", "row_base", "row_base_weighted"]
    left_out += [] if study.weighted else ["column_base_weighted"]
    total = printed["banner"] == TOTAL
    printed["banner"] = printed["banner"].where(~total, "")
    table: GT = crosstab_gt(printed.drop(columns=left_out), id=f"detailed-{item.name}")
    return {
        "name": f"detailed-{item.name}",
        "html": table_html(table),
        "caption": f"Share of each answer by group{_several(item)}",
        "note": None,
    }


def effects_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Average effects on every net and answer, the focus first."""
    if numbers.models.regression is None:
        return None
    effects = numbers.models.regression.effects
    focus = study.settings.focus
    outcome = study.outcome
    fitted = set(effects["level"])
    owner = {member: net for net, members in outcome.nets.items() if net != focus for member in members}
    scale = dict.fromkeys(owner.get(label, label) for label in reversed(outcome.labels))
    order = [focus, *(level for level in scale if level != focus and level in fitted)]
    frame = effects[effects["level"].isin(order)]
    frame = frame.assign(
        contrast=[dashes(str(contrast).rpartition(" - ")[0] or str(contrast)) for contrast in frame["contrast"]],
        at=frame["level"].map({level: place for place, level in enumerate(order)}),
        row=pd.factorize(frame["term"] + frame["contrast"].astype(str))[0],
    )
    frame = frame.sort_values(["row", "at"], kind="stable").drop(columns=["row", "at"])
    labels = {name: compared(study, name) for name in study.settings.predictors}
    return {
        "name": "effects",
        "html": table_html(effects_table(frame, labels=labels, id="effects").tab_stubhead("Group")),
        "caption": "Average effects on each answer, in percentage points, with 95% intervals",
        "note": None,
    }


def odds_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Odds ratios of the slopes."""
    if numbers.models.regression is None:
        return None
    odds = numbers.models.regression.odds
    frame = odds.assign(term=[dashes(term) for term in odds["term"]])
    labels = {name: compared(study, name) for name in study.settings.predictors}
    table = odds_ratio_table(frame, labels=labels, id="odds-ratios").cols_label(cases={"interval": "95% interval"})
    return {
        "name": "odds-ratios",
        "html": table_html(table.tab_stubhead("Group")),
        "caption": "Odds ratios of a higher answer",
        "note": None,
    }


def gradients_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Difference between the last and the first group of each predictor in every model, and how it changes."""
    steps = numbers.models.gradients
    if steps is None:
        return None
    effects = steps.last_groups(steps.effects)
    changes = steps.last_groups(steps.changes)
    changed = {(row["term"], row["model"]): row for row in changes.to_dict("records")}
    tests = {(row["term"], row["model"]): row for row in steps.tests.to_dict("records")}
    rows = []
    for name in study.settings.predictors:
        own_effects = effects[effects["term"] == name]
        for row in own_effects.to_dict("records"):
            key = (name, row["model"])
            test = tests.get(key)
            cells = [with_interval(row), with_interval(changed[key]) if test else "–"]
            cells += [number(test["statistic"], 2), p_value(test["p_adjusted"])] if test else ["–", "–"]
            rows.append([study.heading(name), str(row["model"]), *cells])
    columns = ["Variable", "Predictors", "Difference (interval)", "Change (interval)", "F", "p, adjusted"]
    note = (
        "Last group of each variable against the first, in percentage points, with 95% intervals. Change: from the "
        "first model. F: adjusted Wald test that no group of the variable changed, from the joint covariance of the "
        "models; p values adjusted for the number of tests, "
        f"{len(steps.tests)} (Holm). Changes are taken before rounding."
    )
    caption = f"Differences in the share who {study.settings.words.verb}, with more and more else taken into account"
    return plain("gradients", caption, columns=columns, rows=rows, texts=2, note=note)


def with_interval(row: Mapping[Any, Any]) -> str:
    """A difference in percentage points and its interval."""
    difference = record(row)
    return f"{phrases.signed_points(difference)} ({phrases.interval(difference, 'points', 1).removesuffix(' points')})"


def record(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An estimate as the filters of the template take it."""
    return {str(name): value for name, value in row.items()}


def compared(study: Study, name: str) -> str:
    """Heading of a predictor that says which group the others are compared with."""
    return f"{study.heading(name)} (compared with {dashes(study.codebook.item(name).labels[0])})"


def margins_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Margins before and after weighting, and their targets."""
    if numbers.weighting is None or numbers.weighting.margins is None:
        return None
    rows = [
        [
            study.codebook.item(row["variable"]).label,
            dashes(row["level"]),
            number(row["n"]),
            *(percent(float(row[name]), 1) for name in ("unweighted", "weighted", "target")),
        ]
        for row in numbers.weighting.margins.to_dict("records")
    ]
    columns = ["Variable", "Level", "Respondents", "Unweighted", "Weighted", "Target"]
    return plain("margins", "Shares before and after weighting, and their targets", columns=columns, rows=rows, texts=2)


def precision_tab(study: Study, numbers: Numbers) -> Tab:
    """Respondents, effective respondents and half-width of the interval of the focus, by group."""
    rows = []
    for row in numbers.focus.groups.to_dict("records"):
        half = 50 * (row["conf_high"] - row["conf_low"])
        group = "" if row["group"] == TOTAL else dashes(row["group"])
        effective = number(row["n_eff"]) if row["shown"] else UNRELIABLE
        rows.append([row["panel"], group, number(row["n"]), effective, number(half, 1) if row["shown"] else UNRELIABLE])
    caption = f"Precision of the share who {study.settings.words.verb}, by group"
    columns = ["Variable", "Group", "Respondents", "Effective respondents", "Half-width of interval, points"]
    note = "Effective respondents: how many a simple random sample would need for the same precision."
    return plain("precision", caption, columns=columns, rows=rows, texts=2, note=note)


def models_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Odds ratios of the weighted and the unweighted model side by side."""
    if numbers.comparison.model is None:
        return None
    rows = []
    for row in numbers.comparison.model.to_dict("records"):
        term, level = term_and_level(str(row["term"]))
        cells = []
        for end in ("", "_unweighted"):
            ratios = {name: float(np.exp(row[f"{name}{end}"])) for name in ("estimate", "conf_low", "conf_high")}
            cells += [
                f"{odds_ratio(ratios)} ({phrases.interval(ratios, 'odds_ratio')})",
                p_value(float(row[f"p_value{end}"])),
            ]
        rows.append([study.heading(term), dashes(level), *cells])
    other = "Unweighted" if study.weighted else "Model-based"
    columns = ["Variable", "Group", "This report", "p", other, f"p, {other.lower()}"]
    note = (
        f"Odds ratios with 95% intervals. {other}: OrderedModel of statsmodels, "
        f"with model-based standard errors. This report: "
        f"{'weighted, ' if study.weighted else ''}with design-based standard errors."
    )
    caption = f"{'Weighted and unweighted' if study.weighted else 'Design-based and model-based'} odds ratios"
    return plain("unweighted-model", caption, columns=columns, rows=rows, texts=2, note=note)


def ranks_tab(study: Study, numbers: Numbers) -> Tab:
    """Rank tests of the outcome between groups."""
    rows = []
    for row in numbers.comparison.rank_tests.to_dict("records"):
        if row["test"] == NOT_APPLICABLE:
            rows.append([study.heading(row["variable"]), *[NOT_APPLICABLE] * 6])
            continue
        digits = 0 if row["statistic"] >= 1000 else 1
        rows.append(
            [
                study.heading(row["variable"]),
                row["test"],
                f"{row['statistic_name']} = {number(row['statistic'], digits)}",
                p_value(row["p_value"]),
                number(row["effect"], 3),
                row["effect_name"],
                p_value(row["design_based_p_value"]),
            ]
        )
    columns = ["Variable", "Test", "Statistic", "p", "Effect size", "Measure", "p, this report"]
    note = "Tests by pingouin and SciPy, without weights. This report: Rao–Scott test of the same two variables."
    if any(NOT_APPLICABLE in row for row in rows):
        note += f" {NOT_APPLICABLE}: all respondents with an answer are in one group."
    table = plain(
        "rank-tests",
        f"Rank tests of “{lower_first(study.outcome.label)}” between groups",
        columns=columns,
        rows=rows,
        texts=2,
    )
    return table | {"numeric": ["Statistic", "p", "Effect size", "p, this report"], "note": note}


def plain(
    name: str,
    caption: str,
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: int,
    note: str | None = None,
) -> Tab:
    """A table of cells that are printed already; the first `texts` columns are texts, the others numbers."""
    return {
        "name": name,
        "caption": upper_first(caption),
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "numeric": list(columns[texts:]),
        "note": note,
    }
