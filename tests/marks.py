"""Marks of single cases of a test."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """Cases of one parameter that `make test-fast` leaves out; it runs the others of the same test."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]
