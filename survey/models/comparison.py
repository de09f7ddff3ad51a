"""Models of one outcome side by side: how average effects change as predictors are added, with the test of the change.

Every model is fitted to the same respondents of one design, and the effects of all of them have one covariance: their
influence values are set on common cells. Two estimates that share nearly all their sampling error differ by much less
than their standard errors suggest, which is why the change needs its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pandas as pd

from survey.arguments import as_names, check_level
from survey.arrays import FloatArray, IntArray
from survey.console import console
from survey.design import Cells, Design, Missing, check_design, collapse
from survey.errors import EstimationError
from survey.estimation import SHOWN, Estimate, TestResult, adjusted_wald, covariance, model_estimate, wald_chisq
from survey.inference import adjust_p_values
from survey.models.averages import Covariates
from survey.models.effects import Effects, Nets, effects_of
from survey.models.fitting import ordinal
from survey.models.links import LinkName
from survey.models.ordinal import OrdinalFit
from survey.models.parts import specification

Since = Literal["first", "previous"]
SAME = 1e-8  # standard error of a change, relative to that of the effect, that is rounding error


@dataclass(frozen=True, slots=True, eq=False)
class ModelComparison:
    """M models of one outcome, fitted to the same respondents.

    Attributes
    ----------
    names : M names, in the order given.
    fits : M fits.
    effects : average effects in all models, with their joint covariance: model by model, and within it as
        `survey.average_effects` has them; columns `model`, `contrast`, `term`, `level`.
    note : respondents used, and how many were left out because a variable of some model is missing.
    """

    names: tuple[str, ...]
    fits: tuple[OrdinalFit, ...]
    effects: Estimate
    note: str

    def __repr__(self) -> str:
        """The models, and the first of their effects."""
        listed = [f"{name}: {fit.formula}" for name, fit in zip(self.names, self.fits, strict=True)]
        columns = [*map(str, self.effects.labels.columns), *SHOWN]
        return "\n".join([*listed, console("", self.tidy(), columns, self.note)])

    @property
    def _each(self) -> pd.DataFrame:
        """Labels of the effects within one model."""
        size = len(self.effects.labels) // len(self.names)
        return self.effects.labels.iloc[:size].drop(columns="model").reset_index(drop=True)

    def tidy(self) -> pd.DataFrame:
        """One row per model and effect: model, contrast, term, level, and the columns of an estimate."""
        return self.effects.tidy()

    def changes(self, *, since: Since = "first") -> Estimate:
        """How much larger each effect is in a later model than in an earlier one.

        Parameters
        ----------
        since : "first" compares each model with the first, "previous" with the one before it.

        Returns
        -------
        Estimate with columns model, since, contrast, term, level: later models in order, and within one its effects.

        Raises
        ------
        EstimationError : an unknown `since`.
        """
        if since not in get_args(Since):
            raise EstimationError(f'`since` must be "first" or "previous"; got {since!r}.')
        size = len(self._each)
        pairs = list(pairwise(range(len(self.names))))
        if since == "first":
            pairs = [(0, later) for _, later in pairs]
        blocks = np.zeros((len(pairs), len(self.names)))
        for row, (earlier, later) in enumerate(pairs):
            blocks[row, [earlier, later]] = -1.0, 1.0
        changed = self.effects.contrast(np.kron(blocks, np.eye(size)))
        labels = pd.concat([self._each] * len(pairs), ignore_index=True)
        for position, (name, index) in enumerate((("model", 1), ("since", 0))):
            labels.insert(position, name, [self.names[pair[index]] for pair in pairs for _ in range(size)])
        return replace(changed, labels=labels)

    def test(self, term: str, level: object, *, model: str | None = None, since: Since = "first") -> TestResult:
        """Adjusted Wald F test that a term has the same effects on an answer in two models.

        Parameters
        ----------
        term : covariate whose effects were compared.
        level : answer or net.
        model : the later model; the last unless named.
        since : the earlier one: "first", or the one "previous" to it.

        Raises
        ------
        EstimationError : an unknown term, answer or model.

        References
        ----------
        Weesie (1999), Stata Technical Bulletin 52:34 (joint covariance of separate fits); Korn and Graubard (1990),
        American Statistician 44:270. Stata equivalent: suest, then margins and test.
        """
        later = self.names[-1] if model is None else model
        if later not in self.names[1:]:
            raise EstimationError(
                f"`model` must be one after the first; {later!r} is not among {list(self.names[1:])}."
            )
        changes = self.changes(since=since)
        rows = changes.labels
        chosen = np.flatnonzero(
            ((rows["model"] == later) & (rows["term"] == term) & (rows["level"] == level)).to_numpy()
        )
        for argument, value in (("term", term), ("level", level)):
            known = list(dict.fromkeys(rows[argument]))
            if value not in known:
                raise EstimationError(f"`{argument}` must be one of those compared; {value!r} is not among {known}.")
        earlier = str(rows["since"].iloc[chosen[0]])
        std_error = self.effects.std_error[(self.effects.labels["model"] == later).to_numpy()][chosen % len(self._each)]
        if (changes.std_error[chosen] <= SAME * std_error).all():
            raise EstimationError(
                f"`model` must differ from the earlier one; {earlier!r} and {later!r} are the same model, so that "
                "there is no change to test."
            )
        statistic = wald_chisq(changes.value[chosen], changes.vcov[np.ix_(chosen, chosen)])
        method = f"Adjusted Wald test that {term} has the same effects on {level!r} in {later!r} as in {earlier!r}"
        return adjusted_wald(statistic, chosen.size, changes.whole_df, method)

    def tests(self, level: object, *, since: Since = "first") -> pd.DataFrame:
        """The test of every term in every later model, with p-values adjusted for their number.

        Returns
        -------
        One row per later model and term: model, since, term, level, statistic, df1, df2, p_value, p_adjusted (Holm,
        over all rows).
        """
        earlier = [self.names[0]] * (len(self.names) - 1) if since == "first" else list(self.names[:-1])
        rows = []
        for before, later in zip(earlier, self.names[1:], strict=True):
            for term in dict.fromkeys(self.effects.labels["term"]):
                result = self.test(str(term), level, model=later, since=since)
                rows.append(
                    {
                        "model": later,
                        "since": before,
                        "term": term,
                        "level": level,
                        "statistic": result.statistic,
                        "df1": result.df1,
                        "df2": result.df2,
                        "p_value": result.p_value,
                    }
                )
        frame = pd.DataFrame(rows)
        return frame.assign(p_adjusted=adjust_p_values(frame["p_value"].to_numpy(), "holm"))


def compare_models(
    design: Design,
    formulas: Mapping[str, str],
    variable: str | Sequence[str],
    *,
    nets: Nets | None = None,
    link: LinkName = "logit",
    covariates: Covariates = "fixed",
    level: float = 0.95,
    missing: Missing = "drop",
) -> ModelComparison:
    """Fit models to the same respondents, and compare the average effects of covariates between them.

    Effects on probabilities are compared, not slopes: a slope of a logit model grows when any predictor of the outcome
    is added, related to the others or not (Mood 2010), an average effect does not. A change describes how the
    models differ; it shows mediation only under assumptions that no test can check. Where what is added has to do with
    neither the covariate nor the outcome, both of the two ways in which an effect can change are shut: tests of the
    change then reject less often than their level says, as Sobel's does, and intervals cover more often.

    Parameters
    ----------
    formulas : name of each model -> formula; two or more, of one outcome. Respondents who lack a value of any variable
        of any formula are left out of all models.
    variable : covariates that every formula has.
    nets : merged answers, as {"Approve": ["Somewhat approve", "Strongly approve"]}; they follow the answers.
    link : link of all models.
    covariates : "fixed" or "estimated"; see `predicted_probabilities`.
    level : confidence level of the t intervals.
    missing : "drop" or "fail".

    Returns
    -------
    ModelComparison: `tidy()`, `changes()`, `test(term, answer)`, `tests(answer)`, `fits`.

    Raises
    ------
    EstimationError : fewer than two models, models of different outcomes, a covariate that a formula lacks, and
        everything that `survey.ordinal` refuses.

    References
    ----------
    Mood (2010), European Sociological Review 26:67; Weesie (1999), Stata Technical Bulletin 52:34; Graubard and Korn
    (1999), Biometrics 55:652.
    """
    check_design(design)
    check_level(level)
    if not isinstance(formulas, Mapping) or len(formulas) < 2:
        raise EstimationError(
            "`formulas` must map the names of two or more models to formulas, as "
            '{"Position": "approval ~ income", "and use": "approval ~ income + use"}; '
            f"got {dict(formulas) if isinstance(formulas, Mapping) else formulas!r}."
        )
    wanted = as_names(variable, "variable")
    needed = {name: specification(text).variables(design.frame) for name, text in formulas.items()}
    outcomes = {name: variables[0] for name, variables in needed.items()}
    if len(set(outcomes.values())) > 1:
        raise EstimationError(f"`formulas` must have the same outcome; got {outcomes}.")
    if not wanted:
        raise EstimationError("`variable` must name at least one covariate; got none.")
    if set(outcomes.values()) & set(wanted):
        raise EstimationError(f"`variable` must not be the outcome; {next(iter(outcomes.values()))!r} is.")
    for name, variables in needed.items():
        lacking = [one for one in wanted if one not in variables[1:]]
        if lacking:
            raise EstimationError(
                f"`variable` must name covariates that every formula has; {lacking} not in model {name!r}, "
                f"{formulas[name]!r}."
            )
    every = list(dict.fromkeys(one for variables in needed.values() for one in variables))
    cells = collapse(design, every, missing)
    within = design.domain(design.frame[every].notna().all(axis=1))
    fits = tuple(ordinal(text, within, link=link) for text in formulas.values())
    parts = [_on(cells, fit, effects_of(fit, wanted, nets=nets, covariates=covariates, by=None)) for fit in fits]
    labels = [one.labels.assign(model=name)[["model", *one.labels]] for name, one in zip(formulas, parts, strict=True)]
    value = np.concatenate([one.value for one in parts])
    replicated = np.hstack([one.replicated for one in parts])
    vcov = covariance(cells, value, np.hstack([one.influence for one in parts]), lambda _: replicated)
    left_out = f"; {cells.left_out} left out for a missing value in one of the models" if cells.left_out else ""
    return ModelComparison(
        names=tuple(str(name) for name in formulas),
        fits=fits,
        effects=model_estimate(
            pd.concat(labels, ignore_index=True),
            value,
            vcov,
            df=fits[0].df,
            n=np.concatenate([one.n for one in parts]),
            level=level,
            whole_df=fits[0].df,
            whole_n=float(fits[0].n),
            left_out=cells.left_out,
        ),
        note=f"All models use the same {fits[0].n} respondents{left_out}. t and F use the design df: {fits[0].df:g}.",
    )


def _on(cells: Cells, fit: OrdinalFit, effects: Effects) -> Effects:
    """Effects whose influence is on cells that hold the variables of other models too."""
    influence: FloatArray = np.zeros((cells.n.size, effects.value.size))
    inside = np.flatnonzero(cells.inside)
    influence[inside] = effects.influence[_patterns(cells.frame.iloc[inside], fit.cells)]
    return replace(effects, influence=influence)


def _patterns(frame: pd.DataFrame, cells: Cells) -> IntArray:
    """(n_rows,) pattern of the cells that each row of a frame has; the first of those that calibration tells apart."""
    live = np.flatnonzero(cells.inside)
    known = pd.MultiIndex.from_frame(cells.frame.iloc[live])
    first = ~known.duplicated()
    position = known[first].get_indexer(pd.MultiIndex.from_frame(frame[list(cells.frame.columns)]))
    return live[first][position]
