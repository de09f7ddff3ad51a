"""Tests of independence: of tables with empty cells, and of multiple-response sets by groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.design import Cells, collapse
from survey.inference.independence import (
    MultipleResponse,
    RaoScott,
    TestMethod,
    independence_test,
    multiple_response,
    multiple_response_test,
    two_way,
)
from tests.reference_data import RAO_SCOTT
from tests.test_properties import Sample, samples

OPTIONS = {"bus": "By bus", "bike": "By bike", "foot": "On foot"}
METHODS: tuple[RaoScott, ...] = ("rao-scott-f", "rao-scott-chisq", "rao-scott-saddlepoint", "rao-scott-exact")
ROUNDING = 1e-6  # relative: weights of very different sizes


def travellers(n: int = 600) -> pd.DataFrame:
    """People who may use several means of transport, by sex and region, unequally weighted and clustered."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"w": rng.uniform(0.5, 3, n), "psu": rng.integers(0, 30, n)})
    frame["region"] = pd.Categorical(rng.choice(["north", "south", "west"], n))
    liking = rng.normal(size=n) + 0.3 * (frame["region"] == "north")
    for option, threshold in zip(OPTIONS, (0.0, 0.4, 0.8), strict=True):
        chosen = liking + rng.normal(size=n) > threshold  # who likes to move does so by several means
        frame[option] = pd.Categorical(np.where(chosen, "Yes", "No"), categories=["No", "Yes"])
    return frame


def options_by(
    design: survey.Design, by: str = "region", names: dict[str, str] | None = None
) -> tuple[Cells, MultipleResponse]:
    cells = collapse(design, [*(names or OPTIONS), by])
    return cells, multiple_response(cells, names or OPTIONS, by)


# Multiple responses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_one_option_is_the_test_of_independence(method: RaoScott) -> None:
    design = survey.Design(travellers(), weight="w", psu="psu")
    alone = multiple_response_test(*options_by(design, names={"bus": "By bus"}), method)
    table = survey.crosstab(design, "bus", "region").test(method=method)
    assert (alone.statistic, alone.df1, alone.p_value) == pytest.approx(
        (table.statistic, table.df1, table.p_value), rel=1e-10
    )
    assert alone.method == f"Sum over options of {table.method}"


def test_options_and_their_parts() -> None:
    """Each part is the table of one option; the statistic of first order is the sum of theirs."""
    frame = travellers()
    design = survey.Design(frame, weight="w", psu="psu")
    result = multiple_response_test(*options_by(design), "rao-scott-chisq")
    assert result.parts is not None
    assert result.parts["term"].tolist() == list(OPTIONS.values())
    single = [survey.crosstab(design, option, "region").test(method="rao-scott-chisq") for option in OPTIONS]
    assert result.parts["p_value"].to_numpy() == pytest.approx([one.p_value for one in single], rel=1e-10)
    assert result.statistic == pytest.approx(sum(one.statistic for one in single), rel=1e-10)
    assert result.df1 == 3 * 2
    assert (result.parts["p_adjusted"] >= result.parts["p_value"]).all()
    assert result.tidy()["term"].tolist() == [*OPTIONS.values(), "overall"]


def test_independent_options_of_a_random_sample_are_the_textbook_test() -> None:
    """Without overlap, weights or clusters the sum of X^2 is a chi-square on options x (groups - 1)."""
    rng = np.random.default_rng(8)
    n = 20_000
    frame = pd.DataFrame({"region": rng.choice(["north", "south", "west"], n)})
    for option in OPTIONS:
        frame[option] = pd.Categorical(np.where(rng.random(n) < 0.4, "Yes", "No"), categories=["No", "Yes"])
    expected = sum(
        stats.chi2_contingency(pd.crosstab(frame[option], frame["region"]), correction=False)[0] for option in OPTIONS
    )
    for method in METHODS[1:]:
        result = multiple_response_test(*options_by(survey.Design(frame)), method)
        assert result.statistic == pytest.approx(expected, rel=1e-9)
        assert result.p_value == pytest.approx(stats.chi2.sf(expected, 6), abs=0.01)


def test_overlap_matters() -> None:
    """An option asked twice: twice the statistic, one half of the degrees of freedom of two that do not overlap."""
    frame = travellers()
    frame["again"] = frame["bus"]
    design = survey.Design(frame, weight="w", psu="psu")
    once = multiple_response_test(*options_by(design, names={"bus": "By bus"}), "rao-scott-f")
    twice = multiple_response_test(*options_by(design, names={"bus": "By bus", "again": "Again"}), "rao-scott-f")
    assert (twice.statistic, twice.df1, twice.p_value) == pytest.approx(
        (once.statistic, once.df1, once.p_value), rel=1e-8
    )


@given(sample=samples(), method=st.sampled_from(METHODS), scale=st.sampled_from([1e-6, 1e8]))
def test_scale_and_order_do_not_matter(sample: Sample, method: RaoScott, scale: float) -> None:
    frame = sample.frame.copy()
    frame["old"] = pd.Categorical(np.where(frame["z"] > 3, "Yes", "No"), categories=["No", "Yes"])
    frame["many"] = pd.Categorical(np.where(frame["y"] > 3, "Yes", "No"), categories=["No", "Yes"])
    names = {"old": "Old", "many": "Many"}
    cells, table = options_by(sample.design(frame), "m", names)
    if not table.options or not any(len(np.unique(column[cells.inside])) > 1 for column in table.chosen.T):
        return
    try:
        result = multiple_response_test(cells, table, method)
    except survey.EstimationError:  # a table too empty to be tested
        return
    changed = frame.assign(w=frame["w"] * scale).sample(frac=1.0, random_state=1)
    again = multiple_response_test(*options_by(sample.design(changed), "m", names), method)
    assert again.statistic == pytest.approx(result.statistic, rel=ROUNDING, abs=1e-9)
    assert again.p_value == pytest.approx(result.p_value, rel=1e-5, abs=1e-12)


def test_what_is_left_out_is_said() -> None:
    frame = travellers()
    frame["foot"] = pd.Categorical(["No"] * len(frame), categories=["No", "Yes"])
    frame["region"] = frame["region"].cat.add_categories("east")
    result = multiple_response_test(*options_by(survey.Design(frame, weight="w")), "rao-scott-f")
    assert result.note.startswith(
        "Chosen by nobody or by everybody, left out: 'On foot'. Without respondents, left out: region=east."
    )
    assert result.parts is not None
    assert result.parts["term"].tolist() == ["By bus", "By bike"]


def test_refusals_of_multiple_responses() -> None:
    frame = travellers()
    cells, table = options_by(survey.Design(frame, weight="w"))
    with pytest.raises(survey.EstimationError, match="`method` for a multiple-response set must be one of rao-scott-f"):
        multiple_response_test(cells, table, "wald")  # type: ignore[arg-type]
    for column in OPTIONS:
        frame[column] = pd.Categorical(["Yes"] * len(frame), categories=["No", "Yes"])
    cells, table = options_by(survey.Design(frame, weight="w"))
    with pytest.raises(survey.EstimationError, match="`table` must have an option that some chose and some did not"):
        multiple_response_test(cells, table, "rao-scott-f")


# Two-way tables ---------------------------------------------------------------------------------------------


def test_exact_and_saddlepoint_lie_close_to_the_f() -> None:
    design = survey.Design(travellers(), weight="w", psu="psu")
    table = survey.crosstab(design, "bus", "region")
    f = table.test(method="rao-scott-f")
    exact, saddlepoint = (table.test(method=m) for m in ("rao-scott-exact", "rao-scott-saddlepoint"))
    assert (exact.df1, exact.df2) == (2, f.df2)
    assert exact.statistic == saddlepoint.statistic == table.test(method="rao-scott-chisq").statistic
    assert exact.p_value == pytest.approx(f.p_value, rel=0.1)
    assert saddlepoint.p_value == pytest.approx(exact.p_value, rel=0.1)
    assert exact.method == "Pearson's X^2, Rao-Scott, asymptotically exact distribution"


def test_empty_cells_are_allowed_until_too_many() -> None:
    """Two empty cells of six leave a test; a 3 x 3 table with its diagonal alone does not."""
    frame = travellers()
    frame["answer"] = pd.Categorical(np.where((frame["region"] == "north") | (frame["bus"] == "Yes"), "a", "b"))
    design = survey.Design(frame, weight="w", psu="psu")
    for method in ("rao-scott-f", "rao-scott-chisq", "rao-scott-exact", "wald", "adjusted-wald"):
        assert survey.crosstab(design, "answer", "region").test(method=method).p_value < 1e-4, method
    frame["same"] = frame["region"].astype(str)
    table = survey.crosstab(survey.Design(frame, weight="w", psu="psu"), "same", "region")
    for method in METHODS:
        with pytest.raises(survey.EstimationError, match="`table` must have fewer empty cells to be tested; 6 of 9"):
            table.test(method=method)


def test_more_contrasts_than_psus() -> None:
    """Three PSUs cannot tell four contrasts apart: Wald tests are refused, corrected ones are not."""
    frame = travellers().assign(psu=lambda f: f["psu"] % 3)
    frame["answer"] = frame["bus"].astype(str) + frame["bike"].astype(str)
    table = survey.crosstab(survey.Design(frame, weight="w", psu="psu"), "answer", "region")
    with pytest.raises(survey.EstimationError, match="more than the design can tell apart"):
        table.test(method="wald", df="design")
    for method in METHODS:
        result = table.test(method=method, df="design")
        assert 0 < result.p_value < 1, method
        assert result.note == "Design df 2."


def test_no_sampling_variance() -> None:
    frame = travellers(40).assign(psu=1)
    design = survey.Design(frame, weight="w", psu="psu", lonely_psu="certainty")
    with pytest.raises(survey.EstimationError, match="`table` has no sampling variance to test against"):
        survey.crosstab(design, "bus", "region").test()


def test_refusals_of_two_way_tables() -> None:
    cells = collapse(survey.Design(travellers(), weight="w"), ["bus", "region"])
    method: TestMethod = "fisher"  # type: ignore[assignment]
    with pytest.raises(survey.EstimationError, match=r"`method` must be one of rao-scott-f, .*adjusted-wald; got"):
        independence_test(cells, two_way(cells, "bus", "region"), method)
    assert set(RAO_SCOTT.values()) < set(METHODS)
