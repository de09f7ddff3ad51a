"""Tests of independence in two-way tables, of single answers or multiple responses, under a survey design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells, code_values
from survey.errors import EstimationError, shown
from survey.estimation import (
    SOURCES,
    DfRule,
    TestResult,
    adjusted_wald,
    covariance,
    is_chosen,
    plain_wald,
    wald_chisq,
)
from survey.inference.hypotheses import adjust_p_values, groups_df
from survey.inference.quadratic_forms import sum_of_chisq_sf

RaoScott = Literal["rao-scott-f", "rao-scott-chisq", "rao-scott-saddlepoint", "rao-scott-exact"]
Wald = Literal["wald", "adjusted-wald"]
TestMethod = Literal[RaoScott, Wald]
RAO_SCOTT = get_args(RaoScott)
WALD = get_args(Wald)


@dataclass(frozen=True, slots=True, eq=False)
class TwoWay:
    """A two-way table of R x C weighted counts on cells.

    Attributes
    ----------
    row, column : (C,) position of each pattern's row and column; rows and columns without respondents have none.
    shape : (rows, columns).
    note : which levels were left out for want of respondents.
    """

    row: IntArray
    column: IntArray
    shape: tuple[int, int]
    note: str


def two_way(cells: Cells, row: str, column: str) -> TwoWay:
    """Positions of the patterns in the table of two variables."""
    positions = []
    left_out = []
    for name in (row, column):
        codes, values = code_values(cells.frame[name])
        present = np.unique(codes[cells.inside])
        positions.append(np.where(cells.inside, np.searchsorted(present, codes), 0))
        left_out += [f"{name}={value}" for i, value in enumerate(values) if i not in present]
    shape = (int(positions[0].max()) + 1, int(positions[1].max()) + 1)
    note = f"Without respondents, left out: {', '.join(left_out)}." if left_out else ""
    return TwoWay(positions[0], positions[1], shape=shape, note=note)


def independence_test(
    cells: Cells, table: TwoWay, method: TestMethod, *, df: DfRule = "satterthwaite", names: Sequence[object] = ()
) -> TestResult:
    """Test that the row and the column variable are independent.

    Parameters
    ----------
    method : "rao-scott-f" and "rao-scott-chisq" correct Pearson's X^2 to second and first order for the
        design; "rao-scott-saddlepoint" and "rao-scott-exact" refer it to the weighted sum of chi-squares that
        it is distributed as; "wald" and "adjusted-wald" compare observed with expected totals.

    Raises
    ------
    EstimationError : an unknown method, a table with one row or column, too many empty cells, or a column whose
        respondents are all in one PSU, so that its variance is unknown.

    References
    ----------
    Rao and Scott (1984), Ann. Stat. 12:46; Thomas and Rao (1987), JASA 82:630. R equivalent: survey::svychisq
    (statistic = "F", "Chisq", "saddlepoint", "lincom", "Wald", "adjWald").
    """
    check_choice(method, TestMethod, "method")
    if min(table.shape) < 2:
        raise EstimationError(
            f"`table` must have two rows and two columns with respondents to be tested; it is {table.shape[0]} x "
            f"{table.shape[1]}."
        )
    d = groups_df(cells, table.column, table.shape[1], rule=df, names=names)
    if method == "wald" or method == "adjusted-wald":
        return _wald(cells, table, df=d, method=method, rule=df)
    tested = pearson(cells, table)
    return rao_scott(tested.chisq, generalized_effects(cells, [tested]), d, method=method, note=table.note, rule=df)


def rao_scott(
    chisq: float,
    effects: FloatArray,
    df: float,
    *,
    method: RaoScott,
    note: str = "",
    argument: str = "table",
    rule: DfRule = "design",
) -> TestResult:
    """Pearson's X^2 with the Rao-Scott correction.

    Parameters
    ----------
    chisq : X^2, of a table with as many respondents as answered.
    effects : (k,) eigenvalues of the generalized design effect: X^2 is distributed as the sum of chi-squares on
        one degree of freedom with these weights.
    df, rule : degrees of freedom of the denominator for each of the numerator, and where they come from.
    method : "rao-scott-f" matches two moments with an F, "rao-scott-chisq" one with a chi-square;
        "rao-scott-saddlepoint" and "rao-scott-exact" take the weighted sum itself, divided by a chi-square on the
        denominator degrees of freedom of the F. (R's svychisq rounds them down in one place of two.)
    argument : what the function that the user called names the tested shares by, for its errors.

    Raises
    ------
    EstimationError : no sampling variance to test against.
    """
    trace = float(effects.sum())
    squares = float((effects**2).sum())
    k = effects.size
    note = f"{note} {SOURCES[rule]} {df:.5g}.".strip()
    if trace <= 0 or df <= 0:
        raise EstimationError(
            f"`{argument}` has no sampling variance to test against: the design has "
            f"{df:.5g} degrees of freedom and a total design effect of {trace:g}."
        )
    if method == "rao-scott-chisq":
        # first order: X^2 over the mean design effect is chi-square on k
        p_value = float(scipy.special.chdtrc(k, chisq / (trace / k)))
        name = "Pearson's X^2, Rao-Scott first-order correction"
        return TestResult(chisq, df1=k, df2=np.nan, p_value=p_value, method=name, note=note)

    # second order: X^2 / sum d is F on (sum d)^2 / sum d^2 and df times as many, d the design effects
    df1 = trace**2 / squares
    df2 = df1 * df
    if method == "rao-scott-f":
        p_value = float(scipy.special.fdtrc(df1, df2, chisq / trace))
        name = "Pearson's X^2, Rao-Scott second-order correction (F)"
        return TestResult(chisq / trace, df1=df1, df2=df2, p_value=p_value, method=name, note=note)

    if method == "rao-scott-saddlepoint":
        p_value = sum_of_chisq_sf(chisq, effects, df2, method="saddlepoint")
        name = "saddlepoint approximation"
    else:
        p_value = sum_of_chisq_sf(chisq, effects, df2, method="exact")
        name = "asymptotically exact distribution"
    return TestResult(chisq, df1=k, df2=df2, p_value=p_value, method=f"Pearson's X^2, Rao-Scott, {name}", note=note)


def _indicators(table: TwoWay) -> FloatArray:
    """(C, R * K) indicators of the table's cells, row by row."""
    position = table.row * table.shape[1] + table.column
    indicators: FloatArray = (position[:, None] == np.arange(table.shape[0] * table.shape[1])).astype(np.float64)
    return indicators


def _interactions(rows: int, columns: int) -> FloatArray:
    """(R K, (R-1)(K-1)) interaction contrasts, orthogonal to the main effects (unweighted)."""
    one_way = [np.eye(size)[:, 1:] - 1.0 / size for size in (rows, columns)]
    contrasts: FloatArray = np.kron(one_way[0], one_way[1]).astype(np.float64)
    return contrasts


@dataclass(frozen=True, slots=True, eq=False)
class Pearson:
    """Pearson's X^2 of one table and the linear form in its cells that it is a quadratic form of.

    Attributes
    ----------
    chisq : X^2 for a table of as many respondents as answered.
    form : (C, k) influence of the interaction contrasts of the log shares.
    simple : (k, k) their covariance under simple random sampling with replacement.
    """

    chisq: float
    form: FloatArray
    simple: FloatArray


def pearson(cells: Cells, table: TwoWay) -> Pearson:
    """Pearson's X^2 of a table, generalized design effects from the observed shares."""
    n = float(cells.n.sum())
    indicator = _indicators(table) * cells.inside[:, None]
    size = cells.weight.sum()
    share = cells.weight @ indicator / size
    inverse = np.divide(1.0, share, out=np.zeros_like(share), where=share > 0)
    scaled = inverse[:, None] * _interactions(*table.shape)
    simple = scaled.T @ (share[:, None] * scaled) / n
    if np.linalg.matrix_rank(simple, tol=1e-10 * float(np.trace(simple)), hermitian=True) < len(simple):
        raise EstimationError(
            f"`table` must have fewer empty cells to be tested; {int((share == 0).sum())} of {share.size} are empty. "
            "Merge rows or columns."
        )
    grid = share.reshape(table.shape)
    expected = np.outer(grid.sum(axis=1), grid.sum(axis=0))
    chisq = float(n * ((grid - expected) ** 2 / expected).sum())
    return Pearson(chisq, (indicator - share) / size @ scaled, simple)


def generalized_effects(cells: Cells, tables: Sequence[Pearson]) -> FloatArray:
    """Eigenvalues of the generalized design effect of the sum of X^2 over tables of the same respondents."""
    form = np.hstack([table.form for table in tables])
    size = cells.weight.sum()
    # D = V_srs^-1 V: its eigenvalues are the weights of the chi-squares that X^2 is a sum of
    vcov = covariance(
        cells,
        np.zeros(form.shape[1]),
        form,
        lambda weight: (weight.T @ form) * (size / weight.sum(axis=0))[:, None],
    )
    simple = scipy.linalg.block_diag(*(table.simple for table in tables))
    eigenvalues: FloatArray = scipy.linalg.eigh(vcov, simple, eigvals_only=True)
    return np.maximum(eigenvalues, 0.0)  # a negative one is rounding error


def _wald(cells: Cells, table: TwoWay, *, df: float, method: Wald, rule: DfRule) -> TestResult:
    """Wald test of observed minus expected totals in all rows and columns but the first."""
    rows, columns = table.shape
    indicator = _indicators(table)
    totals = (cells.weight @ indicator).reshape(table.shape)
    size = totals.sum()
    by_row = totals.sum(axis=1)
    by_column = totals.sum(axis=0)
    # N_rc - N_r. N_.c / N; its derivative by each count is the influence of a respondent in that cell
    residual = totals - np.outer(by_row, by_column) / size
    in_row = (table.row[:, None] == np.arange(rows)).astype(np.float64)
    in_column = (table.column[:, None] == np.arange(columns)).astype(np.float64)
    influence = (
        indicator.reshape(-1, rows, columns)
        - in_row[:, :, None] * by_column / size
        - in_column[:, None, :] * by_row[:, None] / size
        + np.outer(by_row, by_column) / size**2
    )
    value = residual[1:, 1:].reshape(-1)
    linear = influence[:, 1:, 1:].reshape(len(influence), -1)
    vcov = covariance(cells, value, linear, lambda weight: weight.T @ linear, size="known")  # delta method, as in R
    statistic = wald_chisq(value, vcov, argument="table")
    k = (rows - 1) * (columns - 1)
    if method == "wald":
        return plain_wald(statistic, k, design_df=df, method="Wald test of association", rule=rule)
    return adjusted_wald(
        statistic, k, design_df=df, method="Adjusted Wald test of association", note=table.note, rule=rule
    )


@dataclass(frozen=True, slots=True, eq=False)
class MultipleResponse:
    """Options that respondents may choose several of, by group, on cells.

    Attributes
    ----------
    options : labels of the J options that some chose and some did not.
    chosen : (C, J) whether each pattern has chosen each option.
    group : (C,) position of each pattern's group; groups without respondents have none.
    groups : number of groups.
    note : what was left out.
    """

    options: tuple[object, ...]
    chosen: BoolArray
    group: IntArray
    groups: int
    note: str


def multiple_response(
    cells: Cells, options: Mapping[str, object], by: str, labels: Sequence[object] = ("No", "Yes")
) -> MultipleResponse:
    """Options of a multiple-response set by a grouping variable.

    Parameters
    ----------
    options : column -> label, as in `Item.options`.
    by : grouping variable.
    labels : the two levels of the columns, the second of which means that the option was chosen.
    """
    names = []
    chosen = []
    left_out = []
    for column, label in options.items():
        indicator = is_chosen(cells, column, labels)
        if indicator[cells.inside].any() and not indicator[cells.inside].all():
            names.append(label)
            chosen.append(indicator)
        else:
            left_out.append(shown(label))
    codes, values = code_values(cells.frame[by])
    present = np.unique(codes[cells.inside])
    group = np.where(cells.inside, np.searchsorted(present, codes), 0)
    notes = []
    if left_out:
        notes.append(f"Chosen by nobody or by everybody, left out: {', '.join(left_out)}.")
    if present.size < len(values):
        empty = [f"{by}={value}" for i, value in enumerate(values) if i not in present]
        notes.append(f"Without respondents, left out: {', '.join(empty)}.")
    table = np.column_stack(chosen) if chosen else np.zeros((cells.n.size, 0), dtype=bool)
    return MultipleResponse(tuple(names), chosen=table, group=group, groups=present.size, note=" ".join(notes))


def multiple_response_test(
    cells: Cells,
    table: MultipleResponse,
    method: RaoScott,
    *,
    df: DfRule = "satterthwaite",
    names: Sequence[object] = (),
) -> TestResult:
    """Test that each option is chosen by the same share in all groups.

    A respondent may choose several options, so that the tables of the options overlap. The statistic is the sum
    of Pearson's X^2 over the options, each chosen or not by group; the joint covariance of all tables, in which
    the overlap is, gives the correction for overlap and design at once. With one option it is the test of
    independence.

    Parameters
    ----------
    method : "rao-scott-f" (second order), "rao-scott-chisq" (first order), "rao-scott-saddlepoint" or
        "rao-scott-exact".

    Returns
    -------
    TestResult; `parts` has a row per option: term, statistic, df1, df2, p_value, method, and p_adjusted by Holm's
    procedure over the options.

    Raises
    ------
    EstimationError : an unknown method, no option that some chose and some did not, or fewer than two groups.

    References
    ----------
    Bilder and Loughin (2004), Biometrics 60:241; Thomas and Decady (2004), Int. J. Testing 4:43.
    """
    if method not in RAO_SCOTT:
        raise EstimationError(
            f"`method` for a multiple-response set must be one of {', '.join(RAO_SCOTT)}; got {method!r}."
        )
    if not table.options or table.groups < 2:
        raise EstimationError(
            "`table` must have an option that some chose and some did not, and two groups with respondents, to be "
            f"tested; it has {len(table.options)} and {table.groups}."
        )
    d = groups_df(cells, table.group, table.groups, rule=df, names=names)
    tables = [
        pearson(cells, TwoWay(np.where(chosen, 1, 0), table.group, shape=(2, table.groups), note=""))
        for chosen in table.chosen.T
    ]
    singly = [rao_scott(part.chisq, generalized_effects(cells, [part]), d, method=method, rule=df) for part in tables]
    parts = pd.concat([result.tidy() for result in singly], ignore_index=True)
    parts["term"] = [str(option) for option in table.options]
    parts["p_adjusted"] = adjust_p_values(parts["p_value"], "holm")
    chisq = sum(part.chisq for part in tables)
    overall = rao_scott(chisq, generalized_effects(cells, tables), d, method=method, note=table.note, rule=df)
    return replace(overall, method=f"Sum over options of {overall.method}", parts=parts)
