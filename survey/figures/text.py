"""Texts that stand for figures: what a reader who cannot see the picture is told."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.figures.layout import Source, frame_of, in_order, visible
from survey.printing import number, percent
from survey.tidy import ODDS_RATIO, SLOPE

Chart: TypeAlias = Literal[
    "dots", "composition", "likert", "coefficients", "probabilities", "weights", "margins", "counts"
]


def describe(
    tidy: Source,
    chart: Chart,
    *,
    group: str = "group",
    panel: str | None = "variable",
    level: str = "level",
    measure: str = "Share",
    reference: float | None = None,
) -> str:
    """Alternative text of a figure, with its main numbers, from the frame that was drawn.

    Parameters
    ----------
    tidy : the frame, or the result, that the figure was made from.
    chart : name of the figure's function.
    group, panel, level : columns of row labels, block labels and answers. `panel` falls away where the
        frame lacks it; "likert" and "coefficients" use the column "term" for `group` where it is lacking.
    measure : what is drawn, to begin the text with.
    reference : share of everybody, where the figure has a line for it.

    Returns
    -------
    A few sentences, in which figures that may not be shown are only counted.

    Raises
    ------
    EstimationError : an unknown chart, a missing column or an empty frame.
    """
    check_choice(chart, Chart, "chart")
    if chart == "weights":
        return _weights(frame_of(tidy, "before", "after"))
    if chart == "margins":
        return _margins(frame_of(tidy, "variable", "level", "unweighted", "weighted", "target"))
    if chart == "counts":
        return _counts(frame_of(tidy, group, "n"), group, measure)
    frame = frame_of(tidy, "estimate")
    if chart == "coefficients":
        drawn = frame[frame["kind"].isin([SLOPE, ODDS_RATIO])] if "kind" in frame.columns else frame
        return _coefficients(frame_of(drawn, "term", "conf_low", "conf_high"), measure)
    if group not in frame.columns:
        group = "term" if chart == "likert" else str(frame.columns[0])
    if chart in ("composition", "likert", "probabilities"):
        answers = frame_of(_of_kind(frame, "level"), group, level)
        return _bars(answers, chart, group=group, level=level, measure=measure)
    return _dots(frame, group=group, panel=panel, measure=measure, reference=reference)


def _counts(frame: pd.DataFrame, group: str, measure: str) -> str:
    """Every count."""
    rows = zip(frame[group], frame["n"].astype(float), strict=True)
    return f"Dot plot on a logarithmic axis. {measure}: {'; '.join(f'{name} {number(n)}' for name, n in rows)}."


def _dots(frame: pd.DataFrame, *, group: str, panel: str | None, measure: str, reference: float | None) -> str:
    """Lowest and highest group of each block."""
    sentences = [
        f"Dot plot with intervals. {measure}" + ("" if reference is None else f": total {percent(reference)}") + "."
    ]
    blocks = (
        frame[panel].astype(str) if panel is not None and panel in frame.columns else pd.Series("", index=frame.index)
    )
    for name in in_order(blocks):
        rows = frame[(blocks == name) & visible(frame)]
        start = f"{name}: " if name else ""
        if rows.empty:
            sentences.append(f"{start}no figure reliable enough to show.")
            continue
        if len(rows) == 1:
            sentences.append(f"{start}{rows[group].iloc[0]} {percent(float(rows['estimate'].iloc[0]))}.")
        else:
            sentences.append(f"{start}from {_range(rows, group)}.")
    return " ".join([*sentences, *_hidden(frame)])


def _bars(frame: pd.DataFrame, chart: Chart, *, group: str, level: str, measure: str) -> str:
    """Range of each answer over the bars or profiles."""
    kind = {"composition": "Bars of 100%", "likert": "Diverging bars"}.get(chart, "Lines with intervals")
    bars = in_order(frame[group])
    sentences = [f"{kind}. {measure} for {len(bars)} rows, from {bars[0]} to {bars[-1]}."]
    for name in in_order(frame[level]):
        rows = frame[(frame[level].astype(str) == name) & visible(frame)]
        if len(rows) == 1:
            sentences.append(f"{name}: {percent(float(rows['estimate'].iloc[0]))}.")
        elif len(rows):
            sentences.append(f"{name}: {_range(rows, group)}.")
    return " ".join([*sentences, *_hidden(frame)])


def _coefficients(frame: pd.DataFrame, measure: str) -> str:
    """How many intervals lie on which side of no difference."""
    none = np.where(frame["kind"] == ODDS_RATIO, 1.0, 0.0) if "kind" in frame.columns else 0.0
    above = int((frame["conf_low"] > none).sum())
    below = int((frame["conf_high"] < none).sum())
    return (
        f"Dot plot with intervals. {measure} for {len(frame)} rows: {above} with an interval above no "
        f"difference, {below} below, {len(frame) - above - below} that include it."
    )


def _weights(frame: pd.DataFrame) -> str:
    """Range of both sets of weights, over their means."""
    count = frame["n"].to_numpy(dtype=float) if "n" in frame.columns else np.ones(len(frame))
    parts = []
    for name in ("before", "after"):
        values = frame[name].to_numpy(dtype=float)
        values = values / np.average(values, weights=count)
        parts.append(f"{name} weighting from {number(values.min(), 2)} to {number(values.max(), 2)}")
    return f"Histogram of weights of {number(count.sum())} respondents, as multiples of their mean: {', '.join(parts)}."


def _margins(frame: pd.DataFrame) -> str:
    """Largest distance from the targets before and after."""
    # Rounded, so that of two equal distances the first is named whatever the rounding error.
    gaps = {name: (frame[name] - frame["target"]).abs().round(12) for name in ("unweighted", "weighted")}
    worst = frame.iloc[[int(gaps["unweighted"].to_numpy().argmax())]]
    where = f"{worst['variable'].item()}, {worst['level'].item()}"
    return (
        f"Dot plot of unweighted and weighted shares against targets for {len(frame)} levels of "
        f"{', '.join(in_order(frame['variable']))}. Largest distance before weighting: "
        f"{number(100 * gaps['unweighted'].max(), 1)} points ({where}); "
        f"after: {number(100 * gaps['weighted'].max(), 1)} points."
    )


def _of_kind(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of one kind, where the frame has kinds."""
    return frame[frame["kind"] == kind] if "kind" in frame.columns else frame


def _range(rows: pd.DataFrame, group: str) -> str:
    """Lowest and highest share, each with its row."""
    shares = rows["estimate"].to_numpy(dtype=float)
    ends = (int(shares.argmin()), int(shares.argmax()))
    return " to ".join(f"{percent(float(shares[end]))} ({rows[group].iloc[end]})" for end in ends)


def _hidden(frame: pd.DataFrame) -> list[str]:
    """A sentence on the figures that were not shown, if there are any."""
    hidden = int((~visible(frame)).sum())
    return [f"{hidden} not shown because unreliable, marked [u]."] if hidden else []
