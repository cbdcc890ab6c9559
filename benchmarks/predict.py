"""Predicting against torch: the same network, the same JPEG films, in turn, in one run; a cold start; peak memory.

    python benchmarks/predict.py FOLDER make      what the others need; --films NAMED draws on films of one's own
    python benchmarks/predict.py FOLDER rate      films a second, decoding included: the bundle in int8 and in fp32, and torch
    python benchmarks/predict.py FOLDER cold      seconds from the start of `plainfilm predict` to its end, for one film
    python benchmarks/predict.py FOLDER memory    peak memory of `plainfilm predict`, for a quarter of the films and for all

`make` draws phantoms, trains a ResNet-18 at 224 pixels on them for three epochs, exports it in both precisions, and writes the
films: JPEG of 256 pixels. All run on two cores, whatever the machine has.

Ours is the job of `plainfilm predict`: files read, decoded, preprocessed, looked at by the gate and the network, calibrated, judged
for quality, written as CSV. Torch does less: OpenCV reads, decodes and resizes in two threads ahead of the network, which takes
batches of 32 through the same weights in float32, in inference mode, on both cores; no gate, no table. It runs twice: as it comes,
and in the memory format (channels last) that suits its convolutions on a processor, which few people set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from plainfilm import Run, TrainConfig, train_runs
from plainfilm.bundle_jobs import Precision, export_run
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.preprocess import Preprocess
from plainfilm.learn.model import load_network
from plainfilm.predict_jobs import Model, model_of_bundle, predict_streamed
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.split import SplitPlan
from plainfilm.serve.films import Films
from plainfilm.serve.tables import TableFormat
from plainfilm.terminal import progress_on

CORES, FILM_PX, NETWORK_PX, TORCH_BATCH, WARM_UP = 2, 256, 224, 32, 64
EASY = PhantomOptions(
    sources=4, source_by_class=True
)  # learnt in a moment, so that int8 has sure answers to agree with
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")


def bundle_of(folder: Path, precision: Precision) -> Path:
    return folder / f"{precision}.plainfilm"


def make(folder: Path, named: Path | None, count: int) -> None:
    """Films, run and bundles; what is there stays."""
    if not (folder / "set").is_dir():
        make_phantoms(folder / "set", 100, seed=7, options=EASY)
    films = folder / "films"
    if not films.is_dir():
        films.mkdir(parents=True)
        places = (folder / "set").rglob("images/*.png") if named is None else named.rglob("*")
        found = sorted(path for path in places if is_film_name(path))
        for place in range(count):
            pixels = read_film(found[place % len(found)]).pixels
            small = cv2.resize(pixels, (FILM_PX, FILM_PX), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(films / f"{place:05}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not Run.is_run(folder / "run"):
        manifest = prepare(folder / "set", folder / "data", PrepareOptions(plan=SplitPlan(test=0.2, val=0.2)))
        config = TrainConfig(model="resnet18", weights="scratch", size=NETWORK_PX, epochs=3, batch_size=8, device="cpu")
        train_runs(manifest, folder / "run", config, read_test=True, progress=progress_on())
    for precision in PRECISIONS:
        path = bundle_of(folder, precision)
        if not path.is_file():
            export_run(Run.open(folder / "run"), path, precision=precision, progress=progress_on())


def ours(model: Model, films: list[Path]) -> None:
    """The job of `plainfilm predict`."""
    rows: list[str] = []
    predict_streamed(model, Films([str(film) for film in films], lambda _: b""), TableFormat.csv, rows.append)
    assert "".join(rows).count("\n") == len(films) + 1


def theirs(network: nn.Module, preprocess: Preprocess, layout: torch.memory_format, films: list[Path]) -> list[int]:
    """A plain loop in torch; gives the classes."""

    def read(some: list[Path]) -> NDArray[np.float32]:
        side = (preprocess.size, preprocess.size)
        greys: list[Any] = [cv2.imread(str(film), cv2.IMREAD_GRAYSCALE) for film in some]
        small = [cv2.resize(grey, side, interpolation=cv2.INTER_AREA) for grey in greys]
        return ((np.stack(small)[:, None] / np.float32(255) - preprocess.mean) / preprocess.std).astype(np.float32)

    classes: list[int] = []
    with torch.inference_mode(), ThreadPoolExecutor(CORES) as pool:
        batches = (films[start : start + TORCH_BATCH] for start in range(0, len(films), TORCH_BATCH))
        for given in _ahead(pool, read, batches):
            classes += network(torch.from_numpy(given).to(memory_format=layout)).argmax(1).tolist()
    return classes


def _ahead(
    pool: ThreadPoolExecutor,
    read: Callable[[list[Path]], NDArray[np.float32]],
    batches: Iterator[list[Path]],
) -> Iterator[NDArray[np.float32]]:
    """Batches read in threads, four ahead of the one in use."""
    waiting: deque[Future[NDArray[np.float32]]] = deque(pool.submit(read, batch) for batch in islice(batches, 4))
    while waiting:
        given = waiting.popleft().result()
        waiting.extend(pool.submit(read, batch) for batch in islice(batches, 1))
        yield given


def rate(folder: Path, turns: int) -> None:
    """Films a second, in turn."""
    films = sorted((folder / "films").iterdir())
    run = Run.open(folder / "run")
    torch.set_num_threads(CORES)
    network = load_network(run).float()
    ways: dict[str, Callable[[list[Path]], object]] = {}
    for precision in PRECISIONS:
        model = model_of_bundle(bundle_of(folder, precision))
        ways[precision] = lambda some, model=model: ours(model, some)  # type: ignore[misc]
    for name, layout in (("torch", torch.contiguous_format), ("torch, channels last", torch.channels_last)):
        form = load_network(run).float().to(memory_format=layout)
        ways[name] = lambda some, form=form, layout=layout: theirs(form, run.preprocess, layout, some)  # type: ignore[misc]
    _compare_classes(folder, films[:WARM_UP], theirs(network, run.preprocess, torch.contiguous_format, films[:WARM_UP]))
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(films)  # files into the system's cache, memory into the process; not timed
    for turn in range(turns):
        for name, way in ways.items():
            way(films[:WARM_UP])
            begun = time.perf_counter()
            way(films)
            speeds[name].append(len(films) / (time.perf_counter() - begun))
        print(f"turn {turn + 1}: " + ", ".join(f"{name} {speed[-1]:.0f}" for name, speed in speeds.items()), flush=True)
    print(f"{len(films)} films of {FILM_PX} pixels, network at {NETWORK_PX}, {CORES} cores, {turns} turns")
    for name, speed in speeds.items():
        print(f"{name}: {_spread(speed)} films a second")
    for precision in PRECISIONS:
        for peer in sorted(ways.keys() - set(PRECISIONS)):
            ratios = [mine / other for mine, other in zip(speeds[precision], speeds[peer], strict=True)]
            print(f"{precision} over {peer}: {_spread(ratios, '.2f')}")


def _compare_classes(folder: Path, films: list[Path], by_torch: list[int]) -> None:
    """Say for how many films both ways give the same class, so that like is compared with like."""
    for precision in PRECISIONS:
        predictor = model_of_bundle(bundle_of(folder, precision)).predictor
        fitted = np.stack([predictor.see(film).fitted for film in films])
        found = predictor.network.scores(fitted).logit.argmax(1)
        print(f"{precision} names torch's class for {int((found == by_torch).sum())} of {len(films)} films")


def _spread(values: list[float], form: str = ".0f") -> str:
    return f"median {statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


# A process of its own, since what is forked from a large one counts that one's memory as its own.
_MEASURED = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)
"""


def _command(folder: Path, precision: Precision, *films: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of `plainfilm predict`."""
    plainfilm = Path(sys.executable).parent / "plainfilm"
    typed: list[str | Path] = [plainfilm, "predict", *films, "--bundle", bundle_of(folder, precision)]
    done = subprocess.run([sys.executable, "-c", _MEASURED, *typed], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def cold(folder: Path, turns: int) -> None:
    """Seconds for one film, in turn; files come from the system's cache."""
    film = min((folder / "films").iterdir())
    found = [[_command(folder, precision, film)[0] for precision in PRECISIONS] for _ in range(turns + 1)][1:]
    for precision, seconds in zip(PRECISIONS, zip(*found, strict=True), strict=True):
        print(f"{precision}, one film, {turns} turns: {_spread(list(seconds), '.2f')} s")


def memory(folder: Path) -> None:
    """Peak memory for a quarter of the films and for all of them."""
    films = sorted((folder / "films").iterdir())
    for precision in PRECISIONS:
        for some in (films[: len(films) // 4], films):
            print(f"{precision}, {len(some)} films: peak {_command(folder, precision, *some)[1]:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("make", "rate", "cold", "memory"))
    parser.add_argument("--films", type=Path, help="with make: films to draw on in place of phantoms")
    parser.add_argument("--count", type=int, default=600, help="with make: JPEG films to write")
    parser.add_argument("--turns", type=int, default=5)
    typed = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if typed.what == "make":
        make(typed.folder, typed.films, typed.count)
    elif typed.what == "memory":
        memory(typed.folder)
    else:
        {"rate": rate, "cold": cold}[typed.what](typed.folder, typed.turns)


if __name__ == "__main__":
    main()
