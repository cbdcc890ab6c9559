"""Is a picture a frontal chest film, upright, with black for air? The gate before every answer, and a suspicion in `check`.

A small network (`learn/chest_network.py` trained it, `models/chest.onnx` holds it) names the pose of a film: upright or turned by
quarters, black and white as they are or swapped; or it says "no chest film". Besides, what it sees in a film must lie near what it
saw in real ones (Lee et al. 2018, arXiv:1807.03888), so that what resembles nothing it was trained on is turned away too.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.metrics import softmax
from plainfilm.core.onnx_session import onnx_session
from plainfilm.core.thumbnail import without_frame

if TYPE_CHECKING:
    import onnxruntime

NO_CHEST = "no frontal chest film"
INVERTED = "black and white are swapped"
UPSIDE_DOWN = "upside down"
ON_ITS_SIDE = "on its side"
BLANK = "blank"
MOSTLY_FRAME = "mostly an empty frame"
REASONS = (NO_CHEST, INVERTED, UPSIDE_DOWN, ON_ITS_SIDE, BLANK, MOSTLY_FRAME)

INPUT_PX = 64
POSES = tuple((quarters, is_inverted) for is_inverted in (False, True) for quarters in range(4))  # turned left so often
FOREIGN = len(POSES)  # the network's last class
_LEAST_PICTURE = 0.3  # share of the film; a frame around less than that is not cut off
_LEAST_LEVELS = 6  # grey levels between the 1st and 99th percentile; what has fewer is blank
_FAINT_LEVELS = 100  # what has fewer is faint
_CLEARLY_POSED = 0.5  # probability of another pose from which on that pose is the reason
_BATCH = 128


class Looks(NamedTuple):
    """What the gate says of N pictures.

    reason: one of REASONS; "" for a picture that passes.
    likeness: (N,) 0..1, probability that it is a chest film and lies as a film should; 0 where blank.
    distance: (N,) how far what the network sees in it lies from real films, in standard deviations; NaN where blank.
    least_likeness, most_distance: the limits. A picture passes within both, unless it is lost in its frame.
    """

    reason: tuple[str, ...]
    likeness: NDArray[np.float64]
    distance: NDArray[np.float64]
    least_likeness: float
    most_distance: float


class Likeness(NamedTuple):
    """How much like a frontal chest film each picture is, as `check` and `explore` suspect it.

    value: (N,) 0..1, likeness.
    is_foreign, is_inverted, is_turned: (N,) bool: no frontal chest film; black is white; upside down or on its side.
    """

    value: NDArray[np.float64]
    is_foreign: NDArray[np.bool_]
    is_inverted: NDArray[np.bool_]
    is_turned: NDArray[np.bool_]


def reasons(thumbnails: NDArray[np.uint8]) -> list[str]:
    """Why each of (N, 128, 128) thumbnails (`core/thumbnail.py`) is turned away: one of REASONS, or "" where it passes."""
    return list(looks(thumbnails).reason)


def likeness(thumbnails: NDArray[np.uint8]) -> Likeness:
    """Likeness of (N, 128, 128) uint8 thumbnails; a blank one counts as foreign."""
    seen = looks(thumbnails)
    reason = np.array(seen.reason, object)
    is_inverted, is_turned = reason == INVERTED, (reason == UPSIDE_DOWN) | (reason == ON_ITS_SIDE)
    return Likeness(seen.likeness, (reason != "") & ~is_inverted & ~is_turned, is_inverted, is_turned)


def looks(thumbnails: NDArray[np.uint8]) -> Looks:
    """What the gate that ships inside says of (N, 128, 128) uint8 thumbnails."""
    session, limits = _shipped()
    return judged(thumbnails, session, *limits)


@cache
def _shipped() -> tuple[onnxruntime.InferenceSession, tuple[float, float]]:
    model = files("plainfilm.models").joinpath("chest.onnx").read_bytes()
    session = onnx_session(model, threads=1)  # so small a network gains nothing by more
    limits = json.loads(session.get_modelmeta().custom_metadata_map["limits"])
    return session, (float(limits["least_likeness"]), float(limits["most_distance"]))


def judged(
    thumbnails: NDArray[np.uint8],
    session: onnxruntime.InferenceSession,
    least_likeness: float,
    most_distance: float,
) -> Looks:
    """What a gate with a network and limits of one's own says."""
    count = len(thumbnails)
    likeness, distance = np.zeros((count, len(POSES))), np.full(count, np.nan)
    is_blank, is_small = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    for start in range(0, count, _BATCH):
        some = slice(start, start + _BATCH)
        films = [without_its_frame(film) for film in thumbnails[some]]
        seen = [network_input(film) for film, _ in films]
        is_small[some] = [share < _LEAST_PICTURE for _, share in films]
        is_blank[some] = [film is None for film in seen]
        shown = np.stack([np.zeros((INPUT_PX, INPUT_PX), np.float32) if film is None else film for film in seen])
        logit, distance[some] = session.run(["logit", "distance"], {"films": shown[:, None]})
        likeness[some] = softmax(logit)[:, : len(POSES)]
    likeness[is_blank], distance[is_blank] = 0, np.nan
    passes = (likeness[:, 0] >= least_likeness) & (distance <= most_distance) & ~is_small
    best = likeness.argmax(1)
    is_posed = ~passes & (best != 0) & (likeness.max(1) >= _CLEARLY_POSED)
    reason = np.full(count, NO_CHEST, object)
    reason[is_small] = MOSTLY_FRAME
    for pose, (quarters, is_inverted) in enumerate(POSES):
        reason[is_posed & (best == pose)] = INVERTED if is_inverted else UPSIDE_DOWN if quarters == 2 else ON_ITS_SIDE
    reason[is_blank], reason[passes] = BLANK, ""
    return Looks(tuple(reason), likeness[:, 0], distance, least_likeness, most_distance)


def network_input(picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """(H, W) grey without its frame -> (64, 64) float32, 0..1 from its 1st to its 99th percentile; None where it is blank.

    Inverting, turning or mirroring the picture does the same to what comes out.
    """
    small = cv2.resize(picture.astype(np.float32), (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
    ordered = np.sort(small, axis=None)
    low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    if high - low < _LEAST_LEVELS:
        return None
    return np.asarray(np.clip((small - low) / (high - low), 0, 1), np.float32)


def without_its_frame(film: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The thumbnail without a frame of one grey, and what share of it that is; as it is where hardly anything would be left."""
    rows, columns = without_frame(_clear(film))
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / film.size
    return (film[rows, columns] if share >= _LEAST_PICTURE else film), share


def _clear(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A faint film with all its contrast, since what hardly varies counts as a frame; any other film as it is."""
    ordered = np.sort(film[::4, ::4], axis=None).astype(np.float32)
    low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    if not _LEAST_LEVELS <= high - low < _FAINT_LEVELS:
        return film
    return np.asarray(np.clip((film - low) * (255 / (high - low)), 0, 255), np.uint8)
