"""The codebook: the only place where wording, codes, ordered levels, nets and missing codes live."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from survey.errors import CodebookError, clipped, did_you_mean, visible
from survey.records.codebook_page import codebook_page
from survey.records.codebook_yaml import dump_yaml, parse_yaml
from survey.records.drafts import draft_items
from survey.records.files import read_file
from survey.records.items import CONTROL, Item, Level, as_code, item_problems
from survey.records.schema import companion, respondent_schema
from survey.replacing import write_text

if TYPE_CHECKING:
    import pandera.pandas as pa

__all__ = ["Codebook", "Item", "Level"]

DATA_KINDS = ("synthetic", "real")
LABELLED = (".sav", ".dta")
LISTED = 50
LONGEST_PROBLEM = 500
"""Problems that a message lists, and the characters of each that it shows."""


@dataclass(frozen=True, slots=True)
class Codebook:
    """What a respondent file holds: its items in questionnaire order, and what is known of the survey.

    A codebook is checked when it is made: every contradiction is listed in one `CodebookError`.

    Parameters
    ----------
    name : short name, used for folders.
    title : the survey in one line.
    data_kind : "synthetic" or "real"; synthetic data say so wherever they are shown.
    items : item name -> item, in questionnaire order; an item is derived only from items above it. A name that is not
        there is a `CodebookError` which names the nearest.
    population, fieldwork, source, note : for the report; None prints "not stated in the source".
    weight : column of weights, None where the file has none.
    """

    name: str
    title: str
    data_kind: Literal["synthetic", "real"]
    items: Mapping[str, Item]
    population: str | None = None
    fieldwork: str | None = None
    source: str | None = None
    note: str | None = None
    weight: str | None = None

    def __post_init__(self) -> None:
        """Hand the missing codes of a source down to what is derived from it, then check everything."""
        if not isinstance(self.items, Mapping):
            raise CodebookError(
                f"`items` must map names to items, as {{item.name: item for item in items}}; got "
                f"{type(self.items).__name__}."
            )
        settings = {"name": self.name, "title": self.title, "data_kind": self.data_kind}
        _refuse(f"codebook {self.name!r}", _setting_problems(settings) + _item_problems(self.items, self.weight))
        object.__setattr__(self, "items", MappingProxyType(_Items(self.name, _with_inherited_missing(self.items))))

    def __repr__(self) -> str:
        """Name and items, as the console shows them."""
        listed = "\n".join(f"  {name} ({item.kind}): {item.label}" for name, item in self.items.items())
        return visible(f"Codebook {self.name!r}, {self.data_kind} data: {self.title}\n{listed}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by field, for read-only mappings cannot be."""
        values = [getattr(self, f.name) for f in fields(self)]
        return Codebook, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Codebook:
        """Read a codebook from a YAML file.

        Parameters
        ----------
        path : file in the form that `to_yaml` writes; see `data/*/codebook.yaml` for examples.

        Returns
        -------
        The codebook.

        Raises
        ------
        CodebookError : the file is absent, is no YAML or contradicts itself; all problems are listed.
        """
        try:
            file = Path(path)
        except TypeError as error:
            raise CodebookError(f"`path` must be the name of a file; got {type(path).__name__}.") from error
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise CodebookError(f"`path` must be a readable file; {file} gave: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CodebookError(f"`path` must be a text file in UTF-8; {file} is not. Save it as UTF-8.") from error
        settings, entries, problems = parse_yaml(text)
        problems += _setting_problems({name: value for name, value in settings.items() if value is not None})
        problems += _item_problems(entries, settings.get("weight")) if entries else []
        _refuse(f"`{file.name}`", problems)
        return cls(items={name: item for name, item in entries.items() if item is not None}, **settings)

    @classmethod
    def from_labelled(cls, path: str | os.PathLike[str]) -> Codebook:
        """Draft a codebook from the labels of an SPSS or Stata file, to be read through and completed by hand.

        Questions whose every answer is labelled become nominal items, or ordinal ones where SPSS says so; declared
        missing codes stay apart, Stata's .a to .z and blanks get negative codes; other columns are numbers or text. The
        file can be read with the draft as it is. Wordings, nets, ranges of numbers and multiple-response sets are not
        in such a file; what else to look at is said in `note`.

        Parameters
        ----------
        path : a .sav or .dta file.

        Returns
        -------
        The draft, its `data_kind` "real": write it with `to_yaml`, and correct it there.

        Raises
        ------
        CodebookError : the file is of another kind, or its labels contradict each other.
        RecordsError : the file is absent or cannot be read.
        """
        file = Path(path)
        if file.suffix.lower() not in LABELLED:
            raise CodebookError(
                f"`path` must be a file with labels, {' or '.join(LABELLED)}; found {file.name!r}. Write the codebook "
                "of other files by hand, after data/*/codebook.yaml."
            )
        labelled = read_file(file)
        items, notes = draft_items(labelled)
        listed = "".join(f"; {note}" for note in notes)
        return cls(
            name=re.sub(r"\W+", "_", file.stem.lower()).strip("_") or "draft",
            title=" ".join(CONTROL.sub(" ", labelled.title).split()) or file.stem,
            data_kind="real",
            items=items,
            note=f"drafted from the labels of {file.name}: read it through{listed}",
        )

    def to_yaml(self, path: str | os.PathLike[str]) -> None:
        """Write the codebook as YAML, so that `from_yaml` gives back an equal one.

        Parameters
        ----------
        path : file to write; an existing one is replaced.

        Raises
        ------
        CodebookError : the file cannot be written.
        """
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "items"}
        write_text(path, dump_yaml(settings, self.items), error=CodebookError)

    def item(self, name: str) -> Item:
        """Look an item up by name.

        Parameters
        ----------
        name : name of the item.

        Returns
        -------
        The item.

        Raises
        ------
        CodebookError : there is none of that name; the nearest one is named.
        """
        return self.items[name]

    def schema(self) -> pa.DataFrameSchema:
        """Make the pandera schema of the frame that `read_respondents` returns.

        Returns
        -------
        Schema with one column per answer, reason for missing and weight; other columns are let through.
        """
        return respondent_schema(self.items.values(), weight=self.weight)

    def to_markdown(self) -> str:
        """Write the codebook page of a report.

        Returns
        -------
        Markdown: what the data are, then each item with its wording, answers, codes and nets.
        """
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "items"}
        return codebook_page(settings, self.items)


class _Items(dict[str, Item]):
    """Items by name; one that is not there is an error which names the nearest."""

    def __init__(self, codebook: str, items: Mapping[str, Item]) -> None:
        super().__init__(items)
        self.codebook = codebook

    def __missing__(self, name: object) -> Item:
        for owner in self.values():
            if name in owner.columns:
                hint = f" It is a column of the item {owner.name!r}."
                break
        else:
            hint = did_you_mean(name, self) or " Its items are " + ", ".join(self) + "."
        raise CodebookError(f"`name` must be an item of codebook {self.codebook!r}; {name!r} is none.{hint}")


def _with_inherited_missing(items: Mapping[str, Item]) -> dict[str, Item]:
    """Give every derived item the missing codes of its source."""
    complete: dict[str, Item] = {}
    for name, item in items.items():
        source = complete.get(item.derived_from or "")
        complete[name] = item if source is None or item.missing else replace(item, missing=source.missing)
    return complete


def _refuse(what: str, problems: list[str]) -> None:
    """Raise one error for all problems, if there are any."""
    if problems:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"  - {clipped(problem, LONGEST_PROBLEM)}" for problem in problems[:LISTED])
        listed += f"\n  ... and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise CodebookError(f"{what} must be consistent; found {count}, to be corrected there:\n{listed}")


def _setting_problems(settings: Mapping[str, object]) -> list[str]:
    """Check the settings that a codebook cannot do without."""
    problems = [
        f"`{name}` must be text; found {value!r}"
        for name, value in settings.items()
        if name in ("name", "title") and not (isinstance(value, str) and value.strip())
    ]
    kind = settings.get("data_kind", DATA_KINDS[0])
    if kind not in DATA_KINDS:
        problems.append(f"`data_kind` must be 'synthetic' or 'real'; found {kind!r}")
    return problems


def _item_problems(items: Mapping[str, Item | None], weight: str | None) -> list[str]:
    """Check each item by itself, and what the sound ones say of each other."""
    if not items:
        return ["`items` must describe at least one item; found none"]
    strange = {name: item for name, item in items.items() if not isinstance(item, Item | None)}
    if strange:
        return [f"`items` must hold items; {name!r} is of type {type(item).__name__}" for name, item in strange.items()]
    within = {name: item_problems(item) for name, item in items.items() if item is not None}
    sound = {name: item for name, item in items.items() if item is not None and not within[name]}
    problems = [f"item {name!r}: {problem}" for name, of_item in within.items() for problem in of_item]
    return problems + _structure_problems(_with_inherited_missing(sound), weight, set(items))


def _structure_problems(items: Mapping[str, Item], weight: str | None, named: set[str]) -> list[str]:
    """Check what items say of each other: columns, ids, sources of derived items."""
    problems = [
        f"item {item.name!r}: `items` must list it under its own name; found it under {key!r}"
        for key, item in items.items()
        if item.name != key
    ]
    columns = Counter(column for item in items.values() for column in _all_columns(item))
    problems += [f"the column {c!r} is claimed {n} times; columns must differ" for c, n in columns.items() if n > 1]
    ids = [item.name for item in items.values() if item.kind == "id"]
    if len(ids) > 1:
        problems.append(f"there must be at most one item of kind 'id'; found {', '.join(ids)}")
    if weight is not None and weight in columns and (weight not in items or items[weight].kind != "numeric"):
        problems.append(f"`weight` must be a column of numbers; {weight!r} is a column of another kind of item")
    above: dict[str, Item] = {}
    for name, item in items.items():
        if item.derived_from in above:
            problems += [f"item {name!r}: {p}" for p in _source_problems(item, above[item.derived_from])]
        elif item.derived_from is not None and (item.derived_from in items or item.derived_from not in named):
            hint = " Move it up." if item.derived_from in items else did_you_mean(item.derived_from, above)
            problems.append(
                f"item {name!r}: `derived_from` must name an item above it; {item.derived_from!r} is none.{hint}"
            )
        above[name] = item
    return problems


def _all_columns(item: Item) -> Iterable[str]:
    """Columns of an item, with those that hold the reasons for a missing answer."""
    return (*item.columns, *(companion(column) for column in item.columns if item.missing))


def _source_problems(item: Item, source: Item) -> Iterator[str]:
    """Check that a derived item covers every value that its source can have."""
    if item.missing != source.missing:
        yield f"`missing` of a derived item is that of its source {source.name!r}; leave it out"
    if item.breaks:
        if source.kind != "numeric":
            yield f"`breaks` needs a numeric source; {source.name!r} is {source.kind}. Use `recode`"
            return
        if source.minimum is not None and source.minimum < item.breaks[0]:
            low = f"{source.minimum:g}; they start at {item.breaks[0]:g}"
            yield f"`breaks` must cover {source.name!r} from {low}"
        if source.maximum is not None and source.maximum >= item.breaks[-1]:
            high = f"{source.maximum:g}; they end below {item.breaks[-1]:g}"
            yield f"`breaks` must cover {source.name!r} up to {high}; a level lacks its upper bound"
        return
    rule = "recode" if item.recode else "values"
    if source.kind not in ("nominal", "ordinal"):
        yield f"`{rule}` needs a nominal or ordinal source; {source.name!r} is {source.kind}"
        return
    known = {as_code(level.code): level.label for level in source.levels}
    used = {as_code(c) for codes in item.recode.values() for c in codes} | {as_code(c) for c in item.values}
    for code in sorted(used - known.keys(), key=str):
        codes = ", ".join(map(str, known))
        yield f"`{rule}` names the code {code}, which {source.name!r} has not; its codes are {codes}"
    for code, label in known.items():
        if code not in used:
            yield f"`{rule}` must cover every level of {source.name!r}; code {code} ({label}) is left out"
