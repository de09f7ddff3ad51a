"""Conditions as text: which column each name is, and the tree of the expression.

A condition is written as for `pandas.DataFrame.query`, in its allowed part: `&` and `|` bind as `and` and `or` do,
and names of columns that are no words stand between backticks.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from survey.errors import DesignError
from survey.expressions import Unreadable, check_length, cut, parsed

ALLOWED = (
    "It may hold names of columns, numbers, text, == != < <= > >=, in and not in with a list, and, or, not, "
    "+ - * / % **, .isna() and .notna()."
)
WORDS = frozenset({"and", "or", "not", "in", "True", "False"})  # other words are names of columns
INSTEAD = {
    "None": "Write .isna() for a missing value.",
    "is": "Write == or .isna().",
    "@": "Write the value itself, or pass a Boolean value per row.",
}
LETTER = r"[^\W\d]|[^\x00-\x7f\s]"  # signs of letters outside of ASCII belong to the word
TOKEN = re.compile(
    rf"""(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |`(?P<quoted>[^`]+)`
    |(?P<attribute>\.\s*[^\W\d]\w*)
    |(?P<number>\.?\d[\w.]*)
    |(?P<word>(?:{LETTER})(?:\w|{LETTER})*)
    |(?P<space>\s+)
    |(?P<operator>[=!<>]=|\*\*|//|[-+*/%<>~&|(),\[\]=])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read.

    Attributes
    ----------
    text : as it was written.
    tree : its expression, in which columns have names of their own.
    columns : name in the tree -> column, in the order of the text.
    """

    text: str
    tree: ast.expr
    columns: dict[str, str]

    @property
    def shown(self) -> str:
        """The text as a message repeats it."""
        return repr(cut(self.text))

    def spelled(self, node: ast.AST) -> str:
        """Part of the expression, with the columns called as they are."""

        def column(found: re.Match[str]) -> str:
            name = self.columns[found[0]]
            return name if name.isidentifier() else f"`{name}`"

        text = ast.unparse(node)
        return cut(re.sub("|".join(rf"\b{name}\b" for name in self.columns), column, text) if self.columns else text)

    def refuse(self, node: ast.AST, why: str, remedy: str) -> NoReturn:
        """Say that a part of the condition cannot stand there, and what can."""
        part = repr(self.spelled(node))
        raise DesignError(f"`condition`: {part} {why}{'' if part == self.shown else f', in {self.shown}'}. {remedy}")


def read_condition(text: str) -> Condition:
    """Condition of a text.

    Raises
    ------
    DesignError : a text that is no expression, or has signs and words that mean nothing in one.
    """
    try:
        check_length(text)
        columns: dict[str, str] = {}
        pieces = list(_pieces(text, columns))
        return Condition(text=text, tree=parsed("".join(pieces)), columns=columns)
    except Unreadable as error:
        why = str(error).rstrip(". ")
        raise DesignError(
            f"`condition` must be an expression over the columns; {cut(text)!r} fails: {why}. {ALLOWED}"
        ) from error


def _pieces(text: str, columns: dict[str, str]) -> Iterator[str]:
    """Pieces of a condition as the tree is made of them; columns are noted by the names that stand for them."""
    for token in TOKEN.finditer(text):
        kind = str(token.lastgroup)
        piece = token[kind]
        if kind == "quoted" or (kind == "word" and piece not in WORDS):
            if kind == "word" and keyword.iskeyword(piece):
                raise Unreadable(f"{piece!r} means nothing here. {INSTEAD.get(piece, '')}")
            name = next((name for name, column in columns.items() if column == piece), f"column_{len(columns)}")
            columns[name] = piece
            yield f" {name} "
        elif kind == "other":
            raise Unreadable(f"{piece!r} means nothing here. {INSTEAD.get(piece, '')}")
        elif piece == "=":
            raise DesignError(f"`condition` must compare, with ==; {cut(text)!r} assigns a column.")
        elif kind == "space":
            yield " "
        else:
            yield {"&": " and ", "|": " or "}.get(piece, piece)
