"""The gate: chest films pass, whatever else is turned away with the right reason."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from plainfilm.core.chest import (
    BLANK,
    INVERTED,
    MOSTLY_FRAME,
    NO_CHEST,
    ON_ITS_SIDE,
    POSES,
    REASONS,
    UPSIDE_DOWN,
    likeness,
    looks,
    network_input,
    reasons,
    without_its_frame,
)
from plainfilm.core.image import is_film_name, read_film
from plainfilm.core.thumbnail import thumbnail
from plainfilm.learn.drawings import DRAWN
from plainfilm.learn.spoilings import no_longer_a_chest
from plainfilm.prepare.phantom import FINDINGS, render_phantom

Films = NDArray[np.uint8]


@pytest.fixture(scope="module")
def phantom_films() -> Films:
    """48 phantoms, a dozen of each finding."""
    drawn = (render_phantom(finding, np.random.default_rng([7, seed]))[0] for finding in FINDINGS for seed in range(12))
    return np.stack([thumbnail(film) for film in drawn])


def _share(films: Films, reason: str) -> float:
    return float(np.mean([said == reason for said in reasons(films)]))


def _thumbnails(paths: list[Path]) -> Films:
    return np.stack([thumbnail(read_film(path).pixels) for path in paths])


# Without real films ---------------------------------------------------------------------------------------------------


def test_phantoms_pass(phantom_films: Films) -> None:
    assert _share(phantom_films, "") >= 0.95


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda films: 255 - films, INVERTED),
        (lambda films: films[:, ::-1, ::-1], UPSIDE_DOWN),
        (lambda films: np.rot90(films, 1, (1, 2)), ON_ITS_SIDE),
        (lambda films: np.rot90(films, 3, (1, 2)), ON_ITS_SIDE),
    ],
    ids=["inverted", "upside down", "turned left", "turned right"],
)
def test_what_is_wrong_with_a_posed_film_is_named(phantom_films: Films, change: object, reason: str) -> None:
    assert callable(change)
    assert _share(np.ascontiguousarray(change(phantom_films)), reason) >= 0.9


def test_a_film_of_little_contrast_mirrored_or_with_a_rim_passes(phantom_films: Films) -> None:
    faint = (100 + phantom_films // 16).astype(np.uint8)
    framed = np.stack(
        [cv2.copyMakeBorder(film, 10, 10, 40, 40, cv2.BORDER_CONSTANT, value=0) for film in phantom_films]
    )
    framed = np.stack([cv2.resize(film, (128, 128), interpolation=cv2.INTER_AREA) for film in framed]).astype(np.uint8)
    for films in (faint, framed, phantom_films[:, :, ::-1]):
        assert _share(np.ascontiguousarray(films), "") >= 0.9


def test_a_faint_film_is_not_taken_for_a_frame(phantom_films: Films) -> None:
    for film in phantom_films[:12]:
        faint = (100 + film // 16).astype(np.uint8)
        assert without_its_frame(faint)[1] > without_its_frame(film)[1] - 0.05


def test_sixteen_bits_say_the_same_as_eight() -> None:
    film, _ = render_phantom("Normal", np.random.default_rng(3))
    deep = thumbnail((film.astype(np.uint16) << 4) + 7)
    assert reasons(np.stack([thumbnail(film), deep])) == ["", ""]


@pytest.mark.parametrize("grey", [0, 30, 128, 255])
def test_a_constant_film_is_blank(grey: int) -> None:
    constant = np.full((1, 128, 128), grey, np.uint8)
    seen = looks(constant)
    assert seen.reason == (BLANK,) and seen.likeness[0] == 0 and np.isnan(seen.distance[0])
    constant[0, 3:6, 3:6] = 255 - grey  # a marker makes it no film
    assert reasons(constant)[0] in (BLANK, NO_CHEST, MOSTLY_FRAME)


def test_noise_and_slopes_are_no_chest() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 128, 128)).astype(np.uint8)
    faint = (120 + rng.integers(0, 9, (20, 128, 128))).astype(np.uint8)
    slope = np.stack([np.add.outer(a * np.arange(128), b * np.arange(128)) for a, b in rng.uniform(0, 1, (20, 2))])
    for pictures in (noise, faint, slope.astype(np.uint8)):
        assert "" not in reasons(pictures)


@pytest.mark.parametrize("draw", [draw for _, draw in DRAWN], ids=lambda draw: draw.__name__)
def test_drawn_pictures_are_turned_away(draw: object) -> None:
    assert callable(draw)
    rng = np.random.default_rng(20261121)  # not the pictures of the training
    pictures = np.stack([draw(rng) for _ in range(40)])
    assert _share(pictures, "") <= 0.025


def test_a_film_whose_order_is_destroyed_is_no_chest(phantom_films: Films) -> None:
    rng = np.random.default_rng(20261121)
    spoiled = [
        no_longer_a_chest(film, phantom_films[rng.integers(48)], rng) for film in phantom_films for _ in range(4)
    ]
    assert _share(np.stack(spoiled), "") <= 0.05


def test_a_picture_lost_in_its_frame_is_called_so() -> None:
    chest = render_phantom("Normal", np.random.default_rng(1))[0]
    for ground in (0, 128, 255):
        for side in (20, 40, 60):
            film = np.full((128, 128), ground, np.uint8)
            film[50 : 50 + side, 40 : 40 + side] = cv2.resize(chest, (side, side), interpolation=cv2.INTER_AREA)
            assert reasons(film[None]) == [MOSTLY_FRAME], (ground, side)


def test_what_is_said_of_a_film_does_not_depend_on_the_others(phantom_films: Films) -> None:
    together = looks(np.concatenate([phantom_films] * 4))
    alone = [looks(film[None]) for film in phantom_films[:5]]
    assert [one.reason[0] for one in alone] == list(together.reason[:5])
    assert np.allclose([one.likeness[0] for one in alone], together.likeness[:5], atol=1e-4)
    assert np.allclose([one.distance[0] for one in alone], together.distance[:5], atol=1e-3)


def test_no_film_no_answer() -> None:
    assert reasons(np.empty((0, 128, 128), np.uint8)) == []


def test_the_reason_rests_on_the_numbers_and_the_limits(phantom_films: Films) -> None:
    rng = np.random.default_rng(5)
    seen = looks(np.concatenate([phantom_films, rng.integers(0, 256, (5, 128, 128)).astype(np.uint8)]))
    within = (seen.likeness >= seen.least_likeness) & (seen.distance <= seen.most_distance)
    assert [said == "" for said in seen.reason] == within.tolist()
    assert set(seen.reason) <= {"", *REASONS}


def test_likeness_tells_inverted_from_turned_from_foreign(phantom_films: Films) -> None:
    film = phantom_films[:1]
    noise = np.random.default_rng(0).integers(0, 256, film.shape).astype(np.uint8)
    found = likeness(np.concatenate([film, 255 - film, film[:, ::-1, ::-1], noise]))
    assert found.is_inverted.tolist() == [False, True, False, False]
    assert found.is_turned.tolist() == [False, False, True, False]
    assert found.is_foreign.tolist() == [False, False, False, True]
    assert found.value[0] > 0.5 > max(found.value[1:])


def test_what_the_network_sees_turns_and_swaps_as_the_picture_does(phantom_films: Films) -> None:
    film = phantom_films[0]
    seen = network_input(film)
    assert seen is not None and seen.min() == 0 and seen.max() == 1
    for quarters, is_inverted in POSES:
        turned = np.ascontiguousarray(np.rot90(film, quarters))
        other = network_input(255 - turned if is_inverted else turned)
        expected = np.rot90(seen, quarters)
        assert other is not None and np.allclose(other, 1 - expected if is_inverted else expected, atol=1e-5)


def test_the_file_is_small_and_says_its_limits_and_nothing_of_its_maker() -> None:
    content = files("plainfilm.models").joinpath("chest.onnx").read_bytes()
    assert len(content) <= 1_000_000
    assert b"site-packages" not in content and b"/work/" not in content and b".py" not in content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert set(session.get_modelmeta().custom_metadata_map) == {"limits"}


# How it is trained ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_short_training_writes_a_network_that_onnxruntime_runs_alike(phantom_films: Films, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from plainfilm.learn import chest_network

    others = [np.random.default_rng(0).integers(0, 256, (90, 140)).astype(np.uint8)]
    drawn = np.random.default_rng(1).integers(0, 256, (4, 128, 128)).astype(np.uint8)
    pictures = chest_network.Pictures(phantom_films, others, drawn, seed=0)
    films, classes = pictures.batch(3)
    again, same = pictures.batch(3)
    assert torch.equal(films, again) and torch.equal(classes, same)
    assert sorted(set(classes.tolist())) == list(range(9)) and 0 <= float(films.min()) <= float(films.max()) <= 1
    network = chest_network.train_chest_network(pictures, minutes=0.02)
    chest_network.fit_cloud(network, phantom_films)
    path = tmp_path / "chest.onnx"
    chest_network.write_onnx(network, chest_network.INPUT_PX, chest_network.OUTPUTS, path)
    limits = chest_network.fit_limits(path, phantom_films[:6])
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    logit, distance = session.run(None, {"films": films[:7].numpy()})
    with torch.inference_mode():
        expected, apart = network(films[:7])
    assert np.allclose(logit, expected.numpy(), atol=1e-3) and np.allclose(distance, apart.numpy(), atol=1e-2)
    assert 0 <= limits["least_likeness"] <= 1 and limits["most_distance"] > 0
    assert str(tmp_path).encode() not in path.read_bytes()


# With real films ------------------------------------------------------------------------------------------------------


def test_real_films_pass_and_posed_ones_are_named(real_films: Path) -> None:
    some = sorted(path for path in (real_films / "radiography").rglob("*") if is_film_name(path))[::25]
    films = _thumbnails(some)
    assert _share(films, "") >= 0.99
    for change, reason in ((255 - films, INVERTED), (films[:, ::-1, ::-1], UPSIDE_DOWN)):
        assert _share(np.ascontiguousarray(change), reason) >= 0.95
    for quarters in (1, 3):
        assert _share(np.ascontiguousarray(np.rot90(films, quarters, (1, 2))), ON_ITS_SIDE) >= 0.95


def test_films_of_other_collections_pass(real_films: Path) -> None:
    for folder in ("external", "lungs/images"):
        films = _thumbnails(sorted(path for path in (real_films / folder).rglob("*") if is_film_name(path))[::3])
        assert _share(films, "") >= 0.97, folder


def test_what_is_no_chest_film_is_turned_away(real_films: Path) -> None:
    foreign = sorted(path for path in (real_films / "ood").iterdir() if is_film_name(path))
    said = dict(zip([path.name for path in foreign], reasons(_thumbnails(foreign)), strict=True))
    assert len(said) >= 9 and "" not in said.values(), said
