"""The parts of a cumulative model: which terms move all answers, which single thresholds, and which the scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray
from survey.design import Cells, Design
from survey.errors import EstimationError, did_you_mean
from survey.models.formula import one_sided, outcome_name, terms_of, variables_of
from survey.models.model_matrix import ModelMatrix, model_matrix
from survey.models.predictors import Predictors, ThresholdName, threshold_structure


@dataclass(frozen=True, slots=True, eq=False)
class Specification:
    """What a model is asked to be made of; see `survey.ordinal`.

    `outcome` is a column; `formula` holds it and the terms of the location and the nominal effects; `nominal` and
    `scale` are right-hand sides, or empty; `offset` is a column or None.
    """

    outcome: str
    formula: str
    nominal: str
    scale: str
    thresholds: ThresholdName
    offset: str | None

    def variables(self, frame: pd.DataFrame) -> list[str]:
        """Columns that the model needs, the outcome first.

        Raises
        ------
        EstimationError : formulas that cannot be read or name unknown columns.
        """
        names = [self.outcome, *variables_of(self.formula, frame)]
        if self.outcome in names[1:]:
            raise EstimationError(
                f"`formula` must not predict the outcome by itself; {self.outcome!r} is on both sides."
            )
        if self.scale:
            names += variables_of(f"{self.formula} + ({self.scale})", frame)
        if self.offset is not None:
            names.append(self.offset)
        return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, eq=False)
class ModelParts:
    """How covariates become the columns of each part of a model.

    Attributes
    ----------
    location, nominal, scale : columns with one slope, with a slope per threshold, and of the logarithm of the scale.
    offset : column that is added to the linear predictor as it is, or None.
    structure : (q, r) matrix from the free parameters of the thresholds to the thresholds.
    threshold_names : r names of these parameters.
    """

    location: ModelMatrix
    nominal: ModelMatrix
    scale: ModelMatrix
    offset: str | None
    structure: FloatArray
    threshold_names: tuple[str, ...]

    @property
    def dtypes(self) -> dict[str, pd.CategoricalDtype]:
        """Category types of the categorical covariates."""
        return {**self.location.dtypes, **self.scale.dtypes}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters: slopes, thresholds, nominal effects column by column, effects on the scale."""
        nominal = [f"{name}:{column}" for column in self.nominal.columns for name in self.threshold_names]
        return (*self.location.columns, *self.threshold_names, *nominal, *(f"scale:{c}" for c in self.scale.columns))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of each parameter: "slope", "threshold", "nominal" or "scale"."""
        r = len(self.threshold_names)
        counts = (len(self.location.columns), r, r * len(self.nominal.columns), len(self.scale.columns))
        return tuple(
            kind for kind, n in zip(("slope", "threshold", "nominal", "scale"), counts, strict=True) for _ in range(n)
        )

    def matrices(self) -> Iterator[ModelMatrix]:
        """Location, nominal and scale."""
        yield from (self.location, self.nominal, self.scale)

    def positions(self, term: str, part: str) -> list[int]:
        """Positions of a term's parameters among all: of the location or nominal effects, or of the scale.

        Raises
        ------
        EstimationError : no such term.
        """
        if not isinstance(term, str):
            raise EstimationError(f"`term` must be one term of the formula, as text; got {term!r}.")
        p = len(self.location.columns)
        r = len(self.threshold_names)
        m = len(self.nominal.columns)
        if part == "scale":
            return [p + r * (1 + m) + i for i in self.scale.positions(term)]
        if self.nominal.has(term):
            return [p + r * (1 + i) + j for i in self.nominal.positions(term) for j in range(r)]
        if not self.location.has(term):
            known = [*self.location.terms, *self.nominal.terms]
            raise EstimationError(
                f"`term` must be a term of the formula; {term!r} is not among {known}.{did_you_mean(term, known)}"
            )
        return self.location.positions(term)

    def predictors(self, frame: pd.DataFrame, inside: BoolArray | None = None) -> Predictors:
        """Columns of a frame; rows that are not inside are zero."""
        nominal = self.nominal.evaluate(frame, inside)
        return Predictors(
            location=self.location.evaluate(frame, inside),
            nominal=nominal,
            scale=self.scale.evaluate(frame, inside),
            offset=_offset(frame, self.offset, inside),
            structure=self.structure,
        )


def specification(
    formula: str,
    *,
    nominal: str | None = None,
    scale: str | None = None,
    thresholds: ThresholdName = "flexible",
    offset: str | None = None,
) -> Specification:
    """Model asked for, its texts checked.

    Raises
    ------
    EstimationError : an unknown structure of the thresholds, a formula without an outcome, or others that are not
        one-sided.
    """
    check_choice(thresholds, ThresholdName, "thresholds")
    if offset is not None and not isinstance(offset, str):
        raise EstimationError(f"`offset` must be the name of a numeric column; got {offset!r}.")
    moved = "" if nominal is None else one_sided(nominal, "nominal")
    whole = f"{formula} + ({moved})" if moved else formula
    return Specification(
        outcome=outcome_name(formula),
        formula=whole,
        nominal=moved,
        scale="" if scale is None else one_sided(scale, "scale"),
        thresholds=thresholds,
        offset=offset,
    )


def model_parts(
    asked: Specification, cells: Cells, design: Design, levels: tuple[object, ...]
) -> tuple[ModelParts, Predictors]:
    """Encoding of all parts of a model, and its columns on the patterns.

    Terms of `nominal` and of the formula are encoded together, so that a term codes the same columns whichever part
    it is in; a term that is in both has nominal effects and no slope.

    Raises
    ------
    EstimationError : predictors that do not vary, formulas that cannot be evaluated, an offset that is not a number,
        or a structure that the number of answers does not allow.
    """
    q = len(levels) - 1
    if q < 2 and (asked.thresholds != "flexible" or asked.scale):
        what = f"thresholds={asked.thresholds!r}" if asked.thresholds != "flexible" else "effects on the scale"
        raise EstimationError(f"`formula` must have an outcome of three or more answers for {what}; it has {q + 1}.")
    matrix, covariates = model_matrix(asked.formula, cells, design)
    wanted = terms_of(f"{asked.outcome} ~ {asked.nominal}") if asked.nominal else []
    differing = {term for term in matrix.terms if frozenset(term.split(":")) in wanted}
    location = matrix.select([term for term in matrix.terms if term not in differing])
    nominal = matrix.select(differing)
    scale = matrix.select([])
    scale_columns = np.zeros((len(covariates), 0))
    if asked.scale:
        scale, scale_columns = model_matrix(f"{asked.outcome} ~ {asked.scale}", cells, design)
    if not differing:
        location = matrix
    structure, names = threshold_structure(asked.thresholds, q)
    parts = ModelParts(
        location=location,
        nominal=nominal,
        scale=scale,
        offset=asked.offset,
        structure=structure,
        threshold_names=names or tuple(f"{a}|{b}" for a, b in pairwise(levels)),
    )
    predictors = Predictors(
        location=covariates[:, list(location.used)] if differing else covariates,
        nominal=covariates[:, list(nominal.used)],
        scale=scale_columns,
        offset=_offset(cells.frame, asked.offset, cells.inside),
        structure=structure,
    )
    return parts, predictors


def _offset(frame: pd.DataFrame, name: str | None, inside: BoolArray | None) -> FloatArray:
    """(n_rows,) known part of the linear predictor; zero without one and for rows that are not inside."""
    offset = np.zeros(len(frame))
    if name is None:
        return offset
    if not pd.api.types.is_numeric_dtype(frame[name].dtype):
        raise EstimationError(f"`offset` must be numeric; {name!r} has type {frame[name].dtype}.")
    used = np.ones(len(frame), dtype=bool) if inside is None else inside
    offset[used] = frame[name][used].astype(np.float64).to_numpy()
    if not np.isfinite(offset).all():
        raise EstimationError(f"`offset` must be finite; {name!r} is not for {(~np.isfinite(offset)).sum()} patterns.")
    return offset
