"""The dataset card: what is in a manifest, on one page of text."""

from __future__ import annotations

import pandas as pd

from plainfilm.core.manifest import SPLITS, Manifest


def dataset_card(manifest: Manifest) -> str:
    """Counts by class, split and source, groups, unreadable films with their reasons, problems and notes, as Markdown."""
    films, ok = manifest.films, manifest.ok
    failed = films[films["status"] == "error"]
    many = ok["group"].value_counts()
    known = ok.loc[ok["patient_id"] != "", "patient_id"]
    lines = [
        "# Dataset card",
        "",
        f"{len(films):,} films, {len(ok):,} readable, in {len(manifest.classes)} classes and {len(many):,} groups. A group",
        "holds the films of one patient and identical pictures; it lies whole in one split.",
        "",
        "Research and education only. Not a medical device.",
        "",
        "## Films by class and split",
        "",
        *_table(["class", *SPLITS, "no split", "unreadable"], _counts(manifest)),
        "",
        f"- patients: known for {len(known):,} films ({known.nunique():,} patients), unknown for {len(ok) - len(known):,}",
        f"- groups of more than one film: {int((many > 1).sum()):,}, with {int(many[many > 1].sum()):,} films",
        f"- identical pictures under several names: {int(ok['sha256'].duplicated(keep=False).sum()):,} films",
        f"- sizes: {_sizes(ok)}",
        f"- root: `{manifest.root}`",
        f"- fingerprint: `{manifest.fingerprint}`",
        "",
        "## Films by class and source",
        "",
        *_table(["source", *manifest.classes], _by_source(manifest)),
        "",
    ]
    problems = [f"- {problem.kind}: {problem.text}" for problem in manifest.check()]
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
    return "\n".join(lines)


def _counts(manifest: Manifest) -> list[list[str]]:
    counts = manifest.counts()
    columns = [*SPLITS, "no split", "error"]
    rows = [[name, *(f"{counts.get(column, {}).get(name, 0):,}" for column in columns)] for name in manifest.classes]
    return [*rows, ["all", *(f"{sum(counts.get(column, {}).values()):,}" for column in columns)]]


def _by_source(manifest: Manifest) -> list[list[str]]:
    ok = manifest.ok
    table = pd.crosstab(ok["source"].replace("", "unknown"), ok["label"]).reindex(
        columns=list(manifest.classes), fill_value=0
    )
    return [
        [str(source), *(f"{count:,}" for count in row)]
        for source, row in zip(table.index, table.to_numpy(), strict=True)
    ]


def _sizes(ok: pd.DataFrame) -> str:
    sizes = (ok["width"].astype(str) + "×" + ok["height"].astype(str)).value_counts()
    return ", ".join(f"{size} ({count:,})" for size, count in sizes.iloc[:4].items()) + (
        " ..." if len(sizes) > 4 else ""
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [" | ".join(header), " | ".join(["---", *["---:"] * (len(header) - 1)])]
    return [f"| {line} |" for line in [*lines, *(" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)]]
