"""Synthetic clips and their intensity profile."""

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError


def test_profile_rises_to_the_apex_and_falls():
    strength = synthetic.profile(70, 10, 30, 60)
    assert strength.argmax() == 30 and strength[30] == 1 and (strength[:11] == 0).all()
    assert (np.diff(strength[10:31]) > 0).all() and (np.diff(strength[30:61]) < 0).all()
    np.testing.assert_allclose(strength[60:], 0, atol=1e-12)
    assert synthetic.profile(5, 0, 2, 2).tolist() == pytest.approx([0, 0.5, 1, 0, 0])


def test_clip_moves_most_at_its_apex():
    quiet = {"drift": 0.0, "flicker": 0.0, "noise": 0.0}
    clip = synthetic.draw_clip(2, "surprise", 0.4, 4, 10, 20, 24, size=64, **quiet)
    assert clip.frames.shape == (24, 64, 64, 3) and clip.frames.dtype == np.uint8
    change = np.abs(clip.frames.astype(int) - clip.frames[0]).mean((1, 2, 3))
    assert abs(int(change.argmax()) - 10) <= 1
    assert (change[:5] == 0).all() and (change[20:] == 0).all()
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (4, 10, 20, 200)
    assert clip.expression == "surprise" and clip.subject == "s002"


def test_clip_without_expression_moves_by_drift_light_and_noise_only():
    still = {"drift": 0.0, "flicker": 0.0, "noise": 0.0}
    clip = synthetic.draw_clip(2, "neutral", 0.4, 1, 3, 5, 6, size=48, **still)
    assert (clip.frames == clip.frames[0]).all()
    for name, value in (("drift", 0.05), ("flicker", 0.1), ("noise", 3.0)):
        moved = synthetic.draw_clip(
            2, "neutral", 0.4, 1, 3, 5, 6, 25.0, size=48, **{**still, name: value}
        )
        assert (moved.frames[-1] != moved.frames[0]).any()


def test_clip_is_the_same_each_time():
    kwargs = {"onset": 1, "apex": 2, "offset": 4, "frames": 5, "size": 48, "seed": 3, "index": 4}
    first = synthetic.draw_clip(1, "happy", **kwargs)
    synthetic.draw_clip(1, "happy", **{**kwargs, "index": 5})
    np.testing.assert_array_equal(first.frames, synthetic.draw_clip(1, "happy", **kwargs).frames)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: synthetic.draw_clip(1, "happy", apex=5), "onset < apex"),
        (lambda: synthetic.draw_clip(1, "happy", noise=-1), "noise must not be negative"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
