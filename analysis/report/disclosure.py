"""The disclosure items of a study: who asked whom, when and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from analysis.study import Study
from survey import SurveyError

DISCLOSURE = "disclosure.yaml"
NOT_STATED = "Not stated in the source."
YOURS = "Not stated; for you to fill in."


def disclosure(study: Study) -> list[dict[str, Any]] | None:
    """The eleven disclosure items; those of a researcher's file lie beside its codebook, or wait to be stated."""
    theirs = study.folder / DISCLOSURE
    beside = study.own_folder / DISCLOSURE if study.own_folder is not None and study.kind == "own" else None
    stated = beside is not None and beside.is_file() and not beside.samefile(theirs)
    path = beside if stated and beside is not None else theirs
    if not path.is_file():
        return None
    unknown = study.kind == "own" and not stated
    return [
        {
            "item": item["title"],
            "text": YOURS if unknown else item.get("value") or (YOURS if stated else NOT_STATED),
            "source": None if unknown else item.get("source"),
            "here": item.get("synthetic") if study.kind == "synthetic" else None,
        }
        for item in _disclosure_items(path)
    ]


def _disclosure_items(path: Path) -> list[dict[str, Any]]:
    """Items of a file of disclosures, each a mapping with a title."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SurveyError(f"`{path.name}` must be a YAML file; {error}. Mend it.") from error
    items = content.get("items") if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("title") for item in items):
        raise SurveyError(
            f"`{path.name}` must be a list `items` whose entries have `title`, `value` and `source`; it is not. "
            "Copy data/social_credit/disclosure.yaml and change the values."
        )
    return items
