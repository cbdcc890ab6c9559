"""Settings: in and out of TOML, checked, unknown keys refused with the near ones."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest

from plainfilm.core.config import TrainConfig
from plainfilm.errors import BadConfig


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    config = TrainConfig(
        model="vgg19", frozen_epochs=math.inf, imbalance=("sampling", "loss"), stop_at=0.95, progressive="none"
    )
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config
    assert "[augment]\nflip = 0.5" in config.to_toml()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[training]\nlearning_rat = 1.0", '"learning_rat"; did you mean "learning_rate"'),
        ("[trainning]\nepochs = 1", r"\[trainning\]; did you mean \"training\""),
        ("epochs = 1", "belongs under"),
        ("[trainin]\nepochs = 1", "no section is called"),
        ("training = 1", r"expected a section \[training\]"),
        ("[training]\nepochs = 'many'", "epochs is 'many', expected a whole number"),
        ("[training]\nepochs = 1.5", "epochs is 1.5, expected a whole number"),
        ("[training]\nepochs = true", "epochs is True, expected a whole number"),
        ("[training]\nepochs = 0", "epochs is 0, expected 1 to"),
        ("[training]\nlearning_rate = nan", "learning_rate is nan, expected"),
        ("[training]\noptimizer = 'lion'", "optimizer is 'lion', expected one of adam, adamw, sgd"),
        ("[training]\nimbalance = ['none', 'loss']", "none stands alone"),
        ("[films]\nsize = 8", "size is 8, expected 16 to 4096"),
        ("[films", "is no TOML file"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(BadConfig, match=said) as raised:
        TrainConfig.from_toml(tmp_path / "recipe.toml")
    assert "recipe.toml" in str(raised.value)


def test_a_missing_file_and_an_unknown_name() -> None:
    with pytest.raises(BadConfig, match="is missing"):
        TrainConfig.from_toml("nowhere.toml")
    with pytest.raises(BadConfig, match='options: no setting is called "epoch"; did you mean "epochs"'):
        TrainConfig().with_changes({"epoch": 3}, "options")


def test_whole_numbers_serve_as_decimals_and_commas_as_lists() -> None:
    config = TrainConfig().with_changes({"learning_rate": 1, "imbalance": "loss,sampling"})
    assert (config.learning_rate, config.imbalance) == (1.0, ("loss", "sampling"))


def test_every_setting_says_what_it_means() -> None:
    for setting in fields(TrainConfig):
        assert len(setting.metadata["help"]) > 5
        assert setting.metadata["section"] in ("network", "films", "augment", "training")
