"""From a folder, an archive, a table or DICOM files to a manifest: list, join, choose, scan, group, split, hints, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from plainfilm.core.cells import table_csv
from plainfilm.core.files import cannot_write, make_directory, provenance, real_path, write_text
from plainfilm.core.manifest import COLUMNS, SPLITS, Manifest, shown, typed
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, BadManifest, BadSource
from plainfilm.prepare.archive import removed_on_failure
from plainfilm.prepare.card import dataset_card
from plainfilm.prepare.duplicates import IDENTICAL, twin_table
from plainfilm.prepare.hints import find_hints
from plainfilm.prepare.join import join_metadata
from plainfilm.prepare.listing import Listing, common_folder
from plainfilm.prepare.sources import UNPACKED, list_source, refuse_lost_labels
from plainfilm.prepare.split import SplitPlan, fill_validation, refuse_missing_classes, refuse_unheard, split_by_group
from plainfilm.prepare.survey import Survey, survey_films


@dataclass(frozen=True)
class PrepareOptions:
    """What a person may say about a source beyond what it shows.

    columns: our column name -> theirs, for the table that is the source, or for `metadata` where the source is a folder.
    metadata: a table that is joined to the films by path, file name or image_id.
    classes: the classes to keep, in the order of the network's outputs; all, by name, where empty.
    rename: label -> label, before `classes` is looked at; two labels may be merged.
    plan: how to split.
    resplit: draw a new split although the source came with one.
    patient_key: secret for the hash of DICOM PatientIDs; drawn anew and thrown away where None.
    parquet: write manifest.parquet instead of manifest.csv.
    twins: look for near twins, so that a group holds every copy of a picture.
    split: draw a split; without one the films serve to judge a run on, and may be of one class alone.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    metadata: Path | None = None
    classes: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    plan: SplitPlan = field(default_factory=SplitPlan)
    resplit: bool = False
    patient_key: bytes | None = None
    parquet: bool = False
    twins: bool = True
    split: bool = True


def prepare(
    source: str | Path, directory: str | Path, options: PrepareOptions | None = None, progress: Progress | None = None
) -> Manifest:
    """Make a manifest of the films in `source` and write it, with its dataset card, into `directory`.

    Raises BadSource where the source cannot be read in one way only, BadConfig where the split cannot be drawn, or is kept and
    the plan says otherwise, CannotWrite.
    """
    options = options or PrepareOptions()
    out: Progress = progress or Silence()
    source, directory = real_path(Path(source)), Path(directory)
    refuse_taken(directory)
    table = directory / ("manifest.parquet" if options.parquet else "manifest.csv")
    with removed_on_failure(directory / UNPACKED, unless=table):
        return _prepared(source, table, options, out)


def _prepared(source: Path, table: Path, options: PrepareOptions, out: Progress) -> Manifest:
    directory = table.parent
    listing, films, notes = list_films(source, directory, options, out)
    if listing.layout == "sides" and not options.resplit:
        sides, labels = (shown(sorted(set(films[name]))) for name in ("side", "label"))
        raise BadSource(
            f"holds folders ({sides}) that each hold the same classes ({labels}): are they the sides of a split? Rename them "
            "train, val and test; or draw a new split by --resplit, which forgets these folders",
            listing.root,
        )
    classes = _classes(films, options, source)
    keeps_split = _came_with_split(films, listing, options) and not options.resplit
    if keeps_split and options.split and classes:
        refuse_unheard(options.plan, set(films["split"]))
    survey = survey_films(films, options.patient_key, out, twins=options.twins)
    films, more_notes = _without_guessed_labels(survey.films, listing, classes)
    films["image_id"] = image_ids(films, listing.root)
    columns, split_note = _split(films, listing, classes, options)
    for name, places in columns.items():
        films[name] = places
    notes = [*notes, *more_notes, *_oddities(films), *_twin_notes(survey, options), split_note]
    hints = find_hints(films, survey.facts, classes, options.plan.seed, out)
    twins = twin_table(survey.twins, films)
    films["path"] = _relative(films["path"], listing.root)
    films["mask_path"] = _relative(films["mask_path"], listing.root)
    films = typed(films[[*COLUMNS, *(name for name in columns if name != "split")]].reset_index(drop=True))
    info = {
        "layout": listing.layout,
        "notes": notes,
        "hints": hints,
        "provenance": provenance(options.plan.seed, source=str(source)),
    }
    make_directory(directory)
    manifest = Manifest(films, classes, listing.root, info)
    manifest = manifest.write(table)
    if options.twins:
        write_text(directory / "twins.csv", table_csv(twins))
    else:  # whoever finds the table takes it that near twins were looked for
        (directory / "twins.csv").unlink(missing_ok=True)
    write_text(directory / "dataset.md", dataset_card(manifest))
    return manifest


def list_films(
    source: Path, work: Path, options: PrepareOptions, progress: Progress
) -> tuple[Listing, pd.DataFrame, list[str]]:
    """The films of a source with all that is known of them before any is opened, and notes for a person.

    work: a folder that an archive may be unpacked into. Raises BadSource.
    """
    columns = {} if options.metadata else options.columns
    listing = list_source(
        source, work, columns, progress, is_resplit=options.resplit, has_metadata=bool(options.metadata)
    )
    films, notes = join_metadata(listing, options.metadata, options.columns, is_resplit=options.resplit)
    refuse_lost_labels(listing, films)
    masks = [Path(mask).parent for mask in films["mask_path"] if mask]  # a table may have them beside the films' folder
    listing = replace(listing, root=common_folder(listing.root, masks))
    return listing, _chosen(films, options, source), [*listing.notes, *notes]


def refuse_taken(directory: Path, option: str = "-o") -> None:
    """Raise BadSource where `directory` is a file or holds a manifest already, CannotWrite where it cannot be read.

    option: the one that named the folder.
    """
    if directory.is_file():
        raise BadSource(f"is a file: {option} names a folder for the manifest", directory)
    taken = [name for name in ("manifest.csv", "manifest.parquet") if (directory / name).exists()]
    if taken:
        raise BadSource(f"holds {taken[0]} already: choose another {option}, or remove it first", directory)
    try:
        if directory.is_dir() and not any(directory.iterdir()):
            return
    except OSError as cause:
        raise cannot_write(directory, cause) from cause


def _chosen(films: pd.DataFrame, options: PrepareOptions, source: Path) -> pd.DataFrame:
    """The films with renamed labels, of the wanted classes only."""
    present = set(films["label"]) - {""}
    unknown = [label for label in options.rename if label not in present]
    if unknown:
        raise BadSource(
            f'--rename: no film has the label "{unknown[0]}"; there are {", ".join(sorted(present)) or "none"}', source
        )
    films = films.assign(label=films["label"].map(lambda label: options.rename.get(label, label)))
    if not options.classes:
        return films
    twice = [name for name in options.classes if options.classes.count(name) > 1]
    if twice:
        raise BadConfig(f"--classes: {twice[0]} stands there twice")
    absent = [name for name in options.classes if name not in set(films["label"])]
    if absent:
        found = ", ".join(sorted(set(films["label"]) - {""})) or "none"
        raise BadSource(f'--classes: no film has the label "{absent[0]}"; there are {found}', source)
    return films[films["label"].isin(options.classes)].reset_index(drop=True)


def _classes(films: pd.DataFrame, options: PrepareOptions, source: Path) -> tuple[str, ...]:
    labels = [label for label in dict.fromkeys(films["label"]) if label]
    by_lower: dict[str, list[str]] = {}
    for label in labels:
        by_lower.setdefault(" ".join(label.lower().replace("_", " ").replace("-", " ").split()), []).append(label)
    alike = [names for names in by_lower.values() if len(names) > 1]
    if alike:
        raise BadSource(
            f"has the classes {' and '.join(repr(name) for name in alike[0])}, which differ in case or spelling "
            f'only: make them one by --rename "{alike[0][1]}={alike[0][0]}"',
            source,
        )
    if len(labels) == 1 and options.split:
        raise BadSource(
            f'has one class only ("{labels[0]}"): a classifier needs two. To judge a run on these films: --no-split',
            source,
        )
    return options.classes or tuple(sorted(labels))


def _without_guessed_labels(
    films: pd.DataFrame, listing: Listing, classes: tuple[str, ...]
) -> tuple[pd.DataFrame, list[str]]:
    """Refuse folders of DICOM films that are patients or studies rather than classes."""
    known = films[films["header_patient"] != ""]
    if listing.layout == "classes" and len(classes) > 2 and len(known) == len(films):
        patients_a_folder = known.groupby("label")["header_patient"].nunique()
        if (patients_a_folder == 1).all() and known["header_patient"].nunique() == len(classes):
            raise BadSource(
                f"has folders ({shown(classes)}) that each hold one patient: patients are no classes. Give the labels by "
                "--metadata and move the films into one folder, or sort them into folders by class",
                listing.root,
            )
    unlabelled = int(((films["label"] == "") & (films["status"] == "ok")).sum())
    return films, [f"{counted(unlabelled, 'readable film')} without a label"] if unlabelled and classes else []


def _twin_notes(survey: Survey, options: PrepareOptions) -> list[str]:
    """What was found of copies of one picture."""
    if not options.twins:
        return ["near twins were not looked for (--no-twins): groups hold identical pictures only"]
    near = sum(twin.kind != IDENTICAL for twin in survey.twins)
    same = len(survey.twins) - near
    pairs = "pair" if near == 1 else "pairs"
    return [f"{near:,} {pairs} of near twins and {same:,} of identical pictures were found (twins.csv) and grouped"]


def _oddities(films: pd.DataFrame) -> list[str]:
    """One sentence a kind of oddity, with how many films have it and the first of them."""
    odd = films[films["oddities"] != ""]
    return [
        f"{len(group)} film{'s'[: len(group) > 1]}: {oddity} ({shown([Path(path).name for path in group['path']])})"
        for oddity, group in odd.groupby("oddities", sort=False)
    ]


def image_ids(films: pd.DataFrame, root: Path) -> list[str]:
    """The shortest name that tells all films apart: stem, path without ending, path; a table's own image_id comes first.

    Without spaces at its ends, which tables of scores do not keep.
    """
    given = films["image_id"]
    if (given != "").all() and not given.duplicated().any():
        return list(given)
    relative = [Path(path).relative_to(root) for path in films["path"]]
    for names in (
        [path.stem.strip() for path in relative],
        [path.with_suffix("").as_posix().strip() for path in relative],
    ):
        if len(set(names)) == len(names):
            return names
    return [path.as_posix() for path in relative]


def _split(
    films: pd.DataFrame, listing: Listing, classes: tuple[str, ...], options: PrepareOptions
) -> tuple[dict[str, pd.Series[str]], str]:
    """The split columns and a sentence on where they come from. Films without a label or that cannot be read have no place."""
    usable = films[(films["status"] == "ok") & (films["label"] != "")]
    empty = pd.Series("", index=films.index, dtype=object)
    if not classes:
        told = "no film has a label, so nothing was split: labels come from folders by class, a table's column label, or --metadata"
        return {"split": empty}, told
    if not options.split:
        return {
            "split": empty
        }, "no split was drawn (--no-split): these films serve to judge a run on, by evaluate --on"
    if len(usable) == 0:
        first = f"{films['path'].iloc[0]} {films['error'].iloc[0]}" if len(films) else "there is none"
        raise BadSource(f"has no readable film with a label; the first: {first}", listing.root)

    def placed(column: pd.Series[str]) -> pd.Series[str]:
        return column.reindex(films.index).fillna("")

    if _came_with_split(films, listing, options) and not options.resplit:
        kept = usable[usable["split"] != ""]
        lacking = [name for name in SPLITS if not (kept["split"] == name).any()]
        if lacking == ["val"]:
            filled = fill_validation(kept, classes, options.plan)
            note = "the split came with the source; validation films were taken out of its training films"
            return {"split": placed(filled)}, note
        if lacking:
            message = f"has a split without {' and '.join(lacking)}: use --resplit to draw a new one"
            raise BadSource(message, listing.root)
        return {"split": placed(kept["split"])}, "the split came with the source and was kept"
    drawn = split_by_group(usable, classes, options.plan)
    refuse_missing_classes(usable, drawn, classes)
    return {name: placed(column) for name, column in drawn.items()}, "the split was drawn by class, whole groups only"


def _came_with_split(films: pd.DataFrame, listing: Listing, options: PrepareOptions) -> bool:
    return listing.has_split or (options.metadata is not None and bool((films["split"] != "").any()))


def _relative(paths: pd.Series[str], root: Path) -> list[str]:
    relative = []
    for path in paths:
        if path and not Path(path).is_relative_to(root):
            raise BadManifest(f"{path} does not lie under {root}: move it there")
        relative.append(Path(path).relative_to(root).as_posix() if path else "")
    return relative
