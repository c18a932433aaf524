import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import build, loading, sources
from keras_mer.data.manifest import Manifest
from keras_mer.errors import UserError

CODES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def save(root, faces, extra=""):
    """Photographs of two faces each, in a white background."""
    (root / "image/origin").mkdir(parents=True)
    (root / "label").mkdir()
    lines = []
    for code, label in enumerate(CODES):
        photo = np.full((120, 200), 255, np.uint8)
        for face, (top, left) in enumerate(((10, 20), (60, 130))):
            photo[top : top + 48, left : left + 48] = faces.draw(label)
            lines.append(f"{label}_1.png {face} {top} {left} {left + 48} {top + 48} 41.5 {code}\n")
        assert cv2.imwrite(str(root / "image/origin" / f"{label}_1.png"), photo)
    (root / "label/label.lst").write_text("".join(lines) + extra)


def test_faces_are_boxes_in_photographs(tmp_path, faces):
    save(tmp_path, faces)
    manifest = sources.load("expw", tmp_path)
    faces.check(manifest, source="expw")
    assert len(manifest) == 14 and manifest.counts("split") == {"": 14}
    assert manifest.samples[0].path == "image/origin/angry_1.png@20,10,48,48"
    assert set(manifest.counts("clip").values()) == {2}  # the faces of a photograph
    for _, image in loading.load_native(manifest):
        assert image.shape == (48, 48) and image.max() < 255


def test_a_margin_enlarges_the_box(tmp_path, faces):
    save(tmp_path, faces)
    manifest = sources.load("expw", tmp_path, margin=0.25)
    image = dict(loading.load_native(manifest))[0]
    assert image.shape == (72, 72)
    assert (image[12:60, 12:60] < 255).all() and (image[:12] == 255).all()
    for wrong in (3, "wide", True):
        with pytest.raises(UserError, match="margin: expected a share from -0.4 to 2"):
            sources.load("expw", tmp_path, margin=wrong)


def test_unusable_lines_are_dropped(tmp_path, faces):
    save(
        tmp_path,
        faces,
        "happy_1.png 0 1 2 3\n\nhappy_1.png 2 a 1 2 3 9 1\nhappy_1.png 3 9 9 9 20 9 1\n"
        "happy_1.png 4 1 1 20 20 9 7\nnone.png 0 1 1 20 20 9 1\n"
        "happy_1.png 5 10 20 68 58 9 3\n",  # the first face again
    )
    manifest = sources.load("expw", tmp_path)
    faces.check(manifest, source="expw")
    assert len(manifest) == 14 + 5
    assert [s.note.partition(": ")[2] for s in manifest if s.note] == [
        "expected 8 fields (image, face, top, left, right, bottom, confidence, expression), got 5",
        "the box 'a 1 2 3' is not four numbers",
        "the box '9 9 9 20' (top left right bottom) is empty",
        "'7' is not a code from 0 to 6",
        "no photograph none.png",
    ]
    assert "label.lst line 15: " in next(s.note for s in manifest if s.note)


def test_another_layout_is_refused(tmp_path, faces):
    faces.save(tmp_path / "origin" / "a.png", "happy")
    with pytest.raises(UserError, match="no label.lst here; download ExpW"):
        sources.load("expw", tmp_path)
    (tmp_path / "label.lst").write_text("b.png 0 1 1 9 9 9 1\n")
    with pytest.raises(UserError, match=r"no usable line in label.lst; the first: .* b.png; "):
        sources.load("expw", tmp_path)


def test_a_split_keeps_the_faces_of_a_photograph_together(tmp_path):
    synthetic.write_expw(tmp_path / "expw", 42, 7, size=160)
    spec = {"expw": tmp_path / "expw"}
    built, _ = build.build(spec, split="stratified", fractions=(0.5, 0.25, 0.25))
    built.write(tmp_path / "manifests" / "expw.csv")
    manifest = Manifest.read(tmp_path / "manifests" / "expw.csv")
    parts = {s.clip: set() for s in manifest}
    for s in manifest:
        parts[s.clip].add(s.split)
    assert len(manifest) == 63 and all(len(found) == 1 for found in parts.values())
    assert loading.check(manifest) == {}


def test_drawn(tmp_path):
    synthetic.write_expw(tmp_path / "drawn", 14, 5, size=160)
    manifest = sources.load("expw", tmp_path / "drawn")
    assert len(manifest) == 21 and set(manifest.counts("label")) == set(CODES)
    assert loading.load_images(manifest, 48, 48, 1).std() > 10
