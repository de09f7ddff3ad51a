"""Averages of probabilities and of their changes over respondents, with their influence: what effects are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from survey.arguments import by_names
from survey.arrays import BoolArray, FloatArray
from survey.errors import EstimationError
from survey.estimation import domains_of
from survey.models.fitted import params_of
from survey.models.links import LINKS, log_difference
from survey.models.model_matrix import ModelMatrix
from survey.models.ordinal import OrdinalFit
from survey.models.predictors import Predictors, limits, location_sums, spread, thresholds

Covariates = Literal["fixed", "estimated"]
CENTRAL = (1.0, -8.0, 0.0, 8.0, -1.0)  # five-point differences, twelfths (Abramowitz and Stegun 25.3.6)
ONE_SIDED = (-25.0, 48.0, -36.0, 16.0, -3.0)
EXTRAPOLATED = {
    "at": "Choose profiles nearer to the respondents.",
    "variable": "Merge its levels, merge answers, or give it one slope for all divisions.",
}
SMOOTH = 1e-3  # change on halving the step, relative to the largest slope, that is curvature and not a jump


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Respondents averaged over, `n` in number.

    `inside` (C,) patterns of the cells; `weight` (L,) of the L patterns of the fit.
    """

    labels: dict[str, object]
    inside: BoolArray
    weight: FloatArray
    n: float

    @property
    def share(self) -> FloatArray:
        """(L,) share of each pattern of the fit; zero outside the group."""
        share: FloatArray = self.weight / self.weight.sum()
        return share


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """An average over the respondents of a group, per answer.

    `value` (K,); `influence` (C, K) of one respondent with each pattern; `replicated` (R, K) in the replicates.
    """

    value: FloatArray
    influence: FloatArray
    replicated: FloatArray
    n: float


def groups_of(fit: OrdinalFit, by: str | Sequence[str] | None, settings: Sequence[str]) -> list[Group]:
    """Groups of respondents that the by-variables make; one of all without them."""
    names = by_names(by)
    known = [name for name in fit.cells.frame.columns if name != fit.outcome]
    unknown = [name for name in names if name not in known or name in settings]
    if unknown:
        raise EstimationError(
            f"`by` must name covariates of the model that `at` does not set; {unknown} not among "
            f"{[name for name in known if name not in settings]}. Add the variable to the formula."
        )
    domains = domains_of(fit.cells, names)
    inside = fit.cells.inside
    return [
        Group(
            labels={str(name): domains.labels[name].iloc[i] for name in domains.labels.columns},
            inside=member,
            weight=np.where(member, fit.cells.weight, 0.0)[inside],
            n=float(fit.cells.n[member].sum()),
        )
        for i, member in enumerate(domains.indicator.T)
    ]


def check_covariates(covariates: str) -> None:
    """Raise unless the treatment of the covariates is known."""
    if covariates not in get_args(Covariates):
        raise EstimationError(f'`covariates` must be "fixed" or "estimated"; got {covariates!r}.')


def with_values(fit: OrdinalFit, setting: Mapping[str, object]) -> Predictors:
    """Columns of the respondents' patterns with some covariates set."""
    frame = fit.cells.frame[fit.cells.inside]
    return fit.parts.predictors(frame.assign(**{name: _filled(frame, name, value) for name, value in setting.items()}))


def _filled(frame: pd.DataFrame, name: str, value: object) -> pd.Series[Any]:
    """Column that holds one value: a level of a categorical covariate, a number otherwise."""
    dtype = frame[name].dtype
    categorical = isinstance(dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(dtype)
    return pd.Series([value] * len(frame), index=frame.index, dtype=dtype if categorical else np.float64)


def average(
    fit: OrdinalFit, predictors: Predictors, covariates: Covariates, group: Group, *, argument: str = "at"
) -> Average:
    """Average probabilities of a group with given columns, which came in as some argument."""
    value, at = _probabilities(fit, predictors, params=params_of(fit), argument=argument)
    average = group.share @ value
    influence = _influence(
        fit,
        _gradient(fit, predictors, at=at, share=group.share),
        deviation=value - average,
        covariates=covariates,
        group=group,
    )

    def under(params: FloatArray, weight: FloatArray) -> FloatArray:
        """(K,) average under the parameters and weights of a replicate."""
        used = weight != 0
        probabilities, _ = _probabilities(fit, predictors.rows(used), params=params, argument=argument)
        moved: FloatArray = weight[used] @ probabilities / weight.sum()
        return moved

    return Average(
        value=average,
        influence=influence,
        replicated=_replicated(fit, under, covariates=covariates, group=group),
        n=group.n,
    )


def average_at_means(fit: OrdinalFit, setting: Mapping[str, object], group: Group) -> Average:
    """Probabilities at one profile: covariates that are not set are at their means in the group."""
    frame = fit.cells.frame[fit.cells.inside]
    share = group.share
    offset = np.zeros(1)
    if fit.parts.offset is not None:
        given = setting.get(fit.parts.offset)
        known = share @ fit.predictors.offset[fit.cells.inside]
        offset[0] = known if given is None else np.asarray(given, dtype=np.float64)
    location, nominal, scale = (matrix.at_means(frame, share, setting)[None, :] for matrix in fit.parts.matrices())
    profile = Predictors(location=location, nominal=nominal, scale=scale, offset=offset, structure=fit.parts.structure)
    value, at = _probabilities(fit, profile, params_of(fit))
    influence = fit.influence @ _gradient(fit, profile, at=at, share=np.ones(1)).T
    replicated = [_probabilities(fit, profile, params)[0][0] for params in fit.replicated]
    return Average(
        value=value[0], influence=influence, replicated=np.array(replicated).reshape(-1, value.shape[1]), n=group.n
    )


def difference(one: Average, other: Average) -> Average:
    """Difference of two averages."""
    return Average(
        value=one.value - other.value,
        influence=one.influence - other.influence,
        replicated=one.replicated - other.replicated,
        n=one.n,
    )


def column_changes(fit: OrdinalFit, variable: str) -> Predictors:
    """Derivatives of the columns of the respondents' patterns by a numeric covariate."""
    size = int(fit.cells.inside.sum())
    location, nominal, scale = (_column_slopes(fit, matrix, variable) for matrix in fit.parts.matrices())
    offset = np.full(size, float(fit.parts.offset == variable))
    return Predictors(location=location, nominal=nominal, scale=scale, offset=offset, structure=fit.parts.structure)


def average_slope(fit: OrdinalFit, change: Predictors, covariates: Covariates, group: Group) -> Average:
    """Average derivatives by a numeric covariate, given the derivatives of the columns.

    The derivative of a limit `a = (theta(z) - x b - o) / c` with `c = exp(s g)` is `a' = (theta(z') - x' b - o') / c -
    a s'g`, where theta(z') leaves the constant out.
    """
    predictors = fit.predictors.rows(fit.cells.inside)
    parameters = fit.parameters(params_of(fit))
    at = limits(predictors, parameters)
    move = _limit_slopes(fit, predictors, change=change, params=params_of(fit))
    density = _density(fit, at)
    # average over respondents of d P(answer) / dx: F'(a) a' at the upper limit less the same at the lower one
    bend = LINKS[fit.link].pdf_slope(at) * density  # f'
    effects = _by_answer((density * move).T).T
    share = group.share[:, None]
    wider = (change.scale @ parameters.scale)[:, None]
    inverse = 1 / spread(predictors, parameters.scale)[:, None]
    by_threshold, by_slope = location_sums(predictors, share * (bend * move - density * wider) * inverse)
    more_threshold, more_slope = location_sums(change, share * density * inverse, constant=0.0)
    by_scale = -(share * (bend * move * at + density * move)).T @ predictors.scale
    by_scale -= (share * density * at).T @ change.scale
    gradient = _by_answer(np.hstack([by_slope + more_slope, by_threshold + more_threshold, by_scale]))
    value = group.share @ effects
    influence = _influence(fit, gradient, deviation=effects - value, covariates=covariates, group=group)

    def under(params: FloatArray, weight: FloatArray) -> FloatArray:
        """(K,) average derivative under the parameters and weights of a replicate."""
        moved = _density(fit, limits(predictors, fit.parameters(params)))
        moved *= _limit_slopes(fit, predictors, change=change, params=params)
        average: FloatArray = _by_answer(moved.T @ weight) / weight.sum()
        return average

    return Average(
        value=value,
        influence=influence,
        replicated=_replicated(fit, under, covariates=covariates, group=group),
        n=group.n,
    )


def _probabilities(
    fit: OrdinalFit, predictors: Predictors, params: FloatArray, argument: str = "at"
) -> tuple[FloatArray, FloatArray]:
    """(L, K) probabilities of the answers, and the (L, q) limits between them.

    Raises
    ------
    EstimationError : thresholds that cross, so that an answer would have a negative probability.
    """
    parameters = fit.parameters(params)
    gap = np.diff(thresholds(predictors, parameters.thresholds), axis=1)
    if predictors.nominal.shape[1] and gap.min(initial=1.0) <= 0:
        raise EstimationError(
            f"`{argument}`: thresholds cross at a profile, or in a replicate of the design, so that an answer would "
            f"have a negative probability: the nominal effects are extrapolated. {EXTRAPOLATED[argument]}"
        )
    at = limits(predictors, parameters)
    ends = np.full((len(at), 1), np.inf)
    return np.exp(log_difference(LINKS[fit.link], np.hstack([at, ends]), np.hstack([-ends, at]))), at


def _gradient(fit: OrdinalFit, predictors: Predictors, at: FloatArray, share: FloatArray) -> FloatArray:
    """(K, k) derivative of average probabilities by the parameters, in the order of `fit.params`."""
    parameters = fit.parameters(params_of(fit))
    weighted = share[:, None] * _density(fit, at)
    by_threshold, by_slope = location_sums(predictors, weighted / spread(predictors, parameters.scale)[:, None])
    by_scale = -(weighted * at).T @ predictors.scale
    return _by_answer(np.hstack([by_slope, by_threshold, by_scale]))


def _density(fit: OrdinalFit, at: FloatArray) -> FloatArray:
    """(L, q) density at the limits."""
    with np.errstate(over="ignore"):
        density: FloatArray = np.exp(LINKS[fit.link].log_pdf(at))
    return density


def _by_answer(by_limit: FloatArray) -> FloatArray:
    """Differences between neighbouring limits along the first axis, those at infinity being constant: q to K rows."""
    padded = np.concatenate([np.zeros((1, *by_limit.shape[1:])), by_limit, np.zeros((1, *by_limit.shape[1:]))])
    result: FloatArray = np.diff(padded, axis=0)
    return result


def _influence(
    fit: OrdinalFit, gradient: FloatArray, deviation: FloatArray, covariates: Covariates, group: Group
) -> FloatArray:
    """(C, K) influence of averages: through the parameters and, where estimated, through who was sampled."""
    # delta method for the parameters; whoever is averaged over moves the average by the own deviation from it
    influence = fit.influence @ gradient.T
    if covariates == "estimated":
        among = group.inside[fit.cells.inside]
        influence[group.inside] += deviation[among] / group.weight.sum()
    return influence


def _replicated(
    fit: OrdinalFit, under: Callable[[FloatArray, FloatArray], FloatArray], covariates: Covariates, group: Group
) -> FloatArray:
    """(R, K) averages in the replicates; their weights count where covariates are estimated."""
    if fit.cells.replicates is None:
        return np.zeros((0, len(fit.levels)))
    weights = [group.weight] * len(fit.replicated)
    if covariates == "estimated":
        inside = fit.cells.inside
        weights = list(np.where(group.inside[inside][:, None], fit.cells.replicates.weight[inside], 0.0).T)
        absent = sum(not weight.sum() > 0 for weight in weights)
        if absent:
            raise EstimationError(
                f"`by`: nobody of a group has a weight in {absent} of {len(weights)} replicates, so that its average "
                'does not exist there. Merge groups, or use covariates="fixed".'
            )
    return np.array([under(params, weight) for params, weight in zip(fit.replicated, weights, strict=True)])


def _limit_slopes(fit: OrdinalFit, predictors: Predictors, change: Predictors, params: FloatArray) -> FloatArray:
    """(L, q) derivatives of the limits by a covariate."""
    parameters = fit.parameters(params)
    r = fit.parts.structure.shape[1]
    moved = change.nominal @ parameters.thresholds[r:].reshape(-1, r) @ fit.parts.structure.T
    moved = moved - (change.location @ parameters.slopes + change.offset)[:, None]
    moved = moved / spread(predictors, parameters.scale)[:, None]
    if change.scale.shape[1]:
        moved = moved - limits(predictors, parameters) * (change.scale @ parameters.scale)[:, None]
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
    coarse = _difference_quotient(matrix, frame, variable, steps=steps)
    slopes = _difference_quotient(matrix, frame, variable, steps=steps / 2)
    scale = np.abs(slopes).max(axis=0)
    if not scale.any() or (np.abs(coarse - slopes) > SMOOTH * np.maximum(scale, 1e-6 * scale.max())).any():
        raise EstimationError(
            f"`variable`: the formula jumps or is flat in {variable!r}, so an average slope means nothing. Compare "
            "`predicted_probabilities` at chosen values instead."
        )
    return slopes


def _difference_quotient(matrix: ModelMatrix, frame: pd.DataFrame, variable: str, *, steps: FloatArray) -> FloatArray:
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
