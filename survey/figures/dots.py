"""Dots with intervals: shares of groups in labelled blocks on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from survey.figures.layout import (
    Column,
    Source,
    draw_rows,
    frame_of,
    new_axes,
    page,
    percent_axis,
    plain_axes,
    span,
    visible,
)
from survey.figures.marks import base_columns, blocks_of_rows, column_head, draw_intervals, draw_reference, height_of
from survey.figures.style import SMALL_SIZE, figure_style
from survey.printing import percent
from survey.tidy import UNRELIABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def dots(
    tidy: Source,
    *,
    group: str = "group",
    panel: str | None = "variable",
    reference: float | None = None,
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Shares of groups as dots with intervals, in labelled blocks on one axis.

    Parameters
    ----------
    tidy : rows with `estimate`, `conf_low`, `conf_high` and, where known, `n`, `n_eff` and `shown`.
    group : column of the row labels; rows keep their order.
    panel : column of the block labels; None, or a column the frame lacks, draws one block.
    reference : share of everybody, drawn as a line.
    xlabel, title, caption : what is measured; the finding; measure, population, dates and base.
    ax : axes to draw on; None makes a figure.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, or the frame is empty.
    """
    frame = frame_of(tidy, group, "estimate", "conf_low", "conf_high")
    seen = visible(frame)
    bounds = None if _signed(frame) else (0.0, 1.0)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        rows, frame, seen = blocks_of_rows(frame, seen, panel=panel, group=group)
        columns = [Column("%", tuple(percent(e) if s else UNRELIABLE for e, s in _pairs(frame, seen)))]
        columns += base_columns(frame)
        left, right = draw_rows(ax, rows, columns)
        body = [row.at for row in rows if not row.header]
        draw_intervals(ax, frame[seen], np.array(body)[seen.to_numpy()])
        drawn = frame.loc[seen, ["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float).ravel()
        limits = [*drawn, *([] if reference is None else [reference])]
        percent_axis(ax, *span(limits, *(bounds or (None, None))), signed=bounds is None)
        head = column_head(columns)
        if reference is not None:
            draw_reference(ax, reference, f"Total {percent(reference)}")
            head = max(head, SMALL_SIZE / 72 * 1.4)
        plain_axes(ax)
        return page(
            ax,
            new_figure=new_figure,
            body=height_of(rows),
            left=left,
            right=right,
            title=title,
            caption=caption,
            xlabel=xlabel,
            head=head,
        )


def _pairs(frame: pd.DataFrame, seen: pd.Series[bool]) -> zip[tuple[float, bool]]:
    """Estimate and visibility of each row."""
    return zip(frame["estimate"].astype(float), seen, strict=True)


def _signed(frame: pd.DataFrame) -> bool:
    """Whether the frame holds differences rather than shares."""
    return bool((frame["estimate"] < 0).any())
