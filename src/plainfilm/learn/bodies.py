"""Bodies made of ellipsoids and tubes, as an X-ray room, a CT or an MR scanner would see them: what is no frontal chest film.

Coordinates are those of a patient who faces the viewer: x to the viewer's right, y down, z away from the viewer. A view is a
rotation of them. Nothing here is anatomy to learn from; it is to look enough like other medical pictures to be told from a chest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Film = NDArray[np.uint8]
Rng = np.random.Generator


def as_film(grey: NDArray[np.floating]) -> Film:
    """Grey levels of any number as a film: rounded, and cut to 0..255."""
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


@dataclass
class Body:
    """What rays pass through. solids: (centre, radii, rotation, density); tubes: (points (N, 3), radius, density)."""

    solids: list[tuple[Floats, Floats, Floats, float]] = field(default_factory=list)
    tubes: list[tuple[Floats, float, float]] = field(default_factory=list)

    def solid(self, centre: object, radii: object, density: float, turned: Floats | None = None) -> None:
        """Add an ellipsoid."""
        rotation = np.eye(3) if turned is None else turned
        self.solids.append((np.asarray(centre, np.float64), np.asarray(radii, np.float64), rotation, density))

    def shell(
        self, centre: object, radii: object, thickness: float, density: float, turned: Floats | None = None
    ) -> None:
        """Add a hollow ellipsoid."""
        radii = np.asarray(radii, np.float64)
        self.solid(centre, radii, density, turned)
        self.solid(centre, np.maximum(radii - thickness, 0.01), -density, turned)

    def tube(self, points: object, radius: float, density: float) -> None:
        """Add a tube along points (N, 3)."""
        self.tubes.append((np.asarray(points, np.float64), radius, density))

    def bone(self, points: object, radius: float, density: float, *, knobs: float = 1.3) -> None:
        """Add a long bone: a dense wall, a lighter marrow, thick ends."""
        points = np.asarray(points, np.float64)
        self.tube(points, radius, density)
        self.tube(points, 0.55 * radius, -0.4 * density)
        for end in (points[0], points[-1]):
            self.solid(end, [knobs * radius] * 3, density / (2 * knobs * radius) * 0.6)

    def projected(self, view: Floats, side: int, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)) -> Floats:
        """(side, side) how much lies on the way of each ray along z of the view."""
        image, grid = np.zeros((side, side)), (np.arange(side) + 0.5) * 2 / side - 1
        for centre, radii, rotation, density in self.solids:
            middle, shape = _seen(centre, radii, rotation, view, zoom, shift)
            reach = np.sqrt(np.diag(np.linalg.inv(shape)))
            columns, rows = (_span(middle[axis], reach[axis], side) for axis in (0, 1))
            x, y = grid[columns] - middle[0], (grid[rows] - middle[1])[:, None]
            half = shape[0, 2] * x + shape[1, 2] * y
            rest = shape[0, 0] * x**2 + 2 * shape[0, 1] * x * y + shape[1, 1] * y**2 - 1
            chord = 2 * np.sqrt(np.maximum(half**2 - shape[2, 2] * rest, 0)) / shape[2, 2]
            image[rows, columns] += density * chord / zoom
        return image + self._drawn_tubes(view, side, zoom, shift)

    def slice(self, view: Floats, side: int, depth: float, zoom: float = 1.0) -> Floats:
        """(side, side) what lies at one z of the view."""
        image, grid = np.zeros((side, side)), (np.arange(side) + 0.5) * 2 / side - 1
        x, y = grid, grid[:, None]
        for centre, radii, rotation, density in self.solids:
            middle, shape = _seen(centre, radii, rotation, view, zoom, (0, 0))
            d = (x - middle[0], y - middle[1], depth * zoom - middle[2])
            inside = sum(shape[i, j] * d[i] * d[j] for i in range(3) for j in range(3))
            image += density * (inside < 1)
        for points, radius, density in self.tubes:
            for point in points @ view.T * zoom:
                if abs(point[2] - depth * zoom) < radius * zoom:
                    image += density * ((x - point[0]) ** 2 + (y - point[1]) ** 2 < (radius * zoom) ** 2)
        return image

    def _drawn_tubes(self, view: Floats, side: int, zoom: float, shift: tuple[float, float]) -> Floats:
        image = np.zeros((side, side))
        for points, radius, density in self.tubes:
            flat = (points @ view.T * zoom)[:, :2] + np.array(shift)
            pixels = np.rint((flat + 1) * side / 2 * 16).astype(np.int32)
            drawn = np.zeros((side, side), np.uint8)
            width = max(1, round(radius * zoom * side))
            cv2.polylines(drawn, [pixels], False, 255, width, cv2.LINE_AA, 4)
            image += density / 255 * drawn
        return image


def _seen(
    centre: Floats, radii: Floats, rotation: Floats, view: Floats, zoom: float, shift: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Centre (3,) and quadratic form (3, 3) of an ellipsoid in a view."""
    turned = view @ rotation
    middle = view @ centre * zoom + np.array([*shift, 0])
    return middle, turned @ np.diag(1 / (radii * zoom) ** 2) @ turned.T


def _span(middle: float, reach: float, side: int) -> slice:
    low, high = ((middle + sign * reach + 1) * side / 2 for sign in (-1, 1))
    return slice(int(np.clip(low, 0, side)), int(np.clip(high + 1, 0, side)))


def turned(x: float = 0, y: float = 0, z: float = 0) -> Floats:
    """Rotation matrix: degrees about z, then x, then y."""
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def line(start: object, end: object, bend: object = (0, 0, 0), count: int = 12) -> Floats:
    """(count, 3) points from start to end, bent sideways by up to `bend` in the middle."""
    t = np.linspace(0, 1, count)[:, None]
    start, end, bend = (np.asarray(point, np.float64) for point in (start, end, bend))
    return start + t * (end - start) + 4 * t * (1 - t) * bend


# Bodies ---------------------------------------------------------------------------------------------------------------


def torso(rng: Rng, arms: str = "down") -> Body:
    """A chest, with arms "down", "up" or "none"."""
    body, u = Body(), rng.uniform
    width, depth, height = u(0.62, 0.8), u(0.38, 0.55), u(0.62, 0.85)
    body.solid([0, 0.15, 0], [width, 1.5, depth], 0.9)
    body.solid([0, 0.9, -0.02], [width, 0.6, depth], 0.5)
    air = u(0.6, 0.95)
    for side in (-1, 1):
        lung = [side * width * 0.48, -0.12, 0.0]
        body.solid(lung, [width * u(0.36, 0.42), height, depth * 0.82], -air, turned(z=side * u(0, 6)))
        body.solid([lung[0], u(0.5, 0.66), 0], [width * 0.44, u(0.25, 0.4), depth * 0.8], air * u(0.8, 1.1))  # dome
        for _ in range(14):
            at = np.array([lung[0] + side * u(-0.05, 0.2), u(-0.5, 0.4), u(-0.3, 0.3) * depth])
            body.tube(line([side * 0.12, u(-0.2, 0.1), 0.0], at, u(-0.05, 0.05, 3)), u(0.006, 0.02), u(0.03, 0.1))
    body.solid([u(0.05, 0.15), 0.15, -0.12 * depth], [u(0.22, 0.34), u(0.26, 0.36), depth * u(0.4, 0.6)], u(0.5, 0.9))
    body.solid([0, -0.4, 0], [0.12, 0.5, depth * 0.5], u(0.3, 0.6))
    spine = np.array([[0, y, depth * (0.62 + 0.12 * np.sin(2.2 * y))] for y in np.arange(-1.1, 1.3, 0.135)])
    for at in spine:
        body.solid(at, [0.085, 0.052, 0.085], u(1.2, 2.2))
        body.solid(np.add(at, [0, 0.02, 0.13]), [0.03, 0.04, 0.09], 1.5)
    bone = u(0.08, 0.22)
    for rib in range(10):
        y, reach = -0.72 + 0.13 * rib, width * min(0.95, 0.5 + 0.09 * rib)
        for side in (-1, 1):
            angle = np.linspace(0.1, 2.7, 18)
            points = [side * reach * np.sin(angle), y + 0.16 * angle, depth * 0.85 * np.cos(angle)]
            body.tube(np.stack(points, 1), u(0.018, 0.03), bone)
    body.tube(line([0, -0.6, -depth * 0.9], [0, 0.2, -depth * 0.98]), 0.05, 2 * bone)  # sternum
    for side in (-1, 1):
        body.bone(line([side * 0.08, -0.72, -0.6 * depth], [side * 0.75, -0.85, 0.1], [0, -0.04, 0]), 0.03, 0.2)
        if arms == "down":
            body.bone(line([side * (width + 0.12), -0.7, 0], [side * (width + 0.25), 0.9, 0]), 0.07, 0.4)
            body.tube(line([side * (width + 0.12), -0.75, 0], [side * (width + 0.25), 0.9, 0]), 0.2, 0.5)
        elif arms == "up":
            up = [side * u(0.1, 0.35), -1.3, -depth * u(0.4, 1.4)]
            body.bone(line([side * 0.3, -0.75, 0.1], up), 0.07, 0.5)
            body.tube(line([side * 0.3, -0.7, 0.1], up), 0.19, 0.5)
        if rng.random() < 0.3:
            body.solid([side * 0.38, 0.25, -depth * 1.02], [0.26, 0.26, 0.2], 0.7)
    return body


def abdomen(rng: Rng) -> Body:
    """From the lowest ribs to the hips."""
    body, u = Body(), rng.uniform
    width, depth = u(0.7, 0.95), u(0.4, 0.6)
    body.solid([0, 0, 0], [width, u(1.3, 2.0), depth], u(0.7, 1.1))
    body.solid([-0.4, -0.6, -0.1], [0.45, 0.4, 0.4], 0.3)
    for place, y in enumerate(np.arange(-1.0, 0.75, 0.22)):
        body.solid([u(-0.01, 0.01), y, 0.25], [0.12 + 0.004 * place, 0.08, 0.1], u(1.2, 2.0))
        body.solid([0, y + 0.05, 0.38], [0.03, 0.07, 0.06], 1.6)
        body.tube(line([-0.27, y, 0.25], [0.27, y, 0.25]), 0.03, 0.12)
    hips = u(0.35, 0.75)
    for side in (-1, 1):
        body.solid([side * 0.45, hips, 0.1], [0.36, 0.36, 0.05], u(2, 4), turned(z=side * 35, y=side * 30))
        body.solid([side * 0.2, 0.1, 0.2], [0.1, 0.5, 0.12], 0.25, turned(z=-side * 12))  # psoas
        body.shell([side * 0.55, hips + 0.4, 0], [0.15, 0.15, 0.15], 0.05, 2)
        for rib in range(3):
            body.tube(line([side * 0.12, -0.95 + 0.15 * rib, 0.3], [side * 0.8, -0.6 + 0.15 * rib, 0]), 0.03, 0.15)
    body.solid([0, hips + 0.1, 0.3], [0.2, 0.28, 0.1], 1.5)
    for _ in range(int(rng.integers(2, 22))):  # gas
        at = [u(-0.6, 0.6), u(-0.7, 0.8), u(-0.3, 0.1)]
        body.solid(at, [u(0.03, 0.17), u(0.03, 0.12), u(0.05, 0.16)], -u(0.5, 1.0), turned(z=u(0, 180)))
    return body


def pelvis(rng: Rng) -> Body:
    """Hips and thigh bones."""
    body, u = Body(), rng.uniform
    body.solid([0, 0, 0], [u(0.85, 1.1), 1.4, 0.45], 0.9)
    for side in (-1, 1):
        body.solid([side * 0.5, -0.45, 0.1], [0.42, 0.42, 0.06], u(2, 4), turned(z=side * 35, y=side * 30))
        body.shell([side * 0.58, 0.15, 0], [0.17, 0.17, 0.17], 0.05, 3)
        body.bone(line([side * 0.58, 0.15, 0], [side * 0.78, 0.3, 0]), 0.09, 0.5)
        body.bone(line([side * 0.78, 0.25, 0], [side * 0.68, 1.4, 0]), 0.1, 0.6)
        body.tube(line([side * 0.62, 0.4, 0], [side * 0.6, 1.5, 0]), 0.32, 0.7)
        ring = np.linspace(0, 2 * np.pi, 20)
        body.tube(np.stack([side * 0.24 + 0.13 * np.cos(ring), 0.5 + 0.12 * np.sin(ring), 0 * ring], 1), 0.05, 0.35)
    body.solid([0, -0.35, 0.2], [0.2, 0.3, 0.1], 2)
    for y in np.arange(-1.1, -0.55, 0.2):
        body.solid([0, y, 0.2], [0.13, 0.08, 0.1], 2)
    for _ in range(int(rng.integers(0, 8))):
        body.solid([u(-0.4, 0.4), u(-0.6, 0.1), 0], [u(0.04, 0.12)] * 3, -u(0.4, 0.9))
    return body


def head(rng: Rng) -> Body:
    """A skull with its jaw, on a neck."""
    body, u = Body(), rng.uniform
    wide, long, high = u(0.48, 0.56), u(0.6, 0.7), u(0.55, 0.65)
    body.solid([0, -0.2, 0], [wide + 0.05, high + 0.05, long + 0.05], 0.6)
    body.shell([0, -0.2, 0], [wide, high, long], u(0.04, 0.07), u(1.5, 3))
    body.solid([0, 0.3, -0.3], [0.38, 0.45, 0.3], 0.6)
    for side in (-1, 1):
        body.shell([side * 0.22, 0.02, -0.5], [0.15, 0.13, 0.12], 0.03, 1.5)
        body.solid([side * 0.22, 0.02, -0.5], [0.12, 0.1, 0.1], -0.5)
        body.solid([side * 0.2, 0.28, -0.4], [0.11, 0.12, 0.12], -0.6)
        body.solid([side * 0.42, 0.12, 0.1], [0.1, 0.12, 0.12], 1.5)
        body.bone(line([side * 0.42, 0.2, -0.05], [side * 0.3, 0.65, -0.25]), 0.05, 0.4)
        body.bone(line([side * 0.3, 0.65, -0.25], [0, 0.75, -0.6]), 0.06, 0.4)
        for tooth in range(6):
            angle = tooth * 0.25
            for y in (0.5, 0.6):
                body.solid([side * 0.3 * np.sin(angle), y, -0.35 - 0.25 * np.cos(angle)], [0.03, 0.06, 0.03], 3)
    body.solid([0, 0.2, -0.5], [0.05, 0.18, 0.15], -0.6)
    for y in np.arange(0.4, 1.4, 0.13):
        body.solid([0, y, 0.15], [0.1, 0.045, 0.09], 1.8)
    body.tube(line([0, 0.5, 0.05], [0, 1.5, 0.05]), 0.35, 0.5)
    body.solid([0, 0.0, 0.1], [0.05, 0.12, 0.25], -0.1)
    return body


def hand(rng: Rng) -> Body:
    """A hand or, with short fingers, a foot."""
    body, u = Body(), rng.uniform
    long, spread, density = u(0.6, 1.1), u(0.6, 1.2), u(0.25, 0.6)
    fist = np.array([0, 0.45, 0])
    for finger in range(5):
        angle = np.radians((-50 if finger == 0 else -18 + 12 * finger) * spread)
        away = np.array([np.sin(angle), -np.cos(angle), 0])
        at = fist + 0.12 * away
        lengths = np.array([0.42, 0.27, 0.18, 0.13]) * long * (0.75 if finger in (0, 4) else 1)
        for place, length in enumerate(lengths[: 3 if finger == 0 else 4]):
            end = at + away * length
            body.bone(line(at, end), 0.045 - 0.006 * place, density, knobs=1.15)
            body.tube(line(at, end), 0.1 - 0.01 * place, 0.25)
            at = end + away * 0.03
    body.solid([0, 0.1, 0], [0.3, 0.4, 0.1], 0.8)
    for _ in range(8):
        body.solid([u(-0.14, 0.14), u(0.38, 0.6), 0], [0.07, 0.06, 0.06], 2.5)
    for side in (-1, 1):
        body.bone(line([side * 0.1, 0.68, 0], [side * 0.12, 1.5, 0]), 0.07, density)
    body.tube(line([0, 0.6, 0], [0, 1.5, 0]), 0.24, 0.3)
    return body


def limb(rng: Rng) -> Body:
    """A joint between long bones: knee, elbow, ankle, shoulder; or a long bone alone."""
    body, u = Body(), rng.uniform
    thick, density, bend = u(0.09, 0.22), u(0.3, 0.9), u(-0.8, 0.8) * (rng.random() < 0.6)
    joint = np.array([u(-0.2, 0.2), u(-0.25, 0.35), 0])
    above, below = np.add(joint, [-0.15 * bend, -1.6, 0]), np.add(joint, [1.2 * bend, 1.5, 0])
    body.bone(line(above, joint - [0, 0.06, 0]), thick, density, knobs=u(1.2, 1.9))
    if rng.random() < 0.85:
        body.bone(line(np.add(joint, [0.02, 0.08, 0]), below), thick * u(0.8, 1.1), density, knobs=u(1.2, 1.9))
    if rng.random() < 0.6:
        apart = [1.6 * thick, 0.2, 0]
        body.bone(line(joint + apart, below + apart), 0.5 * thick, density)
    if rng.random() < 0.5:
        body.solid(np.add(joint, [0, -0.12, -0.2]), [0.12, 0.13, 0.06], 2)
    flesh = u(1.6, 3.5)
    body.tube(line(above, joint), flesh * thick, u(0.15, 0.5))
    body.tube(line(joint, below), flesh * thick * u(0.8, 1), u(0.15, 0.5))
    body.solid(joint, [flesh * thick * 0.55, 0.35, 0.3], 0.4)
    return body


def spine(rng: Rng) -> Body:
    """A few vertebrae, large, in soft tissue."""
    body, u = Body(), rng.uniform
    step, wide = u(0.14, 0.4), u(0.14, 0.34)
    body.solid([0, 0, -0.2], [u(0.5, 1.4), 2, 0.6], u(0.3, 0.9))
    bend, lean = u(-0.25, 0.25), u(-0.3, 0.3)
    for y in np.arange(-1.2, 1.2, step):
        at = np.array([bend * y**2, y, lean * y**2])
        body.shell(at, [wide, 0.42 * step, wide], 0.03, u(1.5, 3))
        body.solid(at, [wide, 0.4 * step, wide], 0.7)
        body.solid(np.add(at, [0, 0.1 * step, 1.7 * wide]), [0.2 * wide, 0.3 * step, 0.5 * wide], 2)
        for side in (-1, 1):
            body.solid(np.add(at, [side * 0.55 * wide, 0, wide]), [0.16 * wide, 0.2 * step, 0.2 * wide], 3)
            body.tube(
                line(np.add(at, [side * wide, 0, wide]), np.add(at, [side * 2.1 * wide, -0.1 * step, wide])),
                0.2 * step,
                0.2,
            )
    for _ in range(int(rng.integers(0, 8))):
        body.solid([u(-0.8, 0.8), u(-0.9, 0.9), -0.3], [u(0.04, 0.2)] * 3, -u(0.3, 0.8))
    return body
