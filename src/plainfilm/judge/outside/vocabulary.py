"""Whose class is whose: the labels of an outside manifest against the classes of a run. Nothing is guessed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainfilm.core.manifest import shown
from plainfilm.errors import BadConfig


@dataclass(frozen=True)
class Vocabulary:
    """What each label there is called here.

    ours: label there -> class of the run, for those that have one. missing: classes of the run that no label there means.
    foreign: labels there that are no class of the run. near: foreign label -> class of the run that is spelt much alike, to be
    shown to a person and never taken for granted. stated: the labels whose class the user named.
    """

    ours: Mapping[str, str]
    missing: tuple[str, ...]
    foreign: tuple[str, ...]
    near: Mapping[str, str]
    stated: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "matched": dict(self.ours),
            "missing": list(self.missing),
            "foreign": list(self.foreign),
            "near": dict(self.near),
            "stated": list(self.stated),
        }


def match_classes(classes: Sequence[str], labels: Sequence[str], stated: Mapping[str, str]) -> Vocabulary:
    """Match by the very same name, or as `stated` says.

    classes: of the run. labels: those that films there have, without the empty one. stated: label there -> class of the run.
    Raises BadConfig where `stated` names a label that no film has, or a class that the run does not know.
    """
    labels = tuple(dict.fromkeys(labels))
    for theirs, our in stated.items():
        if theirs not in labels:
            raise BadConfig(
                f'--map "{theirs}={our}": no film there is labelled "{theirs}"{_did_you_mean(theirs, labels)}; the'
                " labels there are "
                f"{', '.join(labels) or 'none'}"
            )
        if our not in classes:
            raise BadConfig(
                f'--map "{theirs}={our}": the run knows no class "{our}"{_did_you_mean(our, classes)}; its classes are '
                f"{', '.join(classes)}"
            )
    ours = {name: stated.get(name, name) for name in labels if name in stated or name in classes}
    foreign = tuple(name for name in labels if name not in ours)
    missing = tuple(name for name in classes if name not in ours.values())
    near = {name: alike for name in foreign if (alike := _alike(name, classes))}
    return Vocabulary(ours, missing, foreign, near, tuple(name for name in labels if name in stated))


def near_sentences(vocabulary: Vocabulary) -> list[str]:
    """What a person should decide about spellings."""
    return [
        f'"{theirs}" there is spelt much like our "{our}" and was not taken for it; if it is the same: --map'
        f' "{theirs}={our}".'
        for theirs, our in vocabulary.near.items()
    ]


def named_alike(sources: Sequence[str], seen: Sequence[str]) -> dict[str, str]:
    """Of some sources those whose name holds the name of a source seen in training as a word, or the other way round."""
    found = {}
    for name in sources:
        words = set(_plain(name).split())
        alike = [
            other
            for other in seen
            if other and (set(_plain(other).split()) <= words or words <= set(_plain(other).split()))
        ]
        if alike and name not in seen and words:
            found[name] = shown(alike)
    return found


def _alike(name: str, classes: Sequence[str]) -> str:
    """The class that differs in case, blanks or a letter or two only; "" where there is none."""
    plain = {_plain(other).replace(" ", ""): other for other in classes}
    close = difflib.get_close_matches(_plain(name).replace(" ", ""), list(plain), n=1, cutoff=0.8)
    return plain[close[0]] if close else ""


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    alike = _alike(name, known)
    return f'; did you mean "{alike}"?' if alike else ""


def _plain(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.lower().replace("_", " ")))


def vocabulary_of(values: Mapping[str, Any]) -> Vocabulary:
    """The inverse of Vocabulary.to_dict()."""
    return Vocabulary(
        dict(values["matched"]),
        tuple(values["missing"]),
        tuple(values["foreign"]),
        dict(values["near"]),
        tuple(values["stated"]),
    )
