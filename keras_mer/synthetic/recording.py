"""Long synthetic recordings: brief expressions between blinks, nods, speech and longer expressions.

Only the brief expressions (micro) are what a spotter is asked for; everything else happens to make
it difficult, and is listed as well, so that a false alarm can be traced to what it answered to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_mer.errors import UserError
from keras_mer.synthetic.clip import profile
from keras_mer.synthetic.face import BOX_HALF, BOX_MIDDLE, render
from keras_mer.synthetic.identity import Identity, make_identity
from keras_mer.synthetic.numbering import INDEX
from keras_mer.synthetic.scene import Scene, apply_camera
from keras_mer.synthetic.units import action_units, check_expression, check_intensity

#: Kind of event -> how often it happens in a minute, and its shortest and longest duration in
#: seconds. Blinks happen at any time; the others follow each other with rest between them.
EVENTS = {
    "micro": (5, 0.1, 0.5),
    "macro": (3, 0.8, 3.0),
    "talk": (3, 2.0, 5.0),
    "nod": (4, 0.5, 1.5),
    "blink": (15, 0.18, 0.35),
}
#: Expressions of the micro and macro events.
EXPRESSIONS = ("happy", "disgust", "surprise", "sad", "fear", "angry")
#: Least rest between two events in seconds, blinks excepted.
REST = 0.6

_LIPS = {"25": 0.55, "26": 0.35, "16": 0.3, "10": 0.2, "20": 0.3, "23": 0.3}


@dataclass(frozen=True)
class Event:
    """Something that happens in a recording.

    Attributes:
        kind: a key of `EVENTS`.
        onset, apex, offset: frame numbers from 0: the last frame at rest, the (first) peak, the
            first frame at rest again.
        label: the expression of a micro or macro event, else empty.
        intensity: as a fraction of the full expression, or of a closed eye or a nod of 10 degrees.
    """

    kind: str
    onset: int
    apex: int
    offset: int
    label: str = ""
    intensity: float = 1.0


@dataclass(frozen=True, eq=False)
class DrawnRecording:
    """A recording whose frames are drawn one by one.

    Attributes:
        subject: the person's name.
        fps: frames per second. count: number of frames.
        events: in the order of their onsets.
    """

    subject: str
    fps: float
    count: int
    events: tuple[Event, ...]
    _identity: Identity
    _units: np.ndarray
    _scenes: list[Scene]
    _size: int
    _margin: float

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames: uint8 (size, size, 3), BGR."""
        size = self._size
        unit = size / (2 * BOX_HALF * (1 + 2 * self._margin))
        middle = (size / 2, size / 2 - BOX_MIDDLE * unit)
        for units, scene in zip(self._units, self._scenes, strict=True):
            # at the size of the frame, not at twice of it as `draw_face`: half the time
            canvas = cv2.resize(scene.background, (size, size), interpolation=cv2.INTER_LINEAR)
            yield apply_camera(
                render(canvas, self._identity, units, scene, middle, unit), scene, unit
            )


def draw_recording(
    subject: int | Identity,
    seconds: float = 60.0,
    fps: float = 50.0,
    intensity: float = 0.5,
    size: int = 160,
    margin: float = 0.15,
    drift: float = 0.012,
    flicker: float = 0.01,
    noise: float = 1.5,
    variation: float = 0.5,
    seed: int = 0,
    index: int = 0,
    without: tuple[str, ...] = (),
) -> DrawnRecording:
    """Plan a recording; its frames are drawn when it is iterated.

    Args:
        subject: a person, or a person's number in the population `seed` (`make_identity`).
        seconds: its length, 5 or more.
        fps: frames per second, 10 or more.
        intensity: of the micro events at the apex, a fraction of the full expression. The macro
            events have 0.5 to 1, whatever it is.
        size, margin, drift, flicker, noise, variation: as for `draw_clip`.
        seed, index: the same pair gives the same recording, independent of earlier calls.
        without: kinds of events to leave out.

    Raises:
        UserError: for a value out of range or an unknown kind of event.
    """
    intensity = check_intensity(intensity)
    for name, value, low in (("seconds", seconds, 5), ("fps", fps, 10), ("seed", seed, 0),
                             ("index", index, 0), ("drift", drift, 0), ("flicker", flicker, 0),
                             ("noise", noise, 0)):  # fmt: skip
        if not value >= low:
            raise UserError(f"{name} must be {low} or more, got {value:g}")
    if not 32 <= size <= 1024 or size % 2:
        raise UserError(f"size must be even and lie in 32 to 1024 pixels, got {size}")
    for kind in without:
        if kind not in EVENTS:
            raise UserError(f"no event '{kind}'; expected one of {', '.join(EVENTS)}")
    identity = subject if isinstance(subject, Identity) else make_identity(seed, subject)
    rng = np.random.default_rng([seed, index, 0x5EC0])
    count = round(seconds * fps)
    events = _plan(rng, count, fps, intensity, without)
    units = _units(rng, identity, events, count, fps)
    scenes = _scenes(rng, events, count, fps, (drift, flicker, noise, variation))
    return DrawnRecording(
        identity.name, fps, count, tuple(events), identity, units, scenes, size, margin
    )


def _plan(rng, count: int, fps: float, intensity: float, without) -> list[Event]:
    """Events in the order of their onsets; all but blinks with `REST` between them."""
    minutes = count / fps / 60
    kinds = [
        kind
        for kind, (rate, _, _) in EVENTS.items()
        if kind not in without and kind != "blink"
        for _ in range(max(1, round(rate * minutes)))
    ]
    lengths = {kind: EVENTS[kind][1:] for kind in EVENTS}
    order = [kinds[k] for k in rng.permutation(len(kinds))]
    spans = [rng.uniform(*lengths[kind]) for kind in order]
    while spans and sum(spans) + REST * (len(spans) + 1) > count / fps:  # a very short recording
        spans.pop()
    free = count / fps - sum(spans) - REST * (len(spans) + 1)
    gaps = REST + free * rng.dirichlet(np.full(len(spans) + 1, 2.0))
    events, time = [], 0.0
    for kind, span, gap in zip(order, spans, gaps, strict=False):
        time += gap
        events.append(_event(rng, kind, time, span, fps, intensity))
        time += span
    if "blink" not in without:
        time = rng.uniform(0.5, 3)
        while time < count / fps - 0.5:
            events.append(
                _event(rng, "blink", time, rng.uniform(*lengths["blink"]), fps, intensity)
            )
            time += 0.8 + rng.exponential(60 / EVENTS["blink"][0] - 0.8)
    return sorted(events, key=lambda e: e.onset)


def _event(rng, kind: str, start: float, span: float, fps: float, intensity: float) -> Event:
    onset = round(start * fps)
    offset = max(onset + 2, round((start + span) * fps))
    share = rng.uniform(0.35, 0.6) if kind == "micro" else rng.uniform(0.2, 0.4)
    peak = int(np.clip(round(onset + share * (offset - onset)), onset + 1, offset - 1))
    label = EXPRESSIONS[int(rng.integers(len(EXPRESSIONS)))] if kind in ("micro", "macro") else ""
    if kind == "macro":
        intensity = rng.uniform(0.5, 1)
    elif kind != "micro":
        intensity = rng.uniform(0.6, 1.2) if kind == "nod" else 1.0
    return Event(kind, onset, peak, offset, label, float(intensity))


def _units(rng, identity: Identity, events, count: int, fps: float) -> np.ndarray:
    """AU strengths of each frame, float64 (count, 2, AUs)."""
    rest = action_units("neutral", 0, identity)
    units = np.tile(rest, (count, 1, 1))
    for event in events:
        part = slice(event.onset, event.offset + 1)
        own = units[part]  # an event that the end cuts off is drawn as far as it goes
        length = event.offset - event.onset
        if event.kind in ("micro", "macro"):
            moved = action_units(event.label, event.intensity, identity, rng, jitter=0.12)
            still = action_units(check_expression(event.label), 1.0).sum(0) == 0
            moved[:, still] = rest[:, still]  # only the expression's own units move
            shape = _hold(length + 1, 0.3 if event.kind == "macro" else 0.0, event)
            own += shape[: len(own), None, None] * (np.maximum(moved, rest) - rest)
        elif event.kind == "blink":
            shape = _hold(length + 1, 0.1, event)
            own[:, :, INDEX["43"]] += shape[: len(own), None]
            own[:, :, INDEX["7"]] += 0.1 * shape[: len(own), None]
        elif event.kind == "talk":
            own += _speech(rng, length + 1, fps)[: len(own), None]
    return np.clip(units, 0, 1.4)


def _hold(frames: int, share: float, event: Event) -> np.ndarray:
    """Intensity from onset to offset, held at the peak for a share of the time."""
    held = round(share * frames)
    rise = event.apex - event.onset
    short = max(frames - held, rise + 2)
    shape = profile(short, 0, rise, short - 1)
    return np.insert(shape, rise, np.ones(frames - short))


def _speech(rng, frames: int, fps: float) -> np.ndarray:
    """AU strengths of somebody who talks, (frames, AUs): syllables of 3 to 6 a second."""
    out = np.zeros((frames, len(INDEX)))
    time, end = 0.0, frames / fps
    while time < end:
        span = rng.uniform(0.16, 0.33)
        if rng.random() < 0.12:  # between two phrases
            time += rng.uniform(0.2, 0.5)
        t = (np.arange(frames) / fps - time) / (1.4 * span)  # syllables run into each other
        bump = np.where((t > 0) & (t < 1), 0.5 - 0.5 * np.cos(2 * np.pi * t), 0)
        for name, size in _LIPS.items():
            shown = name in ("25", "26") or rng.random() < 0.4
            out[:, INDEX[name]] += shown * size * rng.uniform(0.3, 1.4) * bump
        time += span
    edge = np.minimum(np.arange(frames), np.arange(frames)[::-1]) / (0.08 * fps)
    return np.clip(out, 0, 1) * np.clip(edge, 0, 1)[:, None]


def _scenes(rng, events, count: int, fps: float, look) -> list[Scene]:
    """Pose and light of each frame: drift, nods, and more motion of the head while talking."""
    drift, flicker, noise, variation = look
    scene = replace(Scene.random(rng, variation), noise=noise)
    time = np.arange(count) / fps
    slow, quick = _wander(rng, time, 5, 0.05, 0.6), _wander(rng, time, 5, 0.4, 1.5)
    talking, pitch = np.zeros(count), np.zeros(count)
    for event in events:
        part = slice(event.onset, event.offset + 1)
        own = np.arange(len(talking[part]))
        if event.kind == "talk":
            edge = np.minimum(own, len(own) - 1 - own) / (0.4 * fps)
            talking[part] = np.clip(edge, 0, 1)
        elif event.kind == "nod":
            length = event.offset - event.onset
            cycles = max(1, round(length / fps / rng.uniform(0.45, 0.65)))
            decay = 1 - 0.5 * own / length
            wave = 0.5 - 0.5 * np.cos(2 * np.pi * cycles * own / length)
            pitch[part] += np.radians(10) * event.intensity * decay * wave
    path = drift * (slow + 0.3 * quick) + 1.2 * drift * talking * quick
    beat = np.sin(2 * np.pi * rng.uniform(2, 8) * time + rng.uniform(0, 6.3))
    light = 1 + flicker * (beat + 0.4 * rng.standard_normal(count))
    first = scene.seed[0]
    return [
        replace(
            scene,
            dx=scene.dx + path[0, k],
            dy=scene.dy + path[1, k] + 0.4 * pitch[k],
            roll=scene.roll + 0.5 * path[2, k],
            yaw=scene.yaw + 0.5 * path[3, k],
            pitch=scene.pitch + 0.5 * path[4, k] + pitch[k],
            gain=scene.gain * light[k],
            seed=(first, k),
        )
        for k in range(count)
    ]


def _wander(rng, time: np.ndarray, channels: int, slowest: float, fastest: float) -> np.ndarray:
    """Smooth random motion of about unit amplitude, (channels, frames), 0 in the first frame."""
    speed = rng.uniform(slowest, fastest, (channels, 3, 1))
    start = rng.uniform(0, 2 * np.pi, (channels, 3, 1))
    waves = np.sin(2 * np.pi * speed * time + start)
    return (waves - waves[..., :1]).sum(1) / np.sqrt(3)
