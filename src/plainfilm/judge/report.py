"""The report of a run: one offline page that says what was measured, on what, how surely, and why one may doubt it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.files import make_directory, read_json, write_text, written_whole
from plainfilm.core.looks import class_looks
from plainfilm.core.manifest import SPLITS, Manifest, shown
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    cards,
    code,
    figure,
    figures,
    folded,
    gallery,
    heading,
    joined,
    link,
    page,
    paragraph,
    section,
)
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import MissingExtra
from plainfilm.judge.audit.page import verdict_block
from plainfilm.judge.audit.standing import standing
from plainfilm.judge.audit.words import tally
from plainfilm.judge.background import films_section, provenance_section, training_section
from plainfilm.judge.card.checklists import checklist_section, write_checklists
from plainfilm.judge.card.known import Facts, known_facts
from plainfilm.judge.card.model_card import card_section, write_model_card
from plainfilm.judge.doubts import find_doubts, scores_of_file
from plainfilm.judge.evaluate import SPLIT_NAMES, shown_split
from plainfilm.judge.gallery import LightBox, answers, right_by_class, surest_mistakes
from plainfilm.judge.score_tables import (
    classification_report,
    confusion_table,
    overall_table,
)
from plainfilm.judge.subgroup_tables import subgroup_table
from plainfilm.judge.subgroups import COLUMNS
from plainfilm.judge.trust_page import trust_sections

if TYPE_CHECKING:
    from plainfilm.judge.drawing import Picture

_CLASSES_LISTED = 6  # in the lead; more are counted


@dataclass(frozen=True)
class _Evidence:
    """All that the sections are written from.

    metrics: as `evaluate_predictions` gives them; split: the one that stands first; measured: its part of the metrics.
    calibration: what made answers of the scores. facts: the run's completion mark. colours: of the classes.
    pictures: the figures by name. known: what model card and checklists are filled in with.
    """

    run: Run
    manifest: Manifest
    predictions: Predictions
    metrics: Mapping[str, Any]
    split: str
    measured: Mapping[str, Any]
    calibration: Calibration
    facts: Mapping[str, Any]
    colours: Mapping[str, str]
    pictures: Mapping[str, Picture]
    known: Facts

    @property
    def classes(self) -> tuple[str, ...]:
        return self.predictions.classes

    @property
    def split_name(self) -> str:
        return SPLIT_NAMES[self.split]

    def figure(self, name: str, caption: str) -> Html:
        """The figure of that name, or nothing where there was nothing to draw."""
        picture = self.pictures.get(name)
        return figure(picture.svg, picture.alt, caption, is_wide=picture.is_wide) if picture else Html()


def write_report(run: Run, manifest: Manifest, predictions: Predictions, metrics: Mapping[str, Any]) -> Path:
    """Write report.html, one offline file, its figures as figures/*.png, model_card.md and checklists.md into the run.

    Returns the report's path.

    manifest: the one that was judged on. metrics: what `evaluate_predictions` gave for these predictions.
    Raises MissingExtra without matplotlib, CannotWrite where the disk refuses, BadRun where the records are damaged.
    """
    try:
        from plainfilm.judge.figures import draw_report_figures
        from plainfilm.judge.trust_figures import draw_trust_figures
    except ImportError as cause:
        raise MissingExtra("the report", "matplotlib") from cause
    facts = run.completion() if run.is_complete else {}
    split = shown_split(metrics)
    measured = metrics["splits"][split]
    pictures = draw_report_figures(run.history(), measured, predictions.classes, facts.get("best_epoch"))
    if "trust" in measured:
        pictures |= draw_trust_figures(measured["trust"], predictions.classes)
    evidence = _Evidence(
        run,
        manifest,
        predictions,
        metrics,
        split,
        measured,
        run.calibration(),
        facts,
        colours={name: look.colour for name, look in class_looks(predictions.classes).items()},
        pictures=pictures,
        known=known_facts(run, manifest, metrics),
    )
    write_model_card(run, evidence.known)
    write_checklists(run, evidence.known)
    folder = make_directory(run / "figures")
    for name, picture in evidence.pictures.items():
        with written_whole(folder / f"{name}.png") as temporary:
            temporary.write_bytes(picture.png)
    name = run.directory.resolve().name
    write_text(run / "report.html", page(f"Report on {name}", list(_sections(evidence)), lead=_lead(evidence)))
    return run / "report.html"


def rewrite_report(run: Run, manifest: Manifest) -> Path | None:
    """Write the report again from what the run holds, as after an audit; None where the run was never evaluated.

    manifest: the one that the run was trained on. Raises what write_report raises, and BadPredictions for a damaged table.
    """
    metrics, predictions = run / "metrics.json", run / "predictions.csv"
    if not (metrics.is_file() and predictions.is_file()):
        return None
    return write_report(run, manifest, Predictions.open(predictions), read_json(metrics))


def _sections(evidence: _Evidence) -> Iterator[Section]:
    """The report from top to bottom."""
    yield _result(evidence)
    yield films_section(evidence.run, evidence.manifest)
    yield training_section(evidence.run, evidence.facts, evidence.pictures)
    yield _scores(evidence)
    yield _confusion(evidence)
    yield _curves(evidence)
    if "trust" in evidence.measured:
        yield from trust_sections(
            evidence.measured["trust"],
            evidence.calibration,
            f"{evidence.split_name} films",
            evidence.colours,
            evidence.figure,
            is_fitted_on=evidence.split == "val",
        )
    yield _subgroups(evidence)
    yield from _gallery(evidence)
    yield card_section(evidence.run, evidence.known)
    yield checklist_section(evidence.known)
    yield provenance_section(evidence.run, evidence.manifest, evidence.metrics)


def _lead(evidence: _Evidence) -> str:
    config, classes = evidence.run.config, evidence.classes
    listed = f": {', '.join(classes)}" if len(classes) <= _CLASSES_LISTED else ""
    return f"{config.model} at {config.size} pixels on {len(classes)} classes{listed}"


def _result(evidence: _Evidence) -> Section:
    measured = evidence.measured["metrics"]
    titles = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_auroc": "Macro AUROC"}
    scores = [Card(title, *_value_and_interval(measured[name])) for name, title in titles.items()]
    readings = evidence.run.test_readings
    counts = [
        Card(
            f"{evidence.split_name.capitalize()} films",
            f"{evidence.measured['films']:,}",
            f"in {evidence.measured['groups']:,} groups",
        ),
        Card("Test split read", f"{readings:,}", "time for this run" if readings == 1 else "times for this run"),
    ]
    doubts = find_doubts(evidence.run, evidence.manifest, evidence.metrics)
    drawn = evidence.metrics["bootstrap"]
    return section(
        f"Result on the {evidence.split_name} split",
        _audit(evidence.run),
        cards([*scores, *counts]),
        paragraph(
            f"Below each score, its {drawn['level']:.0%} interval from {drawn['repeats']:,} bootstraps over groups. ",
            _commonest(evidence),
            _file_alone(evidence),
        ),
        *(alert(doubt.level, doubt.title, *doubt.sentences) for doubt in doubts),
    )


def _audit(run: Run) -> Html:
    """What the audit says of all scores below, or how to have it said."""
    found = standing(run)
    if found.audit is None:
        return paragraph(found.why_not, " Audit it: ", code("plainfilm audit RUN"), soft=True)
    where = link("The checks, one by one", "audit.html")
    return verdict_block(found.audit, paragraph(joined(tally(found.audit), " ", where, ".")))


def _value_and_interval(value: Mapping[str, float | None]) -> tuple[str, str]:
    number, _, ends = format_interval(interval_of(value)).partition(" ")
    return number, ends.strip("()")


def _commonest(evidence: _Evidence) -> str:
    """What the accuracy is to be held against."""
    support = {name: evidence.measured["metrics"][f"support/{name}"] for name in evidence.classes}
    commonest = max(support, key=lambda name: support[name])
    share = support[commonest] / evidence.measured["films"]
    return f"Always answering “{commonest}”, the commonest class, would reach an accuracy of {share:.3f} here."


def _file_alone(evidence: _Evidence) -> str:
    """What the scores are to be held against, where it was measured."""
    guess = scores_of_file(evidence.manifest)
    if not guess:
        return ""
    reached = {name: format_interval(interval_of(value)) for name, value in guess.items()}
    return (
        " Guessing from the file alone (size, format, compression, border, grey levels) reaches "
        f"an accuracy of {reached['accuracy']}, a balanced accuracy of {reached['balanced_accuracy']} and a macro AUROC of "
        f"{reached['macro_auroc']} on all films of the manifest."
    )


def _scores(evidence: _Evidence) -> Section:
    present = [name for name in reversed(SPLITS) if name in evidence.metrics["splits"]]
    reports = {name: classification_report(evidence.metrics, name, evidence.colours) for name in present}
    return section(
        "Classification report",
        overall_table(evidence.metrics),
        *(
            folded(f"{SPLIT_NAMES[name].capitalize()} split", report, is_open=name == evidence.split)
            for name, report in reports.items()
        ),
    )


def _confusion(evidence: _Evidence) -> Section:
    shade = "The darker, the larger the share of the true class."
    return section(
        "Confusion matrix",
        paragraph(f"{evidence.split_name.capitalize()} split; a row holds the films of one true class."),
        figures(
            evidence.figure("confusion_counts", f"In films. {shade}"),
            evidence.figure("confusion_shares", "In shares of the true class, with interval."),
        ),
        folded("The same as a table", confusion_table(evidence.measured, evidence.classes)),
    )


def _curves(evidence: _Evidence) -> Section:
    measured, films = evidence.measured["metrics"], evidence.measured["films"]
    chance = ", ".join(f"{name} {measured[f'support/{name}'] / films:.2f}" for name in evidence.classes)
    drawn = figures(
        evidence.figure("roc", "Dotted: guessing. Bands: intervals, point by point."),
        evidence.figure("precision_recall", f"Guessing lies at the class's share of the films: {chance}."),
    )
    is_drawn = {"roc", "precision_recall"} & set(evidence.pictures)
    return section(
        "ROC and precision-recall curves",
        paragraph(f"{evidence.split_name.capitalize()} split."),
        drawn if is_drawn else paragraph("There is one class only, so there is no curve."),
    )


def _subgroups(evidence: _Evidence) -> Section:
    """What holds for films of one source, one view, one sex, one age."""
    found = evidence.measured["subgroups"]
    known = {name: rows for name, rows in found.items() if any(one["value"] for one in rows)}
    unknown = [title for name, title in COLUMNS.items() if name not in known]
    first = next(iter(known), None)
    return section(
        "Subgroups",
        paragraph(
            f"{evidence.split_name.capitalize()} split. A subgroup that supplies one class only cannot show whether the "
            f"network tells that class from others.{f' Unknown for every film: {shown(unknown)}.' if unknown else ''}"
        ),
        *(
            folded(f"By {COLUMNS[name]}", subgroup_table(COLUMNS[name], rows, evidence.colours), is_open=name == first)
            for name, rows in known.items()
        ),
    )


def _gallery(evidence: _Evidence) -> Iterator[Section]:
    """Films as the network saw them."""
    of_split = evidence.predictions.where(evidence.predictions.table["split"] == evidence.split)
    given = answers(of_split, evidence.calibration)
    box = LightBox(evidence.manifest, evidence.run.preprocess, evidence.colours)
    right = right_by_class(given, evidence.classes)
    rows = (
        (
            heading(name),
            gallery(map(box.show, films)) if films else paragraph("No film of this class was classified correctly."),
        )
        for name, films in right.items()
    )
    yield section(
        "Sample films",
        paragraph(
            f"Correctly classified films of the {evidence.split_name} split, drawn by chance, as the network saw them, "
            "with the probability that it gave."
        ),
        *(piece for row in rows for piece in row),
    )
    wrong = sum(answer.label != answer.predicted for answer in given)
    surest = surest_mistakes(given)
    told = f"{wrong:,} of {len(given):,} films of the {evidence.split_name} split were misclassified"
    yield section(
        "Surest mistakes",
        paragraph(f"{told}; below, the {len(surest)} of which the network was surest." if surest else f"{told}."),
        gallery(map(box.show, surest)) if surest else "",
    )
