"""Intervals of proportions: all that R's `svyciprop` made on the reference data, and what happens at the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

import survey
from survey.estimation.intervals import IntervalMethod, proportion_interval
from tests.reference.extract import REPLICATED
from tests.reference.test_api import PROPORTIONS
from tests.reference.test_api import make as api_design
from tests.reference.test_quantiles import replicate_design
from tests.reference_data import (
    API_DESIGNS,
    ESTIMATE,
    INTERVAL,
    NHANES_DESIGN,
    STANDARD_ERROR,
    close,
    close_within,
    nhanes,
    read_csv,
    shared,
    shared_values,
    values,
)

# our method -> svyciprop's. Its "logit" is its "xlogit" found by iteration, to 1e-9 only
METHODS: Mapping[IntervalMethod, str] = {
    "logit": "xlogit",
    "wilson": "wilson",
    "beta": "beta",
    "asin": "asin",
    "wald": "mean",
}
NO_VARIANCE = 1e-20  # R's variance of a share of zero is rounding error, and its bounds are what that makes of it


def folded(entry: Mapping[str, Any], df: float, level: float) -> bool:
    """Whether the lower angle of "asin" is negative: R squares its sine, the bound is zero."""
    p, t = entry["est"], stats.t.ppf(0.5 + level / 2, df) if np.isfinite(df) else stats.norm.ppf(0.5 + level / 2)
    return bool(np.arcsin(np.sqrt(p)) < t * np.sqrt(entry["var"]) / (2 * np.sqrt(p * (1 - p))))


def same_bounds(low: float, high: float, entry: Mapping[str, Any], what: str, zero: bool = False) -> None:
    """Compare with R's bounds, on the scale of the standard error."""
    allowed = INTERVAL * np.sqrt(entry["var"])
    close_within([low, high], [0.0 if zero else entry["ci"][0], entry["ci"][1]], allowed, what)


def polls() -> Iterator[tuple[str, Mapping[str, Any], float, float]]:
    """Name, entries of `svyciprop`, its n and its df of each poll.

    It takes both from all rows of the design, those that did not answer included, unless they were left out before.
    """
    health = shared_values("nhanes/nhanes.json")
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    young = design.domain("agecat == '(0,19]'")
    yield "nhanes", health["ciprop"], len(design.frame), health["degf"]
    yield "nhanes, young", health["ciprop_sub"], young.n, young.df
    anes = shared_values("anes2020/anes2020.json")
    yield "anes", anes["ciprop"]["TGusual"], len(read_csv(shared("anes2020") / "anes_2020.csv")), anes["degf"]
    youth = shared_values("designs/designs.json")["yrbs"]
    yield "yrbs", youth["ciprop"], len(read_csv(shared("designs") / "yrbs.csv")), youth["degf"]
    for year in ("y2010", "y2018"):
        poll = shared_values("gss/gss.json")[year]["adjust"]
        yield year, poll["ciprop"], poll["n_fefam"], poll["disagree"]["df"]
    online = shared_values("onlinepolls/onlinepolls.json")
    for name, poll in {**online["nonvoters"], "cces18": online["cces18"]}.items():
        yield name, poll["top"], poll["n"], poll["degf"]


@pytest.mark.parametrize("method", METHODS)
def test_polls(method: IntervalMethod) -> None:
    """The interval from R's own estimate, variance, n and df."""
    for name, entries, n, df in polls():
        entry = entries[METHODS[method]]
        low, high = proportion_interval(entry["est"], np.sqrt(entry["var"]), n, df, method=method)
        same_bounds(float(low), float(high), entry, f"{name} {method}")


@pytest.mark.parametrize(("item", "level"), [*((item, 0.95) for item in PROPORTIONS), ("api00_gt_700", 0.90)])
@pytest.mark.parametrize("name", API_DESIGNS)
def test_schools(name: str, item: str, level: float) -> None:
    """Four shares, one of them near zero, from seven designs; R's folded lower bounds of "asin" are zero."""
    entries = values("api")[name]["ciprop" if level == 0.95 else "ciprop_level90"][item]
    design = api_design(name)
    method: Any
    for method, r_method in METHODS.items():
        entry = entries[r_method]
        made = survey.proportion(design, item, interval=method, level=level).tidy()
        (row,) = made[made["level"].astype(str) == "yes"].to_dict("records")
        close_within(row["estimate"], entry["est"], ESTIMATE, "estimate")
        if entry["var"] < NO_VARIANCE:
            # a share that the strata fix is its own interval
            known = row["estimate"] if row["estimate"] > 0 else np.nan
            np.testing.assert_allclose([row["conf_low"], row["conf_high"]], known, rtol=ESTIMATE)
            continue
        close(row["std_error"], np.sqrt(entry["var"]), STANDARD_ERROR, "std_error")
        zero = method == "asin" and folded(entry, row["df"], level)
        same_bounds(row["conf_low"], row["conf_high"], entry, f"{item} {method}", zero)


@pytest.mark.parametrize("name", API_DESIGNS)
def test_schools_with_normal_quantiles(name: str) -> None:
    """df=Inf in R, whose "beta" takes no notice of it."""
    design, entries = values("api")[name], values("api")[name]["ciprop_dfInf"]["api00_gt_700"]
    for method, r_method in METHODS.items():
        entry, df = entries[r_method], design["degf"] if method == "beta" else np.inf
        low, high = proportion_interval(entry["est"], np.sqrt(entry["var"]), design["n"], df, method=method)
        same_bounds(float(low), float(high), entry, f"{name} {method}", method == "asin" and folded(entry, df, 0.95))


@pytest.mark.parametrize("which", REPLICATED)
def test_replicate_weights(which: str) -> None:
    entry = shared_values("api/api_calib_rep.json")["rep"][which]
    design = replicate_design(entry, which, f"api{which.split('_')[0]}", "base")
    high = design.frame["api00"].gt(700).map({True: "yes", False: "no"})
    design = replicate_design(entry, which, f"api{which.split('_')[0]}", "base", extra=high.rename("item"))
    method: Any
    for method, r_method in METHODS.items():
        made = survey.proportion(design, "item", interval=method).tidy()
        (row,) = made[made["level"] == "yes"].to_dict("records")
        expected = entry["ciprop_all"][r_method]
        close(row["std_error"], np.sqrt(expected["var"]), STANDARD_ERROR, "std_error")
        same_bounds(row["conf_low"], row["conf_high"], expected, f"{which} {method}")


def test_r_folds_the_arcsine() -> None:
    """4 of 183 schools without English learners: from 0, where R has .0003 because it squares a negative sine."""
    entry = values("api")["clus1"]["ciprop"]["ell0"]["asin"]
    assert round(entry["ci"][0], 4) == 0.0003
    low, high = proportion_interval(entry["est"], np.sqrt(entry["var"]), 183, 14, method="asin")
    assert low == 0
    close(high, entry["ci"][1], ESTIMATE, "the upper bound is the same")
    low, high = proportion_interval(1 - entry["est"], np.sqrt(entry["var"]), 183, 14, method="asin")
    assert high == 1


@pytest.mark.parametrize("name", API_DESIGNS)
def test_korn_graubard_by_definition(name: str) -> None:
    """Clopper-Pearson with the effective size, adjusted for its df and at most n (Korn and Graubard 1998)."""
    for item, entries in values("api")[name]["ciprop"].items():
        made = survey.proportion(api_design(name), item, interval="korn-graubard").tidy()
        (row,) = made[made["level"].astype(str) == "yes"].to_dict("records")
        p, n, variance = entries["mean"]["est"], row["n"], entries["mean"]["var"]
        size = n
        if variance > NO_VARIANCE:
            adjustment = float(stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, row["df"]))
            size = min(p * (1 - p) / variance * adjustment**2, n)
        x = p * size
        low = 0.0 if x < 1e-9 else stats.beta.ppf(0.025, x, size - x + 1)
        high = stats.beta.ppf(0.975, x + 1, size - x)
        close_within([row["conf_low"], row["conf_high"]], [low, high], 1e-9, f"{name} {item}")


@pytest.mark.parametrize("method", [*METHODS, "korn-graubard"])
def test_without_degrees_of_freedom_there_is_no_interval(method: IntervalMethod) -> None:
    low, high = proportion_interval([0.3, 0.3], 0.05, 40, [0, 39], method=method)
    np.testing.assert_array_equal(np.isnan([low, high]), [[True, False], [True, False]])


@pytest.mark.parametrize("method", ["logit", "wilson", "beta", "asin", "wald"])
def test_nobody_or_everybody(method: IntervalMethod) -> None:
    """A standard error of zero says nothing about a share of 0 or 1: only Korn-Graubard has an interval there."""
    low, high = proportion_interval([0.0, 1.0], 0.0, 40, 39, method=method)
    assert np.isnan([low, high]).all()
