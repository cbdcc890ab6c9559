"""Copies of a network with their weights shuffled, for the randomisation test of its heatmaps (`core/map_checks.py`)."""

from __future__ import annotations

import copy

import torch
from torch import nn

_ROW = 2**22  # values that are moved together
SHUFFLES = 5


def shuffled_networks(network: nn.Module, count: int = SHUFFLES) -> list[nn.Module]:
    """Copies of the network with the values of every tensor of weights shuffled within it, by seeds 0 to count - 1.

    So each layer keeps the sizes of its weights and forgets what it has learnt.
    """
    return [_shuffled(network, seed) for seed in range(count)]


def _shuffled(network: nn.Module, seed: int) -> nn.Module:
    forgetful = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in forgetful.parameters():
            weights.copy_(_permuted(weights, generator))
    return forgetful


def _permuted(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same values in another order; those of a large tensor by rows and within rows, far quicker than one by one."""
    values = weights.flatten()
    whole = len(values) // _ROW * _ROW
    rest = values[whole:]
    rest = rest[torch.randperm(len(rest), generator=generator).to(rest.device)]
    rows = values[:whole].view(-1, _ROW)
    if len(rows):
        rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        rows = rows[:, torch.randperm(_ROW, generator=generator).to(rows.device)]
    return torch.cat([rows.flatten(), rest]).reshape(weights.shape)
