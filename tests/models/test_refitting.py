"""Ordinal regressions refitted under replicate weights, all at once, equal the same fits one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.models.links import LINKS

# Both stop where a Newton step would change nothing beyond rounding; information matrices are inverted on both sides
SAME = 1e-8
ITEMS = ["no", "rather no", "rather yes", "yes"]


def people(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"psu": rng.integers(0, 12, n), "x": rng.normal(50, 10, n).round(0)})
    frame["g"] = pd.Categorical(rng.choice(["a", "b", "c"], n))
    latent = 0.05 * frame["x"] + 0.5 * (frame["g"] == "b") + rng.logistic(size=n)
    answer = np.array(ITEMS, dtype=object)[np.searchsorted(np.quantile(latent, [0.15, 0.5, 0.8]), latent)]
    frame["item"] = pd.Categorical(answer, categories=ITEMS, ordered=True)
    frame["w"] = rng.uniform(0.5, 3.0, n)
    return frame


@pytest.mark.parametrize("link", list(LINKS))
@pytest.mark.parametrize("formula", ["item ~ x + g", "item ~ 0 + g", "item ~ x"])
def test_replicates_equal_fits_of_their_own(link: Any, formula: str) -> None:
    frame = people()
    formula = formula.replace("0 + ", "")
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    fit = survey.ordinal(formula, made, link=link)
    assert made.replicates is not None
    assert len(fit.replicated) == 12
    scale = fit.bse.to_numpy()
    for column, refitted in zip(made.replicates.weights.T[:4], fit.replicated, strict=False):
        alone = survey.ordinal(formula, survey.Design(frame.assign(w=column), weight="w"), link=link)
        np.testing.assert_allclose(refitted / scale, alone.params.to_numpy() / scale, rtol=0, atol=SAME)


def test_a_two_level_outcome_and_units_of_a_covariate() -> None:
    frame = people().assign(yes=lambda d: pd.Categorical(np.where(d["item"] > "rather no", "yes", "no"), ordered=True))
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    one = survey.ordinal("yes ~ x + g", made)
    other = survey.ordinal(
        "yes ~ x + g",
        survey.replicate(survey.Design(frame.assign(x=frame["x"] * 1e6), weight="w", psu="psu"), kind="JK1"),
    )
    np.testing.assert_allclose(other.bse["x"] * 1e6, one.bse["x"], rtol=1e-9)
    np.testing.assert_allclose(other.bse.drop("x"), one.bse.drop("x"), rtol=1e-9)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    made = survey.replicate(survey.Design(people(), weight="w", psu="psu"), kind="JK1")
    whole = survey.ordinal("item ~ x + g", made).vcov
    monkeypatch.setattr("survey.models.refitting.BATCH_CELLS", 500)
    np.testing.assert_allclose(survey.ordinal("item ~ x + g", made).vcov, whole, rtol=1e-10)


def test_a_replicate_without_an_answer_is_refused() -> None:
    frame = people()
    frame.loc[(frame["item"] == "yes") & (frame["psu"] != 3), "item"] = "rather yes"
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(survey.EstimationError, match="`design`: in 1 of 12 replicates nobody gives one of the answers"):
        survey.ordinal("item ~ x + g", made)


def test_a_replicate_that_separates_the_answers_is_refused() -> None:
    frame = people()
    frame["rare"] = np.where((frame["psu"] == 3) | (frame["item"] == "yes"), np.arange(len(frame)) % 2, 0).astype(float)
    frame.loc[frame["item"] == "yes", "rare"] = 1.0
    inside = (frame["psu"] == 3) & (frame["item"] != "yes")
    frame.loc[~inside & (frame["item"] != "yes"), "rare"] = 0.0
    made = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    with pytest.raises(
        survey.EstimationError, match="`design`: the model has no finite solution in 1 of 12 replicates"
    ):
        survey.ordinal("item ~ rare", made)


@pytest.mark.parametrize("link", list(LINKS))
def test_plain_and_logarithmic_distributions_agree(link: str) -> None:
    x = np.linspace(-6, 6, 101)
    cdf, sf, density, slope = LINKS[link].tails(x)
    np.testing.assert_allclose(np.log(cdf), LINKS[link].log_cdf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(np.log(sf), LINKS[link].log_sf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(np.log(density), LINKS[link].log_pdf(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(slope, LINKS[link].pdf_slope(x) * density, rtol=1e-9, atol=1e-16)
