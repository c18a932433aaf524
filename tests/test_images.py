import io

import cv2
import numpy as np
import pytest

from keras_mer import images
from keras_mer.errors import UserError


def encode(image, suffix=".png"):
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


@pytest.fixture
def ramp():
    return np.add.outer(np.arange(40), 4 * np.arange(50)).astype(np.uint8)


def test_gray_and_color_images_are_decoded_unchanged(ramp):
    color = np.dstack([ramp, ramp // 2, 255 - ramp])
    np.testing.assert_array_equal(images.decode(encode(ramp)), ramp)
    np.testing.assert_array_equal(images.decode(encode(color)), color)


def test_sixteen_bits_are_scaled_to_eight(ramp):
    wide = ramp.astype(np.uint16) * 257
    np.testing.assert_array_equal(images.decode(encode(wide)), ramp)
    color = np.dstack([wide] * 3)
    got = images.decode(encode(color))
    assert got.dtype == np.uint8
    np.testing.assert_allclose(got, np.dstack([ramp] * 3), atol=1)


def test_alpha_is_blended_with_white(ramp):
    alpha = np.full_like(ramp, 255)
    alpha[:, :10] = 0
    alpha[:, 10:20] = 51  # a fifth
    got = images.decode(encode(np.dstack([ramp, ramp, ramp, alpha])))
    assert got.shape == (40, 50, 3)
    assert (got[:, :10] == 255).all()
    wanted = 0.2 * ramp[:, 10:20].astype(float) + 0.8 * 255
    np.testing.assert_allclose(got[:, 10:20, 1], wanted, atol=0.51)
    np.testing.assert_array_equal(got[:, 20:, 2], ramp[:, 20:])


def test_floats_are_scaled_by_their_range():
    unit = np.array([[0.0, 0.5, 1.0, np.nan]], np.float32)
    np.testing.assert_array_equal(images.to_uint8(unit), [[0, 127, 255, 0]])
    wide = np.array([[0.0, 128.0, 300.0, -5.0]], np.float32)
    np.testing.assert_array_equal(images.to_uint8(wide), [[0, 128, 255, 0]])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_exif_rotation_is_applied(mode):
    from PIL import Image

    upright = np.zeros((16, 32), np.uint8)
    upright[:, 16:] = 255  # the right half is white
    picture = Image.fromarray(upright).convert(mode)
    exif = picture.getexif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees clockwise: right becomes bottom
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif, quality=100)
    got = images.decode(file.getvalue())
    assert got.shape[:2] == (32, 16)
    assert got[:12].mean() < 20 and got[-12:].mean() > 235


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_each_format_is_read(tmp_path, ramp, suffix):
    images.write(tmp_path / f"a{suffix}", ramp)
    got = images.read(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(images.convert(got, 1)[..., 0], ramp, atol=12)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.jpg: empty file \(0 bytes\)"):
        images.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_truncated_file_is_named(tmp_path, ramp, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    whole = encode(noise, suffix)
    file = tmp_path / f"a{suffix}"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=rf"a\{suffix}: truncated image \(no end marker after"):
        images.read(file)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("<html>not found</html>")
    with pytest.raises(UserError, match=r"a\.png: not an image OpenCV can read \(22 bytes\)"):
        images.read(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"b\.png: No such file"):
        images.read(tmp_path / "b.png")


def test_convert_weights_colors_and_copies_gray():
    color = np.array([[[10, 100, 200]]], np.uint8)  # BGR
    gray = images.convert(color, 1)
    # ITU-R BT.601 luma
    assert gray.shape == (1, 1, 1)
    assert gray[0, 0, 0] == round(0.114 * 10 + 0.587 * 100 + 0.299 * 200)
    three = images.convert(np.array([[7]], np.uint8), 3)
    np.testing.assert_array_equal(three, [[[7, 7, 7]]])


def test_prepare_gives_rgb_of_the_requested_size():
    blue = np.zeros((30, 20, 3), np.uint8)
    blue[..., 0] = 255
    got = images.prepare(blue, 12, 16, 3)
    assert got.shape == (12, 16, 3) and got.dtype == np.uint8
    np.testing.assert_array_equal(got[5, 5], [0, 0, 255])
    assert images.prepare(blue, 12, 16, 1).shape == (12, 16, 1)
    assert images.prepare(blue[..., 0], 60, 60, 3).shape == (60, 60, 3)


def test_shrinking_averages_pixels():
    fine = np.indices((8, 8)).sum(0).astype(np.uint8) % 2 * 200
    np.testing.assert_array_equal(images.resize(fine[..., None], 4, 4)[..., 0], 100)


def test_write_refuses_a_format_it_does_not_know(tmp_path, ramp):
    with pytest.raises(UserError, match=r"a\.xyz: OpenCV cannot write the format '\.xyz'"):
        images.write(tmp_path / "a.xyz", ramp)
    with pytest.raises(UserError, match="cannot write the format ''"):
        images.write(tmp_path / "a", ramp)
    assert list(tmp_path.iterdir()) == []
