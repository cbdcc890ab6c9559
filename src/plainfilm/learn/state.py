"""Where a training stands, apart from its tensors: what goes into the checkpoint's header."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from plainfilm.learn.schedule import Plan


@dataclass
class State:
    """Where a training stands, apart from its tensors; all of it goes into the checkpoint.

    step, epoch: done so far, from the start. batch: done in this epoch.
    plan: how far to go. best_score, best_epoch: of the epochs at full size. stale: epochs at full size without gain.
    rate_factor: what plateau left of the learning rate. loss_sum, right, seen: of this epoch so far. scaling: of the loss, in
    float16. seconds: spent so far, over all resumes. film_seconds: that scoring a film takes; 0 where it was not timed.
    history: one mapping an epoch.
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
    scaling: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    film_seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> State:
        """The inverse of dataclasses.asdict()."""
        return cls(**{**facts, "plan": Plan(**facts["plan"])})
