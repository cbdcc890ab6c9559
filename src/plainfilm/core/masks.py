"""The lungs of a manifest's films: by the set's own masks where every film has one, else by the segmenter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.image import read_film
from plainfilm.core.lungs import find_lungs_of
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import Pixels, Preprocess
from plainfilm.core.progress import Progress

OWN, FOUND = "the set's own masks", "plainfilm's segmenter"
_CHUNK = 64


def _lit(mask: Pixels) -> Pixels:
    """A mask whose lungs are white. Numbers of labels, such as 1 and 2 for left and right, are all of them lung.

    mask: (H, W) uint8 or uint16. One with grey levels stays: its noise, as JPEG leaves it, lies below the middle of the scale.
    """
    middle = (int(np.iinfo(mask.dtype).max) + 1) // 2
    return mask if mask.max(initial=0) >= middle else (mask > 0).astype(np.uint8) * np.uint8(255)


def lung_masks(
    manifest: Manifest, rows: pd.DataFrame, films: NDArray[np.uint8], recipe: Preprocess, progress: Progress
) -> tuple[NDArray[np.bool_], str]:
    """Where the lungs lie in films as the network sees them, and by whom that is known: OWN or FOUND.

    rows: N rows of the manifest. films: (N, S, S) uint8, fitted by `recipe`.
    Returns (N, S, S) bool; all False where none were found.
    Raises BadImage where a mask that the manifest names cannot be read.
    """
    if not (len(rows) and (rows["mask_path"] != "").all()):
        return find_lungs_of(films, progress), FOUND
    plain = replace(recipe, contrast="none", region="film")

    def mask(path: str) -> NDArray[np.bool_]:
        return plain.fitted(_lit(read_film(manifest.film_path(path)).pixels)) >= 128

    lungs = np.empty(films.shape, np.bool_)
    paths = list(rows["mask_path"])
    with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Reading lung masks", len(paths)) as task:
        for start in range(0, len(paths), _CHUNK):
            some = paths[start : start + _CHUNK]
            lungs[start : start + len(some)] = np.stack(list(pool.map(mask, some)))
            task.advance(len(some))
    return lungs, OWN
