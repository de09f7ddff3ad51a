"""Domains by a condition: three-valued logic against brute force, refused levels, and text that is never run."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import survey
from survey.design.domains import rows_inside

MOST_SECONDS = 5.0  # far above what any refusal takes, also on a busy machine
REGIONS = ["East", "North", "West"]
STEPS = ["low", "middle", "high"]

Row = dict[str, Any]
OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "minus": lambda a: -a,
}


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": pd.array([30, 41, None, 17, 65, None], dtype="Int64"),
            "income": [1.5, None, None, 3.0, 2.0, 1.0],
            "gender": pd.Categorical(["Female", "Male", None, "Female", "Male", "Female"]),
            "region": ["East", "West", None, "North", "East", "West"],
            "step": pd.Categorical(["low", "high", "middle", None, "low", "high"], STEPS, ordered=True),
            "code": pd.Categorical([1, 2, 1, 2, 1, None]),
            "member": pd.array([True, False, None, True, None, False], dtype="boolean"),
            "asked": pd.Series([True, None, False, True, None, False], dtype=object),
            "date": pd.to_datetime(["2018-02-01", "2018-03-15", "NaT", "2018-04-30", "2018-02-28", "2018-03-01"]),
            "id": [1234567890123456789, 1234567890123456788, 3, 4, 5, 6],
            "in come": [1, 2, 3, 4, 5, 6],
            "class": list("aabbcc"),
            "आयु": [1, 2, 3, 4, 5, 6],
        }
    )


def inside(condition: str) -> list[int]:
    """Rows of the domain."""
    return np.flatnonzero(rows_inside(frame(), condition)).tolist()


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("age != 30", [1, 3, 4]),
        ("age != 30 and income.isna()", [1]),  # row 2, of unknown age, was taken in
        ("income.isna()", [1, 2]),
        ("age > 18 or income.isna()", [0, 1, 2, 4]),
        ("not (age != 30 and income.isna())", [0, 3, 4, 5]),  # row 5: False and unknown is False
        ("not age > 30", [0, 3]),
        ("~(age > 30)", [0, 3]),
        ("age.notna() & region.notna()", [0, 1, 3, 4]),
        ("(age + income).isna()", [1, 2, 5]),
        ("(age > 18).isna()", [2, 5]),
        ("18 < age <= 41", [0, 1]),
        ("age > 18 & region == 'East' | income == 3", [0, 3, 4]),  # & and | bind as `and` and `or`
        ("age % 2 == 1 and age ** 2 < 1700", [1, 3]),
        ("-age < -40", [1, 4]),
        ("age / (income - income) > 0", []),
        ("not age / (income - income) > 0", []),  # a number divided by zero is unknown
        ("gender == 'Female'", [0, 3, 5]),
        ("'Female' != gender", [1, 4]),
        ("gender in ['Female', 'Male']", [0, 1, 3, 4, 5]),
        ("region not in ('East', 'West')", [3]),
        ("age in [30, 17.0, -1]", [0, 3]),
        ("step >= 'middle'", [1, 2, 5]),
        ("step < 'high' and region == 'East'", [0, 4]),
        ("code == 1", [0, 2, 4]),
        ("member", [0, 3]),
        ("not member", [1, 5]),
        ("member == False and asked == False", [5]),
        ("asked == 1", [0, 3]),
        ("date >= '2018-03-01'", [1, 3, 5]),
        ("date < '2018-02-28 12:00'", [0, 4]),
        ("id == 1234567890123456788", [1]),
        ("`in come` > 4", [4, 5]),
        ("`class` == 'a' and age > 0", [0, 1]),
        ("आयु > 4", [4, 5]),
        ("  age\n> 40 ", [1, 4]),
        ("region == 'East' and income < 2 or member != True and age > 64", [0]),
    ],
)
def test_a_row_is_in_the_domain_if_the_condition_is_true_whatever_is_missing(condition: str, rows: list[int]) -> None:
    assert inside(condition) == rows


# ---------------------------------------------------------------- against brute force, row by row


def both(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def brute_force(node: Any, row: Row) -> Any:
    """Value of a drawn expression for one respondent; None where it is unknown."""
    kind, *parts = node
    if kind == "name":
        return row[parts[0]]
    if kind == "constant":
        return parts[0]
    if kind == "isna":
        return brute_force(parts[0], row) is None
    if kind == "notna":
        return brute_force(parts[0], row) is not None
    if kind == "in":
        value = brute_force(parts[0], row)
        return None if value is None else value in parts[1]
    if kind == "not in":
        return opposite(brute_force(("in", *parts), row))
    values = [brute_force(part, row) for part in parts]
    if kind == "not":
        return opposite(values[0])
    if kind == "and":
        return both(values[0], values[1])
    if kind == "or":
        return opposite(both(opposite(values[0]), opposite(values[1])))
    if None in values:
        return None
    try:
        found = OPERATIONS[kind](*values)
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(found, complex) else found


def written(node: Any) -> str:
    """A drawn expression as text."""
    kind, *parts = node
    if kind in ("name", "constant"):
        return str(parts[0]) if kind == "name" else repr(parts[0])
    if kind in ("isna", "notna"):
        return f"({written(parts[0])}).{kind}()"
    if kind in ("in", "not in"):
        return f"({written(parts[0])} {kind} {parts[1]!r})"
    if kind in ("not", "minus"):
        return f"({'not' if kind == 'not' else '-'} {written(parts[0])})"
    return f"({written(parts[0])} {kind} {written(parts[1])})"


names = st.sampled_from(["a", "b", "c"]).map(lambda name: ("name", name))
constants = st.integers(-3, 3).map(lambda value: ("constant", float(value)))
numbers = st.recursive(
    st.one_of(names, constants),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "/", "%", "**"]), names, inner), st.tuples(st.just("minus"), names)
    ),
    max_leaves=4,
)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
texts = st.tuples(
    st.sampled_from(["==", "!="]),
    st.just(("name", "g")),
    st.sampled_from(REGIONS).map(lambda level: ("constant", level)),
)
lists = st.lists(st.sampled_from(REGIONS), min_size=1, max_size=3)
comparisons = st.one_of(
    st.tuples(signs, names, numbers),
    texts,
    st.tuples(st.sampled_from(["in", "not in"]), st.just(("name", "g")), lists),
    st.tuples(st.sampled_from(["isna", "notna"]), st.one_of(numbers.filter(lambda node: node[0] != "constant"), texts)),
    st.just(("name", "d")),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["isna", "notna"]), inner),
    ),
    max_leaves=6,
)
values = st.one_of(st.none(), st.integers(-3, 3).map(float))
rows = st.fixed_dictionaries(
    {
        "a": values,
        "b": values,
        "c": values,
        "g": st.sampled_from([*REGIONS, None]),
        "d": st.sampled_from([True, False, None]),
    }
)


@given(condition=conditions, sample=st.lists(rows, min_size=1, max_size=12), categorical=st.booleans())
def test_conditions_equal_three_valued_logic_row_by_row(condition: Any, sample: list[Row], categorical: bool) -> None:
    everybody = [dict.fromkeys("abcd", None) | {"g": region} for region in REGIONS]
    respondents = [*everybody, *sample]
    drawn = pd.DataFrame(
        {
            **{name: pd.Series([row[name] for row in respondents], dtype=np.float64) for name in "abc"},
            "g": pd.Categorical([row["g"] for row in respondents], REGIONS)
            if categorical
            else pd.Series([row["g"] for row in respondents], dtype="str"),
            "d": pd.array([row["d"] for row in respondents], dtype="boolean"),
        }
    )
    made = rows_inside(drawn, written(condition))
    assert made.tolist() == [brute_force(condition, row) is True for row in respondents]


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("gender != 'Femal'", r"asks for 'Femal', which is none of its levels. They are .* Did you mean 'Female'\?"),
        ("gender == 'female'", r"Did you mean 'Female'\?"),
        ('region in ["East", "Wst"]', r"asks for 'Wst', which .* Did you mean 'West'\?"),
        ('region not in ["Eats"]', r"asks for 'Eats', which .* Did you mean 'East'\?"),
        ("region in ['East' 'West']", "asks for 'EastWest'"),
        ("age > 3 or gender == 'Femal'", "\"gender == 'Femal'\" asks for 'Femal', .*, in \"age > 3 or gender"),
        ("code == '1'", r"asks for '1', which is none of its levels. They are \[1, 2\]"),
        ("code == 3", "asks for 3, which is none of its levels"),
        ("gender == 1", "asks for 1, which is none"),
        ("step > 'midle'", r"asks for 'midle', which .* Did you mean 'middle'\?"),
        ("gender == age", "compares levels with numbers"),
        ("gender == code", "without a level in common"),
        ("gender > 'Female'", "orders levels that have no order"),
        ("region > 'East'", "orders levels that have no order"),
        ("age == '30'", "compares numbers with text"),
        ("age > 'a'", "compares numbers with text"),
        ("member == 2", "compares True and False with 2"),
        ("member > 0", "orders True and False"),
        ("date > '28.2.2018'", r"compares dates with '28.2.2018'. Write a date as '2018-02-28'"),
        ("date > '2018-02-31'", "compares dates with '2018-02-31', which is none"),
        ("date > 'now'", "compares dates with 'now'"),
        ("id == 99999999999999999999 - id", "calculates with whole numbers beyond"),
        ("1 / 99999999999999999999 < age", "calculates with whole numbers beyond"),
        ("id % 10 == 9", "calculates with whole numbers beyond 9,007,199,254,740,992"),
        ("age and member", "'age' must be a condition there"),
        ("not age", "'age' must be a condition there"),
        ("~age == 30", "'age' must be a condition there"),
        ("gender + 1 == 2", "'gender' must be a number to be calculated with"),
        ("(age > 3) + 1 == 2", "'age > 3' must be a number"),
        ("1 == 1", "names no column"),
        ("age", "`condition` must give True or False for each of the 6 rows; got int64"),
        ("region", "`condition` must give True or False for each of the 6 rows"),
        ("age in 30", "'30' must be a list of values"),
        ("age in []", "must be a list of values"),
        ("age in [income]", "'income' must be a value, not a column"),
        ("age == [30, 41]", r"'\[30, 41\]' is a list, which stands right of in"),
        ("age == None", "'None' means nothing here. Write .isna"),
        ("age is None", "'is' means nothing here"),
        ("age > @limit", "'@' means nothing here. Write the value itself"),
        ("age.isnull()", "uses .isnull, which means nothing in a condition"),
        ("age.isna", "uses .isna, which means nothing"),
        ("age // 2 == 1", "'age // 2' is not allowed"),
        ("age == 2j", "'2j' is no number"),
        ("age < 1e999", "is no number that can be compared"),
        ("index < 3", "'index' is not among"),
        ("agee > 3", r"'agee' is not among .* Did you mean 'age'\?"),
        ("`in com` > 3", r"'in com' is not among .* Did you mean 'in come'\?"),
        ("age > 3 # comment", "'#' means nothing here"),
        ("age > 3; age", "';' means nothing here"),
        ("", "`condition` must be an expression"),
        ("age >", "`condition` must be an expression over the columns; 'age >' fails: invalid syntax"),
        ("age > 3 \x00", "means nothing here"),
        ("1if age else 2", "'else' means nothing here. It may hold names of columns"),
        ("1is 1 or age > 1", "follows a word that compares nothing"),
    ],
)
def test_what_a_condition_cannot_mean_is_refused(condition: str, message: str) -> None:
    with pytest.raises(survey.DesignError, match=message):
        inside(condition)


def test_a_column_of_several_kinds_is_refused() -> None:
    several: Any = [1, "a", None, 2, "b", 3]
    mixed = frame().assign(mixed=several, span=pd.to_timedelta([1, 2, 3, 4, 5, 6], unit="D"))
    with pytest.raises(survey.DesignError, match="'mixed' holds values of several kinds"):
        rows_inside(mixed, "mixed == 1")
    with pytest.raises(survey.DesignError, match="Pass a Boolean value per row instead"):
        rows_inside(mixed, "span > 1")
    assert np.flatnonzero(rows_inside(mixed, "mixed.isna()")).tolist() == [2]


NUMBERS: list[Any] = [1, None, 3]
DATES: list[Any] = [datetime.date(2018, 2, 1), None, datetime.date(2018, 3, 1)]


@pytest.mark.parametrize(
    ("column", "condition"),
    [
        (pd.Series(NUMBERS, dtype="Int64"), "x > 1"),
        (pd.Series(NUMBERS, dtype="Float64"), "x > 1"),
        (pd.Series(NUMBERS, dtype=object), "x + 1 > 2"),
        (pd.Series([1, pd.NA, 3], dtype=object), "x % 2 == 1 and x != 1"),
        (pd.Series([Decimal("1.5"), None, Decimal("2.5")], dtype=object), "x == 2.5"),
        (pd.Series([True, pd.NA, False], dtype=object), "not x"),
        (pd.Series(DATES, dtype=object), "x > '2018-02-15'"),
        (pd.Series(pd.to_datetime(pd.Series(DATES))), "x > '2018-02-15'"),
        (pd.Series(["a", None, "b"], dtype=object), "x != 'a'"),
        (pd.Series(["a", None, "b"], dtype="string"), "x in ['b']"),
        (pd.Series(pd.Categorical([True, None, False])), "x == False"),
        (pd.Series([0.5, None, 2.5]).astype("category"), "x == 2.5"),
        (pd.Series([2, 200, 255], dtype="uint8"), "x > 250"),
    ],
    ids=range(13),
)
def test_columns_of_every_type_are_compared(column: pd.Series[Any], condition: str) -> None:
    assert rows_inside(pd.DataFrame({"x": column}), condition).tolist() == [False, False, True]


@pytest.mark.parametrize("kind", ["int64", "string", "bool_", "date32", "timestamp"])
def test_columns_of_arrow_are_compared(kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    values: dict[str, Any] = {"int64": NUMBERS, "string": ["a", None, "c"], "bool_": [False, None, True]}
    dtype = pd.ArrowDtype(pa.timestamp("us") if kind == "timestamp" else getattr(pa, kind)())
    column = pd.Series(values.get(kind, DATES), dtype=dtype)
    condition = {"int64": "x == 3", "string": "x == 'c'", "bool_": "x"}.get(kind, "x > '2018-02-15'")
    assert rows_inside(pd.DataFrame({"x": column}), condition).tolist() == [False, False, True]


def test_numbers_that_no_type_holds_are_refused() -> None:
    huge: Any = [10**30, None, 3]
    with pytest.raises(survey.DesignError, match="'x' holds huge numbers"):
        rows_inside(pd.DataFrame({"x": pd.Series(huge, dtype=object)}), "x > 3")


# ---------------------------------------------------------------- text is data

HOSTILE = [
    "age > @pd.io.common.os.system('touch {path}')",
    "(age.to_csv('{path}') != 3) | (age > 1)",
    "age.to_csv('{path}').isna()",
    "__import__('os').system('touch {path}') == 0",
    "open('{path}', 'w').isna()",
    "age.map(open) == 1",
    "[open('{path}', 'w') for x in [1]] == 1",
    "(lambda: open('{path}', 'w'))() == 1",
    "f\"{open('{path}', 'w')}\" == gender",
    "age[open('{path}', 'w')] == 1",
    "age in [open('{path}', 'w')]",
    "age.__class__.__base__.__subclasses__() == 1",
    "`age.to_csv('{path}')` == 1",
    "(x := open('{path}', 'w')) == 1",
    "age == open('{path}', 'w') if age else 1",
    "isna(open('{path}', 'w'))",
    "age.isna(open('{path}', 'w'))",
    "age.isna(*[open('{path}', 'w')])",
    "age.isna().isna(x=open('{path}', 'w'))",
]


@pytest.mark.parametrize("condition", HOSTILE)
def test_a_condition_runs_no_code(condition: str, tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises(survey.DesignError, match="`condition`"):
        survey.Design(frame()).domain(condition.replace("{path}", str(path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "condition",
    [
        "9**9**9 > age",
        "age < 9**9**9**9",
        "(" * 5000 + "age" + ")" * 5000 + " > 3",
        "not " * 2400 + "member",
        "-" * 9000 + "age > 3",
        "age" + ".isna()" * 1400,
        "age + " * 1600 + "1 > 2",
        "age > " + "9" * 5000,
        "age > 1" + "0" * 400,
        "age > 3 or " * 5000 + "age > 3",
        "[" * 9000,
        "age > 'x" + "x" * 100_000 + "'",
        "age < " * 1200 + "3j",
        "`" * 9999,
        "'" * 9999,
        "\\" * 9999,
    ],
    ids=range(16),
)
def test_hostile_text_ends_in_an_error_soon_and_a_short_one(condition: str) -> None:
    began = time.perf_counter()
    with pytest.raises(survey.DesignError) as refused:
        inside(condition)
    assert time.perf_counter() - began < MOST_SECONDS
    assert len(str(refused.value)) < 1000


@given(text=st.text(st.sampled_from(list("age gdm()[]'\"`.,0123=<>!+-*/%&|~@#:\\ninotrsa\x00é")), max_size=40))
def test_any_text_is_a_domain_or_an_error_of_the_package(text: str) -> None:
    try:
        made = rows_inside(frame(), text)
    except survey.DesignError:
        return
    assert made.shape == (6,)


def test_a_constant_is_looked_up_among_many_levels_at_once() -> None:
    many = pd.DataFrame({"name": [f"person {i}" for i in range(200_000)]})
    began = time.perf_counter()
    listed = ", ".join(f"'person {i}'" for i in range(500))
    assert rows_inside(many, f"name in [{listed}]").sum() == 500
    with pytest.raises(survey.DesignError, match=r"asks for 'persn 1', .* Did you mean 'person"):
        rows_inside(many, "name == 'persn 1'")
    assert time.perf_counter() - began < MOST_SECONDS
