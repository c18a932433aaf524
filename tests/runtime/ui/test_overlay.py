import numpy as np
import pytest

from keras_mer.runtime import Face
from keras_mer.runtime.ui.layout import layout
from keras_mer.runtime.ui.overlay import color, draw_faces, text


def face(x, y, side):
    return Face(
        label="happy", confidence=0.7, probabilities={"happy": 0.7, "sad": 0.2, "neutral": 0.1},
        box=(x, y, side, side), score=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "faces",
    [
        [face(60, 60, 100)],
        [face(60, 60, 100), face(170, 70, 100)],  # no room between them
        [face(40, 40, 90), face(140, 40, 90), face(240, 40, 90), face(90, 150, 80)],
    ],
)
def test_bars_are_drawn_beside_the_faces_and_never_over_one(faces):
    plain = np.full((320, 400, 3), 120, np.uint8)
    with_bars = plain.copy()
    draw_faces(plain, faces, bars=False)
    draw_faces(with_bars, faces)
    changed = (plain != with_bars).any(2)
    assert changed.any()
    for x, y, width, height in (f.box for f in faces):
        assert not changed[y : y + height, x : x + width].any()


def test_a_face_that_fills_the_picture_has_no_bars():
    image = np.full((100, 100, 3), 120, np.uint8)
    alone = image.copy()
    draw_faces(image, [face(2, 2, 96)])
    draw_faces(alone, [face(2, 2, 96)], bars=False)
    np.testing.assert_array_equal(image, alone)


def test_a_bar_is_as_long_as_its_probability():
    shares = {"happy": 0.5, "sad": 0.25, "neutral": 0.0}
    one = Face("happy", 0.5, shares, (60, 60, 100, 100), 1.0)
    image = np.full((480, 640, 3), 120, np.uint8)
    draw_faces(image, [one])
    (place,) = layout([one], image.shape)
    for row in place.panel.rows:
        x, y, width, height = row.track
        track = image[y : y + height, x : x + width]
        full = (track == color(row.name)).all(2).all(0)
        assert full.sum() == pytest.approx(shares[row.name] * width, abs=1)
        assert full[: full.sum()].all()  # from the left, without a letter on it


def test_text_stands_out_from_any_background():
    for level in (0, 128, 255):
        image = np.full((480, 640, 3), level, np.uint8)
        draw_faces(image, [face(200, 200, 100)])
        (place,) = layout([face(200, 200, 100)], image.shape)
        for x, y, width, height in (place.label, place.panel.box):
            plate = image[y : y + height, x : x + width]
            assert plate.max() == 255 and np.percentile(plate, 20) < 90


def test_text_is_moved_into_the_image():
    image = np.zeros((100, 200, 3), np.uint8)
    x, y, width, height = text(image, "25 fps", (500, -9), 12)
    assert (x + width, y) == (200, 0)
    image[y : y + height, x : x + width] = 0
    assert not image.any()
