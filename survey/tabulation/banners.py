"""Banner tables: many questions by many groups, in one call and one frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from survey.console import console
from survey.design import Design, Missing
from survey.errors import EstimationError, did_you_mean
from survey.estimation import DfRule, IntervalMethod, Share
from survey.inference import TestMethod
from survey.records import Item
from survey.tabulation.answers import Nets
from survey.tabulation.crosstabs import crosstab, topline_with_bases
from survey.tabulation.independence import independence_row
from survey.tabulation.table import Table
from survey.tidy import TOTAL

if TYPE_CHECKING:
    from pathlib import Path

    from great_tables import GT


@dataclass(frozen=True, slots=True, eq=False)
class Banner:
    """Tables of several questions by several variables.

    Attributes
    ----------
    tables : tables in the order of the questions and within each of the banner: first the topline that is
        its total, where asked for, then the table by each variable.
    headings : label of each by-variable.
    """

    tables: tuple[Table, ...]
    headings: Mapping[str, str]

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __repr__(self) -> str:
        """The first shares, as the console shows them."""
        columns = ("banner", "column", "term", "level", "estimate", "conf_low", "conf_high", "n", "letters", "flag")
        return console(f"Banner of {len(self)} tables", self.tidy(), columns)

    def tidy(self) -> pd.DataFrame:
        """One row per share.

        Returns
        -------
        Columns: `banner` (by-variable, or "Total"), `column` (its level as text, or "Total"), and those of
        `crosstab(...).tidy()` from `term` on.
        """
        return pd.concat([_laid_out(table) for table in self.tables], ignore_index=True)

    def test(self, method: TestMethod = "rao-scott-f", *, df: DfRule = "satterthwaite") -> pd.DataFrame:
        """Test the independence of each question and each by-variable.

        Parameters
        ----------
        method, df : as for `Table.test`.

        Returns
        -------
        A row per question and by-variable: banner, term, statistic, df1, df2, p_value, method, note. A table
        with nothing to test has NaN, and the reason in the note. P-values are not corrected for the number
        of tests.

        Raises
        ------
        EstimationError : an unknown method, or a protected banner.
        """
        rows = [
            independence_row(table.tested_cells("test"), table.asked, table.by_columns, method=method, df=df).assign(
                banner=table.by
            )
            for table in self.tables
            if table.by is not None
        ]
        frame = pd.concat(rows, ignore_index=True)
        return frame[["banner", *frame.columns.drop("banner")]]

    def to_gt(self) -> GT:
        """The banner laid out for publication: a block of rows per question, a heading per by-variable."""
        from survey import tables

        frame = self.tidy()
        titles = {table.item: table.title for table in self.tables}
        frame = frame.assign(term=frame["term"].map(titles), banner=frame["banner"].replace(dict(self.headings)))
        every = f"Answers by {', '.join(self.headings.values())}"
        title = next(iter(titles.values())) if len(titles) == 1 else every
        share = self.tables[-1].share
        multiple = share != "row" and any(table.asked.multiple for table in self.tables)
        return tables.crosstab_gt(frame, title=title, share=share, note=tables.NOTE_MULTIPLE if multiple else None)

    def to_excel(self, path: str | Path) -> None:
        """Write a workbook: an index, and a sheet per question with the whole banner.

        Rows are named by answer and measure (share, bounds, letters), so that a filter on the measure leaves
        what is wanted; numbers keep their full precision.
        """
        from survey import tables

        titles = {table.item: table.title for table in self.tables}
        frame = self.tidy()
        sheets = {}
        for item, title in titles.items():
            name = title if title not in sheets else f"{title} ({item})"
            part = frame[frame["term"] == item]
            sheets[name] = part.assign(banner=part["banner"].replace(dict(self.headings)))
        tables.write_banner(sheets, path)


def banner(
    design: Design,
    items: Sequence[str | Item],
    by: Sequence[str | Item],
    *,
    share: Share = "column",
    interval: IntervalMethod = "korn-graubard",
    level: float = 0.95,
    nets: Mapping[str, Nets] | None = None,
    missing: Missing = "drop",
    total: bool = True,
) -> Banner:
    """Tables of many questions by many groups.

    Each table is `crosstab(design, item, variable)`, on the respondents who answered the question and have a
    known level of that variable; the total is `topline(design, item)`, of all who answered.

    Parameters
    ----------
    items : column names or codebook items, which bring their nets; sets of multiple responses too.
    by : column names of categorical variables, or their codebook items, whose labels become headings.
    share, interval, level : as for `crosstab`.
    nets : nets by the name of the item, as {"approval": {"Approve": ["Somewhat approve", ...]}}; they take
        the place of those that the item brings.
    missing : "drop" leaves out, of each table, the respondents who lack one of its two variables; "fail"
        refuses them.
    total : begin the banner with a total. Row shares, which add to 1 over the levels of each variable, have none.

    Returns
    -------
    Banner, whose `tables` are single tables and whose `tidy()` is one frame of all.

    Raises
    ------
    EstimationError : nothing to tabulate, a name that occurs twice, nets of an item that is not asked for, a
        by-variable called "Total" or among the items, and whatever `crosstab` refuses.

    References
    ----------
    R equivalent: survey::svyby with svyciprop, svychisq, once per pair.
    """
    rows = _named(items, "items")
    heads = _named(by, "by")
    if not isinstance(nets, Mapping | None):
        raise EstimationError(
            f"`nets` must map names of items to their nets, as {{'approval': {{'Approve': [...]}}}}; got "
            f"{type(nets).__name__}."
        )
    given = dict(nets or {})
    unknown = [name for name in given if name not in rows]
    if unknown:
        raise EstimationError(
            f"`nets` must have names of `items` as its keys; {unknown} not among {list(rows)}."
            f"{did_you_mean(unknown[0], rows)}"
        )
    for name, variable in heads.items():
        if name == TOTAL:
            raise EstimationError(f"`by` must not hold a variable called {TOTAL!r}, the name of the total. Rename it.")
        if isinstance(variable, Item) and variable.kind == "multiple":
            raise EstimationError(
                f"`by` must hold variables with one level per respondent; {name!r} is a multiple-response set."
            )
    tables: list[Table] = []
    for name, item in rows.items():
        own_nets = given.get(name)
        if total and share != "row":
            tables.append(
                topline_with_bases(design, item, interval=interval, level=level, nets=own_nets, missing=missing)
            )
        tables += [
            crosstab(
                design, item, variable, share=share, interval=interval, level=level, nets=own_nets, missing=missing
            )
            for variable in heads
        ]
    headings = {name: variable.label if isinstance(variable, Item) else name for name, variable in heads.items()}
    return Banner(tuple(tables), headings)


def _named(given: Sequence[str | Item], argument: str) -> dict[str, str | Item]:
    """Columns or items by name, checked."""
    several = isinstance(given, Iterable) and not isinstance(given, str | Item | Mapping)
    if not several or not all(isinstance(one, str | Item) for one in given):
        given_as = repr(given) if isinstance(given, str | list | tuple) else type(given).__name__
        raise EstimationError(f"`{argument}` must be a list of column names or codebook items; got {given_as}.")
    given = list(given)
    names = [one.name if isinstance(one, Item) else one for one in given]
    if not names or len(set(names)) < len(names):
        raise EstimationError(f"`{argument}` must name one variable or more, each once; got {names}.")
    return dict(zip(names, given, strict=True))


def _laid_out(table: Table) -> pd.DataFrame:
    """A table's frame with its by-variable as `banner` and the variable's level, as text, as `column`."""
    frame = table.tidy()
    if table.by is None:
        heads = pd.DataFrame({"banner": TOTAL, "column": TOTAL}, index=frame.index)
    else:
        (name,) = table.by_columns
        heads = pd.DataFrame({"banner": name, "column": frame.pop(name).astype(str).astype(object)})
    return pd.concat([heads, frame], axis=1)
