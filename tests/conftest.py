"""Settings that every test runs under."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures are drawn without a screen

# The same examples in every run: a failure is the code's, not the day's. Timing depends on the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
# `make test-fast` takes fewer of them; a test that says how many it needs keeps its number.
settings.register_profile("fast", settings.get_profile("repeatable"), max_examples=20)
settings.load_profile("repeatable")

R_PACKAGES = ("survey", "MASS", "ordinal")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")


def has_r() -> bool:
    """Whether R and the packages of the tutorial are here."""
    if shutil.which("Rscript") is None:
        return False
    wanted = ", ".join(f'"{name}"' for name in R_PACKAGES)
    asked = f"for (name in c({wanted})) if (!nzchar(system.file(package = name))) quit(status = 1)"
    return subprocess.run(["Rscript", "--vanilla", "-e", asked], capture_output=True, check=False).returncode == 0


def has_browser() -> bool:
    """Whether a browser is here."""
    return any(shutil.which(name) for name in BROWSERS)


def has_java() -> bool:
    """Whether Java is here."""
    return shutil.which("java") is not None


# What a test may need of the machine: its marker, how to find out, and what is said where it is skipped.
NEEDED: Mapping[str, tuple[Callable[[], bool], str]] = {
    "needs_r": (cache(has_r), f"needs Rscript with the packages {', '.join(R_PACKAGES)}"),
    "needs_browser": (cache(has_browser), f"needs one of {', '.join(BROWSERS)}"),
    "needs_java": (cache(has_java), "needs Java"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a program that is not here."""
    for item in items:
        for marker, (is_here, reason) in NEEDED.items():
            if item.get_closest_marker(marker) is not None and not is_here():
                item.add_marker(pytest.mark.skip(reason=reason))
