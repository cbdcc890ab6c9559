"""Can a heatmap be trusted? Three checks beside each map: where it lies, whether it stays, and whether it needs the network at all.

    share in the lungs   of the positive strength; the lungs' share of the film is what a map without preference has
    stability            the film moved a little each way, each map laid back on the first: the smallest correlation
    randomisation        the same film through the same network with its weights shuffled (Adebayo et al. 2018, arXiv:1810.03292):
                         a map that resembles those shows the picture, not what the network has learnt

The limits were set by docs/results/heatmaps.md. All correlations are over places of a map.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.maps import correlation, film_maps, positive, rank_correlation
from plainfilm.learn.heatmaps import Maps

MapsOf = Callable[[nn.Module, torch.Tensor], Maps]
_ROW = 2**22  # values that are moved together
SHUFFLES = 5
_SHIFT = 0.02  # of the film's side
_FEWEST_PLACES = 9  # ranks of fewer agree by chance


class Tried(NamedTuple):
    """What trying all maps of N films showed.

    stability: (N, C) the smallest of four correlations with the map of the shifted film, -1..1; NaN where the map is empty.
    resemblance: (N, C) the median over shuffled networks of the rank correlation of absolute strengths, -1..1; 0 for a flat map,
        NaN where maps have fewer than 9 places, since the ranks of so few agree by chance.
    """

    stability: NDArray[np.float64]
    resemblance: NDArray[np.float64]


def try_maps(
    maps_of: MapsOf, network: nn.Module, shuffled: Sequence[nn.Module], films: torch.Tensor, maps: Maps
) -> Tried:
    """Shift the films, shuffle the network, and see what becomes of the maps.

    maps_of: what makes maps, of the network and of the shuffled ones alike. shuffled: what `shuffled_networks` gave.
    films: (N, 1, S, S) as the network takes them. maps: what maps_of(network, films) gave.
    """
    return Tried(_stability(maps_of, network, films, maps), _resemblance(maps_of, shuffled, films, maps))


def shuffled_networks(network: nn.Module, count: int = SHUFFLES) -> list[nn.Module]:
    """Copies of the network with the values of every tensor of weights shuffled within it, by seeds 0 to count - 1.

    So each layer keeps the sizes of its weights and forgets what it has learnt.
    """
    return [_shuffled(network, seed) for seed in range(count)]


def _shuffled(network: nn.Module, seed: int) -> nn.Module:
    forgetful = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in forgetful.parameters():
            weights.copy_(_permuted(weights, generator))
    return forgetful


def _permuted(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same values in another order; those of a large tensor by rows and within rows, far quicker than one by one."""
    values = weights.flatten()
    whole = len(values) // _ROW * _ROW
    rest = values[whole:]
    rest = rest[torch.randperm(len(rest), generator=generator).to(rest.device)]
    rows = values[:whole].view(-1, _ROW)
    if len(rows):
        rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        rows = rows[:, torch.randperm(_ROW, generator=generator).to(rows.device)]
    return torch.cat([rows.flatten(), rest]).reshape(weights.shape)


def _resemblance(
    maps_of: MapsOf, shuffled: Sequence[nn.Module], films: torch.Tensor, maps: Maps
) -> NDArray[np.float64]:
    """A shuffled network's classes have no sign of their own, so strengths are compared without theirs."""
    if maps.strength[0, 0].size < _FEWEST_PLACES:
        return np.full(maps.logit.shape, np.nan)
    mine = np.abs(maps.strength)
    each = [rank_correlation(mine, np.abs(maps_of(other, films).strength)) for other in shuffled]
    return np.asarray(np.median(np.nan_to_num(np.stack(each)), axis=0), np.float64)


def _stability(maps_of: MapsOf, network: nn.Module, films: torch.Tensor, maps: Maps) -> NDArray[np.float64]:
    size = films.shape[-1]
    step = max(1, round(_SHIFT * size))
    first = film_maps(positive(maps.strength), size)
    inner = slice(step, size - step)
    found = []
    for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
        moved = film_maps(positive(maps_of(network, _shifted(films, down, right)).strength), size)
        back = moved[..., step + down : size - step + down, step + right : size - step + right]
        found.append(correlation(first[..., inner, inner], back))
    least = np.nan_to_num(np.stack(found)).min(axis=0)  # a map that vanished with the shift has not stayed
    least[first.max(axis=(-2, -1)) <= 0] = np.nan
    return np.asarray(least, np.float64)


def _shifted(films: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The films moved by whole pixels; what comes in is the edge, repeated."""
    step, size = max(abs(down), abs(right)), films.shape[-1]
    wide = F.pad(films, (step, step, step, step), mode="replicate")
    moved = wide[:, :, step - down : step - down + size, step - right : step - right + size]
    return moved.contiguous(memory_format=torch.channels_last)
