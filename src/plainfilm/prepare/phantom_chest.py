"""The anatomy of a chest phantom: what the rays pass through, and how healthy people differ.

Lengths are chest units (see phantom_drawing); amounts are attenuation, where 0 is air and about 1 the densest abdomen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from plainfilm.prepare.phantom_drawing import Canvas, Curve, Field, Mask, bezier, cloud, ellipse, spline, vary

_SIDES = (-1, 1)  # the patient's right, at the viewer's left; the patient's left
_VESSEL_LEVELS = (
    (0.16, 0.024, 0.75),
    (0.15, 0.014, 0.6),
    (0.14, 0.008, 0.5),
    (0.12, 0.006, 0.4),
)  # length, width, weight


class Lung(NamedTuple):
    """One lung. side: -1 or 1; outline: closed (N, 2), made of wall, dome and the border to the heart; hilum: (2,)."""

    side: int
    outline: Curve
    wall: Curve
    dome: Curve
    hilum: Curve

    def at(self, across: float, down: float) -> Curve:
        """The point a share of the way from mediastinum to chest wall, and from apex to dome."""
        top, bottom = self.outline[:, 1].min(), self.dome[:, 1].min()
        y = top + (0.06 + 0.94 * down) * (bottom - top)
        x0, y0 = self.outline.T
        x1, y1 = np.roll(self.outline, -1, axis=0).T
        crossed = (y0 <= y) != (y1 <= y)
        crossings = np.abs(x0 + (y - y0) / np.where(crossed, y1 - y0, 1) * (x1 - x0))[crossed]
        inner, outer = crossings.min(), crossings.max()
        return np.array([self.side * (inner + across * (outer - inner)), y])


class Chest(NamedTuple):
    """A drawn chest. attenuation: (H, W); lungs: (H, W) bool; sides: the two lungs, the viewer's left one first."""

    attenuation: Field
    lungs: Mask
    sides: tuple[Lung, Lung]


def sex_of(anatomy: np.random.Generator) -> str:
    """Return "F" or "M": the first thing that a generator of anatomy decides."""
    return "FM"[int(anatomy.integers(2))]


def draw_chest(rng: np.random.Generator, canvas: Canvas) -> Chest:
    """Draw a healthy chest: who it is comes from `rng`, where it lies from `canvas`."""
    sex = sex_of(rng)
    width, height, heart, bone = (1 + vary(rng, spread) for spread in (0.05, 0.06, 0.12, 0.18))
    sides = (_lung(rng, -1, width, height, heart), _lung(rng, 1, width, height, heart))
    lungs = canvas.layer().fill(*(lung.outline for lung in sides))
    air = lungs.soft(0.006)
    trunk = canvas.layer().fill(_trunk(rng, width))
    body = trunk.soft(0.01)

    attenuation = body * (0.16 + trunk.soft(0.13, 0.40))  # thin at the skin, thick within
    attenuation += _heart_and_abdomen(rng, canvas, sides, heart) + _breasts(rng, canvas, sex)
    attenuation -= air * (0.17 + lungs.soft(0.09, 0.26)) * np.float32(1 + vary(rng, 0.08))
    bones = _spine(rng, canvas) + _ribs(rng, canvas, sides) + _shoulders(rng, canvas, width)
    attenuation += bones * body * np.float32(bone)
    attenuation += draw_vessels(rng, canvas, sides) * air * np.float32(0.15 + vary(rng, 0.03))
    attenuation += canvas.warped(cloud(rng, 192, (12, 24, 48, 96))) * body * np.float32(0.017)
    return Chest(attenuation, lungs.drawn > 127, sides)


def _lung(rng: np.random.Generator, side: int, width: float, height: float, heart: float) -> Lung:
    """One lung: from the apex down the wall to the costophrenic angle, along the dome, up beside the heart."""
    wall = [(0.19, -0.70), (0.32, -0.77), (0.50, -0.64), (0.63, -0.40), (0.71, -0.08), (0.75, 0.20), (0.765, 0.48)]
    if side < 0:
        dome = [(0.765, 0.48), (0.65, 0.36), (0.48, 0.29), (0.30, 0.31), (0.17, 0.39)]
        border = [(0.17, 0.39), (0.23, 0.22), (0.215, 0.02), (0.165, -0.18), (0.13, -0.42), (0.19, -0.70)]
    else:
        dome = [(0.765, 0.49), (0.68, 0.40), (0.60, 0.37), (0.49, 0.40)]
        border = [(0.49, 0.40), (0.45, 0.24), (0.35, 0.08), (0.23, -0.07), (0.175, -0.20), (0.20, -0.32), (0.14, -0.46)]
        border += [(0.19, -0.70)]
    rise, angle, taper = vary(rng, 0.045), vary(rng, 0.03), vary(rng, 0.05)
    parts = [np.array(points) + vary(rng, 0.007, (len(points), 2)) for points in (wall, dome, border)]
    parts[1][:, 1] += np.linspace(angle, rise, len(dome))
    parts[2][0, 1] += rise
    parts[2][:, 0] *= 1 + (heart - 1) * np.clip((parts[2][:, 1] + 0.25) / 0.3, 0, 1)
    for part, following in zip(parts, [*parts[1:], parts[0]], strict=True):
        part[-1] = following[0]
    curves = [spline(part) for part in parts]
    for curve in curves:
        curve[:, 0] *= side * width * (1 + taper * curve[:, 1])
        curve[:, 1] = 0.1 + (curve[:, 1] - 0.1) * height
    hilum = np.array([side * 0.21 * width, -0.10 if side < 0 else -0.14])
    return Lung(side, np.vstack([curve[:-1] for curve in curves]), curves[0], curves[1], hilum)


def _trunk(rng: np.random.Generator, width: float) -> Curve:
    """Neck, shoulders, upper arms held away, and trunk, past the film's edges: closed (N, 2)."""
    fat, top = vary(rng, 0.06), -0.76 + vary(rng, 0.04)
    neck = [(0.24, -1.6), (0.25, -0.98), (0.36, top - 0.08)]
    arm = [(0.70, top), (1.05, top + 0.12), (1.6, top + 0.45), (1.7, 0.4)]
    flank = [(1.2, 0.12), (0.97, 0.04), (0.93, 0.3), (0.93, 0.7), (0.98, 1.6)]
    arm, flank = np.array(arm) * (width + fat, 1), np.array(flank) * (width + fat, 1)
    half = np.vstack([spline(np.vstack([neck, arm])), spline(flank)])
    return np.vstack([half, half[::-1] * (-1, 1)])


def _heart_and_abdomen(rng: np.random.Generator, canvas: Canvas, sides: tuple[Lung, Lung], heart: float) -> Field:
    """What is denser than the chest wall: heart, great vessels, all under the domes; often air in the stomach."""
    right, left = sides
    top = np.vstack([right.dome, left.dome[::-1]])
    below = np.vstack([(top[0, 0] - 0.1, 1.8), top, (top[-1, 0] + 0.1, 1.8)])
    dense = canvas.layer().fill(below).soft(0.05, 0.16 + vary(rng, 0.02))
    dense += canvas.layer().fill(ellipse(0.12, 0.18, 0.27 * heart, 0.34, 20)).soft(0.08, 0.15)
    dense += canvas.layer().fill(ellipse(0.02, -0.35, 0.13, 0.5)).soft(0.06, 0.10)
    has_bubble, x, y = rng.random() < 0.5, 0.42 + vary(rng, 0.04), left.dome[:, 1].min() + 0.15 + vary(rng, 0.02)
    bubble = ellipse(x, y, 0.13 + vary(rng, 0.03), 0.06 + vary(rng, 0.012), -12)
    return dense - canvas.layer().fill(bubble).soft(0.02, 0.13 if has_bubble else 0.0)


def _breasts(rng: np.random.Generator, canvas: Canvas, sex: str) -> Field:
    """Two soft shadows over the lower lungs with a rim below; in men hardly any."""
    size, y, weight = 0.24 + vary(rng, 0.05), 0.18 + vary(rng, 0.08), 0.09 + vary(rng, 0.035)
    pair = canvas.layer().fill(*(ellipse(side * 0.55, y, size, size * 1.05) for side in _SIDES))
    return pair.soft(0.012, 0.4 * weight if sex == "F" else 0.0) + pair.soft(0.1, 0.6 * weight if sex == "F" else 0.01)


def _spine(rng: np.random.Generator, canvas: Canvas) -> Field:
    """A column of vertebrae, seen through the mediastinum, and the dark windpipe before its upper part."""
    lean, pitch = vary(rng, 0.02), 0.135 * (1 + vary(rng, 0.05))
    vertebrae = []
    for y in np.arange(-1.25, 1.3, pitch):
        half, tall = 0.068 + 0.012 * y, 0.41 * pitch
        left = np.array([(half, -tall), (half * 0.88, 0), (half, tall)])
        vertebrae.append(np.vstack([left, left[::-1] * (-1, 1)]) + np.array([lean * np.cos(2 * y), y]))
    column = canvas.layer().fill(*vertebrae, weight=0.6).lines(*(box[[0, -1]] for box in vertebrae), width=0.009)
    pipe = spline([(0.0, -1.3), (0.005, -0.8), (0.01, -0.5), (0.02 + lean, -0.27)])
    bronchi = [spline([pipe[-1], (side * 0.09, -0.19), (side * 0.17, -0.13)]) for side in _SIDES]
    airway = canvas.layer().lines(*bronchi, width=0.04, weight=0.5).lines(pipe, width=0.075)
    return column.soft(0.008, 0.08) - airway.soft(0.012, 0.10)


def _ribs(rng: np.random.Generator, canvas: Canvas, sides: tuple[Lung, Lung]) -> Field:
    """Ten pairs of ribs: the posterior parts bright, the anterior ones, which run back down to the middle, fainter."""
    pitch, first, slope = 0.118 + vary(rng, 0.004), -0.81 + vary(rng, 0.03), 1 + vary(rng, 0.2)
    posterior, anterior, number = [], [], np.arange(10)
    for lung in sides:
        y = first + pitch * number + vary(rng, 0.004, 10)
        end = y + slope * (0.07 + 0.018 * number)
        below_apex = lung.wall[np.argmin(lung.wall[:, 1]) :]
        wall = np.interp(end, below_apex[:, 1], np.abs(below_apex[:, 0])) + 0.015
        back = [(0.07 + 0 * y, y), (0.5 * wall, y - 0.09), (0.97 * wall, y - 0.03), (wall, end)]
        front = [(wall, end), (0.99 * wall, end + 0.15), (0.78 * wall, end + 0.26), (0.48 * wall, end + 0.31)]
        posterior += list(bezier(np.transpose(back, (2, 0, 1))) * (lung.side, 1))
        anterior += list(bezier(np.transpose(front, (2, 0, 1))[:7]) * (lung.side, 1))
    back_part = canvas.layer().bands(posterior, 0.026, inside=0.6, rim=1)
    return back_part.soft(0.006, 0.095) + canvas.layer().bands(anterior, 0.028, inside=0.7, rim=1).soft(0.007, 0.055)


def _shoulders(rng: np.random.Generator, canvas: Canvas, width: float) -> Field:
    """Collar bones, shoulder blades and the heads of the upper arms."""
    tilt, spread = vary(rng, 0.05), vary(rng, 0.04)
    collars, blades, heads = [], [], []
    for side in _SIDES:
        y, flip = -0.55 + vary(rng, 0.015), (side * width, 1)
        collar = [(0.06, y), (0.2, y - 0.03), (0.42, y - 0.1 - tilt), (0.62, y - 0.19 - tilt), (0.86, y - 0.22 - tilt)]
        blade = [(0.62, -0.62), (0.9, -0.66), (0.93, -0.45), (0.80, -0.1), (0.74, 0.02), (0.66, -0.25), (0.62, -0.62)]
        collars.append(spline(collar) * flip)
        blades.append(spline(blade) * flip + (side * spread, 0))
        heads.append(ellipse(side * (1.02 * width + spread), -0.58, 0.12, 0.14))
    behind = canvas.layer().fill(*blades, weight=0.35).lines(*blades, width=0.015, weight=0.7).fill(*heads)
    return canvas.layer().bands(collars, 0.027, inside=0.65, rim=1).soft(0.006, 0.125) + behind.soft(0.012, 0.08)


def draw_vessels(rng: np.random.Generator, canvas: Canvas, sides: tuple[Lung, Lung]) -> Field:
    """Vessels that leave each hilum and fork three times, thinner and fainter outwards: (H, W), 0 to about 1."""
    layer, along = canvas.layer(), np.linspace(0, 1, 5)
    count = 9
    angles = np.concatenate([np.linspace(-1.25, 1.35, count) + vary(rng, 0.12, count) for _ in sides])
    starts = np.repeat([lung.hilum for lung in sides], count, axis=0)
    outwards = np.repeat([lung.side for lung in sides], count)
    levels = []
    for length, width, weight in _VESSEL_LEVELS:
        heading = angles[:, None] + vary(rng, 0.25, len(angles))[:, None] * along  # (vessels, points)
        steps = np.stack([outwards[:, None] * np.cos(heading), np.sin(heading)], axis=2)  # (vessels, points, 2)
        steps *= (length / 4 * (1 + vary(rng, 0.25, len(angles))))[:, None, None]
        steps[:, 0] = starts
        paths = np.cumsum(steps, axis=1)
        levels.append((paths, width, weight))
        starts, outwards = np.tile(paths[:, -1], (2, 1)), np.tile(outwards, 2)
        angles = np.concatenate([heading[:, -1] - 0.28, heading[:, -1] + 0.28]) + vary(rng, 0.15, len(starts))
    for paths, width, weight in reversed(levels):
        layer.lines(*paths, width=width, weight=weight)
    hila = [ellipse(lung.hilum[0], lung.hilum[1] + 0.02, 0.07, 0.13, lung.side * -15) for lung in sides]
    return layer.soft(0.005) + canvas.layer().fill(*hila).soft(0.05, 0.5)
