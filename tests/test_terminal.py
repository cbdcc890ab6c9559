"""What progress says: how far the work is, and what is left, by the rate so far or by the word of the worker."""

from __future__ import annotations

import re

import pytest

from plainfilm import terminal
from plainfilm.core.progress import Progress
from plainfilm.terminal import PlainLines, Terminal


class _Clock:
    """A clock that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(terminal.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    return _Clock(monkeypatch)


def test_lines_tell_the_rate_and_the_time_left(clock: _Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("Reading", 100) as task:
        clock.now += 11
        task.advance(22, "so far so good")
        clock.now += 1
        task.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Reading: 22 of 100 films, 2 a second, 39 s left  (so far so good)"
    assert len(lines) == 2, "one after ten seconds, one at the end"


def test_what_the_worker_expects_replaces_the_plan(clock: _Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("Training", 10) as task:
        clock.now += 11
        task.expect(290, 60)
        task.advance(10)
    assert "10 of 290 films, 1 a second, 60 s left" in capsys.readouterr().err.splitlines()[0]


def test_more_steps_than_planned_leave_no_negative_time(clock: _Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("Training", 10) as task:
        clock.now += 11
        task.advance(12)
    assert "12 of 10" in (line := capsys.readouterr().err.splitlines()[0]) and "left" not in line


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("Reading", 100) as task:
        task.advance(100)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("progress", [Terminal(), PlainLines()])
def test_a_bar_and_lines_understand_the_same(progress: Progress) -> None:
    with progress.task("Training", 3) as task:
        task.advance()
        task.expect(7, 1.5)
        task.advance(2, "loss [0.1]")
    progress.say("[brackets] stay")


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say("the folder [red] is empty")
    assert re.search(r"the folder \[red\] is empty", capsys.readouterr().err)
