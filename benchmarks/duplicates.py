"""Near twins: what is found among real films with planted copies, by us and by others, in one run; and how the time grows.

    python benchmarks/duplicates.py planted FOLDER    recall and precision by kind, beside imagehash, imagededup, cleanvision
    python benchmarks/duplicates.py growth FOLDER     seconds and memory for 2,500 to 200,000 thumbnails

FOLDER holds real films. `planted` spoils films of it (benchmarks/spoil.py), another original each time, writes them as files beside
the others and looks for twins in all of them. A pair counts as right where both are copies of one film; copies that were
there before (benchmarks/known_twins.json: found by several methods, then judged by eye) count as neither right nor wrong.
The others need: pip install imagehash imagededup cleanvision. What is not installed, or has no weights, is left out and named.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.image import is_film_name, pixel_sha256, read_film
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage
from plainfilm.prepare.duplicates import find_twins
from spoil import KINDS, encoded

Pairs = set[tuple[str, str]]


def plant(films: list[Path], work: Path, each: int, seed: int, together: int) -> dict[str, tuple[str, str]]:
    """Copy the films and their spoiled copies into `work`; returns planted name -> (name of its film, kind)."""
    rng = np.random.default_rng(seed)
    planted: dict[str, tuple[str, str]] = {}
    kinds = [*KINDS, *(["two at once"] if together else [])]
    order = rng.permutation(len(films))
    taken = iter(order)
    for kind in kinds:
        for _ in range(min(each, len(films) // len(kinds))):
            film = films[next(taken)]
            pixels = read_film(film).pixels
            pixels = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
            if kind == "two at once":
                for one in rng.choice(list(KINDS), 2, replace=False):
                    pixels = KINDS[one](pixels, rng)
            else:
                pixels = KINDS[kind](pixels, rng)
            ending, content = encoded(pixels, kind, rng)
            name = f"planted-{len(planted):05d}{ending}"
            (work / name).write_bytes(content)
            planted[name] = (film.name, kind)
    for film in films:
        shutil.copyfile(film, work / film.name)
    return planted


def ours(paths: list[Path]) -> Pairs:
    """Pairs that plainfilm calls twins."""

    def seen(path: Path) -> tuple[NDArray[np.uint8], str]:
        pixels = read_film(path).pixels
        return thumbnail(pixels), pixel_sha256(pixels)

    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        thumbnails, digests = zip(*pool.map(seen, paths), strict=True)
    read = time.monotonic()
    twins = find_twins(np.stack(thumbnails), digests)
    print(f"plainfilm: reading {read - begun:.1f} s, looking for twins {time.monotonic() - read:.1f} s", flush=True)
    return {_pair(paths[twin.first].name, paths[twin.second].name) for twin in twins}


def by_hash(kind: str, distance: int) -> Callable[[list[Path]], Pairs]:
    """imagehash: pairs whose hashes differ in at most so many bits."""

    def found(paths: list[Path]) -> Pairs:
        import imagehash
        from PIL import Image

        bits, names = [], []
        for path in paths:
            try:
                bits.append(getattr(imagehash, kind)(Image.open(path)).hash.ravel())
                names.append(path.name)
            except OSError:
                continue  # DICOM
        table = np.packbits(np.array(bits), axis=1).astype(np.uint8)
        pairs = set()
        popcount = np.array([bin(value).count("1") for value in range(256)], np.uint8)
        for row in range(len(table)):
            far = popcount[table[row + 1 :] ^ table[row]].sum(1)
            pairs |= {_pair(names[row], names[row + 1 + other]) for other in np.flatnonzero(far <= distance)}
        return pairs

    return found


def by_imagededup(method: str) -> Callable[[list[Path]], Pairs]:
    """imagededup with its own settings.

    Its package fetches the weights of its CNN when it is imported, for the hashes too; these get a stand-in for that module.
    """

    def found(paths: list[Path]) -> Pairs:
        cnn = "imagededup.methods.cnn"
        if method == "CNN":
            sys.modules.pop(cnn, None)
        else:
            stand_in = ModuleType(cnn)
            stand_in.CNN = None  # type: ignore[attr-defined]
            sys.modules.setdefault(cnn, stand_in)
        where = importlib.import_module(cnn if method == "CNN" else "imagededup.methods.hashing")
        twins = getattr(where, method)(verbose=False).find_duplicates(image_dir=str(paths[0].parent))
        return {_pair(one, other) for one, others in twins.items() for other in others}

    return found


def by_cleanvision(paths: list[Path]) -> Pairs:
    """cleanvision's exact and near duplicates."""
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(paths[0].parent))
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
    pairs = set()
    for kind in ("near_duplicates", "exact_duplicates"):
        for family in lab.info[kind]["sets"]:
            names = sorted(Path(path).name for path in family)
            pairs |= {_pair(one, other) for place, one in enumerate(names) for other in names[place + 1 :]}
    return pairs


PEERS: dict[str, Callable[[list[Path]], Pairs]] = {
    "imagehash phash 4": by_hash("phash", 4),
    "imagehash phash 10": by_hash("phash", 10),
    "imagehash dhash 4": by_hash("dhash", 4),
    "imagehash whash 4": by_hash("whash", 4),
    "imagededup PHash": by_imagededup("PHash"),
    "imagededup DHash": by_imagededup("DHash"),
    "imagededup CNN": by_imagededup("CNN"),
    "cleanvision": by_cleanvision,
}


def score(name: str, pairs: Pairs, planted: dict[str, tuple[str, str]], known: Pairs) -> None:
    """Print recall and precision by kind. known: pairs that were there before, which count as neither."""
    film_of = {name: film for name, (film, _) in planted.items()}
    family: dict[str, str] = {}

    def head(film: str) -> str:
        while film in family:
            film = family[film]
        return film

    for one, other in known:
        if head(one) != head(other):
            family[head(one)] = head(other)
    wanted, hit, right, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for twin, (film, kind) in planted.items():
        wanted[kind] += 1
        hit[kind] += _pair(twin, film) in pairs
    false_of_films, false = 0, []
    for one, other in sorted(pairs):
        kinds = {planted[film][1] for film in (one, other) if film in planted}
        is_right = head(film_of.get(one, one)) == head(film_of.get(other, other))
        false += [] if is_right else [(film_of.get(one, one), film_of.get(other, other))]
        if not kinds:
            false_of_films += not is_right
        for kind in kinds:
            (right if is_right else wrong)[kind] += 1
    print(f"\n{name}")
    print(f"  {'kind':<12}{'recall':>8}{'precision':>11}")
    for kind in wanted:
        said = right[kind] + wrong[kind]
        print(
            f"  {kind:<12}{hit[kind] / wanted[kind]:>8.3f}" + (f"{right[kind] / said:>11.4f}" if said else f"{'-':>11}")
        )
    said = sum(right.values()) + sum(wrong.values())
    total = f"{sum(right.values()) / said:.4f}" if said else "-"
    recall = sum(hit.values()) / sum(wanted.values())
    print(f"  all: recall {recall:.4f}, precision {total}")
    print(f"  pairs between films as they were, not known as copies: {false_of_films:,}")
    print(f"  wrong, by the films behind them: {false[:8]}", flush=True)


def run_planted(folder: Path, each: int, seed: int, known_path: Path, together: bool, peers: bool) -> None:
    """Plant, look, score."""
    films = sorted(
        path for path in folder.rglob("*") if path.is_file() and is_film_name(path) and "masks" not in path.parts
    )
    by_name = {path.name: path for path in films}
    films = sorted(by_name.values())
    with tempfile.TemporaryDirectory() as work:
        planted = plant(films, Path(work), each, seed, together)
        paths = sorted(Path(work).iterdir())
        print(f"{len(films):,} films, {len(planted):,} planted copies", flush=True)
        known = {_pair(*pair) for pair in json.loads(known_path.read_text())}
        found = ours(paths)
        score("plainfilm", found, planted, known)
        missed = [(twin, *planted[twin]) for twin in planted if _pair(twin, planted[twin][0]) not in found]
        print("  missed:", missed[:20])
        odd = [pair for pair in found if not any(film in planted for film in pair) and pair not in known]
        print(f"  pairs among the films as they were: {len(odd)}; the first: {sorted(odd)[:6]}", flush=True)
        for name, find in PEERS.items() if peers else ():
            begun = time.monotonic()
            try:
                pairs = find(paths)
            except Exception as cause:  # a peer that is absent or breaks is named, and the others go on
                print(f"\n{name}: left out ({type(cause).__name__}: {str(cause)[:120]})", flush=True)
                continue
            score(f"{name} ({time.monotonic() - begun:.0f} s)", pairs, planted, known)


def run_growth(folder: Path, counts: Iterable[int], seed: int) -> None:
    """Seconds and memory by the number of thumbnails; films beyond those in the folder are mixed and bent from two of them."""
    rng = np.random.default_rng(seed)
    real = []
    for path in sorted(
        path for path in folder.rglob("*") if path.is_file() and is_film_name(path) and "masks" not in path.parts
    ):
        try:
            real.append(thumbnail(read_film(path).pixels))
        except BadImage as error:
            print(error, file=sys.stderr)
    print(f"{len(real):,} real films")
    seconds = []
    counts = list(counts)
    for count in counts:
        with tempfile.TemporaryFile() as file:
            thumbnails = np.memmap(file, np.uint8, "w+", shape=(count, *real[0].shape))
            thumbnails[: len(real)] = np.stack(real[:count])
            for row in range(len(real), count):
                thumbnails[row] = _another(real[rng.integers(len(real))], real[rng.integers(len(real))], rng)
            digests = [str(row) for row in range(count)]
            begun = time.monotonic()
            twins = find_twins(thumbnails, digests)
            seconds.append(time.monotonic() - begun)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        what = f"{count:>8,} thumbnails: {seconds[-1]:7.1f} s, {len(twins):,} twins"
        print(f"{what}, peak memory so far {memory:.1f} GiB", flush=True)
    if len(counts) > 1:
        exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
        last = np.log(seconds[-1] / seconds[-2]) / np.log(counts[-1] / counts[-2])
        print(f"time grows with the number of films to the power {exponent:.2f}; between the last two {last:.2f}")


def _another(one: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A film that is nobody's copy: two films mixed, and bent."""
    side = len(one)
    share = rng.uniform(0.35, 0.65)
    bend = cv2.resize(rng.normal(0, 4, (5, 5, 2)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    mixed = cv2.addWeighted(one, share, other, 1 - share, 0)
    columns, rows = columns + bend[..., 0], rows + bend[..., 1]
    return cv2.remap(mixed, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "growth"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=100, help="planted copies a kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--known",
        type=Path,
        default=Path(__file__).with_name("known_twins.json"),
        help="JSON list of pairs of file names that are copies as they came, found by hand and eye",
    )
    parser.add_argument("--together", action="store_true", help="plant a further kind: two changes at once")
    parser.add_argument("--alone", action="store_true", help="without the others")
    parser.add_argument("--counts", type=int, nargs="+", default=[2500, 7500, 21000, 60000, 200000])
    options = parser.parse_args()
    if options.what == "planted":
        run_planted(options.folder, options.each, options.seed, options.known, options.together, not options.alone)
    else:
        run_growth(options.folder, options.counts, options.seed)


if __name__ == "__main__":
    main()
