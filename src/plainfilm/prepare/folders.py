"""Looking at folders: which hold films, which hold masks, and what a name gives away."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from pathlib import Path

from plainfilm.core.image import is_film_name
from plainfilm.prepare.listing import SPLIT_FOLDERS

IMAGE_FOLDERS = ("images", "image")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LUNG_MASKS = re.compile("(both)?(lungs?)?masks?")
_BETWEEN_WORDS = re.compile("[ _.-]+")
_WORD_OR_NUMBER = re.compile(rf"{_WORD.pattern}|[0-9]+")
_MASK_OF = re.compile("((left|right|both|lungs?|infection|lesion|opacity|heart|pneumothorax) ?)*masks?( [0-9]+)?")
# Names, without what is neither letter nor digit, that no patient, batch or study bears.
_CLASS_NAMES = frozenset(
    ("covid", "covid19", "noncovid", "normal", "healthy", "abnormal", "nofinding", "positive", "negative", "lungopacity",
     "pneumonia", "viralpneumonia", "bacterialpneumonia", "tuberculosis")
)  # fmt: skip


def visible_in(folder: Path) -> list[Path]:
    """What lies in a folder, by name and number (COVID-9 before COVID-10), without what systems hide there."""
    return sorted(
        (entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"),
        key=lambda entry: _natural(entry.name),
    )


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder."""
    return [entry for entry in visible_in(folder) if entry.is_dir()]


def films_in(folder: Path, *, deep: bool, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Films by name, links that lead nowhere among them, without those of mask folders below.

    deep: whether those of the folders below count too; a link to a folder that is being walked is passed over.
    """
    above = (*above, folder.resolve())
    for entry in visible_in(folder):
        if entry.is_dir():
            if deep and not is_mask_folder(entry) and entry.resolve() not in above:
                yield from films_in(entry, deep=True, above=above)
        elif is_film_name(entry) and (entry.is_file() or entry.is_symlink()):
            yield entry


def first_loose(folder: Path) -> Path | None:
    """The first film that lies in the folder itself."""
    return next(films_in(folder, deep=False), None)


def has_films(folder: Path) -> bool:
    """Whether a film lies in the folder or below."""
    return next(films_in(folder, deep=True), None) is not None


def film_folders(folder: Path) -> list[Path]:
    """The folders in a folder that hold films; mask folders are none."""
    return [inner for inner in folders_in(folder) if not is_mask_folder(inner) and has_films(inner)]


def images_folder(folder: Path) -> Path | None:
    """The folder called images, or image, in a folder."""
    return next((entry for entry in folders_in(folder) if entry.name.lower() in IMAGE_FOLDERS), None)


def is_mask_folder(folder: Path) -> bool:
    """Whether a word of the folder's name says that it holds masks: `masks`, `lung masks`, `infection_mask`, `LungMasks`."""
    return any(word.lower().endswith(("mask", "masks")) for word in _WORD.findall(folder.name))


def lung_masks_folder(folder: Path) -> Path | None:
    """The folder in a folder that holds masks of both lungs, `masks` before `lung masks`; masks of anything else are none."""
    found = [entry for entry in folders_in(folder) if _is_of_lungs(_WORD.findall(entry.name))]
    return min(found, key=lambda entry: len(entry.name), default=None)


def masked_film(name: str, films: Container[str]) -> tuple[str, bool] | None:
    """The film among `films` that a mask is called after (`X` of `X_mask`, `X_lung_mask`), and whether it is one of both lungs.

    name, films: without endings. None where no film is called so, or other words stand between: `X_no_mask` is no mask of X.
    """
    for between in _BETWEEN_WORDS.finditer(name):
        film, words = name[: between.start()], " ".join(_WORD_OR_NUMBER.findall(name[between.end() :])).lower()
        if film in films and _MASK_OF.fullmatch(words):
            return film, _is_of_lungs(words.split())
    return None


def _is_of_lungs(words: list[str]) -> bool:
    return _LUNG_MASKS.fullmatch("".join(words).lower()) is not None


def mask_folders(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The mask folders in a folder or below that hold any picture."""
    above = (*above, folder.resolve())
    for entry in folders_in(folder):
        if is_mask_folder(entry):
            if has_films(entry):
                yield entry
        elif entry.resolve() not in above:
            yield from mask_folders(entry, above)


def is_split_folder(folder: Path) -> bool:
    """Whether the folder's name is that of a part of a split."""
    return folder.name.lower() in SPLIT_FOLDERS


def is_class_name(name: str) -> bool:
    """Whether a name is that of a class of chest films, as far as we know them."""
    return re.sub("[^a-z0-9]", "", name.lower()) in _CLASS_NAMES
