"""Margins in a file are read as strictly as a codebook: what YAML would read as something else is refused."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import survey
from survey.errors import CalibrationError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def file_of(folder: Path, text: str) -> Path:
    path = folder / "margins.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_margins_are_levels_and_numbers(tmp_path: Path) -> None:
    path = file_of(tmp_path, "gender: {Male: 0.49, Female: 0.51}\nwave: {1: 100, 2: 300}\n")
    assert survey.read_margins(path) == {"gender": {"Male": 0.49, "Female": 0.51}, "wave": {1: 100, 2: 300}}


def test_an_alias_within_bounds_is_written_out(tmp_path: Path) -> None:
    path = file_of(tmp_path, "one: &half {A: 0.5, B: 0.5}\nother: *half\n")
    assert survey.read_margins(path)["other"] == {"A": 0.5, "B": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gender: {Male: 0.5, Male: 0.4, Female: 0.5}", "line 1: the key 'Male' is repeated"),
        ("gender: {Male: 1}\ngender: {Female: 1}", "line 2: the key 'gender' is repeated"),
        ("gender: {Male: '0.5', Female: 0.5}", "'Male' has '0.5', which is text: take off the quotes"),
        ("gender: {Male: 5e-1, Female: 0.5}", "'Male' has '5e-1', which is text: take off the quotes, or write digits"),
        ("gender: {Male: 0.5, Female: null}", "'Female' has None"),
        ("gender: {Male: true, Female: 0.5}", "'Male' has True"),
        ("gender: {Yes: 0.5, No: 0.5}", "found True: YAML reads an unquoted Yes"),
        ("gender: {Male: !!float '0.5', Female: 0.5}", "line 1: the tag 'tag:yaml.org,2002:float' must not be there"),
        ("gender: !!python/object:os.system {}", "the tag 'tag:yaml.org,2002:python/object:os.system' must not"),
        ("age: {010: 1, 2: 3}", "line 1: YAML reads 010 as 8; write that, or put it in quotes for text"),
        ("age: {1: 1_000, 2: 1:30}", "line 1: YAML reads 1:30 as 90"),
        ("age: {1: 1_000.5, 2: 3}", "line 1: YAML reads 1_000.5 as 1000.5"),
        ("gender: 0.5", "`margins['gender']` must map levels to targets"),
        ("2: {A: 1}", "2: a variable must be named by text"),
        ("- gender", "it must map variables to levels and these to targets"),
        ("", "it must map variables to levels and these to targets"),
        ("gender: {Male: 0.5", "the file is no valid YAML"),
        ("a: &a {b: *a}", "the file has more than 50 mappings and lists within each other"),
        ("[" * 5_000, "the file has more than 50 mappings and lists within each other"),
        (BOMB, "the file stands for 490,329,064 values, by aliases; at most 200,000 are read"),
        ("x" * 1_000_001, "the file has 1,000,001 characters; at most 1,000,000 are read"),
    ],
)
def test_what_yaml_reads_otherwise_is_refused(tmp_path: Path, text: str, message: str) -> None:
    start = time.process_time()
    with pytest.raises(CalibrationError, match=re.escape(message)) as caught:
        survey.read_margins(file_of(tmp_path, text))
    assert len(str(caught.value)) < 1_000
    assert time.process_time() - start < 5
    assert "`path` must be a readable YAML file of margins; margins.yaml has" in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "margins.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CalibrationError, match="it is no text in UTF-8"):
        survey.read_margins(tmp_path / "margins.yaml")
    with pytest.raises(CalibrationError, match=r"must be a readable YAML file; none.yaml: No such file"):
        survey.read_margins("none.yaml")
