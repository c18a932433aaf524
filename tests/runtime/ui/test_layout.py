"""Places of labels and bars: nothing overlaps, everything lies inside the frame."""

from itertools import combinations

import pytest

from keras_mer.runtime import Face
from keras_mer.runtime.ui.layout import layout, letter_size

SIZES = [(240, 320), (480, 640), (720, 1280), (1080, 1920), (2160, 3840), (640, 360)]
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")


def face(x, y, side, label="surprise"):
    shares = dict.fromkeys(CLASSES, 0.1)
    return Face(label, 0.3, shares, tuple(map(round, (x, y, side, side))), 1.0)


def meet(a, b):
    """Whether two rectangles have a pixel in common, by their edges."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def within(inner, outer):
    return (
        inner[0] >= outer[0]
        and inner[1] >= outer[1]
        and inner[0] + inner[2] <= outer[0] + outer[2]
        and inner[1] + inner[3] <= outer[1] + outer[3]
    )


def at_borders(shape):
    """A face in each corner, at each border and in the middle, some partly outside."""
    height, width = shape
    side = 0.3 * min(shape)
    for x in (-0.2 * side, 0, (width - side) / 2, width - side, width - 0.8 * side):
        for y in (-0.2 * side, 0, (height - side) / 2, height - side, height - 0.8 * side):
            yield face(x, y, side)


@pytest.mark.parametrize("shape", SIZES)
def test_labels_and_bars_lie_inside_the_frame_at_every_border(shape):
    frame = (0, 0, shape[1], shape[0])
    for one in at_borders(shape):
        (place,) = layout([one], shape)
        assert within(place.label, frame)
        assert place.panel is not None and within(place.panel.box, frame)
        assert not meet(place.panel.box, place.label)
        assert not meet(place.panel.box, one.box)


@pytest.mark.parametrize("shape", SIZES)
def test_names_and_bars_of_a_panel_never_meet(shape):
    (place,) = layout([face(0.3 * shape[1], 0.3 * shape[0], 0.2 * min(shape))], shape)
    rows = place.panel.rows
    assert [row.name for row in rows] == list(CLASSES)
    parts = [part for row in rows for part in (row.text, row.track)]
    assert not any(meet(a, b) for a, b in combinations(parts, 2))
    assert all(within(part, place.panel.box) for part in parts)
    # Every bar is as long as any other, and long enough to be read.
    assert len({row.track[2] for row in rows}) == 1 and rows[0].track[2] > 3 * place.panel.size


@pytest.mark.parametrize("shape", SIZES)
def test_several_faces_do_not_hide_each_other(shape):
    height, width = shape
    side = 0.16 * width
    faces = [face(x * width, y * height, side) for x, y in ((0.02, 0.2), (0.4, 0.5), (0.8, 0.2))]
    places = layout(faces, shape, avoid=[(0, 0, width // 10, height // 20)])
    boxes = [one.box for one in faces]
    things = [p.label for p in places] + [p.panel.box for p in places if p.panel]
    assert not any(meet(a, b) for a, b in combinations(things, 2))
    assert not any(meet(thing, box) for thing in things for box in boxes)


def test_a_crowd_keeps_its_bars_apart():
    faces = [face(30 + 100 * x, 40 + 110 * y, 60) for x in range(6) for y in range(4)]
    places = layout(faces, (480, 640))
    panels = [place.panel.box for place in places if place.panel]
    others = [one.box for one in faces] + [place.label for place in places]
    assert not any(meet(a, b) for a, b in combinations(panels, 2))
    assert not any(meet(panel, other) for panel in panels for other in others)


def test_what_is_to_be_avoided_moves_a_label():
    one = face(100, 100, 80)
    (free,) = layout([one], (480, 640))
    (moved,) = layout([one], (480, 640), avoid=[free.label])
    assert not meet(moved.label, free.label) and not meet(moved.label, one.box)


def test_letters_and_lines_grow_with_the_frame():
    sizes = [letter_size(shape) for shape in SIZES[:5]]
    assert sizes == sorted(sizes) and sizes[0] >= 8
    # A fixed share of the height from 640x480 up.
    for shape, size in zip(SIZES[1:5], sizes[1:], strict=True):
        assert size / shape[0] == pytest.approx(1 / 36)
    places = [layout([face(0, 0, 0.2 * shape[0])], shape)[0] for shape in SIZES[:5]]
    heights = [place.label[3] for place in places]
    assert heights == sorted(heights) and heights[4] == pytest.approx(4.5 * heights[1], rel=0.03)
    assert places[4].line >= 4 * places[1].line
    assert all(place.panel.size >= 8 for place in places)


def test_bars_never_move_a_label():
    faces = [face(60, 60, 100), face(170, 70, 100), face(20, 200, 150)]
    with_bars, without = (layout(faces, (480, 640), bars) for bars in (True, False))
    assert [p.label for p in with_bars] == [p.label for p in without]
    assert all(place.panel is None for place in without)
