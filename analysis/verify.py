"""Compare every published figure of a study with ours: `python -m analysis.verify --study S --output DIR`.

Writes `DIR/verdicts.csv`, prints a short table, and exits with 1 on a difference that nothing explains, or a figure
that cannot be computed. A researcher's own file is another sample: its differences are reported, and no failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.files import writing
from analysis.settings import study_names
from analysis.study import DataKind, notices, read_study
from analysis.verdicts import COLUMNS, FAILING, compare, unexplained
from survey import SurveyError
from survey.report import number


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write, print.

    Returns
    -------
    Exit code: 0, 1 on an unexplained difference, 2 where a file is wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m analysis.verify", description=str(__doc__).partition(":")[0])
    parser.add_argument("--study", default="social_credit", help=f"one of {', '.join(study_names())}")
    parser.add_argument("--data", type=Path, help="your own respondents of the same questionnaire")
    parser.add_argument("--codebook", type=Path, help="codebook of your own file")
    parser.add_argument("--output", type=Path, required=True, help="folder to write verdicts.csv to")
    options = parser.parse_args(arguments)
    try:
        study = read_study(options.study, options.data, options.codebook)
        verdicts = compare(study)
        if verdicts is None:
            print(f"Nothing is published about {options.study}.")
            return 0
        write_verdicts(verdicts, options.output / "verdicts.csv", study.kind)
    except (SurveyError, OSError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    failed = unexplained(verdicts)
    if study.kind == "synthetic":
        print("SYNTHETIC data: nothing below is evidence of what anybody thinks.\n")
    for line in notices(study):
        print(line, file=sys.stderr)
    print("\n".join(table_lines(verdicts)))
    counts = ", ".join(
        f"{figures} {verdict}" for verdict, figures in verdicts["verdict"].value_counts(sort=False).items()
    )
    print(f"\n{len(verdicts)} published figures: {counts}. Written to {options.output / 'verdicts.csv'}.")
    weak = verdicts["verdict"].isin(FAILING) & (verdicts["strength"] == "weak")
    if weak.any():
        print(f"From weak sources, reported only: {', '.join(verdicts.loc[weak, 'id'])}.")
    if len(failed):
        print(f"UNEXPLAINED: {', '.join(failed['id'])}.")
    return 1 if len(failed) else 0


def write_verdicts(verdicts: pd.DataFrame, path: Path, kind: DataKind) -> None:
    """Write what kind of data they are about and the first nine columns, a text where there is no number."""
    frame = verdicts.assign(data=kind)
    frame["ours"] = [
        text if pd.isna(ours) else repr(float(ours))
        for ours, text in zip(frame["ours"], frame["ours_text"], strict=True)
    ]
    with writing(path.parent) as draft:
        frame[["data", *COLUMNS[:9]]].to_csv(draft / path.name, index=False, lineterminator="\n")


def table_lines(verdicts: pd.DataFrame) -> list[str]:
    """The comparison as lines of text."""
    head = ("figure", "published", "ours", "difference", "verdict")
    rows = [head]
    for row in verdicts.to_dict("records"):
        numeric = pd.notna(row["ours"])
        ours = number(row["ours"], row["decimals"]) if numeric else row["ours_text"]
        gap = number(row["difference"], row["decimals"], sign=True) if numeric else ""
        rows.append((row["id"], row["published"], ours, gap, row["verdict"]))
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    aligned = (str.ljust, str.rjust, str.rjust, str.rjust, str.ljust)
    return ["  ".join(a(cell, w) for a, cell, w in zip(aligned, row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    sys.exit(main())
