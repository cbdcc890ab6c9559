"""Where decoded films are kept, and that they do not fill a disk for nothing."""

from __future__ import annotations

import getpass
import os
import re
import tempfile
import time
from pathlib import Path

from plainfilm.core.files import make_directory
from plainfilm.errors import CannotWrite

_ABANDONED_SECONDS = 600.0  # another machine may be writing; it would have written within so long


def cache_folder(beside: Path) -> Path:
    """cache/ in the folder `beside`; where that is protected, a folder of this user alone among the system's temporary files.

    Raises CannotWrite where somebody else has taken that one: whoever writes there decides what a network sees.
    """
    try:
        folder = make_directory(beside / "cache")
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (CannotWrite, OSError):
        return _own_folder(Path(tempfile.gettempdir()) / f"plainfilm-cache-{_user()}")


def reserve(path: Path) -> None:
    """Have the disk keep room for all of a file with holes; who writes into a hole of a full disk is ended by the system.

    Raises OSError where there is no room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left of the films that they were decoding into `folder` (`core.files.written_whole`)."""
    for left in folder.glob(".films-*.part"):
        process = re.search(r"\.(\d+)-[0-9a-f]+\.part$", left.name)
        try:
            is_old = time.time() - left.stat().st_mtime > _ABANDONED_SECONDS
            if process and is_old and not _is_running(int(process[1])):
                left.unlink()
        except OSError:  # somebody else's, or gone
            continue


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _user() -> str:
    try:
        return re.sub(r"[^\w.-]", "_", getpass.getuser())
    except (KeyError, OSError):  # a user without a name, as in many a container
        return str(os.getuid()) if hasattr(os, "getuid") else "nobody"


def _own_folder(path: Path) -> Path:
    make_directory(path)
    if hasattr(os, "getuid") and (path.is_symlink() or path.stat().st_uid != os.getuid()):
        raise CannotWrite("belongs to somebody else, and films decoded there could be anybody's: remove it", path)
    path.chmod(0o700)
    return path
