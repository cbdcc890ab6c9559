"""The figures of a report: learning curves, confusion matrices, ROC and precision-recall curves.

Each is drawn on a Figure of its own, without pyplot and its global state. A class has one colour and one line in all of
them, from a palette that the colour-blind tell apart (Okabe & Ito 2008); where colours run out, the line changes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.ranking import Floats
from plainfilm.judge.evaluate import interval_of

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6b4c9a")
Dashes = Literal["-", "--", ":", "-."]
_DASHES: tuple[Dashes, ...] = ("-", "--", ":", "-.")
_INK, _SOFT, _FAINT = "#1a212b", "#5a6472", "#e3e6eb"
_STYLE: Any = {
    "font.family": "sans-serif", "font.size": 9, "text.color": _INK, "text.parse_math": False,
    "axes.edgecolor": _SOFT, "axes.labelcolor": _INK, "axes.titlesize": 9.5, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": _FAINT, "grid.linewidth": 0.8, "xtick.color": _SOFT, "ytick.color": _SOFT,
    "lines.linewidth": 1.7, "legend.frameon": False, "figure.facecolor": "white", "figure.constrained_layout.use": True,
    "svg.hashsalt": "plainfilm", "svg.fonttype": "path",
}  # fmt: skip
_CELL_INCHES = 0.84  # room for "0.93 to 0.97"
_PNG_DPI = 200  # twice a screen's
_WIDE_INCHES = 5.8  # from here on, half a page makes the letters too small
_CURVES_TOGETHER = 6  # above so many classes, each gets a panel of its own
_CORNER_FROM = 0.9  # from this area on, all happens in the upper corner, which is then shown enlarged


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


@dataclass(frozen=True)
class Look:
    """How a class is drawn in every figure."""

    colour: str
    dashes: Dashes


def class_looks(classes: Sequence[str]) -> dict[str, Look]:
    """A colour and a line for every class; no two have both alike below 29 classes."""
    rounds = len(_PALETTE)
    return {name: Look(_PALETTE[i % rounds], _DASHES[i // rounds % len(_DASHES)]) for i, name in enumerate(classes)}


def draw_report_figures(
    history: Sequence[Mapping[str, Any]],
    split: Mapping[str, Any],
    classes: Sequence[str],
    best_epoch: int | None = None,
) -> dict[str, Picture]:
    """All figures of a report, by name; those without data are left out.

    history: one mapping an epoch, as `Run.history` gives it; keys may be absent.
    split: one of metrics.json's splits, the one whose matrices and curves are shown.
    best_epoch: whose weights were kept.
    """
    drawn: dict[str, Picture | None] = {
        "loss": _picture(lambda: _history(history, _LOSSES, "Loss", best_epoch)),
        "scores": _picture(lambda: _history(history, _SCORES, "Score", best_epoch)),
        "confusion_counts": _picture(lambda: _confusion(split, classes, in_shares=False)),
        "confusion_shares": _picture(lambda: _confusion(split, classes, in_shares=True)),
        "roc": _picture(lambda: _curves(split, classes, _ROC)),
        "precision_recall": _picture(lambda: _curves(split, classes, _PRECISION_RECALL)),
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _picture(draw: Callable[[], tuple[Figure, str] | None]) -> Picture | None:
    with mpl.rc_context(_STYLE), _foreign_scripts_as_boxes():
        drawn = draw()
        if drawn is None:
            return None
        figure, alt = drawn
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # what was laid out for the one format serves the other
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
        figure.savefig(png, format="png", dpi=_PNG_DPI)
    return Picture(svg.getvalue(), png.getvalue(), alt, figure.get_figwidth() > _WIDE_INCHES)


@contextmanager
def _foreign_scripts_as_boxes() -> Iterator[None]:
    """Class names in a script that matplotlib's font lacks are drawn as boxes; the page's tables spell them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


# Learning curves -----------------------------------------------------------------------------------------------------

_LOSSES: dict[str, tuple[str, str, Dashes]] = {
    "train_loss": ("training", "#d55e00", "--"),
    "val_loss": ("validation", "#0072b2", "-"),
}
_SCORES: dict[str, tuple[str, str, Dashes]] = {
    "train_accuracy": ("training accuracy", "#d55e00", "--"),
    "val_accuracy": ("accuracy", "#0072b2", "-"),
    "val_balanced_accuracy": ("balanced accuracy", "#009e73", "-"),
    "val_macro_auroc": ("macro AUROC", _INK, "-"),
    "val_macro_f1": ("macro F1", "#cc79a7", "-"),
}


def _history(
    history: Sequence[Mapping[str, Any]],
    series: Mapping[str, tuple[str, str, Dashes]],
    title: str,
    best_epoch: int | None,
) -> tuple[Figure, str] | None:
    epoch = np.array([record.get("epoch", place + 1) for place, record in enumerate(history)], np.float64)
    heights = {key: np.array([_number(record.get(key)) for record in history]) for key in series}
    heights = {key: height for key, height in heights.items() if np.isfinite(height).any()}
    if not heights:
        return None
    figure = Figure(figsize=(5.6, 3.7))
    axes = figure.add_subplot(xlabel="Epoch")
    axes.set_title(title, pad=14)
    for key, height in heights.items():
        label, colour, dashes = series[key]
        marker = "o" if np.isfinite(height).sum() < 3 else ""
        axes.plot(epoch, height, color=colour, linestyle=dashes, marker=marker, markersize=4, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.08)
    if best_epoch is not None and epoch.min() <= best_epoch <= epoch.max():
        axes.axvline(best_epoch, color=_SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=1, label="weights kept")
    _mark_growth(axes, epoch, [record.get("size") for record in history])
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    ends = ", ".join(f"{series[key][0]} {_last(height):.3f}" for key, height in heights.items())
    return figure, f"{title} over {len(history)} epochs; at the end {ends}."


def _mark_growth(axes: Axes, epoch: Floats, size: Sequence[Any]) -> None:
    """Write the film's size where it changes, above the axes."""
    if len(set(size)) < 2:
        return
    for place, pixels in enumerate(size):
        if pixels is not None and (place == 0 or pixels != size[place - 1]):
            axes.axvline(epoch[place], color=_FAINT, linewidth=1.2, zorder=0)
            axes.annotate(
                f"{pixels} px", (epoch[place], 1), xytext=(2, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=_SOFT, fontsize=7,
            )  # fmt: skip


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def _last(height: Floats) -> float:
    return float(height[np.isfinite(height)][-1])


# Confusion matrices --------------------------------------------------------------------------------------------------


def _confusion(split: Mapping[str, Any], classes: Sequence[str], *, in_shares: bool) -> tuple[Figure, str]:
    count = np.array(split["confusion"]["counts"])  # (C, C)
    share = [[interval_of(cell) for cell in row] for row in split["confusion"]["share"]]
    shade = np.array([[cell.value for cell in row] for row in share])
    side = len(classes) * _CELL_INCHES
    figure = Figure(figsize=(max(2.6, side) + 1.8, max(2.2, side * 0.8) + 1.3))
    axes = figure.add_subplot(xlabel="Predicted", ylabel="True")
    axes.set_title("Share of the true class" if in_shares else "Films")
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for row in range(len(classes)):
        for column in range(len(classes)):
            text = _share_text(share[row][column]) if in_shares else f"{count[row, column]:,}"
            colour = "white" if shade[row, column] > 0.8 else _INK if count[row, column] else _SOFT
            size = 7 if in_shares else 9
            axes.text(column, row, text, color=colour, ha="center", va="center", fontsize=size, linespacing=1.4)
    names = [wrapped(name, 18) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), names)
    axes.tick_params(length=0, labelcolor=_INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    right = f"{np.trace(count):,} of {count.sum():,} films lie on the diagonal"
    return figure, f"Confusion matrix in {'shares' if in_shares else 'counts'}, {len(classes)} classes; {right}."


def _share_text(share: Interval) -> str:
    if np.isnan(share.value):
        return "–"
    if np.isnan(share.low):
        return f"{share.value:.2f}"
    return f"{share.value:.2f}\n{share.low:.2f} to {share.high:.2f}"


# Curves --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """One of the two curves: where its data lie, what its axes say, and whose area stands in the legend."""

    key: str
    along: str
    title: str
    x: str
    y: str
    area: str
    area_name: str


_ROC = _Kind("roc", "fpr", "ROC, one class against the rest", "1 − specificity", "Sensitivity", "auroc", "AUROC")
_PRECISION_RECALL = _Kind(
    "pr", "recall", "Precision and recall, one class against the rest", "Recall (sensitivity)", "Precision",
    "average_precision", "Average precision",
)  # fmt: skip


def _curves(split: Mapping[str, Any], classes: Sequence[str], kind: _Kind) -> tuple[Figure, str] | None:
    looks, areas = (
        class_looks(classes),
        {name: interval_of(split["metrics"][f"{kind.area}/{name}"]) for name in classes},
    )
    known = [name for name in classes if not np.isnan(areas[name].value)]
    if not known:
        return None
    together = len(known) <= _CURVES_TOGETHER
    figure = _one_panel(split, looks, areas, known, kind) if together else _panels(split, looks, areas, known, kind)
    listed = "; ".join(f"{name} {format_interval(areas[name])}" for name in known)
    return figure, f"{kind.title}. {kind.area_name}: {listed}."


def _one_panel(
    split: Mapping[str, Any],
    looks: Mapping[str, Look],
    areas: Mapping[str, Interval],
    known: Sequence[str],
    kind: _Kind,
) -> Figure:
    figure = Figure(figsize=(5.6, 5.0 + 0.2 * len(known)))
    axes = figure.add_subplot(title=kind.title)
    _lay_out(axes, kind)
    for name in known:
        _draw_curve(axes, split, name, looks[name], kind)
    if min(areas[name].value for name in known) >= _CORNER_FROM:
        corner = axes.inset_axes((0.42, 0.12, 0.52, 0.52) if kind is _ROC else (0.1, 0.12, 0.52, 0.52))
        for name in known:
            _draw_curve(corner, split, name, looks[name], kind)
        corner.set(xlim=(0, 0.25) if kind is _ROC else (0.75, 1), ylim=(0.75, 1.005))
        corner.tick_params(labelsize=7, length=2)
        corner.annotate("enlarged", (0.5, 0.06), xycoords="axes fraction", ha="center", fontsize=7.5, color=_SOFT)
        corner.spines[:].set_visible(True)
    handles = [Line2D([], [], color=looks[name].colour, linestyle=looks[name].dashes) for name in known]
    labels = [f"{shortened(name, 34)}  {format_interval(areas[name])}" for name in known]
    figure.legend(
        handles, labels, loc="outside lower center", title=kind.area_name, title_fontsize=8.5, handlelength=2.4
    )
    return figure


def _panels(
    split: Mapping[str, Any],
    looks: Mapping[str, Look],
    areas: Mapping[str, Interval],
    known: Sequence[str],
    kind: _Kind,
) -> Figure:
    columns = 4
    rows = -(-len(known) // columns)
    figure = Figure(figsize=(10.4, 2.75 * rows + 0.3))
    figure.suptitle(f"{kind.title}; {kind.area_name} with interval", fontsize=9.5, x=0.01, ha="left")
    for place, name in enumerate(known):
        axes = figure.add_subplot(rows, columns, place + 1)
        _lay_out(axes, kind)
        axes.label_outer()
        _draw_curve(axes, split, name, Look(looks[name].colour, "-"), kind)
        axes.set_title(f"{wrapped(name, 26)}\n{format_interval(areas[name], 2)}", fontsize=8)
        axes.tick_params(labelsize=7)
    return figure


def _lay_out(axes: Axes, kind: _Kind) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=kind.x, ylabel=kind.y)
    axes.set_aspect("equal", adjustable="box")
    if kind is _ROC:
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, linestyle=(0, (1, 2)))


def _draw_curve(axes: Axes, split: Mapping[str, Any], name: str, look: Look, kind: _Kind) -> None:
    curve = split["curves"][kind.key][name]
    x, value, low, high = (np.array(curve[end], np.float64) for end in (kind.along, "value", "low", "high"))
    axes.fill_between(x, low, high, color=look.colour, alpha=0.14, linewidth=0)
    axes.plot(x, value, color=look.colour, linestyle=look.dashes)


# Names ---------------------------------------------------------------------------------------------------------------


def shortened(name: str, length: int) -> str:
    """The name, its middle left out where it is longer than `length`: both its ends tell it from others."""
    if len(name) <= length:
        return name
    head = (length - 1) * 2 // 3
    return f"{name[:head]}…{name[head + 1 - length :]}"


def wrapped(name: str, width: int) -> str:
    """The name on one line or two, broken after a blank, dash, slash or underscore, and shortened to fit."""
    if len(name) <= width:
        return name
    breaks = [match.end() for match in re.finditer(r"[\s_/-]+", name) if len(name[: match.end()].rstrip()) <= width]
    if not breaks:
        return shortened(name, width)
    return f"{name[: breaks[-1]].rstrip()}\n{shortened(name[breaks[-1] :], width)}"
