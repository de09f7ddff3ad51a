"""The tables of a report: what is printed, from the frames of `Numbers`, and the same frames as CSV."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.report.comparison import NOT_APPLICABLE
from analysis.report.figures import dashed
from analysis.report.numbers import TOTAL, Numbers
from analysis.report.sensitivity import applies
from analysis.study import DataKind, Study
from survey import Item, SurveyError
from survey.report import (
    RESULT_COLUMNS,
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

HIDDEN = (
    *("estimate", "std_error", "conf_low", "conf_high", "n_eff", "deff"),
    *("row_base", "row_base_weighted", "count"),  # with the base they would give the share away
)
"""Columns left blank in a CSV where `shown` is False: the same rule as in print."""

COLUMN_PAGE = """# Columns of these tables

Numbers at full precision; shares lie between 0 and 1, those of `published.csv` in the unit of the published figure.
A cell is blank where a number may not be shown (`shown` is False), and where a row has none.
"""
COLUMNS = {
    "data": "synthetic (no person gave these answers), real, or own (a researcher's own file)",
    "id": "name of the figure in the settings of the study",
    "item": "question",
    "answer": "answer or net whose share it is",
    "by": "group variable that the question is compared by",
    "variable": "group variable",
    "banner": "heading of the group variable",
    "panel": "heading of the group variable in figures",
    "group": "group of respondents",
    "letter": "letter of the group; letters start again at A with every group variable",
    "first": "first group of the variable",
    "last": "last group, which is compared with the first",
    "contrast": "the two groups that are compared, the second taken from the first",
    "model": "which predictors the regression has, each model those of the models before it too",
    "since": "model that it is compared with",
    "p_adjusted": "p value adjusted for the number of tests (Holm)",
    "steps": "whether the share rises or falls from each group to the next, or is mixed",
    "count": "respondents who gave the answer, unweighted",
    "minimum": "lowest number given",
    "maximum": "highest number given",
    "unweighted": "share before weighting",
    "weighted": "share after weighting",
    "target": "share in the population that the weighting aims at",
    "gap": "weighted share minus target",
    "sum": "sum of the weights, scaled to a mean of one",
    "min": "smallest weight, scaled",
    "max": "largest weight, scaled",
    "cv": "coefficient of variation of the weights",
    "deff_kish": "design effect of weighting after Kish: 1 + cv squared",
    "method": "test",
    "df1": "degrees of freedom of the numerator",
    "df2": "degrees of freedom of the denominator",
    "test": "rank test; [z] where there is nothing to compare",
    "statistic_name": "name of the statistic",
    "effect_name": "measure of effect size",
    "effect": "effect size",
    "design_based_statistic": "statistic of the Rao-Scott test of the same two variables, with weights",
    "design_based_p_value": "p value of the Rao-Scott test",
    "falsified": "part of those who gave the answer who did not mean it",
    "statements": "statements that Cronbach's alpha is computed from",
    **{
        f"{name}_unweighted": f"{name} of the model without weights"
        for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n")
    },
    "quantity": "what the published figure is about",
    "base": "whom it is about; of a parameter, its model",
    "published": "as it was printed",
    "ours": "the same in this file",
    "ours_text": "where it is no number",
    "difference": "ours minus published",
    "tolerance": "largest difference that counts as a match",
    "verdict": "what the comparison says",
    "note": "what a reader should know of it",
    "unit": "unit of the published figure",
    "decimals": "decimals printed in the report",
    "strength": "read: quoted by a source; weak: from a paraphrased copy, reported only",
    "explained": "whether a difference has a known reason",
    "reason": "that reason, or why there is no figure",
    "remark": "what the sources add",
    "source": "where the figure was published",
}
"""Columns of the tables beside those of `survey.records.schema.RESULT_COLUMNS`, with what they hold."""


def write_csv(frames: Mapping[str, pd.DataFrame], folder: Path, kind: DataKind) -> None:
    """Write tidy frames at full precision, and what their columns hold; what print suppresses is blank.

    Parameters
    ----------
    frames : frames by the name of their file, without ending.
    folder : folder for the files.
    kind : what the first column of every file says of the data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        marked = suppressed(frame)
        marked.insert(0, "data", kind)
        marked.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    (folder / "README.md").write_text(column_page(frames), encoding="utf-8", newline="\n")


def column_page(frames: Mapping[str, pd.DataFrame]) -> str:
    """What the columns of the tables hold, in Markdown.

    Raises
    ------
    SurveyError : a column that nothing describes.
    """
    meanings = {**COLUMNS, **RESULT_COLUMNS}
    # The table of probabilities begins with a column per variable that goes along its axis.
    profiles = [str(name) for name in frames["probabilities"].columns[:1]] if "probabilities" in frames else []
    used = {str(name): file for file, frame in frames.items() for name in frame.columns}
    unknown = [f"{name!r} of {file}" for name, file in used.items() if name not in meanings and name not in profiles]
    if unknown:
        raise SurveyError(f"`COLUMNS` must say what every column holds; it has no {', '.join(unknown)}. Add it.")
    meanings |= {name: "group for which the probabilities are predicted" for name in profiles if name not in meanings}
    rows = "".join(f"| `{name}` | {text} |\n" for name, text in meanings.items() if name in used or name == "data")
    return f"{COLUMN_PAGE}\n| column | what it holds |\n|---|---|\n{rows}"


def suppressed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with blanks where `shown` is False."""
    if "shown" not in frame.columns:
        return frame.copy()
    hidden = ~frame["shown"].astype(bool)
    columns = [name for name in HIDDEN if name in frame.columns]
    if not hidden.any():
        return frame.copy()
    return frame.astype(dict.fromkeys(columns, object)).mask(np.outer(hidden, frame.columns.isin(columns)), None)


def frames(study: Study, numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every frame of the report, by the name of its CSV."""
    made: dict[str, pd.DataFrame | None] = {
        "topline": pd.concat(numbers.toplines.values(), ignore_index=True),
        "detailed": pd.concat(numbers.banners.values(), ignore_index=True),
        "tests": numbers.tests,
        "groups": numbers.groups,
        "contrasts": numbers.contrasts,
        "shares": numbers.shares,
        "battery": numbers.battery,
        "weights": numbers.weights,
        "margins": numbers.margins,
        "sensitivity": numbers.remaining if applies(study) else None,
        "sensitivity_by_group": numbers.break_even if applies(study) else None,
        "rank_tests": numbers.comparison.rank_tests,
        "unweighted_model": numbers.comparison.model,
        "reliability": numbers.comparison.alpha,
        "published": numbers.verdicts,
    }
    if numbers.regression is not None:
        fit = numbers.regression
        made |= {
            "coefficients": fit.fit.tidy(),
            "effects": fit.effects,
            "probabilities": fit.probabilities,
            "term_tests": fit.terms,
            "parallel_lines": fit.parallel.tidy() if fit.parallel else None,
        }
    if numbers.gradients is not None:
        found = numbers.gradients
        made |= {
            "gradients": found.effects,
            "gradient_changes": found.changes,
            "gradient_tests": found.tests,
        }
    return {name: frame for name, frame in made.items() if frame is not None and len(frame)}


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
    if numbers.regression is None:
        return None
    effects = numbers.regression.effects
    focus, outcome, fitted = study.settings.focus, study.outcome, set(effects["level"])
    owner = {member: net for net, found in outcome.nets.items() if net != focus for member in found}
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
    if numbers.regression is None:
        return None
    odds = numbers.regression.odds
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
    found = numbers.gradients
    if found is None:
        return None
    effects, changes = found.last_groups(found.effects), found.last_groups(found.changes)
    changed = {(row["term"], row["model"]): row for row in changes.to_dict("records")}
    tested = {(row["term"], row["model"]): row for row in found.tests.to_dict("records")}
    rows = []
    for name in study.settings.predictors:
        mine = effects[effects["term"] == name]
        for row in mine.to_dict("records"):
            key = (name, row["model"])
            test = tested.get(key)
            cells = [with_interval(row), with_interval(changed[key]) if test else "–"]
            cells += [number(test["statistic"], 2), p_value(test["p_adjusted"])] if test else ["–", "–"]
            rows.append([study.heading(name), str(row["model"]), *cells])
    columns = ["Variable", "Predictors", "Difference (interval)", "Change (interval)", "F", "p, adjusted"]
    note = (
        "Last group of each variable against the first, in percentage points, with 95% intervals. Change: from the "
        "first model. F: adjusted Wald test that no group of the variable changed, from the joint covariance of the "
        "models; p values adjusted for the number of tests, "
        f"{len(found.tests)} (Holm). Changes are taken before rounding."
    )
    caption = f"Differences in the share who {study.settings.verb}, with more and more else taken into account"
    return plain("gradients", caption, columns, rows, 2, note)


def with_interval(row: Mapping[Hashable, Any]) -> str:
    """A difference in percentage points and its interval."""
    record = {str(name): value for name, value in row.items()}
    return f"{phrases.signed_points(record)} ({phrases.interval(record, 'points', 1).removesuffix(' points')})"


def compared(study: Study, name: str) -> str:
    """Heading of a predictor that says which group the others are compared with."""
    return f"{study.heading(name)} (compared with {dashes(study.codebook.item(name).labels[0])})"


def margins_tab(study: Study, numbers: Numbers) -> Tab | None:
    """Margins before and after weighting, and their targets."""
    if numbers.margins is None:
        return None
    rows = [
        [
            study.codebook.item(row["variable"]).label,
            dashes(row["level"]),
            number(row["n"]),
            *(percent(float(row[name]), 1) for name in ("unweighted", "weighted", "target")),
        ]
        for row in numbers.margins.to_dict("records")
    ]
    columns = ["Variable", "Level", "Respondents", "Unweighted", "Weighted", "Target"]
    return plain("margins", "Shares before and after weighting, and their targets", columns, rows, 2)


def precision_tab(study: Study, numbers: Numbers) -> Tab:
    """Respondents, effective respondents and half-width of the interval of the focus, by group."""
    rows = []
    for row in numbers.groups.to_dict("records"):
        half = 50 * (row["conf_high"] - row["conf_low"])
        group = "" if row["group"] == TOTAL else dashes(row["group"])
        effective = number(row["n_eff"]) if row["shown"] else UNRELIABLE
        rows.append([row["panel"], group, number(row["n"]), effective, number(half, 1) if row["shown"] else UNRELIABLE])
    caption = f"Precision of the share who {study.settings.verb}, by group"
    columns = ["Variable", "Group", "Respondents", "Effective respondents", "Half-width of interval, points"]
    note = "Effective respondents: how many a simple random sample would need for the same precision."
    return plain("precision", caption, columns, rows, 2, note)


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
    return plain("unweighted-model", caption, columns, rows, 2, note)


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
    note = "Tests by pingouin, without weights. This report: Rao–Scott test of the same two variables."
    if any(NOT_APPLICABLE in row for row in rows):
        note += f" {NOT_APPLICABLE}: all respondents with an answer are in one group."
    made = plain("rank-tests", f"Rank tests of “{lower_first(study.outcome.label)}” between groups", columns, rows, 2)
    return made | {"numeric": ["Statistic", "p", "Effect size", "p, this report"], "note": note}


def plain(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int, note: str | None = None
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
