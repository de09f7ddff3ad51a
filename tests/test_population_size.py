"""Totals after calibration to shares vary with the size of the population, which is then an estimate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import survey
from tests.brute_force import single_stage, variance_of_total
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


@pytest.mark.parametrize("weigh", [linear, with_a_total, twice, counted_first, post_stratified])
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


def test_counts_fix_the_size_and_shares_do_not() -> None:
    frame = sample()
    size = frame["w"].sum()
    counts = {name: {level: size * share for level, share in margin.items()} for name, margin in SHARES.items()}
    shares, known = survey.rake(designed(frame), SHARES), survey.rake(designed(frame), counts)
    np.testing.assert_allclose(shares.weights, known.weights, rtol=1e-8)
    assert (survey.total(known, "s").std_error < 1e-9 * size).all()
    size_error = survey.total(designed(frame.assign(one=1.0)), "one").std_error[0]
    close(survey.total(shares, "s").std_error, np.array([0.52, 0.48]) * size_error, 1e-6, "levels of a margin")
    for statistic in (survey.mean, survey.proportion):
        np.testing.assert_allclose(
            statistic(shares, "a", by="s").std_error, statistic(known, "a", by="s").std_error, atol=1e-12
        )
