"""Design degrees of freedom of each estimate's own domain."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells

DfRule = Literal["satterthwaite", "design"]
SOURCES: Mapping[DfRule, str] = MappingProxyType({"satterthwaite": "Satterthwaite df", "design": "Design df"})
"""How the degrees of freedom of a comparison are called in notes."""


def degrees_of_freedom(cells: Cells, membership: BoolArray) -> FloatArray:
    """(G,) PSUs minus strata that hold respondents of each domain; of replicates, their rank minus 1.

    Parameters
    ----------
    membership : (C, G) patterns that belong to each domain.
    """
    if cells.replicates is not None:
        return np.array([cells.replicates.df(column & cells.inside) for column in membership.T])
    first = cells.stages[0]
    last = cells.stages[-1]
    top = _top_cluster(cells)
    df = np.empty(membership.shape[1])
    for g in range(membership.shape[1]):
        # Only PSUs and strata that hold respondents of the domain count here; the variance counts them all, in n_h.
        chosen = (membership[:, g] & cells.inside)[cells.entries.pattern]
        if first.cluster is None:
            strata = np.unique(cells.entries.cluster[chosen]).size
            df[g] = cells.entries.n[chosen].sum() - strata
        else:
            clusters = np.unique(top[chosen])
            stratum_of = first.stratum_of if first.stratum_of is not None else last.stratum
            df[g] = clusters.size - np.unique(stratum_of[clusters]).size
    return df


def _top_cluster(cells: Cells) -> IntArray:
    """(E,) first-stage cluster of each entry."""
    cluster = cells.entries.cluster
    for depth in range(len(cells.stages) - 1, 0, -1):
        stage = cells.stages[depth]
        stratum = cluster if stage.stratum_of is None else stage.stratum_of[cluster]
        parent = stage.parent if stage.parent is not None else stratum
        cluster = parent[stratum]
    return cluster
