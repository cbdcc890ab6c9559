"""What a heatmap is made of once a network has given it: pure maths on arrays, for `learn`, `judge` and the audit alike.

A map's strength is raw and signed, (..., h, w), on the coarse grid of a network's last feature map. Only its positive part speaks
for a class; scaling and enlarging serve the eye alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def positive(strength: Floats) -> Floats:
    """What speaks for the class: the strength where it is above 0, and 0 elsewhere."""
    shown: Floats = np.maximum(strength, np.float32(0))
    return shown


def scaled(strength: Floats) -> Floats:
    """The positive part of each map (..., h, w) divided by its largest value: 0..1; all 0 where nothing is positive."""
    shown = positive(strength)
    largest = shown.max(axis=(-2, -1), keepdims=True, initial=0)
    relative = np.zeros_like(shown)
    np.divide(shown, largest, out=relative, where=largest > 0)
    return relative


def film_maps(strength: Floats, size: int) -> Floats:
    """Maps (..., h, w) enlarged to the film's (..., size, size), bilinearly between the centres of their places.

    What `torch.nn.functional.interpolate(..., mode="bilinear")` gives, as two products of matrices.
    """
    down, across = bilinear(strength.shape[-2], size), bilinear(strength.shape[-1], size)
    return np.asarray(down @ strength @ across.T, np.float32)


def share_inside(strength: Floats, lungs: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much of each map's positive strength lies inside the lungs.

    strength: (..., h, w), raw. lungs: (..., S, S) of the same films at any size, True inside.
    Returns (...) in 0..1; NaN where nothing is positive. Equal to enlarging each map and summing it over the lungs: since enlarging
    is linear, the lungs are brought to the map's grid instead, which takes as much time as there are films, not maps.
    """
    shown = positive(strength).astype(np.float64)
    down, across = (bilinear(shown.shape[axis], lungs.shape[axis]).astype(np.float64) for axis in (-2, -1))
    inside = down.T @ lungs.astype(np.float64) @ across
    weight = np.outer(down.sum(axis=0), across.sum(axis=0))
    total = (shown * weight).sum(axis=(-2, -1))
    held = (shown * inside).sum(axis=(-2, -1))
    share = np.full(np.shape(total), np.nan)
    np.divide(held, total, out=share, where=total > 0)
    return share


@cache
def bilinear(places: int, size: int) -> Floats:
    """(size, places): how much each place of a map counts at each pixel of a side; a row sums to 1."""
    at = np.clip((np.arange(size) + 0.5) * places / size - 0.5, 0, places - 1)
    left = np.minimum(at.astype(np.int64), max(places - 2, 0))
    matrix = np.zeros((size, places), np.float32)
    np.add.at(matrix, (np.arange(size), left), 1 - (at - left))
    np.add.at(matrix, (np.arange(size), np.minimum(left + 1, places - 1)), at - left)
    matrix.setflags(write=False)
    return matrix


def correlation(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Pearson's correlation of maps, place by place: (..., h, w) twice -> (...); NaN where one of the two is flat."""
    one, other = (_centred(maps) for maps in (first, second))
    spread = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    found = np.full(spread.shape, np.nan)
    np.divide((one * other).sum(axis=-1), spread, out=found, where=spread > 0)
    return found


def rank_correlation(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Spearman's correlation of maps, place by place, ties at their mean rank; shapes and NaN as in `correlation`."""
    return correlation(_ranks(first), _ranks(second))


def _centred(maps: Floats) -> NDArray[np.float64]:
    flat = maps.reshape(*maps.shape[:-2], -1).astype(np.float64)
    return np.asarray(flat - flat.mean(axis=-1, keepdims=True), np.float64)


def _ranks(maps: Floats) -> Floats:
    flat = maps.reshape(-1, maps.shape[-2] * maps.shape[-1])
    ranks = np.empty(flat.shape, np.float32)
    for row, values in enumerate(flat):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks[row] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks.reshape(maps.shape)
