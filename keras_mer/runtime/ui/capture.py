"""Capture window (Tkinter): a live view, and a gallery of the captured face crops."""

import tkinter as tk
from tkinter import ttk

import cv2
import numpy as np

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.face.detect import Detection
from keras_mer.runtime.io.frame_reader import FrameReader
from keras_mer.runtime.pipeline import Pipeline, TrackedFace
from keras_mer.runtime.recogniser import Expression
from keras_mer.runtime.ui import overlay
from keras_mer.runtime.ui.gallery import Gallery, Picture

AS_PREDICTED = "as predicted"
_VIEW = 640
_THUMB = 110
_COLUMNS = 3
_TICK = 15  # milliseconds between polls for a new frame
_MAX_CARDS = 150  # thumbnails shown; more would make the window slow


class CaptureWindow:
    """Window that shows a source with its faces and saves the largest one on a button or space.

    Args:
        reader: of the source, closed with the window.
        pipeline: detects and classifies the faces.
        gallery: where the crops are saved.

    Raises:
        UserError: when Tk cannot open a window.
    """

    def __init__(self, reader: FrameReader, pipeline: Pipeline, gallery: Gallery):
        self.reader, self.pipeline, self.gallery = reader, pipeline, gallery
        self.cards: list[GalleryCard] = []
        self._frame: np.ndarray | None = None
        self._faces: list[TrackedFace] = []
        try:
            self.root = tk.Tk(className="keras_mer")
        except tk.TclError as error:
            raise UserError(f"no window: {error}") from None
        self.root.title("keras_mer capture")
        self.root.protocol("WM_DELETE_WINDOW", self.close)
        self._build()
        for picture in reversed(self.gallery.pictures()[:_MAX_CARDS]):
            self._add(picture)
        self._arrange()
        self.root.bind("<space>", lambda _: self.capture())
        for key in ("<Escape>", "q"):
            self.root.bind(key, lambda _: self.close())
        self._timer = self.root.after(_TICK, self._tick)

    def run(self) -> None:
        """Show the window until it is closed."""
        try:
            self.root.mainloop()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """Close the window and the source."""
        self.root.after_cancel(self._timer)
        self.root.destroy()
        self.reader.close()

    def capture(self) -> Picture | None:
        """Save the largest face to the gallery; None, with a status message, when there is none."""
        if self._frame is None or not self._faces:
            self._set_status("no face in view")
            return None
        face = max(self._faces, key=lambda face: face.box[2] * face.box[3])
        crop = self.pipeline.recogniser.crop(
            self._frame,
            Detection(face.box, face.score),  # without landmarks: the saved crop is not rotated
        )
        label = self.label.get()
        try:
            picture = self.gallery.save(crop, face.label if label == AS_PREDICTED else label)
        except OSError as error:
            self._set_status(f"not saved: {error.strerror}: {error.filename}")
            return None
        self._add(picture)
        self._arrange()
        self._set_status(f"saved {picture.path}")
        return picture

    def _build(self) -> None:
        self.root.columnconfigure(1, weight=1)
        self.root.rowconfigure(0, weight=1)
        left = ttk.Frame(self.root, padding=8)
        left.grid(row=0, column=0, sticky="n")
        self.view = ttk.Label(left, text="waiting for the first picture ...")
        self.view.grid(row=0, column=0, columnspan=3)
        ttk.Label(left, text="label").grid(row=1, column=0, sticky="w", pady=8)
        self.label = ttk.Combobox(
            left, values=(AS_PREDICTED, *self.gallery.classes), state="readonly", takefocus=False
        )
        self.label.set(AS_PREDICTED)
        self.label.grid(row=1, column=1, sticky="w")
        self.button = ttk.Button(
            left, text="Capture (space)", command=self.capture, takefocus=False
        )
        self.button.grid(row=1, column=2, sticky="e")
        self.status = ttk.Label(left, text="", wraplength=_VIEW)
        self.status.grid(row=2, column=0, columnspan=3, sticky="w")

        right = ttk.Frame(self.root, padding=(0, 8, 8, 8))
        right.grid(row=0, column=1, sticky="nsew")
        right.rowconfigure(1, weight=1)
        right.columnconfigure(0, weight=1)
        self.count = ttk.Label(right)
        self.count.grid(row=0, column=0, sticky="w")
        canvas = tk.Canvas(right, width=_COLUMNS * (_THUMB + 24), height=560, highlightthickness=0)
        bar = ttk.Scrollbar(right, orient="vertical", command=canvas.yview)
        canvas.configure(yscrollcommand=bar.set)
        canvas.grid(row=1, column=0, sticky="nsew")
        bar.grid(row=1, column=1, sticky="ns")
        self.shelf = ttk.Frame(canvas)
        canvas.create_window(0, 0, window=self.shelf, anchor="nw")
        self.shelf.bind("<Configure>", self._fit)
        for event, step in (("<Button-4>", -1), ("<Button-5>", 1)):
            self.root.bind_all(event, lambda _, step=step: canvas.yview_scroll(step, "units"))
        self.root.bind_all(
            "<MouseWheel>", lambda event: canvas.yview_scroll(-1 if event.delta > 0 else 1, "units")
        )
        self.canvas = canvas

    def _fit(self, _: tk.Event) -> None:
        """Fit the scroll region and the width of the gallery to its cards."""
        self.canvas.configure(scrollregion=self.canvas.bbox("all"))
        if self.cards:
            self.canvas.configure(width=self.shelf.winfo_reqwidth())

    def _tick(self) -> None:
        frame = self.reader.poll()
        if frame is not None:
            self._frame = frame.image
            self._faces = self.pipeline.process(frame.image, frame.time, frame.cut)
            self._show()
        if frame is None and self.reader.ended:
            self._set_status(self.reader.fault or "the source has ended; the gallery stays open")
            return
        self._timer = self.root.after(_TICK, self._tick)

    def _show(self) -> None:
        """Show the frame with its faces, at most `_VIEW` pixels wide."""
        canvas = self._frame.copy()
        overlay.draw_faces(canvas, self._faces)
        scale = min(1.0, _VIEW / canvas.shape[1])
        if scale < 1:
            canvas = cv2.resize(canvas, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        self._picture = photo(canvas)  # Tk does not keep a reference itself
        self.view.configure(image=self._picture)

    def _add(self, picture: Picture) -> None:
        try:
            crop = images.read(picture.path)
            (prediction,) = self.pipeline.recogniser.predict_faces([crop])
        except UserError as error:
            self._set_status(f"skipped {error}")
            return
        self.cards.insert(0, GalleryCard(self, picture, crop, prediction))
        for card in self.cards[_MAX_CARDS:]:
            card.frame.destroy()
        del self.cards[_MAX_CARDS:]

    def _arrange(self) -> None:
        """Arrange the cards in rows, the newest first, and show the number of files."""
        for place, card in enumerate(self.cards):
            card.frame.grid(row=place // _COLUMNS, column=place % _COLUMNS, padx=4, pady=4)
        total = len(self.gallery.pictures())
        shown = f", the {len(self.cards)} newest shown" if total > len(self.cards) else ""
        self.count.configure(text=f"{self.gallery.folder}: {total} faces{shown}")

    def remove(self, card: "GalleryCard") -> None:
        """Delete a card's picture."""
        self.gallery.delete(card.picture)
        card.frame.destroy()
        self.cards.remove(card)
        self._arrange()
        self._set_status(f"deleted {card.picture.path.name}")

    def _set_status(self, line: str) -> None:
        self.status.configure(text=line)


class GalleryCard:
    """A thumbnail with its label, the prediction, and a button that deletes it when pressed twice.

    The prediction is red where it differs from the label.
    """

    def __init__(
        self, window: CaptureWindow, picture: Picture, crop: np.ndarray, prediction: Expression
    ):
        self.window, self.picture, self.prediction = window, picture, prediction
        self.frame = ttk.Frame(window.shelf, borderwidth=1, relief="solid", padding=2)
        self._thumbnail = photo(images.resize(images.convert(crop, 3), _THUMB, _THUMB))
        ttk.Label(self.frame, image=self._thumbnail).grid(row=0, column=0, columnspan=2)
        text = f"{prediction.label} {prediction.confidence:.0%}"
        self.prediction_text = ttk.Label(self.frame, text=text)
        self.prediction_text.grid(row=1, column=0, columnspan=2)
        self.label = ttk.Combobox(
            self.frame, values=window.gallery.classes, state="readonly", width=9, takefocus=False
        )
        self.label.set(picture.label)
        self.label.bind("<<ComboboxSelected>>", lambda _: self.relabel(self.label.get()))
        self.label.grid(row=2, column=0)
        self.delete = ttk.Button(
            self.frame, text="✕", width=5, command=self._delete, takefocus=False
        )
        self.delete.grid(row=2, column=1)
        self._set_color()

    def relabel(self, label: str) -> None:
        """Move the picture to another class."""
        self.picture = self.window.gallery.relabel(self.picture, label)
        self._set_color()
        self.window._set_status(f"{self.picture.path.name} is {label} now")
        self.window.root.focus_set()  # so that space captures again

    def _delete(self) -> None:
        if self.delete["text"] == "sure?":
            self.window.remove(self)
            return
        self.delete.configure(text="sure?")
        self.frame.after(2500, self._reset_delete)

    def _reset_delete(self) -> None:
        if self.delete.winfo_exists():
            self.delete.configure(text="✕")

    def _set_color(self) -> None:
        agrees = self.prediction.label == self.picture.label
        self.prediction_text.configure(foreground="black" if agrees else "#b00020")


def photo(image: np.ndarray) -> tk.PhotoImage:
    """Convert a uint8 BGR image to a Tk image."""
    height, width = image.shape[:2]
    header = f"P6 {width} {height} 255\n".encode()
    return tk.PhotoImage(
        data=header + cv2.cvtColor(image, cv2.COLOR_BGR2RGB).tobytes(), format="PPM"
    )
