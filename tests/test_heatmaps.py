"""Maps equal pytorch-grad-cam's, add up to the logits, and are refused where a network has none."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from scipy import stats

from plainfilm.core.maps import correlation, film_maps, rank_correlation, scaled, share_inside
from plainfilm.errors import BadConfig

torch = pytest.importorskip("torch")

from tests.networks import CLASSES, lived_in, smooth_films  # noqa: E402
from torch import nn  # noqa: E402

from plainfilm.learn.heatmaps import heatmaps, map_source  # noqa: E402


def _their_layer(name: str, network: nn.Module) -> nn.Module:
    """The layer that pytorch-grad-cam is given, by its advice where it has some."""
    if name.startswith("resnet"):
        return network.layer4[-1]
    if name.startswith("densenet"):
        return network.features
    if name.startswith("efficientnet"):
        return network.bn2
    if name.startswith("convnext"):
        return network.stages[-1]
    if name.startswith("vit"):
        return network.blocks[-1].norm1
    if name.startswith("swin"):
        return network.norm
    if name.startswith("vgg"):
        return network.features[-1]
    return network[-5]  # the last pooling of our own


def _reshape(name: str) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if name.startswith("swin"):
        return lambda values: values.permute(0, 3, 1, 2)
    if name.startswith("vit"):
        return lambda values: values[:, 1:].unflatten(1, (int((values.shape[1] - 1) ** 0.5), -1)).permute(0, 3, 1, 2)
    return None


@pytest.mark.parametrize(
    ("name", "size", "way"),
    [
        ("resnet18", 96, "pooled"),
        ("resnet50", 96, "pooled"),
        ("densenet121", 96, "pooled"),
        pytest.param("vgg19", 64, "gradient", marks=pytest.mark.slow),
        ("efficientnet_b0", 96, "pooled"),
        ("convnext_tiny", 96, "gradient"),
        ("vit_tiny_patch16_224", 96, "block"),
        ("swin_tiny_patch4_window7_224", 96, "pooled"),
        ("cnn-plain", 64, "pooled"),
        ("cnn-swish", 96, "pooled"),
    ],
)
def test_maps_equal_those_of_pytorch_grad_cam(name: str, size: int, way: str) -> None:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import scale_cam_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network, films = lived_in(name, size), smooth_films(size)
    source = map_source(network, size)
    assert source.way == way
    ours = heatmaps(network, films, source)
    with torch.no_grad():
        np.testing.assert_allclose(ours.logit, network(films).numpy(), rtol=1e-5, atol=1e-6)
    with GradCAM(network, [_their_layer(name, network)], reshape_transform=_reshape(name)) as theirs:
        spread = []
        for c in range(len(CLASSES)):
            expected = theirs(films, [ClassifierOutputTarget(c)] * len(films))
            shown = np.maximum(ours.strength[:, c], 0)
            got = scale_cam_image(scale_cam_image(shown, (size, size)))  # as it does: enlarged, and scaled again
            assert np.abs(got - expected).max() <= 1e-4
            spread += list(expected.std(axis=(1, 2)))
    assert sum(one > 0.05 for one in spread) >= 4, "flat maps would equal anything"


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "cnn-swish"])
def test_a_pooled_map_adds_up_to_its_logit(name: str) -> None:
    network = lived_in(name, 96)
    maps = heatmaps(network, smooth_films(96))
    bias = network.get_classifier().bias.detach().numpy()  # type: ignore[operator]
    np.testing.assert_allclose(maps.strength.mean(axis=(2, 3)) + bias, maps.logit, rtol=1e-4, atol=1e-5)


def test_a_gradient_has_the_scale_of_a_pooled_map() -> None:
    """The same network both ways: its forced gradient gives the strength that needs none."""
    from dataclasses import replace

    network, films = lived_in("cnn-plain", 64), smooth_films(64)
    source = map_source(network, 64)
    pooled, forced = (heatmaps(network, films, replace(source, way=way)) for way in (source.way, "gradient"))
    np.testing.assert_allclose(forced.strength, pooled.strength, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "regnetx_002", "convnextv2_atto", "deit_tiny_patch16_224"])
def test_other_networks_of_timm_have_maps_too(name: str) -> None:
    maps = heatmaps(lived_in(name, 96), smooth_films(96))
    assert maps.strength.shape[:2] == (2, 4) and min(maps.strength.shape[2:]) >= 3
    assert np.isfinite(maps.strength).all() and maps.strength.std() > 0


def test_a_map_of_one_place_is_refused_with_the_size_to_take() -> None:
    with pytest.raises(BadConfig, match=r"1 x 1 places\. Train with a larger --size, 128 or more"):
        map_source(lived_in("resnet18", 32), 32)
    assert map_source(lived_in("resnet18", 128), 128).side == (4, 4)


def test_a_network_that_answers_every_film_alike_is_refused() -> None:
    network = lived_in("cnn-plain", 64)
    with torch.no_grad():
        network.get_classifier().weight.zero_()  # type: ignore[operator]
    with pytest.raises(BadConfig, match="its logits are the same for every film"):
        map_source(network, 64)


class _Corner(nn.Module):
    """A network whose logits know one place of its feature map, or that hands its features out in several parts."""

    num_features = 3

    def __init__(self, is_parted: bool) -> None:
        super().__init__()
        self.convolution, self.head, self.is_parted = nn.Conv2d(1, 3, 4, 4), nn.Linear(3, 4), is_parted

    def get_classifier(self) -> nn.Module:
        return self.head

    def forward_features(self, films: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        features = self.convolution(films)
        return [features, features] if self.is_parted else features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(features[:, :, 0, 0])

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.convolution(films))


def test_a_network_that_looks_at_one_place_or_ends_in_many_is_refused() -> None:
    with pytest.raises(BadConfig, match="do not depend on every place"):
        map_source(_Corner(is_parted=False), 32)
    with pytest.raises(BadConfig, match="several feature maps"):
        map_source(_Corner(is_parted=True), 32)
    with pytest.raises(BadConfig, match="does not part its features from its head"):
        map_source(nn.Sequential(nn.Conv2d(1, 3, 4, 4)), 32)


class _Scattered(_Corner):
    """Tokens that are shuffled over the film before they are averaged."""

    def forward_features(self, films: torch.Tensor) -> torch.Tensor:
        tokens = self.convolution(films).flatten(2).transpose(1, 2)
        return tokens[:, torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(1))]

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(features.mean(1))

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(films))


def test_tokens_that_lie_nobody_knows_where_are_refused() -> None:
    with pytest.raises(BadConfig, match="nobody knows where they lie"):
        map_source(_Scattered(is_parted=False), 64)


def test_looking_leaves_the_network_and_the_dice_as_they_were() -> None:
    network = lived_in("vit_tiny_patch16_224", 96)
    before, dice = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    heatmaps(network, smooth_films(96))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), dice) and torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.blocks[-1].norm1._forward_hooks


@pytest.mark.parametrize(("places", "size"), [((7, 7), 224), ((2, 5), 33), ((1, 1), 8), ((9, 9), 9)])
def test_enlarging_is_that_of_torch_and_opencv(places: tuple[int, int], size: int) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *places)).astype(np.float32)
    ours = film_maps(maps, size)
    theirs = nn.functional.interpolate(torch.from_numpy(maps), (size, size), mode="bilinear").numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(ours[0, 0], cv2.resize(maps[0, 0], (size, size)), atol=1e-4)


def test_share_inside_is_the_share_of_the_enlarged_map() -> None:
    rng = np.random.default_rng(1)
    strength = rng.normal(size=(3, 4, 7, 7)).astype(np.float32)
    lungs = rng.random((3, 56, 56)) < 0.3
    enlarged = film_maps(np.maximum(strength, 0), 56).astype(np.float64)
    by_hand = (enlarged * lungs[:, None]).sum((2, 3)) / enlarged.sum((2, 3))
    np.testing.assert_allclose(share_inside(strength, lungs[:, None]), by_hand, rtol=1e-5)
    assert np.isnan(share_inside(-np.abs(strength), lungs[:, None])).all()
    assert share_inside(strength, np.ones_like(lungs)[:, None]) == pytest.approx(1)


def test_scaling_for_the_eye_leaves_the_strength_alone() -> None:
    strength = np.array([[[-1.0, 2.0], [4.0, 0.0]], [[-1.0, -2.0], [-4.0, 0.0]]], np.float32)
    kept = strength.copy()
    np.testing.assert_array_equal(scaled(strength), [[[0, 0.5], [1, 0]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(strength, kept)


def test_correlations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 6, (2, 5, 8, 8)).astype(np.float32)  # with ties
    for place in range(5):
        first, second = one[place].ravel().astype(float), other[place].ravel().astype(float)
        assert correlation(one, other)[place] == pytest.approx(stats.pearsonr(first, second)[0], abs=1e-9)
        assert rank_correlation(one, other)[place] == pytest.approx(stats.spearmanr(first, second)[0], abs=1e-6)
    assert np.isnan(correlation(one, np.ones_like(one))).all()
