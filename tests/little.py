"""The product with few bootstraps and no pictures, for tests in which neither is the question.

A report of sixty films takes ten seconds, mostly for intervals from 2,000 draws and for nine figures in two formats. What is
drawn is still made and described; only laying it out and writing it is left out. Tests of numbers, intervals, figures and pages
do without this: they use the product as it ships.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from plainfilm.judge import drawing, figures, trust_figures
from plainfilm.judge.evaluate import evaluate_predictions
from plainfilm.judge.judged import Resampling
from plainfilm.prepare import hints

REPEATS = 60
_ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
_NOTHING = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'


def make_little(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone."""
    patch.setitem(evaluate_predictions.__kwdefaults__, "repeats", REPEATS)
    patch.setattr(Resampling.__init__, "__defaults__", (REPEATS, *Resampling.__init__.__defaults__[1:]))  # type: ignore[index]
    patch.setattr(hints, "REPEATS", REPEATS)
    for room in (figures, trust_figures):
        patch.setattr(room, "picture", _sketch)


def _sketch(draw: Callable[[], tuple[Figure, str] | None]) -> drawing.Picture | None:
    with mpl.rc_context(drawing._STYLE):
        drawn = draw()
    return None if drawn is None else drawing.Picture(_NOTHING, _ONE_PIXEL, drawn[1], is_wide=False)
