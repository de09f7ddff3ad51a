"""The page of reference values: how it is written and compared; `test_every_entry.py` tests what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.validation import page, uncompared
from tests.validation.rows import REGISTRY, Deviation, Reason, Registry, Row, Section, number, together

COMMITTED = page.PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_section_and_deviation() -> None:
    titles = [text.removeprefix("### ") for text in COMMITTED.splitlines() if text.startswith("### ")]
    assert titles == [section.title for section in REGISTRY.sections]
    for heading, names in (
        (page.SUMMARY, [section.title for section in REGISTRY.sections]),
        (page.DEVIATIONS, [entry.title for entry in REGISTRY.deviations]),
    ):
        assert [len(page.old_lines(COMMITTED, heading, name)) for name in names] == [1] * len(names)


@pytest.mark.parametrize(
    ("was", "now", "same"),
    [
        ("| a | 1.234567 | < 1e-10 |", "|  a | 1.234568 |  < 1e-10 |", True),
        ("| a | 1.234567 |", "| a | 1.234667 |", False),
        ("| a | 1.5 | 3e-09 |", "| a | 1.5 | 5e-09 |", True),
        ("| a | 1.5 | 3e-09 |", "| a | 1.5 | 3e-07 |", False),
        ("| a | 1.5 | < 1e-10 |", "| a | 1.5 | 2e-10 |", True),
        ("| a | 1.5 |", "| b | 1.5 |", False),
        ("| a | 1,000 values |", "| a | 1,001 values |", False),
        ("| a | 0.5 |", "| a | -0.5 |", False),
        ("| a | NaN |", "| a | 0.5 |", False),
        ("| a | 1.234567 | = | 2 | = |", "| a | 1.234567 | 1.234568 | 2 | = |", True),
        ("| a | 1.234567 | = | 2 | = |", "| a | 1.234567 | = | 2 | 2.1 |", False),
    ],
)
def test_what_counts_as_a_difference(was: str, now: str, same: bool) -> None:
    assert (page.differences(was, now) == []) is same


def test_a_line_more_is_a_difference() -> None:
    assert page.differences("a\n\nb", "a\nb\nc") == ["the page has 2 lines, the values 3"]


@pytest.fixture
def nothing_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the rows of all sections, which only the table of entries needs; `test_every_entry.py` makes them."""
    monkeypatch.setattr(uncompared, "compared", frozenset)


ROUNDS = Reason("R rounds", 1e-6)


def rows_off_by(share: float, reason: Reason | None = None) -> Iterator[Row]:
    yield Row("mean", "x", {"estimate": number("estimate", 2.0, 2.0 * (1 + share))}, reason)


def registry(share: float, reason: Reason | None = None, needs: str | None = None) -> Registry:
    entry = Deviation("R errs", "and how", "an example", lambda: (1.0, 2.0), needs)
    return Registry([Section("One", "Text.", lambda: rows_off_by(share, reason), needs)], [entry])


@pytest.mark.usefixtures("nothing_compared")
def test_a_difference_without_a_reason_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "page.md"
    monkeypatch.setattr(page, "REGISTRY", registry(1e-7))
    assert page.main(["--output", str(target)]) == 1
    assert "differs from R more than it may, for no stated reason: One: mean, x" in capsys.readouterr().err
    monkeypatch.setattr(page, "REGISTRY", registry(1e-7, ROUNDS))
    assert page.main(["--output", str(target)]) == 0
    first = target.read_bytes()
    assert "| One | R rounds | estimates, of the value | 1 | 1e-07 |" in first.decode()
    assert f"| x {page.MARK} | 2 | = | 1e-07 |" in first.decode()
    assert page.main(["--output", str(target)]) == 0
    assert target.read_bytes() == first
    assert page.main(["--output", str(target), "--check"]) == 0
    monkeypatch.setattr(page, "REGISTRY", registry(1e-5, ROUNDS))
    assert page.main(["--output", str(target), "--check"]) == 1
    assert target.read_bytes() == first


@pytest.mark.usefixtures("nothing_compared")
def test_sections_without_data_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "page.md"
    monkeypatch.setattr(page, "REGISTRY", registry(1e-7, ROUNDS))
    page.main(["--output", str(target)])
    monkeypatch.setattr(page, "REGISTRY", registry(np.nan, needs="a folder that is not there"))
    assert page.main(["--output", str(target), "--check"]) == 0
    with pytest.raises(SystemExit, match="no data for the section 'One', and the committed page does not have it"):
        page.main(["--output", str(tmp_path / "new.md")])


def test_differences_are_relative_to_what_the_kind_says() -> None:
    assert number("estimate", 4.0, 4.4).difference == pytest.approx(0.1)
    assert number("bound", 4.0, 4.4, scale=2.0).difference == pytest.approx(0.2)
    assert number("SE", 1e-13, -1e-13, zero=1e-12).difference == 0
    assert number("SE", 0.0, 1e-3).difference == 1
    assert number("SE", 1.0, np.nan).difference == np.inf
    assert number("SE", None, np.nan).difference == 0
    several = together("SE", [3.0, 4.0], [3.0, 4.4])
    assert (several.reference, several.count) == (5.0, 2)
    assert several.difference == pytest.approx(0.1)
