"""Does a network in whole numbers answer as in float32, from how many bytes, and how much faster: docs/results/bundle.md, "int8".

    python benchmarks/int8.py RUN [--calibration 192] [--turns 5]

RUN: a finished run. It is written as ONNX and rounded as `plainfilm export --precision int8` does, on training films, as many of
each class; both are asked about every validation film. No test film is read. Speed: two threads with one film after another each,
16 films at a time, both networks in turn; reading films is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy.stats import binomtest

from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import measure
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.learn.export import onnx_graph
from plainfilm.learn.quantise import quantise

THREADS, AT_ONCE = 2, 16
Films = NDArray[np.float32]


def films_of(run: Run, manifest: Manifest, split: str, most: int | None = None) -> tuple[Films, NDArray[np.intp]]:
    """(N, 1, S, S) and their labels' places among the run's classes; the first `most`, as many of each class as there are."""
    rows = manifest.ok[manifest.ok[run.config.split] == split]
    if most is not None:
        rows = rows.sample(frac=1, random_state=run.config.seed)
        rows = rows.loc[rows.groupby("label").cumcount().sort_values(kind="stable").index[:most]]
    with ThreadPoolExecutor(THREADS) as pool:
        paths = [manifest.film_path(path) for path in rows["path"]]
        films = list(pool.map(lambda path: run.preprocess.fitted(read_film(path).pixels), paths))
    return run.preprocess.network_input(np.stack(films)), np.array([run.classes.index(name) for name in rows["label"]])


class Timed:
    """A network in ONNX Runtime that is asked by two threads."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def logits(self, films: Films) -> NDArray[np.float32]:
        with ThreadPoolExecutor(THREADS) as pool:
            starts = range(0, len(films), AT_ONCE)
            return np.concatenate(list(pool.map(lambda at: self._ask(films[at : at + AT_ONCE]), starts)))

    def _ask(self, films: Films) -> NDArray[np.float32]:
        logit: NDArray[np.float32] = self._session.run(["logit"], {"films": films})[0]
        return logit

    def rate(self, films: Films) -> float:
        start = time.perf_counter()
        self.logits(films)
        return len(films) / (time.perf_counter() - start)


def macro_auroc(logit: NDArray[np.float32], label: NDArray[np.intp], classes: tuple[str, ...]) -> float:
    raised = np.exp(logit.astype(np.float64) - logit.max(axis=1, keepdims=True))
    return measure(raised / raised.sum(axis=1, keepdims=True), label, classes)["macro_auroc"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--calibration", type=int, default=192)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    run = Run.open(options.run)
    manifest = run.own_manifest()
    before, _ = onnx_graph(run)
    some, _ = films_of(run, manifest, "train", options.calibration)
    start = time.perf_counter()
    after = quantise(before, some, run.preprocess.mean, run.preprocess.std, Silence())
    print(f"rounded on {len(some)} training films in {time.perf_counter() - start:.0f} s")
    films, label = films_of(run, manifest, "val")
    networks = Timed(before), Timed(after)
    one, other = (network.logits(films) for network in networks)
    agree, count = int((one.argmax(axis=1) == other.argmax(axis=1)).sum()), len(films)
    low, high = binomtest(agree, count).proportion_ci(method="wilson")
    print(f"labels agree on {agree} of {count} validation films, {agree / count:.2%} ({low:.2%} to {high:.2%})")
    area = [macro_auroc(logit, label, run.classes) for logit in (one, other)]
    right = [float((logit.argmax(axis=1) == label).mean()) for logit in (one, other)]
    print(f"macro AUROC {area[0]:.4f} and {area[1]:.4f}; accuracy {right[0]:.4f} and {right[1]:.4f}")
    print(f"logits differ by {np.abs(one - other).mean():.3f} in the mean, {np.abs(one - other).max():.2f} at most")
    print(f"{len(before) / 1e6:.1f} and {len(after) / 1e6:.1f} MB")
    rates = [[network.rate(films[:256]) for network in networks] for _ in range(options.turns)]
    ratios = sorted(fast / slow for slow, fast in rates)
    slow, fast = (statistics.median(each) for each in zip(*rates, strict=True))
    print(
        f"{slow:.0f} and {fast:.0f} films a second at {run.preprocess.size} pixels, ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f} over {len(ratios)} turns)"
    )


if __name__ == "__main__":
    main()
