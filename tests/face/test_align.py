import cv2
import numpy as np
import pytest

from keras_mer.face.align import EYES, align, block_mean, crop
from tests.face.drawing import scene


def test_crop_cuts_the_box_with_its_margin():
    image = np.arange(100 * 80, dtype=np.int64).reshape(100, 80)
    assert np.array_equal(crop(image, (10, 20, 30, 30)), image[20:50, 10:40])
    assert np.array_equal(crop(image, (20, 40, 20, 20), 0.25), image[35:65, 15:45])


def test_crop_over_the_border_repeats_the_border():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    out = crop(image, (-2, -1, 4, 4))
    assert out.shape == (4, 4)
    assert np.array_equal(out[:, 2:], np.concatenate([image[:1, :2], image[:3, :2]]))
    assert np.array_equal(out[:, 0], out[:, 2])
    assert crop(image, (-50, -50, 10, 10)).shape == (10, 10)
    assert crop(image, (1, 1, 0, 0)).shape == (1, 1)


def test_crop_is_a_copy():
    image = np.zeros((8, 8), np.uint8)
    crop(image, (0, 0, 4, 4))[...] = 1
    assert not image.any()


@pytest.mark.parametrize("angle", [0, 25, -40])
@pytest.mark.parametrize("zoom", [0.5, 1.0, 6.0])
@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_align_puts_the_eyes_at_the_constant_positions(angle, zoom, margin):
    image = np.full((300, 400, 3), 200, np.uint8)
    eyes = np.array([[160.0, 140.0], [230.0, 140.0]])
    turn = cv2.getRotationMatrix2D((195, 140), angle, zoom)
    turn[:, 2] += (zoom - 1) * np.array([195, 140])
    eyes = eyes @ turn[:, :2].T + turn[:, 2]
    size = round(400 * max(zoom, 1)), round(300 * max(zoom, 1))
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    for eye in eyes:
        spot = tuple(int(v) for v in eye.round())
        cv2.circle(image, spot, max(3, round(6 * zoom)), (0, 0, 0), cv2.FILLED)
    out = align(image, [tuple(eye) for eye in eyes], 96, margin)
    assert out.shape == (96, 96, 3)
    dark = (out[..., 0] < 100).astype(np.uint8)
    count, _, _, centers = cv2.connectedComponentsWithStats(dark)
    assert count == 3
    expected = [
        (96 * (margin + x) / (1 + 2 * margin), 96 * (margin + y) / (1 + 2 * margin))
        for x, y in EYES
    ]
    found = sorted(map(tuple, centers[1:]))
    assert np.allclose(found, expected, atol=1.5)


def test_align_levels_a_tilted_face_like_the_straight_one():
    straight = scene((160, 120, 120, 200))
    eyes = [(160 - 22.2, 106.8), (160 + 22.2, 106.8)]
    turn = cv2.getRotationMatrix2D((160, 120), 20, 1.0)
    tilted = cv2.warpAffine(straight, turn, (320, 240), borderMode=cv2.BORDER_REPLICATE)
    moved = [tuple(turn @ (*eye, 1)) for eye in eyes]
    one, other = align(straight, eyes, 48), align(tilted, moved, 48)
    assert np.abs(one.astype(int) - other).mean() < 4


def test_align_accepts_gray_images_and_coinciding_eyes():
    assert align(np.zeros((50, 50), np.uint8), [(25, 25), (25, 25)], 48).shape == (48, 48)


def test_block_mean():
    image = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7)
    assert np.array_equal(block_mean(image, 2)[0], [4, 6, 8])
    assert block_mean(image, 99).shape == (1, 1)
