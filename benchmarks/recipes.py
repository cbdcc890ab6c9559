"""The rows of docs/results/recipes.md, from the folders that `plainfilm reproduce` wrote: claimed, and measured in three ways.

    python benchmarks/recipes.py again/rahman-2021-gamma again/chowdhury-2020 ...

A training that failed stands with its reason; one that is not there yet with a dash.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from plainfilm.core.reproduction import WAYS, Reproduction, Trained
from plainfilm.core.words import one_line
from plainfilm.judge.reproduce.text import claims_by_measure, score_text
from plainfilm.judge.reproduce.words import MEASURES


def row(reproduction: Reproduction, network: str, measure: str, claimed: str) -> str:
    """A line of the table: a network's accuracy, or another measure that was claimed of it."""
    trained = {each.way: each for each in reproduction.rows if each.network == network}
    scores = " | ".join(_score(trained.get(way), measure) for way in WAYS)
    if measure != "accuracy":
        return f"| | its {MEASURES[measure]} | {claimed} | {scores} | | | | |"
    own = trained.get("own")
    leaks = f"{own.leaks}" if own else "–"
    films, seconds = (
        "/".join(f"{getattr(trained[way], name):.0f}" if way in trained else "–" for way in WAYS)
        for name in ("films_seen", "seconds")
    )
    name = reproduction.recipe.name
    return f"| `{name}` | {network} | {claimed} | {scores} | {_commonest(own)} | {leaks} | {films} | {seconds} |"


def _score(trained: Trained | None, measure: str) -> str:
    if trained is None:
        return "–"
    return f"failed: {one_line(trained.problem, 60)}" if trained.problem else score_text(trained, measure)


def _commonest(trained: Trained | None) -> str:
    """The share of the commonest class among the test films of the own split."""
    if trained is None or not trained.confusion:
        return "–"
    films = [sum(counts) for counts in trained.confusion]
    return f"{max(films) / sum(films):.3f}"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        reproduction = Reproduction.open(folder / "reproduce.json")
        for network in reproduction.recipe.networks:
            for measure, claimed in claims_by_measure(network.claimed).items():
                print(row(reproduction, network.name, measure, claimed))


if __name__ == "__main__":
    main()
