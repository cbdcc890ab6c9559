"""Heatmaps: how much each place of a film speaks for each class, for all classes from one forward pass.

Where a network ends in average pooling and a linear layer, the class weights are the gradients: its class activation map (Zhou
et al. 2016, arXiv:1512.04150) is its Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391), and no backward pass is needed. Elsewhere
the gradient runs from the last feature map to the logits, and no further. Which of the two holds is not told by a network's name:
`map_source` tries it on films of noise and keeps what is proved there.

Strength has one scale for all networks: h * w times Grad-CAM, signed, before any scaling for the eye. So for the first kind

    logit[c] == strength[c].mean() + bias[c]

and for the others the same holds to first order where the gradient is alike at all places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from plainfilm.core.maps import Floats
from plainfilm.core.maps import film_maps as film_maps
from plainfilm.core.maps import share_inside as share_inside
from plainfilm.errors import BadConfig
from plainfilm.learn.model import last_layer

Way = Literal["pooled", "gradient", "block"]
_PROBES = 2  # films of noise
_PROVED = 1e-4  # largest difference, in units of the terms that were summed
_LEAST_SIDE = 2  # places; a map of one place says nothing
_REMEDY = "Train a network with a feature map, such as resnet18, to see heatmaps"


class Maps(NamedTuple):
    """What a network gives for B films.

    logit: (B, C) float32, as without maps. strength: (B, C, h, w) float32, raw and signed; see the module.
    """

    logit: Floats
    strength: Floats


@dataclass(frozen=True)
class MapSource:
    """Where a network's maps come from, as `map_source` proved it.

    way: "pooled": logits are the mean of the last feature map, weighted and summed, plus a bias. "gradient": logits are some other
        function of the last feature map. "block": they depend on it through a class token alone, so the map is taken where the last
        block reads the tokens (its norm1).
    side: (h, w) places of a map. channel_axis: of the features, 1 or the last one.
    """

    way: Way
    side: tuple[int, int]
    channel_axis: int


def heatmaps(network: nn.Module, films: torch.Tensor, source: MapSource | None = None) -> Maps:
    """Logits and the raw maps of all classes.

    network: in evaluation mode. films: (B, 1, S, S) as the network takes them, on its device.
    source: what `map_source` found for films of this size; sought where None, which takes as long as a few films.
    Raises BadConfig where the network has no map at this size.
    """
    source = source or map_source(network, films.shape[-1])
    with torch.inference_mode(source.way == "pooled"):
        logit, strength = maps_of(network, films, source)
    return Maps(logit.float().cpu().numpy(), np.ascontiguousarray(strength.float().cpu().numpy()))


def maps_of(network: nn.Module, films: torch.Tensor, source: MapSource) -> tuple[torch.Tensor, torch.Tensor]:
    """As `heatmaps`, as tensors: what a run asks and what a bundle's graph is made of."""
    return (_pooled if source.way == "pooled" else _by_gradient)(network, films, source)


def map_source(network: nn.Module, size: int) -> MapSource:
    """Find out how the network's maps are made for films of `size` x `size` pixels, by trying it on noise.

    network: in evaluation mode; its weights are left as they are. The noise is drawn anew from seed 0 and nothing else is.
    Raises BadConfig where there is no map of 2 x 2 places or more on which the logits depend everywhere.
    """
    films = _noise(network, size)
    name = type(network).__name__
    if not (hasattr(network, "forward_features") and hasattr(network, "forward_head")):
        raise BadConfig(f"{name} has no heatmap: it does not part its features from its head. {_REMEDY}")
    with torch.no_grad():
        logit = network(films)
        features: object = network.forward_features(films)  # type: ignore[operator]
    if not isinstance(features, torch.Tensor):
        raise BadConfig(f"{name} has no heatmap: it ends in several feature maps instead of one. {_REMEDY}")
    if features.ndim == 4:
        return _of_feature_map(network, features, logit, size)
    if features.ndim == 3:
        return _of_tokens(network, films, features, logit, size)
    raise BadConfig(f"{name} has no heatmap: its features have no places, their shape is {_shape(features)}. {_REMEDY}")


# Finding out ---------------------------------------------------------------------------------------------------------


def _of_feature_map(network: nn.Module, features: torch.Tensor, logit: torch.Tensor, size: int) -> MapSource:
    channels = getattr(network, "num_features", features.shape[1])
    axis = 3 if features.shape[1] != channels == features.shape[3] else 1
    places = features.shape[1:3] if axis == 3 else features.shape[2:]
    source = MapSource("gradient", (places[0], places[1]), axis)
    _refuse_single(network, source, size)
    if _is_pooled(network, features, logit, axis):
        return MapSource("pooled", source.side, axis)
    _refuse_blind(network, _head_gradients(network, features, logit, source), source)
    return source


def _of_tokens(
    network: nn.Module, films: torch.Tensor, features: torch.Tensor, logit: torch.Tensor, size: int
) -> MapSource:
    if features.shape[1] == 1:
        raise BadConfig(
            f"{type(network).__name__} has no heatmap: its features have no places, only a class token. {_REMEDY}"
        )
    side = _token_grid(network, features.shape[1])
    source = MapSource("gradient", side, 2)
    _refuse_single(network, source, size)
    if features.shape[1] == side[0] * side[1] and _is_pooled(network, features, logit, 2):
        _refuse_scattered(network, lambda shown: network.forward_features(shown), films, source)  # type: ignore[operator]
        return MapSource("pooled", side, 2)
    if _sees_everywhere(_head_gradients(network, features, logit, source)):
        _refuse_scattered(network, lambda shown: network.forward_features(shown), films, source)  # type: ignore[operator]
        return source
    blocks = getattr(network, "blocks", None)
    layer = getattr(blocks[-1], "norm1", None) if isinstance(blocks, nn.Sequential | nn.ModuleList) else None
    if layer is None:
        raise BadConfig(
            f"{type(network).__name__} has no heatmap: its logits do not depend on every place of its last feature map, and it "
            f"has no last block with a norm1 to take one from. {_REMEDY}"
        )
    source = MapSource("block", side, 2)
    taken, given = _from_block(network, films, layer)
    if taken.shape[1] < side[0] * side[1]:
        raise BadConfig(f"{type(network).__name__} has no heatmap: its last block reads too few tokens. {_REMEDY}")
    _refuse_blind(network, [on_grid(grad, source) for grad in _gradients(given, taken)], source)
    _refuse_scattered(network, lambda shown: _from_block(network, shown, layer)[0].detach(), films, source)
    return source


def _is_pooled(network: nn.Module, features: torch.Tensor, logit: torch.Tensor, axis: int) -> bool:
    """Whether logit == W mean(features) + b, to within rounding, on films for which that says something."""
    layer = network.get_classifier()  # type: ignore[operator]
    if not isinstance(layer, nn.Linear) or features.shape[axis] != layer.in_features:
        return False
    mean = features.float().mean(dim=[place for place in range(1, features.ndim) if place != axis])
    weight = layer.weight.float()
    bias = torch.zeros(len(weight), device=weight.device) if layer.bias is None else layer.bias.float()
    terms = mean.abs() @ weight.abs().T  # what rounding is to be measured by
    if not torch.isfinite(logit).all() or bool((terms == 0).any()):
        return False
    return bool(((mean @ weight.T + bias - logit).abs() <= _PROVED * (terms + bias.abs())).all())


def _head_gradients(
    network: nn.Module, features: torch.Tensor, logit: torch.Tensor, source: MapSource
) -> list[torch.Tensor]:
    """Each class's gradient on the last feature map, as (B, D, h, w). Raises BadConfig where the head alone gives other logits."""
    with torch.enable_grad():
        taken = features.detach().requires_grad_()
        given = network.forward_head(taken)  # type: ignore[operator]
    if not torch.allclose(given, logit, rtol=1e-3, atol=_PROVED):
        raise BadConfig(
            f"{type(network).__name__} has no heatmap: its head does not make its logits from its last feature map alone. {_REMEDY}"
        )
    return [on_grid(grad, source) for grad in _gradients(given, taken)]


def _sees_everywhere(gradients: list[torch.Tensor]) -> bool:
    """Whether some class of some film of noise changes with the features at every place."""
    return bool((torch.stack(gradients).abs().amax(dim=(0, 1, 2)) > 0).all())


def _refuse_blind(network: nn.Module, gradients: list[torch.Tensor], source: MapSource) -> None:
    if not torch.stack(gradients).any():
        raise BadConfig(
            f"{type(network).__name__} has no heatmap: its logits are the same for every film. Train it first"
        )
    if not _sees_everywhere(gradients):
        raise BadConfig(
            f"{type(network).__name__} has no heatmap: its logits do not depend on every place of its last feature map of "
            f"{source.side[0]} x {source.side[1]} places. {_REMEDY}"
        )


@torch.no_grad()
def _refuse_scattered(
    network: nn.Module, features_of: Callable[[torch.Tensor], torch.Tensor], films: torch.Tensor, source: MapSource
) -> None:
    """Raise BadConfig where tokens do not stand row by row: what changes a quarter of a film must move that quarter's most."""
    before = on_grid(features_of(films), source)
    height, width = before.shape[2:]
    for row in range(2):
        for column in range(2):
            changed = films.clone()
            _quarter(changed, row, column).neg_()
            moved = (on_grid(features_of(changed), source) - before).abs().mean(dim=(0, 1), keepdim=True)
            means = [float(_quarter(moved, *at).mean()) for at in ((0, 0), (0, 1), (1, 0), (1, 1))]
            if means.index(max(means)) != 2 * row + column:
                raise BadConfig(
                    f"{type(network).__name__} has no heatmap: what changes in a corner of the film does not change that "
                    f"corner of its {height * width} tokens most, so nobody knows where they lie. {_REMEDY}"
                )


def _quarter(films: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """A corner of (B, D, H, W), nearly a half by a half; the middle row and column of an odd side are left out."""
    height, width = films.shape[2] // 2, films.shape[3] // 2
    down = slice(None, height) if row == 0 else slice(-height, None)
    across = slice(None, width) if column == 0 else slice(-width, None)
    return films[:, :, down, across]


def _refuse_single(network: nn.Module, source: MapSource, size: int) -> None:
    if min(source.side) < _LEAST_SIDE:
        raise BadConfig(
            f"{type(network).__name__} has no heatmap at this size: of a film of {size} x {size} pixels its last feature map keeps "
            f"{source.side[0]} x {source.side[1]} places. Train with a larger --size, {_larger(source, size)} or more"
        )


def _larger(source: MapSource, size: int) -> int:
    """A size at which the map has several places on each side: four, as it shrinks now."""
    return 4 * size // min(source.side)


def _token_grid(network: nn.Module, tokens: int) -> tuple[int, int]:
    """Rows and columns of the places that tokens stand for; those before them (class, register) are none."""
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if grid is not None and grid[0] * grid[1] <= tokens:
        return int(grid[0]), int(grid[1])
    side = int((tokens - int(getattr(network, "num_prefix_tokens", 0))) ** 0.5)
    if side * side == tokens - int(getattr(network, "num_prefix_tokens", 0)):
        return side, side
    raise BadConfig(
        f"{type(network).__name__} has no heatmap: its {tokens} tokens are no grid of places over the film. {_REMEDY}"
    )


def _noise(network: nn.Module, size: int) -> torch.Tensor:
    weight = next(network.parameters())
    noise = torch.randn(_PROBES, 1, size, size, generator=torch.Generator().manual_seed(0))
    return noise.to(weight.device, weight.dtype)


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(str(side) for side in tensor.shape)


# Making maps ---------------------------------------------------------------------------------------------------------


def _pooled(network: nn.Module, films: torch.Tensor, source: MapSource) -> tuple[torch.Tensor, torch.Tensor]:
    features = network.forward_features(films)  # type: ignore[operator]
    logit = network.forward_head(features)  # type: ignore[operator]
    weight = last_layer(network).weight
    assert isinstance(weight, torch.Tensor)
    if source.channel_axis == 1:
        return logit, F.conv2d(features, weight[:, :, None, None])
    return logit, on_grid(features @ weight.T, source)


def _by_gradient(network: nn.Module, films: torch.Tensor, source: MapSource) -> tuple[torch.Tensor, torch.Tensor]:
    if source.way == "block":
        blocks = network.blocks
        assert isinstance(blocks, nn.Sequential | nn.ModuleList)
        taken, logit = _from_block(network, films, blocks[-1].norm1)  # type: ignore[arg-type]
    else:
        with torch.no_grad():
            features = network.forward_features(films)  # type: ignore[operator]
        with torch.enable_grad():
            taken = features.detach().contiguous().requires_grad_()
            logit = network.forward_head(taken)  # type: ignore[operator]
    features = on_grid(taken.detach(), source)  # (B, D, h, w)
    maps = []
    for gradient in _gradients(logit, taken):
        weight = on_grid(gradient, source).sum(dim=(2, 3))  # h * w times the mean, (B, D)
        maps.append(torch.einsum("bd,bdhw->bhw", weight, features))
    return logit.detach(), torch.stack(maps, dim=1)


def _gradients(logit: torch.Tensor, taken: torch.Tensor) -> Iterator[torch.Tensor]:
    """d logit[:, c] / d taken for each class c; films do not touch each other, so their sum has the gradients of all."""
    classes = logit.shape[1]
    for c in range(classes):
        (gradient,) = torch.autograd.grad(logit[:, c].sum(), taken, retain_graph=c + 1 < classes)
        yield gradient


def _from_block(network: nn.Module, films: torch.Tensor, layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """What `layer` gave, cut off from all before it, and the logits as a function of it."""
    with torch.no_grad(), _cut_off(layer) as taken:
        logit = network(films)
    return taken(), logit


@contextmanager
def _cut_off(layer: nn.Module) -> Iterator[Callable[[], torch.Tensor]]:
    """Within the block, what the layer gives becomes a leaf and gradients are kept from there on, and only there.

    Entered with gradients off; whoever turned them off turns them back.
    """
    kept: list[torch.Tensor] = []

    def cut(_: nn.Module, __: object, given: torch.Tensor) -> torch.Tensor:
        torch.set_grad_enabled(True)
        kept.append(given.detach().requires_grad_())
        return kept[-1]

    hook = layer.register_forward_hook(cut)
    try:
        yield lambda: kept[-1]
    finally:
        hook.remove()


def on_grid(values: torch.Tensor, source: MapSource) -> torch.Tensor:
    """Features, gradients or strengths of any layout as (B, D, h, w); tokens that stand before the places fall away."""
    if source.channel_axis == 1:
        return values
    if values.ndim == 3:
        height, width = source.side
        values = values[:, -height * width :].unflatten(1, (height, width))  # type: ignore[no-untyped-call]
    return values.permute(0, 3, 1, 2)
