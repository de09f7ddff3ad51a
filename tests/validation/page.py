"""Write `docs/validation.md`: reference values, ours and the difference, and what R does that is not followed.

    python -m tests.validation              write the page
    python -m tests.validation --check      exit 1 if the committed page differs in any value

Sections on data that are not redistributed are taken over from the committed page where their folder is absent.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.reference_data import SHARED
from tests.validation import uncompared
from tests.validation.rows import HEADINGS, REGISTRY, TOLERANCE, Deviation, Kind, Number, Row, Section, made_rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"
ROUNDING = 1e-10  # differences below this are the rounding of 15 printed digits and of sums; they depend on the machine
SAME = 2e-6  # relative: values are printed with seven digits, the last of which may be rounded otherwise elsewhere
SIMILAR = 3.0  # factor between two differences that are printed with one digit
MARK = "†"
SAME_TEXT = "="  # our number, where it is R's to the seven digits that are printed
SUMMARY, ENTRIES, DEVIATIONS, LOOSER, UNCOMPARED, VALUES = (
    "Summary",
    "Entries of the shared results",
    "What R does that is not followed, and two mistakes",
    "Looser, and why",
    "Not compared, and why",
    "Every value",
)


# Cells ------------------------------------------------------------------------------------------------------


def value_text(number: float) -> str:
    """Seven digits."""
    return "NaN" if number != number else f"{number:.7g}"


def difference_text(difference: float) -> str:
    """One digit, or that it is rounding."""
    return f"< {ROUNDING:.0e}" if difference < ROUNDING else f"{difference:.0e}"


def line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [line(header), "|" + "---|" * len(header), *map(line, body), ""]


# Sections ---------------------------------------------------------------------------------------------------


def worst(rows: Sequence[Row], kind: Kind) -> float | None:
    """Largest difference of a kind, but for those that are looser for a reason; None if there is none of that kind."""
    found = [n.difference for row in rows for n in row.numbers.values() if n.kind == kind and not row.over(n)]
    return max(found) if found else None


def number_count(rows: Sequence[Row]) -> int:
    """How many reference values the rows stand for."""
    return sum(n.count for row in rows for n in row.numbers.values())


def section_lines(section: Section, rows: Sequence[Row]) -> list[str]:
    """Heading, text and tables of a section; rows of a group with the same columns share a table."""
    out = [f"### {section.title}", "", section.text, ""]
    out += [f"<details><summary>{number_count(rows):,} values</summary>", ""]
    tables: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        tables.setdefault((row.group, tuple(row.numbers)), []).append(row)
    for (group, names), part in tables.items():
        header = [group, *(text for name in names for text in (f"{name}, R", "ours")), "difference"]
        out += table(header, map(row_cells, part))
    return [*out, "</details>", ""]


def row_cells(row: Row) -> list[str]:
    """Label, R's numbers and ours, and the largest difference."""
    cells = [row.label + (f" {MARK}" if any(map(row.over, row.numbers.values())) else "")]
    for number in row.numbers.values():
        theirs, ours = value_text(number.reference), value_text(number.ours)
        cells += [theirs, SAME_TEXT if ours == theirs else ours]
    return [*cells, difference_text(max(n.difference for n in row.numbers.values()))]


def summary_line(section: Section, rows: Sequence[Row]) -> str:
    """Number of values and the largest difference of each kind."""
    found = (worst(rows, kind) for kind in HEADINGS)
    looser = sum(n.count for row in rows for n in row.numbers.values() if row.over(n))
    counts = (f"{number_count(rows):,}", f"{looser:,}")
    return line([section.title, *counts, *("" if d is None else difference_text(d) for d in found)])


def looser_lines(section: Section, rows: Sequence[Row]) -> list[str]:
    """One line per reason for which numbers of a section differ more than they should."""
    out: dict[tuple[str, Kind], list[Number]] = {}
    for row in rows:
        for number in row.numbers.values():
            if row.over(number):
                out.setdefault((row.reason.text if row.reason else "", number.kind), []).append(number)
    return [
        line(
            [
                section.title,
                reason,
                HEADINGS[kind],
                str(sum(n.count for n in numbers)),
                difference_text(max(n.difference for n in numbers)),
            ]
        )
        for (reason, kind), numbers in out.items()
    ]


def deviation_line(entry: Deviation) -> str:
    """R's value and ours."""
    theirs, ours = entry.numbers()
    return line([entry.title, entry.text, entry.example, value_text(float(theirs)), value_text(float(ours))])


# The page ---------------------------------------------------------------------------------------------------


def absent(needs: str | None) -> bool:
    """Whether the data of a section are not here."""
    return needs is not None and not (SHARED / needs).is_dir()


def old_lines(page: str, heading: str, title: str) -> list[str]:
    """Lines of the committed page under a heading that begin with a title, as rows of its tables do."""
    lines = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [text for text in lines if text.startswith(f"| {title} |")]


def old_section(page: str, title: str) -> list[str]:
    """A section of the committed page."""
    body = page.partition(f"\n### {title}\n")[2]
    if not body:
        raise SystemExit(f"no data for the section '{title}', and the committed page does not have it")
    return [f"### {title}", *re.split(r"\n(?=### )", body)[0].rstrip("\n").splitlines(), ""]


def total_line(summaries: Sequence[str]) -> str:
    """All sections together, from their lines."""
    cells = [[cell.strip() for cell in text.strip("|").split("|")] for text in summaries]
    counts = [sum(int(row[i].replace(",", "")) for row in cells) for i in (1, 2)]
    largest = []
    for column in zip(*(row[3:] for row in cells), strict=True):
        found = [text for text in column if text]
        largest.append(max(found, key=lambda text: 0.0 if text.startswith("<") else float(text)) if found else "")
    return line(["**all**", *(f"**{count:,}**" for count in counts), *(f"**{text}**" for text in largest)])


def build(old: str) -> tuple[str, list[str]]:
    """Make the page; `old` is the committed one. Also the rows that differ more than they may."""
    sections, summaries, looser, unexplained = [], [], [], []
    for section in REGISTRY.sections:
        if absent(section.needs):
            sections += old_section(old, section.title)
            summaries += old_lines(old, SUMMARY, section.title)
            looser += old_lines(old, LOOSER, section.title)
            continue
        rows = made_rows(section)
        sections += section_lines(section, rows)
        summaries.append(summary_line(section, rows))
        looser += looser_lines(section, rows)
        unexplained += [f"{section.title}: {row.group}, {row.label}" for row in rows if row.unexplained]
    deviations: list[str] = []
    for entry in REGISTRY.deviations:
        deviations += old_lines(old, DEVIATIONS, entry.title) if absent(entry.needs) else [deviation_line(entry)]
    blocks = {heading: old_block(old, heading) for heading in (ENTRIES, UNCOMPARED)}
    if not any(absent(folder) for folder in FOLDERS):
        blocks = {ENTRIES: list(entry_lines()), UNCOMPARED: list(uncompared_lines())}
    top = [*front(summaries), f"## {ENTRIES}", "", *blocks[ENTRIES], *tables(deviations, looser)]
    return "\n".join([*top, f"## {UNCOMPARED}", "", *blocks[UNCOMPARED], f"## {VALUES}", "", *sections]), unexplained


FOLDERS = tuple(sorted({section.needs for section in REGISTRY.sections if section.needs is not None}))


def old_block(page: str, heading: str) -> list[str]:
    """What the committed page has under a heading."""
    body = page.partition(f"\n## {heading}\n")[2]
    return [*re.split(r"\n(?=## )", body)[0].strip("\n").splitlines(), ""]


def entry_lines() -> Iterator[str]:
    """How many entries of each file are compared."""
    yield (
        "An entry is a number or a list of numbers in a file of R's results, and compared if a row below, or "
        "a deviation, has it beside ours. `tests/reference/test_every_entry.py` fails where an entry is neither "
        "compared nor listed under "
        f'"{UNCOMPARED}".'
    )
    yield ""
    yield from table(["file", "entries", "compared", "not compared"], [])[:2]
    compared = uncompared.compared()
    total = [0, 0, 0]
    for name, part in groupby(uncompared.entries(), key=lambda entry: entry.partition(": ")[0]):
        found = list(part)
        count = [len(found), sum(entry in compared for entry in found)]
        count.append(count[0] - count[1])
        total = [a + b for a, b in zip(total, count, strict=True)]
        yield line([f"`{name}`", *(f"{number:,}" for number in count)])
    yield line(["**all**", *(f"**{number:,}**" for number in total)])
    yield ""


def uncompared_lines() -> Iterator[str]:
    """What is not compared, why, and how many entries it is."""
    left = [entry for entry in uncompared.entries() if entry not in uncompared.compared()]
    yield from table(["what", "why", "entries"], [])[:2]
    for item, patterns in uncompared.listed(left):
        yield line([item.what, item.why, str(len(set().union(*patterns.values())))])
    yield ""


def front(summaries: Sequence[str]) -> list[str]:
    """Title, reading guide and summary."""
    allowed = "; ".join(f"{HEADINGS[kind]} {tolerance:.0e}" for kind, tolerance in TOLERANCE.items())
    header = ["data and design", "values", "looser", *HEADINGS.values()]
    return [
        "# Validation",
        "",
        "Made by `python -m tests.validation`; do not edit. Reference values come from R 4.2.2 with `survey` 4.5 "
        "(sections that say so: 4.1.1) and `ordinal` 2022.11; `tests/reference/README.md` says how they were made. "
        "Sections on ANES 2020, GSS, the online polls, other calibrations and R's own replicate weights use files "
        "that are not redistributed here; where they are absent, this page keeps the values computed last. "
        "`tests/reference/test_every_entry.py` fails where a difference exceeds what is allowed.",
        "",
        f"## {SUMMARY}",
        "",
        "The largest relative difference between R and us. What it is relative to stands in the heading: "
        "coefficients and bounds of intervals are compared on the scale of their standard error. Below "
        f"{ROUNDING:.0e} there is nothing but the rounding of "
        f"R's 15 printed digits. Allowed: {allowed}. Values that differ more, for a reason, are counted as "
        "looser, left out of "
        f'the other columns, and listed under "{LOOSER}": they come from software that stops early, or differentiates '
        f'numerically. Under "{VALUES}" a "{SAME_TEXT}" is R\'s number to all seven digits that are printed.',
        "",
        *table(header, [])[:2],
        *summaries,
        total_line(summaries),
        "",
    ]


def tables(deviations: Sequence[str], looser: Sequence[str]) -> Iterator[str]:
    """What is not followed, and what agrees less closely."""
    yield from (f"## {DEVIATIONS}", "")
    yield from table(["R", "what, and what we do", "example", "R's value", "ours"], [])[:2]
    yield from (*deviations, "", f"## {LOOSER}", "")
    yield f"Rows marked {MARK} below. The tests have a named tolerance for each reason."
    yield ""
    yield from table(["data and design", "why", "of", "values", "largest difference"], [])[:2]
    yield from (*looser, "")


# Check ------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
DIFFERENCE = re.compile(r"\d?e-\d\d")


def differences(old: str, new: str) -> list[str]:
    """Lines in which two pages differ in a value or in words, spacing and trailing digits apart."""
    before, after = (
        [spelled_out(re.sub(r"\s+", " ", text).strip()) for text in page.splitlines() if text.strip()]
        for page in (old, new)
    )
    if len(before) != len(after):
        return [f"the page has {len(before)} lines, the values {len(after)}"]
    return [f"{was}\n  now {now}" for was, now in zip(before, after, strict=True) if not same_line(was, now)]


def spelled_out(text: str) -> str:
    """A line of a table with each "=" as the number before it: another machine may round its last digit otherwise."""
    cells = text.split(" | ")
    for i in range(1, len(cells)):
        cells[i] = cells[i - 1] if cells[i] == SAME_TEXT else cells[i]
    return " | ".join(cells)


def same_line(was: str, now: str) -> bool:
    """Whether two lines say the same."""
    if was == now:
        return True
    if NUMBER.sub("#", was).replace("< #", "#") != NUMBER.sub("#", now).replace("< #", "#"):
        return False
    return all(same_number(a, b) for a, b in zip(NUMBER.findall(was), NUMBER.findall(now), strict=True))


def same_number(was: str, now: str) -> bool:
    """Whether two printed numbers are the same; differences between R and us may vary by a factor."""
    a, b = float(was.replace(",", "")), float(now.replace(",", ""))
    if re.fullmatch(r"\de-\d\d", was) and re.fullmatch(r"\de-\d\d", now):
        return max(a, b) <= ROUNDING * SIMILAR or max(a, b) <= SIMILAR * min(a, b)
    return abs(a - b) <= SAME * max(abs(a), abs(b))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description="Write or check the table of reference values.")
    parser.add_argument("--output", type=Path, default=PAGE, help="page to write")
    parser.add_argument("--check", action="store_true", help="exit 1 if the committed page has other values")
    options = parser.parse_args(arguments)
    old = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
    warnings.simplefilter("error")
    page, unexplained = build(old)
    for text in unexplained:
        print(f"differs from R more than it may, for no stated reason: {text}", file=sys.stderr)
    if options.check:
        found = differences(old, page)
        for text in found[:20]:
            print(text, file=sys.stderr)
        print(f"{options.output}: {'as computed' if not found else f'{len(found)} lines differ'}")
        return 1 if found or unexplained else 0
    options.output.write_text(page, encoding="utf-8")
    print(f"{options.output}: {len(page.splitlines())} lines")
    return 1 if unexplained else 0
