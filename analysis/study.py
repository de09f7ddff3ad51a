"""A study: its settings, its codebook, and its respondents as a weighted design."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml

from survey import Codebook, Design, Item, SurveyError, rake, read_respondents

ROOT = Path(__file__).resolve().parents[1]
FOCUS = "in_focus"
"""Column added to the respondents: 1 for the answers that the report follows, 0 for others, NaN for none."""

DataKind = Literal["synthetic", "real", "own"]
Margins = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the report of one study analyses, as `analysis/<study>.yaml` has it.

    Attributes
    ----------
    folder, template : folder of the data, and name of the report's template.
    outcome, focus : the item that the report is about, and the answer or net of answers it follows.
    verb, share : the focus in words: "the share who <verb>"; "<share> rises with income".
    predictors, banner : group variables of the regression and of the detailed tables.
    headings, names : group variable -> heading of its rows, and its name in "rises with <name>".
    credit : what every figure says of where the questions or answers come from.
    reversed_colours : draw the highest answer in the colour of the lowest, as where it is a party with a colour.
    not_a_question, not_in_topline : items without a detailed table, and without a topline.
    parallel_lines : merged answers for the test of parallel lines; empty: the answers themselves.
    battery : statements that one figure shows together: items, reversed, statements, short.
    asked_of : item -> who was asked, where not everybody was.
    shares : name -> item, answer and domain of further shares.
    weighting : file of the margins, source of the targets, whether intervals rest on a model; empty: unweighted.
    published : id of a published figure -> how it is found in the file.
    not_built_to_meet, explained : see `analysis.verdicts`.
    """

    folder: str
    template: str
    outcome: str
    focus: str
    verb: str
    share: str
    predictors: Sequence[str]
    banner: Sequence[str]
    headings: Mapping[str, str]
    names: Mapping[str, str]
    published: Mapping[str, Mapping[str, Any]]
    credit: str = ""
    reversed_colours: bool = False
    not_a_question: Sequence[str] = ()
    not_in_topline: Sequence[str] = ()
    parallel_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    battery: Mapping[str, Any] = field(default_factory=dict)
    asked_of: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weighting: Mapping[str, Any] = field(default_factory=dict)
    not_built_to_meet: Sequence[str] = ()
    explained: Mapping[str, str] = field(default_factory=dict)

    @property
    def formula(self) -> str:
        """Formula of the study's regression."""
        return f"{self.outcome} ~ {' + '.join(self.predictors)}"


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Respondents ready to be analysed.

    Attributes
    ----------
    name, settings, codebook : what is analysed.
    kind : "synthetic", "real", or "own" for a researcher's file.
    data_file : name of the respondent file, and `digest` its sha256.
    design : the respondents with their weights.
    before : the design before weighting.
    margins : weighting targets; None where the respondents are not weighted to any.
    """

    name: str
    settings: Settings
    codebook: Codebook
    kind: DataKind
    data_file: str
    digest: str
    design: Design
    before: Design
    margins: Margins | None

    @property
    def folder(self) -> Path:
        """Folder of the study's files."""
        return ROOT / self.settings.folder

    @property
    def outcome(self) -> Item:
        """The item that the report is about."""
        return self.codebook.item(self.settings.outcome)

    @property
    def focus(self) -> tuple[str, ...]:
        """Answers that the report follows."""
        return self.outcome.nets.get(self.settings.focus, (self.settings.focus,))

    @property
    def weighted(self) -> bool:
        """Whether respondents count differently."""
        return self.margins is not None or self.codebook.weight is not None

    def heading(self, variable: str) -> str:
        """Heading of a group variable in figures and tables."""
        return self.settings.headings.get(variable, self.codebook.item(variable).label)


def study_names() -> list[str]:
    """Names of the studies that there are settings for."""
    return sorted(path.stem for path in (ROOT / "analysis").glob("*.yaml") if (ROOT / "data" / path.stem).is_dir())


def read_settings(name: str) -> Settings:
    """Read the settings of a study.

    Parameters
    ----------
    name : name of the study.

    Returns
    -------
    The settings.

    Raises
    ------
    SurveyError : there is no such study, or the settings have a key that nothing reads.
    """
    if name not in study_names():
        raise SurveyError(f"`study` must be one of {', '.join(study_names())}; found {name!r}. Choose one of them.")
    found = _yaml(ROOT / "analysis" / f"{name}.yaml")
    unknown = sorted(set(found) - {entry.name for entry in fields(Settings)})
    if unknown:
        raise SurveyError(f"`{name}.yaml` has the settings {', '.join(unknown)}, which nothing reads. Take them out.")
    return Settings(**found)


def read_study(name: str, data: Path | None = None, codebook: Path | None = None) -> Study:
    """Read a study's respondents, or a researcher's, and weight them.

    A researcher's file is taken for real, unless the codebook given with it says otherwise or, where none is
    given, its respondents are numbered "synthetic-...", as those of the study are. Margins that lie beside the
    researcher's codebook take the place of the study's. A codebook that names a column of weights is taken at its
    word: those weights are used as they are.

    Parameters
    ----------
    name : name of the study.
    data : the researcher's respondent file; None: the study's.
    codebook : the researcher's codebook of the same questionnaire; None: the study's.

    Returns
    -------
    The study.

    Raises
    ------
    SurveyError : anything that is wrong with the files.
    """
    settings = read_settings(name)
    folder = ROOT / settings.folder
    book = Codebook.from_yaml(codebook or folder / "codebook.yaml")
    _check_questionnaire(book, settings, codebook)
    path = data or folder / "respondents.csv"
    frame = read_respondents(path, book)
    kind = _kind(book, frame, data, codebook)
    outcome = book.item(settings.outcome)
    answers = outcome.nets.get(settings.focus, (settings.focus,))
    focus = frame[settings.outcome].isin(answers).astype(np.float64).where(frame[settings.outcome].notna())
    before = Design(frame.assign(**{FOCUS: focus}), weight=book.weight)
    margins: Margins | None = None
    if settings.weighting:
        own = codebook.parent / settings.weighting["margins"] if codebook else None
        margins = _yaml(own if own is not None and own.is_file() else folder / settings.weighting["margins"])
    design = rake(before, margins) if margins is not None and book.weight is None else before
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Study(name, settings, book, kind, path.name, digest, design, before, margins)


def _kind(book: Codebook, frame: pd.DataFrame, data: Path | None, codebook: Path | None) -> DataKind:
    """Where the respondents come from."""
    if data is None and codebook is None:
        return book.data_kind
    if codebook is not None:
        return "synthetic" if book.data_kind == "synthetic" else "own"
    ids = [item.name for item in book.items.values() if item.kind == "id"]
    numbered = any(frame[name].astype(str).str.startswith("synthetic").any() for name in ids)
    return "synthetic" if numbered else "own"


def _check_questionnaire(book: Codebook, settings: Settings, path: Path | None) -> None:
    """Raise unless the codebook has the items that the report is about."""
    items = [settings.outcome, *settings.predictors, *settings.banner, *settings.battery.get("items", ())]
    items += [entry["item"] for entry in settings.shares.values()]
    columns = {column for item in book.items.values() for column in item.columns}
    lacking = [name for name in dict.fromkeys(items) if name not in columns]
    if lacking:
        raise SurveyError(
            f"`codebook` must have the items of the same questionnaire; {path.name if path else 'codebook.yaml'} lacks "
            f"{', '.join(lacking)}. Name the items as the study's codebook does."
        )


def _yaml(path: Path) -> Any:
    """A YAML file of settings."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise SurveyError(f"`{path.name}` must be a readable YAML file; {reason}. Restore it or mend it.") from error
