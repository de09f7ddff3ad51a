"""Sampling designs: weights, strata, stages of clusters, population sizes, domains and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survey.errors import DesignError, shown

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
LonelyPSU = Literal["fail", "adjust", "average", "certainty", "remove"]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One stage of sampling: `n_h` clusters taken in each of H strata.

    Attributes
    ----------
    stratum : (n,) stratum of each row, numbered over the whole stage; a stratum lies within one cluster
        of the stage above.
    stratum_labels : (H,) how the user calls each stratum.
    cluster : (n,) cluster of each row, numbered over the whole stage; None where each row is its own cluster.
    stratum_of : (P,) stratum of each cluster; None where each row is its own cluster.
    parent : (H,) cluster of the stage above that each stratum lies in; None at the first stage.
    n_h : (H,) sampled clusters.
    fraction : (H,) sampling fraction, n_h / N_h; zero where sampling was with replacement.
    carried : (H,) product of the sampling fractions of the stages above.
    """

    stratum: IntArray
    stratum_labels: NDArray[np.object_]
    cluster: IntArray | None
    stratum_of: IntArray | None
    parent: IntArray | None
    n_h: FloatArray
    fraction: FloatArray
    carried: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How one step of weighting tied the weights to known population margins.

    Attributes
    ----------
    method : "rake" or "poststratify".
    margins : the variables of each margin, in the order they were given.
    targets : per margin, a Series of population totals indexed by level.
    before : (n,) weights before this step.
    after : (n,) weights after this step.
    iterations : passes over the margins.
    largest_gap : largest remaining distance from a target, as a share of the total.
    """

    method: str
    margins: tuple[tuple[str, ...], ...]
    targets: tuple[pd.Series[float], ...]
    before: FloatArray
    after: FloatArray
    iterations: int
    largest_gap: float

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables that the margins are made of, each once."""
        return tuple(dict.fromkeys(name for margin in self.margins for name in margin))


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A sample and how it was drawn; every estimate starts from one.

    Parameters
    ----------
    data : one row per respondent (pandas, or any table that Narwhals can turn into pandas).
    weight : column of weights. None: the inverse of the sampling fractions where `fpc` is given, else 1.
    strata : column of strata, or one per stage. None: no stratification.
    psu : column of primary sampling units. None: each row is its own PSU.
    ssu : column, or columns, of the sampling units of the stages below.
    fpc : population sizes (numbers of clusters) or sampling fractions, one column per stage.
        None: the first stage was drawn with replacement.
    nest : "True" relabels PSUs within strata, for files that number them anew in each stratum.
    lonely_psu : rule for a stratum with a single PSU: "fail", "adjust", "average", "certainty" or "remove".

    Attributes
    ----------
    frame : the data, as pandas.
    weights : (n_rows,) weights in use; zero outside the domain.
    base_weights : (n_rows,) weights before any calibration.
    calibrations : the steps that made the weights in use from the base weights, first to last.
    in_domain : (n_rows,) rows of the domain, or None for the whole sample.
    n : respondents with a positive weight, in the domain.
    df : design degrees of freedom, PSUs minus strata, in the domain.

    Raises
    ------
    DesignError : the columns are not there, or hold values that no design can have.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd ed., ch. 1-2.
    R equivalent: survey::svydesign.
    """

    data: pd.DataFrame
    weight: str | None = None
    strata: str | Sequence[str] | None = None
    psu: str | None = None
    ssu: str | Sequence[str] | None = None
    fpc: str | Sequence[str] | None = None
    nest: bool = False
    lonely_psu: LonelyPSU = "fail"
    stages: tuple[Stage, ...] = field(default=(), kw_only=True, repr=False)
    base_weights: FloatArray = field(default_factory=lambda: np.empty(0), kw_only=True, repr=False)
    calibrations: tuple[Calibration, ...] = field(default=(), kw_only=True, repr=False)
    in_domain: BoolArray | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.stages:
            return  # made by `replace` from a design that was checked
        frame = _as_pandas(self.data)
        if self.lonely_psu not in get_args(LonelyPSU):
            raise DesignError(f"`lonely_psu` must be one of {', '.join(get_args(LonelyPSU))}; got {self.lonely_psu!r}.")
        strata, fpc = _names(self.strata), _names(self.fpc)
        clusters = [*_names(self.psu), *_names(self.ssu)]
        if self.ssu is not None and self.psu is None:
            raise DesignError("`ssu` names units below the PSUs, but `psu` is None. Give `psu` as well.")
        for argument, names in (("strata", strata), ("psu/ssu", clusters), ("fpc", fpc)):
            if len(names) > max(len(clusters), 1):
                raise DesignError(
                    f"`{argument}` names {len(names)} stages, but the design has {max(len(clusters), 1)}. "
                    "Give at most one column per stage."
                )
            for name in names:
                _check_column(frame, name, argument)
        stages, probability = _stages(frame, strata, clusters, fpc, nest=self.nest)
        if self.weight is not None:
            weights = _weights(frame, self.weight)
        else:
            if fpc and len(fpc) < len(clusters):
                raise DesignError(
                    f"`weight` is None, so `fpc` must give the fractions of all {len(clusters)} stages; it names "
                    f"{len(fpc)}. Name a weight column or the missing population sizes."
                )
            weights = np.ones(len(frame)) if not fpc else 1.0 / probability
        weights.flags.writeable = False
        for name, value in (("data", frame), ("stages", stages), ("base_weights", weights)):
            object.__setattr__(self, name, value)

    @property
    def frame(self) -> pd.DataFrame:
        """The data, one row per respondent; rows outside the domain included."""
        return self.data

    @property
    def full_weights(self) -> FloatArray:
        """(n_rows,) weights after the last calibration, whatever the domain."""
        return self.calibrations[-1].after if self.calibrations else self.base_weights

    @property
    def weights(self) -> FloatArray:
        """(n_rows,) weights in use: after the last calibration, zero outside the domain."""
        weights = self.full_weights
        if self.in_domain is None:
            return weights
        weights = np.where(self.in_domain, weights, 0.0)
        weights.flags.writeable = False
        return weights

    @property
    def n(self) -> int:
        """Respondents with a positive weight in the domain."""
        return int(np.count_nonzero(self.weights))

    @property
    def df(self) -> float:
        """Design degrees of freedom: PSUs minus strata that hold respondents of the domain."""
        alive = self.weights > 0
        first = self.stages[0]
        clusters = alive.sum() if first.cluster is None else np.unique(first.cluster[alive]).size
        return float(clusters - np.unique(first.stratum[alive]).size)

    def domain(self, condition: str | pd.Series[bool] | BoolArray) -> Design:
        """Restrict estimates to a domain; its complement keeps its rows, with weight zero.

        Parameters
        ----------
        condition : expression over the columns, as for `pandas.DataFrame.query`, or a Boolean value per
            row. A comparison with a missing value is false: the row is outside.

        Returns
        -------
        The same design, within the domain; a domain of a domain is their intersection.

        Raises
        ------
        DesignError : the condition cannot be evaluated, is not Boolean, or no respondent meets it.
        """
        inside = _condition(self.frame, condition)
        if self.in_domain is not None:
            inside = inside & self.in_domain
        if not (self.full_weights[inside] > 0).any():
            shown = repr(condition) if isinstance(condition, str) else "the condition"
            raise DesignError(
                f"`condition` must hold for someone; {shown} is true for no respondent with a positive "
                "weight. Check the spelling of its levels."
            )
        inside.flags.writeable = False
        return replace(self, in_domain=inside)


def _as_pandas(data: Any) -> pd.DataFrame:
    """Data as a pandas frame that later edits of the caller's table cannot reach."""
    if not isinstance(data, pd.DataFrame):
        try:
            data = nw.from_native(data, eager_only=True).to_pandas()
        except TypeError as error:
            raise DesignError(
                f"`data` must be a table (pandas, Polars, PyArrow ...); got {type(data).__name__}."
            ) from error
    if len(data) == 0:
        raise DesignError("`data` must hold at least one respondent; the table has no rows.")
    if not data.columns.is_unique:
        twice = sorted(set(data.columns[data.columns.duplicated()]))
        raise DesignError(f"`data` must have unique column names; found twice: {twice}. Rename one of each.")
    frame: pd.DataFrame = data.copy(deep=False)
    return frame


def _names(names: str | Sequence[str] | None) -> list[str]:
    """Argument that is a name, several names or nothing, as a list."""
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _check_column(frame: pd.DataFrame, name: str, argument: str) -> None:
    """Raise unless the column exists and has no missing value."""
    if name not in frame.columns:
        raise DesignError(
            f"`{argument}` must name a column of the data; {name!r} is not among {list(frame.columns)[:20]}."
        )
    missing = frame[name].isna().to_numpy()
    if missing.any():
        raise DesignError(
            f"`{argument}` must be known for every row; {name!r} is missing in {missing.sum()} rows, first "
            f"in row {shown(frame.index[int(missing.argmax())])}. Fill it in, or remove those rows."
        )


def _weights(frame: pd.DataFrame, name: str) -> FloatArray:
    """Weights as a (n,) array; zero is allowed, negative, missing and infinite weights are not."""
    if name not in frame.columns:
        raise DesignError(f"`weight` must name a column of the data; {name!r} is not among {list(frame.columns)[:20]}.")
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DesignError(f"`weight` must be numeric; column {name!r} has type {column.dtype}.")
    weights = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    for wrong, what, remedy in (
        (np.isnan(weights), "missing", "Give every respondent a weight, or zero"),
        (np.isinf(weights), "infinite", "Correct the weighting that made it"),
        (weights < 0, "negative", "Weights are never negative: correct the weighting that made it"),
    ):
        if wrong.any():
            first = int(wrong.argmax())
            raise DesignError(
                f"`weight` must be finite and at least zero; {name!r} is {what} in {wrong.sum()} of "
                f"{weights.size} rows, first in row {shown(frame.index[first])} ({weights[first]}). {remedy}."
            )
    if not weights.any():
        raise DesignError(f"`weight` must be positive for someone; {name!r} is zero in all {weights.size} rows.")
    return weights


def _stages(
    frame: pd.DataFrame, strata: list[str], clusters: list[str], fpc: list[str], *, nest: bool
) -> tuple[tuple[Stage, ...], FloatArray]:
    """Stages that contribute to the variance, and each row's sampling probability by the `fpc`."""
    n = len(frame)
    stages: list[Stage] = []
    probability = np.ones(n)
    parent_rows: IntArray | None = None
    for level in range(max(len(clusters), 1)):
        stratum_keys = [] if parent_rows is None else [parent_rows]
        if level < len(strata):
            stratum_keys.append(_codes(frame[strata[level]]))
        stratum, first_rows = _combine(stratum_keys, n)
        if level < len(strata):
            labels = frame[strata[level]].to_numpy(dtype=object)[first_rows]
        elif level > 0:
            labels = frame[clusters[level - 1]].to_numpy(dtype=object)[first_rows]
        else:
            labels = np.array(["the whole sample"], dtype=object)
        if clusters:
            cluster, stratum_of = _clusters(frame, clusters[level], stratum, labels, nest=nest or level > 0)
        else:
            cluster, stratum_of = np.arange(n), stratum
        n_h = np.bincount(stratum_of, minlength=first_rows.size).astype(np.float64)
        fraction = np.zeros(first_rows.size)
        if level < len(fpc):
            fraction = _fractions(frame, fpc[level], stratum, labels, n_h)
        carried = probability.copy()  # the stages above
        probability *= fraction[stratum]
        if not carried.any():
            continue  # below a first stage drawn with replacement nothing adds to the variance
        single_rows = cluster.size == stratum_of.size and level + 1 >= len(clusters)
        stages.append(
            Stage(
                stratum=stratum,
                stratum_labels=labels,
                cluster=None if single_rows else cluster,
                stratum_of=None if single_rows else stratum_of,
                parent=None if parent_rows is None else parent_rows[first_rows],
                n_h=n_h,
                fraction=fraction,
                carried=carried[first_rows],
            )
        )
        parent_rows = cluster
    return tuple(stages), probability


def _codes(column: pd.Series[Any]) -> IntArray:
    """Integer code of each value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.intp)
    return pd.factorize(column)[0].astype(np.intp)


def _combine(keys: Sequence[IntArray], n: int) -> tuple[IntArray, IntArray]:
    """(n,) codes of the combinations of keys, numbered densely, and the first row of each."""
    if not keys:
        return np.zeros(n, dtype=np.intp), np.zeros(1, dtype=np.intp)
    combined = keys[0]
    for key in keys[1:]:
        combined = combined * (int(key.max()) + 1) + key
    codes, uniques = pd.factorize(combined)
    first = np.empty(len(uniques), dtype=np.intp)
    first[codes[::-1]] = np.arange(n - 1, -1, -1)
    return codes.astype(np.intp), first


def _clusters(
    frame: pd.DataFrame, name: str, stratum: IntArray, labels: NDArray[np.object_], *, nest: bool
) -> tuple[IntArray, IntArray]:
    """(n,) clusters numbered over the stage and (P,) stratum of each; unnested labels are refused."""
    own = _codes(frame[name])
    cluster, first = _combine([stratum, own], len(frame))
    if not nest and cluster.max() > own.max():
        spread = np.bincount(np.unique(np.column_stack([own, cluster]), axis=0)[:, 0]) > 1
        row = int(np.isin(own, np.flatnonzero(spread)).argmax())
        where = labels[np.unique(stratum[own == own[row]])]
        raise DesignError(
            f"`psu` must lie within one stratum; {name!r} = {shown(frame[name].iloc[row])} occurs in strata "
            f"{', '.join(map(shown, where[:5]))}. If the file numbers PSUs anew in each stratum, use nest=True."
        )
    return cluster, stratum[first]


def _fractions(
    frame: pd.DataFrame, name: str, stratum: IntArray, labels: NDArray[np.object_], n_h: FloatArray
) -> FloatArray:
    """(H,) sampling fractions from population sizes (above 1) or fractions (at most 1)."""
    if not pd.api.types.is_numeric_dtype(frame[name].dtype):
        raise DesignError(f"`fpc` must be numeric; column {name!r} has type {frame[name].dtype}.")
    values = frame[name].to_numpy(dtype=np.float64)
    if (values <= 0).any():
        row = int((values <= 0).argmax())
        raise DesignError(
            f"`fpc` must be a positive population size or sampling fraction; {name!r} is {values[row]} in row "
            f"{shown(frame.index[row])}."
        )
    low, high = np.full(n_h.size, np.inf), np.full(n_h.size, -np.inf)
    np.minimum.at(low, stratum, values)
    np.maximum.at(high, stratum, values)
    if (low != high).any():
        h = int((low != high).argmax())
        raise DesignError(
            f"`fpc` must be constant within a stratum; {name!r} runs from {low[h]:g} to {high[h]:g} in stratum "
            f"{shown(labels[h])}."
        )
    are_fractions = low <= 1
    # a population of one, fully sampled, reads the same as a fraction of one
    if are_fractions.any() and (~are_fractions & (n_h > 0)).any() and (low[are_fractions] < 1).any():
        h = int((~are_fractions).argmax())
        raise DesignError(
            f"`fpc` must be all population sizes or all sampling fractions; {name!r} mixes {low[are_fractions][0]:g} "
            f"and {low[h]:g}."
        )
    fraction = np.where(are_fractions, low, n_h / low)
    if (fraction > 1 + 1e-12).any():
        h = int((fraction > 1 + 1e-12).argmax())
        raise DesignError(
            f"`fpc` must be at least the number of sampled units; stratum {shown(labels[h])} has {n_h[h]:g} units "
            f"sampled from {low[h]:g} by {name!r}."
        )
    return np.minimum(fraction, 1.0)


def _condition(frame: pd.DataFrame, condition: str | pd.Series[bool] | BoolArray) -> BoolArray:
    """Boolean value per row of a domain condition."""
    values: object = condition
    if isinstance(condition, str):
        try:
            values = frame.eval(condition)
        except (SyntaxError, NameError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DesignError(
                f"`condition` must be an expression over the columns; {condition!r} fails: {error}."
            ) from error
    values = np.asarray(values)
    if values.dtype != np.bool_ or values.shape != (len(frame),):
        raise DesignError(
            f"`condition` must give True or False for each of the {len(frame)} rows; got {values.dtype} of shape "
            f"{values.shape}."
        )
    return values.copy()
