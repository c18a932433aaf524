import errno
import os
import zipfile

import cv2
import numpy as np
import pytest

from keras_mer.data import containers, loading
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError


def make(root, *paths):
    return Manifest(tuple(Sample(p, "happy") for p in paths), root, ("happy",))


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (12, 48, 48), np.uint8)


@pytest.fixture
def mixed(tmp_path, noise):
    """The same 12 images as files, as csv rows and in two archives, out of order."""
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i}.png"), noise[i])
    rows = [f"0,{' '.join(map(str, image.ravel()))},Training" for image in noise]
    (tmp_path / "a.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.write(tmp_path / "a.csv", "in/a.csv")
        for i in range(12):
            file.write(tmp_path / f"{i}.png", f"in/{i}.png")
    order = [5, 0, 11, 3, 3]
    paths = [
        form.format(i)
        for i in order
        for form in ("{}.png", "a.csv#{}", "b.zip!in/a.csv#{}", "b.zip!in/{}.png")
    ]
    return make(tmp_path, *paths), np.repeat(noise[order], 4, axis=0)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("a/b.png", ("a/b.png", "", None, None)),
        ("fer2013.csv#17", ("fer2013.csv", "", 17, None)),
        ("x/fer.zip!in/fer2013.csv#17", ("x/fer.zip", "in/fer2013.csv", 17, None)),
        ("fer.tar.gz!in/1.png", ("fer.tar.gz", "in/1.png", None, None)),
        ("wow!/c#1.png", ("wow!/c#1.png", "", None, None)),
        ("a@b.jpg@4,-5,60,70", ("a@b.jpg", "", None, (4, -5, 60, 70))),
        ("x.zip!in/1.png@4,5,60,70", ("x.zip", "in/1.png", None, (4, 5, 60, 70))),
        ("a.jpg@4,5,60", ("a.jpg@4,5,60", "", None, None)),
    ],
)
def test_a_path_is_parsed(path, address):
    assert containers.parse(path) == address


def test_every_kind_of_path_gives_its_image_in_row_order(mixed):
    manifest, wanted = mixed
    got = loading.load_images(manifest, 48, 48, 1)
    assert got.shape == (20, 48, 48, 1) and got.dtype == np.uint8
    np.testing.assert_array_equal(got[..., 0], wanted)
    native = dict(loading.load_native(manifest))
    np.testing.assert_array_equal([native[i] for i in range(20)], wanted)


def test_a_box_is_cut_out_of_any_kind_of_image(mixed, noise):
    root = mixed[0].root
    paths = [f"{p}@{box}" for p in ("3.png", "a.csv#3", "b.zip!in/3.png")
             for box in ("10,20,15,16", "0,0,48,48", "-2,40,10,20")]  # fmt: skip
    native = dict(loading.load_native(make(root, *paths, "b.zip!in/3.png")))
    for start in (0, 3, 6):
        np.testing.assert_array_equal(native[start], noise[3][20:36, 10:25])
        np.testing.assert_array_equal(native[start + 1], noise[3])
        outside = native[start + 2]  # what lies outside repeats the border
        assert outside.shape == (20, 10)
        np.testing.assert_array_equal(outside[:8, 2:], noise[3][40:, :8])
        np.testing.assert_array_equal(outside[8:, 2:], np.repeat(noise[3][47:, :8], 12, axis=0))
    np.testing.assert_array_equal(native[9], noise[3])
    reasons = loading.check(make(root, "3.png@48,0,5,5", "3.png@-9,0,9,9", "3.png@0,0,0,5"))
    assert sorted(reasons) == [0, 1, 2]
    assert reasons[0] == "3.png@48,0,5,5: the box lies outside the image of 48x48 pixels"


def test_each_container_is_opened_once(mixed, monkeypatch):
    opened = []
    real = containers.open_file
    monkeypatch.setattr(containers, "open_file", lambda *a: opened.append(a) or real(*a))
    loading.load_images(mixed[0], 48, 48, 1)
    assert len(opened) == 2  # the csv, and the csv in the archive


def test_images_have_the_size_and_channels_of_the_model(tmp_path):
    blue = np.zeros((30, 20, 3), np.uint8)
    blue[..., 0] = 255
    cv2.imwrite(str(tmp_path / "color.png"), blue)
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((64, 64), 200 * 257, np.uint16))
    cv2.imwrite(str(tmp_path / "clear.png"), np.zeros((9, 9, 4), np.uint8))
    manifest = make(tmp_path, "color.png", "deep.png", "clear.png")
    got = loading.load_images(manifest, 16, 24, 3)
    assert got.shape == (3, 16, 24, 3)
    np.testing.assert_array_equal(got[:, 8, 8], [[0, 0, 255], [200] * 3, [255] * 3])  # RGB
    assert loading.load_images(manifest, 16, 24, 1)[0, 8, 8] == round(0.114 * 255)


def test_progress_counts_every_image(mixed):
    seen = []

    def progress(items, description, total):
        for item in items:
            seen.append(total)
            yield item

    loading.load_images(mixed[0], 8, 8, 1, progress=progress)
    assert seen == [20] * 20


def test_the_cache_is_used_until_a_file_changes(tmp_path, mixed, monkeypatch):
    manifest, wanted = mixed
    cache = tmp_path / "cache"
    loading.load_images(manifest, 48, 48, 1, cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "each", None)  # nothing is decoded again
        got = loading.load_images(manifest, 48, 48, 1, cache=cache)
    np.testing.assert_array_equal(got[..., 0], wanted)
    assert not got.flags.writeable
    assert loading.load_images(manifest, 24, 24, 1, cache=cache).shape == (20, 24, 24, 1)
    cv2.imwrite(str(tmp_path / "5.png"), np.full((48, 48), 9, np.uint8))
    assert (loading.load_images(manifest, 48, 48, 1, cache=cache)[0] == 9).all()
    few = manifest.replace(manifest.samples[1:3])
    np.testing.assert_array_equal(
        loading.load_images(few, 48, 48, 1, cache=cache)[..., 0], wanted[1:3]
    )


def test_a_full_disk_prevents_only_the_cache(tmp_path, mixed, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    got = loading.load_images(mixed[0], 48, 48, 1, cache=tmp_path / "cache")
    np.testing.assert_array_equal(got[..., 0], mixed[1])
    assert "No space left on device" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture
def broken(tmp_path, mixed):
    manifest, _ = mixed
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "b.zip").read_bytes()[:5000])
    more = ["zero.png", "half.png", "text.png", "gone.png", "a.csv#99", "b.zip!in/no.png",
            "cut.zip!in/1.png", "gone.csv#0"]  # fmt: skip
    return make(tmp_path, *(s.path for s in manifest), *more)


def test_check_finds_the_unreadable_rows(broken):
    reasons = loading.check(broken)
    named = {broken.samples[i].path: reason for i, reason in reasons.items()}
    expected = {
        "zero.png": "zero.png: empty file (0 bytes)",
        "half.png": "half.png: truncated image (no end marker after",
        "text.png": "text.png: not an image OpenCV can read (13 bytes)",
        "gone.png": "gone.png: No such file",
        "a.csv#99": "a.csv: no row 99 in it",
        "b.zip!in/no.png": "b.zip: no in/no.png in it",
        "cut.zip!in/1.png": "cut.zip: broken or cut-off archive",
        "gone.csv#0": "gone.csv: no such file",
    }
    assert named.keys() == expected.keys()
    for path, words in expected.items():
        assert words in named[path]


def test_loading_stops_at_a_broken_image_and_names_it(broken, tmp_path):
    with pytest.raises(UserError, match=r"zero\.png: empty file"):
        loading.load_images(broken.replace(broken.samples[:21]), 48, 48, 1, cache=tmp_path / "c")
    assert not (tmp_path / "c").exists()
