"""One class against another on films from elsewhere: ranks alone, so that neither thresholds nor how common a class is matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, bootstrap, interval_json
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Booleans, Floats
from plainfilm.judge.judged import Resampling


def pairwise(judged: Predictions, calibration: Calibration, drawing: Resampling) -> Iterator[dict[str, Any]]:
    """How well each two classes are told apart by p_a / (p_a + p_b), over all films and within each source that supplies both."""
    scaled = _scaled(judged, calibration)
    label, source, group = judged.label_index, judged.table["source"].to_numpy(object), judged.group
    films = judged.table["source"].value_counts()
    sources = [None, *sorted((name for name in films.index if name), key=lambda name: (-films[name], name))]
    for name in sources:
        is_here = np.ones(len(label), np.bool_) if name is None else source == name
        for a, b in combinations([c for c in range(len(judged.classes)) if (label[is_here] == c).any()], 2):
            chosen = is_here & np.isin(label, (a, b))
            odds, is_a = scaled[chosen, a] - scaled[chosen, b], label[chosen] == a  # rises with p_a / (p_a + p_b)
            yield {
                "source": name,
                "classes": [judged.classes[a], judged.classes[b]],
                "films": [int(is_a.sum()), int((~is_a).sum())],
                "auroc": interval_json(_auroc(odds, is_a, group[chosen], drawing)),
            }


def against_foreign(rows: Predictions, calibration: Calibration, drawing: Resampling) -> Iterator[dict[str, Any]]:
    """How well p_a tells the films of class a from those of each label that the run does not know.

    rows: readable films, as `relabelled` gives them; the collection's own other diseases are the fairest contrast that it has.
    """
    scaled, group = _scaled(rows, calibration), rows.group
    ours, theirs = rows.table["label"].to_numpy(object), rows.table["label_there"].to_numpy(object)
    foreign = rows.table["label_there"][(rows.table["label"] == "") & (rows.table["label_there"] != "")].value_counts()
    for place, name in enumerate(rows.classes):
        is_ours = ours == name
        others = np.logaddexp.reduce(np.delete(scaled, place, axis=1), axis=1)
        odds = scaled[:, place] - others  # rises with p_a
        for label in sorted(foreign.index, key=lambda label: (-foreign[label], label)) if is_ours.any() else ():
            chosen = is_ours | ((theirs == label) & (ours == ""))
            yield {
                "class": name,
                "label": label,
                "films": [int(is_ours.sum()), int(foreign[label])],
                "auroc": interval_json(_auroc(odds[chosen], is_ours[chosen], group[chosen], drawing)),
            }


def _scaled(rows: Predictions, calibration: Calibration) -> Floats:
    return np.asarray(rows.logit * np.array(calibration.scaling.weight) + np.array(calibration.scaling.bias))


def _auroc(odds: Floats, is_first: Booleans, group: NDArray[np.object_], drawing: Resampling) -> Interval:
    """How often a film of the first class has higher odds for it than one of the second. Only their order counts."""
    first = 1 / (1 + np.exp(-odds / max(1e-12, float(np.abs(odds).max()))))  # not so high that odds become equal
    table = np.stack([first, 1 - first], axis=1)
    label = (~is_first).astype(np.int64)
    return bootstrap(table, label, group, ("first", "second"), **asdict(drawing)).measures["auroc/first"]
