"""The figure of other articles: followers of accounts on Weibo."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.report.figures.drawn import Drawn, Made
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey import figures
from survey.figures import describe
from survey.report import listing, number

LOWEST_LOG = 10.0  # left end of the axis of followers


def context(study: Study, numbers: Numbers) -> Made:
    """Followers of accounts on Weibo, from other articles, on a logarithmic axis."""
    path = study.folder / "context.csv"
    if study.kind == "own" or not path.is_file():
        return None
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = table[table["topic"] == "Weibo followers"]
    labels = [item.removesuffix(" (commercial)") for item in rows["item"]]
    values = rows["value"].astype(np.float64)
    few = int((values < 1000).sum())
    title = f"{number(few)} of {number(len(values))} accounts have fewer than 1,000 followers"
    sources = listing(dict.fromkeys(rows["source"].str.replace(r" \(.*\)", "", regex=True)))
    caption = (
        f"Followers on Weibo in 2018, logarithmic axis: Sesame Credit, a company's system, and official accounts. "
        f"Source: {sources}. Published figures, not survey data."
    )
    if study.kind == "synthetic":
        caption += " The rest of this report rests on SYNTHETIC DATA."
    frame = pd.DataFrame({"group": labels, "n": values.to_numpy()})
    axes = figures.counts(frame, lowest=LOWEST_LOG, title=title, caption=caption)
    alt = describe(frame, "counts", measure="Followers on Weibo")
    ends = (int(values.argmax()), int(values.argmin()))
    return axes, Drawn(
        "context",
        f"Followers on Weibo, from {labels[ends[0]]} to {labels[ends[1]]}.",
        alt=alt,
        function="analysis.report.figures",
    )
