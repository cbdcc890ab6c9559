"""How long work tells that it goes on: a small interface that the rooms speak to and the command line draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work in progress."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say that `steps` more are done; `note` is a short remark of the moment (a loss, a score)."""

    def expect(self, remaining: int, seconds: float | None = None) -> None:
        """Correct what is left, where the worker knows better: steps, and seconds where the rate so far does not tell them."""


class Progress(Protocol):
    """Where long work reports to."""

    def task(self, label: str, total: int | None, unit: str = "films") -> AbstractContextManager[Task]:
        """Begin a piece of work of `total` steps, None where nobody knows yet; leave the `with` block when it is done."""

    def say(self, line: str) -> None:
        """Print one line, above any bar."""


class _SilentTask:
    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say nothing."""

    def expect(self, remaining: int, seconds: float | None = None) -> None:
        """Say nothing."""


class Silence:
    """A Progress that says nothing: the default wherever plainfilm is used as a library."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "films") -> Iterator[Task]:
        """Give a task that says nothing."""
        yield _SilentTask()

    def say(self, line: str) -> None:
        """Say nothing."""
