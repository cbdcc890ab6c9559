"""Each layout is told apart by looking, and what cannot be told is refused in one line."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import write_png
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.errors import BadConfig, BadManifest, BadSource, CannotWrite, PlainfilmError
from plainfilm.prepare.database import source_of_url
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.inspection import inspect
from plainfilm.prepare.listing import TABLE_COLUMNS, Listing
from plainfilm.prepare.sources import list_source
from plainfilm.prepare.split import SplitPlan
from plainfilm.prepare.table import list_table, unread_columns

ONE_EACH = PrepareOptions(plan=SplitPlan(test=1, val=1))


def _classes(folder: Path, films: int = 6, classes: tuple[str, ...] = ("COVID", "Normal")) -> Path:
    for number, name in enumerate(classes):
        for film in range(films):
            write_png(folder / name / f"{name}-{film}.png", seed=100 * number + film)
    return folder


def _prepare(source: Path, tmp_path: Path, options: PrepareOptions = ONE_EACH) -> Manifest:
    return prepare(source, tmp_path / "out", options)


def test_the_database_as_shipped_with_masks_and_the_source_from_the_url(manifest: Manifest, phantoms: Path) -> None:
    assert manifest.info["layout"] == "database"
    assert manifest.classes == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    assert (manifest.ok["mask_path"] != "").all()
    assert all((manifest.root / mask).is_file() for mask in manifest.ok["mask_path"])
    assert (manifest.ok["source"] != "").all()
    assert manifest.ok["patient_id"].nunique() < len(manifest.ok)
    assert set(manifest.films["status"]) == {"ok", "error"}
    assert [problem for problem in manifest.check() if problem.kind == "leak"] == []


def test_the_database_without_a_metadata_table_still_knows_its_sources(phantoms: Path, tmp_path: Path) -> None:
    films = _prepare(phantoms, tmp_path).ok
    assert (films["source"] != "").all()
    assert (films["patient_id"] == "").all()


def test_the_downloaded_zip_is_the_folder(phantoms: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(phantoms.rglob("*")):
            opened.write(path, Path("COVID-19_Radiography_Dataset") / path.relative_to(phantoms))
        opened.writestr("__MACOSX/COVID/images/._COVID-1.png", b"junk")
    options = replace(ONE_EACH, twins=False)
    of_zip = _prepare(archive, tmp_path, options)
    of_folder = prepare(phantoms, tmp_path / "other", options)
    assert of_zip.fingerprint == of_folder.fingerprint
    assert Manifest.open(tmp_path / "out").root.is_dir()


def test_a_zip_that_leads_outside_or_is_cut_off_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as opened:
        opened.writestr("../../escaped.png", b"x")
    with pytest.raises(BadSource, match="leads outside"):
        _prepare(evil, tmp_path)
    assert not (tmp_path.parent / "escaped.png").exists()
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as opened:
        opened.writestr("a.png", bytes(5000))
    (tmp_path / "cut.zip").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(BadSource, match=r"cut\.zip"):
        _prepare(tmp_path / "cut.zip", tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_folders_by_class(tmp_path: Path) -> None:
    made = _prepare(_classes(tmp_path / "films"), tmp_path)
    assert made.info["layout"] == "classes"
    assert made.classes == ("COVID", "Normal")
    assert list(made.films["image_id"][:2]) == ["COVID-0", "COVID-1"]
    assert made.counts()["test"] == {"COVID": 1, "Normal": 1}


def test_film_names_that_repeat_in_two_classes_get_longer_ids(tmp_path: Path) -> None:
    for number, name in enumerate(("COVID", "Normal")):
        for film in range(4):
            write_png(tmp_path / "films" / name / f"{film}.png", seed=10 * number + film)
    assert "COVID/0" in set(_prepare(tmp_path / "films", tmp_path).films["image_id"])


def test_a_split_that_came_with_the_folders_is_kept_and_checked(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "valid", "Test")):
        for label in ("A", "B"):
            for film in range(3):
                write_png(
                    tmp_path / "films" / name / label / f"{label}{number}{film}.png",
                    seed=100 * number + 10 * (label == "B") + film,
                )
    made = _prepare(tmp_path / "films", tmp_path, PrepareOptions())
    assert made.counts()["val"] == {"A": 3, "B": 3}
    assert made.check() == []
    copied = tmp_path / "films" / "Test" / "A" / "again.png"
    copied.write_bytes((tmp_path / "films" / "train" / "A" / "A00.png").read_bytes())
    leaking = prepare(tmp_path / "films", tmp_path / "leaking")
    (problem,) = leaking.check()
    assert problem.kind == "leak"
    assert "again" in problem.text and "A00" in problem.text
    redrawn = prepare(
        tmp_path / "films", tmp_path / "redrawn", PrepareOptions(plan=SplitPlan(test=1, val=1), resplit=True)
    )
    assert redrawn.check() == []


def test_validation_is_taken_from_training_where_a_split_has_none(tmp_path: Path) -> None:
    _classes(tmp_path / "films" / "train", 20)
    for film in range(5):
        for label in ("COVID", "Normal"):
            write_png(tmp_path / "films" / "test" / label / f"t{film}.png", seed=500 + 100 * (label == "COVID") + film)
    made = _prepare(tmp_path / "films", tmp_path, PrepareOptions())
    assert made.counts()["test"] == {"COVID": 5, "Normal": 5}
    assert made.counts()["val"] == {"COVID": 2, "Normal": 2}
    assert "taken out of its training films" in made.info["notes"][-1]


def test_a_table_whose_masks_lie_beside_the_folder_of_films(tmp_path: Path) -> None:
    films = _classes(tmp_path / "set" / "images")
    paths = sorted(films.rglob("*.png"))
    masks = [write_png(tmp_path / "set" / "masks" / path.name, seed=7) for path in paths]
    table = pd.DataFrame({"path": paths, "mask_path": masks, "label": [path.parent.name for path in paths]})
    table.to_csv(tmp_path / "films.csv", index=False)
    made = _prepare(tmp_path / "films.csv", tmp_path, ONE_EACH)
    assert made.root == tmp_path / "set"
    assert all((made.root / mask).is_file() for mask in made.ok["mask_path"])


def test_a_table_under_somebody_elses_names(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    paths = sorted(films.rglob("*.png"))
    table = pd.DataFrame(
        {
            "file": [str(p.relative_to(tmp_path)) for p in paths],
            "finding": [p.parent.name for p in paths],
            "person": "p1",
        }
    )
    table.loc[3:, "person"] = [f"p{place}" for place in range(len(table) - 3)]
    table.to_csv(tmp_path / "films.csv", index=False, sep=";")
    columns = {"path": "file", "label": "finding", "patient_id": "person"}
    made = _prepare(tmp_path / "films.csv", tmp_path, PrepareOptions(columns=columns, plan=SplitPlan(test=1, val=1)))
    assert made.info["layout"] == "table"
    assert made.ok["patient_id"].nunique() == len(table) - 3
    assert made.ok.loc[made.ok["patient_id"] == "p1", "split"].nunique() == 1
    table.to_parquet(tmp_path / "films.parquet")
    with pytest.raises(BadSource, match=r"no column path .*--columns path=NAME"):
        prepare(tmp_path / "films.parquet", tmp_path / "other")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": "nothing"}, 'no column "nothing"; it has path, finding'),
        ({"lable": "finding"}, '"lable" is no column of ours'),
    ],
)
def test_column_names_that_are_wrong(tmp_path: Path, columns: dict[str, str], said: str) -> None:
    (tmp_path / "films.csv").write_text("path,finding\na.png,A\n")
    with pytest.raises(BadSource, match=said):
        _prepare(tmp_path / "films.csv", tmp_path, PrepareOptions(columns=columns))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\n", "has no rows"),
        ("path,label\na.png,A\n,B\n", "row 3: the path is empty"),
        (
            "path,label,split\na.png,A,train\na.png,A,test\n",
            "1 file in two rows, on two sides of the split .a.png in test and train",
        ),
        ("path,path\na.png,A\n", "names a column twice: path"),
        ("path,label,split\na.png,A,holdout\n", 'has the split "holdout"'),
        ("", "cannot be read as a CSV"),
    ],
)
def test_a_table_that_is_wrong_names_the_row(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "films.csv").write_text(text)
    with pytest.raises(BadSource, match=said):
        _prepare(tmp_path / "films.csv", tmp_path)


def test_metadata_joins_by_path_name_or_id_and_says_what_did_not_match(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    for key, of in (
        ("path", lambda p: f"films/{p.parent.name}/{p.name}"),
        ("path", lambda p: p.name),
        ("image_id", lambda p: p.stem),
    ):
        table = pd.DataFrame([{key: of(p), "source": p.stem, "age": "41"} for p in sorted(films.rglob("*.png"))[1:]])
        table.loc[len(table)] = ["nowhere.png", "x", "1"]
        table.to_csv(tmp_path / "about.csv", index=False)
        made = prepare(
            films,
            tmp_path / f"out{len(list(tmp_path.iterdir()))}",
            PrepareOptions(metadata=tmp_path / "about.csv", plan=SplitPlan(test=1, val=1)),
        )
        known = made.films[made.films["source"] != ""]
        assert list(known["source"]) == list(known["image_id"])
        assert len(known) == 11
        assert "1 film in no row (COVID-0.png)" in " ".join(made.info["notes"])
        assert "1 rows have no film here" in " ".join(made.info["notes"])


def test_metadata_that_matches_nothing_or_contradicts_the_folders_is_refused(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    (tmp_path / "about.csv").write_text("path,source\nother.png,x\n")
    with pytest.raises(BadSource, match="matches none of the films"):
        _prepare(films, tmp_path, PrepareOptions(metadata=tmp_path / "about.csv"))
    (tmp_path / "about.csv").write_text("path,label\nCOVID-1.png,Normal\n")
    with pytest.raises(BadSource, match=r"another label than their folder \(COVID-1.png\)"):
        _prepare(films, tmp_path, PrepareOptions(metadata=tmp_path / "about.csv"))


def test_damaged_films_keep_their_rows_and_the_rest_goes_on(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    whole = (films / "COVID" / "COVID-0.png").read_bytes()
    (films / "COVID" / "empty.png").write_bytes(b"")
    (films / "COVID" / "text.png").write_text("not a film")
    (films / "COVID" / "cut.png").write_bytes(whole[: len(whole) // 2])
    made = _prepare(films, tmp_path)
    failed = made.films[made.films["status"] == "error"]
    assert sorted(failed["image_id"]) == ["cut", "empty", "text"]
    assert (failed["error"].str.len() > 10).all()
    assert (failed["split"] == "").all()
    assert made.counts()["error"] == {"COVID": 3, "Normal": 0}
    assert "3" in (tmp_path / "out" / "dataset.md").read_text()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p, "is missing"),
        (lambda p: (p.mkdir(), p)[1], "holds no films"),
        (lambda p: _classes(p, classes=("COVID", "covid")), "differ in case"),
        (lambda p: _classes(p, classes=("Lung_Opacity", "lung opacity")), "differ in case"),
        (lambda p: _classes(p, classes=("COVID",)), "one class only"),
        (lambda p: _classes(p, films=1), "class COVID has 1 readable film,"),
        (lambda p: _classes(p, classes=("train", "COVID")), "are these splits or classes"),
        (lambda p: _classes(p, classes=("train", "test")), "outside any class folder"),
        (lambda p: write_png(p.with_suffix(".png")), "neither a zip nor"),
    ],
)
def test_a_source_that_is_wrong_is_one_line_and_leaves_nothing(tmp_path: Path, make, said: str) -> None:  # type: ignore[no-untyped-def]
    source = make(tmp_path / "films")
    with pytest.raises(PlainfilmError, match=said) as raised:
        _prepare(source, tmp_path)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_classes_are_chosen_ordered_renamed_and_merged(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films", classes=("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"))
    options = PrepareOptions(
        classes=("Pneumonia", "Normal"),
        rename={"Lung_Opacity": "Pneumonia", "Viral Pneumonia": "Pneumonia"},
        plan=SplitPlan(test=1, val=1),
    )
    made = _prepare(films, tmp_path, options)
    assert made.classes == ("Pneumonia", "Normal")
    assert len(made.films) == 18
    with pytest.raises(BadSource, match='no film has the label "Opacity"'):
        prepare(films, tmp_path / "other", PrepareOptions(classes=("Opacity", "Normal")))


def test_nothing_is_written_over(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    _prepare(films, tmp_path)
    with pytest.raises(BadSource, match=r"holds manifest\.csv already"):
        _prepare(films, tmp_path)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data", "rsna"),
        ("https://www.kaggle.com/paultimothymooney/chest-xray-pneumonia", "kermany"),
        ("https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/#1590858128006-9e640421-6711", "bimcv"),
        ("https://github.com/ml-workgroup/covid-19-image-repository/tree/master/png", "hannover"),
        ("https://sirm.org/category/senza-categoria/covid-19/", "sirm"),
        ("https://eurorad.org", "eurorad"),
        ("https://github.com/armiro/COVID-CXNet", "cxnet"),
        ("https://www.example.org/films/", "example.org/films"),
        ("", ""),
    ],
)
def test_where_a_url_of_the_sheets_points_to(url: str, source: str) -> None:
    assert source_of_url(url) == source


def _dicom(path: Path, patient: str, seed: int) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    pixels = np.random.default_rng(seed).integers(0, 4096, (32, 24), dtype=np.uint16)
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = DigitalXRayImageStorageForPresentation
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
    header.Modality, header.PatientID, header.ViewPosition, header.PatientSex, header.PatientAge = (
        "DX",
        patient,
        "PA",
        "F",
        "041Y",
    )
    header.Rows, header.Columns, header.SamplesPerPixel, header.PhotometricInterpretation = 32, 24, 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)


def test_dicom_in_class_folders_brings_view_and_a_hashed_patient(tmp_path: Path) -> None:
    for label in ("COVID", "Normal"):
        for film in range(8):
            _dicom(
                tmp_path / "films" / label / f"{film}.dcm",
                f"MRN-{label}-{film // 2}",
                seed=100 * (label == "COVID") + film,
            )
    options = PrepareOptions(plan=SplitPlan(test=2, val=2), patient_key=b"0123456789abcdef")
    made = _prepare(tmp_path / "films", tmp_path, options)
    assert set(made.films["view"]) == {"PA"}
    assert set(made.films["age"]) == {41}
    assert made.films["patient_id"].nunique() == 8
    assert made.ok.groupby("patient_id")["split"].nunique().max() == 1
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "MRN" not in written
    again = prepare(tmp_path / "films", tmp_path / "again", options)
    other = prepare(tmp_path / "films", tmp_path / "other", PrepareOptions(plan=SplitPlan(test=2, val=2)))
    assert list(again.films["patient_id"]) == list(made.films["patient_id"])
    assert set(other.films["patient_id"]).isdisjoint(made.films["patient_id"])
    assert list(other.films["split"]) == list(made.films["split"])


def test_folders_that_are_patients_are_not_taken_for_classes(tmp_path: Path) -> None:
    for patient in range(4):
        for film in range(3):
            _dicom(tmp_path / "films" / f"study{patient}" / f"{film}.dcm", f"MRN{patient}", seed=10 * patient + film)
    with pytest.raises(BadSource, match="patients are no classes"):
        _prepare(tmp_path / "films", tmp_path)


def test_films_without_any_class_folder_have_no_label_and_no_split(tmp_path: Path) -> None:
    for film in range(4):
        _dicom(tmp_path / "films" / f"{film}.dcm", f"MRN{film}", seed=film)
    made = _prepare(tmp_path / "films", tmp_path)
    assert made.classes == ()
    assert set(made.films["label"]) == set(made.films["split"]) == {""}
    assert "no film has a label, so nothing was split: labels come from folders by class" in made.info["notes"][-1]
    assert "No film has a label." in (tmp_path / "out" / "dataset.md").read_text()


def test_films_without_a_label_are_counted_where_they_can_be_read(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    (films / "Normal" / "9.png").write_bytes(b"no film")
    rows = [
        f"{path.relative_to(tmp_path)},{path.parent.name if path.stem[-1] < '4' else ''}"
        for path in films.rglob("*.png")
    ]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))
    assert "4 readable films without a label" in _prepare(tmp_path / "t.csv", tmp_path).info["notes"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"PK\3\4" + bytes(200), "films.zip", "a zip without its end"),
        (bytes(200), "films.ZIP", "is called a zip and is none"),
        (b"\x1f\x8b" + bytes(200), "films.tar.gz", "an archive of another kind than zip: unpack it"),
        (b"hello", "films.txt", "neither a zip nor"),
    ],
)
def test_a_file_that_is_no_zip_is_called_what_it_is(content: bytes, name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSource, match=said):
        _prepare(tmp_path / name, tmp_path)


def test_masks_beside_their_films_are_masks_and_no_films(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    for name in (
        "COVID-0_mask",
        "COVID-1 Lung Mask",
        "covid-2-lungs-mask",
        "COVID-3_infection_mask",
        "COVID-4_mask (1)",
    ):
        write_png(films / "COVID" / f"{name}.png", seed=len(name) + 50)
    for name in ("COVID_mask", "COVID-0_no_mask", "COVID-0_facemask", "COVID-1 oxygen mask"):
        write_png(films / "COVID" / f"{name}.png", seed=len(name) + 70)
    found = list_source(films, tmp_path, {}, Silence())
    masks = {Path(row.path).stem: Path(row.mask_path).stem for row in found.rows.itertuples() if row.mask_path}
    assert masks == {"COVID-0": "COVID-0_mask", "COVID-1": "COVID-1 Lung Mask", "COVID-2": "covid-2-lungs-mask"}
    assert len(found.rows) == 12 + 4, "films of no such name, or of other words, stay films"
    (note,) = found.notes
    assert note.startswith(
        "5 files called after films beside them count as their masks, not as films (COVID-0_mask.png, "
    )
    assert note.endswith("; linked as masks of both lungs, by their names: 3")
    (finding,) = [one for one in inspect(films).findings if one.kind == "source"]
    assert "COVID-0_mask.png" in finding.text and finding.level == "note"


def test_a_mask_of_two_films_or_two_masks_of_one_are_not_guessed_about(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    some = films / "COVID" / "COVID-1.png"
    shutil.copyfile(some, films / "COVID" / "COVID-0.bmp")
    for name in ("COVID-0_mask.png", "COVID-0_mask.tif", "COVID-2_mask.png", "COVID-2_lung_mask.png"):
        shutil.copyfile(some, films / "COVID" / name)
    rows = list_source(films, tmp_path, {}, Silence()).rows
    assert [Path(row.path).name for row in rows.itertuples() if row.mask_path] == ["COVID-0.png"] and len(rows) == 13


def test_masks_beside_films_count_as_no_films_where_masks_lie_in_a_folder(tmp_path: Path) -> None:
    for film in range(2):
        for name in ("A", "B"):
            for place in (f"images/x{film}", f"images/x{film}_mask", f"masks/x{film}"):
                write_png(tmp_path / "films" / name / f"{place}.png", seed=film)
    (note,) = list_source(tmp_path / "films", tmp_path, {}, Silence()).notes
    assert note.startswith("4 files called after films") and note.endswith(": 0"), "those of the folder are linked"


def test_masks_called_after_their_films_in_a_folder_of_masks_are_found(tmp_path: Path) -> None:
    for film in range(3):
        for name in ("A", "B"):
            write_png(tmp_path / "films" / name / "images" / f"CXR_{film}.png", seed=film)
            write_png(tmp_path / "films" / name / "masks" / f"CXR_{film}_mask.png", seed=film)
    found = list_source(tmp_path / "films", tmp_path, {}, Silence())
    assert [Path(mask).stem for mask in found.rows["mask_path"]] == [
        f"{Path(film).stem}_mask" for film in found.rows["path"]
    ]
    masks = tmp_path / "films" / "A" / "masks"
    (masks / "CXR_0_mask.png").rename(masks / "CXR_0_mask1.png")
    shutil.copyfile(masks / "CXR_1_mask.png", masks / "CXR_1_lung_mask.png")
    shutil.copyfile(masks / "CXR_2_mask.png", masks / "CXR_2.png")
    found = list_source(tmp_path / "films", tmp_path, {}, Silence())
    of_a = {Path(row.path).stem: Path(row.mask_path).name for row in found.rows.itertuples() if row.label == "A"}
    assert of_a == {"CXR_0": "", "CXR_1": "", "CXR_2": "CXR_2.png"}, (
        "a mask of its very name before one called after it"
    )
    assert found.notes == ["A: 3 films and 5 masks"]


def test_a_zip_that_may_not_be_read_is_not_said_to_be_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "films.zip").write_bytes(b"PK")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(BadSource, match="cannot be read"):
        list_source(tmp_path / "films.zip", tmp_path, {}, Silence())


def test_columns_that_are_not_read_are_told_with_what_would_read_them(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    rows = [
        f"{path.relative_to(tmp_path)},{path.parent.name},{place},x" for place, path in enumerate(films.rglob("*.png"))
    ]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["path,label,Patient ID,Follow-up #", *rows]))
    asked = 't.csv: its column "Patient ID" is not read; if it is patient_id, say --columns "patient_id=Patient ID"'
    rest = "t.csv: 1 other column not read (Follow-up #)"
    for made in (
        _prepare(table, tmp_path),
        prepare(films, tmp_path / "joined", replace(ONE_EACH, metadata=table)),
    ):
        assert asked in made.info["notes"] and rest in made.info["notes"]
    named = prepare(table, tmp_path / "named", replace(ONE_EACH, columns={"patient_id": "Patient ID"}))
    notes = named.info["notes"]
    assert "t.csv: 1 column not read (Follow-up #)" in notes and not any("Patient ID" in note for note in notes)
    assert named.ok["patient_id"].nunique() == 12
    (tmp_path / "ages.csv").write_text("path,age\n" + "\n".join(f"{row.split(',')[0]},40" for row in rows))
    joined = prepare(table, tmp_path / "two", replace(ONE_EACH, metadata=tmp_path / "ages.csv"))
    asked = 't.csv: its column "Patient ID" is not read; if it is patient_id, call it patient_id there'
    assert asked in joined.info["notes"], "--columns is of the table that is joined"
    again = prepare(
        shutil.copyfile(tmp_path / "named" / "manifest.csv", films / "manifest.csv"),
        tmp_path / "again",
        replace(ONE_EACH, resplit=True),
    )
    assert not any("not read" in note for note in again.info["notes"]), "a manifest of ours is known"


@pytest.mark.parametrize(
    ("column", "values", "columns", "is_asked"),
    [
        ("fold", "01234", {}, False),
        ("subset", ("train", "Test", "", "valid", "train"), {}, True),
        ("set", "ABCAB", {"side": "fold"}, False),
    ],
)
def test_a_column_is_only_called_a_split_where_it_may_be_one(column, values, columns, is_asked) -> None:  # type: ignore[no-untyped-def]
    table = pd.DataFrame(
        {"path": list("abcde"), "label": list("ABABA"), column: list(values), **dict.fromkeys(columns, "x")}
    )
    (note,) = unread_columns(table, Path("t.csv"), TABLE_COLUMNS)
    assert ('--columns "split=' in note) == is_asked and column in note


@pytest.mark.slow
def test_the_real_database_part(real_films: Path, tmp_path: Path) -> None:
    made = _prepare(real_films / "radiography", tmp_path, PrepareOptions(metadata=real_films / "radiography.csv"))
    assert made.ok["label"].value_counts().to_dict() == {
        "COVID": 2595,
        "Normal": 3501,
        "Viral Pneumonia": 1025,
        "Lung_Opacity": 251,
    }
    assert made.check() == []
    assert (made.ok["source"] != "").all()
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["fingerprint"] == made.fingerprint


def test_native_films_grey_and_rgb_read_alike(real_films: Path, tmp_path: Path) -> None:
    made = _prepare(real_films / "native299", tmp_path, ONE_EACH)
    assert made.counts()["error"] == {"COVID": 0, "Normal": 0, "Viral Pneumonia": 0}
    assert set(made.films["width"]) == {299}
    assert read_film(made.film_path(made.films["path"].iloc[0])).pixels.ndim == 2


def test_errors_are_of_our_tree() -> None:
    assert issubclass(BadConfig, PlainfilmError) and issubclass(BadManifest, PlainfilmError)


def test_what_is_odd_about_readable_files_is_told_once_a_kind(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    for number in (1, 2):
        film = films / "COVID" / f"COVID-{number}.png"
        film.rename(film.with_suffix(".jpg"))
    notes = _prepare(films, tmp_path).info["notes"]
    assert "2 films: the name says jpeg, the content is png (COVID-1.jpg, COVID-2.jpg)" in notes


def test_a_file_in_two_rows_is_one_film_and_what_they_contradict_is_unknown(tmp_path):
    (tmp_path / "films.csv").write_text(
        "path,label,patient_id,age\na.png,A,p1,30\nb.png,B,p2,\na.png,B,p1,\nc.png,A,p3,5\nb.png,B,p2,40\n"
    )
    found = list_table(tmp_path / "films.csv", {})
    films = found.rows.assign(path=[Path(path).name for path in found.rows["path"]]).set_index("path")
    assert films.index.tolist() == ["a.png", "b.png", "c.png"]
    assert films.loc["a.png", ["label", "patient_id", "age"]].tolist() == ["", "p1", "30"]
    assert films.loc["b.png", ["label", "patient_id", "age"]].tolist() == ["B", "p2", "40"]
    (note,) = found.notes
    assert "2 files" in note and "(label of a.png: A or B)" in note and "b.png" not in note


def _zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*.png")):
            opened.write(path, path.relative_to(folder))
    return archive


def test_a_zip_is_unpacked_into_a_new_folder_and_a_refused_one_leaves_nothing(tmp_path: Path) -> None:
    wrong = _zipped(_classes(tmp_path / "wrong", classes=("COVID", "covid ")), tmp_path / "wrong.zip")
    right = _zipped(_classes(tmp_path / "right"), tmp_path / "right.zip")
    with pytest.raises(BadSource, match="differ in case"):
        _prepare(wrong, tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    theirs = write_png(tmp_path / "out" / "films" / "COVID" / "theirs.png", seed=1)
    before = theirs.read_bytes()
    with pytest.raises(BadSource, match="out/films: is where the zip is unpacked, and not empty"):
        _prepare(right, tmp_path)
    assert theirs.read_bytes() == before
    theirs.unlink()
    theirs.parent.rmdir()
    made = _prepare(right, tmp_path)
    assert made.classes == ("COVID", "Normal") and made.root == tmp_path / "out" / "films" and len(made.ok) == 12


def test_a_patient_whom_a_table_names_on_some_films_only_is_one_group(tmp_path: Path) -> None:
    for film in range(24):
        _dicom(tmp_path / "films" / "AB"[film % 2] / f"{film}.dcm", f"MRN{film // 4}", seed=film)
    (tmp_path / "about.csv").write_text(
        "image_id,patient_id\n" + "".join(f"{film},p{film // 4}\n" for film in (0, 4, 5))
    )
    options = PrepareOptions(plan=SplitPlan(test=2, val=2), metadata=tmp_path / "about.csv", twins=False)
    made = _prepare(tmp_path / "films", tmp_path, options)
    films = made.films.set_index("image_id")
    assert films["patient_id"][["0", "4", "5"]].tolist() == ["p0", "p1", "p1"]
    assert [films["group"][[str(film) for film in range(4 * p, 4 * p + 4)]].nunique() for p in range(6)] == [1] * 6
    torn = made.films.assign(split=["train" if name == "0" else "test" for name in made.films["image_id"]])
    torn["group"] = [f"g{place}" for place in range(len(torn))]
    Manifest(torn, made.classes, made.root).write(tmp_path / "torn" / "manifest.csv")
    assert "Patients of DICOM headers on two sides" in {found.title for found in inspect(tmp_path / "torn").findings}


def test_one_patient_id_for_all_tells_nobody_where_a_table_knows_the_patients(tmp_path: Path) -> None:
    for film in range(12):
        _dicom(tmp_path / "films" / "AB"[film % 2] / f"{film}.dcm", "ANON", seed=film)
    (tmp_path / "about.csv").write_text("image_id,patient_id\n" + "".join(f"{film},p{film}\n" for film in range(11)))
    made = _prepare(tmp_path / "films", tmp_path, replace(ONE_EACH, metadata=tmp_path / "about.csv", twins=False))
    assert made.films["group"].nunique() == 12


def test_a_loose_film_does_not_take_the_labels_away_unseen(tmp_path: Path) -> None:
    films = _classes(tmp_path / "films")
    write_png(films / "overview.png", seed=7)
    with pytest.raises(BadSource, match=r"1 film \(overview\.png\) beside folders of films \(COVID, Normal\)"):
        _prepare(films, tmp_path)
    labels = "".join(
        f"{film.relative_to(films)},{'AB'[place % 2]}\n" for place, film in enumerate(films.rglob("*.png"))
    )
    (tmp_path / "about.csv").write_text("path,label\n" + labels)
    made = _prepare(films, tmp_path, replace(ONE_EACH, metadata=tmp_path / "about.csv", twins=False))
    assert made.classes == ("A", "B") and len(made.ok) == 13


def test_films_of_the_database_layout_are_found_deep_and_those_elsewhere_are_told(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for place, film in enumerate(
        ("COVID/images/a.png", "COVID/masks/a.png", "COVID/more/z.png", "top.png", "COVID/lung masks/a.png")
    ):
        write_png(root / film, seed=place)
    for batch in ("b1", "b2"):
        write_png(root / "Normal" / "images" / batch / "n.png", seed=20)
        write_png(root / "Normal" / "masks" / batch / "n.png", seed=21)
    (root / "README.md.txt").write_text("about")
    found = list_source(root, tmp_path / "work", {}, Silence())
    rows = found.rows.map(lambda cell: cell.removeprefix(f"{root}/"))
    assert list(rows["path"]) == ["COVID/images/a.png", "Normal/images/b1/n.png", "Normal/images/b2/n.png"]
    assert list(rows["mask_path"]) == [path.replace("images", "masks") for path in rows["path"]]
    assert found.notes == [
        "2 films outside the images folders passed over (top.png, COVID/more/z.png)",
        "1 folder of masks passed over (COVID/lung masks)",
    ]


def test_empty_folders_of_images_hold_no_films(tmp_path: Path) -> None:
    for name in ("COVID", "Normal"):
        (tmp_path / "films" / name / "images").mkdir(parents=True)
    with pytest.raises(BadSource, match="holds no films"):
        _prepare(tmp_path / "films", tmp_path)


def test_masks_of_metadata_may_lie_beside_the_folder_of_films(tmp_path: Path) -> None:
    films = _classes(tmp_path / "set" / "films")
    lines = [f"films/{film.relative_to(films)},masks/{film.name}\n" for film in sorted(films.rglob("*.png"))]
    (tmp_path / "set" / "about.csv").write_text("path,mask_path\n" + "".join(lines))
    made = _prepare(films, tmp_path, replace(ONE_EACH, metadata=tmp_path / "set" / "about.csv", twins=False))
    assert made.root == tmp_path / "set" and set(made.films["image_id"]) == {film.stem for film in films.rglob("*.png")}
    assert (made.films["mask_path"] == ["masks/" + Path(path).name for path in made.films["path"]]).all()


def _listed(root: Path, *films: str) -> Listing:
    for place, film in enumerate(films):
        write_png(root / film, seed=place)
    return list_source(root, root.parent / "work", {}, Silence())


def _inside(found: Listing, column: str = "path") -> list[str]:
    return [cell.removeprefix(f"{found.root}/") for cell in found.rows[column]]


def test_a_split_below_the_classes_is_the_split_and_the_outer_folders_are_the_classes(tmp_path: Path) -> None:
    films = [f"{label}/{part}/{label}{part}{n}.png" for label in "AB" for part in ("train", "test") for n in range(2)]
    found = _listed(tmp_path / "set", *films, "A/Valid/images/v.png", "A/Valid/masks/v.png")
    assert found.layout == "classes" and found.has_split
    assert [path.split("/")[0] for path in _inside(found)] == list(found.rows["label"])
    assert set(found.rows.loc[found.rows["label"] == "A", "split"]) == {"train", "val", "test"}
    assert _inside(found, "mask_path").count("A/Valid/masks/v.png") == 1
    with pytest.raises(BadSource, match=r"but B has more, odd\.png too: expected <Class>/train/film"):
        _listed(tmp_path / "set", "B/more/x.png", "B/odd.png")
    with pytest.raises(BadSource, match=r"holds A/train with folders in it \(C, D\): if these are the classes, name"):
        _listed(tmp_path / "sites", *(f"{site}/train/{label}/f.png" for site in "AB" for label in "CD"))
    assert set(_listed(tmp_path / "one", "COVID/train/a.png", "COVID/test/b.png").rows["label"]) == {"COVID"}


def test_folders_of_the_same_names_in_known_classes_are_no_classes(tmp_path: Path) -> None:
    found = _listed(
        tmp_path / "set", *(f"{c}/{b}/{c}{b}.png" for c in ("COVID", "Normal") for b in ("batch1", "batch2"))
    )
    assert found.layout == "classes" and set(found.rows["label"]) == {"COVID", "Normal"}


def test_masks_of_lungs_are_linked_and_no_folder_of_masks_holds_films(tmp_path: Path) -> None:
    kinds = ("images", "lung masks", "infection masks")
    films = [f"{part}/{c}/{kind}/{c}{part}.png" for part in ("Test", "Train", "Val") for c in "AB" for kind in kinds]
    found = _listed(tmp_path / "qu-ex", *films)
    assert found.has_split and _inside(found) == [film for film in films if "/images/" in film]
    assert _inside(found, "mask_path") == [film for film in films if "/lung masks/" in film]
    (note,) = found.notes
    assert note.startswith("6 folders of masks passed over (Test/A/infection masks, ")
    found = _listed(tmp_path / "beside", "A/a.png", "B/b.png", "masks/a.png", "B/LungMasks/b.png", "B/unmasked/c.png")
    assert _inside(found) == ["A/a.png", "B/b.png", "B/unmasked/c.png"]
    assert found.notes == ["2 folders of masks passed over (B/LungMasks, masks)"]


def test_images_and_masks_are_no_classes(tmp_path: Path) -> None:
    found = _listed(tmp_path / "COVID", "images/a.png", "images/b.png", "masks/a.png", "masks/b.png")
    assert set(found.rows["label"]) == {"COVID"} and found.rows["mask_path"].str.endswith("/masks/a.png").any()
    assert "COVID is the one class: images beside masks" in found.notes
    for name, films, said in (
        (
            "split",
            ["train/images/a.png", "train/masks/a.png"],
            "train/images, which is in no class: expected train/<Class>/",
        ),
        ("beside", ["A/a.png", "images/b.png"], "holds images beside A: images is no class"),
        ("alone", ["images/a.png"], "holds its films in images, which is no class"),
        (
            "deep",
            ["images/A/a.png", "images/B/b.png", "masks/A/a.png"],
            r"has folders in images \(A, B\): if these are",
        ),
    ):
        with pytest.raises(BadSource, match=said) as caught:
            _listed(tmp_path / name, *films)
        assert "\n" not in str(caught.value)
    archive = _zipped(tmp_path / "COVID", tmp_path / "top.zip")
    with pytest.raises(BadSource, match="put images into a folder called after its class"):
        list_source(archive, tmp_path / "work", {}, Silence())


def test_folders_in_the_one_folder_may_be_patients_and_are_not_guessed(tmp_path: Path) -> None:
    patients = [f"COVID/patient{n}/f.png" for n in range(3)]
    with pytest.raises(BadSource) as caught:
        _listed(tmp_path / "solo", *patients)
    said = str(caught.value)
    assert "one folder, COVID, with folders of films in it (patient0, patient1, patient2)" in said
    assert (
        f"if these are the classes, name {tmp_path / 'solo' / 'COVID'}; if COVID is the one class, name a table" in said
    )
    named = list_source(tmp_path / "solo" / "COVID", tmp_path / "work", {}, Silence())
    assert set(named.rows["label"]) == {"patient0", "patient1", "patient2"}
    with pytest.raises(BadSource, match=r"solo\.zip: .*unpack it and name its folder COVID"):
        list_source(_zipped(tmp_path / "solo", tmp_path / "solo.zip"), tmp_path / "work", {}, Silence())


@pytest.mark.parametrize(
    "films",
    [
        ["Normal/a.png", "Tuberculosis/b.png"],
        ["train/A/a.png", "test/A/b.png"],
        ["A/images/a.png", "B/images/b.png"],
        ["deeper/COVID-19/a.png", "deeper/other/b.png"],
        ["A/train/a.png", "B/train/b.png"],
        ["part 1/COVID/a.png", "part 1/Normal/b.png", "part 2/COVID/c.png", "part 2/Normal/d.png"],
    ],
)
def test_a_folder_that_only_wraps_a_known_layout_is_gone_into(tmp_path: Path, films: list[str]) -> None:
    plain = _listed(tmp_path / "plain", *films)
    wrapped = _listed(tmp_path / "wrapped", *(f"archive/{film}" for film in films))
    assert wrapped.layout == plain.layout
    assert wrapped.rows.drop(columns="path").equals(plain.rows.drop(columns="path"))


def test_a_packed_folder_packs_its_name(tmp_path: Path) -> None:
    _classes(tmp_path / "mine" / "collection", classes=("cats", "dogs"))
    found = list_source(_zipped(tmp_path / "mine", tmp_path / "mine.zip"), tmp_path / "work", {}, Silence())
    assert set(found.rows["label"]) == {"cats", "dogs"}


def _damaged_zips(tmp_path: Path) -> Iterator[Path]:
    content = _zipped(_classes(tmp_path / "films"), tmp_path / "whole.zip").read_bytes()
    directory = content.index(b"PK\x01\x02")
    for name, damaged in (
        ("directory", content[:directory] + b"XXXX" + content[directory + 4 :]),
        ("beginning", content[directory - 30 :]),
        ("film", content[:200] + bytes(200) + content[400:]),
    ):
        (tmp_path / f"{name}.zip").write_bytes(damaged)
        yield tmp_path / f"{name}.zip"


def test_a_damaged_zip_is_called_damaged_and_no_disk_full(tmp_path: Path) -> None:
    for archive in _damaged_zips(tmp_path):
        with pytest.raises(BadSource, match=rf"{archive.name}: is a damaged zip, or cannot be read .*: fetch it again"):
            _prepare(archive, tmp_path)


def test_a_disk_that_fills_up_while_a_zip_is_unpacked_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _zipped(_classes(tmp_path / "films"), tmp_path / "a.zip")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(CannotWrite, match=r"no space left on device\. Free some room"):
        _prepare(archive, tmp_path)


def test_options_of_a_split_are_not_dropped_unseen(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test")):
        for place, label in enumerate("AB"):
            write_png(tmp_path / "films" / part / label / f"{label}{number}.png", seed=10 * number + place)
    for plan, said in (
        (SplitPlan(test=0.3, val=0.3), "--test, --val would change nothing: leave it out, or add --resplit"),
        (SplitPlan(folds=5), "--folds would change nothing"),
        (SplitPlan(repeats=2, train=0.5), "--train, --repeats would"),
    ):
        with pytest.raises(BadConfig, match=said) as caught:
            _prepare(tmp_path / "films", tmp_path, PrepareOptions(plan=plan))
        assert "\n" not in str(caught.value) and not (tmp_path / "out" / "manifest.csv").exists()
    shutil.rmtree(tmp_path / "films" / "val")
    with pytest.raises(BadConfig, match="so --test would"):
        _prepare(tmp_path / "films", tmp_path, PrepareOptions(plan=SplitPlan(test=0.3, val=0.3)))
