"""The settings of a study, as `analysis/<study>.yaml` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from survey import SurveyError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Wording:
    """Words and looks of one study.

    Attributes
    ----------
    verb, share : the focus in words: "the share who <verb>"; "<share> rises with income".
    headings, names : group variable -> heading of its rows, and its name in "rises with <name>".
    credit : what every figure says of where the questions or answers come from.
    asked_of : item -> who was asked, where not everybody was.
    reversed_colours : draw the highest answer in the colour of the lowest, as where it is a party with a colour.
    """

    verb: str
    share: str
    headings: Mapping[str, str]
    names: Mapping[str, str]
    credit: str = ""
    asked_of: Mapping[str, str] = field(default_factory=dict)
    reversed_colours: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What is published about a study; see `analysis.verdicts`.

    Attributes
    ----------
    published : id of a published figure -> how it is found in the file.
    not_built_to_meet : figures that synthetic respondents were not built to meet.
    explained : figure -> why ours differs.
    """

    published: Mapping[str, Mapping[str, Any]]
    not_built_to_meet: Sequence[str] = ()
    explained: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tabulated:
    """Which questions have tables, and by which groups.

    Attributes
    ----------
    banner : group variables of the detailed tables.
    not_a_question, not_in_topline : items without a detailed table, and without a topline.
    shares : name -> item, answer and domain of further shares.
    """

    banner: Sequence[str]
    not_a_question: Sequence[str] = ()
    not_in_topline: Sequence[str] = ()
    shares: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PARTS: Mapping[str, type[Wording | Published | Tabulated]] = {
    "words": Wording,
    "literature": Published,
    "tables": Tabulated,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the report of one study analyses.

    Attributes
    ----------
    folder, template : folder of the data, and name of the report's template.
    outcome, focus : the item that the report is about, and the answer or net of answers it follows.
    predictors : group variables of the regression.
    words, tables, literature : words of the report, its tables, and what is published.
    parallel_lines : merged answers for the test of parallel lines; empty: the answers themselves.
    gradients : steps of further predictors that the regression is fitted with again; empty: not done.
    battery : statements that one figure shows together: items, reversed, statements, short.
    weighting : file of the margins, source of the targets, whether intervals rest on a model; empty: unweighted.
    """

    folder: str
    template: str
    outcome: str
    focus: str
    predictors: Sequence[str]
    words: Wording
    tables: Tabulated
    literature: Published
    parallel_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gradients: Mapping[str, Any] = field(default_factory=dict)
    battery: Mapping[str, Any] = field(default_factory=dict)
    weighting: Mapping[str, Any] = field(default_factory=dict)

    @property
    def formula(self) -> str:
        """Formula of the study's regression."""
        return f"{self.outcome} ~ {' + '.join(self.predictors)}"


def study_names() -> list[str]:
    """Names of the studies that there are settings for."""
    return sorted(path.stem for path in (ROOT / "analysis").glob("*.yaml") if (ROOT / "data" / path.stem).is_dir())


def read_settings(name: str) -> Settings:
    """Read the settings of a study.

    The keys of the file stand side by side, whichever part of the settings they belong to.

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
    entries = read_yaml(ROOT / "analysis" / f"{name}.yaml")
    parts = {part: {key: entries.pop(key) for key in _keys(kind) if key in entries} for part, kind in PARTS.items()}
    unknown = sorted(set(entries) - set(_keys(Settings)) | set(entries) & set(PARTS))
    if unknown:
        raise SurveyError(f"`{name}.yaml` has the settings {', '.join(unknown)}, which nothing reads. Take them out.")
    return Settings(
        **entries,
        words=Wording(**parts["words"]),
        tables=Tabulated(**parts["tables"]),
        literature=Published(**parts["literature"]),
    )


def _keys(kind: type[Settings | Wording | Published | Tabulated]) -> list[str]:
    """Names of the fields of a part of the settings."""
    return [entry.name for entry in fields(kind)]


def read_yaml(path: Path) -> Any:
    """A YAML file of settings."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise SurveyError(f"`{path.name}` must be a readable YAML file; {reason}. Restore it or mend it.") from error
