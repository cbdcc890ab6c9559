"""The parts of a report that say how far answers can be trusted: calibration, thresholds, prediction sets, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.manifest import shown
from plainfilm.core.page import (
    Html,
    Section,
    alert,
    bullets,
    estimate,
    figures,
    joined,
    numbers,
    paragraph,
    section,
    swatch,
    table,
    texts,
)
from plainfilm.core.words import counted

_MEASURES = {
    "ece": "Expected calibration error (ECE)",
    "classwise_ece": "ECE, mean over classes",
    "brier": "Brier score",
    "log_loss": "Log loss",
}
_HARDLY = 0.05  # a temperature between 0.95 and 1.05 changes next to nothing
Figure = Callable[[str, str], Html]


def trust_sections(
    trust: Mapping[str, Any],
    calibration: Calibration,
    whose: str,
    colours: Mapping[str, str],
    figure: Figure,
    *,
    is_fitted_on: bool = False,
) -> Iterator[Section]:
    """Three sections. trust: as `judge.trust.trust` gives it for the films that are shown.

    whose: what those are called, such as "test films". figure: the figure of a name, with a caption; nothing where there is none.
    is_fitted_on: whether they are the very films that the calibration was fitted on.
    """
    is_flattered = is_fitted_on and calibration.films > 0
    told = "What follows was fitted on these very films, and says nothing of new ones."
    caution = paragraph(told) if is_flattered else Html()
    is_scaled = calibration.scaling.kind != "none"
    yield _calibration(trust["calibration"], calibration, whose, figure, caution if is_scaled else Html())
    if trust["operating_points"]:
        yield _operating_points(trust["operating_points"], whose, colours, figure, caution)
    yield _abstention(trust, calibration, whose, colours, figure, caution)


def scaling_text(calibration: Calibration) -> str:
    """How probabilities were made of logits, in one sentence."""
    scaling = calibration.scaling
    rests = f"fitted on {counted(calibration.films, 'validation film')} in {counted(calibration.groups, 'group')}"
    if scaling.kind == "none":
        return "Probabilities are the plain softmax of the network's logits."
    if scaling.kind == "vector":
        return (
            f"Probabilities are rescaled by vector scaling, a weight and a bias a class, {rests}; on films that it was not "
            "fitted on it was surely better than one temperature."
        )
    if abs(math.log(scaling.temperature)) < _HARDLY:
        meaning = "the network's probabilities were about right as they are"
    else:
        meaning = f"the network was {'surer' if scaling.temperature > 1 else 'less sure'} of itself than it should be"
    return f"Probabilities are rescaled by one temperature, {scaling.temperature:.3f}, {rests}: {meaning}."


def _calibration(
    found: Mapping[str, Any], calibration: Calibration, whose: str, figure: Figure, caution: Html
) -> Section:
    rows = (
        [title, *(estimate(interval_of(found[when][name]), 4) for when in ("before", "after"))]
        for name, title in _MEASURES.items()
    )
    return section(
        "Calibration",
        caution,
        paragraph(
            f"Does a probability of 0.9 come true nine times in ten? Judged on the {whose}. {scaling_text(calibration)} "
            "All other numbers of this report rest on the calibrated probabilities."
        ),
        figures(
            figure(
                "reliability",
                "A dot a bin, as large as its films, their number beside it. On the dotted line, probabilities say what is.",
            )
        ),
        table("Lower is better in every row", [*texts("Measure"), *numbers("Before", "After")], rows),
        paragraph(
            "Chance makes a calibration error too large on few films, never too small; its interval makes up for that, the number "
            "does not.",
            soft=True,
        ),
        bullets(f"{note[0].upper()}{note[1:]}." for note in calibration.notes) if calibration.notes else "",
    )


def _operating_points(
    points: Sequence[Mapping[str, Any]], whose: str, colours: Mapping[str, str], figure: Figure, caution: Html
) -> Section:
    columns = [
        *texts("Class", "Chosen for"),
        *numbers("Threshold", "On validation", "Sensitivity", "Specificity", "PPV here", "NPV here", "Share here"),
    ]
    rows = (
        [
            swatch(colours[point["label"]], point["label"]),
            f"{point['aim']} {point['wanted']:g}",
            f"{point['threshold']:.4f}",
            joined(f"{point['reached']:.3f}", Html("<br>"), f"of {point['rests_on']:,} films"),
            *(estimate(interval_of(point[name])) for name in ("sensitivity", "specificity", "ppv", "npv")),
            f"{point['prevalence']:.1%}",
        ]
        for point in points
    )
    asked = [(point, at) for point in points for at in point["at_prevalence"]]
    return section(
        "Operating points",
        caution,
        paragraph(
            f"A class is called where its probability reaches the threshold. Thresholds were chosen on validation films and "
            f"are judged here on the {whose}."
        ),
        table("One class against the rest, at its thresholds", columns, rows),
        _at_prevalence(asked, colours),
        figures(
            figure(
                "predictive_values",
                "At the thresholds for sensitivity; bands are intervals. Grey, upright: how common the class is among these films."
                f"{' Dashed, upright: the prevalence that was asked for.' if asked else ''}",
            )
        ),
        paragraph(
            "Predictive values hold for the share of positive films that a place has. Collections have many more of them than "
            "a clinic does: read the value at the prevalence of the place, and expect worse, since sensitivity and "
            "specificity change from place to place as well.",
            soft=True,
        ),
    )


def _at_prevalence(asked: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], colours: Mapping[str, str]) -> Html:
    if not asked:
        return paragraph(
            "plainfilm evaluate --prevalence CLASS=SHARE gives the predictive values where a class is rarer.", soft=True
        )
    rows = (
        [
            swatch(colours[point["label"]], point["label"]),
            f"{point['aim']} {point['wanted']:g}",
            f"{at['prevalence']:.2%}",
            estimate(interval_of(at["ppv"])),
            estimate(interval_of(at["npv"]), 4),
            "unknown" if at["ppv"]["value"] is None else f"{round(1000 * at['ppv']['value']):,} of 1,000",
        ]
        for point, at in asked
    )
    columns = [*texts("Class", "Chosen for"), *numbers("Prevalence", "PPV", "NPV", "Positives that are right")]
    return table("At the prevalence that was asked for", columns, rows)


def _abstention(
    trust: Mapping[str, Any],
    calibration: Calibration,
    whose: str,
    colours: Mapping[str, str],
    figure: Figure,
    caution: Html,
) -> Section:
    return section(
        "Abstention",
        caution,
        *_turned_away(trust.get("turned_away"), whose),
        *_prediction_sets(trust.get("prediction_sets"), calibration, whose, colours),
        figures(
            figure(
                "selective",
                "Where sureness means something, fewer of the surest are wrong. Band: interval, point by point.",
            )
        ),
    )


def _turned_away(found: Mapping[str, Any] | None, whose: str) -> Iterator[Html]:
    if found is None:
        yield paragraph("Whether a picture is a chest film like those of the training.")
        return
    share, rest = (format_interval(interval_of(found[name])) for name in ("share", "accuracy_of_the_rest"))
    reasons = "; ".join(f"{reason}: {films:,}" for reason, films in found["reasons"].items())
    yield paragraph(
        "A picture that is no frontal chest film, or lies far from all training films, gets no answer. Of the "
        f"{whose} {share} are turned away{f' ({reasons})' if reasons else ''}. Accuracy on the others: {rest}."
    )


def _prediction_sets(
    found: Mapping[str, Any] | None, calibration: Calibration, whose: str, colours: Mapping[str, str]
) -> Iterator[Html]:
    if found is None:
        return
    told = {
        name: format_interval(interval_of(found[name]))
        for name in ("coverage", "size", "single", "single_accuracy", "empty")
    }
    yield paragraph(
        "A prediction set holds every class that cannot be ruled out at an error of "
        f"{found['error']:g}, class by class (conformal prediction). "
        f"Of the {whose}, it holds the truth for {told['coverage']}, and has {told['size']} classes; "
        f"{told['single']} of the films have exactly one, and of these {told['single_accuracy']} are right; "
        f"{told['empty']} have none: like no class."
    )
    rows = (
        [
            swatch(colours[name], name),
            f"{one['films']:,}",
            estimate(interval_of(one["coverage"])),
            estimate(interval_of(one["size"])),
            f"{len(known):,}",
        ]
        for (name, one), known in zip(
            found["by_class"].items(), calibration.conformal.probability if calibration.conformal else (), strict=True
        )
    )
    columns = [
        *texts("True class"),
        *numbers("Films", f"Set holds it (wanted {1 - found['error']:g})", "Mean set size", "Validation films"),
    ]
    yield table("Prediction sets by true class", columns, rows)
    missed = [name for name, one in found["by_class"].items() if interval_of(one["coverage"]).high < 1 - found["error"]]
    if missed:
        yield alert(
            "warning",
            f"The sets hold less than was wanted: {shown(missed)}",
            "Validation films do not stand for these: they are few, or helped to choose the weights, or differ from these.",
        )
