"""Which films, in which order, with which weight: everything drawn from the seed and the epoch, so that any epoch can be redone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

_STRONGEST = 2.0


def seed_of(seed: int, *place: int) -> int:
    """A seed of 63 bits for one place (an epoch, a step) of a training."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(2, np.uint32).view(np.uint64)[0] >> np.uint64(1))


def batches_of_epoch(
    label_index: NDArray[np.int64], batch_size: int, imbalance: Sequence[str], seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """The films of one epoch, in batches that differ in size by one at most, none a lonely film.

    label_index: (N,) of the training films. Returns positions in 0..N-1. With imbalance "sampling" each class is drawn with
    the same chance, with replacement; else every film comes once.
    """
    rng = np.random.default_rng(seed_of(seed, 1, epoch))
    films = len(label_index)
    if "sampling" in imbalance:
        weight = 1 / np.bincount(label_index)[label_index]
        order = rng.choice(films, size=films, p=weight / weight.sum())
    else:
        order = rng.permutation(films)
    return np.array_split(order.astype(np.int64), steps_an_epoch(films, batch_size))


def steps_an_epoch(films: int, batch_size: int) -> int:
    """Steps an epoch: every film once, in batches of at most `batch_size`; of 2, an odd film makes one batch of 3."""
    steps = -(-films // batch_size)
    return steps if batch_size == 1 else min(steps, max(1, films // 2))


def class_weights(label_index: NDArray[np.int64], classes: int, imbalance: Sequence[str]) -> torch.Tensor | None:
    """(C,) weights of the loss, with mean 1 over the films, for imbalance "loss"; None otherwise."""
    if "loss" not in imbalance:
        return None
    return torch.from_numpy(len(label_index) / (classes * np.bincount(label_index, minlength=classes))).float()


def augmentation_strength(label_index: NDArray[np.int64], classes: int, imbalance: Sequence[str]) -> torch.Tensor:
    """(C,) factor on the augmentation of each class: the root of how much rarer it is than the largest, 2 at most.

    1 for every class unless imbalance has "augmentation".
    """
    if "augmentation" not in imbalance:
        return torch.ones(classes)
    counts = np.bincount(label_index, minlength=classes)
    return torch.from_numpy(np.minimum(_STRONGEST, np.sqrt(counts.max() / counts))).float()
