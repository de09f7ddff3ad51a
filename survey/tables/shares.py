"""Printed tables: a tidy frame goes in, a great_tables table or a workbook comes out.

This is where numbers are rounded (half up, see `survey.printing`) and where suppressed ones become `[u]`
(unreliable, see `survey.estimation.presentation_rule`) or `[c]` (confidential, see `survey.tabulation.protection`).
Rows and columns keep the order in which the frame has them, which is the codebook's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from survey.errors import EstimationError
from survey.printing import interval, number, p_value, percent, telling_digits, term_and_level
from survey.tidy import CONFIDENTIAL, LETTER_ALPHA, LETTER_BASE, TOTAL, UNRELIABLE, as_odds_ratios

if TYPE_CHECKING:
    from great_tables import GT

NOTE_UNRELIABLE = "[u] unreliable: too few respondents, or too wide an interval, for a figure to be shown."
NOTE_CONFIDENTIAL = "[c] confidential: a small number of respondents, or a number from which one could be worked out."
NOTE_MULTIPLE = "Respondents could choose several answers; shares may add to more than 100%."
LOW_BASE = "[low base]"
NOTE_LETTERS = (
    "Columns under one heading have letters; a share is followed by the letters of the columns that it is higher than. "
    f"Two-sided t tests from the joint design covariance, Holm's correction within the row, alpha {LETTER_ALPHA}. "
    f"Columns of fewer than {LETTER_BASE} respondents, {LOW_BASE}, are not compared, nor is a total with its parts."
)
BASE, WEIGHTED_BASE = "Respondents (n)", "Weighted n"

Share = Literal["column", "row", "cell"]


def to_gt(tidy: pd.DataFrame, *, title: str | None = None, note: str | None = None, id: str | None = None) -> GT:
    """The table of a topline, or of a crosstab or banner where the frame has columns before `term`."""
    make = crosstab_gt if _by_columns(tidy) else topline_gt
    return make(tidy, title=title, note=note, id=id)


def topline_gt(tidy: pd.DataFrame, *, title: str | None = None, note: str | None = None, id: str | None = None) -> GT:
    """All answers of one or more questions: weighted share, interval and base.

    Parameters
    ----------
    tidy : `topline(...).tidy()`, or several below each other, which become blocks headed by `term`.
    title : caption of the table.
    note : note below it; what `[u]` means is added where it occurs.
    id : id of the table in HTML; None makes one from the title.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = _frame(tidy, "term", "level", "estimate", "conf_low", "conf_high", "n")
    shown = _shown(frame)
    body = pd.DataFrame(
        {
            "group": frame["term"].astype(str),
            "answer": frame["level"].astype(str),
            "share": [
                percent(e) if s else mark for e, s, mark in zip(frame["estimate"], shown, _marks(frame), strict=True)
            ],
            "interval": [
                _share_interval(low, high) if s else ""
                for low, high, s in zip(frame["conf_low"], frame["conf_high"], shown, strict=True)
            ],
            "n": [_count(value) for value in frame["n"]],
        }
    )
    bold = _nets(frame)
    if body["group"].nunique() == 1:
        body = body.drop(columns="group")
    labels = {"share": "Weighted %", "interval": "Interval", "n": "Base (n)"}
    return _gt(body, labels, bold=bold, stub="Answer", title=title, note=_note(note, frame), id=id)


def crosstab_gt(
    tidy: pd.DataFrame,
    *,
    title: str | None = None,
    note: str | None = None,
    id: str | None = None,
    share: Share = "column",
    heading: str | None = None,
) -> GT:
    """Answers down, groups across: weighted share with its interval and letters, and the bases.

    Parameters
    ----------
    tidy : `crosstab(...).tidy()` or `banner(...).tidy()`: the columns before `term` hold the groups. With
        several of them the last one's levels stand below those before it; a total has no heading. Several
        questions below each other become blocks. Letters of the columns are printed in their heads.
    title, note, id : as in `topline_gt`.
    share : what adds up to 100%; bases are printed below columns, or at the end of rows.
    heading : what stands above the columns of one variable of groups; None: its name.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, has no column before `term`, or a cell occurs
        twice.
    """
    frame = _frame(tidy, "term", "level", "estimate", "conf_low", "conf_high")
    by = _by_columns(frame)
    if not by:
        raise EstimationError("`tidy` must have columns of groups before 'term'; none were found. Use `topline_gt`.")
    if frame.duplicated([*by, "term", "level"]).any():
        twice = frame.loc[frame.duplicated([*by, "term", "level"]), [*by, "term", "level"]].iloc[0]
        raise EstimationError(
            f"`tidy` must have each cell once; {' / '.join(map(str, twice))} occurs more than once. "
            "Filter the frame to one table."
        )
    groups = [tuple(map(str, key)) for key in frame[by].itertuples(index=False)]
    columns = {key: f"column {place}" for place, key in enumerate(dict.fromkeys(groups))}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for key, row, may, mark in zip(groups, frame.to_dict("records"), _shown(frame), _marks(frame), strict=True):
        cells = rows.setdefault((str(row["term"]), str(row["level"])), {})
        cells[columns[key]] = _cell(row) if may else mark
    bold = [labels in set(_net_rows(frame)) for labels in rows]
    spanners = _spanners(columns, heading or by[0])
    labels = _heads(frame, groups, columns)
    if share == "row":
        labels |= _add_row_bases(rows, spanners, frame, groups)
    lines = [{"group": term, "answer": level, **cells} for (term, level), cells in rows.items()]
    if share == "column":
        lines, bold = _with_base_rows(lines, bold, frame, groups, columns)
    body = pd.DataFrame(lines).fillna("")
    if body["group"].nunique() == 1:
        body = body.drop(columns="group")
    placed = [name for names in spanners.values() for name in names]
    order = [*(name for name in labels if name not in placed and name in columns.values()), *placed]
    labels = {name: labels[name] for name in [*order, *(name for name in labels if name not in order)]}
    body = body[[name for name in ("group", "answer", *labels) if name in body.columns]]
    return _gt(body, labels, bold=bold, stub="Answer", title=title, note=_note(note, frame), id=id, spanners=spanners)


def odds_ratio_table(
    tidy: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
    note: str | None = None,
    id: str | None = None,
) -> GT:
    """Slopes of a fit as odds ratios with intervals and p values, in a block per term.

    Parameters
    ----------
    tidy : `fit.tidy()`, exponentiated or not; only slopes are odds ratios, other parameters are left out.
    labels : headings of the terms, by their name in the formula.
    title, note, id : as in `topline_gt`.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = as_odds_ratios(_frame(tidy, "term", "estimate", "conf_low", "conf_high", "p_value"))
    names = [term_and_level(str(term)) for term in frame["term"]]
    body = pd.DataFrame(
        {
            "group": [(labels or {}).get(term, term) for term, _ in names],
            "answer": [level for _, level in names],
            "ratio": [number(float(value), 2) for value in frame["estimate"]],
            "interval": [
                interval(*(number(float(bound), telling_digits(bounds, 1.0, 2)) for bound in bounds))
                for bounds in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ],
            "p": [p_value(float(value)) for value in frame["p_value"]],
        }
    )
    heads = {"ratio": "Odds ratio", "interval": "Interval", "p": "p"}
    return _gt(body, heads, bold=[False] * len(body), stub="Level", title=title, note=_note(note), id=id)


def effects_table(
    tidy: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
    note: str | None = None,
    id: str | None = None,
) -> GT:
    """Average effects in percentage points with intervals: contrasts down, answers across.

    Parameters
    ----------
    tidy : `average_effects(...).tidy()`, or several below each other.
    labels : headings of the terms.
    title, note, id : as in `topline_gt`.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = _frame(tidy, "contrast", "term", "level", "estimate", "conf_low", "conf_high")
    columns = {name: f"column {place}" for place, name in enumerate(_distinct(frame["level"]))}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in frame.to_dict("records"):
        bounds = [100 * float(row[name]) for name in ("conf_low", "conf_high")]
        digits = telling_digits(bounds, 0.0, 1)
        estimate = number(100 * float(row["estimate"]), 1, sign=True)
        low, high = (number(bound, digits, sign=True) for bound in bounds)
        cells = rows.setdefault((str(row["term"]), str(row["contrast"])), {})
        cells[columns[str(row["level"])]] = _two_lines(estimate, interval(low, high))
    lines = [{"group": (labels or {}).get(t, t), "answer": c, **cells} for (t, c), cells in rows.items()]
    body = pd.DataFrame(lines).fillna("")
    body = body[["group", "answer", *columns.values()]]
    heads = {column: name for name, column in columns.items()}
    return _gt(body, heads, bold=[False] * len(body), stub="Contrast", title=title, note=_note(note), id=id)


def table_html(table: GT) -> str:
    """The table as HTML that can be read out: header cells with a scope, and a caption.

    great_tables writes the title as a row of the header; it becomes the `<caption>`, so that every reader
    of the table, and every program that converts it, knows it as the table's name.
    """
    text: str = table.as_raw_html()
    heading = re.compile(r'\s*<tr class="gt_heading">\s*<td[^>]*?(id="[^"]+")?>(.*?)</td>\s*</tr>', re.DOTALL)
    titles = heading.findall(text)
    if not titles:
        return text
    caption = "<br>".join(f"<span {name}>{title.strip()}</span>" for name, title in titles)
    return re.sub(
        r"(<table[^>]*>)",
        lambda match: f'{match[1]}\n<caption class="gt_heading gt_title">{caption}</caption>',
        heading.sub("", text),
        count=1,
    )


def _frame(tidy: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame, checked for its columns and for having rows."""
    lacking = [name for name in columns if name not in tidy.columns]
    if lacking:
        raise EstimationError(
            f"`tidy` must have the columns {', '.join(columns)}; {', '.join(lacking)} not found among "
            f"{', '.join(map(str, tidy.columns))}. Pass the `.tidy()` frame of a result."
        )
    if tidy.empty:
        raise EstimationError("`tidy` must have at least one row; it has none. Check the filter that made the frame.")
    return tidy.reset_index(drop=True)


def _by_columns(frame: pd.DataFrame) -> list[str]:
    """The columns before `term`, which hold the groups."""
    names = [str(name) for name in frame.columns]
    return names[: names.index("term")] if "term" in names else []


def _distinct(values: pd.Series[Any]) -> list[str]:
    """Distinct values as text, in order of appearance."""
    return list(dict.fromkeys(str(value) for value in values))


def _shown(frame: pd.DataFrame) -> list[bool]:
    """Whether each row may be shown; all of them where the frame does not say."""
    return [bool(value) for value in frame["shown"]] if "shown" in frame.columns else [True] * len(frame)


def _nets(frame: pd.DataFrame) -> list[bool]:
    """Which rows are nets."""
    return [kind == "net" for kind in frame["kind"]] if "kind" in frame.columns else [False] * len(frame)


def _net_rows(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Question and label of each net."""
    rows = frame[_nets(frame)]
    return [(str(term), str(level)) for term, level in zip(rows["term"], rows["level"], strict=True)]


def _share_interval(low: float, high: float) -> str:
    """Bounds of a share as percentages."""
    return interval(percent(float(low)), percent(float(high)))


def _two_lines(first: str, second: str) -> str:
    """A number above its interval."""
    return f"{first}\n{second}" if second else first


def _marks(frame: pd.DataFrame) -> list[str]:
    """What stands in place of each row's number where it is not shown."""
    flags = frame["flag"] if "flag" in frame.columns else [""] * len(frame)
    return [CONFIDENTIAL if flag == CONFIDENTIAL else UNRELIABLE for flag in flags]


def _count(value: float) -> str:
    """A base; one that is missing was taken out, for no table has a column without."""
    return CONFIDENTIAL if np.isnan(float(value)) else number(float(value))


def _cell(row: Mapping[Any, Any]) -> str:
    """Share, letters and interval of one cell."""
    letters = str(row.get("letters") or "")
    share = f"{percent(float(row['estimate']))} {letters}".strip()
    return _two_lines(share, _share_interval(row["conf_low"], row["conf_high"]))


def _bases(row: Mapping[Any, Any], side: Literal["row", "column"]) -> dict[str, str]:
    """Unweighted and weighted base, as far as the frame has them."""
    names = {BASE: f"{side}_base", WEIGHTED_BASE: f"{side}_base_weighted"}
    bases = {label: _count(row[name]) for label, name in names.items() if name in row}
    if side == "column" and "column_letter" in row and row.get("column_base", LETTER_BASE) < LETTER_BASE:
        bases[BASE] += f" {LOW_BASE}"
    return bases


def _heads(
    frame: pd.DataFrame, groups: Sequence[tuple[str, ...]], columns: Mapping[tuple[str, ...], str]
) -> dict[str, str]:
    """Head of each column: its level, and its letter where it has one."""
    letters = frame["column_letter"].fillna("") if "column_letter" in frame.columns else [""] * len(frame)
    own = dict(zip(groups, letters, strict=True))
    return {name: f"{key[-1]} ({own[key]})" if own[key] else key[-1] for key, name in columns.items()}


def _add_row_bases(
    rows: Mapping[tuple[str, str], dict[str, str]],
    spanners: dict[str, list[str]],
    frame: pd.DataFrame,
    groups: Sequence[tuple[str, ...]],
) -> dict[str, str]:
    """Put the bases at the end of rows; where they differ between headings, at the end of each heading."""
    found: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for key, row in zip(groups, frame.to_dict("records"), strict=True):
        for label, text in _bases(row, "row").items():
            found.setdefault((key[0], label), {})[str(row["term"]), str(row["level"])] = text
    labels: dict[str, str] = {}
    headings = list(dict.fromkeys(key[0] for key in groups)) if len(groups[0]) > 1 else []
    for label in (BASE, WEIGHTED_BASE):
        each = {head: texts for (head, name), texts in found.items() if name == label}
        alike = len({tuple(sorted(texts.items())) for texts in each.values()}) == 1
        for head, texts in each.items():
            name = label if alike or not headings else f"{label} {head}"
            labels[name] = label
            if name != label and name not in spanners[head]:
                spanners[head].append(name)
            for line, text in texts.items():
                rows[line][name] = text
    return labels


def _with_base_rows(
    lines: list[dict[str, str]],
    bold: list[bool],
    frame: pd.DataFrame,
    groups: Sequence[tuple[str, ...]],
    columns: Mapping[tuple[str, ...], str],
) -> tuple[list[dict[str, str]], list[bool]]:
    """The lines of each question followed by the bases of its columns."""
    bases: dict[tuple[str, str], dict[str, str]] = {}
    for key, row in zip(groups, frame.to_dict("records"), strict=True):
        for label, text in _bases(row, "column").items():
            bases.setdefault((str(row["term"]), label), {}).setdefault(columns[key], text)
    together: list[dict[str, str]] = []
    marks: list[bool] = []
    for term in _distinct(frame["term"]):
        mine = [(line, mark) for line, mark in zip(lines, bold, strict=True) if line["group"] == term]
        together += [line for line, _ in mine]
        marks += [mark for _, mark in mine]
        added = [{"group": term, "answer": label, **cells} for (name, label), cells in bases.items() if name == term]
        together += added
        marks += [False] * len(added)
    return together, marks


def _spanners(columns: Mapping[tuple[str, ...], str], heading: str) -> dict[str, list[str]]:
    """Columns under each heading; a total has none."""
    heads: dict[str, list[str]] = {}
    for key, name in columns.items():
        if key[-1] != TOTAL or any(part not in (TOTAL, "") for part in key):
            heads.setdefault(" / ".join(key[:-1]) or heading, []).append(name)
    return heads


def _note(note: str | None, frame: pd.DataFrame | None = None) -> list[str]:
    """The caller's note, how columns were compared, and what the marks mean where they occur."""
    notes = [note] if note else []
    if frame is None:
        return notes
    if "column_letter" in frame.columns and (frame["column_letter"].fillna("") != "").any():
        notes.append(NOTE_LETTERS)
    hidden = {mark for mark, seen in zip(_marks(frame), _shown(frame), strict=True) if not seen}
    return [*notes, *(text for text in (NOTE_UNRELIABLE, NOTE_CONFIDENTIAL) if text[:3] in hidden)]


def _gt(
    body: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    bold: Sequence[bool],
    stub: str,
    title: str | None,
    note: Sequence[str],
    id: str | None,
    spanners: Mapping[str, Sequence[str]] | None = None,
) -> GT:
    """A great_tables table in the one style of the report."""
    from great_tables import GT, loc, style

    name = id or "table-" + (re.sub(r"[^a-z0-9]+", "-", (title or stub).lower()).strip("-") or "1")
    group = "group" if "group" in body.columns else None
    table = GT(body, rowname_col="answer", groupname_col=group, id=name).tab_stubhead(stub)
    if title:
        table = table.tab_header(title)
    for head, names in (spanners or {}).items():
        table = table.tab_spanner(head, columns=list(names))
    table = table.cols_label(cases=dict(labels)).cols_align("right", columns=list(labels))
    table = table.fmt(_cell_html, columns=list(labels))
    nets = [place for place, mark in enumerate(bold) if mark]
    if nets:
        table = table.tab_style(style.text(weight="bold"), [loc.body(rows=nets), loc.stub(rows=nets)])
    for text in note:
        table = table.tab_source_note(text)
    return table


def _cell_html(text: str) -> str:
    """A cell as HTML: the second line is smaller."""
    first, _, second = html.escape(str(text)).partition("\n")
    if not second:
        return first
    return f'{first}<br><small style="white-space: nowrap">{second}</small>'
