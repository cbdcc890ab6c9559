"""The look of one film on another: its grey levels and its sharpness, so that neither foretells the class.

Which scanner, which export to JPEG and which chain of resizing a film went through shows in both. Sources: histogram matching;
for the spectrum, Yang & Soatto 2020, who swap amplitudes, where only their mean over directions is taken over here.
"""

from __future__ import annotations

import math

import torch

_LEVELS = 256
_RIM = 0.15  # of each side: levels are counted inside it, so that nobody borrows a wide black or white border into the lungs
_RINGS = 24  # of frequency, evenly wide from half of one cycle a side to the corner, in logarithm
_STRONGEST = 6.0  # factor on a frequency, either way: what one film lacks altogether is not conjured up


def in_other_look(films: torch.Tensor, order: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Bring films towards the spectrum and the grey levels of others of the batch.

    films: (B, 1, H, W) float32 in 0..1. order: (B,) whose look each takes. share: (B,) in 0..1, how far; 0 keeps its very pixels.
    Returns (B, 1, H, W) in 0..1.
    """
    far = share.view(-1, 1, 1, 1)
    sharpened = _with_spectrum(films, order).clamp(0, 1)
    return films + far * (_with_levels(sharpened, films[order]) - films)


def _with_spectrum(films: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Each film with the mean power at each frequency, over all directions, of another; its mean level stays."""
    height, width = films.shape[2:]
    waves = torch.fft.rfft2(films)  # (B, 1, H, W // 2 + 1)
    down = torch.fft.fftfreq(height, device=films.device) * height
    right = torch.fft.rfftfreq(width, device=films.device) * width
    cycles = torch.hypot(down[:, None], right[None, :])  # a side
    place = torch.log(cycles.clamp_min(0.5) / 0.5) / math.log(float(cycles.max()) / 0.5) * (_RINGS - 1)
    ring = place.round().long().flatten()
    counts = torch.zeros(_RINGS, device=films.device).index_add_(0, ring, torch.ones_like(ring, dtype=films.dtype))
    power = waves.abs().square().flatten(1)
    mean = torch.zeros(len(films), _RINGS, device=films.device).index_add_(1, ring, power) / counts.clamp_min(1)
    mean = _filled(mean, counts > 0) + 1e-6
    gain = (mean[order] / mean).sqrt().clamp(1 / _STRONGEST, _STRONGEST)  # (B, rings)
    lower = place.floor().long().clamp_max(_RINGS - 2)
    rest = place - lower
    smooth = gain[:, lower] * (1 - rest) + gain[:, lower + 1] * rest  # (B, H, W // 2 + 1)
    smooth[:, 0, 0] = 1
    changed: torch.Tensor = torch.fft.irfft2(waves * smooth.unsqueeze(1), s=(height, width))
    return changed


def _filled(mean: torch.Tensor, is_met: torch.Tensor) -> torch.Tensor:
    """Rings that no frequency falls into, with the value of the nearest one that has some."""
    met = torch.nonzero(is_met).flatten()
    rings = torch.arange(len(is_met), device=mean.device)
    nearest = (rings[:, None] - met[None, :]).abs().argmin(1)
    return mean[:, met[nearest]]


def _with_levels(films: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Each film with the share of pixels at each grey level that another has (histogram matching), between levels by a line.

    Both are counted inside the rim.
    """
    own, wanted = _cumulated(_inside(films)), _cumulated(_inside(others))
    # (B, levels): the level of the other at the same rank
    level = torch.searchsorted(wanted, own).clamp_max(_LEVELS - 1)
    above = wanted.gather(1, level)
    below_at = (level - 1).clamp_min(0)
    below = wanted.gather(1, below_at)
    part = ((own - below) / (above - below).clamp_min(1e-9)).clamp(0, 1)
    table = (below_at + (level - below_at) * part) / (_LEVELS - 1)
    place = films.flatten(1) * (_LEVELS - 1)
    lower = place.long().clamp(0, _LEVELS - 2)
    rest = place - lower
    matched = table.gather(1, lower) * (1 - rest) + table.gather(1, lower + 1) * rest
    return matched.view_as(films)


def _inside(films: torch.Tensor) -> torch.Tensor:
    height, width = films.shape[2:]
    down, right = int(_RIM * height), int(_RIM * width)
    return films[:, :, down : height - down, right : width - right]


def _cumulated(films: torch.Tensor) -> torch.Tensor:
    """(B, levels): share of a film's pixels at or below each grey level."""
    level = (films.flatten(1) * (_LEVELS - 1)).round().long().clamp(0, _LEVELS - 1)
    offset = torch.arange(len(films), device=films.device)[:, None] * _LEVELS
    counts = torch.bincount((level + offset).flatten(), minlength=len(films) * _LEVELS).view(len(films), _LEVELS)
    return counts.cumsum(1) / level.shape[1]
