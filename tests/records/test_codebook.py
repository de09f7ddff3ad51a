"""Codebooks: read, written, refused. Every inconsistency has a sentence of its own."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import CodebookError
from survey.records.codebook import Codebook, Item, Level
from survey.records.items import KINDS

PAGE = """
name: demo
title: A small survey
data_kind: synthetic
population: Adults
weight: w
items:
  respondent: {label: Respondent number, kind: id}
  age: {label: Age, kind: numeric, integer: true, minimum: 14, maximum: 65, unit: years, missing: {-2: Refused}}
  age_group: {label: Age group, kind: ordinal, derived_from: age, breaks: [14, 30, 66], levels: {1: 14-29, 2: 30-65}}
  approval:
    label: Approval
    wording: Do you approve?
    kind: ordinal
    levels: {1: Disapprove, 2: Neither, 3: Somewhat approve, 4: Strongly approve}
    missing: {-1: Don't know, -2: Refused}
    nets: {Approve: [Somewhat approve, Strongly approve]}
  approval3: {kind: ordinal, derived_from: approval, recode: {Against: [1], Between: [2], In favour: [3, 4]}}
  score: {kind: numeric, derived_from: approval, values: {1: -1, 2: 0, 3: 0.5, 4: 1}}
  gender: {label: Gender, kind: nominal, levels: {F: Female, M: Male}, note: As stated.}
  systems:
    label: Systems used
    kind: multiple
    options: {systems_a: System A, systems_b: System B}
    missing: {-8: Not asked}
  comment: {label: Comment, kind: text}
"""

ITEM = "name: demo\ntitle: A small survey\ndata_kind: real\nitems:\n  x: {label: X, kind: ordinal, "


def codebook_from(text: str, tmp_path: Path) -> Codebook:
    path = tmp_path / "codebook.yaml"
    path.write_text(text, encoding="utf-8")
    return Codebook.from_yaml(path)


@pytest.fixture
def codebook(tmp_path: Path) -> Codebook:
    return codebook_from(PAGE, tmp_path)


def test_items_come_in_questionnaire_order_with_what_the_file_says(codebook: Codebook) -> None:
    assert list(codebook.items) == [
        *("respondent", "age", "age_group", "approval", "approval3", "score", "gender", "systems", "comment"),
    ]
    approval = codebook.items["approval"]
    assert approval.levels[0] == Level(1, "Disapprove")
    assert approval.missing == (Level(-1, "Don't know"), Level(-2, "Refused"))
    assert approval.nets == {"Approve": ("Somewhat approve", "Strongly approve")}
    assert approval.labels == ("Disapprove", "Neither", "Somewhat approve", "Strongly approve")
    assert approval.columns == ("approval",)
    assert (codebook.weight, codebook.population, codebook.fieldwork) == ("w", "Adults", None)


def test_nets_among_the_answers_that_somebody_gave(codebook: Codebook) -> None:
    approval = codebook.items["approval"]
    assert approval.nets_among(approval.labels) == {"Approve": ["Somewhat approve", "Strongly approve"]}
    assert approval.nets_among(["Neither", "Strongly approve"]) == {"Approve": ["Strongly approve"]}
    assert approval.nets_among(["Neither"]) == {}


def test_a_multiple_response_set_has_a_column_per_option_answered_no_or_yes(codebook: Codebook) -> None:
    systems = codebook.items["systems"]
    assert systems.columns == ("systems_a", "systems_b")
    assert systems.levels == (Level(0, "No"), Level(1, "Yes"))


def test_a_recode_gives_the_levels_in_its_order(codebook: Codebook) -> None:
    assert codebook.items["approval3"].levels == (Level(1, "Against"), Level(2, "Between"), Level(3, "In favour"))


def test_a_derived_item_has_the_missing_codes_of_its_source(codebook: Codebook) -> None:
    assert codebook.items["approval3"].missing == codebook.items["approval"].missing
    assert codebook.items["age_group"].missing == codebook.items["age"].missing


def test_a_codebook_cannot_be_changed(codebook: Codebook) -> None:
    with pytest.raises(AttributeError):
        codebook.title = "Another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        codebook.items["x"] = codebook.items["age"]  # type: ignore[index]
    with pytest.raises(TypeError):
        codebook.items["approval"].nets["All"] = ()  # type: ignore[index]


def test_a_codebook_survives_copying_and_pickling(codebook: Codebook) -> None:
    assert pickle.loads(pickle.dumps(codebook)) == codebook
    assert copy.deepcopy(codebook) == codebook


def test_written_and_read_again_it_is_the_same_codebook_and_the_same_text(codebook: Codebook, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    codebook.to_yaml(first)
    again = Codebook.from_yaml(first)
    again.to_yaml(second)
    assert again == codebook
    assert list(again.items) == list(codebook.items)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("study", ["anes96", "social_credit"])
def test_the_codebooks_of_the_studies_survive_the_round_trip(study: str, tmp_path: Path) -> None:
    codebook = Codebook.from_yaml(Path(__file__).resolve().parents[2] / "data" / study / "codebook.yaml")
    codebook.to_yaml(tmp_path / "again.yaml")
    assert Codebook.from_yaml(tmp_path / "again.yaml") == codebook


# Labels that YAML would take for something else, and letters of several scripts.
AWKWARD = (
    "Yes",
    "no",
    "~",
    "null",
    "1e3",
    "12:30",
    "0x1F",
    "2018-02-01",
    "a: b",
    "- a",
    "# a",
    "同意",
    "é|ü",
    "'",
    '"',
)
words = st.sampled_from(AWKWARD) | st.text("abcXYZ éß中 :#-'\"|&*!%", min_size=1, max_size=12).filter(
    lambda word: word == word.strip()
)


@st.composite
def items(draw: st.DrawFn, name: str) -> Item:
    labels = draw(st.lists(words, min_size=3, max_size=7, unique=True))
    codes = draw(st.lists(st.integers(-99, 999), min_size=len(labels), max_size=len(labels), unique=True))
    answers = tuple(Level(code, label) for code, label in zip(codes, labels, strict=True))
    nets = {"The first two": labels[:2]} if draw(st.booleans()) else {}
    return Item(
        name,
        draw(words),
        draw(st.sampled_from(("nominal", "ordinal"))),
        wording=draw(st.none() | words),
        levels=answers[:-1],
        missing=answers[-1:],
        nets={net: tuple(members) for net, members in nets.items()},
        note=draw(st.none() | words),
    )


@given(st.data())
@settings(max_examples=50)
def test_any_labels_survive_the_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    made = [data.draw(items(name)) for name in ("q1", "yes", "2")]
    number = Item("age", "Age", "numeric", minimum=0, maximum=0.5, integer=False)
    codebook = Codebook("any", data.draw(words), "real", {item.name: item for item in (*made, number)})
    path = tmp_path_factory.mktemp("any") / "codebook.yaml"
    codebook.to_yaml(path)
    assert Codebook.from_yaml(path) == codebook


def test_item_looks_one_up_and_names_the_nearest_when_there_is_none(codebook: Codebook) -> None:
    assert codebook.item("approval").label == "Approval"
    with pytest.raises(CodebookError, match=r"`name` must be an item .* 'aproval' is none. Did you mean 'approval'\?"):
        codebook.item("aproval")
    with pytest.raises(CodebookError, match=r"'systems_a' is none. It is a column of the item 'systems'"):
        codebook.item("systems_a")
    with pytest.raises(CodebookError, match=r"'zzz' is none. Its items are respondent, age"):
        codebook.item("zzz")


def test_the_page_has_wording_codes_nets_and_says_synthetic(codebook: Codebook) -> None:
    page = codebook.to_markdown()
    assert page.startswith("# A small survey\n\n**Synthetic data: no record describes a real person.**")
    for part in (
        "* Population: Adults",
        "* Fieldwork: not stated in the source",
        "* Weight: w",
        "## Approval (`approval`)\n\n“Do you approve?” Kind: ordinal.",
        "| 1 | Disapprove |  |",
        "| -1 | Don't know | missing |",
        "| Approve | Somewhat approve, Strongly approve |",
        "*wording not published*. Kind: numeric, whole numbers from 14 to 65 years.",
        "Derived from `age`: 14-29 = 14 to below 30; 30-65 = 30 to below 66. Kind: ordinal.",
        "Derived from `approval`: Against = 1; Between = 2; In favour = 3, 4. Kind: ordinal.",
        "Derived from `approval`: code 1 = -1; code 2 = 0; code 3 = 0.5; code 4 = 1. Kind: numeric.",
        "| `systems_a` | System A |",
        "Identifies the respondent.",
        "As stated.",
    ):
        assert part in page


def test_the_page_of_real_data_says_nothing_of_synthetic_and_escapes_bars(tmp_path: Path) -> None:
    codebook = codebook_from(ITEM + "levels: {1: a|b, 2: c}}\nnote: A note.\n", tmp_path)
    page = codebook.to_markdown()
    assert "ynthetic" not in page
    assert "| 1 | a\\|b |  |" in page
    assert "* Note: A note." in page


BAD_ITEMS = [
    ("levels: {1: A, 2: B}, colour: red", r"item 'x': `colour` is no key of an item"),
    ("levels: {1: A, 2: B}, wordng: W", r"`wordng` is no key of an item.* Did you mean 'wording'\?"),
    ("levels: {1: A, 1: B}", r"line 5: the key '1' is repeated; keys and codes must differ"),
    ("levels: {1: A, '1': B}", r"`levels` has the code 1 2 times; codes must differ"),
    ("levels: {1: A, 2: A}", r"`levels` and `missing` have the label 'A' 2 times; labels must differ"),
    ("levels: {1: A, 2: B}, missing: {-1: A}", r"have the label 'A' 2 times"),
    ("levels: {1: A, 2: B}, missing: {2: C}", r"`missing` has the code 2, which is also the code of a level"),
    ("levels: {1: A, 2: B}, missing: {-1: C, '-1': D}", r"`missing` has the code -1 2 times"),
    ("levels: {1: A}", r"`levels` must list two answers or more; found 1"),
    ("levels: [A, B]", r"`levels` must be a mapping; found \['A', 'B'\]"),
    ("levels: {1: Yes, 2: No}", r"code 1 must be text; found True: YAML reads an unquoted Yes, No, On or Off as true"),
    ("levels: {Yes: A, 2: B}", r"`levels` must have whole numbers or text as codes; found True: YAML reads"),
    ("levels: {1.5: A, 2: B}", r"`levels` must have whole numbers or text as codes; found 1.5"),
    ("levels: {1: 14, 2: B}", r"code 1 must be text; found 14: put it in quotes"),
    ("levels: {1: ' A', 2: B}", r"labels of `levels` and `missing` must be text without blanks around it; found ' A'"),
    ("levels: {1: '2', 2: B}", r"the label '2' of code 1 reads as the code of 'B'; reword it"),
    ("levels: {1: A, 2: B}, nets: {N: [A, C]}", r"the net 'N' must name levels of the item; 'C' is none"),
    ("levels: {1: Approve, 2: B}, nets: {N: [Aprove]}", r"'Aprove' is none. Did you mean 'Approve'\?"),
    ("levels: {1: A, 2: B}, nets: {N: []}", r"the net 'N' must name at least one level"),
    ("levels: {1: A, 2: B}, nets: {N: [A, A]}", r"the net 'N' names 'A' 2 times; once is enough"),
    ("levels: {1: A, 2: B}, nets: {A: [A, B]}", r"the net 'A' has the label of an answer"),
    ("levels: {1: A, 2: B}, nets: {N: A}", r"`nets` 'N' must be a list, as in \[a, b\]; found 'A'"),
    ("levels: {1: A, 2: B}, nets: {N: [Yes]}", r"`nets` 'N' must be text; found True: YAML reads"),
    ("levels: {1: A, 2: B}, minimum: 0", r"`minimum` does not belong to an item of kind 'ordinal'"),
    ("levels: {1: A, 2: B}, kind: scale", r"the key 'kind' is repeated"),
    ("levels: {1: A, 2: B}, integer: 1", r"`integer` must be true or false; found 1"),
    ("levels: {1: A, 2: B}, unit: 3", r"`unit` must be text; found 3"),
    ("breaks: [1, 2, 3], levels: {1: A, 2: B}", r"`breaks` needs `derived_from`, the item to compute it from"),
]


@pytest.mark.parametrize(("entry", "message"), BAD_ITEMS)
def test_an_inconsistent_item_is_refused(entry: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match=message):
        codebook_from(ITEM + entry + "}\n", tmp_path)


BAD_LINES = [
    ("q: {label: Q, kind: scale}", r"`kind` must be one of id, nominal, .*; found 'scale'"),
    ("q: {label: Q, kind: nominl}", r"found 'nominl'. Did you mean 'nominal'\?"),
    ("q: {kind: text}", r"item 'q': `label` is required; it is missing"),
    ("q: {label: Q}", r"item 'q': `kind` is required; it is missing"),
    ("q: 3", r"item 'q': must be a mapping with `label`, `kind` and so on; found 3"),
    ("yes: {label: Q, kind: text}", r"names of `items` must be text; found True: YAML reads"),
    ("5: {label: Q, kind: text}", r"names of `items` must be text; found 5: put it in quotes"),
    ("' q': {label: Q, kind: text}", r"`name` must be text without blanks around it; found ' q'"),
    ("q: {label: Q, kind: numeric, minimum: 5, maximum: 1}", r"`minimum` must not exceed `maximum`; found 5 and 1"),
    ("q: {label: Q, kind: numeric, minimum: low}", r"`minimum` must be a number; found 'low'"),
    (
        "q: {label: Q, kind: numeric, maximum: 99, missing: {98: Refused}}",
        r"`missing` has the code 98, which `minimum` and `maximum` allow as a value",
    ),
    (
        "q: {label: Q, kind: numeric, missing: {R: Refused}}",
        r"`missing` codes of a numeric item must be numbers; found 'R'",
    ),
    ("q: {label: Q, kind: multiple}", r"`options` must name the columns of the multiple-response set"),
    (
        "q: {label: Q, kind: multiple, options: {a: A, b: B}, levels: {1: X, 2: Y, 3: Z}}",
        r"`levels` of a multiple-response set must be two, .*; found 3",
    ),
    ("q: {label: Q, kind: multiple, options: {a: A, b: A}}", r"`options` has the label 'A' 2 times"),
    ("q: {label: Q, kind: multiple, options: {a: 1}}", r"`options` 'a' must be text; found 1"),
    ("q: {label: Q, kind: id}", r"there must be at most one item of kind 'id'; found respondent, q"),
    ("q: {label: Q, kind: multiple, options: {age: A, b: B}}", r"the column 'age' is claimed 2 times"),
    ("approval_missing: {label: Q, kind: text}", r"the column 'approval_missing' is claimed 2 times"),
    ("w: {label: Weight, kind: text}", r"`weight` must be a column of numbers; 'w' is a column of another kind"),
    ("q: {kind: ordinal, derived_from: agee, recode: {A: [1], B: [2]}}", r"'agee' is none. Did you mean 'age'\?"),
    ("q: {kind: ordinal, derived_from: q2, recode: {A: [F], B: [M]}}\n  q2: {label: Q, kind: text}", r"Move it up"),
    ("q: {kind: numeric, derived_from: gender}", r"needs exactly one of `breaks`, `recode` and `values`; found none"),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [14, 30, 66], recode: {A: [1], B: [2]}}",
        r"needs exactly one of .*; found `breaks` and `recode`",
    ),
    (
        "q: {kind: nominal, derived_from: gender, wording: Who, recode: {A: [F], B: [M]}}",
        r"`wording` does not belong to a derived item: nobody was asked it",
    ),
    (
        "q: {kind: nominal, derived_from: approval, missing: {-1: X}, recode: {A: [1], B: [2, 3, 4]}}",
        r"`missing` of a derived item is that of its source; leave it out",
    ),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [14, 66], levels: {1: A, 2: B}}",
        r"`breaks` must be one more than the 2 levels; found 2",
    ),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [14, 70, 66], levels: {1: A, 2: B}}",
        r"`breaks` must increase; found 14, 70, 66",
    ),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [14, x, 66], levels: {1: A, 2: B}}",
        r"`breaks` must be a number; found 'x'",
    ),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [18, 30, 66], levels: {1: A, 2: B}}",
        r"`breaks` must cover 'age' from 14; they start at 18",
    ),
    (
        "q: {kind: ordinal, derived_from: age, breaks: [14, 30, 65], levels: {1: A, 2: B}}",
        r"`breaks` must cover 'age' up to 65; they end below 65; a level lacks its upper bound",
    ),
    (
        "q: {kind: ordinal, derived_from: gender, breaks: [14, 30, 65], levels: {1: A, 2: B}}",
        r"`breaks` needs a numeric source; 'gender' is nominal. Use `recode`",
    ),
    (
        "q: {kind: ordinal, derived_from: age, recode: {A: [1], B: [2]}}",
        r"`recode` needs a nominal or ordinal source; 'age' is numeric",
    ),
    (
        "q: {kind: ordinal, derived_from: gender, recode: {A: [F], B: [M, D]}}",
        r"`recode` names the code D, which 'gender' has not; its codes are F, M",
    ),
    (
        "q: {kind: ordinal, derived_from: approval, recode: {A: [1], B: [2, 3]}}",
        r"`recode` must cover every level of 'approval'; code 4 \(Strongly approve\) is left out",
    ),
    (
        "q: {kind: ordinal, derived_from: gender, recode: {A: [F, M], B: [M]}}",
        r"`recode` sends the code M to 2 levels; each code goes to one",
    ),
    (
        "q: {kind: ordinal, derived_from: gender, levels: {1: A, 2: C}, recode: {A: [F], B: [M]}}",
        r"`recode` must have the labels of `levels` as its keys; found 'A', 'B'",
    ),
    ("q: {kind: numeric, derived_from: gender, values: {F: 1}}", r"`values` must cover every level of 'gender'"),
    ("q: {kind: numeric, derived_from: gender, values: {F: 1, M: b}}", r"`values`, code M must be a number; found 'b'"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES)
def test_an_item_that_contradicts_the_others_is_refused(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match=message):
        codebook_from(PAGE + "  " + line + "\n", tmp_path)


BAD_SETTINGS = [
    ("title: A small survey\n", "", r"`title` is required; it is missing"),
    ("title: A small survey", "title: Yes", r"`title` must be text; found True"),
    ("title: A small survey", "title: ' '", r"`title` must be text; found ' '"),
    ("data_kind: synthetic", "data_kind: fake", r"`data_kind` must be 'synthetic' or 'real'; found 'fake'"),
    ("population:", "poplation:", r"`poplation` is no key of a codebook.* Did you mean 'population'\?"),
    ("population: Adults", "population: 2018-02-01", r"`population` must be text; found datetime"),
    ("population: Adults", "population: 2018-02-31", r"the file is no valid YAML: day"),
    ("population: Adults", "population: {", r"the file is no valid YAML"),
    ("population: Adults", "population: Adults\npopulation: Children", r"the key 'population' is repeated"),
    (PAGE, "", r"the file must be a mapping with `name`, `title`, `data_kind` and `items`"),
    (PAGE[PAGE.index("items:") :], "items: {}\n", r"`items` must be a mapping from item name to its description"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD_SETTINGS)
def test_an_unsound_codebook_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in PAGE
    with pytest.raises(CodebookError, match=message):
        codebook_from(PAGE.replace(old, new), tmp_path)


def test_all_problems_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    text = PAGE.replace("kind: text", "kind: txt").replace("{Approve: [", "{Approve: [Nobody, ").replace("year", "Year")
    text = text.replace("derived_from: age", "derived_from: aeg").replace("F: Female", "F: Yes")
    with pytest.raises(CodebookError) as caught:
        codebook_from(text, tmp_path)
    message = str(caught.value)
    assert message.startswith("`codebook.yaml` must be consistent; found 4 problems")
    for part in ("found 'txt'", "'Nobody' is none", "'aeg' is none", "found True: YAML reads"):
        assert len(re.findall(part, message)) == 1


def test_what_derives_from_an_unsound_item_is_not_blamed(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match="found one problem") as caught:
        codebook_from(PAGE.replace("minimum: 14", "minimum: 99"), tmp_path)
    assert "age_group" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodebookError, match=r"`path` must be a readable file; .*nowhere.yaml gave: No such file"):
        Codebook.from_yaml(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes("title: Größe".encode("latin-1"))
    with pytest.raises(CodebookError, match=r"`path` must be a text file in UTF-8; .*latin.yaml is not"):
        Codebook.from_yaml(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"title": "", "items": {"x": Item("x", "X", "text")}},
            "codebook 'demo' must be consistent; found one problem.*\n.*`title` must be text; found ''",
        ),
        ({"data_kind": "fake"}, "`data_kind` must be 'synthetic' or 'real'"),
        ({"items": {}}, "`items` must describe at least one item; found none"),
        ({"items": {"y": Item("x", "X", "text")}}, "`items` must list it under its own name; found it under 'y'"),
    ],
)
def test_a_codebook_made_in_python_is_checked_too(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"name": "demo", "title": "T", "data_kind": "real", "items": {}} | changes
    with pytest.raises(CodebookError, match=message):
        Codebook(**arguments)


def test_missing_codes_of_a_derived_item_that_differ_from_its_source_are_refused() -> None:
    gender = Item("gender", "Gender", "nominal", levels=(Level(1, "A"), Level(2, "B")))
    merged = Item(
        "merged",
        "Merged",
        "nominal",
        derived_from="gender",
        recode={"X": (1,), "Y": (2,)},
        missing=(Level(-1, "Refused"),),
    )
    with pytest.raises(CodebookError, match="`missing` of a derived item is that of its source 'gender'; leave it out"):
        Codebook("demo", "T", "real", {"gender": gender, "merged": merged})


def test_every_kind_is_one_that_the_page_and_the_schema_know(codebook: Codebook) -> None:
    assert {item.kind for item in codebook.items.values()} == set(KINDS)
    assert set(codebook.schema().columns) >= {column for item in codebook.items.values() for column in item.columns}


def small_codebook() -> Codebook:
    agree = Item("agree", "Agreement", "nominal", levels=(Level(1, "No"), Level(2, "Yes")))
    uses = Item("uses", "Uses", "multiple", options={"uses_a": "A", "uses_b": "B"})
    return Codebook("demo", "A small survey", "synthetic", {"agree": agree, "uses": uses})


def test_an_item_that_is_not_there_is_answered_with_the_nearest() -> None:
    items = small_codebook().items
    with pytest.raises(
        CodebookError, match=r"must be an item of codebook 'demo'; 'agre' is none. Did you mean 'agree'"
    ):
        items["agre"]
    with pytest.raises(CodebookError, match=r"'uses_a' is none. It is a column of the item 'uses'."):
        items["uses_a"]
    with pytest.raises(CodebookError, match=r"'q9' is none. Its items are agree, uses."):
        items["q9"]
    assert items.get("agre") is None
    assert "agre" not in items


@pytest.mark.parametrize(
    ("make", "message"),
    [  # wrong on purpose
        (lambda: codebook_of([Item("a", "A", "text")]), "`items` must map names to items, .*; got list"),
        (lambda: codebook_of({"a": "A"}), "`items` must hold items; 'a' is of type str"),
        (lambda: item_of(nets=["x"]), r"`nets` of item 'a' must be a mapping, such as .*; got list"),
        (lambda: item_of(kind="multiple", options=["m1", "m2"]), "`options` of item 'a' must be a mapping"),
        (lambda: codebook_of({"a": item_of(levels={1: "x", 2: "y"})}), r"`levels` must be levels, as in .*; found {1"),
        (lambda: codebook_of({"a": item_of(levels=((1, "x"), (2, "y")))}), r"`levels` must be levels, .*; found \(\(1"),
        (lambda: codebook_of({"a": item_of(missing=("x",))}), r"`missing` must be levels, as in .*; found \('x',\)"),
        (
            lambda: codebook_of({"a": item_of(nets={"N": "Yes"})}),
            r"the net 'N' must list the levels that it sums, as in \('Yes',\); found 'Yes'",
        ),
        (lambda: Codebook.from_yaml({"name": "demo"}), "`path` must be the name of a file; got dict"),  # type: ignore[arg-type]
        (lambda: small_codebook().to_yaml("nowhere/at/all.yaml"), "`path` must be in an existing folder"),
    ],
)
def test_what_is_no_item_or_codebook_is_refused(make: Any, message: str) -> None:
    with pytest.raises(CodebookError, match=message):
        make()


def item_of(**settings: Any) -> Item:
    given: dict[str, Any] = {"kind": "nominal", "levels": (Level(1, "No"), Level(2, "Yes")), **settings}
    return Item("a", "A", **given)


def codebook_of(items: Any) -> Codebook:
    return Codebook("demo", "A small survey", "synthetic", items)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("items: {a: &a {label: x, levels: *a}}", "mappings and lists within each other"),
        ("items: {a: {levels: {010: Yes, 2: No}}}", "line 1: YAML reads 010 as 8"),
        ("name: !!binary aGk=", "the tag 'tag:yaml.org,2002:binary' must not be there"),
        ("name: [" + "x, " * 10_000 + "]", "`name` must be text; found ['x', 'x', 'x', 'x', 'x', 'x', ...]"),
    ],
)
def test_yaml_is_read_without_surprises(tmp_path: Path, text: str, message: str) -> None:
    """A page of 481 bytes stood for 8 GB; 010 was 8."""
    path = tmp_path / "codebook.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CodebookError, match=re.escape(message)) as caught:
        Codebook.from_yaml(path)
    assert len(str(caught.value)) < 2_000
