"""Figures of the weighting: margins against their targets, and the weights themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from survey.errors import EstimationError
from survey.figures.layout import (
    Column,
    KeyEntry,
    Source,
    draw_rows,
    frame_of,
    new_axes,
    page,
    percent_axis,
    plain_axes,
    span,
)
from survey.figures.marks import blocks_of_rows, column_head, draw_marks, height_of
from survey.figures.style import ACCENT, CONTRAST, INK, LINE, PAPER, figure_style
from survey.printing import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def margins(
    tidy: Source,
    *,
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Unweighted and weighted shares beside their targets, in a block per weighting variable.

    Parameters
    ----------
    tidy : the frame of `margin_table`: variable, level, unweighted, weighted, target and, where known, n.
    title, caption, xlabel, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = frame_of(tidy, "variable", "level", "unweighted", "weighted", "target")
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        rows, frame, _ = blocks_of_rows(frame, frame["target"].notna(), panel="variable", group="level")
        columns = [
            Column(name.capitalize() + "\n%", tuple(percent(float(v)) for v in frame[name]))
            for name in ("unweighted", "target")
        ]
        left, right = draw_rows(ax, rows, columns)
        at = [row.at for row in rows if not row.header]
        for height, (unweighted, target) in zip(at, frame[["unweighted", "target"]].to_numpy(), strict=True):
            ax.plot([unweighted, target], [height, height], color=LINE, linewidth=1.2, zorder=2)
        draw_marks(ax, frame["unweighted"], at, colour=CONTRAST, filled=False)
        draw_marks(ax, frame["weighted"], at, colour=ACCENT)
        ax.scatter(frame["target"], at, marker="|", s=260, color=INK, linewidths=2.0, zorder=5)
        percent_axis(ax, 0.0, span(frame[["unweighted", "weighted", "target"]].to_numpy().ravel(), 0, 1)[1])
        plain_axes(ax)
        key = [
            KeyEntry("Unweighted", CONTRAST, "o", filled=False),
            KeyEntry("Weighted", ACCENT, "o"),
            KeyEntry("Target", INK, "|"),
        ]
        return page(
            ax,
            new_figure=new_figure,
            body=height_of(rows),
            left=left,
            right=right,
            title=title,
            caption=caption,
            xlabel=xlabel,
            key=key,
            head=column_head(columns),
        )


def weights(
    frame: pd.DataFrame,
    *,
    bins: int = 30,
    xlabel: str = "Weight, as a multiple of the mean",
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Distribution of the weights before and after weighting.

    Parameters
    ----------
    frame : columns `before` and `after`, one row per respondent, or per distinct pair with its number `n`.
        Both are drawn as multiples of their mean.
    bins : number of bars over the range of both.
    title, caption, xlabel, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, or a mean weight is not positive.
    """
    import seaborn as sns

    frame = frame_of(frame, "before", "after", argument="frame")
    count = frame["n"].to_numpy(dtype=float) if "n" in frame.columns else np.ones(len(frame))
    before, after = (_relative(frame, name, count) for name in ("before", "after"))
    low = min(before.min(), after.min())
    high = max(before.max(), after.max())
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        sns.histplot(x=after, weights=count, bins=edges.tolist(), color=ACCENT, alpha=1, edgecolor=PAPER,
                     linewidth=0.6, ax=ax, zorder=2)  # fmt: skip
        key = [KeyEntry("After weighting", ACCENT)]
        if np.ptp(before) < 1e-9:
            ax.axvline(1.0, color=INK, linewidth=2, linestyle=(0, (4, 2)), zorder=4)
            key.insert(0, KeyEntry("Before: every weight equal", INK, "--"))
        else:
            heights = np.histogram(before, bins=edges, weights=count)[0]
            ax.stairs(heights, edges, color=INK, linewidth=1.8, zorder=4)
            key.insert(0, KeyEntry("Before weighting", INK, "s", filled=False))
        ax.set_xlabel("")
        ax.set_ylabel("")
        ax.set_xlim(edges[0], edges[-1])
        plain_axes(ax, "y")
        ax.yaxis.set_major_formatter(lambda value, _: number(value))
        return page(
            ax,
            new_figure=new_figure,
            body=2.6,
            left=0.55,
            title=title,
            caption=caption,
            xlabel=f"{xlabel}. Height: respondents",
            key=key,
            head=0.05,
        )


def _relative(frame: pd.DataFrame, name: str, count: np.ndarray) -> np.ndarray:
    """Weights over their mean."""
    values = frame[name].to_numpy(dtype=float)
    mean = float(np.average(values, weights=count))
    if not mean > 0:
        raise EstimationError(
            f"`frame['{name}']` must hold weights with a positive mean; their mean is {mean:g}. "
            "Pass the weights of the design."
        )
    return values / mean
