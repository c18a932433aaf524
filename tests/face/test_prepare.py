import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.face import prepare
from keras_mer.face.align import EYES
from keras_mer.face.detect import Detection


def still(count=12, drift=0.0, size=180, noise=1.5, who=3):
    """A synthetic face at rest, with optional head drift."""
    return synthetic.draw_clip(
        who, "neutral", 0, 0, 1, 1, max(count, 2), 30, size, margin=0.25, drift=drift, noise=noise,
        flicker=0, variation=0.2, seed=5,
    ).frames[:count]  # fmt: skip


def wander(frames):
    """Shift of each frame from the first, in pixels, by phase correlation: (frames,)."""
    middle = frames[:, 20:-20, 20:-20].astype(np.float32)
    window = cv2.createHanningWindow(middle.shape[:0:-1], cv2.CV_32F)
    return np.array([np.hypot(*cv2.phaseCorrelate(middle[0], m, window)[0]) for m in middle])


def test_a_still_face_gets_no_jitter():
    frames = still()
    plain = prepare.prepare(frames, register=False)
    held = prepare.prepare(frames, fps=30)
    # the rest is the noise of phase correlation itself
    assert wander(held.frames).mean() < wander(plain.frames).mean() + 0.01 < 0.05
    assert np.abs(held.motion - np.eye(2, 3)).max() < 0.1


def test_head_drift_is_compensated():
    frames = still(drift=0.06)
    loose = wander(prepare.prepare(frames, register=False).frames)
    held = wander(prepare.prepare(frames, fps=30).frames)
    assert loose.max() > 0.5 and held.mean() < 0.3 * loose.mean() and held.max() < 0.3


def test_a_known_motion_is_estimated_accurately():
    first = cv2.cvtColor(still(1, noise=0)[0], cv2.COLOR_BGR2GRAY)
    turn = cv2.getRotationMatrix2D((90, 90), 1.5, 1.01)
    turn[:, 2] += (1.3, -0.7)
    second = cv2.warpAffine(first, turn, (180, 180), flags=cv2.INTER_CUBIC)
    motion = prepare.estimate_motion([first, second], prepare.locate_face([first]))
    both = np.vstack([motion[1], (0, 0, 1)]) @ np.vstack([turn, (0, 0, 1)])
    corners = np.array([[40, 40, 1], [140, 40, 1], [90, 150, 1]]).T
    assert np.abs((both @ corners - corners)[:2]).max() < 0.15


def test_an_expression_is_not_taken_for_head_motion():
    clip = synthetic.draw_clip(
        2, "happy", 0.4, 0, 5, 9, 10, 30, 180, margin=0.25, drift=0, flicker=0, noise=1
    )
    motion = prepare.prepare(clip.frames, fps=30).motion
    assert np.abs(motion[:, :, 2]).max() < 1.0
    assert np.abs(motion[:, :, :2] - np.eye(2)).max() < 0.012


@pytest.mark.parametrize("size", [150, 420])
def test_the_eyes_are_at_the_constant_positions(size):
    frame = still(1, size=size)[0]
    ready = prepare.prepare([frame], 96, margin=0.0)
    assert ready.frames.shape == (1, 96, 96) and ready.frames.dtype == np.uint8
    assert ready.place.how in ("eyes", "box")
    row = round(EYES[0][1] * 96)
    for x, _ in EYES:
        eye = ready.frames[0, row - 8 : row + 9, round(x * 96) - 8 : round(x * 96) + 9]
        cheek = ready.frames[0, row + 14 : row + 24, round(x * 96) - 8 : round(x * 96) + 9]
        assert np.percentile(eye, 5) < cheek.mean() - 25


class Stub:
    """A detector with fixed results."""

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, image):
        return list(self.faces)


def test_the_location_comes_from_landmarks_then_eyes_then_the_box():
    frame = still(1)[0]
    points = ((60.0, 75.0), (120.0, 75.0), (90.0, 100.0), (70.0, 120.0), (110.0, 120.0))
    with_points = Stub(Detection((40, 40, 100, 100), 0.9, points))
    assert prepare.locate_face([frame], with_points) == prepare.Place(points[:2], "landmarks")
    blank = np.full((180, 180), 120, np.uint8)
    place = prepare.locate_face([blank], Stub(Detection((40, 40, 100, 100), 1.0)))
    assert place.how == "box" and place.eyes[0] == pytest.approx((71.5, 78.0))
    assert prepare.locate_face([blank], Stub()).how == "frame"
    with pytest.raises(UserError, match="no face in the first 3 frames of the clip"):
        prepare.locate_face([blank] * 3, Stub(), whole=False)
    with pytest.raises(UserError, match="a clip without frames"):
        prepare.prepare([])


def test_uniform_frames_have_no_motion():
    frames = [np.full((80, 100), 90, np.uint8)] * 3
    ready = prepare.prepare(frames, 48)
    assert (ready.motion == np.eye(2, 3)).all() and (ready.frames == 90).all()
