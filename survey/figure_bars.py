"""Bars that add up to 100%: the composition of groups, and a battery of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from survey.errors import EstimationError
from survey.figure_layout import (
    MARGIN,
    Column,
    KeyEntry,
    Row,
    Source,
    draw_rows,
    frame_of,
    in_order,
    new_axes,
    page,
    plain_axes,
    stack_rows,
    visible,
)
from survey.figure_style import INK, PAPER, SMALL_SIZE, WIDTH, figure_style, ink_on, palette, text_width
from survey.printing import number, percent
from survey.reliability import UNRELIABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 0.74  # of the height of a row of one line
ROUNDING = 1e-6  # shares may miss 1 by this


def composition(
    tidy: Source,
    *,
    group: str = "group",
    panel: str | None = "variable",
    level: str = "level",
    scale: Literal["diverging", "sequential"] = "diverging",
    colours: Sequence[str] | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The answers of each group as one bar of 100%, segments in the order of the answers.

    A segment carries its percentage where there is room. A suppressed one is left blank, with its `[u]`
    in the gap, or at the right of the bar where the gap is too narrow.

    Parameters
    ----------
    tidy : rows with `estimate` and, where known, `n` and `shown`, for every group and answer; nets left out.
    group, panel, level : columns of the row labels, of the block labels and of the answers.
    scale : colours around a neutral middle, or from light to dark.
    colours : hexadecimal colours of the answers instead.
    title, caption, ax : as in `survey.figures.dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, the shares of a group do not add up to 1, or
        there are fewer colours than answers.
    """
    frame = _levels_only(frame_of(tidy, group, level, "estimate"))
    levels = in_order(frame[level])
    shades = _shades(levels, colours, scale)
    panels = frame[panel].astype(str) if panel in frame.columns else pd.Series("", index=frame.index)
    keys = list(zip(panels, frame[group].astype(str), strict=True))
    shares, shown, bases = _matrix(frame, keys, level, levels)
    with figure_style():
        own, ax = ax is None, ax if ax is not None else new_axes()
        order = list(dict.fromkeys(keys))
        blocks = {name: [label for block, label in order if block == name] for name in in_order(panels)}
        order = [(name, label) for name, labels in blocks.items() for label in labels]
        rows = stack_rows(blocks, gutter=1.75, pad=0.16)
        columns = _columns(order, shares, shown, bases)
        left, right = draw_rows(ax, rows, columns)
        ax.set_xlim(0, 1)
        width = WIDTH - 2 * MARGIN - left - right
        for row, key in zip((row for row in rows if not row.header), order, strict=True):
            start = np.concatenate([[0.0], np.cumsum(shares[key])])[:-1]
            _segments(ax, row, start, shares[key], shown[key], shades, width)
        _no_axis(ax)
        return page(
            ax,
            own=own,
            body=rows[-1].at + rows[-1].height / 2,
            left=left,
            right=right,
            title=title,
            caption=caption,
            key=[KeyEntry(name, shade) for name, shade in zip(levels, shades, strict=True)],
            head=SMALL_SIZE / 72 * 1.35 if columns else 0.02,
        )


def likert(
    tidy: Source,
    *,
    item: str = "term",
    level: str = "level",
    neutral: str | None = None,
    colours: Sequence[str] | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A battery of statements as bars that diverge from the middle of the neutral answer.

    The sums of the answers on either side, as far as they may be shown, stand at the ends of each bar.

    Parameters
    ----------
    tidy : rows with `estimate` and, where known, `n` and `shown`, for every statement and answer.
    item, level : columns of the statements and of the answers, negative ones first.
    neutral : the answer in the middle; None: the middle one of an odd number, none of an even one.
    colours : hexadecimal colours of the answers instead of the diverging palette.
    title, caption, ax : as in `survey.figures.dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, the shares of a statement do not add up to 1,
        or `neutral` is no answer.
    """
    frame = _levels_only(frame_of(tidy, item, level, "estimate"))
    levels = in_order(frame[level])
    if neutral is not None and neutral not in levels:
        raise EstimationError(
            f"`neutral` must be one of the answers {', '.join(levels)}; {neutral!r} was given. "
            "Write it as the codebook does."
        )
    middle = len(levels) / 2 if neutral is None else levels.index(neutral) + 0.5
    shades = _shades(levels, colours, "diverging")
    keys = [("", name) for name in frame[item].astype(str)]
    shares, shown, bases = _matrix(frame, keys, level, levels)
    order = list(dict.fromkeys(keys))
    with figure_style():
        own, ax = ax is None, ax if ax is not None else new_axes()
        rows = stack_rows({"": [label for _, label in order]}, gutter=2.0, pad=0.16, least=0.38)
        columns = _columns(order, shares, shown, bases)
        left, right = draw_rows(ax, rows, columns)
        starts = {key: _diverging_starts(shares[key], middle) for key in order}
        room = (text_width("100%", SMALL_SIZE) + 0.1) / (WIDTH - 2 * MARGIN - left - right)
        low = min(float(start[0]) for start in starts.values())
        high = max(float(start[-1] + shares[key][-1]) for key, start in starts.items())
        pad = room * (high - low) / (1 - 2 * room)
        ax.set_xlim(low - pad, high + pad)
        width = (WIDTH - 2 * MARGIN - left - right) * 1 / (high - low + 2 * pad)
        for row, key in zip(rows, order, strict=True):
            _segments(ax, row, starts[key], shares[key], shown[key], shades, width)
            _ends(ax, row, starts[key], shares[key], shown[key], middle)
        ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
        _no_axis(ax)
        return page(
            ax,
            own=own,
            body=rows[-1].at + rows[-1].height / 2,
            left=left,
            right=right,
            title=title,
            caption=caption,
            key=[KeyEntry(name, shade) for name, shade in zip(levels, shades, strict=True)],
            head=SMALL_SIZE / 72 * 1.35 if columns else 0.02,
        )


def _levels_only(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of answers, without nets and missing answers."""
    return frame[frame["kind"] == "level"].reset_index(drop=True) if "kind" in frame.columns else frame


def _shades(
    levels: Sequence[str], colours: Sequence[str] | None, scale: Literal["diverging", "sequential"]
) -> tuple[str, ...]:
    """A colour per answer."""
    if colours is None:
        return palette(len(levels), scale)
    if len(colours) != len(levels):
        raise EstimationError(
            f"`colours` must have one colour per answer; {len(colours)} were given for {len(levels)} "
            f"answers ({', '.join(levels)}). Pass as many, or none."
        )
    return tuple(colours)


_Key = tuple[str, str]


def _matrix(
    frame: pd.DataFrame, keys: Sequence[_Key], level: str, levels: Sequence[str]
) -> tuple[dict[_Key, np.ndarray], dict[_Key, np.ndarray], dict[_Key, str]]:
    """Per bar: the share of each answer, whether it may be shown, and the printed base."""
    seen = visible(frame).to_numpy()
    name = next((column for column in ("column_base", "n") if column in frame.columns), None)
    shares: dict[_Key, np.ndarray] = {}
    shown: dict[_Key, np.ndarray] = {}
    bases: dict[_Key, str] = {}
    place = {label: index for index, label in enumerate(levels)}
    for row, key in enumerate(keys):
        values = shares.setdefault(key, np.zeros(len(levels)))
        index = place[str(frame[level].iloc[row])]
        estimate = float(frame["estimate"].iloc[row])
        values[index] += 0.0 if np.isnan(estimate) else estimate
        shown.setdefault(key, np.ones(len(levels), dtype=bool))[index] = bool(seen[row])
        bases.setdefault(key, "" if name is None else number(float(frame[name].iloc[row])))
    for key, values in shares.items():
        total = float(values.sum())
        if abs(total - 1) > ROUNDING and total > 0:
            raise EstimationError(
                f"`tidy` must hold shares that add up to 1 in each bar; they add up to {total:.6g} for "
                f"'{' / '.join(part for part in key if part)}'. Pass the shares of all answers without nets."
            )
    return shares, shown, bases


def _label(share: float, shown: bool) -> str:
    """What is written in a segment."""
    return percent(share) if shown else UNRELIABLE


def _fits(share: float, text: str, width: float) -> bool:
    """Whether a segment of a bar of `width` inches has room for its text."""
    return share * width >= text_width(text, SMALL_SIZE) + 0.06


def _marks_left_out(shares: np.ndarray, shown: np.ndarray) -> bool:
    """Whether a suppressed segment is too narrow for its mark, in the narrowest bar there is."""
    return bool(shown.any()) and any(
        not may and not _fits(share, UNRELIABLE, 3.0) for share, may in zip(shares, shown, strict=True)
    )


def _columns(
    order: Sequence[_Key],
    shares: dict[_Key, np.ndarray],
    shown: dict[_Key, np.ndarray],
    bases: dict[_Key, str],
) -> list[Column]:
    """The base of each bar, after the mark of a segment that was too narrow for it."""
    narrow = [_marks_left_out(shares[key], shown[key]) for key in order]
    columns = [Column("", tuple(UNRELIABLE if out else "" for out in narrow))] if any(narrow) else []
    return columns + ([Column("n", tuple(bases[key] for key in order))] if any(bases.values()) else [])


def _segments(
    ax: Axes,
    row: Row,
    starts: np.ndarray,
    shares: np.ndarray,
    shown: np.ndarray,
    shades: Sequence[str],
    width: float,
) -> None:
    """One bar: segments with white separators and their percentages."""
    height = min(row.height, 0.38) * BAR
    if not shown.any():
        ax.text(starts[0], row.at, UNRELIABLE, ha="left", va="center", fontsize=SMALL_SIZE, color=INK)
        return
    for start, share, may, shade in zip(starts, shares, shown, shades, strict=True):
        if may and share > 0:
            ax.barh(row.at, share, left=start, height=height, color=shade, edgecolor=PAPER, linewidth=1.0,
                    zorder=2)  # fmt: skip
        text = _label(float(share), bool(may))
        if (share > 0 or not may) and _fits(float(share), text, width):
            ax.text(start + share / 2, row.at, text, ha="center", va="center_baseline", fontsize=SMALL_SIZE,
                    color=ink_on(shade) if may else INK, zorder=3)  # fmt: skip


def _ends(ax: Axes, row: Row, starts: np.ndarray, shares: np.ndarray, shown: np.ndarray, middle: float) -> None:
    """The sums of both sides at the ends of a bar, where every part of them may be shown."""
    index = np.arange(len(shares)) + 0.5
    sides = ((index < middle, starts[0], "right"), (index > middle, starts[-1] + shares[-1], "left"))
    for side, x, align in sides:
        if not shown[side].all():
            continue
        ax.annotate(
            percent(float(shares[side].sum())),
            (float(x), row.at),
            xytext=(-3 if align == "right" else 3, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize=SMALL_SIZE,
            fontweight="bold",
            color=INK,
            annotation_clip=False,
        )


def _diverging_starts(shares: np.ndarray, middle: float) -> np.ndarray:
    """Left ends of the segments, with 0 in the middle of the neutral one or between two answers."""
    ends = np.concatenate([[0.0], np.cumsum(shares)])
    return np.asarray(ends[:-1] - np.interp(middle, np.arange(len(ends)), ends))


def _no_axis(ax: Axes) -> None:
    """Bars are labelled directly and need no axis."""
    plain_axes(ax)
    ax.grid(False)
    ax.set_xticks([])
