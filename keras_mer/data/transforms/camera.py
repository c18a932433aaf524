"""Disturbances that cameras and video compression cause, on single images, with numpy and OpenCV.

Each function takes a float32 image (height, width, channels) of pixels 0..255 and returns another
one, which may exceed the range; `disturb` and `to_pixels` round and clip.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np


def noise(image: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise with standard deviation `sigma`, in pixel values."""
    return image + sigma * random.standard_normal(image.shape, np.float32)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; `sigma` in pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)


def rescale(image: np.ndarray, side: int) -> np.ndarray:
    """Shrunk to `side` pixels by area averaging, and enlarged again bilinearly."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).reshape(image.shape)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compressed as JPEG and decoded; `quality` 1 to 100."""
    code = cv2.imencode(".jpg", to_pixels(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(code, cv2.IMREAD_UNCHANGED).reshape(image.shape).astype(np.float32)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Contrast scaled about the middle of the range: 128 + factor (x - 128)."""
    return 128 + factor * (image - 128)


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """255 (x / 255) ** exponent; above 1 it darkens."""
    return 255 * (np.clip(image, 0, 255) / 255) ** exponent


def ramp(image: np.ndarray, low: float, angle: float = 0.0) -> np.ndarray:
    """Uneven light: a linear factor from `low` to 1 across the image, along `angle` in radians."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    along = x * math.cos(angle) + y * math.sin(angle)
    along = (along - along.min()) / (along.max() - along.min())
    return image * (low + (1 - low) * along)[..., np.newaxis]


def equalize(image: np.ndarray) -> np.ndarray:
    """Histogram equalization of each channel (`cv2.equalizeHist`)."""
    pixels = to_pixels(image)
    channels = [cv2.equalizeHist(pixels[..., c]) for c in range(pixels.shape[-1])]
    return np.stack(channels, axis=-1).astype(np.float32)


def to_pixels(image: np.ndarray) -> np.ndarray:
    """Rounded and clipped to uint8 0..255."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


#: Random disturbances with their probabilities: (image, generator) -> image.
_RANDOM: tuple[tuple[float, Callable[[np.ndarray, np.random.Generator], np.ndarray]], ...] = (
    (0.24, lambda x, r: noise(x, r.uniform(3, 18), r)),
    (0.20, lambda x, r: blur(x, x.shape[0] / 48 * r.uniform(0.4, 1.6))),
    (0.12, lambda x, r: rescale(x, round(x.shape[0] * r.uniform(0.33, 0.83)))),
    (0.12, lambda x, r: jpeg(x, int(r.integers(12, 70)))),
    (0.12, lambda x, r: contrast(x, r.uniform(0.2, 0.8))),
    (0.08, lambda x, r: gamma(x, math.exp(r.uniform(-0.6, 0.6)))),
    (0.06, lambda x, r: ramp(x, r.uniform(0.2, 0.7), r.uniform(0, 2 * math.pi))),
    (0.06, lambda x, r: equalize(x)),
)


def disturb(images: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Disturb a share of the images, each by one or two of the functions above.

    Args:
        images: float32 (batch, height, width, channels), 0..255.
        share: probability that an image is disturbed.
        random: of all choices.

    Returns:
        As `images`; whole numbers 0..255 where an image was disturbed.
    """
    out = images.copy()
    weights = [weight for weight, _ in _RANDOM]
    for i in np.flatnonzero(random.uniform(size=len(images)) < share):
        image = out[i]
        count = 1 if random.uniform() < 0.6 else 2
        for k in random.choice(len(_RANDOM), count, replace=False, p=weights):
            image = _RANDOM[k][1](image, random)
        out[i] = to_pixels(image)
    return out
