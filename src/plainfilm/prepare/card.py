"""The dataset card: what is in a manifest, on one page of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plainfilm.core.association import films_by_source
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.prepare.group import what_joins
from plainfilm.prepare.hints import MAY_HOLD_DISEASE, hint_lines, interval_text

_CLASSES_SIDE_BY_SIDE = 6


def dataset_card(manifest: Manifest) -> str:
    """Counts by class, split and source, groups, unreadable films with their reasons, problems and notes, as Markdown."""
    films, ok = manifest.films, manifest.ok
    failed = films[films["status"] == "error"]
    many = ok["group"].value_counts()
    known = ok.loc[ok["patient_id"] != "", "patient_id"]
    lines = [
        "# Dataset card",
        "",
        f"{len(films):,} films, {len(ok):,} readable, in {len(manifest.classes)} classes and {len(many):,} groups",
        f"({what_joins(ok)}). A group lies whole in one split.",
        "",
        "Research and education only. Not a medical device.",
        "",
        *(_films_by_class(manifest) if manifest.classes else ["No film has a label.", ""]),
        f"- patients: known for {len(known):,} films ({known.nunique():,} patients), unknown for {len(ok) - len(known):,}",
        f"- groups of more than one film: {int((many > 1).sum()):,}, with {int(many[many > 1].sum()):,} films",
        f"- identical pictures under several names: {int(ok['sha256'].duplicated(keep=False).sum()):,} films",
        f"- sizes: {_sizes(ok)}",
        f"- root: `{manifest.root}`",
        f"- fingerprint: `{manifest.fingerprint}`",
        "",
        *(_films_by_source(manifest) if manifest.classes else []),
        *(_hints(manifest.info["hints"]) if "hints" in manifest.info else []),
    ]
    is_split = bool((ok["split"] != "").any())
    problems = [f"- {problem.kind}: {problem.text}" for problem in (manifest.check() if is_split else ())]
    lines += [
        "## Problems",
        "",
        *(problems or ["None: no group, patient or picture stands on two sides of a split."]),
        "",
    ]
    if len(failed):
        reasons = [f"- `{row.path}`: {row.error}" for row in failed.itertuples()]
        lines += [f"## Unreadable films ({len(failed)})", "", *reasons, ""]
    lines += ["## Notes", "", *(f"- {note}" for note in manifest.info.get("notes", [])), ""]
    return "\n".join(lines).replace("<", "&lt;")  # a class or a source may be called anything


def _films_by_class(manifest: Manifest) -> list[str]:
    counts = manifest.counts()
    columns = [*SPLITS, "no split", "error"]
    rows = [[name, *(f"{counts.get(column, {}).get(name, 0):,}" for column in columns)] for name in manifest.classes]
    rows.append(["all", *(f"{sum(counts.get(column, {}).values()):,}" for column in columns)])
    table = _table(["class", *SPLITS, "no split", "unreadable"], rows)
    return ["## Films by class and split", "", *table, ""]


def _films_by_source(manifest: Manifest) -> list[str]:
    counts = films_by_source(manifest.ok, manifest.classes)
    rows = [
        [str(source) or "unknown", *(f"{count:,}" for count in row)]
        for source, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return ["## Films by class and source", "", *_table(["source", *manifest.classes], rows), ""]


def _hints(hints: Mapping[str, Any]) -> list[str]:
    """What source and file foretell, as sections."""
    source, file = hints["source"], hints["file"]
    lines = [
        "## What foretells the class without a look at a lung",
        "",
        *(f"- {line}" for line in hint_lines(hints)),
        "",
    ]
    if "cramers_v_of" in source:
        rows = [[name, interval_text(value)] for name, value in source["cramers_v_of"].items()]
        title = ["class against the rest", "Cramér's V of source and class"]
        lines += [*_table(title, [*rows, ["all classes", interval_text(source["cramers_v"])]]), ""]
    if file.get("all") is None:
        return lines
    scores = {**file["kinds"], f"all but {' and '.join(MAY_HOLD_DISEASE)}": file["without_lungs"], "all": file["all"]}
    few = hints["classes"] if len(hints["classes"]) <= _CLASSES_SIDE_BY_SIDE else []
    measures = ("accuracy", "balanced_accuracy", "macro_auroc")
    rows = [
        [
            kind,
            *(interval_text(score[name]) for name in measures),
            *(interval_text(score["auroc"][name]) for name in few),
        ]
        if score
        else [kind, "the same in every film", *[""] * (len(measures) - 1 + len(few))]
        for kind, score in scores.items()
    ]
    title = ["facts of the file", "accuracy", "balanced accuracy", "macro AUROC", *(f"AUROC {name}" for name in few)]
    left_out = ", ".join(f"{name} ({groups} groups)" for name, groups in hints["left_out"].items())
    return [
        *lines,
        *_table(title, rows),
        "",
        f"Each class is guessed from facts of the file by a small model, in {hints['folds']} folds of whole groups: "
        f"{file['films']:,} films in {file['groups']:,} groups. In brackets: {hints['level']:.0%} intervals, {hints['repeats']:,} "
        "bootstraps over groups. Compression and histogram change with the disease, too; the rest holds hardly any lung. "
        "Hold every later score against these." + (f" Too few to judge, left out: {left_out}." if left_out else ""),
        "",
    ]


def _sizes(ok: pd.DataFrame) -> str:
    sizes = (ok["width"].astype(str) + "×" + ok["height"].astype(str)).value_counts()
    return ", ".join(f"{size} ({count:,})" for size, count in sizes.iloc[:4].items()) + (
        " ..." if len(sizes) > 4 else ""
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [" | ".join(header), " | ".join(["---", *["---:"] * (len(header) - 1)])]
    return [f"| {line} |" for line in [*lines, *(" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)]]
