"""What was typed becomes films: files, folders, globs, manifests and lists on standard input, one film after another.

No list of all films is ever held. What is remembered is 100 bytes a film, and only where a film could be named twice, that is by
several sources or by a list; besides, the names in the folder at hand, and the table of a manifest.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from plainfilm.core.image import is_film_name
from plainfilm.core.words import writable_name
from plainfilm.errors import BadImage

STANDARD_INPUT = "-"
_LIST = "standard input"
_EMPTY = "is a folder that holds no film"
# Lies in a folder of pictures that we drew of films: heatmaps.py, explain_jobs.py.
OUR_PICTURES = "plainfilm-heatmaps.json"
_MANIFESTS = ("manifest.csv", "manifest.parquet")
_TABLES = (".csv", ".parquet")
_CHUNK, _LONGEST_NAME = 1 << 16, 1 << 20  # bytes


class NamedFilm(NamedTuple):
    """One film that was asked for.

    name: what it is called in answers, text that any file can hold. path: where it lies. error: why it was not readable when its
    manifest was made, "" else.
    """

    name: str
    path: Path
    error: str = ""


Source = Callable[[], Iterator[NamedFilm]]
Read = Callable[[int], bytes]


class Films:
    """All films of some sources, in the order in which these were typed, each once. It can be walked again, but for "-".

    typed: files; folders, with all films below them in order of their names; globs (** too) that quotes kept from the shell;
        manifests, or folders that hold one, whose films come in its order; "-", paths on standard input, one a line, or each ended
        by a NUL.
    listed: gives at most so many bytes of the list that "-" stands for, none at its end.
    repeated: how many films were passed over in a walk so far, since they had been named before.
    Raises BadImage where a file is missing, a glob matches no film, or a folder that is all that was typed holds none; among others
    such a folder is a film with its reason. Raises BadManifest for a table that is none.
    """

    repeated = 0

    def __init__(self, typed: Sequence[str], listed: Read) -> None:
        self.typed = tuple(typed)
        sources = [name for place, name in enumerate(typed) if name != STANDARD_INPUT or name not in typed[:place]]
        self._sources = [_source(name, listed, is_all=len(sources) == 1) for name in sources]
        self.is_listed = STANDARD_INPUT in self.typed
        self._may_repeat = len(self.typed) > 1 or self.is_listed or "**" in self.typed[0]

    def __iter__(self) -> Iterator[NamedFilm]:
        """The films."""
        films = (film for source in self._sources for film in source())
        yield from self._each_once(films) if self._may_repeat else films

    def _each_once(self, films: Iterator[NamedFilm]) -> Iterator[NamedFilm]:
        """Without those that lie where an earlier one lay; links in the last place of a path are films of their own."""
        met: set[bytes] = set()
        folder, real, repeated = Path(), "", 0
        for film in films:
            if film.path.parent != folder or not real:
                folder, real = film.path.parent, os.path.realpath(film.path.parent)
            place = blake2b(os.fsencode(f"{real}/{film.path.name}"), digest_size=16).digest()
            if place not in met:
                met.add(place)
                yield film
            else:
                repeated += 1
                self.repeated = max(self.repeated, repeated)  # another walk may be further


def _source(typed: str, listed: Read, *, is_all: bool) -> Source:
    if typed == STANDARD_INPUT:
        return partial(_on_list, listed)
    if not typed:
        raise BadImage("an empty name stands where a film or a folder is expected")
    path = Path(typed)
    if _is(Path.is_dir, path):
        if any((path / name).is_file() for name in _MANIFESTS):
            return partial(iter, _of_manifest(path))
        return _not_empty(partial(films_below, path), _EMPTY, path) if is_all else partial(_in_one_of_several, path)
    if _is(Path.exists, path) or _is(Path.is_symlink, path):
        if path.suffix.lower() in _TABLES:
            return partial(iter, _of_manifest(path))
        return partial(iter, [_named(path)])
    if glob.has_magic(typed):
        return _not_empty(partial(_matching, typed), "matches no film", path)
    raise BadImage("is missing", writable_name(path))


def _is(asked: Callable[[Path], bool], path: Path) -> bool:
    """What is asked of a path; False for a name that no file can have."""
    try:
        return asked(path)
    except (OSError, ValueError):
        return False


def _not_empty(source: Source, said: str, path: Path) -> Source:
    if next(source(), None) is None:
        raise BadImage(said, writable_name(path))
    return source


def _named(path: Path, error: str = "") -> NamedFilm:
    return NamedFilm(writable_name(path), path, error)


def films_below(folder: Path) -> Iterator[NamedFilm]:
    """All films below a folder. Linked folders are not entered, since they may lead round in a circle; nor are our own pictures."""
    try:
        with os.scandir(folder) as entries:
            kinds = {  # is_file() last: asked of a circle of links, it raises
                entry.name: entry.is_dir(follow_symlinks=False)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) or entry.is_symlink() or entry.is_file()
            }
    except OSError as cause:
        yield _named(folder, f"is a folder that cannot be read ({cause.strerror or cause})")
        return
    for name in sorted(kinds) if OUR_PICTURES not in kinds else ():
        path = folder / name
        if kinds[name]:
            yield from films_below(path)
        elif is_film_name(path):
            yield _named(path)


def _in_one_of_several(folder: Path) -> Iterator[NamedFilm]:
    """Where it holds none, the folder itself with that for its reason: a pattern that the shell expanded may have caught it."""
    films = films_below(folder)
    yield next(films, _named(folder, _EMPTY))
    yield from films


def _matching(pattern: str) -> Iterator[NamedFilm]:
    """What a glob matches; a folder stands for all films below it. Where its last part names no ending, only films count."""
    parts = Path(pattern).parts
    is_any_file = "." in parts[-1]
    recursive = "**" in parts
    if parts[-1] == "**":
        parts = (*parts, "*")
    for path in _expanded(Path(), parts):
        if not path.is_dir():
            if is_any_file or is_film_name(path):
                yield _named(path)
        elif not recursive:
            yield from films_below(path)


def _expanded(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    if not parts:
        yield folder
    elif parts[0] == "**":
        yield from _expanded(folder, parts[1:])
        for name in _names(folder):
            path = folder / name
            if not name.startswith(".") and path.is_dir() and not path.is_symlink():
                yield from _expanded(path, parts)
    elif glob.has_magic(parts[0]):
        for name in _names(folder):
            is_hidden = name.startswith(".") and not parts[0].startswith(".")
            if not is_hidden and fnmatch.fnmatchcase(name, parts[0]):
                yield from _expanded(folder / name, parts[1:])
    elif os.path.lexists(folder / parts[0]):
        yield from _expanded(folder / parts[0], parts[1:])


def _names(folder: Path) -> list[str]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:  # no folder, or none that may be read: nothing in it matches
        return []
    return [] if OUR_PICTURES in names else names


def _of_manifest(path: Path) -> list[NamedFilm]:
    """The films of a manifest in its order; those that could not be read when it was made keep the reason."""
    from plainfilm.core.manifest import Manifest  # late: pandas costs every start a third of a second

    manifest = Manifest.open(path)
    columns = (manifest.films[name] for name in ("path", "status", "error"))
    return [
        _named(manifest.film_path(row), error if status == "error" else "")
        for row, status, error in zip(*columns, strict=True)
    ]


def _on_list(listed: Read) -> Iterator[NamedFilm]:
    """Paths, each ended by a NUL where the beginning of the list holds one, else by a line end; empty ones are passed over."""
    rest, mark = b"", b""
    while chunk := _read(listed):
        rest += chunk
        mark = mark or (b"\0" if b"\0" in rest else b"\n" if b"\n" in rest else b"")
        if mark:
            *names, rest = rest.split(mark)
            yield from (_named(Path(os.fsdecode(name))) for name in map(_trimmed, names) if name)
        if len(rest) > _LONGEST_NAME:
            raise BadImage("holds no list of paths: expected one a line, or each ended by a NUL", _LIST)
    if name := _trimmed(rest):
        yield _named(Path(os.fsdecode(name)))


def _read(listed: Read) -> bytes:
    try:
        return listed(_CHUNK)
    except OSError as cause:
        raise BadImage(f"cannot be read ({cause.strerror or cause})", _LIST) from cause


def _trimmed(name: bytes) -> bytes:
    return name.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
