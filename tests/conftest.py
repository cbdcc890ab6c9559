"""What many tests need: phantom films, a manifest of them, a small finished run, and the real films where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import COLUMNS, Manifest, typed
from plainfilm.core.run import Run
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.split import SplitPlan

TINY = TrainConfig(
    model="cnn-swish",
    weights="scratch",
    size=32,
    epochs=2,
    batch_size=16,
    progressive="none",
    dropout=0.2,
    device="cpu",
)


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films; PLAINFILM_FILMS says where, and `make test` sets it where ../shared/films is."""
    folder = os.environ.get("PLAINFILM_FILMS")
    if not folder:
        pytest.skip("REAL FILMS ABSENT: PLAINFILM_FILMS is not set, so nothing real is tested here")
    return Path(folder)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 phantom films in the database's layout, some of one patient, some identical, two damaged."""
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    options = PhantomOptions(films_per_patient=1.5, identical_share=0.1, sources=2, damaged=2)
    return make_phantoms(folder, 16, seed=1, options=options)


@pytest.fixture(scope="session")
def manifest(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The phantoms' manifest, split 50/25/25."""
    options = PrepareOptions(metadata=phantoms / "metadata.csv", plan=SplitPlan(test=0.25, val=0.25))
    return prepare(phantoms, tmp_path_factory.mktemp("data"), options)


@pytest.fixture(scope="session")
def finished_run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network trained for two epochs."""
    pytest.importorskip("torch")
    from plainfilm.learn.train import train

    return train(manifest, tmp_path_factory.mktemp("runs") / "tiny", TINY)


def rows(labels: list[str], **columns: object) -> pd.DataFrame:
    """A manifest's table with these labels; every film its own group, all ok."""
    count = len(labels)
    table = pd.DataFrame({name: [""] * count for name in COLUMNS}, dtype=object)
    table["image_id"] = [f"film-{place}" for place in range(count)]
    table["path"] = [f"{place}.png" for place in range(count)]
    table["label"] = labels
    table["group"] = [f"g{place}" for place in range(count)]
    table["sha256"] = [f"{place:064x}" for place in range(count)]
    table["status"] = "ok"
    table["split"] = "train"
    for name, values in columns.items():
        table[name] = values
    return typed(table)


def write_png(path: Path, seed: int = 0, size: int = 24) -> Path:
    """A small grey film of noise."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8))
    return path
