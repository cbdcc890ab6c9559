"""A small network, quickly trained on what is left of films: how much of the answer stands there?

It is no model to be used. It sees films at a low size, learns for a fixed course, picks nothing on any other films, and gives the
logits of films that it never saw. What it finds is there to be found; what it does not find may still be there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Task
from plainfilm.learn.device import fast_precision
from plainfilm.learn.infer import network_input
from plainfilm.learn.whiten import whiten

SIZE_PX = 128
_BATCH = 32
_MANY_FILMS = 2000  # from here on batches are twice as large
_SCORED_AT_ONCE = 128
_PASSES = 10
_FEWEST_SHOWN, _MOST_SHOWN = 10_000, 60_000
_WIDTHS = (48, 96, 160)
_PATCH_PX = 5  # of the first convolution: 25 principal patterns, each with either sign
_RATE = 3e-3
_WEIGHT_DECAY = 0.05
_WARM_SHARE = 0.15  # of the course, during which the learning rate rises
_SHIFT_SHARE = 0.04  # of the side: how far films are moved about


class ProbeNetwork(nn.Module):
    """(B, 1, S, S) -> (B, C): four convolutions that halve, mean and largest answer of each channel, a linear layer.

    The largest answer tells of a sign in one corner, which the mean would dilute.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2 * _PATCH_PX**2, _PATCH_PX, stride=2, padding=_PATCH_PX // 2, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(self.first.out_channels), nn.ReLU(inplace=True)]
        channels = self.first.out_channels
        for width in _WIDTHS:
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.rest = nn.Sequential(*layers)
        self.last = nn.Linear(2 * channels, classes)

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """films: normalised, (B, 1, S, S)."""
        features = self.rest(self.first(films))  # (B, K, S/16, S/16)
        logit: torch.Tensor = self.last(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))
        return logit


def course_films(films: int) -> int:
    """How many films a course shows, each time that one comes counted: ten passes; more where films are few, fewer where many."""
    return min(max(_PASSES * films, _FEWEST_SHOWN), _MOST_SHOWN)


def probe(
    films: NDArray[np.uint8],
    label_index: NDArray[np.int64],
    learnt: NDArray[np.int64],
    scored: NDArray[np.int64],
    classes: int,
    *,
    device: torch.device,
    seed: int,
    task: Task,
    shown: int | None = None,
) -> NDArray[np.float32]:
    """Train on some films and score others.

    films: (N, S, S) uint8, S at least 32. label_index: (N,) in 0..classes-1. learnt, scored: places in them that are learnt
    from, and scored. device: where. task: is told of each film that was shown. shown: how many films the course shows;
    `course_films` where None.
    Returns (len(scored), classes) logits. The same seed gives the same logits on the same machine.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    recipe = Preprocess(size=films.shape[-1])
    network = ProbeNetwork(classes)
    whiten(network.first, films, learnt, recipe, seed)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.first.requires_grad_(False)
    size = min(len(learnt), _BATCH if len(learnt) < _MANY_FILMS else 2 * _BATCH)
    steps = max(1, (shown or course_films(len(learnt))) // size)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=_RATE, weight_decay=_WEIGHT_DECAY, fused=True)
    course = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate_share(step / steps))
    is_mixed = fast_precision(device) == "bfloat16"
    network.train()
    for places in _batches(learnt, size, steps, rng):
        batch = torch.from_numpy(_moved(films[places], rng)).unsqueeze(1).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_mixed):
            logit = network(network_input(batch, recipe))
        loss = F.cross_entropy(logit.float(), torch.from_numpy(label_index[places]).to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        course.step()
        task.advance(size)
    return _scores(network.eval(), films, scored, recipe, device)


def _batches(learnt: NDArray[np.int64], size: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """So many batches, each film once before any comes again; the last few of a pass, too few for a batch, are left out."""
    taken = 0
    while taken < steps:
        order = learnt[rng.permutation(len(learnt))]
        for start in range(0, len(order) - size + 1, size):
            if taken < steps:
                yield order[start : start + size]
                taken += 1


def _moved(films: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each film shifted by whole pixels, so that its texture stays, and half of them mirrored; edges are repeated."""
    side = films.shape[-1]
    most = round(side * _SHIFT_SHARE)
    wide = np.pad(films, ((0, 0), (most, most), (most, most)), mode="edge")
    corners = rng.integers(0, 2 * most + 1, (len(films), 2))
    moved = [film[top : top + side, left : left + side] for film, (top, left) in zip(wide, corners, strict=True)]
    is_mirrored = rng.random(len(films)) < 0.5
    return np.stack([film[:, ::-1] if mirror else film for film, mirror in zip(moved, is_mirrored, strict=True)])


def _rate_share(course: float) -> float:
    """0..1: up in the first part of the course, down in a half wave."""
    if course < _WARM_SHARE:
        return (course + 1e-3) / _WARM_SHARE
    return 0.5 + 0.5 * math.cos(math.pi * (course - _WARM_SHARE) / (1 - _WARM_SHARE))


@torch.inference_mode()
def _scores(
    network: nn.Module,
    films: NDArray[np.uint8],
    scored: NDArray[np.int64],
    recipe: Preprocess,
    device: torch.device,
) -> NDArray[np.float32]:
    logits = []
    for start in range(0, len(scored), _SCORED_AT_ONCE):
        batch = torch.from_numpy(films[scored[start : start + _SCORED_AT_ONCE]]).unsqueeze(1).to(device)
        logits.append(network(network_input(batch, recipe)).float().cpu().numpy())
    return np.concatenate(logits)
