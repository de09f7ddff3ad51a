"""Toplines and cross-tabulations: answers by groups, their shares, marks and letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from survey.arguments import by_names, check_choice
from survey.arrays import FloatArray
from survey.design import Cells, Design, Missing, collapse
from survey.errors import EstimationError
from survey.estimation import (
    Domains,
    Estimate,
    IntervalMethod,
    Share,
    Statistic,
    Terms,
    by_domain,
    domains_of,
    effective_size,
    estimate,
    judge,
    mean_statistic,
    ratio_of_totals,
)
from survey.records import Item
from survey.tabulation.answers import Nets, answers, question, with_reasons
from survey.tabulation.columns import letters, table_columns
from survey.tabulation.table import Table

if TYPE_CHECKING:
    pass


def topline(
    design: Design,
    item: str | Item,
    *,
    interval: IntervalMethod = "korn-graubard",
    level: float = 0.95,
    nets: Nets | None = None,
    missing: Missing | Literal["show"] = "drop",
) -> Table:
    """Shares of the answers to one question.

    Parameters
    ----------
    item : column name, or an item of a codebook, which brings its nets, or its set of multiple responses.
    interval : method of the intervals; see `survey.proportion`.
    level : confidence level.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    missing : "drop" and "fail" as everywhere; "show" counts the reasons for a missing answer (the column
        `<item>_missing` that `read_respondents` makes) as answers.

    Raises
    ------
    EstimationError : a numeric variable, nets of unknown answers, or no respondent left.
    """
    asked = question(item, nets)
    if missing == "show":
        design, asked = with_reasons(design, asked)
        missing = "drop"
    cells = collapse(design, asked.columns, missing)
    measured, kinds = answers(cells, asked)
    groups = domains_of(cells, [])
    made = estimate(cells, mean_statistic(cells, measured, groups), level=level, interval=interval)
    frame = _tidy(made, kinds).assign(letters="")
    return Table(asked, None, "column", frame, made.vcov, _counts(cells, measured, groups), cells)


def crosstab(
    design: Design,
    item: str | Item,
    by: str | Sequence[str],
    *,
    share: Share = "column",
    interval: IntervalMethod = "korn-graubard",
    level: float = 0.95,
    nets: Nets | None = None,
    missing: Missing = "drop",
    total: bool = False,
) -> Table:
    """Shares of the answers to one question by another variable, or by several.

    Parameters
    ----------
    item : column name or codebook item, in the rows; a set of multiple responses has a row per option.
    by : categorical variable in the columns, or several, whose levels are nested: the last one's within
        those of the one before.
    share : "column" (answers add to 1 in each column), "row" (columns add to 1 in each row; an answer that nobody
        gave has none) or "cell".
    interval, level, nets, missing : as for `topline`.
    total : put a column "Total", of all respondents in the table, before the others. Its row shares are 1.

    Returns
    -------
    Table, column by column and within it answer by answer, then nets. Letters compare columns
    (share="column"): all with each other, nested ones within the same levels of the variables before the
    last, and none with the total, which contains them.

    Raises
    ------
    EstimationError : numeric variables, nets of unknown answers, a by-variable with the name of a result column, a
        level called "Total" beside `total`, or no respondent left.

    References
    ----------
    R equivalent: survey::svyby with svyciprop, svychisq.
    """
    asked, groups_by = question(item, nets), by_names(by)
    check_choice(share, Share, "share")
    if not groups_by:
        raise EstimationError("`by` must name a variable; it is empty. Use `topline` for the shares of everybody.")
    for name in groups_by:
        if name in asked.columns:
            raise EstimationError(f"`by` must be another variable than the item; got {name!r} twice.")
    cells = collapse(design, [*asked.columns, *groups_by], missing)
    measured, kinds = answers(cells, asked)
    columns = table_columns(cells, groups_by, total)
    groups = columns.groups
    made = _without_empty_rows(
        estimate(cells, _shares(cells, measured, groups, share), level=level, interval=interval), cells, measured, share
    )
    frame = _tidy(made, kinds * len(groups.labels), _bases(cells, measured, groups))
    if share == "column":
        base = cells.n @ groups.indicator
        frame["letters"] = letters(made, columns, base, len(kinds))
        frame["column_letter"] = np.repeat(np.array(columns.letter, dtype=object), len(kinds))
    else:
        frame = frame.assign(letters="", column_letter="")
    names = groups_by[0] if len(groups_by) == 1 else tuple(groups_by)
    return Table(asked, names, share, frame, made.vcov, _counts(cells, measured, groups), cells)


def _shares(cells: Cells, measured: Terms, groups: Domains, share: Share) -> Statistic:
    """Column, row or cell shares, column by column."""
    if share == "column":
        return mean_statistic(cells, measured, groups)
    joint = (groups.indicator[:, :, None] * measured.values[:, None, :]).reshape(len(measured.values), -1)
    labels, _ = by_domain(groups, measured.labels)
    base = np.broadcast_to(cells.inside[:, None], joint.shape).astype(np.float64)
    if share == "row":
        given = np.where(cells.weight @ measured.values > 0, measured.values, cells.inside[:, None])
        base = np.tile(given, len(groups.labels))  # of an answer that nobody gave, everybody, for the time being
    return ratio_of_totals(cells, labels, joint, base, base > 0)


def _without_empty_rows(made: Estimate, cells: Cells, measured: Terms, share: Share) -> Estimate:
    """Row shares that are unknown, of nobody, in the rows of answers that nobody gave."""
    empty = np.tile(cells.weight @ measured.values == 0, made.value.size // measured.values.shape[1])
    if share != "row" or not empty.any():
        return made
    parts = (made.value, made.df, made.deff, made.conf_low, made.conf_high)
    value, df, deff, low, high = (np.where(empty, np.nan, part) for part in parts)
    vcov, n = np.where(empty | empty[:, None], np.nan, made.vcov), np.where(empty, 0.0, made.n)
    return replace(made, value=value, vcov=vcov, df=df, n=n, deff=deff, conf_low=low, conf_high=high)


def with_bases(table: Table) -> Table:
    """A topline with the bases that the total of a banner has."""
    if table.cells is None:
        return table
    measured, _ = answers(table.cells, table.asked)
    bases = _bases(table.cells, measured, domains_of(table.cells, []))
    place = table.frame.columns.get_loc("kind")
    parts = [table.frame.iloc[:, :place], bases, table.frame.iloc[:, place:]]
    return replace(table, frame=pd.concat(parts, axis=1).assign(column_letter=""))


def _bases(cells: Cells, measured: Terms, groups: Domains) -> pd.DataFrame:
    """Unweighted and weighted bases of each cell's row and column, column by column."""
    n_groups, m = len(groups.labels), len(measured.labels)
    return pd.DataFrame(
        {
            "row_base": np.tile((cells.n @ measured.values).round().astype(np.int64), n_groups),
            "column_base": np.repeat(cells.n @ groups.indicator, m),
            "row_base_weighted": np.tile(cells.weight @ measured.values, n_groups),
            "column_base_weighted": np.repeat(cells.weight @ groups.indicator, m),
        }
    )


def _counts(cells: Cells, measured: Terms, groups: Domains) -> FloatArray:
    """(k,) respondents in each cell, column by column."""
    by_column = (cells.n[:, None] * groups.indicator).T @ measured.values
    counts: FloatArray = by_column.round().ravel()
    return counts


def _tidy(made: Estimate, kinds: Sequence[str], bases: pd.DataFrame | None = None) -> pd.DataFrame:
    """Estimates with bases, kinds and marks."""
    frame = made.tidy()
    if bases is not None:
        frame = pd.concat([frame, bases], axis=1)
    p, error, n, df = (frame[name].to_numpy() for name in ("estimate", "std_error", "n", "df"))
    frame = frame.assign(n_eff=effective_size(p, error, n, df), kind=list(kinds))
    return judge(frame)
