"""What foretells the class before anyone looks at a lung: planted hints are found, clean films are not accused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import write_png
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.output import print_manifest
from plainfilm.prepare.group import group_films
from plainfilm.prepare.hints import KINDS, WITHOUT_LUNGS, find_hints, hint_lines, numbers_of
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom import FINDINGS
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.scan import scan_films

FILMS = 40  # of a class


def _hints_of(rows: pd.DataFrame) -> dict[str, object]:
    """The hints of films that lie on the disk."""
    for name in ("patient_id", "view", "age", "sex", "source"):
        rows[name] = rows[name].fillna("").astype(str) if name in rows else ""
    scan = scan_films(rows, b"key", Silence())
    films = scan.films
    films["group"] = group_films(films)
    return find_hints(films, scan.facts, sorted(set(rows["label"])), 0, Silence())


def _phantom_hints(folder: Path, seed: int = 0, **options: object) -> dict[str, object]:
    make_phantoms(folder, FILMS, seed=seed, options=PhantomOptions(**{"sources": 3, **options}))
    rows = pd.read_csv(folder / "metadata.csv", dtype=str, keep_default_na=False)
    rows["label"] = [Path(path).parts[0] for path in rows["path"]]
    rows["path"] = [str(folder / path) for path in rows["path"]]
    return _hints_of(rows)


def _found(hints, by: str) -> list[tuple[str, list[str]]]:
    return [(one["level"], one["classes"]) for one in hints["findings"] if one["by"] == by]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_phantoms_without_a_hint_raise_no_alarm(tmp_path, seed) -> None:
    """Though the histogram knows some of their disease: that is why it raises no alarm by itself."""
    hints = _phantom_hints(tmp_path / "set", seed)
    assert hints["findings"] == []
    assert hints["file"]["without_lungs"]["macro_auroc"]["high"] < 0.65
    assert hints["file"]["kinds"]["histogram"]["macro_auroc"]["low"] > 0.55
    assert hints["file"]["kinds"]["size and shape"] is hints["file"]["kinds"]["format"] is None


@pytest.mark.slow
@pytest.mark.parametrize("shortcut, kind", [("border", "border"), ("grey", "grey range")])
def test_a_planted_shortcut_raises_an_alarm_that_names_class_and_kind(tmp_path, shortcut, kind) -> None:
    hints = _phantom_hints(tmp_path / "set", shortcut=shortcut, shortcut_class="Normal")
    assert _found(hints, "file") == [("failure", ["Normal"])]
    assert _found(hints, "source") == []
    (line,) = [line for line in hint_lines(hints) if line.startswith("ALARM")]
    assert "Normal (AUROC" in line
    assert f"best by its {kind}" in line


def test_a_source_a_class_raises_an_alarm(tmp_path) -> None:
    hints = _phantom_hints(tmp_path / "set", source_by_class=True)
    assert _found(hints, "source") == [("failure", sorted(FINDINGS))]
    assert hints["source"]["cramers_v"]["value"] > 0.98
    assert hints["source"]["accuracy"]["value"] == 1
    assert set(hints["source"]["tied"]) == set(FINDINGS)
    assert any(
        line.startswith("ALARM: no source of COVID, Lung_Opacity, Normal or Viral") for line in hint_lines(hints)
    )


def _noise(folder: Path, sizes: dict[str, int], films: int = 25) -> Path:
    for place, (name, size) in enumerate(sizes.items()):
        for film in range(films):
            write_png(folder / name / f"{name}-{film}.png", seed=100 * place + film, size=size)
    return folder


@pytest.fixture(scope="module")
def sized(tmp_path_factory) -> Manifest:
    """Films of noise whose size alone tells their class, prepared."""
    folder = tmp_path_factory.mktemp("sized")
    return prepare(_noise(folder / "films", {"COVID": 24, "Normal": 32}), folder / "data")


def test_preparing_prints_the_hints_and_keeps_them(sized, capsys) -> None:
    print_manifest(sized)
    printed = capsys.readouterr().out
    assert "source -> class: unknown, since no film has a source" in printed
    assert "file -> class: by the file alone" in printed
    assert "ALARM: without a look at the lungs, the file tells from the rest: COVID (AUROC 1.000" in printed
    assert "best by its size and shape" in printed
    assert sized.path is not None
    kept = json.loads(sized.path.with_name("dataset.json").read_text())["info"]["hints"]
    assert kept == json.loads(json.dumps(sized.info["hints"]))
    assert kept["file"]["all"]["accuracy"]["value"] == 1
    assert Manifest.open(sized.path).info["hints"] == kept


def test_the_card_has_the_tables(sized) -> None:
    card = sized.path.with_name("dataset.md").read_text()
    assert "## What foretells the class without a look at a lung" in card
    assert "| size and shape | 1.000 (1.000 to 1.000) |" in card
    assert "| format | the same in every film |" in card
    tables = [line.count("|") for line in card.splitlines() if line.startswith("| ")]
    assert card.count("ALARM") == 1 and len(tables) > 12


def test_too_few_films_are_no_ground_for_an_alarm(tmp_path) -> None:
    made = prepare(_noise(tmp_path / "films", {"COVID": 24, "Normal": 32}, films=12), tmp_path / "data")
    assert made.info["hints"]["findings"] == []
    lines = hint_lines(made.info["hints"])
    assert all(
        "too few films to say: two classes of 20 groups are needed, COVID has 12, Normal has 12" in line
        for line in lines
    )


def test_a_class_of_few_films_is_left_out_and_named(tmp_path) -> None:
    films = _noise(tmp_path / "films", {"COVID": 24, "Normal": 24})
    _noise(tmp_path / "films", {"Viral": 48}, films=5)
    made = prepare(films, tmp_path / "data", PrepareOptions())
    hints = made.info["hints"]
    assert hints["classes"] == ["COVID", "Normal"]
    assert hints["left_out"] == {"Viral": 5}
    assert hints["file"]["films"] == 50
    assert "left out: Viral (5 groups)" in (tmp_path / "data" / "dataset.md").read_text()


def _table(labels, sources, facts=None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Films without files: all alike but for the facts given."""
    films = pd.DataFrame({"label": labels, "source": sources, "status": "ok"})
    films["group"] = [f"g{row}" for row in range(len(films))]
    names = [name for kind in KINDS.values() for name in kind]
    alike = pd.DataFrame(
        {name: "png" if name in ("format", "coding", "colour") else 1.0 for name in names}, index=films.index
    )
    return films, alike.assign(**(facts or {}))


def _table_hints(labels, sources, facts=None) -> dict[str, object]:
    films, table = _table(labels, sources, facts)
    return find_hints(films, table, sorted(set(films["label"]) - {""}), 0, Silence())


AB = ["A"] * 60 + ["B"] * 60


def test_unknown_sources_stay_unknown_and_are_counted_apart() -> None:
    """Of B, most sources are unknown: were "" a source of its own, it would foretell B."""
    hints = _table_hints(AB, ["north", "south"] * 30 + ["north", "south"] * 15 + [""] * 30)
    assert hints["source"]["films"] == 90
    assert hints["source"]["unknown"] == 30
    assert hints["source"]["sources"] == 2
    assert hints["source"]["cramers_v"]["low"] == 0
    assert hints["findings"] == []
    assert "30 films of unknown source are left out" in hint_lines(hints)[0]


@pytest.mark.parametrize(
    "sources, said",
    [
        ([""] * 120, "unknown, since no film has a source"),
        (["north"] * 120, "nothing to foretell it by"),
        (["north"] * 60 + [""] * 60, "unknown, since too few films (60) have a source"),
        ([f"source {row}" for row in range(120)], "hardly a source supplies two films"),
    ],
)
def test_a_degenerate_table_is_unknown_in_words(sources, said) -> None:
    hints = _table_hints(AB, sources)
    assert said in hint_lines(hints)[0]
    assert hints["findings"] == []


def test_films_that_are_all_alike_are_said_to_be() -> None:
    assert hint_lines(_table_hints(AB, ["north", "south"] * 60))[1] == "file -> class: all files are alike"


def test_a_tie_that_is_not_full_is_an_alarm_or_a_warning_by_its_strength() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["A", "B"], 400)
    for share, expected in ((0.85, "failure"), (0.66, "warning"), (0.5, None)):
        own = np.where(labels == "A", "north", "south")
        other = np.where(labels == "A", "south", "north")
        found = _found(_table_hints(labels, np.where(rng.random(800) < share, own, other)), "source")
        assert found == ([(expected, ["A", "B"])] if expected else [])


def test_a_format_is_a_hint_and_unknown_numbers_are_no_obstacle() -> None:
    labels = np.repeat(["A", "B"], 50)
    is_jpeg = labels == "A"
    facts = {"format": np.where(is_jpeg, "jpeg", "png"), "jpeg_quality": np.where(is_jpeg, 95.0, np.nan)}
    hints = _table_hints(labels, "", facts)
    assert _found(hints, "file") == [("failure", ["A", "B"])]
    assert hints["file"]["kinds"]["format"]["accuracy"]["value"] == 1
    assert np.isfinite(numbers_of(_table(labels, "", facts)[1], tuple(KINDS))).all()


def test_what_only_the_histogram_knows_is_told_but_raises_no_alarm() -> None:
    labels = np.repeat(["A", "B"], 50)
    hints = _table_hints(labels, "", {"grey_10": np.where(labels == "A", 0.3, 0.1)})
    assert hints["findings"] == []
    assert hints["file"]["all"]["accuracy"]["value"] == 1
    assert hints["file"]["without_lungs"] is None


def test_films_without_a_label_or_that_cannot_be_read_play_no_part() -> None:
    films, facts = _table([*AB, *[""] * 30, *["A"] * 30], "", {"width": np.repeat([1.0, 2.0, np.nan], [60, 90, 30])})
    films.loc[150:, ["status", "group"]] = ["error", ""]
    hints = find_hints(films, facts, ["A", "B"], 0, Silence())
    assert hints["file"]["films"] == 120
    assert hints["file"]["kinds"]["size and shape"]["accuracy"]["value"] == 1


def test_many_classes(tmp_path) -> None:
    labels = np.repeat([f"class {place:02d}" for place in range(50)], 20)
    width = np.repeat(np.arange(50) + 100.0, 20)
    hints = _table_hints(labels, "", {"width": width})
    assert hints["file"]["kinds"]["size and shape"]["macro_auroc"]["low"] > 0.9
    assert len(hints["findings"]) == 1


@pytest.mark.slow
def test_the_real_films_are_as_confounded_as_their_readme_says(real_films) -> None:
    """Every third film; class and source are one for COVID and Viral Pneumonia, and the file alone goes far."""
    rows = (
        pd.read_csv(real_films / "radiography.csv", dtype=str, keep_default_na=False).iloc[::3].reset_index(drop=True)
    )
    rows["path"] = [str(real_films / path) for path in rows["path"]]
    hints = _hints_of(rows)
    each = {name: value["value"] for name, value in hints["source"]["cramers_v_of"].items()}
    assert each["COVID"] > 0.99 and each["Viral Pneumonia"] > 0.99
    assert set(hints["source"]["tied"]) == {"COVID", "Viral Pneumonia"}
    assert each["Lung_Opacity"] < 0.9
    assert [one["level"] for one in hints["findings"]] == ["failure", "failure"]
    file = hints["file"]
    assert file["all"]["accuracy"]["low"] > 0.8 > 0.5 > file["commonest_accuracy"]
    assert file["kinds"]["border"]["auroc"]["Viral Pneumonia"]["low"] > 0.95
    assert file["kinds"]["format"] is None  # one size, one encoder: the film's maker levelled these
    assert file["without_lungs"]["accuracy"]["value"] < file["all"]["accuracy"]["value"]
    assert set(WITHOUT_LUNGS) < set(file["kinds"])
