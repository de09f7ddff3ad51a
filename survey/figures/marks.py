"""What figures of estimates share: blocks of rows, columns of bases, marks with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from survey.figures.layout import Column, Row, in_order, stack_rows
from survey.figures.style import ACCENT, INK, MUTED, PAPER, SMALL_SIZE
from survey.printing import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def blocks_of_rows(
    frame: pd.DataFrame, seen: pd.Series[bool], *, panel: str | None, group: str, least: float = 0.0
) -> tuple[list[Row], pd.DataFrame, pd.Series[bool]]:
    """Rows in blocks, and the frame in the order of the rows."""
    names = frame[panel].astype(str) if panel is not None and panel in frame.columns else None
    if names is None:
        return stack_rows({"": [str(value) for value in frame[group]]}, least=least), frame, seen
    order = [place for name in in_order(names) for place in np.flatnonzero(names == name).tolist()]
    frame = frame.iloc[order]
    seen = seen.iloc[order]
    names = names.iloc[order]
    blocks = {name: [str(v) for v in frame.loc[names == name, group]] for name in in_order(names)}
    return stack_rows(blocks, least=least), frame, seen


def height_of(rows: Sequence[Row]) -> float:
    """Inches from the first row's top to the last row's bottom."""
    return rows[-1].at + rows[-1].height / 2 - (rows[0].at - rows[0].height / 2)


def base_columns(frame: pd.DataFrame) -> list[Column]:
    """Columns of n and effective n, where the frame has them."""
    titles = {"n": "n", "n_eff": "effective\nn"}
    return [
        Column(title, tuple(number(float(value)) for value in frame[name]))
        for name, title in titles.items()
        if name in frame.columns
    ]


def column_head(columns: Sequence[Column]) -> float:
    """Inches that the titles of the columns take above the axes."""
    return max((column.title.count("\n") + 1 for column in columns), default=0) * SMALL_SIZE / 72 * 1.35


def draw_intervals(ax: Axes, frame: pd.DataFrame, at: np.ndarray, *, colour: str = ACCENT, marker: str = "o") -> None:
    """Intervals as lines and estimates as marks on them."""
    ax.hlines(at, frame["conf_low"], frame["conf_high"], color=colour, linewidth=2.4, zorder=3)
    draw_marks(ax, frame["estimate"], at, colour=colour, marker=marker)


def draw_marks(
    ax: Axes,
    x: pd.Series[float],
    at: Sequence[float] | np.ndarray,
    *,
    colour: str,
    marker: str = "o",
    filled: bool = True,
) -> None:
    """Marks with a white rim, or hollow ones."""
    import seaborn as sns

    sns.scatterplot(
        x=x.to_numpy(dtype=float),
        y=np.asarray(at, dtype=float),
        ax=ax,
        marker=marker,
        s=62,
        color=colour if filled else PAPER,
        edgecolor=PAPER if filled else colour,
        linewidth=0.8 if filled else 1.8,
        zorder=4,
        legend=False,
    )
    ax.set_xlabel("")
    ax.set_ylabel("")


def draw_reference(ax: Axes, value: float, label: str) -> None:
    """A dashed line with its name above the axes."""
    ax.axvline(value, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1.5)
    low, high = ax.get_xlim()
    share = (value - low) / (high - low)
    ax.annotate(
        label,
        (value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="left" if share < 0.2 else "right" if share > 0.8 else "center",
        va="bottom",
        fontsize=SMALL_SIZE,
        color=INK,
        annotation_clip=False,
    )
