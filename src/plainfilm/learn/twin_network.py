"""The network that finds near twins: trained by telling films apart through everything that may happen to a picture.

    python -m plainfilm.learn.twin_network FOLDER... -o src/plainfilm/models/twins.onnx

Two differently spoiled copies of one film must lie closer together than any two films of the batch (van den Oord et al. 2018,
InfoNCE; Pizzi et al. 2022, SSCD). Labels are not used. The local contrast is part of the graph: it is computed in one place.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.image import FILM_SUFFIXES, read_film
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage
from plainfilm.learn.onnx_file import write_onnx

INPUT_PX = 64
EMBEDDING = 64
_CONTRAST_SIGMA_PX = 6.0
_CONTRAST_FLOOR = 2 / 255  # local deviations below this are noise of the file, not picture
_TEMPERATURE = 0.07


class TwinNetwork(nn.Module):
    """(B, 1, 64, 64) grey in 0..1 -> (B, 64) embeddings of length 1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width, stride in ((32, 2), (48, 1), (64, 2), (96, 1), (96, 2), (128, 1), (128, 2)):
            layers += [
                nn.Conv2d(channels, width, 3, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, EMBEDDING))
        reach = math.ceil(3 * _CONTRAST_SIGMA_PX)
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / _CONTRAST_SIGMA_PX) ** 2)
        self.register_buffer("bell", bell / bell.sum())

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """Embeddings of films."""
        return F.normalize(self.layers(self._local_contrast(films)), dim=1)

    def _local_contrast(self, films: torch.Tensor) -> torch.Tensor:
        """How far each pixel lies from its surroundings, in their standard deviations."""
        mean = self._smoothed(films)
        variance = self._smoothed(films * films) - mean * mean
        return (films - mean) / (variance.clamp_min(0) + _CONTRAST_FLOOR**2).sqrt()

    def _smoothed(self, films: torch.Tensor) -> torch.Tensor:
        bell = self.bell
        assert isinstance(bell, torch.Tensor)
        reach = len(bell) // 2
        films = F.pad(films, (reach, reach, reach, reach), mode="replicate")
        films = F.conv2d(films, bell.view(1, 1, 1, -1))
        return F.conv2d(films, bell.view(1, 1, -1, 1))


def spoiled(films: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What may happen to a picture between two collections, several things at once: (B, 1, H, H) in 0..1 -> (B, 1, 64, 64).

    Crop, padding, rotation, mirroring; gamma, brightness, contrast, inversion; blur, noise, writing.
    """
    count = len(films)

    def within(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def some(share: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) < share).float()

    crop = (
        within(0, 0.13, 4) * some(0.5)[:, None] * (within(0, 1, 4) < 0.6).float()
    )  # share cut from left, right, top, bottom
    pad = within(0, 0.18, 4) * some(0.3)[:, None] * (within(0, 1, 4) < 0.7).float()
    left, right = -1 + 2 * crop[:, 0] - 2 * pad[:, 0], 1 - 2 * crop[:, 1] + 2 * pad[:, 1]
    top, bottom = -1 + 2 * crop[:, 2] - 2 * pad[:, 2], 1 - 2 * crop[:, 3] + 2 * pad[:, 3]
    angle = within(-7, 7) * some(0.4) * (math.pi / 180)
    mirror = 1 - 2 * some(0.3)
    cos, sin = torch.cos(angle), torch.sin(angle)
    half_width, half_height = (right - left) / 2, (bottom - top) / 2
    theta = torch.stack(
        [
            torch.stack([half_width * cos * mirror, -half_height * sin, (left + right) / 2], 1),
            torch.stack([half_width * sin * mirror, half_height * cos, (top + bottom) / 2], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [count, 1, INPUT_PX, INPUT_PX], align_corners=False)
    border = torch.where(some(0.7) > 0, some(0.3), within(0, 1)).view(-1, 1, 1, 1)
    outside = (grid.abs() > 1).any(-1).unsqueeze(1)
    seen = F.grid_sample(films, grid, mode="bilinear", padding_mode="border", align_corners=False)
    seen = torch.where(outside, border, seen)

    is_toned = some(0.6)
    seen = seen.clamp(1e-4, 1) ** torch.exp(within(-0.8, 0.8) * is_toned).view(-1, 1, 1, 1)
    factor = torch.exp(within(-0.7, 0.4) * is_toned).view(-1, 1, 1, 1)
    seen = ((seen - 0.5) * factor + 0.5 + (within(-0.2, 0.2) * is_toned).view(-1, 1, 1, 1)).clamp(0, 1)
    blurred = F.interpolate(seen, int(torch.randint(20, 48, (), generator=generator)), mode="area")
    blurred = F.interpolate(blurred, INPUT_PX, mode="bilinear")
    seen = torch.where(some(0.3).view(-1, 1, 1, 1) > 0, blurred, seen)
    noise = torch.randn(seen.shape, generator=generator) * (within(0, 0.1) * some(0.4)).view(-1, 1, 1, 1)
    seen = _written_on(seen + noise, some(0.3), generator)
    return torch.where(some(0.2).view(-1, 1, 1, 1) > 0, 1 - seen, seen).clamp(0, 1)


def _written_on(films: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some bright or dark bars: letters, words, boxes with words in them."""
    films = films.clone()
    for film in torch.nonzero(chosen).flatten().tolist():
        for _ in range(int(torch.randint(1, 9, (), generator=generator))):
            height = int(torch.randint(1, 8, (), generator=generator))
            width = int(
                torch.randint(1, 44 if torch.rand((), generator=generator) < 0.35 else 9, (), generator=generator)
            )
            top = int(torch.randint(0, INPUT_PX - height, (), generator=generator))
            start = int(torch.randint(0, INPUT_PX - width, (), generator=generator))
            shade = float(torch.rand((), generator=generator) > 0.3)
            letters = films[film, :, top : top + height, start : start + width]
            gaps = torch.rand(letters.shape, generator=generator) < 0.7
            films[film, :, top : top + height, start : start + width] = torch.where(gaps, shade, letters)
    return films


def train_twin_network(thumbnails: NDArray[np.uint8], minutes: float, seed: int = 0, batch: int = 384) -> TwinNetwork:
    """Train for so many minutes. thumbnails: (N, H, H) uint8."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = TwinNetwork().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02, fused=True)
    begun, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 50) * 0.5 * (1 + math.cos(math.pi * done))
        films = torch.from_numpy(thumbnails[rng.choice(len(thumbnails), batch, replace=False)])[:, None].float() / 255
        views = torch.cat([spoiled(films, generator), spoiled(films, generator)])
        with torch.autocast("cpu", torch.bfloat16):
            embedding = network(views)
        first, second = F.normalize(embedding.float(), dim=1).chunk(2)
        alike = first @ second.T / _TEMPERATURE  # (B, B)
        own = torch.arange(batch)
        loss = (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        done = (time.monotonic() - begun) / (minutes * 60)
        if step % 50 == 0:
            right = (alike.argmax(1) == own).float().mean()
            print(f"{done:.2f}  step {step}  loss {loss.item():.4f}  first is the twin {right:.4f}", flush=True)
    return network.eval()


def _thumbnails(folders: list[Path]) -> NDArray[np.uint8]:
    found = []
    for path in sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in FILM_SUFFIXES
    ):
        try:
            found.append(thumbnail(read_film(path).pixels))
        except BadImage as error:
            print(error, file=sys.stderr)
    return np.stack(found)


def main() -> None:
    """Train on the films below some folders and write the ONNX file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    thumbnails = _thumbnails(options.folders)
    print(f"{len(thumbnails)} films")
    write_onnx(train_twin_network(thumbnails, options.minutes), INPUT_PX, ("embedding",), options.output)


if __name__ == "__main__":
    main()
