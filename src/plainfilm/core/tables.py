"""Tables as people and we ourselves write them: CSV and Parquet, read as text, with the reason where that cannot be done."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from plainfilm.errors import BadManifest, MissingExtra


def read_table(path: Path, error: type[Any] = BadManifest, *, is_ours: bool = False) -> pd.DataFrame:
    """Read a CSV (comma, semicolon or tab, told by the header line) or Parquet table, everything as text.

    is_ours: whether plainfilm wrote it: a cell's first spaces are then its own; people type them behind a separator.
    Raises `error`(message, path) where it is missing, empty, damaged, or names a column twice.
    """
    if not path.is_file():
        raise error("is no file" if path.exists() else "is missing", path)
    if path.suffix.lower() == ".parquet":
        needs_pyarrow(path)
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as cause:
            raise error(f"cannot be read as Parquet ({cause})", path) from cause
        return table
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            separator = max((",", ";", "\t"), key=re.sub('"[^"]*"', "", header).count)
            lines.seek(0)
            names = next(csv.reader(lines, delimiter=separator, skipinitialspace=not is_ours), [])
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                skipinitialspace=not is_ours,
                index_col=False,
            )
    except pd.errors.ParserWarning as cause:
        raise error("has rows of more cells than its first line names columns", path) from cause
    except (pd.errors.EmptyDataError, pd.errors.ParserError, csv.Error, UnicodeDecodeError, OSError) as cause:
        raise error(f"cannot be read as a CSV table in UTF-8 ({cause})", path) from cause
    table.columns = table.columns.str.strip()
    names = [name.strip() for name in names]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise error(f"names a column twice: {', '.join(twice)}", path)
    return table


def needs_pyarrow(path: Path) -> None:
    """Raise MissingExtra where `path`, a Parquet file, can be neither read nor written."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtra(f"reading or writing {path.name}", "pyarrow") from None
