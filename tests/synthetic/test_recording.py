"""Drawn recordings: what happens in them, and that it is in their table."""

from itertools import pairwise

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.synthetic.recording import EVENTS, REST


def test_events_have_their_length_and_rest_between_them():
    recording = synthetic.draw_recording(1, 60, 50, 0.4, seed=3)
    kinds = [e.kind for e in recording.events]
    for kind, (rate, low, high) in EVENTS.items():
        own = [e for e in recording.events if e.kind == kind]
        assert own and (kind == "blink" or len(own) == rate)
        for e in own:
            assert 0 <= e.onset < e.apex < e.offset < recording.count
            assert low - 0.03 <= (e.offset - e.onset) / 50 <= high + 0.03
    assert 6 <= kinds.count("blink") <= 30
    others = [e for e in recording.events if e.kind != "blink"]
    for before, after in pairwise(others):
        assert (after.onset - before.offset) / 50 >= REST - 0.05
    assert {e.intensity for e in recording.events if e.kind == "micro"} == {0.4}


def test_frames_move_at_the_events_and_rest_between_them():
    still = {"drift": 0.0, "flicker": 0.0, "noise": 0.0, "size": 48, "seed": 2, "index": 7}
    recording = synthetic.draw_recording(2, 6, 20, 0.5, **still)
    frames = np.stack(list(recording)).astype(int)
    assert frames.shape == (120, 48, 48, 3)
    moving = np.zeros(120, bool)
    for e in recording.events:
        moving[e.onset + 1 : e.offset] = True
        change = np.abs(frames[e.apex] - frames[0]).max()
        assert e.kind == "talk" or change > 5
    assert (frames[~moving] == frames[0]).all() and moving.any()
    again = np.stack(list(synthetic.draw_recording(2, 6, 20, 0.5, **still))).astype(int)
    assert (again == frames).all()


def test_events_can_be_left_out_and_wrong_values_are_refused():
    recording = synthetic.draw_recording(2, 20, 20, without=("blink", "talk"))
    assert {e.kind for e in recording.events} == {"micro", "macro", "nod"}
    for arguments, message in (
        ({"seconds": 1}, "seconds must be 5 or more, got 1"),
        ({"size": 33}, "size must be even"),
        ({"without": ("sneeze",)}, "no event 'sneeze'; expected one of micro, macro"),
        ({"intensity": 2}, "intensity must lie in 0 to 1"),
    ):
        with pytest.raises(UserError, match=message):
            synthetic.draw_recording(1, **arguments)
