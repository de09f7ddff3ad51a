"""Ordinal regression: cumulative-link models with design-based covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtr

from survey.cells import Cells, Missing, collapse
from survey.design import BoolArray, Design, FloatArray, IntArray
from survey.errors import ConvergenceError, EstimationError, SeparationError
from survey.estimates import check_level, t_interval
from survey.hypotheses import TestResult, adjusted_wald, wald_chisq
from survey.likelihood import Convergence, CumulativeFit, fit_cumulative
from survey.links import LINKS, LinkName
from survey.model_matrix import ModelMatrix, model_matrix, outcome_name, variables_of
from survey.separation import separating_direction
from survey.variance import covariance, degrees_of_freedom

if TYPE_CHECKING:
    from statsmodels.base.model import LikelihoodModelResults
    from statsmodels.iolib.summary import Summary

EVENTS_PER_SLOPE = 10  # Peduzzi et al. (1996), J. Clin. Epidemiol. 49:1373
CONSTANT = 1e-10  # spread of a column, relative to its largest value, that is rounding error
COLLINEAR = 1e-12  # share of a column's variance not explained by the others that is rounding error


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalFit:
    """A fitted cumulative-link model, P(Y <= j) = F(threshold_j - x b).

    Attributes
    ----------
    formula, link : as given.
    outcome : name of the outcome.
    levels : its answers, lowest first.
    params : slopes, then thresholds; a positive slope goes with higher answers.
    vcov : (k, k) design-based covariance in the order of `params`.
    df : design degrees of freedom (PSUs minus strata among the respondents used), for t and F.
    n : respondents used.
    log_likelihood, null_log_likelihood : with weights scaled to mean 1.
    matrix : how covariates become columns, and which columns belong to which term.
    cells : counted patterns of the outcome and the covariates.
    covariates : (C, p) columns on the patterns; zero outside the domain.
    influence : (C, k) influence of one respondent with each pattern on `params`.
    convergence : how the maximization ended.
    note : what was done besides: unused answers dropped, the degrees of freedom used.
    """

    formula: str
    link: LinkName
    outcome: str
    levels: tuple[object, ...]
    params: pd.Series[float]
    vcov: FloatArray
    df: float
    n: int
    log_likelihood: float
    null_log_likelihood: float
    matrix: ModelMatrix
    cells: Cells
    covariates: FloatArray
    influence: FloatArray
    convergence: Convergence
    note: str

    def __post_init__(self) -> None:
        for array in (self.vcov, self.covariates, self.influence):
            array.flags.writeable = False

    @property
    def slopes(self) -> pd.Series[float]:
        """Slopes alone."""
        return self.params.iloc[: len(self.matrix.columns)]

    @property
    def thresholds(self) -> pd.Series[float]:
        """Thresholds alone, named after the answers they divide: "Neither|Somewhat approve"."""
        return self.params.iloc[len(self.matrix.columns) :]

    @property
    def bse(self) -> pd.Series[float]:
        """Design-based standard errors."""
        return pd.Series(np.sqrt(np.diag(self.vcov)), self.params.index)

    @property
    def tvalues(self) -> pd.Series[float]:
        """Parameters over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values from t with `df` degrees of freedom."""
        return pd.Series(2 * stdtr(self.df, -np.abs(self.tvalues)), self.params.index)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Confidence intervals of the parameters, columns 0 and 1, as statsmodels gives them."""
        check_level(1 - alpha)
        low, high = t_interval(_array(self.params), _array(self.bse), np.full(len(self.params), self.df), 1 - alpha)
        return pd.DataFrame({0: low, 1: high}, index=self.params.index)

    def cov_params(self) -> pd.DataFrame:
        """Covariance of the parameters, labelled."""
        return pd.DataFrame(self.vcov, self.params.index, self.params.index)

    @property
    def results(self) -> LikelihoodModelResults:
        """The same fit as a statsmodels results object, with t and F on the design degrees of freedom."""
        from statsmodels.base.model import LikelihoodModel, LikelihoodModelResults

        names = list(self.params.index)
        model = LikelihoodModel(np.zeros(len(names)), pd.DataFrame(np.eye(len(names)), columns=names))
        made = LikelihoodModelResults(model, self.params.to_numpy(), normalized_cov_params=self.vcov, scale=1.0)
        made.use_t, made.df_resid = True, self.df
        return made

    def t_test(self, r_matrix: str | ArrayLike | tuple[ArrayLike, ArrayLike]) -> Any:
        """Linear hypotheses one by one; see statsmodels `LikelihoodModelResults.t_test`."""
        return self.results.t_test(r_matrix)

    def wald_test(self, r_matrix: str | ArrayLike | tuple[ArrayLike, ArrayLike]) -> Any:
        """Linear hypotheses together, as F = W / k on k and `df`; see statsmodels. `term_test` adjusts it."""
        return self.results.wald_test(r_matrix, use_f=True, scalar=True)

    def tidy(self, exponentiate: bool = False, *, level: float = 0.95) -> pd.DataFrame:
        """One row per parameter.

        Parameters
        ----------
        exponentiate : give slopes and their bounds as odds ratios exp(b) (logit link); thresholds are not
            exponentiated and are left out.
        level : confidence level.

        Returns
        -------
        Columns: term, level (""), estimate, std_error (of the slope, also where it is exponentiated), df,
        conf_low, conf_high, statistic, p_value, n, kind ("slope" or "threshold").

        Raises
        ------
        EstimationError : odds ratios asked of a link other than logit.
        """
        bounds = self.conf_int(1 - level)
        frame = pd.DataFrame(
            {
                "term": self.params.index,
                "level": "",
                "estimate": self.params.to_numpy(),
                "std_error": self.bse.to_numpy(),
                "df": self.df,
                "conf_low": bounds[0].to_numpy(),
                "conf_high": bounds[1].to_numpy(),
                "statistic": self.tvalues.to_numpy(),
                "p_value": self.pvalues.to_numpy(),
                "n": self.n,
                "kind": np.where(np.arange(len(self.params)) < len(self.matrix.columns), "slope", "threshold"),
            }
        )
        if not exponentiate:
            return frame
        if self.link != "logit":
            raise EstimationError(
                f"`exponentiate` gives odds ratios, which only the logit link has; this model's link is {self.link!r}. "
                "Report average effects instead."
            )
        slopes = frame[frame["kind"] == "slope"].reset_index(drop=True)
        columns = ["estimate", "conf_low", "conf_high"]
        return slopes.assign(**{name: np.exp(slopes[name]) for name in columns})

    def summary(self) -> Summary:
        """Printed summary in the layout of statsmodels."""
        from statsmodels.iolib.summary import Summary

        made = Summary()
        shown = self.convergence
        left = [
            ("Dep. Variable:", [self.outcome]),
            ("Model:", ["Cumulative " + self.link]),
            ("Covariance:", ["design-based"]),
            ("Respondents:", [str(self.n)]),
        ]
        right = [
            ("Design df:", [f"{self.df:g}"]),
            ("Log-likelihood:", [f"{self.log_likelihood:.3f}"]),
            ("Iterations:", [str(shown.iterations)]),
            ("Correct decimals:", [str(shown.correct_decimals)]),
        ]
        results = self.results
        made.add_table_2cols(results, gleft=left, gright=right, title="Ordinal regression")
        made.add_table_params(results, yname=self.outcome, xname=list(self.params.index), alpha=0.05, use_t=True)
        made.add_extra_txt([self.note])
        return made

    def term_test(self, term: str) -> TestResult:
        """Adjusted Wald F test that all slopes of a term are zero.

        Parameters
        ----------
        term : a term of the formula, as "income" or "income:age".

        Raises
        ------
        EstimationError : no such term.

        References
        ----------
        Korn and Graubard (1990), American Statistician 44:270. R equivalent (without the adjustment):
        survey::regTermTest.
        """
        positions = self.matrix.positions(term)
        statistic = wald_chisq(_array(self.params)[positions], self.vcov[np.ix_(positions, positions)])
        return adjusted_wald(statistic, len(positions), self.df, f"Adjusted Wald test of {term}")

    def parallel_lines_test(self, method: str = "brant") -> TestResult:
        """Test whether the slopes are the same at every division of the answers (proportional odds).

        Parameters
        ----------
        method : "brant" compares the slopes of the binary models of Y > j.

        Returns
        -------
        Adjusted F over all terms; `wald_chisq` before adjustment; `tidy()` has a row per term.

        Raises
        ------
        EstimationError : an unknown method, a two-level outcome, or a binary model that separates.

        References
        ----------
        Brant (1990), Biometrics 46:1171, with the joint design-based covariance of the binary models.
        """
        if method != "brant":
            raise EstimationError(f'`method` must be "brant"; got {method!r}.')
        if len(self.levels) < 3:
            raise EstimationError(
                f"`fit` must have an outcome of three or more answers to compare divisions; it has {len(self.levels)}."
            )
        return _brant(self)


def ordinal(
    formula: str,
    design: Design,
    *,
    link: LinkName = "logit",
    nominal: str | None = None,
    missing: Missing = "drop",
) -> OrdinalFit:
    """Fit a cumulative-link model of an ordered outcome under a survey design.

    Parameters
    ----------
    formula : "outcome ~ terms" in the language of formulaic; categorical variables are coded against their
        first level.
    design : weights, strata, PSUs, domain and calibrations, all of which the covariance respects.
    link : "logit", "probit", "cloglog", "loglog" or "cauchit", named as in R's ordinal::clm.
    nominal : terms whose slopes may differ between answers; not available yet, and refused.
    missing : "drop" or "fail", for missing values in the variables of the formula.

    Returns
    -------
    OrdinalFit. A two-level outcome is binary regression.

    Raises
    ------
    EstimationError : an outcome that is not ordered or has one level, unknown variables, collinear terms.
    SeparationError : a predictor separates the answers.
    ConvergenceError : no maximum was found.

    References
    ----------
    Binder (1983), Int. Stat. Rev. 51:279; McCullagh (1980), JRSS B 42:109. R equivalent: survey::svyolr.
    """
    if link not in LINKS:
        raise EstimationError(f"`link` must be one of {', '.join(get_args(LinkName))}; got {link!r}.")
    if nominal is not None:
        raise EstimationError(f"`nominal` (partial proportional odds) is not available; got {nominal!r}. Leave it out.")
    outcome = outcome_name(formula)
    cells = collapse(design, [outcome, *variables_of(formula, design.frame)], missing)
    matrix, covariates = model_matrix(formula, cells, design)
    codes, levels, note = _answers(cells, outcome)
    _check_rank(matrix, covariates[cells.inside], cells.weight[cells.inside])
    fit = _fit(codes, covariates, cells, link, matrix, outcome, levels)
    k, q = len(fit.params), len(levels) - 1
    order = np.r_[q:k, :q]
    influence = _influence(fit, cells)[:, order]
    vcov = covariance(cells, influence)
    df = float(degrees_of_freedom(cells, np.ones((cells.n.size, 1), dtype=bool))[0])
    names = [*matrix.columns, *(f"{a}|{b}" for a, b in pairwise(levels))]
    return OrdinalFit(
        formula=formula,
        link=link,
        outcome=outcome,
        levels=levels,
        params=pd.Series(fit.params[order], index=names),
        vcov=vcov,
        df=df,
        n=int(cells.n.sum()),
        log_likelihood=fit.log_likelihood,
        null_log_likelihood=fit.null_log_likelihood,
        matrix=matrix,
        cells=cells,
        covariates=covariates,
        influence=influence,
        convergence=fit.convergence,
        note=f"t and F use the design df, PSUs minus strata: {df:g}. {_left_out(design, cells)}{note}".strip(),
    )


def _left_out(design: Design, cells: Cells) -> str:
    """Sentence on the respondents of the domain who were left out, if any were."""
    lost = design.n - int(cells.n.sum())
    return f"{lost} of {design.n} respondents left out for missing values. " if lost else ""


def _array(values: pd.Series[float]) -> FloatArray:
    """Values of a Series."""
    array: FloatArray = np.asarray(values, dtype=np.float64)
    return array


def _answers(cells: Cells, outcome: str) -> tuple[IntArray, tuple[object, ...], str]:
    """(C,) answers numbered over the levels in use, these levels, and a note on unused ones."""
    column = cells.frame[outcome]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        used = column[cells.inside].unique()
        if len(used) > 2 or pd.api.types.is_float_dtype(column.dtype):
            raise EstimationError(
                f"`formula`: the outcome must be an ordered categorical; {outcome!r} has type {column.dtype}. Make it "
                "one with pd.Categorical(values, categories=[lowest, ..., highest], ordered=True)."
            )
        column = column.astype(pd.CategoricalDtype(sorted(used), ordered=True))
    codes = column.cat.codes.to_numpy()
    present = np.unique(codes[cells.inside])
    if present.size < 2:
        raise EstimationError(
            f"`formula`: the outcome must have at least two answers in use; every respondent has {outcome!r} = "
            f"{column.cat.categories[present[0]]!r}."
        )
    if not column.cat.ordered and present.size > 2:
        raise EstimationError(
            f"`formula`: the outcome must be ordered; {outcome!r} is a categorical without order. State the order "
            "with .cat.as_ordered() or .cat.reorder_categories([...], ordered=True)."
        )
    unused = [str(level) for i, level in enumerate(column.cat.categories) if i not in present]
    note = f"Answers nobody gave were dropped: {', '.join(unused)}." if unused else ""
    levels = tuple(column.cat.categories[present])
    return np.where(cells.inside, np.searchsorted(present, codes), 0), levels, note


def _check_rank(matrix: ModelMatrix, covariates: FloatArray, weight: FloatArray) -> None:
    """Raise where a column is a combination of a constant and the columns before it."""
    size = weight.sum()
    centred = covariates - weight @ covariates / size
    moments = centred.T @ (weight[:, None] * centred) / size
    spread = np.sqrt(np.diag(moments))
    largest = np.abs(covariates).max(axis=0)
    spread = np.where(spread > CONSTANT * largest, spread, np.inf)
    correlation = moments / np.outer(spread, spread)
    if np.linalg.eigvalsh(correlation).min(initial=1.0) > COLLINEAR:
        return
    triangle = np.linalg.qr(np.sqrt(weight / size)[:, None] * centred / spread, mode="r")
    redundant = np.abs(np.diag(triangle)) < np.sqrt(COLLINEAR)
    if redundant.any():
        named = [name for name, bad in zip(matrix.columns, redundant, strict=True) if bad]
        raise EstimationError(
            f"`formula`: the terms must not be collinear; {', '.join(named)} follow exactly from the constant and the "
            "other terms. Leave them out."
        )


def _fit(
    codes: IntArray,
    covariates: FloatArray,
    cells: Cells,
    link: LinkName,
    matrix: ModelMatrix,
    outcome: str,
    levels: Sequence[object],
) -> CumulativeFit:
    """Maximum-likelihood fit on the patterns of the domain; separation is looked for when anything is odd."""
    live = cells.inside
    weight = cells.weight[live] * (cells.n.sum() / cells.weight.sum())
    failure: ConvergenceError | None = None
    try:
        fit = fit_cumulative(codes[live], covariates[live], weight, LINKS[link])
        if not fit.suspicious:
            return fit
    except ConvergenceError as error:
        failure = error
    direction = separating_direction(codes[live], covariates[live]) if matrix.columns else None
    if direction is not None:
        raise SeparationError(
            _separation_message(codes[live], covariates[live], cells.n[live], direction, matrix, outcome, levels)
        )
    if failure is not None:
        raise failure
    return fit


def _separation_message(
    codes: IntArray,
    covariates: FloatArray,
    n: IntArray,
    direction: FloatArray,
    matrix: ModelMatrix,
    outcome: str,
    levels: Sequence[object],
) -> str:
    """Which terms separate which answers."""
    named = [name for name, d in zip(matrix.columns, direction, strict=True) if abs(d) > 1e-6]
    where = f"; {', '.join(named)} together predict {outcome!r} without error"
    if len(named) == 1:
        column = covariates[:, matrix.columns.index(named[0])]
        if np.unique(column).size == 2:
            chosen: BoolArray = column == column.max()
            found = sorted(set(codes[chosen]))
            answers = ", ".join(repr(str(levels[i])) for i in found)
            where = f"; the {n[chosen].sum()} respondents with {named[0]} all answer {answers}"
        else:
            where = f"; {named[0]} divides the answers of {outcome!r} without overlap"
    return (
        f"`formula`: no predictor may separate the answers, as its coefficient is then infinite{where}. Merge the "
        "level with a neighbour or leave the term out."
    )


def _influence(fit: CumulativeFit, cells: Cells) -> FloatArray:
    """(C, k) influence on thresholds and slopes: inverse information times score."""
    scaling = cells.n.sum() / cells.weight.sum()
    influence = np.zeros((cells.n.size, len(fit.params)))
    influence[cells.inside] = fit.scores @ np.linalg.inv(fit.information) * scaling
    return influence


def _brant(fit: OrdinalFit) -> TestResult:
    """Brant test from the binary models' joint influence values."""
    cells, p, q = fit.cells, len(fit.matrix.columns), len(fit.levels) - 1
    codes, _, _ = _answers(cells, fit.outcome)
    slopes: list[FloatArray] = []
    influence: list[FloatArray] = []
    for j in range(q):
        above = (codes > j).astype(np.intp)
        split = (f"at most {fit.levels[j]}", f"above {fit.levels[j]}")
        try:
            binary = _fit(above, fit.covariates, cells, fit.link, fit.matrix, fit.outcome, split)
        except (SeparationError, ConvergenceError) as error:
            raise EstimationError(
                f"`parallel_lines_test` needs a binary model at every division; {split[0]!r} against {split[1]!r} has "
                f"none: {error}"
            ) from error
        slopes.append(binary.params[1:])
        influence.append(_influence(binary, cells)[:, 1:])
    vcov = covariance(cells, np.hstack(influence))
    value = np.concatenate(slopes)
    difference = np.kron(np.hstack([np.ones((q - 1, 1)), -np.eye(q - 1)]), np.eye(p))

    def test(columns: IntArray, label: str) -> TestResult:
        """Adjusted Wald test that the slopes of some columns agree."""
        rows = np.concatenate([columns + p * j for j in range(q - 1)])
        contrast = difference[rows]
        size = len(rows)
        matrix = contrast @ vcov @ contrast.T
        statistic = np.nan
        if size <= fit.df:
            statistic = wald_chisq(contrast @ value, matrix)
        return adjusted_wald(statistic, size, fit.df, label)

    parts = [test(np.asarray(fit.matrix.positions(term)), term) for term in fit.matrix.terms]
    overall = test(np.arange(p), "Brant test of parallel lines, design-based")
    below = np.array([cells.n[(codes <= j) & cells.inside].sum() for j in range(q)])
    fewest = np.minimum(below, fit.n - below)
    if fewest.min() < EVENTS_PER_SLOPE * p:
        at = f"{fit.levels[int(fewest.argmin())]}|{fit.levels[int(fewest.argmin()) + 1]}"
        warning = (
            f"Only {fewest.min()} respondents lie on one side of {at}, for {p} slopes: with fewer than "
            f"{EVENTS_PER_SLOPE} per slope the covariance is too small and the test rejects too often. Merge rare "
            "answers first."
        )
        overall = replace(overall, note=f"{overall.note} {warning}")
    tidy = pd.DataFrame(
        {
            "term": [part.method for part in parts],
            "statistic": [part.statistic for part in parts],
            "df1": [part.df1 for part in parts],
            "df2": [part.df2 for part in parts],
            "p_value": [part.p_value for part in parts],
            "method": overall.method,
        }
    )
    return replace(overall, parts=tidy)
