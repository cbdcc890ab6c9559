"""The run: a directory that holds one training, from its settings to its report.

config.toml          the settings                         written first; its presence makes the directory a run
run.json             format, classes, fingerprint of the manifest, where the manifest lies
environment.json     command, versions, seed, machine
preprocess.json      the recipe from pixels to input
history.jsonl        one line an epoch, as it goes
checkpoint.safetensors   what resuming needs; removed at the end
weights.safetensors  the best weights so far
complete.json        the completion mark
calibration.json     what turns logits into answers, fitted after training on train and validation; written by evaluate
predictions.csv, metrics.json, report.html, figures/     written by evaluate
test_readings.jsonl  one line for each time that the test split was read
audit.json, audit.html, audit/   what the score is worth once shortcuts were looked for; written by audit
outside_readings.jsonl  one line for each time that films from elsewhere were read
on/NAME/             what the run is worth on another manifest; written by evaluate --on
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from plainfilm.core.audit import Audit
from plainfilm.core.calibration import Calibration
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import (
    check_format,
    make_directory,
    provenance,
    read_json,
    write_json,
    write_text,
)
from plainfilm.core.lungs import segmenter_version
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import Preprocess
from plainfilm.errors import BadConfig, BadManifest, BadRun

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Run:
    """One training on disk.

    directory: where it lies.
    classes: in the order of the network's outputs.
    config, preprocess: how it was trained and what its network is fed.
    fingerprint: of the manifest that it was trained on.
    manifest_path: where that manifest lay.
    """

    directory: Path
    classes: tuple[str, ...]
    config: TrainConfig
    preprocess: Preprocess
    fingerprint: str
    manifest_path: Path

    @classmethod
    def create(cls, directory: str | Path, config: TrainConfig, manifest: Manifest) -> Run:
        """Begin a run in an empty or new directory. Raises BadRun where something lies there already."""
        directory = Path(directory)
        cls.refuse_taken(directory)
        make_directory(directory)
        if manifest.path is None:
            raise BadRun("cannot be made from a manifest that was never written", directory)
        run = cls(directory, manifest.classes, config, config.preprocess, manifest.fingerprint, manifest.path.resolve())
        segmenter = {"segmenter": segmenter_version()} if run.preprocess.looks_for_lungs else {}
        made = provenance(config.seed, manifest=manifest.fingerprint, **segmenter)
        write_json(run / "environment.json", made)
        write_json(run / "preprocess.json", run.preprocess.to_dict())
        write_json(
            run / "run.json",
            {
                "format_version": FORMAT_VERSION,
                "classes": list(run.classes),
                "manifest": str(run.manifest_path),
                "manifest_fingerprint": run.fingerprint,
            },
        )
        write_text(run / "config.toml", config.to_toml())
        return run

    @classmethod
    def refuse_taken(cls, directory: Path) -> None:
        """Raise BadRun where something lies already where a run shall begin."""
        if cls.is_run(directory):
            state = "a finished run" if (directory / "complete.json").exists() else "an unfinished run"
            raise BadRun(f"holds {state} already: choose another -o, or go on with it by --resume", directory)
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise BadRun("is no empty folder: choose another -o", directory)

    @classmethod
    def open(cls, directory: str | Path) -> Run:
        """Open a run, finished or not. Raises BadRun where the directory is none or is damaged."""
        directory = Path(directory)
        if not cls.is_run(directory):
            what = "is missing" if not directory.exists() else "is no run: it has no config.toml and run.json"
            raise BadRun(f'{what}. Name the folder that "plainfilm train -o" wrote', directory)
        about = read_json(directory / "run.json", BadRun)
        check_format(about, FORMAT_VERSION, directory / "run.json", BadRun)
        try:
            config = TrainConfig.from_toml(directory / "config.toml")
            preprocess = Preprocess.from_dict(read_json(directory / "preprocess.json", BadRun))
            return cls(
                directory,
                tuple(str(name) for name in about["classes"]),
                config,
                preprocess,
                str(about["manifest_fingerprint"]),
                Path(about["manifest"]),
            )
        except (BadConfig, KeyError, TypeError) as cause:
            raise BadRun(f"is damaged: {cause}", directory) from cause

    @staticmethod
    def is_run(directory: Path) -> bool:
        """Whether a run was begun there."""
        return (directory / "config.toml").is_file() and (directory / "run.json").is_file()

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    @property
    def is_complete(self) -> bool:
        """Whether the training ended."""
        return (self / "complete.json").is_file()

    def require_complete(self) -> None:
        """Raise BadRun unless the training ended."""
        if not self.is_complete:
            raise BadRun('is not finished: go on with "plainfilm train ... --resume"', self.directory)

    def own_manifest(self, manifest: Manifest | None = None) -> Manifest:
        """The manifest that the run was trained on: the one given, or the one that lies where it lay.

        Raises BadManifest where it is gone, another, or has changed since.
        """
        manifest = manifest or Manifest.open(self.manifest_path)
        if manifest.fingerprint != self.fingerprint:
            raise BadManifest(
                f"is not the manifest that {self.directory} was trained on, or it has changed since", manifest.path
            )
        return manifest

    @property
    def segmenter_note(self) -> str:
        """What to know where the run goes by lungs that another version of the segmenter found; "" elsewhere."""
        path = self / "environment.json"
        if not self.preprocess.looks_for_lungs or not path.is_file():
            return ""
        known = read_json(path, BadRun).get("inputs", {}).get("segmenter", "")
        if known == segmenter_version():
            return ""
        return (
            f"note: {self.directory} was trained on lungs that another version of the segmenter found"
            f" ({known or 'unknown'}, not {segmenter_version()}): its scores may differ from those it had then"
        )

    def mark_complete(self, facts: Mapping[str, Any]) -> None:
        """Say that the training ended, and how."""
        write_json(self / "complete.json", {"format_version": FORMAT_VERSION, **facts})

    def completion(self) -> dict[str, Any]:
        """What mark_complete() was told."""
        return read_json(self / "complete.json", BadRun)

    def calibration(self) -> Calibration:
        """What turns the logits into answers; plain softmax where the run was never evaluated. Raises BadRun where damaged."""
        path = self / "calibration.json"
        if not path.is_file():
            return Calibration.none(self.classes)
        found = Calibration.open(path)
        if found.classes != self.classes:
            raise BadRun(
                f'is of the classes {", ".join(found.classes)}, not of the run\'s: make it again with "plainfilm evaluate"',
                path,
            )
        return found

    @property
    def is_calibrated(self) -> bool:
        """Whether evaluation has fitted what turns the logits into answers."""
        return (self / "calibration.json").is_file()

    def audit(self) -> Audit | None:
        """The last audit of the run, whatever weights it is of; None where it was never audited. Raises BadRun where damaged."""
        path = self / "audit.json"
        return Audit.open(path) if path.is_file() else None

    def history(self) -> list[dict[str, Any]]:
        """One mapping an epoch: losses, scores, learning rate, size, seconds. Raises BadRun where the file is damaged."""
        path = self / "history.jsonl"
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        except ValueError as cause:
            raise BadRun(f"is damaged ({cause})", path) from cause

    def write_history(self, epochs: list[dict[str, Any]]) -> None:
        """Write all epochs so far."""
        write_text(self / "history.jsonl", "".join(json.dumps(epoch) + "\n" for epoch in epochs))

    def record_test_reading(self, what: str) -> int:
        """Count one more reading of the test split and return how many there were."""
        path = self / "test_readings.jsonl"
        earlier = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        write_text(path, "\n".join([*earlier, json.dumps({"what": what, **_when()})]) + "\n")
        return len(earlier) + 1

    @property
    def test_readings(self) -> int:
        """How often the test split was read for this run."""
        path = self / "test_readings.jsonl"
        return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0

    def record_outside_reading(self, pictures: str, manifest: str) -> int:
        """Count one more reading of films from elsewhere and return how often these very pictures were read.

        pictures: 64 hex digits over the films' pixels. manifest: where their manifest lies.
        """
        path = self / "outside_readings.jsonl"
        earlier = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        line = json.dumps({"pictures": pictures, "manifest": manifest, **_when()})
        write_text(path, "\n".join([*earlier, line]) + "\n")
        return sum(pictures in one for one in (*earlier, line))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process from training in this run; the lock goes with the process. Raises BadRun where one is."""
        try:
            with FileLock(self / ".lock", timeout=0):
                yield
        except Timeout:
            raise BadRun(
                "is being trained by another process: wait for it, or choose another -o", self.directory
            ) from None


def _when() -> dict[str, str]:
    made = provenance()
    return {"at": made["made_at"], "command": made["command"]}


def first_place(directory: Path) -> Path:
    """Where the first training lies of a recipe that ends with a second one, whose run is in `directory`."""
    if directory.name in ("", ".."):  # ".", "/" and "..", whose own name only their whole path tells
        directory = directory.resolve()
    return directory.parent / f"{directory.name}-first"
