import time

import numpy as np
import pytest

from keras_mer import images
from keras_mer.runtime.io.frame_reader import FrameReader
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.ui.gallery import Gallery
from tests.runtime.conftest import wait_for

pytest.importorskip("tkinter", reason="this Python has no Tkinter")


@pytest.fixture
def window(display, recogniser, video, tmp_path, monkeypatch):
    """The window on an X display, with one picture in its gallery and one broken file."""
    from keras_mer.runtime.ui.capture import CaptureWindow

    monkeypatch.setenv("DISPLAY", display.name)
    gallery = Gallery(tmp_path / "gallery", recogniser.classes)
    gallery.save(np.full((60, 60, 3), 10, np.uint8), "happy")
    (tmp_path / "gallery/sad").mkdir()
    (tmp_path / "gallery/sad/broken.png").write_bytes(b"")
    reader = FrameReader(open_source(str(video), as_camera=True))
    window = CaptureWindow(reader, Pipeline(recogniser), gallery)
    yield window
    if window.root.children:
        window.close()


def until(window, condition, seconds=40.0):
    """Process the window's events until `condition()`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        window.root.update()
        time.sleep(0.005)


def click(window, display, widget):
    """Click on a widget with the mouse."""
    window.root.update()
    x = widget.winfo_rootx() + widget.winfo_width() // 2
    y = widget.winfo_rooty() + widget.winfo_height() // 2
    display.tool("mousemove", x, y, "click", 1)


def press(window, display, key):
    display.tool("windowfocus", window.root.winfo_id())
    window.root.focus_force()
    window.root.update()
    display.tool("key", key)


def test_space_and_button_capture_the_face(window, display):
    assert len(window.cards) == 1
    until(window, lambda: window._faces)
    press(window, display, "space")
    until(window, lambda: len(window.cards) == 2)
    click(window, display, window.button)
    until(window, lambda: len(window.cards) == 3)
    label = window.cards[0].picture.label
    assert label == window.cards[0].label.get() and label in ("sad", "neutral", "happy")
    crop = images.read(window.cards[0].picture.path)
    assert crop.shape[0] == crop.shape[1] > 80 and crop.std() > 15
    assert "3 faces" not in window.count["text"] and "4 faces" in window.count["text"]
    # The thumbnails and the live picture are on the screen.
    picture = display.picture()
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_a_chosen_label_overrides_the_prediction(window, display):
    until(window, lambda: window._faces)
    window.label.set("neutral")
    picture = window.capture()
    assert picture.label == "neutral" and picture.path.parent.name == "neutral"


def test_relabel_and_delete(window, display):
    (card,) = window.cards
    assert card.prediction.label == "sad" and card.picture.label == "happy"
    assert str(card.prediction_text["foreground"]) == "#b00020"
    card.label.set("sad")
    card.label.event_generate("<<ComboboxSelected>>")
    window.root.update()
    assert card.picture.path.parent.name == "sad" and card.picture.path.exists()
    assert str(card.prediction_text["foreground"]) == "black"
    click(window, display, card.delete)
    until(window, lambda: card.delete["text"] == "sure?")
    assert card.picture.path.exists()
    click(window, display, card.delete)
    until(window, lambda: not window.cards)
    assert not card.picture.path.exists()


def test_without_a_face_nothing_is_saved(window):
    window._faces = []
    window._frame = np.zeros((10, 10, 3), np.uint8)
    assert window.capture() is None
    assert window.status["text"] == "no face in view"


def test_a_source_that_ends_leaves_the_gallery_open(window):
    window.reader.source._loops = 0
    until(window, lambda: "the source has ended" in window.status["text"])
    assert window.root.children


def test_the_script(start, display, tiny_model, video, tmp_path):
    process = start("capture.py", "--source", video, "--model", tiny_model, "--gallery", "g",
                    **display.env)  # fmt: skip
    window = display.window("keras_mer capture", process)
    time.sleep(1)
    display.tool("windowfocus", window)

    def captured():
        display.tool("key", "space")
        return list((tmp_path / "g").rglob("*.png"))

    wait_for(captured)
    display.tool("key", "Escape")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "faces in g" in out, err


def test_a_missing_display_is_a_one_line_error(script, tiny_model):
    done = script("capture.py", "--model", tiny_model)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no display: DISPLAY is not set")
