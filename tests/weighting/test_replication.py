"""Replicate weights: what each kind must have, what is refused, and the variances they lead to."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.design.replicates import rank
from survey.estimation.variance import replication
from survey.weighting.replication import hadamard
from tests import brute_force as rows
from tests.test_properties import Sample, samples

ROUNDING = 1e-9  # relative: sums of products of factors, against sums of squared differences
DRAWS = 4000  # replicates of a bootstrap whose expectation is compared
# A variance from R replicates has a coefficient of variation of about sqrt(2 / R), 2.2% here: four of them
MONTE_CARLO = 4 * np.sqrt(2 / DRAWS)


def sample(seed: int = 0, psus: tuple[int, ...] = (3, 4, 2), size: int = 5) -> pd.DataFrame:
    """Strata with several PSUs, unequal weights, a group and a share."""
    rng = np.random.default_rng(seed)
    parts = []
    for h, count in enumerate(psus):
        for p in range(count):
            level = rng.normal()
            parts.append(pd.DataFrame({"h": f"h{h}", "psu": f"{h}-{p}", "y": 3 + level + rng.normal(size=size)}))
    frame = pd.concat(parts, ignore_index=True)
    n = len(frame)
    frame["w"] = rng.uniform(0.5, 4.0, n)
    frame["g"] = pd.Categorical(rng.choice(["a", "b"], n), categories=["a", "b"])
    frame["m"] = pd.Categorical(np.tile(["x", "y", "z"], n)[:n], categories=["x", "y", "z"])
    return frame


def clustered(frame: pd.DataFrame | None = None, **arguments: Any) -> survey.Design:
    """Its design."""
    data = sample() if frame is None else frame
    return survey.Design(data, **{"weight": "w", "strata": "h", "psu": "psu", **arguments})


def weights_of(design: survey.Design) -> Any:
    assert design.replicates is not None
    return design.replicates.weights


# Each kind -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 3, 7, 10, 19, 27, 40, 60, 99, 250, 499])
def test_hadamard_matrices(columns: int) -> None:
    matrix = hadamard(columns)
    order = len(matrix)
    assert order > columns
    np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))
    np.testing.assert_array_equal(matrix[:, 0], np.ones(order))
    np.testing.assert_array_equal(matrix[0], np.ones(order))


@pytest.mark.parametrize(("kind", "rho"), [("BRR", None), ("Fay", 0.3), ("Fay", 0.7)])
@pytest.mark.parametrize("strata", [1, 3, 4, 11])
def test_balanced_replicates_equal_linearization_for_totals(kind: Any, rho: float | None, strata: int) -> None:
    """Orthogonal columns, none of them constant: the variance of any linear estimate is reproduced (Wolter 3.3)."""
    design = clustered(sample(1, psus=(2,) * strata))
    made = survey.replicate(design, kind=kind, rho=rho)
    for x in ("y", "g"):
        np.testing.assert_allclose(survey.total(made, x).vcov, survey.total(design, x).vcov, rtol=1e-9, atol=1e-9)
    factors = weights_of(made) / design.weights[:, None]
    np.testing.assert_allclose(np.unique(factors.round(12)), [rho or 0.0, 2 - (rho or 0.0)])
    np.testing.assert_allclose(factors.mean(axis=1), 1.0)
    assert made.df == strata


@given(drawn=samples(), kind=st.sampled_from(["JKn", "JK1"]))
def test_jackknives_equal_linearization_for_totals(drawn: Sample, kind: Any) -> None:
    design = drawn.design()
    if kind == "JK1":
        arguments = {**drawn.arguments, "strata": None, "fpc": None}
        design = survey.Design(drawn.frame, **arguments)
    made = survey.replicate(design, kind=kind)
    expected, total = survey.total(design, ["y", "g"]), survey.total(made, ["y", "g"])
    np.testing.assert_allclose(total.value, expected.value, rtol=1e-9)
    scale = np.sqrt(np.outer(np.diag(expected.vcov), np.diag(expected.vcov)))
    np.testing.assert_allclose(total.vcov, expected.vcov, rtol=1e-7, atol=1e-9 * scale.max() + 1e-9)


def successive(z: Any, strata: Any, psu: Any, fraction: dict[str, float]) -> float:
    """Half the squared differences of neighbouring PSU totals, each stratum closed to a circle, by loops."""
    variance = 0.0
    for h in pd.unique(strata):
        order = list(dict.fromkeys(psu[strata == h]))
        totals = [z[(strata == h) & (psu == p)].sum() for p in order]
        for i in range(len(totals)):
            variance += (1 - fraction[h]) / 2 * (totals[i] - totals[i - 1]) ** 2
    return variance


@pytest.mark.parametrize("psus", [(7,), (3, 4, 2), (5, 2, 9, 2)])
@pytest.mark.parametrize("replicates", [20, 24, 80])
@pytest.mark.parametrize("mse", [False, True])
def test_successive_differences(psus: tuple[int, ...], replicates: int, mse: bool) -> None:
    """With a row of the Hadamard matrix for each PSU the variance is exactly that of the differences (Fay, Train)."""
    frame = sample(2, psus)
    frame["N"] = frame.groupby("h")["psu"].transform("nunique") * 4.0
    for fpc, fraction in ((None, 0.0), ("N", 0.25)):
        design = clustered(frame, fpc=fpc)
        made = survey.replicate(design, kind="SDR", replicates=replicates, mse=mse)
        z = (frame["w"] * frame["y"]).to_numpy()
        by_hand = successive(z, frame["h"].to_numpy(), frame["psu"].to_numpy(), dict.fromkeys(frame["h"], fraction))
        np.testing.assert_allclose(survey.total(made, "y").std_error[0] ** 2, by_hand, rtol=ROUNDING)
    factors = np.unique(
        (
            weights_of(survey.replicate(clustered(frame), kind="SDR", replicates=80)) / frame["w"].to_numpy()[:, None]
        ).round(4)
    )
    assert set(factors) <= {0.2929, 1.0, 1.7071}  # 1 - 2^-0.5, 1, 1 + 2^-0.5


def test_successive_differences_of_a_systematic_sample() -> None:
    """Every tenth of a population with a trend: successive differences see little of it, random sampling all of it."""
    population = 100 + 0.5 * np.arange(600) + np.random.default_rng(3).normal(0, 3, 600)
    frame = pd.DataFrame({"y": population[4::10], "w": 10.0})
    design = survey.Design(frame, weight="w")
    made = survey.replicate(design, kind="SDR", replicates=64)
    y = frame["y"].to_numpy()
    differences = np.append(np.diff(y), y[0] - y[-1])
    by_hand = np.sqrt(np.square(differences).sum() / 2 / y.size**2)  # n / 2 sum of squared differences / n^3
    np.testing.assert_allclose(survey.mean(made, "y").std_error, by_hand, rtol=1e-12)
    assert survey.mean(made, "y").std_error[0] < 0.5 * survey.mean(design, "y").std_error[0]


def test_successive_differences_with_more_psus_than_rows_are_right_on_average() -> None:
    """Rows are used again; over many samples the variance is that of the differences all the same."""
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(60):
        frame = pd.DataFrame({"y": rng.normal(size=100), "w": 1.0})
        made = survey.replicate(survey.Design(frame, weight="w"), kind="SDR", replicates=20)
        y = frame["y"].to_numpy()
        by_hand = np.square(np.append(np.diff(y), y[0] - y[-1])).sum() / 2
        ratios.append(survey.total(made, "y").std_error[0] ** 2 / by_hand)
    error = np.std(ratios, ddof=1) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - 1) < 4 * error < 0.25


@pytest.mark.parametrize("fpc", [None, "N"])
def test_bootstrap_variances_of_totals_are_the_linearized_ones_on_average(fpc: str | None) -> None:
    """Rao and Wu's rescaled bootstrap is unbiased for totals, with finite populations too."""
    frame = sample(5, psus=(4, 2, 6))
    frame["N"] = frame["h"].map({"h0": 5.0, "h1": 2.0, "h2": 60.0})  # h1 was taken whole
    design = clustered(frame, fpc=fpc)
    made = survey.replicate(design, kind="bootstrap", replicates=DRAWS, rng=np.random.default_rng(6))
    ratio = survey.total(made, ["y", "g"]).std_error ** 2 / survey.total(design, ["y", "g"]).std_error ** 2
    np.testing.assert_allclose(ratio, 1.0, atol=MONTE_CARLO)
    assert (weights_of(made) >= 0).all()
    np.testing.assert_allclose(survey.total(made, "y").value, survey.total(design, "y").value, rtol=1e-12)
    whole = frame["h"].eq("h1").to_numpy()
    if fpc:
        np.testing.assert_allclose(weights_of(made)[whole], np.tile(frame.loc[whole, ["w"]], DRAWS), rtol=1e-12)


def test_bootstrap_draws_can_be_repeated() -> None:
    one, two = (
        survey.replicate(clustered(), kind="bootstrap", replicates=10, rng=np.random.default_rng(7)) for _ in range(2)
    )
    np.testing.assert_array_equal(weights_of(one), weights_of(two))


def test_a_stratum_with_one_psu_taken_for_certain_is_left_alone() -> None:
    frame = sample(8, psus=(1, 3, 2))
    frame["N"] = frame["h"].map({"h0": 1.0, "h1": 30.0, "h2": 40.0})
    design = clustered(frame, fpc="N")
    expected = survey.total(design, "y").std_error
    np.testing.assert_allclose(survey.total(survey.replicate(design, kind="JKn"), "y").std_error, expected, rtol=1e-12)
    assert weights_of(survey.replicate(design, kind="JKn")).shape[1] == 5
    for kind, arguments in (
        ("bootstrap", {"replicates": 50, "rng": np.random.default_rng(1)}),
        ("SDR", {"replicates": 24}),
    ):
        made = survey.replicate(design, kind=kind, **arguments)  # type: ignore[arg-type]  # literals in a table
        first = frame["h"].eq("h0").to_numpy()
        np.testing.assert_allclose(
            weights_of(made)[first], np.repeat(frame.loc[first, ["w"]], weights_of(made).shape[1], 1)
        )


def test_mse_centres_at_the_estimate() -> None:
    design = clustered()
    for mse in (False, True):
        made = survey.replicate(design, kind="JKn", mse=mse)
        assert made.replicates is not None
        replicates = np.array([np.average(made.frame["y"], weights=column) for column in made.replicates.weights.T])
        centre = survey.mean(design, "y").value[0] if mse else replicates.mean()
        by_hand = made.replicates.scale * (made.replicates.rscales * (replicates - centre) ** 2).sum()
        np.testing.assert_allclose(survey.mean(made, "y").std_error[0] ** 2, by_hand, rtol=1e-12)


# Calibration, domains, zero weights -------------------------------------------------------------------------------


MARGINS = {"g": {"a": 0.4, "b": 0.6}, "m": {"x": 0.3, "y": 0.3, "z": 0.4}}


@pytest.mark.parametrize("kind", ["JKn", "bootstrap", "SDR"])
def test_every_replicate_meets_the_margins(kind: Any) -> None:
    raked = survey.rake(clustered(sample(9, size=12)), MARGINS)
    made = survey.replicate(raked, kind=kind, replicates=20, rng=np.random.default_rng(2))
    whole = raked.weights.sum()
    for column in weights_of(made).T:
        for name, targets in MARGINS.items():
            shares = pd.Series(column).groupby(made.frame[name].to_numpy()).sum() / column.sum()
            np.testing.assert_allclose(shares[list(targets)], list(targets.values()), atol=1e-9)
    assert (survey.mean(made, ["g", "m"]).std_error <= 1e-8).all()
    counted = survey.rake(clustered(sample(9, size=12)), rows.in_counts(MARGINS, whole))
    known = survey.replicate(counted, kind=kind, replicates=20, rng=np.random.default_rng(2))
    np.testing.assert_allclose(weights_of(known).sum(axis=0), whole, rtol=1e-9)
    assert (survey.total(known, ["g", "m"]).std_error <= 1e-8 * whole).all()
    again = survey.rake(
        survey.replicate(clustered(sample(9, size=12)), kind=kind, replicates=20, rng=np.random.default_rng(2)), MARGINS
    )
    np.testing.assert_allclose(weights_of(again), weights_of(made), rtol=1e-8)


def test_ignoring_the_calibration_would_give_another_error() -> None:
    frame = sample(9, size=12)
    counts = rows.in_counts(MARGINS, float(frame["w"].sum()))
    made = survey.replicate(survey.rake(clustered(frame), counts), kind="JKn")
    fixed = clustered(frame.assign(w=survey.rake(clustered(frame), MARGINS).weights))
    total = "m"
    assert survey.total(made, total).std_error.max() < 1e-6
    assert survey.total(survey.replicate(fixed, kind="JKn"), total).std_error.min() > 1.0


def test_a_replicate_that_cannot_be_calibrated_is_named() -> None:
    frame = sample(10, psus=(3, 3))
    frame["m"] = pd.Categorical(np.where(frame["psu"] == "0-1", "x", "y"))
    raked = survey.rake(clustered(frame), {"m": {"x": 0.2, "y": 0.8}})
    with pytest.raises(survey.CalibrationError, match="Replicate 2 of 6 cannot be calibrated as the sample was"):
        survey.replicate(raked, kind="JKn")


def test_domains_of_replicates_are_zeros_in_the_weights() -> None:
    design = survey.replicate(clustered(), kind="JKn")
    assert design.replicates is not None
    inside = design.frame["g"].eq("a").to_numpy()
    alone = survey.mean(design.domain("g == 'a'"), "y")
    estimates = [np.average(design.frame["y"], weights=column * inside) for column in design.replicates.weights.T]
    by_hand = replication(design.replicates, alone.value, np.array(estimates)[:, None])
    np.testing.assert_allclose(alone.vcov, by_hand, rtol=1e-12)
    np.testing.assert_allclose(survey.mean(design, "y", by="g").std_error[0], alone.std_error[0], rtol=1e-12)
    early = survey.replicate(clustered().domain("g == 'a'"), kind="JKn")
    np.testing.assert_allclose(survey.mean(early, "y").std_error, alone.std_error, rtol=1e-12)


def test_a_domain_that_a_replicate_drops_is_refused() -> None:
    frame = sample().assign(rare=lambda d: d["psu"] == "0-0")
    with pytest.raises(survey.EstimationError, match="`replicates`: the estimate does not exist in 1 of 9 replicates"):
        survey.mean(survey.replicate(clustered(frame), kind="JKn").domain("rare"), "y")


def test_zero_weights_keep_their_psu() -> None:
    frame = sample()
    frame.loc[frame["psu"] == "1-2", "w"] = 0.0
    made, design = survey.replicate(clustered(frame), kind="JKn"), clustered(frame)
    assert weights_of(made).shape[1] == 9
    np.testing.assert_allclose(survey.total(made, "y").std_error, survey.total(design, "y").std_error, rtol=1e-10)


def test_large_samples_of_replicates_and_linearization_agree() -> None:
    """Means are not linear; jackknife and linearization come together as PSUs become many."""
    frame = sample(11, psus=(60, 70), size=3)
    design = clustered(frame)
    for kind, arguments in (("JKn", {}), ("bootstrap", {"replicates": 2000, "rng": np.random.default_rng(3)})):
        made = survey.replicate(design, kind=kind, **arguments)  # type: ignore[arg-type]  # literals in a table
        ratio = survey.mean(made, "y", by="g").std_error / survey.mean(design, "y", by="g").std_error
        np.testing.assert_allclose(ratio, 1.0, atol=0.08)


def test_the_naive_variance_on_rows() -> None:
    """The jackknife written as loops over strata and PSUs."""
    frame = sample(12)
    design = clustered(frame)
    mean, w, y = rows.mean(frame["y"], frame["w"]), frame["w"].to_numpy(), frame["y"].to_numpy()
    estimates, factors = [], []
    for psu, h in frame[["psu", "h"]].drop_duplicates().itertuples(index=False):
        n_h = frame.loc[frame["h"] == h, "psu"].nunique()
        weight = np.where(frame["psu"] == psu, 0.0, np.where(frame["h"] == h, w * n_h / (n_h - 1), w))
        estimates.append((weight * y).sum() / weight.sum())
        factors.append((n_h - 1) / n_h)
    by_hand = (np.array(factors) * (np.array(estimates) - mean) ** 2).sum()
    made = survey.replicate(design, kind="JKn", mse=True)
    np.testing.assert_allclose(survey.mean(made, "y").std_error[0] ** 2, by_hand, rtol=1e-10)


# Weights of a file ----------------------------------------------------------------------------------------------


def with_columns(design: survey.Design) -> tuple[pd.DataFrame, list[str]]:
    names = [f"r{i}" for i in range(weights_of(design).shape[1])]
    return pd.concat([design.frame, pd.DataFrame(weights_of(design), columns=names)], axis=1), names


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("JK1", {}),
        ("bootstrap", {"replicates": 30, "rng": np.random.default_rng(1)}),
        ("SDR", {"replicates": 24}),
        ("JKn", {}),
    ],
)
def test_written_to_a_file_and_read_again(kind: Any, arguments: dict[str, Any]) -> None:
    design = clustered(strata=None) if kind == "JK1" else clustered()
    made = survey.replicate(design, kind=kind, **arguments)
    assert made.replicates is not None
    frame, names = with_columns(made)
    rscales = made.replicates.rscales.tolist() if kind == "JKn" else None
    read = survey.Design.from_replicates(frame, weight="w", replicates=names, kind=kind, rscales=rscales)
    np.testing.assert_allclose(survey.mean(read, "y", by="g").vcov, survey.mean(made, "y", by="g").vcov, rtol=1e-12)
    assert read.df == made.df


@pytest.mark.parametrize(
    ("kind", "rho", "scale"),
    [("BRR", None, 1 / 4), ("Fay", 0.5, 1.0), ("bootstrap", None, 1 / 3), ("SDR", None, 1.0), ("JK1", None, 3 / 4)],
)
def test_usual_scales(kind: Any, rho: float | None, scale: float) -> None:
    frame, names = with_columns(survey.replicate(clustered(sample(1, (2, 2, 2))), kind="BRR"))
    read = survey.Design.from_replicates(frame, weight="w", replicates=names, kind=kind, rho=rho)
    assert read.replicates is not None
    np.testing.assert_allclose(read.replicates.scale, scale)
    np.testing.assert_array_equal(read.replicates.rscales, np.ones(4))


def file(**changes: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"w": [2.0, 3.0, 4.0], "r1": [4.0, 0.0, 5.0], "r2": [0.0, 6.0, 3.0], "y": [1.0, 2.0, 4.0]})
    return frame.assign(**changes)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (file(), {"kind": "jackknife"}, "`kind` must be one of BRR, Fay, JK1, JKn, bootstrap, SDR; got 'jackknife'"),
        (file(), {"replicates": ["r1"]}, r"`replicates` must name two columns or more, each once; got 1: \['r1'\]"),
        (file(), {"replicates": ["r1", "r1"]}, "`replicates` must name two columns or more, each once; got 2"),
        (file(), {"replicates": ["r1", "r9"]}, "`replicates` must name a column of the data; 'r9' is not among"),
        (file(r2=[0.0, -1.0, 3.0]), {}, "`replicates` must be finite and at least zero; 'r2' is negative in 1 of 3"),
        (file(r2=[0.0, np.nan, 3.0]), {}, "`replicates` must be finite and at least zero; 'r2' is missing in 1 of 3"),
        (file(r2=0.0), {}, "`replicates` must be positive for someone; 'r2' is zero in all 3 rows"),
        (file(r1=[0.1, 0.0, 0.2], r2=[0.0, 0.2, 0.1]), {}, "`replicates` must hold weights; theirs are 0.0333 times"),
        (file(w=[0.0, 3.0, 4.0]), {}, "`replicates` must be zero where `weight` is; 1 rows with weight zero .* row 0"),
        (file(), {"kind": "Fay"}, '`rho` is Fay\'s coefficient: give it for kind="Fay" and for no other; got None'),
        (file(), {"rho": 0.3}, '`rho` is Fay\'s coefficient: give it for kind="Fay" and for no other; got 0.3'),
        (file(), {"kind": "Fay", "rho": 1.0}, "`rho` must be at least 0 and below 1; got 1.0"),
        (file(), {"kind": "JKn"}, '`rscales` must be given for kind="JKn"'),
        (file(), {"rscales": [1.0]}, "`rscales` must be one finite number of at least zero per replicate, 2, and not"),
        (file(), {"rscales": [0.0, 0.0]}, "`rscales` must be one finite number .* not all zero"),
        (file(), {"rscales": [1.0, -1.0]}, "`rscales` must be one finite number of at least zero"),
        (file(), {"scale": 0.0}, "`scale` must be positive; got 0.0"),
        (file(), {"scale": np.inf}, "`scale` must be positive; got inf"),
    ],
)
def test_impossible_replicate_weights_are_refused(frame: pd.DataFrame, arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"replicates": ["r1", "r2"], "kind": "BRR", **arguments}
    with pytest.raises(survey.DesignError, match=message):
        survey.Design.from_replicates(frame, weight="w", **given)


# What cannot be made --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "arguments", "message"),
    [
        (clustered(), {"kind": "jackknife"}, "`kind` must be one of BRR, Fay, JK1, JKn, bootstrap, SDR"),
        (clustered(), {}, r"`rng` must be given for a bootstrap, .*default_rng\(seed\); got None"),
        (clustered(), {"rng": 12}, "`rng` must be given for a bootstrap.* got 12"),
        (clustered(), {"kind": "JK1"}, '`kind`="JK1" is for designs without strata; this one has 3. Use kind="JKn"'),
        (clustered(), {"kind": "BRR"}, "balanced replicates need two PSUs in every stratum; 'h0' has 3"),
        (
            clustered(),
            {"kind": "Fay"},
            '`rho` is Fay\'s coefficient, from 0 to below 1, for kind="Fay" alone; got None',
        ),
        (clustered(), {"kind": "Fay", "rho": 1.2}, "`rho` is Fay's coefficient, from 0 to below 1"),
        (clustered(), {"kind": "JKn", "rho": 0.2}, "`rho` is Fay's coefficient, .* got 0.2 for 'JKn'"),
        (clustered(), {"kind": "SDR", "replicates": 30}, "must be the order of a Hadamard matrix .*; got 30. Use 32"),
        (clustered(), {"kind": "SDR", "replicates": 1}, "`replicates` must be a whole number of two or more; got 1"),
        (clustered(), {"replicates": 2.5, "rng": np.random.default_rng(1)}, "`replicates` must be a whole number"),
        (
            clustered(sample(1, (1, 3))),
            {"kind": "JKn"},
            "`design` must have two PSUs in every stratum to be replicated; 'h0' has one. Merge strata first",
        ),
        (clustered(sample(1, (1, 3))), {"kind": "SDR", "replicates": 24}, "two PSUs in every stratum .* 'h0' has one"),
        (
            clustered(sample(1, (2, 2)).assign(N=20.0), fpc="N"),
            {"kind": "BRR"},
            "balanced replicates ignore population sizes, and the design has them",
        ),
        (survey.replicate(clustered(), kind="JKn"), {"kind": "JKn"}, "`design` has replicate weights already"),
    ],
)
def test_replicates_that_a_design_does_not_allow(
    design: survey.Design, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(survey.DesignError, match=message):
        survey.replicate(design, **arguments)


def test_weights_that_would_fill_the_memory_are_refused() -> None:
    frame = pd.DataFrame({"y": np.zeros(30_000)})
    with pytest.raises(survey.DesignError, match="30,000 replicates of 30,000 rows are 7 GB of weights"):
        survey.replicate(survey.Design(frame), kind="JKn")


# Degrees of freedom ---------------------------------------------------------------------------------------------


@given(
    n=st.integers(2, 40),
    columns=st.integers(2, 150),
    inner=st.integers(1, 20),
    repeated=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_rank_of_replicate_weights(n: int, columns: int, inner: int, repeated: bool, seed: int) -> None:
    """Columns that add nothing, rows that are multiples of others and rows without weight change nothing."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2.0, (n, inner)) @ np.where(rng.random((inner, columns)) < 0.7, 1.0, 0.2)
    expected = np.linalg.matrix_rank(weights / np.linalg.norm(weights, axis=0), tol=1e-8)
    if repeated:
        weights = np.vstack([weights, 3.0 * weights, np.zeros((2, columns))])
    assert rank(weights) == expected


def test_degrees_of_freedom_in_domains() -> None:
    made, design = survey.replicate(clustered(), kind="JKn"), clustered()
    assert made.df == design.df == 6
    inside = "psu != '1-3' and psu != '0-0'"
    assert made.domain(inside).df == 6.0  # dropping a PSU outside raises the others: a replicate of its own
    assert design.domain(inside).df == 4.0


# Objects --------------------------------------------------------------------------------------------------------


def test_weights_cannot_be_assigned_to_and_designs_can_be_stored() -> None:
    made = survey.replicate(clustered(), kind="JKn")
    assert made.replicates is not None
    for array in (made.replicates.weights, made.replicates.rscales):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(survey.mean(again, "y").vcov, survey.mean(made, "y").vcov)
    assert pickle.loads(pickle.dumps(survey.mean(made, "y"))).tidy().equals(survey.mean(made, "y").tidy())


def test_the_design_is_not_changed() -> None:
    design = clustered()
    survey.replicate(design, kind="JKn")
    assert design.replicates is None


def test_intervals_use_the_rank() -> None:
    made = survey.replicate(clustered(), kind="JKn")
    row = survey.mean(made, "y").tidy().iloc[0]
    assert row["df"] == 6
    half = stats.t.ppf(0.975, 6) * row["std_error"]
    np.testing.assert_allclose([row["conf_low"], row["conf_high"]], [row["estimate"] - half, row["estimate"] + half])


def test_the_coefficient_of_fay_is_a_number() -> None:
    paired = survey.Design(pd.DataFrame({"h": np.repeat([1, 2], 2), "w": 1.0}), weight="w", strata="h")
    with pytest.raises(survey.DesignError, match=r"`rho` is Fay's coefficient, from 0 to below 1, .*; got 'half'"):
        survey.replicate(paired, kind="Fay", rho="half")  # type: ignore[arg-type]
