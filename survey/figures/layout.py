"""The page of a figure: rows of labels, columns of numbers, key, title and caption, measured in inches.

A figure made here has the same width as every other; its height follows from what is in it. On axes that
a caller brings the same texts are drawn at the same distances from them, and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from survey.errors import EstimationError
from survey.figures.style import (
    FONT,
    GRID,
    INK,
    LINE,
    MUTED,
    PAPER,
    SMALL_SIZE,
    TEXT_SIZE,
    TITLE_SIZE,
    WIDTH,
    figure_of,
    text_width,
    wrap,
)
from survey.printing import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GUTTER = 2.05  # widest column of row labels, inches
LINE_HEIGHT = 1.32  # of the type size
MARGIN = 0.08
GAP = 0.14  # between columns


@runtime_checkable
class Tidy(Protocol):
    """A result that has a tidy frame."""

    def tidy(self) -> pd.DataFrame:
        """One row per estimate."""


Source: TypeAlias = pd.DataFrame | Tidy


@dataclass(frozen=True, slots=True)
class Row:
    """A label on the left of a figure, and where it stands.

    `at` is the vertical position in inches from the top, counted downwards; `lines` is the wrapped label.
    A header row names a block of rows and has no marks.
    """

    lines: tuple[str, ...]
    at: float
    height: float
    header: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Texts at the right of the marks, one per row that is not a header."""

    title: str
    cells: tuple[str, ...]

    @property
    def width(self) -> float:
        """Inches that the column takes."""
        title = max(text_width(line, SMALL_SIZE) for line in self.title.split("\n"))
        return max([title, *(text_width(cell, SMALL_SIZE) for cell in self.cells)]) + GAP


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One entry of the key above the marks: a drawn sample and its name."""

    label: str
    colour: str
    marker: str | None = None  # None: a filled square; "--": a dashed upright line
    filled: bool = True


def frame_of(source: Source, *columns: str, argument: str = "tidy") -> pd.DataFrame:
    """The tidy frame of a result, or the frame itself, checked for what a figure needs; errors name `argument`."""
    frame = source.tidy() if not isinstance(source, pd.DataFrame) and isinstance(source, Tidy) else source
    if not isinstance(frame, pd.DataFrame):
        raise EstimationError(
            f"`{argument}` must be a frame or a result with `.tidy()`; {type(source).__name__} was given. "
            "Pass the result of an estimate or table."
        )
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise EstimationError(
            f"`{argument}` must have the columns {', '.join(columns)}; {', '.join(lacking)} not found among "
            f"{', '.join(map(str, frame.columns))}. Name the columns that hold them."
        )
    if frame.empty:
        raise EstimationError(
            f"`{argument}` must have at least one row; it has none. Check the filter that made the frame."
        )
    return frame.reset_index(drop=True)


def in_order(values: Iterable[object]) -> list[str]:
    """The distinct values as text, in the order in which they first appear."""
    return list(dict.fromkeys(str(value) for value in values))


def visible(frame: pd.DataFrame) -> pd.Series[bool]:
    """Rows whose estimate may be drawn: `shown`, where there is such a column, and not NaN."""
    known = frame["estimate"].notna()
    return known & frame["shown"].astype(bool) if "shown" in frame.columns else known


def stack_rows(
    blocks: Mapping[str, Sequence[str]], gutter: float = GUTTER, pad: float = 0.1, least: float = 0.0
) -> list[Row]:
    """Rows below each other: for every block its header, unless that is empty, and its labels.

    A row is as high as its label and `pad`, and at least `least`, in inches.
    """
    line = TEXT_SIZE / 72 * LINE_HEIGHT
    rows: list[Row] = []
    at = 0.0
    for position, (header, labels) in enumerate(blocks.items()):
        if header:
            at += 0.12 if position else 0.0
            lines = wrap(header, WIDTH - 2 * MARGIN, TEXT_SIZE, bold=True)
            height = len(lines) * line + 0.04
            rows.append(Row(tuple(lines), at + height / 2, height, header=True))
            at += height
        for label in labels:
            lines = wrap(label, gutter, TEXT_SIZE)
            height = max(len(lines) * line + pad, least)
            rows.append(Row(tuple(lines), at + height / 2, height))
            at += height
    return rows


def new_axes() -> Axes:
    """Axes of a figure of their own, outside pyplot, so that nothing global changes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, WIDTH))
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    return axes


def plain_axes(ax: Axes, grid: str = "x") -> None:
    """Take the box away, leave thin grid lines, and fix the look of tick labels."""
    for side, spine in ax.spines.items():
        spine.set_visible(side == ("bottom" if grid == "y" else ""))
    ax.grid(False)
    ax.grid(True, axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.tick_params(axis="both", length=0, labelsize=SMALL_SIZE, labelcolor=MUTED, pad=4, labelfontfamily=FONT)


def draw_rows(ax: Axes, rows: Sequence[Row], columns: Sequence[Column] = ()) -> tuple[float, float]:
    """Write the labels left of the axes and the columns right of them.

    Returns
    -------
    Inches taken left and right of the axes.
    """
    left = GAP + max((text_width(line, TEXT_SIZE) for row in rows if not row.header for line in row.lines), default=0.0)
    body = [row for row in rows if not row.header]
    ax.set_yticks([])
    ax.set_ylim(rows[-1].at + rows[-1].height / 2, rows[0].at - rows[0].height / 2)
    for row in rows:
        _beside(ax, "\n".join(row.lines), row.at, -left, ha="left", size=TEXT_SIZE, colour=INK, bold=row.header)
    right = 0.0
    for column in columns:
        right += column.width
        for row, cell in zip(body, column.cells, strict=True):
            _beside(ax, cell, row.at, right, ha="right", size=SMALL_SIZE, colour=MUTED)
        ax.annotate(
            column.title,
            (1, 1),
            xycoords="axes fraction",
            xytext=(right * 72, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=SMALL_SIZE,
            color=MUTED,
            annotation_clip=False,
        )
    return left, right


def _beside(
    ax: Axes, text: str, at: float, inches: float, *, ha: str, size: float, colour: str, bold: bool = False
) -> None:
    """A text at a height of the data, some inches outside the axes."""
    ax.annotate(
        text,
        (0 if inches < 0 else 1, at),
        xycoords=("axes fraction", "data"),
        xytext=(inches * 72, -0.8),  # letters sit above the middle of their box
        textcoords="offset points",
        ha=ha,
        va="center",
        fontsize=size,
        color=colour,
        fontweight="bold" if bold else "normal",
        # A heading reaches into the axes, where no line may cross it.
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0} if bold else None,
        annotation_clip=False,
    )


def percent_axis(ax: Axes, low: float, high: float, signed: bool = False) -> None:
    """Horizontal axis of shares, with ticks at round percentages."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(low), float(high)
    locator = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])
    ticks = np.asarray(locator.tick_values(low * 100, high * 100)) / 100
    inside = [float(tick) for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]
    whole = all(abs(tick * 100 - round(tick * 100)) < 1e-6 for tick in inside)
    ax.set_xlim(low, high)
    ax.set_xticks(inside, [percent(tick, 0 if whole else 1, signed) for tick in inside])


def span(values: Iterable[Any], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """Lowest and highest finite value with room around them, within bounds where there are any."""
    finite = np.array([value for value in values if pd.notna(value) and np.isfinite(value)], dtype=float)
    if finite.size == 0:
        finite = np.array([0.0, 1.0])
    pad = max(0.06 * float(np.ptp(finite)), 0.01)
    bottom = float(finite.min()) - pad
    top = float(finite.max()) + pad
    return (
        bottom if low is None or finite.min() < low else max(bottom, low),
        top if high is None or finite.max() > high else min(top, high),
    )


def page(
    ax: Axes,
    *,
    new_figure: bool,
    body: float,
    left: float,
    right: float = 0.0,
    title: str | None = None,
    caption: str | None = None,
    xlabel: str | None = None,
    key: Sequence[KeyEntry] = (),
    head: float = 0.0,
) -> Axes:
    """Place the axes on a page with title and key above and axis label and caption below.

    Parameters
    ----------
    ax : the axes, already drawn on.
    new_figure : whether the figure was made here, and may therefore be resized.
    body : height of the axes in inches.
    left, right : inches beside the axes that labels and columns take.
    title, caption, xlabel : texts, wrapped to the page.
    key : entries of the key.
    head : inches that column titles take above the axes.

    Returns
    -------
    The axes.
    """
    figure = figure_of(ax)
    if new_figure:
        wide = WIDTH - 2 * MARGIN
    else:
        wide = ax.get_position().width * figure.get_figwidth() + left + right
        body = ax.get_position().height * figure.get_figheight()
    ticks = SMALL_SIZE / 72 + 0.09 if ax.get_xticks().size else 0.0
    tick_lines = max((label.get_text().count("\n") for label in ax.get_xticklabels()), default=0)
    ticks += tick_lines * SMALL_SIZE / 72 * LINE_HEIGHT
    below = ticks + 0.08
    for text in (xlabel, caption):
        if text:
            lines = wrap(text, wide, SMALL_SIZE)
            _offset(ax, "\n".join(lines), -left, -below, size=SMALL_SIZE, colour=MUTED, at_top=False)
            below += len(lines) * SMALL_SIZE / 72 * LINE_HEIGHT + 0.1
    above = head + 0.05
    if key:
        above = _draw_key(ax, key, -left, above, wide)
    if title:
        lines = wrap(title, wide, TITLE_SIZE, bold=True)
        above += 0.06
        _offset(ax, "\n".join(lines), -left, above, size=TITLE_SIZE, colour=INK, at_top=True, bold=True)
        above += len(lines) * TITLE_SIZE / 72 * LINE_HEIGHT
    if new_figure:
        height = body + above + below + 2 * MARGIN
        figure.set_size_inches(WIDTH, height)
        ax.set_position(
            (
                (MARGIN + left) / WIDTH,
                (MARGIN + below) / height,
                (WIDTH - 2 * MARGIN - left - right) / WIDTH,
                body / height,
            )
        )
    return ax


def _offset(
    ax: Axes, text: str, x: float, y: float, *, size: float, colour: str, at_top: bool, bold: bool = False
) -> None:
    """A text whose corner lies some inches from the top left or bottom left corner of the axes."""
    ax.annotate(
        text,
        (0, 1 if at_top else 0),
        xycoords="axes fraction",
        xytext=(x * 72, y * 72),
        textcoords="offset points",
        ha="left",
        va="bottom" if at_top else "top",
        fontsize=size,
        color=colour,
        fontweight="bold" if bold else "normal",
        linespacing=1.2,
        annotation_clip=False,
    )


def _draw_key(ax: Axes, key: Sequence[KeyEntry], x: float, y: float, wide: float) -> float:
    """Draw the key in lines above the axes, first entry first; returns the height of its top edge."""
    sample = 0.2
    line = TEXT_SIZE / 72 * LINE_HEIGHT + 0.03
    lines: list[list[tuple[float, KeyEntry]]] = [[]]
    at = 0.0
    for entry in key:
        width = sample + text_width(entry.label, TEXT_SIZE) + 0.2
        if lines[-1] and at + width - 0.2 > wide:
            lines.append([])
            at = 0.0
        lines[-1].append((at, entry))
        at += width
    for position, entries in enumerate(lines):
        base = y + (len(lines) - 1 - position) * line
        for start, entry in entries:
            _offset(ax, entry.label, x + start + sample, base, size=TEXT_SIZE, colour=INK, at_top=True)
            _draw_sample(ax, entry, x + start + 0.08, base + TEXT_SIZE / 72 * 0.62)
    return y + len(lines) * line + 0.02


def _draw_sample(ax: Axes, entry: KeyEntry, x: float, y: float) -> None:
    """The mark of a key entry, as it looks among the data."""
    from matplotlib.lines import Line2D
    from matplotlib.path import Path
    from matplotlib.transforms import ScaledTranslation

    figure = figure_of(ax)
    dashes = Path([(0, -1), (0, -0.2), (0, 0.2), (0, 1)], [Path.MOVETO, Path.LINETO, Path.MOVETO, Path.LINETO])
    corner = ax.transAxes + ScaledTranslation(x, y, figure.dpi_scale_trans)
    sample = Line2D(
        [0],
        [1],
        transform=corner,
        marker=dashes if entry.marker == "--" else entry.marker or "s",
        markersize={None: 10, "|": 13, "--": 13}.get(entry.marker, 7),
        color=entry.colour,
        markerfacecolor=entry.colour if entry.filled else PAPER,
        markeredgecolor=LINE if entry.marker is None else entry.colour,
        markeredgewidth=0.5 if entry.marker is None else 1.5,
        linestyle="none",
        clip_on=False,
    )
    ax.add_artist(sample)
