"""Scores of a trained network: on a manifest's films through the cache, or on any files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.calibration import Calibration
from plainfilm.core.chest import reasons
from plainfilm.core.image import read_film
from plainfilm.core.lungs import NO_LUNGS, find_lungs
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage, BadManifest, BadRun
from plainfilm.learn.device import chosen_device
from plainfilm.learn.films import FilmCache, cache_films
from plainfilm.learn.model import last_layer, load_network

BATCH = 128
_WILD = "the network gives no finite numbers"


class Scores(NamedTuple):
    """What the network gives for films. logit: (N, C) float32; embedding: (N, D) float32, the input of its last layer."""

    logit: NDArray[np.float32]
    embedding: NDArray[np.float32]


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
) -> Scores:
    """Scores of the chosen films. The network is in evaluation mode and on the cache's device."""
    scores = []
    with progress.task(label, len(places)) as task:
        for start in range(0, len(places), BATCH):
            films = cache.batch(places[start : start + BATCH])
            scores.append(scores_of(network, network_input(films, preprocess)))
            task.advance(len(films))
    return Scores(*(np.concatenate(arrays) for arrays in zip(*scores, strict=True)))


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
    places = np.flatnonzero(cache.rows["image_id"].isin(set(rows["image_id"])))
    predictions = _scored(run, manifest, cache, places, progress)
    table = predictions.table.assign(
        split=[*cache.rows[column].iloc[places], *([""] * (len(predictions.table) - len(places)))]
    )
    return replace(predictions, table=table)


def predict_all(run: Run, manifest: Manifest, progress: Progress) -> Predictions:
    """Scores of a run on all readable films of a manifest, whatever their label or split; the unreadable follow with status error.

    Labels are those of the manifest, be they classes of the run or not. Raises BadManifest where no film can be read.
    """
    rows = manifest.ok
    if len(rows) == 0:
        raise BadManifest("has no readable film", manifest.path)
    cache = cache_films(manifest, rows, run.preprocess, chosen_device(run.config.device), progress)
    return _scored(run, manifest, cache, np.arange(len(rows)), progress)


def _scored(
    run: Run, manifest: Manifest, cache: FilmCache, places: NDArray[np.int64], progress: Progress
) -> Predictions:
    """Scores of some films of a cache, then a row for each film of the manifest that cannot be read."""
    network = _ready(run, cache.device, progress)
    scores = score_cache(network, cache, places, run.preprocess, progress, "Scoring films")
    is_wild = ~np.isfinite(scores.logit).all(axis=1)
    if is_wild.any():
        raise BadRun(f"{_WILD} for {is_wild.sum()} of {len(places)} films: train it anew", run / "weights.safetensors")
    failed = manifest.films[manifest.films["status"] == "error"]
    rows = pd.concat([cache.rows.iloc[places], failed], ignore_index=True)
    logit, embedding = (
        np.concatenate([known, np.full((len(failed), known.shape[1]), np.nan, np.float32)]) for known in scores
    )
    return Predictions.of(rows, logit, run.classes, model_name(run), embedding)


def cacheable(manifest: Manifest, column: str) -> pd.DataFrame:
    """The rows that training and evaluation need: readable, labelled, in a split."""
    ok = manifest.ok
    return ok[(ok["label"] != "") & (ok[column] != "")]


def predict_films(run: Run, paths: Sequence[Path], calibration: Calibration, progress: Progress) -> Predictions:
    """Scores of a run on files; a file that cannot be read is a row with status error and the reason.

    calibration: the run's; it says which films are turned away, and why. Where the network sees lungs alone, films in which none
        are found are turned away as well.
    """
    device = chosen_device(run.config.device)
    network = _ready(run, device, progress)
    rows, logits, reasons = [], [], []
    blank = np.full(len(run.classes), np.nan, np.float32)
    with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Predicting", len(paths)) as task:
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            films = list(pool.map(lambda path: _opened(path, run.preprocess), chunk))
            good = [film for film in films if isinstance(film, _Film)]
            answers = iter(_answers(network, good, run.preprocess, device, calibration))
            for path, film in zip(chunk, films, strict=True):
                is_bad = isinstance(film, BadImage)
                rows.append(
                    {
                        "image_id": str(path),
                        "status": "error" if is_bad else "ok",
                        "error": film.message if isinstance(film, BadImage) else "",
                    }
                )
                logit, reason = (blank, "") if is_bad else next(answers)
                if not is_bad and not np.isfinite(logit).all():
                    rows[-1] |= {"status": "error", "error": _WILD}
                    logit, reason = blank, ""
                logits.append(logit)
                reasons.append(reason)
            task.advance(len(chunk))
    scored = Predictions.of(pd.DataFrame(rows), np.stack(logits), run.classes, model_name(run))
    return scored.with_reasons(reasons)


def model_name(run: Run) -> str:
    """What a run's scores are signed with: the name of its folder and its network."""
    return f"{run.directory.resolve().name} ({run.config.model})"


def _ready(run: Run, device: torch.device, progress: Progress) -> nn.Module:
    """The run's network on a device, in evaluation mode."""
    if note := run.segmenter_note:
        progress.say(note)
    return load_network(run).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class _Film(NamedTuple):
    """A film as the network sees it, and as the gate does; whether it holds lungs, True where nobody asks."""

    fitted: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    has_lungs: bool


def _opened(path: Path, preprocess: Preprocess) -> _Film | BadImage:
    try:
        pixels = read_film(path).pixels
    except BadImage as error:
        return error
    if preprocess.region == "film":
        return _Film(preprocess.fitted(pixels), thumbnail(pixels), True)
    lungs = find_lungs(pixels)
    return _Film(preprocess.fitted(pixels, lungs.mask), thumbnail(pixels), lungs.is_found)


def _answers(
    network: nn.Module, films: Sequence[_Film], preprocess: Preprocess, device: torch.device, calibration: Calibration
) -> list[tuple[NDArray[np.float32], str]]:
    """For each film its logits (C,), and why it is turned away, "" where it is not."""
    if not films:
        return []
    batch = torch.from_numpy(np.stack([film.fitted for film in films])).unsqueeze(1).to(device)
    scores = scores_of(network, network_input(batch, preprocess))
    gate = reasons(np.stack([film.thumbnail for film in films]))
    away = calibration.reasons_to_turn_away(gate, scores.embedding)
    is_blind = [not film.has_lungs for film in films]
    return list(
        zip(
            scores.logit,
            [reason or NO_LUNGS * blind for reason, blind in zip(away, is_blind, strict=True)],
            strict=True,
        )
    )


@torch.inference_mode()
def scores_of(network: nn.Module, films: torch.Tensor) -> Scores:
    """films: (B, 1, H, W) as the network takes them."""
    embedding: list[torch.Tensor] = []
    hook = last_layer(network).register_forward_pre_hook(lambda _, given: embedding.append(given[0]))
    try:
        logit = network(films)
    finally:
        hook.remove()
    return Scores(logit.float().cpu().numpy(), embedding[0].flatten(1).float().cpu().numpy())
