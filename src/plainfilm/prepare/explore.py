"""One offline page of a whole set of films: what is in it, what its classes look like, what is odd about it.

    write_explore_page(Manifest.open("data"), "explore.html")

Every film is opened once, into a thumbnail and a few numbers; only those that the page shows are opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from plainfilm.core.files import make_directory, provenance, write_text
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import Section, bullets, code, page, paragraph, section, table, texts
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, CannotWrite
from plainfilm.prepare.sections.counts import counts_section, glance_section
from plainfilm.prepare.sections.files import files_section
from plainfilm.prepare.sections.greys import greys_section
from plainfilm.prepare.sections.oddities import oddities_section
from plainfilm.prepare.sections.origin import origin_section
from plainfilm.prepare.sections.people import people_section
from plainfilm.prepare.sections.samples import draw_samples, mean_films_section, samples_section
from plainfilm.prepare.sections.seen import Seen, look_at
from plainfilm.prepare.sections.settings import Augment, settings_section
from plainfilm.prepare.sections.twins import read_twins, twins_section

SAMPLES = 12
_ENDINGS = (".html", ".htm")
_CLASSES_LISTED = 8


def write_explore_page(
    manifest: Manifest,
    path: str | Path,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    augment: Augment | str = "Augmentation is shown where torch is installed",
    progress: Progress | None = None,
) -> Path:
    """Write the page, whole or not at all, in place of what was there; returns its path.

    path: ends in .html; its folder is made where it is missing. samples: films of each class, 1 or more. seed: of what is drawn.
    augment: shows augmentations of films (torch lives in another room), or says why it cannot.
    Raises BadConfig where samples is below 1 or the path has another ending, CannotWrite, BadManifest for a damaged twins.csv.
    """
    path = Path(path)
    if samples < 1:
        raise BadConfig(f"samples is {samples}, expected 1 or more")
    if path.is_dir():
        raise CannotWrite("is a folder: -o names a file, such as explore.html", path)
    if path.suffix.lower() not in _ENDINGS:
        raise BadConfig(f"{path}: the page is an HTML file: choose a name that ends in .html")
    make_directory(path.parent)
    out: Progress = progress or Silence()
    seen = look_at(manifest, samples, seed, out)
    write_text(
        path, page(f"The films of {manifest.root.resolve().name}", _sections(seen, augment, out), lead=_lead(manifest))
    )
    return path


def _sections(seen: Seen, augment: Augment | str, progress: Progress) -> list[Section]:
    twins, drawn = read_twins(seen), draw_samples(seen)
    parts: list[Callable[[], Section]] = [
        lambda: glance_section(seen, twins),
        lambda: counts_section(seen),
        lambda: samples_section(seen, drawn),
        lambda: mean_films_section(seen),
        lambda: greys_section(seen),
        lambda: files_section(seen),
        lambda: people_section(seen),
        lambda: origin_section(seen),
        lambda: twins_section(seen, twins),
        lambda: oddities_section(seen),
        lambda: settings_section(seen, drawn, augment),
        lambda: _provenance(seen),
    ]
    return list(_one_by_one(parts, progress))


def _one_by_one(parts: list[Callable[[], Section]], progress: Progress) -> Iterator[Section]:
    with progress.task("Drawing the page", len(parts), "parts") as task:
        for write in parts:
            part = write()
            task.advance(note=part.title)
            yield part


def _lead(manifest: Manifest) -> str:
    classes = manifest.classes
    listed = f": {', '.join(classes)}" if 0 < len(classes) <= _CLASSES_LISTED else ""
    return f"{counted(len(manifest.films), 'film')} in {counted(len(classes), 'class', 'classes')}{listed}"


def _provenance(seen: Seen) -> Section:
    made = provenance(seen.seed, manifest=seen.manifest.fingerprint)
    return section(
        "Provenance",
        table(
            "What made this page",
            texts("", "This page"),
            [
                ["Manifest", code(str(seen.manifest.path or "not written"))],
                ["Fingerprint", code(seen.manifest.fingerprint[:16])],
                ["Films lie in", code(str(seen.manifest.root))],
                ["Command", code(made["command"])],
                ["When", made["made_at"]],
                ["Seed", str(seen.seed)],
                ["Versions", ", ".join(f"{name} {version}" for name, version in made["versions"].items())],
            ],
        ),
        *_notes(seen.manifest),
    )


def _notes(manifest: Manifest) -> Iterator[str]:
    notes = [str(note) for note in manifest.info.get("notes", [])]
    if notes:
        yield paragraph("Noted when the manifest was made:", soft=True)
        yield bullets(notes)
