"""From a run and films to explanations: each film's maps of all classes, tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.explanation import Explanation
from plainfilm.core.image import read_film
from plainfilm.core.lungs import find_lungs_of
from plainfilm.core.maps import Floats, positive, share_inside
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadRun
from plainfilm.learn.device import chosen_device
from plainfilm.learn.heatmaps import Maps, MapSource, heatmaps, map_source
from plainfilm.learn.infer import network_input
from plainfilm.learn.map_checks import shuffled_networks, try_maps
from plainfilm.learn.model import load_network

LungsOf = Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
_BATCH = 16


class MapShares(NamedTuple):
    """What the maps of N films say together.

    logit: (N, C). share_in_lungs: (N,) of the positive strength of the predicted class's map, NaN where it is empty or the film
    shows no lungs. lungs_share: (N,) of the film, NaN where it shows none. mean_map: (C, h, w), the positive maps of each class,
    each scaled to a sum of 1, averaged over the films that are predicted to be of it; NaN for a class of no film.
    """

    logit: Floats
    share_in_lungs: NDArray[np.float64]
    lungs_share: NDArray[np.float64]
    mean_map: Floats


def explain_films(
    run: Run, paths: Sequence[Path], progress: Progress, *, lungs_of: LungsOf = find_lungs_of
) -> Iterator[Explanation]:
    """The maps of films that can be read, in their order, a batch at a time.

    lungs_of: finds the lungs in (N, S, S) uint8 films. Raises BadRun where the network has no maps, BadImage for a film that has
    become unreadable.
    """
    network, source = _network_with_maps(run)
    device = next(network.parameters()).device
    progress.say("Shuffling copies of the network, for the randomisation test")
    shuffled = shuffled_networks(network)

    def maps_of(any_network: nn.Module, films: torch.Tensor) -> Maps:
        return heatmaps(any_network, films, source)

    def seen(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        pixels = read_film(path).pixels
        return run.preprocess.fitted(pixels), _whole(run.preprocess).fitted(pixels)

    with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Making and trying heatmaps", len(paths)) as task:
        for start in range(0, len(paths), _BATCH):
            some = paths[start : start + _BATCH]
            fitted, whole = (np.stack(films) for films in zip(*pool.map(seen, some), strict=True))
            lungs = lungs_of(whole)
            films = network_input(torch.from_numpy(fitted).unsqueeze(1).to(device), run.preprocess)
            maps = maps_of(network, films)
            tried = try_maps(maps_of, network, shuffled, films, maps)
            for place, path in enumerate(some):
                yield Explanation(
                    str(path),
                    fitted[place],
                    lungs[place],
                    maps.logit[place],
                    maps.strength[place],
                    tried.stability[place],
                    tried.resemblance[place],
                )
                task.advance()


def map_shares(run: Run, pixels: NDArray[np.uint8], lungs: NDArray[np.bool_], progress: Progress) -> MapShares:
    """Where the maps of many films lie, from one pass over them.

    pixels: (N, S, S) uint8, fitted by the run's recipe, such as a cache's. lungs: (N, S, S) bool, empty where none were found.
    Raises BadRun where the network has no maps.
    """
    network, source = _network_with_maps(run)
    device = next(network.parameters()).device
    logits, shares = [], []
    total, count = np.zeros((len(run.classes), *source.side)), np.zeros(len(run.classes))
    with progress.task("Making heatmaps", len(pixels)) as task:
        for start in range(0, len(pixels), _BATCH):
            some = np.ascontiguousarray(pixels[start : start + _BATCH])
            films = network_input(torch.from_numpy(some).unsqueeze(1).to(device), run.preprocess)
            maps = heatmaps(network, films, source)
            c = maps.logit.argmax(axis=1)
            chosen = positive(maps.strength[np.arange(len(c)), c])
            inside = lungs[start : start + _BATCH]
            share = share_inside(chosen, inside)
            shares.append(np.where(inside.any(axis=(1, 2)), share, np.nan))
            logits.append(maps.logit)
            sums = chosen.sum(axis=(1, 2))
            for place in np.flatnonzero(sums > 0):
                total[c[place]] += chosen[place] / sums[place]
                count[c[place]] += 1
            task.advance(len(some))
    mean = np.full(total.shape, np.nan)
    np.divide(total, count[:, None, None], out=mean, where=count[:, None, None] > 0)
    lungs_share = lungs.mean(axis=(1, 2))
    return MapShares(
        np.concatenate(logits),
        np.concatenate(shares),
        np.where(lungs_share > 0, lungs_share, np.nan),
        mean.astype(np.float32),
    )


def _network_with_maps(run: Run) -> tuple[nn.Module, MapSource]:
    network = load_network(run).to(chosen_device(run.config.device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        return network, map_source(network, run.preprocess.size)
    except BadConfig as cause:
        raise BadRun(str(cause), run.directory) from cause


def _whole(preprocess: Preprocess) -> Preprocess:
    """The same recipe with all of the film in its own contrast, in which lungs are looked for."""
    return replace(preprocess, region="film", contrast="none")
