"""Test that the shares of the answers are given ones, such as those of a census."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import as_name, check_choice
from survey.arrays import FloatArray
from survey.design import Cells, Design, Missing, collapse
from survey.errors import EstimationError, did_you_mean, shown
from survey.estimation import Evaluate, TestResult, covariance, degrees_of_freedom, is_numeric, level_indicators
from survey.inference.independence import RaoScott, rao_scott

FitMethod = Literal[RaoScott, "satterthwaite"]
SHARE_SUM = 1e-6  # shares typed with six decimals or more add up to 1 within this


def goodness_of_fit(
    design: Design,
    x: str,
    shares: Mapping[Any, float] | pd.Series[float],
    *,
    method: FitMethod = "rao-scott-f",
    missing: Missing = "drop",
) -> TestResult:
    """Test that the levels of a variable have given shares of the population.

    Parameters
    ----------
    x : categorical variable.
    shares : share of each level, adding to 1.
    method : "rao-scott-f", "rao-scott-chisq", "rao-scott-saddlepoint" and "rao-scott-exact" correct Pearson's X^2
        for the design as they do in a test of independence; "satterthwaite" is what R does: a chi-square that
        has the first two moments, of counts whose sum varies too.
    missing : "drop" or "fail".

    Returns
    -------
    TestResult with Pearson's X^2 for as many respondents as answered (for "rao-scott-f" the F made of it).

    Raises
    ------
    EstimationError : an unknown method, a numeric variable, shares that are not positive, do not add to 1, name
        an unknown level or leave one out, or shares without sampling variance (the weights were calibrated to x).

    References
    ----------
    Rao and Scott (1981), JASA 76:221. R equivalent: survey::svygofchisq, whose X^2 is that of the weighted
    counts and grows with the scale of the weights.
    """
    check_choice(method, FitMethod, "method")
    if not isinstance(shares, Mapping | pd.Series):
        raise EstimationError(
            f"`shares` must give the share of each level, as {{'Male': 0.49, 'Female': 0.51}}; got "
            f"{type(shares).__name__}."
        )
    cells = collapse(design, [as_name(x, "x")], missing)
    if is_numeric(cells.frame[x]):
        raise EstimationError(f"`x` must be categorical; {x!r} is numeric. Cut it into groups first (pandas.cut).")
    levels, indicators = level_indicators(cells, x)
    expected = _expected(
        x, levels, present=[bool(indicator.any()) for indicator in indicators], shares=dict(shares.items())
    )
    indicator = np.column_stack([indicators[levels.index(level)] for level in expected]).astype(np.float64)
    given = np.array(list(expected.values()))
    size = float(cells.weight.sum())
    n = float(cells.n.sum())
    observed = cells.weight @ indicator / size
    chisq = float(n * ((observed - given) ** 2 / given).sum())
    df = float(degrees_of_freedom(cells, cells.inside[:, None])[0])
    inside = cells.inside[:, None]
    if method == "satterthwaite":
        form = count_form(cells, indicator, given)
        effects = _eigenvalues(cells, form, evaluate=lambda weight: weight.T @ form, x=x)
        # two moments: X^2 / c is chi-square on sum d / c, with c = sum d^2 / sum d and d the design effects
        scale = float(effects @ effects / effects.sum())
        fitted = float(effects.sum() / scale)
        p_value = float(scipy.special.chdtrc(fitted, chisq / scale))
        name = "Pearson's X^2 for given shares, Satterthwaite chi-square"
        return TestResult(chisq, df1=fitted, df2=np.nan, p_value=p_value, method=name)
    form = (indicator - observed) * inside / np.sqrt(given) * np.sqrt(n) / size
    effects = _eigenvalues(
        cells, form, evaluate=lambda weight: (weight.T @ form) * (size / weight.sum(axis=0))[:, None], x=x
    )
    # ascending; the shares add to 1, so that the first is zero
    return rao_scott(chisq, effects[1:], df, method=method, note="For given shares.", argument="x")


def count_form(cells: Cells, indicator: FloatArray, given: FloatArray) -> FloatArray:
    """(C, k) influence of (O - p N) / sqrt(p N), with O and N estimated counts, times sqrt(n / N)."""
    size = cells.weight.sum()
    distance = cells.weight @ indicator / size - given
    form: FloatArray = ((indicator - given) - distance / 2.0) / np.sqrt(given) * np.sqrt(cells.n.sum()) / size
    return form * cells.inside[:, None]


def _expected(x: str, levels: list[object], *, present: list[bool], shares: Mapping[Any, float]) -> dict[object, float]:
    """Given shares of the levels, checked and made to add to 1 exactly."""
    unknown = [level for level in shares if level not in levels]
    if unknown:
        raise EstimationError(
            f"`shares` must name levels of {x!r}; {unknown} not among {levels}.{did_you_mean(unknown[0], levels)}"
        )
    absent = [level for level, answered in zip(levels, present, strict=True) if answered and level not in shares]
    if absent:
        raise EstimationError(
            f"`shares` must cover every level with respondents; {', '.join(map(shown, absent))} of {x!r} has none. Add "
            "it, or take a domain without it."
        )
    numbers = all(isinstance(share, int | float | np.number) for share in shares.values())
    if len(shares) < 2 or not numbers or not all(np.isfinite(share) and share > 0 for share in shares.values()):
        raise EstimationError(f"`shares` must be positive, of two levels or more; got {dict(shares)}.")
    total = sum(shares.values())
    if abs(total - 1.0) > SHARE_SUM:
        raise EstimationError(f"`shares` must add to 1; they add to {total:.6g}. Divide counts by their sum.")
    return {level: share / total for level, share in shares.items()}


def _eigenvalues(cells: Cells, form: FloatArray, *, evaluate: Evaluate, x: str) -> FloatArray:
    """Eigenvalues, ascending, of the covariance of (C, k) linear forms, which X^2 is the sum of squares of."""
    vcov = covariance(cells, cells.weight @ form, form, evaluate, size="known")
    eigenvalues = np.asarray(scipy.linalg.eigvalsh(vcov), dtype=np.float64)
    if eigenvalues[-1] <= 1e-12:  # under simple random sampling they are about 1
        raise EstimationError(
            f"`x` must have shares that vary from sample to sample; those of {x!r} do not, because the weights or the "
            "strata fix them. Compare them with the targets as they are (`margin_table`)."
        )
    return np.maximum(eigenvalues, 0.0)
