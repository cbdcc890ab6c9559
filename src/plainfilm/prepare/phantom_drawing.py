"""What phantoms are drawn with: a canvas that knows where the chest lies, smooth curves, random variation.

Chest units: x and y run from -1 to 1 over a film without displacement, x to the viewer's right, y down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Film: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
Field: TypeAlias = NDArray[np.float32]
Curve: TypeAlias = NDArray[np.float64]

_FRACTION_BITS = 4  # cv2 draws at sixteenths of a pixel


@dataclass(frozen=True)
class Canvas:
    """A square film and where the chest lies on it.

    to_px: (2, 3) affine map from chest units to pixels.
    """

    size_px: int
    to_px: Curve

    @classmethod
    def placed(cls, rng: np.random.Generator, size_px: int) -> Canvas:
        """Place the patient before the film: a little turned, shifted, nearer or farther."""
        turn = np.radians(vary(rng, 2.5))
        scale = size_px / 2 * (0.97 + vary(rng, 0.035))
        shift = vary(rng, 0.035, 2)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return cls(size_px, np.column_stack([scale * rotation, (size_px - 1) / 2 * (1 + shift)]))

    def layer(self) -> Layer:
        """An empty layer to draw on."""
        return Layer(self, np.zeros((self.size_px, self.size_px), np.uint8))

    def pixels(self, length: float) -> float:
        """A length in chest units, in pixels."""
        return float(length * np.hypot(self.to_px[0, 0], self.to_px[1, 0]))

    def points(self, curves: Sequence[Curve]) -> list[NDArray[np.int32]]:
        """Curves (N, 2) in chest units as cv2 takes them: in sixteenths of a pixel."""
        px = np.concatenate(curves) @ self.to_px[:, :2].T + self.to_px[:, 2]
        sixteenths = np.rint(px * 2**_FRACTION_BITS).astype(np.int32)
        ends = list(accumulate(len(curve) for curve in curves))
        return [sixteenths[begin:end] for begin, end in pairwise([0, *ends])]

    def warped(self, chart: Field) -> Field:
        """A square field over chest units -1 to 1, laid on the film; 0 beyond its edge."""
        unit = 2 / len(chart)
        from_chart = np.array([[unit, 0, unit / 2 - 1], [0, unit, unit / 2 - 1], [0, 0, 1]])
        return np.asarray(cv2.warpAffine(chart, self.to_px @ from_chart, (self.size_px, self.size_px)), np.float32)


@dataclass(frozen=True)
class Layer:
    """Shapes of one kind on a canvas; where they overlap, the last one counts.

    drawn: (H, W) uint8, 255 for weight 1.
    """

    canvas: Canvas
    drawn: Film

    def fill(self, *outlines: Curve, weight: float = 1.0) -> Layer:
        """Draw the inside of closed outlines, each (N, 2)."""
        for points in self.canvas.points(outlines):
            cv2.fillPoly(self.drawn, [points], 255 * weight, cv2.LINE_AA, _FRACTION_BITS)
        return self

    def lines(self, *curves: Curve, width: float, weight: float = 1.0) -> Layer:
        """Draw open curves, each (N, 2), as lines of a width in chest units, at least one pixel."""
        thickness = max(1, round(self.canvas.pixels(width)))
        points = self.canvas.points(curves)
        cv2.polylines(self.drawn, points, False, 255 * weight, thickness, cv2.LINE_AA, _FRACTION_BITS)
        return self

    def bands(self, curves: Iterable[Curve], half_width: float, inside: float, rim: float) -> Layer:
        """Draw bony bands along curves: a fainter inside between two brighter rims."""
        upper = [curve - np.array([0, half_width]) for curve in curves]
        lower = [curve + np.array([0, 2 * half_width]) for curve in upper]
        self.fill(*(np.concatenate([u, w[::-1]]) for u, w in zip(upper, lower, strict=True)), weight=inside)
        return self.lines(*upper, *lower, width=0.009, weight=rim)

    def soft(self, blur: float, amount: float = 1.0) -> Field:
        """The layer as a field, 0 to `amount`; blur: standard deviation in chest units."""
        sigma_px, drawn, shrink = self.canvas.pixels(blur), self.drawn, 1
        if sigma_px > 3:  # a wide blur costs a fraction on a smaller copy, and shows no difference
            shrink = 2 if sigma_px < 7 else 4
            drawn = np.asarray(cv2.resize(drawn, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA))
        field = drawn.astype(np.float32) * np.float32(amount / 255)
        soft = cv2.GaussianBlur(field, (0, 0), max(sigma_px / shrink, 0.2))
        return np.asarray(soft if shrink == 1 else cv2.resize(soft, self.drawn.shape[::-1]), np.float32)


def spline(points: ArrayLike, steps: int = 8) -> Curve:
    """A smooth curve (Catmull-Rom) through points (N, 2), from the first to the last."""
    p = np.asarray(points, np.float64)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * p1 - p0 - 3 * p2 + p3)))
    return np.vstack([curve.reshape(-1, 2), p[-2]])


def bezier(points: ArrayLike, steps: int = 16) -> Curve:
    """The cubic Bézier curves of sets of four points: (..., 4, 2) to (..., steps, 2)."""
    t = np.linspace(0, 1, steps)
    weights = np.stack([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3], axis=1)
    return np.asarray(weights @ np.asarray(points, np.float64))


def ellipse(x: float, y: float, half_width: float, half_height: float, tilt_degrees: float = 0.0) -> Curve:
    """A closed ellipse; a positive tilt turns it clockwise on the film."""
    t, tilt = np.linspace(0, 2 * np.pi, 32, endpoint=False), np.radians(tilt_degrees)
    u, v = half_width * np.cos(t), half_height * np.sin(t)
    return np.column_stack([x + u * np.cos(tilt) - v * np.sin(tilt), y + u * np.sin(tilt) + v * np.cos(tilt)])


def vary(rng: np.random.Generator, spread: float, shape: int | tuple[int, ...] | None = None) -> Any:
    """Normal variation about zero with standard deviation `spread`, held within 2.2 of it; one number by default."""
    if shape is None:
        return min(max(rng.standard_normal(), -2.2), 2.2) * spread
    return np.clip(rng.standard_normal(shape), -2.2, 2.2) * spread


def as_film(grey: NDArray[Any]) -> Film:
    """Grey levels rounded and held to 0 to 255."""
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


def cloud(rng: np.random.Generator, size: int, cells: Sequence[int]) -> Field:
    """A (size, size) random field of about unit variance with detail at each number of cells, the first strongest."""
    field = np.zeros((size, size), np.float32)
    for count in cells:
        grid = rng.standard_normal((count, count), np.float32) * np.float32(np.sqrt(cells[0] / count))
        field += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return field / np.float32(np.sqrt(sum(cells[0] / count for count in cells)))


def hill(rng: np.random.Generator, centre: Curve, radius: float, size: int) -> Field:
    """A tilted Gaussian hill of height 1 on a (size, size) chart over chest units -1 to 1."""
    tilt, stretch = rng.random() * np.pi, np.exp(vary(rng, 0.25))
    grid = (np.arange(size, dtype=np.float32) * 2 + 1) / size - 1
    x, y = grid[None] - np.float32(centre[0]), grid[:, None] - np.float32(centre[1])
    along = x * np.float32(np.cos(tilt)) + y * np.float32(np.sin(tilt))
    aside = y * np.float32(np.cos(tilt)) - x * np.float32(np.sin(tilt))
    return np.exp(-0.5 * ((along / np.float32(radius * stretch)) ** 2 + (aside / np.float32(radius / stretch)) ** 2))
