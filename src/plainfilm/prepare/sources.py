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
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd

from plainfilm.core.files import cannot_write, make_directory
from plainfilm.core.image import FILM_SUFFIXES, is_film_name, writable_name
from plainfilm.core.manifest import read_table, shown
from plainfilm.core.progress import Progress
from plainfilm.errors import BadSource

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
TABLE_COLUMNS = (
    "path",
    "image_id",
    "label",
    "source",
    "patient_id",
    "view",
    "age",
    "sex",
    "mask_path",
    "split",
    "side",
)
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
_MASK_FOLDERS = ("masks", "mask")
_IMAGE_FOLDERS = ("images", "image")
_ZIP_LIMIT_BYTES = 200 * 2**30


@dataclass(frozen=True)
class Listing:
    """The films that a source holds, before any is opened.

    layout: "database", "classes", "sides" (classes below sides of a split, or hospitals, of any name), "table" or "films".
    rows: path (absolute) and those of TABLE_COLUMNS that the layout tells; text, empty where unknown. `side` is the side of
        somebody's own split, in any words, and serves `check` alone.
    root: the folder that all paths lie under.
    has_split: whether the source came with its own train, val, test.
    notes: what a person should know (files passed over, sheet rows without a film).
    """

    layout: str
    rows: pd.DataFrame
    root: Path
    has_split: bool
    notes: list[str] = field(default_factory=list)


def list_source(source: Path, work: Path, columns: Mapping[str, str], progress: Progress) -> Listing:
    """Tell the layout of `source` and list its films.

    work: a folder that an archive may be unpacked into.
    columns: our column name -> the name that a table uses for it.
    Raises BadSource where the source is missing, empty, or could be read in two ways.
    """
    if not source.exists():
        raise BadSource("is missing: name a folder, a zip or a table of films", source)
    if source.is_file():
        if source.suffix.lower() in (".csv", ".tsv", ".parquet"):
            return _list_table(source, columns)
        if source.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".ods"):
            raise BadSource("is a spreadsheet: save it as CSV, and name that", source)
        if zipfile.is_zipfile(source):
            refuse_archive_without_films(source)
            source = unpack_zip(source, work / "films", progress)
        else:
            raise BadSource("is a file that is neither a zip nor a .csv or .parquet table", source)
    if columns:
        raise BadSource(
            "is a folder: --columns gives the names in a table; join a table to films by --metadata", source
        )
    root = _descended(source)
    listing = _list_database(root) or _list_classes(root) or _list_loose(root)
    if listing is None:
        raise BadSource(
            "holds no films. Expected <Class>/images/*.png, <Class>/*.png, train/<Class>/*.png, DICOM files, a zip of these, "
            "or a table",
            source,
        )
    return listing


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
    by_class = [(folder, _child(folder, _IMAGE_FOLDERS)) for folder in _folders(root)]
    by_class = [(folder, images) for folder, images in by_class if images is not None]
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
        assert images is not None
        masks = _child(folder, _MASK_FOLDERS)
        mask_of = {mask.stem.lower(): mask for mask in _films_in(masks, deep=False)} if masks else {}
        source_of, sheet_notes = _sheet_sources(root, folder.name)
        notes += sheet_notes
        found = list(_films_in(images, deep=False))
        for film in found:
            rows.append(
                {
                    "path": str(film),
                    "label": folder.name.strip(),
                    "mask_path": str(mask_of.get(film.stem.lower(), "")),
                    "source": source_of.pop(film.stem.lower(), ""),
                }
            )
        if source_of:
            notes.append(f"{folder.name}.metadata.xlsx: {len(source_of)} rows have no film ({shown(list(source_of))})")
        if masks and len(mask_of) != len(found):
            notes.append(f"{folder.name}: {len(found)} films and {len(mask_of)} masks")
    return _listing("database", rows, root, notes)


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
        return _listing("sides", rows, root, [])
    return _listing("classes", _class_rows(folders), root, [])


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
    return _listing("classes", rows, root, [], has_split=True)


def _class_rows(folders: list[Path]) -> list[dict[str, str]]:
    return [
        {"path": str(film), "label": folder.name.strip()} for folder in folders for film in _films_in(folder, deep=True)
    ]


def _list_loose(root: Path) -> Listing | None:
    rows = [{"path": str(film)} for film in _films_in(root, deep=True)]
    return _listing("films", rows, root, []) if rows else None


def _list_table(path: Path, columns: Mapping[str, str]) -> Listing:
    """A table of films: `columns` says what others call our columns; everything else in it is passed over."""
    table = renamed(read_table(path, BadSource), columns, path)
    if "path" not in table:
        raise BadSource(
            f"has no column path (it has {shown(list(table.columns))}): name it by --columns path=NAME", path
        )
    if len(table) == 0:
        raise BadSource("has no rows", path)
    empty = table.index[table["path"] == ""]
    if len(empty):
        raise BadSource(f"row {int(empty[0]) + 2}: the path is empty", path)
    rows = table[[name for name in TABLE_COLUMNS if name in table]].copy()
    if all("\\" in film for film in rows["path"]) and not any((path.parent / film).is_file() for film in rows["path"]):
        raise BadSource(
            f"gives paths with backslashes ({rows['path'].iloc[0]}): write them with /, as on any system", path
        )
    rows["path"] = [str((path.parent / film).resolve()) for film in rows["path"]]
    twice = rows.index[rows["path"].duplicated()]
    if len(twice):
        raise BadSource(f"row {int(twice[0]) + 2}: {rows['path'][twice[0]]} stands in the table twice", path)
    if "mask_path" in rows:
        rows["mask_path"] = [str((path.parent / mask).resolve()) if mask else "" for mask in rows["mask_path"]]
    if "split" in rows:
        rows["split"] = [known_split(name, path) for name in rows["split"]]
    has_split = "split" in rows and bool((rows["split"] != "").any())
    folders = [Path(film).parent for film in rows["path"]]
    root = folders[0]
    while not all(folder.is_relative_to(root) for folder in folders):
        root = root.parent
    return _listing("table", _records(rows), root, [], has_split=has_split)


def _records(rows: pd.DataFrame) -> list[dict[str, str]]:
    return [dict(zip(rows.columns, values, strict=True)) for values in rows.itertuples(index=False)]


def renamed(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    """The table under our column names. Raises BadSource where a name is none of ours or not in the table."""
    for ours, theirs in columns.items():
        if ours not in TABLE_COLUMNS:
            raise BadSource(
                f'--columns {ours}={theirs}: "{ours}" is no column of ours; those are {", ".join(TABLE_COLUMNS)}'
            )
        if theirs not in table:
            raise BadSource(f'has no column "{theirs}"; it has {shown(list(table.columns))}', path)
    taken = [ours for ours, theirs in columns.items() if ours in table and ours != theirs]
    table = table.drop(columns=taken).rename(columns={theirs: ours for ours, theirs in columns.items()})
    table = table.map(lambda value: "" if pd.isna(value) else str(value).strip())
    for row, age in enumerate(table.get("age", []), start=2):
        if age and pd.isna(pd.to_numeric(age, errors="coerce")):
            raise BadSource(f'row {row}: age is "{age}", expected years as a number, or nothing', path)
    for row, label in enumerate(table.get("label", []), start=2):
        if not label.isprintable():
            raise BadSource(f"row {row}: the label {label!r} holds characters that cannot be printed", path)
    return table


def known_split(name: str, path: Path) -> str:
    """train, val or test for one of their usual names, "" for none. Raises BadSource for any other."""
    if name and name.lower() not in SPLIT_FOLDERS:
        raise BadSource(f'has the split "{name}", expected train, val or test', path)
    return SPLIT_FOLDERS.get(name.lower(), "")


def _listing(
    layout: str, rows: list[dict[str, str]], root: Path, notes: list[str], *, has_split: bool = False
) -> Listing:
    table = pd.DataFrame(
        {name: [writable_name(row.get(name, "")) for row in rows] for name in TABLE_COLUMNS}, dtype=object
    )
    return Listing(layout, table, root, has_split, notes)


def refuse_archive_without_films(archive: Path) -> None:
    """Raise BadSource unless a zip holds a film, before anything is unpacked."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if not any(Path(name).suffix.lower() in FILM_SUFFIXES or _may_be_dicom(Path(name)) for name in names):
        held = f"it has {shown(names)}" if names else "it is empty"
        raise BadSource(
            f"holds no films ({held}). Expected <Class>/images/*.png, <Class>/*.png or DICOM files", archive
        )


def _may_be_dicom(path: Path) -> bool:
    """Without an ending, or with one of digits, as a PACS names its exports."""
    return not path.name.startswith(".") and (not path.suffix or path.suffix[1:].isdecimal())


def unpack_zip(archive: Path, target: Path, progress: Progress) -> Path:
    """Unpack a zip of films; members that lead outside the target, or are links, are refused.

    Raises BadSource where it is damaged or dangerous, CannotWrite.
    """
    make_directory(target)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")]
            for member in members:
                place = (target / member.filename).resolve()
                is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
                if not place.is_relative_to(target.resolve()) or is_link:
                    raise BadSource(
                        f"holds {member.filename!r}, which leads outside the archive: not unpacked", archive
                    )
            if sum(member.file_size for member in members) > _ZIP_LIMIT_BYTES:
                raise BadSource("would unpack to more than 200 GiB: not unpacked", archive)
            with progress.task(f"Unpacking {archive.name}", len(members), "files") as task:
                for member in members:
                    opened.extract(member, target)
                    task.advance()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as cause:
        raise BadSource(f"is a damaged or unreadable zip ({cause}): fetch it again", archive) from cause
    except OSError as cause:
        raise cannot_write(target, cause) from cause
    return target
