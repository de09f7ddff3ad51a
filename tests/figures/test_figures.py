"""Figures: what is drawn is what the frame holds, and it can be read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from survey import figures
from survey.errors import EstimationError
from survey.figures import describe
from survey.figures.layout import frame_of
from survey.figures.models import telling_digits
from survey.figures.style import (
    DIVERGING,
    LINE,
    SEQUENTIAL,
    SMALL_SIZE,
    WIDTH,
    contrast,
    figure_of,
    line_palette,
    palette,
    text_width,
    wrap,
)
from survey.tables import odds_ratio_table
from survey.tidy import as_odds_ratios
from tests.marks import slow

ANSWERS = [
    "Strongly disapprove",
    "Somewhat disapprove",
    "Neither approve nor disapprove",
    "Somewhat approve",
    "Strongly approve",
]
GROUPS = {
    "Household income": ["Under 2,000 yuan", "2,000-4,999", "20,000 and over", "Don't know or refused"],
    "Education": ["Junior secondary", "Senior secondary or vocational", "University or college"],
    "Urbanity": ["Urban", "Rural"],
}
SHARES = np.array([0.01, 0.04, 0.19, 0.48, 0.28])
CAPTION = (
    "Strongly or somewhat approve, weighted % with 95% intervals. Chinese internet users aged 14-65, 2018; "
    "2,209 respondents. Synthetic data."
)
# Machado, Oliveira and Fernandes (2009), complete colour blindness, on linear RGB.
COLOUR_BLIND = {
    "protan": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    "deutan": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
    "tritan": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
}


def approval() -> pd.DataFrame:
    """Approval by group; one row may not be shown."""
    names = [(variable, group) for variable, groups in GROUPS.items() for group in groups]
    estimate = np.linspace(0.72, 0.88, len(names))
    return pd.DataFrame(
        {
            "variable": [variable for variable, _ in names],
            "group": [group for _, group in names],
            "estimate": estimate,
            "conf_low": estimate - 0.03,
            "conf_high": estimate + 0.03,
            "n": range(1201, 1201 + len(names)),
            "n_eff": np.linspace(900.4, 1000.4, len(names)),
            "shown": [group != "20,000 and over" for _, group in names],
        }
    )


def answers(column: str = "group") -> pd.DataFrame:
    """Approval in five answers by education, with a net that bars must leave out."""
    rows = []
    for place, group in enumerate(GROUPS["Education"]):
        shares = SHARES + np.array([0, 0, -0.01, 0, 0.01]) * place
        for level, share in zip(ANSWERS, shares, strict=True):
            rows.append({column: group, "level": level, "estimate": share, "kind": "level", "n": 700})
        rows.append({column: group, "level": "Approve", "estimate": 0.76, "kind": "net", "n": 700})
    frame = pd.DataFrame(rows)
    frame["shown"] = ~((frame[column] == GROUPS["Education"][1]) & (frame["level"] == ANSWERS[0]))
    return frame.assign(conf_low=frame["estimate"] * 0.9, conf_high=frame["estimate"] * 1.1)


def slopes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "term": ["income[T.Middle]", "income[T.High]", "age", "Strongly disapprove"],
            "level": "",
            "estimate": [0.2, 0.5, 0.01, -4.0],
            "conf_low": [-0.1, 0.2, 0.005, -4.5],
            "conf_high": [0.5, 0.8, 0.015, -3.5],
            "kind": ["slope", "slope", "slope", "threshold"],
        }
    )


def effects() -> pd.DataFrame:
    rows = [
        {"contrast": contrast_, "term": "income", "level": level, "estimate": value}
        for contrast_ in ("Middle - Low", "High - Low")
        for level, value in zip(ANSWERS, [-0.01, -0.02, -0.03, 0.02, 0.04], strict=True)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(conf_low=frame["estimate"] - 0.02, conf_high=frame["estimate"] + 0.02)


def profiles(numeric: bool = False) -> pd.DataFrame:
    frame = answers("education").query("kind == 'level'").reset_index(drop=True)
    if numeric:
        ages = {name: 20.0 + 10 * place for place, name in enumerate(GROUPS["Education"])}
        frame["education"] = frame["education"].map(ages)
    return frame.drop(columns="shown")


def margin_rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variable": ["Gender", "Gender", "Region", "Region"],
            "level": ["Male", "Female", "East", "West"],
            "n": [1300, 909, 1000, 1209],
            "unweighted": [0.589, 0.411, 0.453, 0.547],
            "weighted": [0.526, 0.474, 0.6, 0.4],
            "target": [0.526, 0.474, 0.6, 0.4],
        }
    )


def weight_rows() -> pd.DataFrame:
    return pd.DataFrame({"before": 2.0, "after": np.linspace(0.5, 3.5, 200)})


def readers() -> pd.DataFrame:
    return pd.DataFrame({"group": ["The city's newsletter", "A village's"], "n": [160_000, 240]})


FIGURES: dict[str, Callable[..., Axes]] = {
    "dots": lambda **more: figures.dots(approval(), reference=0.8, xlabel="Approve", **more),
    "composition": lambda **more: figures.composition(answers(), **more),
    "likert": lambda **more: figures.likert(answers("term"), **more),
    "coefficients": lambda **more: figures.coefficients(slopes(), **more),
    "effects": lambda **more: figures.coefficients(effects(), **more),
    "probabilities": lambda **more: figures.probabilities(profiles(), **more),
    "age": lambda **more: figures.probabilities(profiles(numeric=True), **more),
    "margins": lambda **more: figures.margins(margin_rows(), **more),
    "weights": lambda **more: figures.weights(weight_rows(), **more),
    "counts": lambda **more: figures.counts(readers(), lowest=100, **more),
}


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def bars(ax: Axes) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def marks(ax: Axes) -> np.ndarray:
    """Horizontal positions of all marks, in the order in which they were drawn."""
    drawn = [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]
    return np.concatenate([np.asarray(offsets)[:, 0] for offsets in drawn])


def segments(ax: Axes) -> list[np.ndarray]:
    return [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]


@pytest.mark.parametrize("name", ["dots", *slow(*(name for name in FIGURES if name != "dots"))])
def test_files_are_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    first, second = (
        figures.save_figure(FIGURES[name](title="A finding", caption=CAPTION), tmp_path / run / name, "Alt")
        for run in ("one", "two")
    )
    assert sorted(first) == ["png", "svg"]
    for kind in first:
        assert first[kind].read_bytes() == second[kind].read_bytes()
        assert first[kind].stat().st_size > 1000
    svg = first["svg"].read_text()
    assert "Alt" in svg
    assert "<dc:date>" not in svg


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_global_changes(name: str) -> None:
    import seaborn  # noqa: F401  (its import may register colour maps; drawing must not change settings)

    before = dict(mpl.rcParams)
    FIGURES[name]()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_texts_neither_overlap_nor_leave_the_page(name: str) -> None:
    ax = FIGURES[name](title="Approval is high in every group", caption=CAPTION)
    figure = figure_of(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    page = figure.bbox
    ticks = [
        label
        for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim())))
        for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
        if low - 1e-9 <= at <= high + 1e-9  # others are not drawn
    ]
    drawn = [t for t in [*ax.texts, *ticks] if t.get_text() and t.get_visible()]
    boxes = [(t.get_text(), Text.get_window_extent(t, renderer)) for t in drawn]
    for text, box in boxes:
        assert page.x0 - 1 <= box.x0, text
        assert box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0, text
        assert box.y1 <= page.y1 + 1, text
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert wide < 1 or high < 2, (one, two)  # boxes hold a pixel or two of air


@pytest.mark.parametrize("name", FIGURES)
def test_type_is_large_enough_for_a_telephone(name: str) -> None:
    ax = FIGURES[name](title="A finding", caption=CAPTION)
    ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    assert min(float(text.get_fontsize()) for text in [*ax.texts, *ticks]) >= SMALL_SIZE >= 9
    assert figure_of(ax).get_figwidth() == WIDTH


@pytest.mark.parametrize("name", FIGURES)
def test_axes_of_the_caller_are_used_and_left_in_place(name: str) -> None:
    figure = Figure(figsize=(8, 5))
    mine = figure.add_axes((0.4, 0.2, 0.3, 0.6))
    assert FIGURES[name](ax=mine, title="A finding") is mine
    assert mine.get_position().bounds == pytest.approx((0.4, 0.2, 0.3, 0.6))
    assert tuple(figure.get_size_inches()) == (8, 5)


def test_dots_stand_at_the_estimates_in_the_order_of_the_rows() -> None:
    ax = figures.dots(approval(), reference=0.8)
    shown = approval().query("shown")
    np.testing.assert_allclose(marks(ax), shown["estimate"])
    np.testing.assert_allclose([s[:, 0] for s in segments(ax)], shown[["conf_low", "conf_high"]])
    heights = [s[0, 1] for s in segments(ax)]
    assert heights == sorted(heights)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first row on top
    written = [text for text in texts(ax) if text.replace("\n", " ") in set(approval()["group"])]
    assert [text.replace("\n", " ") for text in written] == approval()["group"].tolist()
    assert [text for text in texts(ax) if text in GROUPS] == list(GROUPS)
    assert "Total 80%" in texts(ax)


def test_a_suppressed_row_has_only_its_mark() -> None:
    ax = figures.dots(approval())
    assert texts(ax).count("[u]") == 1
    hidden = approval().query("not shown")["estimate"].item()
    assert not np.isclose(marks(ax), hidden).any()
    assert len(segments(ax)) == len(approval()) - 1
    assert "1,203" in texts(ax)  # its base is printed


def test_dots_print_base_and_effective_size() -> None:
    written = texts(figures.dots(approval()))
    assert "n" in written
    assert "effective\nn" in written
    assert {"1,201", "900"} <= set(written)


def test_dots_take_a_result_and_a_frame_without_blocks() -> None:
    class Result:
        def tidy(self) -> pd.DataFrame:
            return approval().drop(columns=["variable", "shown"])

    assert len(marks(figures.dots(Result()))) == len(approval())


def test_dots_of_differences_may_be_negative() -> None:
    frame = approval().drop(columns="shown")
    frame[["estimate", "conf_low", "conf_high"]] -= 0.8
    ax = figures.dots(frame)
    np.testing.assert_allclose(marks(ax), frame["estimate"])
    assert ax.get_xlim()[0] < 0
    assert "+5%" in [label.get_text() for label in ax.get_xticklabels()]


def test_labels_with_dollar_signs_are_no_formulas() -> None:
    frame = approval().head(1).assign(group="$25,000 to $50,000")
    ax = figures.dots(frame)
    label = next(text for text in ax.texts if text.get_text() == "$25,000 to $50,000")
    assert label.get_parse_math() is False


def test_composition_fills_each_bar_in_the_order_of_the_answers() -> None:
    ax = figures.composition(answers())
    drawn = [(bar.get_x(), bar.get_width(), bar.get_y(), mpl.colors.to_hex(bar.get_facecolor())) for bar in bars(ax)]
    rows = {y: [bar for bar in drawn if bar[2] == y] for y in dict.fromkeys(bar[2] for bar in drawn)}
    # One segment is suppressed: a tile at the end stands for it. Nets are left out.
    assert [len(row) for row in rows.values()] == [5, 5, 5]
    *kept, tile = list(rows.values())[1]
    np.testing.assert_allclose([bar[0] for bar in kept[1:]], np.cumsum([bar[1] for bar in kept])[:-1])
    assert tile[0] == pytest.approx(sum(bar[1] for bar in kept))
    whole = next(iter(rows.values()))
    np.testing.assert_allclose([bar[1] for bar in whole], SHARES)
    np.testing.assert_allclose([bar[0] for bar in whole], np.cumsum(SHARES) - SHARES, atol=1e-12)
    assert [bar[3].upper() for bar in whole] == list(DIVERGING)
    assert texts(ax).count("[u]") == 1
    assert {"19%", "48%", "28%"} <= set(texts(ax))
    assert [text for text in texts(ax) if text in ANSWERS] == ANSWERS


def test_the_tile_of_a_suppressed_answer_has_one_width_whatever_it_stands_for() -> None:
    widths = []
    for hidden in (0.01, 0.2):
        shares = [hidden, 0.5 - hidden / 2, 0.5 - hidden / 2]
        frame = pd.DataFrame({"group": "a", "level": list("xyz"), "estimate": shares, "shown": [False, True, True]})
        drawn = bars(figures.composition(frame))
        widths.append(drawn[-1].get_width())
    assert widths[0] == widths[1]


def test_a_share_below_half_a_percent_can_still_be_seen() -> None:
    frame = pd.DataFrame({"group": "a", "level": list("xy"), "estimate": [0.0004, 0.9996]})
    ax = figures.composition(frame)
    sliver = bars(ax)[0]
    assert sliver.get_width() > 5 * 0.0004
    assert sliver.get_zorder() > bars(ax)[1].get_zorder()


def test_probabilities_take_colours() -> None:
    ax = figures.probabilities(profiles(), colours=SEQUENTIAL[: profiles()["level"].nunique()])
    with pytest.raises(EstimationError, match="`colours` must have one colour per answer; 1 were given"):
        figures.probabilities(profiles(), colours=SEQUENTIAL[:1])
    assert ax.lines[0].get_color() == LINE  # too light for a line on paper


def test_a_bound_near_no_effect_is_not_printed_as_none() -> None:
    assert telling_digits([0.02, 19.6], "percentage points") == 2
    assert telling_digits([0.0, 19.6], "percentage points") == 1
    assert telling_digits([0.998, 1.5], "odds ratio") == 3


def test_a_bar_without_reliable_segments_has_one_mark_and_no_segment() -> None:
    ax = figures.composition(answers().assign(shown=False))
    assert len(ax.patches) == 0
    assert texts(ax).count("[u]") == 3


def test_composition_takes_colours() -> None:
    ax = figures.composition(answers(), colours=SEQUENTIAL)
    assert mpl.colors.to_hex(ax.patches[0].get_facecolor()).upper() == SEQUENTIAL[0]
    with pytest.raises(EstimationError, match="`colours` must have one colour per answer; 2 were given for 5"):
        figures.composition(answers(), colours=SEQUENTIAL[:2])


def test_bars_must_add_up() -> None:
    with pytest.raises(EstimationError, match=r"add up to 1 in each bar; they add up to 1.76 for 'Junior sec"):
        figures.composition(answers().drop(columns="kind"))


def test_likert_centres_the_neutral_answer() -> None:
    ax = figures.likert(answers("term").assign(shown=True))
    neutral = [b for b in bars(ax) if mpl.colors.to_hex(b.get_facecolor()).upper() == DIVERGING[2]]
    np.testing.assert_allclose([b.get_x() + b.get_width() / 2 for b in neutral], 0, atol=1e-12)
    assert {"5%", "76%"} <= set(texts(ax))  # sums of both sides
    even = answers("term").query("level != 'Neither approve nor disapprove' and kind == 'level'")
    even = even.assign(estimate=even["estimate"] / even.groupby("term")["estimate"].transform("sum"), shown=True)
    starts = [bar.get_x() for bar in bars(figures.likert(even))]
    np.testing.assert_allclose([starts[2], starts[6], starts[10]], 0, atol=1e-12)


def test_likert_leaves_out_a_sum_with_a_suppressed_part() -> None:
    ax = figures.likert(answers("term"))
    assert texts(ax).count("5%") == 2
    assert texts(ax).count("[u]") == 1
    with pytest.raises(EstimationError, match=r"`neutral` must be one of the answers .*; 'Maybe' was given"):
        figures.likert(answers("term"), neutral="Maybe")


def test_coefficients_are_odds_ratios_without_thresholds() -> None:
    ax = figures.coefficients(slopes(), labels={"income": "Household income"})
    np.testing.assert_allclose(marks(ax), np.exp([0.2, 0.5, 0.01]))
    assert ax.get_xscale() == "log"
    written = texts(ax)
    assert written.index("Household income") < written.index("Middle") < written.index("High")
    assert "1.65 (1.22–2.23)" in written
    assert any(np.allclose(line.get_xdata(), 1) for line in ax.lines)
    plain = figures.coefficients(slopes(), scale="log odds")
    np.testing.assert_allclose(marks(plain), [0.2, 0.5, 0.01])


def test_effects_are_percentage_points_and_name_their_reference_once() -> None:
    one = effects().query("level == 'Strongly approve'")
    ax = figures.coefficients(one)
    np.testing.assert_allclose(marks(ax), one["estimate"])
    assert {"income, compared with Low", "Middle", "High", "+4.0 (+2.0 to +6.0)"} <= set(texts(ax))
    assert any(np.allclose(line.get_xdata(), 0) for line in ax.lines)
    several = figures.coefficients(effects())
    assert sorted(marks(several)) == pytest.approx(sorted(effects()["estimate"]))
    assert [text for text in texts(several) if text in ANSWERS] == ANSWERS
    with pytest.raises(EstimationError, match=r"`scale` must be one of odds ratio, .*; got 'risk'"):
        figures.coefficients(slopes(), scale="risk")  # type: ignore[arg-type]


@pytest.mark.parametrize("numeric", [False, True])
def test_probabilities_have_a_line_per_answer(numeric: bool) -> None:
    frame = profiles(numeric)
    ax = figures.probabilities(frame, profile="education")
    for answer in ANSWERS:
        expected = frame.loc[frame["level"] == answer, "estimate"].to_numpy()
        assert any(np.size(line.get_ydata()) == 3 and np.allclose(line.get_ydata(), expected) for line in ax.lines), (
            answer
        )
    if not numeric:
        labels = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
        assert labels == GROUPS["Education"]
    with pytest.raises(EstimationError, match=r"must have one row per value of 'education'.*15 more rows"):
        figures.probabilities(pd.concat([frame, frame]))


def test_contrasts_of_levels_with_dashes_stay_whole() -> None:
    odd = effects().query("level == 'Strongly approve'").assign(contrast=["5 - 9 - 0 - 4", "10 - 19 - 0 - 4"])
    assert {"income", "5 - 9 - 0 - 4"} <= set(texts(figures.coefficients(odd)))


def test_margins_mark_sample_weighted_and_target() -> None:
    ax = figures.margins(margin_rows())
    expected = margin_rows()[["unweighted", "weighted", "target"]].to_numpy().T.ravel()
    np.testing.assert_allclose(marks(ax), expected)
    assert {"Unweighted", "Weighted", "Target", "59%", "53%"} <= set(texts(ax))


def test_weights_are_counted_as_multiples_of_their_mean() -> None:
    ax = figures.weights(weight_rows(), bins=10)
    heights = np.array([bar.get_height() for bar in bars(ax)])
    assert heights.sum() == 200
    assert ax.get_xlim() == pytest.approx((0.25, 1.75))
    counted = weight_rows().assign(n=3)
    assert sum(bar.get_height() for bar in bars(figures.weights(counted))) == 600
    with pytest.raises(EstimationError, match=r"`frame\['before'\]` must hold weights with a positive mean"):
        figures.weights(weight_rows().assign(before=0.0))
    with pytest.raises(EstimationError, match=r"`frame` must have the columns before, after; after not found"):
        figures.weights(weight_rows().drop(columns="after"))
    with pytest.raises(EstimationError, match=r"`frame` must have at least one row"):
        figures.weights(weight_rows().head(0))


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_neighbours_in_the_palette_contrast(levels: int) -> None:
    colours = palette(levels)
    assert len(colours) == levels
    assert all(contrast(one, two) >= 3 for one, two in itertools.pairwise(colours) if levels in (3, 5))
    assert len(set(palette(levels, "sequential"))) == levels
    assert all(contrast(colour, "#FFFFFF") >= 3 for colour in line_palette(levels))


@pytest.mark.parametrize("kind", COLOUR_BLIND)
def test_the_palette_is_safe_for_colour_blind_readers(kind: str) -> None:
    def seen(colour: str) -> str:
        rgb = np.array(mpl.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        mixed = np.clip(np.reshape(COLOUR_BLIND[kind], (3, 3)) @ linear, 0, 1)
        return str(mpl.colors.to_hex(np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)))

    shades = [seen(colour) for colour in DIVERGING]
    assert all(contrast(one, two) >= 2.5 for one, two in itertools.pairwise(shades))
    # The same step of both sides is told apart by hue.
    for left, right in ((0, 4), (1, 3)):
        apart = np.abs(np.subtract(mpl.colors.to_rgb(shades[left]), mpl.colors.to_rgb(shades[right])))
        assert apart.max() > 0.15


def test_more_levels_are_mixed_from_the_palette() -> None:
    seven = palette(7)
    assert len(set(seven)) == 7
    assert (seven[0], seven[3], seven[6]) == (DIVERGING[0], DIVERGING[2], DIVERGING[4])
    with pytest.raises(EstimationError, match="`levels` must be at least 1"):
        palette(0)


def test_lines_are_wrapped_to_their_width() -> None:
    lines = wrap("Neither approve nor disapprove of the systems", 1.2, 10)
    assert " ".join(lines) == "Neither approve nor disapprove of the systems"
    assert all(text_width(line, 10) <= 1.2 for line in lines)
    assert wrap("10,000-19,999", 0.7, 10) == ["10,000-", "19,999"]
    assert wrap("", 1, 10) == [""]


def test_bad_frames_are_refused() -> None:
    with pytest.raises(EstimationError, match=r"`tidy` must have the columns .*; conf_high not found among"):
        figures.dots(approval().drop(columns="conf_high"))
    with pytest.raises(EstimationError, match="`tidy` must have at least one row"):
        figures.dots(approval().head(0))
    with pytest.raises(EstimationError, match=r"`tidy` must be a frame or a result .*; dict was given"):
        frame_of({})  # type: ignore[arg-type]
    with pytest.raises(EstimationError, match="`alt` must say what the figure shows"):
        figures.save_figure(figures.dots(approval()), "never-written", "  ")


def test_alternative_texts_name_extremes_and_count_what_is_hidden() -> None:
    text = figures.describe(approval(), "dots", measure="Approval", reference=0.8)
    assert text.startswith("Dot plot with intervals. Approval: total 80%. Household income: from 72% (Under")
    assert text.endswith("1 not shown because unreliable, marked [u].")
    assert "20,000 and over" not in text
    composed = figures.describe(answers(), "composition", measure="Approval")
    assert "Strongly approve: 28% (Junior secondary) to 30% (University or college)." in composed
    assert "Approve: 76%" not in composed.split(". ")
    assert "1 not shown" in composed
    assert "1 with an interval above" not in figures.describe(slopes(), "coefficients")
    assert "2 with an interval above no difference, 0 below, 1 that" in figures.describe(slopes(), "coefficients")
    assert "6.3 points (Gender, Male)" in figures.describe(margin_rows().head(2), "margins")
    assert "after weighting from 0.25 to 1.75" in figures.describe(weight_rows(), "weights")
    assert "3 rows" in figures.describe(answers("term"), "likert")
    assert "for 3 rows" in figures.describe(profiles(), "probabilities")
    with pytest.raises(EstimationError, match=r"`chart` must be one of .*; got 'pie'"):
        figures.describe(approval(), "pie")  # type: ignore[arg-type]


def test_alternative_text_of_a_block_with_nothing_to_show() -> None:
    text = figures.describe(approval().query("variable == 'Urbanity'").assign(shown=False), "dots")
    assert "Urbanity: no figure reliable enough to show." in text


def test_odds_ratios_are_exponentiated_once() -> None:
    logs = slopes()
    ratios = as_odds_ratios(logs)
    assert ratios["kind"].unique().tolist() == ["odds ratio"]
    np.testing.assert_allclose(ratios["estimate"], np.exp(logs["estimate"][:3]))
    pd.testing.assert_frame_equal(as_odds_ratios(ratios), ratios)
    one, other = figures.coefficients(logs), figures.coefficients(ratios)
    for left, right in zip(one.lines, other.lines, strict=True):
        np.testing.assert_array_equal(np.asarray(left.get_xdata()), np.asarray(right.get_xdata()))
    assert describe(logs, "coefficients") == describe(ratios, "coefficients")
    assert "2 with an interval above no difference" in describe(ratios, "coefficients")
    with pytest.raises(EstimationError, match=r"`tidy` must hold slopes for scale='log odds'; it holds odds ratios"):
        figures.coefficients(ratios, scale="log odds")
    with_p = [frame.assign(p_value=0.5) for frame in (logs, ratios)]
    first, second = (odds_ratio_table(frame, id="odds").as_raw_html() for frame in with_p)
    assert first == second


def test_coefficients_are_slopes_on_their_own_scale() -> None:
    """Means were drawn as odds ratios, exp(50.4), and odds ratios as odds ratios of themselves."""
    fit = slopes().assign(std_error=0.1, df=60.0)
    with pytest.raises(
        EstimationError, match=r"`tidy` must hold slopes of a model or average effects; it holds shares"
    ):
        figures.coefficients(fit.assign(deff=1.0).drop(columns=["contrast"], errors="ignore"))
    with pytest.raises(EstimationError, match=r"`tidy` must hold slopes of a model or average effects"):
        figures.coefficients(fit.assign(kind="level"))


# Counts -----------------------------------------------------------------------------------------------------


def test_counts_stand_on_a_logarithmic_axis_with_their_numbers() -> None:
    ax = figures.counts(readers(), lowest=100)
    assert marks(ax).tolist() == pytest.approx([160_000, 240])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "1,000", "10,000", "100,000"]
    assert {"160,000", "240"} <= set(texts(ax))
    assert figures.describe(readers(), "counts", measure="Readers") == (
        "Dot plot on a logarithmic axis. Readers: The city's newsletter 160,000; A village's 240."
    )


@pytest.mark.parametrize("lowest", [0, 250])
def test_a_count_below_the_axis_is_refused(lowest: float) -> None:
    with pytest.raises(EstimationError, match=r"`lowest` must be above 0 and at most the smallest count"):
        figures.counts(readers(), lowest=lowest)


def test_palette_has_as_many_colours_as_levels() -> None:
    assert [len(set(figures.palette(levels))) for levels in (1, 5, 9)] == [1, 5, 9]
    assert figures.palette(3, "sequential")[-1] == SEQUENTIAL[-1]
