"""What is left of films: nothing of what is hidden, all of what is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import rows as table_of
from plainfilm.core.manifest import Manifest
from plainfilm.core.masks import FOUND, OWN, lung_masks
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Silence
from plainfilm.core.regions import SEEN, hide_lungs, seen_parts

SIDE = 64


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (3, SIDE, SIDE), dtype=np.uint8)


@pytest.fixture
def lungs() -> np.ndarray:
    masks = np.zeros((3, SIDE, SIDE), bool)
    masks[:, 20:44, 14:26] = masks[:, 20:44, 38:50] = True
    return masks


def test_the_border_is_the_outermost_eighth_as_it_was(films):
    left = seen_parts(films, "border")
    assert not left[:, 8:-8, 8:-8].any()
    ring = np.ones((SIDE, SIDE), bool)
    ring[8:-8, 8:-8] = False
    assert (left[:, ring] == films[:, ring]).all()


def test_the_background_hides_the_lungs_what_lies_between_and_a_margin(films, lungs):
    left = seen_parts(films, "background", lungs)
    assert not left[lungs].any()
    assert not left[:, 20:44, 26:38].any()  # between the lungs
    assert not left[:, 19, 14:50].any() and not left[:, 30, 13].any()  # the margin
    assert (left[:, :10] == films[:, :10]).all() and (left[:, :, 56:] == films[:, :, 56:]).all()


def test_the_outline_of_a_lung_does_not_show_in_the_background(films, lungs):
    dented = lungs.copy()
    dented[:, 26:40, 14:20] = False  # as an opacity that the segmenter took for no lung, but for the hull's own corners
    assert (seen_parts(films, "background", dented) == seen_parts(films, "background", lungs)).all()


def test_lungs_alone_and_background_have_nothing_in_common(films, lungs):
    alone, without = seen_parts(films, "lungs", lungs), seen_parts(films, "background", lungs)
    assert (alone[lungs] == films[lungs]).all() and not alone[~lungs].any()
    assert not ((alone > 0) & (without > 0)).any()


def test_blurring_keeps_the_mean_and_takes_the_detail(films):
    left = seen_parts(films, "blurred")
    assert abs(float(left.mean()) - float(films.mean())) < 3
    assert left.std() < films.std() / 5


def test_films_stay_as_they_were(films, lungs):
    before = films.copy()
    for seen in SEEN:
        seen_parts(films, seen, lungs)
    hide_lungs(films, lungs)
    assert (films == before).all()


def test_a_film_without_lungs_keeps_all_of_its_background(films):
    nothing = np.zeros(films.shape, bool)
    assert (seen_parts(films, "background", nothing) == films).all()
    assert not seen_parts(films, "lungs", nothing).any()


@pytest.mark.parametrize("seen", ["background", "lungs"])
def test_lungs_are_asked_for(films, seen):
    with pytest.raises(ValueError, match="needs a lung mask"):
        seen_parts(films, seen)
    with pytest.raises(ValueError, match="needs a lung mask"):
        seen_parts(films, seen, np.zeros((3, 8, 8), bool))


def test_the_sets_own_masks_are_taken_where_every_film_has_one(manifest: Manifest):
    rows = manifest.ok
    recipe = Preprocess(size=64)
    films = np.zeros((len(rows), 64, 64), np.uint8)  # in which the segmenter finds nothing
    own, said = lung_masks(manifest, rows, films, recipe, Silence())
    assert said == OWN and (own.mean((1, 2)) > 0.1).all()
    one_unknown = rows.assign(mask_path=["", *rows["mask_path"][1:]])
    found, said = lung_masks(manifest, one_unknown, films, recipe, Silence())
    assert said == FOUND and not found.any()


def test_masks_of_labels_of_noise_and_of_black_and_white_give_the_same_lungs(tmp_path: Path):
    left, right = np.zeros((2, 90, 80), np.uint8)
    left[20:70, 12:34] = right[20:70, 46:68] = 1
    both = left + right
    noisy = np.where(both > 0, 250, 6).astype(np.uint8)
    masks = {
        "one.png": both,
        "sides.png": left + 2 * right,
        "white.png": 255 * both,
        "deep.png": both.astype(np.uint16),
        "noisy.jpg": noisy,
        "none.png": 0 * both,
    }
    for name, mask in masks.items():
        cv2.imwrite(str(tmp_path / name), mask)
    rows = table_of(["COVID"] * len(masks), mask_path=list(masks))
    films = np.zeros((len(rows), 64, 64), np.uint8)
    own, said = lung_masks(Manifest(rows, ("COVID",), tmp_path), rows, films, Preprocess(size=64), Silence())
    share = dict(zip(masks, own.mean((1, 2)), strict=True))
    assert said == OWN and 0.25 < share["white.png"] < 0.35 and share["none.png"] == 0
    assert share["one.png"] == share["sides.png"] == share["deep.png"] == share["white.png"]
    assert share["noisy.jpg"] == pytest.approx(share["white.png"], abs=0.02)
