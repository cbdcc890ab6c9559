"""The first convolution of a network from scratch: its answers to the films are even and independent, and training keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import TINY
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import Preprocess

torch = pytest.importorskip("torch")

from plainfilm.learn.model import build_network, load_network  # noqa: E402
from plainfilm.learn.train import train  # noqa: E402
from plainfilm.learn.whiten import first_layer, whiten  # noqa: E402

PREPROCESS = Preprocess(size=64)


def _films(count: int = 40) -> np.ndarray:
    """Coarse shadows with a texture a hundred times weaker."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 1, (count, 64, 64)).cumsum(1).cumsum(2)
    coarse = (coarse - coarse.mean((1, 2), keepdims=True)) / coarse.std((1, 2), keepdims=True)
    return np.clip(128 + 40 * coarse + rng.normal(0, 1, coarse.shape), 0, 255).astype(np.uint8)


def _whitened(channels: int, side: int, films: np.ndarray) -> torch.nn.Conv2d:
    layer = torch.nn.Conv2d(1, channels, side, bias=False)
    whiten(layer, films, np.arange(len(films)), PREPROCESS, seed=0)
    return layer


def _answers(layer: torch.nn.Conv2d, films: np.ndarray) -> np.ndarray:
    pixels = torch.from_numpy(films)[:, None].float() / 255
    with torch.no_grad():
        return layer((pixels - PREPROCESS.mean) / PREPROCESS.std).double().transpose(0, 1).flatten(1).numpy()


def test_filters_answer_evenly_and_independently() -> None:
    films = _films()
    answers = _answers(_whitened(9, 3, films), films)
    covariance = np.cov(answers)
    assert np.diag(covariance) == pytest.approx(np.ones(9), abs=0.2)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.15


def test_the_strongest_come_first_then_with_their_sign_turned_then_random_ones() -> None:
    films = _films()
    layer = _whitened(32, 3, films)
    weight = layer.weight.detach()
    assert torch.equal(weight[9:18], -weight[:9])
    norms = weight.flatten(1).norm(dim=1)
    assert (norms[:9].diff() > -1e-4).all(), "a stronger pattern needs a smaller filter"
    before = torch.nn.Conv2d(1, 32, 3, bias=False).weight
    assert weight[18:].abs().max() <= before.abs().max() * 1.1, "the rest stay as they were"


def test_films_without_any_contrast_give_finite_filters() -> None:
    assert torch.isfinite(_whitened(9, 3, np.full((3, 64, 64), 77, np.uint8)).weight).all()


@pytest.mark.parametrize(
    ("name", "is_whitened"),
    [
        ("resnet18", True), ("densenet121", True), ("efficientnet_b0", True), ("cnn-swish", True),
        ("vgg19", False), ("cnn-plain", False), ("convnext_atto", False),
    ],
)  # fmt: skip
def test_only_a_convolution_on_the_film_with_a_batch_norm_after_it_is_whitened(name: str, is_whitened: bool) -> None:
    layer = first_layer(build_network(TrainConfig(model=name, weights="scratch", size=64), ("A", "B")))
    assert (layer is not None) == is_whitened


def _first_filters(manifest: Manifest, directory: Path, config: TrainConfig) -> torch.Tensor:
    layer = first_layer(load_network(train(manifest, directory, config)))
    assert layer is not None
    return layer.weight.detach()


def test_training_keeps_the_patterns_and_learns_the_rest(manifest: Manifest, tmp_path: Path) -> None:
    short = _first_filters(manifest, tmp_path / "short", replace(TINY, epochs=1))
    long = _first_filters(manifest, tmp_path / "long", replace(TINY, epochs=2))
    assert torch.equal(short, long)
    free = replace(TINY, whitening=False)
    assert not torch.equal(
        _first_filters(manifest, tmp_path / "a", replace(free, epochs=1)),
        _first_filters(manifest, tmp_path / "b", free),
    )


def test_weights_that_come_from_elsewhere_are_not_touched(manifest: Manifest, tmp_path: Path) -> None:
    first = train(manifest, tmp_path / "first", replace(TINY, whitening=False, epochs=1))
    kept = first_layer(load_network(first))
    later = _first_filters(manifest, tmp_path / "later", replace(TINY, weights=str(first.directory), epochs=1))
    assert kept is not None and not torch.equal(kept.weight, later), "it learns on"
    assert torch.nn.functional.cosine_similarity(kept.weight.flatten(), later.flatten(), dim=0) > 0.9
