"""The gallery's side of the capture window: cards with thumbnails in as many columns as fit."""

import tkinter as tk
from collections import Counter
from collections.abc import Callable
from tkinter import ttk

import cv2
import numpy as np

from keras_mer import images
from keras_mer.runtime.recogniser import Expression
from keras_mer.runtime.ui import theme
from keras_mer.runtime.ui.gallery import Gallery, Picture

_THUMB = 112
_GAP = 5
MAX_CARDS = 150  # thumbnails shown; more would make the window slow


class GalleryPane:
    """Frame with the gallery's counts and a scrolled grid of its pictures, the newest first.

    Args:
        parent: of the frame.
        gallery: whose pictures are relabeled and deleted.
        report: called with a line for the user after each change.
    """

    def __init__(self, parent: tk.Misc, gallery: Gallery, report: Callable[[str], None]):
        self.gallery, self.report = gallery, report
        self.cards: list[GalleryCard] = []
        self._columns = 0
        self.frame = ttk.Frame(parent)
        self.frame.rowconfigure(3, weight=1)
        self.frame.columnconfigure(0, weight=1)
        ttk.Label(self.frame, text="Gallery", style="Title.TLabel").grid(sticky="w")
        self.count = ttk.Label(self.frame, style="Faint.TLabel")
        self.count.grid(row=1, sticky="w")
        self.tally = ttk.Frame(self.frame)
        self.tally.grid(row=2, column=0, columnspan=2, sticky="ew", pady=(8, 10))
        self.class_counts: dict[str, ttk.Label] = {}
        for number, name in enumerate(gallery.classes, 1):
            cell = ttk.Frame(self.tally, style="Surface.TFrame", padding=(8, 4))
            cell.columnconfigure(0, weight=1)
            # The digit is the key that chooses the class.
            key = f"{number} {name}" if number < 10 else name
            ttk.Label(cell, text=key, style="Faint.Surface.TLabel").grid(sticky="w")
            self.class_counts[name] = ttk.Label(cell, style="Surface.TLabel")
            self.class_counts[name].grid(row=0, column=1)
        self.tally.bind("<Configure>", lambda event: self._arrange_tally(event.width))
        self.canvas = tk.Canvas(
            self.frame, background=theme.GROUND, highlightthickness=0, width=290, height=200
        )
        bar = ttk.Scrollbar(self.frame, orient="vertical", command=self.canvas.yview)
        self.canvas.configure(yscrollcommand=bar.set)
        self.canvas.grid(row=3, column=0, sticky="nsew")
        bar.grid(row=3, column=1, sticky="ns")
        self.shelf = ttk.Frame(self.canvas)
        self.canvas.create_window(0, 0, window=self.shelf, anchor="nw")
        self._empty = self.canvas.create_text(
            0, 0, fill=theme.FAINT, justify="center", state="hidden",
            text="No faces yet\n\nPress space to save the largest face in view.\n"
            f"It goes to {gallery.folder}/<label>/",
        )  # fmt: skip
        self.shelf.bind("<Configure>", lambda _: self._fit())
        self.canvas.bind("<Configure>", lambda _: self.arrange(False))

    def bind_wheel(self, root: tk.Tk) -> None:
        """Scroll with the mouse's wheel, which no longer changes the label of a card on its way."""
        for event in ("<Button-4>", "<Button-5>", "<MouseWheel>"):
            root.unbind_class("TCombobox", event)
        root.bind("<Button-4>", lambda _: self.canvas.yview_scroll(-1, "units"))
        root.bind("<Button-5>", lambda _: self.canvas.yview_scroll(1, "units"))
        root.bind(
            "<MouseWheel>",
            lambda event: self.canvas.yview_scroll(-1 if event.delta > 0 else 1, "units"),
        )

    def add(self, picture: Picture, crop: np.ndarray, prediction: Expression) -> None:
        """Put a picture in front; the oldest card beyond the limit is no longer shown."""
        self.cards.insert(0, GalleryCard(self, picture, crop, prediction))
        for card in self.cards[MAX_CARDS:]:
            card.frame.destroy()
        del self.cards[MAX_CARDS:]

    def arrange(self, changed: bool = True) -> None:
        """Arrange the cards in as many columns as fit and, where they changed, count the files."""
        columns = 1
        if self.cards:
            card = self.cards[0].frame
            if card.winfo_reqwidth() == 1:  # not measured yet
                card.update_idletasks()
            columns = max(1, self.canvas.winfo_width() // (card.winfo_reqwidth() + 2 * _GAP))
        if changed or columns != self._columns:
            self._columns = columns
            for place, card in enumerate(self.cards):
                spot = {"row": place // columns, "column": place % columns}
                card.frame.grid(padx=_GAP, pady=_GAP, **spot)
        if changed:
            self._count()
        self._fit()

    def remove(self, card: "GalleryCard") -> None:
        """Delete a card's picture."""
        self.gallery.delete(card.picture)
        card.frame.destroy()
        self.cards.remove(card)
        self.arrange()
        self.report(f"deleted {card.picture.path.name}")

    def relabel(self, card: "GalleryCard", label: str) -> None:
        """Move a card's picture to another class."""
        card.picture = self.gallery.relabel(card.picture, label)
        self._count()
        self.report(f"{card.picture.path.name} is {label} now")
        self.canvas.winfo_toplevel().focus_set()  # so that space captures again

    def _arrange_tally(self, width: int) -> None:
        """Arrange the counts of the classes in as many equal columns as fit."""
        cells = self.tally.winfo_children()
        columns = max(1, width // (max(cell.winfo_reqwidth() for cell in cells) + 4))
        for place in range(max(columns, len(cells))):
            used = place < columns
            self.tally.columnconfigure(place, weight=used, uniform="cells" if used else "")
        for place, cell in enumerate(cells):
            cell.grid(row=place // columns, column=place % columns, sticky="ew", padx=1, pady=1)

    def _count(self) -> None:
        """Show the number of files, in all and of each class."""
        counts = Counter(picture.label for picture in self.gallery.pictures())
        total = counts.total()
        shown = f", the {len(self.cards)} newest shown" if total > len(self.cards) else ""
        faces = "1 face" if total == 1 else f"{total} faces"
        self.count.configure(text=f"{self.gallery.folder}: {faces}{shown}")
        for name, number in self.class_counts.items():
            number.configure(text=str(counts[name]))

    def _fit(self) -> None:
        """Fit the scroll region to the cards; without any, say what to do."""
        width, height = self.canvas.winfo_width(), self.canvas.winfo_height()
        needed = self.shelf.winfo_reqheight() if self.cards else 0
        self.canvas.configure(scrollregion=(0, 0, width, max(height, needed)))
        self.canvas.coords(self._empty, width // 2, height // 3)
        state = "hidden" if self.cards else "normal"
        self.canvas.itemconfigure(self._empty, width=max(width - 20, 1), state=state)


class GalleryCard:
    """A thumbnail with its label, the prediction, and a button that deletes it when pressed twice.

    The prediction has the color of a warning where it differs from the label.
    """

    def __init__(
        self, pane: GalleryPane, picture: Picture, crop: np.ndarray, prediction: Expression
    ):
        self.pane, self.picture, self.prediction = pane, picture, prediction
        self.frame = ttk.Frame(pane.shelf, style="Surface.TFrame", padding=8)
        self._thumbnail = photo(images.resize(images.convert(crop, 3), _THUMB, _THUMB))
        ttk.Label(self.frame, image=self._thumbnail, style="Surface.TLabel").grid(
            row=0, column=0, columnspan=2
        )
        text = f"{prediction.label} {prediction.confidence:.0%}"
        self.prediction_text = ttk.Label(self.frame, text=text, style="Surface.TLabel")
        self.prediction_text.grid(row=1, column=0, columnspan=2, pady=(4, 4), sticky="w")
        self.label = ttk.Combobox(
            self.frame, values=pane.gallery.classes, state="readonly", width=8, takefocus=False,
            style="Small.TCombobox",
        )  # fmt: skip
        self.label.set(picture.label)
        self.label.bind("<<ComboboxSelected>>", lambda _: self._relabel())
        self.label.grid(row=2, column=0, sticky="ew")
        self.frame.columnconfigure(0, weight=1)
        self.delete = ttk.Button(
            self.frame, text="✕", width=2, command=self._delete, takefocus=False,
            style="Small.TButton",
        )  # fmt: skip
        self.delete.grid(row=2, column=1, padx=(4, 0))
        self._set_color()

    def _relabel(self) -> None:
        self.pane.relabel(self, self.label.get())
        self._set_color()

    def _delete(self) -> None:
        if self.delete["text"] == "sure?":
            self.pane.remove(self)
            return
        # Over the label, so that the card stays as wide as it is.
        self.label.grid_remove()
        self.delete.configure(text="sure?")
        self.delete.grid(column=0, columnspan=2, sticky="ew", padx=0)
        self.frame.after(2500, self._reset_delete)

    def _reset_delete(self) -> None:
        if self.delete.winfo_exists():
            self.delete.configure(text="✕")
            self.delete.grid(column=1, columnspan=1, padx=(4, 0))
            self.label.grid()

    def _set_color(self) -> None:
        agrees = self.prediction.label == self.picture.label
        self.prediction_text.configure(foreground=theme.FAINT if agrees else theme.WARNING)


def photo(image: np.ndarray) -> tk.PhotoImage:
    """Convert a uint8 BGR image to a Tk image."""
    height, width = image.shape[:2]
    header = f"P6 {width} {height} 255\n".encode()
    return tk.PhotoImage(
        data=header + cv2.cvtColor(image, cv2.COLOR_BGR2RGB).tobytes(), format="PPM"
    )
