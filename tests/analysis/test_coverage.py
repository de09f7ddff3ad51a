"""The coverage study: its populations, its samples and its counting; the study itself is `make coverage`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from analysis.coverage import simulation
from analysis.coverage.__main__ import main
from analysis.coverage.designs import samplings
from analysis.coverage.intervals import Cell, intervals, truth
from analysis.coverage.populations import Population, schools, voters
from survey.estimation.intervals import INTERVAL_METHODS
from tests.reference_data import REFERENCE, read_csv, shared

UNBIASED = 4.0  # standard errors of the mean of so many samples


@pytest.fixture(scope="module")
def populations() -> dict[str, Population]:
    """Both populations by name."""
    return {"Schools": schools(), "Voters": voters()}


def drawn(population: Population, design: str, seed: int = 1) -> survey.Design:
    (sampling,) = (sampling for sampling in samplings(population) if sampling.name == design)
    return sampling.draw(np.random.default_rng(seed))


def test_exported_population_equals_the_shared_one() -> None:
    exported = read_csv(REFERENCE / "apipop.csv")
    given = read_csv(shared("api") / "apipop.csv")[list(exported)]
    pd.testing.assert_frame_equal(exported, given, check_exact=True)


def test_the_synthetic_population_is_the_same_every_time(populations: dict[str, Population]) -> None:
    pd.testing.assert_frame_equal(voters().frame, populations["Voters"].frame, check_exact=True)
    assert "synthetic" in populations["Voters"].text


@pytest.mark.parametrize("name", ["Schools", "Voters"])
def test_samples_represent_the_population(populations: dict[str, Population], name: str) -> None:
    """Weights add up to the population, on average where clusters differ in size; rare traits are rare."""
    population = populations[name]
    n = len(population.frame)
    for sampling in samplings(population):
        sums = np.array([sampling.draw(np.random.default_rng(seed)).weights.sum() for seed in range(25)])
        if "raked" in sampling.name or sampling.name in {"SRS", "stratified"}:
            np.testing.assert_allclose(sums, n, rtol=1e-9, err_msg=sampling.name)
        else:
            assert abs(sums.mean() - n) < UNBIASED * sums.std(ddof=1) / np.sqrt(sums.size), sampling.name
    shares = population.frame[list(population.shares)].mean()
    assert shares.iloc[-1] == pytest.approx(0.01, abs=0.002)
    assert shares.iloc[-2] == pytest.approx(0.02, abs=0.004)


def test_designs_know_how_the_sample_was_drawn(populations: dict[str, Population]) -> None:
    of_schools, of_voters = populations["Schools"], populations["Voters"]
    assert drawn(of_schools, "SRS").df == 199
    assert drawn(of_schools, "stratified").df == 197
    assert drawn(of_schools, "15 districts").df == 14
    by_size = drawn(of_schools, "51 districts by size")
    assert (by_size.df, len(by_size.stages)) == (48, 2)
    assert len(drawn(of_schools, "SRS, raked").calibrations) == 1
    assert drawn(of_voters, "24 towns, stratified").df == 20
    assert drawn(of_voters, "6 towns, weighted").df == 5
    assert len(drawn(of_voters, "non-response, raked").calibrations) == 1


@pytest.mark.parametrize(
    ("name", "arguments"), [("SRS", {"fpc": "size"}), ("15 districts", {"psu": "dnum", "fpc": "clusters"})]
)
@pytest.mark.parametrize("method", INTERVAL_METHODS)  # all of them, also one that is new in the package
def test_bounds_are_those_of_the_public_functions(
    populations: dict[str, Population], name: str, arguments: dict[str, Any], method: Any
) -> None:
    population = populations["Schools"]
    sample = drawn(population, name)
    bounds = intervals(sample, population, ("quantile",))
    item = population.shares[1]
    answers = sample.frame[item].map({1.0: "yes", 0.0: "no"})
    design = survey.Design(sample.frame.assign(**{item: answers}), weight=None, **arguments)
    made = survey.proportion(design, item, interval=method).tidy()
    expected = made.loc[made["level"] == "yes", ["conf_low", "conf_high"]].to_numpy(dtype=float)[0]
    np.testing.assert_allclose(bounds[Cell("share", item, method)], expected, rtol=1e-9)
    mean, median = survey.mean(design, "enroll"), survey.quantile(design, "api00")
    np.testing.assert_allclose(bounds[Cell("mean", "enroll", "t")], (mean.conf_low[0], mean.conf_high[0]), rtol=1e-9)
    assert bounds[Cell("quantile", "api00, 0.5", "woodruff")] == (median.conf_low[0], median.conf_high[0])


def test_population_values(populations: dict[str, Population]) -> None:
    population = populations["Schools"]
    frame = population.frame
    cells = [
        Cell("mean", "api00", "t"),
        Cell("total", "enroll", "t"),
        Cell("share", "api00 > 900", "logit"),
        Cell("quantile", "api00, 0.5", "woodruff"),
        Cell("slope", "ell", "t"),
    ]
    values = truth(population, cells)
    median = survey.quantile(survey.Design(frame, weight=None), "api00").value[0]
    assert [values[cell] for cell in cells[:4]] == pytest.approx(
        [frame["api00"].mean(), frame["enroll"].sum(), (frame["api00"] > 900).mean(), median]
    )
    census = survey.ordinal(population.formula, survey.Design(frame, weight=None))
    assert values[cells[4]] == pytest.approx(census.params["ell"])


def test_counting(monkeypatch: pytest.MonkeyPatch, populations: dict[str, Population]) -> None:
    """A miss on either side, no interval, and a bound that is the value itself."""
    population = populations["Voters"]
    value = float(population.frame["rating"].mean())
    ends = iter([(value - 1, value + 1), (value - 2, value - 1), (value + 1, value + 2), (np.nan, 1.0), (value, value)])
    cell = Cell("mean", "rating", "t")
    monkeypatch.setattr(simulation, "intervals", lambda *_: {cell: next(ends)})
    (row,) = simulation.simulate(population, samplings(population)[0], (1,), 5).to_dict("records")
    counts = {key: row[key] for key in ("samples", "coverage", "too_low", "too_high", "none")}
    assert counts == pytest.approx({"samples": 5, "coverage": 0.4, "too_low": 0.2, "too_high": 0.2, "none": 0.2})
    assert row["width"] == pytest.approx(1.0)
    assert row["mc_error"] == pytest.approx(np.sqrt(0.4 * 0.6 / 5))


@pytest.mark.slow
def test_the_study_runs_and_repeats_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for name in ("one.md", "two.md"):
        main(["--replications", "2", "--output", str(tmp_path / name)])
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert "Coverage of" in capsys.readouterr().out
    text = pages[0].decode()
    for words in ("There are 2 samples", "## Schools", "## Voters", "**synthetic**", "| linearization | cr2 |"):
        assert words in text
