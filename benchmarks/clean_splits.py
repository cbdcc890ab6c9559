"""Is a clean split ever accused, and is a planted leak of 1% of the test films always named? 50 seeds of phantoms.

    python benchmarks/clean_splits.py [--seeds 50] [--films 100]

Each seed draws phantoms (several of one patient, two sources), prepares them, and checks the split. Then 1% of the test films (one
at least) are copied into train, each changed in one way (benchmarks/spoil.py), and the set is checked again.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.inspection import inspect
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from spoil import KINDS, encoded


def as_folders(data: Path, target: Path) -> dict[str, list[Path]]:
    """Lay a manifest's films out as train, val, test by class; returns the films of each side."""
    manifest = Manifest.open(data)
    placed: dict[str, list[Path]] = {}
    for path, split, label in manifest.ok[["path", "split", "label"]].astype(str).itertuples(index=False, name=None):
        place = target / split / label / Path(path).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(manifest.film_path(path), place)
        placed.setdefault(split, []).append(place)
    return placed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--films", type=int, default=100, help="a class")
    options = parser.parse_args()
    accused, planted, named, missed = [], 0, 0, []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as work:
            root = Path(work)
            shape = PhantomOptions(films_per_patient=1.3, sources=2)
            make_phantoms(root / "set", options.films, seed=1000 + seed, options=shape)
            with_patients = PrepareOptions(metadata=root / "set" / "metadata.csv")
            prepare(root / "set", root / "data", with_patients)
            if inspect(root / "data").is_leaking:
                accused.append(seed)
            sides = as_folders(root / "data", root / "theirs")
            copies: dict[str, tuple[str, str]] = {}
            chosen = rng.choice(len(sides["test"]), max(1, len(sides["test"]) // 100), replace=False)
            for film in (sides["test"][place] for place in chosen):
                kind = str(rng.choice(list(KINDS)))
                ending, content = encoded(KINDS[kind](read_film(film).pixels, rng), kind, rng)
                copy = root / "theirs" / "train" / film.parent.name / f"leak-{len(copies)}{ending}"
                copy.write_bytes(content)
                copies[copy.stem] = (film.stem, kind)
            findings = inspect(root / "theirs")
            leaking = {
                frozenset(findings.survey.films["image_id"].iloc[list(rows)])
                for finding in findings.findings
                if finding.kind == "leak"
                for rows in finding.rows
            }
            planted += len(copies)
            for twin, (original, kind) in copies.items():
                is_named = any({twin, original} <= pair for pair in leaking)
                named += is_named
                missed += [] if is_named else [(seed, kind)]
        print(f"seed {seed}: {'ACCUSED' if seed in accused else 'clean'}; {named} of {planted} leaks named", flush=True)
    print(
        f"clean splits accused: {len(accused)} of {options.seeds} {accused}; leaks named: {named} of {planted} {missed}"
    )


if __name__ == "__main__":
    main()
