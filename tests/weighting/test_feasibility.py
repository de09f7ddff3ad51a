"""Margins that contradict each other: what is said of them, on cases with known answers and at random."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import survey

LEVELS = {"a": 3, "b": 3, "c": 2}
PROGRAM = 1e-7  # share of the population: a linear program solved to 1e-9, with its slacks added up


def design(cells: Mapping[Any, int], names: list[str]) -> survey.Design:
    """As many respondents with each combination of levels as the cells say."""
    rows = [cell for cell, n in cells.items() for _ in range(n)]
    frame = pd.DataFrame(rows, columns=names)
    return survey.Design(frame.assign(x=np.arange(float(len(rows))), w=1.0), weight="w")


MEN = {("m", "young"): 40, ("m", "old"): 30, ("f", "old"): 30}


def test_a_level_within_a_level() -> None:
    """Everybody young is a man: 80% young cannot go with 60% men; the nearest sum of changes is 0.2 + 0.2."""
    margins = {"sex": {"m": 0.6, "f": 0.4}, "age": {"young": 0.8, "old": 0.2}}
    found = survey.explain_infeasible(design(MEN, ["sex", "age"]), margins)
    assert found.verdict == "infeasible"
    assert set(found.conflict) == {"sex='m'", "age='young'"}
    assert found.change == pytest.approx(0.4)
    assert found.reason == (
        "All 40 respondents with age='young' have sex='m', so the target of sex='m' must be at least 0.8, but it is "
        "0.6."
    )
    frame = found.tidy()
    assert list(frame.columns) == ["variable", "level", "target", "nearest", "change", "in_conflict"]
    assert frame["in_conflict"].tolist() == [True, False, True, False]
    np.testing.assert_allclose(frame["change"], frame["nearest"] - frame["target"])
    assert "The nearest targets that can be met: " in str(found)
    nearest = {
        str(name): dict(zip(part["level"], part["nearest"], strict=True)) for name, part in frame.groupby("variable")
    }
    # men who are old keep a tenth of their weight, 0.03, which comes on top
    assert nearest["sex"]["m"] - nearest["age"]["young"] == pytest.approx(0.03)
    raked = survey.rake(design(MEN, ["sex", "age"]), nearest, max_iterations=2000)
    assert raked.weights.min() > 0


def test_raking_says_why_it_failed() -> None:
    margins = {"sex": {"m": 60, "f": 40}, "age": {"young": 80, "old": 20}}
    with pytest.raises(
        survey.CalibrationError,
        match=r"could not be met together: after 200 iterations the largest gap is .* All 40 respondents with "
        r"age='young' have sex='m', so the target of sex='m' must be at least 80, but it is 60\. The nearest targets "
        r"that can be met: age='young' 57 \(not 80\), age='old' 43 \(not 20\)\.",
    ):
        survey.rake(design(MEN, ["sex", "age"]), margins)


def test_slow_raking_is_not_called_infeasible() -> None:
    margins = {"sex": {"m": 0.6, "f": 0.4}, "age": {"young": 0.5, "old": 0.5}}
    with pytest.raises(survey.CalibrationError, match=r"can be met together.*The iteration is slow.*`max_iterations`"):
        survey.rake(design(MEN, ["sex", "age"]), margins, max_iterations=2)
    found = survey.explain_infeasible(design(MEN, ["sex", "age"]), margins)
    assert (found.verdict, found.change, found.conflict) == ("feasible", 0.0, ())
    assert (found.tidy()["change"] == 0).all()


def test_targets_that_leave_nothing_to_some() -> None:
    """Men and young both at 0.6: the 30 old men get nothing; raking would come nearer without end."""
    margins = {"sex": {"m": 0.6, "f": 0.4}, "age": {"young": 0.6, "old": 0.4}}
    found = survey.explain_infeasible(design(MEN, ["sex", "age"]), margins)
    assert found.verdict == "zero cells"
    assert found.change == pytest.approx(0, abs=PROGRAM)
    assert found.zero_cells.to_dict("records") == [{"sex": "m", "age": "old", "n": 30}]
    assert "only if some respondents get the weight zero" in found.reason
    assert "30 with sex='m' and age='old'" in found.reason
    with pytest.raises(survey.CalibrationError, match="only if some respondents get the weight zero"):
        survey.rake(design(MEN, ["sex", "age"]), margins)


def test_levels_that_exclude_each_other() -> None:
    """No cell has two of a1, b1, c1, which together are to hold 1.2."""
    cells = {("a1", "b0", "c0"): 5, ("a0", "b1", "c0"): 5, ("a0", "b0", "c1"): 5, ("a0", "b0", "c0"): 5}
    margins = {name: {f"{name}1": 0.4, f"{name}0": 0.6} for name in "abc"}
    found = survey.explain_infeasible(design(cells, list("abc")), margins)
    assert found.verdict == "infeasible"
    assert found.change == pytest.approx(0.4)
    assert len(found.conflict) == 3
    assert found.reason in {
        "Nobody has more than one of a='a1', b='b1' and c='c1', so their targets can add up to at most 1, but they "
        "add up to 1.2.",
        "All 10 respondents with b='b1' or c='c1' have a='a0', so the target of a='a0' must be at least 0.8, but it is "
        "0.6.",
        "All 10 respondents with a='a1' or c='c1' have b='b0', so the target of b='b0' must be at least 0.8, but it is "
        "0.6.",
        "All 10 respondents with a='a1' or b='b1' have c='c0', so the target of c='c0' must be at least 0.8, but it is "
        "0.6.",
    }


def test_levels_that_need_several_others() -> None:
    cells = {
        ("m", "young", "a"): 10,
        ("f", "old", "a"): 10,
        ("f", "old", "b"): 10,
        ("m", "old", "b"): 5,
        ("m", "young", "c"): 5,
    }
    margins = {"sex": {"m": 0.3, "f": 0.7}, "age": {"young": 0.25, "old": 0.75}, "reg": {"a": 0.2, "b": 0.2, "c": 0.6}}
    found = survey.explain_infeasible(design(cells, ["sex", "age", "reg"]), margins)
    assert found.reason == (
        "All 20 respondents with sex='f' have reg='a' or reg='b', so the targets of reg='a' and reg='b' must add up to "
        "at least 0.7, but they add up to 0.4."
    )


def test_totals_and_bounds_have_ranges() -> None:
    base = design(MEN, ["sex", "age"])
    margins = {"sex": {"m": 0.6, "f": 0.4}}
    found = survey.explain_infeasible(base, margins, totals={"x": 9800.0})
    assert found.reason == (  # women are the rows 70 to 99: at most 60 x 69 + 40 x 99
        "With sex='f' at the target, with positive weights the total of 'x' can be no less than 2800 and no more than "
        "8100, but its target is 9800."
    )
    assert found.tidy()["level"].tolist() == ["m", "f", ""]
    found = survey.explain_infeasible(base, {"sex": {"m": 0.9, "f": 0.1}}, bounds=(0.5, 1.2))
    assert found.change == pytest.approx(0.12)
    assert "no more than 0.84, but its target is 0.9" in found.reason
    found = survey.explain_infeasible(base, {"sex": {"m": 0.9, "f": 0.1}}, upper=1.2, lower=0.2)
    assert "no more than 0.84, but its target is 0.9" in found.reason
    found = survey.explain_infeasible(base, {"sex": {"m": 900, "f": 100}}, upper=5)
    assert found.verdict == "infeasible"
    assert found.reason.startswith("Within their bounds the weights add up to at most 500, but the margins to 1000.")
    found = survey.explain_infeasible(base, totals={"x": 9901.0, "w": 100.0})
    assert "the total of 'w' can be no less than" in found.reason


def test_wrong_margins_are_refused_as_elsewhere() -> None:
    base = design(MEN, ["sex", "age"])
    with pytest.raises(survey.CalibrationError, match="must cover every level in the data"):
        survey.explain_infeasible(base, {"sex": {"m": 1.0}})
    with pytest.raises(survey.CalibrationError, match="must hold something to calibrate to"):
        survey.explain_infeasible(base)


@st.composite
def cases(draw: st.DrawFn) -> tuple[survey.Design, dict[str, dict[str, float]]]:
    """Some of the 18 combinations of three variables, and margins in tenths, which often touch the limits."""
    every = [
        tuple(f"{name}{i}" for name, i in zip(LEVELS, cell, strict=True))
        for cell in product(*map(range, LEVELS.values()))
    ]
    kept = draw(st.lists(st.sampled_from(every), min_size=4, max_size=14, unique=True))
    cells = {cell: draw(st.integers(1, 4)) for cell in sorted(kept)}
    margins = {}
    for position, (name, size) in enumerate(LEVELS.items()):
        present = [f"{name}{i}" for i in range(size) if any(cell[position] == f"{name}{i}" for cell in kept)]
        cuts = sorted(
            draw(st.lists(st.integers(1, 9), min_size=len(present) - 1, max_size=len(present) - 1, unique=True))
        )
        parts = np.diff([0, *cuts, 10])
        margins[name] = {level: float(part) / 10 for level, part in zip(present, parts, strict=True)}
    return design(cells, list(LEVELS)), margins


def indicators(made: survey.Design, margins: dict[str, dict[str, float]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(levels, rows) indicators, targets and names, with the sum of all last."""
    names = [(name, level) for name, margin in margins.items() for level in margin]
    table = np.array(
        [*((made.frame[name] == level).to_numpy(dtype=float) for name, level in names), np.ones(len(made.frame))]
    )
    wanted = np.array([*(margins[name][level] for name, level in names), 1.0])
    return table, wanted, [f"{name}={level!r}" for name, level in names]


def possible(table: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether weights of at least zero meet the targets."""
    return bool(linprog(np.zeros(table.shape[1]), A_eq=table, b_eq=wanted, method="highs").status == 0)


@pytest.mark.slow
@settings(max_examples=60)
@given(case=cases())
def test_there_is_an_explanation_exactly_where_raking_fails(
    case: tuple[survey.Design, dict[str, dict[str, float]]],
) -> None:
    made, margins = case
    found = survey.explain_infeasible(made, margins)
    table, wanted, names = indicators(made, margins)
    assert (found.verdict == "infeasible") == (not possible(table, wanted))
    if found.verdict == "feasible":
        raked = survey.calibrate(made, margins=margins, distance="raking")
        assert raked.weights.min() > 0
        assert survey.margin_table(raked, margins)["gap"].abs().max() < 1e-9
        return
    with pytest.raises(survey.CalibrationError, match=r"nearest targets that can be met"):
        survey.rake(made, margins, max_iterations=300)
    with pytest.raises(survey.CalibrationError, match=r"nearest targets that can be met"):
        survey.calibrate(made, margins=margins, distance="raking")
    frame = found.tidy()
    nearest = {
        str(name): dict(zip(part["level"], part["nearest"], strict=True)) for name, part in frame.groupby("variable")
    }
    raked = survey.calibrate(made, margins=nearest, distance="raking")
    assert raked.weights.min() > 0
    if found.verdict == "infeasible":
        chosen = [names.index(name) for name in found.conflict]
        assert not possible(table[[*chosen, -1]], wanted[[*chosen, -1]])
        for left_out in chosen:
            rest = [k for k in chosen if k != left_out]
            assert possible(table[[*rest, -1]], wanted[[*rest, -1]]) or not possible(table[rest], wanted[rest])
        assert found.change > PROGRAM
    else:
        assert len(found.zero_cells) > 0
        for cell in found.zero_cells.to_dict("records"):
            is_cell = np.all([made.frame[name] == cell[name] for name in LEVELS], axis=0)
            assert is_cell.sum() == cell["n"]
            most = linprog(-is_cell.astype(float), A_eq=table, b_eq=wanted, method="highs")
            assert most.fun is not None
            assert -most.fun < PROGRAM


@pytest.mark.slow
@settings(max_examples=40)
@given(case=cases(), seed=st.integers(0, 1000))
def test_no_other_targets_are_nearer(case: tuple[survey.Design, dict[str, dict[str, float]]], seed: int) -> None:
    """Targets that some weights reach are at least as far away as the change that is reported."""
    made, margins = case
    found = survey.explain_infeasible(made, margins)
    assume(found.verdict == "infeasible")
    table, wanted, _ = indicators(made, margins)
    weights = np.random.default_rng(seed).dirichlet(np.full(table.shape[1], 0.3), size=50)
    distance = np.abs(weights @ table.T - wanted).sum(axis=1)
    assert distance.min() >= found.change - PROGRAM
    roomy = found.tidy()["change"].abs().sum()
    assert roomy >= found.change - PROGRAM


@pytest.mark.slow
@settings(max_examples=40)
@given(case=cases(), seed=st.integers(0, 1000))
def test_margins_that_some_weights_have_are_feasible(
    case: tuple[survey.Design, dict[str, dict[str, float]]], seed: int
) -> None:
    made, margins = case
    weights = np.random.default_rng(seed).uniform(0.3, 3.0, len(made.frame))
    reached = {
        name: {level: float(weights[(made.frame[name] == level).to_numpy()].sum()) for level in margin}
        for name, margin in margins.items()
    }
    assert survey.explain_infeasible(made, reached).verdict == "feasible"
    assert survey.rake(made, reached, max_iterations=20_000).weights.min() > 0
