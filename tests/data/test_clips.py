import cv2
import numpy as np
import pytest

from keras_mer.data import clips
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """A clip of frames 8..13 whose gray level is their number; a video of 6 frames likewise."""
    (tmp_path / "one").mkdir()
    for n in range(8, 14):
        cv2.imwrite(str(tmp_path / "one" / f"img{n}.png"), np.full((20, 24), n, np.uint8))
    video = cv2.VideoWriter(
        str(tmp_path / "two.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 50.0, (32, 32)
    )
    for n in range(6):
        video.write(np.full((32, 32, 3), 40 * n, np.uint8))
    video.release()
    return tmp_path


def manifest(folder, *samples):
    return Manifest(samples, folder, ("happy",))


def grays(frames):
    return [int(f[0, 0]) for f in frames.images]


def test_frames_are_sorted_by_number_and_the_longer_series_is_read(folder):
    (folder / "one" / "reg_img8.png").write_bytes(b"")
    (folder / "one" / "notes.txt").write_text("")
    (folder / "one" / "._img9.png").write_bytes(b"")
    assert list(clips.frame_files(folder / "one")) == [8, 9, 10, 11, 12, 13]
    frames = clips.read(folder / "one", 9, 11)
    assert frames.numbers.tolist() == [9, 10, 11] == grays(frames)
    assert len(frames) == 3


def test_videos_count_from_zero(folder):
    frames = clips.read(folder / "two.avi", 2, 4)
    assert frames.numbers.tolist() == [2, 3, 4] and frames.fps == 50
    assert [round(float(f.mean()) / 40) for f in frames.images] == [2, 3, 4]
    assert clips.count_video(folder / "two.avi") == 6
    few = clips.read(folder / "two.avi", 1, 5, most=3)
    assert few.numbers.tolist() == [1, 3, 5]
    assert [round(float(f.mean()) / 40) for f in few.images] == [1, 3, 5]


@pytest.mark.parametrize(
    ("which", "window", "expected"),
    [
        ("all", 0, [8, 9, 10, 11, 12, 13]),
        ("expression", 0, [9, 10, 11, 12]),
        ("expression", 1, [8, 9, 10, 11, 12, 13]),
        ("rise", 0, [9, 10, 11]),
        ("apex", 0, [11]),
        ("apex", 1, [10, 11, 12]),
    ],
)
def test_selections_by_annotation(folder, which, window, expected):
    sample = Sample("one", "happy", onset=9, apex=11, offset=12, fps=100)
    frames = clips.load(manifest(folder, sample), sample, which, window)
    assert frames.numbers.tolist() == expected and frames.fps == 100


@pytest.mark.parametrize(
    ("which", "expected"),
    [("all", 6), ("expression", 6), ("rise", 3), ("apex", 1)],
)
def test_missing_annotations_are_taken_from_the_clip(folder, which, expected):
    sample = Sample("one", "happy")
    assert len(clips.load(manifest(folder, sample), sample, which)) == expected
    half = Sample("one", "happy", onset=10, offset=12)  # SMIC has no apex
    frames = clips.load(manifest(folder, half), half, "rise")
    assert frames.numbers.tolist() == [10, 11]


def test_arrays_are_stacked_and_cached(folder, tmp_path):
    samples = [
        Sample("one", "happy", onset=8, offset=12),
        Sample("one", "happy", onset=9, offset=13),
    ]
    calls = []

    def ends(frames, sample):
        calls.append(sample)
        return np.stack([frames.images[0], frames.images[-1]])

    cache = tmp_path / "cache"
    rows = manifest(folder, *samples)
    first = clips.load_clips(rows, ends, "ends", cache=cache)
    assert first.shape == (2, 2, 20, 24) and first[:, :, 0, 0].tolist() == [[8, 12], [9, 13]]
    again = clips.load_clips(rows, ends, "ends", cache=cache)
    assert isinstance(again, np.memmap) and (again == first).all() and len(calls) == 2
    clips.load_clips(rows, ends, "other settings", cache=cache)
    assert len(calls) == 4
    (folder / "one" / "img8.png").unlink()  # the files changed: made anew
    fresh = clips.load_clips(rows, ends, "ends", cache=cache)
    assert fresh[0, 0, 0, 0] == 9
    with pytest.raises(
        UserError, match=r"one: an array of \(4, 20, 24\) where the first clip gave"
    ):
        clips.load_clips(
            manifest(folder, Sample("one", onset=9, offset=13), Sample("one", onset=10, offset=13)),
            lambda frames, sample: np.stack(frames.images),
            "all",
        )


def test_unreadable_clips_are_named(folder):
    with pytest.raises(UserError, match="nowhere: no folder of frames and no video file"):
        clips.read(folder / "nowhere")
    with pytest.raises(UserError, match="one: no frames from 90 to 99"):
        clips.read(folder / "one", 90, 99)
    (folder / "bad.avi").write_bytes(b"no video")
    with pytest.raises(UserError, match="bad.avi: not a video that OpenCV can read"):
        clips.read(folder / "bad.avi")
    cv2.imwrite(str(folder / "one" / "img14.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(UserError, match=r"one: frame 14 is 9x9 gray, frame 8 24x20 gray"):
        clips.read(folder / "one")
    sample = Sample("one", "happy")
    with pytest.raises(UserError, match=r"'apx' \(did you mean 'apex'\?\); known: all, expression"):
        clips.load(manifest(folder, sample), sample, "apx")
