"""Degrees of freedom of a comparison, from where its variance comes.

The variance of a difference between a group in 2 of 24 PSUs and the rest comes from 2 PSUs: it has about 1 degree of
freedom, not 23. A **working model** says what the PSU totals would be if respondents answered independently, all with
one variance: what an estimate owes to their errors, less what was fitted to them (the means of the groups, the
coefficients of a regression). The estimated variance is a quadratic form in these totals; a chi-square with the same
mean and variance has its degrees of freedom (Satterthwaite). Weights count as fixed, calibrated ones too.

Everything is a sum over cells: the covariance of the totals is diagonal but for a matrix of low rank.

References
----------
Satterthwaite (1946), Biometrics Bull. 2:110; Bell and McCaffrey (2002), Survey Methodology 28:169, whose degrees of
freedom these are for PSUs without strata; Pustejovsky and Tipton (2018), J. Business & Economic Statistics 36:672, sec.
3.2 (approximate Hotelling, Z), for several contrasts together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from survey.arrays import BoolArray, FloatArray
from survey.design import Cells
from survey.estimation.units import Units

ALONE = 1e-6  # part of a combination that a single unit determines, relative to the whole, that is rounding error
VANISHING = 1e-9  # expected variance, relative to what it would be had nothing been fitted, that is rounding error


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Variances of G quantities whose errors have nothing in common, such as the means of groups.

    Attributes
    ----------
    expected : (G,) expected estimate of the variance.
    product : (G, G) half the covariance of the estimates.
    """

    expected: FloatArray
    product: FloatArray

    def df(self, coefficients: FloatArray) -> float:
        """Degrees of freedom of a combination; NaN where its variance cannot be anything but zero.

        Parameters
        ----------
        coefficients : (G, e) of each quantity, for each of e variables whose errors have nothing in common.
        """
        squares = np.square(coefficients).sum(axis=1)
        expected = float(squares @ self.expected)
        return expected**2 / float(squares @ self.product @ squares) if expected > 0 else np.nan

    def joint_df(self, coefficients: FloatArray) -> float:
        """Degrees of freedom of the covariance V of (q, G, e) combinations as if it were Wishart: q (q + 1) / sum Var.

        With V in units of its expectation. NaN where the variance of a combination cannot be anything but zero.
        """
        shared = np.einsum("sge,tge->stg", coefficients, coefficients)
        root = _inverse_root(shared @ self.expected)
        if root is None:
            return np.nan
        standard = np.einsum("as,bt,stg->abg", root, root, shared, optimize=True)
        own = np.einsum("aag->ag", standard)
        # Var(V_st) = tr(A_ss Q A_tt Q) + tr(A_st Q A_st Q), A_st the covariance of the totals of two combinations
        variance = (own @ self.product @ own.T).sum() + np.einsum("abg,gh,abh->", standard, self.product, standard)
        q = len(coefficients)
        return float(q * (q + 1) / variance)


def components(cells: Cells, units: Sequence[Units], domains: BoolArray, *, centred: bool) -> Components:
    """Variances of the means, or totals, of (C, G) domains."""
    members = domains.astype(np.float64)
    size = cells.weight @ members if centred else np.ones(members.shape[1])
    expected = np.zeros(members.shape[1])
    product = np.zeros((members.shape[1],) * 2)
    for part in units:
        # A mean: the unit's totals are its errors less its share of the mean's, z_u = s_u - h_u sum_v s_v, so that
        # Cov(z_u, z_v) = [u = v] d_u - d_u h_v - h_u d_v + h_u h_v sum d, with d the variance of s, h the share
        diagonal = part.sums(part.squares, members) / size**2
        if not centred:
            expected += part.form.traces(diagonal)
            product += part.form.traces_of_two(diagonal, diagonal)
            continue
        share = part.sums(part.weight, members) / size
        left = np.stack([-diagonal, share], axis=1)  # (U, 2, G)
        right = np.stack([share, share * (part.rows @ diagonal) - diagonal], axis=1)
        moved, moved_right = (
            part.form.times(side.reshape(len(side), -1)).reshape(side.shape) for side in (left, right)
        )
        unfitted = part.form.traces(diagonal)
        with_rank = np.einsum("u,ukg,ukg->g", part.rows, right, moved)
        here = unfitted + with_rank
        here[here <= VANISHING * unfitted] = 0.0
        expected += here
        crossed = np.einsum("u,ukg,ulh->klgh", part.rows, right, moved, optimize=True)
        mixed = (part.rows[:, None] * diagonal).T @ (moved_right * moved).sum(axis=1)
        product += (
            part.form.traces_of_two(diagonal, diagonal) + mixed + mixed.T + np.einsum("klgh,lkhg->gh", crossed, crossed)
        )
    return Components(expected, product)


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """Covariance of the q coefficients of a regression by weighted least squares, under the working model.

    Attributes
    ----------
    units : what the variance is made of.
    own : one (U, q, q) a stage, covariance of a unit's own errors, in units in which the information is 1.
    share : one (U, q, q) a stage, a unit's part of the information.
    root : (q, q) from coefficients to these units: their inverse information is root root'.
    """

    units: Sequence[Units]
    own: Sequence[FloatArray]
    share: Sequence[FloatArray]
    root: FloatArray

    def unknown(self, contrasts: FloatArray) -> BoolArray:
        """(m,) whether (m, q) combinations depend on what a single unit determines: their variance is unknown."""
        standard = contrasts @ self.root
        lost = np.zeros(len(contrasts), dtype=bool)
        for part, share in zip(self.units, self.share, strict=True):
            size, axes = np.linalg.eigh(share[part.may_vary])
            directions = axes.transpose(0, 2, 1)[size > 1.0 - VANISHING]
            reach = np.abs(standard @ directions.T) > ALONE * np.linalg.norm(standard, axis=1)[:, None]
            lost |= reach.any(axis=1)
        return lost

    def df(self, contrast: FloatArray) -> float:
        """Degrees of freedom of one combination (q,)."""
        return self.joint_df(contrast[None, :])

    def joint_df(self, contrasts: FloatArray) -> float:
        """Degrees of freedom of the covariance of (m, q) combinations; see `Components.joint_df`."""
        standard = contrasts @ self.root
        root = _inverse_root(self._expected(standard))
        if root is None:
            return np.nan
        standard = root @ standard
        m = len(standard)
        variance = 0.0
        for part, own, share in zip(self.units, self.own, self.share, strict=True):
            of = [_Totals.of(part, own, share, row) for row in standard]
            for s in range(m):
                for t in range(s + 1):
                    crossed = of[s].joint(of[t])
                    times = 1.0 if s == t else 2.0
                    variance += times * (of[s].joint(of[s]).product(of[t].joint(of[t])) + crossed.product(crossed))
        return m * (m + 1) / variance

    def _expected(self, standard: FloatArray) -> FloatArray:
        """(m, m) expected estimate of the covariance of combinations in units in which the information is 1."""
        expected = np.zeros((len(standard),) * 2)
        for part, own, share in zip(self.units, self.own, self.share, strict=True):
            of = [_Totals.of(part, own, share, row) for row in standard]
            expected += np.array([[one.joint(other).expected for other in of] for one in of])
        return expected


def of_coefficients(cells: Cells, units: Sequence[Units], columns: FloatArray) -> Coefficients:
    """Covariance of the coefficients of a regression.

    Parameters
    ----------
    columns : (C, e, q) derivatives of the e expected responses of a pattern, in units in which their errors have
        variance 1 and no correlation; zero outside the domain.
    """
    q = columns.shape[2]
    gram = np.einsum("ceq,cep->cqp", columns, columns)
    values, vectors = np.linalg.eigh(np.einsum("c,cqp->qp", cells.weight, gram))
    root = vectors / np.sqrt(values)
    flat = (root.T @ gram @ root).reshape(len(gram), -1)
    own = [part.sums(part.squares, flat).reshape(-1, q, q) for part in units]
    share = [part.sums(part.weight, flat).reshape(-1, q, q) for part in units]
    return Coefficients(units, own, share, root)


@dataclass(frozen=True, slots=True, eq=False)
class _Totals:
    """Totals of the units for one combination of coefficients, c'(S_u - H_u theta) with theta = sum of S_u.

    `with_theta` (U, q) covariances of c'S_u with theta, O_u c; `fitted` (U, q) H_u c; `all_own` (q, q) sum of O_u.
    """

    units: Units
    contrast: FloatArray
    with_theta: FloatArray
    fitted: FloatArray
    all_own: FloatArray

    @staticmethod
    def of(units: Units, own: FloatArray, share: FloatArray, contrast: FloatArray) -> _Totals:
        """The totals of a (q,) combination."""
        together: FloatArray = np.einsum("u,uqp->qp", units.rows, own)
        return _Totals(units, contrast, own @ contrast, share @ contrast, together)

    def joint(self, other: _Totals) -> _Joint:
        """Covariance of the totals of two combinations."""
        return _Joint(
            self.units,
            diagonal=self.with_theta @ other.contrast,
            left=np.hstack([-self.with_theta, self.fitted]),
            right=np.hstack([other.fitted, other.fitted @ self.all_own - other.with_theta]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Joint:
    """Covariance of the units' totals of two estimates: a (U,) diagonal, and left times right'."""

    units: Units
    diagonal: FloatArray
    left: FloatArray
    right: FloatArray

    @property
    def expected(self) -> float:
        """Expected estimate of the covariance, tr(A Q)."""
        moved = self.units.form.times(self.left)
        trace = float(self.units.form.traces(self.diagonal[:, None])[0])
        return trace + float(np.einsum("u,um,um->", self.units.rows, self.right, moved))

    def product(self, other: _Joint) -> float:
        """tr(A Q B Q) of the covariances A and B."""
        form = self.units.form
        rows = self.units.rows
        mine, right = form.times(self.left), form.times(self.right)
        theirs, other_right = form.times(other.left), form.times(other.right)
        low = (self.right.T * rows) @ theirs
        back = (other.right.T * rows) @ mine
        return (
            float(form.traces_of_two(self.diagonal[:, None], other.diagonal[:, None])[0, 0])
            + float(np.einsum("u,um,um->", rows * self.diagonal, other_right, theirs))
            + float(np.einsum("u,um,um->", rows * other.diagonal, right, mine))
            + float((low * back.T).sum())
        )


def _inverse_root(expected: FloatArray) -> FloatArray | None:
    """(q, q) R with R expected R' = I; None where a combination has no expected variance."""
    scale = np.sqrt(np.diag(expected))
    if not (scale > 0).all() or np.linalg.eigvalsh(expected / np.outer(scale, scale))[0] <= VANISHING:
        return None
    root: FloatArray = np.linalg.inv(np.linalg.cholesky(expected))
    return root
