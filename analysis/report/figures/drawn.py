"""A figure that was drawn, and what all figures of a report say and look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.study import Study
from survey.figures import palette
from survey.report import dashes, dates, listing, lower_first, number, upper_first

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DETECTABLE = 0.05  # level of every test that a title or a sentence speaks of


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that was written.

    Attributes
    ----------
    name : of its files, without their ending.
    caption : what it shows, for the page; the picture carries its own title and source.
    alt : what it looks like.
    function : what made it.
    synthetic : whether it shows synthetic data, which its caption then says first.
    """

    name: str
    caption: str
    alt: str
    function: str
    synthetic: bool = False

    def record(self) -> dict[str, object]:
        """The figure as the report's template takes it."""
        return {
            "name": self.name,
            "file": f"figures/{self.name}.svg",
            "caption": f"Synthetic data. {self.caption}" if self.synthetic else self.caption,
            "alt": self.alt,
            "note": None,
        }


Made = tuple["Axes", Drawn] | None


def source_line(study: Study, *, base: int | None = None) -> str:
    """Population, dates, base and kind of data, as every figure says them."""
    parts = []
    if study.kind == "own":
        parts.append(f"Respondents of {study.data_file}")
    else:
        credit = study.settings.words.credit
        when = dates(study.fieldwork or "")
        parts += [text for text in (credit, upper_first(dashes(study.population or "")), when) if text]
        if when and credit.endswith(when):
            parts.remove(when)
    if base is not None:
        parts.append(f"{number(base)} respondents")
    if study.margins is not None and study.codebook.weight is None:
        parts.append(f"Weighted by {listing(weighting_names(study))}")
    elif study.weighted:
        parts.append("Weighted")
    line = ". ".join(part.rstrip(".") for part in parts) + "."
    return f"{line} SYNTHETIC DATA." if study.kind == "synthetic" else line


def weighting_names(study: Study) -> list[str]:
    """Weighting variables in words."""
    return [lower_first(study.codebook.item(name).label) for name in study.margins or ()]


def dashed(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with the dash that belongs into ranges such as 14-19."""
    return frame.assign(**{name: [dashes(str(value)) for value in frame[name]] for name in columns})


def colours_of(study: Study, names: Sequence[str]) -> list[str]:
    """Colours of answers and nets of the outcome, the same in every figure.

    An answer has its place in the palette of the whole scale; a net has the colour of its answer next to the middle.
    """
    outcome = study.outcome
    shades = palette(len(outcome.labels))
    shade = dict(zip(outcome.labels, shades[::-1] if study.settings.words.reversed_colours else shades, strict=True))
    middle = (len(outcome.labels) - 1) / 2
    for net, members in outcome.nets.items():
        shade[net] = shade[min(members, key=lambda name: abs(outcome.labels.index(name) - middle))]
    return [shade[name] for name in names]


def records(drawn: Mapping[str, Drawn]) -> dict[str, Any]:
    """The figures as the report's template takes them."""
    return {name.replace("-", "_"): figure.record() for name, figure in drawn.items()}
