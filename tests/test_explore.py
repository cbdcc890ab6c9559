"""The explore page: true to the manifest, whole and offline, and written for whatever a set may hold."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from conftest import rows, write_png
from plainfilm.core.bootstrap import Interval
from plainfilm.core.chart import Bar, Guess, Part, Spread, bars, grey_curve, guesses, spreads
from plainfilm.core.config import TrainConfig
from plainfilm.core.image import pixel_sha256, read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.errors import BadConfig, BadManifest, CannotWrite
from plainfilm.jobs import explore_films
from plainfilm.prepare.class_films import class_films
from plainfilm.prepare.explore import write_explore_page
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import make_phantoms
from plainfilm.prepare.sections.seen import look_at
from plainfilm.prepare.sections.twins import read_twins
from plainfilm.prepare.split import SplitPlan
from test_report import Reader
from warm import command

SECTIONS = [
    "At a glance", "Classes and splits", "Sample films", "Each class as one picture", "Grey levels",
    "Sizes, shapes and files", "Sources, views, sexes, ages", "Class against source, class against file", "Twins",
    "Oddities", "What the settings do", "Provenance",
]  # fmt: skip
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


class Page(Reader):
    """A page as a reader sees it. rows: the cells of each row of its tables, as text; tables: the same by caption."""

    def __init__(self, path: Path) -> None:
        self.rows: list[list[str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._caption, self._cell = "", ""
        self.content = path.read_text(encoding="utf-8")
        super().__init__(self.content)

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        if tag == "tr":
            self.rows.append([])
            self.tables.setdefault(self._caption, []).append(self.rows[-1])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag == "caption":
            self._caption = ""
        if tag in ("th", "td", "caption"):
            self._cell = tag

    def handle_endtag(self, tag):
        super().handle_endtag(tag)
        if tag == self._cell:
            self._cell = ""

    def handle_data(self, text):
        super().handle_data(text)
        if self._cell == "caption":
            self._caption += text
        elif self._cell:
            self.rows[-1][-1] += text

    def row(self, name: str, caption: str) -> list[str]:
        """The cells behind a row's name, in the table whose caption begins so."""
        table = next(rows for title, rows in self.tables.items() if title.startswith(caption))
        return next(row[1:] for row in table if row[0] == name)

    def part(self, title: str) -> str:
        """One section, as HTML."""
        anchor = re.sub(r"\W+", "-", title.lower())
        return self.content.split(f'id="{anchor}"')[1].split("</section>")[0]


def page_of(manifest: Manifest, path: Path, **options) -> Page:
    page = Page(write_explore_page(manifest, path, **options))
    assert page.problems == []
    assert page.headings == SECTIONS
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    return page


def films_on_disk(folder: Path, labels: list[str], *, size: int = 40, **columns: object) -> Manifest:
    """A manifest of small noise films that lie on the disk, whose digests are right."""
    table = rows(labels, **columns)
    for place, path in enumerate(table["path"]):
        write_png(folder / "films" / path, seed=place, size=size)
    table["sha256"] = [pixel_sha256(read_film(folder / "films" / path).pixels) for path in table["path"]]
    classes = tuple(sorted({label for label in labels if label}))
    return Manifest(table, classes, folder / "films").write(folder / "data" / "manifest.csv")


@pytest.fixture(scope="module")
def page(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(manifest, tmp_path_factory.mktemp("page") / "explore.html", samples=5)


def test_counts_agree_with_the_manifest(page: Page, manifest: Manifest) -> None:
    films, counts = manifest.films, manifest.counts()
    table = "Films by class and split"
    for name in manifest.classes:
        numbers = [counts[split][name] for split in ("train", "val", "test")]
        errors = int(((films["label"] == name) & (films["status"] == "error")).sum())
        assert page.row(name, table) == [str(count) for count in (*numbers, errors, sum(numbers) + errors)]
    assert page.row("All", table)[-1] == str(len(films))
    assert page.row("Groups", table)[-1] == str(manifest.ok["group"].nunique())
    assert f"Films{len(films)}2 of them unreadable" in page.text
    assert f"Groups{manifest.ok['group'].nunique()}" in page.text


def test_people_and_sources_are_counted_and_the_unknown_counts_as_unknown(page: Page, manifest: Manifest) -> None:
    ok = manifest.ok
    assert (ok["view"] == "").any()  # else the test shows nothing
    for column, title in (("view", "Views by class"), ("sex", "Sexes by class"), ("source", "Sources by class")):
        for value in set(ok[column]):
            expected = [int(((ok["label"] == name) & (ok[column] == value)).sum()) for name in manifest.classes]
            cells = [*(str(count) if count else "–" for count in expected), str(sum(expected))]
            assert page.row(value or "unknown", title) == cells
        assert f"Known for {(ok[column] != '').sum()} of {len(ok)} films." in page.text
    assert f"Known for {ok['age'].notna().sum()} of {len(ok)} films" in page.text


def test_unreadable_films_stand_there_with_their_reason(page: Page, manifest: Manifest) -> None:
    failed = manifest.films[manifest.films["status"] == "error"]
    assert len(failed) == 2
    for row in failed.itertuples():
        assert [row.path, row.label, row.error] in page.rows


def test_the_page_is_small_offline_and_says_what_it_is_not_for(page: Page) -> None:
    assert page.text.strip().startswith("Research and education only. Not a medical device.")
    assert "default-src 'none'" in page.content
    assert len(page.content) < 10_000_000
    assert all(len(image["alt"]) > 10 for image in page.images)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(page.ids)


def test_samples_are_of_their_class_as_many_as_asked_for_and_drawn_by_the_seed(
    manifest: Manifest, page: Page, tmp_path: Path
) -> None:
    def shown(page: Page) -> list[str]:
        return re.findall(r'alt="Film ([^"]+)"', page.part("Sample films"))

    labels = [alt.rsplit(", ", 1)[1] for alt in shown(page)]
    assert labels == [name for name in manifest.classes for _ in range(5)]
    again = page_of(manifest, tmp_path / "a.html", samples=5)
    other = page_of(manifest, tmp_path / "b.html", samples=5, seed=1)
    assert shown(again) == shown(page) != shown(other)


def test_grey_means_are_the_means_of_the_films(page: Page, manifest: Manifest) -> None:
    for name in manifest.classes:
        of_class = manifest.ok[manifest.ok["label"] == name]
        means = [read_film(manifest.film_path(path)).pixels.mean() / 255 for path in of_class["path"]]
        cell = page.row(name, "Means over the films")[0]
        value, low, high = (float(number) for number in re.findall(r"\d\.\d+", cell))
        assert value == pytest.approx(np.mean(means), abs=2e-3)
        assert low < value < high


def test_class_films_are_means_deviations_and_leave_one_out_correlations() -> None:
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (700, 64, 64), dtype=np.uint8)
    labels = [("a", "b", "")[place % 3] for place in range(700)]
    shown = rng.random(700) < 0.8
    found = class_films(films, labels, shown)
    for name in ("a", "b", ""):
        chosen = films[shown & (np.array(labels) == name)]
        np.testing.assert_allclose(found.by_class[name].mean, chosen.mean(axis=0))
        np.testing.assert_allclose(found.by_class[name].spread, chosen.std(axis=0), atol=1e-6)
        assert found.by_class[name].films == len(chosen)
    np.testing.assert_allclose(found.overall, (found.by_class["a"].mean + found.by_class["b"].mean) / 2)
    assert np.isnan(found.likeness[~shown]).all() and np.isnan(found.grey[~shown]).all()
    small = np.stack([cv2.resize(film, (32, 32), interpolation=cv2.INTER_AREA).ravel() for film in films]).astype(float)
    row = int(np.flatnonzero(shown & (np.array(labels) == "a"))[3])
    others = shown & (np.array(labels) == "a") & (np.arange(700) != row)
    assert found.likeness[row] == pytest.approx(np.corrcoef(small[row], small[others].mean(axis=0))[0, 1])


@needs_torch
def test_every_setting_is_shown_and_changes_films(manifest: Manifest, tmp_path: Path) -> None:
    from plainfilm.learn.showcase import show_augmentations

    page = Page(explore_films(manifest, tmp_path / "explore.html", samples=2))
    for setting in fields(TrainConfig):
        if setting.metadata["section"] == "augment":
            assert setting.name.replace("_", "-") in page.text
        if setting.name in ("contrast", "fit"):
            assert all(f"{setting.name} {choice}" in page.text for choice in setting.metadata["choices"])
    film = read_film(manifest.film_path(manifest.ok["path"].iloc[0])).pixels
    films = np.stack([cv2.resize(film, (64, 64)), cv2.resize(film[::-1], (64, 64))])
    for name, told, shown in show_augmentations(films, seed=0):
        assert shown.dtype == np.uint8 and shown.shape[0] == 6 and told
        assert len({one.tobytes() for one in shown}) > 1, name


def test_without_torch_the_page_says_what_to_install_and_the_rest_is_there(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    page = Page(explore_films(manifest, tmp_path / "explore.html", samples=2))
    assert 'pip install "plainfilm[train]"' in page.text
    assert page.headings == SECTIONS
    assert "contrast clahe" in page.text and "augment-rotation" not in page.text


def test_exploring_needs_neither_torch_nor_matplotlib(manifest: Manifest, tmp_path: Path) -> None:
    """The light installation, in a process where the heavy packages cannot be imported."""
    code = (
        "import sys\n"
        "for name in ('torch', 'matplotlib', 'sklearn', 'scipy', 'timm'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from plainfilm.jobs import explore_films\n"
        "from plainfilm.core.manifest import Manifest\n"
        "explore_films(Manifest.open(sys.argv[1]), Path(sys.argv[2]), samples=1)"
    )
    assert manifest.path is not None
    done = subprocess.run(
        [sys.executable, "-c", code, str(manifest.path), str(tmp_path / "e.html")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "e.html").is_file()


def test_films_that_are_gone_or_changed_are_counted_and_left_out(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"] * 6)
    (manifest.root / "0.png").unlink()
    (manifest.root / "1.png").write_bytes(b"no film")
    write_png(manifest.root / "2.png", seed=99, size=40)
    page = page_of(manifest, tmp_path / "e.html")
    assert "3 of 12 films that the manifest calls readable cannot be read any more, or have changed" in page.text
    assert ["2.png", "a", "holds other pixels than when the manifest was made"] in page.rows
    assert page.row("0.png", "Films that the manifest calls readable")[1].startswith("does not exist")
    assert "4 of 4 readable films" in page.text and "5 of 5 readable films" in page.text


def test_a_set_of_which_nothing_is_left(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"])
    shutil.rmtree(manifest.root)
    page = page_of(manifest, tmp_path / "e.html")
    assert "2 of 2 films that the manifest calls readable" in page.text
    assert "No film can be read." in page.text


def test_one_film_alone(tmp_path: Path) -> None:
    page = page_of(films_on_disk(tmp_path, ["a"]), tmp_path / "e.html")
    assert "1 film in 1 class: a" in page.text
    assert "1 of 1 readable film" in page.text


def test_films_without_labels_sources_or_ages(tmp_path: Path) -> None:
    page = page_of(films_on_disk(tmp_path, [""] * 5), tmp_path / "e.html")
    assert "5 of 5 readable films" in page.text and "no label" in page.text
    assert "Unknown for every film: source, view, sex, age." in page.text
    assert "The sources of the films are unknown." in page.text


def test_a_class_without_a_film_is_told(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b", "c"] * 3)
    films = manifest.films
    films.loc[films["label"] == "c", ["status", "error"]] = ["error", "is cut off"]
    page = page_of(Manifest(films, ("a", "b", "c", "d"), manifest.root), tmp_path / "e.html")
    assert "Without a readable film: c, d." in page.text
    assert page.row("c", "Films by class") == ["0", "0", "0", "3", "3"]
    assert page.row("d", "Films by class") == ["0"] * 5


@pytest.mark.slow
def test_fifty_classes_and_many_samples_stay_a_page(tmp_path: Path) -> None:
    labels = [f"finding_{place % 50:02d}_with_a_rather_long_name/lower_lobe" for place in range(650)]
    manifest = films_on_disk(tmp_path, labels, size=16, source=[f"source {place % 61}" for place in range(650)])
    for path in manifest.films["path"]:  # as smooth as films, and larger
        small = cv2.imread(str(manifest.root / path), cv2.IMREAD_GRAYSCALE)
        assert small is not None
        cv2.imwrite(str(manifest.root / path), cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC))
    films = manifest.films
    films["sha256"] = [pixel_sha256(read_film(manifest.root / path).pixels) for path in films["path"]]
    page = page_of(Manifest(films, manifest.classes, manifest.root), tmp_path / "e.html", samples=30)
    assert len(page.content) < 10_000_000
    assert "Fewer of each than asked for" in page.text
    assert all(name in page.text for name in manifest.classes)


def test_nothing_in_the_data_becomes_markup(tmp_path: Path) -> None:
    labels = ["<b>COVID</b> & $x$", "日本\x07'\""] * 3
    evil = '<img src="http://x">'
    manifest = films_on_disk(tmp_path, labels, source=evil, view="<script>alert(1)</script>", patient_id="</td>")
    films = manifest.films
    for place, name in enumerate(("<svg onload=alert(1)>.png", "a\"b'c.png", "-rf.png", "%00.png", "é日 .png")):
        (manifest.root / films.at[place, "path"]).rename(manifest.root / name)
        films.loc[place, ["path", "image_id"]] = name
    (manifest.root / films.at[1, "path"]).unlink()
    page = page_of(Manifest(films, manifest.classes, manifest.root), tmp_path / "e.html")
    for words in ("<b>COVID</b> & $x$", "<svg onload=alert(1)>.png", evil, "<script>alert(1)</script>"):
        assert words in page.text
    assert "<script" not in page.content and "<svg onload" not in page.content


def test_odd_films_are_found_and_suspicions_are_called_so(tmp_path: Path) -> None:
    phantoms = make_phantoms(tmp_path / "set", 8, seed=3)
    names = sorted(path.relative_to(phantoms).as_posix() for path in phantoms.glob("*/images/*.png"))
    film = cv2.imread(str(phantoms / names[0]), cv2.IMREAD_GRAYSCALE)
    assert film is not None
    framed = np.zeros_like(film)
    framed[60:-60, 60:-60] = cv2.resize(film, (film.shape[1] - 120, film.shape[0] - 120))
    odd = {
        "Blank": np.full_like(film, 90),
        "Almost constant": (100 + film // 8).astype(np.uint8),
        "Framed": framed,
        "Inverted?": 255 - film,
        "In colour": cv2.cvtColor(film, cv2.COLOR_GRAY2BGR),
        "Oddly shaped": np.hstack([film, film]),
        "Unusual size": cv2.resize(film, (90, 90)),
    }
    for name, pixels in zip(names, odd.values(), strict=False):
        cv2.imwrite(str(phantoms / name), pixels)
    table = rows([Path(name).parts[0] for name in names], path=names)
    table["sha256"] = [pixel_sha256(read_film(phantoms / name).pixels) for name in names]
    page = page_of(Manifest(table, tuple(sorted(set(table["label"]))), phantoms), tmp_path / "e.html")
    found = {row[0] for row in page.tables["What was found"][1:]}
    assert found - {"No chest film?"} == set(odd) | {"Very small"}
    part = page.part("Oddities")
    for place, kind in enumerate(odd):
        films = part.split(f"<h3>{kind}")[1].split("<h3>")[0]
        assert f"film-{place}<" in films, kind


def test_twins_are_read_the_worst_first_and_by_the_labels_of_today(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"] * 5, split=["train"] * 6 + ["test"] * 4)
    listed = [
        ("film-0", "film-2", 0.99, "saved anew"),
        ("film-1", "film-3", 0.98, "mirrored, saved anew"),
        ("film-0", "film-8", 0.93, "cropped or framed"),
        ("film-0", "film-9", 0.91, "inverted"),
        ("film-0", "nobody", 0.95, "inverted"),
    ]
    table = pd.DataFrame(listed, columns=["image_id", "twin", "similarity", "kind"])
    assert manifest.path is not None
    table.to_csv(manifest.path.with_name("twins.csv"), index=False)
    page = page_of(manifest, tmp_path / "e.html")
    assert "4 pairs hold one picture. In two splits: 2; under two labels: 1." in page.text
    assert "1 pair of twins.csv with films that are not in this manifest" in page.text
    assert page.row("inverted", "Pairs by") == ["1", "1", "1", "0.910"]
    assert page.row("saved anew", "Pairs by") == ["2", "0", "0", "0.980"]
    verdicts = re.findall(r"<p><strong>(0\.\d+)</strong>", page.part("Twins"))
    assert verdicts == ["0.910", "0.930", "0.990", "0.980"]
    assert "2 pairs of twins in two splits" in page.part("At a glance")


def test_without_a_table_of_twins_identical_pixels_are_found(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"] * 3)
    films = manifest.films
    shutil.copy(manifest.root / "0.png", manifest.root / "3.png")
    films.loc[3, "sha256"] = films.loc[0, "sha256"]
    page = page_of(Manifest(films, manifest.classes, manifest.root), tmp_path / "e.html")
    assert "1 pair holds one picture. In two splits: 0; under two labels: 1." in page.text
    assert "were not looked for" in page.text


def test_what_was_prepared_without_a_search_for_twins_claims_none(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for place in range(4):
            write_png(tmp_path / "films" / label / f"{label}{place}.png", seed=place + 10 * (label == "a"))
    plan = SplitPlan(test=1, val=1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "twins.csv").write_text("of an earlier manifest")
    manifest = prepare(tmp_path / "films", tmp_path / "data", PrepareOptions(plan=plan, twins=False))
    page = page_of(manifest, tmp_path / "e.html")
    assert "No two films hold one picture" not in page.text and "not looked for" in page.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("image_id,twin\na,b\n", "has no column similarity, kind"),
        ("image_id,twin,similarity,kind\na,b,much,x\n", '"much"'),
    ],
)
def test_a_damaged_table_of_twins_is_one_clear_error(tmp_path: Path, content: str, said: str) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"])
    assert manifest.path is not None
    manifest.path.with_name("twins.csv").write_text(content)
    with pytest.raises(BadManifest, match=said) as caught:
        write_explore_page(manifest, tmp_path / "e.html")
    assert "twins.csv" in str(caught.value)
    assert not (tmp_path / "e.html").exists()


def test_what_source_and_file_foretell_is_shown_with_intervals(tmp_path: Path) -> None:
    def interval(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05}

    score = {name: interval(0.75) for name in ("accuracy", "balanced_accuracy", "macro_auroc")} | {
        "auroc": {"a": interval(0.8), "b": interval(0.7)}
    }
    hints = {
        "repeats": 1000, "level": 0.95, "seed": 0, "folds": 5, "classes": ["a", "b"], "left_out": {"c": 3},
        "source": {
            "films": 10, "unknown": 2, "sources": 2, "commonest": "a", "commonest_accuracy": interval(0.5),
            "cramers_v": interval(0.61), "cramers_v_of": {}, "accuracy": interval(0.83), "tied": {"a": ["north"]},
        },
        "file": {
            "films": 12, "groups": 12, "commonest": "a", "commonest_accuracy": 0.5, "all": score, "without_lungs": None,
            "kinds": {"format": score, "compression": None},
        },
        "findings": [{"level": "failure", "by": "source", "classes": ["a"], "text": "no source of a supplies another."}],
    }  # fmt: skip
    manifest = films_on_disk(tmp_path, ["a", "b"] * 6, source=["north", "south"] * 6)
    manifest.info["hints"] = json.loads(json.dumps(hints))
    page = page_of(manifest, tmp_path / "e.html")
    assert "Alarm The source foretells the class: a" in page.text
    assert "0.6100.560 to 0.660" in page.text and "0.8300.780 to 0.880; 2 films of unknown source left out" in page.text
    assert "0.750 (0.700 to 0.800)" in page.text
    assert "The same in every film: compression." in page.text and "left out: c (3 groups)" in page.text


def test_without_hints_classes_that_are_tied_to_a_source_still_raise_an_alarm(tmp_path: Path) -> None:
    page = page_of(films_on_disk(tmp_path, ["a", "b"] * 4, source=["north", "south"] * 4), tmp_path / "e.html")
    assert "No source of a supplies another class" in page.text
    assert page.row("north", "Readable films by source") == ["4", "–", "4"]


def test_the_page_replaces_what_was_there_and_makes_its_folder(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"])
    path = tmp_path / "deep" / "er" / "Page.HTML"
    assert write_explore_page(manifest, path) == path
    path.write_text("x" * 10_000_000)
    write_explore_page(manifest, path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [file.name for file in path.parent.iterdir()] == ["Page.HTML"]


def test_what_is_no_page_is_refused_before_a_film_is_opened(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"])
    assert manifest.path is not None
    before = manifest.path.read_bytes()
    with pytest.raises(BadConfig, match=r"ends in \.html"):
        write_explore_page(manifest, manifest.path)
    with pytest.raises(CannotWrite, match="is a folder"):
        write_explore_page(manifest, tmp_path)
    with pytest.raises(CannotWrite, match="is a file where a folder"):
        write_explore_page(manifest, manifest.path / "e.html")
    with pytest.raises(BadConfig, match="samples is 0"):
        write_explore_page(manifest, tmp_path / "e.html", samples=0)
    assert manifest.path.read_bytes() == before


def test_a_failure_on_the_way_leaves_the_old_page(tmp_path: Path) -> None:
    manifest = films_on_disk(tmp_path, ["a", "b"])
    path = tmp_path / "e.html"
    path.write_text("old")

    def broken(films: object) -> list[object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_explore_page(manifest, path, augment=broken)  # type: ignore[arg-type]
    assert path.read_text() == "old"


def test_charts_speak_to_those_who_cannot_see_and_escape_what_they_are_given() -> None:
    parts = [Part("train", "#77aadd"), Part("<b>", "#ee8866")]
    unknown = Interval(np.nan, np.nan, np.nan)
    estimates = [Guess("all", "#000000", Interval(0.8, 0.7, 0.9)), Guess("none", "#000000", unknown)]
    drawn = [
        bars("Films", [Bar("COVID", [3, 1]), Bar("nothing", [0, 0])], parts, as_shares=True),
        spreads("Ages", [Spread("COVID", "#000000", [20, 30, 30, 40, 50], "30")], "years", reference=35),
        spreads("One value", [Spread("COVID", "#000000", [7.0] * 5, "7")], "years"),
        guesses("AUROC", estimates, "AUROC", low=0.5, high=1, reference=0.5),
        grey_curve("Grey", np.full((5, 32), 1 / 32), np.zeros(32), 0.05, "#000000"),
    ]
    for chart in drawn:
        assert "<title>" in chart and "<desc>" in chart and 'role="img"' in chart
        assert "<b>" not in chart and '"nan"' not in chart
    assert "COVID, train: 3 of 4 films (75%)" in drawn[0]
    assert "all: 0.800 (0.700 to 0.900)" in drawn[3] and "none: unknown" in drawn[3]


def test_the_command_line_writes_a_page(manifest: Manifest, tmp_path: Path) -> None:
    done = command("explore", manifest.path, "-o", "p.html", "--samples", "1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "page: p.html\n"), done.stderr
    assert (tmp_path / "p.html").is_file()
    done = command("explore", tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "plainfilm prepare" in done.stderr
    assert not (tmp_path / "explore.html").exists()


@pytest.mark.slow
def test_the_real_films_are_as_their_readme_says(real_films: Path, tmp_path: Path) -> None:
    from plainfilm.prepare.ingest import PrepareOptions, prepare

    options = PrepareOptions(metadata=real_films / "radiography.csv", twins=False)
    manifest = prepare(real_films / "radiography", tmp_path / "data", options)
    page = page_of(manifest, tmp_path / "e.html")
    for name, films in {"COVID": 2595, "Normal": 3501, "Viral Pneumonia": 1025, "Lung_Opacity": 251}.items():
        assert page.row(name, "Films by class")[-1] == f"{films:,}"
        assert f"12 of {films:,} readable films" in page.text
    assert page.row("kermany", "Readable films by source") == ["–", "–", "–", "1,025", "1,025"]
    assert "All 7,372 readable films measure 256 × 256 pixels." in page.text
    assert len(page.content) < 10_000_000


def test_names_behind_an_apostrophe_in_the_table_of_twins_are_the_manifest_s(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for place in range(4):
            write_png(tmp_path / "films" / label / f"={label}{place}.png", seed=place + 10 * (label == "a"))
    shutil.copy(tmp_path / "films" / "a" / "=a0.png", tmp_path / "films" / "a" / "=copy.png")
    manifest = prepare(tmp_path / "films", tmp_path / "data", PrepareOptions(plan=SplitPlan(test=1, val=1)))
    assert "'=a0,'=copy" in (tmp_path / "data" / "twins.csv").read_text()
    (pair,) = read_twins(look_at(manifest, 1, 0, Silence())).pairs
    assert pair.similarity == 1
