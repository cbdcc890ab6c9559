"""The run directory: what is no run, is damaged, or is foreign says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from plainfilm.core.run import Run
from plainfilm.errors import BadRun


@pytest.fixture
def copied(finished_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run.directory, tmp_path / "run"))


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="is no run"):
        Run.open(tmp_path)
    with pytest.raises(BadRun, match="is missing"):
        Run.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.toml", "run.json", "preprocess.json"])
def test_a_damaged_run(copied: Path, name: str) -> None:
    (copied / name).write_text("{")
    with pytest.raises(BadRun, match=str(copied)):
        Run.open(copied)


def test_a_foreign_format(copied: Path) -> None:
    about = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps({**about, "format_version": 7}))
    with pytest.raises(BadRun, match="format version 7; this plainfilm reads 1"):
        Run.open(copied)


def test_an_unfinished_run_is_not_judged(copied: Path) -> None:
    (copied / "complete.json").unlink()
    with pytest.raises(BadRun, match="--resume"):
        Run.open(copied).require_complete()


def test_readings_of_the_test_split_are_counted(copied: Path) -> None:
    run = Run.open(copied)
    assert [run.record_test_reading("evaluate") for _ in range(3)] == [1, 2, 3]
    assert Run.open(copied).test_readings == 3


def test_a_damaged_history(copied: Path) -> None:
    (copied / "history.jsonl").write_text('{"epoch": 1}\n{"epo')
    with pytest.raises(BadRun, match=r"history\.jsonl"):
        Run.open(copied).history()
