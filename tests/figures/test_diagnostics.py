"""Figures of divisions and residuals: what is drawn is what the frame holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

import survey
from survey import figures
from tests.models.test_ordinal import fitted


def slopes() -> pd.DataFrame:
    return survey.parallel_slopes(fitted()).tidy()


def test_divisions_have_their_intervals_and_the_common_slope_its_line() -> None:
    fit = fitted()
    frame = survey.parallel_slopes(fit).tidy()
    ax = figures.parallel_slopes(survey.parallel_slopes(fit), common=fit, title="Divisions", caption="Synthetic data.")
    segments = [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    across = {(round(s[0][0], 9), round(s[1][0], 9)) for s in segments if s[0][1] == s[1][1]}
    expected = zip(frame["conf_low"].round(9), frame["conf_high"].round(9), strict=True)
    assert across == set(expected)
    upright = {round(s[0][0], 9) for s in segments if s[0][0] == s[1][0]}
    assert upright == {round(value, 9) for value in fit.slopes}
    texts = [text.get_text() for text in ax.texts]
    assert "income: high" in texts
    assert "age, per unit" in texts
    assert texts.count("disapprove|neither") == 4
    assert "one slope for all divisions" in texts


def test_labels_hidden_rows_and_own_axes() -> None:
    frame = slopes().assign(shown=lambda data: data["term"] != "age")
    own = Figure().add_subplot()
    ax = figures.parallel_slopes(frame, labels={"income": "Household income"}, ax=own, xlabel="Slope")
    assert ax is own
    texts = [text.get_text() for text in ax.texts]
    assert "Household income: high" in texts
    assert texts.count("[u]") == 3
    assert "one slope for all divisions" not in texts
    with pytest.raises(survey.EstimationError, match=r"`common` must have a slope for each term; income\[T.middle\]"):
        figures.parallel_slopes(frame, common=fitted(formula="approval ~ age"))
    with pytest.raises(survey.EstimationError, match=r"`common` must have the columns term, estimate; estimate not"):
        figures.parallel_slopes(frame, common=frame.drop(columns="estimate"))


def test_residuals_are_points() -> None:
    found = survey.residuals(fitted(), rng=np.random.default_rng(1))
    ax = figures.residuals(found, title="Residuals")
    (points,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    np.testing.assert_allclose(np.asarray(points.get_offsets(), dtype=float), found[["linear_predictor", "residual"]])
    sizes = points.get_sizes()
    assert sizes[found["weight"].to_numpy().argmax()] == sizes.max()
    other = figures.residuals(found, against="age", ax=Figure().add_subplot())
    assert "Residual, by age" in [text.get_text() for text in other.texts]
    with pytest.raises(survey.EstimationError, match="`against` must be a numeric column; 'income' is not"):
        figures.residuals(found, against="income")
    with pytest.raises(survey.EstimationError, match="`tidy` must have the columns"):
        figures.residuals(found.drop(columns="weight"))


def test_means_of_residuals_are_marks_with_intervals() -> None:
    fit = fitted()
    found = survey.residual_means(fit, "age", groups=6)
    ax = figures.residual_means(found, against="age", caption="Synthetic data.")
    frame = found.tidy()
    (marks,) = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.asarray(marks.get_xydata(), dtype=float), frame[["age", "estimate"]])
    low, high = ax.get_ylim()
    assert low < frame["conf_low"].min()
    assert high > frame["conf_high"].max()
    with pytest.raises(survey.EstimationError, match="`against` must be a numeric column; 'income' is not"):
        figures.residual_means(survey.residual_means(fitted(link="probit"), "income"), against="income")


@pytest.mark.slow
def test_files_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    found = survey.residuals(fitted(), rng=np.random.default_rng(1))
    made = []
    for name in ("one", "other"):
        files = figures.save_figure(figures.residuals(found), tmp_path / name, "Residuals by linear predictor.")
        files |= {
            f"slopes {kind}": path
            for kind, path in figures.save_figure(
                figures.parallel_slopes(slopes()), tmp_path / f"{name} slopes", "Slopes at each division."
            ).items()
        }
        made.append({kind: path.read_bytes() for kind, path in files.items()})
    assert made[0] == made[1]
