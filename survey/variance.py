"""One variance for every statistic: from influence values on cells to a covariance matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from survey.cells import Cells
from survey.design import BoolArray, FloatArray, IntArray, Stage
from survey.errors import LonelyPSUError, shown


def covariance(cells: Cells, influence: FloatArray) -> FloatArray:
    """Covariance of estimates by linearization, exact on cells.

    Influence values are replaced by their calibration residuals, summed to PSUs, and their spread around
    the stratum mean is scaled by (1 - n_h / N_h) n_h / (n_h - 1); the stages below add theirs, times the
    sampling fractions above them.

    Parameters
    ----------
    cells : C patterns of the design the influence values were computed under.
    influence : (C, k) influence of one respondent with each pattern, weight not included.

    Returns
    -------
    (k, k) covariance matrix, in squared units of the estimates.

    Raises
    ------
    LonelyPSUError : a stratum has one PSU and the design says lonely_psu="fail".

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd ed., ch. 6; Deville and Sarndal (1992), JASA 87:376.
    R equivalent: survey::svyrecvar.
    """
    values = calibration_residuals(cells, np.where(cells.inside[:, None], influence, 0.0))
    k = values.shape[1]
    result = np.zeros((k, k))
    last = cells.stages[-1]
    totals = np.zeros((0, k))
    for depth in range(len(cells.stages) - 1, -1, -1):
        stage = cells.stages[depth]
        if stage is last and stage.cluster is None:
            added, sums = _scatter_of_rows(cells, stage, values)
        else:
            if stage is last:
                totals = _cluster_totals(cells, stage, values)
            added, sums = _scatter_of_clusters(stage, totals, cells.lonely_psu)
        result += added
        if stage.parent is not None:
            totals = _sum_by(stage.parent, sums, int(_size(cells.stages[depth - 1])))
    return (result + result.T) / 2


def calibration_residuals(cells: Cells, influence: FloatArray) -> FloatArray:
    """(C, k) influence to go with the base weights: for each step, last to first, (u - x B) g.

    `B = (sum w x'x)^-1 sum w x'u` with the weights before the step; redundant auxiliaries are allowed.
    """
    for step in reversed(cells.calibrations):
        root = np.sqrt(step.weight)[:, None]
        slopes = np.linalg.lstsq(root * step.auxiliaries, root * influence, rcond=1e-10)[0]
        influence = (influence - step.auxiliaries @ slopes) * step.factor[:, None]
    return influence


def degrees_of_freedom(cells: Cells, membership: BoolArray) -> FloatArray:
    """(G,) PSUs minus strata that hold respondents of each domain.

    Parameters
    ----------
    membership : (C, G) patterns that belong to each domain.
    """
    first, last = cells.stages[0], cells.stages[-1]
    top = _top_cluster(cells)
    df = np.empty(membership.shape[1])
    for g in range(membership.shape[1]):
        chosen = (membership[:, g] & cells.inside)[cells.entry_pattern]
        if first.cluster is None:
            strata = np.unique(cells.entry_cluster[chosen]).size
            df[g] = cells.entry_n[chosen].sum() - strata
        else:
            clusters = np.unique(top[chosen])
            stratum_of = first.stratum_of if first.stratum_of is not None else last.stratum
            df[g] = clusters.size - np.unique(stratum_of[clusters]).size
    return df


def _top_cluster(cells: Cells) -> IntArray:
    """(E,) first-stage cluster of each entry."""
    cluster = cells.entry_cluster
    for depth in range(len(cells.stages) - 1, 0, -1):
        stage = cells.stages[depth]
        stratum = cluster if stage.stratum_of is None else stage.stratum_of[cluster]
        parent = stage.parent if stage.parent is not None else stratum
        cluster = parent[stratum]
    return cluster


def _size(stage: Stage) -> float:
    """Clusters sampled at a stage."""
    return float(stage.n_h.sum())


def _scale(stage: Stage) -> FloatArray:
    """(H,) factor of each stratum's sum of squares; zero for single-PSU strata, which have none."""
    several = stage.n_h > 1
    spread = np.divide(stage.n_h, stage.n_h - 1, out=np.zeros_like(stage.n_h), where=several)
    return stage.carried * (1.0 - stage.fraction) * spread


def _sum_by(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """(size, k) sums of (m, k) values by code."""
    picker = sparse.csr_array((np.ones(codes.size), (codes, np.arange(codes.size))), shape=(size, codes.size))
    totals: FloatArray = np.asarray(picker @ values)
    return totals


def _cluster_totals(cells: Cells, stage: Stage, values: FloatArray) -> FloatArray:
    """(P, k) weighted totals of the influence values by cluster of the last stage."""
    matrix = sparse.csr_array(
        (cells.entry_weight, (cells.entry_cluster, cells.entry_pattern)),
        shape=(int(_size(stage)), values.shape[0]),
    )
    totals: FloatArray = np.asarray(matrix @ values, dtype=np.float64)
    return totals


def _scatter_of_clusters(stage: Stage, totals: FloatArray, lonely_psu: str) -> tuple[FloatArray, FloatArray]:
    """(k, k) variance term of a stage, and (H, k) sums of the totals by stratum."""
    stratum = stage.stratum_of if stage.stratum_of is not None else stage.stratum
    sums = _sum_by(stratum, totals, stage.n_h.size)
    centred = totals - (sums / stage.n_h[:, None])[stratum]
    result = centred.T @ (_scale(stage)[stratum][:, None] * centred)
    return _with_lonely(stage, result, sums, lonely_psu), sums


def _scatter_of_rows(cells: Cells, stage: Stage, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same where each row is its own cluster, from the moments of the weights in each entry.

    Rows without an entry (outside the domain, weight zero) have influence zero but count in n_h.
    """
    scale = _scale(stage)
    at = values[cells.entry_pattern]
    sums = _sum_by(cells.entry_cluster, cells.entry_weight[:, None] * at, stage.n_h.size)
    means = sums / stage.n_h[:, None]
    entry_scale = scale[cells.entry_cluster]
    centred = (cells.entry_weight / cells.entry_n)[:, None] * at - means[cells.entry_cluster]
    absent = stage.n_h - np.bincount(cells.entry_cluster, weights=cells.entry_n, minlength=stage.n_h.size)
    result = centred.T @ ((entry_scale * cells.entry_n)[:, None] * centred)
    uneven = np.flatnonzero(cells.entry_scatter)  # entries of one respondent, or of equal weights, have none
    result += at[uneven].T @ ((entry_scale * cells.entry_scatter)[uneven, None] * at[uneven])
    result += means.T @ ((scale * absent)[:, None] * means)
    return _with_lonely(stage, result, sums, cells.lonely_psu), sums


def _with_lonely(stage: Stage, result: FloatArray, sums: FloatArray, rule: str) -> FloatArray:
    """Variance term of a stage with the contribution of its single-PSU strata, by the design's rule."""
    lonely = (stage.n_h == 1) & (stage.fraction < 1) & (stage.carried > 0)
    if not lonely.any() or rule in ("certainty", "remove"):
        return result
    if rule == "fail":
        labels = stage.stratum_labels[lonely]
        raise LonelyPSUError(
            f"`strata` must hold two PSUs each to estimate a variance; {lonely.sum()} of {lonely.size} have one: "
            f"{', '.join(map(shown, labels[:8]))}{', ...' if labels.size > 8 else ''}. Merge strata, or choose "
            'lonely_psu="adjust", "average", "certainty" or "remove".'
        )
    if rule == "average":
        averaged: FloatArray = result * (lonely.size / np.count_nonzero(~lonely))
        return averaged
    clusters = stage.n_h.sum()
    centred = sums[lonely] - sums.sum(axis=0) / clusters
    factor = (stage.carried * (1.0 - stage.fraction))[lonely]
    result = result + centred.T @ (factor[:, None] * centred)
    return result
