"""Properties that hold on any design, and the engine on cells against a naive computation on rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import survey
from survey.design import collapse
from tests import brute_force as rows
from tests.marks import slow

ROUNDING = 1e-9  # relative: the same sums in another order, on designs with weights of very different sizes
VANISHING = 1e-8  # of a total: a standard error that is zero in exact arithmetic is a root of rounding error


@dataclass(frozen=True, eq=False)
class Sample:
    """A random sample: data, the arguments of its design, its stage for the naive computation, raking targets."""

    frame: pd.DataFrame
    arguments: dict[str, Any]
    stage: rows.Stage
    margins: dict[str, dict[str, float]]

    @property
    def counts(self) -> dict[str, dict[str, float]]:
        """The margins as counts of a population of known size."""
        return rows.in_counts(self.margins, float(self.frame["w"].sum()))

    def design(self, frame: pd.DataFrame | None = None) -> survey.Design:
        """The design of the sample, perhaps with the data changed."""
        return survey.Design(self.frame if frame is None else frame, **self.arguments)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Strata, PSUs or none, unequal weights (some zero), few-valued and continuous variables, a domain."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_strata, clustered = draw(st.integers(1, 4)), draw(st.booleans())
    with_fpc = draw(st.booleans())
    stratum: list[str] = []
    unit: list[str] = []
    counts: list[int] = []
    for h in range(n_strata):
        psus = int(rng.integers(2, 6))
        size = int(rng.integers(psus + 6, psus + 20))
        psu = [*range(psus), *rng.integers(0, psus, size - psus)]
        stratum += [f"h{h}"] * size
        unit += [f"{h}-{p}" for p in psu]
        counts += [psus if clustered else size] * size
    n = len(stratum)
    w = rng.choice([0.0, 0.5, 1.0, 2.0, 37.5], n, p=[0.1, 0.2, 0.3, 0.3, 0.1]) * rng.uniform(0.5, 2.0, n)
    g = rng.choice(list("abc"), n)
    m = rng.choice(["x", "y"], n)
    y = rng.normal(3.0, 2.0, n).round(draw(st.sampled_from([0, 6])))
    z = rng.uniform(1.0, 5.0, n).round(1)
    in_domain = rng.random(n) < 0.7
    # every combination of the margins has weight in the domain: raking has a solution
    g[:6], m[:6], w[:6], in_domain[:6] = list("abcabc"), list("xxxyyy"), 1.5, True
    frame = pd.DataFrame(  # at once: hundreds of tests draw samples, and pandas takes its time for each column
        {
            "h": stratum,
            "psu": unit,
            "w": w,
            "g": pd.Categorical(g, categories=list("abc")),
            "m": pd.Categorical(m, categories=["x", "y"]),
            "y": y,
            "z": z,
            "in_domain": in_domain,
            "N": 3.0 * np.array(counts),
        }
    )
    arguments = {"weight": "w", "strata": "h", "psu": "psu" if clustered else None, "fpc": "N" if with_fpc else None}
    stage = rows.single_stage(
        n, frame["h"].to_numpy(), frame["psu"].to_numpy() if clustered else None, frame["N"] if with_fpc else None
    )
    share = rng.dirichlet([5.0, 5.0, 5.0])
    margins = {"g": dict(zip("abc", share, strict=True)), "m": {"x": 0.45, "y": 0.55}}
    return Sample(frame, arguments, stage, margins)


def same(ours: Any, theirs: Any, scale: Any = 1.0) -> None:
    """Equal up to rounding, or both nothing beside `scale`."""
    np.testing.assert_allclose(ours, theirs, rtol=ROUNDING, atol=float(VANISHING * np.max(np.abs(scale))))


def margin_indicators(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Indicators of the levels of both margins."""
    return np.hstack([rows.indicators(frame["g"].to_numpy()), rows.indicators(frame["m"].to_numpy())])


def naive_error(
    sample: Sample, influence: NDArray[np.float64], raked: NDArray[np.float64] | None, of_shares: bool
) -> float:
    """Standard error on rows, with calibration residuals where there are raked weights."""
    w = sample.frame["w"].to_numpy()
    if raked is None:
        return rows.standard_error(w * influence, [sample.stage])
    values = rows.calibrated_values(influence, margin_indicators(sample.frame), w, raked)
    if of_shares:
        values = values + rows.per_unit_of_weight(influence, w, raked)
    return rows.standard_error(values, [sample.stage])


@pytest.mark.parametrize("raked", ["", "shares", *slow("counts")])
@given(sample=samples(), in_domain=st.booleans())
def test_cells_equal_rows(raked: str, sample: Sample, in_domain: bool) -> None:
    frame, design = sample.frame, sample.design()
    weights = frame["w"].to_numpy()
    calibrated = None
    if raked:
        margins = sample.margins if raked == "shares" else sample.counts
        design = survey.rake(design, margins, tolerance=1e-13, max_iterations=10_000)
        calibrated = weights = rows.raked_weights(
            weights,
            [
                (frame[name].to_numpy(), {level: share * weights.sum() for level, share in margin.items()})
                for name, margin in sample.margins.items()
            ],
        )
        np.testing.assert_allclose(design.weights, weights, rtol=1e-8)
    inside = frame["in_domain"].to_numpy() if in_domain else np.ones(len(frame), dtype=bool)
    if in_domain:
        design = design.domain("in_domain")
    y, z = frame["y"].to_numpy(), frame["z"].to_numpy()
    for made, value, influence in (
        (survey.total(design, "y"), rows.total(y, weights, inside), rows.total_influence(y, inside)),
        (survey.mean(design, "y"), rows.mean(y, weights, inside), rows.mean_influence(y, weights, inside)),
        (
            survey.ratio(design, "y", "z"),
            rows.ratio(y, z, weights, inside),
            rows.ratio_influence(y, z, weights, inside),
        ),
    ):
        np.testing.assert_allclose(made.value[0], value, rtol=1e-8)
        error = naive_error(sample, influence, calibrated, raked == "shares")
        np.testing.assert_allclose(made.std_error[0], error, rtol=1e-6, atol=VANISHING * abs(value))
    alive = inside & (weights > 0)
    assert survey.mean(design, "y").df[0] == rows.degrees_of_freedom(sample.stage, alive)
    shares = survey.proportion(design, "g")
    for position, level in enumerate("abc"):
        hit = (frame["g"] == level).to_numpy().astype(float)
        error = naive_error(sample, rows.mean_influence(hit, weights, inside), calibrated, raked == "shares")
        np.testing.assert_allclose(shares.std_error[position], error, rtol=1e-6, atol=VANISHING)


@given(sample=samples(), seed=st.integers(0, 1000))
def test_row_order_and_labels_do_not_matter(sample: Sample, seed: int) -> None:
    design = sample.design()
    shuffled = sample.frame.sample(frac=1.0, random_state=seed)
    renamed = shuffled.assign(h="s" + shuffled["h"].str[::-1], psu="p" + shuffled["psu"])
    for other in (sample.design(shuffled), sample.design(renamed)):
        for made, again in (
            (survey.mean(design, ["y", "g"]), survey.mean(other, ["y", "g"])),
            (survey.total(design, "z", by="g"), survey.total(other, "z", by="g")),
        ):
            same(again.value, made.value)
            same(again.vcov, made.vcov, np.diag(made.vcov) ** 0.5 * made.value)
            np.testing.assert_array_equal(again.df, made.df)


@given(sample=samples(), factor=st.sampled_from([1e-6, 0.5, 3.0, 1e8]))
def test_scale_of_the_weights_matters_for_totals_only(sample: Sample, factor: float) -> None:
    scaled = sample.design(sample.frame.assign(w=sample.frame["w"] * factor))
    design = sample.design()
    same(survey.mean(scaled, "y", by="g").std_error, survey.mean(design, "y", by="g").std_error)
    same(survey.total(scaled, "y").value, survey.total(design, "y").value * factor)
    same(survey.total(scaled, "y").std_error, survey.total(design, "y").std_error * factor)


@given(sample=samples())
def test_raking_meets_every_margin_and_leaves_met_margins_alone(sample: Sample) -> None:
    design = sample.design()
    raked = survey.rake(design, sample.margins, max_iterations=10_000)
    assert (raked.weights[sample.frame["w"] == 0] == 0).all()
    np.testing.assert_allclose(raked.weights.sum(), design.weights.sum(), rtol=1e-12)
    assert survey.margin_table(raked, sample.margins)["gap"].abs().max() <= 1e-10
    again = survey.rake(raked, sample.margins)
    np.testing.assert_allclose(again.weights, raked.weights, rtol=1e-8)
    assert (survey.mean(raked, ["g", "m"]).std_error <= VANISHING).all()
    levels = survey.total(survey.rake(design, sample.counts, max_iterations=10_000), ["g", "m"])
    assert (levels.std_error <= VANISHING * design.weights.sum()).all()


@given(sample=samples())
def test_one_margin_is_post_stratification(sample: Sample) -> None:
    design = sample.design()
    target = pd.Series(sample.margins["g"]).rename_axis("g")
    post = survey.poststratify(design, target)
    raked = survey.rake(design, {"g": sample.margins["g"]})
    np.testing.assert_allclose(post.weights, raked.weights, rtol=1e-12)
    same(survey.mean(post, "y").std_error, survey.mean(raked, "y").std_error)


@pytest.mark.slow
@given(sample=samples())
def test_levels_alone_in_a_domain_reproduce_the_crosstab(sample: Sample) -> None:
    design = survey.rake(sample.design(), sample.margins, max_iterations=10_000)
    table = survey.crosstab(design, "g", "m").tidy()
    for level in ("x", "y"):
        alone = survey.topline(design.domain(f"m == '{level}'"), "g").tidy()
        column = table[table["m"] == level]
        same(column["estimate"], alone["estimate"])
        np.testing.assert_allclose(column["std_error"], alone["std_error"], rtol=1e-6, atol=VANISHING)
        np.testing.assert_array_equal(column["df"], alone["df"])
        np.testing.assert_array_equal(column["n"], alone["n"])


@pytest.mark.parametrize("share", ["column", *slow("row", "cell")])
@given(sample=samples())
def test_shares_add_up_and_covariances_are_covariances(share: Any, sample: Sample) -> None:
    table = survey.crosstab(sample.design(), "g", "m", share=share)
    frame = table.tidy()
    add = {"column": frame.groupby("m", observed=True), "row": frame.groupby("level"), "cell": frame.groupby("term")}
    same(add[share]["estimate"].sum(), 1.0)
    same(table.vcov, table.vcov.T)
    known = np.isfinite(np.diag(table.vcov))  # not of groups whose respondents are all in one PSU
    assert np.linalg.eigvalsh(table.vcov[np.ix_(known, known)]).min(initial=0.0) >= -VANISHING * np.nansum(
        np.diag(table.vcov)
    )
    over = {"column": np.kron(np.eye(2), np.ones(3)), "row": np.kron(np.ones(2), np.eye(3)), "cell": np.ones((1, 6))}
    vcov = np.nan_to_num(table.vcov)  # such a group is unknown as a whole
    assert np.abs(over[share] @ vcov @ over[share].T).max() <= VANISHING**2 + 1e-12


@given(values=st.lists(st.integers(-5, 5), min_size=3, max_size=40).filter(lambda x: len(set(x)) > 1))
def test_equal_weights_give_the_textbook(values: list[int]) -> None:
    y = np.array(values, dtype=float)
    made = survey.mean(survey.Design(pd.DataFrame({"y": y})), "y").tidy().iloc[0]
    same(made["estimate"], y.mean(), 1.0)
    same(made["std_error"], y.std(ddof=1) / np.sqrt(y.size))
    assert made["df"] == y.size - 1
    same(made["deff"], 1.0)


@given(sample=samples())
def test_cells_count_every_respondent_once(sample: Sample) -> None:
    design = sample.design().domain("in_domain")
    cells = collapse(design, ["g", "y"])
    counted = design.weights > 0
    assert cells.n.sum() == counted.sum() == design.n
    same(cells.weight.sum(), design.weights.sum())
    same(cells.squared_weight.sum(), np.square(design.weights).sum())


def test_a_domain_keeps_the_psus_of_the_whole_sample() -> None:
    """Dropping the rows instead is the usual mistake; it changes n_h and the standard error."""
    frame = pd.DataFrame(
        {"psu": np.repeat(np.arange(6), 4), "y": np.arange(24.0) ** 1.5, "d": np.repeat([True, True, False], 8)}
    )
    kept = survey.mean(survey.Design(frame, psu="psu").domain("d"), "y")
    dropped = survey.mean(survey.Design(frame[frame["d"]], psu="psu"), "y")
    same(kept.value, dropped.value)
    same(kept.std_error[0] ** 2 / dropped.std_error[0] ** 2, (6 / 5) / (4 / 3))


def test_contrasts_use_the_joint_covariance() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"psu": rng.integers(0, 12, 300), "g": rng.choice(["High", "Low"], 300)})
    frame["y"] = rng.normal(size=300) + frame["psu"] * 0.3
    means = survey.mean(survey.Design(frame, psu="psu"), "y", by="g")
    difference = means.contrast({"High": 1, "Low": -1}, df="design").tidy().iloc[0]
    v = means.vcov
    same(difference["estimate"], means.value[0] - means.value[1])
    same(difference["std_error"], np.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1]))
    assert difference["df"] == 11
    as_matrix = means.contrast([[1, -1]], names=["High - Low"], df="design").tidy()
    assert as_matrix["term"].tolist() == ["High - Low"]
    same(as_matrix["std_error"], difference["std_error"])
