"""The page of a reproduction: true to the noun, escaped, offline, loud where a claim is no yardstick, silent about no failure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainfilm.commands.reproduce import reproduce_command
from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.matrix import matrix
from plainfilm.core.predictions import Predictions
from plainfilm.core.recipe import Claimed, Recipe, RecipeNetwork, RecipeSplit
from plainfilm.core.reproduction import SCORES, WAYS, Reproduction, Trained
from plainfilm.core.run import Run
from plainfilm.errors import BadRun, Interrupted
from plainfilm.judge.reproduce.page import reproduce_page
from plainfilm.judge.reproduce.text import reproduction_text
from plainfilm.judge.reproduce.words import WAY_WORDS, finding, step_words, steps, why_not_comparable
from plainfilm.reproduce_checks import MANIFEST, refuse_other_settings, refuse_taken
from plainfilm.reproduce_plan import Training
from test_report import Reader, make_films

CLASSES = ("COVID", "Normal", "Viral Pneumonia")
VALUES = {"own": 0.941, "leak-free": 0.912, "no-lungs": 0.871}
NOTHING = "–"


def around(value: float, width: float = 0.018) -> Interval:
    return Interval(value, round(value - width, 4), round(min(1, value + width), 4))


def trained(network="ResNet-18", way="own", value=None, **changes) -> Trained:
    """A training that reached `value` of accuracy on 300 test films, 100 a class."""
    value = VALUES[way] if value is None else value
    right, first = round(value * 100), (100 - round(value * 100)) // 2
    confusion = np.full((3, 3), first)
    np.fill_diagonal(confusion, right)
    confusion[[0, 1, 2], [1, 2, 0]] += 100 - right - 2 * first
    shift = {"accuracy": 0.0, "balanced_accuracy": -0.004, "macro_auroc": 0.04, "macro_f1": -0.006}
    of_class = {"sensitivity": 0.001, "precision": -0.002, "f1": 0.0005, "auroc": 0.03}
    usual = {
        "network": network,
        "way": way,
        "run": f"{network.lower()}/{way}",
        "seconds": 83.0,
        "epochs": 7,
        "leaks": 37 if way == "own" else 0,
        "scores": {name: around(min(0.999, value + shift[name])) for name in SCORES},
        "class_scores": {
            label: {name: around(min(0.999, value + by - place / 100), 0.03) for name, by in of_class.items()}
            for place, label in enumerate(CLASSES)
        },
        "confusion": tuple(map(tuple, confusion.tolist())),
    }
    return Trained(**(usual | changes))


def failed(network, way, why="out of memory") -> Trained:
    return Trained(network=network, way=way, run=f"{network.lower()}/{way}", problem=why, seconds=12.0)


RECIPE = Recipe(
    name="expand-ai",
    title="Expand-AI assignment",
    source="repository expand-ai",
    about="Three classes, ResNet-18.",
    classes=CLASSES,
    split=RecipeSplit(val=0.1, test=0.2),
    networks=(
        RecipeNetwork(
            "ResNet-18", {}, Claimed(accuracy=0.96, f1={"COVID": 0.953, "Normal": 0.942}, words="test accuracy 0.96")
        ),
    ),
    had={"COVID": 300, "Normal": 300, "Viral Pneumonia": 300},
    shows=("confusion matrices", "class counts"),
    wished="more data, tuning",
    not_stated=("Seed: 0", "Share of films mirrored: one half"),
)
FILMS = {
    way: {
        "train": {"COVID": 201, "Normal": 240, "Viral Pneumonia": 240},
        "val": {"COVID": 29, "Normal": 30, "Viral Pneumonia": 30},
        "test": {"COVID": 60, "Normal": 60, "Viral Pneumonia": 60},
    }
    for way in WAYS
}
WHOLE = Reproduction(
    recipe=RECIPE,
    quick=False,
    minutes=0.0,
    weights="",
    size=0,
    films=FILMS,
    rows=tuple(trained(way=way) for way in WAYS),
    left_out={"Lung_Opacity": 251},
    without_lungs=4,
    made={"command": "plainfilm reproduce expand-ai m.csv", "made_at": "2026-11-21T22:00:00+00:00", "seed": 0},
)
SEVERAL = replace(
    WHOLE,
    recipe=replace(
        RECIPE,
        networks=(
            RecipeNetwork("VGG19", {}, Claimed(words="F1 0.57 to 0.73")),
            *RECIPE.networks,
            RecipeNetwork("DenseNet-121", {}, Claimed(macro_f1=0.74)),
        ),
        shows=("ROC curves with AUC",),
    ),
    rows=(
        failed("VGG19", "own", "CUDA out of memory"),
        trained("VGG19", "leak-free", 0.83),
        *WHOLE.rows,
        trained("DenseNet-121", "own", 0.955),
        trained("DenseNet-121", "leak-free", 0.93),
    ),
)


def read(reproduction: Reproduction, runs=None) -> Reader:
    reader = Reader(reproduce_page(reproduction, runs or {}))
    assert not reader.problems, reader.problems
    assert len(reader.ids) == len(set(reader.ids))
    return reader


def quick(reproduction: Reproduction) -> Reproduction:
    """The same, in quick mode and from scratch."""
    changed = {"weights": ("imagenet", "scratch"), "size": (224, 64), "minutes": (0.0, 1.0)}
    rows = tuple(row if row.problem else replace(row, changed=changed) for row in reproduction.rows)
    return replace(reproduction, quick=True, minutes=1.0, weights="scratch", size=64, rows=rows)


# The finding ----------------------------------------------------------------------------------------------------------


def test_the_finding_is_one_sentence_with_every_interval_and_stands_first() -> None:
    said = finding(WHOLE)
    assert said == (
        "Accuracy: claimed 0.960; measured 0.941 (0.923 to 0.959) under its own split, 0.912 (0.894 to 0.930) when no patient or "
        "picture stands on both sides, 0.871 (0.853 to 0.889) with the lungs blacked out."
    )
    page = read(WHOLE)
    assert page.headings[:3] == ["Finding", "What was not the recipe", "Claimed and measured"]
    assert page.text.index(said) < page.text.index("What was not the recipe", page.text.index(said))
    assert "37 test films of 300 (12%) share a patient or a picture with a training film" in page.text


def test_a_difference_is_called_one_only_where_its_interval_leaves_out_zero() -> None:
    near = replace(WHOLE, rows=(trained(way="own", value=0.921), trained(way="leak-free"), trained(way="no-lungs")))
    to_leak_free, to_black = steps(near, "ResNet-18", "accuracy", {})
    assert to_leak_free.change.low < 0 < to_leak_free.change.high and "not settled" in step_words(to_leak_free)
    assert to_black.change.high < 0 and "lower by more than other films" in step_words(to_black)
    assert to_black.change.value == pytest.approx(-0.041) and "-0.041 (-0.066 to -0.016)" in step_words(to_black)
    up = replace(WHOLE, rows=(trained(way="own", value=0.8), trained(way="leak-free")))
    assert "higher by more" in step_words(*steps(up, "ResNet-18", "accuracy", {}))
    unknown = replace(trained(way="own"), scores={"accuracy": Interval(0.9, np.nan, np.nan)})
    assert "nothing can be said" in step_words(
        *steps(replace(up, rows=(unknown, up.rows[1])), "ResNet-18", "accuracy", {})
    )


def test_of_several_networks_the_one_with_a_claim_speaks_and_the_range_is_told() -> None:
    assert finding(SEVERAL).startswith("ResNet-18, accuracy: claimed 0.960; measured 0.941")
    text = read(SEVERAL).text
    assert "from 0.941 to 0.955 under its own split (2 networks), from 0.830 to 0.930 when" in text
    assert "CUDA out of memory" in text and "VGG19, own split" in text


def test_of_several_networks_the_changes_of_each_are_told() -> None:
    page = reproduce_page(SEVERAL, {})
    first = page[: page.index("What was not the recipe</h2>")]
    assert "ResNet-18, accuracy: From its own split to the leak-free one: -0.029" in first
    assert "DenseNet-121, accuracy: From its own split to the leak-free one: -0.025" in first


def seen(reproduction: Reproduction, *films: int) -> Reproduction:
    """The same, where the first trainings were shown so many films."""
    rows = tuple(replace(row, films_seen=many) for row, many in zip(reproduction.rows, films, strict=True))
    return replace(reproduction, rows=rows)


def test_trainings_that_were_shown_unequal_numbers_of_films_are_not_held_against_each_other() -> None:
    unequal = seen(WHOLE, 448, 352, 350)
    text = read(unequal).text
    assert text.index("ResNet-18, films shown: 448 (own split); 352 (leak-free split); 350") < text.index(
        "Films of each class"
    )
    to_leak_free, to_black = steps(unequal, "ResNet-18", "accuracy", {})
    assert "lower, but the trainings were unequal (448 against 352 films shown)" not in to_black.verdict
    assert "448 against 352 films shown" in to_leak_free.verdict and "explain" not in to_leak_free.verdict
    assert "lower by more than other films" in to_black.verdict, "352 and 350 are as good as equal"
    assert "681(1 epoch)" in read(seen(WHOLE, 681, 681, 681)).text.replace(" (", "(")
    assert "448(0.66 epochs)" in text.replace(" (", "("), "of 681 training films"
    assert "ResNet-18, films shown: 448" in reproduction_text(unequal)
    equal = seen(WHOLE, 448, 448, 430)
    assert "unequal" not in read(equal).text and "unequal" not in reproduction_text(equal)
    assert "not known" in next(steps(quick(WHOLE), "ResNet-18", "accuracy", {})).verdict, "the clock ended them"


def test_a_class_that_is_never_named_and_an_accuracy_of_the_commonest_class_are_told_first() -> None:
    blind = trained(way="leak-free", confusion=((60, 0, 40), (70, 0, 30), (10, 0, 190)), value=0.52)
    weak = replace(WHOLE, rows=(WHOLE.rows[0], blind, WHOLE.rows[2]))
    text = read(weak).text
    for told in (text[: text.index("“Leak-free, lungs black” has")], reproduction_text(weak)):
        assert "ResNet-18 calls no test film Normal: leak-free split." in told
        assert "reaches down" not in told, "0.502 is above 200 films of 400"
    near = replace(weak, rows=(trained(value=0.51, confusion=((60, 1, 39), (70, 1, 29), (10, 0, 190))),))
    assert "(0.492 to 0.528) reaches down to that of always answering the commonest class, 0.500" in read(near).text
    assert "calls no test film" not in read(WHOLE).text and "commonest class, " not in read(WHOLE).text


def test_a_recipe_of_the_lungs_alone_has_their_opposite_for_its_third_way() -> None:
    lungs = replace(WHOLE, recipe=replace(RECIPE, sections={"films": {"region": "lungs"}}))
    assert finding(lungs).endswith("0.871 (0.853 to 0.889) when it saw all but the lungs.")
    *_, to_opposite = steps(lungs, "ResNet-18", "accuracy", {})
    assert to_opposite.told == "From the lungs alone to all but the lungs, both leak-free"
    assert "no price of removing the lungs" in to_opposite.verdict
    *_, to_opposite = steps(seen(lungs, 448, 448, 300), "ResNet-18", "accuracy", {})
    assert "unequal" in to_opposite.verdict and "no price of removing the lungs" in to_opposite.verdict
    text = read(lungs).text
    assert "this shows the opposite" in text and "show them all black" in text
    assert "all but the lungs" in reproduction_text(lungs) and "all but the lungs" not in reproduction_text(WHOLE)


def test_where_no_accuracy_was_claimed_that_is_said_or_another_measure_speaks() -> None:
    bare = replace(WHOLE, recipe=replace(RECIPE, networks=(RecipeNetwork("ResNet-18", {}, Claimed()),)))
    assert finding(bare).startswith("Accuracy: no accuracy was claimed; measured 0.941")
    area = replace(WHOLE, recipe=replace(RECIPE, networks=(RecipeNetwork("ResNet-18", {}, Claimed(auroc=0.98)),)))
    assert finding(area).startswith("Macro AUROC: claimed 0.980; measured 0.981 (0.963 to 0.999)")
    assert "claimed 0.980" in read(area).text


# What was not the recipe ----------------------------------------------------------------------------------------------


def test_quick_or_from_scratch_is_said_aloud_before_any_number_is_held_against_the_claim() -> None:
    text = read(quick(WHOLE)).text
    first = text.index("Not comparable with the claim")
    assert first < text.index("claimed 0.960")
    assert (
        "64 pixels, about 1 minute under the own split and as many steps in the other ways" in text
        and "Trained from scratch" in text
    )
    only_quick = replace(WHOLE, quick=True, minutes=1.0, size=64)
    assert list(why_not_comparable(only_quick)) == ["quick mode"] and "Not comparable" in read(only_quick).text
    assert "Not comparable" not in read(WHOLE).text and not why_not_comparable(WHOLE)
    scratch = replace(
        WHOLE, rows=tuple(replace(row, changed={"weights": ("imagenet", "scratch")}) for row in WHOLE.rows)
    )
    assert "Not comparable with the claim" in read(scratch).text
    own = tuple(replace(row, changed={"weights": ("imagenet", "/home/me/secret/w.safetensors")}) for row in WHOLE.rows)
    page = reproduce_page(replace(WHOLE, rows=own), {})
    assert "Started from other weights" in page and "w.safetensors" in page and "/home/me" not in page
    fewer = tuple(replace(row, changed={"epochs": (10, 2)}) for row in WHOLE.rows)
    assert "Not as the recipe has it: epochs" in read(replace(WHOLE, rows=fewer)).text
    assert "NOT COMPARABLE with what was claimed: other epochs" in reproduction_text(replace(WHOLE, rows=fewer))
    assert "NOT COMPARABLE" not in reproduction_text(WHOLE)
    harmless = tuple(replace(row, changed={"batch_size": (16, 64)}) for row in WHOLE.rows)
    assert "Not comparable" not in read(replace(WHOLE, rows=harmless)).text


def test_films_that_lack_or_are_left_out_and_what_the_source_does_not_say() -> None:
    text = read(WHOLE).text
    assert "Fewer films than the recipe had" in text and "950 of 900" not in text, "more in all, fewer of one class"
    assert "COVID: 290 of 300 (97%)" in text and "Normal: 3" not in text
    assert "251 films of “Lung_Opacity” are left out" in text and "In 4 films of 950 (0.4%) no lungs were found" in text
    for told in RECIPE.not_stated:
        assert told in text
    unknown = replace(WHOLE, recipe=replace(RECIPE, had={}))
    assert "is not in our notes of its source" in read(unknown).text
    differs = replace(WHOLE, recipe=replace(RECIPE, differs=("Its fifth network has no row",)))
    assert "Its fifth network has no row" in read(differs).text


def test_few_films_are_a_warning_and_none_missing_is_no_alert() -> None:
    half = replace(WHOLE, recipe=replace(RECIPE, had={"COVID": 3616, "Normal": 10192, "Viral Pneumonia": 1345}))
    page = reproduce_page(half, {})
    assert re.search(
        r'class="level warning">Warning</span> <strong>Fewer films than the recipe had: 950 of 15,153', page
    )
    enough = replace(WHOLE, recipe=replace(RECIPE, had={"COVID": 290, "Normal": 200, "Viral Pneumonia": 330}))
    assert "Fewer films" not in reproduce_page(enough, {})


def test_settings_that_differ_are_a_table_that_says_for_which_training() -> None:
    rows = (
        replace(
            WHOLE.rows[0],
            changed={
                "augment_flip": (0.5, 0.0),
                "frozen_epochs": ("inf", 0.0),
                "imbalance": (("none",), ("loss", "sampling")),
            },
        ),
        *WHOLE.rows[1:],
    )
    text = read(replace(WHOLE, rows=rows)).text
    assert (
        "flip (augmentation)" in text
        and "loss, sampling" in text
        and "frozen epochsno end0" in text
        and "ResNet-18 (own split)" in text
    )


# The numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reproduction", [WHOLE, SEVERAL], ids=["one", "several"])
def test_every_number_of_the_noun_is_on_the_page(reproduction: Reproduction) -> None:
    text = read(reproduction).text
    for row in reproduction.rows:
        told = [*row.scores.values(), *(score for scores in row.class_scores.values() for score in scores.values())]
        for interval in told:
            assert format_interval(interval) in text
        for line in row.confusion:
            assert all(f"{films:,}" in text for films in line)
        if not row.problem:
            assert f"{row.leaks}" in text and "1 min 23 s" in text
    for claim in ("0.960", "0.953", "0.942"):
        assert claim in text
    assert f"{201:,}" in text and f"{29:,}" in text


def cells_of(page: str, network: str, way: str) -> list[str]:
    """The text of the cells behind a row's name in the first table of scores."""
    row = re.search(rf'<th scope="row">{network}<br><small>{way}.*?</tr>', page, re.S)
    assert row, (network, way)
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row.group(), re.S)]


def test_a_failed_training_shows_why_and_a_missing_one_a_dash_and_a_word() -> None:
    page = reproduce_page(SEVERAL, {})
    assert cells_of(page, "VGG19", "own split: failed") == [NOTHING] * 2
    assert cells_of(page, "DenseNet-121", "leak-free, lungs black: not trained yet") == [NOTHING] * 2
    assert cells_of(page, "VGG19", "leak-free split")[0] == "0.830 (0.812 to 0.848)"
    means = page[page.index("Macro F1 and macro AUROC: claimed") :]
    assert cells_of(means, "DenseNet-121", "claimed") == ["0.740", NOTHING]
    trainings = page[page.index(">The trainings<") :]
    assert cells_of(trainings, "VGG19", "own split: failed") == [NOTHING, "12 s", NOTHING]
    assert cells_of(trainings, "ResNet-18", "own split") == ["7 epochs", "1 min 23 s", "300 (37 leaks)"]
    assert page.count("CUDA out of memory") == 1, "told once"
    assert "1 training failed" in page and "--resume goes on" in page


def test_a_network_that_nobody_asked_for_keeps_its_claim_and_needs_no_section() -> None:
    rows = tuple(row for row in SEVERAL.rows if row.network == "ResNet-18")
    page = reproduce_page(replace(SEVERAL, rows=rows), {})
    means = page[page.index("Macro F1 and macro AUROC: claimed") :]
    assert cells_of(means, "DenseNet-121", "claimed")[0] == "0.740"
    assert cells_of(page, "DenseNet-121", "not trained yet") == [NOTHING] * 2
    assert "DenseNet-121: in no way" in page and "DenseNet-121" not in read(replace(SEVERAL, rows=rows)).headings
    assert page.count("not trained yet") == 4, "twice for each of the other two, once a table"


def test_an_address_is_a_link_and_nothing_else_is() -> None:
    source = "https://github.com/someone/Some_Repository"
    assert source in read(replace(WHOLE, recipe=replace(RECIPE, source=source))).links
    evil = replace(WHOLE, recipe=replace(RECIPE, source="javascript:alert(1)"))
    assert all(target.startswith("#") for target in read(evil).links)


def test_the_terminal_holds_each_claim_against_its_own_measure() -> None:
    lines = [re.split(r"  +", line.strip()) for line in reproduction_text(SEVERAL).splitlines()]
    claimed = {tuple(line[:2]): line[2:] for line in lines if len(line) > 2}
    assert ("ResNet-18", "0.960") in claimed, "an accuracy"
    assert ("DenseNet-121", "–") in claimed and ("its macro F1", "0.740") in claimed, "no accuracy was claimed of it"
    row = SEVERAL.row("DenseNet-121", "leak-free")
    assert claimed["its macro F1", "0.740"][1] == format_interval(row.scores["macro_f1"])
    assert ("its macro F1", "0.57 to 0.73") in claimed


def test_nothing_but_failures_is_still_a_page() -> None:
    lost = replace(WHOLE, rows=tuple(failed("ResNet-18", way, f"loss is NaN {way}") for way in WAYS))
    text = read(lost).text
    assert (
        "claimed 0.960; nothing could be measured" in text
        and "3 trainings failed" in text
        and "loss is NaN no-lungs" in text
    )
    read(replace(WHOLE, rows=(), films={}))


def test_the_claimed_stroke_and_the_rings_lie_on_one_axis() -> None:
    page = reproduce_page(WHOLE, {})
    chart = re.search(r"<h4>Accuracy</h4>(<svg.*?</svg>)", page, re.S).group(1)
    rings = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', chart)]
    stroke = float(re.search(r'<rect x="([\d.]+)" width="3.00"', chart).group(1)) + 1.5
    per_unit = (rings[0] - rings[2]) / (VALUES["own"] - VALUES["no-lungs"])
    assert (stroke - rings[0]) / per_unit == pytest.approx(0.96 - 0.941, abs=0.002)
    assert "claimed 0.960" in chart and "Always answering the commonest class would reach 0.333" in page


def test_a_matrix_holds_its_films_and_refuses_what_is_no_matrix() -> None:
    drawn = matrix("Own", ("a", "<b>"), ((3, 1), (0, 0)), "")
    assert (
        re.findall(r"<td[^>]*><span>(\d+)</span>", drawn) == ["3", "1", "0", "0"]
        and "75%" in drawn
        and "<b>" not in drawn
    )
    with pytest.raises(ValueError):
        matrix("Own", ("a", "b"), ((3, 1),), "")


# Runs -----------------------------------------------------------------------------------------------------------------


def scores_of(run: Run, right: int) -> None:
    """Write the scores of 100 test films, the first `right` of them right, and one training film."""
    label = [CLASSES[place % 3] for place in range(101)]
    rows = pd.DataFrame({"image_id": [f"f{place:03}" for place in range(101)], "label": label, "group": ""})
    rows = rows.assign(split=["test"] * 100 + ["train"], source="", patient_id="", status="ok", error="")
    rows["group"] = [f"g{place}" for place in range(101)]
    logit = np.zeros((101, 3))
    for place, name in enumerate(label):
        logit[place, (CLASSES.index(name) + (place >= right)) % 3] = 4.0
    table = Predictions.of(rows, logit, CLASSES, "resnet18")
    Predictions(table.table.sample(frac=1, random_state=right), CLASSES).write(run / "predictions.csv")


def test_the_same_films_are_held_against_themselves(runs: dict[tuple[str, str], Run]) -> None:
    pair = runs["ResNet-18", "own"], runs["ResNet-18", "leak-free"]
    both = {("ResNet-18", "leak-free"): pair[0], ("ResNet-18", "no-lungs"): pair[1]}
    near = replace(WHOLE, rows=(trained(way="leak-free", value=0.9), trained(way="no-lungs", value=0.86)))
    (apart,) = steps(near, "ResNet-18", "accuracy", both)
    assert not apart.is_paired and apart.change.high > -0.02, "no scores yet: from the two intervals"
    scores_of(pair[0], 90)
    scores_of(pair[1], 86)
    (paired,) = steps(near, "ResNet-18", "accuracy", both)
    assert paired.is_paired and paired.change.value == pytest.approx(-0.04)
    # four films of a hundred change, all one way: their bootstrap share has the percentiles of a binomial
    assert (paired.change.low, paired.change.high) == pytest.approx((-0.08, -0.01), abs=0.011)
    assert "film by film" in read(near, both).text
    (other,) = steps(
        replace(near, rows=(near.rows[0], trained(way="no-lungs", value=0.8))), "ResNet-18", "accuracy", both
    )
    assert not other.is_paired, "scores that say another change are not what the numbers were made of"


def test_own_and_leak_free_splits_of_the_same_films_are_held_film_by_film(runs: dict[tuple[str, str], Run]) -> None:
    equal = replace(WHOLE, rows=(trained(way="own", value=0.9), trained(way="leak-free", value=0.9)))
    assert "have other test films" in read(equal, runs).text
    for run in runs.values():
        scores_of(run, 90)
    (same,) = steps(equal, "ResNet-18", "accuracy", runs)
    assert same.is_paired and (same.change.low, same.change.high) == (0, 0)
    assert same.verdict == "not one test film turned right or wrong"
    (unequal,) = steps(seen(equal, 448, 352), "ResNet-18", "accuracy", runs)
    assert unequal.verdict.startswith("not one test film turned right or wrong, but the trainings were unequal")
    text = read(equal, runs).text
    assert "have the same test films: hardly a film here shares" in text and "have other test films" not in text


@pytest.fixture
def runs(tmp_path: Path) -> dict[tuple[str, str], Run]:
    """Two runs of ResNet-18 that hold what a page reads."""
    root = tmp_path / "films"
    root.mkdir()
    manifest = Manifest(make_films(root, list(CLASSES) * 5, ["north"] * 15), CLASSES, root).write(
        tmp_path / "manifest.csv"
    )
    found = {}
    for way in ("own", "leak-free"):
        run = Run.create(tmp_path / "out" / "resnet-18" / way, TrainConfig(size=32), manifest)
        epochs = [
            {"epoch": at, "train_loss": 1 / at, "val_loss": 1.1 / at, "val_accuracy": 0.5 + at / 20} for at in (1, 2, 3)
        ]
        run.write_history([*epochs, {"epoch": 4, "train_loss": 0.2, "val_loss": None, "val_accuracy": float("nan")}])
        curve = {"fpr": [0, 0.5, 1], "value": [0.2, 0.9, 1.0], "low": [0, 0, 0], "high": [1, 1, None]}
        scored = {"splits": {"test": {"curves": {"roc": dict.fromkeys(CLASSES, curve)}}}}
        (run / "metrics.json").write_text(json.dumps(scored))
        found["ResNet-18", way] = run
    (found["ResNet-18", "own"] / "report.html").write_text("a report")
    return found


def test_learning_curves_and_reports_come_from_the_runs(runs: dict[tuple[str, str], Run]) -> None:
    page = reproduce_page(WHOLE, runs)
    reader = read(WHOLE, runs)
    assert "own split, validation: at the end 0.367" in page and "leak-free split, training: at the end 0.200" in page
    assert [target for target in reader.links if not target.startswith("#")] == ["resnet-18/own/report.html"]
    assert "ROC curves" not in reader.text, "its authors show none"
    assert "Faint: training films, while the network still learnt" in reader.text, "the recipe augments nothing"
    varied = replace(WHOLE, recipe=replace(RECIPE, sections={"augment": {"flip": 0.5}}))
    assert "Faint: training films, as they were augmented, while" in read(varied, runs).text


def test_specificity_stands_where_the_recipe_shows_it(runs: dict[tuple[str, str], Run]) -> None:
    metrics = {f"specificity/{name}": {"value": 0.777, "low": 0.7, "high": 0.8} for name in CLASSES}
    (runs["ResNet-18", "own"] / "metrics.json").write_text(json.dumps({"splits": {"test": {"metrics": metrics}}}))
    shown = replace(WHOLE, recipe=replace(RECIPE, shows=("sensitivity, specificity",)))
    page = reproduce_page(shown, runs)
    assert page.count("0.777") == len(CLASSES) and "0.777" not in reproduce_page(WHOLE, runs)
    assert read(shown).text.count("Specificity") == 1, "without a run, dashes"


def test_the_machine_and_the_films_stand_at_the_end(runs: dict[tuple[str, str], Run]) -> None:
    runs["ResNet-18", "own"].mark_complete({"device": "cpu", "threads": 2, "precision": "bf16-mixed", "seconds": 1.0})
    text = read(
        replace(WHOLE, made={**WHOLE.made, "inputs": {"manifest": "fb4bef7bc9"}, "platform": "Linux-6"}), runs
    ).text
    for told in (
        "Devicecpu",
        "Threads2",
        "Arithmeticbf16-mixed",
        "SystemLinux-6",
        "Fingerprint of the manifest: fb4bef7bc9",
    ):
        assert told in text


def test_roc_curves_stand_where_the_recipe_shows_them(runs: dict[tuple[str, str], Run]) -> None:
    page = reproduce_page(SEVERAL, runs)
    assert page.count("<title>ROC of ") == len(CLASSES) and "0.971 (0.941 to 1.000)" in page
    (runs["ResNet-18", "own"] / "metrics.json").unlink()
    (runs["ResNet-18", "leak-free"] / "metrics.json").write_text("{}")
    assert "<title>ROC of " not in reproduce_page(SEVERAL, runs)


def ended(run: Run) -> Run:
    """The same run, finished and judged."""
    run.mark_complete({"seconds": 1.0, "epochs": 3, "steps": 30})
    measured = {name: {"value": 0.9, "low": 0.8, "high": 0.95} for name in SCORES}
    (run / "metrics.json").write_text(json.dumps({"splits": {"test": {"metrics": measured}}}))
    scores_of(run, 90)
    return run


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", '{"splits": {"test": {}}}'),
        ("metrics.json", '{"splits": []}'),
        ("complete.json", "[]"),
        ("complete.json", '{"format_version": 1}'),
        ("predictions.csv", "image_id\n1\n"),
        ("history.jsonl", "{"),
    ],
)
def test_a_damaged_training_is_named_with_what_to_remove(
    runs: dict[tuple[str, str], Run], name: str, content: str
) -> None:
    run = ended(runs["ResNet-18", "own"])
    training = Training(RECIPE.networks[0], "own", run.config, run.config, "resnet-18/own")
    place = run.directory.parents[1]
    refuse_other_settings(place, [training])
    (run / name).write_text(content)
    with pytest.raises(BadRun, match=r"resnet-18/own: is a damaged training.*Remove this folder.*--resume"):
        refuse_other_settings(place, [training])


@pytest.mark.parametrize("is_begun", [False, True])
def test_ctrl_c_promises_to_go_on_only_where_something_is_kept(
    runs: dict[tuple[str, str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    place = tmp_path / "again"

    def stopped(*_: object, **__: object) -> None:
        place.mkdir()
        (place / ".lock").touch()
        if is_begun:
            (place / MANIFEST).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("plainfilm.reproduce_jobs.reproduce", stopped)
    with pytest.raises(Interrupted) as caught:
        reproduce_command("expand-ai", tmp_path / "manifest.csv", place, device="cpu")
    assert ("--resume" in str(caught.value)) is is_begun and (
        "nothing was written" in str(caught.value)
    ) is not is_begun
    if not is_begun:
        refuse_taken(place, Manifest.open(tmp_path / "manifest.csv"), resume=False)


# At the door ----------------------------------------------------------------------------------------------------------


def test_hostile_words_stay_words() -> None:
    evil = "<script>alert(1)</script>"
    classes = (evil, "Normal", "Viral Pneumonia")
    network = RecipeNetwork(f"x{evil}", {}, Claimed(accuracy=0.9, words=evil, f1={evil: 0.5}))
    row = trained(f"x{evil}", run="javascript:alert(1)", changed={"model": (evil, evil)})
    row = replace(row, class_scores={evil: row.class_scores["COVID"]})
    recipe = replace(
        RECIPE, title=evil, source=evil, about=evil, classes=classes, networks=(network,), had={evil: 10**6}, shows=(evil,),
        wished=evil, not_stated=(evil,),
    )  # fmt: skip
    whole = replace(
        WHOLE, recipe=recipe, rows=(row, failed(f"x{evil}", "leak-free", evil)), films={"own": {"test": {evil: 3}}},
        left_out={evil: 2}, notes=(evil,), made={"command": evil},
    )  # fmt: skip
    page = reproduce_page(whole, {})
    assert "<script" not in page and "&lt;script&gt;" in page
    reader = read(whole)
    assert all(target.startswith("#") for target in reader.links)


def test_a_folder_never_becomes_a_link_that_runs(runs: dict[tuple[str, str], Run]) -> None:
    row = replace(WHOLE.rows[0], run="javascript:alert(1)//")
    links = read(replace(WHOLE, rows=(row,)), runs).links
    assert not [target for target in links if target.startswith("javascript:")]


def test_the_page_is_the_same_after_a_round_trip() -> None:
    again = Reproduction.from_dict(json.loads(json.dumps(quick(SEVERAL).to_dict())))
    assert reproduce_page(again, {}) == reproduce_page(quick(SEVERAL), {})


def test_the_page_loads_nothing_and_says_what_it_is_not_for() -> None:
    page = reproduce_page(SEVERAL, {})
    assert "Research and education only" in page and "default-src 'none'" in page
    assert not re.search(r"https?://", page)
    assert all(word.capitalize() in page for word in WAY_WORDS.values())
