"""A person in motion: rendered at a few strengths of the movement, blended and moved in between."""

from dataclasses import replace

import cv2
import numpy as np

from keras_mer.synthetic.face import framing, render
from keras_mer.synthetic.identity import Identity
from keras_mer.synthetic.pen import depth
from keras_mer.synthetic.scene import Scene, apply_camera, defocused
from keras_mer.synthetic.shape import contours

#: Greatest motion of a contour from one rendered strength to the next, in pixels. Pixels are boxes:
#: a blend of two edges at most a pixel apart is an edge in between.
_STEP = 1.0
#: Rows and columns at which a frame's noise can begin.
GRAINS = 64


class MovingPerson:
    """Draws frames of one person whose action units move along a line, and whose head drifts.

    The frames are those of `face.draw_face` up to a gray level or two on average, at a fraction of
    the cost. The shoulders follow the head.

    Args:
        identity: the person.
        rest, moved: AU strengths without and with the whole movement, float (2, AUs).
        scene: pose, light, background and camera of the first frame.
        size, margin: as for `draw_face`.
        gray: draw in gray, as a monochrome camera sees it.
        strengths: of the frames to come, 0 (rest) to 1 (moved): only these are rendered when they
            are few.
    """

    def __init__(
        self,
        identity: Identity,
        rest: np.ndarray,
        moved: np.ndarray,
        scene: Scene,
        size: int,
        margin: float,
        gray: bool,
        strengths: np.ndarray,
    ):
        canvas, middle, unit = framing(scene, size, margin)
        self._unit = unit / 2
        self._scene = replace(scene, blur=0.0)  # blurred here once, not in every frame
        self._background = self._seen(canvas, scene.blur, gray)
        self._levels = _levels(identity, rest, moved, self._unit * scene.scale, strengths)
        self._keys = []
        for level in self._levels:
            person, alpha = np.zeros_like(canvas), np.zeros(canvas.shape[:2], np.uint8)
            units = rest + level * (moved - rest)
            person = render(person, identity, units, scene, middle, unit, alpha)
            color = self._seen(person, scene.blur, gray)
            alpha = self._seen(alpha, scene.blur, False)
            self._keys.append(cv2.merge([*cv2.split(color), alpha]))
        # drawn once: a cut at another place has nothing in common with this one, pixel by pixel
        random = np.random.default_rng(scene.seed)
        self._noise = random.standard_normal((size + GRAINS,) * 2, np.float32) * scene.noise
        # in output pixels, whose centers are at half
        self._middle = np.array(middle, np.float32) / 2 - 0.5
        at = np.arange(size, dtype=np.float32)
        self._x, self._y = (np.tile(a, s) for a, s in ((at, (size, 1)), (at[:, None], (1, size))))
        x, y = ((a - m) / self._unit for a, m in zip((self._x, self._y), self._middle, strict=True))
        across, down = (x - scene.dx) / scene.scale, (y - 0.2 - scene.dy) / scene.scale + 0.2
        self._depth = (depth(across, down) * scene.scale * self._unit).astype(np.float32)

    def draw(
        self,
        strength: float,
        shift: tuple[float, float] = (0, 0),
        roll: float = 0.0,
        yaw: float = 0.0,
        light: float = 1.0,
        grain: tuple[int, int] = (0, 0),
    ) -> np.ndarray:
        """One frame.

        Args:
            strength: of the movement, 0 to 1.
            shift: of the head since the first frame, in face units. roll, yaw: its rotation since
                then in radians, small.
            light: factor of the scene's gain.
            grain: row and column, below `GRAINS`, of this frame's cut from the camera's noise.

        Returns:
            uint8 (size, size, 3), BGR, or (size, size) gray.
        """
        person = self._blended(strength)
        if roll or yaw or shift != (0, 0):
            person = cv2.remap(
                person, *self._origin(shift, roll, yaw), cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        *colors, alpha = cv2.split(person)
        behind = cv2.merge([cv2.bitwise_not(alpha)] * len(colors))
        behind = cv2.multiply(self._background, behind, scale=1 / 255)
        scene = replace(self._scene, gain=self._scene.gain * light)
        row, column = grain
        noise = self._noise[row : row + len(person), column : column + len(person)]
        return apply_camera(cv2.add(cv2.merge(colors), behind), scene, self._unit, noise)

    def _seen(self, canvas: np.ndarray, blur: float, gray: bool) -> np.ndarray:
        """A canvas at half its size, blurred, in gray where asked for."""
        image = cv2.resize(canvas, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        if gray:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return defocused(image, blur * self._unit)

    def _blended(self, strength: float) -> np.ndarray:
        above = min(int(np.searchsorted(self._levels, strength)), len(self._levels) - 1)
        if above == 0 or self._levels[above] == strength:
            return self._keys[above]
        low, high = self._levels[above - 1 : above + 1]
        share = float((strength - low) / (high - low))
        return cv2.addWeighted(self._keys[above - 1], 1 - share, self._keys[above], share, 0)

    def _origin(self, shift, roll: float, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of a moved head was before, float32 (size, size) columns and rows."""
        scene, c, s = self._scene, np.cos(roll), np.sin(roll)
        pivot = self._middle + self._unit * np.array([scene.dx, scene.dy + 0.2])
        to = pivot + self._unit * np.array(shift)
        turned = np.float32(yaw) * self._depth
        x = np.float32(c) * self._x + np.float32(s) * self._y
        x += np.float32(pivot[0] - c * to[0] - s * to[1])
        x -= np.float32(np.cos(scene.roll)) * turned
        y = np.float32(c) * self._y - np.float32(s) * self._x
        y += np.float32(pivot[1] + s * to[0] - c * to[1])
        y -= np.float32(np.sin(scene.roll)) * turned
        return x, y


def _levels(identity, rest, moved, unit: float, strengths: np.ndarray) -> np.ndarray:
    """The strengths that are rendered, ascending, float64."""
    first, last = (contours(identity, units)[0] for units in (rest, moved))
    moved_by = max(float(np.abs(last[name] - first[name]).max()) for name in first)
    even = np.linspace(0, 1, 2 + int(moved_by * unit / _STEP))
    needed = np.unique(strengths)
    return needed if len(needed) <= len(even) else even
