"""Figures of a regression: its slopes, average effects and predicted probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from survey import printing
from survey.arguments import check_choice
from survey.errors import EstimationError
from survey.figures.layout import (
    MARGIN,
    Column,
    KeyEntry,
    Source,
    draw_rows,
    frame_of,
    in_order,
    new_axes,
    page,
    percent_axis,
    plain_axes,
    span,
    visible,
)
from survey.figures.marks import blocks_of_rows, column_head, draw_intervals, height_of
from survey.figures.style import (
    ACCENT_DARK,
    INK,
    MARKERS,
    MUTED,
    PAPER,
    SMALL_SIZE,
    WIDTH,
    figure_style,
    on_paper,
    shades_of,
    wrap,
)
from survey.printing import interval, number, percent, term_and_level
from survey.tidy import ODDS_RATIO, SLOPE, UNRELIABLE, as_odds_ratios

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Scale = Literal["odds ratio", "percentage points", "log odds"]


def coefficients(
    tidy: Source,
    *,
    scale: Scale | None = None,
    labels: Mapping[str, str] | None = None,
    colours: Sequence[str] | None = None,
    title: str | None = None,
    caption: str | None = None,
    xlabel: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Slopes of a regression, or average effects, as dots with intervals in a block per term.

    Slopes on the log odds scale are drawn as odds ratios on a logarithmic axis with a line at 1, average
    effects (a frame with a `contrast` column) in percentage points with a line at 0. Where a frame holds
    effects on several answers, each answer has a mark of its own. Thresholds are left out.

    Parameters
    ----------
    tidy : `fit.tidy()`, exponentiated or not, or `average_effects(...).tidy()`, or several of the
        latter below each other.
    scale : "odds ratio", "percentage points" or "log odds"; None: by the `contrast` column.
    labels : headings of the terms, by their name in the formula.
    colours : hexadecimal colours of the answers instead of the diverging palette; too light ones are darkened.
    title, caption, xlabel, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, or the scale is unknown.
    """
    frame = frame_of(tidy, "term", "estimate", "conf_low", "conf_high")
    effects = "contrast" in frame.columns
    scale = scale or ("percentage points" if effects else "odds ratio")
    check_choice(scale, Scale, "scale")
    has_slopes = frame["kind"].isin([SLOPE, ODDS_RATIO]).any() if "kind" in frame.columns else True
    if not has_slopes or ("deff" in frame.columns and not effects):
        raise EstimationError(
            "`tidy` must hold slopes of a model or average effects; it holds shares, means or other parameters. Draw "
            "estimates with `dots`."
        )
    if scale == "odds ratio":
        frame = as_odds_ratios(frame)
    elif "kind" in frame.columns:
        if (frame["kind"] == ODDS_RATIO).any():
            raise EstimationError(
                f"`tidy` must hold slopes for scale={scale!r}; it holds odds ratios. Pass fit.tidy() as "
                "it is, not exponentiated."
            )
        frame = frame[frame["kind"] == SLOPE].reset_index(drop=True)
    names = [term_and_level(str(term)) for term in frame["term"]]
    frame = frame.assign(
        _term=[(labels or {}).get(term, term) for term, _ in names],
        _label=frame["contrast"].astype(str) if effects else [level for _, level in names],
    )
    if effects:
        frame = _against_one(frame)
    answers = in_order(frame["level"]) if effects and "level" in frame.columns else [""]
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        least = 0.0 if len(answers) == 1 else 0.14 + 0.15 * len(answers)
        labelled = frame.drop_duplicates(["_term", "_label"])
        rows, labelled, _ = blocks_of_rows(
            labelled, labelled["estimate"].notna(), panel="_term", group="_label", least=least
        )
        columns = [_value_column(labelled, scale)] if len(answers) == 1 else []
        left, right = draw_rows(ax, rows, columns)

        heights = [row.at for row in rows if not row.header]
        height = dict(zip(_keys(labelled), heights, strict=True))
        frame = frame[visible(frame)]
        at = np.array([height[labels_of_row] for labels_of_row in _keys(frame)])
        shades = on_paper(shades_of(answers, colours))
        key = _draw_answers(ax, frame, at, answers=answers, shades=shades)
        base = 1.0 if scale == "odds ratio" else 0.0
        _effect_axis(ax, scale, [*frame["conf_low"], *frame["conf_high"], base])
        ax.axvline(base, color=INK, linewidth=1.0, zorder=1.5)
        plain_axes(ax)
        return page(
            ax,
            new_figure=new_figure,
            body=height_of(rows),
            left=left,
            right=right,
            title=title,
            caption=caption,
            xlabel=xlabel
            or {"odds ratio": "Odds ratio, logarithmic axis", "log odds": "Log odds"}.get(scale)
            or "Difference in percentage points",
            key=key,
            head=column_head(columns),
        )


def probabilities(
    tidy: Source,
    *,
    profile: str | None = None,
    level: str = "level",
    colours: Sequence[str] | None = None,
    xlabel: str | None = None,
    title: str | None = None,
    caption: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Predicted probability of each answer along one variable, with intervals.

    Parameters
    ----------
    tidy : rows with `estimate`, `conf_low`, `conf_high`, the profile and the answer.
    profile : column that goes along the axis; numbers are drawn as lines with bands, categories as marks
        with whiskers joined by lines. None: the first column.
    level : column of the answers, in their order.
    colours : hexadecimal colours of the answers instead of the diverging palette; too light ones are darkened.
    title, caption, xlabel, ax : as in `dots`.

    Returns
    -------
    The axes.

    Raises
    ------
    EstimationError : a column is missing, the frame is empty, a profile has two rows for an answer, or there are
        not as many colours as answers.
    """
    first = frame_of(tidy, level, "estimate", "conf_low", "conf_high")
    profile = profile or str(first.columns[0])
    frame = frame_of(first, profile)
    if frame.duplicated([profile, level]).any():
        raise EstimationError(
            f"`tidy` must have one row per value of '{profile}' and answer; '{profile}' has "
            f"{int(frame.duplicated([profile, level]).sum())} more rows than that. Fix the other variables."
        )
    numeric = pd.api.types.is_numeric_dtype(frame[profile])
    answers = in_order(frame[level])
    values = in_order(frame[profile])
    shades = on_paper(shades_of(answers, colours))
    with figure_style():
        new_figure = ax is None
        ax = new_axes() if ax is None else ax
        left = 0.5
        _, high = span([*frame.loc[visible(frame), "conf_high"], 0.0], 0.0, 1.0)
        key = []
        for position, answer in enumerate(answers):
            rows = frame[frame[level].astype(str) == answer]
            colour = shades[position]
            marker = MARKERS[position % len(MARKERS)]
            # Categories: the marks of several answers stand beside each other.
            shift = 0.0 if numeric else (position - (len(answers) - 1) / 2) * 0.45 / len(answers)
            x = (
                rows[profile].to_numpy(dtype=float)
                if numeric
                else np.array([values.index(str(value)) + shift for value in rows[profile]])
            )
            _draw_line(ax, x, rows, colour=colour, marker=marker, band=numeric)
            key.append(KeyEntry(answer, colour, marker))
        _percent_axis_y(ax, high)
        if not numeric:
            slot = (WIDTH - 2 * MARGIN - left) / len(values) - 0.06
            ax.set_xticks(range(len(values)), ["\n".join(wrap(v, slot, SMALL_SIZE)) for v in values])
            ax.set_xlim(-0.5, len(values) - 0.5)
        plain_axes(ax, "y")
        return page(
            ax,
            new_figure=new_figure,
            body=3.2,
            left=left,
            title=title,
            caption=caption,
            xlabel=xlabel,
            key=key,
            head=0.08,
        )


def _against_one(frame: pd.DataFrame) -> pd.DataFrame:
    """Contrasts "High - Low" as "High" under "compared with Low", where a term compares with one level."""
    for term in in_order(frame["_term"]):
        of_term = frame["_term"] == term
        parts = [label.split(" - ") for label in frame.loc[of_term, "_label"]]
        # A level with a dash of its own leaves it open which one divides: such labels stay as they are.
        if all(len(part) == 2 for part in parts) and len({part[1] for part in parts}) == 1:
            frame.loc[of_term, "_label"] = [part[0] for part in parts]
            frame.loc[of_term, "_term"] = f"{term}, compared with {parts[0][1]}"
    return frame


def _keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Heading and label of each row."""
    return list(zip(frame["_term"].astype(str), frame["_label"].astype(str), strict=True))


def _value_column(labelled: pd.DataFrame, scale: Scale) -> Column:
    """Estimates and intervals in figures, in the order of the labelled rows."""
    title = {"odds ratio": "odds ratio", "log odds": "log odds", "percentage points": "points"}[scale]
    points = scale == "percentage points"
    values = labelled[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float) * (100 if points else 1)
    cells = []
    for row, shown in zip(values, visible(labelled), strict=True):
        digits = telling_digits([float(bound) for bound in row[1:]], scale)
        estimate = number(float(row[0]), 1 if points else 2, sign=points)
        low, high = (number(float(bound), digits, sign=points) for bound in row[1:])
        cells.append(f"{estimate} ({interval(low, high)})" if shown else UNRELIABLE)
    return Column(f"{title} (interval)", tuple(cells))


def telling_digits(bounds: Sequence[float], scale: Scale) -> int:
    """Decimals with which no bound that differs from the value of no effect is printed like it."""
    no_effect = 1.0 if scale == "odds ratio" else 0.0
    return printing.telling_digits(bounds, no_effect, 1 if scale == "percentage points" else 2)


def _draw_answers(
    ax: Axes, frame: pd.DataFrame, at: np.ndarray, *, answers: Sequence[str], shades: Sequence[str]
) -> list[KeyEntry]:
    """Intervals of one answer, or of several below each other with a key."""
    if len(answers) == 1:
        draw_intervals(ax, frame, at, colour=ACCENT_DARK)
        return []
    key = []
    for position, answer in enumerate(answers):
        colour = shades[position]
        marker = MARKERS[position % len(MARKERS)]
        of_answer = (frame["level"].astype(str) == answer).to_numpy()
        lower = (position - (len(answers) - 1) / 2) * 0.15
        draw_intervals(ax, frame[of_answer], at[of_answer] + lower, colour=colour, marker=marker)
        key.append(KeyEntry(answer, colour, marker))
    return key


def _effect_axis(ax: Axes, scale: Scale, values: Sequence[float]) -> None:
    """Axis of odds ratios, percentage points or log odds."""
    if scale == "odds ratio":
        low, high = span(np.log(np.array(values, dtype=float)))
        ax.set_xscale("log")
        ax.set_xlim(np.exp(low), np.exp(high))
        ticks = _ratio_ticks(low, high)
        ax.set_xticks(ticks, [format(tick, "g") for tick in ticks])
        ax.minorticks_off()
    elif scale == "percentage points":
        percent_axis(ax, *span(values), signed=True)
        ax.set_xticks(ax.get_xticks(), [text.get_text().removesuffix("%") for text in ax.get_xticklabels()])
    else:
        ax.set_xlim(*span(values))


def _ratio_ticks(low: float, high: float) -> list[float]:
    """Round odds ratios between two logarithms that do not crowd each other, 1 first of all."""
    chosen: list[float] = []
    for digits in ((1,), (2, 5), (1.5, 3, 7), (1.2, 4, 8), (1.1, 1.05, 1.3, 6, 9, 9.5)):
        for tick in sorted((d * 10.0**e for d in digits for e in range(-4, 5)), key=lambda t: abs(np.log(t))):
            apart = all(abs(np.log(tick / other)) >= 0.12 * (high - low) for other in chosen)
            if low <= np.log(tick) <= high and apart:
                chosen.append(tick)
    return sorted(chosen)


def _draw_line(ax: Axes, x: np.ndarray, rows: pd.DataFrame, *, colour: str, marker: str, band: bool) -> None:
    """One answer's probabilities: line and band, or joined marks with whiskers."""
    seen = visible(rows)
    y = rows["estimate"].where(seen).to_numpy(dtype=float)
    low, high = (rows[name].where(seen).to_numpy(dtype=float) for name in ("conf_low", "conf_high"))
    ax.plot(x, y, color=colour, linewidth=2 if band else 1.2, zorder=3, alpha=1 if band else 0.6)
    if band:
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
        some = np.unique(np.linspace(0, len(x) - 1, 6).round().astype(int))
        ax.plot(x[some], y[some], marker, color=colour, markersize=6.5, markeredgecolor=PAPER, zorder=4)
    else:
        ax.vlines(x, low, high, color=colour, linewidth=2, zorder=3)
        ax.plot(x, y, marker, color=colour, markersize=7, markeredgecolor=PAPER, zorder=4)
    for place in np.flatnonzero(~seen.to_numpy()):
        ax.annotate(UNRELIABLE, (x[place], 0), xytext=(0, 2), textcoords="offset points", ha="center",
                    va="bottom", fontsize=SMALL_SIZE, color=MUTED)  # fmt: skip


def _percent_axis_y(ax: Axes, high: float) -> None:
    """Vertical axis of shares from 0, with percentages."""
    ax.set_ylim(0, high)
    ticks = [float(tick) for tick in ax.get_yticks() if -1e-9 <= tick <= high]
    ax.set_yticks(ticks, [percent(tick, 0 if high > 0.05 else 1) for tick in ticks])
