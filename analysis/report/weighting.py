"""What weighting did: the weights, the margins before and after it, and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.study import Study
from survey import Design, margin_table, weight_summary


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """Diagnostics of the weighting.

    Attributes
    ----------
    summary : one row about the weights, scaled to mean one.
    margins : shares before and after weighting, and their targets; None where weights came with the file.
    pairs : weights before and after, and how many respondents have each pair.
    """

    summary: pd.DataFrame
    margins: pd.DataFrame | None
    pairs: pd.DataFrame


def weighting_of(study: Study) -> Weighting | None:
    """How the respondents were weighted; None where they were not."""
    if not study.weighted:
        return None
    pairs = pd.DataFrame({"before": study.before.weights, "after": study.design.weights})
    return Weighting(
        summary=_scaled_summary(study.design),
        margins=margin_table(study.design, study.margins) if study.margins else None,
        pairs=pairs.groupby(["before", "after"]).size().rename("n").reset_index(),
    )


def _scaled_summary(design: Design) -> pd.DataFrame:
    """Summary of the weights scaled to mean one."""
    summary = weight_summary(design)
    mean_weight = summary["sum"] / summary["n"]
    scaled = {name: summary[name] / mean_weight for name in ("sum", "min", "max")}
    return summary.assign(**scaled)
