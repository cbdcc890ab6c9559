"""The audit from end to end: small networks find what is planted, clean films stay unaccused, done work is not done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import TINY, rows
from plainfilm.audit_networks import SmallFilms, retrained, without_sources
from plainfilm.core.audit import CHECKS, Audit, Finding
from plainfilm.core.bootstrap import Interval
from plainfilm.core.intervals import separated_low
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import BadManifest, BadRun, CannotWrite
from plainfilm.judge.audit.headline import headline
from plainfilm.judge.audit.hidden import judge_hidden
from plainfilm.judge.audit.left_out import judge_sources_left_out
from plainfilm.judge.audit.less import judge_less
from plainfilm.judge.judged import Resampling
from plainfilm.prepare.duplicates import Twin, find_twins
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from plainfilm.prepare.split import SplitPlan
from warm import command

pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("in_little")

CLASSES = ("COVID", "Lung_Opacity", "Normal")
DRAWING = Resampling(repeats=300)


def scores(strength: float | dict[str, float], *, films: int = 60, seed: int = 0, split: str = "test") -> Predictions:
    """Scores of so many films a class that tell each class by `strength` standard deviations."""
    rng = np.random.default_rng(seed)
    labels = [name for name in CLASSES for _ in range(films)]
    logit = rng.normal(size=(len(labels), len(CLASSES)))
    for place, name in enumerate(labels):
        known = strength if isinstance(strength, float | int) else strength.get(name, 0.0)
        logit[place, CLASSES.index(name)] += known
    table = rows(labels, split=split)
    return Predictions.of(table, logit.astype(np.float32), CLASSES, "probe")


# The verdicts ---------------------------------------------------------------------------------------------------------


def test_what_stands_without_the_lungs_fails():
    found = judge_less(
        {"film": scores(4.0), "border": scores(0.0, seed=1), "background": scores({"COVID": 4.0}, seed=2)},
        "test",
        scores(4.0, seed=3),
        DRAWING,
    )
    assert found.verdict == "fail" and found.number is not None and found.number.low > 0.7
    assert "everything but the lungs tells COVID from the rest" in found.told[0]
    assert [row["sees"] for row in found.evidence["rows"]] == ["film", "border", "background"]
    assert found.advice


def test_chance_without_the_lungs_passes_however_good_the_whole_film_is():
    for seed in range(8):
        found = judge_less(
            {"film": scores(5.0), "border": scores(0.0, seed=seed), "background": scores(0.0, seed=100 + seed)},
            "test",
            None,
            DRAWING,
        )
        assert found.verdict == "pass" and not found.advice


def test_the_lungs_alone_and_the_blurred_film_accuse_nobody():
    parts = {"film": scores(5.0), "lungs": scores(5.0, seed=1), "blurred": scores(5.0, seed=2)}
    found = judge_less(
        {**parts, "border": scores(0.0, seed=3), "background": scores(0.0, seed=4)}, "test", None, DRAWING
    )
    assert found.verdict == "pass"


def test_numbers_shown_are_of_the_side_that_the_run_is_judged_on():
    of_both = scores(2.0)
    table = of_both.table.assign(split=np.where(np.arange(len(of_both.table)) % 2 == 0, "val", "test"))
    both = Predictions(table, CLASSES)
    found = judge_less({"film": both, "background": both}, "test", None, DRAWING)
    alone = both.where(both.table["split"] == "test")
    accuracy = (alone.logit.argmax(1) == alone.label_index).mean()
    assert found.evidence["rows"][0]["accuracy"]["value"] == pytest.approx(accuracy)


def test_the_runs_numbers_go_by_its_calibrated_answers_as_its_report_does():
    from plainfilm.core.calibration import Calibration, Scaling

    run = scores(2.0, seed=3)
    shifted = replace(
        Calibration.none(CLASSES), scaling=Scaling("vector", (1.0, 1.0, 1.0), (50.0, 0.0, 0.0))
    )  # COVID always
    parts = {"film": scores(4.0), "border": scores(0.0, seed=1), "background": scores(0.0, seed=2)}
    plain, fitted = (judge_less(parts, "test", run, DRAWING, calibration=fit) for fit in (None, shifted))
    assert plain.evidence["run"]["accuracy"]["value"] > 0.7
    assert fitted.evidence["run"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert fitted.evidence["rows"] == plain.evidence["rows"]  # the small networks have no calibration
    hidden = {"nothing": run, "lungs": scores(0.0, seed=5), "background": run}
    assert (
        judge_hidden(hidden, DRAWING, calibration=shifted).verdict == "unknown"
    )  # one answer for all: nothing to hide


def test_the_films_that_were_judged_are_named_as_what_they_are():
    of_val = {name: scores(4.0, seed=place, split="val") for place, name in enumerate(("film", "border", "background"))}
    found = judge_less(of_val, "val", None, DRAWING)
    assert "never saw (validation);" in found.told[0] and found.told[1].startswith("On the validation films")


def test_too_few_films_are_unknown_not_fine():
    one = scores(0.0, films=1)
    assert judge_less({"film": one, "border": one, "background": one}, "test", None, DRAWING).verdict == "unknown"


def test_a_run_that_answers_without_lungs_fails():
    plain = scores(4.0)
    hidden = {"nothing": plain, "lungs": plain, "background": scores(0.0, seed=1)}
    found = judge_hidden(hidden, DRAWING)
    assert found.verdict == "fail"
    assert not any("outermost" in told for told in found.told)
    kept = {row["hidden"]: row["kept"]["value"] for row in found.evidence["rows"]}
    assert kept["nothing"] == kept["lungs"] == 1 and kept["background"] < 0.6


def test_a_run_that_is_blind_without_lungs_passes():
    hidden = {"nothing": scores(4.0), "lungs": scores(0.0, seed=1), "background": scores(4.0, seed=2)}
    assert judge_hidden(hidden, DRAWING).verdict == "pass"
    by_border = judge_hidden({**hidden, "middle": scores(0.0, seed=3)}, DRAWING)
    assert by_border.verdict == "pass"
    ring = by_border.evidence["rows"][-1]
    assert ring["hidden"] == "middle" and ring["accuracy"]["value"] < 0.5
    assert (
        f"outermost eighth of each side is in sight, its accuracy is {ring['accuracy']['value']:.3f}"
        in by_border.told[-1]
    )


def test_a_run_that_sees_nothing_without_lungs_or_knows_nothing_with_them_is_unknown():
    constant = scores(0.0)
    constant = Predictions.of(
        rows(constant.table["label"].tolist(), split="test"), np.ones((180, 3), np.float32), CLASSES, "r"
    )
    blind = judge_hidden({"nothing": scores(4.0), "lungs": constant, "background": scores(4.0)}, DRAWING)
    assert blind.verdict == "unknown" and "nothing is left that the run sees" in blind.told[0]
    useless = judge_hidden({"nothing": scores(0.0), "lungs": scores(0.0, seed=1), "background": scores(0.0)}, DRAWING)
    assert useless.verdict == "unknown" and "nothing to hide" in useless.told[0]


def test_a_pass_of_few_films_says_what_it_cannot_exclude():
    few = {
        "film": scores(4.0, films=12),
        "border": scores(0.0, films=12, seed=1),
        "background": scores(0.0, films=12, seed=2),
    }
    found = judge_less(few, "test", None, DRAWING)
    assert found.verdict == "pass" and "cannot exclude more: an AUROC of up to 0." in found.told[-1]
    many = {
        "film": scores(4.0, films=900),
        "border": scores(0.0, films=900),
        "background": scores(0.0, films=900, seed=2),
    }
    assert "exclude" not in judge_less(many, "test", None, DRAWING).told[-1]


def test_films_without_lungs_are_judged_by_what_could_be_hidden_in_the_others():
    """The films in which no lungs were found stay whole, and so does what the network knows of them."""
    film, blind = scores(6.0, films=90), scores(0.0, films=90, seed=1)
    is_whole = np.arange(270) % 90 >= 60
    logit = np.where(is_whole[:, None], film.logit, blind.logit)
    mixed = Predictions.of(film.table, logit, CLASSES, "probe")
    whole = film.table["image_id"][is_whole].tolist()
    parts = {"film": film, "border": blind, "background": mixed}
    assert judge_less(parts, "test", None, DRAWING).verdict == "fail"
    found = judge_less(parts, "test", None, DRAWING, without_lungs=whole)
    assert found.verdict == "pass" and "In 90 of 270 films no lungs were found" in " ".join(found.told)
    nowhere = judge_less(parts, "test", None, DRAWING, without_lungs=film.table["image_id"].tolist())
    assert nowhere.verdict == "unknown" and [row["sees"] for row in nowhere.evidence["rows"]] == ["film", "border"]
    assert "the border alone was judged" in " ".join(nowhere.told)


def test_films_without_lungs_are_counted_where_parts_are_hidden():
    hidden = {"nothing": scores(4.0), "lungs": scores(0.0, seed=1), "background": scores(4.0, seed=2)}
    assert not any("no lungs" in told for told in judge_hidden(hidden, DRAWING).told)
    assert "In 20 of 200 films no lungs were found" in judge_hidden(hidden, DRAWING, without_lungs=20).told[-1]
    nothing = scores(4.0).where(np.zeros(180, np.bool_))
    empty = judge_hidden({"nothing": nothing}, DRAWING, without_lungs=180)
    assert empty.verdict == "unknown" and "In 180 of 180 films" in empty.told[0]


def left_out(own: float, there: float) -> Predictions:
    """Validation films of other sources, told by `own`, and the films of the source left out, told by `there`."""
    val, test = scores(own, split="val").table, scores(there, seed=1, split="test").table
    test = test.assign(
        image_id=[f"other-{name}" for name in test["image_id"]], group=[f"o{name}" for name in test["group"]]
    )
    import pandas as pd

    return Predictions(pd.concat([val, test], ignore_index=True), CLASSES)


def test_a_loss_on_a_source_never_seen_warns_and_fails_where_class_and_source_are_tied():
    scored = {"rome": left_out(4.0, 0.3), "oslo": left_out(4.0, 4.0)}
    free = judge_sources_left_out(scored, {}, {}, False, DRAWING)
    assert free.verdict == "warn" and "Without rome" in free.told[0]
    assert judge_sources_left_out(scored, {}, {}, True, DRAWING).verdict == "fail"
    sound = judge_sources_left_out({"oslo": left_out(4.0, 4.0)}, {}, {}, True, DRAWING)
    assert sound.verdict == "pass"
    some = {"rome": left_out(4.0, 1.7)}  # a loss that is clear and below what is warned of where nothing is tied
    free, tied = (judge_sources_left_out(some, {}, {}, is_tied, DRAWING) for is_tied in (False, True))
    assert free.number is not None and 0.05 < free.number.low < 0.20
    assert (free.verdict, tied.verdict) == ("pass", "warn")


def test_a_loss_on_few_films_is_told_and_not_judged():
    table = left_out(4.0, 0.0)
    few = table.where((table.table["split"] == "val") | (np.arange(len(table.table)) % 10 == 0))
    found = judge_sources_left_out({"rome": few}, {}, {}, True, DRAWING)
    assert found.verdict == "unknown" and "too few films are left to judge by: 18 of its own" in found.told[0]


def test_sources_that_cannot_be_left_out_are_unknown_with_the_reason():
    found = judge_sources_left_out({}, {}, {"rsna": "Normal comes from rsna alone"}, True, DRAWING)
    assert found.verdict == "unknown" and "Normal comes from rsna alone" in found.told[0] and found.advice


def test_a_source_that_was_left_out_and_cannot_be_judged_says_why():
    table = left_out(4.0, 0.0)
    is_test, is_normal = table.table["split"] == "test", table.table["label"] == "Normal"
    lacking = table.where((is_test & is_normal) | (~is_test & ~is_normal))
    alone = Predictions(table.table.assign(group=table.table["group"].where(~is_test, "one")), CLASSES)
    for scored, said in (
        (lacking, "Without rome, a small network was trained, and its loss cannot be judged: no validation film of the other"
         " sources is of Normal."),
        (alone, "its 180 films are of one group"),
    ):  # fmt: skip
        found = judge_sources_left_out({"rome": scored}, {}, {}, True, DRAWING)
        assert found.verdict == "unknown" and len(found.told) == 1 and said in found.told[0]
        assert "Name the source" not in found.advice and "more films" in found.advice
        both = judge_sources_left_out({"rome": scored, "oslo": left_out(4.0, 0.3)}, {}, {}, True, DRAWING)
        assert both.verdict == "fail" and "Without oslo" in both.told[0] and said in both.told[1]


def test_the_headline_says_what_is_left():
    def less(background: float, run: bool) -> Finding:
        parts = {"film": scores(4.0), "border": scores(0.0, seed=1), "background": scores(background, seed=2)}
        return judge_less(parts, "test", scores(6.0, seed=3) if run else None, DRAWING)

    of_run = less(4.0, True)
    assert headline([of_run]).startswith("Accuracy 1.00, of which small networks reach 0.9")
    assert "the run itself" not in headline([of_run])
    shown = {"nothing": scores(6.0), "lungs": scores(0.0, seed=1), "background": scores(4.0, seed=2)}
    told = headline([of_run, judge_hidden(shown, DRAWING)])
    assert " without the lungs (the run itself 0.3" in told and told.endswith(", the commonest class alone 0.33)")
    assert headline([less(4.0, False)]).startswith("A small network reaches 0.9")
    assert "; without the lungs 0.3" in headline([less(0.0, True)])
    parts = {"film": scores(4.0), "border": scores(0.0, seed=1), "background": scores(4.0, seed=2)}
    weak = judge_less(
        parts, "test", scores(0.0, seed=3), DRAWING
    )  # the run knows less than a small network without lungs
    assert "; a small network reaches 0.9" in headline([weak]) and "of which" not in headline([weak])
    assert headline([]) == "What stands without the lungs was not measured"


def test_the_verdict_is_the_gravest(tmp_path):
    def finding(check, verdict):
        return Finding(
            check, verdict, "a number", Interval(0.5, 0.4, float("nan")), "from 1", ("told",), "do", {"rows": []}
        )

    audit = Audit("run", "r", "line", (finding("less", "pass"), finding("stamps", "warn"), finding("leaks", "unknown")))
    assert audit.verdict == "warn" and audit.found("stamps").title == CHECKS["stamps"] and audit.found("file") is None
    assert Audit("run", "r", "", ()).verdict == "unknown"
    audit.write(tmp_path / "audit.json")
    again = Audit.open(tmp_path / "audit.json")
    assert again.to_dict() == audit.to_dict()
    values = json.loads((tmp_path / "audit.json").read_text())
    for damage in ({"findings": [{"check": "less"}]}, {"of": "cat"}, {"findings": 3}):
        (tmp_path / "audit.json").write_text(json.dumps({**values, **damage}))
        with pytest.raises(BadRun, match="damaged"):
            Audit.open(tmp_path / "audit.json")
    with pytest.raises(ValueError, match="no finding"):
        finding("colour", "pass")


@pytest.mark.parametrize(("positives", "negatives", "level"), [(10, 30, 0.95), (5, 40, 0.99), (25, 25, 0.9)])
def test_the_lower_end_of_a_perfect_area_is_where_it_becomes_too_rare(positives, negatives, level):
    from statistics import NormalDist

    low = separated_low(positives, negatives, level)
    apart = NormalDist().inv_cdf(low) * 2**0.5
    rng = np.random.default_rng(0)
    draws = 40_000
    lowest = rng.normal(apart, 1, (draws, positives)).min(1)
    highest = rng.normal(0, 1, (draws, negatives)).max(1)
    wanted = (1 - level) / 2
    assert (lowest > highest).mean() == pytest.approx(wanted, abs=5 * (wanted / draws) ** 0.5)


# Small networks -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_shown():
    """A short course, since phantoms are easy; and their twins, which take long on drawings, are looked for once in one set."""
    from plainfilm.learn import probe
    from plainfilm.prepare import survey

    found: dict[tuple[bytes, tuple[str, ...]], list[Twin]] = {}

    def find_once(thumbnails: np.ndarray, sha256: Sequence[str], progress: object) -> list[Twin]:
        key = thumbnails.tobytes(), tuple(sha256)
        if key not in found:
            found[key] = find_twins(thumbnails, sha256, progress)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "_FEWEST_SHOWN", 4000)
        patch.setattr(survey, "find_twins", find_once)
        yield


def prepared(folder: Path, options: PhantomOptions, films: int = 50, seed: int = 5) -> Manifest:
    phantoms = make_phantoms(folder / "phantoms", films, seed=seed, options=options)
    plan = SplitPlan(test=0.25, val=0.25)
    return prepare(phantoms, folder / "data", PrepareOptions(metadata=phantoms / "metadata.csv", plan=plan))


def test_a_small_network_learns_a_sign_and_repeats_itself():
    import torch

    from plainfilm.core.progress import Silence
    from plainfilm.learn.probe import probe

    rng = np.random.default_rng(0)
    films = rng.integers(60, 120, (160, 64, 64), dtype=np.uint8)
    label = np.arange(160) % 2
    films[label == 1, 4:8, 50:58] = 230
    learnt, scored = np.arange(100), np.arange(100, 160)

    def logits(seed: int) -> np.ndarray:
        with Silence().task("", 1) as task:
            return probe(films, label, learnt, scored, 2, device=torch.device("cpu"), seed=seed, task=task, shown=1200)

    first = logits(0)
    assert first.shape == (60, 2) and ((first.argmax(1) == label[scored]).mean()) > 0.9
    assert (first == logits(0)).all() and not (first == logits(1)).all()


def small_films(**columns: object) -> SmallFilms:
    """120 labelled films, blank, with lungs on the left; those without a split have no place."""
    films = rows([CLASSES[place % 3] for place in range(120)], **columns)
    lungs = np.zeros((120, 8, 8), np.bool_)
    lungs[:, :, :3] = True
    manifest = Manifest(films, CLASSES, Path())
    placed = films[films["split"] != ""].reset_index(drop=True)
    label = np.array([CLASSES.index(name) for name in placed["label"]], np.int64)
    pixels = np.zeros((len(placed), 8, 8), np.uint8)
    return SmallFilms(manifest, placed, pixels, lungs[: len(placed)], "the set's own masks", label, "split", "test")


@pytest.fixture
def courses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Networks that learn nothing; how many films each was to learn from."""
    from plainfilm.learn import probe

    trained: list[int] = []

    def learn_nothing(
        _pixels: object, _label: object, learnt: np.ndarray, judged: np.ndarray, classes: int, **_: object
    ):
        trained.append(len(learnt))
        return np.zeros((len(judged), classes), np.float32)

    monkeypatch.setattr(probe, "probe", learn_nothing)
    return trained


def test_answers_are_kept_until_the_masks_change(tmp_path, courses):
    from plainfilm.core.progress import Silence

    films = small_films(split=["train"] * 60 + ["val"] * 30 + ["test"] * 30)
    for mended, expected in ((films, 4), (films, 4), (replace(films, lungs=~films.lungs), 6)):
        retrained(mended, ("film", "border", "background", "lungs"), tmp_path, 0, Silence())
        assert len(courses) == expected  # of these, "background" and "lungs" alone show where the lungs are


def test_a_source_none_of_whose_films_has_a_place_is_refused_before_training(tmp_path, courses):
    from plainfilm.core.progress import Silence
    from plainfilm.prepare.left_out import leave_sources_out

    split = (["train"] * 24 + ["val"] * 6 + ["test"] * 6) * 2 + [""] * 48
    films = small_films(split=split, source=["rome"] * 36 + ["oslo"] * 36 + ["paris"] * 48)
    scored, refused = without_sources(films, leave_sources_out(films.manifest), 3, tmp_path, 0, Silence())
    assert set(scored) == {"rome", "oslo"} and len(courses) == 2
    assert refused == {"paris": "it has no readable film with a place in split"}


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, few_shown) -> Manifest:
    """Films of which COVID alone carries the word PORTABLE."""
    return prepared(tmp_path_factory.mktemp("marked"), PhantomOptions(shortcut="marker", films_per_patient=1.5))


def test_the_place_where_films_differ_is_shown_and_named():
    from plainfilm.audit_pictures import _difference

    rng = np.random.default_rng(0)
    films = rng.integers(90, 110, (80, 64, 64), dtype=np.uint8)
    is_of_class = np.arange(80) % 2 == 0
    alike = _difference(films, is_of_class, "COVID films", "the border alone")
    assert "no place stands out" in alike.caption
    films[is_of_class, 2:6, 54:62] = 200
    found = _difference(films, is_of_class, "COVID films", "the border alone")
    assert "clearest at the upper right, where they are brighter by 10" in found.caption
    assert found.picture[4, 58] > 240 and abs(int(found.picture[40, 10]) - 128) < 8


@pytest.mark.slow
def test_a_planted_marker_fails_and_work_is_not_done_twice(marked, tmp_path, few_shown, monkeypatch):
    from plainfilm.audit_jobs import audit_manifest

    manifest = marked
    first = audit_manifest(manifest, tmp_path / "audit", parts=("border", "background"))
    assert first.audit.verdict == "fail" and first.audit.found("less").verdict == "fail"
    assert first.audit.of == "manifest" and first.test_readings == 0
    assert first.audit.found("less").told[0].count("tells COVID") == 1
    assert first.page.read_text().count("<section") >= 9
    from plainfilm.learn import probe

    monkeypatch.setattr(probe, "probe", lambda *_, **__: pytest.fail("trained again"))
    second = audit_manifest(manifest, tmp_path / "audit", parts=("border", "background"))
    assert [one.to_dict() for one in second.audit.findings] == [one.to_dict() for one in first.audit.findings]
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        audit_manifest(manifest, tmp_path / "audit", parts=("border", "background"), seed=1)


@pytest.mark.slow
def test_clean_films_are_not_accused(tmp_path, few_shown):
    from plainfilm.audit_jobs import audit_manifest

    manifest = prepared(tmp_path, PhantomOptions(films_per_patient=1.5), seed=6)
    audit = audit_manifest(manifest, parts=("border", "background")).audit
    assert audit.verdict in ("pass", "warn") and audit.found("less").verdict == "pass"
    assert (Path(manifest.path).parent / "audit" / "audit.html").is_file()


@pytest.fixture(scope="module")
def audited(marked: Manifest, tmp_path_factory: pytest.TempPathFactory, few_shown):
    """The audit of a tiny run, evaluated before. Its films are 64 pixels wide, so that there is a heatmap."""
    from plainfilm.audit_jobs import audit_run
    from plainfilm.jobs import evaluate_run
    from plainfilm.learn import probe
    from plainfilm.learn.train import train

    run = train(marked, tmp_path_factory.mktemp("audited") / "run", replace(TINY, size=64))
    evaluate_run(run, marked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "_FEWEST_SHOWN", 800)  # what they find is not asked here
        return run, audit_run(run)


@pytest.mark.slow
def test_a_run_is_audited_by_every_check(audited):
    run, found = audited
    assert [finding.check for finding in found.audit.findings] == list(CHECKS)
    assert (
        found.test_readings == 2
        and json.loads((run / "test_readings.jsonl").read_text().splitlines()[1])["what"] == "audit"
    )
    assert run.audit().to_dict() == found.audit.to_dict()
    assert found.audit.made["weights_sha256"] == run.completion()["weights_sha256"]
    assert found.audit.headline in (run / "report.html").read_text()
    assert sorted(path.name for path in (run / "audit").iterdir())[:2] == ["background.csv", "blurred.csv"]
    for finding in found.audit.findings:
        assert finding.told and finding.threshold and finding.measure, finding.check


@pytest.mark.slow
def test_the_command_refuses_what_it_cannot_mean(audited):
    run, _ = audited

    wrong = command("audit", run.directory, "-o", "elsewhere")
    assert wrong.returncode == 1 and "go with a manifest" in wrong.stderr
    nothing = command("audit", run.directory / "audit.json")
    assert nothing.returncode == 1 and nothing.stderr.count("\n") == 1


def test_what_cannot_be_audited_is_refused_with_the_reason(manifest, finished_run, tmp_path):
    from plainfilm.audit_jobs import audit_manifest, audit_run

    with pytest.raises(BadManifest, match='no split column "fold"'):
        audit_manifest(manifest, tmp_path / "a", column="fold")
    few = Manifest(
        manifest.films.assign(split=["train"] * 10 + [""] * (len(manifest.films) - 10)),
        manifest.classes,
        manifest.root,
        manifest.info,
    )
    with pytest.raises(BadManifest, match="needs 20 or more"):
        audit_manifest(few.write(tmp_path / "few" / "manifest.csv"), tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.tex").write_text("mine")
    with pytest.raises(CannotWrite, match=r"thesis\.tex"):
        audit_manifest(manifest, tmp_path / "c")
    shutil.copytree(finished_run.directory, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "complete.json").unlink()
    with pytest.raises(BadRun, match="not finished"):
        audit_run(Run.open(tmp_path / "unfinished"))
