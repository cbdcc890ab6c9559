"""Is a picture a frontal chest film, upright, with black for air? The gate before every answer, and a suspicion in `check`.

A small network (`learn/chest_network.py` trained it, `models/chest.onnx` holds it) names the pose of a film: upright or turned by
quarters, black and white as they are or swapped; or it says "no chest film". It is asked about several views of each picture (as
it is, inverted, turned), since whoever takes a photograph for a chest by chance does not take it for a chest upside down when it is
turned (Golan & El-Yaniv 2018, arXiv:1805.10917). Besides, what the network sees in a film must lie near what it saw in real ones
(Lee et al. 2018, arXiv:1807.03888), so that what resembles nothing it was trained on is turned away too.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plainfilm.core.thumbnail import without_frame

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
_VIEWS = (
    (0, False),
    (0, True),
    (2, False),
    (1, False),
)  # quarters by which the film is turned left, then black for white
_LEAST_PICTURE = 0.3  # share of the film; a frame around less than that is not cut off
_LEAST_LEVELS = 6  # grey levels between the 1st and 99th percentile; what has fewer is blank
_WORST = -12.0  # the logarithm of a probability counts no less
_BATCH = 128


class Looks(NamedTuple):
    """What the gate says of N pictures.

    reason: one of REASONS; "" for a picture that passes.
    likeness: (N,) 0..1, geometric mean of the probabilities, over the views, that the film lies as a film should; 0 where blank.
    distance: (N,) how far what the network sees in it lies from real films, in standard deviations; NaN where blank.
    least_likeness, most_distance: the limits. A picture passes within both.
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
    session = onnxruntime.InferenceSession(
        files("plainfilm.models").joinpath("chest.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
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
        films = [_without_frame(film) for film in thumbnails[some]]
        seen = [network_input(film) for film, _ in films]
        is_small[some] = [share < _LEAST_PICTURE for _, share in films]
        is_blank[some] = [film is None for film in seen]
        shown = np.stack([np.zeros((INPUT_PX, INPUT_PX), np.float32) if film is None else film for film in seen])
        likeness[some], distance[some] = _asked(shown, session)
    likeness[is_blank], distance[is_blank] = 0, np.nan
    best = likeness.argmax(1)
    passes = (likeness[:, 0] >= least_likeness) & (distance <= most_distance)
    is_posed = ~passes & (best != 0) & (likeness.max(1) >= least_likeness)
    reason = np.full(count, NO_CHEST, object)
    for pose, (quarters, is_inverted) in enumerate(POSES):
        reason[is_posed & (best == pose)] = INVERTED if is_inverted else UPSIDE_DOWN if quarters == 2 else ON_ITS_SIDE
    reason[~passes & ~is_posed & is_small] = MOSTLY_FRAME
    reason[is_blank] = BLANK
    reason[passes] = ""
    return Looks(tuple(reason), likeness[:, 0], distance, least_likeness, most_distance)


def _asked(
    films: NDArray[np.float32], session: onnxruntime.InferenceSession
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 64, 64) -> (N, 8) likeness to a chest film of each pose, over all views, and (N,) distance of the film as it is."""
    total, distance = np.zeros((len(films), len(POSES))), np.empty(0)
    for turns, swaps in _VIEWS:
        view = np.rot90(films, turns, (1, 2))
        logit, far = session.run(
            ["logit", "distance"], {"films": np.ascontiguousarray(1 - view if swaps else view)[:, None]}
        )
        logit = logit.astype(np.float64)
        logarithm = logit - np.logaddexp.reduce(logit, axis=1, keepdims=True)
        for pose, (quarters, is_inverted) in enumerate(POSES):
            total[:, pose] += np.maximum(
                logarithm[:, POSES.index(((quarters + turns) % 4, is_inverted ^ swaps))], _WORST
            )
        distance = distance if len(distance) else far.astype(np.float64)
    return np.exp(total / len(_VIEWS)), distance


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


def without_its_frame(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumbnail without a frame of one grey; as it is where hardly anything would be left."""
    return _without_frame(film)[0]


def _without_frame(film: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """What is left of a thumbnail without its frame, and what share that is; cut off only where enough is left."""
    rows, columns = without_frame(film)
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / film.size
    return (film[rows, columns] if share >= _LEAST_PICTURE else film), share
