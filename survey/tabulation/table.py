"""Toplines and cross-tabulations with intervals, bases, marks and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from survey.arrays import FloatArray
from survey.console import console
from survey.design import Cells
from survey.errors import DisclosureError, EstimationError
from survey.estimation import DfRule, Share, TestResult, domains_of
from survey.inference import TestMethod
from survey.tabulation.answers import Question
from survey.tabulation.independence import independence, independence_row, within
from survey.tidy import CONFIDENTIAL, gives_copies

if TYPE_CHECKING:
    from pathlib import Path

    from great_tables import GT
    from matplotlib.axes import Axes


@gives_copies("frame")
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A topline or cross-tabulation.

    Attributes
    ----------
    asked : the question in the rows.
    by : variable in the columns; a tuple where columns are nested, None for a topline.
    share : "column", "row" or "cell": what the shares of a cross-tabulation add up over.
    frame : tidy result, one row per share.
    vcov : (k, k) covariance of the shares, in the row order of `tidy()`; NaN where suppressed.
    count : (k,) respondents in each cell, in the row order of `tidy()`; NaN where suppressed.
    cells : what tests are computed from; None in a table that `survey.protect` made.
    """

    asked: Question
    by: str | tuple[str, ...] | None
    share: Share
    frame: pd.DataFrame
    vcov: FloatArray
    count: FloatArray
    cells: Cells | None

    def __post_init__(self) -> None:
        for array in (self.vcov, self.count):
            array.flags.writeable = False

    def __repr__(self) -> str:
        """The first shares, as the console shows them; those that may not be shown have a mark instead."""
        by = f" by {' and '.join(self.by_columns)}, {self.share} shares" if self.by is not None else ""
        columns = [
            *self.by_columns,
            "column_letter",
            "level",
            "estimate",
            "std_error",
            "conf_low",
            "conf_high",
            "n",
            "letters",
            "flag",
        ]
        lettered = "letters" in self.frame.columns and (self.frame["letters"].fillna("") != "").any()
        note = "letters: columns whose share is lower (t tests, Holm within a row, 5%)" if lettered else ""
        return console(f"{self.title or self.item}{by}", self.frame, columns, note=note)

    @property
    def item(self) -> str:
        """Variable in the rows."""
        return self.asked.name

    @property
    def title(self) -> str:
        """Label of the item, where it came from a codebook."""
        return self.asked.title

    @property
    def by_columns(self) -> tuple[str, ...]:
        """Variables in the columns, outer to inner; none for a topline."""
        return () if self.by is None else (self.by,) if isinstance(self.by, str) else self.by

    def tidy(self) -> pd.DataFrame:
        """One row per share.

        Returns
        -------
        Columns: the by-variables, term, level, estimate, std_error, df, conf_low, conf_high, n, n_eff, deff,
        row_base, column_base, row_base_weighted, column_base_weighted, kind ("level", "net" or "missing"),
        shown, flag, letters and, but for toplines, column_letter. `n_eff` is the effective size that decides
        on `shown`: at most n. `letters` are the letters of the columns that a cell exceeds, `column_letter`
        is the letter of its own.
        """
        return self.frame

    def test(self, method: TestMethod = "rao-scott-f", *, df: DfRule = "satterthwaite") -> TestResult:
        """Test that rows and columns are independent.

        Nested columns are tested as one variable with all their combinations. Of a multiple-response set,
        all options are tested together, which takes into account that they overlap.

        Parameters
        ----------
        method : "rao-scott-f", "rao-scott-chisq", "rao-scott-saddlepoint", "rao-scott-exact", "wald" or
            "adjusted-wald"; the last two not for multiple-response sets.
        df : degrees of freedom of the denominator: "satterthwaite", those that the differences between the columns
            have, which are few where a column has few PSUs; "design", PSUs minus strata, as R and Stata.

        Raises
        ------
        EstimationError : a topline, which has nothing to test, a protected table, an unknown method, or a column whose
            respondents are all in one PSU, so that its variance is unknown.

        References
        ----------
        R equivalent: survey::svychisq.
        """
        return independence(self.tested_cells("test"), self.asked, self.by_columns, method=method, df=df)

    def test_within(self, method: TestMethod = "rao-scott-f", *, df: DfRule = "satterthwaite") -> pd.DataFrame:
        """Test, within each level of the outer by-variable, that rows and inner columns are independent.

        Parameters
        ----------
        method, df : as for `test`.

        Returns
        -------
        A row per level: the outer by-variable, term, statistic, df1, df2, p_value, method, note. A level in
        which there is nothing to test has NaN, and the reason in the note. P-values are not corrected for
        the number of levels.

        Raises
        ------
        EstimationError : a table whose columns are not nested, a protected table, or an unknown method.
        """
        cells = self.tested_cells("test_within")
        by = self.by_columns
        if len(by) < 2:
            raise EstimationError(
                f"`test_within` needs nested columns, as by=['income', 'gender'] makes them; got by={by[0]!r}."
            )
        levels = domains_of(cells, by[:1])
        rows = [
            independence_row(within(cells, levels.indicator[:, place]), self.asked, by[1:], method=method, df=df)
            for place in range(len(levels.labels))
        ]
        return pd.concat([levels.labels, pd.concat(rows, ignore_index=True)], axis=1)

    def to_gt(self) -> GT:
        """The table laid out for publication, by great_tables."""
        from survey import tables

        note = tables.NOTE_MULTIPLE if self.asked.multiple and self.share != "row" else None
        if self.by is None:
            return tables.topline_gt(self.tidy(), title=self.title, note=note)
        return tables.crosstab_gt(self.tidy(), title=self.title, share=self.share, note=note)

    def to_excel(self, path: str | Path) -> None:
        """Write the tidy table to a workbook."""
        from survey import tables

        tables.write_excel({self.title: self.tidy()}, path)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the shares: stacked bars by column, or dots with intervals for a topline.

        Raises
        ------
        DisclosureError : a protected table with suppressed cells.
        """
        from survey import figures

        frame = self.tidy()
        if (frame["flag"] == CONFIDENTIAL).any():
            raise DisclosureError(
                "`plot` draws no confidential cells: the gap that they leave would show them. Plot answers and groups "
                "that are large enough, or nets."
            )
        if self.by is None:
            return figures.dots(frame, group="level", panel="term", ax=ax)
        *outer, inner = self.by_columns
        if outer:
            frame["panel"] = frame[outer].astype(str).agg(" / ".join, axis=1)
            return figures.composition(frame, group=inner, panel="panel", ax=ax)
        return figures.composition(frame, group=inner, ax=ax)

    def tested_cells(self, method: str) -> Cells:
        """The cells that a test by groups is computed from; refused where there are none."""
        if self.by is None:
            raise EstimationError(
                f"`{method}` needs a two-way table of one answer each; {self.item!r} is a topline. Use `crosstab`."
            )
        if self.cells is None:
            raise EstimationError(
                f"`{method}` needs respondents' cells, which a protected table does not keep. Test before `protect`."
            )
        return self.cells
