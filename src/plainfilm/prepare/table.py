"""A table of films, as somebody else wrote it, in our columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from plainfilm.core.files import real_path
from plainfilm.core.manifest import COLUMNS, shown
from plainfilm.core.tables import read_table
from plainfilm.core.words import counted
from plainfilm.errors import BadSource
from plainfilm.prepare.listing import SPLIT_FOLDERS, TABLE_COLUMNS, Listing, common_folder, known_split, listing

# What others call our columns, without what is neither letter nor digit. Never taken for granted, only asked about.
_MAY_BE = {
    "label": ("class", "classes", "diagnosis", "disease", "finding", "findings", "findinglabel", "findinglabels", "labels",
              "category", "target"),
    "patient_id": ("patient", "patients", "patientid", "patientids", "patientnumber", "patientname", "subject", "subjectid", "pid"),
    "source": ("hospital", "site", "institution", "center", "centre", "collection", "dataset", "origin"),
    "view": ("viewposition", "projection"),
    "age": ("patientage", "ageyears"),
    "sex": ("gender", "patientsex", "patientgender"),
    "mask_path": ("mask", "maskpath", "maskfile", "lungmask"),
    "split": ("fold", "set", "subset", "partition"),
}  # fmt: skip


def list_table(
    path: Path, columns: Mapping[str, str], *, is_resplit: bool = False, has_metadata: bool = False
) -> Listing:
    """A table of films: `columns` says what others call our columns; everything else in it is passed over.

    is_resplit: whether the table's own split is passed over too. has_metadata: whether a second table is joined to it, which
    `columns` then are of.
    """
    table = renamed(read_table(path, BadSource), columns, path, is_resplit=is_resplit)
    read = [name for name in TABLE_COLUMNS if not (is_resplit and name == "split")]
    unread = unread_columns(table, path, read, is_named_by_columns=not has_metadata)
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
    rows["path"] = [str(real_path(path.parent / film)) for film in rows["path"]]
    rows, notes = _one_row_a_film(rows, path)
    if "mask_path" in rows:
        rows["mask_path"] = [str(real_path(path.parent / mask)) if mask else "" for mask in rows["mask_path"]]
    if "split" in rows:
        rows["split"] = [known_split(name, path) for name in rows["split"]]
    has_split = "split" in rows and bool((rows["split"] != "").any())
    masks = [mask for mask in rows.get("mask_path", []) if mask]
    folders = [Path(file).parent for file in (*rows["path"], *masks)]
    root = common_folder(folders[0], folders)
    return listing("table", _records(rows), root, [*notes, *unread], has_split=has_split)


def _one_row_a_film(rows: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """One row for each file, and notes on those that had several: what these do not agree on is unknown.

    Raises BadSource where one file stands on two sides of a split: whoever reads the table must know that.
    """
    is_repeated = rows["path"].duplicated(keep=False)
    if not is_repeated.any():
        return rows, []
    firsts, notes, unknown = rows[~rows["path"].duplicated()].copy(), [], []
    repeated = rows[is_repeated]
    for name in (str(name) for name in rows if name != "path"):
        kinds = repeated[repeated[name] != ""].groupby("path", sort=False)[name].agg(lambda given: sorted(set(given)))
        torn = kinds[kinds.map(len) > 1]
        if len(torn) and name in ("split", "side"):
            first = f"{Path(str(torn.index[0])).name} in {' and '.join(torn.iloc[0])}"
            raise BadSource(f"{counted(len(torn), 'file')} in two rows, on two sides of the split ({first})", path)
        agreed = kinds[kinds.map(len) == 1].map(lambda given: given[0])
        firsts[name] = firsts[name].where(~firsts["path"].isin(kinds.index), firsts["path"].map(agreed).fillna(""))
        if len(torn):
            files = shown([f"{Path(str(film)).name}: {' or '.join(given)}" for film, given in torn.items()])
            unknown.append(f"{name} of {files}")
    notes.append(
        f"{path.name}: {counted(repeated['path'].nunique(), 'file')} in two rows or more, joined into one each"
        + (f"; where rows contradict each other the value is unknown ({'; '.join(unknown)})" if unknown else "")
    )
    return firsts.reset_index(drop=True), notes


def _records(rows: pd.DataFrame) -> list[dict[str, str]]:
    return [dict(zip(rows.columns, values, strict=True)) for values in rows.itertuples(index=False)]


def renamed(table: pd.DataFrame, columns: Mapping[str, str], path: Path, *, is_resplit: bool = False) -> pd.DataFrame:
    """The table under our column names; without its split where it is to be drawn anew, or where `columns` names another as side.

    Raises BadSource where a name is none of ours or not in the table.
    """
    for ours, theirs in columns.items():
        if ours not in TABLE_COLUMNS:
            raise BadSource(
                f'--columns {ours}={theirs}: "{ours}" is no column of ours; those are {", ".join(TABLE_COLUMNS)}'
            )
        if theirs not in table:
            raise BadSource(f'has no column "{theirs}"; it has {shown(list(table.columns))}', path)
    taken = [ours for ours, theirs in columns.items() if ours in table and ours != theirs]
    table = table.drop(columns=taken).rename(columns={theirs: ours for ours, theirs in columns.items()})
    unasked = ["split", "side"] if is_resplit else ["split"] if "side" in columns else []
    table = table.drop(columns=[name for name in unasked if name in table])
    table = table.map(lambda value: "" if pd.isna(value) else str(value).strip())
    for row, age in enumerate(table.get("age", []), start=2):
        if age and pd.isna(pd.to_numeric(age, errors="coerce")):
            raise BadSource(f'row {row}: age is "{age}", expected years as a number, or nothing', path)
    for row, label in enumerate(table.get("label", []), start=2):
        if not label.isprintable():
            raise BadSource(f"row {row}: the label {label!r} holds characters that cannot be printed", path)
    return table


def unread_columns(
    table: pd.DataFrame, path: Path, read: Collection[str], *, is_named_by_columns: bool = True
) -> list[str]:
    """Notes on the columns of a table that are passed over: how to name each that may be one of ours, then the rest.

    table: under our names. read: the columns that are not passed over. is_named_by_columns: whether --columns is of this table.
    A manifest of ours is known, and needs no note.
    """
    if set(COLUMNS) - {"split"} <= set(table.columns):
        return []
    unread = {str(name): re.sub("[^a-z0-9]", "", str(name).lower()) for name in table if name not in read}
    absent = [
        ours for ours in _MAY_BE if ours not in table and ours in read and not (ours == "split" and "side" in table)
    ]
    asked = {
        theirs: ours
        for ours in absent
        for theirs, bare in unread.items()
        if bare in (ours.replace("_", ""), *_MAY_BE[ours]) and (ours != "split" or _is_split(table[theirs]))
    }
    notes = [
        f'{path.name}: its column "{theirs}" is not read; if it is {ours}, '
        + (f'say --columns "{ours}={theirs}"' if is_named_by_columns else f"call it {ours} there")
        for theirs, ours in asked.items()
    ]
    rest = [name for name in unread if name not in asked]
    if rest:
        what = counted(len(rest), "other column" if asked else "column")
        notes.append(f"{path.name}: {what} not read ({shown(rest)})")
    return notes


def _is_split(values: pd.Series[str]) -> bool:
    """Whether a column says train, val or test, rather than the number of a fold."""
    return set(values.str.lower()) <= {"", *SPLIT_FOLDERS}
