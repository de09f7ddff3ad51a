"""Replicate weights made from a design: jackknife, balanced repeated replication, bootstrap, successive differences."""

from __future__ import annotations

import numpy as np

from survey.arguments import check_choice
from survey.arrays import FloatArray, IntArray
from survey.design import Design, ReplicateKind, Replicates, Stage, check_design, with_state
from survey.errors import DesignError, shown
from survey.weighting.steps import recalibrate

MOST_WEIGHTS = 1 << 29  # replicate weights held at once: 4 GB


def replicate(
    design: Design,
    *,
    kind: ReplicateKind = "bootstrap",
    replicates: int = 500,
    rng: np.random.Generator | None = None,
    rho: float | None = None,
    mse: bool = False,
) -> Design:
    """Give a design replicate weights, which then take the place of linearization.

    PSUs of the first stage are resampled within strata. Where the weights were raked or calibrated otherwise, every
    replicate is calibrated again in the same way. Strata taken whole add nothing. What the stages below a first stage
    with population sizes add is left out, as in R: a share f_h of the variance within PSUs.

    Parameters
    ----------
    design : a design without replicate weights; it is not changed.
    kind : "bootstrap" (Rao and Wu's rescaled bootstrap, n_h - 1 draws), "JK1" (unstratified jackknife), "JKn"
        (stratified jackknife), "BRR" (two PSUs in every stratum), "Fay" (BRR with the coefficient `rho`) or "SDR"
        (successive differences of PSUs in the order of the file, within strata, each stratum closed to a circle).
    replicates : number of replicates of a bootstrap, and of SDR, where it is the order of a Hadamard matrix; the
        other kinds have their own number. With SDR for as many PSUs or more, rows of the matrix are used again, and
        the variance is that of the successive differences on average only.
    rng : generator of the bootstrap's random draws, which needs one.
    rho : Fay's coefficient, between 0 and 1.
    mse : centre at the full-sample estimate instead of the mean of the replicates.

    Returns
    -------
    Design with replicate weights. Finite populations enter the scales of jackknives and the draws of the bootstrap.

    Raises
    ------
    DesignError : a kind that the design does not allow, arguments that do not fit the kind, or more weights than fit
        in memory.
    CalibrationError : a replicate cannot be calibrated as the sample was.

    References
    ----------
    Rao and Wu (1988), JASA 83:231; Rao, Wu and Yue (1992), Survey Methodology 18:209; Wolter (2007), ch. 3-5; Judkins
    (1990), J. Official Statistics 6:223; Fay and Train (1995). R equivalent: survey::as.svrepdesign.
    """
    _check_arguments(design, kind, rho)
    stage = design.stages[0]
    psu, stratum_of = _psus(stage)
    if kind == "bootstrap":
        generator = _checked_generator(rng)
        _check_size(psu.size, _at_least_two(replicates))
        factors, scale, rscales = _bootstrap(stage, stratum_of, replicates, rng=generator)
    elif kind == "JK1":
        _check_size(psu.size, stratum_of.size)
        factors, scale, rscales = _jackknife_one(stage, stratum_of)
    elif kind == "JKn":
        _check_size(psu.size, stratum_of.size)
        factors, scale, rscales = _jackknife(stage, stratum_of)
    elif kind == "SDR":
        _check_size(psu.size, _at_least_two(replicates))
        factors, scale, rscales = _successive(stage, stratum_of, replicates)
    else:
        factors, scale, rscales = _balanced(stage, stratum_of, rho or 0.0)
    before = design.base_weights[:, None] * factors[psu]
    weights = before
    for step in design.calibrations:  # each replicate as the sample was
        weights = recalibrate(step, weights)
    for array in (before, weights, rscales):
        array.flags.writeable = False
    replicated = Replicates(
        kind=kind,
        weights=weights,
        scale=scale,
        rscales=rscales,
        mse=mse,
        before=before if design.calibrations else None,
    )
    return with_state(design, replicates=replicated)


def _check_arguments(design: Design, kind: ReplicateKind, rho: float | None) -> None:
    """Raise unless the arguments fit the kind, and the design can be replicated."""
    check_design(design)
    check_choice(kind, ReplicateKind, "kind", error=DesignError)
    if design.replicates is not None:
        raise DesignError("`design` has replicate weights already. Start from the design they were made from.")
    known = rho is None or (isinstance(rho, int | float | np.number) and 0 <= rho < 1)
    if (kind == "Fay") != (rho is not None) or not known:
        raise DesignError(
            f'`rho` is Fay\'s coefficient, from 0 to below 1, for kind="Fay" alone; got {rho!r} for {kind!r}.'
        )
    stage = design.stages[0]
    single = (stage.n_h < 2) & (stage.fraction < 1)
    if single.any():
        raise DesignError(
            f"`design` must have two PSUs in every stratum to be replicated; "
            f"{shown(stage.stratum_labels[single][0])} has one. Merge strata first."
        )


def _checked_generator(rng: object) -> np.random.Generator:
    """Generator of random draws, checked."""
    if not isinstance(rng, np.random.Generator):
        raise DesignError(
            "`rng` must be given for a bootstrap, so that the draws can be repeated: np.random.default_rng(seed); "
            f"got {rng!r}."
        )
    return rng


def _at_least_two(replicates: int) -> int:
    """Number of replicates, checked."""
    if not isinstance(replicates, int | np.integer) or replicates < 2:
        raise DesignError(f"`replicates` must be a whole number of two or more; got {replicates!r}.")
    return int(replicates)


def _check_size(rows: int, replicates: int) -> None:
    """Raise where the weights would fill the memory."""
    if rows * replicates > MOST_WEIGHTS:
        raise DesignError(
            f"`kind`: {replicates:,} replicates of {rows:,} rows are {rows * replicates * 8 / 1e9:,.0f} GB of weights. "
            'Use kind="bootstrap" with fewer replicates, or linearization.'
        )


def _psus(stage: Stage) -> tuple[IntArray, IntArray]:
    """(n_rows,) PSU of each row and (P,) stratum of each PSU; rows are their own PSUs where there are no clusters."""
    if stage.cluster is None or stage.stratum_of is None:
        return np.arange(stage.stratum.size), stage.stratum
    return stage.cluster, stage.stratum_of


def _bootstrap(
    stage: Stage, stratum_of: IntArray, size: int, *, rng: np.random.Generator
) -> tuple[FloatArray, float, FloatArray]:
    """(P, R) factors 1 - l + l n_h / (n_h - 1) t with t counts of n_h - 1 draws and l = sqrt(1 - f_h)."""
    factors = np.empty((stratum_of.size, size))
    for h, (n_h, fraction) in enumerate(zip(stage.n_h, stage.fraction, strict=True)):
        rows = np.flatnonzero(stratum_of == h)
        if fraction == 1:
            factors[rows] = 1.0
            continue
        draws = int(n_h) - 1
        counts = rng.multinomial(draws, np.full(rows.size, 1 / rows.size), size=size).T
        shrink = np.sqrt(1 - fraction)
        factors[rows] = 1 - shrink + shrink * n_h / draws * counts
    return factors, 1 / (size - 1), np.ones(size)


def _jackknife_one(stage: Stage, stratum_of: IntArray) -> tuple[FloatArray, float, FloatArray]:
    """(P, P) factors that drop one PSU and raise the others, for a design without strata."""
    if stage.n_h.size > 1:
        raise DesignError(f'`kind`="JK1" is for designs without strata; this one has {stage.n_h.size}. Use kind="JKn".')
    size = stratum_of.size
    factors = np.full((size, size), size / (size - 1))
    np.fill_diagonal(factors, 0.0)
    return factors, (size - 1) / size * (1 - stage.fraction[0]), np.ones(size)


def _jackknife(stage: Stage, stratum_of: IntArray) -> tuple[FloatArray, float, FloatArray]:
    """(P, R) factors that drop one PSU and raise the others of its stratum; not of strata with a certain single PSU."""
    dropped = np.flatnonzero((stage.n_h > 1)[stratum_of])
    spread = np.divide(stage.n_h, stage.n_h - 1, out=np.ones_like(stage.n_h), where=stage.n_h > 1)
    factors = np.where(stratum_of[:, None] == stratum_of[dropped], spread[stratum_of][:, None], 1.0)
    factors[dropped, np.arange(dropped.size)] = 0.0
    return factors, 1.0, ((1 - stage.fraction) / spread)[stratum_of[dropped]]


def _balanced(stage: Stage, stratum_of: IntArray, rho: float) -> tuple[FloatArray, float, FloatArray]:
    """(P, R) factors 2 - rho and rho, by the rows of a Hadamard matrix."""
    if (stage.n_h != 2).any():
        h = int((stage.n_h != 2).argmax())
        raise DesignError(
            f"`kind`: balanced replicates need two PSUs in every stratum; {shown(stage.stratum_labels[h])} has "
            f'{stage.n_h[h]:g}. Use "JKn" or "bootstrap".'
        )
    if stage.fraction.any():
        raise DesignError(
            '`kind`: balanced replicates ignore population sizes, and the design has them. Use "JKn" or "bootstrap".'
        )
    signs = hadamard(stage.n_h.size)[:, 1 : stage.n_h.size + 1]
    order = np.zeros(stratum_of.size, dtype=np.intp)  # first or second PSU of its stratum
    order[np.unique(stratum_of[::-1], return_index=True)[1]] = 1
    order = order[::-1]
    chosen = signs[:, stratum_of].T * np.where(order == 0, 1, -1)[:, None]
    size = signs.shape[0]
    return 1 + (1 - rho) * chosen, 1 / (size * (1 - rho) ** 2), np.ones(size)


def _successive(stage: Stage, stratum_of: IntArray, size: int) -> tuple[FloatArray, float, FloatArray]:
    """(P, R) factors 1 + 2^-1.5 (h_a - h_b) for successive rows a, b of a Hadamard matrix, along each stratum.

    With rows of its own, a stratum adds half the sum of squared differences of neighbouring PSUs, the last and the
    first being neighbours.
    """
    matrix = hadamard(size - 1)
    if matrix.shape[0] != size:
        raise DesignError(
            f'`replicates` of kind "SDR" must be the order of a Hadamard matrix that is built here; got {size}. Use '
            f"{matrix.shape[0]}."
        )
    chain = _chain(stratum_of.size, size - 1)
    row = np.empty(stratum_of.size, dtype=np.intp)
    following = np.empty(stratum_of.size, dtype=np.intp)
    used = 0
    for h in range(stage.n_h.size):
        members = np.flatnonzero(stratum_of == h)
        rows = chain[used : used + members.size]
        row[members] = rows
        following[members] = np.roll(rows, -1)  # closed to a circle
        used += members.size
    factors = 1 + 2**-1.5 * (matrix[row] - matrix[following])
    remaining = np.sqrt(1 - stage.fraction)[stratum_of][:, None]
    return 1 + remaining * (factors - 1), 4 / size, np.ones(size)


def _chain(length: int, rows: int) -> IntArray:
    """Numbers 1 ... rows in turn, then again by twos, threes ... so that the same neighbours do not meet again.

    The row 0 of a Hadamard matrix is constant and left out.
    """
    steps = [step for step in range(1, rows) if np.gcd(step, rows) == 1] or [1]
    turns = [(np.arange(rows) * steps[turn % len(steps)]) % rows + 1 for turn in range(length // rows + 1)]
    return np.concatenate(turns)[:length]


def hadamard(columns: int) -> FloatArray:
    """Hadamard matrix with more than `columns` rows: entries 1 and -1, first row and column constant.

    Orders are products of 2, Paley's q + 1 for primes q = 3 mod 4, as 4, 8, 12, 16, 20, 24, 32, 40, ...

    References
    ----------
    Paley (1933), J. Math. Phys. 12:311.
    """
    order = 4 * (columns // 4 + 1)
    while True:
        matrix = _hadamard_of(order)
        if matrix is not None:
            return matrix
        order += 4


def _hadamard_of(order: int) -> FloatArray | None:
    """Normalized Hadamard matrix of an order, by Paley's construction or by doubling; None where neither works."""
    if order == 2:
        return np.array([[1.0, 1.0], [1.0, -1.0]])
    q = order - 1
    if order % 4 == 0 and all(q % d for d in range(2, int(q**0.5) + 1)):
        squares = {(i * i) % q for i in range(1, q)}
        symbol = np.array([0] + [1 if i in squares else -1 for i in range(1, q)], dtype=np.float64)
        i = np.arange(q)
        core = symbol[(i[:, None] - i) % q]  # skew-symmetric, as q = 3 mod 4
        matrix = np.ones((order, order))
        matrix[1:, 1:] = core + np.eye(q)
        matrix[1:, 0] = -1.0
        return matrix * np.sign(matrix[:, :1])
    half = _hadamard_of(order // 2) if order % 2 == 0 else None
    return None if half is None else np.kron(np.array([[1.0, 1.0], [1.0, -1.0]]), half)
