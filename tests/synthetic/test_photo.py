"""Synthetic photographs and their face boxes."""

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def test_a_photo_states_its_face_boxes():
    photo = synthetic.draw_photo(["happy", "sad", "anger"], seed=1)
    assert photo.image.shape == (480, 640, 3) and photo.image.dtype == np.uint8
    assert photo.expressions == ("happy", "sad", "angry") and len(set(photo.subjects)) == 3
    assert photo.boxes.shape == (3, 4)
    assert (photo.boxes[:, :2] >= 0).all()
    assert (photo.boxes[:, :2] + photo.boxes[:, 2:] <= (640, 480)).all()
    assert (np.diff(photo.boxes[:, 0]) > 0).all()
    np.testing.assert_array_equal(
        photo.image, synthetic.draw_photo(["happy", "sad", "anger"], seed=1).image
    )


def test_the_haar_cascade_finds_faces_in_the_stated_boxes():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    hits = total = 0
    for index in range(6):
        photo = synthetic.draw_photo(1 + index, index=index)
        found = cascade.detectMultiScale(gray(photo.image), 1.1, 5, minSize=(40, 40))
        for x, y, w, h in photo.boxes:
            total += 1
            hits += any(
                abs(a + c / 2 - x - w / 2) < 0.25 * w and abs(b + d / 2 - y - h / 2) < 0.25 * h
                for a, b, c, d in found
            )
    assert hits >= 0.85 * total


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: synthetic.draw_photo(0), "got 0"),
        (lambda: synthetic.draw_photo(50), "room for 1 to"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
