"""Make `data/anes96/respondents.csv`: 944 real respondents of the American National Election Study 1996.

Run as `python -m analysis.anes96_records [--output PATH]`. The file is the same to the byte every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.files import writing
from survey import Codebook, read_respondents

STUDY = Path(__file__).resolve().parents[1] / "data" / "anes96"
RENAMED = {"educ": "education"}
DROPPED = ("logpopul",)
"""log(popul + .1), which anyone can compute."""


def anes96_codes(codebook: Codebook) -> pd.DataFrame:
    """Bring the data that ship with statsmodels into the columns of the codebook.

    Parameters
    ----------
    codebook : the codebook of the study.

    Returns
    -------
    (944, items asked) codes as whole numbers, in the order of the source.
    """
    from statsmodels.datasets import anes96

    source: pd.DataFrame = anes96.load_pandas().data
    codes = source.drop(columns=list(DROPPED)).rename(columns=RENAMED).astype("int64")
    codes.insert(0, "respondent", range(1, len(codes) + 1))
    return codes[[item.name for item in codebook.items.values() if not item.is_derived]]


def write_anes96(path: Path, codebook: Codebook) -> None:
    """Write the respondents as csv, and check them against the codebook before the file is put in place.

    Parameters
    ----------
    path : file to write.
    codebook : the codebook of the study.
    """
    with writing(path.parent) as draft:
        anes96_codes(codebook).to_csv(draft / path.name, index=False, lineterminator="\n")
        read_respondents(draft / path.name, codebook)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the respondent file."""
    parser = argparse.ArgumentParser(description="Write the respondents of the American National Election Study 1996.")
    parser.add_argument("--output", type=Path, default=STUDY / "respondents.csv", help="csv file to write")
    options = parser.parse_args(arguments)
    write_anes96(options.output, Codebook.from_yaml(STUDY / "codebook.yaml"))


if __name__ == "__main__":
    main()
