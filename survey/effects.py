"""Predicted probabilities and average effects of ordinal models, with design-based covariance.

Never called "margins": a margin is a raking target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from survey.design import FloatArray
from survey.errors import EstimationError
from survey.estimates import Estimate, check_level, t_interval
from survey.intervals import proportion_interval
from survey.links import LINKS, log_difference
from survey.ordinal import OrdinalFit
from survey.variance import covariance

Covariates = Literal["fixed", "estimated"]
Nets = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, eq=False)
class _Probabilities:
    """Probabilities of K answers on C patterns and how they move.

    `value` (C, K); `by_slope` (C, K) derivative by the linear predictor; `by_threshold` (C, K, q).
    """

    value: FloatArray
    by_slope: FloatArray
    by_threshold: FloatArray


def predicted_probabilities(
    fit: OrdinalFit,
    at: Mapping[str, object] | pd.DataFrame,
    *,
    nets: Nets | None = None,
    covariates: Covariates = "fixed",
    level: float = 0.95,
) -> Estimate:
    """Probability of each answer at given profiles.

    Parameters
    ----------
    at : values of covariates: a mapping (lists make all combinations) or a frame with a row per profile.
        Covariates that are not given stay as observed, and the probability is averaged over the respondents.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    covariates : "fixed" takes the respondents averaged over as given; "estimated" adds the uncertainty of
        having sampled them (unconditional variance).
    level : confidence level of the intervals, which are made on the logit scale.

    Returns
    -------
    Estimate, profile by profile and within it answer by answer, then nets.

    Raises
    ------
    EstimationError : unknown covariates or levels, or nets of unknown answers.

    References
    ----------
    Graubard and Korn (1999), Biometrics 55:652.
    """
    profiles = _profiles(at)
    _check_profiles(fit, profiles)
    check_level(level)
    merge, answers = _merge(fit, nets)
    values, influences = [], []
    for position in range(len(profiles)):
        value, influence = _average(
            fit, {str(name): profiles[name].iloc[position] for name in profiles.columns}, covariates
        )
        values.append(merge @ value)
        influences.append(influence @ merge.T)
    labels = _labels(profiles, answers, fit.outcome)
    made = _estimate(fit, labels, np.concatenate(values), np.hstack(influences), level)
    low, high = proportion_interval(np.clip(made.value, 0, 1), made.std_error, made.n, made.df, level, "logit")
    return replace(made, conf_low=low, conf_high=high)


def average_effects(
    fit: OrdinalFit,
    variable: str,
    *,
    nets: Nets | None = None,
    covariates: Covariates = "fixed",
    level: float = 0.95,
) -> Estimate:
    """Average effect of a covariate on the probability of each answer.

    For a categorical covariate: every respondent moved from its first level to another, all else as observed.
    For a numeric one: the average derivative, per unit.

    Parameters
    ----------
    variable : a covariate of the formula.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    covariates : "fixed" or "estimated"; see `predicted_probabilities`.
    level : confidence level of the t intervals.

    Returns
    -------
    Estimate with columns contrast, term, level: contrast by contrast, and within it answer by answer, then
    nets. Over the answers the effects add to zero.

    Raises
    ------
    EstimationError : a variable that is not in the formula.

    References
    ----------
    Graubard and Korn (1999), Biometrics 55:652. R equivalent: marginaleffects::avg_comparisons, avg_slopes.
    """
    merge, answers = _merge(fit, nets)
    check_level(level)
    if variable not in fit.cells.frame.columns or variable == fit.outcome:
        known = [name for name in fit.cells.frame.columns if name != fit.outcome]
        raise EstimationError(f"`variable` must be a covariate of the formula; {variable!r} is not among {known}.")
    values, influences, contrasts = [], [], []
    if variable in fit.matrix.dtypes:
        first, *others = fit.matrix.dtypes[variable].categories
        base_value, base_influence = _average(fit, {variable: first}, covariates)
        for other in others:
            value, influence = _average(fit, {variable: other}, covariates)
            values.append(merge @ (value - base_value))
            influences.append((influence - base_influence) @ merge.T)
            contrasts.append(f"{other} - {first}")
    else:
        value, influence = _average_slope(fit, variable, covariates)
        values.append(merge @ value)
        influences.append(influence @ merge.T)
        contrasts.append(f"per unit of {variable}")
    labels = _labels(pd.DataFrame({"contrast": contrasts}), answers, variable)
    return _estimate(fit, labels, np.concatenate(values), np.hstack(influences), level)


def _profiles(at: Mapping[str, object] | pd.DataFrame) -> pd.DataFrame:
    """Profiles as a frame: a frame as it is, a mapping of values or lists as all their combinations."""
    if isinstance(at, pd.DataFrame):
        return at.reset_index(drop=True)
    lists = [
        [value]
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray | pd.Series | pd.Index)
        else list(value)
        for value in at.values()
    ]
    if not lists:
        return pd.DataFrame(index=range(1))
    return pd.MultiIndex.from_product(lists, names=list(at)).to_frame(index=False)


def _check_profiles(fit: OrdinalFit, profiles: pd.DataFrame) -> None:
    """Raise unless every profile is made of covariates and their levels."""
    known = [name for name in fit.cells.frame.columns if name != fit.outcome]
    for name in profiles.columns:
        if name not in known:
            raise EstimationError(f"`at` must give covariates of the formula; {name!r} is not among {known}.")
        if profiles[name].isna().any():
            raise EstimationError(
                f"`at[{name!r}]` must be known; it has missing values. Leave the covariate out to average over it."
            )
        if name in fit.matrix.dtypes:
            levels = list(fit.matrix.dtypes[name].categories)
            unknown = [value for value in profiles[name].unique() if value not in levels]
            if unknown:
                raise EstimationError(
                    f"`at[{name!r}]` must be levels that the model was fitted to; {unknown} not among {levels}."
                )


def _merge(fit: OrdinalFit, nets: Nets | None) -> tuple[FloatArray, list[object]]:
    """(K + nets, K) matrix that appends merged answers, and the names of its rows."""
    levels = list(fit.levels)
    rows = [np.eye(len(levels))]
    names = list(levels)
    for net, members in (nets or {}).items():
        unknown = [member for member in members if member not in levels]
        if unknown or not members:
            raise EstimationError(f"`nets[{net!r}]` must merge answers of the outcome; {unknown} not among {levels}.")
        rows.append(np.array([[float(level in members) for level in levels]]))
        names.append(net)
    return np.vstack(rows), names


def _labels(contexts: pd.DataFrame, answers: Sequence[object], term: str) -> pd.DataFrame:
    """Labels context by context and, within one, answer by answer."""
    repeated = contexts.loc[contexts.index.repeat(len(answers))].reset_index(drop=True)
    return repeated.assign(term=term, level=pd.Series(list(answers) * len(contexts), dtype=object))


def _probabilities(fit: OrdinalFit, predictor: FloatArray) -> _Probabilities:
    """Probabilities at (C,) linear predictors."""
    link = LINKS[fit.link]
    limits = np.concatenate([[-np.inf], fit.thresholds.to_numpy(), [np.inf]])
    at = limits - predictor[:, None]
    value = np.exp(log_difference(link, at[:, 1:], at[:, :-1]))
    inner = at[:, 1:-1]
    with np.errstate(over="ignore"):
        density = np.exp(link.log_pdf(inner))
    q = inner.shape[1]
    by_threshold = np.zeros((len(predictor), q + 1, q))
    steps = np.arange(q)
    by_threshold[:, steps, steps] = density
    by_threshold[:, steps + 1, steps] = -density
    return _Probabilities(value, -by_threshold.sum(axis=2), by_threshold)


def _average(fit: OrdinalFit, setting: Mapping[str, object], covariates: Covariates) -> tuple[FloatArray, FloatArray]:
    """(K,) average probabilities with some covariates set, and their (C, K) influence."""
    frame = fit.cells.frame[fit.cells.inside]
    columns = fit.matrix.evaluate(
        frame.assign(**{name: _filled(frame, name, value) for name, value in setting.items()})
    )
    slopes = fit.slopes.to_numpy()
    found = _probabilities(fit, columns @ slopes)
    share = fit.cells.weight[fit.cells.inside]
    share = share / share.sum()
    value = share @ found.value
    gradient = np.hstack(
        [
            np.einsum("c,ck,cp->kp", share, found.by_slope, columns),
            np.einsum("c,ckq->kq", share, found.by_threshold),
        ]
    )
    return value, _influence(fit, gradient, found.value - value, covariates)


def _filled(frame: pd.DataFrame, name: str, value: object) -> pd.Series[Any]:
    """Column that holds one value, in the type of the original."""
    return pd.Series([value] * len(frame), index=frame.index).astype(frame[name].dtype)


def _influence(fit: OrdinalFit, gradient: FloatArray, deviation: FloatArray, covariates: Covariates) -> FloatArray:
    """(C, K) influence of averages: through the parameters and, where estimated, through who was sampled."""
    if covariates not in get_args(Covariates):
        raise EstimationError(f'`covariates` must be "fixed" or "estimated"; got {covariates!r}.')
    influence = fit.influence @ gradient.T
    if covariates == "estimated":
        influence[fit.cells.inside] += deviation / fit.cells.weight.sum()
    return influence


def _average_slope(fit: OrdinalFit, variable: str, covariates: Covariates) -> tuple[FloatArray, FloatArray]:
    """(K,) average derivatives by a numeric covariate, and their (C, K) influence."""
    inside = fit.cells.inside
    columns = fit.covariates[inside]
    slopes = fit.slopes.to_numpy()
    change = _column_slopes(fit, variable)  # (C, p) derivative of each column
    move = change @ slopes
    found = _probabilities(fit, columns @ slopes)
    link = LINKS[fit.link]
    inner = fit.thresholds.to_numpy() - (columns @ slopes)[:, None]
    bend = link.pdf_slope(inner) * np.exp(link.log_pdf(inner))  # f'
    q = inner.shape[1]
    steps = np.arange(q)
    curve = np.zeros((len(inner), q + 1, q))  # derivative of by_threshold by its own threshold
    curve[:, steps, steps] = bend
    curve[:, steps + 1, steps] = -bend
    effects = found.by_slope * move[:, None]
    share = fit.cells.weight[inside] / fit.cells.weight.sum()
    value = share @ effects
    gradient = np.hstack(
        [
            np.einsum("c,ck,cp->kp", share, found.by_slope, change)
            + np.einsum("c,ck,cp->kp", share * move, curve.sum(axis=2), columns),
            -np.einsum("c,ckq->kq", share * move, curve),
        ]
    )
    return value, _influence(fit, gradient, effects - value, covariates)


def _column_slopes(fit: OrdinalFit, variable: str) -> FloatArray:
    """(C, p) derivatives of the columns by a numeric covariate, by central differences.

    The step is a power of two, so that a column linear in the covariate gets its derivative to rounding; where
    halving the step changes the result, the column is curved and Richardson extrapolation is used.
    """
    frame = fit.cells.frame[fit.cells.inside]
    x = frame[variable].astype(np.float64)
    size = float(np.abs(x).max())
    step = 2.0 ** np.floor(np.log2(size)) if size > 0 else 1.0

    def difference(h: float) -> FloatArray:
        """Central difference with one step."""
        up = fit.matrix.evaluate(frame.assign(**{variable: x + h}))
        down = fit.matrix.evaluate(frame.assign(**{variable: x - h}))
        return (up - down) / (2 * h)

    if fit.matrix.is_plain:
        return difference(step)
    small = step * 2.0**-12
    return (4 * difference(small / 2) - difference(small)) / 3


def _estimate(
    fit: OrdinalFit, labels: pd.DataFrame, value: FloatArray, influence: FloatArray, level: float
) -> Estimate:
    """Estimate with the design's covariance and t intervals."""
    vcov = covariance(fit.cells, influence)
    k = value.size
    df, n = np.full(k, fit.df), np.full(k, float(fit.n))
    low, high = t_interval(value, np.sqrt(np.diag(vcov)), df, level)
    return Estimate(
        labels=labels,
        value=value,
        vcov=vcov,
        df=df,
        n=n,
        deff=np.full(k, np.nan),
        conf_low=low,
        conf_high=high,
        level=level,
        whole_df=fit.df,
        whole_n=float(fit.n),
    )
