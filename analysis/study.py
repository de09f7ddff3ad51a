"""A study: its settings, its codebook, and its respondents as a weighted design."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from analysis.settings import ROOT, Settings, read_settings
from survey import CalibrationError, Codebook, Design, Item, SurveyError, rake, read_margins, read_respondents

FOCUS = "in_focus"
"""Column added to the respondents: 1 for the answers that the report follows, 0 for others, NaN for none."""

WEIGHT_NAME = re.compile(
    r"(?i)weight|gewicht|pond[eé]r|(?:^|[_.\W\d])(?:w|wts?|wgts?|pond\w*|poids|pesos?|fexp)(?:$|[_.\W\d])"
)
"""Names that columns of weights have: w, wt, wgt_final, weight, PONDERA, peso, ..."""

DataKind = Literal["synthetic", "real", "own"]
Margins = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Respondents ready to be analysed.

    Attributes
    ----------
    name, settings, codebook : what is analysed.
    kind : "synthetic", "real", or "own" for a researcher's file.
    data_file : name of the respondent file, and `digest` its sha256.
    unused : columns of the file that the codebook does not know; nothing reads them.
    own_folder : folder of the researcher's codebook; None where the study's is used.
    population, fieldwork : as the codebook has them; of a researcher's file, only what its own codebook says.
    design : the respondents with their weights.
    before : the design before weighting.
    margins : weighting targets; None where the respondents are not weighted to any.
    targets_source : where the targets come from.
    """

    name: str
    settings: Settings
    codebook: Codebook
    kind: DataKind
    data_file: str
    digest: str
    unused: tuple[str, ...]
    own_folder: Path | None
    population: str | None
    fieldwork: str | None
    design: Design
    before: Design
    margins: Margins | None
    targets_source: str

    @property
    def folder(self) -> Path:
        """Folder of the study's files."""
        return ROOT / self.settings.folder

    @property
    def title(self) -> str:
        """Title of the report; that of synthetic respondents says so, a researcher's names the file."""
        if self.kind == "own":
            return f"{self.outcome.label}: {self.data_file}"
        return f"{self.codebook.title} (synthetic data)" if self.kind == "synthetic" else self.codebook.title

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
        return self.settings.words.headings.get(variable, self.codebook.item(variable).label)


def reasons_column(column: str) -> str:
    """Column in which `read_respondents` keeps why there is no answer."""
    return f"{column}_missing"


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
    kind = _kind(book, frame, data=data, codebook=codebook)
    outcome = book.item(settings.outcome)
    answers = outcome.nets.get(settings.focus, (settings.focus,))
    focus = frame[settings.outcome].isin(answers).astype(np.float64).where(frame[settings.outcome].notna())
    unused = _unused(frame, book, path)
    _check_outcome(frame, outcome, path)
    before = Design(frame.assign(**{FOCUS: focus}), weight=book.weight)
    targets = _targets(settings, folder, codebook)
    margins: Margins | None = None if targets is None else read_margins(targets)
    theirs = targets is not None and targets.parent != folder
    stated = _stated(book, folder / "codebook.yaml", kind)
    weighted = before if margins is None or book.weight is not None else _raked(before, margins, path, targets=targets)
    source = settings.weighting.get("targets_source", "")
    return Study(
        name=name,
        settings=settings,
        codebook=book,
        kind=kind,
        data_file=path.name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        unused=unused,
        own_folder=codebook.parent if codebook is not None else None,
        population=stated["population"],
        fieldwork=stated["fieldwork"],
        design=weighted,
        before=before,
        margins=margins,
        targets_source=f"{targets.name} beside the codebook" if theirs and targets else source,
    )


def notices(study: Study) -> list[str]:
    """What somebody who runs the report on a file should see at once."""
    if not study.unused:
        return []
    return [f"Not used, because the codebook does not know them: {', '.join(study.unused)}."]


def _targets(settings: Settings, folder: Path, codebook: Path | None) -> Path | None:
    """File of the weighting targets: beside the researcher's codebook, or the study's."""
    if not settings.weighting:
        return None
    beside = codebook.parent / settings.weighting["margins"] if codebook is not None else None
    return beside if beside is not None and beside.is_file() else folder / str(settings.weighting["margins"])


def _raked(design: Design, margins: Margins, path: Path, *, targets: Path | None) -> Design:
    """The design raked to its targets; where they do not fit, the error says whose they are."""
    try:
        return rake(design, margins)
    except CalibrationError as error:
        where = targets.relative_to(ROOT) if targets is not None and targets.is_relative_to(ROOT) else targets
        raise CalibrationError(
            f"`{path.name}` must fit the weighting targets of {where}: {error} To weight to other targets, put a "
            "margins.yaml with your own, adding up to 1 for each question, beside a copy of the codebook and pass it "
            "as CODEBOOK=."
        ) from error


def _unused(frame: pd.DataFrame, book: Codebook, path: Path) -> tuple[str, ...]:
    """Columns that nothing reads; a column of weights among them would change every number, and is refused."""
    answers = [column for item in book.items.values() for column in item.columns]
    known = {*answers, *map(reasons_column, answers)}
    unused = tuple(str(name) for name in frame.columns if name not in known and name != book.weight)
    weights = [name for name in unused if WEIGHT_NAME.search(name)]
    if weights and book.weight is None:
        raise SurveyError(
            f"`{path.name}` must not bring weights that nothing uses; its column {weights[0]!r} looks like weights, "
            "and the codebook does not know it. Name it under `weight:` in a codebook and pass CODEBOOK=, or remove "
            "the column."
        )
    return unused


def _check_outcome(frame: pd.DataFrame, outcome: Item, path: Path) -> None:
    """Raise where everybody gave one answer to the question that the report is about."""
    answers = frame[outcome.name].dropna().unique()
    if len(answers) < 2:
        given = f"everybody says {str(answers[0])!r}" if len(answers) else "nobody has one"
        raise SurveyError(
            f"`{outcome.name}` ({outcome.label}) must have at least two different answers, because the report "
            f"compares them; in {path.name} {given}. Check how the column was coded."
        )


def _stated(book: Codebook, study: Path, kind: DataKind) -> dict[str, str | None]:
    """Population and dates of the respondents: of a researcher's file, not those copied from the study."""
    stated = {"population": book.population, "fieldwork": book.fieldwork}
    if kind != "own":
        return stated
    copied = Codebook.from_yaml(study)
    theirs = {"population": copied.population, "fieldwork": copied.fieldwork}
    return {name: text if text != theirs[name] else None for name, text in stated.items()}


def _kind(book: Codebook, frame: pd.DataFrame, *, data: Path | None, codebook: Path | None) -> DataKind:
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
    items = [settings.outcome, *settings.predictors, *settings.tables.banner, *settings.battery.get("items", ())]
    items += [entry["item"] for entry in settings.tables.shares.values()]
    divided = settings.gradients.get("made", {})
    items += [name for rule in divided.values() for name in (rule["item"], rule["by"])]
    items += [name for added in settings.gradients.get("steps", {}).values() for name in added if name not in divided]
    columns = {column for item in book.items.values() for column in item.columns}
    lacking = [name for name in dict.fromkeys(items) if name not in columns]
    if lacking:
        raise SurveyError(
            f"`codebook` must have the items of the same questionnaire; {path.name if path else 'codebook.yaml'} lacks "
            f"{', '.join(lacking)}. Name the items as the study's codebook does."
        )
