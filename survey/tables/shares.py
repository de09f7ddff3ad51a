"""Printed tables of shares: a topline, or a crosstab or banner; a tidy frame in and a great_tables table out.

Numbers are rounded here, half up (see `survey.printing`). Rows and columns keep the order in which the frame has
them, which is the codebook's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.errors import EstimationError
from survey.printing import interval, number, percent
from survey.tables.layout import (
    LOW_BASE,
    checked_frame,
    distinct,
    row_marks,
    shown_rows,
    styled_table,
    table_notes,
    two_lines,
)
from survey.tidy import CONFIDENTIAL, LETTER_BASE, TOTAL

if TYPE_CHECKING:
    from great_tables import GT

BASE = "Respondents (n)"
WEIGHTED_BASE = "Weighted n"

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
    frame = checked_frame(tidy, "term", "level", "estimate", "conf_low", "conf_high", "n")
    shown = shown_rows(frame)
    body = pd.DataFrame(
        {
            "group": frame["term"].astype(str),
            "answer": frame["level"].astype(str),
            "share": [
                percent(e) if s else mark for e, s, mark in zip(frame["estimate"], shown, row_marks(frame), strict=True)
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
    return styled_table(body, labels, bold=bold, stub="Answer", title=title, note=table_notes(note, frame), id=id)


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
    check_choice(share, Share, "share", EstimationError)
    frame = checked_frame(tidy, "term", "level", "estimate", "conf_low", "conf_high")
    by = _by_columns(frame)
    _refuse_repeated_cells(frame, by)
    groups = [tuple(map(str, key)) for key in frame[by].itertuples(index=False)]
    columns = {key: f"column {place}" for place, key in enumerate(dict.fromkeys(groups))}
    rows = _rows(frame, groups, columns)
    nets = set(_net_rows(frame))
    bold = [labels in nets for labels in rows]
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

    # Columns without a heading, such as a total, come first, and bases of rows that no heading has come last.
    under_headings = [name for names in spanners.values() for name in names]
    alone = [name for name in columns.values() if name not in under_headings]
    labels = {name: labels[name] for name in dict.fromkeys([*alone, *under_headings, *labels])}
    body = body[[name for name in ("group", "answer", *labels) if name in body.columns]]
    notes = table_notes(note, frame)
    return styled_table(body, labels, bold=bold, stub="Answer", title=title, note=notes, id=id, spanners=spanners)


def _refuse_repeated_cells(frame: pd.DataFrame, by: list[str]) -> None:
    """Refuse a frame without columns of groups, and one that has a cell twice."""
    if not by:
        raise EstimationError("`tidy` must have columns of groups before 'term'; none were found. Use `topline_gt`.")
    keys = [*by, "term", "level"]
    repeated = frame.duplicated(keys)
    if repeated.any():
        first = frame.loc[repeated, keys].iloc[0]
        raise EstimationError(
            f"`tidy` must have each cell once; {' / '.join(map(str, first))} occurs more than once. "
            "Filter the frame to one table."
        )


def _rows(
    frame: pd.DataFrame, groups: Sequence[tuple[str, ...]], columns: Mapping[tuple[str, ...], str]
) -> dict[tuple[str, str], dict[str, str]]:
    """Text of the cells by question and answer, and by column."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    records = zip(groups, frame.to_dict("records"), shown_rows(frame), row_marks(frame), strict=True)
    for group, row, shown, mark in records:
        cells = rows.setdefault((str(row["term"]), str(row["level"])), {})
        cells[columns[group]] = _cell(row) if shown else mark
    return rows


def _by_columns(frame: pd.DataFrame) -> list[str]:
    """The columns before `term`, which hold the groups."""
    names = [str(name) for name in frame.columns]
    return names[: names.index("term")] if "term" in names else []


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


def _count(value: float) -> str:
    """A base; one that is missing was taken out, for no table has a column without."""
    return CONFIDENTIAL if np.isnan(float(value)) else number(float(value))


def _cell(row: Mapping[Any, Any]) -> str:
    """Share, letters and interval of one cell."""
    letters = str(row.get("letters") or "")
    share = f"{percent(float(row['estimate']))} {letters}".strip()
    return two_lines(share, _share_interval(row["conf_low"], row["conf_high"]))


def _spanners(columns: Mapping[tuple[str, ...], str], heading: str) -> dict[str, list[str]]:
    """Columns under each heading; a total has none."""
    heads: dict[str, list[str]] = {}
    for key, name in columns.items():
        if key[-1] != TOTAL or any(part not in (TOTAL, "") for part in key):
            heads.setdefault(" / ".join(key[:-1]) or heading, []).append(name)
    return heads


def _heads(
    frame: pd.DataFrame, groups: Sequence[tuple[str, ...]], columns: Mapping[tuple[str, ...], str]
) -> dict[str, str]:
    """Head of each column: its level, and its letter where it has one."""
    letters = frame["column_letter"].fillna("") if "column_letter" in frame.columns else [""] * len(frame)
    letter_of = dict(zip(groups, letters, strict=True))
    return {name: f"{key[-1]} ({letter_of[key]})" if letter_of[key] else key[-1] for key, name in columns.items()}


def _bases(row: Mapping[Any, Any], side: Literal["row", "column"]) -> dict[str, str]:
    """Unweighted and weighted base, as far as the frame has them."""
    names = {BASE: f"{side}_base", WEIGHTED_BASE: f"{side}_base_weighted"}
    bases = {label: _count(row[name]) for label, name in names.items() if name in row}
    if side == "column" and "column_letter" in row and row.get("column_base", LETTER_BASE) < LETTER_BASE:
        bases[BASE] += f" {LOW_BASE}"
    return bases


def _add_row_bases(
    rows: Mapping[tuple[str, str], dict[str, str]],
    spanners: dict[str, list[str]],
    frame: pd.DataFrame,
    groups: Sequence[tuple[str, ...]],
) -> dict[str, str]:
    """Put the bases at the end of rows; where they differ between headings, at the end of each heading."""
    texts: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for key, row in zip(groups, frame.to_dict("records"), strict=True):
        for label, text in _bases(row, "row").items():
            texts.setdefault((key[0], label), {})[str(row["term"]), str(row["level"])] = text
    labels: dict[str, str] = {}
    headed = len(groups[0]) > 1
    for label in (BASE, WEIGHTED_BASE):
        by_heading = {heading: bases for (heading, name), bases in texts.items() if name == label}
        alike = len({tuple(sorted(bases.items())) for bases in by_heading.values()}) == 1
        for heading, bases in by_heading.items():
            name = label if alike or not headed else f"{label} {heading}"
            labels[name] = label
            if name != label and name not in spanners[heading]:
                spanners[heading].append(name)
            for line, text in bases.items():
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
    for term in distinct(frame["term"]):
        of_term = [(line, mark) for line, mark in zip(lines, bold, strict=True) if line["group"] == term]
        below = [{"group": term, "answer": label, **cells} for (name, label), cells in bases.items() if name == term]
        together += [line for line, _ in of_term] + below
        marks += [mark for _, mark in of_term] + [False] * len(below)
    return together, marks
