"""Designs: what they refuse, domains, weights from population sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey


def frame(n: int = 12) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "w": np.linspace(1, 2, n),
            "h": np.repeat(["north", "south"], n // 2),
            "psu": np.tile([1, 2, 3], n // 3),
            "N": np.repeat([30.0, 60.0], n // 2),
            "y": np.arange(n, dtype=float),
            "g": pd.Categorical(np.tile(["a", "b"], n // 2)),
        },
        index=pd.Index([f"r{i}" for i in range(n)]),
    )


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    data = frame().astype({"w": float})
    data.iloc[row, data.columns.get_loc(column)] = value  # type: ignore[index]
    return data


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (frame(), {"weight": "weight"}, "`weight` must name a column of the data; 'weight' is not among"),
        (frame(), {"weight": "h"}, "`weight` must be numeric; column 'h' has type"),
        (changed("w", 3, -1.0), {"weight": "w"}, r"'w' is negative in 1 of 12 rows, first in row 'r3' \(-1.0\)"),
        (changed("w", 3, np.nan), {"weight": "w"}, r"'w' is missing in 1 of 12 rows, first in row 'r3' \(nan\)"),
        (changed("w", 5, np.inf), {"weight": "w"}, "'w' is infinite in 1 of 12 rows, first in row 'r5'"),
        (frame().assign(w=0.0), {"weight": "w"}, "`weight` must be positive for someone; 'w' is zero in all 12 rows"),
        (frame().head(0), {}, "`data` must hold at least one respondent"),
        ({"a": [1]}, {}, "`data` must be a table"),
        (pd.concat([frame(), frame()["w"]], axis=1), {}, r"`data` must have unique column names; found twice: \['w'\]"),
        (frame(), {"strata": "stratum"}, "`strata` must name a column of the data; 'stratum'"),
        (changed("h", 2, None), {"strata": "h"}, "'h' is missing in 1 rows, first in row 'r2'"),
        (
            frame(),
            {"strata": "h", "psu": "psu"},
            "`psu` must lie within one stratum; 'psu' = 1 occurs in strata 'north'",
        ),
        (frame(), {"psu": "psu", "ssu": "house"}, "`ssu` must name a column of the data; 'house' is not among"),
        (frame(), {"psu": "house", "ssu": "psu"}, "`psu` must name a column of the data; 'house' is not among"),
        (frame(), {"ssu": "psu"}, "`ssu` names units below the PSUs, but `psu` is None"),
        (frame(), {"psu": "psu", "strata": ["h", "g"]}, "`strata` names 2 stages, but the design has 1"),
        (frame(), {"fpc": "h"}, "`fpc` must be numeric"),
        (frame().assign(N=0.0), {"fpc": "N"}, "`fpc` must be a positive population size or sampling fraction"),
        (frame(), {"fpc": "N"}, "`fpc` must be constant within a stratum; 'N' runs from 30 to 60"),
        (frame().assign(N=5.0), {"fpc": "N"}, "stratum 'the whole sample' has 12 units sampled from 5 by 'N'"),
        (
            frame().assign(N=lambda d: np.where(d["h"] == "north", 0.5, 60.0)),
            {"fpc": "N", "strata": "h"},
            "'N' mixes 0.5",
        ),
        (frame(), {"lonely_psu": "ignore"}, "`lonely_psu` must be one of fail, adjust"),
    ],
)
def test_impossible_designs_are_refused(data: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(survey.DesignError, match=message):
        survey.Design(data, **{"weight": None, **arguments})


def test_a_zero_weight_counts_for_nothing_but_keeps_its_psu() -> None:
    data = frame().assign(w=lambda d: np.where(d["psu"] == 3, 0.0, d["w"]))
    design = survey.Design(data, weight="w", strata="h", psu="psu", nest=True)
    assert design.n == 8
    assert design.df == 2.0
    used = data[data["w"] > 0]
    mean = survey.mean(design, "y")
    centred = used["w"] * (used["y"] - np.average(used["y"], weights=used["w"])) / used["w"].sum()
    totals = centred.groupby([used["h"], used["psu"]]).sum().unstack().assign(**{"3": 0.0})
    by_hand = ((totals.sub(totals.mean(axis=1), axis=0) ** 2).sum(axis=1) * 3 / 2).sum()
    np.testing.assert_allclose(mean.std_error[0] ** 2, by_hand, rtol=1e-12)


def test_weights_come_from_population_sizes_where_none_are_given() -> None:
    design = survey.Design(frame(), strata="h", fpc="N")
    np.testing.assert_allclose(design.weights, np.repeat([5.0, 10.0], 6))
    np.testing.assert_allclose(survey.Design(frame()).weights, 1.0)
    with pytest.raises(survey.DesignError, match="`fpc` must give the fractions of all 2 stages; it names 1"):
        survey.Design(frame().assign(N=60.0), psu="psu", ssu="g", fpc="N")


def test_a_lonely_psu_is_refused_and_named() -> None:
    data = frame().assign(h=["alone"] + ["north"] * 5 + ["south"] * 6)
    design = survey.Design(data, weight="w", strata="h")
    with pytest.raises(survey.LonelyPSUError, match=r"`strata` must hold two PSUs each .* 1 of 3 have one: 'alone'"):
        survey.mean(design, "y")
    rules: tuple[Any, ...] = ("adjust", "average", "certainty", "remove")
    for rule in rules:
        chosen = survey.Design(data, weight="w", strata="h", lonely_psu=rule)
        assert survey.mean(chosen, "y").std_error[0] > 0


def test_a_stratum_taken_whole_is_not_lonely() -> None:
    data = frame().assign(h=["alone"] + ["north"] * 5 + ["south"] * 6)
    data["N"] = data["h"].map({"alone": 1.0, "north": 50.0, "south": 60.0})
    assert survey.mean(survey.Design(data, strata="h", fpc="N"), "y").std_error[0] > 0


def test_domains_nest_and_keep_every_row() -> None:
    design = survey.Design(frame(), weight="w")
    inner = design.domain("y >= 3").domain(frame()["g"] == "a")
    assert inner.n == 4
    assert len(inner.frame) == 12
    np.testing.assert_array_equal(inner.weights > 0, (frame()["y"] >= 3) & (frame()["g"] == "a"))
    assert design.n == 12


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("g == 'a' and y == 1", "\"g == 'a' and y == 1\" is true for no respondent"),
        ("g == 'c'", "asks for 'c', which is none of its levels"),
        ("age > 3", "`condition` must be an expression over the columns; 'age > 3' fails"),
        ("y +", "`condition` must be an expression over the columns"),
        ("y + 1", "`condition` must give True or False for each of the 12 rows; got float64"),
        (np.array([True]), r"got bool of shape \(1,\)"),
    ],
)
def test_bad_domains_are_refused(condition: Any, message: str) -> None:
    with pytest.raises(survey.DesignError, match=message):
        survey.Design(frame()).domain(condition)


def test_later_edits_of_the_callers_table_do_not_reach_the_design() -> None:
    data = frame()
    design = survey.Design(data, weight="w")
    before = survey.mean(design, "y").value.copy()
    data.loc["r0", ["y", "w"]] = [1e6, 50.0]
    np.testing.assert_array_equal(survey.mean(design, "y").value, before)
    with pytest.raises(ValueError, match="read-only"):
        design.weights[0] = 3.0


def test_other_tables_than_pandas_are_read_through_narwhals() -> None:
    pa = pytest.importorskip("pyarrow")

    data = frame().reset_index(drop=True).drop(columns="g")
    design = survey.Design(pa.Table.from_pandas(data), weight="w")
    np.testing.assert_allclose(survey.mean(design, "y").value, survey.mean(survey.Design(data, weight="w"), "y").value)


def test_domains_leave_out_rows_that_lack_a_value_of_the_condition() -> None:
    region: Any = ["north", None, "south"] * 4
    data = frame().assign(region=region, age=pd.array([30, pd.NA, 20] * 4, dtype="Int64"))
    design = survey.Design(data)
    assert design.domain("region != 'north'").n == 4
    assert design.domain("not (age > 25)").n == 4
    assert design.domain("age >= 20").n == 8
    assert design.domain(data["age"] >= 20).n == 8
    assert design.domain("region.isna()").n == 4
    named = survey.Design(data.assign(region=data["region"].replace("south", "age")))
    assert named.domain("y >= 0 and region != 'age'").n == 4  # a text that is the name of a column


def test_a_domain_from_a_table_in_another_order_is_refused() -> None:
    older = frame().sort_values("y", ascending=False)["y"] > 5
    with pytest.raises(survey.DesignError, match="`condition` must have the index of the data, row for row"):
        survey.Design(frame()).domain(older)


def test_one_beside_population_sizes_is_a_population_of_one() -> None:
    data = frame().assign(N=lambda d: np.where(d["h"] == "north", 1.0, 60.0))
    with pytest.raises(survey.DesignError, match="stratum 'north' has 6 units sampled from 1"):
        survey.Design(data, strata="h", fpc="N")


def test_weights_beyond_double_precision_are_refused() -> None:
    with pytest.raises(
        survey.DesignError, match=r"must be zero or between 1e-100 and 1e\+100; 'w' is 1e-200 in row 'r0'"
    ):
        survey.Design(frame().assign(w=1e-200), weight="w")


def test_averaging_over_lonely_strata_alone_is_refused() -> None:
    design = survey.Design(frame(), strata="y", lonely_psu="average")
    with pytest.raises(survey.LonelyPSUError, match='`lonely_psu`="average" needs a stratum with two PSUs'):
        survey.mean(design, "w")


def test_what_a_margin_fixes_has_no_sampling_error_at_all() -> None:
    """Rounding error was tested as if it were sampling error: F = 1988 for two equal shares."""
    data = frame(24).assign(sex=["m", "f"] * 12, region=["n", "n", "s", "s"] * 6)
    joint = pd.Series({("m", "n"): 0.2, ("f", "n"): 0.2, ("m", "s"): 0.3, ("f", "s"): 0.3})
    design = survey.poststratify(survey.Design(data, weight="w"), joint.rename_axis(["sex", "region"]))
    tidy = survey.mean(design, "sex").tidy()
    assert (tidy["std_error"] == 0).all()
    assert tidy["n_eff"].isna().all()
    table = survey.crosstab(design, "sex", "region")
    assert (table.tidy()["letters"] == "").all()
    with pytest.raises(survey.EstimationError, match="has no sampling variance to test against"):
        table.test()


def test_the_frame_of_a_design_is_a_copy() -> None:
    design = survey.Design(frame())
    handed_out = design.frame
    handed_out["y"] = 0.0
    assert survey.mean(design, "y").value[0] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": ["w"]}, r"`weight` must be the name of one column; got \['w'\]. Put values into a column"),
        ({"weight": frame()["w"]}, "`weight` must be the name of one column; got Series"),
        ({"weight": 1.0}, "`weight` must be the name of one column; got 1.0"),
        ({"strata": 5}, "`strata` must be the name of a column, or a list of names; got 5"),
        ({"strata": frame()["h"]}, "`strata` must be the name of a column, or a list of names; got Series"),
        ({"psu": ["h", "psu"]}, r"`psu` must be the name of one column; .* Units of the stages below go in `ssu`."),
        ({"fpc": 1000}, "`fpc` must be the name of a column, or a list of names; got 1000"),
        ({"nest": "False"}, "`nest` must be True or False; got 'False'"),
        ({"lonely_psu": "adjusted"}, "`lonely_psu` must be one of fail, adjust, .*; got 'adjusted'"),
    ],
)
def test_columns_are_given_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(survey.DesignError, match=message):
        survey.Design(frame(), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replicates": 5}, "`replicates` must be the name of a column, or a list of names; got 5"),
        ({"weight": None}, "`weight` must name the column of full-sample weights; got None"),
        ({"mse": "no"}, "`mse` must be True or False; got 'no'"),
    ],
)
def test_replicate_weights_are_given_by_name(arguments: dict[str, Any], message: str) -> None:
    data = frame().assign(r1=lambda d: d["w"], r2=lambda d: d["w"])
    with pytest.raises(survey.DesignError, match=message):
        survey.Design.from_replicates(data, **{"weight": "w", "replicates": ["r1", "r2"], "kind": "BRR", **arguments})


def test_a_condition_that_assigns_is_refused() -> None:
    with pytest.raises(survey.DesignError, match="`condition` must compare, with ==; 'y = 3' assigns a column"):
        survey.Design(frame()).domain("y = 3")
