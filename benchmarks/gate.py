"""Who passes the gate of frontal chest films, and who does not: the tables of docs/results/gate.md.

    python benchmarks/gate.py ../shared/films MANIFEST [--pictures FOLDER...] [--split test]

films: the folder of real films. MANIFEST: of its radiography folder; films of the split are judged. --pictures: folders of pictures
that are no chest films and that the training has not seen. pydicom's own test files are taken from where pydicom is installed.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from scipy.stats import binomtest

from plainfilm.core.chest import looks, reasons
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage
from plainfilm.learn.drawings import DRAWN
from plainfilm.learn.spoilings import no_longer_a_chest
from plainfilm.prepare.phantom import FINDINGS, render_phantom

Films = NDArray[np.uint8]
Change = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def share(count: int, of: int) -> str:
    """A share in percent with Wilson's 95% interval."""
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count / of:.2%} ({low:.2%} to {high:.2%})"


def row(name: str, films: Films, names: Iterable[str] = (), show: str = "") -> None:
    """A line of the table; show: which to name, those that "passed" or were turned "away"."""
    said = reasons(films)
    away = Counter(reason for reason in said if reason)
    named = [n for n, s in zip(names, said, strict=False) if (s == "") == (show == "passed")] if show else []
    why = "; ".join(f"{reason} {count}" for reason, count in away.most_common())
    tail = f" | {show}: {', '.join(named)}" if named else ""
    print(
        f"| {name} | {len(films):,} | {away.total():,} | {share(away.total(), len(films))} | {why}{tail} |", flush=True
    )


def below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if is_film_name(path))


def opened(paths: Iterable[Path]) -> tuple[Films, list[str]]:
    """Thumbnails and names of what can be read, each picture once; a DICOM file that is no radiograph is read regardless."""
    films: list[Films] = []
    names, known = [], set()
    for path in paths:
        film: Films | None
        try:
            film = thumbnail(read_film(path).pixels)
        except BadImage:
            film = _any_dicom(path)
        if film is not None and film.tobytes() not in known:
            known.add(film.tobytes())
            films.append(film)
            names.append(path.name)
    return np.stack(films), names


def _any_dicom(path: Path) -> Films | None:
    try:
        pixels = np.squeeze(pydicom.dcmread(path).pixel_array)
    except Exception:
        return None  # no pixels, or damaged on purpose
    if pixels.ndim == 4 or (pixels.ndim == 3 and pixels.shape[-1] not in (3, 4)):
        pixels = pixels[0]
    if pixels.ndim == 3:
        pixels = pixels[..., :3].mean(-1)
    if pixels.ndim != 2 or min(pixels.shape) < 16:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    return thumbnail(np.asarray(255 * (pixels - low) / max(high - low, 1e-9), np.uint8))


def _turned(degrees: float) -> Change:
    def change(film: Films, rng: np.random.Generator) -> Films:
        height, width = film.shape
        angle = degrees * rng.choice([-1, 1])
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
        return cv2.warpAffine(film, matrix, (width, height)).astype(np.uint8)

    return change


def _cropped(of: float) -> Change:
    def change(film: Films, rng: np.random.Generator) -> Films:
        height, width = film.shape
        top, left = (int(size * of * rng.random()) for size in (height, width))
        return film[top : top + int(height * (1 - of)), left : left + int(width * (1 - of))]

    return change


def _framed(of: float) -> Change:
    def change(film: Films, rng: np.random.Generator) -> Films:
        high, wide = (int(size * of) for size in film.shape)
        grey = float(rng.choice([0, 255]))
        framed = cv2.copyMakeBorder(film, high, high, wide, wide, cv2.BORDER_CONSTANT, value=grey)
        return np.asarray(framed, np.uint8)

    return change


def _tube(film: Films, rng: np.random.Generator) -> Films:
    film = film.copy()
    points = np.add(np.cumsum(rng.normal([0, 14], 7, (14, 2)), 0), [rng.uniform(60, 190), 0])
    cv2.polylines(film, [points.astype(np.int32)], False, 235, 3, cv2.LINE_AA)
    cv2.putText(film, "PORTABLE AP 12:40", (10, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    return film


STILL_CHEST: dict[str, Change] = {
    "turned by 5 degrees": _turned(5),
    "turned by 10 degrees": _turned(10),
    "turned by 15 degrees": _turned(15),
    "cropped by 5% of each side": _cropped(0.05),
    "cropped by 10%": _cropped(0.10),
    "cropped by 15%": _cropped(0.15),
    "in a frame of 10%": _framed(0.1),
    "in a frame of 25%": _framed(0.25),
    "a tube and a line of text": _tube,
    "a quarter of the contrast": lambda film, rng: (90 + film // 4).astype(np.uint8),
    "an eighth of the contrast": lambda film, rng: (90 + film // 8).astype(np.uint8),
    "gamma 0.5": lambda film, rng: (255 * (film / 255.0) ** 0.5).astype(np.uint8),
    "gamma 2": lambda film, rng: (255 * (film / 255.0) ** 2).astype(np.uint8),
    "CLAHE": lambda film, rng: cv2.createCLAHE(3, (8, 8)).apply(film).astype(np.uint8),
    "blur": lambda film, rng: cv2.GaussianBlur(film, (0, 0), 3).astype(np.uint8),
    "noise": lambda film, rng: np.clip(film + rng.normal(0, 20, film.shape), 0, 255).astype(np.uint8),
    "mirrored": lambda film, rng: film[:, ::-1],
}
POSED: dict[str, Change] = {
    "inverted": lambda film, rng: 255 - film,
    "upside down": lambda film, rng: film[::-1, ::-1],
    "on its left": lambda film, rng: np.rot90(film),
    "on its right": lambda film, rng: np.rot90(film, 3),
    "inverted and upside down": lambda film, rng: 255 - film[::-1, ::-1],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    rng = np.random.default_rng(11)
    manifest = Manifest.open(options.manifest)
    rows = manifest.ok.query("split == @options.split")
    pixels = [read_film(manifest.root / path).pixels for path in rows["path"]]
    films = np.stack([thumbnail(film) for film in pixels])
    print("| real frontal films | films | turned away | share | why |\n|---|---|---|---|---|")
    row(f"radiography, {options.split}", films, rows["image_id"], "away")
    for label in manifest.classes:
        row(f"... {label}", films[(rows["label"] == label).to_numpy()])
    if options.split == "test":
        for name in ("external", "native299", "dicom"):
            row(
                name, *opened(path for path in below(options.films / name) if not path.name.startswith("not-a")), "away"
            )
        lungs = below(options.films / "lungs" / "images")
        row("lungs, odd numbers", *opened(path for path in lungs if _number(path) % 2), "away")
    phantoms = [render_phantom(finding, rng)[0] for finding in FINDINGS for _ in range(100)]
    row("phantoms", np.stack([thumbnail(film) for film in phantoms]))
    for title, changes in (("still a chest film", STILL_CHEST), ("posed", POSED)):
        print(f"\n| {title} | films | turned away | share | why |\n|---|---|---|---|---|")
        for name, change in changes.items():
            row(
                name, np.stack([thumbnail(np.ascontiguousarray(change(film.astype(np.uint8), rng))) for film in pixels])
            )
    print("\n| no chest film | pictures | turned away | share | why |\n|---|---|---|---|---|")
    if options.split == "test":
        row("ood", *opened(below(options.films / "ood")), "passed")
        tests = Path(pydicom.__file__).parent / "data" / "test_files"
        row("pydicom's test files", *opened(sorted(tests.rglob("*.dcm"))), "passed")
        for folder in options.pictures:
            row(f"pictures of {folder.name}", *opened(below(folder)), "passed")
    spoiled = [no_longer_a_chest(film, films[rng.integers(len(films))], rng) for film in films]
    row("films whose order is destroyed", np.stack(spoiled))
    for _, draw in DRAWN:
        row(f"drawn: {draw.__name__}", np.stack([draw(rng) for _ in range(200)]))
    begun = time.perf_counter()
    seen = looks(films)
    spent = 1e3 * (time.perf_counter() - begun) / len(films)
    print(f"\n{spent:.2f} ms a film; limits: likeness {seen.least_likeness:.4f}, distance {seen.most_distance:.2f}")


def _number(path: Path) -> int:
    found = re.search(r"_(\d{4})_", path.name)
    return int(found.group(1)) if found else 0


if __name__ == "__main__":
    main()
