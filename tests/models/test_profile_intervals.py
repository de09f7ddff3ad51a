"""Profile-likelihood intervals: reference, definition, invariance, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import chdtri

import survey
from survey.models.profile_intervals import profile_intervals
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import close, close_within, values

INTERPOLATED = 5e-5  # of the standard error: clm interpolates the profile between about ten points by a spline
COARSE = 1e-4  # of the standard error: the same where the profile bends, at n = 72
ROOT = 1e-8  # relative: fall of the likelihood at a bound


def plain(data: str, **options: Any) -> survey.OrdinalFit:
    return survey.ordinal(FORMULAS[data], survey.Design(DATA[data](), weight=None), **options)


@pytest.mark.parametrize(("data", "allowed"), [("housing", INTERPOLATED), ("wine", COARSE)])
def test_intervals_equal_clm(data: str, allowed: float) -> None:
    reference = values("ordinal_tests")[f"{data}_profile_ci"]
    fit = plain(data)
    found = profile_intervals(fit)
    errors = np.sqrt(np.diag(fit.model_vcov))[: len(found)]
    close_within(found["conf_low"], reference["lwr"], allowed * errors, "conf_low")
    close_within(found["conf_high"], reference["upr"], allowed * errors, "conf_high")
    assert found["term"].tolist() == list(fit.slopes.index)
    close(found["estimate"], fit.slopes, 1e-12, "estimate")


@pytest.mark.parametrize("link", ["logit", "probit", "cauchit"])
def test_bounds_are_where_the_likelihood_has_fallen_by_the_quantile(link: Any) -> None:
    """Checked with the slope held by an offset, as a user would."""
    frame = DATA["ucla"]()
    fit = survey.ordinal("apply ~ pared + gpa", survey.Design(frame, weight=None), link=link)
    found = profile_intervals(fit, level=0.9).set_index("term")
    for bound in (float(found["conf_low"]["gpa"]), float(found["conf_high"]["gpa"])):
        held = survey.Design(frame.assign(held=bound * frame["gpa"]), weight=None)
        smaller = survey.ordinal("apply ~ pared", held, link=link, offset="held")
        close(2 * (fit.log_likelihood - smaller.log_likelihood), chdtri(1, 0.1), ROOT, "fall")


@pytest.mark.slow
def test_a_model_with_one_slope_and_models_with_nominal_and_scale_effects() -> None:
    frame = DATA["housing"]()
    design = survey.Design(frame, weight=None)
    one = survey.ordinal("Sat ~ Cont", design)
    low, high = profile_intervals(one)[["conf_low", "conf_high"]].iloc[0]
    assert low < one.slopes.iloc[0] < high
    fit = survey.ordinal(FORMULAS["housing"], design, nominal="~ Cont", scale="~ Infl")
    found = profile_intervals(fit)
    assert found["term"].tolist() == list(fit.slopes.index)
    ends = found[["conf_low", "conf_high"]].to_numpy()
    errors = np.sqrt(np.diag(fit.model_vcov))[: len(found)]
    close(ends[:, 1] - ends[:, 0], 2 * 1.96 * errors, 0.05, "width")


@pytest.mark.slow
def test_units_weights_and_origin_change_nothing() -> None:
    frame = DATA["ucla"]()
    one = profile_intervals(plain("ucla"))
    moved = frame.assign(gpa=1e6 * frame["gpa"] + 1e8, w=1e8)
    other = profile_intervals(survey.ordinal(FORMULAS["ucla"], survey.Design(moved, weight="w")))
    scale = np.array([1, 1, 1e6])
    for column in ("conf_low", "conf_high"):
        close(other[column] * scale, one[column], 1e-6, column)


def test_refusals() -> None:
    with pytest.raises(survey.EstimationError, match="a profile-likelihood interval is for a simple random sample"):
        profile_intervals(fitted())
    with pytest.raises(survey.EstimationError, match="`level` must lie between 0 and 1"):
        profile_intervals(plain("wine"), level=95)
    nominal = survey.ordinal("rating ~ contact", survey.Design(DATA["wine"](), weight=None), nominal="~ contact")
    with pytest.raises(survey.EstimationError, match="`fit` must have slopes to make intervals of; it has none"):
        profile_intervals(nominal)
    weighted = survey.ordinal(FORMULA, survey.Design(respondents(), weight="w"))
    with pytest.raises(survey.EstimationError, match=r"its weights differ. Use `fit.conf_int\(\)`"):
        profile_intervals(weighted)
