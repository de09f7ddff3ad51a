"""What unweighted analysis would have said: the common tools on the same respondents, beside our results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from analysis.study import Study
from survey import ConvergenceError, EstimationError, Item, OrdinalFit, crosstab

GRADIENT = 1e-3
"""Largest derivative of the log likelihood that counts as zero: a thousandth of one respondent's."""

NOT_APPLICABLE = "[z]"
DESIGN_BASED = ("design_based_statistic", "design_based_p_value")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Unweighted results.

    Attributes
    ----------
    model : per slope, odds ratio with interval and p value, design-based and from `OrderedModel`; None where the
        regression could not be fitted.
    rank_tests : per predictor, rank test of the outcome with its effect size, and the design-based p value.
    alpha : Cronbach's alpha of the battery with its interval; None where there is no battery.
    """

    model: pd.DataFrame | None
    rank_tests: pd.DataFrame
    alpha: pd.DataFrame | None


def compare_unweighted(study: Study, fit: OrdinalFit | None) -> Comparison:
    """Analyse the respondents as if they were a simple random sample.

    Parameters
    ----------
    study : the respondents.
    fit : the study's regression; None where it could not be fitted.
    """
    frame = study.design.frame
    battery = study.settings.battery
    return Comparison(
        model=None if fit is None else _models(study, fit),
        rank_tests=pd.DataFrame([_rank_test(study, name) for name in study.settings.predictors]),
        alpha=_alpha(frame, [study.codebook.item(n) for n in battery["items"]], battery["reversed"])
        if battery
        else None,
    )


def unweighted_model(frame: pd.DataFrame, outcome: str, predictors: Sequence[str]) -> pd.DataFrame:
    """Ordered logit by statsmodels, without weights, named as the slopes of `survey.ordinal`.

    Its default optimizer stops short of the maximum, an answer that nobody gave makes every result NaN without a
    warning, and unknown keywords are swallowed: hence Newton's method, answers in use only, and a check of the
    gradient.

    Parameters
    ----------
    frame : respondents; those without an answer to one of the variables are left out.
    outcome, predictors : ordered outcome and categorical predictors.

    Returns
    -------
    term, estimate, std_error, conf_low, conf_high, p_value, n.

    Raises
    ------
    ConvergenceError : no maximum was found.
    """
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    known = frame[[outcome, *predictors]].dropna()
    answers = known[outcome].cat.remove_unused_categories()
    columns: dict[str, Any] = {}
    for name in predictors:
        others = known[name].cat.remove_unused_categories().cat.categories[1:]
        columns |= {f"{name}[T.{level}]": (known[name] == level).to_numpy(dtype=np.float64) for level in others}
    model = OrderedModel(answers, pd.DataFrame(columns, index=known.index), distr="logit")
    fit = model.fit(method="newton", disp=False, maxiter=100)
    gradient = float(np.abs(model.score(fit.params.to_numpy())).max())
    if not (fit.mle_retvals["converged"] and gradient < GRADIENT):
        raise ConvergenceError(
            f"`OrderedModel` must reach its maximum to be compared with; its gradient is {gradient:g}. Merge sparse "
            "levels of the predictors."
        )
    bounds = fit.conf_int()
    slopes = list(columns)
    return pd.DataFrame(
        {
            "term": slopes,
            "estimate": fit.params[slopes].to_numpy(),
            "std_error": fit.bse[slopes].to_numpy(),
            "conf_low": bounds.loc[slopes, 0].to_numpy(),
            "conf_high": bounds.loc[slopes, 1].to_numpy(),
            "p_value": fit.pvalues[slopes].to_numpy(),
            "n": len(known),
        }
    )


def _models(study: Study, fit: OrdinalFit) -> pd.DataFrame:
    """Both fits side by side: the columns of each with its prefix."""
    tidy = fit.tidy()
    ours = tidy[tidy["kind"] == "slope"]
    columns = ["term", "estimate", "std_error", "conf_low", "conf_high", "p_value", "n"]
    plain = unweighted_model(study.design.frame, study.settings.outcome, study.settings.predictors)
    return ours[columns].merge(plain[columns], on="term", suffixes=("", "_unweighted"), validate="one_to_one")


def _rank_test(study: Study, variable: str) -> dict[str, Any]:
    """Kruskal-Wallis or Mann-Whitney test of the outcome between groups, with its effect size."""
    import pingouin

    outcome = study.settings.outcome
    nothing = dict.fromkeys(("statistic", "p_value", "effect", *DESIGN_BASED), np.nan)
    known = study.design.frame[[outcome, variable]].dropna()
    answers = known[outcome].cat.codes.astype(np.float64)
    groups = known[variable].cat.remove_unused_categories()
    levels = list(groups.cat.categories)
    row: dict[str, Any] = {"variable": variable, "n": len(known)}
    if len(levels) < 2 or answers.nunique() < 2:
        return row | {"test": NOT_APPLICABLE, "statistic_name": "", **nothing, "effect_name": ""}
    ours = _design_based(study, variable)
    if len(levels) == 2:
        # From ranks, by scipy: pingouin compares every respondent of one group with every one of the other, which takes
        # 56 GB for 200,000 of them.
        second, first = (answers[groups == level] for level in (levels[1], levels[0]))
        tested = scipy.stats.mannwhitneyu(second, first)
        row |= {"test": "Mann–Whitney", "statistic_name": "U", "statistic": float(tested.statistic)}
        row |= {"p_value": float(tested.pvalue), "effect_name": "rank-biserial correlation"}
        row |= {"effect": float(2 * tested.statistic / (len(second) * len(first)) - 1)}
    else:
        tested = pingouin.kruskal(data=pd.DataFrame({"a": answers, "g": groups}), dv="a", between="g").iloc[0]
        h = float(tested["H"])
        k = len(levels)
        row |= {"test": "Kruskal–Wallis", "statistic_name": "H", "statistic": h}
        # Eta squared of the ranks (Tomczak and Tomczak 2014, Trends Sport Sci. 1:19); pingouin gives none.
        row |= {"p_value": float(tested["p_unc"]), "effect_name": "eta squared of ranks"}
        row |= {"effect": max((h - k + 1) / (len(known) - k), 0.0)}
    return row | dict(zip(DESIGN_BASED, ours, strict=True))


def _design_based(study: Study, variable: str) -> tuple[float, float]:
    """Statistic and p value of the Rao-Scott test; NaN where too many cells of a small file are empty."""
    try:
        tested = crosstab(study.design, study.settings.outcome, variable).test()
    except EstimationError:
        return np.nan, np.nan
    return tested.statistic, tested.p_value


def _alpha(frame: pd.DataFrame, items: Sequence[Item], turned: Sequence[str]) -> pd.DataFrame:
    """Cronbach's alpha of statements, those in `turned` scored the other way round."""
    import pingouin

    scores = pd.DataFrame({item.name: frame[item.name].cat.codes.where(frame[item.name].notna()) for item in items})
    highest = len(items[0].levels) - 1
    for name in turned:
        scores[name] = highest - scores[name]
    answered = scores.dropna()
    alpha, (low, high) = pingouin.cronbach_alpha(answered)
    return pd.DataFrame(
        {
            "statements": [len(items)],
            "estimate": [float(alpha)],
            "conf_low": [float(low)],
            "conf_high": [float(high)],
            "n": [len(answered)],
        }
    )
