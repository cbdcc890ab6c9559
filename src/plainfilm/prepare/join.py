"""What a table knows of films that were found on disk: source, patient, view, age, sex, label, mask, split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.files import real_path
from plainfilm.core.manifest import shown
from plainfilm.core.tables import read_table
from plainfilm.core.words import counted
from plainfilm.errors import BadSource
from plainfilm.prepare.listing import Listing, known_split
from plainfilm.prepare.table import renamed, unread_columns

_JOINED_COLUMNS = ("label", "source", "patient_id", "view", "age", "sex", "mask_path", "split", "side")


def join_metadata(
    listing: Listing, path: Path | None, columns: Mapping[str, str], *, is_resplit: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """The listed films with what the table at `path` knows of them, and notes on what did not match.

    columns: our column name -> the table's. A cell of the table comes before what the layout says, an empty one does not.
    is_resplit: whether the table's own split is passed over.
    Raises BadSource where the table matches no film, names one twice, or gives a film another label than its folder.
    """
    if path is None:
        return listing.rows, []
    table = renamed(read_table(path, BadSource), columns, path, is_resplit=is_resplit)
    key = next((name for name in ("path", "image_id") if name in table), None)
    if key is None:
        has = shown(list(table.columns))
        raise BadSource(f"has neither a column path nor image_id (it has {has}): name one by --columns path=NAME", path)
    place = _matched(listing, list(table[key]), path)
    films = listing.rows.copy()
    names = [Path(film).name for film in films["path"]]
    if (place < 0).all():
        example = f"{table[key].iloc[0]!r} against {names[0]!r}" if len(table) else "it has no rows"
        raise BadSource(f"matches none of the films ({example}): its {key} must give path, file name or image_id", path)
    for name in (column for column in _JOINED_COLUMNS if column in table):
        values = list(table[name])
        theirs = pd.Series([values[row] if row >= 0 else "" for row in place], index=films.index, dtype=object)
        if name == "mask_path":
            theirs = theirs.map(lambda mask: str(real_path(path.parent / mask)) if mask else "")
        if name == "split":
            theirs = theirs.map(lambda split: known_split(split, path))
        if name == "label":
            _refuse_contradictions(films, theirs, path)
        films[name] = theirs.where(theirs != "", films[name])
    unmatched = [name for name, row in zip(names, place, strict=True) if row < 0]
    unused = len(table) - len(set(place[place >= 0]))
    notes = [f"{path.name}: {len(films) - len(unmatched)} films joined"]
    if unmatched:
        notes.append(f"{path.name}: {counted(len(unmatched), 'film')} in no row ({shown(unmatched)})")
    if unused:
        notes.append(f"{path.name}: {unused} rows have no film here")
    read = [name for name in (key, *_JOINED_COLUMNS) if not (is_resplit and name == "split")]
    return films, [*notes, *unread_columns(table, path, read)]


def _refuse_contradictions(films: pd.DataFrame, theirs: pd.Series[str], path: Path) -> None:
    differ = (films["label"] != "") & (theirs != "") & (films["label"] != theirs)
    names = [Path(film).name for film in films.loc[differ, "path"]]
    if names:
        raise BadSource(f"gives {len(names)} films another label than their folder ({shown(names)}): correct one", path)


def _matched(listing: Listing, values: list[str], path: Path) -> NDArray[np.int64]:
    """The table's row of each film, -1 for none.

    Four ways to name a film are tried: whole path, path under the root, file name, name without ending; the one that finds most
    films counts. Raises BadSource where a name of that way stands for two rows or two films.
    """
    paths = [Path(film) for film in listing.rows["path"]]
    ways = [
        ([str(real_path(path.parent / value)) for value in values], [str(real_path(film)) for film in paths]),
        (values, [film.relative_to(listing.root).as_posix() for film in paths]),
        ([Path(value).name.lower() for value in values], [film.name.lower() for film in paths]),
        ([value.lower() for value in values], [film.stem.lower() for film in paths]),
    ]
    best, best_way = np.full(len(paths), -1), ways[0]
    for theirs, ours in ways:
        rows = {name: row for row, name in enumerate(theirs)}
        place = np.array([rows.get(name, -1) for name in ours], dtype=np.int64)
        if (place >= 0).sum() > (best >= 0).sum():
            best, best_way = place, (theirs, ours)
    theirs, ours = best_way
    met = set(theirs) & set(ours)
    for names, what in ((theirs, "row"), (ours, "film")):
        several = [name for name, count in Counter(names).items() if count > 1 and name in met]
        if several:
            raise BadSource(
                f"cannot be joined: {shown(several)} names more than one {what}; give paths in the column path, relative to "
                f"{path.parent}",
                path,
            )
    return best
