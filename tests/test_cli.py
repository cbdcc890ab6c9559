"""The command line: one line for a mistake, exit codes, help with an example, the whole way on phantoms."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from plainfilm.cli import app
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig
from warm import command

COMMANDS = tuple(sorted(get_command(app).commands))  # type: ignore[attr-defined]
QUICK = [
    "--model",
    "cnn-swish",
    "--weights",
    "scratch",
    "--size",
    "32",
    "--batch-size",
    "16",
    "--progressive",
    "none",
    "--epochs",
    "1",
]


def _run(
    *arguments: object, code: int = 0, cwd: Path | None = None, as_shipped: bool = False
) -> subprocess.CompletedProcess[str]:
    done = command(*arguments, cwd=cwd, as_shipped=as_shipped)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def _one_line(*arguments: object) -> str:
    """The single line that a wrong call prints."""
    error = _run(*arguments, code=1).stderr
    (line,) = [line for line in error.splitlines() if line.startswith("plainfilm: ")]
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert re.search(f"Examples?: plainfilm {command}", " ".join(_run(command, "--help").stdout.split()))


def test_every_command_is_in_the_readme_and_the_tests() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    listed = _run("--help").stdout
    for name in COMMANDS:
        assert f"plainfilm {name}" in readme
        assert name in listed
    assert "not a medical device" in " ".join(listed.split()).lower()


def test_the_version_and_a_bare_call() -> None:
    assert _run("--version").stdout.startswith("plainfilm 0.")
    assert "Usage" in _run(code=2).stdout + _run(code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["nothing"], ["prepare", "x"], ["train", "x", "-o", "y", "--epochs", "many"], ["demo", "--films", "1"]],
)
def test_usage_errors_exit_with_two(arguments: list[str]) -> None:
    _run(*arguments, code=2)


@pytest.mark.slow
def test_the_way_from_films_to_answers(phantoms: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    printed = _run(
        "prepare", phantoms, "-o", data, "--metadata", phantoms / "metadata.csv", "--test", "0.25", "--val", "0.25"
    ).stdout
    assert "Viral Pneumonia" in printed and "2 films cannot be read" in printed
    trained = _run("train", data, "-o", run, *QUICK)
    assert "The test split was not read" in trained.stdout
    assert "test" not in json.loads((run / "metrics.json").read_text())["splits"]
    assert Run.open(run).test_readings == 0
    evaluated = _run("evaluate", run, as_shipped=True).stdout
    assert "read once" in evaluated and "macro AUROC" in evaluated
    assert "read 2 times" in _run("evaluate", run).stdout
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["splits"]) == {"train", "val", "test"}
    for split in metrics["splits"].values():
        assert {"value", "low", "high"} <= set(split["metrics"]["accuracy"])
    predictions = Predictions.open(run / "predictions.csv")
    manifest = Manifest.open(data)
    assert sorted(predictions.table["image_id"]) == sorted(manifest.films["image_id"])
    assert (predictions.table["status"] == "error").sum() == 2
    report = (run / "report.html").read_text()
    assert "not a medical device" in report.lower()
    _predictions_of_files(phantoms, run, tmp_path, predictions)


def _predictions_of_files(phantoms: Path, run: Path, tmp_path: Path, evaluated: Predictions) -> None:
    """The same films from files get the same probabilities as in predictions.csv; bad ones become rows."""
    folder = tmp_path / "new"
    folder.mkdir()
    film = phantoms / "COVID" / "images" / "COVID-1.png"
    shutil.copy(film, folder / "COVID-1.png")
    (folder / "empty.png").write_bytes(b"")
    done = _run("predict", folder, film, "--run", run, "--format", "json")
    answer = json.loads(done.stdout)
    assert [row["status"] for row in answer["films"]] == ["ok", "error", "ok"]
    assert answer["films"][1]["error"] and answer["films"][1]["class"] is None
    assert answer["films"][0]["probability"] == answer["films"][2]["probability"]
    logit = evaluated.where(evaluated.table["image_id"] == "COVID-1").logit[0]
    expected = {
        name: pytest.approx(float(p), abs=2e-5)
        for name, p in zip(evaluated.classes, Run.open(run).calibration().probability([logit])[0], strict=True)
    }
    assert answer["films"][0]["probability"] == expected
    _run("predict", folder, "--run", run, "--format", "csv", "-o", tmp_path / "scores.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text())))
    assert [row["status"] for row in rows] == ["ok", "error"]
    assert sum(float(rows[0][f"p_{name}"]) for name in evaluated.classes) == pytest.approx(1, abs=1e-4)
    table = _run("predict", film, "--run", run)
    assert table.stdout.splitlines()[0].split()[:2] == ["film", "class"]
    assert "Not a medical device" in table.stderr


@pytest.mark.slow
def test_folds_and_seeds_train_in_turn(phantoms: Path, tmp_path: Path) -> None:
    _run("prepare", phantoms, "-o", tmp_path / "data", "--folds", "3")
    done = _run("train", tmp_path / "data", "-o", tmp_path / "runs", *QUICK, "--splits", "all", "--seeds", "2")
    runs = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert runs == [f"split_f{fold}-seed{seed}" for fold in range(3) for seed in range(2)]
    assert "over 6 runs: mean" in done.stdout
    assert "test accuracy over 6 runs" in _run("evaluate", tmp_path / "runs").stdout


def test_a_recipe_file_and_options_on_top_of_it(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        '[network]\nmodel = "cnn-plain"\nweights = "scratch"\n[films]\nsize = 32\n[training]\nepochs = 1\n'
    )
    assert manifest.path is not None
    _run(
        "train",
        manifest.path,
        "-o",
        tmp_path / "run",
        "--recipe",
        tmp_path / "recipe.toml",
        "--size",
        "48",
        "--progressive",
        "none",
    )
    config = Run.open(tmp_path / "run").config
    assert (config.model, config.size, config.epochs) == ("cnn-plain", 48, 1)


FINISHING = """
[network]
model = "cnn-plain"
weights = "scratch"
[films]
size = 32
[training]
epochs = 2
progressive = "none"
[finish.films]
size = 48
[finish.training]
epochs = 1
"""


@pytest.mark.slow
def test_a_recipe_with_a_finish_trains_twice_and_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.path is not None
    (tmp_path / "recipe.toml").write_text(FINISHING)
    typed = ("train", manifest.path, "-o", tmp_path / "run", "--recipe", tmp_path / "recipe.toml", "--seed", "4")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "theirs.txt").touch()
    assert "run: is no empty folder" in _one_line(*typed) and not (tmp_path / "run-first").exists()
    (tmp_path / "run" / "theirs.txt").unlink()
    _run(*typed)
    first, second = Run.open(tmp_path / "run-first"), Run.open(tmp_path / "run")
    assert (first.config.weights, first.config.size, first.config.epochs, first.config.seed) == ("scratch", 32, 2, 4)
    assert (second.config.size, second.config.epochs, second.config.seed) == (48, 1, 4)
    assert Path(second.config.weights) == first.directory and not first.is_calibrated and second.is_calibrated
    assert (tmp_path / "run" / "report.html").is_file()
    card = " ".join((tmp_path / "run" / "model_card.md").read_text().split())
    assert "of another training on these training films" in card and "random, drawn with seed 4" in card
    shutil.rmtree(second.directory)
    done = _run(*typed, "--resume")
    assert "run-first is finished already" in done.stderr and Run.open(tmp_path / "run").is_complete
    assert "go on with it by --resume" in _one_line(*typed)
    assert "leave out --splits, --seeds" in _one_line(*typed, "--seeds", "2")
    study = ("-o", tmp_path / "study", "--search", "learning-rate", "--trials", "1")
    tuned = _run("tune", manifest.path, *study, "--recipe", tmp_path / "recipe.toml")
    assert "its [finish] is left out" in tuned.stderr
    assert TrainConfig.from_toml(tmp_path / "study" / "best.toml").size == 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("finish = 3", "finish is a value"),
        ('[finish.network]\nweights = "scratch"', "starts from those of the first training"),
        ("[finish.films]\nsice = 3", 'has no key "sice"'),
    ],
)
def test_a_finish_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    from plainfilm.core.config import stages_from_toml

    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(BadConfig, match=r"recipe\.toml") as raised:
        stages_from_toml(tmp_path / "recipe.toml")
    assert said in str(raised.value)


def test_the_recipe_of_the_model_inside_by_name_and_published_ones_elsewhere() -> None:
    from plainfilm.commands.typed import config_of, stages_of

    first, config = stages_of(Path("default"), {"seed": 3}, Path("runs/a"), False)
    assert first is not None
    assert (first.model, first.weights, first.seed) == ("tf_efficientnet_lite0", "imagenet", 3)
    assert (config.model, Path(config.weights), config.seed) == ("tf_efficientnet_lite0", Path("runs/a-first"), 3)
    with pytest.raises(BadConfig, match="plainfilm reproduce expand-ai MANIFEST"):
        config_of(Path("expand-ai"), {}, None)
    with pytest.raises(BadConfig, match=r"defualt: is missing"):
        config_of(Path("defualt"), {}, None)


@pytest.mark.slow
def test_resuming_on_the_command_line(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.path is not None
    said = _one_line("train", manifest.path, "-o", tmp_path / "run", *QUICK, "--resume")
    assert "no run to go on with" in said and not (tmp_path / "run").exists()
    _run("train", manifest.path, "-o", tmp_path / "run", *QUICK)
    assert "finished already" in _run("train", manifest.path, "-o", tmp_path / "run", "--resume").stderr
    assert "go on with it by --resume" in _one_line("train", manifest.path, "-o", tmp_path / "run", *QUICK)


def test_mistakes_are_one_line_each(manifest: Manifest, finished_run: Run, tmp_path: Path) -> None:
    data = manifest.path
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, said in (
        (["prepare", tmp_path / "nowhere", "-o", tmp_path / "o"], "nowhere: is missing"),
        (["prepare", empty, "-o", tmp_path / "o"], "holds no films"),
        (
            ["prepare", manifest.root, "-o", tmp_path / "o", "--test", "0.9", "--val", "0.2"],
            "leave nothing to train on",
        ),
        (["prepare", manifest.root, "-o", tmp_path / "o", "--test", "40"], "leaves none for train"),
        (["train", tmp_path / "nowhere", "-o", tmp_path / "r"], "plainfilm prepare"),
        (["train", data, "-o", tmp_path / "r", "--model", "resnet19"], "near names: resnet"),
        (["train", data, "-o", tmp_path / "r", "--weights", "gone.pth"], "gone.pth"),
        (["train", data, "-o", tmp_path / "r", "--recipe", tmp_path / "gone.toml"], "gone.toml: is missing"),
        (["train", data, "-o", tmp_path / "r", "--dropout", "2"], "dropout is 2.0, expected 0 to 0.95"),
        (["train", data, "-o", tmp_path / "r", "--optimizer", "lion"], "expected one of adam, adamw, sgd"),
        (["train", data, "-o", empty / "a" / "b", "--splits", "split_f1", *QUICK], 'no split column "split_f1"'),
        (["evaluate", tmp_path], "is no run"),
        (["evaluate", tmp_path / "nowhere"], "is missing"),
        (["predict", tmp_path / "nowhere.png", "--run", finished_run.directory], "nowhere.png: is missing"),
        (["predict", empty, "--run", finished_run.directory], "holds no film"),
        (["predict", data, "--run", empty], "is no run"),
    ):
        assert said in _one_line(*arguments), arguments
    assert not (tmp_path / "o").exists() and not (tmp_path / "r").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(phantoms: Path, tmp_path: Path) -> None:
    """A file-size limit of the process stands in for the disk: the system refuses the write in the same place."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); sys.argv = ['plainfilm', *sys.argv[1:]]; "
        "from plainfilm.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "prepare", str(phantoms), "-o", str(tmp_path / "data")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.slow
def test_a_demo_of_a_few_films(tmp_path: Path) -> None:
    done = _run("demo", "--films", "12", "-o", tmp_path / "demo", as_shipped=True)
    assert "report:" in done.stdout
    assert (tmp_path / "demo" / "run" / "report.html").is_file()
    assert "no empty folder" in _one_line("demo", "--films", "12", "-o", tmp_path / "demo")


def test_a_class_whose_name_holds_a_comma_can_be_mapped() -> None:
    from plainfilm.commands.typed import pairs

    assert pairs(["Pneumonia, viral=Viral Pneumonia"], "--map") == {"Pneumonia, viral": "Viral Pneumonia"}
    assert pairs(["A=B,C=D", "E=F"], "--map") == {"A": "B", "C": "D", "E": "F"}
    with pytest.raises(Exception, match="expected NAME=NAME"):
        pairs(["A=B,C=D,E"], "--map")


def test_minutes_for_a_recipe_that_trains_twice_are_refused_at_once(tmp_path: Path) -> None:
    said = _one_line("train", tmp_path, "-o", tmp_path / "run", "--recipe", "default", "--minutes", "20")
    assert "trains twice" in said and "--epochs" in said and list(tmp_path.iterdir()) == []
