"""How matplotlib's figures look: the style, the fit of long names, and the files that come out.

A figure is a Figure of its own, without pyplot and its global state.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from plainfilm.core.looks import shortened

INK, SOFT, FAINT = "#1a212b", "#5a6472", "#e3e6eb"
_STYLE: Any = {
    "font.family": "sans-serif", "font.size": 9, "text.color": INK, "text.parse_math": False,
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.titlesize": 9.5, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": FAINT, "grid.linewidth": 0.8, "xtick.color": SOFT, "ytick.color": SOFT,
    "lines.linewidth": 1.7, "legend.frameon": False, "figure.facecolor": "white",
    "figure.constrained_layout.use": True, "svg.hashsalt": "plainfilm", "svg.fonttype": "path",
}  # fmt: skip
_PNG_DPI = 200  # twice a screen's
_WIDE_INCHES = 5.8  # from here on, half a page makes the letters too small


@dataclass(frozen=True)
class Picture:
    """One figure.

    svg: for the page. png: the same, for slides and papers.
    alt: what it shows, in words.
    is_wide: it needs a row of the page for itself.
    """

    svg: bytes
    png: bytes
    alt: str
    is_wide: bool


def picture(draw: Callable[[], tuple[Figure, str] | None]) -> Picture | None:
    """What `draw` draws and says, in our style; matplotlib is left as it was. None where there is nothing to draw."""
    with mpl.rc_context(_STYLE), _foreign_scripts_as_boxes():
        drawn = draw()
        if drawn is None:
            return None
        figure, alt = drawn
        layout = figure.get_layout_engine()
        assert layout is not None  # by _STYLE
        layout.execute(figure)
        figure.set_layout_engine("none")  # what was laid out for the one format serves the other
        svg, png = io.BytesIO(), io.BytesIO()
        # Not savefig, which goes through all that is drawn once more beforehand, for nothing.
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})  # type: ignore[no-untyped-call]
        figure.dpi = _PNG_DPI
        FigureCanvasAgg(figure).print_png(png)  # type: ignore[no-untyped-call]
    return Picture(svg.getvalue(), png.getvalue(), alt, figure.get_figwidth() > _WIDE_INCHES)


def wrapped(name: str, width: int) -> str:
    """The name on one line or two, broken after a blank, dash, slash or underscore, and shortened to fit."""
    if len(name) <= width:
        return name
    breaks = [match.end() for match in re.finditer(r"[\s_/-]+", name) if len(name[: match.end()].rstrip()) <= width]
    if not breaks:
        return shortened(name, width)
    return f"{name[: breaks[-1]].rstrip()}\n{shortened(name[breaks[-1] :], width)}"


@contextmanager
def _foreign_scripts_as_boxes() -> Iterator[None]:
    """Class names in a script that matplotlib's font lacks are drawn as boxes; the page's tables spell them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield
