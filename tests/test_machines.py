"""What a training meets on other machines: float16 on a GPU, a run from one, full disks, folders of others."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import TINY
from plainfilm.core import cache_folder as folders
from plainfilm.core.files import written_whole
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, CannotWrite, Interrupted

torch = pytest.importorskip("torch")

from plainfilm.core.progress import Silence  # noqa: E402
from plainfilm.learn import checkpoint, device, learner  # noqa: E402
from plainfilm.learn.films import cache_films  # noqa: E402
from plainfilm.learn.infer import cacheable  # noqa: E402
from plainfilm.learn.train import Training, train  # noqa: E402


class Said(Silence):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _float16_on_the_cpu(*_: object) -> object:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision

    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    return Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_float16_clips_its_gradients_and_goes_on_with_its_scale(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    monkeypatch.setattr(learner, "fabric_for", _float16_on_the_cpu)
    config = replace(TINY, model="cnn-plain", size=16, epochs=1, optimizer=optimizer, clip_norm=1.0)
    take_step, kept = Training.take_step, []

    def stops(self: Training, films: np.ndarray) -> None:
        take_step(self, films)
        if self.state.step == 1 and not kept:
            self.learner.scale_as({**self.learner.scaling, "scale": 512.0})
            kept.append(self.stop.set())

    monkeypatch.setattr(Training, "take_step", stops)
    with pytest.raises(Interrupted):
        train(manifest, tmp_path / "run", config)
    monkeypatch.setattr(Training, "take_step", take_step)
    scales: list[float] = []
    first_state = Training._first_state
    monkeypatch.setattr(
        Training, "_first_state", lambda self: (first_state(self), scales.append(self.learner.scaling["scale"]))[0]
    )
    run = train(manifest, tmp_path / "run", config, resume=True)
    assert scales == [512.0] and np.isfinite(run.history()[-1]["train_loss"])


def test_a_fused_optimizer_counts_its_steps_on_the_device() -> None:
    weight = torch.empty(3, device="meta")
    for is_fused, place in ((True, "meta"), (False, "cpu")):
        group = {"params": [weight], "fused": is_fused}
        optimizer = SimpleNamespace(param_groups=[group], state=defaultdict(dict))
        checkpoint._load_optimizer(optimizer, {"0/step": torch.tensor(7.0), "0/exp_avg": torch.ones(3)})  # type: ignore[arg-type]
        assert optimizer.state[weight]["step"].device.type == place
        assert optimizer.state[weight]["exp_avg"].device.type == "meta"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_run_from_a_gpu_is_asked_on_what_is_here_and_trains_nowhere_else(
    finished_run: Run, manifest: Manifest
) -> None:
    elsewhere = SimpleNamespace(config=replace(finished_run.config, device="cuda"), directory="runs/far")
    out = Said()
    assert device.device_of(elsewhere, out).type in ("cpu", "mps")  # type: ignore[arg-type]
    assert "was trained on cuda, which is not here" in out.lines[0]
    with pytest.raises(BadConfig, match="--device cpu"):
        device.chosen_device("cuda")


def test_a_full_disk_is_found_before_the_films_are_decoded(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr("plainfilm.learn.films.cache_folder", lambda _: tmp_path)
    rows = cacheable(manifest, "split")
    with pytest.raises(CannotWrite, match="no space left"):
        cache_films(manifest, rows, TINY.preprocess, torch.device("cpu"), Silence())
    assert list(tmp_path.iterdir()) == []


def test_room_is_kept_for_all_of_a_file_with_holes(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a.npy") as temporary:
        np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(1 << 20,))
        folders.reserve(temporary)
        assert temporary.stat().st_blocks * 512 >= 1 << 20


def test_only_what_dead_processes_left_long_ago_is_removed(tmp_path: Path) -> None:
    dead = next(number for number in range(4_000_000, 4_100_000) if not folders._is_running(number))
    names = {
        "dead": f".films-8px-a.npy.{dead}-aa.part", "living": f".films-8px-b.npy.{os.getpid()}-bb.part",
        "fresh": f".films-8px-c.npy.{dead}-cc.part", "other": f".report.html.{dead}-dd.part",
    }  # fmt: skip
    for name in names.values():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / names["fresh"])
    folders.remove_abandoned(tmp_path)
    assert {name for name, file in names.items() if (tmp_path / file).exists()} == {"living", "fresh", "other"}


def test_where_nothing_may_be_written_films_go_to_a_folder_of_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()  # no folder can be made there
    monkeypatch.setattr(folders.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = folders.cache_folder(tmp_path)
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(CannotWrite, match="belongs to somebody else"):
        folders.cache_folder(tmp_path)


def test_several_runs_are_checked_before_the_first_is_trained(
    manifest: Manifest, finished_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plainfilm.errors import BadManifest, BadRun
    from plainfilm.jobs import train_runs

    monkeypatch.setattr("plainfilm.learn.train.train", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(BadManifest, match='no split column "flod1"'):
        train_runs(manifest, tmp_path / "a", TINY, splits=["split", "flod1"])
    (tmp_path / "b" / "split-seed1").mkdir(parents=True)
    (tmp_path / "b" / "split-seed1" / "mine.txt").touch()
    with pytest.raises(BadRun, match="split-seed1: is no empty folder"):
        train_runs(manifest, tmp_path / "b", TINY, seeds=2)
    with pytest.raises(BadRun, match="give --splits and --seeds as at first"):
        train_runs(manifest, finished_run.directory.parent, TINY, resume=True)


def test_a_demo_that_is_stopped_says_that_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plainfilm import jobs

    def stopped(*_: object) -> None:
        raise Interrupted("stopped in epoch 2; go on with --resume")

    monkeypatch.setattr(jobs, "_demo", stopped)
    with pytest.raises(Interrupted, match="nothing is kept, and the same command begins anew"):
        jobs.run_demo(tmp_path / "demo")
    assert not any((tmp_path / "demo").iterdir())
