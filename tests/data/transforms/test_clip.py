"""Clips: equal augmentation of all frames; flow: negated when mirrored."""

import cv2
import keras
import numpy as np
import pytest

from keras_mer.config.recipe import Augment
from keras_mer.data import transforms
from keras_mer.data.transforms import clip
from keras_mer.errors import UserError
from keras_mer.kinds import KINDS


def apply(layers, x):
    for layer in layers:
        x = layer(x, training=True)
    return np.asarray(x)


def test_all_frames_of_a_clip_get_the_same_augmentation():
    random = np.random.default_rng(0)
    face = random.uniform(60, 190, (16, 16, 1)).astype(np.float32)
    clips = np.tile(face, (6, 4, 1, 1, 1))
    config = Augment(flip=True, shift=0.2, rotate=20, zoom=0.2, brightness=0.1, contrast=0.2)
    out = apply(clip.clip_layers(config, seed=1), clips)
    assert out.shape == clips.shape
    for frame in range(1, 4):
        np.testing.assert_allclose(out[:, frame], out[:, 0], atol=1e-3)
    assert all(np.abs(out[i, 0] - out[j, 0]).max() > 5 for i in range(6) for j in range(i))


def test_frames_that_differ_keep_their_order_and_channels():
    clips = np.zeros((2, 3, 8, 8, 2), np.float32)
    for frame in range(3):
        for channel in range(2):
            clips[:, frame, :, :, channel] = 10 * frame + channel
    out = apply(clip.clip_layers(Augment(shift=0.3)), clips)
    np.testing.assert_allclose(out, clips, atol=1e-4)


def test_a_mirrored_flow_image_is_the_flow_of_the_mirrored_face():
    """Compared with OpenCV's flow between the mirrored frames."""
    random = np.random.default_rng(3)
    before = cv2.GaussianBlur(random.integers(0, 256, (64, 64)).astype(np.uint8), (0, 0), 3)
    y, x = np.mgrid[:64, :64].astype(np.float32)
    push = 2.5 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 120)
    after = cv2.remap(before, x - push, y - push / 2, cv2.INTER_LINEAR)

    def image(a, b):
        uv = cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 5, 7, 1.5, 0)
        low, high = uv.min((0, 1)), uv.max((0, 1))
        uv = 255 * (uv - low) / (high - low)
        return np.concatenate([uv, np.zeros_like(uv[..., :1])], -1)

    mirrored = image(before[:, ::-1].copy(), after[:, ::-1].copy())
    got = np.asarray(clip.mirror_flow(image(before, after)[np.newaxis]))[0]
    # Farneback is not exactly symmetric; not turning u around would be far off
    assert np.abs(got - mirrored).mean() < 8
    plain = image(before, after)[:, ::-1]
    assert np.abs(plain[..., 0] - mirrored[..., 0]).mean() > 40


def test_flow_is_mirrored_with_probability_one_half():
    flow = np.random.default_rng(0).uniform(0, 255, (200, 4, 4, 3)).astype(np.float32)
    out = apply([clip.MirrorFlow(seed=2)], flow)
    mirrored = np.asarray(clip.mirror_flow(flow))
    same = np.isclose(out, flow).all((1, 2, 3))
    turned = np.isclose(out, mirrored).all((1, 2, 3))
    assert (same ^ turned).all() and 70 < turned.sum() < 130
    np.testing.assert_array_equal(clip.MirrorFlow()(flow, training=False), flow)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_survive_their_config(kind):
    for layer in transforms.random_layers(Augment(), kind, seed=5):
        config = keras.saving.serialize_keras_object(layer)
        again = keras.saving.deserialize_keras_object(config)
        assert keras.saving.serialize_keras_object(again) == config


@pytest.mark.parametrize(
    ("kind", "key"),
    [(k.name, key) for k in KINDS.values() for key in k.refused],
)
def test_a_transform_without_meaning_for_the_kind_is_refused(kind, key):
    with pytest.raises(UserError, match=f"augment.{key}: not available for models of kind {kind}"):
        transforms.random_layers(Augment(**{key: 0.5}), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_made_where_nothing_is_asked_for(kind):
    assert transforms.random_layers(Augment(flip=False, shift=0, rotate=0, zoom=0), kind) == []


def test_the_mirror_image_of_arrays_is_that_of_the_layers():
    flow = np.random.default_rng(0).uniform(0, 255, (3, 4, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(
        transforms.mirror(flow, "flow"), np.asarray(clip.mirror_flow(flow)), rtol=1e-6
    )
    np.testing.assert_array_equal(transforms.mirror(flow, "image"), flow[:, :, ::-1])
    clips = flow[:, None]
    np.testing.assert_array_equal(transforms.mirror(clips, "clip"), clips[..., ::-1, :])
