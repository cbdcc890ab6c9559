"""Networks of random weights that have seen something, and films to show them, for tests of heatmaps and of what is exported."""

from __future__ import annotations

import torch
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.learn.model import build_network

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")


def lived_in(name: str, size: int, seed: int = 0) -> nn.Module:
    """A network with random weights whose norms have seen something: no statistic, scale or shift is 0 or 1."""
    torch.manual_seed(seed)
    network = build_network(TrainConfig(model=name, weights="scratch", size=size), CLASSES).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
            if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
        head = network.get_classifier()  # type: ignore[operator]
        head.weight.normal_(0, 0.1, generator=generator)
        head.bias.normal_(0, 0.1, generator=generator)
    return network


def smooth_films(size: int, count: int = 2) -> torch.Tensor:
    """Smooth random films, so that no map is flat."""
    coarse = torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(5))
    return nn.functional.interpolate(coarse, (size, size), mode="bicubic") + 0.1


def thinned(network: nn.Module) -> nn.Module:
    """The same network with fewer blocks or a narrower head, where it would take a minute to trace: what it is made of stays."""
    name = type(network).__name__
    if name == "VisionTransformer":
        network.blocks = network.blocks[-2:]  # type: ignore[index]
    elif name == "ConvNeXt":
        for stage in network.stages:  # type: ignore[union-attr]
            stage.blocks = stage.blocks[-1:]
    elif name == "VGG":
        wide, width = network.pre_logits, 64
        wide.fc1 = nn.Conv2d(512, width, 7)  # type: ignore[union-attr]
        wide.fc2 = nn.Conv2d(width, width, 1)  # type: ignore[union-attr]
        network.head.fc = nn.Linear(width, len(CLASSES))  # type: ignore[union-attr]
    return network
