"""Fixtures of the runtime's tests, shared with the tests of its scripts."""

from tests.runtime.conftest import (
    cv2_windows,
    display,
    script,
    start,
    stream,
    tiny_model,
    tiny_models,
    video,
)

__all__ = [
    "cv2_windows",
    "display",
    "script",
    "start",
    "stream",
    "tiny_model",
    "tiny_models",
    "video",
]
