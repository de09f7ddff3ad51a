"""Residuals: uniform under the right model, means and their errors by brute force, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

import survey
from survey.models.links import LINKS
from survey.models.residuals import residual_means, residuals
from tests.brute_force import Floats, single_stage, variance_of_total
from tests.marks import slow
from tests.models.latent import LATENT
from tests.models.test_likelihood_ratio import DIFFERENCES, clustered, differences
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference_data import close

SAME = 1e-12  # relative: two computations of one number
SIMULATED = 4.0  # standard errors of a simulated mean


def simulated(link: str, n: int = 4000, seed: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=n), rng.integers(0, 3, n)
    latent = 0.8 * x + 0.5 * (group == 2) + LATENT[link].rvs(size=n, random_state=rng)
    y = np.searchsorted([-1.5, 0.0, 1.0], latent)
    return pd.DataFrame({"x": x, "group": pd.Categorical(group), "y": pd.Categorical(y, ordered=True)})


def fit_of(frame: pd.DataFrame, formula: str = "y ~ x + group", **options: Any) -> survey.OrdinalFit:
    return survey.ordinal(formula, survey.Design(frame, weight=None), **options)


@pytest.mark.parametrize("link", list(LINKS))
def test_surrogates_are_uniform_under_the_right_model(link: Any) -> None:
    """Overall and in every group; the residual has the distribution of the link, centred at its mean."""
    fit = fit_of(simulated(link), link=link)
    found = residuals(fit, rng=np.random.default_rng(1))
    assert len(found) == 4000
    assert kstest(found["uniform"], "uniform").pvalue > 0.05
    for _, rows in found.groupby("group", observed=True):
        assert kstest(rows["uniform"], "uniform").pvalue > 0.01
    assert abs(np.corrcoef(found["uniform"], found["x"])[0, 1]) < 0.05
    inverse = LINKS[link].quantile(found["uniform"].to_numpy()) - LINKS[link].center
    close(found["residual"], inverse, SAME, "residual")
    if link != "cauchit":  # which has no mean
        spread = found["residual"].std() / np.sqrt(len(found))
        assert abs(found["residual"].mean()) < SIMULATED * spread


@pytest.mark.parametrize("link", list(LINKS))
def test_residuals_are_measured_from_the_mean_of_the_error(link: str) -> None:
    error = LATENT[link]
    center = error.mean() if np.isfinite(error.mean()) else error.median()
    assert LINKS[link].center == pytest.approx(center, abs=SAME)


def test_surrogates_show_a_wrong_form() -> None:
    frame = simulated("logit")
    frame["y"] = pd.Categorical(
        np.searchsorted([-1.0, 0.5, 2.0], frame["x"] ** 2 + np.random.default_rng(2).logistic(size=4000)), ordered=True
    )
    found = residuals(fit_of(frame, "y ~ x"), rng=np.random.default_rng(1))
    assert kstest(found.loc[found["x"].abs() > 1.5, "uniform"], "uniform").pvalue < 1e-20


def test_surrogates_lie_between_the_limits_of_the_answer() -> None:
    fit = fitted()
    found = residuals(fit, rng=np.random.default_rng(3))
    cuts = np.r_[-np.inf, fit.thresholds, np.inf]
    codes = found["approval"].cat.codes.to_numpy()
    latent = found["residual"] + found["linear_predictor"]
    assert (latent > cuts[codes] - 1e-9).all()
    assert (latent < cuts[codes + 1] + 1e-9).all()
    assert len(found) == fit.n
    close(found["weight"].sum(), fit.cells.weight.sum(), SAME, "weights")
    assert (found["n"] == 1).all()


def test_extreme_predictions_stay_finite() -> None:
    frame = pd.DataFrame({"x": np.r_[np.linspace(-1, 1, 200), 60.0, -60.0]})
    rng = np.random.default_rng(1)
    y = np.searchsorted([-0.5, 0.5], 3 * frame["x"].to_numpy() + rng.logistic(size=202))
    y[-2:] = [0, 2]  # against a prediction that leaves them no probability in double precision
    frame["y"] = pd.Categorical(y, ordered=True)
    fit = fit_of(frame.iloc[:200], "y ~ x")
    assert np.isfinite(residuals(fit, rng=rng)["residual"]).all()


def test_probability_scale_residuals_are_shares_below_less_shares_above() -> None:
    fit = fitted()
    found = residuals(fit, kind="probability-scale")
    probabilities = survey.predicted_probabilities(fit, found.iloc[[0]][["income", "urban", "age"]]).value
    code = int(found["approval"].cat.codes.iloc[0])
    close(found["residual"].iloc[0], probabilities[:code].sum() - probabilities[code + 1 :].sum(), 1e-10, "residual")
    assert found["n"].sum() == fit.n
    assert "uniform" not in found
    # the scores of the logit thresholds and slopes are these residuals: weighted sums with the covariates are zero
    weighted = found["weight"] * found["residual"]
    assert abs(weighted.sum()) < 1e-8 * found["weight"].sum()
    assert abs((weighted * found["age"]).sum()) < 1e-6 * (found["weight"] * found["age"]).sum()


@pytest.mark.slow
def test_mean_of_the_surrogate_is_the_probability_scale_residual() -> None:
    """E(2 U - 1 | answer) is the residual on the probability scale."""
    fit = fitted()
    rng = np.random.default_rng(9)
    draws = np.mean([residuals(fit, rng=rng)["uniform"] for _ in range(400)], axis=0)
    found = residuals(fit, kind="probability-scale")
    expected = np.repeat(found["residual"].to_numpy(dtype=float), found["n"].to_numpy())
    assert np.abs(2 * draws - 1 - expected).max() < 5 * 2 * np.sqrt(1 / 12 / 400)


def test_order_of_rows_changes_nothing_and_the_seed_everything() -> None:
    frame = respondents()
    shuffled = frame.sample(frac=1.0, random_state=1)
    one, other = (residuals(fitted(rows), rng=np.random.default_rng(1)) for rows in (frame, shuffled))
    close(one["residual"].sort_values(), other["residual"].sort_values(), 1e-9, "residuals")
    assert not np.allclose(one["residual"], residuals(fitted(frame), rng=np.random.default_rng(2))["residual"])


# Means ------------------------------------------------------------------------------------------------------


def brute_force_means(frame: pd.DataFrame, w: Floats, link: Any) -> Floats:
    """Means of the residuals by school type, row by row."""
    design = survey.Design(frame.assign(pw=w), weight="pw", psu="dnum")
    fit = survey.ordinal("mealcat ~ stype + ell", design, link=link)
    levels = ["E", "H", "M"]
    rows = np.column_stack([frame["stype"] == "H", frame["stype"] == "M", frame["ell"]]).astype(float)
    limits = fit.thresholds.to_numpy() - (rows @ fit.slopes.to_numpy())[:, None]
    cumulative = np.column_stack([np.zeros(len(w)), np.exp(LINKS[link].log_cdf(limits)), np.ones(len(w))])
    codes, at = frame["mealcat"].cat.codes.to_numpy(), np.arange(len(w))
    residual = cumulative[at, codes] + cumulative[at, codes + 1] - 1
    return np.array([np.average(residual[own], weights=w[own]) for own in (frame["stype"] == s for s in levels)])


@pytest.mark.parametrize("link", ["probit", *slow("loglog")])
def test_means_and_their_errors_by_brute_force(link: Any) -> None:
    """They know that the model was fitted to the same schools, as does the jackknife."""
    frame = clustered()
    w = frame["pw"].to_numpy(dtype=float)
    totals = differences(lambda weights: brute_force_means(frame, weights, link), w, frame["dnum"])
    expected = variance_of_total(totals, [single_stage(len(totals))])
    design = survey.Design(frame, weight="pw", psu="dnum")
    found = residual_means(survey.ordinal("mealcat ~ stype + ell", design, link=link), "stype")
    close(found.value, brute_force_means(frame, w, link), 1e-7, "means")
    scale = np.sqrt(np.diag(expected))
    assert np.abs((found.vcov - expected) / np.outer(scale, scale)).max() < DIFFERENCES * 10
    replicated = survey.replicate(design, kind="JK1")
    made = np.array([brute_force_means(frame, row, link) for row in replicated.replicates.weights.T])  # type: ignore[union-attr]
    spread = made - made.mean(axis=0)
    expected = np.sqrt((len(made) - 1) / len(made) * (spread**2).sum(axis=0))
    found = residual_means(survey.ordinal("mealcat ~ stype + ell", replicated, link=link), "stype")
    close(found.std_error, expected, 1e-6, "std_error from replicates")


def test_means_of_levels_of_a_logit_are_exactly_zero() -> None:
    """Its scores see to that; other links leave a remainder."""
    found = residual_means(fitted(), "income")
    assert found.value.tolist() == [0.0] * 3
    assert found.std_error.tolist() == [0.0] * 3
    assert found.tidy()["income"].astype(str).tolist() == ["low", "middle", "high"]
    probit = residual_means(fitted(link="probit"), "income")
    assert (np.abs(probit.value) > 1e-6).any()
    assert probit.n.sum() == 600


def test_groups_of_the_linear_predictor() -> None:
    fit = fitted()
    found = residual_means(fit)
    tidy = found.tidy()
    assert list(tidy.columns[:3]) == ["linear_predictor", "term", "level"]
    assert tidy["linear_predictor"].is_monotonic_increasing
    assert len(tidy) == 10
    assert tidy["n"].sum() == 600
    assert (tidy["df"] == fit.df).all()
    assert tidy["conf_low"].le(0).mul(tidy["conf_high"].ge(0)).mean() >= 0.8
    assert residual_means(fit, groups=4).value.size == 4
    few = residual_means(fitted(frame=respondents().assign(age=lambda d: d["age"] % 3)), "age")
    assert few.tidy()["age"].tolist() == [0, 1, 2]


def test_means_show_what_form_a_covariate_needs() -> None:
    frame = simulated("logit")
    noise = np.random.default_rng(2).logistic(size=4000)
    frame["y"] = pd.Categorical(np.searchsorted([-1.0, 0.5, 2.0], frame["x"] ** 2 + noise), ordered=True)
    tidy = residual_means(fit_of(frame, "y ~ x"), "x").tidy()
    assert (tidy["conf_low"].iloc[[0, -1]] > 0).all()
    assert (tidy["conf_high"].iloc[3:7] < 0).all()
    right = residual_means(fit_of(frame, "y ~ I(x**2)"), "x").tidy()
    assert right["conf_low"].max() < 0.02  # two of ten intervals miss the line, by little


@pytest.mark.slow
def test_means_of_nominal_and_scale_effects() -> None:
    """Limits of any model will do."""
    frame = respondents()
    design = survey.Design(frame, weight="w", psu="psu")
    fit = survey.ordinal(FORMULA, design, nominal="~ urban", scale="~ income")

    def statistic(w: Floats) -> Floats:
        made = survey.ordinal(
            FORMULA, survey.Design(frame.assign(w=w), weight="w", psu="psu"), nominal="~ urban", scale="~ income"
        )
        return residual_means(made, "income").value

    totals = differences(statistic, frame["w"].to_numpy(dtype=float), frame["psu"])
    expected = variance_of_total(totals, [single_stage(len(totals))])
    close(residual_means(fit, "income").std_error, np.sqrt(np.diag(expected)), DIFFERENCES * 10, "std_error")


def test_refusals() -> None:
    fit = fitted()
    with pytest.raises(
        survey.EstimationError, match="`kind` must be one of surrogate, probability-scale; got 'pearson'"
    ):
        residuals(fit, kind="pearson")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`rng` must be a generator of random numbers"):
        residuals(fit)
    with pytest.raises(survey.EstimationError, match="`by` must be 'linear_predictor' or a covariate of the model"):
        residual_means(fit, "approval")
    with pytest.raises(survey.EstimationError, match="`groups` must be a whole number, 2 or more; got 1"):
        residual_means(fit, "age", groups=1)
    with pytest.raises(survey.EstimationError, match="`level` must lie between 0 and 1"):
        residual_means(fit, level=95)


def test_probit_surrogate_of_one_respondent() -> None:
    """The formula written out for a single draw."""
    fit = fitted(link="probit")
    found = residuals(fit, rng=np.random.default_rng(11)).iloc[0]
    draw = np.random.default_rng(11).random(fit.n)[0]
    cuts = np.r_[-np.inf, fit.thresholds, np.inf]
    code = list(fit.levels).index(found["approval"])
    low, high = norm.cdf(cuts[[code, code + 1]] - found["linear_predictor"])
    close(found["residual"], norm.ppf(low + draw * (high - low)), 1e-8, "residual")
