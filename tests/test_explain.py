"""plainfilm explain: what it writes, what it refuses, and maps that cannot be trusted and say so."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tests.conftest import TINY
from typer.testing import CliRunner

from plainfilm.commands.explain import explain_command
from plainfilm.core.audit import NOT_AUDITED, Audit
from plainfilm.core.bundle import SHIPPED, Bundle
from plainfilm.core.calibration import Calibration, Scaling
from plainfilm.core.explanation import (
    COARSE,
    EMPTY,
    NO_LUNGS,
    OF_NO_NETWORK,
    OUTSIDE,
    PASSES,
    PASSES_UNSHUFFLED,
    UNSHUFFLED,
    UNSTABLE,
    UNTRIED,
    Explanation,
    Trust,
)
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.errors import BadBundle, BadConfig, BadImage, BadRun, CannotWrite

torch = pytest.importorskip("torch")

from plainfilm.core.map_checks import resemblance, stability  # noqa: E402
from plainfilm.core.network import Network, Scores  # noqa: E402
from plainfilm.core.overlay import overlay  # noqa: E402
from plainfilm.explain_jobs import explain_paths, standing_of  # noqa: E402
from plainfilm.judge.audit.standing import audit_note  # noqa: E402
from plainfilm.judge.overlay import Shown, explanation_png, with_alarm  # noqa: E402
from plainfilm.learn.explain import explainer_of, map_shares  # noqa: E402
from plainfilm.learn.infer import TorchNetwork  # noqa: E402
from plainfilm.learn.model import load_network  # noqa: E402
from plainfilm.learn.shuffled import shuffled_networks  # noqa: E402


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
    assert len(set(names)) == 3 == len(list((explained / "overlays").glob("*.png")))
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
    assert again["class"] == "" and not list((tmp_path / "out" / "overlays").glob("*.png"))
    assert not (tmp_path / "out" / "maps.npz").exists(), "what an earlier time left is gone"


def test_mistakes_are_told_before_anything_is_written(run: Run, films: Path, finished_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(BadConfig, match=r'--class Flu: is none of its classes\. Choose of .*, or "all"'):
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


def test_its_own_pictures_are_no_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plainfilm.jobs import films_of

    bundle = Bundle.open(SHIPPED)
    probe = bundle.probes[0]
    (tmp_path / probe.name).write_bytes(probe.content)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        explained = explain_paths(bundle, [Path()], Path("explain"), even_turned_away=True)
        assert list(explained.table["film"]) == [probe.name]
        assert len(list(Path("explain/overlays").glob("*.png"))) == 1 and Path("explain/contact-sheet.png").is_file()
    assert films_of(Path()) == [Path(probe.name)] and films_of(Path("explain/overlays")) == []
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert films_of(Path()) == [Path(probe.name)], "it goes round in a circle"


def test_a_name_that_is_no_utf8_is_explained_and_spelt_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.open(SHIPPED)
    film = tmp_path / os.fsdecode(b"bad\xff.png")
    film.write_bytes(bundle.probes[0].content)
    monkeypatch.setattr("sys.argv", ["plainfilm", "explain", str(film)])
    explained = explain_paths(bundle, [film], tmp_path / "maps", even_turned_away=True)
    (row,) = explained.table.to_dict("records")
    assert row["film"].endswith("bad\\xff.png") and row["status"] == "ok"
    assert "bad\\xff.png" in explained.page.read_text(encoding="utf-8")


def test_what_is_missing_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("nowhere", "nowhere.png"):
        with pytest.raises(BadImage, match=f"{name}: is missing: name a film"):
            explain_command([Path(name)], directory=tmp_path / "maps")


def test_a_second_process_leaves_the_first_one_s_work_alone(tmp_path: Path) -> None:
    bundle, out = Bundle.open(SHIPPED), tmp_path / "out"
    probe = bundle.probes[0]
    (tmp_path / probe.name).write_bytes(probe.content)
    code = (
        "import sys; from pathlib import Path; from plainfilm.serve.journal import only_writer\n"
        f"with only_writer(Path({str(out / 'explain.html')!r})): print('at it', flush=True); sys.stdin.read()"
    )
    (out / ".unfinished").mkdir(parents=True)
    (out / ".unfinished" / "half").touch()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"at it\n"
        with pytest.raises(CannotWrite, match="is being written by another process: wait for it, or choose another -o"):
            explain_paths(bundle, [tmp_path / probe.name], out)
        assert (out / ".unfinished" / "half").is_file()
    explain_paths(bundle, [tmp_path / probe.name], out)
    assert sorted(path.name for path in out.glob(".*")) == []


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
    ((_, explanation),) = explainer_of(alone, Silence()).explain(
        [films / "a" / "same.png"], Silence(), even_turned_away=True
    )
    assert explanation is not None and explanation.lungs.any(), (
        "lungs are looked for in the film, not in what is left of it"
    )
    outside = cv2.dilate(explanation.lungs.astype(np.uint8), np.ones((5, 5))) == 0
    assert (explanation.fitted[outside] == 0).all()


def test_shares_of_many_maps_are_those_of_each(run: Run, films: Path) -> None:
    paths = sorted(films.rglob("*.png"))[:3]
    told = list(explainer_of(run, Silence()).explain(paths, Silence(), even_turned_away=True))
    each = [one.explanation for one in told if one.explanation is not None]
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


def test_maps_of_many_films_are_those_of_the_class_that_is_answered(
    answering_run: Run, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is the most probable once calibrated, whatever the highest logit."""
    unlikely = Scaling("vector", (1.0,) * 4, (0.0, 0.0, 500.0, 0.0))
    calibration = replace(Calibration.none(answering_run.classes), scaling=unlikely)
    monkeypatch.setattr(Run, "calibration", lambda run: calibration)
    pixels = np.stack(
        [answering_run.preprocess.fitted(read_film(path).pixels) for path in sorted(films.rglob("*.png"))[:3]]
    )
    shares = map_shares(answering_run, pixels, np.ones(pixels.shape, np.bool_), Silence())
    assert shares.answer.tolist() == [2, 2, 2] and (shares.logit.argmax(axis=1) != 2).any()
    assert np.isnan(shares.mean_map[[0, 1, 3]]).all() and not np.isnan(shares.mean_map[2]).any()


# A bundle ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundled(answering_run: Run, bundle_path: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders "run" and "bundle" with what each wrote of the same films and all classes."""
    directory = tmp_path_factory.mktemp("bundled")
    for name, model in (("run", answering_run), ("bundle", Bundle.open(bundle_path))):
        explain_paths(model, [films], directory / name, classes=["all"], even_turned_away=True)
    return directory


def test_a_bundle_explains_as_its_run_does(bundled: Path) -> None:
    for name in ("films", "classes", "size"):
        one, other = (np.load(bundled / of / "maps.npz")[name] for of in ("run", "bundle"))
        np.testing.assert_array_equal(one, other)
    for name in ("logit", "strength"):
        one, other = (np.load(bundled / of / "maps.npz")[name] for of in ("run", "bundle"))
        np.testing.assert_allclose(one, other, atol=1e-3)
        assert one.std() > 0.01
    run, bundle = (pd.read_csv(bundled / of / "explain.csv", keep_default_na=False) for of in ("run", "bundle"))
    same = ["film", "answer", "class", "status", "turned_away", "error", "overlay"]
    pd.testing.assert_frame_equal(run[same], bundle[same])
    for name in ("probability", "share_in_lungs", "lungs_share", "stability"):
        np.testing.assert_allclose(
            pd.to_numeric(run[name]), pd.to_numeric(bundle[name]), atol=1e-3, err_msg=name, equal_nan=True
        )
    assert (run["randomisation"] != "").sum() > 8


def test_what_a_bundle_cannot_try_is_said_everywhere(bundled: Path) -> None:
    table = pd.read_csv(bundled / "bundle" / "explain.csv", keep_default_na=False)
    mapped = table[table["class"] != ""]
    assert (mapped["randomisation"] == "").all() and not (mapped["verdict"] == PASSES).any()
    tried = mapped[~mapped["verdict"].str.startswith(("FAILS", "empty"))]
    assert len(tried) and tried["verdict"].str.endswith("a bundle cannot shuffle its network").all()
    page = (bundled / "bundle" / "explain.html").read_text()
    assert "Like shuffled networks&#x27;: not tried" in page and "a bundle in fp32" in page
    assert not (mapped["verdict"].str.contains("too few places")).any()


def test_a_bundle_is_explained_by_the_command(bundle_path: Path, films: Path, tmp_path: Path) -> None:
    from plainfilm.cli import app

    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["explain", str(bundle_path), str(films / "a"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "like shuffled" not in done.output and (out / "contact-sheet.png").is_file()
    assert f"note: {NOT_AUDITED}." in done.output and NOT_AUDITED in (out / "explain.html").read_text()
    missing = CliRunner().invoke(app, ["explain", str(tmp_path / "none"), str(films)])
    assert "is missing: name a run" in str(missing.exception)
    named = CliRunner().invoke(
        app, ["explain", str(films / "a"), "--bundle", str(bundle_path), "-o", str(tmp_path / "b")]
    )
    assert named.exit_code == 0, named.output
    assert (tmp_path / "b" / "explain.csv").read_bytes() == (out / "explain.csv").read_bytes()
    for twice in (
        ["explain", str(bundle_path), str(films / "a"), "--bundle", str(bundle_path)],
        ["explain", str(films / "a"), "--bundle", str(bundle_path), "--run", str(tmp_path)],
    ):
        assert CliRunner().invoke(app, twice).exit_code == 2


def test_a_bundle_s_map_that_passes_says_so_beside_its_picture() -> None:
    from plainfilm.judge.explain_page import _verdict

    assert "passes 2 of 3" in _verdict(Trust(0.5, 0.25, 0.9, float("nan"), has_shuffled=False))[0]
    told = _verdict(Trust(float("nan"), float("nan"), 0.9, float("nan"), has_shuffled=False))
    assert UNTRIED in told[0] and NO_LUNGS in told[1] and UNSHUFFLED not in told[1]


def test_the_audit_of_a_model_stands_at_the_head_of_its_page(bundle_path: Path, films: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    audit = Audit("run", "tiny", "Accuracy 0.97, of which 0.89 without the lungs", (), {}).to_dict()
    audited = replace(bundle, about={**bundle.about, "audit": audit})
    page = explain_paths(audited, [films / "a"], tmp_path / "out").page.read_text()
    assert 0 < page.index("Accuracy 0.97, of which 0.89 without the lungs") < page.index('id="summary"')
    assert audit_note(standing_of(audited)).endswith("Accuracy 0.97, of which 0.89 without the lungs")


def test_a_bundle_without_heatmaps_says_why(bundle_path: Path, films: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    network = copy.copy(bundle.network)
    network.has_maps = False
    without = replace(bundle, network=network, about={**bundle.about, "why_no_heatmaps": "its tokens are no grid"})
    with pytest.raises(BadBundle, match=r"tiny\.plainfilm: gives no heatmaps: its tokens are no grid"):
        explain_paths(without, [films], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_explaining_a_bundle_loads_no_torch(bundle_path: Path, films: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from plainfilm.cli import app\n"
        f"try: app(['explain', {str(bundle_path)!r}, {str(films / 'a')!r}, '-o', {str(tmp_path / 'out')!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {name.split('.')[0] for name in sys.modules} & {'torch', 'matplotlib', 'PIL', 'scipy', 'sklearn'}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_cell_of_the_table_never_runs_as_a_formula(
    bundle_path: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(films / "a" / "same.png", tmp_path / "=1+1.png")
    (tmp_path / "-2.png").write_text("no film")
    monkeypatch.chdir(tmp_path)
    explained = explain_paths(Bundle.open(bundle_path), [Path("=1+1.png"), Path("-2.png")], tmp_path / "out")
    text = (tmp_path / "out" / "explain.csv").read_text()
    assert "\n'=1+1.png," in text and "\n'-2.png," in text
    assert list(explained.table["film"]) == ["=1+1.png", "-2.png"]


# The checks ----------------------------------------------------------------------------------------------------------


class _Posing:
    """A network whose heatmaps are what a function makes of the films, (N, S, S) -> (N, h, w), for each of four classes alike."""

    has_maps = True

    def __init__(self, draw: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
        self._draw = draw

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        strength = np.repeat(np.asarray(self._draw(films), np.float32)[:, None], 4, axis=1)
        return Scores(np.zeros((len(films), 4), np.float32), np.zeros((len(films), 2), np.float32), strength)


def _edges(films: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An edge detector that is called a heatmap: it never asks the network."""
    found = [np.hypot(cv2.Sobel(film, cv2.CV_32F, 1, 0), cv2.Sobel(film, cv2.CV_32F, 0, 1)) for film in films]
    return np.stack([cv2.resize(each, (6, 6), interpolation=cv2.INTER_AREA) for each in found])


def _fickle(films: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Noise drawn anew for every different film."""
    return np.stack([np.random.default_rng(zlib.crc32(film.tobytes())).random((6, 6)) for film in films])


def _fitted(run: Run, manifest: Manifest, count: int) -> NDArray[np.uint8]:
    from plainfilm.core.image import read_film

    pixels = [read_film(manifest.film_path(path)).pixels for path in manifest.ok["path"].iloc[:count]]
    return np.stack([run.preprocess.fitted(each) for each in pixels])


def _strength(network: Network, films: NDArray[np.uint8]) -> NDArray[np.float32]:
    strength = network.scores(films, maps=True).strength
    assert strength is not None
    return strength


def test_an_edge_detector_is_found_out_and_the_network_is_not_accused(run: Run, manifest: Manifest) -> None:
    network, films = TorchNetwork(run, Silence()), _fitted(run, manifest, 12)
    posing = _Posing(_edges)
    assert resemblance([posing] * 3, films, _strength(posing, films)) == pytest.approx(1)
    shuffled = [network.with_module(module) for module in shuffled_networks(network.module)]
    scores = network.scores(films, maps=True)
    assert scores.strength is not None
    own = resemblance(shuffled, films, scores.strength)[np.arange(12), scores.logit.argmax(axis=1)]
    assert np.mean(own <= 0.5) > 0.9, own
    assert resemblance([network], films, scores.strength) == pytest.approx(1), "a network resembles itself"


def test_a_map_that_comes_and_goes_with_a_shift_is_found_out(run: Run, manifest: Manifest) -> None:
    films = _fitted(run, manifest, 4)
    for draw, is_stable in ((_fickle, False), (_edges, True)):
        posing = _Posing(draw)
        assert ((stability(posing, films, _strength(posing, films)) > 0.6) == is_stable).all()


def test_a_map_that_moves_with_the_film_is_perfectly_stable(run: Run, manifest: Manifest) -> None:
    """Laid back, the maps of shifted films lie on the first: the sign of the shift is right."""
    films, posing = _fitted(run, manifest, 2), _Posing(lambda shown: shown.astype(np.float32))
    assert stability(posing, films, _strength(posing, films)) == pytest.approx(1)


def test_an_empty_map_is_neither_stable_nor_not(run: Run, manifest: Manifest) -> None:
    films, posing = _fitted(run, manifest, 2), _Posing(lambda shown: -np.ones((len(shown), 6, 6), np.float32))
    assert np.isnan(stability(posing, films, _strength(posing, films))).all()


def test_maps_of_four_places_are_not_compared_by_ranks(run: Run, manifest: Manifest) -> None:
    films, posing = _fitted(run, manifest, 2), _Posing(lambda shown: _fickle(shown)[:, :2, :2])
    assert np.isnan(resemblance([posing], films, _strength(posing, films))).all()


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
        (Trust(float("nan"), float("nan"), 0.9, 0.1), f"{UNTRIED}: {NO_LUNGS}"),
        (Trust(0.5, 0.25, 0.9, float("nan")), f"{UNTRIED}: {COARSE}"),
        (Trust(0.5, 0.25, 0.9, float("nan"), has_shuffled=False), PASSES_UNSHUFFLED),
        (
            Trust(float("nan"), float("nan"), 0.9, float("nan"), has_shuffled=False),
            f"{UNTRIED}: {NO_LUNGS}; {UNSHUFFLED}",
        ),
        (Trust(0.1, 0.25, 0.9, float("nan"), has_shuffled=False), f"FAILS: {OUTSIDE}"),
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
    of_bundle = Trust(0.5, 0.25, 0.9, float("nan"), has_shuffled=False)
    np.testing.assert_array_equal(with_alarm(plain, of_bundle), plain, "what no bundle can try is said beside its maps")
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
