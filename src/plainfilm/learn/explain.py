"""A run's network as what explains films, and where its maps of many films lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.explainer import Explainer
from plainfilm.core.maps import Floats, positive, share_inside
from plainfilm.core.predictor import Predictor
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadRun
from plainfilm.learn.infer import TorchNetwork, model_name
from plainfilm.learn.shuffled import shuffled_networks

_BATCH = 16


class MapShares(NamedTuple):
    """What the maps of N films say together.

    logit: (N, C). answer: (N,) the class that the run answers, by its place. share_in_lungs: (N,) of the positive strength of that
    class's map, NaN where it is empty or the film shows no lungs. lungs_share: (N,) of the film, NaN where it shows none.
    mean_map: (C, h, w), the positive maps of each class, each scaled to a sum of 1, averaged over the films that are answered by
    it; NaN for a class of no film.
    """

    logit: Floats
    answer: NDArray[np.intp]
    share_in_lungs: NDArray[np.float64]
    lungs_share: NDArray[np.float64]
    mean_map: Floats


def explainer_of(run: Run, progress: Progress) -> Explainer:
    """What explains films with a run's own network, in torch, and with shuffled copies of it.

    Raises BadRun where its weights are missing or damaged, or it has no maps.
    """
    network = _with_maps(run, progress)
    progress.say("Shuffling copies of the network, for the randomisation test")
    shuffled = tuple(network.with_module(module) for module in shuffled_networks(network.module))
    name = model_name(run)
    return Explainer(name, Predictor(name, run.classes, run.preprocess, run.calibration(), network), shuffled)


def map_shares(run: Run, pixels: NDArray[np.uint8], lungs: NDArray[np.bool_], progress: Progress) -> MapShares:
    """Where the maps of many films lie, from one pass over them.

    pixels: (N, S, S) uint8, fitted by the run's recipe, such as a cache's. lungs: (N, S, S) bool, empty where none were found.
    Raises BadRun where the network has no maps.
    """
    network, calibration = _with_maps(run, Silence()), run.calibration()
    logits, answers, maps, shares = [], [], [], []
    with progress.task("Making heatmaps", len(pixels)) as task:
        for start in range(0, len(pixels), _BATCH):
            some = np.ascontiguousarray(pixels[start : start + _BATCH])
            scores = network.scores(some, maps=True)
            assert scores.strength is not None
            answer = calibration.probability(np.nan_to_num(scores.logit)).argmax(axis=1)  # a wild film is of any class
            chosen = positive(scores.strength[np.arange(len(some)), answer])
            inside = lungs[start : start + _BATCH]
            shares.append(np.where(inside.any(axis=(1, 2)), share_inside(chosen, inside), np.nan))
            logits.append(scores.logit)
            answers.append(answer)
            maps.append(chosen)
            task.advance(len(some))
    answered, lungs_share = np.concatenate(answers), lungs.mean(axis=(1, 2))
    return MapShares(
        np.concatenate(logits),
        answered,
        np.concatenate(shares),
        np.where(lungs_share > 0, lungs_share, np.nan),
        _mean_maps(np.concatenate(maps), answered, len(run.classes)),
    )


def _mean_maps(maps: Floats, c: NDArray[np.intp], classes: int) -> Floats:
    """(C, h, w): of each class the mean of its maps, each scaled to a sum of 1; NaN where it has none. maps: (N, h, w), >= 0."""
    means = np.full((classes, *maps.shape[1:]), np.nan, np.float32)
    sums = maps.sum(axis=(1, 2))
    for one in range(classes):
        chosen = (c == one) & (sums > 0)
        if chosen.any():
            means[one] = (maps[chosen] / sums[chosen, None, None]).mean(axis=0)
    return means


def _with_maps(run: Run, progress: Progress) -> TorchNetwork:
    network = TorchNetwork(run, progress)
    if network.why_no_maps:
        raise BadRun(network.why_no_maps, run.directory)
    return network
