"""Synthetic clips and their intensity profile."""

from dataclasses import replace

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.synthetic.moving import MovingPerson


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


def test_others_moves_action_units_of_no_other_expression():
    strengths = {name: synthetic.action_units(name).sum(0) > 0 for name in synthetic.PROTOTYPES}
    own = strengths.pop("others")
    assert own.any() and not (own & np.any(list(strengths.values()), 0)).any()
    clip = synthetic.draw_clip(2, "others", 0.5, 1, 3, 5, 6, 25.0, size=48)
    assert (clip.units[3] - clip.units[0] > 0.1)[:, own].all()


@pytest.fixture(scope="module")
def moving():
    """A person whose strengths 0 to 1 go to a strong disgust, and `draw_face` in full."""
    identity = synthetic.make_identity(0, 5)
    rest, moved = (synthetic.action_units("disgust", s, identity) for s in (0.0, 0.6))
    scene = replace(synthetic.Scene.random(np.random.default_rng(3), 0.5), noise=0.0)

    def full(strength, **pose):
        there = {name: getattr(scene, name) + value for name, value in pose.items()}
        units = rest + strength * (moved - rest)
        return synthetic.draw_face(identity, units, replace(scene, **there), 96, 0.1).astype(int)

    person = MovingPerson(identity, rest, moved, scene, 96, 0.1, False, np.linspace(0, 1, 23))
    return person, full


def test_an_expression_moves_as_if_every_frame_were_drawn_in_full(moving):
    person, full = moving
    motion = np.abs(full(1) - full(0)).mean()
    for strength in np.linspace(0.1, 0.9, 5):
        assert np.abs(person.draw(strength) - full(strength)).mean() < 0.15 * motion


@pytest.mark.parametrize("pose", [{"dx": 0.02}, {"dy": -0.02}, {"roll": 0.02}, {"yaw": 0.02}])
def test_the_head_moves_as_if_every_frame_were_drawn_in_full(pose, moving):
    person, full = moving
    there = full(0, **pose)
    same, opposite = (
        np.abs(
            person.draw(
                0.0,
                (s * pose.get("dx", 0), s * pose.get("dy", 0)),
                s * pose.get("roll", 0),
                s * pose.get("yaw", 0),
            )
            - there
        ).mean()
        for s in (1, -1)
    )
    assert same < 0.5 * opposite


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
