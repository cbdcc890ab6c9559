"""plainfilm check: planted leaks are named, clean splits are not accused, odd films are shown, and --fix mends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from conftest import write_png
from plainfilm.cli import app
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.errors import BadConfig, BadManifest, BadSource
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.inspection import inspect, mend
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.split import SplitPlan
from warm import command


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 phantoms, nothing planted."""
    return make_phantoms(tmp_path_factory.mktemp("drawn") / "set", 20, seed=5)


@pytest.fixture
def split_folder(drawn: Path, tmp_path: Path) -> Path:
    """train, val and test folders by class: films 1 to 12, 13 to 16, 17 to 20 of each."""
    root = tmp_path / "theirs"
    for name in ("COVID", "Normal"):
        for place, film in enumerate(sorted((drawn / name / "images").glob("*.png"))):
            folder = root / ("train" if place < 12 else "val" if place < 16 else "test") / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(film, folder / film.name)
    return root


def _film(root: Path, split: str, label: str, place: int = 0) -> Path:
    return sorted((root / split / label).glob("*.png"))[place]


def _titles(root: Path, **options: object) -> dict[str, str]:
    return {finding.title: finding.level for finding in inspect(root, **options).findings}  # type: ignore[arg-type]


def test_a_sound_split_is_not_accused(split_folder: Path) -> None:
    inspection = inspect(split_folder)
    assert not inspection.is_leaking and inspection.verdict.startswith("no leak was found")


LEAKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Identical pictures on two sides": lambda film: film,
    "Near twins on two sides": lambda film: cv2.resize(film[8:, :-9], (256, 240)),
}


@pytest.mark.parametrize("title", LEAKS)
def test_one_leaked_film_is_named(split_folder: Path, title: str) -> None:
    film = _film(split_folder, "train", "COVID", 3)
    copy = split_folder / "test" / "COVID" / "zz-copy.png"
    cv2.imwrite(str(copy), LEAKS[title](cv2.imread(str(film), cv2.IMREAD_GRAYSCALE)))
    inspection = inspect(split_folder)
    assert inspection.is_leaking and inspection.verdict.startswith("LEAKS: 1 ")
    (leak,) = (finding for finding in inspection.findings if finding.kind == "leak")
    assert leak.title == title
    names = {inspection.survey.films["image_id"].iloc[row] for row in leak.rows[0]}
    assert names == {film.stem, "zz-copy"}


def test_one_picture_under_two_labels(split_folder: Path) -> None:
    film = cv2.imread(str(_film(split_folder, "train", "COVID")), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(split_folder / "train" / "Normal" / "zz.png"), np.ascontiguousarray(film[:, ::-1]))
    inspection = inspect(split_folder)
    assert not inspection.is_leaking
    (finding,) = (finding for finding in inspection.findings if finding.kind == "label")
    assert "mirrored" in finding.reasons[0]


def test_odd_films_are_shown_each_under_its_name(split_folder: Path) -> None:
    train = split_folder / "train" / "Normal"
    film = cv2.imread(str(_film(split_folder, "train", "Normal")), cv2.IMREAD_GRAYSCALE)
    fresh = cv2.imread(str(_film(split_folder, "train", "Normal", 5)), cv2.IMREAD_GRAYSCALE)
    rng = np.random.default_rng(0)
    pictures = {
        "blank.png": np.full((200, 200), 30, np.uint8),
        "inverted.png": 255 - cv2.imread(str(_film(split_folder, "train", "Normal", 7)), cv2.IMREAD_GRAYSCALE),
        "turned.png": cv2.imread(str(_film(split_folder, "train", "Normal", 8)), cv2.IMREAD_GRAYSCALE)[::-1, ::-1],
        "small.png": cv2.resize(film, (60, 60)),
        "long.png": np.hstack([film, fresh]),
        "framed.png": cv2.copyMakeBorder(fresh, 0, 0, len(fresh) // 3, len(fresh) // 3, cv2.BORDER_CONSTANT, value=0),
        "noise.png": rng.integers(0, 255, (200, 200)).astype(np.uint8),
        "colour.png": cv2.applyColorMap(film, cv2.COLORMAP_JET),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(train / name), picture)
    (train / "damaged.png").write_bytes((train / "small.png").read_bytes()[:200])
    inspection = inspect(split_folder)
    named: dict[str, set[str]] = {}
    for finding in inspection.findings:
        for rows in finding.rows:
            named.setdefault(finding.title, set()).update(inspection.survey.films["image_id"].iloc[list(rows)])
    assert named["Blank"] == {"blank"}
    assert named["Damaged"] == {"damaged"}
    assert named["Inverted?"] == {"inverted"}
    assert named["Turned or cropped?"] == {"turned"}
    assert named["Very small"] == {"small"}
    assert named["Oddly shaped"] == {"long"}
    assert "framed" in named["Framed"]
    assert "noise" in named["No chest film?"]
    assert named["In colour"] == {"colour"}


def test_a_class_that_the_test_lacks(split_folder: Path) -> None:
    shutil.rmtree(split_folder / "test" / "Normal")
    assert "A class missing from test" in _titles(split_folder)


def test_any_column_of_a_table_may_be_the_split(split_folder: Path, tmp_path: Path) -> None:
    films = sorted(split_folder.rglob("*.png"))
    table = pd.DataFrame({"file": [str(film) for film in films], "finding": [film.parent.name for film in films]})
    table["fold"] = [f"fold {place % 3}" for place in range(len(films))]
    table["person"] = [f"p{place // 3}" for place in range(len(films))]
    table.to_csv(tmp_path / "theirs.csv", index=False)
    columns = {"path": "file", "label": "finding"}
    assert not inspect(tmp_path / "theirs.csv", split_by="fold", options=PrepareOptions(columns=columns)).is_leaking
    with_patients = PrepareOptions(columns={**columns, "patient_id": "person"})
    inspection = inspect(tmp_path / "theirs.csv", split_by="fold", options=with_patients)
    assert [finding.title for finding in inspection.findings if finding.kind == "leak"] == ["Patients on two sides"]
    with pytest.raises(BadSource, match="folds"):
        inspect(tmp_path / "theirs.csv", split_by="folds", options=PrepareOptions(columns=columns))


@pytest.mark.slow
def test_a_manifest_is_looked_at_again(drawn: Path, tmp_path: Path) -> None:
    copied = tmp_path / "set"
    shutil.copytree(drawn, copied)
    manifest = prepare(copied, tmp_path / "data", PrepareOptions(plan=SplitPlan(test=0.25, val=0.25)))
    assert not inspect(tmp_path / "data").is_leaking
    train, test = (manifest.split(name)["path"].iloc[0] for name in ("train", "test"))
    shutil.copyfile(copied / train, copied / test)
    inspection = inspect(tmp_path / "data")
    assert any("other pixels" in reason for finding in inspection.findings for reason in finding.reasons)
    with pytest.raises(BadManifest, match='no column "fold"'):
        inspect(tmp_path / "data", split_by="fold")


def test_fix_writes_a_sound_manifest(split_folder: Path, tmp_path: Path) -> None:
    for place in range(3):
        film = _film(split_folder, "train", "COVID", place)
        shutil.copyfile(film, split_folder / "test" / "COVID" / f"copy-{place}.png")
    inspection = inspect(split_folder)
    assert inspection.is_leaking
    mended = mend(inspection, tmp_path / "sound", 0, PrepareOptions(), Silence())
    assert not inspect(tmp_path / "sound").is_leaking
    assert mended.check() == [] and len(mended.films) == len(inspection.survey.films)


@pytest.mark.slow
def test_fix_on_a_manifest_keeps_its_films_and_mends_the_split(drawn: Path, tmp_path: Path) -> None:
    manifest = prepare(drawn, tmp_path / "data", PrepareOptions(twins=False))
    films = manifest.films.copy()
    films["split"] = ["test" if row % 5 == 0 else "val" if row % 5 == 1 else "train" for row in range(len(films))]
    films.loc[1, "patient_id"] = films.loc[0, "patient_id"] = "p-torn"
    Manifest(films, manifest.classes, manifest.root).write(tmp_path / "torn" / "manifest.csv")
    inspection = inspect(tmp_path / "torn")
    assert inspection.is_leaking
    mended = mend(inspection, tmp_path / "sound", 0, PrepareOptions(), Silence())
    assert list(mended.films["image_id"]) == list(films["image_id"]) and not inspect(tmp_path / "sound").is_leaking


def test_the_command_exits_1_on_a_leak_and_writes_page_and_tables(split_folder: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    report = tmp_path / "report"
    assert run(app, ["check", str(split_folder), "-o", str(report)]).exit_code == 0
    shutil.copyfile(_film(split_folder, "train", "COVID"), split_folder / "test" / "COVID" / "zz<b>.png")
    result = run(app, ["check", str(split_folder), "-o", str(report)])
    assert result.exit_code == 1 and "LEAK: Identical pictures on two sides" in result.output
    page = (report / "check.html").read_text(encoding="utf-8")
    assert "This split leaks" in page and "zz&lt;b&gt;" in page and "zz<b>" not in page
    table = pd.read_csv(report / "check.csv")
    assert set(table.loc[table["kind"] == "leak", "image_id"]) == {_film(split_folder, "train", "COVID").stem, "zz<b>"}
    assert len(pd.read_csv(report / "twins.csv")) == 1
    fixed = run(app, ["check", str(split_folder), "-o", str(tmp_path / "sound"), "--fix"])
    assert fixed.exit_code == 0, fixed.output
    assert run(app, ["check", str(tmp_path / "sound"), "-o", str(report)]).exit_code == 0


def test_films_without_any_split_are_checked_too(drawn: Path) -> None:
    inspection = inspect(drawn / "COVID" / "images")
    assert inspection.side is None and inspection.verdict.startswith("no split to check")


def test_split_by_needs_a_table(split_folder: Path) -> None:
    with pytest.raises(BadConfig, match="--metadata"):
        inspect(split_folder, split_by="fold")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_clean_split_of_phantoms_is_never_accused(tmp_path: Path, seed: int) -> None:
    """benchmarks/clean_splits.py does the same for 50 seeds."""
    options = PhantomOptions(films_per_patient=1.3, sources=2)
    make_phantoms(tmp_path / "set", 12, seed=100 + seed, options=options)
    prepare(
        tmp_path / "set", tmp_path / "data", PrepareOptions(metadata=tmp_path / "set" / "metadata.csv", twins=False)
    )
    assert not inspect(tmp_path / "data").is_leaking


def test_sides_of_any_name_are_looked_at_and_prepare_asks(drawn: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    for place, path in enumerate(sorted(drawn.glob("*/images/*.png"))):
        target = theirs / ("part A", "part B")[place % 2] / path.parts[-3] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    film = next((theirs / "part A").rglob("*.png"))
    shutil.copyfile(film, theirs / "part B" / film.parent.name / "again.png")
    assert inspect(theirs).is_leaking
    with pytest.raises(BadSource, match=r"part A, part B.* each hold the same classes .*--resplit"):
        prepare(theirs, tmp_path / "data")


def test_where_nothing_can_be_read_nothing_is_passed(drawn: Path, tmp_path: Path) -> None:
    prepare(drawn, tmp_path / "moved", PrepareOptions(twins=False))
    moved = tmp_path / "moved"
    about = json.loads((moved / "dataset.json").read_text())
    (moved / "dataset.json").write_text(json.dumps({**about, "root": str(tmp_path / "nowhere")}))
    with pytest.raises(BadSource, match="nothing can be checked"):
        inspect(moved)


def test_one_side_alone_is_no_split(split_folder: Path, tmp_path: Path) -> None:
    films = sorted(path.relative_to(split_folder).as_posix() for path in split_folder.rglob("*.png"))
    table = pd.DataFrame({"path": films, "label": [Path(film).parts[1] for film in films], "part": "train"})
    table.to_csv(split_folder / "t.csv", index=False)
    inspection = inspect(split_folder / "t.csv", split_by="part")
    assert inspection.verdict.startswith("no split to check: all films are in train")


def test_deep_films_that_use_a_few_of_their_bits_are_no_blanks_and_have_twins(split_folder: Path) -> None:
    film = cv2.imread(str(_film(split_folder, "train", "Normal")), cv2.IMREAD_GRAYSCALE)
    assert film is not None
    for bits in (10, 12, 14):
        deep = (film.astype(np.uint16) << (bits - 8)) + 1
        cv2.imwrite(str(split_folder / "test" / "Normal" / f"deep-{bits}.png"), deep)
    inspection = inspect(split_folder)
    named = {finding.title for finding in inspection.findings}
    films = inspection.survey.films["image_id"]
    twins = {films[row] for twin in inspection.survey.twins for row in twin[:2]}
    assert {"deep-10", "deep-12", "deep-14"} <= twins and "Blank" not in named
    assert "Odd file" in named and inspection.is_leaking


def test_check_writes_over_no_manifest_and_not_into_what_it_checks(
    drawn: Path, split_folder: Path, tmp_path: Path
) -> None:
    prepare(drawn, tmp_path / "data", PrepareOptions(twins=False))
    before = (tmp_path / "data" / "manifest.csv").read_bytes()
    for target, directory, said in (
        (split_folder, tmp_path / "data", "holds manifest.csv already"),
        (split_folder, split_folder, "is what is checked"),
    ):
        done = command("check", target, "-o", directory, "--fix")
        assert done.returncode == 1 and said in done.stderr, done.stderr
    assert (tmp_path / "data" / "manifest.csv").read_bytes() == before
    assert not (tmp_path / "data" / "twins.csv").exists()


def test_a_side_of_which_nothing_can_be_read_lacks_every_class(split_folder: Path) -> None:
    for film in (split_folder / "test").rglob("*.png"):
        film.write_bytes(b"")
    assert "A class missing from test" in _titles(split_folder)


def test_a_split_of_other_words_is_passed_over_where_another_column_is_the_split(tmp_path: Path) -> None:
    films = [write_png(tmp_path / "films" / "AB"[place % 2] / f"{place}.png", seed=place) for place in range(24)]
    table = pd.DataFrame({"path": [str(film) for film in films], "label": [film.parent.name for film in films]})
    table["fold"] = [str(place % 5 // 2) for place in range(len(films))]
    table["split"] = ["ours" if place % 3 else "theirs" for place in range(len(films))]
    table.to_csv(tmp_path / "theirs.csv", index=False)
    inspection = inspect(tmp_path / "theirs.csv", split_by="fold")
    assert inspection.side is not None and set(inspection.side) == {"0", "1", "2"}
    inspection = inspect(tmp_path / "theirs.csv", split_by="split")
    assert inspection.side is not None and set(inspection.side) == {"ours", "theirs"}
    assert mend(inspection, tmp_path / "sound", 0, PrepareOptions(), Silence()).check() == []
    options = PrepareOptions(resplit=True, twins=False)
    assert prepare(tmp_path / "theirs.csv", tmp_path / "new", options).check() == []
    options = PrepareOptions(resplit=True, twins=False, metadata=tmp_path / "theirs.csv")
    assert prepare(tmp_path / "films", tmp_path / "joined", options).check() == []


def test_a_split_below_the_classes_is_looked_at_as_the_split(tmp_path: Path) -> None:
    for place, label in enumerate(("COVID", "Normal")):
        for part in ("train", "test"):
            for film in range(2):
                write_png(
                    tmp_path / "set" / label / part / f"{part}{film}.png",
                    seed=10 * place + film * (part == "train") + film,
                )
    inspection = inspect(tmp_path / "set")
    assert inspection.is_leaking and set(inspection.survey.films["label"]) == {"COVID", "Normal"}
    assert inspection.side is not None and set(inspection.side) == {"train", "test"}


def test_no_cell_of_the_tables_runs_as_a_formula(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for label in ("=A", "B"):
            write_png(tmp_path / "set" / part / label / f"={part}{label}.png", seed=label == "B")
    inspect(tmp_path / "set").write(tmp_path / "out")
    for name in ("check.csv", "twins.csv"):
        table = pd.read_csv(tmp_path / "out" / name, dtype=str, keep_default_na=False)
        assert len(table) and not table.map(lambda cell: cell.startswith("=")).any(axis=None), name
        assert (table["image_id"].str.startswith("'=") & table["label"].isin(["'=A", "B"])).all()
