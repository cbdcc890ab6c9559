"""How the command line draws progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from plainfilm.core.progress import Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_SECONDS_BETWEEN_LINES = 10.0
_QUIET_SECONDS = 2.0


def progress_on(stream_is_terminal: bool | None = None) -> Terminal | PlainLines:
    """Bars where standard error is a terminal, lines where it is not."""
    is_terminal = sys.stderr.isatty() if stream_is_terminal is None else stream_is_terminal
    return Terminal() if is_terminal else PlainLines()


class _Count:
    """How far a piece of work is."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.begun = time.monotonic()
        self.done, self.ends = 0, 0.0

    @property
    def rate(self) -> float:
        """Steps a second so far."""
        return self.done / max(1e-3, time.monotonic() - self.begun)

    @property
    def seconds_left(self) -> float | None:
        """As the worker said, else by the rate so far; None where nothing is known or left."""
        if self.total is None or self.done >= self.total:
            return None
        if self.ends:
            return max(0.0, self.ends - time.monotonic())
        return (self.total - self.done) / self.rate if self.done else None

    def expect(self, remaining: int, seconds: float | None = None) -> None:
        """Take the worker's word for what is left."""
        self.total = self.done + remaining
        self.ends = 0.0 if seconds is None else time.monotonic() + seconds


class Terminal:
    """Bars with rate and time left, on standard error; lines are printed above them."""

    def __init__(self) -> None:
        from rich.console import Console  # late: rich costs every start a twentieth of a second

        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "films") -> Iterator[Task]:
        """Draw a bar of `total` steps until the block ends."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        with bars:
            yield _Bar(label, total, unit, bars)

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        self.console.print(line, markup=False)


class _Bar(_Count):
    def __init__(self, label: str, total: int | None, unit: str, bars: Bars) -> None:
        super().__init__(label, total, unit)
        self.bars, self.id = bars, bars.add_task(label, total=total, note="", rate="", left="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""
        self.done += steps
        seconds = self.seconds_left
        left = "" if seconds is None else f"{timedelta(seconds=round(seconds))} left"
        rate = f"{self.rate:,.0f} {self.unit}/s"
        self.bars.update(self.id, completed=self.done, total=self.total, note=note, rate=rate, left=left)


class PlainLines:
    """A line every ten seconds and at the end, on standard error, for logs and pipes."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "films") -> Iterator[Task]:
        """Print how far it is, now and then; work of less than two seconds prints nothing."""
        lines = _Lines(label, total, unit)
        yield lines
        if time.monotonic() - lines.begun > _QUIET_SECONDS:
            lines.print_line("")

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, file=sys.stderr, flush=True)


class _Lines(_Count):
    def __init__(self, label: str, total: int | None, unit: str) -> None:
        super().__init__(label, total, unit)
        self.printed = self.begun

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count, and print when the last line is ten seconds old."""
        self.done += steps
        if time.monotonic() - self.printed > _SECONDS_BETWEEN_LINES:
            self.print_line(note)

    def print_line(self, note: str) -> None:
        """Print how far it is, at which rate, and the time left."""
        self.printed = time.monotonic()
        seconds = self.seconds_left
        left = "" if seconds is None else f", {seconds:.0f} s left"
        of = "" if self.total is None else f" of {self.total:,}"
        print(
            f"{self.label}: {self.done:,}{of} {self.unit}, {self.rate:,.0f} a second{left}"
            + (f"  ({note})" if note else ""),
            file=sys.stderr,
            flush=True,
        )
