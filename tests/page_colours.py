"""How a heatmap looks, as the page's script holds it. Run this file to write it anew after `core/overlay.py` changed."""

from __future__ import annotations

from pathlib import Path

from plainfilm.core.overlay import OPACITY, colours

MODULE = Path(__file__).resolve().parent.parent / "src" / "plainfilm" / "serve" / "web" / "colours.js"
_HEAD = f"""// How a heatmap looks, as core/overlay.py has it; written by tests/page_colours.py.

export const OPACITY = {OPACITY}; // of the strongest place

// From weak to strong: [red, green, blue].
export const COLOURS = [
"""
_IN_A_ROW = 8


def colours_module() -> str:
    """What `colours.js` has to be."""
    each = [f"[{red}, {green}, {blue}]" for red, green, blue in colours().tolist()]
    rows = ["  " + ", ".join(each[at : at + _IN_A_ROW]) + ",\n" for at in range(0, len(each), _IN_A_ROW)]
    return _HEAD + "".join(rows) + "];\n"


if __name__ == "__main__":
    MODULE.write_text(colours_module(), encoding="utf-8")
