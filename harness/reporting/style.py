"""How figures look: one colour, marker and line an arm, the same in every figure of a report."""

from __future__ import annotations

import gc
import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from harness.reporting.glyphs import FONT_FAMILY, drawable
from harness.reporting.numbers import power_of_ten, readable, setting

# Ten colours told apart with any of the common colour-vision deficiencies (Okabe & Ito 2008; Tol 2021),
# the darker first, and ten markers: an arm is never known by its colour alone.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#332288",
    "#E69F00", "#56B4E9", "#882255", "#117733", "#666666",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "p", "<", ">", "h")
Dashes = Literal["-", "--", "-.", ":"]
LINES: tuple[Dashes, ...] = ("-", "--", "-.", ":")

INK = "#1f2933"
MUTED = "#7b8794"
GRID = "#e4e7eb"
WARNING = "#b42318"
RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 20, 50, 100)
PANEL_TICKS = 4
MOST_SHAPES = 1000  # of one plot of runs: more of them are drawn as pixels
DPI = 300  # of what is drawn as pixels
WIDTH = 7.2  # inches: the text's width on A4, and a page's column

RC: dict[str, Any] = {
    "font.family": FONT_FAMILY,
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # no search for what a title might cover: nothing of ours lies above the axes
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.2,
    "ytick.labelsize": 7.2,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # names come from users: a dollar sign is a dollar sign
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
}


class ArmStyle(NamedTuple):
    """How an arm is drawn."""

    colour: str
    marker: str
    line: Dashes
    name: str = ""  # as figures print it
    group: str = ""  # the panel it is drawn in where arms are too many for one


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """A style for each arm, by its place in the design; beyond ten arms the line changes too."""
    return {
        arm: ArmStyle(COLOURS[i % 10], MARKERS[i % 10], LINES[i // 10 % len(LINES)], arm)
        for i, arm in enumerate(arms)
    }


@contextmanager
def drawing() -> Iterator[None]:
    """Everything is drawn in here: the style, and nothing else, decides how figures look.

    No garbage is collected meanwhile: the tens of thousands of objects of a figure live as long as it does,
    and looking through them and all that is imported over and over takes a tenth of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)  # type: ignore[arg-type]
            yield
    finally:
        if collecting:
            gc.enable()


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches, which lays itself out. It belongs to no global state."""
    figure = Figure(figsize=(width, height), dpi=72, layout="constrained")
    FigureCanvasSVG(figure)  # texts are measured as they will be drawn
    return figure


def new_grid(n: int, columns: int, panel_height: float, **shared: bool) -> tuple[Figure, list[Any]]:
    """A figure of n panels in rows, unused cells left out; sizes in inches."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = new_figure(panel_height * rows + 0.45, WIDTH if columns > 1 else WIDTH * 0.62)
    axes = figure.subplots(
        rows, columns, squeeze=False, sharex=shared.get("sharex", False), sharey=shared.get("sharey", False)
    ).ravel()
    for spare in axes[n:]:
        spare.remove()
    for above in axes[max(0, n - columns) : n]:
        above.tick_params(labelbottom=True)
    for panel in axes[:n]:  # few ticks: panels are small, and ticks are most of the time it takes to draw
        panel.locator_params(nbins=PANEL_TICKS)
    return figure, list(axes[:n])


def log_axis(axis: Any) -> None:
    """Label a logarithmic axis without mathtext: plain numbers from 0.01 to 100, else powers of ten.

    Call it once the axis has its data: over less than two decades 2 and 5 times the powers are ticks too.
    """
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda v, _: power_of_ten(float(v))))
    axis.set_minor_locator(NullLocator())  # minor ticks would be half the time it takes to draw a report


def long_axis(axes: Any, linear_up_to: float) -> None:
    """Make a horizontal axis that starts at 0 logarithmic from some value on; plain labels, as `log_axis`."""
    axes.set_xscale("symlog", linthresh=linear_up_to)
    _, high = axes.get_xlim()
    first, last = math.ceil(math.log10(linear_up_to)), math.floor(math.log10(max(high, linear_up_to)))
    powers = [10.0**e for e in range(first, last + 1)]
    axes.xaxis.set_major_locator(FixedLocator([0, *(powers if len(powers) < 4 else powers[1::2])]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: power_of_ten(float(v)) if v else "0"))
    axes.xaxis.set_minor_locator(NullLocator())


def ratio_axis(axis: Any) -> None:
    """Make an axis logarithmic and label it at ratios that people use, few of them."""
    axis.axes.set_yscale("log")
    low, high = axis.axes.get_ylim()
    ticks = [t for t in RATIOS if low <= t <= high]
    axis.set_major_locator(FixedLocator(ticks if len(ticks) <= 8 else ticks[::2]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: setting(float(v))))
    axis.set_minor_locator(NullLocator())


def shown(text: str) -> str:
    """A name or a label as figures print it: numbers readable, every character drawable."""
    return drawable(readable(text))


def wrapped(text: str, width: int = 34) -> str:
    """A label in lines that fit beside its axis."""
    return "\n".join(textwrap.wrap(shown(text), width)) or ""


def plain_axis(axis: Any) -> None:
    """Label a linear axis in plain numbers."""
    axis.set_major_formatter(FuncFormatter(lambda v, _: setting(round(float(v), 10))))


def value_axis(axes: Any, log: bool) -> None:
    """Label a vertical axis that is to be logarithmic, or linear. Call it once the axis has its data."""
    if log:
        axes.set_yscale("log")
        log_axis(axes.yaxis)
    else:
        plain_axis(axes.yaxis)


def to_svg(figure: Figure) -> str:
    """The figure as SVG, the same text for the same figure: no date, no comments, two decimals.

    Marks of thousands of runs become pixels: as shapes they would be most of a report's size and memory.
    """
    for axes in figure.axes:
        _simplify(axes)
    for artist in figure.findobj(_has_many_marks):
        artist.set_rasterized(True)
    engine = figure.get_layout_engine()
    if engine is not None:  # once is enough: saving would lay the figure out, and draw it, twice
        engine.execute(figure)
        figure.set_layout_engine(None)
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", dpi=DPI, metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<= d=")[^"]+', lambda m: _rounded(m.group()), text)
    return re.sub(r"\n\s*", "\n", text)


def _has_many_marks(artist: Any) -> bool:
    """Whether it is more points, or lines of a collection, than are drawn as shapes."""
    if isinstance(artist, Line2D):
        return artist.get_marker() not in ("", "None", None) and np.size(artist.get_xdata()) > MOST_SHAPES
    return isinstance(artist, LineCollection) and len(artist.get_paths()) > MOST_SHAPES


def _simplify(axes: Any) -> None:
    """Drop what costs time and shows nothing: ticks out of view, places searched for empty labels.

    Spines are left out of the layout, for they lie on the axes, and measuring one places all ticks.
    """
    for spine in axes.spines.values():
        spine.set_in_layout(False)
    for axis in (axes.xaxis, axes.yaxis):
        if not axis.get_label_text():
            axis.set_label_coords(0.5, 0.5)
        if not isinstance(axis.get_major_locator(), FixedLocator):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            seen = [t for t in axis.get_majorticklocs() if low - slack <= t <= high + slack]
            axis.set_major_locator(FixedLocator(seen))


def _rounded(path: str) -> str:
    """Coordinates to a hundredth of a point: a third of the size, and nobody sees it."""
    short = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}".rstrip("0").rstrip("."), path)
    return short.replace("\n", " ").strip()
