"""The `survey` command: each one says what the functions say, refuses in their words, and half-writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml

import survey
from survey.cli import main
from survey.cli.output import SYNTHETIC

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "data" / "social_credit"
FILE, CODEBOOK, MARGINS = (str(STUDY / name) for name in ("respondents.csv", "codebook.yaml", "margins.yaml"))
ANES = [str(ROOT / "data" / "anes96" / name) for name in ("respondents.csv", "codebook.yaml")]


@pytest.fixture(scope="module")
def design() -> survey.Design:
    people = survey.read_respondents(FILE, survey.Codebook.from_yaml(CODEBOOK))
    return survey.rake(survey.Design(people), yaml.safe_load(Path(MARGINS).read_text(encoding="utf-8")))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_validate_counts_or_lists_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, "validate", FILE, CODEBOOK) == (
        "2,209 respondents keep to codebook 'social_credit' (synthetic data).\n"
    )
    wrong = pd.read_csv(FILE, dtype=str)
    wrong.loc[3, "approval"] = "9"
    wrong.assign(wave="1").to_csv(tmp_path / "wrong.csv", index=False)
    assert main(["validate", str(tmp_path / "wrong.csv"), CODEBOOK]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "survey: `wrong.csv` must keep to codebook 'social_credit'; found one failure" in captured.err
    wrong.assign(approval="1", wave="1").to_csv(tmp_path / "other.csv", index=False)
    assert "Other columns: wave." in said(capsys, "validate", str(tmp_path / "other.csv"), CODEBOOK)


def test_weight_rakes_and_writes_the_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, design: survey.Design
) -> None:
    out = tmp_path / "weighted.csv"
    text = said(capsys, "weight", FILE, CODEBOOK, MARGINS, "-o", str(out))
    assert text.startswith(SYNTHETIC)
    assert "design effect of weighting 1.224, effective n 1,805" in text
    np.testing.assert_allclose(pd.read_csv(out)["weight"], design.weights, rtol=1e-12)
    again = said(capsys, "topline", str(out), CODEBOOK, "approval", "--weight", "weight")
    assert repr(survey.topline(design, "approval")).splitlines()[1].split()[0] in again
    assert main(["weight", str(out), CODEBOOK, MARGINS, "-o", str(tmp_path / "twice.csv")]) == 1
    assert "`--output` would replace the column 'weight'" in capsys.readouterr().err
    assert not (tmp_path / "twice.csv").exists()


def test_tables_are_those_of_the_functions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, design: survey.Design
) -> None:
    item = survey.Codebook.from_yaml(CODEBOOK).item("approval")
    raked = ("--margins", MARGINS)
    one_way = said(capsys, "topline", FILE, CODEBOOK, "approval", "systems", *raked)
    assert repr(survey.topline(design, item)) in one_way
    assert "Sesame Credit" in one_way
    urban = said(capsys, "topline", FILE, CODEBOOK, "approval", *raked, "--domain", "urbanity == 'Urban'")
    assert repr(survey.topline(design.domain("urbanity == 'Urban'"), item)) in urban
    made = survey.crosstab(design, item, ["urbanity", "gender"], share="row")
    two_way = said(capsys, "crosstab", FILE, CODEBOOK, "approval", "urbanity", "gender", "--share", "row", *raked)
    assert two_way == f"{SYNTHETIC}\n\n{made!r}\n\n{made.test()!r}\n"
    for name in ("table.xlsx", "table.html"):
        said(capsys, "crosstab", FILE, CODEBOOK, "approval", "urbanity", *raked, "-o", str(tmp_path / name))
    assert "SYNTHETIC" in (tmp_path / "table.html").read_text(encoding="utf-8")
    book = openpyxl.load_workbook(tmp_path / "table.xlsx")
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row]
    assert any("synthetic" in text for text in cells + book.sheetnames)


def test_real_data_are_not_called_synthetic(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "ordinal", *ANES, "party3 ~ age + income_midpoint")
    assert SYNTHETIC not in text
    fit = survey.ordinal(
        "party3 ~ age + income_midpoint",
        survey.Design(survey.read_respondents(ANES[0], survey.Codebook.from_yaml(ANES[1]))),
    )
    assert f"{fit.slopes['age']:.4f}" in text
    effects = said(capsys, "ordinal", *ANES, "party3 ~ age + income_midpoint", "--effects", "age", "--link", "probit")
    assert "per unit of age" in effects
    assert fit.note in effects


def test_codebooks_are_shown_or_drafted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    codebook = survey.Codebook.from_yaml(CODEBOOK)
    assert said(capsys, "codebook", CODEBOOK).strip() == codebook.to_markdown().strip()
    said(capsys, "codebook", CODEBOOK, "-o", str(tmp_path / "page.md"))
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == codebook.to_markdown()
    people = survey.read_respondents(FILE, codebook)
    survey.write_respondents(people, tmp_path / "people.sav", codebook)
    text = said(capsys, "codebook", str(tmp_path / "people.sav"), "-o", str(tmp_path / "draft.yaml"))
    assert "29 items. drafted from the labels of people.sav" in text
    assert survey.Codebook.from_yaml(tmp_path / "draft.yaml").items["approval"].kind == "ordinal"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["topline", FILE, CODEBOOK, "aproval"], "Did you mean 'approval'?"),
        (["topline", FILE, CODEBOOK, "approval", "gender", "-o", "x.xlsx"], "`--output` takes the table of one item"),
        (["topline", FILE, CODEBOOK, "approval", "-o", "x.pdf"], "`--output` must end in .xlsx or .html"),
        (["topline", FILE, CODEBOOK, "approval", "--margins", CODEBOOK], "`margins"),
        (["topline", FILE, CODEBOOK, "approval", "--margins", "none.yaml"], "`MARGINS` must be a readable YAML file"),
        (["weight", FILE, CODEBOOK, FILE], "`MARGINS` must"),
        (["codebook", CODEBOOK, "-o", "x.txt"], "`--output` must end in .md or .yaml"),
        (["ordinal", FILE, CODEBOOK, "approval ~ incme"], "Did you mean 'income'?"),
        (["topline", FILE, CODEBOOK, "approval", "--domain", "age > 99"], "`condition` must hold for someone"),
        (
            ["topline", FILE, CODEBOOK, "approval", "--strata", "region", "--psu", "month"],
            "`psu` must lie within one stratum",
        ),
    ],
)
def test_refusals_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("survey: ")
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_is_installed_and_explains_itself() -> None:
    command = [sys.executable, "-c", "import sys; from survey.cli import main; sys.exit(main())"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for name in ("validate", "codebook", "weight", "topline", "crosstab", "ordinal"):
        assert name in shown
    wrong = subprocess.run([*command, "tpline"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert wrong.returncode == 2
    assert "invalid choice: 'tpline'" in wrong.stderr


def test_no_option_of_the_command_runs_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = tmp_path / "made"
    for words, message in (
        (("topline", FILE, CODEBOOK, "approval", "--domain", f"age.to_csv('{made}') != 3 or age > 1"), "`condition`"),
        (("topline", FILE, CODEBOOK, "approval", "--domain", f"age > @pd.io.common.os.system('touch {made}')"), "'@'"),
        (("crosstab", FILE, CODEBOOK, "approval", "gender", "--domain", f"open('{made}', 'w').isna()"), "`condition`"),
        (("ordinal", FILE, CODEBOOK, f"approval ~ I(open('{made}', 'w'))"), "calls a function that formulas do not"),
        (("ordinal", FILE, CODEBOOK, f"approval ~ bs(age, knots=open('{made}', 'w'))"), "must be a plain value"),
    ):
        assert main(words) == 1
        assert message in capsys.readouterr().err
    assert not made.exists()
