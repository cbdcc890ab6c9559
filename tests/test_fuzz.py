"""Three hundred damaged files through every door; benchmarks/fuzz.py does twenty thousand, and is seen to find what is wrong."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FOUND = {3: "the process died, exit code -11", 5: "MemoryError", 6: "IndexError", 8: "silent for"}


def test_damaged_films_uploads_and_bundles_are_read_or_refused() -> None:
    typed = [sys.executable, BENCHMARKS / "fuzz.py", "--files", "300", "--workers", "2", "--seed", "7"]
    done = subprocess.run(typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 found" in done.stdout


class Faulty:
    """Doors that crash, ask for too much memory, have a defect and hang, each for one mutant."""

    def __init__(self, folder: Path) -> None: ...

    def enter(self, one: Any, seed: int, number: int) -> str:
        match number:
            case 3:
                os.kill(os.getpid(), signal.SIGSEGV)
            case 5:
                bytearray(8 << 30)
            case 6:
                [][number]
            case 8:
                time.sleep(60)
        return "read"


@pytest.mark.slow
def test_the_watcher_notes_what_is_wrong_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    watched = importlib.import_module("fuzz").run(10, 0, 1, tmp_path, Faulty)
    assert [int(finding.split()[0].rstrip(":")) for finding in watched.findings] == sorted(FOUND)
    assert all(words in finding for words, finding in zip(FOUND.values(), watched.findings, strict=True))
    assert sum(watched.outcomes.values()) == 8
