"""Facial action units and the expressions composed of them.

Action units (AUs) are those of the Facial Action Coding System: P. Ekman, W. V. Friesen and
J. C. Hager, *Facial Action Coding System*, 2002. The combinations are the prototypes of EMFACS
(Friesen & Ekman, 1983), with parted lips (AU25) added where the jaw drops.
"""

from collections.abc import Mapping

import numpy as np

from keras_mer import labels
from keras_mer.errors import UserError, nearest
from keras_mer.synthetic.identity import Identity
from keras_mer.synthetic.numbering import ACTION_UNITS, INDEX

#: The AUs of each expression at full intensity, each 0 to 1. ``"R12"`` is AU12 on the subject's
#: right side only, which is the left of the image.
PROTOTYPES: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"6": 0.9, "12": 1.0},
    "sad": {"1": 1.0, "4": 0.7, "15": 1.0, "17": 0.5},
    "surprise": {"1": 1.0, "2": 1.0, "5": 0.8, "25": 1.0, "26": 1.0},
    "fear": {"1": 1.0, "2": 0.6, "4": 0.8, "5": 1.0, "20": 1.0, "25": 0.8, "26": 0.45},
    "angry": {"4": 1.0, "5": 0.5, "7": 0.8, "23": 1.0, "24": 0.3},
    "disgust": {"9": 1.0, "10": 0.7, "15": 0.5, "16": 0.6, "25": 0.4},
    "contempt": {"R12": 0.6, "R14": 1.0},
    # not an emotion: closing eyes, the action unit of no other expression
    "others": {"43": 1.0},
}


def vector(units: Mapping[str, float]) -> np.ndarray:
    """Convert AU strengths to an array for drawing.

    Args:
        units: strength by name: ``"12"`` for both sides, ``"R12"`` or ``"L12"`` for the subject's
            right or left. 0 is none, 1 is FACS intensity E, 1.5 the maximum.

    Returns:
        float64, shape (2, len(ACTION_UNITS)); row 0 is the subject's right (the image's left).

    Raises:
        UserError: for an AU that cannot be drawn or a strength outside 0 to 1.5.
    """
    out = np.zeros((2, len(ACTION_UNITS)))
    for name, value in units.items():
        number = name[1:] if name[:1] in ("L", "R") else name
        if number not in INDEX:
            known = ", ".join(ACTION_UNITS)
            raise UserError(f"action unit '{name}' is not drawn; expected one of {known}")
        if not 0 <= value <= 1.5:
            raise UserError(f"action unit '{name}' must lie in 0 to 1.5, got {value}")
        rows = {"R": slice(0, 1), "L": slice(1, 2)}.get(name[:1], slice(None))
        out[rows, INDEX[number]] = value
    return out


def check_expression(name: str) -> str:
    """The canonical name of an expression that can be drawn.

    Raises:
        UserError: for any other name.
    """
    word = labels.canonical(name) if labels.is_emotion(name) else name
    if word not in PROTOTYPES:
        raise UserError(
            f"no expression '{name}'{nearest(name, PROTOTYPES)}; "
            f"expected one of {', '.join(PROTOTYPES)}"
        )
    return word


def check_intensity(value: float) -> float:
    """Return `value` if it is in 0 to 1; raise a `UserError` otherwise."""
    if not 0 <= value <= 1:
        raise UserError(f"intensity must lie in 0 to 1, got {value}")
    return float(value)


def action_units(
    expression: str,
    intensity: float = 1.0,
    identity: Identity | None = None,
    rng: np.random.Generator | None = None,
    jitter: float = 0.15,
) -> np.ndarray:
    """AU strengths of an expression (EMFACS prototypes, `PROTOTYPES`).

    Args:
        expression: one of `PROTOTYPES`, or another name of it (``"anger"``).
        intensity: 0 (neutral) to 1 (full).
        identity: adapts the AUs to this person: resting face, strength of each AU on each side,
            teeth in the smile, side of contempt.
        rng: random generator of the variation between instances; none without it.
        jitter: standard deviation of each AU's strength, as a fraction of it.

    Returns:
        float64, shape (2, len(ACTION_UNITS)), as for `vector`.

    Raises:
        UserError: for an unknown expression or an intensity outside 0 to 1.
    """
    expression = check_expression(expression)
    intensity = check_intensity(intensity)
    full = _prototype_arrays()[expression]
    if identity is not None:
        full = identity.adapt(expression, full)
    out = full * intensity
    if rng is not None:
        out = out * np.exp(jitter * rng.standard_normal(out.shape[1]))
        # a small amount of every AU, so that no single unit identifies an expression
        out = out + 0.06 * np.abs(rng.standard_normal(out.shape[1])) * _SUBTLE
    if identity is not None:
        out = out + identity.rest
    return np.clip(out, 0, 1.3)


_SUBTLE = np.array([1.0 if n not in ("26", "43", "9", "10", "16") else 0.3 for n in ACTION_UNITS])
_ARRAYS: dict[str, np.ndarray] = {}


def _prototype_arrays() -> dict[str, np.ndarray]:
    if not _ARRAYS:
        _ARRAYS.update({name: vector(units) for name, units in PROTOTYPES.items()})
    return _ARRAYS
