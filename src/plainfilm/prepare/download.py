"""The COVID-19 Radiography Database from Kaggle: fetched, counted, put where it was asked for.

One copy on the disk. Without a folder it stays in kagglehub's cache, where notebooks find it too, and the manifest points there.
With a folder it arrives below it, in .plainfilm-download, and is renamed into place: nothing is copied, the folder holds all of
the database or none of it, and a broken download goes on the next time (kagglehub's own output_dir cannot: it refuses a folder
that holds the broken one).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from plainfilm.core.files import cannot_write, make_directory
from plainfilm.core.image import is_film_name
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress, Silence
from plainfilm.errors import BadSource, CannotWrite
from plainfilm.prepare.kaggle import archive_in, cache_folder, fetch

# Version 5 is the one with these counts. Its number is part of the name: a copy in the cache then needs no network.
HANDLE = "tawsifurrahman/covid19-radiography-database/versions/5"
PAGE = "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database"
RADIOGRAPHY_FILMS: Mapping[str, int] = {"COVID": 3616, "Normal": 10192, "Lung_Opacity": 6012, "Viral Pneumonia": 1345}

_ARRIVING = ".plainfilm-download"
_LOCK = ".plainfilm-download.lock"


def download(
    directory: str | Path | None = None, *, expected: Mapping[str, int] | None = None, progress: Progress | None = None
) -> Path:
    """Fetch the database, unless it is there already, and return the folder with its classes, counted.

    directory: where it shall lie, new, empty, or with an earlier download; kagglehub's cache where None.
    expected: films of each class, and masks as many; those of the published database where None.
    Raises DownloadFailed with what to do instead, BadSource where the directory holds something else or films are missing,
    CannotWrite, Interrupted.
    """
    out: Progress = progress or Silence()
    expected = RADIOGRAPHY_FILMS if expected is None else expected
    if directory is None:
        cache = cache_folder()
        with _alone_in(cache):
            fetched = _fetch(None, cache, out)
    else:
        fetched = _download_to(Path(directory), expected, out)
    folder = _with_classes(fetched, expected) or fetched
    problems = count_problems(folder, expected)
    if problems:
        raise BadSource(
            f"is not the database as published: {'; '.join(problems)}. Delete {fetched if directory is None else folder} and run "
            'the same command again, or take it as it is by "plainfilm prepare"',
            folder,
        )
    return folder


def count_problems(folder: Path, expected: Mapping[str, int]) -> list[str]:
    """What differs from the expected number of films and of masks, one sentence a class; empty where all is there."""
    problems = []
    for label, count in expected.items():
        wrong = []
        for kind in ("images", "masks"):
            found = _films_in(folder / label / kind)
            if found != count:
                lacks, has = (
                    f"lacks {count - found:,} of {count:,} {kind}",
                    f"has {found:,} {kind} instead of {count:,}",
                )
                wrong.append(lacks if found < count else has)
        if wrong:
            problems.append(f"{label} {' and '.join(wrong)}")
    return problems


def _films_in(folder: Path) -> int:
    return sum(is_film_name(path) for path in folder.iterdir()) if folder.is_dir() else 0


def _with_classes(place: Path, expected: Mapping[str, int]) -> Path | None:
    """`place`, or the folder in it, that holds a folder for each class; None where there is none."""
    folders = [place, *sorted(path for path in place.iterdir() if path.is_dir() and path.name != _ARRIVING)]
    return next((folder for folder in folders if all((folder / label).is_dir() for label in expected)), None)


def _fetch(cache: Path | None, root: Path, out: Progress) -> Path:
    """Fetch into kagglehub's own cache, which lies at `root`, or into `cache`; leave no empty folders where nothing came."""
    archive = archive_in(root, HANDLE)
    out.say("Going on with a download that broke off" if archive.is_file() else f"Asking Kaggle for {HANDLE}")
    try:
        return fetch(HANDLE, cache, out, page=PAGE)
    finally:
        _remove_empty(archive.parent / "versions", *archive.parents[:3])


def _download_to(directory: Path, expected: Mapping[str, int], out: Progress) -> Path:
    """Fetch into a folder below `directory`, and move what arrived up into it."""
    was_there = directory.is_dir()
    make_directory(directory)
    arriving = directory / _ARRIVING
    try:
        held = [path.name for path in directory.iterdir() if path != arriving]
        if held and _with_classes(directory, expected):
            return directory
        if held:
            raise BadSource(f"holds something else ({shown(held)}): choose a new or an empty folder for -o", directory)
        with _alone_in(arriving):
            fetched = _fetch(arriving, arriving, out)
            for entry in fetched.iterdir():
                entry.rename(directory / entry.name)
            shutil.rmtree(arriving / "datasets")
    except OSError as cause:
        raise cannot_write(directory, cause) from cause
    finally:
        _remove_empty(arriving, *() if was_there else (directory,))
    return directory


def _remove_empty(*folders: Path) -> None:
    """Remove those, in this order, that are there and hold nothing; what has arrived stays."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _alone_in(cache: Path) -> Iterator[None]:
    """Keep a second download out of a cache; the lock goes with the process. Raises CannotWrite where one is there."""
    lock = FileLock(make_directory(cache) / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CannotWrite(
            "takes in another download of plainfilm: wait for its end and run the same command again, or choose another -o",
            cache,
        ) from None
    except OSError as cause:
        raise cannot_write(cache, cause) from cause
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            (cache / _LOCK).unlink()
