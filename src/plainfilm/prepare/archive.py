"""A zip of films, unpacked with care."""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path

from plainfilm.core.files import cannot_write, make_directory
from plainfilm.core.image import FILM_SUFFIXES
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress
from plainfilm.errors import BadSource

_ZIP_LIMIT_BYTES = 200 * 2**30
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class _CannotRead(OSError):
    """The system failed to read the archive, or refused to; another OSError comes of writing what was in it."""


class _Archive(BufferedReader):
    """An archive's bytes. A zip that lacks its beginning sends the reader to places before it, which the system refuses."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises _CannotRead."""
        try:
            return super().read(size)
        except OSError as cause:
            raise _CannotRead(cause.errno, cause.strerror) from cause

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Raises _CannotRead."""
        try:
            return super().seek(offset, whence)
        except OSError as cause:
            raise _CannotRead(cause.errno, cause.strerror) from cause


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip. Raises BadSource where it is damaged or cannot be read; an OSError that comes out is one of writing."""
    try:
        try:
            file = _Archive(FileIO(archive))
        except OSError as cause:
            raise _CannotRead(cause.errno, cause.strerror) from cause
        with file, zipfile.ZipFile(file) as opened:
            yield opened
    except (*_DAMAGED, _CannotRead) as cause:
        raise BadSource(f"is a damaged zip, or cannot be read ({cause}): fetch it again", archive) from cause
    except OSError as cause:
        if cause.errno is not None:
            raise
        raise BadSource(f"is a damaged zip ({cause}): fetch it again", archive) from cause  # as bz2 says it


def refuse_archive_without_films(archive: Path) -> None:
    """Raise BadSource unless a zip can be read and holds a film, before anything is unpacked."""
    with _opened(archive) as opened:
        names = [name for name in opened.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if not any(Path(name).suffix.lower() in FILM_SUFFIXES or _may_be_dicom(Path(name)) for name in names):
        held = f"it has {shown(names)}" if names else "it is empty"
        raise BadSource(
            f"holds no films ({held}). Expected <Class>/images/*.png, <Class>/*.png or DICOM files", archive
        )


def _may_be_dicom(path: Path) -> bool:
    """Without an ending, or with one of digits, as a PACS names its exports."""
    return not path.name.startswith(".") and (not path.suffix or path.suffix[1:].isdecimal())


def unpack_new(archive: Path, folder: Path, progress: Progress) -> Path:
    """Unpack a zip of films into a new folder, whole or not at all.

    Raises BadSource where something lies there, and as unpack_zip; CannotWrite.
    """
    if _is_taken(folder):
        raise BadSource("is where the zip is unpacked, and not empty: remove it, or choose another -o", folder)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        unpack_zip(archive, part, progress)
        part.replace(folder)
    except OSError as cause:
        raise cannot_write(folder, cause) from cause
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def removed_on_failure(folder: Path, unless: Path) -> Iterator[None]:
    """Where the block fails before it made the file `unless`, remove the films that it unpacked into `folder`."""
    was_taken = _is_taken(folder)
    try:
        yield
    except BaseException:  # Ctrl-C too
        if not was_taken and not unless.exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_taken(folder: Path) -> bool:
    return any(folder.iterdir()) if folder.is_dir() else folder.exists()


def unpack_zip(archive: Path, target: Path, progress: Progress) -> Path:
    """Unpack a zip of films; members that lead outside the target, or are links, are refused.

    Raises BadSource where it is damaged or dangerous, CannotWrite.
    """
    make_directory(target)
    try:
        with _opened(archive) as opened:
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
    except OSError as cause:
        raise cannot_write(target, cause) from cause
    return target
