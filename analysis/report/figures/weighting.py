"""Figures of the weighting: margins before and after it, and the weights."""

from __future__ import annotations

from analysis.report.figures.drawn import Drawn, Made, dashed, source_line
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey import figures
from survey.figures import describe
from survey.report import number


def margins(study: Study, numbers: Numbers) -> Made:
    """Margins before and after weighting, and their targets."""
    if numbers.weighting is None or numbers.weighting.margins is None:
        return None
    rows = numbers.weighting.margins
    frame = dashed(
        rows.assign(variable=[study.codebook.item(name).label for name in rows["variable"]]),
        "level",
    )
    gaps = (rows["unweighted"] - rows["target"]).abs().round(12)
    worst = frame.iloc[int(gaps.to_numpy().argmax())]
    title = f"Before weighting, {worst['variable'].lower()} {worst['level']} was {number(100 * gaps.max())} points off"
    axes = figures.margins(frame, title=title, caption=source_line(study, base=study.design.n))
    alt = describe(frame, "margins")
    return axes, Drawn(
        "margins",
        "Shares before and after weighting, and their targets.",
        alt=alt,
        function="survey.margin_table, survey.figures.margins",
    )


def weights(study: Study, numbers: Numbers) -> Made:
    """Distribution of the weights."""
    if numbers.weighting is None:
        return None
    pairs = numbers.weighting.pairs
    row = numbers.weighting.summary.iloc[0]
    title = f"Weights run from {number(row['min'], 2)} to {number(row['max'], 2)}"
    axes = figures.weights(pairs, title=title, caption=source_line(study, base=study.design.n))
    alt = describe(pairs, "weights")
    return axes, Drawn(
        "weights", "Weights of the respondents.", alt=alt, function="survey.rake, survey.figures.weights"
    )
