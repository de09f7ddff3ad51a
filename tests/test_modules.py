"""The order of the modules: each imports only from modules above it, and `import survey` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "survey"

# From top to bottom: a module imports only from modules before it. Lines are the parts of the design.
ORDER = (
    "errors",
    *("printing", "items", "schema", "odds_ratios"),
    *("record_files", "labelled_files", "codebook_page", "codebook_yaml", "codebook"),
    *("decoding", "encoding", "recoding", "record_writers", "validation", "records"),
    *("arrays", "sampling_stages", "design_columns", "replicate_sets", "domain_conditions"),
    *("design", "cells", "margins", "auxiliaries", "contradictions", "feasibility"),
    *("weighting", "calibration", "trimming", "nonresponse", "replication"),
    *("statistics", "variance", "few_clusters", "intervals", "functions", "estimates"),
    *("quantile_rules", "quantiles", "moments", "conventions"),
    *("reliability", "quadratic_forms", "hypotheses", "independence", "goodness_of_fit", "rank_tests"),
    *("comparisons", "letters", "answers", "table_columns", "tabulation", "suppression"),
    *("links", "model_matrix", "predictors", "model_parts", "likelihood", "refitting", "separation"),
    *(
        "ordinal",
        "averages",
        "effects",
        "model_comparison",
        "bias_reduction",
        "information",
        "nesting",
        "likelihood_ratio",
        "score_test",
        "parallel_lines",
    ),
    *("diagnostics", "residuals", "profile_intervals", "effects_interface"),
    *("rubin", "pooled_results", "pooling", "pandoc", "publication_rows", "publication"),
    *("figure_style", "figure_layout", "figure_text", "figure_marks"),
    *("figure_bars", "figure_models", "figure_weighting", "figure_diagnostics", "figures"),
    *("workbook", "tables", "banners", "disclosure"),
    *("phrases", "report", "cli"),
)

# A result draws itself, or becomes a table, by a module below it: loaded when the method is called.
DRAWS_ITSELF = {("tabulation", "figures"), ("tabulation", "tables"), ("ordinal", "parallel_lines")}

HEAVY = [
    "marginaleffects",
    "polars",
    "scipy.linalg",
    "scipy.optimize",
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
]

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "__main__"})


def imports(module: str) -> list[tuple[str, bool]]:
    """Modules of the package that `module` uses, and whether it needs them when it is itself imported."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    nodes = list(ast.walk(tree))
    later = {id(inner) for node in nodes if isinstance(node, FUNCTION) for inner in ast.walk(node)}
    types_only = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: list[tuple[str, bool]] = []
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module == "survey":
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}.py, line {node.lineno}: a relative import"
            package, _, rest = (node.module or "").partition(".")
            names = [rest.split(".")[0]] if package == "survey" else []
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("survey.")]
        if id(node) not in types_only:
            found += [(name, id(node) not in later) for name in names]
    return found


def test_every_module_has_a_place_in_the_order() -> None:
    assert set(MODULES) <= set(ORDER), sorted(set(MODULES) - set(ORDER))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_modules_above_it(module: str) -> None:
    for imported, at_once in imports(module):
        assert imported in ORDER, f"{module} imports `{imported}` from the package itself"
        allowed = ORDER.index(imported) < ORDER.index(module)
        assert allowed or (not at_once and (module, imported) in DRAWS_ITSELF), f"{module} imports {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_package_imports_the_analysis(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
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
