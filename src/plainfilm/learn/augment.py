"""Augmentation: whole batches at once, on the device that trains, driven by one generator.

Each film draws its own values, uniformly within the bounds of the settings. Geometry is one resampling; grey levels follow.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from plainfilm.core.config import TrainConfig

_ERASED_AREA = (0.02, 0.2)
_ERASED_ASPECT = (0.4, 2.5)


def augment(
    films: torch.Tensor, strength: torch.Tensor, config: TrainConfig, generator: torch.Generator
) -> torch.Tensor:
    """Vary each film of a batch.

    films: (B, 1, H, W) float32 in 0..1.
    strength: (B,) factor on every bound, 1 for the settings as they are; flip and erasing are shares and stay as they are.
    generator: of the CPU, so that all devices draw the same values.
    Returns (B, 1, H, W) float32 in 0..1.
    """
    is_varied = torch.rand(len(films), generator=generator) < config.augment_share
    strength = strength * is_varied  # with strength 0 a film keeps its very pixels
    draw = _Draw(len(films), strength, generator)
    films = _moved(films, draw, config)
    if config.augment_gamma:
        exponent = torch.exp(draw.around(config.augment_gamma)).to(films.device)
        films = films.clamp_min(1e-6) ** exponent.view(-1, 1, 1, 1)
    if config.augment_contrast or config.augment_brightness:
        factor = (1 + draw.around(config.augment_contrast)).clamp_min(0).to(films.device).view(-1, 1, 1, 1)
        shift = draw.around(config.augment_brightness).to(films.device).view(-1, 1, 1, 1)
        mean = films.mean((2, 3), keepdim=True)
        films = (films - mean) * factor + (mean + shift)
    if config.augment_noise:
        deviation = (draw.share() * config.augment_noise * strength).view(-1, 1, 1, 1)
        films = films + (torch.randn(films.shape, generator=generator) * deviation).to(films.device)
    films = films.clamp(0, 1)
    if config.augment_erasing:
        films = _erased(films, draw, config.augment_erasing)
    return films


class _Draw:
    """Values for each film of a batch."""

    def __init__(self, films: int, strength: torch.Tensor, generator: torch.Generator) -> None:
        self.films, self.strength, self.generator = films, strength, generator

    def share(self) -> torch.Tensor:
        """(B,) uniform in 0..1."""
        return torch.rand(self.films, generator=self.generator)

    def around(self, bound: float) -> torch.Tensor:
        """(B,) uniform in -bound..bound, times the strength."""
        return (2 * self.share() - 1) * bound * self.strength


def _moved(films: torch.Tensor, draw: _Draw, config: TrainConfig) -> torch.Tensor:
    """Flip, rotate, zoom and shift, in one bilinear resampling; what comes in from outside is black."""
    mirror = torch.where(draw.share() < config.augment_flip, -1.0, 1.0)
    moves = (config.augment_rotation, config.augment_zoom, config.augment_translation)
    if not any(moves):
        return torch.where((mirror < 0).to(films.device).view(-1, 1, 1, 1), films.flip(-1), films)
    angle = draw.around(config.augment_rotation) * (math.pi / 180)
    scale = torch.exp(draw.around(math.log1p(config.augment_zoom)))
    right, down = 2 * draw.around(config.augment_translation), 2 * draw.around(config.augment_translation)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos * mirror, -sin, right], 1), torch.stack([sin * mirror, cos, down], 1)], 1)
    grid = F.affine_grid(theta.to(films.device), list(films.shape), align_corners=False)
    return F.grid_sample(films, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _erased(films: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    """Put a rectangle of one grey level over a share of the films (random erasing, Zhong et al. 2020)."""
    height, width = films.shape[2:]
    area = _ERASED_AREA[0] + draw.share() * (_ERASED_AREA[1] - _ERASED_AREA[0])
    low, high = (math.log(bound) for bound in _ERASED_ASPECT)
    aspect = torch.exp(low + draw.share() * (high - low))
    tall, wide = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    top, left = draw.share() * (1 - tall), draw.share() * (1 - wide)
    grey, chosen = draw.share(), draw.share() < share
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])  # (B, H)
    in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])  # (B, W)
    hole = (in_rows[:, None, :, None] & in_columns[:, None, None, :] & chosen[:, None, None, None]).to(films.device)
    return torch.where(hole, grey.to(films.device).view(-1, 1, 1, 1), films)


def cropped(films: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """A random window of each film: (B, 1, H, W) -> (B, 1, size, size), its pixels as they are."""
    height, width = films.shape[2:]
    if (height, width) == (size, size):
        return films
    top = torch.randint(height - size + 1, (len(films),), generator=generator).tolist()
    left = torch.randint(width - size + 1, (len(films),), generator=generator).tolist()
    windows = zip(films, top, left, strict=True)
    return torch.stack([film[:, row : row + size, column : column + size] for film, row, column in windows])


def mixed_up(
    films: torch.Tensor, target: torch.Tensor, alpha: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup (Zhang et al. 2018): each film and its target blended with another of the batch.

    films: (B, 1, H, W). target: (B, C) shares. alpha: of the beta distribution, above 0.
    """
    order = torch.randperm(len(films), generator=generator)
    gammas = torch._standard_gamma(torch.full((2, len(films)), alpha), generator=generator).clamp_min(1e-12)
    kept = gammas[0] / gammas.sum(0)
    kept = torch.maximum(kept, 1 - kept).to(films.device)
    order = order.to(films.device)
    film_share, target_share = kept.view(-1, 1, 1, 1), kept.view(-1, 1)
    return (
        film_share * films + (1 - film_share) * films[order],
        target_share * target + (1 - target_share) * target[order],
    )
