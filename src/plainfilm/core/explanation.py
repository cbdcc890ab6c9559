"""An explanation: what a network answered for one film, the map behind each answer, and whether that map can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.maps import Floats, share_inside

# How the limits were set, and what stands on either side of them, is in docs/results/heatmaps.md.
LEAST_GAIN = -0.05  # of the share in the lungs over chance; a coarse map of a sound network may fall a little short
LEAST_STABILITY = 0.6
MOST_RESEMBLANCE = 0.5
PASSES = "passes"
EMPTY = "empty: nothing in the film speaks for this class"
UNTRIED = "not all tried: no lungs were found in the film"
COARSE = "not all tried: too few places to compare with shuffled networks"
OUTSIDE, UNSTABLE, OF_NO_NETWORK = (
    "less in the lungs than chance",
    "changes when the film is shifted",
    "much the same from a shuffled network",
)


@dataclass(frozen=True)
class Trust:
    """What the checks of one map found; NaN where unknown.

    share_in_lungs: 0..1, of the positive strength. lungs_share: 0..1, what the lungs take up of the film, which is the share that
        a map without any preference would have. stability, resemblance: -1..1, see `learn/map_checks.py`.
    is_empty: nothing of the map is positive.
    """

    share_in_lungs: float
    lungs_share: float
    stability: float
    resemblance: float
    is_empty: bool = False

    @property
    def failures(self) -> tuple[str, ...]:
        """Which checks the map fails, in words; none where it is empty, since then there is no map to mistrust."""
        if self.is_empty:
            return ()
        found = {
            OUTSIDE: self.share_in_lungs - self.lungs_share < LEAST_GAIN,
            UNSTABLE: self.stability < LEAST_STABILITY,
            OF_NO_NETWORK: self.resemblance > MOST_RESEMBLANCE,
        }
        return tuple(words for words, fails in found.items() if fails)

    @property
    def verdict(self) -> str:
        """ "passes"; "FAILS: why; why"; or what keeps the map from being judged: it is empty, coarse, or lungs are missing."""
        if self.is_empty:
            return EMPTY
        if self.failures:
            return f"FAILS: {'; '.join(self.failures)}"
        if math.isnan(self.lungs_share):
            return UNTRIED
        return COARSE if math.isnan(self.resemblance) else PASSES


@dataclass(frozen=True)
class Explanation:
    """The maps of one film.

    film: its name. fitted: (S, S) uint8, the film as the network sees it. lungs: (S, S) bool, empty where none were found.
    logit: (C,). strength: (C, h, w), raw and signed. stability, resemblance: (C,), NaN where unknown.
    """

    film: str
    fitted: NDArray[np.uint8]
    lungs: NDArray[np.bool_]
    logit: Floats
    strength: Floats
    stability: NDArray[np.float64]
    resemblance: NDArray[np.float64]

    def trust(self, c: int) -> Trust:
        """What the checks say of the map of class c; of where it lies nothing where the film shows no lungs."""
        has_lungs = bool(self.lungs.any())
        strength = self.strength[c]
        return Trust(
            share_in_lungs=float(share_inside(strength, self.lungs)) if has_lungs else float("nan"),
            lungs_share=float(self.lungs.mean()) if has_lungs else float("nan"),
            stability=float(self.stability[c]),
            resemblance=float(self.resemblance[c]),
            is_empty=not (strength > 0).any(),
        )
