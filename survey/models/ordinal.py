"""Ordinal regression: cumulative-link models with design-based covariance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike

from survey.arguments import check_level
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.console import console
from survey.design import Cells, Design, Missing, check_design, collapse
from survey.errors import ConvergenceError, EstimationError, SeparationError, shown
from survey.estimation import TestResult, adjusted_wald, covariance, degrees_of_freedom, t_interval, wald_chisq
from survey.models.formula import ModelMatrix, outcome_name
from survey.models.likelihood import Convergence, CumulativeFit, fit_limits
from survey.models.links import LINKS, LinkName
from survey.models.parts import ModelParts, model_parts, specification
from survey.models.predictors import Parameters, Predictors, ThresholdName
from survey.models.predictors import thresholds as thresholds_of
from survey.models.refitting import refit
from survey.models.separation import separating_direction
from survey.tidy import as_odds_ratios, gives_copies

if TYPE_CHECKING:
    from statsmodels.base.model import LikelihoodModelResults
    from statsmodels.iolib.summary import Summary

CONSTANT = 1e-10  # spread of a column, relative to its largest value, that is rounding error
COLLINEAR = 1e-12  # share of a column's variance not explained by the others that is rounding error


@gives_copies("params")
@dataclass(frozen=True, slots=True, eq=False)
class OrdinalFit:
    """A fitted cumulative-link model, P(Y <= j) = F((threshold_j(z) - x b - offset) / exp(s g)).

    Without nominal effects, an offset and effects on the scale that is F(threshold_j - x b).

    Attributes
    ----------
    formula, link : as given.
    outcome : name of the outcome.
    levels : its answers, lowest first.
    params : slopes b, then thresholds, then their nominal effects ("1|2:age": what a unit of age adds to threshold
        1|2), then effects g on the logarithm of the scale ("scale:age"). A positive slope goes with higher answers,
        a positive nominal effect with lower ones.
    vcov : (k, k) design-based covariance in the order of `params`.
    df : design degrees of freedom (PSUs minus strata among the respondents used), for t and F.
    n : respondents used.
    log_likelihood, null_log_likelihood : with weights scaled to mean 1.
    parts : how covariates become columns of the location, the thresholds and the scale.
    cells : counted patterns of the outcome and the covariates.
    predictors : the columns on the C patterns; zero outside the domain.
    influence : (C, k) influence of one respondent with each pattern on `params`.
    replicated : (R, k) `params` under each replicate weight; R is 0 without replicates.
    model_vcov : (k, k) inverse of the observed information at weights with mean 1, which is the covariance of maximum
        likelihood if respondents were independent and weights said nothing: what `polr` and `clm` report.
    convergence : how the maximization ended.
    df_rule : what `df` is.
    remarks : what was done besides, as dropping answers that nobody gave.
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
    parts: ModelParts
    cells: Cells
    predictors: Predictors
    influence: FloatArray
    replicated: FloatArray
    model_vcov: FloatArray
    convergence: Convergence
    df_rule: str
    remarks: str

    def __post_init__(self) -> None:
        for array in (self.vcov, self.covariates, self.influence, self.replicated, self.model_vcov):
            array.flags.writeable = False

    def __repr__(self) -> str:
        """The parameters, as the console shows them; `summary()` has more."""
        columns = ("term", "estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value")
        title = f"{self.formula} ({self.link} link), {self.n} respondents"
        return console(title, self.tidy(), columns, self.note)

    @property
    def note(self) -> str:
        """The degrees of freedom used, and what was done besides."""
        return f"t and F use the {self.df_rule}: {self.df:g}. {self.remarks}".strip()

    def with_df(self, df: Literal["design", "residual"] | float) -> OrdinalFit:
        """The same fit with other degrees of freedom for its t and F, and for what is computed from it.

        Parameters
        ----------
        df : "design", PSUs minus strata, as Stata has it and as a fit starts with; "residual", these minus the number
            of slopes, as R's svyolr and svyglm have it; or a number.

        Raises
        ------
        EstimationError : an unknown rule, or no degrees of freedom left.
        """
        design = float(degrees_of_freedom(self.cells, np.ones((self.cells.n.size, 1), dtype=bool))[0])
        slopes = len(self.params) - self.parts.structure.shape[1]
        if df == "design":
            chosen, rule = design, f"design df, {_df_rule(self.cells)}"
        elif df == "residual":
            chosen, rule = design - slopes, f"residual df, {_df_rule(self.cells)} minus {slopes} slopes"
        elif isinstance(df, str | bool) or not isinstance(df, int | float | np.number):
            raise EstimationError(f'`df` must be "design", "residual" or a number; got {df!r}.')
        else:
            chosen, rule = float(df), "df given"
        if not chosen > 0:
            raise EstimationError(
                f"`df` must be positive; {df!r} gives {chosen:g}. The design has {design:g} degrees of freedom and the "
                f"model {slopes} slopes: use a smaller model."
            )
        return replace(self, df=chosen, df_rule=rule)

    @property
    def matrix(self) -> ModelMatrix:
        """How covariates become the columns that have one slope."""
        return self.parts.location

    @property
    def covariates(self) -> FloatArray:
        """(C, p) columns that have one slope."""
        return self.predictors.location

    @property
    def is_proportional(self) -> bool:
        """Whether the model has slopes and free thresholds alone: no nominal or scale effects, no offset."""
        return self.predictors.is_proportional and self.parts.offset is None

    @property
    def slopes(self) -> pd.Series[float]:
        """Slopes alone."""
        return self.params.iloc[: len(self.matrix.columns)]

    @property
    def thresholds(self) -> pd.Series[float]:
        """Thresholds alone, named after the answers they divide: "Neither|Somewhat approve".

        Where they have a structure, what it makes of its parameters; with nominal effects, those of respondents whose
        nominal covariates are zero.
        """
        p, r = len(self.matrix.columns), self.parts.structure.shape[1]
        made = self.parts.structure @ _array(self.params)[p : p + r]
        return pd.Series(made, [f"{a}|{b}" for a, b in pairwise(self.levels)])

    def parameters(self, params: FloatArray) -> Parameters:
        """(k,) parameters in the order of `params` by what they belong to."""
        t, p, _ = self.predictors.sizes
        return Parameters(params[p : p + t], params[:p], params[p + t :])

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
        return pd.Series(2 * scipy.special.stdtr(self.df, -np.abs(self.tvalues)), self.params.index)

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
        with self._readable(r_matrix):
            return self.results.t_test(r_matrix)

    @contextmanager
    def _readable(self, hypothesis: object) -> Iterator[None]:
        """Say which names there are where statsmodels cannot read a hypothesis."""
        from patsy import PatsyError

        try:
            yield
        except (PatsyError, SyntaxError, ValueError) as error:
            raise EstimationError(
                f"`r_matrix` must be hypotheses on {', '.join(map(str, self.params.index))}, as text or as a matrix "
                f"with a column for each; {hypothesis!r} cannot be read: {str(error).splitlines()[0]}."
            ) from error

    def wald_test(self, r_matrix: str | ArrayLike | tuple[ArrayLike, ArrayLike]) -> Any:
        """Linear hypotheses together, as F = W / k on k and `df`; see statsmodels. `term_test` adjusts it.

        Raises
        ------
        EstimationError : more hypotheses than the design can tell apart.
        """
        from statsmodels.tools.sm_exceptions import ValueWarning

        with warnings.catch_warnings():
            warnings.simplefilter("error", ValueWarning)
            try:
                with self._readable(r_matrix):
                    return self.results.wald_test(r_matrix, use_f=True, scalar=True)
            except ValueWarning as error:
                raise EstimationError(
                    f"`r_matrix` has more hypotheses than {self.df:g} design degrees of freedom can tell apart "
                    "(singular covariance). Test fewer at once."
                ) from error

    def tidy(self, exponentiate: bool = False, *, level: float = 0.95) -> pd.DataFrame:
        """One row per parameter.

        Parameters
        ----------
        exponentiate : give slopes and their bounds as odds ratios exp(b) (logit link); other parameters are not
            exponentiated and are left out.
        level : confidence level.

        Returns
        -------
        Columns: term, level (""), estimate, std_error (of the slope, also where it is exponentiated), df,
        conf_low, conf_high, statistic, p_value, n, kind ("slope", "threshold", "nominal" or "scale"; "odds ratio" where
        exponentiated).

        Raises
        ------
        EstimationError : odds ratios asked of a link other than logit, or of a model with effects on the scale.
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
                "kind": self.parts.kinds,
            }
        )
        if not exponentiate:
            return frame
        if self.link != "logit":
            raise EstimationError(
                f"`exponentiate` gives odds ratios, which only the logit link has; this model's link is {self.link!r}. "
                "Report average effects instead."
            )
        if self.parts.scale.columns:
            raise EstimationError(
                "`exponentiate` gives odds ratios, which a model with effects on the scale does not have. Report "
                "average effects instead."
            )
        return as_odds_ratios(frame)

    def summary(self) -> Summary:
        """Printed summary in the layout of statsmodels."""
        from statsmodels.iolib.summary import Summary

        made = Summary()
        ended = self.convergence
        left = [
            ("Dep. Variable:", [self.outcome]),
            ("Model:", ["Cumulative " + self.link]),
            ("Covariance:", ["design-based"]),
            ("Respondents:", [str(self.n)]),
        ]
        right = [
            ("Design df:", [f"{self.df:g}"]),
            ("Log-likelihood:", [f"{self.log_likelihood:.3f}"]),
            ("Iterations:", [str(ended.iterations)]),
            ("Correct decimals:", [str(ended.correct_decimals)]),
        ]
        more = {
            "Nominal effects:": ", ".join(self.parts.nominal.terms),
            "Scale effects:": ", ".join(self.parts.scale.terms),
            "Offset:": self.parts.offset or "",
        }
        left += [(title, [text]) for title, text in more.items() if text]
        right += [("", [""])] * (len(left) - len(right))
        results = self.results
        made.add_table_2cols(results, gleft=left, gright=right, title="Ordinal regression")
        made.add_table_params(results, yname=self.outcome, xname=list(self.params.index), alpha=0.05, use_t=True)
        made.add_extra_txt([self.note])
        return made

    def term_test(self, term: str, *, part: Literal["location", "scale"] = "location") -> TestResult:
        """Adjusted Wald F test that all slopes of a term are zero; of a nominal term, at all thresholds.

        With few PSUs, and a term of several slopes that varies between PSUs more than within, it rejects too often (11%
        for 5% with 10 degrees of freedom in a simulation); `survey.likelihood_ratio_test` keeps its level there.

        Parameters
        ----------
        term : a term of the formula, as "income" or "income:age".
        part : "location" tests its slopes or nominal effects, "scale" its effects on the scale.

        Raises
        ------
        EstimationError : no such term.

        References
        ----------
        Korn and Graubard (1990), American Statistician 44:270. R equivalent (without the adjustment):
        survey::regTermTest.
        """
        if part not in ("location", "scale"):
            raise EstimationError(f'`part` must be "location" or "scale"; got {part!r}.')
        positions = self.parts.positions(term, part)
        statistic = wald_chisq(_array(self.params)[positions], self.vcov[np.ix_(positions, positions)])
        return adjusted_wald(statistic, len(positions), self.df, f"Adjusted Wald test of {term}")

    def parallel_lines_test(self, method: str = "brant") -> TestResult:
        """Test whether the slopes are the same at every division of the answers (proportional odds).

        Parameters
        ----------
        method : "brant" compares the slopes of the binary models of Y > j; "score", "working-score", "model-score" and
            "model-brant" are those of `survey.models.parallel_lines`.

        Returns
        -------
        Test over all terms; `wald_chisq` before adjustment; `tidy()` has a row per term; the note says what to do.

        Raises
        ------
        EstimationError : see `survey.models.parallel_lines.parallel_lines_test`.

        References
        ----------
        Brant (1990), Biometrics 46:1171; Rao, Scott and Skinner (1998), Statistica Sinica 8:1059.
        """
        from survey.models.parallel_lines import parallel_lines_test

        return parallel_lines_test(self, method)  # type: ignore[arg-type]  # an unknown one is refused there


def ordinal(
    formula: str,
    design: Design,
    *,
    link: LinkName = "logit",
    nominal: str | None = None,
    scale: str | None = None,
    thresholds: ThresholdName = "flexible",
    offset: str | None = None,
    missing: Missing = "drop",
) -> OrdinalFit:
    """Fit a cumulative-link model of an ordered outcome under a survey design.

    P(Y <= j) = F((threshold_j(z) - x b - offset) / exp(s g)), with terms x of the formula, z of `nominal` and s of
    `scale`.

    Parameters
    ----------
    formula : "outcome ~ terms" in the language of formulaic; categorical variables are coded against their
        first level.
    design : weights, strata, PSUs, domain and calibrations, all of which the covariance respects.
    link : "logit", "probit", "cloglog", "loglog" or "cauchit", named as in R's ordinal::clm.
    nominal : "~ terms" that move each threshold by itself (partial proportional odds): threshold_j(z) = threshold_j
        + z a_j. They need not be in the formula; those that are leave it, and have no slope beside their nominal
        effects, whose sign is opposite to that of a slope.
    scale : "~ terms" that move the logarithm of the scale of the latent variable.
    thresholds : "flexible", or a structure: "equidistant", "symmetric" or "symmetric2" (symmetric about zero); named,
        and parametrized, as in R's ordinal::clm.
    offset : numeric column that is added to the linear predictor with the coefficient 1.
    missing : "drop" or "fail", for missing values in the variables of the formula.

    Returns
    -------
    OrdinalFit. A two-level outcome is binary regression.

    Raises
    ------
    EstimationError : an outcome that is not ordered or has one level, unknown variables, collinear terms, or nominal
        effects with which thresholds cross for some respondents.
    SeparationError : a predictor separates the answers.
    ConvergenceError : no maximum was found.

    References
    ----------
    Binder (1983), Int. Stat. Rev. 51:279; McCullagh (1980), JRSS B 42:109; Peterson and Harrell (1990), Applied
    Statistics 39:205 (partial proportional odds). R equivalents: survey::svyolr; ordinal::clm without a design.
    """
    check_design(design)
    if link not in LINKS:
        raise EstimationError(f"`link` must be one of {', '.join(get_args(LinkName))}; got {link!r}.")
    asked = specification(formula, nominal, scale, thresholds, offset)
    cells = collapse(design, asked.variables(design.frame), missing)
    outcome = outcome_name(formula)
    codes, levels, note = _answers(cells, outcome)
    if note and thresholds != "flexible":
        raise EstimationError(
            f"`thresholds`: a structure counts the answers, used or not. {note.replace('were dropped', 'are')} Merge "
            "or remove them first."
        )
    parts, predictors = model_parts(asked, cells, design, levels)
    live, weight = cells.inside, cells.weight[cells.inside]
    columns = np.hstack([predictors.location, predictors.nominal])
    _check_rank([*parts.location.columns, *parts.nominal.columns], columns[live], weight, "formula")
    _check_rank(parts.scale.columns, predictors.scale[live], weight, "scale")
    fit = _fit(codes, predictors, cells, link, parts, levels)
    _check_thresholds(fit, predictors, cells, parts, levels)
    t, p, _ = predictors.sizes
    order = np.r_[t : t + p, :t, t + p : len(fit.params)]
    params = fit.params[order]
    influence = _influence(fit, cells)[:, order]
    replicated = _replicated(fit.params, codes, predictors, cells, link)[:, order]
    vcov = covariance(cells, params, influence, lambda _: replicated)
    df = float(degrees_of_freedom(cells, np.ones((cells.n.size, 1), dtype=bool))[0])
    return OrdinalFit(
        formula=formula,
        link=link,
        outcome=outcome,
        levels=levels,
        params=_read_only(params, parts.names),
        vcov=vcov,
        df=df,
        n=int(cells.n.sum()),
        log_likelihood=fit.log_likelihood,
        null_log_likelihood=fit.null_log_likelihood,
        parts=parts,
        cells=cells,
        predictors=predictors,
        influence=influence,
        replicated=replicated,
        model_vcov=fit.inverse_information[np.ix_(order, order)],
        convergence=fit.convergence,
        df_rule=f"design df, {_df_rule(cells)}",
        remarks=f"{_left_out(design, cells)}{note}".strip(),
    )


def _df_rule(cells: Cells) -> str:
    """What the degrees of freedom of a design are."""
    return "PSUs minus strata" if cells.replicates is None else "rank of the replicate weights minus 1"


def _left_out(design: Design, cells: Cells) -> str:
    """Sentence on the respondents of the domain who were left out, if any were."""
    lost = design.n - int(cells.n.sum())
    return f"{lost} of {design.n} respondents left out for missing values. " if lost else ""


def _read_only(values: FloatArray, names: Sequence[str]) -> pd.Series[float]:
    """Labelled values that cannot be assigned to."""
    values.flags.writeable = False
    return pd.Series(values, index=list(names), copy=False)


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


def _check_rank(names: Sequence[str], columns: FloatArray, weight: FloatArray, argument: str) -> None:
    """Raise where a column is a combination of a constant and the columns before it."""
    size = weight.sum()
    centred = columns - weight @ columns / size
    moments = centred.T @ (weight[:, None] * centred) / size
    spread = np.sqrt(np.diag(moments))
    largest = np.abs(columns).max(axis=0)
    spread = np.where(spread > CONSTANT * largest, spread, np.inf)
    correlation = moments / np.outer(spread, spread)
    if np.linalg.eigvalsh(correlation).min(initial=1.0) > COLLINEAR:
        return
    triangle = np.linalg.qr(np.sqrt(weight / size)[:, None] * centred / spread, mode="r")
    redundant = np.abs(np.diag(triangle)) < np.sqrt(COLLINEAR)
    if redundant.any():
        named = [name for name, bad in zip(names, redundant, strict=True) if bad]
        raise EstimationError(
            f"`{argument}`: the terms must not be collinear; {', '.join(named)} follow exactly from the constant and "
            "the other terms. Leave them out."
        )


def _check_thresholds(
    fit: CumulativeFit, predictors: Predictors, cells: Cells, parts: ModelParts, levels: Sequence[object]
) -> None:
    """Raise where nominal effects make the thresholds of some respondents cross."""
    if fit.convergence.smallest_gap > 0:
        return
    found = thresholds_of(predictors, predictors.split(fit.params).thresholds)
    gap = np.where(cells.inside[:, None], np.diff(found, axis=1), np.inf)
    worst, j = np.unravel_index(int(gap.argmin()), gap.shape)
    crossed = int(cells.n[(gap <= 0).any(axis=1)].sum())
    pattern = cells.frame.iloc[int(worst)]
    used = [name for name in cells.frame.columns[1:] if parts.nominal.uses(str(name))]
    where = ", ".join(f"{name} = {shown(pattern[name])}" for name in used) or "everybody"
    raise EstimationError(
        f"`nominal`: thresholds must increase for every respondent; for {crossed} they do not, most of all for "
        f"{where}, where {levels[int(j) + 1]!r} would have a negative probability (gap {gap.min():.3g}). Leave the "
        "term out of `nominal`, merge answers, or code the covariate more coarsely."
    )


def _fit(
    codes: IntArray,
    predictors: Predictors,
    cells: Cells,
    link: LinkName,
    parts: ModelParts,
    levels: Sequence[object],
) -> CumulativeFit:
    """Maximum-likelihood fit on the patterns of the domain; separation is looked for when anything is odd."""
    live = cells.inside
    own = predictors.rows(live)
    weight = cells.weight[live] * (cells.n.sum() / cells.weight.sum())
    failure: ConvergenceError | None = None
    try:
        fit = fit_limits(codes[live], own, weight, LINKS[link])
        if not fit.suspicious:
            return fit
    except ConvergenceError as error:
        failure = error
    direction = None
    if parts.location.columns or parts.nominal.columns:
        direction = separating_direction(codes[live], own.location, nominal=own.nominal, structure=own.structure)
    if direction is not None:
        outcome = str(cells.frame.columns[0])
        columns = np.hstack([own.location, own.nominal])
        names = [*parts.location.columns, *parts.nominal.columns]
        raise SeparationError(
            _separation_message(codes[live], columns, cells.n[live], direction, names, outcome, levels)
        )
    if failure is not None:
        raise failure
    if parts.scale.columns:
        raise ConvergenceError(
            "`scale`: the likelihood is flat in some direction, so that an effect on the scale may be infinite: a "
            "level whose respondents all give the same answer does that. Merge it with a neighbour or leave it out."
        )
    return fit


def _separation_message(
    codes: IntArray,
    covariates: FloatArray,
    n: IntArray,
    direction: FloatArray,
    names: Sequence[str],
    outcome: str,
    levels: Sequence[object],
) -> str:
    """Which terms separate which answers."""
    named = [name for name, d in zip(names, direction, strict=True) if abs(d) > 1e-6]
    where = f"; {', '.join(named)} together predict {outcome!r} without error"
    if len(named) == 1:
        column = covariates[:, names.index(named[0])]
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
    influence[cells.inside] = fit.influence * scaling
    return influence


def _replicated(
    params: FloatArray, codes: IntArray, predictors: Predictors, cells: Cells, link: LinkName
) -> FloatArray:
    """(R, k) parameters under each replicate weight, in the order of `params`; no rows where the design has none."""
    if cells.replicates is None:
        return np.zeros((0, params.size))
    live = cells.inside
    return refit(codes[live], predictors.rows(live), cells.replicates.weight[live], LINKS[link], params)
