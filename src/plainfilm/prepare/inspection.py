"""Check a manifest, or somebody else's films and split, from end to end; write what was found; mend the split."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from plainfilm.core.cells import table_csv
from plainfilm.core.files import make_directory, provenance, real_path, write_text
from plainfilm.core.manifest import COLUMNS, SPLIT_COLUMN, SPLITS, Manifest, typed
from plainfilm.core.progress import Progress, Silence
from plainfilm.errors import BadConfig, BadManifest, BadSource
from plainfilm.prepare.card import dataset_card
from plainfilm.prepare.check import Finding, check_films, findings_table, has_leak
from plainfilm.prepare.check_page import check_page, verdict
from plainfilm.prepare.duplicates import twin_table
from plainfilm.prepare.ingest import PrepareOptions, image_ids, list_films, prepare, refuse_taken
from plainfilm.prepare.split import SplitPlan, split_by_group
from plainfilm.prepare.survey import Survey, survey_films, survey_manifest


@dataclass(frozen=True)
class Inspection:
    """What a check found.

    name: what was checked. survey: the films as they are now. side: where each film stands in the split that was looked at, "" for
    nowhere; None where there is no split. findings: the worst first. manifest: where the target is one.
    """

    name: str
    survey: Survey
    side: pd.Series[str] | None
    findings: tuple[Finding, ...]
    manifest: Manifest | None = None

    @property
    def is_leaking(self) -> bool:
        """Whether the split leaks."""
        return has_leak(self.findings)

    @property
    def verdict(self) -> str:
        """One sentence."""
        return verdict(self.findings, None if self.side is None else list(self.side))

    def write(self, directory: Path) -> Path:
        """Write check.html, check.csv and twins.csv into a folder; returns the page."""
        make_directory(directory)
        sides = None if self.side is None else list(self.side)
        films = self.survey.films.assign(split=sides or "")
        table = findings_table(self.findings, self.survey, sides)
        write_text(directory / "check.csv", table_csv(table))
        pairs = twin_table(self.survey.twins, films)
        write_text(directory / "twins.csv", table_csv(pairs))
        write_text(directory / "check.html", check_page(self.findings, self.survey, self.name, sides))
        return directory / "check.html"


def inspect(
    target: str | Path,
    *,
    split_by: str = "",
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Look at a manifest, or at anything that `prepare` reads, without changing it.

    split_by: the column that says on which side of the split a film is, in any words; `split` where empty.
    options: columns, metadata and patient key, for what is no manifest.
    Raises BadManifest, BadSource; BadConfig where a manifest is given columns or metadata.
    """
    out: Progress = progress or Silence()
    target = Path(target)
    if is_manifest(target):
        if options and (options.columns or options.metadata):
            raise BadConfig(f"{target} is a manifest, which needs neither --columns nor --metadata")
        return _inspect_manifest(Manifest.open(target), split_by or "split", out)
    return _inspect_source(real_path(target), split_by, options or PrepareOptions(), out)


def is_manifest(target: Path) -> bool:
    """Whether a path is a manifest, or a folder that holds one, rather than somebody's films."""
    if target.is_dir():
        return any((target / name).is_file() for name in ("manifest.csv", "manifest.parquet"))
    return target.suffix.lower() in (".csv", ".parquet") and target.with_name("dataset.json").is_file()


def mend(inspection: Inspection, directory: Path, seed: int, options: PrepareOptions, progress: Progress) -> Manifest:
    """Write a manifest with a sound split into a new folder: every copy of a picture and every film of a patient on one side.

    The shares are those of the old split, where it has train, val and test. Raises BadSource, BadConfig, CannotWrite.
    """
    refuse_taken(directory)
    sides = sorted(set(inspection.side if inspection.side is not None else ()) - {"", *SPLITS})
    if sides:
        progress.say(f"note: {', '.join(sides)} give way to a new split into train, val and test")
    plan = replace(_plan_like(inspection), seed=seed)
    if inspection.manifest is None:
        source = Path(inspection.name)
        return prepare(source, directory, replace(options, resplit=True, plan=plan), progress)
    manifest, films = inspection.manifest, inspection.survey.films.copy()
    films = films.drop(columns=[name for name in films.columns if SPLIT_COLUMN.fullmatch(name)])
    usable = films[(films["status"] == "ok") & (films["label"] != "")]
    columns = split_by_group(usable, manifest.classes, plan)
    for name, places in columns.items():
        films[name] = places.reindex(films.index).fillna("")
    films["path"] = manifest.films["path"].to_numpy()
    films = typed(films[[*COLUMNS, *(name for name in columns if name != "split")]])
    note = f"the split was drawn anew by plainfilm check --fix from {manifest.path}"
    info = {
        **manifest.info,
        "notes": [*manifest.info.get("notes", []), note],
        "provenance": provenance(plan.seed, manifest=manifest.fingerprint),
    }
    mended = Manifest(films, manifest.classes, manifest.root.resolve(), info)
    make_directory(directory)
    mended = mended.write(directory / (manifest.path.name if manifest.path else "manifest.csv"))
    pairs = twin_table(inspection.survey.twins, films)
    write_text(directory / "twins.csv", table_csv(pairs))
    write_text(directory / "dataset.md", dataset_card(mended))
    return mended


def _inspect_manifest(manifest: Manifest, split_by: str, progress: Progress) -> Inspection:
    if split_by not in manifest.films:
        has = ", ".join(manifest.films.columns)
        raise BadManifest(f'has no column "{split_by}" to split by; it has {has}', manifest.path)
    survey = survey_manifest(manifest, progress)
    _refuse_nothing_readable(survey, manifest.path or manifest.root)
    side = manifest.films[split_by].reset_index(drop=True).astype(object).fillna("").astype(str)
    is_split = bool((side != "").any())
    findings = check_films(survey, side if is_split else None)
    return Inspection(str(manifest.path), survey, side if is_split else None, tuple(findings), manifest)


def _inspect_source(source: Path, split_by: str, options: PrepareOptions, progress: Progress) -> Inspection:
    if split_by:
        if source.is_dir() and options.metadata is None:
            raise BadConfig(
                f"--split-by {split_by}: {source} is a folder; name the table with that column by --metadata"
            )
        options = replace(options, columns={**options.columns, "side": split_by})
    with tempfile.TemporaryDirectory() as work:
        listing, rows, notes = list_films(source, Path(work), options, progress)
        survey = survey_films(rows, options.patient_key, progress)
    _refuse_nothing_readable(survey, source)
    survey.films["image_id"] = image_ids(survey.films, listing.root)
    is_by_side = bool(split_by) or bool((survey.films["side"] != "").any())
    side = survey.films["side"] if is_by_side else survey.films["split"]
    if split_by and not (side != "").any():
        raise BadSource(f'the column "{split_by}" is empty for every film', source)
    is_split = bool((side != "").any())
    findings = check_films(survey, side if is_split else None)
    if notes:
        findings.append(Finding("source", "note", "How the films were found", f"{'. '.join(notes)}."))
    return Inspection(str(source), survey, side if is_split else None, tuple(findings))


def _refuse_nothing_readable(survey: Survey, path: Path) -> None:
    if not (survey.films["status"] == "ok").any():
        first = (
            f"{survey.films['path'].iloc[0]} {survey.films['error'].iloc[0]}" if len(survey.films) else "there is none"
        )
        raise BadSource(
            f"has no film that can be read, so nothing can be checked; the first: {first}. Were they moved?", path
        )


def _plan_like(inspection: Inspection) -> SplitPlan:
    """The shares of the old split, where it has train, val and test; else the usual ones."""
    if inspection.side is None:
        return SplitPlan()
    share = inspection.side[inspection.side != ""].value_counts(normalize=True)
    if set(share.index) != set(SPLITS):
        return SplitPlan()
    return SplitPlan(test=round(float(share["test"]), 4), val=round(float(share["val"]), 4))
