"""Quantiles of numeric variables, with intervals that turn bounds of a share into bounds of the quantile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from survey.arguments import asked_names, by_names, check_choice, check_level
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells, Design, Missing, collapse, sum_by_code
from survey.errors import EstimationError
from survey.estimation.assembly import estimate
from survey.estimation.estimate import Estimate
from survey.estimation.influence import (
    Domains,
    Statistic,
    Terms,
    by_domain,
    domains_of,
    is_numeric,
    ratio_of_totals,
    terms_of,
)
from survey.estimation.intervals import IntervalMethod, proportion_interval, quantile_t, t_interval
from survey.estimation.quantile_rules import TIE, QuantileRule, weighted_quantiles
from survey.estimation.variance import covariance

QuantileInterval = Literal["woodruff", "woodruff-beta", "woodruff-logit", "woodruff-asin", "score", "replication"]
SHARE_INTERVAL: Mapping[str, IntervalMethod] = MappingProxyType(
    {"woodruff": "wald", "woodruff-beta": "beta", "woodruff-logit": "logit", "woodruff-asin": "asin"}
)
AROUND = 50  # distinct values beside a crossing that are tried for another one


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """The V distinct values of one variable in one domain.

    `value` (V,), ascending; `count` (V,) respondents with each; `pattern` (M,) the patterns that hold them, and
    `code` (M,) which value each of these has.
    """

    value: FloatArray
    count: FloatArray
    pattern: IntArray
    code: IntArray

    def quantiles(self, weight: FloatArray, p: FloatArray, rule: QuantileRule) -> FloatArray:
        """(P,) quantiles under (C,) weights of the patterns."""
        sums = sum_by_code(self.code, weight[self.pattern], self.value.size)
        return weighted_quantiles(self.value, sums, self.count, p=p, rule=rule)


def quantile(
    design: Design,
    x: str | Sequence[str],
    q: float | Sequence[float] = 0.5,
    *,
    by: str | Sequence[str] | None = None,
    interval: QuantileInterval = "woodruff",
    level: float = 0.95,
    rule: QuantileRule = "math",
    missing: Missing = "drop",
) -> Estimate:
    """Quantiles of numeric variables.

    The Woodruff intervals take the share of the population at or below the estimated quantile, with its design-based
    bounds, and read the quantiles at these bounds; `"woodruff"` takes the t interval of the share, the others the
    intervals for proportions after which they are named. `"score"` holds the values that a t test of the share at or
    below them does not reject. `"replication"` is a t interval with the variance of the replicate quantiles. The
    standard error is the width of the interval over twice the t quantile, so that it depends on `level` a little.

    Covariances come from the linearized quantile, -(share at or below q - p) / f(q), with the density f that makes the
    standard error of each quantile the one of its interval. The design effect is that of the share below the quantile.

    Parameters
    ----------
    x : one or several numeric variables; several are estimated on the rows that know them all.
    q : share or shares of the population below the quantiles, between 0 and 1; .5 is the median.
    by : variables whose combinations are the domains.
    interval : one of the six intervals above; "replication" needs replicate weights other than a jackknife's.
    level : confidence level.
    rule : what a quantile is where several values would do, by R's names (`quantile_rules`). The default is
        the smallest value with a share of at least q at or below it.
    missing : "drop" or "fail".

    Returns
    -------
    Estimate with the rows by-group, variable, `q` (column `level`). Bounds are NaN where those of the share lie
    outside 0 to 1, and where nobody is above the quantile; the standard error is then NaN as well. With few distinct
    values the bounds are the neighbouring answers, whatever the sample size: then report shares instead.

    Raises
    ------
    EstimationError : a variable that is not numeric, shares outside 0 to 1, an unknown rule or interval, "replication"
        without replicates that allow it, missing values under "fail", or no respondent left.

    References
    ----------
    Woodruff (1952), JASA 47:635; Francisco and Fuller (1991), Annals of Statistics 19:454; Shao and Wu (1989), Annals
    of Statistics 17:1176 (jackknife). R equivalent: survey::svyquantile (4.1 and later), with interval.type "mean",
    "beta", "xlogit", "asin", "score", "quantile".
    """
    variables = asked_names(x, "x")
    groups = by_names(by, variables)
    shares = _shares_asked(q)
    check_level(level)
    check_choice(interval, QuantileInterval, "interval")
    cells = collapse(design, [*variables, *groups], missing)
    for name in variables:
        if not is_numeric(cells.frame[name]):
            raise EstimationError(
                f"`x` must be numeric to have quantiles; {name!r} has type {cells.frame[name].dtype}."
            )
    measured = terms_of(cells, variables)
    domains = domains_of(cells, groups)
    quantiles = _Quantiles(cells, measured, groups=domains, p=shares, parts=_observed(cells, measured, domains))

    value = quantiles.values(cells.weight, rule)
    below = estimate(cells, quantiles.share_below(value, quantiles.part), level=level)
    if interval == "replication":
        _check_replicates(cells)
        vcov = quantiles.replicated(value, rule)
        low, high = t_interval(value, np.sqrt(np.diag(vcov)), below.df, level)
    else:
        if interval == "score":
            low, high = quantiles.score_bounds(below.df, level)
        else:
            low, high = quantiles.woodruff_bounds(below, SHARE_INTERVAL[interval], rule)
        # SE = (high - low) / 2 t: the width of the interval over twice the t quantile
        vcov = _scaled(below.vcov, (high - low) / (2 * quantile_t(0.5 + level / 2, below.df)))
    return replace(below, labels=quantiles.labels, value=value, vcov=vcov, conf_low=low, conf_high=high)


def _observed(cells: Cells, measured: Terms, groups: Domains) -> list[_Observed]:
    """Distinct values of each variable in each domain, domain by domain."""
    observed = []
    for inside in groups.indicator.T:
        pattern = np.flatnonzero(inside)
        for column in measured.values.T:
            value, code = np.unique(column[pattern], return_inverse=True)
            count = sum_by_code(code, cells.n[pattern].astype(np.float64), value.size)
            observed.append(_Observed(value, count, pattern=pattern, code=code))
    return observed


@dataclass(frozen=True, slots=True, eq=False)
class _Quantiles:
    """The k quantiles of a call: domain by domain, variable by variable, share by share."""

    cells: Cells
    measured: Terms
    groups: Domains
    p: FloatArray
    parts: list[_Observed]

    @property
    def labels(self) -> pd.DataFrame:
        """By-columns, term and level of the k rows."""
        m = len(self.measured.labels)
        size = self.p.size
        terms = self.measured.labels.loc[np.repeat(np.arange(m), size), ["term"]].reset_index(drop=True)
        return by_domain(self.groups, terms.assign(level=np.tile(self.p, m)))[0]

    @property
    def part(self) -> IntArray:
        """(k,) domain and variable, as a place in `parts`, of each row."""
        return np.repeat(np.arange(len(self.parts)), self.p.size)

    def values(self, weight: FloatArray, rule: QuantileRule) -> FloatArray:
        """(k,) quantiles under (C,) weights."""
        return np.concatenate([part.quantiles(weight, self.p, rule) for part in self.parts])

    def replicated(self, value: FloatArray, rule: QuantileRule) -> FloatArray:
        """(k, k) covariance from quantiles of each replicate."""

        def evaluate(weight: FloatArray) -> FloatArray:
            """(R, k) quantiles under (C, R) weights."""
            return np.array(
                [np.concatenate([part.quantiles(w, self.p, rule) for part in self.parts]) for w in weight.T]
            )

        return covariance(self.cells, value, np.zeros((self.cells.n.size, value.size)), evaluate)

    def share_below(self, value: FloatArray, part: IntArray) -> Statistic:
        """Shares at or below (m,) values in (m,) domains and variables."""
        domain, variable = np.divmod(part, len(self.measured.labels))
        membership = self.groups.indicator[:, domain]
        below = membership & (self.measured.values[:, variable] <= value + TIE * np.abs(value))
        return ratio_of_totals(
            self.cells,
            labels=pd.DataFrame(index=range(part.size)),
            above=below.astype(np.float64),
            below=membership.astype(np.float64),
            membership=membership,
        )

    def woodruff_bounds(
        self, below: Estimate, method: IntervalMethod, rule: QuantileRule
    ) -> tuple[FloatArray, FloatArray]:
        """(k,) lower and (k,) upper quantiles at the bounds of the shares below."""
        bounds = proportion_interval(below.value, below.std_error, below.n, below.df, level=below.level, method=method)
        ends = []
        for bound in bounds:
            usable = (bound >= -TIE) & (bound <= 1 + TIE)
            at = np.where(usable, bound, 0.5).reshape(-1, self.p.size)
            values = [part.quantiles(self.cells.weight, row, rule) for part, row in zip(self.parts, at, strict=True)]
            ends.append(np.where(usable, np.concatenate(values), np.nan))
        return ends[0], ends[1]

    def score_bounds(self, df: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """(k,) first and (k,) last values that the test of (share at or below - p) = 0 does not reject.

        The statistic changes at observed values. It falls from one to the next, but for what the standard error adds:
        a crossing is found by bisection, and then the outermost one among the values around it.
        """
        t = quantile_t(0.5 + level / 2, df)
        size = np.array([part.value.size for part in self.parts])[self.part]
        ends = []
        for sign in (1.0, -1.0):
            before = np.full(size.size, -1)  # ranks on either side of the crossing
            after = size - 1
            while (after - before > 1).any():
                middle = np.maximum((before + after) // 2, 0)
                crossed = self._crossed(middle, self.part, p=np.tile(self.p, len(self.parts)), t=sign * t)
                searching = after - before > 1
                after = np.where(searching & crossed, middle, after)
                before = np.where(searching & ~crossed, middle, before)
            ends.append(np.array([self._outermost(i, rank, sign * t[i]) for i, rank in enumerate(after)]))
        return ends[0], ends[1]

    def _crossed(self, rank: IntArray, part: IntArray, *, p: FloatArray, t: FloatArray) -> BoolArray:
        """(m,) whether the statistic at values of these ranks is at or below t, where this is positive; else below."""
        value = np.array([self.parts[r].value[i] for r, i in zip(part, rank, strict=True)])
        shares = self.share_below(value, part)
        vcov = covariance(self.cells, shares.value, shares.influence, shares.evaluate, membership=shares.membership)
        distance = p - shares.value - t * np.sqrt(np.diag(vcov))
        return np.where(t > 0, distance <= 0, distance < 0)

    def _outermost(self, row: int, rank: int, t: float) -> float:
        """Lowest (t positive) or highest value where the statistic crosses t, among those around a crossing."""
        part = self.part[row]
        values = self.parts[part].value
        if np.isnan(t):
            return np.nan
        beside = np.arange(max(rank - AROUND, 0), rank) if t > 0 else np.arange(rank, min(rank + AROUND, values.size))
        crossed = self._crossed(
            beside,
            np.full(beside.size, part),
            p=np.full(beside.size, self.p[row % self.p.size]),
            t=np.full(beside.size, t),
        )
        if t > 0:
            return float(values[beside[crossed].min(initial=rank)])
        return float(values[beside[~crossed].max(initial=rank - 1) + 1])


def _scaled(vcov: FloatArray, std_error: FloatArray) -> FloatArray:
    """(k, k) covariance of shares, rescaled to the variances of the quantiles; NaN beside an unknown standard error."""
    share_error = np.sqrt(np.diag(vcov))
    stretch = np.divide(std_error, share_error, out=0.0 * std_error, where=share_error > TIE)
    result: FloatArray = vcov * np.outer(stretch, stretch)
    np.fill_diagonal(result, std_error**2)
    return result


def _shares_asked(q: float | Sequence[float]) -> FloatArray:
    """(Q,) shares, checked."""
    try:
        p = np.atleast_1d(np.asarray(q, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise EstimationError(f"`q` must be a share or a list of shares, as .5 or [.25, .5]; got {q!r}.") from error
    if p.ndim != 1 or p.size == 0 or not ((p > 0) & (p < 1)).all() or np.unique(p).size < p.size:
        raise EstimationError(f"`q` must be shares between 0 and 1, each once; got {q!r}. The median is q=.5.")
    return p


def _check_replicates(cells: Cells) -> None:
    """Raise unless the replicates give a variance of quantiles."""
    if cells.replicates is None:
        raise EstimationError(
            '`interval`="replication" needs replicate weights, which `design` has not. Use "woodruff", or '
            "`survey.replicate` first."
        )
    kind = cells.replicates.source.kind
    if kind in ("JK1", "JKn"):
        raise EstimationError(
            f'`interval`="replication" cannot use a jackknife ({kind}), whose variance of a quantile '
            'is inconsistent. Use "woodruff", which has the replicate variance of the share below the quantile.'
        )
