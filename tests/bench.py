"""Measure the speed that the design document promises: `make bench`.

Machines are shared and noisy, so each line also gives the time as a ratio to one fixed piece of work
(sorting ten million numbers) measured in the same run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

import survey

ROWS = 1_000_000
SEED = 20180223


def categorical(codes: NDArray[np.integer[Any]], labels: list[str]) -> pd.Categorical[Any]:
    """Ordered answers from codes."""
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(labels, ordered=True))


def respondents(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Clustered records of a five-point approval item with 16 slopes, all categorical."""
    levels = {"income": 6, "education": 4, "urbanity": 3, "age": 5, "gender": 2, "trust": 3}
    frame = pd.DataFrame(
        {name: categorical(rng.integers(0, k, rows), [f"{name} {i}" for i in range(k)]) for name, k in levels.items()}
    )
    frame["psu"] = rng.integers(0, 420, rows)
    frame["stratum"] = frame["psu"] // 10
    frame["w"] = rng.gamma(4.0, 0.25, rows)
    predictor = 0.2 * frame["income"].cat.codes + 0.3 * frame["age"].cat.codes + rng.normal(0, 0.3, 420)[frame["psu"]]
    latent = predictor + rng.logistic(size=rows)
    cuts = np.quantile(latent, [0.05, 0.15, 0.35, 0.7])
    answers = ["strongly disapprove", "disapprove", "neither", "approve", "strongly approve"]
    frame["approval"] = categorical(np.searchsorted(cuts, latent), answers)
    frame["score"] = rng.normal(size=rows).round(6)
    return frame


def study() -> survey.Design:
    """Respondents of the synthetic study, raked, with 1,000 bootstrap replicates."""
    folder = Path(__file__).resolve().parents[1] / "data" / "social_credit"
    frame = survey.read_respondents(folder / "respondents.csv", survey.Codebook.from_yaml(folder / "codebook.yaml"))
    margins = yaml.safe_load((folder / "margins.yaml").read_text())
    raked = survey.rake(survey.Design(frame, weight=None), margins)
    return survey.replicate(raked, kind="bootstrap", replicates=1000, rng=np.random.default_rng(1))


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few timings, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def import_time() -> float:
    """Seconds that `import survey` takes beyond `import pandas`."""

    def run(code: str) -> float:
        return best(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)

    return run("import pandas, survey") - run("import pandas")


def main() -> None:
    """Print one line per promise: work, seconds, ratio to the yardstick, limit."""
    rng = np.random.default_rng(SEED)
    frame = respondents(ROWS, rng)
    clustered = survey.Design(frame, weight="w", strata="stratum", psu="psu")
    small = survey.Design(frame.head(100_000), weight="w")
    numbers = rng.normal(size=10_000_000)
    yardstick = best(lambda: np.sort(numbers))
    model = "approval ~ income + education + urbanity + age + gender + trust"
    margins = {
        name: {level: 1 / frame[name].nunique() for level in frame[name].cat.categories}
        for name in ("gender", "age", "education")
    }

    bootstrapped = study()
    study_model = "approval ~ income + education + urbanity + age_group"

    def table() -> None:
        made = survey.crosstab(clustered, "approval", "income")
        made.tidy()
        made.test()

    lines = [
        ("import survey, beyond pandas", import_time(), "0.3 s"),
        (
            "design, 1M rows, clustered",
            best(lambda: survey.Design(frame, weight="w", strata="stratum", psu="psu")),
            "",
        ),
        (
            "ordinal fit with covariance, 1M rows, clustered, 17 slopes",
            best(lambda: survey.ordinal(model, clustered)),
            "0.5 s",
        ),
        ("ordinal fit with covariance, 100,000 rows", best(lambda: survey.ordinal(model, small)), "0.2 s"),
        (
            "ordinal fit with covariance, 100,000 rows, a continuous covariate",
            best(lambda: survey.ordinal("approval ~ income + urbanity + age + score", small)),
            "",
        ),
        (
            "1,000 bootstrap replicates of the study's ordinal model",
            best(lambda: survey.ordinal(study_model, bootstrapped)),
            "3 s",
        ),
        (
            "the same with effects on the scale",
            best(lambda: survey.ordinal(study_model, bootstrapped, scale="~ urbanity"), 1),
            "",
        ),
        ("crosstab with intervals and Rao-Scott F, 1M rows, clustered", best(table), "0.3 s"),
        (
            "raking to three margins, 1M rows, tolerance 1e-10",
            best(lambda: survey.rake(clustered, margins)),
            "0.2 s",
        ),
    ]
    sys.stdout.write(f"{'work':<68}{'seconds':>9}{'ratio':>8}  limit\n")
    for work, seconds, limit in lines:
        sys.stdout.write(f"{work:<68}{seconds:>9.3f}{seconds / yardstick:>8.2f}  {limit}\n")
    sys.stdout.write(f"ratio 1 = sorting ten million numbers, {yardstick:.3f} s in this run\n")


if __name__ == "__main__":
    main()
