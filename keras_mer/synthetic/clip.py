"""Synthetic clips of micro-expressions: rest, a brief slight movement, and rest again."""

from dataclasses import dataclass, replace

import numpy as np

from keras_mer.errors import UserError
from keras_mer.synthetic.identity import Identity, make_identity
from keras_mer.synthetic.moving import GRAINS, MovingPerson
from keras_mer.synthetic.scene import Scene
from keras_mer.synthetic.units import action_units, check_expression, check_intensity


@dataclass(frozen=True, eq=False)
class Clip:
    """A synthetic clip with its ground truth.

    Attributes:
        frames: uint8 (T, H, W, 3), BGR, or (T, H, W), gray.
        fps: frames per second.
        onset, apex, offset: frame numbers from 0: the last frame at rest, the peak, the first
            frame at rest again.
        profile: float64 (T,), intensity profile, 0 at rest to 1 at the apex.
        expression: canonical name. intensity: at the apex, as a fraction of the full expression.
        subject: the person's name.
        units: float64 (T, 2, AUs), the AU strengths of each frame.
    """

    frames: np.ndarray
    fps: float
    onset: int
    apex: int
    offset: int
    profile: np.ndarray
    expression: str
    intensity: float
    subject: str
    units: np.ndarray


def profile(frames: int, onset: int, apex: int, offset: int) -> np.ndarray:
    """Intensity profile of a movement: half a cosine up to the apex, half a cosine down.

    Args:
        frames: number of frames.
        onset, apex, offset: frame numbers, 0 <= onset < apex <= offset < frames.

    Returns:
        float64 (frames,): 0 up to the onset, 1 only at the apex, 0 from the offset on (after it,
        when the apex is the offset).

    Raises:
        UserError: for frame numbers in another order.
    """
    if not 0 <= onset < apex <= offset < frames:
        raise UserError(
            f"expected 0 <= onset < apex <= offset < frames, "
            f"got onset {onset}, apex {apex}, offset {offset}, frames {frames}"
        )
    t = np.arange(frames, dtype=float)
    rise = np.clip((t - onset) / (apex - onset), 0, 1)
    fall = np.clip((t - apex) / max(offset - apex, 1), 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 + 0.5 * np.cos(np.pi * fall))


def draw_clip(
    subject: int | Identity,
    expression: str,
    intensity: float = 0.3,
    onset: int = 10,
    apex: int = 30,
    offset: int = 60,
    frames: int = 70,
    fps: float = 200.0,
    size: int = 96,
    margin: float = 0.1,
    drift: float = 0.01,
    flicker: float = 0.01,
    noise: float = 1.5,
    variation: float = 0.5,
    gray: bool = False,
    seed: int = 0,
    index: int = 0,
) -> Clip:
    """Draw a clip of one micro-expression (which lasts 0.04 to 0.5 s).

    Args:
        subject: a person, or a person's number in the population `seed` (`make_identity`).
        expression: one of `PROTOTYPES` (EMFACS action units, see `units`).
        intensity: at the apex, a fraction of the full expression, 0 to 1.
        onset, apex, offset, frames: frame numbers from 0, and their count; see `profile`.
        fps: frames per second; it determines the speed of drift and flicker.
        size, margin: as for `draw_face`.
        drift: head motion, standard deviation in face units (half a face's width); the rotation
            is half as many radians.
        flicker: of the light, relative standard deviation.
        noise: of the camera, standard deviation in gray levels, independent in each frame.
        variation: of pose, light and background, 0 for a plain scene (`Scene.random`).
        gray: draw in gray, as a monochrome camera sees it.
        seed, index: the same pair gives the same clip, independent of earlier calls.

    Returns:
        Clip: its `frames` are uint8 (frames, size, size, 3), BGR, or (frames, size, size), gray.

    Raises:
        UserError: for an unknown expression, a wrong order of frames or a value out of range.
    """
    expression = check_expression(expression)
    intensity = check_intensity(intensity)
    strength = profile(frames, onset, apex, offset)
    for name, value in (
        ("fps", fps - 1e-9),
        ("drift", drift),
        ("flicker", flicker),
        ("noise", noise),
    ):
        if not value >= 0:
            raise UserError(f"{name} must not be negative (fps above 0), got {value:g}")
    if seed < 0 or index < 0:
        raise UserError(f"seed and index must be >= 0, got {seed} and {index}")
    identity = subject if isinstance(subject, Identity) else make_identity(seed, subject)
    rng = np.random.default_rng([seed, index, 0xC119])
    rest = action_units("neutral", 0, identity)
    rest = rest * np.exp(0.2 * rng.standard_normal(rest.shape[1]))
    moved = np.clip(action_units(expression, intensity, identity, rng, jitter=0.12), rest, None)
    still = np.array([name == 0 for name in _shown(expression)])
    moved[:, still] = rest[:, still]  # only the expression's own units move
    units = rest + strength[:, None, None] * (moved - rest)
    scene = replace(Scene.random(rng, variation), noise=noise)
    time = np.arange(frames) / fps
    drift_path = _random_drift(rng, time, 4)
    # beat of mains light with the shutter, and a small random part
    beat = np.sin(2 * np.pi * rng.uniform(2, 8) * time + rng.uniform(0, 6.3))
    light = 1 + flicker * (beat + 0.4 * rng.standard_normal(frames))
    person = MovingPerson(identity, rest, moved, scene, size, margin, gray, strength)
    dx, dy, roll, yaw = drift * drift_path
    grain = rng.integers(GRAINS, size=(frames, 2)).tolist()
    pictures = [
        person.draw(s, (dx[k], dy[k]), 0.5 * roll[k], 0.5 * yaw[k], light[k], grain[k])
        for k, s in enumerate(strength)
    ]
    return Clip(
        np.stack(pictures),
        fps,
        onset,
        apex,
        offset,
        strength,
        expression,
        intensity,
        identity.name,
        units,
    )


def _shown(expression: str) -> np.ndarray:
    """Strength of each AU of an expression, summed over both sides."""
    return action_units(expression, 1.0).sum(0)


def _random_drift(rng, time: np.ndarray, channels: int) -> np.ndarray:
    """Slow smooth random motion, 0 in the first frame: (channels, frames), amplitude about 1."""
    speed = rng.uniform(0.2, 1.6, (channels, 3, 1))
    start = rng.uniform(0, 2 * np.pi, (channels, 3, 1))
    waves = np.sin(2 * np.pi * speed * time + start)
    return (waves - waves[..., :1]).sum(1) / np.sqrt(3)
