import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.errors import UserError
from keras_mer.face import apex, prepare

EXPRESSIONS = ("happy", "disgust", "surprise", "sad", "fear", "angry")


def clips():
    """A dozen clips at 30 % of the full expression, with drift, flicker and noise."""
    for k in range(12):
        rng = np.random.default_rng([k, 41])
        fps = (25.0, 60.0, 100.0)[k % 3]
        length = max(3, round(rng.uniform(0.12, 0.45) * fps))
        rise = int(np.clip(round(length * rng.uniform(0.35, 0.6)), 1, length - 1))
        rest = 4
        yield synthetic.draw_clip(
            k + 1, EXPRESSIONS[k % 6], 0.3, rest, rest + rise, rest + length,
            length + 2 * rest + 1, fps, 96, seed=11, index=k,
        )  # fmt: skip


@pytest.fixture(scope="module")
def prepared():
    return [(clip, prepare.prepare(clip.frames, 96, fps=clip.fps).frames) for clip in clips()]


def test_the_apex_is_found_within_two_frames(prepared):
    wrong = [abs(apex.spot(frames, clip.fps).index - clip.apex) for clip, frames in prepared]
    assert np.mean(np.array(wrong) <= 2) >= 0.9, wrong


def test_the_apex_is_found_between_a_known_onset_and_offset(prepared):
    wrong = []
    for clip, frames in prepared:
        cut = frames[clip.onset : clip.offset + 1]  # as SMIC's clips are cut
        found = apex.spot(cut, clip.fps, onset=0, offset=len(cut) - 1)
        wrong.append(abs(found.index + clip.onset - clip.apex))
    assert np.mean(np.array(wrong) <= 2) >= 0.9, wrong


def test_the_intensity_follows_the_truth_and_noise_has_a_low_snr(prepared):
    clip, frames = next((c, f) for c, f in prepared if c.expression == "surprise")
    found = apex.spot(frames, clip.fps)
    assert found.intensity.shape == (len(frames),) and found.intensity[
        found.index
    ] == pytest.approx(1)
    assert np.corrcoef(found.intensity, clip.profile)[0, 1] > 0.9
    noise = np.random.default_rng(0).integers(100, 110, frames.shape, np.uint8)
    assert found.snr > 5 * apex.spot(noise, clip.fps).snr


def test_clips_that_are_too_short_are_refused():
    frames = np.zeros((5, 32, 32), np.uint8)
    with pytest.raises(UserError, match="an apex needs 3 frames or more, got 2"):
        apex.spot(frames[:2])
    with pytest.raises(UserError, match=r"0 <= onset < offset < 5 with a frame between, got 3 and"):
        apex.spot(frames, onset=3, offset=4)
    assert 0 < apex.spot(frames).index < 5  # no motion: any frame, without an error
