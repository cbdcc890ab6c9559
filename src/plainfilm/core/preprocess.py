"""The one recipe from a film's pixels to a network's input: training, prediction, explanation and serving all call it.

    (H, W) uint8 or uint16  ->  fitted()  ->  (size, size) uint8  ->  network_input()  ->  (N, 1, size, size) float32

The uint8 picture in the middle is what the training cache holds and what a heatmap is laid over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.lungs import find_lungs
from plainfilm.core.regions import hide_lungs
from plainfilm.errors import BadConfig

Fit = Literal["squash", "pad", "crop"]
Contrast = Literal["none", "stretch", "equalize", "clahe", "gamma"]
Region = Literal["film", "lungs", "background"]

# The mean over R, G and B of the ImageNet statistics that the published weights were trained with; a film has one channel.
IMAGENET_MEAN = 0.449
IMAGENET_STD = 0.226
_STRETCH_PERCENTILES = (1.0, 99.0)
_CLAHE_CLIP_LIMIT = 2.0
_CLAHE_TILES = (8, 8)
# Times its breadth: a film that is cropped is cut to that length first, so that a strip cannot fill the memory.
MOST_ELONGATED = 8

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Preprocess:
    """How a film becomes a network's input.

    size: side of the square input, pixels.
    fit: how a film that is not square becomes so: "squash" both sides, "pad" with black, or "crop" the middle (of a film that is
        longer than 8 times its breadth, contrast is set by its middle alone).
    contrast: "none"; "stretch" the 1st to 99th percentile over the whole scale; "equalize" the histogram; "clahe" (contrast
        limited, 8 x 8 tiles, clip limit 2); "gamma" (grey ** gamma, grey in 0..1).
    gamma: the exponent of contrast "gamma"; below 1 brightens.
    region: "film"; "lungs" (all outside the lungs that `core/lungs.py` finds becomes black, the whole film where it finds none);
        or "background" (the lungs that it finds, what lies between them and a margin become black; nothing where it finds none).
    mean, std: grey levels in 0..1 that are subtracted and divided by.
    """

    size: int = 224
    fit: Fit = "squash"
    contrast: Contrast = "none"
    gamma: float = 1.0
    region: Region = "film"
    mean: float = IMAGENET_MEAN
    std: float = IMAGENET_STD

    def __post_init__(self) -> None:
        """Check every value. Raises BadConfig."""
        for name, kind in (("fit", Fit), ("contrast", Contrast), ("region", Region)):
            if getattr(self, name) not in get_args(kind):
                raise BadConfig(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(get_args(kind))}")
        if not 16 <= self.size <= 4096:
            raise BadConfig(f"size is {self.size}, expected 16 to 4096 pixels")
        if not (self.gamma > 0 and self.std > 0 and math.isfinite(self.gamma + self.mean + self.std)):
            raise BadConfig(f"gamma ({self.gamma}) and std ({self.std}) must be above 0 and mean ({self.mean}) finite")

    @property
    def looks_for_lungs(self) -> bool:
        """Whether what the network sees depends on where the lungs are found."""
        return self.region != "film"

    def fitted(self, pixels: Pixels, lungs: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """The film at the network's size, with its contrast set.

        pixels: (H, W) uint8 or uint16, full scale.
        lungs: (h, w) bool, True inside the lungs, at any size, where somebody knows them already; otherwise they are looked for
            where region asks for it, and passed over where it is "film".
        Returns (size, size) uint8.
        """
        content = to_uint8(_with_contrast(_resized(pixels, self.size, self.fit), self.contrast, self.gamma))
        square = _squared(content, self.size)
        if self.looks_for_lungs:
            inside = self._inside(find_lungs(pixels).mask if lungs is None else lungs, pixels)
            is_lungs_alone = self.region == "lungs"
            square = (
                np.where(inside, square, np.uint8(0)) if is_lungs_alone else hide_lungs(square[None], inside[None])[0]
            )
        return np.ascontiguousarray(square)

    def _inside(self, lungs: NDArray[np.bool_], pixels: Pixels) -> NDArray[np.bool_]:
        """The lungs at the network's size, as the film comes to lie there."""
        at_film_size = cv2.resize(lungs.astype(np.uint8), pixels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        lit = _resized(at_film_size.astype(np.uint8) * np.uint8(255), self.size, self.fit)
        return np.asarray(_squared(to_uint8(lit), self.size) >= 128)

    def network_input(self, films: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, size, size) or (size, size) uint8 -> (N, 1, size, size) float32, normalised."""
        grey = films.reshape(-1, 1, *films.shape[-2:]).astype(np.float32) / np.float32(255)
        return (grey - np.float32(self.mean)) / np.float32(self.std)

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """The inverse of to_dict(). Raises BadConfig for an unknown or missing key or a wrong value."""
        expected = set(cls.__dataclass_fields__)
        if set(values) != expected:
            raise BadConfig(f"preprocess has the keys {sorted(values)}, expected {sorted(expected)}")
        try:
            return cls(**values)
        except TypeError as cause:
            raise BadConfig(f"preprocess holds a value of the wrong kind: {cause}") from cause


def _resized(pixels: Pixels, size: int, fit: Fit) -> Pixels:
    pixels = _not_too_long(pixels) if fit == "crop" else pixels
    height, width = pixels.shape
    if fit == "squash":
        target = (size, size)
    else:
        scale = size / (max(height, width) if fit == "pad" else min(height, width))
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
    if target == (width, height):
        return pixels
    shrinks = target[0] * target[1] < width * height
    return _of_kind(cv2.resize(pixels, target, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def _not_too_long(pixels: Pixels) -> Pixels:
    """The middle of a film that is longer than any chest film; every other film as it is."""
    most = MOST_ELONGATED * min(pixels.shape)
    top, left = (max(0, (length - most) // 2) for length in pixels.shape)
    return pixels[top : top + most, left : left + most]


def _squared(content: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Pad with black or cut the middle, whichever a side needs."""
    height, width = content.shape
    top, left = max(0, (height - size) // 2), max(0, (width - size) // 2)
    content = content[top : top + size, left : left + size]
    height, width = content.shape
    if (height, width) == (size, size):
        return content
    square = np.zeros((size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = content
    return square


def _with_contrast(pixels: Pixels, contrast: Contrast, gamma: float) -> Pixels:
    if contrast == "none":
        return pixels
    if contrast == "clahe":
        return _of_kind(cv2.createCLAHE(_CLAHE_CLIP_LIMIT, _CLAHE_TILES).apply(pixels))
    levels = int(np.iinfo(pixels.dtype).max) + 1
    grey = np.linspace(0, 1, levels)
    if contrast == "gamma":
        curve = grey**gamma
    elif contrast == "stretch":
        low, high = np.percentile(pixels, _STRETCH_PERCENTILES) / (levels - 1)
        if high <= low:
            return pixels
        curve = np.clip((grey - low) / (high - low), 0, 1)
    else:
        below = np.cumsum(np.bincount(pixels.ravel(), minlength=levels))
        darkest = below[int(pixels.min())]
        if darkest == pixels.size:
            return pixels
        curve = np.clip((below - darkest) / (pixels.size - darkest), 0, 1)
    return _to_levels(curve, pixels.dtype)[pixels]


def _of_kind(pixels: Any) -> Pixels:
    """What OpenCV gives back for a film; it knows its own types less well than we do."""
    kept: Pixels = pixels
    return kept


def _to_levels(curve: NDArray[np.float64], dtype: np.dtype[Any]) -> Pixels:
    levels: Pixels = np.rint(curve * np.iinfo(dtype).max).astype(dtype)
    return levels


def to_uint8(pixels: Pixels) -> NDArray[np.uint8]:
    """The film in 256 steps over the same scale; uint8 stays as it is."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
