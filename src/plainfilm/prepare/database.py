"""The Radiography Database's own layout: `<Class>/images`, `<Class>/masks`, and a sheet a class that names the sources."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd

from plainfilm.core.manifest import shown
from plainfilm.core.words import counted
from plainfilm.errors import BadSource
from plainfilm.prepare.folders import (
    film_folders,
    films_in,
    first_loose,
    folders_in,
    has_films,
    images_folder,
    is_mask_folder,
    is_split_folder,
    lung_masks_folder,
    masked_film,
    visible_in,
)
from plainfilm.prepare.listing import Listing, listing

# Where the Radiography Database's sheets point to, and the collection's usual name.
_SOURCE_OF_URL = (
    ("rsna-pneumonia-detection", "rsna"),
    ("paultimothymooney", "kermany"),
    ("bimcv", "bimcv"),
    ("ml-workgroup", "hannover"),
    ("sirm.org", "sirm"),
    ("eurorad", "eurorad"),
    ("covid-cxnet", "cxnet"),
    ("ieee8023", "cohen"),
    ("covid-chestxray-dataset", "cohen"),
)


def list_database(root: Path) -> Listing | None:
    """<Class>/images and <Class>/masks, with a sheet a class that tells the source of each film."""
    by_class = [
        (folder, images)
        for folder in folders_in(root)
        if not is_mask_folder(folder)
        and (images := images_folder(folder))
        and (not is_split_folder(folder) or has_films(images))
    ]
    if not by_class:
        return None
    for folder, images in by_class:
        if is_split_folder(folder):
            expected = f"{folder.name}/<Class>/{images.name}/film"
            raise BadSource(f"holds {folder.name}/{images.name}, which is in no class: expected {expected}", root)
    others = [folder.name for folder in film_folders(root) if folder not in {f for f, _ in by_class}]
    if others:
        raise BadSource(
            f"holds classes with an images folder ({shown([f.name for f, _ in by_class])}) and film folders without one "
            f"({shown(others)}): expected all of one kind",
            root,
        )
    rows, notes = [], []
    for folder, images in by_class:
        source_of, sheet_notes = _sheet_sources(root, folder.name)
        found, mask_notes = class_rows(folder, list(films_in(images, deep=True)))
        rows += [{**row, "source": source_of.pop(Path(row["path"]).stem.lower(), "")} for row in found]
        notes += sheet_notes
        if source_of:
            notes.append(f"{folder.name}.metadata.xlsx: {len(source_of)} rows have no film ({shown(list(source_of))})")
        if not found:
            notes.append(f"{folder.name}: its {images.name} folder holds no film")
        notes += mask_notes
    elsewhere = [film.relative_to(root).as_posix() for film in _beside_images(root, by_class)]
    if elsewhere:
        notes.append(f"{counted(len(elsewhere), 'film')} outside the images folders passed over ({shown(elsewhere)})")
    return listing("database", rows, root, notes) if rows else None


def list_one_class(root: Path, is_named: bool) -> Listing | None:
    """One folder of the database: images beside masks, which is a class of the folder's own name.

    is_named: whether somebody gave the folder its name.
    Raises BadSource where there is an images folder and no telling which class it is of.
    """
    images = images_folder(root)
    if images is None or not has_films(images) or first_loose(root) is not None:
        return None
    beside = [folder.name for folder in film_folders(root) if folder != images]
    if beside:
        raise BadSource(
            f"holds {images.name} beside {shown(beside)}: {images.name} is no class. Move it into the folder of its class, or away",
            root,
        )
    inner = [folder.name for folder in film_folders(images)]
    if inner:
        raise BadSource(f"has folders in {images.name} ({shown(inner)}): if these are the classes, name {images}", root)
    has_masks = any(is_mask_folder(folder) and has_films(folder) for folder in folders_in(root))
    if not has_masks or not is_named or is_split_folder(root):
        raise BadSource(
            f"holds its films in {images.name}, which is no class: put {images.name} into a folder called after its class, and "
            f"name the one above; or name the {images.name} folder itself for films without a label, which --metadata may give",
            root,
        )
    rows, notes = class_rows(root, list(films_in(images, deep=True)))
    return listing("database", rows, root, [f"{root.name} is the one class: {images.name} beside masks", *notes])


def class_rows(folder: Path, films: list[Path], label: str = "") -> tuple[list[dict[str, str]], list[str]]:
    """Rows of a class's films, those in the folder's `images` with their lung masks, and a note where these are not as many.

    label: the class, where it is not called as the folder.
    """
    images, masks = images_folder(folder), lung_masks_folder(folder)
    label = label or folder.name.strip()
    if images is None or masks is None:
        return [{"path": str(film), "label": label} for film in films], []
    names = {_key(film, images): film for film in films if film.is_relative_to(images)}
    found = list(films_in(masks, deep=True))
    mask_of = _masks_of(names, {_key(mask, masks): str(mask) for mask in found})
    rows = [
        {
            "path": str(film),
            "label": label,
            "mask_path": mask_of.get(_key(film, images), "") if film.is_relative_to(images) else "",
        }
        for film in films
    ]
    count = len(films) - sum(
        masked_film(name, names) is not None for name in names
    )  # masks beside films are noted elsewhere
    return rows, [f"{label}: {count} films and {len(found)} masks"] if len(found) != count else []


def _masks_of(films: Container[str], masks: Mapping[str, str]) -> dict[str, str]:
    """The mask of each film: the one that is called as it is, else the one of both lungs that is called after it (`X_mask`)."""
    called_after: dict[str, list[str]] = {}
    for name, mask in masks.items():
        of = None if name in films else masked_film(name, films)
        if of is not None and of[1]:
            called_after.setdefault(of[0], []).append(mask)
    only = {film: found[0] for film, found in called_after.items() if len(found) == 1}  # of several nobody can tell
    return {**only, **{name: mask for name, mask in masks.items() if name in films}}


def _key(film: Path, folder: Path) -> str:
    """What a film and its mask have in common: the path below images or masks, without ending and in lower case."""
    return film.relative_to(folder).with_suffix("").as_posix().lower()


def _beside_images(root: Path, by_class: list[tuple[Path, Path]]) -> Iterator[Path]:
    """Films in the database's layout that are neither in a class's images folder nor masks."""
    yield from films_in(root, deep=False)
    for folder, images in by_class:
        yield from films_in(folder, deep=False)
        for inner in folders_in(folder):
            if inner != images and not is_mask_folder(inner):
                yield from films_in(inner, deep=True)


def _sheet_sources(root: Path, label: str) -> tuple[dict[str, str], list[str]]:
    """Lower-case file stem -> source, from <Class>.metadata.xlsx; its FILE NAME differs from the file's in case."""
    sheet = next((path for path in visible_in(root) if path.name.lower() == f"{label}.metadata.xlsx".lower()), None)
    if sheet is None:
        return {}, []
    try:
        table = pd.read_excel(sheet, dtype=str).fillna("")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as cause:
        raise BadSource(f"cannot be read as a workbook ({cause})", sheet) from cause
    names = {str(name).strip().upper(): name for name in table.columns}
    if "FILE NAME" not in names or "URL" not in names:
        raise BadSource(
            f"has the columns {shown([str(name) for name in table.columns])}, expected FILE NAME and URL", sheet
        )
    stems = table[names["FILE NAME"]].str.strip().str.replace(r"\.(png|jpe?g)$", "", case=False, regex=True).str.lower()
    sources = table[names["URL"]].map(source_of_url)
    twice = stems[stems.duplicated() & (stems != "")]
    notes = [f"{sheet.name}: {len(twice)} file names stand twice ({shown(list(twice))})"] if len(twice) else []
    return {stem: source for stem, source in zip(stems, sources, strict=True) if stem}, notes


def source_of_url(url: str) -> str:
    """The collection that a URL of the database's sheets points to; an unknown one is named by host and path."""
    url = url.strip()
    for part, source in _SOURCE_OF_URL:
        if part in url.lower():
            return source
    address = urlparse(url if "//" in url or not url else f"//{url}")
    return (address.netloc + address.path).removeprefix("www.").rstrip("/")
