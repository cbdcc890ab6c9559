"""The search, trial after trial: take one, train it, note how it ended; several processes may do so in one study.

A trial is in three places: its line of life in the journal (`trial_store.py`), its run, and the lock of the process that trains
it. A trial that the journal calls running and whose lock nobody holds was left behind: by Ctrl-C, at the end of the time, or by
a process that was killed. The next process takes it on where its run's last checkpoint stands, so none is lost or counted twice.
"""

from __future__ import annotations

import gc
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from filelock import FileLock

from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Progress
from plainfilm.core.run import Run
from plainfilm.core.search import Search
from plainfilm.core.study import Study
from plainfilm.core.trials import Trial, is_hopeless, ranked
from plainfilm.core.words import one_line
from plainfilm.errors import BadConfig, BadRun, Interrupted, WeightsUnavailable
from plainfilm.learn.device import chosen_device
from plainfilm.learn.failures import OF_SETTINGS, advice
from plainfilm.learn.films import cache_films
from plainfilm.learn.infer import cacheable
from plainfilm.learn.interrupt import asked_to_stop
from plainfilm.learn.model import build_network, check_network_name
from plainfilm.learn.propose import proposed
from plainfilm.learn.train import GIVEN_UP, train
from plainfilm.learn.trial_store import TrialStore

_MOST_BEGINNINGS = 3  # of a trial whose process dies under it
# What a trial's settings may be to blame for: the study goes on. All else (a full disk, films that are gone) ends it.
_OF_A_TRIAL = (BadRun, BadConfig, WeightsUnavailable, *OF_SETTINGS)


def check_networks(search: Search, classes: tuple[str, ...], progress: Progress) -> None:
    """Build each network with its first weights once, before any time is spent.

    What cannot be had is said, and its trials will fail; raises BadConfig for an unknown name, and WeightsUnavailable where
    nothing can be had at all.
    """
    choices = {one.name: one.choices for one in search.ranges}
    names = [str(name) for name in choices.get("model") or (search.config.model,)]
    sources = [str(source) for source in choices.get("weights") or (search.config.weights,)]
    for name in names:
        check_network_name(name)
    given = [source for source in sources if source != "scratch"]
    if given:
        progress.say(f"Looking for the first weights of {', '.join(names)}")
    absent = []
    for name in names:
        for source in given:
            try:
                build_network(search.config.with_changes({"model": name, "weights": source}), classes)
            except WeightsUnavailable as error:
                absent.append(str(error))
    if absent and len(absent) == len(names) * len(sources):
        raise WeightsUnavailable("; ".join(dict.fromkeys(absent)))
    for reason in dict.fromkeys(absent):
        progress.say(f"note: such trials will fail: {reason}")


def run_trials(
    study: Study,
    manifest: Manifest,
    *,
    wanted: int,
    until: float,
    keep: int,
    allow_leaks: bool,
    progress: Progress,
    after_each: Callable[[list[Trial]], None],
) -> str:
    """Train trials until there are as many as are wanted, or until the time is over; returns why it ended, in words.

    manifest: the study's own, without test films. wanted: trials in the study in all, 0 for as many as time allows.
    until: time.monotonic() at which to stop; the trial that then trains is left as by Ctrl-C.
    keep: how many of the best keep their weights.
    after_each: is told all trials whenever one has ended, while nobody else can write to the study.
    Raises Interrupted on Ctrl-C or SIGTERM, when the trial was laid down.
    """
    store = TrialStore(study / "study.journal", study.search)
    with asked_to_stop(until) as stop:
        while not stop.is_set() and time.monotonic() < until:
            taken = _take(study, store, wanted)
            if isinstance(taken, str):
                return taken
            trial, claim = taken
            try:
                _Training(study, store, manifest, trial, until, stop, allow_leaks, progress).go()
                with study.locked():
                    trials = store.trials()
                    _drop_weights(study, trials, keep)
                    after_each(trials)
            finally:
                claim.release()
    if time.monotonic() < until:
        raise Interrupted("stopped")
    return "the time is over"


def _take(study: Study, store: TrialStore, wanted: int) -> tuple[Trial, FileLock] | str:
    """A trial that was left behind, or a new one, with its lock; in words, why there is none."""
    with study.locked():
        trials = store.trials()
        for trial in trials:
            if trial.state == "running" and (claim := study.claim(trial.number)):
                if store.beginnings(trial) < _MOST_BEGINNINGS:
                    store.count_beginnings(trial, 1)
                    return trial, claim
                store.end(trial, "failed", why=f"its process was killed {_MOST_BEGINNINGS} times: too little memory?")
                claim.release()
        if wanted and len(trials) >= wanted:
            return f"all {wanted} trials are taken"
        values = proposed(study.search, trials, study.search.config.seed)
        if values is None:
            return f"all {len(trials)} different trials that this search has are taken"
        trial = store.begin(values)
        claim = study.claim(trial.number)
        assert claim is not None, "a new trial's lock is nobody's"
        return trial, claim


class _Training:
    """One trial in one process."""

    def __init__(
        self,
        study: Study,
        store: TrialStore,
        manifest: Manifest,
        trial: Trial,
        until: float,
        stop: threading.Event,
        allow_leaks: bool,
        progress: Progress,
    ) -> None:
        self.study, self.store, self.manifest, self.trial = study, store, manifest, trial
        self.until, self.stop, self.allow_leaks, self.progress = until, stop, allow_leaks, progress
        self.config = study.search.config_of(trial.values)

    def go(self) -> None:
        """Train, and note how it ended. Raises Interrupted when it was laid down; a trial's own failure is noted, not raised."""
        self.progress.say(f"trial {self.trial.number}: {shown_values(self.trial)}")
        begun = time.monotonic()
        place = self.study.run_of(self.trial)
        if place.exists() and not Run.is_run(place):  # a process was killed before its run was begun
            shutil.rmtree(place)
        try:
            self._cache()
            run = train(
                self.manifest,
                place,
                self.config,
                resume=True,
                allow_leaks=self.allow_leaks,
                until=self.until,
                watch=self._watch,
                progress=self.progress,
            )
        except (Interrupted, KeyboardInterrupt):
            if Run.is_run(place) and Run.open(place).is_complete:  # asked to stop while it ended
                self._note_end(Run.open(place))
                raise
            self.store.count_beginnings(self.trial, -1)
            if time.monotonic() < self.until:
                raise
            return
        except _OF_A_TRIAL as error:
            why = one_line(advice(error, self.config) or str(error) or type(error).__name__)
            self.store.end(self.trial, "failed", why=why, seconds=round(time.monotonic() - begun, 1))
            self.progress.say(f"trial {self.trial.number} failed: {why}")
            self._let_go()
            return
        except BaseException:  # a full disk, films that are gone: no fault of these settings, and nobody killed it
            self.store.count_beginnings(self.trial, -1)
            raise
        self._note_end(run)

    def _cache(self) -> None:
        """The films at this trial's size, before its time begins; of several processes one decodes, the others wait."""
        with FileLock(self.study / ".films.lock"):
            rows = cacheable(self.manifest, self.config.split)
            cache_films(self.manifest, rows, self.config.preprocess, chosen_device("cpu"), self.progress)
        if self.stop.is_set():
            raise Interrupted("stopped before its first step")

    def _watch(self, epoch: Mapping[str, Any]) -> bool:
        """Note an epoch's score; whether the trial is to be given up."""
        if epoch["size"] != self.config.size and self.config.progressive == "resize":
            return False  # films of another size than that which counts
        score = epoch[f"val_{self.config.monitor}"]
        if not math.isfinite(score):
            return False
        self.trial = self.store.report(self.trial, epoch["course"], score)
        return is_hopeless(self.trial, self.store.trials(), self.study.search.lower_is_better)

    def _note_end(self, run: Run) -> None:
        facts = run.completion()
        score = float(facts["best"][f"val_{self.config.monitor}"])
        told = {"seconds": facts["seconds"], "best_epoch": facts["best_epoch"]}
        is_pruned = facts["ended_by"] == GIVEN_UP
        if is_pruned:
            self.store.end(self.trial, "pruned", **told)
        elif not math.isfinite(score):
            self.store.end(self.trial, "failed", why=f"its validation score is {score}", **told)
        else:
            self.store.end(self.trial, "complete", score=score, **told)
        word = "was pruned at" if is_pruned else "ended with"
        self.progress.say(f"trial {self.trial.number} {word} {self.config.monitor.replace('_', ' ')} {score:.4f}")

    def _let_go(self) -> None:
        """Give back what a failed training may still hold."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _drop_weights(study: Study, trials: list[Trial], keep: int) -> None:
    """Remove weights and checkpoints of all trials that have ended, but for those of the best few."""
    kept = {trial.number for trial in ranked(trials, study.search.lower_is_better)[:keep]}
    for trial in trials:
        if trial.state != "running" and trial.number not in kept:
            for name in ("weights.safetensors", "checkpoint.safetensors"):
                (study.run_of(trial) / name).unlink(missing_ok=True)


def shown_values(trial: Trial) -> str:
    """The values of a trial on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.values.items())
