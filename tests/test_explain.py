"""plainfilm explain: what it writes, what it refuses, and maps that cannot be trusted and say so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.conftest import TINY
from typer.testing import CliRunner

from plainfilm.core.explanation import (
    COARSE,
    EMPTY,
    OF_NO_NETWORK,
    OUTSIDE,
    PASSES,
    UNSTABLE,
    UNTRIED,
    Explanation,
    Trust,
)
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadImage, BadRun, CannotWrite

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from plainfilm.explain_jobs import explain_paths  # noqa: E402
from plainfilm.judge.overlay import Shown, explanation_png, overlay, with_alarm  # noqa: E402
from plainfilm.learn.explain import explain_films, map_shares  # noqa: E402
from plainfilm.learn.heatmaps import Maps, heatmaps  # noqa: E402
from plainfilm.learn.map_checks import shuffled_networks, try_maps  # noqa: E402
from plainfilm.learn.model import load_network  # noqa: E402


@pytest.fixture(scope="module")
def run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network with maps of 6 x 6 places."""
    from plainfilm.learn.train import train

    return train(
        manifest, tmp_path_factory.mktemp("runs") / "mapped", replace(TINY, model="cnn-plain", size=96, epochs=4)
    )


@pytest.fixture(scope="module")
def films(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two films of one name in two folders, a third, a damaged one, and one that is no film."""
    folder = tmp_path_factory.mktemp("films")
    chosen = [manifest.film_path(path) for path in manifest.ok["path"].iloc[[0, 20, 40]]]
    for place, name in enumerate(("a/same.png", "b/same.png", "c/other name.png")):
        (folder / name).parent.mkdir()
        shutil.copy(chosen[place], folder / name)
    (folder / "damaged.png").write_text("nothing")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    cv2.imwrite(str(folder / "noise.png"), noise)
    return folder


@pytest.fixture(scope="module")
def explained(run: Run, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("explained") / "out"
    explain_paths(run, [films], directory)
    return directory


def test_every_film_has_a_row_and_every_answer_a_map(run: Run, films: Path, explained: Path) -> None:
    from plainfilm.jobs import predict_paths

    table = pd.read_csv(explained / "explain.csv", keep_default_na=False)
    assert list(table["film"]) == sorted(str(path) for path in films.rglob("*.png"))
    mapped = table[table["class"] != ""]
    assert [Path(name).name for name in mapped["film"]] == ["same.png", "same.png", "other name.png"]
    assert list(table[table["status"] == "error"]["film"]) == [str(films / "damaged.png")]
    assert table.set_index("film")["turned_away"][str(films / "noise.png")] == "no frontal chest film"
    predictions = predict_paths(run, [films])
    at = {film: place for place, film in enumerate(predictions.table["image_id"])}
    probability = run.calibration().probability(predictions.logit[[at[film] for film in mapped["film"]]])
    np.testing.assert_allclose(mapped["probability"].astype(float), probability.max(axis=1), atol=1e-5)
    assert list(mapped["answer"]) == list(mapped["class"]) == [run.classes[c] for c in probability.argmax(axis=1)]


def test_films_of_one_name_do_not_overwrite_each_other(explained: Path) -> None:
    table = pd.read_csv(explained / "explain.csv", keep_default_na=False)
    names = [name for name in table["overlay"] if name]
    assert len(set(names)) == 3 == len(list((explained / "overlays").iterdir()))
    for name in names:
        picture = cv2.imread(str(explained / name))
        assert picture is not None and picture.shape[1] > 2 * 384
    first, second = (cv2.imread(str(explained / name)) for name in names[1:])
    assert first is not None and second is not None and (first[50:400] != second[50:400]).any()


def test_the_arrays_are_raw_and_hold_the_logits(run: Run, explained: Path) -> None:
    with np.load(explained / "maps.npz") as held:
        assert tuple(held["classes"]) == run.classes and int(held["size"]) == 96
        strength, logit = held["strength"], held["logit"]
        assert strength.shape == (3, 4, 6, 6) and strength.dtype == np.float32 and (strength < 0).any()
        bias = load_network(run).get_classifier().bias.detach().numpy()  # type: ignore[operator]
        np.testing.assert_allclose(strength.mean(axis=(2, 3)) + bias, logit, atol=1e-4)
        assert [Path(name).name for name in held["films"]] == ["same.png", "same.png", "other name.png"]


def test_the_page_and_the_sheet_show_the_maps_and_load_nothing(explained: Path) -> None:
    page = (explained / "explain.html").read_text()
    assert page.count("data:image/jpeg") == 6 and "http" not in page.replace("http-equiv", "")
    assert "no frontal chest film" in page and "is text, not a picture" in page
    assert cv2.imread(str(explained / "contact-sheet.png")) is not None


def test_all_classes_or_some_are_shown_when_asked_for(run: Run, films: Path, tmp_path: Path) -> None:
    one = explain_paths(run, [films / "a"], tmp_path / "all", classes=["all"]).table
    assert list(one["class"]) == list(run.classes) and one["probability"].sum() == pytest.approx(1)
    assert one["answer"].nunique() == 1 and one["overlay"].nunique() == 1
    two = explain_paths(run, [films / "a"], tmp_path / "two", classes=[run.classes[2], run.classes[0]]).table
    assert list(two["class"]) == [run.classes[2], run.classes[0]]


def test_a_film_that_is_turned_away_is_mapped_only_when_asked_for(run: Run, films: Path, tmp_path: Path) -> None:
    row = explain_paths(run, [films / "noise.png"], tmp_path / "out", even_turned_away=True).table.iloc[0]
    assert row["turned_away"] == "no frontal chest film" and row["answer"] == "" and np.isnan(row["probability"])
    assert row["class"] in run.classes and (tmp_path / "out" / row["overlay"]).is_file()
    assert "turned away" in (tmp_path / "out" / "explain.html").read_text()
    again = explain_paths(run, [films / "noise.png"], tmp_path / "out").table.iloc[0]
    assert again["class"] == "" and not list((tmp_path / "out" / "overlays").iterdir())
    assert not (tmp_path / "out" / "maps.npz").exists(), "what an earlier time left is gone"


def test_mistakes_are_told_before_anything_is_written(run: Run, films: Path, finished_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(BadConfig, match=r'--class Flu: is none of the run\'s classes\. Choose of .*, or "all"'):
        explain_paths(run, [films], out, classes=["Flu"])
    with pytest.raises(BadConfig, match="opacity is 2, expected"):
        explain_paths(run, [films], out, opacity=2)
    with pytest.raises(BadImage, match="is missing"):
        explain_paths(run, [films / "nowhere"], out)
    with pytest.raises(BadRun, match="Train with a larger --size, 128 or more"):
        explain_paths(finished_run, [films], out)
    assert not out.exists()
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(CannotWrite, match=r"holds thesis\.doc, which is no explanation"):
        explain_paths(run, [films], out)
    (out / "thesis.doc").unlink()
    (out / "overlays").mkdir()
    (out / "overlays" / "mine.png").write_text("mine")
    with pytest.raises(CannotWrite, match=r"holds mine\.png, which is no overlay"):
        explain_paths(run, [films], out)
    assert (out / "overlays" / "mine.png").read_text() == "mine"


def test_what_breaks_off_leaves_what_was_there(
    run: Run, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    explain_paths(run, [films / "a"], out)
    before = {path.name: path.stat().st_mtime_ns for path in out.rglob("*")}

    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("plainfilm.judge.explain_page.explain_page", stop)
    with pytest.raises(KeyboardInterrupt):
        explain_paths(run, [films], out)
    assert {path.name: path.stat().st_mtime_ns for path in out.rglob("*") if path != out} == before
    with pytest.raises(KeyboardInterrupt):
        explain_paths(run, [films], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_command_prints_the_checks_and_fails_where_nothing_could_be_read(
    run: Run, films: Path, tmp_path: Path
) -> None:
    from plainfilm.cli import app

    runner = CliRunner()
    done = runner.invoke(app, ["explain", str(run.directory), str(films), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "like shuffled" in done.output and "turned away: no frontal chest film" in done.output
    failed = runner.invoke(
        app, ["explain", str(run.directory), str(films / "damaged.png"), "-o", str(tmp_path / "bad")]
    )
    assert failed.exit_code == 1 and "is text, not a picture" in failed.output


def test_a_run_that_sees_lungs_alone_is_explained_too(manifest: Manifest, films: Path, tmp_path: Path) -> None:
    from plainfilm.learn.train import train

    config = replace(TINY, model="cnn-plain", size=64, epochs=1, region="lungs")
    alone = train(manifest, tmp_path / "alone", config)
    (explanation,) = explain_films(alone, [films / "a" / "same.png"], Silence())
    assert explanation.lungs.any(), "lungs are looked for in the film, not in what is left of it"
    outside = cv2.dilate(explanation.lungs.astype(np.uint8), np.ones((5, 5))) == 0
    assert (explanation.fitted[outside] == 0).all()


def test_shares_of_many_maps_are_those_of_each(run: Run, films: Path) -> None:
    paths = sorted(films.rglob("*.png"))[:3]
    each = list(explain_films(run, paths, Silence()))
    pixels, lungs = np.stack([one.fitted for one in each]), np.stack([one.lungs for one in each])
    shares = map_shares(run, pixels, lungs, Silence())
    c = shares.logit.argmax(axis=1)
    np.testing.assert_allclose(shares.logit, np.stack([one.logit for one in each]), atol=1e-5)
    expected = [one.trust(int(place)) for one, place in zip(each, c, strict=True)]
    np.testing.assert_allclose(shares.share_in_lungs, [trust.share_in_lungs for trust in expected], rtol=1e-4)
    np.testing.assert_allclose(shares.lungs_share, [trust.lungs_share for trust in expected])
    assert shares.mean_map.shape == (4, 6, 6)
    for place in range(4):
        assert np.isnan(shares.mean_map[place]).all() or shares.mean_map[place].sum() == pytest.approx(1, abs=1e-4)
    none = map_shares(run, pixels, np.zeros_like(lungs), Silence())
    assert np.isnan(none.share_in_lungs).all() and np.isnan(none.lungs_share).all()


# The checks ----------------------------------------------------------------------------------------------------------


def _edges(network: nn.Module, films: torch.Tensor) -> Maps:
    """An edge detector that is called a heatmap: it never asks the network."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    found = nn.functional.conv2d(films, torch.stack([kernel, kernel.T])[:, None], padding=1).norm(dim=1, keepdim=True)
    coarse = nn.functional.adaptive_avg_pool2d(found, 6).numpy()
    return Maps(np.zeros((len(films), 4), np.float32), np.repeat(coarse, 4, axis=1))


def _films_of(run: Run, manifest: Manifest, count: int = 12) -> torch.Tensor:
    from plainfilm.core.image import read_film
    from plainfilm.learn.infer import network_input

    pixels = [read_film(manifest.film_path(path)).pixels for path in manifest.ok["path"].iloc[:count]]
    fitted = np.stack([run.preprocess.fitted(each) for each in pixels])
    return network_input(torch.from_numpy(fitted).unsqueeze(1), run.preprocess)


def _chosen(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(maps.logit)), maps.logit.argmax(axis=1)


def test_an_edge_detector_is_found_out_and_the_network_is_not_accused(run: Run, manifest: Manifest) -> None:
    network, films = load_network(run), _films_of(run, manifest)
    shuffled = shuffled_networks(network)
    drawn = _edges(network, films)
    assert try_maps(_edges, network, shuffled, films, drawn).resemblance == pytest.approx(1)
    maps = heatmaps(network, films)
    tried = try_maps(heatmaps, network, shuffled, films, maps)
    own = tried.resemblance[_chosen(maps)]
    assert np.mean(own <= 0.5) > 0.9, own


def test_a_map_that_comes_and_goes_with_a_shift_is_found_out(run: Run, manifest: Manifest) -> None:
    network, films = load_network(run), _films_of(run, manifest, 4)

    def fickle(_: nn.Module, shown: torch.Tensor) -> Maps:
        """Noise drawn anew for every different film."""
        maps = [np.random.default_rng(abs(hash(film.numpy().tobytes()))).random((4, 6, 6)) for film in shown]
        return Maps(np.zeros((len(shown), 4), np.float32), np.stack(maps).astype(np.float32))

    shuffled = shuffled_networks(network, 1)
    assert (try_maps(fickle, network, shuffled, films, fickle(network, films)).stability < 0.6).all()
    assert (try_maps(_edges, network, shuffled, films, _edges(network, films)).stability > 0.6).all()


def test_a_map_that_moves_with_the_film_is_perfectly_stable(run: Run, manifest: Manifest) -> None:
    """Laid back, the maps of shifted films lie on the first: the sign of the shift is right."""
    network, films = load_network(run), _films_of(run, manifest, 2)

    def fine(_: nn.Module, shown: torch.Tensor) -> Maps:
        return Maps(np.zeros((len(shown), 4), np.float32), np.repeat(np.abs(shown.numpy()), 4, axis=1))

    assert try_maps(
        fine, network, shuffled_networks(network, 1), films, fine(network, films)
    ).stability == pytest.approx(1)


def test_maps_of_four_places_are_not_compared_by_ranks(run: Run, manifest: Manifest) -> None:
    films = _films_of(run, manifest, 2)
    coarse = Maps(np.zeros((2, 4), np.float32), np.random.default_rng(0).random((2, 4, 2, 2)).astype(np.float32))
    network = load_network(run)
    assert np.isnan(try_maps(lambda *_: coarse, network, shuffled_networks(network), films, coarse).resemblance).all()


def test_shuffling_keeps_the_values_and_the_network(run: Run) -> None:
    network = load_network(run)
    before = [weights.clone() for weights in network.parameters()]
    first, again = shuffled_networks(network, 1)[0], shuffled_networks(network, 2)
    for kept, weights, mixed, same, other in zip(
        before, network.parameters(), first.parameters(), again[0].parameters(), again[1].parameters(), strict=True
    ):
        assert torch.equal(kept, weights) and torch.equal(mixed, same)
        assert torch.equal(weights.flatten().sort().values, mixed.flatten().sort().values)
        assert weights.numel() < 8 or not (torch.equal(weights, mixed) or torch.equal(mixed, other))


@pytest.mark.parametrize(
    ("trust", "verdict"),
    [
        (Trust(0.5, 0.25, 0.9, 0.1), PASSES),
        (Trust(0.1, 0.25, 0.9, 0.1), f"FAILS: {OUTSIDE}"),
        (Trust(0.5, 0.25, 0.3, 0.1), f"FAILS: {UNSTABLE}"),
        (Trust(0.5, 0.25, 0.3, 0.9), f"FAILS: {UNSTABLE}; {OF_NO_NETWORK}"),
        (Trust(float("nan"), float("nan"), 0.9, 0.1), UNTRIED),
        (Trust(0.5, 0.25, 0.9, float("nan")), COARSE),
        (Trust(0.1, 0.25, 0.9, float("nan")), f"FAILS: {OUTSIDE}"),
        (Trust(float("nan"), 0.25, float("nan"), 0.0, is_empty=True), EMPTY),
    ],
)
def test_the_verdict_names_what_fails(trust: Trust, verdict: str) -> None:
    assert trust.verdict == verdict


def test_a_map_says_on_its_face_that_it_fails() -> None:
    plain = np.full((384, 384, 3), 128, np.uint8)
    np.testing.assert_array_equal(with_alarm(plain, Trust(0.5, 0.25, 0.9, 0.1)), plain)
    marked = with_alarm(plain, Trust(0.5, 0.25, 0.3, 0.1))
    reddish = (marked[:, :, 0].astype(int) > marked[:, :, 1] + 100).any(axis=1)
    assert reddish[:20].all() and not reddish[100:].any()
    assert (marked[:30] == 255).any(), "with white words"


def test_the_overlay_is_strongest_where_the_map_is_and_leaves_the_film_elsewhere() -> None:
    film = np.full((96, 96), 100, np.uint8)
    strength = np.full((6, 6), -1, np.float32)
    strength[1, 4] = 3
    picture = overlay(film, strength, np.zeros((96, 96), bool), 192).astype(int)
    moved = np.abs(picture - 100).sum(axis=2)
    assert np.unravel_index(moved.argmax(), moved.shape) == pytest.approx((48, 144), abs=4)
    assert (moved[120:] == 0).all() and (moved[:, :90] == 0).all()


def test_a_name_that_no_letter_can_write_is_drawn_all_the_same() -> None:
    explanation = Explanation(
        "film", np.zeros((32, 32), np.uint8), np.zeros((32, 32), bool), np.zeros(2, np.float32),
        np.ones((2, 3, 3), np.float32), np.ones(2), np.zeros(2),
    )  # fmt: skip
    shown = [Shown(0, "肺炎 " * 40, 0.5, explanation.trust(0)), Shown(1, "\x1b[31m", 0.5, explanation.trust(1))]
    assert explanation_png(explanation, shown, title="ä" * 300, warning="w" * 300).startswith(b"\x89PNG")
