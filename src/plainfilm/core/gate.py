"""What the gate says of films on disk: is each a frontal chest film at all?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.chest import reasons
from plainfilm.core.image import read_film
from plainfilm.core.progress import Progress
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage

_FILMS_A_BATCH = 256


def gate_reasons(paths: Sequence[Path], progress: Progress) -> list[str]:
    """(N,) why each film should not be answered, as `chest.reasons` says; "" where it should, or where it cannot be read."""
    said = []
    with (
        ThreadPoolExecutor(cpu_count() or 1) as pool,
        progress.task("Looking whether films are chest films", len(paths)) as task,
    ):
        for start in range(0, len(paths), _FILMS_A_BATCH):
            films = list(pool.map(_thumbnail, paths[start : start + _FILMS_A_BATCH]))
            readable = [film for film in films if film is not None]
            found = iter(reasons(np.stack(readable)) if readable else [])
            said += ["" if film is None else next(found) for film in films]
            task.advance(len(films))
    return said


def _thumbnail(path: Path) -> NDArray[np.uint8] | None:
    try:
        return thumbnail(read_film(path).pixels)
    except BadImage:
        return None
