"""How the command line draws progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from plainfilm.core.progress import Task

_SECONDS_BETWEEN_LINES = 10.0
_QUIET_SECONDS = 2.0


def progress_on(stream_is_terminal: bool | None = None) -> Terminal | PlainLines:
    """Bars where standard error is a terminal, lines where it is not."""
    is_terminal = sys.stderr.isatty() if stream_is_terminal is None else stream_is_terminal
    return Terminal() if is_terminal else PlainLines()


class Terminal:
    """Bars with rate and time left, on standard error; lines are printed above them."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def task(self, label: str, total: int, unit: str = "films") -> Iterator[Task]:
        """Draw a bar of `total` steps until the block ends."""
        bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        with bars:
            yield _Bar(bars, bars.add_task(label, total=total, note="", rate=""), unit)

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        self.console.print(line, markup=False)


class _Bar:
    def __init__(self, bars: Bars, task: TaskID, unit: str) -> None:
        self.bars, self.id, self.unit = bars, task, unit
        self.begun, self.done = time.monotonic(), 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""
        self.done += steps
        rate = self.done / max(1e-3, time.monotonic() - self.begun)
        self.bars.update(self.id, advance=steps, note=note, rate=f"{rate:,.0f} {self.unit}/s")


class PlainLines:
    """A line every ten seconds and at the end, on standard error, for logs and pipes."""

    @contextmanager
    def task(self, label: str, total: int, unit: str = "films") -> Iterator[Task]:
        """Print how far it is, now and then; work of less than two seconds prints nothing."""
        lines = _Lines(label, total, unit)
        yield lines
        if time.monotonic() - lines.begun > _QUIET_SECONDS:
            lines.print_line("")

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, file=sys.stderr, flush=True)


class _Lines:
    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.begun = self.printed = time.monotonic()
        self.done = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count, and print when the last line is ten seconds old."""
        self.done += steps
        if time.monotonic() - self.printed > _SECONDS_BETWEEN_LINES:
            self.print_line(note)

    def print_line(self, note: str) -> None:
        """Print how far it is, at which rate, and the time left."""
        self.printed = time.monotonic()
        seconds = max(1e-3, self.printed - self.begun)
        rate = self.done / seconds
        left = f", {max(0, self.total - self.done) / rate:.0f} s left" if rate and self.done < self.total else ""
        print(
            f"{self.label}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} a second{left}"
            + (f"  ({note})" if note else ""),
            file=sys.stderr,
            flush=True,
        )
