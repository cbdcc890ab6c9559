"""Where the trials of a study are kept: Optuna's journal, one line a change, which several processes write at once.

`optuna-dashboard` reads the same file. Nothing but this file, `propose.py` and `importance.py` knows Optuna.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from plainfilm.core.search import Range, Search, Values
from plainfilm.core.trials import State, Trial
from plainfilm.core.words import counted, one_line
from plainfilm.errors import BadRun

_NAME = "plainfilm tune"
_STEPS = 10_000  # Optuna counts steps in whole numbers: the course in ten-thousandths
_REMEDY = "bring it back from a copy, or begin another study with -o"
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, IndexError, AssertionError)
_OPTUNA_STATES = {state: theirs for theirs, state in _STATES.items()}


class TrialStore:
    """The trials of one study. Who begins or ends a trial holds the study's lock; scores are told without it.

    Raises BadRun where the journal is damaged, or tells of fewer trials than there are runs; then it is left as it is.
    """

    def __init__(self, path: Path, search: Search) -> None:
        be_quiet()
        runs = _runs_beside(path)  # before the journal is read: a trial is in it before it has a run
        if runs and not _has_line(path):
            what = "is empty" if path.exists() else "is missing"
            raise BadRun(f"{what}, but trials/ holds {counted(len(runs), 'run')}: {_REMEDY}", path)
        self._distributions = distributions(search)
        lock = _JournalLock(path)
        lock.acquire()  # two processes that open a new journal at once make one study in it
        try:
            backend = JournalFileBackend(str(path), lock_obj=lock)  # type: ignore[arg-type]  # has its methods, not its base
            self._storage = JournalStorage(backend)
            if runs and not self._storage.get_all_studies():
                raise ValueError("its first lines are gone")
            if not self._storage.get_all_studies():
                side = StudyDirection.MINIMIZE if search.lower_is_better else StudyDirection.MAXIMIZE
                self._storage.create_new_study([side], _NAME)
            self._study = self._storage.get_study_id_from_name(_NAME)
            told = len(self.trials())
        except _UNREADABLE as cause:
            line = _damaged_line(path)
            where = f" in line {line}" if line else ""
            raise BadRun(f"is damaged{where} ({one_line(str(cause), 120)}): {_REMEDY}", path) from cause
        finally:
            lock.release()
        if runs and runs[-1] >= told:
            raise BadRun(
                f"tells of {counted(told, 'trial')}, but trials/ holds a run {runs[-1]:04d}, so lines of it are lost: {_REMEDY}",
                path,
            )

    def trials(self) -> list[Trial]:
        """All trials so far, of all processes, by number."""
        return [_ours(trial) for trial in self._storage.get_all_trials(self._study, deepcopy=False)]

    def begin(self, values: Values) -> Trial:
        """A new trial, running."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(values),
            distributions=self._distributions,
            user_attrs={"begun": datetime.now(UTC).isoformat(timespec="seconds"), "beginnings": 1},
        )
        return _ours(self._storage.get_trial(self._storage.create_new_trial(self._study, template)))

    def beginnings(self, trial: Trial) -> int:
        """How often its training was begun or gone on with, and not ended by us."""
        return int(self._storage.get_trial(self._id(trial)).user_attrs["beginnings"])

    def count_beginnings(self, trial: Trial, change: int) -> None:
        """Note that a process has taken it on again, 1, or that it was laid down in order, -1."""
        self._storage.set_trial_user_attr(self._id(trial), "beginnings", self.beginnings(trial) + change)

    def report(self, trial: Trial, course: float, score: float) -> Trial:
        """Note a validation score, and how far the training was; returns the trial as it now is."""
        known = self._storage.get_trial(self._id(trial))
        step = round(course * _STEPS)
        if step not in known.intermediate_values:  # an epoch that is trained again after a resume gives the same
            self._storage.set_trial_intermediate_value(self._id(trial), step, score)
        return _ours(self._storage.get_trial(self._id(trial)))

    def end(self, trial: Trial, state: State, *, score: float = math.nan, **told: float | int | str) -> None:
        """Note how a running trial ended. score: of its best epoch, where it is complete. told: seconds, best_epoch, why."""
        place = self._id(trial)
        for name, value in told.items():
            self._storage.set_trial_user_attr(place, name, value)
        values = [score] if state == "complete" else None
        self._storage.set_trial_state_values(place, _OPTUNA_STATES[state], values)

    def _id(self, trial: Trial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number)


def _runs_beside(path: Path) -> list[int]:
    """The numbers of the trials whose folders lie beside a journal, in order."""
    folder = path.parent / "trials"
    return sorted(int(run.name) for run in folder.iterdir() if run.name.isdecimal()) if folder.is_dir() else []


def _has_line(path: Path) -> bool:
    """Whether a journal is there, and has a whole line."""
    try:
        with path.open("rb") as file:
            return file.readline().endswith(b"\n")
    except FileNotFoundError:
        return False


def _damaged_line(path: Path) -> int:
    """The first line of a journal that cannot be read, from 1; 0 where each can."""
    lines = _Lines()
    storage = JournalStorage(lines)  # type: ignore[arg-type]  # has its methods, not its base
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            lines.logs.append(json.loads(line))
            storage.get_all_studies()  # reads the line that came
        except _UNREADABLE:
            return number
    return 0


class _Lines:
    """A journal in memory, as Optuna wants one."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """The lines from that one on."""
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines."""
        self.logs += logs


class _JournalLock:
    """Lets one process at a time write. It goes with the process; and a line that a killed process left half-written is cut off.

    Optuna's own locks stay where a process was killed, and are broken by force after half a minute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        if not self._lock.lock_counter > 1 and self._path.exists():
            _cut_half_line(self._path)
        return True

    def release(self) -> None:
        """Let the next one write."""
        self._lock.release()


def _cut_half_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, 2)
        back = 0
        while back < size:  # from the end to the last line's end
            file.seek(size - back - 1)
            if file.read(1) == b"\n":
                break
            back += 1
        if back:
            file.truncate(size - back)


def be_quiet() -> None:
    """Optuna tells of every study that it makes; here warnings alone are heard."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """The ranges as Optuna has them, by the setting's name."""
    return {one.name: _distribution(one) for one in search.ranges}


def frozen(trial: Trial, search: Search) -> FrozenTrial:
    """A trial as Optuna's samplers and evaluators want it.

    A failed one stands as pruned before its first score, the worst that there is: Optuna forgets failed trials, and would try
    the same place again.
    """
    state = _OPTUNA_STATES["pruned" if trial.state == "failed" else trial.state]
    return create_trial(
        state=state,
        value=trial.score if trial.state == "complete" else None,
        params=dict(trial.values),
        distributions=distributions(search),
        intermediate_values={round(course * _STEPS): score for course, score in trial.curve},
    )


def _distribution(one: Range) -> BaseDistribution:
    if one.low is None or one.high is None:
        return CategoricalDistribution(one.choices)
    if one.is_whole:
        return IntDistribution(int(one.low), int(one.high), log=one.is_log)
    return FloatDistribution(float(one.low), float(one.high), log=one.is_log)


def _ours(trial: FrozenTrial) -> Trial:
    told = trial.user_attrs
    return Trial(
        number=trial.number,
        values=dict(trial.params),
        state=_STATES[trial.state],
        score=trial.value if trial.state == TrialState.COMPLETE and trial.value is not None else math.nan,
        best_epoch=int(told.get("best_epoch", 0)),
        curve=tuple((step / _STEPS, score) for step, score in sorted(trial.intermediate_values.items())),
        seconds=float(told.get("seconds", 0.0)),
        begun=str(told.get("begun", "")),
        why=str(told.get("why", "")),
    )
