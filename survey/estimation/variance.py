"""One variance for every statistic: from influence values on cells to a covariance matrix.

`covariance` is what everything calls. By linearization, influence becomes calibration residuals, these become PSU
totals Z, and the spread of Z within strata becomes the covariance, stage by stage; `lonely_psus` has the rules for
strata that have no spread.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import CalibrationCells, Cells, Replicates, Stage
from survey.errors import EstimationError
from survey.estimation.influence import Evaluate
from survey.estimation.lonely_psus import RULES, Strata

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
    used = replicates.rscales > 0  # the others count nowhere, not in the centre either
    absent = np.isnan(estimates[used]).any(axis=1)
    if absent.any():
        raise EstimationError(
            f"`replicates`: the estimate does not exist in {absent.sum()} of {used.sum()} replicates, where nobody "
            "of its domain has a weight. Use a larger domain, or linearization."
        )
    # scale sum_r rscale_r (t_r - centre)'(t_r - centre)
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
    # Rows outside a domain have influence 0 but keep their PSU: dropping them would change n_h.
    residuals = calibration_residuals(cells, np.where(cells.inside[:, None], influence, 0.0), size)
    stages = list(zip(cells.stages, _domain_clusters(cells, membership), strict=True))
    k = residuals.shape[1]
    result = np.zeros((k, k))

    # V = sum_h (1 - f_h) n_h/(n_h - 1) sum_p (Z_p - Zbar_h)'(Z_p - Zbar_h) + sum_h f_h sum_p V_p, where V_p is the same
    # within PSU p. Its terms are added from the last stage up, each with the fractions above it (`Stage.carried`).
    stage, counts = stages.pop()
    if stage.cluster is None:
        scatter, stratum_totals = _scatter_of_rows(cells, stage, residuals, counts)
    else:
        cluster_totals = _cluster_totals(cells, stage, residuals)
        scatter, stratum_totals = _scatter_of_clusters(stage, cluster_totals, cells.lonely_psu, counts)
    result += scatter
    while stage.parent is not None:
        above, counts = stages.pop()
        cluster_totals = _sum_by(stage.parent, stratum_totals, _clusters(above))
        scatter, stratum_totals = _scatter_of_clusters(above, cluster_totals, cells.lonely_psu, counts)
        result += scatter
        stage = above
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
        influence = _before(step, influence, size)
    return influence


def _before(step: CalibrationCells, influence: FloatArray, size: Size) -> FloatArray:
    """(C, k) influence to go with the weights before a step, from that which goes with those after it."""
    # B by least squares on sqrt(w) x: where margins are redundant, x'x has no inverse but x B is still one thing.
    root = np.sqrt(step.weight)[:, None]
    slopes = np.linalg.lstsq(root * step.auxiliaries, root * influence, rcond=1e-10)[0]
    fitted = step.auxiliaries @ slopes
    residual = influence - fitted
    if not step.estimated:  # what the margins fix does not vary: the rest is rounding
        norm = np.sqrt(step.weight @ influence**2)
        residual_norm = np.sqrt(step.weight @ residual**2)
        residual[:, residual_norm <= ROUNDING * norm] = 0.0

    # (u - x B) g; totals of x that the sample itself gave vary, and x B with them, by the weights before the step
    added_back = fitted if step.estimated else 0.0
    varies = step.of_shares and size == "open"
    per_unit = _per_unit(step, influence) if varies else np.zeros(influence.shape[1])
    return residual * step.factor[:, None] + added_back + per_unit


def _per_unit(step: CalibrationCells, influence: FloatArray) -> FloatArray:
    """(k,) what each unit of weight before a step adds to statistics by adding to the size of the population."""
    after = step.weight * step.factor
    total = after @ influence
    largest = np.abs(after) @ np.abs(influence)  # a total this much smaller is the rounding of parts that cancel
    per_unit: FloatArray = np.where(np.abs(total) > ROUNDING * largest, total, 0.0) / step.weight.sum()
    return per_unit


def _clusters(stage: Stage) -> int:
    """Clusters sampled at a stage."""
    return int(stage.n_h.sum())


def _sum_by(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """(size, k) sums of (m, k) values by code."""
    picker = scipy.sparse.csr_array((np.ones(codes.size), (codes, np.arange(codes.size))), shape=(size, codes.size))
    totals: FloatArray = np.asarray(picker @ values)
    return totals


def _cluster_totals(cells: Cells, stage: Stage, values: FloatArray) -> FloatArray:
    """(P, k) weighted totals of the influence values by cluster of the last stage."""
    # Z = M u, with M the sparse (P, C) matrix of the weights that each pattern has in each cluster
    matrix = scipy.sparse.csr_array(
        (cells.entries.weight, (cells.entries.cluster, cells.entries.pattern)),
        shape=(_clusters(stage), values.shape[0]),
    )
    totals: FloatArray = np.asarray(matrix @ values, dtype=np.float64)
    return totals


def _domain_clusters(cells: Cells, membership: BoolArray | None) -> list[FloatArray | None]:
    """Per stage, (H, k) clusters of each stratum with respondents in the domain of each statistic.

    None where that makes no difference: the design keeps strata as they are, or was calibrated.
    """
    if cells.lonely_domain == "keep" or cells.calibrations:
        return [None] * len(cells.stages)
    inside = cells.inside[:, None] if membership is None else membership & cells.inside[:, None]
    respondents = inside[cells.entries.pattern] * cells.entries.n[:, None]
    last = cells.stages[-1]
    # by cluster of the stage; by stratum, where each respondent is a cluster
    groups = last.n_h.size if last.cluster is None else _clusters(last)
    present = _sum_by(cells.entries.cluster, respondents, groups)
    counts: list[FloatArray | None] = []
    for stage in reversed(cells.stages):
        if stage.stratum_of is not None:
            present = _sum_by(stage.stratum_of, (present > 0).astype(np.float64), stage.n_h.size)
        counts.insert(0, present)
        if stage.parent is not None:
            present = _sum_by(stage.parent, present, int(stage.parent.max()) + 1)
    return counts


def _scatter_of_clusters(
    stage: Stage, totals: FloatArray, rule: str, counts: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """(k, k) variance term of a stage, and (H, k) sums of the totals by stratum."""
    stratum = stage.stratum_of if stage.stratum_of is not None else stage.stratum
    sums = _sum_by(stratum, totals, stage.n_h.size)
    by = RULES[rule](Strata(stage, sums, counts))
    # (1 - f_h) n_h/(n_h - 1) sum_p (Z_p - Zbar_h)'(Z_p - Zbar_h), times the fractions above
    deviations = (totals - by.centre[stratum]) * by.share[stratum]
    return deviations.T @ (by.scale[stratum][:, None] * deviations), sums


def _scatter_of_rows(
    cells: Cells, stage: Stage, values: FloatArray, counts: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """The same where each row is its own cluster, from the moments of the weights in each entry.

    Rows without an entry (outside the domain, weight zero) have influence zero but count in n_h.
    """
    stratum = cells.entries.cluster
    at_entry = values[cells.entries.pattern]
    sums = _sum_by(stratum, cells.entries.weight[:, None] * at_entry, stage.n_h.size)
    by = RULES[cells.lonely_psu](Strata(stage, sums, counts))

    # The rows of an entry share u and differ in w: sum_i (w_i u - c)^2 = n (wbar u - c)^2 + u^2 sum_i (w_i - wbar)^2.
    mean_weight = cells.entries.weight / cells.entries.n
    deviations = (mean_weight[:, None] * at_entry - by.centre[stratum]) * by.share[stratum]
    result = deviations.T @ ((by.scale[stratum] * cells.entries.n)[:, None] * deviations)
    uneven = np.flatnonzero(cells.entries.scatter)  # entries of one respondent, or of equal weights, have none
    spread = (at_entry * by.share[stratum])[uneven]
    result += spread.T @ ((by.scale[stratum] * cells.entries.scatter)[uneven, None] * spread)

    # A row without an entry has Z_p = 0, which is -c from the centre.
    absent = stage.n_h - np.bincount(stratum, weights=cells.entries.n, minlength=stage.n_h.size)
    missed = by.centre * by.share
    result += missed.T @ ((by.scale * absent)[:, None] * missed)
    return result, sums
