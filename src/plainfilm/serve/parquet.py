"""Answers as a Parquet file: the columns of CSV, but numbers are numbers, and sets and warnings are lists of text.

By arro3, Rust's Arrow and Parquet for Python: 34 MB where pyarrow is 150, which the light installation has no room for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import arro3.io
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_array

from plainfilm.core.words import NOTICE
from plainfilm.serve.tables import Origin, Record, columns, signature

_ROWS_A_BATCH = 512
_TEXT, _NUMBER = DataType.string(), DataType.float64()
_TEXTS = DataType.list(Field("item", _TEXT))
_LISTS = ("set", "warnings")


def write_parquet(path: Path, records: Iterable[Record], origin: Origin) -> None:
    """Write the records, a few hundred at a time. Who answered stands in the file's metadata: model, bundle, note."""
    schema = Schema([Field(name, _kind(name)) for name in columns(origin.classes)])
    rest = iter(records)
    batches = (_batch(schema, some, origin) for some in iter(lambda: list(islice(rest, _ROWS_A_BATCH)), []))
    arro3.io.write_parquet(
        RecordBatchReader.from_batches(schema, batches),
        path,
        compression="zstd(3)",
        key_value_metadata={name: text or "" for name, text in {**signature(origin), "note": NOTICE}.items()},
    )


def _kind(column: str) -> DataType:
    if column.startswith(("p_", "logit_")):
        return _NUMBER
    return _TEXTS if column in _LISTS else _TEXT


def _batch(schema: Schema, records: Sequence[Record], origin: Origin) -> RecordBatch:
    arrays = []
    for name in columns(origin.classes):
        kind, _, label = name.partition("_")
        if _kind(name) is _NUMBER:
            where = "probability" if kind == "p" else "logit"
            arrays.append(Array([record[where][label] for record in records], _NUMBER))
        elif name in _LISTS:
            arrays.append(_lists([record[name] for record in records]))
        else:
            arrays.append(Array([record[name] for record in records], _TEXT))
    return RecordBatch.from_arrays(arrays, schema=schema)


def _lists(held: Sequence[Sequence[str] | None]) -> Any:
    """Lists of text; None where unknown."""
    ends = [0]
    for texts in held:
        ends.append(ends[-1] + len(texts or ()))
    return list_array(
        Array(ends, DataType.int32()),
        Array([text for texts in held for text in texts or ()], _TEXT),
        type=_TEXTS,
        mask=Array([texts is None for texts in held], DataType.bool()),
    )
