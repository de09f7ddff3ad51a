"""Disclosure control: tables whose small counts are suppressed, so that nobody can be recognized.

Which counts have to go is worked out in `survey.tabulation.suppression`. Whether a number is precise enough to be shown
is another question, see `survey.estimation.presentation_rule`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray
from survey.errors import DisclosureError
from survey.tabulation.banners import Banner
from survey.tabulation.suppression import (
    Grid,
    Suppression,
    impossible,
    known_sums,
    movable,
    net_forms,
    secret_nets,
    suppress,
)
from survey.tabulation.table import Table
from survey.tidy import CONFIDENTIAL, TOTAL

MINIMUM_COUNT = 10
MASKED = ("estimate", "std_error", "df", "conf_low", "conf_high", "n_eff", "deff")


@overload
def protect(table: Table, *, min_count: int = ...) -> Table: ...
@overload
def protect(table: Banner, *, min_count: int = ...) -> Banner: ...
def protect(table: Table | Banner, *, min_count: int = MINIMUM_COUNT) -> Table | Banner:
    """Suppress small counts, and enough others that they cannot be subtracted back.

    Primary suppression: cells, nets, totals of rows and bases of columns of 1 to `min_count` - 1
    respondents; an option of a multiple-response set also where as few did not choose it. Complementary
    suppression of cells, and of totals where cells do not suffice, so that (1) each suppressed count can
    take several values given everything shown; (2) the suppressed counts of a row, column or net whose total
    is shown are together at least `min_count`. What the presentation standard hides anyway goes first, then
    small cells, rather within a net than across, so that the net itself may be shown. A cell with nobody is
    shown, unless its base is suppressed.

    Suppressed rows have `shown` False, `flag` "[c]" and no numbers; a base that must not be known is NaN;
    letters that refer to a suppressed cell are left out. The result keeps no respondents' cells, so that it
    cannot be tested: test before.

    The tables of one question in a banner suppress the same totals. Tables on different respondents (missing
    values of a by-variable) are not protected against being subtracted from each other.

    Parameters
    ----------
    table : topline, crosstab or banner.
    min_count : smallest number of respondents that may be shown; at least 2.

    Raises
    ------
    DisclosureError : `min_count` below 2 or not whole, something that is not a table or is protected already,
        or a table that cannot be protected, because too few respondents or cells are left.

    References
    ----------
    Cox (1980), JASA 75:377; Willenborg and de Waal (2001), Elements of Statistical Disclosure Control, ch. 4.
    """
    if not isinstance(table, Table | Banner):
        raise DisclosureError(f"`table` must be a topline, crosstab or banner; got {type(table).__name__}.")
    if isinstance(min_count, bool) or not isinstance(min_count, int | np.integer) or min_count < 2:
        raise DisclosureError(f"`min_count` must be a whole number of at least 2, such as 10; got {min_count!r}.")
    tables = [table] if isinstance(table, Table) else list(table.tables)
    if any(part.cells is None for part in tables):
        raise DisclosureError("`table` must not be protected already: its counts are gone. Protect the original table.")
    if isinstance(table, Table):
        return _protected(tables, min_count)[0]
    protected: list[Table] = []
    for _, group in itertools.groupby(tables, key=lambda part: part.item):
        protected += _protected(list(group), min_count)
    return replace(table, tables=tuple(protected))


def _protected(tables: Sequence[Table], min_count: int) -> list[Table]:
    """Tables of one question, all of which suppress the same totals of rows and nets."""
    if len({tuple(table.frame["level"].drop_duplicates()) for table in tables}) > 1:
        raise DisclosureError(
            f"`table` must have the same answers in all tables of {tables[0].item!r}, so that their totals can be "
            "suppressed together. Make the item a pandas Categorical."
        )
    grids = [_grids(table) for table in tables]
    linked = sum(map(len, grids)) > 1
    forced = [[_nothing(grid) for grid in group] for group in grids]
    while True:
        alone = [
            [
                suppress(grid, start, share=table.share, min_count=min_count, linked=linked)
                for grid, start in zip(group, starts, strict=True)
            ]
            for table, group, starts in zip(tables, grids, forced, strict=True)
        ]
        again = _shared(tables, alone)
        pairs = [pair for news, olds in zip(again, forced, strict=True) for pair in zip(news, olds, strict=True)]
        settled = all((new.cells <= old.cells).all() and (new.nets <= old.nets).all() for new, old in pairs)
        if not linked or (settled and _movable_together(tables, grids, again, min_count=min_count)):
            return [_masked(table, group) for table, group in zip(tables, again, strict=True)]
        if settled and all(old.nets.all() for _, old in pairs):
            raise impossible()
        if settled:
            # What is safe in each table is not safe in all of them together: do without nets.
            again = [[Suppression(part.cells, np.ones_like(part.nets)) for part in group] for group in again]
        forced = again


def _shared(tables: Sequence[Table], alone: Sequence[Sequence[Suppression]]) -> list[list[Suppression]]:
    """Suppressions that agree on the totals of rows in all tables, and on the bases of all options of a set.

    The totals of rows stand in the one column of a topline, and in the last of a cross-tabulation.
    """
    totals = [0 if table.by is None else -1 for table in tables]
    return [
        [_agreeing(table, group, position, alone, totals) for position in range(len(group))]
        for table, group in zip(tables, alone, strict=True)
    ]


def _agreeing(
    table: Table,
    group: Sequence[Suppression],
    position: int,
    alone: Sequence[Sequence[Suppression]],
    totals: Sequence[int],
) -> Suppression:
    """One suppression with what the other tables suppress of the totals that it shares with them."""
    cells = group[position].cells.copy()
    nets = group[position].nets.copy()
    own_total = 0 if table.by is None else -1
    for other, total in zip(alone, totals, strict=True):
        cells[:-1, own_total] |= other[position].cells[:-1, total]
        nets[:, own_total] |= other[position].nets[:, total]
    if table.by is not None:
        cells[-1] |= np.any([part.cells[-1] for part in group], axis=0)
    return Suppression(cells, nets)


def _nothing(grid: Grid) -> Suppression:
    """No suppression yet."""
    return Suppression(np.zeros(grid.count.shape, dtype=bool), np.zeros((len(grid.nets), grid.count.shape[1]), bool))


def _movable_together(
    tables: Sequence[Table], grids: Sequence[Sequence[Grid]], shared: Sequence[Sequence[Suppression]], *, min_count: int
) -> bool:
    """Whether every suppressed count can move given everything that the tables of one question show together.

    Their rows have the same totals, and the options of a set the same bases.
    """
    index: dict[tuple[object, ...], int] = {}
    rows: list[dict[int, float]] = []
    secret: list[list[int]] = []
    for place, (table, group, parts) in enumerate(zip(tables, grids, shared, strict=True)):
        for option, (grid, part) in enumerate(zip(group, parts, strict=True)):
            hidden = part.cells & (grid.count > 0)
            last_row = hidden.shape[0] - 1
            total = 0 if table.by is None else hidden.shape[1] - 1
            # A base is one unknown in the tables of all options, the total of a row one in all tables.
            at: dict[tuple[int, int], int] = {}
            for r, c in np.argwhere(hidden & ~grid.free):
                key: tuple[object, ...] = (place, option, r, c)
                if r == last_row:
                    key = ("base", place, c)
                elif c == total:
                    key = ("row", option, r)
                at[int(r), int(c)] = index.setdefault(key, len(index))
            rows += [{at[cell]: sign for cell, sign in sum_.items()} for sum_ in known_sums(grid, hidden, part.nets)]
            forms = net_forms(grid, secret_nets(grid, hidden, min_count), hidden)
            secret += [[at[cell] for cell in cells] for cells in forms.values()]
    equations = np.zeros((len(rows), len(index)))
    for number, row in enumerate(rows):
        equations[number, list(row)] = list(row.values())
    return not index or movable(equations, np.ones(len(index), dtype=bool), secret)


def _grids(table: Table) -> list[Grid]:
    """The counts of a table; of a multiple-response set, those of each option, chosen or not."""
    frame = table.frame
    m = _rows(table)
    columns = ~_is_total(table)[::m]
    level = frame["kind"].to_numpy()[:m] != "net"
    count = table.count.reshape(-1, m)[columns][:, level].T
    visible = frame["shown"].to_numpy(dtype=bool).reshape(-1, m)[columns][:, level].T
    if table.asked.multiple:
        base = frame["n" if table.by is None else "column_base"].to_numpy(dtype=np.float64)
        base = base.reshape(-1, m)[columns][:, 0]
        nets = np.zeros((0, 2), dtype=bool)
        return [
            _grid(np.stack([chosen, base - chosen]), np.stack([seen, seen]), nets, published=table.by is not None)
            for chosen, seen in zip(count, visible, strict=True)
        ]
    names = frame["level"].to_numpy()[:m]
    members = [[name in table.asked.nets[net] for name in names[level]] for net in names[~level]]
    nets = np.array(members, dtype=bool).reshape(-1, int(level.sum()))
    return [_grid(count, visible, nets, published=table.by is not None)]


def _grid(count: FloatArray, visible: BoolArray, nets: BoolArray, *, published: bool) -> Grid:
    """Counts with their totals; those of rows are not published where there is one column, in a topline."""
    n = float(count.sum())
    whole = np.block([[count, count.sum(axis=1, keepdims=True)], [count.sum(axis=0, keepdims=True), np.array([[n]])]])
    cost = whole + n  # a total costs more than any cell
    cost[:-1, :-1] = np.where(visible, count, 0.0)
    cost[whole == 0] = np.inf  # a published zero cannot move
    cost[-1, -1] = np.inf
    free = np.zeros(whole.shape, dtype=bool)
    if not published:
        free[:-1, -1] = True
        cost[:-1, -1] = 0.0
        cost[-1, 0] = np.inf
    return Grid(whole, cost=cost, free=free, nets=nets)


def _rows(table: Table) -> int:
    """Rows of the tidy frame that make one column of the table."""
    heads = table.frame[list(table.by_columns)].drop_duplicates()
    return len(table.frame) // max(len(heads), 1) if table.by_columns else len(table.frame)


def _is_total(table: Table) -> BoolArray:
    """(k,) rows of the tidy frame that belong to the total column."""
    if table.by is None:
        return np.zeros(len(table.frame), dtype=bool)
    inside: BoolArray = (table.frame[list(table.by_columns)].astype(str) == TOTAL).all(axis=1).to_numpy()
    return inside


def _masked(table: Table, group: Sequence[Suppression]) -> Table:
    """The table without the numbers that must not be shown."""
    frame = table.tidy()
    m = _rows(table)
    total = _is_total(table)
    multiple = table.asked.multiple
    net = (frame["kind"] == "net").to_numpy()[:m]
    number = np.where(net, np.cumsum(net), np.cumsum(~net)) - 1  # place among the nets, or among the answers
    inner = np.cumsum(~total[::m]) - 1
    hidden, rows, columns = (np.zeros(len(frame), dtype=bool) for _ in range(3))
    for place in range(len(frame)):
        row = place % m
        column = -1 if total[place] else int(inner[place // m])
        part = group[number[row]] if multiple else group[0]
        line = part.nets[number[row]] if net[row] else part.cells[0 if multiple else number[row]]
        hidden[place] = line[column]
        rows[place] = line[0 if table.by is None else -1]
        columns[place] = table.by is not None and part.cells[-1, column]
    without_base = {"column": columns, "row": rows, "cell": np.zeros_like(rows)}[table.share]
    hidden |= without_base  # with their interval, even shares of 0 would tell the base

    masks = dict.fromkeys(MASKED, hidden) | {"n": without_base}
    masks |= {"row_base": rows, "row_base_weighted": rows, "column_base": columns, "column_base_weighted": columns}
    for name, mask in masks.items():
        if name in frame.columns and mask.any():
            frame[name] = frame[name].astype(np.float64).mask(mask)
    frame["shown"] = frame["shown"] & ~hidden
    frame["flag"] = np.where(hidden, CONFIDENTIAL, frame["flag"])
    frame["letters"] = _letters_left(frame, table.by_columns, hidden)

    vcov = np.where(hidden | hidden[:, None], np.nan, table.vcov)
    count = np.where(hidden, np.nan, table.count.astype(np.float64))
    return replace(table, frame=frame, vcov=vcov, count=count, cells=None)


def _letters_left(frame: pd.DataFrame, by: Sequence[str], hidden: BoolArray) -> list[str]:
    """Letters without those of suppressed cells, neither on them nor pointing at them."""
    marks = frame["letters"].tolist()
    if not any(marks):
        return marks
    lines = frame.groupby([*by[:-1], "level"], observed=True, sort=False).ngroup().to_numpy()
    letter_of = frame["column_letter"].tolist()
    secret = {(lines[place], letter_of[place]) for place in np.flatnonzero(hidden)}
    return [
        "" if gone else " ".join(one for one in mark.split() if (line, one) not in secret)
        for mark, line, gone in zip(marks, lines, hidden, strict=True)
    ]
