"""Chest phantoms: drawn frontal radiographs whose finding is known, for the demo and the tests.

A film comes about as in an X-ray room. The anatomy adds up to an attenuation, the finding adds to it inside the lungs
and nowhere else, the acquisition turns the sum into grey levels. Each of the three has a random generator of its own,
so two films that differ in the finding alone have the same pixels outside the lungs: no classifier can tell the classes
from there.

phantom_chest draws the anatomy, phantom_set writes whole sets to disk.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from plainfilm.errors import BadConfig
from plainfilm.prepare.phantom_chest import Chest, Lung, draw_chest, draw_vessels
from plainfilm.prepare.phantom_drawing import Canvas, Field, Film, Mask, as_film, cloud, hill, vary

FINDINGS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
SMALLEST_PX = 64
_NATIVE_PX = 299  # the size of the films of the COVID-19 Radiography Database


class Look(NamedTuple):
    """How a place makes its films; the default is the neutral place.

    brightness: share of the grey range by which white rises; black stays. contrast: factor about the middle grey.
    blur_px: further blur, standard deviation. grain: factor on the noise. rim_px: width of a black rim.
    Pixels are those of a film of 299.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    blur_px: float = 0.0
    grain: float = 1.0
    rim_px: float = 0.0


NEUTRAL = Look()


def render_phantom(finding: str, rng: np.random.Generator, size_px: int = _NATIVE_PX) -> tuple[Film, Mask]:
    """Draw one chest film with a finding.

    finding: one of FINDINGS. size_px: width and height of the film, at least 64.
    Returns the film, (H, W) uint8 with bone bright, and the lungs, (H, W) bool, without heart and diaphragm, as in the
    masks of the COVID-19 Radiography Database. The same state of `rng` gives the same pixels, as long as numpy and
    OpenCV stay the same.
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
    size_px: int = _NATIVE_PX,
    look: Look = NEUTRAL,
) -> tuple[Film, Mask]:
    """Draw one chest film from three generators: who is examined, how the disease lies, how the film was taken.

    The same anatomy and disease with another acquisition is the same patient on another film.
    Returns and raises as render_phantom does.
    """
    if finding not in FINDINGS:
        raise BadConfig(f"finding: unknown: {finding!r}; known are {', '.join(FINDINGS)}")
    if size_px < SMALLEST_PX:
        raise BadConfig(f"size_px: {size_px} is too small to draw a chest in; take {SMALLEST_PX} or more")
    canvas = Canvas.placed(acquisition, size_px)
    chest = draw_chest(anatomy, canvas)
    opacity = _draw_finding(finding, disease, chest, canvas)
    return _expose(chest.attenuation, opacity, acquisition, look), chest.lungs


def _draw_finding(finding: str, rng: np.random.Generator, chest: Chest, canvas: Canvas) -> Field:
    """What the disease adds to the attenuation: (H, W), falling to zero at the edge of the lungs and zero beyond."""
    if finding == "Normal":
        return np.zeros_like(chest.attenuation)
    draw = {"COVID": _ground_glass, "Lung_Opacity": _consolidation, "Viral Pneumonia": _interstitial}[finding]
    severity = float(np.exp(vary(rng, 0.28)))
    outlines = canvas.layer().fill(*(lung.outline for lung in chest.sides))
    within = np.clip(outlines.soft(0.012, 2) - 1, 0, 1) * chest.lungs
    return draw(rng, chest.sides, canvas) * within * severity


def _ground_glass(rng: np.random.Generator, sides: tuple[Lung, Lung], canvas: Canvas) -> Field:
    """COVID: hazy patches in both lungs, near the wall and low, with the vessels still showing through."""
    haze = np.zeros((96, 96), np.float32)
    for lung in sides:
        for _ in range(int(rng.integers(2, 6))):
            centre = lung.at(rng.beta(4, 1.3), rng.beta(3.2, 1.4))
            haze += hill(rng, centre, 0.09 + 0.09 * rng.random(), 96) * (0.7 + 0.5 * rng.random())
    mottled = (1 - np.exp(-1.2 * haze)) * (1 + 0.3 * cloud(rng, 96, (12, 24, 48)))
    return canvas.warped(0.21 * mottled)


def _consolidation(rng: np.random.Generator, sides: tuple[Lung, Lung], canvas: Canvas) -> Field:
    """Lung opacity: one dense region with soft edges, in one lung."""
    lung = sides[int(rng.integers(2))]
    centre, radius = lung.at(0.3 + 0.4 * rng.random(), 0.25 + 0.65 * rng.random()), 0.14 + 0.10 * rng.random()
    bulk = np.zeros((96, 96), np.float32)
    for _ in range(4):
        bulk += hill(rng, centre + vary(rng, 0.05, 2), radius * (0.7 + 0.4 * rng.random()), 96)
    ragged = bulk * (1 + 0.35 * cloud(rng, 96, (8, 16, 32)))
    dense = np.clip((ragged - 0.5) / 1.7, 0, 1)
    return canvas.warped(np.asarray(0.29 * dense**2 * (3 - 2 * dense), np.float32))


def _interstitial(rng: np.random.Generator, sides: tuple[Lung, Lung], canvas: Canvas) -> Field:
    """Viral pneumonia: a net of fine lines all through both lungs, denser about the hila, with streaks from them."""
    lines = [np.exp(-((cloud(rng, 192, (cells,)) / 0.45) ** 2)) for cells in (52, 36)]  # where a cloud crosses zero
    hills = [hill(rng, lung.hilum + np.array([lung.side * 0.12, 0.10]), 0.28, 192) for lung in sides]
    spread = (0.45 + 0.55 * (hills[0] + hills[1])) * np.clip(0.85 + 0.3 * cloud(rng, 192, (7,)), 0.2, 1.5)
    net = canvas.warped((0.08 * (lines[0] + lines[1]) + 0.03) * spread)
    streaks = 0.09 * (1 - np.exp(-draw_vessels(rng, canvas, sides)))
    return np.asarray(net + streaks, np.float32)


def _expose(attenuation: Field, opacity: Field, rng: np.random.Generator, look: Look) -> Film:
    """Turn attenuation into grey levels: unsharpness, film curve, grain, side marker, rim.

    The opacity joins after the blur and alters the pixels it lies on alone.
    """
    scale = len(attenuation) / _NATIVE_PX
    middle, slope, lift = 0.49 + vary(rng, 0.04), 6.0 + vary(rng, 0.8), look.brightness + vary(rng, 0.03)
    blur_px, grain = scale * (0.45 + 0.25 * rng.random() + look.blur_px), (4.5 + vary(rng, 1.1)) * look.grain
    noise = cv2.GaussianBlur(rng.standard_normal(attenuation.shape, np.float32), (0, 0), 0.6)
    sharp = cv2.GaussianBlur(attenuation, (0, 0), blur_px) + opacity
    bright = 1 / (1 + np.exp(slope * (middle - sharp)))
    grey = 255 * (0.5 + look.contrast * (bright - 0.5) + lift * bright) + grain * noise
    film = as_film(grey)
    _stamp_side(film, rng, scale)
    if rim := round(look.rim_px * scale):
        film[:rim], film[-rim:], film[:, :rim], film[:, -rim:] = 4, 4, 4, 4
    return film


def _stamp_side(film: Film, rng: np.random.Generator, scale: float) -> None:
    """Stamp an R at the viewer's left, an L at the right, or neither."""
    letter = ("R", "L", "")[int(rng.integers(3))]
    margin, down, height = 0.04 + 0.04 * rng.random(), 0.09 + 0.08 * rng.random(), 0.5 + 0.15 * rng.random()
    corner = np.array([margin if letter == "R" else 0.94 - margin, down]) * len(film)
    thickness = max(1, round(1.4 * scale))
    where = (round(corner[0]), round(corner[1]))
    cv2.putText(film, letter, where, cv2.FONT_HERSHEY_SIMPLEX, height * scale, 235, thickness, cv2.LINE_AA)
