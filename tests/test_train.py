"""Training: the same seed gives the same weights; a kill at any moment and a resume end in the same bits; best weights kept."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import TINY, rows
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadManifest, BadRun, Interrupted, WeightsUnavailable

torch = pytest.importorskip("torch")

from plainfilm.core.progress import Silence  # noqa: E402
from plainfilm.learn import checkpoint, device, sampling, schedule  # noqa: E402
from plainfilm.learn.films import cache_films  # noqa: E402
from plainfilm.learn.infer import cacheable  # noqa: E402
from plainfilm.learn.learner import Learner  # noqa: E402
from plainfilm.learn.model import build_network, last_layer, load_network  # noqa: E402
from plainfilm.learn.pace import Pace  # noqa: E402
from plainfilm.learn.state import State  # noqa: E402
from plainfilm.learn.train import GIVEN_UP, Training, train  # noqa: E402

BUSY = replace(
    TINY,
    epochs=3,
    mixup=0.2,
    augment_noise=0.05,
    augment_erasing=0.3,
    imbalance=("sampling", "augmentation"),
    schedule="plateau",
)


def _weights(run: Run) -> bytes:
    return (run / "weights.safetensors").read_bytes()


class _StopsAfter:
    """A Progress that sends this process SIGINT at the n-th step of training."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def task(self, label: str, total: int, unit: str = "films") -> Iterator[_StopsAfter]:
        self.is_training = label == "Training"
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.is_training:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    def expect(self, remaining: int, seconds: float) -> None:
        pass

    def say(self, line: str) -> None:
        pass


def test_a_run_holds_what_the_design_says(finished_run: Run) -> None:
    names = {entry.name for entry in finished_run.directory.iterdir()}
    assert names >= {
        "config.toml",
        "environment.json",
        "run.json",
        "preprocess.json",
        "history.jsonl",
        "weights.safetensors",
        "complete.json",
    }
    assert "checkpoint.safetensors" not in names
    assert finished_run.is_complete
    assert [epoch["epoch"] for epoch in finished_run.history()] == [1, 2]
    assert finished_run.test_readings == 0
    environment = json.loads((finished_run / "environment.json").read_text())
    assert {"command", "versions", "seed", "inputs"} <= set(environment)
    assert Run.open(finished_run.directory) == finished_run


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(manifest: Manifest, tmp_path: Path) -> None:
    runs = [train(manifest, tmp_path / str(n), replace(BUSY, epochs=1, seed=seed)) for n, seed in enumerate((3, 3, 4))]
    assert _weights(runs[0]) == _weights(runs[1]) != _weights(runs[2])


@pytest.mark.parametrize("step", [1, 3, 5, 6])
def test_ctrl_c_then_resume_ends_bit_for_bit_the_same(manifest: Manifest, tmp_path: Path, step: int) -> None:
    whole = train(manifest, tmp_path / "whole", BUSY)
    with pytest.raises(Interrupted, match="--resume"):
        train(manifest, tmp_path / "torn", BUSY, progress=_StopsAfter(step))
    assert not Run.open(tmp_path / "torn").is_complete
    resumed = train(manifest, tmp_path / "torn", BUSY, resume=True)
    assert _weights(resumed) == _weights(whole)
    timeless = [
        [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in run.history()] for run in (whole, resumed)
    ]
    assert timeless[0] == timeless[1]
    assert resumed.completion()["best_epoch"] == whole.completion()["best_epoch"]


@pytest.mark.slow
def test_kill_nine_at_any_moment_then_resume_ends_bit_for_bit_the_same(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.path is not None
    whole = train(manifest, tmp_path / "whole", BUSY)
    (tmp_path / "recipe.toml").write_text(BUSY.to_toml())
    code = (
        "import sys; import plainfilm.learn.train as t; t._CHECKPOINT_SECONDS = 0.0\n"
        "from plainfilm.core.config import TrainConfig; from plainfilm.core.manifest import Manifest\n"
        f"t.train(Manifest.open({str(manifest.path)!r}), {str(tmp_path / 'torn')!r}, "
        f"TrainConfig.from_toml({str(tmp_path / 'recipe.toml')!r}), resume=True)"
    )
    rng = np.random.default_rng(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / "torn" / "config.toml").exists():
            time.sleep(0.05)
        time.sleep(float(rng.uniform(0.1, 1.5)))
        process.kill()
        process.wait()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert _weights(Run.open(tmp_path / "torn")) == _weights(whole)
    assert not list((tmp_path / "torn").glob(".*.part"))


def test_what_a_killed_process_left_half_written_is_removed(manifest: Manifest, tmp_path: Path) -> None:
    run = train(manifest, tmp_path / "run", TINY)
    (run / "complete.json").unlink()
    (run / ".checkpoint.safetensors.1-abcdef.part").touch()
    train(manifest, tmp_path / "run", TINY, resume=True)
    assert not list(run.directory.glob(".*.part")) and Run.open(tmp_path / "run").is_complete


def test_a_finished_run_is_not_trained_again_nor_written_over(manifest: Manifest, finished_run: Run) -> None:
    before = _weights(finished_run)
    assert train(manifest, finished_run.directory, TINY, resume=True) == finished_run
    with pytest.raises(BadRun, match="finished run already"):
        train(manifest, finished_run.directory, TINY)
    assert _weights(finished_run) == before


def test_resuming_with_other_settings_or_other_films_is_refused(
    manifest: Manifest, finished_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(BadRun, match="another epochs, learning_rate"):
        train(manifest, finished_run.directory, replace(TINY, epochs=9, learning_rate=0.5), resume=True)
    other = Manifest(manifest.films.iloc[1:], manifest.classes, manifest.root).write(tmp_path / "manifest.csv")
    with pytest.raises(BadRun, match="another manifest"):
        train(other, finished_run.directory, TINY, resume=True)


def test_a_leaking_split_is_refused_unless_allowed(manifest: Manifest, tmp_path: Path) -> None:
    films = manifest.films.copy()
    films.loc[films["status"] == "ok", "group"] = "g1"
    leaking = Manifest(films, manifest.classes, manifest.root).write(tmp_path / "manifest.csv")
    with pytest.raises(BadManifest, match="--allow-leaks"):
        train(leaking, tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()
    assert train(leaking, tmp_path / "run", replace(TINY, epochs=1), allow_leaks=True).is_complete


def test_a_film_that_changed_since_prepare_is_named(manifest: Manifest, tmp_path: Path) -> None:
    films = manifest.films.copy()
    place = films.index[films["status"] == "ok"][0]
    films.loc[place, "sha256"] = "0" * 64
    changed = Manifest(films, manifest.classes, manifest.root).write(tmp_path / "manifest.csv")
    with pytest.raises(BadManifest, match="other pixels than when the manifest was made"):
        train(changed, tmp_path / "run", TINY)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"model": "resnet19"}, BadConfig, 'no network is called "resnet19"; near names: resnet'),
        ({"weights": "nowhere.safetensors"}, WeightsUnavailable, "nowhere.safetensors"),
        ({"weights": "imagenet"}, WeightsUnavailable, "network from scratch"),
        ({"split": "split_f9"}, BadManifest, 'no split column "split_f9"'),
        ({"device": "cuda"}, BadConfig, "use --device cpu"),
        ({"precision": "float16"}, BadConfig, "needs a GPU"),
    ],
)
def test_what_cannot_be_trained_says_why(
    manifest: Manifest, tmp_path: Path, settings: dict[str, str], error: type[Exception], said: str
) -> None:
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(error, match=said):
        train(manifest, tmp_path / "run", replace(TINY, **settings))  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_diverging_training_is_stopped_with_advice(manifest: Manifest, tmp_path: Path) -> None:
    wild = replace(
        TINY, model="cnn-plain", optimizer="sgd", learning_rate=100.0, clip_norm=0.0, schedule="constant", epochs=9
    )
    with pytest.raises(BadRun, match="lower --learning-rate or set --clip-norm 1"):
        train(manifest, tmp_path / "run", wild)


def test_early_stopping_and_the_wanted_score(manifest: Manifest, tmp_path: Path) -> None:
    still = replace(
        TINY, learning_rate=1e-12, averaging=0.0, schedule="constant", epochs=9, patience=2, monitor="accuracy"
    )
    stopped = train(manifest, tmp_path / "patience", still)
    assert stopped.completion()["ended_by"] == "early stopping"
    assert len(stopped.history()) < 9
    reached = train(manifest, tmp_path / "wanted", replace(still, patience=0, stop_at=0.01))
    assert len(reached.history()) == 1


def test_the_weights_kept_are_those_of_the_best_epoch(manifest: Manifest, tmp_path: Path) -> None:
    run = train(manifest, tmp_path / "run", replace(TINY, epochs=4, learning_rate=0.01))
    scores = [epoch["val_macro_auroc"] for epoch in run.history()]
    best = run.completion()["best_epoch"]
    assert scores[best - 1] == max(scores)
    assert [epoch["epoch"] for epoch in run.history() if epoch["is_best"]][-1] == best


def test_plateau_lowers_the_rate(manifest: Manifest, tmp_path: Path) -> None:
    config = replace(
        TINY,
        epochs=5,
        schedule="plateau",
        plateau_patience=1,
        plateau_factor=0.5,
        learning_rate=1e-9,
        averaging=0.0,
        monitor="accuracy",
    )
    rates = [epoch["learning_rate"] for epoch in train(manifest, tmp_path / "run", config).history()]
    assert rates[-1] < rates[0]


def test_a_frozen_backbone_stays_as_it_was_and_thaws(manifest: Manifest, finished_run: Run, tmp_path: Path) -> None:
    start = load_network(finished_run).state_dict()
    config = replace(TINY, weights=str(finished_run.directory), frozen_epochs=math.inf, averaging=0.0, epochs=1)
    run = train(manifest, tmp_path / "frozen", config)
    after = load_network(run).state_dict()
    head = {name for name in start if name.split(".")[0] == str(len(load_network(run)) - 1)}  # type: ignore[arg-type]
    assert {name for name in start if not torch.equal(after[name], start[name])} == head
    learner = Learner(run)
    rows_used = cacheable(manifest, "split")
    learner.given(cache_films(manifest, rows_used, run.preprocess, learner.device, Silence()), "split")
    learner.take_step(learner.train_places[:16], size=32, step=0, rate=0.01, is_frozen=False)
    thawed = learner.network.state_dict()
    assert not torch.equal(thawed["0.weight"], start["0.weight"])
    assert not torch.equal(thawed["1.running_mean"], start["1.running_mean"])


@pytest.mark.parametrize(("epochs", "timed", "foretell"), [(math.inf, True, 1), (1, False, 0), (0, False, 1)])
def test_minutes_are_planned_by_steps_of_the_kind_that_is_to_come(
    epochs: float, timed: bool, foretell: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, frozen_epochs=epochs, minutes=5)
    seen: list[bool] = []
    learner = Learner.__new__(Learner)
    learner.config, learner.train_places = config, np.arange(4)
    learner.network, learner.average = torch.nn.Linear(1, 1), None
    learner.optimizer = torch.optim.SGD(learner.network.parameters())
    learner.take_step = lambda *_, is_frozen, **__: (seen.append(is_frozen), (0.5, 1))[1]  # type: ignore[method-assign]
    learner.time_step(32)
    told: list[int] = []
    pace = SimpleNamespace(took_step=lambda size, seconds: told.append(size))
    training = Training.__new__(Training)
    training.config, training.learner, training.pace = config, learner, pace  # type: ignore[assignment]
    learner.sizes, training.state = [32], State(schedule.Plan(10))
    training.take_step(np.arange(4))
    assert seen == [timed, epochs > 0] and len(told) == foretell


def test_the_running_mean_of_a_frozen_network_is_that_of_its_head(finished_run: Run) -> None:
    config = replace(finished_run.config, averaging=0.9)
    network, average = (build_network(config, finished_run.classes) for _ in range(2))
    learner = Learner.__new__(Learner)
    learner.network, learner.average, learner.config = network, average, config
    before = [value.clone() for value in average.state_dict().values()]
    learner._move_average(0, is_frozen=True)
    after = list(average.state_dict().values())
    head = len(list(last_layer(average).state_dict()))
    assert all(torch.equal(one, other) for one, other in zip(before[:-head], after[:-head], strict=True))
    assert not torch.equal(before[-head], after[-head])


@pytest.mark.slow
def test_minutes_are_kept(manifest: Manifest, tmp_path: Path) -> None:
    begun = time.monotonic()
    run = train(manifest, tmp_path / "run", replace(TINY, minutes=0.6), started=begun, evaluated_films=48)
    assert run.is_complete
    assert time.monotonic() - begun < 0.6 * 60
    with pytest.raises(BadConfig, match="is too short"):
        train(manifest, tmp_path / "short", replace(TINY, minutes=0.001))


def test_who_watches_is_told_of_each_epoch_and_may_end_the_training(manifest: Manifest, tmp_path: Path) -> None:
    told: list[dict[str, object]] = []

    def watch(epoch: Mapping[str, object]) -> bool:
        told.append(dict(epoch))
        return len(told) == 2

    run = train(manifest, tmp_path / "run", replace(TINY, epochs=4), watch=watch)
    assert run.history() == told and [epoch["course"] for epoch in told] == [0.25, 0.5]
    assert run.completion()["ended_by"] == GIVEN_UP and run.completion()["epochs"] == 2
    assert load_network(run) is not None


def test_a_training_stops_at_the_time_given_and_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    config = replace(TINY, epochs=3)
    with pytest.raises(Interrupted):
        train(manifest, tmp_path / "cut", config, until=time.monotonic())
    cut = train(manifest, tmp_path / "cut", config, resume=True)
    whole = train(manifest, tmp_path / "whole", config)
    assert [{**epoch, "seconds": 0} for epoch in cut.history()] == [
        {**epoch, "seconds": 0} for epoch in whole.history()
    ]


def test_ctrl_c_while_it_ends_stops_what_would_follow_and_loses_nothing(manifest: Manifest, tmp_path: Path) -> None:
    def asks(epoch: Mapping[str, object]) -> bool:
        if epoch["epoch"] == TINY.epochs:
            os.kill(os.getpid(), signal.SIGINT)
        return False

    with pytest.raises(Interrupted, match="had just ended; go on with --resume"):
        train(manifest, tmp_path / "run", TINY, watch=asks)
    run = train(manifest, tmp_path / "run", TINY, resume=True)
    assert run.is_complete and len(run.history()) == TINY.epochs


def test_the_time_is_laid_out_again_within_an_epoch(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plainfilm.learn.train._REPLAN_SECONDS", 0.0)
    places: list[int] = []
    monkeypatch.setattr(Training, "_replan", lambda self: places.append(self.state.batch))
    train(manifest, tmp_path / "run", replace(TINY, epochs=1, batch_size=4))
    assert len(places) > 3 and places == [*range(1, len(places)), 0]


def test_what_torch_cannot_do_is_one_line_with_advice_and_takes_no_name(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said, advised in (
        (RuntimeError("Given input size: (512x1x1). Output size is too small"), "take a larger --size"),
        (
            ValueError("Expected more than 1 value per channel when training, got [1, 8]"),
            "larger --size or --batch-size",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "lower --batch-size"),
    ):
        monkeypatch.setattr(Learner, "take_step", lambda *_, said=said, **__: (_ for _ in ()).throw(said))
        with pytest.raises(BadConfig, match=advised):
            train(manifest, tmp_path / "run", TINY)
        assert not (tmp_path / "run").exists()
    monkeypatch.setattr(Learner, "take_step", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("a defect of ours")))
    with pytest.raises(RuntimeError, match="a defect of ours"):
        train(manifest, tmp_path / "run", TINY)


def test_tensorboard_when_asked(manifest: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = train(manifest, tmp_path / "run", replace(TINY, epochs=1), tensorboard=True)
    assert list((run / "tensorboard").glob("events.*"))


def test_two_processes_do_not_train_in_one_run(finished_run: Run) -> None:
    with finished_run.locked(), pytest.raises(BadRun, match="another process"), finished_run.locked():
        pass


def test_a_state_survives_the_checkpoint_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = State(schedule.Plan(10), step=4, loss_sum=0.1 + 0.2, best_score=-math.inf, history=[{"epoch": 1}])
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save_checkpoint(path, {"network": network}, optimizer, asdict(state))
    other = torch.nn.Linear(3, 2)
    other_optimizer = torch.optim.AdamW(other.parameters())
    assert State.from_facts(checkpoint.load_checkpoint(path, {"network": other}, other_optimizer)) == state
    assert torch.equal(other.weight, network.weight)
    for mine, theirs in zip(optimizer.state.values(), other_optimizer.state.values(), strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadRun, match="is damaged"):
        checkpoint.load_checkpoint(path, {"network": other}, other_optimizer)


def test_the_course_is_walked_without_a_jump_when_the_plan_changes() -> None:
    plan = schedule.Plan(100)
    later = plan.extended_to(70, 40)
    assert plan.course(40) == later.course(40) == 0.4
    assert later.course(70) == 1.0
    assert later.course(55) == pytest.approx(0.7)


@pytest.mark.parametrize("name", ["constant", "plateau", "cosine", "one-cycle"])
def test_the_learning_rate_stays_within_its_bounds(name: str) -> None:
    shares = [schedule.rate_share(course, name) for course in np.linspace(0, 1, 1001)]
    assert min(shares) > 0 and max(shares) == pytest.approx(1, abs=1e-3)
    if name in ("cosine", "one-cycle"):
        assert shares[-1] < 0.01
        assert np.abs(np.diff(shares)).max() < 0.05


def test_sizes_grow_to_the_full_one() -> None:
    config = TrainConfig(size=224)
    sizes = schedule.stage_sizes(config)
    walked = [schedule.size_at(course, sizes) for course in np.linspace(0, 1, 101)]
    assert walked == sorted(walked) and walked[0] == 112 and walked[-1] == 224
    assert schedule.stage_sizes(replace(config, progressive="none")) == [224]
    assert schedule.stage_sizes(replace(config, size=64)) == [64]


def test_batches_hold_every_film_once_and_no_film_is_alone() -> None:
    labels = np.zeros(97, dtype=np.int64)
    batches = sampling.batches_of_epoch(labels, 32, ("none",), 0, 0)
    assert sorted(np.concatenate(batches)) == list(range(97))
    assert {len(batch) for batch in batches} == {24, 25}
    assert not np.array_equal(batches[0], sampling.batches_of_epoch(labels, 32, ("none",), 0, 1)[0])


def test_an_odd_film_in_batches_of_two_makes_one_of_three() -> None:
    labels = np.zeros(9, np.int64)
    sizes = [len(batch) for batch in sampling.batches_of_epoch(labels, 2, (), 0, 0)]
    assert sorted(sizes) == [2, 2, 2, 3] and sampling.steps_an_epoch(9, 2) == 4
    assert [sampling.steps_an_epoch(films, 1) for films in (1, 9)] == [1, 9] and sampling.steps_an_epoch(1, 2) == 1


def test_unequal_classes() -> None:
    labels = np.array([0] * 900 + [1] * 100)
    drawn = labels[np.concatenate(sampling.batches_of_epoch(labels, 50, ("sampling",), 0, 0))]
    assert 0.45 < drawn.mean() < 0.55
    weight = sampling.class_weights(labels, 2, ("loss",))
    assert weight is not None and weight.tolist() == pytest.approx([1000 / 1800, 5.0])
    assert sampling.class_weights(labels, 2, ("none",)) is None
    assert sampling.augmentation_strength(labels, 2, ("augmentation",)).tolist() == [1.0, 2.0]
    assert sampling.augmentation_strength(labels, 2, ("none",)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", "vgg19", "densenet121", "efficientnet_b0", "convnext_atto", "cnn-plain", "cnn-swish"],
)
def test_networks_take_one_channel_and_give_our_classes(name: str) -> None:
    network = build_network(TrainConfig(model=name, weights="scratch", size=64), ("A", "B", "C")).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 3)
    assert any(True for _ in last_layer(network).parameters())


def test_a_vision_transformer_trains_at_its_own_size(manifest: Manifest, tmp_path: Path) -> None:
    config = replace(TINY, model="vit_tiny_patch16_224", size=96, progressive="resize", epochs=1)
    run = train(manifest, tmp_path / "run", config)
    assert {epoch["size"] for epoch in run.history()} == {96}


@pytest.mark.parametrize(("growth", "validated"), [("crop", 96), ("resize", 64)])
def test_films_grow_by_crops_or_by_resizing(manifest: Manifest, tmp_path: Path, growth: str, validated: int) -> None:
    config = replace(TINY, size=96, progressive=growth, epochs=3)
    seen: list[tuple[int, int]] = []
    learner = Learner(Run.create(tmp_path / "run", config, manifest))
    cache = cache_films(manifest, cacheable(manifest, "split"), learner.preprocess, learner.device, Silence())
    learner.given(cache, "split")
    learner.network.register_forward_pre_hook(lambda _, films: seen.append(tuple(films[0].shape[2:])))
    learner.take_step(learner.train_places[:4], size=64, step=0, rate=1e-3, is_frozen=False)
    assert seen == [(64, 64)]
    assert learner.validated_size(64) == validated
    run = train(manifest, tmp_path / "whole", config)
    assert [epoch["size"] for epoch in run.history()] == [64, 96, 96]
    assert run.history()[0]["is_best"] == (growth == "crop")


def test_manifest_rows_helper_is_sound() -> None:
    assert len(rows(["A"])) == 1


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="torch has no bfloat16 on this processor")
def test_a_cpu_trains_small_depthwise_convolutions_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_bfloat16_instructions", lambda capability: True)
    for name, expected in (
        ("tf_efficientnet_lite0", "float32"),
        ("resnet18", "bfloat16"),
        ("convnext_tiny", "bfloat16"),
    ):
        network = build_network(TrainConfig(model=name, weights="scratch"), ("a", "b"))
        assert device.fast_precision(torch.device("cpu"), network) == expected


_FAULTS = """
import resource, sys, torch
from plainfilm.learn.device import chosen_device
if sys.argv[1] == "kept":
    chosen_device("cpu")
def filled():
    for _ in range(20):
        torch.ones(16, 1024, 1024)  # 64 MiB, twice what glibc keeps by itself
filled()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
filled()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.confstr("CS_GNU_LIBC_VERSION"), reason="the C library is not glibc")
def test_memory_that_a_step_frees_is_there_for_the_next() -> None:
    kept, back = (
        int(subprocess.run([sys.executable, "-c", _FAULTS, way], capture_output=True, text=True, check=True).stdout)
        for way in ("kept", "back")
    )
    assert kept < back / 5  # pages that the kernel had to bring and wipe


def test_so_many_steps_and_no_more_whatever_the_clock_says(manifest: Manifest, tmp_path: Path) -> None:
    facts = train(manifest, tmp_path / "run", replace(TINY, minutes=5), steps=3).completion()
    assert (facts["steps"], facts["films_seen"]) == (3, 3 * TINY.batch_size)


def test_a_resumed_training_keeps_back_the_same_time_for_its_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Place(type(tmp_path)):  # type: ignore[misc]
        config = replace(TINY, minutes=5)

        def history(self) -> list[dict[str, object]]:
            return []

        def write_history(self, history: list[dict[str, object]]) -> None:
            pass

    learner = SimpleNamespace(
        time_step=lambda size: 0.01,
        time_validation=lambda size: 2.0,
        val_places=range(10),
        networks={},
        optimizer=None,
        scale_as=lambda scaling: None,
    )

    def begun() -> Training:
        pace = Pace(time.monotonic(), 300, (32,), 10, evaluated_films=100)
        return Training(Place(tmp_path), learner, pace, threading.Event(), Silence(), False)  # type: ignore[arg-type]

    first = begun()
    assert first.pace.reserve > 50
    (tmp_path / "checkpoint.safetensors").touch()
    monkeypatch.setattr("plainfilm.learn.train.load_checkpoint", lambda *_: asdict(first.state))
    assert begun().pace.reserve == first.pace.reserve
