"""Training steps that keep the memory they free for the next one, as plainfilm has it, against handing it back, as glibc does.

    python benchmarks/memory.py [--turns 5] [--networks tf_efficientnet_lite0:224 resnet18:224 ...]

Each turn is a process of its own for either way, in turn; weights and films are random. Prints films a second and the ratio.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import timm
import torch

from plainfilm.learn.device import chosen_device, fast_precision

_BATCH = 64
_STEPS = 4
_NETWORKS = ("tf_efficientnet_lite0:224", "tf_efficientnet_lite0:128", "resnet18:224", "densenet121:160", "vgg19:128")


def films_a_second(name: str, size: int, is_kept: bool) -> tuple[float, float]:
    """Of a few training steps after the first, on the CPU; and the share of the time that the kernel took."""
    device = chosen_device("cpu") if is_kept else torch.device("cpu")
    network = timm.create_model(name, num_classes=4, in_chans=1).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    is_short = fast_precision(device, network) == "bfloat16"
    films = torch.rand(_BATCH, 1, size, size).to(memory_format=torch.channels_last)
    target = torch.randint(0, 4, (_BATCH,))
    begun, before = 0.0, resource.getrusage(resource.RUSAGE_SELF)
    for step in range(_STEPS + 1):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_short):
            logit = network(films)
        torch.autograd.backward(torch.nn.functional.cross_entropy(logit.float(), target))
        optimizer.step()
        if not step:
            begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    kernel, own = after.ru_stime - before.ru_stime, after.ru_utime - before.ru_utime
    return _STEPS * _BATCH / seconds, kernel / (kernel + own)


def main() -> None:
    """Run both ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--networks", nargs="*", default=_NETWORKS)
    parser.add_argument("--one", nargs=3, metavar=("NAME", "SIZE", "KEPT"), help=argparse.SUPPRESS)
    typed = parser.parse_args()
    if typed.one:
        name, size, kept = typed.one
        print(*films_a_second(name, int(size), kept == "kept"))
        return
    for one in typed.networks:
        name, size = one.split(":")
        rows = []
        for _ in range(typed.turns):
            ways = (
                subprocess.run(
                    [sys.executable, __file__, "--one", name, size, way], capture_output=True, text=True, check=True
                )
                for way in ("kept", "back")
            )
            rows.append([[float(word) for word in done.stdout.split()] for done in ways])
        speed, kernel = np.array(rows).transpose(2, 0, 1)  # (turns, ways) each
        ratio = speed[:, 0] / speed[:, 1]
        kept, back = np.median(speed, 0)
        print(
            f"{name} at {size}: {kept:.1f} against {back:.1f} films a second, ratio {np.median(ratio):.2f} "
            f"({ratio.min():.2f} to {ratio.max():.2f} over {typed.turns} turns); "
            f"the kernel took {np.median(kernel[:, 0]):.1%} against {np.median(kernel[:, 1]):.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
