"""The download, against a stand-in for Kaggle on this machine: success, going on, wrong counts, every way to fail in one line.

kagglehub speaks to http://localhost with KAGGLE_API_ENVIRONMENT=LOCALHOST; http_proxy leads that, and the storage server that
Kaggle sends it on to, to the stand-in.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kagglehub.clients
import kagglehub.http_resolver
import numpy as np
import pytest
import requests
from filelock import FileLock
from typer.testing import CliRunner

from plainfilm.cli import app
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.errors import BadSource, CannotWrite, DownloadFailed
from plainfilm.prepare import download as download_module
from plainfilm.prepare import kaggle
from plainfilm.prepare.download import HANDLE, PAGE, RADIOGRAPHY_FILMS, download
from plainfilm.prepare.phantom_set import make_phantoms

FILMS = {"COVID": 4, "Normal": 5, "Lung_Opacity": 3, "Viral Pneumonia": 3}
ROOT = "COVID-19_Radiography_Dataset"
BY_HAND = f'download it by hand from {PAGE}, then "plainfilm prepare archive.zip -o data"'
MIB = 2**20


class StandIn(ThreadingHTTPServer):
    """Kaggle and its storage: what they hold, how they misbehave, and what they were asked.

    breaks_after: for each GET in turn, the bytes after which the connection ends; whole where the list is over.
    stalls: whether a connection is held open instead of ended. asked: request line, Range, bytes sent, a request.
    """

    daemon_threads = True

    def __init__(self, archive: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.archive = archive
        self.status, self.headers, self.answer = 302, dict[str, str](), b""
        self.breaks_after: list[int] = []
        self.stalls = self.is_mute = self.ignores_ranges = False
        self.has_md5 = True
        self.asked: list[tuple[str, str, int]] = []
        self.bodies: list[dict[str, object]] = []
        self.authorization: list[str | None] = []
        self.released = threading.Event()

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error."""


class Answer(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        server = self.server
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        server.authorization.append(self.headers["Authorization"])
        server.asked.append((self.requestline, "", 0))
        if server.is_mute:
            server.released.wait(60)
            return
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        if server.status == 302:
            self.send_header("Location", "http://storage.invalid/5.zip")
        self.send_header("Content-Length", str(len(server.answer)))
        self.end_headers()
        self.wfile.write(server.answer)

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"] or ""
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and not server.ignores_ranges else 0
        if begin and begin >= len(server.archive):
            server.asked.append((self.requestline, asked, 0))
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(server.archive) - begin))
        if server.has_md5:
            md5 = base64.b64encode(hashlib.md5(server.archive).digest()).decode()
            self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={md5}")
        self.end_headers()
        stop = server.breaks_after.pop(0) if server.breaks_after else len(server.archive)
        part = server.archive[begin : begin + stop]
        server.asked.append((self.requestline, asked, len(part)))
        self.wfile.write(part)
        if server.stalls and begin + stop < len(server.archive):
            server.released.wait(60)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Phantoms in the database's layout, and 6 MB beside them, so that a transfer takes several pieces."""
    folder = tmp_path_factory.mktemp("kaggle")
    films = make_phantoms(folder / ROOT, FILMS, seed=3)
    (films / "README.md.txt").write_bytes(np.random.default_rng(0).bytes(6 * MIB))
    with zipfile.ZipFile(folder / "5.zip", "w") as packed:
        for path in sorted(films.rglob("*")):
            packed.write(path, path.relative_to(folder))
    return (folder / "5.zip").read_bytes()


@pytest.fixture
def kaggle_server(archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, with the environment leading kagglehub to it: an empty home, no credentials, a new cache."""
    server = StandIn(archive)
    for name in list(os.environ):
        if name.startswith("KAGGLE") or name.lower() in ("no_proxy", "all_proxy", "https_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    for name, value in {
        "HOME": tmp_path / "home",
        "KAGGLE_CONFIG_DIR": tmp_path / "home" / ".kaggle",
        "KAGGLEHUB_CACHE": tmp_path / "cache",
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": server.proxy,
        "HTTP_PROXY": server.proxy,
    }.items():
        monkeypatch.setenv(name, str(value))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Told(Silence):
    """A Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _fetch(cache: Path, pauses_s: tuple[float, ...] = (), told: Told | None = None) -> Path:
    cache.mkdir(exist_ok=True)
    return kaggle.fetch(HANDLE, cache, told or Told(), page=PAGE, pauses_s=pauses_s)


def _archive_of(cache: Path) -> Path:
    return cache / "datasets" / "tawsifurrahman" / "covid19-radiography-database" / "5.archive"


def _sent(server: StandIn) -> int:
    return sum(count for _, _, count in server.asked)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


# What goes well.


def test_a_folder_gets_the_whole_database_and_nothing_else(kaggle_server: StandIn, tmp_path: Path) -> None:
    films = download(tmp_path / "films", expected=FILMS)
    assert films == tmp_path / "films" / ROOT
    assert [path.name for path in (tmp_path / "films").iterdir()] == [ROOT]
    assert {label: len(list((films / label / "masks").iterdir())) for label in FILMS} == FILMS
    assert kaggle_server.bodies == [
        {
            "ownerSlug": "tawsifurrahman",
            "datasetSlug": "covid19-radiography-database",
            "datasetVersionNumber": 5,
        }
    ]
    assert not (tmp_path / "cache").exists()


def test_the_second_time_nothing_is_asked(kaggle_server: StandIn, tmp_path: Path) -> None:
    for place in (None, tmp_path / "films"):
        first = download(place, expected=FILMS)
        asked = len(kaggle_server.asked)
        assert download(place, expected=FILMS) == first
        assert len(kaggle_server.asked) == asked


def test_kagglehub_finds_our_films_in_its_cache(kaggle_server: StandIn, tmp_path: Path) -> None:
    films = download(expected=FILMS)
    assert films.is_relative_to(tmp_path / "cache")
    assert kagglehub.dataset_download(HANDLE) == str(films.parent)
    assert len(kaggle_server.asked) == 2  # the POST and the GET of the first call
    assert not list((tmp_path / "cache").rglob("*.archive"))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["datasets"]


def test_a_broken_connection_is_gone_on_with_at_once(kaggle_server: StandIn, tmp_path: Path) -> None:
    size_is_looked_up = 0  # each further attempt asks for the whole, reads the size, and asks again for the rest alone
    kaggle_server.breaks_after = [2 * MIB + 5, size_is_looked_up, MIB]
    told = Told()
    folder = _fetch(tmp_path / "own", pauses_s=(0.01, 0.01), told=told)
    ranges = [asked for line, asked, _ in kaggle_server.asked if line.startswith("GET")]
    assert [asked for asked in ranges if asked] == [f"bytes={2 * MIB}-", f"bytes={3 * MIB}-"]
    assert told.lines == [
        "The connection broke; 2.1 MB have arrived: going on in 0 s",
        "The connection broke; 3.1 MB have arrived: going on in 0 s",
    ]
    assert _whole(folder, kaggle_server.archive)


def test_a_later_call_goes_on_where_the_last_one_broke(kaggle_server: StandIn, tmp_path: Path) -> None:
    kaggle_server.breaks_after = [3 * MIB]
    with pytest.raises(DownloadFailed, match=r"3\.1 MB have arrived and are kept: the same command goes on from there"):
        _fetch(tmp_path / "own")
    assert _archive_of(tmp_path / "own").read_bytes() == kaggle_server.archive[: 3 * MIB]
    kaggle_server.asked.clear()
    folder = _fetch(tmp_path / "own")
    assert kaggle_server.asked[-1] == (
        "GET http://storage.invalid/5.zip HTTP/1.1",
        f"bytes={3 * MIB}-",
        _rest(kaggle_server),
    )
    assert _whole(folder, kaggle_server.archive)
    assert not _archive_of(tmp_path / "own").exists()


def _rest(server: StandIn) -> int:
    return len(server.archive) - 3 * MIB


def _whole(folder: Path, archive: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        members = [name for name in packed.namelist() if not name.endswith("/")]
        assert _files(folder) == sorted(members)
        return all((folder / name).read_bytes() == packed.read(name) for name in members)


# What is missing.


def test_what_each_class_lacks_is_said(kaggle_server: StandIn, tmp_path: Path) -> None:
    expected = {**FILMS, "COVID": 6, "Normal": 4}
    with pytest.raises(BadSource) as error:
        download(tmp_path / "films", expected=expected)
    assert _one_line(error) == (
        f"{tmp_path}/films/{ROOT}: is not the database as published: COVID lacks 2 of 6 images and lacks 2 of 6 masks; "
        f"Normal has 5 images instead of 4 and has 5 masks instead of 4. Delete {tmp_path}/films/{ROOT} and run the same "
        'command again, or take it as it is by "plainfilm prepare"'
    )


@pytest.mark.parametrize("place", ["", "films"])
def test_what_the_message_says_to_delete_brings_a_lost_mask_back(
    place: str, kaggle_server: StandIn, tmp_path: Path
) -> None:
    directory = tmp_path / place if place else None
    films = download(directory, expected=FILMS)
    next((films / "Normal" / "masks").iterdir()).unlink()
    with pytest.raises(BadSource, match=r"published: Normal lacks 1 of 5 masks\. Delete") as error:
        download(directory, expected=FILMS)
    (named,) = re.findall(r"Delete (\S+) and run", str(error.value))
    shutil.rmtree(named)
    assert download(directory, expected=FILMS) == films


def test_the_published_counts() -> None:
    assert RADIOGRAPHY_FILMS == {"COVID": 3616, "Normal": 10192, "Lung_Opacity": 6012, "Viral Pneumonia": 1345}
    assert sum(RADIOGRAPHY_FILMS.values()) == 21165


# What goes wrong.

REFUSALS = {
    401: "Kaggle refused (401): set KAGGLE_API_TOKEN to a token from https://www.kaggle.com/settings",
    403: "Kaggle refused (403): set KAGGLE_API_TOKEN to a token from https://www.kaggle.com/settings",
    404: "Kaggle has no such dataset any more (404)",
    429: "Kaggle had too many requests from here (429): try again in 90 seconds",
    503: "Kaggle is out of order (503): try again later",
    418: "Kaggle answered 418",
}


@pytest.mark.parametrize("place", ["", "films"])
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_line_with_the_way_by_hand(
    status: int, place: str, kaggle_server: StandIn, tmp_path: Path
) -> None:
    kaggle_server.status, kaggle_server.headers = status, {"Retry-After": "90"}
    with pytest.raises(DownloadFailed) as error:
        download(tmp_path / place if place else None, expected=FILMS)
    line = _one_line(error)
    assert line.startswith(REFUSALS[status])
    assert line.endswith(f". Or {BY_HAND}")
    assert not (tmp_path / "films").exists()
    assert place or list((tmp_path / "cache").iterdir()) == []


def test_an_error_in_json_under_a_good_status(kaggle_server: StandIn, tmp_path: Path) -> None:
    kaggle_server.status, kaggle_server.headers = 200, {"Content-Type": "application/json"}
    kaggle_server.answer = b'{"code": 403, "message": "the dataset was\\nwithdrawn"}'
    with pytest.raises(DownloadFailed, match="withdrawn"):
        download(tmp_path / "films", expected=FILMS)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_named(
    status: int, kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "old")
    kaggle_server.status = status
    with pytest.raises(
        DownloadFailed, match=rf"refused the credentials \({status}\): correct or remove them \(KAGGLE_API_TOKEN"
    ):
        download(tmp_path / "films", expected=FILMS)
    assert kaggle_server.authorization == ["Bearer old"]


@pytest.mark.parametrize("content", ["{", '{"username": "a"}', b"\xff\xfe"])
def test_a_damaged_credentials_file_is_named(content: str | bytes, kaggle_server: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "home" / ".kaggle" / "kaggle.json"
    file.parent.mkdir()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DownloadFailed) as error:
        download(tmp_path / "films", expected=FILMS)
    assert _one_line(error).startswith("kagglehub gave up: ")
    assert str(file) in _one_line(error) or content == b"\xff\xfe"
    assert kaggle_server.asked == []


def test_no_network(kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.delenv("http_proxy")
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadFailed) as error:
        download(tmp_path / "films", expected=FILMS)
    assert _one_line(error) == (
        "localhost cannot be reached (temporary failure in name resolution): no network, or a firewall in "
        f"between. Or {BY_HAND}"
    )
    assert not (tmp_path / "films").exists()


def test_a_proxy_that_is_not_there(kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(DownloadFailed) as error:
            download(tmp_path / "films", expected=FILMS)
    assert _one_line(error).startswith(
        "the proxy did not let localhost through (connection refused): check HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Or"
    )


def test_a_server_that_never_answers_is_given_up(
    kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle, "SILENCE_S", 0.3)
    kaggle_server.is_mute = True
    begun = time.monotonic()
    with pytest.raises(DownloadFailed, match="localhost did not answer in 30 seconds"):
        download(tmp_path / "films", expected=FILMS)
    assert time.monotonic() - begun < 5


def test_a_transfer_that_stalls_is_given_up_and_what_came_is_kept(
    kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle, "SILENCE_S", 0.3)
    kaggle_server.stalls, kaggle_server.breaks_after = True, [2 * MIB]
    begun = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"timed out.*; 2\.1 MB have arrived and are kept"):
        _fetch(tmp_path / "own")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("has_md5", [True, False])
@pytest.mark.parametrize("server_does", ["ignore ranges", "offer a smaller file"])
def test_what_is_not_the_rest_is_never_appended(
    server_does: str, has_md5: bool, kaggle_server: StandIn, tmp_path: Path
) -> None:
    kaggle_server.has_md5 = has_md5
    archive = _archive_of(tmp_path / "own")
    archive.parent.mkdir(parents=True)
    if server_does == "ignore ranges":
        kaggle_server.ignores_ranges = True
        archive.write_bytes(kaggle_server.archive[: 2 * MIB])
    else:
        archive.write_bytes(kaggle_server.archive + b"longer")
    told = Told()
    assert _whole(_fetch(tmp_path / "own", told=told), kaggle_server.archive)
    assert told.lines == ["What had arrived before does not fit what Kaggle offers: beginning anew"]


def test_a_server_that_ignores_ranges_and_breaks_is_given_up(kaggle_server: StandIn, tmp_path: Path) -> None:
    kaggle_server.ignores_ranges = True
    kaggle_server.breaks_after = [2 * MIB] * 20
    with pytest.raises(DownloadFailed, match="asked for the rest of the archive, the server answered with 200"):
        _fetch(tmp_path / "own", pauses_s=(0.01, 0.01))
    assert _files(tmp_path / "own") == []


def _damaged_member(archive: bytes) -> bytes:
    """The archive with one film's compressed bytes overwritten."""
    at = archive.index(b"images/COVID-1.png") + 2000
    return archive[:at] + bytes(64) + archive[at + 64 :]


@pytest.mark.parametrize("kind", ["a login page", "cut short", "a damaged film", "empty"])
def test_what_is_no_sound_zip_is_thrown_away(kind: str, kaggle_server: StandIn, tmp_path: Path) -> None:
    whole = kaggle_server.archive
    kaggle_server.has_md5 = False
    kaggle_server.archive = {
        "a login page": b"<html>Please log in to this network</html>",
        "cut short": whole[:-40000],
        "a damaged film": _damaged_member(whole),
        "empty": b"",
    }[kind]
    with pytest.raises(DownloadFailed, match=r"is no sound zip and was thrown away") as error:
        download(tmp_path / "films", expected=FILMS)
    _one_line(error)
    assert not (tmp_path / "films").exists()
    kaggle_server.archive = whole
    assert download(tmp_path / "films", expected=FILMS) == tmp_path / "films" / ROOT


def test_a_wrong_checksum_is_noticed(kaggle_server: StandIn, tmp_path: Path) -> None:
    archive = _archive_of(tmp_path / "own")
    archive.parent.mkdir(parents=True)
    archive.write_bytes(bytes(MIB))  # not the beginning of the archive
    with pytest.raises(DownloadFailed, match=r"another MD5 sum than Kaggle's and was thrown away") as error:
        _fetch(tmp_path / "own")
    _one_line(error)
    assert _files(tmp_path / "own") == []


def test_too_little_room_is_said_before_a_byte_is_fetched(
    kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3_000_000))
    with pytest.raises(
        CannotWrite, match=r"has 3 MB free, and archive and films together take 1\d: free some room"
    ) as error:
        download(tmp_path / "films", expected=FILMS)
    _one_line(error)
    assert not (tmp_path / "films").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fills_up(kaggle_server: StandIn, tmp_path: Path) -> None:
    archive = _archive_of(tmp_path / "own")
    archive.parent.mkdir(parents=True)
    archive.symlink_to("/dev/full")
    with pytest.raises(
        CannotWrite, match=r"cannot be written: no space left on device\. Free some room there, or choose"
    ):
        _fetch(tmp_path / "own")


def test_a_folder_with_something_else_is_left_alone(kaggle_server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    with pytest.raises(BadSource, match=r"photos: holds something else \(cat\.png\): choose a new or an empty folder"):
        download(tmp_path / "photos", expected=FILMS)
    with pytest.raises(CannotWrite, match="is a file where a folder is to be made"):
        download(tmp_path / "photos" / "cat.png", expected=FILMS)
    assert _files(tmp_path / "photos") == ["cat.png"]
    assert kaggle_server.asked == []


@pytest.mark.parametrize("place", ["", "films"])
def test_a_second_download_into_the_same_place_waits_for_no_one(
    place: str, kaggle_server: StandIn, tmp_path: Path
) -> None:
    cache = tmp_path / "films" / ".plainfilm-download" if place else tmp_path / "cache"
    cache.mkdir(parents=True)
    with FileLock(cache / ".plainfilm-download.lock"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(CannotWrite, match="takes in another download of plainfilm: wait for its end"):
            download(tmp_path / "films" if place else None, expected=FILMS)
        assert sorted(tmp_path.rglob("*")) == before
    assert kaggle_server.asked == []


def test_kagglehub_still_has_what_is_lent_and_gets_it_back(kaggle_server: StandIn, tmp_path: Path) -> None:
    places = [
        (kagglehub.clients, "tqdm"),
        (kagglehub.http_resolver, "_extract_archive"),
        (requests.adapters.HTTPAdapter, "send"),
    ]
    before, environment = [getattr(owner, name) for owner, name in places], dict(os.environ)
    download(tmp_path / "films", expected=FILMS)
    assert [getattr(owner, name) for owner, name in places] == before
    assert dict(os.environ) == environment


# The command.


def _command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "plainfilm", "download", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_keeps_what_has_arrived_and_the_same_command_goes_on(kaggle_server: StandIn, tmp_path: Path) -> None:
    kaggle_server.stalls, kaggle_server.breaks_after = True, [2 * MIB]
    stopped = _command("-o", tmp_path / "films")
    archive = _archive_of(tmp_path / "films" / ".plainfilm-download")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (archive.exists() and archive.stat().st_size >= 2 * MIB):
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    printed, error = stopped.communicate(timeout=60)
    said = [
        "Asking Kaggle for tawsifurrahman/covid19-radiography-database/versions/5",
        "plainfilm: stopped; 2.1 MB have arrived and are kept: the same command goes on from there",
    ]
    assert (stopped.returncode, printed, error.splitlines()) == (130, "", said)
    assert [path.name for path in (tmp_path / "films").iterdir()] == [".plainfilm-download"]
    kaggle_server.stalls = False
    assert download(tmp_path / "films", expected=FILMS) == tmp_path / "films" / ROOT
    assert kaggle_server.asked[-1][1] == f"bytes={2 * MIB}-"


def test_the_command_counts_and_leaves_no_bar_in_a_log(kaggle_server: StandIn, tmp_path: Path) -> None:
    done = _command("-o", tmp_path / "films")
    printed, error = done.communicate(timeout=60)
    assert (done.returncode, printed) == (1, "")
    first, last = error.splitlines()
    assert first.startswith("Asking Kaggle for")
    assert last.startswith(
        f"plainfilm: {tmp_path}/films/{ROOT}: is not the database as published: COVID lacks 3,612 of"
    )
    assert "\r" not in error


def test_the_command_hands_over_to_prepare(
    kaggle_server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "RADIOGRAPHY_FILMS", FILMS)
    apart = CliRunner().invoke(app, ["download", "-o", str(tmp_path / "my films")], catch_exceptions=False)
    films = tmp_path / "my films" / ROOT
    assert apart.stdout.splitlines()[-1] == f"Next: plainfilm prepare '{films}' -o data"
    at_once = CliRunner().invoke(app, ["download", "--prepare", str(tmp_path / "data")], catch_exceptions=False)
    assert (apart.exit_code, at_once.exit_code) == (0, 0)
    manifest = Manifest.open(tmp_path / "data")
    assert manifest.root.is_relative_to(tmp_path / "cache")
    assert len(manifest.films) == sum(FILMS.values())


def test_a_taken_manifest_folder_is_refused_before_the_download(kaggle_server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("image_id\n")
    done = _command("--prepare", tmp_path)
    error = done.communicate(timeout=60)[1]
    assert done.returncode == 1
    assert "holds manifest.csv already" in error
    assert kaggle_server.asked == []
