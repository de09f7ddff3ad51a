"""The answer that the report follows: its share by group, how groups differ, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from analysis.report.answers import by_group
from analysis.report.sensitivity import break_even, remaining
from analysis.study import FOCUS, Study
from analysis.verdicts import last_against_first
from survey import EstimationError, banner, mean

BOUNDS = ("estimate", "std_error", "df", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """The share of the answers that the report follows.

    Attributes
    ----------
    groups : that share by group, the total first: `variable`, `group`, ...
    contrasts : its difference between the last and the first group of each predictor; `steps`, whether the groups
        in between only rise or only fall; `p_value` of the difference, `p_value_all_groups` of all groups being alike.
    remaining, break_even : its sensitivity to answers that were not meant; the total is the first row.
    """

    groups: pd.DataFrame
    contrasts: pd.DataFrame
    remaining: pd.DataFrame
    break_even: pd.DataFrame


def follow(study: Study) -> Focus:
    """Estimate the share that the report follows, in total and by group."""
    groups = _groups(study)
    total = groups.iloc[0]
    return Focus(
        groups=groups,
        contrasts=_contrasts(study, groups),
        remaining=remaining(total[["estimate", "conf_low", "conf_high", "n", "shown"]]),
        break_even=break_even(groups),
    )


def _groups(study: Study) -> pd.DataFrame:
    """Share of the focus in total and by every predictor and other group variable."""
    variables = list(dict.fromkeys([*study.settings.predictors, *study.settings.tables.banner]))
    frame = by_group(study, banner(study.design, [study.outcome], variables)).rename(columns={"banner": "panel"})
    columns = [
        *("variable", "panel", "group", "term", "level"),
        *("estimate", "std_error", "df", "conf_low", "conf_high", "n", "n_eff", "deff", "shown", "flag"),
    ]
    return frame.loc[frame["level"] == study.settings.focus, columns].reset_index(drop=True)


def _contrasts(study: Study, groups: pd.DataFrame) -> pd.DataFrame:
    """Difference of the focus between the last and the first group of each predictor, from the joint covariance."""
    rows = []
    for variable in study.settings.predictors:
        members = groups[groups["variable"] == variable]
        ends = members.iloc[[0, -1]]
        difference = dict.fromkeys([*BOUNDS, "p_value"], np.nan)
        shown = False
        if len(members) > 1:
            row = last_against_first(study.design, FOCUS, variable)
            difference = {name: float(row[name]) for name in BOUNDS} | {"p_value": _p_value(row)}
            shown = bool(ends["shown"].all())
        rows.append(
            {
                "variable": variable,
                "first": ends["group"].iloc[0],
                "last": ends["group"].iloc[1],
                **difference,
                "n": int(ends["n"].sum()),
                "shown": shown,
                "steps": _steps(members),
                "p_value_all_groups": _any_difference(study, variable),
            }
        )
    return pd.DataFrame(rows)


def _p_value(difference: pd.Series[Any]) -> float:
    """Two-sided p value of a difference, by t on its degrees of freedom."""
    t = abs(difference["estimate"]) / difference["std_error"]
    return float(2 * scipy.special.stdtr(difference["df"], -t))


def _steps(groups: pd.DataFrame) -> str:
    """Whether the share rises or falls from every group to the next; "mixed" also where one is not shown."""
    steps = np.diff(groups["estimate"].to_numpy(dtype=np.float64))
    if not len(steps) or not groups["shown"].all():
        return "mixed"
    return "rising" if (steps > 0).all() else "falling" if (steps < 0).all() else "mixed"


def _any_difference(study: Study, variable: str) -> float:
    """P value of the adjusted Wald test that the focus has the same share in all groups; NaN where there is none."""
    means = mean(study.design, FOCUS, by=variable)
    k = means.value.size
    if k < 2:
        return float("nan")
    against_first = np.column_stack([-np.ones(k - 1), np.eye(k - 1)])
    try:
        return means.test(against_first).p_value
    except EstimationError:
        return float("nan")  # a group where everybody, or nobody, gives the answer
