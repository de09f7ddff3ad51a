"""Which counts of a table to suppress so that the small ones cannot be worked out.

A table publishes the counts that it shows, the totals of its rows and columns, and nets. Each of them is one
equation in the unknown, suppressed counts. A suppressed count is safe if the equations leave it a range of
values, and it is if it lies on a cycle of suppressed counts, taken as the edges of a graph whose nodes are
the rows and columns: going round the cycle, adding 1 to one count and subtracting 1 from the next, changes
no total. Complementary suppression closes the cheapest such cycle through each small count.

References
----------
Cox (1980), JASA 75:377; Willenborg and de Waal (2001), Elements of Statistical Disclosure Control, ch. 4.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.errors import DisclosureError

MOVES = 1e-7  # entry of a unit vector below which a count does not move: rounding error of the decomposition


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Counts of one question by groups, with their totals.

    Attributes
    ----------
    count : (R + 1, C + 1) respondents; the last row holds the bases of the columns, the last column the
        totals of the rows, the corner everybody.
    cost : (R + 1, C + 1) what it costs to suppress each count; infinite where that is not allowed.
    free : (R + 1, C + 1) counts that nobody publishes.
    nets : (K, R) answers that each net merges.
    """

    count: FloatArray
    cost: FloatArray
    free: BoolArray
    nets: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Suppression:
    """What must not be shown of a grid.

    Attributes
    ----------
    cells : (R + 1, C + 1) counts, bases and totals.
    nets : (K, C + 1) nets, and their totals.
    """

    cells: BoolArray
    nets: BoolArray


def suppress(grid: Grid, forced: Suppression, *, share: str, min_count: int, linked: bool) -> Suppression:
    """Suppress small counts and what protects them.

    Totals that other tables suppress too (`linked`) must be able to move without the other totals.
    """
    if grid.count[-1, -1] < min_count:
        raise DisclosureError(
            f"`table` has {grid.count[-1, -1]:g} respondents, fewer than `min_count` = {min_count}: nothing of it can "
            "be shown. Leave it out, or merge groups."
        )
    small = (grid.count >= 1) & (grid.count < min_count)
    hidden = small | (forced.cells & (grid.count > 0)) | grid.free
    while True:
        before = hidden.copy()
        _close_cycles(grid, hidden)
        _fill_lines(grid, hidden, min_count)
        if linked:
            _connect_totals(grid, hidden)
        if share == "row":
            hidden[:-1, :-1] |= hidden[:-1, -1:] & (grid.count[:-1, :-1] > 0) & ~grid.free[:-1, -1:]
        if share == "column":
            hidden[:-1, :-1] |= hidden[-1:, :-1] & (grid.count[:-1, :-1] > 0)
        if (hidden == before).all():
            _guard_nets(grid, hidden, min_count)
        if (hidden == before).all():
            return Suppression(hidden, _net_suppression(grid, hidden, forced.nets, min_count=min_count))


def _fill_lines(grid: Grid, hidden: BoolArray, min_count: int) -> None:
    """Add to suppressed counts that are together too few, in a row or column whose total is shown."""
    alike = _alike(grid)
    for axis in (0, 1):
        count, cost, mask, free = (part.T if axis else part for part in (grid.count, grid.cost, hidden, grid.free))
        for line in range(len(count)):
            inner = mask[line, :-1]
            together = count[line, :-1] @ inner
            if mask[line, -1] or free[line, :-1].any() or not 0 < together < min_count:
                continue
            price = np.where(inner, np.inf, cost[line, :-1])
            if axis:
                price = price + (alike[:-1] != alike[int(inner.argmax())]) * grid.count[-1, -1]
            place = int(price.argmin())
            if not np.isfinite(price[place]):
                raise impossible(min_count)
            inner[place] = True


def _close_cycles(grid: Grid, hidden: BoolArray) -> None:
    """Put each suppressed count on a cycle of suppressed counts."""
    alike = _alike(grid)
    for row, column in np.argwhere(hidden & ~grid.free):
        across = (alike != alike[row])[:, None] * grid.count[-1, -1]
        price = np.where(hidden, 0.0, grid.cost + across)
        price[row, column] = np.inf  # with the cell itself the path makes a cycle
        for step in _cheapest_path(price, int(row), len(price) + int(column)):
            hidden[step] = True


def _connect_totals(grid: Grid, hidden: BoolArray) -> None:
    """Connect the suppressed totals of rows by suppressed cells, and the bases of columns likewise.

    Then whatever amount moves between two of them in one table can move in each.
    """
    rows = len(grid.count)
    known = hidden & ~grid.free
    for nodes in (np.flatnonzero(known[:-1, -1]), rows + np.flatnonzero(known[-1, :-1])):
        for node in nodes[1:]:
            price = np.where(hidden, 0.0, grid.cost)
            price[:, -1] = np.inf
            price[-1] = np.inf
            for step in _cheapest_path(price, int(nodes[0]), int(node)):
                hidden[step] = True


def _alike(grid: Grid) -> IntArray:
    """(R + 1,) rows with the same number belong to the same nets; the bases to none."""
    _, group = (
        np.unique(grid.nets, axis=1, return_inverse=True) if len(grid.nets) else (0, np.zeros(grid.nets.shape[1]))
    )
    return np.append(group.ravel(), -1).astype(np.intp)


def _cheapest_path(price: FloatArray, start: int, end: int) -> list[tuple[int, int]]:
    """Cells of the cheapest way between two nodes, which alternates between rows and columns (Dijkstra).

    Node r is row r, node R + c is column c.
    """
    rows, columns = price.shape
    best = np.full(rows + columns, np.inf)
    best[start] = 0.0
    came = np.full(rows + columns, -1, dtype=np.intp)
    heap = [(0.0, start)]
    while heap:
        cost, node = heapq.heappop(heap)
        if node == end:
            break
        if cost > best[node]:
            continue
        reached = cost + (price[node] if node < rows else price[:, node - rows])
        first = rows if node < rows else 0
        for place in np.flatnonzero(reached < best[first : first + reached.size]):
            best[first + place] = reached[place]
            came[first + place] = node
            heapq.heappush(heap, (float(reached[place]), int(first + place)))
    if not np.isfinite(best[end]):
        raise impossible()
    path = []
    node = end
    while came[node] >= 0:
        a, b = sorted((node, int(came[node])))
        path.append((a, b - rows))
        node = int(came[node])
    return path


def secret_nets(grid: Grid, hidden: BoolArray, min_count: int) -> BoolArray:
    """(K, C + 1) nets that nobody may know: few respondents, few suppressed ones, or few suppressed beside them."""
    members = grid.nets.astype(np.float64)
    gone = (grid.count * hidden)[:-1]
    total = members @ grid.count[:-1]
    together = members @ gone
    rest = gone.sum(axis=0) - together
    few = (total < min_count) | (together < min_count)
    few |= (rest > 0) & (rest < min_count) & ~hidden[-1]
    return few & (together > 0) & ~grid.free.any(axis=0)


def net_forms(grid: Grid, nets: BoolArray, hidden: BoolArray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The suppressed counts in each of the nets that are marked, by net and column."""
    return {
        (int(net), int(c)): [(int(r), int(c)) for r in np.flatnonzero(hidden[:-1, c] & grid.nets[net])]
        for net, c in np.argwhere(nets)
    }


def _guard_nets(grid: Grid, hidden: BoolArray, min_count: int) -> None:
    """Suppress more where the sum of suppressed counts in a net that nobody may know does not move."""
    secret = secret_nets(grid, hidden, min_count)
    if not secret.any():
        return
    place = {(int(r), int(c)): at for at, (r, c) in enumerate(np.argwhere(hidden))}
    moves = _moves(_matrix(known_sums(grid, hidden, np.ones_like(secret)), place))
    for (net, column), cells in net_forms(grid, secret, hidden).items():
        if np.abs(moves[:, [place[cell] for cell in cells]].sum(axis=1)).max(initial=0.0) > MOVES:
            continue
        price = np.where(hidden, np.inf, grid.cost)
        outside = np.ones(hidden.shape, dtype=bool)
        outside[np.append(grid.nets[net], False)] = False
        outside[:, column] = False
        price[outside] = np.inf
        cheapest = np.unravel_index(int(price.argmin()), price.shape)
        if not np.isfinite(price[cheapest]):
            raise impossible()
        hidden[cheapest] = True
        return


def _net_suppression(grid: Grid, hidden: BoolArray, forced: BoolArray, *, min_count: int) -> BoolArray:
    """(K, C + 1) nets that must not be shown.

    A net of which nothing is suppressed says nothing new. The others are shown, column by column, as long
    as the equations that they add leave every suppressed count, and every net that nobody may know, room to
    move.
    """
    secret = secret_nets(grid, hidden, min_count)
    suppressed = (grid.nets.astype(np.int64) @ hidden[:-1].astype(np.int64) > 0) & ~grid.free.any(axis=0)
    may = suppressed & ~secret & ~forced
    if not may.any():
        return suppressed
    place = {(int(r), int(c)): at for at, (r, c) in enumerate(np.argwhere(hidden))}
    watched = ~grid.free[hidden]
    forms = [[place[cell] for cell in cells] for cells in net_forms(grid, secret, hidden).values()]
    for net in range(len(grid.nets)):
        wanted = np.flatnonzero(may[net])
        for columns in [wanted, *wanted[:, None]]:
            trial = suppressed.copy()
            trial[net, columns] = False
            if (trial != suppressed).any() and movable(_matrix(known_sums(grid, hidden, trial), place), watched, forms):
                suppressed = trial
    return suppressed


def known_sums(grid: Grid, hidden: BoolArray, nets: BoolArray) -> list[dict[tuple[int, int], float]]:
    """What a reader knows of the suppressed counts: signs of those in each row, column and net that is shown.

    Parameters
    ----------
    hidden : (R + 1, C + 1) suppressed counts.
    nets : (K, C + 1) nets that are not shown.
    """
    rows = range(hidden.shape[0])
    columns = range(hidden.shape[1])
    published = [c for c in columns if not grid.free[:, c].any()]
    sums = []
    if len(published) == len(columns):
        sums += [{(r, c): -1.0 if c == columns[-1] else 1.0 for c in columns if hidden[r, c]} for r in rows]
    for c in published:
        sums.append({(r, c): -1.0 if r == rows[-1] else 1.0 for r in rows if hidden[r, c]})
        for members, gone in zip(grid.nets, nets, strict=True):
            if not gone[c]:
                sums.append({(r, c): 1.0 for r in rows[:-1] if hidden[r, c] and members[r]})
    return [line for line in sums if line]


def _matrix(sums: Sequence[dict[tuple[int, int], float]], place: dict[tuple[int, int], int]) -> FloatArray:
    """Equations as a matrix with a column per suppressed count."""
    matrix = np.zeros((len(sums), len(place)))
    for number, line in enumerate(sums):
        for cell, sign in line.items():
            matrix[number, place[cell]] = sign
    return matrix


def _moves(equations: FloatArray) -> FloatArray:
    """Orthonormal rows that span all changes of the suppressed counts that the equations do not notice."""
    if not equations.size:
        return np.eye(equations.shape[1])
    _, values, vectors = np.linalg.svd(equations)
    moves: FloatArray = vectors[int((values > MOVES * values[0]).sum()) :]
    return moves


def movable(equations: FloatArray, watched: BoolArray, sums: Sequence[Sequence[int]]) -> bool:
    """Whether equations in positive counts leave all watched counts, and all the sums, more than one value."""
    moves = _moves(equations)
    if not (np.abs(moves).max(axis=0, initial=0.0)[watched] > MOVES).all():
        return False
    return all(np.abs(moves[:, list(one)].sum(axis=1)).max(initial=0.0) > MOVES for one in sums)


def impossible(min_count: int | None = None) -> DisclosureError:
    """The error of a table with too few cells to hide anything among."""
    together = f" to {min_count} respondents" if min_count else ""
    return DisclosureError(
        f"`table` cannot be protected: no other cells with respondents are left to suppress{together} beside the small "
        "ones. Merge answers or groups."
    )
