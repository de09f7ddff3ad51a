"""From terms of a formula to columns, evaluated on patterns but learned from respondents."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray
from survey.design import Cells, Design
from survey.errors import EstimationError, did_you_mean, shown
from survey.models.expressions import CONTEXT
from survey.models.formula import first_line, is_plain, names_in, needs, sides, variables_of

if TYPE_CHECKING:
    from formulaic import ModelSpec

FEWEST_PER_LEVEL = 3  # respondents per level of a categorical predictor, on average, below which it is refused


@dataclass(frozen=True, slots=True, eq=False)
class ModelMatrix:
    """How the right-hand side of a formula becomes columns.

    Attributes
    ----------
    spec : formulaic's record of the encoding, with what transforms learned from the respondents.
    columns : names of the p columns, the constant left out.
    terms : terms of the formula in order.
    slices : per term, the positions of its columns.
    dtypes : category types of the categorical variables, unused categories left out.
    is_plain : whether every factor is a column, so that numeric columns enter linearly.
    used : positions of the p columns among those of the encoding; a model may use some of them in another part.
    """

    spec: ModelSpec
    columns: tuple[str, ...]
    terms: tuple[str, ...]
    slices: tuple[tuple[int, ...], ...]
    dtypes: dict[str, pd.CategoricalDtype]
    is_plain: bool
    used: tuple[int, ...]

    def select(self, terms: Collection[str]) -> ModelMatrix:
        """The same encoding with the columns of some terms."""
        selected = [(name, part) for name, part in zip(self.terms, self.slices, strict=True) if name in terms]
        columns = [i for _, part in selected for i in part]
        ends = np.cumsum([0, *(len(part) for _, part in selected)])
        return replace(
            self,
            columns=tuple(self.columns[i] for i in columns),
            terms=tuple(name for name, _ in selected),
            slices=tuple(tuple(range(a, b)) for a, b in pairwise(ends)),
            used=tuple(self.used[i] for i in columns),
        )

    def has(self, term: str) -> bool:
        """Whether a term is among them, its factors in whatever order."""
        return sorted(term.split(":")) in [sorted(name.split(":")) for name in self.terms]

    def positions(self, term: str) -> list[int]:
        """Positions of a term's columns."""
        wanted = sorted(term.split(":"))
        for name, positions in zip(self.terms, self.slices, strict=True):
            if sorted(name.split(":")) == wanted:
                return list(positions)
        raise EstimationError(
            f"`term` must be a term of the formula; {term!r} is not among {list(self.terms)}."
            f"{did_you_mean(term, self.terms)}"
        )

    def variables(self, term: str) -> list[str]:
        """Columns of the data that a term is made of."""
        factors = (factor for named in self.spec.formula if str(named) == term for factor in named.factors)
        return list(dict.fromkeys(name for factor in factors for name in needs(factor)))

    def uses(self, variable: str) -> bool:
        """Whether any of the terms is made of a variable."""
        return any(variable in self.variables(term) for term in self.terms)

    def encodes_as_levels(self, variable: str) -> bool:
        """Whether a factor made of a numeric variable, as C(x), became levels."""
        return any(
            kind.value == "categorical" and variable in names_in(str(factor))
            for factor, (kind, _) in self.spec.encoder_state.items()
            if variable not in self.dtypes
        )

    def at_means(self, frame: pd.DataFrame, share: FloatArray, setting: Mapping[str, object]) -> FloatArray:
        """(p,) columns with numbers at their means and levels at their shares, unless they are set.

        An interaction is at the product of its parts' means, a transform at the transform of the mean.

        Parameters
        ----------
        frame : patterns of the variables.
        share : (n_rows,) shares of the patterns, which add to 1.
        setting : values of some variables.
        """
        numbers = {
            str(name): [float(share @ frame[name].astype(np.float64).to_numpy())]
            for name in frame.columns
            if name not in self.dtypes and name not in setting and pd.api.types.is_numeric_dtype(frame[name].dtype)
        }
        grids = []
        weights = []
        for term in self.terms:
            values: dict[str, list[object]] = {name: [value] for name, value in setting.items()}
            values |= {name: list(number) for name, number in numbers.items()}
            for name, dtype in self.dtypes.items():
                if name not in setting:
                    values[name] = list(dtype.categories if name in self.variables(term) else dtype.categories[:1])
            used = [name for name in frame.columns if name in values]
            rows = pd.MultiIndex.from_product([values[name] for name in used], names=used).to_frame(index=False)
            weight = np.ones(len(rows))
            for name in used:
                if len(values[name]) > 1:
                    shares = pd.Series(share).groupby(frame[name].to_numpy()).sum()
                    weight *= rows[name].map(shares.to_dict()).fillna(0.0).to_numpy(dtype=np.float64)
            grids.append(rows)
            weights.append(weight)
        if not grids:
            return np.zeros(0)
        ends = np.cumsum([len(rows) for rows in grids])[:-1]
        parts = np.split(self.evaluate(pd.concat(grids, ignore_index=True)), ends)
        of_terms = zip(weights, parts, self.slices, strict=True)
        means: FloatArray = np.concatenate([weight @ part[:, list(columns)] for weight, part, columns in of_terms])
        return means

    def evaluate(self, frame: pd.DataFrame, inside: BoolArray | None = None) -> FloatArray:
        """(n_rows, p) columns of a frame; rows that are not inside are zero.

        Raises
        ------
        EstimationError : an expression that cannot be evaluated there, or is not finite.
        """
        rows = frame if inside is None else frame[inside]
        if not self.used:
            return np.zeros((len(frame), 0))
        values = _evaluated(self.spec, with_dtypes(rows, self.dtypes))[:, 1:]
        if len(self.used) < values.shape[1]:
            values = values[:, list(self.used)]
        _check_finite(values, self.columns)
        if inside is None or inside.all():
            return values
        result = np.zeros((len(frame), values.shape[1]))
        result[inside] = values
        return result


def with_dtypes(frame: pd.DataFrame, dtypes: dict[str, pd.CategoricalDtype]) -> pd.DataFrame:
    """Frame whose categorical variables have the categories of the fit, and whose numbers are floats."""
    columns = {
        name: column.astype(dtypes[name]) if name in dtypes else column.astype(np.float64)
        for name, column in ((str(label), frame[label]) for label in frame.columns)
        if name in dtypes or pd.api.types.is_numeric_dtype(column.dtype)
    }
    return frame.assign(**columns)


def _evaluated(spec: ModelSpec, frame: pd.DataFrame) -> FloatArray:
    """(n_rows, 1 + p) columns of a frame, the constant first; no row is dropped."""
    from formulaic.errors import DataMismatchWarning, FormulaicError

    with warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # log(0) and the like are refused below, by name
        try:
            encoded = spec.get_model_matrix(frame, context=dict(CONTEXT), na_action="ignore")
        except (FormulaicError, DataMismatchWarning, TypeError, ValueError) as error:
            raise EstimationError(f"`formula` cannot be evaluated for these values: {first_line(error)}") from error
    return np.asarray(encoded, dtype=np.float64)


def _check_finite(values: FloatArray, columns: Sequence[str]) -> None:
    """Raise where a column of the model is not finite."""
    bad = ~np.isfinite(values)
    if bad.any():
        name = columns[int(bad.any(axis=0).argmax())]
        raise EstimationError(
            f"`formula`: every column must be finite; {name!r} is not for {bad.any(axis=1).sum()} of {len(values)} "
            "patterns or profiles. Check logarithms of zero, infinite values and the range of splines."
        )


def model_matrix(formula: str, cells: Cells, design: Design) -> tuple[ModelMatrix, FloatArray]:
    """Encoding of a formula's terms.

    Plain variables are encoded from their levels. Transforms that learn from the data (`center`, `poly`, `bs`)
    learn from the respondents of the domain, not from the list of patterns, which would forget how many
    respondents each pattern stands for.

    Parameters
    ----------
    cells : patterns of the outcome and the variables of the formula.
    design : design that the cells come from, for the respondents themselves.

    Returns
    -------
    The encoding, and the (C, p) columns on the patterns, zero outside the domain.

    Raises
    ------
    EstimationError : a predictor that does not vary, or a formula that cannot be evaluated.
    """
    from formulaic import ModelSpec
    from formulaic.errors import DataMismatchWarning, FormulaicError

    _, right = sides(formula)
    patterns = cells.frame[cells.inside]
    variables = variables_of(formula, patterns)
    dtypes: dict[str, pd.CategoricalDtype] = {}
    for name in variables:
        column = patterns[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            dtypes[name] = pd.CategoricalDtype(column.cat.remove_unused_categories().cat.categories, column.cat.ordered)
        elif not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            dtypes[name] = pd.CategoricalDtype(_sorted(column))
        if name in dtypes and len(dtypes[name].categories) > max(cells.n.sum() / FEWEST_PER_LEVEL, 2):
            raise EstimationError(
                f"`formula`: {name!r} has {len(dtypes[name].categories)} levels for {cells.n.sum()} respondents, fewer "
                f"than {FEWEST_PER_LEVEL} each: it tells people apart rather than groups. Leave it out, or group them."
            )
        if (len(dtypes[name].categories) if name in dtypes else column.nunique()) < 2:
            raise EstimationError(
                f"`formula`: a predictor must vary; {name!r} has one value, {shown(column.iloc[0])}, among the "
                f"{cells.n.sum()} respondents used. Leave it out."
            )
    plain = is_plain(right)
    learned = patterns if plain else _respondents(design, list(cells.frame.columns))
    rows = with_dtypes(learned[variables], dtypes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataMismatchWarning)  # levels= that leaves some out
            warnings.filterwarnings("ignore", category=RuntimeWarning)  # what is not finite is refused by name
            unlearned = ModelSpec.from_spec(right, output="pandas", na_action="ignore")
            encoded = unlearned.get_model_matrix(rows, context=dict(CONTEXT))
    except (FormulaicError, DataMismatchWarning, TypeError, ValueError) as error:
        raise EstimationError(f"`formula` {formula!r} cannot be evaluated: {first_line(error)}.") from error
    spec = encoded.model_spec
    columns = tuple(str(name) for name in encoded.columns[1:])
    _check_finite(np.asarray(encoded, dtype=np.float64)[:, 1:], columns)
    if not plain:
        _check_rows_stand_alone(formula, spec, rows=rows, encoded=np.asarray(encoded, dtype=np.float64))
    named = [(str(term), tuple(i - 1 for i in positions)) for term, positions in spec.term_indices.items()]
    terms = tuple(term for term, _ in named if term != "1")
    slices = tuple(positions for term, positions in named if term != "1")
    matrix = ModelMatrix(
        spec=spec,
        columns=columns,
        terms=terms,
        slices=slices,
        dtypes=dtypes,
        is_plain=plain,
        used=tuple(range(len(columns))),
    )
    if not plain:
        return matrix, matrix.evaluate(cells.frame, cells.inside)
    values = np.zeros((cells.n.size, len(columns)))
    values[cells.inside] = np.asarray(encoded, dtype=np.float64)[:, 1:]
    return matrix, values


def _sorted(column: pd.Series[Any]) -> list[Any]:
    """Distinct values in order; values of several types are ordered as text."""
    values = list(column.unique())
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def _check_rows_stand_alone(formula: str, spec: ModelSpec, rows: pd.DataFrame, encoded: FloatArray) -> None:
    """Raise where a column of one respondent depends on who else is in the table, as `x - np.mean(x)` does."""
    half = max(1, len(rows) // 2)
    if not np.allclose(_evaluated(spec, rows.iloc[:half]), encoded[:half], rtol=1e-8, atol=1e-12, equal_nan=True):
        raise EstimationError(
            f"`formula`: a column must depend on the respondent alone; one of {formula!r} uses a mean, maximum or "
            "the like of the table it is given. Use center(), scale() or poly(), which remember, or make it a column."
        )


def _respondents(design: Design, variables: list[str]) -> pd.DataFrame:
    """Rows that count: positive weight, in the domain, every variable known."""
    return design.frame.loc[design.weights > 0, variables].dropna()
