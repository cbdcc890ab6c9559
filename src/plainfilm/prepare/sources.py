"""What lies there: each layout told apart by looking, and turned into rows of films.

    database   <Class>/images/*.png, <Class>/masks/*.png, <Class>.metadata.xlsx    the Radiography Database, folder or zip
    classes    <Class>/**/film, train|val|test/<Class>/**/film, or <Class>/train|val|test/film
    table      a CSV or Parquet table with a column of paths
    films      films in no class folders (DICOM series, say): no label unless --metadata gives one

Where `images` stands beside `masks` or `lung masks`, each film gets its mask; a folder of masks holds no films, and neither it nor
`images` is a class. A row holds an absolute path and what the layout says; nothing is decoded here.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from plainfilm.core.files import real_path
from plainfilm.core.image import FILM_SUFFIXES
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress
from plainfilm.core.words import counted
from plainfilm.errors import BadSource
from plainfilm.prepare.archive import refuse_archive_without_films, unpack_new
from plainfilm.prepare.database import class_rows, list_database, list_one_class
from plainfilm.prepare.folders import (
    IMAGE_FOLDERS,
    film_folders,
    films_in,
    first_loose,
    folders_in,
    images_folder,
    is_class_name,
    is_mask_folder,
    is_split_folder,
    mask_folders,
    masked_film,
)
from plainfilm.prepare.listing import SPLIT_FOLDERS, Listing, listing
from plainfilm.prepare.table import list_table

UNPACKED = "films"  # folder below that of the manifest
_OTHER_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".txz", ".xz", ".zst")
_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}


def list_source(
    source: Path,
    work: Path,
    columns: Mapping[str, str],
    progress: Progress,
    *,
    is_resplit: bool = False,
    has_metadata: bool = False,
) -> Listing:
    """Tell the layout of `source` and list its films.

    work: a folder that an archive may be unpacked into, as `films`.
    columns: our column name -> the name that a table uses for it.
    is_resplit: whether a split that a table has is passed over. has_metadata: whether a table is joined to it.
    Raises BadSource where the source is missing, empty, or could be read in two ways.
    """
    if not source.exists():
        raise BadSource("is missing: name a folder, a zip or a table of films", source)
    if source.is_file():
        if source.suffix.lower() in (".csv", ".tsv", ".parquet"):
            return list_table(source, columns, is_resplit=is_resplit, has_metadata=has_metadata)
        if source.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".ods"):
            raise BadSource("is a spreadsheet: save it as CSV, and name that", source)
        _refuse_what_is_no_zip(source)
        refuse_archive_without_films(source)
        return _list_folder(unpack_new(source, real_path(work / UNPACKED), progress), archive=source)
    if columns:
        raise BadSource(
            "is a folder: --columns gives the names in a table; join a table to films by --metadata", source
        )
    return _list_folder(source, archive=None)


def _refuse_what_is_no_zip(source: Path) -> None:
    """Raises BadSource."""
    if zipfile.is_zipfile(source):
        return
    try:
        with source.open("rb") as file:
            is_begun = file.read(2) == b"PK"
    except OSError as cause:
        raise BadSource(f"cannot be read ({cause.strerror or cause})", source) from cause
    if is_begun:
        raise BadSource("is a zip without its end, so a part of it only: fetch it again", source)
    if source.suffix.lower() == ".zip":
        raise BadSource("is called a zip and is none: fetch it again, or unpack it as what it is", source)
    if source.suffix.lower() in _OTHER_ARCHIVES:
        raise BadSource("is an archive of another kind than zip: unpack it, and name its folder", source)
    raise BadSource("is a file that is neither a zip nor a .csv or .parquet table", source)


def _list_folder(folder: Path, archive: Path | None) -> Listing:
    """archive: the zip that the folder was unpacked from; its name is then none of theirs."""
    root = _descended(folder, archive)
    is_named = archive is None or root != folder
    found = list_database(root) or list_one_class(root, is_named) or _list_classes(root) or _list_loose(root)
    if found is None:
        raise BadSource(
            "holds no films. Expected <Class>/images/*.png, <Class>/*.png, train/<Class>/*.png, DICOM files, a zip of these, "
            "or a table",
            archive or folder,
        )
    found = _with_masks_beside(found)
    linked = {Path(mask).parent for mask in found.rows["mask_path"] if mask}
    linked |= {above for mask_folder in linked for above in mask_folder.parents}
    passed = [masks.relative_to(root).as_posix() for masks in mask_folders(root) if masks not in linked]
    note = f"{counted(len(passed), 'folder')} of masks passed over ({shown(passed)})"
    return replace(found, notes=[*found.notes, note]) if passed else found


def _with_masks_beside(found: Listing) -> Listing:
    """The films without those that are called after a film beside them, X_mask.png beside X.png: these are masks of it."""
    paths = [Path(film) for film in found.rows["path"]]
    rows_of: dict[Path, dict[str, list[int]]] = {}
    for row, path in enumerate(paths):
        rows_of.setdefault(path.parent, {}).setdefault(path.stem.lower(), []).append(row)
    masks, of_lungs = [], defaultdict(list)
    for row, path in enumerate(paths):
        of = masked_film(path.stem.lower(), rows_of[path.parent])
        if of is None:
            continue
        masks.append(row)
        films = rows_of[path.parent][of[0]]
        films = [film for film in films if len(films) == 1 or paths[film].suffix == path.suffix]
        if of[1] and len(films) == 1 and not found.rows["mask_path"].iloc[films[0]]:
            of_lungs[films[0]].append(str(path))
    if not masks:
        return found
    mask_path = list(found.rows["mask_path"])
    for film, own in of_lungs.items():
        mask_path[film] = own[0] if len(own) == 1 else ""  # of several nobody can tell
    linked = sum(len(own) == 1 for own in of_lungs.values())
    names = shown([paths[row].name for row in masks])
    called = (
        f"{counted(len(masks), 'file')} called after films beside them count as their masks, not as films ({names})"
    )
    note = f"{called}; linked as masks of both lungs, by their names: {linked:,}"
    rows = found.rows.assign(mask_path=mask_path).drop(index=masks).reset_index(drop=True)
    return replace(found, rows=rows, notes=[*found.notes, note])


def refuse_lost_labels(listing: Listing, films: pd.DataFrame) -> None:
    """Raise BadSource where pictures have no label because some lie beside the folders of what may be classes.

    films: those of the listing, with what a table says of them. DICOM films may lie in folders of any kind.
    """
    if listing.layout != "films" or (films["label"] != "").any():
        return
    folders = [folder.name for folder in film_folders(listing.root)]
    loose = [film.name for film in films_in(listing.root, deep=False)]
    has_pictures = any(Path(film).suffix.lower() in FILM_SUFFIXES - _DICOM_SUFFIXES for film in films["path"])
    if loose and len(folders) > 1 and has_pictures:
        raise BadSource(
            f"holds {counted(len(loose), 'film')} ({shown(loose)}) beside folders of films ({shown(folders)}): if these are the "
            "classes, move the films beside them into one or away; if not, give the labels by --metadata",
            listing.root,
        )


def _descended(folder: Path, archive: Path | None) -> Path:
    """Go into wrapping folders, as archives leave them: one folder and no films beside it.

    Raises BadSource where that folder may as well be the one class, with folders of patients in it.
    """
    while True:
        inner = folders_in(folder)
        if len(inner) != 1 or first_loose(folder) is not None:
            return folder
        below, folders = inner[0], film_folders(inner[0])
        is_told = below.name.lower() in IMAGE_FOLDERS or is_split_folder(below) or is_mask_folder(below)
        if is_told or not folders or images_folder(below) or _is_class_with_splits(below):
            return folder
        is_packed = archive is not None and not is_class_name(below.name)  # whoever packs a folder packs its name
        if first_loose(below) is None and not is_packed and not _is_wrapper(below):
            where = f"name {below}" if archive is None else f"unpack it and name its folder {below.name}"
            raise BadSource(
                f"holds one folder, {below.name}, with folders of films in it ({shown([inner.name for inner in folders])}): if "
                f"these are the classes, {where}; if {below.name} is the one class, name a table of its films with the columns "
                "path and label",
                archive or folder,
            )
        folder = below


def _is_wrapper(folder: Path) -> bool:
    """Whether what lies in a folder shows that its own name is no class: classes that we know, splits, or images folders."""
    folders = film_folders(folder)
    if any(_is_telling(inner) or images_folder(inner) for inner in folders):
        return True
    if any(_is_telling(deeper) for inner in folders for deeper in film_folders(inner)):
        return True
    return len(folders) == 1 and _is_wrapper(folders[0])


def _is_telling(folder: Path) -> bool:
    return is_class_name(folder.name) or is_split_folder(folder)


def _is_class_with_splits(folder: Path) -> bool:
    """Whether a folder holds train, val or test with the films themselves in them, rather than classes."""
    folders = film_folders(folder)
    return (
        bool(folders)
        and all(is_split_folder(inner) for inner in folders)
        and all(first_loose(inner) or images_folder(inner) for inner in folders)
    )


def _list_classes(root: Path) -> Listing | None:
    """Folders by class, with or without train, val, test above or below them."""
    folders = film_folders(root)
    loose = first_loose(root)
    splits = [folder for folder in folders if is_split_folder(folder)]
    if splits and len(splits) == len(folders):
        if loose is not None:
            raise BadSource(
                f"holds films beside {shown([f.name for f in splits])} ({loose.name}): move them into one", root
            )
        return _list_split_classes(root, splits)
    if splits:
        others = [folder.name for folder in folders if folder not in splits]
        raise BadSource(
            f"holds {splits[0].name} beside {shown(others)}: are these splits or classes? Rename or move one", root
        )
    if not folders or loose is not None:
        return None
    if any(is_split_folder(inner) for folder in folders for inner in film_folders(folder)):
        return _list_classes_with_splits(root, folders)
    if _hold_the_same_classes(folders):
        sides = [_rows_of_classes(film_folders(folder), side=folder.name) for folder in folders]
        return listing(
            "sides", [row for rows, _ in sides for row in rows], root, [note for _, n in sides for note in n]
        )
    rows, notes = _rows_of_classes(folders)
    return listing("classes", rows, root, notes)


def _hold_the_same_classes(folders: list[Path]) -> bool:
    """Whether two folders or more each hold the same folders of films, two or more, and no films beside them.

    Folders that bear the names of classes, with folders of other names in them, are classes.
    """
    inside = {frozenset(inner.name.strip() for inner in film_folders(folder)) for folder in folders}
    names = {name for found in inside for name in found}
    if any(is_class_name(folder.name) for folder in folders) and not any(is_class_name(name) for name in names):
        return False
    has_loose = any(first_loose(folder) is not None for folder in folders)
    return len(folders) > 1 and len(inside) == 1 and len(names) > 1 and not has_loose


def _list_split_classes(root: Path, splits: list[Path]) -> Listing:
    """train|val|test/<Class>."""
    rows: list[dict[str, str]] = []
    notes: list[str] = []
    for folder, name in zip(splits, _split_names(root, splits), strict=True):
        loose = first_loose(folder)
        if loose is not None:
            raise BadSource(
                f"holds films outside any class folder ({loose.name}): expected {folder.name}/<Class>/film", folder
            )
        found, more = _rows_of_classes(film_folders(folder), split=name)
        rows, notes = [*rows, *found], [*notes, *(f"{folder.name}/{note}" for note in more)]
    return listing("classes", rows, root, notes, has_split=True)


def _list_classes_with_splits(root: Path, folders: list[Path]) -> Listing:
    """<Class>/train|val|test. Raises BadSource where a class holds films elsewhere, or a split folders that may be classes."""
    rows: list[dict[str, str]] = []
    notes: list[str] = []
    for folder in folders:
        splits = [inner for inner in film_folders(folder) if is_split_folder(inner)]
        stray = [inner.name for inner in film_folders(folder) if inner not in splits]
        stray += [film.name for film in films_in(folder, deep=False)]
        if stray:
            raise BadSource(
                f"holds folders with train, val or test in them, but {folder.name} has {shown(stray)} too: expected "
                "<Class>/train/film and <Class>/test/film for each class, and nothing beside these",
                root,
            )
        for split, name in zip(splits, _split_names(folder, splits), strict=True):
            inner = [deeper.name for deeper in film_folders(split) if deeper != images_folder(split)]
            if inner:
                raise BadSource(
                    f"holds {folder.name}/{split.name} with folders in it ({shown(inner)}): if these are the classes, name "
                    f"{folder}; if {folder.name} is a class, move the films out of the folders in {split.name}",
                    root,
                )
            found, more = class_rows(split, list(films_in(split, deep=True)), folder.name.strip())
            rows += [{**row, "split": name} for row in found]
            notes += [f"{split.name}/{note}" for note in more]
    return listing("classes", rows, root, notes, has_split=True)


def _split_names(root: Path, splits: list[Path]) -> list[str]:
    """train, val or test for each of the folders."""
    names = [SPLIT_FOLDERS[folder.name.lower()] for folder in splits]
    if len(set(names)) < len(names):
        raise BadSource(f"holds {shown([folder.name for folder in splits])}: two of these are the same split", root)
    return names


def _rows_of_classes(folders: list[Path], **more: str) -> tuple[list[dict[str, str]], list[str]]:
    """Rows of the films of classes, one a folder, and notes. more: what else holds for all of them."""
    found = [class_rows(folder, list(films_in(folder, deep=True))) for folder in folders]
    return [{**row, **more} for rows, _ in found for row in rows], [note for _, notes in found for note in notes]


def _list_loose(root: Path) -> Listing | None:
    rows = [{"path": str(film)} for film in films_in(root, deep=True)]
    return listing("films", rows, root, []) if rows else None
