"""Write `docs/coverage.md`: `python -m analysis.coverage [--output PATH] [--replications N]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.coverage.page import page
from analysis.coverage.simulation import study

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"
REPLICATIONS = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and write the page."""
    parser = argparse.ArgumentParser(description="Simulate the coverage of intervals.")
    parser.add_argument("--output", type=Path, default=PAGE, help="page to write")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, help="samples of each design")
    options = parser.parse_args(arguments)
    populations, results = study(options.replications)
    options.output.write_text(page(populations, results), encoding="utf-8")
    print(f"Coverage of {len(results)} cells: {options.output}")


if __name__ == "__main__":
    main()
