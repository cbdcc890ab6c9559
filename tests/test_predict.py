"""`plainfilm predict`: every film once, in order, whatever happens; in bounded memory; the same bytes after any number of kills."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import write_png
from plainfilm.core.bundle import Bundle
from plainfilm.core.calibration import Calibration
from plainfilm.core.cells import as_written
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.network import Scores
from plainfilm.core.predictor import Predictor, Seen
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadImage, BadManifest, CannotWrite, Interrupted
from plainfilm.predict_jobs import Model, model_of_bundle, predict_streamed, predict_to_file
from plainfilm.serve.batch import answer_batches, batches_of
from plainfilm.serve.films import Films, NamedFilm
from plainfilm.serve.journal import Journal
from plainfilm.serve.tables import TableFormat, as_text, columns, format_of, record_of
from warm import command

COMMAND = (sys.executable, "-m", "plainfilm", "predict")


def _no_list(count: int) -> bytes:
    raise AssertionError("standard input was read")


def _named(*typed: str | Path, listed: bytes = b"") -> list[str]:
    held = io.BytesIO(listed)
    return [film.name for film in Films([str(name) for name in typed], held.read if listed else _no_list)]


def _run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    if not options:
        return command("predict", *arguments)
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="session")
def model(bundle_path: Path) -> Model:
    return model_of_bundle(bundle_path)


@pytest.fixture
def films(phantoms: Path, tmp_path: Path) -> Path:
    """Eleven films: drawn chests, one of noise that is turned away, two that are damaged, one whose name is a formula."""
    folder = tmp_path / "films"
    (folder / "deeper").mkdir(parents=True)
    for name in ("COVID", "Normal"):
        for number in (1, 2, 3):
            shutil.copy(phantoms / name / "images" / f"{name}-{number}.png", folder / f"{name}-{number}.png")
    shutil.copy(phantoms / "COVID" / "images" / "COVID-4.png", folder / "=1+1.png")
    shutil.copy(phantoms / "COVID" / "images" / "COVID-5.png", folder / "deeper" / "ünï, 肺.png")
    write_png(folder / "noise.png", size=80)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no film")
    (folder / "notes.txt").write_text("no film either")
    return folder


# What was typed becomes films.


def test_a_folder_gives_its_films_in_order_of_their_names(films: Path) -> None:
    names = [str(Path(name).relative_to(films)) for name in _named(films)]
    assert names == sorted(names, key=lambda name: Path(name).parts)
    assert len(names) == 11 and "notes.txt" not in names


def test_a_film_that_is_named_twice_comes_once_and_links_are_films_of_their_own(films: Path) -> None:
    film = films / "COVID-1.png"
    (films / "link.png").symlink_to(film)
    (films.parent / "other").symlink_to(films)
    typed = (film, films / "deeper" / ".." / "COVID-1.png", films.parent / "other" / "COVID-1.png", films, film)
    names = _named(*typed)
    assert names[0] == str(film) and len(names) == 12
    assert [Path(name).name for name in names].count("COVID-1.png") == 1
    assert str(films / "link.png") in names


def test_a_circle_of_links_is_a_row_of_its_own_and_the_rest_is_answered(tmp_path: Path) -> None:
    write_png(tmp_path / "film.png", size=40)
    (tmp_path / "loop.png").symlink_to("loop.png")
    both = [str(tmp_path / name) for name in ("film.png", "loop.png")]
    assert _named(tmp_path) == _named(f"{tmp_path}/*.png") == _named(f"{tmp_path}/**") == both
    with pytest.raises(BadImage, match=r"loop\.png: is a link that leads in a circle"):
        read_film(tmp_path / "loop.png")


def test_how_many_films_were_named_again_is_told(films: Path, bundle_path: Path) -> None:
    film = films / "COVID-1.png"
    for typed, repeated in (([film, film, films], 2), ([film, films / "Normal-1.png"], 0), ([films], 0)):
        sources = Films([str(name) for name in typed], _no_list)
        list(sources)
        next(iter(sources))
        assert sources.repeated == repeated
    said = _run(film, film, "--bundle", bundle_path).stderr
    assert "1 film named again, and passed over" in said
    assert "named again" not in _run(film, "--bundle", bundle_path).stderr


def test_globs_are_for_whoever_keeps_them_from_the_shell(films: Path) -> None:
    assert _named(f"{films}/COVID-[12].png") == [f"{films}/COVID-1.png", f"{films}/COVID-2.png"]
    assert sorted(_named(f"{films}/**")) == sorted(_named(f"{films}/**/*")) == sorted(_named(films))
    assert _named(f"{films}/**/*肺*") == [f"{films}/deeper/ünï, 肺.png"]
    assert _named(f"{films}/*.txt") == [f"{films}/notes.txt"], "an ending that was typed is meant"
    assert _named(f"{films}/d*") == [f"{films}/deeper/ünï, 肺.png"], "a folder stands for its films"
    (films / "odd[1].png").touch()
    assert _named(f"{films}/odd[1].png") == [f"{films}/odd[1].png"], "a name that is there is no pattern"


@pytest.mark.parametrize("ended_by", ["\n", "\r\n", "\0"])
def test_a_list_on_standard_input(films: Path, ended_by: str) -> None:
    named = [f"{films}/COVID-1.png", f"{films}/gone.png", f"{films}/COVID-1.png", f"{films}/Normal-1.png"]
    expected = [named[0], named[1], named[3]]
    for end in (ended_by, ""):
        assert _named("-", listed=(ended_by.join(named) + end).encode()) == expected
    assert _named(films / "COVID-1.png", "-", films, listed=f"{films}/Normal-1.png".encode())[:2] == [
        named[0],
        named[3],
    ]
    in_a_row = io.BytesIO(ended_by.join(named).encode())
    assert [film.name for film in Films(["-"], lambda _: in_a_row.read(3))] == expected, "however it is chopped"


def test_a_line_end_in_a_name_needs_a_list_with_nuls() -> None:
    assert _named("-", listed=b"a\nb.png\0c.png\0") == ["a\nb.png", "c.png"]
    with pytest.raises(BadImage, match="standard input: holds no list of paths"):
        _named("-", listed=bytes([120]) * (2 << 20))


def test_a_manifest_gives_its_films_in_its_order_and_its_errors(manifest: Manifest) -> None:
    assert manifest.path is not None
    for typed in (manifest.path, manifest.path.parent):
        found = list(Films([str(typed)], _no_list))
        assert [film.path for film in found] == [manifest.film_path(path) for path in manifest.films["path"]]
        assert [film.error for film in found] == list(manifest.films["error"])
        assert sum(bool(film.error) for film in found) == 2


def test_a_mistake_is_told_before_anything_starts(films: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "table.csv").write_text("path\na.png\n")
    for typed, said in (
        (films / "gone.png", "is missing"),
        (f"{films}/*.dcm", "matches no film"),
        ("", "an empty name"),
        ("x" * 5000, "is missing"),
    ):
        with pytest.raises(BadImage, match=said):
            Films([str(films), str(typed)], _no_list)
    with pytest.raises(BadImage, match="bare: is a folder that holds no film"):
        Films([str(tmp_path / "bare")], _no_list)
    with pytest.raises(BadManifest, match="is no manifest"):
        Films([str(tmp_path / "table.csv")], _no_list)


def test_a_folder_without_films_among_others_is_a_row_with_its_reason(films: Path) -> None:
    """A pattern that the shell expanded may have caught it."""
    (films / "bare.png").mkdir()
    named = list(Films([str(films / "bare.png"), str(films / "COVID-1.png"), str(films / "deeper")], _no_list))
    assert [(Path(film.name).name, film.error) for film in named] == [
        ("bare.png", "is a folder that holds no film"),
        ("COVID-1.png", ""),
        ("ünï, 肺.png", ""),
    ]


def test_a_name_that_is_no_utf8_is_read_and_answered(films: Path, model: Model) -> None:
    odd = os.fsdecode(os.fsencode(films) + b"/caf\xe9.png")
    shutil.copy(films / "COVID-1.png", odd)
    tally, text = _streamed(model, Films([odd], _no_list), TableFormat.jsonl)
    record = json.loads(text)
    assert record["film"] == f"{films}/caf\\xe9.png" and record["class"] and tally.failed == 0


# The stream.


def _answered(model: Model, films: Films, **options: object) -> list[tuple[str, str | None, str, str]]:
    batches = answer_batches(model.predictor, batches_of(films, 3), **options)  # type: ignore[arg-type]
    return [(one.film, one.label, one.turned_away, one.error) for batch in batches for one in batch]


def _streamed(model: Model, films: Films, format: TableFormat) -> tuple[object, str]:
    pieces: list[str] = []
    tally = predict_streamed(model, films, format, pieces.append)
    return tally, "".join(pieces)


def test_the_stream_answers_as_the_predictor_does_in_the_order_of_the_films(films: Path, model: Model) -> None:
    expected = []
    for film in Films([str(films)], _no_list):
        try:
            (answer,) = model.predictor.answers([model.predictor.see(film.path, film.name)])
        except BadImage as error:
            answer = model.predictor.unread(film.name, error.message)
        expected.append((answer.film, answer.label, answer.turned_away, answer.error))
    assert [bool(one[3]) for one in expected].count(True) == 2 and any(one[2] for one in expected)
    for threads in (1, 3):
        assert _answered(model, Films([str(films)], _no_list), threads=threads) == expected


class _Uneven:
    """A network that is slow now and then, and counts who is at it."""

    has_maps = False

    def __init__(self, network: object) -> None:
        self._network, self.threads = network, set[int]()

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        self.threads.add(threading.get_ident())
        time.sleep(0.02 if int(films.sum()) % 3 == 0 else 0.001)
        scores: Scores = self._network.scores(films)  # type: ignore[attr-defined]
        return scores


def test_several_threads_are_at_it_and_only_a_few_films_are_under_way(phantoms: Path, model: Model) -> None:
    paths = sorted((phantoms / "COVID" / "images").glob("*.png")) * 6
    taken = 0

    def pulled() -> Iterator[NamedFilm]:
        nonlocal taken
        for number, path in enumerate(paths):
            taken += 1
            yield NamedFilm(f"{number}", path)

    uneven = _Uneven(model.predictor.network)
    predictor = replace(model.predictor, network=uneven)
    given = []
    for answers in answer_batches(predictor, batches_of(pulled(), 2), threads=3):
        given += [answer.film for answer in answers]
        assert taken - len(given) <= 2 * 3 * 3, "three batches of two for each of three threads"
    assert given == [str(number) for number in range(len(paths))]
    assert len(uneven.threads) == 3 and threading.get_ident() not in uneven.threads


def test_a_film_that_vanishes_and_a_defect_are_rows(films: Path, model: Model) -> None:
    class Defective(Predictor):
        def see_film(self, *arguments: object, **options: object) -> Seen:
            raise RuntimeError("never thought of that")

    listed = Films([str(films / "COVID-1.png"), str(films / "COVID-2.png")], _no_list)
    (films / "COVID-1.png").unlink()
    first, second = _answered(model, listed)
    assert "does not exist" in first[3] and second[1]
    broken = replace(model, predictor=Defective(**vars(model.predictor)))
    assert "never thought of that" in _answered(broken, listed)[1][3]


def test_a_network_that_fails_ends_all(films: Path, model: Model) -> None:
    class Failing(_Uneven):
        def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
            raise BadConfig("out of order")

    predictor = replace(model.predictor, network=Failing(None))
    with pytest.raises(BadConfig, match="out of order"):
        _answered(replace(model, predictor=predictor), Films([str(films)], _no_list))


# The formats.


def test_every_format_says_the_same_of_every_film(films: Path, model: Model, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    held = {}
    for name in ("a.txt", "a.csv", "a.json", "a.jsonl", "a.parquet"):
        tally = predict_to_file(model, Films([str(films)], _no_list), format_of(Path(name)), tmp_path / name)
        assert (tally.films, tally.failed, tally.turned_away) == (11, 2, 1)
        held[name.split(".")[1]] = tmp_path / name
    records = [json.loads(line) for line in held["jsonl"].read_text().splitlines()]
    whole = json.loads(held["json"].read_text())
    assert whole["note"] == "Research and education only. Not a medical device."
    assert held["json"].read_text() == json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    for record in records:
        assert record.pop("bundle") == whole["bundle"] == model.bundle
        assert record.pop("model") == whole["model"] == model.predictor.name
    assert records == whole["films"]
    rows = list(csv.DictReader(io.StringIO(held["csv"].read_text(encoding="utf-8"))))
    table = parquet.read_table(held["parquet"]).to_pylist()
    assert list(rows[0]) == list(table[0]) == columns(model.predictor.classes)
    for record, row, one in zip(records, rows, table, strict=True):
        for name in ("film", "class", "status", "turned_away", "error"):
            assert as_written(row[name]) == (one[name] or "") == (record[name] or "")
        assert one["set"] == record["set"] and one["warnings"] == record["warnings"]
        for kind, where in (("p", "probability"), ("logit", "logit")):
            for label, value in record[where].items():
                assert one[f"{kind}_{label}"] == value
                assert row[f"{kind}_{label}"] == ("" if value is None else f"{value:.6f}")
        is_answered = record["class"] is not None
        assert is_answered == (not record["error"] and not record["turned_away"])
        assert all((value is not None) == is_answered for value in record["probability"].values())
        assert all((value is None) == bool(record["error"]) for value in record["logit"].values())
    metadata = parquet.read_metadata(held["parquet"]).metadata
    assert metadata[b"bundle"].decode() == model.bundle and b"medical device" in metadata[b"note"]
    rows = [line for line in held["txt"].read_text().splitlines() if not line.startswith(" ")]
    assert len(rows) == 12
    for number, record in enumerate(records, 1):
        beneath = held["txt"].read_text().partition(rows[number] + "\n")[2]
        said = f"    mind: {'; '.join(record['warnings'])}\n"
        assert beneath.startswith(said if record["warnings"] else rows[number + 1] if number < 11 else "")


def test_a_record_holds_all_of_an_answer(films: Path, model: Model) -> None:
    good, away = model.predictor.answers([model.predictor.see(films / name) for name in ("COVID-1.png", "noise.png")])
    record = record_of(replace(good, warnings=("first", "second")))
    assert good.logit is not None and good.probability is not None
    assert list(record["logit"].values()) == pytest.approx(good.logit.tolist(), abs=1e-6)
    assert list(record["probability"].values()) == pytest.approx(good.probability.tolist(), abs=1e-6)
    assert record["class"] == good.label and tuple(record["set"]) == good.prediction_set
    assert record["warnings"] == ["first", "second"]
    record = record_of(away)
    assert record["turned_away"] == away.turned_away != "" and record["class"] is record["set"] is None
    assert None not in record["logit"].values() and set(record["probability"].values()) == {None}


def test_no_cell_of_a_csv_runs_as_a_formula(films: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(films)
    for name in ("-1.png", "+1.png", "@x.png", "'quoted.png"):
        shutil.copy("COVID-1.png", name)
    _, text = _streamed(
        model, Films(["./=1+1.png", "./-1.png", "./+1.png", "./@x.png", "./'quoted.png"], _no_list), TableFormat.csv
    )
    cells = [row["film"] for row in csv.DictReader(io.StringIO(text))]
    assert [as_written(cell) for cell in cells] == ["=1+1.png", "-1.png", "+1.png", "@x.png", "'quoted.png"]
    assert all(cell[0] == "'" for cell in cells)


def test_a_cell_with_any_line_end_reads_back(films: Path, model: Model) -> None:
    pandas = pytest.importorskip("pandas")
    names = ["a\rb.png", "a\nb.png", "a\r\nb.png", 'a"b,c.png', "\r.png"]
    for name in names:
        shutil.copy(films / "COVID-1.png", films / "deeper" / name)
    typed = [str(films / "deeper" / name) for name in names]
    _, text = _streamed(model, Films(typed, _no_list), TableFormat.csv)
    assert [row["film"] for row in csv.DictReader(io.StringIO(text, newline=""))] == typed
    assert list(pandas.read_csv(io.BytesIO(text.encode()))["film"]) == typed


def test_a_class_outside_its_set_says_so(films: Path, model: Model) -> None:
    seen = model.predictor.see(films / "COVID-1.png")
    scores = model.predictor.network.scores(seen.fitted[None])

    (plain,) = model.predictor.answers_from([seen], scores)
    best = plain.label
    first, second = [name for name in plain.classes if name != best][:2]

    class Narrow(Calibration):
        held: tuple[str | None, ...] = ()

        def prediction_set(self, logit: object) -> NDArray[np.bool_]:
            return np.array([[name in self.held for name in plain.classes]])

    predictor = replace(model.predictor, calibration=Narrow(**vars(model.predictor.calibration)))
    for held, said in (
        (
            (first,),
            f"{best} is the most probable class, yet at the wanted error of 5% the prediction set holds {first} alone",
        ),
        ((first, second), f"holds {first} or {second} alone: rely on neither"),
        ((), f"no class fits at the wanted error of 5%: {best} is only the nearest"),
        ((first, best), ""),
    ):
        Narrow.held = held
        (answer,) = predictor.answers_from([seen], scores)
        warnings = record_of(answer)["warnings"]
        assert said in warnings[0] if said else warnings == list(seen.warnings)
        assert warnings[len(warnings) - len(seen.warnings) :] == list(seen.warnings)
        assert answer.to_dict()["doubt"] == (warnings[0] if said else "")
    Narrow.held = ()
    text = "".join(as_text(TableFormat.table, [record_of(predictor.answers_from([seen], scores)[0])], model.origin))
    assert " none  " in text.splitlines()[1] and "mind: no class fits" in text.splitlines()[2]


def test_the_table_is_aligned_by_its_first_rows_and_streams_on(films: Path, model: Model) -> None:
    answers = model.predictor.answers([model.predictor.see(films / "COVID-1.png", "short.png")])
    pulled = 0

    def records() -> Iterator[dict[str, object]]:
        nonlocal pulled
        for number in range(60):
            pulled = number + 1
            yield {**record_of(answers[0]), "warnings": [], "film": f"{'long-' * 4 * (number > 40)}{number:02}.png"}

    lines = as_text(TableFormat.table, records(), model.origin)
    header = next(lines)
    assert pulled == 20, "the first rows tell how wide columns are"
    rows = list(lines)
    assert len({row.index(str(answers[0].label)) for row in rows[:40]} | {header.index("class")}) == 1
    assert all(len(row) > len(rows[0]) for row in rows[41:]), "a longer cell pushes its row to the right"


def test_a_row_comes_as_soon_as_it_is_known(films: Path, model: Model) -> None:
    """Half of the films come once the first rows have been written."""
    seen, held_up = [], threading.Event()

    def slowly() -> Iterator[NamedFilm]:
        for number in range(200):
            if number == 150:
                assert held_up.wait(120), "no row was written before the last film was asked for"
            yield NamedFilm(f"{number}", films / "COVID-1.png")

    class Held(Films):
        def __init__(self) -> None:
            self.is_listed = True

        def __iter__(self) -> Iterator[NamedFilm]:
            return slowly()

    def write(text: str) -> None:
        seen.append(text)
        held_up.set()

    predict_streamed(model, Held(), TableFormat.jsonl, write)
    assert len(seen) == 200


# The journal.


def _many(folder: Path, phantoms: Path, count: int) -> Path:
    """Copies of a few small films, a damaged one among them."""
    folder.mkdir()
    sources = sorted((phantoms / "COVID" / "images").glob("*.png"))[:8]
    small = [cv2.imencode(".png", cv2.resize(cv2.imread(str(path), 0), (64, 64)))[1].tobytes() for path in sources]
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(small[number % 8] if number % 50 != 7 else b"")
    return folder


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_bytes(
    bundle_path: Path, phantoms: Path, tmp_path: Path
) -> None:
    folder = _many(tmp_path / "many", phantoms, 601)
    whole, torn = tmp_path / "whole.csv", tmp_path / "torn.csv"
    arguments = (folder, "--bundle", bundle_path)
    assert _run(*arguments, "-o", whole).returncode == 0
    journal, lengths = tmp_path / "torn.csv.journal", [0]
    for at_least in (1, 90, 200, 350, 520):
        command = [*COMMAND, *map(str, arguments), "-o", str(torn), *(["--resume"] if journal.exists() else [])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not journal.exists() or journal.read_bytes().count(b"\n") <= at_least:
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not torn.exists() and journal.exists()
        lengths.append(journal.read_bytes().count(b"\n"))
        with journal.open("ab") as file:
            file.write(b'{"film": "cut o' if at_least % 20 else b'{"film": "never came to the disk"\0\0\0\n')
    assert all(earlier < later for earlier, later in pairwise(lengths)), "each went on where the one before was killed"
    refused = _run(*arguments, "-o", torn)
    assert refused.returncode == 1 and "--resume" in refused.stderr and "delete it" in refused.stderr
    done = _run(*arguments, "-o", torn, "--resume")
    assert done.returncode == 0 and "films answered before" in done.stderr
    assert torn.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"many", "whole.csv", "torn.csv"}
    rows = list(csv.DictReader(io.StringIO(whole.read_text())))
    assert [Path(row["film"]).name for row in rows] == sorted(path.name for path in folder.iterdir())


def test_a_journal_goes_on_from_whole_batches(tmp_path: Path) -> None:
    """A network gives other last digits in another batch, so films of half a batch are answered again, together."""
    output, lines = tmp_path / "a.csv", [json.dumps({"film": f"{number}.png"}) + "\n" for number in range(11)]
    with closing(Journal(output, {}, 4, resume=False)) as journal:
        journal.begin(iter(()))
        journal.append([json.loads(line) for line in lines])
    head = journal.path.read_text().splitlines(keepends=True)[0]
    for held, kept in (
        ("".join(lines), 8),
        ("".join(lines[:8]), 8),
        ("".join(lines[:8])[:-1], 4),
        ("".join(lines[:4]) + "{}\n" + "".join(lines[4:]), 4),
        (lines[0], 0),
        ("", 0),
    ):
        journal.path.write_text(head + held)
        with closing(Journal(output, {}, 4, resume=True)) as journal:
            assert journal.kept == kept
            assert journal.path.read_text() == head + held, "nothing is cut off before it is compared"
            named = iter([f"{number}.png" for number in range(11)])
            journal.begin(named)
            assert next(named) == f"{kept}.png"
            assert journal.path.read_text() == head + "".join(lines[:kept])


def test_a_journal_of_something_else_is_refused(
    films: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    output = tmp_path / "a.csv"
    with monkeypatch.context() as patched:
        patched.setattr("plainfilm.predict_jobs._write", stop)
        with pytest.raises(Stopped):
            predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, output)
    journal = tmp_path / "a.csv.journal"
    assert len(journal.read_text().splitlines()) == 12

    def go_on(given: Model, typed: str, heatmaps: Path | None = None) -> None:
        held = Films([typed], _no_list)
        predict_to_file(given, held, TableFormat.csv, output, resume=True, heatmaps=heatmaps)

    for changed, typed, maps, said in (
        (replace(model, sha256="0" * 64), str(films), None, "begun with another bundle or run: sha256"),
        (model, str(films / "deeper"), None, "begun with films"),
        (model, str(films), tmp_path / "maps", "begun with heatmaps"),
    ):
        with pytest.raises(BadConfig, match=said):
            go_on(changed, typed, maps)
    assert len(journal.read_text().splitlines()) == 12 and not output.exists()
    journal.write_bytes(b"\0" * 100)
    with pytest.raises(BadConfig, match="delete it to begin anew"):
        go_on(model, str(films))
    journal.unlink()
    go_on(model, str(films))
    assert len(output.read_text().splitlines()) == 12, "with nothing to go on with it begins"


def test_a_journal_of_other_films_is_refused_and_stays(
    films: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, journal, taken = tmp_path / "a.jsonl", tmp_path / "a.jsonl.journal", 2
    original = answer_batches

    def few(*arguments: object, **options: object) -> Iterator[object]:
        for number, batch in enumerate(original(*arguments, **options)):  # type: ignore[arg-type]
            if number == taken:
                raise KeyboardInterrupt
            yield batch

    named = [name.encode() for name in _named(films)]

    def predict(names: list[bytes], *, resume: bool = True) -> None:
        listed = Films(["-"], io.BytesIO(b"\0".join([*names, b""])).read)
        predict_to_file(model, listed, TableFormat.jsonl, output, resume=resume)

    monkeypatch.setattr("plainfilm.predict_jobs.answer_batches", few)
    with pytest.raises(Interrupted, match=r"--resume goes on, from .*a\.jsonl\.journal"):
        predict(named, resume=False)
    with journal.open("ab") as file:
        file.write(b'{"film": "cut o')
    before = journal.read_bytes()
    assert before.count(b"\n") == 9
    for changed, place, now in (
        (named[::-1], 1, named[-1]),
        (named[:5], 6, b"no film"),
        ([b"first.png", *named], 1, b"first.png"),
        ([*named[:7], *named[8:]], 8, named[8]),
    ):
        with pytest.raises(BadConfig) as refused:
            predict(changed)
        said = str(refused.value)
        assert f"film {place} of" in said and f"is {named[place - 1].decode()}, and now {now.decode()} is" in said
        assert journal.read_bytes() == before and not output.exists()
    taken = 99
    (films / "last.png").write_bytes((films / "COVID-1.png").read_bytes())
    predict([*named, os.fsencode(films / "last.png")])
    names = [json.loads(line)["film"].encode() for line in output.read_text().splitlines()]
    assert names == [*named, os.fsencode(films / "last.png")], "a list that has grown at its end is gone on with"


def test_what_ends_before_the_first_answer_leaves_nothing(
    films: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    for maps in (tmp_path / "file", tmp_path / "taken", tmp_path / "file" / "maps"):
        with pytest.raises(CannotWrite):
            predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, tmp_path / "a.csv", heatmaps=maps)
    with pytest.raises(BadImage, match="names no film"):
        predict_to_file(model, Films(["-"], io.BytesIO(b"\n").read), TableFormat.csv, tmp_path / "a.csv")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_names_the_file(films: Path, bundle_path: Path, tmp_path: Path) -> None:
    """Files of at most 4 kB stand in for it."""
    for options, name in (((), "a.csv.journal"), (("--heatmaps", tmp_path / "maps"), "maps/0001-_1_1.png")):
        command = shlex.join(
            [*COMMAND, *map(str, (films, "--bundle", bundle_path, "-o", tmp_path / "a.csv", *options))]
        )
        done = subprocess.run(["bash", "-c", f"ulimit -f 4; {command}"], capture_output=True, text=True)
        assert done.returncode == 1 and f"{tmp_path / name}: cannot be written" in done.stderr, done.stderr
        assert not list(tmp_path.rglob("*.part")) and not (tmp_path / "a.csv").exists()
        (tmp_path / "a.csv.journal").unlink(missing_ok=True)


# Where answers may be written.


def test_answers_never_take_the_place_of_what_is_read(
    films: Path, bundle_path: Path, manifest: Manifest, answering_run: Run, tmp_path: Path
) -> None:
    assert manifest.path is not None
    film = films / "COVID-1.png"
    bundle = tmp_path / "model"
    shutil.copy(bundle_path, bundle)
    (films / "link").symlink_to(film)
    table = tmp_path / "data" / "manifest.csv"
    shutil.copytree(manifest.path.parent, table.parent)
    (tmp_path / "list.txt").write_text(str(film))
    shutil.copy(film, tmp_path / "a.csv.journal")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    inside = answering_run.directory / "scores.csv"
    for typed, model, output, format, said in (
        (film, bundle, films / "link", "csv", "is what is read"),
        (tmp_path / "a.csv.journal", bundle, tmp_path / "a.csv", "csv", "is what is read"),
        (table, bundle, table, "csv", "is what is read"),
        (table.parent, bundle, table, "csv", "holds no answers of an earlier prediction"),
        (film, bundle, bundle, "csv", "is what is read"),
        (film, bundle, tmp_path / "list.txt", "table", "holds no answers of an earlier prediction"),
        (film, bundle, "/dev/null", "csv", "is a pipe or a device"),
    ):
        with pytest.raises(CannotWrite, match=said):
            predict_to_file(model_of_bundle(model), Films([str(typed)], _no_list), TableFormat(format), Path(output))
    of_run = replace(model_of_bundle(bundle), path=answering_run.directory)
    with pytest.raises(CannotWrite, match="lies in the run"):
        predict_to_file(of_run, Films([str(film)], _no_list), TableFormat.csv, inside)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not inside.exists()


@pytest.mark.parametrize("folder", [".", "/", "", ".."])
def test_a_folder_without_a_name_is_told_as_any_folder_is(films: Path, model: Model, folder: str) -> None:
    with pytest.raises(CannotWrite, match=r"is a folder: name a file in it by -o"):
        predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, Path(folder))


def test_a_place_that_takes_no_files_is_not_said_to_be_written_by_another(films: Path, model: Model) -> None:
    with pytest.raises(CannotWrite, match=r"^/proc/x\.csv: cannot be written: its folder takes no new files"):
        predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, Path("/proc/x.csv"))
    with pytest.raises(CannotWrite, match=r"^/sys/a\.csv: cannot be written"):
        predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, Path("/sys/a.csv"))


def test_an_earlier_table_is_written_over_in_any_format(films: Path, model: Model, tmp_path: Path) -> None:
    pytest.importorskip("arro3.io")
    output = tmp_path / "answers"
    output.touch()
    for _ in range(2):
        for format in TableFormat:
            predict_to_file(model, Films([str(films)], _no_list), format, output)


@pytest.mark.parametrize(
    "held",
    [
        b"film,class\na,b\n",
        b'{\n  "films": []\n}\n',
        b'{"film": "a.png"}\n',
        b"PAR1 of others PAR1",
        b"PAR1",
        b"film class set\n",
        b"\0" * 40,
    ],
)
def test_another_file_is_not_written_over(films: Path, model: Model, tmp_path: Path, held: bytes) -> None:
    (tmp_path / "mine").write_bytes(held)
    with pytest.raises(CannotWrite, match="holds no answers of an earlier prediction"):
        predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == held and len(list(tmp_path.iterdir())) == 2


def test_an_ending_that_says_something_else_is_refused() -> None:
    for name, wanted, said in (
        ("a.png", None, "as a film"),
        ("a.DCM", TableFormat.csv, "as a film"),
        ("a.plainfilm", None, "as a bundle"),
        ("a.xyz", None, r"\.csv, \.json, \.jsonl"),
        ("a.json", TableFormat.csv, "called as json is, and --format is csv"),
        ("a.csv", TableFormat.table, "called as csv is"),
    ):
        with pytest.raises(ValueError, match=said):
            format_of(Path(name), wanted)
    for name, wanted, format in (
        ("a", None, TableFormat.table),
        ("a", TableFormat.csv, TableFormat.csv),
        ("a.xyz", TableFormat.csv, TableFormat.csv),
        ("a.ndjson", TableFormat.jsonl, TableFormat.jsonl),
        ("a.TXT", None, TableFormat.table),
    ):
        assert format_of(Path(name), wanted) is format


def test_ctrl_c_says_how_to_go_on(bundle_path: Path, phantoms: Path, tmp_path: Path) -> None:
    folder, output = _many(tmp_path / "many", phantoms, 3000), tmp_path / "scores.parquet"
    command = [*COMMAND, str(folder), "--bundle", str(bundle_path), "-o", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "scores.parquet.journal"
    while not journal.exists() or journal.stat().st_size < 5000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "--resume" in said.splitlines()[-1] and "Traceback" not in said and not output.exists()
    assert not (tmp_path / ".scores.parquet.lock").exists()


def test_two_at_once_do_not_write_one_file(films: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"

    class Second(Films):
        def __iter__(self) -> Iterator[NamedFilm]:
            with pytest.raises(CannotWrite, match="another process"):
                predict_to_file(model, Films([str(films)], _no_list), TableFormat.csv, output, resume=True)
            return super().__iter__()

    assert predict_to_file(model, Second([str(films)], _no_list), TableFormat.csv, output).films == 11


# Memory.


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_films(bundle_path: Path, phantoms: Path, tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("NO /proc: the peak of memory is not known here")
    folder = _many(tmp_path / "many", phantoms, 5000)
    code = (
        "import re, sys; from pathlib import Path; sys.argv[0] = 'plainfilm'\n"
        "from plainfilm.cli import main\n"
        "try: main()\n"
        "finally: print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1], file=sys.stderr)"
    )
    peaks = []
    for typed in (f"{folder}/00[0-4]*", folder):
        arguments = ["predict", str(typed), "--bundle", str(bundle_path), "-o", str(tmp_path / "scores.parquet")]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 10, f"MB at 500 and at 5,000 films: {peaks}"


# Heatmaps.


def test_heatmaps_of_answered_films_only(films: Path, model: Model, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    pieces: list[str] = []
    listed = partial(Films, [str(films)], _no_list)
    predict_streamed(model, listed(), TableFormat.jsonl, pieces.append, heatmaps=maps)
    records = [json.loads(piece) for piece in pieces]
    names = [
        f"{place:04d}-{Path(one['film']).stem.replace('=', '_').replace('+', '_').replace(', ', '__')}.png"
        for place, one in enumerate(records, 1)
        if one["class"]
    ]
    assert sorted(path.name for path in maps.iterdir()) == sorted([*names, "plainfilm-heatmaps.json"])
    assert json.loads((maps / "plainfilm-heatmaps.json").read_text())["sha256"] == model.sha256
    picture = cv2.imread(str(maps / names[0]))
    film, drawn = picture[16:400, 16:400].astype(int), picture[16:400, 416:800].astype(int)
    assert (film[..., 0] == film[..., 2]).all(), "the film is grey"
    assert np.abs(drawn[..., 0] - drawn[..., 2]).max() > 20, "the heatmap is not"
    (films / "COVID-1.png").unlink()
    predict_streamed(model, listed(), TableFormat.jsonl, pieces.append, heatmaps=maps)
    assert len(list(maps.iterdir())) == len(names), "those of an earlier time are gone"
    (maps / "mine.txt").touch()
    with pytest.raises(CannotWrite, match=r"mine\.txt.*--heatmaps"):
        predict_streamed(model, listed(), TableFormat.jsonl, pieces.append, heatmaps=maps)
    (maps / "mine.txt").unlink()
    (maps / "plainfilm-heatmaps.json").unlink()
    with pytest.raises(CannotWrite, match=r"no plainfilm-heatmaps\.json"):
        predict_streamed(model, listed(), TableFormat.jsonl, pieces.append, heatmaps=maps)


def test_heatmaps_among_the_films_are_no_films(films: Path, model: Model) -> None:
    pieces: list[str] = []
    before = _named(films)
    for _ in range(2):
        predict_streamed(
            model, Films([str(films)], _no_list), TableFormat.csv, pieces.append, heatmaps=films / "deeper" / "0-maps"
        )
        assert len(list((films / "deeper" / "0-maps").iterdir())) > 5
        assert _named(films) == before == sorted(_named(f"{films}/**"), key=before.index)
    with pytest.raises(BadImage, match="holds no film"):
        _named(films / "deeper" / "0-maps")


def test_a_network_without_heatmaps_is_told_before_anything_starts(films: Path, model: Model, tmp_path: Path) -> None:
    mute = replace(model, predictor=replace(model.predictor, network=_Uneven(None)), why_no_maps="it has none")
    with pytest.raises(BadConfig, match="gives none, since it has none"):
        predict_streamed(mute, Films([str(films)], _no_list), TableFormat.csv, print, heatmaps=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


# The command.


def test_the_command_answers_by_a_bundle_as_by_its_run(films: Path, bundle_path: Path, answering_run: Run) -> None:
    rows = []
    for named in (("--bundle", bundle_path), ("--run", answering_run.directory)):
        done = _run(films, *named, "--format", "csv")
        assert done.returncode == 0, done.stderr
        assert "2 of 11 films could not be answered" in done.stderr and "1 of 11 films turned away" in done.stderr
        rows.append(list(csv.DictReader(io.StringIO(done.stdout))))
    for bundle, run in zip(*rows, strict=True):
        for name in bundle:
            if bundle[name] and name.startswith(("p_", "logit_")):
                assert float(bundle[name]) == pytest.approx(float(run[name]), abs=1e-3)
            else:
                assert bundle[name] == run[name]


def test_a_list_comes_through_standard_input(films: Path, bundle_path: Path) -> None:
    listed = "\0".join([f"{films}/COVID-1.png", f"{films}/empty.png"])
    done = _run("-", "--bundle", bundle_path, "--format", "jsonl", input=listed)
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["ok", "error"]
    done = _run("-", "--bundle", bundle_path, input="\n\n")
    assert done.returncode == 1 and "standard input: names no film" in done.stderr and done.stdout == ""


def test_on_a_terminal_rows_are_the_progress(films: Path, bundle_path: Path) -> None:
    """A bar would run through them."""
    ours, theirs = os.openpty()
    command = [*COMMAND, str(films), "--bundle", str(bundle_path)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    assert process.wait(120) == 0
    assert b"\x1b" not in shown and shown.count(b"\r\n") == shown.count(b"\n") == 15 + shown.count(b"mind: "), (
        shown.decode()
    )


def test_wrong_usage(films: Path, bundle_path: Path, tmp_path: Path) -> None:
    film = films / "COVID-1.png"
    for arguments, said in (
        ((film, "--bundle", bundle_path, "--run", tmp_path), "one of --bundle and --run"),
        ((film, "--bundle", bundle_path, "--resume"), "name it by -o"),
        ((film, "--bundle", bundle_path, "--format", "parquet"), "name it by -o"),
        ((film, "--bundle", bundle_path, "-o", tmp_path / "a.xyz"), "names no format"),
        ((film, "--bundle", bundle_path, "-o", film), "called as a film is"),
        ((bundle_path, film), "is a bundle, no film: name it by --bundle"),
    ):
        done = _run(*arguments)
        assert done.returncode == 2 and said in " ".join(done.stderr.split()), done.stderr
    for arguments, said in (
        ((film, "--bundle", film), "is no bundle"),
        ((film, "--bundle", bundle_path, "-o", tmp_path), "name a file in it"),
        ((film, "--bundle", bundle_path, "-o", tmp_path / "gone" / "a.csv"), "Make its folder first"),
    ):
        done = _run(*arguments)
        assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_explain_with_the_film_first_says_the_order(films: Path, bundle_path: Path) -> None:
    command = [sys.executable, "-m", "plainfilm", "explain", str(films / "COVID-1.png"), str(bundle_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "name the model before the films" in " ".join(done.stderr.split()), done.stderr


def test_no_readable_film_is_exit_1_and_a_table_says_what_it_is_not(films: Path, bundle_path: Path) -> None:
    done = _run(films / "empty.png", films / "text.jpg", "--bundle", bundle_path)
    assert done.returncode == 1 and "is empty" in done.stdout and "is text" in done.stdout
    assert done.stderr.endswith("Not a medical device.\n")


def test_a_bundle_answers_without_torch_and_pandas(films: Path, bundle_path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from plainfilm.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'pandas', 'matplotlib'} & {n.split('.')[0] for n in sys.modules}), file=sys.stderr)"
    )
    arguments = ["predict", str(films), "--bundle", str(bundle_path), "-o", str(tmp_path / "a.parquet")]
    arguments += ["--heatmaps", str(tmp_path / "maps")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]", done.stderr


def test_the_reader_of_a_pipe_may_go(bundle_path: Path, phantoms: Path, tmp_path: Path) -> None:
    folder = _many(tmp_path / "many", phantoms, 600)
    process = subprocess.Popen(
        [*COMMAND, str(folder), "--bundle", str(bundle_path), "--format", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 0 and process.stderr.read() == b""
    process.stderr.close()


def test_a_bundle_predictor_is_what_the_model_holds(model: Model, bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    assert model.sha256 == model.bundle == bundle.sha256 and model.origin.classes == bundle.classes


def test_what_stands_for_a_run_changes_with_its_recipe(
    answering_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that --resume does not go on with answers to films that were made ready otherwise."""
    from plainfilm.predict_jobs import model_of_run

    monkeypatch.setattr("plainfilm.learn.infer.predictor_of", lambda run, progress: run)
    copied = shutil.copytree(answering_run.directory, tmp_path / "run")
    before, recipe = model_of_run(copied).sha256, copied / "preprocess.json"
    assert model_of_run(copied).sha256 == before
    recipe.write_text(json.dumps({**json.loads(recipe.read_text()), "contrast": "stretch"}))
    assert model_of_run(copied).sha256 != before
