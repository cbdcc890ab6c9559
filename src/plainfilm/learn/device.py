"""Which device and which arithmetic: chosen by looking at the machine, and overridable."""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_FABRIC_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed",
}  # fmt: skip
# Of malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 2**31 - 1  # bytes, the largest that mallopt takes


def fabric_for(config: TrainConfig, network: nn.Module) -> Fabric:
    """The device and precision that train a network. Raises BadConfig for a device that is not there or an arithmetic it lacks."""
    from lightning_fabric import Fabric  # two seconds, which only those who train have to wait

    device = chosen_device(config.device)
    precision = config.precision if config.precision != "auto" else fast_precision(device, network)
    if precision == "float16" and device.type == "cpu":
        raise BadConfig("precision float16 needs a GPU: use bfloat16 or float32 on a CPU")
    return Fabric(accelerator=device.type, devices=1, precision=_FABRIC_PRECISION[precision])


def chosen_device(name: str) -> torch.device:
    """The device called `name`; for "auto" a GPU where there is one. Raises BadConfig for one that is not there.

    Where it is the CPU, this process keeps from now on the memory that it frees.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not has_mps):
        raise BadConfig(f"device is {name}, and this machine (or this build of torch) has none: use --device cpu")
    device = torch.device(name)
    if device.type == "cpu":
        _keep_freed_memory()
    return device


def device_of(run: Run, progress: Progress) -> torch.device:
    """The device to ask a trained network on: the one that trained it, or where that is not here, the best that is; it is said."""
    try:
        return chosen_device(run.config.device)
    except BadConfig:
        device = chosen_device("auto")
        progress.say(
            f"{run.directory} was trained on {run.config.device}, which is not here: it is asked on {device.type}"
        )
        return device


@functools.cache
def _keep_freed_memory() -> None:
    """Have the C library keep what it frees, for the next step, which wants as much again.

    By itself glibc hands every large block back to the kernel and fetches it again, page by page, each page wiped: more than a
    third of a step of EfficientNet-Lite0 at 224 pixels (docs/results/speed.md). The process then stays as large as it once was.
    Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # not glibc
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, _LARGEST_KEPT)


def fast_precision(device: torch.device, network: nn.Module | None = None) -> str:
    """bfloat16 where the device computes in it, float32 elsewhere, and for what a CPU does slowly in bfloat16.

    Small depthwise convolutions are that. Films a second in float32 and in bfloat16, on two cores of an Intel processor with AMX:
    EfficientNet-Lite0 40 and 24, MobileNet-V3 75 and 46; ResNet-18, which has none, 37 and 67; ConvNeXt-Tiny, whose 7 x 7 ones
    are little beside its linear layers, 6.9 and 8.1.
    """
    if device.type == "cpu" and network is not None and _has_small_depthwise(network):
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        features = torch.backends.cpu.get_cpu_capability()
        return "bfloat16" if _has_bfloat16_instructions(features) else "float32"
    return "float32"


def _has_small_depthwise(network: nn.Module) -> bool:
    """Whether convolutions of 3 x 3 or 5 x 5 look at each channel alone."""
    return any(
        isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and 1 < max(layer.kernel_size) <= 5
        for layer in network.modules()
    )


def _has_bfloat16_instructions(capability: str) -> bool:
    """Whether the processor multiplies bfloat16 itself; emulated, it is slower than float32."""
    asks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    if any(ask is not None and ask() for ask in asks):
        return True
    return capability.upper().startswith("SVE") and torch.ops.mkldnn._is_mkldnn_bf16_supported()
