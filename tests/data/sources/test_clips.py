import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import clips as frames
from keras_mer.data import sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY


@pytest.fixture
def folder(tmp_path):
    """Two folders of frames 10..15 and one video of 8 frames."""
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for n in range(10, 16):
            cv2.imwrite(
                str(tmp_path / name / f"f{n}.png"), rng.integers(0, 255, (20, 20), np.uint8)
            )
    video = cv2.VideoWriter(
        str(tmp_path / "three.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 50.0, (32, 32)
    )
    for _ in range(8):
        video.write(rng.integers(0, 255, (32, 32, 3), np.uint8))
    video.release()
    return tmp_path


def write(folder, *rows, header="path,label,subject,onset,apex,offset,fps"):
    (folder / "clips.csv").write_text("\n".join([header, *rows]) + "\n")


def test_folders_and_videos(folder):
    write(
        folder,
        "one,happiness,p1,10,12,15,100",
        "two/,Disgust,p2,,,,",
        "three.avi,happy,p2,1,,7,",
    )
    manifest = sources.load("clips", folder, fps=30)
    assert manifest.classes == ("disgust", "happy")
    assert [(s.path, s.label, s.subject, s.onset, s.apex, s.offset, s.fps) for s in manifest] == [
        ("one", "happy", "p1", 10, 12, 15, 100.0),
        ("two", "disgust", "p2", None, None, None, 30.0),
        ("three.avi", "happy", "p2", 1, None, 7, 30.0),
    ]
    assert all(s.split == "" and not s.note for s in manifest)
    assert len(frames.load(manifest, manifest.samples[2], "expression")) == 7


def test_unusable_rows_are_dropped_with_the_reason(folder):
    write(
        folder,
        "one,happy,p1,10,9,15,100",
        "four,happy,p1,,,,",
        "three.avi,happy,p1,20,,30,",
        "../secret,happy,p1,,,,",
        "three.avi,glad,p1,1,2,x,fast",
    )
    with pytest.raises(UserError, match=r"no usable clip among 6 rows; the first: clips.csv row 2"):
        sources.load("clips", folder)
    with (folder / "clips.csv").open("a") as f:
        f.write("three.avi,sad,p3,0,2,4,\n")
    notes = [s.note for s in sources.load("clips", folder)]
    for note, expected in zip(
        notes,
        [
            "clips.csv row 2: apex 9 is outside onset..offset, 10..15",
            "clips.csv row 3: no folder and no video four",
            "clips.csv row 4: 0 of the frames 20..30 is there; its folder has 0..7",
            "clips.csv row 5: path '../secret' does not lie inside the folder",
            "clips.csv row 6: unknown class 'glad'",
            "",
            "two: frames without a row in clips.csv",
        ],
        strict=True,
    ):
        assert note.startswith(expected)
    assert "offset 'x' is not a frame number" in notes[4] and "fps 'fast'" in notes[4]


def test_a_renamed_column_and_no_csv(folder):
    with pytest.raises(UserError, match=r"no clips.csv here; expected clips.csv"):
        sources.load("clips", folder)
    write(folder, "one,happy,p1", header="path,meaning,subject")
    with pytest.raises(UserError, match=r"clips.csv row 1: no column 'label' \(did you mean"):
        sources.load("clips", folder)


def test_the_generator_writes_the_same_bytes_again(tmp_path):
    tiny = TINY | {"count": 2}
    for name in ("a", "b"):
        synthetic.write_casme2(tmp_path / name, **tiny)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert any(f.suffix == ".xlsx" for f in files)
    for f in files:
        assert (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes(), f
    with pytest.raises(UserError, match=r"unknown option 'intensty' \(did you mean 'intensity'"):
        synthetic.write_casme2(tmp_path / "c", intensty=1)
    with pytest.raises(UserError, match=r"duration must lie in 0.04 to 0.5 s"):
        synthetic.write_smic(tmp_path / "c", duration=(0.01, 0.2))
    with pytest.raises(UserError, match=r"SMIC has no class 'happy'"):
        synthetic.write_smic(tmp_path / "c", classes=("happy",))
