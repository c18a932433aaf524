"""What typical disturbances of a camera cost a model in accuracy."""

from collections.abc import Callable

import numpy as np

from keras_mer.data.transforms import camera

#: Disturbance of a 48x48 face: (float32 image, generator) -> image; see `data.transforms.camera`.
DISTURBANCES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "noise, sigma 12": lambda x, random: camera.noise(x, 12, random),
    "blur, sigma 1": lambda x, _: camera.blur(x, 1),
    "JPEG, quality 30": lambda x, _: camera.jpeg(x, 30),
    "contrast x 0.3": lambda x, _: camera.contrast(x, 0.3),
    "gamma 1.6": lambda x, _: camera.gamma(x, 1.6),
    "light from 0.4 to 1": lambda x, _: camera.ramp(x, 0.4),
    "equalized histogram": lambda x, _: camera.equalize(x),
    "24 pixels and back": lambda x, _: camera.rescale(x, 24),
}


def apply(name: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
    """One of `DISTURBANCES` on every image: uint8 (samples, height, width, channels)."""
    random = np.random.default_rng(seed)
    disturbance = DISTURBANCES[name]
    return np.stack(
        [camera.to_pixels(disturbance(image.astype(np.float32), random)) for image in images]
    )


def table(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    truth: np.ndarray,
    probabilities: np.ndarray,
    *,
    seed: int = 0,
) -> dict:
    """Accuracy on images as they are, and what each disturbance costs.

    Args:
        predict: uint8 (samples, height, width, channels) -> probabilities (samples, classes).
        images: uint8 faces; the disturbances' strengths are meant for 48 pixels.
        truth: class indices (samples,).
        probabilities: of the images as they are, (samples, classes).
        seed: of the noise.

    Returns:
        ``accuracy``, 0 to 1; ``cost``, by disturbance the loss of accuracy in percentage points;
        ``mean`` and ``worst`` of these.
    """

    def accuracy(found: np.ndarray) -> float:
        return float((found.argmax(1) == truth).mean())

    clean = accuracy(probabilities)
    cost = {
        name: round(100 * (clean - accuracy(predict(apply(name, images, seed)))), 2)
        for name in DISTURBANCES
    }
    values = list(cost.values())
    return {
        "accuracy": round(clean, 4),
        "cost": cost,
        "mean": round(float(np.mean(values)), 2),
        "worst": max(values),
    }
