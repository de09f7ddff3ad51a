"""Degrees of freedom of comparisons: by matrices on rows, and by how often a true hypothesis is rejected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.arrays import FloatArray
from survey.design import collapse
from survey.estimation.satterthwaite import Components, components, of_coefficients
from survey.estimation.units import Replicated, units_of

EXACT = 1e-9  # relative: sums over cells and over rows
FOURTH_POWERS = 0.15  # relative: fourth powers of weights that differ within a cell are approximated
GROUPS = ["a", "b", "c"]


def people(seed: int = 3, n: int = 120) -> pd.DataFrame:
    """Respondents in 12 PSUs of 3 strata; those of the last group are in few of them."""
    rng = np.random.default_rng(seed)
    psu = rng.integers(0, 12, n)
    g = rng.integers(0, 3, n)
    psu[g == 2] = psu[g == 2] % 2 * 5
    frame = pd.DataFrame({"psu": psu, "stratum": psu // 4, "w": rng.uniform(0.5, 2, n), "x": rng.integers(0, 4, n)})
    return frame.assign(g=pd.Categorical(np.array(GROUPS)[g], categories=GROUPS))


def forms_on_rows(frame: pd.DataFrame, weight: FloatArray, clustered: bool) -> tuple[FloatArray, FloatArray]:
    """(U, n) sums of the weighted rows by unit, and the (U, U) form that the linearized variance is in them."""
    unit = frame["psu"].to_numpy() if clustered else np.arange(len(frame))
    units, place = np.unique(unit, return_inverse=True)
    totals = np.zeros((units.size, len(frame)))
    totals[place, np.arange(len(frame))] = weight
    stratum = frame.groupby(place)["stratum"].first().to_numpy()
    form = np.zeros((units.size, units.size))
    for h in np.unique(stratum):
        inside = np.flatnonzero(stratum == h)
        m = inside.size
        form[np.ix_(inside, inside)] = m / (m - 1) * (np.eye(m) - 1 / m)
    return totals, form


def residuals_on_rows(frame: pd.DataFrame, weight: FloatArray, contrast: FloatArray) -> FloatArray:
    """(n, n) from the errors of the rows to the influence of each on a contrast of the groups' means."""
    member = (frame["g"].to_numpy()[:, None] == np.array(GROUPS)).astype(float)
    size = weight @ member
    own = np.diag(member @ (contrast / size))
    left: FloatArray = own - (member * (contrast / size)) @ (member * weight[:, None] / size).T
    return left


def df_on_rows(parts: list[FloatArray], form: FloatArray) -> float:
    """Q (q + 1) / sum of Var(V_st), V in units of its expectation; for one estimate 2 E(V)^2 / Var(V)."""
    expected = np.array([[np.trace(a @ b.T @ form) for b in parts] for a in parts])
    root = np.linalg.inv(np.linalg.cholesky(expected))
    standard = [sum(root[i, j] * parts[j] for j in range(len(parts))) for i in range(len(parts))]
    q = len(parts)

    def product(a: Any, b: Any, c: Any, d: Any) -> float:
        return float(np.trace(a @ b.T @ form @ c @ d.T @ form))

    variance = sum(product(s, s, t, t) + product(s, t, s, t) for s in standard for t in standard)
    return q * (q + 1) / variance


def of_groups(design: survey.Design) -> Components:
    cells = collapse(design, ["g"])
    domains = cells.frame["g"].to_numpy()[:, None] == np.array(GROUPS)
    return components(cells, units_of(cells), domains & cells.inside[:, None], centred=True)


@pytest.mark.parametrize("kind", ["clusters", "raked", "rows"])
@pytest.mark.parametrize("contrasts", [[[1, 0, -1]], [[0.5, 0.5, -1]], [[1, 0, -1], [0, 1, -1]]])
def test_df_are_those_of_the_form_in_the_rows(kind: str, contrasts: list[list[float]]) -> None:
    frame = people()
    design = survey.Design(frame, weight="w", strata="stratum", psu=None if kind == "rows" else "psu")
    if kind == "raked":
        design = survey.rake(design, {"x": {0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1}})
    rows = np.array(contrasts, dtype=float)
    weight = np.asarray(design.weights)
    totals, form = forms_on_rows(frame, weight, clustered=kind != "rows")
    expected = df_on_rows([totals @ residuals_on_rows(frame, weight, row) for row in rows], form)
    found = of_groups(design).joint_df(rows[:, :, None])
    assert found == pytest.approx(expected, rel=FOURTH_POWERS if kind == "rows" else EXACT)
    if len(rows) == 1:
        assert of_groups(design).df(rows[0][:, None]) == pytest.approx(found, rel=EXACT)


def test_replicates_that_leave_out_a_psu_know_as_much_as_linearization() -> None:
    frame = people().assign(w=1.0)
    design = survey.Design(frame, weight="w", strata="stratum", psu="psu")
    contrast = np.array([[1.0], [0.0], [-1.0]])
    jackknife = of_groups(survey.replicate(design, kind="JKn"))
    assert jackknife.df(contrast) == pytest.approx(of_groups(design).df(contrast), rel=0.05)


@pytest.mark.parametrize("units", [4, 30])
def test_the_form_of_replicates_is_the_same_by_units_and_by_replicates(units: int) -> None:
    """Fifty thousand respondents, each a unit, would make a matrix of 20 GB."""
    rng = np.random.default_rng(units)
    factors, first, second = rng.normal(size=(units, 12)), rng.random((units, 2)), rng.random((units, 3))
    form = factors @ factors.T
    expected = [[np.trace(np.diag(a) @ form @ np.diag(b) @ form) for b in second.T] for a in first.T]
    np.testing.assert_allclose(Replicated(factors).traces_of_two(first, second), expected, rtol=EXACT)


@pytest.mark.parametrize("method", ["wald", "adjusted-wald", "rao-scott-f"])
def test_notes_say_where_degrees_of_freedom_come_from(method: Any) -> None:
    frame = people().assign(x=lambda d: pd.Categorical(d["x"] > 1))
    design = survey.Design(frame, weight="w", strata="stratum", psu="psu")
    table = survey.crosstab(design, "x", "g")
    assert "Satterthwaite df " in table.test(method).note
    assert table.test(method, df="design").note == "Design df 9."


def test_means_are_a_regression_on_indicators() -> None:
    """Of its coefficients the degrees of freedom are computed another way."""
    cells = collapse(survey.Design(people(), weight="w", strata="stratum", psu="psu"), ["g"])
    domains = (cells.frame["g"].to_numpy()[:, None] == np.array(GROUPS)).astype(float)
    fitted = of_coefficients(cells, units_of(cells), domains[:, None, :])
    means = components(cells, units_of(cells), domains > 0, centred=True)
    contrasts = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    for row in contrasts:
        assert fitted.df(row) == pytest.approx(means.df(row[:, None]), rel=EXACT)
    assert fitted.joint_df(contrasts) == pytest.approx(means.joint_df(contrasts[:, :, None]), rel=EXACT)
    assert not fitted.unknown(contrasts).any()


def test_a_coefficient_that_one_psu_determines_is_unknown() -> None:
    frame = people()
    frame.loc[frame["g"] == "c", "psu"] = 5
    frame["stratum"] = frame["psu"] // 4
    cells = collapse(survey.Design(frame, weight="w", strata="stratum", psu="psu"), ["g"])
    domains = (cells.frame["g"].to_numpy()[:, None] == np.array(GROUPS)).astype(float)
    unknown = of_coefficients(cells, units_of(cells), domains[:, None, :]).unknown(
        np.array([[1.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]])
    )
    assert unknown.tolist() == [False, False, True, True]


def test_design_is_what_r_has_and_no_contrast_has_more() -> None:
    means = survey.mean(survey.Design(people(), weight="w", strata="stratum", psu="psu"), "x", by="g")
    for names in (("a", "b"), ("a", "c"), ("b", "c")):
        weights: dict[object, float] = {names[0]: 1, names[1]: -1}
        few, many = means.contrast(weights), means.contrast(weights, df="design")
        assert few.df[0] <= many.df[0] == 9
        assert few.std_error[0] == many.std_error[0]
    assert means.contrast({"a": 1, "c": -1}).df[0] < 5  # the last group is in four PSUs
    with pytest.raises(survey.EstimationError, match="`df` must be one of satterthwaite, design; got 'welch'"):
        means.contrast({"a": 1, "b": -1}, df="welch")  # type: ignore[arg-type]


# How often a true hypothesis is rejected -----------------------------------------------------------------------


def sampled(rng: np.random.Generator, few: int, psus: int = 24, size: int = 12) -> pd.DataFrame:
    """Answers that do not differ between two groups, of which one is in a few PSUs; these differ a little."""
    psu = np.repeat(np.arange(psus), size)
    y = 0.25 * rng.normal(size=psus)[psu] + rng.normal(size=psu.size)
    frame = pd.DataFrame({"psu": psu, "g": np.where(psu < few, "few", "many"), "w": rng.uniform(0.7, 1.4, psu.size)})
    return frame.assign(y=y, answer=pd.Categorical(np.searchsorted([-0.7, 0.7], y), ordered=True))


TESTS: dict[str, Callable[[survey.Design], float]] = {
    "t": lambda design: survey.t_test(design, "y", by="g").p_value,
    "rank": lambda design: survey.rank_test(design, "y", "g").p_value,
    "table": lambda design: survey.crosstab(design, "answer", "g").test().p_value,
}


@pytest.mark.slow
@pytest.mark.parametrize("few", [2, 3, 4])
@pytest.mark.parametrize("test", list(TESTS))
def test_true_hypotheses_are_rejected_in_at_most_8_of_100_samples(few: int, test: str) -> None:
    """With the design's degrees of freedom 28, 17 and 13% for t."""
    rng = np.random.default_rng(few)
    repeats = 400
    p_values = [TESTS[test](survey.Design(sampled(rng, few), weight="w", psu="psu")) for _ in range(repeats)]
    margin = 2 * np.sqrt(0.08 * 0.92 / repeats)  # of a size of 8%, by the simulation
    assert np.mean(np.array(p_values) < 0.05) <= 0.08 + margin
