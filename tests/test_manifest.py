"""The manifest: round trip, contract, leaks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from conftest import rows
from plainfilm.core.manifest import COLUMNS, Manifest
from plainfilm.core.tables import read_table
from plainfilm.errors import BadManifest, CannotWrite

LABELS = ["A", "B"] * 6
SPLITS = ["train", "train", "val", "val", "test", "test"] * 2


def _manifest(tmp_path: Path, **columns: object) -> Manifest:
    return Manifest(rows(LABELS, **{"split": SPLITS, **columns}), ("A", "B"), tmp_path)


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_what_is_written_reads_back_the_same(tmp_path: Path, name: str) -> None:
    before = _manifest(tmp_path, age=[30.5, None] * 6, width=[256] * 12, source=["", 'a, "b"'] * 6).write(
        tmp_path / name
    )
    after = Manifest.open(tmp_path / name)
    pd.testing.assert_frame_equal(before.films, after.films, check_dtype=False)
    assert (after.classes, after.root, after.fingerprint) == (before.classes, tmp_path, before.fingerprint)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".part")] == []


def test_a_folder_is_opened_by_the_manifest_in_it(tmp_path: Path) -> None:
    written = _manifest(tmp_path).write(tmp_path / "manifest.csv")
    assert Manifest.open(tmp_path).fingerprint == written.fingerprint


def test_a_dataset_that_is_moved_whole_is_found_again(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    Manifest(rows(LABELS, split=SPLITS), ("A", "B"), old / "films").write(old / "manifest.csv")
    old.rename(new)
    assert Manifest.open(new).root == new / "films"


def test_the_fingerprint_follows_labels_splits_and_pixels_and_not_the_place(tmp_path: Path) -> None:
    one = _manifest(tmp_path)
    assert one.fingerprint == _manifest(tmp_path / "elsewhere").fingerprint
    assert one.fingerprint == Manifest(one.films.iloc[::-1], one.classes, tmp_path).fingerprint
    for changed in ({"split": SPLITS[::-1]}, {"group": ["g"] * 12}, {"sha256": ["f" * 64] * 12}):
        assert one.fingerprint != _manifest(tmp_path, **changed).fingerprint
    assert one.fingerprint != Manifest(one.films, ("B", "A"), tmp_path).fingerprint


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"image_id": ["same"] * 12}, "repeat an image_id: same"),
        ({"label": ["A", "C"] * 6}, "have a label that is none of A, B: film-1, film-3"),
        ({"split": ["training"] * 12}, "have a split other than train, val, test"),
        ({"status": ["fine"] * 12}, "have a status other than ok or error"),
        ({"status": ["error"] * 12}, "have status error and no reason"),
        ({"sha256": [""] * 12}, "are ok and have no sha256 or no group"),
        ({"path": ["../x.png"] * 12}, "leads outside the root"),
        ({"path": ["/x.png"] * 12}, "leads outside the root"),
    ],
)
def test_a_breach_names_the_rows_and_all_breaches_come_at_once(
    tmp_path: Path, columns: dict[str, object], said: str
) -> None:
    broken = {**columns, "split": columns.get("split", ["nowhere"] * 12)}
    _manifest(tmp_path, **broken).write(tmp_path / "manifest.csv")
    with pytest.raises(BadManifest) as raised:
        Manifest.open(tmp_path)
    assert said in str(raised.value)
    assert "have a split other than" in str(raised.value)
    assert str(tmp_path / "manifest.csv") in str(raised.value)


def test_missing_columns_numbers_that_are_none_and_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with pytest.raises(BadManifest, match="plainfilm prepare"):
        Manifest.open(path)
    written = _manifest(tmp_path).write(path)
    written.films.drop(columns=["group", "sha256"]).to_csv(path, index=False)
    with pytest.raises(BadManifest, match="no column group, sha256"):
        Manifest.open(path)
    written.films.astype(object).assign(age="old").to_csv(path, index=False)
    with pytest.raises(BadManifest, match='row 2: age is "old", expected a number'):
        Manifest.open(path)
    path.write_bytes(b"")
    with pytest.raises(BadManifest, match="cannot be read as a CSV"):
        Manifest.open(path)
    path.write_bytes(b"\xff\xfe\x00\x01" * 50)
    with pytest.raises(BadManifest, match="cannot be read as a CSV"):
        Manifest.open(path)


def test_a_foreign_format_version_is_refused(tmp_path: Path) -> None:
    _manifest(tmp_path).write(tmp_path / "manifest.csv")
    described = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**described, "format_version": 99}))
    with pytest.raises(BadManifest, match="format version 99; this plainfilm reads 1"):
        Manifest.open(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(BadManifest, match="cannot be read as JSON"):
        Manifest.open(tmp_path)


@pytest.mark.parametrize("key", ["group", "patient_id", "sha256"])
def test_a_leak_is_named_whatever_it_comes_by(tmp_path: Path, key: str) -> None:
    values = ["one", *(f"x{place}" for place in range(10)), "one"]
    problems = _manifest(tmp_path, **{key: values}).check()
    assert [problem.kind for problem in problems] == ["leak"]
    assert "film-0, film-11" in problems[0].text
    assert "train and test" in problems[0].text


def test_an_unknown_patient_is_nobody_elses_and_a_sound_split_is_not_accused(tmp_path: Path) -> None:
    assert _manifest(tmp_path, patient_id=[""] * 12).check() == []


def test_a_split_without_a_class_is_named(tmp_path: Path) -> None:
    problems = _manifest(tmp_path, split=["train", "train", "val", "train", "test", "test"] * 2).check()
    assert [problem.text for problem in problems] == ["split val has no film of B"]


def test_the_films_of_the_test_split_can_be_taken_out_and_the_manifest_says_so(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, split_f0=["test", "val", "train"] * 4)
    assert any(
        "split test has no film" in problem.text for problem in _manifest(tmp_path, split=["train", "val"] * 6).check()
    )
    for column, column_is_kept in (("split", False), ("split_f0", True)):
        seen = Manifest.open(manifest.without_test(column).write(tmp_path / column / "manifest.csv").path or tmp_path)
        assert set(seen.films[column]) == {"train", "val"} and len(seen.films) == 8
        assert ("split_f0" in seen.films) == column_is_kept
        assert not [problem for problem in seen.check([column]) if "test" in problem.text]


def test_columns_are_those_of_the_design(manifest: Manifest) -> None:
    assert tuple(manifest.films.columns) == COLUMNS


def test_writing_where_a_file_is_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CannotWrite, match="choose another place"):
        _manifest(tmp_path).write(tmp_path / "file" / "manifest.csv")


def test_names_in_quotes_and_empty_ones_are_no_names_twice(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text('path, "a, viral","a, bacterial",,\nx.png, 1,2,,\n')
    table = read_table(tmp_path / "theirs.csv")
    assert list(table.columns[:3]) == ["path", "a, viral", "a, bacterial"] and list(table.iloc[0][:2]) == ["x.png", "1"]
    (tmp_path / "tabs.csv").write_text('\ufeffpath\t"a, b, c, d"\nx.png\t1\n', encoding="utf-8")
    assert list(read_table(tmp_path / "tabs.csv")) == ["path", "a, b, c, d"]


def test_a_path_that_begins_with_a_space_reads_back(tmp_path: Path) -> None:
    paths = [f" COVID/{place}.png" for place in range(12)]
    written = _manifest(tmp_path, path=paths).write(tmp_path / "manifest.csv")
    assert list(Manifest.open(tmp_path).films["path"]) == paths == list(written.films["path"])
