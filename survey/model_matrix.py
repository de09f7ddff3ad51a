"""Formulas: from terms to columns, evaluated on patterns but learned from respondents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from survey.cells import Cells
from survey.design import BoolArray, Design, FloatArray
from survey.errors import EstimationError

if TYPE_CHECKING:
    from formulaic import Formula, ModelSpec
    from formulaic.parser.types import Factor


@dataclass(frozen=True, slots=True, eq=False)
class ModelMatrix:
    """How the right-hand side of a formula becomes columns.

    Attributes
    ----------
    spec : formulaic's record of the encoding, with what transforms learned from the respondents.
    columns : names of the p columns, the constant left out.
    terms : terms of the formula in order.
    slices : per term, the positions of its columns.
    dtypes : category types of the categorical variables, unused categories left out.
    is_plain : whether every factor is a column, so that numeric columns enter linearly.
    """

    spec: ModelSpec
    columns: tuple[str, ...]
    terms: tuple[str, ...]
    slices: tuple[tuple[int, ...], ...]
    dtypes: dict[str, pd.CategoricalDtype]
    is_plain: bool

    def positions(self, term: str) -> list[int]:
        """Positions of a term's columns."""
        if term not in self.terms:
            raise EstimationError(f"`term` must be a term of the formula; {term!r} is not among {list(self.terms)}.")
        return list(self.slices[self.terms.index(term)])

    def evaluate(self, frame: pd.DataFrame, inside: BoolArray | None = None) -> FloatArray:
        """(n_rows, p) columns of a frame; rows that are not inside are zero."""
        rows = frame if inside is None else frame[inside]
        made = self.spec.get_model_matrix(with_dtypes(rows, self.dtypes), context={})
        values = np.asarray(made, dtype=np.float64)[:, 1:]
        if inside is None or inside.all():
            return values
        result = np.zeros((len(frame), values.shape[1]))
        result[inside] = values
        return result


def with_dtypes(frame: pd.DataFrame, dtypes: dict[str, pd.CategoricalDtype]) -> pd.DataFrame:
    """Frame whose categorical variables have the categories of the fit."""
    return frame.assign(**{name: frame[name].astype(dtype) for name, dtype in dtypes.items() if name in frame})


def outcome_name(formula: str) -> str:
    """Name of the outcome, the column on the left-hand side."""
    left, _ = _sides(formula)
    names = [str(factor.expr) for term in left for factor in term.factors]
    if len(names) != 1 or not _is_plain(left):
        raise EstimationError(
            f"`formula` must have one column left of the ~; got {formula!r}. Compute the outcome as a column first."
        )
    return names[0]


def _sides(formula: str) -> tuple[Formula, Formula]:
    """Left- and right-hand side of a formula."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula)
    except FormulaicError as error:
        raise EstimationError(f'`formula` must be written as "outcome ~ a + b"; {formula!r}: {error}.') from error
    if not hasattr(parsed, "lhs"):
        raise EstimationError(f'`formula` must be written as "outcome ~ a + b"; {formula!r} has no outcome.')
    return parsed.lhs, parsed.rhs


def _is_plain(formula: Formula) -> bool:
    """Whether every factor is a column, not an expression."""
    return all(
        factor.eval_method.value == "lookup" for term in formula for factor in term.factors if factor.expr != "1"
    )


def variables_of(formula: str, frame: pd.DataFrame) -> list[str]:
    """Columns that the right-hand side needs, in the order of the formula.

    Raises
    ------
    EstimationError : a formula that cannot be parsed, has no constant, or names unknown columns.
    """
    _, right = _sides(formula)
    if not any(str(term) == "1" for term in right):
        raise EstimationError(
            f"`formula` must keep its constant, as thresholds replace it; got {formula!r}. Remove the `0 +` or `- 1`."
        )
    variables = list(dict.fromkeys(name for term in right for factor in term.factors for name in _needs(factor)))
    unknown = [name for name in variables if name not in frame.columns]
    if unknown:
        raise EstimationError(
            f"`formula` must use columns of the data; {unknown} not among {list(frame.columns)[:20]}."
        )
    if not variables:
        raise EstimationError(f"`formula` must have at least one predictor; got {formula!r}.")
    return variables


def _needs(factor: Factor) -> list[str]:
    """Columns that a factor uses: itself, or the variables of its expression."""
    from formulaic.utils.variables import get_expression_variables

    if factor.eval_method.value == "lookup":
        return [str(factor.expr)]
    if factor.eval_method.value == "literal":
        return []
    try:
        used = get_expression_variables(str(factor.expr), {})
    except SyntaxError as error:
        raise EstimationError(
            f"`formula`: {factor.expr!r} cannot be read ({error.msg}). Columns in functions need plain names."
        ) from error
    found = [variable for variable in used if "value" in variable.roles]
    return sorted((str(name) for name in found if not str(name).startswith("np.")), key=str(factor.expr).find)


def model_matrix(formula: str, cells: Cells, design: Design) -> tuple[ModelMatrix, FloatArray]:
    """Encoding of a formula's terms.

    Plain variables are encoded from their levels. Transforms that learn from the data (`center`, `poly`, `bs`)
    learn from the respondents of the domain, not from the list of patterns, which would forget how many
    respondents each pattern stands for.

    Parameters
    ----------
    cells : patterns of the outcome and the variables of the formula.
    design : design that the cells come from, for the respondents themselves.

    Returns
    -------
    The encoding, and the (C, p) columns on the patterns, zero outside the domain.

    Raises
    ------
    EstimationError : a predictor that does not vary, or a formula that cannot be evaluated.
    """
    from formulaic import ModelSpec
    from formulaic.errors import FormulaicError

    _, right = _sides(formula)
    patterns = cells.frame[cells.inside]
    variables = variables_of(formula, patterns)
    dtypes: dict[str, pd.CategoricalDtype] = {}
    for name in variables:
        column = patterns[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            dtypes[name] = pd.CategoricalDtype(column.cat.remove_unused_categories().cat.categories, column.cat.ordered)
        elif not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            dtypes[name] = pd.CategoricalDtype(sorted(column.unique()))
        if (len(dtypes[name].categories) if name in dtypes else column.nunique()) < 2:
            raise EstimationError(
                f"`formula`: a predictor must vary; {name!r} has one value, {column.iloc[0]!r}, among the "
                f"{cells.n.sum()} respondents used. Leave it out."
            )
    plain = _is_plain(right)
    learned = patterns if plain else _respondents(design, list(cells.frame.columns))
    try:
        encoded = ModelSpec.from_spec(right, output="pandas").get_model_matrix(
            with_dtypes(learned[variables], dtypes), context={}
        )
    except (FormulaicError, TypeError, ValueError) as error:
        raise EstimationError(f"`formula` {formula!r} cannot be evaluated: {error}.") from error
    spec = encoded.model_spec
    columns = tuple(str(name) for name in encoded.columns[1:])
    named = [(str(term), tuple(i - 1 for i in positions)) for term, positions in spec.term_indices.items()]
    terms = tuple(term for term, _ in named if term != "1")
    slices = tuple(positions for term, positions in named if term != "1")
    matrix = ModelMatrix(spec, columns, terms, slices, dtypes, plain)
    if not plain:
        return matrix, matrix.evaluate(cells.frame, cells.inside)
    values = np.zeros((cells.n.size, len(columns)))
    values[cells.inside] = np.asarray(encoded, dtype=np.float64)[:, 1:]
    return matrix, values


def _respondents(design: Design, variables: list[str]) -> pd.DataFrame:
    """Rows that count: positive weight, in the domain, every variable known."""
    return design.frame.loc[design.weights > 0, variables].dropna()
