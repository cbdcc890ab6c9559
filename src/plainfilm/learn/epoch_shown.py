"""How an epoch is shown while a training goes on: in a line, and to TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainfilm.core.run import Run
from plainfilm.errors import MissingExtra


def epoch_line(epoch: Mapping[str, Any], monitor: str) -> str:
    """Where it stands and how good it is, in one line."""
    shown = dict.fromkeys(["accuracy", "macro_auroc", monitor])
    scores = ", ".join(f"{name.replace('_', ' ')} {epoch[f'val_{name}']:.4f}" for name in shown)
    return f"epoch {epoch['epoch']:>3}  {epoch['size']} px  loss {epoch['train_loss']:.4f}  validation: {scores}" + (
        "  (best)" if epoch["is_best"] else ""
    )


def tensorboard_of(run: Run) -> Any:
    """A writer of TensorBoard's files, below the run. Raises MissingExtra where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("train --tensorboard", "tensorboard", "tensorboard") from None
    return SummaryWriter(str(run / "tensorboard"))
