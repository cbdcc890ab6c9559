"""Reproducing a recipe: its own split leaks and the other does not, nothing is trained twice, one failure stops nothing else."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import rows
from plainfilm.core.bootstrap import interval_of
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import SPLIT_BY_FILM, Manifest
from plainfilm.core.recipe import Claimed, Recipe, RecipeNetwork, RecipeSplit
from plainfilm.core.reproduction import WAYS, Reproduction
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadManifest, BadRun, Interrupted, WeightsUnavailable
from plainfilm.judge.reproduce.text import reproduction_text
from plainfilm.prepare.recipe_films import leaking, quota_of, recipe_films, split_counts
from plainfilm.reproduce_jobs import Reproduced, reproduce
from plainfilm.reproduce_plan import Instead, plan

pytestmark = pytest.mark.usefixtures("in_little")

TINY_NETWORK = {"network": {"model": "cnn-plain", "weights": "scratch"}}
RECIPE = Recipe(
    name="tiny",
    title="Tiny",
    source="nowhere",
    about="Three classes.",
    classes=("COVID", "Normal", "Pneumonia"),
    split=RecipeSplit(val=0.25, test=0.25),
    networks=(RecipeNetwork("Plain", TINY_NETWORK, Claimed(0.96)), RecipeNetwork("Broken one", TINY_NETWORK)),
    merge={"Viral Pneumonia": "Pneumonia"},
    had={"COVID": 3616, "Normal": 10192, "Pneumonia": 1345},
    sections={"films": {"size": 32}, "training": {"epochs": 1, "batch_size": 16}},
)
CPU = Instead(device="cpu")


def _paired(films_a_class: int, classes: tuple[str, ...] = RECIPE.classes) -> Manifest:
    """A manifest in which two films each are of one patient; no film lies on disk."""
    labels = [name for name in classes for _ in range(films_a_class)]
    table = rows(labels, group=[f"p{place // 2}" for place in range(len(labels))])
    return Manifest(table, classes, Path("/nowhere"))


# Films ----------------------------------------------------------------------------------------------------------------


def test_the_own_split_leaks_and_the_leak_free_does_not() -> None:
    found = recipe_films(_paired(40), RECIPE, {})
    films = found.manifest.films
    assert leaking(films, SPLIT_BY_FILM) > 10
    assert leaking(films, "split") == 0
    learnt = set(films.loc[films["split"].isin(["train", "val"]), "group"])
    assert not learnt & set(films.loc[films["split"] == "test", "group"])
    assert split_counts(found.manifest, "split") == split_counts(found.manifest, SPLIT_BY_FILM)
    assert split_counts(found.manifest, "split")["train"] == dict.fromkeys(RECIPE.classes, 20)
    again = recipe_films(_paired(40), RECIPE, {}).manifest
    assert again.fingerprint == found.manifest.fingerprint


def test_whole_groups_seldom_give_the_numbers_asked_for_and_the_own_split_takes_those_that_came() -> None:
    table = rows([name for name in RECIPE.classes for _ in range(60)], group=[f"p{place // 7}" for place in range(180)])
    found = recipe_films(Manifest(table, RECIPE.classes, Path("/nowhere")), RECIPE, {}).manifest
    assert split_counts(found, "split")["test"] != dict.fromkeys(RECIPE.classes, 15)
    assert split_counts(found, SPLIT_BY_FILM) == split_counts(found, "split")


def test_a_patient_in_two_groups_leaks_and_is_refused_at_the_door(tmp_path: Path) -> None:
    films = rows(["A"] * 2, split_own=["train", "test"], patient_id=["p", "p"])
    assert leaking(films, SPLIT_BY_FILM) == 1
    assert leaking(films.assign(patient_id=""), SPLIT_BY_FILM) == 0  # unknown is nobody's name
    paired = _paired(40)
    torn = replace(paired, films=paired.films.assign(patient_id="everybody"))
    with pytest.raises(BadManifest, match=r"cannot be split without leaks.*everybody"):
        reproduce(RECIPE, torn, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_shares_of_all_films_leave_none_out_by_rounding() -> None:
    quota, notes = quota_of({"A": 1345, "B": 10192}, RecipeSplit(val=0.1, test=0.2, train=0.7))
    assert quota[3].tolist() == [0, 0] and notes == []


def test_pixels_that_are_the_same_leak_too() -> None:
    films = rows(["A"] * 4, split_own=["train", "test", "test", "val"], sha256=["x", "x", "y", "y"])
    assert leaking(films, SPLIT_BY_FILM) == 1


def test_numbers_a_class_are_taken_as_they_are_and_shrink_where_films_are_few() -> None:
    plenty, notes = quota_of({"A": 1000}, RecipeSplit(val=100, test=100))
    assert (plenty.T.tolist(), notes) == ([[800, 100, 100, 0]], [])
    fixed, notes = quota_of({"A": 1000}, RecipeSplit(val=60, test=60, train=240))
    assert (fixed.T.tolist(), notes) == ([[240, 60, 60, 640]], [])
    few, notes = quota_of({"A": 150}, RecipeSplit(val=100, test=100))
    assert few.T.tolist() == [[76, 37, 37, 0]]
    assert notes == ["A has 150 films, fewer than the recipe's numbers take: 37 validate and 37 test"]
    half, notes = quota_of({"A": 300}, RecipeSplit(val=100, test=100))
    assert half.T.tolist() == [[150, 75, 75, 0]]
    assert notes == [
        "A has 300 films, and at least half of a class trains here, which the recipe's 200 for validation and test do not leave: "
        "75 validate and 75 test"
    ]
    shares, _ = quota_of({"A": 10, "B": 1000}, RecipeSplit(val=0.1, test=0.2, train=0.7))
    assert shares.T.tolist() == [[7, 1, 2, 0], [700, 100, 200, 0]]


def test_classes_are_merged_mapped_and_left_out() -> None:
    found = recipe_films(_paired(24, ("COVID", "Normal", "Viral Pneumonia", "Lung_Opacity")), RECIPE, {})
    assert found.left_out == {"Lung_Opacity": 24}
    assert split_counts(found.manifest, "split")["test"]["Pneumonia"] == 6
    theirs = _paired(24, ("Covid-19", "Normal", "Pneumonia"))
    named = recipe_films(theirs, RECIPE, {"Covid-19": "COVID"})
    assert (named.manifest.classes, named.left_out) == (RECIPE.classes, {})
    with pytest.raises(
        BadManifest, match=re.escape("has no film of COVID. Tiny has the classes COVID, Normal, Pneumonia; the")
    ):
        recipe_films(theirs, RECIPE, {})
    with pytest.raises(BadManifest, match=r'are Covid-19, Normal, Pneumonia\. .*--map "Covid-19=COVID"'):
        recipe_films(theirs, RECIPE, {})
    with pytest.raises(BadConfig, match='no film is labelled "Covid"; did you mean "Covid-19"'):
        recipe_films(theirs, RECIPE, {"Covid": "COVID"})
    with pytest.raises(BadConfig, match='Tiny has no class "COVD"; did you mean "COVID"'):
        recipe_films(theirs, RECIPE, {"Covid-19": "COVD"})
    with pytest.raises(BadManifest, match=r'--map "Covid-19=COVID"'):  # not Normal, which has a class
        recipe_films(_paired(24, ("Normal", "Covid-19", "Pneumonia")), RECIPE, {})
    too_small = "is too small for Tiny: class COVID has 2 readable films, which leaves none for .*Add films, or take another recipe"
    with pytest.raises(BadManifest, match=too_small):
        recipe_films(_paired(2), RECIPE, {})


# Plans ----------------------------------------------------------------------------------------------------------------


def test_a_plan_has_every_network_in_every_way(tmp_path: Path) -> None:
    trainings = plan(RECIPE, CPU, tmp_path)
    assert [training.folder for training in trainings] == [
        f"{network}/{way}" for network in ("plain", "broken-one") for way in WAYS
    ]
    own, sound, dark = (training.config for training in trainings[:3])
    assert (own.split, sound.split, dark.split) == (SPLIT_BY_FILM, "split", "split")
    assert (own.region, sound.region, dark.region) == ("film", "film", "background")
    assert (own.size, own.epochs, own.minutes) == (32, 1, 0)
    quick = plan(RECIPE, Instead(quick=True), tmp_path)[0].config
    assert (quick.size, quick.minutes) == (64, 1)
    longer = plan(RECIPE, Instead(quick=True, size=48, epochs=3), tmp_path)[0].config
    assert (longer.size, longer.minutes, longer.epochs) == (48, 0, 3)
    assert len(plan(RECIPE, Instead(networks=("Plain",)), tmp_path)) == 3
    (tmp_path / "broken-one").mkdir()
    assert len(plan(RECIPE, Instead(networks=("Plain",)), tmp_path)) == 6  # begun before, so it stays on the page


def test_other_weights_are_for_networks_that_start_from_imagenet_alone(tmp_path: Path) -> None:
    both = replace(RECIPE, networks=(RECIPE.networks[0], RecipeNetwork("R", {"network": {"model": "resnet18"}})))
    weights = {training.folder: training.config.weights for training in plan(both, Instead(weights="my.pth"), tmp_path)}
    assert (weights["plain/own"], weights["r/own"]) == ("scratch", "my.pth")


def test_a_frozen_network_from_scratch_is_thawed_and_says_so(tmp_path: Path) -> None:
    frozen = RecipeNetwork("F", {"network": {"model": "resnet18", "frozen_epochs": math.inf}})
    from_scratch, kept = (
        plan(replace(RECIPE, networks=(frozen,)), Instead(weights=weights), tmp_path)[0] for weights in ("scratch", "")
    )
    assert (from_scratch.config.frozen_epochs, kept.config.frozen_epochs) == (0, math.inf)
    assert from_scratch.changed == {"weights": ("imagenet", "scratch"), "frozen_epochs": ("inf", 0.0)}
    assert kept.changed == {}


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="--minutes and --epochs"):
        Instead(minutes=1, epochs=1)
    with pytest.raises(BadConfig, match="--size is 5"):
        plan(RECIPE, Instead(size=5), tmp_path)
    with pytest.raises(BadConfig, match='tiny has no network "Plan"; did you mean "Plain"'):
        plan(RECIPE, Instead(networks=("Plan",)), tmp_path)


# The whole way --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_places() -> list[str]:
    """Where a training was begun, in order."""
    return []


@pytest.fixture(scope="module")
def reproduced(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory, trained_places: list[str]) -> Reproduced:
    """The tiny recipe on phantoms; its second network runs out of memory."""
    pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patched:
        _break(patched, trained_places, "broken-one")
        return reproduce(RECIPE, manifest, tmp_path_factory.mktemp("reproduced") / "out", CPU)


def _break(
    patched: pytest.MonkeyPatch, places: list[str], broken: str, how: Callable[[], Exception] | None = None
) -> None:
    """Trainings are noted in `places`, and those below the folder `broken` fail."""
    from plainfilm.learn import train as module

    train = module.train

    def noted(manifest: Manifest, place: Path, *more: Any, **named: Any) -> Run:
        places.append(f"{place.parent.name}/{place.name}")
        if place.parent.name == broken:
            raise (how or (lambda: RuntimeError("out of memory:\n tried to allocate 3 GB")))()
        return train(manifest, place, *more, **named)

    patched.setattr(module, "train", noted)


def test_every_network_is_trained_and_judged_in_three_ways(reproduced: Reproduced, trained_places: list[str]) -> None:
    made = reproduced.reproduction
    assert trained_places == [f"{network}/{way}" for network in ("plain", "broken-one") for way in WAYS]
    assert [(row.network, row.way) for row in made.rows] == [(n.name, way) for n in RECIPE.networks for way in WAYS]
    assert made.films["own"]["test"] == made.films["leak-free"]["test"] == dict.fromkeys(RECIPE.classes, 4)
    assert made.left_out == {"Lung_Opacity": 16}
    for way in WAYS:
        row = made.row("Plain", way)
        assert row is not None
        run = Run.open(reproduced.page.parent / row.run)
        test = json.loads((run / "metrics.json").read_text())["splits"]["test"]
        assert row.scores["accuracy"] == interval_of(test["metrics"]["accuracy"])
        assert row.class_scores["COVID"]["sensitivity"] == interval_of(test["metrics"]["recall/COVID"])
        assert (sum(map(sum, row.confusion)), row.epochs, row.changed) == (12, 1, {})
        assert run.test_readings == 1
    dark = Run.open(reproduced.page.parent / "plain/no-lungs")
    assert dark.preprocess.region == "background"


def test_the_manifest_it_leaves_is_sound_but_for_the_own_split(reproduced: Reproduced) -> None:
    manifest = Manifest.open(reproduced.page.parent)
    assert manifest.check(["split"]) == []
    own, sound = (reproduced.reproduction.row("Plain", way) for way in ("own", "leak-free"))
    assert own is not None and sound is not None
    assert own.leaks == leaking(manifest.films, SPLIT_BY_FILM) > 0
    assert sound.leaks == 0
    assert {problem.kind for problem in manifest.check([SPLIT_BY_FILM])} == {"leak"}


def test_what_failed_says_why_and_stops_nothing(reproduced: Reproduced) -> None:
    assert reproduced.failed == 3
    for way in WAYS:
        row = reproduced.reproduction.row("Broken one", way)
        assert row is not None and row.problem == "out of memory: tried to allocate 3 GB" and not row.scores
    text = reproduction_text(reproduced.reproduction)
    assert "Broken one, own: FAILED: out of memory" in text
    assert re.search(r"Plain +0\.960 +0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", text)
    assert "out of memory" in reproduced.page.read_text()


def test_the_numbers_and_the_page_are_written(reproduced: Reproduced) -> None:
    assert Reproduction.open(reproduced.page.with_suffix(".json")) == reproduced.reproduction
    assert "Tiny" in reproduced.page.read_text()


def test_resuming_trains_nothing_twice(
    reproduced: Reproduced, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []
    _break(monkeypatch, places, "broken-one", lambda: BadRun("the loss became nan"))
    again = reproduce(RECIPE, manifest, reproduced.page.parent, CPU, resume=True)
    assert places == [f"broken-one/{way}" for way in WAYS]
    assert again.reproduction.rows[:3] == reproduced.reproduction.rows[:3]
    assert again.reproduction.rows[3].problem == "the loss became nan"
    assert Run.open(reproduced.page.parent / "plain/own").test_readings == 1


def test_what_is_interrupted_leaves_a_page_and_can_go_on(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    places: list[str] = []
    _break(monkeypatch, places, "plain", lambda: Interrupted("stopped"))
    with pytest.raises(Interrupted):
        reproduce(RECIPE, manifest, tmp_path / "out", CPU)
    assert places == ["plain/own"]
    assert Reproduction.open(tmp_path / "out" / "reproduce.json").rows == ()
    assert (tmp_path / "out" / "reproduce.html").is_file()
    with pytest.raises(Interrupted):
        reproduce(RECIPE, manifest, tmp_path / "out", CPU, resume=True)
    assert places == ["plain/own", "plain/own"]


@pytest.mark.slow
def test_by_the_clock_the_first_way_alone_is_timed_and_the_others_take_as_many_steps(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from plainfilm.learn import train as module

    train, asked = module.train, []

    def noted(manifest: Manifest, place: Path, config: TrainConfig, **named: Any) -> Run:
        asked.append((place.name, config.minutes, named["steps"]))
        return train(
            manifest, place, config, **{**named, "steps": named["steps"] or 3}
        )  # 3: for what the clock would give

    monkeypatch.setattr(module, "train", noted)
    by_the_clock = replace(CPU, minutes=5, networks=("Plain",))
    made = reproduce(RECIPE, manifest, tmp_path / "out", by_the_clock).reproduction
    assert asked == [("own", 5, 0), ("leak-free", 5, 3), ("no-lungs", 5, 3)]
    seen = {row.films_seen for row in made.rows if not row.problem}
    assert len(seen) == 1 and seen.pop() > 0


def test_a_taken_folder_and_other_settings_are_refused(
    reproduced: Reproduced, manifest: Manifest, tmp_path: Path
) -> None:
    taken = reproduced.page.parent
    with pytest.raises(BadRun, match="is no empty folder: choose another -o, or go on with it by --resume"):
        reproduce(RECIPE, manifest, taken, CPU)
    with pytest.raises(BadRun, match=r"begun with other settings \(size 32, not 48\)"):
        reproduce(RECIPE, manifest, taken, Instead(size=48, device="cpu"), resume=True)
    with pytest.raises(BadRun, match="begun on other films or with another recipe"):
        reproduce(replace(RECIPE, split=RecipeSplit(0.3, 0.25)), manifest, taken, CPU, resume=True)
    with pytest.raises(BadRun, match="with another recipe"):  # of the very same films and split
        reproduce(replace(RECIPE, name="other"), manifest, taken, CPU, resume=True)
    with pytest.raises(BadRun, match="is missing: there is nothing to go on with"):
        reproduce(RECIPE, manifest, tmp_path / "none", CPU, resume=True)


def test_stopped_while_it_was_judged_films_without_lungs_are_counted_again(
    reproduced: Reproduced, tmp_path: Path
) -> None:
    from plainfilm.core.progress import Silence
    from plainfilm.reproduce_jobs import _run_of

    begun = reproduced.page.parent
    (training,) = [one for one in plan(RECIPE, CPU, begun) if one.folder == "plain/no-lungs"]
    manifest = Manifest.open(begun / "manifest.csv")
    assert _run_of(training, manifest, begun / training.folder, Silence())[1] is None  # on the page already
    shutil.copytree(begun / training.folder, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    assert _run_of(training, manifest, tmp_path / "run", Silence())[1] == 0


def test_films_that_are_gone_are_told_at_once(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(BadManifest, match=r"names 120 films that cannot be found below /nowhere: 0\.png, 1\.png"):
        reproduce(RECIPE, _paired(40), tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_be_had_are_told_before_anything_is_written(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from plainfilm.learn import model

    def no_hub(config: Any, classes: int) -> None:
        raise WeightsUnavailable("no network. Or --weights scratch")

    monkeypatch.setattr(model, "_with_imagenet_weights", no_hub)
    recipe = replace(RECIPE, networks=(RECIPE.networks[0], RecipeNetwork("R", {"network": {"model": "resnet18"}})))
    with pytest.raises(WeightsUnavailable, match=r"R: no network\. Or --weights scratch"):
        reproduce(recipe, manifest, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_the_command_lists_and_refuses_in_one_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from plainfilm import cli

    listed = CliRunner().invoke(cli.app, ["reproduce", "--list"])
    assert listed.exit_code == 0 and "expand-ai" in listed.stdout and "0.960" in listed.stdout
    assert CliRunner().invoke(cli.app, ["reproduce"]).exit_code == 2
