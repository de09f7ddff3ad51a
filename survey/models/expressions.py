"""What a formula may hold: read before formulaic sees it, which evaluates expressions as Python.

A formula is text that may come from a file of settings or a terminal. Its operators, columns, arithmetic, comparisons
and a fixed list of functions pass; whatever else Python knows is refused, and nothing of it is evaluated here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from survey.errors import EstimationError, did_you_mean
from survey.expressions import Unreadable, check_length, cut, is_number, parsed

if TYPE_CHECKING:
    from formulaic.parser.types import ASTNode, Token

CONTEXT: Mapping[str, Any] = MappingProxyType({"sqrt": np.sqrt})
"""Functions that formulas may use and formulaic does not know."""

OF_ONE_VALUE = ("log", "log2", "log10", "exp", "sqrt", "I")
OF_NUMPY = ("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "floor", "ceil", "abs")  # as np.log(x)
LEARNING = ("bs", "cr", "cs", "cc", "poly", "center", "scale", "standardize")  # remember what they learn from the data
CODINGS = ("treatment", "sum", "helmert", "diff", "poly", "SAS")  # as contr.treatment("a")
CODINGS_OF_PATSY = ("Treatment", "Sum", "Helmert", "Diff", "Poly")
UNARY_FUNCTIONS = frozenset([*OF_ONE_VALUE, *(f"np.{name}" for name in OF_NUMPY)])
FUNCTIONS = UNARY_FUNCTIONS | frozenset(LEARNING)
CODING_NAMES = frozenset([*(f"contr.{name}" for name in CODINGS), *CODINGS_OF_PATSY])
ALLOWED = (
    "A formula may hold columns, the operators + - * / : ** and %in%, numbers, arithmetic and comparisons in I() or "
    f"braces, {', '.join([*OF_ONE_VALUE[:-1], *LEARNING])}, and C with contr.treatment and the like."
)

MOST_TERMS = 1_000  # that a formula multiplies out to, counted before it is
LARGEST_POWER = 10  # of a sum of terms
MOST_COLUMNS = 50  # that one transform makes; also knots that are listed

OPERATIONS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
SIGNS = (ast.UAdd, ast.USub, ast.Invert)

SIZES: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {
        "+": lambda left, right: left + right,
        "-": lambda left, _: left,
        "*": lambda left, right: left + right + left * right,
        "/": lambda left, right: left + right,
        "in": lambda left, right: left + right,
        ":": lambda left, right: left * right,
        "~": lambda left, right: left + right,
    }
)
"""Terms that an operator makes of those on its two sides, at most."""


def check_formula(formula: str, argument: str) -> None:
    """Raise unless a formula holds nothing but what formulas may, and multiplies out to a bounded number of terms.

    Parameters
    ----------
    argument : by which the formula came in.

    Raises
    ------
    EstimationError : names the piece that is not allowed, and what is.
    formulaic.errors.FormulaicError : a formula that is written wrongly.
    """
    from formulaic.parser.algos.tokenize import tokenize
    from formulaic.parser.types import Token

    try:
        check_length(formula)
    except Unreadable as error:
        raise EstimationError(
            f"`{argument}` must be a formula as people write it: {error}; {cut(formula)!r}. Make columns of what is "
            "computed in it."
        ) from error
    for token in tokenize(formula):
        if token.kind is Token.Kind.PYTHON:
            check_expression(token.token, argument)
        elif token.token.startswith("__"):
            _refuse(argument, token.token, "is no name of a column")
        elif token.token in ("[", "]") or (token.kind is Token.Kind.OPERATOR and "|" in token.token):
            _refuse(argument, token.token, "would divide the formula into parts")
    _check_size(formula, argument)


def _check_size(formula: str, argument: str) -> None:
    """Raise where a formula multiplies out to more terms than any model has; the terms are counted, not made."""
    from formulaic.parser import DefaultFormulaParser
    from formulaic.parser.types import ASTNode, FormulaParser

    tree: Any = DefaultFormulaParser().parse(formula, target=FormulaParser.Target.AST)
    nodes = [tree] if isinstance(tree, ASTNode) else []
    for node in nodes:  # grows as it is walked: parents before children
        nodes.extend(child for child in node.args if isinstance(child, ASTNode))
    sizes: dict[int, int] = {}
    for node in reversed(nodes):
        sizes[id(node)] = min(_terms_of(node, sizes, argument), MOST_TERMS + 1)
    if nodes and sizes[id(tree)] > MOST_TERMS:
        raise EstimationError(
            f"`{argument}` must have {MOST_TERMS:,} terms at most; {cut(formula)!r} multiplies out to more. Name the "
            "interactions that are meant."
        )


def _terms_of(node: ASTNode[Any], sizes: Mapping[int, int], argument: str) -> int:
    """Terms that an operator makes, at most."""
    symbol = node.operator.symbol
    args = list(node.args)
    parts = [sizes.get(id(arg), 1) for arg in args]
    if symbol in ("**", "^"):
        return int(parts[0] ** _power(args[1], argument))
    return SIZES[symbol](*parts) if len(parts) == 2 and symbol in SIZES else sum(parts)


def _power(exponent: Token | ASTNode[Any], argument: str) -> int:
    """Power of a sum of terms."""
    text = getattr(exponent, "token", None)
    if not isinstance(text, str) or not text.isdecimal() or not 1 <= int(text[:9]) <= LARGEST_POWER:
        _refuse(argument, f"** {cut(str(exponent))}", f"must be a power from 1 to {LARGEST_POWER}")
    return int(text)


def check_expression(text: str, argument: str) -> None:
    """Raise unless an expression within a formula holds nothing but what it may."""
    if "`" in text or "\\" in text:
        raise EstimationError(
            f"`{argument}`: {cut(text)!r} cannot be read. Columns in functions need plain names; rename them first."
        )
    try:
        tree = parsed(text)
    except Unreadable as error:
        raise EstimationError(
            f"`{argument}`: {cut(text)!r} cannot be read ({error}). Columns in functions need plain names."
        ) from error
    if _name_of(tree) == "C":  # stands alone: what is coded as levels is no part of a calculation
        _check_coding(tree, argument)
    else:
        _check_value(tree, argument)
    if not _names_a_column(tree):
        _refuse(argument, tree, "names no column")


def _check_value(node: ast.expr, argument: str) -> None:
    """Raise unless a part can be a value by respondent."""
    match node:
        case ast.BinOp(op=ast.Pow()) if not _names_a_column(node):
            _refuse(argument, node, "is a power of numbers alone")  # 9**9**9 would never end
        case ast.BinOp(op=op, left=left, right=right) if isinstance(op, OPERATIONS):
            parts = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if isinstance(op, SIGNS):
            parts = [operand]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(isinstance(op, COMPARISONS) for op in ops):
            parts = [part for part in (left, *others) if not _is_text(part)]
        case ast.Call():
            parts = [_checked_call(node, argument)]
        case ast.Name(id=name) if not name.startswith("__") and name not in ("np", "contr"):
            parts = []
        case ast.Constant(value=value) if is_number(value) or isinstance(value, bool):
            parts = []
        case _:
            _refuse(argument, node, "is not allowed in a formula")
    for part in parts:
        _check_value(part, argument)


def _checked_call(node: ast.Call, argument: str) -> ast.expr:
    """What a function is taken of, if it is one that formulas know, with plain values beside it."""
    name = _name_of(node)
    if name == "C":
        _refuse(argument, node, "makes levels, and is no part of something else")
    if name not in FUNCTIONS or not node.args:
        _refuse(argument, node, "calls a function that formulas do not have", did_you_mean(name, sorted(FUNCTIONS)))
    options = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
    if options and name in UNARY_FUNCTIONS:
        _refuse(argument, node, "calls a function of one value with more")
    _check_options(node, argument)
    if any(_size_of(option) > MOST_COLUMNS for option in _sizing(node)):
        _refuse(argument, node, f"would make more than {MOST_COLUMNS} columns")
    return node.args[0]


def _sizing(node: ast.Call) -> Iterator[ast.expr]:
    """Options of a transform on which its number of columns rests."""
    yield from (option for option in node.args[1:] if isinstance(option, ast.Constant | ast.List | ast.Tuple))
    for keyword in node.keywords:
        if keyword.arg in ("df", "degree", "knots"):
            yield keyword.value


def _size_of(option: ast.expr) -> float:
    """Columns that an option asks for: its number, or the length of its list."""
    match option:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return len(parts)
        case ast.Constant(value=value) if is_number(value):
            return abs(float(value))  # type: ignore[arg-type]  # a number
    return 0.0


def _check_coding(node: ast.expr, argument: str) -> None:
    """Raise unless levels are coded by one of the codings that formulas know, with plain values."""
    if not isinstance(node, ast.Call) or not node.args or not _names_a_column(node.args[0]):
        _refuse(argument, node, "must code a column, as in C(region)")
    _check_value(node.args[0], argument)
    _check_options(node, argument, quotes="'\"")


def _check_options(node: ast.Call, argument: str, *, quotes: str = "") -> None:
    """Raise unless everything beside the first argument of a call is a plain value, or a coding with plain values.

    Parameters
    ----------
    quotes : quotation marks that text may hold; formulaic puts the text of transforms that learn into code of its own.
    """
    if any(keyword.arg is None or keyword.arg.startswith("_") for keyword in node.keywords):
        _refuse(argument, node, "has an option that formulas do not have")
    options = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
    for option in options:
        if _name_of(option) in CODING_NAMES:
            within = (
                [*option.args, *(keyword.value for keyword in option.keywords)] if isinstance(option, ast.Call) else []
            )
            plain = all(_is_plain_value(value, quotes) for value in within)
        else:
            plain = _is_plain_value(option, quotes)
        if not plain:
            _refuse(argument, option, "must be a plain value, as in df=4 or contr.treatment('a')")


def _is_plain_value(node: ast.expr, quotes: str) -> bool:
    """Whether an option is a number, a text, True, False, None or a list of these."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(_is_plain_value(part, quotes) for part in parts)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return is_number(value)
        case ast.Constant(value=value):
            return value is None or isinstance(value, bool) or is_number(value) or _is_text(node, quotes)
    return False


def _is_text(node: ast.expr, quotes: str = "") -> bool:
    """Whether a part is text that stays text wherever formulaic writes it."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return node.value.isprintable() and not set(node.value) & (set("'\"\\`") - set(quotes))


def _names_a_column(node: ast.expr) -> bool:
    """Whether a part is made of a column, not of numbers alone."""
    called = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    return any(isinstance(part, ast.Name) and id(part) not in called and part.id != "np" for part in ast.walk(node))


def _name_of(node: ast.expr) -> str:
    """Name of a function, called or not; empty where it is no plain name such as `log` or `np.log`."""
    function = node.func if isinstance(node, ast.Call) else node
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
    return ""


def _refuse(argument: str, piece: ast.expr | str, why: str, hint: str = "") -> NoReturn:
    """Say which piece of a formula is not allowed, and what is."""
    spelled = piece if isinstance(piece, str) else ast.unparse(piece)
    raise EstimationError(f"`{argument}`: {cut(spelled)!r} {why}.{hint} {ALLOWED}")
