"""Capture window (Tkinter): a live view, and a gallery of the captured face crops."""

import tkinter as tk
from dataclasses import replace
from tkinter import ttk

import cv2
import numpy as np

from keras_mer import images
from keras_mer.errors import UserError
from keras_mer.face.detect import Detection
from keras_mer.runtime.io.frame_reader import FrameReader
from keras_mer.runtime.pipeline import Pipeline, TrackedFace
from keras_mer.runtime.ui import overlay, theme
from keras_mer.runtime.ui.cards import MAX_CARDS, GalleryCard, GalleryPane, photo
from keras_mer.runtime.ui.gallery import Gallery, Picture

AS_PREDICTED = "as predicted"
_TICK = 15  # milliseconds between polls for a new frame


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
        self._frame: np.ndarray | None = None
        self._faces: list[TrackedFace] = []
        try:
            self.root = tk.Tk(className="keras_mer")
        except tk.TclError as error:
            raise UserError(f"no window: {error}") from None
        self.root.title("keras_mer capture")
        self.root.protocol("WM_DELETE_WINDOW", self.close)
        self._build()
        for picture in reversed(self.gallery.pictures()[:MAX_CARDS]):
            self._add(picture)
        self.pane.arrange()
        self._bind_keys()
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
        self.pane.arrange()
        self._set_status(f"saved {picture.path}")
        return picture

    @property
    def cards(self) -> list[GalleryCard]:
        """The cards of the gallery, the newest first."""
        return self.pane.cards

    def _build(self) -> None:
        theme.apply(self.root)
        screen = self.root.winfo_screenwidth(), self.root.winfo_screenheight()
        self.root.geometry(f"{min(1240, screen[0] * 9 // 10)}x{min(760, screen[1] * 8 // 10)}")
        self.root.minsize(640, 420)
        self.root.columnconfigure(0, weight=1)
        self.root.rowconfigure(0, weight=1)
        halves = ttk.PanedWindow(self.root, orient="horizontal")
        halves.grid(row=0, column=0, sticky="nsew", padx=12, pady=(12, 8))

        left = ttk.Frame(halves)
        left.columnconfigure(0, weight=1)
        left.rowconfigure(0, weight=1)
        self.view = tk.Canvas(
            left, background=theme.BEHIND, highlightthickness=0, width=320, height=240
        )
        self.view.grid(row=0, column=0, sticky="nsew")
        self._waiting = self.view.create_text(
            0, 0, text="waiting for the first picture ...", fill=theme.FAINT
        )
        self._image = self.view.create_image(0, 0, anchor="center")
        self.view.bind("<Configure>", lambda _: self._show())
        actions = ttk.Frame(left)
        actions.grid(row=1, column=0, sticky="ew", pady=(10, 0))
        actions.columnconfigure(2, weight=1)
        ttk.Label(actions, text="Label").grid(row=0, column=0)
        self.label = ttk.Combobox(
            actions, values=(AS_PREDICTED, *self.gallery.classes), state="readonly", width=12,
            takefocus=False,
        )  # fmt: skip
        self.label.set(AS_PREDICTED)
        self.label.bind("<<ComboboxSelected>>", lambda _: self.root.focus_set())
        self.label.grid(row=0, column=1, padx=8)
        self.button = ttk.Button(
            actions,
            text="Capture",
            command=self.capture,
            takefocus=False,
            width=8,
            style="Accent.TButton",
        )
        self.button.grid(row=0, column=2, sticky="e")

        self.pane = GalleryPane(halves, self.gallery, self._set_status)
        self.pane.bind_wheel(self.root)
        self.pane.frame.configure(padding=(8, 0, 0, 0))
        halves.add(left, weight=6)
        halves.add(self.pane.frame, weight=1)

        bottom = ttk.Frame(self.root, style="Surface.TFrame", padding=(12, 6))
        bottom.grid(row=1, column=0, sticky="ew")
        bottom.columnconfigure(0, weight=1)
        self.status = ttk.Label(bottom, text="", style="Surface.TLabel")
        self.status.grid(row=0, column=0, sticky="w")
        keys = f"Space: capture    0: as predicted    1-{self._digits()}: choose label    Q: quit"
        ttk.Label(bottom, text=keys, style="Faint.Surface.TLabel").grid(row=0, column=1)

    def _digits(self) -> int:
        """The number of classes that a digit key selects."""
        return min(9, len(self.gallery.classes))

    def _bind_keys(self) -> None:
        self.root.bind("<space>", lambda _: self.capture())
        for key in ("<Escape>", "q"):
            self.root.bind(key, lambda _: self.close())
        for digit, label in enumerate((AS_PREDICTED, *self.gallery.classes[: self._digits()])):
            self.root.bind(str(digit), lambda _, label=label: self._choose(label))

    def _choose(self, label: str) -> None:
        self.label.set(label)
        self._set_status(f"label of the next face: {label}")

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
        """Show the frame with its faces, as large as the view, in the frame's proportions."""
        wide, high = self.view.winfo_width(), self.view.winfo_height()
        for item in (self._waiting, self._image):
            self.view.coords(item, wide // 2, high // 2)
        if self._frame is None:
            return
        height, width = self._frame.shape[:2]
        scale = min(wide / width, high / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = cv2.resize(self._frame, size, interpolation=way)
        # Drawn after scaling, so that letters are sharp and as large as the view demands.
        overlay.draw_faces(canvas, [scaled(face, scale) for face in self._faces])
        self._picture = photo(canvas)  # Tk does not keep a reference itself
        self.view.itemconfigure(self._image, image=self._picture)
        self.view.itemconfigure(self._waiting, state="hidden")

    def _add(self, picture: Picture) -> None:
        try:
            crop = images.read(picture.path)
            (prediction,) = self.pipeline.recogniser.predict_faces([crop])
        except UserError as error:
            self._set_status(f"skipped {error}")
            return
        self.pane.add(picture, crop, prediction)

    def _set_status(self, line: str) -> None:
        self.status.configure(text=line)


def scaled(face: TrackedFace, scale: float) -> TrackedFace:
    """The face with its box and landmarks in a picture that is `scale` times as large."""
    points = face.landmarks and tuple((x * scale, y * scale) for x, y in face.landmarks)
    box = tuple(round(value * scale) for value in face.box)
    return replace(face, box=box, landmarks=points)
