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

from keras_mer.runtime.ui import theme


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
    assert "4 faces" in window.pane.count["text"]
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
    assert str(card.prediction_text["foreground"]) == theme.WARNING
    assert window.pane.class_counts["happy"]["text"] == "1"
    card.label.set("sad")
    card.label.event_generate("<<ComboboxSelected>>")
    window.root.update()
    assert card.picture.path.parent.name == "sad" and card.picture.path.exists()
    assert str(card.prediction_text["foreground"]) == theme.FAINT
    assert window.pane.class_counts["happy"]["text"] == "0"
    click(window, display, card.delete)
    until(window, lambda: card.delete["text"] == "sure?")
    assert card.picture.path.exists()
    click(window, display, card.delete)
    until(window, lambda: not window.cards)
    assert not card.picture.path.exists()


def test_an_empty_gallery_says_what_to_do(window):
    canvas, words = window.pane.canvas, window.pane._empty
    window.root.update()
    assert canvas.itemcget(words, "state") == "hidden"
    window.pane.remove(window.cards[0])
    assert canvas.itemcget(words, "state") == "normal"
    assert "Press space" in canvas.itemcget(words, "text")


def test_the_picture_grows_with_the_window_and_keeps_its_proportions(window):
    until(window, lambda: window._faces)
    seen = []
    for size in ("700x500", "1250x860"):
        window.root.geometry(size)
        until(window, lambda size=size: window.root.winfo_geometry().startswith(size))
        window.root.update()
        view, picture = window.view, window._picture
        assert picture.width() <= view.winfo_width() and picture.height() <= view.winfo_height()
        assert picture.width() / picture.height() == pytest.approx(320 / 240, rel=0.02)
        seen.append(picture.width())
    assert seen[1] > 1.3 * seen[0]


def test_cards_take_as_many_columns_as_fit(window):
    window.label.set("happy")
    until(window, lambda: window._faces)
    for _ in range(5):
        window.capture()
    columns = []
    for size in ("640x480", "1270x860"):
        window.root.geometry(size)
        until(window, lambda size=size: window.root.winfo_geometry().startswith(size))
        window.root.update()
        columns.append(max(int(card.frame.grid_info()["column"]) for card in window.cards))
        right = max(card.frame.winfo_x() + card.frame.winfo_width() for card in window.cards)
        assert right <= window.pane.canvas.winfo_width()
    assert columns[1] > columns[0]


def test_digits_choose_the_label(window, display):
    press(window, display, "3")
    until(window, lambda: window.label.get() == "happy")
    press(window, display, "0")
    until(window, lambda: window.label.get() == "as predicted")


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
