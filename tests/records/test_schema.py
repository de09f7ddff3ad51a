"""Schemas of the frames that go in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from survey.records.items import Item, Level
from survey.records.schema import (
    category_dtype,
    companion,
    margins_schema,
    missing_dtype,
    number_dtype,
    respondent_schema,
)
from survey.tidy import RESULT_COLUMNS

REFUSED = (Level(-2, "Refused"),)
ITEMS = (
    Item("id", "Id", "id"),
    Item("age", "Age", "numeric", minimum=18, maximum=90, unit="years", integer=True),
    Item("income", "Income", "numeric", minimum=0, missing=REFUSED),
    Item("change", "Change", "numeric", maximum=100),
    Item("weight_kg", "Weight", "numeric", missing=REFUSED),
    Item("view", "View", "ordinal", levels=(Level(1, "Bad"), Level(2, "Good")), missing=REFUSED),
    Item("colour", "Colour", "nominal", levels=(Level(1, "Red"), Level(2, "Blue"))),
    Item("uses", "Uses", "multiple", options={"uses_a": "A", "uses_b": "B"}),
    Item("remark", "Remark", "text"),
)
YES_NO = pd.CategoricalDtype(["No", "Yes"])


def sound() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [1, 2, 3],
            "age": [18, 50, 90],
            "income": [0.0, 10.5, np.nan],
            "income_missing": pd.Categorical([None, None, "Refused"], categories=["Refused"]),
            "change": [-1.5, 0, 100],
            "weight_kg": [80.0, np.nan, 60.0],
            "weight_kg_missing": pd.Categorical([None, "Refused", None], categories=["Refused"]),
            "view": pd.Categorical(["Good", None, "Bad"], categories=["Bad", "Good"], ordered=True),
            "view_missing": pd.Categorical([None, "Refused", None], categories=["Refused"]),
            "colour": pd.Categorical(["Red", "Red", "Blue"], categories=["Red", "Blue"]),
            "uses_a": pd.Categorical(["No", "Yes", "No"], dtype=YES_NO),
            "uses_b": pd.Categorical(["Yes", "Yes", "No"], dtype=YES_NO),
            "remark": ["Fine", None, "中"],
            "w": [1.0, 0.0, 2],
            "stratum": ["a", "b", "c"],
        }
    )


def test_a_sound_frame_passes_with_its_other_columns() -> None:
    schema = respondent_schema(ITEMS, weight="w")
    pd.testing.assert_frame_equal(schema.validate(sound(), lazy=True), sound())
    assert list(schema.columns) == [name for name in sound().columns if name != "stratum"]


@pytest.mark.parametrize(
    ("column", "values", "check"),
    [
        ("id", [1, 1, 2], "field_uniqueness"),
        ("id", [1, None, 2], "not_nullable"),
        ("age", [17, 50, 60], "must be from 18 to 90 years"),
        ("age", [18.5, 50, 60], "must be a whole number"),
        ("income", [-1.0, 2, 3], "must be at least 0"),
        ("change", [1.0, 2, 101], "must be at most 100"),
        ("change", [1.0, 2, np.nan], "not_nullable"),
        ("weight_kg", [1.0, np.inf, 3], "must be a finite number"),
        ("w", [1.0, -1, 1], "a weight must be a finite number, zero or more"),
        ("w", [1.0, np.inf, 1], "a weight must be a finite number, zero or more"),
        ("w", [1.0, np.nan, 1], "not_nullable"),
        ("colour", pd.Categorical(["Red", None, "Blue"], categories=["Red", "Blue"]), "not_nullable"),
        ("view", pd.Categorical(["Bad"] * 3, categories=["Good", "Bad"], ordered=True), "dtype('category')"),
        ("view", pd.Categorical(["Bad"] * 3, categories=["Bad", "Good"]), "dtype('category')"),
        ("uses_a", ["No", "Yes", "No"], "dtype('category')"),
    ],
)
def test_a_frame_that_breaks_the_codebook_fails(column: str, values: Any, check: str) -> None:
    with pytest.raises(SchemaErrors) as caught:
        respondent_schema(ITEMS, weight="w").validate(sound().assign(**{column: values}), lazy=True)
    cases = caught.value.failure_cases
    assert check in set(cases["check"][cases["column"] == column])


@pytest.mark.parametrize("column", ["age", "view_missing", "uses_b", "w"])
def test_every_column_of_the_codebook_is_required(column: str) -> None:
    with pytest.raises(SchemaErrors, match=column):
        respondent_schema(ITEMS, weight="w").validate(sound().drop(columns=column), lazy=True)


def test_types_follow_the_item() -> None:
    by_name = {item.name: item for item in ITEMS}
    assert category_dtype(by_name["view"]) == pd.CategoricalDtype(["Bad", "Good"], ordered=True)
    assert category_dtype(by_name["colour"]) == pd.CategoricalDtype(["Red", "Blue"], ordered=False)
    assert missing_dtype(by_name["view"]) == pd.CategoricalDtype(["Refused"])
    assert [number_dtype(by_name[name]) for name in ("age", "income", "change")] == ["int64", "float64", "float64"]
    assert companion("view") == "view_missing"


def test_margins_are_one_row_per_variable_and_level() -> None:
    margins = pd.DataFrame({"variable": ["sex", "sex"], "level": ["Female", "Male"], "target": [52, 48]})
    assert margins_schema().validate(margins)["target"].tolist() == [52.0, 48.0]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": [-1.0, 1]},
        {"target": [np.nan, 1]},
        {"level": ["Male", "Male"]},
        {"share": [0.5, 0.5]},
        {"level": [1, 2]},
    ],
)
def test_margins_that_make_no_sense_fail(changes: dict[str, list[Any]]) -> None:
    margins = pd.DataFrame({"variable": ["sex", "sex"], "level": ["Female", "Male"], "target": [0.52, 0.48]})
    with pytest.raises(SchemaErrors):
        margins_schema().validate(margins.assign(**changes), lazy=True)


def test_the_glossary_has_the_promised_order_and_cannot_be_changed() -> None:
    assert list(RESULT_COLUMNS) == [
        *("term", "level", "estimate", "std_error", "df", "conf_low", "conf_high", "statistic", "p_value"),
        *("n", "n_eff", "deff", "row_base", "column_base", "row_base_weighted", "column_base_weighted"),
        *("kind", "shown", "flag", "letters", "column_letter", "fraction_missing"),
    ]
    assert all(RESULT_COLUMNS.values())
    with pytest.raises(TypeError):
        RESULT_COLUMNS["term"] = ""  # type: ignore[index]
