"""The network that finds the lungs: a small U-Net, trained on films with masks, on phantoms, and on pictures without lungs.

    python -m plainfilm.learn.lung_network MANIFEST... -o src/plainfilm/models/lungs.onnx --unmasked MANIFEST --minutes 25

Each manifest comes from `plainfilm prepare`, which keeps patients and near twins together; its train split is trained on, the
first one's val split is reported on while the training goes, no test split is ever opened. Films of --unmasked have no masks: a
third of the way through the network draws them itself, and what it is sure of is trained on with all that may happen to a film laid
over it (Xie et al. 2020, arXiv:1911.04252, noisy student). Labels are not used. U-Net: Ronneberger et al. 2015, arXiv:1505.04597.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.image import read_film
from plainfilm.core.lungs import INPUT_PX, network_input
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import to_uint8
from plainfilm.learn.lung_pictures import SOURCE_PX, LungPictures, MaskedFilms
from plainfilm.learn.onnx_file import write_onnx

BATCH = 32
OUTPUTS = ("lungs", "presence")
_WITHOUT_LUNGS = 0.2  # share of the pictures
_WEIGHT = {"first": 1.0, "further": 0.25, "unmasked": 0.5}  # how often films of a kind are drawn
_UNMASKED = 1500  # films without masks, at most
_DRAWN_AT = 0.35  # of the way: when the network draws them
_SURE = 0.95  # certainty of its drawing from which on a film is trained on
_AVERAGED = 0.998  # of the running mean of the weights stays, each step
_RATE, _DECAY = 2e-3, 0.02


class LungNetwork(nn.Module):
    """(B, 1, 128, 128) grey in 0..1 -> (B, 1, 128, 128) logits of lung, (B,) logit that the picture holds lungs."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 96)) -> None:
        """widths: channels at a half, a quarter ... of the film's size."""
        super().__init__()
        fine, *coarser = widths
        self.entry = _convolution(1, fine, 2)
        self.down = nn.ModuleList(_Down(before, width) for before, width in zip(widths, coarser, strict=False))
        self.middle = nn.Sequential(_Residual(coarser[-1], 2), _Residual(coarser[-1], 1))
        steps = list(zip(reversed(coarser), reversed(widths[:-1]), strict=True))
        self.up = nn.ModuleList(_Up(before, width) for before, width in steps)
        self.lungs = nn.Sequential(nn.Conv2d(fine, 4, 1), nn.PixelShuffle(2))  # back to the film's size
        self.presence = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * coarser[-1], 1)
        )

    def forward(self, films: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of lung and of presence."""
        levels = [self.entry(films - 0.5)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = self.middle(levels.pop())
        presence = self.presence(x).flatten()
        for up in self.up:
            x = up(x, levels.pop())
        return self.lungs(x), presence


class _Down(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolution(before, width, 2), _Residual(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = self.layers(x)
        return seen


class _Up(nn.Module):
    """Twice the size, beside what was seen at that size on the way down."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(before, width, 1, bias=False)
        self.layers = _convolution(2 * width, width, 1)

    def forward(self, x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        larger = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        seen: torch.Tensor = self.layers(torch.cat([larger, beside], 1))
        return seen


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, 1, dilation)
        self.second = _convolution(channels, channels, 1, dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = x + self.second(self.first(x))
        return changed


def _convolution(channels: int, width: int, stride: int, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 3, stride, dilation, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


# Films ----------------------------------------------------------------------------------------------------------------


def masked_films(manifest: Manifest, split: str) -> MaskedFilms:
    """The films of a split that have a mask. Raises BadImage where a film or a mask cannot be read."""
    rows = manifest.ok.query("split == @split and mask_path != ''")
    return MaskedFilms(_squares(manifest, rows["path"]), _squares(manifest, rows["mask_path"]))


def unmasked_films(manifest: Manifest, seed: int = 0) -> NDArray[np.uint8]:
    """(N, 192, 192), some films of the train split. Raises BadImage where one cannot be read."""
    paths = manifest.ok.query("split == 'train'")["path"]
    return _squares(manifest, paths.sample(min(_UNMASKED, len(paths)), random_state=seed))


def _squares(manifest: Manifest, paths: pd.Series[str]) -> NDArray[np.uint8]:
    """(N, 192, 192), squashed."""
    squares = np.zeros((len(paths), SOURCE_PX, SOURCE_PX), np.uint8)
    for place, path in enumerate(paths):
        pixels = to_uint8(read_film(manifest.film_path(path)).pixels)
        way = cv2.INTER_AREA if pixels.size > SOURCE_PX**2 else cv2.INTER_LINEAR
        squares[place] = cv2.resize(pixels, (SOURCE_PX, SOURCE_PX), interpolation=way)
    return squares


@torch.inference_mode()
def drawn_by(network: LungNetwork, films: NDArray[np.uint8]) -> MaskedFilms:
    """Films with the lungs that a network draws, in each film and its mirror image; those it is not sure of are left out.

    films: (N, 192, 192) uint8.
    """
    masks, is_sure = np.zeros_like(films), np.zeros(len(films), np.bool_)
    for place, film in enumerate(films):
        seen = torch.from_numpy(network_input(film))
        logit, presence = network(torch.stack([seen, seen.flip(1)])[:, None])
        both = torch.sigmoid(logit[:, 0]).numpy()
        lungs = (both[0] + both[1, :, ::-1]) / 2
        is_sure[place] = float(presence.min()) > 0 and certainty(lungs) >= _SURE
        masks[place] = cv2.resize(np.rint(255 * lungs).astype(np.uint8), (SOURCE_PX, SOURCE_PX))
    return MaskedFilms(films[is_sure], masks[is_sure])


def certainty(lungs: NDArray[np.float32]) -> float:
    """How sharply lungs are told from the rest: the Dice of the probabilities, (H, W), with their own outline; 0 without any."""
    outline = lungs >= 0.5
    return float(2 * lungs[outline].sum() / max(float(lungs.sum() + outline.sum()), 1e-9))


# Training -------------------------------------------------------------------------------------------------------------


def train_lung_network(
    pictures: LungPictures,
    minutes: float,
    validation: MaskedFilms | None = None,
    unmasked: NDArray[np.uint8] | None = None,
    seed: int = 0,
) -> LungNetwork:
    """Train for so many minutes; the result is the running mean of the weights.

    validation: films that are only reported on. unmasked: (N, 192, 192) uint8, films whose lungs the network draws on the way.
    """
    torch.manual_seed(seed)
    network = LungNetwork().to(memory_format=torch.channels_last)
    mean = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY, fused=True)
    begun, done = time.monotonic(), 0.0
    for step, (films, lungs) in enumerate(_ahead(pictures)):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done)) + 1e-6
        with torch.autocast("cpu", torch.bfloat16):
            logit, presence = network(films.contiguous(memory_format=torch.channels_last))
        loss = lung_loss(logit.float(), presence.float(), lungs)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _follow(mean, network, min(_AVERAGED, (step + 1) / (step + 10)))
        done = (time.monotonic() - begun) / (minutes * 60)
        if step % 100 == 99:
            known = (
                ""
                if validation is None or not len(validation.pixels)
                else f"  val Dice {_mean_dice(mean, validation):.4f}"
            )
            print(f"{done:.2f}  step {step + 1}  loss {loss.item():.4f}{known}", flush=True)
        if unmasked is not None and done >= _DRAWN_AT:
            drawn, unmasked = drawn_by(mean, unmasked), None
            print(f"sure of {len(drawn.pixels)} of the films without masks", flush=True)
            pictures.add(drawn, _WEIGHT["unmasked"])
        if done >= 1:
            break
    return mean


def lung_loss(logit: torch.Tensor, presence: torch.Tensor, lungs: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of pixels and of presence, and one less Dice of the films that hold lungs.

    logit, lungs: (B, 1, H, W), lungs as shares of a pixel. presence: (B,).
    A picture that holds a sliver only, less than one in a hundred of its pixels, has no known presence.
    """
    share = lungs.mean((1, 2, 3))
    probability = torch.sigmoid(logit)
    dice = (2 * (probability * lungs).sum((1, 2, 3)) + 1) / (probability.sum((1, 2, 3)) + lungs.sum((1, 2, 3)) + 1)
    is_known = ((share == 0) | (share > 0.01)).float()
    shown = F.binary_cross_entropy_with_logits(presence, (share > 0.01).float(), weight=is_known)
    pixels = F.binary_cross_entropy_with_logits(logit, lungs)
    return pixels + (1 - dice)[share > 0].mean().nan_to_num(0) + 0.2 * shown


@torch.no_grad()
def _follow(mean: nn.Module, network: nn.Module, kept: float) -> None:
    for averaged, value in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if averaged.dtype.is_floating_point:
            averaged.lerp_(value, 1 - kept)
        else:
            averaged.copy_(value)


@torch.inference_mode()
def _mean_dice(network: LungNetwork, films: MaskedFilms) -> float:
    seen = torch.from_numpy(np.stack([network_input(film) for film in films.pixels]))[:, None]
    found = torch.cat([network(some)[0] for some in torch.split(seen, BATCH)])[:, 0].numpy() > 0
    true = (
        np.stack([cv2.resize(mask, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA) for mask in films.masks]) > 127
    )
    both = (found & true).sum((1, 2))
    return float((2 * both / np.maximum(found.sum((1, 2)) + true.sum((1, 2)), 1)).mean())


def _ahead(pictures: LungPictures) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches, the next ones made while one is used."""
    with ThreadPoolExecutor(2) as pool:
        coming = [pool.submit(pictures.batch, number, BATCH) for number in range(4)]
        number = len(coming)
        try:
            while True:
                seen, lungs = coming.pop(0).result()
                yield torch.from_numpy(seen), torch.from_numpy(lungs)
                coming.append(pool.submit(pictures.batch, number, BATCH))
                number += 1
        finally:
            for batch in coming:
                batch.cancel()


def main() -> None:
    """Train on the films of some manifests and write the ONNX file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+", help="with masks; the first counts most")
    parser.add_argument("--unmasked", type=Path, help="manifest of films without masks")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    options = parser.parse_args()
    manifests = [Manifest.open(path) for path in options.manifests]
    sets = [masked_films(manifest, "train") for manifest in manifests]
    weights = [_WEIGHT["first"], *[_WEIGHT["further"]] * (len(sets) - 1)]
    unmasked = unmasked_films(Manifest.open(options.unmasked)) if options.unmasked else None
    counts = " + ".join(str(len(films.pixels)) for films in sets)
    print(f"{counts} films with masks, {0 if unmasked is None else len(unmasked)} without", flush=True)
    pictures = LungPictures(sets, weights, _WITHOUT_LUNGS, seed=0)
    validation = masked_films(manifests[0], "val")
    network = train_lung_network(pictures, options.minutes, validation, unmasked)
    write_onnx(network, INPUT_PX, OUTPUTS, options.output)


if __name__ == "__main__":
    main()
