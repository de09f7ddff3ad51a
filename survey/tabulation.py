"""Toplines and cross-tabulations with intervals, bases, marks and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from survey import statistics
from survey.cells import Cells, Missing, collapse
from survey.design import Design, FloatArray
from survey.errors import EstimationError
from survey.estimates import Estimate, estimate
from survey.hypotheses import TestResult
from survey.independence import TestMethod, TwoWay, test_independence, two_way
from survey.intervals import IntervalMethod, effective_size
from survey.items import Item
from survey.letters import column_letters
from survey.reliability import judge
from survey.statistics import Domains, Share, Statistic, Terms

if TYPE_CHECKING:
    from pathlib import Path

    from great_tables import GT
    from matplotlib.axes import Axes

Nets = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A topline or cross-tabulation.

    Attributes
    ----------
    item : variable in the rows.
    by : variable in the columns; None for a topline.
    share : "column", "row" or "cell": what the shares of a cross-tabulation add up over.
    frame : tidy result, one row per share.
    vcov : (k, k) covariance of the shares, in the row order of `tidy()`.
    title : label of the item, where it came from a codebook.
    cells, counts : what a test of independence is computed from; None where there is nothing to test.
    """

    item: str
    by: str | None
    share: Share
    frame: pd.DataFrame
    vcov: FloatArray
    title: str
    cells: Cells
    counts: TwoWay | None

    def tidy(self) -> pd.DataFrame:
        """One row per share.

        Returns
        -------
        Columns: the by-variable, term, level, estimate, std_error, df, conf_low, conf_high, n, n_eff, deff,
        row_base, column_base, row_base_weighted, column_base_weighted, kind ("level", "net" or "missing"),
        shown, flag, letters. `n_eff` is the effective size that decides on `shown`: at most n.
        """
        return self.frame.copy()

    def test(self, method: TestMethod = "rao-scott-f") -> TestResult:
        """Test that rows and columns are independent.

        Parameters
        ----------
        method : "rao-scott-f", "rao-scott-chisq", "wald" or "adjusted-wald".

        Raises
        ------
        EstimationError : a topline or multiple-response set, which have nothing to test, or an unknown method.

        References
        ----------
        R equivalent: survey::svychisq.
        """
        if self.counts is None:
            what = "a topline" if self.by is None else "a multiple-response set"
            raise EstimationError(f"`test` needs a two-way table of one answer each; {self.item!r} is {what}.")
        return test_independence(self.cells, self.counts, method)

    def to_gt(self) -> GT:
        """The table laid out for publication, by great_tables."""
        from survey import tables

        make = tables.topline_gt if self.by is None else tables.crosstab_gt
        return make(self.tidy(), title=self.title)

    def to_excel(self, path: str | Path) -> None:
        """Write the tidy table to a workbook."""
        from survey import tables

        tables.write_excel({self.title: self.tidy()}, path)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the shares: stacked bars by column, or dots with intervals for a topline."""
        from survey import figures

        if self.by is None:
            return figures.dots(self.tidy(), group="level", panel="term", ax=ax)
        return figures.composition(self.tidy(), group=self.by, ax=ax)


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
    name, columns, title, found = _item(item, nets)
    if missing == "show":
        design, shown = _with_reasons(design, columns, item)
        missing = "drop"
    else:
        shown = []
    cells = collapse(design, columns, missing)
    measured, kinds = _measured(cells, name, columns, item, found, shown)
    groups = statistics.domains(cells, [])
    made = estimate(cells, statistics.mean(cells, measured, groups), level=level, interval=interval)
    frame = _tidy(made, kinds)
    return Table(name, None, "column", frame, made.vcov, title, cells, None)


def crosstab(
    design: Design,
    item: str | Item,
    by: str,
    *,
    share: Share = "column",
    interval: IntervalMethod = "korn-graubard",
    level: float = 0.95,
    nets: Nets | None = None,
    missing: Missing = "drop",
) -> Table:
    """Shares of the answers to one question by another variable.

    Parameters
    ----------
    item : column name or codebook item, in the rows.
    by : categorical variable in the columns.
    share : "column" (answers add to 1 in each column), "row" or "cell".
    interval, level, nets, missing : as for `topline`.

    Returns
    -------
    Table, column by column and within it answer by answer, then nets. Letters compare columns (share="column").

    Raises
    ------
    EstimationError : numeric variables, nets of unknown answers, or no respondent left.

    References
    ----------
    R equivalent: survey::svyby with svyciprop, svychisq.
    """
    name, columns, title, found = _item(item, nets)
    if share not in get_args(Share):
        raise EstimationError(f"`share` must be one of {', '.join(get_args(Share))}; got {share!r}.")
    if by in columns:
        raise EstimationError(f"`by` must be another variable than the item; got {by!r} twice.")
    cells = collapse(design, [*columns, by], missing)
    if statistics.is_numeric(cells.frame[by]):
        raise EstimationError(f"`by` must be categorical; {by!r} is numeric. Cut it into groups first (pandas.cut).")
    measured, kinds = _measured(cells, name, columns, item, found, [])
    groups = statistics.domains(cells, [by])
    made = estimate(cells, _shares(cells, measured, groups, share), level=level, interval=interval)
    n_columns = len(groups.labels)
    frame = _tidy(made, kinds * n_columns, _bases(cells, measured, groups))
    if share == "column":
        base = (cells.n @ groups.indicator).astype(np.float64)
        frame["letters"] = column_letters(made.value, made.vcov, base, made.whole_df, len(kinds), n_columns)
    counts = two_way(cells, columns[0], by) if len(columns) == 1 else None
    return Table(name, by, share, frame, made.vcov, title, cells, counts)


def _item(item: str | Item, nets: Nets | None) -> tuple[str, list[str], str, Nets]:
    """Name, data columns, title and nets of what is tabulated."""
    if isinstance(item, Item):
        return item.name, list(item.columns), item.label, item.nets if nets is None else nets
    return item, [item], item, nets or {}


def _with_reasons(design: Design, columns: Sequence[str], item: str | Item) -> tuple[Design, list[str]]:
    """Design whose item has the reasons for a missing answer among its levels, and these reasons."""
    if len(columns) > 1:
        raise EstimationError(f'`missing`="show" is for single answers; {item!r} is a multiple-response set.')
    (name,) = columns
    reasons = f"{name}_missing"
    frame = design.frame
    if name not in frame.columns or reasons not in frame.columns:
        raise EstimationError(
            f'`missing`="show" needs the column {reasons!r} with the reasons, as `read_respondents` makes it; the '
            'data do not have it. Use missing="drop".'
        )
    answers, why = frame[name], frame[reasons].cat.remove_unused_categories()
    if not isinstance(answers.dtype, pd.CategoricalDtype):
        raise EstimationError(f"`item` must be categorical to be tabulated; {name!r} has type {answers.dtype}.")
    labels = [label for label in why.cat.categories if label not in answers.cat.categories]
    combined = pd.Categorical(
        answers.astype(object).where(answers.notna(), why.astype(object)),
        categories=[*answers.cat.categories, *labels],
        ordered=answers.cat.ordered,
    )
    return replace(design, data=frame.assign(**{name: combined})), labels


def _measured(
    cells: Cells, name: str, columns: Sequence[str], item: str | Item, nets: Nets, reasons: Sequence[str]
) -> tuple[Terms, list[str]]:
    """Indicators of the answers, nets and reasons to tabulate, and the kind of each."""
    for column in columns:
        if statistics.is_numeric(cells.frame[column]):
            raise EstimationError(
                f"`item` must be categorical to be tabulated; {column!r} is numeric. Cut it into groups, or use `mean`."
            )
    if isinstance(item, Item) and item.kind == "multiple":
        chosen = [statistics.level_indicators(cells, column)[1][-1] for column in columns]
        levels: list[object] = list(item.options.values())
        values = chosen
        kinds = ["level"] * len(levels)
    else:
        levels, values = statistics.level_indicators(cells, columns[0])
        kinds = ["missing" if level in reasons else "level" for level in levels]
        first_reason = kinds.index("missing") if "missing" in kinds else len(kinds)
        merged = []
        for net, members in nets.items():
            unknown = [member for member in members if member not in levels]
            if unknown or not members:
                raise EstimationError(f"`nets[{net!r}]` must merge answers of {name!r}; {unknown} not among {levels}.")
            merged.append(np.any([values[levels.index(member)] for member in members], axis=0))
        levels[first_reason:first_reason] = list(nets)
        values[first_reason:first_reason] = merged
        kinds[first_reason:first_reason] = ["net"] * len(merged)
    labels = pd.DataFrame({"term": name, "level": pd.Series(levels, dtype=object)})
    return Terms(labels, np.column_stack(values).astype(np.float64)), kinds


def _shares(cells: Cells, measured: Terms, groups: Domains, share: Share) -> Statistic:
    """Column, row or cell shares, column by column."""
    if share == "column":
        return statistics.mean(cells, measured, groups)
    inside = cells.inside[:, None]
    joint = (groups.indicator[:, :, None] * measured.values[:, None, :]).reshape(len(measured.values), -1)
    n_groups, m = len(groups.labels), len(measured.labels)
    labels = pd.concat(
        [
            groups.labels.loc[np.repeat(np.arange(n_groups), m)].reset_index(drop=True),
            pd.concat([measured.labels] * n_groups, ignore_index=True),
        ],
        axis=1,
    )
    base = np.tile(measured.values, n_groups) if share == "row" else np.broadcast_to(inside, joint.shape).astype(float)
    size = cells.weight @ base
    if (size == 0).any():
        empty = labels["level"].iloc[int((size == 0).argmax())]
        raise EstimationError(f'`share`="row" needs respondents in every row; nobody answered {empty!r}.')
    value = cells.weight @ joint / size
    return Statistic(labels, value, (joint - base * value) / size, base > 0)


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


def _tidy(made: Estimate, kinds: Sequence[str], bases: pd.DataFrame | None = None) -> pd.DataFrame:
    """Estimates with bases, kinds and marks."""
    frame = made.tidy()
    if bases is not None:
        frame = pd.concat([frame, bases], axis=1)
    p, error, n, df = (frame[name].to_numpy() for name in ("estimate", "std_error", "n", "df"))
    frame = frame.assign(n_eff=effective_size(p, error, n, df), kind=list(kinds))
    return judge(frame).assign(letters="")
