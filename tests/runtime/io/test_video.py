import time

import cv2
import numpy as np
import pytest

from keras_mer.errors import UserError
from keras_mer.runtime.io import camera
from keras_mer.runtime.io.frame_reader import Frame, FrameReader
from keras_mer.runtime.io.video import open_source
from tests.face.drawing import scene


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(camera, "_PAUSE", 0.01)


def test_every_frame_of_a_file_in_order(video):
    with FrameReader(open_source(str(video))) as reader:
        frames = []
        for frame in reader:
            frames.append((frame.index, frame.time))
            if frame.index == 10:
                time.sleep(0.3)  # a slow consumer loses nothing
    assert [index for index, _ in frames] == list(range(100))
    assert frames[50][1] == pytest.approx(2.0)
    assert reader.dropped == 0 and reader.fault is None


def test_a_truncated_file_ends_with_the_reason(video, tmp_path):
    data = video.read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(data[: len(data) // 2])
    with FrameReader(open_source(str(path))) as reader:
        count = sum(1 for _ in reader)
    assert 20 < count < 80
    assert reader.fault.endswith("of 100 frames; the file is cut off or damaged") or count < 80


def test_a_folder_of_images_skips_unreadable_files(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(size=(64, 48 + number)))
    (tmp_path / "1.png").write_bytes(b"")
    lines = []
    source = open_source(str(tmp_path), log=lines.append)
    assert source.expected == 3
    frames = list(FrameReader(source))
    assert [frame.image.shape[0] for frame in frames] == [48, 50]
    assert all(frame.cut for frame in frames)
    assert len(lines) == 1 and "1.png: empty file" in lines[0]


def test_a_replay_runs_in_real_time_and_repeats(video):
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
            self.asked += 1  # so the frames before this one were read
            time.sleep(0.001)
            return Frame(np.zeros((4, 4, 3), np.uint8), self.asked, 0.0, time.monotonic())

    source = Quick()
    with FrameReader(source) as reader:
        first = reader.read().index
        wanted = source.asked + 5
        while source.asked < wanted:
            time.sleep(0.005)
        newest = reader.read().index
        assert newest >= wanted - 1 >= first + 3
        assert reader.dropped >= newest - 2  # all but the two that were taken


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing.mp4", r"nothing\.mp4: no such source; expected a camera number, a video file"),
        ("63", r"camera 63: gives no picture \(missing, or another program has it; tried 4 times"),
        ("http://127.0.0.1:9/x.mjpg", r"gives no picture \(no answer; tried 4 times\)"),
    ],
)
def test_a_missing_source_is_a_one_line_error(spec, message, capfd):
    with pytest.raises(UserError, match=message):
        open_source(spec)
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_video_is_a_one_line_error(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(UserError, match="not a video OpenCV can read"):
        open_source(str(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in this folder"):
        open_source(str(tmp_path / "empty"))


def test_a_stream_that_ends_is_reopened_and_then_given_up(stream):
    lines = []
    with FrameReader(open_source(stream.url, log=lines.append)) as reader:
        count = sum(1 for _ in reader)
    assert 1 <= count <= 30
    assert lines == [f"{stream.url}: lost the picture, trying again"]
    assert "unplugged, or the stream ended" in reader.fault
    assert stream.asked == 5  # the first time, and four tries


def test_a_reopened_stream_continues(stream):
    stream.allowed = 2
    source = open_source(stream.url, log=lambda line: None)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    assert len(frames) > 35
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_black_frames_end_the_source_after_some_retries(stream, monkeypatch):
    monkeypatch.setattr(camera, "_BLACK_SECONDS", 0.05)
    stream.level, stream.allowed, stream.frames = 0, 99, 400
    lines = []
    source = open_source(stream.url, log=lines.append)
    while source.read() is not None:
        pass
    source.close()
    assert lines == [f"{stream.url}: gives only black frames, opening it again"] * 3
    assert "only black frames (lens covered" in source.fault


class Silent:
    """A camera whose driver does not return."""

    live, name, fault, fps, expected = True, "camera 7", None, 0.0, 0

    def read(self):
        time.sleep(1.5)

    def close(self):
        pass


def test_a_source_without_frames_times_out():
    with FrameReader(Silent(), timeout=0.1) as reader:
        assert list(reader) == []
    assert reader.fault == "camera 7: gave no frame for 0.1 s"


def test_an_error_of_the_source_reaches_the_consumer():
    class Failing(Silent):
        live = False

        def read(self):
            raise RuntimeError("broken driver")

    with FrameReader(Failing()) as reader, pytest.raises(RuntimeError, match="broken driver"):
        list(reader)


def test_frames_carry_the_time_of_reading(video):
    before = time.monotonic()
    frame = open_source(str(video)).read()
    assert isinstance(frame, Frame) and before <= frame.read_at <= time.monotonic()
