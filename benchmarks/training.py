"""Training against a loop written the usual way: the same network, the same films, in turn, in one run.

    python benchmarks/training.py MANIFEST rate            films a second at 224 pixels, loading and augmentation included
    python benchmarks/training.py MANIFEST time-to-score   minutes until macro AUROC 0.985 on the same validation films

The usual loop: Pillow decodes each film in each epoch, torchvision transforms, a DataLoader with two workers, float32, batch 16,
Adam. Ours: plainfilm's own cache, augmentation, network and step, as `plainfilm train` runs them. The turns alternate, so that a
machine that slows down slows both; the ratio is given for each pair of turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import measure, softmax
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.learn.films import cache_films
from plainfilm.learn.infer import cacheable
from plainfilm.learn.learner import Learner
from plainfilm.learn.pace import Pace
from plainfilm.learn.train import Training, train

MEAN, STD = 0.449, 0.226


class UsualFilms(Dataset[tuple[torch.Tensor, int]]):
    """Films as most notebooks read them."""

    def __init__(self, manifest: Manifest, split: str, size: int, augmented: bool) -> None:
        self.rows = manifest.split(split).to_dict("records")
        self.manifest = manifest
        steps: list[Any] = [transforms.Resize((size, size))]
        if augmented:
            steps += [
                transforms.RandomHorizontalFlip(),
                transforms.RandomAffine(degrees=7, translate=(0.05, 0.05), scale=(0.92, 1.08)),
                transforms.ColorJitter(brightness=0.05, contrast=0.1),
            ]
        self.transform = transforms.Compose(
            [*steps, transforms.ToTensor(), transforms.Normalize([MEAN] * 3, [STD] * 3)]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        row = self.rows[place]
        film = Image.open(self.manifest.film_path(row["path"])).convert("RGB")
        return self.transform(film), self.manifest.classes.index(row["label"])


class UsualLoop:
    """A ResNet-18 trained the usual way."""

    def __init__(self, manifest: Manifest, size: int, learning_rate: float, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.manifest = manifest
        self.network = timm.create_model("resnet18", num_classes=len(manifest.classes), in_chans=3)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        films = UsualFilms(manifest, "train", size, augmented=True)
        self.loader = DataLoader(films, batch_size=16, shuffle=True, num_workers=2)
        self.val = DataLoader(UsualFilms(manifest, "val", size, augmented=False), batch_size=64, num_workers=2)

    def epoch(self, steps: int | None = None, warm_up: int = 0) -> float:
        """Train for an epoch or so many steps; films a second after the warm-up."""
        loss_of = nn.CrossEntropyLoss()
        self.network.train()
        films, begun = 0, time.monotonic()
        for step, (batch, labels) in enumerate(self.loader):
            if step == warm_up:
                films, begun = 0, time.monotonic()
            self.optimizer.zero_grad()
            loss_of(self.network(batch), labels).backward()
            self.optimizer.step()
            films += len(batch)
            if steps is not None and step + 1 == steps + warm_up:
                break
        return films / (time.monotonic() - begun)

    @torch.no_grad()
    def macro_auroc(self) -> float:
        """On the validation films."""
        self.network.eval()
        scores = [(self.network(batch), labels) for batch, labels in self.val]
        logit = torch.cat([score for score, _ in scores]).double().numpy()
        return measure(softmax(logit), torch.cat([labels for _, labels in scores]).numpy(), self.manifest.classes)[
            "macro_auroc"
        ]


def our_rate(manifest: Manifest, steps: int) -> float:
    """Films a second of plainfilm's own steps at 224 pixels; the one decoding into the cache is not counted."""
    config = TrainConfig(weights="scratch", size=224, progressive="none")
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", config, manifest)
        learner = Learner(run)
        learner.given(
            cache_films(manifest, cacheable(manifest, "split"), run.preprocess, learner.device, Silence()), "split"
        )
        pace = Pace(time.monotonic(), 0, learner.sizes, steps, 0)
        training = Training(run, learner, pace, threading.Event(), Silence(), tensorboard=False)
        films, begun = 0, time.monotonic()
        for step, batch in enumerate(training.rest_of_epoch()):
            if step == 2:
                films, begun = 0, time.monotonic()
            training.take_step(batch)
            films += len(batch)
            if step + 1 == steps + 2:
                break
        return films / (time.monotonic() - begun)


def rate(manifest: Manifest, turns: int, steps: int) -> None:
    """Alternate the two and print the ratio of each pair of turns."""
    ratios = []
    for turn in range(turns):
        usual = UsualLoop(manifest, 224, 1e-3).epoch(steps=steps, warm_up=4)
        ours = our_rate(manifest, steps // 4)
        ratios.append(ours / usual)
        print(
            f"turn {turn + 1}: usual {usual:.1f} films/s, plainfilm {ours:.1f} films/s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f} over {turns} turns")


def time_to_score(manifest: Manifest, target: float, recipe: TrainConfig, give_up: float, turns: int) -> None:
    """Minutes until the validation score, each from its first decoded film; the usual loop validates after each epoch.

    give_up: the usual loop is stopped when it has taken so many times our minutes; the ratio is then a lower bound.
    """
    ratios, is_bound = [], False
    for turn in range(turns):
        ours = our_minutes(manifest, target, replace(recipe, seed=turn))
        usual, is_reached = usual_minutes(manifest, target, turn, give_up * ours)
        is_bound |= not is_reached
        ratios.append(usual / ours)
        print(f"turn {turn + 1}: ratio {ratios[-1]:.1f}{'' if is_reached else ' at least'}", flush=True)
    print(
        f"ratio: median {statistics.median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f} over {turns} turns"
        + (", a lower bound: the usual loop was given up" if is_bound else "")
    )


def our_minutes(manifest: Manifest, target: float, recipe: TrainConfig) -> float:
    """Minutes of `plainfilm train` until the score; ends the benchmark where it does not reach it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = train(manifest, Path(folder) / "run", replace(recipe, stop_at=target))
        minutes, history = (time.monotonic() - begun) / 60, run.history()
    best = max(epoch["val_macro_auroc"] for epoch in history)
    print(
        f"plainfilm: {minutes:.1f} minutes, {len(history)} epochs, best validation macro AUROC {best:.4f}", flush=True
    )
    if best < target:
        raise SystemExit(f"plainfilm did not reach {target}: nothing to compare")
    return minutes


def usual_minutes(manifest: Manifest, target: float, seed: int, most_minutes: float) -> tuple[float, bool]:
    """Minutes of the usual loop at 224 pixels, and whether it reached the score."""
    begun, score, epochs, best = time.monotonic(), 0.0, 0, 0.0
    loop = UsualLoop(manifest, 224, 1e-3, seed)
    while score < target and (time.monotonic() - begun) / 60 < most_minutes:
        loop.epoch()
        score, epochs = loop.macro_auroc(), epochs + 1
        best = max(best, score)
        minutes = (time.monotonic() - begun) / 60
        print(f"  usual loop: epoch {epochs}, {minutes:.1f} minutes, macro AUROC {score:.4f}", flush=True)
    minutes = (time.monotonic() - begun) / 60
    print(f"usual loop: {minutes:.1f} minutes, {epochs} epochs, best {best:.4f}", flush=True)
    return minutes, score >= target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("what", choices=["rate", "time-to-score"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="steps of the usual loop a turn")
    parser.add_argument("--target", type=float, default=0.985)
    parser.add_argument("--recipe", type=Path, help="TOML of our settings for time-to-score")
    parser.add_argument("--give-up", type=float, default=10, help="stop the usual loop at so many times our minutes")
    options = parser.parse_args()
    manifest = Manifest.open(options.manifest)
    np.random.seed(0)
    if options.what == "rate":
        rate(manifest, options.turns, options.steps)
    else:
        recipe = TrainConfig(weights="scratch", size=256, epochs=12, augment_share=0.0)
        if options.recipe:
            recipe = TrainConfig.from_toml(options.recipe)
        time_to_score(manifest, options.target, recipe, options.give_up, options.turns)


if __name__ == "__main__":
    main()
