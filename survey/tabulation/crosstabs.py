"""Toplines and cross-tabulations: answers by groups, their shares, marks and letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from survey.arguments import by_names, check_choice
from survey.arrays import FloatArray
from survey.design import Design, Missing, collapse
from survey.errors import EstimationError
from survey.estimation import Estimate, IntervalMethod, Share, effective_size, estimate, judged
from survey.records import Item
from survey.tabulation.answers import Nets, question, with_reasons
from survey.tabulation.columns import one_column, table_columns
from survey.tabulation.counts import BASES, Counts, count_answers, shares_of
from survey.tabulation.letters import letters_of_columns, letters_of_shares
from survey.tabulation.table import Table
from survey.tidy import with_columns


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
    table = topline_with_bases(design, item, interval=interval, level=level, nets=nets, missing=missing)
    return replace(table, frame=table.frame.drop(columns=[*BASES, "column_letter"]))


def topline_with_bases(
    design: Design,
    item: str | Item,
    *,
    interval: IntervalMethod,
    level: float,
    nets: Nets | None,
    missing: Missing | Literal["show"],
) -> Table:
    """A topline with the bases and the (empty) column letter of a cross-tabulation, as the total of a banner has."""
    asked = question(item, nets)
    if missing == "show":
        design, asked = with_reasons(design, asked)
        missing = "drop"
    cells = collapse(design, asked.columns, missing)
    counts = count_answers(cells, asked, one_column(cells))
    return _tabulated(counts, None, "column", interval=interval, level=level)


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
    asked = question(item, nets)
    groups_by = by_names(by)
    check_choice(share, Share, "share")
    if not groups_by:
        raise EstimationError("`by` must name a variable; it is empty. Use `topline` for the shares of everybody.")
    for name in groups_by:
        if name in asked.columns:
            raise EstimationError(f"`by` must be another variable than the item; got {name!r} twice.")
    cells = collapse(design, [*asked.columns, *groups_by], missing)
    counts = count_answers(cells, asked, table_columns(cells, groups_by, total=total))
    names = groups_by[0] if len(groups_by) == 1 else tuple(groups_by)
    return _tabulated(counts, names, share, interval=interval, level=level)


def _tabulated(
    counts: Counts, by: str | tuple[str, ...] | None, share: Share, *, interval: IntervalMethod, level: float
) -> Table:
    """From counts to a table: statistic, estimate, bases, presentation rule, letters."""
    statistic = shares_of(counts, share)
    shares = estimate(counts.cells, statistic, level=level, interval=interval)
    if share == "row":
        shares = _without_empty_rows(shares, counts)
    compared = by is not None and share == "column"
    letters = _letters(shares, counts) if compared else {"letters": "", "column_letter": ""}
    frame = with_columns(shares.tidy(), **counts.bases(), **_presented(shares, counts), **letters)
    return Table(
        asked=counts.asked,
        by=by,
        share=share,
        frame=frame,
        vcov=shares.vcov,
        count=counts.count.ravel(),
        cells=counts.cells,
    )


def _without_empty_rows(shares: Estimate, counts: Counts) -> Estimate:
    """Row shares that are unknown, of nobody, in the rows of answers that nobody gave."""
    empty = np.tile(counts.row_weight == 0, len(counts.count))
    if not empty.any():
        return shares

    def blank(part: FloatArray) -> FloatArray:
        """NaN in the empty rows."""
        return np.where(empty, np.nan, part)

    return replace(
        shares,
        value=blank(shares.value),
        vcov=np.where(empty | empty[:, None], np.nan, shares.vcov),
        df=blank(shares.df),
        n=np.where(empty, 0.0, shares.n),
        deff=blank(shares.deff),
        conf_low=blank(shares.conf_low),
        conf_high=blank(shares.conf_high),
    )


def _presented(shares: Estimate, counts: Counts) -> dict[str, Any]:
    """Columns with the effective size of each share, the kind of its row, and whether it may be shown.

    That is decided by the effective size of Korn and Graubard, at most n, whatever interval is printed.
    """
    numbers = (shares.value, shares.std_error, shares.n, shares.df)
    kinds = counts.kinds * len(counts.count)
    return {"n_eff": effective_size(*numbers), "kind": kinds, **judged(*numbers)}


def _letters(shares: Estimate, counts: Counts) -> dict[str, Any]:
    """Columns with the letters of the columns that each share exceeds, and the letter of its own."""
    letter_of_column = np.array(letters_of_columns(counts.columns), dtype=object)
    return {
        "letters": letters_of_shares(shares, counts.columns, counts.column_base),
        "column_letter": np.repeat(letter_of_column, len(counts.kinds)),
    }
