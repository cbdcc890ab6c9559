"""The run that a training goes into: begun, gone on with, or taken back where it never took a step."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadManifest, BadRun, WeightsUnavailable
from plainfilm.learn.model import check_network_name


def open_run(manifest: Manifest, directory: Path, config: TrainConfig, resume: bool, allow_leaks: bool) -> Run:
    """The run to train in, new or begun. All that can be wrong with the input is found here, before any work."""
    check_network_name(config.model)
    if not manifest.classes:
        raise BadManifest(
            'has no film with a label: give labels by "plainfilm prepare --metadata TABLE"', manifest.path
        )
    if resume and Run.is_run(directory):
        return _reopened(manifest, directory, config)
    if config.split not in manifest.split_columns:
        raise BadManifest(
            f'has no split column "{config.split}"; it has {", ".join(manifest.split_columns)}', manifest.path
        )
    problems = [problem for problem in manifest.check([config.split]) if not (allow_leaks and problem.kind == "leak")]
    if problems:
        leaks = any(problem.kind == "leak" for problem in problems)
        hint = ". To train on a leaking split all the same, add --allow-leaks" if leaks else ""
        texts = tuple(problem.text for problem in problems)
        raise BadManifest("; ".join(texts) + hint, manifest.path, texts)
    if config.weights not in ("imagenet", "scratch") and not Path(config.weights).exists():
        raise WeightsUnavailable(f'--weights {config.weights}: expected "imagenet", "scratch", a weights file or a run')
    return Run.create(directory, config, manifest)


def _reopened(manifest: Manifest, directory: Path, config: TrainConfig) -> Run:
    run = Run.open(directory)
    if run.fingerprint != manifest.fingerprint:
        raise BadRun(
            f"was begun on another manifest ({run.manifest_path}): its films, labels or splits differ", directory
        )
    if run.config != config:
        before = asdict(run.config)
        differ = ", ".join(name for name, value in asdict(config).items() if before[name] != value)
        raise BadRun(f"was begun with another {differ}: resume it with the settings in its config.toml", directory)
    return run


def take_back_run(run: Run) -> None:
    """Remove a run that never took a step, so that the corrected command may use its name again."""
    has_begun = (run / "checkpoint.safetensors").exists() or (run / "history.jsonl").exists()
    if not has_begun:
        shutil.rmtree(run.directory, ignore_errors=True)
