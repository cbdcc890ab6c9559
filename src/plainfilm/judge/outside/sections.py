"""The parts of the page of `outside_page.py` that hold the numbers: scores, what films are called, subgroups, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import (
    Html,
    Section,
    bullets,
    estimate,
    figure,
    figures,
    folded,
    gallery,
    joined,
    numbers,
    paragraph,
    section,
    swatch,
    table,
    texts,
)
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.judge.gallery import LightBox, answers, surest_mistakes
from plainfilm.judge.outside.headlines import FAIR_FILMS, fair_contrasts, subgroup_sentences
from plainfilm.judge.score_tables import classification_report
from plainfilm.judge.subgroup_tables import subgroup_table
from plainfilm.judge.subgroups import COLUMNS

if TYPE_CHECKING:
    from plainfilm.judge.drawing import Picture

ROWS_SHOWN = 40
TITLES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_auroc": "Macro AUROC"}
_OVERALL = {
    **TITLES,
    "macro_f1": "Macro F1",
    "log_loss": "Log loss (lower is better)",
    "brier": "Brier score (lower is better)",
    "ece": "Expected calibration error (lower is better)",
}


@dataclass(frozen=True)
class OutsideEvidence:
    """All that the sections are written from; metrics: as on/NAME/metrics.json holds them."""

    run: Run
    manifest: Manifest
    predictions: Predictions
    calibration: Calibration
    metrics: Mapping[str, Any]
    colours: Mapping[str, str]
    pictures: Mapping[str, Picture]

    @property
    def scores(self) -> Mapping[str, Any]:
        """The measures of the judged films."""
        return self.metrics["scores"]  # type: ignore[no-any-return]

    def swatch(self, name: str) -> Html | str:
        """A class in its colour; any other label as text."""
        return swatch(self.colours[name], name) if name in self.colours else name

    def figure(self, name: str, caption: str) -> Html:
        """The figure of that name, or nothing where there was nothing to draw."""
        picture = self.pictures.get(name)
        return figure(picture.svg, picture.alt, caption, is_wide=picture.is_wide) if picture else Html()


# Scores ---------------------------------------------------------------------------------------------------------------


def scores_section(evidence: OutsideEvidence) -> Section:
    """The judged films: overall, by class, two classes at a time, curves."""
    scores = evidence.scores
    rows = [[title, estimate(interval_of(scores["metrics"][name]))] for name, title in _OVERALL.items()]
    footer = [["Films", f"{scores['films']:,}"], ["Groups", f"{scores['groups']:,}"]]
    as_split = {**evidence.metrics, "splits": {"test": scores}}
    areas = "ROC and precision-recall curves of the classes that are found here and have others to be told from."
    return section(
        "Scores",
        table("All judged films", [*texts("Measure"), *numbers("Here")], rows, footer=footer),
        classification_report(as_split, "test", evidence.colours),
        _pairwise(evidence),
        _foreign(evidence),
        folded(
            "Curves and confusion matrix",
            paragraph(areas),
            figures(
                evidence.figure("roc", "Dotted: guessing. Bands: intervals, point by point."),
                evidence.figure("precision_recall", "Guessing lies at the class's share of the films."),
                evidence.figure("confusion_counts", "In films, the judged ones."),
                evidence.figure("confusion_shares", "In shares of the true class, with interval."),
            ),
        ),
    )


def _pairwise(evidence: OutsideEvidence) -> Html:
    pairs = evidence.metrics["pairwise_auroc"]
    if not pairs:
        return paragraph("Films of one class alone: there are no two classes to be told apart.")
    shown = [pair for pair in pairs if pair["source"] is None] + fair_contrasts(pairs)
    rows = [
        [
            pair["source"] or "all films",
            joined(
                *(
                    evidence.swatch(name) if place == 0 else joined(" against ", evidence.swatch(name))
                    for place, name in enumerate(pair["classes"])
                )
            ),
            f"{pair['films'][0]:,} and {pair['films'][1]:,}",
            estimate(interval_of(pair["auroc"])),
        ]
        for pair in shown[:ROWS_SHOWN]
    ]
    more = len(pairs) - len(shown[:ROWS_SHOWN])
    return joined(
        paragraph(
            "Two classes at a time, told apart by the one's probability as a share of both. Within one source, neither"
            " hospital nor file can help: these are the fair contrasts."
        ),
        table("AUROC of each two classes", [*texts("Source", "Classes"), *numbers("Films", "AUROC")], rows),
        (
            paragraph(
                f"{more:,} more, most of fewer than {FAIR_FILMS} films of a class, are in metrics.json.", soft=True
            )
            if more > 0
            else ""
        ),
    )


def _foreign(evidence: OutsideEvidence) -> Html | str:
    """Our classes against the labels that the run does not know."""
    found = evidence.metrics["foreign_auroc"]
    if not found:
        return ""
    rows = [
        [
            joined(evidence.swatch(one["class"]), f" against {one['label']}"),
            f"{one['films'][0]:,} and {one['films'][1]:,}",
            estimate(interval_of(one["auroc"])),
        ]
        for one in found[:ROWS_SHOWN]
    ]
    return joined(
        paragraph(
            "Labels here that the run does not know: does it give the films of its own class a higher probability of that class?"
            " Where both come from one collection, its hospitals cannot help."
        ),
        table("AUROC against labels that it does not know", [*texts("Class"), *numbers("Films", "AUROC")], rows),
    )


def called_section(evidence: OutsideEvidence) -> Section:
    """What the run calls the films of each label there."""
    classes = evidence.predictions.classes
    rows = [
        [
            one["label"] or "no label",
            evidence.swatch(one["ours"]) if one["ours"] else "–",
            f"{one['films']:,}",
            *(_share(one["predicted"][name], one["films"]) for name in classes),
            estimate(interval_of(one["turned_away"])),
            estimate(interval_of(one["single_set"])) if one["single_set"] else "–",
        ]
        for one in evidence.metrics["called"]
    ]
    columns = [
        *texts("Label there", "Class of ours"),
        *numbers("Films", *(f"called {name}" for name in classes), "Turned away", "One class left"),
    ]
    return section(
        "What the run calls them",
        paragraph(
            "Every label there, a row; every class of the run, a column. A label without a class of ours has no right"
            " answer among these: the best that the run can do is to turn the film away, or to leave its prediction set"
            " empty or wide. “One class left”: the share of films whose prediction set names exactly one class, and so"
            " seems certain."
        ),
        table("Films, and share of the films of that label", columns, rows[:ROWS_SHOWN]),
        (
            paragraph(f"{len(rows) - ROWS_SHOWN:,} more labels are in metrics.json.", soft=True)
            if len(rows) > ROWS_SHOWN
            else ""
        ),
    )


def _share(films: int, of: int) -> Html:
    return joined(f"{films:,}", Html("<br>"), Html(f"<small>{films / of:.2f}</small>"))


def negatives_section(evidence: OutsideEvidence) -> Section:
    """How often a class is called that no labelled film has."""
    rows: list[Sequence[str]] = []
    for one in evidence.metrics["negatives"]:
        rows.append(
            [
                evidence.swatch(one["label"]),
                "the most probable class",
                f"{one['films']:,}",
                estimate(interval_of(one["called"])),
            ]
        )
        rows += [
            [
                "",
                f"above the threshold {point['threshold']:.4f} for {point['aim']} {point['wanted']:g}",
                f"{one['films']:,}",
                estimate(interval_of(point["share"])),
            ]
            for point in one["above"]
        ]
    return section(
        "False positives where a class is absent",
        paragraph(
            "Classes of the run that no labelled film here has. Films of its other classes are negative for sure, so the"
            " share that is called positive is the false-positive rate. What labels that the run does not know exclude,"
            " it cannot tell: these films count here only where there are no others."
        ),
        table(
            "Called positive",
            [*texts("Class", "Called where it is"), *numbers("Films", "False-positive rate")],
            rows,
        ),
    )


# Films ----------------------------------------------------------------------------------------------------------------


def subgroups_section(evidence: OutsideEvidence) -> Section:
    """By source, view, sex and age band."""
    found = evidence.metrics["differences"]
    sentences = subgroup_sentences(found)
    tested = counted(found["tested"], "subgroup")
    verdict = (
        bullets(sentences)
        if sentences
        else paragraph(
            f"{tested} held enough films to be tested against all others ({', '.join(found['names'])}); none differs"
            " beyond chance. The others are too few, or too often right or wrong, for a test."
            if found["tested"]
            else "No subgroup holds enough films for a test, so no difference is claimed."
        )
    )
    return section(
        "By source, view, sex and age",
        paragraph(
            "A subgroup that differs may do so for the classes and sources that it holds. Unknown is a subgroup of its"
            " own."
        ),
        verdict,
        *(
            folded(
                f"By {title}",
                subgroup_table(title, evidence.metrics["subgroups"][name], evidence.colours),
                is_open=name != "source",
            )
            for name, title in COLUMNS.items()
        ),
    )


def mistakes_section(evidence: OutsideEvidence) -> Section:
    """The surest mistakes, as pictures."""
    known = {one["image_id"] for one in evidence.metrics["left_out"]}
    given = answers(
        evidence.predictions.where(~evidence.predictions.table["image_id"].isin(known)), evidence.calibration
    )
    box = LightBox(evidence.manifest, evidence.run.preprocess, evidence.colours)
    surest = surest_mistakes(given)
    wrong = sum(answer.label != answer.predicted for answer in given)
    return section(
        "Surest mistakes",
        paragraph(
            f"{wrong:,} of {len(given):,} judged films are"
            f" misclassified{f'; below, the {len(surest)} of which the network was surest' if surest else ''}."
        ),
        gallery(map(box.show, surest)) if surest else "",
    )


def left_out_section(evidence: OutsideEvidence) -> Section:
    """The films that the run has met in training."""
    films = evidence.metrics["left_out"]
    rows = [[one["image_id"], one["label"] or "no label", one["why"], one["of"]] for one in films[:ROWS_SHOWN]]
    more = len(films) - ROWS_SHOWN
    return section(
        "Films that the run has met before",
        paragraph(
            "They are among its training, validation or test films, or share a group (patient or picture) with one that"
            " is, and count nowhere above."
        ),
        table("Left out", texts("Film", "Label", "Why", "Of"), rows),
        paragraph(f"{more:,} more are in metrics.json.", soft=True) if more > 0 else "",
    )
