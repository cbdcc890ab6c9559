"""What was answered so far, beside the file that is to be written, so that a job that was killed can go on.

    scores.csv.journal      first line: what answers, asked for what, by which plainfilm; then one record a film

A record goes there when its whole batch has been answered, so the films left over fall into the same batches again and get the same
numbers to the last digit. A line that a kill cut off is dropped, and its batch is answered again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from plainfilm.core.files import cannot_write, write_text
from plainfilm.errors import BadConfig, CannotWrite
from plainfilm.serve.tables import Record

FORMAT_VERSION = 1
_SUFFIX = ".journal"


class Journal:
    """The records of films that were answered, in their order.

    path: where the journal lies. kept: how many of the records that it held before count, whole batches from the first film on.
    is_empty: whether it holds no record that counts, so that there is nothing to go on with.
    """

    def __init__(self, output: Path, about: Mapping[str, Any], films_at_once: int, *, resume: bool) -> None:
        """Begin, or go on where `resume` and there is something to go on with.

        about: all that shapes answers, and what was asked for. films_at_once: in a batch.
        Raises CannotWrite where one lies there and `resume` is not said, or where the folder cannot be written; BadConfig where
        the one that lies there is about something else. What lies there is not changed before `begin`.
        """
        self.path = journal_of(output)
        self.kept, self._sound_to = 0, 0
        self._file: IO[str] | None = None
        self._is_ours = not self.path.exists()  # and may be removed
        self.is_empty = True
        about = {"format_version": FORMAT_VERSION, **about}
        if not self._is_ours:
            if not resume:
                raise CannotWrite(
                    "lies there from a prediction that was stopped: go on with it by --resume, or delete it to begin anew",
                    self.path,
                )
            self._take_up(about, films_at_once)
        else:
            head = json.dumps(about, ensure_ascii=False) + "\n"
            write_text(self.path, head)
            self._sound_to = len(head.encode())

    def begin(self, named: Iterator[str]) -> None:
        """Compare the films that it holds with those that are named now, then cut off what is no whole batch, to be written to.

        named: `kept` names are taken of it. Raises BadConfig at the first film that is another, and changes nothing then.
        """
        for place, record in enumerate(islice(self.records(), self.kept), 1):
            now = next(named, None)
            if now != record["film"]:
                raise BadConfig(
                    f"--resume: film {place} of {self.path} is {record['film']}, and now {now or 'no film'} is named in its place. "
                    "Name the same films in the same order, or delete it to begin anew"
                )
        try:
            os.truncate(self.path, self._sound_to)
            self._file = self.path.open("a", encoding="utf-8", newline="\n")
        except OSError as cause:
            raise cannot_write(self.path, cause) from cause
        self._is_ours, self.is_empty = True, not self.kept

    def append(self, records: Sequence[Record]) -> None:
        """Keep the records of a batch; a kill after that loses none of them."""
        assert self._file is not None, "begin() first"
        try:
            self._file.write("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
            self._file.flush()
        except OSError as cause:
            raise cannot_write(self.path, cause) from cause
        self.is_empty = False

    def records(self) -> Iterator[Record]:
        """All records, those of earlier times first."""
        with self.path.open(encoding="utf-8") as lines:
            next(lines)
            for line in lines:
                yield json.loads(line)

    def close(self) -> None:
        """Close the file and leave it there; one that holds nothing to go on with goes."""
        if self._file is not None:
            with suppress(OSError):  # it was told already that something could not be written
                self._file.close()
        if self.is_empty and self._is_ours:
            self.path.unlink(missing_ok=True)

    def remove(self) -> None:
        """What it was for is written."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _take_up(self, about: Mapping[str, Any], films_at_once: int) -> None:
        """Check whose journal it is, and how far its whole lines and whole batches reach."""
        try:
            with self.path.open("rb") as file:
                self._check(file.readline(), about)
                self._sound_to = at = file.tell()
                for place, line in enumerate(file, 1):
                    if not _is_record(line):
                        break
                    at += len(line)
                    if place % films_at_once == 0:
                        self.kept, self._sound_to = place, at
        except OSError as cause:
            raise cannot_write(self.path, cause) from cause

    def _check(self, first_line: bytes, about: Mapping[str, Any]) -> None:
        try:
            found = dict(json.loads(first_line))
        except (ValueError, TypeError):
            found = {}
        for name, wanted in about.items():
            if found.get(name) != wanted:
                what = "another bundle or run: sha256" if name == "sha256" else name
                raise BadConfig(
                    f"--resume: {self.path} was begun with {what} {json.dumps(found.get(name), ensure_ascii=False)}, and now it is "
                    f"{json.dumps(wanted, ensure_ascii=False)}. Ask as you did then, or delete it to begin anew"
                )


def _is_record(line: bytes) -> bool:
    """Whether a line of the journal is whole: neither cut off by a kill, nor one that never came to the disk."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line)["film"], str)
    except (ValueError, KeyError, TypeError):
        return False


def journal_of(output: Path) -> Path:
    """Where the journal of a file lies."""
    return output.parent / (output.name + _SUFFIX)  # with_name() would raise for a folder without a name, such as "."


def lock_of(output: Path) -> Path:
    """Where the lock of a file lies while it is written; a process that is killed leaves it."""
    return output.with_name(f".{output.name}.lock")


@contextmanager
def only_writer(output: Path) -> Iterator[None]:
    """Keep a second process from writing the same file at the same time. Raises CannotWrite where one is at it."""
    if not output.parent.is_dir():  # the lock would make it
        raise cannot_write(output, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    lock = lock_of(output)
    try:
        lock.touch()  # FileLock takes a folder that takes no files for one where another writes
    except OSError as cause:
        raise cannot_write(output, cause) from cause
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise CannotWrite("is being written by another process: wait for it, or choose another -o", output) from None
