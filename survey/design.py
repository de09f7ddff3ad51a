"""Sampling designs: weights, strata, stages of clusters, population sizes, domains and calibrations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from token import NAME
from tokenize import TokenError, generate_tokens
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survey.errors import DesignError, check_kind, did_you_mean, shown
from survey.schema import gives_copies

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
UNREADABLE = (  # what pandas raises for expressions that it cannot evaluate
    SyntaxError,
    NameError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    NotImplementedError,
    TokenError,
)
LARGEST, SMALLEST = 1e100, 1e-100  # beyond these the squares of weights leave double precision
LonelyPSU = Literal["fail", "adjust", "average", "certainty", "remove"]
LonelyDomain = Literal["keep", "adjust"]
StepMethod = Literal["rake", "poststratify", "calibrate", "trim", "nonresponse"]


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


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """One step of weighting: what the weights were tied to, and how.

    Attributes
    ----------
    method : "rake", "poststratify", "calibrate", "trim" or "nonresponse".
    margins : the variables of each margin, in the order they were given; of "nonresponse", its cells.
    targets : per margin, a Series of totals indexed by level.
    before : (n,) weights before this step.
    after : (n,) weights after this step.
    again : from (n,) weights of a replicate before this step to those after it.
    iterations : passes over the margins, Newton steps or rounds of trimming.
    largest_gap : largest remaining distance from a target, as a share of the total.
    tolerance : gap at which the iteration stops.
    totals : numeric variables and their population totals.
    distance : distance of "calibrate".
    bounds : lowest and highest ratio of the weight after to the weight before ("calibrate"), or lowest and
        highest weight ("trim").
    responded : variable of "nonresponse" that tells who answered.
    sharers : (n,) rows that trimmed weight is shared among, of "trim".
    """

    method: StepMethod
    margins: tuple[tuple[str, ...], ...]
    targets: tuple[pd.Series[float], ...]
    before: FloatArray
    after: FloatArray
    again: Callable[[FloatArray], FloatArray] = field(repr=False)
    iterations: int
    largest_gap: float
    tolerance: float
    totals: Mapping[str, float] = field(default_factory=dict)
    distance: str | None = None
    bounds: tuple[float, float] | None = None
    responded: str | None = None
    sharers: BoolArray | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables that the step rests on, each once."""
        named = [name for margin in self.margins for name in margin]
        return tuple(dict.fromkeys([*named, *self.totals, *([self.responded] if self.responded else [])]))


ReplicateKind = Literal["BRR", "Fay", "JK1", "JKn", "bootstrap", "SDR"]
REPLICATE_RATIO = 2.0  # replicate weights average to the full-sample weights; factors average to 1
RANK_TOLERANCE = 1e-5  # a column this close to the span of those before it adds nothing; R's degf has the same
CLEARLY_INDEPENDENT = 1e-2  # a distance far above what the squaring of columns loses
RANK_BLOCK = 64  # columns that are worked on together


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Replicate weights, and how the replicate estimates add up to a variance.

    The variance is `scale * sum_r rscales_r (replicate_r - centre)^2`.

    Attributes
    ----------
    kind : how they were made.
    weights : (n_rows, R) replicate weights, sampling weights included.
    scale : factor of the sum.
    rscales : (R,) factor of each replicate.
    mse : whether the centre is the full-sample estimate rather than the mean of the replicates.
    """

    kind: ReplicateKind
    weights: FloatArray
    scale: float
    rscales: FloatArray
    mse: bool


@gives_copies("data")
@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A sample and how it was drawn; every estimate starts from one.

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
    stages: tuple[Stage, ...] = field(default=(), kw_only=True, repr=False)
    base_weights: FloatArray = field(default_factory=lambda: np.empty(0), kw_only=True, repr=False)
    calibrations: tuple[Calibration, ...] = field(default=(), kw_only=True, repr=False)
    replicates: Replicates | None = field(default=None, kw_only=True, repr=False)
    in_domain: BoolArray | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.stages:
            return  # made by `replace` from a design that was checked
        frame = _as_pandas(self.data)
        if self.lonely_psu not in get_args(LonelyPSU):
            raise DesignError(f"`lonely_psu` must be one of {', '.join(get_args(LonelyPSU))}; got {self.lonely_psu!r}.")
        if self.lonely_domain not in get_args(LonelyDomain):
            raise DesignError(
                f"`lonely_domain` must be one of {', '.join(get_args(LonelyDomain))}; got {self.lonely_domain!r}."
            )
        if self.lonely_domain == "adjust" and self.lonely_psu not in ("adjust", "average"):
            raise DesignError(
                f'`lonely_domain`="adjust" applies the rule of `lonely_psu` to domains, which must be "adjust" or '
                f'"average"; it is {self.lonely_psu!r}. Choose one of these, or lonely_domain="keep".'
            )
        _check_switch(self.nest, "nest")
        for argument, name in (("weight", self.weight), ("psu", self.psu)):
            _check_name(name, argument)
        strata, fpc = _names(self.strata, "strata"), _names(self.fpc, "fpc")
        clusters = [*_names(self.psu, "psu"), *_names(self.ssu, "ssu")]
        if self.ssu is not None and self.psu is None:
            raise DesignError("`ssu` names units below the PSUs, but `psu` is None. Give `psu` as well.")
        for argument, names in (("strata", strata), ("psu/ssu", clusters), ("fpc", fpc)):
            if len(names) > max(len(clusters), 1):
                raise DesignError(
                    f"`{argument}` names {len(names)} stages, but the design has {max(len(clusters), 1)}. "
                    "Give at most one column per stage."
                )
            for name in names:
                _check_column(frame, name, argument)
        stages, probability = _stages(frame, strata, clusters, fpc, nest=self.nest)
        if self.weight is not None:
            weights = _weights(frame, self.weight)
        else:
            if fpc and len(fpc) < len(clusters):
                raise DesignError(
                    f"`weight` is None, so `fpc` must give the fractions of all {len(clusters)} stages; it names "
                    f"{len(fpc)}. Name a weight column or the missing population sizes."
                )
            weights = np.ones(len(frame)) if not fpc else 1.0 / probability
        weights.flags.writeable = False
        for name, value in (("data", frame), ("stages", stages), ("base_weights", weights)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """Who was sampled and how, as the console shows it."""
        first, weights = self.stages[0], self.weights[self.weights > 0]
        domain = "" if self.in_domain is None else f" of {len(self.data)}, a domain"
        clusters = int(first.n_h.sum()) if first.cluster is not None else len(self.data)
        units = "PSUs" if first.cluster is not None else "PSUs (each row its own)"
        strata = f" in {first.n_h.size} strata" if self.strata is not None else ""
        stages = f"; {len(self.stages)} stages" if len(self.stages) > 1 else ""
        sampled = f"{clusters} {units}{strata}{stages}, {self.df:g} degrees of freedom"
        if self.replicates is not None:
            sampled = f"{self.replicates.weights.shape[1]} {self.replicates.kind} replicates"
        steps = [
            f"{step.method} ({', '.join(step.variables)})" if step.variables else step.method
            for step in self.calibrations
        ]
        return (
            f"Design of {self.n} respondents{domain}\n{sampled}\n"
            f"weights {weights.min():.4g} to {weights.max():.4g}, sum {weights.sum():.6g}"
            + (f"\nsteps of weighting: {', '.join(steps)}" if steps else "")
        )

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
            return rank(self.replicates.weights[alive]) - 1.0
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
        if kind not in get_args(ReplicateKind):
            raise DesignError(f"`kind` must be one of {', '.join(get_args(ReplicateKind))}; got {kind!r}.")
        _check_switch(mse, "mse")
        if weight is None:
            raise DesignError("`weight` must name the column of full-sample weights; got None.")
        names = _names(replicates, "replicates")
        if len(names) < 2 or len(set(names)) < len(names):
            raise DesignError(f"`replicates` must name two columns or more, each once; got {len(names)}: {names[:5]}.")
        design = cls(data, weight=weight)
        columns = [_weights(design.frame, name, "replicates") for name in names]
        made = Replicates(kind, np.column_stack(columns), *_scales(kind, len(names), rho, scale, rscales), mse)
        _check_replicates(design, made.weights)
        for array in (made.weights, made.rscales):
            array.flags.writeable = False
        return replace(design, replicates=made)

    def domain(self, condition: str | pd.Series[bool] | BoolArray) -> Design:
        """Restrict estimates to a domain; its complement keeps its rows, with weight zero.

        Parameters
        ----------
        condition : expression over the columns, as for `pandas.DataFrame.query`, or a Boolean value per
            row. A row that lacks a value of any column in the expression is outside, whatever the comparison
            (`isna()` and `notna()` aside).

        Returns
        -------
        The same design, within the domain; a domain of a domain is their intersection.

        Raises
        ------
        DesignError : the condition cannot be evaluated, is not Boolean, or no respondent meets it.
        """
        inside = _condition(self.frame, condition)
        if self.in_domain is not None:
            inside = inside & self.in_domain
        if not (self.full_weights[inside] > 0).any():
            shown = repr(condition) if isinstance(condition, str) else "the condition"
            raise DesignError(
                f"`condition` must hold for someone; {shown} is true for no respondent with a positive "
                "weight. Check the spelling of its levels."
            )
        inside.flags.writeable = False
        return replace(self, in_domain=inside)


def _as_pandas(data: Any) -> pd.DataFrame:
    """Data as a pandas frame that later edits of the caller's table cannot reach."""
    if not isinstance(data, pd.DataFrame):
        try:
            data = nw.from_native(data, eager_only=True).to_pandas()
        except TypeError as error:
            raise DesignError(
                f"`data` must be a table (pandas, Polars, PyArrow ...); got {type(data).__name__}."
            ) from error
    if len(data) == 0:
        raise DesignError("`data` must hold at least one respondent; the table has no rows.")
    if not data.columns.is_unique:
        twice = sorted(set(data.columns[data.columns.duplicated()]))
        raise DesignError(f"`data` must have unique column names; found twice: {twice}. Rename one of each.")
    frame: pd.DataFrame = data.copy(deep=False)
    return frame


def check_design(design: object) -> None:
    """Raise unless the first argument of a function is a design, not the frame that one is made of."""
    check_kind(design, Design, "design", DesignError)


def _check_switch(value: object, argument: str) -> None:
    """Raise unless an argument is True or False: the text "False" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise DesignError(f"`{argument}` must be True or False; got {value!r}.")


def _check_name(name: object, argument: str) -> None:
    """Raise unless an argument is the name of one column, or None."""
    if name is None or isinstance(name, str):
        return
    below = " Units of the stages below go in `ssu`." if argument == "psu" and isinstance(name, Sequence) else ""
    raise DesignError(
        f"`{argument}` must be the name of one column; got {_brief(name)}. Put values into a column of the data first, "
        f"and name it.{below}"
    )


def _names(names: str | Sequence[str] | None, argument: str) -> list[str]:
    """Argument that is a name, several names or nothing, as a list."""
    if names is None:
        return []
    several = isinstance(names, Iterable) and not isinstance(names, str | Mapping | pd.Series | pd.DataFrame)
    listed = list(names) if several else [names]
    if not all(isinstance(name, str) for name in listed):
        raise DesignError(
            f"`{argument}` must be the name of a column, or a list of names; got {_brief(names)}. Put values into a "
            "column of the data first, and name it."
        )
    return [str(name) for name in listed]


def _brief(value: object) -> str:
    """What was given: simple values as they are, others by their type."""
    return shown(value) if isinstance(value, int | float | list | tuple) else type(value).__name__


def _check_column(frame: pd.DataFrame, name: str, argument: str) -> None:
    """Raise unless the column exists and has no missing value."""
    _check_known(frame, name, argument)
    missing = frame[name].isna().to_numpy()
    if missing.any():
        raise DesignError(
            f"`{argument}` must be known for every row; {name!r} is missing in {missing.sum()} rows, first "
            f"in row {shown(frame.index[int(missing.argmax())])}. Fill it in, or remove those rows."
        )


def _check_known(frame: pd.DataFrame, name: str, argument: str) -> None:
    """Raise unless a column of that name exists."""
    if name not in frame.columns:
        raise DesignError(
            f"`{argument}` must name a column of the data; {name!r} is not among {list(frame.columns)[:20]}."
            f"{did_you_mean(name, frame.columns)}"
        )


def _scales(
    kind: ReplicateKind, size: int, rho: float | None, scale: float | None, rscales: Sequence[float] | None
) -> tuple[float, FloatArray]:
    """Scale and (R,) rscales of a kind of replicates, where they are not given."""
    if (kind == "Fay") != (rho is not None):
        raise DesignError(
            f'`rho` is Fay\'s coefficient: give it for kind="Fay" and for no other; got {rho!r} for {kind!r}.'
        )
    if rho is not None and not 0 <= rho < 1:
        raise DesignError(f"`rho` must be at least 0 and below 1; got {rho!r}.")
    if kind == "JKn" and rscales is None:
        raise DesignError(
            '`rscales` must be given for kind="JKn": (n_h - 1) / n_h of the stratum that a replicate drops a PSU of. '
            "See the file's documentation."
        )
    usual = {
        "BRR": 1 / size,
        "Fay": 1 / (size * (1 - (rho or 0.0)) ** 2),
        "JK1": (size - 1) / size,
        "JKn": 1.0,
        "bootstrap": 1 / (size - 1),
        "SDR": 4 / size,
    }
    factors = np.ones(size) if rscales is None else np.array(rscales, dtype=np.float64)
    factor = usual[kind] if scale is None else float(scale)
    if factors.shape != (size,) or not np.isfinite(factors).all() or (factors < 0).any() or not factors.any():
        raise DesignError(
            f"`rscales` must be one finite number of at least zero per replicate, {size}, and not all zero; got "
            f"{factors.size}: {factors[:5].tolist()}."
        )
    if not np.isfinite(factor) or factor <= 0:
        raise DesignError(f"`scale` must be positive; got {scale!r}.")
    return factor, factors


def _check_replicates(design: Design, weights: FloatArray) -> None:
    """Raise unless (n_rows, R) replicate weights can be those of the design."""
    full = design.base_weights
    ratio = weights.mean() / full.mean()
    if not 1 / REPLICATE_RATIO <= ratio <= REPLICATE_RATIO:
        raise DesignError(
            f"`replicates` must hold weights; theirs are {ratio:.3g} times the full-sample weights on average, "
            f"{weights.mean():.4g} and {full.mean():.4g}. If they are factors, multiply them by the weight."
        )
    stray = (full == 0) & weights.any(axis=1)
    if stray.any():
        raise DesignError(
            f"`replicates` must be zero where `weight` is; {stray.sum()} rows with weight zero have replicate weights, "
            f"first row {shown(design.frame.index[int(stray.argmax())])}. Give them a weight, or remove those rows."
        )


def rank(weights: FloatArray) -> int:
    """Rank of (n, R) replicate weights: columns that are not combinations of columns before them.

    Rows that are multiples of each other count once, which leaves the rank alone and saves most of the work.
    """
    live = weights[weights.any(axis=1)]
    size = live.max(axis=1)
    mark = (live / size[:, None]) @ np.random.default_rng(0).normal(size=live.shape[1])  # multiples have equal marks
    _, first, group = np.unique(mark.round(9), return_index=True, return_inverse=True)
    length = np.sqrt(np.bincount(group, weights=size**2)) / size[first]
    rows = live[first] * length[:, None]
    columns = rows / np.linalg.norm(rows, axis=0).clip(min=np.finfo(float).tiny)
    if columns.shape[0] >= columns.shape[1]:
        try:  # the pivots are the distances from the columns before; clear of rounding, they settle it
            if np.diag(np.linalg.cholesky(columns.T @ columns)).min() > CLEARLY_INDEPENDENT:
                return int(columns.shape[1])
        except np.linalg.LinAlgError:
            pass
    basis, found = np.empty((first.size, min(columns.shape)), order="F"), 0
    for start in range(0, columns.shape[1], RANK_BLOCK):  # Gram-Schmidt, twice for what rounding left
        block, before = columns[:, start : start + RANK_BLOCK], found
        for _ in range(2):
            block = block - basis[:, :before] @ (basis[:, :before].T @ block)
        for rest in block.T:
            for _ in range(2):
                rest = rest - basis[:, before:found] @ (basis[:, before:found].T @ rest)
            if found < basis.shape[1] and np.linalg.norm(rest) > RANK_TOLERANCE:
                basis[:, found] = rest / np.linalg.norm(rest)
                found += 1
        if found == basis.shape[1]:
            break
    return found


def _weights(frame: pd.DataFrame, name: str, argument: str = "weight") -> FloatArray:
    """Weights as a (n,) array; zero is allowed, negative, missing and infinite weights are not."""
    _check_known(frame, name, argument)
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DesignError(f"`{argument}` must be numeric; column {name!r} has type {column.dtype}.")
    weights = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    for wrong, what, remedy in (
        (np.isnan(weights), "missing", "Give every respondent a weight, or zero"),
        (np.isinf(weights), "infinite", "Correct the weighting that made it"),
        (weights < 0, "negative", "Weights are never negative: correct the weighting that made it"),
    ):
        if wrong.any():
            first = int(wrong.argmax())
            raise DesignError(
                f"`{argument}` must be finite and at least zero; {name!r} is {what} in {wrong.sum()} of "
                f"{weights.size} rows, first in row {shown(frame.index[first])} ({weights[first]}). {remedy}."
            )
    extreme = (weights > 0) & ((weights < SMALLEST) | (weights > LARGEST))
    if extreme.any():
        raise DesignError(
            f"`{argument}` must be zero or between {SMALLEST:g} and {LARGEST:g}; {name!r} is "
            f"{weights[extreme][0]:g} in row {shown(frame.index[int(extreme.argmax())])}. Rescale the weights."
        )
    if not weights.any():
        raise DesignError(f"`{argument}` must be positive for someone; {name!r} is zero in all {weights.size} rows.")
    return weights


def _stages(
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
            cluster, stratum_of = _clusters(frame, clusters[level], stratum, labels, nest=nest or level > 0)
        else:
            cluster, stratum_of = np.arange(n), stratum
        n_h = np.bincount(stratum_of, minlength=first_rows.size).astype(np.float64)
        fraction = np.zeros(first_rows.size)
        if level < len(fpc):
            fraction = _fractions(frame, fpc[level], stratum, labels, n_h)
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
    frame: pd.DataFrame, name: str, stratum: IntArray, labels: NDArray[np.object_], *, nest: bool
) -> tuple[IntArray, IntArray]:
    """(n,) clusters numbered over the stage and (P,) stratum of each; unnested labels are refused."""
    own = _codes(frame[name])
    cluster, first = _combine([stratum, own], len(frame))
    if not nest and cluster.max() > own.max():
        spread = np.bincount(np.unique(np.column_stack([own, cluster]), axis=0)[:, 0]) > 1
        row = int(np.isin(own, np.flatnonzero(spread)).argmax())
        where = labels[np.unique(stratum[own == own[row]])]
        raise DesignError(
            f"`psu` must lie within one stratum; {name!r} = {shown(frame[name].iloc[row])} occurs in strata "
            f"{', '.join(map(shown, where[:5]))}. If the file numbers PSUs anew in each stratum, use nest=True."
        )
    return cluster, stratum[first]


def _fractions(
    frame: pd.DataFrame, name: str, stratum: IntArray, labels: NDArray[np.object_], n_h: FloatArray
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
    low, high = np.full(n_h.size, np.inf), np.full(n_h.size, -np.inf)
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
    if (fraction > 1 + 1e-12).any():
        h = int((fraction > 1 + 1e-12).argmax())
        raise DesignError(
            f"`fpc` must be at least the number of sampled units; stratum {shown(labels[h])} has {n_h[h]:g} units "
            f"sampled from {low[h]:g} by {name!r}."
        )
    fraction = np.minimum(fraction, 1.0)
    return fraction


def _condition(frame: pd.DataFrame, condition: str | pd.Series[bool] | BoolArray) -> BoolArray:
    """Boolean value per row of a domain condition."""
    values: Any = condition
    known = np.ones(len(frame), dtype=bool)
    if isinstance(condition, str):
        try:
            values = frame.eval(condition)
            used = _columns_of(condition, frame)
        except UNREADABLE as error:
            unknown = re.search(r"name '(.+?)' is not defined", str(error))
            hint = did_you_mean(unknown[1], frame.columns) if unknown else ""
            raise DesignError(
                f"`condition` must be an expression over the columns; {condition!r} fails: {error}.{hint}"
            ) from error
        if isinstance(values, pd.DataFrame):
            raise DesignError(f"`condition` must compare, with ==; {condition!r} assigns a column.")
        known = np.asarray(frame[used].notna().all(axis=1), dtype=bool)
    elif isinstance(condition, pd.Series) and not condition.index.equals(frame.index):
        raise DesignError(
            "`condition` must have the index of the data, row for row; it has another one, as a sorted or merged table "
            "has. Make it from `design.frame`, or pass an array in the order of the rows."
        )
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.BooleanDtype | pd.ArrowDtype):
        values = values.to_numpy(dtype=bool, na_value=False)
    values = np.asarray(values)
    if values.dtype != np.bool_ or values.shape != (len(frame),):
        raise DesignError(
            f"`condition` must give True or False for each of the {len(frame)} rows; got {values.dtype} of shape "
            f"{values.shape}."
        )
    inside: BoolArray = values & known
    return inside


def _columns_of(condition: str, frame: pd.DataFrame) -> list[str]:
    """Columns that a condition compares; those it asks about with isna() or notna() are left out."""
    if "isna(" in condition or "notna(" in condition or "isnull(" in condition:
        return []
    quoted = re.findall(r"`([^`]+)`", condition)
    plain = re.sub(r"`[^`]+`", " ", condition)
    words = [token.string for token in generate_tokens(StringIO(plain).readline) if token.type == NAME]
    return [name for name in dict.fromkeys([*quoted, *words]) if name in frame.columns]
