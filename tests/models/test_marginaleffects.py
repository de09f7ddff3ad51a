"""The Python package marginaleffects gives our own effects; skipped where it is not installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import survey
from survey.errors import EstimationError, SurveyError
from survey.models.curvature import probabilities_of
from survey.models.marginaleffects import marginaleffects_model
from survey.models.ordinal import OrdinalFit
from tests.models.test_ordinal import respondents

VALUE = 1e-9  # relative: the same probabilities, added up in another order
SLOPE = 1e-10  # absolute, per year of age: the package takes differences over 1e-4 of a year
DELTA = 1e-5  # relative: its derivatives by the parameters are one-sided, over 1.5e-8 of a parameter
SLOPE_DELTA = 1e-4  # relative: derivatives of these differences, over eps_vcov=1e-6
SLOPE_DELTA_DEFAULT = 2e-2  # relative: over 1.5e-8 of a parameter rounding error takes up to a percent

# cat.get_categories(), which the package calls, goes with polars 2
pytestmark = pytest.mark.filterwarnings("ignore:.*get_categories:DeprecationWarning")


@pytest.fixture
def package() -> ModuleType:
    """The package, with a polars that it works with."""
    polars = pytest.importorskip("polars", reason="marginaleffects and polars are not installed: make interfaces")
    found = pytest.importorskip("marginaleffects", reason="marginaleffects is not installed: make interfaces")
    if int(polars.__version__.split(".")[0]) >= 2:
        pytest.skip("marginaleffects 0.6 calls functions that polars 2 no longer has")
    assert isinstance(found, ModuleType)
    return found


def fitted(formula: str = "approval ~ income + urban + age", **options: Any) -> OrdinalFit:
    return survey.ordinal(formula, survey.Design(respondents(), weight="w", psu="psu"), **options)


def same(theirs: Any, ours: survey.Estimate, by: list[str], atol: float = 1e-12, delta: float = DELTA) -> None:
    """Compare estimates, standard errors and intervals, row by row of the answers and `by`."""
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    frame = pd.DataFrame({name: theirs[name].to_list() for name in [*by, "group", *columns]})
    own = ours.tidy().rename(columns={"level": "group"})
    for table in (frame, own):
        for name in (*by, "group"):
            table[name] = table[name].astype(str)
    both = own.merge(frame, on=[*by, "group"], suffixes=("", "_theirs"), validate="one_to_one")
    assert len(both) == len(own) == len(frame)
    np.testing.assert_allclose(both["estimate_theirs"], both["estimate"], rtol=VALUE, atol=atol)
    np.testing.assert_allclose(both["std_error_theirs"], both["std_error"], rtol=delta)
    t = (both["conf_high_theirs"] - both["estimate_theirs"]) / both["std_error_theirs"]
    np.testing.assert_allclose(t, stats.t.ppf(0.975, ours.whole_df), rtol=1e-6)  # t with the design's df, not normal


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_differences_between_levels(package: ModuleType, link: Any) -> None:
    fit = fitted(link=link)
    found = package.avg_comparisons(marginaleffects_model(fit), variables="income", wts="weight")
    same(found, survey.average_effects(fit, "income"), ["contrast"])


@pytest.mark.parametrize("formula", ["approval ~ income + age", "approval ~ income * center(age) + urban"])
def test_slopes(package: ModuleType, formula: str) -> None:
    fit = fitted(formula)
    model, ours = marginaleffects_model(fit), survey.average_effects(fit, "age")
    fine = package.avg_slopes(model, variables="age", wts="weight", eps_vcov=1e-6)
    same(fine, ours, [], SLOPE, SLOPE_DELTA)
    same(package.avg_slopes(model, variables="age", wts="weight"), ours, [], SLOPE, SLOPE_DELTA_DEFAULT)


def test_partial_proportional_odds_with_scale_and_offset(package: ModuleType) -> None:
    data = respondents().assign(known=np.linspace(-0.5, 0.5, 600))
    design = survey.Design(data, weight="w", psu="psu")
    fit = survey.ordinal("approval ~ income", design, nominal="~ age", scale="~ urban", offset="known")
    model = marginaleffects_model(fit)
    same(package.avg_comparisons(model, variables="urban", wts="weight"), survey.average_effects(fit, "urban"), [])
    slopes = package.avg_slopes(model, variables="age", wts="weight", eps_vcov=1e-6)
    same(slopes, survey.average_effects(fit, "age"), [], SLOPE, SLOPE_DELTA)


def test_probabilities_at_profiles_and_by_group(package: ModuleType) -> None:
    fit = fitted()
    model = marginaleffects_model(fit)
    profiles = {"age": [20, 60], "income": "high", "urban": "rural"}
    found = package.predictions(model, newdata=package.datagrid(model=model, **profiles))
    ours = survey.predicted_probabilities(fit, profiles)
    frame = pd.DataFrame({name: found[name].to_list() for name in ("age", "group", "estimate", "std_error")})
    frame = frame.assign(group=pd.Categorical(frame["group"], fit.levels)).sort_values(["age", "group"])
    np.testing.assert_allclose(frame["estimate"], ours.value, rtol=VALUE)
    np.testing.assert_allclose(frame["std_error"], ours.std_error, rtol=DELTA)
    groups = package.avg_predictions(model, by="urban", wts="weight")
    theirs = pd.DataFrame({name: groups[name].to_list() for name in ("urban", "group", "estimate")})
    theirs = theirs.assign(group=pd.Categorical(theirs["group"], fit.levels)).sort_values(["urban", "group"])
    np.testing.assert_allclose(
        theirs["estimate"], survey.predicted_probabilities(fit, {}, by="urban").value, rtol=VALUE
    )


def test_without_weights_the_average_is_that_of_the_respondents(package: ModuleType) -> None:
    fit = fitted()
    found = package.avg_predictions(marginaleffects_model(fit))
    inside = fit.cells.inside
    counted, weighted = probabilities_of(fit), survey.predicted_probabilities(fit, {}).value
    n = fit.cells.n[inside]
    theirs = dict(zip(map(str, found["group"].to_list()), found["estimate"].to_list(), strict=True))
    np.testing.assert_allclose([theirs[str(level)] for level in fit.levels], n @ counted / n.sum(), rtol=VALUE)
    assert abs(theirs["approve"] - weighted[2]) > 1e-6  # the usual wrong way


def test_hypotheses_on_the_parameters(package: ModuleType) -> None:
    fit = fitted()
    found = package.hypotheses(marginaleffects_model(fit))
    np.testing.assert_allclose(found["estimate"].to_list(), fit.params, rtol=VALUE)
    np.testing.assert_allclose(found["std_error"].to_list(), fit.bse, rtol=DELTA)
    np.testing.assert_allclose(found["p_value"].to_list(), fit.pvalues, rtol=1e-3, atol=1e-12)


def test_another_covariance_is_refused(package: ModuleType) -> None:
    with pytest.raises(EstimationError, match="`vcov` must be True or False"):
        package.avg_predictions(marginaleffects_model(fitted()), vcov="HC3")
    found = package.avg_predictions(marginaleffects_model(fitted()), vcov=False)
    assert "std_error" not in found.columns


def test_a_fit_as_it_is_is_not_accepted(package: ModuleType) -> None:
    with pytest.raises(ValueError, match="Unknown model type"):
        package.avg_comparisons(fitted(), variables="income")


def test_a_covariate_with_the_name_of_the_weights(package: ModuleType) -> None:
    frame = respondents().rename(columns={"age": "weight"})
    fit = survey.ordinal("approval ~ weight", survey.Design(frame, weight="w", psu="psu"))
    with pytest.raises(EstimationError, match="`weight` must not be the name of a covariate; 'weight' is one"):
        marginaleffects_model(fit)
    assert "w" in marginaleffects_model(fit, weight="w").get_modeldata().columns


def test_the_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "marginaleffects.classes", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(SurveyError, match="`marginaleffects_model` needs the package marginaleffects"):
        marginaleffects_model(fitted())
