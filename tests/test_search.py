"""What may be searched: ranges as they are typed, checked by TrainConfig; and the rules that trials are judged by."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.core.bootstrap import Interval
from plainfilm.core.config import TrainConfig
from plainfilm.core.search import STRENGTHS, Range, Search, range_of, search_again, search_of, usual_range
from plainfilm.core.trials import Importance, Trial, Tuned, is_hopeless, ranked
from plainfilm.errors import BadConfig

SCRATCH = TrainConfig(weights="scratch")


def _names(search: Search) -> list[str]:
    return [one.name for one in search.ranges]


def test_the_usual_five_are_searched_around_the_settings_given() -> None:
    search = search_of(replace(SCRATCH, learning_rate=0.003), [], [], [])
    assert _names(search) == ["learning_rate", "weight_decay", "augment", "size", "model"]
    assert search.texts["learning_rate"] == "0.0003..0.03:log"
    assert search.texts["size"] == "112,160,224" and search.texts["augment"] == "0.0..2.0"
    assert search.own_values == search.first_values
    assert search.config_of(search.first_values) == replace(SCRATCH, learning_rate=0.003)


def test_what_is_typed_is_fixed_and_what_is_named_is_searched() -> None:
    assert _names(search_of(SCRATCH, ["size", "model"], [], [])) == ["learning_rate", "weight_decay", "augment"]
    assert _names(search_of(SCRATCH, ["size", "augment_rotation"], [], [])) == [
        "learning_rate",
        "weight_decay",
        "model",
    ]
    with pytest.raises(BadConfig, match="--augment-rotation is fixed, and augment, which is searched, multiplies it"):
        search_of(SCRATCH, ["augment_rotation"], [], ["augment=0..3"])
    assert _names(search_of(SCRATCH, [], ["size"], [])) == ["size"]
    assert _names(search_of(SCRATCH, [], ["size"], ["dropout=0..0.5"])) == ["size", "dropout"]
    assert search_of(SCRATCH, [], [], ["learning-rate=1e-5..1e-2:log"]).texts["learning_rate"] == "1e-05..0.01:log"
    given_weights = replace(SCRATCH, weights="runs/first")
    assert "model" not in _names(search_of(given_weights, [], [], []))
    still = SCRATCH.with_changes({name: 0.0 for name in asdict(SCRATCH) if name.startswith("augment_")})
    assert "augment" not in _names(search_of(still, [], [], []))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("learning-rat=1e-5..1e-2", 'did you mean "learning_rate"'),
        ("augmen=0..2", 'did you mean "augment"'),
        ("learning-rate", "expected NAME=RANGE"),
        ("learning-rate=1e-2..1e-5", "the lower one first"),
        ("learning-rate=0..1:log", "begins above 0"),
        ("learning-rate=0..1", "learning_rate is 0.0, expected 1e-12 to 100"),
        ("learning-rate=nan..1", "nan is no number"),
        ("mixup=0..inf", "inf cannot be an end"),
        ("dropout=0.1..0.1", "one value: give it by --dropout"),
        ("nonsense=1,2", "these can be searched: augment, model, weights"),
        ("size=8,16", "size is 8, expected 16 to 4096"),
        ("size=96", "one value is given by --size"),
        ("size=96,96", "two different values"),
        ("size=96.5,128", '"96.5" is not a whole number'),
        ("size=96,128:log", "log goes with two ends"),
        ("model=resnet18..vgg19", "only numbers have ends"),
        ("contrast=none,loud", "contrast is 'loud', expected one of"),
        ("whitening=yes,no", '"yes" is not true or false'),
        ("augment=-1..1", "augment"),
        ("split=split,split_f0", "cannot be searched: trials must be judged on the same films"),
        ("seed=0,1", "cannot be searched"),
        ("monitor=loss,accuracy", "cannot be searched"),
    ],
)
def test_a_range_that_cannot_be_is_refused(over: str, message: str) -> None:
    with pytest.raises(BadConfig) as refused:
        search_of(SCRATCH, [], [], [over])
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_said_twice_or_leaves_nothing_is_refused() -> None:
    with pytest.raises(BadConfig, match="both fixed and searched"):
        search_of(SCRATCH, ["size"], [], ["size=96,128"])
    with pytest.raises(BadConfig, match="given twice"):
        search_of(SCRATCH, [], [], ["size=96,128", "size=64,96"])
    with pytest.raises(BadConfig, match="nothing is left to search"):
        search_of(SCRATCH, ["learning_rate", "weight_decay", "size", "model", "augment"], [], [])
    with pytest.raises(BadConfig, match="has no usual range"):
        usual_range("dropout", SCRATCH)
    with pytest.raises(BadConfig, match="--search"):
        search_of(SCRATCH, [], ["sizes"], [])


def test_what_is_not_typed_again_is_as_it_was_begun() -> None:
    begun = search_of(replace(SCRATCH, epochs=3), ["model"], [], ["size=96,128", "dropout=0..0.5"])
    same = search_again(begun, {"epochs": 3}, [], ["size=96,128"])
    assert same.config == begun.config and same.texts.items() == begun.texts.items()
    other = search_again(begun, {"learning_rate": 0.01}, [], ["size=64,96"])
    assert "learning_rate" not in other.texts and other.config == replace(begun.config, learning_rate=0.01)
    assert other.texts["size"] == "64,96" and other.texts["dropout"] == begun.texts["dropout"]
    assert list(search_again(begun, {}, ["size"], []).texts) == ["size"]
    with pytest.raises(BadConfig, match="both fixed and searched"):
        search_again(begun, {"size": 96}, [], ["size=96,128"])


def test_the_factor_scales_every_strength_and_stops_where_the_settings_do() -> None:
    search = search_of(replace(SCRATCH, augment_zoom=0.8, augment_noise=0.1), [], ["augment"], [])
    none, double = search.config_of({"augment": 0.0}), search.config_of({"augment": 2.0})
    assert none.augment_rotation == none.augment_gamma == none.augment_noise == 0
    assert double.augment_rotation == 14 and double.augment_noise == 0.2
    assert double.augment_zoom == 0.9  # the most that there is
    assert double.augment_flip == none.augment_flip == 0.5 and double.augment_share == SCRATCH.augment_share


def test_every_setting_of_augmentation_is_a_strength_or_known_to_be_none() -> None:
    named = {name for name in asdict(SCRATCH) if name.startswith("augment_")}
    assert named - set(STRENGTHS) <= {"augment_flip", "augment_share"}
    assert set(STRENGTHS) <= named


def test_several_names_at_once_are_joined_by_plus() -> None:
    search = search_of(SCRATCH, [], [], ["imbalance=none,sampling,loss+augmentation"])
    assert search.config_of({"imbalance": "loss+augmentation"}).imbalance == ("loss", "augmentation")
    assert search.config_of(search.first_values).imbalance == ("none",)


@given(st.floats(1e-9, 1), st.floats(1.01, 1e4), st.booleans())
def test_a_range_is_read_as_it_is_written(low: float, factor: float, is_log: bool) -> None:
    one = Range("learning_rate", low, low * factor, is_log)
    assert range_of("learning_rate", one.text) == one
    assert one.holds(one.middle) and one.holds(one.rounded(low * factor))


def test_a_search_comes_back_from_its_texts() -> None:
    search = search_of(SCRATCH, [], [], ["size=32..64", "whitening=true,false", "contrast=none,clahe", "mixup=0..1"])
    assert Search.of_texts(search.config, search.texts) == search
    assert search_of(SCRATCH, [], ["whitening"], []).count == 2
    assert search.count == math.inf and Search(SCRATCH, (Range("size", 32, 64),)).count == 33


def _trial(number: int, *curve: float, score: float = math.nan, course: float = 1.0, **more: object) -> Trial:
    places = tuple((course * (place + 1) / len(curve), value) for place, value in enumerate(curve))
    return Trial(number, {"size": 32}, "running" if math.isnan(score) else "complete", score, curve=places, **more)  # type: ignore[arg-type]


def test_pruning_compares_at_the_same_share_of_the_course() -> None:
    full = [_trial(number, 0.6, 0.7, 0.8, 0.9, score=0.9) for number in range(4)]
    assert is_hopeless(_trial(9, 0.55, 0.59, course=0.25), full, False)  # two epochs of eight, against one of four
    assert not is_hopeless(_trial(9, 0.55, 0.61, course=0.25), full, False)
    assert is_hopeless(_trial(9, 0.61, course=0.5), full, False)  # as good at a quarter, not at the half
    assert not is_hopeless(_trial(9, 0.1, course=0.1), full, False)  # too early to tell
    assert not is_hopeless(_trial(9, 0.1, course=1.0), full, False)  # it has ended anyway
    assert not is_hopeless(_trial(9, 0.1, course=0.5), full[:3], False)  # too few to compare with
    assert not is_hopeless(_trial(9, 0.8, 0.1, course=0.5), full, False)  # its best counts, not its last


def test_pruning_knows_which_way_is_better() -> None:
    full = [_trial(number, 0.9, 0.5, score=0.5) for number in range(4)]
    assert is_hopeless(_trial(9, 1.0, course=0.5), full, True)
    assert not is_hopeless(_trial(9, 0.8, course=0.5), full, True)
    assert [trial.number for trial in ranked([_trial(0, score=0.4), _trial(1, score=0.2)], True)] == [1, 0]
    assert [trial.number for trial in ranked([_trial(0, score=0.4), _trial(1, score=0.4)], False)] == [0, 1]


def test_a_setting_matters_only_where_interval_and_shuffles_say_so() -> None:
    clear = Importance("size", Interval(0.5, 0.2, 0.7), 0.1, 0.005)
    assert clear.is_told(5)
    assert not replace(clear, p=0.02).is_told(5) and replace(clear, p=0.02).is_told(2)
    assert not replace(clear, value=Interval(0.5, 0.05, 0.7)).is_told(5)


def test_what_was_told_comes_back_from_json() -> None:
    search = search_of(replace(SCRATCH, frozen_epochs=math.inf), [], ["size", "augment"], [])
    trials = (
        Trial(0, {"size": 224, "augment": 1.0}, "complete", 0.9, 2, ((0.5, 0.8), (1.0, 0.9)), 3.0, "2026-01-01", ""),
        Trial(1, {"size": 112, "augment": math.inf}, "failed", why="the loss became nan"),
    )
    importances = (Importance("size", Interval(0.5, 0.2, 0.7), 0.1, 0.005),)
    tuned = Tuned(
        search, trials, {0: Interval(0.9, 0.8, math.nan)}, importances, 2, 10, 9, 5, "m.csv", {"command": "x"}
    )
    back = Tuned.from_dict(tuned.to_dict())
    assert back.search == search and back.importances == importances and back.trials[0] == trials[0]
    json.dumps(tuned.to_dict()["trials"][1]["values"], allow_nan=False)
    assert (
        math.isnan(back.trials[1].score)
        and back.trials[1].values["augment"] == math.inf
        and back.trials[1].why == "the loss became nan"
    )
    assert back.to_dict() == tuned.to_dict() and back.best == trials[0]


def test_values_that_are_paths_are_no_ends() -> None:
    assert range_of("weights", "../a.safetensors,../b.safetensors").choices == ("../a.safetensors", "../b.safetensors")
    with pytest.raises(BadConfig):
        range_of("learning_rate", "1e-4..1e-3,1e-2")
