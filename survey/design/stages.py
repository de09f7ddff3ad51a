"""Stages of sampling: strata, clusters and sampling fractions, from columns of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survey.arrays import FloatArray, IntArray
from survey.errors import DesignError, shown

ROUNDING = 1e-12  # by which a sampling fraction may exceed 1


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


def stages_of(
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
            cluster, stratum_of = _clusters(
                frame, clusters[level], stratum=stratum, labels=labels, nest=nest or level > 0
            )
        else:
            cluster = np.arange(n)
            stratum_of = stratum
        n_h = np.bincount(stratum_of, minlength=first_rows.size).astype(np.float64)
        fraction = np.zeros(first_rows.size)
        if level < len(fpc):
            fraction = _fractions(frame, fpc[level], stratum=stratum, labels=labels, n_h=n_h)
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
    frame: pd.DataFrame, name: str, *, stratum: IntArray, labels: NDArray[np.object_], nest: bool
) -> tuple[IntArray, IntArray]:
    """(n,) clusters numbered over the stage and (P,) stratum of each; unnested labels are refused."""
    label = _codes(frame[name])
    cluster, first = _combine([stratum, label], len(frame))
    if not nest and cluster.max() > label.max():  # some label stands in several strata
        pairs = np.unique(np.column_stack([label, cluster]), axis=0)
        spread = np.bincount(pairs[:, 0]) > 1
        row = int(np.isin(label, np.flatnonzero(spread)).argmax())
        where = labels[np.unique(stratum[label == label[row]])]
        raise DesignError(
            f"`psu` must lie within one stratum; {name!r} = {shown(frame[name].iloc[row])} occurs in strata "
            f"{', '.join(map(shown, where[:5]))}. If the file numbers PSUs anew in each stratum, use nest=True."
        )
    return cluster, stratum[first]


def _fractions(
    frame: pd.DataFrame, name: str, *, stratum: IntArray, labels: NDArray[np.object_], n_h: FloatArray
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
    low = np.full(n_h.size, np.inf)
    high = np.full(n_h.size, -np.inf)
    np.minimum.at(low, stratum, values)
    np.maximum.at(high, stratum, values)
    if (low != high).any():
        h = int((low != high).argmax())
        raise DesignError(
            f"`fpc` must be constant within a stratum; {name!r} runs from {low[h]:g} to {high[h]:g} in stratum "
            f"{shown(labels[h])}."
        )
    if (low > 1).any() and (low < 1).any():
        raise DesignError(
            f"`fpc` must be all population sizes or all sampling fractions; {name!r} mixes {low[low < 1][0]:g} and "
            f"{low[low > 1][0]:g}."
        )
    fraction: FloatArray = n_h / low if (low > 1).any() else low  # 1 beside sizes is a population of one
    too_many = fraction > 1 + ROUNDING
    if too_many.any():
        h = int(too_many.argmax())
        raise DesignError(
            f"`fpc` must be at least the number of sampled units; stratum {shown(labels[h])} has {n_h[h]:g} units "
            f"sampled from {low[h]:g} by {name!r}."
        )
    return np.minimum(fraction, 1.0)
