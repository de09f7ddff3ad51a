"""Domains: which rows a condition over the columns holds for, whatever the values that are missing."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from survey.arrays import BoolArray
from survey.design.conditions import ALLOWED, Condition, read_condition
from survey.design.operands import (
    Mismatch,
    Operand,
    both,
    calculated,
    compared,
    constant,
    either,
    of_column,
    opposite,
    truth,
)
from survey.errors import DesignError, did_you_mean, some
from survey.expressions import is_number

SIGNS: Mapping[type[ast.cmpop], str] = MappingProxyType(
    {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
)
ARITHMETIC: Mapping[type[ast.AST], Callable[..., Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: np.divide,
        ast.Mod: np.mod,
        ast.Pow: np.power,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
)


def rows_inside(frame: pd.DataFrame, condition: str | pd.Series[bool] | BoolArray) -> BoolArray:
    """Boolean value per row of a domain condition."""
    values: Any = condition
    if isinstance(condition, str):
        values = _Evaluation(read_condition(condition), frame).rows()
    elif isinstance(condition, pd.Series) and not condition.index.equals(frame.index):
        raise DesignError(
            "`condition` must have the index of the data, row for row; it has another one, as a sorted or merged table "
            "has. Make it from `design.frame`, or pass an array in the order of the rows."
        )
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.BooleanDtype | pd.ArrowDtype):
        values = values.to_numpy(dtype=bool, na_value=False)
    values = np.asarray(values)
    if values.dtype != np.bool_ or values.shape != (len(frame),):
        raise DesignError(
            f"`condition` must give True or False for each of the {len(frame)} rows; got {values.dtype} of shape "
            f"{values.shape}."
        )
    inside: BoolArray = values.copy()
    return inside


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """A condition, evaluated part by part on the columns of a frame; nothing but what stands here is ever done."""

    condition: Condition
    frame: pd.DataFrame

    def rows(self) -> Any:
        """(n_rows,) where the condition is True whatever the missing values; its values, if it is no condition."""
        tree = self.condition.tree
        result = self.value(tree)
        if result.is_constant:
            self.condition.refuse(tree, "names no column", "Compare a column with something.")
        return result.values if result.kind != "levels" else self.frame[self.condition.columns[tree.id]].to_numpy()  # type: ignore[attr-defined]  # levels are columns

    def value(self, node: ast.expr) -> Operand:
        """Value of a part; what is not allowed is refused by name."""
        try:
            match node:
                case ast.BoolOp(op=ast.And()):
                    return reduce(both, map(self.truth, node.values))
                case ast.BoolOp():
                    return reduce(either, map(self.truth, node.values))
                case ast.UnaryOp(op=ast.Not() | ast.Invert()):
                    return opposite(self.truth(node.operand))
                case ast.UnaryOp():
                    return self.sign(node)
                case ast.BinOp() if type(node.op) in ARITHMETIC:
                    return calculated(ARITHMETIC[type(node.op)], self.number(node.left), self.number(node.right))
                case ast.Compare():
                    return self.comparison(node)
                case ast.Call(func=ast.Attribute(attr="isna" | "notna" as asked, value=asked_of), args=[], keywords=[]):
                    known = self.known(asked_of)
                    return truth(~known if asked == "isna" else known, np.ones_like(known))
                case ast.Name():
                    return of_column(self.column(node))
                case ast.Constant(value=value) if isinstance(value, bool | str) or is_number(value):
                    return constant(value)  # type: ignore[arg-type]  # one of these
        except Mismatch as error:
            self.condition.refuse(node, str(error), error.remedy)
        self.refuse(node)

    def refuse(self, node: ast.expr) -> NoReturn:
        """Say that a part has no place in a condition."""
        match node:
            case ast.List() | ast.Tuple() | ast.Set():
                why = "is a list, which stands right of in or not in only"
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Attribute(attr=name):
                why = f"uses .{name}, which means nothing in a condition"
            case ast.Constant():
                why = "is no number that can be compared"
            case _:
                why = "is not allowed in a condition"
        self.condition.refuse(node, why, ALLOWED)

    def truth(self, node: ast.expr) -> Operand:
        """Value of a part that must be True or False."""
        operand = self.value(node)
        if operand.kind != "truth":
            self.condition.refuse(node, "must be a condition there", "Compare it, as in age >= 18.")
        return operand

    def number(self, node: ast.expr) -> Operand:
        """Value of a part that is calculated with."""
        operand = self.value(node)
        if operand.kind != "numbers":
            self.condition.refuse(node, "must be a number to be calculated with", "Take another column.")
        return operand

    def sign(self, node: ast.UnaryOp) -> Operand:
        """A number with a sign before it; that of a constant stays exact."""
        operand = self.number(node.operand)
        if operand.is_constant:
            return constant(-operand.values if isinstance(node.op, ast.USub) else operand.values)
        return calculated(ARITHMETIC[type(node.op)], operand)

    def column(self, node: ast.Name) -> pd.Series[Any]:
        """A column of the frame."""
        name = self.condition.columns[node.id]
        if name not in self.frame.columns:
            raise DesignError(
                f"`condition` must be an expression over the columns; {self.condition.shown} fails: {name!r} is not "
                f"among {some(self.frame.columns)}.{did_you_mean(name, self.frame.columns)}"
            )
        return self.frame[name]

    def known(self, node: ast.expr) -> BoolArray:
        """(n_rows,) where a part is known; of a column that may hold whatever it wants."""
        known = self.column(node).notna() if isinstance(node, ast.Name) else self.value(node).known
        rows: BoolArray = np.broadcast_to(np.asarray(known, dtype=bool), len(self.frame)).copy()
        return rows

    def comparison(self, node: ast.Compare) -> Operand:
        """Comparisons, each with what follows it: all of them hold."""
        parts = [node.left, *node.comparators]
        links = zip(node.ops, parts, parts[1:], strict=False)
        return reduce(both, [self.link(sign, first, second) for sign, first, second in links])

    def link(self, sign: ast.cmpop, first: ast.expr, second: ast.expr) -> Operand:
        """One comparison."""
        if isinstance(sign, ast.In):
            return self.among(first, second)
        if isinstance(sign, ast.NotIn):
            return opposite(self.among(first, second))
        if type(sign) not in SIGNS:
            self.condition.refuse(second, "follows a word that compares nothing", ALLOWED)
        return compared(SIGNS[type(sign)], self.value(first), self.value(second))

    def among(self, first: ast.expr, second: ast.expr) -> Operand:
        """Whether a value is one of a list of constants."""
        if not isinstance(second, ast.List | ast.Tuple | ast.Set) or not second.elts:
            self.condition.refuse(second, "must be a list of values", "Write in ['a', 'b'].")
        operand = self.value(first)
        choices = [self.value(choice) for choice in second.elts]
        for choice, part in zip(choices, second.elts, strict=True):
            if not choice.is_constant:
                self.condition.refuse(
                    part, "must be a value, not a column, in a list", "Text stands between quotation marks."
                )
        return reduce(either, [compared("==", operand, choice) for choice in choices])
