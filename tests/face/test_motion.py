from itertools import product

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.face import flow_plot, motion
from keras_mer.synthetic.face import BOX_HALF, BOX_MIDDLE, draw_face
from keras_mer.synthetic.scene import Scene
from keras_mer.synthetic.shape import contours
from keras_mer.synthetic.units import action_units

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def texture(seed=0):
    noise = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def moved(image, field):
    """The image warped by the flow `field`: b(p + field(p)) = a(p)."""
    back = field.copy()
    for _ in range(8):
        back = cv2.remap(field, X - back[..., 0], Y - back[..., 1], cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return cv2.remap(image, X - back[..., 0], Y - back[..., 1], cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def affine(a, b, tx, c, d, ty):
    x, y = X - SIDE / 2, Y - SIDE / 2
    return np.dstack([a * x + b * y + tx, c * x + d * y + ty]).astype(np.float32)


def bump(x, y, u, v, sigma=0.09):
    weight = np.exp(-((X / SIDE - x) ** 2 + (Y / SIDE - y) ** 2) / (2 * sigma**2))
    return np.dstack([u * weight, v * weight]).astype(np.float32)


@pytest.mark.parametrize("method", motion.FLOW_METHODS)
@pytest.mark.parametrize(
    "field",
    [
        affine(0, 0, 1.6, 0, 0, -0.8),
        affine(0.03, 0, 0, 0, -0.02, 0),
        affine(0, 0.02, 0, 0.01, 0, 0),
    ],
    ids=["shift", "stretch", "shear"],
)
def test_flow_recovers_a_known_affine_motion(method, field):
    image = texture()
    found = motion.flow(image, moved(image, field), method)
    assert found.shape == (SIDE, SIDE, 2) and found.dtype == np.float32
    inside = (slice(16, -16),) * 2
    assert np.abs(found[inside] - field[inside]).mean() < 0.15


def test_strain_of_an_affine_motion_is_its_formula():
    a, b, c, d = 0.03, 0.01, -0.02, 0.05
    expected = np.sqrt(a**2 + d**2 + 0.5 * (b + c) ** 2)
    np.testing.assert_allclose(motion.strain(affine(a, b, 3, c, d, -1)), expected, rtol=1e-3)
    assert motion.strain(affine(0, 0, 5, 0, 0, 5)).max() < 1e-6  # a shift
    assert motion.strain(affine(0, -0.02, 0, 0.02, 0, 0)).max() < 1e-6  # a small turn


def drawn_motion(identity, expression, size=128, margin=0.15):
    """A synthetic face at rest and at 30 %, its contour points and their displacement in pixels."""
    unit = size / (2 * BOX_HALF * (1 + 2 * margin))
    rest = action_units("neutral", 0, identity)
    units = (rest, np.clip(action_units(expression, 0.3, identity), rest, None))
    pair = [
        cv2.cvtColor(
            draw_face(identity, u, Scene(noise=1.5, seed=(k,)), size, margin), cv2.COLOR_BGR2GRAY
        )
        for k, u in enumerate(units)
    ]
    before, after = (contours(identity, u)[0] for u in units)
    names = [k for k in before if k.startswith(("brow", "upperlip", "lowerlip", "lowerlid"))]
    at = np.concatenate([before[k] for k in names]) * unit + (
        size / 2,
        size / 2 - BOX_MIDDLE * unit,
    )
    return (
        *pair,
        at.astype(np.float32),
        np.concatenate([after[k] - before[k] for k in names]) * unit,
    )


def test_dis_errs_less_than_farneback_on_drawn_faces():
    errors = {method: [] for method in motion.FLOW_METHODS}
    for number, expression in product((1, 2, 4), ("happy", "surprise", "disgust")):
        who = synthetic.make_identity(0, number)
        first, second, at, truth = drawn_motion(who, expression)
        for method in motion.FLOW_METHODS:
            field = motion.flow(first, second, method)
            found = cv2.remap(field, at[None] - 0.5, None, cv2.INTER_LINEAR)[0]
            size = np.hypot(*truth.T).mean()
            errors[method].append(np.hypot(*(found - truth).T).mean() / size)
    mean = {method: np.mean(e) for method, e in errors.items()}
    assert mean["dis"] < mean["dis-fast"] < mean["farneback"] and mean["dis"] < 0.8


def test_head_motion_is_removed_and_the_expression_kept():
    expression = bump(0.35, 0.7, -1.0, -0.6) + bump(0.65, 0.7, 1.0, -0.6)
    head = affine(0.01, -0.015, 2.0, 0.015, 0.01, -1.2)
    left = motion.remove_head_motion(expression + head)
    assert np.abs(left - expression).mean() < 0.05
    assert np.abs(motion.remove_head_motion(head)).max() < 1e-3
    np.testing.assert_allclose(
        motion.amplitude(left), motion.amplitude(expression), atol=0.1 / SIDE
    )


def test_a_flow_image_is_scaled_per_channel():
    field = bump(0.5, 0.5, 2.0, -1.0)
    image = motion.flow_image(field, motion.strain(field))
    assert image.shape == (28, 28, 3) and image.dtype == np.uint8
    assert image.min((0, 1)).tolist() == [0, 0, 0] and image.max((0, 1)).tolist() == [255] * 3
    small = motion.flow_image(0.01 * field, motion.strain(0.01 * field))
    np.testing.assert_array_equal(image, small)  # the magnitude is discarded
    assert motion.amplitude(field) == pytest.approx(100 * motion.amplitude(0.01 * field), rel=1e-3)
    assert image[14, 14, 0] > 250 and image[14, 14, 1] < 5  # red is u, green is v
    assert not motion.flow_image(np.zeros_like(field), np.zeros((SIDE, SIDE))).any()


def test_flows_from_the_first_and_frame_to_frame():
    image = texture()
    frames = np.stack([moved(image, affine(0, 0, 0.7 * k, 0, 0, 0)) for k in range(4)])
    inside = (slice(None), slice(16, -16), slice(16, -16), 0)
    first = motion.flow_sequence(frames)[inside].mean((1, 2))
    step = motion.flow_sequence(frames, previous=True)[inside].mean((1, 2))
    np.testing.assert_allclose(first, [0, 0.7, 1.4, 2.1], atol=0.15)
    np.testing.assert_allclose(step, [0, 0.7, 0.7, 0.7], atol=0.15)


@pytest.mark.parametrize("method", ["linear", "tim"])
def test_resampling_keeps_the_first_and_last_frame(method):
    frames = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    np.testing.assert_array_equal(motion.resample(frames, 7, method), frames)
    out = motion.resample(frames, 13, method)
    assert out.shape == (13, 5, 4, 3) and out.dtype == np.uint8
    np.testing.assert_array_equal(out[::2], frames)
    assert motion.resample(frames[:1], 4, method).shape[0] == 4
    assert motion.resample(frames, 1, method).shape[0] == 1
    ramp = np.linspace(0, 60, 7, dtype=np.float32)[:, None]
    if method == "linear":
        np.testing.assert_allclose(motion.resample(ramp, 4)[:, 0], [0, 20, 40, 60], atol=1e-4)


def test_tim_follows_a_smooth_signal_closer_than_linear():
    def signal(times):
        return (np.cos(np.pi * (times + 0.5) / 6 * 2) * 50).astype(np.float32)[:, None]

    fine = np.linspace(0, 5, 21)
    wrong = {
        m: np.abs(motion.resample(signal(np.arange(6.0)), 21, m) - signal(fine)).max()
        for m in ("linear", "tim")
    }
    assert wrong["tim"] < 1e-3 < wrong["linear"]


def test_the_flow_plot_shows_the_motion_in_its_tile():
    field = bump(0.5, 0.5, 2.0, 0)
    made = flow_plot.draw(texture(), texture(1), field, motion.strain(field), side=120)
    assert made.shape == (120, 480, 3)
    assert made[60, 300].max() > 150 and made[10, 250].max() < 60  # flow in its tile's middle


def test_the_temporal_mean_depends_on_the_frame_rate():
    frames = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 2, 2), np.uint8) * 10
    assert (
        motion.temporal_mean(frames, 2, 200)[0, 0] == 20
        and motion.temporal_mean(frames, 0, 200)[0, 0] == 5
    )
    assert (
        motion.temporal_mean(frames, 4, 100)[0, 0] == 40
        and motion.temporal_mean(frames, 4)[0, 0] == 40
    )


def test_invalid_inputs_are_refused():
    with pytest.raises(UserError, match=r"unknown flow method 'diss' \(did you mean 'dis'\?\)"):
        motion.flow(texture(), texture(), "diss")
    with pytest.raises(UserError, match=r"two gray images of one size, 16 pixels or more"):
        motion.flow(texture(), texture()[:50])
    with pytest.raises(UserError, match="unknown interpolation 'cubic'"):
        motion.resample(np.zeros((3, 2)), 4, "cubic")
    with pytest.raises(UserError, match="cannot make 4 frames of 0"):
        motion.resample(np.zeros((0, 2)), 4)
