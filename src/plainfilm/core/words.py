"""Words the same wherever they are printed: numbers, and names that may hold anything."""

from __future__ import annotations

from pathlib import Path

NOTICE = "Research and education only. Not a medical device."
EXAMPLES = "; the first: "  # what stands behind it names films or people; who may not know them gets what stands before


def counted(count: int, one: str, many: str = "") -> str:
    """`1 film`, `1,234 films`. many: the plural, where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """The text with what would move a terminal (escapes, line ends) spelt out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def writable_name(path: Path | str) -> str:
    """The path as text that any file can hold: bytes of a name that are no UTF-8 become a backslash, x and two digits."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def one_line(message: str, longest: int = 400) -> str:
    """A message that may quote a file, which can hold anything, as a line that a person can read. longest: characters."""
    line = printable(message)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def short(name: str, longest: int = 60) -> str:
    """A long path by its end. longest: characters, 4 or more."""
    return name if len(name) <= longest else f"...{name[3 - longest :]}"


def in_minutes(minutes: float) -> str:
    """`1 minute`, `0.5 minutes`."""
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"


def in_epochs(epochs: float) -> str:
    """`1 epoch`, `0.13 epochs`, `12.5 epochs`."""
    told = f"{epochs:.1f}".removesuffix(".0") if epochs >= 0.95 else f"{epochs:.2g}"
    return f"{told} epoch{'' if told == '1' else 's'}"


def duration(seconds: float) -> str:
    """`1 h 2 min`, `1 min 3 s`, `0 s`."""
    hours, minutes = divmod(round(seconds) // 60, 60)
    parts = [
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes else "",
        "" if hours else f"{round(seconds) % 60} s",
    ]
    return " ".join(part for part in parts if part)
