"""Published recipes: what ships is sound and says what its source says; what is wrong is told by name."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from plainfilm.core.bootstrap import Interval
from plainfilm.core.recipe import (
    PLAIN,
    Claimed,
    Recipe,
    RecipeNetwork,
    RecipeSplit,
    open_recipe,
    recipe_names,
    recipe_of_toml,
)
from plainfilm.core.reproduction import Reproduction, Trained
from plainfilm.errors import BadConfig, BadRun
from plainfilm.judge.reproduce.text import recipes_text

ALL = recipe_names()
TOML = """
name = "mine"
title = "Mine"
source = "nowhere"
about = "A recipe."
classes = ["COVID", "Normal"]
[split]
val = 0.1
test = 0.2
[films]
size = 64
[[networks]]
name = "ResNet-18"
[networks.network]
model = "resnet18"
frozen_epochs = inf
[networks.claimed]
accuracy = 0.9
f1 = { COVID = 0.8 }
"""


def test_the_five_repositories_and_the_two_papers_ship() -> None:
    assert {
        "hit-dl-covid-19", "covid19-detection", "expand-ai", "covid19-xrays-hw2", "covid-19-detection-r18",
        "rahman-2021-gamma", "rahman-2021-lungs", "chowdhury-2020",
    } == set(ALL)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_a_shipped_recipe_is_whole_and_survives_json(name: str) -> None:
    recipe = open_recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict(), allow_nan=False))) == recipe
    assert recipe.title and recipe.source and recipe.about and recipe.shows and recipe.not_stated
    claimed = [network.claimed for network in recipe.networks]
    assert all(claim.accuracy or claim.f1 or claim.macro_f1 or claim.auroc or claim.words for claim in claimed)


@pytest.mark.parametrize("name", ALL)
def test_a_shipped_recipe_says_what_every_recipe_must_choose(name: str) -> None:
    recipe = open_recipe(name)
    told = " ".join((*recipe.not_stated, *recipe.differs))
    assert "weights are kept" in told or "keep the weights" in told
    assert "mean and deviation" in told, "how films are normalised"
    is_last_layer_settled = any("frozen" in network.name for network in recipe.networks)
    assert is_last_layer_settled or "last layer alone" in told


@pytest.mark.parametrize("name", ALL)
def test_nothing_of_plainfilms_own_is_slipped_into_a_recipe(name: str) -> None:
    recipe = open_recipe(name)
    for network in recipe.networks:
        config = recipe.config(network)
        assert not config.whitening and not config.averaging and config.progressive == "none"
        assert not config.label_smoothing and not config.mixup and config.augment_share == 1
        assert not config.augment_erasing and not config.augment_border and not config.augment_resampling


def test_the_plain_loop_augments_nothing_whatever_settings_there_come_to_be() -> None:
    how_often = ("augment_share",)
    amounts = {name: value for name, value in asdict(PLAIN).items() if name.startswith("augment_")}
    assert not any(value for name, value in amounts.items() if name not in how_often)


@pytest.mark.parametrize("name", ALL)
def test_each_network_of_a_recipe_can_be_built(name: str) -> None:
    torch = pytest.importorskip("torch")
    from plainfilm.learn.model import build_network, last_layer

    recipe = open_recipe(name)
    for network in recipe.networks:
        config = recipe.config(network)
        with torch.device("meta"):  # shapes without numbers
            built = build_network(replace(config, weights="scratch"), recipe.classes).eval()
            assert built(torch.zeros(2, 1, 64, 64)).shape == (2, len(recipe.classes))
        assert last_layer(built) is not None


@pytest.mark.parametrize(
    ("name", "network", "claimed"),
    [
        ("expand-ai", "ResNet-18", 0.96),
        ("covid19-detection", "ResNet-18", 0.98),
        ("covid-19-detection-r18", "ResNet-18", 0.95),
        ("hit-dl-covid-19", "ResNet-18", 0.76),
        ("covid19-xrays-hw2", "Plain CNN from scratch", 0.78),
        ("rahman-2021-gamma", "DenseNet-201", 0.9629),
        ("rahman-2021-lungs", "DenseNet-201", 0.9511),
        ("chowdhury-2020", "DenseNet-201", 0.979),
    ],
)
def test_what_was_claimed(name: str, network: str, claimed: float) -> None:
    assert open_recipe(name).network(network).claimed.accuracy == claimed


def test_what_recipes_are_known_for_reaches_the_training() -> None:
    expand = open_recipe("expand-ai")
    config = expand.config(expand.networks[0])
    assert (config.contrast, config.imbalance, config.stop_at, config.batch_size) == (
        "equalize",
        ("sampling",),
        0.95,
        16,
    )
    assert (expand.split.train, expand.split.test) == (240, 60)
    homework = open_recipe("covid19-xrays-hw2")
    frozen = homework.config(homework.network("VGG19 frozen"))
    assert (frozen.frozen_epochs, frozen.schedule, frozen.patience, frozen.clip_norm) == (math.inf, "plateau", 10, 1.0)
    assert homework.config(homework.network("Plain CNN from scratch")).weights == "scratch"
    lungs = open_recipe("rahman-2021-lungs")
    assert lungs.config(lungs.networks[0]).region == "lungs"


def test_a_recipe_of_ones_own() -> None:
    recipe = recipe_of_toml(TOML, "mine.toml")
    network = recipe.networks[0]
    assert (network.slug, recipe.network("resnet-18")) == ("resnet-18", network)
    assert recipe.config(network) == replace(PLAIN, model="resnet18", frozen_epochs=math.inf, size=64)
    assert network.claimed == Claimed(accuracy=0.9, f1={"COVID": 0.8})
    assert "mine" in recipes_text([recipe]) and "0.900" in recipes_text([recipe])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("size = 64", "sise = 64", r'mine\.toml: mine: \[films\] has no key "sise"; did you mean "size"'),
        ("size = 64", "size = 5", "size is 5"),
        ("[films]", "[film]", r'nothing is called "film"; did you mean "films"'),
        ("about =", "abuot =", 'nothing is called "abuot"; did you mean "about"'),
        ('source = "nowhere"', "", "source is missing"),
        ('source = "nowhere"', "source = 3", "source is 3, expected text"),
        ("val = 0.1", "", r"\[split\] val is missing"),
        ("val = 0.1", "val = 0.9", "leave nothing to train on"),
        ("val = 0.1", "val = 1.5", "a share below 1 or a whole number"),
        ("val = 0.1", "vall = 0.1", 'nothing is called "vall"; did you mean "val"'),
        ("accuracy = 0.9", "accuracy = 90", "accuracy is 90, expected 0 to 1"),
        ("{ COVID = 0.8 }", "{ Covid = 0.8 }", 'f1 names the class "Covid"'),
        ('["COVID", "Normal"]', '["COVID"]', "expected two or more"),
        ("[split]", "[had]\nCOVID = -3\n[split]", r"\[had\] COVID is -3, expected 0 or more films"),
        ('name = "mine"', 'name = "My own"', "small letters"),
        ("size = 64", 'size = 64\n[training]\ndevice = "cuda"', "device is no matter of a recipe"),
        ('model = "resnet18"', 'model = "resnet18"\nmodle = 1', 'ResNet-18: .network. has no key "modle"'),
        ("[split]", "[split", "is no TOML"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_told_by_file_and_name(before: str, after: str, told: str) -> None:
    assert TOML.count(before) == 1
    with pytest.raises(BadConfig, match=told) as caught:
        recipe_of_toml(TOML.replace(before, after), "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")


def test_the_list_names_measure_and_network_of_each_claim_and_tells_titles_apart() -> None:
    recipes = [open_recipe(name) for name in ALL]
    lines = recipes_text(recipes).splitlines()
    assert "    ResNet-18: accuracy 0.950; AUROC 0.980" in lines
    assert "    ResNet-50: macro F1 0.710" in lines and "    VGG19: F1 0.57 to 0.73" in lines
    assert any(line.startswith("    VGG19 frozen, ResNet-101 frozen, DenseNet-201 frozen: higher") for line in lines)
    letters = ["".join(filter(str.isalnum, recipe.title.lower())) for recipe in recipes]
    assert len(set(letters)) == len(letters), "titles that differ by more than a hyphen"


def test_an_unknown_recipe_or_network_is_told_with_those_that_are() -> None:
    with pytest.raises(BadConfig, match='no recipe is called "expand"; did you mean "expand-ai"'):
        open_recipe("expand")
    with pytest.raises(BadConfig, match="its networks: ResNet-18, ResNet-50, VGG19, DenseNet-121"):
        open_recipe("hit-dl-covid-19").network("AlexNet")
    twice = (RecipeNetwork("A b", {}), RecipeNetwork("a-B", {}))
    with pytest.raises(BadConfig, match="a name of its own"):
        Recipe("x", "X", "s", "a", ("A", "B"), RecipeSplit(0.1, 0.1), twice)


def test_a_reproduction_survives_its_file(tmp_path: Path) -> None:
    row = Trained(
        "ResNet-18",
        "own",
        "resnet-18/own",
        {"weights": ("imagenet", "scratch")},
        60.5,
        3,
        leaks=6,
        scores={"accuracy": Interval(0.9, 0.8, 0.95)},
        class_scores={"COVID": {"f1": Interval(0.5, 0.4, 0.6)}},
        confusion=((1, 2), (3, 4)),
    )
    failed = Trained("ResNet-18", "leak-free", "resnet-18/leak-free", problem="out of memory")
    counts = {"own": {"train": {"COVID": 5, "Normal": 6}}}
    whole = Reproduction(
        open_recipe("covid19-xrays-hw2"), True, 1.0, "scratch", 64, counts, (row, failed), {"X": 2}, 3, ("n",)
    )
    whole.write(tmp_path / "reproduce.json")
    assert Reproduction.open(tmp_path / "reproduce.json") == whole
    assert (
        row.is_from_scratch_instead and whole.row("ResNet-18", "leak-free") is failed and whole.row("x", "own") is None
    )
    (tmp_path / "reproduce.json").write_text('{"format_version": 1}')
    with pytest.raises(BadRun, match="is damaged"):
        Reproduction.open(tmp_path / "reproduce.json")
    with pytest.raises(ValueError, match="either scores or a problem"):
        Trained("a", "own", "a/own")
