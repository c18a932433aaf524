"""Brief movements of a registered face, on textures that are moved by known amounts."""

import cv2
import numpy as np
import pytest

from keras_mer.face import brief
from keras_mer.face.align import EYES

FPS, SIDE, COUNT, MARGIN = 50.0, 96, 110, 0.15
MOUTH, BROWS = (0.5, 0.85), (0.5, 0.05)


def wave(onset, apex, offset):
    """Half a cosine up and half a cosine down."""
    return np.interp(np.arange(COUNT), [onset, apex, offset], [0, np.pi, 2 * np.pi])


def clip(*movements, noise=1.0):
    """A texture, parts of which move down by two pixels; movements are (place, course in time)."""
    random = np.random.default_rng(0)
    texture = cv2.GaussianBlur(random.normal(128, 80, (SIDE, SIDE)).astype(np.float32), (0, 0), 2)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    frames = []
    for k in range(COUNT):
        shift = np.zeros((SIDE, SIDE), np.float32)
        for (cx, cy), course in movements:
            px, py = ((c + MARGIN) / (1 + 2 * MARGIN) * SIDE for c in (cx, cy))
            shift += 2 * course[k] * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 3.5**2))
        moved = cv2.remap(texture, x, y - shift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        frames.append(np.clip(moved + random.normal(0, noise, moved.shape), 0, 255))
    return np.array(frames).astype(np.uint8)


def bump(*times):
    return 0.5 - 0.5 * np.cos(wave(*times))


def strongest(*movements, head=None):
    return brief.find(clip(*movements), FPS, head)[0]


def test_two_movements_are_found_where_they_are():
    found = brief.find(clip((MOUTH, bump(20, 28, 38) + bump(70, 77, 90))), FPS)
    (first, second) = sorted(found[:2], key=lambda m: m.onset)
    assert np.abs(np.subtract([first.onset, first.apex, first.offset], [20, 28, 38])).max() <= 3
    assert np.abs(np.subtract([second.onset, second.apex, second.offset], [70, 77, 90])).max() <= 3
    assert first.intensity[first.apex] == pytest.approx(1) and first.snr > 10
    assert min(first.agreement, second.agreement) > 0.75


def test_a_movement_that_repeats_or_holds_shows_unrest_and_one_alone_does_not():
    alone = strongest((BROWS, bump(50, 56, 64)))
    speech = strongest((MOUTH, sum(bump(k, k + 5, k + 10) for k in range(20, 90, 10))))
    assert alone.unrest < 0.1 < 0.5 < speech.unrest and alone.eyes < 0.2


def test_a_blink_moves_the_eyes_and_a_nod_the_head():
    shut = brief.find(clip(*(((x, y), bump(50, 54, 62)) for x, y in EYES)), FPS)
    assert all(m.eyes > 2 for m in shut)  # or not worth a candidate
    course = bump(50, 56, 64)
    head = np.stack([np.linspace(0, 1, COUNT), 0.03 * course], 1)  # moves on, and nods
    assert strongest((BROWS, course), head=head).head == pytest.approx(0.03, rel=0.1)
    head[:, 1] = 0
    assert strongest((BROWS, course), head=head).head == pytest.approx(0, abs=1e-6)


def test_noise_has_no_movement_and_short_clips_are_taken():
    assert brief.find(clip(), FPS) == []
    assert brief.find(clip()[:6], FPS) == []
