"""What somebody will type, upload or break: each is one line that says what is wrong and what to do, and harms nothing else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from conftest import TINY, write_png
from plainfilm.core.config import TYPED, TrainConfig
from plainfilm.core.files import file_sha256, provenance, write_text
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.run import Run, first_place
from plainfilm.core.tables import read_table
from plainfilm.core.words import printable, writable_name
from plainfilm.errors import BadConfig, BadImage, BadManifest, BadRun, BadSource, CannotWrite, WeightsUnavailable
from plainfilm.jobs import films_of, run_demo, train_runs
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.split import SplitPlan
from warm import command


def _classes(folder: Path, films: int = 12) -> Path:
    for place in range(films):
        for label in ("A", "B"):
            write_png(folder / label / f"{place}.png", seed=place * 2 + (label == "A"), size=40)
    return folder


def _prepared(source: Path, tmp_path: Path, **options: object) -> Manifest:
    return prepare(source, tmp_path / "data", PrepareOptions(twins=False, **options))  # type: ignore[arg-type]


def test_a_link_to_a_folder_above_is_walked_once(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    (films / "A" / "loop").symlink_to(films / "A")
    assert len(_prepared(films, tmp_path).films) == 24


def test_a_link_to_nothing_and_a_name_that_is_no_utf8_are_rows_with_a_reason(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    (films / "A" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    shutil.copyfile(films / "A" / "0.png", os.fsencode(films / "A") + b"/bad\xff.png")
    table = _prepared(films, tmp_path).films.set_index("path")
    assert "link to a file that is not there" in table.at["A/gone.png", "error"]
    assert "not UTF-8" in table.at["A/bad\\xff.png", "error"]
    assert (table["status"] == "ok").sum() == 24
    assert {path.name for path in films_of(films)} >= {"gone.png", os.fsdecode(b"bad\xff.png")}
    assert writable_name("plain.png") == "plain.png"


def test_a_circle_of_links_is_a_row_whether_found_in_a_folder_or_named_by_a_table(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    (films / "A" / "loop.png").symlink_to("loop.png")
    names = sorted(path.relative_to(films).as_posix() for path in films.rglob("*.png"))
    pd.DataFrame({"path": names, "label": [name[0] for name in names]}).to_csv(films / "films.csv", index=False)
    for place, (source, options) in enumerate(
        ((films, {}), (films / "films.csv", {}), (films, {"metadata": films / "films.csv"}))
    ):
        table = _prepared(source, tmp_path / str(place), **options).films
        failed = table[table["status"] == "error"]
        assert len(table) == 25 and failed["error"].tolist()[0].startswith("is a link that leads in a circle")
    with pytest.raises(BadSource, match="is missing"):
        _prepared(films / "A" / "loop.png", tmp_path / "none")


@pytest.mark.parametrize("folder", [".", "", ".."])
def test_the_first_of_two_trainings_lies_beside_a_folder_however_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "run" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run" / ("inner" if folder == ".." else "."))
    assert first_place(Path(folder)) == tmp_path / "run-first"
    assert first_place(Path("run")) == Path("run-first") and first_place(Path("/")) == Path("/-first")


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (15, 200)])
def test_a_picture_without_room_for_a_chest_is_no_film(tmp_path: Path, shape: tuple[int, int]) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros(shape, np.uint8))
    with pytest.raises(BadImage, match="too small for a film"):
        read_film(tmp_path / "small.png")


def test_twelve_bits_in_a_sixteen_bit_file_are_told(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 4096, (40, 40)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), grey)
    assert "quarter of the range" in read_film(tmp_path / "deep.png").info.notes[0]
    cv2.imwrite(str(tmp_path / "full.png"), grey * 16)
    assert read_film(tmp_path / "full.png").info.notes == ()


def test_classes_that_cannot_be_spread_over_the_splits_are_refused(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    names = sorted(path.relative_to(films).as_posix() for path in films.rglob("*.png"))
    table = pd.DataFrame({"path": names, "patient_id": ["one" if name[0] == "A" else name for name in names]})
    table.to_csv(tmp_path / "who.csv", index=False)
    with pytest.raises(BadConfig, match=r"class A is missing from .*12 films are 1 group .*never parted"):
        _prepared(films, tmp_path, metadata=tmp_path / "who.csv")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": ("A", "A", "B")}, "A stands there twice"),
        ({"plan": lambda: SplitPlan(train=0.9)}, "--train 0.9: together more than all films"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, object], said: str) -> None:
    films = _classes(tmp_path / "films")
    with pytest.raises(BadConfig, match=said):
        made = {name: value() if callable(value) else value for name, value in options.items()}
        _prepared(films, tmp_path, **made)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,label,age\nA/0.png,A,x\n", 'row 2: age is "x"'),
        ("path,label\nA/0.png,A\x1b[31m\n", "row 2: the label .* cannot be printed"),
        ("path,label\nA/0.png,A,too,many\nB/0.png,B\n", "more cells than"),
        ("path,label\nA\\0.png,A\nB\\0.png,B\n", "backslashes"),
        ("path,label\nA/gone.png,A\nB/gone.png,B\n", "A/gone.png does not exist"),
    ],
)
def test_wrong_tables_are_named_with_the_row(tmp_path: Path, content: str, said: str) -> None:
    films = _classes(tmp_path / "films")
    (films / "table.csv").write_text(content)
    with pytest.raises(BadSource, match=said):
        _prepared(films / "table.csv", tmp_path)


def test_a_table_with_too_many_cells_warns_nobody(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(BadManifest, match=r"t.csv: has rows of more cells"):
        read_table(tmp_path / "t.csv")


def test_a_spreadsheet_or_a_zip_without_films_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    shutil.copyfile(tmp_path / "notes.zip", tmp_path / "sheet.xlsx")
    with pytest.raises(BadSource, match=r"holds no films .it has readme.txt"):
        _prepared(tmp_path / "notes.zip", tmp_path)
    with pytest.raises(BadSource, match="is a spreadsheet: save it as CSV"):
        _prepared(tmp_path / "sheet.xlsx", tmp_path)
    assert not (tmp_path / "data").exists()


def test_a_manifest_without_labels_is_not_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for place in range(4):
        write_png(tmp_path / "films" / f"{place}.png", seed=place, size=40)
    manifest = _prepared(tmp_path / "films", tmp_path)
    with pytest.raises(BadManifest, match="no film with a label"):
        train_runs(manifest, tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()


def test_a_manifest_that_was_edited_says_so(manifest: Manifest, tmp_path: Path) -> None:
    written = manifest.write(tmp_path / "manifest.csv")
    assert written.path is not None and not Manifest.open(written.path).is_changed
    lines = written.path.read_text().splitlines(keepends=True)
    written.path.write_text("".join(lines[:-1]))
    assert Manifest.open(written.path).is_changed


@pytest.mark.slow
def test_a_full_disk_during_training_is_one_line(manifest: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert manifest.path is not None
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); import torch, timm; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); sys.argv = ['plainfilm', *sys.argv[1:]]; "
        "from plainfilm.__main__ import main; main()"
    )
    settings = [
        "--model",
        "cnn-swish",
        "--weights",
        "scratch",
        "--size",
        "32",
        "--epochs",
        "1",
        "--progressive",
        "none",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, "train", str(manifest.path), "-o", str(tmp_path / "run"), *settings],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("plainfilm: ") and "cannot be written" in done.stderr


def test_runs_that_were_tampered_with(finished_run: Run, tmp_path: Path) -> None:
    from plainfilm.learn.model import load_network

    run = Run.open(shutil.copytree(finished_run.directory, tmp_path / "run"))
    weights = run / "weights.safetensors"
    assert stat.S_IMODE(weights.stat().st_mode) == stat.S_IMODE((run / "config.toml").stat().st_mode)
    assert run.completion()["weights_sha256"] == file_sha256(weights)
    load_network(run)
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BadRun, match="sha256 differs"):
        load_network(run)
    config = run / "config.toml"
    config.write_text(config.read_text().replace("cnn-swish", "nopenet"))
    with pytest.raises(BadRun, match=r'config.toml: no network is called "nopenet"'):
        load_network(Run.open(run.directory))


def test_going_on_with_nothing_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(BadRun, match="no run to go on with"):
        train_runs(manifest, tmp_path / "typo", TINY, resume=True)


def test_weights_that_are_none_do_not_advise_to_run_code(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from plainfilm.learn.model import build_network

    (tmp_path / "films.csv").write_text("path,label\n")
    with pytest.raises(WeightsUnavailable) as raised:
        build_network(TrainConfig(model="resnet18", weights=str(tmp_path / "films.csv"), size=32), ("A", "B"))
    assert "no weights file" in str(raised.value) and "weights_only" not in str(raised.value)


def test_a_demo_that_was_stopped_leaves_its_folder_free(tmp_path: Path) -> None:
    pytest.importorskip("torch")

    class Stops:
        def task(self, *_: object) -> object:
            raise KeyboardInterrupt

        def say(self, line: str) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "demo", films_per_class=10, progress=Stops())  # type: ignore[arg-type]
    assert list((tmp_path / "demo").iterdir()) == []


def test_messages_name_what_was_typed_and_a_remedy_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfig, match=r"^--learning-rate is nan, expected"):
        TrainConfig().with_changes({"learning_rate": float("nan")}, TYPED)
    with pytest.raises(BadConfig, match=r"^--stop-at is nan, expected a number$"):
        TrainConfig().with_changes({"stop_at": float("nan")}, TYPED)
    with pytest.raises(CannotWrite, match="Make its folder first"):
        write_text(tmp_path / "gone" / "x.csv", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotWrite, match="Name a file in it"):
        write_text(tmp_path / "folder", "")
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    monkeypatch.setattr(sys, "argv", ["/somewhere/plainfilm/__main__.py", "train", "my data"])
    assert provenance()["command"] == "plainfilm train 'my data'"


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_only_and_ctrl_c(tmp_path: Path, finished_run: Run) -> None:
    write_png(tmp_path / "ünï 肺.png", size=40)
    done = subprocess.run(
        [sys.executable, "-m", "plainfilm", "predict", str(tmp_path), "--run", str(finished_run.directory)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and "\\xfcn" in done.stdout, done.stderr


def test_no_readable_film_is_exit_1(tmp_path: Path, finished_run: Run) -> None:
    (tmp_path / "empty.png").touch()
    done = command("predict", tmp_path / "empty.png", "--run", finished_run.directory)
    assert done.returncode == 1 and "empty" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "typed",
    [
        ["prepare", "films", "-o", ""],
        ["predict", ""],
        ["train", "data", "-o", "runs/a", "--weights", ""],
        ["prepare", "films", "--output="],
    ],
)
def test_a_variable_of_the_shell_that_was_never_set(typed: list[str], tmp_path: Path) -> None:
    done = command(*typed, cwd=tmp_path)
    assert done.returncode == 2
    before = typed[-1] or typed[-2]
    assert done.stderr == f"plainfilm: what follows {before} is empty, as a shell's variable is that was never set\n"
    assert not any(tmp_path.iterdir())
