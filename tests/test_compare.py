"""plainfilm compare: the numbers against references, what is put together, what is refused, and what it writes."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from conftest import rows as manifest_rows
from plainfilm.core.bootstrap import bootstrap
from plainfilm.core.calibration import Calibration, Scaling
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import refuse_foreign
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import softmax
from plainfilm.core.paired import holm, sign_flip_test, welch_p
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import BadPredictions, BadRun, CannotWrite
from plainfilm.jobs import compare_runs
from plainfilm.judge.compare.compare import compare
from plainfilm.judge.compare.comparison import LOWER_IS_BETTER, MEASURES
from plainfilm.judge.compare.contestants import Contestant, open_contestants
from plainfilm.judge.compare.page import compare_page
from plainfilm.judge.compare.same_films import on_one_field
from plainfilm.judge.compare.words import comparison_text, leaderboard_csv, signed
from plainfilm.output import Measure
from warm import command

CLASSES = ("COVID", "Normal", "Viral Pneumonia")
CONFIG = TrainConfig(model="cnn-swish", weights="scratch", size=32)


def films(count=240, classes=CLASSES, group_size=2, seed=0):
    """Rows of a table of scores without scores; the films of a group have one label."""
    group = np.arange(count) // group_size
    label = np.random.default_rng(seed).choice(np.array(classes, object), count)[group]
    return pd.DataFrame(
        {
            "image_id": [f"film-{place:04}" for place in range(count)],
            "label": label,
            "split": "test",
            "group": [f"g{place}" for place in group],
            "status": "ok",
            "error": "",
        }
    )


def scored(rows, sure=2.0, seed=0, classes=CLASSES):
    """Scores of a network that is right more often than not."""
    logit = np.random.default_rng(seed).normal(size=(len(rows), len(classes)))
    known = rows["label"].isin(classes).to_numpy()
    logit[known] += sure * np.eye(len(classes))[[classes.index(name) for name in rows.loc[known, "label"]]]
    return Predictions.of(rows, np.where((rows["status"] == "ok").to_numpy()[:, None], logit, np.nan), classes, "net")


def contestant(name, rows=None, **options):
    return Contestant.of_table(scored(films() if rows is None else rows, **options), name)


def several(name, sures, seeds, rows=None):
    """A method with one training for each sureness."""
    tables = [contestant(name, rows, sure=sure, seed=seed) for sure, seed in zip(sures, seeds, strict=True)]
    sheets = tuple(table.sheets[0] for table in tables)
    return Contestant(name, "method", sheets, tuple(f"seed {seed}" for seed in seeds))


def run_on_disk(directory, predictions, config=CONFIG, label="COVID", is_complete=True):
    """A finished run with scores and nothing else. label: what makes another manifest, and so another fingerprint."""
    manifest = Manifest(manifest_rows([label, "Normal", "Viral Pneumonia"]), CLASSES, directory.parent)
    manifest = replace(manifest, path=directory.parent / "manifest.csv")
    run = Run.create(directory, config, manifest)
    if predictions is not None:
        predictions.write(run / "predictions.csv")
    if is_complete:
        run.mark_complete({})
    return run


def changed(rows, chosen, **columns):
    rows = rows.copy()
    for name, value in columns.items():
        rows.loc[chosen, name] = value
    return rows


# The numbers ----------------------------------------------------------------------------------------------------------


def test_the_leaderboard_is_scikit_learns_and_sorted():
    rows = films()
    tables = {name: scored(rows, sure, seed) for name, sure, seed in (("a", 1, 1), ("b", 3, 2), ("c", 2, 3))}
    comparison = compare(
        [Contestant.of_table(table, name) for name, table in tables.items()], with_ensembles=False, repeats=50
    )
    assert [row.name for row in comparison.rows] == ["b", "c", "a"]
    for row in comparison.rows:
        truth, probability = tables[row.name].label_index, softmax(tables[row.name].logit)
        answer = probability.argmax(axis=1)
        for name, expected in {
            "accuracy": reference.accuracy_score(truth, answer),
            "balanced_accuracy": reference.balanced_accuracy_score(truth, answer),
            "macro_auroc": reference.roc_auc_score(truth, probability, multi_class="ovr"),
            "macro_f1": reference.f1_score(truth, answer, average="macro"),
            "log_loss": reference.log_loss(truth, probability),
            "brier": ((probability - np.eye(3)[truth]) ** 2).sum(axis=1).mean(),
            "auroc/Normal": reference.roc_auc_score(truth == 1, probability[:, 1]),
        }.items():
            interval = row.measures[name]
            assert interval.value == pytest.approx(expected, abs=1e-9)
            assert interval.low < interval.value < interval.high


def test_a_row_has_the_interval_that_the_report_of_its_run_has():
    table = scored(films(), 2, 1)
    expected = bootstrap(softmax(table.logit), table.label_index, table.group, CLASSES, repeats=200, seed=0).measures
    comparison = compare([Contestant.of_table(table, "a"), contestant("b")], with_ensembles=False, repeats=200)
    (row,) = (row for row in comparison.rows if row.name == "a")
    assert len(row.measures) == len(MEASURES) + 3
    for name, interval in row.measures.items():
        known = expected[name]
        assert (interval.value, interval.low, interval.high) == pytest.approx(
            (known.value, known.low, known.high), abs=1e-12
        )


def test_the_interval_of_a_mean_over_trainings_knows_how_alike_they_are():
    """Copies have the interval of one; trainings that err apart have a narrower one, but never below that of their number."""
    rows = films()
    one = contestant("one", rows, seed=1)
    copies, apart = several("copies", (2, 2, 2), (1, 1, 1), rows), several("apart", (2, 2, 2), (1, 2, 3), rows)
    found = {row.name: row.measures for row in compare([one, copies, apart], with_ensembles=False, repeats=300).rows}
    for name in MEASURES:
        width = {title: measures[name].high - measures[name].low for title, measures in found.items()}
        assert width["copies"] == pytest.approx(width["one"], rel=1e-6)
        assert width["one"] / 3 < width["apart"] < 0.95 * width["one"]


@pytest.mark.parametrize("by", MEASURES)
def test_it_is_sorted_by_any_measure_the_best_first(by):
    rows = films()
    many = [contestant(f"n{seed}", rows, sure=1 + seed % 3, seed=seed) for seed in range(4)]
    comparison = compare(many, by=by, repeats=2)
    values = [row.measures[by].value for row in comparison.rows]
    assert values == sorted(values, reverse=by not in LOWER_IS_BETTER)
    assert tuple(Measure) == MEASURES


def test_the_tests_are_mcnemar_and_delong_where_films_stand_alone_and_holm_counts_all():
    rows = films(group_size=1)
    many = [contestant(name, rows, sure=sure, seed=sure) for name, sure in (("a", 1), ("b", 2), ("c", 3))]
    comparison = compare(many, with_ensembles=False, repeats=2)
    scores = {each.name: each.sheets[0].probability for each in many}
    truth = scored(rows).label_index
    p = []
    for pair in comparison.differences:
        ours, theirs = (scores[name].argmax(axis=1) == truth for name in (pair.first, pair.second))
        discordant = int((ours & ~theirs).sum()), int((ours != theirs).sum())
        assert pair.verdicts["accuracy"].p_films == pytest.approx(stats.binomtest(*discordant).pvalue, rel=1e-9)
        assert pair.verdicts["accuracy"].test == "exact McNemar test"
        assert pair.verdicts["macro_auroc"].test == "DeLong's test"
        assert not pair.is_of_methods and pair.verdicts["accuracy"].p_trainings is None
        p += [verdict.p for verdict in pair.verdicts.values()]
    corrected = [verdict.p_corrected for pair in comparison.differences for verdict in pair.verdicts.values()]
    assert corrected == pytest.approx(holm(p)) and comparison.tests == len(p) == 6
    assert [each <= 0.05 for each in corrected] == [
        verdict.is_supported for pair in comparison.differences for verdict in pair.verdicts.values()
    ]


def test_the_class_areas_have_delongs_p():
    rows = films(group_size=1)
    first, second = contestant("a", rows, sure=2, seed=1), contestant("b", rows, sure=1.5, seed=2)
    (pair,) = compare([first, second], with_ensembles=False, repeats=2).differences
    truth = scored(rows).label_index == 1
    areas, placements = [], []
    for each in (first, second):
        score = each.sheets[0].probability[:, 1]
        psi = (score[truth][:, None] > score[~truth][None]) + 0.5 * (score[truth][:, None] == score[~truth][None])
        areas.append(psi.mean())
        placements.append((psi.mean(axis=1), psi.mean(axis=0)))
    variance = sum(np.var(placements[0][k] - placements[1][k], ddof=1) / len(placements[0][k]) for k in (0, 1))
    expected = 2 * stats.norm.sf(abs(areas[0] - areas[1]) / math.sqrt(variance))
    assert pair.auroc_p["Normal"] == pytest.approx(expected, abs=1e-9)


def test_groups_make_the_tests_more_careful():
    """Every film three times: by groups nothing changes, by films all looks surer."""
    once = films(group_size=1)
    pairs = {}
    for title, grouped in (("once", None), ("thrice", True), ("fooled", False)):
        tables = []
        for sure, seed in ((2.0, 1), (1.6, 2)):
            table = scored(once, sure, seed).table
            if grouped is not None:
                copies = [table.assign(image_id=f"{k} " + table["image_id"]) for k in range(3)]
                table = pd.concat(copies, ignore_index=True)
                if not grouped:
                    table = table.assign(group=table["image_id"])
            tables.append(Contestant.of_table(Predictions(table, CLASSES), f"n{seed}"))
        (pairs[title],) = compare(tables, with_ensembles=False, repeats=200).differences
    for measure in ("accuracy", "macro_auroc"):
        once_p, thrice_p, fooled_p = (pairs[title].verdicts[measure].p for title in ("once", "thrice", "fooled"))
        assert thrice_p == pytest.approx(once_p, rel=0.02)
        assert fooled_p < thrice_p / 3
    interval, careless = pairs["thrice"].measures["accuracy"], pairs["fooled"].measures["accuracy"]
    assert interval.high - interval.low > 1.4 * (careless.high - careless.low)


def test_the_differences_come_from_the_same_replicates():
    rows = films()
    first, second = contestant("a", rows, sure=2, seed=1), contestant("b", rows, sure=2.2, seed=2)
    comparison = compare([first, second], with_ensembles=False, repeats=400)
    (pair,) = comparison.differences
    for measure in MEASURES:
        better, worse = (row.measures[measure] for row in comparison.rows)
        difference = pair.measures[measure]
        assert difference.value == pytest.approx(better.value - worse.value, abs=1e-12)
        assert difference.low < difference.value < difference.high
    copy = replace(first, name="copy")
    (same,) = compare([first, copy], with_ensembles=False, repeats=50).differences
    for interval in same.measures.values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)
    assert all(verdict.p == 1 and not verdict.is_supported for verdict in same.verdicts.values())
    assert all(p == 1 for p in same.auroc_p.values())


def test_trainings_are_averaged_and_the_spread_over_them_must_agree():
    rows = films()
    steady = several("steady", (2.5, 2.5, 2.5), (1, 2, 3), rows)
    lucky = several("lucky", (0.4, 2.0, 3.4), (4, 5, 6), rows)
    comparison = compare([steady, lucky], with_ensembles=False, repeats=20)
    (pair,) = comparison.differences
    by_name = {row.name: row for row in comparison.rows}
    truth = scored(rows).label_index
    values = {
        each.name: [float((sheet.probability.argmax(axis=1) == truth).mean()) for sheet in each.sheets]
        for each in (steady, lucky)
    }
    for name, row in by_name.items():
        spread = row.spread["accuracy"]
        assert row.measures["accuracy"].value == pytest.approx(np.mean(values[name]), abs=1e-12)
        assert (spread.sd, spread.low, spread.high) == pytest.approx(
            (np.std(values[name], ddof=1), min(values[name]), max(values[name]))
        )
    verdict = pair.verdicts["accuracy"]
    assert pair.is_of_methods
    assert verdict.p_trainings == pytest.approx(welch_p(values["steady"], values["lucky"]))
    hits = {
        each.name: sum((sheet.probability.argmax(axis=1) == truth).astype(int) for sheet in each.sheets)
        for each in (steady, lucky)
    }
    assert verdict.p_films == pytest.approx(sign_flip_test(hits["steady"] - hits["lucky"], np.arange(240) // 2).p)
    assert verdict.p_films < 0.01 < verdict.p_trainings == verdict.p and not verdict.is_supported


def test_methods_of_unequal_numbers_of_trainings_are_put_on_one_scale():
    rows = films()
    two, three = several("two", (2, 2), (1, 2), rows), several("three", (2, 2, 2), (1, 2, 1), rows)
    (pair,) = compare([two, three], with_ensembles=False, repeats=2).differences
    hits = [
        np.stack([sheet.probability.argmax(axis=1) for sheet in each.sheets]) == scored(rows).label_index
        for each in (two, three)
    ]
    expected = sign_flip_test(3 * hits[0].sum(axis=0) - 2 * hits[1].sum(axis=0), np.arange(240) // 2)
    assert pair.verdicts["accuracy"].p_films == pytest.approx(expected.p)
    assert pair.verdicts["accuracy"].test == "exact sign-flip test over groups"


def test_ensembles_are_means_of_probabilities_and_a_family_of_their_own():
    rows = films()
    method, single = several("m", (1.5, 1.5), (1, 2), rows), contestant("t", rows, seed=3)
    comparison = compare([method, single], repeats=2)
    assert {row.name for row in comparison.rows} == {"m", "t", "m, 2 together", "all 2 together"}
    truth = scored(rows).label_index
    mean = np.mean([sheet.probability for sheet in method.sheets], axis=0)
    both = (mean + single.sheets[0].probability) / 2
    for name, probability in (("m, 2 together", mean), ("all 2 together", both)):
        (row,) = (row for row in comparison.rows if row.name == name)
        assert row.kind == "ensemble"
        assert row.measures["log_loss"].value == pytest.approx(reference.log_loss(truth, probability), abs=1e-9)
    without = compare([method, single], with_ensembles=False, repeats=2)
    assert without.differences == comparison.differences and not without.ensemble_differences
    names = [{pair.first, pair.second} for pair in comparison.ensemble_differences]
    assert len(names) == 5 and {"m", "t"} not in names
    assert all({"m", "t"} & each for each in names if each != {"m, 2 together", "all 2 together"})
    alone = compare([method], repeats=2)
    assert [row.kind for row in alone.rows] and len(alone.rows) == 2 and not alone.differences
    assert "no pair to test" in comparison_text(alone)


# What does not matter -------------------------------------------------------------------------------------------------


def _numbers(comparison):
    of_rows = {row.name: {name: one.value for name, one in row.measures.items()} for row in comparison.rows}
    of_pairs = {
        (pair.first, pair.second, measure): (verdict.p, verdict.p_corrected, pair.measures[measure].low)
        for pair in comparison.differences
        for measure, verdict in pair.verdicts.items()
    }
    return of_rows, of_pairs


def _same(one, other):
    rows, pairs = _numbers(one)
    other_rows, other_pairs = _numbers(other)
    assert rows.keys() == other_rows.keys() and pairs.keys() == other_pairs.keys()
    for name in rows:
        assert rows[name] == pytest.approx(other_rows[name], abs=1e-12)
    for pair in pairs:
        assert pairs[pair] == pytest.approx(other_pairs[pair], abs=1e-9)


def test_neither_the_order_of_films_nor_of_classes_nor_of_rows_matters():
    rows = films()
    tables = [scored(rows, 1.5 + seed / 4, seed) for seed in range(3)]
    expected = compare([Contestant.of_table(table, f"n{place}") for place, table in enumerate(tables)], repeats=30)
    shuffled = [
        Predictions(t.table.sample(frac=1, random_state=k).reset_index(drop=True), CLASSES)
        for k, t in enumerate(tables)
    ]
    _same(expected, compare([Contestant.of_table(t, f"n{place}") for place, t in enumerate(shuffled)], repeats=30))
    for order in itertools.permutations(CLASSES):
        reordered = [Predictions(tables[0].table, order), *tables[1:]]
        _same(expected, compare([Contestant.of_table(t, f"n{place}") for place, t in enumerate(reordered)], repeats=30))
    for places in itertools.permutations(range(3)):
        _same(expected, compare([Contestant.of_table(tables[place], f"n{place}") for place in places], repeats=30))


def test_groups_and_labels_that_one_table_does_not_know_are_taken_from_the_other(tmp_path):
    rows = films()
    full, bare = scored(rows, 2, 1), scored(rows, 1.5, 2)
    expected = compare([Contestant.of_table(full, "a"), Contestant.of_table(bare, "b")], repeats=20)
    poor = Predictions(bare.table.assign(group="", label="", split=""), CLASSES)
    found = compare([Contestant.of_table(full, "a"), Contestant.of_table(poor, "b")], repeats=20)
    _same(expected, found)
    assert any("no group is known there" in note for note in found.notes)
    ungrouped = [
        Contestant.of_table(Predictions(t.table.assign(group=""), CLASSES), n) for n, t in (("a", full), ("b", bare))
    ]
    alone = compare(ungrouped, repeats=20)
    assert alone.groups == 240 and "240 of 240 films have no known group" in alone.notes[0]


def test_films_that_nobody_could_read_and_those_without_a_label_are_left_out_and_counted():
    rows = changed(changed(films(), slice(0, 2), status="error", error="cut off"), slice(10, 12), label="")
    found = compare([contestant("a", rows, seed=1), contestant("b", rows, seed=2)], repeats=2)
    assert found.films == 234
    assert [note.split(" of ")[0] for note in found.notes] == ["3", "3"]


# Small and odd tables -------------------------------------------------------------------------------------------------


def test_two_classes_one_class_and_one_group():
    binary = films(classes=CLASSES[:2])
    (pair,) = compare(
        [contestant("a", binary, classes=CLASSES[:2], seed=1), contestant("b", binary, classes=CLASSES[:2], seed=2)],
        with_ensembles=False, repeats=20,
    ).differences  # fmt: skip
    assert pair.auroc_p["COVID"] == pytest.approx(pair.verdicts["macro_auroc"].p, abs=1e-9)
    single = changed(films(), slice(None), label="Normal")
    comparison = compare([contestant("a", single, seed=1), contestant("b", single, seed=2)], repeats=20)
    assert list(comparison.differences[0].verdicts) == ["accuracy"] and comparison.tests == 1
    assert math.isnan(comparison.rows[0].measures["macro_auroc"].value)
    patient = changed(films(), slice(None), group="one")
    comparison = compare(
        [contestant("a", patient, sure=0, seed=1), contestant("b", patient, sure=4, seed=2)], repeats=20
    )
    assert all(verdict.p == 1 for verdict in comparison.differences[0].verdicts.values())
    for interval in (*comparison.rows[0].measures.values(), *comparison.differences[0].measures.values()):
        assert math.isnan(interval.low) and math.isnan(interval.high) and not math.isnan(interval.value)
    assert "(interval unknown)" in comparison_text(comparison)
    for one in (comparison, compare([contestant("a", single, seed=1), contestant("b", single, seed=2)], repeats=20)):
        made = {"command": "python", "made_at": "now", "versions": {}}
        assert "Verdict" in compare_page(one, [], made) and comparison_text(one)
        json.dumps(one.to_dict())


def test_a_faultless_network_and_one_film():
    rows = films()
    perfect, constant = scored(rows, 50, 1), scored(rows, 0, 2)
    constant = Predictions(constant.table.assign(**{f"logit_{name}": 0.0 for name in CLASSES}), CLASSES)
    comparison = compare([Contestant.of_table(perfect, "p"), Contestant.of_table(constant, "c")], repeats=20)
    pair = comparison.differences[0]
    assert all(verdict.is_supported for verdict in pair.verdicts.values()) and pair.better("macro_auroc") == "p"
    one = films(1)
    tiny = compare([contestant("a", one, seed=1), contestant("b", one, seed=2)], repeats=2)
    assert tiny.films == 1 and not any(v.is_supported for pair in tiny.differences for v in pair.verdicts.values())


# Restraint and power, in small; benchmarks/compare.py has it at length ------------------------------------------------


def _benchmark():
    path = Path(__file__).parent.parent / "benchmarks" / "compare.py"
    spec = importlib.util.spec_from_file_location("benchmark_compare", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_compare"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_equal_networks_are_rarely_called_different_and_a_true_gap_is_found():
    """Of 60 pairs of equal networks at most 5% may be called different; more than 8 would then have a chance of 0.4%."""
    benchmark = _benchmark()
    law = benchmark.Law(films=800)
    equal = benchmark.run(law, (law.sureness, law.sureness), 60)
    assert sum(not told.silent for told in equal) <= 8
    assert sum(not told.silent_by_film for told in equal) > sum(not told.silent for told in equal)
    assert 1.35 < np.mean([told.design for told in equal]) < 1.85
    apart = benchmark.run(benchmark.Law(), (law.sureness, benchmark.worse_sureness(law.sureness)), 12, by_film=False)
    assert sum(told.finds_accuracy for told in apart) >= 10


# Runs on disk ---------------------------------------------------------------------------------------------------------


def test_seeds_are_one_method_and_folds_are_pooled(tmp_path):
    rows = films()
    fold = np.arange(240) // 2 % 3
    for config_name, model, seeds in (("plain", "cnn-plain", (0, 1)), ("swish", "cnn-swish", (0, 1, 2))):
        for seed in seeds:
            for k in range(3):
                parts = ["test" if f == k else "val" if f == (k + 1) % 3 else "train" for f in fold]
                config = replace(CONFIG, model=model, seed=seed, split=f"split_f{k}")
                place = tmp_path / config_name / f"split_f{k}-seed{seed}"
                place.parent.mkdir(exist_ok=True)
                run_on_disk(place, scored(rows.assign(split=parts), 2, 10 * seed + k), config)
    for split in ("test", "val"):
        methods = open_contestants([tmp_path / "plain", tmp_path / "swish"], split)
        assert [(m.name, m.trainings) for m in methods] == [
            ("plain", ("seed 0", "seed 1")),
            ("swish", ("seed 0", "seed 1", "seed 2")),
        ]
        assert [len(sheet.films) for m in methods for sheet in m.sheets] == [240] * 5
    assert [m.name for m in open_contestants([tmp_path], "test")] == ["plain", "swish"]
    field, (plain, _) = on_one_field(open_contestants([tmp_path], "test"))
    assert len(field.image_id) == 240 and plain.shape == (2, 240, 3)
    expected = scored(rows, 2, 11)  # seed 1, fold 1
    np.testing.assert_allclose(plain[1][fold == 1], softmax(expected.logit)[fold == 1], atol=1e-6)
    comparison = compare(open_contestants([tmp_path], "test"), repeats=2)
    assert comparison.differences[0].is_of_methods


def test_a_run_on_one_split_and_runs_on_folds_are_not_one_method(tmp_path):
    rows = films()
    run_on_disk(tmp_path / "plain", scored(rows))
    for k in range(2):
        part = np.where(np.arange(240) // 2 % 2 == k, "test", "train")
        run_on_disk(
            tmp_path / "cv" / f"split_f{k}-seed0", scored(rows.assign(split=part)), replace(CONFIG, split=f"split_f{k}")
        )
    assert sorted(each.name for each in open_contestants([tmp_path], "test")) == ["cv", "plain"]


def test_repeats_count_like_seeds_and_a_missing_fold_is_named(tmp_path):
    rows = films()
    for repeat, k in itertools.product(range(2), range(3)):
        fold = np.random.default_rng(repeat).permutation(120)[np.arange(240) // 2] % 3
        config = replace(CONFIG, split=f"split_r{repeat}_f{k}")
        run_on_disk(
            tmp_path / f"{config.split}-seed0",
            scored(rows.assign(split=np.where(fold == k, "test", "train")), 2, k),
            config,
        )
    (method,) = open_contestants([tmp_path], "test")
    assert method.trainings == ("repeat 0, seed 0", "repeat 1, seed 0") and [len(s.films) for s in method.sheets] == [
        240,
        240,
    ]
    (tmp_path / "split_r1_f2-seed0").rename(tmp_path.parent / f"{tmp_path.name}-gone")
    with pytest.raises(BadPredictions, match=r"repeat 1, seed 0.*|different films"):
        compare(open_contestants([tmp_path], "test"), repeats=2)
    for repeat in range(2):
        place = tmp_path / "holdout" / f"split_r{repeat}-seed0"
        place.parent.mkdir(exist_ok=True)
        run_on_disk(place, scored(rows), replace(CONFIG, split=f"split_r{repeat}"))
    with pytest.raises(BadPredictions, match="one repeat at a time"):
        open_contestants([tmp_path / "holdout"], "test")


def test_other_settings_and_other_manifests_are_other_methods_and_names_are_short(tmp_path):
    rows = films()
    for folder, options in (
        ("x/r18", {}),
        ("x/r50", {"model": "cnn-plain"}),
        ("y/r18", {"epochs": 3}),
        ("z/a", {"dropout": 0.1, "seed": 0}),
        ("z/b", {"dropout": 0.1, "seed": 1}),
        ("z/c", {"dropout": 0.3, "seed": 0}),
        ("z/d", {"dropout": 0.3, "seed": 1}),
    ):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        run_on_disk(tmp_path / folder, scored(rows, 2, len(folder)), replace(CONFIG, **options))
    run_on_disk(tmp_path / "y" / "other", scored(rows), replace(CONFIG, epochs=3), label="Normal")
    names = [each.name for each in open_contestants([tmp_path / "x", tmp_path / "y", tmp_path / "z"], "test")]
    assert sorted(names) == sorted(["x/r18", "r50", "y/r18", "other", "z (dropout 0.1)", "z (dropout 0.3)"])
    scored(rows).write(tmp_path / "r50.csv")
    assert open_contestants([tmp_path / "x", tmp_path / "r50.csv"], "test")[-1].name == "r50.csv"


def test_one_training_that_is_there_twice_is_not_taken_for_two_seeds(tmp_path):
    rows = films()
    for name in ("first", "second"):
        run_on_disk(tmp_path / name, scored(rows, 2, 1))
    methods = open_contestants([tmp_path], "test")
    assert [each.name for each in methods] == ["first", "second"]
    assert compare(methods, repeats=2).differences[0].verdicts["accuracy"].p == 1


def test_probabilities_are_those_of_the_runs_calibration(tmp_path):
    rows = films()
    run = run_on_disk(tmp_path / "hot", scored(rows, 2, 1))
    run_on_disk(tmp_path / "cold", scored(rows, 2, 1), replace(CONFIG, epochs=3))
    replace(Calibration.none(CLASSES), scaling=Scaling("temperature", (0.5,) * 3, (0.0,) * 3)).write(
        run / "calibration.json"
    )
    contestants = open_contestants([tmp_path], "test")
    by_name = {each.name: each for each in contestants}
    logit = scored(rows, 2, 1).logit
    np.testing.assert_allclose(by_name["hot"].sheets[0].probability, softmax(logit / 2), atol=1e-6)
    np.testing.assert_allclose(by_name["cold"].sheets[0].probability, softmax(logit), atol=1e-6)
    assert by_name["hot"].is_scaled and not by_name["cold"].is_scaled


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.iloc[3:], r"different films: 3 only in a \(film-0000, film-0001, film-0002\); 237 in both"),
        (
            lambda rows: changed(rows, slice(4, 4), group="g0"),
            'gives 1 film another group than a: film-0004 is "g0" here',
        ),
        (
            lambda rows: changed(rows, slice(0, 1), label="Normal" if rows["label"].iloc[0] != "Normal" else "COVID"),
            "gives 2 films another label than a: film-0000",
        ),
        (lambda rows: changed(rows, slice(7, 7), status="error"), "b: has no score for films that a scored: film-0007"),
        (
            lambda rows: changed(rows, slice(7, 7), status="error", split=""),
            r"b: could not read films that a scored: film-0007 \(1 in all\)",
        ),
        (lambda rows: rows.assign(split="val"), r"b: has no scores of the test split, only of val \(240\)"),
    ],
)
def test_tables_that_are_not_of_the_same_films_are_refused(spoil, said):
    rows = films()
    with pytest.raises(BadPredictions, match=said):
        compare([contestant("a", rows, seed=1), contestant("b", spoil(rows), seed=2)], repeats=2)


def test_both_sides_of_different_films_are_named():
    rows = films()
    with pytest.raises(
        BadPredictions, match=r"2 only in a \(film-0238, film-0239\), 1 only in b \(film-0000\); 237 in both"
    ):
        compare([contestant("a", rows.iloc[1:]), contestant("b", rows.iloc[:238])], repeats=2)


def test_other_classes_are_refused_and_nothing_to_compare_is_said():
    rows = films()
    other = (*CLASSES[:2], "Lung_Opacity")
    table = contestant("b", rows[rows["label"].isin(other)], classes=other)
    with pytest.raises(
        BadPredictions, match="b: knows the classes COVID, Normal, Lung_Opacity; the others know COVID, Normal, Viral"
    ):
        compare([contestant("a", rows), table], repeats=2)
    with pytest.raises(BadPredictions, match="cannot compare a alone: name two or more"):
        compare([contestant("a", rows)], repeats=2)
    with pytest.raises(BadPredictions, match="differ in seed alone are one method: 2 here"):
        compare([several("m", (1, 2), (1, 2), rows)], with_ensembles=False, repeats=2)
    with pytest.raises(BadPredictions, match="cannot compare nothing"):
        compare([], repeats=2)
    unlabelled = rows.assign(label="")
    with pytest.raises(BadPredictions, match="no film has both a label and a score"):
        compare([contestant("a", unlabelled), contestant("b", unlabelled)], repeats=2)


def test_wrong_places_are_refused(tmp_path):
    rows = films()
    good = tmp_path / "good.csv"
    scored(rows).write(good)
    run = run_on_disk(tmp_path / "runs" / "done", scored(rows))
    run_on_disk(tmp_path / "open", scored(rows), is_complete=False)
    run_on_disk(tmp_path / "mute", None)
    run_on_disk(tmp_path / "untested", scored(rows.assign(split="val")))
    (tmp_path / "empty").mkdir()
    (tmp_path / "picture.csv").write_bytes(bytes(range(128, 256)) * 9)
    (tmp_path / "header.csv").write_text(good.read_text().splitlines()[0] + "\n")
    (tmp_path / "films.csv").write_text("image_id,label\na,COVID\n")
    models = scored(rows).table
    models["model"] = ["one"] * 120 + ["two"] * 120
    models.to_csv(tmp_path / "models.csv", index=False)
    holes = scored(rows).table.assign(logit_COVID=np.nan)
    holes.to_csv(tmp_path / "holes.csv", index=False)
    for place, error, said in (
        ("gone", BadPredictions, "gone: is missing: name runs"),
        ("empty", BadPredictions, "empty: holds no run"),
        ("open", BadRun, "open: is not finished"),
        ("mute", BadPredictions, 'mute: has no scores: "plainfilm evaluate'),
        (
            "untested",
            BadPredictions,
            r'untested: has no scores of the test split, only of val \(240\): "plainfilm evaluate"',
        ),
        ("picture.csv", BadPredictions, "picture.csv: cannot be read as a CSV"),
        ("header.csv", BadPredictions, "header.csv: "),
        ("films.csv", BadPredictions, "films.csv: has no column"),
        (
            "models.csv",
            BadPredictions,
            r"models.csv: holds the scores of 2 models \(one, two\): write a table for each",
        ),
        ("holes.csv", BadPredictions, "holes.csv: rows that are ok and have no finite logits"),
        ("good.csv", BadPredictions, "good.csv: is named twice"),
    ):
        with pytest.raises(error, match=said):
            compare(open_contestants([good, tmp_path / place], "test"), repeats=2)
    with pytest.raises(BadPredictions, match="done: is named twice"):
        open_contestants([run.directory, tmp_path / "runs"], "test")
    assert [each.name for each in open_contestants([tmp_path / "untested"], "val")] == ["untested"]


# The job and the command ----------------------------------------------------------------------------------------------


def _command(*arguments, code=0, cwd=None):
    done = command("compare", *arguments, cwd=cwd)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def test_the_command_writes_its_files_counts_the_reading_and_may_be_repeated(tmp_path):
    rows = films()
    for seed in range(2):
        run_on_disk(tmp_path / "m" / f"split-seed{seed}", scored(rows, 3, seed), replace(CONFIG, seed=seed))
    run = run_on_disk(tmp_path / "other", scored(rows, 1, 7), replace(CONFIG, epochs=3))
    scored(rows, 2, 9).write(tmp_path / "rival <b>.csv")
    for readings in (1, 2):
        done = _command(tmp_path / "m", run.directory, tmp_path / "rival <b>.csv", "-o", tmp_path / "out")
        assert run.test_readings == Run.open(tmp_path / "m" / "split-seed1").test_readings == readings
        assert f"counted in 3 runs: {readings} each" in done.stdout
    assert json.loads((run / "test_readings.jsonl").read_text().splitlines()[0])["what"] == "compare"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "compare.html",
        "compare.json",
        "leaderboard.csv",
    ]
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [row["name"] for row in found["rows"] if row["kind"] != "ensemble"] == ["m", "rival <b>.csv", "other"]
    assert len(found["differences"]) == 3 and len(found["ensemble_differences"]) == 7
    assert found["made"]["command"].startswith("plainfilm compare") and found["bootstrap"]["repeats"] == 2000
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert list(table["rank"]) == [1, 2, 3, 4, 5] and table["accuracy"].is_monotonic_decreasing
    best = table[table["name"] == "m"].iloc[0]
    assert best["accuracy_low"] < best["accuracy"] < best["accuracy_high"] and best["accuracy_sd_over_trainings"] > 0
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "rival &lt;b&gt;.csv" in page.replace("<wbr>", "") and "<b>" not in page
    for said in (
        "supported",
        "not a medical device",
        "These networks, not these methods",
        "Spread over trainings",
        "Holm",
    ):
        assert said.lower() in page.lower()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "supported: m is better" in done.stdout and "Test split: 240 films in 120 groups" in done.stdout
    validation = _command(tmp_path / "rival <b>.csv", run.directory, "--split", "val", "-o", tmp_path / "v", code=1)
    assert "val split" in validation.stderr and run.test_readings == 2 and not (tmp_path / "v").exists()


def test_a_refused_comparison_reads_nothing_and_writes_nothing(tmp_path):
    rows = films()
    run = run_on_disk(tmp_path / "run", scored(rows))
    scored(rows.iloc[5:]).write(tmp_path / "fewer.csv")
    said = _command(run.directory, tmp_path / "fewer.csv", "-o", tmp_path / "out", code=1).stderr
    assert "different films: 5 only in" in said and len(said.splitlines()) == 1
    assert run.test_readings == 0 and not (tmp_path / "out").exists()


def test_a_comparison_on_validation_is_no_reading_of_the_test_split(tmp_path):
    rows = films().assign(split="val")
    runs = [
        run_on_disk(tmp_path / name, scored(rows, 2, 1), replace(CONFIG, epochs=k)) for k, name in ((1, "a"), (2, "b"))
    ]
    compared = compare_runs([run.directory for run in runs], tmp_path / "out", split="val")
    assert [run.test_readings for run in runs] == [0, 0] and compared.test_readings == {}
    assert "How often the test split was read" not in compared.page.read_text()


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    rows = films()
    for name in ("a", "b"):
        scored(rows, seed=ord(name)).write(tmp_path / f"{name}.csv")
    places = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(CannotWrite, match=r"holds a.csv, b.csv, which is no comparison"):
        compare_runs(places, tmp_path)
    with pytest.raises(CannotWrite, match="is a file"):
        compare_runs(places, tmp_path / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_help_has_examples_and_wrong_options_are_usage_errors(tmp_path):
    said = " ".join(_command("--help").stdout.split())
    assert "Examples: plainfilm compare" in said and "supported or not" in said
    for wrong in ([], ["x", "--by", "luck"], ["x", "--split", "train"]):
        _command(*wrong, code=2)


def test_neither_torch_nor_matplotlib_nor_scipy_is_needed(tmp_path):
    rows = films()
    for name in ("a", "b"):
        scored(rows, seed=ord(name)).write(tmp_path / f"{name}.csv")
    code = (
        "import sys\nfor name in ('torch', 'matplotlib', 'scipy', 'sklearn'): sys.modules[name] = None\n"
        "from pathlib import Path\nfrom plainfilm.jobs import compare_runs\n"
        "found = compare_runs([Path('a.csv'), Path('b.csv')], Path('out'))\nassert found.page.is_file()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_differences_have_signs():
    from plainfilm.core.bootstrap import Interval

    assert signed(Interval(0.01234, -0.00004, 0.02)) == "+0.0123 (+0.0000 to +0.0200)"
    assert signed(Interval(math.nan, math.nan, math.nan)) == "unknown"
    assert signed(Interval(-0.1, math.nan, math.nan)) == "-0.1000 (interval unknown)"


def test_one_network_under_two_names_is_noticed_and_stands_before_the_ensemble_of_itself():
    found = compare([contestant("a"), contestant("copy"), contestant("b", seed=1)], repeats=20)
    assert [note for note in found.notes if "answer every film alike" in note] == [
        "a and copy answer every film alike: one network under two names?"
    ]
    alone = compare([contestant("a"), contestant("copy")], repeats=20)
    assert [row.kind for row in alone.rows] == ["table", "table", "ensemble"]


def test_the_name_of_a_table_never_runs_as_a_formula():
    lines = leaderboard_csv(compare([contestant("=1+1.csv"), contestant("b", seed=1)], repeats=20)).splitlines()
    assert [line.split(",")[1] for line in lines].count("'=1+1.csv") == 1 and not any(",=1+1" in line for line in lines)


def test_what_a_killed_process_and_a_file_manager_leave_does_not_block_a_folder(tmp_path):
    for name in (".compare.html.123-x.part", ".DS_Store", "compare.html"):
        (tmp_path / name).touch()
    refuse_foreign(tmp_path, ("compare.html",), "comparison")
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(CannotWrite, match=r"holds thesis\.docx, which is no comparison"):
        refuse_foreign(tmp_path, ("compare.html",), "comparison")
