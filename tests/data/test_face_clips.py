import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.data.face_clips import load_faces
from keras_mer.errors import UserError


def test_clips_of_different_length_become_one_array(tmp_path):
    truth = synthetic.write_smic(
        tmp_path / "smic", count=3, subjects=3, size=96, edition="raw", duration=(0.05, 0.12)
    )
    manifest = sources.load("smic", tmp_path / "smic")
    faces = load_faces(manifest, 6, 48, cache=tmp_path / "cache")
    assert faces.shape == (3, 6, 48, 48, 1) and faces.dtype == np.uint8
    assert len({t.offset - t.onset for t in truth}) > 1
    change = np.abs(faces[:, 0].astype(float) - faces[:, 3]).mean((1, 2, 3))
    assert (change > 0.2).all() and (change < 12).all()  # they move, and slightly
    assert isinstance(load_faces(manifest, 6, 48, cache=tmp_path / "cache"), np.memmap)
    larger = load_faces(manifest, 6, 48, magnify=5.0, interpolation="tim")
    swing = [clip.astype(float).std(1).mean() for clip in (faces, larger)]
    assert swing[1] > 1.2 * swing[0]
    with pytest.raises(UserError, match="expected 1 frame and 16 pixels or more, got 0 and 48"):
        load_faces(manifest, 0, 48)
