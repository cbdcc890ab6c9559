"""A comparison in words: what the terminal prints, what leaderboard.csv holds, and the phrases that the page shares with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.cells import csv_line, harmless
from plainfilm.judge.compare.comparison import ERROR, LOWER_IS_BETTER, MEASURES, Comparison, Difference

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "macro AUROC",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "brier": "Brier score",
}
KIND_WORDS = {"method": "plainfilm run", "table": "table of scores", "ensemble": "ensemble"}
SPLIT_WORDS = {"test": "test", "val": "validation"}
_SHOWN = ("accuracy", "macro_auroc", "log_loss")
_PAIRS_PRINTED = 12


def signed(interval: Interval, digits: int = 4) -> str:
    """`+0.0124 (-0.0031 to +0.0270)`, of a difference."""
    if math.isnan(interval.value):
        return "unknown"
    ends = [f"{round(end, digits) + 0.0:+.{digits}f}" for end in (interval.value, interval.low, interval.high)]
    return f"{ends[0]} (interval unknown)" if math.isnan(interval.low) else f"{ends[0]} ({ends[1]} to {ends[2]})"


def p_words(p: float | None) -> str:
    """`0.034`, `<0.0001`; a dash where nothing was tested."""
    return "–" if p is None else "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.001 else f"{p:.3f}"


def verdict_words(difference: Difference, measure: str) -> str:
    """`supported: r50 is better`, or `not supported`."""
    verdict = difference.verdicts.get(measure)
    if verdict is None:
        return "not known"
    return f"supported: {difference.better(measure)} is better" if verdict.is_supported else "not supported"


def headline(comparison: Comparison) -> str:
    """One sentence: how many of the differences are supported."""
    found = [verdict for difference in comparison.differences for verdict in difference.verdicts.values()]
    if not found:
        return "There is no pair to test"
    supported = sum(verdict.is_supported for verdict in found)
    if not supported:
        return "No difference is supported"
    return f"{supported} of {len(found)} differences {'is' if supported == 1 else 'are'} supported"


def is_about_networks(comparison: Comparison) -> bool:
    """Whether some difference is one of these very networks, and not of the methods that made them."""
    return any(not difference.is_of_methods for difference in comparison.differences)


NETWORKS_ONLY = (
    "Where one of the two was trained once, a difference is between these two networks, not between the methods: another seed may "
    "turn it round. Train each with --seeds 3 or more to compare methods."
)


def leaderboard_csv(comparison: Comparison) -> str:
    """One line a row of the leaderboard: every measure with its interval over films and its spread over trainings."""
    parts = ("", "_low", "_high", "_sd_over_trainings", "_lowest_training", "_highest_training")
    header = [
        "rank",
        "name",
        "kind",
        "trainings",
        *(f"{name}{part}" for name in _all_measures(comparison) for part in parts),
    ]
    lines = [csv_line(header)]
    for rank, row in enumerate(comparison.rows, start=1):
        cells: list[float | None] = []
        for name in _all_measures(comparison):
            interval, spread = row.measures[name], row.spread.get(name)
            cells += [interval.value, interval.low, interval.high]
            cells += [spread.sd, spread.low, spread.high] if spread else [None] * 3
        numbers = ["" if cell is None or math.isnan(cell) else f"{cell:.6f}" for cell in cells]
        lines.append(csv_line([str(rank), harmless(row.name), row.kind, str(row.trainings), *numbers]))
    return "".join(lines)


def _all_measures(comparison: Comparison) -> list[str]:
    return [*MEASURES, *(f"auroc/{name}" for name in comparison.classes)]


def comparison_text(comparison: Comparison) -> str:
    """What the terminal shows: the leaderboard, the spread over trainings, the verdict on each pair, the notes."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    split = SPLIT_WORDS.get(comparison.split, comparison.split).capitalize()
    yield f"{split} split: {comparison.films:,} films in {comparison.groups:,} groups, {len(comparison.classes)} classes"
    yield ""
    shown = list(dict.fromkeys([comparison.by, *_SHOWN]))
    titles = [TITLES[name] + (" (lower is better)" if name in LOWER_IS_BETTER else "") for name in shown]
    rows = [[row.name, *(format_interval(row.measures[name]) for name in shown)] for row in comparison.rows]
    yield from _columns(["", *titles], rows)
    yield f"In brackets: {comparison.level:.0%} interval over groups of films, {comparison.repeats:,} bootstraps."
    yield from _spread_lines(comparison, shown)
    for title, pairs in (
        ("Difference", comparison.differences),
        ("Ensemble against the best", comparison.foremost_ensemble_differences),
    ):
        if pairs:
            yield ""
            yield from _pair_lines(title, pairs)
    yield ""
    chance = f": over all pairs and both measures, a chance of {ERROR:.0%} for even one false one (Holm)"
    yield f"{headline(comparison)}{chance if comparison.differences else ': all trainings are of one method'}."
    if is_about_networks(comparison):
        yield f"note: {NETWORKS_ONLY}"
    yield from (f"note: {note}" for note in comparison.notes)


def _spread_lines(comparison: Comparison, shown: Sequence[str]) -> Iterator[str]:
    several = [row for row in comparison.rows if row.spread]
    if not several:
        return
    yield ""
    yield "Spread over trainings (another thing than the interval over films): standard deviation, lowest to highest"
    rows = [
        [
            f"{row.name} ({row.trainings})",
            *(
                f"{row.spread[name].sd:.3f} ({row.spread[name].low:.3f} to {row.spread[name].high:.3f})"
                for name in shown
            ),
        ]
        for row in several
    ]
    yield from _columns(["", *(TITLES[name] for name in shown)], rows)


def _pair_lines(title: str, pairs: Sequence[Difference]) -> Iterator[str]:
    rows = [
        [
            f"{pair.first} - {pair.second}",
            TITLES[measure],
            signed(pair.measures[measure]),
            p_words(verdict.p),
            p_words(verdict.p_corrected),
            verdict_words(pair, measure),
        ]
        for pair in pairs[:_PAIRS_PRINTED]
        for measure, verdict in pair.verdicts.items()
    ]
    yield from _columns([title, "", "", "p", "corrected", ""], rows)
    if len(pairs) > _PAIRS_PRINTED:
        yield f"and {len(pairs) - _PAIRS_PRINTED} more pairs, on the page"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
    for line in [header, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
