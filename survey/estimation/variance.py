"""One variance for every statistic: from influence values on cells to a covariance matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import CalibrationCells, Cells, Replicates, Stage
from survey.errors import EstimationError, LonelyPSUError, shown
from survey.estimation.influence import Evaluate

Size = Literal["open", "known"]
ROUNDING = 1e-12  # norm of calibration residuals, relative to what they are residuals of, that is rounding error


def covariance(
    cells: Cells,
    value: FloatArray,
    influence: FloatArray,
    evaluate: Evaluate,
    *,
    membership: BoolArray | None = None,
    size: Size = "open",
) -> FloatArray:
    """Covariance of estimates, by linearization or, where the design has replicate weights, by replication.

    Parameters
    ----------
    cells : C patterns of the design that the estimates were made under.
    value : (k,) estimates.
    influence : (C, k) influence of one respondent with each pattern, weight not included.
    evaluate : from (C, R) weights to (R, k) estimates.
    membership : (C, k) patterns of the domain that each estimate is about; None for all that are counted. It matters
        only where the design adjusts for PSUs that a domain leaves alone in their stratum.
    size : "open": where targets were shares, totals vary with the size of the population; "known": they do not, for
        totals from which a hypothesis is tested that has nothing to do with the size.

    Returns
    -------
    (k, k) covariance matrix, in squared units of the estimates.

    Raises
    ------
    LonelyPSUError : a stratum has one PSU and the design says lonely_psu="fail".
    EstimationError : an estimate does not exist in some replicates.
    """
    if cells.replicates is not None:
        return replication(cells.replicates.source, value, evaluate(cells.replicates.weight))
    return linearization(cells, influence, membership, size)


def replication(replicates: Replicates, value: FloatArray, estimates: FloatArray) -> FloatArray:
    """Covariance from (R, k) replicate estimates: scale times the weighted sum of squares about the centre.

    The centre is the full-sample estimate (mse) or the mean of the replicates whose rscale is positive.

    References
    ----------
    Wolter (2007), ch. 3-5. R equivalent: survey::svrVar.
    """
    used = replicates.rscales > 0
    absent = np.isnan(estimates[used]).any(axis=1)
    if absent.any():
        raise EstimationError(
            f"`replicates`: the estimate does not exist in {absent.sum()} of {used.sum()} replicates, where nobody "
            "of its domain has a weight. Use a larger domain, or linearization."
        )
    centre = value if replicates.mse else estimates[used].mean(axis=0)
    deviations = (estimates[used] - centre) * np.sqrt(replicates.rscales[used])[:, None]
    result: FloatArray = replicates.scale * (deviations.T @ deviations)
    return result


def linearization(
    cells: Cells, influence: FloatArray, membership: BoolArray | None = None, size: Size = "open"
) -> FloatArray:
    """Covariance of estimates by linearization, exact on cells.

    Influence values are replaced by their calibration residuals, summed to PSUs, and their spread around
    the stratum mean is scaled by (1 - n_h / N_h) n_h / (n_h - 1); the stages below add theirs, times the
    sampling fractions above them.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd ed., ch. 6; Deville and Sarndal (1992), JASA 87:376.
    R equivalent: survey::svyrecvar.
    """
    values = calibration_residuals(cells, np.where(cells.inside[:, None], influence, 0.0), size)
    k = values.shape[1]
    result = np.zeros((k, k))
    last = cells.stages[-1]
    counts = _domain_clusters(cells, membership)
    totals = np.zeros((0, k))
    for depth in range(len(cells.stages) - 1, -1, -1):
        stage = cells.stages[depth]
        if stage is last and stage.cluster is None:
            added, sums = _scatter_of_rows(cells, stage, values, counts[depth])
        else:
            if stage is last:
                totals = _cluster_totals(cells, stage, values)
            added, sums = _scatter_of_clusters(stage, totals, cells.lonely_psu, counts[depth])
        result += added
        if stage.parent is not None:
            totals = _sum_by(stage.parent, sums, int(_size(cells.stages[depth - 1])))
    return (result + result.T) / 2


def calibration_residuals(cells: Cells, influence: FloatArray, size: Size = "open") -> FloatArray:
    """(C, k) influence to go with the base weights: for each step, last to first, (u - x B) g.

    `B = (sum w x'x)^-1 sum w x'u` with the weights before the step; redundant auxiliaries are allowed. Where the
    totals of x were estimated from the sample itself, x B varies with it and is added back. Where the targets were
    shares, the weights after the step are the sum N of those before it times weights that add to 1: each unit of
    weight adds to N, and so sum w g u / N to the statistic. That is zero for whatever does not depend on the size of
    the population, such as a mean, and the mean for a total.
    """
    for step in reversed(cells.calibrations):
        varies = step.of_shares and size == "open"
        per_unit = _per_unit(step, influence) if varies else np.zeros(influence.shape[1])
        root = np.sqrt(step.weight)[:, None]
        slopes = np.linalg.lstsq(root * step.auxiliaries, root * influence, rcond=1e-10)[0]
        fitted = step.auxiliaries @ slopes
        residual = influence - fitted
        if not step.estimated:  # what the margins fix does not vary: the rest is rounding
            before, after = (np.sqrt(step.weight @ values**2) for values in (influence, residual))
            residual[:, after <= ROUNDING * before] = 0.0
        influence = residual * step.factor[:, None] + (fitted if step.estimated else 0.0) + per_unit
    return influence


def _per_unit(step: CalibrationCells, influence: FloatArray) -> FloatArray:
    """(k,) what each unit of weight before a step adds to statistics by adding to the size of the population."""
    after = step.weight * step.factor
    added, largest = after @ influence, np.abs(after) @ np.abs(influence)
    made: FloatArray = np.where(np.abs(added) > ROUNDING * largest, added, 0.0) / step.weight.sum()
    return made


def _size(stage: Stage) -> float:
    """Clusters sampled at a stage."""
    return float(stage.n_h.sum())


def _sum_by(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """(size, k) sums of (m, k) values by code."""
    picker = sparse.csr_array((np.ones(codes.size), (codes, np.arange(codes.size))), shape=(size, codes.size))
    totals: FloatArray = np.asarray(picker @ values)
    return totals


def _cluster_totals(cells: Cells, stage: Stage, values: FloatArray) -> FloatArray:
    """(P, k) weighted totals of the influence values by cluster of the last stage."""
    matrix = sparse.csr_array(
        (cells.entries.weight, (cells.entries.cluster, cells.entries.pattern)),
        shape=(int(_size(stage)), values.shape[0]),
    )
    totals: FloatArray = np.asarray(matrix @ values, dtype=np.float64)
    return totals


@dataclass(frozen=True, slots=True, eq=False)
class _Centring:
    """What the PSU totals of a stage are measured from, and what their squares are multiplied by.

    `centre` (H, k): mean of the stratum, or of the whole stage for strata with one PSU under "adjust". `scale` (H,):
    (1 - n_h / N_h) n_h / (n_h - 1) and the fractions above. `share` (H, k): factor of the deviations; under "average"
    strata with one PSU have none and the others theirs.
    """

    centre: FloatArray
    scale: FloatArray
    share: FloatArray


def _domain_clusters(cells: Cells, membership: BoolArray | None) -> list[FloatArray | None]:
    """Per stage, (H, k) clusters of each stratum with respondents in the domain of each statistic.

    None where that makes no difference: the design keeps strata as they are, or was calibrated.
    """
    if cells.lonely_domain == "keep" or cells.calibrations:
        return [None] * len(cells.stages)
    inside = cells.inside[:, None] if membership is None else membership & cells.inside[:, None]
    found = inside[cells.entries.pattern].astype(np.float64)
    counts: list[FloatArray | None] = []
    last = cells.stages[-1]
    if last.cluster is None:
        here = _sum_by(cells.entries.cluster, found * cells.entries.n[:, None], last.n_h.size)
    else:
        here = _sum_by(cells.entries.cluster, found, int(_size(last)))
    for stage in reversed(cells.stages):
        if stage.stratum_of is not None:
            here = _sum_by(stage.stratum_of, (here > 0).astype(np.float64), stage.n_h.size)
        counts.insert(0, here)
        if stage.parent is not None:
            here = _sum_by(stage.parent, here, int(stage.parent.max()) + 1)
    return counts


def _centring(stage: Stage, sums: FloatArray, rule: str, counts: FloatArray | None) -> _Centring:
    """Centres and scales of a stage's strata, those with one PSU by the rule of the design."""
    several = stage.n_h > 1
    alone = ~several & (stage.fraction < 1) & (stage.carried > 0)
    if rule == "fail" and alone.any():
        labels = stage.stratum_labels[alone]
        raise LonelyPSUError(
            f"`strata` must hold two PSUs each to estimate a variance; {alone.sum()} of {alone.size} have one: "
            f"{', '.join(map(shown, labels[:8]))}{', ...' if labels.size > 8 else ''}. Merge strata, or choose "
            'lonely_psu="adjust", "average", "certainty" or "remove".'
        )
    spread = np.divide(stage.n_h, stage.n_h - 1, out=np.full_like(stage.n_h, float(rule == "adjust")), where=several)
    scale = stage.carried * (1.0 - stage.fraction) * spread
    centre, share = sums / stage.n_h[:, None], np.ones_like(sums)
    single = np.broadcast_to(alone[:, None], sums.shape)
    if counts is not None:
        single = (single & (counts > 0)) | ((counts == 1) & ((stage.fraction < 1) & (stage.carried > 0))[:, None])
    if rule == "adjust":
        centre = np.where(single, sums.sum(axis=0) / stage.n_h.sum(), centre)
    elif rule == "average" and single.any():
        if not (~alone).any():
            raise LonelyPSUError(
                f'`lonely_psu`="average" needs a stratum with two PSUs; all {alone.size} have one. Choose "adjust", or '
                "merge strata."
            )
        used = np.ones(sums.shape, dtype=bool) if counts is None else counts > 0
        together, rest = used.sum(axis=0), (used & ~single).sum(axis=0)
        share = ~single * np.sqrt(np.divide(together, rest, out=np.full(rest.size, np.nan), where=rest > 0))
    return _Centring(centre, scale, share)


def _scatter_of_clusters(
    stage: Stage, totals: FloatArray, rule: str, counts: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """(k, k) variance term of a stage, and (H, k) sums of the totals by stratum."""
    stratum = stage.stratum_of if stage.stratum_of is not None else stage.stratum
    sums = _sum_by(stratum, totals, stage.n_h.size)
    by = _centring(stage, sums, rule, counts)
    deviations = (totals - by.centre[stratum]) * by.share[stratum]
    return deviations.T @ (by.scale[stratum][:, None] * deviations), sums


def _scatter_of_rows(
    cells: Cells, stage: Stage, values: FloatArray, counts: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """The same where each row is its own cluster, from the moments of the weights in each entry.

    Rows without an entry (outside the domain, weight zero) have influence zero but count in n_h.
    """
    entry = cells.entries.cluster
    at = values[cells.entries.pattern]
    sums = _sum_by(entry, cells.entries.weight[:, None] * at, stage.n_h.size)
    by = _centring(stage, sums, cells.lonely_psu, counts)
    deviations = ((cells.entries.weight / cells.entries.n)[:, None] * at - by.centre[entry]) * by.share[entry]
    result = deviations.T @ ((by.scale[entry] * cells.entries.n)[:, None] * deviations)
    uneven = np.flatnonzero(cells.entries.scatter)  # entries of one respondent, or of equal weights, have none
    spread = (at * by.share[entry])[uneven]
    result += spread.T @ ((by.scale[entry] * cells.entries.scatter)[uneven, None] * spread)
    absent = stage.n_h - np.bincount(entry, weights=cells.entries.n, minlength=stage.n_h.size)
    missed = by.centre * by.share
    result += missed.T @ ((by.scale * absent)[:, None] * missed)
    return result, sums
