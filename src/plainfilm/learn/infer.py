"""Scores of a trained network: on a manifest's films through the cache, or on any files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.errors import BadImage, BadManifest, BadRun
from plainfilm.learn.device import chosen_device
from plainfilm.learn.films import FilmCache, cache_films
from plainfilm.learn.model import load_network

BATCH = 128


def network_input(films: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """Preprocess.network_input() on the device: (B, 1, H, W) uint8, or float32 in 0..1, to normalised float32, channels last."""
    grey = films.float() / 255 if films.dtype == torch.uint8 else films
    return ((grey - preprocess.mean) / preprocess.std).contiguous(memory_format=torch.channels_last)


def resized(films: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 1, H, H) float32 -> (B, 1, size, size), by area where it shrinks."""
    if films.shape[-1] == size:
        return films
    return F.interpolate(films, (size, size), mode="area" if size < films.shape[-1] else "bilinear")


@torch.inference_mode()
def score_cache(
    network: nn.Module,
    cache: FilmCache,
    places: NDArray[np.int64],
    preprocess: Preprocess,
    progress: Progress,
    label: str,
) -> NDArray[np.float32]:
    """Logits of the chosen films in float32, (N, C). The network is in evaluation mode and on the cache's device."""
    logits = []
    with progress.task(label, len(places)) as task:
        for start in range(0, len(places), BATCH):
            films = cache.batch(places[start : start + BATCH])
            logits.append(network(network_input(films, preprocess)).float().cpu().numpy())
            task.advance(len(films))
    return np.concatenate(logits)


def predict_manifest(
    run: Run, manifest: Manifest, splits: Sequence[str], progress: Progress, *, column: str = "split"
) -> Predictions:
    """Scores of a run on the films of some splits; unreadable films of the manifest follow as rows with status error.

    Raises BadManifest where no film is in those splits, BadRun where the run has no weights.
    """
    ok = manifest.ok
    rows = ok[ok[column].isin(splits) & (ok["label"] != "")]
    if len(rows) == 0:
        raise BadManifest(f"no readable, labelled film is in {column} {', '.join(splits)}", manifest.path)
    cache = cache_films(
        manifest, cacheable(manifest, column), run.preprocess, chosen_device(run.config.device), progress
    )
    network = _ready(run, cache.device)
    places = np.flatnonzero(cache.rows["image_id"].isin(set(rows["image_id"])))
    logit = score_cache(network, cache, places, run.preprocess, progress, "Scoring films")
    scored = cache.rows.iloc[places]
    failed = manifest.films[manifest.films["status"] == "error"]
    rows = pd.concat([scored, failed], ignore_index=True)
    rows["split"] = [*scored[column], *([""] * len(failed))]
    blank = np.full((len(failed), logit.shape[1]), np.nan, np.float32)
    return Predictions.of(rows, np.concatenate([logit, blank]), run.classes, model_name(run))


def cacheable(manifest: Manifest, column: str) -> pd.DataFrame:
    """The rows that training and evaluation need: readable, labelled, in a split."""
    ok = manifest.ok
    return ok[(ok["label"] != "") & (ok[column] != "")]


def predict_films(run: Run, paths: Sequence[Path], progress: Progress) -> Predictions:
    """Scores of a run on files; a file that cannot be read is a row with status error and the reason.

    Raises BadRun where the run's network needs lung masks, which files do not bring.
    """
    if run.preprocess.region == "lungs":
        raise BadRun(
            "was trained on the lungs alone, and files bring no lung mask: evaluate it --on a manifest", run.directory
        )
    device = chosen_device(run.config.device)
    network = _ready(run, device)
    rows, logits = [], []
    with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Predicting", len(paths)) as task:
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            films = list(pool.map(lambda path: _fitted(path, run.preprocess), chunk))
            good = [film for film in films if isinstance(film, np.ndarray)]
            scores: Iterator[NDArray[np.float32]] = iter(
                _scores(network, np.stack(good), run.preprocess, device) if good else []
            )
            for path, film in zip(chunk, films, strict=True):
                is_bad = isinstance(film, BadImage)
                rows.append(
                    {
                        "image_id": str(path),
                        "status": "error" if is_bad else "ok",
                        "error": film.message if isinstance(film, BadImage) else "",
                    }
                )
                logits.append(np.full(len(run.classes), np.nan, np.float32) if is_bad else next(scores))
            task.advance(len(chunk))
    return Predictions.of(pd.DataFrame(rows), np.stack(logits), run.classes, model_name(run))


def model_name(run: Run) -> str:
    """What a run's scores are signed with: the name of its folder and its network."""
    return f"{run.directory.resolve().name} ({run.config.model})"


def _ready(run: Run, device: torch.device) -> nn.Module:
    return load_network(run).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fitted(path: Path, preprocess: Preprocess) -> NDArray[np.uint8] | BadImage:
    try:
        return preprocess.fitted(read_film(path).pixels)
    except BadImage as error:
        return error


@torch.inference_mode()
def _scores(
    network: nn.Module, films: NDArray[np.uint8], preprocess: Preprocess, device: torch.device
) -> NDArray[np.float32]:
    batch = torch.from_numpy(films).unsqueeze(1).to(device)
    logits: NDArray[np.float32] = network(network_input(batch, preprocess)).float().cpu().numpy()
    return logits
