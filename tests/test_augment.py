"""Augmentation: bounds kept, drawn from the generator alone, nothing done where nothing is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plainfilm.core.config import TrainConfig

torch = pytest.importorskip("torch")
from plainfilm.learn.augment import augment, cropped, mixed_up, with_hidden_middles  # noqa: E402
from plainfilm.learn.style import in_other_look  # noqa: E402

NONE = TrainConfig(
    augment_share=1, augment_flip=0, augment_rotation=0, augment_zoom=0, augment_translation=0, augment_brightness=0,
    augment_contrast=0, augment_gamma=0, augment_noise=0, augment_resampling=0, augment_erasing=0, augment_border=0,
    augment_swap=0, augment_style=0, augment_hidden=0,
)  # fmt: skip
EVERY = {
    "flip": 1.0, "rotation": 30.0, "zoom": 0.3, "translation": 0.2, "brightness": 0.3, "contrast": 0.5, "gamma": 0.5, "noise": 0.2,
    "resampling": 0.7, "erasing": 1.0, "border": 1.0,
}  # fmt: skip


def _films(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 1, 40, 40, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.25


def _augmented(config: TrainConfig, films: torch.Tensor, seed: int = 0, strength: float = 1.0) -> torch.Tensor:
    return augment(films, torch.full((len(films),), strength), config, torch.Generator().manual_seed(seed))


def test_nothing_asked_nothing_done() -> None:
    assert torch.equal(_augmented(NONE, _films()), _films())


@pytest.mark.parametrize("name", list(EVERY))
def test_each_kind_changes_films_within_0_and_1_and_each_film_in_its_own_way(name: str) -> None:
    config = replace(NONE, **{f"augment_{name}": EVERY[name]})
    same = _films(1).expand(6, -1, -1, -1)
    changed = _augmented(config, same)
    assert changed.shape == same.shape
    assert changed.min() >= 0 and changed.max() <= 1
    assert not torch.equal(changed, same)
    if name != "flip":
        assert len({tuple(changed[place].flatten().tolist()) for place in range(6)}) == 6


def test_the_generator_decides() -> None:
    config = TrainConfig(augment_noise=0.1, augment_erasing=0.5)
    assert torch.equal(_augmented(config, _films(), seed=5), _augmented(config, _films(), seed=5))
    assert not torch.equal(_augmented(config, _films(), seed=5), _augmented(config, _films(), seed=6))


def test_a_share_of_films_keeps_its_very_pixels() -> None:
    config = replace(NONE, augment_share=0.5, augment_rotation=20.0, augment_gamma=0.5, augment_noise=0.1)
    films = _films(1).expand(1000, -1, -1, -1)
    kept = ((_augmented(config, films) - films).abs().flatten(1).amax(1) < 1e-5).float().mean()
    assert 0.45 < kept < 0.55


def test_flip_mirrors_and_half_flips_half() -> None:
    films = _films(1)
    assert torch.equal(_augmented(replace(NONE, augment_flip=1.0), films), films.flip(-1))
    many = _augmented(replace(NONE, augment_flip=0.5), films.expand(2000, -1, -1, -1))
    mirrored = (many == films.flip(-1)).flatten(1).all(1).float().mean()
    assert 0.45 < mirrored < 0.55


def test_brightness_stays_within_its_bound() -> None:
    films = torch.full((500, 1, 4, 4), 0.5)
    levels = _augmented(replace(NONE, augment_brightness=0.2), films)[:, 0, 0, 0]
    assert 0.3 <= levels.min() < 0.32 and 0.68 < levels.max() <= 0.7


def test_strength_is_a_factor_on_the_bounds() -> None:
    films = torch.full((500, 1, 4, 4), 0.5)
    levels = _augmented(replace(NONE, augment_brightness=0.1), films, strength=2.0)[:, 0, 0, 0]
    assert 0.3 <= levels.min() < 0.32


def test_rotation_turns_about_the_middle_and_brings_in_black() -> None:
    films = torch.ones(200, 1, 41, 41)
    turned = _augmented(replace(NONE, augment_rotation=45.0), films)
    assert (turned[:, 0, 20, 20] > 0.99).all()
    assert turned[:, 0, 0, 0].min() == 0


def test_erasing_leaves_a_rectangle_of_one_grey() -> None:
    films = torch.full((50, 1, 40, 40), 0.123)
    for film in _augmented(replace(NONE, augment_erasing=1.0), films):
        hole = film[0] != 0.123
        rows, columns = hole.any(1).nonzero(), hole.any(0).nonzero()
        inside = film[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.unique().numel() == 1
        assert 0.01 < hole.float().mean() < 0.25


def test_mixup_blends_films_and_targets_alike() -> None:
    films = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)]).repeat(50, 1, 1, 1)
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(50, 1)
    mixed, shares = mixed_up(films, target, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed[:, 0, 0, 0], shares[:, 1])
    torch.testing.assert_close(shares.sum(1), torch.ones(100))
    assert ((mixed > 0) & (mixed < 1)).any()


def test_crops_are_windows_of_the_very_pixels_from_all_over_the_film() -> None:
    film = torch.arange(40 * 40).reshape(1, 1, 40, 40).float()
    windows = cropped(film.expand(300, -1, -1, -1), 24, torch.Generator().manual_seed(0))
    assert windows.shape == (300, 1, 24, 24)
    corners = windows[:, 0, 0, 0].long()
    rows, columns = corners // 40, corners % 40
    assert {int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())} == {0, 16}
    for window, row, column in zip(windows[:20, 0], rows, columns, strict=False):
        assert torch.equal(window, film[0, 0, row : row + 24, column : column + 24])
    assert torch.equal(cropped(film, 40, torch.Generator()), film)


def test_swapped_borders_come_from_the_batch_and_the_middle_stays() -> None:
    films = torch.arange(1, 9).float().view(-1, 1, 1, 1).expand(-1, 1, 40, 40) / 10
    swapped = _augmented(replace(NONE, augment_swap=1.0), films)
    assert torch.equal(
        swapped[:, :, 10:30, 10:30], films[:, :, 10:30, 10:30]
    )  # a fifth of the side, and the seam, at most
    others = {round(float(film[0, 0, 0]) * 10) for film in swapped}
    assert others == set(range(1, 9))  # each film's border goes to one other, or stays
    assert (swapped[:, 0, 0, 0] != films[:, 0, 0, 0]).sum() >= 6
    assert torch.equal(_augmented(replace(NONE, augment_swap=1e-9), films), films)


def _blurred(films: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(films, 3, 1, 1)


def _fine_share(films: torch.Tensor) -> torch.Tensor:
    """(B,) of the power that is not the mean, how much lies above an eighth of the sampling rate."""
    power = torch.fft.rfft2(films[:, 0]).abs().square()
    down, right = torch.fft.fftfreq(films.shape[2]), torch.fft.rfftfreq(films.shape[3])
    is_fine = torch.hypot(down[:, None], right[None]) > 1 / 8
    return (power * is_fine).sum((1, 2)) / (power.sum((1, 2)) - power[:, 0, 0])


def test_a_film_in_anothers_look_has_its_grey_levels_and_its_sharpness_and_stays_the_same_picture() -> None:
    generator = torch.Generator().manual_seed(4)
    rough = torch.nn.functional.interpolate(torch.rand(6, 1, 12, 12, generator=generator), (96, 80), mode="bilinear")
    rough = 0.25 + 0.5 * rough  # so that nothing is cut off
    sharp = rough + 0.05 * torch.randn(6, 1, 96, 80, generator=generator)
    soft = _blurred(_blurred(rough)) ** 2
    films, order = torch.cat([sharp, soft]), torch.arange(12).roll(6)
    changed = in_other_look(films, order, torch.ones(12))
    levels = torch.linspace(0.05, 0.95, 10)
    for film, other in zip(changed[..., 14:-14, 12:-12], films[order][..., 14:-14, 12:-12], strict=True):
        torch.testing.assert_close(film.quantile(levels), other.quantile(levels), atol=0.01, rtol=0)
    before, wanted, after = (_fine_share(some).log() for some in (films, films[order], changed))
    assert ((after - wanted).abs() < 0.7 * (before - wanted).abs()).all()  # what a film lacks is not conjured up
    for film, same in zip(films[:6], changed[:6], strict=True):  # what is drawn stays what it was
        coarse = torch.stack([_blurred(one)[0].flatten() for one in (film, same)])
        assert torch.corrcoef(coarse)[0, 1] > 0.8
    assert changed.min() >= 0 and changed.max() <= 1


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_a_wide_border_lends_its_black_or_white_to_no_film(grey: float) -> None:
    films = _films(2)  # of 40 pixels a side, grey levels from 0.25 to 0.75
    films[1, :, :5], films[1, :, -5:] = grey, grey
    changed = in_other_look(films, torch.tensor([1, 0]), torch.ones(2))[0, 0]
    inside = changed[6:-6, 6:-6]
    assert inside.quantile(0.01) > 0.2 and inside.quantile(0.99) < 0.8


def test_a_look_is_taken_as_far_as_asked_and_by_a_share_of_the_films() -> None:
    films = _films(64) * torch.linspace(0.3, 1.3, 64).view(-1, 1, 1, 1)
    order = torch.arange(64).roll(1)
    whole, half = (in_other_look(films, order, torch.full((64,), far)) for far in (1.0, 0.5))
    torch.testing.assert_close(half, (films + whole) / 2)
    assert torch.equal(in_other_look(films, order, torch.zeros(64)), films)
    many = films.repeat(8, 1, 1, 1)
    is_varied = (_augmented(replace(NONE, augment_style=0.5), many) != many).flatten(1).any(1)
    assert 0.4 < is_varied.float().mean() < 0.6
    assert torch.equal(_augmented(replace(NONE, augment_style=1.0), films, strength=0.0), films)


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 17, 40), (3, 224, 224)])
def test_films_of_one_grey_and_of_any_shape_have_a_look(shape: tuple[int, int, int]) -> None:
    count, height, width = shape
    films = torch.linspace(0, 1, count).view(-1, 1, 1, 1).expand(-1, 1, height, width).contiguous()
    films[-1, 0, : height // 2] = 0.5
    changed = in_other_look(films, torch.arange(count).roll(1), torch.ones(count))
    assert torch.isfinite(changed).all() and changed.min() >= 0 and changed.max() <= 1


def test_a_film_whose_middle_is_hidden_is_of_no_class() -> None:
    films, target = _films(400), torch.eye(4)[torch.zeros(400, dtype=torch.long)]
    hidden, of_whom = with_hidden_middles(films, target, 0.25, torch.Generator().manual_seed(3))
    changed = (hidden != films).flatten(1).any(1)
    assert 0.18 < changed.float().mean() < 0.32
    assert torch.equal(of_whom[~changed], target[~changed])
    assert torch.equal(of_whom[changed], torch.full((int(changed.sum()), 4), 0.25))
    assert hidden[changed][:, 0, 20, 20].unique().numel() < 60  # one grey level, black for half of them
    assert torch.equal(hidden[..., 0], films[..., 0])  # the outermost stays
    share = (hidden != films).float().flatten(1).mean(1)[changed]
    assert share.min() > 0.2 and share.max() < 0.95
