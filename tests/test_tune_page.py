"""The page of a search says what its trials told and no more, whatever they told; nothing that a name holds becomes markup."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise

import pytest

from plainfilm.core.bootstrap import Interval
from plainfilm.core.config import TrainConfig
from plainfilm.core.scatter import Dot, scatter
from plainfilm.core.search import Search, Value, range_of
from plainfilm.core.trials import Importance, State, Trial, Tuned
from plainfilm.judge.tune.page import tune_page
from plainfilm.judge.tune.words import importance_sentence, tuning_text

CONFIG = TrainConfig(weights="scratch", model="cnn-plain", size=64, epochs=4)
SEARCH = Search(
    CONFIG,
    (range_of("learning_rate", "1e-4..1e-2:log"), range_of("size", "48,64"), range_of("model", "cnn-plain,resnet18")),
)
MADE = {"command": "plainfilm tune data -o study", "made_at": "2026-01-01T00:00:00", "versions": {"plainfilm": "0.1.0"}}


def _trial(number: int, state: State = "complete", score: float = 0.9, why: str = "") -> Trial:
    values: dict[str, Value] = {
        "learning_rate": 0.001 * (number + 1),
        "size": (48, 64)[number % 2],
        "model": "cnn-plain",
    }
    curve = () if state == "failed" else ((0.25, score - 0.1), (0.5, score - 0.05))
    curve = (*curve, (1.0, score)) if state == "complete" else curve
    ended = score if state == "complete" else math.nan
    return Trial(number, values, state, ended, 2, curve, 61.0, f"2026-01-01T00:0{number % 10}:00", why)


def _tuned(
    *trials: Trial, search: Search = SEARCH, kept: tuple[int, ...] = (), importances: tuple[Importance, ...] = ()
) -> Tuned:
    intervals = {number: Interval(trials[number].score, 0.85, 0.95) for number in kept}
    return Tuned(
        search,
        trials,
        intervals,
        importances,
        len(trials),
        737,
        700,
        1474,
        "/x/manifest.csv",
        MADE,
        directory="some/study",
    )


def _text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<(style|title|desc)>.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


FULL = _tuned(
    _trial(0, score=0.91),
    _trial(1, score=0.9312),
    _trial(2, "pruned", 0.7),
    _trial(3, "failed", why="the loss became nan in epoch 1"),
    _trial(4, "running", 0.8),
    _trial(5, score=0.62),
    kept=(0, 1),
    importances=(
        Importance("learning_rate", Interval(0.41, 0.22, 0.6), 0.05, 0.005),
        Importance("size", Interval(0.02, 0.01, 0.3), 0.04, 0.3),
        Importance("model", Interval(0.01, 0.0, 0.2), 0.04, 0.6),
    ),
)


def test_the_finding_comes_first_with_what_to_think_of_it() -> None:
    told = _text(tune_page(FULL))
    assert "Best of 5 trials: validation macro AUROC 0.9312 (0.8500 to 0.9500)" in told
    assert "Trial 1: learning rate 0.002, size 64, network cnn-plain" in told
    assert "best of 3 complete trials on the same 737 validation films in 700 groups" in told
    assert "The test split was not read: its 1,474 films were taken out" in told
    assert "1 other trial lies within the interval" in told and "(trial 0)" in told
    assert "Every trial was trained with seed 0 alone" in told
    assert "3 complete, 1 pruned, 1 failed, 1 not ended" in told
    assert "the loss became nan in epoch 1" in told
    assert "plainfilm train /x/manifest.csv -o RUN --recipe some/study/best.toml" in told


def test_a_setting_matters_or_cannot_be_told_yet() -> None:
    told = _text(tune_page(FULL))
    assert "What mattered: learning rate; of the 2 others it cannot be told yet." in told
    assert told.count("cannot be told yet") >= 4  # the sentence, the chart and the table
    assert "0.410 (0.220 to 0.600)" in told
    unsure = replace(FULL, importances=FULL.importances[1:])
    assert "cannot be told yet from these 6 trials" in importance_sentence(unsure)
    assert "What mattered" not in _text(tune_page(unsure))
    assert "too few trials to ask" in importance_sentence(replace(FULL, importances=()))


def test_what_keeps_a_setting_from_being_told_is_said() -> None:
    told = _text(tune_page(FULL))
    assert "cannot be told yet: p is above 0.017 and the interval reaches down to chance" in told
    for one, said in (
        (
            Importance("size", Interval(0.3, 0.01, 0.4), 0.05, 0.005),
            "cannot be told yet: the interval reaches down to chance",
        ),
        (Importance("size", Interval(0.3, 0.1, 0.4), 0.05, 0.2), "cannot be told yet: p is above 0.050"),
    ):
        assert said in _text(tune_page(replace(FULL, importances=(one,))))
    assert "suppose that trials were drawn at random" in told and "These were, but for the very first" in told
    many = tune_page(replace(FULL, trials=tuple(_trial(number) for number in range(11)), kept={}))
    assert "the 3 after them were proposed by the search" in _text(many)
    assert "Pruned and failed trials count as worse" in told and "drawn anew from themselves" in told


def test_each_setting_is_held_against_its_own_chance() -> None:
    chart = re.search(r'<svg[^>]*class="chart">\s*<title>Importance</title>.*?</svg>', tune_page(FULL), re.DOTALL)
    assert chart is not None
    ticks = [float(x) for x in re.findall(r'<rect x="([\d.]+)"[^>]*width="3.00"', chart.group())]
    assert len(ticks) == 3 and ticks[0] > ticks[1] == ticks[2]


def test_trials_without_a_curve_still_give_a_page() -> None:
    page = _text(tune_page(replace(FULL, trials=tuple(replace(trial, curve=()) for trial in FULL.trials))))
    assert "Learning curves" not in page and "Score against each setting" in page


def test_the_best_so_far_is_drawn_in_steps_by_the_numbers_of_the_trials() -> None:
    trials = (_trial(0, score=0.5), _trial(1, score=0.9), _trial(2, score=0.7))
    chart = re.search(r"<h4>Best so far, trial by trial</h4>(.*?)</svg>", tune_page(_tuned(*trials)), re.DOTALL)
    assert chart is not None
    line = re.search(r'<polyline points="([^"]+)"', chart.group())
    assert line is not None
    places = [tuple(map(float, place.split(","))) for place in line.group(1).split()]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(places)), "level or upright, never a slope"
    assert len(places) == 4 and 'class="soft">0</text>' in chart.group() and "macro AUROC</text>" in chart.group()


def test_the_footer_names_the_first_and_the_last_command() -> None:
    again = replace(FULL, begun=MADE, made={**MADE, "command": "plainfilm tune data -o study --resume"})
    told = _text(tune_page(again))
    assert (
        "Begun by plainfilm tune data -o study at" in told
        and "written by plainfilm tune data -o study --resume at" in told
    )
    assert "Made by plainfilm tune data -o study at" in _text(tune_page(replace(FULL, begun=MADE)))


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ((), "No trial is complete"),
        ((_trial(0),), "Best of 1 trial"),
        ((_trial(0), _trial(1)), "Best of 2 trials"),
        ((_trial(0, "failed", why="no memory"), _trial(1, "failed", why="no memory")), "trial 0: no memory"),
        ((_trial(0, "running"),), "No trial is complete"),
        ((_trial(0, "pruned", 0.5),), "No trial is complete"),
    ],
)
def test_few_trials_or_none_still_give_a_page_that_says_so(trials: tuple[Trial, ...], said: str) -> None:
    told = _text(tune_page(_tuned(*trials)))
    assert said in told and "there are too few trials to ask" in told
    assert "was not read" in told
    assert "nan" not in told.replace("Hanley", "")


def test_a_loss_is_better_the_lower_it_is() -> None:
    tuned = _tuned(
        _trial(0, score=0.6), _trial(1, score=0.3), search=Search(replace(CONFIG, monitor="loss"), SEARCH.ranges)
    )
    assert "validation loss 0.3000" in _text(tune_page(tuned)) and tuned.best == tuned.trials[1]


def test_the_terminal_says_the_same() -> None:
    lines = list(tuning_text(FULL))
    assert lines[0] == "Best of 5 trials: validation macro AUROC 0.9312 (0.8500 to 0.9500)."
    assert any("was not read" in line for line in lines) and any("trial 3 failed" in line for line in lines)
    assert next(tuning_text(_tuned())).startswith("No trial is complete")


def test_no_name_becomes_markup_and_nothing_is_loaded() -> None:
    evil = "<script>alert(1)</script>"
    search = Search(replace(CONFIG, weights="scratch"), (range_of("model", f"cnn-plain,{evil}"),))
    trial = Trial(0, {"model": evil}, "complete", 0.9, 1, ((1.0, 0.9),), 1.0, "2026", "")
    failed = Trial(1, {"model": "cnn-plain"}, "failed", why=f"{evil} & <b>")
    page = tune_page(replace(_tuned(trial, failed, search=search), made={**MADE, "command": evil}, manifest=evil))
    assert "<script" not in page and "<b>" not in page and page.count("&lt;script&gt;") >= 4
    assert not re.search(r'(src|href)="(?!data:|#|trials/)', page)


def test_points_lie_where_their_values_are() -> None:
    def places(chart: str) -> list[float]:
        return [float(x) for x in re.findall(r'cx="([\d.]+)"', chart)]

    dots = [Dot(x, 0.5 + x, "red", f"at {x}") for x in (0.001, 0.01, 0.1)]
    first, second, third = places(scatter("a", dots, "x", "y", "told", is_log=True))
    assert second - first == pytest.approx(third - second, abs=0.2)
    one = scatter("a", [Dot(0.003, 0.5, "red", "alone")], "x", "y", "told", is_log=True)
    assert len(places(one)) == 1 and "NaN" not in one
    same = scatter("a", [Dot(1, 0.5, "red", "one"), Dot(1, 0.5, "red", "two")], "x", "y", "told", choices=["a", "b"])
    assert len(set(places(same))) == 2  # neither hides the other
    assert "one" in same and "two" in same
