"""Can a heatmap be trusted? Two checks that ask the network again; where a map lies, `core/explanation.py` sees by itself.

    stability            the film moved a little each way, each map laid back on the first: the smallest correlation
    resemblance          the same film through copies of the network with their weights shuffled (Adebayo et al. 2018,
                         arXiv:1810.03292): a map that resembles theirs shows the picture, not what the network has learnt

They ask any network, of a run or of a bundle. Only a run's can be shuffled (`learn/shuffled.py`).
The limits were set by docs/results/heatmaps.md. All correlations are over places of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.maps import Floats, correlation, film_maps, positive, rank_correlation
from plainfilm.core.network import Network

_SHIFT = 0.02  # of the film's side
_FEWEST_PLACES = 9  # ranks of fewer agree by chance


def stability(network: Network, films: NDArray[np.uint8], strength: Floats) -> NDArray[np.float64]:
    """The smallest of four correlations of each map with that of the shifted film.

    films: (N, S, S), fitted. strength: (N, C, h, w), what the network gave for them.
    Returns (N, C) in -1..1; NaN where the map is empty.
    """
    size = films.shape[-1]
    step = max(1, round(_SHIFT * size))
    first = film_maps(positive(strength), size)
    inner = slice(step, size - step)
    found = []
    for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
        moved = film_maps(positive(_strength(network, _shifted(films, down, right))), size)
        back = moved[..., step + down : size - step + down, step + right : size - step + right]
        found.append(correlation(first[..., inner, inner], back))
    least = np.nan_to_num(np.stack(found)).min(axis=0)  # a map that vanished with the shift has not stayed
    least[first.max(axis=(-2, -1)) <= 0] = np.nan
    return np.asarray(least, np.float64)


def resemblance(shuffled: Sequence[Network], films: NDArray[np.uint8], strength: Floats) -> NDArray[np.float64]:
    """The median over shuffled networks of the rank correlation of each map with theirs.

    A shuffled network's classes have no sign of their own, so strengths are compared without theirs.
    shuffled: one or more. films, strength: as in `stability`.
    Returns (N, C) in -1..1; 0 for a flat map, NaN where maps have fewer than 9 places, since the ranks of so few agree by chance.
    """
    if strength[0, 0].size < _FEWEST_PLACES:
        return np.full(strength.shape[:2], np.nan)
    mine = np.abs(strength)
    each = [rank_correlation(mine, np.abs(_strength(other, films))) for other in shuffled]
    return np.asarray(np.median(np.nan_to_num(np.stack(each)), axis=0), np.float64)


def _strength(network: Network, films: NDArray[np.uint8]) -> Floats:
    strength = network.scores(films, maps=True).strength
    assert strength is not None, "only networks with maps are tried"
    return strength


def _shifted(films: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """The films moved by whole pixels; what comes in is the edge, repeated."""
    step, size = max(abs(down), abs(right)), films.shape[-1]
    wide = np.pad(films, ((0, 0), (step, step), (step, step)), mode="edge")
    return np.ascontiguousarray(wide[:, step - down : step - down + size, step - right : step - right + size])
