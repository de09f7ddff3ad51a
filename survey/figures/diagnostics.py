"""Figures that check an ordinal model: its slopes at every division of the answers, and its residuals."""

from __future__ import annotations

from collections.abc import Mapping
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
    in_order,
    new_axes,
    page,
    plain_axes,
    span,
    visible,
)
from survey.figures.marks import blocks_of_rows, column_head, draw_intervals, height_of
from survey.figures.style import ACCENT, ACCENT_DARK, CONTRAST, INK, PAPER, figure_style
from survey.printing import interval, number, term_and_level
from survey.tidy import UNRELIABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def parallel_slopes(
    tidy: Source,
    *,
    common: Source | None = None,
    labels: Mapping[str, str] | None = None,
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Slopes at every division of the answers, in a block per column of the model, with the common slope as a line.

    Where the common slope lies within all intervals of a block, one slope says enough about it.

    Parameters
    ----------
    tidy : `survey.parallel_slopes(fit)` or its frame: `term`, `level` (the division), `estimate`, bounds.
    common : the model with one slope each, `fit` or `fit.tidy()`; its slopes are drawn as lines.
    labels : headings of the terms, by their name in the formula.
    xlabel, title, caption, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, or `common` lacks a slope.
    """
    frame = frame_of(tidy, "term", "level", "estimate", "conf_low", "conf_high")
    lines = {} if common is None else _common(common, frame)
    frame = frame.assign(_term=[_heading(str(term), labels) for term in frame["term"]])
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        rows, frame, seen = blocks_of_rows(frame, visible(frame), panel="_term", group="level")
        values = frame[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
        cells = [
            f"{number(float(row[0]), 2)} ({interval(number(float(row[1]), 2), number(float(row[2]), 2))})"
            if one
            else UNRELIABLE
            for row, one in zip(values, seen, strict=True)
        ]
        columns = [Column("slope (interval)", tuple(cells))]
        left, right = draw_rows(ax, rows, columns)
        at = np.array([row.at for row in rows if not row.header])
        heights = np.array([row.height for row in rows if not row.header])
        for term, slope in lines.items():
            of_term = (frame["term"].astype(str) == term).to_numpy()
            top = (at - heights / 2)[of_term].min()
            bottom = (at + heights / 2)[of_term].max()
            ax.vlines(slope, top, bottom, color=CONTRAST, linewidth=1.6, zorder=2)
        draw_intervals(ax, frame[seen], at[seen.to_numpy()], colour=ACCENT_DARK)
        ax.set_xlim(*span([*values[seen.to_numpy()].ravel(), *lines.values(), 0.0]))
        ax.axvline(0.0, color=INK, linewidth=1.0, zorder=1.5)
        plain_axes(ax)
        key = [KeyEntry("slope at the division", ACCENT_DARK, "o")]
        key += [KeyEntry("one slope for all divisions", CONTRAST, "|")] if lines else []
        return page(
            ax,
            new_figure=new_figure,
            body=height_of(rows),
            left=left,
            right=right,
            title=title,
            caption=caption,
            xlabel=xlabel or "Slope of the binary model of a higher answer",
            key=key,
            head=column_head(columns),
        )


def residuals(
    tidy: pd.DataFrame,
    *,
    against: str = "linear_predictor",
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Residuals of an ordinal model along its linear predictor or a numeric covariate.

    Under the right model the cloud of surrogate residuals has the same middle and height everywhere.

    Parameters
    ----------
    tidy : `survey.residuals(fit, rng=...)`: a point per row, larger for more weight.
    against : column that goes along the axis.
    xlabel, title, caption, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, or not numeric, or the frame is empty.
    """
    frame = _numeric(frame_of(tidy, against, "residual", "weight"), against)
    x, y = (frame[name].to_numpy(dtype=float) for name in (against, "residual"))
    weight = frame["weight"].to_numpy(dtype=float)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        size = np.clip(9.0 * weight / weight.mean(), 2.0, 60.0)
        ax.scatter(x, y, s=size, color=ACCENT, alpha=_opacity(len(frame)), linewidths=0, zorder=2, rasterized=True)
        ax.axhline(0.0, color=INK, linewidth=1.0, zorder=2.5)
        ax.set_xlim(*span(x))
        ax.set_ylim(*span(y))
        plain_axes(ax, "y")
        label = xlabel or f"Residual, by {against.replace('_', ' ')}"
        return page(
            ax, new_figure=new_figure, body=3.2, left=0.5, title=title, caption=caption, xlabel=label, head=0.08
        )


def residual_means(
    tidy: Source,
    *,
    against: str = "linear_predictor",
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Means of residuals in groups along the linear predictor or a numeric covariate, with a line at 0.

    Under the right model the intervals reach the line; a curve says what form the covariate needs.

    Parameters
    ----------
    tidy : `survey.residual_means(fit, against)` or its frame.
    against : column that goes along the axis.
    xlabel, title, caption, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, or not numeric, or the frame is empty.
    """
    frame = _numeric(frame_of(tidy, against, "estimate", "conf_low", "conf_high"), against)
    frame = frame[visible(frame)]
    x = frame[against].to_numpy(dtype=float)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        ax.vlines(x, frame["conf_low"], frame["conf_high"], color=ACCENT_DARK, linewidth=2.4, zorder=3)
        ax.plot(x, frame["estimate"], "o", color=ACCENT_DARK, markersize=7.5, markeredgecolor=PAPER, zorder=4)
        ax.axhline(0.0, color=INK, linewidth=1.0, zorder=2)
        ax.set_xlim(*span(x))
        ax.set_ylim(*span([*frame["conf_low"], *frame["conf_high"], 0.0]))
        plain_axes(ax, "y")
        label = xlabel or f"Mean residual (interval), by {against.replace('_', ' ')}"
        return page(
            ax, new_figure=new_figure, body=2.6, left=0.5, title=title, caption=caption, xlabel=label, head=0.08
        )


def _numeric(frame: pd.DataFrame, against: str) -> pd.DataFrame:
    """The frame, whose column along the axis must be numeric."""
    if not pd.api.types.is_numeric_dtype(frame[against].dtype):
        raise EstimationError(
            f"`against` must be a numeric column; {against!r} is not. Draw groups of it with survey.figures.dots."
        )
    return frame


def _heading(term: str, labels: Mapping[str, str] | None) -> str:
    """Heading of a block: variable and level."""
    name, level = term_and_level(term)
    name = (labels or {}).get(name, name)
    return f"{name}, {level}" if level == "per unit" else f"{name}: {level}"


def _common(common: Source, frame: pd.DataFrame) -> dict[str, float]:
    """Slope of each term of the frame in the model with one slope each."""
    slopes = frame_of(common, "term", "estimate", argument="common").set_index("term")["estimate"]
    lacking = [term for term in in_order(frame["term"]) if term not in slopes.index]
    if lacking:
        raise EstimationError(
            f"`common` must have a slope for each term; {', '.join(lacking)} not found among "
            f"{', '.join(map(str, slopes.index))}. Pass the fit whose slopes are compared."
        )
    return {term: float(slopes.loc[term]) for term in in_order(frame["term"])}


def _opacity(points: int) -> float:
    """Opacity at which a cloud of points neither vanishes nor becomes one blot."""
    return float(np.clip(120.0 / max(points, 1) ** 0.75, 0.08, 0.7))
