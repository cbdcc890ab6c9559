"""The lungs: outlines against masks that the network never saw, pictures that hold none, and training on lungs alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from numpy.typing import NDArray

from conftest import TINY
from plainfilm.core import lungs
from plainfilm.core.calibration import Calibration
from plainfilm.core.image import read_film
from plainfilm.core.lungs import (
    INPUT_PX,
    NO_LUNGS,
    find_lungs,
    find_lungs_of,
    network_input,
    segmenter_version,
    two_lungs,
)
from plainfilm.core.manifest import Manifest
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.learn.drawings import DRAWN
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom import FINDINGS, render_phantom

Mask = NDArray[np.bool_]


def dice(found: Mask, true: Mask) -> float:
    """Twice the overlap over both areas."""
    return float(2 * (found & true).sum() / max(int(found.sum() + true.sum()), 1))


def phantom(seed: int, finding: str = "Normal", size_px: int = 256) -> tuple[NDArray[np.uint8], Mask]:
    """A phantom that the training has not drawn."""
    return render_phantom(finding, np.random.default_rng([20261121, seed]), size_px)


# What is found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finding", FINDINGS)
def test_the_lungs_of_phantoms_are_outlined(finding: str) -> None:
    scores = []
    for seed in range(10):
        film, true = phantom(seed, finding)
        found = find_lungs(film)
        assert found.is_found and found.mask.dtype == np.bool_ and found.share == found.mask.mean()
        scores.append(dice(found.mask, true))
    assert np.mean(scores) > 0.93, scores


@pytest.mark.slow
def test_the_lungs_of_real_films_never_trained_on(real_films: Path, tmp_path: Path) -> None:
    """The test split of docs/results/lungs.md: `plainfilm prepare` of the pairs, with its own seed and a fifth for the test."""
    manifest = pairs_manifest(real_films / "lungs", tmp_path)
    rows = manifest.ok.query("split == 'test'")
    assert len(rows) == 112
    scores = []
    for film, mask in zip(rows["path"], rows["mask_path"], strict=True):
        true = read_film(manifest.film_path(mask)).pixels > 127
        scores.append(dice(find_lungs(read_film(manifest.film_path(film)).pixels).mask, true))
    assert np.mean(scores) >= 0.95
    assert np.min(scores) > 0.7


def pairs_manifest(folder: Path, output: Path) -> Manifest:
    """The pairs of films and masks, a patient each, split by `prepare`."""
    table = pd.DataFrame({"path": [str(path) for path in sorted((folder / "images").glob("*.jpg"))]})
    stem = table["path"].map(lambda path: Path(path).stem)
    room, number, finding = (stem.str.split("_").str[part] for part in range(3))
    table = table.assign(
        mask_path=[str(folder / "masks" / f"{name}.png") for name in stem],
        patient_id=room + "_" + number,
        label=finding.map({"0": "normal", "1": "tuberculosis"}),
        source=room,
    )
    table.to_csv(output / "pairs.csv", index=False)
    return prepare(output / "pairs.csv", output / "pairs", PrepareOptions())


@pytest.mark.parametrize("name", ["radiography/Normal/images", "external/cohen", "dicom"])
def test_lungs_are_found_in_frontal_films(real_films: Path, name: str) -> None:
    paths = sorted(path for path in (real_films / name).iterdir() if path.is_file())[:60]
    films = [read_film(path).pixels for path in paths if path.name != "not-a-radiograph.dcm" and _is_readable(path)]
    assert np.mean([find_lungs(film).is_found for film in films]) >= 0.95


def _is_readable(path: Path) -> bool:
    from plainfilm.errors import BadImage

    try:
        read_film(path)
    except BadImage:
        return False
    return True


def test_no_lungs_are_found_in_what_is_no_chest_film(real_films: Path) -> None:
    found = [
        path.name for path in sorted((real_films / "ood").iterdir()) if find_lungs(read_film(path).pixels).is_found
    ]
    assert not found


@pytest.mark.parametrize("draw", [draw for _, draw in DRAWN], ids=lambda draw: draw.__name__)
def test_no_lungs_are_found_in_drawings(draw: object) -> None:
    assert callable(draw)
    rng = np.random.default_rng(7)  # not the pictures of the training
    masks = find_lungs_of(np.stack([draw(rng) for _ in range(30)]))
    assert masks.any(axis=(1, 2)).sum() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("grey", [0, 1, 128, 255])
def test_a_constant_film_holds_no_lungs(grey: int, dtype: type) -> None:
    found = find_lungs(np.full((50, 70), grey, dtype))
    assert not found.is_found and found.share == 0 and found.mask.shape == (50, 70) and not found.mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3, 2), (64, 64), (127, 129), (300, 180), (1500, 2100)])
def test_a_film_of_any_size_keeps_it(shape: tuple[int, int]) -> None:
    film, true = phantom(3)
    resized = cv2.resize(film, shape[::-1], interpolation=cv2.INTER_AREA).reshape(shape)
    found = find_lungs(resized.astype(np.uint8))
    assert found.mask.shape == shape
    if min(shape) >= 64:
        same = cv2.resize(true.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        assert dice(found.mask, same) > 0.9


@pytest.mark.parametrize("shift", [0, 4, 8])
def test_the_depth_of_a_film_changes_nothing(shift: int) -> None:
    film, _ = phantom(4)
    deep = (film.astype(np.uint16) << shift).astype(np.uint16)
    assert dice(find_lungs(deep).mask, find_lungs(film).mask) > 0.995


def test_many_films_are_answered_as_each_alone() -> None:
    films = np.stack([phantom(seed, size_px=128)[0] for seed in range(37)])
    masks = find_lungs_of(films)
    assert masks.shape == films.shape and masks.dtype == np.bool_
    assert min(dice(masks[place], find_lungs(film).mask) for place, film in enumerate(films)) > 0.995
    assert find_lungs_of(films[:0]).shape == (0, 128, 128)


@pytest.mark.parametrize("size_px", [256, 2000])
def test_a_film_takes_less_than_30_ms(size_px: int) -> None:
    film = cv2.resize(phantom(4)[0], (size_px, size_px)).astype(np.uint8)
    find_lungs(film)
    seconds = []
    for _ in range(7):  # processor time of all threads, since other work may share the machine
        begun = time.process_time()
        find_lungs(film)
        seconds.append(time.process_time() - begun)
    assert np.median(seconds) < 0.030


def test_two_pieces_stay_and_holes_are_filled() -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[10:50, 8:26], drawn[10:50, 36:56] = 255, 255
    drawn[20:24, 12:16], drawn[55:58, 55:58] = 0, 255  # a hole, a crumb
    kept = two_lungs(drawn) >= 128
    expected = np.zeros((64, 64), np.bool_)
    expected[10:50, 8:26], expected[10:50, 36:56] = True, True
    assert (kept == expected).all()
    assert not two_lungs(np.where(np.add.outer(np.arange(64), np.arange(64)) < 5, 255, 0).astype(np.uint8)).any()


# What ships -----------------------------------------------------------------------------------------------------------


def test_the_network_is_small_takes_any_batch_and_tells_nothing_of_where_it_was_made() -> None:
    content = files("plainfilm.models").joinpath("lungs.onnx").read_bytes()
    assert len(content) <= 3_000_000
    for word in (b"/work", b"/home", b"/tmp", b".py", b"site-packages"):
        assert word not in content
    batch = onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim
    assert batch[0].dim_param and [size.dim_value for size in batch[1:]] == [1, INPUT_PX, INPUT_PX]


def test_the_version_follows_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    before = segmenter_version()
    assert len(before) == 12 and before == segmenter_version()
    monkeypatch.setattr(lungs, "_model", lambda: b"another network")
    assert segmenter_version() != before


@pytest.mark.slow
def test_the_command_trains_on_phantoms_and_writes_a_network(manifest: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    written = tmp_path / "lungs.onnx"
    command = [sys.executable, "-m", "plainfilm.learn.lung_network", manifest.path, "--unmasked", manifest.path]
    done = subprocess.run([*command, "-o", written, "--minutes", "0.02"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "films with masks" in done.stdout
    session = onnxruntime.InferenceSession(written.read_bytes(), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        outline, presence = lungs.probabilities(np.zeros((count, INPUT_PX, INPUT_PX), np.float32), session)
        assert outline.shape == (count, INPUT_PX, INPUT_PX) and presence.shape == (count,)
        assert np.isfinite(outline).all() and np.isfinite(presence).all()


def test_a_few_steps_of_training_learn_something() -> None:
    torch = pytest.importorskip("torch")
    from plainfilm.learn.lung_network import LungNetwork, lung_loss

    torch.manual_seed(0)
    drawn = [phantom(seed, size_px=128) for seed in range(8)]
    seen = torch.from_numpy(np.stack([network_input(film) for film, _ in drawn]))[:, None]
    true = torch.from_numpy(np.stack([mask for _, mask in drawn]).astype(np.float32))[:, None]
    network = LungNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = lung_loss(*network(seen), true)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_loss_is_lowest_for_the_truth_and_knows_pictures_without_lungs() -> None:
    torch = pytest.importorskip("torch")
    from plainfilm.learn.lung_network import lung_loss

    true = torch.zeros(2, 1, 32, 32)
    true[0, :, 8:24, 8:24] = 1
    right, presence = 20 * true - 10, torch.tensor([9.0, -9.0])
    best = lung_loss(right, presence, true)
    assert best < 0.01
    assert lung_loss(-right, presence, true) > 5 and lung_loss(right, -presence, true) > best + 1
    assert torch.isfinite(lung_loss(right[1:], presence[1:], true[1:]))


# Lungs alone, from the recipe to the answer ---------------------------------------------------------------------------


def test_the_recipe_finds_the_lungs_itself() -> None:
    film, true = phantom(5)
    recipe = Preprocess(size=128, region="lungs")
    fitted, whole = recipe.fitted(film), dataclasses.replace(recipe, region="film").fitted(film)
    assert dice(fitted > 0, cv2.resize(true.astype(np.uint8), (128, 128)) > 0) > 0.9
    assert (fitted[fitted > 0] == whole[fitted > 0]).all()
    assert not recipe.fitted(np.full((90, 90), 40, np.uint8)).any()


def test_a_network_that_sees_lungs_alone_is_trained_evaluated_and_asked(
    manifest: Manifest, phantoms: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from plainfilm.learn.infer import predict_films, predict_manifest
    from plainfilm.learn.train import train

    unmasked = Manifest.open(_without_masks(manifest, tmp_path))
    run = train(unmasked, tmp_path / "run", dataclasses.replace(TINY, region="lungs", epochs=1))
    assert run.preprocess.region == "lungs"
    judged = predict_manifest(run, unmasked, ["val"], Silence())
    film = next(iter(sorted((phantoms / "Normal" / "images").glob("*.png"))))
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((80, 80), 90, np.uint8))
    dataclasses.replace(Calibration.none(run.classes), gate=()).write(run / "calibration.json")
    asked = predict_films(run, [film, blank], Silence())
    assert list(asked.turned_away) == ["", NO_LUNGS]
    is_read = (judged.table["status"] == "ok").to_numpy()
    assert np.isfinite(judged.logit[is_read]).all() and np.isfinite(asked.logit[0]).all()
    on_one_way = predict_manifest(run, unmasked, ["train", "val", "test"], Silence())
    place = on_one_way.table["image_id"].tolist().index(film.stem)
    assert np.allclose(on_one_way.logit[place], asked.logit[0], atol=1e-4)


def _without_masks(manifest: Manifest, folder: Path) -> Path:
    """The same films, whose masks nobody knows."""
    assert manifest.path is not None
    table = pd.read_csv(manifest.path, dtype=str, keep_default_na=False).assign(mask_path="")
    table.to_csv(folder / "manifest.csv", index=False)
    dataset = json.loads((manifest.path.parent / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder / "manifest.csv"


def test_films_without_lungs_stay_in_training_as_black_films_and_are_counted(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import torch

    from plainfilm.learn.films import cache_films

    for name, film in {"a": phantom(6)[0], "b": np.full((64, 64), 50, np.uint8), "c": phantom(7)[0]}.items():
        (tmp_path / "films" / "Normal").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "films" / "Normal" / f"{name}.png"), film)
    manifest = prepare(tmp_path / "films", tmp_path / "data", PrepareOptions(split=False))
    heard: list[str] = []

    class Ears(Silence):
        def say(self, line: str) -> None:
            heard.append(line)

    for _ in range(2):  # written, then opened
        cache = cache_films(manifest, manifest.ok, Preprocess(size=64, region="lungs"), torch.device("cpu"), Ears())
        assert cache.pixels.any(axis=(1, 2)).tolist() == [True, False, True]
    assert heard == ["no lungs were found in 1 film of 3: the network sees them black"] * 2
    cache_films(manifest, manifest.ok, Preprocess(size=64), torch.device("cpu"), Ears())
    assert len(heard) == 2
    whole = cache_films(manifest, manifest.ok, Preprocess(size=64), torch.device("cpu"), Silence())
    assert not whole.without_lungs
    for _ in range(2):
        beside = cache_films(
            manifest, manifest.ok, Preprocess(size=64, region="background"), torch.device("cpu"), Ears()
        )
        assert (beside.pixels == whole.pixels).all(axis=(1, 2)).tolist() == [False, True, False]
        assert len(beside.without_lungs) == 1 and next(iter(beside.without_lungs)).startswith("b")
    assert heard[2:] == ["no lungs were found in 1 film of 3: the network sees them as they are"] * 2


def test_another_segmenter_is_another_cache(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from plainfilm.learn import films

    recipes = [Preprocess(size=64, region=region) for region in ("film", "lungs", "background")]  # type: ignore[arg-type]
    before = [films._key(manifest.ok, recipe) for recipe in recipes]
    monkeypatch.setattr(films, "segmenter_version", lambda: "another")
    after = [films._key(manifest.ok, recipe) for recipe in recipes]
    assert before[0] == after[0] and before[1] != after[1] and before[2] != after[2]
    assert len(set(before)) == 3


def test_a_run_of_another_segmenter_says_so(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text('{"inputs": {"segmenter": "1-older"}}')
    recipe = Preprocess(size=64, region="lungs")
    run = Run(tmp_path, ("COVID", "Normal"), TINY, recipe, "", tmp_path / "manifest.csv")
    assert "another version of the segmenter found (1-older, not " in run.segmenter_note
    (tmp_path / "environment.json").write_text(f'{{"inputs": {{"segmenter": "{segmenter_version()}"}}}}')
    assert run.segmenter_note == ""
    assert dataclasses.replace(run, preprocess=Preprocess(size=64)).segmenter_note == ""
