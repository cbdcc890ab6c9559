"""Which settings mattered in a search: PED-ANOVA, with an interval over trials, against what shuffled scores give.

The best quarter of the trials is compared with all of them: where a setting does not matter, both are spread alike over it. It
rests on ranks, so pruned and failed trials count as what they are, not among the best; and it compares with where the search has
looked, not with the whole range, so a search that keeps to one place does not make that place important.
Source: Watanabe, Bansal & Hutter 2023, arXiv 2304.10255, as Optuna has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from plainfilm.core.bootstrap import Interval
from plainfilm.core.search import Search
from plainfilm.core.trials import Importance, Trial, ranked
from plainfilm.learn.trial_store import be_quiet, frozen

FEWEST = 8  # trials; with fewer the best quarter is a single one
_QUARTER = 0.25
_LEVEL = 0.95


def importances(
    search: Search, trials: Sequence[Trial], *, seed: int = 0, repeats: int = 200
) -> tuple[Importance, ...]:
    """Every searched setting, the one that mattered most first; none where fewer than FEWEST trials can be ranked.

    repeats: replicates of the interval, and shuffles; more where so many settings are asked about that these could tell nothing.
    """
    repeats = max(repeats, 25 * len(search.ranges))
    told = [trial for trial in trials if trial.state != "running"]
    best = ranked(told, search.lower_is_better)
    if len(told) < FEWEST or len(best) < len(told) * _QUARTER:
        return ()
    scores = [trial.score for trial in best]  # equal scores have one rank, and all other trials the last
    rank = np.array([scores.index(one.score) if one.state == "complete" else len(best) for one in told], np.float64)
    ready = [frozen(replace(trial, state="failed", curve=()), search) for trial in told]
    seen = _spread(search, ready, rank)
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(told), size=len(told)) for _ in range(repeats)]
    replicates = np.array([_spread(search, [ready[place] for place in draw], rank[draw]) for draw in draws])
    shuffled = np.array([_spread(search, ready, rng.permutation(rank)) for _ in range(repeats)])
    low, high = np.quantile(replicates, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    chance = np.quantile(shuffled, _LEVEL, axis=0)
    p = (1 + (shuffled >= seen).sum(axis=0)) / (1 + repeats)
    found = [
        Importance(
            one.name,
            Interval(float(seen[k]), float(min(low[k], seen[k])), float(max(high[k], seen[k]))),
            float(chance[k]),
            float(p[k]),
        )
        for k, one in enumerate(search.ranges)
    ]
    return tuple(sorted(found, key=lambda one: -one.value.value))


def _spread(search: Search, ready: Sequence[FrozenTrial], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) how otherwise the best quarter is spread over each setting than all trials are, 0..1; 0 where all are equally good.

    rank: (N,), 0 the best.
    """
    if (rank <= np.sort(rank)[math.ceil(len(rank) * _QUARTER) - 1]).all():
        return np.zeros(len(search.ranges))
    be_quiet()
    study = optuna.create_study(direction="minimize")
    for trial, place in zip(ready, rank, strict=True):
        trial.state, trial.values = TrialState.COMPLETE, [float(place)]
        study.add_trial(trial)
    names = [one.name for one in search.ranges]
    found = PedAnovaImportanceEvaluator(target_quantile=_QUARTER).evaluate(study, names)
    divergence = np.array([found[name] for name in names], np.float64)
    return np.asarray(divergence / (1 + divergence), np.float64)
