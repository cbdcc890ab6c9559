"""From where to where the bytes of an activation reach.

A wide range has coarse levels, a narrow one cuts off what is large. Edges and markers reach a hundred times the usual in a chest
film, and a network hardly cares how large they are: squared error would keep them and lose the texture. So a range is first the one
of the smallest mean absolute error, and then made narrower or wider while that brings the logits nearer to what they should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]
_STEPS = (0.7, 1 / 0.7)  # by which a range is tried narrower, or else wider
_MOST_STEPS = 3
_FACTORS = np.geomspace(0.05, 1, 60)  # of the largest value: the ranges to choose from


def rounded(values: NDArray[np.float32], ends: Range) -> NDArray[np.float32]:
    """Values as their bytes will give them back. ends: low and high, low <= 0 <= high and not both 0."""
    step = (ends[1] - ends[0]) / 255
    zero = np.float32(round(-ends[0] / step))
    level = np.clip(np.rint(values / np.float32(step)) + zero, 0, 255)
    return np.asarray((level - zero) * np.float32(step))


def best_range(values: NDArray[np.float32]) -> Range:
    """The range whose 256 levels are nearest to the values, by mean absolute error. Holds 0, which padding needs.

    values: (K,), at least one.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if low == high:
        return 0.0, 1.0
    tried = {(low * factor, high * factor) for factor in _FACTORS}
    if low < 0 < high:
        tried |= {(max(low, -high * factor), high * factor) for factor in _FACTORS}
        tried |= {(low * factor, min(high, -low * factor)) for factor in _FACTORS}
    return min(sorted(tried), key=lambda ends: float(np.abs(rounded(values, ends) - values).mean()))


def refined(
    ranges: Mapping[str, Range],
    groups: Sequence[Sequence[str]],
    moved: Callable[[Mapping[str, Range]], float],
    advance: Callable[[int], None],
) -> dict[str, Range]:
    """Ranges by which the logits move less, or the same.

    groups: names of ranges that are scaled together, those that matter most first. moved: how far the logits are moved by ranges.
    advance: told of each group.
    """
    best, least = dict(ranges), moved(ranges)
    for members in groups:
        before = least
        for step in _STEPS:
            for _ in range(_MOST_STEPS):
                tried = best | {name: (best[name][0] * step, best[name][1] * step) for name in members}
                now = moved(tried)
                if now >= least:
                    break
                best, least = tried, now
            if least < before:
                break
        advance(1)
    return best


def distance(logit: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """How far (N, C) logits are from those wanted: mean, but for what is the same in all films or in all classes."""
    apart = logit - wanted
    apart = apart - np.median(apart, axis=0)
    return float(np.abs(apart - apart.mean(axis=1, keepdims=True)).mean())
