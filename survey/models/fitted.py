"""What tests read of a fitted model, by its structure: so that the fit itself can stand above them and offer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from survey.arguments import refuse_kind
from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.models.links import LinkName
from survey.models.model_matrix import ModelMatrix
from survey.models.parts import ModelParts
from survey.models.predictors import Parameters, Predictors


@dataclass(frozen=True, slots=True, eq=False)
class ModelData:
    """Counted answers, and the columns that a model makes of the covariates beside them.

    Attributes
    ----------
    outcome : name of the outcome.
    levels : its answers in use, lowest first.
    codes : (C,) answer of each pattern, numbered 0 ... q over the levels; 0 outside the domain.
    cells : counted patterns of the outcome and the covariates.
    parts : how covariates become columns of the location, the thresholds and the scale.
    predictors : the columns on the C patterns; zero outside the domain.
    """

    outcome: str
    levels: tuple[object, ...]
    codes: IntArray
    cells: Cells
    parts: ModelParts
    predictors: Predictors


@runtime_checkable
class Fitted(Protocol):
    """A fitted cumulative model; `survey.OrdinalFit` says what its attributes are."""

    @property
    def formula(self) -> str:
        """Formula as given."""
        ...

    @property
    def link(self) -> LinkName:
        """Name of the link."""
        ...

    @property
    def data(self) -> ModelData:
        """Answers, patterns and columns."""
        ...

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        ...

    @property
    def levels(self) -> tuple[object, ...]:
        """Its answers, lowest first."""
        ...

    @property
    def cells(self) -> Cells:
        """Counted patterns."""
        ...

    @property
    def parts(self) -> ModelParts:
        """How covariates become columns."""
        ...

    @property
    def predictors(self) -> Predictors:
        """Columns on the C patterns."""
        ...

    @property
    def matrix(self) -> ModelMatrix:
        """How covariates become the columns with one slope."""
        ...

    @property
    def covariates(self) -> FloatArray:
        """(C, p) columns with one slope."""
        ...

    @property
    def params(self) -> pd.Series[float]:
        """K parameters: slopes, thresholds, nominal effects, effects on the scale."""
        ...

    @property
    def thresholds(self) -> pd.Series[float]:
        """Q thresholds, named after the answers they divide."""
        ...

    @property
    def vcov(self) -> FloatArray:
        """(k, k) design-based covariance."""
        ...

    @property
    def model_vcov(self) -> FloatArray:
        """(k, k) covariance of a simple random sample."""
        ...

    @property
    def df(self) -> float:
        """Degrees of freedom of t and F."""
        ...

    @property
    def n(self) -> int:
        """Respondents used."""
        ...

    def parameters(self, params: FloatArray) -> Parameters:
        """(k,) parameters by what they belong to."""
        ...


def check_fit(value: object, argument: str) -> None:
    """Raise unless an argument is a fitted model.

    A class has the attributes of its instances, and is none.
    """
    if isinstance(value, type) or not isinstance(value, Fitted):
        refuse_kind(value, "OrdinalFit", argument)


def params_of(fit: Fitted) -> FloatArray:
    """(k,) parameters of a fit."""
    params: FloatArray = np.asarray(fit.params, dtype=np.float64)
    return params


def answer_codes(fit: Fitted) -> IntArray:
    """(C,) answers of the patterns inside the domain, numbered 0 ... q."""
    codes: IntArray = fit.data.codes[fit.cells.inside]
    return codes


def scaled_weight(cells: Cells) -> FloatArray:
    """(C,) sums of weights of the patterns inside the domain, scaled to mean 1 per respondent."""
    weight: FloatArray = cells.weight[cells.inside] * (cells.n.sum() / cells.weight.sum())
    return weight


def influence_of(cells: Cells, values: FloatArray) -> FloatArray:
    """(C, k) influence of one respondent with each pattern, zero outside the domain.

    Parameters
    ----------
    values : (patterns inside the domain, k) the same at weights scaled to mean 1, at which likelihoods are maximized.
    """
    influence = np.zeros((cells.n.size, values.shape[1]))
    influence[cells.inside] = values * (cells.n.sum() / cells.weight.sum())
    return influence
