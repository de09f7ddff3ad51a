"""Every number of the shared results is compared with ours on the validation page, or listed there as not compared.

What needs all rows of the page stands here, so that they are made once: every section agrees with R or says why not.

Rows of the page carry the entries that their reference values are (`tests/sources.py`); the others are listed with a
reason in `tests/validation/uncompared.py`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.reference_data import REFERENCE, shared
from tests.sources import ORIGINS, Value, leaves, origin, sources, traced
from tests.validation import page, uncompared
from tests.validation.rows import REGISTRY, Section, made_rows


@pytest.mark.slow
@pytest.mark.parametrize("section", REGISTRY.sections, ids=lambda section: section.title)
def test_every_value_agrees_or_says_why_not(section: Section) -> None:
    if section.needs is not None:
        shared(section.needs)
    rows = made_rows(section)
    assert rows
    assert [f"{row.group}, {row.label}" for row in rows if row.unexplained] == []


@pytest.mark.slow
def test_the_page_is_as_computed() -> None:
    """One section and one deviation; `python -m tests.validation --check` compares all."""
    committed = page.PAGE.read_text(encoding="utf-8")
    (section,) = (section for section in REGISTRY.sections if section.title.startswith("Ambulances"))
    made = "\n".join(page.section_lines(section, made_rows(section)))
    assert page.differences("\n".join(page.old_section(committed, section.title)), made) == []
    entry = REGISTRY.deviations[0]
    (old,) = page.old_lines(committed, page.DEVIATIONS, entry.title)
    assert page.same_line(old, page.deviation_line(entry))


@pytest.fixture(scope="module")
def left() -> list[str]:
    """Entries that no row and no deviation compares."""
    for folder in page.FOLDERS:
        shared(folder)
    compared = uncompared.compared()
    return [entry for entry in uncompared.entries() if entry not in compared]


@pytest.mark.slow
def test_every_entry_is_compared_or_listed_with_a_reason(left: list[str]) -> None:
    listed = {entry for _, patterns in uncompared.listed(left) for found in patterns.values() for entry in found}
    assert sorted(set(left) - listed) == []


@pytest.mark.slow
def test_every_pattern_matches_an_entry_that_is_not_compared(left: list[str]) -> None:
    dead = [p for _, patterns in uncompared.listed(left) for p, found in patterns.items() if not found]
    assert dead == []


@pytest.mark.slow
def test_every_source_is_an_entry(left: list[str]) -> None:
    """But the weights, which are columns of files beside the results."""
    known = set(uncompared.entries())
    strangers = [entry for entry in uncompared.compared() if entry not in known]
    assert [entry for entry in strangers if not entry.endswith(".weights")] == []
    assert len(left) < len(known) / 5


def test_what_is_not_compared_is_said_once_and_why() -> None:
    names = [item.what for item in uncompared.UNCOMPARED]
    assert len(names) == len(set(names))
    assert all(item.why.strip() and item.patterns for item in uncompared.UNCOMPARED)
    patterns = [pattern for item in uncompared.UNCOMPARED for pattern in item.patterns]
    assert len(patterns) == len(set(patterns))


def test_sources_follow_numbers() -> None:
    """Into lists, sums, multiples and roots."""
    content = traced({"a": {"b": [1, [2.5, None]], "c": 4, "d": "word", "e": True}, "f": [{"g": 9}]}, str.upper)
    assert sources(content["a"]["b"]) == {"A.B"}
    assert sources([content["a"]["c"], content["f"][0]["g"]]) == {"A.C", "F.0.G"}
    assert (content["a"]["d"], content["a"]["e"]) == ("word", True)
    for made, number in (
        (-content["a"]["c"], -4),
        (content["a"]["c"] + 1, 5),
        (content["a"]["c"] * 2, 8),
        (content["a"]["c"] / 8, 0.5),
        (content["a"]["c"].root(), 2),
    ):
        assert made == number
        assert sources(made) == {"A.C"}
    assert str(content["a"]["c"]) == "4"
    assert sources(Value(1.0)) == sources(3.0) == frozenset()


def test_an_array_has_no_source() -> None:
    np.testing.assert_array_equal(Value(2.0, "a") * np.ones(2), [2.0, 2.0])


@cache
def shared_entries() -> dict[str, Any]:
    """Entries of the files of the shared results that the extracts are copied from."""
    entries: dict[str, Any] = {}
    for path in sorted({source.partition(": ")[0] for patterns in ORIGINS.values() for _, source in patterns}):
        folder, name = path.split("/")
        content = json.loads((shared(folder) / name).read_text(encoding="utf-8"))
        entries |= {f"{path}: {entry}": part for entry, part in leaves(content)}
    return entries


@pytest.mark.parametrize("name", ORIGINS)
def test_copied_values_are_those_of_the_entries_they_name(name: str) -> None:
    """Every entry of an extract in `reference/` stands in the shared results where its source says."""
    entries = shared_entries()
    copied = leaves(json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8")))
    found = {origin(name, entry): part for entry, part in copied if not entry.endswith(".weights")}
    assert len(found) > 50
    assert [entry for entry, part in found.items() if entry not in entries or entries[entry] != part] == []
