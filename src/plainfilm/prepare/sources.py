"""What lies there: each layout told apart by looking, and turned into rows of films.

    database   <Class>/images/*.png, <Class>/masks/*.png, <Class>.metadata.xlsx    the Radiography Database, folder or zip
    classes    <Class>/**/film, or train|val|test/<Class>/**/film
    table      a CSV or Parquet table with a column of paths
    films      films in no class folders (DICOM series, say): no label unless --metadata gives one

A row holds an absolute path and what the layout says; nothing is decoded here.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd

from plainfilm.core.files import real_path
from plainfilm.core.image import FILM_SUFFIXES, is_film_name
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress
from plainfilm.core.words import counted
from plainfilm.errors import BadSource
from plainfilm.prepare.archive import refuse_archive_without_films, unpack_new
from plainfilm.prepare.listing import SPLIT_FOLDERS, Listing, listing
from plainfilm.prepare.table import list_table

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
UNPACKED = "films"  # folder below that of the manifest
_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
_MASK_FOLDERS = ("masks", "mask")
_IMAGE_FOLDERS = ("images", "image")


def list_source(
    source: Path, work: Path, columns: Mapping[str, str], progress: Progress, *, is_resplit: bool = False
) -> Listing:
    """Tell the layout of `source` and list its films.

    work: a folder that an archive may be unpacked into, as `films`.
    columns: our column name -> the name that a table uses for it.
    is_resplit: whether a split that a table has is passed over.
    Raises BadSource where the source is missing, empty, or could be read in two ways.
    """
    if not source.exists():
        raise BadSource("is missing: name a folder, a zip or a table of films", source)
    if source.is_file():
        if source.suffix.lower() in (".csv", ".tsv", ".parquet"):
            return list_table(source, columns, is_resplit=is_resplit)
        if source.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".ods"):
            raise BadSource("is a spreadsheet: save it as CSV, and name that", source)
        if zipfile.is_zipfile(source):
            refuse_archive_without_films(source)
            source = unpack_new(source, real_path(work / UNPACKED), progress)
        else:
            raise BadSource("is a file that is neither a zip nor a .csv or .parquet table", source)
    if columns:
        raise BadSource(
            "is a folder: --columns gives the names in a table; join a table to films by --metadata", source
        )
    root = _descended(source)
    found = _list_database(root) or _list_classes(root) or _list_loose(root)
    if found is None:
        raise BadSource(
            "holds no films. Expected <Class>/images/*.png, <Class>/*.png, train/<Class>/*.png, DICOM files, a zip of these, "
            "or a table",
            source,
        )
    return found


def refuse_lost_labels(listing: Listing, films: pd.DataFrame) -> None:
    """Raise BadSource where pictures have no label because some lie beside the folders of what may be classes.

    films: those of the listing, with what a table says of them. DICOM films may lie in folders of any kind.
    """
    if listing.layout != "films" or (films["label"] != "").any():
        return
    folders = [folder.name for folder in _folders(listing.root) if _has_films(folder)]
    loose = [film.name for film in _films_in(listing.root, deep=False)]
    has_pictures = any(Path(film).suffix.lower() in FILM_SUFFIXES - _DICOM_SUFFIXES for film in films["path"])
    if loose and len(folders) > 1 and has_pictures:
        raise BadSource(
            f"holds {counted(len(loose), 'film')} ({shown(loose)}) beside folders of films ({shown(folders)}): if these are the "
            "classes, move the films beside them into one or away; if not, give the labels by --metadata",
            listing.root,
        )


def _visible(folder: Path) -> list[Path]:
    return sorted(
        (entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"),
        key=lambda entry: _natural(entry.name),
    )


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """COVID-9 before COVID-10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _films_in(folder: Path, *, deep: bool, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Films by name, links that lead nowhere among them; a link to a folder that is being walked is passed over."""
    above = (*above, folder.resolve())
    for entry in _visible(folder):
        if entry.is_dir():
            if deep and entry.name.lower() not in _MASK_FOLDERS and entry.resolve() not in above:
                yield from _films_in(entry, deep=True, above=above)
        elif is_film_name(entry) and (entry.is_file() or entry.is_symlink()):
            yield entry


def _has_films(folder: Path) -> bool:
    return next(_films_in(folder, deep=True), None) is not None


def _descended(folder: Path) -> Path:
    """Go into wrapping folders, as archives leave them: one folder and no films beside it."""
    while True:
        inner = _folders(folder)
        if len(inner) != 1 or next(_films_in(folder, deep=False), None) is not None:
            return folder
        name = inner[0].name.lower()
        if name in (*_IMAGE_FOLDERS, *SPLIT_FOLDERS) or not _folders(inner[0]) or _child(inner[0], _IMAGE_FOLDERS):
            return folder
        folder = inner[0]


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((entry for entry in _folders(folder) if entry.name.lower() in names), None)


def _list_database(root: Path) -> Listing | None:
    """<Class>/images and <Class>/masks, with a sheet a class that tells the source of each film."""
    by_class = [(folder, images) for folder in _folders(root) if (images := _child(folder, _IMAGE_FOLDERS))]
    if not by_class:
        return None
    others = [folder.name for folder in _folders(root) if folder not in {f for f, _ in by_class} and _has_films(folder)]
    if others:
        raise BadSource(
            f"holds classes with an images folder ({shown([f.name for f, _ in by_class])}) and film folders without one "
            f"({shown(others)}): expected all of one kind",
            root,
        )
    rows, notes = [], []
    for folder, images in by_class:
        masks = _child(folder, _MASK_FOLDERS)
        mask_of = {_key(mask, masks): mask for mask in _films_in(masks, deep=True)} if masks else {}
        source_of, sheet_notes = _sheet_sources(root, folder.name)
        notes += sheet_notes
        found = list(_films_in(images, deep=True))
        for film in found:
            rows.append(
                {
                    "path": str(film),
                    "label": folder.name.strip(),
                    "mask_path": str(mask_of.get(_key(film, images), "")),
                    "source": source_of.pop(film.stem.lower(), ""),
                }
            )
        if source_of:
            notes.append(f"{folder.name}.metadata.xlsx: {len(source_of)} rows have no film ({shown(list(source_of))})")
        if not found:
            notes.append(f"{folder.name}: its {images.name} folder holds no film")
        if masks and len(mask_of) != len(found):
            notes.append(f"{folder.name}: {len(found)} films and {len(mask_of)} masks")
    elsewhere = [film.relative_to(root).as_posix() for film in _beside_images(root, by_class)]
    if elsewhere:
        notes.append(f"{counted(len(elsewhere), 'film')} outside the images folders passed over ({shown(elsewhere)})")
    return listing("database", rows, root, notes) if rows else None


def _key(film: Path, folder: Path) -> str:
    """What a film and its mask have in common: the path below images or masks, without ending and in lower case."""
    return film.relative_to(folder).with_suffix("").as_posix().lower()


def _beside_images(root: Path, by_class: list[tuple[Path, Path]]) -> Iterator[Path]:
    """Films in the database's layout that are neither in a class's images folder nor masks."""
    yield from _films_in(root, deep=False)
    for folder, images in by_class:
        yield from _films_in(folder, deep=False)
        for inner in _folders(folder):
            if inner != images and "mask" not in inner.name.lower():
                yield from _films_in(inner, deep=True)


def _sheet_sources(root: Path, label: str) -> tuple[dict[str, str], list[str]]:
    """Lower-case file stem -> source, from <Class>.metadata.xlsx; its FILE NAME differs from the file's in case."""
    sheet = next((path for path in _visible(root) if path.name.lower() == f"{label}.metadata.xlsx".lower()), None)
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


def _list_classes(root: Path) -> Listing | None:
    """Folders by class, with or without train, val, test above them."""
    folders = [folder for folder in _folders(root) if _has_films(folder)]
    loose = next(_films_in(root, deep=False), None)
    splits = [folder for folder in folders if folder.name.lower() in SPLIT_FOLDERS]
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
    if _hold_the_same_classes(folders):
        rows = [
            {**row, "side": folder.name}
            for folder in folders
            for row in _class_rows([inner for inner in _folders(folder) if _has_films(inner)])
        ]
        return listing("sides", rows, root, [])
    return listing("classes", _class_rows(folders), root, [])


def _hold_the_same_classes(folders: list[Path]) -> bool:
    """Whether two folders or more each hold the same folders of films, two or more, and no films beside them."""
    inside = {frozenset(inner.name.strip() for inner in _folders(folder) if _has_films(inner)) for folder in folders}
    has_loose = any(next(_films_in(folder, deep=False), None) is not None for folder in folders)
    return len(folders) > 1 and len(inside) == 1 and len(next(iter(inside))) > 1 and not has_loose


def _list_split_classes(root: Path, splits: list[Path]) -> Listing:
    rows = []
    names = [SPLIT_FOLDERS[folder.name.lower()] for folder in splits]
    if len(set(names)) < len(names):
        raise BadSource(f"holds {shown([folder.name for folder in splits])}: two of these are the same split", root)
    for folder, name in zip(splits, names, strict=True):
        loose = next(_films_in(folder, deep=False), None)
        if loose is not None:
            raise BadSource(
                f"holds films outside any class folder ({loose.name}): expected {folder.name}/<Class>/film", folder
            )
        rows += [
            {**row, "split": name} for row in _class_rows([inner for inner in _folders(folder) if _has_films(inner)])
        ]
    return listing("classes", rows, root, [], has_split=True)


def _class_rows(folders: list[Path]) -> list[dict[str, str]]:
    return [
        {"path": str(film), "label": folder.name.strip()} for folder in folders for film in _films_in(folder, deep=True)
    ]


def _list_loose(root: Path) -> Listing | None:
    rows = [{"path": str(film)} for film in _films_in(root, deep=True)]
    return listing("films", rows, root, []) if rows else None
