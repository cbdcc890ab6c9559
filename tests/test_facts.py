"""What a file says without its anatomy, on pictures whose facts are known."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainfilm.core.image import Film, read_film
from plainfilm.core.progress import Silence
from plainfilm.prepare.facts import FACTS, HISTOGRAM, KINDS, NO_FACTS, NUMBER_FACTS, SIDES, facts_table, film_facts
from plainfilm.prepare.scan import scan_films

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (64, 48), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 3)


def _png(pixels: np.ndarray) -> Film:
    return read_film(cv2.imencode(".png", pixels)[1].tobytes(), least_side=1)


def _jpeg(pixels: np.ndarray, **options: object) -> Film:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", **options)
    return read_film(content.getvalue(), least_side=1)


def _facts(film: Film) -> dict[str, object]:
    return facts_table([film_facts(film)], pd.RangeIndex(1)).iloc[0].to_dict()


def test_every_fact_belongs_to_one_kind() -> None:
    assert len(FACTS) == len(set(FACTS)) == sum(len(names) for names in KINDS.values())


def test_size_and_format_of_a_png() -> None:
    content = cv2.imencode(".png", GREY)[1].tobytes()
    facts = _facts(read_film(content, least_side=1))
    assert (facts["width"], facts["height"], facts["bit_depth"], facts["is_inverted"]) == (48, 64, 8, 0)
    assert (facts["format"], facts["coding"], facts["colour"]) == ("png", "", "grey")
    assert np.isnan(facts["jpeg_quality"])
    assert facts["bytes_a_pixel"] == pytest.approx(len(content) / GREY.size)


@pytest.mark.parametrize("quality", [25, 50, 75, 90, 95, 98, 100])
def test_the_quality_of_a_jpeg_is_told_by_its_tables(quality: int) -> None:
    info = _jpeg(GREY, quality=quality).info
    assert info.jpeg_quality == pytest.approx(quality, abs=1.2)


@pytest.mark.parametrize(
    "options, coding",
    [
        ({"subsampling": "4:2:0"}, "baseline 4:2:0"),
        ({"subsampling": "4:2:2"}, "baseline 4:2:2"),
        ({"subsampling": "4:4:4", "progressive": True}, "progressive 4:4:4"),
    ],
)
def test_how_a_jpeg_is_coded(options: dict[str, object], coding: str) -> None:
    assert _facts(_jpeg(SMOOTH, **options))["coding"] == coding
    assert _facts(_jpeg(GREY))["coding"] == "baseline"


def test_a_jpeg_with_tables_of_its_own_has_a_quality_all_the_same() -> None:
    film = _jpeg(GREY, qtables=[[7] * 64])
    assert 80 < film.info.jpeg_quality < 100


def test_the_transfer_syntax_and_the_compression_of_a_tiff_are_codings(real_films) -> None:
    codings = {path.name: read_film(path).info.coding for path in sorted((real_films / "dicom").glob("chest-*.dcm"))}
    assert codings["chest-monochrome1-jpeg2000.dcm"] == "JPEG 2000 Image Compression"
    assert read_film(cv2.imencode(".tiff", GREY)[1].tobytes()).info.coding == "LZW"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_levels_are_shares_of_the_full_scale(dtype: type) -> None:
    full = np.iinfo(dtype).max
    pixels = np.full((40, 40), full // 2, dtype)
    pixels[:10], pixels[-4:] = 0, full
    facts = _facts(_png(pixels))
    assert (facts["darkest"], facts["brightest"]) == (0, 1)
    assert facts["black"] == pytest.approx(0.25)
    assert facts["white"] == pytest.approx(0.1)
    assert facts["gaps"] == pytest.approx(1 - 3 / 256)
    histogram = np.array([facts[name] for name in HISTOGRAM])
    assert histogram.sum() == pytest.approx(1)
    assert histogram[[0, 15, 31]] == pytest.approx([0.25, 0.65, 0.1])


def test_a_stretched_scale_leaves_gaps_and_a_full_one_none() -> None:
    assert _facts(_png(np.arange(256, dtype=np.uint8).reshape(16, 16)))["gaps"] == 0
    stretched = np.repeat(np.arange(0, 256, 2, dtype=np.uint8), 2).reshape(16, 16)
    assert _facts(_png(stretched))["gaps"] == pytest.approx(0.5, abs=0.01)


def test_edges_are_measured_side_by_side() -> None:
    pixels = np.full((64, 64), 100, np.uint8)
    pixels[:4], pixels[-4:, ::2] = 20, 200
    facts = _facts(_png(pixels))
    assert facts["edge_top"] * 255 == pytest.approx(20)
    assert facts["spread_top"] == pytest.approx(0, abs=1e-6)
    assert facts["edge_bottom"] * 255 == pytest.approx(150)
    assert facts["spread_bottom"] * 255 == pytest.approx(50)
    assert facts["edge_left"] * 255 == pytest.approx(facts["edge_right"] * 255, abs=10)


@pytest.mark.parametrize("make", [_png, _jpeg])
def test_a_frame_is_as_wide_as_it_is(make) -> None:
    """On each side its own width; lossy coding may cost it a line or two, not more."""
    pixels = RNG.integers(60, 256, (100, 100), dtype=np.uint8)
    framed = cv2.copyMakeBorder(pixels, 16, 24, 8, 32, cv2.BORDER_CONSTANT, value=3)
    facts = _facts(make(framed))
    found = [facts[f"frame_{side}"] * size for side, size in zip(SIDES, (140, 140, 140, 140), strict=True)]
    assert found == pytest.approx([16, 24, 8, 32], abs=0.01 if make is _png else 8)
    assert [_facts(make(pixels))[f"frame_{side}"] for side in SIDES] == [0, 0, 0, 0]


def test_a_film_of_one_grey_and_one_of_a_single_pixel_have_facts() -> None:
    for pixels in (np.full((30, 20), 90, np.uint8), np.zeros((1, 1), np.uint16)):
        facts = _facts(_png(pixels))
        assert [facts[f"frame_{side}"] for side in SIDES] == [1, 1, 1, 1]
        assert facts["gaps"] == 0


def test_facts_are_taken_in_the_scan_and_an_unreadable_film_has_none(tmp_path) -> None:
    (tmp_path / "good.png").write_bytes(cv2.imencode(".png", GREY)[1].tobytes())
    (tmp_path / "bad.png").write_bytes(b"no film")
    rows = pd.DataFrame({"path": [str(tmp_path / name) for name in ("bad.png", "good.png")]}, index=[7, 3])
    rows[["patient_id", "view", "age", "sex"]] = ""
    scan = scan_films(rows, b"key", Silence())
    assert list(scan.facts.index) == [7, 3]
    assert list(scan.facts.columns) == list(FACTS)
    assert scan.facts.loc[7, list(NUMBER_FACTS)].isna().all()
    assert scan.facts.loc[3, "width"] == 48
    assert NO_FACTS.texts == ("", "", "")
