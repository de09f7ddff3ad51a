"""Formulas as text: their outcome, their terms and the columns that they need."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pandas as pd

from survey.errors import EstimationError, did_you_mean, some
from survey.expressions import cut
from survey.models.expressions import check_formula

if TYPE_CHECKING:
    from formulaic import Formula
    from formulaic.parser.types import Factor


def outcome_name(formula: str) -> str:
    """Name of the outcome, the column on the left-hand side."""
    left, _ = sides(formula)
    names = [str(factor.expr) for term in left for factor in term.factors]
    if len(names) != 1 or not is_plain(left):
        raise EstimationError(
            f"`formula` must have one column left of the ~; got {cut(formula)!r}. Compute the outcome as a column "
            "first."
        )
    return names[0]


def sides(formula: str) -> tuple[Formula, Formula]:
    """Left- and right-hand side of a formula."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    if not isinstance(formula, str):
        raise EstimationError(
            f'`formula` must be text, as "outcome ~ a + b"; got {type(formula).__name__}. The formula comes first, '
            "then the design."
        )
    try:
        check_formula(formula, "formula")
        parsed = Formula(formula)
    except (FormulaicError, TypeError) as error:  # TypeError: terms within terms of which none are left
        raise EstimationError(
            f'`formula` must be written as "outcome ~ a + b"; {cut(formula)!r}: {first_line(error)}. Names with blanks '
            "go between backticks."
        ) from error
    if not hasattr(parsed, "lhs"):
        raise EstimationError(f'`formula` must be written as "outcome ~ a + b"; {cut(formula)!r} has no outcome.')
    return parsed.lhs, parsed.rhs


def one_sided(formula: object, argument: str) -> str:
    """Terms of a formula without outcome, as "~ age + income".

    Raises
    ------
    EstimationError : a formula that is not one-sided, has no constant or has no term.
    """
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    text = formula.strip() if isinstance(formula, str) else ""
    if not text.startswith("~"):
        raise EstimationError(
            f'`{argument}` must be a formula without outcome, as "~ age + income"; got {cut(repr(formula))}.'
        )
    try:
        check_formula(text, argument)
        terms = [str(term) for term in Formula(text)]
    except (FormulaicError, TypeError) as error:  # TypeError: terms within terms of which none are left
        raise EstimationError(
            f'`{argument}` must be written as "~ age + income"; {cut(text)!r}: {first_line(error)}.'
        ) from error
    if "1" not in terms or len(terms) < 2:
        raise EstimationError(
            f"`{argument}` must have a term and keep its constant, which the thresholds replace; got {cut(text)!r}."
        )
    return text[1:].strip()


def first_line(error: Exception) -> str:
    """What an error of formulaic says in its first line, without the colours of a terminal after it."""
    return cut(str(error).partition("\n")[0]).rstrip(". ")


def terms_of(formula: str) -> list[frozenset[str]]:
    """Terms of the right-hand side as sets of factors, the constant left out."""
    _, right = sides(formula)
    return [frozenset(str(term).split(":")) for term in right if str(term) != "1"]


def is_plain(formula: Formula) -> bool:
    """Whether every factor is a column, not an expression."""
    return all(
        factor.eval_method.value == "lookup" for term in formula for factor in term.factors if factor.expr != "1"
    )


def variables_of(formula: str, frame: pd.DataFrame, *, argument: str = "formula") -> list[str]:
    """Columns that the right-hand side needs, in the order of the formula, which came in as some argument.

    Raises
    ------
    EstimationError : a formula that cannot be parsed, has no constant, or names unknown columns.
    """
    _, right = sides(formula)
    if not any(str(term) == "1" for term in right):
        raise EstimationError(
            f"`formula` must keep its constant, as thresholds replace it; got {cut(formula)!r}. Remove the "
            "`0 +` or `- 1`."
        )
    variables = list(dict.fromkeys(name for term in right for factor in term.factors for name in needs(factor)))
    unknown = [name for name in variables if name not in frame.columns]
    if unknown:
        raise EstimationError(
            f"`{argument}` must use columns of the data; {unknown} not among {some(frame.columns)}."
            f"{did_you_mean(unknown[0], frame.columns)}"
        )
    if not variables:
        raise EstimationError(f"`formula` must have at least one predictor; got {cut(formula)!r}.")
    return variables


def names_in(expression: str) -> set[str]:
    """Names that an expression uses."""
    return {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}


def needs(factor: Factor) -> list[str]:
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
    names = [str(variable) for variable in used if "value" in variable.roles]
    return sorted((name for name in names if name.split(".")[0] not in {"np", "contr"}), key=str(factor.expr).find)
