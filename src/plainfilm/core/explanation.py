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
UNTRIED = "not all tried"
NO_LUNGS, COARSE, UNSHUFFLED = (
    "no lungs were found in the film",
    "too few places to compare with shuffled networks",
    "a bundle cannot shuffle its network",
)
PASSES_UNSHUFFLED = f"passes 2 of 3: {UNSHUFFLED}"
OUTSIDE, UNSTABLE, OF_NO_NETWORK = (
    "less in the lungs than chance",
    "changes when the film is shifted",
    "much the same from a shuffled network",
)


@dataclass(frozen=True)
class Trust:
    """What the checks of one map found; NaN where unknown.

    share_in_lungs: 0..1, of the positive strength. lungs_share: 0..1, what the lungs take up of the film, which is the share that
        a map without any preference would have. stability, resemblance: -1..1, see `core/map_checks.py`.
    is_empty: nothing of the map is positive. has_shuffled: whether there were shuffled networks to compare with; a bundle has none.
    """

    share_in_lungs: float
    lungs_share: float
    stability: float
    resemblance: float
    is_empty: bool = False
    has_shuffled: bool = True

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
    def untried(self) -> tuple[str, ...]:
        """Why some checks could not be made, in words."""
        found = {
            NO_LUNGS: math.isnan(self.lungs_share),
            COARSE: self.has_shuffled and math.isnan(self.resemblance),
            UNSHUFFLED: not self.has_shuffled,
        }
        return tuple(words for words, is_missing in found.items() if is_missing)

    @property
    def verdict(self) -> str:
        """ "passes"; of a bundle's map "passes 2 of 3: why"; "FAILS: why; why"; "not all tried: why; why"; or that it is empty."""
        if self.is_empty:
            return EMPTY
        if self.failures:
            return f"FAILS: {'; '.join(self.failures)}"
        if self.untried == (UNSHUFFLED,):
            return PASSES_UNSHUFFLED
        return f"{UNTRIED}: {'; '.join(self.untried)}" if self.untried else PASSES

    @property
    def alarm(self) -> str:
        """What is to stand on the face of the map; "" where it passes all that its network can be asked.

        That a bundle has no shuffled networks is the same for all its maps, and is said beside them.
        """
        if self.is_empty or self.failures:
            return self.verdict
        own = [words for words in self.untried if words != UNSHUFFLED]
        return f"{UNTRIED}: {'; '.join(own)}" if own else ""


@dataclass(frozen=True)
class Explanation:
    """The maps of one film.

    film: its name. fitted: (S, S) uint8, the film as the network sees it. lungs: (S, S) bool, empty where none were found.
    logit: (C,). strength: (C, h, w), raw and signed. stability: (C,), NaN where unknown.
    resemblance: (C,), NaN where unknown; None where there were no shuffled networks to compare with.
    """

    film: str
    fitted: NDArray[np.uint8]
    lungs: NDArray[np.bool_]
    logit: Floats
    strength: Floats
    stability: NDArray[np.float64]
    resemblance: NDArray[np.float64] | None

    def trust(self, c: int) -> Trust:
        """What the checks say of the map of class c; of where it lies nothing where the film shows no lungs."""
        has_lungs = bool(self.lungs.any())
        strength = self.strength[c]
        return Trust(
            share_in_lungs=float(share_inside(strength, self.lungs)) if has_lungs else float("nan"),
            lungs_share=float(self.lungs.mean()) if has_lungs else float("nan"),
            stability=float(self.stability[c]),
            resemblance=float("nan") if self.resemblance is None else float(self.resemblance[c]),
            is_empty=not (strength > 0).any(),
            has_shuffled=self.resemblance is not None,
        )
