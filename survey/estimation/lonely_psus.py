"""Strata with one PSU, whose spread nobody can see: what each rule of a design puts in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from survey.arrays import BoolArray, FloatArray
from survey.design import Stage
from survey.errors import LonelyPSUError, shown


@dataclass(frozen=True, slots=True, eq=False)
class Centring:
    """What the PSU totals of a stage are measured from, and what their squares are multiplied by.

    `centre` (H, k): mean of the stratum, or of the whole stage for strata with one PSU under "adjust". `scale` (H,):
    (1 - n_h / N_h) n_h / (n_h - 1) and the fractions above. `share` (H, k): factor of the deviations; under "average"
    strata with one PSU have none and the others theirs.
    """

    centre: FloatArray
    scale: FloatArray
    share: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """The H strata of a stage with k statistics in them.

    `sums` (H, k): totals of each stratum, all PSUs together. `counts` (H, k): PSUs with respondents in the domain of
    each statistic; None where the design keeps strata as they were drawn, whatever a domain leaves of them.
    """

    stage: Stage
    sums: FloatArray
    counts: FloatArray | None

    @property
    def varies(self) -> BoolArray:
        """(H,) whether another sample could hold other PSUs: a stratum that was taken whole adds nothing."""
        varies: BoolArray = (self.stage.fraction < 1) & (self.stage.carried > 0)
        return varies

    @property
    def alone(self) -> BoolArray:
        """(H,) whether one PSU was drawn where there were more."""
        return (self.stage.n_h <= 1) & self.varies

    @property
    def single(self) -> BoolArray:
        """(H, k) the same for each statistic: also a stratum of which its domain leaves one PSU, if that is asked."""
        drawn_alone = np.broadcast_to(self.alone[:, None], self.sums.shape)
        if self.counts is None:
            return drawn_alone
        left_alone: BoolArray = (self.counts == 1) & self.varies[:, None]
        return (drawn_alone & (self.counts > 0)) | left_alone

    def about_means(self, lonely_factor: float = 0.0) -> Centring:
        """Each stratum about its own mean; one PSU alone counts by a factor, for n_h / (n_h - 1) is not defined."""
        n_h = self.stage.n_h
        spread = np.divide(n_h, n_h - 1, out=np.full_like(n_h, lonely_factor), where=n_h > 1)
        return Centring(
            centre=self.sums / n_h[:, None],
            scale=self.stage.carried * (1.0 - self.stage.fraction) * spread,
            share=np.ones_like(self.sums),
        )


def fail(strata: Strata) -> Centring:
    """Refuse strata with one PSU."""
    alone = strata.alone
    if alone.any():
        labels = strata.stage.stratum_labels[alone]
        raise LonelyPSUError(
            f"`strata` must hold two PSUs each to estimate a variance; {alone.sum()} of {alone.size} have one: "
            f"{', '.join(map(shown, labels[:8]))}{', ...' if labels.size > 8 else ''}. Merge strata, or choose "
            'lonely_psu="adjust", "average", "certainty" or "remove".'
        )
    return strata.about_means()


def adjust(strata: Strata) -> Centring:
    """Measure the one PSU from the mean of all PSUs of the stage, Z_p - sum Z / sum n_h, which is on the safe side."""
    plain = strata.about_means(lonely_factor=1.0)
    overall = strata.sums.sum(axis=0) / strata.stage.n_h.sum()
    return Centring(np.where(strata.single, overall, plain.centre), plain.scale, plain.share)


def average(strata: Strata) -> Centring:
    """Give a stratum with one PSU the average variance of the others: V H / (H - H_1), with H_1 such strata."""
    plain = strata.about_means()
    single = strata.single
    if not single.any():
        return plain
    if strata.alone.all():
        raise LonelyPSUError(
            f'`lonely_psu`="average" needs a stratum with two PSUs; all {strata.alone.size} have one. Choose "adjust", '
            "or merge strata."
        )
    # Strata without anybody of the domain are neither averaged over nor given the average.
    used = np.ones(single.shape, dtype=bool) if strata.counts is None else strata.counts > 0
    strata_used = used.sum(axis=0)
    strata_known = (used & ~single).sum(axis=0)
    unknown = np.full(strata_known.size, np.nan)
    inflation = np.divide(strata_used, strata_known, out=unknown, where=strata_known > 0)
    # Deviations, not squares, are multiplied, so that two statistics with different inflations have a covariance.
    return Centring(plain.centre, plain.scale, share=~single * np.sqrt(inflation))


def certainty(strata: Strata) -> Centring:
    """Take the one PSU as certain to be drawn: its stratum adds nothing."""
    return strata.about_means()


def remove(strata: Strata) -> Centring:
    """Leave a stratum with one PSU out of the variance, which is then too small; its PSU stays in the estimate."""
    return strata.about_means()


RULES: Mapping[str, Callable[[Strata], Centring]] = MappingProxyType(
    {"fail": fail, "adjust": adjust, "average": average, "certainty": certainty, "remove": remove}
)
"""Rule for a stratum with one PSU, by the name that a design has for it."""
