"""kagglehub, made to tell how far it is, to give up in time, and to say in one line what went wrong.

kagglehub asks api.kaggle.com for the archive, is sent on to a storage server, writes the archive into its cache, unpacks it
there, deletes it, and marks the folder complete. A broken download leaves what has arrived; the next call asks for the rest by an
HTTP range and checks the MD5 sum of the whole. Four things in it (1.0) do not do here, and are lent a stand-in for the call:

    no time limit on a request or on a stalled transfer              every request gets one
    whatever answers a range is appended, an error page as well      anything but the rest of the file is refused
    a tqdm bar, which fills a log with carriage returns               our progress
    unpacks in silence, in place, and keeps a damaged archive         with progress, whole or not at all; throws it away

Where a later kagglehub has no such name any more, it does the thing in its own way.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from plainfilm.core.files import cannot_write
from plainfilm.core.progress import Progress, Task
from plainfilm.errors import BadSource, CannotWrite, DownloadFailed, Interrupted
from plainfilm.prepare.kaggle_errors import CONNECT_S, SILENCE_S, is_break, own_errors, own_reason, reason

_PAUSES_S = (2.0, 8.0)
_MB = 10**6


def cache_folder() -> Path:
    """Where kagglehub keeps what it fetched: KAGGLEHUB_CACHE, else ~/.cache/kagglehub."""
    from kagglehub.config import get_cache_folder

    return Path(get_cache_folder())


def archive_in(cache: Path, handle: str) -> Path:
    """Where kagglehub keeps the archive of `owner/name/versions/n` while it arrives."""
    owner, name, _, version = handle.split("/")
    return cache / "datasets" / owner / name / f"{version}.archive"


def fetch(
    handle: str, cache: Path | None, progress: Progress, *, page: str, pauses_s: Sequence[float] = _PAUSES_S
) -> Path:
    """The unpacked folder of a Kaggle dataset, fetched unless the cache has it; goes on where an earlier call broke off.

    handle: owner/name/versions/n. page: where a person can download it by hand.
    cache: a cache of kagglehub's form; its own where None, and in a Kaggle or Colab notebook the copy that these mount.
    pauses_s: where the connection breaks after something has arrived, how long to wait before each further attempt.
    Raises DownloadFailed (network, Kaggle, credentials, a damaged archive), CannotWrite (a full disk), Interrupted.
    """
    import kagglehub

    by_hand = f'download it by hand from {page}, then "plainfilm prepare archive.zip -o data"'
    archive = archive_in(cache or cache_folder(), handle)
    transfer = _Transfer(archive.parents[3], progress)
    further: Iterator[float] = iter(())  # nothing has arrived yet, so there is no connection that could have broken
    may_begin_anew = True
    while True:
        arrived_before = transfer.arrived_bytes
        try:
            with _stand_ins(transfer, cache):
                return Path(kagglehub.dataset_download(handle))
        except KeyboardInterrupt:
            raise Interrupted(f"stopped{_kept(archive)}") from None
        except _NotTheRest as cause:
            archive.unlink(missing_ok=True)
            if not may_begin_anew:
                raise DownloadFailed(f"{cause}. Instead, {by_hand}") from cause
            may_begin_anew = False
            progress.say("What had arrived before does not fit what Kaggle offers: beginning anew")
        except requests.RequestException as cause:
            if transfer.arrived_bytes > arrived_before:
                further = iter(pauses_s)
            pause_s = next(further, None) if is_break(cause) else None
            if pause_s is None:
                raise DownloadFailed(f"{reason(cause)}{_kept(archive)}. Or {by_hand}") from cause
            progress.say(f"The connection broke{_kept(archive, '')}: going on in {pause_s:.0f} s")
            _sleep(pause_s, archive)
        except OSError as cause:
            if cause.filename and not Path(cause.filename).is_relative_to(transfer.cache):
                raise DownloadFailed(f"{cause.filename} cannot be read ({cause.strerror}). Or {by_hand}") from cause
            raise cannot_write(transfer.cache, cause) from cause
        except own_errors() as cause:
            raise DownloadFailed(f"{own_reason(cause)}. Or {by_hand}") from cause


def _sleep(seconds: float, archive: Path) -> None:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped{_kept(archive)}") from None


def _kept(archive: Path, promise: str = " and are kept: the same command goes on from there") -> str:
    size = archive.stat().st_size if archive.is_file() else 0
    return f"; {size / _MB:,.1f} MB have arrived{promise}" if size else ""


class _NotTheRest(requests.RequestException):
    """A server that was asked for the rest of a file sent something else."""


class _Transfer:
    """The archive on its way: kagglehub calls it as it would call tqdm; it checks the room and tells our progress.

    arrived_bytes: in all attempts together.
    """

    def __init__(self, cache: Path, progress: Progress) -> None:
        self.cache, self.progress = cache, progress
        self.arrived_bytes = 0
        self._left_mb = self._untold_bytes = 0
        self._bar: AbstractContextManager[Task]
        self._task: Task

    def __call__(self, *, total: int, initial: int = 0, **_: object) -> _Transfer:
        """Take the archive's size and what there is of it. Raises CannotWrite where it and its films have no room."""
        needed, free = 2 * total - initial, shutil.disk_usage(self.cache).free
        if free < needed:
            raise CannotWrite(
                f"has {free / _MB:,.0f} MB free, and archive and films together take {needed / _MB:,.0f}: free some room, "
                "or choose another place by -o",
                self.cache,
            )
        label = f"Downloading, after {initial / _MB:,.0f} MB" if initial else "Downloading"
        self._left_mb, self._untold_bytes = max(1, round((total - initial) / _MB)), 0
        self._bar = self.progress.task(label, self._left_mb, "MB")
        return self

    def __enter__(self) -> _Transfer:
        self._task = self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._task.advance(self._left_mb)
        self._bar.__exit__(kind, error, trace)

    def update(self, count: int) -> None:
        """Say that `count` more bytes have arrived."""
        self.arrived_bytes += count
        whole_mb, self._untold_bytes = divmod(self._untold_bytes + count, _MB)
        whole_mb = min(whole_mb, self._left_mb)
        self._left_mb -= whole_mb
        self._task.advance(whole_mb)

    def unpack(self, archive_path: str, folder_path: str) -> None:
        """Unpack the archive to the folder, whole or not at all; throw it away where it is damaged or none."""
        from plainfilm.prepare.archive import unpack_zip

        archive, folder = Path(archive_path), Path(folder_path)
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            unpack_zip(archive, part, self.progress)
            shutil.rmtree(folder, ignore_errors=True)  # of a kagglehub that was stopped while it unpacked
            part.rename(folder)
        except BadSource as cause:
            size = archive.stat().st_size
            archive.unlink()
            raise DownloadFailed(
                f"what arrived ({size:,} bytes) is no sound zip and was thrown away: a damaged transfer, or a page that the "
                "network puts before the world. Run the same command again, from another network if it stays so"
            ) from cause
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _stand_ins(transfer: _Transfer, cache: Path | None) -> Iterator[None]:
    """For one call: the cache, our limits, progress and unpacking, and nothing on standard output."""
    import kagglehub.clients
    import kagglehub.http_resolver

    send = requests.adapters.HTTPAdapter.send
    own_cache = {"KAGGLEHUB_CACHE": str(cache), "DISABLE_KAGGLE_CACHE": "1", "DISABLE_COLAB_CACHE": "1"}

    def limited(
        adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, *given: Any, **options: Any
    ) -> requests.Response:
        options["timeout"] = options.get("timeout") or (CONNECT_S, SILENCE_S)
        response = send(adapter, request, *given, **options)
        stack.callback(response.close)  # kagglehub leaves that to chance
        if "Range" in request.headers and response.status_code in (200, 416):
            raise _NotTheRest(f"asked for the rest of the archive, the server answered with {response.status_code}")
        if "Range" in request.headers:
            response.raise_for_status()
        return response

    with ExitStack() as stack:
        stack.enter_context(_environment(own_cache if cache else {}))
        stack.enter_context(_silenced(logging.getLogger("kagglehub")))
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(_lent(requests.adapters.HTTPAdapter, "send", limited))
        stack.enter_context(_lent(kagglehub.clients, "tqdm", transfer))
        stack.enter_context(_lent(kagglehub.http_resolver, "_extract_archive", transfer.unpack))
        yield


@contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    kept = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(kept)


@contextmanager
def _lent(owner: object, name: str, value: object) -> Iterator[None]:
    if not hasattr(owner, name):
        yield
        return
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
