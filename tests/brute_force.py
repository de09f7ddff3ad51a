"""An independent, deliberately naive computation on rows, to check the engine that works on cells.

Nothing here imports `survey`, groups equal rows, or is fast: each function is its textbook formula written as
loops over strata, PSUs and rows. The functions take plain arrays, one entry per row:

    w   (n,) weights before calibration ("base weights"); a row of weight 0 keeps its PSU in the sample
    y   (n,) values; nothing may be missing where `domain` holds
    u   (n,) or (n, k) influence values *without* the weight
    domain (n,) True for the rows that are estimated on; the others stay in their PSU with influence 0

so that every variance is `variance_of_total(w * u)` and a calibrated one is
`variance_of_total(w * g * residual(u))`.

References
----------
Wolter (2007), Introduction to Variance Estimation, 2nd ed., ch. 2, 6 (ultimate clusters, Taylor series).
Lohr (2021), Sampling: Design and Analysis, 3rd ed., ch. 5, 6, 9, 11 (stages, ratios, domains, calibration).
Binder (1983), On the variances of asymptotically normal estimators from complex surveys, ISR 51:279.
Deville & Särndal (1992), Calibration estimators in survey sampling, JASA 87:376, eq. 3.4 (residuals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.generic]

LARGEST_GAP = 1e-13  # raking stops when every margin is met to this share of the total: rounding error of a sum
MOST_CYCLES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One sampling stage, a label per row.

    `strata` and `psu` are (n,) labels; equal `psu` labels in two strata are two PSUs. `size` is the (n,)
    number of PSUs in the population of the row's stratum, or None when they were drawn with replacement.
    """

    strata: Labels
    psu: Labels
    size: Floats | None = None


def single_stage(
    n: int, strata: ArrayLike | None = None, psu: ArrayLike | None = None, size: ArrayLike | None = None
) -> Stage:
    """Make a stage; without strata there is one, without PSUs each row is its own."""
    return Stage(
        strata=np.zeros(n, dtype=np.int64) if strata is None else np.asarray(strata),
        psu=np.arange(n) if psu is None else np.asarray(psu),
        size=None if size is None else np.asarray(size, dtype=np.float64),
    )


def variance_of_total(z: ArrayLike, stages: Sequence[Stage]) -> Floats:
    """Estimate the covariance of the sums of z over the rows of a sample.

    First stage (Wolter 2007, eq. 6.3.2; Lohr 2021, eq. 6.20): with PSU totals t_hi,

        sum_h (1 - n_h / N_h) n_h / (n_h - 1) sum_i (t_hi - tbar_h)(t_hi - tbar_h)'

    and for each PSU with a further stage n_h / N_h times the same expression within it. Without N_h the first
    stage was drawn with replacement and the further stages add nothing.

    Parameters
    ----------
    z : (n,) or (n, k) values, weights included; zero outside a domain.
    stages : the sampling stages, first one first.

    Returns
    -------
    (k, k) covariance matrix.

    Raises
    ------
    ValueError : a stratum that was not taken whole has one PSU.
    """
    values = np.asarray(z, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    k = values.shape[1]
    covariance = np.zeros((k, k))
    first, further = stages[0], stages[1:]
    for stratum in np.unique(first.strata):
        in_stratum = np.flatnonzero(first.strata == stratum)
        labels = np.unique(first.psu[in_stratum])
        n_h = len(labels)
        sampled = 0.0 if first.size is None else n_h / float(first.size[in_stratum[0]])
        totals = []
        for label in labels:
            total = np.zeros(k)
            for row in in_stratum:
                if first.psu[row] == label:
                    total = total + values[row]
            totals.append(total)
        if sampled < 1:
            if n_h == 1:
                msg = f"stratum {stratum} has one PSU"
                raise ValueError(msg)
            mean = sum(totals, np.zeros(k)) / n_h
            spread = np.zeros((k, k))
            for total in totals:
                spread = spread + np.outer(total - mean, total - mean)
            covariance = covariance + (1 - sampled) * n_h / (n_h - 1) * spread
        if further and sampled > 0:
            for label in labels:
                inside = in_stratum[first.psu[in_stratum] == label]
                within = [
                    Stage(
                        stage.strata[inside],
                        stage.psu[inside],
                        None if stage.size is None else stage.size[inside],
                    )
                    for stage in further
                ]
                covariance = covariance + sampled * variance_of_total(values[inside], within)
    return covariance


def degrees_of_freedom(stage: Stage, domain: ArrayLike | None = None) -> int:
    """Count the PSUs that have a row in the domain and take away the strata that have one."""
    inside = np.ones(len(stage.psu), dtype=bool) if domain is None else np.asarray(domain, dtype=bool)
    pairs = {(str(h), str(p)) for h, p in zip(stage.strata[inside], stage.psu[inside], strict=True)}
    return len(pairs) - len({h for h, _ in pairs})


def total_influence(y: ArrayLike, domain: ArrayLike | None = None) -> Floats:
    """Influence of a total: the value itself, zero outside the domain."""
    values = np.asarray(y, dtype=np.float64)
    inside = np.ones(len(values), dtype=bool) if domain is None else np.asarray(domain, dtype=bool)
    influence = np.zeros(len(values))
    for row in range(len(values)):
        if inside[row]:
            influence[row] = values[row]
    return influence


def total(y: ArrayLike, w: ArrayLike, domain: ArrayLike | None = None) -> float:
    """Weighted sum of y over the domain."""
    weight = np.asarray(w, dtype=np.float64)
    return float(sum(weight * total_influence(y, domain)))


def ratio(y: ArrayLike, x: ArrayLike, w: ArrayLike, domain: ArrayLike | None = None) -> float:
    """Ratio of the weighted sums of y and x over the domain."""
    return total(y, w, domain) / total(x, w, domain)


def ratio_influence(y: ArrayLike, x: ArrayLike, w: ArrayLike, domain: ArrayLike | None = None) -> Floats:
    """Influence of a ratio: (y - R x) / sum(w x) (Wolter 2007, eq. 6.4.1; Lohr 2021, eq. 9.2)."""
    r, denominator = ratio(y, x, w, domain), total(x, w, domain)
    return (total_influence(y, domain) - r * total_influence(x, domain)) / denominator


def mean(y: ArrayLike, w: ArrayLike, domain: ArrayLike | None = None) -> float:
    """Weighted mean of y over the domain; of a 0/1 variable, its proportion."""
    return ratio(y, np.ones(len(np.asarray(y))), w, domain)


def mean_influence(y: ArrayLike, w: ArrayLike, domain: ArrayLike | None = None) -> Floats:
    """Influence of a mean, the ratio with x = 1: the domain's size is estimated as well."""
    return ratio_influence(y, np.ones(len(np.asarray(y))), w, domain)


def standard_error(z: ArrayLike, stages: Sequence[Stage]) -> float:
    """Root of the variance of the sum of one column of values."""
    return float(np.sqrt(variance_of_total(z, stages)[0, 0]))


def indicators(labels: ArrayLike) -> Floats:
    """One 0/1 column for each label, in sorted order; (n, levels)."""
    values = np.asarray(labels)
    return np.column_stack([np.where(values == level, 1.0, 0.0) for level in np.unique(values)])


def calibration_residual(u: ArrayLike, x: ArrayLike, w: ArrayLike) -> Floats:
    """Residuals of the influence on the calibration variables, weighted by the base weights.

    B = (sum w x'x)^-1 sum w x'u and the residual is u - x B (Deville & Särndal 1992, eq. 3.4). The columns of
    x may depend on each other, as the indicators of two margins do: any solution gives the same residual.
    """
    values = np.asarray(u, dtype=np.float64)
    columns = np.asarray(x, dtype=np.float64)
    root = np.sqrt(np.asarray(w, dtype=np.float64))
    coefficients = np.linalg.lstsq(columns * root[:, None], (values.T * root).T, rcond=None)[0]
    return values - columns @ coefficients


def calibrated_values(u: ArrayLike, x: ArrayLike, w: ArrayLike, calibrated: ArrayLike) -> Floats:
    """Values whose design variance is that of a calibrated estimate: calibrated weight times the residual.

    `w` are the weights before calibration and `calibrated` those after it, w g; `u` is the influence
    evaluated with the calibrated weights.
    """
    residuals = calibration_residual(u, x, w)
    return (residuals.T * np.asarray(calibrated, dtype=np.float64)).T


def per_unit_of_weight(u: ArrayLike, w: ArrayLike, calibrated: ArrayLike) -> Floats:
    """Values to add where the margins were shares: the calibrated weights are then (sum of w) times shares of 1.

    A statistic changes with the sum of w, which is an estimate, by sum(calibrated u) / sum(w) per unit of w.
    """
    base = np.asarray(w, dtype=np.float64)
    return base * float(np.asarray(calibrated) @ np.asarray(u)) / float(base.sum())


def in_counts(margins: Mapping[str, Mapping[str, float]], size: float) -> dict[str, dict[str, float]]:
    """Margins as counts of a population of known size."""
    return {name: {level: size * share for level, share in margin.items()} for name, margin in margins.items()}


def poststratified_weights(w: ArrayLike, labels: ArrayLike, targets: Mapping[Any, float]) -> Floats:
    """Multiply the weights of each post-stratum so that they add to its population total."""
    weight = np.array(w, dtype=np.float64)
    values = np.asarray(labels)
    for level, target in targets.items():
        weight[values == level] *= target / weight[values == level].sum()
    return weight


def raked_weights(w: ArrayLike, margins: Sequence[tuple[ArrayLike, Mapping[Any, float]]]) -> Floats:
    """Post-stratify to one margin after the other until all hold (Deming & Stephan 1940)."""
    weight = np.array(w, dtype=np.float64)
    size = sum(margins[0][1].values())
    for _ in range(MOST_CYCLES):
        for labels, targets in margins:
            weight = poststratified_weights(weight, labels, targets)
        gaps = [
            abs(weight[np.asarray(labels) == level].sum() - target)
            for labels, targets in margins
            for level, target in targets.items()
        ]
        if max(gaps) <= LARGEST_GAP * size:
            return weight
    msg = "raking did not converge"
    raise ValueError(msg)
