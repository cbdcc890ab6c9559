"""How long the maps of all classes take, against a plain forward pass and against pytorch-grad-cam.

    python benchmarks/heatmaps.py [--model resnet18] [--turns 15]

One network of four classes with random weights, float32, two threads, 16 films of 224 x 224 pixels of noise. First all maps are
compared with pytorch-grad-cam's. Then a plain forward pass, ours, and pytorch-grad-cam class by class run in turn, and each turn
gives its ratios. Where maps come from was found before the clock starts, as `plainfilm explain` does once for all films; how long
that took is printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.learn.heatmaps import heatmaps, map_source
from plainfilm.learn.model import build_network

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
FILMS, SIZE, THREADS = 16, 224, 2
PAIRS = 5  # of a forward pass and ours in a turn, which is what pytorch-grad-cam takes time for
LAYER = {
    "resnet18": "layer4.1",
    "resnet50": "layer4.2",
    "densenet121": "features",
    "vgg19": "features.36",
    "convnext_tiny": "stages.3",
}  # as pytorch-grad-cam advises: the last one with places


def make_network(name: str) -> nn.Module:
    """Random weights; the norms' statistics are those of the noise, so that no map is flat."""
    torch.manual_seed(0)
    network = build_network(TrainConfig(model=name, weights="scratch", size=SIZE), CLASSES)
    with torch.no_grad():
        network.get_classifier().weight.normal_(0, 0.1)  # type: ignore[operator]
        network.train()(make_films())
    return network.to(memory_format=torch.channels_last).eval()


def make_films() -> torch.Tensor:
    noise = torch.randn(FILMS, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    return noise.contiguous(memory_format=torch.channels_last)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=LAYER, default="resnet18")
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    network, films = make_network(options.model), make_films()
    start = time.perf_counter()
    source = map_source(network, SIZE)
    finding = time.perf_counter() - start
    print(f"{options.model}, {FILMS} films of {SIZE} x {SIZE}, float32, {THREADS} threads, torch {torch.__version__}")
    print(
        f"maps by {source.way}, {source.side[0]} x {source.side[1]} places; finding that out took {finding:.2f} s, once"
    )

    with GradCAM(network, [network.get_submodule(LAYER[options.model])]) as theirs:

        def by_class() -> list[object]:
            return [theirs(films, [ClassifierOutputTarget(c)] * FILMS) for c in range(len(CLASSES))]

        expected = np.stack([np.asarray(maps) for maps in by_class()], axis=1)
        ours = np.maximum(heatmaps(network, films, source).strength, 0)
        shown = np.stack([scale_cam_image(scale_cam_image(one, (SIZE, SIZE))) for one in ours])
        furthest = np.abs(shown - expected).max()
        print(f"{expected.shape[0] * expected.shape[1]} maps: furthest from pytorch-grad-cam {furthest:.1e}")
        if not furthest <= 1e-4:
            raise SystemExit("the two disagree; times would mean nothing")

    def forward() -> None:
        with torch.inference_mode():
            network(films).numpy()

    def mine() -> None:
        heatmaps(network, films, source)

    times = []
    print(
        "turn   forward pass   plainfilm, 4 classes   pytorch-grad-cam, 4 classes   to a forward pass   grad-cam to ours"
    )
    for turn in range(options.turns + 2):
        pairs = [(seconds(forward), seconds(mine)) for _ in range(PAIRS)]
        plain, maps = (sum(column) / PAIRS for column in zip(*pairs, strict=True))
        with GradCAM(
            network, [network.get_submodule(LAYER[options.model])]
        ) as theirs:  # its hooks would slow the others
            others = seconds(by_class)
        if turn < 2:
            continue  # the machine warms up
        times.append((plain, maps, others, maps / plain, others / maps))
        print(
            f"{turn - 1:4}   {plain * 1e3:9.0f} ms   {maps * 1e3:17.0f} ms   {others * 1e3:24.0f} ms   "
            f"{maps / plain:17.2f}   {others / maps:16.1f}"
        )
    for i, (name, factor) in enumerate(
        (
            ("forward, ms", 1e3),
            ("plainfilm, ms", 1e3),
            ("grad-cam, ms", 1e3),
            ("to a forward pass", 1),
            ("grad-cam to ours", 1),
        )
    ):
        column = sorted(one[i] * factor for one in times)
        quarter = len(column) // 4
        print(
            f"{name:18} median {statistics.median(column):8.2f}   "
            f"(middle half {column[quarter]:.2f} to {column[-1 - quarter]:.2f}, all {column[0]:.2f} to {column[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
