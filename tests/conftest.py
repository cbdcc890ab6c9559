"""What many tests need: phantom films, a manifest of them, a small finished run, and the real films where they are."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import COLUMNS, Manifest, typed
from plainfilm.core.run import Run
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.split import SplitPlan

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from browser import Visitor
    from plainfilm.core.bundle import Bundle
    from served import Served

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


def pytest_configure() -> None:
    """Whoever loads ONNX Runtime must tell nobody (`core/onnx_session.py`); and Ctrl-C is heard though a shell's `&` began us."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # every process that tests begin would ignore it too
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder of real films; PLAINFILM_FILMS says where, and `make test` and `make slow` set it where ../shared/films is."""
    folder = os.environ.get("PLAINFILM_FILMS")
    if not folder:
        pytest.skip("REAL FILMS ABSENT: PLAINFILM_FILMS is not set, so nothing real is tested here")
    return Path(folder)


@pytest.fixture(scope="module")
def in_little() -> Iterator[None]:
    """For modules in which intervals and pictures are not the question: few draws, no pictures. See little.py."""
    from little import make_little

    with pytest.MonkeyPatch.context() as patch:
        make_little(patch)
        yield


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


@pytest.fixture(scope="session")
def answering_run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network with heatmaps of 4 x 4 places, trained and evaluated with few draws, so that it can be exported."""
    pytest.importorskip("torch")
    from little import make_little
    from plainfilm.jobs import train_runs

    config = replace(TINY, model="cnn-plain", size=64, epochs=6, dropout=0.0)
    with pytest.MonkeyPatch.context() as patch:
        make_little(patch)
        (evaluation,) = train_runs(manifest, tmp_path_factory.mktemp("runs") / "answering", config, read_test=True)
    return evaluation.run


@pytest.fixture(scope="session")
def bundle_path(answering_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `answering_run`, fp32."""
    from plainfilm.bundle_jobs import export_run

    path = tmp_path_factory.mktemp("bundles") / "tiny.plainfilm"
    export_run(answering_run, path)
    return path


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    """The small bundle, open."""
    from plainfilm.core.bundle import Bundle

    return Bundle.open(bundle_path)


@pytest.fixture(scope="module")
def server(bundle: Bundle) -> Iterator[Served]:
    """It, being served."""
    from served import served

    with served(bundle) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole session: while it runs, no other test can run a loop of its own."""
    from browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, server: Served) -> Iterator[Visitor]:
    """Somebody at the page, with nothing done yet."""
    from browser import visitor

    with visitor(browser, server.url) as someone:
        yield someone


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
