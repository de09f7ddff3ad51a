"""Ordinal models for the Python package `marginaleffects`.

The package is not needed for anything else, and is not among the dependencies: it brings its own data-frame and
automatic-differentiation libraries. It takes models of the packages it knows, and any object that derives from its
`ModelAbstract`; this is how it gets ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from survey.arguments import check_kind
from survey.arrays import FloatArray
from survey.errors import EstimationError, SurveyError
from survey.models.curvature import log_probabilities
from survey.models.links import LINKS
from survey.models.ordinal import OrdinalFit
from survey.models.predictors import Predictors, limits

if TYPE_CHECKING:
    from marginaleffects.classes import ModelAbstract


def marginaleffects_model(fit: OrdinalFit, *, weight: str = "weight") -> ModelAbstract:
    """Model that the functions of `marginaleffects` accept: `avg_comparisons(marginaleffects_model(fit), ...)`.

    Its data are the respondents used, in the order of their patterns, with a column of weights: **pass `wts="weight"`**
    for averages over the population, as without it the package averages over the respondents. Predictions are
    probabilities, in groups that are the answers. Covariances are the design's, degrees of freedom too; covariates
    are taken as fixed, as `average_effects` takes them by default. With replicate weights the package uses the
    replicates' covariance of the parameters and its delta method, where `average_effects` computes the effect in each
    replicate. Its derivatives are one-sided differences: standard errors of comparisons and predictions agree with
    ours to 1e-5, those of slopes to 1e-2 and, with `eps_vcov=1e-6`, to 1e-4.

    The package takes no fit of ours as it is: it knows some packages by the names of their types, and otherwise its
    own abstract class alone. Its version 0.6 calls functions that polars 2 no longer has, and needs polars below 2.

    Parameters
    ----------
    fit : fitted model.
    weight : name of the column of weights, where a covariate has that name.

    Returns
    -------
    Instance of the package's `ModelAbstract`.

    Raises
    ------
    SurveyError : the package is not installed.
    EstimationError : a covariate has the name of the column of weights.
    """
    check_kind(fit, OrdinalFit, "fit")
    try:
        import polars
        from marginaleffects.classes import ModelAbstract, ModelVault
    except ImportError as error:
        raise SurveyError(
            "`marginaleffects_model` needs the package marginaleffects, which was not found. Install it with: pip "
            "install marginaleffects. `average_effects` does without."
        ) from error

    class OrdinalModel(ModelAbstract):  # type: ignore[misc]  # a class of the package, which has no types
        """Ordinal model in the form of the package."""

        def __init__(self) -> None:
            self.df_resid = float(fit.df)
            outcome, *covariates = (str(name) for name in fit.cells.frame.columns)
            super().__init__(
                fit,
                ModelVault(
                    coef=fit.params.to_numpy(dtype=np.float64).copy(),
                    coefnames=fit.params.index.to_numpy(),
                    formula=" ~ ".join([_quoted(outcome), " + ".join(map(_quoted, covariates))]),
                    modeldata=_data(fit, weight, polars),
                    package="survey",
                    vcov=fit.vcov.copy(),
                    variable_names=[outcome, *covariates],
                ),
            )

        def get_vcov(self, vcov: object = True) -> FloatArray | None:
            """The design-based covariance; none where it is not asked for."""
            if not isinstance(vcov, bool):
                raise EstimationError(
                    f"`vcov` must be True or False: the covariance is that of the design; got {vcov!r}."
                )
            return self.vault.vcov if vcov else None

        def get_exog(self, newdata: Any) -> FloatArray:
            """(n, p + m + s + 1) columns of the location, the nominal effects, the scale, and the offset."""
            predictors = fit.parts.predictors(_frame(fit, newdata))
            return np.hstack([predictors.location, predictors.nominal, predictors.scale, predictors.offset[:, None]])

        def get_predict(self, params: FloatArray, newdata: Any) -> Any:
            """Frame of rowid, group and estimate: the probability of each answer, answer by answer."""
            columns = newdata if isinstance(newdata, np.ndarray) else self.get_exog(newdata)
            parameters = fit.parameters(np.asarray(params, dtype=np.float64))
            value = np.exp(log_probabilities(limits(_predictors(fit, columns), parameters), LINKS[fit.link]))
            levels = [str(level) for level in fit.levels]
            rows = np.tile(np.arange(len(value), dtype=np.int32), len(levels))
            groups = np.repeat(levels, len(value)).tolist()
            return polars.DataFrame(
                {
                    "rowid": rows,
                    "group": polars.Series(groups, dtype=polars.Enum(levels)),
                    "estimate": value.T.ravel(),
                }
            )

    return OrdinalModel()


def _quoted(name: str) -> str:
    """Name as a formula has it."""
    return name if name.isidentifier() else f"`{name}`"


def _data(fit: OrdinalFit, weight: str, polars: Any) -> Any:
    """Respondents as a polars frame: each pattern as often as it occurs, with the mean weight of those who have it."""
    cells = fit.cells
    if weight in cells.frame.columns:
        raise EstimationError(f"`weight` must not be the name of a covariate; {weight!r} is one. Choose another name.")
    counts = cells.n[cells.inside]
    frame = cells.frame[cells.inside]
    columns: dict[str, Any] = {}
    for name in map(str, frame.columns):
        values = frame[name].repeat(counts.tolist())
        if not _coded(fit, name):
            columns[name] = polars.Series(values.to_numpy(dtype=np.float64))
            continue
        levels = fit.levels if name == fit.outcome else fit.parts.dtypes[name].categories
        columns[name] = polars.Series(list(map(str, values)), dtype=polars.Enum(list(map(str, levels))))
    columns[weight] = np.repeat(cells.weight[cells.inside] / counts, counts)
    return polars.DataFrame(columns)


def _coded(fit: OrdinalFit, name: str) -> bool:
    """Whether a variable has levels."""
    return name == fit.outcome or name in fit.parts.dtypes


def _frame(fit: OrdinalFit, newdata: Any) -> pd.DataFrame:
    """Covariates of a polars frame, with the categories of the fit."""
    columns: dict[str, Any] = {}
    for name in map(str, fit.cells.frame.columns[1:]):
        values = newdata[name].to_list()
        if _coded(fit, name):
            known = {str(level): level for level in fit.parts.dtypes[name].categories}
            columns[name] = pd.Categorical([known[str(value)] for value in values], dtype=fit.parts.dtypes[name])
        else:
            columns[name] = np.asarray(values, dtype=np.float64)
    return pd.DataFrame(columns)


def _predictors(fit: OrdinalFit, columns: FloatArray) -> Predictors:
    """Columns side by side as the parts of the model."""
    widths = [len(matrix.columns) for matrix in fit.parts.matrices()]
    location, nominal, scale, offset = np.split(columns, np.cumsum(widths), axis=1)
    return Predictors(
        location=location, nominal=nominal, scale=scale, offset=offset[:, 0], structure=fit.parts.structure
    )
