"""The same estimate under the conventions of other software, and which of them moves the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arguments import as_name, by_names, check_choice
from survey.arrays import FloatArray
from survey.design import Design, LonelyDomain, check_design, with_state
from survey.errors import EstimationError
from survey.estimation.estimate import Estimate
from survey.estimation.intervals import proportion_interval, t_interval
from survey.estimation.means import mean, proportion, total
from survey.estimation.quantile_rules import QuantileRule
from survey.estimation.quantiles import quantile

ComparedStatistic = Literal["mean", "proportion", "total", "quantile"]
LonelyRule = Literal["refused", "adjust", "average", "certainty", "remove"]
DegreesOfFreedom = Literal["domain", "infinite", "strata", "undocumented"]
OPTIONS = ("lonely_psu", "lonely_domain", "df", "interval", "quantile_rule")
NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high")
SAME = 1e-9  # relative difference that is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Convention:
    """How a package makes an estimate.

    Attributes
    ----------
    name : the package, and the option where it is not its default.
    lonely_psu : rule for a stratum with one PSU; "refused" where there is no standard error then.
    lonely_domain : whether the rule is applied to strata of which a domain leaves one PSU; "adjust" in no default.
    df : "domain", PSUs minus strata among the respondents of each row; "infinite", normal quantiles; "strata", PSUs
        minus strata among the strata that have respondents of the call, with all their PSUs; "undocumented".
    interval : whether there is a confidence interval ("t or logit") or none.
    quantile_rule : rule of quantiles.
    """

    name: str
    lonely_psu: LonelyRule
    df: DegreesOfFreedom
    lonely_domain: LonelyDomain = "keep"
    interval: Literal["t or logit", "none"] = "t or logit"
    quantile_rule: QuantileRule = "math"


def compare_conventions(
    design: Design,
    x: str,
    *,
    statistic: ComparedStatistic = "mean",
    by: str | Sequence[str] | None = None,
    q: float = 0.5,
    level: float = 0.95,
) -> pd.DataFrame:
    """One estimate as R's survey, Stata and SPSS Complex Samples give it, beside ours.

    What differs, with the place where each package says so:

    * Degrees of freedom. Ours, and those of R's `degf(subset(...))` and `svyciprop`: PSUs minus strata among the
      respondents of the row. R's `confint(svymean(...))`, and of totals and of `svyby`, is normal unless `df=` is given
      (help page "surveysummary": `confint(object, df = Inf)`). Stata takes PSUs minus strata of the design; strata
      without members of a subpopulation are left out, PSUs without are not ([SVY] variance estimation, "Confidence
      intervals"; [SVY] subpopulation estimation); `over()` is one estimation, with the same df in all groups. SPSS
      takes PSUs minus strata; what it takes in subpopulations its manual does not say, and the limits are left out.
    * Strata with one PSU. R stops (help page "surveyoptions": `survey.lonely.psu = "fail"`). Stata gives missing
      standard errors unless `singleunit()` is certainty, scaled (our "average") or centered (our "adjust") ([SVY]
      svyset). In SPSS the stratum adds nothing (IBM Support, "How does SPSS Complex Samples handle singleton clusters
      within strata?"). Where the design has such strata, the other options are rows of their own.
    * Intervals of proportions. All three transform to logits: R `svyciprop(method = "logit")`, Stata [R] proportion
      `citype(logit)`, SPSS with PSUs minus strata (IBM Support, "How does SPSS compute confidence intervals on
      percentages or propotions in the SPSS Complex Samples module?").
    * Quantiles. R has `qrule = "math"` and a Woodruff interval (help page "svyquantile"). Stata's `svy` has no
      quantiles; `_pctile` with weights takes the middle of two values where the share is met exactly ([D] pctile), and
      no standard error. SPSS Complex Samples has none and is left out.

    Parameters
    ----------
    design : design with linearized variances.
    x : numeric variable, or categorical for proportions (and means and totals of levels).
    statistic : "mean", "proportion", "total" or "quantile".
    by : variables whose combinations are the domains.
    q : share below the quantile.
    level : confidence level.

    Returns
    -------
    A row per estimate and convention: by-columns, term, level, `convention`, estimate, std_error, df, conf_low,
    conf_high, and `moved`: which of "lonely_psu", "lonely_domain", "df", "interval" and "quantile_rule", changed alone,
    moves a number of the row away from ours; empty where none does. The first row of each estimate is ours.

    Raises
    ------
    EstimationError : an unknown statistic, a design with replicate weights, or what the statistic itself refuses.
    """
    check_choice(statistic, ComparedStatistic, "statistic")
    check_design(design)
    as_name(x, "x")
    if design.replicates is not None:
        raise EstimationError(
            "`design` has replicate weights, whose conventions are in the replicates themselves. Compare the design "
            "that they were made from."
        )
    first = design.stages[0]
    lonely = bool(((first.n_h == 1) & (first.fraction < 1)).any())
    asked = _Request(design, x, statistic=statistic, by=by_names(by), q=q, level=level, lonely=lonely)
    ours, others = _conventions(design, statistic, asked)
    reference = asked.frame(ours)
    frames = [reference.assign(moved="")]
    for other in others:
        theirs = asked.frame(other)
        moved: list[list[str]] = [[] for _ in range(len(theirs))]
        for option in OPTIONS:
            choice: Any = getattr(other, option)
            if choice != getattr(ours, option):
                alone = asked.frame(replace(ours, **{option: choice}))
                for row, differs in enumerate(_differ(alone, reference)):
                    if differs:
                        moved[row].append(option)
        frames.append(theirs.assign(moved=[", ".join(names) for names in moved]))
    together = pd.concat([frame.assign(row=range(len(frame))) for frame in frames], ignore_index=True)
    together = together.sort_values("row", kind="stable").drop(columns="row").reset_index(drop=True)
    front = [name for name in together.columns if name not in (*NUMBERS, "convention", "moved")]
    return together[[*front, "convention", *NUMBERS, "moved"]]


def _conventions(design: Design, statistic: str, asked: _Request) -> tuple[Convention, list[Convention]]:
    """Ours, and those of the packages that have the statistic; their options where a stratum has one PSU."""
    rule: LonelyRule = "refused" if design.lonely_psu == "fail" else design.lonely_psu
    ours = Convention("survey", rule, "domain", lonely_domain=design.lonely_domain)
    if statistic == "quantile":
        return ours, [
            Convention("R survey", "refused", "domain"),
            Convention("Stata", "refused", "strata", interval="none", quantile_rule="school"),
        ]
    r = Convention("R survey", "refused", "domain" if statistic == "proportion" else "infinite")
    stata = Convention("Stata", "refused", "strata")
    spss = Convention("SPSS Complex Samples", "remove", "undocumented" if asked.has_domains else "strata")
    if not asked.lonely:
        return ours, [r, stata, spss]
    return ours, [
        r,
        replace(r, name='R survey, lonely.psu="adjust"', lonely_psu="adjust"),
        replace(r, name='R survey, lonely.psu="certainty"', lonely_psu="certainty"),
        stata,
        replace(stata, name="Stata, singleunit(certainty)", lonely_psu="certainty"),
        replace(stata, name="Stata, singleunit(scaled)", lonely_psu="average"),
        replace(stata, name="Stata, singleunit(centered)", lonely_psu="adjust"),
        spss,
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """What is estimated, and how to do it by any convention."""

    design: Design
    x: str
    statistic: str
    by: list[str]
    q: float
    level: float
    lonely: bool

    @property
    def has_domains(self) -> bool:
        """Whether the estimates are of parts of the sample."""
        return bool(self.by) or self.design.in_domain is not None

    def frame(self, convention: Convention) -> pd.DataFrame:
        """Estimates by one convention."""
        refused = convention.lonely_psu == "refused" and self.lonely
        rule = "certainty" if convention.lonely_psu == "refused" else convention.lonely_psu
        design = with_state(self.design, lonely_psu=rule, lonely_domain=convention.lonely_domain)
        estimates = self._estimate(design, convention.quantile_rule)
        unknown = refused or convention.interval == "none"
        std_error = np.full(estimates.df.size, np.nan) if unknown else estimates.std_error
        df = self._df(estimates, convention.df)
        if self.statistic == "quantile":
            low = estimates.conf_low.copy()
            high = estimates.conf_high.copy()
        elif self.statistic == "proportion":
            low, high = proportion_interval(
                estimates.value, std_error, estimates.n, df, level=self.level, method="logit"
            )
        else:
            low, high = t_interval(estimates.value, std_error, df, level=self.level)
        low, high = (np.where(np.isnan(std_error), np.nan, bound) for bound in (low, high))
        numbers = dict(zip(NUMBERS, (estimates.value, std_error, df, low, high), strict=True))
        return estimates.labels.assign(convention=convention.name, **numbers)

    def _estimate(self, design: Design, rule: QuantileRule) -> Estimate:
        """The statistic itself."""
        if self.statistic == "quantile":
            return quantile(design, self.x, self.q, by=self.by, level=self.level, rule=rule)
        if self.statistic == "proportion":
            return proportion(design, self.x, by=self.by, level=self.level)
        return (mean if self.statistic == "mean" else total)(design, self.x, by=self.by, level=self.level)

    def _df(self, estimates: Estimate, rule: DegreesOfFreedom) -> FloatArray:
        """(k,) degrees of freedom."""
        if rule == "domain":
            return estimates.df.copy()
        if rule == "strata":
            known = self.design.frame[[self.x, *self.by]].notna().all(axis=1).to_numpy() & (self.design.weights > 0)
            first = self.design.stages[0]
            strata = np.unique(first.stratum[known])
            return np.full(estimates.df.size, first.n_h[strata].sum() - strata.size)
        return np.full(estimates.df.size, np.inf if rule == "infinite" else np.nan)


def _differ(left: pd.DataFrame, right: pd.DataFrame) -> list[bool]:
    """Rows in which any number differs by more than rounding."""
    a, b = (frame[list(NUMBERS)].to_numpy(dtype=np.float64) for frame in (left, right))
    return [not np.allclose(x, y, rtol=SAME, atol=0, equal_nan=True) for x, y in zip(a, b, strict=True)]
