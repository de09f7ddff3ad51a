"""Variances, covariances and correlations: brute force on rows, what must not matter, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import survey
from tests import brute_force as rows
from tests.test_properties import Sample, margin_indicators, same, samples

loose: Any = survey

FEW = 40  # random designs per property
COLUMNS = ["estimate", "std_error", "df", "conf_low", "conf_high", "deff"]


def respondents(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    x = rng.normal(5, 2, n)
    frame = pd.DataFrame({"x": x, "y": 0.5 * x + rng.normal(size=n), "w": rng.uniform(0.5, 2, n)})
    frame["g"] = rng.choice(["a", "b"], n)
    frame["constant"] = 0.1
    frame["answer"] = pd.Categorical(rng.choice(["no", "yes"], n))
    frame.loc[0, "g"] = "alone"
    frame.loc[3:7, "y"] = np.nan
    return frame


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w")


def covariance_on_rows(x: Any, y: Any, weight: Any, inside: Any) -> tuple[float, Any]:
    """Weighted covariance with n / (n - 1), and (n,) influence of its value, from the mean of products."""
    n = int((inside & (weight > 0)).sum())
    products = (x - rows.mean(x, weight, inside)) * (y - rows.mean(y, weight, inside)) * n / (n - 1)
    return rows.mean(products, weight, inside), rows.mean_influence(products, weight, inside)


@settings(max_examples=FEW)
@given(sample=samples(), raked=st.booleans())
def test_moments_by_brute_force(sample: Sample, raked: bool) -> None:
    """In a domain with unequal and perhaps raked weights."""
    inside = sample.frame["in_domain"].to_numpy()
    base = sample.frame["w"].to_numpy()
    design = sample.design()
    design = survey.rake(design, sample.margins) if raked else design
    domain, weight = design.domain("in_domain"), design.weights
    y, z = sample.frame["y"].to_numpy(), sample.frame["z"].to_numpy()
    if np.ptp(y[inside & (base > 0)]) == 0 or np.ptp(z[inside & (base > 0)]) == 0:
        return
    made = [covariance_on_rows(*pair, weight, inside) for pair in ((y, y), (z, z), (y, z))]
    (yy, u), (zz, v), (yz, uv) = made
    r = yz / np.sqrt(yy * zz)
    columns = np.column_stack([u, v, uv, uv / np.sqrt(yy * zz) - r * (u / yy + v / zz) / 2])
    if raked:
        columns = rows.calibrated_values(columns, margin_indicators(sample.frame), base, weight)
    else:
        columns = columns * weight[:, None]
    errors = np.sqrt(np.maximum(np.diag(rows.variance_of_total(columns, [sample.stage])), 0))
    variances = survey.var(domain, ["y", "z"])
    same(variances.value, [yy, zz])
    same(variances.std_error, errors[:2], [yy, zz])
    product = survey.cov(domain, "y", "z")
    same(product.value, yz, np.sqrt(yy * zz))
    same(product.std_error, errors[2], np.sqrt(yy * zz))
    correlation = survey.corr(domain, "y", "z", interval="wald")
    same(correlation.value, r)
    same(correlation.std_error, errors[3])


@pytest.mark.slow
@settings(max_examples=FEW)
@given(sample=samples(), c=st.sampled_from([1e-3, 50.0]), slope=st.sampled_from([-2.0, 1e6]))
def test_what_does_not_matter(sample: Sample, c: float, slope: float) -> None:
    """Row order and unit of the weights; a + b y has b^2 times the variance and, but for the sign, the correlation."""
    variance = survey.var(sample.design(), "y", by="g")
    correlation = survey.corr(sample.design(), "y", "z", by="g")
    frame = sample.frame.assign(w=c * sample.frame["w"], y=3 + slope * sample.frame["y"])
    frame = frame.sample(frac=1.0, random_state=2).reset_index(drop=True)
    again = survey.var(sample.design(frame), "y", by="g")
    same(again.value, slope**2 * variance.value, slope**2)
    same(again.vcov, slope**4 * variance.vcov, slope**4)
    other = survey.corr(sample.design(frame), "y", "z", by="g")
    same(other.value, np.sign(slope) * correlation.value)
    same(other.vcov, correlation.vcov)
    known = correlation.value[np.isfinite(correlation.value)]
    assert (np.abs(known) <= 1 + 1e-12).all()
    for group in "abc":
        row = variance.tidy().query("g == @group")[COLUMNS].reset_index(drop=True)
        alone = survey.var(sample.design().domain(f"g == '{group}'"), "y").tidy()[COLUMNS]
        pd.testing.assert_frame_equal(row, alone, rtol=1e-9)


def test_equal_weights_give_the_sample_moments() -> None:
    frame = respondents().dropna()
    design = survey.Design(frame)
    np.testing.assert_allclose(survey.var(design, ["x", "y"]).value, frame[["x", "y"]].var(), rtol=1e-12)
    np.testing.assert_allclose(survey.cov(design, "x", "y").value, frame["x"].cov(frame["y"]), rtol=1e-12)
    np.testing.assert_allclose(survey.corr(design, "x", "y").value, frame["x"].corr(frame["y"]), rtol=1e-12)
    np.testing.assert_allclose(survey.cov(design, "x", "x").vcov, survey.var(design, "x").vcov, rtol=1e-12)


def test_layout_and_missing_values() -> None:
    made = survey.corr(design(), "x", "y", by="g").tidy()
    assert made["g"].tolist() == ["a", "alone", "b"]
    assert (made["term"] == "x:y").all()
    assert survey.var(design(), ["x", "y"]).tidy()["term"].tolist() == ["x", "y"]
    assert survey.var(design(), ["x", "y"]).left_out == 5
    assert survey.var(design(), "x").left_out == 0


def test_fisher_interval() -> None:
    """Artanh r plus and minus t SE / (1 - r^2), back on the scale of r."""
    made, plain = survey.corr(design(), "x", "y"), survey.corr(design(), "x", "y", interval="wald")
    r, error, t = made.value, made.std_error, stats.t.ppf(0.975, made.df)
    np.testing.assert_allclose(made.conf_low, np.tanh(np.arctanh(r) - t * error / (1 - r**2)), rtol=1e-12)
    np.testing.assert_allclose(made.conf_high, np.tanh(np.arctanh(r) + t * error / (1 - r**2)), rtol=1e-12)
    np.testing.assert_allclose(plain.conf_low, r - t * error, rtol=1e-12)


def test_what_does_not_exist_is_nan() -> None:
    """One respondent has no variance, a constant no correlation; the other groups keep theirs."""
    variances = survey.var(design(), "x", by="g")
    assert np.isnan([variances.value[1], variances.std_error[1], variances.deff[1], variances.conf_low[1]]).all()
    assert np.isfinite(variances.std_error[[0, 2]]).all()
    assert np.isnan(variances.vcov[0, 1])
    correlations = survey.corr(design(), "x", "constant")
    assert np.isnan([*correlations.value, *correlations.std_error, *correlations.conf_low]).all()
    assert survey.var(design(), "constant").value[0] < 1e-30
    itself = survey.corr(design(), "x", "x")
    np.testing.assert_allclose(itself.value, 1)
    assert itself.std_error[0] < 1e-12
    assert np.isnan(itself.conf_low).all()


def test_replicates() -> None:
    """Replicate moments, centred at the replicate means; a replicate without anybody is refused."""
    jackknife = survey.replicate(design(), kind="JK1")
    made, linearized = survey.corr(jackknife, "x", "y"), survey.corr(design(), "x", "y")
    np.testing.assert_allclose(made.value, linearized.value, rtol=1e-12)
    np.testing.assert_allclose(made.std_error, linearized.std_error, rtol=0.05)
    assert jackknife.replicates is not None
    frame = respondents().dropna().reset_index(drop=True)
    weights = survey.replicate(survey.Design(frame, weight="w"), kind="JK1").replicates
    assert weights is not None
    by_row = [np.cov(frame["x"], frame["y"], aweights=w, ddof=0) for w in weights.weights.T]
    values = np.array([c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]) for c in by_row])
    variance = weights.scale * ((values - values.mean()) ** 2).sum()
    again = survey.corr(survey.replicate(survey.Design(frame, weight="w"), kind="JK1"), "x", "y")
    np.testing.assert_allclose(again.std_error**2, variance, rtol=1e-9)
    with pytest.raises(survey.EstimationError, match="`replicates`: the estimate does not exist in 1 of 200"):
        survey.var(jackknife, "x", by="g")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.var(d, "answer"), "`x` must be numeric to have a variance; 'answer' has type category"),
        (lambda d: loose.cov(d, "x", "answer"), "`y` must be numeric to have a variance; 'answer' has"),
        (lambda d: loose.var(d, []), "`x` must name at least one variable"),
        (lambda d: loose.corr(d, "x", ["y"]), "`y` must be one column name"),
        (lambda d: loose.corr(d, "x", "y", interval="t"), "`interval` must be one of fisher, wald; got 't'"),
        (lambda d: loose.corr(d, "x", "y", missing="fail"), "`missing` is \"fail\", but values are missing: 'y' in 5"),
        (lambda d: loose.var(d, "x", level=2.0), "`level` must lie between 0 and 1"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(design())
