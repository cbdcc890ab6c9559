"""The one recipe from pixels to input."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from plainfilm.core.preprocess import Preprocess
from plainfilm.errors import BadConfig

RAMP = np.tile(np.arange(256, dtype=np.uint8), (128, 1))  # (128, 256)


def _noise(shape: tuple[int, int], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
@pytest.mark.parametrize("contrast", ["none", "stretch", "equalize", "clahe", "gamma"])
@pytest.mark.parametrize("shape", [(64, 64), (50, 90), (333, 17), (1, 1), (1, 500)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_film_becomes_a_square_of_uint8(fit: str, contrast: str, shape: tuple[int, int], dtype: type) -> None:
    pixels = _noise(shape, dtype)
    kept = pixels.copy()
    fitted = Preprocess(size=64, fit=fit, contrast=contrast, gamma=0.7).fitted(pixels)  # type: ignore[arg-type]
    assert (fitted.shape, fitted.dtype) == ((64, 64), np.uint8)
    assert (pixels == kept).all()


def test_a_film_of_the_right_size_is_left_alone() -> None:
    film = _noise((64, 64))
    assert (Preprocess(size=64).fitted(film) == film).all()


def test_sixteen_bits_give_what_eight_bits_give() -> None:
    film = _noise((64, 64))
    wide = film.astype(np.uint16) * 257
    for contrast in ("none", "stretch", "equalize", "gamma"):
        recipe = Preprocess(size=64, contrast=contrast, gamma=0.6)  # type: ignore[arg-type]
        assert abs(recipe.fitted(film).astype(int) - recipe.fitted(wide)).max() <= 1


def test_a_dark_sixteen_bit_film_stays_dark_since_the_scale_is_the_files_own() -> None:
    assert Preprocess(size=32).fitted(_noise((32, 32), np.uint16) // 64).max() <= 4


def test_equalize_is_opencvs() -> None:
    film = (_noise((64, 64)) // 3 + 20).astype(np.uint8)
    assert abs(Preprocess(size=64, contrast="equalize").fitted(film).astype(int) - cv2.equalizeHist(film)).max() <= 1


def test_stretch_puts_the_percentiles_at_the_ends() -> None:
    film = np.clip(_noise((200, 200)) // 4 + 90, 0, 255).astype(np.uint8)
    stretched = Preprocess(size=200, contrast="stretch").fitted(film)
    assert (stretched.min(), stretched.max()) == (0, 255)


@pytest.mark.parametrize("contrast", ["none", "stretch", "equalize", "clahe", "gamma"])
def test_a_constant_film_is_no_error(contrast: str) -> None:
    fitted = Preprocess(size=32, contrast=contrast).fitted(np.full((40, 40), 77, np.uint8))  # type: ignore[arg-type]
    assert fitted.min() == fitted.max()


def test_pad_keeps_the_shape_and_crop_the_middle() -> None:
    padded = Preprocess(size=64, fit="pad").fitted(np.full((32, 64), 200, np.uint8))
    assert (padded[:16] == 0).all() and (padded[48:] == 0).all() and (padded[16:48] == 200).all()
    cropped = Preprocess(size=128, fit="crop").fitted(RAMP)
    assert (cropped == RAMP[:, 64:192]).all()


def test_a_strip_is_cropped_without_being_made_large() -> None:
    """At the network's scale all of it would have a hundred million pixels."""
    strip, recipe = _noise((16, 400_000)), Preprocess(size=64, fit="crop")
    tracemalloc.start()
    fitted = recipe.fitted(strip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000, peak
    assert (fitted == recipe.fitted(np.ascontiguousarray(strip[:, 199_936:200_064]))).all()
    assert abs(fitted.astype(int) - recipe.fitted(strip.T).T).max() <= 1


def test_a_film_up_to_eight_times_as_long_as_broad_is_cropped_as_it_always_was() -> None:
    film = _noise((40, 320))
    whole = cv2.resize(film, (512, 64), interpolation=cv2.INTER_LINEAR)
    assert (Preprocess(size=64, fit="crop").fitted(film) == whole[:, 224:288]).all()


def test_lungs_alone_blacken_the_rest() -> None:
    mask = np.zeros((10, 20), bool)
    mask[:, :10] = True
    fitted = Preprocess(size=64, region="lungs").fitted(np.full((128, 256), 90, np.uint8), mask)
    assert (fitted[:, :32] == 90).all() and (fitted[:, 32:] == 0).all()
    assert not Preprocess(size=64, region="lungs").fitted(RAMP).any()  # nobody finds lungs there


def test_the_background_is_what_lungs_and_a_margin_leave() -> None:
    mask = np.zeros((100, 100), bool)
    mask[40:60, 20:35] = mask[40:60, 65:80] = True
    film = _noise((100, 100)) | 1
    alone, beside, whole = (
        Preprocess(size=100, region=region).fitted(film, mask)  # type: ignore[arg-type]
        for region in ("lungs", "background", "film")
    )
    assert not ((alone > 0) & (beside > 0)).any()
    assert not beside[37:63, 20:80].any()  # what lies between them, too, and a margin
    assert (beside[:30] == whole[:30]).all() and (beside[:, :10] == whole[:, :10]).all()
    assert (
        Preprocess(size=256, region="background").fitted(RAMP) == Preprocess(size=256).fitted(RAMP)
    ).all()  # no lungs there


def test_the_input_is_normalised() -> None:
    recipe = Preprocess(size=32, mean=0.25, std=0.5)
    given = recipe.network_input(np.full((3, 32, 32), 255, np.uint8))
    assert (given.shape, given.dtype) == ((3, 1, 32, 32), np.float32)
    assert np.allclose(given, 1.5)
    assert recipe.network_input(np.zeros((32, 32), np.uint8)).shape == (1, 1, 32, 32)


def test_the_same_recipe_in_torch() -> None:
    torch = pytest.importorskip("torch")
    from plainfilm.learn.infer import network_input

    films = _noise((5 * 32, 32)).reshape(5, 32, 32)
    recipe = Preprocess(size=32)
    theirs = network_input(torch.from_numpy(films).unsqueeze(1), recipe).numpy()
    np.testing.assert_allclose(theirs, recipe.network_input(films), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 5}, {"fit": "stretch"}, {"contrast": "hdr"}, {"gamma": 0.0}, {"std": 0.0}, {"mean": float("nan")}],
)
def test_wrong_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        Preprocess(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BadConfig):
        Preprocess.from_dict({**Preprocess().to_dict(), **wrong})


def test_round_trip_and_unknown_keys() -> None:
    recipe = Preprocess(size=96, fit="pad", contrast="clahe")
    assert Preprocess.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(BadConfig, match="expected"):
        Preprocess.from_dict({**recipe.to_dict(), "resize": 1})
