"""What a bundle answers on the test films of a manifest, as it ships: scores with intervals, and what it turns away.

    python benchmarks/model.py data/radiography [--bundle MODEL] [--others FOLDER]

--others: pictures that are no chest films. Nothing is chosen by these numbers: the model is there already.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.bundle import SHIPPED, Bundle
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.predictor import Answer
from plainfilm.judge.evaluate import evaluate_predictions
from plainfilm.judge.judged import Resampling
from plainfilm.judge.trust import shares

_BATCH = 64


def answers(bundle: Bundle, paths: Sequence[Path]) -> Iterator[Answer]:
    """What the bundle says of each file."""
    predictor = bundle.predictor
    for start in range(0, len(paths), _BATCH):
        some = paths[start : start + _BATCH]
        yield from predictor.answers([predictor.see(path.read_bytes(), path.name) for path in some])


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--others", type=Path)
    typed = parser.parse_args()
    bundle, manifest = Bundle.open(typed.bundle, threads=2), Manifest.open(typed.manifest)
    rows = manifest.split("test").reset_index(drop=True)
    found = list(answers(bundle, [manifest.film_path(path) for path in rows["path"]]))
    logit = np.stack([one.logit for one in found if one.logit is not None])
    table = Predictions.of(rows, logit, bundle.classes, bundle.name)
    table = Predictions(table.table.assign(split="test"), table.classes, table.embedding)
    metrics = evaluate_predictions(table, bundle.calibration, manifest.films)["splits"]["test"]["metrics"]
    print(f"{bundle.name} ({bundle.precision}), {len(rows):,} test films")
    for name in ("accuracy", "macro_auroc", "ece"):
        print(f"{name:<12} {format_interval(interval_of(metrics[name]))}")
    away = np.array([[bool(one.turned_away)] for one in found])
    (share,) = shares(away, np.ones_like(away), table.group, Resampling())
    print(f"turned away  {format_interval(share)}, {away.sum()} films")
    if typed.others:
        others = list(answers(bundle, sorted(path for path in typed.others.iterdir() if path.is_file())))
        print(f"turned away of {typed.others.name}: {sum(bool(one.turned_away) for one in others)} of {len(others)}")


if __name__ == "__main__":
    main()
