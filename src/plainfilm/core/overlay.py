"""A heatmap laid over a film, as pixels: the one drawing for overlays, pages and the server."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.maps import Floats, film_maps, scaled

OPACITY = 0.6
LUNGS = (86, 180, 233)  # light blue: on grey and on every colour of the map it stands out


def colours() -> NDArray[np.uint8]:
    """(256, 3) RGB from weak to strong: violet, red, orange, rising in brightness, as the colour-blind see it too."""
    ramp = cv2.applyColorMap(np.linspace(90, 215, 256).astype(np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(ramp[:, 0, ::-1])


def film_picture(film: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The film as the network sees it, (side, side, 3) RGB."""
    grow = side >= film.shape[0]
    large = cv2.resize(film, (side, side), interpolation=cv2.INTER_CUBIC if grow else cv2.INTER_AREA)
    return np.repeat(np.asarray(large, np.uint8)[:, :, None], 3, axis=2)


def overlay(
    film: NDArray[np.uint8], strength: Floats, lungs: NDArray[np.bool_], side: int, opacity: float = OPACITY
) -> NDArray[np.uint8]:
    """The map over the film, (side, side, 3) RGB.

    film: (S, S). strength: (h, w), raw. lungs: (S, S), outlined where there are any. opacity: 0..1, of the strongest place.
    """
    grey = film_picture(film, side).astype(np.float32)
    heat = np.clip(film_maps(scaled(strength), side), 0, 1)
    heat /= max(float(heat.max()), 1e-9)  # between the centres of places the largest value is not reached
    alpha = (opacity * heat**0.75)[:, :, None]
    mixed = grey * (1 - alpha) + colours()[np.rint(heat * 255).astype(np.uint8)] * alpha
    picture = np.ascontiguousarray(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8))
    if lungs.any():
        outline = cv2.resize(lungs.astype(np.uint8) * 255, (side, side), interpolation=cv2.INTER_LINEAR) >= 128
        edges, _ = cv2.findContours(outline.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, LUNGS, 1, cv2.LINE_AA)
    return picture
