"""Ordinal models in the form of statsmodels, whose language of hypotheses and tables of tests are used as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survey.errors import EstimationError
from survey.models.fitted import Fitted

if TYPE_CHECKING:
    from statsmodels.base.model import LikelihoodModelResults

Hypotheses: TypeAlias = str | ArrayLike | tuple[ArrayLike, ArrayLike]


def statsmodels_results(fit: Fitted) -> LikelihoodModelResults:
    """Fit as a results object, with t and F on the design degrees of freedom."""
    from statsmodels.base.model import LikelihoodModel, LikelihoodModelResults

    names = list(fit.params.index)
    model = LikelihoodModel(np.zeros(len(names)), pd.DataFrame(np.eye(len(names)), columns=names))
    results = LikelihoodModelResults(model, fit.params.to_numpy(), normalized_cov_params=fit.vcov, scale=1.0)
    results.use_t = True
    results.df_resid = fit.df
    return results


def t_tests(fit: Fitted, r_matrix: Hypotheses) -> Any:
    """Linear hypotheses one by one."""
    with _readable(fit, r_matrix):
        return statsmodels_results(fit).t_test(r_matrix)


def wald_f_test(fit: Fitted, r_matrix: Hypotheses) -> Any:
    """Linear hypotheses together, as F = W / k on k and the fit's degrees of freedom.

    Raises
    ------
    EstimationError : more hypotheses than the design can tell apart.
    """
    from statsmodels.tools.sm_exceptions import ValueWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ValueWarning)
        try:
            with _readable(fit, r_matrix):
                return statsmodels_results(fit).wald_test(r_matrix, use_f=True, scalar=True)
        except ValueWarning as error:
            raise EstimationError(
                f"`r_matrix` has more hypotheses than {fit.df:g} design degrees of freedom can tell apart "
                "(singular covariance). Test fewer at once."
            ) from error


@contextmanager
def _readable(fit: Fitted, hypothesis: object) -> Iterator[None]:
    """Say which names there are where statsmodels cannot read a hypothesis."""
    from patsy import PatsyError

    try:
        yield
    except (PatsyError, SyntaxError, ValueError) as error:
        raise EstimationError(
            f"`r_matrix` must be hypotheses on {', '.join(map(str, fit.params.index))}, as text or as a matrix "
            f"with a column for each; {hypothesis!r} cannot be read: {str(error).splitlines()[0]}."
        ) from error
