"""Curves in a page: where they lie, what is not known, what is said to those who cannot see."""

from __future__ import annotations

import re

import pytest

from plainfilm.core.curves import Curve, curves
from plainfilm.core.strokes import Scale

NAN = float("nan")


def lines_of(drawn: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline points="([^"]+)"', drawn)
    return [[tuple(map(float, place.split(","))) for place in each.split()] for each in found]


def test_a_curve_lies_where_its_axis_says() -> None:
    drawn = curves(
        "Loss", [Curve("own", "#111111", [1, 2, 3], [0.0, 0.5, 1.0])], "epoch", "own ends at 1.000", counts_x=True
    )
    ((first, middle, last),) = lines_of(drawn)
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.11)
    assert first[0] < last[0] and first[1] > last[1], "up is up"
    upright = dict(re.findall(r'y="([\d.]+)" text-anchor="end" class="soft">([^<]*)<', drawn))
    highest = next(float(y) for y, word in upright.items() if word == "1")
    assert highest - 4 == pytest.approx(last[1], abs=0.11), "the highest number stands beside the highest place"
    assert "<desc>own ends at 1.000</desc>" in drawn and 'role="img"' in drawn


def test_what_is_not_known_is_a_gap_and_a_lone_place_a_dot() -> None:
    drawn = curves("Loss", [Curve("a", "#111111", [1, 2, 3, 4, 5], [1.0, 0.9, NAN, 0.8, NAN])], "epoch", "")
    assert [len(line) for line in lines_of(drawn)] == [2]
    assert drawn.count("<circle") == 1 and "nan" not in drawn


def test_the_first_curve_lies_uppermost_and_names_are_escaped() -> None:
    both = [Curve("<b>first", "#111111", [0, 1], [0, 1]), Curve("second", "#222222", [0, 1], [1, 0], is_faint=True)]
    drawn = curves("ROC", both, "x", "<i>", is_square=True, has_diagonal=True)
    assert drawn.index("#222222") < drawn.index("#111111")
    assert "<b>" not in drawn and "<i>" not in drawn and 'class="dotted"' in drawn


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 2), (1, 7), (1, 100), (3, 3000)])
def test_counts_are_written_as_whole_numbers(low: int, high: int) -> None:
    scale = Scale(low, high, counts=True)
    assert all(value == int(value) for value in scale.values)
    assert scale.low == low and scale.high >= high and all(scale.low <= value <= scale.high for value in scale.values)
