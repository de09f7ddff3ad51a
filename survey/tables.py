"""Printed tables: a tidy frame goes in, a great_tables table or a workbook comes out.

This is where numbers are rounded (half up, see `survey.printing`) and where suppressed ones become `[u]`.
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
from survey.printing import interval, number, p_value, percent, round_half_up, term_and_level
from survey.reliability import UNRELIABLE
from survey.workbook import to_excel, write_excel

if TYPE_CHECKING:
    from great_tables import GT

__all__ = [
    "crosstab_gt",
    "effects_table",
    "odds_ratio_table",
    "round_half_up",
    "table_html",
    "to_excel",
    "to_gt",
    "topline_gt",
    "write_excel",
]

NOTE_UNRELIABLE = "[u] unreliable: too few respondents, or too wide an interval, for a figure to be shown."
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
            "share": [percent(e) if s else UNRELIABLE for e, s in zip(frame["estimate"], shown, strict=True)],
            "interval": [
                _share_interval(low, high) if s else ""
                for low, high, s in zip(frame["conf_low"], frame["conf_high"], shown, strict=True)
            ],
            "n": [number(float(value)) for value in frame["n"]],
        }
    )
    bold = _nets(frame)
    if body["group"].nunique() == 1:
        body = body.drop(columns="group")
    labels = {"share": "Weighted %", "interval": "Interval", "n": "Base (n)"}
    return _gt(body, labels, bold=bold, stub="Answer", title=title, note=_note(note, shown), id=id)


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
    tidy : `crosstab(...).tidy()`: the columns before `term` hold the groups. With two of them the first
        heads the second, which is also how a banner of several variables is printed. Several questions
        below each other become blocks.
    title, note, id : as in `topline_gt`.
    share : what adds up to 100%; bases are printed below columns, or at the end of rows.
    heading : what stands above the columns of one variable of groups; None: its name.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, has no column before `term` or more than two,
        or a cell occurs twice.
    """
    frame = _frame(tidy, "term", "level", "estimate", "conf_low", "conf_high")
    by = _by_columns(frame)
    if not 1 <= len(by) <= 2:
        raise EstimationError(
            f"`tidy` must have one or two columns of groups before 'term'; {len(by)} were found"
            f"{': ' + ', '.join(by) if by else ''}. Use `topline_gt`, or filter to fewer groups."
        )
    if frame.duplicated([*by, "term", "level"]).any():
        twice = frame.loc[frame.duplicated([*by, "term", "level"]), [*by, "term", "level"]].iloc[0]
        raise EstimationError(
            f"`tidy` must have each cell once; {' / '.join(map(str, twice))} occurs more than once. "
            "Filter the frame to one table."
        )
    shown = _shown(frame)
    groups = [tuple(map(str, key)) for key in frame[by].itertuples(index=False)]
    columns = {key: f"column {place}" for place, key in enumerate(dict.fromkeys(groups))}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for key, row, may in zip(groups, frame.to_dict("records"), shown, strict=True):
        cells = rows.setdefault((str(row["term"]), str(row["level"])), {})
        cells[columns[key]] = _cell(row, may)
        if share == "row":
            cells.update(_bases(row, "row"))
    bold = [labels in set(_net_rows(frame)) for labels in rows]
    lines = [{"group": term, "answer": level, **cells} for (term, level), cells in rows.items()]
    if share == "column":
        lines, bold = _with_base_rows(lines, bold, frame, groups, columns)
    body = pd.DataFrame(lines).fillna("")
    if body["group"].nunique() == 1:
        body = body.drop(columns="group")
    labels = {name: key[-1] for key, name in columns.items()}
    labels |= {name: name for name in (BASE, WEIGHTED_BASE) if name in body.columns}
    body = body[[name for name in ("group", "answer", *labels) if name in body.columns]]
    spanners = _spanners(columns) if len(by) == 2 else {heading or by[0]: list(columns.values())}
    return _gt(body, labels, bold=bold, stub="Answer", title=title, note=_note(note, shown), id=id, spanners=spanners)


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
    tidy : `fit.tidy()`, not exponentiated; thresholds are left out.
    labels : headings of the terms, by their name in the formula.
    title, note, id : as in `topline_gt`.

    Returns
    -------
    great_tables table.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = _frame(tidy, "term", "estimate", "conf_low", "conf_high", "p_value")
    if "kind" in frame.columns:
        frame = frame[frame["kind"] != "threshold"]
    names = [term_and_level(str(term)) for term in frame["term"]]
    body = pd.DataFrame(
        {
            "group": [(labels or {}).get(term, term) for term, _ in names],
            "answer": [level for _, level in names],
            "ratio": [number(float(np.exp(value)), 2) for value in frame["estimate"]],
            "interval": [
                interval(number(float(np.exp(low)), 2), number(float(np.exp(high)), 2))
                for low, high in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ],
            "p": [p_value(float(value)) for value in frame["p_value"]],
        }
    )
    heads = {"ratio": "Odds ratio", "interval": "Interval", "p": "p"}
    return _gt(body, heads, bold=[False] * len(body), stub="Level", title=title, note=_note(note, []), id=id)


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
        bounds = (row[name] for name in ("estimate", "conf_low", "conf_high"))
        estimate, low, high = (number(100 * float(value), 1, sign=True) for value in bounds)
        cells = rows.setdefault((str(row["term"]), str(row["contrast"])), {})
        cells[columns[str(row["level"])]] = _two_lines(estimate, interval(low, high))
    lines = [{"group": (labels or {}).get(t, t), "answer": c, **cells} for (t, c), cells in rows.items()]
    body = pd.DataFrame(lines).fillna("")
    body = body[["group", "answer", *columns.values()]]
    heads = {column: name for name, column in columns.items()}
    return _gt(body, heads, bold=[False] * len(body), stub="Contrast", title=title, note=_note(note, []), id=id)


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


def _cell(row: Mapping[Any, Any], may: bool) -> str:
    """Share, letters and interval of one cell."""
    if not may:
        return UNRELIABLE
    letters = str(row.get("letters") or "")
    share = f"{percent(float(row['estimate']))} {letters}".strip()
    return _two_lines(share, _share_interval(row["conf_low"], row["conf_high"]))


def _bases(row: Mapping[Any, Any], side: Literal["row", "column"]) -> dict[str, str]:
    """Unweighted and weighted base, as far as the frame has them."""
    names = {BASE: f"{side}_base", WEIGHTED_BASE: f"{side}_base_weighted"}
    return {label: number(float(row[name])) for label, name in names.items() if name in row}


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


def _spanners(columns: Mapping[tuple[str, ...], str]) -> dict[str, list[str]]:
    """Columns under each heading."""
    heads: dict[str, list[str]] = {}
    for key, name in columns.items():
        heads.setdefault(key[0], []).append(name)
    return heads


def _note(note: str | None, shown: Sequence[bool]) -> list[str]:
    """The caller's note, and what the mark means where it occurs."""
    return [text for text in (note, None if all(shown) else NOTE_UNRELIABLE) if text]


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
    return f"{first}<br><small>{second}</small>" if second else first
