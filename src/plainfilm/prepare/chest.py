"""Does a picture look like a frontal chest film? A suspicion, never a verdict.

    python -m plainfilm.prepare.chest FOLDER... -o src/plainfilm/models/chest.npz

The average frontal film and the main ways in which films differ from it (principal components at 32 pixels) explain
most of any other frontal film, and little of a CT slice, a photograph or a hand. A film that is explained better with black for
white is inverted; one that is explained better upside down, or on its side, lies so. Frames of one grey are cut off before.
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.files import written_whole
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.thumbnail import thumbnail, without_frame
from plainfilm.errors import BadImage

_SIDE_PX = 32
_COMPONENTS = 12
_FOREIGN_SHARE = 0.002  # of real chest films may be suspected
_CLEARLY_INVERTED, _CLEARLY_TURNED = 0.05, 0.10  # by so much another pose must explain more than the film as it is
_SMALLEST_PX = 32  # what is left of a 128-pixel thumbnail without its frame


class Likeness(NamedTuple):
    """How much like a frontal chest film each picture is.

    value: (N,) float, 0..1, share of the picture that is explained; 0 for one without any contrast.
    is_foreign, is_inverted, is_turned: (N,) bool, suspicions: no frontal chest film; black is white; upside down or on its side.
    """

    value: NDArray[np.float64]
    is_foreign: NDArray[np.bool_]
    is_inverted: NDArray[np.bool_]
    is_turned: NDArray[np.bool_]


def likeness(thumbnails: NDArray[np.uint8]) -> Likeness:
    """Likeness of (N, H, H) uint8 thumbnails."""
    with np.load(BytesIO(files("plainfilm.models").joinpath("chest.npz").read_bytes())) as known:
        mean, components, least = known["mean"], known["components"], float(known["least"])
    small = _small(thumbnails)
    upright = _ranked(small)
    value = _explained(upright, mean, components)
    inverted = _explained(-upright, mean, components)
    turned = np.max(
        [_explained(_ranked(np.rot90(small, quarters, (1, 2))), mean, components) for quarters in (1, 2, 3)], 0
    )
    best = np.maximum(inverted, turned)
    is_inverted = (inverted >= turned) & (inverted > value + _CLEARLY_INVERTED) & (inverted >= least)
    is_turned = (turned > inverted) & (turned > value + _CLEARLY_TURNED) & (turned >= least)
    return Likeness(value, np.maximum(value, best) < least, is_inverted, is_turned)


def _small(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, H) -> (N, 32, 32), frames cut off."""
    small = []
    for film in thumbnails:
        picture = film[without_frame(film)]
        picture = picture if min(picture.shape) >= _SMALLEST_PX else film
        small.append(cv2.resize(picture, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA))
    return np.stack(small).astype(np.uint8)


def _ranked(small: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 32, 32) -> (N, 32 * 32) ranks of grey, free of exposure and contrast, mean 0 and length 1."""
    flat = small.reshape(len(small), -1)
    order = flat.argsort(1, kind="stable").argsort(1, kind="stable").astype(np.float64)
    order[flat.std(1) < 1] = 0
    centred = order - order.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-9), np.float64)


def _explained(
    films: NDArray[np.float64], mean: NDArray[np.float64], components: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of each film that the average film, with its own sign, and the components account for."""
    along = np.maximum(films @ mean, 0)
    return np.asarray(along**2 + ((films @ components.T) ** 2).sum(1), np.float64)


def fit(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """The average film, the components, and the least likeness of real films: what the file in `models` holds."""
    films = _ranked(_small(thumbnails))
    mean = films.mean(0)
    mean /= np.linalg.norm(mean)
    rest = films - np.outer(films @ mean, mean)
    components = np.linalg.svd(rest, full_matrices=False)[2][:_COMPONENTS]
    least = np.quantile(_explained(films, mean, components), _FOREIGN_SHARE)
    return mean.astype(np.float32), components.astype(np.float32), float(least)


def main() -> None:
    """Fit on the films below some folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    found = []
    for path in sorted(path for folder in options.folders for path in folder.rglob("*") if is_film_name(path)):
        try:
            found.append(thumbnail(read_film(path).pixels))
        except BadImage as error:
            print(error, file=sys.stderr)
    mean, components, least = fit(np.stack(found))
    with written_whole(options.output) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, mean=mean, components=components, least=least)


if __name__ == "__main__":
    main()
