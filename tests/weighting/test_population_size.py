"""Totals after calibration to shares vary with the size of the population, which is then an estimate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import survey
from tests.brute_force import in_counts, single_stage, variance_of_total
from tests.marks import slow
from tests.reference_data import close

STEP = 1e-4  # change of the logarithm of a PSU's weights
DERIVATIVE = 1e-6  # relative: central differences over that step
SHARES = {"s": {"F": 0.52, "M": 0.48}, "a": {"m": 0.4, "o": 0.3, "y": 0.3}}


def sample(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    psu = np.repeat(np.arange(20), rng.integers(4, 24, 20))
    n = len(psu)
    return pd.DataFrame(
        {
            "psu": psu,
            "h": psu // 5,
            "s": pd.Categorical(rng.choice(["F", "M"], n)),
            "a": pd.Categorical(rng.choice(["m", "o", "y"], n)),
            "x": rng.normal(0.4, 1, n) + rng.normal(0, 0.5, 20)[psu],
            "w": np.exp(rng.normal(2, 0.4, n)),
        }
    )


def designed(frame: pd.DataFrame) -> survey.Design:
    return survey.Design(frame, weight="w", strata="h", psu="psu")


def linear(design: survey.Design) -> survey.Design:
    return survey.calibrate(design, margins=SHARES)


def with_a_total(design: survey.Design) -> survey.Design:
    """A mean of x known beside the shares: its total goes with the sum of the weights."""
    return survey.calibrate(design, margins=SHARES, totals={"x": 0.5 * design.full_weights.sum()})


def twice(design: survey.Design) -> survey.Design:
    return survey.calibrate(linear(design), margins={"s": {"F": 0.5, "M": 0.5}})


def counted_first(design: survey.Design) -> survey.Design:
    return linear(survey.calibrate(design, margins={"a": {"m": 2000.0, "o": 1500.0, "y": 1500.0}}))


def post_stratified(design: survey.Design) -> survey.Design:
    return survey.poststratify(design, pd.Series(SHARES["a"]).rename_axis("a"))


def errors(frame: pd.DataFrame, estimates: Callable[[pd.DataFrame], np.ndarray]) -> np.ndarray:
    """Standard errors from what happens when the weights of one PSU after the other are changed a little."""
    moved = np.zeros((len(frame), estimates(frame).size))
    for psu in frame["psu"].unique():
        mine = (frame["psu"] == psu).to_numpy()
        up, down = (estimates(frame.assign(w=frame["w"] * np.where(mine, 1 + sign * STEP, 1.0))) for sign in (1, -1))
        moved[np.flatnonzero(mine)[0]] = (up - down) / (2 * STEP)
    stage = single_stage(len(frame), frame["h"].to_numpy(), frame["psu"].to_numpy())
    return np.sqrt(np.diag(variance_of_total(moved, [stage])))


@pytest.mark.parametrize("weigh", [linear, *slow(with_a_total, twice, counted_first, post_stratified)])
def test_linearization_is_the_derivative_of_the_whole_procedure(
    weigh: Callable[[survey.Design], survey.Design],
) -> None:
    frame = sample()

    def estimates(data: pd.DataFrame) -> np.ndarray:
        design = weigh(designed(data))
        inside = design.domain("x > 0")
        return np.concatenate(
            [survey.total(inside, "x").value, survey.total(inside, "x", by="s").value, survey.mean(inside, "x").value]
        )

    design = weigh(designed(frame)).domain("x > 0")
    parts = [survey.total(design, "x"), survey.total(design, "x", by="s"), survey.mean(design, "x")]
    found = np.concatenate([part.std_error for part in parts])
    close(found, errors(frame, estimates), DERIVATIVE, "standard errors")


def test_replicates_are_tied_to_shares_of_their_own_sum() -> None:
    frame = sample()
    base = designed(frame)
    replicated = survey.replicate(survey.rake(base, SHARES), kind="JKn")
    assert replicated.replicates is not None
    plain = survey.replicate(base, kind="JKn")
    assert plain.replicates is not None
    close(replicated.replicates.weights.sum(axis=0), plain.replicates.weights.sum(axis=0), 1e-9, "sums")
    one, other = survey.total(survey.rake(base, SHARES), "x"), survey.total(replicated, "x")
    close(other.std_error, one.std_error, 0.05, "jackknife and linearization, which agree in large samples")


def numbers_of(result: survey.TestResult) -> list[float]:
    return [result.statistic, result.p_value, result.df1]


def fit(design: survey.Design, formula: str = "y ~ x + c") -> survey.OrdinalFit:
    return survey.ordinal(formula, design)


GIVEN = {"u": 0.3, "v": 0.3, "w": 0.4}
SIZELESS: dict[str, Callable[[survey.Design], object]] = {
    "mean": lambda d: survey.mean(d, "x", by="c").vcov,
    "ratio": lambda d: survey.ratio(d, "x", "w", by="c").vcov,
    "var": lambda d: survey.var(d, "x").vcov,
    "quantile": lambda d: survey.quantile(d, "x", [0.2, 0.5]).vcov,
    "cells of a table": lambda d: survey.crosstab(d, "y", "c", share="cell").vcov,
    "Rao-Scott": lambda d: numbers_of(survey.crosstab(d, "y", "c").test()),
    "Wald": lambda d: numbers_of(survey.crosstab(d, "y", "c").test("adjusted-wald")),
    "given shares": lambda d: numbers_of(survey.goodness_of_fit(d, "c", GIVEN, method="satterthwaite")),
    "t": lambda d: numbers_of(survey.t_test(d, "x", by="s")),
    "ranks": lambda d: numbers_of(survey.rank_test(d, "x", by="c")),
    "fit": lambda d: fit(d).vcov,
    "effects": lambda d: survey.average_effects(fit(d), ["x", "c"], covariates="estimated").vcov,
    "likelihood ratio": lambda d: numbers_of(survey.likelihood_ratio_test(fit(d, "y ~ x"), fit(d))),
    "Brant": lambda d: numbers_of(survey.parallel_lines_test(fit(d))),
    "score of lines": lambda d: numbers_of(survey.parallel_lines_test(fit(d), "score")),
    "score": lambda d: numbers_of(survey.score_test(fit(d, "y ~ x"), d, "c")),
    "criteria": lambda d: survey.information_criteria(fit(d))["daic"].to_numpy(),
}


@pytest.mark.parametrize("name", SIZELESS)
def test_what_does_not_depend_on_the_size_is_the_same_for_shares_and_counts(name: str) -> None:
    frame = sample(5)
    rng = np.random.default_rng(0)
    latent = frame["x"] + rng.logistic(size=len(frame))
    frame["c"] = pd.Categorical(rng.choice(list("uvw"), len(frame)))
    frame["y"] = pd.Categorical(np.digitize(latent, [-0.5, 1]), ordered=True)
    size = frame["w"].sum()
    counts = in_counts(SHARES, size)
    one, other = (survey.rake(designed(frame), margins, tolerance=1e-13) for margins in (SHARES, counts))
    np.testing.assert_allclose(
        np.asarray(SIZELESS[name](one), dtype=float), np.asarray(SIZELESS[name](other), dtype=float), rtol=1e-8
    )


def test_counts_fix_the_size_and_shares_do_not() -> None:
    frame = sample()
    size = frame["w"].sum()
    counts = in_counts(SHARES, size)
    shares, known = survey.rake(designed(frame), SHARES), survey.rake(designed(frame), counts)
    np.testing.assert_allclose(shares.weights, known.weights, rtol=1e-8)
    assert (survey.total(known, "s").std_error < 1e-9 * size).all()
    size_error = survey.total(designed(frame.assign(one=1.0)), "one").std_error[0]
    close(survey.total(shares, "s").std_error, np.array([0.52, 0.48]) * size_error, 1e-6, "levels of a margin")
    for statistic in (survey.mean, survey.proportion):
        np.testing.assert_allclose(
            statistic(shares, "a", by="s").std_error, statistic(known, "a", by="s").std_error, atol=1e-12
        )
