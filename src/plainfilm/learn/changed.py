"""A run's network, opened once, that is asked about films as they are and as they might be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count

import numpy as np
import torch
from numpy.typing import NDArray

from plainfilm.core.network import Scores, joined
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Silence, Task
from plainfilm.core.run import Run
from plainfilm.learn.device import device_of
from plainfilm.learn.infer import network_input, scores_of
from plainfilm.learn.model import load_network

_BATCH = 64


class Asked:
    """The trained network of a run, in evaluation mode, on its device."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.device = device_of(run, Silence())
        self.network = load_network(run).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def bare(self) -> Preprocess:
        """The run's recipe without contrast and region: films in this form are changed, and then go through the whole recipe."""
        return replace(self.run.preprocess, contrast="none", region="film")

    def scores(self, films: NDArray[np.uint8], task: Task) -> Scores:
        """films: (N, S, S) uint8 by the recipe `bare`, changed or not. task: is told of each film."""
        found = []
        for start in range(0, len(films), _BATCH):
            batch = torch.from_numpy(self.fitted(films[start : start + _BATCH])).unsqueeze(1).to(self.device)
            found.append(scores_of(self.network, network_input(batch, self.run.preprocess)))
            task.advance(len(batch))
        return joined(found)

    def fitted(self, films: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Films by the recipe `bare`, as the network sees them: (N, S, S) uint8."""
        if self.bare == self.run.preprocess:
            return np.ascontiguousarray(films)
        with ThreadPoolExecutor(cpu_count() or 1) as pool:
            return np.stack(list(pool.map(self.run.preprocess.fitted, films)))
