"""Facial motion: dense optical flow, optical strain, temporal resampling, magnification."""

import threading
from collections.abc import Sequence

import cv2
import numpy as np

from keras_mer.errors import UserError, nearest
from keras_mer.kinds import FLOW_METHODS

# name -> (finest scale, smoothness weight, blur in pixels): the best of about 40 settings on
# faces warped by known fields of 0.8 and 2.5 pixels with noise of 0.7 to 1.5 gray levels
_DIS = {"dis": (0, 60.0, 1.0), "dis-fast": (1, 20.0, 1.5)}

#: Interval in seconds in which facial motion is negligible, so that frames can be averaged.
MEAN_SECONDS = 0.008

_local = threading.local()


def flow(first: np.ndarray, second: np.ndarray, method: str = "dis") -> np.ndarray:
    """Dense optical flow from one gray image to another.

    Args:
        first, second: uint8 (h, w), at least 16 pixels each way.
        method: ``dis`` (Kroeger et al. 2016) at full resolution, ``dis-fast`` at half of it in a
            quarter of the time, or ``farneback`` (2003). Their mean error at points of synthetic
            faces with known motion is 0.64, 0.74 and 1.13 of that motion.

    Returns:
        float32 (h, w, 2): displacement of each pixel to the right (u) and down (v), in pixels.

    Raises:
        UserError: for an unknown method or images of different or too small sizes.
    """
    if method not in FLOW_METHODS:
        raise UserError(
            f"unknown flow method '{method}'{nearest(method, FLOW_METHODS)}; "
            f"expected one of {', '.join(FLOW_METHODS)}"
        )
    if first.shape != second.shape or min(first.shape) < 16 or first.ndim != 2:
        raise UserError(
            "optical flow needs two gray images of one size, 16 pixels or more each way; "
            f"got {first.shape} and {second.shape}"
        )
    if method == "farneback":
        return cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 7, 1.5, 0)
    # DIS is sensitive to noise in uniform skin: blur first
    sigma = _DIS[method][2]
    first, second = (cv2.GaussianBlur(i, (0, 0), sigma) for i in (first, second))
    return _dis(method).calc(first, second, None)


def _dis(method: str):
    made = _local.__dict__.setdefault("dis", {})  # not thread-safe: one object per thread
    if method not in made:
        finest, smoothness, _ = _DIS[method]
        dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setFinestScale(finest)
        dis.setVariationalRefinementAlpha(smoothness)
        dis.setVariationalRefinementIterations(10)
        made[method] = dis
    return made[method]


def flow_sequence(
    frames: Sequence[np.ndarray], method: str = "dis-fast", *, previous: bool = False
) -> np.ndarray:
    """Flow from the first frame to every frame, or between consecutive frames.

    Args:
        frames: uint8 (frames, h, w).
        method: see `flow`.
        previous: from the previous frame instead of from the first.

    Returns:
        float32 (frames, h, w, 2); the first is zero.
    """
    out = np.zeros((len(frames), *frames[0].shape, 2), np.float32)
    for k in range(1, len(frames)):
        out[k] = flow(frames[k - 1 if previous else 0], frames[k], method)
    return out


def remove_head_motion(field: np.ndarray, rounds: int = 6) -> np.ndarray:
    """Remove the rigid head motion from a flow field.

    A similarity transform is fitted to the flow by iteratively reweighted least squares with Cauchy
    weights, which treat the expression as outliers, and subtracted.

    Args:
        field: float32 (h, w, 2).
        rounds: iterations of reweighting.

    Returns:
        float32 (h, w, 2).
    """
    height, width = field.shape[:2]
    x = np.arange(width, dtype=np.float32) / width - 0.5
    y = np.arange(height, dtype=np.float32)[:, None] / height - 0.5
    step = max(1, min(height, width) // 24)  # flow is smooth: about 600 points suffice
    part = (slice(step // 2, None, step),) * 2
    u, v = (field[(*part, k)].ravel().astype(np.float64) for k in (0, 1))
    grid = np.broadcast_arrays(x[None, part[1]], y[part[0]])
    px, py = (g.ravel().astype(np.float64) for g in grid)
    one, zero = np.ones_like(px), np.zeros_like(px)
    across = np.stack([one, zero, px, -py], 1)
    down = np.stack([zero, one, py, px], 1)
    weights = np.ones_like(px)
    for _ in range(rounds):
        left = (across * weights[:, None]).T
        right = (down * weights[:, None]).T
        fit = np.linalg.solve(left @ across + right @ down, left @ u + right @ v)
        distance = np.hypot(u - across @ fit, v - down @ fit)
        spread = 1.5 * np.median(distance) + 1e-6
        weights = 1 / (1 + (distance / spread) ** 2)
    a, b, c, d = fit.astype(np.float32)
    out = np.empty_like(field)
    out[..., 0] = field[..., 0] - (a + c * x - d * y)
    out[..., 1] = field[..., 1] - (b + c * y + d * x)
    return out


def strain(field: np.ndarray) -> np.ndarray:
    """Optical strain: local stretching and shearing, independent of translation.

    The magnitude of the infinitesimal strain tensor, sqrt(e_xx^2 + e_yy^2 + 2 e_xy^2) with
    e_xy = (u_y + v_x) / 2, which is sqrt(u_x^2 + v_y^2 + (u_y + v_x)^2 / 2) (Shreve et al. 2011;
    STSTNet uses the same). Other works omit the shear or count it once. Derivatives are central
    differences per pixel.

    Args:
        field: (h, w, 2).

    Returns:
        float32 (h, w), never negative; 0 for a translation, and to first order for a rotation.
    """
    u_y, u_x = np.gradient(field[..., 0])
    v_y, v_x = np.gradient(field[..., 1])
    return np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2).astype(np.float32)


def flow_and_strain(
    first: np.ndarray, second: np.ndarray, method: str = "dis", *, head: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Flow and optical strain between two registered frames, usually onset and apex.

    Args:
        first, second: uint8 (h, w).
        method: see `flow`.
        head: whether head motion is removed.

    Returns:
        (flow, float32 (h, w, 2), in pixels; strain, float32 (h, w)).
    """
    field = flow(first, second, method)
    if head:
        field = remove_head_motion(field)
    return field, strain(field)


def temporal_mean(frames: np.ndarray, index: int, fps: float | None = None) -> np.ndarray:
    """Reduce noise by the mean of the frames within `MEAN_SECONDS` of a frame.

    Args:
        frames: uint8 (frames, h, w), registered.
        index: position of the frame.
        fps: frames per second; without it, or up to 125, the frame is returned unchanged.

    Returns:
        uint8 (h, w).
    """
    reach = int(MEAN_SECONDS * fps) if fps else 0
    part = frames[max(0, index - reach) : index + reach + 1]
    return np.rint(part.mean(0)).astype(np.uint8) if len(part) > 1 else frames[index]


def amplitude(field: np.ndarray) -> float:
    """Strongest motion of a flow field (99th percentile), as a fraction of its width."""
    return float(np.percentile(np.hypot(field[..., 0], field[..., 1]), 99)) / field.shape[1]


def flow_image(field: np.ndarray, strain: np.ndarray, side: int = 28) -> np.ndarray:
    """Encode flow and strain as an RGB image, as in published work.

    u, v and strain are resized and then scaled to 0..255 from their own minimum and maximum. This
    discards the magnitude of the motion, which `amplitude` returns.

    Args:
        field: flow, (h, w, 2). strain: (h, w).
        side: of the image in pixels.

    Returns:
        uint8 (side, side, 3): red u, green v, blue strain (RGB order).
    """
    stack = np.dstack([field, strain]).astype(np.float32)
    shrink = side < min(stack.shape[:2])
    small = cv2.resize(
        stack, (side, side), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    )
    low, high = small.min((0, 1)), small.max((0, 1))
    span = np.where(high > low, high - low, 1)
    return np.rint((small - low) / span * 255).astype(np.uint8)


def resample(frames: np.ndarray, length: int, method: str = "linear") -> np.ndarray:
    """Resample a clip to a fixed length; the first and last frame are kept.

    Args:
        frames: (frames, ...), any number of axes.
        length: number of output frames.
        method: ``linear``, or ``tim``: the temporal interpolation model (Zhou et al. 2011, Pfister
            et al. 2011). TIM places the frames on a path graph and interpolates along the
            eigenvectors of its Laplacian. These are cosines, so that it is equivalent to
            evaluating the discrete cosine series of the frames in between. Smooth, may overshoot.

    Returns:
        (length, ...), of the same dtype.

    Raises:
        UserError: for no frames, a length below 1 or an unknown method.
    """
    count = len(frames)
    if count == 0 or length < 1:
        raise UserError(f"cannot make {length} frames of {count}")
    if method not in ("linear", "tim"):
        raise UserError(f"unknown interpolation '{method}'; expected linear or tim")
    times = np.linspace(0, count - 1, length) if length > 1 else np.array([(count - 1) / 2])
    if method == "linear":
        weights = np.maximum(0, 1 - np.abs(times[:, None] - np.arange(count)))
    else:
        order = np.arange(count)
        basis = np.cos(np.pi * order * (np.arange(count)[:, None] + 0.5) / count)
        scale = np.where(order == 0, 1, 2) / count
        weights = np.cos(np.pi * order * (times[:, None] + 0.5) / count) @ (basis * scale).T
    flat = np.asarray(frames).reshape(count, -1)
    out = (weights.astype(np.float32) @ flat.astype(np.float32)).reshape(length, *frames.shape[1:])
    if np.issubdtype(frames.dtype, np.integer):
        limits = np.iinfo(frames.dtype)
        out = np.clip(np.rint(out), limits.min, limits.max)
    return out.astype(frames.dtype)
