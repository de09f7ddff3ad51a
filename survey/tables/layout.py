"""The layout that all printed tables share: checks of the frame, notes, marks, and the one style of the report.

This is where suppressed numbers become `[u]` (unreliable, see `survey.estimation.presentation_rule`) or `[c]`
(confidential, see `survey.tabulation.protection`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from survey.errors import EstimationError, visible
from survey.tidy import CONFIDENTIAL, LETTER_ALPHA, LETTER_BASE, UNRELIABLE

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


def checked_frame(tidy: pd.DataFrame, *columns: str) -> pd.DataFrame:
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


def distinct(values: pd.Series[Any]) -> list[str]:
    """Distinct values as text, in order of appearance."""
    return list(dict.fromkeys(str(value) for value in values))


def shown_rows(frame: pd.DataFrame) -> list[bool]:
    """Whether each row may be shown; all of them where the frame does not say."""
    return [bool(value) for value in frame["shown"]] if "shown" in frame.columns else [True] * len(frame)


def row_marks(frame: pd.DataFrame) -> list[str]:
    """What stands in place of each row's number where it is not shown."""
    flags = frame["flag"] if "flag" in frame.columns else [""] * len(frame)
    return [CONFIDENTIAL if flag == CONFIDENTIAL else UNRELIABLE for flag in flags]


def two_lines(first: str, second: str) -> str:
    """A number above its interval."""
    return f"{first}\n{second}" if second else first


def table_notes(note: str | None, frame: pd.DataFrame | None = None) -> list[str]:
    """The caller's note, how columns were compared, and what the marks mean where they occur."""
    notes = [note] if note else []
    if frame is None:
        return notes
    if "column_letter" in frame.columns and (frame["column_letter"].fillna("") != "").any():
        notes.append(NOTE_LETTERS)
    hidden = {mark for mark, seen in zip(row_marks(frame), shown_rows(frame), strict=True) if not seen}
    return [*notes, *(text for text in (NOTE_UNRELIABLE, NOTE_CONFIDENTIAL) if text[:3] in hidden)]


def styled_table(
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


def table_html(table: GT) -> str:
    """The table as HTML that can be read out: header cells with a scope, and a caption.

    great_tables writes the title as a row of the header; it becomes the `<caption>`, so that every reader
    of the table, and every program that converts it, knows it as the table's name.
    """
    text: str = visible(table.as_raw_html())
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
