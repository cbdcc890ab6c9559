"""Answers as text that streams, row by row: an aligned table, CSV, JSON, JSON lines. Parquet is in `parquet.py`.

Everything starts from a record, one mapping a film, which is also what a journal keeps:

    {"film": "a.png", "status": "ok", "error": "", "turned_away": "", "class": "COVID", "set": ["COVID"],
     "probability": {"COVID": 0.98, ...}, "warnings": [], "logit": {"COVID": 4.2, ...}}

What is not known is None. A film that is turned away keeps its logits, which machines may want, and has no class, set or
probability, which would mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from plainfilm.core.bundle_file import SUFFIX
from plainfilm.core.cells import csv_line, harmless
from plainfilm.core.words import NOTICE, printable, short

_ROWS_MEASURED = 20
_GAP = "  "

if TYPE_CHECKING:
    from plainfilm.core.predictor import Answer

Record = Mapping[str, Any]


class TableFormat(StrEnum):
    """How answers are written."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"


_ENDINGS = {
    ".csv": TableFormat.csv,
    ".json": TableFormat.json,
    ".jsonl": TableFormat.jsonl,
    ".ndjson": TableFormat.jsonl,
    ".parquet": TableFormat.parquet,
    ".txt": TableFormat.table,
    "": TableFormat.table,
}
_NAME_IT = f"end its name in one of {', '.join(ending for ending in _ENDINGS if ending)}"


class Origin(NamedTuple):
    """Who answered. model: its name. classes: in order. bundle: the sha256 of its bundle; None where a run answered."""

    model: str
    classes: tuple[str, ...]
    bundle: str | None


def format_of(path: Path, wanted: TableFormat | None = None) -> TableFormat:
    """The format to write a file in: the one that is wanted, else the one that its ending names.

    Raises ValueError, which says what to do, where the ending is that of a film, a bundle or another format, or of nothing known.
    """
    from plainfilm.core.image import FILM_SUFFIXES  # late: it loads OpenCV, which every start would wait for

    ending = path.suffix.lower()
    named = _ENDINGS.get(ending)
    if ending == SUFFIX or ending in FILM_SUFFIXES:
        kind = "bundle" if ending == SUFFIX else "film"
        raise ValueError(f"{path} is called as a {kind} is, and is to hold answers: {_NAME_IT}")
    if wanted is None and named is None:
        raise ValueError(f"{path} has an ending that names no format: {_NAME_IT}, or say --format")
    if wanted is not None and ending and named not in (wanted, None):
        raise ValueError(f"{path} is called as {named} is, and --format is {wanted}: leave one of them out")
    return wanted or named or TableFormat.table


def columns(classes: Sequence[str]) -> list[str]:
    """The columns of the tables that machines read."""
    probabilities, logits = ([f"{kind}_{name}" for name in classes] for kind in ("p", "logit"))
    return ["film", "class", "set", *probabilities, "status", "turned_away", "error", "warnings", *logits]


def record_of(answer: Answer) -> dict[str, Any]:
    """An answer as a record."""
    logit = {
        name: None if answer.logit is None else round(float(answer.logit[c]), 6)
        for c, name in enumerate(answer.classes)
    }
    told = answer.to_dict()
    del told["doubt"]  # the first of the warnings here
    return {**told, "warnings": warnings_of(answer), "logit": logit}


def warnings_of(answer: Answer) -> list[str]:
    """What to know before relying on an answer: why its class is in doubt, where it is, then what is said of the film."""
    return [*filter(None, [answer.doubt]), *answer.warnings]


def as_text(format: TableFormat, records: Iterable[Record], origin: Origin) -> Iterator[str]:
    """The records in any format but Parquet, in pieces: each row as soon as its record is there."""
    return _WAYS[format](records, origin)


def _aligned(records: Iterable[Record], origin: Origin) -> Iterator[str]:
    """A table for people. The first rows set how wide columns are; a longer cell further down pushes its row to the right.

    A film's warnings stand beneath its row.
    """
    header = ["film", "class", "set", *(f"p_{name}" for name in origin.classes), "status", "turned_away", "error"]
    rows = ((_cells_for_people(record), _beneath(record)) for record in records)
    first = [(header, ""), *islice(rows, _ROWS_MEASURED)]
    widths = [max(map(len, column)) for column in zip(*(cells for cells, _ in first), strict=True)]
    for cells, beneath in chain(first, rows):
        yield _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n" + beneath


def _beneath(record: Record) -> str:
    """A film's warnings, a line below its row."""
    return f"    mind: {printable('; '.join(record['warnings']))}\n" if record["warnings"] else ""


def _cells_for_people(record: Record) -> list[str]:
    cells = [
        short(printable(record["film"])),
        record["class"] or "",
        _set_text(record),
        *("" if p is None else f"{p:.3f}" for p in record["probability"].values()),
        record["status"],
        record["turned_away"],
        record["error"],
    ]
    return [printable(cell) for cell in cells]


def _csv(records: Iterable[Record], origin: Origin) -> Iterator[str]:
    """Text that a spreadsheet would run as a formula stands behind an apostrophe, see `core/cells.py`."""
    yield csv_line(columns(origin.classes))
    for record in records:
        texts = (record["film"], record["class"] or "", _set_text(record))
        remarks = (record["status"], record["turned_away"], record["error"], "; ".join(record["warnings"]))
        yield csv_line(
            [
                *map(harmless, texts),
                *map(_number, record["probability"].values()),
                *map(harmless, remarks),
                *map(_number, record["logit"].values()),
            ]
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _set_text(record: Record) -> str:
    return "" if record["set"] is None else " or ".join(record["set"]) or "none"


def _json(records: Iterable[Record], origin: Origin) -> Iterator[str]:
    """One object, as `json.dumps(..., indent=2)` would write it."""
    head = json.dumps({**signature(origin), "note": NOTICE, "films": []}, indent=2, ensure_ascii=False)
    yield head.removesuffix("]\n}")
    mark = "\n"
    for record in records:
        row = json.dumps(record, indent=2, ensure_ascii=False).replace("\n", "\n    ")
        yield f"{mark}    {row}"
        mark = ",\n"
    yield "\n  ]\n}\n"


def _json_lines(records: Iterable[Record], origin: Origin) -> Iterator[str]:
    signed = signature(origin)
    for record in records:
        yield json.dumps({**record, **signed}, ensure_ascii=False) + "\n"


def signature(origin: Origin) -> dict[str, str | None]:
    """Who answered, for JSON."""
    return {"model": origin.model, "bundle": origin.bundle}


_WAYS: dict[TableFormat, Callable[[Iterable[Record], Origin], Iterator[str]]] = {
    TableFormat.table: _aligned,
    TableFormat.csv: _csv,
    TableFormat.json: _json,
    TableFormat.jsonl: _json_lines,
}
