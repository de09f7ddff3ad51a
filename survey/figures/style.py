"""The look of every figure: one palette, one system of type sizes, one way to a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from survey.errors import EstimationError
from survey.replacing import make_folder, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Brown to blue stays apart in every common colour blindness; the lightness falls from the neutral grey to
# both ends, so that neighbours differ by at least 3:1 in greyscale too. The brown side is the lighter one.
DIVERGING = ("#4D1900", "#BC5A0B", "#D6D6D6", "#2E6FAE", "#04193A")
SEQUENTIAL = ("#D6D6D6", "#8FB4D8", "#2E6FAE", "#0F3F74", "#04193A")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")  # told apart without colour

INK = "#1A1A1A"
MUTED = "#595959"
LINE = "#8C8C8C"
GRID = "#E3E3E3"
ACCENT = DIVERGING[3]
ACCENT_DARK = DIVERGING[4]
CONTRAST = DIVERGING[1]
PAPER = "#FFFFFF"

FONT = "DejaVu Sans"  # comes with matplotlib, so that every machine draws the same letters
WIDTH = 6.0  # inches; on a telephone 360 pixels wide the body text is then 9 pixels high
TITLE_SIZE = 13.0
TEXT_SIZE = 10.5
SMALL_SIZE = 9.5
DPI = 200

STYLE: dict[str, object] = {
    "font.family": [FONT],
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # "$25,000 to $50,000" is no formula
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": PAPER,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.solid_capstyle": "butt",
    "patch.linewidth": 0.0,
    "hatch.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "survey",
    "path.simplify": True,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The settings of all figures, for as long as the block lasts."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def palette(levels: int, scale: Literal["diverging", "sequential"] = "diverging") -> tuple[str, ...]:
    """Colours of ordered levels, from first to last.

    Up to five levels are steps of one fixed palette in which neighbours contrast by 3:1 (diverging); the
    middle one of an odd number is neutral grey. More levels are mixed from it, with less contrast.

    Parameters
    ----------
    levels : number of levels, at least 1.
    scale : `"diverging"` for levels around a middle, `"sequential"` for more and more of one thing.

    Returns
    -------
    Hexadecimal colours.

    Raises
    ------
    EstimationError : fewer than one level, or an unknown scale.
    """
    steps = {"diverging": DIVERGING, "sequential": SEQUENTIAL}.get(scale)
    if steps is None or levels < 1:
        raise EstimationError(
            f"`levels` must be at least 1 and `scale` one of 'diverging', 'sequential'; {levels!r} and "
            f"{scale!r} were given. Count the answers and choose one of the two."
        )
    chosen: dict[int, tuple[int, ...]]
    if scale == "diverging":
        chosen = {1: (3,), 2: (1, 4), 3: (1, 2, 3), 4: (0, 1, 3, 4), 5: (0, 1, 2, 3, 4)}
    else:
        chosen = {1: (2,), 2: (0, 2), 3: (0, 2, 4), 4: (0, 1, 2, 4), 5: (0, 1, 2, 3, 4)}
    if levels in chosen:
        return tuple(steps[i] for i in chosen[levels])
    rgb = np.array([_rgb(colour) for colour in steps])
    at = np.linspace(0, len(steps) - 1, levels)
    mixed = np.column_stack([np.interp(at, range(len(steps)), rgb[:, channel]) for channel in range(3)])
    return tuple("#" + "".join(f"{round(255 * float(value)):02X}" for value in row) for row in mixed)


def line_palette(levels: int) -> tuple[str, ...]:
    """`palette` for marks on white paper, where the neutral grey must be darker to be seen."""
    return on_paper(palette(levels))


def on_paper(colours: Sequence[str]) -> tuple[str, ...]:
    """Colours for marks on white paper: one that is too light to be seen there becomes a darker grey."""
    return tuple(LINE if contrast(colour, PAPER) < 3 else colour for colour in colours)


def shades_of(
    levels: Sequence[str], colours: Sequence[str] | None, scale: Literal["diverging", "sequential"] = "diverging"
) -> tuple[str, ...]:
    """A colour per answer: those given, or the palette.

    Raises
    ------
    EstimationError : not as many colours as answers.
    """
    if colours is None:
        return palette(len(levels), scale)
    if len(colours) != len(levels):
        raise EstimationError(
            f"`colours` must have one colour per answer; {len(colours)} were given for {len(levels)} "
            f"answers ({', '.join(levels)}). Pass as many, or none."
        )
    return tuple(colours)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21, by the web content accessibility guidelines."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of a hexadecimal colour, 0 (black) to 1 (white)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(colour: str) -> str:
    """White or near-black, whichever can be read on the colour."""
    return max((PAPER, INK), key=lambda ink: contrast(ink, colour))


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    width: float = text_to_path.get_text_width_height_descent(text, font, False)[0]
    return width / 72


def wrap(text: str, width: float, size: float, bold: bool = False) -> list[str]:
    """Lines of a text, none wider than `width` inches unless a single word is, or a part before a hyphen."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word, space in _words(paragraph, width, size, bold):
            longer = f"{line}{space if line else ''}{word}"
            if line and text_width(longer, size, bold) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise EstimationError(
            "`ax` must belong to a figure; axes that were removed from theirs were given. Make new axes."
        )
    return figure


def save_figure(ax: Axes, path_stem: str | os.PathLike[str], alt: str) -> dict[str, Path]:
    """Write a figure as SVG and PNG, the same bytes each time.

    Parameters
    ----------
    ax : axes of the figure.
    path_stem : path of the files without their endings; folders that lack are made.
    alt : text that stands for the picture (see `survey.figures.describe`), kept inside both files.

    Returns
    -------
    The files written, under "svg" and "png".

    Raises
    ------
    EstimationError : the text is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    if not alt.strip():
        raise EstimationError(
            "`alt` must say what the figure shows; an empty text was given. Pass the text of `survey.figures.describe`."
        )
    figure = figure_of(ax)
    stem = Path(path_stem)
    make_folder(stem.parent, argument="path_stem", error=EstimationError)
    files = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")}
    with figure_style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        tight = figure.get_tightbbox(renderer).padded(0.06)
        # Never narrower than the figure: figures of one width have type of one size on the page.
        box = Bbox([[min(tight.x0, 0.0), tight.y0], [max(tight.x1, figure.get_figwidth()), tight.y1]])
        with _replacing(files["svg"]) as svg, _replacing(files["png"]) as png:
            metadata = {"Date": None, "Creator": None, "Description": alt}
            figure.savefig(svg, format="svg", bbox_inches=box, metadata=metadata)
            figure.savefig(png, format="png", dpi=DPI, bbox_inches=box, metadata={"Software": None, "Description": alt})
    return files


def _replacing(path: Path) -> AbstractContextManager[Path]:
    """Path to write a picture to, which is put in place when all went well."""
    return replacing(path, argument="path_stem", error=EstimationError)


def _words(text: str, width: float, size: float, bold: bool) -> Iterator[tuple[str, str]]:
    """Words and what stands before them; one that is too wide for a line comes in its parts."""
    for word in text.split():
        parts = re.findall(r"[^-–/]+[-–/]?|[-–/]", word) if text_width(word, size, bold) > width else [word]
        yield parts[0], " "
        yield from ((part, "") for part in parts[1:])


def _rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of "#RRGGBB", 0 to 1."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
