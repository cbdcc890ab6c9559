"""The figures of trust: reliability diagrams, predictive values over prevalence, error over the share that is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.looks import BLUE, VERMILION, class_looks
from plainfilm.judge.drawing import FAINT, INK, SOFT, Picture, picture, wrapped

_PANELS_ABREAST = 4


def draw_trust_figures(trust: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Picture]:
    """All figures, by name. trust: as `judge.trust.trust` gives it for the split that is shown."""
    drawn = {
        "reliability": picture(lambda: _reliability(trust["calibration"])),
        "predictive_values": picture(lambda: _predictive_values(trust["operating_points"], classes)),
        "selective": picture(lambda: _selective(trust["selective"])),
    }
    return {name: drawing for name, drawing in drawn.items() if drawing is not None}


def _reliability(calibration: Mapping[str, Any]) -> tuple[Figure, str]:
    figure = Figure(figsize=(8.4, 4.6))
    titles = {"before": "As the network gives them", "after": "Calibrated on validation films"}
    errors = {when: interval_of(calibration[when]["ece"]) for when in titles}
    for place, (when, title) in enumerate(titles.items()):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.set_title(f"{title}\nECE {format_interval(errors[when])}")
        _bins(axes, calibration["reliability"][when], [VERMILION, BLUE][place])
    told = "; ".join(f"{titles[when].lower()}: ECE {format_interval(errors[when])}" for when in titles)
    return figure, f"Reliability diagrams of the most probable class. {told}."


def _bins(axes: Axes, bins: Mapping[str, Sequence[float | None]], colour: str) -> None:
    """Accuracy over mean probability, each bin a dot as large as its share of the films; the films in each below."""
    films, probability, share = (_numbers(bins[name]) for name in ("films", "probability", "share"))
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
    known = films > 0
    axes.vlines(probability[known], probability[known], share[known], color=colour, linewidth=1.4, alpha=0.5)
    axes.scatter(
        probability[known],
        share[known],
        s=14 + 170 * np.sqrt(films[known] / films.sum()),
        color=colour,
        alpha=0.75,
        linewidth=0,
    )
    for x, y, count in zip(probability[known], share[known], films[known], strict=True):
        is_low = y < x
        axes.annotate(
            f"{count:,.0f}", (x, y), xytext=(-7 if is_low else 7, -9 if is_low else 6), textcoords="offset points", fontsize=6.5,
            color=SOFT, ha="right" if not is_low else "left", va="center", clip_on=False,
        )  # fmt: skip
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.04),
        xlabel="Mean probability of the class named",
        ylabel="Share named rightly",
    )
    axes.set_aspect("equal", adjustable="box")


def _predictive_values(points: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> tuple[Figure, str] | None:
    """PPV and NPV over prevalence at the thresholds for sensitivity, a panel a class."""
    known = [
        point
        for point in points
        if point["sensitivity"]["value"] is not None and point["specificity"]["value"] is not None
    ]
    chosen = [point for point in known if point["aim"] == "sensitivity"] or known
    if not chosen:
        return None
    looks = class_looks(classes)
    rows = -(-len(chosen) // _PANELS_ABREAST)
    abreast = min(len(chosen), _PANELS_ABREAST)
    figure = Figure(figsize=(2.6 * abreast + 0.4, 2.8 * rows + 0.7))
    for place, point in enumerate(chosen):
        axes = figure.add_subplot(rows, abreast, place + 1)
        colour = looks[point["label"]].colour
        x = np.array(point["curve"]["prevalence"])
        for name, dashes in (("ppv", "-"), ("npv", "--")):
            value, low, high = (_numbers(point["curve"][name][end]) for end in ("value", "low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
            axes.plot(x, value, color=colour, linestyle=dashes)
        axes.axvline(max(point["prevalence"], x[0]), color=FAINT, linewidth=1.4, zorder=0)
        for asked in point["at_prevalence"]:
            axes.axvline(asked["prevalence"], color=INK, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        axes.set(xscale="log", xlim=(x[0], x[-1]), ylim=(-0.02, 1.04), xlabel="Prevalence")
        axes.set_xticks([0.001, 0.01, 0.1, 0.5], ["0.1%", "1%", "10%", "50%"])
        axes.minorticks_off()
        axes.tick_params(labelsize=7)
        wanted = f"{point['aim']} {interval_of(point[point['aim']]).value:.2f} here"
        axes.set_title(f"{wrapped(point['label'], 24)}\n{wanted}", fontsize=8)
    handles = [Line2D([], [], color=INK, linestyle=dashes) for dashes in ("-", "--")]
    figure.legend(
        handles,
        ["PPV: of the films called positive, the share that are", "NPV: of the others, the share that are not"],
        loc="outside lower center",
        ncols=1 if abreast < 3 else 2,
    )
    return (
        figure,
        f"Predictive values over prevalence for {len(chosen)} classes, at the thresholds chosen on validation.",
    )


def _selective(selective: Mapping[str, Any]) -> tuple[Figure, str]:
    figure = Figure(figsize=(6.2, 3.6))
    axes = figure.add_subplot(xlabel="Share of the films that is answered", ylabel="Wrong among those")
    axes.set_title("Error over the share answered, the surest first")
    x, value, low, high = (_numbers(selective[name]) for name in ("coverage", "value", "low", "high"))
    axes.fill_between(x, low, high, color=BLUE, alpha=0.16, linewidth=0)
    axes.plot(x, value, color=BLUE)
    axes.set(xlim=(0, 1.01), ylim=(0, max(0.02, 1.1 * float(np.nanmax(high, initial=0)))))
    area = format_interval(interval_of(selective["area"]), 4)
    half = int(np.argmin(np.abs(x - 0.5)))
    return (
        figure,
        f"Error over the share answered: all {value[-1]:.3f}, the surest half {value[half]:.3f}; area below {area}.",
    )


def _numbers(column: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if number is None else number for number in column], np.float64)
