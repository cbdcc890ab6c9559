"""Where answers may be written: not over films, manifests, bundles, runs; over a file only where it holds earlier answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from plainfilm.core.files import cannot_write
from plainfilm.core.words import NOTICE
from plainfilm.errors import CannotWrite

_LONGEST_LINE, _LONGEST_END = 1 << 20, 1 << 24  # bytes
_OF_JSON_LINES = {"film", "status", "turned_away", "model", "bundle"}


def refuse_place(output: Path, journal: Path, films: Iterable[str], model: Path) -> None:
    """Raise CannotWrite where `output` is no place for answers.

    journal: beside it. films: what was typed for films. model: the bundle, or the folder of the run, that answers.
    """
    if output.is_dir():
        raise CannotWrite("is a folder: name a file in it by -o", output)
    if model.is_dir() and output.resolve().is_relative_to(model.resolve()):
        raise CannotWrite(f"lies in the run {model}, which answers: choose another -o", output)
    inputs = [*(Path(name) for name in films), *([] if model.is_dir() else [model])]
    for path in (output, journal):
        for read in inputs:
            if _is_same(path, read):
                raise CannotWrite(f"is what is read, and would be written over: choose another -o than {output}", read)
    try:
        if output.exists() and not output.is_file():
            raise CannotWrite(
                "is a pipe or a device: name a file by -o, or leave -o out and lead the output there", output
            )
        if output.exists() and not _holds_answers(output):
            raise CannotWrite(
                "is there, and holds no answers of an earlier prediction: move it away, or choose another -o", output
            )
    except OSError as cause:
        raise cannot_write(output, cause) from cause


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one is not there, or the name is "-", a glob, or none that a file can have
        return False


def _holds_answers(path: Path) -> bool:
    """Whether `predict` wrote the file, in any of its formats; an empty one has nothing to lose."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
        if first.startswith(b"PAR1"):
            return _is_our_parquet(file)
        line = first.decode("utf-8", "replace").removesuffix("\n")
        if line == "{":
            return json.dumps(NOTICE) in file.read(_LONGEST_LINE).decode("utf-8", "replace").partition('"films"')[0]
    if line.startswith("{"):
        return _is_our_json_line(line)
    is_csv = line.startswith("film,class,set,") and ",status,turned_away,error,warnings," in line
    words = line.split()
    is_table = words[:3] == ["film", "class", "set"] and words[-3:] == ["status", "turned_away", "error"]
    return not first or is_csv or is_table


def _is_our_json_line(line: str) -> bool:
    try:
        return bool(json.loads(line).keys() >= _OF_JSON_LINES)
    except (ValueError, RecursionError):
        return False


def _is_our_parquet(file: IO[bytes]) -> bool:
    """Whether its end, which names columns and holds its metadata, says what ours says. Source: the format, "File format"."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    file.seek(max(0, size - 8 - min(length, _LONGEST_END)))
    end = file.read()
    return end.endswith(b"PAR1") and NOTICE.encode() in end and b"turned_away" in end
