"""Expressions that come in as text: parsed within bounds, and never run as code."""

from __future__ import annotations

import ast
import warnings

MOST_CHARACTERS = 10_000  # of a condition or a formula
DEEPEST = 100  # parts within parts, far below what recursion can take
LARGEST_CONSTANT = 1e300  # beyond it arithmetic leaves double precision
MOST_SHOWN = 120  # characters of a text that a message repeats


class Unreadable(ValueError):
    """A text that is no expression; says why."""


def parsed(text: str) -> ast.expr:
    """Tree of an expression; nothing is evaluated.

    Raises
    ------
    Unreadable : a text that is too long, nested too deeply or no expression.
    """
    check_length(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd constants: the tree is refused below, or as it should be
            tree = ast.parse(text.strip(), mode="eval").body
    except (RecursionError, MemoryError) as error:
        raise Unreadable("it is nested too deeply") from error
    except SyntaxError as error:
        raise Unreadable(error.msg) from error
    except ValueError as error:  # such as a NUL
        raise Unreadable(str(error)) from error
    _check_depth(tree)
    return tree


def check_length(text: str) -> None:
    """Raise where a text is longer than any that people write."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(f"it has {len(text):,} characters, more than {MOST_CHARACTERS:,}")


def _check_depth(tree: ast.expr) -> None:
    """Raise where parts lie within parts too often; the tree is walked level by level, without recursion."""
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise Unreadable(f"it is nested more than {DEEPEST} levels deep")


def cut(text: str) -> str:
    """Text as a message repeats it: its beginning, where it is long."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def is_number(value: object) -> bool:
    """Whether a constant is a number that double precision holds; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_CONSTANT
