"""What torch says where settings do not go with each other or with the machine, and what to do about it."""

from __future__ import annotations

from plainfilm.core.config import TrainConfig

# What the settings of a training may be to blame for, besides this project's own errors.
OF_SETTINGS = (RuntimeError, ValueError, AssertionError, MemoryError)
_TOO_SMALL = ("Output size is too small", "Kernel size can't be greater than actual input size")  # as torch says it
_ALONE = "Expected more than 1 value per channel when training"
_NO_MEMORY = ("out of memory", "can't allocate memory")


def advice(error: BaseException, config: TrainConfig) -> str:
    """What went wrong and what to do, where that is known of this error; "" where it is not."""
    said = str(error)
    if any(sign in said for sign in _TOO_SMALL):
        return (
            f"films of size {config.size} are too small for network {config.model}, whose layers shrink them to nothing: take a "
            f"larger --size, or another network (torch said: {said})"
        )
    if _ALONE in said:
        return (
            f"network {config.model} shrinks films of size {config.size} to a single place, and its normalisation needs more than "
            "one value: take a larger --size or --batch-size"
        )
    if isinstance(error, MemoryError) or any(sign in said.lower() for sign in _NO_MEMORY):
        return f"there is too little memory for {config.model} at size {config.size}: lower --batch-size or --size"
    return ""
