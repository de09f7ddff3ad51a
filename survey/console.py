"""Results as text for the console: what printing a result shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from survey.errors import visible
from survey.tidy import NOT_AVAILABLE, UNRELIABLE

CONSOLE_ROWS = 30  # rows of a result that printing it shows
HIDDEN = frozenset({"estimate", "std_error", "conf_low", "conf_high", "n_eff", "deff"})  # in a suppressed row


def console(title: str, frame: pd.DataFrame, columns: Sequence[str], note: str = "") -> str:
    """A result as text for the console: a title, the first rows of some columns, and a note.

    Numbers have four significant digits; a row whose `shown` is False has marks in place of them.
    """
    rows = frame.head(CONSOLE_ROWS)
    printed = [name for name in columns if name in rows.columns and (rows[name].astype(str) != "").any()]
    cells = {name: [_cell(value) for value in rows[name]] for name in printed}
    if "shown" in rows.columns:
        for name in set(printed) & HIDDEN:
            cells[name] = [
                text if shown else UNRELIABLE for text, shown in zip(cells[name], rows["shown"], strict=True)
            ]
    more = len(frame) - len(rows)
    lines = [title, pd.DataFrame(cells).to_string(index=False) if len(rows) else ""]
    lines += [f"... and {more} rows more; tidy() has all of them, and more columns"] if more > 0 else []
    return visible("\n".join(line for line in [*lines, note] if line))


def _cell(value: object) -> str:
    """A value for the console."""
    if isinstance(value, float):
        return NOT_AVAILABLE if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:.1f}"
    return str(value)
