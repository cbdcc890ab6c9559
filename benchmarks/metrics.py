"""How long intervals for all measures take, against a loop over scikit-learn.

    python benchmarks/metrics.py

One made-up test set of 21,000 films, 4 classes and about 18,000 groups. Ours is `bootstrap` with 2,000 replicates, from
arrays to intervals, a thread on each processor. The loop takes the same draws and gets the same measures from
scikit-learn with sample_weight, and calibration errors, which that lacks, from two counts of NumPy each; it is spared the
confusion intervals and the intervals themselves, and 20 replicates of it are timed and scaled to 2,000. First one replicate
of both is compared. Then they run in turn, and each turn gives a ratio.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn import metrics as sk

from plainfilm.core.bootstrap import bootstrap, curve_bands, draw_group_weights, index_groups
from plainfilm.core.metrics import CLASS_MEASURES, TABLE_MEASURES, RankedTable, measure, softmax
from plainfilm.core.ranking import Booleans, Floats, Integers

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
FILMS, REPEATS, LOOP_REPEATS, TURNS = 21_000, 2_000, 20, 5


def make_table(seed: int) -> tuple[Floats, Integers, Integers]:
    """Probabilities, labels and groups; the classes are as frequent as in the Radiography Database."""
    rng = np.random.default_rng(seed)
    label = rng.choice(4, size=FILMS, p=[0.171, 0.284, 0.482, 0.063])
    logit = rng.normal(size=(FILMS, 4)) + 3 * np.eye(4)[label]
    group = np.where(rng.random(FILMS) < 0.75, np.arange(FILMS), FILMS + rng.integers(0, 3000, FILMS))
    return softmax(logit), label, group


def measure_by_scikit_learn(probability: Floats, label: Integers, weight: Integers) -> Floats:
    """All measures in our order, in as few calls of scikit-learn as they need."""
    predicted = probability.argmax(axis=1)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        label, predicted, sample_weight=weight, zero_division=np.nan
    )
    confusion = sk.confusion_matrix(label, predicted, sample_weight=weight)
    others = confusion.sum() - confusion.sum(axis=1)
    of_class = {
        "precision": precision,
        "recall": recall,
        "specificity": 1 - (confusion.sum(axis=0) - confusion.diagonal()) / others,
        "f1": f1,
        "auroc": [sk.roc_auc_score(label == c, probability[:, c], sample_weight=weight) for c in range(4)],
        "average_precision": [
            sk.average_precision_score(label == c, probability[:, c], sample_weight=weight) for c in range(4)
        ],
        "support": support,
    }
    of_table = {
        "accuracy": sk.accuracy_score(label, predicted, sample_weight=weight),
        "balanced_accuracy": np.mean(recall),
        "log_loss": sk.log_loss(label, probability, sample_weight=weight),
        "brier": 4 * sk.mean_squared_error(np.eye(4)[label], probability, sample_weight=weight),
        "ece": calibration_error(probability.max(axis=1), predicted == label, weight),
        "classwise_ece": np.mean([calibration_error(probability[:, c], label == c, weight) for c in range(4)]),
    }
    of_table |= {f"macro_{name}": np.mean(value) for name, value in of_class.items()}
    of_table |= {f"weighted_{name}": np.average(value, weights=support) for name, value in of_class.items()}
    columns = [of_table[name] for name in TABLE_MEASURES]
    columns += [of_class[name][c] for c in range(4) for name in CLASS_MEASURES]
    return np.array(columns)


def calibration_error(probability: Floats, is_true: Booleans, weight: Integers) -> float:
    """As scikit-learn's calibration_curve goes about it, with weights, which that has not."""
    bins = np.linspace(0, 1, 16)
    place = np.minimum(np.searchsorted(bins, probability, side="right") - 1, 14)
    given, held = (np.bincount(place, column * weight, minlength=15) for column in (probability, is_true))
    return float(np.abs(given - held).sum() / weight.sum())


def check_calibration_error(tables: int = 200) -> None:
    """Ours against netcal's, where it is installed (pip install --no-deps netcal), on random tables, half with ties on edges."""
    if importlib.util.find_spec("netcal") is None:
        print("netcal is not installed: calibration errors are compared with the loop alone")
        return
    from netcal.metrics import ECE

    furthest = 0.0
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        label = np.append(np.arange(4), rng.integers(4, size=rng.integers(10, 500)))
        probability = softmax(rng.normal(size=(len(label), 4)) * rng.choice([1, 5]) + 2 * np.eye(4)[label])
        if seed % 2:
            counts = rng.multinomial(15, [0.25] * 4, size=len(label))
            probability = counts / 15
        ours = measure(probability, label, CLASSES)
        of_classes = [ECE(15).measure(probability[:, c], (label == c).astype(int)) for c in range(4)]
        furthest = max(furthest, abs(ours["ece"] - ECE(15).measure(probability, label)))
        furthest = max(furthest, abs(ours["classwise_ece"] - float(np.mean(of_classes))))
    print(f"{tables} tables: calibration errors furthest from netcal's {furthest:.1e}")
    if not furthest <= 1e-9:
        raise SystemExit("the two disagree")


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    probability, label, group = make_table(seed=0)
    group_index, groups = index_groups(group)
    print(f"{FILMS:,} films, 4 classes, {groups:,} groups, {REPEATS:,} replicates")

    once = draw_group_weights(groups, range(1), seed=0).take(group_index, axis=1)
    ours = RankedTable(probability, label, CLASSES).measures(once)[0]
    furthest = np.abs(ours - measure_by_scikit_learn(probability, label, once[0])).max()
    print(f"one replicate, {len(ours)} measures: furthest from scikit-learn {furthest:.1e}")
    if not furthest <= 1e-9:
        raise SystemExit("the two disagree; times would mean nothing")

    check_calibration_error()

    def loop() -> None:
        for replicate in range(LOOP_REPEATS):
            drawn = draw_group_weights(groups, range(replicate, replicate + 1), seed=0)
            measure_by_scikit_learn(probability, label, drawn[0, group_index])

    times = []
    print(f"turn   plainfilm   curve bands   scikit-learn (scaled from {LOOP_REPEATS} replicates)   ratio")
    for turn in range(1, TURNS + 1):
        mine = seconds(lambda: bootstrap(probability, label, group, CLASSES, repeats=REPEATS))
        bands = seconds(lambda: curve_bands(probability, label, group, CLASSES, repeats=REPEATS))
        theirs = seconds(loop) * REPEATS / LOOP_REPEATS
        times.append((mine, bands, theirs, theirs / mine))
        print(f"{turn:4}   {mine:7.2f} s   {bands:9.2f} s   {theirs:10.1f} s {'':33}   {theirs / mine:5.0f}")
    for i, name in enumerate(("plainfilm, s", "curve bands, s", "scikit-learn, s", "ratio")):
        column = [turn_times[i] for turn_times in times]
        print(f"{name:16} median {statistics.median(column):8.2f}   ({min(column):.2f} to {max(column):.2f})")


if __name__ == "__main__":
    main()
