"""Rows of publication tables: how parameters and estimates are headed and printed, and what a reader should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from survey.errors import EstimationError
from survey.estimation import Estimate
from survey.imputation import PooledEstimate, PooledFit
from survey.models import OrdinalFit
from survey.printing import PER_UNIT, number, percent, term_and_level
from survey.tidy import ODDS_RATIO, SLOPE

Model: TypeAlias = OrdinalFit | PooledFit | Estimate | PooledEstimate
Beside = Literal["std_error", "interval"]
STARS = {0.001: "***", 0.01: "**", 0.05: "*"}
KINDS = ("slope", "nominal", "scale", "threshold")  # order of the blocks
THRESHOLDS = "Thresholds"
STATISTICS = "Model"
NUMBERS = "Per unit"
TIMES = " \N{MULTIPLICATION SIGN} "


def printed(frame: pd.DataFrame, beside: Beside, digits: int, stars: bool) -> list[str]:
    """Printed numbers, each with what stands below it."""
    cells = []
    for row in frame.to_dict("records"):
        mark = next((text for limit, text in STARS.items() if row["p_value"] < limit), "") if stars else ""
        below = f"({number(float(row['std_error']), digits)})"
        if beside == "interval":
            low, high = (number(float(row[name]), digits) for name in ("conf_low", "conf_high"))
            below = f"[{low}, {high}]"
        cells.append(f"{number(float(row['estimate']), digits)}{mark}\n{below}")
    return cells


@dataclass(frozen=True, slots=True, eq=False)
class Headings:
    """How rows are headed: labels of the terms, and the levels that they are compared with."""

    labels: Mapping[str, str]
    references: Mapping[str, str]

    def parameters(self, frame: pd.DataFrame) -> list[tuple[int, str, str]]:
        """Rank of its kind, block and label of each parameter of a fit."""
        thresholds = [str(term) for term in frame["term"][frame["kind"] == "threshold"]]
        terms = [str(term) for term in frame["term"]]
        kinds = frame["kind"].replace({ODDS_RATIO: SLOPE})
        rows = [self._row(term, kind, thresholds) for term, kind in zip(terms, kinds, strict=True)]
        return [
            (KINDS.index(kind), block, label if rows.count((block, label)) == 1 else term)
            for term, kind, (block, label) in zip(terms, kinds, rows, strict=True)
        ]

    def estimates(self, frame: pd.DataFrame) -> list[tuple[int, str, str]]:
        """Rank, block and label of each estimate."""
        names = [str(name) for name in frame.columns]
        by = names[: min(names.index("term"), names.index("level"))]
        rows = []
        for row in frame[[*by, "term", "level"]].itertuples(index=False, name=None):
            *groups, term, level = map(str, row)
            heading = self._named(term)
            context = ", ".join(groups)
            if level:
                rows.append((0, f"{heading}: {context}" if context else heading, level))
            else:
                rows.append((0, heading, context) if context else (0, "Estimates", heading))
        twice = [row for row in rows if rows.count(row) > 1]
        if twice:
            raise EstimationError(
                f"`models` must have each row once; {twice[0][1]} / {twice[0][2]} occurs {rows.count(twice[0])} "
                "times. Name contrasts apart, or change `labels`."
            )
        return rows

    def _row(self, term: str, kind: str, thresholds: Sequence[str]) -> tuple[str, str]:
        """Block and label of a parameter."""
        if kind == "threshold":
            return THRESHOLDS, term
        prefix = next((name for name in [*thresholds, "scale"] if term.startswith(f"{name}:")), "")
        variable, level = term_and_level(term[len(prefix) + 1 :] if kind != "slope" else term)
        heading = self._named(variable)
        if variable in self.references:
            heading += f" (reference: {self.references[variable]})"
        if level == PER_UNIT and kind == SLOPE and variable in self.labels:
            return NUMBERS, heading
        if kind == "nominal":
            return f"{heading}, by threshold", prefix if level == PER_UNIT else f"{level}, {prefix}"
        return (f"{heading}, on the log scale" if kind == "scale" else heading), level

    def _named(self, variable: str) -> str:
        """Label of a term; of an interaction, those of its parts."""
        if variable in self.labels:
            return self.labels[variable]
        return TIMES.join(self.labels.get(part, part) for part in variable.split(TIMES))


def references(fits: Iterable[OrdinalFit | PooledFit]) -> dict[str, str]:
    """Levels of categorical covariates that have no column, which the others are compared with."""
    base_levels: dict[str, str] = {}
    for fit in fits:
        seen = [term_and_level(column) for matrix in fit.parts.matrices() for column in matrix.columns]
        for name, dtype in fit.parts.dtypes.items():
            levels = [str(level) for level in dtype.categories]
            coded = {level for variable, level in seen if variable == name}
            left = [level for level in levels if level not in coded]
            if len(left) == 1 and len(coded) == len(levels) - 1:
                base_levels.setdefault(name, left[0])
    return base_levels


def layout_of(cells: Mapping[str, Mapping[tuple[int, str, str], str]]) -> pd.DataFrame:
    """Rows of all models: by kind, and within it blocks and labels in the order in which they first occur."""
    keys = list(dict.fromkeys(key for column in cells.values() for key in column))
    blocks = list(dict.fromkeys((rank, block) for rank, block, _ in keys))
    keys.sort(key=lambda key: (key[0], blocks.index(key[:2])))
    rows = [
        {"block": key[1], "label": key[2], **{name: column.get(key, "") for name, column in cells.items()}}
        for key in keys
    ]
    return pd.DataFrame(rows)


def statistics_of(models: Mapping[str, Model], digits: int) -> list[dict[str, str]]:
    """Rows about the models as wholes."""
    rows: dict[str, dict[str, str]] = {}

    def put(label: str, name: str, text: str) -> None:
        """Enter a text."""
        rows.setdefault(label, {})[name] = text

    fits = {name: model for name, model in models.items() if isinstance(model, OrdinalFit | PooledFit)}
    for aspect in ("outcome", "link"):
        if len({getattr(fit, aspect) for fit in fits.values()}) > 1:
            for name, fit in fits.items():
                put(aspect.capitalize(), name, str(getattr(fit, aspect)))
    for name, model in models.items():
        n = model.n if isinstance(model, OrdinalFit | PooledFit) else model.n.max()
        put("Respondents (n)", name, number(float(n)))
        pooled = model.estimate if isinstance(model, PooledFit) else model
        df = pooled.df if isinstance(pooled, OrdinalFit) else pooled.whole_df
        put("Design df", name, number(float(df), 0 if float(df).is_integer() else 1))
    for name, model in models.items():
        if isinstance(model, OrdinalFit):
            put("Log pseudo-likelihood", name, number(model.log_likelihood, digits))
        elif isinstance(model, PooledFit | PooledEstimate):
            estimate = model.estimate if isinstance(model, PooledFit) else model
            put("Imputations", name, str(estimate.imputations))
    return [{"block": STATISTICS, "label": label, **texts} for label, texts in rows.items()]


def notes_of(
    models: Mapping[str, Model], labels: Mapping[str, str], exponentiate: bool, how: Sequence[str]
) -> tuple[str, ...]:
    """What a reader should know: what a number says of the answers, and `how` uncertainty is shown."""
    fits = [model for model in models.values() if isinstance(model, OrdinalFit | PooledFit)]
    notes = []
    links = list(dict.fromkeys(fit.link for fit in fits))
    outcomes = list(dict.fromkeys(fit.outcome for fit in fits))
    if fits:
        outcome = labels.get(outcomes[0], outcomes[0])
        what = "higher answers" if len(outcomes) > 1 else f"higher answers of {outcome}"
        name = f"Cumulative {links[0]} models" if len(links) == 1 else "Cumulative models"
        notes.append(f"{name}: {'an odds ratio above 1' if exponentiate else 'a positive slope'} goes with {what}.")
    return (*notes, *how)


def uncertainty_of(models: Mapping[str, Model], beside: Beside, level: float, stars: bool) -> list[str]:
    """How uncertainty is shown, and where it comes from."""
    what = "Standard errors in parentheses"
    if beside == "interval":
        what = f"{percent(level, 0 if round(100 * level, 9).is_integer() else 1)} confidence intervals in brackets"
    notes = [f"{what}, from the design-based covariance; t with the design's degrees of freedom."]
    special: dict[str, list[str]] = {}
    for name, model in models.items():
        text = model.note if not isinstance(model, OrdinalFit) else ""
        if text:
            special.setdefault(text, []).append(name)
    notes += [f"{', '.join(names)}: {text}" for text, names in special.items()]
    if stars:
        notes.append(", ".join(f"{mark} p < {limit:g}" for limit, mark in reversed(STARS.items())) + ".")
    return notes
