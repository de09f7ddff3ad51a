"""Predicted probabilities and average effects of ordinal models, with design-based covariance.

Never called "margins": a margin is a raking target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from survey.arguments import as_names, check_kind, check_level, refuse_reserved
from survey.arrays import FloatArray
from survey.errors import EstimationError, did_you_mean
from survey.estimation import Estimate, covariance, model_estimate, proportion_interval
from survey.models.averages import (
    Average,
    Covariates,
    Group,
    average,
    average_at_means,
    average_slope,
    check_covariates,
    column_changes,
    difference,
    groups_of,
    with_values,
)
from survey.models.ordinal import OrdinalFit

Others = Literal["observed", "means"]
Nets = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """k averages, or changes of averages, and what their covariance is made of.

    `labels` k rows; `value` (k,); `influence` (C, k) of one respondent with each pattern; `replicated` (R, k) in the
    replicates; `n` (k,) respondents averaged over.
    """

    labels: pd.DataFrame
    value: FloatArray
    influence: FloatArray
    replicated: FloatArray
    n: FloatArray


def predicted_probabilities(
    fit: OrdinalFit,
    at: Mapping[str, object] | pd.DataFrame,
    *,
    nets: Nets | None = None,
    covariates: Covariates = "fixed",
    others: Others = "observed",
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Probability of each answer at given profiles.

    Parameters
    ----------
    at : values of covariates: a mapping (lists make all combinations) or a frame with a row per profile.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    covariates : "fixed" takes the respondents averaged over as given; "estimated" adds the uncertainty of
        having sampled them (unconditional variance).
    others : covariates that `at` does not give: "observed" leaves them as they are, and averages the probability over
        the respondents; "means" sets numbers to their weighted mean and levels to their weighted shares.
    by : covariates whose combinations are groups; averages and means are then those of the group.
    level : confidence level of the intervals, which are made on the logit scale.

    Returns
    -------
    Estimate, group by group, within it profile by profile, and within that answer by answer, then nets.

    Raises
    ------
    EstimationError : unknown covariates or levels, nets of unknown answers, or thresholds that cross at a profile.

    References
    ----------
    Graubard and Korn (1999), Biometrics 55:652. R equivalents: effects::Effect (others = "means"), Stata's
    margins, atmeans.
    """
    check_kind(fit, OrdinalFit, "fit")
    profiles = _profiles(at)
    _check_profiles(fit, profiles)
    check_level(level)
    check_covariates(covariates)
    if others not in get_args(Others):
        raise EstimationError(f'`others` must be "observed" or "means"; got {others!r}.')
    if others == "means" and covariates == "estimated":
        raise EstimationError('`covariates` must be "fixed" with others="means"; the means are taken as given.')
    merge, answers = _merge(fit, nets)
    groups = groups_of(fit, by, [str(name) for name in profiles.columns])
    averages = []
    for group in groups:
        for position in range(len(profiles)):
            setting = {str(name): profiles[name].iloc[position] for name in profiles.columns}
            averages.append(
                average_at_means(fit, setting, group)
                if others == "means"
                else average(fit, with_values(fit, setting), covariates=covariates, group=group)
            )
    contexts = _contexts(groups, profiles)
    estimate = _estimate(fit, _merged(_labels(contexts, answers, fit.outcome), averages, merge), level)
    value = np.clip(estimate.value, 0, 1)
    low, high = proportion_interval(value, estimate.std_error, estimate.n, estimate.df, level=level, method="logit")
    return replace(estimate, conf_low=low, conf_high=high)


def average_effects(
    fit: OrdinalFit,
    variable: str | Sequence[str],
    *,
    nets: Nets | None = None,
    covariates: Covariates = "fixed",
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Average effect of covariates on the probability of each answer.

    For a categorical covariate: every respondent moved from its first level to another, all else as observed.
    For a numeric one: the average derivative, per unit.

    Parameters
    ----------
    variable : a covariate of the formula, or several, whose effects then have a joint covariance.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    covariates : "fixed" or "estimated"; see `predicted_probabilities`.
    by : covariates whose combinations are groups; effects are then averaged within each.
    level : confidence level of the t intervals.

    Returns
    -------
    Estimate with columns (by-columns,) contrast, term, level: group by group, variable by variable, contrast by
    contrast, and within it answer by answer, then nets. Over the answers the effects add to zero.

    Raises
    ------
    EstimationError : a variable that is not in the formula.

    References
    ----------
    Graubard and Korn (1999), Biometrics 55:652. R equivalent: marginaleffects::avg_comparisons, avg_slopes.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_level(level)
    return _estimate(
        fit, effects_of(fit, as_names(variable, "variable"), nets=nets, covariates=covariates, by=by), level
    )


def effects_of(
    fit: OrdinalFit, variables: Sequence[str], nets: Nets | None, covariates: Covariates, by: str | Sequence[str] | None
) -> Effects:
    """Average effects with their influence; see `average_effects`.

    Raises
    ------
    EstimationError : a variable that is not in the formula.
    """
    merge, answers = _merge(fit, nets)
    check_covariates(covariates)
    if not variables:
        raise EstimationError("`variable` must name at least one covariate; got none.")
    for name in variables:
        if name not in fit.cells.frame.columns or name == fit.outcome:
            known = [column for column in fit.cells.frame.columns if column != fit.outcome]
            raise EstimationError(
                f"`variable` must be a covariate of the formula; {name!r} is not among {known}."
                f"{did_you_mean(name, known)}"
            )
    groups = groups_of(fit, by, [])
    averages: dict[int, list[Average]] = {i: [] for i in range(len(groups))}
    contrasts = []
    terms = []
    for name in variables:
        if name in fit.parts.dtypes:
            first, *rest = fit.parts.dtypes[name].categories
            settings = [with_values(fit, {name: value}) for value in (first, *rest)]
            for i, group in enumerate(groups):
                base, *moved = (
                    average(fit, setting, covariates=covariates, group=group, argument="variable")
                    for setting in settings
                )
                averages[i] += [difference(one, base) for one in moved]
            contrasts += [f"{other} - {first}" for other in rest]
            terms += [name] * len(rest)
        else:
            change = column_changes(fit, name)
            for i, group in enumerate(groups):
                averages[i].append(average_slope(fit, change, covariates=covariates, group=group))
            contrasts.append(f"per unit of {name}")
            terms.append(name)
    contexts = _contexts(groups, pd.DataFrame({"contrast": contrasts, "term": terms}))
    labels = _labels(contexts.drop(columns="term"), answers, contexts["term"].repeat(len(answers)).to_list())
    return _merged(labels, [one for of_group in averages.values() for one in of_group], merge)


def _contexts(groups: Sequence[Group], rows: pd.DataFrame) -> pd.DataFrame:
    """Rows repeated for each group, with the labels of the group first."""
    if not groups[0].labels:
        return rows
    parts = []
    for group in groups:
        labels = pd.DataFrame({name: [value] * len(rows) for name, value in group.labels.items()}, index=rows.index)
        parts.append(pd.concat([labels, rows], axis=1))
    return pd.concat(parts, ignore_index=True)


def _profiles(at: Mapping[str, object] | pd.DataFrame) -> pd.DataFrame:
    """Profiles as a frame: a frame as it is, a mapping of values or lists as all their combinations."""
    if isinstance(at, pd.DataFrame):
        profiles = at.reset_index(drop=True)
    elif isinstance(at, Mapping):
        lists = [
            [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
            for value in at.values()
        ]
        profiles = pd.DataFrame(index=range(1))
        if lists:
            profiles = pd.MultiIndex.from_product(lists, names=list(at)).to_frame(index=False)
    else:
        raise EstimationError(
            f"`at` must be a mapping such as {{'age': [20, 60]}} or a frame of profiles; got {type(at).__name__}."
        )
    if len(profiles) == 0:
        raise EstimationError("`at` must give at least one profile; a list in it, or the frame, is empty.")
    return profiles


def _check_profiles(fit: OrdinalFit, profiles: pd.DataFrame) -> None:
    """Raise unless every profile is made of covariates and their levels."""
    known = [name for name in fit.cells.frame.columns if name != fit.outcome]
    for name in profiles.columns:
        if name not in known:
            raise EstimationError(
                f"`at` must give covariates of the formula; {name!r} is not among {known}.{did_you_mean(name, known)}"
            )
        refuse_reserved([name], "at")
        if profiles[name].isna().any():
            raise EstimationError(
                f"`at[{name!r}]` must be known; it has missing values. Leave the covariate out to average over it."
            )
        if name in fit.parts.dtypes:
            levels = list(fit.parts.dtypes[name].categories)
            unknown = [value for value in profiles[name].unique() if value not in levels]
            if unknown:
                raise EstimationError(
                    f"`at[{name!r}]` must be levels that the model was fitted to; {unknown} not among {levels}."
                )
        elif not pd.api.types.is_numeric_dtype(profiles[name].dtype) or not np.isfinite(profiles[name]).all():
            raise EstimationError(f"`at[{name!r}]` must be finite numbers; got {list(profiles[name])[:5]}.")


def _merge(fit: OrdinalFit, nets: Nets | None) -> tuple[FloatArray, list[object]]:
    """(K + nets, K) matrix that appends merged answers, and the names of its rows."""
    levels = list(fit.levels)
    rows = [np.eye(len(levels))]
    names = list(levels)
    for net, members in (nets or {}).items():
        if isinstance(members, str) or not isinstance(members, Iterable) or not list(members):
            raise EstimationError(f"`nets[{net!r}]` must be a list of answers of the outcome; got {members!r}.")
        unknown = [member for member in members if member not in levels]
        if unknown:
            raise EstimationError(
                f"`nets[{net!r}]` must merge answers of the outcome; {unknown} not among {levels}."
                f"{did_you_mean(unknown[0], levels)}"
            )
        if net in names:
            raise EstimationError(f"`nets[{net!r}]` must not have the name of an answer or another net. Rename it.")
        rows.append(np.array([[float(level in members) for level in levels]]))
        names.append(net)
    return np.vstack(rows), names


def _labels(contexts: pd.DataFrame, answers: Sequence[object], term: str | list[str]) -> pd.DataFrame:
    """Labels context by context and, within one, answer by answer."""
    repeated = contexts.loc[contexts.index.repeat(len(answers))].reset_index(drop=True)
    return repeated.assign(term=term, level=pd.Series(list(answers) * len(contexts), dtype=object))


def _merged(labels: pd.DataFrame, averages: Sequence[Average], merge: FloatArray) -> Effects:
    """Averages followed by their merged answers."""
    return Effects(
        labels=labels,
        value=np.concatenate([merge @ one.value for one in averages]),
        influence=np.hstack([one.influence @ merge.T for one in averages]),
        replicated=np.hstack([one.replicated @ merge.T for one in averages]),
        n=np.repeat([one.n for one in averages], len(merge)),
    )


def _estimate(fit: OrdinalFit, effects: Effects, level: float) -> Estimate:
    """Estimate with the design's covariance and t intervals."""
    vcov = covariance(fit.cells, effects.value, effects.influence, lambda _: effects.replicated)
    return model_estimate(
        effects.labels,
        effects.value,
        vcov,
        df=fit.df,
        n=effects.n,
        level=level,
        whole_df=fit.df,
        whole_n=float(fit.n),
        left_out=fit.cells.left_out,
    )
