"""Predicted probabilities and average effects of ordinal models, with design-based covariance.

Never called "margins": a margin is a raking target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from survey.design import BoolArray, FloatArray
from survey.errors import EstimationError
from survey.estimates import Estimate, as_names, by_names, check_level, refuse_reserved, t_interval
from survey.intervals import proportion_interval
from survey.links import LINKS, log_difference
from survey.model_matrix import ModelMatrix
from survey.ordinal import OrdinalFit
from survey.predictors import Predictors, limits, location_sums, spread, thresholds
from survey.statistics import domains
from survey.variance import covariance

Covariates = Literal["fixed", "estimated"]
Others = Literal["observed", "means"]
CENTRAL = (1.0, -8.0, 0.0, 8.0, -1.0)  # five-point differences, twelfths (Abramowitz and Stegun 25.3.6)
ONE_SIDED = (-25.0, 48.0, -36.0, 16.0, -3.0)
SMOOTH = 1e-3  # change on halving the step, relative to the largest slope, that is curvature and not a jump
Nets = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Respondents averaged over: `inside` (C,) patterns of the cells, `weight` (L,) of the L patterns of the fit."""

    labels: dict[str, object]
    inside: BoolArray
    weight: FloatArray

    @property
    def share(self) -> FloatArray:
        """(L,) share of each pattern of the fit; zero outside the group."""
        share: FloatArray = self.weight / self.weight.sum()
        return share


@dataclass(frozen=True, slots=True, eq=False)
class _Average:
    """An average over the respondents of a group, per answer.

    `value` (K,); `influence` (C, K) of one respondent with each pattern; `replicated` (R, K) in the replicates.
    """

    value: FloatArray
    influence: FloatArray
    replicated: FloatArray
    n: float


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
    profiles = _profiles(at)
    _check_profiles(fit, profiles)
    check_level(level)
    _check_covariates(covariates)
    if others not in get_args(Others):
        raise EstimationError(f'`others` must be "observed" or "means"; got {others!r}.')
    if others == "means" and covariates == "estimated":
        raise EstimationError('`covariates` must be "fixed" with others="means"; the means are taken as given.')
    merge, answers = _merge(fit, nets)
    groups = _groups(fit, by, [str(name) for name in profiles.columns])
    averages = []
    for group in groups:
        for position in range(len(profiles)):
            setting = {str(name): profiles[name].iloc[position] for name in profiles.columns}
            averages.append(
                _at_means(fit, setting, group)
                if others == "means"
                else _average(fit, _set(fit, setting), covariates, group)
            )
    contexts = _contexts(groups, profiles)
    made = _estimate(fit, _labels(contexts, answers, fit.outcome), averages, merge, level)
    low, high = proportion_interval(np.clip(made.value, 0, 1), made.std_error, made.n, made.df, level, "logit")
    return replace(made, conf_low=low, conf_high=high)


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
    merge, answers = _merge(fit, nets)
    check_level(level)
    _check_covariates(covariates)
    variables = as_names(variable, "variable")
    if not variables:
        raise EstimationError("`variable` must name at least one covariate; got none.")
    for name in variables:
        if name not in fit.cells.frame.columns or name == fit.outcome:
            known = [column for column in fit.cells.frame.columns if column != fit.outcome]
            raise EstimationError(f"`variable` must be a covariate of the formula; {name!r} is not among {known}.")
    groups = _groups(fit, by, [])
    averages: dict[int, list[_Average]] = {i: [] for i in range(len(groups))}
    contrasts, terms = [], []
    for name in variables:
        if name in fit.parts.dtypes:
            first, *rest = fit.parts.dtypes[name].categories
            settings = [_set(fit, {name: value}) for value in (first, *rest)]
            for i, group in enumerate(groups):
                base, *moved = (_average(fit, setting, covariates, group) for setting in settings)
                averages[i] += [_difference(one, base) for one in moved]
            contrasts += [f"{other} - {first}" for other in rest]
            terms += [name] * len(rest)
        else:
            change = _change(fit, name)
            for i, group in enumerate(groups):
                averages[i].append(_average_slope(fit, change, covariates, group))
            contrasts.append(f"per unit of {name}")
            terms.append(name)
    contexts = _contexts(groups, pd.DataFrame({"contrast": contrasts, "term": terms}))
    labels = _labels(contexts.drop(columns="term"), answers, contexts["term"].repeat(len(answers)).to_list())
    return _estimate(fit, labels, [one for own in averages.values() for one in own], merge, level)


def _groups(fit: OrdinalFit, by: str | Sequence[str] | None, settings: Sequence[str]) -> list[_Group]:
    """Groups of respondents that the by-variables make; one of all without them."""
    names = by_names(by)
    known = [name for name in fit.cells.frame.columns if name != fit.outcome]
    unknown = [name for name in names if name not in known or name in settings]
    if unknown:
        raise EstimationError(
            f"`by` must name covariates of the model that `at` does not set; {unknown} not among "
            f"{[name for name in known if name not in settings]}. Add the variable to the formula."
        )
    found = domains(fit.cells, names)
    live = fit.cells.inside
    return [
        _Group(
            {str(name): found.labels[name].iloc[i] for name in found.labels.columns},
            member,
            np.where(member, fit.cells.weight, 0.0)[live],
        )
        for i, member in enumerate(found.indicator.T)
    ]


def _contexts(groups: Sequence[_Group], rows: pd.DataFrame) -> pd.DataFrame:
    """Rows repeated for each group, with the labels of the group first."""
    if not groups[0].labels:
        return rows
    parts = []
    for group in groups:
        own = pd.DataFrame({name: [value] * len(rows) for name, value in group.labels.items()}, index=rows.index)
        parts.append(pd.concat([own, rows], axis=1))
    return pd.concat(parts, ignore_index=True)


def _check_covariates(covariates: str) -> None:
    """Raise unless the treatment of the covariates is known."""
    if covariates not in get_args(Covariates):
        raise EstimationError(f'`covariates` must be "fixed" or "estimated"; got {covariates!r}.')


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
            raise EstimationError(f"`at` must give covariates of the formula; {name!r} is not among {known}.")
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
        unknown = [member for member in members if member not in levels]
        if unknown or not members:
            raise EstimationError(f"`nets[{net!r}]` must merge answers of the outcome; {unknown} not among {levels}.")
        rows.append(np.array([[float(level in members) for level in levels]]))
        names.append(net)
    return np.vstack(rows), names


def _labels(contexts: pd.DataFrame, answers: Sequence[object], term: str | list[str]) -> pd.DataFrame:
    """Labels context by context and, within one, answer by answer."""
    repeated = contexts.loc[contexts.index.repeat(len(answers))].reset_index(drop=True)
    return repeated.assign(term=term, level=pd.Series(list(answers) * len(contexts), dtype=object))


def _probabilities(fit: OrdinalFit, predictors: Predictors, params: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(L, K) probabilities of the answers, and the (L, q) limits between them.

    Raises
    ------
    EstimationError : thresholds that cross, so that an answer would have a negative probability.
    """
    own = fit.parameters(params)
    if predictors.nominal.shape[1] and np.diff(thresholds(predictors, own.thresholds), axis=1).min(initial=1.0) <= 0:
        raise EstimationError(
            "`at`: thresholds cross at a profile, or in a replicate of the design, so that an answer would have a "
            "negative probability: the nominal effects are extrapolated. Choose profiles nearer to the respondents."
        )
    at = limits(predictors, own)
    ends = np.full((len(at), 1), np.inf)
    return np.exp(log_difference(LINKS[fit.link], np.hstack([at, ends]), np.hstack([-ends, at]))), at


def _by_answer(by_limit: FloatArray) -> FloatArray:
    """Differences between neighbouring limits along the first axis, those at infinity being constant: q to K rows."""
    padded = np.concatenate([np.zeros((1, *by_limit.shape[1:])), by_limit, np.zeros((1, *by_limit.shape[1:]))])
    result: FloatArray = np.diff(padded, axis=0)
    return result


def _density(fit: OrdinalFit, at: FloatArray) -> FloatArray:
    """(L, q) density at the limits."""
    with np.errstate(over="ignore"):
        density: FloatArray = np.exp(LINKS[fit.link].log_pdf(at))
    return density


def _set(fit: OrdinalFit, setting: Mapping[str, object]) -> Predictors:
    """Columns of the respondents' patterns with some covariates set."""
    frame = fit.cells.frame[fit.cells.inside]
    return fit.parts.predictors(frame.assign(**{name: _filled(frame, name, value) for name, value in setting.items()}))


def _filled(frame: pd.DataFrame, name: str, value: object) -> pd.Series[Any]:
    """Column that holds one value: a level of a categorical covariate, a number otherwise."""
    dtype = frame[name].dtype
    categorical = isinstance(dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(dtype)
    return pd.Series([value] * len(frame), index=frame.index, dtype=dtype if categorical else np.float64)


def _gradient(fit: OrdinalFit, predictors: Predictors, at: FloatArray, share: FloatArray) -> FloatArray:
    """(K, k) derivative of average probabilities by the parameters, in the order of `fit.params`."""
    own = fit.parameters(_array(fit.params))
    weighted = share[:, None] * _density(fit, at)
    by_threshold, by_slope = location_sums(predictors, weighted / spread(predictors, own.scale)[:, None])
    by_scale = -(weighted * at).T @ predictors.scale
    return _by_answer(np.hstack([by_slope, by_threshold, by_scale]))


def _average(fit: OrdinalFit, predictors: Predictors, covariates: Covariates, group: _Group) -> _Average:
    """Average probabilities of a group with given columns."""
    value, at = _probabilities(fit, predictors, _array(fit.params))
    average = group.share @ value
    influence = _influence(fit, _gradient(fit, predictors, at, group.share), value - average, covariates, group)

    def under(params: FloatArray, weight: FloatArray) -> FloatArray:
        """(K,) average under the parameters and weights of a replicate."""
        used = weight != 0
        moved: FloatArray = weight[used] @ _probabilities(fit, predictors.rows(used), params)[0] / weight.sum()
        return moved

    return _Average(
        average, influence, _replicated(fit, under, covariates, group), float(fit.cells.n[group.inside].sum())
    )


def _at_means(fit: OrdinalFit, setting: Mapping[str, object], group: _Group) -> _Average:
    """Probabilities at one profile: covariates that are not set are at their means in the group."""
    frame, share = fit.cells.frame[fit.cells.inside], group.share
    offset = np.zeros(1)
    if fit.parts.offset is not None:
        given = setting.get(fit.parts.offset)
        known = share @ fit.predictors.offset[fit.cells.inside]
        offset[0] = known if given is None else np.asarray(given, dtype=np.float64)
    location, nominal, scale = (matrix.at_means(frame, share, setting)[None, :] for matrix in fit.parts.matrices())
    profile = Predictors(location, nominal, scale, offset, fit.parts.structure)
    value, at = _probabilities(fit, profile, _array(fit.params))
    influence = fit.influence @ _gradient(fit, profile, at, np.ones(1)).T
    replicated = [_probabilities(fit, profile, params)[0][0] for params in fit.replicated]
    return _Average(
        value[0], influence, np.array(replicated).reshape(-1, value.shape[1]), float(fit.cells.n[group.inside].sum())
    )


def _influence(
    fit: OrdinalFit, gradient: FloatArray, deviation: FloatArray, covariates: Covariates, group: _Group
) -> FloatArray:
    """(C, K) influence of averages: through the parameters and, where estimated, through who was sampled."""
    influence = fit.influence @ gradient.T
    if covariates == "estimated":
        among = group.inside[fit.cells.inside]
        influence[group.inside] += deviation[among] / group.weight.sum()
    return influence


def _replicated(
    fit: OrdinalFit, under: Callable[[FloatArray, FloatArray], FloatArray], covariates: Covariates, group: _Group
) -> FloatArray:
    """(R, K) averages in the replicates; their weights count where covariates are estimated."""
    if len(fit.replicated) == 0:
        return np.zeros((0, len(fit.levels)))
    weights = [group.weight] * len(fit.replicated)
    if covariates == "estimated":
        inside = fit.cells.inside
        weights = list(np.where(group.inside[inside][:, None], fit.cells.replicate_weight[inside], 0.0).T)
        absent = sum(not weight.sum() > 0 for weight in weights)
        if absent:
            raise EstimationError(
                f"`by`: nobody of a group has a weight in {absent} of {len(weights)} replicates, so that its average "
                'does not exist there. Merge groups, or use covariates="fixed".'
            )
    return np.array([under(params, weight) for params, weight in zip(fit.replicated, weights, strict=True)])


def _change(fit: OrdinalFit, variable: str) -> Predictors:
    """Derivatives of the columns of the respondents' patterns by a numeric covariate."""
    size = int(fit.cells.inside.sum())
    location, nominal, scale = (_column_slopes(fit, matrix, variable) for matrix in fit.parts.matrices())
    offset = np.full(size, float(fit.parts.offset == variable))
    return Predictors(location, nominal, scale, offset, fit.parts.structure)


def _average_slope(fit: OrdinalFit, change: Predictors, covariates: Covariates, group: _Group) -> _Average:
    """Average derivatives by a numeric covariate, given the derivatives of the columns.

    The derivative of a limit `a = (theta(z) - x b - o) / c` with `c = exp(s g)` is `a' = (theta(z') - x' b - o') / c -
    a s'g`, where theta(z') leaves the constant out.
    """
    predictors = fit.predictors.rows(fit.cells.inside)
    own = fit.parameters(_array(fit.params))
    at = limits(predictors, own)
    move = _limit_slopes(fit, predictors, change, _array(fit.params))
    density = _density(fit, at)
    bend = LINKS[fit.link].pdf_slope(at) * density  # f'
    effects = _by_answer((density * move).T).T
    share = group.share[:, None]
    wider = (change.scale @ own.scale)[:, None]
    inverse = 1 / spread(predictors, own.scale)[:, None]
    by_threshold, by_slope = location_sums(predictors, share * (bend * move - density * wider) * inverse)
    more_threshold, more_slope = location_sums(change, share * density * inverse, constant=0.0)
    by_scale = -(share * (bend * move * at + density * move)).T @ predictors.scale
    by_scale -= (share * density * at).T @ change.scale
    gradient = _by_answer(np.hstack([by_slope + more_slope, by_threshold + more_threshold, by_scale]))
    value = group.share @ effects
    influence = _influence(fit, gradient, effects - value, covariates, group)

    def under(params: FloatArray, weight: FloatArray) -> FloatArray:
        """(K,) average derivative under the parameters and weights of a replicate."""
        moved = _density(fit, limits(predictors, fit.parameters(params)))
        moved *= _limit_slopes(fit, predictors, change, params)
        average: FloatArray = _by_answer(moved.T @ weight) / weight.sum()
        return average

    return _Average(
        value, influence, _replicated(fit, under, covariates, group), float(fit.cells.n[group.inside].sum())
    )


def _limit_slopes(fit: OrdinalFit, predictors: Predictors, change: Predictors, params: FloatArray) -> FloatArray:
    """(L, q) derivatives of the limits by a covariate."""
    own = fit.parameters(params)
    r = fit.parts.structure.shape[1]
    moved = change.nominal @ own.thresholds[r:].reshape(-1, r) @ fit.parts.structure.T
    moved = moved - (change.location @ own.slopes + change.offset)[:, None]
    moved = moved / spread(predictors, own.scale)[:, None]
    if change.scale.shape[1]:
        moved = moved - limits(predictors, own) * (change.scale @ own.scale)[:, None]
    return moved


def _column_slopes(fit: OrdinalFit, matrix: ModelMatrix, variable: str) -> FloatArray:
    """(L, p) derivatives of the columns by a numeric covariate, by differences of fourth order.

    Where every factor is a plain column these are linear in the covariate and one step of a power of two gives the
    derivative to rounding. Otherwise each pattern has a step in proportion to its own value, one-sided at the ends
    of the observed range (splines are defined nowhere else), and halving it must not change the result.
    """
    frame = fit.cells.frame[fit.cells.inside]
    if not matrix.uses(variable):
        return np.zeros((len(frame), len(matrix.columns)))
    x = frame[variable].astype(np.float64).to_numpy()
    size = float(np.abs(x).max())
    if matrix.is_plain:
        step = 2.0 ** np.floor(np.log2(size)) if size > 0 else 1.0
        up, down = (matrix.evaluate(frame.assign(**{variable: x + sign * step})) for sign in (1, -1))
        return (up - down) / (2 * step)
    if matrix.encodes_as_levels(variable):
        raise EstimationError(
            f"`variable`: {variable!r} enters the formula as levels, so it has no slope. Make it a categorical "
            "column; its effects are then differences between levels."
        )
    steps = 1e-3 * np.maximum(np.abs(x), 1e-3 * max(float(x.std()), 1e-12))
    one, other = (
        _difference_quotient(matrix, frame, variable, steps),
        _difference_quotient(matrix, frame, variable, steps / 2),
    )
    scale = np.abs(other).max(axis=0)
    if not scale.any() or (np.abs(one - other) > SMOOTH * np.maximum(scale, 1e-6 * scale.max())).any():
        raise EstimationError(
            f"`variable`: the formula jumps or is flat in {variable!r}, so an average slope means nothing. Compare "
            "`predicted_probabilities` at chosen values instead."
        )
    return other


def _difference_quotient(matrix: ModelMatrix, frame: pd.DataFrame, variable: str, steps: FloatArray) -> FloatArray:
    """(C, p) five-point differences with a step per pattern, one-sided at the ends of the observed range."""
    x = frame[variable].astype(np.float64).to_numpy()
    low, high = x - 2 * steps < x.min(), x + 2 * steps > x.max()
    direction = np.where(high & ~low, -1.0, 1.0)
    sided = low | high
    total: FloatArray = np.zeros((len(x), len(matrix.columns)))
    for i in range(5):
        offset = np.where(sided, direction * i, i - 2)
        weight = np.where(sided, direction * ONE_SIDED[i], CENTRAL[i]) / (12 * steps)
        total += weight[:, None] * matrix.evaluate(frame.assign(**{variable: x + offset * steps}))
    return total


def _estimate(
    fit: OrdinalFit, labels: pd.DataFrame, averages: Sequence[_Average], merge: FloatArray, level: float
) -> Estimate:
    """Estimate of averages and their merged answers, with the design's covariance and t intervals."""
    value = np.concatenate([merge @ average.value for average in averages])
    influence = np.hstack([average.influence @ merge.T for average in averages])
    replicated = np.hstack([average.replicated @ merge.T for average in averages])
    vcov = covariance(fit.cells, value, influence, lambda _: replicated)
    k = value.size
    df, n = np.full(k, fit.df), np.repeat([average.n for average in averages], len(merge))
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
        left_out=fit.cells.left_out,
    )


def _difference(one: _Average, other: _Average) -> _Average:
    """Difference of two averages."""
    return _Average(one.value - other.value, one.influence - other.influence, one.replicated - other.replicated, one.n)


def _array(values: pd.Series[float]) -> FloatArray:
    """Values of a Series."""
    array: FloatArray = np.asarray(values, dtype=np.float64)
    return array
