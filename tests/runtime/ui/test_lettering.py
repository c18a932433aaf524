import numpy as np
import pytest

from keras_mer.runtime.ui.lettering import measure, write


@pytest.mark.parametrize("size", [8, 10.5, 13.3, 30, 60])
def test_letters_are_as_high_as_asked_and_lie_in_their_rectangle(size):
    width, height = measure("Eg happy 88%", size)
    image = np.zeros((height + 40, width + 40, 3), np.uint8)
    write(image, "Eg happy 88%", (20, 20), size, (255, 255, 255))
    ys, xs = np.nonzero(image[..., 0] > 60)
    assert ys.min() >= 20 and ys.max() < 20 + height and xs.min() >= 20 and xs.max() < 20 + width
    capital = np.zeros_like(image)
    write(capital, "E", (20, 20), size, (255, 255, 255))
    ys, _ = np.nonzero(capital[..., 0] > 60)
    assert np.ptp(ys) + 1 == pytest.approx(size, abs=2 + 0.1 * size)


def test_text_has_its_color_and_is_cut_at_the_border():
    image = np.full((40, 60, 3), 30, np.uint8)
    write(image, "III", (10, 10), 20, (10, 200, 250))
    assert (image == (10, 200, 250)).all(2).any()
    before = image.copy()
    for origin in ((-500, 0), (0, -500), (60, 0), (0, 40)):
        write(image, "I", origin, 20, (255, 255, 255))
    np.testing.assert_array_equal(image, before)
    write(image, "mm", (45, 30), 20, (255, 255, 255))
    assert image.max() == 255
