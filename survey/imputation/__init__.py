"""Multiple imputation: results of completed data sets pooled by Rubin's rules."""

from __future__ import annotations

from survey.imputation.pooled_estimate import PooledEstimate
from survey.imputation.pooled_fit import PooledFit
from survey.imputation.pooling import pool

__all__ = [
    "PooledEstimate",
    "PooledFit",
    "pool",
]
