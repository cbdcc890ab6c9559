"""What became of such numbers elsewhere: short, with sources. Written for COVID-19 on chest films, as the recipes are."""

from __future__ import annotations

from plainfilm.core.html import Html
from plainfilm.core.page import bullets, joined

_FACTS = (
    (
        "In a prospective study in 12 hospitals in the United States a network reached an AUROC of 0.70 (0.66 to 0.73), less "
        "accurate than two radiologists.",
        "Sun et al. 2022, Radiology: Artificial Intelligence; their preprint, arXiv:2106.02118, calls above 0.95 on public data "
        "unrealistic",
    ),
    (
        "On sources seen in training an AUROC of 1.00, on the worst unseen one 0.38.",
        "Ben Ahmed et al. 2021, doi:10.1109/ACCESS.2021.3079716",
    ),
    (
        "With the middle of each film black, so that most of the lungs are gone, results were similar.",
        "Maguolo & Nanni 2021, doi:10.1016/j.inffus.2021.04.008",
    ),
    (
        "Of 2,212 studies found, none was of potential clinical use.",
        "Roberts et al. 2021, doi:10.1038/s42256-021-00307-0",
    ),
    (
        "Seeing the lungs alone does not end it: F1 of COVID-19 was 0.83 within one collection of films and 0.74 across "
        "collections.",
        "Teixeira et al. 2021, doi:10.3390/s21217116",
    ),
    (
        "One published network called 55% and 23% of the older films of two hospitals COVID-19, another one 1.3% and 0.06%.",
        "Banerjee et al. 2020, arXiv:2006.13262",
    ),
)


def elsewhere() -> Html:
    """The facts, a point each."""
    return bullets(joined(fact, " ", Html("<small>"), source, Html(".</small>")) for fact, source in _FACTS)
