"""Phantoms: known findings in the lungs alone, the same every time; sets laid out as the database, flaws on record."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier

from plainfilm.errors import BadConfig, CannotWrite
from plainfilm.prepare.phantom import FINDINGS, render_parts, render_phantom
from plainfilm.prepare.phantom_flaws import DAMAGES, SHORTCUTS, SOURCES, TWINS, add_shortcut, damage, make_twin
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms


def generators(anatomy, disease=1, acquisition=2):
    return [np.random.default_rng([part, seed]) for part, seed in enumerate((anatomy, disease, acquisition))]


def opacity(finding, seed):
    """What the finding adds to the same healthy film, and the lungs."""
    film, lungs = render_parts(finding, *generators(seed, seed, seed), size_px=128)
    healthy, _ = render_parts("Normal", *generators(seed, seed, seed), size_px=128)
    return film.astype(float) - healthy, lungs


def where_it_lies(added, lungs):
    """Where a finding lies against where the lungs lie, as shares of the film, and how fine its structure is."""
    down, across = np.nonzero(lungs)
    weight, outwards, size_px = np.clip(added[lungs], 0, None), abs(across - len(lungs) / 2), len(lungs)
    left = weight[across < size_px / 2].sum() / weight.sum()
    return {
        "in_one_lung": max(left, 1 - left),
        "outwards": (np.average(outwards, weights=weight) - outwards.mean()) / size_px,
        "downwards": (np.average(down, weights=weight) - down.mean()) / size_px,
        "fineness": abs(cv2.Laplacian(added, cv2.CV_64F))[lungs].sum() / weight.sum(),
    }


def likeness(directory, one, other):
    """Correlation of two COVID films of a set."""
    films = [cv2.imread(str(directory / f"COVID/images/COVID-{number}.png"), 0) for number in (one, other)]
    return np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1]


def pixels(directory):
    """Every image file's bytes by its path, so that sets can be compared."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.glob("*/images/*.png")}


def kinds(directory):
    return pd.read_csv(directory / "planted.csv", dtype=str, keep_default_na=False)


class TestFilm:
    @pytest.mark.parametrize("finding", FINDINGS)
    def test_the_same_state_gives_the_same_pixels(self, finding):
        first, lungs = render_phantom(finding, np.random.default_rng(3))
        again, lungs_again = render_phantom(finding, np.random.default_rng(3))
        other, _ = render_phantom(finding, np.random.default_rng(4))
        assert (first == again).all() and (lungs == lungs_again).all()
        assert (first != other).any()

    def test_only_the_state_counts_not_the_generators_history(self):
        spent = np.random.default_rng(0)
        spent.spawn(3)
        spent.random(7)
        copy = np.random.default_rng(99)
        copy.bit_generator.state = spent.bit_generator.state
        assert (render_phantom("COVID", spent)[0] == render_phantom("COVID", copy)[0]).all()

    @pytest.mark.parametrize("size_px", [64, 128, 299])
    def test_film_and_lungs_have_the_size_asked_for(self, size_px):
        film, lungs = render_phantom("Normal", np.random.default_rng(1), size_px)
        assert film.shape == lungs.shape == (size_px, size_px)
        assert film.dtype == np.uint8 and lungs.dtype == np.bool_

    def test_a_healthy_chest_has_two_dark_lungs_in_a_bright_body(self):
        for seed in range(12):
            film, lungs = render_phantom("Normal", np.random.default_rng(seed), 128)
            count, _, stats, _ = cv2.connectedComponentsWithStats(lungs.astype(np.uint8))
            assert count == 3 and stats[1:, cv2.CC_STAT_AREA].min() > 0.06 * lungs.size
            assert 0.15 < lungs.mean() < 0.36  # real masks: 0.25 +- 0.06
            assert film[lungs].mean() + 50 < film[40:120, 56:72].mean()

    @pytest.mark.parametrize("seed", range(6))
    def test_findings_differ_in_the_lungs_alone(self, seed):
        healthy, lungs = render_parts("Normal", *generators(seed))
        for finding in FINDINGS:
            film, same_lungs = render_parts(finding, *generators(seed))
            assert (same_lungs == lungs).all()
            assert (film[~lungs] == healthy[~lungs]).all()
            assert finding == "Normal" or (film[lungs] != healthy[lungs]).mean() > 0.02

    def test_findings_lie_where_they_lie_in_patients(self):
        rows = [
            {"finding": finding, **where_it_lies(*opacity(finding, seed))}
            for finding in ("COVID", "Lung_Opacity", "Viral Pneumonia")
            for seed in range(24)
        ]
        lies = pd.DataFrame(rows).groupby("finding").median()
        assert lies.in_one_lung["Lung_Opacity"] > 0.99
        assert lies.in_one_lung["COVID"] < 0.75 and lies.in_one_lung["Viral Pneumonia"] < 0.6
        assert lies.outwards["COVID"] > 0.03 > 0 > lies.outwards["Viral Pneumonia"]
        assert lies.downwards["COVID"] > 0.06
        assert lies.fineness["Viral Pneumonia"] > 1.5 * lies.fineness[["COVID", "Lung_Opacity"]].max()

    @pytest.mark.slow
    def test_no_class_can_be_told_from_outside_the_lungs(self):
        films, lungs, labels = [], [], []
        for label, finding in enumerate(FINDINGS):
            for number in range(100):
                film, mask = render_phantom(finding, np.random.default_rng([label, number]), 96)
                films.append(cv2.resize(film, (32, 32), interpolation=cv2.INTER_AREA).ravel() / 255)
                lungs.append(mask)
                labels.append(label)
        any_lung = cv2.dilate(np.any(lungs, axis=0).astype(np.uint8), np.ones((7, 7)))
        outside = cv2.resize(any_lung, (32, 32), interpolation=cv2.INTER_AREA).ravel() == 0
        assert outside.sum() > 300
        whole, labels = np.array(films), np.array(labels)
        is_test = np.arange(len(labels)) % 2 == 1

        def accuracy(features):
            model = RidgeClassifier(alpha=10).fit(features[~is_test], labels[~is_test])
            return model.score(features[is_test], labels[is_test])

        assert abs(accuracy(whole * outside) - 0.25) < 0.09  # three standard errors of 200 guesses
        assert accuracy(whole) > 0.45

    def test_an_unknown_finding_is_refused_with_the_known_ones(self):
        with pytest.raises(BadConfig, match="'Covid'; known are COVID, Lung_Opacity, Normal, Viral Pneumonia"):
            render_phantom("Covid", np.random.default_rng(0))

    def test_a_size_too_small_is_refused(self):
        with pytest.raises(BadConfig, match="size_px: 63"):
            render_phantom("Normal", np.random.default_rng(0), 63)


class TestFlaws:
    @pytest.mark.parametrize("kind", TWINS)
    def test_a_twin_is_the_same_picture_with_other_pixels(self, kind):
        film, lungs = render_phantom("Normal", np.random.default_rng(1))
        before = film.copy()
        twin, twin_lungs = make_twin(film, lungs, kind, np.random.default_rng(2))
        assert (film == before).all()
        assert twin.shape == film.shape and twin.dtype == np.uint8
        assert (twin != film).mean() > 0.001
        assert twin_lungs.shape == lungs.shape and twin_lungs.sum() == pytest.approx(lungs.sum(), rel=0.25)
        moved = {"mirror": film[:, ::-1], "inversion": 255 - film}.get(kind, film)
        least = 0.6 if kind in ("crop", "rotation", "border") else 0.97
        assert np.corrcoef(moved.ravel(), twin.ravel())[0, 1] > least

    def test_the_lungs_move_with_the_twin(self):
        _, lungs = render_phantom("Normal", np.random.default_rng(1))
        for kind in ("crop", "rotation", "mirror", "border"):
            marked, moved = make_twin(np.where(lungs, 255, 0).astype(np.uint8), lungs, kind, np.random.default_rng(2))
            inner = cv2.erode(moved.astype(np.uint8), np.ones((5, 5))) > 0
            assert marked[inner].min() > 127

    @pytest.mark.parametrize("kind", SHORTCUTS)
    def test_a_shortcut_is_slight_but_there(self, kind):
        film, _ = render_phantom("Normal", np.random.default_rng(1))
        marked = add_shortcut(film, kind, np.random.default_rng(2))
        change = abs(marked.astype(float) - film)
        assert 0 < change.mean() < 25
        assert np.corrcoef(film.ravel(), marked.ravel())[0, 1] > 0.94

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_a_damaged_file_cannot_be_decoded(self, kind):
        film, _ = render_phantom("Normal", np.random.default_rng(1))
        left = damage(cv2.imencode(".png", film)[1].tobytes(), kind)
        if kind == "wrong size":
            assert left[16:24] == (299).to_bytes(4, "big") + (598).to_bytes(4, "big")
        decoded = cv2.imdecode(np.frombuffer(left, np.uint8), cv2.IMREAD_UNCHANGED) if left else None
        assert decoded is None


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_phantoms(tmp_path_factory.mktemp("plain") / "set", 5, seed=7)


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    options = PhantomOptions(
        twin_share=0.4, identical_share=0.1, films_per_patient=2, shortcut="grey", shortcut_class="Normal", damaged=6
    )
    return make_phantoms(tmp_path_factory.mktemp("flawed") / "set", 24, seed=7, options=options)


class TestSet:
    def test_it_is_laid_out_as_the_database(self, plain):
        names = {path.name for path in plain.iterdir()}
        sheets = {f"{finding}.metadata.xlsx" for finding in FINDINGS}
        assert names == {*FINDINGS, *sheets, "metadata.csv", "planted.csv", "README.md.txt"}
        for finding in FINDINGS:
            expected = {f"{finding}-{number}.png" for number in range(1, 6)}
            for folder, shape in (("images", (299, 299)), ("masks", (256, 256, 3))):
                assert {path.name for path in (plain / finding / folder).iterdir()} == expected
                picture = cv2.imread(str(plain / finding / folder / f"{finding}-3.png"), cv2.IMREAD_UNCHANGED)
                assert picture.shape == shape and picture.dtype == np.uint8
            assert set(np.unique(picture)) == {0, 255}

    def test_the_sheets_have_the_databases_columns(self, plain):
        sheet = pd.read_excel(plain / "COVID.metadata.xlsx")
        assert list(sheet.columns) == ["FILE NAME", "FORMAT", "SIZE", "URL"]
        assert list(sheet["FILE NAME"]) == [f"COVID-{number}" for number in range(1, 6)]
        assert set(sheet["FORMAT"]) == {"PNG"} and set(sheet["SIZE"]) == {"256*256"}
        assert set(sheet["URL"]) == {"https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"}

    def test_the_metadata_name_every_film(self, plain):
        metadata = pd.read_csv(plain / "metadata.csv")
        assert list(metadata.columns) == ["path", "source", "patient_id", "view", "age", "sex"]
        assert set(metadata["path"]) == set(pixels(plain))
        assert metadata["patient_id"].is_unique
        assert metadata.notna().all(axis=None)
        assert set(metadata["sex"]) == {"F", "M"} and set(metadata["view"]) == {"PA", "AP"}

    def test_nothing_is_planted_unless_asked_for(self, plain):
        assert kinds(plain).empty
        assert len({*pixels(plain).values()}) == 20

    def test_more_films_and_other_classes_do_not_change_those_there_were(self, plain, tmp_path):
        more = make_phantoms(tmp_path / "more", {"Viral Pneumonia": 6, "COVID": 2}, seed=7)
        before, after = pixels(plain), pixels(more)
        assert len(after) == 8
        assert all(before[path] == after[path] for path in after.keys() & before.keys())

    def test_the_seed_matters(self, plain, tmp_path):
        other = make_phantoms(tmp_path / "other", {"COVID": 1}, seed=8)
        assert pixels(other)["COVID/images/COVID-1.png"] != pixels(plain)["COVID/images/COVID-1.png"]

    def test_progress_counts_every_film(self, tmp_path):
        told = []
        make_phantoms(tmp_path / "set", {"COVID": 2, "Normal": 1}, seed=0, progress=lambda *step: told.append(step))
        assert told == [(1, 3), (2, 3), (3, 3)]


class TestPlanted:
    def test_an_option_changes_its_own_films_only(self, plain, tmp_path):
        options = PhantomOptions(twin_share=0.4, shortcut="marker", shortcut_share=0.5, damaged=3)
        planted = make_phantoms(tmp_path / "set", 5, seed=7, options=options)
        before, after, on_record = pixels(plain), pixels(planted), set(kinds(planted)["image"])
        assert {path for path in after if after[path] != before.get(path)} == on_record

    def test_twins_are_on_record_and_have_their_share(self, flawed):
        planted = kinds(flawed).query("twin_of != ''")
        count = Counter(planted["kind"])
        assert count.pop("identical") in range(6, 11)
        assert set(count) == set(TWINS) and sum(count.values()) in range(36, 41)
        files = pixels(flawed)
        for row in planted.itertuples():
            assert (files[row.image] == files[row.twin_of]) == (row.kind == "identical")
            assert row.image.split("/")[0] == row.twin_of.split("/")[0]
        assert not set(planted["twin_of"]) & set(planted["image"])

    def test_whose_picture_a_twin_shows_is_not_told(self, flawed):
        metadata = pd.read_csv(flawed / "metadata.csv").set_index("path")
        planted = kinds(flawed).query("twin_of != ''")
        assert metadata.loc[planted["image"], ["patient_id", "view", "age", "sex"]].isna().all(axis=None)

    def test_damaged_files_are_on_record_and_on_top(self, flawed):
        planted = kinds(flawed)
        damaged = planted[planted["kind"].str.startswith("damaged")]
        assert list(damaged["kind"]) == [f"damaged: {kind}" for kind in (*DAMAGES, DAMAGES[0])]
        assert list(damaged["image"].str.extract(r"(\d+)")[0]) == ["25"] * 4 + ["26"] * 2

    def test_a_patient_may_have_several_films(self, flawed):
        metadata = pd.read_csv(flawed / "metadata.csv")
        films = metadata.dropna(subset="patient_id").groupby("patient_id")
        assert 1.5 < films.size().mean() < 2.6
        assert (films[["age", "sex", "source"]].nunique() == 1).all(axis=None)

    def test_films_of_a_patient_show_the_same_chest(self, tmp_path):
        options = PhantomOptions(films_per_patient=1e9)
        directory = make_phantoms(tmp_path / "set", {"COVID": 3}, seed=1, options=options)
        alone = make_phantoms(tmp_path / "alone", {"COVID": 3}, seed=1)
        assert pd.read_csv(directory / "metadata.csv")["patient_id"].nunique() == 1
        assert len({*pixels(directory).values()}) == 3
        assert likeness(directory, 1, 2) > likeness(alone, 1, 2)

    def test_a_shortcut_stays_in_its_class_and_share(self, flawed, tmp_path):
        marked = kinds(flawed).query("kind == 'shortcut: grey'")["image"]
        assert all(path.startswith("Normal/") for path in marked) and len(marked) == 12
        options = PhantomOptions(shortcut="texture", shortcut_share=0.5)
        half = make_phantoms(tmp_path / "set", {"COVID": 24, "Normal": 3}, seed=2, options=options)
        assert set(kinds(half)["kind"]) == {"shortcut: texture"}
        assert 5 < len(kinds(half)) < 19 and kinds(half)["image"].str.startswith("COVID/").all()

    def test_sources_come_in_every_class_or_in_one(self, tmp_path):
        fair = make_phantoms(tmp_path / "fair", 6, seed=3, options=PhantomOptions(sources=2))
        table = pd.read_csv(fair / "metadata.csv")
        label = table["path"].str.split("/").str[0]
        assert (pd.crosstab(label, table["source"]) > 0).all(axis=None)
        options = PhantomOptions(sources=6, source_by_class=True)
        confounded = make_phantoms(tmp_path / "confounded", 5, seed=3, options=options)
        table = pd.read_csv(confounded / "metadata.csv")
        label = table["path"].str.split("/").str[0]
        assert (table.assign(label=label).groupby("source")["label"].nunique() == 1).all()
        assert table["source"].nunique() == 6
        sheet = pd.read_excel(confounded / "Lung_Opacity.metadata.xlsx")
        url = {source.name: source.url for source in SOURCES}
        assert list(sheet["URL"]) == [url[name] for name in table["source"][label == "Lung_Opacity"]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"twin_share": -0.1}, "twin_share: -0.1"),
            ({"identical_share": 1.1}, "identical_share: 1.1"),
            ({"shortcut_share": float("nan")}, "shortcut_share: nan"),
            ({"twin_share": 0.6, "identical_share": 0.4}, "together"),
            ({"films_per_patient": 0.5}, "films_per_patient: 0.5"),
            ({"sources": 0}, "sources: 0"),
            ({"sources": 9}, "take 1 to 8"),
            ({"shortcut": "tube"}, "known are marker, border, grey, texture"),
            ({"shortcut_class": "Covid"}, "shortcut_class"),
            ({"damaged": -1}, "damaged: -1"),
        ],
    )
    def test_options_out_of_range(self, setting, message):
        with pytest.raises(BadConfig, match=message):
            PhantomOptions(**setting)

    @pytest.mark.parametrize(
        ("films_per_class", "seed", "message"),
        [
            (0, 0, r"COVID \(0\)"),
            ({"Normal": 3, "COVID": -1}, 0, r"COVID \(-1\)"),
            ({"Normal": 3, "Flu": 1}, 0, "'Flu'; known are COVID"),
            ({}, 0, "no class"),
            (1, -1, "seed: -1"),
        ],
    )
    def test_counts_and_seeds_out_of_range(self, tmp_path, films_per_class, seed, message):
        with pytest.raises(BadConfig, match=message):
            make_phantoms(tmp_path / "set", films_per_class, seed=seed)
        assert not any(tmp_path.iterdir())

    def test_a_directory_that_holds_something_is_left_alone(self, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(CannotWrite, match="not empty: choose another place"):
            make_phantoms(tmp_path, 1, seed=0)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_a_file_is_no_directory(self, tmp_path):
        (tmp_path / "set").write_text("mine")
        with pytest.raises(CannotWrite, match="is a file"):
            make_phantoms(tmp_path / "set", 1, seed=0)

    def test_an_empty_directory_is_filled(self, tmp_path):
        (tmp_path / "set").mkdir()
        assert (make_phantoms(tmp_path / "set", {"COVID": 1}, seed=0) / "COVID" / "images" / "COVID-1.png").is_file()
        assert [path.name for path in tmp_path.iterdir()] == ["set"]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
    def test_nothing_half_written_stays(self, tmp_path, interruption):
        def stop(done: int, total: int) -> None:
            if done == 2:
                raise interruption

        with pytest.raises(interruption):
            make_phantoms(tmp_path / "deep" / "set", 2, seed=0, progress=stop)
        assert not any((tmp_path / "deep").iterdir())
