"""Sets of phantoms on disk, laid out as the COVID-19 Radiography Database is, with flaws planted on request.

<Class>/images/<Class>-<n>.png      299 x 299, 8-bit grey
<Class>/masks/<Class>-<n>.png       256 x 256, RGB, lungs white (the database's masks are of that other size, too)
<Class>.metadata.xlsx               FILE NAME, FORMAT, SIZE, URL, as the database's sheets (SIZE is wrong there, too)
metadata.csv                        path, source, patient_id, view, age, sex: for `plainfilm prepare --metadata`
planted.csv                         image, twin_of, kind: every planted flaw, for checking what a check finds
README.md.txt                       says that all of it is drawn
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.files import cannot_write, make_directory
from plainfilm.errors import BadConfig, CannotWrite
from plainfilm.prepare.phantom import FINDINGS, render_parts
from plainfilm.prepare.phantom_chest import sex_of
from plainfilm.prepare.phantom_drawing import Film, Mask
from plainfilm.prepare.phantom_flaws import (
    DAMAGES,
    SHORTCUTS,
    SOURCES,
    TWINS,
    Shortcut,
    Source,
    add_shortcut,
    damage,
    make_twin,
)

_MASK_PX = 256
_README = """Chest phantoms made by plainfilm (seed {seed}).

Every film in this folder is drawn by a program. None shows a person; patients, ages, sexes, views and sources are
invented. The layout, and the addresses in the sheets, are those of the COVID-19 Radiography Database, which these films
stand in for. planted.csv tells which films were given a flaw on purpose.
"""


@dataclass(frozen=True)
class PhantomOptions:
    """What a set of phantoms has wrong with it, for a check to find. All off unless asked for.

    twin_share: share of films, 0 to 1, that are near twins of an earlier film of their class: the same picture resized,
        as a JPEG, cropped, rotated, mirrored, inverted, brighter, with another gamma, with noise, blurred, with a
        border or with text on it, in turn. Their patient is not told.
    identical_share: share of films with the very pixels of an earlier film of their class; with twin_share below 1.
    films_per_patient: mean number of films of one patient, at least 1. Films of a patient share anatomy, disease and
        source, and differ in position, exposure and grain.
    sources: number of places that the films come from, 1 to 8, each with a look of its own, whatever the class.
    source_by_class: no two classes share a source, so class and source are confounded; there are at least as many
        sources as classes then.
    shortcut: what a network can learn in place of the disease: "marker", "border", "grey", "texture", or None.
    shortcut_class: the one class that carries the shortcut.
    shortcut_share: share of that class's films that carry it, 0 to 1.
    damaged: number of files that cannot be read as the film they were, on top of the films asked for.
    """

    twin_share: float = 0.0
    identical_share: float = 0.0
    films_per_patient: float = 1.0
    sources: int = 1
    source_by_class: bool = False
    shortcut: Shortcut | None = None
    shortcut_class: str = "COVID"
    shortcut_share: float = 1.0
    damaged: int = 0

    def __post_init__(self) -> None:
        """Raise BadConfig for a value out of its range."""
        for name in ("twin_share", "identical_share", "shortcut_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadConfig(f"{name}: {getattr(self, name)} is no share; take 0 to 1")
        if self.twin_share + self.identical_share >= 1:
            raise BadConfig("twin_share and identical_share together must stay below 1: some films must be their own")
        if not self.films_per_patient >= 1:
            raise BadConfig(f"films_per_patient: {self.films_per_patient} is too few; take 1 or more")
        if not 1 <= self.sources <= len(SOURCES):
            raise BadConfig(f"sources: {self.sources} is out of range; take 1 to {len(SOURCES)}")
        if self.shortcut is not None and self.shortcut not in SHORTCUTS:
            raise BadConfig(f"shortcut: unknown: {self.shortcut!r}; known are {', '.join(SHORTCUTS)}")
        if self.shortcut_class not in FINDINGS:
            raise BadConfig(f"shortcut_class: unknown: {self.shortcut_class!r}; known are {', '.join(FINDINGS)}")
        if self.damaged < 0:
            raise BadConfig(f"damaged: {self.damaged} is below 0")


@dataclass(frozen=True)
class _Plan:
    """What one film will be; all of it follows from the seed, the class, the number and the options.

    number: within its class, from 1. patient: the number of the patient's first film. twin_of, twin_kind: for a film
    that is another's picture. damage: how the file is to be damaged, or "".
    """

    finding: str
    number: int
    patient: int
    source: Source
    shortcut: Shortcut | None = None
    twin_of: _Plan | None = None
    twin_kind: str = ""
    damage: str = ""

    @property
    def name(self) -> str:
        return f"{self.finding}-{self.number}"

    @property
    def path(self) -> str:
        return f"{self.finding}/images/{self.name}.png"


def make_phantoms(
    directory: str | Path,
    films_per_class: Mapping[str, int] | int,
    *,
    seed: int,
    options: PhantomOptions = PhantomOptions(),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a set of phantoms, whole or not at all, and return its directory.

    directory: made by this call; it must not exist or must be empty.
    films_per_class: the number of films of each class, at least 1: one for all of FINDINGS, or by finding.
    seed: 0 or more. A film depends on the seed, its class and its number alone: more films do not change those there
        were, and an option changes the films that it is about and no others.
    progress: called after each film with the number written so far and their total.
    Raises BadConfig for an unknown finding, a count below 1 or a seed below 0; CannotWrite where the directory holds
    something, is a file or cannot be written.
    """
    counts = _checked_counts(films_per_class)
    if seed < 0:
        raise BadConfig(f"seed: {seed} is below 0")
    plans = _plan_set(counts, seed, options)
    with _whole_directory(Path(directory)) as building:
        for finding in counts:
            for folder in ("images", "masks"):
                (building / finding / folder).mkdir(parents=True)
        for done, plan in enumerate(plans, start=1):
            film, lungs = _render(plan, seed)
            png = _png(film)
            (building / plan.path).write_bytes(damage(png, plan.damage) if plan.damage else png)
            (building / plan.finding / "masks" / f"{plan.name}.png").write_bytes(_png(_as_mask(lungs)))
            if progress is not None:
                progress(done, len(plans))
        _write_tables(building, plans, seed)
    return Path(directory)


def _checked_counts(films_per_class: Mapping[str, int] | int) -> dict[str, int]:
    """The number of films of each class, in the order of FINDINGS."""
    if isinstance(films_per_class, int):
        films_per_class = dict.fromkeys(FINDINGS, films_per_class)
    if unknown := [finding for finding in films_per_class if finding not in FINDINGS]:
        raise BadConfig(f"films_per_class: unknown: {', '.join(map(repr, unknown))}; known are {', '.join(FINDINGS)}")
    if too_few := [f"{finding} ({count})" for finding, count in films_per_class.items() if count < 1]:
        raise BadConfig(f"films_per_class: {', '.join(too_few)} must be 1 or more")
    if not films_per_class:
        raise BadConfig(f"films_per_class: names no class; known are {', '.join(FINDINGS)}")
    return {finding: films_per_class[finding] for finding in FINDINGS if finding in films_per_class}


def _plan_set(counts: Mapping[str, int], seed: int, options: PhantomOptions) -> list[_Plan]:
    """Every film of the set: class by class, then the damaged files, which go to the classes in turn."""
    plans = [plan for finding in counts for plan in _plan_class(finding, counts[finding], seed, options)]
    for i in range(options.damaged):
        finding = list(counts)[i % len(counts)]
        number = counts[finding] + 1 + i // len(counts)
        source = _choose_source(finding, _stream("choices", finding, number, seed), options)
        plans.append(_Plan(finding, number, number, source, damage=DAMAGES[i % len(DAMAGES)]))
    return plans


def _plan_class(finding: str, count: int, seed: int, options: PhantomOptions) -> list[_Plan]:
    """The films of one class. Whatever is chosen for a film is drawn in one order, so that no choice moves another."""
    plans: list[_Plan] = []
    own: list[_Plan] = []  # the films that are nobody's twin
    planted_share = options.twin_share + options.identical_share
    for number in range(1, count + 1):
        rng = _stream("choices", finding, number, seed)
        source = _choose_source(finding, rng, options)
        carries, continues, which = rng.random(3)
        planted = int(number * planted_share + 1e-9)
        if planted > int((number - 1) * planted_share + 1e-9):
            kind = _planted_kind(planted, options, offset=FINDINGS.index(finding))
            origin = own[int(which * len(own))]
            plans.append(_Plan(finding, number, number, source, twin_of=origin, twin_kind=kind))
            continue
        patient = number
        if own and continues < 1 - 1 / options.films_per_patient:
            patient, source = own[-1].patient, own[-1].source
        has_shortcut = finding == options.shortcut_class and carries < options.shortcut_share
        own.append(_Plan(finding, number, patient, source, options.shortcut if has_shortcut else None))
        plans.append(own[-1])
    return plans


def _planted_kind(nth: int, options: PhantomOptions, offset: int) -> str:
    """What the nth planted film of a class is: the two shares mixed evenly, the kinds of near twins in turn."""
    share = options.twin_share / (options.twin_share + options.identical_share)
    nth_twin = int(nth * share + 0.5)
    if nth_twin == int((nth - 1) * share + 0.5):
        return "identical"
    return TWINS[(nth_twin - 1 + 3 * offset) % len(TWINS)]


def _choose_source(finding: str, rng: np.random.Generator, options: PhantomOptions) -> Source:
    """One of the first `sources`; with source_by_class one of those that fall to this class when they are dealt out."""
    share = rng.random()
    if not options.source_by_class:
        return SOURCES[int(share * options.sources)]
    dealt = SOURCES[: max(options.sources, len(FINDINGS))][FINDINGS.index(finding) :: len(FINDINGS)]
    return dealt[int(share * len(dealt))]


def _stream(purpose: str, finding: str, number: int, seed: int) -> np.random.Generator:
    """The random generator of one film for one purpose; independent of the other purposes and films."""
    purposes = ("anatomy", "disease", "acquisition", "choices", "shortcut", "twin", "person", "view")
    streams = np.random.SeedSequence([seed, FINDINGS.index(finding), number]).spawn(len(purposes))
    return np.random.default_rng(streams[purposes.index(purpose)])


def _render(plan: _Plan, seed: int) -> tuple[Film, Mask]:
    if plan.twin_of is not None:
        film, lungs = _render(plan.twin_of, seed)
        if plan.twin_kind == "identical":
            return film, lungs
        return make_twin(film, lungs, plan.twin_kind, _stream("twin", plan.finding, plan.number, seed))
    film, lungs = render_parts(
        plan.finding,
        _stream("anatomy", plan.finding, plan.patient, seed),
        _stream("disease", plan.finding, plan.patient, seed),
        _stream("acquisition", plan.finding, plan.number, seed),
        look=plan.source.look,
    )
    if plan.shortcut is not None:
        film = add_shortcut(film, plan.shortcut, _stream("shortcut", plan.finding, plan.number, seed))
    return film, lungs


def _as_mask(lungs: Mask) -> NDArray[np.uint8]:
    small = cv2.resize(lungs.astype(np.uint8) * 255, (_MASK_PX, _MASK_PX), interpolation=cv2.INTER_AREA)
    return np.repeat(np.where(small > 127, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    is_coded, coded = cv2.imencode(".png", pixels)
    assert is_coded, "OpenCV always has a PNG encoder"
    return coded.tobytes()


def _write_tables(building: Path, plans: list[_Plan], seed: int) -> None:
    for finding in dict.fromkeys(plan.finding for plan in plans):
        listed = "NORMAL" if finding == "Normal" else finding  # as the database has it
        films = [plan for plan in plans if plan.finding == finding]
        rows = [(f"{listed}-{plan.number}", "PNG", "256*256", plan.source.url) for plan in films]
        sheet = pd.DataFrame(rows, columns=["FILE NAME", "FORMAT", "SIZE", "URL"])
        sheet.to_excel(building / f"{finding}.metadata.xlsx", index=False, engine="openpyxl")
    people = pd.DataFrame([_person(plan, seed) for plan in plans])
    people.to_csv(building / "metadata.csv", index=False, lineterminator="\n")
    planted = [row for plan in plans for row in _planted_rows(plan)]
    table = pd.DataFrame(planted, columns=["image", "twin_of", "kind"])
    table.to_csv(building / "planted.csv", index=False, lineterminator="\n")
    (building / "README.md.txt").write_text(_README.format(seed=seed), encoding="utf-8")


def _person(plan: _Plan, seed: int) -> dict[str, object]:
    """A film's row of metadata.csv. Whose picture a twin shows is not known, as with films that are published twice."""
    row: dict[str, object] = {"path": plan.path, "source": plan.source.name}
    if plan.twin_of is not None:
        return row | {"patient_id": "", "view": "", "age": "", "sex": ""}
    person = _stream("person", plan.finding, plan.patient, seed)
    view = _stream("view", plan.finding, plan.number, seed)
    return {
        **row,
        "patient_id": f"phantom-{FINDINGS.index(plan.finding)}-{plan.patient}",
        "view": ("PA", "AP")[int(view.integers(2))],
        "age": int(person.integers(18, 90)),
        "sex": sex_of(_stream("anatomy", plan.finding, plan.patient, seed)),
    }


def _planted_rows(plan: _Plan) -> list[tuple[str, str, str]]:
    if plan.twin_of is not None:
        return [(plan.path, plan.twin_of.path, plan.twin_kind)]
    if plan.damage:
        return [(plan.path, "", f"damaged: {plan.damage}")]
    return [(plan.path, "", f"shortcut: {plan.shortcut}")] if plan.shortcut else []


@contextmanager
def _whole_directory(directory: Path) -> Iterator[Path]:
    """Give a new directory beside `directory`; when the block ends well it takes that name, when not it is removed.

    Raises CannotWrite where the name is taken by a file or by a directory that holds something, or the system refuses.
    """
    if directory.exists() and not directory.is_dir():
        raise CannotWrite("is a file where a folder is to be made: choose another place", directory)
    if directory.is_dir() and any(directory.iterdir()):
        raise CannotWrite("is not empty: choose another place, or delete what it holds", directory)
    make_directory(directory.absolute().parent)
    building = directory.absolute().with_name(f".{directory.absolute().name}.{os.getpid()}-{secrets.token_hex(3)}.part")
    try:
        building.mkdir()
        yield building
        if directory.is_dir():
            directory.rmdir()  # empty; Windows renames onto nothing that exists
        building.rename(directory)
    except OSError as error:
        raise cannot_write(directory, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
