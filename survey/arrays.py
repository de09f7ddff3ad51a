"""Types of arrays, and arrays that nobody can write to."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


def make_read_only(held: Any) -> None:
    """Make arrays read-only: one alone, those of a tuple, and those of a data class and of what it holds."""
    if isinstance(held, np.ndarray):
        held.flags.writeable = False
    elif isinstance(held, tuple):
        for part in held:
            make_read_only(part)
    elif is_dataclass(held):
        for entry in fields(held):
            make_read_only(getattr(held, entry.name))
