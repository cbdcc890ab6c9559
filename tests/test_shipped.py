"""The model inside the package: small, sound, told apart from a choice of the user's, and what its card says."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from plainfilm.cli import app
from plainfilm.core.bundle import SHIPPED, Bundle
from served import phantom, served

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return Bundle.open(SHIPPED)


@pytest.fixture
def film(shipped: Bundle, tmp_path: Path) -> Path:
    name, content = phantom(shipped)
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_it_is_small_and_in_whole_numbers(shipped: Bundle) -> None:
    assert SHIPPED.stat().st_size <= 12_000_000
    assert (shipped.precision, shipped.classes) == ("int8", CLASSES)
    assert shipped.network.has_maps


def test_its_card_says_data_intervals_audit_outside_and_what_it_is_not_for(shipped: Bundle) -> None:
    metrics = shipped.about["metrics"]
    assert metrics["split"] == "test" and metrics["films"] > 1000
    for name in ("accuracy", "macro_auroc", "ece"):
        interval = metrics["metrics"][name]
        assert interval["low"] <= interval["value"] <= interval["high"] and interval["low"] < interval["high"]
    reached = {name: metrics["metrics"][name]["value"] for name in ("accuracy", "macro_auroc", "ece")}
    assert reached["accuracy"] >= 0.955 and reached["macro_auroc"] >= 0.99 and reached["ece"] <= 0.03
    assert shipped.audit is not None and shipped.audit.verdict in ("pass", "warn", "fail")
    assert len(shipped.audit.findings) == 9
    assert sum(shipped.about["data"]["training_films"].values()) > 5000
    card = shipped.card
    (away,) = re.findall(r"Turned away .* of the test films \((.*)\)", card)
    assert sum(map(int, re.findall(r" (\d+)", away))) <= 0.02 * metrics["films"]
    assert re.search(r"COVID against other pneumonia.* AUROC 0\.\d+ \(0\.\d+ to 0\.\d+\)", card)
    for said in ("Research and education only", "Not a medical device", "Audit", "Training films by class", "external"):
        assert said in card, said
    assert shipped.about["not_for"] and "On external" in card


def test_nothing_in_it_names_a_machine(shipped: Bundle) -> None:
    text = json.dumps(shipped.about) + shipped.card
    for told in ("/work/", "/tmp/", "/home/", "/root/", "shared/films"):
        assert told not in text


def test_predict_says_that_the_model_inside_answers(film: Path) -> None:
    done = CliRunner().invoke(app, ["predict", str(film), "--format", "csv"])
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["status"] == "ok"
    assert "no --bundle was named, so the model inside answers" in done.stderr


def test_explain_with_films_alone(film: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(film), "-o", str(tmp_path / "maps"), "--even-turned-away"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "maps" / "explain.html").is_file() and len(
        list((tmp_path / "maps" / "overlays").glob("*.png"))
    ) == 1
    assert "the model inside is explained (radiography: " in done.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["explain", "FILM", "MODEL"], "name the model before the films, and only one"),
        (["explain", "MODEL"], "name films after"),
    ],
)
def test_explain_says_where_the_model_stands(film: Path, typed: list[str], said: str) -> None:
    places = {"FILM": str(film), "MODEL": str(SHIPPED)}
    done = CliRunner().invoke(app, [places.get(word, word) for word in typed])
    assert done.exit_code == 2 and said in " ".join(done.stderr.replace("│", " ").split())


def test_serve_takes_it(shipped: Bundle, film: Path) -> None:
    with served(shipped) as server:
        told = server.predict((film.name, film.read_bytes())).json()
    (answer,) = told["films"]
    assert answer["status"] == "ok" and (answer["turned_away"] or set(answer["probability"]) == set(CLASSES))


def test_predict_with_it_loads_no_torch(film: Path) -> None:
    code = (
        "import sys; from plainfilm.predict_jobs import shipped_model; model = shipped_model()\n"
        f"answer, = model.predictor.answers([model.predictor.see(open({str(film)!r}, 'rb').read(), 'film.png')])\n"
        "assert 'torch' not in sys.modules and len(answer.logit) == 4"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_no_chest_film_is_turned_away(shipped: Bundle, real_films: Path) -> None:
    predictor = shipped.predictor
    paths = sorted((real_films / "ood").iterdir())
    answers = list(predictor.answers([predictor.see(path.read_bytes(), path.name) for path in paths]))
    assert len(paths) >= 9
    assert [path.name for path, answer in zip(paths, answers, strict=True) if not answer.turned_away] == []


def test_it_answers_real_films_as_its_card_says(shipped: Bundle, real_films: Path) -> None:
    """200 films, most of them of the training: a check that the network is the one that was trained, not a measure of it."""
    rng = np.random.default_rng(5)
    predictor, right, away, total = shipped.predictor, 0, 0, 0
    for label in CLASSES:
        paths = sorted((real_films / "radiography" / label / "images").iterdir())
        some = [paths[place] for place in rng.choice(len(paths), 50, replace=False)]
        for answer in predictor.answers([predictor.see(path.read_bytes(), path.name) for path in some]):
            assert answer.logit is not None
            right += int(np.argmax(answer.logit)) == CLASSES.index(label)
            away += bool(answer.turned_away)
            total += 1
    assert right / total > 0.93 and away / total < 0.03
