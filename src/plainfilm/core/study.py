"""The study: a folder that holds one search, its trials and what came of them.

search.json, fixed.toml   what is searched and what is fixed, on which manifest    written first; their presence makes it a study
manifest.csv, dataset.json    the films of training and validation; those of the test split are not in it
study.journal        the trials, as Optuna keeps them; several processes write it
trials/0007/         the run of each trial; weights of the best few only
cache/               the films at each size; may be removed when the search is over
best.toml            the settings of the best trial, for plainfilm train --recipe
trials.csv, tune.json, tune.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from plainfilm.core.config import TrainConfig
from plainfilm.core.files import check_format, make_directory, provenance, read_json, write_json, write_text
from plainfilm.core.manifest import Manifest
from plainfilm.core.search import Search
from plainfilm.core.trials import Trial
from plainfilm.errors import BadConfig, BadRun

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Study:
    """One search on disk.

    directory: where it lies. search: what is searched and what is fixed. wanted: how many trials, 0 for as many as time allows.
    fingerprint, manifest_path: of the manifest that it was begun on, test films included. test_films: how many those are.
    begun: what made it, as `provenance` gives it.
    """

    directory: Path
    search: Search
    wanted: int
    fingerprint: str
    manifest_path: Path
    test_films: int
    begun: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def is_study(directory: Path) -> bool:
        """Whether a study was begun there."""
        return (directory / "search.json").is_file() and (directory / "fixed.toml").is_file()

    @classmethod
    def require_free(cls, directory: Path) -> None:
        """Raise BadRun where something lies there already."""
        if cls.is_study(directory):
            raise BadRun(
                "holds a study already: go on with it, or join it while it runs, by --resume; or choose another -o",
                directory,
            )
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise BadRun("is no empty folder: choose another -o", directory)

    @classmethod
    def create(cls, directory: Path, search: Search, wanted: int, manifest: Manifest) -> Study:
        """Begin a study in an empty or new folder. Raises BadRun where something lies there already."""
        cls.require_free(directory)
        if manifest.path is None:
            raise BadRun("cannot be made from a manifest that was never written", directory)
        make_directory(directory)
        seen = manifest.without_test(search.config.split)
        seen.write(directory / "manifest.csv")
        test_films = int((manifest.films[search.config.split] == "test").sum())
        made = provenance(search.config.seed, manifest=manifest.fingerprint)
        study = cls(directory, search, wanted, manifest.fingerprint, manifest.path.resolve(), test_films, made)
        write_text(study / "fixed.toml", search.config.to_toml())
        write_json(
            study / "search.json",
            {
                "format_version": FORMAT_VERSION,
                "over": search.texts,
                "wanted": wanted,
                "manifest": str(study.manifest_path),
                "manifest_fingerprint": study.fingerprint,
                "test_films_left_out": test_films,
                "made": made,
            },
        )
        return study

    @classmethod
    def open(cls, directory: Path) -> Study:
        """Open a study. Raises BadRun where the folder is none, or is damaged."""
        if not cls.is_study(directory):
            what = "is missing" if not directory.exists() else "is no study: it has no search.json and fixed.toml"
            raise BadRun(f'{what}. Name the folder that "plainfilm tune -o" wrote, or leave out --resume', directory)
        about = read_json(directory / "search.json", BadRun)
        check_format(about, FORMAT_VERSION, directory / "search.json", BadRun)
        try:
            return cls(
                directory,
                Search.of_texts(TrainConfig.from_toml(directory / "fixed.toml"), about["over"]),
                int(about["wanted"]),
                str(about["manifest_fingerprint"]),
                Path(about["manifest"]),
                int(about["test_films_left_out"]),
                dict(about.get("made", {})),
            )
        except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as cause:
            raise BadRun(f"is damaged: {cause}", directory) from cause

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def require_same(self, search: Search | None, manifest: Manifest) -> None:
        """Raise BadRun where this study was begun on another manifest or with another search. search: None for its own."""
        if manifest.fingerprint != self.fingerprint:
            raise BadRun(
                f"was begun on another manifest ({self.manifest_path}): its films, labels or splits differ",
                self.directory,
            )
        if search is None:
            return
        told = [*_differing(self.search, search)]
        if told:
            raise BadRun(
                f"was begun with another search: {'; '.join(told)}. Type nothing of it to go on as it began, or choose another -o",
                self.directory,
            )

    def manifest(self) -> Manifest:
        """The films of training and validation. Raises BadManifest where it is damaged."""
        return Manifest.open(self / "manifest.csv")

    def run_of(self, trial: Trial) -> Path:
        """The folder of a trial's run."""
        return self / trial.folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """What only one process may do at a time: to take a trial, to end one, to write the results. Waits for the others."""
        with FileLock(self / ".lock"):
            yield

    def claim(self, number: int) -> FileLock | None:
        """The lock of a trial, taken; None where another process has it. It goes with the process, however that ends."""
        lock = FileLock(make_directory(self / ".claims") / f"{number:04d}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock


def _differing(own: Search, other: Search) -> Iterator[str]:
    """What of a search was another before, in words; each setting once."""
    ranges, others = own.texts, other.texts
    before, after = asdict(own.config), asdict(other.config)
    for name in {**ranges, **others, **before}:
        if ranges.get(name) != others.get(name):
            fixed = f"not searched but fixed at {after[name]}" if name in after else "not searched"
            yield f"{name} was {ranges.get(name, 'not searched')} and is {others.get(name, fixed)}"
        elif before.get(name) != after.get(name):
            tried = "first tried at " if name in ranges else ""
            yield f"{name} was {tried}{before[name]} and is {tried}{after[name]}"
