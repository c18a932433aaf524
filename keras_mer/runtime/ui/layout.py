"""Places of labels and bars around faces: rectangles only, nothing is drawn here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keras_mer.runtime.recogniser import Face
from keras_mer.runtime.ui.lettering import measure

#: x, y, width, height in pixels.
Rect = tuple[int, int, int, int]

_LETTERS = 1 / 36  # height of a label's capitals as a share of the frame's height
_SMALLEST = 8.0  # pixels; smaller letters cannot be read
_BARS = 0.75  # size of the letters beside the bars, of the labels'
_CROWDED = 0.75  # size of a label that finds no free place otherwise


@dataclass(frozen=True)
class Row:
    """The places of one class in a panel: its name, and the track of its bar."""

    name: str
    text: Rect
    track: Rect


@dataclass(frozen=True)
class Panel:
    """Place of a face's bars; `size` is the height of the letters."""

    box: Rect
    size: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Placed:
    """Where a face's label and bars go.

    Attributes:
        words: the label. label: its plate. size: height of its letters in pixels.
        line: thickness of the face's box in pixels.
        panel: of the bars; None without space for them.
    """

    words: str
    label: Rect
    size: float
    line: int
    panel: Panel | None


def letter_size(shape: Sequence[int]) -> float:
    """Height in pixels of a label's capitals in a frame of `shape` (height, width, ...).

    A fixed share of the height (of 3/4 of the width where the frame is narrower than 4:3), at
    least 8 pixels.
    """
    return max(_SMALLEST, min(shape[0], 0.75 * shape[1]) * _LETTERS)


def plate(words: str, size: float) -> tuple[int, int]:
    """Width and height of a line of text with its margin, and a colored edge at the left."""
    width, _ = measure(words, size)
    return width + 2 * margin(size) + edge(size), round(1.9 * size)


def margin(size: float) -> int:
    """Space around text of that size, in pixels."""
    return max(2, round(0.45 * size))


def edge(size: float) -> int:
    """Width of a label's colored edge in pixels."""
    return max(2, round(0.3 * size))


def overlap(a: Rect, b: Rect) -> int:
    """Area in pixels that two rectangles share."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0


def layout(
    faces: Sequence[Face], shape: Sequence[int], bars: bool = True, avoid: Iterable[Rect] = ()
) -> list[Placed]:
    """Place the labels and bars of all faces in a frame.

    Labels come first, so that bars never move one. Bars cover no face, label or other bars; where
    there is no space for them they are left out. A label without a free place in the frame takes
    the one that covers least.

    Args:
        faces: in the frame.
        shape: of the frame: height, width, ...
        bars: whether to place the bars, too.
        avoid: rectangles to keep free.

    Returns:
        One `Placed` per face, in the same order.
    """
    size = letter_size(shape)
    line = max(2, round(size / 7))
    boxes = [tuple(int(v) for v in face.box) for face in faces]
    taken = [*avoid, *boxes]
    order = sorted(range(len(faces)), key=lambda k: -boxes[k][2] * boxes[k][3])
    labels: dict[int, tuple[str, Rect, float]] = {}
    for k in order:
        words = label_words(faces[k])
        label, letters = _place_label(boxes[k], words, size, shape, taken, line)
        labels[k] = words, label, letters
        taken.append(label)
    panels: dict[int, Panel] = {}
    for k in order if bars else ():
        panel = _place_panel(boxes[k], tuple(faces[k].probabilities), size * _BARS, shape, taken)
        if panel:
            panels[k] = panel
            taken.append(panel.box)
    return [Placed(*labels[k], line, panels.get(k)) for k in range(len(faces))]


def label_words(face: Face) -> str:
    """The label of a face, with its number where it is tracked."""
    identity = f"{face.id}: " if hasattr(face, "id") else ""
    return f"{identity}{face.label} {face.confidence:.0%}"


def _place_label(
    box: Rect, words: str, size: float, shape: Sequence[int], taken: Sequence[Rect], line: int
) -> tuple[Rect, float]:
    """The plate of a label and the size of its letters."""
    x, y, width, height = box
    places = []
    for letters in (size, max(_SMALLEST, size * _CROWDED)):
        wide, high = plate(words, letters)
        right = x + width - wide
        over, under = y - line - high, y + height + line
        for left, top in ((x, over), (right, over), (x, under), (right, under)):
            spot = _inside(left, min(top, shape[0]), wide, high, shape)
            if not any(overlap(spot, other) for other in taken):
                return spot, letters
            places.append((spot, letters))
    # On the face's own forehead or chin rather than on anybody else.
    wide, high = plate(words, size)
    for top in (y + line, y + height - line - high):
        places.append((_inside(x + line, top, wide, high, shape), size))
    others = [other for other in taken if other != box]
    return min(places, key=lambda p: sum(overlap(p[0], other) for other in others))


def _place_panel(
    box: Rect, names: Sequence[str], size: float, shape: Sequence[int], taken: Sequence[Rect]
) -> Panel | None:
    """The first free place beside, below or above a face, or None."""
    x, y, width, height = box
    size = max(_SMALLEST, size)
    gap = margin(size)
    column = max(measure(name, size)[0] for name in names)
    step = round(1.55 * size)
    wide = column + round(4.5 * size) + 3 * gap
    high = step * len(names) + gap
    middle = y + (height - high) // 2
    right, left = x + width + gap, x - gap - wide
    lower, upper = y + height + gap, y - gap - high
    beside = [(side, top) for top in (y, y + height - high, middle) for side in (right, left)]
    # Below and above there may be the face's own label.
    stacked = [
        (start, top)
        for more in (0, round(1.9 * size / _BARS))
        for top in (lower + more, upper - more)
        for start in (x, x + width - wide)
    ]
    for start, top in beside + stacked:
        spot = _inside(start, top, wide, high, shape)
        if spot[2:] == (wide, high) and not any(overlap(spot, other) for other in taken):
            return Panel(spot, size, _rows(spot, names, size, column, step, gap))
    return None


def _rows(
    box: Rect, names: Sequence[str], size: float, column: int, step: int, gap: int
) -> tuple[Row, ...]:
    """The names at the left of a panel, the bars at their right."""
    left, top, wide, _ = box
    start = left + gap + column + gap
    tall = measure("", size)[1]
    thick = max(3, round(0.8 * size))
    rows = []
    for number, name in enumerate(names):
        y = top + gap // 2 + number * step
        baseline = y + (step - round(size)) // 2
        track = (start, y + (step - thick) // 2, left + wide - gap - start, thick)
        rows.append(Row(name, (left + gap, baseline, column, min(tall, step)), track))
    return tuple(rows)


def _inside(left: int, top: int, wide: int, high: int, shape: Sequence[int]) -> Rect:
    """The rectangle moved, and where it is too large cut, into the frame."""
    wide, high = min(wide, shape[1]), min(high, shape[0])
    return max(0, min(left, shape[1] - wide)), max(0, min(top, shape[0] - high)), wide, high
