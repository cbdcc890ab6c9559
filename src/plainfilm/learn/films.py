"""Films decoded once, kept as a uint8 memory map at the training size, and served as batches to the device.

The cache lies beside the manifest under a name made of what decides its content, so a stale one is never read: other films,
another size, another contrast or another segmenter of lungs is another file. Where the recipe goes by the lungs, a list of the
films in which none were found lies beside it.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from plainfilm.core.cache_folder import cache_folder, remove_abandoned, reserve
from plainfilm.core.files import read_json, write_json, written_whole
from plainfilm.core.image import pixel_sha256, read_film
from plainfilm.core.lungs import NO_LUNGS, find_lungs, segmenter_version
from plainfilm.core.manifest import Manifest, shown
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Progress
from plainfilm.core.words import counted
from plainfilm.errors import BadImage, BadManifest

_FORMAT_VERSION = 1
_CHUNK = 128
_DEVICE_SHARE = 0.5  # of the accelerator's free memory that the films may fill


class FilmCache:
    """All readable, labelled films of a manifest at the network's size.

    rows: the manifest's rows, in the order of the films.
    pixels: (N, size, size) uint8, memory-mapped.
    without_lungs: the films, by image_id, in which no lungs were found; none where nobody looked.
    """

    def __init__(
        self, rows: pd.DataFrame, pixels: NDArray[np.uint8], device: torch.device, without_lungs: frozenset[str]
    ) -> None:
        self.rows = rows
        self.pixels = pixels
        self.without_lungs = without_lungs
        self.device = device
        self._on_device: torch.Tensor | None = None
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if pixels.nbytes < free * _DEVICE_SHARE:
                self._on_device = torch.from_numpy(np.array(pixels)).to(device)

    def batch(self, films: NDArray[np.int64]) -> torch.Tensor:
        """The chosen films on the device, (B, 1, size, size) uint8."""
        if self._on_device is not None:
            return self._on_device[torch.from_numpy(films).to(self.device)].unsqueeze(1)
        return torch.from_numpy(self.pixels[films]).unsqueeze(1).to(self.device)


def cache_films(
    manifest: Manifest, rows: pd.DataFrame, preprocess: Preprocess, device: torch.device, progress: Progress
) -> FilmCache:
    """Open the cache of these rows, or decode the films and write it.

    A film in which no lungs are found is black where the recipe asks for lungs alone, and whole where it asks for the background;
    how many there are is said.

    Raises BadManifest where a film is gone or its pixels are no longer those that prepare saw, naming the films.
    """
    shape = (len(rows), preprocess.size, preprocess.size)
    name = f"films-{preprocess.size}px-{_key(rows, preprocess)}.npy"
    assert manifest.path is not None
    folder = cache_folder(manifest.path.parent)
    path = folder / name
    listed = path.with_suffix(".no-lungs.json")
    if not path.exists() or (preprocess.looks_for_lungs and not listed.exists()):
        remove_abandoned(folder)
        with written_whole(path) as temporary:
            pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            reserve(temporary)
            has_lungs = _decode_into(pixels, manifest, rows, preprocess, progress)
            pixels.flush()
            del pixels
        if preprocess.looks_for_lungs:
            write_json(listed, {"image_ids": list(rows["image_id"][~has_lungs])})
    pixels = np.load(path, mmap_mode="r")
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise BadManifest(f"{path} is no film cache of this manifest: remove it", manifest.path)
    without = frozenset(read_json(listed, BadManifest)["image_ids"] if preprocess.looks_for_lungs else ())
    if without:
        seen = "black" if preprocess.region == "lungs" else "as they are"
        progress.say(f"{NO_LUNGS} in {counted(len(without), 'film')} of {len(pixels)}: the network sees them {seen}")
    return FilmCache(rows.reset_index(drop=True), pixels, device, without)


def fitted_film(manifest: Manifest, row: pd.Series[str], preprocess: Preprocess) -> tuple[NDArray[np.uint8], bool]:
    """One film of a manifest at the network's size, (size, size) uint8; and whether it has lungs, True where nobody looked.

    Raises BadImage where it cannot be read or where its pixels are not those that prepare saw.
    """
    path = manifest.film_path(row["path"])
    film = read_film(path)
    if row["sha256"] and pixel_sha256(film.pixels) != row["sha256"]:
        raise BadImage("has other pixels than when the manifest was made: prepare again", path)
    if not preprocess.looks_for_lungs:
        return preprocess.fitted(film.pixels), True
    lungs = find_lungs(film.pixels)
    return preprocess.fitted(film.pixels, lungs.mask), lungs.is_found


def _decode_into(
    pixels: NDArray[np.uint8], manifest: Manifest, rows: pd.DataFrame, preprocess: Preprocess, progress: Progress
) -> NDArray[np.bool_]:
    """Fill `pixels`, (N, size, size), with the films; returns (N,) which of them have lungs."""
    failures: list[str] = []
    has_lungs = np.ones(len(rows), np.bool_)
    records = rows.to_dict("records")

    def decode(place: int) -> None:
        try:
            pixels[place], has_lungs[place] = fitted_film(manifest, records[place], preprocess)  # type: ignore[arg-type]
        except BadImage as error:
            failures.append(str(error))

    workers = cpu_count() or 1
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(workers) as pool, progress.task("Decoding films", len(records)) as task:
            for start in range(0, len(records), _CHUNK):
                places = range(start, min(start + _CHUNK, len(records)))
                list(pool.map(decode, places))
                task.advance(len(places))
    finally:
        cv2.setNumThreads(cv2_threads)
    if failures:
        raise BadManifest(f"{len(failures)} films cannot be used: {shown(sorted(failures))}", manifest.path)
    return has_lungs


def _key(rows: pd.DataFrame, preprocess: Preprocess) -> str:
    recipe = {**preprocess.to_dict(), "mean": 0, "std": 0, "version": _FORMAT_VERSION}
    if preprocess.looks_for_lungs:
        recipe["segmenter"] = segmenter_version()
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    digest.update("\n".join(rows["sha256"]).encode())
    return digest.hexdigest()[:16]
