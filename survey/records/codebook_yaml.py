"""The YAML form of a codebook: read with every mistake reported, written so that it reads back equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from survey.errors import brief_value, did_you_mean
from survey.records.items import Item, Level, as_code, code_number, is_stated
from survey.strict_yaml import BOOLEAN, QUOTE, read_yaml

SETTINGS = ("name", "title", "data_kind", "population", "fieldwork", "source", "note", "weight")
REQUIRED = ("name", "title", "data_kind")
TEXTS = ("label", "kind", "wording", "unit", "derived_from", "note")
NUMBERS = ("minimum", "maximum")
ITEM_KEYS = (
    *("label", "kind", "wording", "levels", "missing", "nets", "options", "minimum", "maximum", "unit"),
    *("integer", "derived_from", "breaks", "recode", "values", "note"),
)


def parse_yaml(text: str) -> tuple[dict[str, Any], dict[str, Item | None], list[str]]:
    """Read settings and items from YAML text.

    Parameters
    ----------
    text : the file.

    Returns
    -------
    Settings of the codebook; its items by name, None where one could not be read; and all mistakes of
    form, as sentences.
    """
    page, problems = read_yaml(text)
    if page is None and problems:
        return {}, {}, problems
    if not isinstance(page, dict):
        return (
            {},
            {},
            [*problems, "the file must be a mapping with `name`, `title`, `data_kind` and `items`; it is not"],
        )
    known = (*SETTINGS, "items")
    problems += [_unknown_key(key, known, "of a codebook") for key in page if key not in known]
    problems += [f"`{key}` is required; it is missing" for key in REQUIRED if page.get(key) is None]
    settings = {key: _text(page.get(key), f"`{key}`", problems) for key in SETTINGS}
    entries = page.get("items")
    if not isinstance(entries, dict) or not entries:
        problems.append("`items` must be a mapping from item name to its description; found none")
        entries = {}
    return settings, {str(name): _item(name, entry, problems) for name, entry in entries.items()}, problems


def _item(name: object, entry: object, problems: list[str]) -> Item | None:
    """Read one item, noting mistakes of form."""
    if not isinstance(name, str):
        problems.append(
            f"names of `items` must be text; found {brief_value(name)}: {BOOLEAN if name in (True, False) else QUOTE}"
        )
        return None
    if not isinstance(entry, dict):
        problems.append(f"item {name!r}: must be a mapping with `label`, `kind` and so on; found {brief_value(entry)}")
        return None
    mistakes = [_unknown_key(key, ITEM_KEYS, "of an item") for key in entry if key not in ITEM_KEYS]
    values: dict[str, Any] = {"label": name} if entry.get("derived_from") else {}
    for key, value in entry.items():
        if value is not None and key in _READERS:
            values[key] = _READERS[key](value, f"`{key}`", mistakes)
    mistakes += [f"`{key}` is required; it is missing" for key in ("label", "kind") if values.get(key) is None]
    if "derived_from" in values and "missing" in values:
        mistakes.append("`missing` of a derived item is that of its source; leave it out")
        del values["missing"]
    problems += [f"item {name!r}: {problem}" for problem in mistakes]
    # An item that could not be read in part would only give rise to follow-on complaints.
    return None if mistakes else Item(name=name, **values)


def _unknown_key(key: object, known: tuple[str, ...], where: str) -> str:
    """Say that a key is unknown."""
    return f"`{key}` is no key {where}; the keys are {', '.join(known)}.{did_you_mean(key, known)}"


def _text(value: object, where: str, problems: list[str]) -> str | None:
    """Take text; anything else that YAML made of it is a mistake."""
    if value is None or isinstance(value, str):
        return value
    problems.append(
        f"{where} must be text; found {brief_value(value)}: {BOOLEAN if isinstance(value, bool) else QUOTE}"
    )
    return None


def _number(value: object, where: str, problems: list[str]) -> float | None:
    """Take a number, which true and false are not."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return value
    problems.append(f"{where} must be a number; found {brief_value(value)}")
    return None


def _boolean(value: object, where: str, problems: list[str]) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        problems.append(f"{where} must be true or false; found {brief_value(value)}")
    return value is True


def _code(value: object, where: str, problems: list[str]) -> int | str | None:
    """Take a code: a whole number or text."""
    if isinstance(value, bool):
        problems.append(f"{where} must have whole numbers or text as codes; found {brief_value(value)}: {BOOLEAN}")
    elif isinstance(value, float) and where.startswith("`missing`") and code_number(as_code(value)) is not None:
        return as_code(value)
    elif not isinstance(value, int | str):
        problems.append(f"{where} must have whole numbers or text as codes; found {brief_value(value)}")
    else:
        return value
    return None


def _mapping(value: object, where: str, problems: list[str]) -> dict[Any, Any]:
    """Take a mapping."""
    if not isinstance(value, dict):
        problems.append(f"{where} must be a mapping; found {brief_value(value)}")
        return {}
    return value


def _list(value: object, where: str, problems: list[str]) -> list[Any]:
    """Take a list."""
    if not isinstance(value, list):
        problems.append(f"{where} must be a list, as in [a, b]; found {brief_value(value)}")
        return []
    return value


def _levels(value: object, where: str, problems: list[str]) -> tuple[Level, ...]:
    """Read `{code: label}`."""
    return tuple(
        Level(_code(code, where, problems) or 0, _text(label, f"{where}, code {code}", problems) or "")
        for code, label in _mapping(value, where, problems).items()
    )


def _nets(value: object, where: str, problems: list[str]) -> dict[str, tuple[str, ...]]:
    """Read `{net: [labels]}`."""
    return {
        _text(net, where, problems) or "": tuple(
            _text(member, f"{where} {net!r}", problems) or "" for member in _list(members, f"{where} {net!r}", problems)
        )
        for net, members in _mapping(value, where, problems).items()
    }


def _options(value: object, where: str, problems: list[str]) -> dict[str, str]:
    """Read `{column: label}`."""
    return {
        _text(column, where, problems) or "": _text(label, f"{where} {column!r}", problems) or ""
        for column, label in _mapping(value, where, problems).items()
    }


def _recode(value: object, where: str, problems: list[str]) -> dict[str, tuple[int | str, ...]]:
    """Read `{label: [codes]}`."""
    return {
        _text(label, where, problems) or "": tuple(
            _code(code, where, problems) or 0 for code in _list(codes, f"{where} {label!r}", problems)
        )
        for label, codes in _mapping(value, where, problems).items()
    }


def _values(value: object, where: str, problems: list[str]) -> dict[int | str, float]:
    """Read `{code: number}`."""
    return {
        _code(code, where, problems) or 0: _number(number, f"{where}, code {code}", problems) or 0
        for code, number in _mapping(value, where, problems).items()
    }


def _breaks(value: object, where: str, problems: list[str]) -> tuple[float, ...]:
    """Read a list of numbers; `.inf` leaves the last level open."""
    return tuple(_number(bound, where, problems) or 0 for bound in _list(value, where, problems))


_READERS: Mapping[str, Callable[[object, str, list[str]], Any]] = {
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(NUMBERS, _number),
    "integer": _boolean,
    "levels": _levels,
    "missing": _levels,
    "nets": _nets,
    "options": _options,
    "breaks": _breaks,
    "recode": _recode,
    "values": _values,
}


def dump_yaml(settings: Mapping[str, Any], items: Mapping[str, Item]) -> str:
    """Write settings and items as YAML.

    Parameters
    ----------
    settings : settings of the codebook; None is left out.
    items : items by name.

    Returns
    -------
    Text that `parse_yaml` reads back to equal items.
    """
    page = {key: settings[key] for key in SETTINGS if settings.get(key) is not None}
    page["items"] = {name: _entry(item) for name, item in items.items()}
    text: str = yaml.safe_dump(page, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return text


def _entry(item: Item) -> dict[str, Any]:
    """Describe an item by what differs from the default, in plain mappings and lists."""
    entry: dict[str, Any] = {}
    for key in ITEM_KEYS:
        value = getattr(item, key)
        if key in ("levels", "missing"):
            value = {level.code: level.label for level in value}
        elif key in ("nets", "recode"):
            value = {label: list(members) for label, members in value.items()}
        elif key in ("options", "values"):
            value = dict(value)
        elif key == "breaks":
            value = list(value)
        if is_stated(value):
            entry[key] = value
    if item.is_derived:
        entry.pop("missing", None)
    return entry
