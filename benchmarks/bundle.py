"""Does a bundle answer as the run that it was made of, on every film of a split? docs/results/bundle.md.

    python benchmarks/bundle.py RUN BUNDLE [--split test]

The films go through the bundle's own way, from the file to the answer; the run's logits and reasons are those of predictions.csv.
Asking about the test split counts as a reading of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from plainfilm.core.bundle import Bundle
from plainfilm.core.metrics import measure
from plainfilm.core.predictions import Predictions
from plainfilm.core.predictor import Answer
from plainfilm.core.run import Run

AT_ONCE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    typed = parser.parse_args()
    run, bundle = Run.open(typed.run), Bundle.open(typed.bundle)
    known = Predictions.open(run / "predictions.csv")
    known = known.where((known.table["split"] == typed.split) & known.has_score)
    if typed.split == "test":
        run.record_test_reading("benchmarks/bundle.py")
    manifest = run.own_manifest()
    path_of = dict(zip(manifest.films["image_id"], manifest.films["path"], strict=True))
    films = [manifest.film_path(path_of[name]) for name in known.table["image_id"]]

    def asked(some: Sequence[Path]) -> list[Answer]:
        return bundle.predictor.answers([bundle.predictor.see(path) for path in some])

    with ThreadPoolExecutor(cpu_count()) as pool:
        batches = pool.map(asked, (films[start : start + AT_ONCE] for start in range(0, len(films), AT_ONCE)))
        answers = [answer for batch in batches for answer in batch]
    logit = np.array([np.full(len(run.classes), np.nan) if one.logit is None else one.logit for one in answers])
    same = int((logit.argmax(axis=1) == known.logit.argmax(axis=1)).sum())
    ends = binomtest(same, len(films)).proportion_ci(method="wilson")
    reasons = int(sum(one.turned_away == said for one, said in zip(answers, known.turned_away, strict=True)))
    auroc = [
        measure(run.calibration().probability(each), known.label_index, run.classes)["macro_auroc"]
        for each in (known.logit, logit)
    ]
    print(
        f"{bundle.name}, {bundle.precision}, {typed.bundle.stat().st_size / 1e6:.2f} MB; {len(films)} {typed.split} films"
    )
    print(f"labels as the run's: {same} ({same / len(films):.4f}, 95% {ends.low:.4f} to {ends.high:.4f})")
    print(f"answered or turned away as by the run: {reasons} ({reasons / len(films):.4f})")
    print(f"largest difference of a logit: {np.abs(logit - known.logit).max():.2g}")
    print(f"macro AUROC: run {auroc[0]:.5f}, bundle {auroc[1]:.5f}")


if __name__ == "__main__":
    main()
