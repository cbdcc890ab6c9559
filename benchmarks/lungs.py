"""How well the lungs are found, how fast, and in what: the tables of docs/results/lungs.md.

    python benchmarks/lungs.py PAIRS [--split test] [--films MANIFEST ...] [--pictures FOLDER ...] [--sheets FOLDER]

PAIRS: manifest of films with masks, by `plainfilm prepare`. --films: manifests of films without, whose split is looked through.
--pictures: folders of what is no chest film. --sheets: where to write contact sheets: the worst pairs, films of each manifest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy.stats import binomtest

import plainfilm.core.lungs as lungs
from plainfilm.core.bootstrap import Interval, format_interval, percentile_intervals
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import to_uint8
from plainfilm.core.ranking import Floats, Integers
from plainfilm.errors import BadImage
from plainfilm.learn.drawings import DRAWN
from plainfilm.prepare.phantom import FINDINGS, render_phantom

Mask = NDArray[np.bool_]
Change = Callable[[NDArray[np.uint8], Mask], tuple[NDArray[np.uint8], Mask]]
_SIDE_PX = 192
_SEED = 20261121  # other drawings and phantoms than those of the training


def dice(found: Mask, true: Mask) -> float:
    """Twice the overlap over both areas; 1 where both are empty."""
    both = int(found.sum() + true.sum())
    return 1.0 if both == 0 else float(2 * (found & true).sum() / both)


def mean_of(scores: Sequence[float], patient: Sequence[str]) -> Interval:
    """The mean over films, with a 95% bootstrap interval over patients."""
    score = np.array(scores)

    def mean(times: Integers) -> Floats:
        return np.asarray(((times @ score) / times.sum(axis=1))[:, None], np.float64)  # (W, 1)

    return percentile_intervals(mean, patient, repeats=2000, seed=0)[0]


def spread(values: Sequence[float]) -> str:
    """The lower quantiles of a list of scores."""
    low, tenth, half = np.quantile(values, (0, 0.1, 0.5))
    return f"{low:.3f} | {tenth:.3f} | {half:.3f}"


def share(count: int, of: int) -> str:
    """A share in percent with Wilson's 95% interval."""
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of}: {count / of:.1%} ({low:.1%} to {high:.1%})"


def outlined(pixels: NDArray[np.uint8], *masks: tuple[Mask, tuple[int, int, int]]) -> NDArray[np.uint8]:
    """A film for a contact sheet, with outlines in colours."""
    picture = cv2.cvtColor(cv2.resize(pixels, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    for mask, colour in masks:
        small = cv2.resize(mask.astype(np.uint8), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_NEAREST)
        cv2.drawContours(picture, cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], -1, colour, 1)
    return np.asarray(picture, np.uint8)


def write_sheet(path: Path, pictures: Sequence[NDArray[np.uint8]], columns: int = 8) -> None:
    """Pictures in rows."""
    blank = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.uint8)
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [np.hstack(filled[start : start + columns]) for start in range(0, len(filled), columns)]
    cv2.imwrite(str(path), np.vstack(rows))


def judge_pairs(manifest: Manifest, split: str, sheets: Path | None) -> None:
    """Dice of the films of a split that have masks."""
    rows = manifest.ok.query("split == @split and mask_path != ''")
    scores, pictures = [], []
    for film, mask in zip(rows["path"], rows["mask_path"], strict=True):
        pixels = read_film(manifest.film_path(film)).pixels
        true = read_film(manifest.film_path(mask)).pixels > 127
        found = lungs.find_lungs(pixels).mask
        scores.append(dice(found, true))
        pictures.append(outlined(to_uint8(pixels), (true, (0, 200, 0)), (found, (0, 0, 255))))
    table = rows.assign(dice=scores)
    for name, part in [("all", table), *table.groupby("source"), *table.groupby("label")]:
        mean = format_interval(mean_of(part["dice"].tolist(), part["group"].tolist()), 4)
        print(f"| {name} | {len(part)} | {mean} | {spread(part['dice'].tolist())} |", flush=True)
    worst = np.argsort(scores)[:24]
    print("worst:", ", ".join(f"{rows['image_id'].iloc[place]} {scores[place]:.3f}" for place in worst[:8]))
    if sheets:
        write_sheet(sheets / "worst-pairs.png", [pictures[place] for place in worst])


def _turned(degrees: float) -> Change:
    def change(film: NDArray[np.uint8], true: Mask) -> tuple[NDArray[np.uint8], Mask]:
        middle = ((film.shape[1] - 1) / 2, (film.shape[0] - 1) / 2)
        matrix = cv2.getRotationMatrix2D(middle, degrees, 1)
        turned = [cv2.warpAffine(array, matrix, film.shape[::-1]) for array in (film, true.astype(np.uint8))]
        return turned[0].astype(np.uint8), turned[1] > 0

    return change


def _framed(film: NDArray[np.uint8], true: Mask) -> tuple[NDArray[np.uint8], Mask]:
    width = film.shape[1] // 4
    return np.pad(film, width), np.pad(true, width)


def _cropped(film: NDArray[np.uint8], true: Mask) -> tuple[NDArray[np.uint8], Mask]:
    cut = film.shape[0] // 8
    return film[cut:-cut, cut:-cut].copy(), true[cut:-cut, cut:-cut]


def _white_below(film: NDArray[np.uint8], true: Mask) -> tuple[NDArray[np.uint8], Mask]:
    """The lower half of the lung on the left of the film is as bright as the brightest tenth of the film."""
    rows = np.flatnonzero(true.any(axis=1))
    hidden = true.copy()
    hidden[: (rows[0] + rows[-1]) // 2], hidden[:, film.shape[1] // 2 :] = False, False
    amount = cv2.GaussianBlur(hidden.astype(np.float32), (0, 0), 2)
    return np.rint(film + amount * (np.quantile(film, 0.9) - film)).astype(np.uint8), true


def _noisy(film: NDArray[np.uint8], true: Mask) -> tuple[NDArray[np.uint8], Mask]:
    noise = np.random.default_rng(0).normal(0, 25, film.shape)
    return np.clip(np.rint(film + noise), 0, 255).astype(np.uint8), true


CHANGES: dict[str, Change] = {
    "turned by 10 degrees": _turned(10),
    "turned by 20 degrees": _turned(20),
    "in a black frame, half the size": _framed,
    "cropped by an eighth on each side": _cropped,
    "one lung white in its lower half": _white_below,
    "mirrored": lambda film, true: (film[:, ::-1].copy(), true[:, ::-1]),
    "inverted": lambda film, true: (255 - film, true),
    "an eighth of the contrast": lambda film, true: (100 + film // 8, true),
    "blurred, 3 pixels of 256": lambda film, true: (cv2.GaussianBlur(film, (0, 0), 3).astype(np.uint8), true),
    "noise of 25 grey levels": _noisy,
    "at 48 pixels": lambda film, true: (
        cv2.resize(film, (48, 48), interpolation=cv2.INTER_AREA).astype(np.uint8),
        cv2.resize(true.astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA) >= 0.5,
    ),
}


def judge_changes(manifest: Manifest, split: str) -> None:
    """Dice of the same films, changed."""
    rows = manifest.ok.query("split == @split and mask_path != ''")
    pairs = [
        (to_uint8(read_film(manifest.film_path(film)).pixels), read_film(manifest.film_path(mask)).pixels > 127)
        for film, mask in zip(rows["path"], rows["mask_path"], strict=True)
    ]
    for name, change in CHANGES.items():
        changed = [change(film, true) for film, true in pairs]
        scores = [dice(lungs.find_lungs(film).mask, true) for film, true in changed]
        mean = format_interval(mean_of(scores, rows["group"].tolist()), 4)
        print(f"| {name} | {len(scores)} | {mean} | {spread(scores)} |", flush=True)


def judge_phantoms(count: int) -> None:
    """Dice of phantoms of each finding."""
    for finding in FINDINGS:
        scores = []
        for seed in range(count):
            film, true = render_phantom(finding, np.random.default_rng([_SEED, seed]))
            scores.append(dice(lungs.find_lungs(film).mask, true))
        mean = format_interval(mean_of(scores, [str(seed) for seed in range(count)]), 4)
        print(f"| phantoms, {finding} | {count} | {mean} | {spread(scores)} |", flush=True)


def look_through(manifest: Manifest, split: str, sheets: Path | None, shown: int = 96) -> None:
    """In how many films of a split, or of a manifest that has none, lungs are found, by label."""
    rows = manifest.ok.query("split in (@split, '')")
    found, pictures, shares = [], [], []
    chosen = set(np.random.default_rng(0).permutation(len(rows))[:shown].tolist())
    for place, path in enumerate(rows["path"]):
        pixels = read_film(manifest.film_path(path)).pixels
        seen = lungs.find_lungs(pixels)
        found.append(seen.is_found)
        shares.append(seen.share)
        if sheets and (place in chosen or not seen.is_found):
            pictures.append((seen.is_found, outlined(to_uint8(pixels), (seen.mask, (0, 0, 255)))))
    table = rows.assign(found=found, share=shares)
    for name, part in [("all", table), *table.groupby("label")]:
        away = ", ".join(part.loc[~part["found"], "image_id"].iloc[:12])
        tail = f" | none in {away}" if away else ""
        of_film = f"{np.quantile(part['share'], 0.05):.2f} to {np.quantile(part['share'], 0.95):.2f}"
        print(
            f"| {manifest.root.name}, {name or 'no label'} | {share(int(part['found'].sum()), len(part))} | {of_film}{tail} |",
            flush=True,
        )
    if sheets:
        ordered = [picture for _, picture in sorted(pictures, key=lambda pair: pair[0])]
        write_sheet(sheets / f"{manifest.root.name}-{split}.png", ordered[:shown])


def judge_pictures(folders: Sequence[Path], count: int, sheets: Path | None) -> None:
    """What is found in pictures that are no chest films."""
    pictures = []
    for folder in folders:
        found, number = [], 0
        for path in sorted(path for path in folder.rglob("*") if is_film_name(path)):
            try:
                pixels = read_film(path).pixels
            except BadImage:
                continue
            number += 1
            seen = lungs.find_lungs(pixels)
            _, presence = lungs.probabilities(lungs.network_input(pixels)[None])
            print(f"  {path.name}: presence {presence[0]:.4f}, share {seen.share:.3f}")
            pictures.append(outlined(to_uint8(pixels), (seen.mask, (0, 0, 255))))
            found += [path.name] * seen.is_found
        print(f"| {folder.name} | {share(len(found), number)} | {', '.join(found)} |", flush=True)
    rng = np.random.default_rng(_SEED)
    for _, draw in DRAWN:
        drawn = np.stack([draw(rng) for _ in range(count)])
        number = int(lungs.find_lungs_of(drawn).any((1, 2)).sum())
        print(f"| drawn: {draw.__name__.replace('_', ' ')} | {share(number, count)} | |", flush=True)
    if sheets and pictures:
        write_sheet(sheets / "pictures.png", pictures)


def judge_speed() -> None:
    """Milliseconds of processor time, and until the answer, of find_lungs and of a film in a batch."""
    rng = np.random.default_rng(0)
    film = render_phantom("Normal", rng)[0]
    for side, bits in ((256, 8), (1024, 8), (2000, 8), (2000, 16), (3000, 16)):
        large = np.asarray(cv2.resize(film, (side, side)), np.uint8)
        pixels = large if bits == 8 else large.astype(np.uint16) * np.uint16(257)
        times = []
        for _ in range(30):
            begun = time.perf_counter()
            lungs.find_lungs(pixels)
            times.append(1000 * (time.perf_counter() - begun))
        print(f"| {side} x {side}, {pixels.dtype} | {np.median(times):.1f} ms | {np.quantile(times, 0.9):.1f} ms |")
    films = np.stack([np.asarray(cv2.resize(film, (224, 224)), np.uint8)] * 256)
    begun, worked = time.perf_counter(), time.process_time()
    lungs.find_lungs_of(films)
    work, wait = time.process_time() - worked, time.perf_counter() - begun
    print(f"| a film of 224 x 224 in a batch | {1000 * work / len(films):.1f} ms | {1000 * wait / len(films):.1f} ms |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", type=Path, help="another network than the one that ships inside")
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--phantoms", type=int, default=40, help="of each finding")
    parser.add_argument("--drawings", type=int, default=100, help="of each kind")
    options = parser.parse_args()
    if options.model:
        session = onnxruntime.InferenceSession(options.model.read_bytes(), providers=["CPUExecutionProvider"])
        lungs._shipped = lambda: session  # type: ignore[assignment]
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    judge_pairs(Manifest.open(options.pairs), options.split, options.sheets)
    judge_changes(Manifest.open(options.pairs), options.split)
    judge_phantoms(options.phantoms)
    for path in options.films:
        look_through(Manifest.open(path), options.split, options.sheets)
    judge_pictures(options.pictures, options.drawings, options.sheets)
    judge_speed()


if __name__ == "__main__":
    main()
