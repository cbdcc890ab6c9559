"""What only an author knows, filled into a model card: a TOML file of answers, each under the question that the card asks.

[answers]
"who is meant to use it, and for which question" = "Students, who compare shortcuts."
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from plainfilm.core.config import did_you_mean
from plainfilm.core.files import read_toml
from plainfilm.errors import BadConfig
from plainfilm.judge.card.model_card import BY_THE_AUTHOR, TO_FILL_IN
from plainfilm.judge.card.saying import escaped_markdown

_SECTION = "answers"
_MARK = f"- *{TO_FILL_IN}: "


def open_answers(path: Path) -> dict[str, str]:
    """Question -> answer. Raises BadConfig for a file that holds anything else."""
    content = read_toml(path)
    answers = content.pop(_SECTION, None)
    if content or not isinstance(answers, dict):
        raise BadConfig(
            f'{path}: expected one section, [{_SECTION}], and in it lines of the form "question" = "answer"'
        )
    for question, answer in answers.items():
        if not isinstance(answer, str) or not answer.strip():
            raise BadConfig(f'{path}: the answer to "{question}" is {answer!r}, expected a text')
    return answers


def with_answers(card: str, answers: Mapping[str, str], where: str) -> str:
    """The card, in Markdown, with what its author says in place of what it asks. where: the answers' file, for messages.

    A question holds for other counts too: that of "the patient of 248 films is unknown" is answered for 3,798.
    Raises BadConfig for an answer to what the card does not ask.
    """
    for question, answer in answers.items():
        asks = [line[len(_MARK) : -1] for line in card.splitlines() if line.startswith(_MARK)]
        wanted = escaped_markdown(question)
        alike = [asked for asked in asks if _without_counts(asked) == _without_counts(wanted)]
        asked = wanted if wanted in asks else alike[0] if len(alike) == 1 else None
        if asked is None:
            raise BadConfig(
                f'{where}: the model card does not ask "{question}"{did_you_mean(question, asks)}. It asks: '
                + ("; ".join(asks) or "nothing")
            )
        said = f"- *{BY_THE_AUTHOR}, on {asked}:* {escaped_markdown(answer)}\n"
        card = card.replace(f"{_MARK}{asked}*\n", said)
    return card


def _without_counts(question: str) -> str:
    return re.sub(r"\d[\d,.]*", "#", question)
