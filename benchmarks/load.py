"""Load on the server: 64 clients and 2,000 films of all formats, some damaged, overload and a stop in the middle.

    python benchmarks/load.py BUNDLE [--clients 64] [--films 2000]

Each phase starts `plainfilm serve` as a process of its own on the loopback, and every answer is compared with what the bundle's own
predictor says of the film:

    small      JPEG films of 256 pixels, one a request, by one client and by eight
    room       the usual queue, three times over: films of every format, one to four a request, heatmaps or pictures with some
    overload   a queue of 16 films, as often; who is told 503 comes back after what Retry-After says, at most a second
    stop       SIGTERM in the middle: everything taken on is answered
    kill       SIGKILL in the middle: no file is left behind

Memory is the resident set that /metrics tells. Exit 1 where an answer is wrong, or one was taken on and not given.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from plainfilm.core.bundle import Bundle
from plainfilm.errors import BadImage, NoPicture
from plainfilm.prepare.phantom import FINDINGS, render_phantom

_BOUNDARY = "load"
_SIZES = (256, 512, 1024)
_TURNS = 3
_SMALL_FILMS, _SMALL_BYTES = 500, 30_000


class Film(NamedTuple):
    """A film to send, and the answer that it must get: of the bundle itself, or the status of its problem."""

    name: str
    content: bytes
    answer: dict[str, Any] | None
    status: int


class Reply(NamedTuple):
    """A reply, or none: status 0 where the connection was refused or ended."""

    status: int
    seconds: float
    films: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--films", type=int, default=2000)
    options = parser.parse_args()
    films = drawn_films(Bundle.open(options.bundle))
    kinds = Counter(film.name.rpartition(".")[2] for film in films)
    megabytes = sum(len(film.content) for film in films) / 1e6
    print(f"{len(films)} different films, {megabytes:.0f} MB: {dict(kinds)}; {os.cpu_count()} cores", flush=True)
    wrong = [
        *small_films(options.bundle, films),
        *under_load(options.bundle, films, options.clients, options.films, ["--queue-films", "256"], "room"),
        *under_load(
            options.bundle,
            films,
            options.clients,
            options.films,
            ["--queue-films", "16", "--request-films", "16"],
            "overload",
        ),
        *stopped(options.bundle, films, options.clients),
        *killed(options.bundle, films, options.clients),
    ]
    print("\n".join(wrong) or "nothing was wrong")
    sys.exit(bool(wrong))


def small_films(bundle: Path, films: Sequence[Film]) -> list[str]:
    """Time films of 256 pixels; returns what was wrong."""
    small = [film for film in films if film.name.endswith(".jpg") and film.answer and len(film.content) < _SMALL_BYTES]
    wrong: list[str] = []
    with served(bundle) as server:
        for clients in (1, 8):
            left, begun = Countdown(_SMALL_FILMS), time.monotonic()

            def client(seed: int, left: Countdown = left) -> list[Reply]:
                draw = random.Random(seed)
                with closing(server.connect()) as connection:
                    return [
                        server.send(connection, [draw.choice(small)], "", wrong) for _ in iter(lambda: left.take(1), 0)
                    ]

            with ThreadPoolExecutor(clients) as pool:
                replies = [reply for had in pool.map(client, range(clients)) for reply in had]
            middle = sorted(reply.seconds for reply in replies)[len(replies) // 2]
            rate = len(replies) / (time.monotonic() - begun)
            print(f"small: {clients} clients: {rate:.0f} a second, {1000 * middle:.0f} ms each", flush=True)
        wrong += server.stop()
    return wrong


def under_load(
    bundle: Path, films: Sequence[Film], clients: int, count: int, options: Sequence[str], phase: str
) -> list[str]:
    """Send `count` films by many clients until each has its answer, several times over; returns what was wrong."""
    wrong: list[str] = []
    replies: list[Reply] = []
    seconds = 0.0
    with served(bundle, *options) as server:
        start = server.memory_mb()
        memory = []
        for turn in range(_TURNS):
            left = Countdown(count)
            begun = time.monotonic()

            def client(seed: int, left: Countdown = left) -> list[Reply]:
                return _served_in_turn(server, films, left, random.Random(seed), wrong)

            with ThreadPoolExecutor(clients) as pool:
                for had in pool.map(client, range(turn * clients, (turn + 1) * clients)):
                    replies += had
            seconds += time.monotonic() - begun
            server.wait_idle()
            memory.append(server.memory_mb())
        wrong += [f"{phase}: {line}" for line in server.stop()]
    statuses = Counter(reply.status for reply in replies)
    print(
        f"{phase}: {_TURNS} times {count} films by {clients} clients in {seconds:.1f} s ({_TURNS * count / seconds:.0f} a second)\n"
        f"    replies {dict(sorted(statuses.items()))}; {quantiles(replies)}\n"
        f"    memory in MB: {start:.0f} at the start, {', '.join(f'{each:.0f}' for each in memory)} after each time",
        flush=True,
    )
    return wrong


def _served_in_turn(
    server: Server, films: Sequence[Film], left: Countdown, draw: random.Random, wrong: list[str]
) -> list[Reply]:
    """One client: sends films until none are left; comes back where it was told to."""
    replies = []
    with closing(server.connect()) as connection:
        while number := left.take(draw.randint(1, 4)):
            some = draw.choices(films, k=number)
            query = draw.choice(["", "", "?heatmaps=true", "?picture=true"])
            while (reply := server.send(connection, some, query, wrong)).status == 503:
                replies.append(reply)
                time.sleep(min(1.0, reply.seconds))
            replies.append(reply)
            if reply.status == 0:
                wrong.append(f"{[film.name for film in some]}: the connection ended")
    return replies


def stopped(bundle: Path, films: Sequence[Film], clients: int) -> list[str]:
    """SIGTERM while all clients are at it; returns what was taken on and not answered, or answered wrongly."""
    wrong: list[str] = []
    with served(bundle) as server:
        replies = until_gone(server, films, clients, wrong, lambda: server.process.send_signal(signal.SIGTERM))
        code = server.process.wait(60)
        given = len(re.findall("POST /v1/predict (?:200|4..)", server.log()))
    got = [reply for reply in replies if reply.status in (200, 415, 422)]
    counts = dict(sorted(Counter(reply.status for reply in replies).items()))
    print(
        f"stop: exit {code}; {given} replies given by the server, {len(got)} had by the clients; {counts}", flush=True
    )
    if code != 0 or given != len(got):
        wrong.append(f"stop: exit {code}, {given} replies given and {len(got)} had")
    return wrong


def killed(bundle: Path, films: Sequence[Film], clients: int) -> list[str]:
    """SIGKILL while all clients are at it; returns what lies about that was not there before."""
    with tempfile.TemporaryDirectory() as folder:
        with served(bundle, folder=folder) as server:
            until_gone(server, films, clients, [], server.process.kill)
        left = sorted(str(path) for path in Path(folder).rglob("*"))
    print(f"kill: {len(left)} files left behind", flush=True)
    return [f"kill: left {name}" for name in left]


def until_gone(
    server: Server, films: Sequence[Film], clients: int, wrong: list[str], end: Any, after: float = 3.0
) -> list[Reply]:
    """Have all clients send until the server is gone, which `end` sees to after some seconds."""
    replies: list[Reply] = []

    def client(seed: int) -> None:
        draw = random.Random(seed)
        with closing(server.connect()) as connection:
            status = 200
            while status:
                reply = server.send(connection, draw.choices(films, k=draw.randint(1, 4)), "", wrong)
                replies.append(reply)
                status = reply.status
                if status == 503:
                    time.sleep(0.2)

    timer = threading.Timer(after, end)
    timer.start()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    timer.join()
    return replies


class Countdown:
    """Films that are still to be sent."""

    def __init__(self, count: int) -> None:
        self.count, self.lock = count, threading.Lock()

    def take(self, most: int) -> int:
        """Take some, at most as many as there are."""
        with self.lock:
            taken = min(most, self.count)
            self.count -= taken
        return taken


class Server:
    """A running `plainfilm serve`."""

    def __init__(self, process: subprocess.Popen[str], address: tuple[str, int], log_path: Path) -> None:
        self.process, self._address, self._log_path = process, address, log_path

    def connect(self) -> http.client.HTTPConnection:
        """A connection that stays."""
        return http.client.HTTPConnection(*self._address, timeout=120)

    def send(
        self, connection: http.client.HTTPConnection, films: Sequence[Film], query: str, wrong: list[str]
    ) -> Reply:
        """Send films; what is wrong with the reply is added to `wrong`. For a 503 the seconds are those to wait."""
        body = b"".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="films"; filename="{film.name}"\r\n\r\n'.encode()
            + film.content
            + b"\r\n"
            for film in films
        )
        begun = time.monotonic()
        try:
            connection.request(
                "POST",
                f"/v1/predict{query}",
                body + f"--{_BOUNDARY}--\r\n".encode(),
                {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
            )
            response = connection.getresponse()
            told = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            return Reply(0, 0, len(films))
        seconds = time.monotonic() - begun
        if response.status == 503:
            return Reply(503, float(response.headers["Retry-After"]), len(films))
        wrong += mistakes(films, response.status, told, query)
        return Reply(response.status, seconds, len(films))

    def memory_mb(self) -> float:
        """The resident set, in MB."""
        return float(self._metric("process_resident_memory_bytes")) / 1e6

    def wait_idle(self) -> None:
        """Wait until nothing is in its queue."""
        while float(self._metric("plainfilm_queue_films")) or float(self._metric("plainfilm_queue_bytes")):
            time.sleep(0.05)

    def stop(self) -> list[str]:
        """Stop it politely; returns what was wrong with that."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        return [] if code == 0 and "Traceback" not in self.log() else [f"exit {code}; {self.log()[-500:]}"]

    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log_path.read_text()

    def _metric(self, name: str) -> str:
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found, f"/metrics tells no {name}"
        return found[1]


@contextmanager
def served(bundle: Path, *options: str, folder: str = "") -> Iterator[Server]:
    """Serve on a free port until the block ends. folder: where the process works and has its temporary files."""
    command = [sys.executable, "-m", "plainfilm", "serve", "--bundle", str(bundle.resolve()), "--port", "0", *options]
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder or None,
            env={**os.environ, **({"TMPDIR": folder, "HOME": folder} if folder else {})},
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
            assert found, Path(log.name).read_text()
            yield Server(process, (found[1], int(found[2])), Path(log.name))
        finally:
            process.kill()
            process.wait()


def mistakes(films: Sequence[Film], status: int, told: dict[str, Any], query: str) -> list[str]:
    """What is wrong with a reply."""
    if len(films) == 1 and films[0].answer is None:
        right = status == films[0].status and told["status"] == status
        return [] if right else [f"{films[0].name}: {status}, expected {films[0].status}"]
    if status != 200 or len(told["films"]) != len(films):
        return [f"{[film.name for film in films]}: {status} {told}"]
    wrong = []
    for film, entry in zip(films, told["films"], strict=True):
        if film.answer is None:
            is_right = bool(entry["problem"]) and entry["problem"]["status"] == film.status
        else:
            is_right = all(entry[key] == value for key, value in film.answer.items())
            is_right &= (entry["heatmaps"] is not None) == ("heatmaps" in query and entry["class"] is not None)
            is_right &= (entry["picture"] is not None) == ("picture" in query)
        if not is_right:
            wrong.append(f"{film.name}: {entry}, expected {film.answer or film.status}")
    return wrong


def drawn_films(bundle: Bundle) -> list[Film]:
    """Phantoms of all formats and several sizes, each fourth of them damaged, with what the bundle says of them."""
    drawn = np.random.default_rng(7)
    predictor = bundle.predictor
    films = []
    for number in range(48):
        finding, side = FINDINGS[number % len(FINDINGS)], _SIZES[number % len(_SIZES)]
        pixels, _ = render_phantom(finding, np.random.default_rng(number), side)
        suffix, content = coded(number % 7, pixels)
        if number % 4 == 3:
            content = damaged(content, drawn)
        name = f"{number}.{suffix}"
        try:
            (answer,) = predictor.answers([predictor.see(content, name)])
            films.append(Film(name, content, json.loads(json.dumps(answer.to_dict())), 200))
        except BadImage as error:
            films.append(Film(name, content, None, 415 if isinstance(error, NoPicture) else 422))
    return films


def coded(kind: int, pixels: NDArray[np.uint8]) -> tuple[str, bytes]:
    """A film as a file of one of seven kinds, with its ending."""
    deep = pixels.astype(np.uint16) * 257
    if kind == 0:
        return "dcm", dicom(deep)
    kinds: list[tuple[str, NDArray[Any]]] = [
        *(("png", pixels), ("png", deep), ("jpg", pixels), ("tif", deep), ("bmp", pixels), ("webp", pixels))
    ]
    suffix, shown = kinds[kind - 1]
    return suffix, bytes(cv2.imencode(f".{suffix}", shown)[1])


def damaged(content: bytes, drawn: np.random.Generator) -> bytes:
    """The file cut off, or with its beginning gone."""
    half = len(content) // 2
    return content[:half] if drawn.random() < 0.7 else content[half:]


def dicom(pixels: NDArray[np.uint16]) -> bytes:
    """A DX film, uncompressed."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    film = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    film.SOPClassUID, film.SOPInstanceUID, film.Modality = meta.MediaStorageSOPClassUID, "1.2.3", "DX"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit, film.PixelRepresentation = 15, 0
    film.PixelData = pixels.astype("<u2").tobytes()
    with tempfile.TemporaryFile() as file:
        film.save_as(file, enforce_file_format=True)
        file.seek(0)
        return file.read()


def quantiles(replies: Sequence[Reply]) -> str:
    """Seconds until an answer: middle, 95 of 100, longest."""
    seconds = sorted(reply.seconds for reply in replies if reply.status != 503)
    middle, late = (seconds[int(share * (len(seconds) - 1))] for share in (0.5, 0.95))
    return f"seconds to a reply: median {middle:.2f}, 95% {late:.2f}, longest {seconds[-1]:.2f}"


if __name__ == "__main__":
    main()
