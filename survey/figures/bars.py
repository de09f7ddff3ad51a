"""Bars that add up to 100%: the composition of groups, and a battery of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from survey.errors import EstimationError
from survey.figures.layout import (
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
from survey.figures.style import INK, LINE, PAPER, SMALL_SIZE, WIDTH, figure_style, ink_on, shades_of, text_width
from survey.printing import number, percent
from survey.tidy import UNRELIABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 0.74  # of the height of a row of one line
ROUNDING = 1e-6  # shares may miss 1 by this
SLIVER = 0.022  # inches; the narrowest segment that can be seen
TILE = 0.3  # inches; what stands for suppressed answers, whatever their share


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

    A segment carries its percentage where there is room; one too narrow to be seen is drawn as a sliver. Answers that
    are suppressed leave no gap to read their share from: the others are drawn side by side, and a hatched tile at the
    end of the bar, of one width whatever it stands for, carries the `[u]`.

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
    shades = shades_of(levels, colours, scale)
    panels = frame[panel].astype(str) if panel in frame.columns else pd.Series("", index=frame.index)
    keys = list(zip(panels, frame[group].astype(str), strict=True))
    shares, shown, bases = _matrix(frame, keys, level, levels)
    with figure_style():
        own, ax = ax is None, ax if ax is not None else new_axes()
        order = list(dict.fromkeys(keys))
        blocks = {name: [label for block, label in order if block == name] for name in in_order(panels)}
        order = [(name, label) for name, labels in blocks.items() for label in labels]
        rows = stack_rows(blocks, gutter=1.75, pad=0.16)
        columns = _base_column(order, bases)
        left, right = draw_rows(ax, rows, columns)
        room = WIDTH - 2 * MARGIN - left - right
        tiled = any(_partly_hidden(shares[key], shown[key]) for key in order)
        tile = TILE / (room - TILE) if tiled else 0.0
        ax.set_xlim(0, 1 + tile)
        width = room / (1 + tile)
        for row, key in zip((row for row in rows if not row.header), order, strict=True):
            drawn = np.where(shown[key], shares[key], 0.0) if shown[key].any() else shares[key]
            start = np.concatenate([[0.0], np.cumsum(drawn)])
            _segments(ax, row, start[:-1], drawn, shown[key], shades, width)
            if _partly_hidden(shares[key], shown[key]):
                _hidden_tile(ax, row, float(start[-1]), tile)
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
    shades = shades_of(levels, colours)
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
    return columns + _base_column(order, bases)


def _base_column(order: Sequence[_Key], bases: dict[_Key, str]) -> list[Column]:
    """The base of each bar, where it is known."""
    return [Column("n", tuple(bases[key] for key in order))] if any(bases.values()) else []


def _partly_hidden(shares: np.ndarray, shown: np.ndarray) -> bool:
    """Whether a bar has an answer that may be shown, and another that may not."""
    return bool(shown.any() and (~shown).any())


def _hidden_tile(ax: Axes, row: Row, start: float, width: float) -> None:
    """A hatched tile of fixed width in place of the answers that are not shown."""
    height = min(row.height, 0.38) * BAR
    ax.barh(row.at, width, left=start, height=height, color=PAPER, edgecolor=LINE, hatch="////", linewidth=0.6,
            zorder=1)  # fmt: skip
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
    ax.text(start + width / 2, row.at, UNRELIABLE, ha="center", va="center_baseline", fontsize=SMALL_SIZE, color=INK,
            bbox=box, zorder=3)  # fmt: skip


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
            thin = share * width < SLIVER  # the white rim of a segment would cover it
            ax.barh(row.at, SLIVER / width if thin else share, left=start, height=height, color=shade,
                    edgecolor="none" if thin else PAPER, linewidth=1.0, zorder=3 if thin else 2)  # fmt: skip
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
