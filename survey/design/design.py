"""Sampling designs: weights, strata, stages of clusters, population sizes, domains and calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arguments import check_choice, check_kind, check_switch
from survey.arrays import BoolArray, FloatArray, make_read_only
from survey.design.calibrations import Calibration
from survey.design.columns import as_pandas, check_name, check_stages, names_of, weights_of, with_values
from survey.design.domains import rows_inside
from survey.design.replicates import ReplicateKind, Replicates, check_replicates, scales_of
from survey.design.stages import Stage, stages_of
from survey.errors import DesignError
from survey.expressions import cut
from survey.tidy import gives_copies

LonelyPSU = Literal["fail", "adjust", "average", "certainty", "remove"]
LonelyDomain = Literal["keep", "adjust"]
STATE = frozenset({"data", "calibrations", "replicates", "in_domain", "lonely_psu", "lonely_domain"})


@gives_copies("data")
@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A sample and how it was drawn; every estimate starts from one.

    A design does not change, and cannot be changed: what is worked out of its columns would no longer agree with
    them. `domain`, `with_columns` and the functions that weight or replicate give new designs, and
    `dataclasses.replace` is refused. Nothing that happens to the data it was made of reaches it.

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
    lonely_psu : rule for a stratum with a single PSU. "fail" refuses it; "adjust" centres it at the mean of all PSUs
        instead of its own; "average" gives it the average variance of the other strata; "certainty" and "remove"
        leave it out of the variance.
    lonely_domain : what to do where only one PSU of a stratum has respondents in a domain. "keep": nothing, as the
        stratum's other PSUs were sampled and count with a total of zero; "adjust": apply the rule `lonely_psu`,
        "adjust" or "average", to such strata too. Calibrated weights make a difference in all PSUs: "keep".

    Attributes
    ----------
    frame : the data, as pandas.
    weights : (n_rows,) weights in use; zero outside the domain.
    base_weights : (n_rows,) weights before any calibration.
    calibrations : the steps that made the weights in use from the base weights, first to last.
    replicates : replicate weights, which then take the place of linearization; or None.
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
    lonely_domain: LonelyDomain = "keep"
    stages: tuple[Stage, ...] = field(init=False, repr=False)
    base_weights: FloatArray = field(init=False, repr=False)
    calibrations: tuple[Calibration, ...] = field(default=(), init=False, repr=False)
    replicates: Replicates | None = field(default=None, init=False, repr=False)
    in_domain: BoolArray | None = field(default=None, init=False, repr=False)
    _sealed: bool = field(default=False, kw_only=True, repr=False)  # True once made: `replace` hands it on

    def __post_init__(self) -> None:
        if self._sealed:
            raise DesignError(
                "`dataclasses.replace` cannot change a design: weights, strata, PSUs, domain and steps of weighting "
                "were worked out of what it was made with. Make a new one with survey.Design(frame, ...) and weight "
                "it again, restrict it with .domain(), or add columns with .with_columns()."
            )
        frame = as_pandas(self.data)
        self._check_rules()
        check_name(self.weight, "weight")
        check_name(self.psu, "psu")
        strata = names_of(self.strata, "strata")
        fpc = names_of(self.fpc, "fpc")
        clusters = [*names_of(self.psu, "psu"), *names_of(self.ssu, "ssu")]
        if self.ssu is not None and self.psu is None:
            raise DesignError("`ssu` names units below the PSUs, but `psu` is None. Give `psu` as well.")
        for argument, names in (("strata", strata), ("psu", clusters[:1]), ("ssu", clusters[1:]), ("fpc", fpc)):
            check_stages(frame, names, argument, stages=max(len(clusters), 1))
        stages, probability = stages_of(frame, strata, clusters, fpc, nest=self.nest)
        if self.weight is not None:
            base_weights = weights_of(frame, self.weight)
        elif not fpc:
            base_weights = np.ones(len(frame))
        elif len(fpc) < len(clusters):
            raise DesignError(
                f"`weight` is None, so `fpc` must give the fractions of all {len(clusters)} stages; it names "
                f"{len(fpc)}. Name a weight column or the missing population sizes."
            )
        else:
            base_weights = 1.0 / probability
        for name, value in (("data", frame), ("stages", stages), ("base_weights", base_weights), ("_sealed", True)):
            object.__setattr__(self, name, value)
        make_read_only(self)

    def __copy__(self) -> Design:
        return self

    def __deepcopy__(self, memo: object) -> Design:
        return self  # nothing in it can change

    def __reduce__(self) -> tuple[Any, ...]:
        return _assembled, ({entry.name: getattr(self, entry.name) for entry in fields(self)},)

    def _check_rules(self) -> None:
        """Raise unless the rules of the design are ones that it can have."""
        check_choice(self.lonely_psu, LonelyPSU, "lonely_psu", error=DesignError)
        check_choice(self.lonely_domain, LonelyDomain, "lonely_domain", error=DesignError)
        if self.lonely_domain == "adjust" and self.lonely_psu not in ("adjust", "average"):
            raise DesignError(
                f'`lonely_domain`="adjust" applies the rule of `lonely_psu` to domains, which must be "adjust" or '
                f'"average"; it is {self.lonely_psu!r}. Choose one of these, or lonely_domain="keep".'
            )
        check_switch(self.nest, "nest")

    def __repr__(self) -> str:
        """Who was sampled and how, as the console shows it."""
        weights = self.weights[self.weights > 0]
        domain = "" if self.in_domain is None else f" of {len(self.data)}, a domain"
        steps = [
            f"{step.method} ({', '.join(step.variables)})" if step.variables else step.method
            for step in self.calibrations
        ]
        return (
            f"Design of {self.n} respondents{domain}\n{self._sampled()}\n"
            f"weights {weights.min():.4g} to {weights.max():.4g}, sum {weights.sum():.6g}"
            + (f"\nsteps of weighting: {', '.join(steps)}" if steps else "")
        )

    def _sampled(self) -> str:
        """How the respondents were sampled, in words."""
        if self.replicates is not None:
            return f"{self.replicates.weights.shape[1]} {self.replicates.kind} replicates"
        first = self.stages[0]
        if first.cluster is None:
            clusters = f"{len(self.data)} PSUs (each row its own)"
        else:
            clusters = f"{int(first.n_h.sum())} PSUs"
        strata = f" in {first.n_h.size} strata" if self.strata is not None else ""
        stages = f"; {len(self.stages)} stages" if len(self.stages) > 1 else ""
        return f"{clusters}{strata}{stages}, {self.df:g} degrees of freedom"

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
        """Design degrees of freedom in the domain: PSUs minus strata, or the rank of replicate weights minus 1."""
        alive = self.weights > 0
        if self.replicates is not None:
            return self.replicates.df(alive)
        first = self.stages[0]
        clusters = alive.sum() if first.cluster is None else np.unique(first.cluster[alive]).size
        return float(clusters - np.unique(first.stratum[alive]).size)

    @classmethod
    def from_replicates(
        cls,
        data: pd.DataFrame,
        *,
        weight: str,
        replicates: Sequence[str],
        kind: ReplicateKind,
        rho: float | None = None,
        scale: float | None = None,
        rscales: Sequence[float] | None = None,
        mse: bool = False,
    ) -> Design:
        """Make a design from the replicate weights that a data file brings.

        Parameters
        ----------
        data : one row per respondent.
        weight : column of full-sample weights.
        replicates : columns of replicate weights, sampling weights included.
        kind : "BRR", "Fay", "JK1", "JKn", "bootstrap" or "SDR".
        rho : Fay's coefficient, between 0 and 1; for "Fay" alone.
        scale : factor of the variance; by kind otherwise: BRR 1/R, Fay 1/(R (1-rho)^2), JK1 (R-1)/R, JKn 1,
            bootstrap 1/(R-1), SDR 4/R.
        rscales : factor of each replicate; 1 otherwise. "JKn" needs them.
        mse : centre at the full-sample estimate instead of the mean of the replicates.

        Raises
        ------
        DesignError : columns that are not there, weights that are not finite and at least zero, factors where weights
            are meant, or scales that the kind does not have.

        References
        ----------
        Wolter (2007), ch. 3-5; Fay and Train (1995) for SDR. R equivalent: survey::svrepdesign.
        """
        check_choice(kind, ReplicateKind, "kind", error=DesignError)
        check_switch(mse, "mse")
        if weight is None:
            raise DesignError("`weight` must name the column of full-sample weights; got None.")
        names = names_of(replicates, "replicates")
        if len(names) < 2 or len(set(names)) < len(names):
            raise DesignError(f"`replicates` must name two columns or more, each once; got {len(names)}: {names[:5]}.")
        design = cls(data, weight=weight)
        frame = design.frame  # once: each time it is a copy
        columns = [weights_of(frame, name, "replicates") for name in names]
        factor, factors = scales_of(kind, len(names), rho=rho, scale=scale, rscales=rscales)
        given = Replicates(
            kind=kind, weights=np.column_stack(columns), scale=factor, rscales=factors, mse=mse, columns=tuple(names)
        )
        check_replicates(given.weights, design.base_weights, design.data.index)
        return with_state(design, replicates=given)

    def domain(self, condition: str | pd.Series[bool] | BoolArray) -> Design:
        """Restrict estimates to a domain; its complement keeps its rows, with weight zero.

        Parameters
        ----------
        condition : expression over the columns, or a Boolean value per row. An expression is written as for
            `pandas.DataFrame.query` and may hold names of columns (between backticks where they are no words), numbers,
            text, comparisons, `in` and `not in` with a list, `and`, `or`, `not`, `& | ~`, arithmetic, `.isna()` and
            `.notna()`; it is read by the package and never run as code. A row is inside if the expression is True
            whatever its missing values were, by Kleene's logic: `age > 30` is unknown where `age` is missing,
            `age > 30 or income.isna()` is not where income is missing too.

        Returns
        -------
        The same design, within the domain; a domain of a domain is their intersection.

        Raises
        ------
        DesignError : the condition cannot be read, compares a column with a text or level that it does not have, is not
            Boolean, or no respondent meets it.

        Examples
        --------
        >>> design.domain("18 <= age < 30 and region in ['East', 'West']")
        """
        inside = rows_inside(self.frame, condition)
        if self.in_domain is not None:
            inside = inside & self.in_domain
        if not (self.full_weights[inside] > 0).any():
            tested = repr(cut(condition)) if isinstance(condition, str) else "the condition"
            raise DesignError(
                f"`condition` must hold for someone; {tested} is true for no respondent with a positive "
                "weight. Check the spelling of its levels."
            )
        return with_state(self, in_domain=inside)

    def with_columns(self, /, **columns: Any) -> Design:
        """The same design with added or replaced columns, such as recoded answers.

        Weights, strata, PSUs, domain, steps of weighting and replicates stay as they are.

        Parameters
        ----------
        columns : name -> values: one for each row (an array, a list, a Series with the index of the data), one for all
            rows, or a function that makes either of the frame, as in `pandas.DataFrame.assign`. A function sees the
            columns before it. A domain stays what it was, also where a column that it was made of is replaced.

        Returns
        -------
        A new design; this one keeps its columns.

        Raises
        ------
        DesignError : a column that the design was made of or weighted by, another number of values than rows, or a
            Series with another index.

        Examples
        --------
        >>> design = design.with_columns(older=lambda frame: frame["age"] >= 65)
        >>> survey.mean(design, "older")
        """
        return with_state(self, data=with_values(self.frame, columns, in_use=self._columns_in_use()))

    def _columns_in_use(self) -> dict[str, str]:
        """Columns that the design was made of or weighted by, and what each one is."""
        steps = {name: f"a variable of {step.method!r}" for step in self.calibrations for name in step.variables}
        replicated = () if self.replicates is None else self.replicates.columns
        named = {"fpc": self.fpc, "ssu": self.ssu, "psu": self.psu, "strata": self.strata, "weight": self.weight}
        made_of = {name: f"its `{argument}`" for argument, given in named.items() for name in names_of(given, argument)}
        return steps | dict.fromkeys(replicated, "one of its `replicates`") | made_of


def with_state(design: Design, **state: Any) -> Design:
    """The same sample in another state: the one way by which the package makes a design of a design.

    Parameters
    ----------
    state : of `data` (the same rows in the same order, the columns of the design untouched), `calibrations`,
        `replicates`, `in_domain`, `lonely_psu` and `lonely_domain`; whoever calls has made them agree with the rest.
    """
    unknown = sorted(set(state) - STATE)
    if unknown:
        raise DesignError(
            f"`state` must be of {', '.join(sorted(STATE))}; got {', '.join(unknown)}. Make a new design."
        )
    return _assembled({entry.name: getattr(design, entry.name) for entry in fields(design)} | state)


def _assembled(values: dict[str, Any]) -> Design:
    """A design of all that it holds, as one that was checked hands it on."""
    design = object.__new__(Design)
    for name, value in values.items():
        object.__setattr__(design, name, value)
    make_read_only(design)
    return design


def check_design(design: object) -> None:
    """Raise unless the first argument of a function is a design, not the frame that one is made of."""
    check_kind(design, Design, "design", error=DesignError)
