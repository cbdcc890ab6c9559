"""The training loop, from top to bottom: open the run, get ready, take steps, end epochs, finish.

Everything random is drawn from the seed and the place (epoch, step), never from what happened before. So a checkpoint needs no
generator's state, and on a CPU a resumed training ends bit for bit as an uninterrupted one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plainfilm.core.config import TrainConfig
from plainfilm.core.files import file_sha256, remove_half_written
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.core.words import in_epochs, in_minutes
from plainfilm.errors import BadConfig, BadRun, Interrupted, PlainfilmError
from plainfilm.learn.checkpoint import load_checkpoint, save_checkpoint, save_weights
from plainfilm.learn.epoch_shown import epoch_line, tensorboard_of
from plainfilm.learn.failures import OF_SETTINGS, advice
from plainfilm.learn.films import cache_films
from plainfilm.learn.infer import cacheable
from plainfilm.learn.interrupt import asked_to_stop
from plainfilm.learn.learner import Learner
from plainfilm.learn.opening import open_run, take_back_run
from plainfilm.learn.pace import Pace
from plainfilm.learn.sampling import batches_of_epoch, steps_an_epoch
from plainfilm.learn.schedule import Plan, rate_share, size_at
from plainfilm.learn.state import State

Watch = Callable[[Mapping[str, Any]], bool]
"""Told of each epoch's entry in the history; says whether the training is to end there."""

GIVEN_UP = "who watched it"  # how a training ended that its Watch ended
_CHECKPOINT_SECONDS = 30.0
_EPOCH_CHECKPOINT_SECONDS = 5.0  # at the end of an epoch
_REPLAN_SECONDS = 2.0  # within an epoch: a short training has no other
_IMPROVED_BY = 1e-5


def train(
    manifest: Manifest,
    directory: str | Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    allow_leaks: bool = False,
    tensorboard: bool = False,
    started: float | None = None,
    until: float = math.inf,
    evaluated_films: int = 0,
    steps: int = 0,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network on a manifest's train split, pick its weights on val, and leave the run complete. Test is never read.

    resume: go on with the run in `directory` where it was begun; begin it where not.
    allow_leaks: train although a group, patient or picture stands on two sides of the split.
    started: time.monotonic() at which the time of config.minutes began; when all is ready where None.
    until: time.monotonic() at which it stops as by Ctrl-C, wherever it stands.
    evaluated_films: how many films will be scored afterwards within config.minutes.
    steps: how many to take in place of what config.minutes or config.epochs would give; 0 for these. On resuming, as at first.
    watch: is told of each epoch, and may end the training there.
    Raises BadConfig, BadManifest, BadRun, WeightsUnavailable; Interrupted on Ctrl-C or SIGTERM, after a checkpoint was written.
    """
    run, out = open_run(manifest, Path(directory), config, resume, allow_leaks), progress or Silence()
    if run.is_complete:
        out.say(f"{run.directory} is finished already")
        return run
    with run.locked(), asked_to_stop(until) as stop:
        remove_half_written(run.directory)
        try:
            _ready(run, manifest, started, evaluated_films, steps, stop, out, tensorboard, watch).go()
        except (PlainfilmError, *OF_SETTINGS) as error:
            if not isinstance(error, Interrupted):
                take_back_run(run)
            if why := "" if isinstance(error, PlainfilmError) else advice(error, config):
                raise BadConfig(why) from error
            raise
        if stop.is_set() and time.monotonic() < until:
            raise Interrupted("stopped when the training had just ended; go on with --resume")
    return run


def _ready(
    run: Run,
    manifest: Manifest,
    started: float | None,
    evaluated_films: int,
    steps: int,
    stop: threading.Event,
    progress: Progress,
    tensorboard: bool,
    watch: Watch | None,
) -> Training:
    """Everything before the first step: the network with its weights, the films, the time, the checkpoint."""
    if run.config.weights == "imagenet":
        progress.say(f"Fetching the ImageNet weights of {run.config.model}, unless they were fetched before")
    learner = Learner(run)
    rows = cacheable(manifest, run.config.split)
    learner.given(cache_films(manifest, rows, run.preprocess, learner.device, progress), run.config.split)
    epoch_steps = steps_an_epoch(len(learner.train_places), run.config.batch_size)
    begun = time.monotonic() if started is None else started
    pace = Pace(begun, run.config.minutes * 60, learner.sizes, epoch_steps, evaluated_films)
    return Training(run, learner, pace, stop, progress, tensorboard, watch, steps)


class Training:
    """One training in one process: the loop around a learner."""

    def __init__(
        self,
        run: Run,
        learner: Learner,
        pace: Pace,
        stop: threading.Event,
        progress: Progress,
        tensorboard: bool,
        watch: Watch | None = None,
        steps: int = 0,
    ) -> None:
        self.run, self.config, self.learner, self.pace, self.steps = run, run.config, learner, pace, steps
        self.stop, self.progress, self.watch = stop, progress, watch
        self.is_given_up = False
        self.board = tensorboard_of(run) if tensorboard else None
        self.state = self._first_state()

    def go(self) -> None:
        """Train from where the state stands to the end."""
        state = self.state
        begun = last_saved = last_planned = time.monotonic()
        earlier = state.seconds
        with self.progress.task("Training", self._films_left()) as task:
            while (state.step < state.plan.last_step or state.batch) and not self._is_enough():
                for films in self.rest_of_epoch():
                    if state.step >= state.plan.last_step:
                        break
                    self.take_step(films)
                    state.seconds = earlier + time.monotonic() - begun
                    task.expect(self._films_left() + len(films), self._seconds_left())
                    task.advance(len(films), self._note())
                    if self.stop.is_set():
                        self._save()
                        raise Interrupted(
                            f"stopped in epoch {state.epoch + 1}, after step {state.step}; go on with --resume"
                        )
                    if time.monotonic() - last_saved > _CHECKPOINT_SECONDS:
                        self._save()
                        last_saved = time.monotonic()
                    if time.monotonic() - last_planned > _REPLAN_SECONDS:
                        self._replan()
                        last_planned = time.monotonic()
                self._end_epoch()
                self._replan()
                if time.monotonic() - last_saved > _EPOCH_CHECKPOINT_SECONDS:
                    self._save()
                    last_saved = time.monotonic()
        self._finish()

    def rest_of_epoch(self) -> Iterator[NDArray[np.int64]]:
        """The batches that this epoch still has, as places in the cache."""
        config, places = self.config, self.learner.train_places
        labels = self.learner.labels[places]
        batches = batches_of_epoch(labels, config.batch_size, config.imbalance, config.seed, self.state.epoch)
        for films in batches[self.state.batch :]:
            yield places[films]

    def take_step(self, films: NDArray[np.int64]) -> None:
        """Learn from one batch at the size and rate that the course asks for here."""
        state, config = self.state, self.config
        course = state.plan.course(state.step)
        size = size_at(course, self.learner.sizes)
        rate = config.learning_rate * rate_share(course, config.schedule) * state.rate_factor
        begun = time.monotonic()
        is_frozen = state.epoch < config.frozen_epochs
        loss, right = self.learner.take_step(films, size=size, step=state.step, rate=rate, is_frozen=is_frozen)
        self._refuse_divergence(loss)
        state.loss_sum += loss * len(films)
        state.right += right
        state.seen += len(films)
        state.step += 1
        state.batch += 1
        if is_frozen == config.is_always_frozen:  # a step before the backbone thaws foretells none after it
            self.pace.took_step(size, time.monotonic() - begun)

    def _first_state(self) -> State:
        """Where the checkpoint left off, or the beginning."""
        path = self.run / "checkpoint.safetensors"
        if path.exists():
            state = State.from_facts(load_checkpoint(path, self.learner.networks, self.learner.optimizer))
            self.run.write_history(state.history)
            self.pace.resumed(state.seconds, state.film_seconds)
            self.learner.scale_as(state.scaling)
            self.progress.say(f"Going on in epoch {state.epoch + 1}, at step {state.step} of {state.plan.last_step}")
            return state
        if self.run.history():
            self.progress.say("It was stopped before its first checkpoint: beginning again with epoch 1")
        if self.steps:
            return State(Plan(self.steps))
        if not self.config.minutes:
            return State(Plan(self.config.epochs * self.pace.epoch_steps))
        self.pace.measure(self.learner.time_step, self.learner.time_validation, len(self.learner.val_places))
        last_step = self.pace.steps_that_fit(course=0.0)
        if last_step < 1:
            raise BadConfig(
                f"{in_minutes(self.config.minutes)} is too short: {self.pace.elapsed:.0f} s went into getting ready and "
                f"{self.pace.reserve:.0f} s are needed for the evaluation. Give it more, or a smaller --size"
            )
        self.progress.say(f"{in_minutes(self.config.minutes)}: room for {in_epochs(last_step / self.pace.epoch_steps)}")
        return State(Plan(last_step), film_seconds=self.pace.film_seconds)

    def _end_epoch(self) -> None:
        """Validate, keep the weights where they are the best so far, write the history."""
        state, config = self.state, self.config
        size = size_at(state.plan.course(state.step), self.learner.sizes)
        whole = self.learner.validated_size(size)
        begun = time.monotonic()
        scores = self.learner.validate(whole)
        self._refuse_divergence(scores["val_loss"])
        self.pace.took_validation(size, time.monotonic() - begun)
        state.epoch += 1
        state.batch = 0
        is_best = whole == config.size and self._is_gain(scores)
        if is_best:
            save_weights(self.run / "weights.safetensors", self.learner.best_guess)
        epoch: dict[str, Any] = {
            "epoch": state.epoch,
            "step": state.step,
            "course": round(state.plan.course(state.step), 4),
            "size": size,
            "learning_rate": self.learner.optimizer.param_groups[0]["lr"],
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
        self.progress.say(epoch_line(epoch, config.monitor))
        self.is_given_up = self.watch is not None and self.watch(epoch)

    def _refuse_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            state = self.state
            raise BadRun(
                f"the loss became {loss} in epoch {state.epoch + 1}, at step {state.step}: lower --learning-rate"
                + ("" if self.config.clip_norm else " or set --clip-norm 1"),
                self.run.directory,
            )

    def _is_gain(self, scores: dict[str, float]) -> bool:
        """Whether these are the best scores at the full size so far; patience and plateau count where they are not."""
        state, config = self.state, self.config
        score = scores[f"val_{config.monitor}"] * (-1 if config.monitor == "loss" else 1)
        if score > state.best_score + _IMPROVED_BY or state.best_epoch == 0:
            state.best_score, state.best_epoch, state.stale = score, state.epoch, 0
            return True
        state.stale += 1
        if config.schedule == "plateau" and state.stale % config.plateau_patience == 0:
            state.rate_factor *= config.plateau_factor
        return False

    def _is_enough(self) -> bool:
        """Whether the wanted score is reached, there was no gain for too long, or who watches has seen enough."""
        state, config = self.state, self.config
        if self.is_given_up:
            return True
        if state.best_epoch == 0:
            return False
        wanted = -config.stop_at if config.monitor == "loss" else config.stop_at
        return (math.isfinite(wanted) and state.best_score >= wanted) or 0 < config.patience <= state.stale

    def _replan(self) -> None:
        """Fit the rest of the course into what is left of the given time."""
        state = self.state
        if self.config.minutes and not self.steps and state.step < state.plan.last_step:
            course = state.plan.course(state.step)
            state.plan = state.plan.extended_to(state.step + self.pace.steps_that_fit(course), state.step)

    def _finish(self) -> None:
        """Say how the training ended; the checkpoint is needed no more."""
        state = self.state
        if state.best_epoch == 0:
            save_weights(self.run / "weights.safetensors", self.learner.best_guess)
            state.best_epoch = state.epoch
        best = state.history[state.best_epoch - 1]
        self.run.mark_complete(
            {
                "epochs": state.epoch,
                "steps": state.step,
                "films_seen": self._films_until(state.step),
                "best_epoch": state.best_epoch,
                "monitor": self.config.monitor,
                "best": {name: value for name, value in best.items() if name.startswith("val_")},
                "ended_by": self._end(),
                "weights_sha256": file_sha256(self.run / "weights.safetensors"),
                "seconds": round(state.seconds, 1),
                "device": str(self.learner.device),
                "precision": str(self.learner.fabric._precision.precision),
                "threads": torch.get_num_threads(),
            }
        )
        (self.run / "checkpoint.safetensors").unlink(missing_ok=True)
        if self.board is not None:
            self.board.close()

    def _end(self) -> str:
        if self.is_given_up:
            return GIVEN_UP
        return "the planned epochs" if self.state.step >= self.state.plan.last_step else "early stopping"

    def _save(self) -> None:
        path = self.run / "checkpoint.safetensors"
        self.state.scaling = self.learner.scaling
        save_checkpoint(path, self.learner.networks, self.learner.optimizer, asdict(self.state))

    def _films_left(self) -> int:
        """How many films the rest of the plan shows, a film each time it comes."""
        return self._films_until(self.state.plan.last_step) - self._films_until(self.state.step)

    def _films_until(self, step: int) -> int:
        """How many films the first steps show; the last batch of an epoch is smaller."""
        epochs, steps = divmod(step, self.pace.epoch_steps)
        films = len(self.learner.train_places)
        return epochs * films + min(steps * self.config.batch_size, films)

    def _seconds_left(self) -> float:
        state = self.state
        return self.pace.seconds_left(state.plan.last_step - state.step, state.plan.course(state.step))

    def _note(self) -> str:
        state = self.state
        epochs = max(1, math.ceil(state.plan.last_step / self.pace.epoch_steps))
        return f"epoch {min(state.epoch + 1, epochs)}/{epochs}, loss {state.loss_sum / max(1, state.seen):.3f}"
