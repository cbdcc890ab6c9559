"""What is fitted after training: probabilities, thresholds, prediction sets, the limit of the familiar; against other libraries."""

from __future__ import annotations

import json
import math

import crepes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.distance import mahalanobis
from sklearn.linear_model import LogisticRegression

from plainfilm.core.bootstrap import Interval
from plainfilm.core.calibration import UNFAMILIAR, Calibration, Conformal, Familiarity, Scaling, Wishes, rooted
from plainfilm.core.metrics import softmax
from plainfilm.core.predictions import Predictions
from plainfilm.errors import BadConfig, BadRun
from plainfilm.judge.calibrate import (
    calibrate,
    fit_cloud,
    fit_conformal,
    fit_operating_points,
    fit_scaling,
    fit_temperature,
    fit_vector,
    limit_of,
)
from plainfilm.judge.judged import Resampling
from plainfilm.judge.trust import predictive_values, trust
from test_evaluate import scored

CLASSES = ("COVID", "Normal", "Viral Pneumonia")


def drawn(films=600, temperature=1.0, weight=(1.0, 1.0, 1.0), bias=(0.0, 0.0, 0.0), seed=0):
    """Logits whose labels are drawn from softmax(weight * logit / temperature + bias): the scaling that makes them true."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 2.5, (films, 3))
    probability = softmax(logit * np.array(weight) / temperature + np.array(bias))
    label = (rng.random((films, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    return logit, np.minimum(label, 2)


def loss_of(probability, label):
    return float(-np.log(probability[np.arange(len(label)), label]).mean())


# Probabilities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_one_of_least_loss(temperature):
    logit, label = drawn(4000, temperature)
    fitted = fit_temperature(logit, label)
    assert fitted.temperature == pytest.approx(temperature, rel=0.08)
    other = minimize(
        lambda x: loss_of(softmax(logit / np.exp(x[0])), label),
        [0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-14},
    )
    assert fitted.temperature == pytest.approx(math.exp(other.x[0]), rel=1e-6)
    # by scikit-learn: for two classes, a temperature is a logistic regression on the difference of the logits
    two, of_two = logit[label < 2][:, :2], label[label < 2]
    known = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit((two[:, 1] - two[:, 0])[:, None], of_two)
    assert 1 / fit_temperature(two, of_two).temperature == pytest.approx(known.coef_[0, 0], rel=1e-5)


def test_a_temperature_never_changes_the_answer_and_never_worsens_the_fit():
    logit, label = drawn(500, 2.0)
    fitted = fit_temperature(logit, label)
    assert (fitted.probability(logit).argmax(axis=1) == logit.argmax(axis=1)).all()
    assert loss_of(fitted.probability(logit), label) < loss_of(softmax(logit), label)


def test_vector_scaling_finds_weights_and_biases():
    logit, label = drawn(20_000, weight=(0.5, 1.5, 1.0), bias=(-1.0, 0.5, 0.5))
    fitted = fit_vector(logit, label)
    assert fitted.weight == pytest.approx((0.5, 1.5, 1.0), abs=0.08)
    assert fitted.bias == pytest.approx((-1.0, 0.5, 0.5), abs=0.08)
    assert sum(fitted.bias) == pytest.approx(0, abs=1e-9)
    free = minimize(
        lambda x: loss_of(softmax(logit * x[:3] + np.append(x[3:], -x[3:].sum())), label),
        [1, 1, 1, 0, 0],
        method="BFGS",
    )
    assert loss_of(fitted.probability(logit), label) == pytest.approx(free.fun, abs=2e-5)


def test_vector_scaling_is_taken_only_where_it_surely_helps():
    group = np.array([f"g{i}" for i in range(800)])
    kinds = []
    for seed in range(20):
        logit, label = drawn(800, 2.0, seed=seed)
        kinds.append(fit_scaling(logit, label, group, []).kind)
    assert kinds.count("vector") <= 3  # a test at 5%
    logit, label = drawn(800, bias=(-1.5, 1.0, 0.5), seed=1)
    assert fit_scaling(logit, label, group, []).kind == "vector"


def test_a_perfect_validation_is_not_made_surer():
    label = np.arange(60) % 3
    notes: list[str] = []
    fitted = fit_scaling(4.0 * np.eye(3)[label], label, [f"g{i}" for i in range(60)], notes)
    assert fitted == Scaling.none(3)
    assert "not rescaled" in notes[0]


# Prediction sets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [0.01, 0.05, 0.1, 0.37])
def test_prediction_sets_are_those_of_crepes(error):
    logit, label = drawn(400, seed=3)
    probability = softmax(logit)
    fitted = fit_conformal(probability[:200], label[:200], CLASSES, error, [])
    ours, p_value = fitted.prediction_set(probability[200:], error), fitted.p_value(probability[200:])
    for c in range(3):
        theirs = crepes.ConformalClassifier().fit(1 - probability[:200][label[:200] == c, c])
        alphas = 1 - probability[200:, [c]]
        np.testing.assert_allclose(p_value[:, c], theirs.predict_p(alphas, smoothing=False)[:, 0], atol=1e-12)
        np.testing.assert_array_equal(
            ours[:, c], theirs.predict_set(alphas, confidence=1 - error, smoothing=False)[:, 0]
        )


def test_each_class_is_covered_as_wanted_where_plain_sets_are_not():
    """A hard, rare class: sets for all classes alike would leave it out; a wrong network, so that nothing else saves them."""
    covered, plain = [], []
    for seed in range(60):
        rng, half = np.random.default_rng(seed), 450
        label = rng.choice(3, 900, p=[0.5, 0.06, 0.44])
        probability = softmax(rng.normal(0, 1, (900, 3)) + np.diag([3.0, 0.5, 3.0])[label])
        held = fit_conformal(probability[:half], label[:half], CLASSES, 0.1, []).prediction_set(probability[half:], 0.1)
        rows, rare = np.arange(half), label[half:] == 1
        covered.append([held[rows, label[half:]][label[half:] == c].mean() for c in range(3)])
        together = np.sort(probability[np.arange(half), label[:half]])[math.floor(0.1 * (half + 1)) - 1]
        plain.append((probability[half:][rare, 1] >= together).mean())
    assert np.mean(covered, axis=0) == pytest.approx([0.9, 0.9, 0.9], abs=0.03)
    assert np.mean(plain) < 0.8


def test_a_class_with_too_few_validation_films_is_in_every_set():
    notes: list[str] = []
    label = np.array([0] * 40 + [1] * 40 + [2] * 5)
    probability = softmax(3.0 * np.eye(3)[label] + np.random.default_rng(0).normal(0, 1, (85, 3)))
    fitted = fit_conformal(probability, label, CLASSES, 0.05, notes)
    assert fitted.prediction_set(probability, 0.05)[:, 2].all()
    assert "Viral Pneumonia" in notes[0] and "19" in notes[0] and "COVID" not in notes[0]
    nobody = Conformal(((), (0.5,), ()))
    assert nobody.prediction_set(np.array([[0.2, 0.1, 0.7]]), 0.6).tolist() == [[True, False, True]]


def test_as_many_validation_films_as_the_note_names_are_enough():
    for films, is_noted in ((18, True), (19, False)):
        notes: list[str] = []
        label = np.array([0] * films + [1] * 40 + [2] * 40)
        probability = softmax(9.0 * np.eye(3)[label])
        fitted = fit_conformal(probability, label, CLASSES, 0.05, notes)
        assert bool(notes) == is_noted
        assert fitted.prediction_set(np.array([[1e-9, 0.5, 0.5]]), 0.05)[0, 0] == is_noted


# Thresholds -----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.integers(12, 80))
def test_thresholds_reach_what_is_wanted_and_no_more_than_needed(seed, wanted, films):
    logit, label = drawn(films, seed=seed)
    probability = softmax(np.round(logit))  # ties
    wishes = Wishes({"": wanted}, {"": wanted})
    for point in fit_operating_points(probability, label, CLASSES, wishes, []):
        score, is_positive = probability[:, CLASSES.index(point.label)], label == CLASSES.index(point.label)

        def reached(threshold, aim=point.aim, score=score, is_positive=is_positive):
            is_called = score >= threshold
            return is_called[is_positive].mean() if aim == "sensitivity" else (~is_called[~is_positive]).mean()

        assert reached(point.threshold) == pytest.approx(point.reached)
        assert point.reached >= wanted - 1e-9
        better = (
            np.nextafter(score[score >= point.threshold].min(initial=2), 3)
            if point.aim == "sensitivity"
            else score[score < point.threshold].max(initial=-1)
        )
        assert reached(better) < wanted  # one step further misses it


def test_a_wish_for_one_class_stands_beside_that_for_all():
    logit, label = drawn()
    points = fit_operating_points(softmax(logit), label, CLASSES, Wishes({"": 0.9, "COVID": 0.99}, {}), [])
    assert {point.label: point.wanted for point in points} == {"COVID": 0.99, "Normal": 0.9, "Viral Pneumonia": 0.9}


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (Wishes(prevalence={"Covid": 0.02}), "--prevalence Covid=0.02: expected a class of the run"),
        (Wishes(prevalence={"": 0.02}), "such as COVID=0.02"),
        (Wishes(prevalence={"COVID": 2.0}), "above 0 and below 1"),
        (Wishes(prevalence={"COVID": float("nan")}), "above 0"),
        (Wishes(sensitivity={"COVID": 95.0}), "--sensitivity COVID=95"),
        (Wishes(specificity={"": 0.0}), "--specificity 0"),
        (Wishes(prevalence={"COVID": 0.6, "Normal": 0.9}), "add up to more than 1"),
        (Wishes(error=0.0), "--error 0"),
        (Wishes(error=5.0), "--error 5"),
    ],
)
def test_wishes_that_cannot_be_meant_are_refused(wishes, said):
    with pytest.raises(BadConfig, match=said):
        wishes.check(CLASSES)


def test_predictive_values_are_bayes():
    sensitivity, specificity = Interval(0.9, 0.8, 0.95), Interval(0.8, 0.7, 0.85)
    ppv, npv = predictive_values(sensitivity, specificity, 0.02)
    assert ppv.value == pytest.approx(0.9 * 0.02 / (0.9 * 0.02 + 0.2 * 0.98))
    assert npv.value == pytest.approx(0.8 * 0.98 / (0.8 * 0.98 + 0.1 * 0.02))
    assert 0 < ppv.low < ppv.value < ppv.high < 0.2
    no_alarm = predictive_values(sensitivity, Interval(1.0, 0.97, 1.0), 0.02)[0]
    assert no_alarm.value == no_alarm.high == 1
    assert no_alarm.low == pytest.approx(0.8 * 0.02 / (0.8 * 0.02 + 0.03 * 0.98))  # what could have been called falsely
    nothing_found = predictive_values(Interval(0.0, 0.0, 0.1), specificity, 0.5)[0]
    assert nothing_found.value == nothing_found.low == 0 and 0 < nothing_found.high < 1


def test_intervals_of_predictive_values_hold_the_truth():
    rng, truth, inside = np.random.default_rng(5), 0.85 * 0.05 / (0.85 * 0.05 + 0.04 * 0.95), 0
    from plainfilm.judge.trust import shares

    for _ in range(200):
        is_positive = np.arange(400) < 120
        is_called = rng.random(400) < np.where(is_positive, 0.85, 0.04)
        part = np.stack([is_positive & is_called, ~is_positive & ~is_called], axis=1)
        both = shares(
            part, np.stack([is_positive, ~is_positive], axis=1), np.arange(400).astype(object), Resampling(300)
        )
        ppv = predictive_values(both[0], both[1], 0.05)[0]
        inside += ppv.low <= truth <= ppv.high
    assert inside >= 180


# The limit of the familiar --------------------------------------------------------------------------------------------


def cloud(films=900, width=12, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, films)
    mixing = rng.normal(0, 1, (width, width)) / 3
    root = 3 + label[:, None] * rng.normal(0, 1, (3, width))[label] * 0.3 + rng.normal(0, 1, (films, width)) @ mixing
    return (np.sign(root) * root**2).astype(np.float32), label


def test_the_distance_is_that_of_mahalanobis():
    embedding, label = cloud()
    fitted = fit_cloud(embedding, label)
    root = rooted(embedding)
    means = [root[label == c].mean(axis=0) for c in range(3)]
    inside = root - np.stack(means)[label]
    inverse = np.linalg.inv(inside.T @ inside / (len(root) - 3))
    known = [min(mahalanobis(row, mean, inverse) for mean in means) / math.sqrt(12) for row in root[:50]]
    # eleven of twelve directions one by one, and the twelfth is the rest: the same thing
    np.testing.assert_allclose(fitted.distance(embedding[:50]), known, rtol=1e-4)


def test_the_far_is_far_and_nan_is_neither():
    embedding, label = cloud()
    fitted = fit_cloud(embedding[:600], label[:600])
    limit, is_extrapolated = limit_of(fitted.distance(embedding[600:]), 0.01)
    assert not is_extrapolated
    fitted = Familiarity(fitted.mean, fitted.direction, fitted.variance, fitted.rest, limit)
    calibration = Calibration(CLASSES, Scaling.none(3), familiarity=fitted, gate=("blank",))
    strange = np.vstack([embedding[:1], embedding[:1] * 30, np.full((1, 12), np.nan), embedding[:1]])
    assert calibration.reasons_to_turn_away(["", "", "", "blank"], strange) == ["", UNFAMILIAR, "", "blank"]
    assert calibration.reasons_to_turn_away(["upside down"], embedding[:1]) == [
        ""
    ]  # a reason that this set does not allow


@pytest.mark.parametrize("films", [3, 20, 99, 1000])
def test_new_films_exceed_the_limit_as_rarely_as_said(films):
    rng = np.random.default_rng(films)
    exceeded = []
    for _ in range(3000):
        limit, _ = limit_of(np.exp(rng.normal(0, 0.3, films)), 0.01)
        exceeded.append((np.exp(rng.normal(0, 0.3, 200)) > limit).mean())
    assert 0.003 < np.mean(exceeded) < 0.012


# The whole ------------------------------------------------------------------------------------------------------------


def table_with_embedding(films, seed):
    predictions = scored(films, CLASSES, seed=seed)
    embedding = np.abs(
        np.random.default_rng(seed).normal(1, 0.3, (films, 16)) + predictions.label_index[:, None]
    ).astype(np.float32)
    return Predictions(predictions.table, predictions.classes, embedding)


def test_calibration_survives_its_file(tmp_path):
    fitted = calibrate(table_with_embedding(400, 0), table_with_embedding(300, 1), Wishes(error=0.1), [""] * 300)
    fitted.write(tmp_path / "calibration.json")
    again = Calibration.open(tmp_path / "calibration.json")
    films = table_with_embedding(50, 2)
    np.testing.assert_array_equal(fitted.probability(films.logit), again.probability(films.logit))
    np.testing.assert_array_equal(fitted.prediction_set(films.logit), again.prediction_set(films.logit))
    np.testing.assert_array_equal(
        fitted.familiarity.distance(films.embedding), again.familiarity.distance(films.embedding)
    )
    assert again.operating_points == fitted.operating_points and again.gate == fitted.gate


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("scaling"),
        lambda values: values["scaling"].update(weight=[1.0]),
        lambda values: values["scaling"].update(kind="magic"),
        lambda values: values.update(familiarity={"mean": 3}),
        lambda values: values.update(format_version=99),
        lambda values: values.update(operating_points=[{"label": "COVID"}]),
        lambda values: values["conformal"].update(probability=[[0.5]]),
        lambda values: values["scaling"].update(weight=[1.0, -1.0, 1.0]),
        lambda values: values["scaling"].update(bias=[float("nan")] * 3),
        lambda values: values.update(error=7),
        lambda values: values["familiarity"].update(rest=0),
        lambda values: values["familiarity"].update(limit=float("nan")),
        lambda values: values["familiarity"].update(variance=values["familiarity"]["mean"]),
        lambda values: values.update(gate="a string"),
        lambda values: values["operating_points"][0].update(label="measles"),
        lambda values: values.pop("conformal"),
    ],
)
def test_a_damaged_calibration_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "calibration.json"
    calibrate(table_with_embedding(400, 0), table_with_embedding(300, 1), Wishes(), []).write(path)
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(BadRun, match=r"calibration\.json"):
        Calibration.open(path)


def test_an_uninformative_network_is_flattened_and_a_perfect_one_left_alone():
    logit, label = drawn(900)
    rng = np.random.default_rng(0)
    for scale in (1.0, 1e6):
        notes: list[str] = []
        fitted = fit_scaling(logit * scale, rng.permutation(label), [f"g{i}" for i in range(900)], notes)
        assert np.abs(fitted.probability(logit * scale) - np.bincount(label) / 900).max() < 0.2
        assert loss_of(fitted.probability(logit * scale), label) < 1.2
    assert fit_temperature(logit * 1e6, label).temperature == pytest.approx(
        1e6 * fit_temperature(logit, label).temperature
    )


def test_few_groups_tell_no_temperature():
    logit, label = drawn(90)
    notes: list[str] = []
    assert fit_scaling(logit, label, [f"g{i % 9}" for i in range(90)], notes).kind == "none"
    assert "9 validation groups" in notes[0]


def test_a_threshold_lies_between_scores_so_that_rounding_carries_none_across():
    logit, label = drawn(300)
    probability = softmax(logit)
    written = np.round(probability, 6)
    for point in fit_operating_points(probability, label, CLASSES, Wishes(), []):
        c = CLASSES.index(point.label)
        chosen = label == c if point.aim == "sensitivity" else label != c
        again = (written[chosen, c] >= point.threshold) == (point.aim == "sensitivity")
        assert again.mean() == pytest.approx(point.reached, abs=1e-12)


def test_a_class_of_unknown_prediction_makes_no_page_fail():
    from plainfilm.core.page import Html
    from plainfilm.judge.trust_page import trust_sections

    predictions = scored(60)
    fitted = calibrate(scored(60), predictions, Wishes({"": 1.0}, {"": 1.0}))
    never = predictions.where(predictions.table["label"] != "COVID")
    never = Predictions(never.table.assign(logit_COVID=-1e9), CLASSES)
    found = trust(never, fitted, {"COVID": 0.02, "Normal": 0.3}, Resampling(20))
    colours = dict.fromkeys(CLASSES, "#000000")
    page = "".join(
        part.content for part in trust_sections(found, fitted, "test films", colours, lambda name, caption: Html())
    )
    assert "unknown" in page


def test_a_page_of_the_films_that_were_fitted_on_says_so():
    from plainfilm.core.page import Html
    from plainfilm.judge.trust_page import trust_sections

    fitted = calibrate(scored(60), scored(60), Wishes())
    found, colours = trust(scored(60), fitted, {}, Resampling(20)), dict.fromkeys(CLASSES, "#000000")
    for is_fitted_on in (True, False):
        parts = trust_sections(found, fitted, "films", colours, lambda *_: Html(), is_fitted_on=is_fitted_on)
        for part in parts:
            is_expected = is_fitted_on and (part.title != "Calibration" or fitted.scaling.kind != "none")
            assert ("fitted on these very films" in part.content) == is_expected


def test_a_reason_that_half_of_the_films_give_is_switched_off():
    validation = table_with_embedding(300, 1)
    said = ["on its side" if i % 2 else "" for i in range(300)]
    said[0] = "blank"
    fitted = calibrate(table_with_embedding(400, 0), validation, Wishes(), said)
    assert "on its side" not in fitted.gate and "blank" in fitted.gate
    assert any("on its side" in note and "150 of 300" in note for note in fitted.notes)


def test_nothing_to_fit_on():
    nothing = scored(30).where(np.zeros(30, bool))
    fitted = calibrate(scored(30), nothing, Wishes())
    assert fitted.scaling.kind == "none" and fitted.conformal is None and "no validation film" in fitted.notes[0]
    assert fitted.prediction_set(scored(30).logit).all()
    metrics = trust(scored(30), fitted, {}, Resampling(20))
    assert (
        metrics["operating_points"] == [] and "prediction_sets" not in metrics and metrics["turned_away"]["films"] == 0
    )


def test_what_trust_says_is_what_was_counted():
    train, validation, test = (table_with_embedding(400, seed) for seed in range(3))
    fitted = calibrate(train, validation, Wishes(error=0.1), [""] * 400)
    test = test.with_reasons(["blank"] * 4 + [""] * 396)
    found = trust(test, fitted, {"COVID": 0.02}, Resampling(200))
    probability, label = fitted.probability(test.logit), test.label_index
    held = fitted.prediction_set(test.logit)
    assert found["prediction_sets"]["coverage"]["value"] == pytest.approx(held[np.arange(400), label].mean())
    assert found["prediction_sets"]["size"]["value"] == pytest.approx(held.sum(axis=1).mean())
    assert found["turned_away"]["films"] == 4 and found["turned_away"]["reasons"] == {"blank": 4}
    point = next(one for one in found["operating_points"] if one["label"] == "COVID" and one["aim"] == "specificity")
    is_called = probability[:, 0] >= point["threshold"]
    assert point["specificity"]["value"] == pytest.approx((~is_called)[label != 0].mean())
    assert point["ppv"]["value"] == pytest.approx((label == 0)[is_called].mean())
    assert [at["prevalence"] for at in point["at_prevalence"]] == [0.02]
    assert not any(one["at_prevalence"] for one in found["operating_points"] if one["label"] != "COVID")
    order = np.argsort(-(probability.max(axis=1) - (np.arange(400) < 4)), kind="stable")
    wrong = (probability.argmax(axis=1) != label)[order]
    assert found["selective"]["value"][-1] == pytest.approx(wrong.mean())
    assert found["selective"]["value"][24] == pytest.approx(wrong[:200].mean())
    assert found["selective"]["area"]["value"] == pytest.approx((wrong.cumsum() / np.arange(1, 401)).mean())
    assert found["calibration"]["after"]["log_loss"]["value"] == pytest.approx(loss_of(probability, label))
