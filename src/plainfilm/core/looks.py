"""How classes look wherever they are drawn: one colour and one line each, and names that fit.

The palette is one that the colour-blind tell apart (Okabe & Ito 2008); where colours run out, the line changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Dashes = Literal["-", "--", ":", "-."]
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_PALETTE = (BLUE, VERMILION, GREEN, PURPLE, "#56b4e9", "#e69f00", "#6b4c9a")
_DASHES: tuple[Dashes, ...] = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Look:
    """How a class is drawn in every figure."""

    colour: str
    dashes: Dashes


def class_looks(classes: Sequence[str]) -> dict[str, Look]:
    """A colour and a line for every class; below 29 classes no two have both in common."""
    colours = len(_PALETTE)
    return {name: Look(_PALETTE[i % colours], _DASHES[i // colours % len(_DASHES)]) for i, name in enumerate(classes)}


def shortened(name: str, length: int) -> str:
    """The name, its middle left out where it is longer than `length`: both its ends tell it from others."""
    if len(name) <= length:
        return name
    head = (length - 1) * 2 // 3
    return f"{name[:head]}…{name[head + 1 - length :]}"
