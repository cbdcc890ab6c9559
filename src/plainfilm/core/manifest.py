"""The manifest: the table of films that every other step reads.

One row a film. Unknown is empty, never a guess. A film that cannot be read keeps its row, with status `error` and the reason.
`group` closes over the same patient and the same picture; a group never spans two splits. Further split columns
(`split_r1`, `split_f0`, `split_r1_f2`: repeat and fold; `split_without_rsna`: a source left out; `split_own`: at random over films,
as a published recipe has it) may stand beside `split`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from plainfilm.core.files import check_format, make_directory, read_json, write_json, written_whole
from plainfilm.core.tables import needs_pyarrow, read_table
from plainfilm.errors import BadManifest

FORMAT_VERSION = 1
TEXT_COLUMNS = (
    "image_id",
    "path",
    "label",
    "source",
    "patient_id",
    "view",
    "sex",
    "mask_path",
    "split",
    "group",
    "sha256",
)
COLUMNS = (
    "image_id", "path", "label", "source", "patient_id", "view", "age", "sex", "mask_path", "split", "group",
    "width", "height", "sha256", "status", "error",
)  # fmt: skip
NUMBER_COLUMNS: dict[str, Any] = {"age": "Float64", "width": "Int64", "height": "Int64"}
SPLITS = ("train", "val", "test")
STATUSES = ("ok", "error")
LEFT_OUT = "split_without_"  # begins the name of a split whose test films are those of one source
SPLIT_BY_FILM = (
    "split_own"  # a split at random over films, as many a published recipe has it: groups stand on both sides
)
SPLIT_COLUMN = re.compile(rf"split(_r\d+)?(_f\d+)?|{LEFT_OUT}\w+|{SPLIT_BY_FILM}")
_NAMES_SHOWN = 4
_WITHOUT_TEST = "without_test"  # in info: the split column whose test films were taken out


class Problem(NamedTuple):
    """One thing wrong with a manifest.

    kind: "contract" (the table is not a manifest), "leak" (a group, patient or picture on two sides of a split), "split" (a
    split that cannot be trained or judged on).
    text: one sentence that names the rows.
    """

    kind: Literal["contract", "leak", "split"]
    text: str


@dataclass(frozen=True)
class Manifest:
    """A table of films, the classes in order, and where the films lie.

    films: one row a film, columns COLUMNS, then any further split columns.
    classes: the labels in the order of the network's outputs.
    root: the folder that `path` and `mask_path` are relative to.
    info: provenance and notes; written to dataset.json.
    path: the file it was read from or written to, or None.
    is_changed: whether the table was changed since it was written, by its fingerprint.
    """

    films: pd.DataFrame
    classes: tuple[str, ...]
    root: Path
    info: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    is_changed: bool = False

    @classmethod
    def open(cls, path: str | Path) -> Manifest:
        """Read manifest.csv or .parquet, or the folder that holds one, with dataset.json beside it.

        Raises BadManifest, naming every row that breaks the contract. Leaks are no breach: ask check() for them.
        """
        table_path = _find_table(Path(path))
        if not table_path.with_name("dataset.json").is_file():
            raise BadManifest(
                'has no dataset.json beside it: it is no manifest. Make one with "plainfilm prepare"', table_path
            )
        description = read_json(table_path.with_name("dataset.json"), BadManifest)
        check_format(description, FORMAT_VERSION, table_path.with_name("dataset.json"), BadManifest)
        films = typed(read_table(table_path, is_ours=True))
        try:
            classes, root = tuple(str(name) for name in description["classes"]), Path(description["root"])
        except (KeyError, TypeError) as cause:
            raise BadManifest("has no classes or no root", table_path.with_name("dataset.json")) from cause
        if not root.is_absolute():
            root = (table_path.parent / root).resolve()
        manifest = cls(films, classes, root, description.get("info") or {}, table_path)
        breaches = tuple(problem.text for problem in manifest.check() if problem.kind == "contract")
        if breaches:
            raise BadManifest("; ".join(breaches), table_path, breaches)
        return replace(manifest, is_changed=description.get("fingerprint") != manifest.fingerprint)

    def write(self, path: str | Path) -> Manifest:
        """Write the table (CSV, or Parquet by its ending) and dataset.json beside it; returns the manifest with its path."""
        path = Path(path)
        make_directory(path.parent)
        with written_whole(path) as temporary:
            if path.suffix == ".parquet":
                needs_pyarrow(path)
                self.films.to_parquet(temporary, index=False)
            else:
                self.films.to_csv(temporary, index=False, lineterminator="\n")
        inside = self.root.resolve().is_relative_to(path.parent.resolve())
        root = self.root.resolve().relative_to(path.parent.resolve()) if inside else self.root.resolve()
        write_json(
            path.with_name("dataset.json"),
            {
                "format_version": FORMAT_VERSION,
                "classes": list(self.classes),
                "root": root.as_posix(),
                "fingerprint": self.fingerprint,
                "counts": self.counts(),
                "info": self.info,
            },
        )
        return replace(self, path=path, is_changed=False)

    @property
    def ok(self) -> pd.DataFrame:
        """The rows whose film can be read."""
        return self.films[self.films["status"] == "ok"]

    @property
    def split_columns(self) -> tuple[str, ...]:
        """The names of the split columns, `split` first."""
        return tuple(name for name in self.films.columns if SPLIT_COLUMN.fullmatch(name))

    @property
    def fingerprint(self) -> str:
        """64 hex digits over what shapes a result: ids, labels, groups, splits, pixels. Where the films lie is left out."""
        columns = ["image_id", "label", "group", "sha256", "status", *self.split_columns]
        lines = map("\x1f".join, zip(*(self.films[name] for name in columns), strict=True))
        text = "\n".join(["\x1f".join(self.classes), *sorted(lines)])
        return hashlib.sha256(text.encode()).hexdigest()

    def film_path(self, row_path: str) -> Path:
        """Where the film of a row lies."""
        return self.root / row_path

    def split(self, name: str, column: str = "split") -> pd.DataFrame:
        """The readable rows of one split. Raises BadManifest where there is no such split column."""
        if column not in self.films:
            raise BadManifest(f'has no column "{column}"; it has {", ".join(self.split_columns)}', self.path)
        rows = self.ok
        return rows[rows[column] == name]

    def without_test(self, column: str) -> Manifest:
        """The films of training and validation alone, for who must not see the others; `info` says so. Not written yet.

        column: the split column that says which they are.
        """
        films = self.films[self.films[column].isin(SPLITS[:2])].reset_index(drop=True)
        others = [name for name in self.split_columns if name != column]
        films = films.assign(**dict.fromkeys(others, "")).drop(columns=[name for name in others if name != "split"])
        return replace(self, films=films, info={_WITHOUT_TEST: column}, path=None)

    def counts(self) -> dict[str, dict[str, int]]:
        """Films a split and class, the unreadable under `error`."""
        table: dict[str, dict[str, int]] = {}
        for name in (*SPLITS, ""):
            labels = self.ok.loc[self.ok["split"] == name, "label"].value_counts()
            if name or len(labels):
                table[name or "no split"] = {label: int(labels.get(label, 0)) for label in self.classes}
        failed = self.films.loc[self.films["status"] == "error", "label"].value_counts()
        table["error"] = {label: int(failed.get(label, 0)) for label in self.classes}
        return table

    def check(self, split_columns: Sequence[str] | None = None) -> list[Problem]:
        """All problems at once: breaches of the contract, leaks, splits that cannot be used.

        split_columns: which splits to look at; all of them where None.
        """
        breaches = _breaches(self.films, self.classes)
        if breaches:
            return breaches
        problems = []
        for column in split_columns or self.split_columns:
            needs_test = not column.startswith(LEFT_OUT) and self.info.get(_WITHOUT_TEST) != column
            problems += _leaks(self.ok, column) + _useless(self.ok, self.classes, column, needs_test)
        return problems


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the manifest's types: text everywhere, age Float64, width and height Int64, empty where unknown.

    Raises BadManifest where a number column holds something else.
    """
    table = table.copy()
    for name, kind in NUMBER_COLUMNS.items():
        if name in table:
            text = [None if pd.isna(value) or value == "" else value for value in table[name]]
            numbers = pd.to_numeric(pd.Series(text, index=table.index, dtype=object), errors="coerce")
            for row, (given, number) in enumerate(zip(text, numbers, strict=True)):
                if given is not None and pd.isna(number):
                    raise BadManifest(f'row {row + 2}: {name} is "{given}", expected a number')
            table[name] = numbers.astype(kind)
    for name in table.columns:
        if name not in NUMBER_COLUMNS:
            table[name] = table[name].astype("object").where(table[name].notna(), "").astype(str)
    return table


def shown(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    names = list(names)
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _find_table(path: Path) -> Path:
    if path.is_dir():
        for name in ("manifest.csv", "manifest.parquet"):
            if (path / name).is_file():
                return path / name
        raise BadManifest('holds no manifest.csv or manifest.parquet: make one with "plainfilm prepare"', path)
    if not path.exists():
        raise BadManifest('is missing: make it with "plainfilm prepare"', path)
    return path


def _breaches(films: pd.DataFrame, classes: tuple[str, ...]) -> list[Problem]:
    missing = [name for name in COLUMNS if name not in films.columns]
    if missing:
        return [Problem("contract", f"has no column {', '.join(missing)}")]
    found = []

    def report(rows: pd.DataFrame, what: str) -> None:
        if len(rows):
            names = shown([str(name) for name in rows["image_id"]])
            found.append(Problem("contract", f"rows that {what}: {names} ({len(rows)} in all)"))

    if len(films) == 0:
        found.append(Problem("contract", "has no rows"))
    if len(classes) != len(set(classes)):
        found.append(Problem("contract", f"dataset.json names a class twice: {', '.join(classes)}"))
    ok = films[films["status"] == "ok"]
    report(films[films["image_id"] == ""], "have no image_id")
    report(films[films["image_id"].duplicated() & (films["image_id"] != "")], "repeat an image_id")
    report(films[films["path"].map(_leads_outside)], "have a path that is empty, absolute or leads outside the root")
    report(films[~films["status"].isin(STATUSES)], f"have a status other than {' or '.join(STATUSES)}")
    report(films[~films["label"].isin([*classes, ""])], f"have a label that is none of {', '.join(classes)}")
    report(films[(films["status"] == "error") & (films["error"] == "")], "have status error and no reason")
    report(ok[(ok["sha256"] == "") | (ok["group"] == "")], "are ok and have no sha256 or no group")
    for column in (name for name in films.columns if SPLIT_COLUMN.fullmatch(name)):
        report(films[~films[column].isin([*SPLITS, ""])], f"have a {column} other than {', '.join(SPLITS)} or empty")
    return found


def _leads_outside(path: str) -> bool:
    return path == "" or Path(path).is_absolute() or ".." in Path(path).parts


def _leaks(ok: pd.DataFrame, column: str) -> list[Problem]:
    found: list[Problem] = []
    placed = ok[ok[column] != ""]
    for key, what in (("group", "groups"), ("patient_id", "patients"), ("sha256", "pictures")):
        known = placed[placed[key] != ""]
        pairs = known[[key, column]].drop_duplicates()
        torn_pairs = pairs[pairs[key].duplicated(keep=False)]
        torn = torn_pairs.groupby(key)[column].agg(lambda splits: " and ".join(s for s in SPLITS if s in set(splits)))
        if len(torn) and not (found and key != "group"):
            examples = []
            for name, where in torn.iloc[:2].items():
                examples.append(
                    f"{str(name)[:12]} in {where}: {shown(list(known.loc[known[key] == name, 'image_id']))}"
                )
            found.append(
                Problem(
                    "leak",
                    f"{len(torn)} {what if len(torn) > 1 else what[:-1]} in more than one {column} ({'; '.join(examples)})",
                )
            )
    return found


def _useless(ok: pd.DataFrame, classes: tuple[str, ...], column: str, needs_test: bool) -> list[Problem]:
    """needs_test: False where test is a source, which need not supply every class, or was taken out."""
    found = []
    for name in SPLITS if needs_test else SPLITS[:2]:
        labels = set(ok.loc[ok[column] == name, "label"])
        absent = [label for label in classes if label not in labels]
        if absent:
            found.append(Problem("split", f"{column} {name} has no film of {', '.join(absent)}"))
    return found
