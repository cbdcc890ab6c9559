"""The training loop, from top to bottom.

Everything random is drawn from the seed and the place (epoch, step), never from what happened before. So a checkpoint needs no
generator's state, and on a CPU a resumed training ends bit for bit as an uninterrupted one.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import measure, softmax
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadManifest, BadRun, Interrupted, MissingExtra, WeightsUnavailable
from plainfilm.learn.augment import augment, mixed_up
from plainfilm.learn.checkpoint import load_checkpoint, save_checkpoint, save_weights
from plainfilm.learn.device import fabric_for
from plainfilm.learn.films import FilmCache, cache_films
from plainfilm.learn.infer import BATCH, cacheable, network_input, resized
from plainfilm.learn.model import build_network, check_network_name, last_layer
from plainfilm.learn.pace import Pace
from plainfilm.learn.sampling import augmentation_strength, batches_of_epoch, class_weights, seed_of, steps_an_epoch
from plainfilm.learn.schedule import Plan, rate_share, size_at, stage_sizes

_CHECKPOINT_SECONDS = 30.0
_IMPROVED_BY = 1e-5


@dataclass
class State:
    """Where a training stands, apart from its tensors; all of it goes into the checkpoint.

    step, epoch: done so far, from the start. batch: done in this epoch.
    plan: how far to go. best_score, best_epoch: of the epochs at full size. stale: epochs at full size without gain.
    rate_factor: what plateau left of the learning rate. loss_sum, right, seen: of this epoch so far.
    seconds: spent so far, over all resumes. history: one mapping an epoch.
    """

    plan: Plan
    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_score: float = -math.inf
    best_epoch: int = 0
    stale: int = 0
    rate_factor: float = 1.0
    loss_sum: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> State:
        """The inverse of dataclasses.asdict()."""
        return cls(**{**facts, "plan": Plan(**facts["plan"])})


def train(
    manifest: Manifest,
    directory: str | Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    allow_leaks: bool = False,
    tensorboard: bool = False,
    started: float | None = None,
    evaluated_films: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Train a network on a manifest's train split, pick its weights on val, and leave the run complete. Test is never read.

    resume: go on with the run in `directory` where it was begun; begin it where not.
    allow_leaks: train although a group, patient or picture stands on two sides of the split.
    started: time.monotonic() at which the time of config.minutes began; now where None.
    evaluated_films: how many films will be scored afterwards within config.minutes.
    Raises BadConfig, BadManifest, BadRun, WeightsUnavailable; Interrupted on Ctrl-C or SIGTERM, after a checkpoint was written.
    """
    started = time.monotonic() if started is None else started
    progress = progress or Silence()
    run = _opened(manifest, Path(directory), config, resume, allow_leaks)
    if run.is_complete:
        progress.say(f"{run.directory} is finished already")
        return run
    with run.locked(), _asked_to_stop() as stop:
        return _Training(run, manifest, progress, stop, started, evaluated_films, tensorboard).go()


class _Training:
    """One training in one process."""

    def __init__(
        self,
        run: Run,
        manifest: Manifest,
        progress: Progress,
        stop: threading.Event,
        started: float,
        evaluated_films: int,
        tensorboard: bool,
    ) -> None:
        self.run, self.config, self.progress, self.stop = run, run.config, progress, stop
        self.board = _board(run) if tensorboard else None
        self.fabric = fabric_for(self.config)
        torch.manual_seed(self.config.seed)
        self.network = build_network(self.config, run.classes)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.network, self.config)
        self.forward, self.wrapped_optimizer = _set_up(self.fabric, self.network, self.optimizer)
        self.average = copy.deepcopy(self.network).eval() if self.config.averaging else None
        self.cache = cache_films(
            manifest, cacheable(manifest, self.config.split), run.preprocess, self.fabric.device, progress
        )
        places = {name: np.flatnonzero(self.cache.rows[self.config.split] == name) for name in ("train", "val")}
        self.train_places, self.val_places = places["train"], places["val"]
        index = {name: place for place, name in enumerate(run.classes)}
        self.labels = np.array([index[label] for label in self.cache.rows["label"]], dtype=np.int64)
        train_labels = self.labels[self.train_places]
        self.class_weight = class_weights(train_labels, len(run.classes), self.config.imbalance)
        self.strength = augmentation_strength(train_labels, len(run.classes), self.config.imbalance)
        self.epoch_steps = steps_an_epoch(len(train_labels), self.config.batch_size)
        self.sizes = _sizes_taken(self.network, self.config)
        self.pace = Pace(started, self.config.minutes * 60, self.sizes, self.epoch_steps, evaluated_films)
        self.state = State(Plan(1))
        self.state = self._first_state()

    def go(self) -> Run:
        """Train from where the state stands to the end."""
        begun = time.monotonic()
        earlier = self.state.seconds
        last_saved = begun
        total_films = max(1, self.state.plan.last_step - self.state.step) * self.config.batch_size
        with self.progress.task("Training", total_films) as task:
            while self.state.step < self.state.plan.last_step and not self._is_enough():
                for films in self._rest_of_epoch():
                    self._take_step(films)
                    self.state.seconds = earlier + time.monotonic() - begun
                    task.advance(len(films), self._note())
                    if self.stop.is_set():
                        self._save()
                        raise Interrupted(
                            f"stopped at epoch {self.state.epoch + 1}, step {self.state.step}; go on with --resume"
                        )
                    if time.monotonic() - last_saved > _CHECKPOINT_SECONDS:
                        self._save()
                        last_saved = time.monotonic()
                    if self.state.step >= self.state.plan.last_step:
                        break
                self._end_epoch()
                self._replan()
        self._finish()
        return self.run

    def _first_state(self) -> State:
        """Where the checkpoint left off, or the beginning."""
        path = self.run / "checkpoint.safetensors"
        if path.exists():
            facts = load_checkpoint(path, self._networks(), self.optimizer)
            state = State.from_facts(facts)
            self.run.write_history(state.history)
            self.pace.resumed(state.seconds)
            self.progress.say(f"Going on at epoch {state.epoch + 1}, step {state.step} of {state.plan.last_step}")
            return state
        if not self.config.minutes:
            return State(Plan(self.config.epochs * self.epoch_steps))
        self.pace.measure(self._time_step, self._time_validation, len(self.val_places))
        last_step = self.pace.steps_that_fit(course=0.0)
        if last_step < 1:
            raise BadConfig(
                f"--minutes {self.config.minutes:g} is too short: {self.pace.elapsed:.0f} s went into getting ready and "
                f"{self.pace.reserve:.0f} s are needed for the evaluation. Give it more, or a smaller --size"
            )
        self.progress.say(f"{last_step / self.epoch_steps:.1f} epochs fit into {self.config.minutes:g} minutes")
        return State(Plan(last_step))

    def _rest_of_epoch(self) -> Iterator[NDArray[np.int64]]:
        config = self.config
        labels = self.labels[self.train_places]
        batches = batches_of_epoch(labels, config.batch_size, config.imbalance, config.seed, self.state.epoch)
        for films in batches[self.state.batch :]:
            yield self.train_places[films]

    def _take_step(self, films: NDArray[np.int64]) -> None:
        state, config = self.state, self.config
        course = state.plan.course(state.step)
        size = size_at(course, self.sizes)
        begun = time.monotonic()
        rate = config.learning_rate * rate_share(course, config.schedule) * state.rate_factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._thaw_or_freeze()
        loss, right = self._loss(films, size, state.step)
        if not math.isfinite(loss.item()):
            raise BadRun(
                f"the loss became {loss.item()} at epoch {state.epoch + 1}, step {state.step}: lower --learning-rate"
                + ("" if config.clip_norm else " or set --clip-norm 1"),
                self.run.directory,
            )
        self._descend(loss)
        state.loss_sum += loss.item() * len(films)
        state.right += right
        state.seen += len(films)
        state.step += 1
        state.batch += 1
        self.pace.took_step(size, time.monotonic() - begun)

    def _loss(self, films: NDArray[np.int64], size: int, step: int) -> tuple[torch.Tensor, int]:
        """The loss of a batch as the settings define it, and how many films were right."""
        config, device = self.config, self.fabric.device
        generator = torch.Generator().manual_seed(seed_of(config.seed, 2, step))
        torch.manual_seed(seed_of(config.seed, 3, step))  # dropout draws from the global generator
        labels = torch.from_numpy(self.labels[films])
        pixels = resized(self.cache.batch(films).float() / 255, size)
        pixels = augment(pixels, self.strength[labels], config, generator)
        labels = labels.to(device)
        target = F.one_hot(labels, len(self.run.classes)).float()  # (B, C)
        if config.mixup:
            pixels, target = mixed_up(pixels, target, config.mixup, generator)
        logit = self.forward(network_input(pixels, self.run.preprocess)).float()
        weight = None if self.class_weight is None else self.class_weight.to(device)
        loss = F.cross_entropy(logit, target, weight=weight, label_smoothing=config.label_smoothing)
        return loss, int((logit.detach().argmax(1) == labels).sum())

    def _descend(self, loss: torch.Tensor) -> None:
        self.wrapped_optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.config.clip_norm:
            self.fabric.clip_gradients(self.forward, self.wrapped_optimizer, max_norm=self.config.clip_norm)
        self.wrapped_optimizer.step()
        if self.average is not None:
            _move_average(self.average, self.network, self.config.averaging, self.state.step)

    def _thaw_or_freeze(self) -> None:
        """While the backbone is frozen its layers stay in evaluation mode, so that its batch statistics stay too."""
        is_frozen = self.state.epoch < self.config.frozen_epochs
        head = last_layer(self.network)
        self.network.train(not is_frozen)
        head.train()
        for parameter in self.network.parameters():
            parameter.requires_grad_(not is_frozen)
        for parameter in head.parameters():
            parameter.requires_grad_(True)

    @torch.no_grad()
    def _validate(self, size: int) -> dict[str, float]:
        """Loss and scores on the validation films, of the averaged weights where there are any."""
        network = (self.average or self.network).eval()
        logits = []
        for start in range(0, len(self.val_places), BATCH):
            films = resized(self.cache.batch(self.val_places[start : start + BATCH]).float() / 255, size)
            with self.fabric.autocast():
                logits.append(network(network_input(films, self.run.preprocess)).float().cpu())
        logit = torch.cat(logits).double().numpy()
        found = measure(softmax(logit), self.labels[self.val_places], self.run.classes)
        names = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1")
        return {"val_loss": found["log_loss"], **{f"val_{name}": found[name] for name in names}}

    def _end_epoch(self) -> None:
        state, config = self.state, self.config
        course = state.plan.course(state.step)
        size = size_at(course, self.sizes)
        begun = time.monotonic()
        scores = self._validate(size)
        self.pace.took_validation(size, time.monotonic() - begun)
        score = scores[f"val_{config.monitor}"] * (-1 if config.monitor == "loss" else 1)
        is_best = size == config.size and (not score <= state.best_score + _IMPROVED_BY or state.best_epoch == 0)
        state.epoch += 1
        state.batch = 0
        if is_best:
            state.best_score, state.best_epoch, state.stale = score, state.epoch, 0
            save_weights(self.run / "weights.safetensors", self.average or self.network)
        elif size == config.size:
            state.stale += 1
            if config.schedule == "plateau" and state.stale % config.plateau_patience == 0:
                state.rate_factor *= config.plateau_factor
        epoch: dict[str, Any] = {
            "epoch": state.epoch,
            "step": state.step,
            "size": size,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train_loss": state.loss_sum / max(1, state.seen),
            "train_accuracy": state.right / max(1, state.seen),
            **scores,
            "is_best": is_best,
            "seconds": round(state.seconds, 1),
        }
        state.history.append(epoch)
        state.loss_sum, state.right, state.seen = 0.0, 0, 0
        self.run.write_history(state.history)
        if self.board is not None:
            for name in ("learning_rate", "train_loss", "train_accuracy", *scores):
                self.board.add_scalar(name, epoch[name], state.epoch)
        self.progress.say(_line(epoch, config.monitor))

    def _is_enough(self) -> bool:
        """Whether the wanted score is reached, or there was no gain for too long."""
        state, config = self.state, self.config
        if state.best_epoch == 0:
            return False
        reached = state.best_score >= (-config.stop_at if config.monitor == "loss" else config.stop_at)
        return reached or (config.patience > 0 and state.stale >= config.patience)

    def _replan(self) -> None:
        """Fit the rest of the course into what is left of the given time."""
        state = self.state
        if self.config.minutes and state.step < state.plan.last_step:
            course = state.plan.course(state.step)
            state.plan = state.plan.extended_to(state.step + self.pace.steps_that_fit(course), state.step)

    def _finish(self) -> None:
        state = self.state
        if state.best_epoch == 0:
            save_weights(self.run / "weights.safetensors", self.average or self.network)
            state.best_epoch = state.epoch
        best = state.history[state.best_epoch - 1]
        reason = "the planned epochs" if state.step >= state.plan.last_step else "early stopping"
        self.run.mark_complete(
            {
                "epochs": state.epoch,
                "steps": state.step,
                "best_epoch": state.best_epoch,
                "monitor": self.config.monitor,
                "best": {name: value for name, value in best.items() if name.startswith("val_")},
                "ended_by": reason,
                "seconds": round(state.seconds, 1),
                "device": str(self.fabric.device),
                "precision": str(self.fabric._precision.precision),
                "threads": torch.get_num_threads(),
            }
        )
        (self.run / "checkpoint.safetensors").unlink(missing_ok=True)
        if self.board is not None:
            self.board.close()

    def _save(self) -> None:
        save_checkpoint(self.run / "checkpoint.safetensors", self._networks(), self.optimizer, asdict(self.state))

    def _networks(self) -> dict[str, nn.Module]:
        return {"network": self.network, **({"average": self.average} if self.average is not None else {})}

    def _note(self) -> str:
        state = self.state
        total = max(1, math.ceil(state.plan.last_step / self.epoch_steps))
        return f"epoch {min(state.epoch + 1, total)}/{total}, loss {state.loss_sum / max(1, state.seen):.3f}"

    def _time_step(self, size: int) -> float:
        """Seconds that one step takes, on a copy of everything, so that measuring leaves no trace in the training."""
        kept = copy.deepcopy((self.network.state_dict(), self.optimizer.state_dict()))
        average = copy.deepcopy(self.average)
        begun = time.monotonic()
        self._thaw_or_freeze()
        loss, _ = self._loss(self.train_places[: self.config.batch_size], size, 0)
        self._descend(loss)
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.monotonic() - begun
        self.network.load_state_dict(kept[0])
        self.optimizer.load_state_dict(kept[1])
        self.average = average
        return seconds

    def _time_validation(self, size: int) -> float:
        """Seconds that scoring one film takes."""
        begun = time.monotonic()
        places = self.val_places
        self.val_places = places[:BATCH]
        self._validate(size)
        films, self.val_places = len(self.val_places), places
        return (time.monotonic() - begun) / films * len(places)


def _opened(manifest: Manifest, directory: Path, config: TrainConfig, resume: bool, allow_leaks: bool) -> Run:
    """The run to train in, new or begun. All that can be wrong with the input is found here, before any work."""
    check_network_name(config.model)
    if resume and Run.is_run(directory):
        run = Run.open(directory)
        if run.fingerprint != manifest.fingerprint:
            raise BadRun(
                f"was begun on another manifest ({run.manifest_path}): its films, labels or splits differ", directory
            )
        if run.config != config:
            differ = [name for name, value in asdict(config).items() if asdict(run.config)[name] != value]
            raise BadRun(f"was begun with another {', '.join(differ)}: resume it with the settings in its config.toml", directory)
        return run
    problems = [
        problem.text for problem in manifest.check([config.split]) if not (allow_leaks and problem.kind == "leak")
    ]
    if config.split not in manifest.split_columns:
        raise BadManifest(f'has no split column "{config.split}"; it has {", ".join(manifest.split_columns)}', manifest.path)
    if problems:
        hint = ". To train on a leaking split all the same, add --allow-leaks" if "more than one" in problems[0] else ""
        raise BadManifest("; ".join(problems) + hint, manifest.path, tuple(problems))
    _refuse_missing_weights(config)
    return Run.create(directory, config, manifest)


def _refuse_missing_weights(config: TrainConfig) -> None:
    if config.weights not in ("imagenet", "scratch") and not Path(config.weights).exists():
        raise WeightsUnavailable(f'--weights {config.weights}: expected "imagenet", "scratch", a weights file or a run')


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


def _optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Weights decay; biases and the scales of normalisation do not."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=True)


def _set_up(fabric: Fabric, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    forward, wrapped = fabric.setup(network, optimizer)
    return forward, wrapped


@torch.no_grad()
def _move_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Running mean of the weights (Polyak & Juditsky 1992), quicker at the start, so that the first steps do not linger."""
    decay = min(decay, (1 + step) / (10 + step))
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    floats = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
    torch._foreach_lerp_([mean for mean, _ in floats], [value for _, value in floats], 1 - decay)
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)


def _line(epoch: dict[str, Any], monitor: str) -> str:
    shown = dict.fromkeys(["accuracy", "macro_auroc", monitor])
    scores = ", ".join(f"{name.replace('_', ' ')} {epoch[f'val_{name}']:.4f}" for name in shown)
    return (
        f"epoch {epoch['epoch']:>3}  {epoch['size']} px  loss {epoch['train_loss']:.4f}  validation: {scores}"
        + ("  (best)" if epoch["is_best"] else "")
    )


def _board(run: Run) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("train --tensorboard", "tensorboard", "tensorboard") from None
    return SummaryWriter(str(run / "tensorboard"))  # type: ignore[no-untyped-call]


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C stops at once. Only the main thread can listen."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def listen(signum: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, listen) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
