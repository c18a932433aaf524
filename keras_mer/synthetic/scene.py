"""Pose, lighting and camera of a drawn face."""

from dataclasses import dataclass, field

import cv2
import numpy as np


@dataclass(frozen=True, eq=False)
class Scene:
    """Pose, lighting and camera of a drawn face.

    Attributes:
        roll, yaw, pitch: head rotation in radians: in the image plane, to the right of the image,
            downwards.
        dx, dy: shift of the head in face units (half a face's width). scale: of the head,
            1 to fill the frame.
        light: direction to the light, unit vector (x right, y down, z to the camera).
        ambient: 0 to 1, fraction of ambient light.
        gain, gamma: of the final image.
        gaze: shift of the irises in face units.
        background: uint8 (h, w, 3) BGR, stretched to the frame; or None for gray.
        blur: standard deviation in face units. noise: standard deviation in gray levels.
        seed: of the noise.
    """

    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    light: tuple[float, float, float] = (-0.30, -0.45, 0.84)
    ambient: float = 0.55
    gain: float = 1.0
    gamma: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)
    background: np.ndarray | None = None
    blur: float = 0.0
    noise: float = 0.0
    seed: tuple[int, ...] = field(default=(0,))

    @classmethod
    def random(cls, rng: np.random.Generator, variation: float = 1.0) -> "Scene":
        """Sample pose, light, background, blur and noise.

        Args:
            rng: random generator.
            variation: 0 for a plain frontal image, 1 as in datasets collected from the web.
        """
        n = np.clip(rng.standard_normal(9), -2.2, 2.2) * variation
        u = rng.random(6)
        light = np.array([0.45 * n[5], -0.4 + 0.3 * n[6], 0.8])
        light /= np.sqrt(light @ light)
        rows = 2 + int(rng.integers(5))
        base = rng.integers(40, 215) + rng.normal(0, 13, 3)
        tones = rng.normal(0, 26, (rows, rows, 1)) + rng.normal(0, 5, (rows, rows, 3))
        patch = np.clip(base + tones, 0, 255).astype(np.uint8)
        return cls(
            roll=0.085 * n[0],
            yaw=0.13 * n[1],
            pitch=0.09 * n[2],
            dx=0.055 * n[3],
            dy=0.055 * n[4],
            scale=1 + 0.06 * n[7],
            light=(float(light[0]), float(light[1]), float(light[2])),
            ambient=0.62 - 0.25 * variation * u[0],
            gain=1 + variation * 0.24 * (u[1] - 0.55),
            gamma=1 + variation * 0.35 * (u[2] - 0.5),
            gaze=(0.03 * n[8], 0.016 * n[8] * (u[3] - 0.5)),
            background=patch,
            blur=0.025 * variation * u[4] ** 2,
            noise=1 + 6 * variation * u[5] ** 2,
            seed=(int(rng.integers(2**31)),),
        )


def defocused(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur by a Gaussian of `sigma` pixels, unless it is too narrow to be seen."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image


def apply_camera(
    image: np.ndarray, scene: Scene, unit: float, noise: np.ndarray | None = None
) -> np.ndarray:
    """Apply the camera's blur, gain, gamma and noise to a uint8 image, BGR or gray.

    `noise` is float32, (h, w), in gray levels; without it, it is drawn from the scene's seed.
    """
    image = defocused(image, scene.blur * unit)
    if scene.gain != 1 or scene.gamma != 1:
        level = np.arange(256) / 255
        table = np.clip(255 * scene.gain * level**scene.gamma + 0.5, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table)
    if scene.noise > 0:
        if noise is None:
            rng = np.random.default_rng(scene.seed)
            noise = rng.standard_normal(image.shape[:2], np.float32) * scene.noise
        # luminance noise only, as after the camera's chroma denoising
        noise = noise if image.ndim == 2 else cv2.merge([noise, noise, noise])
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    return image
