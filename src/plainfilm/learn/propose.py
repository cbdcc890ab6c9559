"""Which settings to try next: Optuna's TPE, told of all trials so far. The same trials and seed give the same settings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from plainfilm.core.search import Search, Values
from plainfilm.core.trials import AT_RANDOM, Trial
from plainfilm.learn.sampling import seed_of
from plainfilm.learn.trial_store import be_quiet, distributions, frozen

_TPE_DRAWS, _RANDOM_DRAWS = 10, 30
_LISTED = 20_000  # as many different trials can be listed one by one


def proposed(search: Search, trials: Sequence[Trial], seed: int) -> Values | None:
    """Values for the next trial, none of which was tried before; None where all have been.

    The first trial takes the values that the fixed settings have themselves, where those may be tried, so that it is known what
    searching has gained.
    trials: all of them; TPE reckons with those that still run. Source: Watanabe 2023, arXiv 2304.11127.
    """
    tried = {search.config_of(trial.values) for trial in trials}
    if len(tried) >= search.count:
        return None
    if not trials:
        return search.first_values
    for draw in range(_TPE_DRAWS + _RANDOM_DRAWS):
        draw_seed = seed_of(seed, 5, len(trials), draw) % 2**32
        sampler: BaseSampler = (
            TPESampler(n_startup_trials=AT_RANDOM, seed=draw_seed) if draw < _TPE_DRAWS else RandomSampler(draw_seed)
        )
        values = _drawn(search, trials, sampler)
        if search.config_of(values) not in tried:
            return values
    return _one_left(search, trials, seed)


def _drawn(search: Search, trials: Sequence[Trial], sampler: BaseSampler) -> Values:
    be_quiet()
    study = optuna.create_study(direction="minimize" if search.lower_is_better else "maximize", sampler=sampler)
    study.add_trials(frozen(trial, search) for trial in trials)
    found = study.ask(distributions(search)).params
    return {one.name: one.rounded(found[one.name]) for one in search.ranges}


def _one_left(search: Search, trials: Sequence[Trial], seed: int) -> Values | None:
    """One of the values that were not tried, by chance; None where there are too many to list, or none is left."""
    if search.count > _LISTED:
        return None
    tried = {search.config_of(trial.values) for trial in trials}
    names = [one.name for one in search.ranges]
    columns = [one.choices or range(int(one.low or 0), int(one.high or 0) + 1) for one in search.ranges]
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*columns)]
    left = [values for values in every if search.config_of(values) not in tried]
    return left[int(np.random.default_rng(seed_of(seed, 6, len(trials))).integers(len(left)))] if left else None
