"""The order of the rooms and of their files: each imports only from what stands below it."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "survey"

# From bottom to top: a room imports only from rooms before it, and a file only from files before it in its room.
ROOMS: dict[str, tuple[str, ...]] = {
    "": (
        *("errors", "installation", "arrays", "replacing", "strict_yaml", "tidy", "workbooks", "arguments"),
        *("expressions", "printing", "console"),
    ),
    "figures": ("style", "layout", "text", "marks", "bars", "dots", "counts", "models", "weighting", "diagnostics"),
    "tables": ("pandoc", "workbook", "layout", "shares", "models"),
    "records": (
        *("items", "schema", "codebook_page", "codebook_yaml"),
        *("record_file", "text_files", "sheets", "rehearsal", "labelled_files", "files", "drafts", "codebook"),
        *("declared", "decoding", "encoding", "fidelity", "derived", "writers", "checks", "respondents"),
    ),
    "design": (
        *("codes", "stages", "columns", "replicates", "conditions", "operands", "domains"),
        *("calibrations", "design", "cells", "grouping"),
    ),
    "weighting": (
        *("margins", "margin_file", "auxiliaries", "programs", "contradictions", "feasibility", "steps", "summaries"),
        *("raking", "calibration", "trimming", "caps", "nonresponse", "replication"),
    ),
    "estimation": (
        *("intervals", "presentation_rule", "influence", "lonely_psus", "variance", "degrees_of_freedom"),
        *("units", "satterthwaite", "spans"),
        *("few_clusters", "delta", "wald", "contrasts", "estimate", "assembly", "means"),
        *("quantile_rules", "quantiles", "moments", "conventions"),
    ),
    "inference": (*("quadratic_forms", "hypotheses", "independence", "goodness_of_fit", "rank_tests", "comparisons"),),
    "models": (
        *(
            "links",
            "expressions",
            "formula",
            "model_matrix",
            "predictors",
            "parts",
            "derivatives",
            "newton",
            "units",
            "likelihood",
        ),
        *("refitting", "separation"),
        *("fitted", "curvature", "nesting", "score", "parallel_lines", "statsmodels", "ordinal"),
        *("outcome", "refusals", "fitting", "averages", "effects", "comparison", "bias_reduction"),
        *("likelihood_ratio", "diagnostics", "residuals", "profile_intervals", "marginaleffects"),
    ),
    "imputation": ("rubin", "moment_tests", "pooled_estimate", "pooled_fit", "pooling"),
    "tabulation": (
        *("answers", "columns", "letters", "counts", "independence", "table", "crosstabs", "banners"),
        *("suppression", "protection", "publication_rows", "publication"),
    ),
    "report": ("phrases", "lint", "exhibits", "page"),
    "cli": ("terminal", "inputs", "output", "commands", "parser"),
}
ORDER = [f"{room}.{file}".strip(".") for room, files in ROOMS.items() for file in files]

HEAVY = [
    "marginaleffects",
    "polars",
    "narwhals",
    "openpyxl",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.special",
    "seaborn",
    "matplotlib",
    "statsmodels",
    "great_tables",
    "pandera",
    "pyreadstat",
    "formulaic",
    "pingouin",
    "jinja2",
    "pypandoc",
    "rich",
    "xlsxwriter",
]


def name_of(path: Path) -> str:
    """Dotted name of a file within the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = sorted(name_of(path) for path in PACKAGE.rglob("*.py") if path.stem not in {"__init__", "__main__"})


def room_of(module: str) -> str:
    """Room that a file lies in; empty at the root."""
    return module.rpartition(".")[0]


def imports(module: str) -> list[str]:
    """Files and rooms that a file uses, also where a function imports them."""
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    nodes = list(ast.walk(tree))
    types_only = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: list[str] = []
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            package, _, rest = (node.module or "").partition(".")
            if package == "survey":
                inner = [f"{rest}.{alias.name}".strip(".") for alias in node.names]
                names = [name if name in MODULES or name in ROOMS else rest for name in inner]
        elif isinstance(node, ast.Import):
            names = [alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("survey.")]
        if id(node) not in types_only:
            found += dict.fromkeys(names)
    return found


def place(name: str) -> int:
    """Place of a file in the order; of a room, that of its last file."""
    if name in ROOMS:
        return max(i for i, module in enumerate(ORDER) if room_of(module) == name)
    return ORDER.index(name)


def test_every_file_and_every_room_has_a_place_in_the_order() -> None:
    assert sorted(ORDER) == MODULES
    assert sorted(room for room in ROOMS if room) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_modules_before_it(module: str) -> None:
    for imported in imports(module):
        assert imported in ORDER or imported in ROOMS, f"{module} imports `{imported}` from the package itself"
        assert place(imported) < ORDER.index(module), f"{module} imports {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_the_inside_of_a_room_is_its_own(module: str) -> None:
    for imported in imports(module):
        if room_of(module) == room_of(imported):
            continue
        inside = f"from survey.{imported} import"
        text = (PACKAGE / f"{module.replace('.', '/')}.py").read_text()
        assert not room_of(imported) or inside not in text, f"{module} reaches into {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_package_imports_the_analysis(module: str) -> None:
    assert "analysis" not in {name.partition(".")[0] for name in imports(module)}
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] != "analysis"
        elif isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] != "analysis" for alias in node.names)


def test_import_survey_loads_no_heavy_package() -> None:
    code = f"import sys, survey; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_everything_that_the_package_exports_is_there() -> None:
    import survey

    assert [name for name in survey.__all__ if not hasattr(survey, name)] == []
    assert len(set(survey.__all__)) == len(survey.__all__)


# The replication study uses the package as anybody would ---------------------------------------------------------

STUDY_FILES = sorted(str(path.relative_to(PACKAGE.parent)) for path in (PACKAGE.parent / "analysis").rglob("*.py"))
OPEN = {"survey", "survey.figures", "survey.report"}  # rooms whose public names the study may use


def names_used(tree: ast.Module) -> list[tuple[str, str]]:
    """Room and name of everything that a file of the study takes from the package."""
    used: list[tuple[str, str]] = []
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "survey":
            used += [(node.module or "", alias.name) for alias in node.names]
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "survey":
                    assert alias.name == "survey", f"line {node.lineno}: import the names of {alias.name}"
                    modules[alias.asname or "survey"] = "survey"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            holder = ast.unparse(node.value)
            first, _, rest = holder.partition(".")
            room = ".".join(filter(None, (modules.get(first, ""), rest)))
            if room in OPEN:
                used.append((room, node.attr))
    return used


@pytest.mark.parametrize("path", STUDY_FILES)
def test_the_study_uses_public_names_only(path: str) -> None:
    for room, name in names_used(ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"))):
        assert room in OPEN, f"{path} reaches into {room} for {name}"
        assert name in importlib.import_module(room).__all__, f"{path} takes {name}, which {room} does not offer"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from survey.printing import number", [("survey.printing", "number")]),
        ("from survey import tables", [("survey", "tables")]),
        ("import survey\nsurvey.design.Cells", [("survey", "design")]),
        ("import survey\nsurvey.figures.dots()", [("survey", "figures"), ("survey.figures", "dots")]),
        ("from survey import figures\nfigures.page()", [("survey", "figures"), ("survey.figures", "page")]),
    ],
)
def test_reaching_into_the_package_is_seen(code: str, found: list[tuple[str, str]]) -> None:
    assert sorted(names_used(ast.parse(code))) == sorted(found)
