"""Which settings of the model inside hold on sources that they never saw, before it is trained anew.

    python benchmarks/choice.py data/radiography -o runs/choice "as it is:" "style: augment_style=0.5" ...

Each candidate is a name and what it changes in the first training of recipes/default.toml. It trains at 128 pixels for four
epochs on all sources but those of _HELD; then COVID against Lung_Opacity of the sources left out is asked by AUROC, of the
probability of COVID: the films as they are; all in the look (grey levels and sharpness) of films of one of these sources,
Cohen's; and COVID in the look of NIH's films, Lung_Opacity in that of Cohen's. The more a candidate falls from the first to
the last, the more it goes by the look. The manifest's test films are taken out first, and the outside collection is not read.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plainfilm.core.bootstrap import format_interval, percentile_intervals
from plainfilm.core.config import TrainConfig, stages_from_toml
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import softmax
from plainfilm.core.progress import Silence
from plainfilm.core.ranking import Floats, RankedScore
from plainfilm.core.run import Run
from plainfilm.learn.films import cache_films
from plainfilm.learn.infer import cacheable, network_input, resized
from plainfilm.learn.model import load_network
from plainfilm.learn.style import in_other_look
from plainfilm.learn.train import train

_HELD = {("COVID", "cohen"), ("COVID", "cxnet"), ("COVID", "hannover"), ("Lung_Opacity", "nih-pneumonia")}
_LOOKS = {
    "all in Cohen's look": ("cohen", "cohen"),
    "looks exchanged": ("nih-pneumonia", "cohen"),
}  # of COVID, of the other
_SMALL = {"size": 128, "progressive": "none", "epochs": 4, "averaging": 0.98}
_RECIPE = Path(__file__).parent.parent / "src" / "plainfilm" / "recipes" / "default.toml"
_REPEATS = 1000


def without_sources(manifest: Manifest, place: Path) -> Manifest:
    """Training and validation films of all sources but those held out, which become its test films with some of the others.

    A fifth of the validation films of the other classes joins them, since a split wants every class. Who shares a group with a
    film held out is left out.
    """
    films = manifest.without_test("split").films
    is_held = np.array([(row.label, row.source) in _HELD for row in films.itertuples()])
    others = ~films["label"].isin({label for label, _ in _HELD}).to_numpy() & (films["split"] == "val").to_numpy()
    others &= np.random.default_rng(0).random(len(films)) < 0.2
    films = films.assign(split=np.where(is_held | others, "test", films["split"]))
    touched = set(films.loc[films["split"] == "test", "group"])
    films = films[(films["split"] == "test") | ~films["group"].isin(touched)].reset_index(drop=True)
    return replace(manifest, films=films, info={}).write(place / "manifest.csv")


def changed(base: TrainConfig, text: str) -> TrainConfig:
    """`a=1 b=x,y` on top of the settings."""
    changes: dict[str, Any] = {}
    for pair in text.split():
        name, _, value = pair.partition("=")
        kind = type(getattr(base, name))
        changes[name] = value if kind in (str, tuple) else kind(value)
    return base.with_changes(changes)


def judge(run: Run, manifest: Manifest) -> dict[str, str]:
    """COVID against Lung_Opacity of the sources held out: AUROC with its interval over groups, by the look that films are given."""
    cache = cache_films(manifest, cacheable(manifest, "split"), run.preprocess, torch.device("cpu"), Silence())
    rows = cache.rows
    places = np.flatnonzero(
        np.array([held in _HELD for held in zip(rows["label"], rows["source"], strict=True)])
        & (rows["split"] == "test")
    )
    films = resized(cache.batch(places).float() / 255, run.preprocess.size)
    rows = rows.iloc[places]
    is_covid, source = (rows["label"] == "COVID").to_numpy(), rows["source"].to_numpy(str)
    network = load_network(run).eval()
    covid = run.classes.index("COVID")

    @torch.inference_mode()
    def score(some: torch.Tensor) -> Floats:
        batches = [
            network(network_input(some[start : start + 64], run.preprocess)) for start in range(0, len(some), 64)
        ]
        return softmax(torch.cat(batches).double().numpy())[:, covid]

    found = {"as they are": _auroc(score(films), is_covid, rows["group"].tolist())}
    rng = np.random.default_rng(0)
    for name, (of_covid, of_other) in _LOOKS.items():
        looks = (np.flatnonzero(source == one) for one in (of_covid, of_other))
        drawn = [rng.choice(some, len(films)) for some in looks]
        order = torch.from_numpy(np.where(is_covid, *drawn))
        found[name] = _auroc(
            score(in_other_look(films, order, torch.ones(len(films)))), is_covid, rows["group"].tolist()
        )
    return found


def _auroc(score: Floats, is_positive: NDArray[np.bool_], group: list[str]) -> str:
    ranked = RankedScore(score, is_positive)
    (found,) = percentile_intervals(
        lambda weight: ranked.climb(weight).auroc()[:, None], group, repeats=_REPEATS, seed=0
    )
    return format_interval(found)


def main() -> None:
    """Train what is not trained yet, and print a row a candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("candidates", nargs="+", metavar="NAME: SETTING=VALUE ...")
    parser.add_argument("-o", "--output", type=Path, required=True)
    typed = parser.parse_args()
    manifest = without_sources(Manifest.open(typed.manifest), typed.output / "data")
    base = TrainConfig().with_changes(stages_from_toml(_RECIPE)[0]).with_changes(_SMALL)
    print("| candidate | validation accuracy, macro AUROC | as they are | " + " | ".join(_LOOKS) + " | minutes |")
    print("|" + "---|" * (len(_LOOKS) + 4))
    for candidate in typed.candidates:
        name, _, changes = candidate.partition(":")
        begun = time.monotonic()
        run = train(manifest, typed.output / name, changed(base, changes), resume=True)
        best = run.completion()["best"]  # of the epoch whose weights are judged
        scores = f"{best['val_accuracy']:.3f}, {best['val_macro_auroc']:.3f}"
        found = judge(run, manifest)
        minutes = (time.monotonic() - begun) / 60
        print(f"| {name} | {scores} | {' | '.join(found.values())} | {minutes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
