"""Writers of synthetic CK+ datasets."""

import re
from collections import Counter

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.images import read


def test_ck48_has_three_frames_per_sequence(tmp_path):
    synthetic.write_ck48(tmp_path / "ck48", 14, 4)
    folders = sorted(p.name for p in (tmp_path / "ck48").iterdir())
    assert folders == ["anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"]
    files = list((tmp_path / "ck48").rglob("*.png"))
    assert len(files) == 42
    assert all(re.fullmatch(r"S\d{3}_\d{3}_\d{8}\.png", f.name) for f in files)
    assert set(Counter(f.name[:8] for f in files).values()) == {3}
    assert read(files[0]).shape == (48, 48)


def test_ckplus_goes_from_neutral_to_the_peak(tmp_path):
    synthetic.write_ckplus(tmp_path / "ck", 10, 4, size=64)
    sequences = sorted((tmp_path / "ck/cohn-kanade-images").glob("S*/*"))
    assert len(sequences) == 10 and sequences[0].relative_to(tmp_path / "ck").parts[1] == "S005"
    labels = list((tmp_path / "ck/Emotion").rglob("*_emotion.txt"))
    assert len(labels) == 8 and len(list((tmp_path / "ck/Emotion").glob("S*/*"))) == 10
    for label in labels:
        text = label.read_text()
        assert re.fullmatch(r"   [1-7]\.0000000e\+00\n", text)
        frames = sorted((tmp_path / "ck/cohn-kanade-images").glob(
            f"{label.parent.parent.name}/{label.parent.name}/*.png"))  # fmt: skip
        assert label.name == frames[-1].stem + "_emotion.txt"
        first, second, last = (read(frames[i]).astype(int) for i in (0, 1, -1))
        assert np.abs(last - first).mean() > np.abs(second - first).mean()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: synthetic.write_ckplus("x", frames=(1, 3)), "frames must be"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
