"""Reading and writing files so that nothing is ever half-written and every failure says which file and why."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import secrets
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from plainfilm.core.words import writable_name
from plainfilm.errors import BadConfig, BadRun, CannotWrite

_PACKAGES_THAT_SHAPE_RESULTS = ("plainfilm", "numpy", "opencv-python-headless", "pandas", "pydicom", "torch", "timm")


_REMEDIES = {
    errno.ENOENT: "Make its folder first, or choose another place",
    errno.EISDIR: "Name a file in it, or choose another place",
    errno.ENOTDIR: "A file stands where a folder is needed: choose another place",
    errno.EACCES: "Ask for the right to write there, or choose another place",
    errno.EPERM: "Ask for the right to write there, or choose another place",
    errno.EROFS: "Copy it to a disk that can be written, or choose another place",
}


def cannot_write(path: Path | str, error: OSError) -> CannotWrite:
    """The error to raise where writing `path` failed with `error`."""
    reason = (error.strerror or str(error)).lower()
    remedy = _REMEDIES.get(error.errno or 0, "Free some room there, or choose another place")
    is_refused = isinstance(error.filename, str) and Path(error.filename).parent.is_dir()
    if error.errno == errno.ENOENT and is_refused:  # such as /proc, which the system fills
        reason, remedy = "its folder takes no new files", "Choose another place"
    return CannotWrite(f"cannot be written: {reason}. {remedy}", path)


def real_path(path: Path) -> Path:
    """Where the path leads, whole and without links; a circle of links leads to itself, where Path.resolve() may raise."""
    return Path(os.path.realpath(path))


def make_directory(path: Path) -> Path:
    """Make the directory `path` and those above it. Raises CannotWrite where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CannotWrite("is a file where a folder is to be made: choose another place", path) from None
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, remove it when not.

    The bytes are on the disk before the rename, so a power cut leaves the old file or the new one.
    Raises CannotWrite for a full disk, a protected folder or anything else that the system refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.part")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_half_written(directory: Path) -> None:
    """Remove what killed processes left of files that they were writing. Only for who alone writes there."""
    for left in directory.glob(".*.part"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; what of a path is no UTF-8 is spelt out."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON, whole or not at all; NaN is written as null, since JSON has none."""
    write_text(path, json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, error: type[BadRun] | type[Any] = BadRun) -> dict[str, Any]:
    """Read a JSON object. Raises `error`(message, path) where the file is missing, damaged or no object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error("is missing", path) from None
    except (OSError, ValueError) as cause:
        raise error(f"cannot be read as JSON ({cause})", path) from cause
    if not isinstance(value, dict):
        raise error("holds no JSON object", path)
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that a person wrote. Raises BadConfig where it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig(f"{path}: is missing") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise BadConfig(f"{path}: is no TOML file ({cause})") from cause


def file_sha256(path: Path) -> str:
    """64 hex digits over the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_format(value: Mapping[str, Any], expected: int, path: Path, error: type[Any]) -> None:
    """Raise `error` unless `value` says that it has the format version that this plainfilm reads."""
    found = value.get("format_version")
    if found != expected:
        raise error(
            f"has format version {found!r}; this plainfilm reads {expected}. "
            "Make it again with this version, or use the version that made it",
            path,
        )


def refuse_foreign(directory: Path, own: Sequence[str], what: str) -> None:
    """Raise CannotWrite where `directory` is a file, or holds anything but what an earlier `what` left there.

    Hidden files, as a killed process or a file manager leaves them, are nobody's.
    own: the names that it may hold. what: for the message, "comparison".
    """
    if directory.exists() and not directory.is_dir():
        raise CannotWrite(f"is a file: -o names a folder for the {what}", directory)
    if not directory.is_dir():
        return
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError as cause:
        raise cannot_write(directory, cause) from cause
    foreign = sorted(name for name in names if name not in own and not name.startswith("."))
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise CannotWrite(f"holds {', '.join(foreign[:3])}{more}, which is no {what}: choose another -o", directory)


def provenance(seed: int | None = None, **inputs: str) -> dict[str, Any]:
    """What made a result: the command, the versions, the seed, the inputs, the time.

    inputs: name -> path or fingerprint of what went in.
    """
    return {
        "command": _command(),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "inputs": inputs,
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
    }


def _command() -> str:
    """What was typed, or "python" where plainfilm is used as a library."""
    started = Path(sys.argv[0])
    is_ours = started.stem == "plainfilm" or (
        started.parent.name == "plainfilm" and started.stem in ("__main__", "cli")
    )
    return shlex.join(["plainfilm", *map(writable_name, sys.argv[1:])]) if is_ours else "python"


def without_folders(command: str) -> str:
    """What was typed, each path by its last name alone: what leaves this machine need not tell its folders.

    command: as `provenance` keeps it. Raises ValueError where its quotes do not close.
    """
    return shlex.join(_last_name(word) for word in shlex.split(command))


def _last_name(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return option + equals + (PurePath(value).name or value)


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for package in _PACKAGES_THAT_SHAPE_RESULTS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value
