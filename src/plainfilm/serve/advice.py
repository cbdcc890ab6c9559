"""Plain words for every reason why a film gets no answer: what it means, and what to do."""

from __future__ import annotations

from plainfilm.core.calibration import UNFAMILIAR
from plainfilm.core.chest import BLANK, INVERTED, MOSTLY_FRAME, NO_CHEST, ON_ITS_SIDE, UPSIDE_DOWN
from plainfilm.core.lungs import NO_LUNGS

FOR_TURNED_AWAY = {
    NO_CHEST: "This does not look like a frontal chest radiograph, and the model knows nothing else. Use the original file of a "
    "frontal chest film, not a photograph of a screen or of several films.",
    INVERTED: "Bone looks dark and air bright, the other way round than in the films the model was trained on. Save the film with "
    "black and white swapped, or send the original DICOM file, which says how it is meant.",
    UPSIDE_DOWN: "The film stands on its head. Turn it by 180 degrees and send it again.",
    ON_ITS_SIDE: "The film lies on its side. Turn it by 90 degrees, so that the neck is at the top, and send it again.",
    BLANK: "There is nothing to see: all of it has about the same grey. Send the original file.",
    MOSTLY_FRAME: "The film is lost in an empty frame. Cut the frame off, or send the original file.",
    UNFAMILIAR: "Nothing like this film was seen in training: another kind of picture, device, position or person, or something "
    "in the film. Any answer would be a guess, so there is none.",
    NO_LUNGS: "Where the lungs are decides what the model looks at, and none were found. Use a frontal chest film that "
    "shows both lungs.",
}
_FOR_ANY_OTHER = "The model does not answer for this film. Use the original file of a frontal chest film."


def for_turned_away(reason: str) -> str:
    """What a reason to turn a film away means, and what to do about it; "" for no reason."""
    return FOR_TURNED_AWAY.get(reason, _FOR_ANY_OTHER) if reason else ""
