"""The network that knows a frontal chest film: trained on real films in eight poses, and on all that is no chest film.

    python -m plainfilm.learn.chest_network MANIFEST --films FOLDER... --others FOLDER... -o src/plainfilm/models/chest.onnx

Real films come from the manifest's train split and from --films; the limits are set on its val split. What is no chest film is
drawn (`bodies.py`, `drawings.py`), made of chest films whose order is destroyed, or cut from the pictures below --others (Hendrycks
et al. 2019, arXiv:1812.04606, outlier exposure). Labels are not used.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.chest import FOREIGN, INPUT_PX, POSES, judged, network_input, without_its_frame
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.onnx_session import onnx_session
from plainfilm.core.thumbnail import thumbnail
from plainfilm.errors import BadImage
from plainfilm.learn.bodies import Film, Rng, as_film
from plainfilm.learn.drawings import drawn_pictures
from plainfilm.learn.film_changes import as_films_differ, with_things
from plainfilm.learn.onnx_file import write_onnx
from plainfilm.learn.spoilings import no_longer_a_chest

EMBEDDING = 64
OUTPUTS = ("logit", "distance")
_BATCH = {"upright": 96, "posed": 64, "spoiled": 48, "drawn": 40, "others": 16}
_DRAWN = 4000  # pictures drawn before the training begins; each is shown changed each time
_COPIES = 16  # changed copies of each validation film, for the limits
_TURNED_AWAY = 0.0015  # of them, by each of the two limits; they are changed more than films usually differ
_RIDGE = 0.02  # of the mean variance of the embedding, added to each direction


class ChestNetwork(nn.Module):
    """(B, 1, 64, 64) grey in 0..1 -> (B, 9) logits of the eight poses and of "no chest film", (B,) distance from real films."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(1, 16, 2),
            _convolution(16, 32, 2),
            _Residual(32),
            _convolution(32, 64, 2),
            _Residual(64),
            _convolution(64, 64, 2),
            nn.Flatten(),
            nn.Dropout(0.15),
            nn.Linear(64 * (INPUT_PX // 16) ** 2, EMBEDDING),
        )
        self.head = nn.Linear(EMBEDDING, FOREIGN + 1)
        self.register_buffer("mean", torch.zeros(EMBEDDING))
        self.register_buffer("whitening", torch.zeros(EMBEDDING, EMBEDDING))

    def forward(self, films: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and distances of films."""
        embedding = self.embedding(films)
        mean, whitening = self.mean, self.whitening
        assert isinstance(mean, torch.Tensor) and isinstance(whitening, torch.Tensor)
        apart = (embedding - mean) @ whitening
        return self.head(F.relu(embedding)), (apart * apart).mean(1).sqrt()

    def embedding(self, films: torch.Tensor) -> torch.Tensor:
        """(B, 64) what the network sees in films."""
        seen: torch.Tensor = self.layers(films - 0.5)
        return seen


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _convolution(channels, channels, 1), _convolution(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = x + self.second(self.first(x))
        return changed


def _convolution(channels: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


class Pictures:
    """Draws batches: films in poses, spoiled films, drawings, and cut-outs of other pictures."""

    def __init__(self, films: NDArray[np.uint8], others: list[Film], drawn: NDArray[np.uint8], seed: int) -> None:
        self.films, self.others, self.drawn, self.seed = films, others, drawn, seed

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 1, 64, 64) and (B,) classes. The same number gives the same batch."""
        rng = np.random.default_rng([self.seed, number])
        pictures: list[NDArray[np.float32]] = []
        classes: list[int] = []
        for kind, count in _BATCH.items():
            while count:
                seen, pose = self._one(kind, rng)
                if seen is not None:
                    pictures.append(seen)
                    classes.append(pose)
                    count -= 1
        return torch.from_numpy(np.stack(pictures))[:, None], torch.tensor(classes)

    def _one(self, kind: str, rng: Rng) -> tuple[NDArray[np.float32] | None, int]:
        if kind in ("upright", "posed"):
            seen = _seen(as_films_differ(self._film(rng), rng))
            pose = 0 if kind == "upright" else int(rng.integers(1, len(POSES)))
            return (None if seen is None else _posed(seen, pose)), pose
        if kind == "spoiled":
            film = as_films_differ(self._film(rng), rng, 0.6)
            picture = no_longer_a_chest(film, self._film(rng), rng)
        elif kind == "drawn" or not self.others:
            picture = _changed(self.drawn[rng.integers(len(self.drawn))], rng)
        else:
            picture = _cut_out(self.others[rng.integers(len(self.others))], self.others, rng)
        if rng.random() < 0.3:
            picture = with_things(picture, rng)
        seen = _seen(picture)
        pose = int(rng.integers(len(POSES))) if rng.random() < 0.6 else 0
        return (None if seen is None else _posed(seen, pose)), FOREIGN

    def _film(self, rng: Rng) -> Film:
        film: Film = self.films[rng.integers(len(self.films))]
        return film


def _seen(film: Film) -> NDArray[np.float32] | None:
    """The film as the network sees it; None where it is blank."""
    return network_input(without_its_frame(film)[0])


def _posed(seen: NDArray[np.float32], pose: int) -> NDArray[np.float32]:
    quarters, is_inverted = POSES[pose]
    turned = np.rot90(seen, quarters)
    return np.ascontiguousarray(1 - turned if is_inverted else turned)


def _changed(picture: Film, rng: Rng) -> Film:
    """A picture that is no chest film, otherwise turned, cropped and exposed."""
    matrix = cv2.getRotationMatrix2D((63.5, 63.5), rng.normal(0, 8), rng.uniform(0.8, 1.6))
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-16, 16, 2)
    border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REFLECT
    picture = picture[:, ::-1] if rng.random() < 0.5 else picture
    moved = cv2.warpAffine(picture, matrix, picture.shape, borderMode=border)
    if rng.random() < 0.25:
        moved = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.5, 2.5))
    return as_film(255 * (moved / 255) ** float(np.exp(rng.uniform(-0.6, 0.6))))


def _cut_out(picture: Film, others: list[Film], rng: Rng) -> Film:
    """A window of a larger picture, at times two blended."""
    height, width = picture.shape
    share = rng.uniform(0.2, 1, 2) if rng.random() < 0.7 else np.ones(2)
    rows, columns = max(16, int(height * share[0])), max(16, int(width * share[1]))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    window = cv2.resize(picture[top : top + rows, left : left + columns], (128, 128), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.15:
        second = cv2.resize(others[rng.integers(len(others))], (128, 128), interpolation=cv2.INTER_AREA)
        window = as_film(0.5 * window.astype(np.float32) + 0.5 * second)
    return _changed(np.asarray(window, np.uint8), rng)


def train_chest_network(pictures: Pictures, minutes: float, seed: int = 0) -> ChestNetwork:
    """Train for so many minutes."""
    torch.manual_seed(seed)
    network = ChestNetwork().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.03, fused=True)
    begun, done = time.monotonic(), 0.0
    for step, (films, classes) in enumerate(_ahead(pictures)):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done)) + 1e-6
        with torch.autocast("cpu", torch.bfloat16):
            logit = network.head(F.relu(network.embedding(films.contiguous(memory_format=torch.channels_last))))
        loss = F.cross_entropy(logit.float(), classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done = (time.monotonic() - begun) / (minutes * 60)
        if step % 50 == 49:
            right = (logit.argmax(1) == classes).float().mean()
            print(f"{done:.2f}  step {step + 1}  loss {loss.item():.4f}  right {right:.4f}", flush=True)
        if done >= 1:
            break
    return network.eval()


def _ahead(pictures: Pictures) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches, the next ones made while one is used."""
    with ThreadPoolExecutor(2) as pool:
        coming = [pool.submit(pictures.batch, number) for number in range(4)]
        number = len(coming)
        try:
            while True:
                yield coming.pop(0).result()
                coming.append(pool.submit(pictures.batch, number))
                number += 1
        finally:
            for batch in coming:
                batch.cancel()


# Limits ---------------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def fit_cloud(network: ChestNetwork, films: NDArray[np.uint8], seed: int = 0) -> None:
    """Lay a normal cloud around what the network sees in real films, changed a little."""
    changed = _copies(films, 2, seed)
    seen = [_seen(film) for film in changed]
    known = torch.from_numpy(np.stack([film for film in seen if film is not None]))[:, None]
    embedding = torch.cat([network.embedding(some) for some in torch.split(known, 512)]).double()
    apart = embedding - embedding.mean(0)
    covariance = apart.T @ apart / len(apart)
    covariance += _RIDGE * covariance.diagonal().mean() * torch.eye(EMBEDDING, dtype=torch.float64)
    value, vector = torch.linalg.eigh(covariance)
    network.mean = embedding.mean(0).float()
    network.whitening = (vector / value.sqrt()).float()


def _copies(films: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    """The films, and changed copies of them, count in all of each."""
    rng = np.random.default_rng(seed)
    changed = [as_films_differ(film, rng, 0.6) for _ in range(count - 1) for film in films]
    return np.concatenate([films, np.stack(changed)]) if changed else films


def fit_limits(path: Path, films: NDArray[np.uint8], seed: int = 1) -> dict[str, float]:
    """The limits beyond which a picture is turned away, from films that the network was not trained on; written into the file."""
    session = onnx_session(path.read_bytes())
    looked = judged(_copies(films, _COPIES, seed), session, 0.0, math.inf)
    limits = {
        "least_likeness": float(np.quantile(looked.likeness, _TURNED_AWAY)),
        "most_distance": float(np.nanquantile(looked.distance, 1 - _TURNED_AWAY)),
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"limits": json.dumps(limits)})
    onnx.save(model, path)
    return limits


def _read(paths: list[Path]) -> Iterator[NDArray[np.uint8] | NDArray[np.uint16]]:
    for path in paths:
        try:
            yield read_film(path).pixels
        except BadImage as error:
            print(error, file=sys.stderr)


def _below(folders: list[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if is_film_name(path))


def main() -> None:
    """Train on the films of a manifest and of some folders, and write the ONNX file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    options = parser.parse_args()
    manifest = Manifest.open(options.manifest)
    paths = {
        split: [manifest.root / path for path in manifest.ok.query("split == @split")["path"]]
        for split in ("train", "val")
    }
    films = np.stack([thumbnail(pixels) for pixels in _read(paths["train"] + _below(options.films))])
    others = [thumbnail_of_any(pixels) for pixels in _read(_below(options.others))]
    validation = np.stack([thumbnail(pixels) for pixels in _read(paths["val"])])
    print(f"{len(films)} films, {len(others)} other pictures, {len(validation)} films for the limits", flush=True)
    drawn = drawn_pictures(_DRAWN, np.random.default_rng(0))
    network = train_chest_network(Pictures(films, others, drawn, seed=0), options.minutes)
    fit_cloud(network, films)
    write_onnx(network, INPUT_PX, OUTPUTS, options.output)
    print(fit_limits(options.output, validation))


def thumbnail_of_any(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Film:
    """A picture at most 512 pixels wide and high, in its own shape."""
    film = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    scale = min(1.0, 512 / max(film.shape))
    size = (max(16, round(film.shape[1] * scale)), max(16, round(film.shape[0] * scale)))
    return np.asarray(cv2.resize(film, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
