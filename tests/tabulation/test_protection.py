"""Protected tables: what a reader can work out about a suppressed count, by linear programs on what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import linprog

import survey
from survey import tables
from survey.tabulation.suppression import Grid, Suppression, suppress
from tests.estimation.test_means import BENEFITS
from tests.marks import slow
from tests.tables.test_tables import cells

loose: Any = survey  # without types: some calls are wrong on purpose
EXAMPLES = settings(max_examples=25)  # each solves up to a hundred linear programs
WIDTH = 1e-3  # of the smallest weight: a range that is no rounding error of the solver
COUNTS = [0, 1, 3, 8, 9, 10, 15, 40, 120]


def respondents(counts: NDArray[np.int64], weights: bool = False, seed: int = 0) -> pd.DataFrame:
    """Respondents of a table of counts, with weights if wanted."""
    rows = [(f"a{i}", f"g{j}") for i, line in enumerate(counts) for j, n in enumerate(line) for _ in range(n)]
    frame = pd.DataFrame(rows, columns=["q", "g"])
    frame["q"] = pd.Categorical(frame["q"], [f"a{i}" for i in range(len(counts))])
    frame["g"] = pd.Categorical(frame["g"], [f"g{j}" for j in range(counts.shape[1])])
    rng = np.random.default_rng(seed)
    return frame.assign(w=rng.uniform(0.5, 2.0, len(frame)) if weights else 1.0)


@st.composite
def tables_of_counts(draw: st.DrawFn) -> NDArray[np.int64]:
    """Answers by groups with small, empty and large cells; ten respondents at least."""
    rows, columns = draw(st.integers(2, 5)), draw(st.integers(1, 5))
    lines = st.lists(st.sampled_from(COUNTS), min_size=columns, max_size=columns)
    counts = np.array(draw(st.lists(lines, min_size=rows, max_size=rows)), dtype=np.int64)
    counts[-1, -1] += 10
    return counts


def nets_of(levels: Sequence[str]) -> dict[str, list[str]]:
    """Nets that touch, leave a gap and, of five answers, overlap."""
    nets = {"first two": list(levels[:2])} if len(levels) > 2 else {}
    if len(levels) > 3:
        nets["last two"] = list(levels[-2:])
    if len(levels) > 4:
        nets["middle"] = list(levels[1:4])
    return nets


class Reader:
    """Somebody who knows all that protected tables of one question show, and that weights are positive.

    A variable is the sum of weights of one answer in one column; an equation, a number that is shown.
    """

    def __init__(self, levels: Sequence[str], nets: Mapping[str, Sequence[str]], total: float) -> None:
        self.levels, self.nets, self.total = list(levels), nets, total
        self.places: dict[tuple[str, str, str], int] = {}
        self.equations: list[tuple[dict[int, float], float]] = []
        self.hidden: list[dict[int, float]] = []

    def read(self, table: survey.Table) -> None:
        """Take in one table: by groups, or a topline (of which the total is the only column)."""
        frame = table.tidy()
        by = table.by if isinstance(table.by, str) else "topline"
        heads = ["all"] if table.by is None else [str(x) for x in frame[by].unique() if x != "Total"]
        for head in heads:
            for level in self.levels:
                self.places.setdefault((by, head, level), len(self.places))
        self._know({self.places[by, h, level]: 1.0 for h in heads for level in self.levels}, self.total)
        for row in frame.to_dict("records"):
            head = str(row[by]) if table.by is not None else "all"
            within = heads if head == "Total" else [head]
            members = [row["level"]] if row["level"] in self.levels else self.nets[row["level"]]
            form = {self.places[by, h, level]: 1.0 for h in within for level in members}
            whole = {self.places[by, h, level]: 1.0 for h in heads for level in members}
            column = {self.places[by, h, level]: 1.0 for h in within for level in self.levels}
            weighted = {name: row.get(f"{name}_weighted", np.nan) for name in ("row_base", "column_base")}
            self._know(whole, weighted["row_base"])
            self._know(column, weighted["column_base"])
            base = {"column": weighted["column_base"], "row": weighted["row_base"], "cell": self.total}[table.share]
            value = row["estimate"] * (self.total if table.by is None else base)
            if row["flag"] == "[c]":
                self.hidden.append(form)
                assert np.isnan(row["estimate"])
            self._know(form, value)

    def link(self, columns: Sequence[str]) -> None:
        """Know that the rows of all tables have the same totals."""
        first, *others = columns
        for other in others:
            for level in self.levels:
                form = {p: 1.0 for (by, _, name), p in self.places.items() if by == first and name == level}
                form |= {p: -1.0 for (by, _, name), p in self.places.items() if by == other and name == level}
                self._know(form, 0.0)

    def ranges(self) -> list[tuple[float, float]]:
        """Smallest and largest value that each suppressed number could have."""
        size = len(self.places)
        matrix = np.zeros((len(self.equations), size))
        for number, (form, _) in enumerate(self.equations):
            matrix[number, list(form)] = list(form.values())
        values = np.array([value for _, value in self.equations])
        # equations agree up to rounding only: keep independent ones
        _, triangle, order = qr(matrix.T, mode="economic", pivoting=True)
        kept = order[: int((np.abs(np.diag(triangle)) > 1e-9).sum())]
        found = []
        for form in self.hidden:
            objective = np.zeros(size)
            objective[list(form)] = 1.0
            ends = [
                linprog(sign * objective, A_eq=matrix[kept], b_eq=values[kept], bounds=(0, None)) for sign in (1, -1)
            ]
            assert all(end.status == 0 for end in ends), [end.message for end in ends]
            low, high = (float(objective @ np.asarray(end.x, dtype=float)) for end in ends)
            found.append((low, high))
        return found

    def _know(self, form: dict[int, float], value: float) -> None:
        if not np.isnan(value):
            self.equations.append((form, float(value)))


def check(reader: Reader, smallest_weight: float) -> None:
    """Each suppressed number has a range, unless nobody is there and a total of zero, which may be shown, says so."""
    for low, high in reader.ranges():
        assert high - low > WIDTH * smallest_weight or high < WIDTH * smallest_weight


def nothing_small_is_left(table: survey.Table, protected: survey.Table, min_count: int = 10) -> None:
    """No small count, nor anything that was computed from it, remains."""
    small = (table.count >= 1) & (table.count < min_count)
    frame = protected.tidy()
    gone = (frame["flag"] == "[c]").to_numpy()
    assert gone[small].all()
    hidden = frame[gone]
    assert not hidden["shown"].any()
    assert (hidden["letters"] == "").all()
    assert hidden[["estimate", "std_error", "conf_low", "conf_high", "n_eff", "deff", "df"]].isna().all(axis=None)
    assert np.isnan(protected.count[gone]).all()
    assert np.isnan(protected.vcov[gone]).all()
    assert np.isnan(protected.vcov[:, gone]).all()
    assert protected.cells is None
    bases = [name for name in frame.columns if name.startswith(("row_base", "column_base"))]
    unlike = ["letters", *bases]
    pd.testing.assert_frame_equal(
        frame[~gone].drop(columns=unlike), table.tidy()[~gone].drop(columns=unlike), check_dtype=False
    )
    for base in bases:
        seen = frame[base].notna()
        np.testing.assert_array_equal(frame.loc[seen, base], table.tidy().loc[seen, base])
    for base in ("n", "row_base", "column_base"):
        if base in frame:
            shown = frame[base].dropna()
            assert not ((shown >= 1) & (shown < min_count)).any()


@pytest.mark.parametrize("share", ["column", *slow("row", "cell")])
@EXAMPLES
@given(counts=tables_of_counts(), weights=st.booleans(), total=st.booleans(), with_nets=st.booleans())
def test_nothing_can_be_worked_out(
    share: Any, counts: NDArray[np.int64], weights: bool, total: bool, with_nets: bool
) -> None:
    frame = respondents(counts, weights)
    levels = list(frame["q"].cat.categories)
    if share == "row":
        frame["q"] = frame["q"].cat.remove_unused_categories()
        levels = list(frame["q"].cat.categories)
    nets = nets_of(levels) if with_nets else {}
    table = survey.crosstab(survey.Design(frame, weight="w"), "q", "g", share=share, nets=nets, total=total)
    try:
        protected = survey.protect(table)
    except survey.DisclosureError:
        assert (counts > 0).sum() < 2 * len(counts) + 2 * counts.shape[1]  # a large table can always be protected
        return
    nothing_small_is_left(table, protected)
    reader = Reader(levels, nets, float(frame["w"].sum()))
    reader.read(protected)
    check(reader, float(frame["w"].min()))


@EXAMPLES
@given(counts=tables_of_counts(), weights=st.booleans())
def test_nothing_can_be_worked_out_of_a_topline(counts: NDArray[np.int64], weights: bool) -> None:
    frame = respondents(counts, weights)
    levels = list(frame["q"].cat.categories)
    nets = nets_of(levels)
    table = survey.topline(survey.Design(frame, weight="w"), "q", nets=nets)
    try:
        protected = survey.protect(table)
    except survey.DisclosureError:
        assert (counts.sum(axis=1) > 0).sum() < 2 or counts.sum() < 20
        return
    nothing_small_is_left(table, protected)
    reader = Reader(levels, nets, float(frame["w"].sum()))
    reader.read(protected)
    check(reader, float(frame["w"].min()))


@pytest.mark.slow
@EXAMPLES
@given(counts=tables_of_counts(), seed=st.integers(0, 100), with_nets=st.booleans())
def test_tables_of_one_question_do_not_betray_each_other(counts: NDArray[np.int64], seed: int, with_nets: bool) -> None:
    frame = respondents(counts)
    frame["h"] = pd.Categorical(np.random.default_rng(seed).choice(["x", "y", "z"], len(frame), p=[0.6, 0.3, 0.1]))
    levels = list(frame["q"].cat.categories)
    nets = nets_of(levels) if with_nets else {}
    banner = survey.banner(survey.Design(frame, weight="w"), ["q"], ["g", "h"], nets={"q": nets})
    try:
        protected = survey.protect(banner)
    except survey.DisclosureError:
        return
    reader = Reader(levels, nets, float(len(frame)))
    for before, after in zip(banner.tables, protected.tables, strict=True):
        nothing_small_is_left(before, after)
        reader.read(after)
    reader.link(["topline", "g", "h"])
    check(reader, 1.0)


@pytest.mark.slow
@EXAMPLES
@given(seed=st.integers(0, 10_000), n=st.integers(60, 300))
def test_options_are_protected_with_those_who_did_not_choose_them(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": pd.Categorical(rng.choice(list("abcd"), n, p=[0.5, 0.3, 0.15, 0.05]))})
    for option, p in {"loan": 0.07, "visa": 0.95}.items():
        frame[option] = pd.Categorical(np.where(rng.random(n) < p, "Yes", "No"), ["No", "Yes"])
    table = survey.crosstab(survey.Design(frame), BENEFITS, "g", total=True)
    try:
        protected = survey.protect(table)
    except survey.DisclosureError:
        return
    nothing_small_is_left(table, protected)
    few = (table.count < table.tidy()["column_base"]) & (table.tidy()["column_base"] - table.count < 10)
    assert protected.tidy().loc[few, "estimate"].isna().all()
    made = protected.tidy()
    for option in BENEFITS.options.values():
        single = made[made["level"] == option]
        both = pd.concat([single, single.assign(level="not", estimate=1 - single["estimate"])], ignore_index=True)
        # those who did not choose an option are no row of the table, but a base less those who did
        both.loc[both["level"] == "not", "row_base_weighted"] = n - both["row_base_weighted"]
        both["flag"] = np.where(both["level"] == "not", "", both["flag"])
        shaped = survey.Table(table.asked, "g", "column", both, np.zeros((1, 1)), np.zeros(1), None)
        reader = Reader([option, "not"], {}, float(n))
        reader.read(shaped)
        check(reader, 1.0)


@given(counts=tables_of_counts())
def test_suppressed_counts_of_a_line_are_together_enough(counts: NDArray[np.int64]) -> None:
    whole = np.block([[counts, counts.sum(axis=1, keepdims=True)], [counts.sum(axis=0), np.array([counts.sum()])]])
    cost = np.where(whole == 0, np.inf, whole.astype(float))
    cost[-1, -1] = np.inf
    nets = np.zeros((0, len(counts)), dtype=bool)
    grid = Grid(whole.astype(float), cost, np.zeros(whole.shape, dtype=bool), nets)
    start = Suppression(np.zeros(whole.shape, dtype=bool), np.zeros((0, whole.shape[1]), dtype=bool))
    try:
        hidden = suppress(grid, start, share="cell", min_count=10, linked=False).cells
    except survey.DisclosureError:
        return
    for count, mask in ((whole, hidden), (whole.T, hidden.T)):
        for line, gone in zip(count, mask, strict=True):
            together = line[:-1][gone[:-1]].sum()
            assert gone[-1] or together == 0 or together >= 10
    assert not hidden[whole == 0].any()


# Examples ---------------------------------------------------------------------------------------------------


def test_one_small_cell_takes_the_cheapest_rectangle() -> None:
    """The 3 goes; then the smallest of its row and column, and what closes the rectangle."""
    counts = np.array([[3, 50, 60], [40, 70, 20], [200, 210, 220]])
    protected = survey.protect(survey.crosstab(survey.Design(respondents(counts)), "q", "g"))
    hidden = protected.tidy()["flag"].eq("[c]").to_numpy().reshape(3, 3).T
    assert hidden.tolist() == [[True, False, True], [True, False, True], [False, False, False]]
    assert protected.tidy()["row_base"].dtype == np.int64


def test_nets_are_shown_where_their_answers_are_not() -> None:
    """Complementary suppression stays within a net: both answers go, their sum stays."""
    counts = np.array([[4, 15], [30, 35], [12, 40], [200, 210]])
    nets = {"Low": ["a0", "a1"], "High": ["a2", "a3"]}
    protected = survey.protect(survey.crosstab(survey.Design(respondents(counts)), "q", "g", nets=nets)).tidy()
    hidden = protected[protected["flag"] == "[c]"]
    assert sorted(set(hidden["level"])) == ["a0", "a1"]
    assert protected.loc[protected["kind"] == "net", "estimate"].notna().all()


def test_a_table_without_small_counts_is_shown_as_it_is() -> None:
    table = survey.crosstab(survey.Design(respondents(np.array([[30, 40], [50, 60]]))), "q", "g")
    protected = survey.protect(table)
    pd.testing.assert_frame_equal(protected.tidy(), table.tidy())
    np.testing.assert_array_equal(protected.vcov, table.vcov)


def test_letters_do_not_point_at_suppressed_cells() -> None:
    counts = np.array([[9, 90, 80, 85], [200, 60, 70, 75], [100, 100, 100, 100]])
    table = survey.crosstab(survey.Design(respondents(counts)), "q", "g")
    first = table.tidy()[table.tidy()["level"] == "a0"]
    assert first["letters"].tolist() == ["", "A", "A", "A"]
    protected = survey.protect(table).tidy()
    gone = set(protected.loc[(protected["level"] == "a0") & (protected["flag"] == "[c]"), "column_letter"])
    assert "A" in gone
    assert not gone & set(" ".join(protected.loc[protected["level"] == "a0", "letters"]).split())


def test_a_small_group_loses_its_base() -> None:
    counts = np.array([[4, 50, 60], [3, 70, 80]])
    protected = survey.protect(survey.crosstab(survey.Design(respondents(counts)), "q", "g", total=True))
    frame = protected.tidy()
    small, total = frame[frame["g"] == "g0"], frame[frame["g"] == "Total"]
    assert small[["column_base", "n"]].isna().all(axis=None)
    assert frame.loc[frame["column_base"].isna(), "g"].nunique() == 2  # a base alone could be subtracted
    assert (total["column_base"] == 267).all()
    text = tables.table_html(protected.to_gt())
    base = next(row for row in cells(text) if row[0] == "Respondents (n)")
    assert base[1] == "267"
    assert base.count("[c]") == 2
    assert tables.NOTE_CONFIDENTIAL in text


def test_protected_banners_print_and_save_marks(tmp_path: Any) -> None:
    counts = np.array([[3, 50, 60], [40, 70, 20], [200, 210, 220]])
    banner = survey.banner(survey.Design(respondents(counts)), ["q"], ["g"])
    protected = survey.protect(banner)
    text = tables.table_html(protected.to_gt())
    assert text.count(">[c]<") == 4
    protected.to_excel(tmp_path / "banner.xlsx")
    sheet = pd.read_excel(tmp_path / "banner.xlsx", sheet_name="q", header=None)
    assert (sheet == "[c]").to_numpy().sum() == 4 * 3  # share and both bounds
    protected.tables[1].to_excel(tmp_path / "table.xlsx")
    plain = pd.read_excel(tmp_path / "table.xlsx", sheet_name="q")
    assert (plain == "[c]").to_numpy().sum() == 4 * 5  # estimate, error and both bounds, and the flag


def test_larger_thresholds_hide_more() -> None:
    counts = np.array([[12, 50, 60], [40, 70, 30], [200, 210, 220]])
    table = survey.crosstab(survey.Design(respondents(counts)), "q", "g")
    assert survey.protect(table).tidy()["shown"].sum() == table.tidy()["shown"].sum()
    assert survey.protect(table, min_count=13).tidy()["flag"].eq("[c]").sum() == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda t: loose.protect(t, min_count=1),
            "`min_count` must be a whole number of at least 2, such as 10; got 1",
        ),
        (lambda t: loose.protect(t, min_count=True), "`min_count` must be a whole number .*; got True"),
        (lambda t: loose.protect(t, min_count=9.5), "`min_count` must be a whole number .*; got 9.5"),
        (lambda t: loose.protect(t.tidy()), "`table` must be a topline, crosstab or banner; got DataFrame"),
        (lambda t: loose.protect(loose.protect(t)), "`table` must not be protected already"),
        (lambda t: loose.protect(t, min_count=5000), "fewer than `min_count` = 5000: nothing of it can be shown"),
        (lambda t: loose.protect(t).plot(), "`plot` draws no confidential cells"),
    ],
)
def test_bad_requests_are_refused(call: Any, message: str) -> None:
    counts = np.array([[3, 50, 60], [40, 70, 20], [200, 210, 220]])
    table = survey.crosstab(survey.Design(respondents(counts)), "q", "g")
    with pytest.raises(survey.DisclosureError, match=message):
        call(table)


def test_a_banner_whose_totals_only_one_table_could_hide_is_refused() -> None:
    frame = respondents(np.array([[5, 0], [0, 20]])).assign(h="x")
    assert survey.protect(survey.crosstab(survey.Design(frame), "q", "g")).tidy()["flag"].eq("[c]").sum() == 4
    with pytest.raises(survey.DisclosureError, match="`table` cannot be protected: no other cells with respondents"):
        survey.protect(survey.banner(survey.Design(frame), ["q"], ["g", "h"]))


def test_protected_tables_cannot_be_tested() -> None:
    counts = np.array([[3, 50, 60], [40, 70, 20], [200, 210, 220]])
    protected = survey.protect(survey.crosstab(survey.Design(respondents(counts)), "q", "g"))
    with pytest.raises(survey.EstimationError, match="which a protected table does not keep"):
        protected.test()


def test_tables_of_other_answers_are_not_protected_together() -> None:
    frame = respondents(np.array([[30, 0], [0, 40], [50, 60]])).astype({"q": object})
    frame["h"] = frame["q"].map({"a1": "x", "a2": "x"})
    frame.loc[frame.index[-5:], "h"] = "y"
    banner = survey.banner(survey.Design(frame), ["q"], ["g", "h"])
    with pytest.raises(survey.DisclosureError, match="same answers in all tables of 'q'"):
        survey.protect(banner)
