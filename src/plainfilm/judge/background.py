"""What stands behind the numbers of a report: the films and their split, the training, and what made the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from plainfilm.core.association import films_by_source
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import provenance, read_json
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.page import (
    Html,
    Section,
    code,
    facts,
    figure,
    figures,
    folded,
    joined,
    numbers,
    paragraph,
    section,
    table,
    texts,
)
from plainfilm.core.run import Run
from plainfilm.core.words import duration
from plainfilm.judge.doubts import split_column
from plainfilm.judge.evaluate import SPLIT_NAMES
from plainfilm.judge.score_tables import SOURCES_SHOWN

if TYPE_CHECKING:
    from plainfilm.judge.drawing import Picture

_UNREADABLE_SHOWN = 40
_MAIN_SETTINGS = (
    "model", "weights", "size", "contrast", "fit", "epochs", "batch_size", "optimizer", "learning_rate", "schedule",
    "imbalance", "monitor", "precision", "seed",
)  # fmt: skip
_FACTS = {
    "epochs": "Epochs",
    "steps": "Steps",
    "best_epoch": "Weights kept from epoch",
    "seconds": "Time",
    "ended_by": "Ended by",
    "device": "Device",
    "precision": "Arithmetic",
}


# The films -----------------------------------------------------------------------------------------------------------


def films_section(run: Run, manifest: Manifest) -> Section:
    """Films by class and split, by source and class, and those that could not be read."""
    column = split_column(run, manifest)
    films, ok = len(manifest.films), len(manifest.ok)
    where = joined("Manifest ", code(str(manifest.path or run.manifest_path)), ", column ", code(column), ".")
    return section(
        "Data and split",
        paragraph(
            f"{films:,} films, of which {ok:,} can be read. A group holds the films of one patient and the copies of "
            "one picture; it lies in one split as a whole. ",
            where,
        ),
        _split_table(manifest, column),
        _source_table(manifest),
        _unreadable(manifest),
    )


def _split_table(manifest: Manifest, column: str) -> Html:
    ok = manifest.ok
    places = [name for name in (*SPLITS, "") if name or (ok[column] == "").any()]
    parts = [*(ok[ok[column] == name] for name in places), ok]
    rows = (
        [name, *(f"{int((part['label'] == name).sum()):,}" for part in parts)]
        for name in (*manifest.classes, *([""] if (ok["label"] == "").any() else []))
    )
    footer = (
        ["All films", *(f"{len(part):,}" for part in parts)],
        ["Groups", *(f"{part['group'].nunique():,}" for part in parts)],
        ["Patients known", *(f"{part.loc[part['patient_id'] != '', 'patient_id'].nunique():,}" for part in parts)],
        ["Films without patient", *(f"{int((part['patient_id'] == '').sum()):,}" for part in parts)],
    )
    titles = [*(SPLIT_NAMES[name].capitalize() if name else "No split" for name in places), "All"]
    columns = [*texts("Class"), *numbers(*titles)]
    return table(
        "Readable films by class and split", columns, ([row[0] or "no label", *row[1:]] for row in rows), footer
    )


def _source_table(manifest: Manifest) -> Html:
    counts = films_by_source(manifest.ok, manifest.classes)
    if not counts.index.any():
        return paragraph("The sources of the films are unknown.")
    rows = [
        [source or "unknown", *(f"{films:,}" if films else "–" for films in row), f"{sum(row):,}"]
        for source, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]
    columns = [*texts("Source"), *numbers(*manifest.classes, "All")]
    more = len(rows) - SOURCES_SHOWN
    rest = paragraph(f"{more} smaller sources are in the manifest.", soft=True) if more > 0 else ""
    return joined(table("Readable films by source and class", columns, rows[:SOURCES_SHOWN]), rest)


def _unreadable(manifest: Manifest) -> Html:
    failed = manifest.films[manifest.films["status"] == "error"]
    if failed.empty:
        return Html()
    listed = failed.head(_UNREADABLE_SHOWN)
    rows = zip(listed["path"], listed["label"], listed["error"], strict=True)
    more = len(failed) - len(listed)
    return folded(
        f"{len(failed):,} unreadable {'film' if len(failed) == 1 else 'films'}",
        table("Films that could not be read, and why", texts("File", "Class", "Reason"), rows),
        paragraph(f"{more:,} more are in the manifest.", soft=True) if more else "",
    )


# The training --------------------------------------------------------------------------------------------------------


def training_section(run: Run, completion: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Section:
    """How the network was trained. completion: what the run's completion mark says; any of it may be absent."""
    captions = {
        "loss": "Loss, epoch by epoch. Validation rising while training falls is learning by heart.",
        "scores": "Scores on validation, and accuracy on training films as they were augmented.",
    }
    curves = [
        figure(pictures[name].svg, pictures[name].alt, text) for name, text in captions.items() if name in pictures
    ]
    changed = [name for name, (value, default) in _settings(run.config).items() if value != default]
    main = [name for name in _settings(run.config) if name in _MAIN_SETTINGS or name in changed]
    return section(
        "Training",
        _facts(completion) if completion else "",
        figures(*curves) if curves else paragraph("No epoch is recorded."),
        _settings_table("The main settings, and all that differ from their default", run.config, main),
        folded("All settings", _settings_table("All settings", run.config, list(_settings(run.config)))),
    )


def _settings(config: TrainConfig) -> dict[str, tuple[str, str]]:
    """Name -> value and default, as text."""
    return {
        setting.name: (_readable(getattr(config, setting.name)), _readable(setting.default))
        for setting in fields(config)
    }


def _settings_table(caption: str, config: TrainConfig, names: Sequence[str]) -> Html:
    meaning = {setting.name: setting.metadata["help"] for setting in fields(config)}
    settings = _settings(config)
    rows = []
    for name in names:
        value, default = settings[name]
        rows.append([name, value, "" if value == default else default, meaning[name]])
    return table(caption, texts("Setting", "Value", "Default, where it differs", "Meaning"), rows)


def _facts(completion: Mapping[str, Any]) -> Html:
    """What we have words for comes first; then all else that is a plain value, in its own."""
    keys = (*_FACTS, *(key for key in completion if key not in _FACTS and key != "format_version"))
    return facts(
        (
            _FACTS.get(key, key.replace("_", " ").capitalize()),
            _duration(completion[key]) if key == "seconds" else _readable(completion[key]),
        )
        for key in keys
        if isinstance(completion.get(key), str | int | float)
    )


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _duration(seconds: Any) -> str:
    return duration(seconds) if isinstance(seconds, int | float) else str(seconds)


# The files -----------------------------------------------------------------------------------------------------------


def provenance_section(run: Run, manifest: Manifest, metrics: Mapping[str, Any]) -> Section:
    """What made the run and this report, so that both can be made again."""
    environment = run / "environment.json"
    trained = read_json(environment) if environment.is_file() else {}
    judged = metrics.get("made") or provenance(metrics["bootstrap"]["seed"])
    rows = [
        ["Command", *(code(str(made.get("command", "not recorded"))) for made in (trained, judged))],
        ["When", *(str(made.get("made_at", "not recorded")) for made in (trained, judged))],
        ["Manifest", *(code(fingerprint[:16]) for fingerprint in (run.fingerprint, manifest.fingerprint))],
        ["Seed", str(run.config.seed), str(metrics["bootstrap"]["seed"])],
        ["Machine", *(str(made.get("platform", "not recorded")) for made in (trained, judged))],
        ["Versions", *(_versions(made) for made in (trained, judged))],
    ]
    return section("Provenance", table("What made the run and the report", texts("", "Training", "This report"), rows))


def _versions(made: Mapping[str, Any]) -> str:
    versions = made.get("versions")
    return (
        ", ".join(f"{name} {text}" for name, text in versions.items())
        if isinstance(versions, Mapping)
        else "not recorded"
    )
