"""One estimate under the conventions of several packages, and which of them moves it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import survey
from tests.reference.test_designs import lonely
from tests.reference_data import API_DESIGNS, STANDARD_ERROR, api_for_formulas, close, values

OURS, R, STATA, SPSS = "survey", "R survey", "Stata", "SPSS Complex Samples"


def schools(name: str = "strat") -> survey.Design:
    return survey.Design(api_for_formulas(name), **API_DESIGNS[name])


def rows(frame: pd.DataFrame, **where: Any) -> Any:
    """Rows of an estimate, indexed by convention."""
    for column, value in where.items():
        frame = frame[frame[column].astype(str) == str(value)]
    return frame.set_index("convention")


def test_means_differ_in_their_degrees_of_freedom() -> None:
    found = rows(survey.compare_conventions(schools("clus1"), "api00"))
    assert list(found.index) == [OURS, R, STATA, SPSS]
    expected = values("api")["clus1"]["mean"]
    estimate, error = expected["est"]["api00"], expected["se"]["api00"]
    close(found["std_error"], np.full(4, error), STANDARD_ERROR, "std_error")
    normal = estimate + stats.norm.ppf(0.975) * error
    t = estimate + stats.t.ppf(0.975, 14) * error
    np.testing.assert_allclose(found["conf_high"], [t, normal, t, t], rtol=1e-9)
    np.testing.assert_array_equal(found["df"], [14, np.inf, 14, 14])
    assert found["moved"].to_dict() == {OURS: "", R: "df", STATA: "", SPSS: ""}


def test_groups_take_their_degrees_of_freedom_from_different_places() -> None:
    """Ours: PSUs minus strata of the group's respondents; Stata: of the strata, once for all groups."""
    design = schools("clus1")
    frame = survey.compare_conventions(design, "api00", by="stype")
    assert list(frame.columns[:4]) == ["stype", "term", "level", "convention"]
    assert len(frame) == 12
    for level in "EHM":
        found = rows(frame, stype=level)
        own = design.domain(f"stype == '{level}'").df
        np.testing.assert_array_equal(found["df"], [own, np.inf, 14, np.nan])
        assert found.loc[R, "moved"] == "df"
        assert found.loc[STATA, "moved"] == ("df" if own < 14 else "")
        assert found.loc[SPSS, "moved"] == "df"
        assert np.isnan(found.loc[SPSS, "conf_low"])
        assert found["std_error"].nunique() == 1


def test_strata_without_members_are_left_out_in_domains() -> None:
    found = rows(survey.compare_conventions(schools().domain("stype != 'E' and meals > 50"), "enroll"))
    domain = schools().domain("stype != 'E' and meals > 50")
    assert found.loc[OURS, "df"] == domain.df
    assert found.loc[STATA, "df"] == 98  # all 50 high and 50 middle schools, minus two strata
    assert found.loc[R, "df"] == np.inf


def test_proportions_agree() -> None:
    frame = survey.compare_conventions(schools("clus1"), "stype", statistic="proportion")
    for level in "EHM":
        found = rows(frame, level=level)
        assert (found["moved"] == "").all()
        assert found["conf_low"].nunique() == 1
    ours = survey.proportion(schools("clus1"), "stype").tidy()
    np.testing.assert_allclose(frame.loc[frame["convention"] == R, "conf_low"], ours["conf_low"])


def test_totals_of_levels() -> None:
    frame = survey.compare_conventions(schools("clus1"), "stype", statistic="total", level=0.9)
    found = rows(frame, level="H")
    expected: Any = survey.total(schools("clus1"), "stype", level=0.9).tidy().set_index("level").loc["H"]
    np.testing.assert_allclose(
        found.loc[OURS, ["estimate", "conf_low", "conf_high"]].astype(float),
        expected[["estimate", "conf_low", "conf_high"]].astype(float),
    )
    half = stats.norm.ppf(0.95) * expected["std_error"]
    np.testing.assert_allclose(found.loc[R, "conf_low"], expected["estimate"] - half)


@pytest.mark.parametrize(
    ("rule", "single"), [("adjust", "centered"), ("average", "scaled"), ("certainty", "certainty")]
)
def test_lonely_psus(rule: Any, single: str) -> None:
    """R 4.5's standard errors under the same rules; by default R stops and Stata has none."""
    reference = values("designs")["lonely"]
    found = rows(survey.compare_conventions(lonely(rule), "api00"))
    for name in (R, STATA):
        assert np.isnan(found.loc[name, "std_error"])
        assert "lonely_psu" in found.loc[name, "moved"]
    error = reference[rule]["mean"]["se"]["api00"]
    close(found.loc[[OURS, f"Stata, singleunit({single})"], "std_error"], [error, error], STANDARD_ERROR, rule)
    for name in ("adjust", "certainty"):
        expected = reference[name]["mean"]["se"]["api00"]
        close(found.loc[f'R survey, lonely.psu="{name}"', "std_error"], expected, STANDARD_ERROR, name)
    close(found.loc[SPSS, "std_error"], reference["certainty"]["mean"]["se"]["api00"], STANDARD_ERROR, SPSS)
    assert found.loc[f"Stata, singleunit({single})", "moved"] == ""
    assert found.loc[SPSS, "moved"] == ("" if rule == "certainty" else "lonely_psu")
    assert found["estimate"].nunique() == 1


def test_a_design_that_refuses_lonely_psus_has_no_error_either() -> None:
    found = rows(survey.compare_conventions(lonely("fail"), "api00"))
    assert np.isnan(found.loc[OURS, "std_error"])
    assert found.loc[STATA, "moved"] == ""
    assert found.loc[SPSS, "moved"] == "lonely_psu"


def test_domains_that_leave_a_psu_alone() -> None:
    frame = lonely("adjust").frame
    adjusted = survey.Design(
        frame, weight="pw", strata="lstrat", psu="dnum", lonely_psu="adjust", lonely_domain="adjust"
    )
    found = rows(survey.compare_conventions(adjusted.domain("stype == 'H'"), "api00"))
    close(
        found.loc[OURS, "std_error"],
        values("designs")["lonely"]["adjust_domain_adjust"]["by"]["table"]["se"][1],
        STANDARD_ERROR,
        "H",
    )
    assert found.loc['R survey, lonely.psu="adjust"', "moved"] == "lonely_domain, df"
    assert found.loc["Stata, singleunit(centered)", "moved"] == "lonely_domain, df"


def test_quantiles() -> None:
    """Stata's weighted median is the middle of two values where the share is met exactly, and has no error."""
    frame = pd.DataFrame({"y": np.arange(20.0), "w": 1.0})
    found = rows(survey.compare_conventions(survey.Design(frame, weight="w"), "y", statistic="quantile"))
    assert list(found.index) == [OURS, R, STATA]
    np.testing.assert_array_equal(found["estimate"], [9.0, 9.0, 9.5])
    assert found.loc[STATA, "moved"] == "interval, quantile_rule"
    assert np.isnan(found.loc[STATA, ["std_error", "conf_low", "conf_high"]].astype(float)).all()
    quarter = rows(survey.compare_conventions(schools(), "enroll", statistic="quantile", q=0.25))
    ours = survey.quantile(schools(), "enroll", 0.25).tidy().iloc[0]
    np.testing.assert_allclose(
        quarter.loc[R, ["estimate", "std_error"]].astype(float), ours[["estimate", "std_error"]].astype(float)
    )
    assert quarter.loc[R, "moved"] == ""


def test_one_variable_is_compared_at_a_time() -> None:
    wrong: Any = survey.compare_conventions
    with pytest.raises(survey.EstimationError, match=r"`x` must be one column name; got \['a', 'b'\]"):
        wrong(survey.Design(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})), ["a", "b"])


def test_what_is_refused() -> None:
    wrong: Any = "median"
    with pytest.raises(survey.EstimationError, match="`statistic` must be one of mean, proportion, total, quantile"):
        survey.compare_conventions(schools(), "api00", statistic=wrong)
    replicated = survey.replicate(schools(), kind="JKn")
    with pytest.raises(survey.EstimationError, match="`design` has replicate weights, whose conventions are in"):
        survey.compare_conventions(replicated, "api00")
    with pytest.raises(survey.EstimationError, match="`x` must be categorical"):
        survey.compare_conventions(schools(), "api00", statistic="proportion")
