"""Chest phantoms: drawn frontal radiographs whose finding is known, for the demo and the tests.

A film comes about as in an X-ray room. The anatomy adds up to an attenuation, the finding adds to it inside the lungs and
nowhere else, the acquisition turns the sum into grey levels. Each of the three has a random generator of its own, so two films
that differ in the finding alone have the same pixels outside the lungs: no classifier can tell the classes from there.

Everything is drawn in chest units: x and y run from -1 to 1 over a film without displacement, x to the viewer's right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.errors import BadConfig

Film: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
Field: TypeAlias = NDArray[np.float32]
Curve: TypeAlias = NDArray[np.float64]

FINDINGS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
_SIDES = (-1, 1)  # the viewer's left (the patient's right) and the viewer's right
_FRACTION_BITS = 4  # cv2 draws at sixteenths of a pixel


class Look(NamedTuple):
    """How a place makes its films; the default is the neutral place.

    brightness: added to the grey levels, as a share of the range. contrast: factor about the middle grey.
    blur_px: further blur, standard deviation at 299 px. grain: factor on the noise. border_px: width of a black rim at 299 px.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    blur_px: float = 0.0
    grain: float = 1.0
    border_px: int = 0


def render_phantom(finding: str, rng: np.random.Generator, size_px: int = 299) -> tuple[Film, Mask]:
    """Draw one chest film with a finding.

    finding: one of FINDINGS. size_px: width and height of the film, at least 64.
    Returns the film, (H, W) uint8, bone bright, and the lungs, (H, W) bool, without heart and diaphragm, as in the masks of
    the COVID-19 Radiography Database. The same state of `rng` gives the same pixels.
    Raises BadConfig for an unknown finding or a size below 64.
    """
    anatomy, disease, acquisition = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=3))
    return render_parts(finding, anatomy, disease, acquisition, size_px=size_px)


def render_parts(
    finding: str,
    anatomy: np.random.Generator,
    disease: np.random.Generator,
    acquisition: np.random.Generator,
    *,
    size_px: int = 299,
    look: Look = Look(),  # noqa: B008
) -> tuple[Film, Mask]:
    """Draw one chest film from three independent generators: who is examined, of what, and how the film was taken.

    The same anatomy and disease with another acquisition is the same patient on another day.
    Returns and raises as render_phantom does.
    """
    if finding not in FINDINGS:
        raise BadConfig(f"finding: unknown: {finding!r}; known are {', '.join(FINDINGS)}")
    if size_px < 64:
        raise BadConfig(f"size_px: {size_px} is too small to draw a chest in; take 64 or more")
    canvas = _Canvas.placed(acquisition, size_px)
    chest = _draw_chest(anatomy, canvas)
    opacity = _draw_finding(finding, disease, chest, canvas)
    return _expose(chest.attenuation, opacity, acquisition, canvas, look), chest.lungs


@dataclass(frozen=True)
class _Canvas:
    """A square film and where the chest lies on it.

    to_px: (2, 3) affine map from chest units to pixels.
    """

    size_px: int
    to_px: Curve

    @classmethod
    def placed(cls, rng: np.random.Generator, size_px: int) -> _Canvas:
        """Place the patient before the film: a little turned, shifted, nearer or farther."""
        turn = np.radians(_vary(rng, 2.5))
        scale = size_px / 2 * (0.97 + _vary(rng, 0.035))
        shift = [_vary(rng, 0.035), _vary(rng, 0.035)]
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = (size_px - 1) / 2 * (1 + np.array(shift))
        return cls(size_px, np.column_stack([scale * rotation, centre]))

    def pixels(self, length: float) -> float:
        """A length in chest units, in pixels."""
        return float(length * np.hypot(self.to_px[0, 0], self.to_px[1, 0]))

    def points(self, curve: Curve) -> NDArray[np.int32]:
        """A curve (N, 2) in chest units as cv2 wants it: (N, 2) in sixteenths of a pixel."""
        px = curve @ self.to_px[:, :2].T + self.to_px[:, 2]
        return np.round(px * 2**_FRACTION_BITS).astype(np.int32)

    def fill(self, *outlines: Curve, blur: float = 0.0) -> Field:
        """The inside of closed outlines, 0 to 1; blur: standard deviation in chest units."""
        drawn = np.zeros((self.size_px, self.size_px), np.uint8)
        for outline in outlines:
            cv2.fillPoly(drawn, [self.points(outline)], 255, cv2.LINE_AA, _FRACTION_BITS)
        return self._softened(drawn, blur)

    def lines(self, *curves: Curve, width: float, blur: float = 0.0) -> Field:
        """Open curves as lines, 0 to 1; width and blur in chest units."""
        drawn = np.zeros((self.size_px, self.size_px), np.uint8)
        thickness = max(1, round(self.pixels(width)))
        cv2.polylines(drawn, [self.points(c) for c in curves], False, 255, thickness, cv2.LINE_AA, _FRACTION_BITS)
        return self._softened(drawn, blur)

    def warped(self, chart: Field) -> Field:
        """A square field over chest units -1 to 1, on the film; 0 beyond its edge."""
        units = 2 / chart.shape[0]
        from_chart = np.array([[units, 0, units / 2 - 1], [0, units, units / 2 - 1], [0, 0, 1]])
        size = (self.size_px, self.size_px)
        return cv2.warpAffine(chart, self.to_px @ from_chart, size, flags=cv2.INTER_LINEAR)

    def _softened(self, drawn: Film, blur: float) -> Field:
        sigma_px = self.pixels(blur)
        if sigma_px > 6:  # a wide blur costs a sixteenth at a quarter of the size, and shows no difference
            small = cv2.resize(drawn, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.float32)
            small = cv2.GaussianBlur(small, (0, 0), sigma_px / 4)
            return cv2.resize(small, drawn.shape[::-1], interpolation=cv2.INTER_LINEAR) / np.float32(255)
        if sigma_px > 0.3:
            drawn = cv2.GaussianBlur(drawn, (0, 0), sigma_px)
        return drawn.astype(np.float32) / np.float32(255)


class _Lung(NamedTuple):
    """One lung. side: -1 or 1; outline: closed (N, 2), made of wall, dome and border; hilum: (2,), where its vessels enter."""

    side: int
    outline: Curve
    wall: Curve
    dome: Curve
    hilum: Curve

    def at(self, across: float, down: float) -> Curve:
        """The point at a share of the way from mediastinum to chest wall, and from apex to base."""
        top, bottom = self.outline[:, 1].min(), self.dome[:, 1].min()
        y = top + (0.06 + 0.94 * down) * (bottom - top)
        x0, x1 = self.outline[:, 0], np.roll(self.outline[:, 0], -1)
        y0, y1 = self.outline[:, 1], np.roll(self.outline[:, 1], -1)
        crossed = (y0 <= y) != (y1 <= y)
        crossings = (x0 + (y - y0) / np.where(crossed, y1 - y0, 1) * (x1 - x0))[crossed]
        inner, outer = np.abs(crossings).min(), np.abs(crossings).max()
        return np.array([self.side * (inner + across * (outer - inner)), y])


class _Chest(NamedTuple):
    """A drawn chest. attenuation: (H, W), 0 for air; lungs: (H, W) bool; sides: the right and the left lung."""

    attenuation: Field
    lungs: Mask
    sides: tuple[_Lung, _Lung]


def _draw_chest(rng: np.random.Generator, canvas: _Canvas) -> _Chest:
    width, height, heart = 1 + _vary(rng, 0.05), 1 + _vary(rng, 0.06), 1 + _vary(rng, 0.12)
    sides = (_lung(rng, -1, width, height, heart), _lung(rng, 1, width, height, heart))
    outlines = [lung.outline for lung in sides]
    air = canvas.fill(*outlines, blur=0.006)
    air_depth = canvas.fill(*outlines, blur=0.09)
    body_outline = _body(rng, width + _vary(rng, 0.06))
    body = canvas.fill(body_outline, blur=0.01)
    bone = 1 + _vary(rng, 0.18)

    attenuation = body * (0.20 + 0.36 * canvas.fill(body_outline, blur=0.13))
    attenuation += canvas.fill(_abdomen(*sides), blur=0.02) * (0.17 + _vary(rng, 0.02))
    attenuation += canvas.fill(_ellipse(0.12, 0.16, 0.26 * heart, 0.33, 20), blur=0.07) * 0.16
    attenuation += canvas.fill(_ellipse(0.02, -0.35, 0.13, 0.5, 0), blur=0.06) * 0.10
    attenuation += _breasts(rng, canvas, is_female=bool(rng.random() < 0.5))
    attenuation -= air * (0.20 + 0.30 * air_depth) * (1 + _vary(rng, 0.08))
    attenuation += (_spine(rng, canvas) + _ribs(rng, canvas, sides) + _shoulders(rng, canvas, width)) * bone
    attenuation += _vessels(rng, canvas, sides) * air * (0.16 + _vary(rng, 0.03))
    attenuation += canvas.warped(_cloud(rng, 192, (12, 24, 48, 96))) * body * 0.016
    return _Chest(attenuation, canvas.fill(*outlines) > 0.5, sides)


def _lung(rng: np.random.Generator, side: int, width: float, height: float, heart: float) -> _Lung:
    """One lung: from the apex down the wall to the costophrenic angle, along the dome, up the mediastinum."""
    wall = [(0.19, -0.70), (0.32, -0.77), (0.50, -0.64), (0.63, -0.40), (0.71, -0.08), (0.75, 0.20), (0.765, 0.48)]
    if side < 0:
        dome = [(0.765, 0.48), (0.65, 0.36), (0.48, 0.29), (0.30, 0.31), (0.17, 0.39)]
        border = [(0.17, 0.39), (0.23, 0.22), (0.215, 0.02), (0.165, -0.18), (0.13, -0.42), (0.19, -0.70)]
    else:
        dome = [(0.765, 0.49), (0.68, 0.40), (0.60, 0.37), (0.49, 0.40)]
        border = [(0.49, 0.40), (0.45, 0.24), (0.35, 0.08), (0.23, -0.07), (0.175, -0.20), (0.20, -0.32), (0.14, -0.46)]
        border += [(0.19, -0.70)]
    rise, angle, taper = _vary(rng, 0.045), _vary(rng, 0.03), _vary(rng, 0.05)
    parts = [np.array(points) + _vary(rng, 0.007, (len(points), 2)) for points in (wall, dome, border)]
    parts[1] += np.linspace([0, angle], [0, rise], len(dome))
    parts[2][0, 1] += rise
    parts[2][:, 0] *= 1 + (heart - 1) * np.clip((parts[2][:, 1] + 0.25) / 0.3, 0, 1)
    for part, following in zip(parts, [*parts[1:], parts[0]], strict=True):
        part[-1] = following[0]
    curves = [_spline(part) for part in parts]
    for curve in curves:
        curve[:, 0] *= side * width * (1 + taper * curve[:, 1])
        curve[:, 1] = 0.1 + (curve[:, 1] - 0.1) * height
    hilum = np.array([side * 0.21 * width, -0.10 if side < 0 else -0.14])
    return _Lung(side, np.vstack([curve[:-1] for curve in curves]), curves[0], curves[1], hilum)


def _body(rng: np.random.Generator, width: float) -> Curve:
    """Neck, shoulders, upper arms held away, and trunk; past the film's edges below and at the sides."""
    s = -0.76 + _vary(rng, 0.04)
    half = np.array([(0.24, -1.6), (0.25, -0.98), (0.36, s - 0.08), (0.70, s), (1.05, s + 0.12), (1.6, s + 0.45), (1.7, 0.4)])
    trunk = np.array([(1.2, 0.12), (0.97, 0.04), (0.93, 0.3), (0.93, 0.7), (0.98, 1.6)])
    half[3:, 0] *= width
    trunk[:, 0] *= width
    right = np.vstack([_spline(half), _spline(trunk)])
    return np.vstack([right, right[::-1] * (-1, 1)])


def _abdomen(right: _Lung, left: _Lung) -> Curve:
    """All that lies under the two domes, down past the film's lower edge."""
    top = np.vstack([right.dome, left.dome[::-1]])
    return np.vstack([(-1.7, 1.8), (-1.2, top[0, 1] + 0.1), top, (1.2, top[-1, 1] + 0.1), (1.7, 1.8)])


def _breasts(rng: np.random.Generator, canvas: _Canvas, *, is_female: bool) -> Field:
    """Two soft shadows over the lower lungs, with a rim below; in men hardly any."""
    size, y = 0.24 + _vary(rng, 0.05), 0.18 + _vary(rng, 0.08)
    weight = 0.10 + _vary(rng, 0.04) if is_female else 0.015
    pair = [_ellipse(side * 0.55, y, size, size * 1.05, 0) for side in _SIDES]
    return (canvas.fill(*pair, blur=0.012) * 0.4 + canvas.fill(*pair, blur=0.1) * 0.6) * np.float32(weight)


def _spine(rng: np.random.Generator, canvas: _Canvas) -> Field:
    """A column of vertebrae, seen through the mediastinum, with the dark windpipe before its upper part."""
    lean, pitch = _vary(rng, 0.02), 0.135 * (1 + _vary(rng, 0.05))
    centres = np.arange(-1.25, 1.3, pitch)
    vertebrae, edges = [], []
    for y in centres:
        x = lean * np.cos(2 * y)
        half, tall = 0.068 + 0.012 * y, 0.41 * pitch
        box = np.array([(-half, -tall), (half, -tall), (half * 0.88, 0), (half, tall), (-half, tall), (-half * 0.88, 0)])
        vertebrae.append(box + (x, y))
        edges.append((box + (x, y))[[0, 1]])
    column = canvas.fill(*vertebrae, blur=0.008) * 0.055 + canvas.lines(*edges, width=0.008, blur=0.006) * 0.04
    pipe = np.array([(0.0, -1.3), (0.005, -0.8), (0.01, -0.5), (0.02 + lean, -0.27)])
    return column - canvas.lines(_spline(pipe), width=0.07, blur=0.012) * 0.075


def _ribs(rng: np.random.Generator, canvas: _Canvas, sides: tuple[_Lung, _Lung]) -> Field:
    """Ten pairs of ribs: the posterior parts bright, the anterior ones that run back down fainter."""
    pitch, first, slope = 0.118 + _vary(rng, 0.004), -0.81 + _vary(rng, 0.03), 1 + _vary(rng, 0.2)
    posterior, anterior = [], []
    for lung in sides:
        for number in range(10):
            y = first + pitch * number + _vary(rng, 0.004)
            end = y + slope * (0.07 + 0.018 * number)
            wall = np.interp(end, lung.wall[6:, 1], np.abs(lung.wall[6:, 0])) + 0.015
            posterior.append(_bezier([(0.07, y), (0.5 * wall, y - 0.09), (0.97 * wall, y - 0.03), (wall, end)]))
            if number < 7:
                front = [(wall, end), (0.99 * wall, end + 0.15), (0.78 * wall, end + 0.26), (0.48 * wall, end + 0.31)]
                anterior.append(_bezier(front))
            for curves in (posterior, anterior):
                curves[-1][:, 0] = np.abs(curves[-1][:, 0]) * lung.side
    back = _bands(canvas, posterior, 0.026, 0.06, 0.05)
    front = _bands(canvas, anterior, 0.028, 0.035, 0.02)
    return back + front


def _bands(canvas: _Canvas, curves: list[Curve], half_width: float, inside: float, edge: float) -> Field:
    """Bony bands along curves: a faint inside between two brighter rims."""
    upper, lower = [c - (0, half_width) for c in curves], [c + (0, half_width) for c in curves]
    outlines = [np.vstack([u, w[::-1]]) for u, w in zip(upper, lower, strict=True)]
    return canvas.fill(*outlines, blur=0.007) * inside + canvas.lines(*upper, *lower, width=0.009, blur=0.004) * edge


def _shoulders(rng: np.random.Generator, canvas: _Canvas, width: float) -> Field:
    """Collar bones, shoulder blades and the heads of the upper arms."""
    tilt, spread = _vary(rng, 0.05), _vary(rng, 0.04)
    clavicles, blades, arms = [], [], []
    for side in _SIDES:
        flip = (side * width, 1)
        y = -0.55 + _vary(rng, 0.015)
        collar = np.array([(0.06, y), (0.2, y - 0.03), (0.42, y - 0.10 - tilt), (0.62, y - 0.19 - tilt), (0.86, y - 0.22 - tilt)])
        clavicles.append(_spline(collar) * flip)
        blade = np.array([(0.62, -0.62), (0.9, -0.66), (0.93, -0.45), (0.80, -0.1), (0.74, 0.02), (0.66, -0.25)])
        blades.append(_spline(np.vstack([blade, blade[:1]])) * flip + (side * spread, 0))
        arms.append(_ellipse(side * (1.02 * width + spread), -0.58, 0.12, 0.14, 0))
    bones = _bands(canvas, clavicles, 0.027, 0.07, 0.05)
    bones += canvas.fill(*blades, blur=0.015) * 0.03 + canvas.lines(*blades, width=0.015, blur=0.008) * 0.04
    return bones + canvas.fill(*arms, blur=0.02) * 0.08


def _vessels(rng: np.random.Generator, canvas: _Canvas, sides: tuple[_Lung, _Lung]) -> Field:
    """Vessels that leave each hilum and fork three times, thinner and fainter outwards."""
    drawn = np.zeros((canvas.size_px, canvas.size_px), np.float32)
    for lung in sides:
        angles = np.linspace(-1.25, 1.35, 9) + _vary(rng, 0.12, 9)
        starts = np.repeat(lung.hilum[None], 9, axis=0)
        for level, (length, width, weight) in enumerate([(0.16, 0.024, 0.75), (0.15, 0.014, 0.6), (0.14, 0.008, 0.5), (0.12, 0.006, 0.4)]):
            if level:
                angles, starts = np.tile(angles, 2), np.tile(starts, (2, 1))
                angles = angles + np.repeat([-0.28, 0.28], len(angles) // 2) + _vary(rng, 0.15, len(angles))
            bend = _vary(rng, 0.25, len(angles))
            lengths = length * (1 + _vary(rng, 0.25, len(angles)))
            along = np.linspace(0, 1, 5)
            heading = angles[:, None] + bend[:, None] * along  # (vessels, 5)
            steps = np.stack([lung.side * np.cos(heading), np.sin(heading)], axis=2) * lengths[:, None, None] / 4
            paths = starts[:, None] + np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps[:, 1:], axis=1)], axis=1)
            drawn = np.maximum(drawn, canvas.lines(*paths, width=width, blur=0.004) * np.float32(weight))
            starts, angles = paths[:, -1], heading[:, -1]
    hila = [_ellipse(lung.hilum[0], lung.hilum[1] + 0.02, 0.07, 0.13, lung.side * -15) for lung in sides]
    return drawn + canvas.fill(*hila, blur=0.05) * np.float32(0.5)


def _draw_finding(finding: str, rng: np.random.Generator, chest: _Chest, canvas: _Canvas) -> Field:
    """What the disease adds to the attenuation: (H, W), zero outside the lungs and falling to zero at their edge."""
    if finding == "Normal":
        return np.zeros_like(chest.attenuation)
    draw = {"COVID": _ground_glass, "Lung_Opacity": _consolidation, "Viral Pneumonia": _interstitial}[finding]
    outlines = [lung.outline for lung in chest.sides]
    inside = np.clip(2 * canvas.fill(*outlines, blur=0.012) - 1, 0, 1) * chest.lungs
    return draw(rng, chest.sides, canvas) * inside


def _ground_glass(rng: np.random.Generator, sides: tuple[_Lung, _Lung], canvas: _Canvas) -> Field:
    """COVID: hazy patches in both lungs, at the edge and low, vessels still showing through."""
    haze = np.zeros((96, 96), np.float32)
    for lung in sides:
        for _ in range(int(rng.integers(2, 6))):
            centre = lung.at(rng.beta(4, 1.3), rng.beta(3.2, 1.4))
            haze += _blob(rng, centre, 0.10 + 0.10 * rng.random(), haze.shape[0]) * np.float32(0.6 + 0.4 * rng.random())
    haze = 1 - np.exp(-1.2 * haze)
    mottled = haze * (1 + 0.35 * _cloud(rng, 96, (12, 24, 48)))
    return canvas.warped(mottled) * np.float32(0.16 * _severity(rng))


def _consolidation(rng: np.random.Generator, sides: tuple[_Lung, _Lung], canvas: _Canvas) -> Field:
    """Lung opacity: one dense region with soft edges, in one lung."""
    lung = sides[int(rng.integers(2))]
    size = 0.17 + 0.10 * rng.random()
    centre = lung.at(0.3 + 0.4 * rng.random(), 0.25 + 0.65 * rng.random())
    dense = sum(_blob(rng, centre + _vary(rng, 0.06, 2), size * (0.6 + 0.4 * rng.random()), 96) for _ in range(4))
    ragged = dense * (1 + 0.25 * _cloud(rng, 96, (8, 16, 32)))
    return canvas.warped(1 / (1 + np.exp(-5 * (ragged - 1.2)))) * np.float32(0.24 * _severity(rng))


def _interstitial(rng: np.random.Generator, sides: tuple[_Lung, _Lung], canvas: _Canvas) -> Field:
    """Viral pneumonia: a net of fine lines through both lungs, thicker about the hila, with streaks that leave them."""
    net = np.exp(-((_cloud(rng, 192, (40,)) / 0.35) ** 2)) + np.exp(-((_cloud(rng, 192, (26,)) / 0.3) ** 2))
    around = sum(_blob(rng, lung.hilum + (lung.side * 0.08, 0.08), 0.30, 192) for lung in sides)
    patchy = 0.8 + 0.3 * _cloud(rng, 192, (6,))
    streaks = _vessels(rng, canvas, sides)
    spread = canvas.warped((0.35 + around) * np.clip(patchy, 0.2, 1.5))
    return (canvas.warped(net) * 0.09 + streaks * 0.14 + 0.03) * spread * np.float32(_severity(rng))


def _severity(rng: np.random.Generator) -> float:
    """How marked a finding is: 1 in the middle, one in twenty below a half."""
    return float(np.exp(_vary(rng, 0.35)))


def _expose(attenuation: Field, opacity: Field, rng: np.random.Generator, canvas: _Canvas, look: Look) -> Film:
    """Turn attenuation into grey levels: unsharpness, film curve, grain, marker, rim.

    Nothing but the pixel itself depends on the opacity, so what lies outside the lungs stays as it is without it.
    """
    scale = canvas.size_px / 299
    level, slope, lift = 0.50 + _vary(rng, 0.03), 6.0 + _vary(rng, 0.7), _vary(rng, 0.03)
    blur_px, grain = scale * (0.45 + 0.25 * rng.random() + look.blur_px), 2.2 * (1 + _vary(rng, 0.25)) * look.grain
    noise = rng.standard_normal(attenuation.shape, np.float32)
    sharp = cv2.GaussianBlur(attenuation, (0, 0), max(blur_px, 0.3)) + opacity
    film = 255 / (1 + np.exp(slope * (level - sharp)))
    film = (film - 128) * look.contrast + 128 + 255 * (lift + look.brightness) * (film / 255)
    film += cv2.GaussianBlur(noise, (0, 0), 0.6) * np.float32(2 * grain)
    printed = np.clip(np.rint(film), 0, 255).astype(np.uint8)
    _stamp_side(printed, rng, scale)
    rim = round(look.border_px * scale)
    if rim:
        printed[:rim], printed[-rim:], printed[:, :rim], printed[:, -rim:] = 4, 4, 4, 4
    return printed


def _stamp_side(film: Film, rng: np.random.Generator, scale: float) -> None:
    """Stamp an R at the viewer's left, an L at the right, or neither."""
    letter, x, y = ("R", "L", "")[int(rng.integers(3))], 0.04 + 0.04 * rng.random(), 0.09 + 0.08 * rng.random()
    height = 0.5 + 0.15 * rng.random()
    across = x if letter == "R" else 0.94 - x
    where = (round(across * film.shape[1]), round(y * film.shape[0]))
    cv2.putText(film, letter, where, cv2.FONT_HERSHEY_SIMPLEX, height * scale, 235, max(1, round(1.4 * scale)), cv2.LINE_AA)


def _vary(rng: np.random.Generator, spread: float, shape: int | tuple[int, ...] | None = None) -> Any:
    """Normal variation about zero with standard deviation `spread`, never beyond 2.2 of them."""
    return np.clip(rng.standard_normal(shape), -2.2, 2.2) * spread


def _cloud(rng: np.random.Generator, size: int, cells: tuple[int, ...]) -> Field:
    """A (size, size) random field of about unit variance with detail at each number of cells, coarse ones strongest."""
    field = np.zeros((size, size), np.float32)
    for count in cells:
        grid = rng.standard_normal((count, count), np.float32)
        field += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * np.float32(np.sqrt(cells[0] / count))
    return field / np.float32(np.sqrt(sum(cells[0] / count for count in cells)))


def _blob(rng: np.random.Generator, centre: Curve, radius: float, size: int) -> Field:
    """A tilted Gaussian hill of height 1 on a square chart over chest units -1 to 1."""
    tilt, stretch = rng.random() * np.pi, np.exp(_vary(rng, 0.25))
    grid = (np.arange(size, dtype=np.float32) * 2 + 1) / size - 1
    x, y = grid[None] - np.float32(centre[0]), grid[:, None] - np.float32(centre[1])
    along = x * np.float32(np.cos(tilt)) + y * np.float32(np.sin(tilt))
    aside = y * np.float32(np.cos(tilt)) - x * np.float32(np.sin(tilt))
    return np.exp(-0.5 * ((along / np.float32(radius * stretch)) ** 2 + (aside / np.float32(radius / stretch)) ** 2))


def _spline(points: Curve, steps: int = 8) -> Curve:
    """A smooth curve (Catmull-Rom) through points (N, 2), from the first to the last."""
    before = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    p0, p1, p2, p3 = (before[i : i + len(points) - 1, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.vstack([curve.reshape(-1, 2), points[-1:]])


def _bezier(points: list[tuple[float, float]], steps: int = 16) -> Curve:
    """The cubic Bézier curve of four points."""
    t = np.linspace(0, 1, steps)[:, None]
    p0, p1, p2, p3 = np.array(points)
    return (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3


def _ellipse(x: float, y: float, half_width: float, half_height: float, tilt_degrees: float) -> Curve:
    t, tilt = np.linspace(0, 2 * np.pi, 32, endpoint=False), np.radians(tilt_degrees)
    across, down = half_width * np.cos(t), half_height * np.sin(t)
    return np.column_stack([x + across * np.cos(tilt) - down * np.sin(tilt), y + across * np.sin(tilt) + down * np.cos(tilt)])
