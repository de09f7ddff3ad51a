"""Counts of very different size, as dots on a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey.errors import EstimationError
from survey.figures.layout import Column, Source, draw_rows, frame_of, new_axes, page, plain_axes, stack_rows
from survey.figures.marks import draw_marks, height_of
from survey.figures.style import ACCENT, LINE, figure_style
from survey.printing import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GUTTER = 2.4  # widest column of row labels, inches
LARGEST = 12  # decades of the axis
ROOM = 2.0  # how far the axis goes beyond the largest count, as a multiple of it


def counts(
    tidy: Source,
    *,
    group: str = "group",
    n: str = "n",
    lowest: float = 1.0,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Counts as dots on a logarithmic axis, each with its number.

    Parameters
    ----------
    tidy : one row per count; rows keep their order.
    group, n : columns of the row labels and of the counts.
    lowest : left end of the axis, above zero; no count may lie below it.
    title, caption : the finding; what is counted, and the source.
    ax : axes to draw on; None makes a figure.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, or a count has no place on the axis.

    Examples
    --------
    Readers of two newsletters, from a hundred on:

    >>> import pandas as pd
    >>> import survey
    >>> frame = pd.DataFrame({"group": ["City", "Village"], "n": [160_000, 240]})
    >>> axes = survey.figures.counts(frame, lowest=100, title="Most readers live in the city")
    """
    frame = frame_of(tidy, group, n)
    values = frame[n].astype(float)
    if not lowest > 0 or not (values >= lowest).all():
        raise EstimationError(
            f"`lowest` must be above 0 and at most the smallest count, as the axis is logarithmic; got {lowest:g}, and "
            f"counts from {values.min():g}. Lower it, or leave counts of zero out."
        )
    with figure_style():
        new_figure = ax is None
        axes = new_axes() if ax is None else ax
        rows = stack_rows({"": [str(label) for label in frame[group]]}, gutter=GUTTER)
        left, right = draw_rows(axes, rows, [Column("", tuple(number(value) for value in values))])
        at = [row.at for row in rows]
        axes.set_xscale("log")
        axes.set_xlim(lowest, ROOM * max(values))
        axes.hlines(at, lowest, list(values), color=LINE, linewidth=1.0, zorder=2)
        draw_marks(axes, values, at, colour=ACCENT)
        low, high = axes.get_xlim()
        ticks = [float(tick) for tick in 10.0 ** np.arange(0, LARGEST) if low <= tick <= high]
        axes.set_xticks(ticks, [number(tick) for tick in ticks])
        axes.minorticks_off()
        plain_axes(axes)
        return page(
            axes,
            new_figure=new_figure,
            body=height_of(rows),
            left=left,
            right=right,
            title=title,
            caption=caption,
            head=0.05,
        )
