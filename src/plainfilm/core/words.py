"""Numbers in words, the same wherever they are printed."""


def counted(count: int, one: str, many: str = "") -> str:
    """`1 film`, `1,234 films`. many: the plural, where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
