"""The page of a run on films from elsewhere: first what it is worth there, then everything that this rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.files import make_directory, write_text, written_whole
from plainfilm.core.looks import class_looks
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    bullets,
    cards,
    estimate,
    numbers,
    page,
    paragraph,
    section,
    table,
    texts,
)  # fmt: skip
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.errors import MissingExtra
from plainfilm.judge.background import provenance_section
from plainfilm.judge.outside.gap import GAP_MEASURES
from plainfilm.judge.outside.headlines import chosen_part, headlines
from plainfilm.judge.outside.sections import (
    ROWS_SHOWN,
    TITLES,
    OutsideEvidence,
    called_section,
    left_out_section,
    mistakes_section,
    negatives_section,
    scores_section,
    subgroups_section,
)
from plainfilm.judge.outside.vocabulary import near_sentences, vocabulary_of
from plainfilm.judge.trust_page import trust_sections

_KINDS = {
    "unseen": "Sources that no training film names",
    "unknown": "Unknown source",
    "seen": "Sources of training films",
    "all": "All films",
}


def write_outside_report(
    run: Run,
    manifest: Manifest,
    predictions: Predictions,
    calibration: Calibration,
    metrics: Mapping[str, Any],
    directory: Path,
) -> Path:
    """Write report.html and its figures into `directory`; returns the page's path.

    manifest: the films from elsewhere. metrics: as `judge.outside.judge_outside` gives them, with "readings" and "made".
    Raises MissingExtra without matplotlib, CannotWrite where the disk refuses.
    """
    try:
        from plainfilm.judge.figures import draw_report_figures
        from plainfilm.judge.trust_figures import draw_trust_figures
    except ImportError as cause:
        raise MissingExtra("the report", "matplotlib") from cause
    scores = metrics["scores"]
    pictures = {}
    if scores is not None:
        pictures = {
            **draw_report_figures([], scores, predictions.classes),
            **draw_trust_figures(scores["trust"], predictions.classes),
        }
    colours = {name: look.colour for name, look in class_looks(predictions.classes).items()}
    evidence = OutsideEvidence(run, manifest, predictions, calibration, metrics, colours, pictures)
    folder = make_directory(directory / "figures")
    for name, picture in pictures.items():
        with written_whole(folder / f"{name}.png") as temporary:
            temporary.write_bytes(picture.png)
    name, there = run.directory.resolve().name, directory.resolve().name
    config = run.config
    films = counted(metrics["counts"]["films"], "film")
    lead = (
        f"{config.model} at {config.size} pixels, trained on {run.manifest_path}, judged here on {films} of "
        f"{metrics['manifest']['path']}"
    )
    write_text(directory / "report.html", page(f"{name} on {there}", list(_sections(evidence)), lead=lead))
    return directory / "report.html"


def _sections(evidence: OutsideEvidence) -> Iterator[Section]:
    yield _worth(evidence)
    if evidence.metrics["gap"]["parts"]:
        yield _gap(evidence)
    yield _vocabulary(evidence)
    if evidence.metrics["scores"] is not None:
        yield scores_section(evidence)
    yield called_section(evidence)
    if evidence.metrics["negatives"]:
        yield negatives_section(evidence)
    if evidence.metrics["scores"] is not None:
        yield subgroups_section(evidence)
        yield from trust_sections(
            evidence.scores["trust"], evidence.calibration, "films from elsewhere", evidence.colours, evidence.figure
        )
        yield mistakes_section(evidence)
    if evidence.metrics["left_out"]:
        yield left_out_section(evidence)
    yield provenance_section(evidence.run, evidence.manifest, evidence.metrics)


# The first screen -----------------------------------------------------------------------------------------------------


def _worth(evidence: OutsideEvidence) -> Section:
    metrics, counts = evidence.metrics, evidence.metrics["counts"]
    first, *others = headlines(metrics)
    told = [
        f"{counted(counts['judged'], 'film')} are judged.",
        (
            f"{counted(counts['foreign'], 'film')} bear a label that the run has no class for."
            if counts["foreign"]
            else ""
        ),
        f"{counted(counts['unlabelled'], 'film')} bear no label: answered, not judged." if counts["unlabelled"] else "",
        f"{counted(counts['left_out'], 'film')} the run has met before and are left out." if counts["left_out"] else "",
        f"{counted(counts['unreadable'], 'film')} cannot be read." if counts["unreadable"] else "",
        "All readable films count, whatever split their manifest gives them.",
    ]
    return section(
        "What it is worth here",
        alert(first.level, first.title, *first.sentences),
        _cards(evidence),
        paragraph(" ".join(filter(None, told))),
        *(alert(doubt.level, doubt.title, *doubt.sentences) for doubt in others),
    )


def _cards(evidence: OutsideEvidence) -> Html:
    if evidence.metrics["scores"] is None:
        return Html()
    measured = evidence.scores["metrics"]
    found = []
    for name, title in TITLES.items():
        value, _, ends = format_interval(interval_of(measured[name])).partition(" ")
        found.append(Card(title, value, ends.strip("()")))
    away = evidence.scores["trust"].get("turned_away")
    if away:
        value, _, ends = format_interval(interval_of(away["share"])).partition(" ")
        found.append(Card("Turned away", value, ends.strip("()")))
    readings = evidence.metrics["readings"]
    found.append(Card("These films read", f"{readings:,}", f"time{'s' if readings > 1 else ''} for this run"))
    return cards(found)


# Seen and unseen ------------------------------------------------------------------------------------------------------


def _gap(evidence: OutsideEvidence) -> Section:
    gap = evidence.metrics["gap"]
    own = {"test": "test", "val": "validation"}.get(gap["own"], "")
    rows = [
        [
            _KINDS[part["sources"]] if place == 0 else "",
            TITLES[name],
            *(estimate(interval_of(part[name][side])) for side in ("own", "there", "loss")),
            f"{part['own_films']:,}",
            f"{part['films']:,}",
        ]
        for part in gap["parts"]
        if "accuracy" in part
        for place, name in enumerate(GAP_MEASURES)
    ]
    columns = [*texts("Films here", "Measure"), *numbers("Own films", "Here", "Loss", "Own films", "Films here")]
    chosen = chosen_part(evidence.metrics)
    named = [
        paragraph(f"{_KINDS[part['sources']]}: {'; '.join(part['names'][:ROWS_SHOWN])}.", soft=True)
        for part in gap["parts"]
        if part["sources"] in ("unseen", "seen") and part["names"]
    ]
    shared = chosen["classes"] if chosen else []
    return section(
        "Seen and unseen sources",
        paragraph(
            f"The run's own {own} films of the same classes ({', '.join(shared)}) against the films here; the accuracy on"
            " its own films is told at the mix of classes of the films here. A source is seen where a training film names it,"
            " exactly; where none is named, nobody can tell. The two sides are"
            " independent films, and the interval of the loss is put together from theirs."
        ),
        (
            table("What is lost", columns, rows)
            if rows
            else paragraph("The run holds no scores of own films of these classes.")
        ),
        *named,
    )


def _vocabulary(evidence: OutsideEvidence) -> Section:
    vocabulary = vocabulary_of(evidence.metrics["vocabulary"])
    films = {one["label"]: one["films"] for one in evidence.metrics["called"]}
    rows = [
        [
            evidence.swatch(our),
            ", ".join(theirs) or "missing there",
            (
                "named by --map"
                if set(theirs) & set(vocabulary.stated)
                else "the same name"
                if theirs
                else "no film: its recall is unknown"
            ),
            f"{sum(films.get(label, 0) for label in theirs):,}",
        ]
        for our in evidence.predictions.classes
        for theirs in [[label for label, ours in vocabulary.ours.items() if ours == our]]
    ]
    rows += [
        ["none", label, "not a class of the run: never scored", f"{films.get(label, 0):,}"]
        for label in vocabulary.foreign
    ]
    if films.get(""):
        rows.append(["none", "no label", "unknown: answered, not judged", f"{films['']:,}"])
    near = near_sentences(vocabulary)
    return section(
        "Whose class is whose",
        table(
            "Classes of the run, and labels there", [*texts("Ours", "Theirs", "Matched by"), *numbers("Films")], rows
        ),
        bullets(near) if near else "",
    )
