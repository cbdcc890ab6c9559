"""Scores of a trained network: on a manifest's films through the cache, or on any files."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from os import cpu_count
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.manifest import Manifest
from plainfilm.core.network import Scores, joined
from plainfilm.core.predictions import Predictions
from plainfilm.core.predictor import WILD, Answer, Predictor, Seen
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.core.words import writable_name
from plainfilm.errors import BadConfig, BadImage, BadManifest, BadRun
from plainfilm.learn.device import device_of
from plainfilm.learn.films import FilmCache, cache_films
from plainfilm.learn.heatmaps import MapSource, heatmaps, map_source
from plainfilm.learn.model import last_layer, load_network

BATCH = 128


class TorchNetwork:
    """The network of a run, ready to be asked; a `core.network.Network`. progress: is told of a segmenter that is another one."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self._preprocess = run.preprocess
        self._device = device_of(run, progress)
        self.module = _ready(run, self._device, progress)
        self._lock = Lock()  # a hook on the last layer hears every caller

    @cached_property
    def _source(self) -> MapSource | BadConfig:
        try:
            return map_source(self.module, self._preprocess.size)
        except BadConfig as why_none:
            return why_none

    @property
    def has_maps(self) -> bool:
        """Whether it gives heatmaps."""
        return isinstance(self._source, MapSource)

    @property
    def why_no_maps(self) -> str:
        """Why it gives no heatmaps; "" where it does."""
        return "" if isinstance(self._source, MapSource) else str(self._source)

    def with_module(self, module: nn.Module) -> TorchNetwork:
        """Another network of the same shape and on the same device, whose heatmaps are made in the same way."""
        other = copy.copy(self)
        other.module, other._lock = module, Lock()
        other._source = self._source
        return other

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        """As `core.network.Network.scores`."""
        batch = network_input(torch.from_numpy(films).unsqueeze(1).to(self._device), self._preprocess)
        source = self._source if maps else None
        with self._lock:
            return scores_of(self.module, batch, source if isinstance(source, MapSource) else None)


def predictor_of(run: Run, progress: Progress) -> Predictor:
    """What answers with a run's own network, in torch. Raises BadRun where its weights are missing or damaged."""
    return Predictor(model_name(run), run.classes, run.preprocess, run.calibration(), TorchNetwork(run, progress))


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
    return joined(scores)


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
    cache = cache_films(manifest, cacheable(manifest, column), run.preprocess, device_of(run, progress), progress)
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
    cache = cache_films(manifest, rows, run.preprocess, device_of(run, progress), progress)
    return _scored(run, manifest, cache, np.arange(len(rows)), progress)


def _scored(
    run: Run, manifest: Manifest, cache: FilmCache, places: NDArray[np.int64], progress: Progress
) -> Predictions:
    """Scores of some films of a cache, then a row for each film of the manifest that cannot be read."""
    network = _ready(run, cache.device, progress)
    scores = score_cache(network, cache, places, run.preprocess, progress, "Scoring films")
    is_wild = ~np.isfinite(scores.logit).all(axis=1)
    if is_wild.any():
        raise BadRun(f"{WILD} for {is_wild.sum()} of {len(places)} films: train it anew", run / "weights.safetensors")
    failed = manifest.films[manifest.films["status"] == "error"]
    rows = pd.concat([cache.rows.iloc[places], failed], ignore_index=True)
    logit, embedding = (
        np.concatenate([known, np.full((len(failed), known.shape[1]), np.nan, np.float32)])
        for known in (scores.logit, scores.embedding)
    )
    return Predictions.of(rows, logit, run.classes, model_name(run), embedding)


def cacheable(manifest: Manifest, column: str) -> pd.DataFrame:
    """The rows that training and evaluation need: readable, labelled, in a split."""
    ok = manifest.ok
    return ok[(ok["label"] != "") & (ok[column] != "")]


def predict_films(run: Run, paths: Sequence[Path], progress: Progress) -> Predictions:
    """Scores of a run on files; a file that cannot be read is a row with status error and the reason.

    The run's calibration says which films are turned away, and why. Where what the network sees goes by the lungs, films in
    which none are found are turned away as well.
    """
    predictor = predictor_of(run, progress)
    answers: list[Answer] = []
    with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Predicting", len(paths)) as task:
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            films = list(pool.map(lambda path: _opened(predictor, path), chunk))
            good = iter(predictor.answers([film for film in films if isinstance(film, Seen)]))
            answers += [film if isinstance(film, Answer) else next(good) for film in films]
            task.advance(len(chunk))
    rows = [{"image_id": one.film, "status": "error" if one.error else "ok", "error": one.error} for one in answers]
    blank = np.full(len(run.classes), np.nan, np.float32)
    logit = np.stack([blank if one.logit is None else one.logit for one in answers])
    scored = Predictions.of(pd.DataFrame(rows), logit, run.classes, model_name(run))
    return scored.with_reasons([one.turned_away for one in answers])


def _opened(predictor: Predictor, path: Path) -> Seen | Answer:
    try:
        return predictor.see(path)
    except BadImage as error:
        return predictor.unread(writable_name(path), error.message)


def model_name(run: Run) -> str:
    """What a run's scores are signed with: the name of its folder and its network."""
    return f"{run.directory.resolve().name} ({run.config.model})"


def _ready(run: Run, device: torch.device, progress: Progress) -> nn.Module:
    """The run's network on a device, in evaluation mode."""
    if note := run.segmenter_note:
        progress.say(note)
    return load_network(run).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def scores_of(network: nn.Module, films: torch.Tensor, source: MapSource | None = None) -> Scores:
    """films: (B, 1, H, W) as the network takes them. source: of its heatmaps, where they are wanted."""
    embedding: list[torch.Tensor] = []
    hook = last_layer(network).register_forward_pre_hook(lambda _, given: embedding.append(given[0].detach()))
    try:
        if source is None:
            with torch.inference_mode():
                logit, strength = network(films).float().cpu().numpy(), None
        else:
            logit, strength = heatmaps(network, films, source)
    finally:
        hook.remove()
    return Scores(logit, embedding[0].flatten(1).float().cpu().numpy(), strength)
