"""Pictures of bodies that are no frontal chest film: radiographs from the side or of other parts, slices, ultrasound, an eye.

They teach `chest_network.py` what a chest film is not. A picture is (128, 128) uint8.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from plainfilm.core.thumbnail import THUMBNAIL_PX
from plainfilm.learn.bodies import (
    Body,
    Film,
    Floats,
    Rng,
    abdomen,
    as_film,
    hand,
    head,
    limb,
    line,
    pelvis,
    spine,
    torso,
    turned,
)

_BODIES: tuple[Callable[[Rng], Body], ...] = (abdomen, pelvis, head, hand, limb, spine)


def cloud(rng: Rng, side: int, power: float) -> Floats:
    """(side, side) noise whose amplitude falls with that power of the frequency; mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * frequency**-power
    noise = np.fft.irfft2(spectrum, (side, side))
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-9))


def _film(rng: Rng, attenuation: Floats) -> Film:
    """From attenuation to grey: tissue texture, film curve, blur, grain."""
    u = rng.uniform
    attenuation = attenuation * (1 + u(0, 0.12) * cloud(rng, THUMBNAIL_PX, u(0.8, 1.8)))
    attenuation = np.asarray(cv2.GaussianBlur(attenuation, (0, 0), u(0.3, 1.2)), np.float64)
    known = attenuation[attenuation > 0.05]
    middle = float(np.quantile(known, u(0.2, 0.7))) if known.size else 0.5
    spread = float(known.std()) + 0.1 if known.size else 1.0
    grey = 1 / (1 + np.exp(-u(0.8, 2.2) * (attenuation - middle) / spread))
    grey = grey - u(0.3, 1) * grey.min()
    return as_film(255 * grey / max(float(grey.max()), 1e-9) + u(0, 8) * rng.standard_normal(grey.shape))


def lateral_chest(rng: Rng) -> Film:
    """A chest from the side, or clearly oblique."""
    u, side = rng.uniform, 1 if rng.random() < 0.5 else -1
    about = side * (u(72, 108) if rng.random() < 0.8 else u(50, 72))
    body = torso(rng, arms="up" if rng.random() < 0.75 else "none")
    view = turned(y=about, x=u(-6, 6), z=u(-5, 5))
    return _film(rng, _filling(rng, body.projected(view, THUMBNAIL_PX, u(0.8, 1.05), (0, u(-0.1, 0.15)))))


def other_radiograph(rng: Rng) -> Film:
    """Abdomen, pelvis, skull, hand, limb or spine, from the front, the side or between."""
    u, kind = rng.uniform, _BODIES[int(rng.integers(len(_BODIES)))]
    sides = u(70, 110) if rng.random() < 0.45 and kind not in (hand, pelvis) else u(-25, 25)
    about = 0.0 if rng.random() < 0.6 else u(-180, 180)
    turn = about if kind in (hand, limb) else u(-8, 8)
    view = turned(y=sides, x=u(-12, 12), z=turn)
    image = kind(rng).projected(view, THUMBNAIL_PX, u(0.7, 1.5), (u(-0.25, 0.25), u(-0.25, 0.25)))
    if kind is hand and rng.random() < 0.4:  # both
        image = np.hstack([image[:, ::2], image[:, ::-2]])
    return _film(rng, _filling(rng, image) if rng.random() < 0.6 else image)


def _filling(rng: Rng, attenuation: Floats) -> Floats:
    """The body fills the film from side to side, as a radiographer would have it."""
    columns = np.flatnonzero(attenuation.max(0) > 0.1)
    if len(columns) < THUMBNAIL_PX // 4:
        return attenuation
    width = columns[-1] - columns[0]
    left, right = (
        int(end + width * rng.uniform(-0.12, 0.12) * sign) for end, sign in ((columns[0], -1), (columns[-1], 1))
    )
    left, right = max(0, left), min(THUMBNAIL_PX, right)
    return np.asarray(
        cv2.resize(attenuation[:, left:right], (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_LINEAR)
    )


def mammogram(rng: Rng) -> Film:
    """A breast from one edge."""
    u = rng.uniform
    x, y = np.meshgrid(np.linspace(0, 1, THUMBNAIL_PX), np.linspace(-1, 1, THUMBNAIL_PX))
    depth = 1 - (x / u(0.4, 0.95)) ** 2 - ((y - u(-0.2, 0.2)) / u(0.5, 0.95)) ** 2
    tissue = np.maximum(depth, 0) ** u(0.2, 0.5) * (1 + u(0.1, 0.5) * cloud(rng, THUMBNAIL_PX, u(1, 1.8)))
    muscle = (x * u(1, 3) + (y + 1) * u(0.6, 1.5) < u(0, 0.8)) * u(0, 0.6)
    film = as_film(255 * (tissue + muscle * (depth > 0)) / 1.5)
    return film[:, ::-1].copy() if rng.random() < 0.5 else film


def slice_of_a_body(rng: Rng) -> Film:
    """A CT or MR slice of chest, abdomen or head: across, from the side, or from the front."""
    u = rng.uniform
    kind = (lambda rng: torso(rng, "none"), abdomen, head, pelvis, limb)[int(rng.integers(5))]
    body = kind(rng)
    way = rng.random()
    view = turned(x=90 + u(-8, 8)) if way < 0.6 else turned(y=90 + u(-8, 8)) if way < 0.85 else turned(y=u(-10, 10))
    if rng.random() < 0.45:  # MR: any tissue has any brightness
        body.solids = [(*solid[:3], solid[3] * u(-0.6, 1.4)) for solid in body.solids]
    depth = 0.0
    for _ in range(5):
        depth = u(-0.6, 0.6) if way < 0.6 else u(-0.3, 0.3)
        if (body.slice(view, 32, depth) > 0.02).mean() > 0.15:
            break
    image = body.slice(view, THUMBNAIL_PX, depth, u(0.9, 1.6))
    inside = image > 0.02
    image = image + inside * u(0, 0.25) * cloud(rng, THUMBNAIL_PX, u(0.4, 1.8)) * max(float(image.std()), 0.1)
    known = image[inside] if inside.any() else image
    low, high = np.quantile(known, u(0, 0.25)) - u(0, 0.6), np.quantile(known, u(0.8, 1)) + u(0, 0.6)
    grey = np.clip((image - low) / max(float(high - low), 1e-3), 0, 1)
    if rng.random() < 0.5:
        grey = _filling(rng, grey)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), u(0.3, 1.2)), np.float64)
    if rng.random() < 0.3:
        y, x = np.mgrid[-1 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
        grey = grey * (np.hypot(x, y) < u(0.9, 1.1))
        grey = grey + u(0, 0.5) * (np.abs(y - u(0.6, 0.9) - 0.1 * x**2) < 0.02)  # the table
    return as_film(255 * grey + u(0, 10) * rng.standard_normal(grey.shape))


def ultrasound(rng: Rng) -> Film:
    """A fan of speckle."""
    u = rng.uniform
    y, x = np.mgrid[0 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
    angle, reach = np.arctan2(x, y + u(0.05, 0.5)), np.hypot(x, y + 0.1)
    fan = (np.abs(angle) < u(0.4, 1.0)) & (reach < u(0.8, 1.1))
    speckle = np.abs(cloud(rng, THUMBNAIL_PX, u(0.2, 0.8))) * np.exp(u(0.5, 1.5) * cloud(rng, THUMBNAIL_PX, u(1.2, 2)))
    grey = fan * np.clip(speckle * u(0.2, 0.6) * np.exp(-u(0, 1) * reach), 0, 1)
    return as_film(255 * grey)


def eye(rng: Rng) -> Film:
    """The back of an eye."""
    u = rng.uniform
    y, x = np.mgrid[-1 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
    grey = u(0.3, 0.7) + 0.08 * cloud(rng, THUMBNAIL_PX, 1.8) - u(0, 0.3) * (x**2 + y**2)
    disc = np.array([u(-0.6, 0.6), u(-0.2, 0.2)])
    grey = grey + u(0.2, 0.5) * np.exp(-((x - disc[0]) ** 2 + (y - disc[1]) ** 2) / u(0.01, 0.04))
    body = Body()
    for _ in range(int(rng.integers(6, 20))):
        body.tube(line([*disc, 0], [*u(-1, 1, 2), 0], [*u(-0.3, 0.3, 2), 0]), u(0.01, 0.04), 1)
    grey = grey - u(0.1, 0.3) * np.clip(body.projected(np.eye(3), THUMBNAIL_PX), 0, 1)
    return as_film(255 * grey * (np.hypot(x, y) < u(0.85, 1.2)))


MEDICAL: tuple[tuple[float, Callable[[Rng], Film]], ...] = (
    (5, lateral_chest),
    (5, other_radiograph),
    (0.6, mammogram),
    (4, slice_of_a_body),
    (0.5, ultrasound),
    (0.4, eye),
)  # how often, and what
