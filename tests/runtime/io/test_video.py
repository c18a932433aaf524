import time

import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.runtime.io import video as sources
from keras_mer.runtime.io.frame_reader import Grabber
from keras_mer.runtime.io.video import Frame, open_source
from tests.face.drawing import scene


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(sources, "_PAUSE", 0.01)


def test_every_frame_of_a_file_in_order(video):
    with Grabber(open_source(str(video))) as grabber:
        frames = []
        for frame in grabber:
            frames.append((frame.index, frame.time))
            if frame.index == 10:
                time.sleep(0.3)  # a slow consumer loses nothing
    assert [index for index, _ in frames] == list(range(100))
    assert frames[50][1] == pytest.approx(2.0)
    assert grabber.dropped == 0 and grabber.fault is None


def test_a_file_cut_off_in_the_middle_ends_with_the_reason(video, tmp_path):
    data = video.read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(data[: len(data) // 2])
    with Grabber(open_source(str(path))) as grabber:
        count = sum(1 for _ in grabber)
    assert 20 < count < 80
    assert grabber.fault.endswith("of 100 frames; the file is cut off or damaged") or count < 80


def test_a_folder_of_images_skips_what_cannot_be_read(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(size=(64, 48 + number)))
    (tmp_path / "1.png").write_bytes(b"")
    lines = []
    source = open_source(str(tmp_path), say=lines.append)
    assert source.expected == 3
    frames = list(Grabber(source))
    assert [frame.image.shape[0] for frame in frames] == [48, 50]
    assert all(frame.cut for frame in frames)
    assert len(lines) == 1 and "1.png: empty file" in lines[0]


def test_a_replay_keeps_its_pace_and_starts_over(video):
    source = open_source(str(video), as_camera=True)
    source.fps = 200.0
    frames = [source.read() for _ in range(120)]
    assert all(frame.time >= frame.index / 200 - 1e-6 for frame in frames)  # never early
    assert [frame.index for frame in frames] == list(range(120))
    source.close()


def test_the_newest_frame_of_a_live_source():
    class Quick(Silent):
        asked = 0

        def read(self):
            self.asked += 1  # so the frames before this one lie with the grabber
            time.sleep(0.001)
            return Frame(np.zeros((4, 4, 3), np.uint8), self.asked, 0.0, time.monotonic())

    source = Quick()
    with Grabber(source) as grabber:
        first = grabber.read().index
        wanted = source.asked + 5
        while source.asked < wanted:
            time.sleep(0.005)
        newest = grabber.read().index
        assert newest >= wanted - 1 >= first + 3
        assert grabber.dropped >= newest - 2  # all but the two that were taken


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing.mp4", r"nothing\.mp4: no such source; expected a camera number, a video file"),
        ("63", r"camera 63: gives no picture \(missing, or another program has it; tried 4 times"),
        ("http://127.0.0.1:9/x.mjpg", r"gives no picture \(no answer; tried 4 times\)"),
    ],
)
def test_a_source_that_is_not_there_is_one_line(spec, message, capfd):
    with pytest.raises(UserError, match=message):
        open_source(spec)
    assert capfd.readouterr().err == ""


def test_what_is_no_video_is_one_line(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(UserError, match="not a video OpenCV can read"):
        open_source(str(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in this folder"):
        open_source(str(tmp_path / "empty"))


def test_a_stream_that_dies_in_the_middle(stream):
    lines = []
    with Grabber(open_source(stream.url, say=lines.append)) as grabber:
        count = sum(1 for _ in grabber)
    assert 1 <= count <= 30
    assert lines == [f"{stream.url}: lost the picture, trying again"]
    assert "unplugged, or the stream ended" in grabber.fault
    assert stream.asked == 5  # the first time, and four tries


def test_a_stream_that_comes_back_goes_on(stream):
    stream.allowed = 2
    source = open_source(stream.url, say=lambda line: None)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    assert len(frames) > 35
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_black_frames_end_it_after_some_tries(stream, monkeypatch):
    monkeypatch.setattr(sources, "_BLACK_SECONDS", 0.05)
    stream.level, stream.allowed, stream.frames = 0, 99, 400
    lines = []
    source = open_source(stream.url, say=lines.append)
    while source.read() is not None:
        pass
    source.close()
    assert lines == [f"{stream.url}: gives only black frames, opening it again"] * 3
    assert "only black frames (lens covered" in source.fault


class Silent:
    """A camera whose driver hangs."""

    live, name, fault, fps, expected = True, "camera 7", None, 0.0, 0

    def read(self):
        time.sleep(1.5)

    def close(self):
        pass


def test_a_driver_that_hangs_is_given_up():
    with Grabber(Silent(), patience=0.1) as grabber:
        assert list(grabber) == []
    assert grabber.fault == "camera 7: gave no frame for 0.1 s"


def test_an_error_of_the_source_reaches_the_consumer():
    class Failing(Silent):
        live = False

        def read(self):
            raise RuntimeError("broken driver")

    with Grabber(Failing()) as grabber, pytest.raises(RuntimeError, match="broken driver"):
        list(grabber)


def test_frames_carry_when_they_were_grabbed(video):
    before = time.monotonic()
    frame = open_source(str(video)).read()
    assert isinstance(frame, Frame) and before <= frame.grabbed <= time.monotonic()
