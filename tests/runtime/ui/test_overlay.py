import numpy as np
import pytest

from keras_mer.runtime import Face
from keras_mer.runtime.ui.overlay import draw_faces


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
