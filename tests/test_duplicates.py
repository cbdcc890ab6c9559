"""Near twins: every kind of copy is found and named, different films are left alone, also those of one patient."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from plainfilm.core.image import read_film
from plainfilm.core.thumbnail import THUMBNAIL_PX, thumbnail
from plainfilm.prepare.changes import changes_between
from plainfilm.prepare.duplicates import IDENTICAL, find_twins, is_one_picture, twin_table
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.registration import Alignment, align, pose_of, structure
from plainfilm.prepare.twin_index import candidates, candidates_across, embed


@pytest.fixture(scope="module")
def phantom_films(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    make_phantoms(folder, 15, seed=3)
    return [read_film(path).pixels for path in sorted(folder.rglob("images/*.png"))]


def _text(film: np.ndarray) -> np.ndarray:
    return cv2.putText(film.copy(), "PORTABLE AP 12:30", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)


def _turned(film: np.ndarray, angle: float) -> np.ndarray:
    side = len(film)
    return cv2.warpAffine(film, cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1), (side, side))


_NOISE = np.random.default_rng(0).normal(0, 10, (1024, 1024))
SPOILED = {
    "saved anew": lambda film: cv2.imdecode(cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0),
    "mirrored": lambda film: np.ascontiguousarray(film[:, ::-1]),
    "inverted": lambda film: 255 - film,
    "rotated": lambda film: _turned(film, 4),
    "cropped or framed": lambda film: film[: int(len(film) * 0.92), int(len(film) * 0.08) :],
    "framed": lambda film: cv2.copyMakeBorder(film, 20, 20, 30, 10, cv2.BORDER_CONSTANT, value=0),
    "other exposure": lambda film: np.rint((film / 255) ** 1.7 * 255).astype(np.uint8),
    "written on": _text,
    "softened or sharpened": lambda film: cv2.GaussianBlur(film, (0, 0), len(film) / 110),
    "noise": lambda film: np.clip(film + _NOISE[: len(film), : film.shape[1]] * 2, 0, 255).astype(np.uint8),
    "resized": lambda film: cv2.resize(film, (300, 340), interpolation=cv2.INTER_AREA),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_copy_lies_on_its_film_and_the_change_is_named(phantom_films: list[np.ndarray], kind: str) -> None:
    for film in phantom_films[::12]:
        pair = thumbnail(film), thumbnail(SPOILED[kind](film))
        alignment = align(*(structure(one) for one in pair))
        assert is_one_picture(alignment), alignment
        assert alignment.is_mirrored == (kind == "mirrored") and alignment.is_inverted == (kind == "inverted")
        words = changes_between(*pair, alignment)
        expected = {"framed": "cropped or framed", "resized": "saved anew"}.get(kind, kind)
        assert expected in words, words


def test_the_angle_is_measured(phantom_films: list[np.ndarray]) -> None:
    film = phantom_films[0]
    alignment = align(*(structure(thumbnail(one)) for one in (film, _turned(film, 4))))
    assert abs(pose_of(alignment.matrix)[0]) == pytest.approx(4, abs=0.4)


def test_twins_are_found_among_many_and_nothing_else(phantom_films: list[np.ndarray]) -> None:
    films = [*phantom_films, *(spoil(phantom_films[5 * place]) for place, spoil in enumerate(SPOILED.values()))]
    thumbnails = np.stack([thumbnail(film) for film in films])
    twins = find_twins(thumbnails, [str(row) for row in range(len(films))])
    wanted = {(5 * place, len(phantom_films) + place) for place in range(len(SPOILED))}
    assert {(twin.first, twin.second) for twin in twins} == wanted


def test_identical_films_are_twins_and_unreadable_ones_are_nobodys(phantom_films: list[np.ndarray]) -> None:
    thumbnails = np.stack([thumbnail(phantom_films[place]) for place in (0, 1, 0, 2, 0)])
    thumbnails[3] = 0
    twins = find_twins(thumbnails, ["a", "b", "a", "", "a"])
    assert [(twin.first, twin.second, twin.kind) for twin in twins] == [(0, 2, IDENTICAL), (0, 4, IDENTICAL)]


@pytest.mark.parametrize("count", [0, 1])
def test_few_films_have_no_twins(count: int) -> None:
    assert find_twins(np.zeros((count, THUMBNAIL_PX, THUMBNAIL_PX), np.uint8), [str(row) for row in range(count)]) == []


def test_films_without_contrast_are_not_twins() -> None:
    thumbnails = np.stack([np.full((THUMBNAIL_PX, THUMBNAIL_PX), grey, np.uint8) for grey in (0, 90, 255)])
    assert find_twins(thumbnails, ["a", "b", "c"]) == []


def test_candidates_are_pairs_in_order_and_each_once() -> None:
    points = np.eye(6, 64, dtype=np.float32)
    points[3] = points[0]
    assert candidates(points) == [(0, 3, 1.0)]


def test_the_embedding_has_length_one(phantom_films: list[np.ndarray]) -> None:
    from plainfilm.core.progress import Silence

    found = embed(np.stack([thumbnail(film) for film in phantom_films[:4]]), np.arange(4), Silence())
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_the_table_names_films_labels_and_splits() -> None:
    films = pd.DataFrame({"image_id": ["a", "b", "c"], "label": ["x", "y", "x"], "split": ["train", "test", ""]})
    from plainfilm.prepare.duplicates import Twin

    table = twin_table([Twin(0, 2, 0.95, "mirrored"), Twin(0, 1, 0.99, "rotated")], films)
    assert list(table["twin"]) == ["b", "c"]
    assert table.iloc[0][["label", "twin_label", "split", "twin_split"]].tolist() == ["x", "y", "train", "test"]
    assert len(twin_table([], films)) == 0


@pytest.mark.slow
def test_planted_twins_of_phantoms(tmp_path: Path) -> None:
    make_phantoms(tmp_path / "set", 60, seed=1, options=PhantomOptions(twin_share=0.3))
    paths = sorted((tmp_path / "set").rglob("images/*.png"))
    planted = pd.read_csv(tmp_path / "set" / "planted.csv", dtype=str, keep_default_na=False)
    wanted = {
        tuple(sorted((Path(row.image).stem, Path(row.twin_of).stem))) for row in planted.itertuples() if row.twin_of
    }
    twins = find_twins(np.stack([thumbnail(read_film(path).pixels) for path in paths]), [path.name for path in paths])
    found = {tuple(sorted((paths[twin.first].stem, paths[twin.second].stem))) for twin in twins}
    assert wanted and wanted <= found
    family = {name: {name} for pair in wanted for name in pair}  # copies of one film are twins of each other
    for child, parent in wanted:
        together = family[child] | family[parent]
        family.update(dict.fromkeys(together, together))
    assert all(second in family.get(first, ()) for first, second in found)


@pytest.mark.slow
def test_two_films_of_one_patient_are_no_twins(real_films: Path) -> None:
    table = pd.read_csv(real_films / "radiography.csv", dtype=str, keep_default_na=False)
    pairs = [
        rows["path"].iloc[:2] for _, rows in table[table["patient_id"] != ""].groupby("patient_id") if len(rows) > 1
    ]
    assert len(pairs) > 400
    root = real_films if (real_films / table["path"].iloc[0]).exists() else real_films / "radiography"
    taken_for_twins = 0
    for pair in pairs:
        one, two = (structure(thumbnail(read_film(root / path).pixels)) for path in pair)
        taken_for_twins += is_one_picture(align(one, two)) or is_one_picture(align(two, one))
    assert taken_for_twins / len(pairs) < 0.005


@pytest.mark.parametrize(
    ("similarity", "deviation", "is_twin"),
    [(0.991, 0.35, True), (0.9945, 0.45, False), (0.998, 0.5, True), (0.98, 0.1, False), (-1.0, 6.0, False)],
)
def test_two_exposures_that_agree_but_for_one_place_are_no_twins(
    similarity: float, deviation: float, is_twin: bool
) -> None:
    assert is_one_picture(Alignment(similarity, 1.0, deviation, np.eye(2, 3), False, False)) == is_twin


def test_a_place_that_moved_shows_in_the_deviation(phantom_films: list[np.ndarray]) -> None:
    film = phantom_films[0]
    moved = film.copy()
    height, width = film.shape
    inner = slice(height // 2, height * 3 // 4), slice(width // 3, width * 2 // 3)
    moved[inner] = np.roll(film, 12, axis=1)[inner]
    still, other = (align(structure(thumbnail(film)), structure(thumbnail(one))) for one in (film, moved))
    assert still.deviation < 0.05 < 0.3 < other.deviation


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_a_wide_frame_hides_nothing(phantom_films: list[np.ndarray], share: float) -> None:
    films = [thumbnail(film) for film in phantom_films]
    wide = round(share * len(phantom_films[0]))
    framed = thumbnail(cv2.copyMakeBorder(phantom_films[2], wide, wide, wide, 0, cv2.BORDER_CONSTANT, value=90))
    (twin,) = find_twins(np.stack([*films, framed]), [str(place) for place in range(len(films) + 1)])
    assert twin[:2] == (2, len(films)) and "cropped or framed" in twin.kind


def test_no_near_film_is_missed_among_many() -> None:
    chance = np.random.default_rng(0)
    films = chance.normal(size=(1300, 64)).astype(np.float32)
    films[650:] = films[:650] + 0.1 * chance.normal(size=(650, 64)).astype(np.float32)
    films /= np.linalg.norm(films, axis=1, keepdims=True)
    found = {(one, two): cosine for one, two, cosine in candidates(films)}
    assert found.keys() == {(place, place + 650) for place in range(650)}
    assert found[3, 653] == pytest.approx(float(films[3] @ films[653]))
    assert {pair[:2] for pair in candidates_across(films[650:], films[:650])} == {
        (place, place) for place in range(650)
    }
