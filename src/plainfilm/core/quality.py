"""What to know of a film before trusting an answer about it: plain remarks on its file and exposure, none of which refuses it."""

from __future__ import annotations

import cv2
import numpy as np

from plainfilm.core.image import Film
from plainfilm.core.preprocess import Preprocess, to_uint8

_ODD_RATIO = 1.6  # of the sides; upright detectors have 1.0 to 1.3
_LEAST_SPAN = 0.2  # of the scale, from the 1st to the 99th percentile
_MOST_PURE = 0.35  # of the pixels at one end of the scale; wide black collimation stays below
_LEAST_LEVELS = 24
_LEAST_JPEG_QUALITY = 50
_LATERAL = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD")
# In a Body Part Examined of the chest, whatever else it says; makers write more than the terms of PS3.16 annex L.
_OF_CHEST = ("CHEST", "THORA", "TORAX", "LUNG", "RIB")
_NO_PART = ("", "UNKNOWN", "UNDEFINED", "UNSPECIFIED", "OTHER", "NONE", "DEFAULT", "NA", "N/A")


def quality_warnings(film: Film, preprocess: Preprocess) -> tuple[str, ...]:
    """One sentence without a full stop for each thing that may mislead a network that is fed by `preprocess`."""
    info = film.info
    grey = to_uint8(film.pixels)
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.int64)  # five times as fast as NumPy's
    share = counts / grey.size
    below = np.cumsum(share)
    low, high = (int(np.searchsorted(below, at)) for at in (0.01, 0.99))
    levels = np.count_nonzero(counts)
    long, short = max(film.pixels.shape), min(film.pixels.shape)
    found = {
        f"the header says a lateral view ({info.view}), and frontal ones are expected": info.view.upper() in _LATERAL,
        f"the header says another part of the body ({info.body_part}), and the chest is expected": _is_elsewhere(
            info.body_part.upper()
        ),
        f"it has {info.width} x {info.height} pixels, fewer than the {preprocess.size} that the network sees": short
        < preprocess.size,
        f"it is {info.width} x {info.height}, much longer than wide or wider than long": long > _ODD_RATIO * short,
        f"hardly any contrast: its grey levels span {(high - low) / 255:.0%} of the scale": high - low
        < _LEAST_SPAN * 255,
        f"{share[255]:.0%} of it is pure white": share[255] > _MOST_PURE,
        f"{share[0]:.0%} of it is pure black": share[0] > _MOST_PURE,
        ("a single grey level" if levels == 1 else f"only {levels} grey levels"): levels < _LEAST_LEVELS,
        f"a JPEG of quality {info.jpeg_quality or 0:.0f}: fine detail is lost": info.jpeg_quality is not None
        and info.jpeg_quality < _LEAST_JPEG_QUALITY,
    }
    return (*(text for text, is_so in found.items() if is_so), *info.notes)


def _is_elsewhere(part: str) -> bool:
    """Whether a Body Part Examined, in capitals, names something else than the chest. The spine behind it is something else."""
    return part not in _NO_PART and ("SPINE" in part or not any(word in part for word in _OF_CHEST))
