"""Augmentation: whole batches at once, on the device that trains, driven by one generator.

Each film draws its own values, uniformly within the bounds of the settings. Geometry is one resampling; grey levels follow.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from plainfilm.core.config import TrainConfig
from plainfilm.learn.style import in_other_look

_ERASED_AREA = (0.02, 0.2)
_ERASED_ASPECT = (0.4, 2.5)
_WIDEST_BORDER = 1 / 6
_WIDEST_SWAP = 1 / 5
_SOFTEST_SEAM = 0.04  # of the side
_HIDDEN_HALF = (0.55, 0.95)  # of half the side


def augment(
    films: torch.Tensor, strength: torch.Tensor, config: TrainConfig, generator: torch.Generator
) -> torch.Tensor:
    """Vary each film of a batch.

    films: (B, 1, H, W) float32 in 0..1.
    strength: (B,) factor on every bound, 1 for the settings as they are; flip, erasing, swap and border are shares and stay so.
    generator: of the CPU, so that all devices draw the same values.
    Returns (B, 1, H, W) float32 in 0..1.
    """
    is_varied = torch.rand(len(films), generator=generator) < config.augment_share
    strength = strength * is_varied  # with strength 0 a film keeps its very pixels
    draw = _Draw(len(films), strength, generator)
    if config.augment_style:
        films = _in_other_looks(films, draw, config.augment_style)
    films = _moved(films, draw, config)
    if config.augment_gamma:
        exponent = torch.exp(draw.around(config.augment_gamma)).to(films.device)
        films = films.clamp_min(1e-6) ** exponent.view(-1, 1, 1, 1)
    if config.augment_contrast or config.augment_brightness:
        factor = (1 + draw.around(config.augment_contrast)).clamp_min(0).to(films.device).view(-1, 1, 1, 1)
        shift = draw.around(config.augment_brightness).to(films.device).view(-1, 1, 1, 1)
        mean = films.mean((2, 3), keepdim=True)
        films = (films - mean) * factor + (mean + shift)
    if config.augment_resampling:
        films = _resampled(films, draw, config.augment_resampling)
    if config.augment_noise:
        deviation = (draw.share() * config.augment_noise * strength).view(-1, 1, 1, 1)
        films = films + (torch.randn(films.shape, generator=generator) * deviation).to(films.device)
    films = films.clamp(0, 1)
    if config.augment_erasing:
        films = _erased(films, draw, config.augment_erasing)
    if config.augment_swap:
        films = _with_other_borders(films, draw, config.augment_swap)
    if config.augment_border:
        films = _without_border(films, draw, config.augment_border)
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


def _in_other_looks(films: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    """Bring a share of the films towards the look of another of the batch, each as far as it draws."""
    order = torch.randperm(draw.films, generator=draw.generator).to(films.device)
    chosen = draw.share() < share
    far = draw.share().sqrt() * chosen * draw.strength.clamp_max(1)  # more often far than not
    return in_other_look(films, order, far.to(films.device))


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


def _resampled(films: torch.Tensor, draw: _Draw, bound: float) -> torch.Tensor:
    """Each film on the way to a coarser grid and back, so that no texture of one chain of resizing stays.

    One grid and one way of resampling a batch, drawn by the generator; each film goes as far as it draws.
    """
    side = films.shape[-1]
    scale = 1 - bound * float(torch.rand(1, generator=draw.generator))
    down = ("area", "bilinear", "bicubic")[int(torch.randint(3, (1,), generator=draw.generator))]
    up = ("bilinear", "bicubic")[int(torch.randint(2, (1,), generator=draw.generator))]
    less = max(8, round(side * scale))
    options = {} if down == "area" else {"align_corners": False, "antialias": True}
    coarse = F.interpolate(films, (less, less), mode=down, **options)
    back = F.interpolate(coarse, films.shape[2:], mode=up, align_corners=False)
    far = (draw.share() * draw.strength).to(films.device).view(-1, 1, 1, 1)
    return films + far * (back - films)


def _without_border(films: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    """Put one grey level over the outer parts of a share of the films, each side by its own width."""
    height, width = films.shape[2:]
    chosen = draw.share() < share
    top, bottom, left, right = (draw.share() * _WIDEST_BORDER * chosen for _ in range(4))
    grey = draw.share() * (draw.share() < 0.5)  # black is what collimators leave
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    in_rows = (rows >= top[:, None]) & (rows < (1 - bottom)[:, None])  # (B, H)
    in_columns = (columns >= left[:, None]) & (columns < (1 - right)[:, None])  # (B, W)
    kept = (in_rows[:, None, :, None] & in_columns[:, None, None, :]).to(films.device)
    return torch.where(kept, films, grey.to(films.device).view(-1, 1, 1, 1))


def _with_other_borders(films: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    """Give a share of the films the outer parts of another film of the batch, each side by its own width, under a soft seam.

    What lies at the border then foretells nothing: markers, collimation, arms, the scanner's own frame.
    """
    height, width = films.shape[2:]
    order = torch.randperm(draw.films, generator=draw.generator).to(films.device)
    chosen = draw.share() < share
    top, bottom, left, right = (draw.share() * _WIDEST_SWAP for _ in range(4))
    seam = draw.share() * _SOFTEST_SEAM + 1 / max(height, width)
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    in_rows = torch.minimum(
        rows - top[:, None], (1 - bottom)[:, None] - rows
    )  # (B, H): how far inside, share of the side
    in_columns = torch.minimum(columns - left[:, None], (1 - right)[:, None] - columns)  # (B, W)
    inside = torch.minimum(in_rows[:, :, None], in_columns[:, None, :]) / seam[:, None, None]
    own = torch.where(chosen[:, None, None], inside.clamp(0, 1), torch.ones(())).unsqueeze(1).to(films.device)
    return own * films + (1 - own) * films[order]


def with_hidden_middles(
    films: torch.Tensor, target: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide the middle of a share of the films; of what is left nobody can tell the class, so their target is even over all.

    Outlier exposure (Hendrycks et al. 2019) with the film itself as outlier: whoever answers by what surrounds the lungs pays.
    films: (B, 1, H, W) in 0..1. target: (B, C) shares. Returns both anew.
    """
    draw = _Draw(len(films), torch.ones(len(films)), generator)
    height, width = films.shape[2:]
    low, high = _HIDDEN_HALF
    tall, wide = (low + (high - low) * draw.share() for _ in range(2))
    power = torch.where(draw.share() < 0.5, 2.0, 10.0)[:, None, None]  # an ellipse, or next to a rectangle
    down = (torch.arange(height) + 0.5) / height * 2 - 1
    right = (torch.arange(width) + 0.5) / width * 2 - 1
    from_middle = (down[:, None].abs() / tall[:, None, None]) ** power + (right.abs() / wide[:, None, None]) ** power
    chosen = draw.share() < share
    grey = draw.share() * (draw.share() < 0.5)
    hole = ((from_middle < 1) & chosen[:, None, None]).unsqueeze(1).to(films.device)
    hidden = torch.where(hole, grey.view(-1, 1, 1, 1).to(films.device), films)
    even = torch.full_like(target, 1 / target.shape[1])
    return hidden, torch.where(chosen[:, None].to(target.device), even, target)


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
