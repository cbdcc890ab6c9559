"""Where the trials of a study are kept: Optuna's journal, one line a change, which several processes write at once.

`optuna-dashboard` reads the same file. Nothing but this file, `propose.py` and `importance.py` knows Optuna.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from plainfilm.core.search import Range, Search, Values
from plainfilm.core.trials import State, Trial
from plainfilm.errors import BadRun

_NAME = "plainfilm tune"
_STEPS = 10_000  # Optuna counts steps in whole numbers: the course in ten-thousandths
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_OPTUNA_STATES = {state: theirs for theirs, state in _STATES.items()}


class TrialStore:
    """The trials of one study. Who begins or ends a trial holds the study's lock; scores are told without it.

    Raises BadRun where the journal is damaged.
    """

    def __init__(self, path: Path, search: Search) -> None:
        be_quiet()
        self._path = path
        self._distributions = distributions(search)
        lock = _JournalLock(path)
        lock.acquire()  # two processes that open a new journal at once make one study in it
        try:
            backend = JournalFileBackend(str(path), lock_obj=lock)  # type: ignore[arg-type]  # has its methods, not its base
            self._storage = JournalStorage(backend)
            if not self._storage.get_all_studies():
                side = StudyDirection.MINIMIZE if search.lower_is_better else StudyDirection.MAXIMIZE
                self._storage.create_new_study([side], _NAME)
            self._study = self._storage.get_study_id_from_name(_NAME)
        except (KeyError, ValueError, TypeError, AttributeError) as cause:
            raise BadRun(f"is damaged ({cause}): no line of it may be changed", path) from cause
        finally:
            lock.release()

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
