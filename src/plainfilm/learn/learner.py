"""The learner: network, optimizer and running mean of the weights; one step on a batch, one look at the validation films."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.core.metrics import measure, softmax
from plainfilm.core.run import Run
from plainfilm.learn.augment import augment, cropped, mixed_up, with_hidden_middles
from plainfilm.learn.device import chosen_device, fabric_for
from plainfilm.learn.films import FilmCache
from plainfilm.learn.infer import BATCH, network_input, resized
from plainfilm.learn.model import build_network, last_layer
from plainfilm.learn.sampling import augmentation_strength, class_weights, seed_of
from plainfilm.learn.schedule import stage_sizes
from plainfilm.learn.whiten import first_layer, whiten


class Learner:
    """What changes while a network learns, and how a step changes it.

    network: being trained, in float32. average: the running mean of its weights, or None. sizes: of the films, one a stage.
    Everything random in a step is drawn from the seed and the step's number.
    """

    def __init__(self, run: Run) -> None:
        self.config, self.preprocess, self.classes = run.config, run.preprocess, run.classes
        chosen_device(self.config.device)  # one that is not there is told before weights are fetched
        torch.manual_seed(self.config.seed)
        self.network = build_network(self.config, run.classes)
        self.fabric = fabric_for(self.config, self.network)
        self.device = self.fabric.device
        self.network.to(memory_format=torch.channels_last)
        self.sizes = _sizes_taken(self.network, self.config)
        self._scaler = getattr(self.fabric._precision, "scaler", None)  # of the loss, in float16
        self.optimizer = _optimizer(self.network, self.config, is_fused=self._scaler is None)
        self._forward: Any
        self._forward, self._stepper = self.fabric.setup(self.network, self.optimizer)
        self.average = copy.deepcopy(self.network).eval() if self.config.averaging else None
        self._still: set[nn.Parameter] = set()

    def given(self, cache: FilmCache, column: str) -> Learner:
        """The same learner with the films that it learns from and is validated on."""
        self.cache = cache
        places = {name: np.flatnonzero(cache.rows[column] == name) for name in ("train", "val")}
        self.train_places, self.val_places = places["train"], places["val"]
        index = {name: place for place, name in enumerate(self.classes)}
        self.labels = np.array([index[label] for label in cache.rows["label"]], dtype=np.int64)
        train_labels = self.labels[self.train_places]
        weight = class_weights(train_labels, len(self.classes), self.config.imbalance)
        self.class_weight = None if weight is None else weight.to(self.device)
        self.strength = augmentation_strength(train_labels, len(self.classes), self.config.imbalance)
        self._whiten_first_layers()
        return self

    @property
    def best_guess(self) -> nn.Module:
        """The weights that are validated and kept: the running mean where there is one."""
        return self.average or self.network

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds, by name."""
        return {"network": self.network, **({"average": self.average} if self.average is not None else {})}

    @property
    def scaling(self) -> dict[str, float]:
        """How the loss is scaled in float16, for a checkpoint; empty in other arithmetic."""
        return dict(self._scaler.state_dict()) if self._scaler is not None else {}

    def scale_as(self, scaling: dict[str, float]) -> None:
        """Scale the loss on as `scaling` says."""
        if self._scaler is not None and scaling:
            self._scaler.load_state_dict(scaling)

    def take_step(
        self,
        films: NDArray[np.int64],
        *,
        size: int,
        step: int,
        rate: float,
        is_frozen: bool,
    ) -> tuple[float, int]:
        """Learn from one batch.

        films: places in the cache. size: side they are seen at, pixels. rate: learning rate. is_frozen: only the last layer
        learns. Returns the loss before the step, and how many films were right.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._freeze(is_frozen)
        loss, right = self._loss(films, size, step)
        self._stepper.zero_grad()
        self.fabric.backward(loss)
        if self.config.clip_norm:
            # Not finite: in float16 the step is left out and the scale lowered; elsewhere the loss tells of it.
            norm = self.config.clip_norm
            self.fabric.clip_gradients(self._forward, self._stepper, max_norm=norm, error_if_nonfinite=False)
        self._stepper.step()
        self._move_average(step, is_frozen)
        return loss.item(), right

    @torch.no_grad()
    def validate(self, size: int, places: NDArray[np.int64] | None = None) -> dict[str, float]:
        """Loss and scores on the validation films, or on those at `places`, seen whole at `size` pixels.

        All NaN where a logit is not finite.
        """
        places = self.val_places if places is None else places
        network = self.best_guess.eval()
        logits = []
        for start in range(0, len(places), BATCH):
            films = resized(self.cache.batch(places[start : start + BATCH]).float() / 255, size)
            with self.fabric.autocast():
                logits.append(network(network_input(films, self.preprocess)).float().cpu())
        names = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1")
        logit = torch.cat(logits).double().numpy()
        if not np.isfinite(logit).all():
            return dict.fromkeys(["val_loss", *(f"val_{name}" for name in names)], math.nan)
        found = measure(softmax(logit), self.labels[places], self.classes)
        return {"val_loss": found["log_loss"], **{f"val_{name}": found[name] for name in names}}

    def validated_size(self, size: int) -> int:
        """The side that films are validated at while they train at `size`: whole where crops are what grows."""
        return self.config.size if self.config.progressive == "crop" else size

    def time_step(self, size: int) -> float:
        """Seconds that one step takes, of the kind that the training ends with; the learner is as before afterwards."""
        kept = copy.deepcopy((self.network.state_dict(), self.optimizer.state_dict(), self.average))
        begun = time.monotonic()
        films = self.train_places[: self.config.batch_size]
        self.take_step(films, size=size, step=0, rate=self.config.learning_rate, is_frozen=self.config.is_always_frozen)
        seconds = time.monotonic() - begun
        self.network.load_state_dict(kept[0])
        self.optimizer.load_state_dict(kept[1])
        self.average = kept[2]
        return seconds

    def time_validation(self, size: int) -> float:
        """Seconds that a validation takes, from its first batch."""
        begun = time.monotonic()
        some = self.val_places[:BATCH]
        self.validate(self.validated_size(size), some)
        return (time.monotonic() - begun) / len(some) * len(self.val_places)

    def _loss(self, films: NDArray[np.int64], size: int, step: int) -> tuple[torch.Tensor, int]:
        config = self.config
        generator = torch.Generator().manual_seed(seed_of(config.seed, 2, step))
        torch.manual_seed(seed_of(config.seed, 3, step))  # dropout draws from the global generator
        labels = torch.from_numpy(self.labels[films])
        pixels = self.cache.batch(films)
        pixels = cropped(pixels, size, generator) if config.progressive == "crop" else pixels
        pixels = resized(pixels.float() / 255, size)  # (B, 1, size, size)
        pixels = augment(pixels, self.strength[labels], config, generator)
        labels = labels.to(self.device)
        target = F.one_hot(labels, len(self.classes)).float()  # (B, C)
        if config.mixup:
            pixels, target = mixed_up(pixels, target, config.mixup, generator)
        if config.augment_hidden:
            pixels, target = with_hidden_middles(pixels, target, config.augment_hidden, generator)
        logit = self._forward(network_input(pixels, self.preprocess)).float()
        loss = F.cross_entropy(logit, target, weight=self.class_weight, label_smoothing=config.label_smoothing)
        return loss, int((logit.detach().argmax(1) == labels).sum())

    def _freeze(self, is_frozen: bool) -> None:
        """While the backbone is frozen its layers stay in evaluation mode, so that its batch statistics stay too."""
        head = last_layer(self.network)
        self.network.train(not is_frozen)
        head.train()
        for parameter in self.network.parameters():
            parameter.requires_grad_(not is_frozen and parameter not in self._still)
        for parameter in head.parameters():
            parameter.requires_grad_(True)

    @torch.no_grad()
    def _move_average(self, step: int, is_frozen: bool) -> None:
        """Running mean of the weights (Polyak & Juditsky 1992), quicker at the start, so that the first steps do not linger."""
        if self.average is None:
            return
        decay = min(self.config.averaging, (1 + step) / (10 + step))
        learning = [last_layer(one) if is_frozen else one for one in (self.average, self.network)]  # all else stays
        pairs = list(zip(*(one.state_dict().values() for one in learning), strict=True))
        floats = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [value for _, value in floats], 1 - decay)
        for mean, value in pairs:
            if not mean.is_floating_point():
                mean.copy_(value)

    def _whiten_first_layers(self) -> None:
        """A network from scratch begins with, and keeps, the principal patterns of its training films."""
        config = self.config
        if not (config.whitening and config.weights == "scratch"):
            return
        for network in self.networks.values():
            layer = first_layer(network)
            if layer is not None and max(layer.kernel_size) <= min(self.sizes):
                whiten(layer, self.cache.pixels, self.train_places, self.preprocess, seed_of(config.seed, 4))
                self._still.update(layer.parameters())


def _sizes_taken(network: nn.Module, config: TrainConfig) -> list[int]:
    """The sizes to train at: the full one alone for a network that takes no other (a vision transformer, say)."""
    sizes = stage_sizes(config)
    if len(sizes) == 1:
        return sizes
    was_training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 1, sizes[0], sizes[0]))
    except (AssertionError, RuntimeError, ValueError):
        return [config.size]
    finally:
        network.train(was_training)
    return sizes


def _optimizer(network: nn.Module, config: TrainConfig, *, is_fused: bool) -> torch.optim.Optimizer:
    """Weights decay; biases and the scales of normalisation do not. A fused one cannot be clipped where the loss is scaled."""
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.learning_rate, fused=is_fused)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=is_fused)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=is_fused)
