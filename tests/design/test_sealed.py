"""A design cannot be bent: not replaced in part, not written to, not reached through the data it was made of."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.design import with_state

SEX = {"f": 0.52, "m": 0.48}
Kind = Callable[[pd.DataFrame], survey.Design]


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    weight = rng.uniform(1.0, 3.0, n)
    return pd.DataFrame(
        {
            "w": weight,
            "w2": rng.permutation(weight),
            "h": np.repeat(["north", "south"], n // 2),
            "psu": np.repeat(np.arange(n // 5), 5),
            "N": 600.0,
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
            "age": rng.integers(18, 90, n),
            "y": rng.normal(size=n),
            "r1": weight * rng.uniform(0.5, 1.5, n),
            "r2": weight * rng.uniform(0.5, 1.5, n),
            "r3": weight * rng.uniform(0.5, 1.5, n),
        }
    )


def clustered(data: pd.DataFrame) -> survey.Design:
    return survey.Design(data, weight="w", strata="h", psu="psu", fpc="N")


def raked(data: pd.DataFrame) -> survey.Design:
    return survey.rake(clustered(data), {"sex": SEX})


def replicated(data: pd.DataFrame) -> survey.Design:
    return survey.rake(survey.replicate(clustered(data), kind="JKn"), {"sex": SEX})


def from_file(data: pd.DataFrame) -> survey.Design:
    return survey.Design.from_replicates(data, weight="w", replicates=["r1", "r2", "r3"], kind="bootstrap")


def in_domain(data: pd.DataFrame) -> survey.Design:
    return raked(data).domain("age > 40")


def calibrated(data: pd.DataFrame) -> survey.Design:
    return survey.trim(survey.calibrate(clustered(data), totals={"age": 60_000.0}), upper=80.0)


KINDS = (clustered, raked, replicated, from_file, in_domain, calibrated)


def same(first: survey.Design, second: survey.Design, column: str = "y") -> None:
    """Raise unless two designs give the same estimates, errors and degrees of freedom."""
    found = survey.mean(first, column, by="sex").tidy()
    pd.testing.assert_frame_equal(found, survey.mean(second, column, by="sex").tidy(), check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [{"weight": "w2"}, {"weight": "nonsense"}, {"data": frame(20)}, {"strata": None}, {"lonely_psu": "adjust"}, {}],
)
def test_a_design_is_not_replaced_in_part(kind: Kind, change: dict[str, Any]) -> None:
    with pytest.raises(survey.DesignError, match=r"`dataclasses.replace` cannot change a design: .*with_columns\(\)"):
        dataclasses.replace(kind(frame()), **change)


@pytest.mark.parametrize(
    "change", [{"stages": ()}, {"base_weights": np.ones(60)}, {"calibrations": ()}, {"in_domain": None}]
)
def test_what_is_derived_is_not_given(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be specified with replace"):
        dataclasses.replace(raked(frame()), **change)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        survey.Design(frame(), **change)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda design: pickle.loads(pickle.dumps(design))])
def test_copies_are_the_same_design_and_sealed_as_well(kind: Kind, copied: Callable[[Any], Any]) -> None:
    design = kind(frame())
    again = copied(design)
    same(design, again)
    same(design.domain("age < 60"), again.domain("age < 60"))
    assert repr(again) == repr(design)
    with pytest.raises(ValueError, match="read-only"):
        again.base_weights[0] = 100.0
    with pytest.raises(survey.DesignError, match=r"`dataclasses.replace` cannot change a design"):
        dataclasses.replace(again, weight="w2")


def arrays_of(held: Any, path: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Every array that an object holds, with its path."""
    if isinstance(held, np.ndarray):
        return [(path, held)]
    if isinstance(held, tuple):
        return [found for i, part in enumerate(held) for found in arrays_of(part, f"{path}[{i}]")]
    if dataclasses.is_dataclass(held):
        names = [entry.name for entry in dataclasses.fields(held)]
        return [found for name in names for found in arrays_of(getattr(held, name), f"{path}.{name}")]
    return []


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_of_a_design_is_read_only(kind: Kind) -> None:
    arrays = arrays_of(kind(frame()), "design")
    assert len(arrays) > 3
    assert [path for path, array in arrays if array.flags.writeable] == []


def test_targets_of_a_step_are_handed_out_as_copies() -> None:
    design = raked(frame())
    before = survey.mean(design, "y").std_error
    (targets,) = design.calibrations[0].targets
    targets.iloc[0] = 1e6
    design.calibrations[0].totals["age"] = 3.0  # type: ignore[index]
    assert design.calibrations[0].totals == {}
    assert design.calibrations[0].targets[0].iloc[0] < 1e6
    np.testing.assert_array_equal(survey.mean(design, "y").std_error, before)


@pytest.mark.parametrize("column", ["w", "sex", "age", "y", "h"])
def test_the_callers_table_does_not_reach_the_design_by_any_way(column: str) -> None:
    """Writing through `.array` went past the lazy copy of pandas."""
    data = frame()
    design, untouched = raked(data), raked(data.copy(deep=True))
    data[column].array[0] = data[column].array[1] = data[column].iloc[40]
    data.loc[:20, column] = data[column].iloc[50]
    same(design, untouched)


def test_the_array_that_a_table_was_made_of_does_not_reach_the_design() -> None:
    values = np.arange(60.0)
    design = survey.Design(pd.DataFrame({"y": values}, copy=False))
    values[:] = 7.0
    np.testing.assert_allclose(survey.mean(design, "y").value, 29.5)


@pytest.mark.parametrize("kind", KINDS)
def test_added_columns_are_those_of_a_design_made_with_them(kind: Kind) -> None:
    data = frame()
    twice = data["y"] * 2 + data["age"]
    for given in (twice, twice.to_numpy(), list(twice), lambda frame: frame["y"] * 2 + frame["age"]):
        same(kind(data).with_columns(twice=given), kind(data.assign(twice=twice)), "twice")
    replaced = kind(data).with_columns(y=twice)
    same(replaced, kind(data.assign(y=twice)))
    same(kind(data), kind(data))
    pd.testing.assert_frame_equal(kind(data).frame, data)


def test_columns_are_added_in_turn_and_scalars_go_to_all_rows() -> None:
    design = clustered(frame()).with_columns(
        old=lambda frame: frame["age"] >= 65, share=lambda frame: frame["old"].astype(float), one=1, text="a"
    )
    assert list(design.frame.columns[-4:]) == ["old", "share", "one", "text"]
    assert (design.frame["one"] == 1).all()
    np.testing.assert_allclose(survey.mean(design, "share").value[0], survey.mean(design, "old").value[-1])
    assert len(clustered(frame()).with_columns().frame.columns) == len(frame().columns)


def test_added_values_are_the_designs_own() -> None:
    values = np.arange(60.0)
    series = pd.Series(values.copy())
    design = clustered(frame()).with_columns(z=values, v=series)
    values[:] = 0.0
    series.array[0] = 1e6
    assert design.frame["z"].iloc[-1] == 59.0
    assert design.frame["v"].iloc[0] == 0.0


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        (clustered, "w", "'w' is its `weight`. Give the new column another name"),
        (clustered, "h", "'h' is its `strata`"),
        (clustered, "psu", "'psu' is its `psu`"),
        (clustered, "N", "'N' is its `fpc`"),
        (raked, "sex", "'sex' is a variable of 'rake'"),
        (in_domain, "sex", "'sex' is a variable of 'rake'"),
        (calibrated, "age", "'age' is a variable of 'calibrate'"),
        (replicated, "psu", "'psu' is its `psu`"),
        (from_file, "r2", "'r2' is one of its `replicates`"),
        (from_file, "w", "'w' is its `weight`"),
    ],
)
def test_columns_that_the_design_was_made_of_stay(kind: Kind, column: str, message: str) -> None:
    design = kind(frame())
    with pytest.raises(survey.DesignError, match=f"`with_columns` must leave alone .* {message}"):
        design.with_columns(**{column: 1.0})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(59.0), r"`z` must have one value for each of the 60 rows; got the shape \(59,\)"),
        ([1.0], r"`z` must have one value for each of the 60 rows; got the shape \(1,\)"),
        (np.ones((60, 2)), r"got the shape \(60, 2\)"),
        (frame()["y"].sort_values(), "`z` must have the index of the data, row for row"),
        (frame()["y"].head(10), "`z` must have the index of the data, row for row"),
        (frame(), "`z` must be one value, or one for each row .* got DataFrame"),
        ({1, 2}, "got set"),
        ({"a": 1}, "got dict"),
        (lambda frame: frame["y"].head(3), "`z` must have the index of the data, row for row"),
    ],
)
def test_columns_that_do_not_fit_the_rows_are_refused(values: Any, message: str) -> None:
    with pytest.raises(survey.DesignError, match=message):
        clustered(frame()).with_columns(z=values)


def test_the_one_way_inside_takes_nothing_that_is_derived() -> None:
    with pytest.raises(survey.DesignError, match=r"`state` must be of .*; got base_weights"):
        with_state(clustered(frame()), base_weights=np.ones(60))
