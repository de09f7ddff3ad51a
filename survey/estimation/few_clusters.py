"""Bias-reduced variance (CR2) and Satterthwaite degrees of freedom for designs with few clusters.

The linearized variance is too small, and its design degrees of freedom too many, where there are few PSUs or some
are much larger than others. CR2 adjusts the residuals of each PSU so that the variance is unbiased under a working
model, and gives each estimate the degrees of freedom that match its distribution. A weighted mean is the weighted
least-squares fit of a constant, the means of groups that of group indicators; weights count as fixed.

Everything is computed on cells. In PSU g the adjustment is the identity but for the span of the columns of X_g and
W_g X_g, so that sums of X'X, X'WX, X'W²X, X'e and X'We by PSU are all that is needed.

References
----------
Bell and McCaffrey (2002), Survey Methodology 28:169; McCaffrey and Bell (2006), Statistics in Medicine 25:4081;
Pustejovsky and Tipton (2018), J. Business & Economic Statistics 36:672, eq. 9-14, with the identity as working model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy

from survey.arrays import FloatArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.estimation.influence import Domains, Terms

VarianceMethod = Literal["linearization", "cr2"]
NEGLIGIBLE = 1e-12  # eigenvalue of a Gram matrix, relative to the largest, that is rounding error
SINGULAR = 1e-10  # eigenvalue of the residuals' covariance that is zero: a PSU that alone determines a coefficient


@dataclass(frozen=True, slots=True, eq=False)
class ClusterMoments:
    """Sums over the rows of each of G clusters, with q columns X, weights W and the residuals e of m outcomes.

    Attributes
    ----------
    plain, weighted, squared : (G, q, q) X'X, X'WX and X'W²X.
    residual, weighted_residual : (G, q, m) X'e and X'We.
    """

    plain: FloatArray
    weighted: FloatArray
    squared: FloatArray
    residual: FloatArray
    weighted_residual: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticForm:
    """The variance estimate of q coefficients as a quadratic form in the errors of the working model.

    Attributes
    ----------
    own : (G, q, q) products of the adjusted weights of each cluster with themselves.
    plain, weighted : (G, q, q) products of X, and of WX, with the adjusted weights of each cluster.
    square : (q, q) sum of X'W²X; columns are scaled so that X'WX is the identity.
    variance : (q, q) covariance of the coefficients under the working model, M X'W²X M.
    """

    own: FloatArray
    plain: FloatArray
    weighted: FloatArray
    square: FloatArray
    variance: FloatArray

    def matrix(self, contrast: FloatArray) -> FloatArray:
        """(G, G) products p_g'p_h of the form for one contrast (q,) of the coefficients."""
        b = self.plain @ contrast
        d = self.weighted @ contrast
        crossed = b @ d.T
        squares = np.einsum("i,gij,j->g", contrast, self.own, contrast)
        result: FloatArray = np.diag(squares) - crossed - crossed.T + b @ self.square @ b.T
        return result


@dataclass(frozen=True, slots=True, eq=False)
class FewClusters:
    """CR2 inference for k estimates.

    Attributes
    ----------
    vcov : (k, k) covariance of the coefficients that the estimates are made of.
    forms : quadratic forms, one per domain or one for a whole regression.
    coefficients : (k, F, m, q) coefficients of each estimate, by form, outcome and column.
    clusters : PSUs with respondents.
    """

    vcov: FloatArray
    forms: tuple[QuadraticForm, ...]
    coefficients: FloatArray
    clusters: int

    @property
    def df(self) -> FloatArray:
        """(k,) Satterthwaite degrees of freedom, (tr P)² / tr P²; zero where an estimate has no variance.

        For combinations of several outcomes that are not the same in each domain, the working model has their
        errors uncorrelated and equally variable; for all others this makes no difference.
        """
        result = np.zeros(len(self.coefficients))
        for i, parts in enumerate(self.coefficients):
            size = self.forms[0].own.shape[0]
            total = np.zeros((size, size))
            expected = 0.0
            for form, outcomes in zip(self.forms, parts, strict=True):
                for contrast in outcomes[(outcomes != 0).any(axis=1)]:
                    total += form.matrix(contrast)
                    expected += float(contrast @ form.variance @ contrast)
            if np.trace(total) > SINGULAR * expected:
                result[i] = np.trace(total) ** 2 / np.square(total).sum()
        return result

    def combined(self, slopes: FloatArray) -> FewClusters:
        """The same for (m, k) linear combinations of the estimates."""
        return replace(
            self,
            vcov=slopes @ self.vcov @ slopes.T,
            coefficients=np.einsum("mk,kfjq->mfjq", slopes, self.coefficients),
        )

    @property
    def note(self) -> str:
        """What a reader should know."""
        return (
            f"CR2 standard errors (Bell and McCaffrey 2002) from {self.clusters} PSUs; degrees of freedom by "
            "Satterthwaite's approximation, for each estimate its own."
        )


def check_cr2(cells: Cells) -> None:
    """Raise unless CR2 is defined for the design: PSUs drawn with replacement, without strata or calibration.

    Raises
    ------
    EstimationError : replicate weights, calibrated weights, strata, a finite population, or no PSUs.
    """
    stage = cells.stages[0]
    rule = '`variance`="cr2" is for PSUs drawn with replacement and without strata, with fixed weights; the design '
    if cells.replicates is not None:
        raise EstimationError(
            f'{rule}has replicate weights. Use variance="linearization", which then uses the replicates.'
        )
    if cells.calibrations:
        raise EstimationError(
            f"{rule}was calibrated, which CR2 would ignore. Use linearization; or, to treat the calibrated weights as "
            "fixed, make a design with them as a weight column."
        )
    if stage.n_h.size > 1:
        raise EstimationError(
            f"{rule}has {stage.n_h.size} strata. Use linearization; or leave `strata` out of the design: ignoring "
            "strata is on the safe side where they differ."
        )
    if stage.fraction.any():
        raise EstimationError(
            f"{rule}has population sizes. Use linearization; or leave `fpc` out of the design, which is on the safe "
            "side."
        )
    if stage.cluster is None:
        raise EstimationError(
            f"{rule}has no PSUs: each of {stage.n_h[0]:g} respondents is one. Name the `psu` of the design; without "
            "clusters linearization is enough."
        )


def group_means(cells: Cells, measured: Terms, groups: Domains, value: FloatArray) -> FewClusters:
    """CR2 inference for the means of m variables in each of D domains.

    Parameters
    ----------
    cells : C patterns.
    measured : (C, m) values.
    groups : (C, D) domains.
    value : (D m,) estimated means, domain by domain.

    Returns
    -------
    FewClusters of D m estimates.

    Raises
    ------
    EstimationError : a design that CR2 is not defined for.
    """
    check_cr2(cells)
    means = value.reshape(len(groups.labels), -1)
    n_groups, m = means.shape
    scores = []
    forms = []
    for indicator, centre in zip(groups.indicator.T.astype(np.float64), means, strict=True):
        deviations = indicator[:, None] * (measured.values - centre)
        score, form = adjusted(cluster_moments(cells, indicator[:, None, None], deviations[:, None, :]))
        scores.append(score[:, 0, :])
        forms.append(form)
    stacked = np.concatenate(scores, axis=1)
    coefficients = np.zeros((n_groups, m, n_groups, m, 1))
    for g in range(n_groups):
        coefficients[g, np.arange(m), g, np.arange(m), 0] = 1.0
    return FewClusters(
        vcov=stacked.T @ stacked,
        forms=tuple(forms),
        coefficients=coefficients.reshape(n_groups * m, n_groups, m, 1),
        clusters=len(stacked),
    )


def regression(cells: Cells, columns: FloatArray, residuals: FloatArray) -> FewClusters:
    """CR2 inference for the q coefficients of one regression.

    Parameters
    ----------
    cells : C patterns.
    columns : (C, r, q) derivatives of the r expected responses of a pattern by the coefficients, in units in which
        the errors of the working model have variance 1 and no correlation.
    residuals : (C, r) residuals in the same units.

    Returns
    -------
    FewClusters of q estimates.

    Raises
    ------
    EstimationError : a design that CR2 is not defined for.
    """
    check_cr2(cells)
    score, form = adjusted(cluster_moments(cells, columns, residuals[:, :, None]))
    stacked = score[:, :, 0]
    q = stacked.shape[1]
    return FewClusters(
        vcov=stacked.T @ stacked,
        forms=(form,),
        coefficients=np.eye(q).reshape(q, 1, 1, q),
        clusters=len(stacked),
    )


def cluster_moments(cells: Cells, columns: FloatArray, residuals: FloatArray) -> ClusterMoments:
    """Sums by PSU of the products of (C, r, q) columns with each other and with (C, r, m) residuals.

    Weights are divided by their mean, on which nothing depends.
    """
    live = cells.inside[cells.entries.pattern]
    pattern = cells.entries.pattern[live]
    n = cells.entries.n[live]
    weight = cells.entries.weight[live]
    squares = cells.entries.scatter[live] + weight**2 / n
    unit = weight.sum() / n.sum()
    cluster = np.unique(cells.entries.cluster[live], return_inverse=True)[1]
    count = int(cluster.max()) + 1
    patterns = len(columns)

    def by_cluster(amount: FloatArray, products: FloatArray) -> FloatArray:
        """(G, ...) sums of the patterns' products times their amounts."""
        matrix = scipy.sparse.csr_array((amount, (cluster, pattern)), shape=(count, patterns))
        summed: FloatArray = np.asarray(matrix @ products.reshape(patterns, -1))
        return summed.reshape(count, *products.shape[1:])

    gram = np.einsum("crp,crq->cpq", columns, columns)
    score = np.einsum("crq,crm->cqm", columns, residuals)
    return ClusterMoments(
        plain=by_cluster(n, gram),
        weighted=by_cluster(weight / unit, gram),
        squared=by_cluster(squares / unit**2, gram),
        residual=by_cluster(n, score),
        weighted_residual=by_cluster(weight / unit, score),
    )


def adjusted(moments: ClusterMoments) -> tuple[FloatArray, QuadraticForm]:
    """(G, q, m) adjusted scores, whose products add up to the covariance, and the form that gives the df.

    With M = (X'WX)^-1, B_g = (I - H)_g (I - H)_g' = I - X_g M X_g'W_g - W_g X_g M X_g' + X_g M X'W²X M X_g' and
    A_g = B_g^(-1/2), the score is M X_g'W_g A_g e_g. It is computed in an orthonormal basis of the span of X_g and
    W_g X_g, outside of which A_g is the identity. Where a PSU alone determines a coefficient, B_g is singular and
    its generalized inverse is taken.
    """
    values, vectors = np.linalg.eigh(moments.weighted.sum(axis=0))
    root = (vectors / np.sqrt(values)) @ vectors.T  # columns X root have X'WX = I
    plain, weighted, squared = (root @ part @ root for part in (moments.plain, moments.weighted, moments.squared))
    square = squared.sum(axis=0)
    q = len(root)

    # an orthonormal basis of the span of X_g and W_g X_g, from their products; redundant columns have no direction
    gram = np.block([[plain, weighted], [weighted, squared]])
    size, basis = np.linalg.eigh(gram)
    independent = size > NEGLIGIBLE * size[:, -1:]
    length = np.sqrt(np.where(independent, size, 0.0))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=independent)
    coordinates = length[:, :, None] * basis.transpose(0, 2, 1)  # (G, 2q, 2q): of the columns of X_g and of W_g X_g
    of_plain = coordinates[:, :, :q]
    of_weighted = coordinates[:, :, q:]

    # B_g, its inverse root A_g, and A_g W_g X_g M
    crossed = of_plain @ of_weighted.transpose(0, 2, 1)
    covariance = np.eye(2 * q) - crossed - crossed.transpose(0, 2, 1) + of_plain @ square @ of_plain.transpose(0, 2, 1)
    spread, axes = np.linalg.eigh(covariance)
    shrink = np.divide(1.0, np.sqrt(spread.clip(min=SINGULAR)), out=np.zeros_like(spread), where=spread > SINGULAR)
    adjustment = (axes * shrink[:, None, :]) @ axes.transpose(0, 2, 1)
    weights = adjustment @ of_weighted @ root  # (G, 2q, q): A_g W_g X_g M, of the coefficients in their own units

    residual = np.concatenate([root @ moments.residual, root @ moments.weighted_residual], axis=1)
    scores = weights.transpose(0, 2, 1) @ (inverse[:, :, None] * (basis.transpose(0, 2, 1) @ residual))
    form = QuadraticForm(
        own=weights.transpose(0, 2, 1) @ weights,
        plain=of_plain.transpose(0, 2, 1) @ weights,
        weighted=of_weighted.transpose(0, 2, 1) @ weights,
        square=square,
        variance=root @ square @ root,
    )
    return scores, form
