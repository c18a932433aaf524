"""Synthetic identities: proportions, colors and individual expression of a person."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_mer.errors import UserError
from keras_mer.synthetic.numbering import ACTION_UNITS, INDEX

Color = tuple[float, float, float]

HAIR_STYLES = ("bald", "short", "parted", "fringe", "long", "curly", "bun")

# BGR, light to dark
_SKIN = np.array(
    [(200, 221, 250), (170, 200, 240), (138, 176, 224), (108, 146, 202), (82, 116, 172),
     (66, 92, 142), (56, 77, 120)], float,
)  # fmt: skip
_HAIR = np.array(
    [(28, 26, 26), (36, 40, 52), (42, 60, 88), (60, 92, 134), (104, 160, 204), (44, 78, 160),
     (150, 152, 156), (214, 216, 218)], float,
)  # fmt: skip
_IRIS = np.array(
    [(30, 44, 70), (40, 66, 104), (60, 104, 96), (150, 120, 76), (128, 122, 104)], float
)
_CLOTH = np.array(
    [(90, 64, 44), (60, 60, 140), (96, 110, 66), (70, 70, 76), (190, 186, 178), (120, 84, 120),
     (60, 120, 170), (44, 44, 48)], float,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Identity:
    """One person. Lengths are in face units: half the width of the face is about 1.

    Attributes:
        name: the subject's id, ``s001`` for number 1.
        width, jaw, chin, length: face half-width; jaw's and chin's width; chin below the eyes.
        eye_x, eye_w, eye_open, eye_tilt: eyes' distance from the middle, half-width, opening,
            slant.
        brow_y, brow_arch, brow_thick, brow_slope: eyebrows.
        nose_y, nose_w: base of the nose below the eyes, its half-width.
        mouth_y, mouth_w, lip_upper, lip_lower: mouth below the eyes, half-width, lips' heights.
        skin, hair, iris, lips, cloth: BGR colours, 0 to 255.
        style: one of `HAIR_STYLES`.
        hair_y: the hairline above the eyes (negative).
        beard, moustache: 0 to 1.
        glasses: 0 none, 1 round, 2 square; `frame` is the frame's BGR color.
        age: 0 to 1, depth of wrinkles and folds.
        freckles: positions in face units, (n, 2).
        gains: strength of each AU per side, (2, AUs). rest: AUs of the resting face, (2, AUs).
        teeth: how far the lips part in a full smile, 0 to 1.
        mirrored: whether one-sided expressions are on the left.
    """

    name: str
    width: float
    jaw: float
    chin: float
    length: float
    eye_x: float
    eye_w: float
    eye_open: float
    eye_tilt: float
    brow_y: float
    brow_arch: float
    brow_thick: float
    brow_slope: float
    nose_y: float
    nose_w: float
    mouth_y: float
    mouth_w: float
    lip_upper: float
    lip_lower: float
    skin: Color
    hair: Color
    iris: Color
    lips: Color
    cloth: Color
    frame: Color
    style: str
    hair_y: float
    beard: float
    moustache: float
    glasses: int
    age: float
    freckles: np.ndarray
    gains: np.ndarray
    rest: np.ndarray
    teeth: float
    mirrored: bool

    def adapt(self, expression: str, units: np.ndarray) -> np.ndarray:
        """Adapt an expression's AUs, (2, AUs), to this person: gains, smile, side of contempt."""
        out = units[::-1] * self.gains if self.mirrored else units * self.gains
        if expression == "happy":
            out[:, INDEX["25"]] = self.teeth
        elif expression == "angry" and self.teeth > 0.75:
            out[:, INDEX["25"]] = 0.35  # the same people show their teeth in anger
            out[:, INDEX["10"]] = 0.3
        return out


@lru_cache(maxsize=4096)
def make_identity(seed: int = 0, number: int = 1) -> Identity:
    """Make the person with this number; the same seed and number give the same person.

    Args:
        seed: the population, >= 0.
        number: of the person, >= 0; gives the name, ``s001`` for 1.

    Raises:
        UserError: for a negative seed or number.
    """
    if seed < 0 or number < 0:
        raise UserError(f"seed and subject number must be >= 0, got {seed} and {number}")
    rng = np.random.default_rng([seed, number, 0xFACE])
    near = lambda mean, spread: float(mean + spread * np.clip(rng.standard_normal(), -2, 2))  # noqa: E731
    masculine = rng.random() < 0.5
    age = float(rng.beta(1.3, 2.2))
    tone = rng.random() * (len(_SKIN) - 1)
    skin = _between(_SKIN, tone) * rng.uniform(0.95, 1.04)
    dark = tone / (len(_SKIN) - 1)
    gray = age > 0.62 and rng.random() < 0.75
    hair_index = rng.integers(6, 8) if gray else rng.integers(0, 6 if dark < 0.5 else 3)
    hair = _HAIR[hair_index] * rng.uniform(0.85, 1.15)
    styles = {
        True: (0.14, 0.4, 0.24, 0.08, 0.02, 0.12, 0),
        False: (0.01, 0.1, 0.15, 0.18, 0.3, 0.12, 0.14),
    }
    style = HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=styles[masculine])]
    iris = _IRIS[rng.integers(0, len(_IRIS) if dark < 0.45 else 2)]
    lips = skin * (0.72, 0.66, 0.93) if masculine else skin * (0.66, 0.55, 0.94)
    beard = float(rng.uniform(0.3, 1)) if masculine and rng.random() < 0.32 else 0.0
    moustache = beard or (float(rng.uniform(0.4, 1)) if masculine and rng.random() < 0.12 else 0.0)
    freckled = dark < 0.35 and rng.random() < 0.25
    freckles = rng.uniform((-0.7, 0.2), (0.7, 0.62), (26 if freckled else 0, 2))
    units = len(ACTION_UNITS)
    gains = np.clip(rng.normal(1, 0.16, units) + rng.normal(0, 0.06, (2, units)), 0.55, 1.35)
    rest = np.zeros((2, units))
    for name, most in (("4", 0.16), ("1", 0.1), ("2", 0.12), ("7", 0.16), ("15", 0.16),
                       ("12", 0.14), ("5", 0.1), ("24", 0.15), ("14", 0.1)):  # fmt: skip
        rest[:, INDEX[name]] = most * rng.random() ** 2
    return Identity(
        name=f"s{number:03d}",
        width=near(0.98, 0.045),
        jaw=near(0.79 if masculine else 0.73, 0.05),
        chin=near(0.40 if masculine else 0.34, 0.04),
        length=near(1.5 if masculine else 1.45, 0.055),
        eye_x=near(0.445, 0.016),
        eye_w=near(0.225, 0.012),
        eye_open=near(0.112 if masculine else 0.125, 0.011),
        eye_tilt=near(0.015, 0.018),
        brow_y=near(-0.30 if masculine else -0.335, 0.022),
        brow_arch=near(0.05 if masculine else 0.075, 0.016),
        brow_thick=near(0.058 if masculine else 0.043, 0.009),
        brow_slope=near(0.0, 0.018),
        nose_y=near(0.58, 0.03),
        nose_w=near(0.205 + 0.035 * dark, 0.018),
        mouth_y=near(0.93, 0.025),
        mouth_w=near(0.37, 0.022),
        lip_upper=near(0.068 + 0.03 * dark, 0.01) * (1 if masculine else 1.12),
        lip_lower=near(0.095 + 0.03 * dark, 0.012) * (1 if masculine else 1.1),
        skin=_color(skin),
        hair=_color(hair),
        iris=_color(iris),
        lips=_color(lips),
        cloth=_color(_CLOTH[rng.integers(len(_CLOTH))] * rng.uniform(0.8, 1.2)),
        frame=_color(((30, 30, 32), (40, 56, 96), (120, 124, 130))[rng.integers(3)]),
        style=style,
        hair_y=near(-0.88 - (0.12 * age if masculine else 0), 0.04),
        beard=beard,
        moustache=moustache,
        glasses=int(rng.integers(1, 3)) if rng.random() < 0.18 + 0.15 * age else 0,
        age=age,
        freckles=freckles,
        gains=gains,
        rest=rest,
        teeth=float(np.clip(rng.normal(0.62, 0.35), 0, 1)),
        mirrored=bool(rng.random() < 0.4),
    )


def _between(table: np.ndarray, position: float) -> np.ndarray:
    low = min(int(position), len(table) - 2)
    return table[low] + (position - low) * (table[low + 1] - table[low])


def _color(values) -> Color:
    b, g, r = (float(v) for v in np.clip(values, 0, 255))
    return b, g, r
