"""What is remarked of a film that may mislead: each for what it names, and nothing for a good one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from plainfilm.core.image import Film, ImageInfo
from plainfilm.core.preprocess import Preprocess
from plainfilm.core.quality import quality_warnings
from plainfilm.prepare.phantom import render_phantom

GOOD, _ = render_phantom("Normal", np.random.default_rng(0), 256)


def remarks(pixels: NDArray[Any], **info: Any) -> tuple[str, ...]:
    height, width = pixels.shape
    told = ImageInfo("png", width, height, 8 * pixels.itemsize, "grey", **info)
    return quality_warnings(Film(pixels, told), Preprocess(size=224))


def with_share(value: int, share: float) -> NDArray[np.uint8]:
    """The good film with so much of it at one level."""
    film = np.clip(GOOD, 1, 254).copy()
    film[: round(len(film) * share)] = value
    return film


def test_a_good_film_gets_no_remark_in_either_depth() -> None:
    assert remarks(GOOD) == ()
    assert remarks(GOOD.astype(np.uint16) * 257) == ()


@pytest.mark.parametrize(
    ("pixels", "info", "words"),
    [
        (GOOD, {"view": "LL"}, "a lateral view"),
        (GOOD, {"body_part": "HAND"}, "another part of the body (HAND), and the chest"),
        (GOOD, {"body_part": "THORACIC SPINE"}, "another part of the body"),
        (GOOD[:200, :200], {}, "200 x 200 pixels, fewer than the 224"),
        (np.tile(GOOD, (1, 2)), {}, "much longer than wide or wider than long"),
        (GOOD // 8 + np.uint8(100), {}, "hardly any contrast"),
        (with_share(255, 0.4), {}, "40% of it is pure white"),
        (with_share(0, 0.4), {}, "40% of it is pure black"),
        (GOOD // 12 * np.uint8(12), {}, "grey levels"),
        (GOOD, {"jpeg_quality": 30.0}, "a JPEG of quality 30"),
        (GOOD, {"notes": ("turned upright",)}, "turned upright"),
    ],
)
def test_each_remark_is_made_where_it_is_due(pixels: NDArray[Any], info: dict[str, Any], words: str) -> None:
    assert any(words in remark for remark in remarks(pixels, **info)), remarks(pixels, **info)


def test_the_limits_are_not_reached_by_a_little_less() -> None:
    assert remarks(with_share(255, 0.34)) == remarks(with_share(0, 0.34)) == ()
    assert remarks(GOOD[:, :180]) == remarks(GOOD[:, :180], view="PA", jpeg_quality=50.0)


@pytest.mark.parametrize("part", ["", "CHEST", "Thorax", "LUNG", "RIBS", "XR_CHEST PA", "UNKNOWN"])
def test_a_chest_by_any_name_and_a_part_that_is_not_known_get_no_remark(part: str) -> None:
    assert remarks(GOOD, body_part=part) == ()
