"""The order of the rooms and of their files: each imports only from what stands below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "survey"

# From bottom to top, a line a room: a file imports only from files before it.
ORDER = (
    "errors",
    "arrays",
    "tidy",
    "arguments",
    "printing",
    "console",
    "figures.style",
    "figures.layout",
    "figures.text",
    "figures.marks",
    "figures.bars",
    "figures.models",
    "figures.weighting",
    "figures.diagnostics",
    "figures.dots",
    "tables.pandoc",
    "tables.workbook",
    "tables.shares",
    "records.items",
    "records.schema",
    "records.codebook_page",
    "records.codebook_yaml",
    "records.files",
    "records.drafts",
    "records.codebook",
    "records.decoding",
    "records.encoding",
    "records.derived",
    "records.writers",
    "records.checks",
    "records.respondents",
    "design.codes",
    "design.stages",
    "design.columns",
    "design.replicates",
    "design.domains",
    "design.design",
    "design.cells",
    "weighting.margins",
    "weighting.auxiliaries",
    "weighting.contradictions",
    "weighting.feasibility",
    "weighting.steps",
    "weighting.summaries",
    "weighting.raking",
    "weighting.calibration",
    "weighting.trimming",
    "weighting.nonresponse",
    "weighting.replication",
    "estimation.intervals",
    "estimation.presentation_rule",
    "estimation.influence",
    "estimation.variance",
    "estimation.few_clusters",
    "estimation.delta",
    "estimation.estimate",
    "estimation.quantile_rules",
    "estimation.quantiles",
    "estimation.moments",
    "estimation.conventions",
    "inference.quadratic_forms",
    "inference.hypotheses",
    "inference.independence",
    "inference.goodness_of_fit",
    "inference.rank_tests",
    "inference.comparisons",
    "models.links",
    "models.formula",
    "models.predictors",
    "models.parts",
    "models.likelihood",
    "models.refitting",
    "models.separation",
    "models.ordinal",
    "models.averages",
    "models.effects",
    "models.comparison",
    "models.bias_reduction",
    "models.curvature",
    "models.nesting",
    "models.likelihood_ratio",
    "models.score",
    "models.parallel_lines",
    "models.diagnostics",
    "models.residuals",
    "models.profile_intervals",
    "models.marginaleffects",
    "imputation.rubin",
    "imputation.pooled_results",
    "imputation.pooling",
    "tabulation.answers",
    "tabulation.columns",
    "tabulation.table",
    "tabulation.crosstabs",
    "tabulation.banners",
    "tabulation.suppression",
    "tabulation.protection",
    "tabulation.publication_rows",
    "tabulation.publication",
    "report.phrases",
    "report.page",
    "cli.commands",
)

# A fit tests its parallel lines by a file above it: loaded when the method is called.
LATER = {("ordinal", "parallel_lines"), ("models.ordinal", "models.parallel_lines")}

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
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def name_of(path: Path) -> str:
    """Dotted name of a file within the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = sorted(name_of(path) for path in PACKAGE.rglob("*.py") if path.stem not in {"__init__", "__main__"})


def room_of(module: str) -> str:
    """Room that a file lies in; empty at the root."""
    return module.rpartition(".")[0]


def imports(module: str) -> list[tuple[str, bool]]:
    """Files and rooms that a file uses, and whether it needs them when it is itself imported."""
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
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
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            package, _, rest = (node.module or "").partition(".")
            if package == "survey":
                inner = [f"{rest}.{alias.name}".strip(".") for alias in node.names]
                names = [name if name in MODULES or name in ROOMS else rest for name in inner]
        elif isinstance(node, ast.Import):
            names = [alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("survey.")]
        if id(node) not in types_only:
            found += [(name, id(node) not in later) for name in dict.fromkeys(names)]
    return found


def place(name: str) -> int:
    """Place of a file in the order; of a room, that of its last file."""
    if name in ROOMS:
        return max(i for i, module in enumerate(ORDER) if room_of(module) == name)
    return ORDER.index(name)


def test_every_module_has_a_place_in_the_order() -> None:
    assert sorted(ORDER) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_modules_before_it(module: str) -> None:
    for imported, at_once in imports(module):
        assert imported in ORDER or imported in ROOMS, f"{module} imports `{imported}` from the package itself"
        allowed = place(imported) < ORDER.index(module)
        assert allowed or (not at_once and (module, imported) in LATER), f"{module} imports {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_the_inside_of_a_room_is_its_own(module: str) -> None:
    for imported, _ in imports(module):
        if room_of(module) == room_of(imported):
            continue
        inside = f"from survey.{imported} import"
        text = (PACKAGE / f"{module.replace('.', '/')}.py").read_text()
        assert not room_of(imported) or inside not in text, f"{module} reaches into {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_package_imports_the_analysis(module: str) -> None:
    assert "analysis" not in {name.partition(".")[0] for name, _ in imports(module)}
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
