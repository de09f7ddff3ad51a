"""Printed tables of a model: odds ratios and average effects, a tidy frame in and a great_tables table out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from survey.printing import interval, number, p_value, telling_digits, term_and_level
from survey.tables.layout import checked_frame, distinct, styled_table, table_notes, two_lines
from survey.tidy import as_odds_ratios

if TYPE_CHECKING:
    from great_tables import GT


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
    frame = as_odds_ratios(checked_frame(tidy, "term", "estimate", "conf_low", "conf_high", "p_value"))
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
    plain = [False] * len(body)
    return styled_table(body, heads, bold=plain, stub="Level", title=title, note=table_notes(note), id=id)


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
    frame = checked_frame(tidy, "contrast", "term", "level", "estimate", "conf_low", "conf_high")
    columns = {name: f"column {place}" for place, name in enumerate(distinct(frame["level"]))}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in frame.to_dict("records"):
        bounds = [100 * float(row[name]) for name in ("conf_low", "conf_high")]
        digits = telling_digits(bounds, 0.0, 1)
        estimate = number(100 * float(row["estimate"]), 1, sign=True)
        low, high = (number(bound, digits, sign=True) for bound in bounds)
        cells = rows.setdefault((str(row["term"]), str(row["contrast"])), {})
        cells[columns[str(row["level"])]] = two_lines(estimate, interval(low, high))
    lines = [{"group": (labels or {}).get(t, t), "answer": c, **cells} for (t, c), cells in rows.items()]
    body = pd.DataFrame(lines).fillna("")
    body = body[["group", "answer", *columns.values()]]
    heads = {column: name for name, column in columns.items()}
    return styled_table(
        body, heads, bold=[False] * len(body), stub="Contrast", title=title, note=table_notes(note), id=id
    )
