"""Reference values that know where they stand in the shared results, so that no entry is forgotten.

`Value` is a number that carries its source, "folder/file.json: dotted.path"; `sources` tells it of any number or
nest of numbers. The files of `reference/` are extracts of the shared results, and `ORIGINS` says of which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

API, CALIBRATED, DESIGNS, NHANES, IID, MORE = (
    "api/api.json",
    "api/api_calib_rep.json",
    "designs/designs.json",
    "nhanes/nhanes.json",
    "ordinal_iid/ordinal_iid.json",
    "ordinal_iid/ordinal_more.json",
)
RECALIBRATED = "JK1_rake|JK1_poststrat|JK1_cal_linear|JK1_cal_raking|boot_rake|JKn_rake"
# file of `reference/` -> patterns of its dotted paths and what they are in the shared results, the first that holds
ORIGINS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "api": ((r"", f"{API}: "),),
    "api_calibration": ((r"replicates\.", f"{CALIBRATED}: rep_calibrated."), (r"", f"{CALIBRATED}: ")),
    "nhanes": ((r"", f"{NHANES}: "),),
    "designs": ((r"", f"{DESIGNS}: "),),
    "replicates": (
        (r"meta\.", f"{CALIBRATED}: meta."),
        (r"scd\.", f"{DESIGNS}: scd."),
        (r"nhanes\.", f"{NHANES}: rep."),
        (r"ordinal\.(\w+)\.", rf"{MORE}: oracles.\1.result."),
        (rf"({RECALIBRATED})\.chisq\.", rf"{CALIBRATED}: rep_calibrated.\1.chisq_all."),
        (rf"({RECALIBRATED})\.chisq_awards\.", rf"{CALIBRATED}: rep_calibrated.\1.chisq."),
        (rf"({RECALIBRATED})\.", rf"{CALIBRATED}: rep_calibrated.\1."),
        (r"(\w+)\.chisq\.", rf"{CALIBRATED}: rep.\1.chisq_all."),
        (r"(\w+)\.chisq_awards\.", rf"{CALIBRATED}: rep.\1.chisq."),
        (r"", f"{CALIBRATED}: rep."),
    ),
    "ordinal_tests": (
        (r"api\.", f"{API}: "),
        (r"nhanes\.", f"{NHANES}: "),
        (r"(\w+)\.", rf"{MORE}: oracles.\1.result."),
    ),
    "ordinal": (
        (r"meta_more\.", f"{MORE}: meta."),
        (r"(meta|housing|wine|WVS|wine_\w+)\.", rf"{IID}: \1."),
        (r"", f"{MORE}: oracles."),
    ),
    "ordinal_iid": ((r"meta\.", f"{MORE}: meta."), (r"", f"{MORE}: oracles.")),
}


class Value(float):
    """A reference value with its source; sums, multiples and roots of it keep the source."""

    __slots__ = ("source", "text")
    source: str
    text: str

    def __new__(cls, number: float, source: str = "") -> Value:
        """Give a number its source."""
        value = super().__new__(cls, number)
        value.source, value.text = source, str(number)
        return value

    def __str__(self) -> str:
        """As the file has it: the level 1 of an item is not "1.0"."""
        return self.text

    def __neg__(self) -> float:
        """Keep the source."""
        return self._kept(-float(self))

    def __add__(self, other: float, /) -> float:
        """Keep the source."""
        return self._kept(float(self) + other)

    def __mul__(self, other: float, /) -> float:
        """Keep the source."""
        return self._kept(float(self) * other)

    def __truediv__(self, other: float, /) -> float:
        """Keep the source."""
        return self._kept(float(self) / other)

    def _kept(self, result: float) -> float:
        """A number with the source; an array as it is."""
        return Value(result, self.source) if isinstance(result, float) else result

    def root(self) -> float:
        """Square root; keep the source."""
        return self._kept(float(self) ** 0.5)


def traced(content: Any, source_of: Callable[[str], str], path: str = "") -> Any:
    """Content of a JSON file with every number a `Value`; the numbers of a list have the source of the list."""
    if isinstance(content, dict):
        return {key: traced(part, source_of, f"{path}.{key}" if path else key) for key, part in content.items()}
    if isinstance(content, list):
        if any(isinstance(part, dict) for part in content):
            return [traced(part, source_of, f"{path}.{i}") for i, part in enumerate(content)]
        return _with_source(content, source_of(path))
    return _with_source(content, source_of(path))


def _with_source(content: Any, source: str) -> Any:
    """A number, or those of a list, with their source."""
    if isinstance(content, list):
        return [_with_source(part, source) for part in content]
    return Value(content, source) if isinstance(content, int | float) and not isinstance(content, bool) else content


def sources(numbers: object) -> frozenset[str]:
    """Sources of a number or of a nest of them."""
    if isinstance(numbers, Value):
        return frozenset([numbers.source] if numbers.source else [])
    if isinstance(numbers, list | tuple):
        return frozenset().union(*map(sources, numbers))
    return frozenset()


def origin(name: str, path: str) -> str:
    """Source of a dotted path in a file of `reference/`; empty if it is none of the shared results."""
    for pattern, replacement in ORIGINS.get(name, ()):
        found = re.match(pattern, path)
        if found:
            return found.expand(replacement) + path[found.end() :]
    return ""


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of a JSON file that hold numbers, words or nothing: dotted path and content; a list is one entry."""
    if isinstance(content, dict):
        for key, part in content.items():
            yield from leaves(part, f"{path}.{key}" if path else key)
    elif isinstance(content, list) and any(isinstance(part, dict) for part in content):
        for i, part in enumerate(content):
            yield from leaves(part, f"{path}.{i}")
    else:
        yield path, content
