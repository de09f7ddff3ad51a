"""Odds ratios: slopes of a logit model, exponentiated once."""

from __future__ import annotations

import numpy as np
import pandas as pd

ODDS_RATIO, SLOPE = "odds ratio", "slope"  # kinds of rows


def as_odds_ratios(tidy: pd.DataFrame) -> pd.DataFrame:
    """Slopes and their bounds as exp(b), other parameters left out.

    Rows of the kind "odds ratio" are what they should be already, and stay; a frame without kinds is taken for slopes.
    """
    if "kind" not in tidy.columns:
        return tidy.assign(**_exponentiated(tidy))
    if (tidy["kind"] == ODDS_RATIO).any():
        return tidy[tidy["kind"] == ODDS_RATIO].reset_index(drop=True)
    slopes = tidy[tidy["kind"] == SLOPE].reset_index(drop=True)
    return slopes.assign(kind=ODDS_RATIO, **_exponentiated(slopes))


def _exponentiated(tidy: pd.DataFrame) -> dict[str, pd.Series]:
    """Estimate and bounds, exponentiated."""
    return {name: np.exp(tidy[name]) for name in ("estimate", "conf_low", "conf_high")}
