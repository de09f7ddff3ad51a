"""A study: its settings, its codebook, and its respondents as a weighted design."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml

from survey import CalibrationError, Codebook, Design, Item, SurveyError, rake, read_respondents

ROOT = Path(__file__).resolve().parents[1]
FOCUS = "in_focus"
"""Column added to the respondents: 1 for the answers that the report follows, 0 for others, NaN for none."""

WEIGHT_NAME = re.compile(
    r"(?i)weight|gewicht|pond[eé]r|(?:^|[_.\W\d])(?:w|wts?|wgts?|pond\w*|poids|pesos?|fexp)(?:$|[_.\W\d])"
)
"""Names that columns of weights have: w, wt, wgt_final, weight, PONDERA, peso, ..."""

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
    gradients : steps of further predictors that the regression is fitted with again; empty: not done.
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
    gradients: Mapping[str, Any] = field(default_factory=dict)
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
        return self.settings.headings.get(variable, self.codebook.item(variable).label)


def reasons_column(column: str) -> str:
    """Column in which `read_respondents` keeps why there is no answer."""
    return f"{column}_missing"


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
        raise SurveyError(f"`study` must be one of {', '.join(study_names())}; entries {name!r}. Choose one of them.")
    entries = _yaml(ROOT / "analysis" / f"{name}.yaml")
    unknown = sorted(set(entries) - {entry.name for entry in fields(Settings)})
    if unknown:
        raise SurveyError(f"`{name}.yaml` has the settings {', '.join(unknown)}, which nothing reads. Take them out.")
    return Settings(**entries)


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
    margins: Margins | None = None if targets is None else _yaml(targets)
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
    items = [settings.outcome, *settings.predictors, *settings.banner, *settings.battery.get("items", ())]
    items += [entry["item"] for entry in settings.shares.values()]
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


def _yaml(path: Path) -> Any:
    """A YAML file of settings."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise SurveyError(f"`{path.name}` must be a readable YAML file; {reason}. Restore it or mend it.") from error
