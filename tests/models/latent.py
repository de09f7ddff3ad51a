"""The latent error of each link as a distribution of scipy, which shares no code with ours."""

from __future__ import annotations

from typing import Any

from scipy import stats

LATENT: dict[str, Any] = {
    "logit": stats.logistic,
    "probit": stats.norm,
    "cloglog": stats.gumbel_l,
    "loglog": stats.gumbel_r,
    "cauchit": stats.cauchy,
}
