"""Bars that add up to 100%: the composition of groups, and a battery of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    bars = _bars(frame, keys, level, levels)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        blocks = {name: [label for block, label in bars if block == name] for name in in_order(panels)}
        in_blocks = [bars[name, label] for name, labels in blocks.items() for label in labels]
        rows = stack_rows(blocks, gutter=1.75, pad=0.16)
        columns = _base_column(in_blocks)
        left, right = draw_rows(ax, rows, columns)

        room = WIDTH - 2 * MARGIN - left - right
        tile = TILE / (room - TILE) if any(bar.partly_hidden for bar in in_blocks) else 0.0
        width = room / (1 + tile)
        ax.set_xlim(0, 1 + tile)
        for row, bar in zip((row for row in rows if not row.header), in_blocks, strict=True):
            drawn = np.where(bar.shown, bar.shares, 0.0) if bar.shown.any() else bar.shares
            start = np.concatenate([[0.0], np.cumsum(drawn)])
            _segments(ax, row, _Bar(drawn, bar.shown, bar.base), start[:-1], shades=shades, width=width)
            if bar.partly_hidden:
                _hidden_tile(ax, row, start=float(start[-1]), width=tile)
        _no_axis(ax)
        return page(
            ax,
            new_figure=new_figure,
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
    bars = _bars(frame, [("", name) for name in frame[item].astype(str)], level, levels)
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        rows = stack_rows({"": [label for _, label in bars]}, gutter=2.0, pad=0.16, least=0.38)
        columns = _columns(list(bars.values()))
        left, right = draw_rows(ax, rows, columns)

        # The sums at both ends need room, as a share of the inches between the labels and the columns.
        inches = WIDTH - 2 * MARGIN - left - right
        room = (text_width("100%", SMALL_SIZE) + 0.1) / inches
        starts = {key: _diverging_starts(bar.shares, middle) for key, bar in bars.items()}
        low = min(float(start[0]) for start in starts.values())
        high = max(float(start[-1] + bars[key].shares[-1]) for key, start in starts.items())
        pad = room * (high - low) / (1 - 2 * room)
        width = inches * 1 / (high - low + 2 * pad)
        ax.set_xlim(low - pad, high + pad)
        for row, (key, bar) in zip(rows, bars.items(), strict=True):
            _segments(ax, row, bar, starts[key], shades=shades, width=width)
            _ends(ax, row, bar, starts[key], middle=middle)
        ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
        _no_axis(ax)
        return page(
            ax,
            new_figure=new_figure,
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


_Key = tuple[str, str]  # block and label of a bar


@dataclass(frozen=True, slots=True, eq=False)
class _Bar:
    """One bar: (k,) shares of the answers, (k,) whether each may be shown, and the printed base."""

    shares: np.ndarray
    shown: np.ndarray
    base: str

    @property
    def partly_hidden(self) -> bool:
        """Whether the bar has an answer that may be shown, and another that may not."""
        return bool(self.shown.any() and (~self.shown).any())


def _bars(frame: pd.DataFrame, keys: Sequence[_Key], level: str, levels: Sequence[str]) -> dict[_Key, _Bar]:
    """Bars in the order in which they first occur; `keys` gives the bar of each row of the frame."""
    base = next((column for column in ("column_base", "n") if column in frame.columns), None)
    place = {label: index for index, label in enumerate(levels)}
    may_be_shown = visible(frame).to_numpy()
    bars: dict[_Key, _Bar] = {}
    for row, key in enumerate(keys):
        if key not in bars:
            printed = "" if base is None else number(float(frame[base].iloc[row]))
            bars[key] = _Bar(np.zeros(len(levels)), np.ones(len(levels), dtype=bool), printed)
        index = place[str(frame[level].iloc[row])]
        estimate = float(frame["estimate"].iloc[row])
        bars[key].shares[index] += 0.0 if np.isnan(estimate) else estimate
        bars[key].shown[index] = bool(may_be_shown[row])
    _refuse_other_sums(bars)
    return bars


def _refuse_other_sums(bars: Mapping[_Key, _Bar]) -> None:
    """Refuse shares that do not add up to 1; those of a bar that is suppressed as a whole add up to 0."""
    for key, bar in bars.items():
        total = float(bar.shares.sum())
        if abs(total - 1) > ROUNDING and total > 0:
            raise EstimationError(
                f"`tidy` must hold shares that add up to 1 in each bar; they add up to {total:.6g} for "
                f"'{' / '.join(part for part in key if part)}'. Pass the shares of all answers without nets."
            )


def _label(share: float, shown: bool) -> str:
    """What is written in a segment."""
    return percent(share) if shown else UNRELIABLE


def _fits(share: float, text: str, width: float) -> bool:
    """Whether a segment of a bar of `width` inches has room for its text."""
    return share * width >= text_width(text, SMALL_SIZE) + 0.06


def _marks_left_out(bar: _Bar) -> bool:
    """Whether a suppressed segment is too narrow for its mark, in the narrowest bar there is."""
    return bool(bar.shown.any()) and any(
        not may and not _fits(share, UNRELIABLE, 3.0) for share, may in zip(bar.shares, bar.shown, strict=True)
    )


def _columns(bars: Sequence[_Bar]) -> list[Column]:
    """The base of each bar, after the mark of a segment that was too narrow for it."""
    narrow = [_marks_left_out(bar) for bar in bars]
    columns = [Column("", tuple(UNRELIABLE if out else "" for out in narrow))] if any(narrow) else []
    return columns + _base_column(bars)


def _base_column(bars: Sequence[_Bar]) -> list[Column]:
    """The base of each bar, where it is known."""
    return [Column("n", tuple(bar.base for bar in bars))] if any(bar.base for bar in bars) else []


def _hidden_tile(ax: Axes, row: Row, *, start: float, width: float) -> None:
    """A hatched tile of fixed width in place of the answers that are not shown."""
    height = min(row.height, 0.38) * BAR
    ax.barh(row.at, width, left=start, height=height, color=PAPER, edgecolor=LINE, hatch="////", linewidth=0.6,
            zorder=1)  # fmt: skip
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
    ax.text(start + width / 2, row.at, UNRELIABLE, ha="center", va="center_baseline", fontsize=SMALL_SIZE, color=INK,
            bbox=box, zorder=3)  # fmt: skip


def _segments(ax: Axes, row: Row, bar: _Bar, starts: np.ndarray, *, shades: Sequence[str], width: float) -> None:
    """One bar of `width` inches: segments with white separators and their percentages."""
    height = min(row.height, 0.38) * BAR
    if not bar.shown.any():
        ax.text(starts[0], row.at, UNRELIABLE, ha="left", va="center", fontsize=SMALL_SIZE, color=INK)
        return
    for start, share, may, shade in zip(starts, bar.shares, bar.shown, shades, strict=True):
        if may and share > 0:
            thin = share * width < SLIVER  # the white rim of a segment would cover it
            ax.barh(row.at, SLIVER / width if thin else share, left=start, height=height, color=shade,
                    edgecolor="none" if thin else PAPER, linewidth=1.0, zorder=3 if thin else 2)  # fmt: skip
        text = _label(float(share), bool(may))
        if (share > 0 or not may) and _fits(float(share), text, width):
            ax.text(start + share / 2, row.at, text, ha="center", va="center_baseline", fontsize=SMALL_SIZE,
                    color=ink_on(shade) if may else INK, zorder=3)  # fmt: skip


def _ends(ax: Axes, row: Row, bar: _Bar, starts: np.ndarray, *, middle: float) -> None:
    """The sums of both sides at the ends of a bar, where every part of them may be shown."""
    index = np.arange(len(bar.shares)) + 0.5
    sides = (
        (index < middle, starts[0], "right"),
        (index > middle, starts[-1] + bar.shares[-1], "left"),
    )
    for side, x, align in sides:
        if not bar.shown[side].all():
            continue
        ax.annotate(
            percent(float(bar.shares[side].sum())),
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
