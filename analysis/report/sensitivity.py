"""What is left of a share if some of those who gave the answer did not mean it: arithmetic, no model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.study import Study

FALSIFIED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
MAJORITY = 0.5
BOUNDS = ("estimate", "conf_low", "conf_high")


def applies(study: Study) -> bool:
    """Whether the share is one of an attitude, asked of a sample whose intervals rest on a model."""
    return bool(study.settings.weighting.get("model_based", False))


def remaining(share: pd.Series[float]) -> pd.DataFrame:
    """The share that is left when a part f of those counted in it did not mean it: share times (1 - f).

    Parameters
    ----------
    share : `estimate`, `conf_low`, `conf_high` and `n` of the share, between 0 and 1.

    Returns
    -------
    One row per f: `falsified`, then the columns of `share` at that f.
    """
    rows = [{**share.to_dict(), "falsified": f, **{b: float(share[b]) * (1 - f) for b in BOUNDS}} for f in FALSIFIED]
    frame = pd.DataFrame(rows)
    return frame[["falsified", *share.index]]


def break_even(shares: pd.DataFrame) -> pd.DataFrame:
    """The part of those counted in a share that need not have meant it before it falls to one half.

    f = 1 - .5 / share, and 0 where there is no majority to lose. It rises with the share, so that the bounds of
    the share give its bounds.

    Parameters
    ----------
    shares : rows with `estimate`, `conf_low`, `conf_high` and what identifies them.

    Returns
    -------
    The same rows with the three columns replaced by those of f.
    """
    values = {}
    for name in BOUNDS:
        share = shares[name].to_numpy(dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            values[name] = np.where(np.isnan(share), np.nan, np.where(share > MAJORITY, 1 - MAJORITY / share, 0.0))
    return shares.assign(**values)
