"""One question of a survey: wording, ordered answers with codes, nets, missing codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Integral
from types import MappingProxyType
from typing import Any, Literal, get_args

from survey.errors import CodebookError, did_you_mean, visible

Kind = Literal["id", "nominal", "ordinal", "numeric", "multiple", "text"]
KINDS: tuple[str, ...] = get_args(Kind)
SETTINGS: Mapping[str, frozenset[str]] = {
    "id": frozenset(),
    "text": frozenset(),
    "nominal": frozenset({"levels", "missing", "nets", "derived_from", "breaks", "recode"}),
    "ordinal": frozenset({"levels", "missing", "nets", "derived_from", "breaks", "recode"}),
    "numeric": frozenset({"missing", "minimum", "maximum", "unit", "integer", "derived_from", "values"}),
    "multiple": frozenset({"levels", "missing", "options"}),
}
"""What may be said of an item of each kind, beside its name, label, kind, wording and note."""

MAPPINGS: Mapping[str, str] = MappingProxyType(
    {
        "nets": "{'Approve': ('Somewhat approve', 'Strongly approve')}",
        "options": "{'news_tv': 'Television', 'news_web': 'Internet'}",
        "recode": "{'Urban': (1, 2), 'Rural': (3,)}",
        "values": "{1: 500, 2: 1500}",
    }
)
"""Settings of an item that are mappings, with an example of each."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that are no text: pictures, workbooks and Word documents cannot hold them, and terminals obey them."""

NO_ANSWER = "No answer"
"""Label of the missing code that stands for a blank cell."""


@dataclass(frozen=True, slots=True)
class Level:
    """One answer: the code in the data and the label that people read."""

    code: int | str
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the questionnaire, or one that is derived from another item.

    Parameters
    ----------
    name : column in the data (for a multiple-response set, the name of the set).
    label : short description, used as the title of tables.
    kind : "id", "nominal", "ordinal", "numeric", "multiple" (several options, each Yes or No) or "text".
    wording : the question as asked; None where it was not published.
    levels : substantive answers in order; a multiple-response set has two, the second one is "chosen".
    missing : codes that are no answer, such as -1 Don't know; a derived item has those of its source. A fraction, of a
        numeric item, is written as text: Level("9.99", "Refused").
    nets : net label -> labels of the levels that it sums.
    options : of a multiple-response set, column -> label of the option.
    minimum, maximum, unit, integer : of a numeric item.
    derived_from : the item it is computed from, by exactly one of `breaks`, `recode` and `values`.
    breaks : bounds of the levels, one more than levels, each level containing its lower bound only.
    recode : label of the level -> codes of the source; gives the levels 1, 2, ... where none are stated.
    values : code of the source -> number.
    note : anything a reader of the codebook should know.
    """

    name: str
    label: str
    kind: Kind
    _: KW_ONLY
    wording: str | None = None
    levels: tuple[Level, ...] = ()
    missing: tuple[Level, ...] = ()
    nets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    integer: bool = False
    derived_from: str | None = None
    breaks: tuple[float, ...] = ()
    recode: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    values: Mapping[int | str, float] = field(default_factory=dict)
    note: str | None = None

    def __post_init__(self) -> None:
        """Fill in the levels that a recode or a multiple-response set implies, and freeze the mappings."""
        for name, example in MAPPINGS.items():
            if not isinstance(getattr(self, name), Mapping):
                raise CodebookError(
                    f"`{name}` of item {self.name!r} must be a mapping, such as {example}; got "
                    f"{type(getattr(self, name)).__name__}."
                )
        if not self.levels and self.recode:
            levels = tuple(Level(code, label) for code, label in enumerate(self.recode, start=1))
            object.__setattr__(self, "levels", levels)
        if not self.levels and self.kind == "multiple":
            object.__setattr__(self, "levels", (Level(0, "No"), Level(1, "Yes")))
        for name in MAPPINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __repr__(self) -> str:
        """Name, label and answers, as the console shows them."""
        answers = [f"{level.code} {level.label}" for level in (*self.levels, *self.missing)]
        said = [*(["; ".join(answers)] if answers else []), *([f"nets: {', '.join(self.nets)}"] if self.nets else [])]
        return visible("\n  ".join([f"Item {self.name!r} ({self.kind}): {self.label}", *said]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by field, for read-only mappings cannot be."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _item, ({k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in values.items()},)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that hold the answers: one, or one per option of a multiple-response set."""
        return tuple(self.options) if self.kind == "multiple" else (self.name,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the substantive answers, in order."""
        return tuple(level.label for level in self.levels)

    def nets_among(self, answers: Sequence[object]) -> dict[str, list[str]]:
        """Nets of the answers that somebody gave: net label -> those of `answers` that it sums, where there are any."""
        given = {net: [answer for answer in answers if answer in members] for net, members in self.nets.items()}
        return {net: members for net, members in given.items() if members}

    @property
    def missing_labels(self) -> tuple[str, ...]:
        """Labels of the reasons for a missing answer, in order."""
        return tuple(level.label for level in self.missing)

    @property
    def stored_missing(self) -> tuple[Level, ...]:
        """Missing codes that a file holds: a derived number, a score of -1 say, could be taken for one."""
        return () if self.is_derived and self.kind == "numeric" else self.missing

    @property
    def nullable(self) -> bool:
        """Whether a respondent may lack an answer."""
        return bool(self.missing) or self.kind == "text"

    @property
    def is_derived(self) -> bool:
        """Whether the item is computed, not asked."""
        return self.derived_from is not None


def _item(values: dict[str, Any]) -> Item:
    """Build an item again after pickling."""
    return Item(**values)


def as_code(value: object) -> int | str:
    """Read 1, 1.0, "1" and "1.0" as the code 1; other text stays text."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else str(value)
    # Not by float(): it takes "1_0" and "1e1" for 10, and rounds long numbers.
    whole = re.fullmatch(r"([+-]?[0-9]{1,400})(?:\.0{0,400})?", str(value))
    return int(whole[1]) if whole else str(value)


def code_number(code: int | str) -> float | None:
    """Number that a code is, "9.99" included; None for text."""
    if isinstance(code, str) and not re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,30})?", code):
        return None
    return float(code)


def is_stated(value: object) -> bool:
    """Whether a setting differs from its default: None, false and empty collections say nothing, 0 does."""
    return value is not None and value is not False and not (isinstance(value, Sized) and len(value) == 0)


def item_problems(item: Item) -> list[str]:
    """Everything that is inconsistent within one item, as sentences."""
    if item.kind not in KINDS:
        return [f"`kind` must be one of {', '.join(KINDS)}; found {item.kind!r}.{did_you_mean(item.kind, KINDS)}"]
    unsound = list(_type_problems(item))
    if unsound:
        return unsound
    return [
        *_settings_problems(item),
        *_level_problems(item),
        *_net_problems(item),
        *_range_problems(item),
        *_derivation_problems(item),
    ]


def _type_problems(item: Item) -> Iterator[str]:
    """Say which levels are no `Level`, and which nets are text where a list of labels belongs."""
    for name in ("levels", "missing"):
        given = getattr(item, name)
        wrong = given if isinstance(given, str | Mapping) else [one for one in given if not isinstance(one, Level)]
        if wrong:
            yield f"`{name}` must be levels, as in (Level(1, 'Yes'), Level(2, 'No')); found {given!r}"
    for net, members in item.nets.items():
        if isinstance(members, str):
            yield f"the net {net!r} must list the levels that it sums, as in ({members!r},); found {members!r}"


def _settings_problems(item: Item) -> Iterator[str]:
    """Say which settings do not belong to the kind of the item, and which are needed."""
    for text, name in ((item.name, "name"), (item.label, "label"), *((c, "options") for c in item.options)):
        if not text or text != text.strip():
            yield f"`{name}` must be text without blanks around it; found {text!r}"
        if text and CONTROL.search(text):
            yield f"`{name}` must have no control characters; found {text!r}"
    for name in sorted(frozenset().union(*SETTINGS.values()) - SETTINGS[item.kind]):
        if is_stated(getattr(item, name)):
            yield f"`{name}` does not belong to an item of kind {item.kind!r}"
    if item.kind == "multiple" and not item.options:
        yield "`options` must name the columns of the multiple-response set; found none"
    if item.kind == "multiple" and len(item.levels) != 2:
        yield (
            f"`levels` of a multiple-response set must be two, as in {{0: 'No', 1: 'Yes'}}; found {len(item.levels)}"
        )
    if item.kind in ("nominal", "ordinal") and len(item.levels) < 2:
        yield f"`levels` must list two answers or more; found {len(item.levels)}"
    for label, count in Counter(item.options.values()).items():
        if count > 1:
            yield f"`options` has the label {label!r} {count} times; labels must differ"


def _level_problems(item: Item) -> Iterator[str]:
    """Check codes and labels: whole numbers or text, each used once, none that reads as another's code."""
    codes = Counter(as_code(level.code) for level in item.levels)
    missing = Counter(as_code(level.code) for level in item.missing)
    for name, counts in (("levels", codes), ("missing", missing)):
        for code, count in counts.items():
            if count > 1:
                yield f"`{name}` has the code {code} {count} times; codes must differ"
    for code in codes.keys() & missing.keys():
        yield f"`missing` has the code {code}, which is also the code of a level; give it another code"
    everything = (*item.levels, *item.missing)
    for label, count in Counter(level.label for level in everything).items():
        if count > 1:
            yield f"`levels` and `missing` have the label {label!r} {count} times; labels must differ"
        if not label or label != label.strip():
            yield f"labels of `levels` and `missing` must be text without blanks around it; found {label!r}"
        if CONTROL.search(label):
            yield f"labels of `levels` and `missing` must have no control characters; found {label!r}"
    owner = {as_code(level.code): level for level in everything}
    for level in everything:
        other = owner.get(as_code(level.label), level)
        if other is not level:
            yield f"the label {level.label!r} of code {level.code} reads as the code of {other.label!r}; reword it"


def _net_problems(item: Item) -> Iterator[str]:
    """Check that nets sum known levels and cannot be mistaken for one."""
    for net, members in item.nets.items():
        if net in (*item.labels, *item.missing_labels):
            yield f"the net {net!r} has the label of an answer; give it another"
        if not members:
            yield f"the net {net!r} must name at least one level; found none"
        for member, count in Counter(members).items():
            if member not in item.labels:
                hint = did_you_mean(member, item.labels)
                yield f"the net {net!r} must name levels of the item; {member!r} is none.{hint}"
            elif count > 1:
                yield f"the net {net!r} names {member!r} {count} times; once is enough"


def _range_problems(item: Item) -> Iterator[str]:
    """Check the range of a numeric item, and that no missing code lies within it."""
    low = item.minimum
    high = item.maximum
    if low is not None and high is not None and low > high:
        yield f"`minimum` must not exceed `maximum`; found {low} and {high}"
    if item.kind == "numeric":
        for level in item.missing:
            number = code_number(level.code)
            if number is None:
                yield f"`missing` codes of a numeric item must be numbers; found {level.code!r}"
            elif (low is not None or high is not None) and not _outside(number, low, high):
                yield f"`missing` has the code {level.code}, which `minimum` and `maximum` allow as a value"


def _outside(code: float, low: float | None, high: float | None) -> bool:
    """Whether a code cannot be a value of the range."""
    return (low is not None and code < low) or (high is not None and code > high)


def _derivation_problems(item: Item) -> Iterator[str]:
    """Check that a derived item says how, once, with as many levels as it needs."""
    rules = [name for name in ("breaks", "recode", "values") if getattr(item, name)]
    if not item.is_derived:
        if rules:
            yield f"`{rules[0]}` needs `derived_from`, the item to compute it from"
        return
    if len(rules) != 1:
        stated = " and ".join(f"`{rule}`" for rule in rules) or "none"
        yield f"a derived item needs exactly one of `breaks`, `recode` and `values`; found {stated}"
    if item.wording is not None:
        yield "`wording` does not belong to a derived item: nobody was asked it; use `note`"
    if item.breaks and len(item.breaks) != len(item.levels) + 1:
        yield f"`breaks` must be one more than the {len(item.levels)} levels; found {len(item.breaks)}"
    if any(lower >= upper for lower, upper in zip(item.breaks, item.breaks[1:], strict=False)):
        yield f"`breaks` must increase; found {', '.join(f'{b:g}' for b in item.breaks)}"
    if item.recode and set(item.recode) != set(item.labels):
        yield "`recode` must have the labels of `levels` as its keys; found " + ", ".join(map(repr, item.recode))
    for code, count in Counter(as_code(code) for codes in item.recode.values() for code in codes).items():
        if count > 1:
            yield f"`recode` sends the code {code} to {count} levels; each code goes to one"
