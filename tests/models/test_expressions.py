"""Formulas are data: what they may hold is what it was, and nothing else is evaluated, whichever way it comes in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from formulaic import ModelSpec
from hypothesis import given
from hypothesis import strategies as st

import survey
from survey.models.expressions import check_formula
from survey.models.formula import one_sided, sides, variables_of
from survey.models.model_matrix import _check_rows_stand_alone

MOST_SECONDS = 5.0  # far above what any refusal takes, also on a busy machine


def respondents(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.uniform(1.0, 9.0, n),
            "region": pd.Categorical(rng.choice(["north", "south", "it's far"], n)),
            "psu": rng.integers(0, 30, n),
        }
    )
    latent = 0.02 * frame["age"] + 0.1 * frame["income"] + rng.logistic(size=n)
    frame["approval"] = pd.cut(latent, [-np.inf, 0.5, 2.0, np.inf], labels=["low", "middle", "high"])
    return frame


def design() -> survey.Design:
    return survey.Design(respondents(), psu="psu")


@pytest.mark.parametrize(
    ("right", "same_as"),
    [
        ("age + income", None),
        ("age * region - age:region", "age + region"),
        ("(age + income) ** 2", "age * income"),
        ("(age + income)^2", "age * income"),
        ("income / age", "income + income:age"),
        ("age %in% income", "income + income:age"),
        ("log(income)", "np.log(income)"),
        ("sqrt(age) + log2(income) + log10(age) + exp(income / 10)", None),
        ("np.log1p(income)", "log(income + 1)"),
        ("I(age ** 2) + age", "{age ** 2} + age"),
        ("I((age > 30) & (income <= 4.5))", "I((30 < age) & ~(income > 4.5))"),
        ("I(region == 'north')", "I('north' == region)"),
        ("{-age + 2 * income}", None),
        ("poly(age, 2)", "poly(age, degree=2)"),
        ("bs(age, df=4, degree=3)", None),
        ("bs(age, knots=[30.5, 50], lower_bound=10, upper_bound=90)", None),
        ("center(age) + scale(income)", None),
        ("standardize(log(age))", None),
        ("C(region)", "region"),
        ("C(region, contr.treatment('south'))", "C(region, Treatment('south'))"),
        ('C(region, contr.treatment(base="it\'s far"))', None),
        ("C(region, contr.sum)", "C(region, Sum())"),
        ("C(region, contr.helmert)", None),
        ("C(region, levels=['south', 'north', \"it's far\"])", None),
        ("C(age > 40)", None),
    ],
)
def test_what_formulas_may_hold_is_what_it_was(right: str, same_as: str | None) -> None:
    fit = survey.ordinal(f"approval ~ {right}", design())
    assert np.isfinite(fit.params).all()
    if same_as is not None:
        other = survey.ordinal(f"approval ~ {same_as}", design())
        np.testing.assert_allclose(fit.log_likelihood, other.log_likelihood, rtol=1e-8)


def test_splines_of_every_kind_pass_the_check() -> None:
    for right in ("cr(age, df=4)", "cs(age, df=4)", "cc(age, df=4)", "cr(age, df=3, constraints='center')"):
        check_formula(f"approval ~ {right}", "formula")


HOSTILE = [
    "I(open('{path}', 'w'))",
    "I(open('{path}', 'w') and age)",
    "{open('{path}', 'w')}",
    "__import__('os').system('touch {path}')",
    "I(age.to_csv('{path}'))",
    "age.to_csv('{path}')",
    "np.savetxt('{path}', [1])",
    "np.lib.npyio.savetxt('{path}', [1])",
    "np.log.__class__('{path}')",
    "I(age.__class__.__base__.__subclasses__())",
    "I((lambda: open('{path}', 'w'))())",
    "(lambda: open('{path}', 'w'))()",
    "(open)('{path}', 'w')",
    "I([open('{path}', 'w') for x in [1]])",
    "I(f\"{open('{path}', 'w')}\")",
    "I((x := open('{path}', 'w')))",
    "I(age if open('{path}', 'w') else age)",
    "I(age[open('{path}', 'w')])",
    "age[open('{path}', 'w')]",
    "bs(age, knots=[open('{path}', 'w')])",
    "bs(age, knots=open('{path}', 'w'))",
    "bs(age, df=(lambda: open('{path}', 'w'))())",
    "bs(age, **{'df': open('{path}', 'w')})",
    "poly(age, *[open('{path}', 'w')])",
    "C(region, contr.treatment(open('{path}', 'w')))",
    "C(region, open('{path}', 'w'))",
    "C(region, levels=[open('{path}', 'w')])",
    "C(open('{path}', 'w'))",
    "C(region)(open('{path}', 'w'))",
    "log(open('{path}', 'w'))",
    "log(age)(open('{path}', 'w'))",
    "center(age, _state=open('{path}', 'w'))",
    "poly(age, raw='\") or open(chr(47), chr(119)) or (\"')",
    "poly(age, raw='x\"]; open')",
    "hashed(region, levels=4)",
    "Q('age')",
    "lag(age)",
    "exp10(age)",
    "eval('open')",
    "getattr(age, 'to_csv')('{path}')",
    "I(np)",
    "I(contr)",
    "I(__FORMULAIC_CONTEXT__)",
    "center(`open('{path}', 'w')`)",
    'I("\\"" == age)',
    "contr.treatment(open('{path}', 'w'))",
    "I(age and income)",
    "I(age @ income)",
    "I({'a': open('{path}', 'w')})",
    "I(*[open('{path}', 'w')])",
    "I(await_(open('{path}', 'w')))",
    "age | income",
]


def ways_in(text: str) -> list[tuple[str, Callable[[], Any]]]:
    """Every argument that takes a formula, with the hostile text in it."""
    sample = design()
    return [
        ("formula", lambda: survey.ordinal(f"approval ~ {text}", sample)),
        ("outcome", lambda: survey.ordinal(f"{text} ~ age", sample)),
        ("scale", lambda: survey.ordinal("approval ~ age", sample, scale=f"~ {text}")),
        ("nominal", lambda: survey.ordinal("approval ~ age", sample, nominal=f"~ {text}")),
        ("both", lambda: survey.ordinal(f"approval ~ income + {text}", sample, nominal="~ age")),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_runs_no_code(text: str, tmp_path: Path) -> None:
    for _, fit in ways_in(text.replace("{path}", str(tmp_path / "made"))):
        with pytest.raises(survey.EstimationError):
            fit()
    assert list(tmp_path.iterdir()) == []


def test_added_terms_and_models_side_by_side_run_no_code(tmp_path: Path) -> None:
    sample = design()
    fit = survey.ordinal("approval ~ age", sample)
    hostile = f"I(open('{tmp_path / 'made'}', 'w'))"
    with pytest.raises(survey.EstimationError, match=r"`added`: .* calls a function that formulas do not have"):
        survey.score_test(fit, sample, hostile)
    with pytest.raises(survey.EstimationError, match="calls a function that formulas do not have"):
        survey.compare_models(sample, {"one": "approval ~ age", "two": f"approval ~ age + {hostile}"}, "age")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("approval ~ I(open('x'))", r"`formula`: \"open\('x'\)\" calls a function that .* A formula may hold columns"),
        ("approval ~ np.sqr(age)", r"'np.sqr\(age\)' calls a function .* Did you mean 'np.sqrt'\?"),
        ("approval ~ np.mean(age)", "calls a function that formulas do not have"),
        ("approval ~ I(age.x)", "'age.x' is not allowed in a formula"),
        ("approval ~ log(C(region))", "makes levels, and is no part of something else"),
        ("approval ~ log(age, 3)", "calls a function of one value with more"),
        ("approval ~ bs(age, df=income)", "'income' must be a plain value, as in df=4"),
        ("approval ~ center(age, _state=1)", "has an option that formulas do not have"),
        ("approval ~ I(9 ** 9 ** 9)", "is a power of numbers alone"),
        ("approval ~ poly(age, 51)", "would make more than 50 columns"),
        ("approval ~ bs(age, df=10000000)", "would make more than 50 columns"),
        ("approval ~ (age + income) ** 11", "must be a power from 1 to 10"),
        ("approval ~ age + C(True, levels=[1, 2])", "must code a column"),
        ("approval ~ age + C(2, contr.sum)", "must code a column"),
        ("approval ~ age + I(np.log(2))", "names no column"),
        ("approval ~ I(age + log(2) ** 3)", "is a power of numbers alone"),
        ("approval ~ age | income", "would divide the formula into parts"),
        ("approval ~ __class__", "is no name of a column"),
    ],
)
def test_the_piece_that_is_not_allowed_is_named(formula: str, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        survey.ordinal(formula, design())


ENDLESS = [
    "I(9**9**9)",
    "I(age * 9**9**9**9)",
    "I((9**9)**(9**9))",
    "(age + income)**1000000000",
    "((((age + income)**9)**9)**9)**9",
    "(age + income)**9**9",
    " * ".join(f"x{i}" for i in range(60)),
    "I(" * 2000 + "age" + ")" * 2000,
    "I(" + "-" * 8000 + "age)",
    "I(age" + " + 1" * 2000 + ")",
    "poly(age, 1000000000)",
    "bs(age, df=1000000000)",
    "bs(age, knots=[" + "1, " * 2000 + "])",
    "I(age * 1" + "0" * 400 + ")",
    "I(age * " + "9" * 5000 + ")",
    "age + " * 50_000 + "age",
    "`" * 9001,
    "'" * 9001,
    "{" * 9001,
]


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_hostile_formulas_end_in_an_error_soon_and_a_short_one(text: str) -> None:
    for read in (lambda: sides(f"approval ~ {text}"), lambda: one_sided(f"~ {text}", "scale")):
        began = time.perf_counter()
        with pytest.raises(survey.EstimationError) as refused:
            read()
        assert time.perf_counter() - began < MOST_SECONDS
        assert len(str(refused.value)) < 1500


@given(text=st.text(st.sampled_from(list("age I()C[]{}'\"`.,01~+-*/%:^|@#\\\nbslog_é")), max_size=40))
def test_any_text_is_a_formula_or_an_error_of_the_package(text: str) -> None:
    with contextlib.suppress(survey.EstimationError):
        variables_of(f"approval ~ {text}", respondents(10))
    with contextlib.suppress(survey.EstimationError):
        one_sided(f"~ {text}", "scale")


@pytest.mark.parametrize(
    "text",
    [
        "( ]",
        "[ )",
        "[age]",
        "income [ ) age",
        "age |- income",
        "a %in%",
        "(-1 / age) / income",
        "(age - age) / income",
        "2",
        "age.",
        "~",
        "",
    ],
)
def test_unbalanced_and_unfinished_formulas_are_refused(text: str) -> None:
    """Some of them were errors inside of formulaic."""
    with pytest.raises(survey.EstimationError):
        variables_of(f"approval ~ {text}", respondents(10))


def test_a_transform_that_does_not_remember_is_refused() -> None:
    """No function that formulas have is of this kind; a new one might be."""
    rows = pd.DataFrame({"age": np.arange(20.0)})
    formulas: Any = ModelSpec
    spec = formulas.from_spec("I(age - np.mean(age))", output="pandas")
    encoded = spec.get_model_matrix(rows)
    with pytest.raises(survey.EstimationError, match="a column must depend on the respondent alone"):
        _check_rows_stand_alone("y ~ age", encoded.model_spec, rows=rows, encoded=np.asarray(encoded))


@pytest.mark.parametrize("levels", ["['north', 'south']", "[1, 2]"])
def test_levels_that_leave_some_out_are_refused(levels: str) -> None:
    with pytest.raises(survey.EstimationError, match="cannot be evaluated: Data has categories outside"):
        survey.ordinal(f"approval ~ C(region, levels={levels})", design())


def test_more_columns_than_patterns_are_named_as_collinear() -> None:
    """An array of another length than the names was an error of its own."""
    few = survey.Design(respondents(60))
    with pytest.raises(survey.EstimationError, match=r"must not be collinear; .* and \d+ more follow exactly"):
        survey.ordinal("approval ~ I(age - 1) + C(income, contr.sum) + C(age)", few)
