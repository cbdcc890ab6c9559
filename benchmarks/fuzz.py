"""Mutated files through every door: no crash, no hang, no memory over a limit; a typed error, or a film.

    python benchmarks/fuzz.py --files 20000

Mutants (`mutants.py`) of films go through `read_film`, and every third also through the server's application, as an upload:
multipart, limits, queue, decoding, network, reply. In half of these the multipart body is damaged instead of the film. Mutants of
bundles go through `Bundle.open`; one that opens nevertheless answers a film and becomes a server's application.

Children do it, under a limit on their address space; a watcher sees what they say. A child that dies is a crash; one that is silent
for longer than 5 seconds, and again over the same file alone, a hang. Either is noted with its number, and another child goes on
behind it. Exit 1 where anything was found. `--only NUMBER` does one of them in this process, to look into it.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import httpx
import numpy as np

from mutants import Mutant, damage, mutant, sound_bundle
from plainfilm.core.bundle import Bundle
from plainfilm.core.image import Film, read_film
from plainfilm.core.progress import Progress, Silence, Task
from plainfilm.errors import BadBundle, BadImage
from plainfilm.serve.api import create_app
from plainfilm.terminal import progress_on

MOST_SECONDS = 5.0
MOST_BYTES = 4 << 30  # of address space; a film of the 100 million pixels that are allowed needs a good part of it
_STARTING_SECONDS = 120.0
_BORDER = "a-border"


class Wrong(Exception):
    """A promise that was not kept."""


class Doors:
    """All ways in. folder: for bundles, which are opened from disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{multiprocessing.current_process().pid}.plainfilm"
        self._path.write_bytes(sound_bundle())
        self._bundle = Bundle.open(self._path)
        self._film = self._bundle.probes[0].content
        self._loop = asyncio.new_event_loop()
        self._app = create_app(self._bundle, workers=1)

    def enter(self, one: Mutant, seed: int, number: int) -> str:
        """What became of a mutant: "refused", "read", "opened". Raises whatever is wrong."""
        if one.is_bundle:
            return self._as_bundle(one.content)
        outcome = _as_film(one.content)
        if number % 3 == 0:
            chance = random.Random(f"upload {seed} {number}")
            body = _multipart(one.content if number % 2 else self._film)
            self._as_upload(body if number % 2 else damage(body, chance), is_whole=bool(number % 2), outcome=outcome)
        return outcome

    def _as_bundle(self, content: bytes) -> str:
        self._path.write_bytes(content)
        try:
            bundle = Bundle.open(self._path)
        except BadBundle as error:
            return _refused(error)
        (answer,) = bundle.predictor.answers([bundle.predictor.see(self._film, "film")], maps=True)
        json.dumps(answer.to_dict())
        try:
            create_app(bundle, workers=1).state.service.queue.close()
        except BadBundle as error:
            _refused(error)
        return "opened"

    def _as_upload(self, body: bytes, *, is_whole: bool, outcome: str) -> None:
        """Send it; is_whole: the multipart frame is as it should be, and the film got `outcome` from `read_film`."""
        reply = self._loop.run_until_complete(self._posted(body))
        told = reply.json()
        if reply.status_code == 200:
            kinds = {film["problem"]["status"] for film in told["films"] if film["problem"]}
            if 500 in kinds:
                raise Wrong(f"the server met a defect: {told}")
            if is_whole and outcome == "refused":
                raise Wrong("the server read what read_film refuses")
        elif reply.status_code not in (400, 408, 413, 415, 422) or not told.get("detail"):
            raise Wrong(f"the server said {reply.status_code}: {told}")
        elif is_whole and outcome == "read" and reply.status_code != 413:  # it allows fewer pixels
            raise Wrong(f"the server refused what read_film reads: {told}")

    async def _posted(self, body: bytes) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=True)
        headers = {"Content-Type": f"multipart/form-data; boundary={_BORDER}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/v1/predict?heatmaps=true&picture=true", content=body, headers=headers)


def _as_film(content: bytes) -> str:
    try:
        film = read_film(content, name="mutant")
    except BadImage as error:
        return _refused(error)
    _check(film)
    return "read"


def _check(film: Film) -> None:
    pixels, info = film.pixels, film.info
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16) or pixels.shape != (info.height, info.width):
        raise Wrong(f"a film of {pixels.dtype} {pixels.shape} that calls itself {info.width} x {info.height}")
    if not all(text.isprintable() for text in (*info.notes, info.view, info.sex, info.coding)):
        raise Wrong(f"what is said of the film is no plain text: {info}")


def _refused(error: BadImage | BadBundle) -> str:
    if not str(error).isprintable() or len(str(error)) > 1000:
        raise Wrong(f"the message is no plain line: {str(error)[:300]!r}")
    return "refused"


def _multipart(film: bytes) -> bytes:
    head = f'--{_BORDER}\r\nContent-Disposition: form-data; name="films"; filename="film"\r\n\r\n'
    return head.encode() + film + f"\r\n--{_BORDER}--\r\n".encode()


class Enters(Protocol):
    """What sends a mutant through doors."""

    def enter(self, one: Mutant, seed: int, number: int) -> str: ...


def child(open_doors: Callable[[Path], Enters], seed: int, numbers: range, folder: Path, say: Connection) -> None:
    """Do some mutants, each announced before it is tried; then what became of it, its seconds, and what went wrong."""
    doors = open_doors(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        one = mutant(seed, number)
        say.send(("begun", number, one.name))
        begun = time.perf_counter()
        try:
            outcome, wrong = doors.enter(one, seed, number), ""
        except BaseException as error:
            places = traceback.extract_tb(error.__traceback__)[-3:]
            where = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in places)
            outcome, wrong = "wrong", f"{type(error).__name__}: {str(error)[:300]} ({where})"
        say.send(("done", number, outcome, time.perf_counter() - begun, wrong))
    say.send(("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


class Watched:
    """What children found. outcomes: by what it was and what became of it. findings: what is wrong, a line each."""

    def __init__(self, open_doors: Callable[[Path], Enters], seed: int, folder: Path, task: Task) -> None:
        self.open_doors, self.seed, self.folder, self._task = open_doors, seed, folder, task
        self.outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.findings: list[str] = []
        self.slowest, self.slowest_number, self.peak = 0.0, 0, 0
        self._lock = threading.Lock()

    def do(self, numbers: range) -> None:
        """All of these numbers, in as many children as it takes."""
        left = numbers
        while left:
            at, is_silent = self._one_child(left)
            if is_silent:
                _, is_silent = self._one_child(range(at, at + 1))  # by itself: perhaps it was the machine that was busy
                if is_silent:
                    self.findings.append(f"{at}: silent for {MOST_SECONDS:g} s, and once more")
                at += 1
            left = range(at, numbers.stop)

    def _one_child(self, numbers: range) -> tuple[int, bool]:
        """The number to go on with, once a child has ended or was ended; or the one over which it fell silent, and True."""
        spawn = multiprocessing.get_context("spawn")
        hear, say = spawn.Pipe(duplex=False)
        process = spawn.Process(target=child, args=(self.open_doors, self.seed, numbers, self.folder, say))
        process.start()
        say.close()
        at, name, patience = numbers.start, "", _STARTING_SECONDS
        try:
            while hear.poll(patience):
                patience = MOST_SECONDS
                match hear.recv():
                    case ("begun", number, kind):
                        at, name = number, kind
                    case ("done", number, outcome, seconds, wrong):
                        self._note(number, name, outcome, seconds, wrong)
                        at = number + 1
                    case ("peak", size):
                        self.peak = max(self.peak, size)
                        return numbers.stop, False
            return at, True
        except EOFError:
            process.join()
            if not name:
                raise RuntimeError(f"a child did not start, exit code {process.exitcode}") from None
            self.findings.append(f"{at} ({name}): the process died, exit code {process.exitcode}")
            return at + 1, False
        finally:
            process.kill()
            process.join()
            hear.close()

    def _note(self, number: int, name: str, outcome: str, seconds: float, wrong: str) -> None:
        with self._lock:
            self.outcomes[name.split()[0], outcome] += 1
            self._task.advance()
        if seconds > self.slowest:
            self.slowest, self.slowest_number = seconds, number
        if wrong:
            self.findings.append(f"{number} ({name}): {wrong}")


def _shares(count: int, workers: int) -> Iterator[range]:
    bounds = np.linspace(0, count, workers + 1).astype(int).tolist()
    return (range(start, stop) for start, stop in itertools.pairwise(bounds))


def run(
    count: int,
    seed: int,
    workers: int,
    folder: Path,
    open_doors: Callable[[Path], Enters] = Doors,
    progress: Progress | None = None,
) -> Watched:
    """So many mutants, by so many children at a time. open_doors: what each child sends them through."""
    with ThreadPoolExecutor(workers) as pool, (progress or Silence()).task("Trying", count, "files") as task:
        watched = Watched(open_doors, seed, folder, task)
        list(pool.map(watched.do, _shares(count, workers)))
    return watched


def show(watched: Watched, count: int, seconds: float) -> None:
    """The table, then what was found."""
    kinds = sorted({kind for kind, _ in watched.outcomes})
    columns = ("refused", "read", "opened", "wrong")
    print(f"{'':8}" + "".join(f"{name:>9}" for name in columns))
    for kind in kinds:
        print(f"{kind:8}" + "".join(f"{watched.outcomes[kind, name]:9,}" for name in columns))
    print(
        f"{count:,} mutants of seed {watched.seed} in {seconds:.0f} s; slowest {watched.slowest:.2f} s (number "
        f"{watched.slowest_number}); peak {watched.peak / 1e6:.0f} MB in memory, {MOST_BYTES / 1e9:.1f} GB of addresses allowed"
    )
    for finding in watched.findings:
        print(f"FOUND {finding}")
    print(f"{len(watched.findings)} found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, metavar="NUMBER")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if typed.only is not None:
            print(Doors(Path(folder)).enter(mutant(typed.seed, typed.only), typed.seed, typed.only))
            return
        begun = time.monotonic()
        watched = run(typed.files, typed.seed, typed.workers, Path(folder), progress=progress_on())
        show(watched, typed.files, time.monotonic() - begun)
    sys.exit(bool(watched.findings))


if __name__ == "__main__":
    main()
