"""Several stages of sampling: R on a synthetic three-stage sample, and loops over stages on random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import survey
from tests import brute_force as rows
from tests.reference_data import (
    DEGREES_OF_FREEDOM,
    ESTIMATE,
    REFERENCE,
    STANDARD_ERROR,
    close,
    factor,
    read_csv,
    same_by,
    same_estimate,
    values,
)

INFINITE = 1e-6  # relative, of standard errors: a population of 1e9 in place of one without end
STRATA, STAGES = ["region", "zone"], {"psu": "county", "ssu": ["district", "person"]}
DESIGNS: dict[str, dict[str, Any]] = {
    "sizes": {"strata": STRATA, **STAGES, "fpc": ["N1", "N2", "N3"]},
    "fractions": {"strata": STRATA, **STAGES, "fpc": ["f1", "f2", "f3"]},
    "first_strata_only": {
        "strata": "region",
        **STAGES,
        "ssu": ["where", "person"],
        "weight": "w",
        "fpc": ["f1", "g2", "f3"],
    },
    "two_stages": {"strata": STRATA, "psu": "county", "ssu": "district", "weight": "w", "fpc": ["N1", "N2"]},
    "one_stage": {"strata": "region", "psu": "county", "weight": "w", "fpc": "N1"},
    "with_replacement": {"strata": STRATA, **STAGES, "weight": "w"},
}


def persons() -> pd.DataFrame:
    """Counties in regions, the third taken whole, districts in zones of a county, persons."""
    frame = read_csv(REFERENCE / "stages.csv")
    frame["g"] = factor(frame["g"], ["low", "middle", "high"])
    frame["where"] = frame["zone"] + frame["district"].astype(str)
    frame["g2"] = frame.groupby(["region", "county"])["f2"].transform("mean")
    return frame


def design(name: str, **arguments: Any) -> survey.Design:
    return survey.Design(persons(), **{"nest": True, **DESIGNS[name], **arguments})


@pytest.mark.parametrize("name", DESIGNS)
def test_three_stages(name: str) -> None:
    made, expected = design(name), values("stages")[name]
    close(made.weights.sum(), expected["sum_weights"], ESTIMATE, "sum of weights")
    assert made.df == expected["degf"]
    same_estimate(survey.mean(made, ["y", "g"]), expected["mean"])
    same_estimate(survey.total(made, ["y", "g"]), expected["total"])
    domain = survey.mean(made.domain("g != 'high'"), "y")
    same_estimate(domain, expected["domain"])
    close(domain.df, [expected["domain_degf"]], DEGREES_OF_FREEDOM, "df")
    same_by(survey.mean(made, "y", by="g"), "g", expected["by"])


def test_a_deeper_stage_without_sizes_was_drawn_with_replacement() -> None:
    """R refuses fewer sizes than stages; a very large size says the same."""
    made, expected = design("two_stages", **STAGES), values("stages")["infinite_below"]
    assert len(made.stages) == 3
    for variable in ("y", "g"):
        reference = {key: value for key, value in expected["mean"]["se"].items() if key.startswith(variable)}
        close(survey.mean(made, variable).std_error, list(reference.values()), INFINITE, variable)


def test_stages_below_one_drawn_with_replacement_add_nothing() -> None:
    assert len(design("with_replacement").stages) == 1
    first = survey.Design(persons(), weight="w", strata="region", psu="county", nest=True)
    np.testing.assert_array_equal(survey.mean(design("with_replacement"), "y").vcov, survey.mean(first, "y").vcov)


def test_clusters_taken_for_certain_are_strata_of_the_next_stage() -> None:
    """Region C has both of its counties: its variance is that of the districts within them."""
    frame = persons()
    alone = frame[frame["region"] == "C"].assign(county_zone=lambda d: d["county"].astype(str) + d["zone"])
    inside = design("sizes").domain("region == 'C'")
    stage = survey.Design(alone, strata="county_zone", psu="where", ssu="person", fpc=["N2", "N3"], nest=True)
    np.testing.assert_allclose(survey.total(inside, "y").std_error, survey.total(stage, "y").std_error, rtol=1e-10)
    wrong = survey.Design(alone, weight="w", psu="county")
    assert survey.total(wrong, "y").std_error[0] > 1.2 * survey.total(inside, "y").std_error[0]


def test_what_one_stage_alone_leaves_out() -> None:
    """With a third to all of the counties in the sample the stages below are most of the variance."""
    error = [survey.mean(design(name), "y").std_error[0] for name in ("one_stage", "two_stages", "sizes")]
    assert error[0] < error[1] < error[2]


@st.composite
def nested_samples(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, Any], list[rows.Stage]]:
    """Two or three stages with their own strata and sizes, numbered anew or not; the same as stages of loops."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depth = draw(st.integers(2, 3))
    certain = draw(st.booleans())
    table: list[dict[str, Any]] = []
    for h in range(draw(st.integers(1, 3))):
        taken = int(rng.integers(2, 4))
        size = taken if certain and h == 0 else taken + int(rng.integers(1, 5))
        for i in range(taken):
            for s in range(int(rng.integers(1, 3))):
                inner = int(rng.integers(2, 4))
                inner_size = inner + int(rng.integers(0, 4))
                for j in range(inner):
                    last = int(rng.integers(2, 4))
                    last_size = last + int(rng.integers(0, 5))
                    for k in range(last):
                        keys = {"h": f"h{h}", "i": i, "s": s, "j": j, "k": k}
                        table.append(
                            {
                                **keys,
                                "N1": size,
                                "N2": inner_size,
                                "N3": last_size,
                                "n2": inner,
                                "n3": last,
                                "n1": taken,
                            }
                        )
    frame = pd.DataFrame(table)
    frame["w"] = frame["N1"] / frame["n1"] * frame["N2"] / frame["n2"] * frame["N3"] / frame["n3"]
    frame["y"] = rng.normal(2, 1, len(frame)).round(1)
    frame["d"] = rng.random(len(frame)) < 0.7
    frame.loc[0, "d"] = True
    names = ["i", "j", "k"][:depth]
    sizes = ["N1", "N2", "N3"][: draw(st.integers(1, depth))]
    arguments = {"weight": "w", "strata": ["h", "s"], "psu": "i", "ssu": names[1:], "fpc": sizes, "nest": True}
    label = frame["h"]
    stages = []
    for level, (name, strata) in enumerate(zip(names, ["h", "s", None], strict=False)):
        stratum = label if strata is None or strata == "h" else label + "/" + frame[strata].astype(str)
        label = stratum + "/" + frame[name].astype(str)
        here = frame[f"N{level + 1}"].to_numpy(dtype=float) if level < len(sizes) else None
        stages.append(rows.Stage(stratum.to_numpy(), label.to_numpy(), here))
    return frame, arguments, stages


@given(drawn=nested_samples(), in_domain=st.booleans())
def test_cells_equal_loops_over_stages(
    drawn: tuple[pd.DataFrame, dict[str, Any], list[rows.Stage]], in_domain: bool
) -> None:
    frame, arguments, stages = drawn
    made = survey.Design(frame, **arguments)
    inside = frame["d"].to_numpy() if in_domain else np.ones(len(frame), dtype=bool)
    if in_domain:
        made = made.domain("d")
    w, y = frame["w"].to_numpy(), frame["y"].to_numpy()
    for estimate, influence in (
        (survey.total(made, "y"), rows.total_influence(y, inside)),
        (survey.mean(made, "y"), rows.mean_influence(y, w, inside)),
    ):
        error = rows.standard_error(w * influence, stages)
        np.testing.assert_allclose(estimate.std_error[0], error, rtol=1e-9, atol=1e-9 * np.abs(w * influence).sum())
    assert made.df == rows.degrees_of_freedom(stages[0], inside)
    shuffled = survey.Design(frame.sample(frac=1.0, random_state=1), **arguments)
    whole = survey.total(survey.Design(frame, **arguments), "y").std_error
    np.testing.assert_allclose(survey.total(shuffled, "y").std_error, whole, rtol=1e-9, atol=1e-9)


def test_first_of_all_the_reference_data() -> None:
    frame = persons()
    assert (frame.groupby("region")["county"].nunique() == frame.groupby("region")["n1"].first()).all()
    np.testing.assert_allclose(frame["f1"] * frame["f2"] * frame["f3"] * frame["w"], 1.0)
    close(design("sizes").weights, frame["w"], ESTIMATE, "weights from sizes")
    close(
        survey.mean(design("sizes"), "y").std_error, survey.mean(design("fractions"), "y").std_error, STANDARD_ERROR, ""
    )
