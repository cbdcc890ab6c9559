"""A better start from scratch: the first convolution as the principal patterns of the films, evenly scaled, and kept so.

A random filter answers to the coarse shadows of a film, a hundred times stronger than its fine texture, and a network needs many
epochs to look past them. The principal components of small patches, each scaled to the same strength, show it both at once.
Source: D. Page, How to train your ResNet 8 (2019); K. Jordan, 94% on CIFAR-10 in 3.29 seconds (2024).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.preprocess import Preprocess

_FILMS = 1000
_PATCHES_A_FILM = 40
_GREY_STEP_VARIANCE = (1 / 255) ** 2 / 12  # of rounding to 8 bits: what is weaker than that is no picture


def first_layer(network: nn.Module) -> nn.Conv2d | None:
    """The convolution on the film itself, where a batch norm follows it; None for a network that begins otherwise."""
    layers = [layer for layer in network.modules() if list(layer.parameters(recurse=False))]
    first, second = [*layers, None, None][:2]
    if isinstance(first, nn.Conv2d) and first.in_channels == 1 and isinstance(second, nn.BatchNorm2d):
        return first
    return None


class _FullPrecision(nn.Conv2d):
    """A convolution in float32 within mixed precision too: bfloat16 rounds a film more coarsely than its fine texture."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        kind = input.device.type
        is_mixed, mixed = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        with torch.autocast(kind, enabled=False):
            answers = super().forward(input.float())
        return answers.to(mixed) if is_mixed else answers


@torch.no_grad()
def whiten(
    layer: nn.Conv2d, films: NDArray[np.uint8], places: NDArray[np.int64], preprocess: Preprocess, seed: int
) -> None:
    """Set the filters of `layer` to the principal components of patches of the films, scaled to unit variance.

    films: (N, H, W) uint8. places: which of them to look at. Components come by strength, then the strongest again with their
    sign turned, since a rectifier passes one sign only; filters beyond twice the number of components stay random. From here on
    the layer computes in float32.
    """
    rng = np.random.default_rng(seed)
    height, width = layer.kernel_size
    chosen = np.sort(rng.choice(places, min(_FILMS, len(places)), replace=False))
    patches = np.concatenate([_patches(films[place], height, width, rng) for place in chosen])
    patches = (patches / 255 - preprocess.mean) / preprocess.std
    patches -= patches.mean(0)
    variance, components = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = (components / np.sqrt(np.maximum(variance, 0) + _GREY_STEP_VARIANCE / preprocess.std**2)).T[::-1]
    filters = np.concatenate([filters, -filters])[: layer.out_channels]
    layer.weight[: len(filters)] = torch.from_numpy(filters.reshape(-1, 1, height, width).copy())
    if layer.bias is not None:
        layer.bias.zero_()
    if type(layer) is nn.Conv2d:
        layer.__class__ = _FullPrecision


def _patches(film: NDArray[np.uint8], height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(P, height * width) patches from random places of one film."""
    rows = rng.integers(0, film.shape[0] - height + 1, _PATCHES_A_FILM)
    columns = rng.integers(0, film.shape[1] - width + 1, _PATCHES_A_FILM)
    windows = np.lib.stride_tricks.sliding_window_view(film, (height, width))
    return windows[rows, columns].reshape(_PATCHES_A_FILM, -1).astype(np.float64)
