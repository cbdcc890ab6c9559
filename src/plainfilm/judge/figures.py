"""The figures of a report: learning curves, confusion matrices, ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, format_interval, interval_of
from plainfilm.core.looks import BLUE, GREEN, PURPLE, VERMILION, Dashes, Look, class_looks, shortened
from plainfilm.judge.drawing import FAINT, INK, SOFT, Picture, picture, wrapped

Heights = NDArray[np.float64]


def draw_report_figures(
    history: Sequence[Mapping[str, Any]], split: Mapping[str, Any], classes: Sequence[str], best_epoch: Any = None
) -> dict[str, Picture]:
    """All figures of a report, by name; those without data are left out.

    history: one mapping an epoch, as `Run.history` gives it; keys may be absent.
    split: one of metrics.json's splits, the one whose matrices and curves are shown.
    best_epoch: whose weights were kept, where that is known.
    """
    drawn = {
        "loss": picture(lambda: _history(history, _LOSSES, "Loss", best_epoch)),
        "scores": picture(lambda: _history(history, _SCORES, "Score", best_epoch)),
        "confusion_counts": picture(lambda: _confusion(split, classes, in_shares=False)),
        "confusion_shares": picture(lambda: _confusion(split, classes, in_shares=True)),
        "roc": picture(lambda: _curves(split, classes, _ROC)),
        "precision_recall": picture(lambda: _curves(split, classes, _PRECISION_RECALL)),
    }
    return {name: drawing for name, drawing in drawn.items() if drawing is not None}


# Learning curves -----------------------------------------------------------------------------------------------------

_LOSSES: dict[str, tuple[str, str, Dashes]] = {
    "train_loss": ("training", VERMILION, "--"),
    "val_loss": ("validation", BLUE, "-"),
}
_SCORES: dict[str, tuple[str, str, Dashes]] = {
    "train_accuracy": ("training accuracy", VERMILION, "--"),
    "val_accuracy": ("accuracy", BLUE, "-"),
    "val_balanced_accuracy": ("balanced accuracy", GREEN, "-"),
    "val_macro_auroc": ("macro AUROC", INK, "-"),
    "val_macro_f1": ("macro F1", PURPLE, "-"),
}


def _history(
    history: Sequence[Mapping[str, Any]], series: Mapping[str, tuple[str, str, Dashes]], title: str, best_epoch: Any
) -> tuple[Figure, str] | None:
    epoch = np.array([_number(record.get("epoch", place + 1)) for place, record in enumerate(history)])
    heights = {key: np.array([_number(record.get(key)) for record in history]) for key in series}
    heights = {key: height for key, height in heights.items() if np.isfinite(height).any()}
    if not heights:
        return None
    figure = Figure(figsize=(5.6, 3.7))
    axes = figure.add_subplot(xlabel="Epoch", xlim=(epoch[0] - 0.5, epoch[-1] + 0.5))
    axes.set_title(title, pad=14)
    for key, height in heights.items():
        label, colour, dashes = series[key]
        marker = "o" if np.isfinite(height).sum() < 3 else ""
        broad: dict[str, Any] = (
            {"linewidth": 4.0, "alpha": 0.45} if key == "val_accuracy" else {}
        )  # seen below a score that is equal
        axes.plot(epoch, height, color=colour, linestyle=dashes, marker=marker, markersize=4, label=label, **broad)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.08)
    if _number(best_epoch) in epoch:
        axes.axvline(best_epoch, color=SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=1, label="weights kept")
    _mark_growth(axes, epoch, [record.get("size") for record in history])
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    ends = ", ".join(f"{series[key][0]} {height[np.isfinite(height)][-1]:.3f}" for key, height in heights.items())
    return figure, f"{title} over {len(history)} epochs; at the end {ends}."


def _mark_growth(axes: Axes, epoch: Heights, size: Sequence[Any]) -> None:
    """Write the film's size where it changes, above the axes."""
    if len(set(size)) < 2:
        return
    for place, pixels in enumerate(size):
        if pixels is not None and (place == 0 or pixels != size[place - 1]):
            axes.axvline(epoch[place], color=FAINT, linewidth=1.2, zorder=0)
            axes.annotate(
                f"{pixels} px", (epoch[place], 1), xytext=(2, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=SOFT, fontsize=7,
            )  # fmt: skip


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


# Confusion matrices --------------------------------------------------------------------------------------------------

_CELL_INCHES = 0.84  # room for "0.93 to 0.97"
_LARGEST_INCHES = 20.0  # from 24 classes on, the cells and their letters shrink


def _confusion(split: Mapping[str, Any], classes: Sequence[str], *, in_shares: bool) -> tuple[Figure, str]:
    count = np.array(split["confusion"]["counts"])  # (C, C)
    share = [[interval_of(cell) for cell in row] for row in split["confusion"]["share"]]
    shade = np.array([[cell.value for cell in row] for row in share])
    side = min(len(classes) * _CELL_INCHES, _LARGEST_INCHES)
    letters = side / len(classes) / _CELL_INCHES
    figure = Figure(figsize=(max(2.6, side) + 1.8, max(2.2, side * 0.8) + 1.3))
    axes = figure.add_subplot(xlabel="Predicted", ylabel="True")
    axes.set_title("Share of the true class" if in_shares else "Films")
    axes.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for row, column in np.ndindex(count.shape):
        text = _share_text(share[row][column]) if in_shares else f"{count[row, column]:,}"
        colour = "white" if shade[row, column] > 0.8 else INK if count[row, column] else SOFT
        size = (7 if in_shares else 9) * letters
        axes.text(column, row, text, color=colour, ha="center", va="center", fontsize=size, linespacing=1.4)
    names = [wrapped(name, 18) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=35, ha="right", rotation_mode="anchor", fontsize=9 * letters)
    axes.set_yticks(range(len(classes)), names, fontsize=9 * letters)
    axes.tick_params(length=0, labelcolor=INK)
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


# ROC and precision-recall curves -------------------------------------------------------------------------------------

_TOGETHER = 6  # above so many classes, each gets a panel of its own
_PANELS_ABREAST = 4
_CORNER_FROM = 0.9  # from this area on, all happens in the upper corner, which is then shown enlarged


@dataclass(frozen=True)
class _Kind:
    """One of the two kinds of curve.

    key, along, area: where metrics.json holds its heights, its x and the area below it. title to area_name: in words.
    corner_x: where the corner lies that a good network reaches. inset_x: where there is room to show it enlarged.
    """

    key: str
    along: str
    area: str
    title: str
    x: str
    y: str
    area_name: str
    corner_x: tuple[float, float]
    inset_x: float


_ROC = _Kind(
    "roc", "fpr", "auroc", "ROC, one class against the rest", "1 − specificity", "Sensitivity", "AUROC", (0, 0.25), 0.42
)  # fmt: skip
_PRECISION_RECALL = _Kind(
    "pr", "recall", "average_precision", "Precision and recall, one class against the rest", "Recall (sensitivity)",
    "Precision", "Average precision", (0.75, 1), 0.1,
)  # fmt: skip


@dataclass(frozen=True)
class _Curve:
    """The curve of one class; x, height, low, high: (F,), area: below it, look: the class's."""

    name: str
    look: Look
    area: Interval
    x: Heights
    height: Heights
    low: Heights
    high: Heights

    def draw(self, axes: Axes, dashes: Dashes) -> None:
        axes.fill_between(self.x, self.low, self.high, color=self.look.colour, alpha=0.14, linewidth=0)
        axes.plot(self.x, self.height, color=self.look.colour, linestyle=dashes)


def _curves(split: Mapping[str, Any], classes: Sequence[str], kind: _Kind) -> tuple[Figure, str] | None:
    curves = []
    for name, look in class_looks(classes).items():
        area = interval_of(split["metrics"][f"{kind.area}/{name}"])
        lines = (split["curves"][kind.key][name][column] for column in (kind.along, "value", "low", "high"))
        if not np.isnan(area.value):
            curves.append(_Curve(name, look, area, *(np.array(line, np.float64) for line in lines)))
    if not curves:
        return None
    figure = _one_panel(curves, kind) if len(curves) <= _TOGETHER else _panels(curves, kind)
    listed = "; ".join(f"{curve.name} {format_interval(curve.area)}" for curve in curves)
    return figure, f"{kind.title}. {kind.area_name}: {listed}."


def _one_panel(curves: Sequence[_Curve], kind: _Kind) -> Figure:
    figure = Figure(figsize=(5.6, 5.0 + 0.2 * len(curves)))
    axes = figure.add_subplot(title=kind.title)
    _lay_out(axes, kind)
    panels = [axes]
    if min(curve.area.value for curve in curves) >= _CORNER_FROM:
        corner = axes.inset_axes((kind.inset_x, 0.12, 0.52, 0.52), xlim=kind.corner_x, ylim=(0.75, 1.005))
        corner.tick_params(labelsize=7, length=2)
        corner.annotate("enlarged", (0.5, 0.06), xycoords="axes fraction", ha="center", fontsize=7.5, color=SOFT)
        corner.spines[:].set_visible(True)
        panels.append(corner)
    for curve in curves:
        for panel in panels:
            curve.draw(panel, curve.look.dashes)
    handles = [Line2D([], [], color=curve.look.colour, linestyle=curve.look.dashes) for curve in curves]
    labels = [f"{shortened(curve.name, 34)}  {format_interval(curve.area)}" for curve in curves]
    figure.legend(
        handles, labels, loc="outside lower center", title=kind.area_name, title_fontsize=8.5, handlelength=2.4
    )
    return figure


def _panels(curves: Sequence[_Curve], kind: _Kind) -> Figure:
    rows = -(-len(curves) // _PANELS_ABREAST)
    figure = Figure(figsize=(10.4, 2.75 * rows + 0.3))
    figure.suptitle(f"{kind.title}; {kind.area_name} with interval", fontsize=9.5, x=0.01, ha="left")
    for place, curve in enumerate(curves):
        axes = figure.add_subplot(rows, _PANELS_ABREAST, place + 1)
        _lay_out(axes, kind)
        axes.label_outer()
        axes.set_title(f"{wrapped(curve.name, 26)}\n{format_interval(curve.area, 2)}", fontsize=8)
        axes.tick_params(labelsize=7)
        curve.draw(axes, "-")
    return figure


def _lay_out(axes: Axes, kind: _Kind) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=kind.x, ylabel=kind.y)
    axes.set_aspect("equal", adjustable="box")
    if kind is _ROC:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
